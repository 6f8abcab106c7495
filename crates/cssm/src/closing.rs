//! Accounts end: a virtual account is merged into another one, or closed once nothing is in it (CSSM-002, 004, 005).

use rumline_protocol::Timestamp;
use rumline_store::Tx;

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::files::UsageFile;
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::{Actor, Cssm, Error, claims, instances};

/// Product instances that are moved in one go.
const MOVED_MAX: usize = 1_000;

const COLLECTORS: &str = "collectors";
const FILES: &str = "usage files that are being taken in";

/// What is still in a virtual account.
fn contents(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    id: VirtualAccountId,
) -> Result<Vec<&'static str>, Error> {
    let ids = [smart_account_id.into(), id.into()];
    let (at, status) = (now.0.into(), UsageFile::PROCESSING.into());
    let mut found = Vec::new();
    for (sql, third, what) in [
        (
            "SELECT virtual_account_id FROM product_instance WHERE smart_account_id = $1 AND virtual_account_id = $2
            AND removed_at IS NULL LIMIT 1",
            None,
            "product instances",
        ),
        (
            "SELECT holding.virtual_account_id FROM holding JOIN purchase
            ON purchase.smart_account_id = holding.smart_account_id AND purchase.id = holding.purchase_id
            WHERE holding.smart_account_id = $1 AND holding.virtual_account_id = $2 AND holding.quantity <> 0
            AND (purchase.ends_at IS NULL OR purchase.ends_at > $3) LIMIT 1",
            Some(at),
            "licenses",
        ),
        (
            "SELECT virtual_account_id FROM collector WHERE smart_account_id = $1 AND virtual_account_id = $2
            AND removed_at IS NULL LIMIT 1",
            None,
            COLLECTORS,
        ),
        (
            "SELECT virtual_account_id FROM usage_file WHERE smart_account_id = $1 AND virtual_account_id = $2
            AND status = $3 LIMIT 1",
            Some(status),
            FILES,
        ),
    ] {
        let values: Vec<_> = ids.into_iter().chain(third).collect();
        if tx.row(sql, &values, |row| row.int(0))?.is_some() {
            found.push(what);
        }
    }
    Ok(found)
}

/// It is there no more: its tokens let nobody in, its policy holds for nobody, and its name is free.
fn close(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    smart_account_id: SmartAccountId,
    id: VirtualAccountId,
    name: &str,
) -> Result<(), Error> {
    let ids = [smart_account_id.into(), id.into(), now.0.into()];
    tx.execute(
        "UPDATE registration_token SET revoked_at = $3 WHERE smart_account_id = $1
        AND virtual_account_id = $2 AND revoked_at IS NULL",
        &ids,
    )?;
    tx.execute(
        "DELETE FROM policy WHERE smart_account_id = $1 AND virtual_account_id = $2",
        &ids[..2],
    )?;
    claims::leave(tx, now, smart_account_id, id, None)?;
    let name = format!("{name} (closed {id})");
    tx.execute(
        "UPDATE virtual_account SET closed_at = $3, name = $4 WHERE smart_account_id = $1 AND id = $2",
        &[ids[0], ids[1], ids[2], (&name).into()],
    )?;
    rumline_server::forget(tx, now, actor, smart_account_id.into(), Some(id.into()))
}

impl Cssm {
    /// Closes a virtual account in which nothing is left.
    ///
    /// # Errors
    /// When something is, or it is the last one.
    pub fn close_virtual_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: VirtualAccountId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("accounts.close_virtual", move |tx| {
            let account = virtual_account(tx, smart_account_id, id)?;
            let left = contents(tx, now, smart_account_id, id)?;
            if !left.is_empty() {
                let (name, left) = (account.name, left.join(" and "));
                let text =
                    format!("{name:?} still has {left}: transfer or remove them, or merge it");
                return Err(Error::Conflict(text));
            }
            let sql = "SELECT id FROM virtual_account WHERE smart_account_id = $1 AND id <> $2
                AND closed_at IS NULL LIMIT 1";
            let ids = [smart_account_id.into(), id.into()];
            if tx.row(sql, &ids, |row| row.int(0))?.is_none() {
                let text = "it is the last virtual account: close the smart account instead";
                return Err(Error::Conflict(text.to_owned()));
            }
            close(tx, now, &actor, smart_account_id, id, &account.name)?;
            let text = format!("virtual account {:?} closed", account.name);
            add_event(tx, now, smart_account_id, &actor, &text)
        })
    }

    /// Closes a smart account in which nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn close_smart_account(
        &self,
        now: Timestamp,
        actor: &Actor,
        id: SmartAccountId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("accounts.close", move |tx| {
            let account = smart_account(tx, id)?;
            let sql = "SELECT id, name FROM virtual_account WHERE smart_account_id = $1
                AND closed_at IS NULL ORDER BY id";
            let parts: Vec<(VirtualAccountId, String)> =
                tx.rows(sql, &[id.into()], |row| Ok::<_, Error>((row.id(0)?, row.text(1)?)))?;
            for (part, name) in &parts {
                let left = contents(tx, now, id, *part)?;
                if !left.is_empty() {
                    let left = left.join(" and ");
                    let text = format!("{name:?} still has {left}: remove them first");
                    return Err(Error::Conflict(text));
                }
            }
            let text = format!("smart account {:?} closed", account.name);
            add_event(tx, now, id, &actor, &text)?;
            for (part, name) in &parts {
                close(tx, now, &actor, id, *part, name)?;
            }
            let name = format!("{} (closed {id})", account.name);
            let sql = "UPDATE smart_account SET closed_at = $1, name = $2 WHERE id = $3";
            tx.execute(sql, &[now.0.into(), (&name).into(), id.into()])?;
            rumline_server::forget(tx, now, &actor, id.into(), None)
        })
    }

    /// Moves product instances to another virtual account of their smart account, all of them or none; or says only which
    /// would move.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn transfer_instances(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        ids: &[InstanceId],
        virtual_account_id: VirtualAccountId,
        is_preview: bool,
    ) -> Result<Vec<InstanceId>, Error> {
        if ids.is_empty() || ids.len() > MOVED_MAX {
            return Err(Error::field("ids", "1 to 1,000 product instances are moved at a time"));
        }
        let (actor, ids) = (actor.clone(), ids.to_vec());
        self.db.write("inventory.transfer_many", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let mut moved = Vec::new();
            for id in &ids {
                let mut instance = instances::of_account(tx, smart_account_id, *id)?;
                if instance.virtual_account_id == virtual_account_id || moved.contains(id) {
                    continue;
                }
                moved.push(*id);
                if !is_preview {
                    claims::move_and_tell(tx, now, &actor, &mut instance, virtual_account_id)?;
                }
            }
            Ok(moved)
        })
    }
}

