//! What waits is bounded: while [`FROM_REPORTS`] reports or more have not been acknowledged, further spans are folded day by
//! day. Count times seconds of each tag and UTC day stay exact; when in the day which count was in use is no longer kept,
//! and the report says so. A switch whose use changes each minute then adds some hundred kilobytes a year.

use std::collections::BTreeMap;

use rumline_protocol::{Measurement, TerminationReason, Timestamp};

use crate::syslog::SyslogMessage;
use crate::{Agent, Effect};

/// Reports that wait before times are coarsened. A report has at most 200 measurements and 100 KB: 800 MB at most, and a
/// million and a half changes.
const FROM_REPORTS: u64 = 8_192;
/// Times are exact again once no more than so many wait.
const UNTIL_REPORTS: u64 = FROM_REPORTS / 2;
const DAY_SECONDS: u32 = 86_400;

impl Agent {
    /// Whether spans are to be folded.
    pub(crate) fn is_coarse(&self) -> bool {
        self.ledger.coarse_since.is_some()
    }

    /// Begins or ends it, and says once that it has begun.
    pub(crate) fn bound_storage(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let reports = self.ledger.closed.len() + self.ledger.unacknowledged.len();
        match self.ledger.coarse_since {
            None if reports >= FROM_REPORTS => {
                self.ledger.coarse_since = Some(now);
                effects.push(Effect::Syslog(SyslogMessage::UsageCoarsened { reports }));
                self.unsaved = true;
            }
            Some(_) if reports <= UNTIL_REPORTS => {
                self.ledger.coarse_since = None;
                self.unsaved = true;
            }
            _ => {}
        }
    }
}

fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(Timestamp::DAY)
}

/// Folds spans day by day. What ends for a reason of its own - a reload, a clock that was set - stays an end.
pub(crate) fn coarsened(spans: &[Measurement]) -> Vec<Measurement> {
    let mut folded = Vec::new();
    let mut run: Vec<Measurement> = Vec::new();
    for span in spans {
        let abuts = run.last().is_none_or(|last| last.end_time == span.start_time);
        if !abuts {
            fold(&mut run, &mut folded);
        }
        run.push(span.clone());
        let plain = matches!(
            span.termination_reason,
            None | Some(TerminationReason::CurrentUsageRequested)
        );
        if !plain || span.clock_change_delta.is_some() {
            fold(&mut run, &mut folded);
        }
    }
    fold(&mut run, &mut folded);
    folded
}

/// Folds one run of spans that abut, and empties it.
fn fold(run: &mut Vec<Measurement>, folded: &mut Vec<Measurement>) {
    let pieces: Vec<Measurement> = run.drain(..).flat_map(cut_at_midnight).collect();
    let mut out: Vec<Measurement> = Vec::new();
    for of_day in pieces.chunk_by(|a, b| day_of(a.start_time) == day_of(b.start_time)) {
        for piece in folded_day(of_day) {
            match out.last_mut().filter(|last| last.count == piece.count) {
                Some(last) => {
                    let resolution = last.resolution_seconds.max(piece.resolution_seconds);
                    let start_time = last.start_time;
                    *last = Measurement { start_time, resolution_seconds: resolution, ..piece };
                }
                None => out.push(piece),
            }
        }
    }
    folded.append(&mut out);
}

/// The parts of a span in its first day, in its last, and between. Why it ended stays with the end.
fn cut_at_midnight(span: Measurement) -> Vec<Measurement> {
    let after_first = Timestamp((day_of(span.start_time) + 1) * Timestamp::DAY);
    let last = Timestamp(day_of(span.end_time) * Timestamp::DAY);
    let mut pieces = Vec::new();
    let mut rest = span;
    for midnight in [after_first, last] {
        if midnight > rest.start_time && midnight < rest.end_time {
            pieces.push(Measurement {
                log_time: midnight,
                end_time: midnight,
                termination_reason: None,
                clock_change_delta: None,
                ..rest.clone()
            });
            rest.start_time = midnight;
        }
    }
    pieces.push(rest);
    pieces
}

/// The spans of one day, one for each count: that of its beginning first, if it is another than that of its end.
fn folded_day(of_day: &[Measurement]) -> Vec<Measurement> {
    let mut seconds: BTreeMap<u32, i64> = BTreeMap::new();
    for span in of_day {
        *seconds.entry(span.count).or_default() += span.sample_interval();
    }
    let [first, .., last] = of_day else { return of_day.to_vec() };
    if seconds.len() == of_day.len() {
        return of_day.to_vec();
    }
    let between = seconds.iter().filter(|(count, _)| ![first.count, last.count].contains(*count));
    let mut order: Vec<u32> = between.filter(|(_, s)| **s > 0).map(|(count, _)| *count).collect();
    if first.count != last.count {
        order.insert(0, first.count);
    }
    order.push(last.count);
    let told = of_day.iter().map(|span| span.resolution_seconds).max().flatten();
    let resolution_seconds = if order.len() > 1 { Some(DAY_SECONDS) } else { told };
    let mut at = first.start_time;
    let mut spans: Vec<Measurement> = Vec::with_capacity(order.len());
    for count in order {
        let start_time = at;
        at = at + seconds[&count];
        spans.push(Measurement {
            log_time: at,
            start_time,
            end_time: at,
            count,
            termination_reason: None,
            clock_change_delta: None,
            resolution_seconds,
        });
    }
    if let Some(end) = spans.last_mut() {
        end.termination_reason.clone_from(&last.termination_reason);
        end.clock_change_delta = last.clock_change_delta;
    }
    spans
}

