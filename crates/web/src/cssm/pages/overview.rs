//! Overview: what is in use and what is there, what is wrong, and the virtual accounts (ours).

use std::collections::BTreeMap;

use maud::{Markup, html};
use rumline_cssm::{
    Action, AlertView, Error, LicenseView, Only, Period, Step, UseRow, VirtualAccount,
};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::with_commands;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::chart::{Chart, number};
use crate::ui::form::{Field, form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Alerts that are shown here; the page of alerts has all.
const ALERTS: i64 = 5;

pub(super) struct Overview {
    place: Place,
    alerts: Vec<AlertView>,
    /// The licences of all virtual accounts together.
    licenses: BTreeMap<String, License>,
    /// Product instances, by virtual account.
    instances: Vec<i64>,
    /// The last days, and what was in use in them; none where that is too much to tell here.
    days: Vec<String>,
    uses: Vec<UseRow>,
}

#[derive(Default)]
struct License {
    in_use: i64,
    purchased: i64,
    /// Virtual accounts in which it is short, and the first day on which it will be in one.
    short_in: Vec<String>,
    runs_short_at: Option<i64>,
}

fn together(place: &Place, views: Vec<LicenseView>) -> BTreeMap<String, License> {
    let mut licenses: BTreeMap<String, License> = BTreeMap::new();
    for view in views {
        let of = licenses.entry(view.license).or_default();
        of.in_use += view.in_use;
        of.purchased += view.purchased;
        if view.balance < 0 {
            of.short_in.push(place.part_name(view.virtual_account_id));
        }
        let soonest = [of.runs_short_at, view.runs_short_at].into_iter().flatten().min();
        of.runs_short_at = soonest;
    }
    licenses
}

/// The first names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown} and {} more", names.len() - 3) } else { shown }
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
            Err(Error::Invalid(_)) => (Vec::new(), Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(Self {
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
            (self.wrong())
            h2 { "Licenses" }
            (self.licenses(ask))
            (self.trend().show())
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
                p { "No open alert. What is short, late or missing is looked for every five minutes." }
            } @else {
                ul.plain { @for alert in self.alerts.iter().take(shown) {
                    li { span.badge.warn { (alert.kind) } " " (alert.subject) ": " (with_commands(&alert.text)) }
                } }
                p { a href=(self.place.at("/alerts")) {
                    @if self.alerts.len() > shown { "All alerts" } @else { "To the alerts" }
                } }
            }
        }
    }

    fn licenses(&self, ask: &Ask) -> Markup {
        type Row<'a> = (&'a String, &'a License);
        let rows: Vec<Row<'_>> = self.licenses.iter().collect();
        let columns = vec![
            Column::new(
                "License",
                Kind::Text,
                |(name, _): &Row<'_>| html! { (crate::page::name(name)) },
            ),
            Column::new(
                "Purchased",
                Kind::Number,
                |(_, one): &Row<'_>| html! { (number(one.purchased)) },
            ),
            Column::new(
                "In Use",
                Kind::Number,
                |(_, one): &Row<'_>| html! { (number(one.in_use)) },
            ),
            Column::new("State", Kind::Text, |(_, one): &Row<'_>| {
                html! {
                    @if !one.short_in.is_empty() { span.badge.bad { "short" } " in " (some(&one.short_in)) } @else { span.badge.good { "enough" } }
                }
            }),
            Column::new("Runs Short", Kind::Text, |(_, one): &Row<'_>| match one.runs_short_at {
                _ if !one.short_in.is_empty() => html! { "now" },
                Some(at) if at > ask.now.0 => ask.time(Some(at)),
                _ => html! { span.soft { "-" } },
            }),
        ];
        let empty = html! {
            p { "No license is in use, and none was purchased." }
            p { "A switch that reports here shows what it uses." }
        };
        Table { caption: "Licenses", columns, rows: &rows, ticks: None, empty }.show(ask)
    }

    /// Licences in use on average, day by day.
    fn trend(&self) -> Chart<'_> {
        let mut days: BTreeMap<&str, f64> =
            self.days.iter().map(|day| (day.as_str(), 0.0)).collect();
        for row in &self.uses {
            *days.entry(&row.from).or_default() += row.in_use_average;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a bar of whole licences")]
        let point = |(day, average): (&str, f64)| (day.to_owned(), average.round() as i64, None);
        Chart {
            title: "Licenses in use over the last 30 days, on average",
            bars: "In Use",
            line: None,
            points: days.into_iter().map(point).collect(),
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
