//! Sessions: terminals, and commands that are given without one.

use std::collections::VecDeque;

use rumline_cli::{LineHandler, Reply, Terminal, split_commands};
use rumline_net::{FileRequest, Proof, Screen, SshEvent, TerminalOutput};
use rumline_protocol::Timestamp;
use rumline_switch::{Devices, Effect, LogLine, Session, Switch};
use tokio::sync::{mpsc, oneshot};

use super::{Host, Turn};
use crate::files;

/// The console's session.
pub(super) const CONSOLE: u64 = 0;
/// Ctrl-C.
const INTERRUPT: u8 = 3;
/// What commands without a terminal may answer in all, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A terminal that is open.
pub(super) struct OpenTerminal {
    terminal: Terminal,
    session: Session,
    screen: Screen,
    output: mpsc::Sender<TerminalOutput>,
    /// What was typed while a command goes on; more comes once it was taken.
    held: Vec<(Vec<u8>, Option<oneshot::Sender<()>>)>,
    /// Whether nothing more will be typed.
    has_ended: bool,
}

/// Commands without a terminal: one after another, and all that they answer at the end.
pub(super) struct Batch {
    session: Session,
    lines: VecDeque<String>,
    said: Vec<u8>,
    has_failed: bool,
    /// Whether a screen wants both letters at the end of a line.
    /// Whether more was said than is taken.
    is_full: bool,
    is_raw: bool,
    output: mpsc::Sender<TerminalOutput>,
}

/// Lines on a page of a screen, none where it has no end, and letters in a line.
fn size_of(screen: Screen) -> (usize, usize) {
    let columns = usize::try_from(screen.columns).ok().filter(|columns| *columns >= 24);
    (usize::try_from(screen.rows).unwrap_or(0), columns.unwrap_or(80))
}

/// Lines of one session on their way to the switch.
struct Lines<'a> {
    switch: &'a mut Switch,
    session: &'a mut Session,
    devices: Devices<'a>,
    now: Timestamp,
    effects: &'a mut Vec<Effect>,
}

impl LineHandler for Lines<'_> {
    fn prompt(&self) -> String {
        self.switch.prompt(self.session)
    }

    fn execute(&mut self, line: &str) -> Reply {
        let outcome = self.switch.execute(self.now, self.session, line, &mut self.devices);
        self.effects.extend(outcome.effects);
        outcome.reply
    }

    fn help(&self, line: &str) -> Vec<(String, String)> {
        self.switch.help(self.session, line)
    }

    fn complete(&self, line: &str) -> Vec<String> {
        self.switch.complete(self.session, line)
    }

    fn end(&mut self) {
        self.effects.extend(self.switch.end_configuration(self.now, self.session));
    }

    fn cancel(&mut self) {
        self.switch.question_left(self.now, self.session);
    }

    fn page_lines(&self) -> usize {
        self.session.page_lines()
    }

    fn takes_text(&self) -> bool {
        self.session.takes_text()
    }
}

