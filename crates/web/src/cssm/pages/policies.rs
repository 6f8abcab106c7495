//! Reports > Reporting Policy (guide p. 44; CSSM-016): what is in force where, to download.

use maud::{Markup, html};
use rumline_catalogue::Catalogue;
use rumline_cssm::{Action, Error, PolicyInForce, SetFor, VirtualAccount};

use super::place::Place;
use super::policy_of::Of;
use crate::cssm::CssmSite;
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Around, Ask, Page};

pub(super) struct Policies {
    place: Place,
    policies: Vec<(VirtualAccount, PolicyInForce)>,
    of_licenses: Vec<PolicyInForce>,
}

impl Page<CssmSite> for Policies {
    const AT: &'static str = "/smart-accounts/{sa}/reports/policy";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let sa = place.account.id;
        let of = |part: &VirtualAccount| Ok((part.clone(), site.cssm.policy(sa, part.id)?));
        let policies = place.parts.iter().map(of).collect::<Result<_, Error>>()?;
        Ok(Self { policies, of_licenses: site.cssm.tag_policies(sa)?, place })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Reporting Policy")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        type Row = (VirtualAccount, PolicyInForce);
        let api = format!("/api/v1{}", self.place.at("/virtual-accounts"));
        let columns = vec![
            Column::new("Virtual Account", Kind::Text, |(part, _): &Row| html! { (part.name) }),
            Column::new("Policy", Kind::Text, |(_, set): &Row| html! { (set.policy.policy_name) }),
            Column::new("Set For", Kind::Text, |(_, set): &Row| set_for(set)),
            Column::new("First report", Kind::Text, |(_, set): &Row| {
                days(set.policy.unenforced.first_report_days)
            }),
            Column::new("Reports", Kind::Text, |(_, set): &Row| {
                every(set.policy.unenforced.ongoing_report_days)
            }),
            Column::new("After a change", Kind::Text, |(_, set): &Row| {
                days(set.policy.unenforced.on_change_report_days)
            }),
            Column::new("Actions", Kind::Text, |(part, _): &Row| {
                html! {
                    a.button href=(self.place.at(&Of::Part(part.id).at())) { "Open Policy" } " "
                    a.button href=(format!("{api}/{}/policy-file", part.id)) { "Download" }
                }
            }),
        ];
        let empty = html! { p { "No virtual account." } };
        let rows = &self.policies;
        html! {
            (self.place.reports("/reports/policy"))
            h1 { "Reporting Policy" }
            (Table { caption: "Reporting policies", columns, rows, ticks: None, empty }.show(ask))
            p { a.button href=(self.place.at(&Of::Account.at())) { "Policy of the Smart Account" } " "
                span.soft { "holds where nothing else is set" } }
            h2 { "Policies of licenses" }
            @if self.of_licenses.is_empty() { p { "None is set." } }
            ul { @for set in &self.of_licenses { li { (set.policy.policy_name) ": " (license(&self.place, set)) } } }
            details.box {
                summary { "Set One for a License" }
                ul.columns { @for package in Catalogue::nexus().packages() {
                    @let of = Of::License(package.name.clone());
                    li { a href=(self.place.at(&of.at())) { (package.name) } }
                } }
            }
            p.soft { "A file that is downloaded here is for " code { "license smart import" } " on a switch." }
        }
    }
}

fn set_for(set: &PolicyInForce) -> Markup {
    html! { @match &set.set_for {
        SetFor::CiscoDefault => "nothing: the Cisco default",
        SetFor::SmartAccount => "the Smart Account",
        SetFor::VirtualAccount => "this Virtual Account",
        SetFor::Tag(tag) => { "the license " (tag) },
    } }
}

/// The licence that a policy was set for, as the way to it.
fn license(place: &Place, set: &PolicyInForce) -> Markup {
    let SetFor::Tag(tag) = &set.set_for else { return html! {} };
    html! { a href=(place.at(&Of::License(tag.clone()).at())) { (tag) } }
}

fn days(days: u32) -> Markup {
    html! { @if days == 0 { "not wanted" } @else { "within " (days) " days" } }
}

fn every(days: u32) -> Markup {
    html! { @if days == 0 { "not wanted" } @else { "every " (days) " days" } }
}
