//! The modes of configuration as data: which lines open which, and which lines belong to which (`modes.txt`).

use std::collections::BTreeSet;
use std::sync::OnceLock;

/// What a line of a mode does to another one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It takes the place of another one of its kind.
    One,
    /// It stands beside others.
    Each,
    /// It and its `no` take each other's place, and both are kept.
    Toggle,
    /// It opens this mode.
    Opens(usize),
}

/// What a line is in a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    /// With every keyword written out.
    pub(crate) text: String,
    /// Whether it names what it is about: of a line that is only begun, enough for a `no`.
    pub(crate) names_it: bool,
    /// How many of its words are keywords.
    pub(crate) known: usize,
    pattern: &'static Pattern,
}

impl Hit {
    /// The same of an entry with its number.
    pub(crate) fn numbered(self, number: &str) -> Self {
        Self { text: format!("{number} {}", self.text), names_it: true, ..self }
    }

    /// How many first words lines of the same setting have in common.
    pub(crate) fn same_words(&self) -> usize {
        let words = self.text.split_whitespace().count();
        self.pattern.key_words.unwrap_or_else(|| self.pattern.fixed_words()).min(words)
    }

    /// Whether a line of the same mode is of the same setting.
    pub(crate) fn is_same(&self, line: &str) -> bool {
        let line = line.strip_prefix("no ").unwrap_or(line);
        match self.pattern.key_words {
            Some(count) => {
                let own = self.text.split_whitespace().take(count);
                own.clone().count() == count && own.eq(line.split_whitespace().take(count))
            }
            None => {
                let words: Vec<&str> = line.split_whitespace().collect();
                self.pattern.is_whole(&words) && self.pattern.fits(&words, false)
            }
        }
    }
}

#[derive(Debug)]
enum Word {
    Fixed(&'static str),
    Any,
    /// One that begins with a digit or holds a colon.
    Address,
}

#[derive(Debug)]
struct Pattern {
    words: Vec<Word>,
    /// Whether more may follow.
    has_rest: bool,
    kind: Kind,
    /// Of one value: how many words make its key, where that is not all that is fixed.
    key_words: Option<usize>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Pattern {}

/// A mode.
#[derive(Debug)]
pub(crate) struct ModeRow {
    name: &'static str,
    /// As in `switch(config-if)#`.
    pub(crate) prompt: &'static str,
    patterns: Vec<Pattern>,
}

/// The mode of global configuration.
pub(crate) const GLOBAL: usize = 0;

/// The mode of a section that nobody knows: what is indented below its line belongs to it.
pub(crate) fn unknown() -> usize {
    all().len() - 1
}

/// All modes; the first is that of global configuration.
pub(crate) fn all() -> &'static [ModeRow] {
    static ROWS: OnceLock<Vec<ModeRow>> = OnceLock::new();
    ROWS.get_or_init(|| read(include_str!("modes.txt")))
}

fn read(text: &'static str) -> Vec<ModeRow> {
    let mut rows: Vec<ModeRow> = Vec::new();
    // Which mode, in which others, by which pattern.
    let mut opened: Vec<(usize, Vec<&str>, &str)> = Vec::new();
    // What is said above a row of its key.
    let mut key: Option<usize> = None;
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("// key ") {
            key = words.split_whitespace().next().and_then(|words| words.parse().ok());
            continue;
        }
        if line.is_empty() || line.starts_with("//") || line == "takes:" {
            continue;
        }
        if let Some((name, prompt)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            rows.push(ModeRow { name, prompt: prompt.trim(), patterns: Vec::new() });
        } else if let Some((parents, pattern)) =
            line.strip_prefix("opens in ").and_then(|rest| rest.split_once(':'))
        {
            opened.push((rows.len() - 1, parents.split(',').map(str::trim).collect(), pattern));
        } else {
            let (mark, pattern) = line.split_once(' ').expect("a mark and a pattern");
            let pattern = match (mark, key.take()) {
                ("!", _) => Pattern::of(pattern, Kind::Toggle),
                (_, Some(words)) => {
                    Pattern { key_words: Some(words), ..Pattern::of(pattern, Kind::One) }
                }
                ("=", None) => Pattern::of(pattern, Kind::One),
                (_, None) => Pattern::of(pattern, Kind::Each),
            };
            rows.last_mut().expect("a mode begins first").patterns.push(pattern);
        }
    }
    for (mode, parents, pattern) in opened {
        for parent in parents {
            let row = rows.iter_mut().find(|row| row.name == parent).expect("the mode is there");
            row.patterns.push(Pattern::of(pattern, Kind::Opens(mode)));
        }
    }
    rows.push(ModeRow { name: "unknown", prompt: "config-sub", patterns: Vec::new() });
    rows
}

