//! Reports > Purchases: the book of what was bought, how long it lasts, and who holds it (CSSM-022, 023, 026).

use maud::{Markup, html};
use rumline_catalogue::Catalogue;
use rumline_cssm::{Action, Error, Only, Purchase, PurchaseId, PurchaseKind, PurchaseView};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, form};
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Purchases on one page.
const ROWS: usize = 100;
const KINDS: [(&str, PurchaseKind, &str); 3] = [
    ("perpetual", PurchaseKind::Perpetual, "perpetual"),
    ("term", PurchaseKind::Term, "for a term"),
    ("subscription", PurchaseKind::Subscription, "subscription"),
];

pub(super) struct Purchases {
    place: Place,
    purchases: Vec<PurchaseView>,
    next: Option<String>,
}

/// What a kind of purchase is called.
pub(super) fn kind_name(kind: PurchaseKind) -> &'static str {
    KINDS.iter().find(|(_, own, _)| *own == kind).map_or("", |(_, _, name)| name)
}

impl Page<CssmSite> for Purchases {
    const AT: &'static str = "/smart-accounts/{sa}/reports/purchases";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let after = PurchaseId(Trail::of(ask).place().parse().unwrap_or(0));
        let limit = ROWS as i64 + 1;
        let mut purchases = site.cssm.purchases(place.account.id, &Only::All, after, limit)?;
        let is_more = purchases.len() > ROWS;
        purchases.truncate(ROWS);
        let next = purchases.last().filter(|_| is_more).map(|last| last.id.to_string());
        Ok(Self { place, purchases, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Purchases")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let at = self.place.at("/reports/purchases");
        let columns = vec![
            Column::new("Purchase", Kind::Whole, |one: &PurchaseView| {
                html! { a href=(format!("{at}/{}", one.id)) { (one.id) } }
            }),
            Column::new("License", Kind::Text, |one: &PurchaseView| html! { (one.license) }),
            Column::new("Kind", Kind::Text, |one: &PurchaseView| html! { (kind_name(one.kind)) }),
            Column::new("Held By", Kind::Text, |one: &PurchaseView| {
                html! {
                    @for share in &one.shares { div {
                        (self.place.part_name(share.virtual_account_id)) " × " (share.quantity)
                    } }
                }
            }),
            Column::new("From", Kind::Text, |one: &PurchaseView| time(Some(one.starts_at))),
            Column::new("Until", Kind::Text, |one: &PurchaseView| match one.ends_at {
                Some(at) => ask.time(Some(at - 1)),
                None => html! { "for ever" },
            }),
            Column::new("Order", Kind::Text, |one: &PurchaseView| html! { (one.order_number) }),
        ];
        let empty = html! { p { "Nothing was purchased yet: what is in use is short of all." } };
        html! {
            (self.place.reports("/reports/purchases"))
            h1 { "Purchases" }
            @if self.place.may(ask, Action::Administer) {
                details.box open[ask.refused.is_some()] {
                    summary.first { "Record a Purchase" }
                    (self.record(ask, &at))
                }
            }
            (Table { caption: "Purchases", columns, rows: &self.purchases, ticks: None, empty }.show(ask))
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}

impl Purchases {
    fn record(&self, ask: &Ask, at: &str) -> Markup {
        let packages = Catalogue::nexus().packages().iter();
        let licenses = packages.map(|package| (package.name.clone(), package.name.as_str()));
        let kinds = KINDS.iter().map(|(sent, _, name)| ((*sent).to_owned(), *name)).collect();
        let fields = [
            Field::text("license", "License").kind(Typed::Choice(licenses.collect())),
            self.place.part_field("virtual_account_id", "Virtual Account"),
            Field::text("quantity", "Quantity").kind(Typed::Number(1, 1_000_000_000)),
            Field::text("kind", "Kind").kind(Typed::Choice(kinds)),
            Field::text("starts", "From")
                .kind(Typed::Day)
                .optional()
                .help("Today, if no day is given."),
            Field::text("ends", "Until")
                .kind(Typed::Day)
                .optional()
                .help("The last day of a term or subscription."),
            Field::text("order_number", "Order number").optional(),
        ];
        form(ask, at, &fields, "Record Purchase")
    }
}

/// A day that was typed, as its first second.
fn day(ask: &Ask, name: &str, label: &str) -> Result<Option<i64>, Error> {
    match ask.typed(name) {
        "" => Ok(None),
        typed => match rumline_cssm::first_second(typed) {
            Err(Error::Invalid(wrong) | Error::Field { text: wrong, .. }) => {
                Err(Error::Invalid(format!("{label}: {wrong}")))
            }
            found => found.map(Some),
        },
    }
}

/// Records a purchase.
pub(super) struct Record;

impl Post<CssmSite> for Record {
    type Page = Purchases;
    const AT: &'static str = "/smart-accounts/{sa}/reports/purchases";
    const ACCESS: Access = Access::May(Action::Administer);
    const BLAMES: &'static [(&'static str, &'static str)] = &[
        ("starts", "From: "),
        ("ends", "Until: "),
        ("ends", "end"),
        ("quantity", "quantity"),
        ("order_number", "order"),
    ];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let place = Place::read(site, ask)?;
        let kind = KINDS.iter().find(|(sent, ..)| *sent == ask.typed("kind"));
        let (_, kind, _) = kind.ok_or_else(|| Error::invalid("choose a kind of purchase"))?;
        let va = ask.typed("virtual_account_id").parse();
        let quantity = ask.typed("quantity").parse();
        let purchase = Purchase {
            license: ask.typed("license").to_owned(),
            quantity: quantity.map_err(|_| Error::invalid("the quantity is a whole number"))?,
            kind: *kind,
            starts_at: day(ask, "starts", "From")?.unwrap_or_default(),
            // The last day is one of it.
            ends_at: day(ask, "ends", "Until")?.map(|at| at + LAST_DAY_SECONDS),
            order_number: ask.typed("order_number").to_owned(),
        };
        let va = va.map_err(|_| Error::invalid("choose a virtual account"))?;
        let (sa, by) = (place.account.id, ask.caller.actor());
        let made = site.cssm.add_purchase(ask.now, &by, sa, va, &purchase)?;
        Ok(Done::at(
            place.at(&format!("/reports/purchases/{}", made.id)),
            "The purchase is recorded.",
        ))
    }
}

const LAST_DAY_SECONDS: i64 = 86_400;
