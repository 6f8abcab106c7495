//! Preferences and the login to Cisco.

use axum::extract::{Extension, Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use rumline_collector::{Action, Caller, TenantId, TenantSettings};
use serde::Deserialize;

use super::{View, home, load, may, shown, to};
use crate::collector::{CiscoAccount, CollectorSite, api};
use crate::problem::Problem;

pub(in crate::collector) async fn preferences(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Response {
    let outcome = async {
        let tenant = load(&state, id).await?;
        // Whoever may not choose is not shown what there is to choose from.
        let asks = tenant.connected && may(&caller, Action::Administer);
        let accounts = match (&state.cisco, state.cisco_login(id)) {
            (None, _) => Accounts::NoCssm,
            (Some(_), None) => Accounts::NoLogin,
            (Some(_), Some(_)) if !asks => Accounts::NotAsked,
            (Some(cisco), Some(login)) => match cisco.accounts(&login.token).await {
                Ok(accounts) => Accounts::Found(accounts),
                Err(error) => Accounts::Failed(error.to_string()),
            },
        };
        let view = View { state: &state, caller: &caller, tenant: &tenant };
        Ok(preferences_page(&view, &accounts))
    };
    shown(&state, &caller, &home(id), outcome.await)
}

/// What Cisco said about the accounts to choose from.
enum Accounts {
    NoCssm,
    NoLogin,
    NotAsked,
    Failed(String),
    Found(Vec<CiscoAccount>),
}

/// Stands between the names of a pair: no name holds one.
const PAIR: char = '\u{1f}';

/// A choice of Smart Account and Virtual Account; what is set now is always among them.
fn choices(tenant: &rumline_collector::Tenant, accounts: &[CiscoAccount]) -> maud::Markup {
    let own = (tenant.smart_account.as_str(), tenant.virtual_account.as_str());
    let sees = |account: &CiscoAccount| account.name == own.0;
    let sees_va = |(_, name): &(i64, String)| name == own.1;
    let seen = accounts.iter().find(|account| sees(account));
    let seen_whole = seen.is_some_and(|account| account.virtual_accounts.iter().any(sees_va));
    let pair = |sa: &str, va: &str| format!("{sa}{PAIR}{va}");
    html! {
        label { "Smart Account" select name="smart_account" required {
            @if seen.is_none() && tenant.has_account() {
                option value=(own.0) selected { (own.0) " (this login does not see it)" }
            }
            @for account in accounts {
                option value=(account.name) selected[sees(account)] { (account.name) }
            }
        } }
        label { "Virtual Account" select name="virtual_account" required {
            @if !seen_whole && tenant.has_account() {
                option value=(pair(own.0, own.1)) selected { (own.1) " (this login does not see it)" }
            }
            @for account in accounts {
                optgroup label=(account.name) {
                    @for (_, name) in &account.virtual_accounts {
                        option value=(pair(&account.name, name))
                            selected[sees(account) && name == own.1] { (name) }
                    }
                }
            }
        } }
    }
}

/// Cisco Connectivity, Smart Account and Virtual Account: chosen when connected, typed when not (CSLU-010, 011).
fn preferences_page(view: &View<'_>, accounts: &Accounts) -> Response {
    let (tenant, at) = (view.tenant, home(view.tenant.id));
    let administer = may(view.caller, Action::Administer);
    let content = html! {
        (view.head("Preferences"))
        form.column method="post" action=(format!("{at}/preferences")) {
            label.check {
                input type="checkbox" role="switch" name="connected" value="on" checked[tenant.connected] disabled[!administer];
                span { "Cisco Connectivity: " strong { (tenant.connectivity()) } }
            }
            @if let Accounts::Found(accounts) = accounts {
                (choices(tenant, accounts))
            } @else {
                label { "Smart Account"
                    input name="smart_account" value=(tenant.smart_account) required disabled[!administer]; }
                label { "Virtual Account"
                    input name="virtual_account" value=(tenant.virtual_account) required disabled[!administer]; }
            }
            label { "Sync with Cisco every (minutes)"
                input type="number" name="sync_minutes" required min="0" max="44640" value=(tenant.sync_minutes) disabled[!administer]; }
            @if administer { button.first { "Save" } }
        }
        p.soft { "Names are case-sensitive. One Smart Account and Virtual Account pair at a time: saving "
            "another replaces it. 0 minutes: reports go to Cisco as soon as they come. The schedule explains "
            "how long an acknowledgement takes to come back." }
        @match accounts {
            Accounts::NoCssm => p.note { "This server was started without the address of CSSM (--cssm): "
                "everything goes by file." },
            Accounts::NoLogin if tenant.connected => p.note {
                "Login to Cisco (top right) to choose from the list of accounts." },
            Accounts::Failed(why) => p.note.bad role="alert" {
                "The accounts at Cisco could not be listed: " (why) },
            _ => {}
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
    Path(id): Path<TenantId>,
    Form(form): Form<Preferences>,
) -> Response {
    let back = format!("{}/preferences", home(id));
    let smart_account = form.smart_account.trim();
    let virtual_account = match form.virtual_account.split_once(PAIR) {
        Some((within, name)) if within == smart_account => name,
        Some((within, name)) => {
            let text =
                format!("the Virtual Account {name} is one of {within}, not of {smart_account}");
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
            return shown(&state, &caller, &back, Err(problem));
        }
        None => form.virtual_account.trim(),
    };
    let settings = TenantSettings {
        smart_account: smart_account.to_owned(),
        virtual_account: virtual_account.to_owned(),
        connected: form.connected.is_some(),
        sync_minutes: form.sync_minutes,
    };
    let saved = api::change_settings(&state, caller.actor(), id, settings).await;
    shown(&state, &caller, &back, saved.map(|_| to(&back)))
}

pub(in crate::collector) async fn cisco(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
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
    Path(id): Path<TenantId>,
    Form(who): Form<api::LogIn>,
) -> Response {
    let back = format!("{}/cisco", home(id));
    let done = api::log_in_to_cisco(&state, id, who).await;
    shown(&state, &caller, &back, done.map(|_| to(&format!("{}/preferences", home(id)))))
}

pub(in crate::collector) async fn cisco_logout(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Response {
    api::log_out_of_cisco(&state, id).await;
    to(&format!("{}/preferences", home(id)))
}
