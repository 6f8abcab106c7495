//! Logins and API tokens as their owners and administrators see them: listed and ended. An API token is made by somebody for
//! a program of theirs; it ends on a day, and may do less than whoever made it, and never more.

use rumline_protocol::{Timestamp, sha256};
use rumline_store::{Row, Tx};

use crate::audit::{Act, audit};
use crate::logins::{LOGIN, TICKET, TOKEN, limit_at, put_login};
use crate::names::LoginId;
use crate::people::{hash_in, told_of};
use crate::{Actor, Error, Grant, People, check_name, random_hex};

/// API tokens of one person or program.
const TOKENS_MAX: i64 = 100;
/// The longest that an API token holds, in days.
const DAYS_MAX: i64 = 365;
/// Logins of one person that are listed, the newest, beside all their API tokens.
const LISTED_MAX: i64 = 1_000;
/// What API tokens begin with, so that a file they were left in can be searched for them.
const TOKEN_PREFIX: &str = "rumline_";

/// A login, or an API token, without what it is shown by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its number.
    pub id: LoginId,
    /// Whether it is an API token.
    pub is_token: bool,
    /// What an API token is called.
    pub name: String,
    /// Where it was made from; empty if that is not known.
    pub address: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last, give or take ten minutes.
    pub used_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The most that an API token may do.
    pub limit: Option<Grant>,
}

/// An API token that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// What it is for.
    pub name: String,
    /// The most that it may do: what its owner may do and this allows, it may.
    pub limit: Grant,
    /// How long it holds.
    pub expires_after_days: i64,
}

/// Which logins are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one, whether it is a login or an API token.
    One(LoginId),
    /// This API token.
    Token(LoginId),
    /// All logins but this one; API tokens go on.
    Others(LoginId),
    /// All, API tokens too.
    All,
}

const COLUMNS: &str =
    "id, kind, name, address, created_at, used_at, expires_at, role, scope_id, part_id";

fn login_at(row: &Row<'_>) -> Result<Login, Error> {
    Ok(Login {
        id: row.id(0)?,
        is_token: row.text(1)? == TOKEN,
        name: row.text(2)?,
        address: row.text(3)?,
        created_at: Timestamp(row.int(4)?),
        used_at: Timestamp(row.int(5)?),
        expires_at: Timestamp(row.int(6)?),
        limit: limit_at(row, 7)?,
    })
}

/// Newest first. No number of logins hides an API token.
fn list(tx: &mut Tx<'_>, now: Timestamp, login: &str) -> Result<Vec<Login>, Error> {
    let mut all = Vec::new();
    for (kind, most) in [(TOKEN, TOKENS_MAX), (LOGIN, LISTED_MAX)] {
        let sql = format!(
            "SELECT {COLUMNS} FROM api_token WHERE login = $1 AND expires_at > $2 AND kind = $3
            ORDER BY id DESC LIMIT $4"
        );
        let values = [login.into(), now.0.into(), kind.into(), most.into()];
        all.extend(tx.rows(&sql, &values, login_at)?);
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.id));
    Ok(all)
}

fn find(tx: &mut Tx<'_>, now: Timestamp, login: &str, id: LoginId) -> Result<Option<Login>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM api_token WHERE login = $1 AND expires_at > $2 AND kind <> $3
        AND id = $4"
    );
    tx.row(&sql, &[login.into(), now.0.into(), TICKET.into(), id.into()], login_at)
}

impl People {
    /// The logins and API tokens of somebody that hold, newest first.
    ///
    /// # Errors
    /// When there is no such person, or the store fails.
    pub fn logins(&self, now: Timestamp, login: &str) -> Result<Vec<Login>, Error> {
        let login = login.to_owned();
        self.db.read("logins.list", move |tx| {
            crate::people::kind_of(tx, &login)?.ok_or(Error::NotFound("person"))?;
            list(tx, now, &login)
        })
    }

