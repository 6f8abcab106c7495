//! What product instances push, and what they are told (guide p. 18-30; CSLU-002, 003, 005, ONPREM-001, G-06).

use std::collections::BTreeSet;

use rumline_protocol::{
    PublicKey, Request, RequestBody, Response, ResponseStatus, SignedReport, Timestamp, Udi,
    from_base64,
};
use rumline_store::Tx;

use crate::answers::{self, Handed};
use crate::reports::{self, Checked, signature_text};
use crate::{Collector, Error, Kind, Tenant, journal, tenants};

/// A device asks again no sooner than this, and no later, in seconds.
const POLL_SECONDS_MIN: i64 = 60;
const POLL_SECONDS_MAX: i64 = 900;
/// The version of messages from before policies.
const OLD_MESSAGE_VERSION: &str = "1.2";

/// What the receiver answers.
#[derive(Debug)]
pub enum Answer {
    /// A message.
    Message {
        /// The message.
        response: Box<Response>,
        /// Whether the device waits for something that CSSM is being asked for right now.
        soon: bool,
    },
    /// The body was no message.
    NotAMessage(String),
    /// The URL names a tenant that does not exist.
    NoTenant,
    /// The store failed; nothing was taken.
    Unavailable(String),
}

/// What a device says about itself.
struct About {
    hostname: Option<String>,
    software_version: Option<String>,
    software_tag: String,
    trust_requests: Option<String>,
}

/// A product instance as the receiver needs it.
struct Known {
    id: i64,
    public_key: Option<PublicKey>,
    undelivered: bool,
    delivered_at: Option<i64>,
    waiting: i64,
    policy_at: i64,
    removed: bool,
}

/// What was written, for the answer.
enum Outcome {
    Refused(String),
    Handed { handed: Handed, instance_id: i64, waiting: bool, poll_seconds: i64, soon: bool },
}

impl Collector {
    /// Takes a message and calls `done` once what it brought is durable.
    pub fn receive(
        &self,
        now: Timestamp,
        tenant_id: i64,
        body: &[u8],
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        let request: Request = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => {
                let text = format!("not a message: {error}").chars().take(200).collect();
                return done(Answer::NotAMessage(text));
            }
        };
        if let Err(error) = request.sudi.check() {
            return done(Answer::NotAMessage(error.to_string()));
        }
        if request.request_id.len() > 64 || request.nonce.len() > 64 {
            let text = "request_id or nonce is too long".to_owned();
            return done(Answer::NotAMessage(text));
        }
        if self.settings.is_down_rev() {
            let mut response =
                Response::new(&request, now, ResponseStatus::Failed, "not supported");
            OLD_MESSAGE_VERSION.clone_into(&mut response.message_version);
            return done(Answer::Message { response: Box::new(response), soon: false });
        }
        // A device says its key; whether it is the one it is known by shows when it is written down.
        if let Some(key) = request.public_key.clone() {
            return self.take(now, tenant_id, request, key, done);
        }
        let udi = request.sudi.clone();
        let known = self.db.read("receiver.key", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            Ok(find(tx, tenant_id, &udi)?.and_then(|known| known.public_key))
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
        self.take(now, tenant_id, request, key, done);
    }

