//! The way from a line to what is done.

use rumline_agent::Input;
use rumline_cli::{
    Parsed, Pipe, Pipeline, Redirect, Refusal, Rendering, Reply, command_of, pipe_help,
    split_commands,
};
use rumline_protocol::Timestamp;

use crate::answer::{Answer, CommandError, Outcome};
use crate::command::{Call, Who};
use crate::config::{Place, Reader, Source, split_no};
use crate::session::{Question, Seen, Session};
use crate::topics::files::FlashPath;
use crate::topics::logging::By;
use crate::topics::{files, users};
use crate::{Copied, Devices, Effect, RemoteCopy, Switch};

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 64 << 10;
/// The largest file that output is written to.
const REDIRECTED_BYTES_MAX: usize = 32 << 20;
/// Commands of a session that are remembered.
const HISTORY_MAX: usize = 500;
/// Words that configuration mode leaves to the commands of EXEC.
const OF_EXEC: &[&str] = &[
    "exit",
    "end",
    "copy",
    "where",
    "pwd",
    "configure",
    "commit",
    "verify",
    "abort",
    "ping",
    "ping6",
    "traceroute",
    "traceroute6",
];

/// What a supervisor says that waits, and is asked to change something.
const ON_STANDBY: &str = "% Command not permitted on standby supervisor";

impl Switch {
    /// The prompt of a session.
    #[must_use]
    pub fn prompt(&self, session: &Session) -> String {
        match session.place.as_ref().map(Place::prompt) {
            None if self.redundancy.is_copy => format!("{}(standby)# ", self.hostname()),
            None => format!("{}# ", self.hostname()),
            Some(Some(prompt)) if session.draft.is_some() => {
                let inner = prompt.trim_start_matches("config");
                format!("{}(config-s{inner})# ", self.hostname())
            }
            Some(Some(prompt)) => format!("{}({prompt})# ", self.hostname()),
            // Inside of a text.
            Some(None) => String::new(),
        }
    }

    /// A session begins.
    pub fn session_began(&mut self, now: Timestamp, session: &mut Session) {
        session.since = Some(now);
        let (login, from) = (session.login.clone(), session.from.clone());
        let seen = Seen { login, from, since: now, active_at: now };
        self.seen.insert(session.line.clone(), seen);
    }

    /// What a session was asked is not answered.
    pub fn question_left(&mut self, now: Timestamp, session: &mut Session) {
        if let Some(question) = session.question.take() {
            self.left(now, session, &question);
        }
    }

    /// A copy that nobody goes on with has come to its end.
    fn left(&mut self, now: Timestamp, session: &Session, question: &Question) {
        if matches!(question, Question::Unknown { .. } | Question::Password { .. }) {
            self.account(now, &By::of(session), &question.command(), false);
        }
    }

    /// A session is over.
    pub fn session_ended(&mut self, now: Timestamp, session: &mut Session) -> Vec<Effect> {
        self.question_left(now, session);
        self.seen.remove(&session.line);
        self.end_configuration(now, session)
    }

    /// Carries out a line.
    pub fn execute(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        if let Some(seen) = self.seen.get_mut(&session.line) {
            seen.active_at = now;
        }
        let parts = split_commands(line);
        // In configuration a semicolon is text, as it is in the answer to a question.
        if parts.len() < 2 || session.place.is_some() || session.question.is_some() {
            return self.execute_one(now, session, line, 0, devices);
        }
        let mut whole = Outcome::default();
        // The marks of errors stand below the line as it was typed.
        let mut letters_before = 0;
        for part in parts {
            let outcome = self.execute_one(now, session, part, letters_before, devices);
            letters_before += part.chars().count() + 1;
            whole.effects.extend(outcome.effects);
            whole.error = whole.error.or(outcome.error);
            let text = std::mem::take(&mut whole.reply.text) + &outcome.reply.text;
            let forget = whole.reply.forget || outcome.reply.forget;
            whole.reply = Reply { text, forget, ..outcome.reply };
            // What is asked, or goes on, or ends, ends the line too.
            let reply = &whole.reply;
            if reply.question.is_some() || reply.pending || reply.close {
                break;
            }
        }
        whole
    }

