//! Who is logged in: passwords and codes are checked, and API tokens stand for them (the table `api_token`). A login begins
//! with a password; where there is a second factor, a ticket stands for it until the code comes. API tokens that somebody
//! made for a program of theirs are in `api_tokens`.

use std::sync::{MutexGuard, PoisonError};

use rumline_protocol::{Timestamp, sha256};
use rumline_store::{Row, Tx};

use crate::audit::{Act, audit};
use crate::factors::{Checked, check_code, factor_of, told};
use crate::names::LoginId;
use crate::people::{grants_of, hash_in, is_password, kind_of, nobodys_hash, secret_has_ended};
use crate::{
    Actor, Caller, Error, Grant, Kind, PartId, People, Role, ScopeId, Throttle, narrowed, next_id,
    random_hex,
};

/// What is asked of whoever logs in, and how long that lasts.
#[derive(Clone, Copy)]
struct Terms<'a> {
    only: Option<Kind>,
    seconds: i64,
    code: Option<&'a str>,
    /// Whether a ticket is given where a code is missing.
    by_steps: bool,
}

/// What a right password leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// A login: its API token.
    Done(String),
    /// A code is missing: this ticket stands for the password until it comes.
    NeedsCode(String),
}

/// What a row of the table stands for.
pub(crate) const LOGIN: &str = "login";
pub(crate) const TICKET: &str = "ticket";
pub(crate) const TOKEN: &str = "token";

/// How long a ticket waits for its code.
pub(crate) const TICKET_SECONDS: i64 = 300;
/// Of when it was used last no more is told than this, so that a request writes nothing.
const USE_SECONDS: i64 = 600;

/// What became of a password and a code.
pub(crate) enum Admitted {
    In,
    SecretEnded,
    CodeMissing,
    Code(Checked),
}

/// Whose token it is, as its row has it.
struct Holder {
    login: String,
    id: LoginId,
    kind: String,
    used_at: i64,
    name: String,
    limit: Option<Grant>,
}

/// Ends all logins of somebody but one; API tokens go on.
pub(crate) fn end_others(tx: &mut Tx<'_>, login: &str, keep: LoginId) -> Result<u64, Error> {
    let sql = "DELETE FROM api_token WHERE login = $1 AND id <> $2 AND kind <> 'token'";
    Ok(tx.execute(sql, &[login.into(), keep.into()])?)
}

/// What a token was narrowed to, from a row that holds it at this place.
pub(crate) fn limit_at(row: &Row<'_>, at: usize) -> Result<Option<Grant>, Error> {
    let Some(role) = row.opt_text(at)? else { return Ok(None) };
    let role = Role::from_name(&role).ok_or(Error::NotFound("role"))?;
    let scope_id = row.opt_int(at + 1)?.map(ScopeId);
    Ok(Some(Grant { role, scope_id, part_id: row.opt_int(at + 2)?.map(PartId) }))
}

/// Adds a row; the token is its caller's to hand out.
pub(crate) fn put_login(
    tx: &mut Tx<'_>,
    (now, expires_at): (Timestamp, Timestamp),
    token: &str,
    actor: &Actor,
    kind: &str,
) -> Result<LoginId, Error> {
    tx.execute("DELETE FROM api_token WHERE expires_at <= $1", &[now.0.into()])?;
    let id: LoginId = next_id(tx, "api_token")?;
    let sql = "INSERT INTO api_token (hash, login, created_at, expires_at, id, kind, address,
        used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $3)";
    let digest = sha256(token.as_bytes());
    let values = [
        digest[..].into(),
        actor.name().into(),
        now.0.into(),
        expires_at.0.into(),
        id.into(),
        kind.into(),
        actor.address().unwrap_or_default().into(),
    ];
    tx.execute(sql, &values)?;
    Ok(id)
}

