//! What will be sent when, and which alarms would come: the agent itself, run on a copy over a clock that leaps from one thing that is
//! due to the next, with a peer that does what is assumed of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rumline_protocol::{
    Acknowledgement, CryptoError, DocumentWriter, Policy, PublicKey, Random, Request, RequestBody,
    Response, ResponseStatus, Signed, SignedReport, Signer, SignerCertificate, SignerIdentity,
    SigningType, StatusCode, Suite, Timestamp, acknowledgement_text, base64,
};

use crate::disk::Disk;
use crate::eventlog::EventLog;
use crate::ledger::Installed;
use crate::ledger_files::LedgerFiles;
use crate::preview::Overlay;
use crate::reports::ReportStore;
use crate::syslog::SyslogMessage;
use crate::{Agent, Effect, Environment, Input, Reason};

/// When an ACK is there, where the peer never said.
const ACK_SECONDS: u32 = 300;
/// A forecast ends after so many steps, whatever it was asked for: the switch waits for it.
const STEPS_MAX: usize = 40_000;

/// What is assumed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Assumed {
    /// Whether nobody answers; else all is answered at once, and ACKs are there at the first question, when the peer last said
    /// they would be.
    pub outage: bool,
    /// A policy that is installed now, if it is not the one in force.
    pub policy: Option<Policy>,
}

/// Something that will happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Event,
}

/// What will happen, as far as it was looked ahead.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Forecast {
    /// What, in order.
    pub events: Vec<Foreseen>,
    /// Where it ends before it was asked to: too much happens.
    pub ends_at: Option<Timestamp>,
}

/// What will happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message leaves, of a class as `show license history message` names it.
    Leaves(&'static str),
    /// A system message.
    Says(SyslogMessage),
}

/// Believes whatever the assumed peer says.
struct Believing;

impl Suite for Believing {
    fn generate_device_key(&self, _: &mut dyn Random) -> Result<Box<dyn Signer>, CryptoError> {
        Err(no_key())
    }

    fn load_device_key(&self, _: &[u8]) -> Result<Box<dyn Signer>, CryptoError> {
        Err(no_key())
    }

    fn verify_sha256(&self, _: &PublicKey, _: &[u8; 32], _: &[u8]) -> bool {
        true
    }

    fn root_key(&self, _: &[u8]) -> Option<PublicKey> {
        None
    }

    fn verify_chain(
        &self,
        _: &[u8],
        _: &SignerCertificate,
        _: Timestamp,
    ) -> Result<SignerIdentity, CryptoError> {
        Ok(SignerIdentity { name: String::new(), public_key: nobody() })
    }
}

fn no_key() -> CryptoError {
    CryptoError::Key("a forecast has none".to_owned())
}

/// The key of nobody.
fn nobody() -> PublicKey {
    PublicKey { signing_type: SigningType::Simulated, spki: Vec::new() }
}

/// Signs nothing: what it makes goes nowhere.
struct NoSigner(PublicKey);

impl Signer for NoSigner {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn private_key(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// Numbers that are the same each time.
struct Counted(u8);

impl Random for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

impl Agent {
    /// What will happen until then, in order.
    #[must_use]
    pub fn forecast(
        &self,
        now: Timestamp,
        until: Timestamp,
        assumed: &Assumed,
        disk: &mut dyn Disk,
    ) -> Forecast {
        let mut disk = Overlay { under: disk, files: BTreeMap::new() };
        let mut world = World {
            agent: self.copy(),
            peer: Peer { seen: Vec::new(), lifetime_seconds: None },
            assumed,
            forecast: Forecast::default(),
        };
        world.begin(now, &mut disk);
        world.run(now, until, &mut disk);
        world.forecast
    }

    /// The same agent, which signs nothing and believes what it hears.
    fn copy(&self) -> Self {
        let mut copy = Self {
            profile: self.profile.clone(),
            config: self.config.clone(),
            hostname: self.hostname.clone(),
            suite: Arc::new(Believing),
            signer: Box::new(NoSigner(self.signer.public_key().clone())),
            ledger: self.ledger.clone(),
            ledger_files: LedgerFiles::of_nothing(),
            installed: self.installed.clone(),
            reports: self.reports.clone(),
            eventlog: EventLog::of_nothing(),
            in_flight: None,
            kept: None,
            wanted: self.wanted.clone(),
            conversion: self.conversion.clone(),
            is_registered_before: self.is_registered_before,
            last_now: self.last_now,
            continuous_since: self.continuous_since,
            superseded: Vec::new(),
            unreadable_untold: 0,
            unsaved: false,
            storage_failure: None,
        };
        // What is on its way goes again.
        if let Some(flight) = &self.in_flight {
            copy.make_again(flight);
        }
        copy
    }
}

/// The copy, and who it speaks with.
struct World<'a> {
    agent: Agent,
    peer: Peer,
    assumed: &'a Assumed,
    forecast: Forecast,
}

/// Takes all, acknowledges all, and renews the policy with each ACK.
struct Peer {
    /// Reports that wait for their ACK: number and digest.
    seen: Vec<(u64, [u8; 32])>,
    /// How long a copy of the policy lasts, if it ends.
    lifetime_seconds: Option<i64>,
}

impl World<'_> {
    fn begin(&mut self, now: Timestamp, disk: &mut dyn Disk) {
        if let Some(policy) = &self.assumed.policy {
            let interval = self.agent.push_interval_days();
            let text = serde_json::to_string(policy).unwrap_or_default();
            let (signature, certificate) = (String::new(), String::new());
            self.agent.ledger.policy =
                Some(Installed { text, signature, certificate, installed_at: now });
            self.agent.read_installed();
            if self.agent.push_interval_days() != interval {
                self.agent.reschedule(now);
            }
        }
        let policy = self.agent.installed.policy.as_ref();
        self.peer.lifetime_seconds = policy
            .and_then(|policy| Some(policy.expires_at?.since(policy.issued_at)))
            .filter(|seconds| *seconds > 0);
        // What it has taken before, it acknowledges too.
        let waiting: Vec<u64> = self.agent.ledger.unacknowledged.iter().collect();
        for id in waiting {
            if let Ok(Some((_, signed))) = ReportStore::read(id, disk) {
                self.peer.seen.push((id, signed.sha256()));
            }
        }
        let effects = self.handle(now, Input::Tick, disk);
        self.take(now, effects, disk);
    }

