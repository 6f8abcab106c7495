//! Times as NX-OS prints them, in the configured zone, daylight saving included; the clock and what sets it.

use rumline_cli::Fields;
use rumline_protocol::{Civil, Timestamp};

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::{ConfigTree, Given, Setting, Software};
use crate::{Effect, Switch};

const TIMEZONE: Setting = Setting::line("clock timezone");
const SUMMER_TIME: Setting =
    Setting { check: is_summer_time, ..Setting::line("clock summer-time") };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("clock set", clock_set),
        Command::anyone("show clock", |switch, call| {
            let shown = switch.derived.zone.show_clock(call.now);
            let source = if switch.time.follows() { "NTP" } else { "Hardware Calendar" };
            call.shown(
                || format!("{shown}\nTime source is {source}\n"),
                || Fields::new().text("simple_time", &shown).text("time_source", source),
            )
        }),
    ],
    settings: &[TIMEZONE, SUMMER_TIME],
};

fn clock_set(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let invalid = || CommandError::failed("% Invalid time or date");
    let time: Vec<i64> =
        call.text("time").split(':').filter_map(|part| part.parse().ok()).collect();
    let &[hour, minute, second] = time.as_slice() else { return Err(invalid()) };
    let month = Civil::month_number(call.text("month")).ok_or_else(invalid)?;
    let (year, day) = (call.number("year"), call.number("day"));
    let civil = Civil { year, month, day, hour, minute, second, weekday: 0 };
    let to = switch.derived.zone.instant(civil).ok_or_else(invalid)?;
    let shown = switch.derived.zone.show_clock(to);
    Ok(Outcome::text(format!("{shown}\n")).with(vec![Effect::ClockSet(to)]))
}

/// A time zone: a name and an offset, and what it is in summer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    name: String,
    offset_seconds: i64,
    summer: Option<Summer>,
}

/// Daylight saving time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Summer {
    name: String,
    from: Turn,
    to: Turn,
    /// How far the clock is put forward.
    ahead_seconds: i64,
}

/// When the clock is put forward or back each year, by the time it shows then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    /// 1 to 5; 5 is the last of the month.
    week: i64,
    /// 0 is Sunday.
    weekday: i64,
    month: i64,
    seconds: i64,
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Turn {
    fn of(words: &[&str]) -> Option<Self> {
        let &[week, day, month, time] = words else { return None };
        let head = |text: &str| text.get(..3).map(str::to_ascii_lowercase);
        let weekday = WEEKDAYS.iter().position(|known| head(known) == head(day))?;
        let (hour, minute) = time.split_once(':')?;
        Some(Self {
            week: week.parse().ok()?,
            weekday: i64::try_from(weekday).ok()?,
            month: Civil::month_number(month.get(..3)?)?,
            seconds: hour.parse::<i64>().ok()? * 3_600 + minute.parse::<i64>().ok()? * 60,
        })
    }

    /// The time that a clock shows then in a year, in seconds as if it were UTC.
    fn in_year(self, year: i64) -> Option<i64> {
        let first = |year, month| {
            let civil = Civil { year, month, day: 1, hour: 0, minute: 0, second: 0, weekday: 0 };
            Timestamp::from_civil(civil)
        };
        let begins = first(year, self.month)?;
        let ends = if self.month == 12 { first(year + 1, 1) } else { first(year, self.month + 1) }?;
        let to_weekday = (self.weekday - begins.civil().weekday).rem_euclid(7);
        let mut at = begins + (to_weekday + 7 * (self.week - 1)) * Timestamp::DAY;
        if at >= ends {
            at = at - 7 * Timestamp::DAY;
        }
        Some((at + self.seconds).since(Timestamp(0)))
    }
}

impl Summer {
    fn of(value: &str) -> Option<Self> {
        let words: Vec<&str> = value.split_whitespace().collect();
        let (name, rest) = words.split_first()?;
        let minutes = rest.get(8)?.parse::<i64>().ok()?;
        let (from, to) = (Turn::of(&rest[..4])?, Turn::of(&rest[4..8])?);
        Some(Self { name: (*name).to_owned(), from, to, ahead_seconds: minutes * 60 })
    }

