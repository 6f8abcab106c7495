//! The smart receiver: what product instances ask and what they are told (guide p. 22, 69; CSSM-025, 028, 029).

use std::sync::Arc;

use rumline_protocol::{
    Acknowledgement, Request, RequestBody, Response, ResponseStatus, SignedReport, StatusCode,
    Timestamp, TrustCode, UsageItem, from_base64,
};
use rumline_store::Tx;

use crate::answer::{self, Contents, Standing};
use crate::ingest::{self, Outcome, VerifiedReport};
use crate::instances::{self, About, Instance};
use crate::{Cssm, Error, Settings, trust};

/// What the receiver answers.
#[derive(Debug)]
pub enum Answer {
    /// A message.
    Message(Box<Response>),
    /// The body was no message.
    NotAMessage(String),
    /// The limit of requests is reached (CSSM-029).
    TooManyRequests {
        /// When to try again.
        retry_after_seconds: i64,
    },
    /// The store failed; nothing was taken.
    Unavailable(String),
}

/// What was written, and what the answer needs.
struct Written {
    standing: Standing,
    /// Empty while the ACK is not ready.
    entries: Vec<Acknowledgement>,
    trust_codes: Vec<TrustCode>,
    policy_wanted: bool,
    poll: Option<(String, i64)>,
}

impl Written {
    fn of(standing: Standing) -> Self {
        Self {
            standing,
            entries: Vec::new(),
            trust_codes: Vec::new(),
            policy_wanted: false,
            poll: None,
        }
    }
}

/// The reports of a message, one by one.
struct Checked {
    reports: Vec<VerifiedReport>,
    /// What is answered for those that do not verify.
    refused: Vec<Acknowledgement>,
    /// What was wrong first.
    first_refusal: Option<String>,
}

/// What became of a message, before the answer is signed: signing is left to whoever waits, so that the one
/// writer does not do it.
pub struct Taken {
    cssm: Cssm,
    now: Timestamp,
    outcome: TakenOutcome,
}

enum TakenOutcome {
    Answer(Answer),
    Written(Box<(Request, Result<Written, Error>)>),
}

impl Taken {
    /// Signs the answer.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self.outcome {
            TakenOutcome::Answer(answer) => answer,
            TakenOutcome::Written(written) => {
                let (request, outcome) = *written;
                self.cssm.answer(self.now, &request, outcome)
            }
        }
    }
}

