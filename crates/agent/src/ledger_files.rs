//! How the ledger is kept: two files, `ledger.a` and `ledger.b`, that take turns.
//!
//! Each begins with the whole ledger; a line for each second change follows. A line is a JSON merge patch (RFC 7386)
//! against what the file told so far, and the spans that ended since. It holds a generation and a MAC under the device
//! key over itself and the line before it, so that what is torn or altered is known for what it is, and ends what its
//! file tells; the other file is then at most one change older. A change costs one synced write at a file's end. A file
//! whose lines have grown to [`CHANGES_BYTES_MAX`] begins anew.

use std::collections::BTreeMap;

use rumline_protocol::{
    EntitlementTag, Measurement, Signer, Suite, TerminationReason, Timestamp, hmac_sha256,
    random_uuid, sha256,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Environment;
use crate::disk::{Disk, DiskError};
use crate::ledger::Ledger;
use crate::reports::RUM_PREFIX;

const FILES: [&str; 2] = ["ledger.a", "ledger.b"];
/// Changes that a file holds behind its whole ledger.
const CHANGES_BYTES_MAX: usize = 256 << 10;
/// Begins a line with the whole ledger.
const WHOLE: &str = "rumline-ledger-2";
/// Begins a line with a change.
const CHANGE: &str = "change";
/// The form before: one JSON document, and nothing behind it.
const WHOLE_1: &str = "rumline-ledger-1";
const KEY_FILE: &str = "device.key";
/// What `sha256sum -c` takes.
const KEY_SUM_FILE: &str = "device.key.sha256";
/// What to do about a key that is gone.
const MEND_KEY: &str = "restore the store from a copy, or empty its directory to begin as a new device, which has to be \
                        accepted where it is registered";

/// A ledger in the two parts that are written: a document, and for each tag the spans of its open report that have ended.
/// Those only grow until the report is closed, and make up most of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    head: Value,
    #[serde(with = "rows")]
    spans: BTreeMap<EntitlementTag, Vec<Measurement>>,
}

/// What a line with a change says.
#[derive(Serialize, Deserialize)]
struct Change {
    head: Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spans: BTreeMap<EntitlementTag, Spans>,
}

/// Of the spans that were told of, so many stay, and these follow.
#[derive(Serialize, Deserialize)]
struct Spans {
    kept: usize,
    more: Vec<Row>,
}

/// A span, without the names that would be most of it: written, start, end, count, why it ended, by how much the clock was
/// set then, to how many seconds its times are known.
#[derive(Serialize, Deserialize)]
struct Row(
    Timestamp,
    Timestamp,
    Timestamp,
    u32,
    Option<TerminationReason>,
    Option<i64>,
    Option<u32>,
);

impl From<&Measurement> for Row {
    fn from(m: &Measurement) -> Self {
        let reason = m.termination_reason.clone();
        let (delta, resolution) = (m.clock_change_delta, m.resolution_seconds);
        Self(m.log_time, m.start_time, m.end_time, m.count, reason, delta, resolution)
    }
}

impl From<Row> for Measurement {
    fn from(row: Row) -> Self {
        let Row(log_time, start_time, end_time, count, reason, delta, resolution) = row;
        Self {
            log_time,
            start_time,
            end_time,
            count,
            termination_reason: reason,
            clock_change_delta: delta,
            resolution_seconds: resolution,
        }
    }
}

impl Parts {
    fn of(ledger: &Ledger) -> Self {
        let head = serde_json::to_value(ledger).expect("the ledger always serialises");
        let spans = |(tag, series): (&EntitlementTag, &crate::series::Series)| {
            (tag.clone(), series.measurements.clone())
        };
        Self { head, spans: ledger.series.iter().map(spans).collect() }
    }

    fn ledger(mut self) -> Option<Ledger> {
        let mut ledger: Ledger = serde_json::from_value(self.head).ok()?;
        for (tag, series) in &mut ledger.series {
            if let Some(spans) = self.spans.remove(tag) {
                series.measurements = spans;
            }
        }
        Some(ledger)
    }

    /// What leads from these to those.
    fn change_to(&self, new: &Self) -> Change {
        let mut spans = BTreeMap::new();
        for (tag, now) in &new.spans {
            let told = self.spans.get(tag).map_or(&[][..], Vec::as_slice);
            let kept = if now.starts_with(told) { told.len() } else { 0 };
            if kept < now.len() || kept < told.len() {
                let more = now[kept..].iter().map(Row::from).collect();
                spans.insert(tag.clone(), Spans { kept, more });
            }
        }
        let head = patch(&self.head, &new.head).unwrap_or_else(|| Value::Object(Map::new()));
        Change { head, spans }
    }

