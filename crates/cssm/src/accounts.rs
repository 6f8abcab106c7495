//! Smart accounts, virtual accounts, purchases, and what happened in them.

use rumline_protocol::Timestamp;
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use rumline_server::{Act, News, Only, PartId, ScopeId, announce, audit, check_name, next_id};

use crate::ids::{Account, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};

/// A smart account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SmartAccount {
    /// Its number.
    pub id: SmartAccountId,
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: String,
}

/// A virtual account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VirtualAccount {
    /// Its number.
    pub id: VirtualAccountId,
    /// Its name, case-sensitive.
    pub name: String,
    /// What it is for, if somebody said so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// The longest description, in letters.
const DESCRIPTION_LETTERS_MAX: usize = 1_000;

/// Something that happened in an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountEvent {
    /// When.
    pub at: i64,
    /// By whom.
    pub login: String,
    /// What.
    pub text: String,
}

pub(crate) fn add_event(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    actor: &Actor,
    text: &str,
) -> Result<(), Error> {
    let id: i64 = next_id(tx, "account_event")?;
    let sql = "INSERT INTO account_event (smart_account_id, id, at, login, text)
        VALUES ($1, $2, $3, $4, $5)";
    let values =
        [smart_account_id.into(), id.into(), now.0.into(), actor.name().into(), text.into()];
    tx.execute(sql, &values)?;
    let at = format!("/smart-accounts/{smart_account_id}");
    let data = serde_json::json!({ "by": actor.name(), "text": text });
    let news = News { kind: "event", at: &at, subject: None, data };
    announce(tx, now, smart_account_id.into(), &news)?;
    // Of what people did the audit tells more.
    if actor.is_person() {
        audit(tx, now, actor, &Act::new("in the account", text).within(smart_account_id.into()))?;
    }
    Ok(())
}

/// The virtual accounts to ask for, one by one: the texts of statements stay few. None is all of them at once.
pub(crate) fn one_by_one(only: &Only<PartId>) -> Vec<Option<VirtualAccountId>> {
    match only {
        Only::All => vec![None],
        Only::These(these) => these.iter().map(|id| Some((*id).into())).collect(),
    }
}

pub(crate) fn smart_account(tx: &mut Tx<'_>, id: SmartAccountId) -> Result<SmartAccount, Error> {
    let sql = "SELECT id, name, domain FROM smart_account WHERE id = $1 AND closed_at IS NULL";
    tx.row(sql, &[id.into()], |row| {
        Ok::<_, Error>(SmartAccount { id: row.id(0)?, name: row.text(1)?, domain: row.text(2)? })
    })?
    .ok_or(Error::NotFound("smart account"))
}

/// A domain as it is kept: in small letters, and one that could be.
pub(crate) fn checked_domain(domain: &str) -> Result<String, Error> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
        return Ok(domain);
    }
    let text = "a domain is like example.net: letters, digits and hyphens between dots";
    Err(Error::field("domain", text))
}

/// A domain names one smart account.
pub(crate) fn domain_is_free(
    tx: &mut Tx<'_>,
    domain: &str,
    of: Option<SmartAccountId>,
) -> Result<(), Error> {
    let sql = "SELECT id, name FROM smart_account WHERE domain = $1 AND closed_at IS NULL";
    let taken = tx.rows(sql, &[domain.into()], |row| {
        Ok::<_, Error>((row.id::<SmartAccountId>(0)?, row.text(1)?))
    })?;
    match taken.into_iter().find(|(id, _)| Some(*id) != of) {
        Some((_, name)) => {
            Err(Error::Conflict(format!("{domain} is the domain of {name:?} already")))
        }
        None => Ok(()),
    }
}

/// The smart and virtual account with these names.
pub(crate) fn by_names(
    tx: &mut Tx<'_>,
    smart_account: &str,
    virtual_account: &str,
) -> Result<Option<Account>, Error> {
    let sql = "SELECT smart_account.id, virtual_account.id FROM smart_account
        JOIN virtual_account ON virtual_account.smart_account_id = smart_account.id
        WHERE smart_account.name = $1 AND virtual_account.name = $2
        AND smart_account.closed_at IS NULL AND virtual_account.closed_at IS NULL";
    tx.row(sql, &[smart_account.into(), virtual_account.into()], |row| Ok((row.id(0)?, row.id(1)?)))
}

