//! Smart accounts, virtual accounts, purchases, and what happened in them.

use rumline_protocol::Timestamp;
use rumline_store::Tx;
use serde::{Deserialize, Serialize};

use rumline_server::{Only, PartId, ScopeId, check_name, next_id};

use crate::ids::{Account, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};

/// A smart account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmartAccount {
    /// Its number.
    pub id: SmartAccountId,
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: String,
}

/// A virtual account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAccount {
    /// Its number.
    pub id: VirtualAccountId,
    /// Its name, case-sensitive.
    pub name: String,
}

/// How long a purchase lasts (PI-LIC-005).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PurchaseKind {
    /// Without end.
    Perpetual,
    /// For a term.
    Subscription,
}

/// Licences bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// Short name of the licence.
    pub license: String,
    /// How many.
    pub quantity: i64,
    /// How long it lasts.
    pub kind: PurchaseKind,
    /// When it begins, in seconds since 1970.
    pub starts_at: i64,
    /// When it ends, for a subscription.
    pub ends_at: Option<i64>,
}

/// Something that happened in an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    Ok(())
}

/// The condition that a row is of these virtual accounts.
pub(crate) fn within(only: &Only<PartId>) -> String {
    match only {
        Only::All => String::new(),
        Only::These(these) if these.is_empty() => "AND 1 = 0".to_owned(),
        Only::These(these) => {
            let numbers: Vec<String> = these.iter().map(|id| id.0.to_string()).collect();
            format!("AND virtual_account_id IN ({})", numbers.join(", "))
        }
    }
}

pub(crate) fn smart_account(tx: &mut Tx<'_>, id: SmartAccountId) -> Result<SmartAccount, Error> {
    let sql = "SELECT id, name, domain FROM smart_account WHERE id = $1";
    tx.row(sql, &[id.into()], |row| {
        Ok::<_, Error>(SmartAccount { id: row.id(0)?, name: row.text(1)?, domain: row.text(2)? })
    })?
    .ok_or(Error::NotFound("smart account"))
}

/// The smart and virtual account with these names.
pub(crate) fn by_names(
    tx: &mut Tx<'_>,
    smart_account: &str,
    virtual_account: &str,
) -> Result<Option<Account>, Error> {
    let sql = "SELECT smart_account.id, virtual_account.id FROM smart_account
        JOIN virtual_account ON virtual_account.smart_account_id = smart_account.id
        WHERE smart_account.name = $1 AND virtual_account.name = $2";
    tx.row(sql, &[smart_account.into(), virtual_account.into()], |row| Ok((row.id(0)?, row.id(1)?)))
}

pub(crate) fn virtual_account(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: VirtualAccountId,
) -> Result<VirtualAccount, Error> {
    let sql = "SELECT id, name FROM virtual_account WHERE smart_account_id = $1 AND id = $2";
    tx.row(sql, &[smart_account_id.into(), id.into()], |row| {
        Ok::<_, Error>(VirtualAccount { id: row.id(0)?, name: row.text(1)? })
    })?
    .ok_or(Error::NotFound("virtual account"))
}

fn insert_virtual_account(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    name: &str,
) -> Result<VirtualAccount, Error> {
    let id: VirtualAccountId = next_id(tx, "virtual_account")?;
    let sql = "INSERT INTO virtual_account (smart_account_id, id, name, created_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let values = [smart_account_id.into(), id.into(), name.into(), now.0.into()];
    if tx.execute(sql, &values)? == 0 {
        return Err(Error::Conflict(format!("there is a virtual account {name:?} already")));
    }
    Ok(VirtualAccount { id, name: name.to_owned() })
}

impl Cssm {
    /// One smart account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn smart_account(&self, id: SmartAccountId) -> Result<SmartAccount, Error> {
        self.db.read("accounts.one", move |tx| smart_account(tx, id))
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
        check_name("a smart account's name", name)?;
        check_name("a domain", domain)?;
        let (actor, name, domain) = (actor.clone(), name.to_owned(), domain.to_owned());
        self.db.write("accounts.create", move |tx| {
            let id: SmartAccountId = next_id(tx, "smart_account")?;
            let sql = "INSERT INTO smart_account (id, name, domain, created_at)
                VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
            let values = [id.into(), (&name).into(), (&domain).into(), now.0.into()];
            if tx.execute(sql, &values)? == 0 {
                return Err(Error::Conflict(format!("there is a smart account {name:?} already")));
            }
            insert_virtual_account(tx, now, id, "Default")?;
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
            tx.rows("SELECT id, name, domain FROM smart_account ORDER BY id", &[], |row| {
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
        check_name("a virtual account's name", name)?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.db.write("accounts.create_virtual", move |tx| {
            smart_account(tx, smart_account_id)?;
            let account = insert_virtual_account(tx, now, smart_account_id, &name)?;
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
        self.db.read("accounts.virtual", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql =
                "SELECT id, name FROM virtual_account WHERE smart_account_id = $1 ORDER BY id";
            tx.rows(sql, &[smart_account_id.into()], |row| {
                Ok(VirtualAccount { id: row.id(0)?, name: row.text(1)? })
            })
        })
    }

    /// Records a purchase.
    ///
    /// # Errors
    /// When a value is not acceptable.
    pub fn add_purchase(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        virtual_account_id: VirtualAccountId,
        purchase: &Purchase,
    ) -> Result<(), Error> {
        check_name("a licence's name", &purchase.license)?;
        if !(1..=1_000_000_000).contains(&purchase.quantity) {
            return Err(Error::invalid("a quantity is 1 to 1,000,000,000"));
        }
        let ends = match (purchase.kind, purchase.ends_at) {
            (PurchaseKind::Perpetual, None) => None,
            (PurchaseKind::Subscription, Some(at)) if at > purchase.starts_at => Some(at),
            _ => return Err(Error::invalid("a subscription, and only that, ends after it starts")),
        };
        let (actor, purchase) = (actor.clone(), purchase.clone());
        self.db.write("accounts.add_purchase", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let id: i64 = next_id(tx, "purchase")?;
            let kind = match purchase.kind {
                PurchaseKind::Perpetual => "PERPETUAL",
                PurchaseKind::Subscription => "SUBSCRIPTION",
            };
            let sql = "INSERT INTO purchase (smart_account_id, id, virtual_account_id, license,
                quantity, kind, starts_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let values = [
                smart_account_id.into(),
                id.into(),
                virtual_account_id.into(),
                (&purchase.license).into(),
                purchase.quantity.into(),
                kind.into(),
                purchase.starts_at.into(),
                ends.into(),
            ];
            tx.execute(sql, &values)?;
            let text = format!("{} x {} purchased", purchase.quantity, purchase.license);
            add_event(tx, now, smart_account_id, &actor, &text)
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
