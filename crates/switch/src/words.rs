//! The words of all topics as trees: what a line is. Help, Tab, roles, the reference document and `explain` read the same
//! rows. A word that names no row, or a row that no word names, is an error when the trees are built: no switch starts with
//! one.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rumline_catalogue::Catalogue;
use rumline_cli::{Described, Parsed, Refusal, Tree};

use crate::command::{Command, Who};
use crate::config::{ConfigTree, Grammar, Put, Reader, Setting, Settings, Source, split_no};
use crate::topics;

/// The words of all topics.
#[derive(Debug)]
pub(crate) struct Words {
    /// The commands of EXEC; they may be given in configuration modes too.
    pub exec: Tree<&'static Command>,
    pub grammar: Grammar,
}

/// The words, read once.
pub(crate) fn words() -> &'static Words {
    static WORDS: OnceLock<Words> = OnceLock::new();
    WORDS.get_or_init(|| {
        let grammar = Grammar { modes: BTreeMap::new(), heads: Vec::new(), is_exec };
        let mut trees = Words { exec: Tree::default(), grammar };
        for topic in topics::ALL {
            for (mode, words) in parts_of(topic.words) {
                let command = |name: &str| topic.commands.iter().find(|row| row.name == name);
                let setting = |name: &str| topic.settings.iter().find(|row| row.head == name);
                let read = if mode == "exec" {
                    trees.exec.add_text(words, &command)
                } else {
                    trees.grammar.modes.entry(mode).or_default().add_text(words, &setting)
                };
                read.unwrap_or_else(|error| panic!("words of [{mode}]: {error}"));
            }
        }
        let feature = topics::feature::FEATURE;
        let config = trees.grammar.modes.entry(Grammar::GLOBAL).or_default();
        for known in Catalogue::nexus().features() {
            let mut words = vec![feature.head];
            words.extend(known.name.split(' '));
            config.add(&words, known.package.as_deref().unwrap_or("No licence"), feature);
        }
        trees.grammar.heads = heads_of(&trees.grammar.modes[Grammar::GLOBAL]);
        trees.check();
        trees
    })
}

impl Words {
    /// What `explain` tells of a line: its words, who may give it, what it is in the configuration. It is looked for in the
    /// mode that the session is in, then in EXEC, then in all others.
    pub(crate) fn explain(&self, here: Option<&str>, line: &str) -> Result<String, Refusal> {
        let (body, negated) = split_no(line);
        let own = here.and_then(|here| self.grammar.modes.get_key_value(here));
        if let Some(text) = own.and_then(|(prompt, tree)| explained(prompt, tree, body, negated)) {
            return Ok(text);
        }
        let mut refused = (0, Refusal::Invalid);
        match self.exec.match_line(line, false) {
            Parsed::Command(found) => {
                let roles = found.action.who.roles();
                let words = shown_words(self.exec.explain(line));
                return Ok(format!("{}\n\n{words}\nMode: EXEC\nRoles: {roles}\n", found.canonical));
            }
            Parsed::Refused { refusal, at } => refused = furthest(refused, at, refusal),
        }
        for (prompt, tree) in &self.grammar.modes {
            if let Some(text) = explained(prompt, tree, body, negated) {
                return Ok(text);
            }
            if let Parsed::Refused { refusal, at } = tree.match_line(body, negated) {
                refused = furthest(refused, at, refusal);
            }
        }
        Err(refused.1)
    }

    /// The head and the line of each setting of global configuration that something holds for by default.
    pub(crate) fn default_lines(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let rows = topics::ALL.iter().flat_map(|topic| topic.settings);
        rows.filter_map(|row| Some((row.head, row.default_line()?.trim_end().to_owned())))
    }

    fn check(&self) {
        let commands = self.exec.reference();
        for row in topics::ALL.iter().flat_map(|topic| topic.commands) {
            assert!(
                commands.iter().any(|said| said.action.name == row.name),
                "no words: {}",
                row.name
            );
        }
        for row in topics::ALL.iter().flat_map(|topic| topic.settings) {
            let said = |tree: &Tree<&'static Setting>| {
                tree.reference().iter().any(|said| said.action.head == row.head)
            };
            assert!(self.grammar.modes.values().any(said), "no words: {}", row.head);
        }
    }
}

