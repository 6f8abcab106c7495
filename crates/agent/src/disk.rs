//! The disk seam: a few methods, so that a simulator can tear writes, drop unsynced data and fill it.

use std::collections::BTreeMap;

/// Why the disk failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// No room left.
    #[error("No space left on device")]
    Full,
    /// Not writable.
    #[error("Read-only file system")]
    ReadOnly,
    /// What lies there cannot be used.
    #[error("{0}")]
    Damaged(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// A small set of named files.
///
/// Names are relative paths of plain characters. A power cut during [`Disk::write`] leaves the old content or the new;
/// after it has returned the new content stays.
pub trait Disk {
    /// The content of a file, if it exists.
    ///
    /// # Errors
    /// When the disk fails.
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError>;

    /// The length of a file, if it exists.
    ///
    /// # Errors
    /// When the disk fails.
    fn size_bytes(&mut self, name: &str) -> Result<Option<u64>, DiskError> {
        Ok(self.read(name)?.map(|bytes| bytes.len() as u64))
    }

    /// Replaces a file and returns once that is durable.
    ///
    /// # Errors
    /// When the disk fails; the file is then what it was, or, where only the last step failed, the new one.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// As [`Disk::write`], piece by piece until there is none, so that the content need not be in memory as a whole.
    ///
    /// # Errors
    /// As [`Disk::write`], or what `next_piece` returns; the file is then what it was.
    fn write_pieces(
        &mut self,
        name: &str,
        next_piece: &mut dyn FnMut() -> Result<Option<Vec<u8>>, DiskError>,
    ) -> Result<(), DiskError> {
        let mut bytes = Vec::new();
        while let Some(piece) = next_piece()? {
            bytes.extend(piece);
        }
        self.write(name, &bytes)
    }

    /// Writes over a file's content in place and returns once it is durable: half the work of [`Disk::write`], for a file
    /// that has another one beside it. A power cut, or a full disk, may leave a mixture.
    ///
    /// # Errors
    /// When the disk fails; the file may then hold anything.
    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// Adds to a file's end and returns once it is durable. A power cut, or a full disk, may leave the beginning of it.
    ///
    /// # Errors
    /// When the disk fails; anything may then lie behind the old content.
    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// Adds to a file's end. What was added may be lost or torn by a power cut.
    ///
    /// # Errors
    /// When the disk fails.
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError>;

    /// Removes a file; a missing one is fine. A power cut may bring it back.
    ///
    /// # Errors
    /// When the disk fails.
    fn remove(&mut self, name: &str) -> Result<(), DiskError>;

    /// The names of files that start with `prefix`, in order.
    ///
    /// # Errors
    /// When the disk fails.
    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError>;

    /// Whether what is written is copied to another supervisor.
    fn is_copied(&self) -> bool {
        false
    }

    /// Gives the other supervisor what it needs to take over and what is not kept here.
    fn hand(&mut self, _name: &str, _bytes: &[u8]) {}

    /// Returns once the other supervisor has what was handed to it.
    ///
    /// # Errors
    /// When it may take over without it.
    fn settle_handed(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// A disk in memory, for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    /// What lies on it.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Every write fails with this while it is set.
    pub failure: Option<DiskError>,
    /// After so many more changes that becomes so, in the middle of the next one.
    pub fails_after: Option<(u64, DiskError)>,
    /// Durable writes so far.
    pub writes: u64,
    /// Bytes written so far.
    pub bytes_written: u64,
}

impl MemoryDisk {
    /// Before a change: whether it is made, or the beginning of it.
    fn change(&mut self, name: &str, half: impl FnOnce(&mut Vec<u8>)) -> Result<(), DiskError> {
        if let Some((left, failure)) = &mut self.fails_after {
            if *left == 0 {
                let failure = failure.clone();
                self.fails_after = None;
                self.failure = Some(failure);
                if let Some(file) = self.files.get_mut(name) {
                    half(file);
                }
            } else {
                *left -= 1;
            }
        }
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Disk for MemoryDisk {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.files.get(name).cloned())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.change(name, |_| ())?;
        self.writes += 1;
        self.bytes_written += bytes.len() as u64;
        self.files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.change(name, |file| {
            let half = bytes.len() / 2;
            file.resize(file.len().max(half), 0);
            file[..half].copy_from_slice(&bytes[..half]);
        })?;
        self.writes += 1;
        self.bytes_written += bytes.len() as u64;
        self.files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.append(name, bytes)?;
        self.writes += 1;
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.change(name, |file| file.extend_from_slice(&bytes[..bytes.len() / 2]))?;
        self.bytes_written += bytes.len() as u64;
        self.files.entry(name.to_owned()).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.change(name, |_| ())?;
        self.files.remove(name);
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        Ok(self.files.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
}
