//! People whom a provider names log in: they are made when they do for the first time, with the roles that their groups have
//! here, each time anew.

use rumline_protocol::Timestamp;
use rumline_store::Tx;

use crate::audit::{Act, audit};
use crate::logins::{Admitted, LOGIN, TICKET, TICKET_SECONDS, admit, put_login};
use crate::people::{
    Change, change_in, checked_hash, grants_of, is_disabled, is_last_administrator, kind_of,
    put_grant,
};
use crate::provided::{login_provided, put_provided};
use crate::{Actor, Begun, Error, Grant, Kind, People, Role, check_name, random_hex};

/// Somebody who logged in at a provider, as was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// The provider.
    pub issuer: String,
    /// What it calls them, for good.
    pub subject: String,
    /// What they are to be called here, if they are new.
    pub login: String,
    /// What their groups may do.
    pub grants: Vec<Grant>,
}

/// What became of it, in the transaction that tells the audit.
enum Outcome {
    In,
    NeedsCode,
    Refused(String),
}

const NO_ROLE: &str = "the provider names you, and none of the groups that it says you are in has a role here: \
    ask whoever administers this server";
const DISABLED: &str = "you may not log in: an administrator has disabled you";

const LAST: &str = "the provider says that you administer this server no more, and nobody else does: another administrator of \
    everything has to be made first, on the machine itself";
/// Whom the audit names where nobody of here is known.
const BY_PROVIDER: &str = "by the provider";

/// Grants in the place of those there were.
fn put_grants(tx: &mut Tx<'_>, login: &str, grants: &[Grant]) -> Result<(), Error> {
    tx.execute("DELETE FROM grant_of WHERE login = $1", &[login.into()])?;
    grants.iter().try_for_each(|grant| put_grant(tx, login, grant))
}

/// Somebody who is new, if nobody else is called so.
fn add(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    provided: &Provided,
    hash: &str,
) -> Result<bool, Error> {
    let login = actor.name();
    if kind_of(tx, login)?.is_some() {
        return Ok(false);
    }
    change_in(tx, now, actor, login, Change::of_person("person added"), |tx, login| {
        let sql = "INSERT INTO person (login, password_hash, created_at, kind)
            VALUES ($1, $2, $3, $4)";
        let values = [login.into(), hash.into(), now.0.into(), Kind::Person.name().into()];
        tx.execute(sql, &values)?;
        put_provided(tx, &provided.issuer, &provided.subject, login)?;
        put_grants(tx, login, &provided.grants)
    })?;
    Ok(true)
}

/// Somebody who is known: roles follow the groups, and where there are none left, logins end. The last administrator of everything
/// stays one, and does not get in: whether that is done.
fn follow(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    provided: &Provided,
) -> Result<bool, Error> {
    let mut wanted = provided.grants.clone();
    wanted.sort_by_key(|grant| (grant.scope_id, grant.part_id));
    if grants_of(tx, actor.name())? == wanted {
        return Ok(true);
    }
    let administers = |grant: &Grant| *grant == Grant::of(Role::Administrator, None);
    if is_last_administrator(tx, actor.name())? && !wanted.iter().any(administers) {
        tx.execute("DELETE FROM api_token WHERE login = $1", &[actor.name().into()])?;
        return Ok(false);
    }
    let change = if wanted.is_empty() {
        Change::of_person("roles follow groups")
    } else {
        Change::of_role("roles follow groups", None)
    };
    change_in(tx, now, actor, actor.name(), change, |tx, login| put_grants(tx, login, &wanted))?;
    Ok(true)
}

/// Who brings a login that is none: as whom is not known, so each address is one of its own. No login holds a zero.
fn nobody_at(address: &str) -> String {
    format!("\0{address}")
}

