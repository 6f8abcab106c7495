//! Settings as rows: how a line is spelled in the configuration, what it may say, from when on it is there.

use rumline_catalogue::{Catalogue, Gate};
use rumline_cli::Matched;
use rumline_protocol::Random;

use crate::answer::CommandError;
use crate::config::{ConfigTree, interface_name, starts_with_words};

/// A line that was understood as a setting.
pub(crate) type Given = Matched<&'static Setting>;

/// What the words of a setting cannot tell. The software is that of the switch it is typed at; there is none for a file of any
/// release.
pub(crate) type Check =
    fn(&ConfigTree, &Given, Option<Software<'_>>) -> Result<Option<&'static str>, String>;

/// A line that means something to the switch.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The words it begins with; those of its topic name it by them.
    pub head: &'static str,
    /// How many words tell it from another of its kind; 0 for those of its head.
    pub key_words: usize,
    /// What holds where it is not given.
    pub default: Option<&'static str>,
    /// What a release or model must have.
    pub gate: Option<&'static str>,
    /// What the words cannot tell: what is wrong, or what there is to say about what is taken.
    pub check: Check,
    pub put: Put,
}

/// The lines there are, what is typed, and whether behind `no`; what the line is then, if there is one.
pub(crate) type Fold = fn(&[&str], &Given, bool) -> Result<Option<String>, CommandError>;

/// How a setting gets into the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Put {
    /// The line, its words written out.
    Line,
    /// The head, whatever it was called, and the values.
    Head,
    /// The line, the name of its interface written out.
    Interface,
    /// The line or its `no`: both are settings.
    Toggle,
    /// The line opens a mode, and with it its section.
    Mode,
    /// Otherwise spelled.
    As(fn(&Given) -> String),
    /// What is typed changes the one line there is: of the lines so far it makes the new one, or none.
    Folded(Fold),
    /// It is more than a line.
    Own(fn(&mut Settings<'_>, &mut ConfigTree, &Given, bool) -> Result<(), CommandError>),
}

impl Setting {
    /// A line without more to it.
    pub(crate) const fn line(head: &'static str) -> Self {
        Self { head, key_words: 0, default: None, gate: None, check: fine, put: Put::Line }
    }

    /// The same where the first so many words tell it from others.
    pub(crate) const fn keyed(head: &'static str, key_words: usize) -> Self {
        Self { key_words, ..Self::line(head) }
    }

    /// What it is set to: the value of its last line.
    pub(crate) fn value<'t>(&self, tree: &'t ConfigTree) -> Option<&'t str> {
        tree.value(self.head).filter(|value| !value.is_empty())
    }

    /// The words behind the head of each of its lines.
    pub(crate) fn values<'t>(
        &self,
        tree: &'t ConfigTree,
    ) -> impl Iterator<Item = Vec<&'t str>> + use<'t> {
        let head = self.head;
        tree.lines
            .iter()
            .filter(move |line| starts_with_words(&line.text, head))
            .map(|line| line.text[head.len()..].split_whitespace().collect())
    }

    /// The line that says what holds by default.
    pub(crate) fn default_line(&self) -> Option<String> {
        Some(format!("{} {}", self.head, self.default?))
    }

    fn key_words(&self, line: &str) -> usize {
        match self.put {
            // All of it, or another value of the same kind would replace it.
            Put::Toggle => line.split(' ').count(),
            _ if self.key_words > 0 => self.key_words,
            _ => self.head.split(' ').count(),
        }
    }

    /// The line as it stands in the configuration.
    fn spelled(&self, given: &Given) -> String {
        match self.put {
            Put::Head => {
                let values = given.arguments.iter().map(|argument| argument.value.as_str());
                std::iter::once(self.head).chain(values).collect::<Vec<_>>().join(" ")
            }
            Put::Interface => {
                let (head, typed) = given.canonical.rsplit_once(' ').unwrap_or((self.head, ""));
                // `no` needs no name.
                if given.arguments.is_empty() {
                    given.canonical.clone()
                } else {
                    format!("{head} {}", interface_name(typed))
                }
            }
            Put::As(spell) => spell(given),
            Put::Line | Put::Toggle | Put::Mode | Put::Folded(_) | Put::Own(_) => {
                given.canonical.clone()
            }
        }
    }
}

fn fine(
    _: &ConfigTree,
    _: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    Ok(None)
}

/// The software and model whose gates hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Software<'a> {
    pub release: &'a str,
    pub pid: &'a str,
}

impl<'a> Software<'a> {
    /// How its settings are read as they are typed.
    pub(crate) fn settings(self, random: &'a mut dyn Random) -> Settings<'a> {
        Settings { software: Some(self), random: Some(random) }
    }

    /// Whether it has what a gate is named for.
    pub(crate) fn has(self, gate: &str) -> bool {
        let catalogue = Catalogue::nexus();
        let is_open = |gate: &Gate| catalogue.is_open(gate, self.release, self.pid);
        catalogue.gate(gate).is_some_and(is_open)
    }
}

/// How settings are read.
pub(crate) struct Settings<'a> {
    /// Whose gates hold; none for what was written by any of them.
    pub software: Option<Software<'a>>,
    /// What salts are made of; without it a password stays as it was written.
    pub random: Option<&'a mut dyn Random>,
}

