//! Two devices with one UDI: the first key is kept, and its owner sees the other one and decides.

use rumline_protocol::{PublicKey, Timestamp, Udi};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ClaimId, InstanceId, TenantId};
use crate::instances::{self, NewInstance};
use crate::journal::{self, add_event};
use crate::{Actor, Collector, Error, older, tenants};
use rumline_server::next_id;

/// Keys that are remembered for one UDI: of more, the one that was heard of longest ago makes room without another line.
const CLAIMS_MAX: i64 = 4;

/// A device with another key than the one its UDI is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimView {
    /// Its number.
    pub id: ClaimId,
    /// The product instance with that UDI.
    pub instance_id: InstanceId,
    /// Product id.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// The id of the key it shows.
    pub key_id: String,
    /// The id of the key the UDI is known by.
    pub known_key_id: String,
    /// Where it was last heard from.
    pub address: String,
    /// When it was first heard of.
    pub first_at: i64,
    /// When it was last.
    pub last_at: i64,
}

/// Notes that another key claims a UDI; its page and the log say so.
pub(crate) fn note(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant_id, instance_id): (TenantId, InstanceId),
    (udi, key, address): (&Udi, &PublicKey, &str),
) -> Result<(), Error> {
    let key_text = key.to_text();
    let sql = "UPDATE claim SET last_at = $1, address = $2 WHERE tenant_id = $3
        AND instance_id = $4 AND public_key = $5";
    let ids = [tenant_id.into(), instance_id.into()];
    if tx.execute(sql, &[now.0.into(), address.into(), ids[0], ids[1], (&key_text).into()])? > 0 {
        return Ok(());
    }
    let sql = "SELECT COUNT(*) FROM claim WHERE tenant_id = $1 AND instance_id = $2";
    let is_full = tx.row(sql, &ids, |row| row.int(0))?.unwrap_or(0) >= CLAIMS_MAX;
    if is_full {
        // Whoever has not been heard of for longest makes room: a real device comes back.
        let sql = "DELETE FROM claim WHERE tenant_id = $1 AND instance_id = $2 AND id =
            (SELECT id FROM claim WHERE tenant_id = $3 AND instance_id = $4
            ORDER BY last_at, id LIMIT 1)";
        tx.execute(sql, &[ids[0], ids[1], ids[0], ids[1]])?;
    }
    let sql = "INSERT INTO claim (tenant_id, id, instance_id, pid, serial, public_key, address,
        first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    let values = [
        ids[0],
        next_id::<ClaimId>(tx, "claim")?.into(),
        ids[1],
        (&udi.pid).into(),
        (&udi.serial).into(),
        (&key_text).into(),
        address.into(),
        now.0.into(),
    ];
    tx.execute(sql, &values)?;
    let text = format!(
        "Another device with another key claims this UDI (key {}, from {address}). Accept it if the \
         device was replaced or erased.",
        key.key_id()
    );
    let sql = "UPDATE instance SET alert = $1 WHERE tenant_id = $2 AND id = $3";
    tx.execute(sql, &[(&text).into(), ids[0], ids[1]])?;
    if is_full {
        return Ok(());
    }
    add_event(tx, now, tenant_id, &Actor::device(udi), &text)?;
    let line = format!("{udi} is known with another key: a message from {address} was refused.");
    journal::log(tx, now, "ERROR", &line)
}

fn one(tx: &mut Tx<'_>, tenant_id: TenantId, id: ClaimId) -> Result<(Udi, String, i64), Error> {
    let sql = "SELECT pid, serial, public_key, instance_id FROM claim
        WHERE tenant_id = $1 AND id = $2";
    tx.row(sql, &[tenant_id.into(), id.into()], |row| {
        let udi = Udi { pid: row.text(0)?, serial: row.text(1)? };
        Ok::<_, Error>((udi, row.text(2)?, row.int(3)?))
    })?
    .ok_or(Error::NotFound("claim"))
}

impl Collector {
    /// The devices that claim a UDI of a tenant with another key.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn claims(&self, tenant_id: TenantId) -> Result<Vec<ClaimView>, Error> {
        self.db.read("claims.list", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let sql = "SELECT claim.id, claim.instance_id, claim.pid, claim.serial,
                claim.public_key, instance.public_key, claim.address, claim.first_at,
                claim.last_at FROM claim JOIN instance ON instance.tenant_id = claim.tenant_id
                AND instance.id = claim.instance_id WHERE claim.tenant_id = $1
                AND instance.removed_at IS NULL ORDER BY claim.id LIMIT 1000";
            tx.rows(sql, &[tenant_id.into()], |row| {
                let key_id = |text: Option<String>| {
                    let key = text.and_then(|text| PublicKey::from_text(&text));
                    key.map(|key| key.key_id()).unwrap_or_default()
                };
                Ok(ClaimView {
                    id: row.id(0)?,
                    instance_id: row.id(1)?,
                    pid: row.text(2)?,
                    serial: row.text(3)?,
                    key_id: key_id(row.opt_text(4)?),
                    known_key_id: key_id(row.opt_text(5)?),
                    address: row.text(6)?,
                    first_at: row.int(7)?,
                    last_at: row.int(8)?,
                })
            })
        })
    }

    /// Takes the other device for the right one: the UDI is known by its key from now on. What the first has reported goes
    /// on to CSSM all the same.
    ///
    /// # Errors
    /// When there is no such claim.
    pub fn accept_claim(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        id: ClaimId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("claims.accept", move |tx| {
            let (udi, key, instance_id) = one(tx, tenant_id, id)?;
            let sql = "UPDATE instance SET removed_at = $1, removed_id = id, alert = NULL
                WHERE tenant_id = $2 AND id = $3 AND removed_at IS NULL";
            tx.execute(sql, &[now.0.into(), tenant_id.into(), instance_id.into()])?;
            let sql = "DELETE FROM license_use WHERE tenant_id = $1 AND instance_id = $2";
            tx.execute(sql, &[tenant_id.into(), instance_id.into()])?;
            older::forget(tx, (tenant_id, InstanceId(instance_id)))?;
            let sql = "DELETE FROM claim WHERE tenant_id = $1 AND instance_id = $2";
            tx.execute(sql, &[tenant_id.into(), instance_id.into()])?;
            let known = instances::find(tx, tenant_id, &udi, None)?;
            if known.is_none_or(|known| known.removed) {
                let new = NewInstance {
                    udi: &udi,
                    public_key: Some(&key),
                    hostname: None,
                    software_version: None,
                    software_tag: "",
                    added_by: actor.name(),
                    in_contact: false,
                    waiting: 0,
                    trust_requests: None,
                    wants_answer: false,
                };
                new.insert(tx, now, tenant_id)?;
            }
            add_event(tx, now, tenant_id, &actor, &format!("{udi} accepted with another key"))
        })
    }

    /// Turns the other device away; it is listed again if it is heard of again.
    ///
    /// # Errors
    /// When there is no such claim.
    pub fn dismiss_claim(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        id: ClaimId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("claims.dismiss", move |tx| {
            let (udi, _, instance_id) = one(tx, tenant_id, id)?;
            let sql = "DELETE FROM claim WHERE tenant_id = $1 AND id = $2";
            tx.execute(sql, &[tenant_id.into(), id.into()])?;
            let sql = "UPDATE instance SET alert = NULL WHERE tenant_id = $1 AND id = $2";
            tx.execute(sql, &[tenant_id.into(), instance_id.into()])?;
            add_event(tx, now, tenant_id, &actor, &format!("another device as {udi} turned away"))
        })
    }
}
