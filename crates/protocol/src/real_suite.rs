//! RSA-2048 for devices, ECDSA P-256 and X.509 for CSSM, all from one provider.
//!
//! Verifying RSA costs a third of verifying P-256, and the server verifies each report; CSSM signs one
//! ACK for a whole batch.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::crypto::{
    CryptoError, PublicKey, Signer, SignerCertificate, SignerIdentity, SigningIdentity,
    SigningType, Suite,
};
use crate::document::Signed;
use crate::random::Random;
use crate::revocation::Revocation;
use crate::time::{Timestamp, civil_from_days};

/// SubjectPublicKeyInfo of a P-256 key, up to its point.
const P256_SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// id-kp-codeSigning: what a signing certificate must allow.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// The algorithms of a real estate. Key generation and ECDSA draw their randomness from the provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealSuite;

impl Suite for RealSuite {
    fn generate_device_key(&self, _: &mut dyn Random) -> Result<Box<dyn Signer>, CryptoError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| CryptoError::Key("the generator failed".to_owned()))?;
        RsaSigner::new(pair)
    }

    fn load_device_key(&self, private_key: &[u8]) -> Result<Box<dyn Signer>, CryptoError> {
        let pair = RsaKeyPair::from_pkcs8(private_key)
            .map_err(|error| CryptoError::Key(error.to_string()))?;
        RsaSigner::new(pair)
    }

    fn verify_sha256(&self, key: &PublicKey, sha256: &[u8; 32], signature: &[u8]) -> bool {
        let Ok(digest) = Digest::import_less_safe(sha256, &SHA256) else { return false };
        let verified = match key.signing_type {
            SigningType::RsaSha256 => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key.spki)
                    .verify_digest(&digest, signature)
            }
            SigningType::EcdsaP256Sha256 => {
                let Some(point) = key.spki.strip_prefix(&P256_SPKI_HEAD) else { return false };
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                    .verify_digest(&digest, signature)
            }
            SigningType::Simulated => return false,
        };
        verified.is_ok()
    }

    fn root_key(&self, root: &[u8]) -> Option<PublicKey> {
        let root = CertificateDer::from(root);
        let certificate = webpki::EndEntityCert::try_from(&root).ok()?;
        let spki = certificate.subject_public_key_info().to_vec();
        Some(PublicKey { signing_type: SigningType::EcdsaP256Sha256, spki })
    }

    fn verify_chain(
        &self,
        root: &[u8],
        certificate: &SignerCertificate,
        now: Timestamp,
    ) -> Result<SignerIdentity, CryptoError> {
        let chain = |error: webpki::Error| match error {
            webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
                CryptoError::CertificateTime
            }
            other => CryptoError::Chain(other.to_string()),
        };
        let root = CertificateDer::from(root);
        let anchor = webpki::anchor_from_trusted_cert(&root).map_err(chain)?;
        let certificate = CertificateDer::from(certificate.0.as_slice());
        let end_entity = webpki::EndEntityCert::try_from(&certificate).map_err(chain)?;
        let seconds = u64::try_from(now.0).map_err(|_| CryptoError::CertificateTime)?;
        end_entity
            .verify_for_usage(
                &[webpki::aws_lc_rs::ECDSA_P256_SHA256],
                &[anchor],
                &[],
                UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                webpki::KeyUsage::required(CODE_SIGNING),
                None,
                None,
            )
            .map_err(chain)?;
        let spki = end_entity.subject_public_key_info().to_vec();
        let name = end_entity.valid_dns_names().next().unwrap_or("unnamed").to_owned();
        Ok(SignerIdentity {
            name,
            public_key: PublicKey { signing_type: SigningType::EcdsaP256Sha256, spki },
        })
    }
}

struct RsaSigner {
    pair: RsaKeyPair,
    public_key: PublicKey,
}

impl RsaSigner {
    #[expect(clippy::new_ret_no_self, reason = "callers only ever see the trait")]
    fn new(pair: RsaKeyPair) -> Result<Box<dyn Signer>, CryptoError> {
        let key_error = |_| CryptoError::Key("the public half cannot be written".to_owned());
        let spki = pair.public_key().as_der().map_err(key_error)?.as_ref().to_vec();
        let public_key = PublicKey { signing_type: SigningType::RsaSha256, spki };
        Ok(Box::new(Self { pair, public_key }))
    }
}

impl Signer for RsaSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("a loaded RSA key signs");
        signature
    }

    fn private_key(&self) -> Vec<u8> {
        self.pair.as_der().expect("a loaded RSA key can be written").as_ref().to_vec()
    }
}

struct EcdsaSigner {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    public_key: PublicKey,
    random: SystemRandom,
}

impl EcdsaSigner {
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
            .map_err(|error| CryptoError::Key(error.to_string()))?;
        let mut spki = P256_SPKI_HEAD.to_vec();
        spki.extend_from_slice(pair.public_key().as_ref());
        Ok(Self {
            public_key: PublicKey { signing_type: SigningType::EcdsaP256Sha256, spki },
            pair,
            pkcs8: pkcs8.to_vec(),
            random: SystemRandom::new(),
        })
    }
}

impl Signer for EcdsaSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&self.random, message).expect("a loaded P-256 key signs");
        signature.as_ref().to_vec()
    }

    fn private_key(&self) -> Vec<u8> {
        self.pkcs8.clone()
    }
}

