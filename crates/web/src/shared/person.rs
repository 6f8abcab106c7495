//! Somebody: roles, password, and whether they may log in.

use maud::{Markup, html};
use rumline_server::{Action, Error, Login, PartId, Person, ScopeId, Which};

use super::logins::{table, which_typed};
use super::people::at;
use super::{Frames, grant_typed, role_field, scope_field, told};
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, button, change, form};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

const ALL: Access = Access::May(Action::AdministerAll);

pub(super) struct OnePerson {
    person: Person,
    logins: Vec<Login>,
    scopes: Vec<(ScopeId, String)>,
}

impl<S: Frames> Page<S> for OnePerson {
    const AT: &'static str = "/people/{login}";
    const ACCESS: Access = ALL;

    fn load(site: &S, ask: &Ask) -> Result<Self, Error> {
        let login = ask.name("login");
        let logins = site.people().logins(ask.now, login)?;
        Ok(Self { person: site.people().person(login)?, logins, scopes: site.scopes()? })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, self.person.login.clone())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        let one = &self.person;
        let own = at(&one.login);
        let password = [Field::text("password", "New password").kind(Kind::Secret("new-password"))];
        let role = [role_field(), scope_field(S::SCOPE_NAME, &self.scopes)];
        html! {
            p.path { a href="/people" { "People" } " > " (one.login) }
            h1 { (one.login) }
            dl.facts {
                div { dt { "Kind" } dd { (one.kind.name()) } }
                div { dt { "Since" } dd { (ask.time(Some(one.created_at.0))) } }
                div { dt { "State" } dd { @match one.disabled_at {
                    Some(at) => { span.badge { "disabled" } " since " (time(Some(at.0))) },
                    None => span.badge.good { "may log in" },
                } } }
                @if let Some(at) = one.secret_ends_at {
                    div { dt { "Secret ends" } dd { (time(Some(at.0))) } }
                }
                div { dt { "Second factor" } dd { @match one.second_factor_at {
                    Some(at) => { "asked for since " (time(Some(at.0))) },
                    None => "none",
                } } }
            }
            @if let Some(issuer) = &one.issuer {
                p.soft { "Logs in by " (issuer) ": roles follow the groups there at each login." }
            }
            h2 { "Roles" }
            ul { @for grant in &one.grants { li {
                (told(grant, &self.scopes, S::SCOPE_NAME)) " "
                form.inline method="post" action=(format!("{own}/take-back")) {
                    (self.roles::<S>().field(ask, &format!("{own}/take-back")))
                    input type="hidden" name="scope_id" value=[grant.scope_id];
                    input type="hidden" name="part_id" value=[grant.part_id];
                    button data-confirm=(format!("Take back this role of {}?", one.login)) { "Take Back" }
                }
            } } }
            details.box open[!ask.typed("role").is_empty()] {
                summary { "Grant a Role" }
                (change(ask, &format!("{own}/grant"), &self.roles::<S>(), &role, "Grant Role"))
            }
            @if one.kind.name() == "person" {
                details.box open[ask.form.iter().any(|(name, _)| name == "password")] {
                    summary { "Set a Password" }
                    (form(ask, &format!("{own}/password"), &password, "Set Password"))
                }
            }
            h2 { "Logins and API Tokens" }
            (table(ask, "Logins and API Tokens", &self.logins, (&self.scopes, S::SCOPE_NAME),
                &format!("{own}/end-login")))
            h2 { "Actions" }
            p {
                @if one.second_factor_at.is_some() {
                    (button(&format!("{own}/reset-second-factor"), "Reset Second Factor",
                        Some(&format!("Take the second factor of {} away? Their logins end.", one.login))))
                    " "
                }
                (button(&format!("{own}/end-logins"), "End All Logins",
                    Some(&format!("End all logins and API tokens of {}?", one.login))))
                " "
                @if one.disabled_at.is_some() {
                    (button(&format!("{own}/enable"), "Enable", None))
                } @else {
                    (button(&format!("{own}/disable"), "Disable",
                        Some(&format!("Let {} log in no more?", one.login))))
                }
                " "
                (button(&format!("{own}/remove"), "Remove Person",
                    Some(&format!("Remove {}? What they did stays told.", one.login))))
            }
        }
    }
}

