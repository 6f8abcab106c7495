//! Archives people carry: tar, gzipped or not, and such archives inside one another (guide p. 44; C-34, FILE-005).
//!
//! They are read as a stream: what is in memory at a time is one file, and that is bounded.

use std::io::{BufRead, BufReader, Read};

use aws_lc_rs::digest;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Not readable as a tar archive.
    #[error("the archive is damaged or was cut off: copy it again, in binary mode")]
    Unreadable(#[from] std::io::Error),
    /// Unpacks to more than is accepted.
    #[error("the archive unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// Holds more files than is accepted.
    #[error("the archive holds more than {0} files")]
    TooManyMembers(usize),
    /// Something lies behind its end, where nothing is read.
    #[error("something lies behind the end of the archive, as when two are joined: pack it anew")]
    Behind,
    /// Holds something that is not a plain file below it.
    #[error("the archive holds {0}, which is not a plain file with a plain name")]
    Member(String),
}

/// What an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    /// All files together, unpacked, in bytes.
    pub total_bytes_max: u64,
    /// One file, in bytes.
    pub member_bytes_max: u64,
    /// The number of files.
    pub members_max: usize,
}

/// The longest name of a file, in bytes: folders of people's machines included.
const NAME_BYTES_MAX: usize = 1024;
/// The longest extension of a header that is read, in bytes.
const EXTENSION_BYTES_MAX: u64 = 16 << 10;
/// Archives may lie in an archive, but not in that one again.
const DEPTH_MAX: u32 = 2;

/// What is found in an archive, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File {
        /// 1 for one that lies in the archive itself, 2 for one in an archive inside.
        level: u32,
        /// The file.
        member: Member,
    },
    /// An archive inside has been read to its end.
    Archive {
        /// Its name.
        name: String,
        /// The digest of its bytes.
        sha256: [u8; 32],
    },
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

/// Whether a file lies in archives because tools and people put it there: what macOS and Windows add, and a README.
pub(crate) fn is_litter(name: &str) -> bool {
    let mut parts = name.split('/');
    let last = name.rsplit('/').next().unwrap_or(name);
    let lower = last.to_ascii_lowercase();
    parts.any(|part| part == "__MACOSX")
        || last.starts_with("._")
        || [".ds_store", "thumbs.db", "desktop.ini"].contains(&lower.as_str())
        || lower == "readme"
        || lower.starts_with("readme.")
}

/// Reads a tar archive, gzipped or not, within limits, and hands over each file as it comes. Links, devices and names
/// that lead elsewhere are refused.
///
/// # Errors
/// When it is not such an archive or exceeds a limit, or what `visit` says.
pub fn read_archive<E: From<ArchiveError>>(
    reader: &mut dyn Read,
    limits: ArchiveLimits,
    visit: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    let mut budget = Budget { limits, bytes: limits.total_bytes_max, members: limits.members_max };
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    read_level(&mut reader, &mut budget, 1, visit)
}

/// The files of an archive in memory, those of archives inside included.
///
/// # Errors
/// As [`read_archive`].
pub fn read_members(bytes: &[u8], limits: ArchiveLimits) -> Result<Vec<Member>, ArchiveError> {
    let mut members = Vec::new();
    read_archive(&mut &bytes[..], limits, &mut |found| {
        if let Found::File { member, .. } = found {
            members.push(member);
        }
        Ok::<(), ArchiveError>(())
    })?;
    Ok(members)
}

/// What may still be unpacked.
struct Budget {
    limits: ArchiveLimits,
    bytes: u64,
    members: usize,
}

fn read_level<E: From<ArchiveError>>(
    reader: &mut dyn BufRead,
    budget: &mut Budget,
    depth: u32,
    visit: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |error| E::from(ArchiveError::Unreadable(error));
    if is_gzip(reader.fill_buf().map_err(unreadable)?) {
        read_tar(&mut flate2::bufread::MultiGzDecoder::new(reader), budget, depth, visit)
    } else {
        read_tar(reader, budget, depth, visit)
    }
}

