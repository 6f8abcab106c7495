//! Collectors: the CSLUs and SSM On-Prem tenants that report for the account (ours).

use maud::{Markup, html};
use rumline_cssm::{Action, Collector, CollectorId, Error};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::button;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

pub(super) struct Collectors {
    place: Place,
    collectors: Vec<Collector>,
}

impl Page<CssmSite> for Collectors {
    const AT: &'static str = "/smart-accounts/{sa}/collectors";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let collectors = site.cssm.collectors(place.account.id)?;
        Ok(Self { place, collectors })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Collectors")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let at = self.place.at("/collectors");
        let mut columns = vec![
            Column::new("Name", Kind::Text, |one: &Collector| html! { (one.name) }),
            Column::new("Kind", Kind::Whole, |one: &Collector| html! { (one.kind) }),
            Column::new("Virtual Account", Kind::Text, |one: &Collector| {
                let part = self.place.parts.iter().find(|part| part.id == one.virtual_account_id);
                html! { (part.map_or("-", |part| part.name.as_str())) }
            }),
            Column::new("Registered", Kind::Text, |one: &Collector| {
                html! {
                    (ask.time(Some(one.registered_at))) " by " (one.registered_by)
                }
            }),
            Column::new("Last Contact", Kind::Text, |one: &Collector| {
                ask.time(one.last_contact_at)
            }),
        ];
        if self.place.may(ask, Action::Operate) {
            columns.push(Column::new("Actions", Kind::Text, |one: &Collector| {
                let question =
                    format!("Remove {}? It has to be registered again to report.", one.name);
                button(&format!("{at}/{}/remove", one.id), "Remove", Some(&question))
            }));
        }
        let empty = html! {
            p { "No collector reports for this account." }
            p { "At a CSLU or SSM On-Prem: Login to Cisco, then choose this account in Preferences." }
        };
        html! {
            (self.place.path(""))
            h1 { "Collectors" }
            (Table { caption: "Collectors", columns, rows: &self.collectors, ticks: None, empty }.show(ask))
        }
    }
}

/// Removes a collector.
pub(super) struct Remove;

impl Post<CssmSite> for Remove {
    type Page = Collectors;
    const AT: &'static str = "/smart-accounts/{sa}/collectors/{id}/remove";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, CollectorId) = (Place::read(site, ask)?, ask.id("id")?);
        site.cssm.remove_collector(ask.now, &ask.caller.actor(), place.account.id, id)?;
        Ok(Done::at(place.at("/collectors"), "The collector is removed."))
    }
}
