//! System messages: the log of them, and where they go; and the log of commands that changed something.

mod datagram;
mod settings;
mod show;

use std::collections::{BTreeMap, VecDeque};

use rumline_protocol::Timestamp;

use crate::command::{Command, Topic};
use crate::session::Session;
use crate::topics::license::transport_word;
use crate::topics::network::{NoPath, Path};
use crate::topics::users;
use crate::{Effect, Switch};
use datagram::{Envelope, Message};
pub(crate) use settings::Destinations;
use settings::Server;

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
        Command::anyone("show logging", show::all),
        Command::anyone("show logging console", show::console),
        Command::anyone("show logging info", show::info),
        Command::anyone("show logging last", |switch, call| {
            call.lines(switch.log.shown(call.number("lines")))
        }),
        Command::anyone("show logging logfile", |switch, call| {
            call.lines(switch.log.shown(usize::MAX))
        }),
        Command::anyone("show logging monitor", show::monitor),
        Command::anyone("show logging server", show::servers),
    ],
    settings: settings::ALL,
};

/// A system message, and who is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The line, as it is shown.
    pub text: String,
    /// Whether the console shows it.
    pub on_console: bool,
    /// Whether terminals that monitor show it.
    pub on_monitors: bool,
    /// What servers get (PI-MSG-002). Nothing waits for them.
    pub datagrams: Vec<SyslogDatagram>,
}

/// A system message on its way to a server; what comes of it is told with [`Switch::syslog_ended`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogDatagram {
    /// The server, by address or name.
    pub server: String,
    /// Its port, where its line names one.
    pub port: Option<u16>,
    /// The way to it.
    pub path: Path,
    /// What it gets.
    pub bytes: Vec<u8>,
}

/// What came of the messages to a server.
#[derive(Debug, Default)]
struct Delivery {
    sent: u64,
    lost: u64,
    /// Why the last one was lost, if it was.
    problem: Option<String>,
}

/// What is remembered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<String>,
    commands: VecDeque<String>,
    /// By server.
    deliveries: BTreeMap<String, Delivery>,
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
        let to = &self.derived.destinations;
        let message = Message::of(text);
        let takes = |up_to: Option<u8>| up_to.is_some_and(|up_to| message.severity <= up_to);
        let (on_console, on_monitors) = (takes(to.console), takes(to.monitor));
        let time = self.derived.zone.log_time(now);
        let line = format!("{time}{} {} {text}", to.stamp.fraction(), self.hostname());
        if takes(to.logfile) {
            if self.log.lines.len() == LINES_MAX {
                self.log.lines.pop_front();
            }
            self.log.lines.push_back(line.clone());
        }
        let datagrams = self.datagrams(now, message);
        Effect::Log(LogLine { text: line, on_console, on_monitors, datagrams })
    }

    /// What goes to servers. One that there is no way to loses it, and nothing else.
    fn datagrams(&mut self, now: Timestamp, message: Message<'_>) -> Vec<SyslogDatagram> {
        let to = &self.derived.destinations;
        let takes = |server: &&Server| message.severity <= server.severity;
        let mut datagrams = Vec::new();
        let mut lost = Vec::new();
        for server in to.servers.iter().filter(takes) {
            let envelope = Envelope {
                at: now,
                zone: &self.derived.zone,
                stamp: to.stamp,
                origin: to.origin.as_deref().unwrap_or(self.hostname()),
                facility_number: server.facility_number,
            };
            let is_strict = self.writes_rfc_5424(message);
            let bytes = if is_strict { envelope.strict(message) } else { envelope.plain(message) };
            let port = server.port;
            match self.server_path(server) {
                Ok(path) => {
                    let server = server.host.clone();
                    datagrams.push(SyslogDatagram { server, port, path, bytes });
                }
                Err(none) => lost.push((server.host.clone(), none)),
            }
        }
        for (server, none) in lost {
            self.syslog_ended(&server, Err(none.to_string()));
        }
        datagrams
    }

    /// The way to a server.
    fn server_path(&self, server: &Server) -> Result<Path, NoPath> {
        let source = self.derived.destinations.source.as_deref();
        self.path_to(&server.host, Some(&server.vrf), source)
    }

    /// Whether a message goes out in the form of RFC 5424: where the lines say so and the release can (PI-MSG-005, G-32), that
    /// of licensing over Call Home from a later one on.
    fn writes_rfc_5424(&self, message: Message<'_>) -> bool {
        let is_of_callhome =
            message.facility == "LICMGR" && transport_word(&self.running) == "callhome";
        let gate = if is_of_callhome { "logging 2.0 for callhome" } else { "logging 2.0" };
        self.derived.destinations.is_rfc_5424 && self.software().has(gate)
    }

    /// What came of a message to a server: it left, or why it did not.
    pub fn syslog_ended(&mut self, server: &str, outcome: Result<(), String>) {
        let servers = &self.derived.destinations.servers;
        let is_there = |host: &str| servers.iter().any(|known| known.host == host);
        self.log.deliveries.retain(|host, _| is_there(host));
        if !is_there(server) {
            return;
        }
        let delivery = self.log.deliveries.entry(server.to_owned()).or_default();
        match outcome {
            Ok(()) => delivery.sent += 1,
            Err(_) => delivery.lost += 1,
        }
        delivery.problem = outcome.err();
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
