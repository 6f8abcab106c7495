//! Which product instances are registered as before Smart Licensing Using Policy, until they report (PI-MIG-011).

use rumline_catalogue::Catalogue;
use rumline_protocol::{PublicKey, Timestamp, Udi};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::add_event;
use crate::ids::InstanceId;
use crate::instances::{self, About, Instance};
use crate::{Actor, Error, totals};

/// The registration of a product instance of before Smart Licensing Using Policy, as it stands. It holds until the first report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OlderView {
    /// When it asked to be registered, by its clock, in seconds.
    pub registered_at: i64,
    /// When that ends without a renewal, in seconds.
    pub expires_at: i64,
    /// When it last said what it uses, in seconds.
    pub authorized_at: Option<i64>,
    /// When its registration stood for a trust code, after an upgrade, in seconds.
    pub trusted_at: Option<i64>,
}

/// The registration of a product instance, if it is registered as before.
pub(crate) fn view(tx: &mut Tx<'_>, id: InstanceId) -> Result<Option<OlderView>, Error> {
    let sql = "SELECT registered_at, expires_at, authorized_at, trusted_at FROM older_registration
        WHERE product_instance_id = $1";
    tx.row(sql, &[id.into()], |row| {
        Ok::<_, Error>(OlderView {
            registered_at: row.int(0)?,
            expires_at: row.int(1)?,
            authorized_at: row.opt_int(2)?,
            trusted_at: row.opt_int(3)?,
        })
    })
}

/// The nonce of the request that registered a product instance, if it is registered as before.
pub(crate) fn nonce_of(tx: &mut Tx<'_>, id: InstanceId) -> Result<Option<String>, Error> {
    let sql = "SELECT nonce FROM older_registration WHERE product_instance_id = $1";
    tx.row(sql, &[id.into()], |row| Ok::<_, Error>(row.text(0)?))
}

/// When a product instance asked to be registered, by its clock, if it is registered as before.
pub(crate) fn asked_at(tx: &mut Tx<'_>, id: InstanceId) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT registered_at FROM older_registration WHERE product_instance_id = $1";
    tx.row(sql, &[id.into()], |row| Ok::<_, Error>(Timestamp(row.int(0)?)))
}

/// The other supervisor of a chassis, if that is registered: both have one key.
pub(crate) fn mate(tx: &mut Tx<'_>, udi: &Udi, key: &PublicKey) -> Result<Option<Instance>, Error> {
    if !Catalogue::nexus().may_have_standby(&udi.pid) {
        return Ok(None);
    }
    let sql = "SELECT product_instance_id FROM older_registration WHERE public_key = $1
        ORDER BY product_instance_id LIMIT 4";
    let found: Vec<InstanceId> =
        tx.rows(sql, &[(&key.to_text()).into()], |row| Ok::<_, Error>(row.id(0)?))?;
    for id in found {
        let is_it = |own: &Instance| !own.removed && own.udi.pid == udi.pid && own.udi != *udi;
        if let Some(mate) = instances::by_id(tx, id)?.filter(is_it) {
            return Ok(Some(mate));
        }
    }
    Ok(None)
}

/// A supervisor is registered for its chassis: the registration of the other one, if there was one, is over.
pub(crate) fn end_mate(tx: &mut Tx<'_>, now: Timestamp, instance: &Instance) -> Result<(), Error> {
    if let Some(mate) = mate(tx, &instance.udi, &instance.public_key)? {
        forget(tx, mate.id)?;
        totals::kept(tx, now, mate.id, |tx| clear(tx, &mate))?;
    }
    Ok(())
}

