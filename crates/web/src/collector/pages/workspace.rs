//! The license workspace of SSM On-Prem: its tenants, side by side (guide p. 30; ONPREM-002, 005, 010).

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use rumline_collector::{Action, Collector, Error, Tenant, TenantSettings};

use super::tenancy::{home, not_asked};
use crate::collector::CollectorSite;
use crate::problem::Problem;
use crate::shared::Frames as _;
use crate::site::{Access, Route, route};
use crate::ui::form::{Field, Kind as Typed, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post, copyable};

/// The way in: to the only tenant of a CSLU, or to the workspace.
pub(super) fn way_in() -> Route<CollectorSite> {
    route!(page get "/", Access::LoggedIn, root)
}

async fn root(State(site): State<CollectorSite>) -> Response {
    let to = if site.is_cslu() { home(Collector::CSLU_TENANT) } else { "/tenants".to_owned() };
    Redirect::to(&to).into_response()
}

pub(super) struct Workspace {
    /// The tenants, with their product instances, reports that wait and alerts.
    tenants: Vec<(Tenant, (i64, i64, i64))>,
}

impl Page<CollectorSite> for Workspace {
    const AT: &'static str = "/tenants";
    const ACCESS: Access = Access::LoggedIn;

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenants = site.collector.tenants(&ask.caller.scopes())?.into_iter();
        let with = |tenant: Tenant| {
            let totals = site.collector.totals(tenant.id)?;
            Ok((tenant, totals))
        };
        Ok(Self { tenants: tenants.map(with).collect::<Result<_, Error>>()? })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        site.around(ask, "On-Prem License Workspace".to_owned())
    }

    fn show(&self, site: &CollectorSite, ask: &Ask) -> Markup {
        type Row = (Tenant, (i64, i64, i64));
        let columns = vec![
            Column::new("Tenant", Kind::Text, |(tenant, _): &Row| {
                html! {
                    a href=(home(tenant.id)) { (tenant.name) }
                    @if !tenant.description.is_empty() { " " span.soft { (tenant.description) } }
                }
            }),
            Column::new("Smart Account / Virtual Account", Kind::Text, |(tenant, _): &Row| {
                html! { (tenant.smart_account) " / " (tenant.virtual_account) }
            }),
            Column::new("Cisco", Kind::Text, |(tenant, _): &Row| {
                html! {
                    span.badge.good[tenant.connected] { (tenant.connectivity()) }
                    @if let Some(error) = &tenant.sync_error { " " span.bad { (error) } }
                }
            }),
            Column::new(
                "Product Instances",
                Kind::Number,
                |(_, totals): &Row| html! { (totals.0) },
            ),
            Column::new("Waiting", Kind::Number, |(_, totals): &Row| html! { (totals.1) }),
            Column::new("Alerts", Kind::Number, |(_, totals): &Row| {
                html! {
                    @if totals.2 > 0 { span.badge.warn { (totals.2) } } @else { "0" }
                }
            }),
            Column::new("Device URL", Kind::Text, |(tenant, _): &Row| {
                copyable(&site.device_url_of(&tenant.name))
            }),
        ];
        let empty = html! {
            p { "No tenant yet." }
            p { "A tenant is one Smart Account and Virtual Account pair; its product instances push to a URL of its own." }
        };
        let rows = &self.tenants;
        html! {
            p.path { "Smart Software Manager On-Prem > Smart Licensing" }
            h1 { "On-Prem License Workspace" }
            @if ask.caller.may_at_all(Action::AdministerAll).is_ok() && !site.is_cslu() {
                details.box open[ask.refused.is_some() || self.tenants.is_empty()] {
                    summary.first { "Create a tenant" }
                    (form(ask, "/tenants", &fields(), "Create"))
                }
            }
            (Table { caption: "Tenants", columns, rows, ticks: None, empty }.show(ask))
        }
    }
}

fn fields() -> [Field<'static>; 4] {
    [
        Field::text("name", "Tenant ID").help("The last part of its URL, like XYZ-ON-PREM-1."),
        Field::text("smart_account", "Smart Account"),
        Field::text("virtual_account", "Virtual Account"),
        Field::text("connected", "Cisco Is Available").kind(Typed::Switch).usual("on"),
    ]
}

/// Creates a tenant.
pub(super) struct Create;

impl Post<CollectorSite> for Create {
    type Page = Workspace;
    const AT: &'static str = "/tenants";
    const ACCESS: Access = Access::May(Action::AdministerAll);
    const BLAMES: &'static [(&'static str, &'static str)] = &[
        ("smart_account", "Smart Account"),
        ("virtual_account", "Virtual Account"),
        ("name", "tenant"),
    ];

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let settings = TenantSettings {
            smart_account: ask.typed("smart_account").to_owned(),
            virtual_account: ask.typed("virtual_account").to_owned(),
            connected: ask.typed("connected") == "on",
            sync_minutes: 15,
        };
        let (name, by) = (ask.typed("name"), ask.caller.actor());
        let made = site.collector.create_tenant(ask.now, &by, name, &settings)?;
        let said = format!("{name} is created. {}", not_asked(&made));
        Ok(Done::at(format!("{}/preferences", home(made.id)), said))
    }
}
