//! The screens of CSLU (guide p. 24, 34-36; CSLU-009 to 017) and of SSM On-Prem (p. 30, 72-75; ONPREM-008 to 015).

use axum::extract::{Extension, Form, Multipart, Path, Query, RawForm, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use rumline_collector::{Action, Caller, InstanceView, Role, Tenant, TenantSettings, Transfer};
use serde::Deserialize;

use crate::collector::{CiscoAccount, CollectorSite, api, transfer};
use crate::page::{Frame, Tab, counted, in_query, page, problem_page, time};
use crate::problem::Problem;

/// The tab of SSM On-Prem's inventory (ONPREM-008).
const POLICY_TAB: &str = "SL Using Policy";
/// Product instances on one page.
const ROWS: i64 = 100;

fn may(caller: &Caller, action: Action) -> bool {
    caller.may_at_all(action).is_ok()
}

fn home(tenant: i64) -> String {
    format!("/tenants/{tenant}")
}

/// The navigation at a tenant's pages.
fn tabs(state: &CollectorSite, caller: &Caller, tenant: i64) -> Vec<Tab> {
    let at = |rest: &str| format!("{}{rest}", home(tenant));
    let mut tabs = Vec::new();
    if !state.is_cslu() {
        tabs.push(("/".to_owned(), "License Workspace"));
    }
    let inventory = if state.is_cslu() { "Product Instances" } else { POLICY_TAB };
    tabs.push((home(tenant), inventory));
    tabs.push((at("/preferences"), "Preferences"));
    tabs.push((at("/transfers"), "Files"));
    tabs.push((at("/licenses"), "Licenses"));
    tabs.push((at("/events"), "Events"));
    if may(caller, Action::AdministerAll) {
        tabs.push(("/admin".to_owned(), "Admin Workspace"));
    }
    tabs
}

/// `Login to Cisco`, at the top right (CSLU-009).
fn corner(state: &CollectorSite, caller: &Caller, tenant: &Tenant) -> Option<Markup> {
    let address = format!("{}/cisco", home(tenant.id));
    let login = state.cisco_login(tenant.id);
    (tenant.connected && may(caller, Action::Administer)).then(|| {
        html! {
            @if let Some(login) = login {
                span.good { "Cisco: " (login.login) }
                form method="post" action=(format!("{address}/logout")) {
                    button { "Log out of Cisco" }
                }
            } @else {
                a.button href=(address) { "Login to Cisco" }
            }
        }
    })
}

struct View<'a> {
    state: &'a CollectorSite,
    caller: &'a Caller,
    tenant: &'a Tenant,
}

impl View<'_> {
    fn page(&self, title: &str, at: &str, content: &Markup) -> Response {
        let tabs = tabs(self.state, self.caller, self.tenant.id);
        let current = format!("{}{at}", home(self.tenant.id));
        let frame = Frame {
            title,
            caller: Some(self.caller),
            tabs: &tabs,
            current: &current,
            corner: if at == "/cisco" {
                None
            } else {
                corner(self.state, self.caller, self.tenant)
            },
        };
        page(self.state, frame, content).into_response()
    }

    /// Where this is, in the words of the guide.
    fn head(&self, title: &str) -> Markup {
        let tenant = self.tenant;
        html! {
            @if self.state.is_cslu() {
                h1 { (title) }
            } @else {
                p.path { "On-Prem License Workspace: Smart Software Manager On-Prem > Smart Licensing > "
                    @if title == POLICY_TAB { "Inventory > " } (title) }
                h1 { (tenant.name) ": " (title) }
            }
            (self.standing())
        }
    }

    fn standing(&self) -> Markup {
        let tenant = self.tenant;
        html! {
            p {
                @if tenant.has_account() {
                    (tenant.smart_account) " / " (tenant.virtual_account) ". "
                } @else {
                    strong { "No Smart Account and Virtual Account chosen yet. " }
                    a href=(format!("{}/preferences", home(tenant.id))) { "Choose them in Preferences" }
                    ". "
                }
                (tenant.connectivity()) ". "
                @if tenant.connected && tenant.has_account() && !tenant.registered {
                    span.bad { "CSSM does not know this server yet: Login to Cisco. " }
                }
                @if tenant.connected && tenant.registered {
                    "Last exchange with Cisco: " (time(tenant.last_sync_at)) ". "
                }
            }
            @if let Some(error) = &tenant.sync_error {
                p.note.bad role="status" { "Cisco could not be reached or refused: " (error) }
            }
        }
    }
}

async fn load(state: &CollectorSite, id: i64) -> Result<Tenant, Problem> {
    api::run_raw(state, move |collector, _| collector.tenant(id)).await
}