impl OnePerson {
    /// The roles that are granted and taken back.
    fn roles<S: Frames>(&self) -> Seen {
        let told = |grant| ("", told(grant, &self.scopes, S::SCOPE_NAME));
        Seen::of(self.person.grants.iter().map(told))
    }
}

/// Gives somebody another password.
pub(super) struct SetPassword;

impl<S: Frames> Post<S> for SetPassword {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/password";
    const ACCESS: Access = ALL;
    const BLAMES: &'static [(&'static str, &'static str)] = &[("password", "password")];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (login, by) = (ask.name("login"), ask.caller.actor());
        site.people().set_password(ask.now, &by, login, ask.secret("password"))?;
        Ok(Done::at(at(login), "The password is set; all logins under the old one have ended."))
    }
}

/// Grants a role.
pub(super) struct GrantRole;

impl<S: Frames> Post<S> for GrantRole {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/grant";
    const ACCESS: Access = ALL;
    const CHANGES: Changes<OnePerson> = Some(|page, _| page.roles::<S>());

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        let grant = grant_typed(site, ask)?;
        let said = format!("{login} is now {}.", told(&grant, &site.scopes()?, S::SCOPE_NAME));
        site.people().grant(ask.now, &ask.caller.actor(), login, grant)?;
        Ok(Done::at(at(login), said))
    }
}

/// Takes a role back.
pub(super) struct TakeBack;

impl<S: Frames> Post<S> for TakeBack {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/take-back";
    const ACCESS: Access = ALL;
    const CHANGES: Changes<OnePerson> = Some(|page, _| page.roles::<S>());

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (login, by) = (ask.name("login"), ask.caller.actor());
        let number = |name| ask.typed(name).parse::<i64>().ok();
        let (scope_id, part_id) = (number("scope_id").map(ScopeId), number("part_id").map(PartId));
        site.people().take_back(ask.now, &by, login, scope_id, part_id)?;
        Ok(Done::at(at(login), "The role is taken back."))
    }
}

/// Lets somebody log in no more.
pub(super) struct Disable;

impl<S: Frames> Post<S> for Disable {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/disable";
    const ACCESS: Access = ALL;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        site.people().set_disabled(ask.now, &ask.caller.actor(), login, true)?;
        Ok(Done::at(at(login), format!("{login} may log in no more.")))
    }
}

/// Lets somebody log in again.
pub(super) struct Enable;

impl<S: Frames> Post<S> for Enable {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/enable";
    const ACCESS: Access = ALL;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        site.people().set_disabled(ask.now, &ask.caller.actor(), login, false)?;
        Ok(Done::at(at(login), format!("{login} may log in again.")))
    }
}

/// Removes somebody.
pub(super) struct Remove;

impl<S: Frames> Post<S> for Remove {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/remove";
    const ACCESS: Access = ALL;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        site.people().remove(ask.now, &ask.caller.actor(), login)?;
        Ok(Done::at("/people", format!("{login} is removed.")))
    }
}

/// Ends a login or an API token of somebody.
pub(super) struct EndLogin;

impl<S: Frames> Post<S> for EndLogin {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/end-login";
    const ACCESS: Access = ALL;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        site.people().end_logins(ask.now, &ask.caller.actor(), login, which_typed(ask)?)?;
        Ok(Done::at(at(login), "It has ended."))
    }
}

/// Ends all of them.
pub(super) struct EndLogins;

impl<S: Frames> Post<S> for EndLogins {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/end-logins";
    const ACCESS: Access = ALL;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        site.people().end_logins(ask.now, &ask.caller.actor(), login, Which::All)?;
        Ok(Done::at(at(login), format!("All logins and API tokens of {login} have ended.")))
    }
}

/// Takes the second factor of somebody away who has lost it.
pub(super) struct ResetFactor;

impl<S: Frames> Post<S> for ResetFactor {
    type Page = OnePerson;
    const AT: &'static str = "/people/{login}/reset-second-factor";
    const ACCESS: Access = ALL;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let login = ask.name("login");
        site.people().reset_second_factor(ask.now, &ask.caller.actor(), login)?;
        Ok(Done::at(at(login), format!("{login} logs in by the password alone.")))
    }
}
