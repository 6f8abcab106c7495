//! What product instances push, and what they are told (guide p. 18-30; CSLU-002, 003, 005, ONPREM-001, G-06).

use std::collections::BTreeSet;
use std::sync::Arc;

use rumline_catalogue::Catalogue;
use rumline_protocol::{
    PublicKey, Request, RequestBody, Response, ResponseStatus, Signed, SignedReport, SignedText,
    Speaker, Timestamp, TrustRequest, Udi, from_base64, is_of_now,
};
use rumline_store::Tx;

use crate::answers::{self, Handed};
use crate::ids::{InstanceId, TenantId};
use crate::instances::{self, About, Known, NewInstance};
use crate::reports::{self, Checked};
use crate::{Actor, Collector, Error, Kind, Tenant, claims, journal, older, tenants};

/// A device asks again no sooner than this, and no later, in seconds.
const POLL_SECONDS_MIN: i64 = 60;
const POLL_SECONDS_MAX: i64 = 900;
/// One whose reports CSSM refused waits for people.
const POLL_REFUSED_SECONDS: i64 = Timestamp::HOUR;
/// The most trust requests in a message: those of all supervisors, and some.
const TRUST_REQUESTS_MAX: usize = 16;
/// The version of messages from before policies.
const OLD_MESSAGE_VERSION: &str = "1.2";

/// What the receiver answers.
#[derive(Debug)]
pub enum Answer {
    /// A message.
    Message {
        /// The message.
        response: Box<Response>,
        /// What to look again with, where CSSM is being asked right now for what the device waits for.
        soon: Option<Ticket>,
    },
    /// The body was no message.
    NotAMessage(String),
    /// The URL names a tenant that does not exist.
    NoTenant,
    /// The store failed; nothing was taken.
    Unavailable(String),
}

/// A device that is kept waiting.
#[derive(Clone, Debug)]
pub struct Ticket(Arc<Held>);

#[derive(Debug)]
struct Held {
    tenant_id: TenantId,
    /// Its message, without what was taken from it.
    request: Request,
    key: PublicKey,
    about: About,
    /// Where it came from.
    from: String,
}

/// What there is for a device that is kept waiting.
#[derive(Debug)]
pub enum Look {
    /// Nothing yet.
    NotYet,
    /// Nothing that could be waited for.
    Over,
    /// Its answer.
    Here(Answer),
}

/// What was written, for the answer.
enum Outcome {
    Refused(String),
    Handed {
        handed: Handed,
        instance_id: InstanceId,
        /// When to ask again; none where nothing is to come.
        poll_seconds: Option<i64>,
        soon: bool,
    },
}

/// What a device waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Nothing,
    Cssm,
    /// CSSM refused: somebody has to do something first.
    People,
}

impl Collector {
    /// Takes a message and calls `done` once what it brought is durable. Says who speaks, if it is a message.
    pub fn receive(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        from: &str,
        body: &[u8],
        done: impl FnOnce(Answer) + Send + 'static,
    ) -> Option<Speaker> {
        match Request::read(body) {
            Ok(request) => {
                let speaker = request.speaker();
                self.take_message(now, (tenant_id, from), request, done);
                Some(speaker)
            }
            Err(text) => {
                done(Answer::NotAMessage(text));
                None
            }
        }
    }