impl Cssm {
    /// Takes a message and calls `done` once what it brought is durable.
    pub fn receive(&self, now: Timestamp, body: &[u8], done: impl FnOnce(Taken) + Send + 'static) {
        let mut request: Request = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => {
                return done(self.taken(now, Answer::NotAMessage(not_a_message(&error))));
            }
        };
        if let Err(error) = request.sudi.check() {
            return done(self.taken(now, Answer::NotAMessage(error.to_string())));
        }
        if request.request_id.len() > 64 || request.nonce.len() > 64 {
            let text = "request_id or nonce is too long".to_owned();
            return done(self.taken(now, Answer::NotAMessage(text)));
        }
        let about = About {
            identifier: String::new(),
            hostname: request.hostname.clone(),
            software_version: request.software_version.clone(),
            software_tag: request.software_tag_identifier.clone(),
        }
        .bounded();
        let cssm = self.clone();
        if let Err(error) = self.check_proof(&request) {
            return done(self.taken(now, self.refuse(now, &request, &error)));
        }
        match std::mem::replace(&mut request.body, RequestBody::TrustSync {}) {
            RequestBody::UsageReport { usage, .. } => {
                self.take_usage(now, request, about, usage, done);
            }
            RequestBody::TrustRequest { id_token, force, trust_requests } => {
                let requests = match trust::parse_requests(self.suite.as_ref(), &trust_requests) {
                    Ok(requests) => requests,
                    Err(error) => return done(self.taken(now, self.refuse(now, &request, &error))),
                };
                let work = move |tx: &mut Tx<'_>| {
                    let (instance, codes) =
                        trust::exchange(tx, now, &id_token, force, &requests, &about)?;
                    let ids = (instance.smart_account_id, instance.virtual_account_id);
                    let mut written = Written::of(instances::standing(tx, ids.0, ids.1)?);
                    written.trust_codes = codes;
                    written.policy_wanted = true;
                    Ok(written)
                };
                self.db.submit("receiver.trust", work, move |outcome| {
                    done(cssm.written(now, request, outcome));
                });
            }
            RequestBody::ResultPoll { poll_id } => {
                let (settings, sudi) = (self.settings.clone(), request.sudi.clone());
                let work = move |tx: &mut Tx<'_>| {
                    let (instance_id, mut written) = contact(tx, now, &sudi, &settings)?;
                    poll_result(tx, now, instance_id, &poll_id, &mut written)?;
                    Ok(written)
                };
                self.db.submit("receiver.poll", work, move |outcome| {
                    done(cssm.written(now, request, outcome));
                });
            }
            RequestBody::TrustSync {} => {
                let (settings, sudi) = (self.settings.clone(), request.sudi.clone());
                let work = move |tx: &mut Tx<'_>| {
                    let (_, mut written) = contact(tx, now, &sudi, &settings)?;
                    written.policy_wanted = true;
                    Ok(written)
                };
                self.db.submit("receiver.sync", work, move |outcome| {
                    done(cssm.written(now, request, outcome));
                });
            }
        }
    }

    /// A request that carries nothing signed must show that it comes from the device it names: others must neither
    /// learn of its account nor use up its requests.
    fn check_proof(&self, request: &Request) -> Result<(), Error> {
        if !matches!(request.body, RequestBody::ResultPoll { .. } | RequestBody::TrustSync {}) {
            return Ok(());
        }
        let sudi = request.sudi.clone();
        let instance = self.db.read("receiver.key", move |tx| known_instance(tx, &sudi))?;
        let proof = request.proof.as_deref().and_then(from_base64).unwrap_or_default();
        let text = request.proof_text();
        if self.suite.verify(&instance.public_key, text.as_bytes(), &proof) {
            Ok(())
        } else {
            Err(Error::invalid("the request is not signed by the device it names"))
        }
    }

    fn taken(&self, now: Timestamp, answer: Answer) -> Taken {
        Taken { cssm: self.clone(), now, outcome: TakenOutcome::Answer(answer) }
    }

    fn written(self, now: Timestamp, request: Request, outcome: Result<Written, Error>) -> Taken {
        let outcome = TakenOutcome::Written(Box::new((request, outcome)));
        Taken { cssm: self, now, outcome }
    }

    fn take_usage(
        &self,
        now: Timestamp,
        request: Request,
        about: About,
        usage: Vec<UsageItem>,
        done: impl FnOnce(Taken) + Send + 'static,
    ) {
        let sudi = request.sudi.clone();
        // The key is looked up and the signatures are checked before the writer is asked; it checks that the key
        // is still the same.
        let instance = match self.db.read("receiver.key", move |tx| known_instance(tx, &sudi)) {
            Ok(instance) => instance,
            Err(error) => return done(self.taken(now, self.refuse(now, &request, &error))),
        };
        let correlation_id = request.request_id.clone();
        let Checked { reports, refused, first_refusal } =
            self.check_usage(&instance, usage, &correlation_id);
        if reports.is_empty()
            && let Some(text) = first_refusal
        {
            let refusal = self.refuse(now, &request, &Error::invalid(text));
            return done(self.taken(now, refusal));
        }
        let mut about = about;
        if let Some(first) = reports.first() {
            about.identifier.clone_from(&first.report.product_instance_identifier);
            about = about.bounded();
        }
        let delay = self.settings.ack_delay_seconds;
        let (settings, cache) = (self.settings.clone(), Arc::clone(&self.standing));
        let poll_id = (delay > 0).then(|| self.random_hex(16));
        let work = move |tx: &mut Tx<'_>| {
            let current = instances::by_id(tx, instance.id)?.ok_or(Error::NotFound("device"))?;
            if current.public_key != instance.public_key || current.removed {
                return Err(Error::invalid("the device was registered anew"));
            }
            let window = instances::next_window(now, &current, &settings)?;
            let ids = (current.smart_account_id, current.virtual_account_id);
            let read = || instances::standing(tx, ids.0, ids.1);
            let mut written = Written::of(answer::standing(&cache, now, ids, read)?);
            let mut outcome = ingest::store(tx, now, &current, &reports, &correlation_id, None)?;
            outcome.entries.extend(refused.iter().cloned());
            if outcome.new > 0 {
                instances::note_report(tx, now, &current, window, &about)?;
            } else {
                instances::note_contact(tx, now, &current, window)?;
            }
            match &poll_id {
                Some(poll_id) => {
                    keep_for_poll(tx, now + delay, current.id, poll_id, &outcome)?;
                    written.poll = Some((poll_id.clone(), delay));
                }
                None => {
                    written.entries = outcome.entries;
                    written.policy_wanted = true;
                }
            }
            Ok(written)
        };
        let cssm = self.clone();
        self.db.submit("receiver.usage", work, move |outcome| {
            done(cssm.written(now, request, outcome));
        });
    }

    /// Checks reports one by one: one that does not verify is refused on its own and holds no other back.
    fn check_usage(
        &self,
        instance: &Instance,
        usage: Vec<UsageItem>,
        correlation_id: &str,
    ) -> Checked {
        let (mut reports, mut refused) = (Vec::with_capacity(usage.len()), Vec::new());
        let mut first_refusal = usage.is_empty().then(|| "the message holds no report".to_owned());
        for item in usage {
            let signed = match SignedReport::from_parts(item.payload, item.signature) {
                Ok(signed) => signed,
                Err(error) => {
                    // Without a number there is nothing to answer for it.
                    first_refusal.get_or_insert(error.to_string());
                    continue;
                }
            };
            let told = ingest::entry(&signed.report, StatusCode::Failed, "", correlation_id);
            match ingest::verify(self.suite.as_ref(), &instance.udi, &instance.public_key, signed) {
                Ok(report) => reports.push(report),
                Err(error) => {
                    first_refusal.get_or_insert(error.to_string());
                    refused.push(told.with_message(&error.to_string()));
                }
            }
        }
        Checked { reports, refused, first_refusal }
    }

    fn answer(&self, now: Timestamp, request: &Request, outcome: Result<Written, Error>) -> Answer {
        let written = match outcome {
            Ok(written) => written,
            Err(error) => return self.refuse(now, request, &error),
        };
        if let Some((poll_id, seconds)) = written.poll {
            let mut response = Response::new(request, now, ResponseStatus::OkPoll, "");
            response.poll_id = Some(poll_id);
            response.poll_interval_seconds = Some(u32::try_from(seconds.max(1)).unwrap_or(900));
            return Answer::Message(Box::new(response));
        }
        let contents = Contents {
            acknowledgements: &written.entries,
            trust_codes: written.trust_codes,
            standing: Some(&written.standing),
            policy_wanted: written.policy_wanted,
            correlation_id: &request.request_id,
        };
        let document = answer::document(contents, &self.issuer, &self.standing, now);
        let mut response = Response::new(request, now, ResponseStatus::Ok, "");
        response.smart_license = Some(document);
        Answer::Message(Box::new(response))
    }

    fn refuse(&self, now: Timestamp, request: &Request, error: &Error) -> Answer {
        match error {
            Error::TooManyRequests { retry_after_seconds } => {
                Answer::TooManyRequests { retry_after_seconds: *retry_after_seconds }
            }
            Error::Store(error) => Answer::Unavailable(error.to_string()),
            refusal => {
                let text = refusal.to_string();
                let response = Response::new(request, now, ResponseStatus::Failed, &text);
                Answer::Message(Box::new(response))
            }
        }
    }

    /// Removes results that were ready a month ago; their reports would be answered anew.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        self.db.write("receiver.tidy", move |tx| {
            let before = Timestamp(now.0 - 30 * Timestamp::DAY);
            tx.execute("DELETE FROM poll WHERE ready_at < $1", &[before.0.into()])?;
            Ok(())
        })
    }
}

