//! What was done or refused on the whole server, whoever's account it concerns: logins, people, tokens of nobody.

use rumline_protocol::Timestamp;
use rumline_store::{Db, Tx};
use serde::{Deserialize, Serialize};

use crate::{Actor, Error, ScopeId, next_id};

/// Logins and unknown tokens that are kept, the newest; all else that was done is kept for good.
const LOGINS_MAX: i64 = 100_000;
/// Letters of what a row tells.
const LETTERS_MAX: usize = 200;
const CHANGE_LETTERS_MAX: usize = 4_000;

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

/// What the table got later: whose account it is about, what it was before and is after, and why it was done.
pub const AUDIT_CHANGES: &str = "
ALTER TABLE audit ADD COLUMN scope_id BIGINT;
ALTER TABLE audit ADD COLUMN was TEXT;
ALTER TABLE audit ADD COLUMN becomes TEXT;
ALTER TABLE audit ADD COLUMN reason TEXT;
CREATE INDEX audit_scope ON audit (scope_id, id);
CREATE INDEX audit_logins ON audit (id) WHERE action IN ('login', 'token');
";

/// What somebody did, or was refused.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    action: &'a str,
    subject: &'a str,
    scope_id: Option<ScopeId>,
    was: Option<&'a str>,
    becomes: Option<&'a str>,
    refused: Option<&'a str>,
}

impl<'a> Act<'a> {
    /// An action, e.g. `login`, and to whom or what.
    #[must_use]
    pub fn new(action: &'a str, subject: &'a str) -> Self {
        Self { action, subject, scope_id: None, was: None, becomes: None, refused: None }
    }

    /// The same in an account.
    #[must_use]
    pub fn within(self, scope_id: ScopeId) -> Self {
        Self { scope_id: Some(scope_id), ..self }
    }

    /// The same, with what it was before and is after.
    #[must_use]
    pub fn changing(self, was: Option<&'a str>, becomes: Option<&'a str>) -> Self {
        Self { was, becomes, ..self }
    }

    /// That it was refused, and why.
    #[must_use]
    pub fn refused(self, why: &'a str) -> Self {
        Self { refused: Some(why), ..self }
    }
}

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
    /// The account it is about, if it is about one.
    pub scope_id: Option<ScopeId>,
    /// What it was before.
    pub was: Option<String>,
    /// What it is after.
    pub becomes: Option<String>,
    /// Why it was done, if that was said.
    pub reason: Option<String>,
}

fn short(text: &str, letters: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(letters).collect()
}

/// Writes a row, in the transaction of what it is about.
///
/// # Errors
/// When the store fails.
pub fn audit(tx: &mut Tx<'_>, now: Timestamp, actor: &Actor, act: &Act<'_>) -> Result<(), Error> {
    let id: i64 = next_id(tx, "audit")?;
    let sql = "INSERT INTO audit (id, at, actor, address, action, subject, outcome, scope_id, was,
        becomes, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let outcome = act.refused.map_or("done".to_owned(), |why| format!("refused: {why}"));
    let long = |text: Option<&str>| text.map(|text| short(text, CHANGE_LETTERS_MAX));
    let (name, subject, outcome) = (
        short(actor.name(), LETTERS_MAX),
        short(act.subject, LETTERS_MAX),
        short(&outcome, LETTERS_MAX),
    );
    let (was, becomes, reason) = (long(act.was), long(act.becomes), long(actor.reason()));
    let values = [
        id.into(),
        now.0.into(),
        (&name).into(),
        actor.address().into(),
        act.action.into(),
        (&subject).into(),
        (&outcome).into(),
        act.scope_id.into(),
        was.as_deref().into(),
        becomes.as_deref().into(),
        reason.as_deref().into(),
    ];
    tx.execute(sql, &values)?;
    if id % 1000 == 0 {
        // Anybody can make these. What is kept of others grows with what people do, and the index leaves it out.
        let sql = "DELETE FROM audit WHERE id < $1 AND action IN ('login', 'token')";
        tx.execute(sql, &[(id - LOGINS_MAX).into()])?;
    }
    Ok(())
}

/// The index by which [`refused_logins`] finds them, for the schema of a server.
pub const REFUSED_LOGINS_INDEX: &str = "CREATE INDEX audit_refused ON audit (at)
    WHERE action = 'login' AND outcome <> 'done'";

/// Logins under one name that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLogins {
    /// The name, as it was typed.
    pub login: String,
    /// How many.
    pub count: i64,
    /// When the last was.
    pub last_at: Timestamp,
}

/// Names under which so many logins or more were refused since a time.
///
/// # Errors
/// When the store fails.
pub fn refused_logins(
    tx: &mut Tx<'_>,
    since: Timestamp,
    count_min: i64,
    limit: i64,
) -> Result<Vec<RefusedLogins>, Error> {
    let sql = "SELECT subject, COUNT(*), MAX(at) FROM audit WHERE action = 'login'
        AND outcome <> 'done' AND at > $1 GROUP BY subject HAVING COUNT(*) >= $2
        ORDER BY subject LIMIT $3";
    tx.rows(sql, &[since.0.into(), count_min.into(), limit.into()], |row| {
        let last_at = Timestamp(row.int(2)?);
        Ok(RefusedLogins { login: row.text(0)?, count: row.int(1)?, last_at })
    })
}

/// The newest rows first, those before `before` if it is given; those of an account, or all.
///
/// # Errors
/// When the store fails.
pub fn audit_rows(
    db: &Db,
    scope_id: Option<ScopeId>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AuditRow>, Error> {
    db.read("audit.list", move |tx| {
        let of = if scope_id.is_some() { "AND scope_id = $3" } else { "" };
        let sql = format!(
            "SELECT id, at, actor, address, action, subject, outcome, scope_id, was, becomes, reason
            FROM audit WHERE id < $1 {of} ORDER BY id DESC LIMIT $2"
        );
        let limit = limit.clamp(1, 1000);
        let values = [before.unwrap_or(i64::MAX).into(), limit.into(), scope_id.into()];
        let values = if scope_id.is_some() { &values[..] } else { &values[..2] };
        tx.rows(&sql, values, |row| {
            Ok(AuditRow {
                id: row.int(0)?,
                at: row.int(1)?,
                actor: row.text(2)?,
                address: row.opt_text(3)?,
                action: row.text(4)?,
                subject: row.text(5)?,
                outcome: row.text(6)?,
                scope_id: row.opt_id(7)?,
                was: row.opt_text(8)?,
                becomes: row.opt_text(9)?,
                reason: row.opt_text(10)?,
            })
        })
    })
}
