//! Preferences: Cisco Connectivity, Smart Account and Virtual Account, chosen when connected, typed when not (guide p. 24, 34;
//! CSLU-010 to 013).

use maud::{Markup, html};
use rumline_collector::{Action, Error, Tenant, TenantSettings};

use super::tenancy::Tenancy;
use crate::collector::{CiscoAccount, CollectorSite, api};
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::{Around, Ask, Done, Page, Post, wait};

pub(super) struct Preferences {
    tenancy: Tenancy,
    accounts: Accounts,
}

/// What Cisco said about the accounts to choose from.
enum Accounts {
    NoCssm,
    NoLogin,
    NotAsked,
    Failed(String),
    Found(Vec<CiscoAccount>),
}

impl Page<CollectorSite> for Preferences {
    const AT: &'static str = "/tenants/{tenant}/preferences";
    const ACCESS: Access = Access::May(Action::View);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenancy = Tenancy::read(site, ask)?;
        // Whoever may not choose is not shown what there is to choose from.
        let asks = tenancy.tenant.connected && tenancy.may(ask, Action::Administer);
        let accounts = match (&site.cisco, site.cisco_login(tenancy.tenant.id)) {
            (None, _) => Accounts::NoCssm,
            (Some(_), None) => Accounts::NoLogin,
            (Some(_), Some(_)) if !asks => Accounts::NotAsked,
            (Some(cisco), Some(login)) => match wait(cisco.accounts(&login.token)) {
                Ok(accounts) => Accounts::Found(accounts),
                Err(error) => Accounts::Failed(error.to_string()),
            },
        };
        Ok(Self { tenancy, accounts })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Preferences")
    }

    fn show(&self, _: &CollectorSite, ask: &Ask) -> Markup {
        let tenant = &self.tenancy.tenant;
        let administer = self.tenancy.may(ask, Action::Administer);
        // What was typed stays.
        let typed = |name: &str, own: &str| {
            if ask.form.is_empty() { own.to_owned() } else { ask.typed(name).to_owned() }
        };
        let connected =
            if ask.form.is_empty() { tenant.connected } else { ask.typed("connected") == "on" };
        html! {
            (self.tenancy.head("Preferences"))
            form.fields method="post" action=(self.tenancy.at("/preferences")) {
                label.check for="connected" {
                    input id="connected" type="checkbox" role="switch" name="connected" value="on"
                        checked[connected] disabled[!administer] data-on="Cisco Is Available" data-off="Cisco Is Not Available";
                    span { "Cisco Connectivity: " strong { (tenant.connectivity()) } }
                }
                @if let Accounts::Found(accounts) = &self.accounts {
                    (choices(tenant, accounts))
                } @else {
                    div.field { label for="smart_account" { "Smart Account" }
                        input id="smart_account" name="smart_account" value=(typed("smart_account", &tenant.smart_account)) required disabled[!administer]; }
                    div.field { label for="virtual_account" { "Virtual Account" }
                        input id="virtual_account" name="virtual_account" value=(typed("virtual_account", &tenant.virtual_account)) required disabled[!administer]; }
                }
                div.field { label for="sync_minutes" { "Sync with Cisco every (minutes)" }
                    input id="sync_minutes" type="number" name="sync_minutes" required min="0" max="44640"
                        value=(typed("sync_minutes", &tenant.sync_minutes.to_string())) disabled[!administer]; }
                @if administer { div { button.first { "Save" } } }
            }
            (self.tenancy.standing(ask))
            p.soft { "Names are case-sensitive. One Smart Account and Virtual Account pair at a time: saving "
                "another replaces it. 0 minutes: reports go to Cisco as soon as they come. The schedule explains "
                "how long an acknowledgement takes to come back." }
            @match &self.accounts {
                Accounts::NoCssm => p.note { "This server was started without the address of CSSM (--cssm): "
                    "everything goes by file." },
                Accounts::NoLogin if tenant.connected => p.note {
                    "Login to Cisco (top right) to choose from the list of accounts." },
                Accounts::Failed(why) => p.note.bad role="alert" {
                    "The accounts at Cisco could not be listed: " (why) },
                _ => {}
            }
        }
    }
}

/// Stands between the names of a pair: no name holds one.
const PAIR: char = '\u{1f}';

/// A choice of Smart Account and Virtual Account. Each virtual account stands under its own smart account and is chosen with
/// it, so that no two can be chosen that do not belong together; what is set now is always among them.
fn choices(tenant: &Tenant, accounts: &[CiscoAccount]) -> Markup {
    let own = (tenant.smart_account.as_str(), tenant.virtual_account.as_str());
    let is_seen = accounts.iter().any(|account| {
        account.name == own.0 && account.virtual_accounts.iter().any(|(_, name)| name == own.1)
    });
    let pair = |sa: &str, va: &str| format!("{sa}{PAIR}{va}");
    html! {
        div.field {
            label for="virtual_account" { "Smart Account and Virtual Account" }
            select id="virtual_account" name="virtual_account" required {
                @if !is_seen && tenant.has_account() {
                    option value=(pair(own.0, own.1)) selected { (own.0) " / " (own.1) " (this login does not see it)" }
                }
                @for account in accounts {
                    optgroup label=(account.name) {
                        @for (_, name) in &account.virtual_accounts {
                            option value=(pair(&account.name, name))
                                selected[account.name == own.0 && name == own.1] { (account.name) " / " (name) }
                        }
                    }
                }
            }
        }
    }
}

/// Saves them.
pub(super) struct Save;

impl Post<CollectorSite> for Save {
    type Page = Preferences;
    const AT: &'static str = "/tenants/{tenant}/preferences";
    const ACCESS: Access = Access::May(Action::Administer);

    fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenancy = Tenancy::read(site, ask)?;
        let chosen = ask.typed("virtual_account");
        let (smart_account, virtual_account) = match chosen.split_once(PAIR) {
            Some(pair) => pair,
            None => (ask.typed("smart_account"), chosen),
        };
        let sync_minutes = ask.typed("sync_minutes").parse();
        let settings = TenantSettings {
            smart_account: smart_account.to_owned(),
            virtual_account: virtual_account.to_owned(),
            connected: ask.typed("connected") == "on",
            sync_minutes: sync_minutes.map_err(|_| Error::invalid("minutes are a whole number"))?,
        };
        wait(api::change_settings(site, ask.caller.actor(), tenancy.tenant.id, settings))?;
        Ok(Done::at(tenancy.at("/preferences"), "Saved."))
    }
}
