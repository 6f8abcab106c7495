//! Usage files uploaded by people and the ACK files they take back (guide p. 44-45; CSSM-017 to 021).

use std::collections::BTreeSet;
use std::io::Cursor;

use rumline_protocol::{
    ArchiveLimits, Member, StatusCode, Timestamp, Udi, is_gzip, is_tar, read_members,
};
use rumline_server::next_id;
use rumline_store::{Row, Tx};
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::answer::{self, Contents};
use crate::collected::{self, Hop, Taken, VerifiedDevice};
use crate::{Cssm, Error, instances};

/// The most files in one archive.
const MEMBERS_MAX: usize = 20_000;
/// The most bytes an archive may unpack to.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;

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
    /// `Reporting Status`: `No Errors` or `Errors`; `Processing` while a bundle is worked on.
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

impl UsageFile {
    /// The status while a bundle is worked on.
    pub const PROCESSING: &'static str = "Processing";
}

const COLUMNS: &str = "id, name, uploaded_at, uploaded_by, virtual_account_id, status, message, \
    product_instances, reports_new, reports_known, \
    CAST(CASE WHEN acknowledgement IS NOT NULL THEN 1 WHEN bundle_part IS NOT NULL \
    AND members_done = members THEN 1 ELSE 0 END AS BIGINT)";

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

/// The name of an uploaded file: browsers and people may send the folder too.
pub(crate) fn plain_name(name: &str) -> Result<String, Error> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    rumline_server::check_name("a file's name", name)?;
    Ok(name.to_owned())
}

/// One usage file.
pub(crate) fn one(tx: &mut Tx<'_>, smart_account_id: i64, id: i64) -> Result<UsageFile, Error> {
    let sql = format!("SELECT {COLUMNS} FROM usage_file WHERE smart_account_id = $1 AND id = $2");
    tx.row(&sql, &[smart_account_id.into(), id.into()], from_row)?
        .ok_or(Error::NotFound("usage file"))
}

/// The usage file of a bundle that was taken in before.
pub(crate) fn of_bundle(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): (i64, i64),
    digest: &[u8],
) -> Result<Option<UsageFile>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM usage_file WHERE smart_account_id = $1 AND virtual_account_id = $2
        AND bundle_sha256 = $3 AND status <> 'Errors' ORDER BY id DESC LIMIT 1"
    );
    let values = [smart_account_id.into(), virtual_account_id.into(), digest.into()];
    tx.row(&sql, &values, from_row)
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
        let name = plain_name(name)?;
        if is_gzip(bytes) || is_tar(bytes) {
            let account = (smart_account_id, virtual_account_id);
            if let Some(file) =
                self.begin_bundle(now, login, account, &name, &mut Cursor::new(bytes))?
            {
                let (sa, reader) = (smart_account_id, &mut &bytes[..]);
                return self.work_on_bundle(now, sa, file.id, reader, &mut |_| {});
            }
        }
        let correlation_id = self.random_hex(16);
        let files = self.read_files(bytes, &correlation_id)?;
        let devices: BTreeSet<Udi> = files.iter().map(|file| file.udi.clone()).collect();
        let (cssm, login) = (self.clone(), login.to_owned());
        self.db.write("files.upload", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let account = (smart_account_id, virtual_account_id);
            let mut all = Taken::default();
            for file in &files {
                let hop = Hop::Person(None);
                let taken = collected::take(tx, now, account, file, hop, &correlation_id)?;
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
                standing: Some(&standing),
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
            insert(tx, smart_account_id, &file, Some(&acknowledgement))?;
            let text = format!("usage file {name:?} uploaded: {}", file.message);
            add_event(tx, now, smart_account_id, &login, &text)?;
            Ok(file)
        })
    }

    /// The devices of a plain file or archive. One report that does not verify refuses all: nobody but the device wrote it.
    fn read_files(&self, bytes: &[u8], correlation_id: &str) -> Result<Vec<VerifiedDevice>, Error> {
        let suite = self.suite.as_ref();
        let members = if is_gzip(bytes) || is_tar(bytes) {
            let limits = ArchiveLimits {
                total_bytes_max: UNPACKED_BYTES_MAX,
                member_bytes_max: UNPACKED_BYTES_MAX,
                members_max: MEMBERS_MAX,
            };
            read_members(bytes, limits)?
        } else {
            vec![Member { name: "the file".to_owned(), bytes: bytes.to_vec() }]
        };
        if members.is_empty() {
            return Err(Error::invalid("the archive holds no file"));
        }
        let mut devices = Vec::with_capacity(members.len());
        for member in &members {
            let file = collected::parse(suite, &member.name, &member.bytes)?;
            if file.reports.is_empty() {
                return Err(Error::invalid(format!("{}: it holds no RUM report", member.name)));
            }
            let udi = file.udi.clone();
            let find = move |tx: &mut Tx<'_>| instances::find(tx, &udi);
            let known = match file.key {
                Some(_) => None,
                None => self.db.read("files.key", find)?.map(|known| known.public_key),
            };
            let hop = Hop::Person(None);
            let device = collected::verify(suite, file, known.as_ref(), hop, correlation_id)?;
            if let Some(entry) = device.refused.first() {
                return Err(Error::invalid(format!("{}: {}", member.name, entry.status_message)));
            }
            devices.push(device);
        }
        Ok(devices)
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

    /// One uploaded usage file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn usage_file(&self, smart_account_id: i64, id: i64) -> Result<UsageFile, Error> {
        self.db.read("files.one", move |tx| one(tx, smart_account_id, id))
    }

    /// The ACK file of an uploaded usage file, and its name (CSSM-020). A bundle's is written by
    /// [`Cssm::write_answer`].
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

pub(crate) fn insert(
    tx: &mut Tx<'_>,
    smart_account_id: i64,
    file: &UsageFile,
    acknowledgement: Option<&str>,
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