/// Whether a virtual account may be merged into another one now: its collectors have to be removed before, as they speak
/// for it by its name.
pub(crate) fn check_merge(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    from: VirtualAccountId,
) -> Result<(), Error> {
    let source = virtual_account(tx, smart_account_id, from)?;
    let left = contents(tx, now, smart_account_id, from)?;
    if left.contains(&COLLECTORS) {
        let text = format!("collectors speak for {:?}: remove them first", source.name);
        return Err(Error::Conflict(text));
    }
    if left.contains(&FILES) {
        let text = format!("{:?} has {FILES}: wait for them", source.name);
        return Err(Error::Conflict(text));
    }
    Ok(())
}

/// Moves so many product instances of a virtual account into another one; with the last of them goes all else it has,
/// licences and usage files, and it is closed. Says how many were moved, and whether that is all.
pub(crate) fn merge_piece(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    smart_account_id: SmartAccountId,
    (from, into): (VirtualAccountId, VirtualAccountId),
    limit: i64,
) -> Result<(i64, bool), Error> {
    check_merge(tx, now, smart_account_id, from)?;
    let (source, target) = (
        virtual_account(tx, smart_account_id, from)?,
        virtual_account(tx, smart_account_id, into)?,
    );
    let sql = "SELECT id FROM product_instance WHERE smart_account_id = $1
        AND virtual_account_id = $2 AND removed_at IS NULL ORDER BY id LIMIT $3";
    let values = [smart_account_id.into(), from.into(), limit.into()];
    let found: Vec<InstanceId> = tx.rows(sql, &values, |row| row.id(0))?;
    for id in &found {
        let mut instance = instances::of_account(tx, smart_account_id, *id)?;
        claims::move_and_tell(tx, now, actor, &mut instance, into)?;
    }
    let moved = i64::try_from(found.len()).unwrap_or(i64::MAX);
    if moved == limit {
        return Ok((moved, false));
    }
    let (of, to) = ((from, source.name.as_str()), (into, target.name.as_str()));
    move_holdings(tx, now, actor, smart_account_id, of, to)?;
    let sql = "UPDATE usage_file SET virtual_account_id = $3 WHERE smart_account_id = $1
        AND virtual_account_id = $2";
    tx.execute(sql, &[smart_account_id.into(), from.into(), into.into()])?;
    claims::leave(tx, now, smart_account_id, from, Some(into))?;
    close(tx, now, actor, smart_account_id, from, &source.name)?;
    let text = format!("virtual account {:?} merged into {:?}", source.name, target.name);
    add_event(tx, now, smart_account_id, actor, &text)?;
    Ok((moved, true))
}

/// All that one virtual account holds of purchases is another one's.
fn move_holdings(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    smart_account_id: SmartAccountId,
    (from, from_name): (VirtualAccountId, &str),
    (into, into_name): (VirtualAccountId, &str),
) -> Result<(), Error> {
    let sql = "SELECT purchase_id, quantity FROM holding WHERE smart_account_id = $1
        AND virtual_account_id = $2 AND quantity <> 0 ORDER BY purchase_id";
    let held = tx.rows(sql, &[smart_account_id.into(), from.into()], |row| {
        Ok::<_, Error>((row.id(0)?, row.int(1)?))
    })?;
    for (purchase_id, quantity) in held {
        let out = ((from, -quantity), into_name);
        let enters = ((into, quantity), from_name);
        for (share, reason) in [out, enters] {
            crate::purchases::enter(
                tx,
                now,
                actor,
                (smart_account_id, purchase_id),
                share,
                ("transferred", reason),
            )?;
        }
    }
    Ok(())
}