impl Host {
    pub(super) fn ssh_event(&mut self, event: SshEvent) {
        match event {
            SshEvent::Banner { answer } => {
                // Whoever asked may have hung up.
                let _gone = answer.send(self.switch.banner("motd").unwrap_or_default());
            }
            SshEvent::LogIn { login, proof, from, answer } => {
                if self.terminals.is_empty() && self.batches.is_empty() {
                    self.look_at_copy_anew();
                }
                let may = self.log_in(&login, &proof, &from.to_string());
                let _gone = answer.send(may);
            }
            SshEvent::Open { session, login, from, screen, command, output } => {
                let mut opened = match command {
                    Some(_) => Session::for_program(&login),
                    None => Session::new(&login),
                };
                opened.line = self.free_line();
                opened.from = Some(from.to_string());
                match command {
                    Some(command) => self.run_batch(session, opened, screen, &command, output),
                    None => self.open(session, opened, screen, output),
                }
            }
            SshEvent::Typed { session, bytes, taken } => self.typed(session, bytes, Some(taken)),
            SshEvent::Interrupted { session } => self.interrupt(session),
            SshEvent::Resized { session, screen } => self.resized(session, screen),
            SshEvent::Ended { session } => {
                if let Some(mut open) = self.terminals.remove(&session) {
                    open.has_ended = true;
                    self.feed(session, open, &[]);
                }
            }
            SshEvent::Closed { session } => {
                // Nobody waits for it any more; what it would have written is not.
                self.end_job(session);
                if let Some(mut batch) = self.batches.remove(&session) {
                    let effects = self.switch.session_ended(self.clock.now(), &mut batch.session);
                    self.carry_out(effects);
                }
                if let Some(mut open) = self.terminals.remove(&session) {
                    let now = self.clock.now();
                    let effects = self.switch.session_ended(now, &mut open.session);
                    self.carry_out(effects);
                }
            }
            SshEvent::File { login, from, request, answer } => {
                let change = files::change(&request);
                let wants_to = change.is_some() || matches!(request, FileRequest::MayWrite(_));
                let is_copy = self.switch.redundancy().is_copy;
                let may = !wants_to || self.switch.is_administrator(&login) && !is_copy;
                // Who may not is told of, as who did.
                let change = match &request {
                    FileRequest::MayWrite(name) if !may => {
                        Some(format!("copy scp: bootflash:{name}"))
                    }
                    _ => change,
                };
                let done = if may {
                    files::carry_out(&mut *self.flash, request)
                } else {
                    Err(rumline_net::FileError::Denied)
                };
                if let Some(change) = change {
                    let (now, from) = (self.clock.now(), from.to_string());
                    self.switch.note_change(now, &login, &from, &change, done.is_ok());
                }
                let _gone = answer.send(done);
            }
        }
    }

    /// Whether somebody may log in; it is told of in the log.
    fn log_in(&mut self, login: &str, proof: &Proof, from: &str) -> bool {
        let now = self.clock.now();
        let (may, what) = match proof {
            Proof::Password(password) => (self.switch.may_log_in(login, password), "password"),
            Proof::Key { text, is_proven } => {
                let is_known = self.switch.knows_key(login, text);
                if !is_proven || !is_known {
                    // Agents offer all the keys they have: that one does not fit means nothing.
                    return is_known;
                }
                (true, "publickey")
            }
        };
        let told = if may {
            self.switch.logged_in(now, login, what, from)
        } else {
            self.switch.login_failed(now, login, from)
        };
        self.carry_out(vec![told]);
        may
    }

    /// The name of the first line that is free.
    fn free_line(&self) -> String {
        let terminals = self.terminals.values().map(|open| &open.session);
        let all: Vec<&Session> =
            terminals.chain(self.batches.values().map(|batch| &batch.session)).collect();
        let is_free = |line: &String| !all.iter().any(|session| session.line == *line);
        let mut lines = (0_u64..).map(|number| format!("pts/{number}"));
        lines.find(is_free).unwrap_or_default()
    }

    pub(super) fn open(
        &mut self,
        number: u64,
        mut session: Session,
        screen: Screen,
        output: mpsc::Sender<TerminalOutput>,
    ) {
        let now = self.clock.now();
        (session.length, session.width) = size_of(screen);
        self.switch.session_began(now, &mut session);
        let terminal = Terminal::default();
        let mut effects = Vec::new();
        let (switch, devices) = self.parts();
        // At the console nobody has seen what is shown before a login.
        let kinds: &[&str] = if number == CONSOLE { &["motd", "exec"] } else { &["exec"] };
        let banners: String = kinds.iter().filter_map(|kind| switch.banner(kind)).collect();
        let lines = Lines { switch, session: &mut session, devices, now, effects: &mut effects };
        let bytes = terminal.start(&banners, &lines);
        let (held, has_ended) = (Vec::new(), false);
        let open = OpenTerminal { terminal, session, screen, output, held, has_ended };
        let effects = self.put_back(number, open, bytes);
        self.carry_out(effects);
    }

    /// A window has another size. What was set by `terminal length` or `terminal width` stays as it was set.
    fn resized(&mut self, number: u64, screen: Screen) {
        let Some(open) = self.terminals.get_mut(&number) else { return };
        let ((rows, columns), now) = (size_of(open.screen), size_of(screen));
        if open.session.length == rows {
            open.session.length = now.0;
        }
        if open.session.width == columns {
            open.session.width = now.1;
        }
        open.screen = screen;
    }

