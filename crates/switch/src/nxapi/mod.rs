//! NX-API: commands in requests, answers as data. What arrives is read, carried out line by line in a session of its own, and
//! written down in the form it was asked in. HTTP itself is for whoever hands the requests on.

mod dn;
mod ins_api;
mod jsonrpc;
mod smartlic;

pub use dn::Verb;

use rumline_cli::{Fields, Parsed, Rendering};
use rumline_protocol::Timestamp;

use crate::answer::{CommandError, Outcome};
use crate::config::{ConfigTree, Place};
use crate::dispatch::is_show;
use crate::session::Session;
use crate::{Devices, Effect, Switch};

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// HTTP's status.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// What the switch wants done.
    pub effects: Vec<Effect>,
}

/// How NX-API is to be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NxapiSettings {
    /// The port of HTTP, if it is served.
    pub http: Option<u16>,
    /// The port of HTTPS, if it is served.
    pub https: Option<u16>,
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// Commands in a request.
const COMMANDS_MAX: usize = 1_000;
/// What a request's commands may answer in all, in bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;

impl NxapiSettings {
    /// Those of a configuration: HTTPS alone unless it says otherwise, and nothing without the feature.
    pub(crate) fn of(config: &ConfigTree) -> Self {
        if !config.has_feature("nxapi") {
            return Self::default();
        }
        let has = |text: &str| config.lines.iter().any(|line| line.text == text);
        let port = |head: &str| config.value(head).and_then(|port| port.trim().parse().ok());
        let http = port("nxapi http port").or(has("nxapi http").then_some(HTTP_PORT));
        let https =
            port("nxapi https port").or(Some(HTTPS_PORT)).filter(|port| http != Some(*port));
        Self { http, https: https.filter(|_| !has("no nxapi https")) }
    }
}

/// What a request wants of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// What it shows, as data.
    Data,
    /// What it shows, as text.
    Text,
    /// That it is configured.
    Configured,
    /// Whichever it is: data of what shows something, and the rest done.
    Either,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    Data(Fields),
    Text(String),
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Failed {
    /// It is for people only.
    NoData,
    /// As the command line says it.
    Command(String),
    /// The role may not.
    Denied,
    /// It was not tried: one before it had failed.
    NotTried,
    /// The answers are too large together.
    TooLarge,
    /// It shows where it should configure, or the reverse.
    WrongMode(&'static str),
    /// It is not even one.
    Malformed,
}

impl Failed {
    fn text(&self) -> String {
        match self {
            Self::NoData => "structured output unsupported".to_owned(),
            Self::Command(text) => text.clone(),
            Self::Denied => "% Permission denied for the role".to_owned(),
            Self::NotTried => "not executed: a command before it failed".to_owned(),
            Self::TooLarge => "the answer is too large".to_owned(),
            Self::WrongMode(text) => (*text).to_owned(),
            Self::Malformed => "it is no command".to_owned(),
        }
    }
}

/// What is done after a command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnError {
    Stop,
    Continue,
    /// The running configuration is as it was before the request.
    RollBack,
}

/// The commands of one request, on their way through the switch.
struct Run<'s, 'd, 'e> {
    switch: &'s mut Switch,
    devices: &'s mut Devices<'d>,
    now: Timestamp,
    session: Session,
    effects: &'e mut Vec<Effect>,
    answer_bytes: usize,
    /// Whether what shows and what configures are asked for apart.
    is_strict: bool,
}

impl<'s, 'd, 'e> Run<'s, 'd, 'e> {
    fn new(
        switch: &'s mut Switch,
        now: Timestamp,
        login: &str,
        from: &str,
        devices: &'s mut Devices<'d>,
        effects: &'e mut Vec<Effect>,
    ) -> Self {
        let mut session = Session::for_program(login);
        session.line = from.to_owned();
        Self { switch, devices, now, session, effects, answer_bytes: 0, is_strict: false }
    }

    /// Carries out commands; one result for each. What is none counts as one that failed.
    fn all(
        &mut self,
        commands: &[Option<(Wanted, &str)>],
        on_error: OnError,
    ) -> Vec<Result<Done, Failed>> {
        let before = (on_error == OnError::RollBack).then(|| self.switch.running.clone());
        let mut done = Vec::with_capacity(commands.len());
        let mut has_failed = false;
        for command in commands {
            let restarts = self.effects.iter().any(|effect| matches!(effect, Effect::Reload));
            let result = match command {
                _ if has_failed && on_error != OnError::Continue || restarts => {
                    Err(Failed::NotTried)
                }
                None => Err(Failed::Malformed),
                Some((wanted, line)) => self.lines(*wanted, line),
            };
            has_failed |= result.is_err();
            done.push(result);
        }
        self.effects.extend(self.switch.end_configuration(self.now, &mut self.session));
        if let Some(before) = before.filter(|_| has_failed) {
            self.effects.extend(self.switch.run_with(self.now, before, self.devices));
        }
        done
    }

