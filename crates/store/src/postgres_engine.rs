//! PostgreSQL: one thread that writes, in groups as on SQLite, and some that read snapshots.
//!
//! Of all processes over one database one writes at a time: a group begins by taking a lock, and goes with it. So nothing that is written
//! ever meets anything else, whatever rows it touches; what was read in a transaction holds until its end. A lock is given out in the
//! order in which it is asked for, and goes with the connection of whoever is gone.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};

use crate::tx::{Statements, Tx, TxInner};
use crate::{Job, JobEnd, StoreError, Trouble};

/// Transactions that read at a time; each has a connection of its own, made when it is needed first.
const READERS: usize = 4;
/// The most closures that wait.
const QUEUE_MAX: usize = 8_192;
/// The most closures of a group, and so of a commit.
const GROUP_MAX: usize = 128;
/// How long a host is waited for where the address does not say.
const CONNECT_SECONDS: u64 = 5;
/// A connection whose other end has said nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// Whoever writes, and does nothing for so long, writes no more; whoever waits for so long to write gives up.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'";
/// The lock is known by the letters `rum`, and by the schema's name.
const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT pg_advisory_xact_lock(7501165, hashtext(COALESCE(current_schema(), '')))";
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What makes a connection that nobody else reads, to a server it knows.
pub type Connect = Arc<dyn Fn(&Config) -> Result<Client, postgres::Error> + Send + Sync>;

/// How a PostgreSQL is reached.
#[derive(Clone)]
pub struct Postgres {
    config: Config,
    tls: Option<Connect>,
}

impl Postgres {
    /// By an address as other PostgreSQL clients take it, e.g. `postgres://user@127.0.0.1:5432/cssm`. It may name several hosts, of
    /// which the first that takes writes is meant with `target_session_attrs=read-write`.
    ///
    /// # Errors
    /// When it is none.
    pub fn at(address: &str) -> Result<Self, StoreError> {
        let mut config: Config = address.parse()?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(CONNECT_SECONDS));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_application_name().is_none() {
            config.application_name("rumline");
        }
        config.keepalives_idle(SILENCE);
        config.keepalives_interval(SILENCE / 3);
        config.keepalives_retries(3);
        Ok(Self { config, tls: None })
    }

    /// With a password that does not stand in the address.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Whether the connection leaves this machine, or is to be encrypted on it too: all but `sslmode=disable` means TLS then.
    #[must_use]
    pub fn wants_tls(&self) -> bool {
        let is_far = |host: &Host| match host {
            Host::Unix(_) => false,
            Host::Tcp(name) => {
                name != "localhost" && !name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
            }
        };
        match self.config.get_ssl_mode() {
            SslMode::Disable => false,
            SslMode::Require => true,
            _ => {
                let addresses = self.config.get_hostaddrs();
                self.config.get_hosts().iter().any(is_far)
                    || addresses.iter().any(|address| !address.is_loopback())
            }
        }
    }

    /// Over TLS, by what makes such connections.
    #[must_use]
    pub fn over_tls(mut self, connect: Connect) -> Self {
        self.tls = Some(connect);
        self
    }

    fn connect(&self) -> Result<Client, StoreError> {
        let mut config = self.config.clone();
        let mut client = match &self.tls {
            Some(connect) => connect(config.ssl_mode(SslMode::Require))?,
            // Where TLS is wanted and nobody said whom to believe, nothing is said to anybody.
            None if self.wants_tls() => config.ssl_mode(SslMode::Require).connect(NoTls)?,
            None => config.ssl_mode(SslMode::Disable).connect(NoTls)?,
        };
        client.batch_execute(SESSION)?;
        Ok(client)
    }
}

/// Threads that do the same.
struct Pool {
    queue: Option<SyncSender<Box<dyn Job>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    fn of(size: usize, address: &Postgres, does: Does) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        let mut workers = Vec::new();
        for _ in 0..size {
            let worker = Worker::new(address.clone(), does);
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new()
                .name("store-postgres".to_owned())
                .spawn(move || worker.work(&jobs))
                .map_err(|error| StoreError::Commit(Trouble::Other, error.to_string()))?;
            workers.push(thread);
        }
        Ok(Self { queue: Some(queue), workers })
    }

    fn submit(&self, job: Box<dyn Job>) {
        let Some(queue) = &self.queue else { return job.finish(Err(StoreError::Closed)) };
        match queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.finish(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(job)) => job.finish(Err(StoreError::Closed)),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.queue.take());
        for worker in self.workers.drain(..) {
            let _ended = worker.join();
        }
    }
}

pub(crate) struct PostgresEngine {
    writer: Pool,
    readers: Pool,
}

