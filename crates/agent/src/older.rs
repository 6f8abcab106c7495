//! Licensing of before Smart Licensing Using Policy needs the device's key: its messages are made and its answers are checked here. The
//! agent keeps nothing of it, but that a registration stands for a token when it asks for trust (PI-TRUST-012).

use rumline_protocol::{
    Document, HaMember, MESSAGE_VERSION, OlderAnswer, OlderCall, OlderResult, OlderUse, PublicKey,
    Purpose, Request, RequestBody, Response, ResponseStatus, Role, Signed, Timestamp, TrustRequest,
    Udi, base64, cssm_id, is_id_token_of, is_of_now, random_hex,
};

use crate::config::Transport;
use crate::exchange::{Asked, printable, signed_text};
use crate::{Agent, Environment};

/// What is to be asked.
#[derive(Clone, PartialEq, Eq)]
pub struct OlderAsked {
    /// What.
    pub call: OlderCall,
    /// For a registration: the token, and whether to ask although there is one.
    pub token: Option<(String, bool)>,
    /// For an authorisation: what is in use.
    pub uses: Vec<OlderUse>,
    /// The host name, which is told by all releases of before.
    pub hostname: String,
}

/// Who is asked, and so whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OlderServer {
    /// CSSM, by its root certificate.
    Cssm,
    /// An SSM On-Prem, by the key it said when it registered the switch; none while it is asked to do so.
    OnPrem(Option<PublicKey>),
}

/// A message that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OlderRequest {
    /// Its number.
    pub request_id: String,
    /// What its answer has to repeat.
    pub nonce: String,
    /// Whose it is: after a switchover that of the other supervisor.
    pub sudi: Udi,
    /// As [`RequestBody::class`] names it.
    pub class: &'static str,
    /// The message.
    pub body: Vec<u8>,
}

/// Why an answer says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoOlderAnswer {
    /// CSSM refused, and why.
    Refused(String),
    /// What came is no answer to the request, and why.
    Unusable(String),
}

impl Agent {
    /// Why a token is of no use here, if it is not: it goes to the CSSM that made it, over TLS, or not at all.
    ///
    /// # Errors
    /// With why.
    pub fn check_older_token(&self, id_token: &str, url: &str) -> Result<(), &'static str> {
        let cssm = cssm_id(&self.profile.root_certificate);
        if cssm.is_empty() {
            return Err("the root certificate of CSSM is not known here");
        }
        if !crate::exchange::is_https(url) {
            return Err("a token is sent by https only");
        }
        if is_id_token_of(id_token, &cssm) { Ok(()) } else { Err("the token is not valid") }
    }

    /// Makes a message of the older licensing.
    pub fn older_request(
        &self,
        now: Timestamp,
        asked: OlderAsked,
        environment: &mut Environment<'_>,
    ) -> OlderRequest {
        let OlderAsked { call, token, uses, hostname } = asked;
        let nonce = random_hex(environment.random, 8);
        let (id_token, force) = token.map_or((None, false), |(token, force)| (Some(token), force));
        let trust_requests = match &id_token {
            None => Vec::new(),
            Some(token) => {
                let asked = Asked {
                    nonce: nonce.clone(),
                    token: Some(token),
                    force,
                    valid_until: now + TrustRequest::BY_WIRE_SECONDS,
                };
                let active = |member: &HaMember| member.role == Role::Active;
                let requests = self.signed_trust_requests(now, active, &asked);
                requests.into_iter().map(signed_text).collect()
            }
        };
        let body = RequestBody::SmartLicensing { call, id_token, force, trust_requests, uses };
        let mut request = Request {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: random_hex(environment.random, 16),
            timestamp: now.millis(),
            nonce,
            sudi: self.profile.udi().clone(),
            hostname: Some(hostname),
            software_version: Some(self.profile.software_version.clone()),
            customer_tags: Default::default(),
            software_tag_identifier: self.profile.software_tag.clone(),
            agent_version: self.profile.agent_version.clone(),
            // The other supervisor of a chassis may be the one that is registered.
            public_key: Some(self.signer.public_key().clone()),
            proof: None,
            body,
        };
        if request.body.is_proven() {
            let cssm = cssm_id(&self.profile.root_certificate);
            let signature = self.signer.sign(request.proof_text(&cssm).as_bytes());
            request.proof = Some(base64(&signature));
        }
        let body = serde_json::to_vec(&request).expect("requests always serialise");
        let class = request.body.class();
        let Request { request_id, nonce, sudi, .. } = request;
        OlderRequest { request_id, nonce, sudi, class, body }
    }

    /// What an answer to such a message says, if whoever was asked signed it for this request.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn older_answer(
        &self,
        now: Timestamp,
        (nonce, server): (&str, &OlderServer),
        body: &[u8],
    ) -> Result<OlderResult, NoOlderAnswer> {
        let unusable = |why: &str| NoOlderAnswer::Unusable(printable(why));
        let response: Response =
            serde_json::from_slice(body).map_err(|_| unusable("what came is no answer"))?;
        if response.nonce != nonce {
            return Err(unusable("the answer is to another message"));
        }
        let Some(said) = &response.smart_licensing else {
            let why = printable(&response.status_message);
            return Err(match response.status {
                ResponseStatus::Failed => NoOlderAnswer::Refused(why),
                _ => NoOlderAnswer::Unusable("the answer says nothing".to_owned()),
            });
        };
        let signed: Signed<OlderAnswer> =
            Signed::parse("smart licensing", said.data.clone(), &said.signature)
                .map_err(|error| unusable(&error.to_string()))?;
        let answer = &signed.value;
        let key = match (server, &answer.result) {
            (OlderServer::Cssm, _) => {
                let text = response.smart_license.as_deref().unwrap_or_default();
                let document = Document::parse(text.as_bytes())
                    .map_err(|error| unusable(&error.to_string()))?;
                self.signer_of(now, &document).map_err(|why| unusable(&why))?.public_key
            }
            // Whoever gave the token, and the URL it went to, over TLS, takes this server for the right one: its key is kept.
            (OlderServer::OnPrem(None), OlderResult::Registered { server_key: Some(key), .. }) => {
                key.clone()
            }
            (OlderServer::OnPrem(Some(key)), _) => key.clone(),
            (OlderServer::OnPrem(None), _) => {
                return Err(unusable(
                    "the answer is of a server that this switch is not registered with",
                ));
            }
        };
        if !signed.verify(self.suite.as_ref(), &key) || answer.purpose != Purpose::OlderLicensing {
            return Err(unusable("signature mismatch"));
        }
        if answer.sudi != *self.profile.udi() || answer.answers != nonce {
            return Err(unusable("the answer is to another message"));
        }
        if !is_of_now(now, answer.issued_at) {
            return Err(unusable("timestamp mismatch, check the clock"));
        }
        Ok(signed.value.result)
    }

    /// Whether CSSM knows the device by a registration of before: that stands for a token, until there is a trust code, where the
    /// device speaks to CSSM itself.
    pub(crate) fn registration_stands(&self) -> bool {
        let is_direct = matches!(self.config.transport, Transport::Smart | Transport::Callhome);
        self.is_registered_before && is_direct && self.installed.trust_codes.is_empty()
    }
}
