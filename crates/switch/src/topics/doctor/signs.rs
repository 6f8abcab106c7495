//! What points to faults, from what the switch knows by kind.

use rumline_agent::{Disk, Failure, Reason, Transport, Trouble};
use rumline_doctor::{Fault, Sign, words};
use rumline_protocol::{RefusalReason, Timestamp};

use super::way::{SYNC, configured, host_of};
use super::worked::way_back;
use crate::Switch;
use crate::config::ConfigTree;
use crate::topics::files::damaged_startup;
use crate::topics::license::{settings, transport_word};

/// A clock that differs by less is right enough (guide p. 68).
const CLOCK_SECONDS: u64 = 3_600;
/// An ACK that is on its way: to and from a collector that people carry files for, and from CSSM.
const COLLECTOR_SECONDS: i64 = 7 * Timestamp::DAY;
const DIRECT_SECONDS: i64 = Timestamp::DAY;

impl Switch {
    /// What points to faults at present.
    pub(super) fn license_signs(&mut self, now: Timestamp, store: &mut dyn Disk) -> Vec<Sign> {
        let worked = self.worked.lines(store);
        let mut signs = self.store_signs(store);
        signs.extend(self.clock_sign(now));
        signs.extend(self.way_signs());
        signs.extend(self.transport_signs(worked.as_ref()));
        signs.extend(self.exchange_sign());
        signs.extend(self.trust_signs());
        signs.extend(self.document_signs());
        signs.extend(self.report_signs(now));
        signs.extend(self.policy_signs(now));
        if let Some(worked) = &worked {
            for sign in &mut signs {
                self.mend_as_it_was(sign, worked);
            }
        }
        signs
    }

    fn shown_at<T>(&self, trouble: &Trouble<T>) -> String {
        self.derived.zone.license_time(trouble.at)
    }

    fn store_signs(&self, store: &mut dyn Disk) -> Vec<Sign> {
        let mut signs = Vec::new();
        if let Some(error) = self.agent.storage_failure() {
            signs.push(Sign::new(Fault::Storage, format!("Storage: {error}")));
        }
        if let Some(name) = damaged_startup(store).ok().and_then(|names| names.first().copied()) {
            let evidence = format!("{name}: its checksum does not fit");
            signs.push(Sign::new(Fault::Startup, evidence));
        }
        match self.agent.unreadable_reports() {
            0 => {}
            count => signs.push(Sign::new(Fault::Unreadable, format!("{count} reports"))),
        }
        if let Some(since) = self.agent.coarse_since() {
            let evidence = format!("since {}", self.derived.zone.license_time(since));
            signs.push(Sign::new(Fault::Coarse, evidence));
        }
        signs
    }

    fn clock_sign(&self, now: Timestamp) -> Option<Sign> {
        let ahead = self.agent.troubles().peer_ahead_seconds?;
        if ahead.unsigned_abs() < CLOCK_SECONDS {
            return None;
        }
        let zone = &self.derived.zone;
        let right = Timestamp(now.0.saturating_add(ahead));
        let evidence = format!(
            "it is {} here and {} at the licensing peer",
            zone.license_time(now),
            zone.license_time(right)
        );
        let mend = vec![zone.clock_set(right), SYNC.to_owned()];
        Some(Sign::new(Fault::Clock, evidence).mended_by(mend))
    }

    /// A transport, or a VRF, that is another one than when it worked.
    fn transport_signs(&self, worked: Option<&ConfigTree>) -> Vec<Sign> {
        let mut signs = Vec::new();
        let Some(worked) = worked else { return signs };
        let (is, was) = (transport_word(&self.running), transport_word(worked));
        let usage = self.agent.usage_reporting();
        if is == "off" {
            // Whoever saves files since then means it.
            let means_it = usage.last_file_write_at >= usage.last_push_at;
            if was != "off" && !means_it && !self.agent.licenses_in_use().is_empty() {
                let evidence = format!("license smart transport off; it worked by {was}");
                let mend = configured([format!("license smart transport {was}")]);
                signs.push(Sign::new(Fault::TransportOff, evidence).mended_by(mend));
            }
            return signs;
        }
        let Some(failed) = &self.agent.troubles().exchange else { return signs };
        if is != was {
            let evidence = format!("license smart transport {is}; it worked by {was}");
            signs.push(Sign::new(Fault::Transport, evidence));
        }
        let vrf = |tree| settings::VRF.value(tree);
        let unreached = matches!(&failed.what, Failure::Unreachable(reason) if !matches!(reason, Reason::NoPath(_)));
        if unreached && is == was && is != "callhome" && vrf(&self.running) != vrf(worked) {
            let named = |vrf: Option<&str>| vrf.unwrap_or("management").to_owned();
            let (is, was) = (named(vrf(&self.running)), named(vrf(worked)));
            signs.push(Sign::new(Fault::Vrf, format!("VRF {is}; it worked by VRF {was}")));
        }
        signs
    }

