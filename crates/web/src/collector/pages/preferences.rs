//! Preferences: Cisco Connectivity, Smart Account and Virtual Account, chosen when connected, typed when not (guide p. 24, 34;
//! CSLU-010 to 013).

use std::sync::Arc;

use maud::{Markup, html};
use rumline_collector::{Action, Error, Tenant, TenantSettings};

use super::tenancy::{Tenancy, home, not_asked};
use crate::collector::{CiscoAccount, CollectorSite, api};
use crate::problem::Problem;
use crate::site::{Access, blocking};
use crate::ui::{Around, Ask, Call, Changes, Done, Page, Seen};

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
        Ok(Self { tenancy: Tenancy::read(site, ask)?, accounts: Accounts::NotAsked })
    }

    async fn read(site: CollectorSite, ask: Arc<Ask>) -> Result<Self, Problem> {
        let (state, asked) = (site.clone(), Arc::clone(&ask));
        let mut page = blocking(move || Self::load(&state, &asked)).await?;
        // Whoever may not choose is not shown what there is to choose from.
        let asks = page.tenancy.tenant.connected && page.tenancy.may(&ask, Action::Administer);
        page.accounts = match (&site.cisco, site.cisco_login(page.tenancy.tenant.id)) {
            (None, _) => Accounts::NoCssm,
            (Some(_), None) => Accounts::NoLogin,
            (Some(_), Some(_)) if !asks => Accounts::NotAsked,
            (Some(cisco), Some(login)) => match cisco.accounts(&login.token).await {
                Ok(accounts) => Accounts::Found(accounts),
                Err(error) => Accounts::Failed(error.to_string()),
            },
        };
        Ok(page)
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
                (self.seen().field(ask, &self.tenancy.at("/preferences")))
                label.check for="connected" {
                    input id="connected" type="checkbox" role="switch" name="connected" value="on"
                        checked[connected] disabled[!administer] data-on="Cisco Is Available" data-off="Cisco Is Not Available";
                    span { "Cisco Connectivity: " strong {
                        @if connected { "Cisco Is Available" } @else { "Cisco Is Not Available" }
                    } }
                }
                @if let Accounts::Found(accounts) = &self.accounts {
                    (choices(tenant, accounts, ask.typed("virtual_account")))
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

impl Preferences {
    fn seen(&self) -> Seen {
        let tenant = &self.tenancy.tenant;
        Seen::of([
            ("Cisco Connectivity", tenant.connectivity().to_owned()),
            ("Smart Account", tenant.smart_account.clone()),
            ("Virtual Account", tenant.virtual_account.clone()),
            ("minutes between two syncs", tenant.sync_minutes.to_string()),
        ])
    }
}

/// Stands between the names of a pair: no name holds one.
const PAIR: char = '\u{1f}';

/// A choice of Smart Account and Virtual Account. Each virtual account stands under its own smart account and is chosen with
/// it, so that no two can be chosen that do not belong together; what is set now is always among them.
fn choices(tenant: &Tenant, accounts: &[CiscoAccount], typed: &str) -> Markup {
    let own = (tenant.smart_account.as_str(), tenant.virtual_account.as_str());
    let is_seen = accounts.iter().any(|account| {
        account.name == own.0 && account.virtual_accounts.iter().any(|(_, name)| name == own.1)
    });
    let pair = |sa: &str, va: &str| format!("{sa}{PAIR}{va}");
    // What was chosen stays chosen when it is refused.
    let chosen = if typed.is_empty() { pair(own.0, own.1) } else { typed.to_owned() };
    html! {
        div.field {
            label for="virtual_account" { "Smart Account and Virtual Account" }
            select id="virtual_account" name="virtual_account" required {
                @if !tenant.has_account() { option value="" { "choose one" } }
                @if !is_seen && tenant.has_account() {
                    option value=(pair(own.0, own.1)) selected[chosen == pair(own.0, own.1)] { (own.0) " / " (own.1) " (this login does not see it)" }
                }
                @for account in accounts {
                    optgroup label=(account.name) {
                        @for (_, name) in &account.virtual_accounts {
                            option value=(pair(&account.name, name))
                                selected[pair(&account.name, name) == chosen] { (account.name) " / " (name) }
                        }
                    }
                }
            }
        }
    }
}

/// Saves them.
pub(super) struct Save;

impl Call<CollectorSite> for Save {
    type Page = Preferences;
    const AT: &'static str = "/tenants/{tenant}/preferences";
    const ACCESS: Access = Access::May(Action::Administer);
    const CHANGES: Changes<Preferences> = Some(|page, _| page.seen());

    async fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenant = ask.id("tenant")?;
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
        let saved = api::change_settings(site, ask.caller.actor(), tenant, settings).await?;
        let said = if saved.has_account() && !saved.registered {
            format!("Saved. {}", not_asked(&saved))
        } else {
            "Saved.".to_owned()
        };
        Ok(Done::at(format!("{}/preferences", home(tenant)), said))
    }
}
