//! Product instances that turned up where they do not belong: they wait here until whoever owns them has decided.

use rumline_protocol::{PublicKey, Timestamp, Udi};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, smart_account, virtual_account};
use crate::alerts::{self, AlertKind};
use crate::ids::{Account, ClaimId, InstanceId, SmartAccountId, VirtualAccountId};
use crate::instances::{self, About, Instance};
use crate::{Actor, Cssm, Error};
use rumline_server::next_id;

/// Why a product instance is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimKind {
    /// Its UDI is known with another key.
    Key,
    /// It is of another virtual account of the same smart account.
    VirtualAccount,
    /// It is of another smart account.
    SmartAccount,
}

impl ClaimKind {
    fn label(self) -> &'static str {
        match self {
            Self::Key => "other key",
            Self::VirtualAccount => "other virtual account",
            Self::SmartAccount => "other smart account",
        }
    }
}

/// A product instance that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    /// Its number.
    pub id: ClaimId,
    /// The virtual account it turned up in.
    pub virtual_account_id: VirtualAccountId,
    /// `other key`, `other virtual account` or `other smart account`.
    pub kind: String,
    /// Product id.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// The id of the key it showed.
    pub key_id: String,
    /// How it came, e.g. `CSLU lab`.
    pub through: String,
    /// When it first turned up.
    pub first_at: i64,
    /// When it last did.
    pub last_at: i64,
    /// Reports it brought the last time, which wait where they are.
    pub reports: i64,
}

/// Keys that are remembered for one UDI in an account: of more, the one that was heard of longest ago makes room without
/// another line.
const CLAIMS_MAX: i64 = 8;

/// What turned up, and where.
pub(crate) struct Turned<'a> {
    pub account: Account,
    pub kind: ClaimKind,
    pub key: &'a PublicKey,
    pub through: &'a str,
    pub reports: i64,
}

fn other_key(udi: &Udi, through: &str) -> String {
    format!(
        "Another key claims {udi}; it came through {through}. Accept it if the device was replaced or erased, \
         else find out who uses its serial number."
    )
}

fn other_part(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    (turned_up, own): (VirtualAccountId, VirtualAccountId),
    udi: &Udi,
    through: &str,
) -> Result<String, Error> {
    let here = virtual_account(tx, smart_account_id, turned_up)?.name;
    let own = virtual_account(tx, smart_account_id, own)?.name;
    Ok(format!(
        "{udi} of {own} turned up in {here}; it came through {through}. It stays in {own} until somebody \
         moves it."
    ))
}

/// Notes that a product instance turned up where it does not belong; both sides are told when that is new.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    now: Timestamp,
    known: &Instance,
    turned: &Turned<'_>,
) -> Result<(), Error> {
    let Turned { account, kind, key, through, reports } = *turned;
    let (sa, va) = account;
    let (udi, key) = (&known.udi, key.to_text());
    let sql = "UPDATE claim SET last_at = $1, reports = $2, kind = $3, through = $4
        WHERE smart_account_id = $5 AND virtual_account_id = $6 AND serial = $7 AND pid = $8
        AND public_key = $9";
    let values = [
        now.0.into(),
        reports.into(),
        kind.label().into(),
        through.into(),
        sa.into(),
        va.into(),
        (&udi.serial).into(),
        (&udi.pid).into(),
        (&key).into(),
    ];
    if tx.execute(sql, &values)? > 0 {
        return Ok(());
    }
    let whose = [sa.into(), (&udi.serial).into(), (&udi.pid).into()];
    let sql = "SELECT COUNT(*) FROM claim WHERE smart_account_id = $1 AND serial = $2 AND pid = $3";
    let is_full = tx.row(sql, &whose, |row| row.int(0))?.unwrap_or(0) >= CLAIMS_MAX;
    if is_full {
        // A real device comes back.
        let sql = "DELETE FROM claim WHERE id = (SELECT id FROM claim WHERE smart_account_id = $1
            AND serial = $2 AND pid = $3 ORDER BY last_at, id LIMIT 1)";
        tx.execute(sql, &whose)?;
    }
    let sql = "INSERT INTO claim (smart_account_id, id, virtual_account_id, kind, pid, serial,
        public_key, through, first_at, last_at, reports)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)";
    let values = [
        sa.into(),
        next_id::<ClaimId>(tx, "claim")?.into(),
        va.into(),
        kind.label().into(),
        (&udi.pid).into(),
        (&udi.serial).into(),
        (&key).into(),
        through.into(),
        now.0.into(),
        reports.into(),
    ];
    tx.execute(sql, &values)?;
    if is_full {
        return Ok(());
    }
    let actor = Actor::collector(through);
    match kind {
        ClaimKind::Key => {
            let text = other_key(udi, through);
            alerts::raise(tx, now, sa, AlertKind::OtherKey, udi, &text)?;
            add_event(tx, now, sa, &actor, &text)
        }
        ClaimKind::VirtualAccount => {
            let parts = (va, known.virtual_account_id);
            let text = other_part(tx, sa, parts, udi, through)?;
            alerts::raise(tx, now, sa, AlertKind::OtherAccount, udi, &text)?;
            add_event(tx, now, sa, &actor, &text)
        }
        ClaimKind::SmartAccount => {
            let text = format!(
                "{udi} belongs to another Smart Account; it came through {through}. What it reports \
                 waits where it is until its owner removes it there."
            );
            alerts::raise(tx, now, sa, AlertKind::OtherAccount, udi, &text)?;
            add_event(tx, now, sa, &actor, &text)?;
            tell_owner(tx, now, known)
        }
    }
}