impl People {
    /// Lets somebody in whom a provider named: they are added if they are new, and have the roles of their groups from now on.
    ///
    /// # Errors
    /// When their groups have no role, they are disabled, their name is another one's, or the store fails.
    pub fn log_in_provided(
        &self,
        now: Timestamp,
        provided: &Provided,
        address: &str,
    ) -> Result<Begun, Error> {
        // Nobody knows it: who logs in by a provider has no password.
        let hash = checked_hash("password", &random_hex(&self.random, 24))?;
        let token = random_hex(&self.random, 32);
        let here = address.to_owned();
        let (given, provided, address) = (token.clone(), provided.clone(), address.to_owned());
        let outcome = self.db.write("logins.provided", move |tx| {
            let known = login_provided(tx, &provided.issuer, &provided.subject)?;
            let login = known.as_deref().unwrap_or(&provided.login);
            let how = format!("logged in at {}", provided.issuer);
            let actor = Actor::person(login).at(Some(&address)).because(Some(&how));
            let is_known = known.is_some();
            let refused = |tx: &mut Tx<'_>, why: &str| {
                // Whoever is not known here chose the name: it is not told as somebody's of here.
                let (act, of) = if is_known {
                    (Act::new("login", login), actor.clone())
                } else {
                    let who = format!("{} at {}", provided.subject, provided.issuer);
                    let of = Actor::system().at(Some(&address)).because(Some(&who));
                    (Act::new("login", BY_PROVIDER), of)
                };
                audit(tx, now, &of, &act.refused(why))?;
                Ok::<_, Error>(Outcome::Refused(why.to_owned()))
            };
            if is_known && !follow(tx, now, &actor, &provided)? {
                return refused(tx, LAST);
            }
            if provided.grants.is_empty() {
                return refused(tx, NO_ROLE);
            }
            // The provider's names are not this server's: what cannot be one here is refused in words.
            let what = "the name by which the provider logs somebody in";
            if let (false, Err(error)) = (is_known, check_name("login", what, login)) {
                return refused(tx, &error.to_string());
            }
            if known.is_none() && !add(tx, now, &actor, &provided, &hash)? {
                let why = format!(
                    "the login {login} is of somebody else here: an administrator removes one of the two"
                );
                return refused(tx, &why);
            }
            if is_disabled(tx, login)? {
                return refused(tx, DISABLED);
            }
            match admit(tx, now, &actor, None)? {
                Admitted::In => {
                    put_login(tx, (now, now + Self::TOKEN_SECONDS), &given, &actor, LOGIN)?;
                    Ok(Outcome::In)
                }
                Admitted::CodeMissing | Admitted::Code(_) | Admitted::SecretEnded => {
                    put_login(tx, (now, now + TICKET_SECONDS), &given, &actor, TICKET)?;
                    Ok(Outcome::NeedsCode)
                }
            }
        })?;
        if matches!(outcome, Outcome::Refused(_)) {
            self.provided_failed(now, &here);
        } else {
            self.throttle().succeeded(&nobody_at(&here), &here);
        }
        match outcome {
            Outcome::In => Ok(Begun::Done(token)),
            Outcome::NeedsCode => Ok(Begun::NeedsCode(token)),
            Outcome::Refused(why) => Err(Error::Conflict(why)),
        }
    }

    /// A provider said something that is not believed: the audit tells of it, and whoever came with it is slowed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn distrusted(&self, now: Timestamp, why: &str, address: &str) -> Result<(), Error> {
        self.provided_failed(now, address);
        let (why, actor) = (why.to_owned(), Actor::system().at(Some(address)));
        self.db.write("logins.distrusted", move |tx| {
            audit(tx, now, &actor, &Act::new("login", BY_PROVIDER).refused(&why))
        })
    }

    /// How long whoever is at this address has to wait before the next login by a provider.
    #[must_use]
    pub fn provided_wait_seconds(&self, now: Timestamp, address: &str) -> Option<i64> {
        self.wait_seconds(now, &nobody_at(address), address)
    }

    /// Notes that somebody brought a login that is none.
    pub fn provided_failed(&self, now: Timestamp, address: &str) {
        self.failed(now, &nobody_at(address), address);
    }
}
