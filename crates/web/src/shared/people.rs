//! The people of a server, and programs that log in as people do.

use maud::{Markup, html};
use rumline_server::{Action, Error, Person, ScopeId};

use super::{Frames, grant_typed, role_field, scope_field, told};
use crate::page::in_query;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, form};
use crate::ui::table::{Column, Kind as Cell, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

pub(super) struct People {
    people: Vec<Person>,
    scopes: Vec<(ScopeId, String)>,
}

/// The page of somebody.
pub(super) fn at(login: &str) -> String {
    format!("/people/{}", in_query(login).replace('/', "%2F"))
}

impl<S: Frames> Page<S> for People {
    const AT: &'static str = "/people";
    const ACCESS: Access = Access::May(Action::AdministerAll);

    fn load(site: &S, _: &Ask) -> Result<Self, Error> {
        Ok(Self { people: site.people().list(None)?, scopes: site.scopes()? })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, "People".to_owned())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        let search = ask.query("search").to_lowercase();
        let found = |person: &&Person| person.login.to_lowercase().contains(&search);
        let rows: Vec<Person> = self.people.iter().filter(found).cloned().collect();
        let columns = vec![
            Column::new("Login", Cell::Text, |one: &Person| {
                html! { a href=(at(&one.login)) { (one.login) } }
            }),
            Column::new("Kind", Cell::Whole, |one: &Person| html! { (one.kind.name()) }),
            Column::new("Roles", Cell::Text, |one: &Person| {
                let roles = one.grants.iter().map(|grant| told(grant, &self.scopes, S::SCOPE_NAME));
                html! { (roles.collect::<Vec<_>>().join(", ")) }
            }),
            Column::new("State", Cell::Text, |one: &Person| {
                html! {
                    @if one.disabled_at.is_some() { span.badge { "disabled" } }
                    @else { span.badge.good { "may log in" } }
                    @if let Some(at) = one.secret_ends_at { " until " (ask.time(Some(at.0))) }
                }
            }),
            Column::new("Since", Cell::Text, |one: &Person| ask.time(Some(one.created_at.0))),
        ];
        let empty = html! { p { "Nobody of that name." } };
        let fields = [
            Field::text("login", "Login"),
            Field::text("password", "Password")
                .kind(Kind::Secret("new-password"))
                .help("Ten characters or more."),
            role_field(),
            scope_field(S::SCOPE_NAME, &self.scopes),
        ];
        html! {
            h1 { "People" }
            details.box open[ask.refused.is_some()] {
                summary.first { "Add a Person" }
                (form(ask, "/people", &fields, "Add Person"))
            }
            form.row method="get" action="/people" role="search" {
                label { "Search" input type="search" name="search" value=(ask.query("search")); }
                button { "Search" }
            }
            (Table { caption: "People", columns, rows: &rows, ticks: None, empty }.show(ask))
        }
    }
}

/// Adds somebody.
pub(super) struct Create;

impl<S: Frames> Post<S> for Create {
    type Page = People;
    const AT: &'static str = "/people";
    const ACCESS: Access = Access::May(Action::AdministerAll);
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("password", "password"), ("login", "login")];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (login, by) = (ask.typed("login"), ask.caller.actor());
        let grant = grant_typed(site, ask)?;
        site.people().create(ask.now, &by, login, Some(ask.secret("password")), &[grant])?;
        Ok(Done::at(at(login), format!("{login} is added.")))
    }
}
