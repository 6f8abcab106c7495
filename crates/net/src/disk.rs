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
    lock: File,
}

/// A file that is to take the place of another one.
const NEW: &str = ".new";

impl FileDisk {
    /// Opens a directory, made if it is not there.
    ///
    /// # Errors
    /// When the file system refuses, or another process has it open.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        let lock = crate::lock_directory(root)?;
        Ok(Self { root: root.to_owned(), lock })
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

    /// The directory this process has locked is still the one at the path: what is written elsewhere is lost.
    fn check_there(&self) -> io::Result<()> {
        if crate::is_still_there(&self.root, &self.lock) {
            return Ok(());
        }
        let text = format!(
            "{} was removed or replaced under the running process: stop it, put the directory back, \
             and start it again",
            self.root.display()
        );
        Err(io::Error::other(text))
    }

    /// A new file is written beside the old one, and then takes its place.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        self.replace_by(path, |new| self.overwrite_at(new, bytes).map_err(disk_error))
    }

    fn replace_by(
        &self,
        path: &Path,
        write: impl FnOnce(&Path) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Hidden, so that no list shows one that a power cut left.
        let new = path.with_file_name(format!(".{name}{NEW}"));
        let written = write(&new).and_then(|()| fs::rename(&new, path).map_err(disk_error));
        if let Err(error) = written {
            let _best_effort = fs::remove_file(&new);
            return Err(error);
        }
        Self::sync_directory(path).map_err(disk_error)
    }

    fn overwrite_at(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
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

    fn size_bytes(&mut self, name: &str) -> Result<Option<u64>, DiskError> {
        match fs::metadata(self.path(name)?) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk_error(error)),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path(name)?;
        self.check_there().map_err(disk_error)?;
        self.replace(&path, bytes)
    }

    fn write_pieces(
        &mut self,
        name: &str,
        next_piece: &mut dyn FnMut() -> Result<Option<Vec<u8>>, DiskError>,
    ) -> Result<(), DiskError> {
        let path = self.path(name)?;
        self.check_there().map_err(disk_error)?;
        self.replace_by(&path, |new| {
            let file = self.open_for(new, false).map_err(disk_error)?;
            file.set_len(0).map_err(disk_error)?;
            let mut out = io::BufWriter::new(file);
            while let Some(piece) = next_piece()? {
                out.write_all(&piece).map_err(disk_error)?;
            }
            out.flush().and_then(|()| out.get_ref().sync_data()).map_err(disk_error)
        })
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path(name)?;
        self.check_there().and_then(|()| self.overwrite_at(&path, bytes)).map_err(disk_error)
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path(name)?;
        let extend = || {
            let mut file = self.open_for(&path, true)?;
            file.write_all(bytes)?;
            file.sync_data()
        };
        self.check_there().and_then(|()| extend()).map_err(disk_error)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.path(name)?;
        let append = || self.open_for(&path, true)?.write_all(bytes);
        self.check_there().and_then(|()| append()).map_err(disk_error)
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
        disk.extend("eventlog", b"3").unwrap();
        assert_eq!(disk.read("eventlog").unwrap().unwrap(), b"123");
        assert_eq!(disk.size_bytes("eventlog"), Ok(Some(3)));
        assert_eq!((disk.size_bytes("nothing"), disk.size_bytes("rum")), (Ok(None), Ok(None)));
        assert_eq!(disk.list("rum/").unwrap(), ["rum/17"]);
        assert_eq!(disk.list("").unwrap(), ["eventlog"]);
        assert!(disk.write("../outside", b"x").is_err());
        let mode = fs::metadata(root.join("rum/17")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        disk.remove("rum/17").unwrap();
        disk.remove("rum/17").unwrap();
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_replaced_stays_and_leaves_nothing_beside_it() {
        let root = std::env::temp_dir().join(format!("rumline-replace-{}", std::process::id()));
        let mut disk = FileDisk::open(&root).unwrap();
        disk.write("startup", b"old").unwrap();
        // What takes the place cannot be written: another stands where it would.
        fs::create_dir(root.join(".startup.new")).unwrap();
        assert!(disk.write("startup", b"new").is_err());
        assert_eq!(disk.read("startup").unwrap().unwrap(), b"old");
        fs::remove_dir(root.join(".startup.new")).unwrap();
        // One that a power cut left is written over.
        fs::write(root.join(".startup.new"), b"something longer").unwrap();
        disk.write("startup", b"new").unwrap();
        assert_eq!(disk.read("startup").unwrap().unwrap(), b"new");
        assert_eq!(disk.list("").unwrap(), ["startup"]);
        assert!(!root.join(".startup.new").exists());
        // Piece by piece: whole, or what it was.
        let mut pieces = vec!["c", "b", "a"];
        disk.write_pieces("startup", &mut || Ok(pieces.pop().map(Into::into))).unwrap();
        assert_eq!(disk.read("startup").unwrap().unwrap(), b"abc");
        let mut calls = 0;
        let failed = disk.write_pieces("startup", &mut || {
            calls += 1;
            if calls < 3 { Ok(Some(vec![0; 20_000])) } else { Err(DiskError::Full) }
        });
        assert_eq!(failed, Err(DiskError::Full));
        assert_eq!(disk.read("startup").unwrap().unwrap(), b"abc");
        assert!(!root.join(".startup.new").exists());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn nothing_is_written_into_a_directory_that_is_not_the_one_that_was_opened() {
        let root = std::env::temp_dir().join(format!("rumline-gone-{}", std::process::id()));
        let mut disk = FileDisk::open(&root).unwrap();
        disk.write("ledger", b"1").unwrap();
        let moved = root.with_extension("moved");
        for recreate in [false, true] {
            fs::rename(&root, &moved).unwrap();
            if recreate {
                fs::create_dir(&root).unwrap();
                fs::write(root.join(".lock"), b"").unwrap();
            }
            for refused in [
                disk.write("ledger", b"2"),
                disk.overwrite("ledger", b"2"),
                disk.append("log", b"2"),
            ] {
                let text = refused.unwrap_err().to_string();
                assert!(text.contains("removed or replaced under the running process"), "{text}");
            }
            assert!(!root.join("ledger").exists());
            if recreate {
                fs::remove_dir_all(&root).unwrap();
            }
            fs::rename(&moved, &root).unwrap();
        }
        disk.write("ledger", b"2").unwrap();
        fs::remove_dir_all(&root).unwrap();
    }
}
