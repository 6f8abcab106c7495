//! The SQL seam: one SQL text on SQLite or PostgreSQL.
//!
//! The branch between the two engines exists in this crate alone. Callers hand in closures over a [`Tx`]; a
//! closure may run more than once (when another of its group fails, or a connection to PostgreSQL led nowhere) and must have no
//! effect outside.
//!
//! # Dialect
//! `BIGINT`, `TEXT`, `BYTEA`; `$1`, `$2` … in the order they first appear; named columns; explicit `ORDER BY`;
//! times in whole seconds; `CAST(SUM(x) AS BIGINT)`. `INSERT … ON CONFLICT … DO UPDATE … RETURNING` works on both.
//!
//! # Durability
//! What a write has returned is on disk. One thread writes: closures that wait together are committed together; one that fails takes
//! nothing of the others with it.

#![warn(missing_docs)]

mod connection;
mod ground;
mod id;
mod mend;
mod migrate;
mod postgres_engine;
mod seen;
mod snapshot;
mod sqlite_engine;
mod sums;
mod tx;
mod wal;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

pub use ground::Look;
pub use id::Id;
pub use mend::Mended;
pub use migrate::Migration;
pub use postgres_engine::{Connect, Postgres};
#[cfg(debug_assertions)]
pub use seen::statements_seen;
pub use snapshot::Snapshot;
pub use tx::{Row, Tx, Value};

use crate::postgres_engine::PostgresEngine;
use crate::sqlite_engine::SqliteEngine;

/// Why the store failed. None of these is the caller's mistake; all may pass.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL said no.
    #[error("the database failed: {0}")]
    Postgres(#[from] postgres::Error),
    /// More work is waiting than is taken.
    #[error("the database is busy, try again")]
    Busy,
    /// The store has been shut down.
    #[error("the database is closed")]
    Closed,
    /// The database gave a transaction up by itself, as on a full disk.
    #[error("the transaction was given up: is the disk full?")]
    GivenUp,
    /// The commit of a group failed, and why.
    #[error("the database could not commit: {1}")]
    Commit(Trouble, String),
    /// The transaction met another one, again and again.
    #[error("the database is busy with the same records, try again")]
    Conflict,
    /// The file below is damaged: nothing is answered from it any more.
    #[error("{0}")]
    Damaged(String),
    /// The file below was removed or replaced: nothing is answered from it any more.
    #[error("{0}")]
    Gone(String),
    /// A schema newer than this program knows.
    #[error("the database has schema version {found}, this program knows up to {known}")]
    UnknownSchema {
        /// What was found.
        found: i64,
        /// The newest known.
        known: i64,
    },
}

/// What kind of trouble an error tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The database cannot be reached, or its file is gone.
    Gone,
    /// It takes no writes.
    ReadOnly,
    /// There is no room for more.
    Full,
    /// What is in it cannot be believed.
    Damaged,
    /// It has more to do than it can.
    Busy,
    /// Another one.
    Other,
}

impl StoreError {
    /// What kind of trouble it tells of.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Sqlite(error) => trouble_of_sqlite(error),
            Self::Postgres(error) => trouble_of_postgres(error),
            Self::Commit(trouble, _) => *trouble,
            Self::Busy | Self::Conflict => Trouble::Busy,
            Self::Closed | Self::Gone(_) => Trouble::Gone,
            Self::GivenUp => Trouble::Full,
            Self::Damaged(_) => Trouble::Damaged,
            Self::UnknownSchema { .. } => Trouble::Other,
        }
    }

    /// Whether the file below is damaged.
    fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => Self::from_sqlite_is_damage(error),
            _ => matches!(self, Self::Damaged(_)),
        }
    }

    fn from_sqlite_is_damage(error: &rusqlite::Error) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        error
            .sqlite_error_code()
            .is_some_and(|code| [DatabaseCorrupt, NotADatabase].contains(&code))
    }

    /// Whether running the same closure again may succeed.
    fn is_conflict(&self) -> bool {
        let Self::Postgres(error) = self else { return matches!(self, Self::Conflict) };
        error.code().is_some_and(|code| {
            *code == postgres::error::SqlState::T_R_SERIALIZATION_FAILURE
                || *code == postgres::error::SqlState::T_R_DEADLOCK_DETECTED
        })
    }
}

fn trouble_of_sqlite(error: &rusqlite::Error) -> Trouble {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Trouble::ReadOnly,
        Some(ErrorCode::DiskFull) => Trouble::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
        Some(ErrorCode::CannotOpen) => Trouble::Gone,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Busy,
        _ => Trouble::Other,
    }
}

