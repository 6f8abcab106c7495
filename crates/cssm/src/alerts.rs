//! What somebody has to look at, until it is settled.

use rumline_protocol::{Timestamp, Udi};
use rumline_store::Tx;
use serde::{Deserialize, Serialize};

use crate::accounts::smart_account;
use crate::ids::{AlertId, SmartAccountId};
use crate::{Actor, Cssm, Error};
use rumline_server::next_id;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlertKind {
    /// A product instance was set back to an older copy.
    SetBack,
    /// Two product instances speak as one.
    Clone,
    /// Another key claims a UDI.
    OtherKey,
    /// A product instance of this account turned up in another one, or the other way round.
    OtherAccount,
}

impl AlertKind {
    fn label(self) -> &'static str {
        match self {
            Self::SetBack => "set back",
            Self::Clone => "clone",
            Self::OtherKey => "other key",
            Self::OtherAccount => "other account",
        }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertView {
    /// Its number.
    pub id: AlertId,
    /// `set back`, `clone`, `other key` or `other account`.
    pub kind: String,
    /// The product instance.
    pub subject: String,
    /// What is wrong and what to do.
    pub text: String,
    /// When it was first seen.
    pub raised_at: i64,
    /// When it was last seen.
    pub last_at: i64,
    /// When it was settled.
    pub cleared_at: Option<i64>,
}

/// Raises an alert, or notes that it is still so; says whether it is new.
pub(crate) fn raise(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    kind: AlertKind,
    udi: &Udi,
    text: &str,
) -> Result<bool, Error> {
    let subject = udi.to_string();
    let sql = "UPDATE alert SET last_at = $1, text = $2 WHERE smart_account_id = $3 AND kind = $4
        AND subject = $5 AND cleared_at IS NULL";
    let values = [
        now.0.into(),
        text.into(),
        smart_account_id.into(),
        kind.label().into(),
        (&subject).into(),
    ];
    if tx.execute(sql, &values)? > 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO alert (smart_account_id, id, kind, subject, text, raised_at, last_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    let values = [
        smart_account_id.into(),
        next_id::<AlertId>(tx, "alert")?.into(),
        kind.label().into(),
        (&subject).into(),
        text.into(),
        now.0.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(true)
}

/// Settles the alerts of a kind about a product instance.
pub(crate) fn clear(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    kind: AlertKind,
    udi: &Udi,
) -> Result<(), Error> {
    let sql = "UPDATE alert SET cleared_at = $1 WHERE smart_account_id = $2 AND kind = $3
        AND subject = $4 AND cleared_at IS NULL";
    let subject = udi.to_string();
    let values = [now.0.into(), smart_account_id.into(), kind.label().into(), (&subject).into()];
    tx.execute(sql, &values)?;
    Ok(())
}

impl Cssm {
    /// The alerts of an account, open ones first, then newest first.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn alerts(&self, smart_account_id: SmartAccountId) -> Result<Vec<AlertView>, Error> {
        self.db.read("alerts.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql = "SELECT id, kind, subject, text, raised_at, last_at, cleared_at FROM alert
                WHERE smart_account_id = $1
                ORDER BY CASE WHEN cleared_at IS NULL THEN 0 ELSE 1 END, id DESC LIMIT 1000";
            tx.rows(sql, &[smart_account_id.into()], |row| {
                Ok(AlertView {
                    id: row.id(0)?,
                    kind: row.text(1)?,
                    subject: row.text(2)?,
                    text: row.text(3)?,
                    raised_at: row.int(4)?,
                    last_at: row.int(5)?,
                    cleared_at: row.opt_int(6)?,
                })
            })
        })
    }

    /// Settles an alert that somebody has looked at.
    ///
    /// # Errors
    /// When there is no such alert.
    pub fn clear_alert(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: AlertId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("alerts.clear", move |tx| {
            let sql = "SELECT kind, subject FROM alert WHERE smart_account_id = $1 AND id = $2";
            let ids = [smart_account_id.into(), id.into()];
            let found = tx.row(sql, &ids, |row| Ok::<_, Error>((row.text(0)?, row.text(1)?)))?;
            let (kind, subject) = found.ok_or(Error::NotFound("alert"))?;
            let sql = "UPDATE alert SET cleared_at = $1 WHERE smart_account_id = $2 AND id = $3
                AND cleared_at IS NULL";
            tx.execute(sql, &[now.0.into(), ids[0], ids[1]])?;
            let text = format!("alert ({kind}) about {subject} settled");
            crate::accounts::add_event(tx, now, smart_account_id, &actor, &text)
        })
    }
}
