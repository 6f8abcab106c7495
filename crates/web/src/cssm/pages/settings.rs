//! Settings of a smart account: its name and domain, and how it ends (CSSM-002).

use maud::{Markup, html};
use rumline_cssm::{Action, Error, Only, SmartAccount, SmartAccountId};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind as Typed, button, change, form};
use crate::ui::{Around, Ask, Changes, Done, Page, Post, Seen};

pub(super) struct Settings {
    place: Place,
    /// Those that it may be merged into, for whoever may do so.
    others: Vec<SmartAccount>,
}

impl Page<CssmSite> for Settings {
    const AT: &'static str = "/smart-accounts/{sa}/settings";
    const ACCESS: Access = Access::May(Action::Administer);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let mut others = Vec::new();
        if ask.caller.may_at_all(Action::AdministerAll).is_ok() {
            others = site.cssm.smart_accounts(&Only::All)?;
            others.retain(|other| other.id != place.account.id);
        }
        Ok(Self { place, others })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Settings")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let (account, at) = (&self.place.account, |rest: &str| self.place.at(rest));
        let fields = [
            Field::text("name", "Name").value(&account.name),
            Field::text("domain", "Domain").value(&account.domain),
        ];
        let others = self.others.iter().map(|other| (other.id.to_string(), other.name.as_str()));
        let into = Field::text("into", "Into").kind(Typed::Choice(others.collect()));
        html! {
            (self.place.path("Settings"))
            h1 { "Settings" }
            details.box open[ask.was_sent(&at("/rename"))] {
                summary.first { "Rename" }
                (change(ask, &at("/rename"), &self.names(), &fields, "Rename"))
                p.soft { "With another name its product instances get a trust code that says it. A collector speaks for it \
                    by its name: remove it before, and register it anew." }
            }
            dl.facts {
                div { dt { "Name" } dd { (account.name) } }
                div { dt { "Domain" } dd { (account.domain) } }
            }
            @if ask.caller.may_at_all(Action::AdministerAll).is_ok() {
                h2 { "Merge" }
                @if self.others.is_empty() {
                    p { "There is no other Smart Account to merge it into." }
                } @else {
                    p.soft { "Its Virtual Accounts become those of the other one, with all they hold and all that was \
                        reported in them. It cannot be taken back." }
                    (form(ask, &at("/merge"), &[into], "Merge"))
                }
                h2 { "Close" }
                p.soft { "Once no product instance, license or collector is left in it." }
                (button(&at("/close"), "Close Smart Account",
                    Some(&format!("Close {}? It cannot be opened again.", account.name))))
            }
        }
    }
}

impl Settings {
    fn names(&self) -> Seen {
        let SmartAccount { name, domain, .. } = &self.place.account;
        Seen::of([("Name", name.as_str()), ("Domain", domain.as_str())])
    }
}

/// Gives a smart account another name and domain.
pub(super) struct Rename;

impl Post<CssmSite> for Rename {
    type Page = Settings;
    const AT: &'static str = "/smart-accounts/{sa}/rename";
    const ACCESS: Access = Access::May(Action::Administer);
    const CHANGES: Changes<Settings> = Some(|page, _| page.names());
    const BLAMES: &'static [(&'static str, &'static str)] =
        &[("domain", "domain"), ("name", "name"), ("name", "smart account")];

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, by) = (Place::read(site, ask)?, ask.caller.actor());
        let (name, domain) = (ask.typed("name"), ask.typed("domain"));
        site.cssm.rename_smart_account(ask.now, &by, place.account.id, name, domain)?;
        Ok(Done::at(place.at("/settings"), "The Smart Account is renamed."))
    }
}

/// Merges a smart account into another one.
pub(super) struct Merge;

impl Post<CssmSite> for Merge {
    type Page = Settings;
    const AT: &'static str = "/smart-accounts/{sa}/merge";
    const ACCESS: Access = Access::May(Action::AdministerAll);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, by) = (Place::read(site, ask)?, ask.caller.actor());
        let into = ask.typed("into").parse().map(SmartAccountId);
        let into = into.map_err(|_| Error::invalid("choose a Smart Account to merge it into"))?;
        let joined = site.cssm.merge_smart_account(ask.now, &by, place.account.id, into)?;
        let said = format!("{} is part of {} now.", place.account.name, joined.name);
        Ok(Done::at(format!("/smart-accounts/{into}"), said))
    }
}

/// Closes a smart account in which nothing is left.
pub(super) struct Close;

impl Post<CssmSite> for Close {
    type Page = Settings;
    const AT: &'static str = "/smart-accounts/{sa}/close";
    const ACCESS: Access = Access::May(Action::AdministerAll);

    fn act(site: &CssmSite, ask: &Ask) -> Result<Done, Problem> {
        let (place, by) = (Place::read(site, ask)?, ask.caller.actor());
        site.cssm.close_smart_account(ask.now, &by, place.account.id)?;
        Ok(Done::at("/smart-accounts", format!("{} is closed.", place.account.name)))
    }
}
