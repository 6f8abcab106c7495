//! What the agent must not forget, and how it is kept.
//!
//! One JSON document in two copies, `ledger.a` and `ledger.b`, written in turn. Each begins with a line that
//! holds its generation and a MAC under the device key, so that a torn or altered copy is known for what it
//! is and the other one, at most one change older, is used. A change costs one synced write.

use std::collections::BTreeMap;

use rumline_protocol::{
    AccountInfo, EntitlementTag, IdSet, PreviousReport, Signer, Suite, Timestamp, Udi, hmac_sha256,
    random_uuid,
};
use serde::{Deserialize, Serialize};

use crate::config::Peer;
use crate::disk::{Disk, DiskError};
use crate::reports::RUM_PREFIX;
use crate::series::Series;
use crate::{Environment, Profile};

const COPIES: [&str; 2] = ["ledger.a", "ledger.b"];
const KEY_FILE: &str = "device.key";
/// What to do about a key that is gone.
const MEND_KEY: &str = "restore the store from a copy, or empty its directory to begin as a new device, which has to be \
                        accepted where it is registered";
const MAGIC: &str = "rumline-ledger-1";

/// A result the agent is to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Poll {
    pub poll_id: String,
    pub at: Timestamp,
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

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    #[serde(skip)]
    generation: u64,
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
    pub purged_count: u64,
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
    /// Whose it is.
    #[serde(default)]
    pub udi: Option<Udi>,
    #[serde(default)]
    pub put_back: Option<PutBack>,
}

impl Ledger {
    /// Lines of history kept for each class.
    const HISTORY_MAX: usize = 5;
    /// Trust requests whose answer may still come.
    const TRUST_NONCES_MAX: usize = 8;

    fn new(now: Timestamp, product_instance_identifier: String, next_report_id: u64) -> Self {
        Self {
            generation: 0,
            product_instance_identifier,
            next_report_id,
            series: BTreeMap::new(),
            last_closed: None,
            last_closed_at: None,
            closed: IdSet::default(),
            unacknowledged: IdSet::default(),
            acknowledged: IdSet::default(),
            purged_count: 0,
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
            put_back: None,
        }
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

    /// The newer of the two copies that is whole, or a new ledger; and what to log about it.
    pub(crate) fn open(
        now: Timestamp,
        signer: &dyn Signer,
        environment: &mut Environment<'_>,
    ) -> Result<(Self, String), DiskError> {
        let key = mac_key(signer);
        let mut best: Option<Self> = None;
        let mut damaged = Vec::new();
        for name in COPIES {
            let Some(bytes) = environment.disk.read(name)? else {
                continue;
            };
            match decode(&key, &bytes) {
                Some(ledger) if best.as_ref().is_none_or(|b| b.generation < ledger.generation) => {
                    best = Some(ledger);
                }
                Some(_) => {}
                None => damaged.push(name),
            }
        }
        if let Some(ledger) = best {
            let note = match damaged.as_slice() {
                [] => format!("generation=\"{}\"", ledger.generation),
                // Torn by a power cut, or altered: the other copy is used.
                _ => format!("generation=\"{}\" damaged=\"{damaged:?}\"", ledger.generation),
            };
            return Ok((ledger, note));
        }
        let identifier = random_uuid(environment.random);
        let first_id = u64::try_from(now.0).unwrap_or(1).max(1);
        let mut ledger = Self::new(now, identifier, first_id);
        // Both copies lost: reports that still lie there are offered again; the receiver takes each once.
        for name in environment.disk.list(RUM_PREFIX)? {
            if let Some(id) = name.strip_prefix(RUM_PREFIX).and_then(|id| id.parse().ok()) {
                ledger.unacknowledged.insert(id);
                ledger.next_report_id = ledger.next_report_id.max(id + 1);
                ledger.used_since = Some(now);
                ledger.next_push_at = Some(now);
            }
        }
        let note = if damaged.is_empty() { "firstStart=\"yes\"" } else { "ledgerLost=\"yes\"" };
        Ok((ledger, note.to_owned()))
    }

    /// The copies that lie on a disk.
    pub(crate) fn copies(disk: &mut dyn Disk) -> Result<Vec<(&'static str, Vec<u8>)>, DiskError> {
        let mut found = Vec::new();
        for name in COPIES {
            found.extend(disk.read(name)?.map(|bytes| (name, bytes)));
        }
        Ok(found)
    }

    /// Whether a copy is what was written.
    pub(crate) fn is_whole(signer: &dyn Signer, bytes: &[u8]) -> bool {
        decode(&mac_key(signer), bytes).is_some()
    }

    /// Files that were copied to another switch would make it speak with the numbers and the key of the first.
    pub(crate) fn check_owner(&mut self, profile: &Profile) -> Result<(), DiskError> {
        let owner = self.udi.get_or_insert_with(|| profile.udi().clone());
        if profile.members.iter().any(|member| member.sudi == *owner) {
            return Ok(());
        }
        Err(DiskError::Damaged(format!(
            "this store is that of {owner}, and this switch is {}: start it with its own store, or \
             empty the directory to begin as a new device",
            profile.udi()
        )))
    }

    pub(crate) fn save(
        &mut self,
        signer: &dyn Signer,
        disk: &mut dyn Disk,
    ) -> Result<(), DiskError> {
        let generation = self.generation + 1;
        let body = serde_json::to_vec(self).expect("the ledger always serialises");
        let mac = mac(&mac_key(signer), generation, &body);
        let mut bytes = format!("{MAGIC} {generation} {mac}\n").into_bytes();
        bytes.extend_from_slice(&body);
        let copy = usize::from(generation.is_multiple_of(2));
        disk.overwrite(COPIES[copy], &bytes)?;
        self.generation = generation;
        Ok(())
    }

    /// Forgets everything but what makes the switch recognisable and its report numbers unique.
    pub(crate) fn reset(&mut self, now: Timestamp) {
        let identifier = std::mem::take(&mut self.product_instance_identifier);
        let mut fresh = Self::new(now, identifier, self.next_report_id);
        fresh.generation = self.generation;
        // Where its reports stand in its life stays as it is, and so does what the root said.
        fresh.epoch = std::mem::take(&mut self.epoch);
        fresh.epoch_began_at = self.epoch_began_at;
        fresh.parent_epoch = std::mem::take(&mut self.parent_epoch);
        fresh.chain_position = self.chain_position;
        fresh.last_closed = self.last_closed.take();
        fresh.clock_offset_seconds = self.clock_offset_seconds;
        fresh.revocation = self.revocation.take();
        fresh.udi = self.udi.take();
        *self = fresh;
    }

    pub(crate) fn add_history(&mut self, class: &str, at: Timestamp, text: &str) {
        let entries = self.history.entry(class.to_owned()).or_default();
        if entries.len() == Self::HISTORY_MAX {
            entries.remove(0);
        }
        entries.push(HistoryEntry { at, text: text.to_owned() });
    }
}

fn decode(key: &[u8], bytes: &[u8]) -> Option<Ledger> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 1..];
    let mut words = head.split(' ');
    if words.next() != Some(MAGIC) {
        return None;
    }
    let generation = words.next()?.parse().ok()?;
    if words.next() != Some(mac(key, generation, body).as_str()) {
        return None;
    }
    let mut ledger: Ledger = serde_json::from_slice(body).ok()?;
    ledger.generation = generation;
    Some(ledger)
}

