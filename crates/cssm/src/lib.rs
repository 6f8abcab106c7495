//! CSSM: accounts, tokens, trust, ingest, inventory, policies.
//!
//! Functions over a transaction: they take `now` and randomness as arguments and know nothing of HTTP. What a
//! report says is kept as the exact bytes that were signed; views are derived from them.

#![warn(missing_docs)]

mod accounts;
mod alerts;
mod answer;
mod books;
mod bundles;
mod checked;
mod claims;
mod closing;
mod collected;
mod collectors;
mod conversions;
mod counted;
mod days;
mod files;
mod finding;
mod head;
mod ids;
mod ingest;
mod instances;
mod inventory;
mod jobs;
mod joining;
mod kept_reports;
mod keys_at_hand;
mod large_files;
mod lineage;
mod looking;
mod mail;
mod older;
mod outbox;
mod parallel;
mod policies;
mod purchases;
mod receiver;
mod registering;
mod renaming;
mod reports;
mod schema;
mod seed;
mod set_aside;
mod sources;
mod spans;
mod standing;
mod strangers;
mod tokens;
mod totals;
mod trial;
mod trust;
mod usage;
mod watch;
mod whose;

use std::sync::{Arc, Mutex};

use rumline_protocol::{SigningIdentity, Suite, cssm_id};
use rumline_store::Db;

pub use accounts::{AccountEvent, SmartAccount, VirtualAccount};
pub use alerts::AlertView;
pub use books::LicenseView;
pub use claims::ClaimView;
pub use collectors::{Collector, NewCollector};
pub use days::first_second;
pub use files::UsageFile;
pub use finding::{Count, FoundInstance, Search, SortBy};
pub use ids::{
    Account, AlertId, ClaimId, CollectorId, EntryId, InstanceId, JobId, PurchaseId, SmartAccountId,
    TokenId, UsageFileId, VirtualAccountId,
};
pub use inventory::{Gap, InstanceView, LicenseOfInstance, ReportRow, SupervisorView};
pub use jobs::{JobKind, JobState, JobView, NewJob};
pub use kept_reports::{KeptReports, Wrong, WrongReport, check_reports, mend_reports};
pub use lineage::EpochView;
pub use looking::{FoundInFile, LookedInto};
pub use mail::{MailTemplate, MailWish, Pace};
pub use older::OlderView;
pub use outbox::{MailView, Outgoing};
pub use policies::{PolicyFile, PolicyInForce, SetFor};
pub use purchases::{
    Correction, Entry, LicenseTransfer, Moved, Purchase, PurchaseKind, PurchaseView, Share,
};
pub use receiver::{Answer, Taken};
pub use reports::{DeltaRow, Period, Step, UseRow};
pub use rumline_server::{
    Action, Actor, AuditRow, Caller, Error, Grant, Only, PartId, People, Role, SharedRandom,
};
pub use schema::MIGRATIONS;
pub use set_aside::SetAside;
pub use sources::{SignedReportView, Source, UseOfInstance};
pub use tokens::{NewToken, RegistrationToken};
pub use totals::{WrongTotal, check_totals, mend_totals};
pub use trial::{Late, Trial};
pub use watch::Watched;

/// How the receiver behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Requests a product instance may make in an hour; 0 for no limit (CSSM-029, G-21).
    pub requests_per_hour_max: i64,
    /// How long after a report its ACK is ready, in seconds (PI-RUM-025, C-43).
    pub ack_delay_seconds: i64,
    /// How long after it was recorded a purchase counts, in seconds (CSSM-026).
    pub purchase_delay_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { requests_per_hour_max: 12, ack_delay_seconds: 300, purchase_delay_seconds: 0 }
    }
}

/// A CSSM.
#[derive(Clone)]
pub struct Cssm {
    db: Arc<Db>,
    suite: Arc<dyn Suite>,
    issuer: Arc<SigningIdentity>,
    random: SharedRandom,
    settings: Settings,
    standing: Arc<answer::StandingCache>,
    strangers: Arc<Mutex<strangers::Strangers>>,
    keys: Arc<keys_at_hand::KeysAtHand>,
    looks: Arc<Mutex<watch::Looks>>,
    /// How it is named in what is said to it.
    id: Arc<str>,
}

