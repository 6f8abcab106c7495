//! Forwarding to CSSM by wire: in order, in batches, again until it is answered (CSLU-006, 008, ONPREM-006).
//!
//! A batch changes nothing here until its answer is taken in, and CSSM counts a report once however often it comes: so
//! an answer that is lost costs a repetition and nothing else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Cursor;

use rumline_protocol::{
    ArchiveLimits, BundleWriter, DeviceInfo, DocumentWriter, InBundle, Manifest, Member, OlderWord,
    PublicKey, Signed, SignedText, Timestamp, TrustRequest, Udi, bundle_time, read_bundle,
};
use rumline_store::{Row, Tx};

use crate::checker::CheckedAnswer;
use crate::ids::{InstanceId, TenantId};
use crate::reports::{self, Settled, signature_from};
use crate::{Collector, Error, Tenant, import, journal, older, tenants};

/// The most reports, devices without reports, and bytes of reports in a batch.
const BATCH_REPORTS_MAX: i64 = 1000;
const BATCH_DEVICES_MAX: i64 = 500;
const BATCH_BYTES_MAX: usize = 12 << 20;
/// What switches of before said, beside reports.
const BATCH_WORDS_BYTES_MAX: usize = 4 << 20;
/// What the answer to a batch may unpack to.
const ANSWER_LIMITS: ArchiveLimits =
    ArchiveLimits { total_bytes_max: 256 << 20, member_bytes_max: 32 << 20, members_max: 10_000 };
/// After failures the next attempt waits longer, but not longer than this.
const RETRY_MINUTES_MAX: i64 = 15;

/// What is sent to CSSM in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The bundle.
    pub bytes: Vec<u8>,
    /// What the answer repeats.
    id: String,
    /// The pair of accounts it is for.
    account: (String, String),
    /// What is in it: instances and their reports.
    devices: BTreeMap<InstanceId, Vec<i64>>,
    /// What switches of before said, by the nonces of their messages.
    words: BTreeMap<InstanceId, String>,
    last: Option<Place>,
}

/// Where a report stands in the order of forwarding: by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    received_at: i64,
    instance_id: InstanceId,
    report_id: i64,
}

#[cfg(test)]
impl SyncState {
    pub(crate) fn of_test(last: Option<Place>) -> Self {
        Self { due_at: None, last, asked: 1 }
    }
}

impl Batch {
    #[cfg(test)]
    pub(crate) fn of_test(id: i64) -> Self {
        let last = Some(Place { received_at: id, instance_id: InstanceId(1), report_id: id });
        let (account, devices, words) = Default::default();
        Self { bytes: vec![0], id: id.to_string(), account, devices, words, last }
    }

    /// The number of reports in it.
    #[must_use]
    pub fn reports(&self) -> usize {
        self.devices.values().map(Vec::len).sum()
    }

    /// The place of the last report in it.
    #[must_use]
    pub fn last(&self) -> Option<Place> {
        self.last
    }
}

/// When the next exchange with CSSM is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncState {
    /// The time; none while there is nothing to do or CSSM is not to be asked.
    pub due_at: Option<Timestamp>,
    /// The place of the last report that waits.
    pub last: Option<Place>,
    /// How often an exchange had been asked for; who asks while one goes on asks for another.
    asked: i64,
}

/// A device's part of a bundle.
pub(crate) struct DevicePart {
    pub udi: Udi,
    hostname: Option<String>,
    software_version: Option<String>,
    software_tag: String,
    public_key: Option<PublicKey>,
    trust_requests: Option<String>,
    /// What a switch of before said, where CSSM has not heard of it.
    pub older: Option<OlderWord>,
}

impl DevicePart {
    pub(crate) const COLUMNS: &'static str = "pid, serial, hostname, software_version, \
        software_tag, public_key, trust_requests";

    pub(crate) fn from_row(row: &Row<'_>, from: usize) -> Result<Self, Error> {
        Ok(Self {
            udi: Udi { pid: row.text(from)?, serial: row.text(from + 1)? },
            hostname: row.opt_text(from + 2)?,
            software_version: row.opt_text(from + 3)?,
            software_tag: row.text(from + 4)?,
            public_key: row.opt_text(from + 5)?.as_deref().and_then(PublicKey::from_text),
            trust_requests: row.opt_text(from + 6)?,
            older: None,
        })
    }

