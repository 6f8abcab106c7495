//! What comes of a transfer of licenses: the balances of both virtual accounts, before and after it (CSSM-004).

use std::collections::BTreeSet;

use maud::{Markup, html};
use rumline_cssm::{LicenseTransfer, LicenseView, VirtualAccountId};

use super::place::Place;
use crate::ui::Ask;
use crate::ui::chart::number;
use crate::ui::table::{Column, Kind, Table};

/// The balance of a license in a virtual account, before and after.
pub(super) struct Balance {
    part: VirtualAccountId,
    license: String,
    before: i64,
    after: i64,
}

/// Those of the license that is handed on, and of others that stand in for it or that it stands in for, where they change.
pub(super) fn balances(
    transfer: &LicenseTransfer,
    before: &[LicenseView],
    after: &[LicenseView],
) -> Vec<Balance> {
    let mut found = Vec::new();
    for part in [transfer.from, transfer.to] {
        let of = |views: &[LicenseView], license: &str| {
            let mut own = views.iter().filter(|view| view.virtual_account_id == part);
            own.find(|view| view.license == license).map_or(0, |view| view.balance)
        };
        let own = before.iter().chain(after).filter(|view| view.virtual_account_id == part);
        let licenses: BTreeSet<&str> = own.map(|view| view.license.as_str()).collect();
        for license in licenses {
            let (before, after) = (of(before, license), of(after, license));
            if license == transfer.license || before != after {
                found.push(Balance { part, license: license.to_owned(), before, after });
            }
        }
    }
    found
}

pub(super) fn show(ask: &Ask, place: &Place, balances: &[Balance]) -> Markup {
    let shown = |balance: i64| {
        html! { (number(balance)) @if balance < 0 { " " span.badge.bad { "short" } } }
    };
    let columns = vec![
        Column::new(
            "Virtual Account",
            Kind::Text,
            |one: &Balance| html! { (place.part_name(one.part)) },
        ),
        Column::new("License", Kind::Text, |one: &Balance| html! { (one.license) }),
        Column::new("Balance Before", Kind::Number, |one: &Balance| shown(one.before)),
        Column::new("Balance After", Kind::Number, |one: &Balance| shown(one.after)),
    ];
    let empty = html! { p { "No balance changes." } };
    html! {
        h3 { "What comes of it" }
        (Table { caption: "Balances", columns, rows: balances, ticks: None, empty }.show(ask))
    }
}