fn mac_key(signer: &dyn Signer) -> [u8; 32] {
    hmac_sha256(b"rumline ledger", &signer.private_key())
}

fn mac(key: &[u8], generation: u64, body: &[u8]) -> String {
    let inner = hmac_sha256(key, body);
    let outer = hmac_sha256(key, format!("{generation}:{inner:x?}").as_bytes());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What there is of the device's key pair.
pub(crate) enum DeviceKey {
    Missing,
    Damaged,
    Whole(Box<dyn Signer>),
}

impl DeviceKey {
    pub(crate) fn read(suite: &dyn Suite, disk: &mut dyn Disk) -> Result<Self, DiskError> {
        let Some(bytes) = disk.read(KEY_FILE)? else { return Ok(Self::Missing) };
        Ok(suite.load_device_key(&bytes).map_or(Self::Damaged, Self::Whole))
    }
}

/// The device's key pair: made at first boot, never replaced, never leaves.
pub(crate) fn device_key(
    suite: &dyn Suite,
    environment: &mut Environment<'_>,
) -> Result<Box<dyn Signer>, DiskError> {
    let damaged = |detail: String| DiskError::Damaged(detail);
    match DeviceKey::read(suite, environment.disk)? {
        DeviceKey::Whole(signer) => return Ok(signer),
        DeviceKey::Damaged => {
            return Err(damaged(format!("{KEY_FILE} is damaged: {MEND_KEY}")));
        }
        DeviceKey::Missing => {}
    }
    // Without its key nothing of what lies here can be read or gone on with, and another key is another device.
    let kept = COPIES.iter().any(|name| !matches!(environment.disk.read(name), Ok(None)));
    if kept || !environment.disk.list(RUM_PREFIX)?.is_empty() {
        return Err(damaged(format!("{KEY_FILE} is missing beside its ledger: {MEND_KEY}")));
    }
    let signer = suite
        .generate_device_key(environment.random)
        .map_err(|error| damaged(error.to_string()))?;
    environment.disk.write(KEY_FILE, &signer.private_key())?;
    Ok(signer)
}
