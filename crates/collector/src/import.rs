//! Taking in what CSSM said, by wire or by file (guide p. 25, 30, 75; CSLU-017, 019, ONPREM-007, 011).
//!
//! Everything must lead up to CSSM's root and speak of the tenant's account. A file is read twice: once to see that it
//! is whole, once to take it in, some devices at a time, each piece durable on its own.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use rumline_protocol::{
    Acknowledgement, ArchiveLimits, Document, InBundle, ManifestKey, Policy, RefusalReason,
    StatusCode, Timestamp, Udi, from_base64, is_gzip, is_tar, plain, read_bundle, sha256,
};
use rumline_server::{check_name, next_id};
use rumline_store::{StoreError, Tx};

use crate::checker::{CheckedAnswer, Checker};
use crate::ids::{InstanceId, TenantId, TransferId};
use crate::journal::add_event;
use crate::reports::{self, Settled};
use crate::transfers::{Transfer, insert_transfer};
use crate::{Actor, Collector, Error, Tenant, answers, instances, older, tenants};

/// What a file may hold.
const LIMITS: ArchiveLimits =
    ArchiveLimits { total_bytes_max: 64 << 30, member_bytes_max: 64 << 20, members_max: 1_000_100 };
/// A file that is no archive is read whole.
const PLAIN_BYTES_MAX: u64 = 64 << 20;
/// Documents, and bytes of them, taken in at a time.
const PIECE_MAX: usize = 500;
const PIECE_BYTES_MAX: usize = 8 << 20;
/// The longest list of what could not be taken that is kept.
const MESSAGE_CHARS_MAX: usize = 2000;

/// Takes in a checked document that came by file; says for how many devices it brought something new.
pub(crate) fn take_answer(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    answer: &CheckedAnswer,
) -> Result<i64, Error> {
    let document = &answer.document;
    check_account(tenant, document)?;
    let mut devices: BTreeMap<Udi, Vec<&Acknowledgement>> = BTreeMap::new();
    for entry in document.acknowledgements.iter().flat_map(|signed| &signed.value) {
        devices.entry(entry.sudi.clone()).or_default().push(entry);
    }
    if devices.is_empty() {
        // Trust codes of a standby come with those of its active supervisor.
        let first = document.trust_codes.first().map(|signed| signed.value.sudi.clone());
        devices.extend(first.map(|udi| (udi, Vec::new())));
    }
    if devices.is_empty() {
        let of_before = document.older_answers.iter().map(|signed| signed.value.sudi.clone());
        devices.extend(of_before.map(|udi| (udi, Vec::new())));
    }
    if devices.is_empty() {
        return match answer.instance_id {
            Some(id) => take_asked_for(tx, now, tenant, id, answer),
            None => take_policy(tx, now, tenant, answer),
        };
    }
    let mut changed = 0;
    for (udi, entries) in &devices {
        let found = instances::of_udi(tx, tenant.id, udi)?;
        for id in &found {
            changed += i64::from(keep_for(tx, now, tenant.id, *id, answer, entries)?);
        }
        if found.is_empty() && devices.len() == 1 {
            return Err(Error::Conflict(format!(
                "{udi} is not a product instance of this account here"
            )));
        }
    }
    Ok(changed)
}

/// An answer that speaks of account and policy alone is for the device that asked.
fn take_asked_for(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    instance_id: InstanceId,
    answer: &CheckedAnswer,
) -> Result<i64, Error> {
    let sql = "SELECT wants_answer FROM instance WHERE tenant_id = $1 AND id = $2";
    let asked = tx.row(sql, &[tenant.id.into(), instance_id.into()], |row| row.flag(0))?;
    if asked == Some(true) {
        return Ok(i64::from(keep_for(tx, now, tenant.id, instance_id, answer, &[])?));
    }
    Ok(0)
}

