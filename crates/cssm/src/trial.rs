//! A policy tried on what happened: which product instances would have been late under it, and how many reports it would have
//! asked for.

use std::collections::BTreeMap;

use rumline_protocol::{ClassPolicy, RumReport, Timestamp, Udi};
use rumline_store::Tx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::virtual_account;
use crate::counted::shift_seconds;
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::{Cssm, Error};

const DAY: i64 = 86_400;
/// Times at which one product instance was late that are told one by one.
const LATE_MAX: usize = 1_000;
/// Product instances of one answer.
const PAGE_MAX: i64 = 100;

/// A report that would have been late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Late {
    /// When it would have been due.
    pub due_at: i64,
    /// When one came, if one did.
    pub came_at: Option<i64>,
}

/// How a product instance would have fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// The product instance.
    pub id: InstanceId,
    /// Product id and serial number.
    pub udi: String,
    /// How often it reported.
    pub reports: i64,
    /// How often the policy would have asked it to.
    pub reports_wanted: i64,
    /// When it would have been late, the first thousand times.
    pub late: Vec<Late>,
    /// How often it would have been late.
    pub late_count: i64,
}

/// What a product instance reported, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct History {
    /// When use began, or when it was registered if it never reported.
    used_since: i64,
    /// When reports came, in their order: up to when they tell of use, and whether anything was in use then.
    came: Vec<(i64, Told)>,
    /// When use changed, in their order; its beginning is no change.
    changed: Vec<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    to: i64,
    in_use: bool,
}

/// A report: when it came, and its spans.
struct Came {
    at: i64,
    tag: String,
    spans: Vec<(i64, i64, i64)>,
}

