//! What the agent must not forget. How it is kept: `ledger_files`.

use std::collections::BTreeMap;

use rumline_protocol::{
    AccountInfo, EntitlementTag, HaMember, IdSet, PreviousReport, Timestamp, Udi,
};
use serde::{Deserialize, Serialize};

use crate::Profile;
use crate::config::Peer;
use crate::disk::DiskError;
use crate::series::Series;
use crate::troubles::Troubles;

/// A result the agent is to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Poll {
    pub poll_id: String,
    pub at: Timestamp,
    /// Whose reports it is about, if not those of the supervisor that reports now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudi: Option<Udi>,
}

/// An outage in progress (PI-RUM-018).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outage {
    /// When communication was due and first failed.
    pub since: Timestamp,
    pub attempts: u32,
    pub retry_at: Timestamp,
}

/// An installed document: its exact text, so that it can be shown and passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installed {
    pub text: String,
    pub signature: String,
    pub certificate: String,
    pub installed_at: Timestamp,
}

/// How exchanges of one class of message went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassStatistics {
    /// Exchanges that brought what was asked for.
    pub success: u64,
    /// Exchanges that did not.
    pub fail: u64,
    /// Failures in a row so far.
    pub ongoing: u64,
    /// Failures in a row so far in which the peer was not reached.
    pub ongoing_communication: u64,
    /// The last status word, e.g. `OK_POLL` or `NO REPLY`.
    pub last_response: Option<String>,
    /// When it came.
    pub last_response_at: Option<Timestamp>,
    /// Why the last failure failed.
    pub failure_reason: Option<String>,
    /// The last success.
    pub last_success_at: Option<Timestamp>,
    /// The last failure.
    pub last_failure_at: Option<Timestamp>,
}

/// One line of `show license history message`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
    /// Of a message: whom it was sent to. One of before this was kept has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<String>,
    /// Of a message: when the answer came, or was no longer waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

/// The switch came up with a clock that is behind what it had recorded: all instants were put back with it, until the clock
/// is right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PutBack {
    /// When it came up, by the clock as it is now: what lies before was recorded before.
    pub boot_at: Timestamp,
    /// By how much what lies before was moved.
    pub seconds: i64,
}

impl PutBack {
    /// Whether a leap of the clock by so many seconds ends it: one that is as long.
    pub(crate) fn is_over(self, leap_seconds: i64) -> bool {
        leap_seconds >= self.seconds.saturating_neg()
    }

    /// Whether a start that long after the switch was last up, by its clock, ends it. A clock that was put back by less
    /// than a day may have been set right then, and a switch may be off for hours.
    pub(crate) fn is_over_at_start(self, off_seconds: i64) -> bool {
        self.seconds <= -Timestamp::DAY && self.is_over(off_seconds)
    }
}

