//! Trust: a device's request and CSSM's trust code (guide p. 13, 43; PI-TRUST, G-05, FILE-012).
//!
//! The device makes its key pair at first boot and keeps it. A *trust code* is CSSM's signed statement
//! that binds UDI, public key and account; it leads up to the root the device was provisioned with.

use serde::{Deserialize, Serialize};

use crate::crypto::{PublicKey, Suite};
use crate::document::Signed;
use crate::identity::{InvalidIdentity, Role, Udi};
use crate::time::Timestamp;

/// What a device says, signed with its own key, when it asks for a trust code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRequest {
    /// The supervisor that asks.
    pub sudi: Udi,
    /// Its role.
    pub role: Role,
    /// The product instance it belongs to.
    pub product_instance_identifier: String,
    /// The device's public key.
    pub public_key: PublicKey,
    /// When it was asked, by the device's clock.
    pub timestamp: Timestamp,
    /// Sixteen characters that make the request unique.
    pub nonce: String,
}

/// Why a trust request is not acceptable, from whomever it comes.
#[derive(Debug, thiserror::Error)]
pub enum TrustRequestError {
    /// Signed by another key than the one it names.
    #[error("signature mismatch")]
    Signature,
    /// Not a UDI.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// A field that cannot be right.
    #[error("a field of the trust request is too long or no text")]
    Field,
}

impl Signed<TrustRequest> {
    /// The longest that is acceptable, in bytes of its text.
    pub const BYTES_MAX: usize = 8 << 10;

    /// Whether it is signed by the key it names, and its fields can be right.
    ///
    /// # Errors
    /// When not.
    pub fn check(&self, suite: &dyn Suite) -> Result<(), TrustRequestError> {
        let request = &self.value;
        if self.text.len() > Self::BYTES_MAX {
            return Err(TrustRequestError::Field);
        }
        if !self.verify(suite, &request.public_key) {
            return Err(TrustRequestError::Signature);
        }
        request.sudi.check()?;
        for field in [&request.product_instance_identifier, &request.nonce] {
            if field.len() > 64 || field.contains(char::is_control) {
                return Err(TrustRequestError::Field);
            }
        }
        Ok(())
    }
}

/// CSSM's statement about a device's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustCode {
    /// CSSM's number of this trust code.
    pub trust_id: u64,
    /// The supervisor it is locked to.
    pub sudi: Udi,
    /// The product instance.
    pub product_instance_identifier: String,
    /// The key it vouches for.
    pub public_key: PublicKey,
    /// The Smart Account.
    pub smart_account: String,
    /// The Virtual Account.
    pub virtual_account: String,
    /// When CSSM wrote it.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl TrustCode {
    /// How long a trust code lasts: eight years.
    pub const VALID_DAYS: u32 = 8 * 365 + 2;
}
