//! What a server does by itself. Of several processes over one database one does each kind of it at a time (G-42).
//!
//! Who does it holds a lease, a row that it counts up again and again. Others take it over once they have seen the same count for
//! [`LEASE`], each by a clock of its own that nobody sets: what time it is elsewhere does not matter. Whoever could not count up for half
//! of that does nothing more, so that two never do the same; and what is done is written in transactions that look whether it was done
//! already, so that it would not matter if they did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rumline_protocol::Timestamp;
use rumline_store::{Db, Row, Tx};

use crate::{Error, SharedRandom, random_hex};

/// The list of work.
pub const WORK_TABLE: &str = "
CREATE TABLE work (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    beats BIGINT NOT NULL,
    done_at BIGINT
);
";

/// For so long a lease is waited for that is not renewed.
pub const LEASE: Duration = Duration::from_secs(20);
/// How often it is to be renewed.
pub const BEAT: Duration = Duration::from_secs(4);

/// A lease as it stands in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lease {
    holder: String,
    beats: i64,
}

/// What is known of one: what it was, and since when, by the own clock.
#[derive(Clone, Debug)]
struct Seen {
    lease: Lease,
    since: Duration,
}

/// What is to be done about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It becomes the own one, or stays it.
    Take,
    /// Somebody else has it.
    Leave,
}

fn verdict(now: Option<&Lease>, me: &str, seen: Option<&Seen>, at: Duration) -> Verdict {
    let Some(now) = now else { return Verdict::Take };
    let is_free = now.holder.is_empty() || now.holder == me;
    let is_still = seen.is_some_and(|seen| seen.lease == *now && at >= seen.since + LEASE);
    if is_free || is_still { Verdict::Take } else { Verdict::Leave }
}

/// The work of one process.
#[derive(Clone)]
pub struct Works {
    db: Arc<Db>,
    me: Arc<str>,
    kinds: &'static [&'static str],
    seen: Arc<Mutex<BTreeMap<&'static str, Seen>>>,
    /// Whether this process gave back what it had, and takes nothing more.
    has_ended: Arc<AtomicBool>,
}

