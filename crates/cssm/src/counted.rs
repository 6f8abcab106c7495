//! Which seconds a report counted: all it tells, unless some were told before.

use rumline_protocol::{RumReport, SKEW_SECONDS};

use crate::days::{self, Changes, DAY};

/// From, to, count.
type Part = (i64, i64, u32);

/// What a report counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Licence seconds that count.
    pub count_seconds: i64,
    /// Licence seconds that were counted before.
    pub overlap_seconds: i64,
    /// Which count, on the product instance's even time.
    parts: Vec<Part>,
    /// What its even time lies behind the clock, as the report tells it.
    shift_seconds: i64,
}

/// What the even time of a report lies behind the clock: so much as it says at its end, but what is over when it is received
/// was before then.
pub(crate) fn shift_seconds(report: &RumReport, received_at: i64) -> i64 {
    let shift = report.clock_offset_seconds();
    let end = report.even_spans().map(|(_, to, _)| to).max().unwrap_or(0);
    let is_to_come = end.saturating_add(shift) > received_at.saturating_add(SKEW_SECONDS);
    if is_to_come { received_at.saturating_sub(end) } else { shift }
}

/// From the first second that a report counted to the one after its last, by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub from: i64,
    pub to: i64,
}

/// The class of the longest: whatever is longer than 4,096 days.
pub(crate) const CLASS_MAX: i64 = 13;

/// The longest extent of a class, in seconds: each is twice as long as the one before, so that whoever looks for those that
/// touch a day looks at few that do not.
pub(crate) fn class_seconds(class: i64) -> i64 {
    if class < CLASS_MAX { DAY << class.clamp(0, CLASS_MAX) } else { i64::MAX }
}

impl Extent {
    pub(crate) fn class(self) -> i64 {
        let seconds = self.to.saturating_sub(self.from);
        (0..CLASS_MAX).find(|class| seconds <= class_seconds(*class)).unwrap_or(CLASS_MAX)
    }
}

fn licence_seconds((from, to, count): Part) -> i64 {
    to.saturating_sub(from).max(0).saturating_mul(i64::from(count))
}

impl Counted {
    /// Nothing yet, of a report that is received now.
    pub(crate) fn of(report: &RumReport, received_at: i64) -> Self {
        Self { shift_seconds: shift_seconds(report, received_at), ..Self::default() }
    }

    /// A span is told, and these seconds of it are new.
    pub(crate) fn tell(&mut self, span: Part, new: Vec<(i64, i64)>) {
        let parts = new.into_iter().map(|(from, to)| (from, to, span.2));
        let before = self.count_seconds;
        for part in parts.filter(|part| part.2 > 0) {
            self.count_seconds = self.count_seconds.saturating_add(licence_seconds(part));
            self.parts.push(part);
        }
        let known = licence_seconds(span).saturating_sub(self.count_seconds - before);
        self.overlap_seconds = self.overlap_seconds.saturating_add(known);
    }

    /// What is written down: nothing, if it counted all it tells.
    pub(crate) fn text(&self) -> Option<String> {
        let part = |(from, to, count): &Part| format!("{from}:{to}:{count}");
        (self.overlap_seconds != 0)
            .then(|| self.parts.iter().map(part).collect::<Vec<_>>().join(","))
    }

    /// What a report counted, by what it tells and what was written down.
    pub(crate) fn read(report: &RumReport, received_at: i64, text: Option<&str>) -> Self {
        let mut counted = Self::of(report, received_at);
        let Some(text) = text else {
            for span in report.even_spans() {
                counted
                    .tell(span, if span.0 < span.1 { vec![(span.0, span.1)] } else { Vec::new() });
            }
            return counted;
        };
        for part in text.split(',').filter_map(part_from) {
            counted.count_seconds = counted.count_seconds.saturating_add(licence_seconds(part));
            counted.parts.push(part);
        }
        let told = report.even_spans().map(licence_seconds).fold(0, i64::saturating_add);
        counted.overlap_seconds = told.saturating_sub(counted.count_seconds);
        counted
    }

    /// What a report counted of which it was written down only how much: it is taken to be the last that it tells.
    pub(crate) fn at_the_end(report: &RumReport, received_at: i64, count_seconds: i64) -> Self {
        let (mut counted, mut left) = (Self::of(report, received_at), count_seconds);
        for span in report.even_spans().collect::<Vec<_>>().into_iter().rev() {
            let (from, to, count) = span;
            let seconds =
                left.checked_div(i64::from(count)).unwrap_or(0).min(to.saturating_sub(from)).max(0);
            let new = if seconds > 0 { vec![(to - seconds, to)] } else { Vec::new() };
            left = left.saturating_sub(seconds.saturating_mul(i64::from(count)));
            counted.tell(span, new);
        }
        counted.parts.reverse();
        counted
    }

    /// What counts, by the clock.
    fn by_the_clock(&self) -> impl Iterator<Item = Part> {
        let at = |even: i64| even.saturating_add(self.shift_seconds);
        self.parts.iter().map(move |(from, to, count)| (at(*from), at(*to), *count))
    }

    /// The seconds between which all that counted lies.
    pub(crate) fn extent(&self) -> Option<Extent> {
        let from = self.by_the_clock().map(|part| part.0).min()?;
        let to = self.by_the_clock().map(|part| part.1).max()?;
        Some(Extent { from, to })
    }

    /// Adds it to the use of days.
    pub(crate) fn add_to(&self, changes: &mut Changes) {
        for (from, to, count) in self.by_the_clock() {
            days::add(changes, from, to, i64::from(count));
        }
    }

    /// Licence seconds that counted from one second to before another.
    pub(crate) fn seconds_between(&self, from: i64, to: i64) -> i64 {
        let inside = self.by_the_clock().map(|part| (part.0.max(from), part.1.min(to), part.2));
        inside.map(licence_seconds).fold(0, i64::saturating_add)
    }
}

fn part_from(text: &str) -> Option<Part> {
    let mut numbers = text.split(':');
    let part = (
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
    );
    Some(part)
}
