//! What the answers of the peer do, and what follows when there is none.

use rumline_protocol::{Document, MESSAGE_VERSION, Response, ResponseStatus, Timestamp, Udi};

use crate::config::Peer;
use crate::exchange::{InFlight, Kind, Push, Wanted, printable};
use crate::install::Source;
use crate::ledger::{HistoryEntry, Poll};
use crate::syslog::SyslogMessage;
use crate::timers::{OFFER_AGAIN_SECONDS, POLL_SECONDS_MAX, RETRY_SECONDS};
use crate::troubles::{Failure, Trouble};
use crate::{Agent, Effect, Environment};

/// The most results waited for at a time: while they are, no new work is begun.
const POLLS_MAX: usize = 6;
/// The most that are kept: a peer that names a new one for each sync must not swell the ledger.
const POLLS_KEPT_MAX: usize = 16;
/// The longest name of a result: a peer must not swell the ledger.
const POLL_ID_BYTES_MAX: usize = 64;

impl Agent {
    /// The peer answered.
    pub(crate) fn answered(
        &mut self,
        now: Timestamp,
        request_id: &str,
        body: &[u8],
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if self.in_flight.as_ref().is_none_or(|f| f.request_id != request_id) {
            let detail = format!("requestId=\"{}\"", printable(request_id));
            self.log(now, environment, "SAEVT_UNEXPECTED_RESPONSE", &detail);
            return;
        }
        let flight = self.in_flight.as_ref().expect("checked above");
        let response = match serde_json::from_slice::<Response>(body) {
            Ok(response) if response.request_id == request_id && response.nonce == flight.nonce => {
                response
            }
            Ok(_) => {
                let failure = Failure::OtherAnswer;
                return self.unreachable(now, request_id, failure, environment, effects);
            }
            Err(_) => {
                let failure = Failure::NoAnswer;
                return self.unreachable(now, request_id, failure, environment, effects);
            }
        };
        let flight = self.in_flight.take().expect("checked above");
        if flight.peer == Peer::Cslu && is_older(&response.message_version) {
            return self.down_rev(now, &flight, environment, effects);
        }
        // Who is reached and refused is not restored: that shows with the first answer that is none.
        if response.status == ResponseStatus::Failed {
            self.ledger.outage.iter_mut().for_each(|outage| outage.retry_at = now);
        } else {
            self.ledger.outage = None;
            if self.ledger.comm_failed.take() == Some(flight.peer) {
                effects.push(Effect::Syslog(SyslogMessage::CommRestored { peer: flight.peer }));
                self.log(now, environment, "SAEVT_COMM_RESTORED", "");
            }
        }
        let succeeded = matches!(response.status, ResponseStatus::Ok | ResponseStatus::OkPoll);
        self.ledger.troubles.heard_time(now, Timestamp::from_millis(response.timestamp));
        if succeeded {
            self.ledger.troubles.exchange = None;
        }
        let message = printable(&response.status_message);
        self.count_exchange(
            now,
            &flight,
            response.status.label(),
            succeeded.then_some(""),
            &message,
        );
        match flight.kind {
            Kind::Trust => self.trust_answered(now, &response, environment, effects),
            Kind::Push { ids } => {
                self.wanted.sync &= !(flight.syncs && succeeded);
                let of = (ids.as_slice(), &flight.sudi, flight.sent_at);
                self.push_answered(now, of, &response, environment, effects);
            }
            Kind::Poll { poll_id } => {
                self.poll_answered(now, (&poll_id, &flight.sudi), &response, environment, effects);
            }
            Kind::Sync => {
                self.wanted.sync = false;
                match response.status {
                    ResponseStatus::Ok | ResponseStatus::OkPoll => {}
                    ResponseStatus::OkTryAgain => self.exchange_failed(now, Failure::TryAgain),
                    ResponseStatus::Failed => {
                        self.exchange_failed(now, Failure::Refused(message.clone()));
                    }
                }
                self.add_poll(now, &flight.sudi, &response);
                let had_trust = self.has_trust();
                self.take_document(now, &response, environment, effects);
                if self.has_trust() && !had_trust {
                    self.push_soon(now);
                }
            }
        }
    }

