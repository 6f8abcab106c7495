//! Licensing of before Smart Licensing Using Policy, by the same message and envelope as all else: what a registered switch asks, and
//! what CSSM says to it, signed (PI-MIG-020, CSSM-034). Cisco's own form is not public; this one is the project's.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::crypto::PublicKey;
use crate::identity::{EntitlementTag, Udi};
use crate::statement::Purpose;
use crate::time::Timestamp;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OlderCall {
    /// To be registered, with an id token.
    Register,
    /// To stay registered.
    Renew,
    /// Whether what is in use was bought.
    Authorize,
    /// To be registered no more.
    Deregister,
}

/// A licence in use, as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderUse {
    /// What.
    pub tag: EntitlementTag,
    /// How many.
    pub count: u32,
}

impl OlderUse {
    /// Whether all of a message can be: as many as it may name, each tag once, and counts as reports may have them.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check_all(uses: &[Self]) -> Result<(), String> {
        if uses.len() > OlderAnswer::USES_MAX {
            return Err("the message names too many licenses".to_owned());
        }
        let mut tags = BTreeSet::new();
        for own in uses {
            own.tag.check().map_err(|error| error.to_string())?;
            let (tag, count, max) = (&own.tag, own.count, EntitlementTag::COUNT_MAX);
            if !(1..=max).contains(&count) {
                return Err(format!("{tag} is said to be in use {count} times: 1 to {max}"));
            }
            if !tags.insert(tag) {
                return Err(format!("the message names {tag} twice"));
            }
        }
        Ok(())
    }
}

/// What CSSM says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OlderResult {
    /// The switch is registered, for this long.
    Registered {
        /// The Smart Account.
        smart_account: String,
        /// The Virtual Account.
        virtual_account: String,
        /// When it ends without a renewal.
        expires_at: Timestamp,
        /// Of an SSM On-Prem: where the switch reports to once it has Smart Licensing Using Policy (ONPREM-018).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cslu_url: Option<String>,
        /// Of an SSM On-Prem: the key that signs this and all it says later. The switch keeps it with the registration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server_key: Option<PublicKey>,
    },
    /// What is in use was looked at.
    Authorized {
        /// Of these there are not enough licences.
        out_of_compliance: Vec<EntitlementTag>,
        /// When the authorisation ends if the switch is not heard of.
        deadline_at: Timestamp,
    },
    /// It is registered no more.
    Deregistered,
    /// There is no such registration.
    Unknown,
}

/// What an SSM On-Prem passes on to CSSM of a switch that is registered with it: what the switch said last, as it said it. The switch
/// signed it for CSSM, so that an SSM On-Prem can make nothing up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderWord {
    /// When the switch asked there to be registered, by its clock, as is all that its message and its reports tell.
    pub registered_at: Timestamp,
    /// When that ends without a renewal.
    pub expires_at: Timestamp,
    /// A message of the switch with its proof, as [`crate::Request::proven_text`] has it: an [`OlderCall::Authorize`] or
    /// [`OlderCall::Deregister`].
    pub message: String,
}

/// What CSSM says to one request, as it signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderAnswer {
    /// [`Purpose::OlderLicensing`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The switch.
    pub sudi: Udi,
    /// The nonce of the request.
    pub answers: String,
    /// When it was written.
    pub issued_at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub result: OlderResult,
}

impl OlderAnswer {
    /// Days that a registration lasts (guide p. 56).
    pub const REGISTERED_DAYS: u32 = 365;
    /// Days that an authorisation lasts (guide p. 56).
    pub const AUTHORIZED_DAYS: u32 = 90;
    /// Where an SSM On-Prem takes Call Home. Whoever configures a URL with this path says that an SSM On-Prem is there, and not CSSM.
    pub const ON_PREM_PATH: &str = "/Transportgateway/services/DeviceRequestHandler";
    /// The most licences in a request.
    pub const USES_MAX: usize = 256;
}
