//! Files with secrets: mode 0600, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes a file that only its owner may read, durably and in one step.
///
/// # Errors
/// When the file system refuses.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // One that is left over, or was put there, must not lend its mode or lead elsewhere.
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a file that only its owner may read, unless it is there; an existing one loses everyone else's rights.
///
/// # Errors
/// When the file system refuses.
pub fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Keeps a second process away from a directory for as long as the value lives.
///
/// # Errors
/// When another process has it, or the file system refuses.
pub fn lock_directory(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false).mode(0o600);
    let lock = options.open(directory.join(".lock"))?;
    lock.try_lock().map_err(|_| {
        let text = format!("{} is in use by another process", directory.display());
        io::Error::new(io::ErrorKind::AddrInUse, text)
    })?;
    Ok(lock)
}

/// Whether a directory is still the one whose lock is held.
#[must_use]
pub fn is_still_there(directory: &Path, lock: &File) -> bool {
    let (Ok(there), Ok(held)) = (fs::metadata(directory.join(".lock")), lock.metadata()) else {
        return false;
    };
    (there.dev(), there.ino()) == (held.dev(), held.ino())
}

/// Reads a file, if it is there.
///
/// # Errors
/// When the file system refuses.
pub fn read_private(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