fn read_tar<E: From<ArchiveError>>(
    reader: &mut dyn Read,
    budget: &mut Budget,
    depth: u32,
    visit: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<(), E> {
    let unreadable = |error| E::from(ArchiveError::Unreadable(error));
    let limits = budget.limits;
    // Headers and padding count too; one byte more than allowed shows the excess.
    let most = limits.total_bytes_max + 1024 * (limits.members_max as u64 + 4);
    let mut archive = tar::Archive::new(reader.take(most));
    let mut long_name = None;
    // Raw: extensions that announce a long name would be read whole, however long.
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            let mut text = Vec::new();
            (&mut entry).take(EXTENSION_BYTES_MAX).read_to_end(&mut text).map_err(unreadable)?;
            let told = if kind.is_gnu_longname() { gnu_name(&text) } else { pax_name(&text) };
            long_name = told.or(long_name);
            continue;
        }
        let short = || String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = long_name.take().unwrap_or_else(short);
        if kind.is_dir() || kind.is_pax_global_extensions() || is_litter(&name) {
            continue;
        }
        if !kind.is_file() || !is_plain_name(&name) {
            return Err(ArchiveError::Member(name.chars().take(100).collect()).into());
        }
        let size = entry.size();
        if budget.members == 0 {
            return Err(ArchiveError::TooManyMembers(limits.members_max).into());
        }
        budget.members -= 1;
        budget.bytes =
            budget.bytes.checked_sub(size).ok_or(ArchiveError::TooLarge(limits.total_bytes_max))?;
        let mut head = Vec::new();
        (&mut entry).take(512).read_to_end(&mut head).map_err(unreadable)?;
        if is_gzip(&head) || is_tar(&head) {
            if depth == DEPTH_MAX {
                return Err(
                    ArchiveError::Member(format!("{name}, an archive too deep inside")).into()
                );
            }
            let sha256 = read_inner(head.chain(entry), budget, depth + 1, visit)?;
            visit(Found::Archive { name, sha256 })?;
            continue;
        }
        if size > limits.member_bytes_max {
            return Err(ArchiveError::TooLarge(limits.member_bytes_max).into());
        }
        entry.read_to_end(&mut head).map_err(unreadable)?;
        if head.len() as u64 != size {
            let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(unreadable(error));
        }
        visit(Found::File { level: depth, member: Member { name, bytes: head } })?;
    }
    // What follows the last file is read too: a copy that stopped early ends in the middle of it, and what was put behind
    // the end, such as a second archive, would be lost in silence.
    let mut rest = archive.into_inner();
    let mut buffer = [0; 8192];
    loop {
        match rest.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(()),
            count if buffer[..count].iter().all(|byte| *byte == 0) => {}
            _ => return Err(ArchiveError::Behind.into()),
        }
    }
}

fn read_inner<E: From<ArchiveError>>(
    reader: impl Read,
    budget: &mut Budget,
    depth: u32,
    visit: &mut dyn FnMut(Found) -> Result<(), E>,
) -> Result<[u8; 32], E> {
    let hashing = Hashing { reader, context: digest::Context::new(&digest::SHA256) };
    let mut hashing = BufReader::with_capacity(64 << 10, hashing);
    read_level(&mut hashing, budget, depth, visit)?;
    std::io::copy(&mut hashing, &mut std::io::sink()).map_err(ArchiveError::Unreadable)?;
    let digest = hashing.into_inner().context.finish();
    Ok(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

struct Hashing<R> {
    reader: R,
    context: digest::Context,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.context.update(&buffer[..count]);
        Ok(count)
    }
}

/// A name that did not fit into a header of GNU tar.
fn gnu_name(text: &[u8]) -> Option<String> {
    let text = text.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// The name in the records of a POSIX extended header, each `LENGTH NAME=VALUE`, LF.
fn pax_name(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let path = |line: &str| line.split_once(' ')?.1.strip_prefix("path=").map(str::to_owned);
    text.lines().find_map(path)
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('/')
        && !name.contains('\\')
        && name.chars().all(|c| !c.is_control())
        && name.split('/').all(|part| part != "..")
}

/// Writes a tar archive, file by file.
pub struct ArchiveWriter<W: std::io::Write> {
    builder: tar::Builder<W>,
    modified_at: u64,
}

impl<W: std::io::Write> ArchiveWriter<W> {
    /// An archive whose files say that they were written at `now`.
    pub fn new(out: W, now: crate::Timestamp) -> Self {
        let modified_at = u64::try_from(now.0).unwrap_or(0);
        Self { builder: tar::Builder::new(out), modified_at }
    }

    /// Adds a file of which `size` bytes are read.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn add(&mut self, name: &str, size: u64, reader: impl Read) -> std::io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(self.modified_at);
        self.builder.append_data(&mut header, name, reader)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> std::io::Result<W> {
        self.builder.into_inner()
    }
}

/// Writes a tar archive in memory.
#[must_use]
pub fn write_tar(members: &[Member]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new(), crate::Timestamp(0));
    for member in members {
        writer
            .add(&member.name, member.bytes.len() as u64, member.bytes.as_slice())
            .expect("names of our own making fit and memory does not fail");
    }
    writer.finish().expect("memory does not fail")
}
