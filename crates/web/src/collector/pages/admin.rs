//! The admin workspace: Support Center with its status and the system logs, people, audit (guide p. 72; ONPREM-013, G-01).

use maud::{Markup, html};
use rumline_collector::{Action, Error, Tenant};
use rumline_server::Only;

use crate::collector::CollectorSite;
use crate::page::{counted, time};
use crate::shared::Frames as _;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page};

pub(super) struct Admin {
    tenants: Vec<Tenant>,
    people: i64,
}

impl Page<CollectorSite> for Admin {
    const AT: &'static str = "/admin";
    const ACCESS: Access = Access::May(Action::AdministerAll);

    fn load(site: &CollectorSite, _: &Ask) -> Result<Self, Error> {
        let people = i64::try_from(site.people.list(None)?.len()).unwrap_or(i64::MAX);
        Ok(Self { tenants: site.collector.tenants(&Only::All)?, people })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        site.around(ask, "Admin Workspace".to_owned())
    }

    fn show(&self, site: &CollectorSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Tenant", Kind::Text, |one: &Tenant| {
                html! {
                    @if one.name.is_empty() { "this CSLU" } @else { (one.name) }
                }
            }),
            Column::new("Cisco", Kind::Text, |one: &Tenant| {
                html! {
                    @match (&one.sync_error, one.connected) {
                        (Some(error), true) => { span.badge.bad { "failed" } " " (error) },
                        (None, true) if one.registered => span.badge.good { "reached" },
                        (None, true) => span.badge.warn { "not registered" },
                        (_, false) => span.badge { (one.connectivity()) },
                    }
                }
            }),
            Column::new("Last exchange", Kind::Text, |one: &Tenant| ask.time(one.last_sync_at)),
        ];
        let empty = html! { p { "No tenant yet." } };
        html! {
            h1 { "Admin Workspace" }
            h2 { "Support Center Status" }
            dl.facts {
                div { dt { "Server" } dd { (site.host) } }
                div { dt { "Version" } dd { (env!("CARGO_PKG_VERSION")) } }
                div { dt { "Time" } dd { (time(Some(ask.now.0))) } }
                div { dt { "Product instances push to" } dd { code { (site.device_url) } } }
                div { dt { "CSSM" } dd { @if site.cisco.is_some() { "may be called" } @else { "is never called: no --cssm" } } }
            }
            (Table { caption: "Tenants", columns, rows: &self.tenants, ticks: None, empty }.show(ask))
            h2 { "Support Center > System Logs" }
            p { a.button href="/api/v1/logs" { "Download All Logs" } " "
                span.soft { "AllFiles.zip with the file messages" } }
            h2 { "Users" }
            p { a href="/people" { (counted(self.people, "login")) } ", " a href="/audit" { "audit" } }
        }
    }
}
