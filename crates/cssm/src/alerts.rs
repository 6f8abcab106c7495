//! What somebody has to look at, until it is settled.

use rumline_protocol::{Timestamp, Udi};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account};
use crate::ids::{AlertId, SmartAccountId};
use crate::{Actor, Cssm, Error};
use rumline_server::{Act, News, announce, audit, next_id};

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
    /// Fewer licences than are in use.
    Shortage,
    /// A purchase is about to end.
    Expiry,
    /// A product instance has not reported as its policy asks for.
    Overdue,
    /// A collector has said nothing for long.
    SilentCollector,
    /// Reports of a product instance are missing that must have been.
    Gap,
    /// Somebody tries passwords.
    FailedLogins,
    /// The secret of a program is about to end, or has ended.
    SecretEnds,
}

impl AlertKind {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::SetBack,
        Self::Clone,
        Self::OtherKey,
        Self::OtherAccount,
        Self::Shortage,
        Self::Expiry,
        Self::Overdue,
        Self::SilentCollector,
        Self::Gap,
        Self::FailedLogins,
        Self::SecretEnds,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::SetBack => "set back",
            Self::Clone => "clone",
            Self::OtherKey => "other key",
            Self::OtherAccount => "other account",
            Self::Shortage => "shortage",
            Self::Expiry => "expiry",
            Self::Overdue => "overdue",
            Self::SilentCollector => "silent collector",
            Self::Gap => "gap",
            Self::FailedLogins => "failed logins",
            Self::SecretEnds => "secret ends",
        }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertView {
    /// Its number.
    pub id: AlertId,
    /// `set back`, `clone`, `other key`, `other account`, `shortage`, `expiry`, `overdue`,
    /// `silent collector`, `gap`, `failed logins` or `secret ends`.
    pub kind: String,
    /// The product instance, licence, purchase or collector.
    pub subject: String,
    /// What is wrong and what to do.
    pub text: String,
    /// When it was first seen.
    pub raised_at: i64,
    /// When it was last seen.
    pub last_at: i64,
    /// When it was settled.
    pub cleared_at: Option<i64>,
    /// When somebody acknowledged it: they see to it.
    pub acknowledged_at: Option<i64>,
    /// Who that was.
    pub acknowledged_by: Option<String>,
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
    raise_about(tx, now, smart_account_id, kind, &udi.to_string(), text)
}

