//! NX-API: commands in requests, answers as data. What arrives is read, carried out line by line in a session of its own, and
//! written down in the form it was asked in. HTTP itself is for whoever hands the requests on.

mod chunks;
mod dn;
mod ins_api;
mod jsonrpc;
mod smartlic;

pub(crate) use chunks::Chunks;
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
}

impl HttpAnswer {
    /// An answer to what is not even looked at, such as a request of nobody: JSON for clients that read the body as JSON
    /// whatever the status is.
    #[must_use]
    pub fn refused(content_type: &str, status: u16, told: &str) -> Self {
        if content_type.contains("json-rpc") {
            jsonrpc::refused(status, told)
        } else if content_type.contains("json") {
            ins_api::refused(status, told)
        } else {
            let content_type = "text/plain; charset=utf-8";
            Self { status, content_type, body: format!("{told}\n") }
        }
    }
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

/// Who asks, and what holds from one command of a request to the next.
struct Caller {
    session: Session,
    answer_bytes: usize,
    /// Whether what shows and what configures are asked for apart.
    is_strict: bool,
}

impl Caller {
    fn new(login: &str, from: &str) -> Self {
        let mut session = Session::for_program(login);
        session.line = from.to_owned();
        Self { session, answer_bytes: 0, is_strict: false }
    }
}

/// Commands, and what came of those that were given.
struct Batch {
    commands: Vec<Option<(Wanted, String)>>,
    on_error: OnError,
    results: Vec<Result<Done, Failed>>,
    has_failed: bool,
    /// Whether the switch is about to restart.
    restarts: bool,
}

impl Batch {
    fn new(commands: Vec<Option<(Wanted, String)>>, on_error: OnError) -> Self {
        let results = Vec::with_capacity(commands.len());
        Self { commands, on_error, results, has_failed: false, restarts: false }
    }

    fn is_done(&self) -> bool {
        self.results.len() == self.commands.len()
    }

    /// Whether the next command is one that others may not come before.
    fn holds_the_switch(&self) -> bool {
        // What is to be as it was before must not take away what somebody else did meanwhile, and where the rest is not tried
        // there is nothing to wait for.
        self.on_error == OnError::RollBack
            || self.restarts
            || (self.has_failed && self.on_error != OnError::Continue)
    }
}

/// What a request is written in.
enum Form {
    JsonRpc(jsonrpc::Calls),
    InsApi(ins_api::Request),
}

/// A request to NX-API: its commands are given one after another, in turns with those of others.
pub struct NxapiRequest {
    form: Form,
    caller: Caller,
    batch: Batch,
}

/// Commands of a caller, on their way through the switch.
struct Run<'s, 'd> {
    switch: &'s mut Switch,
    devices: &'s mut Devices<'d>,
    now: Timestamp,
    caller: &'s mut Caller,
    effects: &'s mut Vec<Effect>,
}

impl Run<'_, '_> {
    /// Carries out all commands; one result for each. What is none counts as one that failed.
    fn all(&mut self, batch: &mut Batch) {
        let before = (batch.on_error == OnError::RollBack).then(|| self.switch.running.clone());
        while !batch.is_done() {
            self.next(batch);
        }
        self.end(batch, before);
    }

    fn next(&mut self, batch: &mut Batch) {
        let result = match batch.commands.get(batch.results.len()) {
            _ if batch.restarts => Err(Failed::NotTried),
            _ if batch.has_failed && batch.on_error != OnError::Continue => Err(Failed::NotTried),
            None | Some(None) => Err(Failed::Malformed),
            Some(Some((wanted, line))) => self.lines(*wanted, line),
        };
        batch.has_failed |= result.is_err();
        batch.restarts |= self.effects.iter().any(Effect::ends_sessions);
        batch.results.push(result);
    }

