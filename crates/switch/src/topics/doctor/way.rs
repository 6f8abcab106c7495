//! What of the way out is wrong by the lines of the configuration alone.

use std::net::IpAddr;
use std::sync::Arc;

use rumline_agent::{MemoryDisk, Transport};
use rumline_catalogue::Catalogue;
use rumline_doctor::{Fault, Sign};
use rumline_protocol::{Random, Suite, Timestamp};

use crate::topics::callhome;
use crate::topics::license::settings;
use crate::topics::network::{MANAGEMENT, NoPath};
use crate::{Devices, Hardware, Switch};

/// What shows whether it is mended.
pub(super) const SYNC: &str = "license smart sync all";

/// Lines as they are typed in configuration mode, and a synchronization after them.
pub(super) fn configured(lines: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let lines: Vec<String> = lines.into_iter().map(Into::into).collect();
    if lines.is_empty() {
        return lines;
    }
    let around = |line: &str| line.to_owned();
    let mut typed = vec![around("configure terminal")];
    typed.extend(lines);
    typed.extend([around("end"), around(SYNC)]);
    typed
}

/// The host that a URL names.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

impl Switch {
    /// What is wrong with the way of licensing messages whoever is at its end.
    pub(super) fn way_signs(&self) -> Vec<Sign> {
        let transport = self.agent.config().transport;
        let mut signs = Vec::new();
        let is_callhome = transport == Transport::Callhome;
        if is_callhome {
            if !callhome::is_enabled(&self.running) {
                let evidence =
                    "license smart transport callhome, and no line enable below callhome";
                signs.push(
                    Sign::new(Fault::CallhomeOff, evidence)
                        .mended_by(configured(["callhome", "enable"])),
                );
            }
            if let Some(profile) = callhome::by_mail_only(&self.running) {
                let line = format!("destination-profile {profile} transport-method email");
                let mend = ["callhome".to_owned(), line.replace("email", "http")];
                signs.push(Sign::new(Fault::CallhomeByMail, &line).mended_by(configured(mend)));
            }
        } else if transport == Transport::Off {
            return signs;
        }
        signs.extend(self.vrf_signs(is_callhome));
        if let Err(NoPath::ProxyWithoutPort) = self.licensing_path(transport) {
            let host = settings::PROXY_ADDRESS.value(&self.running).unwrap_or_default();
            let evidence = format!("license smart proxy address {host}");
            signs.push(Sign::new(Fault::ProxyPort, evidence));
        }
        signs.extend(self.lookup_sign(transport));
        signs
    }

    /// The three notes on source interfaces, and VRFs that are not there (PI-NET-001 to 005).
    fn vrf_signs(&self, is_callhome: bool) -> Option<Sign> {
        let software = self.software();
        let (vrf_head, source_head, vrf, source, section) = if is_callhome {
            let source = callhome::source_interface(&self.running);
            let is_used = software.has("callhome source interface")
                && callhome::proxy(&self.running).is_none();
            let vrf = callhome::vrf(&self.running);
            (
                "transport http use-vrf",
                "source-interface",
                vrf,
                source.filter(|_| is_used),
                "callhome",
            )
        } else {
            let vrf = settings::VRF.value(&self.running).filter(|_| software.has("smart vrf"));
            let source = settings::SOURCE_INTERFACE.value(&self.running);
            let is_used = software.has("smart source interface");
            (
                settings::VRF.head,
                settings::SOURCE_INTERFACE.head,
                vrf,
                source.filter(|_| is_used),
                "",
            )
        };
        let inside = |lines: &[String]| {
            let section = Some(section.to_owned()).filter(|section| !section.is_empty());
            configured(section.into_iter().chain(lines.iter().cloned()))
        };
        let name = vrf.unwrap_or(MANAGEMENT);
        let vrf_line = format!("{vrf_head} {name}");
        let wrong = self.way(name, source).err()?;
        Some(match wrong {
            NoPath::NoVrf(_) => Sign::new(Fault::VrfMissing, &vrf_line)
                .mended_by(inside(&[format!("no {vrf_line}")])),
            NoPath::VrfDown(name) => {
                let lines = [format!("vrf context {name}"), "no shutdown".to_owned()];
                let evidence = format!("vrf context {name}: shutdown");
                Sign::new(Fault::VrfDown, evidence).mended_by(configured(lines))
            }
            NoPath::SourceDown(interface) => {
                let down = self.interface(&interface).and_then(|one| one.down).unwrap_or_default();
                let evidence = format!("{source_head} {interface}, which is down ({down})");
                let lines = [format!("interface {interface}"), "no shutdown".to_owned()];
                Sign::new(Fault::InterfaceDown, evidence).mended_by(configured(lines))
            }
            NoPath::SourceInOtherVrf { interface, is_in, wanted } => {
                let evidence = format!(
                    "{source_head} {interface}, which is in VRF {is_in} and not in {wanted}"
                );
                let line = format!("no {source_head} {interface}");
                Sign::new(Fault::InterfaceVrf, evidence).mended_by(inside(&[line]))
            }
            _ => return None,
        })
    }

