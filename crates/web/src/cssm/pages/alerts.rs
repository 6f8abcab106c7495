//! Alerts: what somebody has to look at in a smart account (CSSM-001, CSSM-009).

use maud::{Markup, html};
use rumline_cssm::{Action, AlertId, AlertView, Error};
use rumline_protocol::Timestamp;

use super::alert_about::{about, as_of};
use super::place::Place;
use crate::cssm::CssmSite;
use crate::page::{time, with_commands};
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::button;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Done, Page, Post};

/// Alerts on one page.
const ROWS: usize = 100;

pub(super) struct Alerts {
    place: Place,
    alerts: Vec<AlertView>,
    looked_at: Option<Timestamp>,
    next: Option<String>,
}

/// What stands above all parts of the alerts.
pub(super) fn parts(place: &Place, here: &str) -> Markup {
    let current = |name: &str| (name == here).then_some("page");
    html! {
        nav.within aria-label="Alerts" {
            a href=(place.at("/alerts")) aria-current=[current("open")] { "Open" }
            a href=(place.at("/alerts?settled=true")) aria-current=[current("settled")] { "Settled" }
            a href=(place.at("/alerts/claims")) aria-current=[current("claims")] { "Claims" }
        }
    }
}

fn are_settled(ask: &Ask) -> bool {
    ask.query("settled") == "true"
}

impl Page<CssmSite> for Alerts {
    const AT: &'static str = "/smart-accounts/{sa}/alerts";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let before = Trail::of(ask).place().parse().ok().map(AlertId);
        let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
        let mut alerts = site.cssm.listed_alerts(
            Some(place.account.id),
            Some(are_settled(ask)),
            before,
            limit,
        )?;
        let is_more = alerts.len() > ROWS;
        alerts.truncate(ROWS);
        let next = alerts.last().filter(|_| is_more).map(|alert| alert.id.to_string());
        Ok(Self { looked_at: site.cssm.looked_at(place.account.id), place, alerts, next })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Alerts")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let settled = are_settled(ask);
        let may = self.place.may(ask, Action::Operate);
        let at = self.place.at("/alerts");
        let mut columns = vec![
            Column::new("Kind", Kind::Whole, |alert: &AlertView| {
                html! { span.badge.warn[!settled] { (alert.kind) } }
            }),
            Column::new("About", Kind::Text, |alert: &AlertView| about(&self.place, alert)),
            Column::new("What to do", Kind::Text, |alert: &AlertView| with_commands(&alert.text)),
            Column::new("Since", Kind::Text, |alert: &AlertView| ask.time(Some(alert.raised_at))),
            Column::new("Acknowledged By", Kind::Text, |alert: &AlertView| {
                html! { @match &alert.acknowledged_by {
                    Some(by) => { (by) " " (time(alert.acknowledged_at)) },
                    None => span.soft { "nobody" },
                } }
            }),
        ];
        if settled {
            columns.push(Column::new("Settled", Kind::Text, |alert: &AlertView| {
                time(alert.cleared_at)
            }));
        } else if may {
            columns.push(Column::new("Actions", Kind::Text, |alert: &AlertView| {
                html! {
                    @if alert.acknowledged_at.is_none() {
                        (button(&format!("{at}/{}/acknowledge", alert.id), "Acknowledge", None)) " "
                    }
                    (button(&format!("{at}/{}/settle", alert.id), "Settle", None))
                }
            }));
        }
        let empty = if settled {
            html! { p { "Nothing was settled yet." } }
        } else {
            html! { p { "Nothing to look at." } }
        };
        let list = Table { caption: "Alerts", columns, rows: &self.alerts, ticks: None, empty };
        html! {
            (self.place.path(""))
            h1 { "Alerts" }
            (parts(&self.place, if settled { "settled" } else { "open" }))
            @if !settled { (as_of(ask, self.looked_at)) }
            (list.show(ask))
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}

/// Somebody acknowledges an alert: they see to it.
pub(super) struct Acknowledge;

impl Post<CssmSite> for Acknowledge {
    type Page = Alerts;
    const AT: &'static str = "/smart-accounts/{sa}/alerts/{id}/acknowledge";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (sa, id) = (ask.id("sa")?, ask.id("id")?);
        site.cssm.acknowledge_alert(ask.now, &ask.caller.actor(), Some(sa), id)?;
        Ok(Done::at(
            format!("/smart-accounts/{sa}/alerts"),
            "Acknowledged: it stays open until it is settled.",
        ))
    }
}

/// Somebody settles an alert.
pub(super) struct Settle;

impl Post<CssmSite> for Settle {
    type Page = Alerts;
    const AT: &'static str = "/smart-accounts/{sa}/alerts/{id}/settle";
    const ACCESS: Access = Access::May(Action::Operate);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (sa, id) = (ask.id("sa")?, ask.id("id")?);
        site.cssm.clear_alert(ask.now, &ask.caller.actor(), Some(sa), id)?;
        Ok(Done::at(
            format!("/smart-accounts/{sa}/alerts"),
            "Settled. It comes back at the next look if it is still so.",
        ))
    }
}