    fn take_document(
        &mut self,
        now: Timestamp,
        response: &Response,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(text) = &response.smart_license else {
            return;
        };
        let destination = self.config.destination();
        let (source, hop) = match &destination {
            Some((Peer::Cslu, url)) => (Source::Collector, format!("{} {url}", Peer::Cslu.name())),
            _ => (Source::Peer, Peer::Cssm.name().to_owned()),
        };
        match Document::parse(text.as_bytes()) {
            Ok(document) => {
                let summary = self.apply(now, &document, source, environment, effects);
                for (kind, reason) in summary.refused {
                    // What CSSM signed was altered after it: here is where it came from.
                    let detail = format!("type=\"{kind}\" reason=\"{reason}\" from=\"{hop}\"");
                    self.log(now, environment, "SAEVT_RESPONSE_REFUSED", &detail);
                }
            }
            Err(error) => {
                let detail = format!("reason=\"{error}\"");
                self.log(now, environment, "SAEVT_INVALID_RESPONSE", &detail);
            }
        }
    }

    fn trust_answered(
        &mut self,
        now: Timestamp,
        response: &Response,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.wanted.trust = None;
        if response.status == ResponseStatus::Ok {
            self.take_document(now, response, environment, effects);
            if self.has_trust() {
                self.push_soon(now);
            }
            return;
        }
        self.trust_failed(now, &response.status_message, environment, effects);
    }

    fn push_answered(
        &mut self,
        now: Timestamp,
        (ids, sudi, sent_at): (&[u64], &Udi, Timestamp),
        response: &Response,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.unsaved = true;
        match response.status {
            ResponseStatus::Ok | ResponseStatus::OkPoll => {
                self.wanted.show_trust = false;
                // A request that was refused changed nothing about a trust that holds.
                self.ledger.troubles.trust.take_if(|_| !self.installed.trust_codes.is_empty());
                self.mark_sent(ids, sudi);
                if !self.ledger.unacknowledged.is_empty() {
                    self.ledger.troubles.waits_since.get_or_insert(sent_at);
                }
                self.ledger.last_push_at = Some(sent_at);
                self.add_poll(now, sudi, response);
                self.ledger.push_held_until = None;
                self.take_document(now, response, environment, effects);
                if !self.has_more_to_send() {
                    self.push_done(now);
                }
            }
            ResponseStatus::OkTryAgain => {
                self.exchange_failed(now, Failure::TryAgain);
                self.hold_from(ids);
                self.hold_push(now + RETRY_SECONDS);
            }
            ResponseStatus::Failed => {
                // The peer was reached and refused; the reports stay, and a day later they are offered again.
                let reason = printable(&response.status_message);
                let direct = self.config.destination().is_some_and(|(peer, _)| peer == Peer::Cssm);
                self.wanted.show_trust = direct && self.has_trust() && !self.wanted.show_trust;
                if self.wanted.show_trust {
                    // At once, and once.
                    self.go_on_from(ids);
                    return;
                }
                if let Some((peer, _)) = self.config.destination() {
                    self.comm_failed(peer, &reason, effects);
                }
                self.log(now, environment, "SAEVT_COMM_FAIL", &format!("reason=\"{reason}\""));
                self.exchange_failed(now, Failure::Refused(reason));
                self.hold_from(ids);
                self.wanted.sync = false;
                self.hold_push(now + OFFER_AGAIN_SECONDS);
            }
        }
    }

    /// Whether a push that goes on has more to send.
    pub(crate) fn has_more_to_send(&self) -> bool {
        let Push::Running { from, resend, .. } = self.wanted.push else { return false };
        let unsent = self.ledger.closed.iter_from(from).next().is_some();
        unsent || (resend && self.ledger.unacknowledged.iter_from(from).next().is_some())
    }

    fn hold_from(&mut self, ids: &[u64]) {
        self.wanted.push = Push::Held { from: ids.first().copied().unwrap_or(0) };
    }

    /// The next message holds the very reports of the last one.
    fn go_on_from(&mut self, ids: &[u64]) {
        let from = ids.first().copied().unwrap_or(0);
        self.wanted.push = match self.wanted.push {
            Push::Running { resend, again, .. } => Push::Running { from, resend, again },
            _ => Push::Running { from, resend: false, again: false },
        };
    }

