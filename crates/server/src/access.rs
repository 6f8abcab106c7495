//! Who may do what (G-01, CSSM-008).

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use rumline_protocol::{Timestamp, sha256};
use rumline_store::{Db, Tx};
use serde::{Deserialize, Serialize};

use crate::{Actor, AuditRow, Error, SharedRandom, Throttle, audit, check_name, random_hex};

/// A login lasts this long.
const TOKEN_SECONDS: i64 = 12 * Timestamp::HOUR;

rumline_store::id_types! {
    /// What a person may be bound to: a smart account at CSSM, a tenant at SSM On-Prem.
    ScopeId
}

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Work with tokens, files and product instances; SSM On-Prem's operator.
    #[serde(alias = "operator")]
    User,
    /// Everything, people and policies included.
    Administrator,
}

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::User => "user",
            Self::Administrator => "administrator",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::User, Self::Administrator].into_iter().find(|r| r.name() == name)
    }
}

/// A kind of action, and so the role it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Look at an account.
    View,
    /// Work in an account.
    Operate,
    /// Administer an account.
    Administer,
    /// Create accounts and people without account.
    AdministerAll,
}

/// Whoever is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Login name.
    pub login: String,
    /// Role.
    pub role: Role,
    /// The only scope it may see; none for all.
    pub scope_id: Option<ScopeId>,
}

impl Caller {
    /// As whom it acts.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::person(&self.login)
    }

    /// Whether the caller may act in the scope. Another scope's things are not even there.
    ///
    /// # Errors
    /// When it may not.
    pub fn may(&self, action: Action, scope_id: ScopeId) -> Result<(), Error> {
        if self.scope_id.is_some_and(|own| own != scope_id) {
            return Err(Error::NotFound("account"));
        }
        self.may_at_all(action)
    }

    /// Whether the caller's role allows the action anywhere.
    ///
    /// # Errors
    /// When it does not.
    pub fn may_at_all(&self, action: Action) -> Result<(), Error> {
        let allowed = match action {
            Action::View => true,
            Action::Operate => self.role >= Role::User,
            Action::Administer => self.role == Role::Administrator,
            Action::AdministerAll => self.role == Role::Administrator && self.scope_id.is_none(),
        };
        if allowed { Ok(()) } else { Err(Error::Forbidden) }
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| Error::invalid(error.to_string()))?;
    Ok(hash.to_string())
}

/// The people of a server and their logins, in the tables `person` and `api_token`.
#[derive(Clone)]
pub struct People {
    db: Arc<Db>,
    random: SharedRandom,
    throttle: Arc<Mutex<Throttle>>,
}

/// The hash of a password that nobody has: an unknown name costs what a known one does.
fn nobodys_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| hash("a password nobody has").unwrap_or_default())
}

