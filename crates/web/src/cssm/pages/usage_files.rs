//! Reports > Usage Data Files (guide p. 44-45, 74; CSSM-017 to 021).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, Only, UsageFile, UsageFileId};

use super::place::Place;
use crate::cssm::{CssmSite, upload};
use crate::page::counted;
use crate::problem::Problem;
use crate::site::Access;
use crate::spool::Incoming;
use crate::ui::form::{Field, Kind as Typed, button, upload as upload_form};
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Done, Page, Post, Upload, live};

pub(super) struct UsageFiles {
    place: Place,
    files: Vec<UsageFile>,
}

impl Page<CssmSite> for UsageFiles {
    const AT: &'static str = "/smart-accounts/{sa}/reports";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let files = site.cssm.usage_files(place.account.id, &Only::All)?;
        Ok(Self { place, files })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Usage Data Files")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let is_working = self.files.iter().any(|file| file.status == UsageFile::PROCESSING);
        let fields = [Field::text("file", "Upload Usage Data").kind(Typed::File).help(
            "What a switch saved with license smart save usage, or what a CSLU or SSM On-Prem exported.",
        )];
        html! {
            (self.place.reports("/reports"))
            h1 { "Usage Data Files" }
            @if self.place.may(ask, Action::Operate) {
                (upload_form(ask, &self.place.at("/reports/files"), &fields, "Upload Data"))
            }
            (live(ask, if is_working { 1 } else { 10 }, &self.list(ask)))
        }
    }
}

impl UsageFiles {
    fn list(&self, ask: &Ask) -> Markup {
        let may_move = self.place.may(ask, Action::Administer);
        let at = self.place.at("/reports/files");
        let columns = vec![
            Column::new("Usage Data File", Kind::Text, |file: &UsageFile| html! { (file.name) }),
            Column::new("Reported", Kind::Text, |file: &UsageFile| {
                ask.time(Some(file.uploaded_at))
            }),
            Column::new("Virtual Account", Kind::Text, |file: &UsageFile| {
                html! { (self.place.part_name(file.virtual_account_id)) }
            }),
            Column::new("Reporting Status", Kind::Text, |file: &UsageFile| {
                html! {
                    span.badge.good[file.status == "No Errors"].bad[file.status == "Errors"] { (file.status) }
                    " " span.soft { (file.message) }
                    @if file.set_aside > 0 && may_move {
                        " " (button(&format!("{at}/{}/move", file.id),
                        &format!("Move {} here", counted(file.set_aside, "product instance")), None))
                    }
                }
            }),
            Column::new("Number of Product Instances", Kind::Number, |file: &UsageFile| {
                html! { (file.product_instances) }
            }),
            Column::new("Acknowledgment", Kind::Text, |file: &UsageFile| {
                html! {
                    @if file.acknowledgement_ready {
                        a href=(format!("/api/v1/smart-accounts/{}/usage-files/{}/acknowledgement",
                            self.place.account.id, file.id)) { "Download" }
                    } @else if file.status == UsageFile::PROCESSING {
                        progress aria-label="Processing" {}
                    } @else { span.soft { "-" } }
                }
            }),
        ];
        let empty = html! { p { "No usage data file yet." } };
        Table { caption: "Usage Data Files", columns, rows: &self.files, ticks: None, empty }
            .show(ask)
    }
}

/// Takes a file in, to be looked at before it is uploaded for a virtual account.
pub(super) struct Choose;

impl Upload<CssmSite> for Choose {
    type Page = UsageFiles;
    const AT: &'static str = "/smart-accounts/{sa}/reports/files";
    const ACCESS: Access = Access::May(Action::Operate);

    async fn take(site: &CssmSite, ask: &Ask, file: Incoming) -> Result<Done, Problem> {
        let sa = ask.id("sa")?;
        let chosen = upload::choose(site, sa, file).await?;
        Ok(Done::at(format!("/smart-accounts/{sa}/reports/select/{chosen}"), ""))
    }
}

/// Moves what an uploaded file would move: whoever presses the button has seen which.
pub(super) struct Move;

impl Post<CssmSite> for Move {
    type Page = UsageFiles;
    const AT: &'static str = "/smart-accounts/{sa}/reports/files/{id}/move";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, id): (_, UsageFileId) = (Place::read(site, ask)?, ask.id("id")?);
        let by = ask.caller.actor();
        site.cssm.move_set_aside(ask.now, &by, place.account.id, id)?;
        Ok(Done::at(place.at("/reports"), "The product instances are moved."))
    }
}