impl Pattern {
    fn of(text: &'static str, kind: Kind) -> Self {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let has_rest = words.pop_if(|word| *word == "...").is_some();
        let word = |word| match word {
            "*" => Word::Any,
            "#" => Word::Address,
            word => Word::Fixed(word),
        };
        let words = words.into_iter().map(word).collect();
        Self { words, has_rest, kind, key_words: None }
    }

    /// Whether the words are this, as far as they go.
    fn fits(&self, words: &[&str], short: bool) -> bool {
        words.iter().zip(&self.words).all(|(typed, word)| match word {
            Word::Fixed(word) if short && typed.len() > 1 => {
                word.starts_with(&typed.to_ascii_lowercase())
            }
            Word::Fixed(word) => typed == word,
            Word::Any => true,
            Word::Address => typed.starts_with(|c: char| c.is_ascii_digit()) || typed.contains(':'),
        })
    }

    /// How many of the words it knows.
    fn known(&self, words: &[&str]) -> usize {
        let words = self.words.iter().take(words.len());
        words.filter(|word| matches!(word, Word::Fixed(_))).count()
    }

    fn is_whole(&self, words: &[&str]) -> bool {
        let length = self.words.len();
        words.len() == length || words.len() > length && self.has_rest
    }

    /// The words with every keyword written out.
    fn written_out(&self, words: &[&str]) -> String {
        let mut text = Vec::with_capacity(words.len());
        for (index, typed) in words.iter().enumerate() {
            text.push(match self.words.get(index) {
                Some(Word::Fixed(word)) => *word,
                _ => typed,
            });
        }
        text.join(" ")
    }

    /// How many fixed words it begins with.
    fn fixed_words(&self) -> usize {
        self.words.iter().take_while(|word| matches!(word, Word::Fixed(_))).count()
    }

    fn hit(&'static self, words: &[&str]) -> Hit {
        let (text, names_it) = (self.written_out(words), self.names(words));
        Hit { kind: self.kind, text, names_it, known: self.known(words), pattern: self }
    }

    /// Whether as many words name what is meant: the value of a setting need not be told.
    fn names(&self, words: &[&str]) -> bool {
        match self.kind {
            Kind::One => words.len() >= self.key_words.unwrap_or_else(|| self.fixed_words()),
            Kind::Toggle => true,
            Kind::Each | Kind::Opens(_) => {
                let first = self.words.iter().position(|word| !matches!(word, Word::Fixed(_)));
                let without = self.words.len() - usize::from(!self.has_rest);
                words.len() > first.unwrap_or(without)
            }
        }
    }
}

impl ModeRow {
    /// What a line is in this mode, if it is of it, word for word. After `no` it may be only begun.
    pub(crate) fn hit(&'static self, words: &[&str], negated: bool) -> Option<Hit> {
        let fitting = || self.patterns.iter().filter(|pattern| pattern.fits(words, false));
        let begun = fitting().find(|pattern| negated && pattern.words.len() > words.len());
        // A row for whatever begins so says less than one that knows the words and wants to know more, or knows more of them
        // where they are short.
        let known = |pattern: &Pattern| pattern.known(words);
        let whole = fitting().find(|pattern| {
            pattern.is_whole(words) && begun.is_none_or(|begun| known(begun) <= known(pattern))
        });
        let found = whole.or(begun)?;
        let short = if found.has_rest { self.short_hit(words) } else { None };
        let short = short.filter(|short| short.pattern.known(words) > known(found));
        Some(short.unwrap_or_else(|| found.hit(words)))
    }

