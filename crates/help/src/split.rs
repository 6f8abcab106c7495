//! From a document to its topics.

use crate::{Document, Topic};

/// The topics of a document, its beginning first.
pub(crate) fn topics_of(document: Document) -> Vec<Topic> {
    let mut topics = Vec::new();
    for (heading, body) in sections(document.text()) {
        let title = heading.replace('`', "");
        let id = match topics.is_empty() {
            true => document.id().to_owned(),
            false => id(document, &title),
        };
        topics.push(Topic { document, id, title, text: body.trim_matches('\n') });
    }
    if document == Document::Glossary
        && let Some(beginning) = topics.first_mut()
    {
        let (before, rows) = beginning.text.split_at(beginning.text.find('|').unwrap_or_default());
        beginning.text = before.trim_end();
        topics.extend(rows.lines().skip(2).map(term));
    }
    topics
}

/// The names of the columns of the glossary.
pub(crate) fn columns() -> Vec<String> {
    let header = Document::Glossary.text().lines().find(|line| line.starts_with('|'));
    header.map(cells).unwrap_or_default()
}

/// The cells of a row of a table; `\|` stands for a bar.
pub(crate) fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').replace("\\|", "\0");
    let row = row.trim_end_matches('|');
    row.split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
}

fn term(row: &'static str) -> Topic {
    let title = cells(row).into_iter().next().unwrap_or_default();
    let id = id(Document::Glossary, title.split(',').next().unwrap_or_default());
    Topic { document: Document::Glossary, id, title, text: row }
}

fn id(document: Document, title: &str) -> String {
    match document {
        Document::Questions => format!("faq-{}", title.split('.').next().unwrap_or_default()),
        Document::Glossary => format!("term-{}", anchor(title)),
        _ if document.is_manual() => format!("{}-{}", document.id(), anchor(title)),
        _ => anchor(title),
    }
}

/// What a link to a heading ends with, as forges make it.
pub(crate) fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect()
}

/// The headings of a text, each with what stands below it up to the next.
fn sections(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut headings: Vec<(&str, usize, usize)> = Vec::new();
    let (mut at, mut is_code) = (0, false);
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let heading = ["# ", "## ", "### "].iter().find_map(|mark| line.strip_prefix(mark));
        if let Some(heading) = heading.filter(|_| !is_code) {
            headings.push((heading.trim(), at, at + line.len()));
        }
        at += line.len();
    }
    let ends = headings.iter().skip(1).map(|(_, start, _)| *start).chain([text.len()]);
    headings.iter().zip(ends).map(|((name, _, from), to)| (*name, &text[*from..to])).collect()
}

#[cfg(test)]
mod tests {
    use super::{anchor, cells, sections};

    #[test]
    fn a_heading_inside_of_code_is_none() {
        let text = "# A\nx\n```\n## B\n```\n### C\ny\n";
        assert_eq!(sections(text), [("A", "x\n```\n## B\n```\n"), ("C", "y\n")]);
    }

    #[test]
    fn a_bar_in_a_cell_is_no_end_of_it() {
        assert_eq!(cells("| a | `b\\|c` | - |"), ["a", "`b|c`", "-"]);
    }

    #[test]
    fn anchors_are_those_of_forges() {
        assert_eq!(anchor("6. Which topologies, by `name`?"), "6-which-topologies-by-name");
        assert_eq!(anchor("COMM_FAILED"), "comm_failed");
    }
}