#[cfg(test)]
mod tests {
    use rumline_protocol::Random;
    use rumline_testkit::Chance;

    use super::*;

    /// Count times seconds of each UTC day.
    fn by_day(spans: &[Measurement]) -> BTreeMap<i64, i64> {
        let mut sums = BTreeMap::new();
        for piece in spans.iter().cloned().flat_map(cut_at_midnight) {
            let (mut at, end) = (piece.start_time, piece.end_time);
            while at < end {
                let until = end.min(Timestamp((day_of(at) + 1) * Timestamp::DAY));
                *sums.entry(day_of(at)).or_default() += i64::from(piece.count) * until.since(at);
                at = until;
            }
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    fn drawn(chance: &mut Chance, length: usize) -> Vec<Measurement> {
        let mut at = Timestamp(1_700_000_000);
        let mut signed = |below: u64| i64::try_from(chance.below(below)).unwrap_or(0);
        (0..length)
            .map(|_| {
                let start_time = at;
                let long = signed(8) == 0;
                at = at + if long { signed(400_000) } else { signed(5_000) };
                let delta = (signed(30) == 0).then(|| signed(90_000) - 45_000);
                let end_time = at;
                at = at + delta.unwrap_or(0);
                Measurement {
                    log_time: end_time,
                    start_time,
                    end_time,
                    count: u32::try_from(signed(5)).unwrap_or(0),
                    termination_reason: (signed(40) == 0)
                        .then_some(TerminationReason::ProductReload),
                    clock_change_delta: delta,
                    resolution_seconds: None,
                }
            })
            .collect()
    }

    #[test]
    fn each_days_sum_stays_whatever_is_folded_and_however_often() {
        for seed in 0..300 {
            let mut chance = Chance::of(seed);
            let length = 1 + usize::try_from(chance.below(300)).unwrap_or(0);
            let spans = drawn(&mut chance, length);
            let once = coarsened(&spans);
            assert_eq!(by_day(&once), by_day(&spans), "seed {seed}");
            let ends = |spans: &[Measurement]| {
                let end =
                    spans.last().map(|last| (last.end_time, last.count, last.clock_change_delta));
                (spans.first().map(|first| first.start_time), end)
            };
            assert_eq!(ends(&once), ends(&spans), "seed {seed}");
            let marks = |spans: &[Measurement]| {
                let marked = |m: &&Measurement| {
                    m.clock_change_delta.is_some() || m.termination_reason.is_some()
                };
                let mark = |m: &Measurement| {
                    (m.end_time, m.clock_change_delta, m.termination_reason.clone())
                };
                spans.iter().filter(marked).map(mark).collect::<Vec<_>>()
            };
            assert_eq!(marks(&once), marks(&spans), "seed {seed}");
            for pair in once.windows(2) {
                let delta = pair[0].clock_change_delta.unwrap_or(0);
                assert_eq!(pair[0].end_time + delta, pair[1].start_time, "seed {seed}");
            }
            assert_eq!(coarsened(&once), once, "seed {seed}");
            // In two steps, as it happens.
            let (early, late) = spans.split_at(spans.len() / 2);
            let steps = [coarsened(early).as_slice(), late].concat();
            assert_eq!(by_day(&coarsened(&steps)), by_day(&spans), "seed {seed}");
        }
    }

    #[test]
    fn what_was_folded_says_so_and_what_was_not_does_not() {
        let day = Timestamp(1_699_920_000);
        let span = |from: i64, to: i64, count| Measurement {
            log_time: day + to,
            start_time: day + from,
            end_time: day + to,
            count,
            termination_reason: None,
            clock_change_delta: None,
            resolution_seconds: None,
        };
        // Two counts, each once: nothing to fold.
        let exact = [span(0, 100, 1), span(100, 900, 2)];
        assert_eq!(coarsened(&exact), exact);
        let often = [span(0, 100, 1), span(100, 300, 2), span(300, 600, 3), span(600, 1000, 1)];
        let folded: Vec<_> =
            coarsened(&often).iter().map(|m| (m.count, m.sample_interval())).collect();
        assert_eq!(folded, [(2, 200), (3, 300), (1, 500)]);
        assert!(coarsened(&often).iter().all(|m| m.resolution_seconds == Some(DAY_SECONDS)));
        // A span of the same count over midnight stays one.
        let over = [span(80_000, 90_000, 1), span(90_000, 400_000, 1)];
        let folded = coarsened(&over);
        assert_eq!((folded.len(), folded[0].resolution_seconds), (1, None));
    }
}