impl PostgresEngine {
    pub(crate) fn open(address: &Postgres) -> Result<Self, StoreError> {
        // Whether it can be reached is known at once.
        drop(address.connect()?);
        let writer = Pool::of(1, address, Does::Writes)?;
        let readers = Pool::of(READERS, address, Does::Reads)?;
        Ok(Self { writer, readers })
    }

    pub(crate) fn write(&self, job: Box<dyn Job>) {
        self.writer.submit(job);
    }

    pub(crate) fn read(&self, job: Box<dyn Job>) {
        self.readers.submit(job);
    }
}

/// What a worker's transactions are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Writes,
    Reads,
}

/// Why a run came to nothing.
enum Failed {
    /// One of several jobs failed: to be run again, each apart from the others.
    Together,
    /// The connection led nowhere before anything was to be committed, or to a server that takes no writes: to be run again on another.
    Lost(StoreError),
    /// Another reason.
    For(StoreError),
}

struct Worker {
    address: Postgres,
    does: Does,
    client: Option<Client>,
    statements: Statements,
}

impl Worker {
    fn new(address: Postgres, does: Does) -> Self {
        Self { address, does, client: None, statements: Statements::default() }
    }

    fn work(mut self, jobs: &Mutex<Receiver<Box<dyn Job>>>) {
        loop {
            let mut group = Vec::new();
            {
                let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
                let Ok(first) = jobs.recv() else { return };
                group.push(first);
                if self.does == Does::Writes {
                    group.extend(jobs.try_iter().take(GROUP_MAX - 1));
                }
            }
            let done = self.carry_out(&mut group);
            // What one alone is told needs no copy.
            if let [_] = group.as_slice()
                && let Some(job) = group.pop()
            {
                job.finish(done);
                continue;
            }
            for job in group {
                job.finish(match &done {
                    Ok(()) => Ok(()),
                    Err(error) => Err(StoreError::Commit(error.trouble(), error.to_string())),
                });
            }
        }
    }

    /// The connection, made anew if there is none.
    fn connected(&mut self) -> Result<(&mut Client, &mut Statements), StoreError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = None;
            self.statements = Statements::default();
            self.client = Some(self.address.connect()?);
        }
        let client = self.client.as_mut().ok_or(StoreError::Closed)?;
        Ok((client, &mut self.statements))
    }

    fn carry_out(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let (mut apart, mut is_new) = (false, false);
        loop {
            match self.run(group, apart) {
                Ok(()) => return Ok(()),
                Err(Failed::Together) => apart = true,
                Err(Failed::Lost(error)) => {
                    // Nothing of what was begun there goes on.
                    self.client = None;
                    if is_new {
                        return Err(error);
                    }
                    is_new = true;
                }
                Err(Failed::For(error)) => return Err(error),
            }
        }
    }

    /// Runs jobs in one transaction, as if they stood alone; or each apart, so that one that fails takes nothing of the others with it.
    fn run(&mut self, group: &mut [Box<dyn Job>], apart: bool) -> Result<(), Failed> {
        let begin = if self.does == Does::Writes { BEGIN_WRITE } else { BEGIN_READ };
        let (client, statements) = self.connected().map_err(Failed::For)?;
        let lost = |error: postgres::Error| Failed::Lost(error.into());
        if let Err(error) = client.batch_execute(begin) {
            // Another one holds the lock for very long, or no transaction can begin here.
            let error = StoreError::from(error);
            let is_there = !client.is_closed() && error.trouble() != Trouble::ReadOnly;
            let _rolled_back = client.batch_execute("ROLLBACK");
            return Err(if is_there { Failed::For(error) } else { Failed::Lost(error) });
        }
        let is_one = group.len() == 1;
        for job in group {
            if apart {
                client.batch_execute("SAVEPOINT job").map_err(lost)?;
            }
            statements.has_failed = false;
            let end = job.run(&mut Tx { inner: TxInner::Postgres(client, statements) });
            match end {
                JobEnd::ReadOnly(text) => {
                    return Err(Failed::Lost(StoreError::Commit(Trouble::ReadOnly, text)));
                }
                JobEnd::Keep if !statements.has_failed => {
                    if apart {
                        client.batch_execute("RELEASE job").map_err(lost)?;
                    }
                    continue;
                }
                // A statement that failed takes the transaction with it: its commit would keep nothing.
                JobEnd::Keep => job.forget(),
                // Its caller is told why by the job's own outcome.
                JobEnd::RollBack | JobEnd::Conflict | JobEnd::Damaged(_) => {}
            }
            if apart {
                client.batch_execute("ROLLBACK TO job; RELEASE job").map_err(lost)?;
            } else {
                client.batch_execute("ROLLBACK").map_err(lost)?;
                return if is_one { Ok(()) } else { Err(Failed::Together) };
            }
        }
        // Where this fails it is not known whether all was committed: whoever asked has to ask again.
        client.batch_execute("COMMIT").map_err(|error| Failed::For(error.into()))
    }
}