/// Why a body is no message, without what a stranger wrote into it at length.
fn not_a_message(error: &serde_json::Error) -> String {
    format!("not a message: {error}").chars().take(200).collect()
}

fn known_instance(tx: &mut Tx<'_>, sudi: &rumline_protocol::Udi) -> Result<Instance, Error> {
    match instances::find(tx, sudi)? {
        Some(instance) if !instance.removed => Ok(instance),
        _ => Err(Error::invalid(
            "The identity for the instance is not valid. Please re-register the instance.",
        )),
    }
}

/// A contact that brings no report, counted against the limit.
fn contact(
    tx: &mut Tx<'_>,
    now: Timestamp,
    sudi: &rumline_protocol::Udi,
    settings: &Settings,
) -> Result<(i64, Written), Error> {
    let instance = known_instance(tx, sudi)?;
    let window = instances::next_window(now, &instance, settings)?;
    instances::note_contact(tx, now, &instance, window)?;
    let (account, within) = (instance.smart_account_id, instance.virtual_account_id);
    Ok((instance.id, Written::of(instances::standing(tx, account, within)?)))
}

fn keep_for_poll(
    tx: &mut Tx<'_>,
    ready_at: Timestamp,
    instance_id: i64,
    poll_id: &str,
    outcome: &Outcome,
) -> Result<(), Error> {
    let results = serde_json::to_string(&outcome.entries).expect("entries always serialise");
    let sql = "INSERT INTO poll (id, product_instance_id, ready_at, results)
        VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[poll_id.into(), instance_id.into(), ready_at.0.into(), (&results).into()])?;
    Ok(())
}

fn poll_result(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance_id: i64,
    poll_id: &str,
    written: &mut Written,
) -> Result<(), Error> {
    if !poll_id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Error::invalid("the poll_id is not known"));
    }
    let sql = "SELECT ready_at, results FROM poll WHERE id = $1 AND product_instance_id = $2";
    let found = tx.row(sql, &[poll_id.into(), instance_id.into()], |row| {
        Ok::<_, Error>((Timestamp(row.int(0)?), row.text(1)?))
    })?;
    let (ready_at, results) = found.ok_or_else(|| Error::invalid("the poll_id is not known"))?;
    if now < ready_at {
        // No longer than it takes, no longer than the device may wait.
        written.poll = Some((poll_id.to_owned(), ready_at.since(now).min(900)));
        return Ok(());
    }
    written.policy_wanted = true;
    written.entries = serde_json::from_str(&results)
        .map_err(|_| Error::invalid("the stored result is damaged"))?;
    let sql = "UPDATE product_instance SET last_ack_at = $1 WHERE id = $2";
    tx.execute(sql, &[now.0.into(), instance_id.into()])?;
    Ok(())
}