    /// Answers a device once more that has been kept waiting; its message has been taken already.
    pub fn receive_again(
        &self,
        now: Timestamp,
        tenant_id: i64,
        body: &[u8],
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        let request: Request = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => return done(Answer::NotAMessage(error.to_string())),
        };
        let (udi, about) = (request.sudi.clone(), about(&request));
        let work = move |tx: &mut Tx<'_>| {
            let known = find(tx, tenant_id, &udi)?.and_then(|known| known.public_key);
            let key = known.ok_or(Error::NotFound("product instance"))?;
            let kind = ContactKind::Poll;
            let contact = Contact { kind, udi: &udi, key: &key, about: &about, logs: false };
            take_contact(tx, now, tenant_id, &contact, &[])
        };
        self.db.submit("receiver.again", work, move |outcome| done(answer(now, &request, outcome)));
    }

    fn take(
        &self,
        now: Timestamp,
        tenant_id: i64,
        mut request: Request,
        key: PublicKey,
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        let (mut reports, mut about) = (Vec::new(), about(&request));
        let contact = match std::mem::replace(&mut request.body, RequestBody::TrustSync {}) {
            RequestBody::UsageReport { usage, trust_requests } => {
                match self.check(&request.sudi, &key, usage) {
                    Ok(checked) => reports = checked,
                    Err(error) => return done(refuse(now, &request, &error)),
                }
                let wanted = !trust_requests.is_empty() && trust_requests.len() <= 16;
                about.trust_requests =
                    wanted.then(|| serde_json::to_string(&trust_requests).unwrap_or_default());
                ContactKind::Report
            }
            body @ (RequestBody::ResultPoll { .. } | RequestBody::TrustSync {}) => {
                let polls = matches!(body, RequestBody::ResultPoll { .. });
                request.body = body;
                let proof = request.proof.as_deref().and_then(from_base64).unwrap_or_default();
                if !self.suite.verify(&key, request.proof_text().as_bytes(), &proof) {
                    let text = "the request is not signed by the device it names";
                    return done(refuse(now, &request, &Error::invalid(text)));
                }
                if polls { ContactKind::Poll } else { ContactKind::Sync }
            }
            RequestBody::TrustRequest { .. } => {
                let text = "a trust code comes through a collector without a token, with the first \
                            report";
                return done(refuse(now, &request, &Error::invalid(text)));
            }
        };
        let udi = request.sudi.clone();
        let logs = self.settings.kind == Kind::OnPrem;
        let work = move |tx: &mut Tx<'_>| {
            let contact = Contact { kind: contact, udi: &udi, key: &key, about: &about, logs };
            take_contact(tx, now, tenant_id, &contact, &reports)
        };
        self.db.submit("receiver.take", work, move |outcome| done(answer(now, &request, outcome)));
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
        let mut reports = Vec::with_capacity(usage.len());
        for item in usage {
            let mut signed = SignedReport::from_parts(item.payload, item.signature)
                .map_err(|error| Error::invalid(error.to_string()))?;
            if signed.report.udi != *udi {
                return Err(Error::invalid("the report belongs to another UDI"));
            }
            if !signed.verify(self.suite.as_ref(), key) {
                return Err(Error::invalid("the signature of the report does not verify"));
            }
            reports.push(Checked {
                sha256: signed.sha256(),
                signature: signature_text(&signed.signature),
                payload: signed.payload,
                report: signed.report,
            });
        }
        Ok(reports)
    }
}

/// Two devices with one UDI, or one that claims another's: the first keeps it, and people are told.
fn refuse_other_key(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: i64,
    instance_id: i64,
    udi: &Udi,
) -> Result<Outcome, Error> {
    let sql = "UPDATE instance SET alert = $1 WHERE tenant_id = $2 AND id = $3";
    let text = "Another device with another key claims this UDI.";
    tx.execute(sql, &[text.into(), tenant_id.into(), instance_id.into()])?;
    let line = format!("{udi} is known with another key: a message was refused.");
    journal::log(tx, now, "ERROR", &line)?;
    Ok(Outcome::Refused(
        "the UDI is known with another key; remove the product instance here if this is the right \
         device"
            .to_owned(),
    ))
}

/// Who made contact, and what for.
struct Contact<'a> {
    kind: ContactKind,
    udi: &'a Udi,
    key: &'a PublicKey,
    about: &'a About,
    /// Whether the guide's line is written for a device that is not known yet: SSM On-Prem does.
    logs: bool,
}

/// The kinds of contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContactKind {
    Report,
    Poll,
    Sync,
}

fn about(request: &Request) -> About {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(256).collect() };
    About {
        hostname: request.hostname.as_deref().map(plain),
        software_version: request.software_version.as_deref().map(plain),
        software_tag: plain(&request.software_tag_identifier),
        trust_requests: None,
    }
}

fn find(tx: &mut Tx<'_>, tenant_id: i64, udi: &Udi) -> Result<Option<Known>, Error> {
    const SQL: &str = "SELECT id, public_key, undelivered, delivered_at, waiting, policy_at,
        removed_at FROM instance WHERE tenant_id = $1 AND serial = $2 AND pid = $3";
    let values = [tenant_id.into(), (&udi.serial).into(), (&udi.pid).into()];
    tx.row(SQL, &values, |row| {
        Ok::<_, Error>(Known {
            id: row.int(0)?,
            public_key: row.opt_text(1)?.as_deref().and_then(PublicKey::from_text),
            undelivered: row.flag(2)?,
            delivered_at: row.opt_int(3)?,
            waiting: row.int(4)?,
            policy_at: row.int(5)?,
            removed: row.opt_int(6)?.is_some(),
        })
    })
}