pub(crate) fn virtual_account(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: VirtualAccountId,
) -> Result<VirtualAccount, Error> {
    let sql = "SELECT id, name, description FROM virtual_account WHERE smart_account_id = $1
        AND id = $2 AND closed_at IS NULL";
    tx.row(sql, &[smart_account_id.into(), id.into()], virtual_account_from_row)?
        .ok_or(Error::NotFound("virtual account"))
}

fn virtual_account_from_row(row: &Row<'_>) -> Result<VirtualAccount, Error> {
    Ok(VirtualAccount { id: row.id(0)?, name: row.text(1)?, description: row.text(2)? })
}

fn insert_virtual_account(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    (name, description): (&str, &str),
) -> Result<VirtualAccount, Error> {
    let id: VirtualAccountId = next_id(tx, "virtual_account")?;
    let sql = "INSERT INTO virtual_account (smart_account_id, id, name, created_at, description)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let values =
        [smart_account_id.into(), id.into(), name.into(), now.0.into(), description.into()];
    if tx.execute(sql, &values)? == 0 {
        return Err(Error::Conflict(format!("there is a virtual account {name:?} already")));
    }
    Ok(VirtualAccount { id, name: name.to_owned(), description: description.to_owned() })
}

impl Cssm {
    /// One smart account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn smart_account(&self, id: SmartAccountId) -> Result<SmartAccount, Error> {
        self.db.read("accounts.one", move |tx| smart_account(tx, id))
    }

    /// The smart account with this domain, and its virtual account of this name.
    ///
    /// # Errors
    /// When there is none: which of the two is not there is not for those who could not see the account.
    pub fn account_named(
        &self,
        domain: &str,
        virtual_account: Option<&str>,
    ) -> Result<(SmartAccountId, Option<VirtualAccountId>), Error> {
        let none = || Error::NotFound("account");
        let domain = checked_domain(domain).map_err(|_| none())?;
        let name = virtual_account.map(str::to_owned);
        // No name holds control characters, and a database may refuse to look for them.
        if name.as_ref().is_some_and(|name| name.chars().any(char::is_control)) {
            return Err(none());
        }
        self.db.read("accounts.named", move |tx| {
            let sql = "SELECT id FROM smart_account WHERE domain = $1 AND closed_at IS NULL";
            let id = tx.row(sql, &[(&domain).into()], |row| Ok::<_, Error>(row.id(0)?))?;
            let id: SmartAccountId = id.ok_or_else(none)?;
            let Some(name) = &name else { return Ok((id, None)) };
            let sql = "SELECT id FROM virtual_account WHERE smart_account_id = $1 AND name = $2
                AND closed_at IS NULL";
            let of = tx.row(sql, &[id.into(), name.into()], |row| Ok::<_, Error>(row.id(0)?))?;
            Ok((id, Some(of.ok_or_else(none)?)))
        })
    }

    /// Whether an account is there, and one of its virtual accounts.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_account(
        &self,
        smart_account_id: SmartAccountId,
        virtual_account_id: Option<VirtualAccountId>,
    ) -> Result<(), Error> {
        self.db.read("accounts.check", move |tx| {
            smart_account(tx, smart_account_id)?;
            match virtual_account_id {
                Some(id) => virtual_account(tx, smart_account_id, id).map(|_| ()),
                None => Ok(()),
            }
        })
    }

    /// Creates a smart account with its virtual account `Default`.
    ///
    /// # Errors
    /// When the name is taken or not acceptable.
    pub fn create_smart_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        name: &str,
        domain: &str,
    ) -> Result<SmartAccount, Error> {
        check_name("name", "a smart account's name", name)?;
        let domain = checked_domain(domain)?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.db.write("accounts.create", move |tx| {
            domain_is_free(tx, &domain, None)?;
            let id: SmartAccountId = next_id(tx, "smart_account")?;
            let sql = "INSERT INTO smart_account (id, name, domain, created_at)
                VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            let values = [id.into(), (&name).into(), (&domain).into(), now.0.into()];
            if tx.execute(sql, &values)? == 0 {
                return Err(Error::Conflict(format!("there is a smart account {name:?} already")));
            }
            insert_virtual_account(tx, now, id, ("Default", ""))?;
            add_event(tx, now, id, &actor, "smart account created")?;
            Ok(SmartAccount { id, name: name.clone(), domain: domain.clone() })
        })
    }

    /// The smart accounts a caller may see.
    ///
    /// # Errors
    /// When the store fails.
    pub fn smart_accounts(&self, only: &Only<ScopeId>) -> Result<Vec<SmartAccount>, Error> {
        let all = self.db.read("accounts.list", |tx| {
            let sql = "SELECT id, name, domain FROM smart_account WHERE closed_at IS NULL
                ORDER BY id";
            tx.rows(sql, &[], |row| {
                Ok::<_, Error>(SmartAccount {
                    id: row.id(0)?,
                    name: row.text(1)?,
                    domain: row.text(2)?,
                })
            })
        })?;
        Ok(all.into_iter().filter(|account| only.has(&account.id.into())).collect())
    }

    /// Creates a virtual account (CSSM-002).
    ///
    /// # Errors
    /// When the name is taken or not acceptable.
    pub fn create_virtual_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        name: &str,
    ) -> Result<VirtualAccount, Error> {
        self.create_described_virtual_account(now, actor, smart_account_id, name, "")
    }

    /// The same, and says what it is for.
    ///
    /// # Errors
    /// When the name is taken or not acceptable, or the description is not.
    pub fn create_described_virtual_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        name: &str,
        description: &str,
    ) -> Result<VirtualAccount, Error> {
        check_name("name", "a virtual account's name", name)?;
        let letters = description.chars().count();
        if letters > DESCRIPTION_LETTERS_MAX || description.chars().any(char::is_control) {
            let text = "a description has up to 1,000 printable characters";
            return Err(Error::invalid(text));
        }
        let (actor, name) = (actor.clone(), name.to_owned());
        let description = description.to_owned();
        self.db.write("accounts.create_virtual", move |tx| {
            smart_account(tx, smart_account_id)?;
            let account = {
                let said = (name.as_str(), description.as_str());
                insert_virtual_account(tx, now, smart_account_id, said)?
            };
            let text = format!("virtual account {name:?} created");
            add_event(tx, now, smart_account_id, &actor, &text)?;
            Ok(account)
        })
    }

    /// The virtual accounts of a smart account.
    ///
    /// # Errors
    /// When the store fails.
    pub fn virtual_accounts(
        &self,
        smart_account_id: SmartAccountId,
    ) -> Result<Vec<VirtualAccount>, Error> {
        self.virtual_accounts_where(smart_account_id, "AND closed_at IS NULL")
    }

    /// The same, with those that are closed: what was reported in them stays told.
    ///
    /// # Errors
    /// When the store fails.
    pub fn virtual_accounts_ever(
        &self,
        smart_account_id: SmartAccountId,
    ) -> Result<Vec<VirtualAccount>, Error> {
        self.virtual_accounts_where(smart_account_id, "")
    }

    fn virtual_accounts_where(
        &self,
        smart_account_id: SmartAccountId,
        which: &'static str,
    ) -> Result<Vec<VirtualAccount>, Error> {
        self.db.read("accounts.virtual", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql = format!(
                "SELECT id, name, description FROM virtual_account WHERE smart_account_id = $1 {which}
                ORDER BY id"
            );
            tx.rows(&sql, &[smart_account_id.into()], virtual_account_from_row)
        })
    }

    /// What happened in an account, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn events(
        &self,
        smart_account_id: SmartAccountId,
        limit: i64,
    ) -> Result<Vec<AccountEvent>, Error> {
        self.db.read("accounts.events", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql = "SELECT at, login, text FROM account_event WHERE smart_account_id = $1
                ORDER BY id DESC LIMIT $2";
            tx.rows(sql, &[smart_account_id.into(), limit.clamp(1, 1000).into()], |row| {
                Ok(AccountEvent { at: row.int(0)?, login: row.text(1)?, text: row.text(2)? })
            })
        })
    }
}