    /// One command, or several apart by ` ;`: what comes of the last one.
    fn lines(&mut self, wanted: Wanted, text: &str) -> Result<Done, Failed> {
        let mut done = Err(Failed::Malformed);
        for line in text.split(" ;").map(str::trim).filter(|line| !line.is_empty()) {
            done = Ok(self.one(wanted, line)?);
        }
        done
    }

    fn one(&mut self, wanted: Wanted, line: &str) -> Result<Done, Failed> {
        if self.answer_bytes > ANSWER_BYTES_MAX {
            return Err(Failed::TooLarge);
        }
        let shows = is_show(line);
        if self.is_strict && shows && wanted == Wanted::Configured {
            return Err(Failed::WrongMode("Configuration mode does not allow show"));
        }
        // What is no command of EXEC is a line of configuration, whose mode stays open for the next one.
        if !shows && self.session.place.is_none() {
            let is_exec =
                matches!(self.switch.words.exec.match_line(line.trim(), false), Parsed::Command(_));
            if !is_exec {
                if self.is_strict && wanted != Wanted::Configured {
                    return Err(Failed::WrongMode("Show mode does not allow configuration"));
                }
                if !self.switch.is_administrator(&self.session.login) {
                    return Err(Failed::Denied);
                }
                self.session.place = Some(Place::global());
            }
        }
        let rendering = match wanted {
            Wanted::Data | Wanted::Either if shows => Rendering::Json,
            _ => Rendering::Text,
        };
        let outcome = self.execute(line, rendering)?;
        match (wanted, outcome.data) {
            (Wanted::Data | Wanted::Either, Some(fields)) => Ok(Done::Data(fields)),
            // What was piped is text, and what went to a file is nothing.
            (Wanted::Data, None) if shows => Err(Failed::NoData),
            (Wanted::Either, None) if shows && !outcome.reply.text.is_empty() => {
                Err(Failed::NoData)
            }
            _ => Ok(Done::Text(outcome.reply.text)),
        }
    }

    fn execute(&mut self, line: &str, rendering: Rendering) -> Result<Outcome, Failed> {
        let outcome =
            self.switch.execute_as(self.now, &mut self.session, line, rendering, self.devices);
        if outcome.effects.iter().any(|effect| matches!(effect, Effect::Copy(_))) {
            let told = "% Copies over the network are for sessions: give it over SSH";
            return Err(Failed::Command(told.to_owned()));
        }
        self.effects.extend(outcome.effects.clone());
        self.answer_bytes += outcome.reply.text.len();
        match &outcome.error {
            None => Ok(outcome),
            Some(CommandError::Denied) => Err(Failed::Denied),
            Some(CommandError::NoData) => Err(Failed::NoData),
            Some(_) => Err(Failed::Command(outcome.reply.text.trim_end().to_owned())),
        }
    }
}

impl Switch {
    /// How NX-API is to be reached by the configuration.
    #[must_use]
    pub fn nxapi_settings(&self) -> NxapiSettings {
        NxapiSettings::of(&self.running)
    }

    /// Answers a request to NX-API of somebody who is logged in from an address.
    pub fn nxapi(
        &mut self,
        now: Timestamp,
        login: &str,
        from: &str,
        content_type: &str,
        body: &[u8],
        devices: &mut Devices<'_>,
    ) -> HttpAnswer {
        let mut effects = Vec::new();
        let mut run = Run::new(self, now, login, from, devices, &mut effects);
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let mut answer = match first {
            Some(b'<') => ins_api::xml(&mut run, body),
            _ if content_type.contains("json-rpc") => jsonrpc::answer(&mut run, body),
            // Some clients call either of the two plain JSON.
            _ => match serde_json::from_slice(body) {
                Ok(value) if ins_api::is_one(&value) => ins_api::json(&mut run, &value),
                _ => jsonrpc::answer(&mut run, body),
            },
        };
        answer.effects = effects;
        answer
    }

    /// Answers a request for an object of NX-API's REST: `path` and `query` as they were asked for.
    pub fn nxapi_object(
        &mut self,
        now: Timestamp,
        login: &str,
        from: &str,
        (verb, path, query): (Verb, &str, &str),
        body: &[u8],
        devices: &mut Devices<'_>,
    ) -> HttpAnswer {
        let mut effects = Vec::new();
        let mut run = Run::new(self, now, login, from, devices, &mut effects);
        let mut answer = dn::answer(&mut run, verb, path, query, body);
        answer.effects = effects;
        answer
    }

    /// Answers a request of a collector; `rest` is what stands behind `/smartlic-service/`.
    pub fn smartlic(
        &mut self,
        now: Timestamp,
        login: &str,
        from: &str,
        (method, rest): (&str, &str),
        body: &[u8],
        devices: &mut Devices<'_>,
    ) -> HttpAnswer {
        let mut effects = Vec::new();
        let mut run = Run::new(self, now, login, from, devices, &mut effects);
        let mut answer = smartlic::answer(&mut run, method, rest, body);
        answer.effects = effects;
        answer
    }

    /// Takes a configuration for the running one.
    fn run_with(
        &mut self,
        now: Timestamp,
        config: ConfigTree,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        self.running = config;
        self.configuration_replaced(now, devices)
    }
}
