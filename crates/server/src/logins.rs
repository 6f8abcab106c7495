//! Who is logged in: passwords are checked, and API tokens stand for them (the table `api_token`).

use std::sync::{MutexGuard, PoisonError};

use rumline_protocol::{Timestamp, sha256};
use rumline_store::Tx;

use crate::audit::{Act, audit};
use crate::people::{grants_of, hash_in, is_password, kind_of, nobodys_hash};
use crate::{Actor, Caller, Error, Kind, People, Throttle, random_hex};

/// What is asked of whoever logs in, and how long that lasts.
#[derive(Clone, Copy)]
struct Terms {
    only: Option<Kind>,
    seconds: i64,
}

impl People {
    fn throttle(&self) -> MutexGuard<'_, Throttle> {
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
    /// When login or password are wrong, or too many were before.
    pub fn log_in(
        &self,
        now: Timestamp,
        login: &str,
        password: &str,
        address: &str,
    ) -> Result<String, Error> {
        self.log_in_on(
            Terms { only: None, seconds: Self::TOKEN_SECONDS },
            now,
            login,
            password,
            address,
        )
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
        let terms = Terms { only: Some(Kind::Client), seconds: Self::PROGRAM_TOKEN_SECONDS };
        self.log_in_on(terms, now, login, secret, address)
    }

    /// How long a login lasts.
    pub const TOKEN_SECONDS: i64 = 12 * Timestamp::HOUR;
    /// How long a program's token lasts that it got by OAuth2 client credentials.
    pub const PROGRAM_TOKEN_SECONDS: i64 = Timestamp::HOUR;

    fn log_in_on(
        &self,
        Terms { only, seconds }: Terms,
        now: Timestamp,
        login: &str,
        password: &str,
        address: &str,
    ) -> Result<String, Error> {
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
        self.throttle().succeeded(login, address);
        let token = random_hex(&self.random, 32);
        let digest = sha256(token.as_bytes());
        self.db.write("logins.add", move |tx| {
            // Nobody goes on with a password that was changed while it was being checked.
            if hash_in(tx, &name)? != stored {
                return Err(Error::Unauthenticated);
            }
            tx.execute("DELETE FROM api_token WHERE expires_at <= $1", &[now.0.into()])?;
            let sql = "INSERT INTO api_token (hash, login, created_at, expires_at)
                VALUES ($1, $2, $3, $4)";
            let expires_at = now + seconds;
            let values = [digest[..].into(), (&name).into(), now.0.into(), expires_at.0.into()];
            tx.execute(sql, &values)?;
            audit(tx, now, &actor, &Act::new("login", &name))
        })?;
        Ok(token)
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
        self.db.read("logins.caller", move |tx| find_caller(tx, now, &digest))
    }
}

fn find_caller(tx: &mut Tx<'_>, now: Timestamp, digest: &[u8]) -> Result<Caller, Error> {
    let sql = "SELECT person.login FROM api_token
        JOIN person ON person.login = api_token.login
        WHERE api_token.hash = $1 AND api_token.expires_at > $2
        AND api_token.created_at <= $3 AND person.disabled_at IS NULL";
    // One that was made while the clock was ahead ends when the clock is right.
    let latest = now + rumline_protocol::SKEW_SECONDS;
    let values = [digest.into(), now.0.into(), latest.0.into()];
    let login = tx.row(sql, &values, |row| row.text(0))?.ok_or(Error::Unauthenticated)?;
    let grants = grants_of(tx, &login)?;
    Ok(Caller::new(&login, grants))
}
