//! What a server does by itself: of several processes over one database each kind of it is done by one at a time.

use std::time::Duration;

use rumline_net::boot_millis;
use rumline_protocol::Timestamp;
use rumline_server::{BEAT, Error, Works};

use crate::site::blocking;

/// The work of this process.
#[derive(Clone)]
pub struct Background {
    works: Works,
}

/// Time by a clock that nobody sets.
fn at() -> Duration {
    Duration::from_millis(boot_millis())
}

impl Background {
    /// What it does when nobody else does.
    #[must_use]
    pub fn of(works: Works) -> Self {
        Self { works }
    }

    /// Whether this process is the one that does a kind of work now.
    #[must_use]
    pub fn is_mine(&self, name: &str) -> bool {
        self.works.is_mine(at(), name)
    }

    /// Waits until it is.
    pub async fn mine(&self, name: &str) {
        while !self.is_mine(name) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Whether work was not done for so many seconds, by whomever.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_due(&self, now: Timestamp, name: &'static str, seconds: i64) -> Result<bool, Error> {
        self.works.is_due(now, name, seconds)
    }

    /// Work is done.
    ///
    /// # Errors
    /// When the store fails.
    pub fn done(&self, now: Timestamp, name: &'static str) -> Result<(), Error> {
        self.works.done(now, name)
    }

    /// Sees to it, until the server ends, that somebody does what is to be done.
    pub async fn keep(self) {
        loop {
            let own = self.clone();
            if let Err(problem) = blocking(move || own.works.renew(at)).await {
                tracing::warn!(why = problem.detail(), "who does what could not be settled");
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// The server ends: others may have at once what this process did.
    pub async fn give_back(self) {
        if let Err(problem) = blocking(move || self.works.give_back()).await {
            tracing::warn!(why = problem.detail(), "others have to wait for the work of this one");
        }
    }
}
