//! The log of system messages, and that of commands that changed something.

use std::collections::VecDeque;

use rumline_protocol::Timestamp;

use crate::command::{Command, Topic};
use crate::session::Session;
use crate::topics::users;
use crate::{Effect, Switch};

/// Lines of the log file kept.
const LINES_MAX: usize = 2_000;
/// Commands kept in the accounting log.
const COMMANDS_MAX: usize = 1_000;
/// The longest command in it.
const COMMAND_LETTERS_MAX: usize = 256;
/// Lines about failed logins in the log.
const FAILED_LOGINS_MAX: usize = 50;
const LOGIN_FAILED: &str = "%AUTHPRIV-3-SYSTEM_MSG: pam_aaa:Authentication failed for";

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show accounting log", |switch, call| {
            call.lines(switch.log.commands.iter().map(|line| format!("{line}\n")).collect())
        }),
        Command::anyone("show logging", |switch, call| {
            let lines = call.command.get("lines").and_then(|lines| lines.parse().ok());
            call.lines(switch.log.shown(lines.unwrap_or(usize::MAX)))
        }),
    ],
    settings: &[],
};

/// What is remembered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<String>,
    commands: VecDeque<String>,
}

impl Log {
    fn shown(&self, lines: usize) -> String {
        let skipped = self.lines.len().saturating_sub(lines);
        self.lines.iter().skip(skipped).map(|line| format!("{line}\n")).collect()
    }
}

/// Who gave a command, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct By {
    login: String,
    line: String,
    /// The command that led to where it was given.
    mode: Option<String>,
}

impl By {
    pub(crate) fn of(session: &Session) -> Self {
        let (login, line) = (session.login.clone(), session.line.clone());
        let mode = session.place.is_some().then(|| match &session.draft {
            Some(name) => format!("configure session {name}"),
            None => "configure terminal".to_owned(),
        });
        Self { login, line, mode }
    }
}

impl Switch {
    /// Somebody logged in, with a `password` or a `publickey`.
    pub fn logged_in(&mut self, now: Timestamp, login: &str, with: &str, from: &str) -> Effect {
        let text =
            format!("%AUTHPRIV-6-SYSTEM_MSG: Accepted {with} for {login} from {from} - dcos_sshd");
        self.log_line(now, &text)
    }

    /// Somebody tried to log in from an address and may not: a system message says so. What was typed as a name is shown
    /// only if it is a plain one; people type passwords there.
    pub fn login_failed(&mut self, now: Timestamp, login: &str, from: &str) -> Effect {
        let known = self
            .running
            .starting_with(users::USERNAME)
            .any(|line| line.text.split_whitespace().nth(1) == Some(login));
        let whom = if known { format!("user {login}") } else { "illegal user".to_owned() };
        let text = format!("{LOGIN_FAILED} {whom} from {from} - dcos_sshd");
        // Strangers push out each other's lines, and nothing else.
        let lines = &mut self.log.lines;
        let is_one = |line: &String| line.contains(LOGIN_FAILED);
        if lines.iter().filter(|line| is_one(line)).count() >= FAILED_LOGINS_MAX {
            let oldest = lines.iter().position(is_one);
            oldest.and_then(|place| lines.remove(place));
        }
        self.log_line(now, &text)
    }

    pub(crate) fn log_line(&mut self, now: Timestamp, text: &str) -> Effect {
        let line = format!("{} {} {text}", self.derived.zone.log_time(now), self.hostname());
        if self.log.lines.len() == LINES_MAX {
            self.log.lines.pop_front();
        }
        self.log.lines.push_back(line.clone());
        Effect::Log(line)
    }

    /// Something went wrong outside of the switch.
    pub fn told(&mut self, now: Timestamp, text: &str) -> Effect {
        self.log_line(now, &format!("%NGINX-3-NGX_ERR: {text}"))
    }

    /// Somebody changed something without a session: `command` is what would have done it.
    pub fn note_change(
        &mut self,
        now: Timestamp,
        login: &str,
        from: &str,
        command: &str,
        done: bool,
    ) {
        let by = By { login: login.to_owned(), line: from.to_owned(), mode: None };
        self.account(now, &by, command, done);
    }

    /// A command changed something: who gave it, and what it was. Secrets are left out.
    pub(crate) fn account(&mut self, now: Timestamp, by: &By, command: &str, done: bool) {
        let shown = users::without_secret(command);
        let mut shown: String =
            shown.chars().filter(|c| !c.is_control()).take(COMMAND_LETTERS_MAX).collect();
        if let Some(mode) = &by.mode {
            shown = format!("{mode} ; {shown}");
        }
        let result = if done { "SUCCESS" } else { "FAILURE" };
        let line = format!(
            "{}:type=update:id={}:user={}:cmd={shown} ({result})",
            self.derived.zone.config_time(now),
            by.line,
            by.login
        );
        if self.log.commands.len() == COMMANDS_MAX {
            self.log.commands.pop_front();
        }
        self.log.commands.push_back(line);
    }
}
