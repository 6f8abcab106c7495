//! Where the reading of lines is: the modes that are open, and a text of many lines that is not at its end.

use std::collections::BTreeMap;

use rumline_cli::Tree;

use super::modes::{self, GLOBAL, Hit, Kind, ModeRow};
use super::setting::Setting;
use super::text::Text;

/// A configuration mode that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(super) row: usize,
    /// The lines that opened it: one, or one for each of a range; none for global configuration.
    pub(super) lines: Vec<String>,
    pub(super) indent: usize,
    /// How far its lines are indented, once there was one.
    pub(super) child_indent: Option<usize>,
}

/// How far the reading of lines has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) modes: Vec<Mode>,
    pub(super) text: Option<Text>,
    /// The line that was kept last in the present mode, and how far it was indented.
    pub(super) last: Option<(String, usize)>,
}

impl Place {
    /// Global configuration.
    pub(crate) fn global() -> Self {
        let global = Mode { row: GLOBAL, lines: Vec::new(), indent: 0, child_indent: None };
        Self { modes: vec![global], text: None, last: None }
    }

    /// As in `switch(config-if)#`; nothing inside of a text.
    pub(crate) fn prompt(&self) -> Option<&'static str> {
        let mode = self.modes.last().filter(|_| self.text.is_none())?;
        Some(modes::all()[mode.row].prompt)
    }

    /// Whether a line is one of a mode that is open, as far as modes know.
    pub(crate) fn knows(&self, body: &str) -> bool {
        let words: Vec<&str> = body.split_whitespace().collect();
        self.find(&words, false, self.modes.len() - 1).is_some()
    }

    /// How much it holds.
    pub(crate) fn bytes(&self) -> usize {
        let modes = self.modes.iter().flat_map(|mode| &mode.lines).map(String::len).sum::<usize>();
        modes + self.text.as_ref().map_or(0, |text| text.line.len())
    }

    /// The lines that lead here.
    pub(crate) fn trail(&self) -> impl Iterator<Item = String> {
        self.modes.iter().skip(1).map(|mode| mode.lines.join(", "))
    }

    /// What may follow `line` here or in global configuration, with what it is for.
    pub(crate) fn help(
        &self,
        grammar: &Grammar,
        line: &str,
        negated: bool,
    ) -> Vec<(String, String)> {
        let mut rows = grammar.config().help(line, negated);
        if let Some(own) = grammar.of_mode(self.prompt()) {
            rows.extend(own.help(line, negated));
        }
        let last = self.modes.len() - 1;
        let own = modes::all()[self.modes[last].row].next_words(line, negated);
        let outer = modes::all()[GLOBAL].next_words(line, negated);
        let is_word = |word: &String| word.starts_with(|c: char| c.is_ascii_lowercase());
        let more: Vec<String> = own.into_iter().chain(outer).collect();
        // What is known says more than that anything may follow.
        let is_begun = !line.is_empty() && !line.ends_with(char::is_whitespace);
        let is_known = !rows.is_empty() || is_begun && more.iter().any(is_word);
        let more = more.into_iter().filter(|word| !is_known || is_word(word));
        rows.extend(more.map(|word| (word, String::new())));
        rows
    }

    /// What its last word may become.
    pub(crate) fn complete(&self, grammar: &Grammar, line: &str) -> Vec<String> {
        let rows = self.help(grammar, line, false);
        let is_word = |word: &String| word.starts_with(|c: char| c.is_ascii_lowercase());
        rows.into_iter().map(|(word, _)| word).filter(is_word).collect()
    }

    /// Whether a text of many lines is being read.
    pub(crate) fn in_text(&self) -> bool {
        self.text.is_some()
    }

    /// Leaves the present mode; false if it was global configuration.
    pub(crate) fn exit(&mut self) -> bool {
        self.last = None;
        self.modes.pop();
        !self.modes.is_empty()
    }

    pub(crate) fn end(&mut self) {
        self.last = None;
        self.modes.truncate(1);
    }

    /// The sections that the present mode stands for.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        self.modes.iter().skip(1).fold(vec![Vec::new()], |paths, mode| {
            let with = |path: &Vec<String>| {
                let path = path.clone();
                mode.lines.iter().map(move |line| [path.clone(), vec![line.clone()]].concat())
            };
            paths.iter().flat_map(with).collect()
        })
    }

    /// Into which of the open modes a line goes, and what it is there.
    pub(super) fn find(
        &self,
        words: &[&str],
        negated: bool,
        depth_max: usize,
    ) -> Option<(usize, Hit)> {
        let hit = |find: &dyn Fn(&'static ModeRow) -> Option<Hit>| {
            (0..=depth_max)
                .rev()
                .find_map(|depth| Some((depth, find(&modes::all()[self.modes[depth].row])?)))
        };
        // A word that is one says more than a word that may be the beginning of one; a row further in that knows more of the
        // words says more than one further out that takes anything.
        let exact = hit(&|row| numbered_hit(row, words, negated));
        let outer = exact.as_ref().map_or((0, 0), |(depth, hit)| (depth + 1, hit.known));
        let short = hit(&|row| numbered_short(row, words));
        let short = short.filter(|(depth, hit)| depth + 1 > outer.0 && hit.known > outer.1);
        short.or(exact)
    }

    /// The word of a line that could mean several things in a mode inside global configuration.
    pub(super) fn ambiguous_word(&self, words: &[&str]) -> Option<usize> {
        let rows = self.modes.iter().skip(1).rev().map(|mode| &modes::all()[mode.row]);
        rows.into_iter().find_map(|row| row.ambiguous_word(words))
    }

    /// The innermost mode that a line so far in may belong to. Where lines are indented, one that is no further in than what
    /// opened a mode is not of it.
    pub(super) fn depth_by(&self, indent: usize, has_indents: bool) -> usize {
        let leaves = |mode: &Mode| match mode.child_indent {
            Some(inner) => indent < inner,
            None => has_indents && indent <= mode.indent,
        };
        self.modes.iter().skip(1).take_while(|mode| !leaves(mode)).count()
    }
}

