//! Product instances that are registered here as before Smart Licensing Using Policy, and what CSSM is told of them (guide p. 27, 29,
//! 51; ONPREM-018).
//!
//! What such a switch says last of its licences is kept as it said it, signed for CSSM, and goes there with the next exchange; CSSM
//! counts it as what a switch says that is registered with CSSM itself. Once the switch reports, nothing of this counts any more.

use std::collections::BTreeMap;

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    Document, OlderResult, OlderUse, OlderWord, PublicKey, Request, RequestBody, Timestamp, Udi,
};
use rumline_store::Tx;

use crate::ids::{InstanceId, TenantId};
use crate::journal::add_event;
use crate::{Actor, Error};

/// A registration, as it is kept.
pub(crate) struct Registered {
    /// The nonce of the request that made it.
    pub nonce: String,
    pub expires_at: Timestamp,
    /// When it was asked for, by the clock of the product instance.
    pub asked_at: Timestamp,
    /// The nonce of the message that is kept of it.
    pub message_nonce: Option<String>,
    /// The switch went, and CSSM is yet to hear of it.
    pub is_over: bool,
}

/// What stands at CSSM's door of a switch.
pub(crate) struct Untold {
    pub word: OlderWord,
    /// The nonce of the message in it.
    pub nonce: String,
}

/// What is said to people who look at one that CSSM did not take.
const NOT_TAKEN: &str =
    "CSSM did not take what it said of its licenses: see the events of the account there.";

type Place = (TenantId, InstanceId);

pub(crate) fn find(tx: &mut Tx<'_>, (tenant, id): Place) -> Result<Option<Registered>, Error> {
    let sql =
        "SELECT nonce, expires_at, is_over, message_nonce, registered_at FROM older_registration
        WHERE tenant_id = $1 AND instance_id = $2";
    tx.row(sql, &[tenant.into(), id.into()], |row| {
        Ok::<_, Error>(Registered {
            nonce: row.text(0)?,
            expires_at: Timestamp(row.int(1)?),
            is_over: row.flag(2)?,
            message_nonce: row.opt_text(3)?,
            asked_at: Timestamp(row.int(4)?),
        })
    })
}

