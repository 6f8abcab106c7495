//! The list of product instances, and all that is done from it.

use axum::extract::{Extension, Form, Multipart, Path, Query, RawForm, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use rumline_collector::{Action, Caller, InstanceId, InstanceView, TenantId};
use serde::Deserialize;

use super::{POLICY_TAB, View, copyable, home, load, may, shown, to};
use crate::collector::{CollectorSite, api, transfer};
use crate::page::{counted, in_query, time};
use crate::problem::Problem;

/// Product instances on one page.
const ROWS: i64 = 100;

#[derive(Deserialize)]
pub(in crate::collector) struct Search {
    #[serde(default)]
    search: String,
    #[serde(default)]
    after: InstanceId,
}

pub(in crate::collector) async fn inventory(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    Query(query): Query<Search>,
) -> Response {
    let search = query.search.clone();
    let found = api::run_raw(&state, move |collector, _| {
        let rows = collector.instances(id, &search, query.after, ROWS + 1)?;
        Ok((collector.tenant(id)?, rows, collector.totals(id)?))
    });
    let outcome = found.await.map(|(tenant, rows, totals)| {
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        inventory_page(&view, &query, &rows, totals)
    });
    shown(&state, &caller, "/", outcome)
}

fn inventory_page(
    view: &View<'_>,
    query: &Search,
    rows: &[InstanceView],
    (count, waiting, alerts): (i64, i64, i64),
) -> Response {
    let at = home(view.tenant.id);
    let title = if view.state.is_cslu() { "Product Instances" } else { POLICY_TAB };
    let every = if waiting > 0 { "2" } else { "4" };
    let operate = may(view.caller, Action::Operate);
    let more = rows.len() as i64 > ROWS;
    let rows = &rows[..rows.len().min(usize::try_from(ROWS).unwrap_or(0))];
    let content = html! {
        (view.head(title))
        p { "Device URL: " (copyable(&view.state.device_url_of(&view.tenant.name))) }
        form.row method="get" action=(at) role="search" {
            label { "Search" input type="search" name="search" value=(query.search); }
            button { "Search" }
        }
        @if operate { (menus(view, &at)) }
        form method="post" action=(at) {
            input type="hidden" name="selected" value="1";
            @if operate {
                p {
                    "Actions for Selected: "
                    button formaction=(format!("{at}/export")) { "Export Usage to Cisco" } " "
                    button formaction=(format!("{at}/sync-instances")) { "Sync with the switch" } " "
                    button formaction=(format!("{at}/remove")) data-confirm="Remove the selected product instances?" { "Remove" }
                }
            }
            div id="list" data-refresh=(format!("{at}?search={}&after={}", in_query(&query.search), query.after)) data-every=(every) {
                p role="status" { (counted(count, "product instance")) ", " (counted(waiting, "report"))
                    " to be acknowledged, " (counted(alerts, "alert")) "." }
                @if count == 0 {
                    p.empty { "No product instance yet. Add one, import a CSV file, or configure a "
                        "switch with " code { "license smart transport cslu" } " and "
                        code { "license smart url cslu " (view.state.device_url_of(&view.tenant.name)) }
                        ": it appears with its first report." }
                } @else if rows.is_empty() {
                    p.empty { "Nothing matches." }
                } @else {
                    (instance_table(rows, operate))
                }
            }
        }
        @if let (true, Some(last)) = (more, rows.last()) {
            p { a.button href=(format!("{at}?search={}&after={}", in_query(&query.search), last.id)) {
                "Next " (ROWS) } }
        }
    };
    view.page(title, "", &content)
}

fn instance_table(rows: &[InstanceView], operate: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table" { table {
            thead { tr {
                @if operate { th { input type="checkbox" data-selects="ids" aria-label="Select all"; } }
                th { "Name" } th { "PID" } th { "Serial Number" } th { "State" } th { "Last Contact" }
                th { "Last Report" } th { "Last ACK" } th.number { "Waiting" } th { "Alert" }
            } }
            tbody { @for row in rows { tr {
                @if operate {
                    td { input type="checkbox" name="ids" value=(row.id) aria-label=(format!("Select {}", row.name)); }
                }
                td.whole { (row.name) }
                td.whole { (row.pid) }
                td.whole { (row.serial) }
                td { (row.state) }
                td { (time(row.last_contact_at)) }
                td { (time(row.last_report_at)) }
                td { (time(row.last_ack_at)) }
                td.number { (row.waiting) }
                td { @if let Some(alert) = &row.alert { span.bad { (alert) } } }
            } } }
        } }
    }
}

