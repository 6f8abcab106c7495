//! SQLite's write-ahead log, as its file format describes it: what SQLite itself would read from it, and whether it would
//! pass over something that had been committed.

use std::fs::File;
use std::os::unix::fs::FileExt;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The first word of a log; its last bit says in which order the words of checksums are read.
const MAGIC: u32 = 0x377f_0682;

/// Which log it is: it gets two other numbers each time it begins anew.
pub(crate) type Salts = [u32; 2];

/// A committed page.
pub(crate) struct Frame<'a> {
    pub(crate) number: u32,
    pub(crate) page: &'a [u8],
    /// Pages of the database after the commit that this frame ends.
    pub(crate) commit: Option<u32>,
}

/// How far a log was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    pub(crate) salts: Salts,
    pub(crate) page_bytes: u32,
    /// Frames read, up to a commit.
    pub(crate) frames: u32,
    checksum: [u32; 2],
    big_endian: bool,
}

impl Position {
    /// Before the first frame of a log; `None` is one without a header: nothing was written to it.
    pub(crate) fn start(log: &File) -> std::io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        if !filled(log, &mut header, 0)? {
            return Ok(None);
        }
        let big_endian = word(&header, 0) & 1 == 1;
        let mut position = Self {
            salts: [word(&header, 16), word(&header, 20)],
            page_bytes: word(&header, 8),
            frames: 0,
            checksum: [0; 2],
            big_endian,
        };
        position.checksum = position.after([0; 2], &header[..24]);
        let is_log = word(&header, 0) & !1 == MAGIC
            && position.page_bytes.is_power_of_two()
            && (512..=65_536).contains(&position.page_bytes)
            && position.checksum == [word(&header, 24), word(&header, 28)];
        Ok(is_log.then_some(position))
    }

    /// Hands over what was committed behind the position, which moves to the last commit. The frames of a commit come once
    /// all of them are known to be whole.
    pub(crate) fn advance(
        &mut self,
        log: &File,
        mut visit: impl FnMut(&Frame<'_>),
    ) -> std::io::Result<()> {
        let mut reach = self.clone();
        let mut commit = Vec::new();
        while let Some(frame) = reach.frame(log, reach.frames)? {
            if !reach.is_whole(&frame, reach.checksum) {
                break;
            }
            (reach.frames, reach.checksum) =
                (reach.frames + 1, [word(&frame, 16), word(&frame, 20)]);
            let ends = word(&frame, 4);
            commit.push(frame);
            if ends != 0 {
                let last = commit.len() - 1;
                for (index, frame) in commit.drain(..).enumerate() {
                    visit(&Frame {
                        number: word(&frame, 0),
                        page: &frame[FRAME_HEADER_BYTES..],
                        commit: (index == last).then_some(ends),
                    });
                }
                *self = reach.clone();
            }
        }
        Ok(())
    }

    /// Whether more was committed behind the position, past a frame that is damaged. A commit is begun once the one before it
    /// is on disk: a power loss damages the last of them at most, and that was acknowledged to nobody.
    pub(crate) fn hides_commits(&self, log: &File) -> std::io::Result<bool> {
        let (mut at, mut commits) = (self.frames, 0);
        // What a frame says its checksum is, and what it would have been: one of them is right if one bit is not.
        let mut before = [self.checksum; 2];
        while let Some(frame) = self.frame(log, at)? {
            // Of the damaged one itself what it says; one of an older log that power loss left there says nothing.
            let is_first = at == self.frames && self.is_nearly_of_it(&frame);
            let follows = before.iter().any(|before| self.is_whole(&frame, *before));
            commits += u32::from((is_first || follows) && word(&frame, 4) != 0);
            before = [[word(&frame, 16), word(&frame, 20)], self.after_frame(&frame, before[0])];
            at += 1;
        }
        Ok(commits > 1)
    }

    /// Whether a frame is of this log, but for one bit.
    fn is_nearly_of_it(&self, frame: &[u8]) -> bool {
        let [first, second] = self.salts;
        let other = (word(frame, 8) ^ first).count_ones() + (word(frame, 12) ^ second).count_ones();
        other <= 1
    }

    /// A frame of this log as it stands, or none.
    fn frame(&self, log: &File, index: u32) -> std::io::Result<Option<Vec<u8>>> {
        let bytes = FRAME_HEADER_BYTES + self.page_bytes as usize;
        let mut frame = vec![0; bytes];
        let at = HEADER_BYTES as u64 + u64::from(index) * bytes as u64;
        Ok(filled(log, &mut frame, at)?.then_some(frame))
    }

    fn is_whole(&self, frame: &[u8], before: [u32; 2]) -> bool {
        [word(frame, 8), word(frame, 12)] == self.salts
            && word(frame, 0) != 0
            && self.after_frame(frame, before) == [word(frame, 16), word(frame, 20)]
    }

    fn after_frame(&self, frame: &[u8], before: [u32; 2]) -> [u32; 2] {
        let (header, page) = frame.split_at(FRAME_HEADER_BYTES);
        self.after(self.after(before, &header[..8]), page)
    }

    /// The running checksum after more bytes, a multiple of eight.
    fn after(&self, [mut first, mut second]: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        let read = if self.big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        for pair in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *pair;
            first = first.wrapping_add(read([a, b, c, d])).wrapping_add(second);
            second = second.wrapping_add(read([e, f, g, h])).wrapping_add(first);
        }
        [first, second]
    }
}

/// Fills a buffer from a place in a file; false if the file ends before.
pub(crate) fn filled(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Words of headers are big-endian.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
}
