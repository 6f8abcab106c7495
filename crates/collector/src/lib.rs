//! The collecting core of CSLU and SSM On-Prem: take in, keep, forward, hand back.
//!
//! Functions over a transaction: they take `now` and randomness as arguments and know nothing of HTTP. What a device
//! signed is kept byte for byte and passed on to CSSM, by wire or by file; what CSSM signed is kept byte for byte and
//! handed to the device. A collector signs only the covers: it can neither speak for a device nor for CSSM.
//!
//! # Names
//! A *tenant* is one Smart Account and Virtual Account pair with its product instances. A CSLU has exactly one, with
//! number [`Collector::CSLU_TENANT`]; SSM On-Prem has as many as its administrator makes, each with its own URL.

#![warn(missing_docs)]

mod answers;
mod api_clients;
mod checker;
mod claims;
mod exchange;
mod export;
mod forward;
mod id_tokens;
mod ids;
mod import;
mod instances;
mod inventory;
mod inventory_csv;
mod journal;
mod of_instance;
mod older;
mod older_receiver;
mod receiver;
mod reports;
mod schema;
mod tenants;
mod transfers;

use std::sync::Arc;

use rumline_protocol::{Signer, Suite, cssm_id};
use rumline_server::{People, SharedRandom};
use rumline_store::Db;

pub use claims::ClaimView;
pub use exchange::{Done, Exchange, Local, Work};
pub use forward::{Batch, Place, SyncState};
pub use id_tokens::{IdToken, NewIdToken};
pub use ids::{ClaimId, IdTokenId, InstanceId, TenantId, TransferId};
pub use inventory::{InstanceView, LicenseView};
pub use inventory_csv::CsvOutcome;
pub use journal::Event;
pub use of_instance::{OfInstance, ReportSays, ReportState, ReportView, UseView};
pub use older_receiver::OtherWay;
pub use receiver::{Answer, Look, Ticket};
pub use rumline_server::{Action, Actor, AuditRow, Caller, Error, Role};
pub use schema::MIGRATIONS;
pub use tenants::{SYNC_MINUTES_MAX, Tenant, TenantSettings};
pub use transfers::Transfer;

/// Which of the two servers a collector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cisco Smart License Utility: one account.
    Cslu,
    /// Smart Software Manager On-Prem: many tenants.
    OnPrem,
}

impl Kind {
    /// Its name for people and in bundles.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Cslu => "CSLU",
            Self::OnPrem => "SSM On-Prem",
        }
    }
}

/// How a collector behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which server it is.
    pub kind: Kind,
    /// The name it gives itself, in bundles and logs.
    pub name: String,
    /// The version it presents, e.g. `8-202401` or `2.2.0`. One from before policies makes it answer as that would.
    pub version: String,
    /// CSSM's root certificate: what its files must lead up to. Empty while it is not known.
    pub root_certificate: Vec<u8>,
}

impl Settings {
    /// The first SSM On-Prem that knows policies and usage reports (ONPREM-016).
    pub const ON_PREM_OLDEST: &'static str = "8-202108";
    /// The CSLU of the guide's table (CSLU-027).
    pub const CSLU_VERSION: &'static str = "2.2.0";
    /// The newest SSM On-Prem of the guide's table (ONPREM-017).
    pub const ON_PREM_VERSION: &'static str = "8-202401";

    /// Whether the version presented is from before policies (PI-MSG-013).
    #[must_use]
    pub fn is_down_rev(&self) -> bool {
        let parts = |text: &str| -> Vec<u32> {
            text.split(['-', '.']).map(|part| part.parse().unwrap_or(0)).collect()
        };
        self.kind == Kind::OnPrem && parts(&self.version) < parts(Self::ON_PREM_OLDEST)
    }
}

/// A collector.
#[derive(Clone)]
pub struct Collector {
    db: Arc<Db>,
    suite: Arc<dyn Suite>,
    signer: Arc<dyn Signer>,
    random: SharedRandom,
    settings: Arc<Settings>,
    cssm_id: Arc<str>,
}

