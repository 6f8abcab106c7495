//! Who of two may speak. Two cannot vote: what is known of them is written down where both can read it and one at a time
//! can write it. On one host that is a file under a lock that the kernel frees when its holder dies; on two hosts a witness.
//!
//! What is written down is true of folders, and folders are emptied, put back from copies, or lost: each supervisor's folder
//! has a mark that says as which of them it is known, and how much had been written down when it was.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::topics::redundancy::Slot;

/// Attempts to become active that a mark remembers.
const NAMES_MAX: usize = 8;

/// What is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Grows with all that is written down.
    #[serde(default)]
    pub number: u64,
    /// Grows with each take-over.
    pub term: u64,
    /// The slot of the one that is active, or was last.
    pub active: Option<u8>,
    /// The slots that have all that was ever answered for.
    pub whole: BTreeSet<u8>,
    /// Their serial numbers: a supervisor that was put in in place of one of them has nothing of it.
    #[serde(default)]
    pub serials: BTreeMap<u8, String>,
    /// The names of their folders, drawn each time one took over or was given all.
    #[serde(default)]
    pub names: BTreeMap<u8, String>,
    /// Where the active one waits for the other.
    #[serde(default)]
    pub link: String,
}

/// What a supervisor's folder says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The number of what was written down last, as far as it is known there.
    pub seen: u64,
    /// Under which of these names it is known, or may be.
    pub names: Vec<String>,
}

impl Mark {
    /// That of a folder which was given all, or whose supervisor took over.
    #[must_use]
    pub fn settled(seen: u64, name: &str) -> Self {
        Self { seen, names: vec![name.to_owned()] }
    }

    /// Its supervisor tries to become active, as somebody of this name: whether it succeeds is not known before.
    pub fn try_as(&mut self, name: &str) {
        if self.names.len() == NAMES_MAX {
            // The first is the one it had before all attempts.
            self.names.remove(1);
        }
        self.names.push(name.to_owned());
    }
}

/// Why a supervisor may not become active by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// It was not given all that was answered for.
    NotGiven,
    /// Its folder is not the one that has all: it was emptied, or comes from a copy.
    OtherFolder,
    /// What is written down is lost, or of earlier than what its own folder, or the other one's, knows.
    Older,
}

impl Missing {
    /// For people: what is so, and what to do.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotGiven => {
                "it was not given all that the other supervisor answered for: start that one; if it is gone for good, \
                 --force-active gives up what only it has"
            }
            Self::OtherFolder => {
                "its folder is not the one that had all: it was emptied, or put back from a copy. Start the other \
                 supervisor first, which gives it all; if that one is gone for good, --force-active goes on with what \
                 lies here"
            }
            Self::Older => {
                "what is written down of the two supervisors is lost, or older than what lies in their folders: start \
                 the one that was active last with --force-active"
            }
        }
    }
}

impl Standing {
    /// Whether this one may become active by itself: nothing that was answered for is missing there. At first start nothing
    /// was answered for yet. `other_seen` is what the other one's folder has seen, where that can be read.
    ///
    /// # Errors
    /// What is missing.
    pub fn may_take(
        &self,
        slot: Slot,
        serial: &str,
        mark: &Mark,
        other_seen: u64,
    ) -> Result<(), Missing> {
        let number = slot.number();
        let is_another = self.serials.get(&number).is_some_and(|known| known != serial);
        if self.number < mark.seen.max(other_seen) {
            Err(Missing::Older)
        } else if self.active.is_none() {
            Ok(())
        } else if !self.whole.contains(&number) || is_another {
            Err(Missing::NotGiven)
        } else if self.names.get(&number).is_some_and(|name| !mark.names.contains(name)) {
            Err(Missing::OtherFolder)
        } else {
            Ok(())
        }
    }

    /// It becomes active, with a folder of that name. What it answers for from now on only it has, until the other one has
    /// all of it. `seen` is the most that any folder has seen: what is written down now is later than that.
    #[must_use]
    pub fn taken(&self, slot: Slot, serial: &str, name: &str, link: String, seen: u64) -> Self {
        let number = slot.number();
        let next = self.number.max(self.term).max(seen) + 1;
        Self {
            number: next,
            term: next,
            active: Some(number),
            whole: BTreeSet::from([number]),
            serials: BTreeMap::from([(number, serial.to_owned())]),
            names: BTreeMap::from([(number, name.to_owned())]),
            link,
        }
    }

