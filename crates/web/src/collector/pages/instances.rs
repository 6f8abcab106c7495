//! The list of product instances (guide p. 30, 35, 73; CSLU-014 to 017, ONPREM-008 to 012), and what is done from it.

use maud::{Markup, html};
use rumline_collector::{Action, Error, InstanceView};

use super::tenancy::Tenancy;
use crate::collector::CollectorSite;
use crate::page::counted;
use crate::site::Access;
use crate::ui::form::{Field, button, form};
use crate::ui::table::{Column, Kind, Table, Ticks, Trail};
use crate::ui::{Around, Ask, Page, copyable, live};

/// Product instances on one page.
const ROWS: usize = 100;

pub(super) struct Instances {
    tenancy: Tenancy,
    rows: Vec<InstanceView>,
    next: Option<String>,
    totals: (i64, i64, i64),
}

impl Page<CollectorSite> for Instances {
    const AT: &'static str = "/tenants/{tenant}";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        let (collector, id) = (&site.collector, tenancy.tenant.id);
        let after = Trail::of(ask).place().parse().unwrap_or_default();
        let limit = ROWS as i64 + 1;
        let mut rows = collector.instances(id, ask.query("search"), after, limit)?;
        let is_more = rows.len() > ROWS;
        rows.truncate(ROWS);
        let next = rows.last().filter(|_| is_more).map(|last| last.id.to_string());
        Ok(Self { rows, next, totals: collector.totals(id)?, tenancy })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, self.tenancy.list_name())
    }

    fn show(&self, site: &CollectorSite, ask: &Ask) -> Markup {
        let at = self.tenancy.at("");
        let operate = self.tenancy.may(ask, Action::Operate);
        let device_url = site.device_url_of(&self.tenancy.tenant.name);
        let every = if self.totals.1 > 0 { 2 } else { 4 };
        let list = live(ask, every, &self.list(ask, &device_url));
        html! {
            (self.tenancy.head(self.tenancy.list_name()))
            @if operate { (self.menus(ask)) }
            (self.tenancy.standing(ask))
            p { "Device URL: " (copyable(&device_url)) }
            form.row method="get" action=(at) role="search" {
                label { "Search" input type="search" name="search" value=(ask.query("search")); }
                button { "Search" }
            }
            @if operate {
                form method="post" action=(format!("{at}/export")) {
                    input type="hidden" name="selected" value="1";
                    p.line {
                        span { "Actions for Selected: " }
                        button { "Export Usage to Cisco" }
                        button formaction=(format!("{at}/sync-instances")) { "Sync with the switch" }
                        button formaction=(format!("{at}/remove"))
                            data-confirm="Remove the selected product instances?" { "Remove" }
                    }
                    (list)
                }
            } @else { (list) }
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}

/// How a product instance stands, as a badge with words.
pub(super) fn state(one: &InstanceView) -> Markup {
    let settled = one.waiting == 0 && one.alert.is_none();
    let is_good = one.last_ack_at.is_some() || one.registered_until.is_some();
    html! { span.badge.good[settled && is_good].warn[!settled] { (one.state) } }
}

impl Instances {
    fn list(&self, ask: &Ask, device_url: &str) -> Markup {
        let (count, waiting, alerts) = self.totals;
        let columns = vec![
            Column::new("Name", Kind::Text, |one: &InstanceView| {
                let to = self.tenancy.at(&format!("/product-instances/{}", one.id));
                html! { a href=(to) { (one.name) } }
            }),
            Column::new("PID", Kind::Whole, |one: &InstanceView| html! { (one.pid) }),
            Column::new("Serial Number", Kind::Whole, |one: &InstanceView| html! { (one.serial) }),
            Column::new("State", Kind::Text, |one: &InstanceView| {
                html! {
                    (state(one))
                    @if let Some(alert) = &one.alert { " " span.bad { (alert) } }
                }
            }),
            Column::new("Last Contact", Kind::Text, |one: &InstanceView| {
                ask.time(one.last_contact_at)
            }),
            Column::new("Last Report", Kind::Text, |one: &InstanceView| {
                ask.time(one.last_report_at)
            }),
            Column::new("Last ACK", Kind::Text, |one: &InstanceView| ask.time(one.last_ack_at)),
            Column::new("Waiting", Kind::Number, |one: &InstanceView| html! { (one.waiting) }),
        ];
        let empty = html! {
            @if count > 0 { p { "Nothing matches. " a href=(self.tenancy.at("")) { "Show all" } } }
            @else {
                p { "No product instance yet." }
                p { "Add one, import a CSV file, or configure a switch with "
                    code { "license smart transport cslu" } " and "
                    code { "license smart url cslu " (device_url) }
                    ": it appears with its first report." }
            }
        };
        let number: fn(&InstanceView) -> i64 = |one| one.id.0;
        let called = Box::new(|one: &InstanceView| one.name.clone());
        let ticks: Option<Ticks<'_, InstanceView>> =
            self.tenancy.may(ask, Action::Operate).then_some(("ids", number, called));
        html! {
            p role="status" { (counted(count, "product instance")) ", " (counted(waiting, "report"))
                " to be acknowledged, " (counted(alerts, "alert")) "." }
            (Table { caption: self.tenancy.list_name(), columns, rows: &self.rows, ticks, empty }.show(ask))
        }
    }

    /// The menus above the list, with the names of both places of the guide (C-66, C-67).
    fn menus(&self, ask: &Ask) -> Markup {
        let cslu = self.tenancy.is_cslu;
        let at = |rest: &str| self.tenancy.at(rest);
        let add = [
            Field::text("pid", "PID").help("Like N9K-C93180YC-FX3."),
            Field::text("serial", "Serial Number"),
            Field::text("hostname", "Host Name").optional(),
        ];
        html! {
            div.line {
                details.menu {
                    summary.first { @if cslu { "Data" } @else { "Export/Import All" } }
                    div {
                        form method="post" action=(at("/export")) {
                            button { @if cslu { "Export to CSSM (Download All for Cisco)" }
                                @else { "Export Usage to Cisco" } }
                        }
                        form method="post" action=(at("/import")) enctype="multipart/form-data" {
                            label { @if cslu { "Import from CSSM (Upload From Cisco)" }
                                @else { "Import From Cisco" }
                                input type="file" name="file" required; }
                            progress hidden aria-label="How much of the file was sent" {}
                            button { @if cslu { "Import from CSSM" } @else { "Import From Cisco" } }
                        }
                        @if self.tenancy.tenant.connected { (button(&at("/sync"), "Sync with Cisco", None)) }
                    }
                }
                details.menu {
                    summary { "CSV" }
                    div {
                        a.button href=(at("/product-instances.csv")) { "Export CSV" }
                        form method="post" action=(at("/csv")) enctype="multipart/form-data" {
                            p.help { "PID, Serial Number, Host Name, Smart Account, Virtual Account; the first two are needed." }
                            label { "Import CSV" input type="file" name="file" accept=".csv,text/csv" required; }
                            progress hidden aria-label="How much of the file was sent" {}
                            button { "Import CSV" }
                        }
                    }
                }
                details.menu open[ask.refused.is_some() && !ask.typed("pid").is_empty()] {
                    summary { "Add" }
                    div { (form(ask, &at("/add"), &add, "Add Product Instance")) }
                }
            }
        }
    }
}
