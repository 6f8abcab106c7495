//! Inventory > Licenses > Transfer: licences that one virtual account hands on to another, looked at before (CSSM-004).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, LicenseTransfer, LicenseView, Moved, VirtualAccountId};

use super::inventory::Inventory;
use super::transfer_balances::{Balance, balances, show as show_balances};
use crate::cssm::CssmSite;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, search};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

/// What of a purchase would go, and how many are here.
type Part = (Moved, i64);

/// What would be handed on, and what comes of it in both virtual accounts.
struct Preview {
    transfer: LicenseTransfer,
    parts: Vec<Part>,
    balances: Vec<Balance>,
}

pub(super) struct Transfer {
    inventory: Inventory,
    /// What there is to hand on.
    licenses: Vec<LicenseView>,
    /// What would be handed on, if it was asked; or why that cannot be.
    preview: Option<Result<Preview, String>>,
}

/// What is asked for, in the address or in the form that comes.
fn said<'a>(ask: &'a Ask, name: &str) -> &'a str {
    if ask.form.is_empty() { ask.query(name) } else { ask.typed(name) }
}

/// The transfer that is asked for, by somebody who may act in both virtual accounts.
fn asked(ask: &Ask, inventory: &Inventory) -> Result<LicenseTransfer, Error> {
    let quantity = said(ask, "quantity").parse();
    let to = said(ask, "to").parse().map(VirtualAccountId);
    let to = to.map_err(|_| Error::invalid("choose the Virtual Account they go to"))?;
    ask.caller.may(Action::Administer, inventory.place.account.id.into(), Some(to.into()))?;
    Ok(LicenseTransfer {
        license: said(ask, "license").to_owned(),
        quantity: quantity.map_err(|_| Error::invalid("the quantity is a whole number"))?,
        from: inventory.part.id,
        to,
        purchase_id: None,
    })
}

impl Page<CssmSite> for Transfer {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/transfer";
    const ACCESS: Access = Access::May(Action::Administer);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let sa = inventory.place.account.id;
        let all = site.cssm.licenses(ask.now, sa)?;
        let mut licenses = all.clone();
        licenses.retain(|row| row.virtual_account_id == inventory.part.id && row.purchased > 0);
        let look = |transfer: LicenseTransfer| {
            let by = ask.caller.actor();
            let moved = site.cssm.transfer_licenses(ask.now, &by, sa, &transfer, true)?;
            let after = site.cssm.licenses_after(ask.now, sa, &transfer, &moved)?;
            let balances = balances(&transfer, &all, &after);
            let with = |one: Moved| {
                let (purchase, _) = site.cssm.purchase(sa, one.purchase_id)?;
                let own = purchase
                    .shares
                    .iter()
                    .filter(|share| share.virtual_account_id == transfer.from);
                Ok((one, own.map(|share| share.quantity).sum()))
            };
            let parts = moved.into_iter().map(with).collect::<Result<_, Error>>()?;
            Ok(Preview { transfer, parts, balances })
        };
        let preview = match said(ask, "quantity") {
            "" => None,
            _ => match asked(ask, &inventory).and_then(look) {
                Err(
                    Error::Invalid(why) | Error::Field { text: why, .. } | Error::Conflict(why),
                ) => Some(Err(why)),
                found => Some(Ok(found?)),
            },
        };
        Ok(Self { inventory, licenses, preview })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, "Transfer Licenses".to_owned())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let Inventory { place, part } = &self.inventory;
        let may = |id: VirtualAccountId| {
            ask.may(Action::Administer, place.account.id.into(), Some(id.into()))
        };
        let others = place.parts.iter().filter(|other| other.id != part.id && may(other.id));
        let to: Vec<_> = others.map(|one| (one.id.to_string(), one.name.as_str())).collect();
        let held = self.licenses.iter().map(|row| {
            (row.license.clone(), format!("{} ({} purchased)", row.license, row.purchased))
        });
        let held: Vec<(String, String)> = held.collect();
        let choices = held.iter().map(|(sent, words)| (sent.clone(), words.as_str())).collect();
        let can_be = !to.is_empty() && !held.is_empty();
        let fields = [
            Field::text("license", "License")
                .kind(Typed::Choice(choices))
                .value(said(ask, "license")),
            Field::text("quantity", "Quantity")
                .kind(Typed::Number(1, 1_000_000_000))
                .value(said(ask, "quantity")),
            Field::text("to", "To").kind(Typed::Choice(to)).value(said(ask, "to")),
        ];
        html! {
            (self.inventory.head(ask, "/licenses"))
            h2 { "Transfer Licenses" }
            @if can_be { (search(ask, &fields, "Preview")) } @else if held.is_empty() {
                p { "No license that was purchased is here. Which account holds which: "
                    a href=(place.at("/reports/purchases")) { "Purchases" } }
            } @else { p { "There is no other Virtual Account that you administer." } }
            @match &self.preview {
                Some(Ok(preview)) => (self.preview(ask, preview)),
                Some(Err(why)) => p.note.bad role="alert" { (why) },
                None => {}
            }
        }
    }
}

