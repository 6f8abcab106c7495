//! The reporting policy (guide p. 10; PI-POL, G-04).

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The three numbers of one class of licences, in days; 0 means no requirement of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPolicy {
    /// The first report is due this many days after use began.
    pub first_report_days: u32,
    /// Each following report is due this many days after the last ACK.
    pub ongoing_report_days: u32,
    /// A change of use is to be reported within this many days.
    pub on_change_report_days: u32,
}

impl ClassPolicy {
    /// The longest span a policy may state, in days.
    pub const DAYS_MAX: u32 = 3650;

    /// The Cisco default for licences that are neither enforced nor exported (guide Table 1; PI-POL-003).
    pub const CISCO_DEFAULT: Self =
        Self { first_report_days: 90, ongoing_report_days: 365, on_change_report_days: 90 };

    /// No requirement at all.
    pub const NONE: Self =
        Self { first_report_days: 0, ongoing_report_days: 0, on_change_report_days: 0 };
}

/// What CSSM tells a product instance about reporting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Names the policy at CSSM.
    pub policy_id: String,
    /// Its name for people.
    pub policy_name: String,
    /// When CSSM wrote this copy.
    pub issued_at: Timestamp,
    /// The Smart Account it belongs to.
    pub smart_account: String,
    /// Whether a report is open until CSSM has acknowledged it.
    pub reporting_ack_required: bool,
    /// Unenforced and not export controlled: every licence of a Nexus.
    pub unenforced: ClassPolicy,
    /// Enforced, perpetual or subscription.
    pub enforced: ClassPolicy,
    /// Export controlled, perpetual or subscription.
    pub export: ClassPolicy,
}

impl Policy {
    /// The name of the policy that is always there.
    pub const CISCO_DEFAULT: &'static str = "Cisco default";

    /// The Cisco default (guide Table 1; PI-POL-003).
    #[must_use]
    pub fn cisco_default() -> Self {
        Self {
            policy_id: "default".to_owned(),
            policy_name: Self::CISCO_DEFAULT.to_owned(),
            issued_at: Timestamp(0),
            smart_account: String::new(),
            reporting_ack_required: true,
            unenforced: ClassPolicy::CISCO_DEFAULT,
            enforced: ClassPolicy::NONE,
            export: ClassPolicy::NONE,
        }
    }

    /// Whether every number is within what a policy may state.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        [self.unenforced, self.enforced, self.export].iter().all(|class| {
            [class.first_report_days, class.ongoing_report_days, class.on_change_report_days]
                .iter()
                .all(|days| *days <= ClassPolicy::DAYS_MAX)
        })
    }
}
