//! A license in all virtual accounts of a smart account (ours): the way from the overview to those that use it.

use maud::{Markup, html};
use rumline_cssm::{Action, Error, LicenseView};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::in_query;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page};

pub(super) struct AccountLicense {
    place: Place,
    license: String,
    /// One for each virtual account that has it or uses it.
    views: Vec<LicenseView>,
}

impl Page<CssmSite> for AccountLicense {
    const AT: &'static str = "/smart-accounts/{sa}/licenses/{license}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let (place, license) = (Place::read(site, ask)?, ask.name("license").to_owned());
        let mut views = site.cssm.licenses(ask.now, place.account.id)?;
        views.retain(|view| view.license == license);
        Ok(Self { place, license, views })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around_inventory(site, ask, self.license.clone())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Virtual Account", Kind::Text, |view: &LicenseView| {
                let name = self.place.part_name(view.virtual_account_id);
                let license = in_query(&self.license);
                let to =
                    format!("/virtual-accounts/{}/licenses/{license}", view.virtual_account_id);
                html! { a href=(self.place.at(&to)) { (name) } }
            }),
            Column::new("Purchased", Kind::Number, |view: &LicenseView| {
                html! { (number(view.purchased)) }
            }),
            Column::new("In Use", Kind::Number, |view: &LicenseView| {
                html! { (number(view.in_use)) }
            }),
            Column::new("Substituted", Kind::Number, |view: &LicenseView| {
                html! { (number(view.substituted)) }
            }),
            Column::new("Balance", Kind::Number, |view: &LicenseView| {
                html! {
                    (number(view.balance)) " "
                    @if view.balance < 0 { span.badge.bad { "short" } }
                    @else { span.badge.good { "covered" } }
                }
            }),
        ];
        let empty = html! { p { "It is neither purchased nor in use in this account." } };
        let rows = &self.views;
        html! {
            (self.place.path("Inventory"))
            h1 { (self.license) }
            (Table { caption: "Virtual Accounts", columns, rows, ticks: None, empty }.show(ask))
            p { a href=(self.place.at(&format!("/reports/policy/license-{}", in_query(&self.license)))) {
                "Reporting Policy of this license"
            } }
        }
    }
}