/// The keywords that settings begin with, before their values. What only leads to a mode may go on otherwise.
fn heads_of(tree: &Tree<&'static Setting>) -> Vec<String> {
    let is_keyword = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let rows = tree.reference().into_iter();
    let mut heads: Vec<String> = rows
        .filter(|row| !matches!(row.action.put, Put::Mode))
        .map(|row| row.path.split(' ').take_while(is_keyword).collect::<Vec<_>>().join(" "))
        .filter(|head| head.contains(' '))
        .collect();
    heads.sort();
    heads.dedup();
    heads
}

/// What is wrong with a line, by whoever understood it the furthest.
fn furthest(known: (usize, Refusal), at: usize, refusal: Refusal) -> (usize, Refusal) {
    if at > known.0 { (at, refusal) } else { known }
}

fn shown_words(rows: Vec<(String, String)>) -> String {
    rows.into_iter().map(|(word, help)| format!("  {word:<24}{help}\n")).collect()
}

/// A line as a setting of a mode.
fn explained(
    prompt: &str,
    tree: &Tree<&'static Setting>,
    body: &str,
    negated: bool,
) -> Option<String> {
    let Parsed::Command(found) = tree.match_line(body, negated) else { return None };
    let words = shown_words(tree.explain(body));
    let no = if negated { "no " } else { "" };
    let roles = Who::Administrator.roles();
    let mut text = format!("{no}{}\n\n{words}\nMode: {prompt}\nRoles: {roles}\n", found.canonical);
    if let Some(default) = found.action.default {
        text.push_str(&format!("Default: {default}\n"));
    }
    if let Some(gate) = found.action.gate.and_then(|gate| Catalogue::nexus().gate(gate)) {
        text.push_str(&format!("Releases: {gate}\n"));
    }
    Some(text)
}

/// The parts of a topic's words: each with the mode it is of.
fn parts_of(words: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    words.split("\n[").filter_map(|part| {
        let (mode, words) = part.trim_start_matches('[').split_once("]\n")?;
        Some((mode, words))
    })
}

/// Whether a line is one of EXEC, or the beginning of one.
fn is_exec(line: &str) -> bool {
    match words().exec.match_line(line, false) {
        Parsed::Command(_) => true,
        Parsed::Refused { at, .. } => at > 0,
    }
}

/// The reference of all commands and settings, as docs/commands.md holds it.
#[must_use]
pub fn command_reference() -> String {
    let mut text = String::from(
        "# Commands\n\nMade from the rows that the switch itself reads: `rumline commands` prints it. Every configuration \
         line of NX-OS is taken and kept; the settings below are those that mean something to the switch. Each may follow \
         `no` unless said otherwise. The role is that of whoever gives the command.\n\n## EXEC\n\n\
         | Command | Meaning | Roles |\n|---|---|---|\n",
    );
    for Described { path, help, action, .. } in words().exec.reference() {
        text.push_str(&format!("| `{}` | {help} | {} |\n", cell(&path), action.who.roles()));
    }
    for (prompt, tree) in &words().grammar.modes {
        text.push_str(&format!(
            "\n## `({prompt})#`\n\n| Line | Meaning | Default | Since |\n|---|---|---|---|\n"
        ));
        for Described { path, help, action, only_no } in tree.reference() {
            let path = if only_no { format!("no {path}") } else { path };
            let gate = action.gate.and_then(|gate| Catalogue::nexus().gate(gate));
            let gate = gate.map_or_else(String::new, ToString::to_string);
            let default = action.default.filter(|_| !only_no).unwrap_or_default();
            text.push_str(&format!("| `{}` | {help} | {default} | {gate} |\n", cell(&path)));
        }
    }
    text
}

/// A bar in a table's cell is no end of it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

impl ConfigTree {
    /// Reads a configuration as a switch prints it or a person wrote it. Comments are left out (PI-CLI-036).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut tree = Self::default();
        let settings = Settings::of_any_release();
        Reader::new(&mut tree, settings, Source::File, &words().grammar).text(text);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_that_a_setting_asks_for_is_in_the_built_in_tables() {
        // Other tables may lack some: what they do not have is shut to their products.
        let catalogue = Catalogue::built_in();
        for gate in topics::ALL.iter().flat_map(|topic| topic.settings).filter_map(|row| row.gate) {
            assert!(catalogue.gate(gate).is_some(), "no gate: {gate}");
        }
    }
}
