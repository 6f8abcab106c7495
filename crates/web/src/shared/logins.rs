//! Where one is logged in, and API tokens for programs of one's own: listed, made, ended.

use maud::{Markup, html};
use rumline_server::{Error, Grant, Login, LoginId, NewApiToken, ScopeId, Which};

use super::{Frames, role_field, role_typed, scope_field, told};
use crate::identity::make_token;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, button, form};
use crate::ui::table::{Column, Kind as Cell, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

pub(super) const AT: &str = "/me/logins";

pub(super) struct Logins {
    logins: Vec<Login>,
    tokens: Vec<Login>,
    scopes: Vec<(ScopeId, String)>,
}

/// A list of logins with a button that ends each.
pub(super) fn table(
    ask: &Ask,
    caption: &'static str,
    rows: &[Login],
    (scopes, scope_name): (&[(ScopeId, String)], &str),
    end_at: &str,
) -> Markup {
    let columns = vec![
        Column::new("What", Cell::Text, |one: &Login| {
            html! {
                @if one.is_token { "API token " (one.name) } @else { "login" }
                @if one.id == ask.caller.login_id { " " span.badge.good { "this one" } }
            }
        }),
        Column::new("May Do", Cell::Text, |one: &Login| {
            html! { @match &one.limit {
                Some(limit) => { "at most " (told(limit, scopes, scope_name)) },
                None => "all that its owner may",
            } }
        }),
        Column::new("From", Cell::Whole, |one: &Login| html! { (one.address) }),
        Column::new("Made", Cell::Text, |one: &Login| ask.time(Some(one.created_at.0))),
        Column::new("Last Used", Cell::Text, |one: &Login| ask.time(Some(one.used_at.0))),
        Column::new("Ends", Cell::Text, |one: &Login| ask.time(Some(one.expires_at.0))),
        Column::new("Actions", Cell::Text, |one: &Login| {
            html! {
                form.inline method="post" action=(end_at) {
                    input type="hidden" name="id" value=(one.id);
                    button data-confirm="End it?" { "End" }
                }
            }
        }),
    ];
    let empty = html! { p { "None." } };
    Table { caption, columns, rows, ticks: None, empty }.show(ask)
}

/// The one that a form names.
pub(super) fn which_typed(ask: &Ask) -> Result<Which, Error> {
    let id = ask.typed("id").parse().map_err(|_| Error::NotFound("login"))?;
    Ok(Which::One(LoginId(id)))
}

impl<S: Frames> Page<S> for Logins {
    const AT: &'static str = AT;
    const ACCESS: Access = Access::Oneself;

    fn load(site: &S, ask: &Ask) -> Result<Self, Error> {
        let all = site.people().logins(ask.now, &ask.caller.login)?;
        let (tokens, logins) = all.into_iter().partition(|one| one.is_token);
        let mut scopes = site.scopes()?;
        scopes.retain(|(id, _)| ask.caller.scopes().has(id));
        Ok(Self { logins, tokens, scopes })
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, "Logins and API Tokens".to_owned())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        let of = (self.scopes.as_slice(), S::SCOPE_NAME);
        let fields = [
            Field::text("name", "Name").help("What it is for."),
            role_field(),
            scope_field(S::SCOPE_NAME, &self.scopes),
            Field::text("expires_after_days", "Expire After (days)")
                .kind(Kind::Number(1, 365))
                .usual("30"),
            Field::text("password", "Your Password").kind(Kind::Secret("current-password")),
        ];
        html! {
            p.path { a href="/me" { (ask.caller.login) } " > Logins and API Tokens" }
            h1 { "Logins and API Tokens" }
            details.box open[ask.was_sent("/me/tokens")] {
                summary.first { "Make an API Token" }
                (form(ask, "/me/tokens", &fields, "Make API Token"))
            }
            h2 { "Logins" }
            (table(ask, "Logins", &self.logins, of, "/me/logins/end"))
            p { (button("/me/logins/end-others", "End All Others", Some("End all logins but this one?"))) }
            h2 { "API Tokens" }
            p.soft { "A program sends one as Authorization: Bearer. It does what you may do and its role allows, ends on its day, "
                "and cannot change your password, second factor or tokens." }
            (table(ask, "API Tokens", &self.tokens, of, "/me/logins/end"))
        }
    }
}

/// Ends one of one's own.
pub(super) struct End;

impl<S: Frames> Post<S> for End {
    type Page = Logins;
    const AT: &'static str = "/me/logins/end";
    const ACCESS: Access = Access::Oneself;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (by, login) = (ask.caller.actor(), &ask.caller.login);
        site.people().end_logins(ask.now, &by, login, which_typed(ask)?)?;
        Ok(Done::at(AT, "It has ended."))
    }
}

/// Ends all but this one.
pub(super) struct EndOthers;

impl<S: Frames> Post<S> for EndOthers {
    type Page = Logins;
    const AT: &'static str = "/me/logins/end-others";
    const ACCESS: Access = Access::Oneself;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let (by, login) = (ask.caller.actor(), &ask.caller.login);
        let others = Which::Others(ask.caller.login_id);
        site.people().end_logins(ask.now, &by, login, others)?;
        Ok(Done::at(AT, "All your other logins have ended."))
    }
}

/// Makes an API token.
pub(super) struct MakeToken;

impl<S: Frames> Post<S> for MakeToken {
    type Page = Logins;
    const AT: &'static str = "/me/tokens";
    const ACCESS: Access = Access::Oneself;
    const BLAMES: &'static [(&'static str, &'static str)] = &[
        ("name", "name of an API token"),
        ("expires_after_days", "expires after"),
        ("password", "password is wrong"),
    ];
    const HASHES: bool = true;

    fn act(site: &S, ask: &Ask) -> Result<Done, Problem> {
        let scope_id = match ask.typed("scope_id") {
            "" => None,
            typed => Some(ScopeId(typed.parse().map_err(|_| Error::NotFound("account"))?)),
        };
        let days = ask.typed("expires_after_days").parse().unwrap_or(0);
        let new = NewApiToken {
            name: ask.typed("name").to_owned(),
            limit: Grant::of(role_typed(ask)?, scope_id),
            expires_after_days: days,
        };
        let (made, text) = make_token(site, &ask.caller, ask.secret("password"), &new)?;
        let said = format!("{} is made. It is shown this once: {text}", made.name);
        Ok(Done::at(AT, said))
    }
}
