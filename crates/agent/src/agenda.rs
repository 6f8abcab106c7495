//! The one list of what is due and why. Next wake-up, what is run, show and tech support read it; what is not on it does not
//! happen.

use rumline_protocol::{ClassPolicy, Policy, Timestamp};

use crate::Agent;
use crate::exchange::Push;
use crate::timers::{ALERT_SECONDS, SETTLE_SECONDS, STORAGE_RETRY_SECONDS, margin_seconds};

/// The next instant at which the agent wants to be called, and why.
pub type NextWake = Option<(Timestamp, &'static str)>;

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Write the ledger, which could not be written.
    SaveLedger,
    /// Tell that a report has to be acknowledged (PI-RUM-021).
    Alert,
    /// Tell that the policy ends, or end it.
    PolicyEnd,
    /// Ask for trust with a token.
    Trust,
    /// Report use.
    Push,
    /// Ask for what CSSM says, without a report.
    Sync,
    /// Ask for the result of an earlier report.
    AckCheck,
}

impl Duty {
    /// Whether it sends something.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::Trust | Self::Push | Self::Sync | Self::AckCheck)
    }
}

/// An entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When; an instant that has passed for what is to be done at once.
    pub at: Timestamp,
    /// What.
    pub what: Duty,
    /// What for, in the words of `show license tech support`.
    pub why: &'static str,
}

impl Agent {
    /// What is due, by time.
    #[must_use]
    pub fn agenda(&self) -> Vec<Due> {
        if self.unsaved {
            // Nothing leaves before it is durable here.
            let at = self.last_now + STORAGE_RETRY_SECONDS;
            return vec![Due { at, what: Duty::SaveLedger, why: "storage retry" }];
        }
        let said = |at: Timestamp, what, why| Due { at: at.max(self.settled_at()), what, why };
        let alert = self.next_alert().map(|at| said(at, Duty::Alert, "reporting alert"));
        let policy = self.next_word_on_policy();
        let policy = policy.map(|at| said(at, Duty::PolicyEnd, "end of the policy"));
        let mut all: Vec<Due> = alert.into_iter().chain(policy).chain(self.to_send()).collect();
        all.sort_by_key(|due| due.at);
        all
    }

