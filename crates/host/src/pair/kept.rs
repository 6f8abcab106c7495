//! Small files that are written over in place: they need no room on a full disk, and are one piece for the device.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rumline_switch::pair::Mark;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// As long as each of them is.
const KEPT_BYTES: usize = 1024;

/// A file that only its owner reads, made if there is none.
pub(crate) fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false).mode(0o600);
    options.open(path).with_context(|| path.display().to_string())
}

/// A folder that only its owner enters, made if there is none.
pub(crate) fn folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| path.display().to_string())
}

/// What is written there; what it is at first where there is no such file, or one that was made and never written.
pub(crate) fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    let bytes = rumline_net::read_private(path)?.unwrap_or_default();
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(T::default());
    }
    let read = std::str::from_utf8(&bytes).ok().map(|text| text.trim_end_matches(['\0', ' ']));
    let read = read.and_then(|text| serde_json::from_str(text).ok());
    read.with_context(|| format!("{} is damaged", path.display()))
}

/// Writes it, durably.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes = serde_json::to_vec(value)?;
    ensure!(bytes.len() <= KEPT_BYTES, "what is to be written to {} is too long", path.display());
    bytes.resize(KEPT_BYTES, b' ');
    let file = open(path)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()?;
    Ok(())
}

/// The mark of a supervisor's folder. One that is damaged is nobody's.
pub(crate) fn mark_of(folder: &Path) -> Result<Mark> {
    let path = folder.join("mark");
    read(&path).or_else(|error| {
        ensure!(path.exists(), error);
        tracing::warn!("{error:#}: this folder is not known any more");
        Ok(Mark::default())
    })
}

/// Writes a mark.
pub(crate) fn write_mark(at: &Path, mark: &Mark) -> Result<()> {
    folder(at)?;
    write(&at.join("mark"), mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_over_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("slot-1");
        assert_eq!(mark_of(&folder).unwrap(), Mark::default());
        let long = Mark { seen: u64::MAX, names: vec!["f".repeat(32); 8] };
        for mark in [&long, &Mark::settled(7, "a")] {
            write_mark(&folder, mark).unwrap();
            assert_eq!(
                mark_of(&folder).unwrap(),
                *mark,
                "a shorter one leaves nothing of a longer"
            );
        }
        let too_long = Mark { seen: 0, names: vec!["f".repeat(KEPT_BYTES)] };
        assert!(write_mark(&folder, &too_long).unwrap_err().to_string().contains("is too long"));
        assert_eq!(mark_of(&folder).unwrap(), Mark::settled(7, "a"));
        fs::write(folder.join("mark"), [0; 512]).unwrap();
        assert_eq!(mark_of(&folder).unwrap(), Mark::default(), "made, and never written");
        fs::write(folder.join("mark"), b"{").unwrap();
        assert_eq!(mark_of(&folder).unwrap(), Mark::default());
        let error = read::<Mark>(&folder.join("mark")).unwrap_err().to_string();
        assert!(error.contains("is damaged"), "{error}");
    }
}
