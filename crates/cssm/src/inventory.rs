//! Views of an account: product instances, licences purchased and in use, reports (CSSM-005, 013, 014, 015, 027).

use rumline_catalogue::Catalogue;
use rumline_protocol::{Role, Timestamp};
use rumline_store::{Row, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::{add_event, one_by_one, smart_account};
use crate::alerts::{self, AlertKind};
use crate::books::{self, Holding, LicenseView};
use crate::ids::{InstanceId, SmartAccountId, VirtualAccountId};
use crate::instances::{self, Instance};
use crate::lineage::{self, EpochView};
use crate::older::{self, OlderView};
use crate::purchases::{self, LicenseTransfer, Moved};
use crate::spans::Spans;
use crate::totals;
use crate::{Actor, Cssm, Error, Only, PartId};

/// A product instance in the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceView {
    /// Its number.
    pub id: InstanceId,
    /// Host name from 10.3(2)F unless hidden, else `UDI_PID:…, UDI_SN:…` (C-20).
    pub name: String,
    /// Product id.
    pub pid: String,
    /// Serial number.
    pub serial: String,
    /// Its software tag; empty where none is known.
    pub software_tag: String,
    /// `Product Type`, e.g. `N9300`.
    pub product_type: String,
    /// Whether the product id is in the catalogue; use of one that is not counts all the same.
    pub is_in_catalogue: bool,
    /// Its virtual account.
    pub virtual_account_id: VirtualAccountId,
    /// Software version, unless hidden.
    pub software_version: Option<String>,
    /// When it was registered.
    pub registered_at: i64,
    /// Last contact.
    pub last_contact_at: i64,
    /// Last report.
    pub last_report_at: Option<i64>,
    /// Last ACK fetched.
    pub last_ack_at: Option<i64>,
    /// Whether a trust code was issued.
    pub trusted: bool,
    /// Its registration, while it is registered as before Smart Licensing Using Policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smart_licensing: Option<OlderView>,
    /// Reports held.
    pub reports: i64,
    /// Reports that must have been, by their places in the chain, and are not there.
    pub reports_missing: i64,
    /// Since when two product instances speak as this one: nothing counts until its owner has chosen.
    pub held_at: Option<i64>,
    /// When its reports last did not follow those received before.
    pub set_back_at: Option<i64>,
    /// What its reports go on from: more than one after it was set back.
    pub epochs: Vec<EpochView>,
    /// Spans of which nothing is known.
    pub gaps: Vec<Gap>,
    /// Licence seconds that were reported more than once, and counted once.
    pub overlap_seconds: i64,
    /// Licences in use.
    pub licenses: Vec<LicenseOfInstance>,
    /// The supervisors of its chassis, itself among them; none of one that is alone (PI-HA-010).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supervisors: Vec<SupervisorView>,
}

/// A supervisor of a chassis with two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SupervisorView {
    /// The product instance it is.
    pub product_instance_id: InstanceId,
    /// Serial number; the product id is that of the chassis.
    pub serial: String,
    /// `Active` for the one that reported last, for all of them; `Standby` otherwise.
    pub role: Role,
}

/// A span in the use of a licence of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// Short name.
    pub license: String,
    /// Its first second, by the product instance's clock of the first day.
    pub from: i64,
    /// The second after its last.
    pub to: i64,
}

/// A licence a product instance uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LicenseOfInstance {
    /// Short name.
    pub license: String,
    /// Entitlement tag.
    pub tag: String,
    /// How many.
    pub count: i64,
    /// As of when.
    pub as_of: i64,
}

/// A report held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportRow {
    /// The product instance.
    pub product_instance_id: InstanceId,
    /// Its number.
    pub report_id: i64,
    /// Entitlement tag.
    pub tag: String,
    /// Its first second.
    pub start_at: i64,
    /// The second after its last.
    pub end_at: i64,
    /// The count at its end.
    pub last_count: i64,
    /// Sum of count times seconds.
    pub count_seconds: i64,
    /// When it came.
    pub received_at: i64,
}

pub(crate) fn instance_from_row(row: &Row<'_>) -> Result<InstanceView, Error> {
    let (pid, serial) = (row.text(1)?, row.text(2)?);
    let version = row.opt_text(5)?;
    let hostname = row.opt_text(4)?;
    Ok(InstanceView {
        id: row.id(0)?,
        name: instances::shown_name((&pid, &serial), hostname.as_deref(), version.as_deref()),
        product_type: Catalogue::nexus().product_type(&pid),
        is_in_catalogue: Catalogue::nexus().platform(&pid).is_some(),
        pid,
        serial,
        virtual_account_id: row.id(3)?,
        software_version: version,
        registered_at: row.int(6)?,
        last_contact_at: row.int(7)?,
        last_report_at: row.opt_int(8)?,
        last_ack_at: row.opt_int(9)?,
        trusted: row.opt_int(10)?.is_some(),
        smart_licensing: None,
        software_tag: row.text(11)?,
        reports: 0,
        reports_missing: 0,
        held_at: None,
        set_back_at: None,
        epochs: Vec::new(),
        gaps: Vec::new(),
        overlap_seconds: 0,
        licenses: Vec::new(),
        supervisors: Vec::new(),
    })
}

