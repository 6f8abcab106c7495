//! A disk that tears, forgets and fills.

use std::collections::BTreeMap;

use rumline_agent::{Disk, DiskError};
use rumline_protocol::Timestamp;

use crate::model::{Features, Saved};

/// A file and what of it is durable.
#[derive(Clone, Debug, Default)]
struct File {
    content: Vec<u8>,
    durable_bytes: usize,
}

/// A switch's disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk {
    files: BTreeMap<String, File>,
    /// Removed, but a power cut brings them back.
    removed: BTreeMap<String, File>,
    /// Every write fails while it is set.
    pub full: bool,
    /// The power fails in the middle of the write after so many more.
    pub cut_after: Option<u32>,
    /// The power has failed: nothing works until the switch starts again.
    pub dead: bool,
    /// Writes that the power failed in: of how many a part is there, and of how many a mixture.
    pub torn: u64,
    pub mixed: u64,
}

/// Of a switch, kept somewhere else.
#[derive(Clone)]
pub(crate) struct Copy {
    pub store: SimDisk,
    pub flash: SimDisk,
    pub running: Features,
    pub saved: Saved,
    pub made_at: Timestamp,
    pub clock_offset: i64,
}

impl SimDisk {
    /// The power comes back: what was not durable is gone.
    pub(crate) fn restart(&mut self, keeps_removals: bool) {
        for file in self.files.values_mut() {
            file.content.truncate(file.durable_bytes);
        }
        if !keeps_removals {
            for (name, file) in std::mem::take(&mut self.removed) {
                self.files.entry(name).or_insert(file);
            }
        }
        self.removed.clear();
        self.cut_after = None;
        self.dead = false;
    }

    /// All that was written is durable.
    pub(crate) fn sync(&mut self) {
        self.files.values_mut().for_each(|file| file.durable_bytes = file.content.len());
        self.removed.clear();
    }

    /// Takes files away.
    pub(crate) fn lose(&mut self, prefix: &str) {
        self.files.retain(|name, _| !name.starts_with(prefix));
    }

    /// What a file holds, read by nobody.
    pub(crate) fn content(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(|file| file.content.as_slice())
    }

    /// Flips a bit in one of the files that somebody checks; says in which.
    pub(crate) fn rot(&mut self, file: u64, bit: u64) -> Option<String> {
        let checked = |name: &&String| !name.starts_with("eventlog");
        let names: Vec<String> = self.files.keys().filter(checked).cloned().collect();
        let name = names.get(usize::try_from(file).ok()? % names.len().max(1))?;
        let content = &mut self.files.get_mut(name)?.content;
        let bit = usize::try_from(bit).ok()? % (content.len() * 8).max(1);
        *content.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(name.clone())
    }

    fn check(&self) -> Result<(), DiskError> {
        if self.dead {
            return Err(DiskError::Other("the power is off".to_owned()));
        }
        if self.full { Err(DiskError::Full) } else { Ok(()) }
    }
}

impl Disk for SimDisk {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        if self.dead {
            return Err(DiskError::Other("the power is off".to_owned()));
        }
        Ok(self.files.get(name).map(|file| file.content.clone()))
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.check()?;
        match &mut self.cut_after {
            Some(0) => {
                // Before the last step or after it.
                if bytes.len().is_multiple_of(2) {
                    let file = File { content: bytes.to_vec(), durable_bytes: bytes.len() };
                    self.files.insert(name.to_owned(), file);
                }
                self.dead = true;
                return Err(DiskError::Other("the power is off".to_owned()));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let file = File { content: bytes.to_vec(), durable_bytes: bytes.len() };
        self.removed.remove(name);
        self.files.insert(name.to_owned(), file);
        Ok(())
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        if self.cut_after == Some(0) {
            self.check()?;
            // Some sectors are written and some are not, in any order.
            let file = self.files.entry(name.to_owned()).or_default();
            file.content.resize(file.content.len().max(bytes.len()), 0);
            let mut order = bytes.len() as u64 | 1;
            for (old, new) in file.content.chunks_mut(512).zip(bytes.chunks(512)) {
                order = order.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (order >> 31);
                if order & 1 == 0 {
                    old[..new.len()].copy_from_slice(new);
                }
            }
            file.durable_bytes = file.content.len();
            self.mixed += 1;
            self.dead = true;
            return Err(DiskError::Other("the power is off".to_owned()));
        }
        self.write(name, bytes)
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.check()?;
        let file = self.files.entry(name.to_owned()).or_default();
        match &mut self.cut_after {
            Some(0) => {
                // The beginning of it, and perhaps all of it.
                let most = bytes.len() * (1 + file.content.len() % 3) / 3;
                self.torn += 1;
                file.content.extend_from_slice(&bytes[..most]);
                file.durable_bytes = file.content.len();
                self.dead = true;
                return Err(DiskError::Other("the power is off".to_owned()));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        file.content.extend_from_slice(bytes);
        file.durable_bytes = file.content.len();
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.check()?;
        self.files.entry(name.to_owned()).or_default().content.extend_from_slice(bytes);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        self.check()?;
        if let Some(file) = self.files.remove(name) {
            self.removed.insert(name.to_owned(), file);
        }
        Ok(())
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        if self.dead {
            return Err(DiskError::Other("the power is off".to_owned()));
        }
        Ok(self.files.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
}