/// Registers a product instance that asked at this instant of its clock; what it said under an earlier registration is for nobody
/// any more.
pub(crate) fn register(
    tx: &mut Tx<'_>,
    asked_at: Timestamp,
    (tenant, id): Place,
    (nonce, key): (&str, &PublicKey),
    expires_at: Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO older_registration (tenant_id, instance_id, nonce, registered_at,
        expires_at, is_told, is_over, public_key) VALUES ($1, $2, $3, $4, $5, 1, 0, $6)
        ON CONFLICT (tenant_id, instance_id) DO UPDATE SET nonce = excluded.nonce,
        registered_at = excluded.registered_at, expires_at = excluded.expires_at,
        public_key = excluded.public_key, message = NULL, message_nonce = NULL, is_told = 1, is_over = 0";
    let key = key.to_text();
    let values = [
        tenant.into(),
        id.into(),
        nonce.into(),
        asked_at.0.into(),
        expires_at.0.into(),
        (&key).into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// A registration lasts until then; CSSM hears of it if it has heard of the registration.
pub(crate) fn renew(tx: &mut Tx<'_>, place: Place, expires_at: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE older_registration SET expires_at = $1,
        is_told = CASE WHEN message IS NULL THEN is_told ELSE 0 END
        WHERE tenant_id = $2 AND instance_id = $3";
    tx.execute(sql, &[expires_at.0.into(), place.0.into(), place.1.into()])?;
    still_asks(tx, place)
}

/// The other supervisor of a chassis, if that is registered: both have one key. With it its UDI and tenant.
pub(crate) fn mate(
    tx: &mut Tx<'_>,
    udi: &Udi,
    key: &PublicKey,
) -> Result<Option<(Place, Udi)>, Error> {
    if !Catalogue::nexus().may_have_standby(&udi.pid) {
        return Ok(None);
    }
    let sql = "SELECT older.tenant_id, older.instance_id, instance.serial
        FROM older_registration AS older JOIN instance ON instance.tenant_id = older.tenant_id
        AND instance.id = older.instance_id WHERE older.public_key = $1 AND older.is_over = 0
        AND instance.pid = $2 AND instance.serial <> $3 ORDER BY older.registered_at DESC LIMIT 1";
    let key = key.to_text();
    let values = [(&key).into(), (&udi.pid).into(), (&udi.serial).into()];
    tx.row(sql, &values, |row| {
        let of = Udi { pid: udi.pid.clone(), serial: row.text(2)? };
        Ok::<_, Error>(((row.id(0)?, row.id(1)?), of))
    })
}

/// A supervisor speaks for its chassis, of which the other one is registered: the registration and what is in use are its own from now on.
pub(crate) fn take_over(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (from, of): (Place, &Udi),
    (to, udi): (Place, &Udi),
) -> Result<(), Error> {
    forget(tx, to)?;
    let sql =
        "UPDATE older_registration SET instance_id = $1, message = NULL, message_nonce = NULL,
        is_told = 1 WHERE tenant_id = $2 AND instance_id = $3";
    tx.execute(sql, &[to.1.into(), from.0.into(), from.1.into()])?;
    clear_uses(tx, from)?;
    let text = format!("{udi} took over the registration of {of}");
    add_event(tx, now, to.0, &Actor::device(udi), &text)
}

/// Keeps what a switch said, for CSSM.
pub(crate) fn keep_word(
    tx: &mut Tx<'_>,
    (tenant, id): Place,
    (message, nonce): (&str, &str),
    is_over: bool,
) -> Result<(), Error> {
    let sql = "UPDATE older_registration SET message = $1, message_nonce = $2, is_told = 0,
        is_over = $3 WHERE tenant_id = $4 AND instance_id = $5";
    tx.execute(sql, &[message.into(), nonce.into(), is_over.into(), tenant.into(), id.into()])?;
    still_asks(tx, (tenant, id))
}

/// What a product instance uses is what it says, and nothing else.
pub(crate) fn take_uses(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant, id): Place,
    uses: &[OlderUse],
) -> Result<(), Error> {
    clear_uses(tx, (tenant, id))?;
    for own in uses {
        let sql = "INSERT INTO license_use (tenant_id, instance_id, tag, count, as_of, report_id)
            VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (tenant_id, instance_id, tag)
            DO UPDATE SET count = excluded.count";
        let count = i64::from(own.count);
        let values =
            [tenant.into(), id.into(), own.tag.as_str().into(), count.into(), now.0.into()];
        tx.execute(sql, &values)?;
    }
    Ok(())
}

/// Nothing is in use by a product instance.
pub(crate) fn clear_uses(tx: &mut Tx<'_>, (tenant, id): Place) -> Result<(), Error> {
    let sql = "DELETE FROM license_use WHERE tenant_id = $1 AND instance_id = $2";
    tx.execute(sql, &[tenant.into(), id.into()])?;
    Ok(())
}

/// Of which of these there is not enough in the account, as far as CSSM has said.
pub(crate) fn short_of(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    uses: &[OlderUse],
) -> Result<Vec<rumline_protocol::EntitlementTag>, Error> {
    let sql = "SELECT tag FROM older_balance WHERE tenant_id = $1 AND is_short = 1";
    let short: Vec<String> = tx.rows(sql, &[tenant.into()], |row| Ok::<_, Error>(row.text(0)?))?;
    let is_short = |own: &&OlderUse| short.iter().any(|tag| tag == own.tag.as_str());
    Ok(uses.iter().filter(is_short).map(|own| own.tag.clone()).collect())
}

/// A product instance is registered as before no more.
pub(crate) fn forget(tx: &mut Tx<'_>, (tenant, id): Place) -> Result<(), Error> {
    let sql = "DELETE FROM older_registration WHERE tenant_id = $1 AND instance_id = $2";
    tx.execute(sql, &[tenant.into(), id.into()])?;
    Ok(())
}

/// Its first report of after the registration came: what it uses is what reports say, and nothing of before counts beside them; of a
/// chassis whichever supervisor was registered.
pub(crate) fn reported(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant, id): Place,
    (udi, key): (&Udi, &PublicKey),
    last_end: Timestamp,
) -> Result<(), Error> {
    let place = match find(tx, (tenant, id))? {
        Some(_) => Some((tenant, id)),
        None => mate(tx, udi, key)?.map(|(place, _)| place).filter(|(of, _)| *of == tenant),
    };
    let Some(place) = place else { return Ok(()) };
    if find(tx, place)?.is_none_or(|own| last_end <= own.asked_at) {
        return Ok(());
    }
    forget(tx, place)?;
    let sql = "DELETE FROM license_use WHERE tenant_id = $1 AND instance_id = $2 AND report_id = 0";
    tx.execute(sql, &[place.0.into(), place.1.into()])?;
    let text = format!("{udi} reports by Smart Licensing Using Policy from now on");
    add_event(tx, now, tenant, &Actor::device(udi), &text)
}

