//! The smart accounts, and the way to the one somebody works in.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use rumline_cssm::{Action, Error, SmartAccount};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::problem_page;
use crate::problem::Problem;
use crate::shared::Frames as _;
use crate::site::{Access, Route, blocking, route};
use crate::ui::form::{Field, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

/// The ways that only lead on.
pub(super) fn ways() -> Vec<Route<CssmSite>> {
    vec![
        route!(page get "/", Access::LoggedIn, root),
        // The guide's entry page (p. 15, 42; CSSM-009).
        route!(page get "/software/smart-licensing/alerts", Access::LoggedIn, entry),
        route!(page get "/smart-accounts/{sa}", Access::May(Action::View), front).in_parts(),
    ]
}

/// To the only smart account at once, or to the list.
async fn root(State(site): State<CssmSite>, ask: Ask) -> Response {
    let (cssm, only) = (site.cssm.clone(), ask.caller.scopes());
    match blocking(move || cssm.smart_accounts(&only)).await {
        Ok(accounts) => match accounts.as_slice() {
            [only] => Redirect::to(&format!("/smart-accounts/{}", only.id)).into_response(),
            _ => Redirect::to("/smart-accounts").into_response(),
        },
        Err(problem) => problem_page(&site, ask.who(), problem, "/me").await,
    }
}

/// To the alerts of the only smart account, or to the list.
async fn entry(State(site): State<CssmSite>, ask: Ask) -> Response {
    let scopes = ask.caller.scopes();
    let cssm = site.cssm.clone();
    let accounts = blocking(move || cssm.smart_accounts(&scopes)).await.unwrap_or_default();
    match accounts.as_slice() {
        [only] if ask.may(Action::View, only.id.into(), None) => {
            Redirect::to(&format!("/smart-accounts/{}/alerts", only.id)).into_response()
        }
        _ => Redirect::to("/").into_response(),
    }
}

/// To what somebody may see of a smart account.
async fn front(State(site): State<CssmSite>, ask: Ask) -> Response {
    let (state, who) = (site.clone(), ask.who());
    let to = blocking(move || {
        let place = Place::read(&state, &ask)?;
        if place.may(&ask, Action::View) {
            return Ok(place.at("/overview"));
        }
        Ok(match place.parts.first() {
            Some(part) => place.at(&format!("/virtual-accounts/{}/product-instances", part.id)),
            None => "/smart-accounts".to_owned(),
        })
    });
    match to.await {
        Ok(to) => Redirect::to(&to).into_response(),
        Err(problem) => problem_page(&site, who, problem, "/smart-accounts").await,
    }
}

pub(super) struct Accounts {
    accounts: Vec<SmartAccount>,
}

impl Page<CssmSite> for Accounts {
    const AT: &'static str = "/smart-accounts";
    const ACCESS: Access = Access::LoggedIn;

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        Ok(Self { accounts: site.cssm.smart_accounts(&ask.caller.scopes())? })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        site.around(ask, "Smart Accounts".to_owned())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Smart Account", Kind::Text, |one: &SmartAccount| {
                html! { a href=(format!("/smart-accounts/{}", one.id)) { (one.name) } }
            }),
            Column::new("Domain", Kind::Text, |one: &SmartAccount| html! { (one.domain) }),
        ];
        let may_create = ask.caller.may_at_all(Action::AdministerAll).is_ok();
        let empty = html! {
            p { "No Smart Account yet." }
            @if !may_create { p { "Whoever administers this server gives you a role in one." } }
        };
        let fields = [
            Field::text("name", "Name"),
            Field::text("domain", "Domain").help("The domain of the company, like example.net."),
        ];
        html! {
            h1 { "Smart Accounts" }
            @if may_create {
                details.box open[ask.refused.is_some() || self.accounts.is_empty()] {
                    summary.first { "Create a Smart Account" }
                    (form(ask, "/smart-accounts", &fields, "Create Smart Account"))
                }
            }
            (Table { caption: "Smart Accounts", columns, rows: &self.accounts, ticks: None, empty }.show(ask))
        }
    }
}

/// Creates a smart account.
pub(super) struct Create;

impl Post<CssmSite> for Create {
    type Page = Accounts;
    const AT: &'static str = "/smart-accounts";
    const ACCESS: Access = Access::May(Action::AdministerAll);
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("domain", "domain"), ("name", "name")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (name, domain, by) = (ask.typed("name"), ask.typed("domain"), ask.caller.actor());
        let made = site.cssm.create_smart_account(ask.now, &by, name, domain)?;
        Ok(Done::at(format!("/smart-accounts/{}", made.id), format!("{name} is created.")))
    }
}
