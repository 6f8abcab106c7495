//! Usage files uploaded by people and the ACK files they take back (guide p. 44-45; CSSM-017 to 021).

use std::collections::BTreeSet;

use rumline_protocol::{
    ArchiveLimits, Document, StatusCode, SystemInfo, Timestamp, TrustCode, TrustRequest, Udi,
    is_gzip, is_tar, read_members,
};
use rumline_store::{Row, Tx};
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, next_id, smart_account, virtual_account};
use crate::answer::{self, Contents};
use crate::ingest::{self, VerifiedReport};
use crate::instances::{self, About};
use crate::{Cssm, Error, trust};

/// The most files in one archive.
const MEMBERS_MAX: usize = 20_000;
/// The most bytes an archive may unpack to.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;

/// An uploaded usage file; it cannot be deleted (CSSM-019).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageFile {
    /// Its number.
    pub id: i64,
    /// `File Name`.
    pub name: String,
    /// `Reported`.
    pub uploaded_at: i64,
    /// By whom.
    pub uploaded_by: String,
    /// `Virtual Account`.
    pub virtual_account_id: i64,
    /// `Reporting Status`: `No Errors` or `Errors`.
    pub status: String,
    /// The status in words.
    pub message: String,
    /// `Number of Product Instances`.
    pub product_instances: i64,
    /// Reports that were new.
    pub reports_new: i64,
    /// Reports received before.
    pub reports_known: i64,
    /// Whether `Acknowledgment` shows `Download`.
    pub acknowledgement_ready: bool,
}

const COLUMNS: &str = "id, name, uploaded_at, uploaded_by, virtual_account_id, status, message, \
    product_instances, reports_new, reports_known, \
    CAST(CASE WHEN acknowledgement IS NULL THEN 0 ELSE 1 END AS BIGINT)";

fn from_row(row: &Row<'_>) -> Result<UsageFile, Error> {
    Ok(UsageFile {
        id: row.int(0)?,
        name: row.text(1)?,
        uploaded_at: row.int(2)?,
        uploaded_by: row.text(3)?,
        virtual_account_id: row.int(4)?,
        status: row.text(5)?,
        message: row.text(6)?,
        product_instances: row.int(7)?,
        reports_new: row.int(8)?,
        reports_known: row.int(9)?,
        acknowledgement_ready: row.flag(10)?,
    })
}

/// What a device wrote into a file, read and checked as far as that needs no database.
#[derive(Clone, Debug)]
struct DeviceFile {
    info: SystemInfo,
    reports: Vec<VerifiedReport>,
    trust_requests: Vec<TrustRequest>,
    about: About,
}

/// What taking a device's file led to.
#[derive(Default)]
struct Taken {
    entries: Vec<rumline_protocol::Acknowledgement>,
    trust_codes: Vec<TrustCode>,
    new: i64,
    known: i64,
}

