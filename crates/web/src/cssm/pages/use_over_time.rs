//! Reports > Use over Time: what was in use, day by day or month by month (CSSM-006), as a picture, a table and a file.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};
use rumline_cssm::{Action, Error, Only, Period, Step, UseRow};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::chart::{Chart, nothing};
use crate::ui::form::{Field, Kind, search};
use crate::ui::{Around, Ask, Page};

pub(super) struct UseOverTime {
    place: Place,
    rows: Vec<UseRow>,
    /// The days or months of the period.
    steps: Vec<String>,
    /// What is wrong with what was asked.
    wrong: Option<String>,
}

/// The period that is asked for; the last thirty days if none is.
pub(super) fn period(ask: &Ask) -> Result<Period, Error> {
    let said = |name| Some(ask.query(name)).filter(|said| !said.is_empty());
    Period::read(ask.now, said("from"), said("to"))
}

/// The fields that say it.
pub(super) fn period_fields(ask: &Ask) -> [Field<'_>; 2] {
    let day =
        |name, label| Field::text(name, label).kind(Kind::Day).value(ask.query(name)).optional();
    [day("from", "From"), day("to", "To")]
}

impl Page<CssmSite> for UseOverTime {
    const AT: &'static str = "/smart-accounts/{sa}/reports/use";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let step = if ask.query("by") == "month" { Step::Month } else { Step::Day };
        let sa = place.account.id;
        let found = period(ask).and_then(|period| {
            let rows = site.cssm.use_over_time(ask.now, sa, &Only::All, period, step)?;
            Ok((rows, period.steps(step)))
        });
        match found {
            Ok((rows, steps)) => Ok(Self { place, rows, steps, wrong: None }),
            Err(Error::Invalid(wrong) | Error::Field { text: wrong, .. }) => {
                Ok(Self { place, rows: Vec::new(), steps: Vec::new(), wrong: Some(wrong) })
            }
            Err(error) => Err(error),
        }
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Use over Time")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let by = vec![("day".to_owned(), "day"), ("month".to_owned(), "month")];
        let [from, to] = period_fields(ask);
        let by = Field::text("by", "By").kind(Kind::Choice(by)).value(ask.query("by")).optional();
        let api = format!("/api/v1{}", self.place.at("/reports/use"));
        let licenses: BTreeSet<&str> = self.rows.iter().map(|row| row.license.as_str()).collect();
        html! {
            (self.place.reports("/reports/use"))
            h1 { "Use over Time" }
            (search(ask, &[from, to, by], "Show"))
            @if let Some(wrong) = &self.wrong { p.note.bad role="alert" { (wrong) } }
            @if licenses.is_empty() && self.wrong.is_none() {
                div.empty { p { (nothing(false)) } }
            }
            @for license in licenses { (self.chart(license).show()) }
            p { a.button href=(format!("{api}{}", file_query(ask))) { "Download CSV" } }
        }
    }
}

/// The query of the same as a file.
pub(super) fn file_query(ask: &Ask) -> String {
    let with = ask.with(&[("format", "csv")]);
    with.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"))
}

impl UseOverTime {
    /// One licence in all virtual accounts.
    fn chart<'a>(&self, license: &'a str) -> Chart<'a> {
        let mut days: BTreeMap<&str, f64> =
            self.steps.iter().map(|first| (first.as_str(), 0.0)).collect();
        for row in self.rows.iter().filter(|row| row.license == license) {
            *days.entry(&row.from).or_default() += row.in_use_average;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a bar of whole licenses")]
        let point = |(day, average): (&str, f64)| (day.to_owned(), average.round() as i64, None);
        Chart {
            title: license,
            bars: "In use on average",
            line: None,
            nothing: nothing(
                self.rows.iter().any(|row| row.license == license && row.in_use_average > 0.0),
            ),
            points: days.into_iter().map(point).collect(),
        }
    }
}
