//! The licensing brain of a product instance.
//!
//! Licence use comes in, RUM reports, requests and system messages go out. The agent reads no clock,
//! opens no socket and draws no chance of its own.
//!
//! # The contract
//! Call [`Agent::handle`] with an [`Input`]; carry out all returned [`Effect`]s in order; then wait until
//! [`Agent::next_wake`] and hand in [`Input::Tick`]. Every [`Effect::Send`] is answered, sooner or later, by
//! exactly one [`Input::Answer`], [`Input::Unreachable`] or [`Input::Busy`] with its request id.
//!
//! # What it promises
//! * What was recorded survives power loss at any instant: the ledger has two files, written in turn.
//! * Nothing leaves before it is durable here; nothing is forgotten before it is acknowledged there.
//! * A late or missing ACK touches nothing but messages and timers (PI-RUM-027, PI-LIC-011).
//! * The cost of an outage does not grow with its length: a retry sends what the first attempt sent.
//!
//! # What counts as use
//! A licence is in use from the moment the feature is configured until it is removed. Measurements abut:
//! the end of one is the start of the next, over reloads too, so time spent powered off with the feature
//! configured is use, in a measurement that ends at boot with the reason `ProductReload`.

#![warn(missing_docs)]

mod acks;
mod agenda;
mod answered;
mod check;
mod coarse;
mod config;
mod disk;
mod epoch;
mod eventlog;
mod exchange;
mod forecast;
mod install;
mod ledger;
mod ledger_files;
mod offline;
mod older;
mod preview;
mod reason;
mod reports;
mod schedule;
mod series;
mod supervisors;
mod syslog;
mod timers;
mod troubles;
mod view;

use std::sync::Arc;

use rumline_protocol::{
    Conversion, EntitlementTag, HaMember, Random, Signer, Suite, Timestamp, Traditional, Udi,
};

pub use agenda::{Due, Duty, NextWake};
pub use check::{Finding, check_store};
pub use config::{
    Config, DEFAULT_CALLHOME_URL, DEFAULT_CSLU_HOST, DEFAULT_INTERVAL_DAYS, DEFAULT_SMART_URL,
    Peer, Transport,
};
pub use disk::{Disk, DiskError, MemoryDisk};

pub use forecast::{Assumed, Event, Forecast, Foreseen};
pub use install::ImportSummary;
pub use ledger::{ClassStatistics, HistoryEntry};
pub use offline::{SaveScope, UsageFile};
pub use older::{NoOlderAnswer, OlderAsked, OlderRequest, OlderServer};
pub use preview::{NoPreview, PREVIEW_SECONDS, Preview};
pub use reason::Reason;
pub use reports::{ReportState, ReportSummary};
pub use syslog::SyslogMessage;
pub use troubles::{Failure, RefusedReports, Trouble, Troubles};
pub use view::{LicenseInUse, PolicyInUse, TrustLine, UsageReporting};

use crate::eventlog::EventLog;
use crate::exchange::{InFlight, Push, TrustWanted, Wanted};
use crate::install::InstalledDocuments;
use crate::ledger::Ledger;
use crate::ledger_files::LedgerFiles;
use crate::reports::ReportStore;

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time has come, or may have come.
    Tick,
    /// The complete set of licences in use, as the configuration now stands.
    Use(Vec<LicenseUse>),
    /// The licensing configuration now in force.
    Configure(Config),
    /// The wall clock was set.
    ClockStepped {
        /// What it showed before.
        from: Timestamp,
        /// What it shows now.
        to: Timestamp,
    },
    /// The supervisors that are there, the active one first (PI-HA-005).
    Supervisors(Vec<HaMember>),
    /// A supervisor came that will have all of this: it can begin on it from now on.
    SupervisorComes(Udi),
    /// The switch is about to restart.
    Shutdown,
    /// `license smart sync`.
    Sync,
    /// `license smart trust idtoken TOKEN {local|all} [force]`.
    Trust {
        /// The registration token.
        id_token: String,
        /// Whether the standby is covered too.
        all: bool,
        /// Whether to ask although the UDI is registered.
        force: bool,
    },
    /// CSSM knows the device by a registration of before Smart Licensing Using Policy: it gives it a trust code without a token
    /// (PI-TRUST-012).
    Registered,
    /// What the device held by licence files is to be converted: it is asked with the next trust request, of which there is one for it
    /// (PI-MIG-018). Empty when CSSM has said what became of it.
    Convert(Vec<Traditional>),
    /// `license smart factory reset`.
    FactoryReset,
    /// The peer answered.
    Answer {
        /// Of the [`Effect::Send`].
        request_id: String,
        /// The body of the answer.
        body: Vec<u8>,
    },
    /// The peer could not be reached, or answered with no usable message.
    Unreachable {
        /// Of the [`Effect::Send`].
        request_id: String,
        /// Why.
        reason: Reason,
    },
    /// The peer has had enough requests for now.
    Busy {
        /// Of the [`Effect::Send`].
        request_id: String,
        /// When it wants to be asked again, in seconds from now.
        retry_after_seconds: i64,
    },
}