/// The owner's account is told that a product instance of it turned up in another one.
pub(crate) fn tell_owner(tx: &mut Tx<'_>, now: Timestamp, known: &Instance) -> Result<(), Error> {
    let (sa, udi) = (known.smart_account_id, &known.udi);
    let text = format!(
        "Somebody tried to register {udi} with another Smart Account. It stays here; remove it if it \
         was given away."
    );
    if alerts::raise(tx, now, sa, AlertKind::OtherAccount, udi, &text)? {
        add_event(tx, now, sa, &Actor::system(), &text)?;
    }
    Ok(())
}

/// What waited in a virtual account that goes waits in another one, or nowhere.
pub(crate) fn leave(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    from: VirtualAccountId,
    into: Option<VirtualAccountId>,
) -> Result<(), Error> {
    let ids = [smart_account_id.into(), from.into()];
    if let Some(into) = into {
        let sql = "UPDATE claim SET virtual_account_id = $3 WHERE smart_account_id = $1
            AND virtual_account_id = $2 AND NOT EXISTS (SELECT 1 FROM claim AS there
            WHERE there.smart_account_id = claim.smart_account_id
            AND there.virtual_account_id = $3 AND there.serial = claim.serial
            AND there.pid = claim.pid AND there.public_key = claim.public_key)";
        tx.execute(sql, &[ids[0], ids[1], into.into()])?;
    }
    let sql = "SELECT DISTINCT pid, serial FROM claim WHERE smart_account_id = $1
        AND virtual_account_id = $2";
    let gone: Vec<Udi> =
        tx.rows(sql, &ids, |row| Ok::<_, Error>(Udi { pid: row.text(0)?, serial: row.text(1)? }))?;
    let sql = "DELETE FROM claim WHERE smart_account_id = $1 AND virtual_account_id = $2";
    tx.execute(sql, &ids)?;
    gone.iter().try_for_each(|udi| settled(tx, now, smart_account_id, udi))
}

