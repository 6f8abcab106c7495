//! A session: modes, questions, settings of its terminal, and the way from a line to a command.

use rumline_cli::{Parsed, Pipe, Refusal, Reply, split_pipes};
use rumline_protocol::Timestamp;

use crate::grammar::{self, split_no};
use crate::reader::Place;
use crate::{Devices, Effect, Switch, users};

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 64 << 10;

/// What a line led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the session shows.
    pub reply: Reply,
    /// What the switch wants done.
    pub effects: Vec<Effect>,
}

impl Outcome {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { reply: Reply { text: text.into(), ..Reply::default() }, effects: Vec::new() }
    }

    /// An error line.
    pub(crate) fn error(text: &str) -> Self {
        Self::text(format!("{text}\n"))
    }
}

/// A question a session waits for the answer of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Reload { ascii: bool },
    WriteErase,
    FactoryReset,
    Delete(String),
    Overwrite { source: String, destination: String },
}

impl Question {
    fn text(&self) -> String {
        match self {
            Self::Reload { .. } => "This command will reboot the system. (y/n)?  [n] ".to_owned(),
            Self::WriteErase => "Warning: This command will erase the startup-configuration.\n\
                 Do you wish to proceed anyway? (y/n)  [n] "
                .to_owned(),
            Self::FactoryReset => "This command will remove all licensing information, the policy \
                 included. (y/n)?  [n] "
                .to_owned(),
            Self::Delete(name) => {
                format!("Do you want to delete \"/{name}\" ? (yes/no/abort)   [n] ")
            }
            Self::Overwrite { destination, .. } => format!(
                "Warning: There is already a file existing with this name ({destination}). Do you \
                 want to overwrite (y/n)?[n] "
            ),
        }
    }
}

/// A session of one person or program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Login name.
    pub login: String,
    /// Where it is in the configuration; nowhere in EXEC.
    pub(crate) place: Option<Place>,
    /// `terminal length`; 0 for no paging.
    pub length: usize,
    /// `terminal width`.
    pub width: usize,
    /// Whether it sees system messages.
    pub monitor: bool,
    pub(crate) dont_ask: bool,
    question: Option<Question>,
    /// Commands given so far.
    pub(crate) history: Vec<String>,
}

impl Session {
    /// A new session.
    #[must_use]
    pub fn new(login: &str) -> Self {
        Self {
            login: login.to_owned(),
            place: None,
            length: 24,
            width: 80,
            monitor: false,
            dont_ask: false,
            question: None,
            history: Vec::new(),
        }
    }

    /// A session that asks nothing and does not page, as programs want it.
    #[must_use]
    pub fn for_program(login: &str) -> Self {
        Self { length: 0, dont_ask: true, ..Self::new(login) }
    }

    /// Leaves all configuration modes.
    pub fn end(&mut self) {
        self.place = None;
    }

    /// Lines on a page.
    #[must_use]
    pub fn page_lines(&self) -> usize {
        self.length
    }
}

impl Switch {
    /// The prompt of a session.
    #[must_use]
    pub fn prompt(&self, session: &Session) -> String {
        match session.place.as_ref().map(Place::prompt) {
            None => format!("{}# ", self.hostname()),
            Some(Some(prompt)) => format!("{}({prompt})# ", self.hostname()),
            // Inside of a text.
            Some(None) => String::new(),
        }
    }

