//! SQLite: one writing thread that commits in groups, and reading connections beside it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::connection::{connect, keep_statements};
use crate::ground::Ground;
use crate::tx::{Tx, TxInner};
use crate::{Job, JobEnd, StoreError, Trouble};

/// The most closures in one commit.
const GROUP_MAX: usize = 1_000;
/// How often more closures are looked for before a commit, as long as there are any.
const GATHER_MAX: usize = 8;
/// The most closures that wait.
const QUEUE_MAX: usize = 8_192;
/// Pages in the log from which on they are moved into the file.
const CHECKPOINT_PAGES: u32 = 4_000;
/// Idle reading connections kept.
const READERS_MAX: usize = 8;

pub(crate) struct SqliteEngine {
    mode: Mode,
}

enum Mode {
    /// Everything on the calling thread.
    Inline(Mutex<Inline>),
    Threaded {
        queue: Option<SyncSender<Box<dyn Job>>>,
        writer: Option<JoinHandle<()>>,
        path: PathBuf,
        readers: Mutex<Vec<Connection>>,
        ground: Arc<Ground>,
        scrub: Option<Scrub>,
    },
}

/// A database in memory, and when the process around it is to end.
struct Inline {
    connection: Connection,
    /// In the middle of the commit after so many more, which is kept or not.
    ends: Option<(u32, bool)>,
    has_ended: bool,
}

impl Inline {
    fn run(&mut self, job: &mut Box<dyn Job>) -> Result<(), StoreError> {
        if self.has_ended {
            return Err(StoreError::Closed);
        }
        match &mut self.ends {
            Some((0, kept)) => {
                let kept = *kept;
                self.has_ended = true;
                transaction(&self.connection, || Ok(run_job(&self.connection, job)? && kept))?;
                Err(StoreError::Closed)
            }
            ends => {
                ends.iter_mut().for_each(|(left, _)| *left -= 1);
                run_group(&self.connection, std::slice::from_mut(job))
            }
        }
    }
}

/// The look through the file in the background: it ends when it is dropped.
struct Scrub {
    closing: Sender<()>,
    interrupt: rusqlite::InterruptHandle,
    thread: JoinHandle<()>,
}

impl Scrub {
    fn start(path: &Path, ground: &Arc<Ground>) -> Result<Self, StoreError> {
        let connection = connect(path)?;
        let interrupt = connection.get_interrupt_handle();
        let (closing, closed) = channel();
        let ground = Arc::clone(ground);
        let thread = std::thread::Builder::new()
            .name("store-scrub".to_owned())
            .spawn(move || ground.scrub(&connection, &closed))
            .map_err(|error| StoreError::Commit(Trouble::Other, error.to_string()))?;
        Ok(Self { closing, interrupt, thread })
    }

    fn end(self) {
        drop(self.closing);
        self.interrupt.interrupt();
        let _ended = self.thread.join();
    }
}

impl SqliteEngine {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let (mut connection, ground) = Ground::open(path)?;
        let in_log = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&in_log);
        connection.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            counted.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let scrub = Scrub::start(path, &ground)?;
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let below = Arc::clone(&ground);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_in_groups(&connection, &below, &jobs, &in_log))
            .map_err(|error| StoreError::Commit(Trouble::Other, error.to_string()))?;
        Ok(Self {
            mode: Mode::Threaded {
                queue: Some(queue),
                writer: Some(writer),
                path: path.to_owned(),
                readers: Mutex::new(Vec::new()),
                ground,
                scrub: Some(scrub),
            },
        })
    }

    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory()?;
        keep_statements(&connection)?;
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        Ok(Self::inline(connection))
    }

    fn inline(connection: Connection) -> Self {
        Self { mode: Mode::Inline(Mutex::new(Inline { connection, ends: None, has_ended: false })) }
    }

    /// As it is now, once more: of a database in memory.
    pub(crate) fn copy(&self) -> Result<Self, StoreError> {
        let Mode::Inline(inline) = &self.mode else { return Err(StoreError::Closed) };
        let mut connection = Connection::open_in_memory()?;
        rusqlite::backup::Backup::new(&lock(inline).connection, &mut connection)?
            .run_to_completion(1 << 20, std::time::Duration::ZERO, None)?;
        keep_statements(&connection)?;
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        Ok(Self::inline(connection))
    }

    /// The process around a database in memory ends in the commit after so many more; `None` is a new process.
    pub(crate) fn ends(&self, ends: Option<(u32, bool)>) {
        let Mode::Inline(inline) = &self.mode else { return };
        let mut inline = lock(inline);
        (inline.ends, inline.has_ended) = (ends, false);
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(&self.mode, Mode::Inline(inline) if lock(inline).has_ended)
    }

    pub(crate) fn submit(&self, mut job: Box<dyn Job>) {
        match &self.mode {
            Mode::Inline(inline) => {
                let committed = lock(inline).run(&mut job);
                // Who is told may ask for more.
                job.finish(committed);
            }
            Mode::Threaded { queue, .. } => {
                let Some(queue) = queue else { return job.finish(Err(StoreError::Closed)) };
                match queue.try_send(job) {
                    Ok(()) => {}
                    Err(TrySendError::Full(job)) => job.finish(Err(StoreError::Busy)),
                    Err(TrySendError::Disconnected(job)) => job.finish(Err(StoreError::Closed)),
                }
            }
        }
    }

    /// Notes what an error says about the file below.
    pub(crate) fn note(&self, error: &StoreError) {
        if let Mode::Threaded { ground, .. } = &self.mode {
            ground.note(error);
        }
    }

    pub(crate) fn read(&self, work: &mut dyn FnMut(&mut Tx<'_>)) -> Result<(), StoreError> {
        match &self.mode {
            Mode::Inline(inline) => {
                let inline = lock(inline);
                if inline.has_ended {
                    return Err(StoreError::Closed);
                }
                work(&mut Tx { inner: TxInner::Sqlite(&inline.connection) });
            }
            Mode::Threaded { path, readers, ground, .. } => {
                ground.check()?;
                let idle = lock(readers).pop();
                let connection = idle.map_or_else(|| connect(path), Ok)?;
                run(&connection, "BEGIN")?;
                work(&mut Tx { inner: TxInner::Sqlite(&connection) });
                run(&connection, "ROLLBACK")?;
                let mut idle = lock(readers);
                if idle.len() < READERS_MAX {
                    idle.push(connection);
                }
            }
        }
        Ok(())
    }
}