/// Smart accounts became one: what turned up in the other one is of another virtual account now, or where it belongs, or its
/// key is another one.
pub(crate) fn joined(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
) -> Result<(), Error> {
    let sql = "SELECT claim.id, claim.pid, claim.serial, claim.through,
        CAST(CASE WHEN product_instance.public_key = claim.public_key THEN 1 ELSE 0 END AS BIGINT),
        claim.virtual_account_id, product_instance.virtual_account_id FROM claim
        JOIN product_instance ON product_instance.serial = claim.serial
        AND product_instance.pid = claim.pid
        AND product_instance.smart_account_id = claim.smart_account_id
        AND product_instance.removed_at IS NULL
        WHERE claim.smart_account_id = $1 AND claim.kind = $2 ORDER BY claim.id";
    let values = [smart_account_id.into(), ClaimKind::SmartAccount.label().into()];
    let here = tx.rows(sql, &values, |row| {
        let (id, udi) = (row.id(0)?, Udi { pid: row.text(1)?, serial: row.text(2)? });
        let (through, parts) = (row.text(3)?, (row.id(5)?, row.id(6)?));
        Ok::<(ClaimId, _, _, bool, (VirtualAccountId, VirtualAccountId)), Error>((
            id,
            udi,
            through,
            row.int(4)? == 1,
            parts,
        ))
    })?;
    for (_, udi, ..) in &here {
        alerts::clear(tx, now, smart_account_id, AlertKind::OtherAccount, udi)?;
    }
    for (id, udi, through, is_key, (turned_up, own)) in here {
        let kind = match (is_key, turned_up == own) {
            (false, _) => ClaimKind::Key,
            (true, false) => ClaimKind::VirtualAccount,
            (true, true) => {
                let sql = "DELETE FROM claim WHERE smart_account_id = $1 AND id = $2";
                tx.execute(sql, &[smart_account_id.into(), id.into()])?;
                settled(tx, now, smart_account_id, &udi)?;
                continue;
            }
        };
        let sql = "UPDATE claim SET kind = $1 WHERE smart_account_id = $2 AND id = $3";
        tx.execute(sql, &[kind.label().into(), smart_account_id.into(), id.into()])?;
        let (alert, text) = match kind {
            ClaimKind::Key => (AlertKind::OtherKey, other_key(&udi, &through)),
            _ => {
                let text = other_part(tx, smart_account_id, (turned_up, own), &udi, &through)?;
                (AlertKind::OtherAccount, text)
            }
        };
        alerts::raise(tx, now, smart_account_id, alert, &udi, &text)?;
    }
    Ok(())
}

