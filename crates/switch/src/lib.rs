//! A Nexus-like switch around the smart agent: commands, configuration, features, show output. Pure.
//!
//! Host and switch meet in [`Switch::execute`] and [`Switch::agent_input`]: a line or an event comes in with `now`,
//! text and [`Effect`]s come out. What the switch does follows from the lines of its configuration, so any real
//! configuration loads.

#![warn(missing_docs)]

mod answer;
mod command;
mod config;
mod dispatch;
mod nxapi;
pub mod pair;
mod session;
mod topics;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rumline_agent::{Agent, Disk, DiskError, Environment, Input, Peer, Profile, Reason};
use rumline_catalogue::{Catalogue, Platform, Release};
use rumline_legacy::Kept;
use rumline_protocol::{HaMember, PublicKey, Random, Role, Suite, Timestamp, Udi};

pub use answer::{CommandError, Outcome};
pub use config::{ConfigTree, Line, Lines};
pub use nxapi::{HttpAnswer, NxapiRequest, NxapiSettings, Verb};
pub use session::Session;

use crate::session::Seen;
pub use topics::doctor::{damaged_way, signs_of_configuration};
pub use topics::files::{FlashPath, damaged_startup, text_of};
pub use topics::legacy::damaged_licensing;
pub use topics::logging::{LogLine, SyslogDatagram};
pub use topics::names::{NameServer, Names};
pub use topics::network::{NoPath, Path, Proxy, SourceInterface, Tls, Way};
pub use topics::ntp::{NoAnswer, TimeAnswer, TimeQuestion};
pub use topics::reach::{NoProbe, Ping, PingReport, ProbeAnswer, Stop, Trace, TraceReport};
pub use topics::redundancy::{OtherState, OtherSupervisor, Redundancy, Slot};
pub use topics::software::{STARTED_FILE, came_with, damaged_software};
pub use topics::system::Process;
pub use words::command_reference;

use crate::config::{Reader, Settings, Software, Source};
use crate::topics::clock::Zone;
use crate::topics::configuration::{Checkpoint, Draft};
use crate::topics::doctor::Worked;
use crate::topics::files::{Found, read_startup, write_startup};
use crate::topics::legacy::{self, Older, asleep};
use crate::topics::license::{InUse, licensing};
use crate::topics::logging::{By, Destinations, Log};
use crate::topics::network::WayLines;
use crate::topics::ntp::{Time, TimeSettings};
use crate::topics::preview::{Shown, digest};
use crate::topics::software::{Came, Origin, Start, convert_startup, not_of, version_line};
use crate::topics::system::Samples;
use crate::topics::{system, terminal, users};
use crate::words::Words;

/// The configuration that runs lies in a store under this name, for a supervisor that takes over.
pub const RUNNING_FILE: &str = "running-config";
/// The name of a switch that was given none.
const DEFAULT_HOSTNAME: &str = "switch";
/// First words of global lines that more follows from than licences.
const DERIVED_FROM: &[&str] = &[
    "hostname",
    "switchname",
    "clock",
    "license",
    "callhome",
    "username",
    "cli",
    "logging",
    "ntp",
];

/// What is asked for at each line, read from the configuration when that changes.
#[derive(Debug)]
struct Derived {
    hostname: String,
    zone: Zone,
    administrators: BTreeSet<String>,
    /// Names of one's own, and the commands they stand for.
    aliases: BTreeMap<String, String>,
    /// Where system messages go.
    destinations: Destinations,
    /// Whom the time is asked.
    time: TimeSettings,
    /// Which way licensing goes.
    ways: WayLines,
}

impl Derived {
    fn of(config: &ConfigTree) -> Self {
        let name = system::HOSTNAME.value(config).or_else(|| config.value("switchname"));
        let name = name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_HOSTNAME);
        Self {
            hostname: name.to_owned(),
            zone: Zone::of(config),
            ways: WayLines::of(config),
            administrators: users::administrators(config),
            aliases: terminal::aliases(config),
            destinations: Destinations::of(config),
            time: TimeSettings::of(config),
        }
    }
}

