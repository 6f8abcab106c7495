//! Call Home at an SSM On-Prem: switches of before Smart Licensing Using Policy register here, say what they use, renew and go (guide
//! p. 27, 29, 51-52; ONPREM-018, C-39). Whoever has Smart Licensing Using Policy is told that the cslu transport is the one that is
//! supported here (ONPREM-004).

use std::sync::Arc;

use rumline_protocol::{
    EntitlementTag, MessageForm, OlderAnswer, OlderCall, OlderResult, OlderUse, PublicKey, Purpose,
    Request, RequestBody, Response, ResponseStatus, Signed, SignedText, Speaker, Timestamp,
    TrustRequest, Udi, base64, is_of_now,
};
use rumline_store::Tx;

use crate::ids::{InstanceId, TenantId};
use crate::instances::{self, About, NewInstance};
use crate::journal::add_event;
use crate::receiver::{Answer, refuse};
use crate::{Actor, Collector, Error, Kind, claims, id_tokens, older, tenants};

/// What a device with Smart Licensing Using Policy is told (ONPREM-004).
const CSLU_ONLY: &str = "only the cslu transport is supported here: license smart transport cslu and license smart url \
     cslu https://HOST/cslu/v1/pi/TENANT_ID";
/// What a switch of before is told at a path of CSSM's.
const OTHER_PATH: &str = "this is an SSM On-Prem: the URL of Call Home ends with /Transportgateway/services/DeviceRequestHandler";
/// A product instance of a tenant.
type Place = (TenantId, InstanceId);

/// By which way a message came that is not that of the cslu transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherWay {
    /// The path where an SSM On-Prem takes Call Home ([`OlderAnswer::ON_PREM_PATH`]).
    OnPrem,
    /// Call Home at the path of CSSM.
    CallHome,
    /// The smart transport.
    Smart,
}

impl OtherWay {
    /// What messages come in.
    #[must_use]
    pub fn form(self) -> MessageForm {
        match self {
            Self::OnPrem | Self::CallHome => MessageForm::CallHome,
            Self::Smart => MessageForm::Plain,
        }
    }
}

/// What a switch asks that shows to be registered.
struct Asked {
    call: OlderCall,
    uses: Vec<OlderUse>,
    /// The message as it is kept for CSSM.
    message: String,
    millis: i64,
    nonce: String,
    about: About,
}

impl Collector {
    /// Takes a message that did not come by the cslu transport, and calls `done` once what it brought is durable. Says who speaks, if it
    /// is a message. `url_of` says where product instances of a tenant report to.
    pub fn receive_other(
        &self,
        now: Timestamp,
        (way, from): (OtherWay, &str),
        url_of: impl Fn(&str) -> String + Send + 'static,
        body: &[u8],
        done: impl FnOnce(Answer) + Send + 'static,
    ) -> Option<Speaker> {
        let mut request = match way.form().read(body) {
            Ok(request) => request,
            Err(text) => {
                done(Answer::NotAMessage(text));
                return None;
            }
        };
        let speaker = request.speaker();
        let body = std::mem::replace(&mut request.body, RequestBody::SYNC);
        let refusal = match (&body, self.settings.kind, way) {
            (RequestBody::SmartLicensing { .. }, Kind::OnPrem, OtherWay::OnPrem) => None,
            (RequestBody::SmartLicensing { .. }, Kind::OnPrem, _) => Some(OTHER_PATH),
            (RequestBody::SmartLicensing { .. }, Kind::Cslu, _) => {
                Some("a CSLU registers no switches: they register with CSSM or an SSM On-Prem")
            }
            _ => Some(CSLU_ONLY),
        };
        if let Some(text) = refusal {
            done(refuse(now, &request, &Error::invalid(text)));
            return Some(speaker);
        }
        if self.cssm_id().is_empty() {
            let text = "this SSM On-Prem does not know CSSM's root certificate";
            done(refuse(now, &request, &Error::invalid(text)));
            return Some(speaker);
        }
        let RequestBody::SmartLicensing { call, id_token, force, trust_requests, uses } = body
        else {
            return Some(speaker);
        };
        if call == OlderCall::Register {
            let token = (id_token.unwrap_or_default(), force);
            self.take_registration(now, from, request, (token, &trust_requests), url_of, done);
        } else {
            request.body = RequestBody::SmartLicensing {
                call,
                id_token: None,
                force,
                trust_requests: Vec::new(),
                uses: uses.clone(),
            };
            self.take_older(now, request, (call, uses), url_of, done);
        }
        Some(speaker)
    }