    /// The device's file; its reports are added by whoever has them. Of several, the first holds its trust requests.
    pub(crate) fn document(&self, is_first: bool) -> DocumentWriter {
        let mut writer = DocumentWriter::new();
        writer.device_info(&DeviceInfo {
            sudi: self.udi.clone(),
            hostname: self.hostname.clone(),
            software_tag_identifier: self.software_tag.clone(),
            software_version: self.software_version.clone(),
            public_key: self.public_key.clone(),
            older: self.older.clone().filter(|_| is_first),
        });
        let requests = self.trust_requests.as_deref().filter(|_| is_first).unwrap_or("[]");
        let requests: Vec<SignedText> = serde_json::from_str(requests).unwrap_or_default();
        for text in requests {
            // What cannot be read here cannot be read there either.
            if let Ok(signed) =
                Signed::<TrustRequest>::parse("trust request", text.data, &text.signature)
            {
                writer.trust_request(&signed);
            }
        }
        writer
    }
}

/// A report as it is kept.
pub(crate) struct KeptReport {
    pub instance_id: InstanceId,
    pub report_id: i64,
    pub payload: String,
    pub signature: String,
    pub received_at: i64,
}

impl KeptReport {
    pub(crate) const COLUMNS: &'static str =
        "instance_id, report_id, payload, signature, received_at";

    pub(crate) fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            instance_id: row.id(0)?,
            report_id: row.int(1)?,
            payload: row.text(2)?,
            signature: row.text(3)?,
            received_at: row.int(4)?,
        })
    }

    /// The most it takes in a device's file: of what may stand in JSON, nothing is longer than twice as long inside a
    /// string.
    pub(crate) fn written_bytes_max(&self) -> usize {
        2 * self.payload.len() + self.signature.len() + 512
    }

    pub(crate) fn write(&self, udi: &Udi, writer: &mut DocumentWriter) {
        writer.kept_report(&self.payload, &signature_from(udi, &self.signature));
    }
}

/// The name of a device's file in a bundle, counted from 1.
pub(crate) fn device_file_name(instance_id: InstanceId, now: Timestamp, file: i64) -> String {
    let time = bundle_time(now);
    if file == 1 {
        format!("dev_{instance_id}_{time}.txt")
    } else {
        format!("dev_{instance_id}_{time}_{file}.txt")
    }
}

