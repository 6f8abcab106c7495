//! PostgreSQL: some threads that write in serializable transactions, retried on conflict, and some that read snapshots.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::{Client, Config, IsolationLevel, NoTls};

use crate::tx::{Statements, Tx, TxInner, numbers_of};
use crate::{Job, JobEnd, StoreError, Trouble};

/// Transactions that write, and that read, at a time; each has a connection of its own, made when it is needed first.
const WRITERS: usize = 8;
const READERS: usize = 4;
/// The most closures that wait.
const QUEUE_MAX: usize = 8_192;
/// How often a transaction that met another is tried.
const ATTEMPTS_MAX: u32 = 50;
/// How long a host is waited for where the address does not say.
const CONNECT_SECONDS: u64 = 5;
/// A connection whose other end has said nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// What a lock on the schema is known by, beside the schema's name: the letters `rum` and `line`.
const SCHEMA_LOCK: i32 = 0x72_75_6d;

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
            _ => self.config.get_hosts().iter().any(is_far),
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
        Ok(match &self.tls {
            Some(connect) => connect(config.ssl_mode(SslMode::Require))?,
            // Where TLS is wanted and nobody said whom to believe, nothing is said to anybody.
            None if self.wants_tls() => config.ssl_mode(SslMode::Require).connect(NoTls)?,
            None => config.ssl_mode(SslMode::Disable).connect(NoTls)?,
        })
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
    address: Postgres,
    writers: Pool,
    readers: Pool,
}

impl PostgresEngine {
    pub(crate) fn open(address: Postgres) -> Result<Self, StoreError> {
        // Whether it can be reached is known at once.
        drop(address.connect()?);
        let writers = Pool::of(WRITERS, &address, Does::Writes)?;
        let readers = Pool::of(READERS, &address, Does::Reads)?;
        Ok(Self { address, writers, readers })
    }

    pub(crate) fn write(&self, job: Box<dyn Job>) {
        self.writers.submit(job);
    }

    pub(crate) fn read(&self, job: Box<dyn Job>) {
        self.readers.submit(job);
    }

    /// Makes what gives out numbers.
    pub(crate) fn give_out(&self, kinds: &[&str]) -> Result<(), StoreError> {
        let mut worker = Worker::new(self.address.clone(), Does::Writes);
        let sql = "SELECT CAST(sequencename AS TEXT) FROM pg_sequences
            WHERE schemaname = current_schema()";
        let made = worker.client()?.query(sql, &[])?;
        let made: Vec<String> = made.iter().map(|row| row.get(0)).collect();
        for kind in kinds.iter().filter(|kind| !made.contains(&numbers_of(kind))) {
            worker.make_numbers(kind)?;
        }
        Ok(())
    }

    /// Runs what changes the schema, while no other process does.
    pub(crate) fn migrate(&self, mut job: Box<dyn Job>) {
        let mut worker = Worker::new(self.address.clone(), Does::Writes);
        let locked = worker.client().and_then(|client| {
            // It goes with the connection.
            let schema = "hashtext(COALESCE(current_schema(), ''))";
            Ok(client
                .batch_execute(&format!("SELECT pg_advisory_lock({SCHEMA_LOCK}, {schema})"))?)
        });
        let done = locked.and_then(|()| worker.carry_out(job.as_mut()));
        job.finish(done);
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
    /// It met another one: to be run again.
    Conflict,
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
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(mut job) = next else { return };
            let done = self.carry_out(job.as_mut());
            job.finish(done);
        }
    }

    /// The connection, made anew if there is none.
    fn client(&mut self) -> Result<&mut Client, StoreError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = None;
            self.statements = Statements::default();
            self.client = Some(self.address.connect()?);
        }
        self.client.as_mut().ok_or(StoreError::Closed)
    }

    fn carry_out(&mut self, job: &mut dyn Job) -> Result<(), StoreError> {
        let (mut attempts, mut is_new) = (1, false);
        loop {
            match self.run(job) {
                Ok(()) => return Ok(()),
                Err(Failed::Conflict) if attempts < ATTEMPTS_MAX => {
                    if let Some(name) = self.statements.number_wanted.take() {
                        self.make_numbers(&name)?;
                    }
                    attempts += 1;
                }
                Err(Failed::Conflict) => return Err(StoreError::Conflict),
                Err(Failed::Lost(_)) if !is_new => {
                    self.client = None;
                    is_new = true;
                }
                Err(Failed::Lost(error) | Failed::For(error)) => return Err(error),
            }
        }
    }

    fn run(&mut self, job: &mut dyn Job) -> Result<(), Failed> {
        let does = self.does;
        self.client().map_err(Failed::For)?;
        let Self { client: Some(client), statements, .. } = self else {
            return Err(Failed::For(StoreError::Closed));
        };
        let transaction = match does {
            Does::Writes => {
                client.build_transaction().isolation_level(IsolationLevel::Serializable)
            }
            Does::Reads => client
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true),
        };
        let transaction = transaction.start().map_err(|error| Failed::Lost(error.into()))?;
        let mut tx = Tx { inner: TxInner::Postgres(transaction, statements) };
        let end = job.run(&mut tx);
        let TxInner::Postgres(transaction, _) = tx.inner else { return Ok(()) };
        match end {
            JobEnd::Keep => match transaction.commit().map_err(StoreError::from) {
                Err(error) if error.is_conflict() => Err(Failed::Conflict),
                // Whether it was committed is not known: whoever asked has to ask again.
                done => done.map_err(Failed::For),
            },
            JobEnd::Conflict => {
                // Where it cannot be rolled back the connection is gone, and the transaction with it.
                let _rolled_back = transaction.rollback();
                Err(Failed::Conflict)
            }
            // Its caller is told why by the job's own outcome.
            JobEnd::RollBack | JobEnd::Damaged(_) => {
                transaction.rollback().map_err(|error| Failed::Lost(error.into()))
            }
            JobEnd::ReadOnly(text) => {
                Err(Failed::Lost(StoreError::Commit(Trouble::ReadOnly, text)))
            }
        }
    }

    /// Makes what gives out the numbers of a kind, from where the table `counter` has come to.
    fn make_numbers(&mut self, name: &str) -> Result<(), StoreError> {
        let client = self.client()?;
        let counted = client.query_opt("SELECT value FROM counter WHERE name = $1", &[&name])?;
        let first = counted.map_or(0, |row| row.get::<_, i64>(0)) + 1;
        let made =
            client.batch_execute(&format!("CREATE SEQUENCE {} START {first}", numbers_of(name)));
        match made {
            // Another process was quicker.
            Err(error)
                if error.code().is_some_and(|code| {
                    [SqlState::DUPLICATE_TABLE, SqlState::UNIQUE_VIOLATION].contains(code)
                }) =>
            {
                Ok(())
            }
            made => Ok(made?),
        }
    }
}
