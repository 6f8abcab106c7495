//! Device-led conversion: what a switch held by licence files rides on its trust request, in every way that takes, and CSSM's trust code
//! says what became of it (guide p. 50, 53; PI-MIG-018, PI-RUM-010, CSSM-035).

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A licence of a licence file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traditional {
    /// The package.
    pub license: String,
    /// How many; one where they are not counted.
    pub count: u32,
    /// The number of the licence file at whoever made it.
    pub file_id: String,
    /// The line of it.
    pub line_id: u32,
    /// The product activation key it was made for.
    pub pak: String,
    /// When it ends; none where it holds for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The number of the licence file.
    pub file_id: String,
    /// The line of it.
    pub line_id: u32,
    /// Why it was not converted; none where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

impl Traditional {
    /// The most in one request, so that it stays below what a trust request may be.
    pub const MAX: usize = 32;
    /// How much of a trust request they may be, in bytes of its text: what stands beside them has the rest of
    /// `Signed::<TrustRequest>::BYTES_MAX`.
    pub const TEXT_BYTES_MAX: usize = 4 << 10;
    /// The longest name and number, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// As many of these as go into one request, from the first on; at least one, if there is one and its fields can be right.
    #[must_use]
    pub fn fitting(all: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut text_bytes = 0;
        let fits = |own: &Self| {
            // With the comma behind it.
            text_bytes += serde_json::to_vec(own).map_or(usize::MAX, |text| text.len() + 1);
            text_bytes <= Self::TEXT_BYTES_MAX
        };
        all.take(Self::MAX).take_while(fits).collect()
    }

    /// Whether its fields can be right.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_text = |text: &String| {
            !text.is_empty() && text.len() <= Self::BYTES_MAX && !text.contains(char::is_control)
        };
        self.count > 0 && [&self.license, &self.file_id, &self.pak].into_iter().all(is_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Suite;
    use crate::identity::{Role, Udi};
    use crate::statement::Purpose;
    use crate::{RealSuite, Signed, TrustRequest};

    struct Chance;

    impl crate::Random for Chance {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn whatever_licence_files_say_a_trust_request_with_it_is_taken() {
        // PI-MIG-018: the longest of each field, in letters that take the most room, beside the longest of all others
        let key = RealSuite.generate_device_key(&mut Chance).unwrap();
        for letter in ["A", "\"", "\\", "\u{e9}", "\u{1f511}"] {
            let most = |bytes: usize| letter.repeat(bytes / letter.len());
            for bytes in [1.max(letter.len()), 20, 40, Traditional::BYTES_MAX] {
                let line = |line_id: u32| Traditional {
                    license: most(bytes),
                    count: u32::MAX,
                    file_id: most(bytes),
                    line_id,
                    pak: most(bytes),
                    ends_at: Some(Timestamp(i64::from(u32::MAX))),
                };
                let all = || (u32::MAX - 4096..u32::MAX).map(line);
                assert!(all().all(|own| own.is_sound()));
                // What is asked for in turn is all of it, in order.
                let mut asked = Traditional::fitting(all());
                let conversion = asked.clone();
                assert!((1..=Traditional::MAX).contains(&asked.len()));
                while asked.len() < 100 {
                    asked.extend(Traditional::fitting(all().skip(asked.len())));
                }
                assert!(all().zip(&asked).all(|(own, asked)| own == *asked));
                let request = TrustRequest {
                    sudi: Udi::new("N9K-C93180YC-FX3H", "FOX2308PCEN").unwrap(),
                    role: Role::Active,
                    product_instance_identifier: most(64),
                    public_key: key.public_key().clone(),
                    timestamp: Timestamp(i64::MAX),
                    nonce: most(64),
                    purpose: Purpose::TrustRequest,
                    audience: most(64),
                    token_sha256: Some(TrustRequest::token_digest("token")),
                    force: false,
                    smart_account: Some(most(400)),
                    virtual_account: Some(most(400)),
                    conversion,
                    valid_until: Timestamp(i64::MAX),
                };
                let signed = Signed::json(request, key.as_ref());
                let checked = signed.check(&RealSuite);
                assert!(checked.is_ok(), "{letter} {bytes}: {} bytes", signed.text.len());
            }
        }
    }
}
