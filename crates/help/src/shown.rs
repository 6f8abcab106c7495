//! What people read of a document: without the numbers of requirements, which are for those who work on Rumline, and with
//! titles where the document has the names of files.

use crate::links::{Target, target};
use crate::{Document, Topic, split};

/// What numbers of requirements begin with; those of one letter have two digits.
const AREAS: [&str; 14] = [
    "PI-", "CSSM-", "CSLU-", "ONPREM-", "FILE-", "TOPO-", "FAQ-", "GLOSS-", "TSHOOT-", "REL-",
    "C-", "G-", "L-", "D-",
];
/// Documents that are not embedded, and what they are called.
const ELSEWHERE: [(&str, &str); 13] = [
    ("protocol.md", "Messages and files"),
    ("nxapi.md", "Names of data"),
    ("commands.md", "Commands"),
    ("products.md", "Products"),
    ("releases.md", "Releases"),
    ("install.md", "Installing another release"),
    ("migration.md", "From older licensing and back"),
    ("assumptions.md", "Assumptions"),
    ("simulation.md", "Simulation"),
    ("lab.md", "Labs of your own"),
    ("clients.md", "What clients need"),
    ("../README.md", "the first steps"),
    ("../ARCHITECTURE.md", "Architecture"),
];

/// A text of a document as people read it.
pub(crate) fn shown(document: Document, text: &str) -> String {
    without_numbers(&with_titles(document, text))
}

/// Links that are called as their file is are called as what they lead to.
fn with_titles(document: Document, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        rest = after;
        let Some((name, link)) = after.split_once("](") else { continue };
        if !name.ends_with(".md") || name.contains(['[', '\n']) {
            continue;
        }
        let link = link.split(')').next().unwrap_or_default();
        let title = match target(document, link) {
            Target::Topic(topic) => topic.title.clone(),
            _ => elsewhere(link),
        };
        out.push_str(&title);
        rest = &after[name.len()..];
    }
    out + rest
}

fn elsewhere(link: &str) -> String {
    let file = link.split('#').next().unwrap_or_default();
    let found = ELSEWHERE.iter().find(|(own, _)| *own == file);
    found.map_or_else(
        || "a document of the source".to_owned(),
        |(_, title)| format!("“{title}” in the source"),
    )
}

/// Takes the numbers of requirements out, with what stands around them for their sake alone.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut is_code) = (text, false);
    while let Some(first) = rest.chars().next() {
        // Code is as it is: fences, and what stands between ticks.
        if rest.starts_with("```") {
            let end = rest[3..].find("```").map_or(rest.len(), |end| end + 6);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        is_code ^= first == '`';
        let begins = out
            .chars()
            .next_back()
            .is_none_or(|before| !(before.is_alphanumeric() || "-_`".contains(before)));
        match (begins && !is_code).then(|| numbers(rest)).flatten() {
            Some(length) => rest = cut(&mut out, &rest[length..]),
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// What goes on behind numbers that are cut out; what stood before them for their sake goes too.
fn cut<'a>(out: &mut String, after: &'a str) -> &'a str {
    let before = out.trim_end().len();
    let next = after.trim_start();
    match out[..before].chars().next_back() {
        Some('(') if next.starts_with(')') => {
            out.truncate(before - 1);
            out.truncate(out.trim_end().len());
            &next[1..]
        }
        Some('(') if next.starts_with([';', ',']) => next[1..].trim_start(),
        Some(';' | ',') => {
            out.truncate(before - 1);
            after
        }
        _ => after,
    }
}

/// How long a row of numbers is that a text begins with: `PI-MSG-001, C-03`, `CSSM-010 to 012`.
fn numbers(text: &str) -> Option<usize> {
    let mut length = number(text)?;
    loop {
        let rest = &text[length..];
        let bare = rest.trim_start();
        let bare = bare.strip_prefix([',', ';']).unwrap_or(bare).trim_start();
        let word = ["to", "and"].iter().find_map(|word| bare.strip_prefix(word));
        let bare =
            word.filter(|rest| rest.starts_with(char::is_whitespace)).unwrap_or(bare).trim_start();
        let digits = bare.chars().take_while(char::is_ascii_digit).count();
        let is_short = digits == 3 && !bare[3..].starts_with(|c: char| c.is_alphanumeric());
        let Some(next) = number(bare).or(is_short.then_some(3)) else { return Some(length) };
        length = text.len() - bare.len() + next;
    }
}

/// How long the number of a requirement is that a text begins with.
fn number(text: &str) -> Option<usize> {
    let area = AREAS.iter().find(|area| text.starts_with(**area))?;
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    let length = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let name = text[..length].trim_end_matches('-');
    let own = &name[area.len().min(name.len())..];
    let is_short = area.len() == 2;
    let digits = own.chars().rev().take_while(char::is_ascii_digit).count();
    let is_one = if is_short { own.len() == 2 && digits == 2 } else { digits == 3 };
    // TOPO-1 is a topology.
    (is_one || *area == "TOPO-" && own.len() == 1 && digits == 1).then_some(name.len())
}

/// A topic as Markdown that stands by itself: of a term, what its row says.
pub(crate) fn markdown(topic: &Topic) -> String {
    if topic.document != Document::Glossary || topic.is_beginning() {
        return shown(topic.document, topic.text);
    }
    let cells = split::cells(topic.text);
    let mut text = cells.get(1).map_or_else(String::new, |meaning| format!("{meaning}\n\n"));
    for (name, cell) in split::columns().iter().zip(&cells).skip(2) {
        if cell != "-" {
            text.push_str(&format!("* {name}: {cell}\n"));
        }
    }
    shown(topic.document, &text)
}

#[cfg(test)]
mod tests {
    use super::{Document, shown};

    #[test]
    fn numbers_of_requirements_are_not_shown() {
        for (written, read) in [
            ("Yes. (p. 91; FAQ-001)", "Yes. (p. 91)"),
            (
                "it holds too (C-58). (p. 13-14, 91; FAQ-001,\nREL-001 to REL-010)",
                "it holds too. (p. 13-14, 91)",
            ),
            ("(topology 6; so the guide, C-03), wait", "(topology 6; so the guide), wait"),
            ("(C-03, [question](faq.md)).", "([question](faq.md))."),
            ("| sync | PI-CLI-020, C-21 |", "| sync |  |"),
            ("tokens (CSSM-010 to 012) here (CSSM-013, 015)", "tokens here"),
            ("(PI-CLI-025, PI-POL-010, PI-TRUST-013)", ""),
            ("| default `cslu`; PI-CLI-005, PI-CLI-006 |", "| default `cslu` |"),
            (
                "`C-03` N9K-C93180YC SN-001 C-3 C-034 EC-03",
                "`C-03` N9K-C93180YC SN-001 C-3 C-034 EC-03",
            ),
            ("```\nFAQ-001\n```\n(p. 1)", "```\nFAQ-001\n```\n(p. 1)"),
            ("Guide p. 75-83; PI-MSG-001 to PI-MSG-019.", "Guide p. 75-83."),
        ] {
            assert_eq!(shown(Document::Questions, written), read);
        }
    }

    #[test]
    fn names_of_files_are_titles() {
        let of = |text| shown(Document::Questions, text);
        assert_eq!(of("in [messages.md](messages.md)."), "in [System messages](messages.md).");
        assert_eq!(
            of("([protocol.md](protocol.md#5-x)) [a] b"),
            "([“Messages and files” in the source](protocol.md#5-x)) [a] b"
        );
        assert_eq!(of("[ACK](messages.md#x) [x.md"), "[ACK](messages.md#x) [x.md");
    }
}
