//! What Smart Licensing keeps of its server: the registration, and what is authorised (guide p. 53-56).

use rumline_protocol::{EntitlementTag, PublicKey, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a switch is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// At CSSM.
    Cssm,
    /// At an SSM On-Prem.
    OnPrem,
}

/// Something that was tried with the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was answered, or given up.
    pub at: Timestamp,
    /// Why it failed; none where it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Attempt {
    /// As it is shown.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.failure.is_some() { "FAILED" } else { "SUCCEEDED" }
    }
}

/// The registration, as it stands and as it stood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The Smart Account it is in, or was last: it stays when the registration goes (guide p. 63).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smart_account: Option<String>,
    /// The Virtual Account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_account: Option<String>,
    /// How `register` went last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Attempt>,
    /// How a renewal went last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Attempt>,
    /// The registration, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Why it is to end, from when that is wanted until the server has heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leaving>,
}

/// Why a registration is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaving {
    /// `license smart deregister`.
    Asked,
    /// Smart Licensing was turned off; that may be taken back.
    TurnedOff,
}

impl Registration {
    /// There is none any more; the names of the accounts stay (guide p. 63).
    pub fn end(&mut self) {
        let (smart_account, virtual_account) =
            (self.smart_account.take(), self.virtual_account.take());
        *self = Self { smart_account, virtual_account, ..Self::default() };
    }
}

/// A registration that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// With whom.
    pub server: Server,
    /// When it is renewed.
    pub renew_at: Timestamp,
    /// When it ends without that.
    pub expires_at: Timestamp,
    /// Of an SSM On-Prem: where a switch with Smart Licensing Using Policy reports to (ONPREM-018).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cslu_url: Option<String>,
    /// Of an SSM On-Prem: the key that what it says is signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_key: Option<PublicKey>,
}

/// Whether what is in use was bought, by the server's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compliance {
    /// All of it.
    Authorized,
    /// It did not say yet.
    Pending,
    /// There are not enough licences of these.
    OutOfCompliance(Vec<EntitlementTag>),
    /// The server was not heard of for too long.
    Expired,
}

/// What is authorised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// What was asked for.
    pub uses: Vec<(EntitlementTag, u32)>,
    /// Whether it is.
    pub compliance: Compliance,
    /// Since when.
    pub at: Timestamp,
    /// How the last attempt went.
    pub last: Attempt,
    /// When the next one is.
    pub next_at: Timestamp,
    /// When the authorisation ends if the server is not heard of.
    pub deadline_at: Timestamp,
}