    /// The other one has all of it, in a folder of that name; or has not any more.
    pub fn note_other(&mut self, slot: Slot, whole: Option<(&str, &str)>) {
        let before = self.clone();
        let number = slot.number();
        if let Some((serial, name)) = whole {
            self.whole.insert(number);
            self.serials.insert(number, serial.to_owned());
            self.names.insert(number, name.to_owned());
        } else {
            self.whole.remove(&number);
            self.serials.remove(&number);
            self.names.remove(&number);
        }
        if *self != before {
            self.number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Slot = Slot::One;
    const TWO: Slot = Slot::Two;

    fn mark(name: &str) -> Mark {
        Mark::settled(0, name)
    }

    #[test]
    fn only_one_that_misses_nothing_takes_over() {
        let (first, second) = (mark("a"), mark("b"));
        let mut standing = Standing::default();
        let none = Mark::default();
        assert_eq!(standing.may_take(ONE, "S1", &none, 0), Ok(()), "at first start");
        assert_eq!(standing.may_take(TWO, "S2", &none, 0), Ok(()));
        standing = standing.taken(ONE, "S1", "a", "here".to_owned(), 0);
        assert_eq!((standing.term, standing.active, standing.link.as_str()), (1, Some(1), "here"));
        assert_eq!(standing.may_take(ONE, "S1", &first, 0), Ok(()));
        assert_eq!(standing.may_take(TWO, "S2", &none, 0), Err(Missing::NotGiven));
        standing.note_other(TWO, Some(("S2", "b")));
        assert_eq!((standing.number, standing.term), (2, 1));
        assert_eq!(standing.may_take(TWO, "S2", &second, 0), Ok(()));
        standing.note_other(TWO, None);
        let cut_off = standing.may_take(TWO, "S2", &second, 0);
        assert_eq!(cut_off, Err(Missing::NotGiven), "others were answered since");
        let number = standing.number;
        standing.note_other(TWO, None);
        assert_eq!(standing.number, number, "nothing new is written down");
        standing.note_other(TWO, Some(("S2", "b")));
        standing = standing.taken(TWO, "S2", "c", String::new(), 0);
        assert_eq!(standing.may_take(TWO, "S2", &mark("c"), 0), Ok(()));
        let given_again = standing.may_take(ONE, "S1", &first, 0);
        assert_eq!(given_again, Err(Missing::NotGiven), "the first has to be given all again");
        assert_eq!((standing.number, standing.term, standing.active), (5, 5, Some(2)));
    }

    #[test]
    fn one_that_was_put_in_in_place_of_another_has_nothing_of_it() {
        let mut standing = Standing::default().taken(ONE, "S1", "a", String::new(), 0);
        standing.note_other(TWO, Some(("S2", "b")));
        assert_eq!(standing.may_take(TWO, "S2", &mark("b"), 0), Ok(()));
        assert_eq!(standing.may_take(TWO, "S3", &mark("b"), 0), Err(Missing::NotGiven));
        assert_eq!(standing.may_take(ONE, "S3", &mark("a"), 0), Err(Missing::NotGiven));
        standing.note_other(TWO, None);
        standing.note_other(TWO, Some(("S3", "c")));
        assert_eq!(standing.may_take(TWO, "S3", &mark("c"), 0), Ok(()));
        assert_eq!(standing.may_take(TWO, "S2", &mark("b"), 0), Err(Missing::NotGiven));
    }

    #[test]
    fn a_folder_that_was_emptied_or_put_back_is_not_believed() {
        let mut standing = Standing::default().taken(ONE, "S1", "a", String::new(), 0);
        standing.note_other(TWO, Some(("S2", "b")));
        for (slot, serial) in [(ONE, "S1"), (TWO, "S2")] {
            for folder in [Mark::default(), mark("x")] {
                let outcome = standing.may_take(slot, serial, &folder, 0);
                assert_eq!(outcome, Err(Missing::OtherFolder), "{folder:?}");
            }
        }
        // Whether the last attempt succeeded is not known: both names count.
        let mut tried = mark("b");
        tried.try_as("c");
        assert_eq!(standing.may_take(TWO, "S2", &tried, 0), Ok(()));
        let taken = standing.taken(TWO, "S2", "c", String::new(), 0);
        assert_eq!(taken.may_take(TWO, "S2", &tried, 0), Ok(()));
        assert_eq!(taken.may_take(TWO, "S2", &mark("b"), 0), Err(Missing::OtherFolder));
        for attempt in 0..20 {
            tried.try_as(&format!("try {attempt}"));
        }
        assert_eq!(tried.names.len(), NAMES_MAX);
        assert_eq!((tried.names[0].as_str(), tried.names[7].as_str()), ("b", "try 19"));
    }

    #[test]
    fn what_is_older_than_the_folders_is_not_believed() {
        let mut standing = Standing::default().taken(ONE, "S1", "a", String::new(), 0);
        standing.note_other(TWO, Some(("S2", "b")));
        let yesterday = standing.clone();
        standing.note_other(TWO, None);
        let first = Mark::settled(standing.number, "a");
        // The second misses something, which yesterday's does not say.
        assert_eq!(yesterday.may_take(TWO, "S2", &mark("b"), first.seen), Err(Missing::Older));
        assert_eq!(yesterday.may_take(ONE, "S1", &first, 0), Err(Missing::Older));
        let lost = Standing::default();
        assert_eq!(lost.may_take(ONE, "S1", &first, 0), Err(Missing::Older));
        assert_eq!(lost.may_take(TWO, "S2", &Mark::default(), first.seen), Err(Missing::Older));
        // Whoever is told to goes on all the same, and is believed from then on.
        let forced = lost.taken(ONE, "S1", "c", String::new(), first.seen);
        assert!(forced.number > standing.number && forced.term > standing.term);
        let after = Mark::settled(forced.number, "c");
        assert_eq!(forced.may_take(ONE, "S1", &after, first.seen), Ok(()));
    }

    #[test]
    fn what_was_written_down_before_there_were_names_is_believed_once() {
        let before = r#"{"term":7,"active":1,"whole":[1,2],"serials":{"1":"S1","2":"S2"}}"#;
        let before: Standing = serde_json::from_str(before).unwrap();
        assert_eq!(before.may_take(TWO, "S2", &Mark::default(), 0), Ok(()));
        let after = before.taken(TWO, "S2", "a", String::new(), 0);
        assert_eq!((after.number, after.term), (8, 8));
        assert_eq!(after.may_take(TWO, "S2", &Mark::default(), 0), Err(Missing::OtherFolder));
    }
}
