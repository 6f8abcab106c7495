//! Preferences and the login to Cisco.

use axum::extract::{Extension, Form, Path, State};
use axum::response::Response;
use maud::html;
use rumline_collector::{Action, Caller, TenantSettings};
use serde::Deserialize;

use super::{View, home, load, may, shown, to};
use crate::collector::{CiscoAccount, CollectorSite, api};

pub(in crate::collector) async fn preferences(
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
pub(in crate::collector) struct Preferences {
    connected: Option<String>,
    smart_account: String,
    virtual_account: String,
    sync_minutes: i64,
}

pub(in crate::collector) async fn save_preferences(
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

pub(in crate::collector) async fn cisco(
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

pub(in crate::collector) async fn cisco_login(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<i64>,
    Form(who): Form<api::LogIn>,
) -> Response {
    let back = format!("{}/cisco", home(id));
    let done = api::log_in_to_cisco(&state, id, who).await;
    shown(&state, &caller, &back, done.map(|_| to(&format!("{}/preferences", home(id)))))
}

pub(in crate::collector) async fn cisco_logout(
    State(state): State<CollectorSite>,
    Path(id): Path<i64>,
) -> Response {
    api::log_out_of_cisco(&state, id).await;
    to(&format!("{}/preferences", home(id)))
}
