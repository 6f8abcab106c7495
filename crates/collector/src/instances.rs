//! The rows of product instances.
//!
//! There is at most one row of a UDI that is not removed. One that was removed stays with its key and what it has
//! reported, beside a successor of the same UDI with another key, if one comes.

use rumline_protocol::{PublicKey, Timestamp, Udi};
use rumline_store::{Row, Tx};

use crate::Error;

/// A product instance as the receiver needs it.
pub(crate) struct Known {
    pub id: i64,
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
}

macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, public_key, undelivered, delivered_at, waiting, wants_answer, policy_at, ",
            "last_report_at, removed_at, refused FROM instance ",
            "WHERE tenant_id = $1 AND serial = $2 AND pid = $3 AND ",
            $which
        )
    };
}

fn from_row(row: &Row<'_>) -> Result<Known, Error> {
    Ok(Known {
        id: row.int(0)?,
        public_key: row.opt_text(1)?.as_deref().and_then(PublicKey::from_text),
        undelivered: row.flag(2)?,
        delivered_at: row.opt_int(3)?,
        waiting: row.int(4)?,
        wants_answer: row.flag(5)?,
        policy_at: row.int(6)?,
        last_report_at: row.opt_int(7)?,
        removed: row.opt_int(8)?.is_some(),
        refused: row.int(9)?,
    })
}

/// The instance a device is: that of its UDI, or a removed one that had its key; any, if it does not tell its key.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    tenant_id: i64,
    udi: &Udi,
    key: Option<&PublicKey>,
) -> Result<Option<Known>, Error> {
    let udi = [tenant_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    if let Some(known) = tx.row(select!("removed_at IS NULL"), &udi, from_row)? {
        return Ok(Some(known));
    }
    let sql = select!("removed_at IS NOT NULL ORDER BY id DESC");
    let removed = tx.rows(sql, &udi, from_row)?;
    let same = |known: &Known| key.is_none_or(|key| known.public_key.as_ref() == Some(key));
    Ok(removed.into_iter().find(same))
}

/// The numbers of all that have or had this UDI, the one that is not removed first.
pub(crate) fn of_udi(tx: &mut Tx<'_>, tenant_id: i64, udi: &Udi) -> Result<Vec<i64>, Error> {
    let values = [tenant_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    let mut found = Vec::new();
    for which in ["removed_at IS NULL", "removed_at IS NOT NULL"] {
        let sql = format!(
            "SELECT id FROM instance WHERE tenant_id = $1 AND serial = $2 AND pid = $3 AND {which}
            ORDER BY id DESC"
        );
        found.extend(tx.rows(&sql, &values, |row| Ok::<_, Error>(row.int(0)?))?);
    }
    Ok(found)
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
        tenant_id: i64,
    ) -> Result<i64, Error> {
        const SQL: &str = "INSERT INTO instance (tenant_id, id, pid, serial, public_key, hostname,
            software_version, software_tag, added_at, added_by, last_contact_at, last_report_at,
            trust_requests, wants_answer, waiting, refused, undelivered, policy_at)
            SELECT $1, COALESCE(MAX(id), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,
            $13, $14, 0, 0, 0 FROM instance WHERE tenant_id = $15 RETURNING id";
        let values = [
            tenant_id.into(),
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
            tenant_id.into(),
        ];
        let id = tx.row(SQL, &values, |row| Ok::<_, Error>(row.int(0)?))?;
        id.ok_or(Error::NotFound("product instance"))
    }
}
