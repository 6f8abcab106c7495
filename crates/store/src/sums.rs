//! A checksum of each page of a SQLite file, in a file beside it: a bit that flipped on the disk is found wherever it lies.
//!
//! A page changes in the file at a checkpoint alone, and until then in the log, whose frames have checksums of SQLite's own.
//! So the checksums of what a checkpoint is about to move are put on disk first; pages that are in the log are not looked at
//! in the file. Each time the two are brought together, the database gets a new number in its `user_version`: a file that
//! carries another one is another copy, and gets checksums of its own once its structure was looked through.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::wal::{Position, Salts, filled};

const MAGIC: &[u8; 8] = b"PAGESUM1";
/// Magic, then words: page size, number, the number before, salts and frames of the log, whether the log is empty.
const HEAD_BYTES: usize = 8 + 7 * 4;
/// Pages looked at in one go.
const PAGES_AT_ONCE: usize = 256;
/// The place of a database's size of pages, and of its `user_version`, in its header.
const HEADER_BYTES: usize = 100;
/// Where a page lies that SQLite never writes.
const LOCK_BYTE: u64 = 0x4000_0000;

/// A page that was never written; its checksum is that of no page.
const UNKNOWN: u32 = 0;

/// The checksums of a file.
pub(crate) struct Sums {
    /// Kept open as long as the database: closing a file gives up what locks the process has on it.
    database: File,
    log_path: PathBuf,
    path: PathBuf,
    state: State,
    /// Pages whose newest state may be in the log alone.
    in_log: BTreeSet<u32>,
    position: Option<Position>,
    log: Option<File>,
}

#[derive(Clone, Default)]
struct State {
    page_bytes: u32,
    number: u32,
    before: u32,
    salts: Salts,
    frames: u32,
    /// The log was emptied, and nothing was written since.
    closed: bool,
    of_page: Vec<u32>,
}

/// What is known of a file that was opened.
pub(crate) enum Known {
    /// Its checksums.
    Sums(Sums),
    /// None that fit it: why, and what they would be once its structure was looked through.
    Other(&'static str, Sums),
    /// Its log has lost what was committed.
    LogDamaged,
}

impl Sums {
    /// Of a file and its log; the checksums beside it are trusted if they are of this very file.
    pub(crate) fn open(path: &Path) -> std::io::Result<Known> {
        let mut sums = Self {
            database: File::open(path)?,
            log_path: beside(path, "-wal"),
            path: beside(path, ".sums"),
            state: State::default(),
            in_log: BTreeSet::new(),
            position: None,
            log: None,
        };
        let mut header = [0; HEADER_BYTES];
        let is_new = !filled(&sums.database, &mut header, 0)?;
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            bytes => u32::from(bytes),
        };
        let number = u32::from_be_bytes([header[60], header[61], header[62], header[63]]);
        sums.read_log(|_| ())?;
        if let (Some(position), Some(log)) = (&sums.position, &sums.log)
            && position.hides_commits(log)?
        {
            return Ok(Known::LogDamaged);
        }
        let log = sums.position.as_ref().filter(|position| position.frames > 0);
        let why = match State::read(&sums.path)? {
            Stored::None => "it has no checksums yet",
            Stored::Damaged => "the file of its checksums is damaged",
            Stored::State(state) => {
                let is_same_log = log.is_some_and(|log| log.salts == state.salts);
                // As much was there when its checksums were made.
                if is_same_log && log.is_some_and(|log| log.frames < state.frames) {
                    return Ok(Known::LogDamaged);
                }
                let is_of_it = state.page_bytes == page_bytes
                    && if state.closed { log.is_none() } else { log.is_some() }
                    && (number == state.number
                        || !state.closed && is_same_log && number == state.before);
                if is_of_it {
                    sums.state = state;
                    // The checksums of what is in the log are taken with what comes.
                    sums.position = None;
                    return Ok(Known::Sums(sums));
                }
                "its checksums are of another copy of it"
            }
        };
        sums.state = State { page_bytes, number, before: number, ..State::default() };
        if !is_new {
            sums.take_as_it_is()?;
        }
        sums.position = None;
        Ok(Known::Other(why, sums))
    }

    /// Takes the checksums of all pages from the file as it is.
    fn take_as_it_is(&mut self) -> std::io::Result<()> {
        let page_bytes = u64::from(self.state.page_bytes.max(512));
        let count = self.database.metadata()?.len() / page_bytes;
        let mut of_page = Vec::new();
        self.pages(0, usize::try_from(count).unwrap_or(usize::MAX), |_, page| {
            of_page.push(sum(page));
        })?;
        self.state.of_page = of_page;
        self.state.closed = self.position.as_ref().is_none_or(|position| position.frames == 0);
        Ok(())
    }

    /// Writes the checksums beside the file.
    pub(crate) fn save(&self) -> std::io::Result<()> {
        let new = beside(&self.path, ".new");
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&self.state.to_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        File::open(
            self.path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")),
        )?
        .sync_all()
    }

