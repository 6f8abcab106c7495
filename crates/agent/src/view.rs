//! What show commands ask of the agent: plain values, no layout.

use std::collections::BTreeMap;

use rumline_protocol::{
    AccountInfo, EntitlementTag, Policy, PublicKey, Role, Timestamp, TrustCode, Udi,
};

use crate::ledger::{ClassStatistics, HistoryEntry};
use crate::{Agent, Config, DiskError, Environment, Profile, Troubles};

/// A licence in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseInUse {
    /// What is licensed.
    pub tag: EntitlementTag,
    /// Its short name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// How many are in use.
    pub count: u32,
    /// Since when.
    pub since: Timestamp,
    /// Its open report.
    pub report_id: u64,
}

/// The policy in force and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInUse {
    /// The policy.
    pub policy: Policy,
    /// When it was installed; none for the Cisco default.
    pub installed_at: Option<Timestamp>,
}

/// The `Usage reporting` block of `show license status`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UsageReporting {
    /// `Last ACK received`.
    pub last_ack_at: Option<Timestamp>,
    /// `Next ACK deadline`.
    pub next_ack_deadline_at: Option<Timestamp>,
    /// `Reporting push interval`; none before anything was used.
    pub push_interval_days: Option<u32>,
    /// `Next ACK push check`.
    pub next_ack_check_at: Option<Timestamp>,
    /// `Next report push`.
    pub next_push_at: Option<Timestamp>,
    /// `Last report push`.
    pub last_push_at: Option<Timestamp>,
    /// `Last report file write`.
    pub last_file_write_at: Option<Timestamp>,
}

/// A supervisor's trust code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustLine {
    /// Its role.
    pub role: Role,
    /// Its UDI.
    pub udi: Udi,
    /// The trust code, and when it was installed.
    pub code: Option<(TrustCode, Timestamp)>,
}

impl Agent {
    /// What the agent was told about the switch.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The licensing configuration in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device's public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    /// The product instance's own identifier.
    #[must_use]
    pub fn product_instance_identifier(&self) -> &str {
        &self.ledger.product_instance_identifier
    }

    /// The licences in use, in the order of their tags.
    #[must_use]
    pub fn licenses_in_use(&self) -> Vec<LicenseInUse> {
        let in_use = self.ledger.series.iter().filter(|(_, series)| series.count > 0);
        in_use
            .map(|(tag, series)| LicenseInUse {
                tag: tag.clone(),
                name: series.name.clone(),
                description: series.description.clone(),
                count: series.count,
                since: series.in_use_since,
                report_id: series.report_id,
            })
            .collect()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy_in_use(&self) -> PolicyInUse {
        let kept = self.ledger.policy.as_ref().filter(|_| self.installed.policy.is_some());
        let installed_at = kept.map(|installed| installed.installed_at);
        PolicyInUse { policy: self.policy(), installed_at }
    }

    /// Times of reporting. Before anything was used there are none (PI-SHOW-014).
    #[must_use]
    pub fn usage_reporting(&self) -> UsageReporting {
        let ledger = &self.ledger;
        if ledger.used_since.is_none() {
            return UsageReporting {
                last_file_write_at: ledger.last_file_write_at,
                ..UsageReporting::default()
            };
        }
        let online = self.config.destination().is_some();
        let retry_at = ledger.outage.as_ref().map(|outage| outage.retry_at);
        let not_before = |at: Timestamp| retry_at.map_or(at, |retry_at| at.max(retry_at));
        let next_check = ledger.polls.iter().map(|poll| poll.at).min();
        UsageReporting {
            last_ack_at: ledger.last_ack_at,
            next_ack_deadline_at: self.next_ack_deadline(),
            push_interval_days: Some(self.push_interval_days()),
            next_ack_check_at: next_check.filter(|_| online).map(not_before),
            next_push_at: self.next_push().filter(|_| online).map(|(at, _)| not_before(at)),
            last_push_at: ledger.last_push_at,
            last_file_write_at: ledger.last_file_write_at,
        }
    }

    /// The supervisors and their trust codes.
    #[must_use]
    pub fn trust(&self) -> Vec<TrustLine> {
        let codes = self.trust_codes();
        let line = |member: &rumline_protocol::HaMember| TrustLine {
            role: member.role,
            udi: member.sudi.clone(),
            code: codes.iter().find(|(code, _)| code.sudi == member.sudi).cloned(),
        };
        self.profile.members.iter().map(line).collect()
    }

    /// The epoch its reports are numbered in; empty for the first.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.ledger.epoch
    }

    /// The account CSSM last spoke for.
    #[must_use]
    pub fn account(&self) -> Option<&AccountInfo> {
        self.ledger.account.as_ref()
    }

    /// What is wrong at present.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.ledger.troubles
    }

    /// Reports that were never acknowledged and cannot be read.
    #[must_use]
    pub fn unreadable_reports(&self) -> u64 {
        self.ledger.unreadable.len()
    }

    /// Since when times within a day are not kept any more, because too much waits.
    #[must_use]
    pub fn coarse_since(&self) -> Option<Timestamp> {
        self.ledger.coarse_since
    }

    /// Since when reports that have left wait for their ACK, if they do.
    #[must_use]
    pub fn waits_for_ack_since(&self) -> Option<Timestamp> {
        self.ledger.troubles.waits_since.filter(|_| !self.ledger.unacknowledged.is_empty())
    }

    /// How exchanges went, by class of message.
    #[must_use]
    pub fn statistics(&self) -> &BTreeMap<String, ClassStatistics> {
        &self.ledger.statistics
    }

    /// Exchanges and imports, by class, oldest first.
    #[must_use]
    pub fn history(&self) -> &BTreeMap<String, Vec<HistoryEntry>> {
        &self.ledger.history
    }

    /// The event log, oldest first.
    pub fn event_log(&self) -> impl Iterator<Item = &str> {
        self.eventlog.lines()
    }

    /// Notes that a message left: of what class, how many bytes, and their digest.
    pub fn note_left(
        &mut self,
        now: Timestamp,
        (class, bytes, digest): (&str, usize, String),
        environment: &mut Environment<'_>,
    ) {
        let detail = format!("class=\"{class}\" bytes=\"{bytes}\" sha256=\"{digest}\"");
        self.log(now, environment, "SAEVT_MESSAGE_SENT", &detail);
    }

    /// `license smart clear eventlog`.
    pub fn clear_event_log(&mut self, disk: &mut dyn crate::Disk) {
        self.eventlog.clear(disk);
    }

    /// Why what was recorded is not on disk, if it is not.
    #[must_use]
    pub fn storage_failure(&self) -> Option<&DiskError> {
        self.storage_failure.as_ref()
    }

    /// Reports: open, closed, sent and not acknowledged, acknowledged, purged.
    #[must_use]
    pub fn report_counts(&self) -> [u64; 5] {
        let ledger = &self.ledger;
        [
            ledger.series.len() as u64,
            ledger.closed.len(),
            ledger.unacknowledged.len(),
            ledger.acknowledged.len(),
            ledger.purged_count,
        ]
    }
}
