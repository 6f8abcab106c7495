//! A set of numbers kept as ranges: report ids run in sequence, so a million of them are a few ranges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A set of report ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct IdSet {
    /// First to last of each range, both inside; ranges neither overlap nor touch.
    ranges: BTreeMap<u64, u64>,
}

impl From<Vec<(u64, u64)>> for IdSet {
    fn from(ranges: Vec<(u64, u64)>) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            if first <= last {
                set.ranges.insert(first, last);
            }
        }
        set
    }
}

impl From<IdSet> for Vec<(u64, u64)> {
    fn from(set: IdSet) -> Self {
        set.ranges.into_iter().collect()
    }
}

impl IdSet {
    /// Whether `id` is in the set.
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        self.range_of(id).is_some()
    }

    fn range_of(&self, id: u64) -> Option<(u64, u64)> {
        let (first, last) = self.ranges.range(..=id).next_back()?;
        (*last >= id).then_some((*first, *last))
    }

    /// Adds `id`.
    pub fn insert(&mut self, id: u64) {
        if self.contains(id) {
            return;
        }
        let before = id.checked_sub(1).and_then(|before| self.range_of(before));
        let after = id.checked_add(1).and_then(|after| self.range_of(after));
        let first = before.map_or(id, |(first, _)| first);
        let last = after.map_or(id, |(_, last)| last);
        if let Some((first, _)) = after {
            self.ranges.remove(&first);
        }
        self.ranges.insert(first, last);
    }

    /// Removes `id`; says whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some((first, last)) = self.range_of(id) else {
            return false;
        };
        self.ranges.remove(&first);
        if first < id {
            self.ranges.insert(first, id - 1);
        }
        if id < last {
            self.ranges.insert(id + 1, last);
        }
        true
    }

    /// The ids from `from` on, in order.
    pub fn iter_from(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        let start = self.range_of(from).map_or(from, |(first, _)| first);
        self.ranges.range(start..).flat_map(move |(first, last)| (*first).max(from)..=*last)
    }

    /// All ids, in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.iter_from(0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::IdSet;

    #[test]
    fn it_behaves_like_a_plain_set() {
        let (mut set, mut model, mut x) = (IdSet::default(), BTreeSet::new(), 1_u64);
        for _ in 0..5_000 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let id = (x >> 33) % 64;
            if x & 1 << 20 == 0 {
                set.insert(id);
                model.insert(id);
            } else {
                assert_eq!(set.remove(id), model.remove(&id));
            }
            assert!(set.iter().eq(model.iter().copied()));
            assert!(set.iter_from(id).eq(model.range(id..).copied()));
            assert_eq!(set.len(), model.len() as u64);
            let ranges: Vec<(u64, u64)> = set.clone().into();
            assert_eq!(IdSet::from(ranges), set);
        }
    }
}
