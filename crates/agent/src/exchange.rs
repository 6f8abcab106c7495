//! Requests to the peer and what its answers do.

use rumline_protocol::{
    Document, DocumentWriter, MESSAGE_VERSION, Purpose, Request, RequestBody, Response,
    ResponseStatus, Role, Signed, SignedText, Timestamp, TrustRequest, UsageItem, base64, cssm_id,
    is_id_token_of, random_hex,
};

use crate::config::{Peer, Transport};
use crate::install::Source;
use crate::ledger::Poll;
use crate::syslog::SyslogMessage;
use crate::timers::{OFFER_AGAIN_SECONDS, POLL_SECONDS_MAX, RETRY_SECONDS};
use crate::{Agent, Effect, Environment};

/// The most reports in one message: what a receiver takes at a time. A peer allows few requests an hour.
const BATCH_MAX: usize = Request::REPORTS_MAX;
/// The most payload bytes in one message, so that it stays well below what a receiver takes.
const BATCH_BYTES_MAX: usize = 2 << 20;

/// The most results waited for at a time: while they are, no new work is begun.
const POLLS_MAX: usize = 6;
/// The most that are kept: a peer that names a new one for each sync must not swell the ledger.
const POLLS_KEPT_MAX: usize = 16;
/// The longest name of a result: a peer must not swell the ledger.
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
    pub(crate) sent_at: Timestamp,
    /// A person made it, before its time.
    out_of_turn: bool,
    /// It asks for what CSSM says besides.
    syncs: bool,
}

/// A trust request that a person made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrustWanted {
    id_token: String,
    all: bool,
    force: bool,
    /// The same in each attempt, so that CSSM knows a request it has answered before.
    nonce: String,
    /// Where it may go: where the switch reported to when it was typed.
    to: Option<(Peer, String)>,
}

impl TrustWanted {
    pub(crate) fn new(
        id_token: String,
        all: bool,
        force: bool,
        environment: &mut Environment<'_>,
    ) -> Self {
        Self { id_token, all, force, nonce: random_hex(environment.random, 8), to: None }
    }
}

/// How far reporting is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Push {
    /// Nothing to do before the next one is due.
    #[default]
    Idle,
    /// Somebody asked for one.
    Wanted,
    /// Under way, in one message or several.
    Running {
        /// Reports from this id on are still to be sent.
        from: u64,
        /// Whether those that were sent and not acknowledged go again.
        resend: bool,
        /// Whether another push follows.
        again: bool,
    },
    /// The peer did not take it.
    Held {
        /// Reports from this id on were not taken.
        from: u64,
    },
}

/// What is to be sent as soon as it can be. In memory only: a token is not written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub trust: Option<TrustWanted>,
    pub push: Push,
    pub sync: bool,
    /// CSSM did not take the last push: the next one shows the trust codes, in case it has lost this product instance.
    pub show_trust: bool,
    /// A person waits: do not hold it back until the next retry.
    pub manual: bool,
}

