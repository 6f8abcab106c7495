//! The host keys: Ed25519, ECDSA and RSA, made at first start.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rumline_protocol::Random;
use russh::keys::PrivateKey;
use russh::keys::pkcs8::decode_pkcs8;
use russh::keys::ssh_key::private::Ed25519Keypair;

use crate::{KeptFiles, OsRandom};

/// The keys of a host.
pub struct HostKeys(pub(super) Vec<PrivateKey>);

fn failed(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::other(format!("a host key cannot be made: {error}"))
}

fn damaged(name: &str) -> std::io::Error {
    std::io::Error::other(format!("{name} is damaged"))
}

/// Of a curve, in PKCS #8.
fn ecdsa() -> std::io::Result<Vec<u8>> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let bytes = key.to_pkcs8v1().map_err(failed)?;
    Ok(bytes.as_ref().to_vec())
}

/// Of RSA, in PKCS #8.
fn rsa() -> std::io::Result<Vec<u8>> {
    let key = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let bytes = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).map_err(failed)?;
    Ok(bytes.as_ref().to_vec())
}

impl HostKeys {
    /// Those that lie in a directory; what is missing is made.
    ///
    /// # Errors
    /// When one is damaged or cannot be written.
    pub fn of(files: &KeptFiles) -> std::io::Result<Self> {
        let kept =
            |name: &str, make: &dyn Fn() -> std::io::Result<Vec<u8>>| match files.read(name)? {
                Some(bytes) => Ok(bytes),
                None => {
                    let bytes = make()?;
                    files.write(name, &bytes)?;
                    Ok::<_, std::io::Error>(bytes)
                }
            };
        let seed = || {
            let mut seed = [0; 32];
            OsRandom.fill(&mut seed);
            Ok(seed.to_vec())
        };
        let name = "ssh_host_key";
        let seed = <[u8; 32]>::try_from(kept(name, &seed)?).map_err(|_| damaged(name))?;
        let mut keys = vec![PrivateKey::from(Ed25519Keypair::from_seed(&seed))];
        for (name, make) in
            [("ssh_host_ecdsa_key", &ecdsa as &dyn Fn() -> _), ("ssh_host_rsa_key", &rsa)]
        {
            keys.push(decode_pkcs8(&kept(name, make)?, None).map_err(|_| damaged(name))?);
        }
        Ok(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_three_kinds_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let files = KeptFiles::of(dir.path());
        let public = |keys: &HostKeys| {
            keys.0.iter().map(|key| key.public_key().to_openssh().unwrap()).collect::<Vec<_>>()
        };
        let first = public(&HostKeys::of(&files).unwrap());
        let kinds: Vec<&str> = first.iter().map(|key| key.split(' ').next().unwrap()).collect();
        assert_eq!(kinds, ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"]);
        assert_eq!(public(&HostKeys::of(&files).unwrap()), first);
        std::fs::write(dir.path().join("ssh_host_rsa_key"), b"x").unwrap();
        assert!(HostKeys::of(&files).is_err());
    }
}
