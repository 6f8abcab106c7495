//! Tenants: one Smart Account and Virtual Account pair each (CSLU-011 to 013, ONPREM-002, 005, G-20).

use rumline_protocol::Timestamp;
use rumline_server::{Only, ScopeId, check_name, next_id};
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::TenantId;
use crate::journal::{self, add_event};
use crate::{Actor, Collector, Error, Kind, older, reports};

/// Reports are forwarded, and answers asked for, this long after the last time unless told otherwise.
const SYNC_MINUTES: i64 = 15;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tenant {
    /// Its number.
    pub id: TenantId,
    /// The tenant ID, the last part of its URL; empty for a CSLU.
    pub name: String,
    /// What people say of it.
    pub description: String,
    /// The Smart Account, case-sensitive; empty while none is chosen.
    pub smart_account: String,
    /// The Virtual Account, case-sensitive.
    pub virtual_account: String,
    /// The Cisco Connectivity toggle.
    pub connected: bool,
    /// Whether CSSM knows this collector for this pair of accounts.
    pub registered: bool,
    /// Minutes between two exchanges with CSSM; 0 for at once.
    pub sync_minutes: i64,
    /// When CSSM was last reached.
    pub last_sync_at: Option<i64>,
    /// Why the last attempt failed.
    pub sync_error: Option<String>,
    /// How often an exchange with CSSM was asked for since the last one.
    #[serde(skip)]
    pub(crate) sync_wanted: i64,
    /// When a policy file was imported; 0 for never.
    #[serde(skip)]
    pub(crate) policy_at: i64,
}

impl Tenant {
    /// What the toggle shows (CSLU-010).
    #[must_use]
    pub fn connectivity(&self) -> &'static str {
        if self.connected { "Cisco Is Available" } else { "Cisco Is Not Available" }
    }

    /// Whether CSSM may be called.
    pub(crate) fn may_call(&self) -> bool {
        self.connected && self.registered
    }

    /// Whether CSSM answers: it may be called, and did not fail to answer the last time.
    pub(crate) fn is_reached(&self) -> bool {
        self.may_call() && self.sync_error.is_none()
    }

    /// Whether there is a pair of accounts to collect for.
    #[must_use]
    pub fn has_account(&self) -> bool {
        !self.smart_account.is_empty() && !self.virtual_account.is_empty()
    }
}

/// What people set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// The Smart Account.
    #[schemars(length(min = 1, max = rumline_server::NAME_LETTERS_MAX))]
    pub smart_account: String,
    /// The Virtual Account.
    #[schemars(length(min = 1, max = rumline_server::NAME_LETTERS_MAX))]
    pub virtual_account: String,
    /// The Cisco Connectivity toggle.
    pub connected: bool,
    /// Minutes between two exchanges with CSSM; 0 for at once.
    #[schemars(range(min = 0, max = SYNC_MINUTES_MAX))]
    pub sync_minutes: i64,
}

/// What belongs to a tenant, and goes with it.
const TABLES: [&str; 10] = [
    "report",
    "answer",
    "license_use",
    "instance",
    "transfer",
    "event",
    "claim",
    "id_token",
    "older_registration",
    "older_balance",
];

/// The longest wait between two exchanges with CSSM, in minutes: 31 days.
pub const SYNC_MINUTES_MAX: i64 = 31 * 24 * 60;
/// The longest description of a tenant, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 1_000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, smart_account, virtual_account, connected, registered, sync_minutes, ",
            "last_sync_at, sync_error, sync_wanted, policy_at, description FROM tenant ",
            $rest
        )
    };
}

fn from_row(row: &Row<'_>) -> Result<Tenant, Error> {
    Ok(Tenant {
        id: row.id(0)?,
        name: row.text(1)?,
        smart_account: row.text(2)?,
        virtual_account: row.text(3)?,
        connected: row.flag(4)?,
        registered: row.flag(5)?,
        sync_minutes: row.int(6)?,
        last_sync_at: row.opt_int(7)?,
        sync_error: row.opt_text(8)?,
        sync_wanted: row.int(9)?,
        policy_at: row.int(10)?,
        description: row.text(11)?,
    })
}

pub(crate) fn by_id(tx: &mut Tx<'_>, id: TenantId) -> Result<Tenant, Error> {
    let sql = select!("WHERE id = $1");
    tx.row(sql, &[id.into()], from_row)?.ok_or(Error::NotFound("tenant"))
}

