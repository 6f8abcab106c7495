//! Requests to the peer: what is asked, and in which words.

use rumline_protocol::{
    DocumentWriter, HaMember, MESSAGE_VERSION, Purpose, Request, RequestBody, Role, Signed,
    SignedText, Timestamp, TrustRequest, Udi, UsageItem, base64, cssm_id, is_id_token_of,
    random_hex,
};

use crate::config::{Peer, Transport};
use crate::syslog::SyslogMessage;
use crate::troubles::Trouble;
use crate::{Agent, Effect, Environment};

/// The most reports in one message: what a receiver takes at a time. A peer allows few requests an hour.
const BATCH_MAX: usize = Request::REPORTS_MAX;
/// The most payload bytes in one message, so that it stays well below what a receiver takes.
const BATCH_BYTES_MAX: usize = 2 << 20;
/// What a message holds beside its reports and trust codes, at most, in bytes.
const BESIDE_BYTES_MAX: usize = 4 << 10;

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
    pub request_id: String,
    pub nonce: String,
    pub kind: Kind,
    /// The supervisor in whose name it speaks.
    pub sudi: Udi,
    pub class: &'static str,
    pub peer: Peer,
    pub sent_at: Timestamp,
    /// A person made it, before its time.
    pub out_of_turn: bool,
    /// It asks for what CSSM says besides.
    pub syncs: bool,
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

    pub(crate) fn trust_failed(
        &mut self,
        now: Timestamp,
        reason: &str,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let reason = printable(reason);
        self.log(now, environment, "SAEVT_TRUST_FAILED", &format!("reason=\"{reason}\""));
        let udi = self.profile.udi().clone();
        self.ledger.troubles.trust = Some(Trouble { at: now, what: reason.clone() });
        self.unsaved = true;
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
        // A peer that has lost this product instance knows it again by what CSSM signed for it.
        let smart_license = (self.wanted.show_trust && self.has_trust()).then(|| {
            let mut writer = DocumentWriter::new();
            self.add_trust_codes(&mut writer);
            writer.finish()
        });
        let mut room = self.config.message_bytes_max.map(|max| {
            let beside = smart_license.as_ref().map_or(0, json_bytes);
            max.saturating_sub(BESIDE_BYTES_MAX + beside)
        });
        let (mut ids, mut usage, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut sudi = None;
        let mut passed = from;
        for id in candidates {
            if bytes > BATCH_BYTES_MAX {
                break;
            }
            if let Some(report) = self.report_to_send(now, id, environment) {
                // Each supervisor's reports go in its own name.
                if sudi.get_or_insert_with(|| report.report.udi.clone()) != &report.report.udi {
                    break;
                }
                let payload_bytes = report.payload.len();
                let item = UsageItem { payload: report.payload, signature: report.signature };
                if let Some(room) = &mut room {
                    let left = room.checked_sub(json_bytes(&item) + 1);
                    // One that has no room even by itself is for the transport to refuse.
                    if left.is_none() && !ids.is_empty() {
                        break;
                    }
                    *room = left.unwrap_or(0);
                }
                bytes += payload_bytes;
                ids.push(id);
                usage.push(item);
            }
            passed = id + 1;
        }
        if ids.is_empty() {
            return false;
        }
        self.wanted.push = Push::Running { from: passed, resend, again };
        // Trust may ride on the report where no idtoken is needed (PI-TRUST-011, C-17).
        let trust_requests = if self.config.transport == Transport::Cslu && self.carries_requests()
        {
            let requests = self.carried_trust_requests(now, environment);
            requests.into_iter().map(signed_text).collect()
        } else {
            Vec::new()
        };
        let body = RequestBody::UsageReport {
            usage,
            trust_requests,
            smart_license,
            sync: self.wanted.sync,
        };
        let sudi = sudi.unwrap_or_else(|| self.speaker().clone());
        self.send_body(now, (Kind::Push { ids }, sudi), body, environment, effects);
        true
    }

    pub(crate) fn send(
        &mut self,
        now: Timestamp,
        kind: Kind,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let mut sudi = self.speaker().clone();
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
                let all = |member: &HaMember| trust.all || member.role == Role::Active;
                let requests = self.signed_trust_requests(now, all, &asked);
                self.ledger.asked_for_trust(&trust.nonce);
                self.unsaved = true;
                RequestBody::TrustRequest {
                    force: trust.force,
                    trust_requests: requests.into_iter().map(signed_text).collect(),
                    id_token: trust.id_token,
                }
            }
            Kind::Poll { poll_id } => {
                let mut polls = self.ledger.polls.iter();
                let of = polls.find(|poll| poll.poll_id == *poll_id);
                sudi = of.and_then(|poll| poll.sudi.clone()).unwrap_or(sudi);
                RequestBody::ResultPoll { poll_id: poll_id.clone() }
            }
            Kind::Sync => {
                sudi = self.trusted_speaker().clone();
                let requests = self.missing_trust_requests(now, environment);
                RequestBody::TrustSync {
                    trust_requests: requests.into_iter().map(signed_text).collect(),
                }
            }
            Kind::Push { .. } => unreachable!("pushes go through send_batch"),
        };
        self.send_body(now, (kind, sudi), body, environment, effects);
    }

    fn send_body(
        &mut self,
        now: Timestamp,
        (kind, sudi): (Kind, Udi),
        body: RequestBody,
        environment: &mut Environment<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let Some((peer, url)) = self.config.destination() else {
            return;
        };
        let class = body.class();
        let syncs = matches!(
            body,
            RequestBody::TrustSync { .. } | RequestBody::UsageReport { sync: true, .. }
        );
        let out_of_turn = std::mem::take(&mut self.wanted.manual);
        let show_version = !self.config.hide_version;
        let show_hostname = !self.config.hide_hostname && !self.hostname.is_empty();
        let mut request = Request {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: random_hex(environment.random, 16),
            timestamp: now.millis(),
            nonce: random_hex(environment.random, 8),
            sudi: sudi.clone(),
            hostname: show_hostname.then(|| self.hostname.clone()),
            software_version: show_version.then(|| self.profile.software_version.clone()),
            customer_tags: self.config.customer_tags.clone(),
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
            sudi,
            class,
            peer,
            sent_at: now,
            out_of_turn,
            syncs,
        });
        let request_id = request.request_id;
        effects.push(Effect::Send { request_id, peer, url, class, body: bytes });
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
        let all = !self.has_trust() || self.ledger.asks_trust_anew;
        let wanted = |member: &HaMember| all || self.trust_code_of(&member.sudi).is_none();
        self.signed_trust_requests(now, wanted, &asked)
    }

    /// For the supervisors that have no trust code, where another one has (PI-HA-002, PI-HA-009).
    fn missing_trust_requests(
        &mut self,
        now: Timestamp,
        environment: &mut Environment<'_>,
    ) -> Vec<Signed<TrustRequest>> {
        let is_known = !self.installed.trust_codes.is_empty() || self.registration_stands();
        if is_known && (self.lacks_trust_codes() || !self.conversion.is_empty()) {
            self.carried_trust_requests(now, environment)
        } else {
            Vec::new()
        }
    }

    /// Whether reports and files ask for trust beside all else.
    pub(crate) fn carries_requests(&self) -> bool {
        !self.has_trust() || self.ledger.asks_trust_anew || self.lacks_trust_codes()
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

    /// One signed request for each supervisor that one is wanted for.
    pub(crate) fn signed_trust_requests(
        &self,
        now: Timestamp,
        is_wanted: impl Fn(&HaMember) -> bool,
        asked: &Asked<'_>,
    ) -> Vec<Signed<TrustRequest>> {
        let members = self.speakers().into_iter().filter(|member| is_wanted(member));
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
                    conversion: if member.role == Role::Active {
                        self.conversion.clone()
                    } else {
                        Vec::new()
                    },
                    valid_until: asked.valid_until,
                };
                Signed::json(request, self.signer.as_ref())
            })
            .collect()
    }
}

/// What a trust request asks with.
pub(crate) struct Asked<'a> {
    pub nonce: String,
    pub token: Option<&'a str>,
    pub force: bool,
    pub valid_until: Timestamp,
}

pub(crate) fn signed_text(signed: Signed<TrustRequest>) -> SignedText {
    SignedText { data: signed.text, signature: base64(&signed.signature) }
}

/// How many bytes a value has in a message.
fn json_bytes<T: serde::Serialize>(value: &T) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len())
}

pub(crate) fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("https://"))
}

/// Text from a peer, cut and cleaned for a log line.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).take(200).collect()
}
