//! A product instance at a collector: how it stands, what it waits for, what it uses, its reports (ours; ONPREM-011).

use maud::{Markup, html};
use rumline_collector::{
    Action, ClaimId, ClaimView, Error, InstanceId, InstanceView, OfInstance, ReportState,
    ReportView, UseView,
};

use super::instances::state;
use super::tenancy::Tenancy;
use crate::collector::CollectorSite;
use crate::page::time;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::button;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post, live};

/// Reports that are shown.
const REPORTS: i64 = 50;

pub(super) struct Instance {
    tenancy: Tenancy,
    instance: InstanceView,
    of: OfInstance,
    claims: Vec<ClaimView>,
}

impl Page<CollectorSite> for Instance {
    const AT: &'static str = "/tenants/{tenant}/product-instances/{id}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        let (tenant, id): (_, InstanceId) = (tenancy.tenant.id, ask.id("id")?);
        let mut claims = site.collector.claims(tenant)?;
        claims.retain(|claim| claim.instance_id == id);
        let instance = site.collector.instance(tenant, id)?;
        let of = site.collector.of_instance(tenant, id, REPORTS)?;
        Ok(Self { tenancy, instance, of, claims })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, &self.instance.name)
    }

    fn show(&self, _: &CollectorSite, ask: &Ask) -> Markup {
        let one = &self.instance;
        let part = html! {
            dl.facts {
                div { dt { "State" } dd { (state(one)) } }
                div { dt { "UDI" } dd { "PID:" (one.pid) ",SN:" (one.serial) } }
                div { dt { "Software" } dd { (one.software_version.as_deref().unwrap_or("not told")) } }
                @if let Some(until) = one.registered_until {
                    div { dt { "Smart Licensing" } dd { "registered until " (time(Some(until))) } }
                }
                div { dt { "Added" } dd { (ask.time(Some(one.added_at))) } }
                div { dt { "Last Contact" } dd { (ask.time(one.last_contact_at)) } }
                div { dt { "Last Report" } dd { (ask.time(one.last_report_at)) } }
                div { dt { "Last ACK" } dd { (ask.time(one.last_ack_at)) } }
                div { dt { "Answer handed over" } dd { (ask.time(self.of.delivered_at)) } }
                div { dt { "Reports that wait" } dd { (one.waiting) } }
            }
            @if let Some(alert) = &one.alert { p.note.bad { (alert) } }
            @if !one.supervisors.is_empty() {
                h2 { "HA UDI List" }
                p { "The other supervisors of its chassis; each reports in its own name while it is active." }
                ul {
                    @for (id, serial) in &one.supervisors {
                        li { a href=(self.tenancy.at(&format!("/{id}"))) { "PID:" (one.pid) ",SN:" (serial) } }
                    }
                }
            }
            h2 { "License Usage" }
            (self.uses(ask))
            h2 { "Reports" }
            p.soft { "What an acknowledged report said is kept at Cisco, here its number." }
            (self.reports(ask))
        };
        html! {
            p.path { a href=(self.tenancy.at("")) { (self.tenancy.list_name()) } " > " (one.name) }
            h1 { (one.name) }
            (self.rivals(ask))
            (live(ask, 5, &part))
        }
    }
}

impl Instance {
    fn rivals(&self, ask: &Ask) -> Markup {
        let may = self.tenancy.may(ask, Action::Operate);
        html! { @for claim in &self.claims {
            div.note.bad {
                p { "A device at " (claim.address) " shows this UDI with another key (" (claim.key_id) "; known is "
                    (claim.known_key_id) "), first at " (time(Some(claim.first_at))) ", last at "
                    (time(Some(claim.last_at))) "." }
                @if may {
                    (button(&self.tenancy.at(&format!("/claims/{}/accept", claim.id)), "It Is the Right One",
                        Some("Take the other device for the right one?")))
                    " "
                    (button(&self.tenancy.at(&format!("/claims/{}/dismiss", claim.id)), "Turn It Away", None))
                }
            }
        } }
    }

    fn uses(&self, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("License", Kind::Text, |one: &UseView| html! { (one.license) }),
            Column::new("Entitlement Tag", Kind::Text, |one: &UseView| html! { (one.tag) }),
            Column::new("In Use", Kind::Number, |one: &UseView| html! { (one.count) }),
            Column::new("As of", Kind::Text, |one: &UseView| time(Some(one.as_of))),
        ];
        let empty = html! { p { "It has nothing in use, or has not told yet." } };
        Table { caption: "License Usage", columns, rows: &self.of.uses, ticks: None, empty }
            .show(ask)
    }

    fn reports(&self, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Report", Kind::Whole, |one: &ReportView| html! { (one.report_id) }),
            Column::new("License", Kind::Text, |one: &ReportView| {
                html! {
                    @match &one.says { Some(says) => (says.license), None => span.soft { "not kept" } }
                }
            }),
            Column::new("From", Kind::Text, |one: &ReportView| {
                html! {
                    @match &one.says { Some(says) => (time(Some(says.from))), None => "-" }
                }
            }),
            Column::new("To", Kind::Text, |one: &ReportView| {
                html! {
                    @match &one.says { Some(says) => (time(Some(says.to))), None => "-" }
                }
            }),
            Column::new("Received", Kind::Text, |one: &ReportView| time(Some(one.received_at))),
            Column::new("State", Kind::Text, |one: &ReportView| {
                html! { @match one.state {
                    ReportState::Waits => span.badge.warn { "waits for Cisco" },
                    ReportState::Acknowledged => span.badge.good { "acknowledged" },
                    ReportState::Refused => span.badge.bad { "refused" },
                    ReportState::Renumbered => span.badge { "reported under another number" },
                } }
            }),
        ];
        let empty = html! {
            @if self.instance.registered_until.is_some() {
                p { "It is registered by Smart Licensing and says what it uses without reports. They begin with a release from "
                    "10.2(1)F on." }
            } @else { p { "It has not reported yet." } }
        };
        Table { caption: "Reports", columns, rows: &self.of.reports, ticks: None, empty }.show(ask)
    }
}

/// Takes the other device for the right one.
pub(super) struct Accept;

impl Post<CollectorSite> for Accept {
    type Page = super::instances::Instances;
    const AT: &'static str = "/tenants/{tenant}/claims/{id}/accept";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let (tenancy, id): (_, ClaimId) = (Tenancy::read(site, ask)?, ask.id("id")?);
        site.collector.accept_claim(ask.now, &ask.caller.actor(), tenancy.tenant.id, id)?;
        Ok(Done::at(tenancy.at(""), "Accepted: it is heard from its next contact on."))
    }
}

/// Turns it away.
pub(super) struct Dismiss;

impl Post<CollectorSite> for Dismiss {
    type Page = super::instances::Instances;
    const AT: &'static str = "/tenants/{tenant}/claims/{id}/dismiss";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let (tenancy, id): (_, ClaimId) = (Tenancy::read(site, ask)?, ask.id("id")?);
        site.collector.dismiss_claim(ask.now, &ask.caller.actor(), tenancy.tenant.id, id)?;
        Ok(Done::at(tenancy.at(""), "Turned away."))
    }
}
