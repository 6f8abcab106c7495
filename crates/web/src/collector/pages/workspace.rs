//! The license workspace with its tenants, and the admin workspace.

use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use rumline_collector::{Action, Caller, Collector, Role, Tenant, TenantId, TenantSettings};
use rumline_server::{Grant, Only, Person};
use serde::Deserialize;

use super::{copyable, home, may, shown, tabs, to};
use crate::collector::{CollectorSite, api};
use crate::page::{Frame, page};
use crate::problem::Problem;

pub(in crate::collector) async fn root(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Response {
    if state.is_cslu() {
        return Redirect::to("/tenants/1").into_response();
    }
    let only = caller.scopes();
    let found = api::run_raw(&state, move |collector, _| collector.tenants(&only)).await;
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

#[derive(Deserialize)]
pub(in crate::collector) struct NewTenant {
    name: String,
    smart_account: String,
    virtual_account: String,
    connected: Option<String>,
}

pub(in crate::collector) async fn create_tenant(
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
    let by = caller.actor();
    let made = api::run_raw(&state, move |collector, now| {
        collector.create_tenant(now, &by, form.name.trim(), &settings)
    });
    let outcome = made
        .await
        .map(|tenant| Redirect::to(&format!("{}/preferences", home(tenant.id))).into_response());
    shown(&state, &caller, "/", outcome)
}

pub(in crate::collector) async fn admin(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let outcome = api::run_raw(&state, |collector, _| {
        Ok((collector.people().list(None)?, collector.tenants(&Only::All)?))
    });
    let outcome =
        outcome.await.map(|(people, tenants)| admin_page(&state, &caller, &people, &tenants));
    shown(&state, &caller, "/", outcome)
}

/// The admin workspace: people, and the support center with the system logs (ONPREM-013, G-01).
fn admin_page(
    state: &CollectorSite,
    caller: &Caller,
    people: &[Person],
    tenants: &[Tenant],
) -> Response {
    let of = |id: Option<TenantId>| match id.and_then(|id| tenants.iter().find(|t| t.id == id)) {
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
                td { (person.login) }
                td { @for (index, grant) in person.grants.iter().enumerate() {
                    @if index > 0 { ", " } (grant.role.name())
                } }
                @if !state.is_cslu() { td { @for (index, grant) in person.grants.iter().enumerate() {
                    @if index > 0 { ", " } (of(grant.scope_id.map(Into::into)))
                } } }
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
        tabs(state, caller, Collector::CSLU_TENANT)
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
pub(in crate::collector) struct NewPerson {
    login: String,
    password: String,
    role: Role,
    #[serde(default)]
    tenant_id: String,
}

pub(in crate::collector) async fn save_person(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<NewPerson>,
) -> Response {
    let scope = match form.tenant_id.trim() {
        "" => None,
        id => match id.parse() {
            Ok(id) => Some(id),
            Err(_) => {
                let text = format!("{id:?} is no tenant");
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
                return shown(&state, &caller, "/admin", Err(problem));
            }
        },
    };
    let by = caller.actor();
    let saved = api::run_raw(&state, move |collector, now| {
        if let Some(id) = scope {
            collector.tenant(id)?;
        }
        let (people, login) = (collector.people(), form.login.trim());
        let grant = Grant::of(form.role, scope.map(Into::into));
        if people.person(login).is_err() {
            return people.create(now, &by, login, Some(&form.password), &[grant]).map(|_| ());
        }
        people.set_password(now, &by, login, &form.password)?;
        people.grant(now, &by, login, grant)
    });
    shown(&state, &caller, "/admin", saved.await.map(|()| to("/admin")))
}
