//! Id tokens of a tenant: with them switches of before Smart Licensing Using Policy register here (guide p. 29, 52; ONPREM-018, C-39).
//!
//! They look as those of CSSM do and bear its mark, so that a switch shows none to a server of another CSSM. CSSM does not know them.

use std::sync::PoisonError;

use rumline_protocol::{Timestamp, is_id_token_of, is_not_of_the_future, new_id_token};
use rumline_server::next_id;
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{IdTokenId, TenantId};
use crate::journal::add_event;
use crate::{Actor, Collector, Error, Kind, tenants};

/// The most tokens of a tenant that are kept; the oldest that are of no use go first.
const TOKENS_MAX: i64 = 1_000;

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIdToken {
    /// For people; up to 255 characters.
    #[serde(default)]
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

/// An id token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdToken {
    /// Its number.
    pub id: IdTokenId,
    /// The text to give to `license smart register idtoken`.
    pub value: String,
    /// For people.
    pub description: String,
    /// When it was made, in seconds.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it ends, in seconds.
    pub expires_at: i64,
    /// How often it may be used.
    pub uses_max: Option<i64>,
    /// How often it was.
    pub uses: i64,
    /// When it was revoked, in seconds.
    pub revoked_at: Option<i64>,
}

const COLUMNS: &str = "id, value, description, created_at, created_by, expires_at, uses_max, uses, \
    revoked_at";

fn from_row(row: &Row<'_>) -> Result<IdToken, Error> {
    Ok(IdToken {
        id: row.id(0)?,
        value: row.text(1)?,
        description: row.text(2)?,
        created_at: row.int(3)?,
        created_by: row.text(4)?,
        expires_at: row.int(5)?,
        uses_max: row.opt_int(6)?,
        uses: row.int(7)?,
        revoked_at: row.opt_int(8)?,
    })
}

impl IdToken {
    /// How people know it: by its description, else by its number.
    pub(crate) fn name(&self) -> String {
        if self.description.is_empty() {
            format!("token {}", self.id)
        } else {
            format!("token {:?}", self.description)
        }
    }

    /// Why it may not be used now, if it may not.
    #[must_use]
    pub fn refusal(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            Some("the token has been revoked")
        } else if self.expires_at <= now.0 {
            Some("the token has expired")
        } else if !is_not_of_the_future(now, Timestamp(self.created_at)) {
            // Made while the clock of this server was ahead: it would last longer than anybody wanted.
            Some("the token was made under a wrong clock: make a new one")
        } else if self.uses_max.is_some_and(|max| self.uses >= max) {
            Some("the token has been used as often as it may be")
        } else {
            None
        }
    }
}

/// The token with this value and its tenant, whether or not it may be used.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    cssm: &str,
    value: &str,
) -> Result<Option<(TenantId, IdToken)>, Error> {
    // What does not bear the mark was guessed, and is looked for nowhere.
    if !is_id_token_of(value, cssm) {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS}, tenant_id FROM id_token WHERE value = $1");
    tx.row(&sql, &[value.into()], |row| Ok((row.id(9)?, from_row(row)?)))
}

pub(crate) fn count_use(tx: &mut Tx<'_>, id: (TenantId, IdTokenId)) -> Result<(), Error> {
    let sql = "UPDATE id_token SET uses = uses + 1 WHERE tenant_id = $1 AND id = $2";
    tx.execute(sql, &[id.0.into(), id.1.into()])?;
    Ok(())
}

fn one(tx: &mut Tx<'_>, tenant_id: TenantId, id: IdTokenId) -> Result<IdToken, Error> {
    let sql = format!("SELECT {COLUMNS} FROM id_token WHERE tenant_id = $1 AND id = $2");
    tx.row(&sql, &[tenant_id.into(), id.into()], from_row)?.ok_or(Error::NotFound("id token"))
}

impl Collector {
    /// Makes an id token of a tenant.
    ///
    /// # Errors
    /// When a value is not acceptable, the server is a CSLU, or CSSM's root certificate is not known here.
    pub fn create_id_token(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        new: &NewIdToken,
    ) -> Result<IdToken, Error> {
        if self.settings.kind == Kind::Cslu {
            return Err(Error::invalid("a CSLU registers no switches; they register with CSSM"));
        }
        if self.cssm_id().is_empty() {
            let text = "CSSM's root certificate is not known here; start with --root";
            return Err(Error::Conflict(text.to_owned()));
        }
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
            new_id_token(&mut *random, self.cssm_id())
        };
        let (actor, new) = (actor.clone(), new.clone());
        self.db.write("id_tokens.create", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let sql = "DELETE FROM id_token WHERE tenant_id = $1 AND (expires_at <= $2
                OR revoked_at IS NOT NULL) AND id <= (SELECT MAX(id) FROM id_token
                WHERE tenant_id = $1) - $3";
            tx.execute(sql, &[tenant_id.into(), now.0.into(), TOKENS_MAX.into()])?;
            let id: IdTokenId = next_id(tx, "id_token")?;
            let sql = "INSERT INTO id_token (tenant_id, id, value, description, created_at,
                created_by, expires_at, uses_max, uses) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)";
            let values = [
                tenant_id.into(),
                id.into(),
                (&value).into(),
                (&new.description).into(),
                now.0.into(),
                actor.name().into(),
                now.plus_days(new.expires_after_days).0.into(),
                new.uses_max.map(i64::from).into(),
            ];
            tx.execute(sql, &values)?;
            let made = one(tx, tenant_id, id)?;
            add_event(tx, now, tenant_id, &actor, &format!("{} created", made.name()))?;
            Ok(made)
        })
    }

    /// The id tokens of a tenant, newest first.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn id_tokens(&self, tenant_id: TenantId) -> Result<Vec<IdToken>, Error> {
        self.db.read("id_tokens.list", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let sql =
                format!("SELECT {COLUMNS} FROM id_token WHERE tenant_id = $1 ORDER BY id DESC");
            tx.rows(&sql, &[tenant_id.into()], from_row)
        })
    }

    /// Revokes an id token: nobody registers with it from now on. Who did stays registered.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn revoke_id_token(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        id: IdTokenId,
    ) -> Result<IdToken, Error> {
        let actor = actor.clone();
        self.db.write("id_tokens.revoke", move |tx| {
            let name = one(tx, tenant_id, id)?.name();
            let sql = "UPDATE id_token SET revoked_at = $1
                WHERE tenant_id = $2 AND id = $3 AND revoked_at IS NULL";
            if tx.execute(sql, &[now.0.into(), tenant_id.into(), id.into()])? > 0 {
                add_event(tx, now, tenant_id, &actor, &format!("{name} revoked"))?;
            }
            one(tx, tenant_id, id)
        })
    }
}
