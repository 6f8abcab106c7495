//! Whether the file below a database is still there and whole. Once it is not, the database stops: nothing is answered from
//! damaged pages, and nothing is acknowledged that lies in a file nobody will find again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// Files up to this size are looked through at start, which takes a second or two.
const CHECKED_AT_START_BYTES_MAX: u64 = 128 << 20;
/// The first look in the background follows the start by this, and each other one the one before.
const SCRUB_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(24 * 60 * 60)];

/// The file of a database.
pub(crate) struct Ground {
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
    stopped: OnceLock<String>,
}

impl Ground {
    pub(crate) fn of(path: &Path) -> Result<Arc<Self>, StoreError> {
        let path = path.to_owned();
        let file = std::fs::metadata(&path).map_err(|_| gone(&path))?;
        let file = identity_of(&file);
        Ok(Arc::new(Self { path, file, stopped: OnceLock::new() }))
    }

    /// Looks through a file that is not too large for that, before anything is answered from it.
    pub(crate) fn check_at_start(&self, connection: &Connection) -> Result<(), StoreError> {
        let bytes = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if bytes > CHECKED_AT_START_BYTES_MAX {
            return Ok(());
        }
        self.look_through(connection, "PRAGMA quick_check(1)")
    }

    /// Whether the database may be worked on.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        // A file system that cannot tell just now is no proof that the file is gone.
        let there = std::fs::metadata(&self.path);
        let is_gone = match &there {
            Ok(metadata) => identity_of(metadata) != self.file,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if is_gone {
            self.stop(&gone(&self.path));
        }
        match self.stopped.get() {
            Some(text) => Err(StoreError::Damaged(text.clone())),
            None => Ok(()),
        }
    }

    /// Stops the database if an error says that its file is damaged.
    pub(crate) fn note(&self, error: &StoreError) {
        if error.is_damage() {
            self.stop(&self.damaged(&error.to_string()));
        }
    }

    fn stop(&self, error: &StoreError) {
        let StoreError::Damaged(text) = error else { return };
        let _the_first_stands = self.stopped.set(text.clone());
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged(format!(
            "{} is damaged ({what}): stop the server and put the last backup back; what devices have \
             reported since, they are asked for again",
            named(&self.path)
        ))
    }

    fn look_through(&self, connection: &Connection, pragma: &str) -> Result<(), StoreError> {
        let looked = connection.query_row(pragma, [], |row| row.get::<_, String>(0));
        let found = match looked {
            Ok(text) if text == "ok" => return Ok(()),
            Ok(text) => self.damaged(text.lines().next_back().unwrap_or_default()),
            Err(error) if StoreError::from_sqlite_is_damage(&error) => {
                self.damaged(&error.to_string())
            }
            Err(error) => return Err(error.into()),
        };
        self.stop(&found);
        Err(found)
    }

    /// Looks through the whole file now and then, until the other end of `closing` is gone.
    pub(crate) fn scrub(&self, connection: &Connection, closing: &Receiver<()>) {
        let [first, others] = SCRUB_AFTER;
        let mut wait = first;
        while closing.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            // One that was interrupted, or found the file busy, looks again another day.
            let _stopped_or_not = self.look_through(connection, "PRAGMA integrity_check(1)");
            wait = others;
        }
    }
}

/// What is wrong with a file, line by line.
pub(crate) fn damage(path: &Path) -> Result<Vec<String>, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let look = || {
        let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.collect::<Result<Vec<_>, _>>()
    };
    match look() {
        Ok(lines) => Ok(lines.into_iter().filter(|line| line != "ok").collect()),
        Err(error) if StoreError::from_sqlite_is_damage(&error) => Ok(vec![error.to_string()]),
        Err(error) => Err(error.into()),
    }
}

fn identity_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn gone(path: &Path) -> StoreError {
    StoreError::Damaged(format!(
        "{} was removed or replaced under the running server: stop it, put the file back, and start \
         it again",
        named(path)
    ))
}

/// Without its directory, which is nobody's business but the server's.
fn named(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
