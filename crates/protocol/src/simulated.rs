//! A cheap, deterministic suite for simulations and tests.
//!
//! It notices damage and mistaken identity, as the real one does, at a hundredth of the cost; it keeps no secret,
//! and the real suite refuses what it signed.

use crate::crypto::{
    CryptoError, PublicKey, Signer, SignerCertificate, SignerIdentity, SigningIdentity,
    SigningType, Suite, hmac_sha256, sha256,
};
use crate::document::Signed;
use crate::random::Random;
use crate::revocation::Revocation;
use crate::time::Timestamp;

const CERTIFICATE_HEAD: &[u8] = b"simulated certificate ";

/// The simulator's suite.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatedSuite;

struct SimulatedSigner {
    private_key: Vec<u8>,
    public_key: PublicKey,
}

impl SimulatedSigner {
    fn new(private_key: &[u8]) -> Self {
        let spki = sha256(private_key).to_vec();
        Self {
            private_key: private_key.to_vec(),
            public_key: PublicKey { signing_type: SigningType::Simulated, spki },
        }
    }
}

impl Signer for SimulatedSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        hmac_sha256(&self.public_key.spki, &sha256(message)).to_vec()
    }

    fn private_key(&self) -> Vec<u8> {
        self.private_key.clone()
    }
}

impl SimulatedSuite {
    /// A root, and a signing identity under it.
    #[must_use]
    pub fn authority(random: &mut dyn Random) -> (Vec<u8>, SigningIdentity) {
        let (mut root, mut key) = ([0; 32], [0; 32]);
        random.fill(&mut root);
        random.fill(&mut key);
        let signer = SimulatedSigner::new(&key);
        let mut certificate = CERTIFICATE_HEAD.to_vec();
        certificate.extend_from_slice(&root);
        certificate.extend_from_slice(&signer.public_key.spki);
        let identity = SigningIdentity {
            signer: Box::new(signer),
            certificate: SignerCertificate(certificate),
            root_certificate: root.to_vec(),
            revocation: None,
        };
        (root.to_vec(), identity)
    }

    /// Another signing identity under the same root, with the one before it revoked.
    #[must_use]
    pub fn successor(
        before: &SigningIdentity,
        now: Timestamp,
        random: &mut dyn Random,
    ) -> SigningIdentity {
        let (_, mut next) = Self::authority(random);
        let root = before.root_certificate.clone();
        let mut certificate = CERTIFICATE_HEAD.to_vec();
        certificate.extend_from_slice(&root);
        certificate.extend_from_slice(&next.signer.public_key().spki);
        next.certificate = SignerCertificate(certificate);
        let earlier = before.revocation.as_ref().map(|signed| &signed.value);
        let revoked = Revocation::after(earlier, &root, &before.certificate, now);
        next.revocation = Some(Signed::json(revoked, &Self::root_signer(&root)));
        next.root_certificate = root;
        next
    }

    /// Signs as the root does: in the simulator its name is its key.
    fn root_signer(root: &[u8]) -> SimulatedSigner {
        let spki = root.to_vec();
        let public_key = PublicKey { signing_type: SigningType::Simulated, spki };
        SimulatedSigner { private_key: root.to_vec(), public_key }
    }
}

impl Suite for SimulatedSuite {
    fn generate_device_key(&self, random: &mut dyn Random) -> Result<Box<dyn Signer>, CryptoError> {
        let mut key = [0; 32];
        random.fill(&mut key);
        Ok(Box::new(SimulatedSigner::new(&key)))
    }

    fn load_device_key(&self, private_key: &[u8]) -> Result<Box<dyn Signer>, CryptoError> {
        if private_key.len() != 32 {
            return Err(CryptoError::Key("it has the wrong length".to_owned()));
        }
        Ok(Box::new(SimulatedSigner::new(private_key)))
    }

    fn verify_sha256(&self, key: &PublicKey, sha256: &[u8; 32], signature: &[u8]) -> bool {
        key.signing_type == SigningType::Simulated && hmac_sha256(&key.spki, sha256) == signature
    }

    fn root_key(&self, root: &[u8]) -> Option<PublicKey> {
        Some(Self::root_signer(root).public_key)
    }

    fn verify_chain(
        &self,
        root: &[u8],
        certificate: &SignerCertificate,
        _: Timestamp,
    ) -> Result<SignerIdentity, CryptoError> {
        let head = [CERTIFICATE_HEAD, root].concat();
        match certificate.0.strip_prefix(head.as_slice()) {
            Some(spki) if spki.len() == 32 => Ok(SignerIdentity {
                name: "simulated".to_owned(),
                public_key: PublicKey { signing_type: SigningType::Simulated, spki: spki.to_vec() },
            }),
            _ => Err(CryptoError::Chain("another root".to_owned())),
        }
    }
}