    /// Carries out a line.
    pub fn execute(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        if let Some(question) = session.question.take() {
            let yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
            return if yes { self.confirmed(now, question, devices) } else { Outcome::default() };
        }
        if line.len() > LINE_BYTES_MAX {
            return Outcome::error("% Line too long");
        }
        if session.place.is_some() && !users::is_administrator(&self.running, &session.login) {
            // The role was taken away meanwhile.
            session.place = None;
            return Outcome::error("% Permission denied for the role");
        }
        if session.place.as_ref().is_some_and(Place::in_text) {
            // What it says is nobody's command.
            return self.configure(now, session, line, devices).unwrap_or_default();
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('!') || trimmed.starts_with('#') {
            return Outcome::default();
        }
        let secret = holds_secret(trimmed);
        if !secret {
            session.history.push(trimmed.to_owned());
        }
        if session.history.len() > 500 {
            session.history.remove(0);
        }
        let is_show = grammar_word(line).is_some_and(|word| "show".starts_with(&word));
        // In configuration a bar is text.
        let is_text = session.place.is_some() && !is_show;
        let parts = if is_text { vec![(0, line)] } else { split_pipes(line) };
        let command = parts[0].1;
        // Nothing is carried out before all of the line is understood.
        let mut pipes = Vec::new();
        for (start, text) in &parts[1..] {
            match Pipe::parse(text) {
                Ok(pipe) if is_show => pipes.push(pipe),
                Ok(_) => return Outcome::text(self.marker(session, Refusal::Invalid, *start)),
                Err(error) => {
                    let at = start + error.at;
                    return Outcome::text(self.marker(session, Refusal::Invalid, at));
                }
            }
        }
        let mut outcome = match self.dispatch(now, session, command, devices) {
            Ok(outcome) => outcome,
            Err((refusal, at)) => Outcome::text(self.marker(session, refusal, at)),
        };
        // What holds a secret is not remembered.
        outcome.reply.forget = secret;
        for pipe in pipes {
            outcome.reply.no_more |= matches!(pipe, Pipe::NoMore);
            outcome.reply.text = pipe.apply(&outcome.reply.text);
        }
        outcome
    }

    /// The error text of NX-OS, its mark below the word that is wrong.
    fn marker(&self, session: &Session, refusal: Refusal, at: usize) -> String {
        let column = self.prompt(session).len() + at;
        let what = match refusal {
            Refusal::Invalid => "Invalid command",
            Refusal::Ambiguous => "Ambiguous command",
            Refusal::Incomplete => "Incomplete command",
        };
        format!("{}^\n% {what} at '^' marker.\n", " ".repeat(column.min(LINE_BYTES_MAX)))
    }

    fn dispatch(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Result<Outcome, (Refusal, usize)> {
        let config_refusal = if session.place.is_none() {
            None
        } else {
            match self.configure(now, session, line, devices) {
                Ok(outcome) => return Ok(outcome),
                Err(refusal) => Some(refusal),
            }
        };
        match grammar::exec().match_line(line, false) {
            Parsed::Command(command) => Ok(self.exec(now, session, &command, devices)),
            Parsed::Refused { refusal, at } => {
                // Whoever understood more of the line says what is wrong with it.
                match config_refusal {
                    Some((config_refusal, config_at))
                        if config_at > at || config_at == at && refusal == Refusal::Invalid =>
                    {
                        Err((config_refusal, config_at))
                    }
                    _ => Err((refusal, at)),
                }
            }
        }
    }

    /// What `?` shows.
    #[must_use]
    pub fn help(&self, session: &Session, line: &str) -> Vec<(String, String)> {
        let mut rows = grammar::exec().help(line, false);
        if let Some(place) = &session.place {
            let (line, negated) = split_no(line);
            rows.extend(grammar::config().help(line, negated));
            if place.prompt() == Some("config-callhome") {
                rows.extend(grammar::callhome().help(line, negated));
            }
            rows.sort();
            rows.dedup();
        }
        if rows.is_empty() {
            rows.push(("% Unrecognized command".to_owned(), String::new()));
        }
        rows
    }

    /// What the last word may become.
    #[must_use]
    pub fn complete(&self, session: &Session, line: &str) -> Vec<String> {
        let mut words = grammar::exec().complete(line);
        if let Some(place) = &session.place {
            let (line, _) = split_no(line);
            words.extend(grammar::config().complete(line));
            if place.prompt() == Some("config-callhome") {
                words.extend(grammar::callhome().complete(line));
            }
        }
        words.sort();
        words.dedup();
        words
    }

    /// Asks, unless the session does not want to be asked.
    pub(crate) fn ask(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        before: &str,
        question: Question,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        if session.dont_ask {
            return self.confirmed(now, question, devices);
        }
        let mut outcome = Outcome::text(before);
        outcome.reply.question = Some(question.text().replace('\n', "\r\n"));
        session.question = Some(question);
        outcome
    }
}

/// Whether a line may hold what nobody is to read again, however short its words.
fn holds_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "no").collect();
    let begins = |at: usize, word: &str| words.get(at).is_some_and(|typed| word.starts_with(typed));
    ["passw", "idt", "key", "secret"].iter().any(|word| line.contains(word))
        || begins(0, "username") && words.len() > 2
        || begins(0, "license") && begins(2, "trust") && words.len() > 3
}

fn grammar_word(command: &str) -> Option<String> {
    command.split_whitespace().next().map(str::to_ascii_lowercase)
}
