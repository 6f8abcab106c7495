//! A software image: which release it is, for which models, and who made it.
//!
//! It holds no program: a switch has all releases inside and an image says which of them it is to be. Four parts, so that
//! one that was cut off shows it wherever it was cut: a first line, the statement, its signature, a last line.

use serde::{Deserialize, Serialize};

use crate::crypto::{PublicKey, Signer, Suite};
use crate::statement::Purpose;
use crate::text::{base64, from_base64};
use crate::time::Timestamp;

/// The largest that is read.
pub const IMAGE_BYTES_MAX: usize = 64 << 10;
const FIRST_LINE: &str = "rumline-image 1\n";
const LAST_LINE: &str = "\nend\n";
const UNSIGNED: &str = "unsigned";

/// What an image says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoftwareImage {
    /// [`Purpose::SoftwareImage`].
    #[serde(default)]
    pub purpose: Purpose,
    /// The release, as documents name it: `10.4(3)F`.
    pub release: String,
    /// The product ids of the models it is for.
    pub platforms: Vec<String>,
    /// When it was made.
    pub made_at: Timestamp,
}

/// Why an image cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Something else, or larger than any image.
    #[error("it is no software image")]
    NoImage,
    /// It has a beginning and no end.
    #[error("it is cut off after {bytes} bytes")]
    CutOff {
        /// How much there is.
        bytes: usize,
    },
    /// Whoever made it did not sign it.
    #[error("it is not signed")]
    Unsigned,
    /// It cannot be read.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// The signature is not that of the maker over these bytes.
    #[error("its signature is not the maker's: it was altered, or somebody else made it")]
    Signature,
}

impl SoftwareImage {
    /// The image as a file.
    #[must_use]
    pub fn signed(&self, signer: &dyn Signer) -> String {
        let text = self.statement();
        let signature = base64(&signer.sign(text.as_bytes()));
        format!("{FIRST_LINE}{text}\n{signature}{LAST_LINE}")
    }

    /// The image as a file without a signature, as a failed build leaves it: no switch takes it.
    #[must_use]
    pub fn unsigned(&self) -> String {
        format!("{FIRST_LINE}{}\n{UNSIGNED}{LAST_LINE}", self.statement())
    }

    fn statement(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }

    /// Whether a file begins as an image does.
    #[must_use]
    pub fn is_begun(bytes: &[u8]) -> bool {
        bytes.starts_with(FIRST_LINE.as_bytes())
    }

    /// Reads a file that `maker` signed.
    ///
    /// # Errors
    /// With what is wrong with it; of several things the one that says most of what to do.
    pub fn read(suite: &dyn Suite, maker: &PublicKey, bytes: &[u8]) -> Result<Self, ImageError> {
        let begins = FIRST_LINE.as_bytes();
        let is_begun = bytes.starts_with(begins) || !bytes.is_empty() && begins.starts_with(bytes);
        if bytes.len() > IMAGE_BYTES_MAX || !is_begun {
            return Err(if bytes.is_empty() {
                ImageError::CutOff { bytes: 0 }
            } else {
                ImageError::NoImage
            });
        }
        let inside = bytes.strip_prefix(begins).and_then(|b| b.strip_suffix(LAST_LINE.as_bytes()));
        let Some(inside) = inside else { return Err(ImageError::CutOff { bytes: bytes.len() }) };
        let damaged = |what: &str| ImageError::Damaged(what.to_owned());
        let inside = std::str::from_utf8(inside).map_err(|_| damaged("it is no text"))?;
        let (text, signature) = inside.split_once('\n').ok_or_else(|| damaged("a line is gone"))?;
        if signature == UNSIGNED {
            return Err(ImageError::Unsigned);
        }
        let signature = from_base64(signature).ok_or(ImageError::Signature)?;
        // What nobody vouches for is not looked into.
        if !suite.verify(maker, text.as_bytes(), &signature) {
            return Err(ImageError::Signature);
        }
        let image: Self =
            serde_json::from_str(text).map_err(|error| ImageError::Damaged(error.to_string()))?;
        // The maker's key may sign other things one day.
        if image.purpose == Purpose::SoftwareImage { Ok(image) } else { Err(ImageError::NoImage) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::real_suite::RealSuite;

    struct Chance(u8);

    impl Random for Chance {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(5).wrapping_add(3);
                *byte = self.0;
            }
        }
    }

    fn image() -> SoftwareImage {
        SoftwareImage {
            purpose: Purpose::SoftwareImage,
            release: "10.5(1)F".to_owned(),
            platforms: vec!["N9K-C93180YC-FX3".to_owned()],
            made_at: Timestamp(1_700_000_000),
        }
    }

    #[test]
    fn an_image_is_read_whole_or_refused_wherever_it_was_cut_or_altered() {
        let suite = RealSuite;
        let maker = suite.generate_device_key(&mut Chance(1)).unwrap();
        let text = image().signed(maker.as_ref());
        let read = |bytes: &[u8]| SoftwareImage::read(&suite, maker.public_key(), bytes);
        assert_eq!(read(text.as_bytes()), Ok(image()));
        for length in 0..text.len() {
            let cut = read(&text.as_bytes()[..length]);
            assert_eq!(cut, Err(ImageError::CutOff { bytes: length }));
        }
        for place in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[place] ^= 1;
            assert!(read(&altered).is_err(), "byte {place}");
        }
        assert_eq!(read(image().unsigned().as_bytes()), Err(ImageError::Unsigned));
        let longer = format!("{text}more");
        assert!(read(longer.as_bytes()).is_err());
        for other in [&b"<xml/>"[..], &[0; 100_000], b"\x7fELF"] {
            assert_eq!(read(other), Err(ImageError::NoImage));
        }
        let other = suite.generate_device_key(&mut Chance(9)).unwrap();
        let theirs = image().signed(other.as_ref());
        assert_eq!(read(theirs.as_bytes()), Err(ImageError::Signature));
        // What the maker signed for something else is no image.
        let policy = SoftwareImage { purpose: Purpose::Policy, ..image() };
        assert_eq!(read(policy.signed(maker.as_ref()).as_bytes()), Err(ImageError::NoImage));
    }
}
