//! What was done or refused on the whole server, whoever's account it concerns: logins, people, tokens of nobody.

use rumline_protocol::Timestamp;
use rumline_store::{Db, Tx};
use serde::{Deserialize, Serialize};

use crate::{Actor, Error, next_id};

/// The newest rows that are kept.
const ROWS_MAX: i64 = 100_000;

/// The table, for the schema of a server.
pub const AUDIT_TABLE: &str = "
CREATE TABLE audit (
    id BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL
);
";

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number; they grow.
    pub id: i64,
    /// When.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// What, e.g. `login`.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// `done`, or why it was refused.
    pub outcome: String,
}

fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Writes a row, in the transaction of what it is about.
///
/// # Errors
/// When the store fails.
pub fn audit(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    action: &str,
    subject: &str,
    outcome: &str,
) -> Result<(), Error> {
    let id: i64 = next_id(tx, "audit")?;
    let sql = "INSERT INTO audit (id, at, actor, address, action, subject, outcome)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (name, subject, outcome) = (short(actor.name()), short(subject), short(outcome));
    let values = [
        id.into(),
        now.0.into(),
        (&name).into(),
        actor.address().into(),
        action.into(),
        (&subject).into(),
        (&outcome).into(),
    ];
    tx.execute(sql, &values)?;
    if id % 1000 == 0 {
        tx.execute("DELETE FROM audit WHERE id < $1", &[(id - ROWS_MAX).into()])?;
    }
    Ok(())
}

/// The newest rows first, those before `before` if it is given.
///
/// # Errors
/// When the store fails.
pub fn audit_rows(db: &Db, before: Option<i64>, limit: i64) -> Result<Vec<AuditRow>, Error> {
    db.read("audit.list", move |tx| {
        let sql = "SELECT id, at, actor, address, action, subject, outcome FROM audit
            WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let values = [before.unwrap_or(i64::MAX).into(), limit.clamp(1, 1000).into()];
        tx.rows(sql, &values, |row| {
            Ok(AuditRow {
                id: row.int(0)?,
                at: row.int(1)?,
                actor: row.text(2)?,
                address: row.opt_text(3)?,
                action: row.text(4)?,
                subject: row.text(5)?,
                outcome: row.text(6)?,
            })
        })
    })
}
