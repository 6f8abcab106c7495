//! Inventory > General: registration tokens (CSSM-010 to 012; guide p. 42-43).

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use rumline_cssm::{
    Action, Error, NewToken, RegistrationToken, SmartAccountId, TokenId, VirtualAccountId,
};

use super::inventory::Inventory;
use crate::cssm::{CssmSite, api};
use crate::download::attachment;
use crate::page::time;
use crate::problem::Problem;
use crate::site::{Access, Route, route};
use crate::ui::form::{Field, Kind as Typed, button, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

pub(super) struct General {
    inventory: Inventory,
    tokens: Vec<RegistrationToken>,
}

fn state(token: &RegistrationToken, now: i64) -> Markup {
    let is_used_up = token.uses_max.is_some_and(|most| token.uses >= most);
    html! {
        @if token.revoked_at.is_some() { span.badge { "revoked" } }
        @else if token.expires_at <= now { span.badge { "expired" } }
        @else if is_used_up { span.badge { "used up" } }
        @else { span.badge.good { "valid" } }
    }
}

impl Page<CssmSite> for General {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}";
    const ACCESS: Access = Access::May(Action::Operate);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let tokens = site.cssm.tokens(inventory.place.account.id, inventory.part.id)?;
        Ok(Self { inventory, tokens })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, format!("General of {}", self.inventory.part.name))
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let tokens = self.inventory.at("/tokens");
        let columns = vec![
            Column::new("Description", Kind::Text, |token: &RegistrationToken| {
                html! { (token.description) }
            }),
            Column::new("Token", Kind::Text, |token: &RegistrationToken| {
                html! { code { (token.value) } " " button type="button" data-copy=(token.value) { "Copy" } }
            }),
            Column::new("State", Kind::Text, |token: &RegistrationToken| state(token, ask.now.0)),
            Column::new("Expires", Kind::Text, |token: &RegistrationToken| {
                time(Some(token.expires_at))
            }),
            Column::new("Uses", Kind::Number, |token: &RegistrationToken| {
                html! { (token.uses) @if let Some(most) = token.uses_max { " of " (most) } }
            }),
            Column::new("Created By", Kind::Text, |token: &RegistrationToken| {
                html! { (token.created_by) }
            }),
            Column::new("Actions", Kind::Text, |token: &RegistrationToken| {
                let at = format!("{tokens}/{}", token.id);
                html! {
                    @if token.revoked_at.is_none() {
                        a.button href=(format!("{at}/file")) { "Download" } " "
                        (button(&format!("{at}/revoke"), "Revoke",
                            Some("Revoke this token? Switches that have it register with it no more.")))
                    }
                }
            }),
        ];
        let empty = html! {
            p { "No token yet. Create one, and give it to a switch with "
                code { "license smart trust idtoken" } "." }
            p { a.button href="#description" { "Create the First Token" } }
        };
        let list = Table {
            caption: "Product Instance Registration Tokens",
            columns,
            rows: &self.tokens,
            ticks: None,
            empty,
        };
        let fields = [
            Field::text("description", "Description").optional(),
            Field::text("expires_after_days", "Expire After (days)")
                .kind(Typed::Number(1, 365))
                .usual("30"),
            Field::text("uses_max", "Max. Number of Uses")
                .kind(Typed::Number(1, 1_000_000))
                .optional()
                .help("Without it as often as wanted until it expires."),
        ];
        html! {
            (self.inventory.head(ask, ""))
            details.box open[ask.refused.is_some() || self.tokens.is_empty()] {
                summary.first { "New Token" }
                h2 { "Create Registration Token" }
                (form(ask, &tokens, &fields, "Create Token"))
            }
            h2 { "Product Instance Registration Tokens" }
            (list.show(ask))
        }
    }
}

/// Creates a registration token.
pub(super) struct CreateToken;

/// A number that was typed; none where nothing was.
fn number(ask: &Ask, name: &str, label: &str) -> Result<Option<u32>, Error> {
    match ask.typed(name) {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| Error::invalid(format!("{label} is a whole number, not {text:?}"))),
    }
}

impl Post<CssmSite> for CreateToken {
    type Page = General;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/tokens";
    const ACCESS: Access = Access::May(Action::Operate);
    const BLAMES: &'static [(&'static str, &'static str)] = &[
        ("description", "description"),
        ("expires_after_days", "expires after"),
        ("expires_after_days", "Expire After"),
        ("uses_max", "used at least once"),
        ("uses_max", "Number of Uses"),
    ];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let inventory = Inventory::read(site, ask)?;
        let days = number(ask, "expires_after_days", "Expire After (days)")?;
        let new = NewToken {
            description: ask.typed("description").to_owned(),
            expires_after_days: days.unwrap_or(0),
            uses_max: number(ask, "uses_max", "Max. Number of Uses")?,
        };
        let (sa, va) = (inventory.place.account.id, inventory.part.id);
        site.cssm.create_token(ask.now, &ask.caller.actor(), sa, va, &new)?;
        Ok(Done::at(inventory.at(""), "The token is created."))
    }
}

/// Revokes a registration token.
pub(super) struct Revoke;

impl Post<CssmSite> for Revoke {
    type Page = General;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/tokens/{id}/revoke";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let General { inventory, tokens } = General::load(site, ask)?;
        let id: TokenId = ask.id("id")?;
        if !tokens.iter().any(|token| token.id == id) {
            return Err(Error::NotFound("token in this virtual account").into());
        }
        site.cssm.revoke_token(ask.now, &ask.caller.actor(), inventory.place.account.id, id)?;
        Ok(Done::at(inventory.at(""), "The token is revoked."))
    }
}

/// The row of the token's text as a file (CSSM-011).
pub(super) fn token_file() -> Route<CssmSite> {
    route!(page get "/smart-accounts/{sa}/virtual-accounts/{va}/tokens/{id}/file", Access::May(Action::Operate), download)
}

async fn download(
    State(state): State<CssmSite>,
    Path((sa, va, id)): Path<(SmartAccountId, VirtualAccountId, TokenId)>,
) -> Result<Response, Problem> {
    let token = api::run_raw(&state, move |cssm, _| {
        let tokens = cssm.tokens(sa, va)?;
        tokens.into_iter().find(|token| token.id == id).ok_or(Error::NotFound("token"))
    });
    let text = format!("{}\n", token.await?.value);
    Ok((attachment("text/plain; charset=utf-8", &format!("token-{id}.txt")), text).into_response())
}
