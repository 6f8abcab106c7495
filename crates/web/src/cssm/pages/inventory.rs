//! Where somebody is in the inventory of CSSM: a virtual account, among those they may see.

use maud::{Markup, html};
use rumline_cssm::{Action, Error, VirtualAccount};

use super::place::{Place, short};
use crate::cssm::CssmSite;
use crate::ui::{Around, Ask};

/// Where somebody is in the inventory: a virtual account, among those they may see.
pub(super) struct Inventory {
    pub place: Place,
    pub part: VirtualAccount,
}

impl Inventory {
    pub(super) fn read(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        let va = ask.id("va")?;
        let part = place.parts.iter().find(|part| part.id == va).cloned();
        Ok(Self { part: part.ok_or(Error::NotFound("virtual account"))?, place })
    }

    /// An address of the inventory of this virtual account.
    pub(super) fn at(&self, rest: &str) -> String {
        self.place.at(&format!("/virtual-accounts/{}{rest}", self.part.id))
    }

    pub(super) fn may(&self, ask: &Ask, action: Action) -> bool {
        ask.may(action, self.place.account.id.into(), Some(self.part.id.into()))
    }

    pub(super) fn around(&self, site: &CssmSite, ask: &Ask, title: String) -> Around {
        self.place.around_inventory(site, ask, title)
    }

    /// What stands above all parts of the inventory: where it is, the virtual account, and the parts.
    pub(super) fn head(&self, ask: &Ask, here: &str) -> Markup {
        let mut parts =
            vec![("/licenses", "Licenses"), ("/product-instances", "Product Instances")];
        // Whoever holds a token may register with it.
        if self.may(ask, Action::Operate) {
            parts.insert(0, ("", "General"));
        }
        if self.may(ask, Action::Administer) {
            parts.push(("/settings", "Settings"));
        }
        html! {
            (self.place.path("Inventory"))
            div.line {
                h1 { (self.part.name) }
                details.menu {
                    summary { "Virtual Account: " (short(&self.part.name)) }
                    div { @for part in &self.place.parts {
                        a href=(self.place.at(&format!("/virtual-accounts/{}{here}", part.id)))
                            aria-current=[(part.id == self.part.id).then_some("true")] { (part.name) }
                    } }
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
