//! Reports of an account (CSSM-006): use over time, and what was purchased against what was consumed (CSSM-027). Each number
//! opens to the signed reports it comes from.

use std::collections::{BTreeMap, BTreeSet};

use rumline_catalogue::Catalogue;
use rumline_protocol::{Civil, Timestamp};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::smart_account;
use crate::books;
use crate::days::{self, Changes, DAY};
use crate::ids::{PurchaseId, SmartAccountId, VirtualAccountId};
use crate::usage::{self, UseOfDays};
use crate::{Cssm, Error, Only, PartId};

/// The longest period of a report, in days.
const PERIOD_DAYS_MAX: i64 = 3_660;
/// The longest that is told day by day.
const DAILY_DAYS_MAX: i64 = 400;

/// The most rows of one report.
const ROWS_MAX: usize = 500_000;

/// Whole days of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first day, counted from 1970.
    first: i64,
    /// The day after its last.
    end: i64,
}

impl Period {
    /// From one day to another, both `YYYY-MM-DD` and both in it; without them the last thirty days.
    ///
    /// # Errors
    /// When a day is none, or the period is none.
    pub fn read(now: Timestamp, from: Option<&str>, to: Option<&str>) -> Result<Self, Error> {
        let last = match to {
            Some(to) => days::from_text("to", to)?,
            None => now.0.div_euclid(DAY),
        };
        let first = match from {
            Some(from) => days::from_text("from", from)?,
            None => last - 29,
        };
        if last < first {
            return Err(Error::parameter(
                "to",
                "a period ends on or after the day on which it begins",
            ));
        }
        if last - first >= PERIOD_DAYS_MAX {
            return Err(Error::Invalid(format!(
                "a period has at most {PERIOD_DAYS_MAX} days, this one has {}",
                last - first + 1
            )));
        }
        Ok(Self { first, end: last + 1 })
    }

    /// The first day of each step in it, as [`UseRow::from`] tells it: those too in which nothing was in use.
    #[must_use]
    pub fn steps(self, step: Step) -> Vec<String> {
        let (mut steps, mut first) = (Vec::new(), self.first);
        while first < self.end {
            steps.push(days::text(first));
            first = step.end(first, self.end);
        }
        steps
    }

    /// Its first second, and the one after its last.
    pub(crate) fn seconds(self) -> (i64, i64) {
        (self.first * DAY, self.end * DAY)
    }
}

/// In which steps use over time is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Day by day.
    #[default]
    Day,
    /// Month by month.
    Month,
}

impl Step {
    /// Where a step that begins with this day ends, in a period that ends there.
    fn end(self, first: i64, end: i64) -> i64 {
        match self {
            Self::Day => first + 1,
            Self::Month => next_month(first).min(end),
        }
    }
}

/// Use of a licence in a day or a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UseRow {
    /// Its first day, `YYYY-MM-DD`.
    pub from: String,
    /// Its last day.
    pub to: String,
    /// The virtual account in which it was reported.
    pub virtual_account_id: VirtualAccountId,
    /// Short name.
    pub license: String,
    /// Count times seconds.
    pub license_seconds: i64,
    /// How many were in use on average, in as much of the time as is over.
    pub in_use_average: f64,
}

/// What was purchased of a licence in a period, against what was consumed (CSSM-027).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeltaRow {
    /// The virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// Short name.
    pub license: String,
    /// The first day, `YYYY-MM-DD`.
    pub from: String,
    /// The last day.
    pub to: String,
    /// Licence seconds that were there.
    pub purchased_seconds: i64,
    /// Licence seconds that were used.
    pub used_seconds: i64,
    /// Licence seconds with which higher tiers stood in; below zero what this tier lent to lower ones.
    pub substituted_seconds: i64,
    /// Licence seconds that were used and not there, day by day: what is left over on one day makes up for no other.
    pub short_seconds: i64,
    /// Days on which some were missing.
    pub short_days: i64,
}

/// The first day of the month after that of a day.
fn next_month(day: i64) -> i64 {
    let Civil { day: of_month, .. } = Timestamp(day * DAY).civil();
    // Any month is over 31 days after its first, and the next one is not.
    let inside_next = day - of_month + 1 + 31;
    inside_next - Timestamp(inside_next * DAY).civil().day + 1
}

