//! Files as people's tools hand them over: gzipped, zipped, saved as UTF-16. What was signed is inside, whole.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use crate::archive::{Member, is_gzip, is_litter, is_tar, write_tar};

/// The most a wrapped file may unpack to, in bytes.
const BYTES_MAX: u64 = 256 << 20;
/// The most files in a zip archive.
const MEMBERS_MAX: usize = 20_000;
/// Wrappings inside one another that are taken off.
const DEPTH_MAX: u32 = 3;

/// Why a file could not be unwrapped, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarriedError {
    /// The wrapping is damaged.
    #[error("the {0} file is damaged or was cut off: copy it again, in binary mode")]
    Damaged(&'static str),
    /// Unpacks to more than is accepted.
    #[error("the {0} file unpacks to more than {BYTES_MAX} bytes: carry its content as tar.gz")]
    TooLarge(&'static str),
    /// A zip archive with a password, or a kind of compression that is not read.
    #[error("the zip file is encrypted or packed in an unusual way: pack it anew, or as tar.gz")]
    Zip,
    /// Too many files.
    #[error("the zip file holds more than {MEMBERS_MAX} files: carry them as tar.gz")]
    TooMany,
    /// Nothing is in it.
    #[error("the {0} file is empty")]
    Empty(&'static str),
    /// Half a character.
    #[error(
        "the file is UTF-16 text that is damaged or was cut off: save it as UTF-8, or copy it again"
    )]
    Utf16,
}

/// Whether a file, of which this is the beginning, is wrapped in a way that [`plain`] takes off. An archive that is read
/// as it is, gzipped or not, is not.
#[must_use]
pub fn is_wrapped(head: &[u8]) -> bool {
    is_zip(head) || is_utf16(head) || (is_gzip(head) && !is_gzipped_tar(head))
}

/// The file in the form that is read here: a document in UTF-8, or a tar archive, gzipped or not.
///
/// # Errors
/// When a wrapping is damaged, or holds more than is accepted.
pub fn plain(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CarriedError> {
    let mut bytes = Cow::Borrowed(bytes);
    for _ in 0..DEPTH_MAX {
        if !is_wrapped(&bytes) {
            break;
        }
        bytes = Cow::Owned(if is_zip(&bytes) {
            unzip(&bytes)?
        } else if is_gzip(&bytes) {
            gunzip(&bytes)?
        } else {
            from_utf16(&bytes)?
        });
    }
    Ok(bytes)
}

fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// With a byte order mark, or as `<` of two bytes.
fn is_utf16(bytes: &[u8]) -> bool {
    [[0xff, 0xfe], [0xfe, 0xff], [b'<', 0], [0, b'<']].iter().any(|mark| bytes.starts_with(mark))
}

fn is_gzipped_tar(bytes: &[u8]) -> bool {
    let mut head = Vec::new();
    // A beginning of the file is enough for a beginning of what is in it; its end may be missing.
    let _incomplete = flate2::bufread::GzDecoder::new(bytes).take(512).read_to_end(&mut head);
    is_tar(&head)
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, CarriedError> {
    let mut plain = Vec::new();
    let read =
        flate2::bufread::MultiGzDecoder::new(bytes).take(BYTES_MAX + 1).read_to_end(&mut plain);
    match read {
        Err(_) => Err(CarriedError::Damaged("gzip")),
        Ok(count) if count as u64 > BYTES_MAX => Err(CarriedError::TooLarge("gzip")),
        Ok(0) => Err(CarriedError::Empty("gzip")),
        Ok(_) => Ok(plain),
    }
}

/// The one file in a zip archive, or a tar archive of its files.
fn unzip(bytes: &[u8]) -> Result<Vec<u8>, CarriedError> {
    let damaged = |_| CarriedError::Damaged("zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MEMBERS_MAX {
        return Err(CarriedError::TooMany);
    }
    let (mut members, mut left) = (Vec::new(), BYTES_MAX);
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(_) => CarriedError::Zip,
            _ => CarriedError::Damaged("zip"),
        })?;
        let name = file.name().map_err(|_| CarriedError::Damaged("zip"))?.replace('\\', "/");
        if file.is_dir() || is_litter(&name) {
            continue;
        }
        let mut content = Vec::new();
        let read = (&mut file).take(left + 1).read_to_end(&mut content);
        let count = read.map_err(|_| CarriedError::Damaged("zip"))? as u64;
        left = left.checked_sub(count).ok_or(CarriedError::TooLarge("zip"))?;
        members.push(Member { name: tar_name(&name, index), bytes: content });
    }
    match members.len() {
        0 => Err(CarriedError::Empty("zip")),
        1 => Ok(members.remove(0).bytes),
        _ => Ok(write_tar(&members)),
    }
}

