//! The few files of a data directory that are written once and read at each start, with their checksums beside them.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use rumline_protocol::sha256;

use crate::{read_private, write_private};

/// The checksums, in the form of `sha256sum`, and behind them their own.
const SUMS_FILE: &str = "files.sha256";

/// Files of a directory: each is there whole, in one of the states it was given, or said to be damaged.
pub struct KeptFiles {
    dir: PathBuf,
}

/// Names with a checksum. A name stands twice while its file is replaced.
type Sums = Vec<(String, String)>;

impl KeptFiles {
    /// Those of a directory.
    #[must_use]
    pub fn of(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// A file, if it is there.
    ///
    /// # Errors
    /// When it is damaged, or the file system refuses.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(bytes) = read_private(&self.dir.join(name))? else { return Ok(None) };
        let sums = self.sums()?.unwrap_or_default();
        let mut of_it = sums.iter().filter(|(known, _)| known == name).peekable();
        if of_it.peek().is_none() {
            // Of before there were checksums, or of when theirs were damaged. Where nothing can be written, nothing is lost.
            let _noted = self.write_sums(sums.iter().cloned().chain([entry(name, &bytes)]));
        } else if !of_it.any(|(_, sum)| *sum == hex(&bytes)) {
            let text = format!(
                "{name} is damaged: put it back from a copy ({SUMS_FILE} says what it was)"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(Some(bytes))
    }

    /// Writes or replaces a file, durably and in one step.
    ///
    /// # Errors
    /// When the file system refuses; the file is what it was, or what it is to be.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let before = self.sums()?.unwrap_or_default();
        let new = entry(name, bytes);
        self.write_sums(before.iter().cloned().chain([new.clone()]))?;
        write_private(&self.dir.join(name), bytes)?;
        self.write_sums(before.into_iter().filter(|(known, _)| known != name).chain([new]))
    }

    /// What is wrong with which, and how many files were looked at; nothing is changed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn damaged(&self) -> io::Result<(usize, Vec<String>)> {
        let Some(sums) = self.sums()? else {
            let is_there = read_private(&self.dir.join(SUMS_FILE))?.is_some();
            return Ok((0, is_there.then(|| SUMS_FILE.to_owned()).into_iter().collect()));
        };
        let mut names: Vec<&str> = sums.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut damaged = Vec::new();
        for name in &names {
            let bytes = read_private(&self.dir.join(name))?;
            let is_whole = |bytes: &Vec<u8>| sums.contains(&entry(name, bytes));
            if !bytes.as_ref().is_some_and(is_whole) {
                damaged.push((*name).to_owned());
            }
        }
        Ok((names.len(), damaged))
    }

    /// `None` when there are none, or they are damaged.
    fn sums(&self) -> io::Result<Option<Sums>> {
        let bytes = read_private(&self.dir.join(SUMS_FILE))?;
        Ok(bytes.and_then(|bytes| parse(&String::from_utf8(bytes).ok()?)))
    }

    fn write_sums(&self, sums: impl Iterator<Item = (String, String)>) -> io::Result<()> {
        let mut text = String::new();
        for (name, sum) in sums {
            writeln!(text, "{sum}  {name}").map_err(io::Error::other)?;
        }
        let own = hex(text.as_bytes());
        write_private(&self.dir.join(SUMS_FILE), format!("{text}# {own}\n").as_bytes())
    }
}

fn parse(text: &str) -> Option<Sums> {
    let (lines, own) = text.strip_suffix('\n')?.rsplit_once("# ")?;
    if own != hex(lines.as_bytes()) {
        return None;
    }
    let pair =
        |line: &str| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned()));
    lines.lines().map(pair).collect()
}

fn entry(name: &str, bytes: &[u8]) -> (String, String) {
    (name.to_owned(), hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("rumline-kept-{name}-{}", std::process::id()));
        let _left_over = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn each_flipped_bit_is_found_and_of_the_checksums_harmless() {
        let dir = directory("flips");
        let files = KeptFiles::of(&dir);
        files.write("a.key", b"secret").unwrap();
        files.write("label.json", b"{}").unwrap();
        files.write("a.key", b"another").unwrap();
        assert_eq!(files.damaged().unwrap(), (2, vec![]));
        for name in ["a.key", "label.json", SUMS_FILE] {
            let whole = fs::read(dir.join(name)).unwrap();
            let sums = fs::read(dir.join(SUMS_FILE)).unwrap();
            let every = if name == SUMS_FILE { 29 } else { 1 };
            for bit in (0..whole.len() * 8).step_by(every) {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(dir.join(name), &bytes).unwrap();
                assert_eq!(files.damaged().unwrap().1, [name]);
                let [read, other] = ["a.key", "label.json"].map(|name| files.read(name));
                if name == SUMS_FILE {
                    assert_eq!(read.unwrap().unwrap(), b"another");
                    assert_eq!(other.unwrap().unwrap(), b"{}");
                    assert_eq!(files.damaged().unwrap(), (2, vec![]), "they are written anew");
                } else {
                    let error = files.read(name).unwrap_err().to_string();
                    assert!(error.contains(&format!("{name} is damaged")), "{error}");
                }
                fs::write(dir.join(SUMS_FILE), &sums).unwrap();
            }
            fs::write(dir.join(name), &whole).unwrap();
        }
        fs::remove_file(dir.join("a.key")).unwrap();
        assert_eq!(files.damaged().unwrap().1, ["a.key"], "one that is gone");
        assert!(files.read("a.key").unwrap().is_none());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_file_that_is_replaced_is_old_or_new_wherever_it_ends() {
        let dir = directory("replaced");
        let files = KeptFiles::of(&dir);
        files.write("a.key", b"old").unwrap();
        // The checksums of both stand before the file is replaced: it ends there, and there is no other file to rename.
        files.write("a.key", b"old").unwrap();
        fs::create_dir_all(dir.join("a.new/in the way")).unwrap();
        assert!(files.write("a.key", b"new").is_err());
        assert_eq!(files.read("a.key").unwrap().unwrap(), b"old");
        fs::write(dir.join("a.key"), b"new").unwrap();
        assert_eq!(files.read("a.key").unwrap().unwrap(), b"new");
        assert_eq!(files.damaged().unwrap(), (1, vec![]));
        // One of before there were checksums gets its own.
        fs::write(dir.join("b.key"), b"of before").unwrap();
        assert_eq!(files.read("b.key").unwrap().unwrap(), b"of before");
        fs::write(dir.join("b.key"), b"of afteR").unwrap();
        assert!(files.read("b.key").is_err());
        fs::remove_dir_all(dir).unwrap();
    }
}