/// The number of the tenant with this name.
pub(crate) fn id_of(tx: &mut Tx<'_>, name: &str) -> Result<TenantId, Error> {
    let sql = "SELECT id FROM tenant WHERE name = $1";
    tx.row(sql, &[name.into()], |row| Ok::<_, Error>(row.id(0)?))?.ok_or(Error::NotFound("tenant"))
}

const INSERT: &str = "INSERT INTO tenant (id, name, smart_account, virtual_account, connected,
    registered, sync_minutes, sync_wanted, sync_failures, policy_at,
    created_at, description) VALUES ($1, $2, $3, $4, $5, 0, $6, 0, 0, 0, $7, $8) ON CONFLICT DO NOTHING";

pub(crate) fn ensure_cslu(tx: &mut Tx<'_>) -> Result<(), Error> {
    let id = Collector::CSLU_TENANT;
    let values = [
        id.into(),
        "".into(),
        "".into(),
        "".into(),
        true.into(),
        SYNC_MINUTES.into(),
        0.into(),
        "".into(),
    ];
    tx.execute(INSERT, &values)?;
    Ok(())
}

/// A tenant ID is part of a URL that people type on switches.
fn check_tenant_id(name: &str) -> Result<(), Error> {
    let fine = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.starts_with('.');
    if fine {
        Ok(())
    } else {
        let text = "a tenant ID has 1 to 64 letters, digits, hyphens, dots or underscores";
        Err(Error::field("name", text))
    }
}

fn check(settings: &TenantSettings) -> Result<(), Error> {
    let (sa, va) = (&settings.smart_account, &settings.virtual_account);
    check_name("smart_account", "the name of a Smart Account", sa)?;
    check_name("virtual_account", "the name of a Virtual Account", va)?;
    if (0..=SYNC_MINUTES_MAX).contains(&settings.sync_minutes) {
        Ok(())
    } else {
        Err(Error::field("sync_minutes", "the sync schedule is 0 minutes to 31 days"))
    }
}

impl Collector {
    /// Makes a tenant of an SSM On-Prem.
    ///
    /// # Errors
    /// When a name is not acceptable or taken.
    pub fn create_tenant(
        &self,
        now: Timestamp,
        actor: &Actor,
        name: &str,
        settings: &TenantSettings,
    ) -> Result<Tenant, Error> {
        self.create_described_tenant(now, actor, name, "", settings)
    }

    /// Makes a tenant of an SSM On-Prem, and keeps what people say of it.
    ///
    /// # Errors
    /// When a name is not acceptable or taken, or the description is too long.
    pub fn create_described_tenant(
        &self,
        now: Timestamp,
        actor: &Actor,
        name: &str,
        description: &str,
        settings: &TenantSettings,
    ) -> Result<Tenant, Error> {
        if description.len() > DESCRIPTION_BYTES_MAX {
            return Err(Error::field("description", "a description has up to 1,000 letters"));
        }
        let description = description.to_owned();
        if self.settings.kind == Kind::Cslu {
            return Err(Error::invalid("a CSLU has one Smart Account and Virtual Account pair"));
        }
        check_tenant_id(name)?;
        check(settings)?;
        let (actor, name, settings) = (actor.clone(), name.to_owned(), settings.clone());
        self.db.write("tenants.create", move |tx| {
            let id: TenantId = next_id(tx, "tenant")?;
            let values = [
                id.into(),
                (&name).into(),
                (&settings.smart_account).into(),
                (&settings.virtual_account).into(),
                settings.connected.into(),
                settings.sync_minutes.into(),
                now.0.into(),
                (&description).into(),
            ];
            if tx.execute(INSERT, &values)? == 0 {
                return Err(Error::Conflict(format!("there is a tenant {name:?} already")));
            }
            add_event(tx, now, id, &actor, &format!("tenant {name:?} created"))?;
            by_id(tx, id)
        })
    }