/// Where the reports of a supervisor stand: each supervisor's are a chain of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub last_closed: Option<PreviousReport>,
    pub position: u64,
    pub epoch: String,
    pub epoch_began_at: i64,
    pub parent_epoch: String,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    pub product_instance_identifier: String,
    pub next_report_id: u64,
    pub series: BTreeMap<EntitlementTag, Series>,
    pub last_closed: Option<PreviousReport>,
    pub last_closed_at: Option<Timestamp>,
    /// Closed and never sent or saved.
    pub closed: IdSet,
    /// Sent or saved, not acknowledged.
    pub unacknowledged: IdSet,
    pub acknowledged: IdSet,
    /// Of those: the speaker's that were done once they had left, since the policy asks for no ACK, and of which none has
    /// come (PI-RUM-014).
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub unconfirmed: IdSet,
    /// Those that live on under other numbers: what is still said of them is old.
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub renumbered: IdSet,
    pub purged_count: u64,
    /// Never acknowledged, and their files cannot be read: they are tried again at the next start.
    #[serde(default)]
    pub unreadable: IdSet,
    /// What came last was for another virtual account than that of the trust code: one for where it is now is asked for.
    #[serde(default)]
    pub asks_trust_anew: bool,
    /// Digests of the last requests for reports that were heeded.
    #[serde(default)]
    pub requests_heeded: Vec<String>,
    /// When use began; the base of the first report's deadline.
    pub used_since: Option<Timestamp>,
    /// A change of use that no ACK covers yet.
    pub changed_at: Option<Timestamp>,
    pub last_seen_at: Timestamp,
    pub last_ack_at: Option<Timestamp>,
    pub last_push_at: Option<Timestamp>,
    pub next_push_at: Option<Timestamp>,
    pub last_file_write_at: Option<Timestamp>,
    pub polls: Vec<Poll>,
    pub outage: Option<Outage>,
    /// The deadline that the 30 days' warning was given for.
    pub warned_for: Option<Timestamp>,
    /// When an overdue ACK was last called for.
    pub overdue_warned_at: Option<Timestamp>,
    pub policy: Option<Installed>,
    pub trust_codes: Vec<Installed>,
    pub account: Option<AccountInfo>,
    pub statistics: BTreeMap<String, ClassStatistics>,
    pub history: BTreeMap<String, Vec<HistoryEntry>>,
    /// Empty in the first; another begins when CSSM holds reports that are not known here.
    #[serde(default)]
    pub epoch: String,
    #[serde(default)]
    pub epoch_began_at: i64,
    /// The one that was given up for it.
    #[serde(default)]
    pub parent_epoch: String,
    /// Reports closed in this epoch.
    #[serde(default)]
    pub chain_position: u64,
    /// By how much the clock was set since first start, all in all.
    #[serde(default)]
    pub clock_offset_seconds: i64,
    /// What trust codes may answer: the nonces of the last requests.
    #[serde(default)]
    pub trust_nonces: Vec<String>,
    /// The one of requests without a token, the same until one is answered.
    #[serde(default)]
    pub carried_trust_nonce: Option<String>,
    /// The account whose word counts while there is no trust code: the first that spoke.
    #[serde(default)]
    pub first_account: Option<(String, String)>,
    /// Certificates of CSSM that hold no more.
    #[serde(default)]
    pub revocation: Option<Installed>,
    /// The end of a policy that was warned of.
    #[serde(default)]
    pub policy_end_warned_for: Option<Timestamp>,
    /// Whom a failure was told of that no success has followed.
    #[serde(default)]
    pub comm_failed: Option<Peer>,
    /// The next report does not go before.
    #[serde(default)]
    pub push_held_until: Option<Timestamp>,
    /// The end of the policy that is over; it is kept, for a clock that was wrong.
    #[serde(default)]
    pub policy_ended_at: Option<Timestamp>,
    /// The supervisor that reports.
    #[serde(default)]
    pub udi: Option<Udi>,
    /// Where the reports of supervisors stand that reported before, by serial number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub chains: BTreeMap<String, Chain>,
    /// All supervisors that were in the chassis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supervisors: Vec<Udi>,
    #[serde(default)]
    pub put_back: Option<PutBack>,
    /// Since when times within a day are not kept any more, because too much waits.
    #[serde(default)]
    pub coarse_since: Option<Timestamp>,
    /// When the peer last said that an ACK would be there, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_seconds: Option<u32>,
    /// What is wrong at present.
    #[serde(default, skip_serializing_if = "Troubles::is_empty")]
    pub troubles: Troubles,
}

impl Ledger {
    /// Lines of history kept for each class.
    const HISTORY_MAX: usize = 5;
    /// Requests for reports that are known when they come again.
    const REQUESTS_HEEDED_MAX: usize = 16;
    /// Supervisors that are known of one chassis.
    const SUPERVISORS_MAX: usize = 8;
    /// Trust requests whose answer may still come.
    const TRUST_NONCES_MAX: usize = 8;

    pub(crate) fn new(
        now: Timestamp,
        product_instance_identifier: String,
        next_report_id: u64,
    ) -> Self {
        Self {
            product_instance_identifier,
            next_report_id,
            series: BTreeMap::new(),
            last_closed: None,
            last_closed_at: None,
            closed: IdSet::default(),
            unacknowledged: IdSet::default(),
            acknowledged: IdSet::default(),
            unconfirmed: IdSet::default(),
            renumbered: IdSet::default(),
            purged_count: 0,
            unreadable: IdSet::default(),
            asks_trust_anew: false,
            requests_heeded: Vec::new(),
            used_since: None,
            changed_at: None,
            last_seen_at: now,
            last_ack_at: None,
            last_push_at: None,
            next_push_at: None,
            last_file_write_at: None,
            polls: Vec::new(),
            outage: None,
            warned_for: None,
            overdue_warned_at: None,
            policy: None,
            trust_codes: Vec::new(),
            account: None,
            statistics: BTreeMap::new(),
            history: BTreeMap::new(),
            epoch: String::new(),
            epoch_began_at: 0,
            parent_epoch: String::new(),
            chain_position: 0,
            clock_offset_seconds: 0,
            trust_nonces: Vec::new(),
            carried_trust_nonce: None,
            first_account: None,
            revocation: None,
            policy_end_warned_for: None,
            comm_failed: None,
            push_held_until: None,
            policy_ended_at: None,
            udi: None,
            chains: BTreeMap::new(),
            supervisors: Vec::new(),
            put_back: None,
            coarse_since: None,
            poll_seconds: None,
            troubles: Troubles::default(),
        }
    }

    /// Notes a request for reports that was heeded.
    pub(crate) fn heeded(&mut self, digest: String) {
        if self.requests_heeded.len() == Self::REQUESTS_HEEDED_MAX {
            self.requests_heeded.remove(0);
        }
        self.requests_heeded.push(digest);
    }

    /// Notes the nonce of a trust request.
    pub(crate) fn asked_for_trust(&mut self, nonce: &str) {
        if self.trust_nonces.iter().any(|known| known == nonce) {
            return;
        }
        if self.trust_nonces.len() == Self::TRUST_NONCES_MAX {
            self.trust_nonces.remove(0);
        }
        self.trust_nonces.push(nonce.to_owned());
    }