/// An outcome as a page: what went wrong is told with the way back.
fn shown(
    state: &CollectorSite,
    caller: &Caller,
    back: &str,
    outcome: Result<Response, Problem>,
) -> Response {
    outcome.unwrap_or_else(|problem| problem_page(state, Some(caller), &problem, back))
}

pub(super) async fn root(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Response {
    if state.is_cslu() {
        return Redirect::to("/tenants/1").into_response();
    }
    let scope = caller.scope_id;
    let found = api::run_raw(&state, move |collector, _| collector.tenants(scope)).await;
    let outcome = found.map(|tenants| workspace(&state, &caller, &tenants));
    shown(&state, &caller, "/", outcome)
}

/// The license workspace: every tenant with its URL to copy (ONPREM-002, ONPREM-005).
fn workspace(state: &CollectorSite, caller: &Caller, tenants: &[Tenant]) -> Response {
    let content = html! {
        p.path { "Smart Software Manager On-Prem > Smart Licensing" }
        h1 { "On-Prem License Workspace" }
        @if tenants.is_empty() {
            p.empty { "No tenant yet. A tenant is one Smart Account and Virtual Account pair; its "
                "product instances push to a URL of its own. Create the first one below." }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="Table" { table {
                thead { tr { th { "Tenant" } th { "Smart Account / Virtual Account" } th { "Cisco" }
                    th { "Device URL" } } }
                tbody { @for tenant in tenants { tr {
                    td.whole { a href=(home(tenant.id)) { (tenant.name) } }
                    td { (tenant.smart_account) " / " (tenant.virtual_account) }
                    td { (tenant.connectivity()) }
                    td { (copyable(&state.device_url_of(&tenant.name))) }
                } } }
            } }
        }
        @if may(caller, Action::AdministerAll) {
            h2 { "Create a tenant" }
            form.row method="post" action="/tenants" {
                label { "Tenant ID" input name="name" required placeholder="XYZ-ON-PREM-1"; }
                label { "Smart Account" input name="smart_account" required; }
                label { "Virtual Account" input name="virtual_account" required; }
                label.check { input type="checkbox" name="connected" value="on" checked; "Cisco Is Available" }
                button.first { "Create" }
            }
        }
    };
    let mut tabs = vec![("/".to_owned(), "License Workspace")];
    if may(caller, Action::AdministerAll) {
        tabs.push(("/admin".to_owned(), "Admin Workspace"));
    }
    let frame = Frame {
        title: "On-Prem License Workspace",
        caller: Some(caller),
        tabs: &tabs,
        current: "/",
        corner: None,
    };
    page(state, frame, &content).into_response()
}

fn copyable(text: &str) -> Markup {
    html! { code { (text) } " " button type="button" data-copy=(text) { "Copy" } }
}

#[derive(Deserialize)]
pub(super) struct NewTenant {
    name: String,
    smart_account: String,
    virtual_account: String,
    connected: Option<String>,
}

pub(super) async fn create_tenant(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<NewTenant>,
) -> Response {
    let settings = TenantSettings {
        smart_account: form.smart_account.trim().to_owned(),
        virtual_account: form.virtual_account.trim().to_owned(),
        connected: form.connected.is_some(),
        sync_minutes: 15,
    };
    let by = caller.login.clone();
    let made = api::run_raw(&state, move |collector, now| {
        collector.create_tenant(now, &by, form.name.trim(), &settings)
    });
    let outcome = made
        .await
        .map(|tenant| Redirect::to(&format!("{}/preferences", home(tenant.id))).into_response());
    shown(&state, &caller, "/", outcome)
}

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    search: String,
    #[serde(default)]
    after: i64,
}

