//! Select Virtual Accounts: what stands in a file, and what comes of it in the virtual account that is chosen (guide p. 44;
//! CSSM-017).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, FoundInFile, LookedInto};

use super::place::Place;
use crate::cssm::{CssmSite, upload};
use crate::page::counted;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::form;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Call, Done, Page};

pub(super) struct Select {
    place: Place,
    name: String,
    found: LookedInto,
}

impl Page<CssmSite> for Select {
    const AT: &'static str = "/smart-accounts/{sa}/reports/select/{chosen}";
    const ACCESS: Access = Access::May(Action::Operate);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let (name, found) = site.chosen.found(ask.now, place.account.id, ask.name("chosen"))?;
        Ok(Self { place, name, found })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Select Virtual Accounts")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Product Instance", Kind::Text, |one: &FoundInFile| html! { (one.udi) }),
            Column::new("Reports", Kind::Number, |one: &FoundInFile| html! { (one.reports) }),
            Column::new("Known Here", Kind::Text, |one: &FoundInFile| {
                html! {
                    @match (&one.problem, one.virtual_account_id) {
                        (Some(problem), _) => span.bad { (problem) },
                        (None, None) => "not known in this account",
                        (None, Some(part)) => { "in " (self.place.part_name(part)) },
                    }
                }
            }),
        ];
        let rows = &self.found.instances;
        let empty = html! { p { "No product instance stands in it." } };
        let named = self.found.virtual_account.as_ref();
        let named =
            self.place.parts.iter().find(|part| Some(&part.name) == named).map(|part| part.id);
        let elsewhere = named.or_else(|| rows.iter().find_map(|one| one.virtual_account_id));
        let first = elsewhere.map(|part| part.to_string()).unwrap_or_default();
        let fields =
            [self.place.part_field("virtual_account_id", "Virtual Account").usual(&first).help(
                "Product instances that are known in another virtual account wait there until an \
            administrator moves them: nothing of theirs is counted here before.",
            )];
        html! {
            (self.place.reports("/reports"))
            h1 { "Select Virtual Accounts" }
            p { (self.name) ": " (counted(self.found.count, "product instance"))
                @if let Some(by) = &self.found.created_by { ", brought together by " (by)
                    @if let Some(part) = &self.found.virtual_account { " for the virtual account " (part) } } "." }
            @if let Some(part) = self.found.virtual_account.as_ref().filter(|_| named.is_none()) {
                p.note.bad { "This account has no virtual account " (part) ", for which the file was brought together: \
                    choose one, and say so in the Preferences of that tenant." }
            }
            (form(ask, &ask.at, &fields, "Upload Data"))
            (Table { caption: "What stands in the file", columns, rows, ticks: None, empty }.show(ask))
            @if self.found.count > i64::try_from(rows.len()).unwrap_or(0) {
                p.soft { "The first " (rows.len()) " are shown." }
            }
            p { a.button href=(self.place.at("/reports")) { "Cancel" } }
        }
    }
}

/// Uploads the file for the virtual account.
pub(super) struct UploadChosen;

impl Call<CssmSite> for UploadChosen {
    type Page = Select;
    const AT: &'static str = "/smart-accounts/{sa}/reports/select/{chosen}";
    const ACCESS: Access = Access::May(Action::Operate);

    async fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let sa = ask.id("sa")?;
        let va =
            ask.typed("virtual_account_id").parse().map_err(|_| Error::invalid("choose one"))?;
        let by = ask.caller.actor();
        let file = upload::upload_chosen(site, by, (sa, va), ask.name("chosen")).await?;
        // The same bundle again is the same row.
        let again =
            if file.uploaded_at < ask.now.0 { " was there already" } else { " is uploaded" };
        let said = format!("{}{again}: {}", file.name, file.message);
        let is_bad = file.status == "Errors";
        Ok(Done::at(format!("/smart-accounts/{sa}/reports"), said).bad_if(is_bad))
    }
}
