//! A policy that is tried: what of it may not be meant, and how product instances would have fared under it.

use maud::{Markup, html};
use rumline_cssm::{Error, InstanceId, PolicyFile, SmartAccountId, Trial, VirtualAccountId};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::{counted, time};
use crate::ui::Ask;
use crate::ui::table::{Column, Kind, Table, Trail};

/// Product instances on one page: as many as are tried at a time.
const ROWS: usize = 100;
/// Times at which one was late that are shown.
const LATE_SHOWN: usize = 5;

pub(super) struct Tried {
    concerns: Vec<String>,
    on: Option<VirtualAccountId>,
    trials: Vec<Trial>,
    next: Option<String>,
}

impl Tried {
    /// Checks a policy, and tries it on the product instances of a virtual account.
    pub(super) fn of(
        site: &CssmSite,
        ask: &Ask,
        (sa, on): (SmartAccountId, Option<VirtualAccountId>),
        file: &PolicyFile,
    ) -> Result<Self, Error> {
        file.check()?;
        let mut trials = Vec::new();
        if let Some(va) = on {
            let after = InstanceId(Trail::of(ask).place().parse().unwrap_or(0));
            let limit = i64::try_from(ROWS).unwrap_or(i64::MAX);
            trials = site.cssm.try_policy(ask.now, (sa, va), file.unenforced, after, limit)?;
        }
        let next = trials.last().filter(|_| trials.len() == ROWS).map(|last| last.id.to_string());
        Ok(Self { concerns: file.concerns(), on, trials, next })
    }

    pub(super) fn show(&self, ask: &Ask, place: &Place) -> Markup {
        let columns = vec![
            Column::new("Product Instance", Kind::Text, |one: &Trial| html! { (one.udi) }),
            Column::new("Reported", Kind::Number, |one: &Trial| html! { (one.reports) }),
            Column::new("Would Have Been Asked", Kind::Number, |one: &Trial| {
                html! { (one.reports_wanted) }
            }),
            Column::new("Would Have Been Late", Kind::Text, late),
        ];
        let empty = html! { p { "No product instance is there to try it on." } };
        let rows = &self.trials;
        html! {
            h2 { "What comes of it" }
            @if self.concerns.is_empty() {
                p.note.good { "It can be set, and nothing in it looks unmeant." }
            } @else {
                p.note { "It can be set. What may not be meant:" }
                ul { @for concern in &self.concerns { li { (concern) } } }
            }
            @if let Some(on) = self.on {
                h3 { "Tried on what was reported in " (place.part_name(on)) }
                (Table { caption: "How it would have been", columns, rows, ticks: None, empty }.show(ask))
                (Trail::of(ask).show(ask, self.next.as_deref()))
            }
        }
    }
}

fn late(one: &Trial) -> Markup {
    let more = one.late_count - i64::try_from(LATE_SHOWN).unwrap_or(0);
    html! {
        @if one.late.is_empty() { span.badge.good { "never" } }
        @else {
            span.badge.warn { (counted(one.late_count, "time")) }
            @for late in one.late.iter().take(LATE_SHOWN) { div {
                "due " (time(Some(late.due_at))) ", "
                @match late.came_at { Some(at) => { "came " (time(Some(at))) }, None => "none came" }
            } }
            @if more > 0 { div.soft { "and " (more) " more" } }
        }
    }
}