    /// A server that has a name, where no name is looked up.
    fn lookup_sign(&self, transport: Transport) -> Option<Sign> {
        let path = self.licensing_path(transport).ok()?;
        let (_, url) = self.agent.config().destination()?;
        let own = host_of(&url);
        let host = path.proxy.as_ref().map_or(own, |proxy| proxy.host.as_str());
        let is_looked_up = host.parse::<IpAddr>().is_err()
            && !host.eq_ignore_ascii_case("localhost")
            && !path.names.hosts.iter().any(|(name, _)| name.eq_ignore_ascii_case(host));
        (is_looked_up && !path.names.lookup).then(|| {
            let evidence = format!("no ip domain-lookup, and {host} is no address");
            Sign::new(Fault::LookupOff, evidence).mended_by(configured(["ip domain-lookup"]))
        })
    }

    /// What is wrong by the lines of a configuration that came from elsewhere: nothing was ever sent by it.
    fn configuration_signs(&self) -> Vec<Sign> {
        let says = ["license smart", "callhome"];
        let is_meant = self.running.lines.iter().any(|line| {
            says.iter().any(|head| line.text == *head || line.text.starts_with(&format!("{head} ")))
        });
        // One that does not mention licensing is of before, or is not about it.
        if !is_meant {
            return Vec::new();
        }
        let mut signs = self.way_signs();
        let transport = self.agent.config().transport;
        let destination = self.agent.config().destination();
        if let (Some((_, url)), Ok(path)) = (destination, self.licensing_path(transport)) {
            let host = host_of(&url);
            let known = path.names.hosts.iter().any(|(name, _)| name.eq_ignore_ascii_case(host));
            let is_asked = path.proxy.is_none() && host.parse::<IpAddr>().is_err() && !known;
            if is_asked && path.names.servers.is_empty() && path.names.lookup {
                signs.push(Sign::new(Fault::NameServer, format!("{url} by VRF {}", path.way.vrf)));
            }
        }
        signs
    }
}

/// What is wrong with licensing by a configuration of NX-OS, on whatever model it is for.
#[must_use]
pub fn signs_of_configuration(
    text: &str,
    suite: Arc<dyn Suite>,
    random: &mut dyn Random,
) -> Vec<Sign> {
    const PID: &str = "N9K-C93180YC-FX3";
    let catalogue = Catalogue::nexus();
    let version = text.lines().find_map(|line| line.strip_prefix("version "));
    let version = version.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    let known = catalogue.release(version).or(catalogue.releases().last());
    let named = text.lines().filter_map(|line| line.trim_end().strip_prefix("interface "));
    let mut hardware = Hardware {
        pid: PID.to_owned(),
        serial: "DOCTOR".to_owned(),
        release: known.map(|release| release.version.clone()).unwrap_or_default(),
        root_certificate: Vec::new(),
        maker_key: None,
        // What is on the other side is not in a configuration.
        links: named.map(str::to_owned).collect(),
        with_defects: false,
    };
    if hardware.check().is_err()
        && let Some(last) = catalogue.releases().last()
    {
        hardware.release.clone_from(&last.version);
    }
    let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
    let mut devices = Devices { store: &mut store, flash: &mut flash, random };
    let booted = Switch::boot(Timestamp(0), &hardware, suite, Some(text), "doctor", &mut devices);
    booted.map(|(switch, _)| switch.configuration_signs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls() {
        for (url, host) in [
            ("http://cslu-local:8182/cslu/v1/pi", "cslu-local"),
            ("https://[2001:db8::1]:8443/x", "2001:db8::1"),
            ("cslu-local", "cslu-local"),
            ("https://a?b:c", "a"),
            ("", ""),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
