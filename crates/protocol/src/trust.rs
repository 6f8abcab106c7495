//! Trust: a device's request and CSSM's trust code (guide p. 13, 43; PI-TRUST, G-05, FILE-012).
//!
//! The device makes its key pair at first boot and keeps it. A *trust code* is CSSM's signed statement
//! that binds UDI, public key and account; it leads up to the root the device was provisioned with.

use serde::{Deserialize, Serialize};

use crate::conversion::{Conversion, Traditional};
use crate::crypto::{PublicKey, Suite, sha256};
use crate::document::Signed;
use crate::identity::{InvalidIdentity, Role, Udi};
use crate::random::Random;
use crate::statement::Purpose;
use crate::text::base64;
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
    /// Sixteen characters that make the request unique; the trust code answers them.
    pub nonce: String,
    /// [`Purpose::TrustRequest`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The CSSM it is for: [`crate::cssm_id`].
    #[serde(default)]
    pub audience: String,
    /// The digest of the one token it may be used with: [`TrustRequest::token_digest`]. None where it rides on reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// Whether to ask although the UDI is registered (PI-TRUST-005).
    #[serde(default)]
    pub force: bool,
    /// The Smart Account it asks for; none where any will do that its token, or whoever vouches for it, names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smart_account: Option<String>,
    /// The Virtual Account it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_account: Option<String>,
    /// What the device held by licence files and wants converted (PI-MIG-018).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversion: Vec<Traditional>,
    /// Until when it holds.
    #[serde(default = "TrustRequest::long_ago")]
    pub valid_until: Timestamp,
}

impl TrustRequest {
    /// A request that travels in a message holds as long as clocks may differ.
    pub const BY_WIRE_SECONDS: i64 = crate::statement::SKEW_SECONDS;
    /// One that is carried in a file, or lies at a collector, holds this long.
    pub const CARRIED_DAYS: u32 = 365;

    /// What stands for a token where the token itself must not: whoever sees it cannot use it.
    #[must_use]
    pub fn token_digest(id_token: &str) -> String {
        base64(&sha256(id_token.as_bytes()))
    }

    fn long_ago() -> Timestamp {
        Timestamp(0)
    }
}

/// The letters and digits of an id token that are drawn; the others show which CSSM made it.
const TOKEN_DRAWN: usize = 40;
const TOKEN_MARK: usize = 8;

/// Letters and digits only, so that it can be typed and pasted anywhere.
fn letters(bytes: &[u8], count: usize) -> String {
    let plain = base64(bytes).replace(['+', '/', '='], "x");
    plain.chars().take(count).collect()
}

fn token_mark(drawn: &str, cssm: &str) -> String {
    letters(&sha256(format!("id token\n{cssm}\n{drawn}").as_bytes()), TOKEN_MARK)
}

/// An id token of the CSSM with this name ([`crate::cssm_id`]). Its end is a mark of that CSSM, so that a switch can tell
/// before it shows the token to anybody.
#[must_use]
pub fn new_id_token(random: &mut dyn Random, cssm: &str) -> String {
    let mut bytes = [0; TOKEN_DRAWN * 3 / 4];
    random.fill(&mut bytes);
    let drawn = letters(&bytes, TOKEN_DRAWN);
    let mark = token_mark(&drawn, cssm);
    format!("{drawn}{mark}")
}

/// Whether an id token is whole and was made by this CSSM.
#[must_use]
pub fn is_id_token_of(id_token: &str, cssm: &str) -> bool {
    id_token.len() == TOKEN_DRAWN + TOKEN_MARK
        && id_token.is_ascii()
        && token_mark(&id_token[..TOKEN_DRAWN], cssm) == id_token[TOKEN_DRAWN..]
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
    /// Signed for another purpose.
    #[error("the signed text is no trust request")]
    Purpose,
    /// Made for another CSSM, or for none.
    #[error("the trust request is for another CSSM ({0}): give the switch the root of this one")]
    Audience(String),
    /// Made too long ago, or later than now.
    #[error("timestamp mismatch")]
    Time,
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
        if request.purpose != Purpose::TrustRequest {
            return Err(TrustRequestError::Purpose);
        }
        request.sudi.check()?;
        let conversion = &request.conversion;
        if conversion.len() > Traditional::MAX || !conversion.iter().all(Traditional::is_sound) {
            return Err(TrustRequestError::Field);
        }
        let accounts = [request.smart_account.as_deref(), request.virtual_account.as_deref()];
        let fields = [&request.product_instance_identifier, &request.nonce, &request.audience];
        let fields = fields.into_iter().map(|field| (field.as_str(), 64));
        for (field, bytes_max) in fields.chain(accounts.into_iter().flatten().map(|f| (f, 400))) {
            if field.len() > bytes_max || field.contains(char::is_control) {
                return Err(TrustRequestError::Field);
            }
        }
        Ok(())
    }

    /// Whether it was made for this CSSM, and holds now.
    ///
    /// # Errors
    /// When not.
    pub fn check_terms(&self, now: Timestamp, cssm: &str) -> Result<(), TrustRequestError> {
        let request = &self.value;
        if request.audience != cssm {
            let told = if request.audience.is_empty() { "none named" } else { &request.audience };
            return Err(TrustRequestError::Audience(told.to_owned()));
        }
        if crate::statement::is_not_of_the_future(now, request.timestamp)
            && now < request.valid_until
        {
            Ok(())
        } else {
            Err(TrustRequestError::Time)
        }
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
    /// [`Purpose::TrustCode`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The nonce of the trust request it answers.
    #[serde(default)]
    pub answers: String,
    /// What became of what was to be converted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversions: Vec<Conversion>,
}

impl TrustCode {
    /// How long a trust code lasts: eight years.
    pub const VALID_DAYS: u32 = 8 * 365 + 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(u8);
    impl Random for Count {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(5).wrapping_add(13);
                *byte = self.0;
            }
        }
    }

    #[test]
    fn a_token_shows_which_cssm_made_it_and_whether_it_is_whole() {
        let token = new_id_token(&mut Count(1), "CSSM:1");
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(is_id_token_of(&token, "CSSM:1"));
        assert!(!is_id_token_of(&token, "CSSM:2"));
        for index in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[index] = if other[index] == b'a' { b'b' } else { b'a' };
            assert!(!is_id_token_of(&String::from_utf8(other).unwrap(), "CSSM:1"), "{index}");
            assert!(!is_id_token_of(&token[..index], "CSSM:1"));
        }
        assert!(!is_id_token_of(&"ä".repeat(24), "CSSM:1"));
    }
}
