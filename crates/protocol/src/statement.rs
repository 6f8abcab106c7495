//! What every signed statement says beside its content: what it is meant to do, and for whom.
//!
//! A signature shows who wrote a text. It does not show that the text was written for the one who reads it, for this
//! purpose, now. So each statement says that too, and each reader checks it; docs/protocol.md, section 4, has the table.

use serde::{Deserialize, Serialize};

use crate::crypto::sha256;
use crate::time::Timestamp;

/// Clocks of a device and of CSSM may differ by less than this, everywhere (PI-NET-032, G-22).
pub const SKEW_SECONDS: i64 = Timestamp::HOUR;

/// What a statement is meant to do. A text that was signed for one purpose is refused for every other.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A device asks for a trust code.
    TrustRequest,
    /// CSSM vouches for a device's key.
    TrustCode,
    /// CSSM says when reports are due.
    Policy,
    /// A device says what a file of its reports holds.
    UsageFile,
    /// CSSM asks a device for reports that it lacks.
    ReportRequest,
    /// The root names signing certificates that hold no more.
    Revocation,
    /// A maker says which release an image is, and for which models.
    SoftwareImage,
    /// CSSM answers licensing of before Smart Licensing Using Policy.
    OlderLicensing,
    /// None that is known here.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a CSSM is named in what is said to it: by its root certificate, so that nobody else can take its name.
#[must_use]
pub fn cssm_id(root_certificate: &[u8]) -> String {
    if root_certificate.is_empty() {
        return String::new();
    }
    let digest = sha256(root_certificate);
    let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("CSSM:{hex}")
}

/// Whether a statement was written at most an hour from now, before or after: true of what is said by wire.
#[must_use]
pub fn is_of_now(now: Timestamp, written_at: Timestamp) -> bool {
    now.since(written_at).unsigned_abs() < SKEW_SECONDS.unsigned_abs()
}

/// Whether a statement was written before now, give or take the hour that clocks may differ: true of all that is kept.
#[must_use]
pub fn is_not_of_the_future(now: Timestamp, written_at: Timestamp) -> bool {
    written_at.since(now) < SKEW_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_the_same_on_both_sides() {
        let now = Timestamp(1_700_000_000);
        for (seconds, near, kept) in [
            (-Timestamp::HOUR, false, true),
            (-Timestamp::HOUR + 1, true, true),
            (0, true, true),
            (Timestamp::HOUR - 1, true, true),
            (Timestamp::HOUR, false, false),
            (i64::MAX, false, false),
            (i64::MIN, false, true),
        ] {
            assert_eq!(is_of_now(now, now + seconds), near, "{seconds}");
            assert_eq!(is_not_of_the_future(now, now + seconds), kept, "{seconds}");
        }
    }

    #[test]
    fn a_cssm_is_named_by_its_root() {
        assert_eq!(cssm_id(b""), "");
        assert_ne!(cssm_id(b"one"), cssm_id(b"two"));
        assert_eq!(cssm_id(b"one").len(), "CSSM:".len() + 32);
    }

    #[test]
    fn a_purpose_of_others_is_no_purpose_here() {
        let read = |text: &str| serde_json::from_str::<Purpose>(text).ok();
        assert_eq!(read("\"trust-code\""), Some(Purpose::TrustCode));
        assert_eq!(read("\"something else\""), Some(Purpose::Unknown));
    }
}
