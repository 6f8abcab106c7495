//! A product instance: what it uses, its reports, and what is wrong with it (CSSM-014).

use maud::{Markup, html};
use rumline_cssm::{
    Action, EpochView, Error, InstanceId, InstanceView, OlderView, ReportRow, SmartAccountId,
};

use super::epochs;
use super::inventory::Inventory;
use crate::cssm::CssmSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::form::button;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Reports on one page.
const ROWS: i64 = 50;

pub(super) struct Instance {
    inventory: Inventory,
    instance: InstanceView,
    policy_name: String,
    reports: Vec<ReportRow>,
    next: Option<String>,
}

impl Page<CssmSite> for Instance {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances/{id}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let inventory = Inventory::read(site, ask)?;
        let (sa, id): (_, InstanceId) = (inventory.place.account.id, ask.id("id")?);
        let instance = site.cssm.instance(sa, id)?;
        if instance.virtual_account_id != inventory.part.id {
            return Err(Error::NotFound("product instance in this virtual account"));
        }
        let after = Trail::of(ask).place().parse().unwrap_or(0);
        let mut reports = site.cssm.reports(sa, id, after, ROWS + 1)?;
        let rows = usize::try_from(ROWS).unwrap_or(usize::MAX);
        let is_more = reports.len() > rows;
        reports.truncate(rows);
        let next = reports.last().filter(|_| is_more).map(|last| last.report_id.to_string());
        let policy_name = site.cssm.instance_policy(sa, id)?.policy.policy_name;
        Ok(Self { inventory, instance, policy_name, reports, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, self.instance.name.clone())
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let one = &self.instance;
        let at = self.at();
        let reports = format!("{at}/reports");
        html! {
            (self.inventory.head(ask, "/product-instances"))
            div.line {
                h2 { (one.name) }
                @if self.inventory.may(ask, Action::Operate) {
                    details.menu {
                        summary { "Actions" }
                        div {
                            p { "Its licenses return to the pool; what it reported stays." }
                            (button(&format!("{at}/remove"), "Remove Product Instance",
                                Some(&format!("Remove Product Instance {}?", one.name))))
                        }
                    }
                }
            }
            dl.facts {
                div { dt { "UDI" } dd { "PID:" (one.pid) ",SN:" (one.serial) } }
                div { dt { "Product Type" } dd { (one.product_type) } }
                div { dt { "Software" } dd { (one.software_version.as_deref().unwrap_or("not told")) } }
                div { dt { "Policy" } dd { (self.policy_name) } }
                div { dt { "Registered" } dd { (ask.time(Some(one.registered_at))) } }
                @if let Some(older) = &one.smart_licensing { (older_facts(ask, older)) }
                div { dt { "Last Contact" } dd { (ask.time(Some(one.last_contact_at))) } }
                div { dt { "Last Report" } dd { (ask.time(one.last_report_at)) } }
                div { dt { "Last ACK" } dd { (ask.time(one.last_ack_at)) } }
                div { dt { "Reports" } dd { (one.reports) " here, " (one.reports_missing) " missing" } }
            }
            @if !one.supervisors.is_empty() {
                h2 { "HA UDI List" }
                ul {
                    @for supervisor in &one.supervisors {
                        li {
                            (supervisor.role) ": "
                            @if supervisor.product_instance_id == one.id {
                                "PID:" (one.pid) ",SN:" (supervisor.serial)
                            } @else {
                                a href=(self.inventory.at(&format!("/product-instances/{}", supervisor.product_instance_id))) {
                                    "PID:" (one.pid) ",SN:" (supervisor.serial)
                                }
                            }
                        }
                    }
                }
            }
            @if !one.is_in_catalogue {
                p.note { "The product id " (one.pid) " is not in the catalogue of this CSSM. Its use is counted by the tags that it "
                    "reports, under the names that these have; a folder with its data, which " code { "rumline cssm --catalogue" }
                    " names, tells what it is." }
            }
            (epochs::list(ask, &at, &one.epochs, self.inventory.may(ask, Action::Administer)))
            h2 { "License Usage" }
            (self.usage(ask))
            @if !one.gaps.is_empty() {
                h2 { "Spans of which nothing is known" }
                ul { @for gap in &one.gaps { li { (gap.license) ": " (time(Some(gap.from))) " to " (time(Some(gap.to))) } } }
            }
            h2 { "Reports" }
            (self.list(ask, &reports))
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}

/// How one stands that is registered as before Smart Licensing Using Policy.
fn older_facts(ask: &Ask, older: &OlderView) -> Markup {
    html! {
        div { dt { "Smart Licensing" } dd {
            "registered " (ask.time(Some(older.registered_at))) ", until " (time(Some(older.expires_at)))
        } }
        div { dt { "Last Authorization" } dd { (ask.time(older.authorized_at)) } }
    }
}

impl Instance {
    /// What it was before, and who speaks as it.
    pub(super) fn epochs(&self) -> &[EpochView] {
        &self.instance.epochs
    }

    pub(super) fn numbers(&self) -> (SmartAccountId, InstanceId) {
        (self.inventory.place.account.id, self.instance.id)
    }

    /// Its address.
    pub(super) fn at(&self) -> String {
        self.inventory.at(&format!("/product-instances/{}", self.instance.id))
    }

    fn usage(&self, ask: &Ask) -> Markup {
        use rumline_cssm::LicenseOfInstance as Used;
        let columns = vec![
            Column::new("License", Kind::Text, |row: &Used| html! { (row.license) }),
            Column::new("Entitlement tag", Kind::Text, |row: &Used| html! { (row.tag) }),
            Column::new("In Use", Kind::Number, |row: &Used| html! { (row.count) }),
            Column::new("As of", Kind::Text, |row: &Used| time(Some(row.as_of))),
        ];
        let empty = html! { p { "It has nothing in use." } };
        let rows = &self.instance.licenses;
        Table { caption: "License Usage", columns, rows, ticks: None, empty }.show(ask)
    }

    fn list(&self, ask: &Ask, reports: &str) -> Markup {
        let columns = vec![
            Column::new("Report", Kind::Whole, |row: &ReportRow| {
                html! { a href=(format!("{reports}/{}", row.report_id)) { (row.report_id) } }
            }),
            Column::new("Entitlement tag", Kind::Text, |row: &ReportRow| html! { (row.tag) }),
            Column::new("From", Kind::Text, |row: &ReportRow| time(Some(row.start_at))),
            Column::new("To", Kind::Text, |row: &ReportRow| time(Some(row.end_at))),
            Column::new("License seconds", Kind::Number, |row: &ReportRow| {
                html! { (number(row.count_seconds)) }
            }),
            Column::new("Received", Kind::Text, |row: &ReportRow| time(Some(row.received_at))),
        ];
        let empty = html! {
            @if self.instance.smart_licensing.is_some() {
                p { "It is registered by Smart Licensing and says what it uses without reports. They begin with a release from "
                    "10.2(1)F on." }
            } @else { p { "It has not reported yet." } }
        };
        Table { caption: "Reports", columns, rows: &self.reports, ticks: None, empty }.show(ask)
    }
}

/// Removes a product instance.
pub(super) struct Remove;

impl Post<CssmSite> for Remove {
    type Page = Instance;
    const AT: &'static str =
        "/smart-accounts/{sa}/virtual-accounts/{va}/product-instances/{id}/remove";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let Instance { inventory, instance, .. } = Instance::load(site, ask)?;
        let (sa, id) = (inventory.place.account.id, instance.id);
        site.cssm.remove_instance(ask.now, &ask.caller.actor(), sa, id)?;
        let said = format!("{} is removed; its licenses are free.", instance.name);
        Ok(Done::at(inventory.at("/product-instances"), said))
    }
}
