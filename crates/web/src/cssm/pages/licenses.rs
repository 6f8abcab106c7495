//! Inventory > Licenses: purchased against in use (CSSM-001, CSSM-027).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, LicenseView};

use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::page::in_query;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page};

pub(super) struct Licenses {
    inventory: Inventory,
    licenses: Vec<LicenseView>,
}

impl Page<CssmSite> for Licenses {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/licenses";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let mut licenses = site.cssm.licenses(ask.now, inventory.place.account.id)?;
        licenses.retain(|row| row.virtual_account_id == inventory.part.id);
        Ok(Self { inventory, licenses })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, format!("Licenses of {}", self.inventory.part.name))
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let number = |count: i64| html! { (number(count)) };
        let columns = vec![
            Column::new("License", Kind::Text, |row: &LicenseView| {
                let to = self.inventory.at(&format!("/licenses/{}", in_query(&row.license)));
                html! { a href=(to) { (row.license) } }
            }),
            Column::new("Purchased", Kind::Number, |row: &LicenseView| number(row.purchased)),
            Column::new("In Use", Kind::Number, |row: &LicenseView| number(row.in_use)),
            Column::new("Substituted", Kind::Number, |row: &LicenseView| number(row.substituted)),
            Column::new("Balance", Kind::Number, |row: &LicenseView| {
                html! {
                    (number(row.balance)) " "
                    @if row.balance < 0 { span.badge.bad { "short" } }
                    @else { span.badge.good { "covered" } }
                }
            }),
            Column::new("Runs short", Kind::Text, |row: &LicenseView| match row.runs_short_at {
                _ if row.balance < 0 => html! { "now" },
                Some(at) => ask.time(Some(at)),
                None => html! { span.soft { "not with this use" } },
            }),
        ];
        let empty = html! {
            p { "No license is purchased here or in use." }
            p { "Product instances say what they use with their reports; "
                code { "rumline cssm purchase" } " records what was bought." }
        };
        let list = Table { caption: "Licenses", columns, rows: &self.licenses, ticks: None, empty };
        html! {
            (self.inventory.head(ask, "/licenses"))
            @if self.inventory.may(ask, Action::Administer) {
                p {
                    a.button href=(self.inventory.at("/transfer")) { "Transfer Licenses" }
                    " "
                    a.button href=(self.inventory.place.at("/reports/purchases")) { "Purchases" }
                }
            }
            (list.show(ask))
            (self.inventory.place.csv(ask, "licenses"))
        }
    }
}
