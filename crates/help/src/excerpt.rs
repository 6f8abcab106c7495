//! A line of a topic's text where the words are that somebody looked for.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::search::{Words, wanted};
use crate::shown::markdown;
use crate::{Document, Topic};

/// How long such a line is at most, in letters, and how much of it stands before the first word that was looked for.
const LETTERS_MAX: usize = 160;
const BEFORE_MAX: usize = 60;

/// The text of a topic where most of `words` stand together: the line itself, or a part of it around the first of them. Where
/// they stand in the title alone it is how the text begins; a topic without a text has none.
#[must_use]
pub fn excerpt(topic: &Topic, words: &str) -> Option<String> {
    let asked = words.to_lowercase();
    let wanted = wanted(&asked);
    let title = Words::of(&topic.title);
    // Of a term what it means.
    let is_term =
        topic.document == Document::Glossary && wanted.iter().all(|word| title.have(word));
    let mut best: Option<(usize, String)> = None;
    for line in lines(&markdown(topic)) {
        let own = Words::of(&line);
        let count = wanted.iter().filter(|word| own.have(word)).count();
        if is_term && best.is_some() {
            break;
        }
        if best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, line));
        }
    }
    best.map(|(_, line)| around(&line, &wanted))
}

/// The text of a document, block by block, without its marks; of code each line is one.
fn lines(text: &str) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) | Event::Code(text) => line.push_str(&text),
            Event::SoftBreak => line.push(' '),
            Event::End(TagEnd::TableCell) => line.push_str(" - "),
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Item
                | TagEnd::Heading(_)
                | TagEnd::CodeBlock
                | TagEnd::TableHead
                | TagEnd::TableRow,
            )
            | Event::Start(Tag::List(_))
            | Event::HardBreak => lines.push(std::mem::take(&mut line)),
            _ => {}
        }
    }
    let words = |line: &str| {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        line.trim_matches([' ', '-']).to_owned()
    };
    let each = lines.iter().flat_map(|line| line.lines()).map(words);
    each.filter(|line| !line.is_empty()).collect()
}

/// A part of a line that holds the first of some words, between whole words.
fn around(line: &str, wanted: &[&str]) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_wanted = |word: &&str| {
        let own = Words::of(word);
        wanted.iter().any(|word| own.have(word))
    };
    let length = |words: &[&str]| words.iter().map(|word| word.chars().count() + 1).sum::<usize>();
    if length(&words) <= LETTERS_MAX {
        return line.to_owned();
    }
    let first = words.iter().position(is_wanted).unwrap_or(0);
    let mut from = first;
    while from > 0 && length(&words[from - 1..first]) <= BEFORE_MAX {
        from -= 1;
    }
    let mut to = first + 1;
    while to < words.len() && length(&words[from..=to]) <= LETTERS_MAX {
        to += 1;
    }
    let before = if from > 0 { "… " } else { "" };
    let after = if to < words.len() { " …" } else { "" };
    format!("{before}{}{after}", words[from..to].join(" "))
}

#[cfg(test)]
mod tests {
    use super::{around, excerpt, lines};
    use crate::{search, topics};

    #[test]
    fn a_line_is_told_without_its_marks() {
        let text = "a **b** [c](d.md)\ne\n\n* `f` g\n\n| h | i |\n|---|---|\n| j | k |\n\n```\nl\nm n\n```\n";
        assert_eq!(lines(text), ["a b c e", "f g", "h - i", "j - k", "l", "m n"]);
    }

    #[test]
    fn of_a_long_line_a_part_around_the_word_is_told() {
        let line = format!("{} needle {}", "hay ".repeat(60).trim(), "straw ".repeat(60).trim());
        let part = around(&line, &["needle"]);
        assert!(part.starts_with("… hay") && part.ends_with("straw …"), "{part}");
        assert!(part.contains(" needle ") && part.chars().count() < 170, "{part}");
        assert_eq!(around("short needle", &["needle"]), "short needle");
        assert!(around(&line, &["none"]).starts_with("hay hay"));
        assert!(around(&"x".repeat(500), &["none"]).starts_with("xxx"));
    }

    #[test]
    fn what_a_search_finds_is_told_by_a_line_that_holds_the_word() {
        for words in ["trust code", "ack", "gap", "Air-Gapped"] {
            let found = search(words, 50);
            assert!(!found.is_empty(), "{words}");
            for topic in found {
                let line = excerpt(topic, words).unwrap_or_default();
                assert!(!line.is_empty() || topic.text.trim().is_empty(), "{words}: {}", topic.id);
            }
        }
        let topic = topics().iter().find(|topic| topic.id == "term-ack");
        let line = |words: &str| topic.and_then(|topic| excerpt(topic, words)).unwrap_or_default();
        // Of a term that is looked for what it means, and of another word the line that holds it.
        assert!(line("ack").starts_with("CSSM's signed answer"), "{}", line("ack"));
        assert!(line("StatusCode").contains("StatusCode"), "{}", line("StatusCode"));
    }
}