/// What the days add up to.
fn told(now: Timestamp, period: Period, step: Step, uses: &UseOfDays) -> Vec<UseRow> {
    let mut rows = Vec::new();
    let mut first = period.first;
    while first < period.end {
        let end = step.end(first, period.end);
        // Of one that has not begun nothing is over.
        let elapsed = if now.0 > first * DAY { (end * DAY).min(now.0) } else { end * DAY };
        let elapsed = elapsed - first * DAY;
        for ((virtual_account_id, license), days) in uses {
            let license_seconds: i64 = days.range(first..end).map(|(_, seconds)| seconds).sum();
            if license_seconds != 0 {
                rows.push(UseRow {
                    from: days::text(first),
                    to: days::text(end - 1),
                    virtual_account_id: *virtual_account_id,
                    license: license.clone(),
                    license_seconds,
                    in_use_average: average(license_seconds, elapsed),
                });
            }
        }
        first = end;
    }
    rows
}

/// To a thousandth.
#[expect(clippy::cast_precision_loss, reason = "an average, to a thousandth")]
fn average(license_seconds: i64, seconds: i64) -> f64 {
    (license_seconds as f64 / seconds as f64 * 1_000.0).round() / 1_000.0
}

/// An entry of the book, with when it counts.
struct Share {
    virtual_account_id: VirtualAccountId,
    license: String,
    quantity: i64,
    from: i64,
    until: Option<i64>,
}

/// Licence seconds that the virtual accounts held, up to now.
fn purchased_days(now: Timestamp, period: Period, shares: Vec<Share>) -> UseOfDays {
    let (first, end) = period.seconds();
    let end = end.min(now.0);
    let mut changes: BTreeMap<(VirtualAccountId, String), Changes> = BTreeMap::new();
    for share in shares {
        let until = share.until.unwrap_or(i64::MAX).min(end);
        let of = changes.entry((share.virtual_account_id, share.license)).or_default();
        days::add(of, share.from.max(first), until, share.quantity);
    }
    // A correction says how it was from the beginning; what was handed on meanwhile it cannot say anew.
    let days =
        |changes| days::uses(changes).into_iter().filter(|(_, seconds)| *seconds > 0).collect();
    changes.into_iter().map(|(of, changes)| (of, days(changes))).collect()
}

/// Purchased against consumed, day by day, with the tiers that stand in.
fn reconciled(period: Period, purchased: &UseOfDays, used: &UseOfDays) -> Vec<DeltaRow> {
    let tiers = books::lowest_first(Catalogue::nexus().tiers());
    let mut rows: BTreeMap<(VirtualAccountId, &str), DeltaRow> = BTreeMap::new();
    let keys: BTreeSet<&(VirtualAccountId, String)> = purchased.keys().chain(used.keys()).collect();
    let accounts: BTreeSet<VirtualAccountId> = keys.iter().map(|key| key.0).collect();
    let of = |all: &UseOfDays, key: &(VirtualAccountId, String), day: i64| {
        all.get(key).and_then(|days| days.get(&day)).copied().unwrap_or(0)
    };
    for virtual_account_id in accounts {
        let licenses: Vec<&(VirtualAccountId, String)> =
            keys.iter().filter(|key| key.0 == virtual_account_id).copied().collect();
        for day in period.first..period.end {
            let there = licenses
                .iter()
                .map(|key| (key.1.as_str(), (of(purchased, key, day), of(used, key, day))));
            let there: books::Rows<'_> = there.filter(|(_, of)| *of != (0, 0)).collect();
            let standing = books::standing(&there, &tiers);
            for (license, (purchased, used)) in there {
                let (substituted, balance) = standing.get(license).copied().unwrap_or_default();
                let row = rows.entry((virtual_account_id, license)).or_insert_with(|| DeltaRow {
                    virtual_account_id,
                    license: license.to_owned(),
                    from: days::text(period.first),
                    to: days::text(period.end - 1),
                    purchased_seconds: 0,
                    used_seconds: 0,
                    substituted_seconds: 0,
                    short_seconds: 0,
                    short_days: 0,
                });
                row.purchased_seconds += purchased;
                row.used_seconds += used;
                row.substituted_seconds += substituted;
                row.short_seconds += (-balance).max(0);
                row.short_days += i64::from(balance < 0);
            }
        }
    }
    rows.into_values().collect()
}

