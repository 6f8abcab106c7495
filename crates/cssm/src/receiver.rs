//! The smart receiver: what product instances ask and what they are told (guide p. 22, 69; CSSM-025, 028, 029).

mod before;

use std::sync::{Arc, PoisonError};

use rumline_protocol::{
    Acknowledgement, Document, MessageForm, OlderResult, Purpose, ReportRequest, Request,
    RequestBody, Response, ResponseStatus, Signed, SignedReport, Speaker, Timestamp, TrustCode,
    Udi, UsageItem, from_base64, is_of_now,
};
use rumline_store::Tx;

use crate::answer::{self, Contents};
use crate::checked::Checked;
use crate::ids::InstanceId;
use crate::ingest::{self, Outcome};
use crate::instances::{self, About, Instance};
use crate::keys_at_hand::KnownKey;
use crate::standing::{self, Standing};
use crate::trust::{self, Exchange};
use crate::{Actor, Cssm, Error, Settings, accounts, lineage, older, outbox};

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
    standing: Arc<Standing>,
    /// What is ready now: of reports that were known before also while that of the others is not.
    entries: Vec<Acknowledgement>,
    trust_codes: Vec<TrustCode>,
    report_requests: Vec<ReportRequest>,
    policy_wanted: bool,
    poll: Option<(String, i64)>,
    /// What is said to licensing of before Smart Licensing Using Policy.
    older: Option<OlderResult>,
}

impl Written {
    fn of(standing: Arc<Standing>) -> Self {
        Self {
            standing,
            entries: Vec::new(),
            trust_codes: Vec::new(),
            report_requests: Vec::new(),
            policy_wanted: false,
            poll: None,
            older: None,
        }
    }
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

/// What a usage report brings.
struct Brought {
    usage: Vec<UsageItem>,
    /// The trust codes the device shows.
    shown: Option<String>,
    /// Whether it asks for what a sync asks for too.
    syncs: bool,
}

/// Who sent a message, and when.
#[derive(Clone, Debug)]
struct Contact {
    now: Timestamp,
    /// The address it came from.
    from: String,
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
    /// Takes a message that came from an address, and calls `done` once what it brought is durable. Says who speaks, if
    /// it is a message.
    pub fn receive(
        &self,
        now: Timestamp,
        from: &str,
        body: &[u8],
        done: impl FnOnce(Taken) + Send + 'static,
    ) -> Option<Speaker> {
        self.receive_as(MessageForm::Plain, (now, from), body, done)
    }

    /// The same for a message of a form.
    pub fn receive_as(
        &self,
        form: MessageForm,
        (now, from): (Timestamp, &str),
        body: &[u8],
        done: impl FnOnce(Taken) + Send + 'static,
    ) -> Option<Speaker> {
        match form.read(body) {
            Ok(request) => {
                let speaker = request.speaker();
                self.take_message(Contact { now, from: from.to_owned() }, request, done);
                Some(speaker)
            }
            Err(text) => {
                done(self.taken(now, Answer::NotAMessage(text)));
                None
            }
        }
    }

