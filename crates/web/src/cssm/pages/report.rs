//! A report as it was signed: what it says, how it came, and whether its signature holds (ours; CSSM-006).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, InstanceId, SignedReportView};

use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::{Around, Ask, Page};

pub(super) struct Report {
    inventory: Inventory,
    report: SignedReportView,
}

impl Page<CssmSite> for Report {
    const AT: &'static str =
        "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances/{id}/reports/{report}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let (sa, id): (_, InstanceId) = (inventory.place.account.id, ask.id("id")?);
        let number = ask.name("report").parse().map_err(|_| Error::NotFound("report"))?;
        // It may have been received in another virtual account, of those that the caller may see.
        let mut parts = vec![inventory.part.id];
        if inventory.place.may(ask, Action::View) {
            parts.extend(site.cssm.virtual_accounts_ever(sa)?.iter().map(|part| part.id));
        } else {
            parts.extend(inventory.place.parts.iter().map(|part| part.id));
        }
        let mut found = Err(Error::NotFound("report"));
        for part in parts {
            found = site.cssm.signed_report((sa, part), id, number);
            if !matches!(found, Err(Error::NotFound(_))) {
                break;
            }
        }
        Ok(Self { report: found?, inventory })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, format!("Report {}", self.report.report_id))
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let one = &self.report;
        let instance = format!("/product-instances/{}", one.product_instance_id);
        html! {
            (self.inventory.head(ask, "/product-instances"))
            h2 { "Report " (one.report_id) " of " a href=(self.inventory.at(&instance)) { (one.udi) } }
            dl.facts {
                div { dt { "Signature" } dd {
                    @if one.verifies { span.badge.good { "holds" } }
                    @else { span.badge.bad { "does not hold" } " with the key that is known now" }
                } }
                div { dt { "Received" } dd { (ask.time(Some(one.received_at))) } }
                div { dt { "By way of" } dd { (one.hop.as_deref().unwrap_or("the switch itself")) } }
                div { dt { "License seconds that count" } dd { (number(one.count_seconds)) } }
                div { dt { "Counted before" } dd { (number(one.overlap_seconds)) } }
                div { dt { "SHA-256" } dd { code.long { (one.sha256) } } }
            }
            h2 { "As it was signed" }
            p.soft { code { "rumline verify" } " reads it from a file, and says the same." }
            div.text { pre tabindex="0" { code { (one.document) } } }
        }
    }
}
