//! Guessing is slowed, alike for names that exist and names that do not, and nobody is locked out by others.
//!
//! What counts is who guesses: failures are counted by name and address together, and by address. A name that is guessed
//! from everywhere is slowed for addresses it was never used from, and for no other.

use std::collections::{BTreeMap, BTreeSet};

use rumline_protocol::Timestamp;

/// Failures of a name from an address, of an address, and of a name from anywhere, that cost nothing.
const FREE_HERE: u32 = 5;
const FREE_ADDRESS: u32 = 20;
const FREE_NAME: u32 = 100;
/// The longest anyone waits, in seconds.
const WAIT_SECONDS_MAX: i64 = 60;
/// Failures are forgotten after this.
const MEMORY_SECONDS: i64 = Timestamp::HOUR;
/// Names and addresses that are remembered.
const ENTRIES_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failures {
    count: u32,
    last_at: Timestamp,
}

impl Failures {
    /// When the next attempt is taken.
    fn free_at(&self, free: u32) -> Timestamp {
        let over = self.count.saturating_sub(free);
        if over == 0 {
            return Timestamp(i64::MIN);
        }
        self.last_at + (1_i64 << over.min(10)).min(WAIT_SECONDS_MAX)
    }
}

/// Who has guessed wrongly of late.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    /// By name and address; the name is empty for the address alone, the address for the name alone.
    failures: BTreeMap<(String, String), Failures>,
    /// Names and the addresses they were rightly used from.
    used: BTreeSet<(String, String)>,
}

impl Throttle {
    fn keys(name: &str, address: &str) -> [(u32, (String, String)); 3] {
        let name: String = name.chars().take(100).collect();
        [
            (FREE_HERE, (name.clone(), address.to_owned())),
            (FREE_ADDRESS, (String::new(), address.to_owned())),
            (FREE_NAME, (name, String::new())),
        ]
    }

    /// Seconds until an attempt of this name from this address is taken; none if it is taken now.
    #[must_use]
    pub fn wait_seconds(&self, now: Timestamp, name: &str, address: &str) -> Option<i64> {
        let keys = Self::keys(name, address);
        let is_used = self.used.contains(&keys[0].1);
        let relevant = keys.iter().filter(|(free, _)| !(is_used && *free == FREE_NAME));
        let free_at = relevant
            .filter_map(|(free, key)| Some(self.failures.get(key)?.free_at(*free)))
            .max()?;
        // A clock that was set back makes nobody wait longer than the longest.
        (free_at > now).then(|| free_at.since(now).min(WAIT_SECONDS_MAX))
    }

    /// Notes a wrong guess.
    pub fn failed(&mut self, now: Timestamp, name: &str, address: &str) {
        for (_, key) in Self::keys(name, address) {
            if self.failures.len() >= ENTRIES_MAX && !self.failures.contains_key(&key) {
                self.forget(now);
            }
            let entry = self.failures.entry(key).or_insert(Failures { count: 0, last_at: now });
            if now.since(entry.last_at) >= MEMORY_SECONDS {
                entry.count = 0;
            }
            entry.count = entry.count.saturating_add(1);
            entry.last_at = now;
        }
    }

    /// Notes a right one.
    pub fn succeeded(&mut self, name: &str, address: &str) {
        let [(_, here), ..] = Self::keys(name, address);
        self.failures.remove(&here);
        if self.used.len() >= ENTRIES_MAX {
            self.used.pop_first();
        }
        self.used.insert(here);
    }

    /// Makes room: what is old goes first, then what has cost least.
    fn forget(&mut self, now: Timestamp) {
        self.failures.retain(|_, failures| now.since(failures.last_at) < MEMORY_SECONDS);
        let mut least = 1;
        while self.failures.len() >= ENTRIES_MAX {
            self.failures.retain(|_, failures| failures.count > least);
            least += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000);

    #[test]
    fn guessing_gets_slower_and_names_make_no_difference() {
        let mut throttle = Throttle::default();
        for name in ["known", "unknown"] {
            let mut at = NOW;
            let mut waits = Vec::new();
            for _ in 0..12 {
                let wait = throttle.wait_seconds(at, name, "10.0.0.1").unwrap_or(0);
                waits.push(wait);
                at = at + wait;
                throttle.failed(at, name, "10.0.0.1");
            }
            assert_eq!(waits, [0, 0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 60], "{name}");
            throttle = Throttle::default();
        }
    }

    #[test]
    fn an_address_that_tries_many_names_waits_with_all_of_them() {
        let mut throttle = Throttle::default();
        for number in 0..25 {
            throttle.failed(NOW, &format!("name-{number}"), "10.0.0.1");
        }
        assert_eq!(throttle.wait_seconds(NOW, "another", "10.0.0.1"), Some(32));
        assert_eq!(throttle.wait_seconds(NOW, "another", "10.0.0.2"), None);
    }

    #[test]
    fn nobody_is_locked_out_by_others() {
        let mut throttle = Throttle::default();
        throttle.succeeded("eve", "10.0.0.9");
        for number in 0..500 {
            throttle.failed(NOW, "eve", &format!("10.1.{number}.1"));
        }
        assert_eq!(throttle.wait_seconds(NOW, "eve", "10.0.0.9"), None, "from where she works");
        assert_eq!(throttle.wait_seconds(NOW, "eve", "10.0.0.7"), Some(60), "from elsewhere");
        assert_eq!(throttle.wait_seconds(NOW + 60, "eve", "10.0.0.7"), None);
    }

    #[test]
    fn a_right_password_ends_the_waiting_and_time_does_too() {
        let mut throttle = Throttle::default();
        for _ in 0..9 {
            throttle.failed(NOW, "eve", "a");
        }
        assert_eq!(throttle.wait_seconds(NOW, "eve", "a"), Some(16));
        assert_eq!(throttle.wait_seconds(NOW - 1_000_000, "eve", "a"), Some(60), "clock set back");
        throttle.succeeded("eve", "a");
        assert_eq!(throttle.wait_seconds(NOW, "eve", "a"), None);
        for _ in 0..9 {
            throttle.failed(NOW, "eve", "b");
        }
        throttle.failed(NOW + MEMORY_SECONDS, "eve", "b");
        assert_eq!(throttle.wait_seconds(NOW + MEMORY_SECONDS, "eve", "b"), None);
    }

    #[test]
    fn it_stays_small() {
        let mut throttle = Throttle::default();
        for _ in 0..9 {
            throttle.failed(NOW, "eve", "a");
        }
        for number in 0..30_000 {
            throttle.failed(NOW, &format!("n{number}"), &format!("a{number}"));
            throttle.succeeded(&format!("n{number}"), "x");
        }
        assert!(throttle.failures.len() <= ENTRIES_MAX + 2 && throttle.used.len() <= ENTRIES_MAX);
        assert!(throttle.wait_seconds(NOW, "eve", "a").is_some(), "who guesses is remembered");
    }
}
