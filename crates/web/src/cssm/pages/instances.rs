//! Inventory > Product Instances: found by name, serial number, product id or type (CSSM-013, CSSM-015).

use maud::{Markup, html};
use rumline_cssm::{Action, Count, Error, FoundInstance, Only};

use super::found::{ROWS, columns, form, one_page, search};
use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::page::in_query;
use crate::site::Access;
use crate::ui::table::{Table, Ticks, Trail};
use crate::ui::{Around, Ask, Page};

pub(super) struct Instances {
    inventory: Inventory,
    found: Vec<FoundInstance>,
    count: Count,
    next: Option<String>,
}

impl Page<CssmSite> for Instances {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let (sa, search) = (inventory.place.account.id, search(ask));
        let only = Only::These([inventory.part.id.into()].into());
        let place = Trail::of(ask);
        let mut found = site.cssm.find_instances(sa, &only, &search, place.place(), ROWS + 1)?;
        let count = site.cssm.count_instances(sa, &only, &search)?;
        let next = one_page(&mut found);
        Ok(Self { inventory, found, count, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(
            site,
            ask,
            format!("Product Instances of {}", self.inventory.part.name),
        )
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let at = self.inventory.at("/product-instances");
        let columns = columns(ask, &self.inventory.place);
        let is_searched = !search(ask).text.is_empty();
        let empty = if is_searched {
            html! { p { "Nothing matches in " (self.inventory.part.name) ". " a href=(at) { "Show all" } } }
        } else {
            html! {
                p { "No product instance yet." }
                @if self.inventory.may(ask, Action::Operate) { p { "Create a token under " a href=(self.inventory.at("")) { "General" }
                    ", and give it to a switch with " code { "license smart trust idtoken" } "." } }
            }
        };
        let may_move = ask.may(Action::Administer, self.inventory.place.account.id.into(), None);
        let Count { count, is_exact } = self.count;
        let records = if count == 1 { "Record" } else { "Records" };
        let more = if is_exact { "" } else { "more than " };
        let called = Box::new(|row: &FoundInstance| row.instance.name.clone());
        let number = |row: &FoundInstance| row.instance.id.0;
        let ticks: Option<Ticks<'_, FoundInstance>> = may_move.then_some(("ids", number, called));
        let rows = &self.found;
        let all = self.inventory.place.at("/product-instances");
        let query = match ask.query("search") {
            "" => String::new(),
            text => format!("?search={}", in_query(text)),
        };
        let list = Table { caption: "Product Instances", columns, rows, ticks, empty };
        html! {
            (self.inventory.head(ask, "/product-instances"))
            (form(ask, &at, &self.inventory.part.name))
            p { a href=(format!("{all}{query}")) { "Search all Virtual Accounts" } }
            @if may_move && self.inventory.place.parts.len() > 1 && count > 0 {
                form method="post" action=(format!("{at}/transfer")) {
                    (list.show(ask))
                    div.line {
                        label { "Transfer the ticked to" select name="into" {
                            @for part in self.inventory.place.parts.iter().filter(|one| one.id != self.inventory.part.id) {
                                option value=(part.id) { (part.name) }
                            }
                        } }
                        button { "Transfer" }
                        input type="hidden" name="search" value=(ask.query("search"));
                        button formaction=(format!("{at}/transfer-all"))
                            data-confirm=(format!("Transfer {more}{count} product instances, those of the other pages too?")) {
                            "Transfer All " (more) (count)
                        }
                    }
                }
            } @else { (list.show(ask)) }
            @if count > 0 { p.soft { "Showing " (self.found.len()) " of " (more) (count) " " (records) } }
            (Trail::of(ask).show(ask, self.next.as_deref()))
            (self.inventory.place.csv(ask, "product-instances"))
        }
    }
}
