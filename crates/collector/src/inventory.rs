//! Product instances and the licences they use, as people see them (CSLU-014, ONPREM-009, 015, G-02).

use rumline_catalogue::Catalogue;
use rumline_protocol::{Timestamp, Udi};
use rumline_server::Only;
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, TenantId};
use crate::instances::{self, NewInstance};
use crate::journal::add_event;
use crate::{Actor, Collector, Error, older, tenants};

/// A product instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceView {
    /// Its number.
    pub id: InstanceId,
    /// Its host name, or its UDI where it tells none.
    pub name: String,
    /// Product id.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// Software version.
    pub software_version: Option<String>,
    /// Software tag.
    pub software_tag: String,
    /// When it was added, or first heard of.
    pub added_at: i64,
    /// What state it is in, in a few words.
    pub state: String,
    /// When it was last heard of.
    pub last_contact_at: Option<i64>,
    /// When it last brought a report.
    pub last_report_at: Option<i64>,
    /// When CSSM last acknowledged a report of it.
    pub last_ack_at: Option<i64>,
    /// Reports that are not acknowledged yet.
    pub waiting: i64,
    /// Of one that is registered here as before Smart Licensing Using Policy: when that ends without a renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_until: Option<i64>,
    /// What people should look at.
    pub alert: Option<String>,
    /// Of one that is looked at: the other supervisors of its chassis that are known here, by serial number (PI-HA-010).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supervisors: Vec<(InstanceId, String)>,
}

/// A licence in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LicenseView {
    /// Its short name.
    pub license: String,
    /// Its entitlement tag.
    pub tag: String,
    /// How many are in use.
    pub in_use: i64,
    /// By how many product instances.
    pub product_instances: i64,
}

const COLUMNS: &str = "id, hostname, pid, serial, software_version, last_contact_at, \
    last_report_at, last_ack_at, waiting, alert, undelivered, wants_answer, software_tag, added_at, \
    refused, elsewhere_at, (SELECT older.expires_at FROM older_registration AS older \
    WHERE older.tenant_id = instance.tenant_id AND older.instance_id = instance.id \
    AND older.is_over = 0)";

fn from_row(row: &Row<'_>) -> Result<InstanceView, Error> {
    let (pid, serial) = (row.text(2)?, row.text(3)?);
    let hostname = row.opt_text(1)?;
    let (waiting, refused) = (row.int(8)?, row.int(14)?);
    let (undelivered, wants_answer) = (row.flag(10)?, row.flag(11)?);
    let (last_contact_at, elsewhere) = (row.opt_int(5)?, row.opt_int(15)?.is_some());
    let last_ack_at = row.opt_int(7)?;
    let registered_until = row.opt_int(16)?;
    let state = if last_contact_at.is_none() {
        "Added, not heard of yet"
    } else if undelivered {
        "Answer waits for the next contact"
    } else if waiting > 0 {
        "Reports wait for acknowledgement"
    } else if refused > 0 {
        "Reports refused by CSSM"
    } else if registered_until.is_some() && wants_answer {
        "Registered by Smart Licensing, CSSM hears of it with the next exchange"
    } else if registered_until.is_some() {
        "Registered by Smart Licensing"
    } else if wants_answer && last_ack_at.is_none() {
        "Asks for policy"
    } else if elsewhere {
        "Reports to another tenant"
    } else if last_ack_at.is_some() {
        "Acknowledged"
    } else {
        "No report yet"
    };
    Ok(InstanceView {
        id: row.id(0)?,
        name: hostname.unwrap_or_else(|| format!("PID:{pid},SN:{serial}")),
        pid,
        serial,
        software_version: row.opt_text(4)?,
        software_tag: row.text(12)?,
        added_at: row.int(13)?,
        state: state.to_owned(),
        last_contact_at,
        last_report_at: row.opt_int(6)?,
        last_ack_at,
        waiting: waiting + refused,
        registered_until,
        alert: row.opt_text(9)?,
        supervisors: Vec::new(),
    })
}

