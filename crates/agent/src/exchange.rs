//! Requests to the peer and what its answers do.

use rumline_protocol::{
    AccountInfo, Document, MESSAGE_VERSION, Request, RequestBody, Response, ResponseStatus, Role,
    Signed, SignedText, Timestamp, TrustRequest, UsageItem, base64, random_hex,
};

use crate::config::{Peer, Transport};
use crate::install::Source;
use crate::ledger::Poll;
use crate::schedule::{POLL_SECONDS_MAX, RETRY_SECONDS};
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment};

/// The most reports in one message.
const BATCH_MAX: usize = 50;
/// The most payload bytes in one message, so that it stays well below what a receiver takes.
const BATCH_BYTES_MAX: usize = 512 << 10;

/// The most results waited for at a time, and the longest name of one: a peer must not swell the ledger.
const POLLS_MAX: usize = 16;
const POLL_ID_BYTES_MAX: usize = 64;

/// What one exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trust,
    Push { ids: Vec<u64> },
    Poll { poll_id: String },
    Sync,
}

/// The exchange under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InFlight {
    request_id: String,
    nonce: String,
    kind: Kind,
    class: &'static str,
    peer: Peer,
    sent_at: Timestamp,
}

/// A trust request that a person made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustWanted {
    id_token: String,
    all: bool,
    force: bool,
    /// The same in each attempt, so that CSSM knows a request it has answered before.
    nonce: String,
}

/// What is to be sent as soon as it can be. In memory only: a token is not written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub trust: Option<TrustWanted>,
    pub push: bool,
    /// While a push of several messages goes on: the id to go on from.
    pub push_from: Option<u64>,
    /// Whether another push follows the one that goes on.
    pub push_again: bool,
    /// What was not taken the last time, by its first id: the next push offers that again and makes no new reports.
    pub retry_from: Option<u64>,
    /// While a push goes on: whether it sends unacknowledged reports again.
    pub resend: bool,
    pub sync: bool,
    /// A person waits: do not hold it back until the next retry.
    pub manual: bool,
}

impl Wanted {
    pub(crate) fn any(&self) -> bool {
        self.trust.is_some() || self.push || self.sync || self.push_from.is_some()
    }
}

impl Agent {
    /// `license smart sync` (PI-CLI-020).
    pub(crate) fn request_sync(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        self.log(now, environment, "SAEVT_SYNC_REQUESTED", "");
        if self.config.transport != Transport::Off {
            // Use until now is to leave: a push that goes on closed its reports before.
            let pushing =
                self.in_flight.as_ref().is_some_and(|f| matches!(f.kind, Kind::Push { .. }));
            if pushing {
                self.wanted.push_again = true;
            } else {
                self.wanted.push_from = None;
            }
            self.wanted.push = true;
            self.wanted.sync = true;
            self.wanted.manual = true;
        }
    }

    /// `license smart trust idtoken` (PI-CLI-019).
    pub(crate) fn request_trust(
        &mut self,
        now: Timestamp,
        id_token: String,
        all: bool,
        force: bool,
        environment: &mut Environment<'_>,
    ) {
        let detail = format!("all=\"{all}\" force=\"{force}\"");
        self.log(now, environment, "SAEVT_TRUST_REQUESTED", &detail);
        let nonce = random_hex(environment.random, 8);
        self.wanted.trust = Some(TrustWanted { id_token, all, force, nonce });
        self.wanted.manual = true;
    }

