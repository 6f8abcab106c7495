//! What a collector knows of one product instance: its newest reports with what became of each, and what it uses.

use rumline_catalogue::Catalogue;
use rumline_protocol::RumReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, TenantId};
use crate::{Collector, Error};

/// A report of a product instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportView {
    /// Its number.
    pub report_id: i64,
    /// What it says, while it is kept: of one that is acknowledged only the number stays.
    pub says: Option<ReportSays>,
    /// When it came.
    pub received_at: i64,
    /// What became of it.
    pub state: ReportState,
}

/// What a report says, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportSays {
    /// The licence it is about.
    pub license: String,
    /// Its first second.
    pub from: i64,
    /// The one after its last.
    pub to: i64,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// It waits for CSSM.
    Waits,
    /// CSSM acknowledged it.
    Acknowledged,
    /// CSSM refused it.
    Refused,
    /// Its product instance reports it under another number.
    Renumbered,
}

/// A licence that a product instance uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UseView {
    /// Its short name.
    pub license: String,
    /// Its entitlement tag.
    pub tag: String,
    /// How many.
    pub count: i64,
    /// As of when.
    pub as_of: i64,
}

/// What is known of a product instance beside what the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfInstance {
    /// Its newest reports, the newest first.
    pub reports: Vec<ReportView>,
    /// What it uses.
    pub uses: Vec<UseView>,
    /// When an answer was last handed over.
    pub delivered_at: Option<i64>,
}

impl Collector {
    /// What is known of a product instance, with so many of its reports.
    ///
    /// # Errors
    /// When there is no such product instance.
    pub fn of_instance(
        &self,
        tenant_id: TenantId,
        id: InstanceId,
        limit: i64,
    ) -> Result<OfInstance, Error> {
        self.instance(tenant_id, id)?;
        self.db.read("of_instance.read", move |tx| {
            let of = [tenant_id.into(), id.into()];
            let sql = "SELECT report_id, payload, received_at, state FROM report
                WHERE tenant_id = $1 AND instance_id = $2 ORDER BY report_id DESC, rival DESC
                LIMIT $3";
            let values = [of[0], of[1], limit.clamp(1, 1_000).into()];
            let reports = tx.rows(sql, &values, |row| {
                let says = RumReport::read(&row.text(1)?).ok().map(|report| ReportSays {
                    license: Catalogue::nexus().license_of(report.entitlement_tag.as_str()),
                    from: report.start_at().0,
                    to: report.end_at().0,
                });
                Ok::<_, Error>(ReportView {
                    report_id: row.int(0)?,
                    says,
                    received_at: row.int(2)?,
                    state: match row.int(3)? {
                        0 => ReportState::Waits,
                        1 => ReportState::Acknowledged,
                        2 => ReportState::Refused,
                        _ => ReportState::Renumbered,
                    },
                })
            })?;
            let sql = "SELECT tag, count, as_of FROM license_use WHERE tenant_id = $1
                AND instance_id = $2 AND count > 0 ORDER BY tag";
            let uses = tx.rows(sql, &of, |row| {
                let tag = row.text(0)?;
                let license = Catalogue::nexus().license_of(&tag);
                Ok::<_, Error>(UseView { license, tag, count: row.int(1)?, as_of: row.int(2)? })
            })?;
            let sql = "SELECT delivered_at FROM instance WHERE tenant_id = $1 AND id = $2";
            let delivered_at = tx.row(sql, &of, |row| row.opt_int(0))?.flatten();
            Ok(OfInstance { reports, uses, delivered_at })
        })
    }
}
