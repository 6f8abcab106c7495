//! The evaluation period: ninety days of use without a registration, once in the life of a switch (guide p. 61-64).

use rumline_protocol::Timestamp;
use serde::{Deserialize, Serialize};

/// How long licences may be evaluated, in seconds of use.
pub const EVALUATION_SECONDS: i64 = 90 * Timestamp::DAY;

/// How much of the period was used. It runs only while licences are in use and there is no registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Used before it stood still last, in seconds.
    used_seconds: i64,
    /// Since when it has been running.
    running_since: Option<Timestamp>,
    /// When it ended.
    expired_at: Option<Timestamp>,
}

impl Evaluation {
    /// What is left at `now`, in seconds.
    #[must_use]
    pub fn remaining_seconds(&self, now: Timestamp) -> i64 {
        let running = self.running_since.map_or(0, |since| now.since(since).max(0));
        (EVALUATION_SECONDS - self.used_seconds.saturating_add(running)).max(0)
    }

    /// When it ended, if it has.
    #[must_use]
    pub fn expired_at(&self) -> Option<Timestamp> {
        self.expired_at
    }

    /// When it will end, if it goes on as it does.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        if self.expired_at.is_some() {
            return None;
        }
        self.running_since.map(|since| since + self.remaining_seconds(since))
    }

    /// It runs from now on, or stands still; says whether it ended with this.
    pub(crate) fn runs(&mut self, now: Timestamp, runs: bool) -> bool {
        if self.expired_at.is_some() {
            self.running_since = None;
            return false;
        }
        if let Some(at) = self.ends_at().filter(|at| *at <= now) {
            (self.used_seconds, self.running_since) = (EVALUATION_SECONDS, None);
            self.expired_at = Some(at);
            return true;
        }
        match (self.running_since, runs) {
            (None, true) => self.running_since = Some(now),
            (Some(_), false) => {
                self.used_seconds = EVALUATION_SECONDS - self.remaining_seconds(now);
                self.running_since = None;
            }
            _ => {}
        }
        false
    }

    /// The clock was set.
    pub(crate) fn clock_stepped(&mut self, by_seconds: i64) {
        for at in [&mut self.running_since, &mut self.expired_at].into_iter().flatten() {
            *at = *at + by_seconds;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_while_licences_are_in_use_and_ends_once() {
        let mut evaluation = Evaluation::default();
        let start = Timestamp(1_600_000_000);
        assert_eq!(evaluation.remaining_seconds(start), EVALUATION_SECONDS);
        assert!(!evaluation.runs(start, true));
        let day = |n: i64| start + n * Timestamp::DAY;
        assert_eq!(evaluation.remaining_seconds(day(3)), 87 * Timestamp::DAY);
        assert!(!evaluation.runs(day(3), false));
        assert_eq!(evaluation.remaining_seconds(day(50)), 87 * Timestamp::DAY);
        assert_eq!(evaluation.ends_at(), None);
        assert!(!evaluation.runs(day(50), true));
        assert_eq!(evaluation.ends_at(), Some(day(137)));
        assert!(evaluation.runs(day(140), true));
        assert_eq!(evaluation.expired_at(), Some(day(137)));
        assert!(!evaluation.runs(day(141), true) && evaluation.ends_at().is_none());
        assert_eq!(evaluation.remaining_seconds(day(141)), 0);
    }
}
