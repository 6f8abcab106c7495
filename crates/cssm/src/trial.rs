//! A policy tried on what happened: which product instances would have been late under it, and how many reports it would have
//! asked for.

use rumline_protocol::{ClassPolicy, Timestamp, Udi};
use serde::{Deserialize, Serialize};

use crate::accounts::virtual_account;
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::{Cssm, Error};

const DAY: i64 = 86_400;
/// Times at which one product instance was late that are told one by one.
const LATE_MAX: usize = 1_000;
/// Product instances of one answer.
const PAGE_MAX: i64 = 100;

/// A report that would have been late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    /// When it would have been due.
    pub due_at: i64,
    /// When one came, if one did.
    pub came_at: Option<i64>,
}

/// How a product instance would have fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The product instance.
    pub id: InstanceId,
    /// Product id and serial number.
    pub udi: String,
    /// How often it reported.
    pub reports: i64,
    /// How often the policy would have asked it to.
    pub reports_wanted: i64,
    /// When it would have been late.
    pub late: Vec<Late>,
}

/// How one fares that is known since `registered_at` and reported at these times, in their order. A report is wanted so many days
/// after the registration, and so many after each one before; 0 days want none.
fn tried(class: ClassPolicy, registered_at: i64, came: &[i64], now: i64) -> (i64, Vec<Late>) {
    let (first, ongoing) =
        (i64::from(class.first_report_days) * DAY, i64::from(class.ongoing_report_days) * DAY);
    let mut late = Vec::new();
    let mut since = registered_at;
    let mut within = if first > 0 { first } else { ongoing };
    for at in came.iter().copied().chain([now]) {
        let due_at = since + within;
        if within > 0 && at > due_at && late.len() < LATE_MAX {
            late.push(Late {
                due_at,
                came_at: (at != now || came.last() == Some(&now)).then_some(at),
            });
        }
        (since, within) = (at, ongoing);
    }
    // Somebody who reports at the last moment each time.
    let mut wanted = 0;
    let to_first = if first > 0 { first } else { ongoing };
    let left = now - registered_at - to_first;
    if to_first > 0 && left >= 0 {
        wanted = 1 + if ongoing > 0 { left / ongoing } else { 0 };
    }
    (wanted, late)
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
                let sql = "SELECT DISTINCT received_at FROM rum_report
                    WHERE product_instance_id = $1 ORDER BY received_at";
                let came: Vec<i64> =
                    tx.rows(sql, &[id.into()], |row| Ok::<_, Error>(row.int(0)?))?;
                let (reports_wanted, late) = tried(class, registered_at, &came, now.0);
                let reports = i64::try_from(came.len()).unwrap_or(i64::MAX);
                trials.push(Trial { id, udi: udi.to_string(), reports, reports_wanted, late });
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

    fn told(class: ClassPolicy, came: &[i64], now: i64) -> (i64, Vec<(i64, Option<i64>)>) {
        let days: Vec<i64> = came.iter().map(|day| day * DAY).collect();
        let (wanted, late) = tried(class, 0, &days, now * DAY);
        let late = late.into_iter();
        (wanted, late.map(|l| (l.due_at / DAY, l.came_at.map(|at| at / DAY))).collect())
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
    }

    #[test]
    fn no_days_want_no_reports() {
        assert_eq!(told(class(0, 0), &[5], 5_000), (0, vec![]));
        assert_eq!(told(class(30, 0), &[20], 5_000), (1, vec![]));
        // Without a time for the first one it is wanted like any other.
        assert_eq!(told(class(0, 50), &[60], 100), (2, vec![(50, Some(60))]));
    }
}