/// What is printed on the label, and the software installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Product id; must be in the catalogue.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// Release, e.g. `10.4(3)F`.
    pub release: String,
    /// The root certificate it was provisioned with.
    pub root_certificate: Vec<u8>,
    /// Whose images it takes.
    pub maker_key: Option<PublicKey>,
    /// The interfaces that something is on the other side of: those that stand for an address of the machine.
    pub links: BTreeSet<String>,
    /// Whether it does what is known to go wrong with a release (PI-MIG-006).
    pub with_defects: bool,
}

impl Hardware {
    /// Whether there is such a switch, and that software for it.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn check(&self) -> Result<(&'static Platform, &'static Release, Udi), BootError> {
        let catalogue = Catalogue::nexus();
        let platform = catalogue
            .platform(&self.pid)
            .ok_or_else(|| BootError::UnknownPlatform(self.pid.clone()))?;
        let release = catalogue
            .release(&self.release)
            .ok_or_else(|| BootError::UnknownRelease(self.release.clone()))?;
        Self::runs(platform, release)?;
        Ok((platform, release, Udi::new(&self.pid, &self.serial)?))
    }

    /// Whether a release runs on a model.
    ///
    /// # Errors
    /// With why not.
    pub(crate) fn runs(platform: &Platform, release: &Release) -> Result<(), BootError> {
        let catalogue = Catalogue::nexus();
        if !catalogue.runs(platform, release) {
            let since = catalogue.first_of(platform, release).to_owned();
            let pid = platform.pid.clone();
            return Err(BootError::TooOld { pid, since });
        }
        Ok(())
    }
}

/// What the switch works with at each call.
pub struct Devices<'a> {
    /// Its own store.
    pub store: &'a mut dyn Disk,
    /// bootflash:
    pub flash: &'a mut dyn Disk,
    /// Chance.
    pub random: &'a mut dyn Random,
}

impl Devices<'_> {
    fn agent(&mut self) -> Environment<'_> {
        Environment { disk: self.store, random: self.random }
    }
}

/// What the switch wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a licensing message.
    Send {
        /// Names the request in the answer.
        request_id: String,
        /// Whom to.
        peer: Peer,
        /// Where.
        url: String,
        /// Which way.
        path: Path,
        /// What it is, as HTTP names it: JSON, or XML in the envelope of Call Home.
        content_type: &'static str,
        /// What.
        body: Vec<u8>,
    },
    /// Show a line on the console and on terminals that monitor, and send it to servers.
    Log(LogLine),
    /// Copy a file to or from a server; whoever asked waits for [`Switch::copied`].
    Copy(RemoteCopy),
    /// Ask a host whether it answers; whoever asked waits for what a [`PingReport`] says.
    Ping(Ping),
    /// Find the hops to a host; whoever asked waits for what a [`TraceReport`] says.
    Trace(Trace),
    /// End the session on this line.
    EndSession(String),
    /// Restart the switch.
    Reload,
    /// Let the standby supervisor take over.
    Switchover,
    /// Restart the standby supervisor.
    ReloadStandby,
    /// The clock now shows this.
    ClockSet(Timestamp),
    /// The clock goes forward by so much, or back.
    ClockMoved {
        /// In milliseconds.
        by_millis: i64,
    },
    /// Ask a time server.
    AskTime(TimeQuestion),
}

impl Effect {
    /// Whether nothing that a session still wanted is done after it.
    #[must_use]
    pub fn ends_sessions(&self) -> bool {
        matches!(self, Self::Reload | Self::Switchover)
    }
}

/// What opens a server; it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// The key of the server that was accepted, in the form of OpenSSH.
    pub host_key: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What came of a copy over the network, or of what goes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The file was read.
    Read(Vec<u8>),
    /// The file was written.
    Written,
    /// The server shows this key, with this fingerprint.
    HostKey {
        /// In the form of OpenSSH.
        text: String,
        /// `SHA256:…`.
        fingerprint: String,
    },
}

/// A copy over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCopy {
    /// The server's file.
    pub url: String,
    /// Which way.
    pub path: Path,
    /// What to write there; none to read from there.
    pub put: Option<Arc<[u8]>>,
    /// The name on bootflash: of what is read.
    pub name: String,
    /// What opens the server. Without it the key of a server over SSH is wanted first.
    pub access: Option<Access>,
    /// Who asked for it, and how.
    asked: Option<(By, String)>,
}

