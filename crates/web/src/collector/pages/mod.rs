//! The screens of CSLU (guide p. 24, 34-36; CSLU-009 to 017) and of SSM On-Prem (p. 30, 72-75; ONPREM-008 to 015).

mod inventory;
mod preferences;
mod records;
mod workspace;

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use rumline_collector::{Action, Caller, Tenant, TenantId};

use crate::collector::{CollectorSite, api};
use crate::page::{Frame, Tab, page, problem_page, time};
use crate::problem::Problem;

pub(super) use inventory::{
    add, export, import, import_csv, inventory, remove, sync, sync_instances,
};
pub(super) use preferences::{cisco, cisco_login, cisco_logout, preferences, save_preferences};
pub(super) use records::{events, licenses, transfers};
pub(super) use workspace::{admin, create_tenant, root, save_person};

/// The tab of SSM On-Prem's inventory (ONPREM-008).
const POLICY_TAB: &str = "SL Using Policy";

fn may(caller: &Caller, action: Action) -> bool {
    caller.may_at_all(action).is_ok()
}

fn home(tenant: TenantId) -> String {
    format!("/tenants/{tenant}")
}

/// The navigation at a tenant's pages.
fn tabs(state: &CollectorSite, caller: &Caller, tenant: TenantId) -> Vec<Tab> {
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

async fn load(state: &CollectorSite, id: TenantId) -> Result<Tenant, Problem> {
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

fn copyable(text: &str) -> Markup {
    html! { code { (text) } " " button type="button" data-copy=(text) { "Copy" } }
}

fn to(address: &str) -> Response {
    Redirect::to(address).into_response()
}