    /// Whether it is in force at what a clock without it shows.
    fn holds(&self, standard: Timestamp) -> bool {
        let year = standard.civil().year;
        let at = standard.since(Timestamp(0));
        let (Some(from), Some(to)) = (self.from.in_year(year), self.to.in_year(year)) else {
            return false;
        };
        let to = to - self.ahead_seconds;
        // South of the equator summer is at the turn of the year.
        if from < to { (from..to).contains(&at) } else { at >= from || at < to }
    }
}

fn is_summer_time(
    _: &ConfigTree,
    given: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    match Summer::of(given.canonical.trim_start_matches(SUMMER_TIME.head)) {
        Some(_) => Ok(None),
        None => Err("% Invalid day or month, e.g. 2 Sun Mar 02:00 1 Sun Nov 02:00 60".to_owned()),
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), offset_seconds: 0, summer: None }
    }
}

impl Zone {
    /// The zone of `clock timezone NAME HOURS MINUTES` and `clock summer-time …`.
    pub(crate) fn of(config: &ConfigTree) -> Self {
        let standard = TIMEZONE.value(config).and_then(Self::standard).unwrap_or_default();
        Self { summer: SUMMER_TIME.value(config).and_then(Summer::of), ..standard }
    }

    fn standard(value: &str) -> Option<Self> {
        let words: Vec<&str> = value.split_whitespace().collect();
        let [name, hours, minutes] = words[..] else { return None };
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        let offset_seconds =
            hours.parse::<i64>().ok()? * 3600 + sign * minutes.parse::<i64>().ok()? * 60;
        Some(Self { name: name.to_owned(), offset_seconds, summer: None })
    }

    /// Its name and offset at an instant.
    fn at(&self, at: Timestamp) -> (&str, i64) {
        match &self.summer {
            Some(summer) if summer.holds(at + self.offset_seconds) => {
                (&summer.name, self.offset_seconds + summer.ahead_seconds)
            }
            _ => (&self.name, self.offset_seconds),
        }
    }

    /// What it is called at an instant.
    pub(crate) fn name(&self, at: Timestamp) -> &str {
        self.at(at).0
    }

    fn civil(&self, at: Timestamp) -> Civil {
        (at + self.at(at).1).civil()
    }