/// Takes in a checked document that answers a device's file in a batch.
pub(crate) fn take_answer_to(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    answer: &CheckedAnswer,
    asked: &BTreeMap<InstanceId, Vec<i64>>,
) -> Result<(), Error> {
    let id = answer.instance_id.filter(|id| asked.contains_key(id));
    let id = id.ok_or_else(|| Error::invalid("an answer to a device that was not asked about"))?;
    check_account(tenant, &answer.document)?;
    let sql = "SELECT pid, serial FROM instance WHERE tenant_id = $1 AND id = $2";
    let udi = tx.row(sql, &[tenant.id.into(), id.into()], |row| {
        Ok::<_, Error>(Udi { pid: row.text(0)?, serial: row.text(1)? })
    })?;
    let entries = answer.document.acknowledgements.iter().flat_map(|signed| &signed.value);
    let own: Vec<_> = entries.filter(|entry| Some(&entry.sudi) == udi.as_ref()).collect();
    keep_for(tx, now, tenant.id, id, answer, &own)?;
    Ok(())
}

fn check_account(tenant: &Tenant, document: &Document) -> Result<(), Error> {
    let Some(account) = document.account.as_ref().map(|signed| &signed.value) else {
        return Ok(());
    };
    let told = (&account.smart_account, &account.virtual_account);
    if told == (&tenant.smart_account, &tenant.virtual_account) {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "the file is of {} / {}, not of {} / {}",
        told.0, told.1, tenant.smart_account, tenant.virtual_account
    )))
}

/// Keeps an answer for a device and notes what it says of its reports; says whether it is new.
fn keep_for(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    instance_id: InstanceId,
    answer: &CheckedAnswer,
    entries: &[&Acknowledgement],
) -> Result<bool, Error> {
    let place = (tenant_id, instance_id);
    let document = &answer.document;
    let udi = instances::udi_of(tx, tenant_id, instance_id)?;
    let spoke = older::answered(tx, now, place, &udi, document)?;
    let says_more = !entries.is_empty()
        || !document.trust_codes.is_empty()
        || !document.report_requests.is_empty();
    if !says_more && (spoke || older::find(tx, place)?.is_some()) {
        // A switch of before is answered from here: this is of no use to it.
        let sql = "UPDATE instance SET wants_answer = 0 WHERE tenant_id = $1 AND id = $2";
        tx.execute(sql, &[tenant_id.into(), instance_id.into()])?;
        older::still_asks(tx, place)?;
        return Ok(spoke);
    }
    let digest = sha256(answer.text.as_bytes());
    let answer_id: i64 = next_id(tx, "answer")?;
    let sql = "INSERT INTO answer (tenant_id, instance_id, id, sha256, document, received_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let values = [
        tenant_id.into(),
        instance_id.into(),
        answer_id.into(),
        digest[..].into(),
        (&answer.text).into(),
        now.0.into(),
    ];
    if tx.execute(sql, &values)? == 0 {
        return Ok(false);
    }
    let (mut settled, mut refusal) = (Settled::default(), None::<String>);
    for entry in entries {
        let report = (tenant_id, instance_id, i64::try_from(entry.report_id).unwrap_or(0));
        // What an entry says counts for the report with its digest, and for no other.
        let sha256 = entry.report_sha256.as_deref().and_then(from_base64).unwrap_or_default();
        if entry.status_code == StatusCode::Ok {
            reports::acknowledge(tx, report, &sha256, answer_id, &mut settled)?;
            continue;
        }
        if entry.reason == Some(RefusalReason::Conflict) {
            reports::supersede(tx, report, &sha256, &mut settled)?;
        } else {
            reports::refuse(tx, report, Some(&sha256), &mut settled)?;
        }
        refusal.get_or_insert_with(|| format!("CSSM: {}", entry.status_message));
    }
    if !answer.document.report_requests.is_empty() {
        reports::open_again(tx, (tenant_id, instance_id), answer_id)?;
    }
    let has_trust = !answer.document.trust_codes.is_empty();
    let sql = "UPDATE instance SET undelivered = 1, wants_answer = 0, waiting = waiting + $1,
        refused = refused + $2, last_ack_at = COALESCE($3, last_ack_at),
        alert = CASE WHEN CAST($4 AS BIGINT) = 1 THEN $5 ELSE alert END,
        trust_requests = CASE WHEN CAST($6 AS BIGINT) = 1 THEN NULL ELSE trust_requests END
        WHERE tenant_id = $7 AND id = $8";
    let values = [
        settled.waiting.into(),
        settled.refused.into(),
        (settled.acknowledged > 0).then_some(now.0).into(),
        // An answer that speaks of no report changes nothing about what was said of one.
        (!entries.is_empty()).into(),
        refusal.as_deref().into(),
        has_trust.into(),
        tenant_id.into(),
        instance_id.into(),
    ];
    tx.execute(sql, &values)?;
    older::still_asks(tx, place)?;
    Ok(true)
}