/// Checks what is asked for beside a password, and tells the audit what came of it.
pub(crate) fn admit(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    code: Option<&str>,
) -> Result<Admitted, Error> {
    let login = actor.name();
    let act = Act::new("login", login);
    if secret_has_ended(tx, now, login)? {
        audit(tx, now, actor, &act.refused("the secret of the program has ended"))?;
        return Ok(Admitted::SecretEnded);
    }
    let Some(factor) = factor_of(tx, login)? else {
        audit(tx, now, actor, &act)?;
        return Ok(Admitted::In);
    };
    let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
        audit(tx, now, actor, &act.refused("the password is right, and no code came yet"))?;
        return Ok(Admitted::CodeMissing);
    };
    let checked = check_code(tx, now, login, &factor, code)?;
    match checked {
        Checked::Right => audit(tx, now, actor, &act)?,
        Checked::Recovery(left) => {
            audit(tx, now, actor, &act)?;
            let left = format!("{left} left");
            let used = Act::new("recovery code used", login).changing(None, Some(&left));
            audit(tx, now, actor, &used)?;
        }
        Checked::Wrong => {
            audit(tx, now, actor, &act.refused("wrong code"))?;
            return Ok(Admitted::Code(checked));
        }
        Checked::Wait(_) => return Ok(Admitted::Code(checked)),
    }
    Ok(Admitted::In)
}

impl People {
    pub(crate) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long somebody has to wait before the next password.
    pub(crate) fn wait_seconds(&self, now: Timestamp, login: &str, address: &str) -> Option<i64> {
        self.throttle().wait_seconds(now, login, address)
    }

    /// A password was wrong.
    pub(crate) fn failed(&self, now: Timestamp, login: &str, address: &str) {
        self.throttle().failed(now, login, address);
    }

    /// Checks a password and returns an API token; `address` is where the caller is.
    ///
    /// # Errors
    /// When login or password are wrong, too many were before, or there is a second factor.
    pub fn log_in(
        &self,
        now: Timestamp,
        login: &str,
        password: &str,
        address: &str,
    ) -> Result<String, Error> {
        self.log_in_with(now, login, password, None, address)
    }

    /// The same with a code, which is looked at where there is a second factor.
    ///
    /// # Errors
    /// As those of [`People::log_in`], and when the code is wrong or was used before.
    pub fn log_in_with(
        &self,
        now: Timestamp,
        login: &str,
        password: &str,
        code: Option<&str>,
        address: &str,
    ) -> Result<String, Error> {
        let terms = Terms { only: None, seconds: Self::TOKEN_SECONDS, code, by_steps: false };
        match self.log_in_on(terms, now, login, password, address)? {
            Begun::Done(token) => Ok(token),
            Begun::NeedsCode(_) => Err(Error::CodeMissing),
        }
    }

    /// The same step by step: where there is a second factor, a right password leads to a ticket.
    ///
    /// # Errors
    /// When login or password are wrong, or too many were before.
    pub fn begin_login(
        &self,
        now: Timestamp,
        login: &str,
        password: &str,
        address: &str,
    ) -> Result<Begun, Error> {
        let seconds = Self::TOKEN_SECONDS;
        let terms = Terms { only: None, seconds, code: None, by_steps: true };
        self.log_in_on(terms, now, login, password, address)
    }

    /// Whose login waits for its code at this ticket.
    ///
    /// # Errors
    /// When the ticket has ended.
    pub fn login_of_ticket(&self, now: Timestamp, ticket: &str) -> Result<String, Error> {
        let digest = sha256(ticket.as_bytes());
        let read = move |tx: &mut Tx<'_>| Ok(holder(tx, now, &digest, true)?.login);
        self.db.read("logins.ticket", read)
    }