    /// Takes what was typed, or holds it while a command goes on.
    pub(super) fn typed(
        &mut self,
        number: u64,
        bytes: Vec<u8>,
        taken: Option<oneshot::Sender<()>>,
    ) {
        let Some(mut open) = self.terminals.remove(&number) else { return };
        if open.terminal.is_busy() && number == CONSOLE && bytes.contains(&INTERRUPT) {
            self.terminals.insert(number, open);
            self.interrupt(number);
        } else if open.terminal.is_busy() {
            open.held.push((bytes, taken));
            self.terminals.insert(number, open);
        } else {
            self.feed(number, open, &bytes);
        }
    }

    fn feed(&mut self, number: u64, mut open: OpenTerminal, bytes: &[u8]) {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let (switch, devices) = self.parts();
        let mut lines =
            Lines { switch, session: &mut open.session, devices, now, effects: &mut effects };
        let shown = open.terminal.feed(bytes, &mut lines);
        self.shown(number, open, shown, effects);
    }

    /// What a session did is shown and carried out; if it can go on, it does.
    fn shown(
        &mut self,
        number: u64,
        mut open: OpenTerminal,
        shown: Vec<u8>,
        mut effects: Vec<Effect>,
    ) {
        if open.has_ended && open.held.is_empty() {
            open.terminal.end_of_input();
        }
        effects.extend(self.put_back(number, open, shown));
        self.start_jobs(number, &mut effects);
        self.carry_out(effects);
    }

    /// Shows a session what is for it, and keeps it unless it is over.
    fn put_back(&mut self, number: u64, mut open: OpenTerminal, bytes: Vec<u8>) -> Vec<Effect> {
        let alive = open.output.try_send(TerminalOutput::Bytes(bytes)).is_ok();
        if alive && !open.terminal.closed() {
            self.terminals.insert(number, open);
            return Vec::new();
        }
        let _gone = open.output.try_send(TerminalOutput::Close(0));
        self.switch.session_ended(self.clock.now(), &mut open.session)
    }

    /// What a session waited for has come.
    pub(super) fn go_on(&mut self, number: u64, reply: Reply) {
        if let Some(batch) = self.batches.get_mut(&number) {
            batch.say(&reply.text);
            batch.has_failed |= reply.text.starts_with('%');
            self.ready.push_back(Turn::Batch(number));
            return;
        }
        let Some(mut open) = self.terminals.remove(&number) else { return };
        let now = self.clock.now();
        let held = std::mem::take(&mut open.held);
        let mut effects = Vec::new();
        let (switch, devices) = self.parts();
        let mut lines =
            Lines { switch, session: &mut open.session, devices, now, effects: &mut effects };
        let mut shown = open.terminal.finish(reply, &mut lines);
        let mut held = held.into_iter();
        for (bytes, taken) in held.by_ref() {
            if open.terminal.is_busy() {
                open.held.push((bytes, taken));
                break;
            }
            shown.extend(open.terminal.feed(&bytes, &mut lines));
        }
        open.held.extend(held);
        self.shown(number, open, shown, effects);
    }

    /// Shows on a terminal how far something is that it waits for; whether there is a terminal.
    pub(super) fn show(&mut self, number: u64, text: &str) -> bool {
        let Some(open) = self.terminals.remove(&number) else { return false };
        let bytes = open.terminal.shown_meanwhile(text);
        let effects = self.put_back(number, open, bytes);
        self.carry_out(effects);
        self.terminals.contains_key(&number)
    }

    /// Says the same to whoever has no terminal; whether there is somebody who takes more.
    pub(super) fn say(&mut self, number: u64, text: &str) -> bool {
        let Some(batch) = self.batches.get_mut(&number) else { return false };
        batch.say(text);
        !batch.is_full
    }