/// A policy file: it goes to every device at its next contact (TOPO-3-003).
fn take_policy(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    answer: &CheckedAnswer,
) -> Result<i64, Error> {
    let Some(policy) = answer.document.policies.last() else {
        return Err(Error::invalid("the file holds neither an ACK nor a policy"));
    };
    let Policy { smart_account: sa, virtual_account: va, .. } = &policy.value;
    if (sa, va) != (&tenant.smart_account, &tenant.virtual_account) {
        return Err(Error::Conflict(format!(
            "the policy is of {sa} / {va}, not of {} / {}",
            tenant.smart_account, tenant.virtual_account
        )));
    }
    let sql = "SELECT policy_document FROM tenant WHERE id = $1";
    let before = tx.row(sql, &[tenant.id.into()], |row| row.opt_text(0))?.flatten();
    if before.is_some_and(|text| policy_version(&text) > Some(policy.value.version)) {
        return Err(Error::Conflict("a newer policy was imported before".to_owned()));
    }
    let sql = "UPDATE tenant SET policy_document = $1, policy_at = $2
        WHERE id = $3 AND (policy_document IS NULL OR policy_document <> $4)";
    let text = &answer.text;
    let at = now.0.max(tenant.policy_at + 1);
    let touched = tx.execute(sql, &[text.into(), at.into(), tenant.id.into(), text.into()])?;
    Ok(i64::try_from(touched).unwrap_or(0))
}

/// The version of the policy in a document.
fn policy_version(document: &str) -> Option<u64> {
    let document = Document::parse(document.as_bytes()).ok()?;
    document.policies.last().map(|policy| policy.value.version)
}

/// Keeps what an answer says of account and policy, unless what is kept is newer: for devices that ask what they lack.
pub(crate) fn note_standing(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    answer: &CheckedAnswer,
) -> Result<(), Error> {
    if let Some(text) = answers::standing_of(&answer.document) {
        let before = answers::standing(tx, tenant.id)?;
        if before.is_some_and(|before| policy_version(&before) > policy_version(&text)) {
            return Ok(());
        }
        let sql = "UPDATE tenant SET standing = $1 WHERE id = $2";
        tx.execute(sql, &[(&text).into(), tenant.id.into()])?;
    }
    Ok(())
}

/// What a file is, found whole.
enum Shape {
    Plain(Vec<u8>),
    Archive { documents: i64 },
}

impl Collector {
    /// Begins to take in a file from CSSM: a bundle, an archive, or a single document. One that was taken in before is
    /// found again.
    ///
    /// # Errors
    /// When it is damaged, altered, or of another account; then nothing of it is taken.
    pub fn begin_import<R: Read + Seek>(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        name: &str,
        reader: &mut R,
    ) -> Result<Transfer, Error> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
        check_name("name", "a file's name", &name)?;
        let digest = rumline_protocol::sha256_of(reader).map_err(Error::Unwritten)?;
        let known = self.db.read("import.known", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            Transfer::of_file(tx, tenant_id, &digest)
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        reader.rewind().map_err(Error::Unwritten)?;
        let shape = self.shape(now, tenant_id, reader)?;
        let members = match &shape {
            Shape::Plain(_) => 1,
            Shape::Archive { documents } => *documents,
        };
        if members == 0 {
            return Err(Error::invalid("the archive holds no ACK"));
        }
        let actor = actor.clone();
        let plain = match shape {
            Shape::Plain(bytes) => Some(Checker::new(self, now).check(&name, &bytes)?),
            Shape::Archive { .. } => None,
        };
        self.db.write("import.begin", move |tx| {
            // Somebody may have imported the same a moment ago.
            if let Some(known) = Transfer::of_file(tx, tenant_id, &digest)? {
                return Ok(known);
            }
            let mut transfer = Transfer {
                id: next_id(tx, "transfer")?,
                kind: "Import".to_owned(),
                name: name.clone(),
                at: now.0,
                login: actor.name().to_owned(),
                status: Transfer::PROCESSING.to_owned(),
                members,
                members_done: 0,
                changed: 0,
                problems: String::new(),
            };
            if let Some(answer) = &plain {
                let tenant = tenants::by_id(tx, tenant_id)?;
                transfer.changed = take_answer(tx, now, &tenant, answer)?;
                note_standing(tx, &tenant, answer)?;
                transfer.status = "Done".to_owned();
                transfer.members_done = 1;
            }
            insert_transfer(tx, tenant_id, &transfer, Some(&digest))?;
            add_event(tx, now, tenant_id, &actor, &format!("{name} imported from Cisco"))?;
            Ok(transfer)
        })
    }