/// The same about anything.
pub(crate) fn raise_about(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    kind: AlertKind,
    subject: &str,
    text: &str,
) -> Result<bool, Error> {
    let sql = "UPDATE alert SET last_at = $1, text = $2 WHERE smart_account_id = $3 AND kind = $4
        AND subject = $5 AND cleared_at IS NULL";
    let values =
        [now.0.into(), text.into(), smart_account_id.into(), kind.label().into(), subject.into()];
    if tx.execute(sql, &values)? > 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO alert (smart_account_id, id, kind, subject, text, raised_at, last_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    let values = [
        smart_account_id.into(),
        next_id::<AlertId>(tx, "alert")?.into(),
        kind.label().into(),
        subject.into(),
        text.into(),
        now.0.into(),
    ];
    tx.execute(sql, &values)?;
    let at = format!("/smart-accounts/{smart_account_id}");
    let data = serde_json::json!({ "kind": kind.label(), "text": text });
    let news = News { kind: "alert", at: &at, subject: Some(subject), data };
    announce(tx, now, smart_account_id.into(), &news)?;
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
    clear_about(tx, now, smart_account_id, kind, &udi.to_string())
}

/// What open alerts of a kind are about.
pub(crate) fn open_subjects(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    kind: AlertKind,
) -> Result<Vec<String>, Error> {
    let sql = "SELECT subject FROM alert WHERE smart_account_id = $1 AND kind = $2
        AND cleared_at IS NULL ORDER BY id";
    tx.rows(sql, &[smart_account_id.into(), kind.label().into()], |row| Ok(row.text(0)?))
}

/// Settles the alerts of a kind about anything.
pub(crate) fn clear_about(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    kind: AlertKind,
    subject: &str,
) -> Result<(), Error> {
    let sql = "UPDATE alert SET cleared_at = $1 WHERE smart_account_id = $2 AND kind = $3
        AND subject = $4 AND cleared_at IS NULL";
    let values = [now.0.into(), smart_account_id.into(), kind.label().into(), subject.into()];
    tx.execute(sql, &values)?;
    Ok(())
}

/// The kind and subject of an alert, and whether it is open.
fn one(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: AlertId,
) -> Result<(String, String, bool), Error> {
    let sql = "SELECT kind, subject, cleared_at FROM alert WHERE smart_account_id = $1 AND id = $2";
    let found = tx.row(sql, &[smart_account_id.into(), id.into()], |row| {
        Ok::<_, Error>((row.text(0)?, row.text(1)?, row.opt_int(2)?.is_none()))
    })?;
    found.ok_or(Error::NotFound("alert"))
}

/// Whose alerts are those that concern the whole server.
pub(crate) const SERVER: SmartAccountId = SmartAccountId(0);

/// An account that is there, or the whole server.
fn whose(tx: &mut Tx<'_>, of: Option<SmartAccountId>) -> Result<SmartAccountId, Error> {
    of.map_or(Ok(SERVER), |id| Ok(smart_account(tx, id)?.id))
}

/// Tells of what was done to an alert.
fn told(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    actor: &Actor,
    text: &str,
) -> Result<(), Error> {
    if smart_account_id == SERVER {
        return audit(tx, now, actor, &Act::new("alert", text));
    }
    add_event(tx, now, smart_account_id, actor, text)
}

/// The most alerts in a list.
const LISTED_MAX: i64 = 1_000;

impl Cssm {
    /// The alerts of an account, open ones first, then newest first.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn alerts(&self, smart_account_id: SmartAccountId) -> Result<Vec<AlertView>, Error> {
        self.listed_alerts(Some(smart_account_id), None, None, LISTED_MAX)
    }

    /// The alerts of an account, or those that concern the whole server: the open ones, then those that are settled, or one of
    /// these kinds alone; each newest first, those with a smaller number than `before` if it is given, and at most `limit`, a thousand if it is more.
    ///
    /// # Errors
    /// When there is no such account, or `before` is given for both kinds.
    pub fn listed_alerts(
        &self,
        of: Option<SmartAccountId>,
        settled: Option<bool>,
        before: Option<AlertId>,
        limit: i64,
    ) -> Result<Vec<AlertView>, Error> {
        if before.is_some() && settled.is_none() {
            return Err(Error::parameter(
                "settled",
                "say which with `before`: settled=true or settled=false",
            ));
        }
        self.db.read("alerts.list", move |tx| {
            let smart_account_id = whose(tx, of)?;
            let mut alerts = Vec::new();
            for (which, is_settled) in [("IS NULL", false), ("IS NOT NULL", true)] {
                if settled.is_some_and(|settled| settled != is_settled) {
                    continue;
                }
                let sql = format!(
                    "SELECT id, kind, subject, text, raised_at, last_at, cleared_at,
                    acknowledged_at, acknowledged_by FROM alert WHERE smart_account_id = $1
                    AND cleared_at {which} AND id < $2 ORDER BY id DESC LIMIT $3"
                );
                let left = limit.clamp(1, LISTED_MAX);
                let left = left - i64::try_from(alerts.len()).unwrap_or(left);
                let before = before.map_or(i64::MAX, |id| id.0);
                let values = [smart_account_id.into(), before.into(), left.into()];
                alerts.extend(tx.rows(&sql, &values, |row| {
                    Ok::<_, Error>(AlertView {
                        id: row.id(0)?,
                        kind: row.text(1)?,
                        subject: row.text(2)?,
                        text: row.text(3)?,
                        raised_at: row.int(4)?,
                        last_at: row.int(5)?,
                        cleared_at: row.opt_int(6)?,
                        acknowledged_at: row.opt_int(7)?,
                        acknowledged_by: row.opt_text(8)?,
                    })
                })?);
            }
            Ok(alerts)
        })
    }

    /// Somebody acknowledges an alert: sees to one of an account, or of the whole server; it stays open until it is so no more.
    ///
    /// # Errors
    /// When there is no such open alert.
    pub fn acknowledge_alert(
        &self,
        now: Timestamp,
        actor: &Actor,
        of: Option<SmartAccountId>,
        id: AlertId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("alerts.acknowledge", move |tx| {
            let smart_account_id = whose(tx, of)?;
            let ids = [smart_account_id.into(), id.into()];
            let (kind, subject, is_open) = one(tx, smart_account_id, id)?;
            if !is_open {
                return Err(Error::NotFound("open alert"));
            }
            let sql = "UPDATE alert SET acknowledged_at = $3, acknowledged_by = $4
                WHERE smart_account_id = $1 AND id = $2";
            tx.execute(sql, &[ids[0], ids[1], now.0.into(), actor.name().into()])?;
            let text = format!("alert ({kind}) about {subject} acknowledged");
            told(tx, now, smart_account_id, &actor, &text)
        })
    }

    /// Settles an alert of an account, or of the whole server, that somebody has looked at.
    ///
    /// # Errors
    /// When there is no such alert.
    pub fn clear_alert(
        &self,
        now: Timestamp,
        actor: &Actor,
        of: Option<SmartAccountId>,
        id: AlertId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("alerts.clear", move |tx| {
            let smart_account_id = whose(tx, of)?;
            let ids = [smart_account_id.into(), id.into()];
            let (kind, subject, _) = one(tx, smart_account_id, id)?;
            let sql = "UPDATE alert SET cleared_at = $1 WHERE smart_account_id = $2 AND id = $3
                AND cleared_at IS NULL";
            tx.execute(sql, &[now.0.into(), ids[0], ids[1]])?;
            let text = format!("alert ({kind}) about {subject} settled");
            told(tx, now, smart_account_id, &actor, &text)
        })
    }
}
