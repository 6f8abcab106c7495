//! A Nexus-like switch around the smart agent: commands, configuration, features, show output. Pure.
//!
//! Host and switch meet in [`Switch::execute`] and [`Switch::agent_input`]: a line or an event comes in with `now`,
//! text and [`Effect`]s come out. What the switch does follows from the lines of its configuration, so any real
//! configuration loads.

#![warn(missing_docs)]

mod clock;
mod config;
mod configure;
mod exec;
mod flash;
mod grammar;
mod interpret;
mod modes;
mod reader;
mod session;
mod settings;
mod show_license;
mod show_running;
mod show_support;
mod show_system;
mod startup;
mod users;

use std::collections::VecDeque;
use std::sync::Arc;

use rumline_agent::{Agent, Disk, DiskError, Environment, Input, Peer, Profile};
use rumline_catalogue::{Catalogue, Platform, Release};
use rumline_protocol::{HaMember, Random, Role, Suite, Timestamp, Udi};

pub use config::{ConfigTree, Line};
pub use flash::FlashPath;
pub use grammar::command_reference;
pub use interpret::NameSettings;
pub use session::{Outcome, Session};
pub use startup::damaged as damaged_startup;

use crate::clock::Zone;
use crate::reader::{Reader, Source};
use crate::settings::Settings;

/// The name of a switch that was given none.
const DEFAULT_HOSTNAME: &str = "switch";
/// Lines of the log file kept.
const LOG_LINES_MAX: usize = 2_000;
/// Lines about failed logins in the log.
const FAILED_LOGINS_MAX: usize = 50;
const LOGIN_FAILED: &str = "%AUTHPRIV-3-SYSTEM_MSG: pam_aaa:Authentication failed for";

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
        if interpret::release_index(&release.version) < interpret::release_index(&platform.since) {
            let (pid, since) = (platform.pid.clone(), platform.since.clone());
            return Err(BootError::TooOld { pid, since });
        }
        Ok((platform, release, Udi::new(&self.pid, &self.serial)?))
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
        /// What.
        body: Vec<u8>,
    },
    /// Show a line on the console and on terminals that monitor.
    Log(String),
    /// Copy a file to or from a server; whoever asked waits for [`Switch::copied`].
    Copy(RemoteCopy),
    /// Restart the switch.
    Reload,
    /// The clock now shows this.
    ClockSet(Timestamp),
}

