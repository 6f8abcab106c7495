//! Files that somebody chose and has not uploaded yet: they wait until it is said for which virtual account they are.

use std::sync::{Arc, Mutex, PoisonError};

use rumline_cssm::{Error, SmartAccountId};
use rumline_protocol::Timestamp;

use crate::spool::Incoming;

/// Files that wait at a time; the oldest goes first.
const FILES_MAX: usize = 16;
/// How long one waits, in seconds.
const WAIT_SECONDS: i64 = 3_600;

struct Waiting {
    key: String,
    smart_account_id: SmartAccountId,
    since: Timestamp,
    file: Arc<Incoming>,
}

/// Those that wait. They are gone with the process.
#[derive(Clone, Default)]
pub struct ChosenFiles(Arc<Mutex<Vec<Waiting>>>);

impl ChosenFiles {
    /// Lets a file wait under a key.
    pub(super) fn put(&self, now: Timestamp, sa: SmartAccountId, key: String, file: Incoming) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back keeps none longer.
        all.retain(|one| now.0.abs_diff(one.since.0) <= WAIT_SECONDS.unsigned_abs());
        if all.len() >= FILES_MAX {
            all.remove(0);
        }
        all.push(Waiting { key, smart_account_id: sa, since: now, file: Arc::new(file) });
    }

    /// One of them.
    pub(super) fn get(&self, sa: SmartAccountId, key: &str) -> Result<Arc<Incoming>, Error> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|one| one.smart_account_id == sa && one.key == key);
        let found = found.map(|one| Arc::clone(&one.file));
        found.ok_or(Error::NotFound("file that waits: choose it again"))
    }

    /// It waits no more.
    pub(super) fn remove(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one.key != key);
    }
}