fn trouble_of_postgres(error: &postgres::Error) -> Trouble {
    use postgres::error::SqlState;
    let Some(code) = error.code() else { return Trouble::Gone };
    // Classes of errors: https://www.postgresql.org/docs/current/errcodes-appendix.html
    match code.code().get(..2) {
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::ReadOnly,
        _ if *code == SqlState::DISK_FULL => Trouble::Full,
        Some("08" | "57" | "58") => Trouble::Gone,
        Some("3D" | "28" | "42") => Trouble::Gone,
        // Also whoever waits for very long to write.
        Some("53" | "55") => Trouble::Busy,
        Some("XX") => Trouble::Damaged,
        _ => Trouble::Other,
    }
}

/// An error of a caller that may be a store error.
pub trait FromStore: From<StoreError> + Send + 'static {
    /// The store error in it, if it is one.
    fn as_store(&self) -> Option<&StoreError>;
}

impl FromStore for StoreError {
    fn as_store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// A database.
pub struct Db {
    engine: Engine,
}

enum Engine {
    Sqlite(SqliteEngine),
    Postgres(PostgresEngine),
}

impl Db {
    /// Opens or makes a SQLite database file.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database.
    pub fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { engine: Engine::Sqlite(SqliteEngine::open(path)?) })
    }

    /// What is wrong with a SQLite file that nobody works on; nothing of it is changed.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn look(path: &Path) -> Result<Look, StoreError> {
        ground::look(path)
    }

    /// Takes a SQLite file as it is, whoever changed it: it gets new checksums when it is opened next.
    ///
    /// # Errors
    /// When the old ones cannot be removed.
    pub fn accept(path: &Path) -> std::io::Result<()> {
        sums::forget(path)
    }

    /// Makes damaged indexes of a SQLite file that nobody works on anew, from its tables. What it was goes to a folder, which must not
    /// be there yet.
    ///
    /// # Errors
    /// When the file system refuses; the file is what it was, or mended.
    pub fn mend(path: &Path, aside: &Path) -> Result<Mended, StoreError> {
        mend::mend(path, aside)
    }

    /// Reads a copy of a SQLite database that nobody writes to; nothing is made beside it.
    ///
    /// # Errors
    /// When it cannot be opened, and what `work` returns.
    pub fn read_copy<T, E: From<StoreError>>(
        path: &Path,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        snapshot::read_copy(path, work)
    }

    /// What is wrong with the structure of such a copy, and with what its rows refer to; line by line.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn structure_of_copy(path: &Path) -> Result<Vec<String>, StoreError> {
        snapshot::structure_of_copy(path)
    }

    /// A database in memory, worked on by the calling thread alone: for simulations and tests.
    ///
    /// # Errors
    /// When SQLite fails.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self { engine: Engine::Sqlite(SqliteEngine::in_memory()?) })
    }

    /// A database in memory as it is now, once more: a backup, for simulations.
    ///
    /// # Errors
    /// When it is not in memory, or SQLite fails.
    pub fn copy(&self) -> Result<Self, StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => Ok(Self { engine: Engine::Sqlite(engine.copy()?) }),
            Engine::Postgres(_) => Err(StoreError::Closed),
        }
    }

    /// For simulations, of a database in memory: the process around it ends in the middle of the commit after so many more,
    /// which is kept or not; from then on all that is asked fails. `None` is a new process over the same database.
    pub fn end_in_commit(&self, ends: Option<(u32, bool)>) {
        if let Engine::Sqlite(engine) = &self.engine {
            engine.ends(ends);
        }
    }

    /// Whether that has come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(&self.engine, Engine::Sqlite(engine) if engine.has_ended())
    }

    /// Connects to PostgreSQL.
    ///
    /// # Errors
    /// When no connection can be made.
    pub fn open_postgres(at: &Postgres) -> Result<Self, StoreError> {
        Ok(Self { engine: Engine::Postgres(PostgresEngine::open(at)?) })
    }

    /// Whether other processes may work on it too.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Brings the schema to the newest version; of several processes one does, and the others wait.
    ///
    /// # Errors
    /// When the schema is newer than the last migration, or one fails.
    pub fn migrate(&self, migrations: &'static [Migration]) -> Result<(), StoreError> {
        let sqlite = matches!(self.engine, Engine::Sqlite(_));
        self.write("store.migrate", move |tx| migrate::run(tx, migrations, sqlite))
    }

    /// Runs `work` in a transaction and returns once it is durable, or rolled back.
    ///
    /// # Errors
    /// What `work` returns, or what the store says.
    pub fn write<T, E>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: FromStore,
    {
        wait_for(name, work, |job| self.queue(job))
    }

    fn queue(&self, job: Box<dyn Job>) {
        match &self.engine {
            Engine::Sqlite(engine) => engine.submit(job),
            Engine::Postgres(engine) => engine.write(job),
        }
    }

    /// As [`Db::write`], without waiting: `done` is called with the outcome, on another thread.
    pub fn submit<T, E>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: FromStore,
    {
        self.queue(Box::new(TypedJob { name, work, outcome: None, done: Some(done) }));
    }

    /// Runs `work` on a consistent view.
    ///
    /// # Errors
    /// What `work` returns, or what the store says.
    pub fn read<T, E>(
        &self,
        name: &'static str,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: FromStore,
    {
        match &self.engine {
            Engine::Sqlite(engine) => {
                let mut outcome = None;
                let read = engine.read(&mut |tx| outcome = Some(work(tx)));
                let closed = || Err(StoreError::Closed.into());
                let outcome = read
                    .map_or_else(|error| Err(error.into()), |()| outcome.unwrap_or_else(closed));
                let error = outcome.as_ref().err().and_then(FromStore::as_store);
                if let Some(error) = error {
                    engine.note(error);
                }
                outcome
            }
            Engine::Postgres(engine) => wait_for(name, work, |job| engine.read(job)),
        }
    }
}

