//! One switch and its loop: keys, answers, requests and time go in, what it wants done is carried out.

mod copies;
mod jobs;
mod probes;
mod sessions;
mod syslog;
mod time;
mod ways;
mod web;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use rumline_agent::{Disk, Input};
use rumline_net::{
    Clock, FileDisk, HostKeys, KeptFiles, OsRandom, Outlets, RawConsole, Screen, SshEvent,
    SshServer, StepWatch, TerminalOutput, TlsClient, client_config, old_client_config,
    read_console, write_private,
};
use rumline_protocol::{RealSuite, random_hex};
use rumline_switch::pair::Place;
use rumline_switch::{
    Devices, Effect, Hardware, NoAnswer, RUNNING_FILE, Session, Switch, TimeAnswer,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::pair::{Active, Arrived, Ended, PairNews, PairSetup, Shown, Supervisor};
use crate::process::process_facts;
use crate::web::WebRequest;
use jobs::{Job, News};
use sessions::{Batch, CONSOLE, OpenTerminal};
use syslog::Queues;
use web::{Call, Cookies, Listening};

/// So long an address may be in use before that is an error.
const BIND_PATIENCE: Duration = Duration::from_secs(2);
/// So long what was answered may take to leave before the other supervisor takes over.
const LAST_ANSWERS: Duration = Duration::from_millis(100);
/// How old what is known of the process may be.
const PROCESS_AGE: Duration = Duration::from_secs(1);

/// What a switch process is started with.
#[derive(Clone)]
pub struct Setup {
    /// Where the switch keeps everything.
    pub dir: PathBuf,
    /// What it is.
    pub hardware: Hardware,
    /// Further roots that TLS trusts, DER.
    pub tls_roots: Vec<Vec<u8>>,
    /// The port of the name servers that the configuration names.
    pub dns_port: u16,
    /// The port of the syslog servers whose lines name none.
    pub syslog_port: u16,
    /// The port of the time servers.
    pub ntp_port: u16,
    /// What its VRFs and interfaces stand for.
    pub outlets: Outlets,
    /// The startup configuration of a switch that has none yet.
    pub first_config: Option<String>,
    /// Where SSH listens, if it does.
    pub ssh: Option<SocketAddr>,
    /// The address that NX-API listens on, at the ports of the configuration.
    pub nxapi_address: IpAddr,
    /// Where its HTTP listens instead, whatever port the configuration says.
    pub nxapi_http: Option<SocketAddr>,
    /// Where its HTTPS listens instead.
    pub nxapi_https: Option<SocketAddr>,
    /// Whether this terminal is its console.
    pub console: bool,
    /// Where the first password of admin is written to; it is shown if nowhere.
    pub admin_password_file: Option<PathBuf>,
    /// What time it is.
    pub clock: Clock,
}

/// A switch with what it needs around it.
pub struct Host {
    setup: Setup,
    clock: Clock,
    switch: Switch,
    store: Box<dyn Disk + Send>,
    flash: Box<dyn Disk + Send>,
    random: OsRandom,
    /// What it does for the other supervisor, in a pair.
    pair: Option<Active>,
    /// What the console of one that waits shows.
    shown: Option<Shown>,
    /// The TLS that is offered, and that of older releases.
    tls: Arc<TlsClient>,
    old_tls: Arc<TlsClient>,
    /// Where what happens is told to the loop, and where the loop hears of it.
    happened: mpsc::Sender<Happened>,
    heard: mpsc::Receiver<Happened>,
    ssh: SshServer,
    at_ssh: mpsc::Receiver<SshEvent>,
    /// Where requests to NX-API are told, and where the loop hears of them.
    web: mpsc::Sender<WebRequest>,
    at_web: mpsc::Receiver<WebRequest>,
    cookies: Cookies,
    listening: Listening,
    /// NX-API's certificate and its key, DER.
    certificate: (Vec<u8>, Vec<u8>),
    terminals: BTreeMap<u64, OpenTerminal>,
    batches: BTreeMap<u64, Batch>,
    /// What sessions wait for.
    jobs: BTreeMap<u64, Job>,
    last_job: u64,
    /// System messages on their way to servers.
    queues: Queues,
    /// Requests to NX-API that are not done.
    calls: BTreeMap<u64, Call>,
    last_call: u64,
    /// Who has commands to give, in turn.
    ready: VecDeque<Turn>,
    screen: Option<tokio::task::JoinHandle<()>>,
    /// When the process was looked at last, by its own clock.
    looked_at: Option<tokio::time::Instant>,
    /// Whether the other supervisor takes over.
    hands_over: bool,
    /// Whether the other one may have taken over.
    is_fenced: bool,
    /// The change of the copy that is shown.
    shown_changes: u64,
}

/// Whose turn it is to give a command.
#[derive(Clone, Copy)]
enum Turn {
    /// A session without a terminal.
    Batch(u64),
    /// A request to NX-API.
    Call(u64),
}

/// What the loop wakes up for.
enum Happened {
    Ssh(SshEvent),
    Input(Input),
    /// Of something that a session waits for.
    News(News),
    Web(WebRequest),
    /// Something went wrong outside of the switch: its log says so.
    Told(String),
    /// What came of a question for a time server.
    TimeHeard {
        number: u64,
        outcome: Result<TimeAnswer, NoAnswer>,
    },
    /// What came of a system message to a server.
    SyslogEnded {
        server: String,
        outcome: Result<(), String>,
    },
    Console(Vec<u8>),
    /// The other supervisor came, or there is something to do for it.
    Pair(Option<Arrived>),
    /// It is the next one's turn.
    Turn,
    End,
}

/// Runs switches until they are told to end.
///
/// # Errors
/// When one of them cannot be started.
pub async fn run(setups: Vec<Setup>) -> Result<()> {
    let (stop, _) = watch::channel(false);
    let mut hosts = Vec::new();
    for setup in setups {
        let host = Host::start(setup)?;
        host.listen_for_ssh(host.setup.ssh).await?;
        let mut stopped = stop.subscribe();
        hosts.push(host.serve(async move {
            // An error means that whoever could say so is gone: that ends it too.
            let _gone = stopped.wait_for(|stop| *stop).await.is_err();
        }));
    }
    let told = async move {
        if let Err(error) = end_of_process().await {
            tracing::error!(%error, "signals are not heard");
        }
        stop.send_replace(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = join_all(hosts) => {}
        () = told => {}
    }
    Ok(())
}

async fn next_typed(typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match typed {
        Some(receiver) => receiver.recv().await,
        None => std::future::pending().await,
    }
}

/// Listens on an address. Whoever listened there until now may need a moment to end.
async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let end = tokio::time::Instant::now() + BIND_PATIENCE;
    loop {
        match TcpListener::bind(address).await {
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && tokio::time::Instant::now() < end =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            bound => return bound,
        }
    }
}

async fn next_of_pair(pair: &mut Option<Active>) -> Option<Arrived> {
    match pair {
        Some(pair) => pair.wait().await,
        None => std::future::pending().await,
    }
}

/// Runs a supervisor of a pair until it is told to end.
///
/// # Errors
/// When it cannot be started.
pub fn run_supervisor(setup: Setup, pair: PairSetup) -> Result<()> {
    let (stop, stopped) = watch::channel(false);
    let supervisor = Supervisor::new(setup, pair, stopped)?;
    // Signals are heard whatever it does at the moment.
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let heard = runtime.map(|runtime| runtime.block_on(end_of_process()));
        if let Err(error) | Ok(Err(error)) = heard.map_err(anyhow::Error::from) {
            tracing::error!(%error, "signals are not heard");
        }
        stop.send_replace(true);
    })?;
    supervisor.run()
}

