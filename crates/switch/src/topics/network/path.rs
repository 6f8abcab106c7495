//! The way a message takes out of the switch. It is decided here, from the lines of the configuration alone; whoever carries the
//! message obeys.

use std::net::IpAddr;

use rumline_agent::Transport;

use crate::Switch;
use crate::config::{ConfigTree, Setting};
use crate::topics::callhome;
use crate::topics::interface::DEFAULT_VRF;
use crate::topics::license::settings;
use crate::topics::names::{self, Names};

/// The VRF of licensing where no line names another (PI-NET-001), and of copies.
pub(crate) const MANAGEMENT: &str = "management";

/// A VRF, and the interface in it whose address a message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The VRF.
    pub vrf: String,
    /// The interface, where one is named and has an address.
    pub source: Option<SourceInterface>,
}

/// An interface that messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInterface {
    /// Its name.
    pub name: String,
    /// Its addresses in the configuration, an IPv4 one first.
    pub addresses: Vec<IpAddr>,
}

/// A proxy that a message goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The TLS that is offered (PI-NET-006).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// 1.2: releases before 10.4(3)F.
    V1_2,
    /// 1.3.
    V1_3,
}

/// The way of a message, with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Where it leaves.
    pub way: Way,
    /// The proxy in between.
    pub proxy: Option<Proxy>,
    /// How names on the way are resolved.
    pub names: Names,
    /// The TLS that is offered.
    pub tls: Tls,
    /// Whether the other side may have an IPv6 address (PI-NET-007).
    pub has_ipv6: bool,
}

/// Why there is no way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPath {
    /// A line names a VRF that is not there.
    #[error("VRF {0} does not exist")]
    NoVrf(String),
    /// The VRF is shut down.
    #[error("VRF {0} is shut down")]
    VrfDown(String),
    /// PI-NET-004
    #[error("Source interface {0} is down")]
    SourceDown(String),
    /// PI-NET-005
    #[error("Source interface {interface} is in VRF {is_in}, not in VRF {wanted}")]
    SourceInOtherVrf {
        /// The interface.
        interface: String,
        /// Its VRF.
        is_in: String,
        /// The VRF that messages leave by.
        wanted: String,
    },
    /// PI-NET-029
    #[error("Smart Call Home is not enabled")]
    CallhomeOff,
    /// The profile sends by e-mail, which licensing cannot.
    #[error("The Call Home destination profile {0} sends by email only: transport-method http")]
    CallhomeByMail(String),
    /// PI-NET-026
    #[error("The message has {bytes} bytes, and Call Home sends at most {max}: message-size")]
    TooLarge {
        /// Of the message in its envelope.
        bytes: usize,
        /// As the destination profile says.
        max: usize,
    },
    /// G-28: there is no default for the smart transport.
    #[error("The proxy has no port: license smart proxy port")]
    ProxyWithoutPort,
}

/// The lines of licensing that decide on the way, read whenever they change.
#[derive(Debug)]
pub(crate) struct WayLines {
    vrf: Option<String>,
    source: Option<String>,
    proxy_host: Option<String>,
    proxy_port: Option<u16>,
}

impl WayLines {
    pub(crate) fn of(config: &ConfigTree) -> Self {
        let value = |setting: &Setting| setting.value(config).map(str::to_owned);
        Self {
            vrf: value(&settings::VRF),
            source: value(&settings::SOURCE_INTERFACE),
            proxy_host: value(&settings::PROXY_ADDRESS),
            proxy_port: value(&settings::PROXY_PORT).and_then(|port| port.parse().ok()),
        }
    }
}