    fn take_message(
        &self,
        now: Timestamp,
        (tenant_id, from): (TenantId, &str),
        mut request: Request,
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        if self.settings.is_down_rev() {
            let mut response =
                Response::new(&request, now, ResponseStatus::Failed, "not supported");
            OLD_MESSAGE_VERSION.clone_into(&mut response.message_version);
            return done(Answer::Message { response: Box::new(response), soon: None });
        }
        // A device says its key; whether it is the one it is known by shows when it is written down.
        if let Some(key) = request.public_key.take() {
            return self.take(now, (tenant_id, from), request, key, done);
        }
        let udi = request.sudi.clone();
        let known = self.db.read("receiver.key", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            Ok(instances::find(tx, tenant_id, &udi, None)?.and_then(|known| known.public_key))
        });
        let key = match known {
            Ok(Some(key)) => key,
            Err(Error::NotFound(_)) => return done(Answer::NoTenant),
            Err(error) => return done(refuse(now, &request, &error)),
            Ok(None) => {
                let error = Error::invalid("the message does not hold the device's key");
                return done(refuse(now, &request, &error));
            }
        };
        self.take(now, (tenant_id, from), request, key, done);
    }

    /// Looks whether there is something by now for a device that is kept waiting.
    pub fn look_again(
        &self,
        now: Timestamp,
        ticket: &Ticket,
        done: impl FnOnce(Look) + Send + 'static,
    ) {
        let held = Arc::clone(&ticket.0);
        let seen = self.db.read("receiver.look", move |tx| {
            let tenant = tenants::by_id(tx, held.tenant_id)?;
            let known = instances::find(tx, held.tenant_id, &held.request.sudi, Some(&held.key))?;
            let undelivered = known.is_some_and(|known| known.undelivered);
            Ok::<_, Error>((undelivered, tenant.is_reached()))
        });
        match seen {
            Ok((true, _)) => {}
            Ok((false, true)) => return done(Look::NotYet),
            Ok((false, false)) | Err(_) => return done(Look::Over),
        }
        let held = Arc::clone(&ticket.0);
        let work = move |tx: &mut Tx<'_>| {
            let contact = Contact::of(&held, ContactKind::Poll);
            take_contact(tx, now, held.tenant_id, &contact, &[])
        };
        let held = Arc::clone(&ticket.0);
        self.db.submit("receiver.again", work, move |outcome| {
            done(Look::Here(answer(now, &held, outcome)));
        });
    }

    fn take(
        &self,
        now: Timestamp,
        (tenant_id, from): (TenantId, &str),
        mut request: Request,
        key: PublicKey,
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        let (mut reports, mut trust_requests, mut syncs) = (Vec::new(), None, false);
        let kind = match std::mem::replace(&mut request.body, RequestBody::SYNC) {
            RequestBody::UsageReport { usage, trust_requests: requests, sync, .. } => {
                if sync {
                    request.body = RequestBody::UsageReport {
                        usage: Vec::new(),
                        trust_requests: Vec::new(),
                        smart_license: None,
                        sync,
                    };
                    // What asks for more than an ACK shows who it is from, as a sync does.
                    syncs = self.check_proof(now, &request, &key).is_ok();
                }
                let checked = self.check(&request.sudi, &key, usage).and_then(|checked| {
                    let requests =
                        self.check_trust_requests(now, &request.sudi, &key, &requests)?;
                    Ok((checked, requests))
                });
                match checked {
                    Ok(checked) => (reports, trust_requests) = checked,
                    Err(error) => return done(refuse(now, &request, &error)),
                }
                ContactKind::Report
            }
            body @ (RequestBody::ResultPoll { .. } | RequestBody::TrustSync { .. }) => {
                let polls = matches!(body, RequestBody::ResultPoll { .. });
                request.body = body;
                if let Err(error) = self.check_proof(now, &request, &key) {
                    return done(refuse(now, &request, &error));
                }
                syncs = !polls;
                if polls { ContactKind::Poll } else { ContactKind::Sync }
            }
            RequestBody::SmartLicensing { .. } => {
                let text = "a release before Smart Licensing Using Policy registers with CSSM, or by Call Home \
                            with an SSM On-Prem";
                return done(refuse(now, &request, &Error::invalid(text)));
            }
            RequestBody::TrustRequest { .. } => {
                let text = "a trust code comes through a collector without a token, with the first \
                            report";
                return done(refuse(now, &request, &Error::invalid(text)));
            }
        };
        let about = About::of(&mut request);
        let held = Arc::new(Held { tenant_id, request, key, about, from: from.to_owned() });
        let (held_by_work, logs) = (Arc::clone(&held), self.settings.kind == Kind::OnPrem);
        let work = move |tx: &mut Tx<'_>| {
            let trust_requests = trust_requests.as_deref();
            let contact =
                Contact { trust_requests, logs, syncs, ..Contact::of(&held_by_work, kind) };
            take_contact(tx, now, tenant_id, &contact, &reports)
        };
        self.db.submit("receiver.take", work, move |outcome| done(answer(now, &held, outcome)));
    }

    /// A request that carries nothing signed, or asks for more, must show that it comes from the device it names.
    fn check_proof(&self, now: Timestamp, request: &Request, key: &PublicKey) -> Result<(), Error> {
        self.check_proof_for(now, (request, Request::COLLECTOR), key)
    }

    /// The same of a request that is signed for a receiver with this name.
    pub(crate) fn check_proof_for(
        &self,
        now: Timestamp,
        (request, receiver): (&Request, &str),
        key: &PublicKey,
    ) -> Result<(), Error> {
        let proof = request.proof.as_deref().and_then(from_base64).unwrap_or_default();
        let text = request.proof_text(receiver);
        if !self.suite.verify(key, text.as_bytes(), &proof) {
            return Err(Error::invalid("the request is not signed by the device it names"));
        }
        if !is_of_now(now, Timestamp::from_millis(request.timestamp)) {
            return Err(Error::invalid("timestamp mismatch"));
        }
        Ok(())
    }

    /// Checks trust requests: they are the device's own, so that nobody else can spoil what is kept for it.
    fn check_trust_requests(
        &self,
        now: Timestamp,
        udi: &Udi,
        key: &PublicKey,
        requests: &[SignedText],
    ) -> Result<Option<String>, Error> {
        if requests.len() > TRUST_REQUESTS_MAX {
            return Err(Error::invalid("the message holds too many trust requests"));
        }
        for text in requests {
            if text.data.len() + text.signature.len() > 2 * Signed::<TrustRequest>::BYTES_MAX {
                return Err(Error::invalid("a trust request is too long"));
            }
            let signed: Signed<TrustRequest> =
                Signed::parse("trust request", text.data.clone(), &text.signature)
                    .map_err(|error| Error::invalid(error.to_string()))?;
            signed
                .check(self.suite.as_ref())
                .map_err(|error| Error::invalid(format!("trust request: {error}")))?;
            let bad = |text: &str| Err(Error::invalid(format!("trust request: {text}")));
            let request = &signed.value;
            if request.public_key != *key {
                return bad("it is of another key");
            }
            if request.token_sha256.is_some() {
                return bad("it is for a token, which goes to CSSM itself");
            }
            if !self.cssm_id().is_empty()
                && let Err(error) = signed.check_terms(now, self.cssm_id())
            {
                return bad(&error.to_string());
            }
            // A standby is of the model of its active supervisor, and models without one have none.
            if request.sudi != *udi
                && (request.sudi.pid != udi.pid || !Catalogue::nexus().may_have_standby(&udi.pid))
            {
                return bad(&format!("{} has no such standby supervisor", udi.pid));
            }
        }
        Ok((!requests.is_empty()).then(|| serde_json::to_string(requests).unwrap_or_default()))
    }

    /// Checks reports with the device's key. One that does not verify refuses the message: on its way here nobody but
    /// the device has had it.
    fn check(
        &self,
        udi: &Udi,
        key: &PublicKey,
        usage: Vec<rumline_protocol::UsageItem>,
    ) -> Result<Vec<Checked>, Error> {
        if usage.is_empty() {
            return Err(Error::invalid("the message holds no report"));
        }
        if usage.len() > Request::REPORTS_MAX {
            let text = format!("the message holds more than {} reports", Request::REPORTS_MAX);
            return Err(Error::invalid(text));
        }
        let mut reports = Vec::with_capacity(usage.len());
        for item in usage {
            let mut signed = SignedReport::from_parts(item.payload, item.signature)
                .map_err(|error| Error::invalid(error.to_string()))?;
            if signed.report.udi != *udi {
                return Err(Error::invalid("the report belongs to another UDI"));
            }
            let lineage = signed.report.lineage.as_ref();
            let audience = lineage.map_or("", |lineage| lineage.audience.as_str());
            if !audience.is_empty() && !self.cssm_id().is_empty() && audience != self.cssm_id() {
                let text = "the report is for another CSSM: the switch was given another root";
                return Err(Error::invalid(text));
            }
            let Some(sha256) = signed.verified_sha256(self.suite.as_ref(), key) else {
                return Err(Error::invalid("the signature of the report does not verify"));
            };
            reports.push(Checked::new(signed, sha256)?);
        }
        Ok(reports)
    }
}