    /// Ends the configuration; where a command failed it is as it was `before`.
    fn end(&mut self, batch: &mut Batch, before: Option<ConfigTree>) {
        let now = self.now;
        if self.caller.session.takes_text()
            && let Some(last) = batch.results.last_mut()
        {
            let told = "% The text has no end: the letter that began it is to end it";
            *last = Err(Failed::Command(told.to_owned()));
            batch.has_failed = true;
        }
        self.effects.extend(self.switch.end_configuration(now, &mut self.caller.session));
        // What changed nothing is not taken back.
        let is_changed = |before: &ConfigTree| *before != self.switch.running;
        if let Some(before) = before.filter(|before| batch.has_failed && is_changed(before)) {
            self.switch.running = before;
            self.effects.extend(self.switch.configuration_replaced(now, self.devices));
            let (login, from) = (&self.caller.session.login, &self.caller.session.line);
            self.switch.note_change(now, login, from, "rollback of a request to NX-API", true);
        }
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
        if self.caller.answer_bytes > ANSWER_BYTES_MAX {
            return Err(Failed::TooLarge);
        }
        let shows = is_show(line);
        if self.caller.is_strict && shows && wanted == Wanted::Configured {
            return Err(Failed::WrongMode("Configuration mode does not allow show"));
        }
        // What is no command of EXEC is a line of configuration, whose mode stays open for the next one.
        if !shows && self.caller.session.place.is_none() {
            let is_exec =
                matches!(self.switch.words.exec.match_line(line.trim(), false), Parsed::Command(_));
            if !is_exec {
                if self.caller.is_strict && wanted != Wanted::Configured {
                    return Err(Failed::WrongMode("Show mode does not allow configuration"));
                }
                if !self.switch.is_administrator(&self.caller.session.login) {
                    return Err(Failed::Denied);
                }
                self.caller.session.place = Some(Place::global());
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
        let outcome = self.switch.execute_as(
            self.now,
            &mut self.caller.session,
            line,
            rendering,
            self.devices,
        );
        let copy = outcome.effects.iter().find_map(|effect| match effect {
            Effect::Copy(copy) => Some(copy),
            _ => None,
        });
        if let Some(copy) = copy {
            let told = "% Copies over the network are for sessions: give it over SSH";
            self.switch.copy_ended(self.now, copy, Err(told.to_owned()), self.devices);
            return Err(Failed::Command(told.to_owned()));
        }
        if outcome.effects.iter().any(|e| matches!(e, Effect::Ping(_) | Effect::Trace(_))) {
            let told = "% ping and traceroute are for sessions: give it over SSH";
            return Err(Failed::Command(told.to_owned()));
        }
        self.effects.extend(outcome.effects.clone());
        self.caller.answer_bytes += outcome.reply.text.len();
        match &outcome.error {
            None => Ok(outcome),
            Some(CommandError::Denied) => Err(Failed::Denied),
            Some(CommandError::NoData) => Err(Failed::NoData),
            Some(_) => Err(Failed::Command(outcome.reply.text.trim_end().to_owned())),
        }
    }
}

impl NxapiRequest {
    /// What its answers hold in memory so far, in bytes.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        self.caller.answer_bytes
    }
}

impl Switch {
    /// How NX-API is to be reached by the configuration.
    #[must_use]
    pub fn nxapi_settings(&self) -> NxapiSettings {
        NxapiSettings::of(&self.running)
    }

    /// Reads a request to NX-API of somebody who is logged in from an address.
    ///
    /// # Errors
    /// The answer to what is no request.
    pub fn nxapi(
        &self,
        login: &str,
        from: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<NxapiRequest, HttpAnswer> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        let (form, batch) = match first {
            Some(b'<') => ins_api::read_xml(body)?,
            _ if content_type.contains("json-rpc") => jsonrpc::read(body)?,
            // Some clients call either of the two plain JSON.
            _ => match serde_json::from_slice(body) {
                Ok(value) if ins_api::is_one(&value) => ins_api::read_json(&value)?,
                _ => jsonrpc::read(body)?,
            },
        };
        let mut caller = Caller::new(login, from);
        caller.is_strict = matches!(form, Form::InsApi(_));
        Ok(NxapiRequest { form, caller, batch })
    }

    /// Gives the next command of a request, and the answer after the last one.
    pub fn nxapi_turn(
        &mut self,
        now: Timestamp,
        request: &mut NxapiRequest,
        devices: &mut Devices<'_>,
    ) -> (Option<HttpAnswer>, Vec<Effect>) {
        let mut effects = Vec::new();
        let NxapiRequest { form, caller, batch } = request;
        let mut run = Run { switch: self, devices, now, caller, effects: &mut effects };
        if batch.on_error == OnError::RollBack {
            run.all(batch);
        } else {
            if !batch.is_done() {
                run.next(batch);
            }
            while !batch.is_done() && batch.holds_the_switch() {
                run.next(batch);
            }
            if batch.is_done() {
                run.end(batch, None);
            }
        }
        let answer = batch.is_done().then(|| {
            let results = std::mem::take(&mut batch.results);
            match form {
                Form::JsonRpc(calls) => jsonrpc::answer(calls, results),
                Form::InsApi(request) => {
                    let login = &caller.session.login;
                    ins_api::answer(request, results, login, &mut self.chunks, devices.random)
                }
            }
        });
        (answer, effects)
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
    ) -> (HttpAnswer, Vec<Effect>) {
        let (mut effects, mut caller) = (Vec::new(), Caller::new(login, from));
        let caller = &mut caller;
        let mut run = Run { switch: self, devices, now, caller, effects: &mut effects };
        let answer = dn::answer(&mut run, verb, path, query, body);
        (answer, effects)
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
    ) -> (HttpAnswer, Vec<Effect>) {
        let (mut effects, mut caller) = (Vec::new(), Caller::new(login, from));
        let caller = &mut caller;
        let mut run = Run { switch: self, devices, now, caller, effects: &mut effects };
        let answer = smartlic::answer(&mut run, method, rest, body);
        (answer, effects)
    }
}
