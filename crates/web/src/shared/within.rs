//! The people of a smart account or a tenant: its administrators see to them.

use maud::{Markup, html};
use rumline_server::{Action, Error, Grant, PartId, Person, ScopeId};

use super::{Frames, role_field, role_typed, told};
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, change};
use crate::ui::table::{Column, Kind as Cell, Table};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

const OWN: Access = Access::May(Action::Administer);

pub(super) struct PeopleWithin {
    scope_id: ScopeId,
    people: Vec<Person>,
}

impl<S: Frames> Page<S> for PeopleWithin {
    const AT: &'static str = S::PEOPLE_AT;
    const ACCESS: Access = OWN;

    fn load(site: &S, ask: &Ask) -> Result<Self, Error> {
        let scope_id = ask.id(S::SCOPE)?;
        site.check_scope(scope_id, None)?;
        let mut people = site.people().list(Some(scope_id))?;
        for person in &mut people {
            person.grants.retain(|grant| grant.scope_id == Some(scope_id));
        }
        Ok(Self { scope_id, people })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around_scope(ask, "People".to_owned())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        let at =
            |place: &str| place.replace(&format!("{{{}}}", S::SCOPE), &self.scope_id.to_string());
        let columns = vec![
            Column::new("Login", Cell::Text, |one: &Person| html! { (one.login) }),
            Column::new("Kind", Cell::Whole, |one: &Person| html! { (one.kind.name()) }),
            Column::new("Roles", Cell::Text, |one: &Person| {
                html! {
                    @for grant in &one.grants { div {
                        (grant.role.name()) @if let Some(part) = grant.part_id { " of virtual account " (part) } " "
                        form.inline method="post" action=(at(S::TAKE_BACK_AT)) {
                            (self.roles().field(ask, &at(S::TAKE_BACK_AT)))
                            input type="hidden" name="login" value=(one.login);
                            input type="hidden" name="part_id" value=[grant.part_id];
                            button data-confirm=(format!("Take back this role of {}?", one.login)) { "Take Back" }
                        }
                    } }
                }
            }),
        ];
        let empty = html! { p { "Nobody has a role of this account alone. Those who administer the \
        server see to it." } };
        let fields = [
            Field::text("login", "Login"),
            role_field(),
            Field::text("password", "Password of somebody new")
                .kind(Kind::Secret("new-password"))
                .optional()
                .help("Ten characters or more. Whoever has a login already keeps theirs."),
        ];
        html! {
            h1 { "People" }
            details.box open[ask.refused.is_some()] {
                summary.first { "Add a Person" }
                (change(ask, &at(S::GRANT_AT), &self.roles(), &fields, "Grant Role"))
            }
            (Table { caption: "People", columns, rows: &self.people, ticks: None, empty }.show(ask))
        }
    }
}

impl PeopleWithin {
    /// Who has which role: granted to somebody who has one, another takes its place.
    fn roles(&self) -> Seen {
        let of = |one: &Person| {
            let roles = one.grants.iter().map(|grant| match grant.part_id {
                Some(part) => format!("{} of virtual account {part}", grant.role.name()),
                None => grant.role.name().to_owned(),
            });
            (one.login.clone(), roles.collect::<Vec<_>>().join(" and "))
        };
        Seen::of(self.people.iter().map(of))
    }
}

fn back<S: Frames>(scope_id: ScopeId) -> String {
    S::PEOPLE_AT.replace(&format!("{{{}}}", S::SCOPE), &scope_id.to_string())
}

/// Gives somebody a role in the account: somebody of the account, or somebody new.
pub(super) struct GrantWithin;

impl<S: Frames> Post<S> for GrantWithin {
    type Page = PeopleWithin;
    const AT: &'static str = S::GRANT_AT;
    const ACCESS: Access = OWN;
    const CHANGES: Changes<PeopleWithin> = Some(|page, _| page.roles());
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("password", "password"), ("login", "login")];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let scope_id: ScopeId = ask.id(S::SCOPE)?;
        site.check_scope(scope_id, None)?;
        let (login, by) = (ask.typed("login"), ask.caller.actor());
        let grant = Grant::of(role_typed(ask)?, Some(scope_id));
        let known = site.people().person(login).ok();
        let is_its = known.as_ref().is_some_and(|known| {
            known.grants.iter().any(|grant| grant.scope_id == Some(scope_id))
                || ask.caller.may_at_all(Action::AdministerAll).is_ok()
        });
        if known.is_some() && !is_its {
            return Err(Error::Conflict(format!(
                "the login {login:?} is taken: name another one, or ask whoever administers the server"
            ))
            .into());
        }
        if is_its {
            site.people().grant(ask.now, &by, login, grant)?;
        } else {
            site.people().create(ask.now, &by, login, Some(ask.secret("password")), &[grant])?;
        }
        let said = format!("{login} is now {}.", told(&grant, &site.scopes()?, S::SCOPE_NAME));
        Ok(Done::at(back::<S>(scope_id), said))
    }
}

/// Takes a role in the account back.
pub(super) struct TakeBackWithin;

impl<S: Frames> Post<S> for TakeBackWithin {
    type Page = PeopleWithin;
    const AT: &'static str = S::TAKE_BACK_AT;
    const ACCESS: Access = OWN;
    const CHANGES: Changes<PeopleWithin> = Some(|page, _| page.roles());

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let scope_id: ScopeId = ask.id(S::SCOPE)?;
        site.check_scope(scope_id, None)?;
        let (login, by) = (ask.typed("login"), ask.caller.actor());
        let part_id = ask.typed("part_id").parse().ok().map(PartId);
        site.people().take_back(ask.now, &by, login, Some(scope_id), part_id)?;
        Ok(Done::at(back::<S>(scope_id), "The role is taken back."))
    }
}
