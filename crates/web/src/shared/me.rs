//! Oneself: what one may do where, and the own password.

use maud::{Markup, html};
use rumline_server::{Error, Person, ScopeId};

use super::{Frames, told};
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, form};
use crate::ui::{Around, Ask, Done, Page, Post};

pub(super) struct Me {
    person: Person,
    scopes: Vec<(ScopeId, String)>,
}

impl<S: Frames> Page<S> for Me {
    const AT: &'static str = "/me";
    const ACCESS: Access = Access::LoggedIn;

    fn load(site: &S, ask: &Ask) -> Result<Self, Error> {
        let person = site.people().person(&ask.caller.login)?;
        let mut scopes = site.scopes()?;
        scopes.retain(|(id, _)| ask.caller.scopes().has(id));
        Ok(Self { person, scopes })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, self.person.login.clone())
    }

    fn show(&self, site: &S, ask: &Ask) -> Markup {
        let fields = [
            Field::text("old", "Old password").kind(Kind::Secret("current-password")),
            Field::text("new", "New password")
                .kind(Kind::Secret("new-password"))
                .help("Ten characters or more. All logins under the old one end, this one too."),
        ];
        html! {
            h1 { (self.person.login) }
            h2 { "Roles" }
            ul { @for grant in &self.person.grants {
                li { (told(grant, &self.scopes, S::SCOPE_NAME)) }
            } }
            @if let Some(more) = site.more_of_oneself(ask) { (more) }
            h2 { "How You Log In" }
            p { a href=(super::factor::AT) { "Second Factor" } ": "
                @match self.person.second_factor_at {
                    Some(at) => { "asked for since " (ask.time(Some(at.0))) },
                    None => "none, the password alone logs you in",
                }
            }
            p { a href=(super::logins::AT) { "Logins and API Tokens" } }
            h2 { "Password" }
            (form(ask, "/me/password", &fields, "Change Password"))
        }
    }
}

/// Gives oneself another password.
pub(super) struct OwnPassword;

impl<S: Frames> Post<S> for OwnPassword {
    type Page = Me;
    const AT: &'static str = "/me/password";
    const ACCESS: Access = Access::Oneself;
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("old", "old password is wrong"), ("new", "password")];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (old, new) = (ask.secret("old"), ask.secret("new"));
        site.people().change_own_password(ask.now, &ask.caller.actor(), old, new)?;
        Ok(Done::at("/login", "The password is changed: log in with it."))
    }
}
