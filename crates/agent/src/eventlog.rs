//! `show license eventlog`: what happened to licensing on this switch.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rumline_protocol::{Timestamp, sha256};

use crate::disk::{Disk, DiskError};

const FILE: &str = "eventlog";
const OLD_FILE: &str = "eventlog.old";
/// A file is set aside at this size, so two of them bound the space used.
const FILE_BYTES_MAX: usize = 256 << 10;
const LINES_SHOWN_MAX: usize = 2_000;

/// Of a line in a file, which it stands before.
fn checksum(line: &[u8]) -> String {
    let [a, b, c, d, ..] = sha256(line);
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// A file without the part of a line that a power cut, or a full disk, left at its end.
fn without_torn_end(name: &str, disk: &mut dyn Disk) -> Result<Option<Vec<u8>>, DiskError> {
    let Some(mut bytes) = disk.read(name)? else { return Ok(None) };
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        bytes.truncate(whole);
        disk.write(name, &bytes)?;
    }
    Ok(Some(bytes))
}

/// The lines of a file, without their checksums; an error is one that is damaged. Those of release 0.1.0, which begin with
/// their year, have none.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = Result<String, ()>> {
    let is_old =
        |line: &[u8]| line.get(4) == Some(&b'-') && line.iter().take(4).all(u8::is_ascii_digit);
    let whole = move |line: &[u8]| match line.split_at_checked(9) {
        _ if is_old(line) => Some(line.to_vec()),
        Some((sum, text)) if sum == format!("{} ", checksum(text)).as_bytes() => {
            Some(text.to_vec())
        }
        _ => None,
    };
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    text.split(|byte| *byte == b'\n')
        .filter(|_| !text.is_empty())
        .map(move |line| String::from_utf8(whole(line).ok_or(())?).map_err(|_| ()))
}

/// The last events, in memory and, but for the very last before a power cut, on disk.
pub(crate) struct EventLog {
    lines: VecDeque<String>,
    file_bytes: usize,
    /// Whether a part of a line may stand at the end.
    is_torn: bool,
    /// Whether it lies in files.
    is_kept: bool,
}

impl EventLog {
    /// One that holds nothing yet and lies nowhere, for what may never have happened.
    pub(crate) fn of_nothing() -> Self {
        Self { lines: VecDeque::new(), file_bytes: 0, is_torn: false, is_kept: false }
    }

    pub(crate) fn open(disk: &mut dyn Disk) -> Self {
        let mut log = Self { is_kept: true, ..Self::of_nothing() };
        for name in [OLD_FILE, FILE] {
            let Ok(Some(bytes)) = without_torn_end(name, disk) else { continue };
            log.file_bytes = bytes.len();
            for line in whole_lines(&bytes).filter_map(Result::ok) {
                log.push(line);
            }
        }
        log
    }

    /// What is wrong with which of its files; how many there are.
    pub(crate) fn damaged(disk: &mut dyn Disk) -> Result<(usize, Vec<&'static str>), DiskError> {
        let (mut files, mut damaged) = (0, Vec::new());
        for name in [OLD_FILE, FILE] {
            let Some(bytes) = disk.read(name)? else { continue };
            files += 1;
            if whole_lines(&bytes).any(|line| line.is_err()) {
                damaged.push(name);
            }
        }
        Ok((files, damaged))
    }

    fn push(&mut self, line: String) {
        if self.lines.len() == LINES_SHOWN_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) fn add(&mut self, now: Timestamp, event: &str, detail: &str, disk: &mut dyn Disk) {
        // `2021-11-17T03:31:32Z` becomes `2021-11-17 03:31:32.000 UTC`.
        let stamp = now.to_string();
        let mut line = format!("{} {}.000 UTC {event}", &stamp[..10], &stamp[11..19]);
        if !detail.is_empty() {
            write!(line, " {detail}").expect("writing to a String cannot fail");
        }
        self.add_line(line, disk);
    }

    /// Adds a line that was made before.
    pub(crate) fn add_line(&mut self, line: String, disk: &mut dyn Disk) {
        let bytes = format!("{} {line}\n", checksum(line.as_bytes()));
        self.push(line);
        if !self.is_kept {
            return;
        }
        if self.file_bytes + bytes.len() > FILE_BYTES_MAX {
            if let Ok(Some(old)) = disk.read(FILE) {
                // A log that cannot be set aside or added to is no reason to stop licensing.
                let _best_effort = disk.write(OLD_FILE, &old).and_then(|()| disk.remove(FILE));
            }
            self.file_bytes = 0;
        }
        if std::mem::take(&mut self.is_torn) {
            let left = without_torn_end(FILE, disk);
            self.file_bytes = left.ok().flatten().map_or(0, |left| left.len());
        }
        match disk.append(FILE, bytes.as_bytes()) {
            Ok(()) => self.file_bytes += bytes.len(),
            Err(_) => self.is_torn = true,
        }
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    pub(crate) fn clear(&mut self, disk: &mut dyn Disk) {
        self.lines.clear();
        self.file_bytes = 0;
        for name in [OLD_FILE, FILE] {
            let _best_effort = disk.remove(name);
        }
    }
}
