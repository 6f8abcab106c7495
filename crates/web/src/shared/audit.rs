//! The audit: what was done and refused on a server, by whom, from where.

use maud::{Markup, html};
use rumline_server::{Action, AuditRow, AuditSearch, Error, ScopeId};

use super::Frames;
use crate::page::time;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table, Trail};
use crate::ui::{Around, Ask, Page};

/// Rows on one page.
const ROWS: usize = 100;

/// The audit of the whole server.
pub(super) struct Audit(AuditList);

impl<S: Frames> Page<S> for Audit {
    const AT: &'static str = "/audit";
    const ACCESS: Access = Access::May(Action::AdministerAll);

    fn load(site: &S, ask: &Ask) -> Result<Self, Error> {
        Ok(Self(AuditList::read(site, ask, None)?))
    }

    fn around(&self, site: &S, ask: &Ask) -> Around {
        site.around(ask, "Audit".to_owned())
    }

    fn show(&self, _: &S, ask: &Ask) -> Markup {
        html! { h1 { "Audit" } (self.0.show(ask)) }
    }
}

/// What is searched of an audit, page by page.
pub(crate) struct AuditList {
    rows: Vec<AuditRow>,
    next: Option<String>,
}

impl AuditList {
    /// That of a scope, or of the whole server.
    pub(crate) fn read<S: Frames>(
        site: &S,
        ask: &Ask,
        scope: Option<ScopeId>,
    ) -> Result<Self, Error> {
        let said = |name| Some(ask.query(name)).filter(|said| !said.is_empty()).map(str::to_owned);
        let search = AuditSearch {
            before: Trail::of(ask).place().parse().ok(),
            actor: said("actor"),
            action: said("action"),
            text: said("text"),
            ..AuditSearch::default()
        };
        let mut rows = site.people().audit_rows(scope, &search, ROWS as i64 + 1)?;
        let is_more = rows.len() > ROWS;
        rows.truncate(ROWS);
        let next = rows.last().filter(|_| is_more).map(|row| row.id.to_string());
        Ok(Self { rows, next })
    }

    pub(crate) fn show(&self, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("When", Kind::Text, |row: &AuditRow| time(Some(row.at))),
            Column::new("Who", Kind::Text, |row: &AuditRow| {
                html! {
                    (row.actor)
                    @if let Some(name) = &row.api_token { " by API token " (name) }
                    @if let Some(address) = &row.address { " " span.soft { (address) } }
                }
            }),
            Column::new("What", Kind::Text, |row: &AuditRow| html! { (row.action) }),
            Column::new("To", Kind::Text, |row: &AuditRow| html! { (row.subject) }),
            Column::new("Outcome", Kind::Text, |row: &AuditRow| {
                html! {
                    @if row.outcome == "done" { span.badge.good { "done" } }
                    @else { span.badge.bad { "refused" } " " (row.outcome) }
                }
            }),
            Column::new("Change", Kind::Text, |row: &AuditRow| {
                html! {
                    @if let Some(was) = &row.was { "was " (was) " " }
                    @if let Some(becomes) = &row.becomes { "is " (becomes) " " }
                    @if let Some(reason) = &row.reason { span.soft { (reason) } }
                }
            }),
        ];
        let empty = html! { p { "Nothing matches." } };
        html! {
            form.row method="get" action=(ask.at) role="search" {
                label { "Who" input name="actor" value=(ask.query("actor")); }
                label { "What was done" input name="action" value=(ask.query("action")); }
                label { "Text" input type="search" name="text" value=(ask.query("text")); }
                button { "Search" }
            }
            (Table { caption: "Audit", columns, rows: &self.rows, ticks: None, empty }.show(ask))
            (Trail::of(ask).show(ask, self.next.as_deref()))
        }
    }
}