    /// When to call [`Agent::handle`] with [`crate::Input::Tick`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> NextWake {
        self.agenda().first().map(|due| (due.at, due.why))
    }

    /// From when on its clock is believed.
    pub(crate) fn settled_at(&self) -> Timestamp {
        self.continuous_since + SETTLE_SECONDS
    }

    /// What is to be sent, in the order in which it goes when all is due: one exchange with the peer at a time.
    pub(crate) fn to_send(&self) -> Vec<Due> {
        if self.in_flight.is_some() || self.config.destination().is_none() {
            return Vec::new();
        }
        // A person does not wait for the next attempt.
        let outage = self.ledger.outage.as_ref().filter(|_| !self.wanted.manual);
        let not_before = outage.map_or(Timestamp(0), |outage| outage.retry_at);
        let due = |at: Timestamp, what, why| Due {
            at: at.max(not_before),
            what,
            why: if outage.is_some() { "retry" } else { why },
        };
        let now = Timestamp(0);
        let trust = self.wanted.trust.as_ref().map(|_| due(now, Duty::Trust, "trust request"));
        let push = match self.wanted.push {
            Push::Wanted | Push::Running { .. } => Some((now, "report push")),
            Push::Idle | Push::Held { .. } => self.next_push(),
        };
        // New work waits until the results of the old are there.
        let check = self.ledger.polls.iter().map(|poll| poll.at).min();
        let room_at = check.filter(|_| self.waits_for_results()).unwrap_or(now);
        let push = push.map(|(at, why)| due(at.max(room_at), Duty::Push, why));
        let sync = self.wanted.sync.then(|| due(now, Duty::Sync, "synchronization"));
        let check = check.map(|at| due(at, Duty::AckCheck, "ACK push check"));
        let first_check = check.filter(|_| self.waits_for_results());
        let all = [trust, first_check, push, sync, check.filter(|_| first_check.is_none())];
        all.into_iter().flatten().collect()
    }

    /// When the next report goes by itself, and what for.
    pub(crate) fn next_push(&self) -> Option<(Timestamp, &'static str)> {
        self.ledger.used_since?;
        let scheduled = self.ledger.next_push_at.map(|at| (at, "report push"));
        let next = scheduled.into_iter().chain(self.required_push()).min_by_key(|(at, _)| *at);
        let held_until = self.ledger.push_held_until.unwrap_or(Timestamp(0));
        next.map(|(at, why)| (at.max(held_until), why))
    }

    /// When a report has to go for the policy's sake, whatever the interval: ahead of the deadline.
    fn required_push(&self) -> Option<(Timestamp, &'static str)> {
        let used_since = self.ledger.used_since.filter(|_| !self.is_settled())?;
        let pushed_at = self.ledger.last_push_at;
        let class = self.class();
        let by = |days: u32, from: Timestamp| {
            (days > 0).then(|| from.plus_days(days) - margin_seconds(days))
        };
        let base = match self.reported_at() {
            Some(at) => by(class.ongoing_report_days, at.max(used_since)),
            None => by(class.first_report_days, used_since),
        };
        let base = base.filter(|at| pushed_at.is_none_or(|pushed_at| pushed_at < *at));
        // One is told by reports that were closed after it and have left.
        let closed_at = self.ledger.last_closed_at;
        let is_told =
            |at: Timestamp| closed_at.is_some_and(|closed| closed > at) && pushed_at >= closed_at;
        let change = self.ledger.changed_at.filter(|at| !is_told(*at));
        let change = change.and_then(|at| by(class.on_change_report_days, at));
        let base = base.map(|at| (at, "report push"));
        base.into_iter().chain(change.map(|at| (at, "report on change"))).min_by_key(|(at, _)| *at)
    }

    /// When use was last reported as the policy wants it: acknowledged, or sent where that is enough.
    fn reported_at(&self) -> Option<Timestamp> {
        if self.ack_required() { self.ledger.last_ack_at } else { self.ledger.last_push_at }
    }

    /// Whether nothing is in use and all that was is acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        let ledger = &self.ledger;
        ledger.series.is_empty() && ledger.closed.is_empty() && ledger.unacknowledged.is_empty()
    }

    /// Whether a report is due: it should have been sent, or acknowledged, by now (PI-SHOW-024, TSHOOT-003).
    #[must_use]
    pub fn report_is_due(&self, now: Timestamp) -> bool {
        let push = self.next_push().is_some_and(|(at, _)| at <= now);
        let running = matches!(self.wanted.push, Push::Wanted | Push::Running { .. });
        push || running || self.next_ack_deadline().is_some_and(|at| at <= now)
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.installed.policy.clone().unwrap_or_else(Policy::cisco_default)
    }

    /// Every licence of a Nexus is of this class (PI-LIC-001).
    pub(crate) fn class(&self) -> ClassPolicy {
        self.installed.policy.as_ref().map_or(ClassPolicy::CISCO_DEFAULT, |p| p.unenforced)
    }

    /// Whether the policy in force asks for ACKs (PI-RUM-014).
    pub(crate) fn ack_required(&self) -> bool {
        self.installed.policy.as_ref().is_none_or(|policy| policy.reporting_ack_required)
    }

    /// Days between pushes; 0 when nothing asks for reports.
    #[must_use]
    pub fn push_interval_days(&self) -> u32 {
        self.config.push_interval_days(self.class())
    }

    /// Until when an ACK is required (PI-RUM-011, 012, 013). Where nothing is in use and all is acknowledged, none is.
    #[must_use]
    pub fn next_ack_deadline(&self) -> Option<Timestamp> {
        let used_since = self.ledger.used_since?;
        if !self.ack_required() || self.is_settled() {
            return None;
        }
        let class = self.class();
        let due = |days: u32, from: Timestamp| (days > 0).then(|| from.plus_days(days));
        let base = match self.ledger.last_ack_at {
            None => due(class.first_report_days, used_since),
            Some(at) => due(class.ongoing_report_days, at.max(used_since)),
        };
        let change = self.ledger.changed_at.and_then(|at| due(class.on_change_report_days, at));
        base.into_iter().chain(change).min()
    }

    /// What the deadline counts from: alerts that lie before it are not given.
    pub(crate) fn deadline_base(&self) -> Timestamp {
        self.ledger.last_ack_at.max(self.ledger.used_since).unwrap_or(Timestamp(0))
    }

    fn next_alert(&self) -> Option<Timestamp> {
        let deadline = self.next_ack_deadline()?;
        let early = deadline - ALERT_SECONDS;
        if self.ledger.warned_for != Some(deadline) && early > self.deadline_base() {
            return Some(early);
        }
        let again = self.ledger.overdue_warned_at.map(|at| at + Timestamp::DAY);
        Some(again.map_or(deadline, |again| again.max(deadline)))
    }

    /// Whether the days before the deadline have begun in which it is warned of (PI-RUM-021).
    #[must_use]
    pub fn deadline_is_near(&self, now: Timestamp) -> bool {
        self.next_ack_deadline().is_some_and(|deadline| {
            let early = deadline - ALERT_SECONDS;
            early > self.deadline_base() && now >= early
        })
    }

    /// When a policy ended, or ends soon.
    #[must_use]
    pub fn end_of_policy(&self, now: Timestamp) -> Option<Timestamp> {
        let warned = i64::from(Policy::WARNED_DAYS) * Timestamp::DAY;
        let ends = self.installed.policy.as_ref().and_then(|policy| policy.expires_at);
        let ended = self.ledger.policy_ended_at.filter(|_| self.installed.policy.is_none());
        ended.or(ends.filter(|end| now >= *end - warned))
    }

    /// When the end of the policy is to be warned of, or comes.
    pub(crate) fn next_word_on_policy(&self) -> Option<Timestamp> {
        let end = self.installed.policy.as_ref()?.expires_at?;
        if self.ledger.policy_end_warned_for == Some(end) {
            return Some(end);
        }
        Some(end - i64::from(Policy::WARNED_DAYS) * Timestamp::DAY)
    }
}
