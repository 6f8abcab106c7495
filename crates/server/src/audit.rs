//! What was done or refused on the whole server, whoever's account it concerns: logins, people, tokens of nobody.

use std::collections::BTreeMap;

use rumline_protocol::Timestamp;
use rumline_store::{Db, Tx, Value};
use schemars::JsonSchema;
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

/// What the table got later: the API token by which it was done.
pub const AUDIT_API_TOKEN: &str = "ALTER TABLE audit ADD COLUMN api_token TEXT";

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditRow {
    /// Its number; they grow.
    pub id: i64,
    /// When.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// By which of their API tokens, if it was by one.
    pub api_token: Option<String>,
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
        becomes, reason, api_token) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
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
        actor.api_token().into(),
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
    /// Whether somebody has it.
    pub is_known: bool,
}

/// Names under which so many logins or more were refused since a time, those that somebody has first.
///
/// # Errors
/// When the store fails.
pub fn refused_logins(
    tx: &mut Tx<'_>,
    since: Timestamp,
    count_min: i64,
    limit: usize,
) -> Result<Vec<RefusedLogins>, Error> {
    let sql = "SELECT subject, at FROM audit WHERE action = 'login' AND outcome <> 'done'
        AND at > $1 ORDER BY at DESC LIMIT $2";
    let refused = tx.rows(sql, &[since.0.into(), LOGINS_MAX.into()], |row| {
        Ok::<_, Error>((row.text(0)?, Timestamp(row.int(1)?)))
    })?;
    let mut names: BTreeMap<String, (i64, Timestamp)> = BTreeMap::new();
    for (login, at) in refused {
        names.entry(login).or_insert((0, at)).0 += 1;
    }
    names.retain(|_, (count, _)| *count >= count_min);
    let mut found = Vec::new();
    for (login, (count, last_at)) in names {
        let sql = "SELECT 1 FROM person WHERE login = $1";
        let is_known = tx.row(sql, &[login.as_str().into()], |_| Ok::<_, Error>(()))?.is_some();
        found.push(RefusedLogins { login, count, last_at, is_known });
    }
    found.sort_by_key(|name| !name.is_known);
    found.truncate(limit);
    Ok(found)
}

/// Rows that one search looks through, from the newest or from `before` back.
const SEARCHED_MAX: i64 = 1_000_000;

/// What is looked for; nothing named is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSearch {
    /// Rows before this one.
    #[serde(default)]
    pub before: Option<i64>,
    /// Who acted.
    #[serde(default)]
    #[schemars(length(max = TEXT_BYTES_MAX))]
    pub actor: Option<String>,
    /// What stands somewhere in what was done, in upper or lower case.
    #[serde(default)]
    #[schemars(length(max = TEXT_BYTES_MAX))]
    pub action: Option<String>,
    /// What stands somewhere in what it was done to, how it ended, what it was before and is after, and why.
    #[serde(default)]
    #[schemars(length(max = TEXT_BYTES_MAX))]
    pub text: Option<String>,
    /// The first second.
    #[serde(default)]
    pub from_at: Option<i64>,
    /// The second after the last.
    #[serde(default)]
    pub to_at: Option<i64>,
}

/// The longest text that is looked for, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// A pattern that holds a text as it is.
fn within(text: &str) -> String {
    let mut pattern = "%".to_owned();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// The newest rows first, of an account or of all, that match; of many the newest million is looked through.
///
/// # Errors
/// When a text is too long, or the store fails.
pub fn audit_rows(
    db: &Db,
    scope_id: Option<ScopeId>,
    search: &AuditSearch,
    limit: i64,
) -> Result<Vec<AuditRow>, Error> {
    let AuditSearch { before, actor, action, text, from_at, to_at } = search.clone();
    let texts = [&actor, &action, &text];
    if texts.into_iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(Error::parameter("text", "what is looked for has at most 256 bytes"));
    }
    let before = before.unwrap_or(i64::MAX);
    let (pattern, lower) =
        (text.as_deref().map(within), text.map(|text| within(&text.to_lowercase())));
    let action = action.map(|action| within(&action.to_lowercase()));
    db.read("audit.list", move |tx| {
        let newest = tx.last_number("audit")?;
        let oldest = before.min(newest.saturating_add(1)).saturating_sub(SEARCHED_MAX);
        let mut values: Vec<Value<'_>> =
            vec![before.into(), limit.clamp(1, 1000).into(), oldest.into()];
        let mut which = String::new();
        let named: [(&str, Option<Value<'_>>); 5] = [
            ("scope_id =", scope_id.map(Into::into)),
            ("actor =", actor.as_deref().map(Into::into)),
            ("LOWER(action) LIKE", action.as_deref().map(Into::into)),
            ("at >=", from_at.map(Into::into)),
            ("at <", to_at.map(Into::into)),
        ];
        for (condition, value) in named {
            if let Some(value) = value {
                values.push(value);
                let escape = if condition.ends_with("LIKE") { " ESCAPE '!'" } else { "" };
                which.push_str(&format!(" AND {condition} ${}{escape}", values.len()));
            }
        }
        if let (Some(pattern), Some(lower)) = (&pattern, &lower) {
            values.extend([Value::from(pattern.as_str()), Value::from(lower.as_str())]);
            let all = ["subject", "outcome", "was", "becomes", "reason"];
            let (as_is, lower) = (values.len() - 1, values.len());
            let like = all.map(|column| {
                // Not every engine knows how letters outside ASCII are written small.
                format!(
                    "{column} LIKE ${as_is} ESCAPE '!' OR LOWER({column}) LIKE ${lower} ESCAPE '!'"
                )
            });
            which.push_str(&format!(" AND ({})", like.join(" OR ")));
        }
        let sql = format!(
            "SELECT id, at, actor, address, action, subject, outcome, scope_id, was, becomes, reason,
            api_token FROM audit WHERE id < $1 AND id >= $3 {which} ORDER BY id DESC LIMIT $2"
        );
        tx.rows(&sql, &values, |row| {
            Ok(AuditRow {
                id: row.int(0)?,
                at: row.int(1)?,
                actor: row.text(2)?,
                api_token: row.opt_text(11)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_as_it_is() {
        assert_eq!(within("a"), "%a%");
        assert_eq!(within("50%_!"), "%50!%!_!!%");
    }
}
