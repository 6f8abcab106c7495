//! When things are due: pushes, polls, retries, deadlines, alerts.

use rumline_protocol::{ClassPolicy, Policy, TerminationReason, Timestamp};

use crate::config::{Config, Peer, Transport};
use crate::exchange::Kind;
use crate::ledger::Outage;
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment};

/// The next instant at which the agent wants to be called, and why.
pub type NextWake = Option<(Timestamp, &'static str)>;

/// The first report follows the beginning of use by this (PI-RUM-017).
pub(crate) const FIRST_PUSH_SECONDS: i64 = 37;
/// For this long after the scheduled time attempts are made at growing distances (PI-RUM-018).
const BACKOFF_SECONDS: i64 = 4 * Timestamp::HOUR;
/// After that, one attempt every 15 minutes.
pub(crate) const RETRY_SECONDS: i64 = 15 * 60;
/// A peer may say when it is asked again, but not later than this.
pub(crate) const POLL_SECONDS_MAX: i64 = Timestamp::HOUR;
/// A failing disk is tried again after this.
const STORAGE_RETRY_SECONDS: i64 = 60;
/// The first alert comes this long before the deadline (PI-RUM-021).
const ALERT_SECONDS: i64 = 30 * Timestamp::DAY;

impl Agent {
    /// When to call [`Agent::handle`] with [`crate::Input::Tick`] at the latest.
    #[must_use]
    pub fn next_wake(&self) -> NextWake {
        if self.unsaved {
            return Some((self.last_now + STORAGE_RETRY_SECONDS, "storage retry"));
        }
        let alert = self.next_alert().map(|at| (at, "reporting alert"));
        let policy = self.next_word_on_policy().map(|at| (at, "end of the policy"));
        let alert = [alert, policy].into_iter().flatten().min_by_key(|(at, _)| *at);
        if self.in_flight.is_some() || self.config.destination().is_none() {
            return alert;
        }
        let outage = self.ledger.outage.as_ref();
        let not_before = outage.map_or(Timestamp(0), |outage| outage.retry_at);
        let why = |reason| if outage.is_some() { "retry" } else { reason };
        let push = self.push_due_at().map(|at| (at.max(not_before), why("report push")));
        let poll = self.ledger.polls.iter().map(|poll| poll.at).min();
        let poll = poll.map(|at| (at.max(not_before), why("ACK push check")));
        let trust = self.wanted.trust.as_ref().map(|_| (not_before, why("trust request")));
        let rest = self.wanted.push_from.map(|_| (not_before, why("report push")));
        [alert, push, poll, trust, rest].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn push_due_at(&self) -> Option<Timestamp> {
        self.ledger.next_push_at.filter(|_| self.ledger.used_since.is_some())
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.installed.policy.clone().unwrap_or_else(Policy::cisco_default)
    }

    /// Every licence of a Nexus is of this class (PI-LIC-001).
    fn class(&self) -> ClassPolicy {
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

    /// Until when an ACK is required (PI-RUM-011, 012, 013).
    #[must_use]
    pub fn next_ack_deadline(&self) -> Option<Timestamp> {
        let used_since = self.ledger.used_since?;
        if !self.ack_required() {
            return None;
        }
        let class = self.class();
        let due = |days: u32, from: Timestamp| (days > 0).then(|| from.plus_days(days));
        let base = match self.ledger.last_ack_at {
            None => due(class.first_report_days, used_since),
            Some(at) => due(class.ongoing_report_days, at),
        };
        let change = self.ledger.changed_at.and_then(|at| due(class.on_change_report_days, at));
        base.into_iter().chain(change).min()
    }

    /// What the deadline counts from: alerts that lie before it are not given.
    fn deadline_base(&self) -> Timestamp {
        self.ledger.last_ack_at.or(self.ledger.used_since).unwrap_or(Timestamp(0))
    }

    fn next_alert(&self) -> Option<Timestamp> {
        let deadline = self.next_ack_deadline()?;
        let early = deadline - ALERT_SECONDS;
        if self.ledger.warned_for != Some(deadline) && early > self.deadline_base() {
            return Some(early);
        }
        Some(self.ledger.overdue_warned_at.map_or(deadline, |at| at + Timestamp::DAY))
    }

    /// At X-30 days, at X, and each day after (PI-RUM-021, G-36).
    fn give_alerts(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(deadline) = self.next_ack_deadline() else {
            return;
        };
        let mut alert = |days| {
            effects.push(Effect::Syslog(SyslogMessage::ReportingRequired { days }));
        };
        let early = deadline - ALERT_SECONDS;
        if now >= early && self.ledger.warned_for != Some(deadline) {
            if early > self.deadline_base() && now < deadline {
                let left = deadline.since(now);
                alert((left + Timestamp::DAY - 1) / Timestamp::DAY);
            }
            self.ledger.warned_for = Some(deadline);
            self.unsaved = true;
        }
        let again = self.ledger.overdue_warned_at.map_or(deadline, |at| at + Timestamp::DAY);
        if now >= deadline && now >= again {
            alert(0);
            self.ledger.overdue_warned_at = Some(now);
            self.unsaved = true;
        }
    }

    /// When the end of the policy is to be warned of, or comes.
    fn next_word_on_policy(&self) -> Option<Timestamp> {
        let end = self.installed.policy.as_ref()?.expires_at?;
        if self.ledger.policy_end_warned_for == Some(end) {
            return Some(end);
        }
        Some(end - i64::from(Policy::WARNED_DAYS) * Timestamp::DAY)
    }

    /// A policy with a lifetime is warned of before it ends; then the Cisco default holds.
    fn end_policy(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(end) = self.installed.policy.as_ref().and_then(|policy| policy.expires_at) else {
            return;
        };
        if now >= end {
            let interval_before = self.push_interval_days();
            self.ledger.policy = None;
            self.ledger.policy_end_warned_for = None;
            self.read_installed();
            effects.push(Effect::Syslog(SyslogMessage::PolicyExpired));
            self.log(now, environment, "SAEVT_POLICY_EXPIRED", "");
            if self.push_interval_days() != interval_before {
                self.reschedule(now);
            }
        } else if self.next_word_on_policy().is_some_and(|at| at <= now)
            && self.ledger.policy_end_warned_for != Some(end)
        {
            let days = (end.since(now) + Timestamp::DAY - 1) / Timestamp::DAY;
            effects.push(Effect::Syslog(SyslogMessage::PolicyEnding { days }));
            self.ledger.policy_end_warned_for = Some(end);
            self.unsaved = true;
        }
    }

    /// Does what is due at `now`; one exchange with the peer at a time.
    pub(crate) fn run_due(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.give_alerts(now, effects);
        self.end_policy(now, environment, effects);
        if self.in_flight.is_some() || self.config.destination().is_none() {
            return;
        }
        let held = self.ledger.outage.as_ref().is_some_and(|outage| outage.retry_at > now);
        if held && !self.wanted.manual {
            return;
        }
        let push_due = self.push_due_at().is_some_and(|at| at <= now);
        if self.wanted.trust.is_some() {
            self.send(now, Kind::Trust, environment, effects);
        } else if self.wanted.push || push_due || self.wanted.push_from.is_some() {
            self.push(now, environment, effects);
        } else if self.wanted.sync {
            self.send(now, Kind::Sync, environment, effects);
        } else if let Some(poll) = self.ledger.polls.iter().find(|poll| poll.at <= now) {
            let poll_id = poll.poll_id.clone();
            self.send(now, Kind::Poll { poll_id }, environment, effects);
        }
        self.wanted.manual = self.wanted.manual && self.in_flight.is_none() && self.wanted.any();
    }

    fn push(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if self.config.transport != Transport::Cslu && !self.has_trust() {
            self.refuse_without_trust(now, environment, effects);
            return;
        }
        if self.wanted.push_from.is_none() && !self.wanted.manual {
            self.wanted.push_from = self.wanted.retry_from;
        }
        self.wanted.retry_from = None;
        if self.wanted.push_from.is_none() {
            let reason = TerminationReason::CurrentUsageRequested;
            if self.close_reports(now, &reason, environment).is_err() {
                // The disk takes no report: nothing can leave now, and it is tried again in a while.
                self.wanted.push = false;
                self.ledger.next_push_at = Some(now + STORAGE_RETRY_SECONDS);
                self.unsaved = true;
                return;
            }
            self.wanted.push_from = Some(0);
            // Who asks for a sync may know more than the switch: the peer was restored from a copy and has lost reports.
            self.wanted.resend |= self.wanted.manual;
        }
        if !self.send_batch(now, environment, effects) {
            self.push_done(now, environment, effects);
        }
    }

    /// Everything there was has been sent, or there was nothing.
    pub(crate) fn push_done(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.wanted.push = false;
        self.wanted.push_from = None;
        self.wanted.resend = false;
        self.unsaved = true;
        if std::mem::take(&mut self.wanted.push_again) {
            return self.push(now, environment, effects);
        }
        let days = self.push_interval_days();
        let next = match self.ledger.last_push_at {
            // Use that began this very second has nothing to tell yet, but soon will.
            None => now + FIRST_PUSH_SECONDS,
            Some(last) if last.plus_days(days) > now => last.plus_days(days),
            Some(_) => now.plus_days(days),
        };
        self.ledger.next_push_at = (days > 0 && !self.ledger.series.is_empty()).then_some(next);
        self.offer_again_unless_polling(now);
        if self.wanted.sync && self.in_flight.is_none() {
            self.send(now, Kind::Sync, environment, effects);
        }
    }

    /// Direct communication needs trust (G-37): the report waits, and the next attempt is a day away.
    fn refuse_without_trust(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let reason = "Insufficient trust for direct communication";
        if let Some((peer, _)) = self.config.destination() {
            self.comm_failed(peer, reason, effects);
        }
        self.log(now, environment, "SAEVT_COMM_FAIL", &format!("reason=\"{reason}\""));
        self.wanted.push = false;
        self.wanted.sync = false;
        self.wanted.push_from = None;
        self.ledger.next_push_at = Some(now + Timestamp::DAY);
        self.unsaved = true;
    }

    /// Sets the next push from the last one and the interval.
    pub(crate) fn reschedule(&mut self, now: Timestamp) {
        let days = self.push_interval_days();
        let soon = now + FIRST_PUSH_SECONDS;
        self.ledger.next_push_at = match (days, self.ledger.last_push_at) {
            (0, _) => None,
            (_, Some(last)) => Some(last.plus_days(days).max(soon)),
            (_, None) => self.ledger.used_since.map(|_| soon),
        };
        self.unsaved = true;
    }

    /// Brings the next push forward to shortly after `now`.
    pub(crate) fn push_soon(&mut self, now: Timestamp) {
        let soon = now + FIRST_PUSH_SECONDS;
        if self.push_interval_days() > 0 && self.ledger.used_since.is_some() {
            let next = self.ledger.next_push_at.map_or(soon, |at| at.min(soon));
            self.ledger.next_push_at = Some(next);
            self.unsaved = true;
        }
    }

    /// An attempt failed: sets when the next one is made (PI-RUM-018, C-41).
    pub(crate) fn note_outage(&mut self, now: Timestamp) {
        let outage =
            self.ledger.outage.get_or_insert(Outage { since: now, attempts: 0, retry_at: now });
        outage.attempts = outage.attempts.saturating_add(1);
        let end_of_backoff = outage.since + BACKOFF_SECONDS;
        outage.retry_at = if now < end_of_backoff {
            let minutes = 1_i64 << outage.attempts.saturating_sub(1).min(5);
            (now + minutes.min(30) * 60).min(end_of_backoff)
        } else {
            now + RETRY_SECONDS
        };
        self.unsaved = true;
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
        if let Some(at) = &mut ledger.next_push_at {
            *at = (*at).min(now + interval.max(FIRST_PUSH_SECONDS));
        }
        for poll in &mut ledger.polls {
            poll.at = poll.at.min(now + POLL_SECONDS_MAX);
        }
        if let Some(outage) = &mut ledger.outage {
            outage.since = outage.since.min(now);
            outage.retry_at = outage.retry_at.min(now + RETRY_SECONDS);
        }
    }

    /// The configuration changed.
    pub(crate) fn configure(
        &mut self,
        now: Timestamp,
        config: Config,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if config == self.config {
            return;
        }
        let interval_before = self.push_interval_days();
        let destination_before = self.config.destination();
        self.config = config;
        if self.config.destination() != destination_before {
            self.drop_token_for_other_peer(now, environment, effects);
            // Another peer knows nothing of what was asked of this one; reports are sent to it again.
            let peer =
                |destination: &Option<(Peer, String)>| destination.as_ref().map(|(peer, _)| *peer);
            // The same kind of peer at a corrected URL is restored with its first answer (PI-MSG-010).
            if peer(&self.config.destination()) == peer(&destination_before) {
                self.ledger.outage.iter_mut().for_each(|outage| outage.retry_at = now);
            } else {
                self.ledger.outage = None;
            }
            self.ledger.polls.clear();
            self.in_flight = None;
            self.wanted.push_from = None;
            self.wanted.retry_from = None;
            self.unsaved = true;
            let detail = format!("transport=\"{:?}\"", self.config.transport);
            self.log(now, environment, "SAEVT_TRANSPORT_CHANGED", &detail);
            if !self.ledger.closed.is_empty() || !self.ledger.unacknowledged.is_empty() {
                self.push_soon(now);
            }
        }
        if self.push_interval_days() != interval_before {
            self.reschedule(now);
        }
    }

    /// The switch came up.
    pub(crate) fn boot(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        if now < self.ledger.last_seen_at {
            // The clock is behind what was recorded: it was set while nobody looked.
            self.clock_stepped(self.ledger.last_seen_at, now, environment);
        }
        self.boot_series(now);
        self.clamp_to(now);
        self.ledger.polls.retain(|poll| !poll.poll_id.is_empty());
        let something = !self.ledger.series.is_empty() || !self.ledger.closed.is_empty();
        if something && (self.has_trust() || self.config.transport == Transport::Cslu) {
            // A reload is followed by a report (PI-HA-007, PI-CLI-034).
            self.push_soon(now);
        }
    }

    /// The switch is about to go down: open reports are closed, so that they say why.
    pub(crate) fn shut_down(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        let reason = TerminationReason::ProductReload;
        if let Err(error) = self.close_reports(now, &reason, environment) {
            let detail = format!("reason=\"{error}\"");
            self.log(now, environment, "SAEVT_STORAGE_FAILURE", &detail);
        }
        self.log(now, environment, "SAEVT_SYSTEM_SHUTDOWN", "");
        self.in_flight = None;
        self.wanted = Default::default();
        self.unsaved = true;
    }
}
