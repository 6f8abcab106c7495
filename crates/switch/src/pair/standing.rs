//! Who of two may speak. Two cannot vote: what is known of them is written down where both can read it and one at a time
//! can write it. On one host that is a file under a lock that the kernel frees when its holder dies; on two hosts a witness.

use std::collections::BTreeSet;

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
    /// Where the active one waits for the other.
    #[serde(default)]
    pub link: String,
}

impl Standing {
    /// Whether this one may become active by itself: nothing that was answered for is missing there. At first start nothing
    /// was answered for yet.
    #[must_use]
    pub fn may_take(&self, slot: Slot) -> bool {
        self.active.is_none() || self.whole.contains(&slot.number())
    }

    /// It becomes active. What it answers for from now on only it has, until the other one has all of it.
    #[must_use]
    pub fn taken(&self, slot: Slot, link: String) -> Self {
        let number = slot.number();
        Self { term: self.term + 1, active: Some(number), whole: BTreeSet::from([number]), link }
    }

    /// The other one has all of it, or has not any more.
    pub fn note_other(&mut self, slot: Slot, is_whole: bool) {
        if is_whole {
            self.whole.insert(slot.number());
        } else {
            self.whole.remove(&slot.number());
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
        assert!(standing.may_take(one) && standing.may_take(two), "at first start");
        standing = standing.taken(one, "here".to_owned());
        assert_eq!((standing.term, standing.active, standing.link.as_str()), (1, Some(1), "here"));
        assert!(standing.may_take(one) && !standing.may_take(two));
        standing.note_other(two, true);
        assert!(standing.may_take(two));
        standing.note_other(two, false);
        assert!(!standing.may_take(two), "it was cut off, and others were answered since");
        standing.note_other(two, true);
        standing = standing.taken(two, String::new());
        assert!(
            standing.may_take(two) && !standing.may_take(one),
            "the first has to be given all again"
        );
        assert_eq!((standing.term, standing.active), (2, Some(2)));
    }
}
