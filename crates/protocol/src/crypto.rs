//! The signing seam: everything above knows only [`Suite`] and [`Signer`].
//!
//! The real suite signs with RSA-2048 (devices) and ECDSA P-256 (CSSM); the simulator brings a cheap,
//! deterministic one. The label travels in every signature, so that other algorithms can follow.

use aws_lc_rs::{digest, hmac};
use serde::{Deserialize, Serialize};

use crate::random::Random;
use crate::text::{base64, from_base64};
use crate::time::Timestamp;

/// How a signature is made; the `signing_type` of the RUM report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SigningType {
    /// RSA PKCS#1 v1.5 with SHA-256.
    #[serde(rename = "RSA-SHA256")]
    RsaSha256,
    /// ECDSA on P-256 with SHA-256, DER encoded.
    #[serde(rename = "ECDSA-P256-SHA256")]
    EcdsaP256Sha256,
    /// The simulator's scheme; the real suite refuses it.
    #[serde(rename = "SIMULATED")]
    Simulated,
}

impl SigningType {
    /// The label that travels.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::RsaSha256 => "RSA-SHA256",
            Self::EcdsaP256Sha256 => "ECDSA-P256-SHA256",
            Self::Simulated => "SIMULATED",
        }
    }

    /// The type a label names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::RsaSha256, Self::EcdsaP256Sha256, Self::Simulated]
            .into_iter()
            .find(|kind| kind.label() == label)
    }
}

/// A public key: its algorithm and its X.509 SubjectPublicKeyInfo in DER.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct PublicKey {
    /// What the key signs with.
    pub signing_type: SigningType,
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
}

impl PublicKey {
    /// The key id that stands in reports: twelve decimal digits taken from the SHA-256 of the key.
    #[must_use]
    pub fn key_id(&self) -> String {
        let hash = sha256(&self.spki);
        let number = u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
        format!("{:012}", number % 1_000_000_000_000)
    }

    /// The key in PEM, as `openssl` reads it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = base64(&self.spki);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
            pem.push('\n');
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }

    /// Reads PEM; what the key signs with follows from its kind.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        // id-ecPublicKey, as the algorithm of a SubjectPublicKeyInfo names it.
        const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        let lines = pem.lines().map(str::trim);
        let body: String = lines.filter(|line| !line.starts_with("-----")).collect();
        let spki = from_base64(&body).filter(|spki| !spki.is_empty())?;
        // Two heads of a sequence stand before it, of two or three bytes each.
        let is_ec = (2..=8).any(|at| spki.get(at..).is_some_and(|rest| rest.starts_with(EC)));
        let signing_type =
            if is_ec { SigningType::EcdsaP256Sha256 } else { SigningType::RsaSha256 };
        Some(Self { signing_type, spki })
    }

    /// `RSA-SHA256:BASE64`, the form in JSON documents.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.signing_type.label(), base64(&self.spki))
    }

    /// Reads what [`PublicKey::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (label, key) = text.split_once(':')?;
        Some(Self { signing_type: SigningType::from_label(label)?, spki: from_base64(key)? })
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| serde::de::Error::custom("not a public key"))
    }
}

/// A certificate of a signing key, in the form its suite writes (X.509 DER for the real one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCertificate(pub Vec<u8>);

/// Who stands behind a certificate that leads up to a trusted root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerIdentity {
    /// The name in the certificate.
    pub name: String,
    /// The key that verifies what it signed.
    pub public_key: PublicKey,
}

/// Why a cryptographic operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// A key that cannot be read or made.
    #[error("the key is not usable: {0}")]
    Key(String),
    /// A certificate that does not lead to the root.
    #[error("the signing certificate does not lead to the trusted root: {0}")]
    Chain(String),
    /// A certificate outside its time.
    #[error("the signing certificate is not valid at this time")]
    CertificateTime,
}

/// Holds a private key and signs with it.
pub trait Signer: Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;
    /// Signs `message`.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
    /// The private key as PKCS#8 DER, to be stored by its owner and nobody else.
    fn private_key(&self) -> Vec<u8>;
}

/// A signer and the certificate that vouches for it.
pub struct SigningIdentity {
    /// Signs.
    pub signer: Box<dyn Signer>,
    /// Leads to the root.
    pub certificate: SignerCertificate,
    /// The root, in the form its suite writes.
    pub root_certificate: Vec<u8>,
    /// Certificates before this one that hold no more, as the root says.
    pub revocation: Option<crate::document::Signed<crate::revocation::Revocation>>,
}

/// A family of algorithms.
pub trait Suite: Send + Sync {
    /// Makes a device key pair.
    ///
    /// # Errors
    /// When the key generator fails.
    fn generate_device_key(&self, random: &mut dyn Random) -> Result<Box<dyn Signer>, CryptoError>;

    /// Reads a device key pair written by [`Signer::private_key`].
    ///
    /// # Errors
    /// When the bytes are not such a key.
    fn load_device_key(&self, private_key: &[u8]) -> Result<Box<dyn Signer>, CryptoError>;

    /// Whether `signature` is `key`'s over exactly `message`.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        self.verify_sha256(key, &sha256(message), signature)
    }

    /// Whether `signature` is `key`'s over the message with this SHA-256.
    fn verify_sha256(&self, key: &PublicKey, sha256: &[u8; 32], signature: &[u8]) -> bool;

    /// The key of a root certificate; none where it cannot be read.
    fn root_key(&self, root: &[u8]) -> Option<PublicKey>;

    /// Follows a signing certificate up to `root`.
    ///
    /// # Errors
    /// When it does not lead there or is outside its time.
    fn verify_chain(
        &self,
        root: &[u8],
        certificate: &SignerCertificate,
        now: Timestamp,
    ) -> Result<SignerIdentity, CryptoError>;
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// SHA-256 of all that can be read.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(reader: &mut dyn std::io::Read) -> std::io::Result<[u8; 32]> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    Ok(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

/// HMAC-SHA-256 of `bytes` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, bytes).as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
}