/// Why a switch does not come up.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Not in the catalogue.
    #[error("there is no product id {0} in the catalogue")]
    UnknownPlatform(String),
    /// Not in the catalogue.
    #[error("there is no release {0} in the catalogue")]
    UnknownRelease(String),
    /// The release is older than the platform.
    #[error("{pid} needs release {since} or later")]
    TooOld {
        /// The product id.
        pid: String,
        /// The first release that knows it.
        since: String,
    },
    /// A serial number that cannot be one.
    #[error(transparent)]
    Identity(#[from] rumline_protocol::InvalidIdentity),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] DiskError),
}

/// A switch.
pub struct Switch {
    words: &'static Words,
    platform: &'static Platform,
    release: &'static Release,
    /// What it started with, and what it starts from.
    start: Start,
    origin: Origin,
    udi: Udi,
    redundancy: Redundancy,
    /// Why the other supervisor may take over without what was configured last.
    not_handed: Option<DiskError>,
    links: BTreeSet<String>,
    running: ConfigTree,
    /// What the lines of the running configuration need.
    in_use: InUse,
    /// The startup configuration as it lies in the store.
    startup: Option<String>,
    /// When it was saved, if that was since the start.
    saved_at: Option<Timestamp>,
    checkpoints: Vec<Checkpoint>,
    drafts: BTreeMap<String, Draft>,
    last_draft: u64,
    agent: Agent,
    /// Licensing on a release before Smart Licensing Using Policy; the agent sleeps there.
    older: Option<Older>,
    /// With Smart Licensing Using Policy: what is kept of licensing of before.
    before: Option<Kept>,
    /// Whether that lies in the store as it is here.
    is_before_written: bool,
    /// Whether the agent knows what is to be converted.
    is_converting: bool,
    /// The message that was shown before it leaves.
    shown: Option<Shown>,
    /// The lines by which the licensing peer was last reached.
    worked: Worked,
    /// The message on its way in an envelope of Call Home.
    in_envelope: Option<String>,
    derived: Derived,
    booted_at: Timestamp,
    reset_reason: String,
    configured_at: Timestamp,
    log: Log,
    time: Time,
    process: Process,
    samples: Samples,
    /// Who is logged in, by line.
    seen: BTreeMap<String, Seen>,
    /// The numbers of VRFs.
    vrf_numbers: BTreeMap<String, u32>,
    /// What is fetched in pieces over NX-API.
    chunks: nxapi::Chunks,
}

impl Switch {
    /// Brings a switch up. `first_config` is its startup configuration if it has none of its own yet.
    ///
    /// # Errors
    /// When the hardware is unknown or the store cannot be read.
    pub fn boot(
        now: Timestamp,
        hardware: &Hardware,
        suite: Arc<dyn Suite>,
        first_config: Option<&str>,
        reset_reason: &str,
        devices: &mut Devices<'_>,
    ) -> Result<(Self, Vec<Effect>), BootError> {
        Self::boot_with(now, hardware, suite, (None, first_config), reset_reason, devices)
    }

    /// Brings a supervisor up that takes over: with the configuration that ran on the other one, if that was handed to it.
    ///
    /// # Errors
    /// As [`Self::boot`].
    pub fn take_over(
        now: Timestamp,
        hardware: &Hardware,
        suite: Arc<dyn Suite>,
        first_config: Option<&str>,
        devices: &mut Devices<'_>,
    ) -> Result<(Self, Vec<Effect>), BootError> {
        let running = devices.store.read(RUNNING_FILE)?;
        let running = running.and_then(|bytes| String::from_utf8(bytes).ok());
        Self::boot_with(
            now,
            hardware,
            suite,
            (running.as_deref(), first_config),
            "Switchover",
            devices,
        )
    }