/// What [`instance_from_row`] reads.
pub(crate) const COLUMNS: &str = "id, pid, serial, virtual_account_id, hostname, software_version, \
    registered_at, last_contact_at, last_report_at, last_ack_at, trust_id, \
    software_tag";
/// How many these are.
pub(crate) const COLUMNS_COUNT: usize = 12;

/// Removes a product instance: its reports stay, and its licences are free.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    now: Timestamp,
    actor: &Actor,
    smart_account_id: SmartAccountId,
    instance: &Instance,
) -> Result<(), Error> {
    let id = instance.id;
    totals::kept(tx, now, id, |tx| {
        let sql = "UPDATE product_instance SET removed_at = $1, held_at = NULL WHERE id = $2";
        tx.execute(sql, &[now.0.into(), id.into()])?;
        // Its seconds stay counted; in use is nothing any more.
        let sql = "UPDATE license_use SET count = 0 WHERE smart_account_id = $1
            AND product_instance_id = $2";
        tx.execute(sql, &[smart_account_id.into(), id.into()])?;
        Ok(())
    })?;
    for kind in [AlertKind::Clone, AlertKind::SetBack, AlertKind::OtherAccount] {
        alerts::clear(tx, now, smart_account_id, kind, &instance.udi)?;
    }
    let text = format!("{} removed", instance.udi);
    add_event(tx, now, smart_account_id, actor, &text)
}

fn instances_where(which: &str) -> String {
    format!(
        "SELECT {COLUMNS} FROM product_instance WHERE smart_account_id = $1
        AND removed_at IS NULL {which}"
    )
}

impl Cssm {
    /// The product instances of an account, of these virtual accounts, in the order they were registered; `after` is the last number seen.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn instances(
        &self,
        smart_account_id: SmartAccountId,
        only: &Only<PartId>,
        after: InstanceId,
        limit: i64,
    ) -> Result<Vec<InstanceView>, Error> {
        let (parts, limit) = (one_by_one(only), limit.clamp(1, 1000));
        self.db.read("inventory.instances", move |tx| {
            smart_account(tx, smart_account_id)?;
            let mut views = Vec::new();
            for part in &parts {
                let of = if part.is_some() { "AND virtual_account_id = $4" } else { "" };
                let sql = instances_where(&format!("AND id > $2 {of} ORDER BY id LIMIT $3"));
                let values = [smart_account_id.into(), after.into(), limit.into(), (*part).into()];
                let values = if part.is_some() { &values[..] } else { &values[..3] };
                views.extend(tx.rows(&sql, values, instance_from_row)?);
            }
            views.sort_by_key(|view: &InstanceView| view.id);
            views.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            for view in &mut views {
                complete(tx, smart_account_id, view)?;
            }
            Ok(views)
        })
    }

    /// One product instance.
    ///
    /// # Errors
    /// When there is none.
    pub fn instance(
        &self,
        smart_account_id: SmartAccountId,
        id: InstanceId,
    ) -> Result<InstanceView, Error> {
        self.db.read("inventory.instance", move |tx| {
            let sql = instances_where("AND id = $2");
            let values = [smart_account_id.into(), id.into()];
            let view = tx.row(&sql, &values, instance_from_row)?;
            let mut view = view.ok_or(Error::NotFound("product instance"))?;
            complete(tx, smart_account_id, &mut view)?;
            Ok(view)
        })
    }

    /// Removes a product instance and frees its licences (CSSM-013); its reports stay.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_instance(
        &self,
        now: Timestamp,
        actor: &Actor,
        smart_account_id: SmartAccountId,
        id: InstanceId,
    ) -> Result<(), Error> {
        let actor = actor.clone();
        self.db.write("inventory.remove", move |tx| {
            let instance = instances::of_account(tx, smart_account_id, id)?;
            remove(tx, now, &actor, smart_account_id, &instance)
        })
    }

    /// Licences purchased against in use, by virtual account.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn licenses(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
    ) -> Result<Vec<LicenseView>, Error> {
        self.db.read("inventory.licenses", move |tx| {
            smart_account(tx, smart_account_id)?;
            let holdings = purchases::holdings(tx, smart_account_id)?;
            let uses = totals::uses(tx, smart_account_id)?;
            let catalogue = Catalogue::nexus();
            Ok(books::balances(now.0, &holdings, &uses, catalogue.tiers()))
        })
    }

    /// The same as it would be once a transfer is done, of which `moved` says what goes.
    ///
    /// # Errors
    /// When there is no such account.
    pub fn licenses_after(
        &self,
        now: Timestamp,
        smart_account_id: SmartAccountId,
        transfer: &LicenseTransfer,
        moved: &[Moved],
    ) -> Result<Vec<LicenseView>, Error> {
        let (license, ways) = (transfer.license.clone(), [(transfer.from, -1), (transfer.to, 1)]);
        let moved = moved.to_vec();
        self.db.read("inventory.licenses_after", move |tx| {
            smart_account(tx, smart_account_id)?;
            let mut holdings = purchases::holdings(tx, smart_account_id)?;
            for (virtual_account_id, sign) in ways {
                holdings.extend(moved.iter().map(|part| Holding {
                    virtual_account_id,
                    license: license.clone(),
                    quantity: sign * part.quantity,
                    from: part.counts_at,
                    until: part.ends_at,
                }));
            }
            let uses = totals::uses(tx, smart_account_id)?;
            Ok(books::balances(now.0, &holdings, &uses, Catalogue::nexus().tiers()))
        })
    }

    /// The reports of a product instance, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn reports(
        &self,
        smart_account_id: SmartAccountId,
        product_instance_id: InstanceId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ReportRow>, Error> {
        self.db.read("inventory.reports", move |tx| {
            let sql = "SELECT product_instance_id, report_id, tag, start_at, end_at, last_count,
                count_seconds, received_at FROM rum_report WHERE smart_account_id = $1
                AND product_instance_id = $2 AND report_id > $3 ORDER BY report_id LIMIT $4";
            let values = [
                smart_account_id.into(),
                product_instance_id.into(),
                after.into(),
                limit.clamp(1, 10_000).into(),
            ];
            tx.rows(sql, &values, |row| {
                Ok(ReportRow {
                    product_instance_id: row.id(0)?,
                    report_id: row.int(1)?,
                    tag: row.text(2)?,
                    start_at: row.int(3)?,
                    end_at: row.int(4)?,
                    last_count: row.int(5)?,
                    count_seconds: row.int(6)?,
                    received_at: row.int(7)?,
                })
            })
        })
    }
}

