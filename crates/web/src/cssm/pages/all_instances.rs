//! Product instances of all virtual accounts that somebody may see, found by one search (ours beside CSSM-013).

use maud::{Markup, html};
use rumline_cssm::{Action, Count, Error, FoundInstance};

use super::found::{ROWS, columns, form, one_page, search};
use super::place::Place;
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Page};

pub(super) struct AllInstances {
    place: Place,
    found: Vec<FoundInstance>,
    count: Count,
    next: Option<String>,
}

impl Page<CssmSite> for AllInstances {
    const AT: &'static str = "/smart-accounts/{sa}/product-instances";
    const ACCESS: Access = Access::May(Action::View);
    const IN_PARTS: bool = true;

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let (place, search) = (Place::read(site, ask)?, search(ask));
        let sa = place.account.id;
        let only = ask.caller.parts(Action::View, sa.into());
        let begin = Trail::of(ask);
        let mut found = site.cssm.find_instances(sa, &only, &search, begin.place(), ROWS + 1)?;
        let count = site.cssm.count_instances(sa, &only, &search)?;
        let next = one_page(&mut found);
        Ok(Self { place, found, count, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around_inventory(site, ask, "Product Instances".to_owned())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let mut columns = columns(ask, &self.place);
        columns.insert(
            1,
            Column::new("Virtual Account", Kind::Text, |row: &FoundInstance| {
                html! { (self.place.part_name(row.instance.virtual_account_id)) }
            }),
        );
        let empty = match ask.query("search").trim() {
            "" => html! { p { "No product instance yet." } },
            _ => {
                html! { p { "Nothing matches in any virtual account. " a href=(ask.at) { "Show all" } } }
            }
        };
        let Count { count, is_exact } = self.count;
        let records = if count == 1 { "Record" } else { "Records" };
        let more = if is_exact { "" } else { "more than " };
        let rows = &self.found;
        html! {
            (self.place.path("Inventory"))
            h1 { "Product Instances" }
            (form(ask, &ask.at, "all Virtual Accounts"))
            (Table { caption: "Product Instances", columns, rows, ticks: None, empty }.show(ask))
            @if count > 0 { p.soft { "Showing " (rows.len()) " of " (more) (count) " " (records) } }
            (Trail::of(ask).show(ask, self.next.as_deref()))
            (self.place.csv(ask, "product-instances"))
        }
    }
}
