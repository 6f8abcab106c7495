//! Reports > Purchased and Used: what was there against what was consumed in a period (CSSM-027).

use maud::{Markup, html};
use rumline_cssm::{Action, DeltaRow, Error, Only};

use super::place::Place;
use super::use_over_time::{file_query, period, period_fields};
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::chart::number;
use crate::ui::form::search;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page};

/// A day of one licence, in seconds.
const LICENSE_DAY: i64 = 86_400;

pub(super) struct Delta {
    place: Place,
    rows: Vec<DeltaRow>,
    wrong: Option<String>,
}

impl Page<CssmSite> for Delta {
    const AT: &'static str = "/smart-accounts/{sa}/reports/delta";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let sa = place.account.id;
        let found = period(ask).and_then(|period| site.cssm.delta(ask.now, sa, &Only::All, period));
        match found {
            Ok(rows) => Ok(Self { place, rows, wrong: None }),
            Err(Error::Invalid(wrong) | Error::Field { text: wrong, .. }) => {
                Ok(Self { place, rows: Vec::new(), wrong: Some(wrong) })
            }
            Err(error) => Err(error),
        }
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Purchased and Used")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        // In days of one licence: seconds are for programs.
        let in_days = |seconds: i64| html! { (number(seconds / LICENSE_DAY)) };
        let columns = vec![
            Column::new("Virtual Account", Kind::Text, |row: &DeltaRow| {
                html! { (self.place.part_name(row.virtual_account_id)) }
            }),
            Column::new("License", Kind::Text, |row: &DeltaRow| html! { (row.license) }),
            Column::new("Purchased", Kind::Number, |row: &DeltaRow| in_days(row.purchased_seconds)),
            Column::new("Used", Kind::Number, |row: &DeltaRow| in_days(row.used_seconds)),
            Column::new("Substituted", Kind::Number, |row: &DeltaRow| {
                in_days(row.substituted_seconds)
            }),
            Column::new("Short", Kind::Number, |row: &DeltaRow| in_days(row.short_seconds)),
            Column::new("Days Short", Kind::Number, |row: &DeltaRow| {
                html! {
                    @if row.short_days > 0 { span.badge.bad { (row.short_days) } } @else { "0" }
                }
            }),
        ];
        let empty = html! { p { "Nothing was purchased or used in these days." } };
        let api = format!("/api/v1{}", self.place.at("/reports/delta"));
        html! {
            (self.place.reports("/reports/delta"))
            h1 { "Purchased and Used" }
            (search(ask, &period_fields(ask), "Show"))
            @if let Some(wrong) = &self.wrong { p.note.bad role="alert" { (wrong) } }
            p.soft { "In days of one license, day by day: what is left over on one day makes up for no other." }
            (Table { caption: "Purchased and used", columns, rows: &self.rows, ticks: None, empty }.show(ask))
            p { a.button href=(format!("{api}{}", file_query(ask))) { "Download CSV" } }
        }
    }
}
