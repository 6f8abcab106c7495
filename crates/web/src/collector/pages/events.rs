//! Events: what people did, what was exchanged with Cisco, what was refused.

use maud::{Markup, html};
use rumline_collector::{Action, Error, Event};

use super::tenancy::Tenancy;
use crate::collector::CollectorSite;
use crate::page::time;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page, live};

/// Events that are shown.
const ROWS: i64 = 500;

pub(super) struct Events {
    tenancy: Tenancy,
    events: Vec<Event>,
}

impl Page<CollectorSite> for Events {
    const AT: &'static str = "/tenants/{tenant}/events";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        Ok(Self { events: site.collector.events(tenancy.tenant.id, ROWS)?, tenancy })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Events")
    }

    fn show(&self, _: &CollectorSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("When", Kind::Text, |one: &Event| time(Some(one.at))),
            Column::new("By", Kind::Text, |one: &Event| html! { (one.login) }),
            Column::new("What", Kind::Text, |one: &Event| html! { (one.text) }),
        ];
        let empty = html! {
            p { "Nothing has happened yet." }
            p { "What people set, add, export and import is listed here." }
        };
        let list = Table { caption: "Events", columns, rows: &self.events, ticks: None, empty };
        html! {
            (self.tenancy.head("Events"))
            (self.tenancy.standing(ask))
            (live(ask, 10, &list.show(ask)))
        }
    }
}
