//! The constants of time, and what becomes of instants when the clock is set.

use rumline_protocol::{Policy, Timestamp};

use crate::Agent;
use crate::ledger::{Ledger, PutBack};

/// The first report follows the beginning of use by this (PI-RUM-017).
pub(crate) const FIRST_PUSH_SECONDS: i64 = 37;
/// For this long after the scheduled time attempts are made at growing distances (PI-RUM-018).
pub(crate) const BACKOFF_SECONDS: i64 = 4 * Timestamp::HOUR;
/// After that, one attempt every 15 minutes.
pub(crate) const RETRY_SECONDS: i64 = 15 * 60;
/// A peer may say when it is asked again, but not later than this.
pub(crate) const POLL_SECONDS_MAX: i64 = Timestamp::HOUR;
/// A failing disk is tried again after this.
pub(crate) const STORAGE_RETRY_SECONDS: i64 = 60;
/// What a peer refuses is offered again after this (PI-RUM-019).
pub(crate) const OFFER_AGAIN_SECONDS: i64 = Timestamp::DAY;
/// The first alert comes this long before the deadline (PI-RUM-021).
pub(crate) const ALERT_SECONDS: i64 = 30 * Timestamp::DAY;
/// After a start the clock may still be set: so long nothing is said, or ended, that a wrong one would be wrong about.
pub(crate) const SETTLE_SECONDS: i64 = 10 * 60;
/// A report leaves this long before it has to be acknowledged, at most.
const MARGIN_SECONDS_MAX: i64 = 7 * Timestamp::DAY;

/// How long before the end of a period of so many days its report leaves: a tenth, so that its ACK is there in time.
pub(crate) fn margin_seconds(days: u32) -> i64 {
    (i64::from(days) * Timestamp::DAY / 10).min(MARGIN_SECONDS_MAX)
}

impl Ledger {
    /// Everything in it that is an instant of this switch's clock.
    fn instants(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        let single = [
            &mut self.used_since,
            &mut self.changed_at,
            &mut self.last_closed_at,
            &mut self.last_ack_at,
            &mut self.last_push_at,
            &mut self.next_push_at,
            &mut self.push_held_until,
            &mut self.last_file_write_at,
            &mut self.overdue_warned_at,
        ];
        let outage = self.outage.iter_mut().flat_map(|o| [&mut o.since, &mut o.retry_at]);
        let statistics = self.statistics.values_mut().flat_map(|class| {
            let ends = [
                &mut class.last_response_at,
                &mut class.last_success_at,
                &mut class.last_failure_at,
            ];
            ends.into_iter().flatten()
        });
        let installed = self.policy.iter_mut().chain(&mut self.trust_codes);
        single
            .into_iter()
            .flatten()
            .chain(outage)
            .chain(statistics)
            .chain(installed.map(|installed| &mut installed.installed_at))
            .chain(self.polls.iter_mut().map(|poll| &mut poll.at))
            .chain(self.history.values_mut().flatten().map(|entry| &mut entry.at))
            .chain(self.troubles.instants())
            .chain(self.series.values_mut().map(|series| &mut series.in_use_since))
    }

    fn shift(&mut self, seconds_at: impl Fn(Timestamp) -> i64) {
        for at in self.instants() {
            *at = Timestamp(at.0.saturating_add(seconds_at(*at)));
        }
    }
}

impl Agent {
    /// The clock was set: what was noted by it moves with it, so that distances stay what they were, and a clock that
    /// was wrong for a while leaves nothing behind once it is right.
    pub(crate) fn shift_timers(&mut self, from: Timestamp, to: Timestamp, while_off: bool) {
        let delta = to.since(from);
        let days = self.push_interval_days();
        let was_regular = self.ledger.next_push_at.is_some()
            && self.ledger.next_push_at == self.ledger.last_push_at.map(|at| at.plus_days(days));
        let was_warned =
            self.ledger.warned_for.is_some() && self.ledger.warned_for == self.next_ack_deadline();
        match self.ledger.put_back {
            // Ahead again by what it was behind: what was recorded before is as it was.
            Some(put_back) if !while_off && put_back.is_over(delta) => {
                let PutBack { boot_at, seconds } = put_back;
                self.ledger.shift(|at| if at < boot_at { -seconds } else { delta });
                self.ledger.put_back = None;
            }
            Some(PutBack { boot_at, seconds }) => {
                self.ledger.shift(|_| delta);
                let (boot_at, seconds) = (boot_at + delta, seconds.saturating_add(delta));
                self.ledger.put_back = Some(PutBack { boot_at, seconds });
            }
            None if while_off => {
                self.ledger.shift(|_| delta);
                self.ledger.put_back = Some(PutBack { boot_at: to, seconds: delta });
            }
            None => {
                // What was recorded before this start may have been right all along.
                let since = self.continuous_since;
                self.ledger.shift(|at| if at < since { 0 } else { delta });
            }
        }
        self.ledger.troubles.clock_moved(delta);
        self.continuous_since = self.continuous_since + delta;
        if let Some(flight) = &mut self.in_flight {
            flight.sent_at = flight.sent_at + delta;
        }
        if was_regular {
            self.ledger.next_push_at = self.ledger.last_push_at.map(|at| at.plus_days(days));
        }
        self.ledger.warned_for = self
            .next_ack_deadline()
            .filter(|deadline| was_warned && to >= *deadline - ALERT_SECONDS);
        if self.next_ack_deadline().is_none_or(|deadline| to < deadline) {
            self.ledger.overdue_warned_at = None;
        }
        self.clamp_to(to);
        // A policy that was over by the wrong clock holds again by the right one.
        self.ledger.policy_ended_at.take_if(|end| to < *end);
        let warned_at = |end: Timestamp| end - i64::from(Policy::WARNED_DAYS) * Timestamp::DAY;
        self.ledger.policy_end_warned_for.take_if(|end| to < warned_at(*end));
        self.read_installed();
        if self.push_interval_days() != days {
            self.reschedule(to);
        }
    }

    /// Brings timers that a step of the clock left in a far future back within reach of `now`.
    pub(crate) fn clamp_to(&mut self, now: Timestamp) {
        let interval = i64::from(self.push_interval_days()) * Timestamp::DAY;
        let ledger = &mut self.ledger;
        let past = |at: &mut Option<Timestamp>| {
            if at.is_some_and(|at| at > now) {
                *at = Some(now);
            }
        };
        past(&mut ledger.last_ack_at);
        past(&mut ledger.last_push_at);
        past(&mut ledger.last_file_write_at);
        past(&mut ledger.used_since);
        past(&mut ledger.changed_at);
        past(&mut ledger.last_closed_at);
        past(&mut ledger.overdue_warned_at);
        let within = |at: &mut Option<Timestamp>, seconds| {
            if let Some(at) = at {
                *at = (*at).min(now + seconds);
            }
        };
        within(&mut ledger.next_push_at, interval.max(FIRST_PUSH_SECONDS));
        within(&mut ledger.push_held_until, OFFER_AGAIN_SECONDS);
        for poll in &mut ledger.polls {
            poll.at = poll.at.min(now + POLL_SECONDS_MAX);
        }
        if let Some(outage) = &mut ledger.outage {
            outage.since = outage.since.min(now);
            outage.retry_at = outage.retry_at.min(now + POLL_SECONDS_MAX);
        }
    }
}