pub(super) async fn inventory(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
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
fn selected(form: &[u8]) -> Result<Option<Vec<i64>>, Problem> {
    let text = String::from_utf8_lossy(form);
    let number = |pair: &str| pair.strip_prefix("ids=")?.parse().ok();
    let ids: Vec<i64> = text.split('&').filter_map(number).collect();
    if !text.split('&').any(|pair| pair == "selected=1") {
        return Ok(None);
    }
    if ids.is_empty() {
        let text = "select product instances in the list first";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    Ok(Some(ids))
}

fn to(address: &str) -> Response {
    Redirect::to(address).into_response()
}

pub(super) async fn add(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    Form(new): Form<api::NewInstance>,
) -> Response {
    let by = caller.login.clone();
    let added = api::run_raw(&state, move |collector, now| new.add(collector, now, &by, id)).await;
    shown(&state, &caller, &home(id), added.map(|_| to(&home(id))))
}

pub(super) async fn remove(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    RawForm(form): RawForm,
) -> Response {
    let by = caller.login.clone();
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

pub(super) async fn sync_instances(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    RawForm(form): RawForm,
) -> Response {
    let outcome = async {
        let ids = selected(&form)?.unwrap_or_default();
        api::run_raw(&state, move |collector, _| collector.sync_instances(id, &ids)).await?;
        Ok(to(&home(id)))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(super) async fn sync(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
) -> Response {
    let done = api::run_raw(&state, move |collector, _| collector.sync_now(id)).await;
    state.work.ring();
    shown(&state, &caller, &home(id), done.map(|()| to(&home(id))))
}

pub(super) async fn export(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    RawForm(form): RawForm,
) -> Response {
    let outcome = async {
        let only = selected(&form)?;
        transfer::export(&state, caller.login.clone(), id, only).await
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(super) async fn import(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    form: Multipart,
) -> Response {
    let outcome = async {
        let incoming = state.spool.form(form, |_, _| {}).await?;
        transfer::import(&state, caller.login.clone(), id, incoming).await?;
        Ok(to(&format!("{}/transfers", home(id))))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(super) async fn import_csv(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    form: Multipart,
) -> Response {
    let by = caller.login.clone();
    let outcome = async {
        let incoming = state.spool.form(form, |_, _| {}).await?;
        let done = api::run_raw(&state, move |collector, now| {
            let bytes = incoming.bytes(api::CSV_BYTES_MAX)?;
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

pub(super) async fn preferences(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
) -> Response {
    let outcome = async {
        let tenant = load(&state, id).await?;
        let accounts = match (&state.cisco, state.cisco_login(id)) {
            (Some(cisco), Some(login)) if tenant.connected => {
                cisco.accounts(&login.token).await.ok()
            }
            _ => None,
        };
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        Ok(preferences_page(&view, accounts.as_deref()))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

/// Cisco Connectivity, Smart Account and Virtual Account: chosen when connected, typed when not (CSLU-010, 011).
fn preferences_page(view: &View<'_>, accounts: Option<&[CiscoAccount]>) -> Response {
    let (tenant, at) = (view.tenant, home(view.tenant.id));
    let administer = may(view.caller, Action::Administer);
    let content = html! {
        (view.head("Preferences"))
        form.column method="post" action=(format!("{at}/preferences")) {
            label.check {
                input type="checkbox" role="switch" name="connected" value="on" checked[tenant.connected] disabled[!administer];
                span { "Cisco Connectivity: " strong { (tenant.connectivity()) } }
            }
            @if let Some(accounts) = accounts {
                label { "Smart Account" select name="smart_account" required {
                    @for account in accounts {
                        option value=(account.name) selected[account.name == tenant.smart_account] {
                            (account.name)
                        }
                    }
                } }
                label { "Virtual Account" select name="virtual_account" required {
                    @for account in accounts {
                        optgroup label=(account.name) {
                            @for (_, name) in &account.virtual_accounts {
                                option value=(name) selected[*name == tenant.virtual_account
                                    && account.name == tenant.smart_account] { (name) }
                            }
                        }
                    }
                } }
            } @else {
                label { "Smart Account"
                    input name="smart_account" value=(tenant.smart_account) required disabled[!administer]; }
                label { "Virtual Account"
                    input name="virtual_account" value=(tenant.virtual_account) required disabled[!administer]; }
            }
            label { "Sync with Cisco every (minutes)"
                input type="number" name="sync_minutes" min="0" max="44640" value=(tenant.sync_minutes) disabled[!administer]; }
            @if administer { button.first { "Save" } }
        }
        p.soft { "Names are case-sensitive. One Smart Account and Virtual Account pair at a time: saving "
            "another replaces it. 0 minutes: reports go to Cisco as soon as they come. The schedule explains "
            "how long an acknowledgement takes to come back." }
        @if tenant.connected && accounts.is_none() {
            p.note { "Login to Cisco (top right) to choose from the list of accounts." }
        }
    };
    view.page("Preferences", "/preferences", &content)
}

#[derive(Deserialize)]
pub(super) struct Preferences {
    connected: Option<String>,
    smart_account: String,
    virtual_account: String,
    sync_minutes: i64,
}

pub(super) async fn save_preferences(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    Form(form): Form<Preferences>,
) -> Response {
    let back = format!("{}/preferences", home(id));
    let settings = TenantSettings {
        smart_account: form.smart_account.trim().to_owned(),
        virtual_account: form.virtual_account.trim().to_owned(),
        connected: form.connected.is_some(),
        sync_minutes: form.sync_minutes,
    };
    let saved = api::change_settings(&state, caller.login.clone(), id, settings).await;
    shown(&state, &caller, &back, saved.map(|_| to(&back)))
}

pub(super) async fn cisco(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
) -> Response {
    let outcome = load(&state, id).await.map(|tenant| {
        let content = html! {
            h1 { "Login to Cisco" }
            form.row method="post" action=(format!("{}/cisco", home(id))) {
                label { "CCO User Name" input name="login" autocomplete="off" required; }
                label { "CCO Password"
                    input name="password" type="password" autocomplete="off" required; }
                button.first { "Login to Cisco" }
            }
            p.soft { "An account on CSSM. It is needed to choose accounts and to register this server; "
                "the password is not kept." }
        };
        View { state: &state, caller: &caller, tenant: &tenant }.page("Login to Cisco", "/cisco", &content)
    });
    shown(&state, &caller, &home(id), outcome)
}

pub(super) async fn cisco_login(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    Form(who): Form<api::LogIn>,
) -> Response {
    let back = format!("{}/cisco", home(id));
    let done = api::log_in_to_cisco(&state, id, who).await;
    shown(&state, &caller, &back, done.map(|_| to(&format!("{}/preferences", home(id)))))
}

pub(super) async fn cisco_logout(
    State(state): State<CollectorSite>,
    Path(id): Path<i64>,
) -> Response {
    api::log_out_of_cisco(&state, id).await;
    to(&format!("{}/preferences", home(id)))
}

pub(super) async fn transfers(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
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

pub(super) async fn licenses(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
) -> Response {
    let outcome = async {
        let found = api::run_raw(&state, move |collector, _| collector.licenses(id)).await?;
        let tenant = load(&state, id).await?;
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        let content = html! {
            (view.head("Licenses"))
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
        };
        Ok(view.page("Licenses", "/licenses", &content))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(super) async fn events(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
) -> Response {
    let outcome = async {
        let found = api::run_raw(&state, move |collector, _| collector.events(id, 500)).await?;
        let tenant = load(&state, id).await?;
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        let content = html! {
            (view.head("Events"))
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
        };
        Ok(view.page("Events", "/events", &content))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

pub(super) async fn admin(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let outcome = api::run_raw(&state, |collector, _| {
        Ok((collector.people().list()?, collector.tenants(None)?))
    });
    let outcome =
        outcome.await.map(|(people, tenants)| admin_page(&state, &caller, &people, &tenants));
    shown(&state, &caller, "/", outcome)
}

/// The admin workspace: people, and the support center with the system logs (ONPREM-013, G-01).
fn admin_page(
    state: &CollectorSite,
    caller: &Caller,
    people: &[Caller],
    tenants: &[Tenant],
) -> Response {
    let of = |id: Option<i64>| match id.and_then(|id| tenants.iter().find(|t| t.id == id)) {
        Some(tenant) if !tenant.name.is_empty() => tenant.name.as_str(),
        _ => "all",
    };
    let content = html! {
        h1 { "Admin Workspace" }
        h2 { "Support Center > System Logs" }
        p { a.button href="/api/v1/logs" { "Download All Logs" } " "
            span.soft { "AllFiles.zip with the file messages" } }
        h2 { "Users" }
        div.scroll tabindex="0" role="region" aria-label="Table" { table {
            thead { tr { th { "Login" } th { "Role" } @if !state.is_cslu() { th { "Tenant" } } } }
            tbody { @for person in people { tr {
                td { (person.login) } td { (person.role.name()) }
                @if !state.is_cslu() { td { (of(person.scope_id)) } }
            } } }
        } }
        h2 { "Add a user, or give one another password and role" }
        form.row method="post" action="/admin/people" {
            label { "Login" input name="login" required autocomplete="off"; }
            label { "Password" input name="password" type="password" minlength="10" required autocomplete="new-password"; }
            label { "Role" select name="role" {
                option value="viewer" { "viewer" } option value="operator" { "operator" }
                option value="administrator" { "administrator" }
            } }
            @if !state.is_cslu() {
                label { "Tenant" select name="tenant_id" {
                    option value="" { "all" }
                    @for tenant in tenants { option value=(tenant.id) { (tenant.name) } }
                } }
            }
            button.first { "Save" }
        }
    };
    let tabs = if state.is_cslu() {
        tabs(state, caller, 1)
    } else {
        vec![("/".to_owned(), "License Workspace"), ("/admin".to_owned(), "Admin Workspace")]
    };
    let frame = Frame {
        title: "Admin Workspace",
        caller: Some(caller),
        tabs: &tabs,
        current: "/admin",
        corner: None,
    };
    page(state, frame, &content).into_response()
}

#[derive(Deserialize)]
pub(super) struct NewPerson {
    login: String,
    password: String,
    role: Role,
    #[serde(default)]
    tenant_id: String,
}

pub(super) async fn save_person(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<NewPerson>,
) -> Response {
    let scope = form.tenant_id.parse().ok();
    let saved = api::run_raw(&state, move |collector, now| {
        if let Some(id) = scope {
            collector.tenant(id)?;
        }
        collector.people().add(now, form.login.trim(), &form.password, form.role, scope)
    });
    shown(&state, &caller, "/admin", saved.await.map(|()| to("/admin")))
}
