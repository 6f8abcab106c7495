//! Tokens of a tenant of SSM On-Prem: switches of before Smart Licensing Using Policy register with them (ONPREM-018, C-39).

use maud::{Markup, html};
use rumline_collector::{Action, Error, IdToken, IdTokenId, NewIdToken};
use rumline_protocol::OlderAnswer;

use super::tenancy::Tenancy;
use crate::collector::CollectorSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, button, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

pub(super) struct Tokens {
    tenancy: Tenancy,
    tokens: Vec<IdToken>,
}

fn state(token: &IdToken, now: rumline_protocol::Timestamp) -> Markup {
    html! {
        @match token.refusal(now) {
            None => span.badge.good { "valid" },
            Some(_) if token.revoked_at.is_some() => span.badge { "revoked" },
            Some(_) if token.expires_at <= now.0 => span.badge { "expired" },
            Some(_) => span.badge { "used up" },
        }
    }
}

impl Page<CollectorSite> for Tokens {
    const AT: &'static str = "/tenants/{tenant}/tokens";
    const ACCESS: Access = Access::May(Action::Operate);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        Ok(Self { tokens: site.collector.id_tokens(tenancy.tenant.id)?, tenancy })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Tokens")
    }

    fn show(&self, site: &CollectorSite, ask: &Ask) -> Markup {
        let at = self.tenancy.at("/tokens");
        if self.tenancy.is_cslu {
            return html! {
                (self.tenancy.head("Tokens"))
                p { "A CSLU registers no switches and makes no tokens. Switches with a release before 10.2(1)F register with CSSM." }
            };
        }
        let columns = vec![
            Column::new("Description", Kind::Text, |token: &IdToken| html! { (token.description) }),
            Column::new("Token", Kind::Text, |token: &IdToken| {
                html! { code { (token.value) } " " button type="button" data-copy=(token.value) { "Copy" } }
            }),
            Column::new("State", Kind::Text, |token: &IdToken| state(token, ask.now)),
            Column::new("Expires", Kind::Text, |token: &IdToken| time(Some(token.expires_at))),
            Column::new("Uses", Kind::Number, |token: &IdToken| {
                html! { (token.uses) @if let Some(most) = token.uses_max { " of " (most) } }
            }),
            Column::new("Created By", Kind::Text, |token: &IdToken| html! { (token.created_by) }),
            Column::new("Actions", Kind::Text, |token: &IdToken| {
                html! {
                    @if token.revoked_at.is_none() {
                        (button(&format!("{at}/{}/revoke", token.id), "Revoke",
                            Some("Revoke this token? Switches that have it register with it no more.")))
                    }
                }
            }),
        ];
        let empty = html! {
            p { "No token yet. Create one, and give it to a switch with "
                code { "license smart register idtoken" } "." }
        };
        let list = Table { caption: "Tokens", columns, rows: &self.tokens, ticks: None, empty };
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
        let base = site.device_url.strip_suffix("/cslu/v1/pi").unwrap_or(&site.device_url);
        html! {
            (self.tenancy.head("Tokens"))
            p { "For switches with a release before 10.2(1)F, which register here by Call Home at "
                code { (base) (OlderAnswer::ON_PREM_PATH) } ". Those with Smart Licensing Using Policy need no token." }
            details.box open[ask.refused.is_some() || self.tokens.is_empty()] {
                summary.first { "New Token" }
                h2 { "Create Token" }
                (form(ask, &at, &fields, "Create Token"))
            }
            h2 { "Tokens" }
            (list.show(ask))
        }
    }
}

/// A number that was typed; none where nothing was.
fn number(ask: &Ask, name: &str, label: &str) -> Result<Option<u32>, Error> {
    let text = ask.typed(name);
    if text.is_empty() {
        return Ok(None);
    }
    let bad = |_| Error::invalid(format!("{label} is a whole number, not {text:?}"));
    text.parse().map(Some).map_err(bad)
}

/// Creates a token.
pub(super) struct Create;

impl Post<CollectorSite> for Create {
    type Page = Tokens;
    const AT: &'static str = "/tenants/{tenant}/tokens";
    const ACCESS: Access = Access::May(Action::Operate);
    const BLAMES: &'static [(&'static str, &'static str)] = &[
        ("description", "description"),
        ("expires_after_days", "expires after"),
        ("expires_after_days", "Expire After"),
        ("uses_max", "used at least once"),
        ("uses_max", "Number of Uses"),
    ];

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        let days = number(ask, "expires_after_days", "Expire After (days)")?;
        let new = NewIdToken {
            description: ask.typed("description").to_owned(),
            expires_after_days: days.unwrap_or(0),
            uses_max: number(ask, "uses_max", "Max. Number of Uses")?,
        };
        let by = ask.caller.actor();
        site.collector.create_id_token(ask.now, &by, tenancy.tenant.id, &new)?;
        Ok(Done::at(tenancy.at("/tokens"), "The token is created."))
    }
}

/// Revokes a token.
pub(super) struct Revoke;

impl Post<CollectorSite> for Revoke {
    type Page = Tokens;
    const AT: &'static str = "/tenants/{tenant}/tokens/{id}/revoke";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        let id: IdTokenId = ask.id("id")?;
        site.collector.revoke_id_token(ask.now, &ask.caller.actor(), tenancy.tenant.id, id)?;
        Ok(Done::at(tenancy.at("/tokens"), "The token is revoked."))
    }
}
