//! A purchase: its entries, and how it is corrected.

use maud::{Markup, html};
use rumline_cssm::{Action, Correction, Entry, Error, PurchaseId, PurchaseView};

use super::place::Place;
use super::purchases::kind_name;
use crate::cssm::CssmSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, change};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

pub(super) struct OnePurchase {
    place: Place,
    purchase: PurchaseView,
    entries: Vec<Entry>,
}

impl Page<CssmSite> for OnePurchase {
    const AT: &'static str = "/smart-accounts/{sa}/reports/purchases/{id}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let (place, id): (_, PurchaseId) = (Place::read(site, ask)?, ask.id("id")?);
        let (purchase, entries) = site.cssm.purchase(place.account.id, id)?;
        Ok(Self { place, purchase, entries })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, format!("Purchase {}", self.purchase.id))
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let one = &self.purchase;
        let columns = vec![
            Column::new("When", Kind::Text, |entry: &Entry| time(Some(entry.at))),
            Column::new("By", Kind::Text, |entry: &Entry| html! { (entry.login) }),
            Column::new("What", Kind::Whole, |entry: &Entry| html! { (entry.kind) }),
            Column::new("Virtual Account", Kind::Text, |entry: &Entry| {
                html! { (self.place.part_name(entry.virtual_account_id)) }
            }),
            Column::new("Quantity", Kind::Number, |entry: &Entry| html! { (entry.quantity) }),
            Column::new("Why", Kind::Text, |entry: &Entry| html! { (entry.reason) }),
        ];
        let most = 1_000_000_000;
        let holder = one.shares.first().map(|share| share.virtual_account_id.to_string());
        let holder = holder.unwrap_or_default();
        let fields = [
            self.place.part_field("virtual_account_id", "Virtual Account").value(&holder),
            Field::text("quantity", "How many more")
                .kind(Typed::Number(-most, most))
                .help("Below zero: how many fewer."),
            Field::text("reason", "Why"),
        ];
        let empty = html! { p { "No entry." } };
        html! {
            (self.place.reports("/reports/purchases"))
            h1 { "Purchase " (one.id) ": " (one.license) }
            @if self.place.may(ask, Action::Administer) {
                details.box open[ask.refused.is_some()] {
                    summary.first { "Correct" }
                    p { "An entry is never edited: a correction is an entry of its own." }
                    (change(ask, &ask.at, &self.held(), &fields, "Correct"))
                }
            }
            dl.facts {
                div { dt { "Kind" } dd { (kind_name(one.kind)) } }
                div { dt { "From" } dd { (ask.time(Some(one.starts_at))) } }
                div { dt { "Until" } dd { @match one.ends_at { Some(at) => (ask.time(Some(at - 1))), None => "for ever" } } }
                div { dt { "Counts From" } dd { (ask.time(Some(one.visible_at.max(one.starts_at)))) } }
                div { dt { "Order" } dd { @if one.order_number.is_empty() { "-" } @else { (one.order_number) } } }
            }
            h2 { "Book" }
            (Table { caption: "Entries", columns, rows: &self.entries, ticks: None, empty }.show(ask))
        }
    }
}

impl OnePurchase {
    /// Who holds how many, and by which entry.
    fn held(&self) -> Seen {
        let shares = self.purchase.shares.iter();
        let held = |share: &rumline_cssm::Share| {
            (self.place.part_name(share.virtual_account_id), share.quantity.to_string())
        };
        Seen::of(shares.map(held).chain([("entries".to_owned(), self.entries.len().to_string())]))
    }
}

/// Corrects a purchase.
pub(super) struct Correct;

impl Post<CssmSite> for Correct {
    type Page = OnePurchase;
    const AT: &'static str = "/smart-accounts/{sa}/reports/purchases/{id}";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;
    const CHANGES: Changes<OnePurchase> = Some(|page, _| page.held());
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("quantity", "correction"), ("reason", "reason")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, PurchaseId) = (Place::read(site, ask)?, ask.id("id")?);
        let number = |name: &str| {
            let typed = ask.typed(name).parse::<i64>();
            typed.map_err(|_| Error::invalid("the quantity of a correction is a whole number"))
        };
        let correction = Correction {
            virtual_account_id: rumline_cssm::VirtualAccountId(number("virtual_account_id")?),
            quantity: number("quantity")?,
            reason: ask.typed("reason").to_owned(),
        };
        let (sa, by) = (place.account.id, ask.caller.actor());
        site.cssm.correct_purchase(ask.now, &by, sa, id, &correction)?;
        Ok(Done::at(ask.at.clone(), "The purchase is corrected."))
    }
}