pub(crate) fn complete(
    tx: &mut Tx<'_>,
    smart_account_id: SmartAccountId,
    view: &mut InstanceView,
) -> Result<(), Error> {
    let ids = [smart_account_id.into(), view.id.into()];
    let sql = "SELECT tag, count, as_of, spans, overlap_seconds FROM license_use
        WHERE smart_account_id = $1 AND product_instance_id = $2 ORDER BY tag";
    tx.each(sql, &ids, |row| {
        let (tag, count, spans) = (row.text(0)?, row.int(1)?, Spans::from_text(&row.text(3)?));
        let license = Catalogue::nexus().license_of(&tag);
        view.overlap_seconds += row.int(4)?;
        let gap = |(from, to)| Gap { license: license.clone(), from, to };
        view.gaps.extend(spans.gaps().into_iter().map(gap));
        if count > 0 {
            view.licenses.push(LicenseOfInstance { license, tag, count, as_of: row.int(2)? });
        }
        Ok::<_, Error>(true)
    })?;
    let sql = "SELECT COUNT(*) FROM rum_report WHERE smart_account_id = $1
        AND product_instance_id = $2";
    view.reports = tx.row(sql, &ids, |row| Ok::<_, Error>(row.int(0)?))?.unwrap_or(0);
    let instance = instances::of_account(tx, smart_account_id, view.id)?;
    view.held_at = instance.held_at.map(|at| at.0);
    view.set_back_at = instance.set_back_at.map(|at| at.0);
    view.epochs = lineage::epochs(tx, view.id, &instance.head)?;
    view.reports_missing = view.epochs.iter().map(|epoch| epoch.reports_missing).sum();
    // Reports of other makes say no place: of theirs it is known only which are named and not there.
    let sql = "SELECT COUNT(*) FROM rum_report AS later WHERE later.product_instance_id = $1
        AND later.position IS NULL AND later.previous_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM rum_report AS earlier
        WHERE earlier.product_instance_id = later.product_instance_id
        AND earlier.report_id = later.previous_id)";
    let others = tx.row(sql, &[view.id.into()], |row| Ok::<_, Error>(row.int(0)?))?;
    view.reports_missing += others.unwrap_or(0);
    view.supervisors = supervisors(tx, view.id)?;
    view.smart_licensing = older::view(tx, view.id)?;
    Ok(())
}

/// The supervisors of a chassis, in the order they were registered. The one whose use goes on longest is active: what the
/// other one reports late is of before.
fn supervisors(tx: &mut Tx<'_>, id: InstanceId) -> Result<Vec<SupervisorView>, Error> {
    let sql = "SELECT id, serial, epoch_last_end_at FROM product_instance WHERE removed_at IS NULL
        AND ha_set = (SELECT ha_set FROM product_instance WHERE id = $1) ORDER BY id";
    let found = tx.rows(sql, &[id.into()], |row| {
        Ok::<_, Error>((row.id(0)?, row.text(1)?, row.opt_int(2)?.unwrap_or(0)))
    })?;
    let last = found.iter().map(|(.., end)| *end).max().filter(|_| found.len() > 1);
    let active = found.iter().find(|(.., end)| Some(*end) == last).map(|(id, ..)| *id);
    let view = |(product_instance_id, serial, _): (InstanceId, String, i64)| SupervisorView {
        role: if Some(product_instance_id) == active { Role::Active } else { Role::Standby },
        product_instance_id,
        serial,
    };
    Ok(active.map_or_else(Vec::new, |_| found.into_iter().map(view).collect()))
}