/// What waits for CSSM of the product instances with these numbers, both inside.
pub(crate) fn untold(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    (first, last): (InstanceId, InstanceId),
    limit: i64,
) -> Result<BTreeMap<InstanceId, Untold>, Error> {
    let sql = "SELECT instance_id, registered_at, expires_at, message, message_nonce
        FROM older_registration WHERE tenant_id = $1 AND instance_id >= $2 AND instance_id <= $3
        AND is_told = 0 AND message IS NOT NULL ORDER BY instance_id LIMIT $4";
    let values = [tenant.into(), first.into(), last.into(), limit.into()];
    let found = tx.rows(sql, &values, |row| {
        let word = OlderWord {
            registered_at: Timestamp(row.int(1)?),
            expires_at: Timestamp(row.int(2)?),
            message: row.text(3)?,
        };
        Ok::<_, Error>((row.id(0)?, Untold { word, nonce: row.text(4)? }))
    })?;
    Ok(found.into_iter().collect())
}

/// How many wait for CSSM.
pub(crate) fn count_untold(tx: &mut Tx<'_>, tenant: TenantId) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM older_registration WHERE tenant_id = $1 AND is_told = 0";
    Ok(tx.row(sql, &[tenant.into()], |row| row.int(0))?.unwrap_or(0))
}

/// While something waits for CSSM, the product instance is one that CSSM is asked about.
pub(crate) fn still_asks(tx: &mut Tx<'_>, (tenant, id): Place) -> Result<(), Error> {
    let sql = "UPDATE instance SET wants_answer = 1 WHERE tenant_id = $1 AND id = $2
        AND EXISTS (SELECT 1 FROM older_registration AS older WHERE older.tenant_id = $1
        AND older.instance_id = $2 AND older.is_told = 0 AND older.message IS NOT NULL)";
    tx.execute(sql, &[tenant.into(), id.into()])?;
    Ok(())
}

/// Takes what CSSM says of a switch; whether it says anything of this one.
pub(crate) fn answered(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant, id): Place,
    udi: &Udi,
    document: &Document,
) -> Result<bool, Error> {
    let mut is_any = false;
    for answer in document.older_answers.iter().map(|signed| &signed.value) {
        if answer.sudi != *udi {
            continue;
        }
        is_any = true;
        let sql = "SELECT message FROM older_registration WHERE tenant_id = $1 AND instance_id = $2
            AND message_nonce = $3";
        let values = [tenant.into(), id.into(), (&answer.answers).into()];
        let Some(message) = tx.row(sql, &values, |row| row.opt_text(0))?.flatten() else {
            continue;
        };
        let sql = "UPDATE older_registration SET is_told = 1
            WHERE tenant_id = $1 AND instance_id = $2";
        tx.execute(sql, &values[..2])?;
        let sql =
            "UPDATE instance SET alert = NULL WHERE tenant_id = $1 AND id = $2 AND alert = $3";
        tx.execute(sql, &[tenant.into(), id.into(), NOT_TAKEN.into()])?;
        match &answer.result {
            OlderResult::Authorized { out_of_compliance, .. } => {
                for own in uses_in(&message) {
                    let is_short = out_of_compliance.contains(&own.tag);
                    note_balance(tx, answer.issued_at, tenant, own.tag.as_str(), is_short)?;
                }
            }
            OlderResult::Unknown => {
                // Its owner removed it at CSSM: it is registered nowhere.
                forget(tx, (tenant, id))?;
                clear_uses(tx, (tenant, id))?;
                let text = format!("registration of {udi} ended: it was removed at CSSM");
                add_event(tx, now, tenant, &Actor::system(), &text)?;
            }
            OlderResult::Deregistered => forget(tx, (tenant, id))?,
            OlderResult::Registered { .. } => {}
        }
    }
    Ok(is_any)
}