    /// Its seconds from UTC at an instant, and what a clock shows then.
    pub(crate) fn offset_and_civil(&self, at: Timestamp) -> (i64, Civil) {
        (self.at(at).1, self.civil(at))
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
            self.name(at)
        )
    }

    /// The same, or `<none>`.
    pub(crate) fn license_time_or_none(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(|| "<none>".to_owned(), |at| self.license_time(at))
    }

    /// The command that sets the clock to an instant.
    pub(crate) fn clock_set(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        let (hour, minute, second) = (t.hour, t.minute, t.second);
        let (day, month, year) = (t.day, t.month_name(), t.year);
        format!("clock set {hour:02}:{minute:02}:{second:02} {day} {month} {year}")
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

    /// `Aug  3 20:38`, as `show users` prints it.
    pub(crate) fn short_time(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        format!("{} {:2} {:02}:{:02}", t.month_name(), t.day, t.hour, t.minute)
    }

    /// `20:43:58.000 UTC Thu Aug 03 2023`, as `show clock` prints it.
    pub(crate) fn show_clock(&self, at: Timestamp) -> String {
        let t = self.civil(at);
        format!(
            "{:02}:{:02}:{:02}.000 {} {} {} {:02} {}",
            t.hour,
            t.minute,
            t.second,
            self.name(at),
            t.weekday_name(),
            t.month_name(),
            t.day,
            t.year
        )
    }

    /// The instant of a local date and time; of two that show the same, the first.
    pub(crate) fn instant(&self, civil: Civil) -> Option<Timestamp> {
        let shown = Timestamp::from_civil(civil)?;
        let summer = self.summer.as_ref().map_or(0, |summer| summer.ahead_seconds);
        let offsets = [self.offset_seconds + summer, self.offset_seconds];
        let fits = |offset: &i64| self.at(shown - *offset).1 == *offset;
        let offset = offsets.into_iter().find(fits).unwrap_or(self.offset_seconds);
        Some(shown - offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(text: &str) -> Civil {
        let numbers: Vec<i64> = text.split(['-', ' ', ':']).map(|n| n.parse().unwrap()).collect();
        let [year, month, day, hour, minute, second] = numbers[..] else { panic!("{text}") };
        Civil { year, month, day, hour, minute, second, weekday: 0 }
    }

    fn shown(zone: &Zone, at: &str) -> String {
        zone.show_clock(Timestamp::from_civil(civil(at)).unwrap())
    }

    #[test]
    fn the_clock_goes_forward_and_back_when_the_lines_say() {
        // PI-SHOW-012, C-29
        let berlin = Zone::of(&ConfigTree::parse(
            "clock timezone CET 1 0\nclock summer-time CEST 5 Sun Mar 02:00 5 Sunday October 03:00 60\n",
        ));
        assert_eq!(shown(&berlin, "2026-03-29 00:59:59"), "01:59:59.000 CET Sun Mar 29 2026");
        assert_eq!(shown(&berlin, "2026-03-29 01:00:00"), "03:00:00.000 CEST Sun Mar 29 2026");
        assert_eq!(shown(&berlin, "2026-10-25 00:59:59"), "02:59:59.000 CEST Sun Oct 25 2026");
        assert_eq!(shown(&berlin, "2026-10-25 01:00:00"), "02:00:00.000 CET Sun Oct 25 2026");
        // South of the equator, across the turn of the year; a zone with minutes.
        let adelaide = Zone::of(&ConfigTree::parse(
            "clock timezone ACST 9 30\nclock summer-time ACDT 1 Sun Oct 02:00 1 Sun Apr 03:00 60\n",
        ));
        assert_eq!(shown(&adelaide, "2026-12-31 20:00:00"), "06:30:00.000 ACDT Fri Jan 01 2027");
        assert_eq!(shown(&adelaide, "2026-07-01 00:00:00"), "09:30:00.000 ACST Wed Jul 01 2026");
        assert_eq!(shown(&adelaide, "2026-10-03 16:29:59"), "01:59:59.000 ACST Sun Oct 04 2026");
        assert_eq!(shown(&adelaide, "2026-10-03 16:30:00"), "03:00:00.000 ACDT Sun Oct 04 2026");
        // West of Greenwich the minutes count too.
        let st_johns = Zone::of(&ConfigTree::parse("clock timezone NST -3 30\n"));
        assert_eq!(shown(&st_johns, "2026-01-01 12:00:00"), "08:30:00.000 NST Thu Jan 01 2026");
        let zero = Zone::of(&ConfigTree::parse("clock timezone X -0 30\n"));
        assert_eq!(shown(&zero, "2026-01-01 12:00:00"), "11:30:00.000 X Thu Jan 01 2026");
    }

    #[test]
    fn what_is_set_is_what_is_shown_then() {
        let zone = Zone::of(&ConfigTree::parse(
            "clock timezone PST -8 0\nclock summer-time PDT 2 Sun Mar 02:00 1 Sun Nov 02:00 60\n",
        ));
        for text in [
            "2026-03-08 01:59:59",
            "2026-03-08 03:00:00",
            "2026-07-04 12:00:00",
            "2026-11-01 01:30:00",
            "2026-11-01 02:00:00",
            "2026-12-24 18:00:00",
        ] {
            let at = zone.instant(civil(text)).unwrap();
            let t = zone.civil(at);
            let back = format!(
                "{}-{:02}-{:02} {:02}:{:02}:{:02}",
                t.year, t.month, t.day, t.hour, t.minute, t.second
            );
            assert_eq!(back, text);
        }
        assert_eq!(zone.instant(civil("2026-02-30 00:00:00")), None);
    }
}