impl Switch {
    /// The way of a licensing message.
    ///
    /// # Errors
    /// With why there is none: the reason of `COMM_FAILED`.
    pub fn licensing_path(&self, transport: Transport) -> Result<Path, NoPath> {
        let software = self.software();
        let lines = &self.derived.ways;
        let has_vrf = software.has("smart vrf");
        let smart_vrf = lines.vrf.as_deref().filter(|_| has_vrf).unwrap_or(MANAGEMENT);
        let (vrf, source, proxy) = if transport == Transport::Callhome {
            if !callhome::is_enabled(&self.running) {
                return Err(NoPath::CallhomeOff);
            }
            if let Some(profile) = callhome::by_mail_only(&self.running) {
                return Err(NoPath::CallhomeByMail(profile.to_owned()));
            }
            let proxy = callhome::proxy(&self.running);
            let proxy = proxy.map(|(host, port)| Proxy { host: host.to_owned(), port });
            // PI-NET-002: with direct connection only.
            let has_source = software.has("callhome source interface") && proxy.is_none();
            let source = callhome::source_interface(&self.running).filter(|_| has_source);
            (callhome::vrf(&self.running).unwrap_or(MANAGEMENT), source, proxy)
        } else {
            let has_source = software.has("smart source interface");
            let source = lines.source.as_deref().filter(|_| has_source);
            // The proxy is one of the smart transport (PI-CLI-018).
            let host = lines.proxy_host.as_ref().filter(|_| transport == Transport::Smart);
            let proxy = match host {
                None => None,
                Some(host) => Some(Proxy {
                    host: host.clone(),
                    port: lines.proxy_port.ok_or(NoPath::ProxyWithoutPort)?,
                }),
            };
            (smart_vrf, source, proxy)
        };
        Ok(Path {
            way: self.way(vrf, source)?,
            proxy,
            // C-12
            names: self.names_in(smart_vrf),
            tls: if software.has("tls 1.3") { Tls::V1_3 } else { Tls::V1_2 },
            has_ipv6: transport == Transport::Callhome,
        })
    }

    /// The way of what a person, or a line of the configuration, names a VRF for; `default` where none is named.
    ///
    /// # Errors
    /// With why there is none.
    pub(crate) fn path_in(&self, vrf: Option<&str>, source: Option<&str>) -> Result<Path, NoPath> {
        let vrf = vrf.unwrap_or(DEFAULT_VRF);
        let tls = if self.software().has("tls 1.3") { Tls::V1_3 } else { Tls::V1_2 };
        Ok(Path {
            way: self.way(vrf, source)?,
            proxy: None,
            names: self.names_in(vrf),
            tls,
            has_ipv6: true,
        })
    }

    /// The same to a host; names matter only where it is one.
    ///
    /// # Errors
    /// With why there is none.
    pub(crate) fn path_to(
        &self,
        host: &str,
        vrf: Option<&str>,
        source: Option<&str>,
    ) -> Result<Path, NoPath> {
        if host.parse::<IpAddr>().is_err() {
            return self.path_in(vrf, source);
        }
        Ok(Path {
            way: self.way(vrf.unwrap_or(DEFAULT_VRF), source)?,
            proxy: None,
            names: Names::default(),
            tls: Tls::V1_3,
            has_ipv6: true,
        })
    }

    /// How names are resolved for what leaves by a VRF.
    pub(crate) fn names_in(&self, vrf: &str) -> Names {
        names::names(&self.running, vrf, |vrf, source| self.way(vrf, source).ok())
    }

    /// The three notes on source interfaces: one without an address changes nothing (PI-NET-003), one that is down, or in
    /// another VRF, lets nothing out (PI-NET-004, PI-NET-005).
    pub(crate) fn way(&self, vrf: &str, source: Option<&str>) -> Result<Way, NoPath> {
        if !self.has_vrf(vrf) {
            return Err(NoPath::NoVrf(vrf.to_owned()));
        }
        if self.is_vrf_shut(vrf) {
            return Err(NoPath::VrfDown(vrf.to_owned()));
        }
        let mut found = None;
        if let Some(interface) = source.and_then(|name| self.interface(name))
            && !interface.addresses().is_empty()
        {
            let addresses = interface.addresses();
            let name = interface.name.clone();
            if interface.down.is_some() {
                return Err(NoPath::SourceDown(name));
            }
            if interface.vrf != vrf {
                let (is_in, wanted) = (interface.vrf.clone(), vrf.to_owned());
                return Err(NoPath::SourceInOtherVrf { interface: name, is_in, wanted });
            }
            found = Some(SourceInterface { name, addresses });
        }
        Ok(Way { vrf: vrf.to_owned(), source: found })
    }

    /// Whether there is a VRF: one of the two that are always there, one with a section, or one that an interface is in.
    fn has_vrf(&self, vrf: &str) -> bool {
        [DEFAULT_VRF, MANAGEMENT].contains(&vrf)
            || self.running.section(&[format!("vrf context {vrf}")]).is_some()
            || self.interfaces().iter().any(|interface| interface.vrf == vrf)
    }
}
