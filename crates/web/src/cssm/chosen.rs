//! Files that somebody chose and has not uploaded yet: they wait until it is said for which virtual account they are.

use std::sync::{Arc, Mutex, PoisonError};

use rumline_cssm::{Error, LookedInto, SmartAccountId};
use rumline_protocol::Timestamp;

use crate::spool::Incoming;

/// Files of one smart account that wait at a time; its oldest goes first.
const OF_ACCOUNT_MAX: usize = 4;
/// Files of all that wait at a time.
const FILES_MAX: usize = 64;
/// How long one waits, in seconds.
pub(super) const WAIT_SECONDS: u32 = 3_600;

struct Waiting {
    key: String,
    smart_account_id: SmartAccountId,
    since: Timestamp,
    file: Arc<Incoming>,
    found: LookedInto,
}

impl Waiting {
    fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was set back keeps none longer.
        now.0.abs_diff(self.since.0) > u64::from(WAIT_SECONDS)
    }
}

/// Those that wait. They are gone with the process.
#[derive(Clone, Default)]
pub struct ChosenFiles(Arc<Mutex<Vec<Waiting>>>);

impl ChosenFiles {
    fn with<T>(&self, now: Timestamp, work: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !one.is_over(now));
        work(&mut all)
    }

    /// Lets a file wait under a key, with what was found in it.
    pub(super) fn put(
        &self,
        now: Timestamp,
        sa: SmartAccountId,
        key: String,
        (file, found): (Incoming, LookedInto),
    ) -> Result<(), Error> {
        self.with(now, |all| {
            let own = |one: &Waiting| one.smart_account_id == sa;
            if all.iter().filter(|one| own(one)).count() >= OF_ACCOUNT_MAX
                && let Some(oldest) = all.iter().position(own)
            {
                all.remove(oldest);
            }
            if all.len() >= FILES_MAX {
                let text =
                    "many files wait to be uploaded already: upload this one in some minutes";
                return Err(Error::Conflict(text.to_owned()));
            }
            let (smart_account_id, file) = (sa, Arc::new(file));
            all.push(Waiting { key, smart_account_id, since: now, file, found });
            Ok(())
        })
    }

    fn get<T>(
        &self,
        now: Timestamp,
        sa: SmartAccountId,
        key: &str,
        read: impl FnOnce(&Waiting) -> T,
    ) -> Result<T, Error> {
        self.with(now, |all| {
            let found = all.iter().find(|one| one.smart_account_id == sa && one.key == key);
            found.map(read).ok_or(Error::NotFound("file that waits: choose it again"))
        })
    }

    /// One of them.
    pub(super) fn file(
        &self,
        now: Timestamp,
        sa: SmartAccountId,
        key: &str,
    ) -> Result<Arc<Incoming>, Error> {
        self.get(now, sa, key, |one| Arc::clone(&one.file))
    }

    /// Its name, and what stands in it.
    pub(super) fn found(
        &self,
        now: Timestamp,
        sa: SmartAccountId,
        key: &str,
    ) -> Result<(String, LookedInto), Error> {
        self.get(now, sa, key, |one| (one.file.name.clone(), one.found.clone()))
    }

    /// It waits no more.
    pub(super) fn remove(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one.key != key);
    }
}