/// A copy over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCopy {
    /// The server's file.
    pub url: String,
    /// What to write there; none to read from there.
    pub put: Option<Vec<u8>>,
    /// The name on bootflash: of what is read.
    pub name: String,
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
    platform: &'static Platform,
    release: &'static Release,
    udi: Udi,
    running: ConfigTree,
    /// The startup configuration as it lies in the store.
    startup: Option<String>,
    agent: Agent,
    zone: Zone,
    booted_at: Timestamp,
    reset_reason: String,
    configured_at: Timestamp,
    log: VecDeque<String>,
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
        let catalogue = Catalogue::nexus();
        let (platform, release, udi) = hardware.check()?;
        let startup::Found { text: stored, damage } = startup::read(devices.store)?;
        let text = stored.as_deref().or(first_config);
        let mut running = factory_config(release);
        if let Some(text) = text {
            running = ConfigTree::default();
            let settings = Settings::of_a_file(devices.random);
            Reader::new(&mut running, settings, Source::File).text(text);
        }
        let profile = Profile {
            members: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
            software_tag: catalogue.software_tag(platform).to_owned(),
            software_version: release.nxos.clone(),
            agent_version: release.agent.clone(),
            root_certificate: hardware.root_certificate.clone(),
        };
        let config = interpret::licensing(&running);
        let agent = Agent::open(now, profile, config, suite, &mut devices.agent())?;
        let mut switch = Self {
            platform,
            release,
            udi,
            zone: Zone::of(&running),
            running,
            startup: stored,
            agent,
            booted_at: now,
            reset_reason: reset_reason.to_owned(),
            configured_at: now,
            log: VecDeque::new(),
        };
        let mut effects = switch.config_changed(now, devices);
        if let Some(damage) = damage {
            effects.push(switch.log_line(now, &format!("%ASCII-CFG-2-CONF_CONTROL: {damage}")));
        }
        Ok((switch, effects))
    }

    /// The host name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.running
            .value("hostname")
            .or_else(|| self.running.value("switchname"))
            .filter(|name| !name.is_empty())
            .unwrap_or(DEFAULT_HOSTNAME)
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

    /// The running configuration.
    #[must_use]
    pub fn running(&self) -> &ConfigTree {
        &self.running
    }

    /// How host names are resolved.
    #[must_use]
    pub fn names(&self) -> NameSettings {
        interpret::names(&self.running)
    }

    /// Whether a login may enter with a password.
    #[must_use]
    pub fn may_log_in(&self, login: &str, password: &str) -> bool {
        users::may_log_in(&self.running, login, password)
    }

    /// Somebody tried to log in from an address and may not: a system message says so. What was typed as a name is shown
    /// only if it is a plain one; people type passwords there.
    pub fn login_failed(&mut self, now: Timestamp, login: &str, from: &str) -> Effect {
        let known = self
            .running
            .starting_with("username")
            .any(|line| line.text.split_whitespace().nth(1) == Some(login));
        let whom = if known { format!("user {login}") } else { "illegal user".to_owned() };
        let text = format!("{LOGIN_FAILED} {whom} from {from} - dcos_sshd");
        // Strangers push out each other's lines, and nothing else.
        let is_one = |line: &String| line.contains(LOGIN_FAILED);
        if self.log.iter().filter(|line| is_one(line)).count() >= FAILED_LOGINS_MAX {
            let oldest = self.log.iter().position(is_one);
            oldest.and_then(|place| self.log.remove(place));
        }
        self.log_line(now, &text)
    }

    /// Whether `admin` has a password.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.running.value("username admin password").is_some()
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
        let line = format!("username admin password 5 {hash} role network-admin");
        self.running.set(&[], &line, 3);
        let mut startup =
            self.startup.as_deref().map_or_else(|| self.running.clone(), ConfigTree::parse);
        startup.set(&[], &line, 3);
        let text = startup.render();
        startup::write(&text, devices.store)?;
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
        let effects = self.agent.handle(now, input, &mut devices.agent());
        self.take_effects(now, effects)
    }

    /// When the agent wants to be called, and why.
    #[must_use]
    pub fn next_wake(&self) -> Option<(Timestamp, &'static str)> {
        self.agent.next_wake()
    }

    /// The switch is about to be turned off in an orderly way.
    pub fn shut_down(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        self.agent_input(now, Input::Shutdown, devices)
    }

    /// What follows from the configuration is brought in line with it.
    fn config_changed(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Vec<Effect> {
        self.zone = Zone::of(&self.running);
        self.configured_at = now;
        let hostname = self.hostname().to_owned();
        self.agent.set_hostname(&hostname);
        let config = interpret::licensing(&self.running);
        let in_use = interpret::licenses(&self.running, self.platform);
        let mut effects = self.agent_input(now, Input::Configure(config), devices);
        effects.extend(self.agent_input(now, Input::Use(in_use), devices));
        effects
    }

    fn take_effects(&mut self, now: Timestamp, effects: Vec<rumline_agent::Effect>) -> Vec<Effect> {
        let take = |effect| match effect {
            rumline_agent::Effect::Send { request_id, peer, url, body } => {
                Effect::Send { request_id, peer, url, body }
            }
            rumline_agent::Effect::Syslog(message) => self.log_line(now, &message.to_string()),
        };
        effects.into_iter().map(take).collect()
    }

    fn log_line(&mut self, now: Timestamp, text: &str) -> Effect {
        let line = format!("{} {} {text}", self.zone.log_time(now), self.hostname());
        if self.log.len() == LOG_LINES_MAX {
            self.log.pop_front();
        }
        self.log.push_back(line.clone());
        Effect::Log(line)
    }
}

/// The configuration of a switch out of the box.
fn factory_config(release: &Release) -> ConfigTree {
    ConfigTree::parse(&format!(
        "version {} Bios:version {}\nhostname {DEFAULT_HOSTNAME}\n",
        release.nxos, release.bios
    ))
}
