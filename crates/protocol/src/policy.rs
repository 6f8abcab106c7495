//! The reporting policy (guide p. 10; PI-POL, G-04).

use serde::{Deserialize, Serialize};

use crate::statement::Purpose;
use crate::time::Timestamp;

/// The three numbers of one class of licences, in days; 0 means no requirement of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassPolicy {
    /// The first report is due this many days after use began.
    #[schemars(range(max = Self::DAYS_MAX))]
    pub first_report_days: u32,
    /// Each following report is due this many days after the last ACK.
    #[schemars(range(max = Self::DAYS_MAX))]
    pub ongoing_report_days: u32,
    /// A change of use is to be reported within this many days.
    #[schemars(range(max = Self::DAYS_MAX))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Policy {
    /// Names the policy at CSSM.
    pub policy_id: String,
    /// Its name for people.
    pub policy_name: String,
    /// When CSSM wrote this copy; says nothing about which of two policies is newer.
    pub issued_at: Timestamp,
    /// Grows with each change in its account: of two policies the one with the higher version holds.
    #[serde(default)]
    pub version: u64,
    /// The Smart Account it belongs to.
    pub smart_account: String,
    /// The Virtual Account whose product instances it is for.
    #[serde(default)]
    pub virtual_account: String,
    /// [`Purpose::Policy`].
    #[serde(default)]
    pub purpose: Purpose,
    /// When it ends, if the account sets a lifetime: the Cisco default holds then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
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
    /// Its end is warned of this many days before.
    pub const WARNED_DAYS: u32 = 30;

    /// The name of the policy that is always there.
    pub const CISCO_DEFAULT: &'static str = "Cisco default";

    /// The Cisco default (guide Table 1; PI-POL-003).
    #[must_use]
    pub fn cisco_default() -> Self {
        Self {
            policy_id: "default".to_owned(),
            policy_name: Self::CISCO_DEFAULT.to_owned(),
            issued_at: Timestamp(0),
            version: 0,
            smart_account: String::new(),
            virtual_account: String::new(),
            purpose: Purpose::Policy,
            expires_at: None,
            reporting_ack_required: true,
            unenforced: ClassPolicy::CISCO_DEFAULT,
            enforced: ClassPolicy::NONE,
            export: ClassPolicy::NONE,
        }
    }

    /// The longest of its intervals, in days.
    #[must_use]
    pub fn longest_days(&self) -> u32 {
        let classes = [self.unenforced, self.enforced, self.export];
        let days = |class: &ClassPolicy| {
            class.first_report_days.max(class.ongoing_report_days).max(class.on_change_report_days)
        };
        classes.iter().map(days).max().unwrap_or(0)
    }

    /// The shortest lifetime it may have, in days: twice its longest interval, so that it is renewed by any report that
    /// comes in time, and long enough for the warning.
    #[must_use]
    pub fn lifetime_days_min(&self) -> u32 {
        (2 * self.longest_days()).max(2 * Self::WARNED_DAYS)
    }

    /// Whether it says the same of the same account, whenever it was written and however often.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let undated = |policy: &Self| Self {
            issued_at: Timestamp(0),
            version: 0,
            expires_at: None,
            ..policy.clone()
        };
        undated(self) == undated(other)
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
