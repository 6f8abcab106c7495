//! The simulator's algorithms, with every check counted: what a check costs does not depend on the day.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rumline_protocol::{
    CryptoError, PublicKey, Random, Signer, SignerCertificate, SignerIdentity, SimulatedSuite,
    Suite, Timestamp,
};

/// Counts the signatures that are checked.
#[derive(Clone, Default)]
pub struct CountingSuite {
    checks: Arc<AtomicU64>,
}

impl CountingSuite {
    /// Signatures checked so far.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }
}

impl Suite for CountingSuite {
    fn generate_device_key(&self, random: &mut dyn Random) -> Result<Box<dyn Signer>, CryptoError> {
        SimulatedSuite.generate_device_key(random)
    }

    fn load_device_key(&self, private_key: &[u8]) -> Result<Box<dyn Signer>, CryptoError> {
        SimulatedSuite.load_device_key(private_key)
    }

    fn verify_sha256(&self, key: &PublicKey, sha256: &[u8; 32], signature: &[u8]) -> bool {
        self.checks.fetch_add(1, Ordering::Relaxed);
        SimulatedSuite.verify_sha256(key, sha256, signature)
    }

    fn root_key(&self, root: &[u8]) -> Option<PublicKey> {
        SimulatedSuite.root_key(root)
    }

    fn verify_chain(
        &self,
        root: &[u8],
        certificate: &SignerCertificate,
        now: Timestamp,
    ) -> Result<SignerIdentity, CryptoError> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        SimulatedSuite.verify_chain(root, certificate, now)
    }
}
