//! What the switch started with last, and what became of an installation: two small files of its store, each behind its
//! digest, so that one that was damaged counts for nothing and not for something else.

use rumline_agent::{Disk, DiskError};
use rumline_protocol::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::topics::preview::digest;

/// What the switch started with last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    /// The release that was named for it then: what it came with.
    pub came_with: String,
    /// The release it started with.
    pub release: String,
    /// The image on bootflash: that this was; none for what it came with.
    pub image: Option<String>,
}

/// The last installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Install {
    pub image: String,
    pub from: String,
    pub to: String,
    pub at: Timestamp,
    /// What it showed.
    pub log: String,
}

/// The file in a switch's store that says what it started with.
pub const STARTED_FILE: &str = "software";

/// The release that a switch came with, from the content of that file.
#[must_use]
pub fn came_with(bytes: &[u8]) -> Option<String> {
    Started::parse(bytes).map(|started| started.came_with)
}

/// The names of those that are damaged: they count for nothing.
///
/// # Errors
/// When the disk cannot be read.
pub fn damaged_software(disk: &mut dyn Disk) -> Result<Vec<&'static str>, DiskError> {
    let started = disk.read(Started::FILE)?.is_some() && Started::read(disk)?.is_none();
    let install = disk.read(Install::FILE)?.is_some() && Install::read(disk)?.is_none();
    let files = [(started, Started::FILE), (install, Install::FILE)];
    Ok(files.into_iter().filter_map(|(is_damaged, file)| is_damaged.then_some(file)).collect())
}

/// A file that holds one record.
pub(crate) trait Record: Serialize + DeserializeOwned {
    const FILE: &'static str;

    /// What was written last; none where nothing was, or nothing that can be read.
    fn read(disk: &mut dyn Disk) -> Result<Option<Self>, DiskError> {
        Ok(disk.read(Self::FILE)?.and_then(|bytes| Self::parse(&bytes)))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (sum, json) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        if digest(json.as_bytes()) == sum { serde_json::from_str(json).ok() } else { None }
    }

    fn write(&self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        let json = serde_json::to_string(self).expect("names and numbers are JSON");
        disk.write(Self::FILE, format!("{}\n{json}", digest(json.as_bytes())).as_bytes())
    }
}

impl Record for Started {
    const FILE: &'static str = STARTED_FILE;
}

impl Record for Install {
    const FILE: &'static str = "install";
}

#[cfg(test)]
mod tests {
    use rumline_agent::MemoryDisk;

    use super::*;

    #[test]
    fn a_record_with_a_flipped_bit_is_none() {
        let mut disk = MemoryDisk::default();
        assert_eq!(Started::read(&mut disk), Ok(None));
        let (came_with, release) = ("10.4(3)F".to_owned(), "10.5(1)F".to_owned());
        let started = Started { came_with, release, image: Some("new.bin".to_owned()) };
        started.write(&mut disk).unwrap();
        assert_eq!(Started::read(&mut disk), Ok(Some(started)));
        assert_eq!(damaged_software(&mut disk), Ok(Vec::new()));
        for bit in 0..disk.files[Started::FILE].len() * 8 {
            let mut disk = disk.clone();
            disk.files.get_mut(Started::FILE).unwrap()[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Started::read(&mut disk), Ok(None), "bit {bit}");
            assert_eq!(damaged_software(&mut disk), Ok(vec![Started::FILE]));
        }
    }
}
