//! A topic as text for a terminal.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::links::{Target, target};
use crate::shown::markdown;
use crate::table::table;
use crate::wrap::{fold, width, wrap};
use crate::{Document, Topic, split};

/// Narrower terminals get lines of this width, wider ones of that.
const WIDTH_MIN: usize = 20;
const WIDTH_MAX: usize = 200;
/// How far code is set in.
const CODE: usize = 4;

/// A topic with its title in lines of at most `width` characters (20 to 200): paragraphs wrapped, code set in, tables aligned.
#[must_use]
pub fn terminal(topic: &Topic, width: usize) -> String {
    let text = markdown(topic);
    let max = width.clamp(WIDTH_MIN, WIDTH_MAX);
    let mut paper = Paper::new(topic.document, max);
    paper.block(wrap(&topic.title, max));
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        paper.take(event);
    }
    paper.flush();
    let mut out = paper.lines.join("\n");
    out.push('\n');
    out
}

/// A list that is being written.
struct List {
    /// The number of the next item, if they have numbers.
    next: Option<u64>,
    /// How far its items are set in.
    indent: usize,
    /// What stands before the first line of an item that has none yet.
    mark: Option<String>,
    /// Items so far, and blocks of the present one.
    items: usize,
    blocks: usize,
    /// Whether an item has had more than one block: then the next one keeps its distance.
    is_loose: bool,
}

struct Paper {
    document: Document,
    max: usize,
    lines: Vec<String>,
    /// The paragraph or cell that is being read.
    inline: String,
    lists: Vec<List>,
    code: Option<String>,
    rows: Vec<Vec<String>>,
    /// The link that is being read: where it leads, and where its text begins.
    links: Vec<(String, usize)>,
}

impl Paper {
    fn new(document: Document, max: usize) -> Self {
        let (lines, lists, rows, links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { document, max, lines, inline: String::new(), lists, code: None, rows, links }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                self.code.as_mut().unwrap_or(&mut self.inline).push_str(&text);
            }
            Event::Code(text) => self.inline.push_str(&format!("`{text}`")),
            Event::SoftBreak => self.inline.push(' '),
            Event::HardBreak => self.inline.push('\n'),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::List(next) => {
                self.flush();
                let indent = self.indent();
                let (mark, items, blocks, is_loose) = (None, 0, 0, false);
                self.lists.push(List { next, indent, mark, items, blocks, is_loose });
            }
            Tag::Item => self.item(),
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = Some(String::new());
            }
            Tag::Table(_) => self.flush(),
            Tag::TableHead | Tag::TableRow => self.rows.push(Vec::new()),
            Tag::Link { dest_url, .. } => {
                self.links.push((dest_url.into_string(), self.inline.len()));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_) | TagEnd::HtmlBlock => {
                self.flush();
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                let inner = self.inner().saturating_sub(CODE).max(1);
                let folded = code.lines().flat_map(|line| fold(line, inner));
                let set_in = |line: String| format!("{}{line}", " ".repeat(CODE));
                self.block(folded.map(set_in).collect());
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(row) = self.rows.last_mut() {
                    row.push(cell);
                }
            }
            TagEnd::Table => {
                let rows = std::mem::take(&mut self.rows);
                self.block(table(&rows, self.inner()));
            }
            TagEnd::Link => self.end_link(),
            _ => {}
        }
    }

    fn item(&mut self) {
        self.flush();
        if let Some(list) = self.lists.last_mut() {
            let mark = list.next.map_or_else(|| "* ".to_owned(), |number| format!("{number}. "));
            list.next = list.next.map(|number| number + 1);
            list.is_loose |= list.blocks > 1;
            list.items += 1;
            list.blocks = 0;
            list.mark = Some(mark);
        }
    }

    /// A link's text is followed by where it leads, unless it says so itself.
    fn end_link(&mut self) {
        let Some((link, from)) = self.links.pop() else { return };
        let text = self.inline.get(from..).unwrap_or_default();
        let leads = match target(self.document, &link) {
            Target::Topic(topic) if split::anchor(text) != topic.id => {
                format!(" (help {})", topic.id)
            }
            Target::Web(url) if text != url => format!(" <{url}>"),
            _ => return,
        };
        self.inline.push_str(&leads);
    }

    fn flush(&mut self) {
        let text = std::mem::take(&mut self.inline);
        if !text.trim().is_empty() {
            self.block(wrap(text.trim(), self.inner()));
        }
    }

    /// How far a block is set in: behind the mark of the innermost item.
    fn indent(&self) -> usize {
        let mark = |list: &List| match list.next {
            None => 2,
            Some(..=10) => 3,
            Some(_) => 4,
        };
        self.lists.last().map_or(0, |list| list.indent + mark(list))
    }

    fn inner(&self) -> usize {
        self.max.saturating_sub(self.indent()).max(1)
    }

    /// Writes a block, a line apart from the one before, unless it begins an item of a dense list.
    fn block(&mut self, lines: Vec<String>) {
        let indent = self.indent();
        let mut first = " ".repeat(indent);
        let mut is_apart = !self.lines.is_empty();
        if let Some(list) = self.lists.last_mut() {
            list.blocks += 1;
            if let Some(mark) = list.mark.take() {
                is_apart &= list.items == 1 || list.is_loose;
                let before = indent.saturating_sub(width(&mark));
                first = format!("{}{mark}", " ".repeat(before));
            }
        }
        if is_apart {
            self.lines.push(String::new());
        }
        for (number, line) in lines.into_iter().enumerate() {
            let before = if number == 0 { first.clone() } else { " ".repeat(indent) };
            self.lines.push(format!("{before}{line}").trim_end().to_owned());
        }
    }
}