/// What the agent wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message to the peer of the transport in force.
    Send {
        /// Names the request in the later answer.
        request_id: String,
        /// Whom to send it to.
        peer: Peer,
        /// Where: a URL.
        url: String,
        /// What kind of message it is, as `show license history message` names it.
        class: &'static str,
        /// The message.
        body: Vec<u8>,
    },
    /// Log a system message.
    Syslog(SyslogMessage),
}

/// A licence in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseUse {
    /// What is licensed.
    pub tag: EntitlementTag,
    /// Its short name, e.g. `LAN_ENTERPRISE_SERVICES_PKG`.
    pub name: String,
    /// Its description for people.
    pub description: String,
    /// How many are in use; at least one.
    pub count: u32,
}

/// What the agent knows of the switch it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The supervisors, the active one first.
    pub members: Vec<HaMember>,
    /// The product (software) tag.
    pub software_tag: String,
    /// The software version, e.g. `10.4(3)`.
    pub software_version: String,
    /// The version of the smart agent, e.g. `5.7.30_rel/108`.
    pub agent_version: String,
    /// The root certificate the switch was provisioned with; empty when it has none.
    pub root_certificate: Vec<u8>,
}

impl Profile {
    /// The UDI of the active supervisor.
    #[must_use]
    pub fn udi(&self) -> &Udi {
        &self.members.first().expect("a switch has an active supervisor").sudi
    }
}

/// What the agent works with at each call.
pub struct Environment<'a> {
    /// Where it keeps what must last.
    pub disk: &'a mut dyn Disk,
    /// Where it draws chance from.
    pub random: &'a mut dyn Random,
}

/// The smart agent.
pub struct Agent {
    profile: Profile,
    config: Config,
    hostname: String,
    suite: Arc<dyn Suite>,
    signer: Box<dyn Signer>,
    ledger: Ledger,
    ledger_files: LedgerFiles,
    installed: InstalledDocuments,
    reports: ReportStore,
    eventlog: EventLog,
    in_flight: Option<InFlight>,
    /// The message that was shown before it leaves.
    kept: Option<preview::Kept>,
    wanted: Wanted,
    /// What is to be converted, until CSSM has said what became of it.
    conversion: Vec<Traditional>,
    /// CSSM knows the device by a registration of before.
    is_registered_before: bool,
    last_now: Timestamp,
    /// Since when its clock has run on without a gap: since this start, by the clock as it is now.
    continuous_since: Timestamp,
    /// Reports whose content lives on under another number; their files go once the ledger says so on disk.
    superseded: Vec<u64>,
    /// Reports found that cannot be read, and nobody was told.
    unreadable_untold: u64,
    /// Set while the ledger in memory is newer than the one on disk.
    unsaved: bool,
    storage_failure: Option<DiskError>,
}

impl Agent {
    /// Opens the agent's store, or makes one at first start.
    ///
    /// # Errors
    /// When the disk cannot be read, or the device key on it is damaged.
    pub fn open(
        now: Timestamp,
        profile: Profile,
        config: Config,
        suite: Arc<dyn Suite>,
        environment: &mut Environment<'_>,
    ) -> Result<Self, DiskError> {
        let signer = ledger_files::device_key(suite.as_ref(), environment)?;
        let (ledger_files, mut ledger, recovered) =
            LedgerFiles::open(now, signer.as_ref(), environment)?;
        ledger.check_owner(&profile)?;
        let mut agent = Self {
            reports: ReportStore::open(&profile, signer.as_ref(), &ledger),
            eventlog: EventLog::open(environment.disk),
            profile,
            config,
            hostname: String::new(),
            suite,
            signer,
            ledger,
            ledger_files,
            installed: InstalledDocuments::default(),
            in_flight: None,
            kept: None,
            wanted: Wanted::default(),
            conversion: Vec::new(),
            is_registered_before: false,
            last_now: now,
            continuous_since: now,
            superseded: Vec::new(),
            unreadable_untold: 0,
            unsaved: true,
            storage_failure: None,
        };
        agent.log(now, environment, "SAEVT_INIT_SYSTEM_INIT", &recovered);
        agent.reports.hides_version = agent.config.hide_version;
        agent.begin_speaking();
        agent.read_installed();
        if !agent.has_trust() {
            agent.carried_trust_nonce(environment);
        }
        agent.boot(now, environment);
        agent.save(now, environment);
        Ok(agent)
    }