    /// Makes an API token for oneself, by one's password: it outlives the login that asks, and the end of all others. What it
    /// is shown by is told here and never again. That its scope exists is the caller's to check.
    ///
    /// # Errors
    /// When the password is wrong, a value is not acceptable, or there are too many.
    pub fn create_api_token(
        &self,
        now: Timestamp,
        actor: &Actor,
        password: &str,
        new: &NewApiToken,
    ) -> Result<(Login, String), Error> {
        check_name("name", "the name of an API token", &new.name)?;
        if !(1..=DAYS_MAX).contains(&new.expires_after_days) {
            return Err(Error::field(
                "expires_after_days",
                "an API token expires after 1 to 365 days",
            ));
        }
        let verified =
            self.check_own_password(now, actor, password, ("password", "the password is wrong"))?;
        let text = format!("{TOKEN_PREFIX}{}", random_hex(&self.random, 32));
        let (new, actor, given) = (new.clone(), actor.clone(), text.clone());
        let made = self.db.write("tokens.create", move |tx| {
            let login = actor.name();
            // Nobody goes on with a password that was changed while it was being checked.
            if hash_in(tx, login)?.as_ref() != Some(&verified) {
                return Err(Error::Unauthenticated);
            }
            let sql = "SELECT COUNT(*) FROM api_token WHERE login = $1 AND kind = $2
                AND expires_at > $3";
            let values = [login.into(), TOKEN.into(), now.0.into()];
            if tx.row(sql, &values, |row| row.int(0))?.unwrap_or(0) >= TOKENS_MAX {
                return Err(Error::invalid("somebody has at most 100 API tokens: end one first"));
            }
            let ends = now + new.expires_after_days * Timestamp::DAY;
            let id = put_login(tx, (now, ends), &given, &actor, TOKEN)?;
            let sql = "UPDATE api_token SET name = $1, role = $2, scope_id = $3, part_id = $4
                WHERE hash = $5";
            let (limit, digest) = (new.limit, sha256(given.as_bytes()));
            let values = [
                (&new.name).into(),
                limit.role.name().into(),
                limit.scope_id.into(),
                limit.part_id.into(),
                digest[..].into(),
            ];
            tx.execute(sql, &values)?;
            let becomes = format!("at most {} until {ends}", told_of(&[limit]));
            let act = Act::new("API token made", &new.name).changing(None, Some(&becomes));
            let act = limit.scope_id.map_or(act, |scope| act.within(scope));
            audit(tx, now, &actor, &act)?;
            find(tx, now, login, id)?.ok_or(Error::NotFound("API token"))
        })?;
        Ok((made, text))
    }

    /// Ends logins or API tokens of somebody; how many.
    ///
    /// # Errors
    /// When one is named that is not theirs, or has ended.
    pub fn end_logins(
        &self,
        now: Timestamp,
        actor: &Actor,
        login: &str,
        which: Which,
    ) -> Result<u64, Error> {
        let (login, actor) = (login.to_owned(), actor.clone());
        self.db.write("logins.end", move |tx| {
            crate::people::kind_of(tx, &login)?.ok_or(Error::NotFound("person"))?;
            let named = match which {
                Which::One(id) | Which::Token(id) => {
                    let found = find(tx, now, &login, id)?;
                    let found = found.filter(|one| one.is_token || matches!(which, Which::One(_)));
                    Some(found.ok_or(Error::NotFound("login"))?)
                }
                Which::Others(_) | Which::All => None,
            };
            let (of, ended) = ("DELETE FROM api_token WHERE login = $1", [(&login).into()]);
            let ended = match which {
                Which::One(id) | Which::Token(id) => {
                    tx.execute(&format!("{of} AND id = $2"), &[ended[0], id.into()])?
                }
                Which::Others(id) => crate::logins::end_others(tx, &login, id)?,
                Which::All => tx.execute(of, &ended)?,
            };
            let was = match &named {
                Some(one) if one.is_token => format!("API token {}", one.name),
                Some(one) => format!("login {}", one.id),
                None => format!("{ended} of them"),
            };
            let action = if matches!(&named, Some(one) if one.is_token) {
                "API token ended"
            } else {
                "logins ended"
            };
            audit(tx, now, &actor, &Act::new(action, &login).changing(Some(&was), None))?;
            Ok(ended)
        })
    }
}