    /// What may follow the words of a line, whose last one may be unfinished.
    pub(crate) fn next_words(&'static self, line: &str, negated: bool) -> Vec<String> {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let begun =
            if line.ends_with(char::is_whitespace) { "" } else { words.pop().unwrap_or_default() };
        let mut found = Vec::new();
        for pattern in self.patterns.iter().filter(|pattern| pattern.fits(&words, true)) {
            match pattern.words.get(words.len()) {
                Some(Word::Fixed(word)) if word.starts_with(begun) => {
                    found.push((*word).to_owned());
                }
                Some(Word::Fixed(_)) => {}
                Some(Word::Any) => found.push("WORD".to_owned()),
                Some(Word::Address) => found.push("A.B.C.D|A:B::C:D".to_owned()),
                None if pattern.has_rest => found.push("LINE".to_owned()),
                None if words.len() == pattern.words.len() && begun.is_empty() => {
                    found.push("<CR>".to_owned());
                }
                None => {}
            }
        }
        // A `no` need not tell the value.
        if negated && begun.is_empty() && self.hit(&words, true).is_some_and(|hit| hit.names_it) {
            found.push("<CR>".to_owned());
        }
        found
    }

    /// The same of a line with abbreviated keywords: what all agree on that it may mean and that know most of its words.
    pub(crate) fn short_hit(&'static self, words: &[&str]) -> Option<Hit> {
        self.short_hits(words).ok().flatten()
    }

    /// The word that could mean several things here, if that is why none of them is meant.
    pub(crate) fn ambiguous_word(&'static self, words: &[&str]) -> Option<usize> {
        self.short_hits(words).err()
    }

    /// Whether several of its lines, of different first words, begin with what is no word in full.
    pub(crate) fn begins_several(&'static self, typed: &str) -> bool {
        let first = |pattern: &'static Pattern| match pattern.words.first() {
            Some(Word::Fixed(word)) => Some(*word),
            _ => None,
        };
        let begun = self.patterns.iter().filter_map(first).filter(|word| word.starts_with(typed));
        let begun: BTreeSet<&str> = begun.collect();
        begun.len() > 1 && !begun.contains(typed)
    }

    fn short_hits(&'static self, words: &[&str]) -> Result<Option<Hit>, usize> {
        let mut fitting: Vec<&'static Pattern> = self
            .patterns
            .iter()
            .filter(|pattern| pattern.is_whole(words) && pattern.fits(words, true))
            .collect();
        // A keyword that is typed in full is that one, whatever else begins so: `ip` is not `ipv6`.
        for (place, typed) in words.iter().enumerate() {
            let is_full = |pattern: &&Pattern| matches!(pattern.words.get(place), Some(Word::Fixed(word)) if word == typed);
            if fitting.iter().any(is_full) {
                fitting.retain(|pattern| {
                    is_full(pattern) || !matches!(pattern.words.get(place), Some(Word::Fixed(_)))
                });
            }
        }
        let Some(most) = fitting.iter().map(|pattern| pattern.known(words)).max() else {
            return Ok(None);
        };
        let mut found = fitting.into_iter().filter(|pattern| pattern.known(words) == most);
        let Some(first) = found.next().map(|pattern| pattern.hit(words)) else { return Ok(None) };
        match found.map(|other| other.hit(words)).find(|other| other.text != first.text) {
            None => Ok(Some(first)),
            Some(other) => {
                let pairs = first.text.split(' ').zip(other.text.split(' '));
                Err(pairs.take_while(|(a, b)| a == b).count())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_can_be_opened_and_no_pattern_is_empty() {
        let opened: Vec<usize> = all()
            .iter()
            .flat_map(|row| &row.patterns)
            .filter_map(|pattern| match pattern.kind {
                Kind::Opens(mode) => Some(mode),
                _ => None,
            })
            .collect();
        for (index, row) in all().iter().enumerate() {
            assert!(
                [GLOBAL, unknown()].contains(&index) || opened.contains(&index),
                "nothing opens {}",
                row.name
            );
            assert!(row.prompt.starts_with("conf"), "{}", row.name);
            assert!(row.patterns.iter().all(|pattern| !pattern.words.is_empty()), "{}", row.name);
        }
    }
}
