//! What is done from the list of product instances: adding, removing, handing over, exchanging, exporting (CSLU-014 to 017,
//! ONPREM-012).

use axum::extract::{RawForm, State};
use axum::response::{IntoResponse as _, Response};
use rumline_collector::{Action, InstanceId};

use super::instances::Instances;
use super::tenancy::Tenancy;
use crate::collector::{CollectorSite, api, transfer};
use crate::page::{counted, problem_page};
use crate::problem::Problem;
use crate::site::{Access, Route, route};
use crate::ui::{Ask, Done, Post};

/// Adds a product instance that will push.
pub(super) struct Add;

impl Post<CollectorSite> for Add {
    type Page = Instances;
    const AT: &'static str = "/tenants/{tenant}/add";
    const ACCESS: Access = Access::May(Action::Operate);
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("serial", "serial"), ("pid", "PID"), ("pid", "product"), ("hostname", "host")];

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        let new = api::NewInstance {
            pid: ask.typed("pid").to_owned(),
            serial: ask.typed("serial").to_owned(),
            hostname: Some(ask.typed("hostname").to_owned()),
        };
        let by = ask.caller.actor();
        let added = new.add(&site.collector, ask.now, &by, tenancy.tenant.id)?;
        Ok(Done::at(tenancy.at(""), format!("{} is added.", added.name)))
    }
}

/// Removes the ticked ones.
pub(super) struct Remove;

impl Post<CollectorSite> for Remove {
    type Page = Instances;
    const AT: &'static str = "/tenants/{tenant}/remove";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        let ids: Vec<InstanceId> = ask.ticked("ids")?;
        let (by, tenant) = (ask.caller.actor(), tenancy.tenant.id);
        for id in &ids {
            site.collector.remove_instance(ask.now, &by, tenant, *id)?;
        }
        let count = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        Ok(Done::at(tenancy.at(""), format!("{} removed.", counted(count, "product instance"))))
    }
}

/// Hands the newest answers over once more (ONPREM-012).
pub(super) struct SyncInstances;

impl Post<CollectorSite> for SyncInstances {
    type Page = Instances;
    const AT: &'static str = "/tenants/{tenant}/sync-instances";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        let ids: Vec<InstanceId> = ask.ticked("ids")?;
        site.collector.sync_instances(tenancy.tenant.id, &ids)?;
        Ok(Done::at(tenancy.at(""), "The newest answers are handed over at the next contact."))
    }
}

/// Exchanges with Cisco now (ONPREM-012).
pub(super) struct Sync;

impl Post<CollectorSite> for Sync {
    type Page = Instances;
    const AT: &'static str = "/tenants/{tenant}/sync";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        site.collector.sync_now(tenancy.tenant.id)?;
        site.work.ring();
        Ok(Done::at(tenancy.at(""), "The exchange with Cisco begins."))
    }
}

/// The file for Cisco is the answer.
pub(super) fn export_route() -> Route<CollectorSite> {
    route!(page post "/tenants/{tenant}/export", Access::May(Action::Operate), export)
}

async fn export(
    State(site): State<CollectorSite>,
    mut ask: Ask,
    RawForm(body): RawForm,
) -> Response {
    ask.read_form(&body);
    let outcome = async {
        let only = match ask.typed("selected") {
            "" => None,
            _ => Some(ask.ticked("ids")?),
        };
        transfer::export(&site, ask.caller.actor(), ask.id("tenant")?, only).await
    };
    let back = ask.at.trim_end_matches("/export");
    match outcome.await {
        Ok(file) => file.into_response(),
        Err(problem) => problem_page(&site, ask.who(), problem, back).await,
    }
}