    /// The tenants that are among these.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tenants(&self, only: &Only<ScopeId>) -> Result<Vec<Tenant>, Error> {
        let only = only.clone();
        self.db.read("tenants.list", move |tx| {
            let all = tx.rows(select!("ORDER BY id"), &[], from_row)?;
            Ok(all.into_iter().filter(|t| only.has(&t.id.into())).collect())
        })
    }

    /// One tenant.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn tenant(&self, id: TenantId) -> Result<Tenant, Error> {
        self.db.read("tenants.one", move |tx| by_id(tx, id))
    }

    /// The number of the tenant a device's URL names.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn tenant_named(&self, name: &str) -> Result<TenantId, Error> {
        let name = name.to_owned();
        self.db.read("tenants.named", move |tx| id_of(tx, &name))
    }

    /// Changes what people set. Another pair of accounts has to be made known to CSSM again, and what CSSM refused
    /// is offered to the new one.
    ///
    /// # Errors
    /// When a value is not acceptable.
    pub fn set_tenant(
        &self,
        now: Timestamp,
        actor: &Actor,
        id: TenantId,
        settings: &TenantSettings,
    ) -> Result<Tenant, Error> {
        check(settings)?;
        let (actor, settings) = (actor.clone(), settings.clone());
        self.db.write("tenants.set", move |tx| {
            let before = by_id(tx, id)?;
            let (sa, va) = (&settings.smart_account, &settings.virtual_account);
            let moved = (&before.smart_account, &before.virtual_account) != (sa, va);
            let sql = "UPDATE tenant SET smart_account = $1, virtual_account = $2, connected = $3,
                sync_minutes = $4, registered = $5, sync_error = NULL, sync_failures = 0,
                sync_tried_at = NULL WHERE id = $6";
            let values = [
                sa.into(),
                va.into(),
                settings.connected.into(),
                settings.sync_minutes.into(),
                (before.registered && !moved).into(),
                id.into(),
            ];
            tx.execute(sql, &values)?;
            if moved {
                // What the account before said does not hold for this one.
                let sql = "UPDATE tenant SET standing = NULL, policy_document = NULL, policy_at = 0
                    WHERE id = $1";
                tx.execute(sql, &[id.into()])?;
                let sql = "UPDATE instance SET policy_at = 0 WHERE tenant_id = $1";
                tx.execute(sql, &[id.into()])?;
                reports::offer_again(tx, id)?;
                older::account_changed(tx, id)?;
                add_event(tx, now, id, &actor, &format!("account set to {sa} / {va}"))?;
            }
            if before.connected != settings.connected {
                let shown = Tenant { connected: settings.connected, ..before }.connectivity();
                add_event(tx, now, id, &actor, shown)?;
            }
            by_id(tx, id)
        })
    }

    /// Notes that CSSM knows this collector for the tenant's pair of accounts.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub fn note_registered(
        &self,
        now: Timestamp,
        actor: &Actor,
        id: TenantId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("tenants.registered", move |tx| {
            let tenant = by_id(tx, id)?;
            let sql = "UPDATE tenant SET registered = 1, sync_wanted = sync_wanted + 1,
                sync_error = NULL, sync_failures = 0, sync_tried_at = NULL WHERE id = $1";
            tx.execute(sql, &[id.into()])?;
            let text = format!(
                "registered at CSSM for {} / {}",
                tenant.smart_account, tenant.virtual_account
            );
            add_event(tx, now, id, &actor, &text)
        })
    }

    /// Removes a tenant with nothing left to forward; what CSSM refused goes with it.
    ///
    /// # Errors
    /// When reports still wait, since they would be lost.
    pub fn remove_tenant(&self, now: Timestamp, actor: &Actor, id: TenantId) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("tenants.remove", move |tx| {
            let tenant = by_id(tx, id)?;
            let sql = "SELECT CAST(COALESCE(SUM(waiting), 0) AS BIGINT) FROM instance
                WHERE tenant_id = $1";
            let waiting = tx.row(sql, &[id.into()], |row| row.int(0))?.unwrap_or(0);
            if waiting > 0 {
                return Err(Error::Conflict(format!(
                    "{waiting} reports of this tenant still wait for CSSM; sync with Cisco, or export \
                     them and import the acknowledgement first"
                )));
            }
            let untold = older::count_untold(tx, id)?;
            if untold > 0 {
                return Err(Error::Conflict(format!(
                    "what {untold} switches of this tenant said of their licenses still waits for CSSM; sync \
                     with Cisco, or export it and import the answer first"
                )));
            }
            for table in TABLES {
                let sql = format!("DELETE FROM {table} WHERE tenant_id = $1");
                tx.execute(&sql, &[id.into()])?;
            }
            rumline_server::forget(tx, now, &actor, id.into(), None)?;
            tx.execute("DELETE FROM tenant WHERE id = $1", &[id.into()])?;
            let Tenant { name, smart_account, virtual_account, .. } = tenant;
            let text =
                format!("tenant {name:?} of {smart_account} / {virtual_account} removed by {actor}");
            journal::log(tx, now, "INFO", &text)
        })
    }
}