    /// Why nobody was reached, or why who was reached did not take it.
    fn exchange_sign(&self) -> Option<Sign> {
        let failed = self.agent.troubles().exchange.as_ref()?;
        let (peer, url) = self.agent.config().destination()?;
        let fault = match &failed.what {
            Failure::Unreachable(reason) => self.unreached(reason, &url)?,
            Failure::NoAnswer | Failure::OtherAnswer => Fault::NoLicensing,
            Failure::Busy => Fault::Busy,
            Failure::TryAgain => Fault::NoTime,
            Failure::Refused(told) => words::exchange(told),
            Failure::DownRev => Fault::DownRev,
            // What is missing is seen by itself.
            Failure::NoTrust => return None,
        };
        let evidence = format!(
            "{}: Communications failure with the {} : {} ({url})",
            self.shown_at(failed),
            peer.name(),
            failed.what
        );
        Some(Sign::new(fault, evidence))
    }

    fn unreached(&self, reason: &Reason, url: &str) -> Option<Fault> {
        let transport = self.agent.config().transport;
        Some(match reason {
            // The lines say it themselves; with the right ones only the size of a message is left.
            Reason::NoPath(_) if self.licensing_path(transport).is_err() => return None,
            Reason::NoPath(_) if transport == Transport::Callhome => Fault::CallhomeSize,
            Reason::NoPath(_) => return None,
            Reason::SourceAddress => Fault::SourceAddress,
            Reason::Vrf => Fault::NameSpace,
            Reason::Url => Fault::Url,
            Reason::Name => {
                let path = self.licensing_path(transport).ok()?;
                let is_listed = path.names.hosts.iter().any(|(name, _)| name == host_of(url));
                if path.names.servers.is_empty() && !is_listed {
                    Fault::NameServer
                } else {
                    Fault::Name
                }
            }
            Reason::Ipv6 => Fault::Ipv6,
            Reason::Refused => Fault::Port,
            Reason::NoRoute => Fault::Route,
            Reason::Connect => Fault::Connection,
            Reason::Timeout => Fault::Silent,
            Reason::Certificate => Fault::CertificateRoot,
            Reason::CertificateName => Fault::CertificateName,
            Reason::CertificateTime => Fault::CertificateTime,
            Reason::Tls => Fault::TlsVersion,
            Reason::ProxyName => Fault::ProxyName,
            Reason::ProxyConnect => Fault::ProxyUnreachable,
            Reason::ProxyTimeout => Fault::ProxySilent,
            Reason::ProxyAuthentication => Fault::ProxyAuthentication,
            Reason::ProxyStatus(_) => Fault::ProxyRefuses,
            Reason::ProxyAnswer => Fault::ProxyNone,
            Reason::Empty => Fault::Empty,
            Reason::TooLarge | Reason::Envelope(_) => Fault::NoLicensing,
            Reason::Status(404) if has_tenant(url) => Fault::Tenant,
            Reason::Status(500..) => Fault::ServerFails,
            Reason::Status(_) => Fault::Url,
        })
    }

    fn trust_signs(&self) -> Vec<Sign> {
        let mut signs = Vec::new();
        if let Some(refused) = &self.agent.troubles().trust {
            let evidence = format!(
                "{}: The install of a new licensing trust code has failed: {}",
                self.shown_at(refused),
                refused.what
            );
            signs.push(Sign::new(words::trust(&refused.what), evidence));
        }
        let config = self.agent.config();
        let is_direct = matches!(config.transport, Transport::Smart | Transport::Callhome);
        let has_code = self.agent.trust().iter().any(|line| line.code.is_some());
        if is_direct && !has_code {
            let evidence = "Trust Code installed: <none>";
            signs.push(Sign::new(Fault::TrustMissing, evidence));
        }
        signs
    }

    fn document_signs(&self) -> Vec<Sign> {
        let documents = &self.agent.troubles().documents;
        let mut signs: Vec<Sign> = Vec::new();
        for (kind, refused) in documents {
            // What only came along has nothing wrong with it, and what is said of reports is told by itself.
            if refused.what.contains("with it was refused")
                || refused.what == "CSSM refused the report"
            {
                continue;
            }
            let evidence = format!("{}: Import {kind}: {}", self.shown_at(refused), refused.what);
            signs.push(Sign::new(words::document(&refused.what), evidence));
        }
        signs
    }

