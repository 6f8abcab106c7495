//! Files that are brought to a collector: from Cisco, and lists of product instances.

use rumline_collector::Action;

use super::instances::Instances;
use super::tenancy::home;
use crate::collector::{CollectorSite, api, transfer};
use crate::page::counted;
use crate::problem::Problem;
use crate::site::Access;
use crate::spool::Incoming;
use crate::ui::{Ask, Done, Upload};

/// Rows of a CSV file that are named when they could not be taken.
const NAMED: usize = 5;

/// Takes in a file from Cisco.
pub(super) struct Import;

impl Upload<CollectorSite> for Import {
    type Page = Instances;
    const AT: &'static str = "/tenants/{tenant}/import";
    const ACCESS: Access = Access::May(Action::Operate);

    async fn take(site: &CollectorSite, ask: &Ask, file: Incoming) -> Result<Done, Problem> {
        let id = ask.id("tenant")?;
        let done = transfer::import(site, ask.caller.actor(), id, file).await?;
        let said = format!("{}: {}", done.name, done.message());
        let is_bad = done.status == "Errors";
        Ok(Done::at(format!("{}/transfers", home(id)), said).bad_if(is_bad))
    }
}

/// Adds the product instances of a CSV file.
pub(super) struct ImportCsv;

impl Upload<CollectorSite> for ImportCsv {
    type Page = Instances;
    const AT: &'static str = "/tenants/{tenant}/csv";
    const ACCESS: Access = Access::May(Action::Operate);

    async fn take(site: &CollectorSite, ask: &Ask, file: Incoming) -> Result<Done, Problem> {
        let (by, id) = (ask.caller.actor(), ask.id("tenant")?);
        let done = api::run_raw(site, move |collector, now| {
            let bytes = file.bytes(api::CSV_BYTES_MAX as u64)?;
            collector.import_csv(now, &by, id, &bytes)
        });
        let done = done.await?;
        let many = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut said = format!(
            "{} added, {} were there already, {} could not be taken.",
            counted(many(done.added), "product instance"),
            done.known,
            counted(many(done.error_count), "row")
        );
        for error in done.errors.iter().take(NAMED) {
            said += &format!(" Line {}: {}.", error.line, error.text);
        }
        Ok(Done::at(home(id), said).bad_if(done.error_count > 0))
    }
}