/// Who made contact, and what for.
struct Contact<'a> {
    kind: ContactKind,
    udi: &'a Udi,
    key: &'a PublicKey,
    about: &'a About,
    from: &'a str,
    /// The time it names, by its own clock; 0 for a message that is not signed as a whole.
    millis: i64,
    /// Whether the guide's line is written for a device that is not known yet: SSM On-Prem does.
    logs: bool,
    /// Whether it asks for what CSSM says now.
    syncs: bool,
    trust_requests: Option<&'a str>,
}

impl<'a> Contact<'a> {
    fn of(held: &'a Held, kind: ContactKind) -> Self {
        let Held { request, key, about, from, .. } = held;
        let millis = if kind == ContactKind::Report { 0 } else { request.timestamp };
        let udi = &request.sudi;
        Self {
            kind,
            udi,
            key,
            about,
            from,
            millis,
            logs: false,
            syncs: false,
            trust_requests: None,
        }
    }

    /// Whether CSSM has to say something, beside what it says of reports.
    fn asks(&self) -> bool {
        self.syncs || self.trust_requests.is_some()
    }
}

/// The kinds of contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContactKind {
    Report,
    Poll,
    Sync,
}

fn take_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    contact: &Contact<'_>,
    reports: &[Checked],
) -> Result<Outcome, Error> {
    let tenant = tenants::by_id(tx, tenant_id)?;
    let Contact { kind, udi, key, .. } = *contact;
    let Some(mut known) = instances::find(tx, tenant_id, udi, Some(key))? else {
        if contact.logs {
            // What is looked for is not there yet (ONPREM-014).
            let line = format!(
                "Finding SL product by UDI {{{} {}}} failed due to the following error: record not \
                 found.",
                udi.pid, udi.serial
            );
            journal::log(tx, now, "ERROR", &line)?;
        }
        if kind == ContactKind::Poll {
            let text = "The identity for the instance is not valid. Please re-register the \
                        instance.";
            return Ok(Outcome::Refused(text.to_owned()));
        }
        return first_contact(tx, now, &tenant, contact, reports);
    };
    if known.public_key.as_ref().is_some_and(|known| known != key) {
        // Two devices with one UDI, or one that claims another's: the first keeps it, and people are told.
        claims::note(tx, now, (tenant_id, known.id), (udi, key, contact.from))?;
        let text = "the UDI is known with another key; accept the other key here if this is the right \
                    device";
        return Ok(Outcome::Refused(text.to_owned()));
    }
    let received_at = Timestamp(now.0.max(known.last_report_at.unwrap_or(now.0)));
    let stored = reports::store(tx, received_at, tenant_id, known.id, reports)?;
    known.waiting += stored.new;
    if let Some(last_end) = reports.iter().map(|checked| checked.end_at).max()
        && stored.new > 0
    {
        older::reported(tx, now, (tenant_id, known.id), (udi, key), last_end)?;
    }
    known.wants_answer |= contact.asks();
    let recently = known.delivered_at.is_some_and(|at| now.since(Timestamp(at)) < Timestamp::DAY);
    let mut handed = Handed::default();
    if known.undelivered
        || recently
        || stored.acknowledged_before
        || tenant.policy_at > known.policy_at
    {
        handed = answers::hand_over(tx, now, &tenant, known.id, known.policy_at)?;
    }
    if contact.syncs && handed.document.is_none() {
        handed.document = answers::standing(tx, tenant_id)?;
    }
    let reported_at = (!reports.is_empty()).then_some(received_at);
    // What was here before may have been sent again by anyone who saw it.
    let believed = match kind {
        ContactKind::Report => stored.new > 0,
        ContactKind::Poll | ContactKind::Sync => contact.millis > known.message_millis,
    };
    if believed && (known.elsewhere || known.removed) {
        instances::own(tx, now, tenant_id, udi, &key.to_text())?;
    }
    let waits = if known.waiting > 0 || known.wants_answer || handed.more {
        Waits::Cssm
    } else if known.refused > 0 {
        Waits::People
    } else {
        Waits::Nothing
    };
    let came = Came { known, believed, reported_at, handed };
    note_contact(tx, now, tenant_id, contact, &came)?;
    let Came { known, handed, .. } = came;
    note_conflict(tx, now, (tenant_id, known.id), udi, &stored)?;
    Ok(outcome(&tenant, contact.syncs, handed, known.id, waits))
}