/// Whether there is an administrator of everything.
fn is_administered(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let sql = "SELECT login FROM person WHERE role = $1 AND scope_id IS NULL LIMIT 1";
    Ok(tx.row(sql, &[Role::Administrator.name().into()], |row| row.text(0))?.is_some())
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
        let anybody = self.db.read("access.anybody", |tx| {
            tx.row("SELECT login FROM person ORDER BY login LIMIT 1", &[], |row| row.text(0))
        })?;
        if anybody.is_some() {
            return Ok(());
        }
        let password = random_hex(&self.random, 12);
        show(&password).map_err(Error::Unwritten)?;
        self.add(now, &Actor::system(), "admin", &password, Role::Administrator, None)
    }

    /// Adds a person, or gives a known one a new password and role; that the scope exists is the caller's to check.
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
        check_name("a login name", login)?;
        if password.len() < 10 {
            return Err(Error::invalid("a password has at least 10 characters"));
        }
        let (login, hash, actor) = (login.to_owned(), hash(password)?, actor.clone());
        self.db.write("access.add", move |tx| {
            let sql = "SELECT login FROM person WHERE login = $1";
            let known = tx.row(sql, &[(&login).into()], |row| row.text(0))?.is_some();
            let sql = "INSERT INTO person (login, password_hash, role, scope_id, created_at)
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT (login) DO UPDATE SET
                password_hash = excluded.password_hash, role = excluded.role,
                scope_id = excluded.scope_id";
            let values = [
                (&login).into(),
                (&hash).into(),
                role.name().into(),
                scope_id.into(),
                now.0.into(),
            ];
            let was_administered = is_administered(tx)?;
            tx.execute(sql, &values)?;
            if was_administered && !is_administered(tx)? {
                let text = "this is the last administrator of everything: make another one first";
                return Err(Error::Conflict(text.to_owned()));
            }
            // Logins under the old password end.
            tx.execute("DELETE FROM api_token WHERE login = $1", &[(&login).into()])?;
            let action = if known { "person changed" } else { "person added" };
            let scope = scope_id.map_or("everything".to_owned(), |id| format!("account {id}"));
            let outcome = format!("done: {} of {scope}", role.name());
            audit(tx, now, &actor, action, &login, &outcome)
        })
    }

    /// Everybody, by login.
    ///
    /// # Errors
    /// When the store fails.
    pub fn list(&self) -> Result<Vec<Caller>, Error> {
        self.db.read("access.list", |tx| {
            let sql = "SELECT login, role, scope_id FROM person ORDER BY login";
            tx.rows(sql, &[], |row| {
                let role = Role::from_name(&row.text(1)?).ok_or(Error::NotFound("role"))?;
                Ok(Caller { login: row.text(0)?, role, scope_id: row.opt_id(2)? })
            })
        })
    }

    /// Checks a password and returns an API token; `address` is where the caller is.
    ///
    /// # Errors
    /// When login or password are wrong, or too many were before.
    pub fn log_in(
        &self,
        now: Timestamp,
        login: &str,
        password: &str,
        address: &str,
    ) -> Result<String, Error> {
        let throttle = || self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(retry_after_seconds) = throttle().wait_seconds(now, login, address) {
            return Err(Error::TooManyRequests { retry_after_seconds });
        }
        // No login holds control characters, and a database may refuse to look for them.
        let name: String = login.chars().filter(|c| !c.is_control()).take(100).collect();
        let looked_for = name.clone();
        let stored = self.db.read("access.password", move |tx| {
            let sql = "SELECT password_hash FROM person WHERE login = $1";
            tx.row(sql, &[(&looked_for).into()], |row| row.text(0))
        })?;
        let text = stored.as_deref().unwrap_or(nobodys_hash());
        let parsed = PasswordHash::new(text).map_err(|_| Error::Unauthenticated)?;
        let right = name == login
            && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        let actor = Actor::person(&name).at(Some(address));
        if stored.is_none() || !right {
            throttle().failed(now, login, address);
            self.db.write("access.refused", move |tx| {
                audit(tx, now, &actor, "login", &name, "refused: wrong login or password")
            })?;
            return Err(Error::Unauthenticated);
        }
        throttle().succeeded(login, address);
        let token = random_hex(&self.random, 32);
        let digest = sha256(token.as_bytes());
        self.db.write("access.log_in", move |tx| {
            tx.execute("DELETE FROM api_token WHERE expires_at <= $1", &[now.0.into()])?;
            let sql = "INSERT INTO api_token (hash, login, created_at, expires_at)
                VALUES ($1, $2, $3, $4)";
            let expires_at = now + TOKEN_SECONDS;
            let values = [digest[..].into(), (&name).into(), now.0.into(), expires_at.0.into()];
            tx.execute(sql, &values)?;
            audit(tx, now, &actor, "login", &name, "done")
        })?;
        Ok(token)
    }

    /// What was done and refused on this server, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn audit_rows(&self, before: Option<i64>, limit: i64) -> Result<Vec<AuditRow>, Error> {
        crate::audit_rows(&self.db, before, limit)
    }

    /// Ends a login.
    ///
    /// # Errors
    /// When the store fails.
    pub fn log_out(&self, token: &str) -> Result<(), Error> {
        let digest = sha256(token.as_bytes());
        self.db.write("access.log_out", move |tx| {
            tx.execute("DELETE FROM api_token WHERE hash = $1", &[digest[..].into()])?;
            Ok(())
        })
    }

    /// Who an API token belongs to.
    ///
    /// # Errors
    /// When it belongs to nobody or has expired.
    pub fn caller(&self, now: Timestamp, token: &str) -> Result<Caller, Error> {
        let digest = sha256(token.as_bytes());
        self.db.read("access.caller", move |tx| find_caller(tx, now, &digest))
    }
}

fn find_caller(tx: &mut Tx<'_>, now: Timestamp, digest: &[u8]) -> Result<Caller, Error> {
    let sql = "SELECT person.login, person.role, person.scope_id FROM api_token
        JOIN person ON person.login = api_token.login
        WHERE api_token.hash = $1 AND api_token.expires_at > $2
        AND api_token.created_at <= $3";
    // One that was made while the clock was ahead ends when the clock is right.
    let latest = now + rumline_protocol::SKEW_SECONDS;
    let found = tx.row(sql, &[digest.into(), now.0.into(), latest.0.into()], |row| {
        Ok::<_, Error>((row.text(0)?, row.text(1)?, row.opt_id(2)?))
    })?;
    let (login, role, scope_id) = found.ok_or(Error::Unauthenticated)?;
    let role = Role::from_name(&role).ok_or(Error::Unauthenticated)?;
    Ok(Caller { login, role, scope_id })
}
