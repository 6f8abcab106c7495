//! The rows of product instances.
//!
//! There is at most one row of a UDI that is not removed. One that was removed stays with its key and what it has
//! reported, beside a successor of the same UDI with another key, if one comes.

use rumline_protocol::{PublicKey, Request, Timestamp, Udi};
use rumline_store::{Row, Tx};

use crate::ids::{InstanceId, TenantId};
use crate::journal::add_event;
use crate::{Actor, Error, older};

/// What a device says about itself.
#[derive(Debug)]
pub(crate) struct About {
    pub hostname: Option<String>,
    pub software_version: Option<String>,
    pub software_tag: String,
}

impl About {
    /// Takes out of a message what the device says about itself; what is left of the message is small.
    pub(crate) fn of(request: &mut Request) -> Self {
        let plain = |text: String| -> String {
            text.chars().filter(|c| !c.is_control()).take(256).collect()
        };
        request.proof = None;
        Self {
            hostname: request.hostname.take().map(plain),
            software_version: request.software_version.take().map(plain),
            software_tag: plain(std::mem::take(&mut request.software_tag_identifier)),
        }
    }
}

/// A product instance as the receiver needs it.
pub(crate) struct Known {
    pub id: InstanceId,
    pub public_key: Option<PublicKey>,
    /// Whether an answer waits for it here.
    pub undelivered: bool,
    pub delivered_at: Option<i64>,
    /// Its reports that CSSM has not been asked about, or has not answered.
    pub waiting: i64,
    /// Its reports that CSSM did not take.
    pub refused: i64,
    /// Whether it asked for something that CSSM has to say.
    pub wants_answer: bool,
    pub policy_at: i64,
    pub last_report_at: Option<i64>,
    pub removed: bool,
    /// Whether it reports to another tenant now.
    pub elsewhere: bool,
    /// The newest of its messages that are signed as a whole.
    pub message_millis: i64,
}

fn from_row(row: &Row<'_>) -> Result<Known, Error> {
    Ok(Known {
        id: row.id(0)?,
        public_key: row.opt_text(1)?.as_deref().and_then(PublicKey::from_text),
        undelivered: row.flag(2)?,
        delivered_at: row.opt_int(3)?,
        waiting: row.int(4)?,
        wants_answer: row.flag(5)?,
        policy_at: row.int(6)?,
        last_report_at: row.opt_int(7)?,
        removed: row.int(8)? != 0,
        refused: row.int(9)?,
        elsewhere: row.opt_int(10)?.is_some(),
        message_millis: row.int(11)?,
    })
}

/// The instance a device is: that of its UDI, or the last removed one that had its key; any, if it does not tell its key.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    tenant_id: TenantId,
    udi: &Udi,
    key: Option<&PublicKey>,
) -> Result<Option<Known>, Error> {
    const SQL: &str = "SELECT id, public_key, undelivered, delivered_at, waiting, wants_answer,
        policy_at, last_report_at, removed_id, refused, elsewhere_at, message_millis FROM instance
        WHERE tenant_id = $1 AND serial = $2 AND pid = $3 ORDER BY removed_id";
    let values = [tenant_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    let mut found = tx.rows(SQL, &values, from_row)?;
    if found.first().is_some_and(|first| !first.removed) {
        return Ok(Some(found.swap_remove(0)));
    }
    let same = |known: &Known| key.is_none_or(|key| known.public_key.as_ref() == Some(key));
    Ok(found.into_iter().rev().find(same))
}

/// The UDI of a row.
pub(crate) fn udi_of(tx: &mut Tx<'_>, tenant_id: TenantId, id: InstanceId) -> Result<Udi, Error> {
    let sql = "SELECT pid, serial FROM instance WHERE tenant_id = $1 AND id = $2";
    tx.row(sql, &[tenant_id.into(), id.into()], |row| {
        Ok::<_, Error>(Udi { pid: row.text(0)?, serial: row.text(1)? })
    })?
    .ok_or(Error::NotFound("product instance"))
}

/// A device has one owner at any instant: it reports to this tenant now, and so to no other of this server.
pub(crate) fn own(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    udi: &Udi,
    key: &str,
) -> Result<(), Error> {
    let sql = "SELECT tenant_id, id FROM instance WHERE serial = $1 AND pid = $2
        AND tenant_id <> $3 AND public_key = $4 AND elsewhere_at IS NULL
        AND removed_at IS NULL";
    let values = [(&udi.serial).into(), (&udi.pid).into(), tenant_id.into(), key.into()];
    let others = tx.rows(sql, &values, |row| {
        Ok::<_, Error>((row.id::<TenantId>(0)?, row.id::<InstanceId>(1)?))
    })?;
    for (other, id) in others {
        let sql = "UPDATE instance SET elsewhere_at = $1 WHERE tenant_id = $2 AND id = $3";
        tx.execute(sql, &[now.0.into(), other.into(), id.into()])?;
        older::forget(tx, (other, id))?;
        let text = format!("{udi} reports to another tenant of this server from now on");
        add_event(tx, now, other, &Actor::system(), &text)?;
    }
    Ok(())
}

/// A product instance is here no more; its row stays.
pub(crate) fn leave(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant_id, id): (TenantId, InstanceId),
) -> Result<(), Error> {
    let sql = "UPDATE instance SET removed_at = $1, removed_id = id, alert = NULL
        WHERE tenant_id = $2 AND id = $3 AND removed_at IS NULL";
    tx.execute(sql, &[now.0.into(), tenant_id.into(), id.into()])?;
    Ok(())
}