    fn apply(&mut self, change: Change) {
        merge(&mut self.head, change.head);
        for (tag, Spans { kept, more }) in change.spans {
            let told = self.spans.entry(tag).or_default();
            told.truncate(kept);
            told.extend(more.into_iter().map(Measurement::from));
        }
        let Some(Value::Object(series)) = self.head.get("series") else { return };
        self.spans.retain(|tag, _| series.contains_key(tag.as_str()));
    }
}

/// The merge patch from one document to another; none if they say the same.
fn patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Some(new.clone()) };
    let mut changes = Map::new();
    for (name, value) in new {
        let change = match old.get(name) {
            Some(before) => patch(before, value),
            None => Some(value.clone()),
        };
        changes.extend(change.map(|change| (name.clone(), change)));
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        changes.insert(name.clone(), Value::Null);
    }
    Some(Value::Object(changes))
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(changes) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// Spans in whole ledgers, as rows too.
mod rows {
    use serde::{Deserializer, Serializer};

    use super::{BTreeMap, Deserialize, EntitlementTag, Measurement, Row};

    type Spans = BTreeMap<EntitlementTag, Vec<Measurement>>;

    pub(super) fn serialize<S: Serializer>(spans: &Spans, to: S) -> Result<S::Ok, S::Error> {
        let rows = |spans: &Vec<Measurement>| spans.iter().map(Row::from).collect::<Vec<_>>();
        to.collect_map(spans.iter().map(|(tag, spans)| (tag, rows(spans))))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Spans, D::Error> {
        let rows = BTreeMap::<EntitlementTag, Vec<Row>>::deserialize(from)?;
        let spans = |rows: Vec<Row>| rows.into_iter().map(Measurement::from).collect();
        Ok(rows.into_iter().map(|(tag, rows)| (tag, spans(rows))).collect())
    }
}

/// What a file tells.
struct Told {
    generation: u64,
    parts: Parts,
    /// Whether all of it can be believed.
    is_whole: bool,
}

/// What was written into a file last.
struct Written {
    parts: Parts,
    mac: String,
    changes_bytes: usize,
}

/// The two files.
pub(crate) struct LedgerFiles {
    key: [u8; 32],
    generation: u64,
    /// None where what lies there is not known for sure: it begins anew.
    written: [Option<Written>; 2],
    /// Whether there are any: what is run ahead has none.
    is_kept: bool,
}

impl LedgerFiles {
    /// Files of a ledger that is never read again.
    pub(crate) fn of_nothing() -> Self {
        Self { key: [0; 32], generation: 0, written: [None, None], is_kept: false }
    }

    /// The newer ledger of the two files, or a new one; and what to log about it.
    pub(crate) fn open(
        now: Timestamp,
        signer: &dyn Signer,
        environment: &mut Environment<'_>,
    ) -> Result<(Self, Ledger, String), DiskError> {
        let key = mac_key(signer);
        let mut best: Option<(u64, Ledger)> = None;
        let mut damaged = Vec::new();
        for (name, bytes) in Self::on(environment.disk)? {
            let told = read(&key, &bytes);
            if told.as_ref().is_none_or(|told| !told.is_whole) {
                damaged.push(name);
            }
            let Some(told) = told else { continue };
            if best.as_ref().is_none_or(|(generation, _)| *generation < told.generation)
                && let Some(ledger) = told.parts.ledger()
            {
                best = Some((told.generation, ledger));
            }
        }
        let files = |generation| Self { key, generation, written: [None, None], is_kept: true };
        if let Some((generation, ledger)) = best {
            let note = match damaged.as_slice() {
                [] => format!("generation=\"{generation}\""),
                // Torn by a power cut, or altered: the other file is used.
                _ => format!("generation=\"{generation}\" damaged=\"{damaged:?}\""),
            };
            return Ok((files(generation), ledger, note));
        }
        let identifier = random_uuid(environment.random);
        let first_id = u64::try_from(now.0).unwrap_or(1).max(1);
        let mut ledger = Ledger::new(now, identifier, first_id);
        // Both files lost: reports that still lie there are offered again; the receiver takes each once.
        for name in environment.disk.list(RUM_PREFIX)? {
            if let Some(id) = name.strip_prefix(RUM_PREFIX).and_then(|id| id.parse().ok()) {
                ledger.unacknowledged.insert(id);
                ledger.next_report_id = ledger.next_report_id.max(id + 1);
                ledger.used_since = Some(now);
                ledger.next_push_at = Some(now);
            }
        }
        let note = if damaged.is_empty() { "firstStart=\"yes\"" } else { "ledgerLost=\"yes\"" };
        Ok((files(0), ledger, note.to_owned()))
    }

