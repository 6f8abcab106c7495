//! Audit: what people did in a smart account, for those who administer it (ours).

use maud::{Markup, html};
use rumline_cssm::{Action, Error};

use super::place::Place;
use crate::cssm::CssmSite;
use crate::shared::AuditList;
use crate::site::Access;
use crate::ui::{Around, Ask, Page};

pub(super) struct AccountAudit {
    place: Place,
    list: AuditList,
}

impl Page<CssmSite> for AccountAudit {
    const AT: &'static str = "/smart-accounts/{sa}/audit";
    const ACCESS: Access = Access::May(Action::Administer);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let place = Place::read(site, ask)?;
        Ok(Self { list: AuditList::read(site, ask, Some(place.account.id.into()))?, place })
    }

    fn around(&self, site: &CssmSite, ask: &Ask) -> Around {
        self.place.around(site, ask, "Audit")
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        html! {
            (self.place.path(""))
            h1 { "Audit" }
            p.soft { "What people did in this account; logins stand in the audit of the whole server." }
            (self.list.show(ask))
        }
    }
}
