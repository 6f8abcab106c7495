//! What is done when it is due: pushes, polls, retries, alerts.

use rumline_protocol::{TerminationReason, Timestamp};

use crate::agenda::Duty;
use crate::config::{Config, Peer, Transport};
use crate::exchange::{Kind, Push};
use crate::ledger::Outage;
use crate::syslog::SyslogMessage;
use crate::timers::{
    ALERT_SECONDS, BACKOFF_SECONDS, FIRST_PUSH_SECONDS, OFFER_AGAIN_SECONDS, POLL_SECONDS_MAX,
    RETRY_SECONDS, STORAGE_RETRY_SECONDS,
};
use crate::troubles::Failure;
use crate::{Agent, Effect, Environment};

impl Agent {
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
            self.ledger.policy_ended_at = Some(end);
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
        if now >= self.settled_at() {
            self.give_alerts(now, effects);
            self.end_policy(now, environment, effects);
        }
        // What turns out to be nothing makes room for the next; nothing is done twice.
        for what in [Duty::Trust, Duty::AckCheck, Duty::Push, Duty::Sync, Duty::AckCheck] {
            let next = self.to_send().into_iter().find(|due| due.at <= now);
            let Some(next) = next.filter(|next| next.what == what) else { continue };
            if !self.sent_as_shown(now, next.what, environment, effects) {
                self.compose(now, next.what, environment, effects);
            }
        }
        self.wanted.manual &= self.wanted.any();
    }

    /// Makes the message of a duty and sends it, if there is one to make.
    pub(crate) fn compose(
        &mut self,
        now: Timestamp,
        what: Duty,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        match what {
            Duty::Trust => self.send(now, Kind::Trust, environment, effects),
            Duty::Push => self.push(now, environment, effects),
            Duty::Sync => self.send(now, Kind::Sync, environment, effects),
            Duty::AckCheck => {
                if let Some(poll) = self.ledger.polls.iter().min_by_key(|poll| poll.at) {
                    let poll_id = poll.poll_id.clone();
                    self.send(now, Kind::Poll { poll_id }, environment, effects);
                }
            }
            Duty::SaveLedger | Duty::Alert | Duty::PolicyEnd => {}
        }
    }

    fn push(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.take_over(now, environment);
        if self.config.transport != Transport::Cslu && !self.has_trust() {
            if self.installed.trust_codes.is_empty() && !self.registration_stands() {
                self.refuse_without_trust(now, environment, effects);
            } else {
                // The other supervisor is trusted, and asks for this one (PI-HA-009); or a registration of before stands for a
                // token (PI-TRUST-012).
                self.wanted.push = Push::Idle;
                self.wanted.sync = true;
                self.hold_push(now + OFFER_AGAIN_SECONDS);
            }
            return;
        }
        let asks = self.lacks_trust_codes() || !self.conversion.is_empty();
        if self.config.transport != Transport::Cslu && asks {
            self.wanted.sync = true;
        }
        match self.wanted.push {
            Push::Running { .. } => {}
            // What was not taken the last time is offered again; no new reports are made.
            Push::Held { from } if !self.wanted.manual => {
                self.wanted.push = Push::Running { from, resend: false, again: false };
            }
            Push::Idle | Push::Wanted | Push::Held { .. } => {
                let reason = TerminationReason::CurrentUsageRequested;
                if self.close_reports(now, &reason, environment).is_err() {
                    // The disk takes no report: nothing can leave now, and it is tried again in a while.
                    self.wanted.push = Push::Idle;
                    self.hold_push(now + STORAGE_RETRY_SECONDS);
                    return;
                }
                // Who asks for a sync may know more than the switch: the peer was restored from a copy and has lost
                // reports.
                let resend = self.wanted.manual;
                self.wanted.push = Push::Running { from: 0, resend, again: false };
            }
        }
        if !self.send_batch(now, environment, effects) {
            self.push_done(now);
        }
    }

    /// Everything there was has been sent, or there was nothing.
    pub(crate) fn push_done(&mut self, now: Timestamp) {
        let again = matches!(self.wanted.push, Push::Running { again: true, .. });
        self.wanted.push = if again { Push::Wanted } else { Push::Idle };
        self.unsaved = true;
        let days = self.push_interval_days();
        let next = match self.ledger.last_push_at {
            // Use that began this very second has nothing to tell yet, but soon will.
            None => now + FIRST_PUSH_SECONDS,
            Some(last) if last.plus_days(days) > now => last.plus_days(days),
            Some(_) => now.plus_days(days),
        };
        self.ledger.next_push_at = (days > 0 && !self.ledger.series.is_empty()).then_some(next);
        self.ledger.push_held_until = None;
        self.offer_again_unless_polling(now);
        if self.next_push().is_some_and(|(at, _)| at <= now) {
            // There was nothing to send for it.
            self.ledger.push_held_until = Some(now + OFFER_AGAIN_SECONDS);
        }
    }

    /// Direct communication needs trust (G-37): the report waits, and the next attempt is a day away.
    fn refuse_without_trust(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let reason = &Failure::NoTrust.to_string();
        self.exchange_failed(now, Failure::NoTrust);
        if let Some((peer, _)) = self.config.destination() {
            self.comm_failed(peer, reason, effects);
        }
        self.log(now, environment, "SAEVT_COMM_FAIL", &format!("reason=\"{reason}\""));
        self.wanted.push = Push::Idle;
        self.wanted.sync = false;
        self.hold_push(now + OFFER_AGAIN_SECONDS);
    }

    /// The next report goes then, and not before.
    pub(crate) fn hold_push(&mut self, until: Timestamp) {
        self.ledger.next_push_at = Some(until);
        self.ledger.push_held_until = Some(until);
        self.unsaved = true;
    }

    /// Sets the next push from the last one and the interval.
    pub(crate) fn reschedule(&mut self, now: Timestamp) {
        let days = self.push_interval_days();
        let soon = now + FIRST_PUSH_SECONDS;
        self.ledger.push_held_until = None;
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
            self.ledger.push_held_until = None;
            self.unsaved = true;
        }
    }

    /// An attempt failed: sets when the next one is made (PI-RUM-018, C-41). One that a person made out of turn changes
    /// nothing about that.
    pub(crate) fn note_outage(&mut self, now: Timestamp, out_of_turn: bool) {
        let known = self.ledger.outage.is_some();
        let outage =
            self.ledger.outage.get_or_insert(Outage { since: now, attempts: 0, retry_at: now });
        if known && out_of_turn && outage.retry_at > now {
            return;
        }
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

    /// The peer says when it wants to be asked again.
    pub(crate) fn note_busy(&mut self, now: Timestamp, retry_after_seconds: i64) {
        let retry_at = now + retry_after_seconds.clamp(1, POLL_SECONDS_MAX);
        let outage = self.ledger.outage.get_or_insert(Outage { since: now, attempts: 0, retry_at });
        outage.retry_at = retry_at;
        self.unsaved = true;
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
        self.reports.hides_version = self.config.hide_version;
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
            self.wanted.push = Push::Idle;
            self.ledger.push_held_until = None;
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
        match self.ledger.put_back {
            // It came up with a clock that was far behind, and now with one that is right: all that time was use.
            Some(put_back) if put_back.is_over_at_start(now.since(self.ledger.last_seen_at)) => {
                self.clock_set(Timestamp(now.0 + put_back.seconds), now, false, environment);
            }
            // The clock is behind what was recorded: it was set while nobody looked.
            _ if now < self.ledger.last_seen_at => {
                self.clock_set(self.ledger.last_seen_at, now, true, environment);
            }
            _ => {}
        }
        self.continuous_since = now;
        self.try_unreadable_again();
        self.boot_series(now);
        self.take_over(now, environment);
        self.clamp_to(now);
        self.ledger.polls.retain(|poll| !poll.poll_id.is_empty());
        let something = !self.ledger.series.is_empty() || !self.ledger.closed.is_empty();
        let is_trusted = !self.installed.trust_codes.is_empty();
        if something && (is_trusted || self.config.transport == Transport::Cslu) {
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
