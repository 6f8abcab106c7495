//! The lives of a product instance, and which of two that speak as one goes on (ours).

use maud::{Markup, html};
use rumline_cssm::{Action, EpochView};

use super::instance::Instance;
use crate::cssm::CssmSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Ask, Changes, Done, Page as _, Post, Seen};

/// What an epoch is called: the first has no name.
fn called(epoch: &EpochView) -> &str {
    if epoch.epoch.is_empty() { "the first" } else { &epoch.epoch }
}

/// What there is to choose from.
fn seen(epochs: &[EpochView]) -> Seen {
    Seen::of(epochs.iter().map(|epoch| (called(epoch), epoch.state.as_str())))
}

/// The epochs, each with the button to choose it where two speak; nothing where there was only ever one.
pub(super) fn list(ask: &Ask, at: &str, epochs: &[EpochView], may_choose: bool) -> Markup {
    if epochs.len() < 2 {
        return html! {};
    }
    let is_open = epochs.iter().any(|epoch| epoch.state == "rival");
    let to = format!("{at}/epoch");
    let mut columns = vec![
        Column::new("Epoch", Kind::Whole, |one: &EpochView| html! { code { (called(one)) } }),
        Column::new("State", Kind::Text, |one: &EpochView| state(&one.state)),
        Column::new("Began", Kind::Text, |one: &EpochView| match one.began_at {
            0 => html! { span.soft { "with the product instance" } },
            at => ask.time(Some(at)),
        }),
        Column::new("Last Report Ends", Kind::Text, |one: &EpochView| time(Some(one.last_end_at))),
        Column::new("Reports", Kind::Number, |one: &EpochView| {
            html! { (one.reports) @if one.reports_missing > 0 { ", " (one.reports_missing) " missing" } }
        }),
    ];
    if may_choose && is_open {
        columns.push(Column::new("Actions", Kind::Text, |one: &EpochView| {
            let question = format!(
                "Let {} go on? What the others say from now on does not count.",
                called(one)
            );
            html! { @if matches!(one.state.as_str(), "present" | "rival") {
                form.inline method="post" action=(to) {
                    (seen(epochs).field(ask, &to))
                    input type="hidden" name="epoch" value=(one.epoch);
                    button data-confirm=(question) { "This One Goes On" }
                }
            } }
        }));
    }
    html! {
        h2 { "Epochs" }
        @if is_open {
            p.note.bad { "Two speak as this one: what they say of the same time cannot both be so. Choose which one goes on. "
                a href="/help?search=clone" { "What that means" } }
        }
        (Table { caption: "Epochs", columns, rows: epochs, ticks: None, empty: html! {} }.show(ask))
    }
}

fn state(state: &str) -> Markup {
    html! { @match state {
        "present" => span.badge.good { "speaks now" },
        "rival" => span.badge.bad { "speaks too" },
        "past" => span.badge { "spoke before" },
        _ => span.badge { "ended" },
    } }
}

/// Chooses which one goes on.
pub(super) struct Choose;

impl Post<CssmSite> for Choose {
    type Page = Instance;
    const AT: &'static str =
        "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances/{id}/epoch";
    const ACCESS: Access = Access::May(Action::Administer);
    const CHANGES: Changes<Instance> = Some(|page, _| seen(page.epochs()));

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let page = Instance::load(site, ask)?;
        let (sa, id) = page.numbers();
        let by = ask.caller.actor();
        site.cssm.choose_epoch(ask.now, &by, sa, id, ask.typed("epoch"))?;
        Ok(Done::at(page.at(), "It goes on with this epoch; the others are ended."))
    }
}
