//! Inventory > Settings: the name of a virtual account, and how it ends (CSSM-002, 004, 005).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, JobKind, NewJob, VirtualAccount, VirtualAccountId};

use super::inventory::Inventory;
use super::policy_of::Of;
use crate::cssm::CssmSite;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, button, change, form};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

pub(super) struct PartSettings {
    inventory: Inventory,
}

impl Page<CssmSite> for PartSettings {
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/settings";
    const ACCESS: Access = Access::May(Action::Administer);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        Ok(Self { inventory: Inventory::read(site, ask)? })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.inventory.around(site, ask, format!("Settings of {}", self.inventory.part.name))
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let Inventory { place, part } = &self.inventory;
        let at = |rest: &str| self.inventory.at(rest);
        let others = place.parts.iter().filter(|other| other.id != part.id);
        let choice = |other: &'_ VirtualAccount| (other.id.to_string(), other.name.clone());
        let others: Vec<(String, String)> = others.map(choice).collect();
        let choices = others.iter().map(|(id, name)| (id.clone(), name.as_str())).collect();
        let into = Field::text("into", "Into").kind(Typed::Choice(choices));
        let name = [Field::text("name", "Name").value(&part.name)];
        html! {
            (self.inventory.head(ask, "/settings"))
            details.box open[ask.was_sent(&at("/rename"))] {
                summary.first { "Rename" }
                (change(ask, &at("/rename"), &self.name(), &name, "Rename"))
                p.soft { "Its product instances get a trust code that says the new name. A collector speaks for it by its \
                    name: remove it before, and register it anew." }
            }
            @if place.may(ask, Action::View) {
                p { "When its product instances report: "
                    a href=(place.at(&Of::Part(part.id).at())) { "Reporting Policy of " (part.name) } }
            }
            @if place.may(ask, Action::Administer) && !others.is_empty() {
                h2 { "Merge" }
                p.soft { "Its product instances, licenses and usage files go to the other one, and it is closed. That is a \
                    job: it goes on by itself." }
                (form(ask, &at("/merge"), &[into], "Merge"))
                h2 { "Close" }
                p.soft { "Once no product instance, license or collector is left in it. Its tokens let nobody in any more." }
                (button(&at("/close"), "Close Virtual Account",
                    Some(&format!("Close {}? It cannot be opened again.", part.name))))
            }
        }
    }
}

impl PartSettings {
    fn name(&self) -> Seen {
        Seen::of([("Name", self.inventory.part.name.as_str())])
    }
}

/// Gives a virtual account another name.
pub(super) struct Rename;

impl Post<CssmSite> for Rename {
    type Page = PartSettings;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/rename";
    const ACCESS: Access = Access::May(Action::Administer);
    const CHANGES: Changes<PartSettings> = Some(|page, _| page.name());
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("name", "name"), ("name", "virtual account")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (inventory, by) = (Inventory::read(site, ask)?, ask.caller.actor());
        let (sa, va, name) = (inventory.place.account.id, inventory.part.id, ask.typed("name"));
        site.cssm.rename_virtual_account(ask.now, &by, sa, va, name)?;
        Ok(Done::at(inventory.at("/settings"), "The Virtual Account is renamed."))
    }
}

/// Merges a virtual account into another one, as a job.
pub(super) struct Merge;

impl Post<CssmSite> for Merge {
    type Page = PartSettings;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/merge";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (inventory, by) = (Inventory::read(site, ask)?, ask.caller.actor());
        let into = ask.typed("into").parse().map(VirtualAccountId);
        let into = into.map_err(|_| Error::invalid("choose a Virtual Account to merge it into"))?;
        let new = NewJob {
            kind: JobKind::Merge,
            search: String::new(),
            sort: None,
            virtual_account_id: Some(inventory.part.id),
            into_virtual_account_id: Some(into),
        };
        site.cssm.add_job(ask.now, &by, inventory.place.account.id, &new)?;
        Ok(Done::at(inventory.place.at("/jobs"), "The job has begun."))
    }
}

/// Closes a virtual account in which nothing is left.
pub(super) struct Close;

impl Post<CssmSite> for Close {
    type Page = PartSettings;
    const AT: &'static str = "/smart-accounts/{sa}/virtual-accounts/{va}/close";
    const ACCESS: Access = Access::May(Action::Administer);
    const TAKES_ALL: bool = true;

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (inventory, by) = (Inventory::read(site, ask)?, ask.caller.actor());
        let (sa, part) = (inventory.place.account.id, &inventory.part);
        site.cssm.close_virtual_account(ask.now, &by, sa, part.id)?;
        Ok(Done::at(inventory.place.at("/overview"), format!("{} is closed.", part.name)))
    }
}
