//! Overview: the licenses of all virtual accounts together, and how many were in use in the last days.

use std::collections::BTreeMap;

use maud::{Markup, html};
use rumline_cssm::{LicenseView, UseRow};

use super::place::Place;
use crate::page::in_query;
use crate::ui::Ask;
use crate::ui::chart::{Chart, nothing, number};
use crate::ui::table::{Column, Kind, Table};

/// A license in all virtual accounts together.
#[derive(Default)]
pub(super) struct License {
    pub in_use: i64,
    purchased: i64,
    /// Virtual accounts in which it is short, and the first day on which it will be in one.
    pub short_in: Vec<String>,
    runs_short_at: Option<i64>,
}

pub(super) fn together(place: &Place, views: Vec<LicenseView>) -> BTreeMap<String, License> {
    let mut licenses: BTreeMap<String, License> = BTreeMap::new();
    for view in views {
        let of = licenses.entry(view.license).or_default();
        of.in_use += view.in_use;
        of.purchased += view.purchased;
        if view.balance < 0 {
            of.short_in.push(place.part_name(view.virtual_account_id));
        }
        let soonest = [of.runs_short_at, view.runs_short_at].into_iter().flatten().min();
        of.runs_short_at = soonest;
    }
    licenses
}

/// The first names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown} and {} more", names.len() - 3) } else { shown }
}

/// The list of them, each with the way to its page.
pub(super) fn list(ask: &Ask, place: &Place, licenses: &BTreeMap<String, License>) -> Markup {
    type Row<'a> = (&'a String, &'a License);
    let rows: Vec<Row<'_>> = licenses.iter().collect();
    let columns = vec![
        Column::new("License", Kind::Text, |(name, _): &Row<'_>| {
            html! { a href=(place.at(&format!("/licenses/{}", in_query(name)))) { (name) } }
        }),
        Column::new("Purchased", Kind::Number, |(_, one): &Row<'_>| {
            html! { (number(one.purchased)) }
        }),
        Column::new("In Use", Kind::Number, |(_, one): &Row<'_>| html! { (number(one.in_use)) }),
        Column::new("State", Kind::Text, |(_, one): &Row<'_>| {
            html! {
                @if !one.short_in.is_empty() { span.badge.bad { "short" } " in " (some(&one.short_in)) }
                @else { span.badge.good { "enough" } }
            }
        }),
        Column::new("Runs Short", Kind::Text, |(_, one): &Row<'_>| match one.runs_short_at {
            _ if !one.short_in.is_empty() => html! { "now" },
            Some(at) if at > ask.now.0 => ask.time(Some(at)),
            _ => html! { span.soft { "-" } },
        }),
    ];
    let empty = html! {
        p { "No license is in use, and none was purchased." }
        p { "A switch that reports here shows what it uses." }
    };
    Table { caption: "Licenses", columns, rows: &rows, ticks: None, empty }.show(ask)
}

/// Licenses in use on average, day by day.
pub(super) fn trend<'a>(days: &'a [String], uses: &'a [UseRow]) -> Chart<'a> {
    let mut of_days: BTreeMap<&str, f64> = days.iter().map(|day| (day.as_str(), 0.0)).collect();
    for row in uses {
        *of_days.entry(&row.from).or_default() += row.in_use_average;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a bar of whole licenses")]
    let point = |(day, average): (&str, f64)| (day.to_owned(), average.round() as i64, None);
    Chart {
        title: "Licenses in use over the last 30 days, on average",
        bars: "In Use",
        line: None,
        nothing: nothing(uses.iter().any(|row| row.in_use_average > 0.0)),
        points: of_days.into_iter().map(point).collect(),
    }
}