/// The book, entry by entry.
fn shares(tx: &mut Tx<'_>, smart_account_id: SmartAccountId) -> Result<Vec<Share>, Error> {
    let sql = "SELECT book_entry.virtual_account_id, purchase.license, book_entry.quantity,
        book_entry.kind, book_entry.at, purchase.starts_at, purchase.visible_at, purchase.ends_at,
        purchase.id FROM book_entry JOIN purchase
        ON purchase.smart_account_id = book_entry.smart_account_id
        AND purchase.id = book_entry.purchase_id WHERE book_entry.smart_account_id = $1
        ORDER BY book_entry.id";
    // Since when a virtual account holds some of a purchase.
    let mut since: BTreeMap<(PurchaseId, VirtualAccountId), i64> = BTreeMap::new();
    tx.rows(sql, &[smart_account_id.into()], |row| {
        let (virtual_account_id, purchase_id) = (row.id(0)?, row.id(8)?);
        let counts_at = row.int(5)?.max(row.int(6)?);
        // What is handed on was with the other until then; what is corrected was so since it is held there.
        let handed_on = row.text(3)? == "transferred";
        let from = if handed_on { counts_at.max(row.int(4)?) } else { counts_at };
        let held = *since.entry((purchase_id, virtual_account_id)).or_insert(from);
        Ok(Share {
            virtual_account_id,
            license: row.text(1)?,
            quantity: row.int(2)?,
            from: if handed_on { from } else { held },
            until: row.opt_int(7)?,
        })
    })
}

fn only_of(uses: &mut UseOfDays, only: &Only<PartId>) {
    uses.retain(|(virtual_account_id, _), _| only.has(&(*virtual_account_id).into()));
}

impl Cssm {
    /// Use over time of these virtual accounts, oldest first.
    ///
    /// # Errors
    /// When there is no such account, or the period is too long to be told day by day.
    pub fn use_over_time(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        period: Period,
        step: Step,
    ) -> Result<Vec<UseRow>, Error> {
        if step == Step::Day && period.end - period.first > DAILY_DAYS_MAX {
            return Err(Error::Invalid(format!(
                "more than {DAILY_DAYS_MAX} days are told month by month (by=month)"
            )));
        }
        let only = only.clone();
        let mut uses = self.db.read("reports.use", move |tx| {
            smart_account(tx, smart_account_id)?;
            usage::use_of_days(tx, smart_account_id, (period.first, period.end))
        })?;
        only_of(&mut uses, &only);
        let rows = uses.values().map(BTreeMap::len).sum::<usize>();
        if rows > ROWS_MAX {
            return Err(Error::Invalid(format!(
                "that is up to {rows} rows, more than {ROWS_MAX}: name a shorter period"
            )));
        }
        Ok(told(now, period, step, &uses))
    }