impl Drop for SqliteEngine {
    fn drop(&mut self) {
        if let Mode::Threaded { queue, writer, scrub, .. } = &mut self.mode {
            scrub.take().into_iter().for_each(Scrub::end);
            // The writer finishes what waits and ends once the queue is gone.
            drop(queue.take());
            if let Some(writer) = writer.take() {
                let _ended = writer.join();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `in_log` is how many pages the last commit left in the log.
fn write_in_groups(
    connection: &Connection,
    ground: &Ground,
    jobs: &Receiver<Box<dyn Job>>,
    in_log: &AtomicU32,
) {
    let mut checkpoint_at = CHECKPOINT_PAGES;
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        for _ in 0..GATHER_MAX {
            let before = group.len();
            group.extend(jobs.try_iter().take(GROUP_MAX - before));
            // Who has more work for this commit gets the core first; with nobody there this takes no time.
            std::thread::yield_now();
            if group.len() == before {
                break;
            }
        }
        ground.begin();
        let committed = ground.check().and_then(|()| {
            let committed = run_group(connection, &mut group);
            // What lies in a file that is gone is not there, whatever the commit said.
            committed.inspect_err(|error| ground.note(error)).and_then(|()| ground.check())
        });
        for job in group {
            job.finish(match &committed {
                Ok(()) => Ok(()),
                Err(StoreError::Damaged(text)) => Err(StoreError::Damaged(text.clone())),
                Err(StoreError::Gone(text)) => Err(StoreError::Gone(text.clone())),
                Err(error) => Err(StoreError::Commit(error.trouble(), error.to_string())),
            });
        }
        let pages = in_log.load(Ordering::Relaxed);
        if pages >= checkpoint_at {
            // Readers, or a full disk, may be in the way: then a little later.
            let moved = ground.checkpoint(connection, false);
            checkpoint_at = if matches!(moved, Ok(true)) { 0 } else { pages } + CHECKPOINT_PAGES;
        }
    }
    if in_log.load(Ordering::Relaxed) > 0 {
        // What cannot be moved stays in the log, and is as good there.
        let _moved = ground.checkpoint(connection, true);
    }
}

fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.raw_execute()?;
    Ok(())
}

/// Runs jobs in one transaction. Savepoints cost a copy of each page a job touches, and hardly ever is one needed: only
/// when a job of several fails do all run anew, each in its own.
fn run_group(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let kept = transaction(connection, || {
        for job in group.iter_mut() {
            if !run_job(connection, job)? {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    if kept || group.len() == 1 {
        return Ok(());
    }
    transaction(connection, || {
        for job in group.iter_mut() {
            run(connection, "SAVEPOINT job")?;
            if !run_job(connection, job)? {
                run(connection, "ROLLBACK TO job")?;
            }
            run(connection, "RELEASE job")?;
        }
        Ok(true)
    })?;
    Ok(())
}

/// Says whether what the job did is to be kept.
fn run_job(connection: &Connection, job: &mut Box<dyn Job>) -> Result<bool, StoreError> {
    let end = job.run(&mut Tx { inner: TxInner::Sqlite(connection) });
    // On a full disk, for one, SQLite gives the whole transaction up by itself.
    if connection.is_autocommit() {
        return Err(StoreError::GivenUp);
    }
    match end {
        JobEnd::Keep => Ok(true),
        JobEnd::RollBack | JobEnd::ReadOnly(_) | JobEnd::Conflict => Ok(false),
        JobEnd::Damaged(text) => Err(StoreError::Damaged(text)),
    }
}

/// Commits when `work` says that what it did is to be kept.
fn transaction(
    connection: &Connection,
    work: impl FnOnce() -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    run(connection, "BEGIN IMMEDIATE")?;
    let mut outcome = work();
    if matches!(outcome, Ok(true)) {
        outcome = run(connection, "COMMIT").map(|()| true);
    }
    if !connection.is_autocommit() {
        run(connection, "ROLLBACK")?;
    }
    outcome
}