impl Works {
    /// For a process that does these kinds of work when nobody else does.
    #[must_use]
    pub fn new(db: Arc<Db>, random: &SharedRandom, kinds: &'static [&'static str]) -> Self {
        let me = random_hex(random, 16);
        let (seen, has_ended) = (Arc::default(), Arc::default());
        Self { db, me: me.into(), kinds, seen, has_ended }
    }

    fn known(&self) -> BTreeMap<&'static str, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Renews what this process holds, and takes what nobody else does; `clock` is one that nobody sets. To be called once a [`BEAT`].
    ///
    /// # Errors
    /// When the store fails: then nothing is held once half a lease is over.
    pub fn renew(&self, clock: impl Fn() -> Duration) -> Result<(), Error> {
        if !self.db.is_shared() {
            return Ok(());
        }
        let at = clock();
        let (me, kinds, known) = (Arc::clone(&self.me), self.kinds, self.known());
        let has_ended = Arc::clone(&self.has_ended);
        let leases = self.db.write("work.renew", move |tx| {
            let mut leases = BTreeMap::new();
            if has_ended.load(Ordering::Relaxed) {
                return Ok(leases);
            }
            for &name in kinds {
                let now = lease_of(tx, name)?;
                let lease = match verdict(now.as_ref(), &me, known.get(name), at) {
                    Verdict::Take => {
                        let beats = now.map_or(0, |now| now.beats) + 1;
                        let sql = "INSERT INTO work (name, holder, beats) VALUES ($1, $2, $3)
                            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,
                            beats = excluded.beats";
                        tx.execute(sql, &[name.into(), me.as_ref().into(), beats.into()])?;
                        Lease { holder: me.to_string(), beats }
                    }
                    Verdict::Leave => now.unwrap_or(Lease { holder: String::new(), beats: 0 }),
                };
                leases.insert(name, lease);
            }
            Ok::<_, Error>(leases)
        })?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, lease) in leases {
            // The own one is as old as it may be, that of another as young as it may be: nobody is waited for too short.
            if seen.get(name).is_none_or(|seen| seen.lease != lease) {
                let since = if *lease.holder == *self.me { at } else { clock() };
                seen.insert(name, Seen { lease, since });
            }
        }
        Ok(())
    }

    /// Whether this process is the one that does a kind of work now.
    #[must_use]
    pub fn is_mine(&self, at: Duration, name: &str) -> bool {
        if !self.db.is_shared() {
            return true;
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name)
            .is_some_and(|seen| *seen.lease.holder == *self.me && at < seen.since + LEASE / 2)
    }

    /// Whether work was not done for so many seconds, by whomever; a clock that was ahead holds none up.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_due(&self, now: Timestamp, name: &'static str, seconds: i64) -> Result<bool, Error> {
        let sql = "SELECT done_at FROM work WHERE name = $1";
        let last = self.db.read("work.last", move |tx| {
            Ok::<_, Error>(tx.row(sql, &[name.into()], |row| row.opt_int(0))?.flatten())
        })?;
        Ok(last.is_none_or(|last| !(0..seconds).contains(&now.since(Timestamp(last)))))
    }

    /// Work is done.
    ///
    /// # Errors
    /// When the store fails.
    pub fn done(&self, now: Timestamp, name: &'static str) -> Result<(), Error> {
        self.db.write("work.done", move |tx| {
            let sql = "INSERT INTO work (name, holder, beats, done_at) VALUES ($1, '', 0, $2)
                ON CONFLICT (name) DO UPDATE SET done_at = excluded.done_at";
            tx.execute(sql, &[name.into(), now.0.into()])?;
            Ok(())
        })
    }

    /// Whoever ends lets others have what it holds, at once.
    ///
    /// # Errors
    /// When the store fails: then they wait for it.
    pub fn give_back(&self) -> Result<(), Error> {
        if !self.db.is_shared() {
            return Ok(());
        }
        self.has_ended.store(true, Ordering::Relaxed);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let me = Arc::clone(&self.me);
        self.db.write("work.give_back", move |tx| {
            let sql = "UPDATE work SET holder = '' WHERE holder = $1";
            tx.execute(sql, &[me.as_ref().into()])?;
            Ok(())
        })
    }
}

fn lease_of(tx: &mut Tx<'_>, name: &str) -> Result<Option<Lease>, Error> {
    let sql = "SELECT holder, beats FROM work WHERE name = $1";
    tx.row(sql, &[name.into()], |row: &Row<'_>| {
        Ok::<_, Error>(Lease { holder: row.text(0)?, beats: row.int(1)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(holder: &str, beats: i64) -> Lease {
        Lease { holder: holder.to_owned(), beats }
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_and_when_it_stood_still() {
        let at = 100 * SECOND;
        let seen = |holder: &str, beats, since| Seen { lease: lease(holder, beats), since };
        assert_eq!(verdict(None, "a", None, at), Verdict::Take, "never had");
        assert_eq!(verdict(Some(&lease("", 9)), "a", None, at), Verdict::Take, "given back");
        assert_eq!(verdict(Some(&lease("a", 9)), "a", None, at), Verdict::Take, "the own one");
        let theirs = lease("b", 9);
        let of = |seen: Option<Seen>| verdict(Some(&theirs), "a", seen.as_ref(), at);
        assert_eq!(of(None), Verdict::Leave, "not looked at before");
        assert_eq!(of(Some(seen("b", 9, at - LEASE))), Verdict::Take);
        assert_eq!(of(Some(seen("b", 9, at - LEASE + SECOND))), Verdict::Leave, "not long enough");
        assert_eq!(of(Some(seen("b", 8, at - LEASE))), Verdict::Leave, "it was counted up");
        assert_eq!(of(Some(seen("c", 9, at - LEASE))), Verdict::Leave, "it went to another");
    }
}