fn take_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: i64,
    contact: &Contact<'_>,
    reports: &[Checked],
) -> Result<Outcome, Error> {
    let tenant = tenants::by_id(tx, tenant_id)?;
    let Contact { kind, udi, key, .. } = *contact;
    let mut known = match find(tx, tenant_id, udi)? {
        Some(known) => {
            if known.public_key.as_ref().is_some_and(|known| known != key) {
                return refuse_other_key(tx, now, tenant_id, known.id, udi);
            }
            known
        }
        None => {
            if contact.logs {
                // What is looked for is not there yet (ONPREM-014).
                let line = format!(
                    "Finding SL product by UDI {{{} {}}} failed due to the following error: record \
                     not found.",
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
        }
    };
    let stored = reports::store(tx, now, tenant_id, known.id, reports)?;
    known.waiting += stored.new;
    let recently = known.delivered_at.is_some_and(|at| now.since(Timestamp(at)) < Timestamp::DAY);
    let mut handed = Handed::default();
    if known.undelivered || recently || stored.again || tenant.policy_at > known.policy_at {
        handed = answers::hand_over(tx, now, &tenant, known.id, known.policy_at)?;
    }
    if kind == ContactKind::Sync && handed.document.is_none() {
        handed.document = answers::standing(tx, tenant_id)?;
    }
    note_contact(tx, now, tenant_id, contact, &known, !reports.is_empty(), &handed)?;
    let waiting = known.waiting > 0 || kind == ContactKind::Sync || handed.more;
    Ok(outcome(&tenant, kind, handed, known.id, waiting))
}

fn outcome(
    tenant: &Tenant,
    kind: ContactKind,
    handed: Handed,
    instance_id: i64,
    waiting: bool,
) -> Outcome {
    let connected = tenant.connected && tenant.registered && tenant.sync_error.is_none();
    let asked = tenant.sync_wanted || kind == ContactKind::Sync;
    let soon = connected && (tenant.sync_minutes == 0 || asked);
    // While answers come by file, or CSSM is away, nobody knows when.
    let poll_seconds = if connected {
        (tenant.sync_minutes * 20).clamp(POLL_SECONDS_MIN, POLL_SECONDS_MAX)
    } else {
        POLL_SECONDS_MAX
    };
    Outcome::Handed { handed, instance_id, waiting, poll_seconds, soon }
}

/// A device that was not known a moment ago: its row is written once, whole.
fn first_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant: &Tenant,
    contact: &Contact<'_>,
    reports: &[Checked],
) -> Result<Outcome, Error> {
    const SQL: &str = "INSERT INTO instance (tenant_id, id, pid, serial, public_key, hostname,
        software_version, software_tag, added_at, added_by, last_contact_at, last_report_at,
        trust_requests, wants_answer, waiting, undelivered, policy_at)
        SELECT $1, COALESCE(MAX(id), 0) + 1, $2, $3, $4, $5, $6, $7, $8, 'first contact', $9, $10,
        $11, $12, $13, 0, 0 FROM instance WHERE tenant_id = $14 RETURNING id";
    let Contact { kind, udi, key, about, .. } = *contact;
    let key = key.to_text();
    let wants = kind == ContactKind::Sync || about.trust_requests.is_some();
    // A report is one of its number: none of a device that is new can be here already.
    let numbers: BTreeSet<u64> = reports.iter().map(|checked| checked.report.report_id).collect();
    let waiting = i64::try_from(numbers.len()).unwrap_or(0);
    let values = [
        tenant.id.into(),
        (&udi.pid).into(),
        (&udi.serial).into(),
        (&key).into(),
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        now.0.into(),
        now.0.into(),
        (!reports.is_empty()).then_some(now.0).into(),
        about.trust_requests.as_deref().into(),
        wants.into(),
        waiting.into(),
        tenant.id.into(),
    ];
    let id = tx.row(SQL, &values, |row| Ok::<_, Error>(row.int(0)?))?;
    let id = id.ok_or(Error::NotFound("product instance"))?;
    reports::store(tx, now, tenant.id, id, reports)?;
    let mut handed = Handed::default();
    if tenant.policy_at > 0 {
        handed = answers::hand_over(tx, now, tenant, id, 0)?;
        let sql = "UPDATE instance SET policy_at = $1 WHERE tenant_id = $2 AND id = $3";
        tx.execute(sql, &[tenant.policy_at.into(), tenant.id.into(), id.into()])?;
    }
    if kind == ContactKind::Sync {
        if handed.document.is_none() {
            handed.document = answers::standing(tx, tenant.id)?;
        }
        ask_cssm(tx, tenant.id)?;
    }
    let waiting = waiting > 0 || kind == ContactKind::Sync;
    Ok(outcome(tenant, kind, handed, id, waiting))
}