    fn boot_with(
        now: Timestamp,
        hardware: &Hardware,
        suite: Arc<dyn Suite>,
        (handed, first_config): (Option<&str>, Option<&str>),
        reset_reason: &str,
        devices: &mut Devices<'_>,
    ) -> Result<(Self, Vec<Effect>), BootError> {
        let catalogue = Catalogue::nexus();
        let (platform, given, udi) = hardware.check()?;
        let Found { text: stored, damage } = read_startup(devices.store)?;
        let maker = hardware.maker_key.clone();
        let with_defects = hardware.with_defects;
        let origin = Origin { platform, given, maker, suite: Arc::clone(&suite), with_defects };
        let start = origin.start(stored.as_deref().or(first_config), devices)?;
        let release = start.release;
        let text = handed.or(stored.as_deref()).or(first_config);
        let words = words::words();
        let mut running = factory_config(release);
        if let Some(text) = text {
            running = ConfigTree::default();
            let settings = Settings::of_a_file(devices.random);
            Reader::new(&mut running, settings, Source::File, &words.grammar).text(text);
        }
        let (kept, unreadable) = legacy::kept(devices.store)?;
        let came = Came { now, kept: &kept, with_defects };
        let migration = start.migration(&running, &came);
        let gone = start.convert(&mut running, &udi.pid, &came);
        // What it first comes with may be of another release.
        let is_first = start.before.is_none();
        let foreign =
            if is_first { not_of(&running, &release.version, &udi.pid) } else { Vec::new() };
        // What comes with the way up is written down, also where nothing was saved before.
        let first = first_config.filter(|_| migration.is_some()).map(str::to_owned);
        let (startup, not_saved) = match stored.or(first) {
            Some(text) if start.changes_lines() => {
                match convert_startup(text, (&start, &came), &udi.pid, devices) {
                    Ok(text) => (Some(text), None),
                    Err((text, error)) => (Some(text), Some(error)),
                }
            }
            stored => (stored, None),
        };
        let before = release.has_slp().then(|| {
            let mut before = kept.clone();
            before.came_up(now, migration.is_some());
            before
        });
        let settled = match before.as_ref().filter(|before| **before != kept) {
            Some(before) => devices.store.write(Kept::FILE, &before.write()),
            None => Ok(()),
        };
        let is_before_written = settled.is_ok();
        // What could not be brought in line now is, at the next start, which comes from the same release as this one.
        let not_kept = match (not_saved, settled) {
            (Some(error), _) | (None, Err(error)) => Some(error),
            (None, Ok(())) => start.keep(given, devices.store).err(),
        };
        let is_other = start.changed_from().is_some();
        let reset_reason = if is_other { "Reset due to upgrade" } else { reset_reason };
        let profile = Profile {
            members: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
            software_tag: catalogue.software_tag(platform).to_owned(),
            software_version: release.nxos.clone(),
            agent_version: release.agent.clone(),
            root_certificate: hardware.root_certificate.clone(),
        };
        let older = Older::open(release, &running, (kept, unreadable.is_some()));
        let config = licensing(&running);
        let config = if older.is_some() { asleep(config) } else { config };
        let agent = Agent::open(now, profile, config, suite, &mut devices.agent())?;
        let mut switch = Self {
            words,
            platform,
            release,
            start,
            origin,
            udi,
            redundancy: Redundancy::default(),
            not_handed: None,
            links: hardware.links.clone(),
            derived: Derived::of(&running),
            in_use: InUse::of(&running),
            running,
            startup,
            saved_at: None,
            checkpoints: Vec::new(),
            drafts: BTreeMap::new(),
            last_draft: 0,
            agent,
            older,
            before,
            is_before_written,
            is_converting: false,
            shown: None,
            worked: Worked::default(),
            in_envelope: None,
            booted_at: now,
            reset_reason: reset_reason.to_owned(),
            configured_at: now,
            log: Log::default(),
            time: Time::default(),
            process: Process::default(),
            samples: Samples::default(),
            seen: BTreeMap::new(),
            vrf_numbers: BTreeMap::new(),
            chunks: nxapi::Chunks::default(),
        };
        // What is in use first: a report that is due is not to say what was in use before.
        switch.name_agent();
        let mut effects = switch.use_changed(now, devices);
        effects.extend(switch.configuration_replaced(now, devices));
        if let Some(damage) = damage {
            effects.push(switch.log_line(now, &format!("%ASCII-CFG-2-CONF_CONTROL: {damage}")));
        }
        if let Some(error) = unreadable {
            let told = legacy::unreadable_told(&mut switch.older, &error, devices.store);
            effects.push(switch.log_line(now, &told));
        }
        effects.extend(switch.started(now, (&gone, &foreign), not_kept));
        if let Some(migration) = &migration {
            let told = switch.migration_told(migration);
            effects.push(switch.log_line(now, &told));
        }
        effects.extend(switch.convert_registration(now, devices));
        // It is of use once: after a restart the startup configuration counts.
        let _best_effort = devices.store.remove(RUNNING_FILE);
        Ok((switch, effects))
    }

