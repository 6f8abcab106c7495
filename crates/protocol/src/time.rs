//! Whole seconds since 1970, the only kind of time that crosses a wire, a file or a database.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Seconds in a day.
    pub const DAY: i64 = 86_400;
    /// Seconds in an hour.
    pub const HOUR: i64 = 3_600;

    /// The whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// The same instant in milliseconds, as account information and messages carry it.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.saturating_mul(1000)
    }

    /// The second that holds the given millisecond.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.div_euclid(1000))
    }

    /// This instant plus a number of days.
    #[must_use]
    pub fn plus_days(self, days: u32) -> Self {
        self + i64::from(days) * Self::DAY
    }

    /// Seconds from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<i64> for Timestamp {
    type Output = Self;
    fn add(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl Sub<i64> for Timestamp {
    type Output = Self;
    fn sub(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-24T21:07:27Z`, by the proleptic Gregorian calendar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            t.year, t.month, t.day, t.hour, t.minute, t.second
        )
    }
}

/// Date and time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// Hour, 0 to 23.
    pub hour: i64,
    /// Minute.
    pub minute: i64,
    /// Second.
    pub second: i64,
    /// Day of the week, 0 for Sunday.
    pub weekday: i64,
}

impl Civil {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

    /// Three letters of the month.
    #[must_use]
    pub fn month_name(&self) -> &'static str {
        let index = usize::try_from(self.month - 1).unwrap_or(0);
        Self::MONTHS.get(index).copied().unwrap_or("Jan")
    }

    /// Three letters of the day of the week.
    #[must_use]
    pub fn weekday_name(&self) -> &'static str {
        usize::try_from(self.weekday).ok().and_then(|day| Self::WEEKDAYS.get(day)).unwrap_or(&"Sun")
    }

    /// The number of a month by its name or the start of it, 1 to 12.
    #[must_use]
    pub fn month_number(name: &str) -> Option<i64> {
        let head = name.get(..3)?;
        let index = Self::MONTHS.iter().position(|month| month.eq_ignore_ascii_case(head))?;
        i64::try_from(index + 1).ok()
    }
}

impl Timestamp {
    /// Date and time of day in UTC.
    #[must_use]
    pub fn civil(self) -> Civil {
        let days = self.0.div_euclid(Self::DAY);
        let second = self.0.rem_euclid(Self::DAY);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (days + 4).rem_euclid(7),
        }
    }

    /// The instant of a date and time of day in UTC; none when there is no such date.
    #[must_use]
    pub fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, hour, minute, second, .. } = civil;
        let in_range = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second);
        if !in_range {
            return None;
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let shifted_month = (month + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let found = Self(days * Self::DAY + hour * 3600 + minute * 60 + second);
        // The 31st of April came out as the 1st of May.
        (found.civil().day == day).then_some(found)
    }
}

/// Year, month and day of a day number counted from 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    // Shift the epoch to 0000-03-01, so that the leap day ends the year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn instants_are_written_in_utc() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1_628_323_253).to_string(), "2021-08-07T08:00:53Z");
        assert_eq!(Timestamp(951_782_400).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn dates_go_both_ways() {
        for seconds in (0..4_000_000_000).step_by(86_399 * 37) {
            let at = Timestamp(seconds);
            assert_eq!(Timestamp::from_civil(at.civil()), Some(at));
        }
        assert_eq!(Timestamp(1_790_000_000).civil().weekday_name(), "Mon");
        let mut date = Timestamp(0).civil();
        (date.month, date.day) = (4, 31);
        assert_eq!(Timestamp::from_civil(date), None);
    }

    #[test]
    fn milliseconds_are_cut_to_the_second_that_holds_them() {
        assert_eq!(Timestamp::from_millis(1_628_327_760_658), Timestamp(1_628_327_760));
        assert_eq!(Timestamp(i64::MAX).plus_days(u32::MAX), Timestamp(i64::MAX));
    }
}
