//! The people of a server and the programs that log in as they do, with what they were granted: the tables `person` and
//! `grant_of`. Who of them is logged in is in `logins`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use rumline_protocol::Timestamp;
use rumline_store::{Db, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::audit::{Act, audit};
use crate::factors::forget_factor;
use crate::idempotency::forget_answers;
use crate::provided::{forget_provided, is_provided};
use crate::webhooks::forget_webhooks;
use crate::{
    Actor, AuditRow, AuditSearch, Error, Grant, PartId, Role, ScopeId, SharedRandom, Throttle,
    check_name, random_hex,
};

/// What a first start made is changed by this: grants stand in a table of their own, and a person may be disabled.
pub const GRANTS_TABLE: &str = "
CREATE TABLE grant_of (
    login TEXT NOT NULL,
    scope_id BIGINT NOT NULL,
    part_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (login, scope_id, part_id)
);
CREATE INDEX grant_of_scope ON grant_of (scope_id, part_id);
INSERT INTO grant_of (login, scope_id, part_id, role)
    SELECT login, COALESCE(scope_id, 0), 0, role FROM person;
ALTER TABLE person DROP COLUMN role;
ALTER TABLE person DROP COLUMN scope_id;
ALTER TABLE person ADD COLUMN kind TEXT NOT NULL DEFAULT 'person';
ALTER TABLE person ADD COLUMN disabled_at BIGINT;
";

/// What the table of people got later: when the secret of a program ends, and how long one lasts.
pub const SECRET_ENDS: &str = "
ALTER TABLE person ADD COLUMN secret_days BIGINT;
ALTER TABLE person ADD COLUMN secret_ends_at BIGINT;
CREATE INDEX person_secret_ends ON person (secret_ends_at) WHERE secret_ends_at IS NOT NULL;
";

/// The longest that the secret of a program holds which ends, in days.
pub const SECRET_DAYS_MAX: i64 = 3_650;
/// The shortest password, in characters.
pub const PASSWORD_LETTERS_MIN: usize = 10;
/// The longest one, in bytes: hashing more only costs.
pub const PASSWORD_BYTES_MAX: usize = 1_000;
/// Grants of one person.
const GRANTS_MAX: usize = 1_000;

/// Who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person, who chooses their password.
    Person,
    /// A program: its password is made here, and shown once.
    Client,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Client => "client",
        }
    }
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Login name.
    pub login: String,
    /// A person or a program.
    pub kind: Kind,
    /// What they may do where.
    pub grants: Vec<Grant>,
    /// When they were added.
    pub created_at: Timestamp,
    /// Since when they may not log in.
    pub disabled_at: Option<Timestamp>,
    /// Since when they are asked for a second factor.
    pub second_factor_at: Option<Timestamp>,
    /// The provider that logs them in, if one does.
    pub issuer: Option<String>,
    /// When the secret of a program ends, if it does.
    pub secret_ends_at: Option<Timestamp>,
}

/// What is done to somebody.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    action: &'static str,
    /// Whether their logins end with it. What somebody may do is looked up at each request: a role that goes needs no end.
    ends_logins: bool,
    /// The account that it is about, if it is about one.
    scope_id: Option<ScopeId>,
}

impl Change {
    pub(crate) fn of_person(action: &'static str) -> Self {
        Self { action, ends_logins: true, scope_id: None }
    }

    pub(crate) fn of_role(action: &'static str, scope_id: Option<ScopeId>) -> Self {
        Self { action, ends_logins: false, scope_id }
    }
}

/// The people of a server and their logins.
#[derive(Clone)]
pub struct People {
    pub(crate) db: Arc<Db>,
    pub(crate) random: SharedRandom,
    pub(crate) throttle: Arc<Mutex<Throttle>>,
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::invalid(error.to_string()))?;
    Ok(hash.to_string())
}

/// Whether it is the password of this hash.
pub(crate) fn is_password(password: &str, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed
        .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// The hash of a password that nobody has: an unknown name costs what a known one does.
pub(crate) fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash("a password nobody has").unwrap_or_default())
}

