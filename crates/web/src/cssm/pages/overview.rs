//! Overview: what is in use and what is there, what is wrong, and the virtual accounts (ours).

use std::collections::BTreeMap;

use maud::{Markup, html};
use rumline_cssm::{Action, AlertView, Error, Only, Period, Step, UseRow, VirtualAccount};
use rumline_protocol::Timestamp;

use super::alert_about::{about, as_of};
use super::overview_licenses::{License, list, together, trend};
use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::with_commands;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::form::{Field, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Alerts that are shown here; the page of alerts has all.
const ALERTS: i64 = 5;

pub(super) struct Overview {
    place: Place,
    alerts: Vec<AlertView>,
    looked_at: Option<Timestamp>,
    /// The licences of all virtual accounts together.
    licenses: BTreeMap<String, License>,
    /// Product instances, by virtual account.
    instances: Vec<i64>,
    /// The last days, and what was in use in them; none where that is too much to tell here.
    days: Vec<String>,
    uses: Vec<UseRow>,
}

impl Page<CssmSite> for Overview {
    const AT: &'static str = "/smart-accounts/{sa}/overview";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let (cssm, sa) = (&site.cssm, place.account.id);
        let period = Period::read(ask.now, None, None)?;
        let counts = cssm.part_counts(sa)?;
        let count = |part: &VirtualAccount| counts.get(&part.id).copied().unwrap_or(0);
        let (days, uses) = match cssm.use_over_time(ask.now, sa, &Only::All, period, Step::Day) {
            Ok(uses) => (period.steps(Step::Day), uses),
            Err(Error::Invalid(_) | Error::Field { .. }) => (Vec::new(), Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(Self {
            looked_at: cssm.looked_at(sa),
            alerts: cssm.listed_alerts(Some(sa), Some(false), None, ALERTS + 1)?,
            licenses: together(&place, cssm.licenses(ask.now, sa)?),
            instances: place.parts.iter().map(count).collect(),
            days,
            uses,
            place,
        })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Overview")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let instances: i64 = self.instances.iter().sum();
        let in_use: i64 = self.licenses.values().map(|one| one.in_use).sum();
        let short = self.licenses.values().filter(|one| !one.short_in.is_empty()).count();
        html! {
            (self.place.path(""))
            h1 { "Overview" }
            p.soft { (self.place.account.name) ", " (self.place.account.domain) }
            dl.facts.large {
                div { dt { "Product Instances" } dd { (number(instances)) } }
                div { dt { "Licenses In Use" } dd { (number(in_use)) } }
                div { dt { "Licenses Short" } dd.bad[short > 0] { (short) } }
            }
            h2 { "Alerts" }
            (as_of(ask, self.looked_at))
            (self.wrong())
            h2 { "Licenses" }
            (list(ask, &self.place, &self.licenses))
            (trend(&self.days, &self.uses).show())
            h2 { "Virtual Accounts" }
            (self.parts(ask))
        }
    }
}

impl Overview {
    fn wrong(&self) -> Markup {
        let shown = usize::try_from(ALERTS).unwrap_or(0);
        html! {
            @if self.alerts.is_empty() {
                p { "No open alert." }
            } @else {
                ul.plain { @for alert in self.alerts.iter().take(shown) {
                    li { span.badge.warn { (alert.kind) } " " (about(&self.place, alert)) ": " (with_commands(&alert.text)) }
                } }
                p { a href=(self.place.at("/alerts")) {
                    @if self.alerts.len() > shown { "All alerts" } @else { "To the alerts" }
                } }
            }
        }
    }

    fn parts(&self, ask: &Ask) -> Markup {
        type Row<'a> = (&'a VirtualAccount, i64);
        let rows: Vec<Row<'_>> =
            self.place.parts.iter().zip(self.instances.iter().copied()).collect();
        let columns = vec![
            Column::new("Virtual Account", Kind::Text, |(part, _): &Row<'_>| {
                let to = format!("/virtual-accounts/{}/product-instances", part.id);
                html! { a href=(self.place.at(&to)) { (part.name) } }
            }),
            Column::new("Product Instances", Kind::Number, |(_, count): &Row<'_>| {
                html! { (number(*count)) }
            }),
        ];
        let empty = html! { p { "No virtual account." } };
        let to = self.place.at("/virtual-accounts");
        html! {
            (Table { caption: "Virtual Accounts", columns, rows: &rows, ticks: None, empty }.show(ask))
            @if self.place.may(ask, Action::Administer) {
                details.box open[ask.refused.is_some()] {
                    summary { "Create a Virtual Account" }
                    (form(ask, &to, &[Field::text("name", "Name")], "Create Virtual Account"))
                }
            }
        }
    }
}

/// Creates a virtual account.
pub(super) struct CreatePart;

impl Post<CssmSite> for CreatePart {
    type Page = Overview;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts";
    const ACCESS: Access = Access::May(Action::Administer);
    const BLAMES: &'static [(&'static str, &'static str)] = &[("name", "name")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let place = Place::read(site, ask)?;
        let (name, by) = (ask.typed("name"), ask.caller.actor());
        let made = site.cssm.create_virtual_account(ask.now, &by, place.account.id, name)?;
        let to = place.at(&format!("/virtual-accounts/{}", made.id));
        Ok(Done::at(to, format!("{name} is created.")))
    }
}