    /// Sends the next message of a push; false when there is nothing (more) to send.
    pub(crate) fn send_batch(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let from = self.wanted.push_from.unwrap_or(0);
        let mut candidates: Vec<u64> = self.ledger.closed.iter_from(from).take(BATCH_MAX).collect();
        // Reports whose result is still to be asked for are not sent again.
        let late = self.ledger.last_push_at.is_none_or(|at| now.since(at) >= Timestamp::DAY);
        if self.ledger.polls.is_empty() || late || self.wanted.resend {
            self.wanted.resend = true;
            candidates.extend(self.ledger.unacknowledged.iter_from(from).take(BATCH_MAX));
        }
        candidates.sort_unstable();
        candidates.truncate(BATCH_MAX);
        let (mut ids, mut usage, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut passed = from;
        for id in candidates {
            if bytes > BATCH_BYTES_MAX {
                break;
            }
            passed = id + 1;
            let Some(report) = self.report_to_send(now, id, environment) else {
                continue;
            };
            bytes += report.payload.len();
            ids.push(id);
            usage.push(UsageItem { payload: report.payload, signature: report.signature });
        }
        if ids.is_empty() {
            return false;
        }
        self.wanted.push_from = Some(passed);
        // Trust may ride on the report where no idtoken is needed (PI-TRUST-011, C-17).
        let trust_requests = if self.config.transport == Transport::Cslu && !self.has_trust() {
            let nonce = random_hex(environment.random, 8);
            self.trust_requests(now, true, &nonce)
        } else {
            Vec::new()
        };
        let body = RequestBody::UsageReport { usage, trust_requests };
        self.send_body(now, Kind::Push { ids }, body, environment, effects);
        true
    }

    pub(crate) fn send(
        &mut self,
        now: Timestamp,
        kind: Kind,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let body = match &kind {
            Kind::Trust => {
                let Some(trust) = self.wanted.trust.clone() else {
                    return;
                };
                RequestBody::TrustRequest {
                    id_token: trust.id_token,
                    force: trust.force,
                    trust_requests: self.trust_requests(now, trust.all, &trust.nonce),
                }
            }
            Kind::Poll { poll_id } => RequestBody::ResultPoll { poll_id: poll_id.clone() },
            Kind::Sync => RequestBody::TrustSync {},
            Kind::Push { .. } => unreachable!("pushes go through send_batch"),
        };
        self.send_body(now, kind, body, environment, effects);
    }

    fn send_body(
        &mut self,
        now: Timestamp,
        kind: Kind,
        body: RequestBody,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some((peer, url)) = self.config.destination() else {
            return;
        };
        let class = body.class();
        let show_version = !self.config.hide_version;
        let show_hostname = !self.config.hide_hostname && !self.hostname.is_empty();
        let mut request = Request {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: random_hex(environment.random, 16),
            timestamp: now.millis(),
            nonce: random_hex(environment.random, 8),
            sudi: self.profile.udi().clone(),
            hostname: show_hostname.then(|| self.hostname.clone()),
            software_version: show_version.then(|| self.profile.software_version.clone()),
            software_tag_identifier: self.profile.software_tag.clone(),
            agent_version: self.profile.agent_version.clone(),
            // A collector may not know the device yet; CSSM gave it its trust code.
            public_key: (peer == Peer::Cslu).then(|| self.signer.public_key().clone()),
            proof: None,
            body,
        };
        if matches!(kind, Kind::Poll { .. } | Kind::Sync) {
            let signature = self.signer.sign(request.proof_text().as_bytes());
            request.proof = Some(base64(&signature));
        }
        let bytes = serde_json::to_vec(&request).expect("requests always serialise");
        self.in_flight = Some(InFlight {
            request_id: request.request_id.clone(),
            nonce: request.nonce,
            kind,
            class,
            peer,
            sent_at: now,
        });
        let request_id = request.request_id;
        effects.push(Effect::Send { request_id, peer, url, body: bytes });
    }

    /// One signed request for each supervisor; only the active one unless `all`.
    pub(crate) fn trust_requests(&self, now: Timestamp, all: bool, nonce: &str) -> Vec<SignedText> {
        self.signed_trust_requests(now, all, nonce)
            .into_iter()
            .map(|signed| SignedText { data: signed.text, signature: base64(&signed.signature) })
            .collect()
    }

    pub(crate) fn signed_trust_requests(
        &self,
        now: Timestamp,
        all: bool,
        nonce: &str,
    ) -> Vec<Signed<TrustRequest>> {
        let members = self.profile.members.iter().filter(|m| all || m.role == Role::Active);
        members
            .map(|member| {
                let request = TrustRequest {
                    sudi: member.sudi.clone(),
                    role: member.role,
                    product_instance_identifier: self.ledger.product_instance_identifier.clone(),
                    public_key: self.signer.public_key().clone(),
                    timestamp: now,
                    nonce: nonce.to_owned(),
                };
                Signed::json(request, self.signer.as_ref())
            })
            .collect()
    }

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
                let reason = "The response does not belong to the request";
                return self.unreachable(now, request_id, reason, environment, effects);
            }
            Err(_) => {
                let reason = "Received an invalid response from server";
                return self.unreachable(now, request_id, reason, environment, effects);
            }
        };
        let flight = self.in_flight.take().expect("checked above");
        if flight.peer == Peer::Cslu && is_older(&response.message_version) {
            return self.down_rev(now, &flight, environment, effects);
        }
        // Who is reached and refused is not restored: that shows with the first answer that is none.
        if response.status == ResponseStatus::Failed {
            self.ledger.outage.iter_mut().for_each(|outage| outage.retry_at = now);
        } else if self.ledger.outage.take().is_some() {
            effects.push(Effect::Syslog(SyslogMessage::CommRestored { peer: flight.peer }));
            self.log(now, environment, "SAEVT_COMM_RESTORED", "");
        }
        let succeeded = matches!(response.status, ResponseStatus::Ok | ResponseStatus::OkPoll);
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
                self.push_answered(now, &ids, flight.sent_at, &response, environment, effects);
            }
            Kind::Poll { poll_id } => {
                self.poll_answered(now, &poll_id, &response, environment, effects);
            }
            Kind::Sync => {
                self.wanted.sync = false;
                self.add_poll(now, &response);
                self.take_document(now, &response, environment, effects);
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
        let reason = printable(&response.status_message);
        let detail = format!("reason=\"{reason}\"");
        self.log(now, environment, "SAEVT_TRUST_FAILED", &detail);
        let udi = self.profile.udi().clone();
        effects.push(Effect::Syslog(SyslogMessage::TrustCodeInstallFailed { udi, reason }));
    }

    fn push_answered(
        &mut self,
        now: Timestamp,
        ids: &[u64],
        sent_at: Timestamp,
        response: &Response,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.unsaved = true;
        match response.status {
            ResponseStatus::Ok | ResponseStatus::OkPoll => {
                self.mark_sent(ids);
                self.ledger.last_push_at = Some(sent_at);
                self.add_poll(now, response);
                self.take_document(now, response, environment, effects);
                if !self.send_batch(now, environment, effects) {
                    self.push_done(now, environment, effects);
                }
            }
            ResponseStatus::OkTryAgain => {
                self.wanted.push_from = None;
                self.wanted.retry_from = ids.first().copied();
                self.wanted.push = false;
                self.ledger.next_push_at = Some(now + RETRY_SECONDS);
            }
            ResponseStatus::Failed => {
                // The peer was reached and refused; the reports stay, and a day later they are offered again.
                let reason = printable(&response.status_message);
                if let Some((peer, _)) = self.config.destination() {
                    effects.push(Effect::Syslog(SyslogMessage::CommFailed { peer, reason }));
                }
                self.wanted.push_from = None;
                self.wanted.retry_from = ids.first().copied();
                self.wanted.push = false;
                self.wanted.push_again = false;
                self.wanted.sync = false;
                self.ledger.next_push_at = Some(now + Timestamp::DAY);
            }
        }
    }

    /// Reports that have left wait for their ACK, or are done where none is required (PI-RUM-014).
    pub(crate) fn mark_sent(&mut self, ids: &[u64]) {
        let ack_required = self.ack_required();
        for id in ids {
            self.ledger.closed.remove(*id);
            if self.ledger.acknowledged.contains(*id) {
                continue;
            }
            if ack_required {
                self.ledger.unacknowledged.insert(*id);
            } else {
                self.ledger.unacknowledged.remove(*id);
                self.ledger.acknowledged.insert(*id);
            }
        }
        if !ack_required {
            self.ledger.changed_at = None;
        }
        self.unsaved = true;
    }

    fn add_poll(&mut self, now: Timestamp, response: &Response) {
        let Some(poll_id) = response.poll_id.clone() else { return };
        if poll_id.len() > POLL_ID_BYTES_MAX || !poll_id.bytes().all(|b| b.is_ascii_graphic()) {
            return;
        }
        let seconds = i64::from(response.poll_interval_seconds.unwrap_or(300));
        let at = now + seconds.clamp(1, POLL_SECONDS_MAX);
        self.ledger.polls.retain(|poll| poll.poll_id != poll_id);
        if self.ledger.polls.len() == POLLS_MAX {
            self.ledger.polls.remove(0);
        }
        self.ledger.polls.push(Poll { poll_id, at });
        self.unsaved = true;
    }

    fn poll_answered(
        &mut self,
        now: Timestamp,
        poll_id: &str,
        response: &Response,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.ledger.polls.retain(|poll| poll.poll_id != poll_id);
        self.unsaved = true;
        match response.status {
            ResponseStatus::Ok => {
                // There may be more to come.
                self.add_poll(now, response);
                self.take_document(now, response, environment, effects);
                self.offer_again_unless_polling(now);
            }
            ResponseStatus::OkPoll => {
                self.take_document(now, response, environment, effects);
                let mut response = response.clone();
                response.poll_id.get_or_insert_with(|| poll_id.to_owned());
                self.add_poll(now, &response);
            }
            ResponseStatus::OkTryAgain => {
                let poll = Poll { poll_id: poll_id.to_owned(), at: now + RETRY_SECONDS };
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
        self.count_exchange(now, flight, "FAILED", None, "reporting is not supported");
        self.wanted = Wanted::default();
        if let Kind::Push { ids } = &flight.kind {
            self.wanted.retry_from = ids.first().copied();
        }
        self.ledger.polls.clear();
        self.ledger.next_push_at = Some(now + Timestamp::DAY);
        self.unsaved = true;
    }

    /// The peer could not be reached: a message for each failed attempt (PI-MSG-008).
    pub(crate) fn unreachable(
        &mut self,
        now: Timestamp,
        request_id: &str,
        reason: &str,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(flight) = self.in_flight.take_if(|f| f.request_id == request_id) else {
            return;
        };
        let reason = printable(reason);
        self.count_exchange(now, &flight, "NO REPLY", None, &reason);
        self.log(now, environment, "SAEVT_COMM_FAIL", &format!("reason=\"{reason}\""));
        self.note_outage(now);
        // The next attempt goes on with the very reports of this one: an outage makes no new ones.
        if let Kind::Push { ids } = &flight.kind {
            self.wanted.push_from = ids.first().copied();
        }
        self.wanted.sync = false;
        self.wanted.manual = false;
        let peer = flight.peer;
        effects.push(Effect::Syslog(SyslogMessage::CommFailed { peer, reason }));
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
        self.ledger.add_history(flight.class, flight.sent_at, &text);
        self.unsaved = true;
    }

    pub(crate) fn note_account(&mut self, account: &AccountInfo) {
        if self.ledger.account.as_ref() != Some(account) {
            self.ledger.account = Some(account.clone());
            self.unsaved = true;
        }
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

/// Text from a peer, cut and cleaned for a log line.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).take(200).collect()
}