impl History {
    fn of(registered_at: i64, reports: &[Came]) -> Self {
        let starts = reports.iter().flat_map(|report| &report.spans).map(|span| span.0);
        let used_since = starts.min().unwrap_or(registered_at);
        let mut spans: BTreeMap<&str, Vec<(i64, i64, i64)>> = BTreeMap::new();
        for report in reports {
            spans.entry(&report.tag).or_default().extend(&report.spans);
        }
        let mut changed = Vec::new();
        for spans in spans.values_mut() {
            spans.sort_unstable();
            let mut before = None;
            for (from, _, count) in spans {
                if before != Some(*count) && *from > used_since && (before.is_some() || *count > 0)
                {
                    changed.push(*from);
                }
                before = Some(*count);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        let mut times: BTreeMap<i64, Vec<&Came>> = BTreeMap::new();
        for report in reports {
            times.entry(report.at).or_default().push(report);
        }
        let (mut came, mut to, mut counts) = (Vec::new(), 0, BTreeMap::new());
        for (at, together) in times {
            for report in together {
                for (_, end, count) in &report.spans {
                    to = to.max(*end);
                    let newest = counts.entry(report.tag.as_str()).or_insert((*end, *count));
                    if *end >= newest.0 {
                        *newest = (*end, *count);
                    }
                }
            }
            let in_use = counts.values().any(|(_, count)| *count > 0);
            came.push((at, Told { to, in_use }));
        }
        Self { used_since, came, changed }
    }

    /// Until when a report has to come after the last one, as the product instance reckons it.
    fn due_at(&self, class: ClassPolicy, last: Option<(i64, Told)>) -> Option<i64> {
        let due =
            |days: u32, from: i64| (days > 0).then(|| from.saturating_add(i64::from(days) * DAY));
        let told_to = last.map_or(i64::MIN, |(_, told)| told.to);
        let next = self.changed.partition_point(|at| *at < told_to);
        let change = self.changed.get(next).copied();
        let base = match last {
            None => due(class.first_report_days, self.used_since),
            Some((at, told)) if told.in_use => due(class.ongoing_report_days, at),
            // Where nothing is in use and all is told nothing is due, until use begins anew.
            Some((at, _)) => change.and_then(|since| due(class.ongoing_report_days, at.max(since))),
        };
        let change = change.and_then(|at| due(class.on_change_report_days, at));
        base.into_iter().chain(change).min()
    }

    /// When it was late.
    fn late(&self, class: ClassPolicy, now: i64) -> Vec<Late> {
        let mut late = Vec::new();
        let mut last = None;
        for next in self.came.iter().copied().map(Some).chain([None]) {
            let due_at = self.due_at(class, last);
            let at = next.map(|(at, _)| at);
            if let Some(due_at) = due_at.filter(|due_at| at.unwrap_or(now) > *due_at) {
                late.push(Late { due_at, came_at: at });
            }
            last = next;
        }
        late
    }

    /// How many reports it would have sent, each at the last moment.
    fn wanted(&self, class: ClassPolicy, now: i64) -> i64 {
        let (mut wanted, mut last) = (0, None);
        while let Some(at) = self.due_at(class, last).filter(|at| *at <= now) {
            wanted += 1;
            let next = self.came.partition_point(|(_, told)| told.to <= at);
            let told = next.checked_sub(1).and_then(|last| self.came.get(last));
            let in_use = told.is_none_or(|(_, told)| told.in_use);
            // What it tells goes up to when it leaves: a change of that moment is told by the next one.
            last = Some((at, Told { to: at, in_use }));
        }
        wanted
    }
}

/// The reports of a product instance in an account: what changed within one only its bytes tell. Times are those of its clock
/// as it is now, which runs on evenly.
fn reports_of(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    id: InstanceId,
) -> Result<Vec<Came>, Error> {
    let sql = "SELECT received_at, tag, payload FROM rum_report WHERE product_instance_id = $1
        AND smart_account_id = $2 ORDER BY report_id";
    let mut newest = (i64::MIN, 0);
    let mut reports = tx.rows(sql, &[id.into(), smart_account_id.into()], |row| {
        let (at, tag) = (row.int(0)?, row.text(1)?);
        let mut spans = Vec::new();
        if let Ok(report) = RumReport::read(&row.text(2)?) {
            spans.extend(report.even_spans().map(|(from, to, count)| (from, to, i64::from(count))));
            newest = newest.max((at, shift_seconds(&report, at)));
        }
        Ok::<_, Error>(Came { at, tag, spans })
    })?;
    for (from, to, _) in reports.iter_mut().flat_map(|report| &mut report.spans) {
        *from = from.saturating_add(newest.1).max(RumReport::EARLIEST.0);
        *to = to.saturating_add(newest.1).max(RumReport::EARLIEST.0);
    }
    Ok(reports)
}

impl Cssm {
    /// Tries a policy on what the product instances of a virtual account reported, in the order they were registered.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn try_policy(
        &self,
        now: Timestamp,
        (smart_account_id, virtual_account_id): (SmartAccountId, VirtualAccountId),
        class: ClassPolicy,
        after: InstanceId,
        limit: i64,
    ) -> Result<Vec<Trial>, Error> {
        self.db.read("policies.try", move |tx| {
            virtual_account(tx, smart_account_id, virtual_account_id)?;
            let sql = "SELECT id, pid, serial, registered_at FROM product_instance
                WHERE smart_account_id = $1 AND virtual_account_id = $2 AND removed_at IS NULL
                AND id > $3 ORDER BY id LIMIT $4";
            let values = [
                smart_account_id.into(),
                virtual_account_id.into(),
                after.into(),
                limit.clamp(1, PAGE_MAX).into(),
            ];
            let found: Vec<(InstanceId, Udi, i64)> = tx.rows(sql, &values, |row| {
                let udi = Udi { pid: row.text(1)?, serial: row.text(2)? };
                Ok::<_, Error>((row.id(0)?, udi, row.int(3)?))
            })?;
            let mut trials = Vec::with_capacity(found.len());
            for (id, udi, registered_at) in found {
                let history = History::of(registered_at, &reports_of(tx, smart_account_id, id)?);
                let mut late = history.late(class, now.0);
                let late_count = i64::try_from(late.len()).unwrap_or(i64::MAX);
                late.truncate(LATE_MAX);
                trials.push(Trial {
                    id,
                    udi: udi.to_string(),
                    reports: i64::try_from(history.came.len()).unwrap_or(i64::MAX),
                    reports_wanted: history.wanted(class, now.0),
                    late,
                    late_count,
                });
            }
            Ok(trials)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(first_report_days: u32, ongoing_report_days: u32) -> ClassPolicy {
        ClassPolicy { first_report_days, ongoing_report_days, on_change_report_days: 0 }
    }

    /// Of one that uses one licence from day 0 on, and reported on these days.
    fn told(class: ClassPolicy, came: &[i64], now: i64) -> (i64, Vec<(i64, Option<i64>)>) {
        let mut from = 0;
        let reports = came.iter().map(|day| {
            let spans = vec![(from, day * DAY, 1)];
            from = day * DAY;
            Came { at: day * DAY, tag: "L".to_owned(), spans }
        });
        let history = History::of(0, &reports.collect::<Vec<_>>());
        let late = history.late(class, now * DAY).into_iter();
        let late = late.map(|l| (l.due_at / DAY, l.came_at.map(|at| at / DAY))).collect();
        (history.wanted(class, now * DAY), late)
    }

    #[test]
    fn whoever_reports_in_time_is_not_late() {
        assert_eq!(told(class(30, 90), &[30, 120, 200], 290), (3, vec![]));
        assert_eq!(told(class(30, 90), &[], 30), (1, vec![]));
        assert_eq!(told(class(30, 90), &[], 29), (0, vec![]));
    }

    #[test]
    fn late_is_what_comes_after_it_was_due_or_not_at_all() {
        assert_eq!(told(class(30, 90), &[31], 100), (1, vec![(30, Some(31))]));
        assert_eq!(told(class(30, 90), &[10, 150], 200), (2, vec![(100, Some(150))]));
        assert_eq!(told(class(30, 90), &[], 31), (1, vec![(30, None)]));
        assert_eq!(told(class(30, 90), &[10], 101), (1, vec![(100, None)]));
        assert_eq!(told(class(30, 10), &[30, 60, 61], 90), (7, vec![(40, Some(60)), (71, None)]));
        // One that comes now is not one that is missing.
        assert_eq!(told(class(30, 0), &[31], 31), (1, vec![(30, Some(31))]));
        // Months apart, and a day.
        assert_eq!(told(class(30, 90), &[30, 121], 122), (2, vec![(120, Some(121))]));
    }

    #[test]
    fn no_days_want_no_reports() {
        assert_eq!(told(class(0, 0), &[5], 5_000), (0, vec![]));
        assert_eq!(told(class(30, 0), &[20], 5_000), (1, vec![]));
        // Without a time for the first one it is never late.
        assert_eq!(told(class(0, 50), &[60], 100), (0, vec![]));
        assert_eq!(told(class(0, 50), &[60], 111), (0, vec![(110, None)]));
    }
}
