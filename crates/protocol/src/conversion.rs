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
    /// The longest name and number, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Whether its fields can be right.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let is_text = |text: &String| {
            !text.is_empty() && text.len() <= Self::BYTES_MAX && !text.contains(char::is_control)
        };
        self.count > 0 && [&self.license, &self.file_id, &self.pak].into_iter().all(is_text)
    }
}
