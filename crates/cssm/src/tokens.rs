//! Registration tokens (guide p. 42-43; CSSM-003, 010, 011, 012; G-18).

use std::sync::PoisonError;

use rumline_protocol::{Timestamp, is_not_of_the_future, new_id_token};
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, virtual_account};
use crate::ids::{SmartAccountId, TokenId, VirtualAccountId};
use crate::{Actor, Cssm, Error};
use rumline_server::next_id;

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For people.
    #[schemars(length(max = 255))]
    pub description: String,
    /// `Expire After`, in days, 1 to 365.
    #[serde(default = "default_days")]
    #[schemars(range(min = 1, max = 365))]
    pub expires_after_days: u32,
    /// `Max. Number of Uses`; none for no limit.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub uses_max: Option<u32>,
}

fn default_days() -> u32 {
    30
}

/// A registration token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RegistrationToken {
    /// Its number.
    pub id: TokenId,
    /// The virtual account it registers into.
    pub virtual_account_id: VirtualAccountId,
    /// The text to give to `license smart trust idtoken`.
    pub value: String,
    /// For people.
    pub description: String,
    /// When it was made.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    pub expires_at: i64,
    /// How often it may be used.
    pub uses_max: Option<i64>,
    /// How often it was.
    pub uses: i64,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}

const COLUMNS: &str = "id, virtual_account_id, value, description, created_at, created_by, \
    expires_at, uses_max, uses, revoked_at";

fn from_row(row: &Row<'_>) -> Result<RegistrationToken, Error> {
    Ok(RegistrationToken {
        id: row.id(0)?,
        virtual_account_id: row.id(1)?,
        value: row.text(2)?,
        description: row.text(3)?,
        created_at: row.int(4)?,
        created_by: row.text(5)?,
        expires_at: row.int(6)?,
        uses_max: row.opt_int(7)?,
        uses: row.int(8)?,
        revoked_at: row.opt_int(9)?,
    })
}

impl RegistrationToken {
    /// How people know it: by its description, else by its number.
    pub(crate) fn name(&self) -> String {
        if self.description.is_empty() {
            format!("token {}", self.id)
        } else {
            format!("token {:?}", self.description)
        }
    }

    /// Why it may not be used now, if it may not.
    pub(crate) fn refusal(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            Some("the token has been revoked")
        } else if self.expires_at <= now.0 {
            Some("the token has expired")
        } else if !is_not_of_the_future(now, Timestamp(self.created_at)) {
            // Made while the clock of this server was ahead: it would last longer than anybody wanted.
            Some("the token was made under a wrong clock: make a new one")
        } else {
            None
        }
    }

    /// Whether it has been used as often as it may be.
    pub(crate) fn is_used_up(&self) -> bool {
        self.uses_max.is_some_and(|max| self.uses >= max)
    }
}

/// The token with this value and its smart account, whether or not it may be used.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    value: &str,
) -> Result<Option<(SmartAccountId, RegistrationToken)>, Error> {
    if !value.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let sql =
        format!("SELECT {COLUMNS}, smart_account_id FROM registration_token WHERE value = $1");
    tx.row(&sql, &[value.into()], |row| Ok((row.id(10)?, from_row(row)?)))
}

pub(crate) fn count_use(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    token_id: TokenId,
) -> Result<(), Error> {
    let sql =
        "UPDATE registration_token SET uses = uses + 1 WHERE smart_account_id = $1 AND id = $2";
    tx.execute(sql, &[smart_account_id.into(), token_id.into()])?;
    Ok(())
}

/// The virtual account of one of them.
pub(crate) fn virtual_account_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: i64,
) -> Result<Option<VirtualAccountId>, Error> {
    let sql = "SELECT virtual_account_id FROM registration_token WHERE smart_account_id = $1
        AND id = $2";
    Ok(tx.row(sql, &[smart_account_id.into(), id.into()], |row| row.id(0))?)
}

impl Cssm {
    /// Creates a token for a virtual account.
    ///
    /// # Errors
    /// When a value is not acceptable.
    pub fn create_token(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
        new: &NewToken,
    ) -> Result<RegistrationToken, Error> {
        if new.description.chars().count() > 255 || new.description.chars().any(char::is_control) {
            return Err(Error::field(
                "description",
                "a description has at most 255 printable characters",
            ));
        }
        if !(1..=365).contains(&new.expires_after_days) {
            return Err(Error::field("expires_after_days", "a token expires after 1 to 365 days"));
        }
        if new.uses_max == Some(0) {
            return Err(Error::field("uses_max", "a token may be used at least once"));
        }
        let value = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            new_id_token(&mut *random, &self.id)
        };
        let (actor, new) = (actor.clone(), new.clone());
        self.db.write("tokens.create", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let id: TokenId = next_id(tx, "registration_token")?;
            let expires_at = now.plus_days(new.expires_after_days);
            let sql = "INSERT INTO registration_token (smart_account_id, id, virtual_account_id,
                value, description, created_at, created_by, expires_at, uses_max, uses)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";
            let values = [
                smart_account_id.into(),
                id.into(),
                virtual_account_id.into(),
                (&value).into(),
                (&new.description).into(),
                now.0.into(),
                actor.name().into(),
                expires_at.0.into(),
                new.uses_max.map(i64::from).into(),
            ];
            tx.execute(sql, &values)?;
            let created = token(tx, smart_account_id, id)?;
            let text = format!("{} created", created.name());
            add_event(tx, now, smart_account_id, &actor, &text)?;
            Ok(created)
        })
    }

    /// The tokens of a virtual account, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tokens(
        &self,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
    ) -> Result<Vec<RegistrationToken>, Error> {
        self.db.read("tokens.list", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM registration_token WHERE smart_account_id = $1
                AND virtual_account_id = $2 ORDER BY id DESC"
            );
            tx.rows(&sql, &[smart_account_id.into(), virtual_account_id.into()], from_row)
        })
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn revoke_token(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: TokenId,
    ) -> Result<RegistrationToken, Error> {
        let actor = actor.clone();
        self.db.write("tokens.revoke", move |tx| {
            let text = format!("{} revoked", token(tx, smart_account_id, id)?.name());
            let sql = "UPDATE registration_token SET revoked_at = $1
                WHERE smart_account_id = $2 AND id = $3 AND revoked_at IS NULL";
            tx.execute(sql, &[now.0.into(), smart_account_id.into(), id.into()])?;
            add_event(tx, now, smart_account_id, &actor, &text)?;
            token(tx, smart_account_id, id)
        })
    }
}

fn token(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: TokenId,
) -> Result<RegistrationToken, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM registration_token WHERE smart_account_id = $1 AND id = $2");
    tx.row(&sql, &[smart_account_id.into(), id.into()], from_row)?
        .ok_or(Error::NotFound("registration token"))
}