/// Another report under a number that is taken is left out, and people are told; the others are taken.
fn note_conflict(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (tenant_id, instance_id): (TenantId, InstanceId),
    udi: &Udi,
    stored: &reports::Stored,
) -> Result<(), Error> {
    let Some(report_id) = stored.conflict else { return Ok(()) };
    let text = format!(
        "Another report with the number {report_id} was received before: the device was set back to \
         an older copy, or there are two of it. CSSM settles it."
    );
    let sql = "UPDATE instance SET alert = $1 WHERE tenant_id = $2 AND id = $3";
    tx.execute(sql, &[(&text).into(), tenant_id.into(), instance_id.into()])?;
    if stored.new > 0 {
        journal::add_event(tx, now, tenant_id, &Actor::device(udi), &text)?;
    }
    journal::log(tx, now, "ERROR", &format!("{udi}: {text}"))
}

fn outcome(
    tenant: &Tenant,
    syncs: bool,
    handed: Handed,
    instance_id: InstanceId,
    waits: Waits,
) -> Outcome {
    let reached = tenant.is_reached();
    let asked = tenant.sync_wanted > 0 || syncs;
    let soon = waits == Waits::Cssm && reached && (tenant.sync_minutes == 0 || asked);
    let poll_seconds = match waits {
        Waits::Nothing => None,
        Waits::People => Some(POLL_REFUSED_SECONDS),
        Waits::Cssm if reached => {
            Some((tenant.sync_minutes * 20).clamp(POLL_SECONDS_MIN, POLL_SECONDS_MAX))
        }
        // While answers come by file, or CSSM is away, nobody knows when.
        Waits::Cssm => Some(POLL_SECONDS_MAX),
    };
    Outcome::Handed { handed, instance_id, poll_seconds, soon }
}