    fn take_registration(
        &self,
        now: Timestamp,
        from: &str,
        mut request: Request,
        ((token, force), trust_requests): ((String, bool), &[SignedText]),
        url_of: impl Fn(&str) -> String + Send + 'static,
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        let asked = self.check_registration(now, &request, (&token, force), trust_requests);
        let asked = match asked {
            Ok(asked) => asked,
            Err(error) => return done(refuse(now, &request, &error)),
        };
        let about = About::of(&mut request);
        let (cssm, from) = (Arc::clone(&self.cssm_id), from.to_owned());
        let server_key = self.signer.public_key().clone();
        let work = move |tx: &mut Tx<'_>| {
            let found = match register(tx, now, (&cssm, &token, force), (&asked, &from), &about)? {
                Ok(tenant_id) => tenants::by_id(tx, tenant_id)?,
                Err(refusal) => return Ok(Err(refusal)),
            };
            Ok(Ok(OlderResult::Registered {
                cslu_url: Some(url_of(&found.name)),
                smart_account: found.smart_account,
                virtual_account: found.virtual_account,
                expires_at: now.plus_days(OlderAnswer::REGISTERED_DAYS),
                server_key: Some(server_key.clone()),
            }))
        };
        let collector = self.clone();
        self.db.submit("older.register", work, move |outcome| {
            done(match outcome {
                Ok(Ok(result)) => collector.say_older(now, &request, result),
                Ok(Err(refusal)) => refuse(now, &request, &Error::Invalid(refusal)),
                Err(error) => refuse(now, &request, &error),
            });
        });
    }

    /// The registration that a switch signed: its own, for this token, now.
    fn check_registration(
        &self,
        now: Timestamp,
        request: &Request,
        (token, force): (&str, bool),
        trust_requests: &[SignedText],
    ) -> Result<TrustRequest, Error> {
        let first = trust_requests.first().ok_or_else(|| Error::invalid("it names no device"))?;
        let signed: Signed<TrustRequest> =
            Signed::parse("trust request", first.data.clone(), &first.signature)
                .map_err(|error| Error::invalid(error.to_string()))?;
        let right = signed
            .check(self.suite.as_ref())
            .and_then(|()| signed.check_terms(now, self.cssm_id()));
        right.map_err(|error| Error::invalid(error.to_string()))?;
        let asked = signed.value;
        if asked.sudi != request.sudi {
            return Err(Error::invalid("the registration is of another UDI"));
        }
        if !is_of_now(now, asked.timestamp) {
            return Err(Error::invalid("timestamp mismatch"));
        }
        let is_meant = asked.token_sha256.as_deref()
            == Some(TrustRequest::token_digest(token).as_str())
            && asked.force == force;
        if is_meant { Ok(asked) } else { Err(Error::invalid("it was made for another token")) }
    }

    fn take_older(
        &self,
        now: Timestamp,
        mut request: Request,
        (call, uses): (OlderCall, Vec<OlderUse>),
        url_of: impl Fn(&str) -> String + Send + 'static,
        done: impl FnOnce(Answer) + Send + 'static,
    ) {
        let checked = OlderUse::check_all(&uses).map_err(Error::invalid).and_then(|()| {
            let (udi, shown) = (request.sudi.clone(), request.public_key.clone());
            self.db.read("older.find", move |tx| match (of_udi(tx, &udi)?, &shown) {
                (Some((place, key)), _) => Ok(Some((place, key, None))),
                (None, Some(key)) => {
                    let mate = older::mate(tx, &udi, key)?;
                    Ok(mate.map(|(place, mate)| (place, key.clone(), Some(mate))))
                }
                (None, None) => Ok(None),
            })
        });
        let found = match checked {
            Ok(found) => found,
            Err(error) => return done(refuse(now, &request, &error)),
        };
        let Some((place, key, mate)) = found else {
            // One that was taken away here is told so, and nobody else believes it: it is signed with the key of its registration.
            return done(self.say_older(now, &request, OlderResult::Unknown));
        };
        if let Err(error) = self.check_proof_for(now, (&request, self.cssm_id()), &key) {
            return done(refuse(now, &request, &error));
        }
        let (millis, nonce) = (request.timestamp, request.nonce.clone());
        let message = request.proven_text();
        let about = About::of(&mut request);
        let (udi, server_key) = (request.sudi.clone(), self.signer.public_key().clone());
        let asked = Asked { call, uses, message, millis, nonce, about };
        let work = move |tx: &mut Tx<'_>| {
            let place = match &mate {
                Some(mate) => take_in(tx, now, (place, mate), (&udi, &key), &asked.about)?,
                None => place,
            };
            match said(tx, now, place, (&udi, &key), &asked)? {
                Said::Unknown => Ok(OlderResult::Unknown),
                Said::Gone => Ok(OlderResult::Deregistered),
                Said::Authorized(out_of_compliance) => Ok(OlderResult::Authorized {
                    out_of_compliance,
                    deadline_at: now.plus_days(OlderAnswer::AUTHORIZED_DAYS),
                }),
                Said::Renewed(expires_at) => {
                    let tenant = tenants::by_id(tx, place.0)?;
                    Ok(OlderResult::Registered {
                        cslu_url: Some(url_of(&tenant.name)),
                        smart_account: tenant.smart_account,
                        virtual_account: tenant.virtual_account,
                        expires_at,
                        server_key: Some(server_key.clone()),
                    })
                }
            }
        };
        let collector = self.clone();
        self.db.submit("older.take", work, move |outcome| {
            done(match outcome {
                Ok(result) => collector.say_older(now, &request, result),
                Err(error) => refuse(now, &request, &error),
            });
        });
    }

    /// What a switch is told, signed with the key that it keeps with its registration.
    fn say_older(&self, now: Timestamp, request: &Request, result: OlderResult) -> Answer {
        let said = OlderAnswer {
            purpose: Purpose::OlderLicensing,
            sudi: request.sudi.clone(),
            answers: request.nonce.clone(),
            issued_at: now,
            result,
        };
        let signed = Signed::json(said, self.signer.as_ref());
        let signature = base64(&signed.signature);
        let mut response = Response::new(request, now, ResponseStatus::Ok, "");
        response.smart_licensing = Some(SignedText { data: signed.text, signature });
        Answer::Message { response: Box::new(response), soon: None }
    }
}

