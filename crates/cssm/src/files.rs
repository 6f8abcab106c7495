//! Usage files uploaded by people and the ACK files they take back (guide p. 44-45; CSSM-017 to 021).

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::Arc;

use rumline_protocol::{
    ArchiveLimits, Member, StatusCode, Timestamp, Udi, is_gzip, is_tar, plain, read_members,
};
use rumline_server::next_id;
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, one_by_one, smart_account, virtual_account};
use crate::answer::{self, Contents};
use crate::collected::{self, Hop, Taken, Took, VerifiedDevice};
use crate::ids::{Account, SmartAccountId, UsageFileId, VirtualAccountId};
use crate::set_aside::{self, SetAside};
use crate::{Actor, Cssm, Error, Only, PartId, claims, instances, standing};

/// The most files in one archive.
const MEMBERS_MAX: usize = 20_000;
/// The most bytes an archive may unpack to.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;

/// Files that a list holds, the newest.
const FILES_MAX: usize = 1_000;

/// An uploaded usage file; it cannot be deleted (CSSM-019).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsageFile {
    /// Its number.
    pub id: UsageFileId,
    /// `File Name`.
    pub name: String,
    /// `Reported`.
    pub uploaded_at: i64,
    /// By whom.
    pub uploaded_by: String,
    /// `Virtual Account`.
    pub virtual_account_id: VirtualAccountId,
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
    /// Product instances in it that belong to another virtual account: they wait until somebody moves them.
    pub set_aside: i64,
}

impl UsageFile {
    /// The status while a bundle is worked on.
    pub const PROCESSING: &'static str = "Processing";
}

/// What a file's devices brought, and what became of it.
pub(crate) struct Brought {
    pub all: Taken,
    /// What has to be told.
    pub problems: Vec<String>,
    /// Whether a device of this account was among them.
    pub taken_in: bool,
    pub policy_wanted: bool,
    pub product_instances: usize,
    pub set_aside: usize,
}

const COLUMNS: &str = "id, name, uploaded_at, uploaded_by, virtual_account_id, status, message, \
    product_instances, reports_new, reports_known, \
    CAST(CASE WHEN acknowledgement IS NOT NULL THEN 1 WHEN bundle_part IS NOT NULL \
    AND members_done = members THEN 1 ELSE 0 END AS BIGINT), set_aside";

fn from_row(row: &Row<'_>) -> Result<UsageFile, Error> {
    Ok(UsageFile {
        id: row.id(0)?,
        name: row.text(1)?,
        uploaded_at: row.int(2)?,
        uploaded_by: row.text(3)?,
        virtual_account_id: row.id(4)?,
        status: row.text(5)?,
        message: row.text(6)?,
        product_instances: row.int(7)?,
        reports_new: row.int(8)?,
        reports_known: row.int(9)?,
        acknowledgement_ready: row.flag(10)?,
        set_aside: row.int(11)?,
    })
}

/// The name of an uploaded file: browsers and people may send the folder too.
pub(crate) fn plain_name(name: &str) -> Result<String, Error> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    rumline_server::check_name("name", "a file's name", name)?;
    Ok(name.to_owned())
}

/// The name of an ACK file: `ACK_`, the base name, `.txt`; its letters stay as they are (FILE-010).
fn acknowledgement_name(name: &str) -> String {
    let mut stem = name;
    loop {
        let lower = stem.to_ascii_lowercase();
        let mut known = [".gz", ".tgz", ".tar", ".zip", ".txt", ".xml"].into_iter();
        let end = known.find(|end| lower.ends_with(end) && lower.len() > end.len());
        match end {
            Some(end) => stem = &stem[..stem.len() - end.len()],
            None => return format!("ACK_{stem}.txt"),
        }
    }
}

/// One usage file.
pub(crate) fn one(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: UsageFileId,
) -> Result<UsageFile, Error> {
    let sql = format!("SELECT {COLUMNS} FROM usage_file WHERE smart_account_id = $1 AND id = $2");
    tx.row(&sql, &[smart_account_id.into(), id.into()], from_row)?
        .ok_or(Error::NotFound("usage file"))
}

/// The usage file of a bundle that was taken in before.
pub(crate) fn of_bundle(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
    digest: &[u8],
) -> Result<Option<UsageFile>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM usage_file WHERE smart_account_id = $1 AND virtual_account_id = $2
        AND bundle_sha256 = $3 AND status <> 'Errors' ORDER BY id DESC LIMIT 1"
    );
    let values = [smart_account_id.into(), virtual_account_id.into(), digest.into()];
    tx.row(&sql, &values, from_row)
}

