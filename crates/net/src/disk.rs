//! The agent's disk on a real file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rumline_agent::{Disk, DiskError};

/// A directory as a disk. Files are 0600, the directory 0700; a write returns once it is on the device.
#[derive(Debug)]
pub struct FileDisk {
    root: PathBuf,
    // Held open: its lock keeps a second process away from the same store.
    _lock: File,
}

impl FileDisk {
    /// Opens a directory, made if it is not there.
    ///
    /// # Errors
    /// When the file system refuses, or another process has it open.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let lock = crate::lock_directory(root)?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    fn path(&self, name: &str) -> Result<PathBuf, DiskError> {
        let plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if plain {
            Ok(self.root.join(name))
        } else {
            Err(DiskError::Other("not a file name".into()))
        }
    }

    fn sync_directory(path: &Path) -> io::Result<()> {
        let Some(directory) = path.parent() else { return Ok(()) };
        File::open(directory)?.sync_data()
    }

    fn open_for(&self, path: &Path, append: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).append(append).write(true);
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let directory = path.parent().unwrap_or(&self.root);
                fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
                options.open(path)
            }
            other => other,
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let is_new = !path.exists();
        let mut file = self.open_for(path, false)?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_data()?;
        if is_new {
            Self::sync_directory(path)?;
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err wants")]
fn disk_error(error: io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => DiskError::ReadOnly,
        _ => DiskError::Other(error.to_string()),
    }
}

impl Disk for FileDisk {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        crate::read_private(&self.path(name)?).map_err(disk_error)
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.replace(&self.path(name)?, bytes).map_err(disk_error)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path(name)?;
        let append = || self.open_for(&path, true)?.write_all(bytes);
        append().map_err(disk_error)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk_error(error)),
            _ => Ok(()),
        }
    }

    fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
        let (directory, start) = prefix.rsplit_once('/').map_or(("", prefix), |(d, s)| (d, s));
        let entries = match fs::read_dir(self.root.join(directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(disk_error(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(disk_error)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_file = entry.file_type().map_err(disk_error)?.is_file();
            if is_file && !name.starts_with('.') && name.starts_with(start) {
                names.push(match directory {
                    "" => name,
                    directory => format!("{directory}/{name}"),
                });
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_listed_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt;
        let root = std::env::temp_dir().join(format!("rumline-disk-{}", std::process::id()));
        let mut disk = FileDisk::open(&root).unwrap();
        assert!(FileDisk::open(&root).is_err(), "one process at a time");
        disk.write("rum/17", b"a long first content").unwrap();
        disk.write("rum/17", b"short").unwrap();
        disk.append("eventlog", b"1").unwrap();
        disk.append("eventlog", b"2").unwrap();
        assert_eq!(disk.read("rum/17").unwrap().unwrap(), b"short");
        assert_eq!(disk.read("eventlog").unwrap().unwrap(), b"12");
        assert_eq!(disk.read("nothing").unwrap(), None);
        assert_eq!(disk.list("rum/").unwrap(), ["rum/17"]);
        assert_eq!(disk.list("").unwrap(), ["eventlog"]);
        assert!(disk.write("../outside", b"x").is_err());
        let mode = fs::metadata(root.join("rum/17")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        disk.remove("rum/17").unwrap();
        disk.remove("rum/17").unwrap();
        fs::remove_dir_all(&root).unwrap();
    }
}