/// A supervisor that is not registered speaks for its chassis, which is: the registration and what is in use are its own from now on
/// (PI-MIG-024). Says whether there was one.
pub(crate) fn take_over(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (udi, key): (&Udi, &PublicKey),
    about: &About,
) -> Result<bool, Error> {
    let known = instances::find(tx, udi)?;
    if let Some(own) = known.as_ref().filter(|own| !own.removed)
        && (own.public_key != *key || asked_at(tx, own.id)?.is_some())
    {
        return Ok(false);
    }
    let Some(mate) = mate(tx, udi, key)? else { return Ok(false) };
    let is_of_another =
        |own: &Instance| !own.removed && own.smart_account_id != mate.smart_account_id;
    if known.as_ref().is_some_and(is_of_another) {
        return Ok(false);
    }
    let own = match known {
        Some(own) if !own.removed => own,
        known => instances::register(tx, now, known, mate.account(), udi, key, about)?,
    };
    forget(tx, own.id)?;
    let sql = "UPDATE older_registration SET product_instance_id = $1
        WHERE product_instance_id = $2";
    tx.execute(sql, &[own.id.into(), mate.id.into()])?;
    totals::kept(tx, now, mate.id, |tx| clear(tx, &mate))?;
    let text = format!("{udi} took over the registration of {}", mate.udi);
    add_event(tx, now, mate.smart_account_id, &Actor::collector(&udi.to_string()), &text)?;
    Ok(true)
}

/// What a product instance said it uses is in use no more; what reports counted stays counted.
pub(crate) fn clear(tx: &mut Tx<'_>, instance: &Instance) -> Result<(), Error> {
    let sql = "UPDATE license_use SET count = 0 WHERE smart_account_id = $1
        AND product_instance_id = $2";
    tx.execute(sql, &[instance.smart_account_id.into(), instance.id.into()])?;
    Ok(())
}

/// The registration stood for a token (PI-TRUST-012).
pub(crate) fn trusted(tx: &mut Tx<'_>, now: Timestamp, instance: &Instance) -> Result<(), Error> {
    let sql = "UPDATE older_registration SET trusted_at = $1 WHERE product_instance_id = $2
        AND trusted_at IS NULL";
    if tx.execute(sql, &[now.0.into(), instance.id.into()])? > 0 {
        let text = format!("trust code of {} given for its registration", instance.udi);
        let actor = Actor::collector(&instance.udi.to_string());
        add_event(tx, now, instance.smart_account_id, &actor, &text)?;
    }
    Ok(())
}

/// Its first report of after the registration came: what it uses is what reports say, and nothing of before counts beside them
/// (PI-MIG-011); of a chassis whichever supervisor was registered. Reports of before come late where the product instance went back: says
/// whether these are such, and so say nothing of what is in use now. All of it is told by the clock of the product instance.
pub(crate) fn reported(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    last_end: Timestamp,
) -> Result<bool, Error> {
    let registered = if instance.is_older {
        Some(instance.clone())
    } else {
        mate(tx, &instance.udi, &instance.public_key)?
    };
    let Some(registered) = registered else { return Ok(false) };
    let at = asked_at(tx, registered.id)?;
    if at.is_none_or(|at| last_end <= at) {
        return Ok(at.is_some());
    }
    forget(tx, registered.id)?;
    totals::kept(tx, now, registered.id, |tx| clear(tx, &registered))?;
    Ok(false)
}

/// Registrations that were not renewed end, and what those product instances said they use is in use no more. Some at a time.
pub(crate) fn end_expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    const PORTION: i64 = 500;
    let sql = "SELECT product_instance_id FROM older_registration WHERE expires_at <= $1
        ORDER BY product_instance_id LIMIT $2";
    let ended: Vec<InstanceId> =
        tx.rows(sql, &[now.0.into(), PORTION.into()], |row| Ok::<_, Error>(row.id(0)?))?;
    for id in ended {
        forget(tx, id)?;
        let Some(instance) = instances::by_id(tx, id)?.filter(|own| !own.removed) else { continue };
        totals::kept(tx, now, id, |tx| clear(tx, &instance))?;
        let text = format!("registration of {} ended: it was not renewed", instance.udi);
        add_event(tx, now, instance.smart_account_id, &Actor::system(), &text)?;
    }
    Ok(())
}

/// It is registered as before no more.
pub(crate) fn forget(tx: &mut Tx<'_>, id: InstanceId) -> Result<(), Error> {
    tx.execute("DELETE FROM older_registration WHERE product_instance_id = $1", &[id.into()])?;
    Ok(())
}
