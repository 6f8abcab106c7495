//! The lines of a section in their order, and an index that finds one among many thousands without looking at each.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Deref;

/// A line and those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its text, without indentation; empty for a blank line.
    pub text: String,
    /// The lines of its submode.
    pub children: Lines,
}

impl Line {
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), children: Lines::default() }
    }
}

/// Lines in their order.
#[derive(Debug, Default)]
pub struct Lines {
    list: Vec<Line>,
    index: Option<Box<Index>>,
}

/// Fewer are looked through one by one.
const INDEXED_FROM: usize = 24;

/// By what a line is looked for. A `no` before it does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Its first so many words.
    Words(usize),
    /// All of it.
    Whole,
    /// All but the number before it.
    Entry,
    /// The number before it.
    Number,
}

impl Key {
    fn hash_of(self, text: &str) -> u64 {
        let text = text.strip_prefix("no ").unwrap_or(text);
        let mut hasher = DefaultHasher::new();
        match self {
            Self::Words(count) => {
                for word in text.split_whitespace().take(count) {
                    word.hash(&mut hasher);
                }
            }
            Self::Whole => text.hash(&mut hasher),
            Self::Entry => numbered(text).1.hash(&mut hasher),
            Self::Number => numbered(text).0.hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// How many lines have which keys, and about where the whole lines are. It may say too much, never too little.
#[derive(Debug, Default)]
struct Index {
    keys: Vec<Key>,
    counts: BTreeMap<(Key, u64), u32>,
    places: BTreeMap<u64, usize>,
}

impl Index {
    fn of(list: &[Line]) -> Self {
        let mut index = Self::default();
        for (place, line) in list.iter().enumerate() {
            index.places.insert(Key::Whole.hash_of(&line.text), place);
        }
        index
    }

    fn count(&mut self, list: &[Line], key: Key, text: &str) -> u32 {
        if !self.keys.contains(&key) {
            self.keys.push(key);
            for line in list {
                *self.counts.entry((key, key.hash_of(&line.text))).or_default() += 1;
            }
        }
        self.counts.get(&(key, key.hash_of(text))).copied().unwrap_or(0)
    }

    fn added(&mut self, place: usize, text: &str) {
        for key in &self.keys {
            *self.counts.entry((*key, key.hash_of(text))).or_default() += 1;
        }
        self.places.insert(Key::Whole.hash_of(text), place);
    }

    fn removed(&mut self, text: &str) {
        for key in &self.keys {
            let known = (*key, key.hash_of(text));
            if let Some(count) = self.counts.get_mut(&known) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&known);
                }
            }
        }
    }
}

impl Lines {
    fn index(&mut self) -> Option<&mut Index> {
        if self.index.is_none() && self.list.len() >= INDEXED_FROM {
            self.index = Some(Box::new(Index::of(&self.list)));
        }
        self.index.as_deref_mut()
    }

    /// Whether a line with this key may be there.
    pub(crate) fn may_have(&mut self, key: Key, text: &str) -> bool {
        if self.index().is_none() {
            return true;
        }
        let Self { list, index } = self;
        index.as_deref_mut().is_none_or(|index| index.count(list, key, text) > 0)
    }

    /// Whether it is there and is the only one with this key.
    pub(crate) fn is_only(&mut self, key: Key, text: &str) -> bool {
        if self.index().is_none() || self.place_of(text).is_none() {
            return false;
        }
        let Self { list, index } = self;
        index.as_deref_mut().is_some_and(|index| index.count(list, key, text) == 1)
    }

    /// Where a line is.
    pub(crate) fn place_of(&self, text: &str) -> Option<usize> {
        let is_it = |line: &Line| line.text == text;
        let Some(index) = &self.index else { return self.list.iter().position(is_it) };
        let hint = *index.places.get(&Key::Whole.hash_of(text))?;
        if self.list.get(hint).is_some_and(is_it) {
            return Some(hint);
        }
        // What was inserted or removed before it moved it a little.
        let hint = hint.min(self.list.len());
        let (before, behind) = self.list.split_at(hint);
        let mut near = (before.iter().rev(), behind.iter());
        for distance in 0.. {
            let (below, above) = (near.0.next(), near.1.next());
            if above.is_some_and(is_it) {
                return Some(hint + distance);
            }
            if below.is_some_and(is_it) {
                return Some(hint - distance - 1);
            }
            if below.is_none() && above.is_none() {
                break;
            }
        }
        None
    }

