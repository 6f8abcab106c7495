//! Product instances that a search finds: what is looked for, and the columns that tell of them (CSSM-013).

use maud::{Markup, html};
use rumline_cssm::{FoundInstance, Search, SortBy};

use super::place::Place;
use crate::ui::Ask;
use crate::ui::table::{Column, Kind};

/// Product instances on one page.
pub(super) const ROWS: i64 = 50;

/// What is looked for, and in which order.
pub(super) fn search(ask: &Ask) -> Search {
    let sort_by = match ask.query("sort") {
        "name" => Some(SortBy::Name),
        "serial" => Some(SortBy::Serial),
        "pid" => Some(SortBy::Pid),
        _ => None,
    };
    let descending = sort_by.is_some() && ask.query("descending") == "true";
    Search { text: ask.query("search").trim().to_owned(), sort_by, descending }
}

/// The form that asks for it; `within` says where is searched.
pub(super) fn form(ask: &Ask, at: &str, within: &str) -> Markup {
    html! {
        form.row method="get" action=(at) role="search" {
            label { "Search " (within) " by name, serial number, product id or type"
                input type="search" name="search" value=(ask.query("search")); }
            @if !ask.query("sort").is_empty() {
                input type="hidden" name="sort" value=(ask.query("sort"));
            }
            button { "Search" }
        }
    }
}

/// What was found, cut to one page, and where the next one begins.
pub(super) fn one_page(found: &mut Vec<FoundInstance>) -> Option<String> {
    let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
    let is_more = found.len() > rows;
    found.truncate(rows);
    found.last().filter(|_| is_more).map(|last| last.next.clone())
}

/// The columns; each name leads to the page of the product instance.
pub(super) fn columns<'a>(ask: &'a Ask, place: &'a Place) -> Vec<Column<'a, FoundInstance>> {
    vec![
        Column::new("Name", Kind::Text, |row: &FoundInstance| {
            let part = row.instance.virtual_account_id;
            let to = format!("/virtual-accounts/{part}/product-instances/{}", row.instance.id);
            html! { a href=(place.at(&to)) { (row.instance.name) } }
        })
        .sorted_by("name"),
        Column::new("Serial Number", Kind::Whole, |row: &FoundInstance| {
            html! { (row.instance.serial) }
        })
        .sorted_by("serial"),
        Column::new("Product ID", Kind::Whole, |row: &FoundInstance| html! { (row.instance.pid) })
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
        Column::new("State", Kind::Text, state),
    ]
}

/// What somebody should know of it at a glance.
fn state(row: &FoundInstance) -> Markup {
    let one = &row.instance;
    html! {
        @if one.held_at.is_some() { span.badge.bad { "held" } }
        @else if one.reports_missing > 0 { span.badge.warn { (one.reports_missing) " missing" } }
        @else if one.smart_licensing.is_some() && one.last_report_at.is_none() {
            span.badge { "Smart Licensing" }
        }
        @else if !one.trusted { span.badge { "no trust code" } }
        @else { span.badge.good { "in order" } }
    }
}
