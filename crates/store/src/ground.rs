//! Whether the file below a database is still there and as it was written. Once it is not, the database stops: nothing is answered from
//! damaged pages, and nothing is acknowledged that lies in a file nobody will find again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags};

use crate::connection::connect;
use crate::sums::{Known, Sums};
use crate::{StoreError, Trouble};

/// Files up to this size are looked through at start, which takes a second or two.
const CHECKED_AT_START_BYTES_MAX: u64 = 128 << 20;
/// The first look in the background follows the start by this, and each other one the one before.
const SCRUB_AFTER: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(24 * 60 * 60)];

/// The file of a database.
pub(crate) struct Ground {
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
    /// Why nothing is answered from it any more.
    stopped: OnceLock<(Trouble, String)>,
    sums: Mutex<Sums>,
}

/// What was found wrong with a database file that nobody works on.
#[derive(Debug)]
pub struct Look {
    /// Line by line; none if it is whole.
    pub damage: Vec<String>,
    /// How many pages were compared with their checksums.
    pub compared_pages: usize,
    /// Why not all were.
    pub not_compared: Option<&'static str>,
}

impl Ground {
    /// Opens a file. It is looked through before anything is answered from it, unless it is too large for that; one whose
    /// checksums are missing, or of another copy, gets them then.
    pub(crate) fn open(path: &Path) -> Result<(Connection, Arc<Self>), StoreError> {
        let is_there = path.exists();
        if !is_there {
            connect(path)?;
        }
        let metadata = std::fs::metadata(path).map_err(|_| gone(path))?;
        let (sums, is_known) = match Sums::open(path).map_err(unreadable)? {
            Known::Sums(sums) => (sums, true),
            Known::Other(_, sums) => (sums, false),
            Known::LogDamaged => return Err(damaged(path, LOG_DAMAGED)),
        };
        let (path, file) = (path.to_owned(), identity_of(&metadata));
        let ground =
            Arc::new(Self { path, file, stopped: OnceLock::new(), sums: Mutex::new(sums) });
        let is_looked_through = metadata.len() <= CHECKED_AT_START_BYTES_MAX;
        // Before SQLite, which may change what it does not understand.
        ground.compare(|pages| pages == 0 || is_looked_through)?;
        let connection = connect(&ground.path).inspect_err(|error| ground.note(error));
        let connection = connection.map_err(|error| ground.check().err().unwrap_or(error))?;
        if is_looked_through || !is_known {
            ground.look_through(&connection, "PRAGMA quick_check(1)")?;
        }
        if !is_known {
            ground.sums().save().map_err(unreadable)?;
        }
        Ok((connection, ground))
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before the first commit, and each other one.
    pub(crate) fn begin(&self) {
        // Checksums that cannot be written are made anew at the next start.
        let _written = self.sums().begin();
    }

    /// Moves what is in the log into the file, and its checksums before it; says whether all of it was moved.
    /// The log goes on behind that, or `empties`.
    ///
    /// # Errors
    /// What stood in the way; it is no loss: the log is as good as the file.
    pub(crate) fn checkpoint(
        &self,
        connection: &Connection,
        empties: bool,
    ) -> Result<bool, StoreError> {
        self.check()?;
        let number =
            connection.query_row("SELECT 1 + (random() & 0x3fffffff)", [], |row| row.get(0))?;
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; PRAGMA user_version = {number}; COMMIT"))?;
        let mut sums = self.sums();
        sums.take_log(number).map_err(unreadable)?;
        let mode = if empties { CheckpointMode::TRUNCATE } else { CheckpointMode::PASSIVE };
        let (in_log, moved) = connection.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), mode)?;
        if in_log == moved {
            sums.moved(empties).map_err(unreadable)?;
        }
        Ok(in_log == moved)
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
            Some((Trouble::Gone, text)) => Err(StoreError::Gone(text.clone())),
            Some((_, text)) => Err(StoreError::Damaged(text.clone())),
            None => Ok(()),
        }
    }

    /// Stops the database if an error says that its file is damaged.
    pub(crate) fn note(&self, error: &StoreError) {
        if error.is_damage() {
            self.stop(&damaged(&self.path, &error.to_string()));
        }
    }

    fn stop(&self, error: &StoreError) {
        let (StoreError::Damaged(text) | StoreError::Gone(text)) = error else { return };
        let _the_first_stands = self.stopped.set((error.trouble(), text.clone()));
    }

    fn look_through(&self, connection: &Connection, pragma: &str) -> Result<(), StoreError> {
        let looked = connection.query_row(pragma, [], |row| row.get::<_, String>(0));
        let found = match looked {
            Ok(text) if text == "ok" => return Ok(()),
            Ok(text) => damaged(&self.path, text.lines().next_back().unwrap_or_default()),
            Err(error) if StoreError::from_sqlite_is_damage(&error) => {
                damaged(&self.path, &error.to_string())
            }
            Err(error) => return Err(error.into()),
        };
        self.stop(&found);
        Err(found)
    }

    /// Compares the pages of the file with their checksums, as long as it may after so many.
    fn compare(&self, may_go_on: impl Fn(usize) -> bool) -> Result<(), StoreError> {
        let mut first = 0;
        while may_go_on(first) {
            let Some(found) = self.sums().damaged(first).map_err(unreadable)? else { break };
            if let Some(page) = found.first() {
                let found = damaged(&self.path, &page_damaged(&self.path, *page));
                self.stop(&found);
                return Err(found);
            }
            first = Sums::next(first);
        }
        Ok(())
    }

    /// Looks through the whole file now and then, until the other end of `closing` is gone.
    pub(crate) fn scrub(&self, connection: &Connection, closing: &Receiver<()>) {
        let [first, others] = SCRUB_AFTER;
        let mut wait = first;
        while closing.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            // One that was interrupted, or found the file busy, looks again another day.
            let is_open = |_| closing.try_recv() == Err(TryRecvError::Empty);
            let _stopped_or_not = self
                .look_through(connection, "PRAGMA integrity_check(1)")
                .and_then(|()| self.compare(is_open));
            wait = others;
        }
    }
}