/// The virtual account of one of them.
pub(crate) fn virtual_account_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: i64,
) -> Result<Option<VirtualAccountId>, Error> {
    let sql = "SELECT virtual_account_id FROM usage_file WHERE smart_account_id = $1
        AND id = $2";
    Ok(tx.row(sql, &[smart_account_id.into(), id.into()], |row| row.id(0))?)
}

impl Cssm {
    /// Takes an uploaded usage file into a virtual account: XML or text, tar, or tar.gz (C-34).
    ///
    /// # Errors
    /// When nothing in it can be taken; then nothing is.
    pub fn upload_usage(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
        name: &str,
        bytes: &[u8],
    ) -> Result<UsageFile, Error> {
        let name = plain_name(name)?;
        let bytes = plain(bytes).map_err(|error| Error::invalid(error.to_string()))?;
        if is_gzip(&bytes) || is_tar(&bytes) {
            let account = (smart_account_id, virtual_account_id);
            if let Some(file) =
                self.begin_bundle(now, actor, account, &name, &mut Cursor::new(&bytes))?
            {
                let (sa, reader) = (smart_account_id, &mut &bytes[..]);
                return self.work_on_bundle(now, sa, file.id, reader, &mut |_| {});
            }
        }
        let correlation_id = self.random_hex(16);
        let files = self.read_files(now, &bytes, &correlation_id)?;
        let (cssm, actor) = (self.clone(), actor.clone());
        let account = (smart_account_id, virtual_account_id);
        self.db.write("files.upload", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let brought = (name.as_str(), files.as_slice(), Hop::Person(None));
            cssm.take_files(tx, now, &actor, account, brought, &correlation_id)
        })
    }

    /// Takes in the files of devices that a person brought, as one usage file with one ACK.
    pub(crate) fn take_files(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        actor: &Actor,
        account: Account,
        (name, devices, hop): (&str, &[VerifiedDevice], Hop<'_>),
        correlation_id: &str,
    ) -> Result<UsageFile, Error> {
        let (mut all, mut problems) = (Taken::default(), Vec::new());
        let (mut aside, mut taken_in) = (Vec::new(), false);
        for (place, device) in (0..).zip(devices) {
            match collected::take(tx, now, account, device, hop, correlation_id)? {
                Took::Taken(taken) => {
                    taken_in = true;
                    all.extend(taken);
                }
                Took::Refused(text) => {
                    all.extend(collected::refuse_all(device, &text, correlation_id));
                    problems.push(text);
                }
                Took::SetAside(home) => {
                    problems.push(set_aside::words(&device.udi));
                    aside.push((place, device, home));
                }
            }
        }
        let distinct: BTreeSet<&Udi> = devices.iter().map(|device| &device.udi).collect();
        let brought = Brought {
            all,
            problems,
            taken_in,
            // One that brought no report asked for something else.
            policy_wanted: devices.iter().any(|device| device.reports.is_empty()),
            product_instances: distinct.len(),
            set_aside: aside.len(),
        };
        let answered = (name, brought, correlation_id);
        let file = self.answer_file(tx, now, actor, account, answered)?;
        for (place, device, home) in aside {
            set_aside::keep(tx, (account.0, file.id), place, name, device, home)?;
        }
        Ok(file)
    }

    /// Writes down a usage file and its answer.
    pub(crate) fn answer_file(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        actor: &Actor,
        account: Account,
        (name, brought, correlation_id): (&str, Brought, &str),
    ) -> Result<UsageFile, Error> {
        let Brought { mut all, problems, taken_in, policy_wanted, product_instances, set_aside } =
            brought;
        let id = next_id(tx, "usage_file")?;
        let refused =
            all.entries.iter().filter(|entry| entry.status_code != StatusCode::Ok).count();
        let standing = Arc::new(standing::read(tx, account.0, account.1)?);
        let standing = standing.for_instances(tx, all.instances.iter().copied())?;
        let nothing = !taken_in && all.entries.is_empty();
        let contents = Contents {
            acknowledgements: std::mem::take(&mut all.entries),
            trust_codes: std::mem::take(&mut all.trust_codes),
            report_requests: std::mem::take(&mut all.report_requests),
            older: std::mem::take(&mut all.older),
            // A device of another account learns nothing of this one.
            standing: taken_in.then_some(&standing),
            policy_wanted,
            correlation_id,
        };
        let acknowledgement =
            (!nothing).then(|| answer::document(contents, &self.issuer, &self.standing, now));
        let mut message = match (refused, all.new, all.known) {
            (0, 0, 0) => String::new(),
            (0, 0, _) => "All reports in this file were received before.".to_owned(),
            (0, new, _) => format!("{new} reports accepted."),
            (refused, _, _) => format!("{refused} reports were refused."),
        };
        for problem in &problems {
            message.push_str(if message.is_empty() { "" } else { " " });
            message.push_str(problem);
            message.push('.');
        }
        // No error: all of it was taken (C-48).
        for text in all.unknown.iter().filter_map(|pid| instances::unknown_product(pid)).take(5) {
            message.push_str(if message.is_empty() { "" } else { " " });
            message.push_str(&format!("{text}."));
        }
        let fine = refused == 0 && problems.is_empty();
        let file = UsageFile {
            id,
            name: name.to_owned(),
            uploaded_at: now.0,
            uploaded_by: actor.name().to_owned(),
            virtual_account_id: account.1,
            status: if fine { "No Errors" } else { "Errors" }.to_owned(),
            message,
            product_instances: i64::try_from(product_instances).unwrap_or(i64::MAX),
            reports_new: all.new,
            reports_known: all.known,
            acknowledgement_ready: !nothing,
            set_aside: i64::try_from(set_aside).unwrap_or(i64::MAX),
        };
        insert(tx, account.0, &file, acknowledgement.as_deref())?;
        let text = format!("usage file {name:?} uploaded: {}", file.message);
        add_event(tx, now, account.0, actor, &text)?;
        Ok(file)
    }

    /// The devices of a plain file or archive. One report that does not verify refuses all: nobody but the device wrote it.
    fn read_files(
        &self,
        now: Timestamp,
        bytes: &[u8],
        correlation_id: &str,
    ) -> Result<Vec<VerifiedDevice>, Error> {
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
            let device = self.verify_file(now, &member.name, &member.bytes, correlation_id)?;
            if device.reports.is_empty() && device.refused.is_empty() {
                return Err(Error::invalid(format!("{}: it holds no RUM report", member.name)));
            }
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
    pub fn usage_files(
        &self,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
    ) -> Result<Vec<UsageFile>, Error> {
        let parts = one_by_one(only);
        self.db.read("files.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            let mut files = Vec::new();
            for part in &parts {
                let of = if part.is_some() { "AND virtual_account_id = $2" } else { "" };
                let sql = format!(
                    "SELECT {COLUMNS} FROM usage_file WHERE smart_account_id = $1 {of}
                    ORDER BY id DESC LIMIT 1000"
                );
                let values = [smart_account_id.into(), (*part).into()];
                let values = if part.is_some() { &values[..] } else { &values[..1] };
                files.extend(tx.rows(&sql, values, from_row)?);
            }
            files.sort_by_key(|file: &UsageFile| std::cmp::Reverse(file.id));
            files.truncate(FILES_MAX);
            Ok(files)
        })
    }

    /// One uploaded usage file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn usage_file(
        &self,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
    ) -> Result<UsageFile, Error> {
        self.db.read("files.one", move |tx| one(tx, smart_account_id, id))
    }

    /// The ACK file of an uploaded usage file, and its name (CSSM-020). A bundle's is written by
    /// [`Cssm::write_answer`].
    ///
    /// # Errors
    /// When there is no such file.
    pub fn acknowledgement_file(
        &self,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
    ) -> Result<(String, String), Error> {
        let issuer = Arc::clone(&self.issuer);
        self.db.read("files.acknowledgement", move |tx| {
            let sql = "SELECT name, acknowledgement FROM usage_file
                WHERE smart_account_id = $1 AND id = $2";
            let found = tx.row(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok::<_, Error>((row.text(0)?, row.opt_text(1)?))
            })?;
            let (name, text) = found.ok_or(Error::NotFound("usage file"))?;
            let text = text.ok_or(Error::NotFound("acknowledgement"))?;
            Ok((acknowledgement_name(&name), answer::signed_anew(text, &issuer)))
        })
    }
}