impl Collector {
    /// When the next exchange of a tenant with CSSM is due.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn sync_state(&self, now: Timestamp, tenant_id: TenantId) -> Result<SyncState, Error> {
        self.offer_refused_again(now, tenant_id)?;
        self.db.read("forward.state", move |tx| {
            let tenant = tenants::by_id(tx, tenant_id)?;
            let last = last_waiting(tx, tenant_id)?;
            let due_at = due_at(tx, now, &tenant, last.is_some())?;
            Ok(SyncState { due_at, last, asked: tenant.sync_wanted })
        })
    }

    /// What CSSM refused may have become right: an owner let a device go, or chose between two, or a clock was set. It is
    /// offered again a day after the last time.
    fn offer_refused_again(&self, now: Timestamp, tenant_id: TenantId) -> Result<(), Error> {
        let is_due = self.db.read("forward.refused", move |tx| {
            let sql = "SELECT offered_again_at FROM tenant WHERE id = $1";
            let last = tx.row(sql, &[tenant_id.into()], |row| row.int(0))?;
            let recently = last.is_some_and(|at| (0..Timestamp::DAY).contains(&(now.0 - at)));
            if recently {
                return Ok(false);
            }
            let sql = "SELECT id FROM instance WHERE tenant_id = $1 AND refused > 0 LIMIT 1";
            Ok::<_, Error>(tx.row(sql, &[tenant_id.into()], |row| row.int(0))?.is_some())
        })?;
        if !is_due {
            return Ok(());
        }
        self.db.write("forward.again", move |tx| {
            let sql = "UPDATE tenant SET offered_again_at = $1 WHERE id = $2";
            tx.execute(sql, &[now.0.into(), tenant_id.into()])?;
            reports::offer_again(tx, tenant_id)
        })
    }

    /// Asks for an exchange now, also of what CSSM refused before (CSLU-026, ONPREM-012).
    ///
    /// # Errors
    /// When the tenant cannot reach CSSM.
    pub fn sync_now(&self, tenant_id: TenantId) -> Result<(), Error> {
        self.db.write("forward.now", move |tx| {
            let tenant = tenants::by_id(tx, tenant_id)?;
            if !tenant.connected {
                let text = "Cisco Is Not Available: turn Cisco Connectivity on, or export a file";
                return Err(Error::Conflict(text.to_owned()));
            }
            if !tenant.registered {
                let text = "this server is not known to CSSM yet: log in to Cisco first";
                return Err(Error::Conflict(text.to_owned()));
            }
            let sql = "UPDATE tenant SET sync_wanted = sync_wanted + 1, sync_failures = 0,
                sync_tried_at = NULL WHERE id = $1";
            tx.execute(sql, &[tenant_id.into()])?;
            reports::offer_again(tx, tenant_id)
        })
    }

    /// The next batch for CSSM; none when there is nothing to forward, or CSSM must not be called.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_batch(&self, now: Timestamp, tenant_id: TenantId) -> Result<Option<Batch>, Error> {
        self.batch(now, tenant_id, None)
    }

    /// The batch after one that is on its way; none when that was all.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_batch_after(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        place: Place,
    ) -> Result<Option<Batch>, Error> {
        self.batch(now, tenant_id, Some(place))
    }

    fn batch(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        after: Option<Place>,
    ) -> Result<Option<Batch>, Error> {
        let (tenant, reports, parts, words) = self.db.read("forward.batch", move |tx| {
            let tenant = tenants::by_id(tx, tenant_id)?;
            let mut parts: BTreeMap<InstanceId, DevicePart> = BTreeMap::new();
            if !tenant.may_call() {
                return Ok((tenant, Vec::new(), parts, BTreeMap::new()));
            }
            let reports = waiting_reports(tx, tenant_id, after, &mut parts)?;
            if after.is_none() {
                let sql = format!(
                    "SELECT id, {} FROM instance WHERE tenant_id = $1 AND wants_answer = 1
                    ORDER BY id LIMIT $2",
                    DevicePart::COLUMNS
                );
                let values = [tenant_id.into(), BATCH_DEVICES_MAX.into()];
                let read =
                    |row: &Row<'_>| Ok::<_, Error>((row.id(0)?, DevicePart::from_row(row, 1)?));
                parts.extend(tx.rows(&sql, &values, read)?);
            }
            let mut words = BTreeMap::new();
            let all = (InstanceId(0), InstanceId(i64::MAX));
            let mut words_bytes = 0;
            for (id, untold) in older::untold(tx, tenant_id, all, BATCH_DEVICES_MAX)? {
                words_bytes += untold.word.message.len();
                // The others wait for the next batch.
                if words_bytes > BATCH_WORDS_BYTES_MAX {
                    break;
                }
                if let Some(part) = parts.get_mut(&id).filter(|_| after.is_none()) {
                    part.older = Some(untold.word);
                    words.insert(id, untold.nonce);
                }
            }
            Ok::<_, Error>((tenant, reports, parts, words))
        })?;
        if parts.is_empty() {
            return Ok(None);
        }
        let mut devices: BTreeMap<InstanceId, (DocumentWriter, Vec<i64>)> =
            parts.iter().map(|(id, part)| (*id, (part.document(true), Vec::new()))).collect();
        for report in &reports {
            let id = report.instance_id;
            if let (Some(part), Some(device)) = (parts.get(&id), devices.get_mut(&id)) {
                report.write(&part.udi, &mut device.0);
                device.1.push(report.report_id);
            }
        }
        let last = reports.last().map(|report| Place {
            received_at: report.received_at,
            instance_id: report.instance_id,
            report_id: report.report_id,
        });
        let time = bundle_time(now);
        let scratch = Cursor::new(Vec::new());
        let mut writer = BundleWriter::new(scratch, format!("UD_VA_{time}.tar.gz"), now);
        for (id, (document, _)) in &devices {
            let name = device_file_name(*id, now, 1);
            writer.add(&name, &document.finish()).map_err(Error::Unwritten)?;
        }
        let id = self.random_hex(16);
        let bytes = self.finish_bundle(&tenant, id.clone(), writer, Vec::new())?;
        let devices = devices.into_iter().map(|(id, (_, reports))| (id, reports)).collect();
        let account = (tenant.smart_account, tenant.virtual_account);
        Ok(Some(Batch { bytes, id, account, devices, words, last }))
    }

    pub(crate) fn finish_bundle<S, W>(
        &self,
        tenant: &Tenant,
        id: String,
        writer: BundleWriter<S>,
        out: W,
    ) -> Result<W, Error>
    where
        S: std::io::Read + std::io::Write + std::io::Seek,
        W: std::io::Write,
    {
        let manifest = Manifest {
            id,
            created_by: format!("{} {}", self.settings.kind.title(), self.settings.name),
            smart_account: tenant.smart_account.clone(),
            smart_account_id: None,
            parts: Vec::new(),
        };
        let sign = |manifest: &Manifest| manifest.signed_by_collector(self.signer.as_ref());
        let within = (tenant.virtual_account.as_str(), None);
        writer.finish(manifest, within, sign, out).map_err(Error::Unwritten)
    }

    /// Takes in CSSM's answer to a batch.
    ///
    /// # Errors
    /// When the answer is not CSSM's or not whole; then nothing is taken and the batch goes again.
    pub fn take_answer(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        batch: &Batch,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let mut members = Vec::new();
        let manifest = read_bundle(&mut &bytes[..], ANSWER_LIMITS, &mut |found| {
            if let InBundle::Device(file) = found {
                members.push(file);
            }
            Ok::<(), Error>(())
        })?;
        let manifest = manifest.ok_or_else(|| Error::invalid("CSSM's answer has no manifest"))?;
        let signer = self.check_cover(now, &manifest)?;
        if manifest.manifest.id != batch.id {
            return Err(Error::invalid("CSSM's answer is to another bundle"));
        }
        let read = |member: &Member| CheckedAnswer::covered(&signer, &member.name, &member.bytes);
        let answers: Vec<_> = members.iter().map(read).collect();
        let (account, devices) = (batch.account.clone(), batch.devices.clone());
        let words = batch.words.clone();
        self.db.write("forward.answer", move |tx| {
            let tenant = tenants::by_id(tx, tenant_id)?;
            if (&tenant.smart_account, &tenant.virtual_account) != (&account.0, &account.1) {
                // What was sent waits for the account that was chosen meanwhile.
                return Ok(());
            }
            for answer in &answers {
                let taken = match answer {
                    Ok(answer) => import::take_answer_to(tx, now, &tenant, answer, &devices),
                    Err(error) => Err(Error::Invalid(error.to_string())),
                };
                match taken {
                    Ok(()) => {}
                    // One that cannot be used holds nobody else's up.
                    Err(Error::Conflict(why) | Error::Invalid(why)) => {
                        journal::log(tx, now, "WARN", &format!("CSSM's answer: {why}"))?;
                    }
                    Err(error) => return Err(error),
                }
            }
            if let Some(last) = answers.iter().flatten().last() {
                import::note_standing(tx, &tenant, last)?;
            }
            for (instance_id, reports) in &devices {
                leave_unanswered(tx, tenant_id, *instance_id, reports)?;
                if let Some(nonce) = words.get(instance_id) {
                    older::passed_over(tx, (tenant_id, *instance_id), nonce)?;
                }
                older::still_asks(tx, (tenant_id, *instance_id))?;
            }
            Ok(())
        })
    }

    /// Notes that everything there was at `began` has been exchanged.
    ///
    /// # Errors
    /// When the store fails.
    pub fn note_synced(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        began: SyncState,
    ) -> Result<(), Error> {
        self.db.write("forward.synced", move |tx| {
            if !tenants::by_id(tx, tenant_id)?.may_call() {
                return Ok(());
            }
            let sql = "UPDATE tenant SET last_sync_at = $1, sync_error = NULL, sync_failures = 0,
                sync_tried_at = NULL, sync_wanted = sync_wanted - $2 WHERE id = $3";
            tx.execute(sql, &[now.0.into(), began.asked.into(), tenant_id.into()])?;
            Ok(())
        })
    }

    /// Notes that CSSM could not be reached or refused.
    ///
    /// # Errors
    /// When the store fails.
    pub fn note_sync_failed(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        why: &str,
    ) -> Result<(), Error> {
        let why: String = why.chars().take(500).collect();
        self.db.write("forward.failed", move |tx| {
            let sql = "UPDATE tenant SET sync_error = $1, sync_failures = sync_failures + 1,
                sync_tried_at = $2 WHERE id = $3";
            tx.execute(sql, &[(&why).into(), now.0.into(), tenant_id.into()])?;
            journal::log(tx, now, "WARN", &format!("CSSM: {why}"))
        })
    }
}

