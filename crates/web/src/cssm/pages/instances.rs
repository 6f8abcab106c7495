//! Inventory > Product Instances: found by name, serial number, product id or type (CSSM-013, CSSM-015).

use maud::{Markup, html};
use rumline_cssm::{Action, Count, Error, FoundInstance, Only, Search, SortBy};

use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table, Ticks, Trail};
use crate::ui::{Around, Ask, Page};

/// Product instances on one page.
const ROWS: i64 = 50;

pub(super) struct Instances {
    inventory: Inventory,
    found: Vec<FoundInstance>,
    count: Count,
    next: Option<String>,
}

/// What is looked for, and in which order.
fn search(ask: &Ask) -> Search {
    let sort_by = match ask.query("sort") {
        "name" => Some(SortBy::Name),
        "serial" => Some(SortBy::Serial),
        "pid" => Some(SortBy::Pid),
        _ => None,
    };
    let descending = sort_by.is_some() && ask.query("descending") == "true";
    Search { text: ask.query("search").trim().to_owned(), sort_by, descending }
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
        let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
        let is_more = found.len() > rows;
        found.truncate(rows);
        let next = found.last().filter(|_| is_more).map(|last| last.next.clone());
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
        let columns = vec![
            Column::new("Name", Kind::Text, |row: &FoundInstance| {
                html! { a href=(format!("{at}/{}", row.instance.id)) { (row.instance.name) } }
            })
            .sorted_by("name"),
            Column::new("Serial Number", Kind::Whole, |row: &FoundInstance| {
                html! { (row.instance.serial) }
            })
            .sorted_by("serial"),
            Column::new("Product ID", Kind::Whole, |row: &FoundInstance| {
                html! { (row.instance.pid) }
            })
            .sorted_by("pid"),
            Column::new("Product Type", Kind::Whole, |row: &FoundInstance| {
                html! { (row.instance.product_type) }
            }),
            Column::new("Licenses used", Kind::Text, |row: &FoundInstance| {
                html! { @for license in &row.instance.licenses {
                    div { (license.license) @if license.count > 1 { " × " (license.count) } }
                } }
            }),
            Column::new("Last Contact", Kind::Text, |row: &FoundInstance| {
                ask.time(Some(row.instance.last_contact_at))
            }),
            Column::new("State", Kind::Text, |row: &FoundInstance| state(row)),
        ];
        let is_searched = !search(ask).text.is_empty();
        let empty = if is_searched {
            html! { p { "Nothing matches. " a href=(at) { "Show all" } } }
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
        let list = Table { caption: "Product Instances", columns, rows, ticks, empty };
        html! {
            (self.inventory.head(ask, "/product-instances"))
            form.row method="get" action=(at) role="search" {
                label { "Search by name, serial number, product id or type"
                    input type="search" name="search" value=(ask.query("search")); }
                @if !ask.query("sort").is_empty() {
                    input type="hidden" name="sort" value=(ask.query("sort"));
                }
                button { "Search" }
            }
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

/// What somebody should know of it at a glance.
fn state(row: &FoundInstance) -> Markup {
    let one = &row.instance;
    html! {
        @if one.held_at.is_some() { span.badge.bad { "held" } }
        @else if one.reports_missing > 0 { span.badge.warn { (one.reports_missing) " missing" } }
        @else if !one.trusted { span.badge { "no trust code" } }
        @else { span.badge.good { "in order" } }
    }
}
