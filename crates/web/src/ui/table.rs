//! Lists: one table for all of them. Its heads sort, its rows are ticked, its pages go both ways, and where there is no room for
//! columns each row is a card.

use maud::{Markup, html};

use super::Ask;
use crate::page::{from_query, in_query};

/// What stands in a column.
pub(crate) enum Kind {
    /// Words, which may be broken between lines.
    Text,
    /// A name or a number that is kept whole.
    Whole,
    /// A number, to the right.
    Number,
}

/// A column: its head, what stands in it, and by what it sorts.
pub(crate) struct Column<'a, T> {
    pub head: &'a str,
    pub kind: Kind,
    pub sort: Option<&'static str>,
    pub cell: Box<dyn Fn(&T) -> Markup + 'a>,
}

impl<'a, T> Column<'a, T> {
    pub(crate) fn new(head: &'a str, kind: Kind, cell: impl Fn(&T) -> Markup + 'a) -> Self {
        Self { head, kind, sort: None, cell: Box::new(cell) }
    }

    /// The same, that lists are sorted by.
    pub(crate) fn sorted_by(self, sort: &'static str) -> Self {
        Self { sort: Some(sort), ..self }
    }
}

/// How rows are ticked: the name of the numbers that are sent, the number of a row, and what it is called.
pub(crate) type Ticks<'a, T> = (&'static str, fn(&T) -> i64, Box<dyn Fn(&T) -> String + 'a>);

/// A list.
pub(crate) struct Table<'a, T> {
    /// What it lists, for those who hear it.
    pub caption: &'a str,
    pub columns: Vec<Column<'a, T>>,
    pub rows: &'a [T],
    pub ticks: Option<Ticks<'a, T>>,
    /// What stands there when there are none.
    pub empty: Markup,
}

impl<T> Table<'_, T> {
    pub(crate) fn show(&self, ask: &Ask) -> Markup {
        if self.rows.is_empty() {
            return html! { div.empty { (self.empty) } };
        }
        html! {
            table.list {
                caption.heard { (self.caption) }
                thead { tr {
                    @if let Some((name, ..)) = &self.ticks {
                        th { input type="checkbox" data-selects=(name) aria-label="Tick all on this page"; }
                    }
                    @for column in &self.columns { (head(ask, column)) }
                } }
                tbody { @for row in self.rows { tr {
                    @if let Some((name, number, called)) = &self.ticks {
                        td.tick { input type="checkbox" name=(name) value=(number(row))
                            aria-label=(format!("Tick {}", called(row))); }
                    }
                    @for column in &self.columns {
                        td class=(class(&column.kind)) data-head=(column.head) { div { ((column.cell)(row)) } }
                    }
                } } }
            }
        }
    }
}

fn class(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Whole => "whole",
        Kind::Number => "number",
    }
}

/// The head of a column; one that sorts is a link, which turns the order round where it sorts already.
fn head<T>(ask: &Ask, column: &Column<'_, T>) -> Markup {
    let class = class(&column.kind);
    let Some(sort) = column.sort else {
        return html! { th class=(class) scope="col" { (column.head) } };
    };
    let is_sorted = ask.query("sort") == sort;
    let is_descending = ask.query("descending") == "true";
    let turned = if is_sorted && !is_descending { "true" } else { "" };
    let order = is_sorted.then_some(if is_descending { "descending" } else { "ascending" });
    let to = ask.with(&[("sort", sort), ("descending", turned), ("trail", "")]);
    html! {
        th class=(class) scope="col" aria-sort=[order] {
            a href=(to) { (column.head) @if let Some(order) = order {
                span aria-hidden="true" { (if order == "ascending" { " ▲" } else { " ▼" }) }
            } }
        }
    }
}

/// The places that a list went on from, page by page: the last is where this one begins.
pub(crate) struct Trail {
    places: Vec<String>,
}

/// Pages that can be gone back.
const PLACES_MAX: usize = 50;

impl Trail {
    pub(crate) fn of(ask: &Ask) -> Self {
        let places = ask.query("trail").split(',').filter(|place| !place.is_empty());
        // A place may hold a comma itself.
        Self { places: places.map(from_query).collect() }
    }

    /// Where this page begins; empty at the first one.
    pub(crate) fn place(&self) -> &str {
        self.places.last().map_or("", String::as_str)
    }

    /// The links to the pages before and after, where there are any; `next` is where the next one begins.
    pub(crate) fn show(&self, ask: &Ask, next: Option<&str>) -> Markup {
        let joined = |places: &[String]| {
            places.iter().map(|place| in_query(place)).collect::<Vec<_>>().join(",")
        };
        let back = self.places.split_last().map(|(_, before)| joined(before));
        let on = next.map(|next| {
            let from = self.places.len().saturating_sub(PLACES_MAX - 1);
            let kept = self.places[from..].iter().cloned();
            joined(&kept.chain([next.to_owned()]).collect::<Vec<_>>())
        });
        if back.is_none() && on.is_none() {
            return html! {};
        }
        html! {
            nav.pages aria-label="Pages of the list" {
                @if let Some(back) = back { a.button href=(ask.with(&[("trail", &back)])) rel="prev" { "Previous" } }
                span.soft { "Page " (self.places.len() + 1) }
                @if let Some(on) = on { a.button href=(ask.with(&[("trail", &on)])) rel="next" { "Next" } }
            }
        }
    }
}