/// The product instance of this UDI that is registered here, and its key.
fn of_udi(tx: &mut Tx<'_>, udi: &Udi) -> Result<Option<(Place, PublicKey)>, Error> {
    let sql = "SELECT instance.tenant_id, instance.id, instance.public_key FROM instance
        JOIN older_registration AS older ON older.tenant_id = instance.tenant_id
        AND older.instance_id = instance.id WHERE instance.serial = $1 AND instance.pid = $2
        ORDER BY older.registered_at DESC LIMIT 1";
    let found = tx.row(sql, &[(&udi.serial).into(), (&udi.pid).into()], |row| {
        Ok::<_, Error>(((row.id(0)?, row.id(1)?), row.opt_text(2)?))
    })?;
    Ok(found.and_then(|(place, key)| Some((place, PublicKey::from_text(key.as_deref()?)?))))
}

/// Registers a switch with a token; says in which tenant, or why not.
fn register(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (cssm, token, force): (&str, &str, bool),
    (asked, from): (&TrustRequest, &str),
    about: &About,
) -> Result<Result<TenantId, String>, Error> {
    let (udi, key) = (&asked.sudi, &asked.public_key);
    let Some((tenant_id, token)) = id_tokens::find(tx, cssm, token)? else {
        return Ok(Err("the token is not valid".to_owned()));
    };
    let actor = Actor::device(udi);
    let mut known = instances::find(tx, tenant_id, udi, Some(key))?;
    if let Some(own) = known.as_ref().filter(|own| !own.removed)
        && own.public_key.as_ref() == Some(key)
        && older::find(tx, (tenant_id, own.id))?.is_some_and(|it| it.nonce == asked.nonce)
    {
        // The answer to the same request got lost.
        return Ok(Ok(tenant_id));
    }
    if let Some(text) = token.refusal(now) {
        let told = format!("{udi} was refused with {}: {text}", token.name());
        add_event(tx, now, tenant_id, &actor, &told)?;
        return Ok(Err(text.to_owned()));
    }
    if let Some(own) = known.as_ref().filter(|own| !own.removed)
        && own.public_key.as_ref().is_some_and(|known| known != key)
    {
        if !force {
            claims::note(tx, now, (tenant_id, own.id), (udi, key, from))?;
            return Ok(Err("the device is known with another key: give force".to_owned()));
        }
        instances::leave(tx, now, (tenant_id, own.id))?;
        older::forget(tx, (tenant_id, own.id))?;
        older::clear_uses(tx, (tenant_id, own.id))?;
        known = instances::find(tx, tenant_id, udi, Some(key))?;
    }
    let id = match known {
        Some(known) => known.id,
        None => insert(tx, now, tenant_id, (udi, key), &token.name())?,
    };
    instances::own(tx, now, tenant_id, udi, &key.to_text())?;
    // Whatever it said before its registration, and whoever says it again, is past.
    let asked_at = asked.timestamp;
    // One supervisor is registered for a chassis.
    if let Some((mate, _)) = older::mate(tx, udi, key)?.filter(|(mate, _)| mate.0 == tenant_id) {
        older::forget(tx, mate)?;
        older::clear_uses(tx, mate)?;
    }
    instances::heard(tx, now, (tenant_id, id), key, about, asked_at.millis())?;
    id_tokens::count_use(tx, (tenant_id, token.id))?;
    let expires_at = now.plus_days(OlderAnswer::REGISTERED_DAYS);
    older::register(tx, asked_at, (tenant_id, id), (&asked.nonce, key), expires_at)?;
    let text = format!("{udi} registered with {}, by Smart Licensing", token.name());
    add_event(tx, now, tenant_id, &actor, &text)?;
    Ok(Ok(tenant_id))
}

