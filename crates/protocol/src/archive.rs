//! Upload archives: CSSM takes usage files "in tar format" (guide p. 44; C-34, FILE-005).

use std::io::Read;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not readable as a tar archive.
    #[error("the archive cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Unpacks to more than is accepted.
    #[error("the archive unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// Holds more files than is accepted.
    #[error("the archive holds more than {0} files")]
    TooManyMembers(usize),
    /// Holds something that is not a plain file below it.
    #[error("the archive holds {0}, which is not a plain file with a plain name")]
    Member(String),
}

/// What an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    /// All files together, unpacked, in bytes.
    pub total_bytes_max: u64,
    /// The number of files.
    pub members_max: usize,
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Whether the bytes start like gzip.
#[must_use]
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Whether the bytes look like a tar archive.
#[must_use]
pub fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Reads a tar archive, gzipped or not, within limits. Links, devices and names that lead elsewhere are refused.
///
/// # Errors
/// When it is not such an archive or exceeds a limit.
pub fn read_members(bytes: &[u8], limits: ArchiveLimits) -> Result<Vec<Member>, ArchiveError> {
    if is_gzip(bytes) {
        read_tar(flate2::read::MultiGzDecoder::new(bytes), limits)
    } else {
        read_tar(bytes, limits)
    }
}

fn read_tar(reader: impl Read, limits: ArchiveLimits) -> Result<Vec<Member>, ArchiveError> {
    // One byte more than allowed, so that reaching it shows the excess; headers count too.
    let budget = limits.total_bytes_max + 512 * (limits.members_max as u64 * 2 + 4);
    let mut archive = tar::Archive::new(reader.take(budget));
    let mut members = Vec::new();
    let mut total = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() || !is_plain_name(&name) {
            return Err(ArchiveError::Member(name.chars().take(100).collect()));
        }
        if members.len() == limits.members_max {
            return Err(ArchiveError::TooManyMembers(limits.members_max));
        }
        total += entry.size();
        if total > limits.total_bytes_max {
            return Err(ArchiveError::TooLarge(limits.total_bytes_max));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        members.push(Member { name, bytes: content });
    }
    Ok(members)
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('/')
        && !name.contains('\\')
        && name.chars().all(|c| !c.is_control())
        && name.split('/').all(|part| part != "..")
}

/// Writes a tar archive.
#[must_use]
pub fn write_tar(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(member.bytes.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, &member.name, member.bytes.as_slice())
            .expect("names of our own making fit and memory does not fail");
    }
    builder.into_inner().expect("memory does not fail")
}
