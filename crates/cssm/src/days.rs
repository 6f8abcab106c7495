//! Days of UTC, counted from 1970, and use over time by day. It is kept so that a span costs the same however long it is: for
//! each day by how much its use is more than that of the day before. What a day's use is follows from all changes up to it.

use std::collections::BTreeMap;

use rumline_protocol::{Civil, Timestamp};

use crate::Error;

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// The last second that a day is told of: the year 9999.
const LATEST: i64 = 253_402_300_799;

/// By how many licence seconds the use of a day is more than that of the day before, by day since 1970.
pub(crate) type Changes = BTreeMap<i64, i64>;

/// Adds a span of use: at most four changes.
pub(crate) fn add(changes: &mut Changes, from: i64, to: i64, count: i64) {
    // Reports that an older release took may name any time: what lies outside of the years that are told is of no day.
    let (from, to) = (from.max(-LATEST), to.min(LATEST));
    if from >= to || count == 0 {
        return;
    }
    let (first, last) = (from.div_euclid(DAY), (to - 1).div_euclid(DAY));
    let of = |seconds: i64| seconds.saturating_mul(count);
    let mut change = |day: i64, by: i64| {
        let known = changes.entry(day).or_default();
        *known = known.saturating_add(by);
    };
    if first == last {
        change(first, of(to - from));
        change(first + 1, -of(to - from));
        return;
    }
    let (head, tail) = (of((first + 1) * DAY - from), of(to - last * DAY));
    change(first, head);
    change(first + 1, of(DAY) - head);
    change(last, tail - of(DAY));
    change(last + 1, -tail);
}

/// The use of each day that has some, from its changes in their order.
pub(crate) fn uses(changes: impl IntoIterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut days = Vec::new();
    let mut standing: Option<(i64, i64)> = None;
    for (day, by) in changes {
        if let Some((since, seconds)) = standing.filter(|(_, seconds)| *seconds != 0) {
            days.extend((since..day).map(|day| (day, seconds)));
        }
        standing = Some((day, standing.map_or(0, |(_, seconds)| seconds).saturating_add(by)));
    }
    days
}

/// The first second of a day `YYYY-MM-DD`.
///
/// # Errors
/// When it is none.
pub fn first_second(text: &str) -> Result<i64, Error> {
    Ok(from_text("day", text)? * DAY)
}

/// Reads a day `YYYY-MM-DD` that a request calls `field`.
pub(crate) fn from_text(field: &'static str, text: &str) -> Result<i64, Error> {
    let wrong = || Error::parameter(field, format!("{text:?} is no day, it is YYYY-MM-DD"));
    let number = |text: &str| {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain { text.parse::<i64>().map_err(|_| wrong()) } else { Err(wrong()) }
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(wrong()) };
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, weekday: 0 };
    Timestamp::from_civil(civil).map(|at| at.0.div_euclid(DAY)).ok_or_else(wrong)
}

/// A day as people write it.
pub(crate) fn text(day: i64) -> String {
    let Civil { year, month, day, .. } = Timestamp(day.saturating_mul(DAY)).civil();
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_has_what_a_count_by_seconds_says() {
        let mut seed = 7_u64;
        let mut below = |limit: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i64::try_from(seed >> 33).unwrap_or(0) % limit
        };
        for _ in 0..300 {
            let (mut changes, mut model) = (Changes::new(), BTreeMap::<i64, i64>::new());
            for _ in 0..below(6) {
                // Before 1970 too, and at the ends of days.
                let from = (below(8) - 3) * DAY
                    + [0, 1, DAY - 1, below(DAY)][usize::try_from(below(4)).unwrap()];
                let to =
                    from + [1, DAY, 2 * DAY, below(4 * DAY)][usize::try_from(below(4)).unwrap()];
                let count = below(5);
                add(&mut changes, from, to, count);
                let mut at = from;
                while at < to {
                    let end = ((at.div_euclid(DAY) + 1) * DAY).min(to);
                    *model.entry(at.div_euclid(DAY)).or_default() += (end - at) * count;
                    at = end;
                }
            }
            model.retain(|_, seconds| *seconds != 0);
            assert_eq!(changes.values().sum::<i64>(), 0);
            assert_eq!(uses(changes), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_span_of_years_costs_four_changes() {
        let mut changes = Changes::new();
        add(&mut changes, 5, 3_650 * DAY + 5, 2);
        assert_eq!(changes.len(), 4);
        assert_eq!(uses(changes).iter().map(|(_, seconds)| seconds).sum::<i64>(), 7_300 * DAY);
        let mut none = Changes::new();
        add(&mut none, 5, 5, 1);
        add(&mut none, 6, 5, 1);
        add(&mut none, 5, 6, 0);
        add(&mut none, i64::MAX - 1, i64::MAX, 1);
        add(&mut none, i64::MIN, i64::MIN + 1, 1);
        assert!(none.is_empty());
    }
}
