//! Times as NX-OS prints them, in the configured zone.

use rumline_protocol::{Civil, Timestamp};

use crate::config::ConfigTree;

/// A time zone: a name and an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    name: String,
    offset_seconds: i64,
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), offset_seconds: 0 }
    }
}

impl Zone {
    /// The zone of `clock timezone NAME HOURS MINUTES`.
    pub(crate) fn of(config: &ConfigTree) -> Self {
        let Some(value) = config.value("clock timezone") else { return Self::default() };
        let words: Vec<&str> = value.split_whitespace().collect();
        let [name, hours, minutes] = words[..] else { return Self::default() };
        let (Ok(hours), Ok(minutes)) = (hours.parse::<i64>(), minutes.parse::<i64>()) else {
            return Self::default();
        };
        let sign = if hours < 0 || name.starts_with('-') { -1 } else { 1 };
        Self { name: name.to_owned(), offset_seconds: hours * 3600 + sign * minutes * 60 }
    }

    fn civil(&self, at: Timestamp) -> Civil {
        (at + self.offset_seconds).civil()
    }

    /// `Nov 15 02:51:57 2022 UTC` (PI-SHOW-012).
    pub(crate) fn license_time(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        format!(
            "{} {:02} {:02}:{:02}:{:02} {} {}",
            t.month_name(),
            t.day,
            t.hour,
            t.minute,
            t.second,
            t.year,
            self.name
        )
    }

    /// The same, or `<none>`.
    pub(crate) fn license_time_or_none(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "<none>".to_owned(), |at| self.license_time(at))
    }

    /// `Thu Aug  3 20:38:37 2023`, as above a running configuration.
    pub(crate) fn config_time(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        format!(
            "{} {} {:2} {:02}:{:02}:{:02} {}",
            t.weekday_name(),
            t.month_name(),
            t.day,
            t.hour,
            t.minute,
            t.second,
            t.year
        )
    }

    /// `2023 Aug  3 20:38:37`, as before a system message.
    pub(crate) fn log_time(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        format!(
            "{} {} {:2} {:02}:{:02}:{:02}",
            t.year,
            t.month_name(),
            t.day,
            t.hour,
            t.minute,
            t.second
        )
    }

    /// `20:43:58.000 UTC Thu Aug 03 2023`, as `show clock` prints it.
    pub(crate) fn show_clock(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        format!(
            "{:02}:{:02}:{:02}.000 {} {} {} {:02} {}",
            t.hour,
            t.minute,
            t.second,
            self.name,
            t.weekday_name(),
            t.month_name(),
            t.day,
            t.year
        )
    }

    /// The instant of a local date and time.
    pub(crate) fn instant(&self, civil: Civil) -> Option<Timestamp> {
        Some(Timestamp::from_civil(civil)? - self.offset_seconds)
    }
}
