//! Login to Cisco (guide p. 34; CSLU-009).

use maud::{Markup, html};
use rumline_collector::{Action, Error};

use super::tenancy::{Tenancy, home};
use crate::collector::{CollectorSite, api};
use crate::problem::Problem;
use crate::site::Access;
use crate::ui::form::{Field, Kind, form};
use crate::ui::{Around, Ask, Call, Done, Page};

pub(super) struct CiscoPage {
    tenancy: Tenancy,
}

impl Page<CollectorSite> for CiscoPage {
    const AT: &'static str = "/tenants/{tenant}/cisco";
    const ACCESS: Access = Access::May(Action::Administer);

    fn load(site: &CollectorSite, ask: &Ask) -> Result<Self, Error> {
        Ok(Self { tenancy: Tenancy::read(site, ask)? })
    }

    fn around(&self, site: &CollectorSite, ask: &Ask) -> Around {
        self.tenancy.around(site, ask, "Login to Cisco")
    }

    fn show(&self, _: &CollectorSite, ask: &Ask) -> Markup {
        let fields = [
            Field::text("login", "CCO User Name"),
            Field::text("password", "CCO Password").kind(Kind::Secret("off")),
            Field::text("code", "Code")
                .optional()
                .help("Of the second factor, if there is one: of the app, or a recovery code."),
        ];
        html! {
            h1 { "Login to Cisco" }
            (form(ask, &self.tenancy.at("/cisco"), &fields, "Login to Cisco"))
            p.soft { "An account on CSSM. It is needed to choose accounts and to register this server; "
                "the password is not kept." }
            p { a.button href=(self.tenancy.at("/preferences")) { "Back" } }
        }
    }
}

/// Logs in to Cisco.
pub(super) struct LogIn;

impl Call<CollectorSite> for LogIn {
    type Page = CiscoPage;
    const AT: &'static str = "/tenants/{tenant}/cisco";
    const ACCESS: Access = Access::May(Action::Administer);

    async fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenant = ask.id("tenant")?;
        let who = api::LogIn {
            login: ask.typed("login").to_owned(),
            password: ask.secret("password").to_owned(),
            code: Some(ask.typed("code").to_owned()).filter(|code| !code.is_empty()),
        };
        let now = api::log_in_to_cisco(site, tenant, who).await?;
        let refused = now.sync_error.as_ref().filter(|_| now.has_account());
        let said = match refused {
            Some(error) => {
                format!("You are logged in to Cisco, but this server is not known there: {error}.")
            }
            None => "You are logged in to Cisco.".to_owned(),
        };
        let to = format!("{}/preferences", home(tenant));
        Ok(Done::at(to, said).bad_if(refused.is_some()))
    }
}

/// Logs out of Cisco.
pub(super) struct LogOut;

impl Call<CollectorSite> for LogOut {
    type Page = CiscoPage;
    const AT: &'static str = "/tenants/{tenant}/cisco/logout";
    const ACCESS: Access = Access::May(Action::Administer);

    async fn act(site: &CollectorSite, ask: &Ask) -> Result<Done, Problem> {
        let tenant = ask.id("tenant")?;
        api::log_out_of_cisco(site, tenant).await;
        Ok(Done::at(format!("{}/preferences", home(tenant)), "You are logged out of Cisco."))
    }
}