/// Until somebody wants the process to end.
async fn end_of_process() -> Result<()> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// The certificate of NX-API and its key, DER: one that it made for itself.
fn certificate(files: &KeptFiles) -> Result<(Vec<u8>, Vec<u8>)> {
    if let (Some(certificate), Some(key)) = (files.read("nxapi.der")?, files.read("nxapi.key")?) {
        return Ok((certificate, key));
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .context("NX-API's certificate cannot be made")?;
    let (certificate, key) = (made.cert.der().to_vec(), made.signing_key.serialize_der());
    files.write("nxapi.key", &key)?;
    files.write("nxapi.der", &certificate)?;
    Ok((certificate, key))
}

impl Host {
    /// Brings a switch up.
    ///
    /// # Errors
    /// When its directory cannot be used, or there is no such switch.
    pub fn start(setup: Setup) -> Result<Self> {
        let store = FileDisk::open(&setup.dir.join("store")).context("the switch's store")?;
        let flash = FileDisk::open(&setup.dir.join("bootflash")).context("bootflash")?;
        let (mut host, effects) = Self::start_on(setup, (Box::new(store), Box::new(flash)), false)?;
        host.carry_out(effects);
        Ok(host)
    }

    /// Brings the active supervisor of a pair up.
    pub(crate) fn start_in_pair(setup: Setup, active: Active, took_over: bool) -> Result<Self> {
        let store = Box::new(active.copied(Place::Store).context("the switch's store")?);
        let flash = Box::new(active.copied(Place::Flash).context("bootflash")?);
        let (mut host, mut first) = Self::start_on(setup, (store, flash), took_over)?;
        let (now, redundancy) = (host.clock.now(), active.redundancy());
        let (switch, mut devices) = host.parts();
        let mut effects = switch.redundancy_changed(now, redundancy, &mut devices);
        if took_over {
            effects.extend(switch.took_over(now));
        }
        first.extend(effects);
        host.pair = Some(active);
        host.carry_out(first);
        Ok(host)
    }

    /// Brings the console of a supervisor that waits up.
    pub(crate) fn start_on_copy(shown: Shown) -> Result<Self> {
        let (store, flash) = shown.disks();
        let disks: (Box<dyn Disk + Send>, Box<dyn Disk + Send>) =
            (Box::new(store), Box::new(flash));
        // It is a copy: nothing of what follows is done.
        let (mut host, _effects) = Self::start_on(shown.setup.clone(), disks, true)?;
        let (now, redundancy) = (host.clock.now(), shown.redundancy.clone());
        let (switch, mut devices) = host.parts();
        let _effects = switch.redundancy_changed(now, redundancy, &mut devices);
        host.shown_changes = shown.changes();
        host.shown = Some(shown);
        Ok(host)
    }

    /// The copy has gone on: a new session sees it as it is now.
    fn look_at_copy_anew(&mut self) {
        let Some(shown) = self.shown.take_if(|shown| shown.changes() != self.shown_changes) else {
            return;
        };
        match Self::start_on_copy(shown) {
            Ok(host) => {
                self.switch = host.switch;
                (self.store, self.flash) = (host.store, host.flash);
                (self.shown, self.shown_changes) = (host.shown, host.shown_changes);
            }
            Err(error) => tracing::warn!("the copy cannot be shown: {error:#}"),
        }
    }

    fn start_on(
        setup: Setup,
        (mut store, mut flash): (Box<dyn Disk + Send>, Box<dyn Disk + Send>),
        takes_over: bool,
    ) -> Result<(Self, Vec<Effect>)> {
        let mut clock = setup.clock;
        let files = KeptFiles::of(&setup.dir);
        let offset = files.read("clock")?;
        let offset = offset.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        clock.set_offset_millis(offset.unwrap_or(0));
        let mut random = OsRandom;
        let mut roots = setup.tls_roots.clone();
        if !setup.hardware.root_certificate.is_empty() {
            roots.push(setup.hardware.root_certificate.clone());
        }
        let tls = Arc::new(client_config(&roots)?);
        let old_tls = Arc::new(old_client_config(&roots)?);
        let mut devices = Devices { store: &mut *store, flash: &mut *flash, random: &mut random };
        let (now, suite, first) = (clock.now(), Arc::new(RealSuite), setup.first_config.as_deref());
        let (switch, effects) = if takes_over {
            Switch::take_over(now, &setup.hardware, suite, first, &mut devices)?
        } else {
            Switch::boot(now, &setup.hardware, suite, first, "Unknown", &mut devices)?
        };
        let (happened, heard) = mpsc::channel(16);
        let (events, at_ssh) = mpsc::channel(64);
        let (web, at_web) = mpsc::channel(16);
        let certificate = certificate(&files)?;
        let ssh = SshServer::new(HostKeys::of(&files)?, events);
        let mut host = Self {
            setup,
            clock,
            switch,
            store,
            flash,
            random,
            pair: None,
            shown: None,
            tls,
            old_tls,
            happened,
            heard,
            ssh,
            at_ssh,
            web,
            at_web,
            cookies: Cookies::default(),
            listening: Listening::default(),
            certificate,
            terminals: BTreeMap::new(),
            batches: BTreeMap::new(),
            calls: BTreeMap::new(),
            last_call: 0,
            jobs: BTreeMap::new(),
            last_job: 0,
            queues: Queues::default(),
            ready: VecDeque::new(),
            screen: None,
            looked_at: None,
            hands_over: false,
            is_fenced: false,
            shown_changes: 0,
        };
        // A password that is asked for is made. Where none is, that of the startup configuration holds.
        let marker = host.setup.dir.join("admin-set");
        if !marker.exists() {
            if host.setup.admin_password_file.is_some() || !host.switch.has_admin() {
                host.give_admin_a_password()?;
            } else {
                rumline_net::say!("Log in as admin with the password of the startup configuration");
            }
            write_private(&marker, b"")?;
        }
        host.ensure_admin()?;
        Ok((host, effects))
    }

    /// Listens for SSH at these addresses, and says so.
    pub(crate) async fn listen_for_ssh(
        &self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<()> {
        for address in addresses {
            let listener =
                bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
            let local = listener.local_addr()?;
            tokio::spawn(self.ssh().run(listener));
            rumline_net::say!(
                "{} ({}): ssh admin@{} -p {}",
                self.switch.hostname(),
                self.switch.udi(),
                local.ip(),
                local.port()
            );
        }
        Ok(())
    }

    /// Its SSH server, to bring connections to.
    #[must_use]
    pub fn ssh(&self) -> SshServer {
        self.ssh.clone()
    }

    /// Serves until `stop`.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        self.serve_in_pair(stop).await;
    }

    /// Serves until `stop`, or until the other supervisor takes over.
    pub(crate) async fn serve_in_pair(mut self, stop: impl Future<Output = ()>) -> Ended {
        let raw = self.setup.console.then(RawConsole::enter);
        let mut typed = self.setup.console.then(read_console);
        if self.setup.console {
            self.open_console();
        }
        let mut steps = StepWatch::default();
        self.listen_as_configured();
        tokio::pin!(stop);
        loop {
            let wake = self.switch.next_wake().filter(|_| self.shown.is_none());
            let due = wake.map_or(Duration::from_secs(60), |(at, _)| self.clock.until(at));
            let next = tokio::select! {
                Some(event) = self.at_ssh.recv() => Happened::Ssh(event),
                Some(happened) = self.heard.recv() => happened,
                Some(request) = self.at_web.recv() => Happened::Web(request),
                bytes = next_typed(&mut typed) => bytes.map_or(Happened::End, Happened::Console),
                () = tokio::time::sleep(due) => Happened::Input(Input::Tick),
                () = std::future::ready(()), if !self.ready.is_empty() => Happened::Turn,
                arrived = next_of_pair(&mut self.pair) => Happened::Pair(arrived),
                () = &mut stop => Happened::End,
            };
            // One that was held up for long may not be the one that speaks any more.
            if self.pair.as_ref().is_some_and(|pair| !pair.may_speak()) {
                self.is_fenced = true;
                break;
            }
            // A step of the clock is told before anything is done by the new time.
            if let Some(millis) = steps.step_millis() {
                let to = self.clock.now();
                let shown = self.clock.of_world(millis);
                self.input(Input::ClockStepped { from: to - shown / 1000, to });
            }
            self.note_process();
            match next {
                Happened::Ssh(event) => self.ssh_event(event),
                Happened::Input(input) => self.input(input),
                Happened::News(news) => self.news(news),
                Happened::Web(request) => self.web_request(request),
                Happened::Told(text) => {
                    let told = self.switch.told(self.clock.now(), &text);
                    self.carry_out(vec![told]);
                }
                Happened::TimeHeard { number, outcome } => {
                    let effects = self.switch.time_heard(self.clock.now(), number, outcome);
                    self.carry_out(effects);
                }
                Happened::SyslogEnded { server, outcome } => {
                    self.switch.syslog_ended(&server, outcome);
                }
                Happened::Console(bytes) => self.typed(CONSOLE, bytes, None),
                Happened::Pair(arrived) => self.pair_step(arrived),
                Happened::Turn => {
                    match self.ready.pop_front() {
                        Some(Turn::Batch(number)) => self.step_batch(number),
                        Some(Turn::Call(number)) => self.step_call(number),
                        None => {}
                    }
                    // On a single thread nobody else is heard before this loop waits for something: what others sent meanwhile
                    // has its turn too.
                    tokio::task::yield_now().await;
                }
                Happened::End => break,
            }
            if self.setup.console && !self.terminals.contains_key(&CONSOLE) {
                break;
            }
            if self.hands_over {
                break;
            }
            self.look_at_pair();
            self.listen_as_configured();
        }
        let now = self.clock.now();
        if self.shown.is_none() && !self.is_fenced {
            let (switch, mut devices) = self.parts();
            switch.shut_down(now, &mut devices);
        }
        if self.pair.is_some() {
            self.keep_running();
        }
        self.close_all();
        if let Some(screen) = self.screen.take() {
            // The last of it is still on its way to the screen.
            let _shown = tokio::time::timeout(Duration::from_secs(2), screen).await.is_ok();
        }
        drop(raw);
        if self.is_fenced {
            tracing::error!("the witness does not let this supervisor speak any more");
            return Ended::HandedOver;
        }
        if !self.hands_over {
            return Ended::Stopped;
        }
        // What was answered leaves before this one does.
        tokio::time::sleep(LAST_ANSWERS).await;
        Ended::HandedOver
    }

    /// If this supervisor becomes active again, it goes on with what ran until now.
    fn keep_running(&self) {
        let path = self.setup.dir.join("store").join(RUNNING_FILE);
        let text = self.switch.running().render();
        if let Err(error) = write_private(&path, text.as_bytes()) {
            tracing::warn!(%error, "the configuration that runs could not be kept");
        }
    }

    /// The other supervisor came, or there is something to do for it.
    fn pair_step(&mut self, arrived: Option<Arrived>) {
        let now_millis = self.clock.now_millis();
        let Some(pair) = &mut self.pair else { return };
        let news = pair.step(arrived, now_millis);
        self.pair_news(news);
    }

    /// What was done may have shown that the other supervisor is gone.
    fn look_at_pair(&mut self) {
        let Some(pair) = &mut self.pair else { return };
        let mut news = PairNews::default();
        pair.look(&mut news);
        self.pair_news(news);
    }

    fn pair_news(&mut self, news: PairNews) {
        let now = self.clock.now();
        for text in news.told {
            let told = self.switch.told(now, &text);
            self.carry_out(vec![told]);
        }
        if let Some(redundancy) = news.redundancy {
            let (switch, mut devices) = self.parts();
            let effects = switch.redundancy_changed(now, redundancy, &mut devices);
            self.carry_out(effects);
        }
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
            None => rumline_net::say!("Log in as admin with the password (shown once): {password}"),
        }
        Ok(())
    }

    fn parts(&mut self) -> (&mut Switch, Devices<'_>) {
        let devices =
            Devices { store: &mut *self.store, flash: &mut *self.flash, random: &mut self.random };
        (&mut self.switch, devices)
    }

    /// Tells the switch of the process it is, unless that was told just now.
    fn note_process(&mut self) {
        if self.looked_at.is_none_or(|at| at.elapsed() >= PROCESS_AGE) {
            self.looked_at = Some(tokio::time::Instant::now());
            let facts = process_facts(&self.setup.dir.join("bootflash"));
            self.switch.note_process(facts);
        }
    }

    fn input(&mut self, input: Input) {
        if self.shown.is_some() {
            return;
        }
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        let effects = switch.agent_input(now, input, &mut devices);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if self.shown.is_some() && !matches!(effect, Effect::Log(_) | Effect::EndSession(_)) {
                continue;
            }
            match effect {
                Effect::Send { request_id, url, path, content_type, body, .. } => {
                    if self.pair.as_ref().is_some_and(|pair| !pair.may_speak()) {
                        continue;
                    }
                    self.send(request_id, url, &path, (content_type, body));
                }
                Effect::Log(line) => {
                    self.notify(&line);
                    if self.shown.is_none() {
                        line.datagrams.into_iter().for_each(|datagram| self.post(datagram));
                    }
                }
                Effect::ClockSet(to) => self.set_clock(|clock| clock.set(to)),
                Effect::ClockMoved { by_millis } => self.set_clock(|clock| {
                    clock.set_offset_millis(clock.offset_millis().saturating_add(by_millis));
                }),
                Effect::AskTime(question) => self.ask_time(question),
                // They belong to a session, which takes them out before.
                Effect::Copy(_) | Effect::Ping(_) | Effect::Trace(_) => {}
                Effect::EndSession(line) => self.end_session(&line),
                Effect::Reload => return self.reload(),
                Effect::Switchover => self.hands_over = true,
                Effect::ReloadStandby => {
                    if let Some(pair) = &mut self.pair {
                        pair.restart_other();
                    }
                }
            }
        }
    }

    fn set_clock(&mut self, set: impl FnOnce(&mut Clock)) {
        let from = self.clock.now();
        set(&mut self.clock);
        let to = self.clock.now();
        let offset = self.clock.offset_millis().to_string();
        if let Err(error) = KeptFiles::of(&self.setup.dir).write("clock", offset.as_bytes()) {
            tracing::warn!(%error, "the clock's setting could not be kept");
        }
        // The chassis has one clock, whoever goes on with it next.
        let now_millis = self.clock.now_millis();
        if let Some(pair) = &mut self.pair {
            pair.tell_clock(now_millis);
        }
        self.input(Input::ClockStepped { from, to });
    }

    fn reload(&mut self) {
        self.close_all();
        self.ssh.hang_up();
        self.cookies = Cookies::default();
        let now = self.clock.now();
        let hardware = self.setup.hardware.clone();
        let first_config = self.setup.first_config.clone();
        let suite = Arc::new(RealSuite);
        let reason = "Reset Requested by CLI command reload";
        let (_, mut devices) = self.parts();
        match Switch::boot(now, &hardware, suite, first_config.as_deref(), reason, &mut devices) {
            Ok((switch, mut effects)) => {
                self.switch = switch;
                if let Some(redundancy) = self.pair.as_ref().map(Active::redundancy) {
                    let (switch, mut devices) = self.parts();
                    effects.extend(switch.redundancy_changed(now, redundancy, &mut devices));
                }
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
        self.open(CONSOLE, Session::new("admin"), Screen::default(), output);
    }
}
