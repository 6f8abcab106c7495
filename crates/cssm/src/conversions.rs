//! Device-led conversion: what product instances held by licence files is booked as purchased, once, with the papers to show for it
//! (guide p. 50, 53; PI-MIG-018, CSSM-035, CSSM-036). A licence keeps its name: tiers are what they were.

use rumline_catalogue::Catalogue;
use rumline_protocol::{Conversion, Timestamp, Traditional};
use rumline_store::Tx;

use crate::accounts::add_event;
use crate::instances::{self, Instance};
use crate::purchases::{self, Purchase, PurchaseKind};
use crate::{Actor, Error};

const OF_ANOTHER: &str = "it was converted for another product instance";
const UNKNOWN: &str = "the package is not in the catalogue of this CSSM";

/// The most lines of licence files that a product instance may have had.
const LINES_MAX: i64 = 4096;
/// The most that are told with a trust code: those that were asked for last. A request has up to [`Traditional::MAX`].
const TOLD_MAX: i64 = 256;

/// Books what a product instance asks for, so far as it was not; says what became of each.
pub(crate) fn book(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    asked: &[Traditional],
) -> Result<(), Error> {
    let sql = "SELECT COUNT(*) FROM conversion WHERE product_instance_id = $1";
    let mut count = tx.row(sql, &[instance.id.into()], |row| row.int(0))?.unwrap_or(0);
    for own in asked.iter().take(Traditional::MAX) {
        // More than any switch can hold is of one that makes them up.
        count += 1;
        if count > LINES_MAX {
            break;
        }
        let purchase = purchase_of(own, now);
        let known = of_whom(tx, own)?;
        let is_its = match known {
            // The other supervisor of a chassis asks for what the first was given: they have one key.
            Some(id) => instances::by_id(tx, id)?.is_some_and(|of| {
                of.public_key == instance.public_key
                    && of.udi.pid == instance.udi.pid
                    && Catalogue::nexus().may_have_standby(&of.udi.pid)
            }),
            None => false,
        };
        let refusal = match known {
            Some(id) if id == instance.id => continue,
            Some(_) if is_its => None,
            Some(_) => Some(OF_ANOTHER.to_owned()),
            None if Catalogue::nexus().package(&own.license).is_none() => Some(UNKNOWN.to_owned()),
            None => purchase.check(now).err().map(|error| error.to_string()),
        };
        let sql =
            "INSERT INTO conversion (file_id, line_id, product_instance_id, license, quantity,
            pak, at, refusal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (file_id, line_id, product_instance_id) DO UPDATE SET
            license = excluded.license, quantity = excluded.quantity, pak = excluded.pak,
            at = excluded.at, refusal = excluded.refusal
            WHERE conversion.refusal IS NOT NULL AND excluded.refusal IS NULL";
        let values = [
            (&own.file_id).into(),
            i64::from(own.line_id).into(),
            instance.id.into(),
            (&own.license).into(),
            i64::from(own.count).into(),
            (&own.pak).into(),
            now.0.into(),
            refusal.as_deref().into(),
        ];
        if tx.execute(sql, &values)? == 0 || is_its {
            continue;
        }
        let Traditional { license, count, file_id, line_id, pak, .. } = own;
        let papers = format!("PAK {pak}, license file {file_id}, line {line_id}");
        let actor = Actor::collector(&instance.udi.to_string());
        if let Some(why) = refusal {
            let text =
                format!("{count} x {license} of {} not converted: {why} ({papers})", instance.udi);
            add_event(tx, now, instance.smart_account_id, &actor, &text)?;
            continue;
        }
        let account = instance.account();
        purchases::record(tx, now, &actor, account, &purchase, ("converted", &papers))?;
        let text = format!("{count} x {license} of {} converted ({papers})", instance.udi);
        add_event(tx, now, instance.smart_account_id, &actor, &text)?;
    }
    Ok(())
}

/// A licence of a licence file as a purchase: for good, or for the rest of its term.
fn purchase_of(own: &Traditional, now: Timestamp) -> Purchase {
    Purchase {
        license: own.license.clone(),
        quantity: i64::from(own.count),
        kind: if own.ends_at.is_some() { PurchaseKind::Term } else { PurchaseKind::Perpetual },
        starts_at: now.0,
        ends_at: own.ends_at.map(|at| at.0),
        order_number: format!("{}/{}/{}", own.pak, own.file_id, own.line_id),
    }
}

/// The product instance that a licence was converted for.
fn of_whom(tx: &mut Tx<'_>, own: &Traditional) -> Result<Option<crate::ids::InstanceId>, Error> {
    let sql = "SELECT product_instance_id FROM conversion WHERE file_id = $1 AND line_id = $2
        AND refusal IS NULL";
    let values = [(&own.file_id).into(), i64::from(own.line_id).into()];
    tx.row(sql, &values, |row| Ok::<_, Error>(row.id(0)?))
}

/// What became of what a product instance asked for last.
pub(crate) fn of(tx: &mut Tx<'_>, instance: &Instance) -> Result<Vec<Conversion>, Error> {
    let sql = "SELECT file_id, line_id, refusal FROM conversion WHERE product_instance_id = $1
        ORDER BY at DESC, file_id, line_id LIMIT $2";
    tx.rows(sql, &[instance.id.into(), TOLD_MAX.into()], |row| {
        let line_id = u32::try_from(row.int(1)?).unwrap_or_default();
        Ok::<_, Error>(Conversion { file_id: row.text(0)?, line_id, refusal: row.opt_text(2)? })
    })
}
