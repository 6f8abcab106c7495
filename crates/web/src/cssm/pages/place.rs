//! Where somebody is at CSSM: a smart account, and a virtual account in it.

use maud::{Markup, html};
use rumline_cssm::{
    Action, Caller, Error, SmartAccount, SmartAccountId, VirtualAccount, VirtualAccountId,
};

use crate::cssm::CssmSite;
use crate::page::Tab;
use crate::ui::form::{Field, Kind};
use crate::ui::{Around, Ask};

/// Smart accounts that the menu names; there is a page of all.
const NAMED_MAX: usize = 20;

/// Letters of a name that the menu says; it lists whole ones.
const LETTERS_MAX: usize = 16;

/// The beginning of a name.
pub(super) fn short(name: &str) -> String {
    let begins: String = name.chars().take(LETTERS_MAX).collect();
    if begins.len() < name.len() { begins.trim_end().to_owned() + "…" } else { begins }
}

/// A smart account, with the virtual accounts of it that the caller may see.
pub(super) struct Place {
    pub account: SmartAccount,
    pub parts: Vec<VirtualAccount>,
}

impl Place {
    pub(super) fn read(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let sa: SmartAccountId = ask.id("sa")?;
        let only = ask.caller.parts(Action::View, sa.into());
        let mut parts = site.cssm.virtual_accounts(sa)?;
        parts.retain(|part| only.has(&part.id.into()));
        Ok(Self { account: site.cssm.smart_account(sa)?, parts })
    }

    /// An address of this smart account.
    pub(super) fn at(&self, rest: &str) -> String {
        format!("/smart-accounts/{}{rest}", self.account.id)
    }

    pub(super) fn may(&self, ask: &Ask, action: Action) -> bool {
        ask.may(action, self.account.id.into(), None)
    }

    /// What stands around a page of it.
    pub(super) fn around(&self, site: &CssmSite, ask: &Ask, title: impl Into<String>) -> Around {
        let tabs = self.tabs(site, &ask.caller);
        Around { title: title.into(), tabs, corner: Some(self.change(site, &ask.caller)) }
    }

    /// The same of a page that stands under Inventory: that leads here while somebody is here.
    pub(super) fn around_inventory(&self, site: &CssmSite, ask: &Ask, title: String) -> Around {
        let mut around = self.around(site, ask, title);
        for (at, _) in around.tabs.iter_mut().filter(|(_, name)| *name == "Inventory") {
            at.clone_from(&ask.at);
        }
        around
    }

    /// The pages of it that the caller may go to.
    fn tabs(&self, site: &CssmSite, caller: &Caller) -> Vec<Tab> {
        let scope = self.account.id.into();
        let mut tabs = Vec::new();
        if caller.may(Action::View, scope, None).is_ok() {
            tabs.extend([(self.at("/overview"), "Overview"), (self.at("/alerts"), "Alerts")]);
        }
        if let Some(first) = self.first_part(site) {
            let first = format!("/virtual-accounts/{}/product-instances", first.id);
            tabs.push((self.at(&first), "Inventory"));
        }
        if caller.may(Action::View, scope, None).is_ok() {
            tabs.push((self.at("/reports"), "Reports"));
            tabs.push((self.at("/event-log"), "Event Log"));
            tabs.push((self.at("/jobs"), "Jobs"));
            tabs.push((self.at("/collectors"), "Collectors"));
        }
        if caller.may(Action::Administer, scope, None).is_ok() {
            tabs.push((self.at("/people"), "People"));
            tabs.push((self.at("/audit"), "Audit"));
            tabs.push((self.at("/webhooks"), "Webhooks"));
            tabs.push((self.at("/settings"), "Settings"));
        }
        tabs
    }

    /// The first virtual account that has product instances, or the first one.
    fn first_part(&self, site: &CssmSite) -> Option<&VirtualAccount> {
        let counts = site.cssm.part_counts(self.account.id).unwrap_or_default();
        let has_some =
            |part: &&VirtualAccount| counts.get(&part.id).is_some_and(|count| *count > 0);
        self.parts.iter().find(has_some).or_else(|| self.parts.first())
    }

    /// The way to another smart account, from anywhere.
    fn change(&self, site: &CssmSite, caller: &Caller) -> Markup {
        let accounts = site.cssm.smart_accounts(&caller.scopes()).unwrap_or_default();
        let others = accounts.iter().filter(|other| other.id != self.account.id);
        html! {
            details.menu {
                summary { "Smart Account: " (short(&self.account.name)) }
                div {
                    a href=(self.at("")) aria-current="true" { (self.account.name) }
                    @for other in others.take(NAMED_MAX) {
                        a href=(format!("/smart-accounts/{}", other.id)) { (other.name) }
                    }
                    a href="/smart-accounts" { "All Smart Accounts" }
                }
            }
        }
    }

    /// Where this is.
    pub(super) fn path(&self, place: &str) -> Markup {
        html! {
            p.path {
                a href=(self.at("")) { (self.account.name) }
                @if !place.is_empty() { " > " (place) }
            }
        }
    }
}

/// The parts of Reports (guide p. 44), and ours.
const REPORTS: [(&str, &str); 5] = [
    ("/reports", "Usage Data Files"),
    ("/reports/policy", "Reporting Policy"),
    ("/reports/use", "Use over Time"),
    ("/reports/delta", "Purchased and Used"),
    ("/reports/purchases", "Purchases"),
];

impl Place {
    /// What stands above all reports.
    pub(super) fn reports(&self, here: &str) -> Markup {
        html! {
            (self.path("Reports"))
            nav.within aria-label="Reports" {
                @for (rest, name) in REPORTS {
                    a href=(self.at(rest)) aria-current=[(rest == here).then_some("page")] { (name) }
                }
            }
        }
    }

    /// The link to a report of the whole account as a file, for whoever may see all of it.
    pub(super) fn csv(&self, ask: &Ask, report: &str) -> Markup {
        let to = format!("/api/v1{}", self.at(&format!("/reports/{report}?format=csv")));
        html! {
            @if self.may(ask, Action::View) {
                p { a.button href=(to) { "Download CSV" } " " span.soft { "of all virtual accounts" } }
            }
        }
    }

    /// The name of a virtual account.
    pub(super) fn part_name(&self, id: VirtualAccountId) -> String {
        let found = self.parts.iter().find(|part| part.id == id);
        found.map_or_else(|| format!("closed ({id})"), |part| part.name.clone())
    }

    /// The virtual accounts to choose from.
    pub(super) fn part_field<'a>(&'a self, name: &'static str, label: &'a str) -> Field<'a> {
        let choice = |part: &'a VirtualAccount| (part.id.to_string(), part.name.as_str());
        Field::text(name, label).kind(Kind::Choice(self.parts.iter().map(choice).collect()))
    }
}
