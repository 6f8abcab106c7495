//! Smart transport: one JSON message in, one out, over HTTPS (guide p. 22; PI-NET-018, G-07).

use serde::{Deserialize, Serialize};

use crate::crypto::PublicKey;
use crate::identity::Udi;
use crate::older::{OlderCall, OlderUse};
use crate::report::ReportSignature;
use crate::time::Timestamp;

/// The version both sides speak.
pub const MESSAGE_VERSION: &str = "1.3";

/// A text with its signature, base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedText {
    /// The exact text.
    pub data: String,
    /// The signature over its bytes, base64.
    pub signature: String,
}

/// One RUM report in a message: its payload as the exact text that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageItem {
    /// The payload, byte for byte.
    pub payload: String,
    /// The signature over it.
    pub signature: ReportSignature,
}

/// What the owner calls the place of a product instance, in five levels (guide p. 96; PI-RUM-032, G-34). They are not signed: they
/// count nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerTags {
    /// Level 1: the entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Level 2: the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<String>,
    /// Level 3: the department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Level 4: the building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// Level 5: the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
}

impl CustomerTags {
    /// The longest tag, in bytes.
    pub const BYTES_MAX: usize = 127;

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The levels with their names, from the first.
    #[must_use]
    pub fn levels(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("entity", self.entity.as_deref()),
            ("geo", self.geo.as_deref()),
            ("department", self.department.as_deref()),
            ("building", self.building.as_deref()),
            ("room", self.room.as_deref()),
        ]
    }

    /// Sets a level by its number, from 1.
    pub fn set(&mut self, level: usize, tag: &str) {
        let levels = [
            &mut self.entity,
            &mut self.geo,
            &mut self.department,
            &mut self.building,
            &mut self.room,
        ];
        if let Some(own) = level.checked_sub(1).and_then(|place| levels.into_iter().nth(place)) {
            *own = Some(tag.to_owned());
        }
    }
}

/// What a product instance sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FlatRequest")]
pub struct Request {
    /// [`MESSAGE_VERSION`].
    pub message_version: String,
    /// Chosen by the sender; comes back in the answer.
    pub request_id: String,
    /// The sender's clock, in milliseconds.
    pub timestamp: i64,
    /// Sixteen characters; comes back in the answer.
    pub nonce: String,
    /// The active supervisor.
    pub sudi: Udi,
    /// The host name, unless hidden by the privacy setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The software version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// What the owner calls the place of the product instance.
    #[serde(default, skip_serializing_if = "CustomerTags::is_empty")]
    pub customer_tags: CustomerTags,
    /// The software tag.
    pub software_tag_identifier: String,
    /// The version of the smart agent.
    pub agent_version: String,
    /// The device's key, where the peer is a collector and may not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// For a request that carries nothing signed: the device key's signature over [`Request::proof_text`], base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// What is asked.
    #[serde(flatten)]
    pub body: RequestBody,
}

/// A request as it lies in the message: read in one go, without an intermediate form.
#[derive(Deserialize)]
struct FlatRequest {
    message_version: String,
    request_id: String,
    timestamp: i64,
    nonce: String,
    sudi: Udi,
    hostname: Option<String>,
    software_version: Option<String>,
    #[serde(default)]
    customer_tags: CustomerTags,
    software_tag_identifier: String,
    agent_version: String,
    public_key: Option<PublicKey>,
    proof: Option<String>,
    request_type: String,
    id_token: Option<String>,
    force: Option<bool>,
    #[serde(default)]
    trust_requests: Vec<SignedText>,
    usage: Option<Vec<UsageItem>>,
    smart_license: Option<String>,
    #[serde(default)]
    sync: bool,
    poll_id: Option<String>,
    call: Option<OlderCall>,
    #[serde(default)]
    uses: Vec<OlderUse>,
}

impl TryFrom<FlatRequest> for Request {
    type Error = String;