    /// What could not leave, since the ledger could not be written, is made again.
    pub(crate) fn make_again(&mut self, flight: &InFlight) {
        if let Kind::Push { ids } = &flight.kind {
            self.go_on_from(ids);
        }
        self.wanted.manual |= flight.out_of_turn;
    }

    /// Whether so many results are waited for that no new work is begun.
    pub(crate) fn waits_for_results(&self) -> bool {
        self.ledger.polls.len() >= POLLS_MAX
    }

    /// Reports that have left wait for their ACK, or are done where none is required (PI-RUM-014).
    pub(crate) fn mark_sent(&mut self, ids: &[u64], sudi: &Udi) {
        // In the name of a supervisor that reports no more nobody asks again: what it sent is done once it is acknowledged.
        let ack_required = self.ack_required() || sudi != self.speaker();
        for id in ids {
            self.ledger.closed.remove(*id);
            if self.ledger.acknowledged.contains(*id) {
                continue;
            }
            if ack_required {
                self.ledger.unacknowledged.insert(*id);
            } else {
                self.ledger.done_unasked(*id);
            }
        }
        if !ack_required {
            self.ledger.changed_at = self.untold_change_at();
        }
        self.unsaved = true;
    }

    fn add_poll(&mut self, now: Timestamp, sudi: &Udi, response: &Response) {
        let Some(poll_id) = response.poll_id.clone() else { return };
        if poll_id.len() > POLL_ID_BYTES_MAX || !poll_id.bytes().all(|b| b.is_ascii_graphic()) {
            return;
        }
        let seconds = i64::from(response.poll_interval_seconds.unwrap_or(300));
        let at = now + seconds.clamp(1, POLL_SECONDS_MAX);
        self.ledger.polls.retain(|poll| poll.poll_id != poll_id);
        if self.ledger.polls.len() >= POLLS_KEPT_MAX {
            return;
        }
        self.ledger.poll_seconds = response.poll_interval_seconds;
        let sudi = self.unless_speaker(sudi);
        self.ledger.polls.push(Poll { poll_id, at, sudi });
        self.unsaved = true;
    }

    fn poll_answered(
        &mut self,
        now: Timestamp,
        (poll_id, sudi): (&str, &Udi),
        response: &Response,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.ledger.polls.retain(|poll| poll.poll_id != poll_id);
        self.unsaved = true;
        match response.status {
            ResponseStatus::Ok => {
                // There may be more to come.
                self.add_poll(now, sudi, response);
                self.take_document(now, response, environment, effects);
                self.offer_again_unless_polling(now);
            }
            ResponseStatus::OkPoll => {
                self.take_document(now, response, environment, effects);
                let mut response = response.clone();
                response.poll_id.get_or_insert_with(|| poll_id.to_owned());
                self.add_poll(now, sudi, &response);
            }
            ResponseStatus::OkTryAgain => {
                let (poll_id, at) = (poll_id.to_owned(), now + RETRY_SECONDS);
                let poll = Poll { poll_id, at, sudi: self.unless_speaker(sudi) };
                self.ledger.polls.push(poll);
            }
            // The peer knows nothing of it: the reports are offered again within a day.
            ResponseStatus::Failed => self.offer_again_unless_polling(now),
        }
    }

    /// Reports without an ACK that nobody is asked about any more are offered again within a day: the peer may have lost
    /// them, or its answer got lost.
    pub(crate) fn offer_again_unless_polling(&mut self, now: Timestamp) {
        let open = !self.ledger.closed.is_empty() || !self.ledger.unacknowledged.is_empty();
        if open && self.ledger.polls.is_empty() {
            let again = now + Timestamp::DAY;
            let next = self.ledger.next_push_at.map_or(again, |at| at.min(again));
            self.ledger.next_push_at = Some(next);
        }
    }