fn begins_with(words: &[&str], head: &str) -> bool {
    let head: Vec<&str> = head.split(' ').collect();
    words.starts_with(&head)
}

/// A hit of a line that may have a number before it, as entries of lists have.
pub(super) fn numbered_hit(row: &'static ModeRow, words: &[&str], negated: bool) -> Option<Hit> {
    let own = row.hit(words, negated);
    own.or_else(|| numbered(row, words, |rest| row.hit(rest, negated)))
}

/// The same with abbreviated keywords.
pub(super) fn numbered_short(row: &'static ModeRow, words: &[&str]) -> Option<Hit> {
    row.short_hit(words).or_else(|| numbered(row, words, |rest| row.short_hit(rest)))
}

pub(super) fn numbered(
    row: &'static ModeRow,
    words: &[&str],
    hit: impl Fn(&[&str]) -> Option<Hit>,
) -> Option<Hit> {
    let (number, rest) = words.split_first()?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit());
    // Nothing of global configuration has one.
    if rest.is_empty() || !is_number || std::ptr::eq(row, &modes::all()[GLOBAL]) {
        return None;
    }
    Some(hit(rest).filter(|hit| hit.kind == Kind::Each)?.numbered(number))
}

pub(super) fn note_indent(place: &mut Place, indent: usize) {
    if place.modes.len() > 1
        && let Some(mode) = place.modes.last_mut()
    {
        mode.child_indent.get_or_insert(indent);
    }
}

/// The settings by the prompt of their mode, and what is a command of EXEC and never kept.
#[derive(Debug)]
pub(crate) struct Grammar {
    pub modes: BTreeMap<&'static str, Tree<&'static Setting>>,
    /// What the settings of global configuration begin with.
    pub heads: Vec<String>,
    pub is_exec: fn(&str) -> bool,
}

impl Grammar {
    /// The prompt of global configuration.
    pub(crate) const GLOBAL: &str = "config";

    /// Whether words begin as a setting of global configuration does.
    pub(super) fn begins_setting(&self, words: &[&str]) -> bool {
        self.heads.iter().any(|head| begins_with(words, head))
    }

    /// Whether words begin as a setting of a mode does.
    pub(super) fn begins_setting_of(&self, prompt: Option<&str>, words: &[&str]) -> bool {
        let rows = self.of_mode(prompt).map(Tree::reference).unwrap_or_default();
        rows.iter().any(|row| begins_with(words, row.action.head))
    }

    /// The settings of global configuration.
    pub(super) fn config(&self) -> &Tree<&'static Setting> {
        &self.modes[Self::GLOBAL]
    }

    /// The settings of a mode, if it has some of its own.
    pub(super) fn of_mode(&self, prompt: Option<&str>) -> Option<&Tree<&'static Setting>> {
        self.modes.get(prompt?)
    }
}