/// Puts a product instance down that registered.
fn insert(
    tx: &mut Tx<'_>,
    now: Timestamp,
    tenant_id: TenantId,
    (udi, key): (&Udi, &PublicKey),
    added_by: &str,
) -> Result<InstanceId, Error> {
    let new = NewInstance {
        udi,
        public_key: Some(&key.to_text()),
        hostname: None,
        software_version: None,
        software_tag: "",
        added_by,
        in_contact: true,
        waiting: 0,
        trust_requests: None,
        wants_answer: false,
    };
    new.insert(tx, now, tenant_id)
}

/// The other supervisor of a chassis that is registered speaks, with the key of that one: it is in its place from now on (PI-MIG-024).
fn take_in(
    tx: &mut Tx<'_>,
    now: Timestamp,
    (place, mate): (Place, &Udi),
    (udi, key): (&Udi, &PublicKey),
    about: &About,
) -> Result<Place, Error> {
    let known = instances::find(tx, place.0, udi, Some(key))?;
    if known.as_ref().is_some_and(|own| !own.removed && own.public_key.as_ref() != Some(key)) {
        return Ok(place);
    }
    let id = match known {
        Some(known) => known.id,
        None => insert(tx, now, place.0, (udi, key), &mate.to_string())?,
    };
    let own = (place.0, id);
    instances::own(tx, now, place.0, udi, &key.to_text())?;
    instances::heard(tx, now, own, key, about, 0)?;
    older::take_over(tx, now, (place, mate), (own, udi))?;
    Ok(own)
}

/// What came of what a registered switch said.
enum Said {
    /// It is registered no more.
    Unknown,
    /// It goes.
    Gone,
    /// Of these there is not enough.
    Authorized(Vec<EntitlementTag>),
    /// It is registered until then.
    Renewed(Timestamp),
}

fn said(
    tx: &mut Tx<'_>,
    now: Timestamp,
    place: Place,
    (udi, key): (&Udi, &PublicKey),
    asked: &Asked,
) -> Result<Said, Error> {
    let known = instances::find(tx, place.0, udi, Some(key))?.filter(|known| known.id == place.1);
    let registered = older::find(tx, place)?;
    let (Some(known), Some(registered)) = (known, registered) else { return Ok(Said::Unknown) };
    if registered.is_over {
        let is_farewell = asked.call == OlderCall::Deregister;
        return Ok(if is_farewell { Said::Gone } else { Said::Unknown });
    }
    if registered.expires_at <= now || known.removed {
        return Ok(Said::Unknown);
    }
    // What was here before may have been sent again by anyone who saw it: it is answered, and changes nothing.
    // Of one second there may be several, of which the last that came counts.
    let is_again = registered.message_nonce.as_ref() == Some(&asked.nonce);
    let is_new = asked.millis >= known.message_millis && !is_again;
    if is_new {
        instances::heard(tx, now, place, key, &asked.about, asked.millis)?;
    }
    let word = (asked.message.as_str(), asked.nonce.as_str());
    match asked.call {
        OlderCall::Renew | OlderCall::Register => {
            let expires_at = now.plus_days(OlderAnswer::REGISTERED_DAYS);
            if is_new {
                older::renew(tx, place, expires_at)?;
            }
            Ok(Said::Renewed(expires_at))
        }
        OlderCall::Authorize => {
            if is_new {
                older::take_uses(tx, now, place, &asked.uses)?;
                older::keep_word(tx, place, word, false)?;
            }
            Ok(Said::Authorized(older::short_of(tx, place.0, &asked.uses)?))
        }
        OlderCall::Deregister if !is_new => Ok(Said::Gone),
        // What ended an earlier registration in the same second may have been sent again.
        OlderCall::Deregister if asked.millis <= registered.asked_at.millis() => {
            Err(Error::invalid("it was registered in this very second: ask again"))
        }
        OlderCall::Deregister => {
            older::clear_uses(tx, place)?;
            instances::leave(tx, now, place)?;
            older::keep_word(tx, place, word, true)?;
            let text = format!("{udi} deregistered");
            add_event(tx, now, place.0, &Actor::device(udi), &text)?;
            Ok(Said::Gone)
        }
    }
}
