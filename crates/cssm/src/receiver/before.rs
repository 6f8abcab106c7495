//! Messages of licensing of before Smart Licensing Using Policy (PI-MIG-020, CSSM-034).

use std::sync::Arc;

use rumline_protocol::{
    OlderAnswer, OlderCall, OlderResult, OlderUse, Purpose, Request, RequestBody, Response,
    ResponseStatus, Signed, SignedText, Timestamp, TrustRequest, base64, from_base64, is_of_now,
};
use rumline_store::Tx;

use super::{Answer, Contact, Taken, Written, contact_of, known_instance, not_known};
use crate::answer::{self, Contents};
use crate::instances::{self, About};
use crate::{Cssm, Error, older, registering, standing, trust};

/// What licensing of before Smart Licensing Using Policy asks.
pub(super) struct OlderAsked {
    pub call: OlderCall,
    pub id_token: Option<String>,
    pub force: bool,
    pub trust_requests: Vec<SignedText>,
    pub uses: Vec<OlderUse>,
}

impl Cssm {
    /// What a product instance hears that is registered here no more, by licensing of before Smart Licensing Using Policy.
    pub(super) fn without_registration(
        &self,
        contact: &Contact,
        request: &Request,
        about: &About,
    ) -> Option<Answer> {
        let is_older = matches!(request.body, RequestBody::SmartLicensing { .. });
        if !is_older || !request.body.is_proven() {
            return None;
        }
        let (now, sudi) = (contact.now, request.sudi.clone());
        let known = self.db.read("receiver.older", move |tx| instances::find(tx, &sudi)).ok()?;
        if known.is_some_and(|known| !known.removed) || self.take_in_mate(now, request, about) {
            return None;
        }
        let refused = self.turn_away(contact, request, &not_known());
        if matches!(refused, Answer::TooManyRequests { .. }) {
            return Some(refused);
        }
        let mut response = Response::new(request, now, ResponseStatus::Ok, "");
        self.say_older(now, request, OlderResult::Unknown, &mut response);
        let contents = Contents {
            acknowledgements: Vec::new(),
            trust_codes: Vec::new(),
            report_requests: Vec::new(),
            older: Vec::new(),
            standing: None,
            policy_wanted: false,
            correlation_id: &request.request_id,
        };
        let document = answer::document(contents, &self.issuer, &self.standing, now);
        response.smart_license = Some(document);
        Some(Answer::Message(Box::new(response)))
    }

    /// Whether who speaks is the other supervisor of a chassis that is registered: it shows the key of that, and is taken in.
    fn take_in_mate(&self, now: Timestamp, request: &Request, about: &About) -> bool {
        let Some(key) = request.public_key.clone() else { return false };
        let proof = request.proof.as_deref().and_then(from_base64).unwrap_or_default();
        let text = request.proof_text(&self.id);
        let (sudi, about) = (request.sudi.clone(), about.clone());
        let shown = (sudi.clone(), key.clone());
        let is_of_now = is_of_now(now, Timestamp::from_millis(request.timestamp));
        let has_mate = is_of_now
            && self.suite.verify(&key, text.as_bytes(), &proof)
            && self
                .db
                .read("receiver.mate", move |tx| older::mate(tx, &shown.0, &shown.1))
                .is_ok_and(|mate| mate.is_some());
        has_mate
            && self
                .db
                .write("receiver.mate", move |tx| older::take_over(tx, now, (&sudi, &key), &about))
                .unwrap_or(false)
    }

    pub(super) fn say_older(
        &self,
        now: Timestamp,
        request: &Request,
        result: OlderResult,
        response: &mut Response,
    ) {
        let said = OlderAnswer {
            purpose: Purpose::OlderLicensing,
            sudi: request.sudi.clone(),
            answers: request.nonce.clone(),
            issued_at: now,
            result,
        };
        let signed = Signed::json(said, self.issuer.signer.as_ref());
        let signature = base64(&signed.signature);
        response.smart_licensing = Some(SignedText { data: signed.text, signature });
    }

    /// Licensing of before Smart Licensing Using Policy (PI-MIG-020, CSSM-034).
    pub(super) fn take_older(
        &self,
        contact: Contact,
        request: Request,
        (asked, about): (OlderAsked, About),
        millis: i64,
        done: impl FnOnce(Taken) + Send + 'static,
    ) {
        let OlderAsked { call, id_token, force, trust_requests, uses } = asked;
        let (now, cssm) = (contact.now, self.clone());
        let (settings, sudi) = (self.settings.clone(), request.sudi.clone());
        if call != OlderCall::Register {
            let work = move |tx: &mut Tx<'_>| {
                let known = known_instance(tx, &sudi)?;
                // Of one second there may be several, of which the last that came counts.
                let is_new = millis >= known.message_millis;
                older::take_over(tx, now, (&sudi, &known.public_key), &about)?;
                let (instance, mut written) = contact_of(tx, now, &sudi, &settings, millis)?;
                written.older = Some(match call {
                    OlderCall::Renew => registering::renew(tx, now, &instance, &about)?,
                    OlderCall::Deregister => registering::deregister(tx, now, &instance, millis)?,
                    _ => registering::authorize(tx, now, (&instance, is_new), &uses, &about)?,
                });
                Ok(written)
            };
            return self.db.submit("receiver.older", work, move |outcome| {
                done(cssm.written(now, request, outcome));
            });
        }
        if let Some(retry_after_seconds) = self.is_turned_away(&contact) {
            return done(self.taken(now, Answer::TooManyRequests { retry_after_seconds }));
        }
        let requests = trust::parse_requests(self.suite.as_ref(), now, &self.id, &trust_requests);
        let is_its = |requests: &Vec<TrustRequest>| requests.iter().all(|own| own.sudi == sudi);
        let another = || Error::invalid("the registration is of another UDI");
        let requests = requests.and_then(|own| if is_its(&own) { Ok(own) } else { Err(another()) });
        let requests = match requests {
            Ok(requests) => requests,
            Err(error) => return done(self.taken(now, self.turn_away(&contact, &request, &error))),
        };
        let work = move |tx: &mut Tx<'_>| {
            let shown = (id_token.as_deref().unwrap_or_default(), force);
            let (instance, result) = match registering::register(tx, now, shown, &requests, &about)?
            {
                registering::Registered::Done(instance, result) => (instance, result),
                registering::Registered::Refused(text) => return Ok(Err(text)),
            };
            let (account, within) = instance.account();
            let mut written = Written::of(Arc::new(standing::read(tx, account, within)?));
            written.older = Some(result);
            Ok(Ok(written))
        };
        self.db.submit("receiver.older", work, move |outcome| {
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
}