/// A device that was not known a moment ago: its row is written once, whole.
fn first_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    contact: &Contact<'_>,
    reports: &[Checked],
) -> Result<Outcome, Error> {
    let Contact { kind, udi, key, about, trust_requests, .. } = *contact;
    // A report is one of its number: none of a device that is new can be here already.
    let numbers: BTreeSet<i64> = reports.iter().map(|checked| checked.report_id).collect();
    let new = NewInstance {
        udi,
        public_key: Some(&key.to_text()),
        hostname: about.hostname.as_deref(),
        software_version: about.software_version.as_deref(),
        software_tag: &about.software_tag,
        added_by: "first contact",
        in_contact: true,
        waiting: i64::try_from(numbers.len()).unwrap_or(0),
        trust_requests,
        wants_answer: contact.asks(),
    };
    let id = new.insert(tx, now, tenant.id)?;
    // Reports may have been seen and sent by anyone: what takes a device from another tenant is what it says next.
    if contact.logs && kind == ContactKind::Report {
        instances::wait_elsewhere(tx, now, (tenant.id, id), udi, &key.to_text())?;
    } else if contact.logs {
        instances::own(tx, now, tenant.id, udi, &key.to_text())?;
    }
    let stored = reports::store(tx, now, tenant.id, id, reports)?;
    if let Some(last_end) = reports.iter().map(|checked| checked.end_at).max() {
        older::reported(tx, now, (tenant.id, id), (udi, key), last_end)?;
    }
    note_conflict(tx, now, (tenant.id, id), udi, &stored)?;
    let mut handed = Handed::default();
    if tenant.policy_at > 0 {
        handed = answers::hand_over(tx, now, tenant, id, 0)?;
        let sql = "UPDATE instance SET policy_at = $1 WHERE tenant_id = $2 AND id = $3";
        tx.execute(sql, &[tenant.policy_at.into(), tenant.id.into(), id.into()])?;
    }
    if contact.syncs {
        if handed.document.is_none() {
            handed.document = answers::standing(tx, tenant.id)?;
        }
        ask_cssm(tx, tenant.id)?;
    }
    let asks = new.waiting > 0 || new.wants_answer;
    let waits = if asks { Waits::Cssm } else { Waits::Nothing };
    Ok(outcome(tenant, contact.syncs, handed, id, waits))
}

