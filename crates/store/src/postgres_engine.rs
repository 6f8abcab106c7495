//! PostgreSQL: a few threads, a connection each; serializable transactions, retried on conflict.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use postgres::{Client, IsolationLevel, NoTls};

use crate::tx::{StatementCache, Tx, TxInner};
use crate::{Job, JobEnd, StoreError, Trouble};

/// Connections, and so transactions at a time.
const CONNECTIONS: usize = 4;
/// The most closures that wait.
const QUEUE_MAX: usize = 8_192;
/// How often a transaction that met another is tried.
const ATTEMPTS_MAX: u32 = 50;

type Queue = Arc<Mutex<Receiver<Box<dyn Job>>>>;

pub(crate) struct PostgresEngine {
    queue: Option<SyncSender<Box<dyn Job>>>,
    workers: Vec<JoinHandle<()>>,
}

impl PostgresEngine {
    pub(crate) fn open(url: &str) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let jobs: Queue = Arc::new(Mutex::new(jobs));
        let mut workers = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = Client::connect(url, NoTls)?;
            let worker = Worker { url: url.to_owned(), client, statements: StatementCache::new() };
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new()
                .name("store-postgres".to_owned())
                .spawn(move || worker.work(&jobs))
                .map_err(|error| StoreError::Commit(Trouble::Other, error.to_string()))?;
            workers.push(thread);
        }
        Ok(Self { queue: Some(queue), workers })
    }

    pub(crate) fn submit(&self, job: Box<dyn Job>) {
        let Some(queue) = &self.queue else { return job.finish(Err(StoreError::Closed)) };
        match queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => job.finish(Err(StoreError::Busy)),
            Err(TrySendError::Disconnected(job)) => job.finish(Err(StoreError::Closed)),
        }
    }
}

impl Drop for PostgresEngine {
    fn drop(&mut self) {
        drop(self.queue.take());
        for worker in self.workers.drain(..) {
            let _ended = worker.join();
        }
    }
}

struct Worker {
    url: String,
    client: Client,
    statements: StatementCache,
}

impl Worker {
    fn work(mut self, jobs: &Queue) {
        loop {
            let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(mut job) = next else { return };
            if self.client.is_closed()
                && let Err(error) = self.reconnect()
            {
                job.finish(Err(error));
                continue;
            }
            let mut committed = self.run(job.as_mut());
            let mut attempts = 1;
            while attempts < ATTEMPTS_MAX && committed.as_ref().is_err_and(StoreError::is_conflict)
            {
                committed = self.run(job.as_mut());
                attempts += 1;
            }
            job.finish(committed);
        }
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        self.client = Client::connect(&self.url, NoTls)?;
        self.statements.clear();
        Ok(())
    }

    fn run(&mut self, job: &mut dyn Job) -> Result<(), StoreError> {
        let level = IsolationLevel::Serializable;
        let transaction = self.client.build_transaction().isolation_level(level).start()?;
        let mut tx = Tx { inner: TxInner::Postgres(transaction, &mut self.statements) };
        let end = job.run(&mut tx);
        let TxInner::Postgres(transaction, _) = tx.inner else { return Ok(()) };
        match end {
            JobEnd::Keep => Ok(transaction.commit()?),
            // Its caller is told why by the job's own outcome.
            JobEnd::RollBack | JobEnd::Damaged(_) => Ok(transaction.rollback()?),
            JobEnd::Conflict => {
                transaction.rollback()?;
                Err(StoreError::Conflict)
            }
        }
    }
}
