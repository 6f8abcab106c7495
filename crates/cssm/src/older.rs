//! Which product instances are registered as before Smart Licensing Using Policy, until they report (PI-MIG-011).

use rumline_protocol::Timestamp;
use rumline_store::Tx;
use serde::{Deserialize, Serialize};

use crate::accounts::add_event;
use crate::ids::InstanceId;
use crate::instances::{self, Instance};
use crate::{Actor, Error, totals};

/// The registration of a product instance of before Smart Licensing Using Policy, as it stands. It holds until the first report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderView {
    /// When it was registered, in seconds.
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
/// (PI-MIG-011). Reports of before come late where the product instance went back: says whether these are such, and so say nothing of
/// what is in use now.
pub(crate) fn reported(
    tx: &mut Tx<'_>,
    instance: &Instance,
    last_end: Timestamp,
) -> Result<bool, Error> {
    let sql = "SELECT registered_at FROM older_registration WHERE product_instance_id = $1";
    let at = tx.row(sql, &[instance.id.into()], |row| Ok::<_, Error>(row.int(0)?))?;
    let Some(at) = at else { return Ok(false) };
    if last_end.0 <= at {
        return Ok(true);
    }
    forget(tx, instance.id)?;
    totals::kept(tx, instance.id, |tx| clear(tx, instance))?;
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
        totals::kept(tx, id, |tx| clear(tx, &instance))?;
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