    /// Carries out one line; what it shows is rendered so unless it says otherwise itself.
    pub(crate) fn execute_as(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        rendering: Rendering,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let is_piped = command_of(line).len() < line.len();
        if rendering == Rendering::Text || is_piped {
            return self.execute_one(now, session, line, 0, devices);
        }
        let outcome = self.dispatch(now, session, line, rendering, devices);
        let mut outcome = outcome.unwrap_or_else(Outcome::failed);
        if let Some(error) = &outcome.error {
            outcome.reply.text = shown_error(error, line, 0);
        }
        outcome
    }

    fn execute_one(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        letters_before: usize,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let prompt_letters = self.prompt(session).chars().count();
        let full = self.without_alias(line).map(|(full, ..)| full);
        let secret =
            users::holds_secret(line) || full.is_some_and(|full| users::holds_secret(&full));
        let mut outcome = match self.carry_out(now, session, line, devices) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failed(error),
        };
        // What holds a secret is not remembered, whether or not it was carried out.
        outcome.reply.forget = secret;
        if let Some(error) = &outcome.error {
            outcome.reply.text = shown_error(error, line, prompt_letters + letters_before);
        }
        outcome
    }

    fn carry_out(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Answer {
        if let Some(question) = session.question.take() {
            let yes = matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes");
            if !yes && !question.is_secret() {
                self.left(now, session, &question);
                return Ok(Outcome::default());
            }
            if !self.is_administrator(&session.login) {
                // The role was taken away meanwhile.
                return Err(CommandError::Denied);
            }
            let (by, command) = (By::of(session), question.command());
            let answer = match question {
                Question::Unknown { copy, host, key, .. } => {
                    files::remember_host(&host, &key, devices)?;
                    self.account(now, &by, &format!("ssh host {host} accepted"), true);
                    return Ok(asked(session, Question::Password { copy, key }));
                }
                Question::Password { copy, key } => Ok(files::opened(copy, key, line)),
                question => self.confirmed(now, question, devices),
            };
            return self.accounted(now, by, &command, answer);
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(CommandError::failed("% Line too long"));
        }
        if session.place.is_some() && !self.is_administrator(&session.login) {
            // The role was taken away meanwhile.
            session.end();
            return Err(CommandError::Denied);
        }
        if session.draft.as_ref().is_some_and(|name| !self.drafts.contains_key(name)) {
            session.end();
            let told = "% The configuration session was committed or aborted meanwhile";
            return Err(CommandError::failed(told));
        }
        if session.place.as_ref().is_some_and(Place::in_text) {
            // What it says is nobody's command.
            return self.configure(now, session, line, devices);
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('!') || trimmed.starts_with('#') {
            return Ok(Outcome::default());
        }
        let alias = self.without_alias(line);
        let full = alias.as_ref().map_or(trimmed, |(full, ..)| full.as_str());
        let secret = users::holds_secret(trimmed) || users::holds_secret(full);
        if !secret {
            if session.history.len() == HISTORY_MAX {
                session.history.remove(0);
            }
            session.history.push(trimmed.to_owned());
        }
        let Some((full, name_bytes, full_bytes)) = alias else {
            return self.one_line(now, session, line, devices);
        };
        self.one_line(now, session, &full, devices).map_err(|error| match error {
            // Below what was typed, not below what that stands for.
            CommandError::Syntax { refusal, at } => {
                let inside = at < full_bytes;
                let at = if inside { 0 } else { at - full_bytes + name_bytes };
                CommandError::Syntax { refusal, at }
            }
            other => other,
        })
    }

    fn one_line(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Answer {
        // In configuration a bar is text.
        if !is_show(line) {
            let is_text = session.place.is_some();
            let command = if is_text { line } else { command_of(line) };
            if command.len() < line.len() {
                let told = Pipeline::parse(line).err().and_then(|error| error.told);
                return Err(match told {
                    Some(told) => CommandError::Failed(told),
                    None => {
                        CommandError::Syntax { refusal: Refusal::Invalid, at: command.len() + 1 }
                    }
                });
            }
            return self.dispatch(now, session, command, Rendering::Text, devices);
        }
        // Nothing is carried out before all of the line is understood.
        let pipeline = Pipeline::parse(line).map_err(|error| match error.told {
            Some(told) => CommandError::Failed(told),
            None => CommandError::Syntax { refusal: Refusal::Invalid, at: error.at },
        })?;
        let file = pipeline.redirect.as_ref().map(|to| self.redirected(session, to)).transpose()?;
        let command = command_of(line);
        let mut outcome = self.dispatch(now, session, command, pipeline.rendering, devices)?;
        let whole = outcome.reply.text.clone();
        let mut compares = false;
        for pipe in &pipeline.pipes {
            outcome.reply.no_more |= matches!(pipe, Pipe::NoMore);
            compares |= matches!(pipe, Pipe::Diff);
            let before = session.answers.get(command.trim()).map(String::as_str);
            outcome.reply.text = pipe.apply(&outcome.reply.text, before);
        }
        if compares {
            session.remember(command.trim(), whole);
        }
        if let Some((name, appends)) = file {
            let mut bytes = if appends {
                devices.flash.read(&name).map_err(CommandError::disk)?.unwrap_or_default()
            } else {
                Vec::new()
            };
            bytes.extend(std::mem::take(&mut outcome.reply.text).into_bytes());
            if bytes.len() > REDIRECTED_BYTES_MAX {
                return Err(CommandError::failed("% The file would be too large"));
            }
            devices.flash.write(&name, &bytes).map_err(CommandError::disk)?;
        }
        Ok(outcome)
    }

    /// The file that output goes to, and whether it is added to it.
    fn redirected(
        &self,
        session: &Session,
        redirect: &Redirect,
    ) -> Result<(String, bool), CommandError> {
        if !self.is_administrator(&session.login) {
            return Err(CommandError::Denied);
        }
        if self.redundancy.is_copy {
            return Err(CommandError::failed(ON_STANDBY));
        }
        match FlashPath::parse(&redirect.file) {
            Some(FlashPath::Bootflash(name)) if !name.is_empty() => Ok((name, redirect.appends)),
            _ => Err(CommandError::failed("% Invalid file name, use bootflash:NAME")),
        }
    }

    fn dispatch(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        rendering: Rendering,
        devices: &mut Devices<'_>,
    ) -> Answer {
        let refused = match &session.place {
            None => None,
            Some(_) => match self.configure(now, session, line, devices) {
                Err(CommandError::Syntax { refusal, at }) => Some((refusal, at)),
                answer => {
                    self.account(now, &By::of(session), line.trim(), answer.is_ok());
                    return answer;
                }
            },
        };
        match self.words.exec.match_line(line, false) {
            Parsed::Command(found) => {
                let who = found.action.who;
                let speaks = found.action.name.starts_with("ping")
                    || found.action.name.starts_with("traceroute");
                if self.redundancy.is_copy && (who == Who::Administrator || speaks) {
                    return Err(CommandError::failed(ON_STANDBY));
                }
                if who == Who::Administrator && !self.is_administrator(&session.login) {
                    return Err(CommandError::Denied);
                }
                let run = found.action.on(self.release)?;
                let by = By::of(session);
                let mut call = Call { now, session, command: &found, devices, rendering };
                let answer = run(self, &mut call);
                // What is asked about first is told of when it is done.
                let asks = answer.as_ref().is_ok_and(|outcome| outcome.reply.question.is_some());
                if who == Who::Administrator && !asks {
                    return self.accounted(now, by, &found.canonical, answer);
                }
                answer
            }
            // Whoever understood more of the line says what is wrong with it.
            Parsed::Refused { refusal, at } => Err(match refused {
                Some((own, own_at))
                    if own_at > at
                        || own_at == at && refusal == Refusal::Invalid
                        || own == Refusal::Ambiguous && refusal == Refusal::Incomplete =>
                {
                    CommandError::Syntax { refusal: own, at: own_at }
                }
                _ => CommandError::Syntax { refusal, at },
            }),
        }
    }

    /// Carries out a line as configuration, or says where it makes no sense.
    fn configure(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Answer {
        let invalid = CommandError::Syntax { refusal: Refusal::Invalid, at: 0 };
        let Some(place) = &mut session.place else { return Err(invalid) };
        let word = line.split_whitespace().next().unwrap_or_default();
        if !place.in_text() && OF_EXEC.contains(&word) {
            return Err(invalid);
        }
        let settings = self.software().settings(devices.random);
        if let Some(name) = &session.draft {
            let gone = || CommandError::failed("% The session was committed or aborted meanwhile");
            let draft = self.drafts.get_mut(name).ok_or_else(gone)?;
            draft.has_room()?;
            let at = place.clone();
            let told = Reader::new(&mut draft.tree, settings, Source::Typed, &self.words.grammar)
                .line(place, line)?;
            draft.keep(at, line);
            return Ok(Outcome::text(told));
        }
        let mut told = Reader::new(&mut self.running, settings, Source::Typed, &self.words.grammar)
            .line(place, line)?;
        told.push_str(&self.boot_warning(line, devices));
        let effects = self.config_changed(now, devices);
        self.is_handed()?;
        Ok(Outcome::text(told).with(effects))
    }

    /// A session leaves its configuration mode, or all of them.
    pub(crate) fn leave_configuration(
        &mut self,
        call: &mut Call<'_, '_>,
        all: bool,
    ) -> Vec<Effect> {
        let still = match &mut call.session.place {
            Some(place) if !all => place.exit(),
            _ => false,
        };
        if still { Vec::new() } else { self.end_configuration(call.now, call.session) }
    }

    /// A session goes back to EXEC: a system message tells who configured.
    pub fn end_configuration(&mut self, now: Timestamp, session: &mut Session) -> Vec<Effect> {
        let was_there = session.place.is_some() && session.draft.is_none();
        session.end();
        if !was_there {
            return Vec::new();
        }
        vec![self.configured_by(now, session)]
    }

    /// A system message tells who configured.
    pub(crate) fn configured_by(&mut self, now: Timestamp, session: &Session) -> Effect {
        let Session { login, line, .. } = session;
        let text =
            format!("%VSHD-5-VSHD_SYSLOG_CONFIG_I: Configured from vty by {login} on {line}");
        self.log_line(now, &text)
    }

    /// The accounting log tells of a command: now, or when the copy that it began has come to its end.
    fn accounted(&mut self, now: Timestamp, by: By, command: &str, answer: Answer) -> Answer {
        let mut outcome = match answer {
            Ok(outcome) => outcome,
            Err(error) => {
                self.account(now, &by, command, false);
                return Err(error);
            }
        };
        let copies = outcome.effects.iter_mut().find_map(|effect| match effect {
            Effect::Copy(copy) => Some(copy),
            _ => None,
        });
        match copies {
            // Of what was asked before it is known already.
            Some(copy) if copy.asked.is_some() => {}
            Some(copy) => copy.asked = Some((by, command.to_owned())),
            None => self.account(now, &by, command, outcome.error.is_none()),
        }
        Ok(outcome)
    }

    /// What `?` shows.
    #[must_use]
    pub fn help(&self, session: &Session, line: &str) -> Vec<(String, String)> {
        // In configuration a bar is text, and only what shows something takes one.
        if is_show(line)
            && let Some(rows) = pipe_help(line)
        {
            return if rows.is_empty() { unrecognized() } else { rows };
        }
        let alias = self.without_alias(line);
        let line = alias.as_ref().map_or(line, |(full, ..)| full.as_str());
        let mut rows = self.words.exec.help(line, false);
        if let Some(place) = &session.place {
            let (line, negated) = split_no(line);
            rows.extend(place.help(&self.words.grammar, line, negated));
        }
        // Of several that say the same word, the one that says what it is for.
        rows.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.len().cmp(&a.1.len())));
        rows.dedup_by(|later, kept| later.0 == kept.0);
        if rows.is_empty() { unrecognized() } else { rows }
    }

    /// What the last word may become.
    #[must_use]
    pub fn complete(&self, session: &Session, line: &str) -> Vec<String> {
        if is_show(line)
            && let Some(rows) = pipe_help(line)
        {
            let words = rows.into_iter().map(|(word, _)| word);
            return words.filter(|word| word.starts_with(|c: char| c.is_alphabetic())).collect();
        }
        let mut words = self.words.exec.complete(line);
        if let Some(place) = &session.place {
            let (line, _) = split_no(line);
            words.extend(place.complete(&self.words.grammar, line));
        }
        words.sort();
        words.dedup();
        words
    }

    /// Asks, unless the session does not want to be asked.
    pub(crate) fn ask(
        &mut self,
        before: &str,
        question: Question,
        call: &mut Call<'_, '_>,
    ) -> Answer {
        if call.session.dont_ask || call.session.is_program {
            return self.confirmed(call.now, question, call.devices);
        }
        let mut outcome = asked(call.session, question);
        outcome.reply.text = before.to_owned();
        Ok(outcome)
    }

    /// A copy over the network came to its end, or to a question: what the session is told.
    pub fn copied(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        copy: &RemoteCopy,
        outcome: Result<Copied, String>,
        devices: &mut Devices<'_>,
    ) -> Reply {
        let outcome = match outcome {
            Ok(Copied::HostKey { text, fingerprint }) => {
                match files::known_host(copy, &text, devices) {
                    _ if session.is_program => {
                        Err("The server asks for a password: give it in a session".to_owned())
                    }
                    Err(why) => Err(why),
                    Ok(true) => {
                        let question = Question::Password { copy: copy.clone(), key: text };
                        return asked(session, question).reply;
                    }
                    Ok(false) => {
                        let host = copy.host().to_owned();
                        let copy = copy.clone();
                        let question = Question::Unknown { copy, host, key: text, fingerprint };
                        return asked(session, question).reply;
                    }
                }
            }
            other => other,
        };
        Reply { text: self.copy_ended(now, copy, outcome, devices), ..Reply::default() }
    }

    /// A question was answered with yes.
    fn confirmed(
        &mut self,
        now: Timestamp,
        question: Question,
        devices: &mut Devices<'_>,
    ) -> Answer {
        match question {
            Question::Reload { .. } => self.restart(now, devices),
            Question::ReloadModule(module) => self.reload_module(now, module),
            Question::WriteErase => self.erase_startup(devices),
            Question::FactoryReset => {
                let effects = self.agent_input(now, Input::FactoryReset, devices);
                Ok(Outcome::default().with(effects))
            }
            Question::Delete(name) => files::delete_file(&name, devices),
            Question::Overwrite { source, destination, vrf } => {
                self.copy_files(now, &source, &destination, vrf.as_deref(), devices)
            }
            Question::Install(name) => self.install(now, &name, devices),
            // They are answered before this.
            Question::Unknown { .. } | Question::Password { .. } => Ok(Outcome::default()),
        }
    }
}

/// A question, which the next line answers.
fn asked(session: &mut Session, question: Question) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.reply.question = Some(question.text().replace('\n', "\r\n"));
    outcome.reply.secret = question.is_secret();
    session.question = Some(question);
    outcome
}

/// Whether a line shows something, or lists files: that alone may be piped.
pub(crate) fn is_show(line: &str) -> bool {
    let first = line.split(|c: char| c.is_whitespace() || c == '|').find(|word| !word.is_empty());
    first.is_some_and(|word| {
        let word = word.to_ascii_lowercase();
        "show".starts_with(&word) || word == "dir"
    })
}

/// What `?` shows where there is nothing to name.
fn unrecognized() -> Vec<(String, String)> {
    vec![("% Unrecognized command".to_owned(), String::new())]
}

/// An error as a terminal shows it: in the manner of NX-OS, its mark below the word that is wrong.
fn shown_error(error: &CommandError, line: &str, prompt_letters: usize) -> String {
    let CommandError::Syntax { refusal, at } = error else { return format!("{error}\n") };
    let before = line.char_indices().take_while(|(place, _)| place < at).count();
    let column = prompt_letters + before + at.saturating_sub(line.len());
    // A range is told in full; of all else it is said where.
    let place = if matches!(refusal, Refusal::Range { .. }) { "" } else { " at '^' marker." };
    format!("{}^\n{refusal}{place}\n", " ".repeat(column))
}