    fn try_from(flat: FlatRequest) -> Result<Self, Self::Error> {
        let missing = |field: &str| format!("missing field `{field}`");
        let body = match flat.request_type.as_str() {
            "TRUST_REQUEST" => RequestBody::TrustRequest {
                id_token: flat.id_token.ok_or_else(|| missing("id_token"))?,
                force: flat.force.ok_or_else(|| missing("force"))?,
                trust_requests: flat.trust_requests,
            },
            "USAGE_REPORT" => RequestBody::UsageReport {
                usage: flat.usage.ok_or_else(|| missing("usage"))?,
                trust_requests: flat.trust_requests,
                smart_license: flat.smart_license,
                sync: flat.sync,
            },
            "RESULT_POLL" => {
                RequestBody::ResultPoll { poll_id: flat.poll_id.ok_or_else(|| missing("poll_id"))? }
            }
            "SMART_LICENSING" => RequestBody::SmartLicensing {
                call: flat.call.ok_or_else(|| missing("call"))?,
                id_token: flat.id_token,
                force: flat.force.unwrap_or(false),
                trust_requests: flat.trust_requests,
                uses: flat.uses,
            },
            "TRUST_SYNC" => RequestBody::TrustSync { trust_requests: flat.trust_requests },
            other => return Err(format!("unknown request_type {other:?}")),
        };
        Ok(Self {
            message_version: flat.message_version,
            request_id: flat.request_id,
            timestamp: flat.timestamp,
            nonce: flat.nonce,
            sudi: flat.sudi,
            hostname: flat.hostname,
            software_version: flat.software_version,
            customer_tags: flat.customer_tags,
            software_tag_identifier: flat.software_tag_identifier,
            agent_version: flat.agent_version,
            public_key: flat.public_key,
            proof: flat.proof,
            body,
        })
    }
}

impl Request {
    /// Who is named as the receiver where it is not CSSM.
    pub const COLLECTOR: &'static str = "collector";
    /// The most reports in a message.
    pub const REPORTS_MAX: usize = 1000;

    /// Reads a message.
    ///
    /// # Errors
    /// Why it is none, without what a stranger wrote into it at length.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let request: Self = serde_json::from_slice(body).map_err(|error| {
            format!("not a message: {error}").chars().take(200).collect::<String>()
        })?;
        request.sudi.check().map_err(|error| error.to_string())?;
        let tags = request.customer_tags.levels();
        if tags.iter().any(|(_, tag)| tag.is_some_and(|tag| tag.len() > CustomerTags::BYTES_MAX)) {
            return Err(format!("a customer tag has more than {} bytes", CustomerTags::BYTES_MAX));
        }
        if request.request_id.len() > 64 || request.nonce.len() > 64 {
            return Err("request_id or nonce is too long".to_owned());
        }
        Ok(request)
    }

    /// Who sent it, and of what class it is.
    #[must_use]
    pub fn speaker(&self) -> Speaker {
        Speaker { sudi: self.sudi.clone(), class: self.body.class() }
    }

    /// What a sender signs to show that a request is its own: the kind, the ids, the time, and whom it is for:
    /// [`crate::cssm_id`], or [`Request::COLLECTOR`].
    #[must_use]
    pub fn proof_text(&self, receiver: &str) -> String {
        let subject = match &self.body {
            RequestBody::ResultPoll { poll_id } => poll_id.clone(),
            RequestBody::SmartLicensing { uses, .. } => {
                let uses = uses.iter().map(|own| format!("{} {}", own.tag, own.count));
                uses.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        };
        format!(
            "{}\n{receiver}\n{}\n{}\n{}\n{}\n{subject}",
            self.body.class(),
            self.request_id,
            self.nonce,
            self.timestamp,
            self.sudi
        )
    }
}

impl Request {
    /// What of a message of the older licensing its proof covers, and nothing else, as JSON: what is passed on. So it is as
    /// long as what was checked of it, whatever else stood in the message.
    #[must_use]
    pub fn proven_text(&self) -> String {
        let body = match &self.body {
            RequestBody::SmartLicensing { call, uses, .. } => RequestBody::SmartLicensing {
                call: *call,
                id_token: None,
                force: false,
                trust_requests: Vec::new(),
                uses: uses.clone(),
            },
            _ => RequestBody::SYNC,
        };
        let text = Self {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: self.request_id.clone(),
            timestamp: self.timestamp,
            nonce: self.nonce.clone(),
            sudi: self.sudi.clone(),
            hostname: None,
            software_version: None,
            customer_tags: CustomerTags::default(),
            software_tag_identifier: String::new(),
            agent_version: String::new(),
            public_key: None,
            proof: self.proof.clone(),
            body,
        };
        serde_json::to_string(&text).expect("requests always serialise")
    }
}

/// Who sent a request, and of what class it is: what a log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The active supervisor it names; whether it is that one shows its signature.
    pub sudi: Udi,
    /// As [`RequestBody::class`] names it.
    pub class: &'static str,
}

