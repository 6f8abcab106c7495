//! A SQLite database as it is at one moment, for a copy of it: whoever writes meanwhile, in this process or another, is not held up.
//!
//! The moment is that of a transaction that reads and stays open. Until it ends the log grows, since nothing may be moved over what
//! is still read; so a copy is taken in one go, and the transaction ended.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::connection::{connect, keep_statements};
use crate::sums::{Known, Sums};
use crate::tx::{Tx, TxInner};
use crate::{StoreError, Trouble};

/// Pages copied at a time: 8 MiB of the usual ones.
const PAGES_AT_ONCE: i32 = 2_048;
/// How often the checksums are read, which whoever writes may replace in between.
const LOOKS_MAX: usize = 10;

/// A database at a moment.
pub struct Snapshot {
    path: PathBuf,
    connection: Connection,
}

impl Snapshot {
    /// The database in a file that is there, as it is now.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            let text = format!("there is no {}", path.display());
            return Err(StoreError::Gone(text));
        }
        let connection = connect(path)?;
        // The moment is that of the first read.
        connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// Reads what was there at that moment.
    ///
    /// # Errors
    /// What `work` returns.
    pub fn read<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        work(&mut Tx { inner: TxInner::Sqlite(&self.connection) })
    }

    /// Copies it to a new file that only its owner may read, durably. `progress` is told how many pages are copied, and of how many.
    ///
    /// # Errors
    /// When the file is there, the file system refuses, or what is read is damaged.
    pub fn copy_to(&self, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), StoreError> {
        let unwritten = |error: std::io::Error| trouble_of(&error, to);
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(to).map_err(unwritten)?;
        {
            let mut copy = Connection::open(to)?;
            // Whoever is cut short begins anew; what is done is put on disk at the end.
            copy.execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;",
            )?;
            let backup = Backup::new(&self.connection, &mut copy)?;
            loop {
                let step = backup.step(PAGES_AT_ONCE)?;
                let told = backup.progress();
                let all = u64::try_from(told.pagecount).unwrap_or(0);
                progress(all - u64::try_from(told.remaining).unwrap_or(0).min(all), all);
                match step {
                    StepResult::Done => break,
                    StepResult::More => {}
                    _ => return Err(StoreError::Busy),
                }
            }
        }
        file.sync_all().map_err(unwritten)
    }

    /// What of the file is not as it was written, as far as it has checksums; call it while the snapshot is held.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn damage(&self) -> Result<Vec<String>, StoreError> {
        let failed = |error: std::io::Error| trouble_of(&error, &self.path);
        let mut damage = Vec::new();
        for _ in 0..LOOKS_MAX {
            let sums = match Sums::open(&self.path).map_err(failed)? {
                Known::Sums(sums) => sums,
                // It has none, or whoever writes just makes others.
                Known::Other(..) => continue,
                Known::LogDamaged => {
                    damage = vec!["its log (-wal) lost what was committed".to_owned()];
                    continue;
                }
            };
            damage.clear();
            let mut first = 0;
            while let Some(found) = sums.damaged(first).map_err(failed)? {
                damage.extend(
                    found.iter().map(|page| format!("page {page} is not as it was written")),
                );
                first = Sums::next(first);
            }
            if damage.is_empty() {
                break;
            }
        }
        Ok(damage)
    }
}

fn trouble_of(error: &std::io::Error, path: &Path) -> StoreError {
    let trouble = match error.kind() {
        std::io::ErrorKind::StorageFull => Trouble::Full,
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
            Trouble::ReadOnly
        }
        _ => Trouble::Other,
    };
    StoreError::Commit(trouble, format!("{}: {error}", path.display()))
}

/// Reads a copy that nobody writes to; nothing is made beside it.
///
/// # Errors
/// When it cannot be opened, and what `work` returns.
pub(crate) fn read_copy<T, E: From<StoreError>>(
    path: &Path,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let opened = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(address(path), flags)?;
        keep_statements(&connection)?;
        connection
            .execute_batch("PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; BEGIN;")?;
        Ok::<_, StoreError>(connection)
    };
    work(&mut Tx { inner: TxInner::Sqlite(&opened()?) })
}

/// The address of a file as SQLite takes it, for one that does not change.
fn address(path: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                address.push(char::from(*byte));
            }
            byte => address.push_str(&format!("%{byte:02x}")),
        }
    }
    address + "?immutable=1"
}

/// What is wrong with the structure of a copy, and with what its rows refer to; line by line.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn structure_of_copy(path: &Path) -> Result<Vec<String>, StoreError> {
    let looked = read_copy(path, |tx| {
        let mut damage =
            tx.rows::<_, StoreError>("PRAGMA integrity_check(20)", &[], |row| row.text(0))?;
        damage.retain(|line| line != "ok");
        damage.extend(tx.rows::<_, StoreError>("PRAGMA foreign_key_check", &[], |row| {
            Ok(format!(
                "a row of {} refers to one of {} that is not there",
                row.text(0)?,
                row.text(2)?
            ))
        })?);
        Ok::<_, StoreError>(damage)
    });
    match looked {
        Err(error) if error.is_damage() => Ok(vec![error.to_string()]),
        looked => looked,
    }
}
