//! The pages of CSSM (guide p. 15, 41-45, 58-60; CSSM-009 to 021): Alerts, Inventory, Reports. Each is a file of its own.

mod alerts;
mod event_log;
mod general;
mod instance;
mod instances;
mod jobs;
mod licenses;
mod usage_files;

use maud::{Markup, html};
use rumline_cssm::{Action, Caller, Error, SmartAccount, SmartAccountId, VirtualAccount};

use crate::cssm::CssmSite;
use crate::page::Tab;
use crate::site::Route;
use crate::ui::{Ask, Page as _, Post as _};

pub(super) use usage_files::{move_set_aside, root, upload_usage, usage_files};

/// The pages that are made of one kind, and their forms.
pub(super) fn routes() -> Vec<Route<CssmSite>> {
    vec![
        alerts::Alerts::route(),
        alerts::Acknowledge::route(),
        alerts::Settle::route(),
        general::General::route(),
        general::CreateToken::route(),
        general::Revoke::route(),
        general::token_file(),
        licenses::Licenses::route(),
        instances::Instances::route(),
        instances::Transfer::route(),
        instance::Instance::route(),
        instance::Remove::route(),
        event_log::EventLog::route(),
        jobs::Jobs::route(),
        jobs::Cancel::route(),
    ]
}

/// The places of a smart account, of those that the caller may go to.
pub(super) fn places(caller: &Caller, sa: SmartAccountId, parts: &[VirtualAccount]) -> Vec<Tab> {
    let at = |rest: &str| format!("/smart-accounts/{sa}/{rest}");
    let is_of_all = caller.may(Action::View, sa.into(), None).is_ok();
    let mut tabs = Vec::new();
    if is_of_all {
        tabs.push((at("alerts"), "Alerts"));
    }
    if let Some(first) = parts.first() {
        let first = format!("virtual-accounts/{}/product-instances", first.id);
        tabs.push((at(&first), "Inventory"));
    }
    if is_of_all {
        tabs.push((at("event-log"), "Event Log"));
        tabs.push((at("jobs"), "Jobs"));
        tabs.push((at("usage-files"), "Reports"));
    }
    tabs
}

/// Where somebody is: the smart account, which leads to the others, and the place in it.
pub(super) fn path(account: &SmartAccount, place: &str) -> Markup {
    html! {
        p.path {
            a href="/" { (account.name) }
            @if !place.is_empty() { " > " (place) }
        }
    }
}

/// Where somebody is in the inventory: a virtual account, among those they may see.
pub(super) struct Inventory {
    pub account: SmartAccount,
    pub parts: Vec<VirtualAccount>,
    pub part: VirtualAccount,
}

impl Inventory {
    pub(super) fn read(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let sa: SmartAccountId = ask.id("sa")?;
        let only = ask.caller.parts(Action::View, sa.into());
        let mut parts = site.cssm.virtual_accounts(sa)?;
        parts.retain(|part| only.has(&part.id.into()));
        let va = ask.id("va")?;
        let part = parts.iter().find(|part| part.id == va).cloned();
        let part = part.ok_or(Error::NotFound("virtual account"))?;
        Ok(Self { account: site.cssm.smart_account(sa)?, parts, part })
    }

    /// An address of the inventory of this virtual account.
    pub(super) fn at(&self, rest: &str) -> String {
        let (sa, va) = (self.account.id, self.part.id);
        format!("/smart-accounts/{sa}/virtual-accounts/{va}{rest}")
    }

    pub(super) fn may(&self, ask: &Ask, action: Action) -> bool {
        ask.may(action, self.account.id.into(), Some(self.part.id.into()))
    }

    pub(super) fn tabs(&self, ask: &Ask) -> Vec<Tab> {
        let mut tabs = places(&ask.caller, self.account.id, &self.parts);
        for (at, name) in &mut tabs {
            if *name == "Inventory" {
                // It is this virtual account's while somebody is in one.
                at.clone_from(&ask.at);
            }
        }
        tabs
    }

    /// What stands above all parts of the inventory: where it is, the virtual account, and the parts.
    pub(super) fn head(&self, ask: &Ask, here: &str) -> Markup {
        let mut parts =
            vec![("/licenses", "Licenses"), ("/product-instances", "Product Instances")];
        // Whoever holds a token may register with it.
        if self.may(ask, Action::Operate) {
            parts.insert(0, ("", "General"));
        }
        html! {
            (path(&self.account, "Inventory"))
            div.line {
                h1 { (self.part.name) }
                @if self.parts.len() > 1 {
                    details.menu {
                        summary { "Virtual Account" }
                        div { @for part in &self.parts {
                            a href=(format!("/smart-accounts/{}/virtual-accounts/{}{here}", self.account.id, part.id))
                                aria-current=[(part.id == self.part.id).then_some("true")] { (part.name) }
                        } }
                    }
                }
            }
            nav.within aria-label="Inventory" {
                @for (rest, name) in parts {
                    a href=(self.at(rest)) aria-current=[(rest == here).then_some("page")] { (name) }
                }
            }
        }
    }
}