impl Transfer {
    fn preview(&self, ask: &Ask, preview: &Preview) -> Markup {
        let Preview { transfer, parts, balances } = preview;
        let at = self.inventory.at("/transfer");
        let purchases = self.inventory.place.at("/reports/purchases");
        let columns = vec![
            Column::new("Purchase", Kind::Whole, |(one, _): &Part| {
                html! { a href=(format!("{purchases}/{}", one.purchase_id)) { (one.purchase_id) } }
            }),
            Column::new("Quantity", Kind::Number, |(one, held): &Part| {
                html! { (one.quantity) " of " (held) }
            }),
            Column::new("Counts From", Kind::Text, |(one, _): &Part| ask.time(Some(one.counts_at))),
            Column::new("Until", Kind::Text, |(one, _): &Part| match one.ends_at {
                Some(at) => ask.time(Some(at - 1)),
                None => html! { "for ever" },
            }),
        ];
        let (from, to) = (&self.inventory.part.name, self.inventory.place.part_name(transfer.to));
        let empty = html! { p { "Nothing would be transferred." } };
        html! {
            p { (transfer.quantity) " × " (transfer.license) " would go from " (from) " to " (to) ":" }
            (Table { caption: "What would be transferred", columns, rows: parts, ticks: None, empty }.show(ask))
            (show_balances(ask, &self.inventory.place, balances))
            form.row method="post" action=(at) {
                (self.seen().field(ask, &at))
                input type="hidden" name="license" value=(transfer.license);
                input type="hidden" name="quantity" value=(transfer.quantity);
                input type="hidden" name="to" value=(transfer.to);
                button.first { "Transfer" }
            }
        }
    }

    /// What was looked at: of which purchases how many would go.
    fn seen(&self) -> Seen {
        let told = |(one, held): &Part| {
            (format!("purchase {}", one.purchase_id), format!("{} of {held}", one.quantity))
        };
        match &self.preview {
            Some(Ok(preview)) => Seen::of(preview.parts.iter().map(told)),
            Some(Err(why)) => Seen::of([("", why.as_str())]),
            None => Seen::of([("", "nothing to transfer")]),
        }
    }
}

/// Hands them on as it was looked at.
pub(super) struct HandOn;

impl Post<CssmSite> for HandOn {
    type Page = Transfer;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/transfer";
    const ACCESS: Access = Access::May(Action::Administer);
    const CHANGES: Changes<Transfer> = Some(|page, _| page.seen());

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let inventory = Inventory::read(site, ask)?;
        let transfer = asked(ask, &inventory)?;
        let (sa, by) = (inventory.place.account.id, ask.caller.actor());
        site.cssm.transfer_licenses(ask.now, &by, sa, &transfer, false)?;
        let to = inventory.place.part_name(transfer.to);
        let said = format!("{} × {} went to {to}.", transfer.quantity, transfer.license);
        Ok(Done::at(inventory.at("/licenses"), said))
    }
}
