//! Event Log: what happened in a smart account.

use maud::{Markup, html};
use rumline_cssm::{AccountEvent, Action, Error};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::time;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page};

pub(super) struct EventLog {
    place: Place,
    events: Vec<AccountEvent>,
}

impl Page<CssmSite> for EventLog {
    const AT: &'static str = "/smart-accounts/{sa}/event-log";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let events = site.cssm.events(place.account.id, 1_000)?;
        Ok(Self { place, events })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Event Log")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Time", Kind::Text, |event: &AccountEvent| time(Some(event.at))),
            Column::new("User", Kind::Text, |event: &AccountEvent| html! { (event.login) }),
            Column::new("Event", Kind::Text, |event: &AccountEvent| html! { (event.text) }),
        ];
        let empty = html! { p { "Nothing happened yet." } };
        let list = Table { caption: "Events", columns, rows: &self.events, ticks: None, empty };
        html! {
            (self.place.path(""))
            h1 { "Event Log" }
            p.soft { "The newest thousand." }
            (list.show(ask))
        }
    }
}