    /// The second step: a ticket and its code. A wrong code leaves the ticket as it is.
    ///
    /// # Errors
    /// When the ticket has ended (log in anew), or the code is wrong or was used before.
    pub fn finish_login(
        &self,
        now: Timestamp,
        ticket: &str,
        code: &str,
        address: &str,
    ) -> Result<String, Error> {
        let digest = sha256(ticket.as_bytes());
        let login = self.login_of_ticket(now, ticket)?;
        if let Some(retry_after_seconds) = self.wait_seconds(now, &login, address) {
            return Err(Error::TooManyRequests { retry_after_seconds });
        }
        let token = random_hex(&self.random, 32);
        let (given, code) = (token.clone(), code.to_owned());
        let actor = Actor::person(&login).at(Some(address));
        let admitted = self.db.write("logins.code", move |tx| {
            // Two that come with one ticket: it is the first one's.
            let waiting = holder(tx, now, &digest, true)?;
            let admitted = admit(tx, now, &actor, Some(&code))?;
            if matches!(admitted, Admitted::In) {
                let sql = "DELETE FROM api_token WHERE login = $1 AND id = $2";
                tx.execute(sql, &[(&waiting.login).into(), waiting.id.into()])?;
                put_login(tx, (now, now + Self::TOKEN_SECONDS), &given, &actor, LOGIN)?;
            }
            Ok::<_, Error>(admitted)
        })?;
        self.admitted(now, &login, address, &admitted)?;
        Ok(token)
    }

    /// The same for a program, by its secret: its token lasts for [`People::PROGRAM_TOKEN_SECONDS`]. A person's password is none.
    ///
    /// # Errors
    /// As those of [`People::log_in`].
    pub fn log_in_program(
        &self,
        now: Timestamp,
        login: &str,
        secret: &str,
        address: &str,
    ) -> Result<String, Error> {
        let (only, seconds) = (Some(Kind::Client), Self::PROGRAM_TOKEN_SECONDS);
        let terms = Terms { only, seconds, code: None, by_steps: false };
        match self.log_in_on(terms, now, login, secret, address)? {
            Begun::Done(token) => Ok(token),
            Begun::NeedsCode(_) => Err(Error::CodeMissing),
        }
    }

    /// How long a login lasts.
    pub const TOKEN_SECONDS: i64 = 12 * Timestamp::HOUR;
    /// How long a program's token lasts that it got by OAuth2 client credentials.
    pub const PROGRAM_TOKEN_SECONDS: i64 = Timestamp::HOUR;

    /// What was admitted, in this process and to whoever asked.
    fn admitted(
        &self,
        now: Timestamp,
        login: &str,
        address: &str,
        admitted: &Admitted,
    ) -> Result<(), Error> {
        match admitted {
            Admitted::In => self.throttle().succeeded(login, address),
            Admitted::SecretEnded => {
                self.failed(now, login, address);
                return Err(Error::SecretEnded);
            }
            Admitted::CodeMissing => return Err(Error::CodeMissing),
            Admitted::Code(checked) => {
                if matches!(checked, Checked::Wrong) {
                    self.failed(now, login, address);
                }
                return told(checked);
            }
        }
        Ok(())
    }

    fn log_in_on(
        &self,
        Terms { only, seconds, code, by_steps }: Terms<'_>,
        now: Timestamp,
        login: &str,
        password: &str,
        address: &str,
    ) -> Result<Begun, Error> {
        if let Some(retry_after_seconds) = self.wait_seconds(now, login, address) {
            return Err(Error::TooManyRequests { retry_after_seconds });
        }
        // No login holds control characters, and a database may refuse to look for them.
        let name: String = login.chars().filter(|c| !c.is_control()).take(100).collect();
        let stored = self.hash_of_kind(&name, only)?;
        let text = stored.as_deref().unwrap_or(nobodys_hash());
        let right = is_password(password, text) && name == login;
        let actor = Actor::person(&name).at(Some(address));
        if stored.is_none() || !right {
            self.failed(now, login, address);
            self.db.write("logins.refused", move |tx| {
                let act = Act::new("login", &name).refused("wrong login or password");
                audit(tx, now, &actor, &act)
            })?;
            return Err(Error::Unauthenticated);
        }
        let (token, code) = (random_hex(&self.random, 32), code.map(str::to_owned));
        let given = token.clone();
        let admitted = self.db.write("logins.add", move |tx| {
            // Nobody goes on with a password that was changed while it was being checked.
            if hash_in(tx, &name)? != stored {
                return Err(Error::Unauthenticated);
            }
            let admitted = admit(tx, now, &actor, code.as_deref())?;
            match &admitted {
                Admitted::In => {
                    put_login(tx, (now, now + seconds), &given, &actor, LOGIN)?;
                }
                Admitted::CodeMissing if by_steps => {
                    put_login(tx, (now, now + TICKET_SECONDS), &given, &actor, TICKET)?;
                }
                Admitted::SecretEnded | Admitted::CodeMissing | Admitted::Code(_) => {}
            }
            Ok(admitted)
        })?;
        if by_steps && matches!(admitted, Admitted::CodeMissing) {
            return Ok(Begun::NeedsCode(token));
        }
        self.admitted(now, login, address, &admitted)?;
        Ok(Begun::Done(token))
    }