impl Wanted {
    pub(crate) fn any(&self) -> bool {
        let push = matches!(self.push, Push::Wanted | Push::Running { .. });
        self.trust.is_some() || push || self.sync
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
            match &mut self.wanted.push {
                Push::Running { again, .. } if pushing => *again = true,
                push => *push = Push::Wanted,
            }
            self.wanted.sync = true;
            self.wanted.manual = true;
        }
    }

    /// `license smart trust idtoken` (PI-CLI-019). Whoever sees a token can register devices with it: it goes to the CSSM
    /// that made it, over TLS, or not at all.
    pub(crate) fn request_trust(
        &mut self,
        now: Timestamp,
        mut wanted: TrustWanted,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let detail = format!("all=\"{}\" force=\"{}\"", wanted.all, wanted.force);
        self.log(now, environment, "SAEVT_TRUST_REQUESTED", &detail);
        wanted.to = self.config.destination();
        let refusal = match &wanted.to {
            Some((Peer::Cssm, url)) if is_https(url) => {
                let cssm = cssm_id(&self.profile.root_certificate);
                if cssm.is_empty() {
                    Some("the root certificate of CSSM is not known here")
                } else if is_id_token_of(&wanted.id_token, &cssm) {
                    None
                } else {
                    Some("the token is not valid")
                }
            }
            Some((Peer::Cssm, _)) => Some("a token is sent by https only"),
            Some((Peer::Cslu, _)) | None => {
                Some("a token is for transport smart or callhome; a CSLU needs none")
            }
        };
        match refusal {
            Some(reason) => self.trust_failed(now, reason, environment, effects),
            None => {
                self.wanted.trust = Some(wanted);
                self.wanted.manual = true;
            }
        }
    }

    /// A token that was not sent yet is not sent anywhere else.
    pub(crate) fn drop_token_for_other_peer(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let destination = self.config.destination();
        if self.wanted.trust.take_if(|trust| trust.to != destination).is_some() {
            let reason = "the transport was changed before the token was used: type it again";
            self.trust_failed(now, reason, environment, effects);
        }
    }

    fn trust_failed(
        &mut self,
        now: Timestamp,
        reason: &str,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let reason = printable(reason);
        self.log(now, environment, "SAEVT_TRUST_FAILED", &format!("reason=\"{reason}\""));
        let udi = self.profile.udi().clone();
        effects.push(Effect::Syslog(SyslogMessage::TrustCodeInstallFailed { udi, reason }));
    }

    /// Sends the next message of a push; false when there is nothing (more) to send.
    pub(crate) fn send_batch(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Push::Running { from, resend, again } = self.wanted.push else { return false };
        // Reports whose result is still to be asked for are not sent again.
        let late = self.ledger.last_push_at.is_none_or(|at| now.since(at) >= Timestamp::DAY);
        let resend = resend || late || self.ledger.polls.is_empty();
        let mut candidates: Vec<u64> = self.ledger.closed.iter_from(from).take(BATCH_MAX).collect();
        if resend {
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
        self.wanted.push = Push::Running { from: passed, resend, again };
        // Trust may ride on the report where no idtoken is needed (PI-TRUST-011, C-17).
        let trust_requests = if self.config.transport == Transport::Cslu && !self.has_trust() {
            let requests = self.carried_trust_requests(now, environment);
            requests.into_iter().map(signed_text).collect()
        } else {
            Vec::new()
        };
        // A peer that has lost this product instance knows it again by what CSSM signed for it.
        let smart_license = (self.wanted.show_trust && self.has_trust()).then(|| {
            let mut writer = DocumentWriter::new();
            self.add_trust_codes(&mut writer);
            writer.finish()
        });
        let body = RequestBody::UsageReport {
            usage,
            trust_requests,
            smart_license,
            sync: self.wanted.sync,
        };
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
                let asked = Asked {
                    nonce: trust.nonce.clone(),
                    token: Some(&trust.id_token),
                    force: trust.force,
                    valid_until: now + TrustRequest::BY_WIRE_SECONDS,
                };
                let requests = self.signed_trust_requests(now, trust.all, &asked);
                self.ledger.asked_for_trust(&trust.nonce);
                self.unsaved = true;
                RequestBody::TrustRequest {
                    force: trust.force,
                    trust_requests: requests.into_iter().map(signed_text).collect(),
                    id_token: trust.id_token,
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
        let syncs =
            matches!(body, RequestBody::TrustSync {} | RequestBody::UsageReport { sync: true, .. });
        let out_of_turn = std::mem::take(&mut self.wanted.manual);
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
        if request.body.is_proven() {
            let cssm = cssm_id(&self.profile.root_certificate);
            let receiver = if peer == Peer::Cslu { Request::COLLECTOR } else { &cssm };
            let signature = self.signer.sign(request.proof_text(receiver).as_bytes());
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
            out_of_turn,
            syncs,
        });
        let request_id = request.request_id;
        effects.push(Effect::Send { request_id, peer, url, body: bytes });
    }

    /// Trust requests without a token, which lie at a collector or in a file until somebody vouches for them. They are the
    /// same until they are answered: asking again asks for nothing new.
    pub(crate) fn carried_trust_requests(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
    ) -> Vec<Signed<TrustRequest>> {
        let nonce = self.carried_trust_nonce(environment);
        let valid_until = now.plus_days(TrustRequest::CARRIED_DAYS);
        let asked = Asked { nonce, token: None, force: false, valid_until };
        self.signed_trust_requests(now, true, &asked)
    }

    /// The nonce of requests without a token.
    pub(crate) fn carried_trust_nonce(&mut self, environment: &mut Environment<'_>) -> String {
        let known = self.ledger.carried_trust_nonce.clone();
        let nonce = known.unwrap_or_else(|| random_hex(environment.random, 8));
        self.ledger.asked_for_trust(&nonce);
        self.ledger.carried_trust_nonce = Some(nonce.clone());
        self.unsaved = true;
        nonce
    }

    /// One signed request for each supervisor; only the active one unless `all`.
    fn signed_trust_requests(
        &self,
        now: Timestamp,
        all: bool,
        asked: &Asked<'_>,
    ) -> Vec<Signed<TrustRequest>> {
        let members = self.profile.members.iter().filter(|m| all || m.role == Role::Active);
        // Who has a trust code asks within its account, unless told to go where the token leads.
        let own = self.trust_codes().first().filter(|_| !asked.force).map(|(code, _)| code);
        members
            .map(|member| {
                let request = TrustRequest {
                    sudi: member.sudi.clone(),
                    role: member.role,
                    product_instance_identifier: self.ledger.product_instance_identifier.clone(),
                    public_key: self.signer.public_key().clone(),
                    timestamp: now,
                    nonce: asked.nonce.clone(),
                    purpose: Purpose::TrustRequest,
                    audience: cssm_id(&self.profile.root_certificate),
                    token_sha256: asked.token.map(TrustRequest::token_digest),
                    force: asked.force,
                    smart_account: own.map(|code| code.smart_account.clone()),
                    virtual_account: own.map(|code| code.virtual_account.clone()),
                    valid_until: asked.valid_until,
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
        } else {
            self.ledger.outage = None;
            if self.ledger.comm_failed.take() == Some(flight.peer) {
                effects.push(Effect::Syslog(SyslogMessage::CommRestored { peer: flight.peer }));
                self.log(now, environment, "SAEVT_COMM_RESTORED", "");
            }
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
                self.wanted.sync &= !(flight.syncs && succeeded);
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
        self.trust_failed(now, &response.status_message, environment, effects);
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
                self.wanted.show_trust = false;
                self.mark_sent(ids);
                self.ledger.last_push_at = Some(sent_at);
                self.add_poll(now, response);
                self.ledger.push_held_until = None;
                self.take_document(now, response, environment, effects);
                if !self.has_more_to_send() {
                    self.push_done(now);
                }
            }
            ResponseStatus::OkTryAgain => {
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
            self.ledger.changed_at = self.untold_change_at();
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
        if self.ledger.polls.len() >= POLLS_KEPT_MAX {
            return;
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
        reason: &str,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(flight) = self.failed(now, request_id, reason, environment, effects) {
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
        let reason = "429 too many requests";
        if self.failed(now, request_id, reason, environment, effects).is_some() {
            self.note_busy(now, retry_after_seconds);
        }
    }

    fn failed(
        &mut self,
        now: Timestamp,
        request_id: &str,
        reason: &str,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) -> Option<InFlight> {
        let flight = self.in_flight.take_if(|f| f.request_id == request_id)?;
        let reason = printable(reason);
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
        self.ledger.add_history(flight.class, flight.sent_at, &text);
        self.unsaved = true;
    }
}

/// What a trust request asks with.
struct Asked<'a> {
    nonce: String,
    token: Option<&'a str>,
    force: bool,
    valid_until: Timestamp,
}

fn signed_text(signed: Signed<TrustRequest>) -> SignedText {
    SignedText { data: signed.text, signature: base64(&signed.signature) }
}

fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("https://"))
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