/// A product instance that is registered as before Smart Licensing Using Policy was heard of, and is here.
pub(crate) fn heard(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant_id, id): (TenantId, InstanceId),
    key: &PublicKey,
    about: &About,
    millis: i64,
) -> Result<(), Error> {
    let sql = "UPDATE instance SET public_key = $1, hostname = COALESCE($2, hostname),
        software_version = COALESCE($3, software_version), software_tag = $4,
        last_contact_at = $5, message_millis = CASE WHEN message_millis < $6 THEN $6
        ELSE message_millis END, elsewhere_at = NULL, removed_at = NULL, removed_id = 0
        WHERE tenant_id = $7 AND id = $8";
    let key = key.to_text();
    let values = [
        (&key).into(),
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        now.0.into(),
        millis.into(),
        tenant_id.into(),
        id.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// Counts a device that another tenant has for that tenant, until it says something that nobody can have seen before.
pub(crate) fn wait_elsewhere(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant_id, id): (TenantId, InstanceId),
    udi: &Udi,
    key: &str,
) -> Result<(), Error> {
    let sql = "UPDATE instance SET elsewhere_at = $1 WHERE tenant_id = $2 AND id = $3 AND EXISTS (
        SELECT 1 FROM instance AS other WHERE other.serial = $4 AND other.pid = $5
        AND other.tenant_id <> $2 AND other.public_key = $6 AND other.elsewhere_at IS NULL
        AND other.removed_at IS NULL)";
    let (serial, pid) = ((&udi.serial).into(), (&udi.pid).into());
    tx.execute(sql, &[now.0.into(), tenant_id.into(), id.into(), serial, pid, key.into()])?;
    Ok(())
}

/// The numbers of all that have or had this UDI, the one that is not removed first.
pub(crate) fn of_udi(
    tx: &mut Tx<'_>,
    tenant_id: TenantId,
    udi: &Udi,
) -> Result<Vec<InstanceId>, Error> {
    const SQL: &str = "SELECT id FROM instance WHERE tenant_id = $1 AND serial = $2 AND pid = $3
        ORDER BY removed_id > 0, removed_id DESC";
    let values = [tenant_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    tx.rows(SQL, &values, |row| Ok(row.id(0)?))
}

/// A row to be.
pub(crate) struct NewInstance<'a> {
    pub udi: &'a Udi,
    pub public_key: Option<&'a str>,
    pub hostname: Option<&'a str>,
    pub software_version: Option<&'a str>,
    pub software_tag: &'a str,
    pub added_by: &'a str,
    /// Whether it has just made contact, and not been added by hand.
    pub in_contact: bool,
    /// Its reports that wait.
    pub waiting: i64,
    pub trust_requests: Option<&'a str>,
    pub wants_answer: bool,
}

impl NewInstance<'_> {
    pub(crate) fn insert(
        &self,
        tx: &mut Tx<'_>,
        now: Timestamp,
        tenant_id: TenantId,
    ) -> Result<InstanceId, Error> {
        // In two statements: one that reads what it writes to is far dearer.
        const LAST: &str = "SELECT id FROM instance WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1";
        const INSERT: &str = "INSERT INTO instance (tenant_id, id, pid, serial, public_key,
            hostname, software_version, software_tag, added_at, added_by, last_contact_at,
            last_report_at, trust_requests, wants_answer, waiting, refused, undelivered, policy_at,
            removed_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, 0, 0)";
        let last = tx.row(LAST, &[tenant_id.into()], |row| Ok::<_, Error>(row.int(0)?))?;
        let id = InstanceId(last.unwrap_or(0) + 1);
        let values = [
            tenant_id.into(),
            id.into(),
            (&self.udi.pid).into(),
            (&self.udi.serial).into(),
            self.public_key.into(),
            self.hostname.into(),
            self.software_version.into(),
            self.software_tag.into(),
            now.0.into(),
            self.added_by.into(),
            self.in_contact.then_some(now.0).into(),
            (self.waiting > 0).then_some(now.0).into(),
            self.trust_requests.into(),
            self.wants_answer.into(),
            self.waiting.into(),
        ];
        tx.execute(INSERT, &values)?;
        Ok(id)
    }
}
