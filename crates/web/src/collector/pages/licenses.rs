//! Licenses: what is in use here, as the newest reports say.

use maud::{Markup, html};
use rumline_collector::{Action, Error, LicenseView};

use super::tenancy::Tenancy;
use crate::collector::CollectorSite;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page, live};

pub(super) struct Licenses {
    tenancy: Tenancy,
    licenses: Vec<LicenseView>,
}

impl Page<CollectorSite> for Licenses {
    const AT: &'static str = "/tenants/{tenant}/licenses";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        Ok(Self { licenses: site.collector.licenses(tenancy.tenant.id)?, tenancy })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Licenses")
    }

    fn show(&self, _: &CollectorSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("License", Kind::Text, |one: &LicenseView| html! { (one.license) }),
            Column::new("In Use", Kind::Number, |one: &LicenseView| html! { (one.in_use) }),
            Column::new("Product Instances", Kind::Number, |one: &LicenseView| {
                html! { (one.product_instances) }
            }),
            Column::new(
                "Entitlement Tag",
                Kind::Text,
                |one: &LicenseView| html! { code { (one.tag) } },
            ),
        ];
        let empty = html! {
            p { "No license is in use here." }
            p { "Use is shown as soon as a product instance reports it." }
        };
        let list = Table { caption: "Licenses", columns, rows: &self.licenses, ticks: None, empty };
        html! {
            (self.tenancy.head("Licenses"))
            (self.tenancy.standing(ask))
            p.soft { "As the newest reports of the product instances say." }
            (live(ask, 10, &list.show(ask)))
        }
    }
}