    fn take_message(
        &self,
        contact: Contact,
        mut request: Request,
        done: impl FnOnce(Taken) + Send + 'static,
    ) {
        let now = contact.now;
        let about = About {
            identifier: String::new(),
            hostname: request.hostname.clone(),
            software_version: request.software_version.clone(),
            software_tag: request.software_tag_identifier.clone(),
        }
        .bounded();
        let cssm = self.clone();
        if let Some(answer) = self.without_registration(&contact, &request, &about) {
            return done(self.taken(now, answer));
        }
        let millis = match self.check_proof(now, &request) {
            Ok(millis) => millis,
            Err(error) => return done(self.taken(now, self.turn_away(&contact, &request, &error))),
        };
        match std::mem::replace(&mut request.body, RequestBody::SYNC) {
            RequestBody::UsageReport { usage, smart_license, sync, .. } => {
                request.body = RequestBody::UsageReport {
                    usage: Vec::new(),
                    trust_requests: Vec::new(),
                    smart_license: None,
                    sync,
                };
                // What asks for more than an ACK shows who it is from, as a sync does.
                let syncs = sync && self.check_proof(now, &request).is_ok();
                let brought = Brought { usage, shown: smart_license, syncs };
                self.take_usage(contact, request, about, brought, done);
            }
            RequestBody::TrustRequest { id_token, force, trust_requests } => {
                if let Some(retry_after_seconds) = self.is_turned_away(&contact) {
                    let answer = Answer::TooManyRequests { retry_after_seconds };
                    return done(self.taken(now, answer));
                }
                let (suite, sudi) = (self.suite.as_ref(), request.sudi.clone());
                let requests = trust::parse_requests(suite, now, &self.id, &trust_requests);
                let requests = requests.and_then(|requests| match requests.first() {
                    Some(first) if first.sudi != sudi => {
                        Err(Error::invalid("the trust request is of another UDI"))
                    }
                    _ => Ok(requests),
                });
                let requests = match requests {
                    Ok(requests) => requests,
                    Err(error) => {
                        return done(self.taken(now, self.turn_away(&contact, &request, &error)));
                    }
                };
                let work = move |tx: &mut Tx<'_>| {
                    let shown = (id_token.as_str(), force);
                    let exchange = trust::exchange(tx, now, shown, &requests, &about)?;
                    let (instance, codes) = match exchange {
                        Exchange::Done(instance, codes) => (instance, codes),
                        Exchange::Refused(text) => return Ok(Err(text)),
                    };
                    let (account, within) = instance.account();
                    let standing = Arc::new(standing::read(tx, account, within)?);
                    let mut written = Written::of(standing.for_instances(tx, [instance.id])?);
                    written.trust_codes = codes;
                    written.policy_wanted = true;
                    Ok(Ok(written))
                };
                self.db.submit("receiver.trust", work, move |outcome| {
                    done(match outcome {
                        Ok(Ok(written)) => cssm.written(now, request, Ok(written)),
                        Ok(Err(text)) => {
                            let error = Error::invalid(text);
                            let answer = cssm.turn_away(&contact, &request, &error);
                            cssm.taken(now, answer)
                        }
                        Err(error) => cssm.written(now, request, Err(error)),
                    });
                });
            }
            RequestBody::SmartLicensing { call, id_token, force, trust_requests, uses } => {
                let asked = before::OlderAsked { call, id_token, force, trust_requests, uses };
                self.take_older(contact, request, (asked, about), millis, done);
            }
            RequestBody::ResultPoll { poll_id } => {
                let (settings, sudi) = (self.settings.clone(), request.sudi.clone());
                let work = move |tx: &mut Tx<'_>| {
                    let (instance, mut written) = contact_of(tx, now, &sudi, &settings, millis)?;
                    poll_result(tx, now, instance.id, &poll_id, &mut written)?;
                    if written.poll.is_none() {
                        complete(tx, now, &instance, &mut written)?;
                    }
                    Ok(written)
                };
                self.db.submit("receiver.poll", work, move |outcome| {
                    done(cssm.written(now, request, outcome));
                });
            }
            RequestBody::TrustSync { trust_requests } => {
                let (settings, sudi) = (self.settings.clone(), request.sudi.clone());
                let asked = match trust_requests.as_slice() {
                    [] => Ok(Vec::new()),
                    texts => trust::parse_requests(self.suite.as_ref(), now, &self.id, texts),
                };
                let asked = match asked {
                    Ok(asked) => asked,
                    Err(error) => {
                        return done(self.taken(now, self.turn_away(&contact, &request, &error)));
                    }
                };
                let work = move |tx: &mut Tx<'_>| {
                    let (instance, mut written) = contact_of(tx, now, &sudi, &settings, millis)?;
                    written.policy_wanted = true;
                    if !asked.is_empty() {
                        // PI-HA-009: a supervisor that was added is asked for by the active one.
                        written.trust_codes =
                            trust::issue_for_device(tx, now, &instance, &asked, &about)?;
                    }
                    complete(tx, now, &instance, &mut written)?;
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
    fn check_proof(&self, now: Timestamp, request: &Request) -> Result<i64, Error> {
        if !request.body.is_proven() {
            return Ok(0);
        }
        let sudi = request.sudi.clone();
        // Nobody looks again whether it still is the key: not what is at hand.
        let instance = self.db.read("receiver.key", move |tx| known_instance(tx, &sudi))?;
        let proof = request.proof.as_deref().and_then(from_base64).unwrap_or_default();
        let text = request.proof_text(&self.id);
        if !self.suite.verify(&instance.public_key, text.as_bytes(), &proof) {
            return Err(Error::invalid("the request is not signed by the device it names"));
        }
        if !is_of_now(now, Timestamp::from_millis(request.timestamp)) {
            return Err(Error::invalid("timestamp mismatch"));
        }
        Ok(request.timestamp)
    }

    /// Whoever tried too many tokens has no more of them looked at, and no more lines written about it.
    fn is_turned_away(&self, contact: &Contact) -> Option<i64> {
        let per_hour_max = self.settings.requests_per_hour_max.saturating_mul(REFUSALS_FACTOR);
        let strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.retry_after_seconds(contact.now, &contact.from, per_hour_max)
    }

    /// A refusal that its sender pays for.
    fn turn_away(&self, contact: &Contact, request: &Request, error: &Error) -> Answer {
        let Contact { now, from } = contact;
        let per_hour_max = self.settings.requests_per_hour_max.saturating_mul(REFUSALS_FACTOR);
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        match strangers.charge(*now, from, per_hour_max) {
            Some(retry_after_seconds) if !matches!(error, Error::Store(_)) => {
                Answer::TooManyRequests { retry_after_seconds }
            }
            _ => self.refuse(*now, request, error),
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
        contact: Contact,
        request: Request,
        about: About,
        Brought { usage, shown, syncs }: Brought,
        done: impl FnOnce(Taken) + Send + 'static,
    ) {
        let now = contact.now;
        let turn_away = |error: &Error| self.taken(now, self.turn_away(&contact, &request, error));
        // The key is looked up and the signatures are checked before the writer is asked; it checks that the key
        // is still the same.
        let look_up = || {
            let found = self.known_or_shown(now, &request.sudi, shown.as_deref(), &about);
            found.map(|instance| self.keys.put(instance))
        };
        let at_hand = self.keys.get(&request.sudi);
        let once_more = at_hand.is_some().then(|| usage.clone());
        let mut known = match at_hand.map_or_else(look_up, Ok) {
            Ok(known) => known,
            Err(error) => return done(turn_away(&error)),
        };
        if usage.len() > Request::REPORTS_MAX {
            let text = format!("the message holds more than {} reports", Request::REPORTS_MAX);
            return done(turn_away(&Error::invalid(text)));
        }
        let correlation_id = request.request_id.clone();
        let mut checked = self.check_usage(&known, usage, &correlation_id);
        if let Some(usage) = once_more.filter(|_| checked.first_refusal.is_some()) {
            let now_known = match look_up() {
                Ok(now_known) => now_known,
                Err(error) => return done(turn_away(&error)),
            };
            if now_known.public_key != known.public_key {
                checked = self.check_usage(&now_known, usage, &correlation_id);
            }
            known = now_known;
        }
        let Checked { reports, refused, first_refusal, .. } = checked;
        if reports.is_empty()
            && let Some(text) = first_refusal
        {
            return done(turn_away(&Error::invalid(text)));
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
            let mut current = known.instance(tx)?.map_or_else(|| gone(tx, &known.udi), Ok)?;
            let ids = current.account();
            let read = || standing::read(tx, ids.0, ids.1);
            let mut written = Written::of(answer::standing(&cache, now, ids, read)?);
            let outcome = ingest::store(tx, now, &mut current, &reports, &correlation_id, None)?;
            written.standing = written.standing.for_instances(tx, [current.id])?;
            let Outcome { mut entries, new, new_ids, .. } = outcome;
            // Who sends what was here before may be anyone who saw it: that counts against nobody's limit but theirs.
            if new > 0 {
                let window = instances::next_window(now, &current, &settings)?;
                instances::note_report(tx, now, &current, window, &about)?;
            }
            entries.extend(refused.iter().cloned());
            match poll_id.as_deref().filter(|_| new > 0) {
                // What is new takes its time; what is known already is answered at once, and so is a refusal.
                Some(poll_id) => {
                    let (later, at_once): (Vec<_>, Vec<_>) =
                        entries.into_iter().partition(|entry| new_ids.contains(&entry.report_id));
                    keep_for_poll(tx, now + delay, current.id, poll_id, &later)?;
                    written.poll = Some((poll_id.to_owned(), delay));
                    written.entries = at_once;
                    if syncs {
                        written.policy_wanted = true;
                        complete(tx, now, &current, &mut written)?;
                    }
                }
                None => {
                    written.entries = entries;
                    written.policy_wanted = true;
                    complete(tx, now, &current, &mut written)?;
                }
            }
            Ok((written, new))
        };
        let cssm = self.clone();
        self.db.submit("receiver.usage", work, move |outcome| {
            let taken = match outcome {
                Ok((written, 0)) => cssm.charged(&contact, request, written),
                Ok((written, _)) => cssm.written(now, request, Ok(written)),
                Err(error) => {
                    // What it is now is looked up next time, before any work is done for it.
                    cssm.keys.forget(&request.sudi);
                    cssm.written(now, request, Err(error))
                }
            };
            done(taken);
        });
    }

    /// Nothing in a message was new: whoever sends the same again and again is told to wait.
    fn charged(self, contact: &Contact, request: Request, written: Written) -> Taken {
        let now = contact.now;
        let per_hour_max = self.settings.requests_per_hour_max.saturating_mul(REFUSALS_FACTOR);
        let charged = {
            let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
            strangers.charge(now, &contact.from, per_hour_max)
        };
        match charged {
            Some(retry_after_seconds) => {
                self.taken(now, Answer::TooManyRequests { retry_after_seconds })
            }
            None => self.written(now, request, Ok(written)),
        }
    }

    /// The product instance a message is of: known, or shown to be by the trust code this CSSM gave it before it was set
    /// back to an older copy of its database.
    fn known_or_shown(
        &self,
        now: Timestamp,
        sudi: &Udi,
        shown: Option<&str>,
        about: &About,
    ) -> Result<Instance, Error> {
        let udi = sudi.clone();
        let known = self.db.read("receiver.key", move |tx| instances::find(tx, &udi))?;
        match (known, shown) {
            (Some(known), _) if !known.removed => Ok(known),
            (None, Some(shown)) => self.admit_shown(now, sudi, shown, about),
            _ => Err(not_known()),
        }
    }

    fn admit_shown(
        &self,
        now: Timestamp,
        sudi: &Udi,
        shown: &str,
        about: &About,
    ) -> Result<Instance, Error> {
        let document = Document::parse(shown.as_bytes()).map_err(|_| not_known())?;
        let certificate = document.signer.as_ref().ok_or_else(not_known)?;
        let revoked = self.issuer.revocation.as_ref();
        if revoked.is_some_and(|list| list.value.names(certificate)) {
            return Err(not_known());
        }
        let (suite, root) = (self.suite.as_ref(), &self.issuer.root_certificate);
        let signer = suite.verify_chain(root, certificate, now).map_err(|_| not_known())?;
        let is_its = |signed: &&Signed<TrustCode>| {
            signed.value.sudi == *sudi
                && signed.value.purpose == Purpose::TrustCode
                && signed.value.expires_at > now
                && signed.verify(suite, &signer.public_key)
        };
        let code = document.trust_codes.iter().find(is_its).ok_or_else(not_known)?.value.clone();
        let about = about.clone();
        self.db.write("receiver.shown", move |tx| {
            if let Some(known) = instances::find(tx, &code.sudi)? {
                return if known.removed { Err(not_known()) } else { Ok(known) };
            }
            let account = accounts::by_names(tx, &code.smart_account, &code.virtual_account)?;
            let account = account.ok_or_else(not_known)?;
            let about =
                About { identifier: code.product_instance_identifier.clone(), ..about.clone() };
            let (udi, key) = (&code.sudi, &code.public_key);
            let instance = instances::register(tx, now, None, account, udi, key, &about)?;
            trust::restore(tx, &instance, &code)?;
            let text = format!(
                "{udi} was not known here any more and came back by its trust code: this CSSM was \
                 restored from an older copy"
            );
            accounts::add_event(tx, now, account.0, &Actor::system(), &text)?;
            Ok(instance)
        })
    }

    /// Checks reports one by one: one that does not verify is refused on its own and holds no other back.
    fn check_usage(
        &self,
        known: &KnownKey,
        usage: Vec<UsageItem>,
        correlation_id: &str,
    ) -> Checked {
        let mut checked = Checked::default();
        if usage.is_empty() {
            checked.first_refusal = Some("the message holds no report".to_owned());
        }
        let whose = (&known.udi, &known.public_key);
        for item in usage {
            match SignedReport::from_parts(item.payload, item.signature) {
                Ok(signed) => {
                    let suite = self.suite.as_ref();
                    checked.check(suite, whose, &self.id, signed, correlation_id);
                }
                // Without a number there is nothing to answer for it.
                Err(error) => {
                    checked.first_refusal.get_or_insert(error.to_string());
                }
            }
        }
        checked
    }

    fn answer(&self, now: Timestamp, request: &Request, outcome: Result<Written, Error>) -> Answer {
        let written = match outcome {
            Ok(written) => written,
            Err(error) => return self.refuse(now, request, &error),
        };
        let mut written = written;
        // A device of a product that is not known here is told so, and served like any other (C-48).
        let told = instances::unknown_product(&request.sudi.pid).unwrap_or_default();
        if let Some((poll_id, seconds)) = written.poll.take() {
            let mut response = Response::new(request, now, ResponseStatus::OkPoll, &told);
            response.poll_id = Some(poll_id);
            response.poll_interval_seconds = Some(u32::try_from(seconds.max(1)).unwrap_or(900));
            if !written.entries.is_empty() || written.policy_wanted {
                response.smart_license = Some(self.document(now, request, written));
            }
            return Answer::Message(Box::new(response));
        }
        let mut response = Response::new(request, now, ResponseStatus::Ok, &told);
        if let Some(result) = written.older.take() {
            self.say_older(now, request, result, &mut response);
        }
        response.smart_license = Some(self.document(now, request, written));
        Answer::Message(Box::new(response))
    }

    fn document(&self, now: Timestamp, request: &Request, written: Written) -> String {
        let contents = Contents {
            acknowledgements: written.entries,
            trust_codes: written.trust_codes,
            report_requests: written.report_requests,
            older: Vec::new(),
            standing: Some(&written.standing),
            policy_wanted: written.policy_wanted,
            correlation_id: &request.request_id,
        };
        answer::document(contents, &self.issuer, &self.standing, now)
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

    /// Removes results that were fetched a day ago, or were ready a month ago; their reports would be answered anew.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        let mut from = String::new();
        // Piece by piece: a fleet leaves many in a day, and devices report meanwhile.
        while let Some(to) =
            self.db.write("receiver.tidy_polls", move |tx| tidy_polls(tx, now, &from))?
        {
            from = to;
        }
        self.db.write("receiver.tidy", move |tx| {
            older::end_expired(tx, now)?;
            outbox::tidy(tx, now)
        })
    }
}

/// Results that are looked at at a time, for whether they are to go.
const POLLS_AT_A_TIME: i64 = 1_000;

/// Looks at a piece of the results, those after this one; returns the last that was looked at, if there may be more.
fn tidy_polls(tx: &mut Tx<'_>, now: Timestamp, from: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT id FROM poll WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2";
    let last = [from.into(), (POLLS_AT_A_TIME - 1).into()];
    let last = tx.row(sql, &last, |row| row.text(0))?;
    let (month, day) = (now - 30 * Timestamp::DAY, now - Timestamp::DAY);
    let ends = [from.into(), month.0.into(), day.0.into()];
    match &last {
        Some(to) => {
            let sql = "DELETE FROM poll WHERE id > $1 AND id <= $4
                AND (ready_at < $2 OR fetched_at < $3)";
            tx.execute(sql, &[ends[0], ends[1], ends[2], to.into()])?;
        }
        None => {
            let sql = "DELETE FROM poll WHERE id > $1 AND (ready_at < $2 OR fetched_at < $3)";
            tx.execute(sql, &ends)?;
        }
    }
    Ok(last)
}

/// Refusals an address may have in an hour, for each request a product instance may make.
const REFUSALS_FACTOR: i64 = 10;

fn not_known() -> Error {
    Error::invalid("The identity for the instance is not valid. Please re-register the instance.")
}

fn known_instance(tx: &mut Tx<'_>, sudi: &Udi) -> Result<Instance, Error> {
    instances::find(tx, sudi)?.filter(|instance| !instance.removed).ok_or_else(not_known)
}

/// Why a product instance that was known by its key is so no more.
fn gone(tx: &mut Tx<'_>, udi: &Udi) -> Result<Instance, Error> {
    known_instance(tx, udi)?;
    let text = "the signature of the report does not verify: the device was registered anew";
    Err(Error::invalid(text))
}

/// A contact that brings no report, counted against the limit: but not when somebody says again what was said before.
fn contact_of(
    tx: &mut Tx<'_>,
    now: Timestamp,
    sudi: &Udi,
    settings: &Settings,
    millis: i64,
) -> Result<(Instance, Written), Error> {
    let mut instance = known_instance(tx, sudi)?;
    if millis > instance.message_millis {
        instance.message_millis = millis;
        let window = instances::next_window(now, &instance, settings)?;
        instances::note_contact(tx, now, &instance, window)?;
    }
    let (account, within) = instance.account();
    let standing = Arc::new(standing::read(tx, account, within)?);
    let written = Written::of(standing.for_instances(tx, [instance.id])?);
    Ok((instance, written))
}

/// What goes along with an answer that is whole: a trust code for the account it is in now, and what is asked for.
fn complete(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance: &Instance,
    written: &mut Written,
) -> Result<(), Error> {
    written.trust_codes.extend(trust::renewal(tx, now, instance)?);
    written.report_requests.extend(lineage::ask_for_missing(tx, now, instance)?);
    Ok(())
}

fn keep_for_poll(
    tx: &mut Tx<'_>,
    ready_at: Timestamp,
    instance_id: InstanceId,
    poll_id: &str,
    entries: &[Acknowledgement],
) -> Result<(), Error> {
    let results = serde_json::to_string(entries).expect("entries always serialise");
    let sql = "INSERT INTO poll (id, product_instance_id, ready_at, results)
        VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[poll_id.into(), instance_id.into(), ready_at.0.into(), (&results).into()])?;
    Ok(())
}

fn poll_result(
    tx: &mut Tx<'_>,
    now: Timestamp,
    instance_id: InstanceId,
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
    // An answer may get lost: for a day it is given again.
    let sql = "UPDATE poll SET fetched_at = COALESCE(fetched_at, $1) WHERE id = $2";
    tx.execute(sql, &[now.0.into(), poll_id.into()])?;
    Ok(())
}