/// The kinds of request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "request_type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RequestBody {
    /// Exchange an id token for trust codes.
    TrustRequest {
        /// The registration token of the Virtual Account.
        id_token: String,
        /// Whether to ask again although the UDI is registered (PI-TRUST-005).
        force: bool,
        /// One signed [`crate::TrustRequest`] for each supervisor.
        trust_requests: Vec<SignedText>,
    },
    /// Report use.
    UsageReport {
        /// The reports.
        usage: Vec<UsageItem>,
        /// Trust requests that ride along (PI-TRUST-011).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        trust_requests: Vec<SignedText>,
        /// A `smartLicense` document with the trust codes the device holds: a CSSM that has lost it knows it by them.
        #[serde(skip_serializing_if = "Option::is_none")]
        smart_license: Option<String>,
        /// Whether the answer is to hold account and policy too, as that to a sync does.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        sync: bool,
    },
    /// Ask for the result of an earlier report.
    ResultPoll {
        /// As given in the answer to the report.
        poll_id: String,
    },
    /// Licensing of before Smart Licensing Using Policy.
    SmartLicensing {
        /// What is asked.
        call: OlderCall,
        /// For [`OlderCall::Register`]: the registration token.
        #[serde(skip_serializing_if = "Option::is_none")]
        id_token: Option<String>,
        /// For the same: whether to ask although the switch is registered.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// For the same: one signed [`crate::TrustRequest`] for each supervisor.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        trust_requests: Vec<SignedText>,
        /// For [`OlderCall::Authorize`]: what is in use.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        uses: Vec<OlderUse>,
    },
    /// Ask for what is missing: policy, account information.
    TrustSync {
        /// Trust requests of supervisors that have no trust code yet (PI-HA-009).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        trust_requests: Vec<SignedText>,
    },
}

impl RequestBody {
    /// A synchronization that asks for no trust code.
    pub const SYNC: Self = Self::TrustSync { trust_requests: Vec::new() };

    /// Whether it has to be shown that it comes from the device: it asks for something, beside what is signed in it.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(
            self,
            Self::ResultPoll { .. } | Self::TrustSync { .. } | Self::UsageReport { sync: true, .. }
        ) || matches!(self, Self::SmartLicensing { call, .. } if *call != OlderCall::Register)
    }

    /// The class of message, as `show license history message` names it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::TrustRequest { .. } => "Trust Establishment",
            Self::UsageReport { .. } => "Usage Reporting",
            Self::ResultPoll { .. } => "Result Polling",
            Self::TrustSync { .. } => "Trust Sync",
            Self::SmartLicensing { call, .. } => match call {
                OlderCall::Register => "Registration",
                OlderCall::Renew => "Registration Renewal",
                OlderCall::Authorize => "Authorization",
                OlderCall::Deregister => "Deregistration",
            },
        }
    }
}

/// How CSSM answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseStatus {
    /// Done; `smart_license` holds what was asked for.
    #[serde(rename = "OK")]
    Ok,
    /// Taken and durable; ask again later with `poll_id`.
    #[serde(rename = "OK_POLL")]
    OkPoll,
    /// Not now; nothing was taken, send it again.
    #[serde(rename = "OK_TRY_AGAIN")]
    OkTryAgain,
    /// Refused; `status_message` says why.
    #[serde(rename = "FAILED")]
    Failed,
}

impl ResponseStatus {
    /// The text of the status, as `show license tech support` prints it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::OkPoll => "OK_POLL",
            Self::OkTryAgain => "OK_TRY_AGAIN",
            Self::Failed => "FAILED",
        }
    }
}

/// What CSSM answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// [`MESSAGE_VERSION`].
    pub message_version: String,
    /// From the request.
    pub request_id: String,
    /// From the request.
    pub nonce: String,
    /// CSSM's clock, in milliseconds.
    pub timestamp: i64,
    /// How it went.
    pub status: ResponseStatus,
    /// The same in words.
    pub status_message: String,
    /// For [`ResponseStatus::OkPoll`]: what to ask with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_id: Option<String>,
    /// For [`ResponseStatus::OkPoll`]: when to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_interval_seconds: Option<u32>,
    /// A `smartLicense` document: ACKs, policy, trust codes, account information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smart_license: Option<String>,
    /// For [`RequestBody::SmartLicensing`]: a signed [`crate::OlderAnswer`]; the certificate of its key is in the document beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smart_licensing: Option<SignedText>,
}

impl Response {
    /// An answer to `request` without content.
    #[must_use]
    pub fn new(request: &Request, now: Timestamp, status: ResponseStatus, message: &str) -> Self {
        Self {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: request.request_id.clone(),
            nonce: request.nonce.clone(),
            timestamp: now.millis(),
            status,
            status_message: message.to_owned(),
            poll_id: None,
            poll_interval_seconds: None,
            smart_license: None,
            smart_licensing: None,
        }
    }
}
