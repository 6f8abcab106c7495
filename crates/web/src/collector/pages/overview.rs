//! Overview of a tenant: what waits, what is wrong, what is in use, and where devices push to (ours).

use maud::{Markup, html};
use rumline_collector::{Action, ClaimView, Error, InstanceView, LicenseView};

use super::tenancy::Tenancy;
use crate::collector::CollectorSite;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page, copyable, live};

/// Product instances with alerts that are named.
const NAMED: i64 = 10;

pub(super) struct Overview {
    tenancy: Tenancy,
    /// Product instances, reports that wait, alerts.
    totals: (i64, i64, i64),
    wrong: Vec<InstanceView>,
    claims: Vec<ClaimView>,
    licenses: Vec<LicenseView>,
}

impl Page<CollectorSite> for Overview {
    const AT: &'static str = "/tenants/{tenant}/overview";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        let (collector, id) = (&site.collector, tenancy.tenant.id);
        let wrong = collector.alerts(id, NAMED)?;
        Ok(Self {
            totals: collector.totals(id)?,
            wrong,
            claims: collector.claims(id)?,
            licenses: collector.licenses(id)?,
            tenancy,
        })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Overview")
    }

    fn show(&self, site: &CollectorSite, ask: &Ask) -> Markup {
        let (count, waiting, alerts) = self.totals;
        let in_use: i64 = self.licenses.iter().map(|one| one.in_use).sum();
        let part = html! {
            dl.facts.large {
                div { dt { "Product Instances" } dd { (number(count)) } }
                div { dt { "Reports to be acknowledged" } dd { (number(waiting)) } }
                div { dt { "Licenses In Use" } dd { (number(in_use)) } }
                div { dt { "Alerts" } dd.bad[alerts > 0] { (number(alerts)) } }
            }
            (self.wrong(ask))
        };
        html! {
            (self.tenancy.head("Overview"))
            (self.tenancy.standing(ask))
            (live(ask, 5, &part))
            h2 { "Device URL" }
            p { (copyable(&site.device_url_of(&self.tenancy.tenant.name))) }
            p.soft { "What " code { "license smart url cslu" } " takes on a switch." }
            h2 { "Licenses" }
            (self.licenses(ask))
        }
    }
}

impl Overview {
    fn wrong(&self, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Name", Kind::Text, |one: &InstanceView| {
                let to = self.tenancy.at(&format!("/product-instances/{}", one.id));
                html! { a href=(to) { (one.name) } }
            }),
            Column::new("Alert", Kind::Text, |one: &InstanceView| {
                html! {
                    span.badge.warn { "look" } " " (one.alert.as_deref().unwrap_or_default())
                }
            }),
        ];
        let empty = html! { p { "There is nothing to look at." } };
        html! {
            h2 { "Alerts" }
            (Table { caption: "Alerts", columns, rows: &self.wrong, ticks: None, empty }.show(ask))
            @if !self.claims.is_empty() {
                p.note.bad { (self.claims.len()) " devices claim a UDI with another key: see the page of the product "
                    "instance, or " code { "rumline " (if self.tenancy.is_cslu { "cslu" } else { "onprem" }) " claims" } "." }
            }
        }
    }

    fn licenses(&self, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("License", Kind::Text, |one: &LicenseView| html! { (one.license) }),
            Column::new("In Use", Kind::Number, |one: &LicenseView| html! { (number(one.in_use)) }),
        ];
        let empty = html! { p { "No license is in use here." } };
        Table { caption: "Licenses", columns, rows: &self.licenses, ticks: None, empty }.show(ask)
    }
}