    /// Shows a system message on the console and where `terminal monitor` is on.
    pub(super) fn notify(&mut self, line: &LogLine) {
        let now = self.clock.now();
        let numbers: Vec<u64> = self
            .terminals
            .iter()
            .filter(|(number, open)| {
                **number == CONSOLE && line.on_console
                    || **number != CONSOLE && open.session.monitor && line.on_monitors
            })
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            let Some(mut open) = self.terminals.remove(&number) else { continue };
            let mut effects = Vec::new();
            let (switch, devices) = self.parts();
            let lines =
                Lines { switch, session: &mut open.session, devices, now, effects: &mut effects };
            let bytes = open.terminal.notify(&line.text, &lines);
            // What follows from its end is told to nobody in the midst of telling.
            let _told = self.put_back(number, open, bytes);
        }
    }

    /// The session on a line ends, whatever it does.
    pub(super) fn end_session(&mut self, line: &str) {
        let on_it = |open: &OpenTerminal| open.session.line == line;
        let number = self.terminals.iter().find(|(_, open)| on_it(open)).map(|(number, _)| *number);
        if let Some(number) = number {
            self.end_job(number);
        }
        if let Some(mut open) = number.and_then(|number| self.terminals.remove(&number)) {
            let _gone = open.output.try_send(TerminalOutput::Close(0));
            let effects = self.switch.session_ended(self.clock.now(), &mut open.session);
            self.carry_out(effects);
        }
    }

    /// All sessions end: the switch restarts.
    pub(super) fn close_all(&mut self) {
        for (_, open) in std::mem::take(&mut self.terminals) {
            let _gone = open.output.try_send(TerminalOutput::Close(0));
        }
        for (_, mut batch) in std::mem::take(&mut self.batches) {
            // Not all of it was done.
            batch.has_failed |= !batch.lines.is_empty();
            batch.close();
        }
        // Whoever waits for an answer hears that there is none.
        self.calls.clear();
        self.ready.clear();
        for session in self.jobs.keys().copied().collect::<Vec<_>>() {
            // Nobody is there to be told.
            let _told = self.end_job(session);
        }
    }

    fn run_batch(
        &mut self,
        number: u64,
        session: Session,
        screen: Screen,
        command: &str,
        output: mpsc::Sender<TerminalOutput>,
    ) {
        let mut session = session;
        self.switch.session_began(self.clock.now(), &mut session);
        let lines = split_commands(command).into_iter().map(str::to_owned).collect();
        let is_raw = screen.is_there;
        let batch = Batch {
            session,
            lines,
            said: Vec::new(),
            has_failed: false,
            is_full: false,
            is_raw,
            output,
        };
        self.batches.insert(number, batch);
        self.ready.push_back(Turn::Batch(number));
    }

    /// Gives a session's next command.
    pub(super) fn step_batch(&mut self, number: u64) {
        let Some(mut batch) = self.batches.remove(&number) else { return };
        let now = self.clock.now();
        let Some(line) = batch.lines.pop_front() else {
            let effects = self.switch.session_ended(now, &mut batch.session);
            batch.close();
            return self.carry_out(effects);
        };
        let (switch, mut devices) = self.parts();
        let outcome = switch.execute(now, &mut batch.session, &line, &mut devices);
        batch.has_failed |= outcome.error.is_some();
        batch.say(&outcome.reply.text);
        if outcome.reply.close {
            // Whoever leaves wants nothing more; behind a restart is what was not done.
            let restarts = outcome.effects.iter().any(Effect::ends_sessions);
            batch.has_failed |= restarts && !batch.lines.is_empty();
            batch.lines.clear();
        }
        let mut effects = outcome.effects;
        self.batches.insert(number, batch);
        if !self.start_jobs(number, &mut effects) {
            self.ready.push_back(Turn::Batch(number));
        }
        self.carry_out(effects);
    }
}

impl OpenTerminal {
    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Batch {
    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    fn say(&mut self, text: &str) {
        if self.is_full {
            return;
        }
        if self.said.len() + text.len() > ANSWER_BYTES_MAX {
            self.said.extend_from_slice(b"% Too much output\n");
            (self.has_failed, self.is_full) = (true, true);
            self.lines.clear();
            return;
        }
        if self.is_raw {
            self.said.extend_from_slice(text.replace('\n', "\r\n").as_bytes());
        } else {
            self.said.extend_from_slice(text.as_bytes());
        }
    }

    /// All at once: the channel holds so many pieces only, and a program counts on every line.
    fn close(self) {
        let _gone = self.output.try_send(TerminalOutput::Bytes(self.said));
        let _gone = self.output.try_send(TerminalOutput::Close(u32::from(self.has_failed)));
    }
}