impl<'a> Settings<'a> {
    /// As they stand in a file of any release.
    pub(crate) fn of_any_release() -> Self {
        Self { software: None, random: None }
    }

    /// The same, and passwords are hashed.
    pub(crate) fn of_a_file(random: &'a mut dyn Random) -> Self {
        Self { software: None, random: Some(random) }
    }

    /// Carries a setting into the sections of the tree that are meant; says what there is to say about it.
    pub(crate) fn apply(
        &mut self,
        tree: &mut ConfigTree,
        paths: &[Vec<String>],
        given: &Given,
        negated: bool,
    ) -> Result<String, CommandError> {
        let setting = given.action;
        let mut told = None;
        let line = setting.spelled(given);
        if !negated {
            self.pass(setting)?;
            self.pass_line(paths, &line)?;
            told = (setting.check)(tree, given, self.software).map_err(CommandError::Failed)?;
        }
        for path in paths {
            match setting.put {
                Put::Own(put) => put(self, tree, given, negated)?,
                // A file has what it has.
                Put::Folded(_) if self.software.is_none() => tree.add_entry(path, &line),
                Put::Folded(fold) => {
                    let is_one = |line: &str| starts_with_words(line, setting.head);
                    let lines = tree.section(path).into_iter().flat_map(|lines| lines.iter());
                    let so_far: Vec<&str> =
                        lines.map(|line| line.text.as_str()).filter(|line| is_one(line)).collect();
                    let folded = fold(&so_far, given, negated)?;
                    // One that stays keeps its place.
                    let stays = folded.as_deref().is_some_and(|line| so_far.contains(&line));
                    tree.take_where(path, |line| {
                        is_one(line) && !(stays && folded.as_deref() == Some(line))
                    });
                    if let Some(line) = folded.filter(|_| !stays) {
                        tree.set(path, &line, setting.key_words(&line));
                    }
                }
                Put::Toggle => tree.toggle(path, &line, negated),
                Put::Mode if negated => {
                    tree.remove(path, &line, usize::MAX);
                }
                Put::Mode => {}
                _ if negated => {
                    tree.remove(path, &line, setting.key_words(&line));
                }
                _ => tree.set(path, &line, setting.key_words(&line)),
            }
        }
        Ok(told.map_or_else(String::new, |told| format!("{told}\n")))
    }

    /// Whether release and model have a setting.
    fn pass(&self, setting: &Setting) -> Result<(), CommandError> {
        match (setting.gate, self.software) {
            (Some(name), Some(software)) => software.asks(name).map_err(CommandError::Failed),
            _ => Ok(()),
        }
    }
}

impl Settings<'_> {
    /// Whether release and model have a line, by the lines that the gates name.
    fn pass_line(&self, paths: &[Vec<String>], line: &str) -> Result<(), CommandError> {
        let Some(software) = self.software else { return Ok(()) };
        let mut gates = paths.iter().filter_map(|path| software.shuts(path, line));
        gates.try_for_each(|gate| software.asks(&gate.name)).map_err(CommandError::Failed)
    }
}

impl Software<'_> {
    /// The gate that a line needs, below the lines that lead to it, and that is shut.
    pub(crate) fn shuts(self, path: &[String], line: &str) -> Option<&'static Gate> {
        let catalogue = Catalogue::nexus();
        let is_it = |gate: &&Gate| {
            gate.has_line(path, line) && !catalogue.is_open(gate, self.release, self.pid)
        };
        catalogue.gates().iter().find(is_it)
    }

    /// Whether it has what a gate is named for; if not, from when on it would.
    pub(crate) fn asks(self, name: &str) -> Result<(), String> {
        let software = self;
        if software.has(name) {
            return Ok(());
        }
        let gate = Catalogue::nexus().gate(name);
        let exception = gate.and_then(|gate| gate.except.iter().find(|e| e.pid == software.pid));
        let since = match exception {
            Some(exception) => exception.since.as_deref(),
            None => gate.and_then(|gate| gate.since.as_deref()),
        };
        let catalogue = Catalogue::nexus();
        let own = catalogue.release_index(software.release);
        let until = gate.and_then(|gate| gate.until.as_deref());
        if let Some(until) = until.filter(|until| own >= catalogue.release_index(until)) {
            return Err(format!("% This command is not there from Cisco NX-OS Release {until} on"));
        }
        Err(match since {
            Some(since) => format!("% This command needs Cisco NX-OS Release {since} or later"),
            None => format!("% This command is not supported on {}", software.pid),
        })
    }
}
