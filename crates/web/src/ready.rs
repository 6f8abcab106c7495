//! Whether the server can do its work now, for a load balancer or whoever watches: looked at when somebody asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rumline_server::NotReady;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// So long what was found is told to whoever asks next.
const FRESH: Duration = Duration::from_secs(1);
/// So long the database has to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What looks at the database.
pub(crate) trait Probe: FnOnce() -> Result<(), (NotReady, String)> + Send + 'static {}

impl<F: FnOnce() -> Result<(), (NotReady, String)> + Send + 'static> Probe for F {}

/// When it was looked, and what was found.
type Found = (Instant, Result<(), NotReady>);

/// What was found, and what else is looked at.
#[derive(Clone)]
pub struct Readiness {
    /// Whether the files that the server was started with are there.
    files: Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>,
    last: Arc<Mutex<Option<Found>>>,
    /// Whether a look that was not waited for any longer goes on.
    goes_on: Arc<AtomicBool>,
}

impl Readiness {
    /// Beside its database a server needs its files: `files` looks at them.
    pub fn new(files: impl Fn() -> Result<(), NotReady> + Send + Sync + 'static) -> Self {
        Self { files: Arc::new(files), last: Arc::default(), goes_on: Arc::default() }
    }

    async fn look(&self, probe: impl Probe) -> Result<(), NotReady> {
        if self.goes_on.swap(true, Ordering::AcqRel) {
            return Err(NotReady::DatabaseSilent);
        }
        let this = self.clone();
        let look = tokio::task::spawn_blocking(move || {
            let found = (this.files)().and_then(|()| {
                probe().map_err(|(why, detail)| {
                    tracing::debug!(why = why.kind(), detail, "the database cannot be worked on");
                    why
                })
            });
            this.goes_on.store(false, Ordering::Release);
            found
        });
        match timeout(PATIENCE, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => {
                // It ended without an answer: the next one may look.
                self.goes_on.store(false, Ordering::Release);
                Err(NotReady::DatabaseFails)
            }
            Err(_) => Err(NotReady::DatabaseSilent),
        }
    }

    /// What is so now, give or take a second.
    pub(crate) async fn now(&self, probe: impl Probe) -> Result<(), NotReady> {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = *last
            && at.elapsed() < FRESH
        {
            return found;
        }
        let found = self.look(probe).await;
        match (last.map(|(_, found)| found), found) {
            (Some(Ok(())) | None, Err(why)) => {
                tracing::warn!(why = why.kind(), "not ready: {why}");
            }
            (Some(Err(_)), Ok(())) => tracing::info!("ready again"),
            _ => {}
        }
        *last = Some((Instant::now(), found));
        found
    }
}