impl Cssm {
    /// Takes an uploaded usage file into a virtual account: XML or text, tar, or tar.gz (C-34).
    ///
    /// # Errors
    /// When nothing in it can be taken; then nothing is.
    pub fn upload_usage(
        &self,
        now: Timestamp,
        login: &str,
        smart_account_id: i64,
        virtual_account_id: i64,
        name: &str,
        bytes: &[u8],
    ) -> Result<UsageFile, Error> {
        // Browsers and people may send the folder too.
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        crate::accounts::check_name("a file's name", name)?;
        let files = self.read_files(bytes)?;
        let devices: BTreeSet<Udi> = files.iter().map(|file| file.info.sudi.clone()).collect();
        let correlation_id = self.random_hex(16);
        let (cssm, login, name) = (self.clone(), login.to_owned(), name.to_owned());
        self.db.write("files.upload", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let account = (smart_account_id, virtual_account_id);
            let mut all = Taken::default();
            for file in &files {
                let taken = cssm.take(tx, now, account, file, &correlation_id)?;
                all.entries.extend(taken.entries);
                all.trust_codes.extend(taken.trust_codes);
                all.new += taken.new;
                all.known += taken.known;
            }
            let refused =
                all.entries.iter().filter(|entry| entry.status_code != StatusCode::Ok).count();
            let standing = instances::standing(tx, smart_account_id, virtual_account_id)?;
            let contents = Contents {
                acknowledgements: &all.entries,
                trust_codes: std::mem::take(&mut all.trust_codes),
                standing: &standing,
                policy_wanted: false,
                correlation_id: &correlation_id,
            };
            let acknowledgement = answer::document(contents, &cssm.issuer, &cssm.standing, now);
            let message = match (refused, all.new) {
                (0, 0) => "All reports in this file were received before.".to_owned(),
                (0, new) => format!("{new} reports accepted."),
                (refused, _) => format!("{refused} reports were refused."),
            };
            let file = UsageFile {
                id: next_id(tx, "usage_file")?,
                name: name.clone(),
                uploaded_at: now.0,
                uploaded_by: login.clone(),
                virtual_account_id,
                status: if refused == 0 { "No Errors" } else { "Errors" }.to_owned(),
                message,
                product_instances: i64::try_from(devices.len()).unwrap_or(i64::MAX),
                reports_new: all.new,
                reports_known: all.known,
                acknowledgement_ready: true,
            };
            insert(tx, smart_account_id, &file, &acknowledgement)?;
            let text = format!("usage file {name:?} uploaded: {}", file.message);
            add_event(tx, now, smart_account_id, &login, &text)?;
            Ok(file)
        })
    }

    fn read_files(&self, bytes: &[u8]) -> Result<Vec<DeviceFile>, Error> {
        if !is_gzip(bytes) && !is_tar(bytes) {
            return Ok(vec![self.read_file("the file", bytes)?]);
        }
        let limits =
            ArchiveLimits { total_bytes_max: UNPACKED_BYTES_MAX, members_max: MEMBERS_MAX };
        let members =
            read_members(bytes, limits).map_err(|error| Error::invalid(error.to_string()))?;
        if members.is_empty() {
            return Err(Error::invalid("the archive holds no file"));
        }
        members.iter().map(|member| self.read_file(&member.name, &member.bytes)).collect()
    }

    fn read_file(&self, name: &str, bytes: &[u8]) -> Result<DeviceFile, Error> {
        let bad = |text: String| Error::invalid(format!("{name}: {text}"));
        let mut document = Document::parse(bytes).map_err(|error| bad(error.to_string()))?;
        if document.reports.is_empty() {
            return Err(bad("it holds no RUM report".to_owned()));
        }
        let info = document
            .system_info
            .as_ref()
            .ok_or_else(|| bad("it does not say which device wrote it".to_owned()))?;
        if !info.verify(self.suite.as_ref(), &info.value.public_key) {
            return Err(bad("the signature of the device does not verify".to_owned()));
        }
        info.value.sudi.check().map_err(|error| bad(error.to_string()))?;
        let mut trust_requests = Vec::new();
        for signed in document.trust_requests.iter().take(16).cloned() {
            trust_requests.push(trust::check_request(self.suite.as_ref(), signed)?);
        }
        let first = &document.reports[0].report;
        let about = About {
            identifier: first.product_instance_identifier.clone(),
            hostname: info.value.hostname.clone(),
            software_version: info.value.software_version.clone(),
            software_tag: info.value.software_tag_identifier.clone(),
        }
        .bounded();
        let info = info.value.clone();
        let mut reports = Vec::with_capacity(document.reports.len());
        for report in document.reports.drain(..) {
            let verified =
                ingest::verify(self.suite.as_ref(), &info.sudi, &info.public_key, report);
            reports.push(verified.map_err(|error| bad(error.to_string()))?);
        }
        Ok(DeviceFile { info, reports, trust_requests, about })
    }

    /// A device unknown so far is registered with the key it signed with; another key for a known one is refused.
    fn take(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        (smart_account_id, virtual_account_id): (i64, i64),
        file: &DeviceFile,
        correlation_id: &str,
    ) -> Result<Taken, Error> {
        let info = &file.info;
        let instance = match instances::find(tx, &info.sudi)? {
            Some(known) if known.smart_account_id != smart_account_id && !known.removed => {
                let text = format!("{} belongs to another Smart Account", info.sudi);
                return Err(Error::Conflict(text));
            }
            Some(known) if known.public_key != info.public_key && !known.removed => {
                let text = format!("{} is known with another key", info.sudi);
                return Err(Error::Conflict(text));
            }
            Some(known) if !known.removed => known,
            _ => instances::register(
                tx,
                now,
                smart_account_id,
                virtual_account_id,
                &info.sudi,
                &info.public_key,
                &file.about,
            )?,
        };
        let outcome = ingest::store(tx, now, &instance, &file.reports, correlation_id)?;
        if outcome.new > 0 {
            let window = instance.window();
            instances::note_report(tx, now, &instance, window, &file.about)?;
        }
        let mut taken = Taken {
            entries: outcome.entries,
            trust_codes: Vec::new(),
            new: outcome.new,
            known: outcome.known,
        };
        for request in &file.trust_requests {
            if request.public_key == instance.public_key && request.sudi == instance.udi {
                taken.trust_codes.push(trust::issue(tx, now, &instance, request)?);
            }
        }
        let sql =
            "UPDATE product_instance SET last_ack_at = $1, last_contact_at = $1 WHERE id = $2";
        tx.execute(sql, &[now.0.into(), instance.id.into()])?;
        Ok(taken)
    }

    /// The uploaded usage files, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn usage_files(&self, smart_account_id: i64) -> Result<Vec<UsageFile>, Error> {
        self.db.read("files.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM usage_file WHERE smart_account_id = $1 ORDER BY id DESC
                LIMIT 1000"
            );
            tx.rows(&sql, &[smart_account_id.into()], from_row)
        })
    }

    /// The ACK file of an uploaded usage file, and its name (CSSM-020).
    ///
    /// # Errors
    /// When there is no such file.
    pub fn acknowledgement_file(
        &self,
        smart_account_id: i64,
        id: i64,
    ) -> Result<(String, String), Error> {
        self.db.read("files.acknowledgement", move |tx| {
            let sql = "SELECT name, acknowledgement FROM usage_file
                WHERE smart_account_id = $1 AND id = $2";
            let found = tx.row(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok::<_, Error>((row.text(0)?, row.opt_text(1)?))
            })?;
            let (name, text) = found.ok_or(Error::NotFound("usage file"))?;
            let stem = name.trim_end_matches(".gz").trim_end_matches(".tar");
            let stem = stem.trim_end_matches(".txt").trim_end_matches(".xml");
            let text = text.ok_or(Error::NotFound("acknowledgement"))?;
            Ok((format!("ACK_{stem}.txt"), text))
        })
    }
}

fn insert(
    tx: &mut Tx<'_>,
    smart_account_id: i64,
    file: &UsageFile,
    acknowledgement: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO usage_file (smart_account_id, id, virtual_account_id, name, uploaded_at,
        uploaded_by, status, message, product_instances, reports_new, reports_known,
        acknowledgement) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values = [
        smart_account_id.into(),
        file.id.into(),
        file.virtual_account_id.into(),
        (&file.name).into(),
        file.uploaded_at.into(),
        (&file.uploaded_by).into(),
        (&file.status).into(),
        (&file.message).into(),
        file.product_instances.into(),
        file.reports_new.into(),
        file.reports_known.into(),
        acknowledgement.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}
