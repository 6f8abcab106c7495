//! Registration tokens (guide p. 42-43; CSSM-003, 010, 011, 012; G-18).

use rumline_protocol::Timestamp;
use rumline_store::{Row, Tx};
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, virtual_account};
use crate::{Cssm, Error};
use rumline_server::next_id;

/// What a new token is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For people.
    pub description: String,
    /// `Expire After`, in days, 1 to 365.
    #[serde(default = "default_days")]
    pub expires_after_days: u32,
    /// `Max. Number of Uses`; none for no limit.
    #[serde(default)]
    pub uses_max: Option<u32>,
}

fn default_days() -> u32 {
    30
}

/// A registration token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationToken {
    /// Its number.
    pub id: i64,
    /// The virtual account it registers into.
    pub virtual_account_id: i64,
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
        id: row.int(0)?,
        virtual_account_id: row.int(1)?,
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

/// The account a token that may be used now belongs to: smart account, virtual account, token.
pub(crate) fn usable_token(
    tx: &mut Tx<'_>,
    now: Timestamp,
    value: &str,
) -> Result<(i64, RegistrationToken), Error> {
    if !value.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Error::invalid("the token is not valid"));
    }
    let sql =
        format!("SELECT {COLUMNS}, smart_account_id FROM registration_token WHERE value = $1");
    let found =
        tx.row(&sql, &[value.into()], |row| Ok::<_, Error>((row.int(10)?, from_row(row)?)))?;
    let (smart_account_id, token) =
        found.ok_or_else(|| Error::invalid("the token is not valid"))?;
    if token.revoked_at.is_some() {
        return Err(Error::invalid("the token has been revoked"));
    }
    if token.expires_at <= now.0 {
        return Err(Error::invalid("the token has expired"));
    }
    Ok((smart_account_id, token))
}

/// Whether the token may be used once more.
pub(crate) fn check_uses(token: &RegistrationToken) -> Result<(), Error> {
    if token.uses_max.is_some_and(|max| token.uses >= max) {
        return Err(Error::invalid("the token has been used as often as it may be"));
    }
    Ok(())
}

pub(crate) fn count_use(
    tx: &mut Tx<'_>,
    smart_account_id: i64,
    token_id: i64,
) -> Result<(), Error> {
    let sql =
        "UPDATE registration_token SET uses = uses + 1 WHERE smart_account_id = $1 AND id = $2";
    tx.execute(sql, &[smart_account_id.into(), token_id.into()])?;
    Ok(())
}

impl Cssm {
    /// Creates a token for a virtual account.
    ///
    /// # Errors
    /// When a value is not acceptable.
    pub fn create_token(
        &self,
        now: Timestamp,
        login: &str,
        smart_account_id: i64,
        virtual_account_id: i64,
        new: &NewToken,
    ) -> Result<RegistrationToken, Error> {
        if new.description.chars().count() > 255 || new.description.chars().any(char::is_control) {
            return Err(Error::invalid("a description has at most 255 printable characters"));
        }
        if !(1..=365).contains(&new.expires_after_days) {
            return Err(Error::invalid("a token expires after 1 to 365 days"));
        }
        if new.uses_max == Some(0) {
            return Err(Error::invalid("a token may be used at least once"));
        }
        let mut bytes = [0; 36];
        self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(&mut bytes);
        // Letters and digits only, so that it can be typed and pasted anywhere.
        let value = rumline_protocol::base64(&bytes).replace(['+', '/', '='], "x");
        let (login, new) = (login.to_owned(), new.clone());
        self.db.write("tokens.create", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let id = next_id(tx, "registration_token")?;
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
                (&login).into(),
                expires_at.0.into(),
                new.uses_max.map(i64::from).into(),
            ];
            tx.execute(sql, &values)?;
            add_event(tx, now, smart_account_id, &login, &format!("token {id} created"))?;
            token(tx, smart_account_id, id)
        })
    }

    /// The tokens of a virtual account, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tokens(
        &self,
        smart_account_id: i64,
        virtual_account_id: i64,
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
        login: &str,
        smart_account_id: i64,
        id: i64,
    ) -> Result<RegistrationToken, Error> {
        let login = login.to_owned();
        self.db.write("tokens.revoke", move |tx| {
            token(tx, smart_account_id, id)?;
            let sql = "UPDATE registration_token SET revoked_at = $1
                WHERE smart_account_id = $2 AND id = $3 AND revoked_at IS NULL";
            tx.execute(sql, &[now.0.into(), smart_account_id.into(), id.into()])?;
            add_event(tx, now, smart_account_id, &login, &format!("token {id} revoked"))?;
            token(tx, smart_account_id, id)
        })
    }
}

fn token(tx: &mut Tx<'_>, smart_account_id: i64, id: i64) -> Result<RegistrationToken, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM registration_token WHERE smart_account_id = $1 AND id = $2");
    tx.row(&sql, &[smart_account_id.into(), id.into()], from_row)?
        .ok_or(Error::NotFound("registration token"))
}