/// The next reports that wait, and the devices they are of.
fn waiting_reports(
    tx: &mut Tx<'_>,
    tenant_id: TenantId,
    after: Option<Place>,
    parts: &mut BTreeMap<InstanceId, DevicePart>,
) -> Result<Vec<KeptReport>, Error> {
    const SQL: &str = "SELECT report.instance_id, report.report_id, report.payload,
        report.signature, report.received_at, instance.pid, instance.serial, instance.hostname,
        instance.software_version, instance.software_tag, instance.public_key,
        instance.trust_requests FROM report
        JOIN instance ON instance.tenant_id = report.tenant_id AND instance.id = report.instance_id
        WHERE report.tenant_id = $1 AND report.state = 0
        AND (report.received_at, report.instance_id, report.report_id) > ($2, $3, $4)
        ORDER BY report.received_at, report.instance_id, report.report_id LIMIT $5";
    let after =
        after.unwrap_or(Place { received_at: i64::MIN, instance_id: InstanceId(0), report_id: 0 });
    let values = [
        tenant_id.into(),
        after.received_at.into(),
        after.instance_id.into(),
        after.report_id.into(),
        BATCH_REPORTS_MAX.into(),
    ];
    let (mut bytes, mut found) = (0, Vec::new());
    tx.each(SQL, &values, |row| {
        let report = KeptReport::from_row(row)?;
        bytes += report.written_bytes_max();
        if let Entry::Vacant(entry) = parts.entry(report.instance_id) {
            entry.insert(DevicePart::from_row(row, 5)?);
        }
        found.push(report);
        Ok::<_, Error>(bytes < BATCH_BYTES_MAX)
    })?;
    Ok(found)
}