/// Looks through a file and its checksums, which are only read.
pub(crate) fn look(path: &Path) -> Result<Look, StoreError> {
    let (sums, not_compared) = match Sums::open(path).map_err(unreadable)? {
        Known::Sums(sums) => (Some(sums), None),
        Known::Other(why, _) => (None, Some(why)),
        Known::LogDamaged => {
            let damage = vec![LOG_DAMAGED.to_owned()];
            return Ok(Look { damage, compared_pages: 0, not_compared: None });
        }
    };
    let (mut damage, mut compared_pages) = (Vec::new(), 0);
    if let Some(sums) = sums {
        while let Some(found) = sums.damaged(compared_pages).map_err(unreadable)? {
            damage.extend(found.into_iter().map(|page| page_damaged(path, page)));
            compared_pages = Sums::next(compared_pages).min(sums.count());
        }
    }
    if damage.is_empty() {
        damage = structure(path)?;
    }
    Ok(Look { damage, compared_pages, not_compared })
}

/// What is wrong with the structure of a file, line by line.
pub(crate) fn structure(path: &Path) -> Result<Vec<String>, StoreError> {
    let look = || {
        let connection = connect(path)?;
        let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        Ok(lines
            .filter(|line| line.as_ref().map_or(true, |line| line != "ok"))
            .collect::<Result<_, _>>()?)
    };
    match look() {
        Err(error) if StoreError::is_damage(&error) => Ok(vec![error.to_string()]),
        looked => looked,
    }
}

const LOG_DAMAGED: &str = "its log (-wal) lost what was committed";

/// A page that is not as it was written, and what it belongs to as far as that can be read.
fn page_damaged(path: &Path, page: u32) -> String {
    let owner = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let owner = "SELECT name FROM dbstat WHERE pageno = ?1";
        connection.query_row(owner, [page], |row| row.get::<_, String>(0))
    };
    match owner() {
        Ok(name) => format!("page {page}, of {name}, is not as it was written"),
        Err(_) => format!("page {page} is not as it was written"),
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Damaged(format!(
        "{} is damaged ({what}): stop the server and put the last backup back; what devices have \
         reported since, they are asked for again",
        named(path)
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: std::io::Error) -> StoreError {
    StoreError::Commit(Trouble::Other, error.to_string())
}

fn identity_of(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn gone(path: &Path) -> StoreError {
    StoreError::Gone(format!(
        "{} was removed or replaced under the running server: stop it, put the file back, and start \
         it again",
        named(path)
    ))
}

/// Without its directory, which is nobody's business but the server's.
fn named(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
