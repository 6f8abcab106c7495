//! Whether an image can be started here, and what to do if not.

use rumline_catalogue::{Catalogue, Platform, Release};
use rumline_protocol::{ImageError, PublicKey, SoftwareImage, Suite};

use crate::topics::files::FlashPath;

/// The most models that are named of an image for others.
const PLATFORMS_SHOWN_MAX: usize = 4;

/// The release that an image for this model is.
///
/// # Errors
/// With what is wrong with it and what to do, as a sentence after its name.
pub(crate) fn release_of(
    bytes: &[u8],
    suite: &dyn Suite,
    maker: Option<&PublicKey>,
    platform: &Platform,
) -> Result<&'static Release, String> {
    let maker = maker.ok_or(
        "cannot be checked, since this switch knows no maker of images: start it with --maker and the maker.pem of yours",
    )?;
    let image = SoftwareImage::read(suite, maker, bytes).map_err(|error| said(&error))?;
    let catalogue = Catalogue::nexus();
    let pid = &platform.pid;
    if !image.platforms.contains(pid) {
        let (shown, more) =
            image.platforms.split_at(image.platforms.len().min(PLATFORMS_SHOWN_MAX));
        let mut named = shown.join(", ");
        if !more.is_empty() {
            named.push_str(&format!(" and {} more", more.len()));
        }
        return Err(format!("is for {named}: take the image for {pid}"));
    }
    let release = catalogue.release(&image.release).ok_or_else(|| {
        format!("is release {}, which this switch does not know: take another one", image.release)
    })?;
    Ok(release)
}

fn said(error: &ImageError) -> String {
    let (what, todo) = match error {
        ImageError::NoImage => {
            ("is no software image".to_owned(), "name the image, or copy it again in binary mode")
        }
        ImageError::CutOff { bytes } => (
            format!("is cut off after {bytes} bytes"),
            "look for room with dir, delete it and copy it again",
        ),
        ImageError::Unsigned => ("is not signed".to_owned(), "take one that its maker signed"),
        ImageError::Damaged(why) => (format!("is damaged ({why})"), "copy it again"),
        ImageError::Signature => (
            "has no signature of the maker: it was altered, or somebody else made it".to_owned(),
            "copy it again, and compare show file … sha256sum with the maker's",
        ),
    };
    format!("{what}: {todo}")
}

/// The name of an image on bootflash:, as it is typed or stands in a line.
pub(crate) fn name_of(file: &str) -> Option<String> {
    match FlashPath::parse(file) {
        Some(FlashPath::Bootflash(name)) if !name.is_empty() => Some(name),
        _ => None,
    }
}
