//! Topics that hold given words.

use std::collections::BTreeSet;
use std::ops::Bound::{Included, Unbounded};
use std::sync::LazyLock;

use crate::shown::markdown;
use crate::{Document, Topic, message, topics};

/// What is read of a question at most.
const CHARS_MAX: usize = 400;
const WORDS_MAX: usize = 16;
/// The shortest word that is meant as the beginning of others too: "rum" is a word of its own, "report" begins "reporting".
const BEGINNING_MIN: usize = 4;
/// What is left of a word without its ending, at least.
const STEM_MIN: usize = 3;

/// A topic's words, and the names that mean it and nothing else.
struct Entry {
    topic: &'static Topic,
    names: Vec<String>,
    title: Words,
    text: Words,
}

/// The words of a text, and their stems.
pub(crate) struct Words {
    words: BTreeSet<String>,
    stems: BTreeSet<String>,
}

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let words: BTreeSet<String> = words(&text.to_lowercase()).map(str::to_owned).collect();
        let stems = words.iter().map(|word| stem(word)).collect();
        Self { words, stems }
    }

    /// Whether one of them is a word, another form of it, or begins with it.
    pub(crate) fn have(&self, word: &str) -> bool {
        let begins = || {
            let next = self.words.range::<str, _>((Included(word), Unbounded)).next();
            word.chars().count() >= BEGINNING_MIN && next.is_some_and(|next| next.starts_with(word))
        };
        self.words.contains(word) || self.stems.contains(&stem(word)) || begins()
    }
}

/// A word without what its forms differ by: "gap" of "gaps" and "gapped".
fn stem(word: &str) -> String {
    let short = |ending: &str| {
        let rest = word.strip_suffix(ending)?;
        (rest.chars().count() >= STEM_MIN).then_some(rest)
    };
    let is_plural = word.ends_with('s') && !word.ends_with("ss");
    let plural = || is_plural.then(|| short("s")).flatten();
    let bare = ["ings", "ing", "ed", "es"].iter().find_map(|ending| short(ending)).or_else(plural);
    let mut letters: Vec<char> = bare.unwrap_or(word).chars().collect();
    if let [.., before, last] = letters.as_slice()
        && (before == last || *last == 'e')
        && letters.len() > STEM_MIN
    {
        letters.pop();
    }
    letters.into_iter().collect()
}

static INDEX: LazyLock<Vec<Entry>> = LazyLock::new(|| topics().iter().map(entry).collect());

fn entry(topic: &'static Topic) -> Entry {
    let title = topic.title.to_lowercase();
    let mut names = vec![phrase(&title), topic.id.clone()];
    match topic.document {
        Document::Glossary => names.extend(title.split(',').map(phrase)),
        // Without its number.
        Document::Questions => names.extend(title.split_once(". ").map(|(_, title)| phrase(title))),
        _ => {}
    }
    // What is not shown is not found.
    Entry { topic, names, title: Words::of(&title), text: Words::of(&markdown(topic)) }
}

/// Topics in which all of `words` occur, as they are, in another form or at the beginning of longer ones, in upper or lower
/// case: the one that is called so first, then those whose titles hold the words, then the others; `limit` at most. A message
/// is found by a line of the log that holds its code.
#[must_use]
pub fn search(words: &str, limit: usize) -> Vec<&'static Topic> {
    let asked: String = words.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect();
    let name = phrase(&asked);
    let wanted = wanted(&asked);
    if wanted.is_empty() {
        return Vec::new();
    }
    let coded = asked.split_whitespace().find_map(message);
    let mut found: Vec<(u8, &Topic)> = Vec::new();
    for entry in INDEX.iter() {
        let in_title = wanted.iter().filter(|word| entry.title.have(word)).count();
        let rank = if coded == Some(entry.topic) || entry.names.contains(&name) {
            0
        } else if !wanted.iter().all(|word| entry.title.have(word) || entry.text.have(word)) {
            continue;
        } else if in_title == wanted.len() {
            1
        } else if in_title > 0 {
            2
        } else {
            3
        };
        found.push((rank, entry.topic));
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().take(limit).map(|(_, topic)| topic).collect()
}

/// The words that a question, in lower case, asks for.
pub(crate) fn wanted(asked: &str) -> Vec<&str> {
    words(asked).take(WORDS_MAX).collect()
}

/// The words of a text; a sign between them parts them too.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// A text without the signs around its words.
fn phrase(text: &str) -> String {
    let bare = |word| str::trim_matches(word, |c: char| !c.is_alphanumeric());
    let words = text.split_whitespace().map(bare).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Words, stem};

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            ["gap", "gaps", "gapped"],
            ["report", "reports", "reporting"],
            ["class", "classes", "class"],
            ["receive", "received", "receiving"],
            ["install", "installed", "installing"],
        ] {
            let stems = forms.map(stem);
            assert!(stems.iter().all(|stem| *stem == stems[0]), "{stems:?}");
        }
        assert_eq!([stem("ed"), stem("red"), stem("as"), stem("")], ["ed", "red", "as", ""]);
    }

    #[test]
    fn words_are_found_whole_and_by_their_beginning_and_not_inside() {
        let text = Words::of("Rumline holds an air-gapped LOG_SMART_LIC_COMM_FAILED");
        for (word, is_there) in [
            ("rumline", true),
            ("rum", false),
            ("rumli", true),
            ("line", false),
            ("gap", true),
            ("air", true),
            ("comm", true),
            ("fail", true),
            ("ailed", false),
            ("hold", true),
        ] {
            assert_eq!(text.have(word), is_there, "{word}");
        }
    }
}