/// What CSSM counts when somebody asks how it does.
const GAUGES: [rumline_server::Counted; 6] = {
    use rumline_server::Counted;
    [
        Counted {
            name: "smart_accounts",
            help: "Smart accounts",
            sql: "SELECT COUNT(*) FROM smart_account",
        },
        Counted {
            name: "product_instances",
            help: "Product instances",
            sql: "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM instance_total",
        },
        Counted {
            name: "licenses_in_use",
            help: "Licenses in use, each as often as it is",
            sql: "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM use_total",
        },
        Counted {
            name: "open_alerts",
            help: "Alerts that nobody has settled, up to 100,000",
            sql: "SELECT COUNT(*) FROM (SELECT 1 AS one FROM alert WHERE cleared_at IS NULL
                LIMIT 100000) AS open",
        },
        Counted {
            name: "running_jobs",
            help: "Jobs that are worked on, up to 100,000",
            sql: "SELECT COUNT(*) FROM (SELECT 1 AS one FROM job WHERE state = 'running'
                LIMIT 100000) AS running",
        },
        Counted {
            name: "mail_waiting",
            help: "Messages that wait for the mail server, up to 100,000",
            sql: "SELECT COUNT(*) FROM (SELECT 1 AS one FROM mail
                WHERE sent_at IS NULL AND given_up_at IS NULL LIMIT 100000) AS waiting",
        },
    ]
};

impl Cssm {
    /// Opens a CSSM over a database.
    ///
    /// # Errors
    /// When the schema cannot be brought up to date, or the database is that of another one.
    pub fn open(
        db: Arc<Db>,
        suite: Arc<dyn Suite>,
        issuer: SigningIdentity,
        random: SharedRandom,
        settings: Settings,
    ) -> Result<Self, Error> {
        let id: Arc<str> = cssm_id(&issuer.root_certificate).into();
        rumline_server::refuse_stranger(&db, &id)?;
        db.migrate(MIGRATIONS)?;
        db.write("usage.derive", usage::derive_once)?;
        db.write("usage.names", usage::follow_catalogue)?;
        db.write("instances.derive", instances::derive_once)?;
        rumline_server::check_identity(&db, &id)?;
        let (issuer, standing, strangers) = (Arc::new(issuer), Arc::default(), Arc::default());
        let (looks, keys) = (Arc::default(), Arc::default());
        Ok(Self { keys, db, suite, issuer, random, settings, standing, strangers, looks, id })
    }

    /// What is counted when somebody asks how it does.
    ///
    /// # Errors
    /// When the store fails.
    pub fn gauges(&self) -> Result<Vec<rumline_server::Gauge>, Error> {
        self.db.read("cssm.gauges", |tx| rumline_server::count(tx, &GAUGES))
    }

    /// Whether the database takes work now, and is the one that was opened.
    ///
    /// # Errors
    /// With what stands in the way, and what the database said.
    pub fn probe(&self) -> Result<(), (rumline_server::NotReady, String)> {
        let version = MIGRATIONS.last().map_or(0, |last| last.version);
        rumline_server::probe(&self.db, &self.id, version)
    }

    /// The work of this process: these kinds, when no other process does them.
    #[must_use]
    pub fn works(&self, kinds: &'static [&'static str]) -> rumline_server::Works {
        rumline_server::Works::new(Arc::clone(&self.db), &self.random, kinds)
    }

    /// Where files are kept that other processes work with too, if there may be any.
    #[must_use]
    pub fn kept_files(&self) -> Option<rumline_server::KeptInDb> {
        rumline_server::KeptInDb::of(&self.db)
    }

    /// The database below.
    #[must_use]
    pub fn db(&self) -> &Arc<Db> {
        &self.db
    }

    /// Its people and their logins.
    #[must_use]
    pub fn people(&self) -> People {
        People::new(Arc::clone(&self.db), Arc::clone(&self.random))
    }

    /// How it is named in what devices say to it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A name that nobody can guess.
    #[must_use]
    pub fn random_name(&self) -> String {
        self.random_hex(16)
    }

    fn random_hex(&self, bytes: usize) -> String {
        rumline_server::random_hex(&self.random, bytes)
    }
}