    fn shape<R: Read + Seek>(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        reader: &mut R,
    ) -> Result<Shape, Error> {
        let mut head = Vec::new();
        reader.take(512).read_to_end(&mut head).map_err(Error::Unwritten)?;
        reader.rewind().map_err(Error::Unwritten)?;
        if !is_gzip(&head) && !is_tar(&head) {
            let mut bytes = Vec::new();
            reader.take(PLAIN_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Error::Unwritten)?;
            if bytes.len() as u64 > PLAIN_BYTES_MAX {
                return Err(Error::invalid("the file is too large and no archive"));
            }
            let bytes = plain(&bytes).map_err(|error| Error::invalid(error.to_string()))?;
            return Ok(Shape::Plain(bytes.into_owned()));
        }
        let mut documents = 0;
        let manifest = read_bundle(reader, LIMITS, &mut |found| {
            documents += i64::from(matches!(found, InBundle::Device(_)));
            Ok::<(), Error>(())
        })?;
        if let Some(manifest) = manifest {
            if matches!(manifest.key, Some(ManifestKey::Collector(_))) {
                let text = "this file goes to Cisco; import the one that comes back, which begins \
                            with ACK_";
                return Err(Error::invalid(text));
            }
            if manifest.key.is_some() {
                self.check_cover(now, &manifest)?;
            }
            let tenant = self.tenant(tenant_id)?;
            let told = &manifest.manifest;
            let va = told.parts.first().map_or("", |part| part.virtual_account.as_str());
            let other = |told: &str, own: &str| !told.is_empty() && told != own;
            if other(&told.smart_account, &tenant.smart_account)
                || other(va, &tenant.virtual_account)
            {
                return Err(Error::Conflict(format!(
                    "the file is of {} / {va}, not of {} / {}",
                    told.smart_account, tenant.smart_account, tenant.virtual_account
                )));
            }
        }
        Ok(Shape::Archive { documents })
    }

    /// Takes in what a file holds, from where it was left; `progress` is told how many devices are done.
    ///
    /// # Errors
    /// When the store fails or the file cannot be read any more; what was taken stays.
    pub fn work_on_import(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        id: TransferId,
        reader: &mut dyn Read,
        progress: &mut dyn FnMut(i64),
    ) -> Result<Transfer, Error> {
        let transfer = self.transfer(tenant_id, id)?;
        if transfer.status != Transfer::PROCESSING {
            return Ok(transfer);
        }
        let mut checker = Checker::new(self, now);
        let (mut place, mut bytes, mut waiting) = (0, 0, Vec::new());
        read_bundle(reader, LIMITS, &mut |found| {
            let InBundle::Device(member) = found else { return Ok(()) };
            place += 1;
            if place <= transfer.members_done {
                return Ok(());
            }
            bytes += member.bytes.len();
            waiting.push(checker.check(&member.name, &member.bytes));
            if waiting.len() >= PIECE_MAX || bytes >= PIECE_BYTES_MAX {
                bytes = 0;
                self.take_piece(now, (tenant_id, id), std::mem::take(&mut waiting), place)?;
                progress(place);
            }
            Ok::<(), Error>(())
        })?;
        if !waiting.is_empty() {
            self.take_piece(now, (tenant_id, id), waiting, place)?;
            progress(place);
        }
        self.transfer(tenant_id, id)
    }