/// Somebody waits: what CSSM has for the device is asked for now.
fn ask_cssm(tx: &mut Tx<'_>, tenant_id: i64) -> Result<(), Error> {
    tx.execute("UPDATE tenant SET sync_wanted = 1 WHERE id = $1", &[tenant_id.into()])?;
    Ok(())
}

/// A product instance without a key yet: one that has just made contact, or that people added by hand.
pub(crate) fn insert_instance(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: i64,
    udi: &Udi,
    hostname: Option<&str>,
    by: &str,
) -> Result<i64, Error> {
    const SQL: &str = "INSERT INTO instance (tenant_id, id, pid, serial, hostname, software_tag,
        added_at, added_by, wants_answer, waiting, undelivered, policy_at)
        SELECT $1, COALESCE(MAX(id), 0) + 1, $2, $3, $4, '', $5, $6, 0, 0, 0, 0 FROM instance
        WHERE tenant_id = $7 RETURNING id";
    let values = [
        tenant_id.into(),
        (&udi.pid).into(),
        (&udi.serial).into(),
        hostname.into(),
        now.0.into(),
        by.into(),
        tenant_id.into(),
    ];
    let id = tx.row(SQL, &values, |row| Ok::<_, Error>(row.int(0)?))?;
    id.ok_or(Error::NotFound("product instance"))
}

fn note_contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: i64,
    contact: &Contact<'_>,
    known: &Known,
    reported: bool,
    handed: &Handed,
) -> Result<(), Error> {
    const SQL: &str = "UPDATE instance SET public_key = $1, hostname = COALESCE($2, hostname),
        software_version = COALESCE($3, software_version), software_tag = $4, last_contact_at = $5,
        last_report_at = COALESCE($6, last_report_at), waiting = $7,
        trust_requests = COALESCE($8, trust_requests), wants_answer = CASE WHEN $9 = 1 THEN 1
        ELSE wants_answer END, undelivered = $10, delivered_at = COALESCE($11, delivered_at),
        policy_at = COALESCE($12, policy_at), removed_at = NULL
        WHERE tenant_id = $13 AND id = $14";
    let Contact { kind, key, about, .. } = *contact;
    let key = key.to_text();
    let undelivered = handed.more || (known.undelivered && handed.document.is_none());
    let wants = kind == ContactKind::Sync || about.trust_requests.is_some();
    let values = [
        (&key).into(),
        about.hostname.as_deref().into(),
        about.software_version.as_deref().into(),
        (&about.software_tag).into(),
        now.0.into(),
        reported.then_some(now.0).into(),
        known.waiting.into(),
        about.trust_requests.as_deref().into(),
        wants.into(),
        undelivered.into(),
        handed.first_time.then_some(now.0).into(),
        handed.policy_at.into(),
        tenant_id.into(),
        known.id.into(),
    ];
    tx.execute(SQL, &values)?;
    if kind == ContactKind::Sync {
        ask_cssm(tx, tenant_id)?;
    }
    if known.removed {
        journal::add_event(tx, now, tenant_id, "system", "a removed product instance is back")?;
    }
    Ok(())
}

fn answer(now: Timestamp, request: &Request, outcome: Result<Outcome, Error>) -> Answer {
    match outcome {
        Ok(Outcome::Refused(text)) => refuse(now, request, &Error::Invalid(text)),
        Ok(Outcome::Handed { handed, instance_id, waiting, poll_seconds, soon }) => {
            // What is only handed over once more may not be what the device waits for.
            let nothing_new = waiting && !handed.first_time;
            let status = if nothing_new { ResponseStatus::OkPoll } else { ResponseStatus::Ok };
            let mut response = Response::new(request, now, status, "");
            response.smart_license = handed.document;
            if waiting {
                response.poll_id = Some(format!("{instance_id:x}"));
                response.poll_interval_seconds = u32::try_from(poll_seconds).ok();
            }
            let soon = soon && nothing_new;
            Answer::Message { response: Box::new(response), soon }
        }
        Err(Error::NotFound("tenant")) => Answer::NoTenant,
        Err(error) => refuse(now, request, &error),
    }
}

fn refuse(now: Timestamp, request: &Request, error: &Error) -> Answer {
    match error {
        Error::Store(error) => Answer::Unavailable(error.to_string()),
        refusal => {
            let text = refusal.to_string();
            let response = Response::new(request, now, ResponseStatus::Failed, &text);
            Answer::Message { response: Box::new(response), soon: false }
        }
    }
}
