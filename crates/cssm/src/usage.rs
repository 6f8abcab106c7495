//! Use over time, kept by day (CSSM-001, 006).

use std::collections::BTreeMap;

use rumline_catalogue::Catalogue;
use rumline_protocol::{RumReport, sha256};
use rumline_store::{Tx, Value};

use crate::Error;
use crate::counted::{Counted, Extent};
use crate::days::{self, Changes};
use crate::ids::{Account, SmartAccountId, VirtualAccountId};
use crate::schema::REPORT_INDEXES;

/// Reports that are worked on at a time.
const PIECE: i64 = 1_000;
/// Where it is noted that [`derive_once`] was here.
const DERIVED: &str = "reports_derived";
/// Where it is noted by which catalogue's names the days are kept.
const CATALOGUE: &str = "days_by_license";

/// The use of some days is more, or less.
pub(crate) fn change_days(
    tx: &mut Tx<'_>,
    (smart_account_id, virtual_account_id): Account,
    license: &str,
    changes: &Changes,
) -> Result<(), Error> {
    // What begins on a day ends on another: two at a time.
    const ONE: &str = "INSERT INTO use_day (smart_account_id, virtual_account_id, license, day,
        change) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (smart_account_id, virtual_account_id, license, day)
        DO UPDATE SET change = use_day.change + excluded.change";
    const TWO: &str = "INSERT INTO use_day (smart_account_id, virtual_account_id, license, day,
        change) VALUES ($1, $2, $3, $4, $5), ($1, $2, $3, $6, $7)
        ON CONFLICT (smart_account_id, virtual_account_id, license, day)
        DO UPDATE SET change = use_day.change + excluded.change";
    let changed: Vec<_> = changes.iter().filter(|(_, change)| **change != 0).collect();
    for some in changed.chunks(2) {
        let mut values: Vec<Value<'_>> =
            vec![smart_account_id.into(), virtual_account_id.into(), license.into()];
        values.extend(
            some.iter().flat_map(|(day, change)| [Value::Int(**day), Value::Int(**change)]),
        );
        tx.execute(if some.len() == 2 { TWO } else { ONE }, &values)?;
    }
    Ok(())
}

/// The changes of days, of each virtual account and licence.
pub(crate) type Days = BTreeMap<(SmartAccountId, VirtualAccountId, String), Changes>;

/// What is kept.
pub(crate) fn kept_days(tx: &mut Tx<'_>) -> Result<Days, Error> {
    let sql = "SELECT smart_account_id, virtual_account_id, license, day, change FROM use_day
        WHERE change <> 0";
    let mut days = Days::new();
    tx.each(sql, &[], |row| {
        let of = (row.id(0)?, row.id(1)?, row.text(2)?);
        days.entry(of).or_default().insert(row.int(3)?, row.int(4)?);
        Ok::<_, Error>(true)
    })?;
    Ok(days)
}

/// What the reports say.
pub(crate) fn counted_days(tx: &mut Tx<'_>) -> Result<Days, Error> {
    let sql = "SELECT smart_account_id, virtual_account_id, tag, payload, counted, received_at
        FROM rum_report WHERE counted_to IS NOT NULL";
    let mut days = Days::new();
    tx.each(sql, &[], |row| {
        let license = Catalogue::nexus().license_of(&row.text(2)?);
        let of = (row.id(0)?, row.id(1)?, license);
        if let Ok(report) = RumReport::read(&row.text(3)?) {
            let counted = Counted::read(&report, row.int(5)?, row.opt_text(4)?.as_deref());
            counted.add_to(days.entry(of).or_default());
        }
        Ok::<_, Error>(true)
    })?;
    for changes in days.values_mut() {
        changes.retain(|_, change| *change != 0);
    }
    days.retain(|_, changes| !changes.is_empty());
    Ok(days)
}

/// Keeps these instead of what is kept.
pub(crate) fn put_days(tx: &mut Tx<'_>, days: &Days) -> Result<(), Error> {
    tx.execute("DELETE FROM use_day", &[])?;
    for ((smart_account_id, virtual_account_id, license), changes) in days {
        change_days(tx, (*smart_account_id, *virtual_account_id), license, changes)?;
    }
    Ok(())
}