    /// Takes one input and returns what is to be done, in order.
    pub fn handle(
        &mut self,
        now: Timestamp,
        input: Input,
        environment: &mut Environment<'_>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if now < self.last_now && !matches!(input, Input::ClockStepped { .. }) {
            // The shell saw no step, but time does not run backwards.
            self.clock_stepped(self.last_now, now, environment);
        }
        self.last_now = now;
        match input {
            Input::Tick => {}
            Input::Use(set) => self.use_changed(now, &set, environment),
            Input::Configure(config) => self.configure(now, config, environment, &mut effects),
            Input::ClockStepped { from, to } => self.clock_stepped(from, to, environment),
            Input::SupervisorComes(udi) => self.supervisor_comes(udi),
            Input::Supervisors(members) => self.supervisors_changed(now, members, environment),
            Input::Shutdown => self.shut_down(now, environment),
            Input::Sync => self.request_sync(now, environment),
            Input::Trust { id_token, all, force } => {
                let wanted = TrustWanted::new(id_token, all, force, environment);
                self.request_trust(now, wanted, environment, &mut effects);
            }
            Input::Registered => {
                self.is_registered_before = true;
                self.wanted.sync |= self.registration_stands();
            }
            Input::Convert(what) => self.convert(what),
            Input::FactoryReset => self.factory_reset(now, environment, &mut effects),
            Input::Answer { request_id, body } => {
                self.answered(now, &request_id, &body, environment, &mut effects);
            }
            Input::Unreachable { request_id, reason } => {
                let failure = Failure::Unreachable(reason);
                self.unreachable(now, &request_id, failure, environment, &mut effects);
            }
            Input::Busy { request_id, retry_after_seconds } => {
                let wait = retry_after_seconds;
                self.busy(now, &request_id, wait, environment, &mut effects);
            }
        }
        self.run_due(now, environment, &mut effects);
        self.bound_storage(now, &mut effects);
        self.tell_unreadable(&mut effects);
        self.save(now, environment);
        if self.unsaved {
            // Nothing leaves before it is durable here; the request is made again once it is.
            if let Some(flight) = self.in_flight.take() {
                self.make_again(&flight);
            }
            effects.retain(|effect| !matches!(effect, Effect::Send { .. }));
        }
        effects
    }

    /// What CSSM said of conversions, with the trust code that is held.
    #[must_use]
    pub fn conversions(&self) -> &[Conversion] {
        self.trust_codes().first().map_or(&[], |(code, _)| &code.conversions)
    }

    fn convert(&mut self, what: Vec<Traditional>) {
        self.conversion = what;
        if self.conversion.is_empty() {
            return;
        }
        if self.has_trust() {
            self.ledger.asks_trust_anew = true;
            self.unsaved = true;
        }
        match self.config.transport {
            Transport::Cslu if self.wanted.push == Push::Idle => self.wanted.push = Push::Wanted,
            Transport::Smart | Transport::Callhome => self.wanted.sync |= self.has_trust(),
            Transport::Cslu | Transport::Off => {}
        }
    }

    /// Sets the host name that messages carry, unless hidden.
    pub fn set_hostname(&mut self, hostname: &str) {
        hostname.clone_into(&mut self.hostname);
    }

    fn save(&mut self, now: Timestamp, environment: &mut Environment<'_>) {
        self.ledger.last_seen_at = now;
        if !self.unsaved {
            return;
        }
        match self.ledger_files.save(&self.ledger, environment.disk) {
            Ok(()) => {
                self.unsaved = false;
                self.storage_failure = None;
                for id in std::mem::take(&mut self.superseded) {
                    let _best_effort = environment.disk.remove(&reports::file_name(id));
                }
            }
            Err(error) => {
                if self.storage_failure.is_none() {
                    let text = format!("reason=\"{error}\"");
                    self.log(now, environment, "SAEVT_STORAGE_FAILURE", &text);
                }
                self.storage_failure = Some(error);
            }
        }
    }

    fn log(&mut self, now: Timestamp, env: &mut Environment<'_>, event: &str, detail: &str) {
        self.eventlog.add(now, event, detail, env.disk);
    }
}
