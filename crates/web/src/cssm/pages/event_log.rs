//! Event Log: what happened in a smart account.

use maud::{Markup, html};
use rumline_cssm::{AccountEvent, Action, Error, SmartAccount, SmartAccountId, VirtualAccount};

use super::{path, places};
use crate::cssm::CssmSite;
use crate::page::{Tab, time};
use crate::site::Access;
use crate::ui::table::{Column, Kind, Table};
use crate::ui::{Ask, Page};

pub(super) struct EventLog {
    account: SmartAccount,
    parts: Vec<VirtualAccount>,
    events: Vec<AccountEvent>,
}

impl Page<CssmSite> for EventLog {
    const AT: &'static str = "/smart-accounts/{sa}/event-log";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CssmSite, ask: &Ask) -> Result<Self, Error> {
        let sa: SmartAccountId = ask.id("sa")?;
        Ok(Self {
            account: site.cssm.smart_account(sa)?,
            parts: site.cssm.virtual_accounts(sa)?,
            events: site.cssm.events(sa, 1_000)?,
        })
    }

    fn title(&self) -> String {
        "Event Log".to_owned()
    }

    fn tabs(&self, _: &CssmSite, ask: &Ask) -> Vec<Tab> {
        places(&ask.caller, self.account.id, &self.parts)
    }

    fn show(&self, _: &CssmSite, ask: &Ask) -> Markup {
        let columns = vec![
            Column::new("Time", Kind::Text, |event: &AccountEvent| time(Some(event.at))),
            Column::new("User", Kind::Text, |event: &AccountEvent| html! { (event.login) }),
            Column::new("Event", Kind::Text, |event: &AccountEvent| html! { (event.text) }),
        ];
        let empty = html! { p { "Nothing happened yet." } };
        let list = Table { caption: "Events", columns, rows: &self.events, ticks: None, empty };
        html! {
            (path(&self.account, ""))
            h1 { "Event Log" }
            p.soft { "The newest thousand." }
            (list.show(ask))
        }
    }
}