/// A name that fits into a tar header. Folders mean nothing; what is left of a name may.
fn tar_name(name: &str, index: usize) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let fine = !last.is_empty() && last.len() <= 99 && last.chars().all(|c| !c.is_control());
    if fine { last.to_owned() } else { format!("file-{index}") }
}

fn from_utf16(bytes: &[u8]) -> Result<Vec<u8>, CarriedError> {
    let big_endian = bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0, b'<']);
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(CarriedError::Utf16);
    }
    let unit = |pair: &[u8; 2]| {
        if big_endian { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) }
    };
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(unit)).collect();
    let text = text.map_err(|_| CarriedError::Utf16)?;
    Ok(text.trim_start_matches('\u{feff}').as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            out.write_all(bytes).unwrap();
        }
        out.finish().unwrap().into_inner()
    }

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        let unit = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(unit).collect()
    }

    /// What does not get smaller by packing.
    fn noise(place: u32) -> u8 {
        place.wrapping_mul(2_654_435_761).to_be_bytes()[0]
    }

    const TEXT: &str = "<?xml version=\"1.0\"?><smartLicense>ä</smartLicense>";

    #[test]
    fn whatever_people_wrap_it_in_the_text_is_the_same() {
        let marked = format!("\u{feff}{TEXT}");
        for wrapped in [
            TEXT.as_bytes().to_vec(),
            gzip(TEXT.as_bytes()),
            gzip(&gzip(TEXT.as_bytes())),
            zip(&[("usage.txt", TEXT.as_bytes())]),
            zip(&[("a/usage.txt", TEXT.as_bytes()), ("__MACOSX/a/._usage.txt", b"x")]),
            zip(&[("usage.txt.gz", &gzip(TEXT.as_bytes()))]),
            utf16(&marked, false),
            utf16(&marked, true),
            utf16(TEXT, false),
            gzip(&utf16(&marked, true)),
        ] {
            assert_eq!(plain(&wrapped).unwrap().as_ref(), TEXT.as_bytes());
        }
    }

    #[test]
    fn an_archive_stays_as_it_is() {
        let tar = write_tar(&[Member { name: "a.txt".to_owned(), bytes: TEXT.into() }]);
        assert!(matches!(plain(&tar).unwrap(), Cow::Borrowed(_)));
        let packed = gzip(&tar);
        assert!(matches!(plain(&packed).unwrap(), Cow::Borrowed(_)));
        let long = [Member { name: "a.txt".to_owned(), bytes: (0..90_000).map(noise).collect() }];
        let long = gzip(&write_tar(&long));
        assert!(!is_wrapped(&long[..long.len() / 2]), "its beginning shows it");
        // A bundle in a zip archive is that bundle.
        assert_eq!(plain(&zip(&[("UD_SA.tar.gz", &packed)])).unwrap().as_ref(), packed);
        // Several files become a tar archive of them.
        let several = zip(&[("x\\a.txt", TEXT.as_bytes()), ("b.txt", TEXT.as_bytes())]);
        assert!(is_tar(&plain(&several).unwrap()));
    }

    #[test]
    fn what_is_damaged_is_said_in_words_of_ours() {
        let packed = gzip(TEXT.as_bytes());
        assert_eq!(plain(&packed[..packed.len() - 9]), Err(CarriedError::Damaged("gzip")));
        assert_eq!(plain(&gzip(b"")), Err(CarriedError::Empty("gzip")));
        let zipped = zip(&[("usage.txt", TEXT.as_bytes())]);
        assert_eq!(plain(&zipped[..zipped.len() - 9]), Err(CarriedError::Damaged("zip")));
        assert_eq!(plain(&zip(&[])), Err(CarriedError::Empty("zip")));
        assert_eq!(plain(&zip(&[(".DS_Store", b"x")])), Err(CarriedError::Empty("zip")));
        let text = utf16(TEXT, false);
        assert_eq!(plain(&text[..text.len() - 1]), Err(CarriedError::Utf16));
        assert_eq!(plain(&[0xff, 0xfe, 0, 0xd8]), Err(CarriedError::Utf16));
    }

    #[test]
    fn a_bomb_costs_what_is_allowed_and_no_more() {
        let zeros = gzip(&vec![b' '; usize::try_from(BYTES_MAX).unwrap() + 1]);
        assert_eq!(plain(&zeros), Err(CarriedError::TooLarge("gzip")));
    }
}