/// Works out of the reports that came before use over time was kept which of their seconds counted, once.
pub(crate) fn derive_once(tx: &mut Tx<'_>) -> Result<(), Error> {
    let sql = "INSERT INTO counter (name, value) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING";
    if tx.execute(sql, &[DERIVED.into()])? == 0 {
        return Ok(());
    }
    let mut last = (0_i64, i64::MIN);
    loop {
        let sql = "SELECT product_instance_id, report_id, payload, count_seconds, received_at
            FROM rum_report
            WHERE (product_instance_id, report_id) > ($1, $2)
            ORDER BY product_instance_id, report_id LIMIT $3";
        let values = [last.0.into(), last.1.into(), PIECE.into()];
        let piece = tx.rows(sql, &values, |row| {
            Ok::<_, Error>((row.int(0)?, row.int(1)?, row.text(2)?, row.int(3)?, row.int(4)?))
        })?;
        let Some((instance, report, ..)) = piece.last() else { break };
        last = (*instance, *report);
        for (instance, id, payload, count_seconds, received_at) in &piece {
            let Ok(report) = RumReport::read(payload) else { continue };
            let counted = Counted::at_the_end(&report, *received_at, *count_seconds);
            let (text, extent) = (counted.text(), counted.extent());
            let sql = "UPDATE rum_report SET counted = $1, counted_from = $2, counted_to = $3,
                span_class = $4 WHERE product_instance_id = $5 AND report_id = $6";
            let values = [
                text.as_deref().into(),
                extent.map(|extent| extent.from).into(),
                extent.map(|extent| extent.to).into(),
                extent.map_or(0, Extent::class).into(),
                (*instance).into(),
                (*id).into(),
            ];
            tx.execute(sql, &values)?;
        }
    }
    Ok(tx.batch(REPORT_INDEXES)?)
}

/// Adds the days up anew when the catalogue's names of licences are not those that they are kept by.
pub(crate) fn follow_catalogue(tx: &mut Tx<'_>) -> Result<(), Error> {
    let mut names = String::new();
    for package in Catalogue::nexus().packages() {
        for variant in &package.variants {
            names.extend([variant.tag.as_str(), " ", &package.name, "\n"]);
        }
    }
    let digest = sha256(names.as_bytes());
    let names = i64::from_be_bytes(std::array::from_fn(|at| digest.get(at).copied().unwrap_or(0)));
    let sql = "INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name)
        DO UPDATE SET value = excluded.value WHERE counter.value <> excluded.value";
    let is_news = tx.execute(sql, &[CATALOGUE.into(), names.into()])? > 0;
    let any = "SELECT report_id FROM rum_report WHERE product_instance_id > $1
        ORDER BY product_instance_id LIMIT 1";
    if !is_news || tx.row(any, &[0.into()], |row| row.int(0))?.is_none() {
        return Ok(());
    }
    let days = counted_days(tx)?;
    put_days(tx, &days)
}

/// Licence seconds of some days, by virtual account and licence; days without any are left out.
pub(crate) type UseOfDays = BTreeMap<(VirtualAccountId, String), BTreeMap<i64, i64>>;

/// The use of the days from one to before another.
pub(crate) fn use_of_days(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    (first, end): (i64, i64),
) -> Result<UseOfDays, Error> {
    let mut changes: BTreeMap<(VirtualAccountId, String), Changes> = BTreeMap::new();
    let sql = "SELECT virtual_account_id, license, CAST(SUM(change) AS BIGINT) FROM use_day
        WHERE smart_account_id = $1 AND day <= $2 GROUP BY virtual_account_id, license";
    tx.each(sql, &[smart_account_id.into(), first.into()], |row| {
        changes.entry((row.id(0)?, row.text(1)?)).or_default().insert(first, row.int(2)?);
        Ok::<_, Error>(true)
    })?;
    let sql = "SELECT virtual_account_id, license, day, change FROM use_day
        WHERE smart_account_id = $1 AND day > $2 AND day < $3";
    tx.each(sql, &[smart_account_id.into(), first.into(), end.into()], |row| {
        changes.entry((row.id(0)?, row.text(1)?)).or_default().insert(row.int(2)?, row.int(3)?);
        Ok::<_, Error>(true)
    })?;
    let mut uses = UseOfDays::new();
    for (of, mut changes) in changes {
        // Whatever still lasts is looked at up to here.
        changes.entry(end).or_default();
        let days: BTreeMap<i64, i64> = days::uses(changes).into_iter().collect();
        if !days.is_empty() {
            uses.insert(of, days);
        }
    }
    Ok(uses)
}