/// The menus above the list, with the names of both places of the guide (C-66, C-67).
fn menus(view: &View<'_>, at: &str) -> Markup {
    let cslu = view.state.is_cslu();
    html! {
        p {
            details.menu {
                summary { @if cslu { "Data" } @else { "Export/Import All" } }
                div {
                    form method="post" action=(format!("{at}/export")) {
                        button { @if cslu { "Export to CSSM (Download All for Cisco)" }
                            @else { "Export Usage to Cisco" } }
                    }
                    form method="post" action=(format!("{at}/import")) enctype="multipart/form-data" {
                        label { @if cslu { "Import from CSSM (Upload From Cisco)" }
                            @else { "Import From Cisco" }
                            input type="file" name="file" required; }
                        progress hidden {}
                        button { @if cslu { "Import from CSSM" } @else { "Import From Cisco" } }
                    }
                    form method="post" action=(format!("{at}/sync")) {
                        button { "Sync with Cisco" }
                    }
                }
            } " "
            details.menu {
                summary { "CSV" }
                div {
                    a.button href=(format!("{at}/product-instances.csv")) { "Export CSV" }
                    form method="post" action=(format!("{at}/csv")) enctype="multipart/form-data" {
                        label { "Import CSV" input type="file" name="file" accept=".csv,text/csv" required; }
                        button { "Import CSV" }
                    }
                }
            } " "
            details.menu {
                summary { "Add" }
                div {
                    form method="post" action=(format!("{at}/add")) {
                        label { "PID" input name="pid" required placeholder="N9K-C93180YC-FX3"; }
                        label { "Serial Number" input name="serial" required; }
                        label { "Host Name" input name="hostname"; }
                        button { "Add Product Instance" }
                    }
                }
            }
        }
    }
}

/// The numbers that were selected in a form; none for a form that is about all.
fn selected(form: &[u8]) -> Result<Option<Vec<InstanceId>>, Problem> {
    let text = String::from_utf8_lossy(form);
    let number = |pair: &str| pair.strip_prefix("ids=")?.parse().ok();
    let ids: Vec<InstanceId> = text.split('&').filter_map(number).collect();
    if !text.split('&').any(|pair| pair == "selected=1") {
        return Ok(None);
    }
    if ids.is_empty() {
        let text = "select product instances in the list first";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    Ok(Some(ids))
}

pub(in crate::collector) async fn add(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    Form(new): Form<api::NewInstance>,
) -> Response {
    let by = caller.actor();
    let added = api::run_raw(&state, move |collector, now| new.add(collector, now, &by, id)).await;
    shown(&state, &caller, &home(id), added.map(|_| to(&home(id))))
}

pub(in crate::collector) async fn remove(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    RawForm(form): RawForm,
) -> Response {
    let by = caller.actor();
    let outcome = async {
        let ids = selected(&form)?.unwrap_or_default();
        api::run_raw(&state, move |collector, now| {
            ids.iter().try_for_each(|instance| collector.remove_instance(now, &by, id, *instance))
        })
        .await?;
        Ok(to(&home(id)))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(in crate::collector) async fn sync_instances(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    RawForm(form): RawForm,
) -> Response {
    let outcome = async {
        let ids = selected(&form)?.unwrap_or_default();
        api::run_raw(&state, move |collector, _| collector.sync_instances(id, &ids)).await?;
        Ok(to(&home(id)))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(in crate::collector) async fn sync(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Response {
    let done = api::run_raw(&state, move |collector, _| collector.sync_now(id)).await;
    state.work.ring();
    shown(&state, &caller, &home(id), done.map(|()| to(&home(id))))
}

pub(in crate::collector) async fn export(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    RawForm(form): RawForm,
) -> Response {
    let outcome = async {
        let only = selected(&form)?;
        transfer::export(&state, caller.actor(), id, only).await
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(in crate::collector) async fn import(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    form: Multipart,
) -> Response {
    let outcome = async {
        let incoming = state.spool.form(form, |_, _| {}).await?;
        transfer::import(&state, caller.actor(), id, incoming).await?;
        Ok(to(&format!("{}/transfers", home(id))))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(in crate::collector) async fn import_csv(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    form: Multipart,
) -> Response {
    let by = caller.actor();
    let outcome = async {
        let incoming = state.spool.form(form, |_, _| {}).await?;
        let done = api::run_raw(&state, move |collector, now| {
            let bytes = incoming.bytes(api::CSV_BYTES_MAX as u64)?;
            collector.import_csv(now, &by, id, &bytes)
        });
        let (done, tenant) = (done.await?, load(&state, id).await?);
        let content = html! {
            h1 { "Import CSV" }
            p.note.good role="status" { (done.added) " product instances added, " (done.known)
                " were there already, " (done.error_count) " rows could not be taken." }
            @if !done.errors.is_empty() {
                div.scroll tabindex="0" role="region" aria-label="Table" { table {
                    thead { tr { th.number { "Line" } th { "What is wrong" } } }
                    tbody { @for error in &done.errors {
                        tr { td.number { (error.line) } td { (error.text) } }
                    } }
                } }
            }
            p { a.button href=(home(id)) { "To the product instances" } }
        };
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        Ok(view.page("Import CSV", "/csv", &content))
    };
    shown(&state, &caller, &home(id), outcome.await)
}
