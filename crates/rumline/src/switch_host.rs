//! The process around a switch: one loop that takes keys, answers and time to it, and carries out its effects.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rumline_agent::Input;
use rumline_cli::{LineHandler, Reply, Terminal, split_commands};
use rumline_net::{
    Clock, FileDisk, HttpClient, KeptFiles, NameLookup, Names, OsRandom, RawConsole, SshServer,
    StepWatch, TerminalEvent, TerminalOutput, process_facts, read_console, tftp_get, tftp_put,
    write_private,
};
use rumline_protocol::{Random, RealSuite, Timestamp, random_hex};
use rumline_switch::{
    Devices, Effect, Hardware, NameSettings, Process, RemoteCopy, Session, Switch,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The console's session.
const CONSOLE: u64 = 0;
/// An answer of the peer must be here within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(55);

/// What a switch process is started with.
pub(crate) struct Setup {
    pub dir: PathBuf,
    pub hardware: Hardware,
    /// Further roots that TLS trusts, DER.
    pub tls_roots: Vec<Vec<u8>>,
    /// The port of the name servers that the configuration names.
    pub dns_port: u16,
    pub first_config: Option<String>,
    pub ssh: Option<SocketAddr>,
    pub console: bool,
    pub admin_password_file: Option<PathBuf>,
    pub clock: Clock,
}

struct OpenTerminal {
    terminal: Terminal,
    session: Session,
    output: mpsc::Sender<TerminalOutput>,
}

struct Host {
    setup: Setup,
    clock: Clock,
    switch: Switch,
    store: FileDisk,
    flash: FileDisk,
    random: OsRandom,
    http: HttpClient,
    names: Names,
    answers: mpsc::Sender<Input>,
    terminals: BTreeMap<u64, OpenTerminal>,
    copies: mpsc::Sender<Copied>,
    /// Single commands that wait for a copy.
    waiting: BTreeMap<u64, mpsc::Sender<TerminalOutput>>,
    screen: Option<tokio::task::JoinHandle<()>>,
}

/// What a copy over the network came to.
struct Copied {
    session: u64,
    copy: RemoteCopy,
    outcome: Result<Vec<u8>, String>,
}

/// What the loop woke up for.
enum Happened {
    Terminal(TerminalEvent),
    Input(Input),
    Copied(Copied),
    Console(Vec<u8>),
    End,
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

    fn page_lines(&self) -> usize {
        self.session.page_lines()
    }

    fn takes_text(&self) -> bool {
        self.session.takes_text()
    }
}

/// Runs the switch until it is told to end.
pub(crate) async fn run(setup: Setup) -> Result<()> {
    let (answers, mut answered) = mpsc::channel(16);
    let (events, mut happened) = mpsc::channel(64);
    let (copies, mut copied) = mpsc::channel(16);
    let mut host = Host::start(setup, answers, copies)?;
    if let Some(address) = host.setup.ssh {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let local = listener.local_addr()?;
        let key = host_key(&host.setup.dir)?;
        let events = events.clone();
        tokio::spawn(async move {
            if let Err(error) = SshServer::run(listener, key, events).await {
                tracing::error!(%error, "SSH ended");
            }
        });
        println!(
            "{} ({}): ssh admin@{} -p {}",
            host.switch.hostname(),
            host.switch.udi(),
            local.ip(),
            local.port()
        );
    }
    let raw = host.setup.console.then(RawConsole::enter);
    let mut typed = host.setup.console.then(read_console);
    if host.setup.console {
        host.open_console();
    }
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut steps = StepWatch::default();
    loop {
        let due =
            host.switch.next_wake().map_or(Duration::from_secs(60), |(at, _)| host.clock.until(at));
        let next = tokio::select! {
            Some(event) = happened.recv() => Happened::Terminal(event),
            Some(input) = answered.recv() => Happened::Input(input),
            Some(copied) = copied.recv() => Happened::Copied(copied),
            bytes = next_typed(&mut typed) => bytes.map_or(Happened::End, Happened::Console),
            () = tokio::time::sleep(due) => Happened::Input(Input::Tick),
            _ = terminate.recv() => Happened::End,
            _ = interrupt.recv() => Happened::End,
        };
        // A step of the clock is told before anything is done by the new time.
        if let Some(millis) = steps.step_millis() {
            let to = host.clock.now();
            let shown = host.clock.of_world(millis);
            host.input(Input::ClockStepped { from: to - shown / 1000, to });
        }
        host.note_process();
        match next {
            Happened::Terminal(event) => host.terminal_event(event),
            Happened::Input(input) => host.input(input),
            Happened::Copied(copied) => host.copied(copied),
            Happened::Console(bytes) => host.typed(CONSOLE, &bytes),
            Happened::End => break,
        }
        if host.setup.console && !host.terminals.contains_key(&CONSOLE) {
            break;
        }
    }
    let now = host.clock.now();
    let (switch, mut devices) = host.parts();
    switch.shut_down(now, &mut devices);
    host.terminals.clear();
    if let Some(screen) = host.screen.take() {
        // The last of it is still on its way to the screen.
        let _shown = tokio::time::timeout(Duration::from_secs(2), screen).await.is_ok();
    }
    drop(raw);
    Ok(())
}

async fn next_typed(typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match typed {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

/// The seed of the SSH host key: made at first start.
fn host_key(dir: &std::path::Path) -> Result<[u8; 32]> {
    let files = KeptFiles::of(dir);
    if let Some(bytes) = files.read("ssh_host_key")? {
        return bytes.try_into().map_err(|_| anyhow::anyhow!("ssh_host_key is damaged"));
    }
    let mut seed = [0; 32];
    OsRandom.fill(&mut seed);
    files.write("ssh_host_key", &seed)?;
    Ok(seed)
}

impl Host {
    fn start(
        setup: Setup,
        answers: mpsc::Sender<Input>,
        copies: mpsc::Sender<Copied>,
    ) -> Result<Self> {
        let mut clock = setup.clock;
        let offset = KeptFiles::of(&setup.dir).read("clock")?;
        let offset = offset.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        clock.set_offset_millis(offset.unwrap_or(0));
        let mut store = FileDisk::open(&setup.dir.join("store")).context("the switch's store")?;
        let mut flash = FileDisk::open(&setup.dir.join("bootflash")).context("bootflash")?;
        let mut random = OsRandom;
        let mut roots = setup.tls_roots.clone();
        if !setup.hardware.root_certificate.is_empty() {
            roots.push(setup.hardware.root_certificate.clone());
        }
        let names = Names::default();
        let http = HttpClient::with_names(&roots, ANSWER_TIMEOUT, names.clone())?;
        let mut devices = Devices { store: &mut store, flash: &mut flash, random: &mut random };
        let (switch, effects) = Switch::boot(
            clock.now(),
            &setup.hardware,
            Arc::new(RealSuite),
            setup.first_config.as_deref(),
            "Unknown",
            &mut devices,
        )?;
        let mut host = Self {
            setup,
            clock,
            switch,
            store,
            flash,
            random,
            http,
            names,
            answers,
            terminals: BTreeMap::new(),
            copies,
            waiting: BTreeMap::new(),
            screen: None,
        };
        // A password that is asked for is made. Where none is, that of the startup configuration holds.
        let marker = host.setup.dir.join("admin-set");
        if !marker.exists() {
            if host.setup.admin_password_file.is_some() || !host.switch.has_admin() {
                host.give_admin_a_password()?;
            } else {
                println!("Log in as admin with the password of the startup configuration");
            }
            write_private(&marker, b"")?;
        }
        host.ensure_admin()?;
        host.carry_out(effects);
        Ok(host)
    }

    /// After `write erase` nobody could log in: admin gets a new password.
    fn ensure_admin(&mut self) -> Result<()> {
        // What the switch starts with next time is its own.
        self.setup.first_config = None;
        if self.switch.has_admin() { Ok(()) } else { self.give_admin_a_password() }
    }

    fn give_admin_a_password(&mut self) -> Result<()> {
        let password = format!("Rl{}", random_hex(&mut self.random, 8));
        let (switch, mut devices) = self.parts();
        switch.set_admin_password(&password, &mut devices)?;
        match &self.setup.admin_password_file {
            Some(file) => write_private(file, format!("{password}\n").as_bytes())?,
            None => println!("Log in as admin with the password (shown once): {password}"),
        }
        Ok(())
    }

    fn parts(&mut self) -> (&mut Switch, Devices<'_>) {
        let devices =
            Devices { store: &mut self.store, flash: &mut self.flash, random: &mut self.random };
        (&mut self.switch, devices)
    }

    /// Tells the switch of the process it is.
    fn note_process(&mut self) {
        let facts = process_facts();
        self.switch.note_process(Process {
            pid: std::process::id(),
            user_millis: facts.user_millis,
            kernel_millis: facts.kernel_millis,
            up_millis: facts.up_millis,
            invocations: facts.invocations,
            resident_kib: facts.resident_kib,
            data_kib: facts.data_kib,
            stack_base: facts.stack_base,
            memory_total_kib: facts.memory_total_kib,
            memory_free_kib: facts.memory_free_kib,
            memory_buffers_kib: facts.memory_buffers_kib,
            memory_cached_kib: facts.memory_cached_kib,
            vmalloc_total_kib: facts.vmalloc_total_kib,
            vmalloc_free_kib: facts.vmalloc_free_kib,
            load_hundredths: facts.load_hundredths,
        });
    }

    fn input(&mut self, input: Input) {
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        let effects = switch.agent_input(now, input, &mut devices);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { request_id, url, body, .. } => self.send(request_id, url, body),
                Effect::Log(line) => self.notify(&line),
                Effect::ClockSet(to) => self.set_clock(to),
                // A copy belongs to a session, which takes it out before.
                Effect::Copy(_) => {}
                Effect::Reload => return self.reload(),
            }
        }
    }

    fn send(&self, request_id: String, url: String, body: Vec<u8>) {
        let NameSettings { hosts, servers, domains, lookup } = self.switch.names();
        let (table_only, port) = (!lookup, self.setup.dns_port);
        self.names.set(NameLookup { hosts, servers, domains, table_only, port });
        let (http, answers) = (self.http.clone(), self.answers.clone());
        tokio::spawn(async move {
            let input = match http.send("POST", &url, None, "application/json", body).await {
                Ok(reply) if reply.status == 200 => Input::Answer { request_id, body: reply.body },
                Ok(reply) if reply.status == 429 => {
                    let retry_after_seconds = reply.retry_after_seconds.unwrap_or(60);
                    Input::Busy { request_id, retry_after_seconds }
                }
                Ok(reply) => {
                    let reason = match reply.status {
                        404 => "404 host not found".to_owned(),
                        status => format!("HTTP status {status}"),
                    };
                    Input::Unreachable { request_id, reason }
                }
                Err(error) => Input::Unreachable { request_id, reason: error.to_string() },
            };
            // The switch may be gone by now.
            let _gone = answers.send(input).await;
        });
    }

    /// Starts the copies among the effects of a session.
    fn start_copies(&self, session: u64, effects: &mut Vec<Effect>) -> bool {
        let mut started = false;
        effects.retain(|effect| {
            let Effect::Copy(copy) = effect else { return true };
            let (copy, copies) = (copy.clone(), self.copies.clone());
            tokio::spawn(async move {
                let outcome = match &copy.put {
                    Some(bytes) => tftp_put(&copy.url, bytes).await.map(|()| Vec::new()),
                    None => tftp_get(&copy.url).await,
                };
                let outcome = outcome.map_err(|error| error.to_string());
                // The switch may be gone by now.
                let _gone = copies.send(Copied { session, copy, outcome }).await;
            });
            started = true;
            false
        });
        started
    }

    fn copied(&mut self, copied: Copied) {
        let (_, mut devices) = self.parts();
        let text = Switch::copied(&copied.copy, copied.outcome, &mut devices);
        if let Some(output) = self.waiting.remove(&copied.session) {
            let _gone = output.try_send(TerminalOutput::Bytes(text.into_bytes()));
            let _gone = output.try_send(TerminalOutput::Close);
            return;
        }
        let Some(mut open) = self.terminals.remove(&copied.session) else { return };
        let now = self.clock.now();
        let mut effects = Vec::new();
        let (switch, devices) = self.parts();
        let mut lines =
            Lines { switch, session: &mut open.session, devices, now, effects: &mut effects };
        let bytes = open.terminal.finish(&text, &mut lines);
        effects.extend(self.put_back(copied.session, open, bytes));
        self.start_copies(copied.session, &mut effects);
        self.carry_out(effects);
    }

    /// Shows a session what is for it, and keeps it unless it is over.
    fn put_back(&mut self, number: u64, mut open: OpenTerminal, bytes: Vec<u8>) -> Vec<Effect> {
        let alive = open.output.try_send(TerminalOutput::Bytes(bytes)).is_ok();
        if alive && !open.terminal.closed() {
            self.terminals.insert(number, open);
            return Vec::new();
        }
        let _gone = open.output.try_send(TerminalOutput::Close);
        self.switch.session_ended(self.clock.now(), &mut open.session)
    }

    /// Shows a system message on the console and where `terminal monitor` is on.
    fn notify(&mut self, line: &str) {
        let now = self.clock.now();
        let numbers: Vec<u64> = self
            .terminals
            .iter()
            .filter(|(number, open)| **number == CONSOLE || open.session.monitor)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            let Some(mut open) = self.terminals.remove(&number) else { continue };
            let mut effects = Vec::new();
            let (switch, devices) = self.parts();
            let lines =
                Lines { switch, session: &mut open.session, devices, now, effects: &mut effects };
            let bytes = open.terminal.notify(line, &lines);
            // What follows from its end is told to nobody in the midst of telling.
            let _told = self.put_back(number, open, bytes);
        }
    }

    fn set_clock(&mut self, to: Timestamp) {
        let from = self.clock.now();
        self.clock.set(to);
        let offset = self.clock.offset_millis().to_string();
        if let Err(error) = KeptFiles::of(&self.setup.dir).write("clock", offset.as_bytes()) {
            tracing::warn!(%error, "the clock's setting could not be kept");
        }
        self.input(Input::ClockStepped { from, to });
    }

    fn reload(&mut self) {
        for (_, open) in std::mem::take(&mut self.terminals) {
            let _gone = open.output.try_send(TerminalOutput::Close);
        }
        let now = self.clock.now();
        let hardware = self.setup.hardware.clone();
        let first_config = self.setup.first_config.clone();
        let suite = Arc::new(RealSuite);
        let reason = "Reset Requested by CLI command reload";
        let (_, mut devices) = self.parts();
        match Switch::boot(now, &hardware, suite, first_config.as_deref(), reason, &mut devices) {
            Ok((switch, effects)) => {
                self.switch = switch;
                if let Err(error) = self.ensure_admin() {
                    tracing::error!(%error, "admin has no password");
                }
                self.carry_out(effects);
            }
            Err(error) => tracing::error!(%error, "the switch did not come up again"),
        }
        if self.setup.console {
            self.open_console();
        }
    }

    fn open_console(&mut self) {
        let (output, mut shown) = mpsc::channel(1024);
        let screen = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let mut screen = tokio::io::stdout();
            while let Some(TerminalOutput::Bytes(bytes)) = shown.recv().await {
                if screen.write_all(&bytes).await.is_err() || screen.flush().await.is_err() {
                    return;
                }
            }
        });
        self.screen = Some(screen);
        self.open(CONSOLE, "admin", 0, None, output);
    }

    fn terminal_event(&mut self, event: TerminalEvent) {
        match event {
            TerminalEvent::LogIn { login, password, from, answer } => {
                let may = self.switch.may_log_in(&login, &password);
                let (now, from) = (self.clock.now(), from.to_string());
                let told = if may {
                    self.switch.logged_in(now, &login, &from)
                } else {
                    self.switch.login_failed(now, &login, &from)
                };
                self.carry_out(vec![told]);
                // Whoever asked may have hung up.
                let _gone = answer.send(may);
            }
            TerminalEvent::Open { session, login, rows, command, output } => {
                self.open(session, &login, rows, command, output);
            }
            TerminalEvent::Typed { session, bytes, taken } => {
                self.typed(session, &bytes);
                drop(taken);
            }
            TerminalEvent::Ended { session } => {
                if let Some(mut open) = self.terminals.remove(&session) {
                    open.terminal.end_of_input();
                    let effects = self.put_back(session, open, Vec::new());
                    self.carry_out(effects);
                }
            }
            TerminalEvent::Closed { session } => {
                if let Some(mut open) = self.terminals.remove(&session) {
                    let now = self.clock.now();
                    let effects = self.switch.session_ended(now, &mut open.session);
                    self.carry_out(effects);
                }
            }
        }
    }

    fn open(
        &mut self,
        number: u64,
        login: &str,
        rows: u32,
        command: Option<String>,
        output: mpsc::Sender<TerminalOutput>,
    ) {
        let now = self.clock.now();
        let line = if number == CONSOLE { "console0".to_owned() } else { format!("pts/{number}") };
        if let Some(command) = command {
            let mut session = Session::for_program(login);
            session.line = line;
            let (mut effects, mut said) = (Vec::new(), Vec::new());
            for line in split_commands(&command) {
                let (switch, mut devices) = self.parts();
                let outcome = switch.execute(now, &mut session, line, &mut devices);
                effects.extend(outcome.effects);
                said.extend(outcome.reply.text.into_bytes());
            }
            effects.extend(self.switch.end_configuration(now, &mut session));
            // All at once: the channel holds so many pieces only, and a program counts on every line.
            let _gone = output.try_send(TerminalOutput::Bytes(said));
            if self.start_copies(number, &mut effects) {
                self.waiting.insert(number, output);
            } else {
                let _gone = output.try_send(TerminalOutput::Close);
            }
            return self.carry_out(effects);
        }
        let mut session = Session::new(login);
        session.length = usize::try_from(rows).unwrap_or(0);
        session.line = line;
        self.switch.session_began(now, &mut session);
        let terminal = Terminal::default();
        let mut effects = Vec::new();
        let (switch, devices) = self.parts();
        let banners = switch.banners();
        let lines = Lines { switch, session: &mut session, devices, now, effects: &mut effects };
        let bytes = terminal.start(&banners, &lines);
        let open = OpenTerminal { terminal, session, output };
        let effects = self.put_back(number, open, bytes);
        self.carry_out(effects);
    }

    fn typed(&mut self, number: u64, bytes: &[u8]) {
        let Some(mut open) = self.terminals.remove(&number) else { return };
        let now = self.clock.now();
        let mut effects = Vec::new();
        let (switch, devices) = self.parts();
        let mut lines =
            Lines { switch, session: &mut open.session, devices, now, effects: &mut effects };
        let shown = open.terminal.feed(bytes, &mut lines);
        effects.extend(self.put_back(number, open, shown));
        self.start_copies(number, &mut effects);
        self.carry_out(effects);
    }
}