    fn report_signs(&self, now: Timestamp) -> Vec<Sign> {
        let mut signs = Vec::new();
        let troubles = self.agent.troubles();
        if let Some(refused) = &troubles.reports {
            let fault = match refused.what.reason {
                Some(RefusalReason::Held) => Fault::Clone,
                Some(RefusalReason::Account) => Fault::Account,
                _ => Fault::ReportsRefused,
            };
            let evidence = format!("{}: {}", self.shown_at(refused), refused.what.words);
            signs.push(Sign::new(fault, evidence));
        }
        if let Some(at) = troubles.set_back_at {
            let evidence = format!("since {}", self.derived.zone.license_time(at));
            signs.push(Sign::new(Fault::SetBack, evidence));
        }
        if let Some(since) = self.agent.waits_for_ack_since() {
            let is_collected = self.agent.config().transport == Transport::Cslu;
            let (fault, patience) = if is_collected {
                (Fault::CollectorStuck, COLLECTOR_SECONDS)
            } else {
                (Fault::AckMissing, DIRECT_SECONDS)
            };
            if now.since(since) > patience {
                let ack = self.agent.usage_reporting().last_ack_at;
                let zone = &self.derived.zone;
                let evidence = format!(
                    "Last report push: {}, Last ACK received: {}",
                    zone.license_time(since),
                    zone.license_time_or_none(ack)
                );
                signs.push(Sign::new(fault, evidence));
            }
        }
        signs
    }

    fn policy_signs(&self, now: Timestamp) -> Vec<Sign> {
        let mut signs = Vec::new();
        if let Some(end) = self.agent.end_of_policy(now) {
            let fault = if end <= now { Fault::PolicyEnded } else { Fault::PolicyEnds };
            signs.push(Sign::new(fault, format!("on {}", self.derived.zone.license_time(end))));
        }
        if let Some(deadline) = self.agent.next_ack_deadline() {
            let evidence =
                format!("Next ACK deadline: {}", self.derived.zone.license_time(deadline));
            if deadline <= now {
                signs.push(Sign::new(Fault::DeadlinePassed, evidence));
            } else if self.agent.deadline_is_near(now) {
                signs.push(Sign::new(Fault::DeadlineNear, evidence));
            }
        }
        signs
    }

    /// What is different from when it worked is what mends a way.
    fn mend_as_it_was(&self, sign: &mut Sign, worked: &ConfigTree) {
        let Some(heads) = lines_of(sign.fault) else { return };
        let back = configured(way_back(&self.running, worked, heads));
        if !back.is_empty() {
            sign.mend = back;
        } else if heads.is_empty() {
            let elsewhere =
                "! The lines of this switch are those that worked: what is wrong is not here.";
            let usual = sign.fault.usual_mend().iter().filter(|line| line.starts_with("! "));
            let lines = std::iter::once(elsewhere).chain(usual.copied()).chain([SYNC]);
            sign.mend = lines.map(str::to_owned).collect();
        }
    }
}

/// The first words of the lines that a fault is about; none of one that no line is to blame for, and no words where any may be.
fn lines_of(fault: Fault) -> Option<&'static [&'static str]> {
    use Fault as F;
    Some(match fault {
        F::Transport => &["license smart transport"],
        F::CallhomeOff | F::CallhomeByMail | F::CallhomeSize => &["callhome"],
        F::VrfMissing | F::VrfDown | F::Vrf => &["license smart vrf", "vrf context", "callhome"],
        F::InterfaceDown | F::InterfaceVrf | F::SourceAddress => {
            &["license smart source-interface", "interface", "callhome"]
        }
        F::LookupOff => &["ip domain-lookup"],
        F::ProxyPort | F::ProxyName | F::ProxyUnreachable | F::ProxySilent => {
            &["license smart proxy", "callhome"]
        }
        F::ProxyAuthentication | F::ProxyRefuses | F::ProxyNone => {
            &["license smart proxy", "callhome"]
        }
        F::NameServer
        | F::Name
        | F::Ipv6
        | F::Url
        | F::Tenant
        | F::Port
        | F::Route
        | F::Connection
        | F::Silent
        | F::Empty
        | F::NoLicensing
        | F::CertificateName
        | F::CertificateRoot
        | F::TlsVersion
        | F::NameSpace => &[],
        _ => return None,
    })
}

/// Whether a URL is that of a tenant of an SSM On-Prem (PI-NET-015).
fn has_tenant(url: &str) -> bool {
    let tenant = url.split_once("/cslu/v1/pi/").map(|(_, tenant)| tenant.trim_matches('/'));
    tenant.is_some_and(|tenant| !tenant.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_stand_behind_the_path() {
        assert!(has_tenant("https://onprem/cslu/v1/pi/XYZ-1"));
        for none in
            ["https://onprem/cslu/v1/pi", "https://onprem/cslu/v1/pi/", "https://onprem/XYZ-1", ""]
        {
            assert!(!has_tenant(none), "{none}");
        }
    }
}