    /// Files that were copied to another switch would make it speak with the numbers and the key of the first.
    pub(crate) fn check_owner(&mut self, profile: &Profile) -> Result<(), DiskError> {
        let owner = self.udi.get_or_insert_with(|| profile.udi().clone());
        let is_ours = |udi: &Udi| profile.members.iter().any(|member| member.sudi == *udi);
        // A supervisor goes on with what was copied from the other one of its chassis.
        if is_ours(owner) || self.supervisors.contains(profile.udi()) {
            return Ok(());
        }
        Err(DiskError::Damaged(format!(
            "this store is that of {owner}, and this switch is {}: start it with its own store, or \
             empty the directory to begin as a new device",
            profile.udi()
        )))
    }

    /// A report is acknowledged.
    pub(crate) fn done(&mut self, id: u64) {
        self.closed.remove(id);
        self.unacknowledged.remove(id);
        self.unconfirmed.remove(id);
        self.acknowledged.insert(id);
    }

    /// A report has left, and the policy asks for no ACK.
    pub(crate) fn done_unasked(&mut self, id: u64) {
        self.done(id);
        self.unconfirmed.insert(id);
    }

    /// A report that was done is not.
    pub(crate) fn undone(&mut self, id: u64) {
        self.acknowledged.remove(id);
        self.unconfirmed.remove(id);
    }

    /// What the speaker sent where no ACK is asked for may still be refused or lost on the way, and once it speaks no more
    /// nobody will hear of it: it goes once more, until it is acknowledged.
    pub(crate) fn reopen_unconfirmed(&mut self) {
        for id in std::mem::take(&mut self.unconfirmed).iter() {
            self.acknowledged.remove(id);
            self.unacknowledged.insert(id);
        }
    }

    /// Whose reports are closed from now on: the chain of the one so far is put aside.
    pub(crate) fn report_as(&mut self, udi: &Udi) {
        let next = self.chains.remove(&udi.serial).unwrap_or_default();
        let before = Chain {
            last_closed: std::mem::replace(&mut self.last_closed, next.last_closed),
            position: std::mem::replace(&mut self.chain_position, next.position),
            epoch: std::mem::replace(&mut self.epoch, next.epoch),
            epoch_began_at: std::mem::replace(&mut self.epoch_began_at, next.epoch_began_at),
            parent_epoch: std::mem::replace(&mut self.parent_epoch, next.parent_epoch),
        };
        if let Some(former) = self.udi.replace(udi.clone()) {
            self.chains.insert(former.serial, before);
        }
    }

    /// Notes the supervisors there are; those that were are known still.
    pub(crate) fn note_supervisors(&mut self, members: &[HaMember]) {
        for member in members {
            self.supervisors.retain(|known| *known != member.sudi);
            self.supervisors.push(member.sudi.clone());
        }
        let over = self.supervisors.len().saturating_sub(Self::SUPERVISORS_MAX);
        self.supervisors.drain(..over);
    }

    /// Whether another one tells the same, but for when it was last looked at.
    pub(crate) fn is_same_but_seen(&self, other: &Self) -> bool {
        let seen = |ledger: &Self| Self { last_seen_at: Timestamp(0), ..ledger.clone() };
        seen(self) == seen(other)
    }

    /// Forgets everything but what makes the switch recognisable and its report numbers unique.
    pub(crate) fn reset(&mut self, now: Timestamp) {
        let identifier = std::mem::take(&mut self.product_instance_identifier);
        let mut fresh = Self::new(now, identifier, self.next_report_id);
        // Where its reports stand in its life stays as it is, and so does what the root said.
        fresh.epoch = std::mem::take(&mut self.epoch);
        fresh.epoch_began_at = self.epoch_began_at;
        fresh.parent_epoch = std::mem::take(&mut self.parent_epoch);
        fresh.chain_position = self.chain_position;
        fresh.last_closed = self.last_closed.take();
        fresh.clock_offset_seconds = self.clock_offset_seconds;
        fresh.revocation = self.revocation.take();
        fresh.requests_heeded = std::mem::take(&mut self.requests_heeded);
        fresh.udi = self.udi.take();
        fresh.chains = std::mem::take(&mut self.chains);
        fresh.supervisors = std::mem::take(&mut self.supervisors);
        fresh.troubles.peer_ahead_seconds = self.troubles.peer_ahead_seconds;
        *self = fresh;
    }

    pub(crate) fn add_history(&mut self, class: &str, at: Timestamp, text: &str) {
        let text = text.to_owned();
        self.add_entry(class, HistoryEntry { at, text, sent_to: None, answered_at: None });
    }

    /// Remembers a message and what came of it (PI-SHOW-025).
    pub(crate) fn add_entry(&mut self, class: &str, entry: HistoryEntry) {
        let entries = self.history.entry(class.to_owned()).or_default();
        if entries.len() == Self::HISTORY_MAX {
            entries.remove(0);
        }
        entries.push(entry);
    }
}