/// The keys of a CSSM: a root that certifies, a signing key that signs.
pub struct Authority {
    /// The name the root certificate bears.
    pub name: String,
    /// The root certificate, DER: what devices are provisioned with.
    pub root_certificate: Vec<u8>,
    /// The root's private key, PEM.
    pub root_key_pem: String,
    /// The signing key's private key, PKCS#8 DER.
    pub signing_key: Vec<u8>,
    /// The signing key's certificate.
    pub signing_certificate: SignerCertificate,
    /// Signing certificates before this one that hold no more.
    pub revocation: Option<Signed<Revocation>>,
}

impl Authority {
    /// Makes a root and a signing key.
    ///
    /// # Errors
    /// When the provider fails.
    pub fn create(name: &str, now: Timestamp) -> Result<Self, CryptoError> {
        let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(rcgen_error)?;
        let mut params = root_params(name);
        set_validity(&mut params, now, 30);
        let root = params.self_signed(&root_key).map_err(rcgen_error)?;
        let root_certificate = root.der().to_vec();
        let root_key_pem = root_key.serialize_pem();
        let (signing_key, signing_certificate) = issue_signing_key(&root_key_pem, name, now)?;
        Ok(Self {
            name: name.to_owned(),
            root_certificate,
            root_key_pem,
            signing_key,
            signing_certificate,
            revocation: None,
        })
    }

    /// The same CSSM with a new signing key; the one before is revoked if told so.
    ///
    /// # Errors
    /// When the root key cannot be read.
    pub fn renewed(&self, now: Timestamp, revoke: bool) -> Result<Self, CryptoError> {
        let (signing_key, signing_certificate) =
            issue_signing_key(&self.root_key_pem, &self.name, now)?;
        let revocation = if revoke {
            let earlier = self.revocation.as_ref().map(|signed| &signed.value);
            let root = &self.root_certificate;
            let list = Revocation::after(earlier, root, &self.signing_certificate, now);
            let key = KeyPair::from_pem(&self.root_key_pem).map_err(rcgen_error)?;
            Some(Signed::json(list, &EcdsaSigner::from_pkcs8(key.serialized_der())?))
        } else {
            self.revocation.clone()
        };
        Ok(Self {
            name: self.name.clone(),
            root_certificate: self.root_certificate.clone(),
            root_key_pem: self.root_key_pem.clone(),
            signing_key,
            signing_certificate,
            revocation,
        })
    }

    /// The identity that signs.
    ///
    /// # Errors
    /// When the stored key cannot be read, or its certificate is that of another key.
    pub fn identity(&self) -> Result<SigningIdentity, CryptoError> {
        let signer = Box::new(EcdsaSigner::from_pkcs8(&self.signing_key)?);
        // A renewal that was cut off between its files leaves two that do not belong together.
        let key = RealSuite.root_key(&self.signing_certificate.0);
        if key.as_ref() != Some(signer.public_key()) {
            let text = "signing key and certificate do not belong together: renew the signing key";
            return Err(CryptoError::Key(text.to_owned()));
        }
        Ok(SigningIdentity {
            signer,
            certificate: self.signing_certificate.clone(),
            root_certificate: self.root_certificate.clone(),
            revocation: self.revocation.clone(),
        })
    }

    /// Issues a TLS server certificate under the root; returns it and its key (PKCS#8), both DER.
    ///
    /// # Errors
    /// When the root key cannot be read or a name is not a DNS name or address.
    pub fn issue_tls_certificate(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(rcgen_error)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(rcgen_error)?;
        let common_name = names.first().map_or("server", |name| name);
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, 20);
        let certificate = sign_by_root(&params, &key, &self.name, &self.root_key_pem)?;
        Ok((certificate, key.serialize_der()))
    }
}

/// The root's own parameters; its name and key are what it signs others with.
fn root_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issue_signing_key(
    root_key_pem: &str,
    name: &str,
    now: Timestamp,
) -> Result<(Vec<u8>, SignerCertificate), CryptoError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(rcgen_error)?;
    let mut params =
        CertificateParams::new(vec!["signing.cssm.internal".to_owned()]).map_err(rcgen_error)?;
    params.distinguished_name.push(DnType::CommonName, format!("{name} signing key"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, 20);
    let certificate = sign_by_root(&params, &key, name, root_key_pem)?;
    Ok((key.serialize_der(), SignerCertificate(certificate)))
}

fn sign_by_root(
    params: &CertificateParams,
    key: &KeyPair,
    root_name: &str,
    root_key_pem: &str,
) -> Result<Vec<u8>, CryptoError> {
    let root_key = KeyPair::from_pem(root_key_pem).map_err(rcgen_error)?;
    let issuer = Issuer::new(root_params(root_name), root_key);
    Ok(params.signed_by(key, &issuer).map_err(rcgen_error)?.der().to_vec())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn rcgen_error(error: rcgen::Error) -> CryptoError {
    CryptoError::Key(error.to_string())
}

/// Valid from the day before `now`, so that a clock a little behind accepts it, for `years`.
fn set_validity(params: &mut CertificateParams, now: Timestamp, years: i32) {
    let (year, month, day) = civil_from_days(now.0.div_euclid(Timestamp::DAY) - 1);
    let year = i32::try_from(year).unwrap_or(1970);
    let month = u8::try_from(month).unwrap_or(1);
    // The 29th of February does not exist in every year.
    let day = u8::try_from(day).unwrap_or(1).min(28);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    params.not_after = rcgen::date_time_ymd(year + years, month, day);
}
