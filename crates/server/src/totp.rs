//! Codes that an app shows and that change every thirty seconds (RFC 4226, RFC 6238). Nothing here is stored or asked: time and
//! chance are arguments.

use aws_lc_rs::{constant_time, hmac};
use rumline_protocol::{Random, Timestamp};

/// How long a code is shown, in seconds: what every app takes.
pub const STEP_SECONDS: i64 = 30;
/// Digits of a code.
pub(crate) const DIGITS: usize = 6;
/// Steps by which the clock of an app may be off, either way.
const STEPS_OFF_MAX: i64 = 1;
/// Bytes of a secret: those of SHA-1, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;

/// What a server and an app share.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(Vec<u8>);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret")
    }
}

impl TotpSecret {
    /// A new one.
    #[must_use]
    pub fn generate(random: &mut dyn Random) -> Self {
        let mut bytes = vec![0; SECRET_BYTES];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// One that was kept.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// As it is kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it is typed into an app: base32 (RFC 4648) without padding.
    #[must_use]
    pub fn to_text(&self) -> String {
        base32(&self.0)
    }

    /// The address that an app reads from a QR code. SHA-1, six digits and thirty seconds are what apps take without being told.
    #[must_use]
    pub fn to_uri(&self, issuer: &str, login: &str) -> String {
        let (issuer, login) = (escaped(issuer), escaped(login));
        format!("otpauth://totp/{issuer}:{login}?secret={}&issuer={issuer}", self.to_text())
    }

    /// The code of a step.
    #[must_use]
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let at = bytes.last().map_or(0, |last| usize::from(last & 0x0f));
        let mut number = [0; 4];
        number.copy_from_slice(&bytes[at..at + 4]);
        let number = u32::from_be_bytes(number) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// The steps around now that this is the code of, the present one first. Each is compared in the same time.
    #[must_use]
    pub fn steps_of(&self, now: Timestamp, code: &str) -> Vec<i64> {
        let present = step_at(now);
        let mut steps: Vec<i64> = (-STEPS_OFF_MAX..=STEPS_OFF_MAX).collect();
        steps.sort_by_key(|off| off.abs());
        let steps = steps.into_iter().map(|off| present.saturating_add(off));
        let is_its = |step: &i64| {
            let own = self.code(*step);
            constant_time::verify_slices_are_equal(own.as_bytes(), code.as_bytes()).is_ok()
        };
        steps.filter(is_its).collect()
    }
}

/// The step that a time is in.
#[must_use]
pub fn step_at(now: Timestamp) -> i64 {
    now.0.div_euclid(STEP_SECONDS)
}

/// Letters of base32.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let letter = (held >> bits) & 0x1f;
            text.push(char::from(ALPHABET[letter as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        let letter = (held << (5 - bits)) & 0x1f;
        text.push(char::from(ALPHABET[letter as usize]));
    }
    text
}

/// A text as it stands in an address.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standards() {
        // RFC 4226, appendix D, and RFC 6238, appendix B with six digits
        let secret = TotpSecret::from_bytes(b"12345678901234567890".to_vec());
        let told = ["755224", "287082", "359152", "969429", "338314", "254676", "287922"];
        for (count, code) in told.into_iter().enumerate() {
            assert_eq!(secret.code(i64::try_from(count).unwrap()), code);
        }
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(step_at(Timestamp(at))), code, "{at}");
            assert_eq!(secret.steps_of(Timestamp(at), code), [step_at(Timestamp(at))]);
        }
    }

    #[test]
    fn a_clock_may_be_off_by_one_step_and_no_more() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890".to_vec());
        let (now, step) = (Timestamp(1_700_000_015), step_at(Timestamp(1_700_000_015)));
        for off in -3..=3 {
            let found = secret.steps_of(now, &secret.code(step + off));
            assert_eq!(found.contains(&(step + off)), off.abs() <= 1, "{off}");
        }
        for wrong in ["", "0", "12345", "1234567", "abcdef", "００００００"] {
            assert_eq!(secret.steps_of(now, wrong), Vec::<i64>::new(), "{wrong}");
        }
        // No time is too far away.
        for at in [i64::MIN, -1, 0, i64::MAX] {
            assert!(
                !secret.steps_of(Timestamp(at), &secret.code(step_at(Timestamp(at)))).is_empty()
            );
        }
    }

    #[test]
    fn a_secret_is_written_as_apps_read_it() {
        // RFC 4648, section 10
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        let secret = TotpSecret::from_bytes(b"foobar".to_vec());
        assert_eq!(
            secret.to_uri("SSM On-Prem", "eve@example.net:x"),
            "otpauth://totp/SSM%20On-Prem:eve%40example.net%3Ax?secret=MZXW6YTBOI&issuer=SSM%20On-Prem"
        );
        assert_eq!(format!("{secret:?}"), "TotpSecret");
    }
}
