//! Alerts > Claims: product instances that turned up where they do not belong, or with another key. Their owner decides.

use maud::{Markup, html};
use rumline_cssm::{Action, ClaimId, ClaimView, Error};

use super::alerts::parts;
use super::place::Place;
use crate::cssm::CssmSite;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::button;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Claims on one page: as many as are read at a time.
const ROWS: usize = 1_000;

pub(super) struct Claims {
    place: Place,
    claims: Vec<ClaimView>,
    next: Option<String>,
}

impl Page<CssmSite> for Claims {
    const AT: &'static str = "/smart-accounts/{sa}/alerts/claims";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let after = ClaimId(Trail::of(ask).place().parse().unwrap_or(0));
        let claims = site.cssm.claims_after(place.account.id, after)?;
        let next = claims.last().filter(|_| claims.len() == ROWS).map(|last| last.id.to_string());
        Ok(Self { place, claims, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Claims")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let at = self.place.at("/claims");
        let mut columns = vec![
            Column::new("Product Instance", Kind::Text, |one: &ClaimView| {
                html! { "PID:" (one.pid) ",SN:" (one.serial) }
            }),
            Column::new("What is wrong", Kind::Text, what),
            Column::new("Turned Up In", Kind::Text, |one: &ClaimView| {
                html! { (self.place.part_name(one.virtual_account_id)) ", by way of " (one.through) }
            }),
            Column::new("Key", Kind::Whole, |one: &ClaimView| html! { code { (one.key_id) } }),
            Column::new("Reports", Kind::Number, |one: &ClaimView| html! { (one.reports) }),
            Column::new("First", Kind::Text, |one: &ClaimView| ask.time(Some(one.first_at))),
            Column::new("Last", Kind::Text, |one: &ClaimView| ask.time(Some(one.last_at))),
        ];
        if self.place.may(ask, Action::Administer) {
            columns.push(Column::new("Actions", Kind::Text, |one: &ClaimView| {
                let at = format!("{at}/{}", one.id);
                html! {
                    @if one.kind != "other smart account" {
                        (button(&format!("{at}/accept"), "Accept", Some(&question(one)))) " "
                    }
                    (button(&format!("{at}/dismiss"), "Turn Away", None))
                }
            }));
        }
        let empty = html! { p { "Nothing waits for a decision." } };
        html! {
            (self.place.path(""))
            h1 { "Alerts" }
            (parts(&self.place, "claims"))
            p.soft { "Each waits until it is decided: what it reports is not counted here before." }
            (Table { caption: "Claims", columns, rows: &self.claims, ticks: None, empty }.show(ask))
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}

/// What is wrong with it, and what comes of accepting it.
fn what(one: &ClaimView) -> Markup {
    html! { @match one.kind.as_str() {
        "other key" => { span.badge.warn { "other key" } " Accept it if the device was replaced or erased, else find out who \
            uses its serial number." },
        "other virtual account" => { span.badge.warn { "other Virtual Account" } " Accepted, it moves here with its history." },
        _ => { span.badge.bad { "other Smart Account" } " Its owner has to remove it there first." },
    } }
}

fn question(one: &ClaimView) -> String {
    if one.kind == "other key" {
        format!("Take the new key of {}? The one that was known is worth nothing then.", one.serial)
    } else {
        format!("Move {} to where it turned up?", one.serial)
    }
}

/// Takes a product instance that waits.
pub(super) struct Accept;

impl Post<CssmSite> for Accept {
    type Page = Claims;
    const AT: &'static str = "/smart-accounts/{sa}/claims/{id}/accept";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, ClaimId) = (Place::read(site, ask)?, ask.id("id")?);
        site.cssm.accept_claim(ask.now, &ask.caller.actor(), place.account.id, id)?;
        Ok(Done::at(
            place.at("/alerts/claims"),
            "Accepted: what it reported comes with its next contact.",
        ))
    }
}

/// Turns one away.
pub(super) struct Dismiss;

impl Post<CssmSite> for Dismiss {
    type Page = Claims;
    const AT: &'static str = "/smart-accounts/{sa}/claims/{id}/dismiss";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, ClaimId) = (Place::read(site, ask)?, ask.id("id")?);
        site.cssm.dismiss_claim(ask.now, &ask.caller.actor(), place.account.id, id)?;
        Ok(Done::at(
            place.at("/alerts/claims"),
            "Turned away. It is listed again if it turns up again.",
        ))
    }
}
