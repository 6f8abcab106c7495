//! Local users: `username NAME password 5 HASH role ROLE`.

use rumline_protocol::{Random, random_hex};
use sha_crypt::password_hash::CustomizedPasswordHasher;
use sha_crypt::{Algorithm, PasswordVerifier, ShaCrypt};

use crate::config::ConfigTree;

/// Hashes a password as NX-OS writes it (type 5, SHA-256 crypt).
pub(crate) fn hash_password(password: &str, random: &mut dyn Random) -> Option<String> {
    let salt = random_hex(random, 8);
    let crypt = ShaCrypt::from(Algorithm::Sha256Crypt);
    let params = sha_crypt::Params::new(5000).ok()?;
    crypt
        .hash_password_customized(password.as_bytes(), salt.as_bytes(), Some("5"), None, params)
        .ok()
        .map(|hash| hash.to_string())
}

/// The longest password tried, in bytes: checking one costs the square of its length.
const PASSWORD_BYTES_MAX: usize = 128;

/// Whether a login may enter with a password.
pub(crate) fn may_log_in(config: &ConfigTree, login: &str, password: &str) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    config.starting_with("username").any(|line| {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let ["username", name, "password", "5", hash, ..] = words[..] else { return false };
        name == login
            && ShaCrypt::from(Algorithm::Sha256Crypt)
                .verify_password(password.as_bytes(), hash)
                .is_ok()
    })
}

/// Whether a user may change things: `admin`, and whoever has an administrator's role.
pub(crate) fn is_administrator(config: &ConfigTree, login: &str) -> bool {
    login == "admin"
        || config.starting_with("username").any(|line| {
            let mut words = line.text.split_whitespace().skip(1);
            words.next() == Some(login)
                && words.any(|word| ["network-admin", "vdc-admin", "priv-15"].contains(&word))
        })
}

/// A password NX-OS would take: eight characters, letters and digits.
pub(crate) fn is_strong(password: &str) -> bool {
    (8..=PASSWORD_BYTES_MAX).contains(&password.len())
        && password.chars().any(|c| c.is_ascii_alphabetic())
        && password.chars().any(|c| c.is_ascii_digit())
}