pub(crate) fn insert(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
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

impl Cssm {
    /// The product instances that an uploaded file would move.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn set_aside(
        &self,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
    ) -> Result<Vec<SetAside>, Error> {
        self.db.read("set_aside.list", move |tx| {
            one(tx, smart_account_id, id)?;
            let sql = "SELECT set_aside.pid, set_aside.serial, set_aside.virtual_account_id,
                virtual_account.name FROM set_aside JOIN virtual_account
                ON virtual_account.smart_account_id = set_aside.smart_account_id
                AND virtual_account.id = set_aside.virtual_account_id
                WHERE set_aside.smart_account_id = $1 AND usage_file_id = $2 ORDER BY place";
            tx.rows(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok(SetAside {
                    pid: row.text(0)?,
                    serial: row.text(1)?,
                    virtual_account_id: row.id(2)?,
                    virtual_account: row.text(3)?,
                })
            })
        })
    }

    /// Moves the product instances that an uploaded file would move, and takes in what it holds of them: as a file of its
    /// own, with its own ACK.
    ///
    /// # Errors
    /// When there is nothing to move.
    pub fn move_set_aside(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: UsageFileId,
    ) -> Result<UsageFile, Error> {
        let (name, account, kept) = self.db.read("set_aside.read", move |tx| {
            let file = one(tx, smart_account_id, id)?;
            let sql = "SELECT name, document FROM set_aside WHERE smart_account_id = $1
                AND usage_file_id = $2 ORDER BY place";
            let kept = tx.rows(sql, &[smart_account_id.into(), id.into()], |row| {
                Ok::<_, Error>((row.text(0)?, row.text(1)?))
            })?;
            Ok::<_, Error>((file.name, (smart_account_id, file.virtual_account_id), kept))
        })?;
        if kept.is_empty() {
            return Err(Error::Conflict("the file moves no product instance".to_owned()));
        }
        let correlation_id = self.random_hex(16);
        let mut devices = Vec::with_capacity(kept.len());
        for (name, document) in kept {
            devices.push(self.verify_file(now, &name, document.as_bytes(), &correlation_id)?);
        }
        let (cssm, actor) = (self.clone(), actor.clone());
        self.db.write("set_aside.move", move |tx| {
            virtual_account(tx, account.0, account.1)?;
            for device in &devices {
                if let Some(mut known) = instances::find(tx, &device.udi)?
                    && !known.removed
                    && known.smart_account_id == account.0
                    && known.public_key == device.key
                    && known.virtual_account_id != account.1
                {
                    claims::move_and_tell(tx, now, &actor, &mut known, account.1)?;
                }
            }
            let sql = "DELETE FROM set_aside WHERE smart_account_id = $1 AND usage_file_id = $2";
            let gone = tx.execute(sql, &[account.0.into(), id.into()])?;
            if gone == 0 {
                return Err(Error::Conflict("the file moves no product instance".to_owned()));
            }
            let sql = "UPDATE usage_file SET set_aside = 0 WHERE smart_account_id = $1 AND id = $2";
            tx.execute(sql, &[account.0.into(), id.into()])?;
            let hop = Hop::Person(None);
            cssm.take_files(tx, now, &actor, account, (&name, &devices, hop), &correlation_id)
        })
    }

    /// Reads and checks one device's file that a person brought.
    pub(crate) fn verify_file(
        &self,
        now: Timestamp,
        name: &str,
        bytes: &[u8],
        correlation_id: &str,
    ) -> Result<VerifiedDevice, Error> {
        let suite = self.suite.as_ref();
        let file = collected::parse(suite, now, &self.id, name, bytes)?;
        let udi = file.udi.clone();
        let known = match file.key {
            Some(_) => None,
            None => {
                let find = move |tx: &mut Tx<'_>| instances::find(tx, &udi);
                self.db.read("files.key", find)?.map(|known| known.public_key)
            }
        };
        let ids = (now, self.id.as_ref(), correlation_id);
        collected::verify(suite, file, known.as_ref(), Hop::Person(None), ids)
    }
}

#[cfg(test)]
mod tests {
    use super::acknowledgement_name;

    #[test]
    fn an_ack_file_is_named_after_what_it_answers() {
        for (name, wanted) in [
            ("all_rum.txt", "ACK_all_rum.txt"),
            ("Leaf-1.TXT", "ACK_Leaf-1.txt"),
            ("usage.tar.gz", "ACK_usage.txt"),
            ("usage.TGZ", "ACK_usage.txt"),
            ("usage.txt.gz", "ACK_usage.txt"),
            ("usage.zip", "ACK_usage.txt"),
            ("usage.xml", "ACK_usage.txt"),
            ("usage", "ACK_usage.txt"),
            ("rack.7.leaf", "ACK_rack.7.leaf.txt"),
            (".txt", "ACK_.txt.txt"),
        ] {
            assert_eq!(acknowledgement_name(name), wanted);
        }
    }
}