impl Collector {
    /// The product instances of a tenant after a number, some at a time; `search` looks in names and UDIs.
    ///
    /// # Errors
    /// When the store fails.
    pub fn instances(
        &self,
        tenant_id: TenantId,
        search: &str,
        after: InstanceId,
        limit: i64,
    ) -> Result<Vec<InstanceView>, Error> {
        let search: String = search.chars().filter(|c| !c.is_control()).take(100).collect();
        self.db.read("inventory.list", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let sql = format!(
                "SELECT {COLUMNS} FROM instance WHERE tenant_id = $1 AND id > $2
                AND removed_at IS NULL AND LOWER(pid || ' ' || serial || ' ' ||
                COALESCE(hostname, '')) LIKE $3 ESCAPE '!' ORDER BY id LIMIT $4"
            );
            let mut pattern = String::from("%");
            for c in search.to_lowercase().chars() {
                if "!%_".contains(c) {
                    pattern.push('!');
                }
                pattern.push(c);
            }
            pattern.push('%');
            let limit = limit.clamp(1, 10_000);
            let values = [tenant_id.into(), after.into(), (&pattern).into(), limit.into()];
            tx.rows(&sql, &values, from_row)
        })
    }

    /// The first product instances that somebody has to look at.
    ///
    /// # Errors
    /// When the store fails.
    pub fn alerts(&self, tenant_id: TenantId, limit: i64) -> Result<Vec<InstanceView>, Error> {
        self.db.read("inventory.alerts", move |tx| {
            let sql = format!(
                "SELECT {COLUMNS} FROM instance WHERE tenant_id = $1 AND removed_at IS NULL
                AND alert IS NOT NULL ORDER BY id LIMIT $2"
            );
            tx.rows(&sql, &[tenant_id.into(), limit.clamp(1, 1_000).into()], from_row)
        })
    }

    /// One product instance.
    ///
    /// # Errors
    /// When there is no such product instance.
    pub fn instance(&self, tenant_id: TenantId, id: InstanceId) -> Result<InstanceView, Error> {
        self.db.read("inventory.one", move |tx| {
            let sql = format!(
                "SELECT {COLUMNS} FROM instance WHERE tenant_id = $1 AND id = $2
                AND removed_at IS NULL"
            );
            let view = tx.row(&sql, &[tenant_id.into(), id.into()], from_row)?;
            let mut view = view.ok_or(Error::NotFound("product instance"))?;
            let platform = Catalogue::nexus().platform(&view.pid);
            if platform.is_none_or(|platform| platform.supervisors < 2) {
                return Ok(view);
            }
            // They have one key, which no two switches have.
            let sql = "SELECT mate.id, mate.serial FROM instance AS mate JOIN instance AS own
                ON own.tenant_id = mate.tenant_id AND own.public_key = mate.public_key
                AND own.pid = mate.pid WHERE own.tenant_id = $1 AND own.id = $2
                AND mate.id <> own.id AND mate.removed_at IS NULL ORDER BY mate.id";
            let ids = [tenant_id.into(), id.into()];
            view.supervisors =
                tx.rows(sql, &ids, |row| Ok::<_, Error>((row.id(0)?, row.text(1)?)))?;
            Ok(view)
        })
    }

    /// The number of product instances, of reports that wait, and of alerts.
    ///
    /// # Errors
    /// When the store fails.
    pub fn totals(&self, tenant_id: TenantId) -> Result<(i64, i64, i64), Error> {
        self.db.read("inventory.totals", move |tx| {
            let sql = "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(waiting + refused), 0) AS BIGINT),
                CAST(COUNT(alert) AS BIGINT) FROM instance
                WHERE tenant_id = $1 AND removed_at IS NULL";
            let read = |row: &Row<'_>| Ok::<_, Error>((row.int(0)?, row.int(1)?, row.int(2)?));
            Ok(tx.row(sql, &[tenant_id.into()], read)?.unwrap_or_default())
        })
    }

    /// Adds a product instance that will push (CSLU-014).
    ///
    /// # Errors
    /// When the UDI is not one, or is there already.
    pub fn add_instance(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        udi: &Udi,
        hostname: Option<&str>,
    ) -> Result<InstanceView, Error> {
        udi.check().map_err(|error| Error::invalid(error.to_string()))?;
        if let Some(name) = hostname {
            rumline_server::check_name("hostname", "a host name", name)?;
        }
        let (actor, udi, hostname) = (actor.clone(), udi.clone(), hostname.map(str::to_owned));
        let id = self.db.write("inventory.add", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let id = add(tx, now, &actor, tenant_id, &udi, hostname.as_deref())?
                .ok_or_else(|| Error::Conflict(format!("{udi} is there already")))?;
            add_event(tx, now, tenant_id, &actor, &format!("{udi} added"))?;
            Ok::<_, Error>(id)
        })?;
        self.instance(tenant_id, id)
    }

    /// Removes a product instance from the list. What it has reported goes on to CSSM all the same, and it is back
    /// with its next contact. A device repaired or reset comes as a new one, with another key.
    ///
    /// # Errors
    /// When there is no such product instance.
    pub fn remove_instance(
        &self,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
        id: InstanceId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("inventory.remove", move |tx| {
            let sql = "UPDATE instance SET removed_at = $1, removed_id = id, alert = NULL
                WHERE tenant_id = $2 AND id = $3 AND removed_at IS NULL";
            let udi = instances::udi_of(tx, tenant_id, id)?;
            if tx.execute(sql, &[now.0.into(), tenant_id.into(), id.into()])? == 0 {
                return Err(Error::NotFound("product instance"));
            }
            older::forget(tx, (tenant_id, id))?;
            older::clear_uses(tx, (tenant_id, id))?;
            add_event(tx, now, tenant_id, &actor, &format!("{udi} removed"))
        })
    }

    /// Hands the newest answers of product instances over once more at their next contact (ONPREM-012).
    ///
    /// # Errors
    /// When the store fails.
    pub fn sync_instances(&self, tenant_id: TenantId, ids: &[InstanceId]) -> Result<(), Error> {
        let ids = ids.to_vec();
        self.db.write("inventory.sync", move |tx| {
            for id in &ids {
                let sql = "UPDATE answer SET delivered_at = NULL WHERE tenant_id = $1
                    AND instance_id = $2 AND id = (SELECT MAX(id) FROM answer
                    WHERE tenant_id = $3 AND instance_id = $4)";
                let (tenant, instance) = (tenant_id.into(), (*id).into());
                if tx.execute(sql, &[tenant, instance, tenant, instance])? == 1 {
                    let sql =
                        "UPDATE instance SET undelivered = 1 WHERE tenant_id = $1 AND id = $2";
                    tx.execute(sql, &[tenant, instance])?;
                }
            }
            Ok(())
        })
    }

    /// The licences in use by a tenant's product instances.
    ///
    /// # Errors
    /// When the store fails.
    pub fn licenses(&self, tenant_id: TenantId) -> Result<Vec<LicenseView>, Error> {
        self.db.read("inventory.licenses", move |tx| {
            tenants::by_id(tx, tenant_id)?;
            let sql = "SELECT tag, CAST(SUM(count) AS BIGINT), CAST(COUNT(*) AS BIGINT)
                FROM license_use JOIN instance ON instance.tenant_id = license_use.tenant_id
                AND instance.id = license_use.instance_id
                WHERE license_use.tenant_id = $1 AND count > 0 AND instance.elsewhere_at IS NULL
                GROUP BY tag ORDER BY tag";
            tx.rows(sql, &[tenant_id.into()], |row| {
                let tag = row.text(0)?;
                Ok(LicenseView {
                    license: Catalogue::nexus().license_of(&tag),
                    tag,
                    in_use: row.int(1)?,
                    product_instances: row.int(2)?,
                })
            })
        })
    }

    /// Removes what nobody will ask for any more: answers handed over and reports acknowledged long ago. Some product
    /// instances at a time, so that devices are answered meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        const DAYS: i64 = 90;
        const EVENT_DAYS: i64 = 365;
        const PORTION: i64 = 500;
        let before = now - DAYS * Timestamp::DAY;
        self.db.write("inventory.tidy_tokens", move |tx| {
            tx.execute("DELETE FROM api_token WHERE expires_at < $1", &[now.0.into()])?;
            let before = now - EVENT_DAYS * Timestamp::DAY;
            tx.execute("DELETE FROM event WHERE at < $1", &[before.0.into()])?;
            older::end_expired(tx, now)?;
            Ok::<_, Error>(())
        })?;
        for tenant in self.tenants(&Only::All)? {
            let (tenant_id, mut first) = (tenant.id, 1);
            while self.last_instance(tenant_id)? >= first {
                let from = first;
                self.db.write("inventory.tidy", move |tx| {
                    let range = [tenant_id.into(), from.into(), (from + PORTION).into()];
                    let values = [range[0], range[1], range[2], before.0.into()];
                    let sql = "DELETE FROM answer WHERE tenant_id = $1 AND instance_id >= $2
                        AND instance_id < $3 AND delivered_at < $4";
                    tx.execute(sql, &values)?;
                    let sql = "DELETE FROM report WHERE tenant_id = $1 AND instance_id >= $2
                        AND instance_id < $3 AND state IN (1, 3) AND received_at < $4";
                    tx.execute(sql, &values)?;
                    Ok::<_, Error>(())
                })?;
                first += PORTION;
            }
        }
        Ok(())
    }

    fn last_instance(&self, tenant_id: TenantId) -> Result<i64, Error> {
        self.db.read("inventory.last", move |tx| {
            let sql = "SELECT MAX(id) FROM instance WHERE tenant_id = $1";
            let last = tx.row(sql, &[tenant_id.into()], |row| row.opt_int(0))?;
            Ok(last.flatten().unwrap_or(0))
        })
    }
}

/// Adds an instance unless it is there. One that was removed stays what it was: the device may have another key now.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    tenant_id: TenantId,
    udi: &Udi,
    hostname: Option<&str>,
) -> Result<Option<InstanceId>, Error> {
    if instances::find(tx, tenant_id, udi, None)?.is_some_and(|known| !known.removed) {
        return Ok(None);
    }
    let new = NewInstance {
        udi,
        public_key: None,
        hostname,
        software_version: None,
        software_tag: "",
        added_by: actor.name(),
        in_contact: false,
        waiting: 0,
        trust_requests: None,
        wants_answer: false,
    };
    new.insert(tx, now, tenant_id).map(Some)
}
