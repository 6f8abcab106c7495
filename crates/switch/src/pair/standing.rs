//! Who of two may speak. Two cannot vote: what is known of them is written down where both can read it and one at a time
//! can write it. On one host that is a file under a lock that the kernel frees when its holder dies; on two hosts a witness.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::topics::redundancy::Slot;

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Grows with each take-over.
    pub term: u64,
    /// The slot of the one that is active, or was last.
    pub active: Option<u8>,
    /// The slots that have all that was ever answered for.
    pub whole: BTreeSet<u8>,
    /// Their serial numbers: a supervisor that was put in in place of one of them has nothing of it.
    #[serde(default)]
    pub serials: BTreeMap<u8, String>,
    /// Where the active one waits for the other.
    #[serde(default)]
    pub link: String,
}

impl Standing {
    /// Whether this one may become active by itself: nothing that was answered for is missing there. At first start nothing
    /// was answered for yet.
    #[must_use]
    pub fn may_take(&self, slot: Slot, serial: &str) -> bool {
        let number = slot.number();
        let is_another = self.serials.get(&number).is_some_and(|known| known != serial);
        self.active.is_none() || self.whole.contains(&number) && !is_another
    }

    /// It becomes active. What it answers for from now on only it has, until the other one has all of it.
    #[must_use]
    pub fn taken(&self, slot: Slot, serial: &str, link: String) -> Self {
        let number = slot.number();
        Self {
            term: self.term + 1,
            active: Some(number),
            whole: BTreeSet::from([number]),
            serials: BTreeMap::from([(number, serial.to_owned())]),
            link,
        }
    }

    /// The other one has all of it, or has not any more.
    pub fn note_other(&mut self, slot: Slot, serial: &str, is_whole: bool) {
        let number = slot.number();
        if is_whole {
            self.whole.insert(number);
            self.serials.insert(number, serial.to_owned());
        } else {
            self.whole.remove(&number);
            self.serials.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_that_misses_nothing_takes_over() {
        let [one, two] = Slot::ALL;
        let mut standing = Standing::default();
        assert!(standing.may_take(one, "S1") && standing.may_take(two, "S2"), "at first start");
        standing = standing.taken(one, "S1", "here".to_owned());
        assert_eq!((standing.term, standing.active, standing.link.as_str()), (1, Some(1), "here"));
        assert!(standing.may_take(one, "S1") && !standing.may_take(two, "S2"));
        standing.note_other(two, "S2", true);
        assert!(standing.may_take(two, "S2"));
        standing.note_other(two, "S2", false);
        assert!(!standing.may_take(two, "S2"), "it was cut off, and others were answered since");
        standing.note_other(two, "S2", true);
        standing = standing.taken(two, "S2", String::new());
        assert!(
            standing.may_take(two, "S2") && !standing.may_take(one, "S1"),
            "the first has to be given all again"
        );
        assert_eq!((standing.term, standing.active), (2, Some(2)));
    }

    #[test]
    fn one_that_was_put_in_in_place_of_another_has_nothing_of_it() {
        let [one, two] = Slot::ALL;
        let mut standing = Standing::default().taken(one, "S1", String::new());
        standing.note_other(two, "S2", true);
        assert!(standing.may_take(two, "S2"));
        assert!(!standing.may_take(two, "S3"), "its disk is empty");
        assert!(!standing.may_take(one, "S3"));
        standing.note_other(two, "S3", false);
        standing.note_other(two, "S3", true);
        assert!(standing.may_take(two, "S3") && !standing.may_take(two, "S2"));
    }
}