    pub(crate) fn insert(&mut self, place: usize, line: Line) {
        let enough = 2 * self.list.len() + INDEXED_FROM;
        if let Some(index) = self.index() {
            index.added(place, &line.text);
            // Places of lines that are long gone.
            if index.places.len() > enough {
                self.index = None;
            }
        }
        self.list.insert(place, line);
    }

    pub(crate) fn push(&mut self, line: Line) {
        self.insert(self.list.len(), line);
    }

    /// Gives a line another text.
    pub(crate) fn set_text(&mut self, place: usize, text: &str) {
        let old = std::mem::replace(&mut self.list[place].text, text.to_owned());
        if let Some(index) = self.index() {
            index.removed(&old);
            index.added(place, text);
        }
    }

    /// Takes away the lines that are not to stay, and returns them.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&Line) -> bool) -> Vec<Line> {
        let removed: Vec<Line> = self.list.extract_if(.., |line| !stays(line)).collect();
        if let Some(index) = &mut self.index {
            for line in &removed {
                index.removed(&line.text);
            }
        }
        removed
    }

    pub(crate) fn children_mut(&mut self, place: usize) -> &mut Self {
        &mut self.list[place].children
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        &self.list
    }
}

impl<'l> IntoIterator for &'l Lines {
    type Item = &'l Line;
    type IntoIter = std::slice::Iter<'l, Line>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), index: None }
    }
}

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Lines {}

impl FromIterator<Line> for Lines {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        Self { list: lines.into_iter().collect(), index: None }
    }
}

/// The number before an entry, and the entry.
pub(crate) fn numbered(text: &str) -> (Option<u32>, &str) {
    match text.split_once(' ') {
        Some((number, entry)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            number.parse().map_or((None, text), |number| (Some(number), entry))
        }
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_finds_what_is_there_and_nothing_else() {
        let mut chance = 7_u64;
        let mut next = |below: u64| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (chance >> 33) % below
        };
        let mut lines = Lines::default();
        for _ in 0..4_000 {
            let text = match next(4) {
                0 => format!("ip route {} {}", next(40), next(2)),
                1 => format!("{} permit {}", next(40), next(20)),
                2 => format!("no ip route {} {}", next(40), next(2)),
                _ => format!("vlan {}", next(60)),
            };
            match next(10) {
                0 => {
                    lines.retain(|line| line.text != text);
                }
                1 if !lines.is_empty() => {
                    let place = usize::try_from(next(lines.len() as u64)).unwrap();
                    lines.set_text(place, &text);
                }
                _ if lines.len() < 200 => {
                    let place = usize::try_from(next(lines.len() as u64 + 1)).unwrap();
                    lines.insert(place, Line::of(text.clone()));
                }
                _ => {
                    lines.retain(|line| line.text.len() % 2 == 0);
                }
            }
            for text in [text.as_str(), "ip route 3 1", "vlan 7"] {
                let bare = |text: &str| text.strip_prefix("no ").unwrap_or(text).to_owned();
                let found = lines.place_of(text).map(|place| lines[place].text.clone());
                let is_there = lines.iter().any(|line| line.text == text);
                assert_eq!(found.as_deref(), is_there.then_some(text));
                let head = |text: &str| {
                    bare(text).split(' ').take(3).map(str::to_owned).collect::<Vec<_>>()
                };
                let count = lines.iter().filter(|line| head(&line.text) == head(text)).count();
                let indexed = lines.index().is_some();
                assert_eq!(lines.may_have(Key::Words(3), text), !indexed || count > 0, "{text}");
                let only = indexed && is_there && count == 1;
                assert_eq!(lines.is_only(Key::Words(3), text), only, "{text}");
                let entry = numbered(text).1;
                let has = lines.iter().any(|line| numbered(&bare(&line.text)).1 == bare(entry));
                assert!(lines.may_have(Key::Entry, text) || !has);
            }
        }
    }
}
