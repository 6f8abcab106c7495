//! Pages that all servers have: people, the audit, oneself, help.

mod audit;
mod factor;
mod help;
mod logins;
mod me;
mod people;
mod person;
mod within;

use maud::Markup;
use rumline_server::{Caller, Error, Grant, Role, ScopeId};

use crate::page::Tab;
use crate::site::{Route, Site};
use crate::ui::form::{Field, Kind};
use crate::ui::{Around, Ask, Page as _, Post as _};

pub(crate) use audit::AuditList;

/// A server with pages.
pub(crate) trait Frames: Site {
    /// Where the people of a scope stand, and what is done there.
    const PEOPLE_AT: &'static str;
    /// Where a role in a scope is granted.
    const GRANT_AT: &'static str;
    /// Where it is taken back.
    const TAKE_BACK_AT: &'static str;
    /// What a scope is called: `Smart Account`, `Tenant`.
    const SCOPE_NAME: &'static str;

    /// What stands around a page that is of the whole server.
    fn around(&self, ask: &Ask, title: String) -> Around;
    /// What stands around a page of the people of a scope.
    fn around_scope(&self, ask: &Ask, title: String) -> Around;
    /// The scopes, by name.
    fn scopes(&self) -> Result<Vec<(ScopeId, String)>, Error>;
    /// More of oneself that only this server has.
    fn more_of_oneself(&self, _ask: &Ask) -> Option<Markup> {
        None
    }
}

/// What stands around a page at an address where something went wrong: that of the scope it is of, to whoever may see it.
pub(crate) fn frame<S: Frames>(site: &S, caller: &Caller, at: &str) -> (Vec<Tab>, Option<Markup>) {
    let before = S::PEOPLE_AT.split('{').next().unwrap_or_default();
    let number = at.strip_prefix(before).and_then(|rest| rest.split('/').next()?.parse().ok());
    let scope = number.map(ScopeId).filter(|scope| caller.scopes().has(scope));
    let ask = Ask::elsewhere(site, caller, at, scope.unwrap_or_default());
    let title = String::new();
    let around = match scope {
        Some(_) => site.around_scope(&ask, title),
        None => site.around(&ask, title),
    };
    (around.tabs, around.corner)
}

/// Their routes.
pub(crate) fn routes<S: Frames>() -> Vec<Route<S>> {
    vec![
        people::People::route(),
        people::Create::route(),
        person::OnePerson::route(),
        person::SetPassword::route(),
        person::GrantRole::route(),
        person::TakeBack::route(),
        person::Disable::route(),
        person::Enable::route(),
        person::Remove::route(),
        person::EndLogin::route(),
        person::EndLogins::route(),
        person::ResetFactor::route(),
        within::PeopleWithin::route(),
        within::GrantWithin::route(),
        within::TakeBackWithin::route(),
        audit::Audit::route(),
        me::Me::route(),
        me::OwnPassword::route(),
        factor::SecondFactor::route(),
        factor::Begin::route(),
        factor::Confirm::route(),
        factor::Remove::route(),
        logins::Logins::route(),
        logins::End::route(),
        logins::EndOthers::route(),
        logins::MakeToken::route(),
        help::Contents::route(),
        help::Read::route(),
    ]
}

const ROLES: [Role; 3] = [Role::Viewer, Role::User, Role::Administrator];

/// The role that is chosen.
fn role_field<'a>() -> Field<'a> {
    let choices = ROLES.map(|role| (role.name().to_owned(), role.name()));
    let help = "A viewer looks, a user works with tokens, files and product instances, an \
        administrator does everything, people and policies included.";
    Field::text("role", "Role").kind(Kind::Choice(choices.to_vec())).help(help)
}

fn role_typed(ask: &Ask) -> Result<Role, Error> {
    let typed = ask.typed("role");
    let found = ROLES.into_iter().find(|role| role.name() == typed);
    found.ok_or_else(|| Error::invalid("choose a role"))
}

/// For what a role is, of a form with the scopes of the server.
fn scope_field<'a>(name: &'a str, scopes: &'a [(ScopeId, String)]) -> Field<'a> {
    let mut choices = vec![(String::new(), "everything")];
    choices.extend(scopes.iter().map(|(id, name)| (id.to_string(), name.as_str())));
    Field::text("scope_id", name).kind(Kind::Choice(choices)).optional()
}

fn grant_typed<S: Frames>(site: &S, ask: &Ask) -> Result<Grant, Error> {
    let scope_id = match ask.typed("scope_id") {
        "" => None,
        typed => Some(ScopeId(typed.parse().map_err(|_| Error::NotFound("account"))?)),
    };
    if let Some(scope_id) = scope_id {
        site.check_scope(scope_id, None)?;
    }
    Ok(Grant::of(role_typed(ask)?, scope_id))
}

/// What a role is for, in words.
fn told(grant: &Grant, scopes: &[(ScopeId, String)], scope_name: &str) -> String {
    let Some(scope_id) = grant.scope_id else {
        return format!("{} of everything", grant.role.name());
    };
    let found = scopes.iter().find(|(id, _)| *id == scope_id);
    let scope = found.map_or_else(|| scope_id.to_string(), |(_, name)| name.clone());
    match grant.part_id {
        None => format!("{} of {scope_name} {scope}", grant.role.name()),
        Some(part) => format!("{} of part {part} of {scope_name} {scope}", grant.role.name()),
    }
}