    /// The host name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.derived.hostname
    }

    /// The UDI.
    #[must_use]
    pub fn udi(&self) -> &Udi {
        &self.udi
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Whether the release that runs has Smart Licensing Using Policy.
    #[must_use]
    pub fn has_slp(&self) -> bool {
        self.release.has_slp()
    }

    /// The running configuration.
    #[must_use]
    pub fn running(&self) -> &ConfigTree {
        &self.running
    }

    /// Whether a login may enter with a password.
    #[must_use]
    pub fn may_log_in(&self, login: &str, password: &str) -> bool {
        users::may_log_in(&self.running, login, password)
    }

    /// Whether a login may enter with a public key, in the form of OpenSSH without a comment.
    #[must_use]
    pub fn knows_key(&self, login: &str, key: &str) -> bool {
        users::knows_key(&self.running, login, key)
    }

    /// What a login is known by; it changes with what is set for it, and there is none once the login is gone.
    #[must_use]
    pub fn login_mark(&self, login: &str) -> Option<[u8; 32]> {
        users::mark(&self.running, login)
    }

    /// Whether `admin` has a password.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        users::has_admin(&self.running)
    }

    /// Gives `admin` a password, in the running and in the startup configuration.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn set_admin_password(
        &mut self,
        password: &str,
        devices: &mut Devices<'_>,
    ) -> Result<(), DiskError> {
        let hash = users::hash_password(password, devices.random)
            .ok_or_else(|| DiskError::Other("the password cannot be hashed".to_owned()))?;
        let line = users::password_line("admin", &hash, "network-admin");
        self.running.set(&[], &line, 3);
        self.derived = Derived::of(&self.running);
        let mut startup =
            self.startup.as_deref().map_or_else(|| self.running.clone(), ConfigTree::parse);
        startup.set(&[], &line, 3);
        let text = startup.render();
        write_startup(&text, devices.store)?;
        self.startup = Some(text);
        Ok(())
    }

    /// Hands an event to the agent.
    pub fn agent_input(
        &mut self,
        now: Timestamp,
        input: Input,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let is_due = input == Input::Tick;
        if let Input::ClockStepped { from, to } = &input {
            self.time.clock_stepped(*to);
            self.before_stepped(to.since(*from));
        }
        if self.older.is_some() {
            let mut effects = self.older_input(now, input, devices);
            if is_due {
                effects.extend(self.ask_times(now, devices.random));
            }
            return effects;
        }
        let answered = match &input {
            Input::Answer { request_id, .. } => Some(request_id.clone()),
            _ => None,
        };
        let input = self.opened(input);
        let effects = self.agent.handle(now, input, &mut devices.agent());
        if let Some(request_id) = answered.filter(|_| self.agent.troubles().exchange.is_none()) {
            self.worked.answered(&request_id, devices.store);
        }
        let mut effects = self.take_effects(now, effects, devices);
        self.settle_registration(devices.store);
        effects.extend(self.convert_licenses(now, devices));
        if is_due {
            effects.extend(self.ask_times(now, devices.random));
        }
        effects
    }

    /// What the agent wants done, with the way of each message. One that has no way does not leave, and the agent hears why.
    fn take_effects(
        &mut self,
        now: Timestamp,
        effects: Vec<rumline_agent::Effect>,
        devices: &mut Devices<'_>,
    ) -> Vec<Effect> {
        let mut wanted = VecDeque::from(effects);
        let mut done = Vec::new();
        while let Some(effect) = wanted.pop_front() {
            match effect {
                rumline_agent::Effect::Syslog(message) => {
                    done.push(self.log_line(now, &message.to_string()));
                }
                rumline_agent::Effect::Send { request_id, peer, url, class, body } => {
                    let path = self.licensing_path(self.agent.config().transport);
                    let left = path.and_then(|path| {
                        let shown = self.shown.as_ref().and_then(|shown| shown.of(&request_id));
                        let left = match shown {
                            Some(shown) => shown,
                            None => self.enveloped(now, (&request_id, class), body)?,
                        };
                        Ok((path, left))
                    });
                    match left {
                        Ok((path, (content_type, body))) => {
                            self.worked.leaves(&request_id, &self.running);
                            let left = (class, body.len(), digest(&body));
                            self.agent.note_left(now, left, &mut devices.agent());
                            done.push(Effect::Send {
                                request_id,
                                peer,
                                url,
                                path,
                                content_type,
                                body,
                            });
                        }
                        Err(none) => {
                            let reason = Reason::NoPath(none.to_string());
                            let input = Input::Unreachable { request_id, reason };
                            wanted.extend(self.agent.handle(now, input, &mut devices.agent()));
                        }
                    }
                }
            }
        }
        done
    }

    /// The switch is about to be turned off in an orderly way.
    pub fn shut_down(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        self.agent_input(now, Input::Shutdown, devices)
    }

    /// Whose gates hold.
    fn software(&self) -> Software<'static> {
        Software { release: &self.release.version, pid: &self.platform.pid }
    }

    /// The running configuration is another one.
    fn configuration_replaced(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        self.running.take_changes();
        self.in_use = InUse::of(&self.running);
        self.configured_at = now;
        self.hand_running(devices);
        let mut effects = self.settings_changed(now, devices);
        effects.extend(self.use_changed(now, devices));
        self.settle_handed(devices);
        effects
    }

    /// What follows from the lines that came and went is brought in line with them.
    fn config_changed(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        let changes = self.running.take_changes();
        self.configured_at = now;
        if !changes.is_empty() {
            self.hand_running(devices);
        }
        let mut effects = Vec::new();
        let is_derived_from = |line: &str| {
            let line = line.strip_prefix("no ").unwrap_or(line);
            DERIVED_FROM.contains(&line.split(' ').next().unwrap_or_default())
        };
        let head = |change: &config::Changed| {
            let head = if change.parent.is_empty() { &change.line } else { &change.parent };
            is_derived_from(head)
        };
        if changes.iter().any(head) {
            effects.extend(self.settings_changed(now, devices));
        }
        if self.in_use.change(&changes) {
            effects.extend(self.use_changed(now, devices));
        }
        self.settle_handed(devices);
        effects
    }

    /// The other supervisor takes over with the configuration that runs here.
    fn hand_running(&mut self, devices: &mut Devices<'_>) {
        if self.redundancy.other.is_some() && devices.store.is_copied() {
            devices.store.hand(RUNNING_FILE, self.running.render().as_bytes());
        }
    }

    /// The other supervisor has what was handed to it, at the latest with what followed from that.
    fn settle_handed(&mut self, devices: &mut Devices<'_>) {
        self.not_handed = devices.store.settle_handed().err();
    }

    /// Whether what was configured just now can be answered for.
    pub(crate) fn is_handed(&mut self) -> Result<(), CommandError> {
        self.not_handed.take().map_or(Ok(()), |error| Err(CommandError::disk(error)))
    }

    /// What the agent says the switch is called, on releases that say so (REL-004).
    fn name_agent(&mut self) {
        let has_name = self.software().has("host name in messages");
        let hostname = if has_name { self.hostname() } else { "" }.to_owned();
        self.agent.set_hostname(&hostname);
    }

    fn settings_changed(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        self.derived = Derived::of(&self.running);
        self.agent.outdate_preview();
        self.name_agent();
        self.time_configured(now);
        if self.older.is_some() {
            return self.older_configured(now, devices);
        }
        let config = licensing(&self.running);
        self.agent_input(now, Input::Configure(config), devices)
    }

    fn use_changed(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        if self.older.is_some() {
            return self.older_configured(now, devices);
        }
        let in_use = self.in_use.licenses(self.platform);
        self.agent_input(now, Input::Use(in_use), devices)
    }
}

/// The configuration of a switch out of the box.
fn factory_config(release: &Release) -> ConfigTree {
    ConfigTree::parse(&format!("{}\nhostname {DEFAULT_HOSTNAME}\n", version_line(release)))
}