pub(crate) fn checked_hash(field: &'static str, password: &str) -> Result<String, Error> {
    if password.chars().count() < PASSWORD_LETTERS_MIN {
        return Err(Error::field(field, "a password has at least 10 characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::field(field, "a password has at most 1,000 bytes"));
    }
    hash(password)
}

/// What somebody may do where, in a transaction.
///
/// # Errors
/// When the store fails.
pub fn grants_of(tx: &mut Tx<'_>, login: &str) -> Result<Vec<Grant>, Error> {
    let sql = "SELECT scope_id, part_id, role FROM grant_of WHERE login = $1
        ORDER BY scope_id, part_id";
    tx.rows(sql, &[login.into()], |row| grant_from(row.int(0)?, row.int(1)?, &row.text(2)?))
}

fn grant_from(scope_id: i64, part_id: i64, role: &str) -> Result<Grant, Error> {
    let some = |id: i64| (id != 0).then_some(id);
    let role = Role::from_name(role).ok_or(Error::NotFound("role"))?;
    let (scope_id, part_id) = (some(scope_id).map(ScopeId), some(part_id).map(PartId));
    Ok(Grant { role, scope_id, part_id })
}

/// What grants say, for the audit.
pub(crate) fn told_of(grants: &[Grant]) -> String {
    let one = |grant: &Grant| match (grant.scope_id, grant.part_id) {
        (None, _) => format!("{} of everything", grant.role.name()),
        (Some(scope), None) => format!("{} of account {scope}", grant.role.name()),
        (Some(scope), Some(part)) => {
            format!("{} of virtual account {part} of account {scope}", grant.role.name())
        }
    };
    if grants.is_empty() {
        return "nothing".to_owned();
    }
    grants.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(crate) fn put_grant(tx: &mut Tx<'_>, login: &str, grant: &Grant) -> Result<(), Error> {
    let sql = "INSERT INTO grant_of (login, scope_id, part_id, role) VALUES ($1, $2, $3, $4)
        ON CONFLICT (login, scope_id, part_id) DO UPDATE SET role = excluded.role";
    let (scope, part) = (grant.scope_id.map_or(0, |id| id.0), grant.part_id.map_or(0, |id| id.0));
    tx.execute(sql, &[login.into(), scope.into(), part.into(), grant.role.name().into()])?;
    Ok(())
}

/// Two of those who may administer everything, and log in.
fn administrators(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    let sql = "SELECT person.login FROM grant_of JOIN person ON person.login = grant_of.login
        WHERE grant_of.scope_id = 0 AND grant_of.part_id = 0 AND grant_of.role = $1
        AND person.disabled_at IS NULL LIMIT 2";
    Ok(tx.rows(sql, &[Role::Administrator.name().into()], |row| row.text(0))?)
}

/// Whether somebody may administer everything, and log in.
fn is_administered(tx: &mut Tx<'_>) -> Result<bool, Error> {
    Ok(!administrators(tx)?.is_empty())
}

/// Whether somebody is the only one.
pub(crate) fn is_last_administrator(tx: &mut Tx<'_>, login: &str) -> Result<bool, Error> {
    Ok(administrators(tx)? == [login])
}

/// The hash of the password of somebody who may log in.
pub(crate) fn hash_in(tx: &mut Tx<'_>, login: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT password_hash FROM person WHERE login = $1 AND disabled_at IS NULL";
    Ok(tx.row(sql, &[login.into()], |row| row.text(0))?)
}

pub(crate) fn kind_of(tx: &mut Tx<'_>, login: &str) -> Result<Option<Kind>, Error> {
    let sql = "SELECT kind FROM person WHERE login = $1";
    let kind = tx.row(sql, &[login.into()], |row| row.text(0))?;
    Ok(kind.map(|kind| if kind == Kind::Client.name() { Kind::Client } else { Kind::Person }))
}

/// Whether the secret of a program has ended.
pub(crate) fn secret_has_ended(
    tx: &mut Tx<'_>,
    now: Timestamp,
    login: &str,
) -> Result<bool, Error> {
    let sql = "SELECT secret_ends_at FROM person WHERE login = $1";
    let ends_at = tx.row(sql, &[login.into()], |row| row.opt_int(0))?.flatten();
    Ok(ends_at.is_some_and(|at| at <= now.0))
}

/// Programs whose secret ends until then, or has ended: the last so many, with when.
///
/// # Errors
/// When the store fails.
pub fn secrets_that_end(
    tx: &mut Tx<'_>,
    until: Timestamp,
    most: i64,
) -> Result<Vec<(String, Timestamp)>, Error> {
    // The last first: those that ended long ago do not hide those that are about to.
    let sql = "SELECT login, secret_ends_at FROM person
        WHERE secret_ends_at IS NOT NULL AND secret_ends_at <= $1 AND disabled_at IS NULL
        ORDER BY secret_ends_at DESC LIMIT $2";
    tx.rows(sql, &[until.0.into(), most.into()], |row| {
        Ok::<_, Error>((row.text(0)?, Timestamp(row.int(1)?)))
    })
}

/// A scope goes, or a part of it: the roles for it go too, and whoever has none left. The audit tells of each.
///
/// # Errors
/// When the store fails.
pub fn forget(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    scope_id: ScopeId,
    part_id: Option<PartId>,
) -> Result<(), Error> {
    if part_id.is_none() {
        forget_webhooks(tx, scope_id)?;
    }
    let in_all = "SELECT DISTINCT login FROM grant_of WHERE scope_id = $1 ORDER BY login";
    let in_part = "SELECT login FROM grant_of WHERE scope_id = $1 AND part_id = $2 ORDER BY login";
    let bound: Vec<String> = match part_id {
        None => tx.rows(in_all, &[scope_id.into()], |row| row.text(0))?,
        Some(part) => tx.rows(in_part, &[scope_id.into(), part.into()], |row| row.text(0))?,
    };
    for login in bound {
        let before = state_of(tx, &login)?;
        let of_all = "DELETE FROM grant_of WHERE login = $1 AND scope_id = $2";
        let of_part = "DELETE FROM grant_of WHERE login = $1 AND scope_id = $2 AND part_id = $3";
        let whose = [(&login).into(), scope_id.into()];
        match part_id {
            None => tx.execute(of_all, &whose)?,
            Some(part) => tx.execute(of_part, &[whose[0], whose[1], part.into()])?,
        };
        if grants_of(tx, &login)?.is_empty() {
            tx.execute("DELETE FROM api_token WHERE login = $1", &whose[..1])?;
            // A provider may name them again: who is disabled stays so.
            if !(is_provided(tx, &login)? && is_disabled(tx, &login)?) {
                forget_factor(tx, &login)?;
                forget_answers(tx, &login)?;
                forget_provided(tx, &login)?;
                tx.execute("DELETE FROM person WHERE login = $1", &whose[..1])?;
            }
        }
        let (was, becomes) = told_apart(before, state_of(tx, &login)?);
        let act = Act::new("role taken back", &login).within(scope_id);
        audit(tx, now, actor, &act.changing(was.as_deref(), becomes.as_deref()))?;
    }
    Ok(())
}

/// A scope becomes part of another one, with these parts: roles for it become roles for each of them, and those for a part
/// stay roles for that part. The audit tells of each.
///
/// # Errors
/// When the store fails.
pub fn regrant(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    (from, into): (ScopeId, ScopeId),
    parts: &[PartId],
) -> Result<(), Error> {
    forget_webhooks(tx, from)?;
    let sql = "SELECT DISTINCT login FROM grant_of WHERE scope_id = $1 ORDER BY login";
    let bound: Vec<String> = tx.rows(sql, &[from.into()], |row| row.text(0))?;
    for login in bound {
        let before = state_of(tx, &login)?;
        let all = grants_of(tx, &login)?;
        for part in parts {
            let of_part = all.iter().filter(|grant| {
                grant.scope_id == Some(from) && grant.part_id.is_none_or(|own| own == *part)
            });
            if let Some(role) = of_part.map(|grant| grant.role).max() {
                put_grant(tx, &login, &Grant::of_part(role, into, *part))?;
            }
        }
        let sql = "DELETE FROM grant_of WHERE login = $1 AND scope_id = $2";
        tx.execute(sql, &[(&login).into(), from.into()])?;
        let (was, becomes) = told_apart(before, state_of(tx, &login)?);
        let act = Act::new("role follows its account", &login).within(into);
        audit(tx, now, actor, &act.changing(was.as_deref(), becomes.as_deref()))?;
    }
    Ok(())
}

/// What is done to a person, in one transaction: nobody takes away the last administrator of everything, logins end if they
/// would go on with what does not hold any more, and the audit tells of it.
pub(crate) fn change_in(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    login: &str,
    Change { action, ends_logins, scope_id }: Change,
    work: impl FnOnce(&mut Tx<'_>, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    let was_administered = is_administered(tx)?;
    let before = state_of(tx, login)?;
    work(tx, login)?;
    if was_administered && !is_administered(tx)? {
        let text = "this is the last administrator of everything: make another one first";
        return Err(Error::Conflict(text.to_owned()));
    }
    if ends_logins {
        tx.execute("DELETE FROM api_token WHERE login = $1", &[login.into()])?;
    }
    let after = state_of(tx, login)?;
    let (was, becomes) = told_apart(before, after);
    let act = Act::new(action, login).changing(was.as_deref(), becomes.as_deref());
    let act = scope_id.map_or(act, |scope_id| act.within(scope_id));
    audit(tx, now, actor, &act)
}

/// Whether somebody may not log in.
pub(crate) fn is_disabled(tx: &mut Tx<'_>, login: &str) -> Result<bool, Error> {
    Ok(state_of(tx, login)?.is_none_or(|(is_disabled, _)| is_disabled))
}

impl People {
    /// The people in a database.
    #[must_use]
    pub fn new(db: Arc<Db>, random: SharedRandom) -> Self {
        nobodys_hash();
        Self { db, random, throttle: Arc::default() }
    }

    /// Makes the first administrator if there is nobody yet; `show` hands the password to whoever started the server,
    /// before anybody can log in with it.
    ///
    /// # Errors
    /// When the store fails, or `show` does.
    pub fn first_administrator(
        &self,
        now: Timestamp,
        show: impl FnOnce(&str) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        let anybody = self.db.read("people.anybody", |tx| {
            tx.row("SELECT login FROM person ORDER BY login LIMIT 1", &[], |row| row.text(0))
        })?;
        if anybody.is_some() {
            return Ok(());
        }
        let password = random_hex(&self.random, 12);
        show(&password).map_err(Error::Unwritten)?;
        self.add(now, &Actor::system(), "admin", &password, Role::Administrator, None)
    }

    /// What is done to a person, in a transaction of its own.
    pub(crate) fn change(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        change: Change,
        work: impl Fn(&mut Tx<'_>, &str) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (login, actor) = (login.to_owned(), actor.clone());
        self.db.write("people.change", move |tx| change_in(tx, now, &actor, &login, change, &work))
    }

    /// Adds a person, or gives a known one a new password and one role; that the scope exists is the caller's to check.
    ///
    /// # Errors
    /// When a value is not acceptable or the store fails.
    pub fn add(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        password: &str,
        role: Role,
        scope_id: Option<ScopeId>,
    ) -> Result<(), Error> {
        check_name("login", "a login name", login)?;
        let hash = checked_hash("password", password)?;
        let grant = Grant::of(role, scope_id);
        self.change(now, actor, login, Change::of_person("person set"), move |tx, login| {
            let sql = "INSERT INTO person (login, password_hash, created_at) VALUES ($1, $2, $3)
                ON CONFLICT (login) DO UPDATE SET password_hash = excluded.password_hash";
            tx.execute(sql, &[login.into(), (&hash).into(), now.0.into()])?;
            tx.execute("DELETE FROM grant_of WHERE login = $1", &[login.into()])?;
            put_grant(tx, login, &grant)
        })
    }

    /// Adds somebody who is not known yet. For a program a password is made and returned: nobody sees it again.
    ///
    /// # Errors
    /// When a value is not acceptable, the login is taken, or the store fails.
    pub fn create(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        password: Option<&str>,
        grants: &[Grant],
    ) -> Result<Option<String>, Error> {
        match password {
            Some(password) => {
                self.create_as(now, actor, login, (Kind::Person, password, None), grants)?;
                Ok(None)
            }
            None => self.create_program(now, actor, login, grants, None).map(Some),
        }
    }

    /// Adds a program that is not known yet; its secret is made and returned, and ends after so many days if told so.
    ///
    /// # Errors
    /// As those of [`People::create`].
    pub fn create_program(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        grants: &[Grant],
        days: Option<i64>,
    ) -> Result<String, Error> {
        if days.is_some_and(|days| !(1..=SECRET_DAYS_MAX).contains(&days)) {
            let text = "the secret of a program ends after 1 to 3,650 days";
            return Err(Error::field("expires_after_days", text));
        }
        let made = random_hex(&self.random, 24);
        self.create_as(now, actor, login, (Kind::Client, &made, days), grants)?;
        Ok(made)
    }

    fn create_as(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        (kind, password, days): (Kind, &str, Option<i64>),
        grants: &[Grant],
    ) -> Result<(), Error> {
        check_name("login", "a login name", login)?;
        if grants.is_empty() || grants.len() > GRANTS_MAX {
            return Err(Error::invalid("somebody has 1 to 1,000 roles"));
        }
        let hash = checked_hash("password", password)?;
        let grants = grants.to_vec();
        let scope_id = grants.first().and_then(|grant| grant.scope_id);
        let added = Change { action: "person added", ends_logins: true, scope_id };
        self.change(now, actor, login, added, move |tx, login| {
            let sql = "INSERT INTO person (login, password_hash, created_at, kind, secret_days,
                secret_ends_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
            let values = [
                login.into(),
                (&hash).into(),
                now.0.into(),
                kind.name().into(),
                days.into(),
                days.map(|days| now.0 + days * Timestamp::DAY).into(),
            ];
            if tx.execute(sql, &values)? == 0 {
                return Err(Error::Conflict(format!("the login {login:?} is taken")));
            }
            grants.iter().try_for_each(|grant| put_grant(tx, login, grant))
        })
    }

    /// Gives a person another password; the logins under the old one end.
    ///
    /// # Errors
    /// When there is no such person, or the password is not acceptable.
    pub fn set_password(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        password: &str,
    ) -> Result<(), Error> {
        self.replace_password(now, actor, login, password, None)
    }

    /// The same where the password before is still the one that was verified, if one was.
    fn replace_password(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        password: &str,
        verified: Option<String>,
    ) -> Result<(), Error> {
        let field = if verified.is_some() { "new" } else { "password" };
        let hash = checked_hash(field, password)?;
        self.change(now, actor, login, Change::of_person("password changed"), move |tx, login| {
            if verified.is_some() && hash_in(tx, login)? != verified {
                return Err(Error::field("old", "the old password is wrong"));
            }
            if kind_of(tx, login)? == Some(Kind::Client) {
                let text = "the password of a program is made here: renew it instead";
                return Err(Error::Conflict(text.to_owned()));
            }
            let sql = "UPDATE person SET password_hash = $1 WHERE login = $2";
            match tx.execute(sql, &[(&hash).into(), login.into()])? {
                0 => Err(Error::NotFound("person")),
                _ => Ok(()),
            }
        })
    }

    /// Gives oneself another password.
    ///
    /// # Errors
    /// When the old one is wrong, or the new one is not acceptable.
    pub fn change_own_password(
        &self,
        now: Timestamp,
        actor: &Actor,
        old: &str,
        new: &str,
    ) -> Result<(), Error> {
        let verified =
            self.check_own_password(now, actor, old, ("old", "the old password is wrong"))?;
        if old == new {
            return Err(Error::field("new", "the new password is the old one"));
        }
        self.replace_password(now, actor, actor.name(), new, Some(verified))
    }

    /// Checks a password of whoever is logged in, as at a login, and returns its hash.
    pub(crate) fn check_own_password(
        &self,
        now: Timestamp,
        actor: &Actor,
        password: &str,
        (field, refusal): (&'static str, &str),
    ) -> Result<String, Error> {
        let (login, address) = (actor.name(), actor.address().unwrap_or_default());
        if let Some(retry_after_seconds) = self.wait_seconds(now, login, address) {
            return Err(Error::TooManyRequests { retry_after_seconds });
        }
        let verified = self.hash_of(login)?.unwrap_or_default();
        if !is_password(password, &verified) {
            self.failed(now, login, address);
            return Err(Error::field(field, refusal));
        }
        Ok(verified)
    }

    /// Makes another password for a program, and returns it; it holds as long as the one before did.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn renew_secret(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
    ) -> Result<String, Error> {
        let made = random_hex(&self.random, 24);
        let hash = checked_hash("password", &made)?;
        self.change(now, actor, login, Change::of_person("secret renewed"), move |tx, login| {
            if kind_of(tx, login)? != Some(Kind::Client) {
                return Err(Error::NotFound("program of this login"));
            }
            let sql = "UPDATE person SET password_hash = $1, secret_ends_at = $2 + secret_days * $3
                WHERE login = $4";
            let values = [(&hash).into(), now.0.into(), Timestamp::DAY.into(), login.into()];
            tx.execute(sql, &values)?;
            Ok(())
        })?;
        Ok(made)
    }

    /// The hash of somebody's password.
    pub(crate) fn hash_of(&self, login: &str) -> Result<Option<String>, Error> {
        let login = login.to_owned();
        self.db.read("people.password", move |tx| hash_in(tx, &login))
    }

    /// Grants a role, in the place of what was granted for the same before.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn grant(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        grant: Grant,
    ) -> Result<(), Error> {
        let change = Change::of_role("role granted", grant.scope_id);
        self.change(now, actor, login, change, move |tx, login| {
            kind_of(tx, login)?.ok_or(Error::NotFound("person"))?;
            put_grant(tx, login, &grant)?;
            if grants_of(tx, login)?.len() > GRANTS_MAX {
                return Err(Error::invalid("somebody has at most 1,000 roles"));
            }
            Ok(())
        })
    }

    /// Takes back what was granted for a scope, or a part of it, or everything.
    ///
    /// # Errors
    /// When nothing was.
    pub fn take_back(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        scope_id: Option<ScopeId>,
        part_id: Option<PartId>,
    ) -> Result<(), Error> {
        let change = Change::of_role("role taken back", scope_id);
        self.change(now, actor, login, change, move |tx, login| {
            let sql = "DELETE FROM grant_of WHERE login = $1 AND scope_id = $2 AND part_id = $3";
            let (scope, part) = (scope_id.map_or(0, |id| id.0), part_id.map_or(0, |id| id.0));
            match tx.execute(sql, &[login.into(), scope.into(), part.into()])? {
                0 => Err(Error::NotFound("role of this person")),
                _ => Ok(()),
            }
        })
    }

    /// Lets somebody log in no more, or again.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn set_disabled(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        is_disabled: bool,
    ) -> Result<(), Error> {
        let action = if is_disabled { "person disabled" } else { "person enabled" };
        self.change(now, actor, login, Change::of_person(action), move |tx, login| {
            let sql = "UPDATE person SET disabled_at = $1 WHERE login = $2";
            match tx.execute(sql, &[is_disabled.then_some(now.0).into(), login.into()])? {
                0 => Err(Error::NotFound("person")),
                _ => Ok(()),
            }
        })
    }

    /// Removes somebody; what they did stays told.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn remove(&self, now: Timestamp, actor: &Actor, login: &str) -> Result<(), Error> {
        self.change(now, actor, login, Change::of_person("person removed"), move |tx, login| {
            tx.execute("DELETE FROM grant_of WHERE login = $1", &[login.into()])?;
            forget_factor(tx, login)?;
            forget_answers(tx, login)?;
            forget_provided(tx, login)?;
            match tx.execute("DELETE FROM person WHERE login = $1", &[login.into()])? {
                0 => Err(Error::NotFound("person")),
                _ => Ok(()),
            }
        })
    }

    /// For the owner of the machine: a new password for somebody who has none any more, without second factor, made an
    /// administrator of everything if there is none who could log in.
    ///
    /// # Errors
    /// When there is no such person.
    pub fn reset_password(&self, now: Timestamp, login: &str) -> Result<String, Error> {
        let made = random_hex(&self.random, 12);
        let hash = checked_hash("password", &made)?;
        self.change(
            now,
            &Actor::system(),
            login,
            Change::of_person("password reset"),
            move |tx, login| {
                let sql =
                    "UPDATE person SET password_hash = $1, disabled_at = NULL WHERE login = $2";
                if tx.execute(sql, &[(&hash).into(), login.into()])? == 0 {
                    return Err(Error::NotFound("person"));
                }
                forget_factor(tx, login)?;
                if !is_administered(tx)? {
                    put_grant(tx, login, &Grant::of(Role::Administrator, None))?;
                }
                Ok(())
            },
        )?;
        Ok(made)
    }

    /// Everybody by login, or those who were granted something of a scope.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(&self, scope_id: Option<ScopeId>) -> Result<Vec<Person>, Error> {
        self.db.read("people.list", move |tx| {
            let mut grants: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
            let sql = "SELECT login, scope_id, part_id, role FROM grant_of
                ORDER BY login, scope_id, part_id";
            tx.each(sql, &[], |row| {
                let grant = grant_from(row.int(1)?, row.int(2)?, &row.text(3)?)?;
                grants.entry(row.text(0)?).or_default().push(grant);
                Ok::<_, Error>(true)
            })?;
            let sql = "SELECT person.login, kind, created_at, disabled_at, confirmed_at, issuer,
                secret_ends_at FROM person LEFT JOIN second_factor ON second_factor.login = person.login
                LEFT JOIN provided_person ON provided_person.login = person.login
                ORDER BY person.login";
            let mut all = tx.rows(sql, &[], |row| {
                let login = row.text(0)?;
                let kind =
                    if row.text(1)? == Kind::Client.name() { Kind::Client } else { Kind::Person };
                let grants = grants.remove(&login).unwrap_or_default();
                let (created_at, disabled_at) =
                    (Timestamp(row.int(2)?), row.opt_int(3)?.map(Timestamp));
                let second_factor_at = row.opt_int(4)?.map(Timestamp);
                let issuer = row.opt_text(5)?;
                let secret_ends_at = row.opt_int(6)?.map(Timestamp);
                Ok::<_, Error>(Person {
                    login,
                    kind,
                    grants,
                    created_at,
                    disabled_at,
                    second_factor_at,
                    issuer,
                    secret_ends_at,
                })
            })?;
            if scope_id.is_some() {
                all.retain(|person| person.grants.iter().any(|grant| grant.scope_id == scope_id));
            }
            Ok(all)
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// When there is none.
    pub fn person(&self, login: &str) -> Result<Person, Error> {
        let login = login.to_owned();
        self.db.read("people.one", move |tx| {
            let sql =
                "SELECT created_at, disabled_at, confirmed_at, issuer, secret_ends_at FROM person
                LEFT JOIN second_factor ON second_factor.login = person.login
                LEFT JOIN provided_person ON provided_person.login = person.login
                WHERE person.login = $1";
            let found = tx.row(sql, &[(&login).into()], |row| {
                let time = |at| Ok::<_, Error>(row.opt_int(at)?.map(Timestamp));
                Ok::<_, Error>((
                    Timestamp(row.int(0)?),
                    time(1)?,
                    time(2)?,
                    row.opt_text(3)?,
                    time(4)?,
                ))
            })?;
            let (created_at, disabled_at, second_factor_at, issuer, secret_ends_at) =
                found.ok_or(Error::NotFound("person"))?;
            let kind = kind_of(tx, &login)?.ok_or(Error::NotFound("person"))?;
            let grants = grants_of(tx, &login)?;
            let login = login.clone();
            Ok(Person {
                login,
                kind,
                grants,
                created_at,
                disabled_at,
                second_factor_at,
                issuer,
                secret_ends_at,
            })
        })
    }

    /// What was done and refused on this server, or in one account, newest first: what is looked for, or all.
    ///
    /// # Errors
    /// When the search is too long, or the store fails.
    pub fn audit_rows(
        &self,
        scope_id: Option<ScopeId>,
        search: &AuditSearch,
        limit: i64,
    ) -> Result<Vec<AuditRow>, Error> {
        crate::audit_rows(&self.db, scope_id, search, limit)
    }
}

/// Whether somebody may log in, and their roles; none where there is nobody.
type State = Option<(bool, Vec<Grant>)>;

fn state_of(tx: &mut Tx<'_>, login: &str) -> Result<State, Error> {
    let sql = "SELECT disabled_at FROM person WHERE login = $1";
    let Some(disabled_at) = tx.row(sql, &[login.into()], |row| row.opt_int(0))? else {
        return Ok(None);
    };
    Ok(Some((disabled_at.is_some(), grants_of(tx, login)?)))
}

/// What somebody was and is, for the audit: of many roles those that differ.
fn told_apart(before: State, after: State) -> (Option<String>, Option<String>) {
    let all = |state: &State| state.as_ref().map(|(_, grants)| grants.clone()).unwrap_or_default();
    let (old, new) = (all(&before), all(&after));
    let told = |state: State, other: &[Grant]| {
        state.map(|(is_disabled, grants): (bool, Vec<Grant>)| {
            let differ: Vec<Grant> =
                grants.iter().filter(|grant| !other.contains(grant)).copied().collect();
            let shown = if differ.is_empty() { &grants } else { &differ };
            let disabled = if is_disabled { "disabled, " } else { "" };
            format!("{disabled}{}", told_of(shown))
        })
    };
    (told(before, &new), told(after, &old))
}
