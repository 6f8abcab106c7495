//! Where somebody is at a collector: a tenant, which a CSLU has one of.

use maud::{Markup, html};
use rumline_collector::{Action, Error, Tenant, TenantId};

use crate::collector::CollectorSite;
use crate::page::Tab;
use crate::ui::{Around, Ask};

/// The tab of SSM On-Prem's inventory (ONPREM-008).
pub(super) const POLICY_TAB: &str = "SL Using Policy";

/// The address of a tenant's product instances.
pub(super) fn home(tenant: TenantId) -> String {
    format!("/tenants/{tenant}")
}

/// What is not known of the account of a tenant yet, and when it will be.
pub(super) fn not_asked(tenant: &Tenant) -> &'static str {
    if tenant.connected {
        "Whether CSSM has such a Smart Account and Virtual Account is known once somebody has logged in to Cisco."
    } else {
        "Whether CSSM has such a Smart Account and Virtual Account is known once a file is uploaded there."
    }
}

/// A tenant.
pub(super) struct Tenancy {
    pub tenant: Tenant,
    pub is_cslu: bool,
}

impl Tenancy {
    pub(super) fn read(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        let tenant = site.collector.tenant(ask.id("tenant")?)?;
        Ok(Self { tenant, is_cslu: site.is_cslu() })
    }

    /// An address of it.
    pub(super) fn at(&self, rest: &str) -> String {
        format!("{}{rest}", home(self.tenant.id))
    }

    pub(super) fn may(&self, ask: &Ask, action: Action) -> bool {
        ask.may(action, self.tenant.id.into(), None)
    }

    /// What the list of its product instances is called.
    pub(super) fn list_name(&self) -> &'static str {
        if self.is_cslu { "Product Instances" } else { POLICY_TAB }
    }

    pub(super) fn around(&self, site: &CollectorSite, ask: &Ask, title: &str) -> Around {
        let mut tabs: Vec<Tab> = Vec::new();
        if !self.is_cslu {
            tabs.push(("/tenants".to_owned(), "License Workspace"));
        }
        tabs.extend([
            (self.at("/overview"), "Overview"),
            (self.at(""), self.list_name()),
            (self.at("/preferences"), "Preferences"),
            (self.at("/transfers"), "Files"),
            (self.at("/licenses"), "Licenses"),
            (self.at("/events"), "Events"),
        ]);
        if self.may(ask, Action::Operate) && !self.is_cslu {
            tabs.push((self.at("/tokens"), "Tokens"));
        }
        if self.may(ask, Action::Administer) && !self.is_cslu {
            tabs.push((self.at("/people"), "People"));
        }
        if ask.caller.may_at_all(Action::AdministerAll).is_ok() {
            tabs.push(("/admin".to_owned(), "Admin Workspace"));
        }
        let title =
            if self.is_cslu { title.to_owned() } else { format!("{title}: {}", self.tenant.name) };
        Around { title, tabs, corner: self.corner(site, ask) }
    }

    /// `Login to Cisco`, at the top right (CSLU-009).
    fn corner(&self, site: &CollectorSite, ask: &Ask) -> Option<Markup> {
        let address = self.at("/cisco");
        if !self.tenant.connected || !self.may(ask, Action::Administer) || ask.at == address {
            return None;
        }
        Some(match site.cisco_login(self.tenant.id) {
            Some(login) => html! {
                span.good { "Cisco: " (login.login) }
                form method="post" action=(format!("{address}/logout")) { button { "Log out of Cisco" } }
            },
            None => html! { a.button href=(address) { "Login to Cisco" } },
        })
    }

    /// Where this is, in the words of the guide.
    pub(super) fn head(&self, title: &str) -> Markup {
        html! {
            @if self.is_cslu {
                h1 { (title) }
            } @else {
                p.path { "On-Prem License Workspace: Smart Software Manager On-Prem > Smart Licensing > "
                    @if title == POLICY_TAB { "Inventory > " } (title) }
                h1 { (self.tenant.name) ": " (title) }
            }
        }
    }

    /// Whose it is, and how it stands with Cisco.
    pub(super) fn standing(&self, ask: &Ask) -> Markup {
        let tenant = &self.tenant;
        html! {
            p {
                @if tenant.has_account() {
                    (tenant.smart_account) " / " (tenant.virtual_account) " "
                } @else {
                    strong { "No Smart Account and Virtual Account chosen yet. " }
                    a href=(self.at("/preferences")) { "Choose them in Preferences" } " "
                }
                span.badge.good[tenant.connected] { (tenant.connectivity()) }
                @if tenant.connected && tenant.has_account() && !tenant.registered {
                    " " span.bad { "CSSM does not know this server yet: Login to Cisco." }
                }
                @if tenant.has_account() && !tenant.registered { " " span.soft { (not_asked(tenant)) } }
                @if tenant.connected && tenant.registered {
                    " Last exchange with Cisco: " (ask.time(tenant.last_sync_at))
                }
            }
            @if let Some(error) = &tenant.sync_error {
                p.note.bad role="status" { "Cisco could not be reached or refused: " (error) ". What was reported waits here." }
            }
        }
    }
}