fn last_waiting(tx: &mut Tx<'_>, tenant_id: TenantId) -> Result<Option<Place>, Error> {
    let sql = "SELECT received_at, instance_id, report_id FROM report
        WHERE tenant_id = $1 AND state = 0
        ORDER BY received_at DESC, instance_id DESC, report_id DESC LIMIT 1";
    tx.row(sql, &[tenant_id.into()], |row| {
        let (received_at, instance_id, report_id) = (row.int(0)?, row.id(1)?, row.int(2)?);
        Ok(Place { received_at, instance_id, report_id })
    })
}

fn due_at(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    waiting: bool,
) -> Result<Option<Timestamp>, Error> {
    if !tenant.may_call() {
        return Ok(None);
    }
    let sql = "SELECT sync_failures, sync_tried_at FROM tenant WHERE id = $1";
    let row =
        tx.row(sql, &[tenant.id.into()], |row| Ok::<_, Error>((row.int(0)?, row.opt_int(1)?)))?;
    let (failures, tried_at) = row.ok_or(Error::NotFound("tenant"))?;
    let sql = "SELECT id FROM instance WHERE tenant_id = $1 AND wants_answer = 1 LIMIT 1";
    let asking = tx.row(sql, &[tenant.id.into()], |row| row.int(0))?.is_some();
    let wanted = tenant.sync_wanted > 0;
    if !wanted && !waiting && !asking {
        return Ok(None);
    }
    if let Some(tried_at) = tried_at {
        let seconds = (1_i64 << failures.clamp(0, 10)).min(RETRY_MINUTES_MAX) * 60;
        return Ok(Some(after(now, Timestamp(tried_at), seconds)));
    }
    if wanted || tenant.sync_minutes == 0 {
        return Ok(Some(Timestamp(0)));
    }
    let last = Timestamp(tenant.last_sync_at.unwrap_or(0));
    Ok(Some(after(now, last, tenant.sync_minutes * 60)))
}

/// So many seconds after an instant; now when that lies ahead, since then the clock was set back.
fn after(now: Timestamp, instant: Timestamp, seconds: i64) -> Timestamp {
    if instant > now { now } else { instant + seconds }
}

/// What CSSM passed over must not be sent again and again; people are told, and a sync on demand offers it anew.
fn leave_unanswered(
    tx: &mut Tx<'_>,
    tenant_id: TenantId,
    instance_id: InstanceId,
    unanswered: &[i64],
) -> Result<(), Error> {
    let mut settled = Settled::default();
    for report_id in unanswered {
        reports::refuse(tx, (tenant_id, instance_id, *report_id), None, &mut settled)?;
    }
    let alert = (settled.refused > 0)
        .then(|| format!("CSSM did not answer for {} reports.", settled.refused));
    let sql = "UPDATE instance SET wants_answer = 0, waiting = waiting + $1,
        refused = refused + $2, alert = COALESCE(alert, $3) WHERE tenant_id = $4 AND id = $5";
    let values = [
        settled.waiting.into(),
        settled.refused.into(),
        alert.as_deref().into(),
        tenant_id.into(),
        instance_id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}