/// Hands over work and waits for what comes of it.
fn wait_for<T, E>(
    name: &'static str,
    work: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    hand_over: impl FnOnce(Box<dyn Job>),
) -> Result<T, E>
where
    T: Send + 'static,
    E: FromStore,
{
    // What is told is always the same, that it is done: a channel of each outcome's type was a third of what callers compiled to.
    let (sender, receiver) = mpsc::sync_channel::<()>(1);
    let outcome = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&outcome);
    let done = move |result| {
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        // The caller waits on the other end.
        let _sent = sender.send(());
    };
    hand_over(Box::new(TypedJob { name, work, outcome: None, done: Some(done) }));
    let _told = receiver.recv();
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcome.unwrap_or_else(|| Err(StoreError::Closed.into()))
}

/// A closure waiting for its transaction.
trait Job: Send {
    /// Runs it and keeps its outcome.
    fn run(&mut self, tx: &mut Tx<'_>) -> JobEnd;
    /// Forgets it: what was done is undone, whatever was made of that.
    fn forget(&mut self);
    /// Tells its caller.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

/// How a run ended.
enum JobEnd {
    Keep,
    RollBack,
    /// A conflict with another transaction.
    Conflict,
    /// The file below is damaged.
    Damaged(String),
    /// The database takes no writes.
    ReadOnly(String),
}

struct TypedJob<T, E, W, D> {
    name: &'static str,
    work: W,
    outcome: Option<Result<T, E>>,
    done: Option<D>,
}

impl<T, E, W, D> Job for TypedJob<T, E, W, D>
where
    T: Send,
    E: FromStore,
    W: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    D: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> JobEnd {
        let outcome = (self.work)(tx);
        let end = match &outcome {
            Ok(_) => JobEnd::Keep,
            Err(error) => match error.as_store() {
                Some(store) if store.is_conflict() => JobEnd::Conflict,
                Some(store) if store.is_damage() => JobEnd::Damaged(store.to_string()),
                Some(store) if store.trouble() == Trouble::ReadOnly => {
                    JobEnd::ReadOnly(store.to_string())
                }
                _ => JobEnd::RollBack,
            },
        };
        self.outcome = Some(outcome);
        end
    }

    fn forget(&mut self) {
        self.outcome = None;
    }

    fn finish(mut self: Box<Self>, commit: Result<(), StoreError>) {
        let outcome = match (self.outcome.take(), commit) {
            (Some(Err(error)), _) if error.as_store().is_some_and(StoreError::is_conflict) => {
                Err(StoreError::Conflict.into())
            }
            // A refusal stands whether or not the group it was in could be committed.
            (Some(Err(error)), _) => Err(error),
            (_, Err(StoreError::Commit(trouble, text))) => {
                Err(StoreError::Commit(trouble, format!("{}: {text}", self.name)).into())
            }
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::GivenUp.into()),
        };
        if let Some(done) = self.done.take() {
            done(outcome);
        }
    }
}