    /// Takes in what was checked, which ends at this place.
    fn take_piece(
        &self,
        now: Timestamp,
        (tenant_id, id): (TenantId, TransferId),
        checked: Vec<Result<CheckedAnswer, Error>>,
        place: i64,
    ) -> Result<(), Error> {
        let count = i64::try_from(checked.len()).unwrap_or(i64::MAX);
        let (mut answers, mut problems) = (Vec::new(), Vec::new());
        for outcome in checked {
            match outcome {
                Ok(answer) => answers.push(answer),
                Err(error) => problems.push(error.to_string()),
            }
        }
        self.db.write("import.piece", move |tx| {
            let tenant = tenants::by_id(tx, tenant_id)?;
            let sql = "SELECT members_done FROM transfer WHERE tenant_id = $1 AND id = $2";
            let done = tx.row(sql, &[tenant_id.into(), id.into()], |row| row.int(0))?;
            if done != Some(place - count) {
                // Another process has gone on with it.
                return Err(StoreError::Conflict.into());
            }
            let (mut changed, mut problems) = (0, problems.clone());
            for answer in &answers {
                match take_answer(tx, now, &tenant, answer) {
                    Ok(count) => changed += count,
                    Err(Error::Conflict(text) | Error::Invalid(text)) => problems.push(text),
                    Err(error) => return Err(error),
                }
            }
            if let Some(last) = answers.last().filter(|_| problems.is_empty()) {
                note_standing(tx, &tenant, last)?;
            }
            note_piece(tx, tenant_id, id, count, changed, &problems)
        })
    }

    /// Imports whose work was cut short: the tenant and number of each.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unfinished_imports(&self) -> Result<Vec<(TenantId, TransferId)>, Error> {
        self.db.read("import.unfinished", |tx| {
            let sql = "SELECT tenant_id, id FROM transfer WHERE status = $1 ORDER BY id";
            tx.rows(sql, &[Transfer::PROCESSING.into()], |row| Ok((row.id(0)?, row.id(1)?)))
        })
    }

    /// Gives an import up whose file cannot be read any more; one that is done stays done.
    ///
    /// # Errors
    /// When the store fails.
    pub fn give_up_import(
        &self,
        tenant_id: TenantId,
        id: TransferId,
        why: &str,
    ) -> Result<(), Error> {
        let why: String = why.chars().take(MESSAGE_CHARS_MAX).collect();
        self.db.write("import.give_up", move |tx| {
            let sql = "UPDATE transfer SET status = 'Errors', problems = $1
                WHERE tenant_id = $2 AND id = $3 AND status = $4";
            let place = [tenant_id.into(), id.into()];
            let values = [(&why).into(), place[0], place[1], Transfer::PROCESSING.into()];
            tx.execute(sql, &values)?;
            Ok(())
        })
    }
}

fn note_piece(
    tx: &mut Tx<'_>,
    tenant_id: TenantId,
    id: TransferId,
    count: i64,
    changed: i64,
    new_problems: &[String],
) -> Result<(), Error> {
    let sql =
        format!("SELECT {} FROM transfer WHERE tenant_id = $1 AND id = $2", Transfer::COLUMNS);
    let found = tx.row(&sql, &[tenant_id.into(), id.into()], Transfer::from_row)?;
    let mut transfer = found.ok_or(Error::NotFound("transfer"))?;
    for problem in new_problems {
        if transfer.problems.len() < MESSAGE_CHARS_MAX {
            transfer.problems.push_str(if transfer.problems.is_empty() { "" } else { "; " });
            transfer.problems.push_str(problem);
        }
    }
    let done = transfer.members_done + count;
    let status = match (done < transfer.members, transfer.problems.is_empty()) {
        (true, _) => Transfer::PROCESSING,
        (false, true) => "Done",
        (false, false) => "Errors",
    };
    let sql = "UPDATE transfer SET members_done = $1, changed = changed + $2, problems = $3,
        status = $4 WHERE tenant_id = $5 AND id = $6";
    let values = [
        done.into(),
        changed.into(),
        (&transfer.problems).into(),
        status.into(),
        tenant_id.into(),
        id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}