    /// Those that lie on a disk.
    pub(crate) fn on(disk: &mut dyn Disk) -> Result<Vec<(&'static str, Vec<u8>)>, DiskError> {
        let mut found = Vec::new();
        for name in FILES {
            found.extend(disk.read(name)?.map(|bytes| (name, bytes)));
        }
        Ok(found)
    }

    /// Whether a file is what was written.
    pub(crate) fn is_whole(signer: &dyn Signer, bytes: &[u8]) -> bool {
        let told = read(&mac_key(signer), bytes);
        told.is_some_and(|told| told.is_whole && told.parts.ledger().is_some())
    }

    /// Writes what changed since this file's turn before.
    pub(crate) fn save(&mut self, ledger: &Ledger, disk: &mut dyn Disk) -> Result<(), DiskError> {
        if !self.is_kept {
            return Ok(());
        }
        let generation = self.generation + 1;
        let turn = usize::from(generation.is_multiple_of(2));
        let parts = Parts::of(ledger);
        // Until it is written, nobody knows what lies there.
        let before = self.written[turn].take();
        let before = before.filter(|before| before.changes_bytes < CHANGES_BYTES_MAX);
        let (mac, changes_bytes) = if let Some(before) = before {
            let change = before.parts.change_to(&parts);
            let (line, mac) = line(&self.key, CHANGE, generation, &before.mac, &change);
            disk.extend(FILES[turn], line.as_bytes())?;
            (mac, before.changes_bytes + line.len())
        } else {
            let (line, mac) = line(&self.key, WHOLE, generation, "", &parts);
            disk.overwrite(FILES[turn], line.as_bytes())?;
            (mac, 0)
        };
        self.written[turn] = Some(Written { parts, mac, changes_bytes });
        self.generation = generation;
        Ok(())
    }
}

fn line(
    key: &[u8],
    kind: &str,
    generation: u64,
    previous_mac: &str,
    content: &impl Serialize,
) -> (String, String) {
    let json = serde_json::to_string(content).expect("the ledger always serialises");
    let mac = mac(key, kind, generation, previous_mac, &json);
    (format!("{kind} {generation} {mac} {json}\n"), mac)
}

fn mac(key: &[u8], kind: &str, generation: u64, previous_mac: &str, json: &str) -> String {
    let text = format!("{kind} {generation} {previous_mac} {json}");
    hex(&hmac_sha256(key, text.as_bytes())[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a file tells, up to the first line that cannot be believed.
fn read(key: &[u8], bytes: &[u8]) -> Option<Told> {
    if bytes.starts_with(WHOLE_1.as_bytes()) {
        return read_1(key, bytes);
    }
    let mut told: Option<Told> = None;
    let mut previous_mac = String::new();
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = piece.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let words = line.and_then(|line| {
            let mut words = line.splitn(4, ' ');
            Some((words.next()?, words.next()?.parse().ok()?, words.next()?, words.next()?))
        });
        let believed = words.filter(|(kind, generation, told_mac, json)| {
            *kind == if told.is_none() { WHOLE } else { CHANGE }
                && mac(key, kind, *generation, &previous_mac, json) == *told_mac
        });
        let Some((_, generation, told_mac, json)) = believed else {
            told.iter_mut().for_each(|told| told.is_whole = false);
            break;
        };
        told_mac.clone_into(&mut previous_mac);
        match &mut told {
            None => {
                let parts = serde_json::from_str(json).ok()?;
                told = Some(Told { generation, parts, is_whole: true });
            }
            Some(told) => {
                told.generation = generation;
                told.parts.apply(serde_json::from_str(json).ok()?);
            }
        }
    }
    told
}

fn read_1(key: &[u8], bytes: &[u8]) -> Option<Told> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let body = &bytes[end + 1..];
    let mut words = head.split(' ').skip(1);
    let generation: u64 = words.next()?.parse().ok()?;
    let inner = hmac_sha256(key, body);
    let outer = hmac_sha256(key, format!("{generation}:{inner:x?}").as_bytes());
    if words.next() != Some(hex(&outer).as_str()) {
        return None;
    }
    let head = serde_json::from_slice(body).ok()?;
    Some(Told { generation, parts: Parts { head, spans: BTreeMap::new() }, is_whole: true })
}

fn mac_key(signer: &dyn Signer) -> [u8; 32] {
    hmac_sha256(b"rumline ledger", &signer.private_key())
}

/// What there is of the device's key pair.
pub(crate) enum DeviceKey {
    Missing,
    Damaged,
    Whole(Box<dyn Signer>),
}

impl DeviceKey {
    /// A key that was altered may well be a key, of another device: it is believed by its checksum, or by a ledger.
    pub(crate) fn read(suite: &dyn Suite, disk: &mut dyn Disk) -> Result<Self, DiskError> {
        let Some(bytes) = disk.read(KEY_FILE)? else { return Ok(Self::Missing) };
        let Ok(signer) = suite.load_device_key(&bytes) else { return Ok(Self::Damaged) };
        let sum = disk.read(KEY_SUM_FILE)?;
        if sum.as_ref().is_none_or(|sum| *sum == key_sum(&bytes)) {
            return Ok(Self::Whole(signer));
        }
        let key = mac_key(signer.as_ref());
        let is_known = LedgerFiles::on(disk)?.iter().any(|(_, bytes)| read(&key, bytes).is_some());
        Ok(if is_known { Self::Whole(signer) } else { Self::Damaged })
    }

    /// Whether its checksum is there and fits.
    pub(crate) fn has_sum(disk: &mut dyn Disk) -> Result<bool, DiskError> {
        let key = disk.read(KEY_FILE)?.map(|bytes| key_sum(&bytes));
        Ok(key.is_some() && disk.read(KEY_SUM_FILE)? == key)
    }
}

fn key_sum(bytes: &[u8]) -> Vec<u8> {
    format!("{}  {KEY_FILE}\n", hex(&sha256(bytes))).into_bytes()
}

/// The device's key pair: made at first boot, never replaced, never leaves.
pub(crate) fn device_key(
    suite: &dyn Suite,
    environment: &mut Environment<'_>,
) -> Result<Box<dyn Signer>, DiskError> {
    let damaged = |detail: String| DiskError::Damaged(detail);
    match DeviceKey::read(suite, environment.disk)? {
        DeviceKey::Whole(signer) => {
            if !DeviceKey::has_sum(environment.disk)? {
                let bytes = environment.disk.read(KEY_FILE)?.unwrap_or_default();
                let _best_effort = environment.disk.write(KEY_SUM_FILE, &key_sum(&bytes));
            }
            return Ok(signer);
        }
        DeviceKey::Damaged => {
            return Err(damaged(format!("{KEY_FILE} is damaged: {MEND_KEY}")));
        }
        DeviceKey::Missing => {}
    }
    // Without its key nothing of what lies here can be read or gone on with, and another key is another device.
    let kept = FILES.iter().any(|name| !matches!(environment.disk.read(name), Ok(None)));
    if kept || !environment.disk.list(RUM_PREFIX)?.is_empty() {
        return Err(damaged(format!("{KEY_FILE} is missing beside its ledger: {MEND_KEY}")));
    }
    let signer = suite
        .generate_device_key(environment.random)
        .map_err(|error| damaged(error.to_string()))?;
    environment.disk.write(KEY_FILE, &signer.private_key())?;
    environment.disk.write(KEY_SUM_FILE, &key_sum(&signer.private_key()))?;
    Ok(signer)
}

#[cfg(test)]
mod tests {
    use rumline_protocol::Random;
    use rumline_testkit::Chance;

    use super::*;
    use crate::MemoryDisk;
    use crate::series::Series;

    const KEY: [u8; 32] = [7; 32];

    fn series(chance: &mut Chance, at: Timestamp) -> Series {
        Series {
            name: "LAN".to_owned(),
            description: String::new(),
            in_use_since: at,
            report_id: chance.below(1000),
            count: 1,
            since: at,
            measurements: Vec::new(),
            told_count: None,
        }
    }

    /// Something that changes a ledger.
    fn change(ledger: &mut Ledger, chance: &mut Chance, at: Timestamp) {
        let tag = format!("regid.2019-06.com.cisco.TAG_{},1.0_a", chance.below(3));
        let tag = EntitlementTag::new(&tag).expect("a tag");
        match chance.below(12) {
            0 => drop(ledger.series.insert(tag, series(chance, at))),
            1 => drop(ledger.series.remove(&tag)),
            2 => ledger.series.values_mut().for_each(|series| series.measurements.clear()),
            3 => ledger.last_ack_at = (chance.below(2) == 0).then_some(at),
            4 => ledger.add_history("TRUST", at, "OK"),
            5 => ledger.history.clear(),
            6 => ledger.unacknowledged.insert(chance.below(9)),
            7 => {
                // The clock was set: what was told already changes.
                let last = ledger.series.values_mut().filter_map(|s| s.measurements.last_mut());
                last.for_each(|last| last.clock_change_delta = Some(-3));
            }
            _ => {
                for series in ledger.series.values_mut() {
                    series.since = at - 7;
                    series.end_span(at, None);
                }
            }
        }
        ledger.last_seen_at = at;
    }

    fn told(disk: &MemoryDisk, name: &str) -> Option<(u64, bool, Option<Ledger>)> {
        let told = read(&KEY, disk.files.get(name)?)?;
        Some((told.generation, told.is_whole, told.parts.ledger()))
    }

    #[test]
    fn each_file_tells_the_ledger_of_now_or_of_one_change_ago() {
        for seed in 0..20 {
            let (mut disk, mut chance) = (MemoryDisk::default(), Chance::of(seed));
            let mut ledger = Ledger::new(Timestamp(5), "id".to_owned(), 1);
            let mut files =
                LedgerFiles { key: KEY, generation: 0, written: [None, None], is_kept: true };
            let mut before = None;
            for round in 0..700 {
                change(&mut ledger, &mut chance, Timestamp(1_700_000_000 + round));
                if chance.below(60) == 0 {
                    // A start: what lies there is written over, not added to.
                    files.written = [None, None];
                }
                if chance.below(40) == 0 {
                    // A full disk: whatever it left is not gone on from.
                    disk.failure = Some(DiskError::Full);
                    assert!(files.save(&ledger, &mut disk).is_err());
                    disk.failure = None;
                    let next = FILES[usize::from((files.generation + 1).is_multiple_of(2))];
                    disk.files.entry(next.to_owned()).or_default().extend_from_slice(b"change 9");
                }
                assert_eq!(files.save(&ledger, &mut disk), Ok(()));
                let [now, other] = match files.generation % 2 {
                    0 => [FILES[1], FILES[0]],
                    _ => FILES,
                };
                let newest = Some((files.generation, true, Some(ledger.clone())));
                assert_eq!(told(&disk, now), newest, "seed {seed}, round {round}");
                assert_eq!(told(&disk, other), before, "seed {seed}, round {round}");
                before = newest;
            }
        }
    }

    #[test]
    fn a_file_cut_anywhere_tells_a_ledger_that_was_and_a_flipped_bit_ends_what_it_tells() {
        let (mut disk, mut chance) = (MemoryDisk::default(), Chance::of(3));
        let mut ledger = Ledger::new(Timestamp(5), "id".to_owned(), 1);
        let mut files =
            LedgerFiles { key: KEY, generation: 0, written: [None, None], is_kept: true };
        let mut were = BTreeMap::new();
        for round in 0..24 {
            change(&mut ledger, &mut chance, Timestamp(1_700_000_000 + round));
            assert_eq!(files.save(&ledger, &mut disk), Ok(()));
            were.insert(files.generation, ledger.clone());
        }
        let whole = disk.files[FILES[0]].clone();
        assert!(whole.iter().filter(|byte| **byte == b'\n').count() == 12);
        for end in 0..whole.len() {
            for flip in [false, true] {
                let mut bytes = whole.clone();
                if flip {
                    bytes[end] ^= 4;
                } else {
                    bytes.truncate(end);
                }
                match read(&KEY, &bytes) {
                    None => assert!(end < whole.len() / 2, "cut at {end}"),
                    Some(told) => {
                        let was = were.get(&told.generation);
                        assert_eq!(told.parts.ledger().as_ref(), was, "{end}");
                        // A file cut at a line's end is whole, and old; nobody can tell, and the other one is there.
                        assert!(!told.is_whole || (!flip && whole[end - 1] == b'\n'), "{end}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_file_begins_anew_before_it_has_grown_much() {
        let (mut disk, mut chance) = (MemoryDisk::default(), Chance::of(4));
        let mut ledger = Ledger::new(Timestamp(5), "id".to_owned(), 1);
        let mut files =
            LedgerFiles { key: KEY, generation: 0, written: [None, None], is_kept: true };
        let (mut longest, mut shorter) = (0, 0);
        for round in 0..6_000 {
            change(&mut ledger, &mut chance, Timestamp(1_700_000_000 + round));
            let before = disk.files.values().map(Vec::len).sum::<usize>();
            assert_eq!(files.save(&ledger, &mut disk), Ok(()));
            let now = disk.files.values().map(Vec::len).sum::<usize>();
            shorter += usize::from(now < before);
            longest = longest.max(disk.files[FILES[0]].len());
        }
        assert!(shorter >= 4 && longest < CHANGES_BYTES_MAX * 2, "{shorter} {longest}");
    }
}