/// Settles the alerts about a product instance that waits nowhere any more.
fn settled(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    udi: &Udi,
) -> Result<(), Error> {
    let sql = "SELECT id FROM claim WHERE smart_account_id = $1 AND serial = $2
        AND pid = $3 LIMIT 1";
    let values = [smart_account_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    if tx.row(sql, &values, |row| row.int(0))?.is_none() {
        for kind in [AlertKind::OtherAccount, AlertKind::OtherKey] {
            alerts::clear(tx, now, smart_account_id, kind, udi)?;
        }
    }
    Ok(())
}

/// A product instance was taken, moved or let go: nobody waits for it any more.
pub(crate) fn settle(
    tx: &mut Tx<'_>,
    now: Timestamp,
    smart_account_id: SmartAccountId,
    udi: &Udi,
) -> Result<(), Error> {
    let sql = "DELETE FROM claim WHERE smart_account_id = $1 AND serial = $2 AND pid = $3";
    let values = [smart_account_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    if tx.execute(sql, &values)? > 0 {
        for kind in [AlertKind::OtherAccount, AlertKind::OtherKey] {
            alerts::clear(tx, now, smart_account_id, kind, udi)?;
        }
    }
    Ok(())
}

impl Cssm {
    /// The product instances that wait for a decision, oldest first.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn claims(&self, smart_account_id: SmartAccountId) -> Result<Vec<ClaimView>, Error> {
        self.claims_after(smart_account_id, ClaimId(0))
    }

    /// The same, those with a greater number than `after`: a thousand at a time.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn claims_after(
        &self,
        smart_account_id: SmartAccountId,
        after: ClaimId,
    ) -> Result<Vec<ClaimView>, Error> {
        self.db.read("claims.list", move |tx| {
            smart_account(tx, smart_account_id)?;
            let sql = "SELECT id, virtual_account_id, kind, pid, serial, public_key, through,
                first_at, last_at, reports FROM claim WHERE smart_account_id = $1 AND id > $2
                ORDER BY id LIMIT 1000";
            tx.rows(sql, &[smart_account_id.into(), after.into()], |row| {
                let key = PublicKey::from_text(&row.text(5)?);
                Ok(ClaimView {
                    id: row.id(0)?,
                    virtual_account_id: row.id(1)?,
                    kind: row.text(2)?,
                    pid: row.text(3)?,
                    serial: row.text(4)?,
                    key_id: key.map(|key| key.key_id()).unwrap_or_default(),
                    through: row.text(6)?,
                    first_at: row.int(7)?,
                    last_at: row.int(8)?,
                    reports: row.int(9)?,
                })
            })
        })
    }

    /// Takes a product instance that waits: its key replaces the one that was known, or it moves to the virtual account
    /// it turned up in. What it reported comes with its next contact.
    ///
    /// # Errors
    /// When there is none, or it belongs to another smart account, whose owner alone can let it go.
    pub fn accept_claim(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: ClaimId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("claims.accept", move |tx| {
            let (udi, key, va) = one(tx, smart_account_id, id)?;
            let known = instances::find(tx, &udi)?;
            if let Some(known) = &known
                && !known.removed
                && known.smart_account_id != smart_account_id
            {
                let text = format!(
                    "{udi} belongs to another Smart Account: its owner has to remove it there first"
                );
                return Err(Error::Conflict(text));
            }
            let name = virtual_account(tx, smart_account_id, va)?.name;
            if let Some(known) = &known
                && !known.removed
                && known.public_key == key
            {
                return move_and_tell(tx, now, &actor, &mut known.clone(), va);
            }
            // What else it is, it says with its next contact.
            let about = About {
                identifier: known.as_ref().map(|k| k.identifier.clone()).unwrap_or_default(),
                hostname: None,
                software_version: None,
                software_tag: String::new(),
            };
            let account = (smart_account_id, va);
            instances::register(tx, now, known, account, &udi, &key, &about)?;
            settle(tx, now, smart_account_id, &udi)?;
            let text = format!("{udi} with key {} accepted in {name}", key.key_id());
            add_event(tx, now, smart_account_id, &actor, &text)
        })
    }

    /// Turns a product instance away; it is listed again if it turns up again.
    ///
    /// # Errors
    /// When there is none.
    pub fn dismiss_claim(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: ClaimId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("claims.dismiss", move |tx| {
            let (udi, key, _) = one(tx, smart_account_id, id)?;
            let sql = "DELETE FROM claim WHERE smart_account_id = $1 AND id = $2";
            tx.execute(sql, &[smart_account_id.into(), id.into()])?;
            settled(tx, now, smart_account_id, &udi)?;
            let text = format!("{udi} with key {} turned away", key.key_id());
            add_event(tx, now, smart_account_id, &actor, &text)
        })
    }

    /// Moves a product instance to another virtual account of its smart account; its history goes with it (G-23).
    ///
    /// # Errors
    /// When there is none, or no such account.
    pub fn transfer_instance(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: InstanceId,
        virtual_account_id: VirtualAccountId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("inventory.transfer", move |tx| {
            let mut instance = instances::of_account(tx, smart_account_id, id)?;
            if instance.virtual_account_id == virtual_account_id {
                return Ok(());
            }
            move_and_tell(tx, now, &actor, &mut instance, virtual_account_id)
        })
    }
}

/// Moves a product instance within its smart account, and says so.
pub(crate) fn move_and_tell(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    instance: &mut Instance,
    virtual_account_id: VirtualAccountId,
) -> Result<(), Error> {
    let sa = instance.smart_account_id;
    let from = virtual_account(tx, sa, instance.virtual_account_id)?.name;
    let to = virtual_account(tx, sa, virtual_account_id)?.name;
    instances::move_within(tx, now, instance, virtual_account_id)?;
    settle(tx, now, sa, &instance.udi)?;
    let text = format!("{} moved from {from} to {to}", instance.udi);
    add_event(tx, now, sa, actor, &text)
}

fn one(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: ClaimId,
) -> Result<(Udi, PublicKey, VirtualAccountId), Error> {
    let sql = "SELECT pid, serial, public_key, virtual_account_id FROM claim
        WHERE smart_account_id = $1 AND id = $2";
    let found = tx.row(sql, &[smart_account_id.into(), id.into()], |row| {
        let udi = Udi { pid: row.text(0)?, serial: row.text(1)? };
        Ok::<_, Error>((udi, row.text(2)?, row.id(3)?))
    })?;
    let (udi, key, va) = found.ok_or(Error::NotFound("waiting product instance"))?;
    let key = PublicKey::from_text(&key).ok_or_else(|| Error::invalid("the key is damaged"))?;
    Ok((udi, key, va))
}
