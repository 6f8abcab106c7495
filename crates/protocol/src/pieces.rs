//! Documents too large to be read whole, piece by piece: each piece is a document of its own, with some of the reports.

use std::io::Read;

use crate::document::{Document, DocumentError, once};

/// A piece is cut behind the first report that ends after so many bytes.
const PIECE_BYTES: usize = 4 << 20;
/// The longest piece: reports are at most 8 MiB, and text may be escaped.
const PIECE_BYTES_MAX: usize = 64 << 20;
const HEAD: &str = "<smartLicense>";
const TAIL: &str = "</smartLicense>";
const REPORT_END: &[u8] = b"</RUMReport>";

impl Document {
    /// Adds what another piece of the same document holds, but for its reports.
    ///
    /// # Errors
    /// When the two say different things where only one may be said.
    pub fn join(&mut self, other: Self) -> Result<(), DocumentError> {
        self.acknowledgements.extend(other.acknowledgements);
        self.policies.extend(other.policies);
        self.trust_codes.extend(other.trust_codes);
        self.trust_requests.extend(other.trust_requests);
        self.report_requests.extend(other.report_requests);
        self.has_authorization |= other.has_authorization;
        join(&mut self.account, other.account, "smartLicenseAccountInfo")?;
        join(&mut self.revocation, other.revocation, "smartLicenseRevocation")?;
        join(&mut self.system_info, other.system_info, "smartLicenseSystemInfo")?;
        join(&mut self.device_info, other.device_info, "smartLicenseDeviceInfo")?;
        join(&mut self.signer, other.signer, "smartLicenseCertificate")?;
        join(&mut self.correlation_id, other.correlation_id, "correlationID")
    }
}

fn join<T: PartialEq>(
    place: &mut Option<T>,
    found: Option<T>,
    element: &'static str,
) -> Result<(), DocumentError> {
    found.map_or(Ok(()), |found| once(place, found, element, element))
}

/// Why a large document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PiecesError {
    /// The source failed.
    #[error("the file could not be read: {0}")]
    Unread(#[from] std::io::Error),
    /// What was read is no document.
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// Reads a document as switches write them, however large; `take` is given each piece, in order, and the number of the
/// first report in it, counted from 1.
///
/// Pieces are cut behind the text `</RUMReport>`. Where that stands within a report, the piece does not parse, and the
/// document is refused: nothing is read in two ways.
///
/// # Errors
/// When it is no such document, or what `take` says.
pub fn read_in_pieces<E: From<PiecesError>>(
    reader: &mut dyn Read,
    take: &mut dyn FnMut(usize, Document) -> Result<(), E>,
) -> Result<(), E> {
    let (mut waiting, mut is_first, mut reports) = (Vec::new(), true, 0);
    loop {
        let cut = next_cut(reader, &mut waiting).map_err(PiecesError::from)?;
        let is_last = cut.is_none();
        if !is_last && cut == Some(0) {
            return Err(PiecesError::from(DocumentError::TooLarge {
                bytes: waiting.len(),
                max: PIECE_BYTES_MAX,
            })
            .into());
        }
        let rest = waiting.split_off(cut.unwrap_or(waiting.len()));
        let piece = std::mem::replace(&mut waiting, rest);
        if !is_first && is_last && is_only_the_end(&piece)? {
            return Ok(());
        }
        let document = parse(piece, is_first, is_last, reports)?;
        let first = reports + 1;
        reports += document.reports.len();
        take(first, document)?;
        if is_last {
            return Ok(());
        }
        is_first = false;
    }
}

/// The end of a document whose last report ended the piece before.
fn is_only_the_end(piece: &[u8]) -> Result<bool, PiecesError> {
    let text = std::str::from_utf8(piece).map_err(|_| DocumentError::NotText)?.trim();
    Ok(text == TAIL)
}

fn parse(
    piece: Vec<u8>,
    is_first: bool,
    is_last: bool,
    reports: usize,
) -> Result<Document, PiecesError> {
    let mut text = String::from_utf8(piece).map_err(|_| DocumentError::NotText)?;
    if !is_first {
        text.insert_str(0, HEAD);
    }
    if !is_last {
        text.push_str(TAIL);
    }
    Document::parse(text.as_bytes()).map_err(|error| {
        PiecesError::Document(match error {
            DocumentError::Report { index, source } => {
                DocumentError::Report { index: reports + index, source }
            }
            other => other,
        })
    })
}

/// Reads until a piece is there; says where it ends. None when all has been read, and 0 when there is no end in reach.
fn next_cut(reader: &mut dyn Read, waiting: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    let mut looked = PIECE_BYTES;
    loop {
        // An end that lies across two reads is looked for again.
        let from = looked.min(waiting.len()).saturating_sub(REPORT_END.len());
        if waiting.len() >= PIECE_BYTES
            && let Some(at) = find(&waiting[from..], REPORT_END)
        {
            return Ok(Some(from + at + REPORT_END.len()));
        }
        if waiting.len() > PIECE_BYTES_MAX {
            return Ok(Some(0));
        }
        looked = waiting.len().max(PIECE_BYTES);
        if reader.take(1 << 20).read_to_end(waiting)? == 0 {
            return Ok(None);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
