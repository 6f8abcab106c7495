//! Accounts get other names, and their product instances are told (CSSM-002, PI-TRUST-011).

use rumline_protocol::Timestamp;
use rumline_server::check_name;
use rumline_store::Tx;

use crate::accounts::{
    SmartAccount, VirtualAccount, add_event, checked_domain, domain_is_free, smart_account,
    virtual_account,
};
use crate::ids::{SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error};

/// The names of an account changed, which the trust codes of its product instances say: each is given another one.
pub(crate) fn names_changed(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: Option<VirtualAccountId>,
) -> Result<(), Error> {
    let all = "UPDATE product_instance SET trust_virtual_account_id = NULL
        WHERE smart_account_id = $1";
    let of_one = "UPDATE product_instance SET trust_virtual_account_id = NULL
        WHERE smart_account_id = $1 AND virtual_account_id = $2";
    match virtual_account_id {
        None => tx.execute(all, &[smart_account_id.into()])?,
        Some(id) => tx.execute(of_one, &[smart_account_id.into(), id.into()])?,
    };
    Ok(())
}

/// Collectors speak for an account by its name, and believe nobody who calls it otherwise.
fn no_collector_speaks(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    virtual_account_id: Option<VirtualAccountId>,
) -> Result<(), Error> {
    let all = "SELECT name FROM collector WHERE smart_account_id = $1 AND removed_at IS NULL
        ORDER BY id LIMIT 1";
    let of_one =
        "SELECT name FROM collector WHERE smart_account_id = $1 AND virtual_account_id = $2
        AND removed_at IS NULL ORDER BY id LIMIT 1";
    let sa = smart_account_id.into();
    let found = match virtual_account_id {
        None => tx.row(all, &[sa], |row| row.text(0))?,
        Some(id) => tx.row(of_one, &[sa, id.into()], |row| row.text(0))?,
    };
    match found {
        None => Ok(()),
        Some(name) => Err(Error::Conflict(format!(
            "the collector {name:?} speaks for it by its name: remove it, and register it anew under the new name"
        ))),
    }
}

impl Cssm {
    /// Gives a smart account another name and domain.
    ///
    /// # Errors
    /// When one of them is taken or not acceptable, or a collector speaks for it.
    pub fn rename_smart_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        id: SmartAccountId,
        name: &str,
        domain: &str,
    ) -> Result<SmartAccount, Error> {
        check_name("name", "a smart account's name", name)?;
        let domain = checked_domain(domain)?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.db
            .write("accounts.rename", move |tx| {
                let before = smart_account(tx, id)?;
                domain_is_free(tx, &domain, Some(id))?;
                let sql = "SELECT id FROM smart_account WHERE name = $1 AND id <> $2";
                if tx.row(sql, &[(&name).into(), id.into()], |row| row.int(0))?.is_some() {
                    return Err(Error::Conflict(format!(
                        "there is a smart account {name:?} already"
                    )));
                }
                let sql = "UPDATE smart_account SET name = $1, domain = $2 WHERE id = $3";
                tx.execute(sql, &[(&name).into(), (&domain).into(), id.into()])?;
                let text = format!(
                    "smart account {:?} ({}) is {name:?} ({domain}) now",
                    before.name, before.domain
                );
                add_event(tx, now, id, &actor, &text)?;
                if before.name != name {
                    no_collector_speaks(tx, id, None)?;
                    names_changed(tx, id, None)?;
                }
                smart_account(tx, id)
            })
            .inspect(|_| self.forget_standing())
    }

    /// Gives a virtual account another name.
    ///
    /// # Errors
    /// When it is taken or not acceptable, or a collector speaks for it.
    pub fn rename_virtual_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: VirtualAccountId,
        name: &str,
    ) -> Result<VirtualAccount, Error> {
        check_name("name", "a virtual account's name", name)?;
        let (actor, name) = (actor.clone(), name.to_owned());
        self.db
            .write("accounts.rename_virtual", move |tx| {
                let before = virtual_account(tx, smart_account_id, id)?;
                let sql = "SELECT id FROM virtual_account WHERE smart_account_id = $1 AND name = $2
                AND id <> $3";
                let values = [smart_account_id.into(), (&name).into(), id.into()];
                if tx.row(sql, &values, |row| row.int(0))?.is_some() {
                    return Err(Error::Conflict(format!(
                        "there is a virtual account {name:?} already"
                    )));
                }
                let sql =
                    "UPDATE virtual_account SET name = $2 WHERE smart_account_id = $1 AND id = $3";
                tx.execute(sql, &values)?;
                let text = format!("virtual account {:?} is {name:?} now", before.name);
                add_event(tx, now, smart_account_id, &actor, &text)?;
                if before.name != name {
                    no_collector_speaks(tx, smart_account_id, Some(id))?;
                    names_changed(tx, smart_account_id, Some(id))?;
                }
                virtual_account(tx, smart_account_id, id)
            })
            .inspect(|_| self.forget_standing())
    }
}