    /// The hash of the password of somebody who may log in, if it is somebody of this kind.
    fn hash_of_kind(&self, login: &str, only: Option<Kind>) -> Result<Option<String>, Error> {
        let login = login.to_owned();
        self.db.read("logins.password", move |tx| {
            if only.is_some() && kind_of(tx, &login)? != only {
                return Ok(None);
            }
            hash_in(tx, &login)
        })
    }

    /// Ends a login.
    ///
    /// # Errors
    /// When the store fails.
    pub fn log_out(&self, token: &str) -> Result<(), Error> {
        let digest = sha256(token.as_bytes());
        self.db.write("logins.remove", move |tx| {
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
        let (holder, grants) = self.db.read("logins.caller", move |tx| {
            let holder = holder(tx, now, &digest, false)?;
            let grants = grants_of(tx, &holder.login)?;
            Ok::<_, Error>((holder, grants))
        })?;
        if now.0.saturating_sub(holder.used_at) >= USE_SECONDS {
            let noted = self.db.write("logins.used", move |tx| {
                let sql = "UPDATE api_token SET used_at = $1 WHERE hash = $2";
                Ok::<_, Error>(tx.execute(sql, &[now.0.into(), digest[..].into()])?)
            });
            // Where nothing can be written it is noted another time.
            drop(noted);
        }
        let grants = match &holder.limit {
            Some(limit) => narrowed(&grants, limit),
            None => grants,
        };
        let api_token = (holder.kind == TOKEN).then_some(holder.name);
        Ok(Caller { login_id: holder.id, api_token, ..Caller::new(&holder.login, grants) })
    }
}

fn holder(
    tx: &mut Tx<'_>,
    now: Timestamp,
    digest: &[u8],
    is_ticket: bool,
) -> Result<Holder, Error> {
    let sql =
        "SELECT person.login, api_token.id, api_token.kind, api_token.used_at, api_token.role,
        api_token.scope_id, api_token.part_id, api_token.name FROM api_token
        JOIN person ON person.login = api_token.login
        WHERE api_token.hash = $1 AND api_token.expires_at > $2
        AND api_token.created_at <= $3 AND person.disabled_at IS NULL
        AND (person.secret_ends_at IS NULL OR person.secret_ends_at > $2)";
    // One that was made while the clock was ahead ends when the clock is right.
    let latest = now + rumline_protocol::SKEW_SECONDS;
    let values = [digest.into(), now.0.into(), latest.0.into()];
    let found = tx.row(sql, &values, |row| {
        Ok::<_, Error>(Holder {
            login: row.text(0)?,
            id: LoginId(row.int(1)?),
            kind: row.text(2)?,
            used_at: row.int(3)?,
            limit: limit_at(row, 4)?,
            name: row.text(7)?,
        })
    })?;
    found.filter(|found| (found.kind == TICKET) == is_ticket).ok_or(Error::Unauthenticated)
}