    /// Before the first write since the file was opened: its log is no longer empty.
    pub(crate) fn begin(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.state.closed) || !self.path.exists() {
            self.save()?;
        }
        Ok(())
    }

    /// Takes what was committed into the log since the last time, under the number it was given with that; the checksums
    /// are on disk then.
    pub(crate) fn take_log(&mut self, number: u32) -> std::io::Result<()> {
        let mut state = std::mem::take(&mut self.state);
        let mut of_page = std::mem::take(&mut state.of_page);
        let mut changed = BTreeSet::new();
        let taken = self.read_log(|frame| {
            let index = frame.number as usize - 1;
            if of_page.len() <= index {
                of_page.resize(index + 1, UNKNOWN);
            }
            of_page[index] = sum(frame.page);
            changed.insert(frame.number);
            if let Some(count) = frame.commit {
                of_page.resize(count as usize, UNKNOWN);
            }
        });
        self.state = State { of_page, ..state };
        self.in_log.append(&mut changed);
        taken?;
        let mut header = [0; HEADER_BYTES];
        filled(&self.database, &mut header, 0)?;
        if let Some(position) = &self.position {
            self.state.page_bytes = position.page_bytes;
            (self.state.salts, self.state.frames) = (position.salts, position.frames);
        }
        self.state.before = u32::from_be_bytes([header[60], header[61], header[62], header[63]]);
        self.state.number = number;
        self.save()
    }

    /// All that is in the log is in the file too, and if it `is_empty` nothing is in the log any more.
    pub(crate) fn moved(&mut self, is_empty: bool) -> std::io::Result<()> {
        self.in_log.clear();
        if is_empty {
            (self.position, self.state.closed) = (None, true);
            self.save()?;
        }
        Ok(())
    }

    /// Reads on in the log, from its start if it began anew.
    fn read_log(&mut self, mut visit: impl FnMut(&crate::wal::Frame<'_>)) -> std::io::Result<()> {
        if self.log.is_none() {
            match File::open(&self.log_path) {
                Ok(log) => self.log = Some(log),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let Some(log) = &self.log else { return Ok(()) };
        let start = Position::start(log)?;
        if self.position.as_ref().map(|position| position.salts)
            != start.as_ref().map(|start| start.salts)
        {
            self.position = start;
        }
        let Some(position) = &mut self.position else { return Ok(()) };
        let in_log = &mut self.in_log;
        position.advance(log, |frame| {
            in_log.insert(frame.number);
            visit(frame);
        })
    }

    /// How many pages have checksums.
    pub(crate) fn count(&self) -> usize {
        self.state.of_page.len()
    }

    /// The pages from `first` on, counted from 0, that are not as they were written; at most so many are looked at as are
    /// in one go. `None` behind the last.
    pub(crate) fn damaged(&self, first: usize) -> std::io::Result<Option<Vec<u32>>> {
        if first >= self.count() {
            return Ok(None);
        }
        let end = (first + PAGES_AT_ONCE).min(self.count());
        let lock_page = LOCK_BYTE / u64::from(self.state.page_bytes.max(512));
        let (mut found, mut seen) = (Vec::new(), first);
        let mut look = |index: usize, page: Option<&[u8]>| {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let is_free = self.in_log.contains(&number)
                || self.state.of_page[index] == UNKNOWN
                || index as u64 == lock_page;
            if !is_free && page.map(sum) != Some(self.state.of_page[index]) {
                found.push(number);
            }
        };
        self.pages(first, end, |index, page| {
            seen = index + 1;
            look(index, Some(page));
        })?;
        // The file ends too early.
        (seen..end).for_each(|index| look(index, None));
        Ok(Some(found))
    }

    /// Where the pages that are looked at next begin.
    pub(crate) fn next(first: usize) -> usize {
        first + PAGES_AT_ONCE
    }

    /// Hands over the pages of the file from one to before another, as far as it goes.
    fn pages(
        &self,
        first: usize,
        end: usize,
        mut visit: impl FnMut(usize, &[u8]),
    ) -> std::io::Result<()> {
        let page_bytes = self.state.page_bytes.max(512) as usize;
        let mut piece = vec![0; page_bytes * PAGES_AT_ONCE];
        let mut index = first;
        while index < end {
            let count = PAGES_AT_ONCE.min(end - index);
            let read = read_up_to(
                &self.database,
                &mut piece[..count * page_bytes],
                (index * page_bytes) as u64,
            )?;
            for page in piece[..read].chunks_exact(page_bytes) {
                visit(index, page);
                index += 1;
            }
            if read < count * page_bytes {
                break;
            }
        }
        Ok(())
    }
}

/// Forgets the checksums of a file.
pub(crate) fn forget(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(beside(path, ".sums")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Any single bit, and any run of 32, makes another one.
fn sum(page: &[u8]) -> u32 {
    crc32fast::hash(page).max(UNKNOWN + 1)
}

enum Stored {
    None,
    Damaged,
    State(State),
}

impl State {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + 4 * self.of_page.len() + 4);
        bytes.extend_from_slice(MAGIC);
        let [salt, other_salt] = self.salts;
        let closed = u32::from(self.closed);
        let head =
            [self.page_bytes, self.number, self.before, salt, other_salt, self.frames, closed];
        for word in head.iter().chain(&self.of_page) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let all = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&all.to_le_bytes());
        bytes
    }

    fn read(path: &Path) -> std::io::Result<Stored> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::from_bytes(&bytes).map_or(Stored::Damaged, Stored::State)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Stored::None),
            Err(error) => Err(error),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, all) = bytes.split_last_chunk::<4>()?;
        let words = words
            .strip_prefix(MAGIC)
            .filter(|_| crc32fast::hash(words) == u32::from_le_bytes(*all))?;
        let (chunks, []) = words.as_chunks::<4>() else { return None };
        let mut words = chunks.iter().map(|word| u32::from_le_bytes(*word));
        Some(Self {
            page_bytes: words.next()?,
            number: words.next()?,
            before: words.next()?,
            salts: [words.next()?, words.next()?],
            frames: words.next()?,
            closed: words.next()? == 1,
            of_page: words.collect(),
        })
    }
}