fn note_balance(
    tx: &mut Tx<'_>,
    at: Timestamp,
    tenant: TenantId,
    tag: &str,
    is_short: bool,
) -> Result<(), Error> {
    let sql = "INSERT INTO older_balance (tenant_id, tag, is_short, as_of) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, tag) DO UPDATE SET is_short = excluded.is_short,
        as_of = excluded.as_of WHERE older_balance.as_of <= excluded.as_of";
    tx.execute(sql, &[tenant.into(), tag.into(), is_short.into(), at.0.into()])?;
    Ok(())
}

/// What a message says is in use.
fn uses_in(message: &str) -> Vec<OlderUse> {
    match Request::read(message.as_bytes()).map(|request| request.body) {
        Ok(RequestBody::SmartLicensing { uses, .. }) => uses,
        _ => Vec::new(),
    }
}

/// A batch with what a switch said was answered; if CSSM passed over that, it is not sent again and again, and people are told.
pub(crate) fn passed_over(tx: &mut Tx<'_>, (tenant, id): Place, nonce: &str) -> Result<(), Error> {
    let sql = "UPDATE older_registration SET is_told = 1 WHERE tenant_id = $1 AND instance_id = $2
        AND is_told = 0 AND message_nonce = $3";
    if tx.execute(sql, &[tenant.into(), id.into(), nonce.into()])? == 0 {
        return Ok(());
    }
    let sql = "UPDATE instance SET alert = COALESCE(alert, $1) WHERE tenant_id = $2 AND id = $3
        AND removed_at IS NULL";
    tx.execute(sql, &[NOT_TAKEN.into(), tenant.into(), id.into()])?;
    Ok(())
}

/// Another pair of accounts hears of all that are registered, and what the one before said of its licences holds no more.
pub(crate) fn account_changed(tx: &mut Tx<'_>, tenant: TenantId) -> Result<(), Error> {
    tx.execute("DELETE FROM older_balance WHERE tenant_id = $1", &[tenant.into()])?;
    let sql = "UPDATE older_registration SET is_told = 0
        WHERE tenant_id = $1 AND message IS NOT NULL";
    tx.execute(sql, &[tenant.into()])?;
    let sql = "UPDATE instance SET wants_answer = 1 WHERE tenant_id = $1 AND id IN (SELECT
        instance_id FROM older_registration WHERE tenant_id = $1 AND message IS NOT NULL)";
    tx.execute(sql, &[tenant.into()])?;
    Ok(())
}

/// Registrations that were not renewed end, some at a time.
pub(crate) fn end_expired(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), Error> {
    const PORTION: i64 = 500;
    let sql = "SELECT older.tenant_id, older.instance_id, instance.pid, instance.serial
        FROM older_registration AS older JOIN instance ON instance.tenant_id = older.tenant_id
        AND instance.id = older.instance_id WHERE older.expires_at <= $1 AND older.is_over = 0
        ORDER BY older.tenant_id, older.instance_id LIMIT $2";
    let ended = tx.rows(sql, &[now.0.into(), PORTION.into()], |row| {
        let udi = Udi { pid: row.text(2)?, serial: row.text(3)? };
        Ok::<_, Error>(((row.id(0)?, row.id(1)?), udi))
    })?;
    for (place, udi) in ended {
        forget(tx, place)?;
        clear_uses(tx, place)?;
        let text = format!("registration of {udi} ended: it was not renewed");
        add_event(tx, now, place.0, &Actor::system(), &text)?;
    }
    Ok(())
}
