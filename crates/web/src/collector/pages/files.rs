//! Files: what went out to Cisco and came in, and what became of each (guide p. 25, 36, 74).

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use rumline_collector::{Action, Error, Transfer, TransferId};

use super::tenancy::Tenancy;
use crate::collector::{CollectorSite, transfer};
use crate::page::problem_page;
use crate::site::{Access, Route, route};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page, live};

pub(super) struct Files {
    tenancy: Tenancy,
    files: Vec<Transfer>,
}

impl Page<CollectorSite> for Files {
    const AT: &'static str = "/tenants/{tenant}/transfers";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        Ok(Self { files: site.collector.transfers(tenancy.tenant.id)?, tenancy })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Files")
    }

    fn show(&self, site: &CollectorSite, ask: &Ask) -> Markup {
        let is_working = self.files.iter().any(|one| one.status == Transfer::PROCESSING);
        let operate = self.tenancy.may(ask, Action::Operate);
        let columns = vec![
            Column::new("File", Kind::Text, |one: &Transfer| {
                html! {
                    @if operate && transfer::is_kept(site, self.tenancy.tenant.id, one) {
                        a href=(self.tenancy.at(&format!("/transfers/{}/file", one.id))) { (one.name) }
                    } @else { (one.name) }
                }
            }),
            Column::new("Kind", Kind::Whole, |one: &Transfer| html! { (one.kind) }),
            Column::new("When", Kind::Text, |one: &Transfer| ask.time(Some(one.at))),
            Column::new("By", Kind::Text, |one: &Transfer| html! { (one.login) }),
            Column::new("Status", Kind::Text, |one: &Transfer| {
                html! {
                    span.badge.good[one.status == "Done"].bad[one.status == "Errors"] { (one.status) }
                    @if one.status == Transfer::PROCESSING {
                        progress max=(one.members) value=(one.members_done) aria-label="How much is done" {}
                    }
                }
            }),
            Column::new(
                "What became of it",
                Kind::Text,
                |one: &Transfer| html! { (one.message()) },
            ),
        ];
        let empty = html! {
            p { "No file yet." }
            p { "Without a connection to Cisco, export usage from the list of product instances, upload it at CSSM "
                "(Reports > Usage Data Files), and import the ACK file that CSSM gives." }
        };
        let list = Table { caption: "Files", columns, rows: &self.files, ticks: None, empty };
        html! {
            (self.tenancy.head("Files"))
            (self.tenancy.standing(ask))
            (live(ask, if is_working { 1 } else { 10 }, &list.show(ask)))
            p.soft { "The newest twenty exports of up to 256 MiB can be downloaded again for thirty days." }
        }
    }
}

/// A file that was exported, once more.
pub(super) fn again_route() -> Route<CollectorSite> {
    route!(page get "/tenants/{tenant}/transfers/{id}/file", Access::May(Action::Operate), again)
}

async fn again(State(site): State<CollectorSite>, ask: Ask) -> Response {
    let file = async {
        let (tenant, id): (_, TransferId) = (ask.id("tenant")?, ask.id("id")?);
        transfer::again(&site, tenant, id).await
    };
    let back = ask.at.trim_end_matches("/file").rsplit_once('/').map_or("/", |(back, _)| back);
    match file.await {
        Ok(file) => file.into_response(),
        Err(problem) => problem_page(&site, ask.who(), problem, back).await,
    }
}
