//! Topics that hold given words.

use std::sync::LazyLock;

use crate::{Document, Topic, message, topics};

/// What is read of a question at most.
const CHARS_MAX: usize = 400;
const WORDS_MAX: usize = 16;

/// A topic in lower case, and the names that mean it and nothing else.
struct Entry {
    topic: &'static Topic,
    names: Vec<String>,
    title: String,
    text: String,
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
    Entry { topic, names, title, text: topic.text.to_lowercase() }
}

/// Topics in which all of `words` occur, or begin a word, in upper or lower case: the one that is called so first, then those
/// whose titles hold the words, then the others; `limit` at most. A message is found by a line of the log that holds its code.
#[must_use]
pub fn search(words: &str, limit: usize) -> Vec<&'static Topic> {
    let asked: String = words.chars().take(CHARS_MAX).flat_map(char::to_lowercase).collect();
    let wanted: Vec<&str> = parts(&asked).take(WORDS_MAX).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let name = wanted.join(" ");
    let coded = asked.split_whitespace().find_map(message);
    let mut found: Vec<(u8, &Topic)> = Vec::new();
    for entry in INDEX.iter() {
        let in_title = wanted.iter().filter(|word| occurs(&entry.title, word)).count();
        let occur = |word: &&str| occurs(&entry.title, word) || occurs(&entry.text, word);
        let rank = if coded == Some(entry.topic) || entry.names.contains(&name) {
            0
        } else if !wanted.iter().all(occur) {
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

/// The words of a text without the signs around them.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let bare = |word| str::trim_matches(word, |c: char| !c.is_alphanumeric());
    text.split_whitespace().map(bare).filter(|word| !word.is_empty())
}

fn phrase(text: &str) -> String {
    parts(text).collect::<Vec<_>>().join(" ")
}

/// Whether a word of `text` begins with `word`; a part of one behind a sign is a word too.
fn occurs(text: &str, word: &str) -> bool {
    let begins = |(at, _): (usize, &str)| {
        text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
    };
    text.match_indices(word).any(begins)
}
