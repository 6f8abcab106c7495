//! Which signing certificates of CSSM hold no more.

use serde::{Deserialize, Serialize};

use crate::crypto::{SignerCertificate, sha256};
use crate::statement::Purpose;
use crate::text::base64;
use crate::time::Timestamp;

/// Signing certificates of CSSM that hold no more, by the root itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// [`Purpose::Revocation`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The CSSM that speaks: [`crate::cssm_id`] of its root.
    pub issuer: String,
    /// Grows with each list: the higher one holds.
    pub version: u64,
    /// When it was written.
    pub issued_at: Timestamp,
    /// Base64 of SHA-256 over each certificate.
    pub certificates: Vec<String>,
}

impl Revocation {
    /// The list that follows one, with one more certificate.
    #[must_use]
    pub fn after(
        earlier: Option<&Self>,
        root_certificate: &[u8],
        revoked: &SignerCertificate,
        now: Timestamp,
    ) -> Self {
        let mut certificates = earlier.map(|list| list.certificates.clone()).unwrap_or_default();
        certificates.push(Self::name_of(revoked));
        Self {
            purpose: Purpose::Revocation,
            issuer: crate::statement::cssm_id(root_certificate),
            version: earlier.map_or(0, |list| list.version) + 1,
            issued_at: now,
            certificates,
        }
    }

    /// Whether a certificate is on the list.
    #[must_use]
    pub fn names(&self, certificate: &SignerCertificate) -> bool {
        self.certificates.contains(&Self::name_of(certificate))
    }

    /// How a list names a certificate.
    #[must_use]
    pub fn name_of(certificate: &SignerCertificate) -> String {
        base64(&sha256(&certificate.0))
    }
}