    /// What was purchased in a period against what was consumed (CSSM-027).
    ///
    /// # Errors
    /// When there is no such account.
    pub fn delta(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        period: Period,
    ) -> Result<Vec<DeltaRow>, Error> {
        let (mut used, shares) = self.db.read("reports.delta", move |tx| {
            smart_account(tx, smart_account_id)?;
            let days = (period.first, period.end);
            let used = usage::use_of_days(tx, smart_account_id, days)?;
            Ok::<_, Error>((used, shares(tx, smart_account_id)?))
        })?;
        let mut purchased = purchased_days(now, period, shares);
        only_of(&mut used, only);
        only_of(&mut purchased, only);
        Ok(reconciled(period, &purchased, &used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    #[test]
    fn a_period_is_whole_days() {
        let read =
            |from, to| Period::read(NOW, from, to).map(|p| (days::text(p.first), p.end - p.first));
        assert_eq!(read(None, None).unwrap(), ("2026-12-17".to_owned(), 30));
        assert_eq!(read(Some("2026-02-28"), Some("2026-03-01")).unwrap().1, 2);
        assert_eq!(read(Some("2026-02-28"), Some("2026-02-28")).unwrap().1, 1);
        assert!(read(Some("2026-02-28"), Some("2026-02-27")).is_err());
        assert!(read(Some("2016-02-28"), Some("2026-03-06")).is_ok());
        assert!(read(Some("2016-02-28"), Some("2026-03-07")).is_err());
        for wrong in
            ["", "2026", "2026-13-01", "2026-02-30", "+2026-01-01", "2026-1-", "2026-01-01-"]
        {
            assert!(read(Some(wrong), None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn months_end_where_they_do() {
        let day = |text| days::from_text("day", text).unwrap();
        for (from, next) in [
            ("2026-01-01", "2026-02-01"),
            ("2026-01-31", "2026-02-01"),
            ("2026-02-28", "2026-03-01"),
            ("2028-02-28", "2028-03-01"),
            ("2026-12-31", "2027-01-01"),
            ("2026-04-01", "2026-05-01"),
        ] {
            assert_eq!(days::text(next_month(day(from))), next, "{from}");
        }
    }

    #[test]
    fn use_is_told_by_day_and_by_month_and_adds_up() {
        let period = Period::read(NOW, Some("2026-01-30"), Some("2026-02-02")).unwrap();
        let days = (0..4).map(|n| (period.first + n, 2 * DAY)).collect();
        let uses = UseOfDays::from([((VirtualAccountId(1), "L".to_owned()), days)]);
        let by_day = told(NOW, period, Step::Day, &uses);
        assert_eq!(by_day.len(), 4);
        assert_eq!((by_day[0].from.as_str(), by_day[0].to.as_str()), ("2026-01-30", "2026-01-30"));
        let by_month = told(NOW, period, Step::Month, &uses);
        let of: Vec<_> =
            by_month.iter().map(|row| (row.to.as_str(), row.license_seconds)).collect();
        assert_eq!(of, [("2026-01-31", 4 * DAY), ("2026-02-02", 4 * DAY)]);
        assert_eq!((by_day[0].in_use_average, by_month[0].in_use_average), (2.0, 2.0));
        // A day that is not over counts as far as it goes.
        let noon = Timestamp(period.first * DAY + DAY / 2);
        let half = UseOfDays::from([(
            (VirtualAccountId(1), "L".to_owned()),
            BTreeMap::from([(period.first, DAY)]),
        )]);
        assert_eq!(told(noon, period, Step::Day, &half)[0].in_use_average, 2.0);
        assert_eq!(average(1, 3), 0.333);
    }

    #[test]
    fn what_is_left_over_on_one_day_makes_up_for_no_other() {
        let period = Period::read(NOW, Some("2026-01-01"), Some("2026-01-03")).unwrap();
        let first = period.first * DAY;
        let share = |license: &str, quantity, from, until| Share {
            virtual_account_id: VirtualAccountId(1),
            license: license.to_owned(),
            quantity,
            from,
            until,
        };
        let shares = vec![
            share("VPN_FABRIC", 4, first, None),
            // Handed on at noon of the second day.
            share("VPN_FABRIC", -4, first + DAY + DAY / 2, None),
            share("NXOS_ADVANTAGE", 1, first + 2 * DAY, Some(first + 9 * DAY)),
        ];
        let purchased = purchased_days(NOW, period, shares);
        let used = (0..3).map(|n| (period.first + n, 3 * DAY)).collect();
        let used = UseOfDays::from([((VirtualAccountId(1), "VPN_FABRIC".to_owned()), used)]);
        let rows = reconciled(period, &purchased, &used);
        let of = |license: &str| rows.iter().find(|row| row.license == license).unwrap();
        let fabric = of("VPN_FABRIC");
        assert_eq!((fabric.purchased_seconds, fabric.used_seconds), (6 * DAY, 9 * DAY));
        // One over, one missing, and of three one is lent.
        assert_eq!(
            (fabric.substituted_seconds, fabric.short_seconds, fabric.short_days),
            (DAY, 3 * DAY, 2)
        );
        let tier = of("NXOS_ADVANTAGE");
        assert_eq!(
            (tier.purchased_seconds, tier.substituted_seconds, tier.short_seconds),
            (DAY, -DAY, 0)
        );
        // Of days to come nothing is said.
        let early =
            purchased_days(Timestamp(first + DAY), period, vec![share("VPN_FABRIC", 4, 0, None)]);
        assert_eq!(early[&(VirtualAccountId(1), "VPN_FABRIC".to_owned())].len(), 1);
    }
}
