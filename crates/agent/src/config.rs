//! The licensing part of the running configuration, as the agent needs it.

use rumline_protocol::{ClassPolicy, CustomerTags};
use serde::{Deserialize, Serialize};

/// Where the smart transport sends unless told otherwise (PI-CLI-011).
pub const DEFAULT_SMART_URL: &str = "https://smartreceiver.cisco.com/licservice/license";
/// Where Call Home sends unless told otherwise (PI-NET-030, C-22).
pub const DEFAULT_CALLHOME_URL: &str =
    "https://tools.cisco.com/its/service/oddce/services/DDCEService";
/// The name of the CSLU unless told otherwise (PI-CLI-009).
pub const DEFAULT_CSLU_HOST: &str = "cslu-local";
/// Days between pushes unless told otherwise (PI-CLI-014).
pub const DEFAULT_INTERVAL_DAYS: u32 = 30;

/// How the switch talks to its licensing peer (PI-CLI-005).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transport {
    /// Call Home.
    Callhome,
    /// Through a CSLU or SSM On-Prem; the default.
    #[default]
    Cslu,
    /// Not at all.
    Off,
    /// Directly to CSSM.
    Smart,
}

/// Whom the switch talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// CSSM.
    Cssm,
    /// A CSLU or SSM On-Prem.
    Cslu,
}

impl Peer {
    /// Its name in system messages (PI-MSG-010).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cssm => "Cisco Smart Software Manager (CSSM)",
            Self::Cslu => "Cisco Smart License utility (CSLU)",
        }
    }
}

/// The licensing configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// The transport in force.
    pub transport: Transport,
    /// `license smart url smart`.
    pub smart_url: Option<String>,
    /// `license smart url cslu`.
    pub cslu_url: Option<String>,
    /// The URL of the Call Home destination profile.
    pub callhome_url: Option<String>,
    /// `license smart usage interval`, in days.
    pub interval_days: Option<u32>,
    /// The most bytes a message may have, where the transport bounds it (PI-NET-026).
    pub message_bytes_max: Option<usize>,
    /// Whether the host name is kept out of messages.
    pub hide_hostname: bool,
    /// Whether the software version is kept out of messages.
    pub hide_version: bool,
    /// What the owner calls the place of the product instance; it travels (PI-RUM-032).
    pub customer_tags: CustomerTags,
}

impl Config {
    /// The peer of the transport in force and its URL; none when it is off.
    #[must_use]
    pub fn destination(&self) -> Option<(Peer, String)> {
        match self.transport {
            Transport::Off => None,
            Transport::Smart => {
                let url = self.smart_url.clone();
                Some((Peer::Cssm, url.unwrap_or_else(|| DEFAULT_SMART_URL.to_owned())))
            }
            Transport::Callhome => {
                let url = self.callhome_url.clone();
                Some((Peer::Cssm, url.unwrap_or_else(|| DEFAULT_CALLHOME_URL.to_owned())))
            }
            Transport::Cslu => {
                let url = self.cslu_url.clone();
                // C-02: the default name is reached by plain HTTP on the CSLU's only device port.
                let default = || format!("http://{DEFAULT_CSLU_HOST}:8182/cslu/v1/pi");
                Some((Peer::Cslu, url.unwrap_or_else(default)))
            }
        }
    }

    /// Days between pushes: the lower of the configured interval and the policy's frequency; 0 when nothing
    /// asks for reports (PI-CLI-015, PI-CLI-016, C-08).
    #[must_use]
    pub fn push_interval_days(&self, class: ClassPolicy) -> u32 {
        match (self.interval_days, class.ongoing_report_days) {
            (None, 0) => 0,
            (Some(days), 0) => days,
            (days, ongoing) => days.unwrap_or(DEFAULT_INTERVAL_DAYS).min(ongoing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(ongoing_report_days: u32) -> ClassPolicy {
        ClassPolicy { ongoing_report_days, ..ClassPolicy::NONE }
    }

    #[test]
    fn the_push_interval_is_the_lower_of_setting_and_policy() {
        let config = |interval_days| Config { interval_days, ..Config::default() };
        assert_eq!(config(Some(100)).push_interval_days(class(90)), 90); // PI-CLI-015
        assert_eq!(config(Some(40)).push_interval_days(class(90)), 40);
        assert_eq!(config(None).push_interval_days(class(365)), 30);
        assert_eq!(config(None).push_interval_days(class(0)), 0); // PI-CLI-016
        assert_eq!(config(Some(7)).push_interval_days(class(0)), 7);
    }
}