    /// An SSM On-Prem from before the policy (PI-MSG-013): use is recorded and reports are kept here; it is asked again
    /// each day.
    fn down_rev(
        &mut self,
        now: Timestamp,
        flight: &InFlight,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Syslog(SyslogMessage::ReportingNotSupported));
        self.log(now, environment, "SAEVT_REPORTING_NOT_SUPPORTED", "");
        self.count_exchange(now, flight, "FAILED", None, &Failure::DownRev.to_string());
        self.exchange_failed(now, Failure::DownRev);
        self.wanted = Wanted::default();
        if let Kind::Push { ids } = &flight.kind {
            self.hold_from(ids);
        }
        self.ledger.polls.clear();
        self.hold_push(now + OFFER_AGAIN_SECONDS);
    }

    /// The peer could not be reached: a message for each failed attempt (PI-MSG-008).
    pub(crate) fn unreachable(
        &mut self,
        now: Timestamp,
        request_id: &str,
        failure: Failure,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(flight) = self.failed(now, request_id, failure, environment, effects) {
            self.note_outage(now, flight.out_of_turn);
        }
    }

    /// The peer has had enough requests for now: the next goes when it says (G-21).
    pub(crate) fn busy(
        &mut self,
        now: Timestamp,
        request_id: &str,
        retry_after_seconds: i64,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if self.failed(now, request_id, Failure::Busy, environment, effects).is_some() {
            self.note_busy(now, retry_after_seconds);
        }
    }

    fn failed(
        &mut self,
        now: Timestamp,
        request_id: &str,
        failure: Failure,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> Option<InFlight> {
        let flight = self.in_flight.take_if(|f| f.request_id == request_id)?;
        let reason = printable(&failure.to_string());
        self.exchange_failed(now, failure);
        self.count_exchange(now, &flight, "NO REPLY", None, &reason);
        self.log(now, environment, "SAEVT_COMM_FAIL", &format!("reason=\"{reason}\""));
        // The next attempt goes on with the very reports of this one: an outage makes no new ones.
        if let Kind::Push { ids } = &flight.kind {
            self.go_on_from(ids);
        }
        // What somebody asked for meanwhile is still wanted.
        self.wanted.sync &= !(flight.out_of_turn || flight.syncs);
        self.comm_failed(flight.peer, &reason, effects);
        Some(flight)
    }

    /// Notes why the last exchange came to nothing.
    pub(crate) fn exchange_failed(&mut self, now: Timestamp, what: Failure) {
        self.ledger.troubles.exchange = Some(Trouble { at: now, what });
        self.unsaved = true;
    }

    /// Tells of a failure; the first success after it is told too (PI-MSG-010).
    pub(crate) fn comm_failed(&mut self, peer: Peer, reason: &str, effects: &mut Vec<Effect>) {
        let reason = reason.to_owned();
        effects.push(Effect::Syslog(SyslogMessage::CommFailed { peer, reason }));
        self.ledger.comm_failed = Some(peer);
        self.unsaved = true;
    }

    fn count_exchange(
        &mut self,
        now: Timestamp,
        flight: &InFlight,
        label: &str,
        success: Option<&str>,
        message: &str,
    ) {
        let statistics = self.ledger.statistics.entry(flight.class.to_owned()).or_default();
        statistics.last_response = Some(label.to_owned());
        statistics.last_response_at = Some(now);
        if success.is_some() {
            statistics.success += 1;
            statistics.ongoing = 0;
            statistics.ongoing_communication = 0;
            statistics.last_success_at = Some(now);
        } else {
            statistics.fail += 1;
            statistics.ongoing += 1;
            if label == "NO REPLY" {
                statistics.ongoing_communication += 1;
            }
            statistics.failure_reason = Some(message.to_owned());
            statistics.last_failure_at = Some(now);
        }
        let text = if message.is_empty() {
            format!("Status: {label}")
        } else {
            format!("Status: {label}, {message}")
        };
        let entry = HistoryEntry {
            at: flight.sent_at,
            text,
            sent_to: Some(flight.peer.name().to_owned()),
            answered_at: Some(now),
        };
        self.ledger.add_entry(flight.class, entry);
        self.unsaved = true;
    }
}

/// Whether a peer speaks a version of the message from before policies.
fn is_older(message_version: &str) -> bool {
    let number = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    number(message_version).is_some_and(|told| Some(told) < number(MESSAGE_VERSION))
}