/// Somebody waits: what CSSM has for the device is asked for now.
fn ask_cssm(tx: &mut Tx<'_>, tenant_id: TenantId) -> Result<(), Error> {
    let sql = "UPDATE tenant SET sync_wanted = sync_wanted + 1 WHERE id = $1";
    tx.execute(sql, &[tenant_id.into()])?;
    Ok(())
}

/// What a contact with a known device came to.
struct Came {
    known: Known,
    /// Whether what the device says about itself is its own word.
    believed: bool,
    reported_at: Option<Timestamp>,
    handed: Handed,
}

fn note_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    contact: &Contact<'_>,
    came: &Came,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE instance SET public_key = $1, hostname = COALESCE($2, hostname),
        software_version = COALESCE($3, software_version),
        software_tag = COALESCE($4, software_tag), last_contact_at = $5,
        last_report_at = COALESCE($6, last_report_at), waiting = $7,
        trust_requests = COALESCE($8, trust_requests), wants_answer = $9, undelivered = $10,
        delivered_at = COALESCE($11, delivered_at), policy_at = COALESCE($12, policy_at),
        message_millis = $13,
        elsewhere_at = CASE WHEN CAST($14 AS BIGINT) = 1 THEN NULL ELSE elsewhere_at END,
        removed_at = NULL, removed_id = 0 WHERE tenant_id = $15 AND id = $16";
    let Contact { key, .. } = *contact;
    let Came { known, believed, reported_at, handed } = came;
    let (about, key) = (believed.then_some(contact.about), key.to_text());
    let undelivered = handed.more || (known.undelivered && handed.document.is_none());
    let values = [
        (&key).into(),
        about.and_then(|about| about.hostname.as_deref()).into(),
        about.and_then(|about| about.software_version.as_deref()).into(),
        about.map(|about| about.software_tag.as_str()).into(),
        now.0.into(),
        reported_at.map(|at| at.0).into(),
        known.waiting.into(),
        contact.trust_requests.into(),
        known.wants_answer.into(),
        undelivered.into(),
        handed.first_time.then_some(now.0).into(),
        handed.policy_at.into(),
        contact.millis.max(known.message_millis).into(),
        (*believed).into(),
        tenant_id.into(),
        known.id.into(),
    ];
    tx.execute(SQL, &values)?;
    if contact.syncs {
        ask_cssm(tx, tenant_id)?;
    }
    if known.removed {
        let text = format!("{}, which was removed, is back", contact.udi);
        journal::add_event(tx, now, tenant_id, &Actor::device(contact.udi), &text)?;
    }
    Ok(())
}

fn answer(now: Timestamp, held: &Arc<Held>, outcome: Result<Outcome, Error>) -> Answer {
    let request = &held.request;
    match outcome {
        Ok(Outcome::Refused(text)) => refuse(now, request, &Error::Invalid(text)),
        Ok(Outcome::Handed { handed, instance_id, poll_seconds, soon }) => {
            // What is only handed over once more may not be what the device waits for.
            let nothing_new = poll_seconds.is_some() && !handed.first_time;
            let status = if nothing_new { ResponseStatus::OkPoll } else { ResponseStatus::Ok };
            let mut response = Response::new(request, now, status, "");
            response.smart_license = handed.document;
            if let Some(seconds) = poll_seconds {
                response.poll_id = Some(format!("{:x}", instance_id.0));
                response.poll_interval_seconds = u32::try_from(seconds).ok();
            }
            let soon = (soon && nothing_new).then(|| Ticket(Arc::clone(held)));
            Answer::Message { response: Box::new(response), soon }
        }
        Err(Error::NotFound("tenant")) => Answer::NoTenant,
        Err(error) => refuse(now, request, &error),
    }
}

pub(crate) fn refuse(now: Timestamp, request: &Request, error: &Error) -> Answer {
    match error {
        Error::Store(error) => Answer::Unavailable(error.to_string()),
        refusal => {
            let text = refusal.to_string();
            let response = Response::new(request, now, ResponseStatus::Failed, &text);
            Answer::Message { response: Box::new(response), soon: None }
        }
    }
}