/// What a collector counts when somebody asks how it does.
const GAUGES: [rumline_server::Counted; 4] = {
    use rumline_server::Counted;
    [
        Counted { name: "tenants", help: "Tenants", sql: "SELECT COUNT(*) FROM tenant" },
        Counted {
            name: "reports_waiting",
            help: "Reports that wait to be forwarded, up to 100,000",
            sql: "SELECT COUNT(*) FROM (SELECT 1 AS one FROM report WHERE state = 0
                LIMIT 100000) AS waiting",
        },
        Counted {
            name: "oldest_waiting_report_timestamp_seconds",
            help: "When the report came that waits longest to be forwarded, 0 if none does",
            sql: "SELECT CAST(COALESCE(MIN(oldest), 0) AS BIGINT) FROM (SELECT (SELECT
                MIN(received_at) FROM report WHERE report.tenant_id = tenant.id
                AND report.state = 0) AS oldest FROM tenant) AS of_tenants",
        },
        Counted {
            name: "product_instances_with_refusals",
            help: "Product instances of which CSSM refused reports, up to 100,000",
            sql: "SELECT COUNT(*) FROM (SELECT 1 AS one FROM instance WHERE refused > 0
                LIMIT 100000) AS refused",
        },
    ]
};

/// Whose database it is that the collector with this key keeps everything in.
#[must_use]
pub fn identity(kind: Kind, signer: &dyn Signer) -> String {
    format!("{} {}", kind.title(), signer.public_key().key_id())
}

impl Collector {
    /// What is counted when somebody asks how it does.
    ///
    /// # Errors
    /// When the store fails.
    pub fn gauges(&self) -> Result<Vec<rumline_server::Gauge>, Error> {
        self.db.read("collector.gauges", |tx| rumline_server::count(tx, &GAUGES))
    }

    /// Whether the database takes work now, and is the one that was opened.
    ///
    /// # Errors
    /// With what stands in the way, and what the database said.
    pub fn probe(&self) -> Result<(), (rumline_server::NotReady, String)> {
        let name = identity(self.settings.kind, self.signer.as_ref());
        let version = MIGRATIONS.last().map_or(0, |last| last.version);
        rumline_server::probe(&self.db, &name, version)
    }

    /// The number of a CSLU's one tenant.
    pub const CSLU_TENANT: TenantId = TenantId(1);

    /// Opens a collector over a database; `signer` holds its own key.
    ///
    /// # Errors
    /// When the schema cannot be brought up to date, or the database is that of another one.
    pub fn open(
        db: Arc<Db>,
        suite: Arc<dyn Suite>,
        signer: Arc<dyn Signer>,
        random: SharedRandom,
        settings: Settings,
    ) -> Result<Self, Error> {
        let name = identity(settings.kind, signer.as_ref());
        rumline_server::refuse_stranger(&db, &name)?;
        db.migrate(MIGRATIONS)?;
        rumline_server::check_identity(&db, &name)?;
        let cssm_id = cssm_id(&settings.root_certificate).into();
        let settings = Arc::new(settings);
        let collector = Self { db, suite, signer, random, settings, cssm_id };
        if collector.settings.kind == Kind::Cslu {
            collector.db.write("tenants.cslu", tenants::ensure_cslu)?;
        }
        Ok(collector)
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

    /// Its people and their logins.
    #[must_use]
    pub fn people(&self) -> People {
        People::new(Arc::clone(&self.db), Arc::clone(&self.random))
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The key it signs bundles with.
    #[must_use]
    pub fn signer(&self) -> &dyn Signer {
        self.signer.as_ref()
    }

    /// How CSSM is named in what devices say to it; empty while its root is not known here.
    pub(crate) fn cssm_id(&self) -> &str {
        &self.cssm_id
    }

    fn random_hex(&self, bytes: usize) -> String {
        rumline_server::random_hex(&self.random, bytes)
    }
}