    fn handle(&mut self, now: Timestamp, input: Input, disk: &mut dyn Disk) -> Vec<Effect> {
        let mut random = Counted(0);
        self.agent.handle(now, input, &mut Environment { disk, random: &mut random })
    }

    fn run(&mut self, from: Timestamp, until: Timestamp, disk: &mut dyn Disk) {
        let mut now = from;
        for _ in 0..STEPS_MAX {
            let Some((at, _)) = self.agent.next_wake().filter(|(at, _)| *at <= until) else {
                return;
            };
            now = now.max(at);
            let effects = self.handle(now, Input::Tick, disk);
            self.take(now, effects, disk);
        }
        self.forecast.ends_at = Some(now);
    }

    fn take(&mut self, now: Timestamp, mut effects: Vec<Effect>, disk: &mut dyn Disk) {
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Syslog(message) => {
                        let what = Event::Says(message);
                        self.forecast.events.push(Foreseen { at: now, what });
                    }
                    Effect::Send { request_id, class, body, .. } => {
                        let what = Event::Leaves(class);
                        self.forecast.events.push(Foreseen { at: now, what });
                        let input = self.answer(now, request_id, &body);
                        next.extend(self.handle(now, input, disk));
                    }
                }
            }
            effects = next;
        }
    }

    fn answer(&mut self, now: Timestamp, request_id: String, body: &[u8]) -> Input {
        if self.assumed.outage {
            return Input::Unreachable { request_id, reason: Reason::Timeout };
        }
        let Ok(request) = Request::read(body) else {
            return Input::Unreachable { request_id, reason: Reason::Empty };
        };
        let mut response = Response::new(&request, now, ResponseStatus::Ok, "");
        match &request.body {
            RequestBody::UsageReport { usage, .. } => {
                for item in usage {
                    let (payload, signature) = (item.payload.clone(), item.signature.clone());
                    if let Ok(signed) = SignedReport::from_parts(payload, signature) {
                        self.peer.seen.push((signed.report.report_id, signed.sha256()));
                    }
                }
                response.status = ResponseStatus::OkPoll;
                response.poll_id = Some("forecast".to_owned());
                let seconds = self.agent.ledger.poll_seconds.unwrap_or(ACK_SECONDS);
                response.poll_interval_seconds = Some(seconds);
            }
            RequestBody::ResultPoll { .. } => {
                response.smart_license = Some(self.acknowledgement(now));
            }
            RequestBody::TrustRequest { .. }
            | RequestBody::TrustSync { .. }
            | RequestBody::SmartLicensing { .. } => {}
        }
        let body = serde_json::to_vec(&response).unwrap_or_default();
        Input::Answer { request_id, body }
    }

    /// An ACK for all that came, with the policy renewed.
    fn acknowledgement(&mut self, now: Timestamp) -> String {
        let sudi = self.agent.speaker().clone();
        let entry = |(report_id, sha256): (u64, [u8; 32])| Acknowledgement {
            status_code: StatusCode::Ok,
            status_message: Acknowledgement::ACCEPTED.to_owned(),
            localized_message: Acknowledgement::ACCEPTED.to_owned(),
            product_instance_identifier: String::new(),
            sudi: sudi.clone(),
            report_id,
            correlation_id: String::new(),
            subscription_id: None,
            report_sha256: Some(base64(&sha256)),
            reason: None,
            last_report_id: None,
        };
        let entries: Vec<Acknowledgement> = self.peer.seen.drain(..).map(entry).collect();
        let nobody = NoSigner(nobody());
        let mut writer = DocumentWriter::new();
        let text = acknowledgement_text(&entries);
        writer.acknowledgement(&Signed::new(text, entries, &nobody));
        let policy = self.agent.installed.policy.clone();
        if let (Some(policy), Some(seconds)) = (policy, self.peer.lifetime_seconds) {
            let expires_at = Some(now + seconds);
            writer.policy(&Signed::json(Policy { issued_at: now, expires_at, ..policy }, &nobody));
        }
        writer.certificate(&SignerCertificate(Vec::new())).finish()
    }
}
