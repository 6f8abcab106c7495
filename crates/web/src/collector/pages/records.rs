//! What there is to read: files, licences in use, events.

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use maud::html;
use rumline_collector::{Caller, TenantId, Transfer};

use super::{View, home, load, shown};
use crate::collector::{CollectorSite, api};
use crate::page::time;

pub(in crate::collector) async fn transfers(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Response {
    let outcome = async {
        let found = api::run_raw(&state, move |collector, _| collector.transfers(id)).await?;
        let tenant = load(&state, id).await?;
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        Ok(transfers_page(&view, &found))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

fn transfers_page(view: &View<'_>, found: &[Transfer]) -> Response {
    let at = format!("{}/transfers", home(view.tenant.id));
    let working = found.iter().any(|transfer| transfer.status == Transfer::PROCESSING);
    let content = html! {
        (view.head("Files"))
        div id="list" data-refresh=(at) data-every=(if working { "1" } else { "10" }) {
            @if found.is_empty() {
                p.empty { "No file yet. Without a connection to Cisco, export usage from the list of "
                    "product instances, upload it at CSSM (Reports > Usage Data Files), and import the "
                    "ACK file that CSSM gives." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Table" { table {
                    thead { tr { th { "File" } th { "Kind" } th { "When" } th { "By" } th { "Status" }
                        th { "What became of it" } } }
                    tbody { @for row in found { tr {
                        td { (row.name) } td { (row.kind) } td { (time(Some(row.at))) } td { (row.login) }
                        td { (row.status)
                            @if row.status == Transfer::PROCESSING {
                                progress max=(row.members) value=(row.members_done) {}
                            } }
                        td { (row.message()) }
                    } } }
                } }
            }
        }
    };
    view.page("Files", "/transfers", &content)
}

pub(in crate::collector) async fn licenses(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Response {
    let outcome = async {
        let found = api::run_raw(&state, move |collector, _| collector.licenses(id)).await?;
        let tenant = load(&state, id).await?;
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        let content = html! {
            (view.head("Licenses"))
            div id="list" data-refresh=(format!("{}/licenses", home(id))) data-every="10" {
                @if found.is_empty() {
                    p.empty { "No license is in use here. Use is shown as soon as a product instance reports it." }
                } @else {
                    div.scroll tabindex="0" role="region" aria-label="Table" { table {
                        caption { "As the newest reports of the product instances say." }
                        thead { tr { th { "License" } th.number { "In Use" }
                            th.number { "Product Instances" } th { "Entitlement Tag" } } }
                        tbody { @for row in &found { tr {
                            td { (row.license) } td.number { (row.in_use) }
                            td.number { (row.product_instances) } td { code { (row.tag) } }
                        } } }
                    } }
                }
            }
        };
        Ok(view.page("Licenses", "/licenses", &content))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(in crate::collector) async fn events(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Response {
    let outcome = async {
        let found = api::run_raw(&state, move |collector, _| collector.events(id, 500)).await?;
        let tenant = load(&state, id).await?;
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        let content = html! {
            (view.head("Events"))
            div id="list" data-refresh=(format!("{}/events", home(id))) data-every="10" {
                @if found.is_empty() {
                    p.empty { "Nothing has happened yet. What people set, add, export and import is listed here." }
                } @else {
                    div.scroll tabindex="0" role="region" aria-label="Table" { table {
                        thead { tr { th { "When" } th { "By" } th { "What" } } }
                        tbody { @for event in &found { tr {
                            td { (time(Some(event.at))) } td { (event.login) } td { (event.text) }
                        } } }
                    } }
                }
            }
        };
        Ok(view.page("Events", "/events", &content))
    };
    shown(&state, &caller, &home(id), outcome.await)
}
