//! The screens of CSLU (guide p. 24, 34-36; CSLU-009 to 017) and of SSM On-Prem (p. 30, 72-75; ONPREM-008 to 015), each a
//! file of its own.

mod admin;
mod cisco;
mod events;
mod files;
mod instance;
mod instance_deeds;
mod instances;
mod licenses;
mod overview;
mod preferences;
mod tenancy;
mod tokens;
mod uploads;
mod workspace;

use rumline_collector::{Action, Error};
use rumline_server::{Only, ScopeId};

use crate::collector::{CollectorSite, api};
use crate::shared::{self, Frames};
use crate::site::{Access, Route, route};
use crate::ui::{Around, Ask, Call as _, Page as _, Post as _, Upload as _};

/// All pages and their forms.
pub(super) fn routes() -> Vec<Route<CollectorSite>> {
    let mut routes = shared::routes();
    routes.extend([
        workspace::way_in(),
        workspace::Workspace::route(),
        workspace::Create::route(),
        admin::Admin::route(),
        overview::Overview::route(),
        instances::Instances::route(),
        instance_deeds::Add::route(),
        instance_deeds::Remove::route(),
        instance_deeds::SyncInstances::route(),
        instance_deeds::Sync::route(),
        instance_deeds::export_route(),
        uploads::Import::route(),
        uploads::ImportCsv::route(),
        route!(page get "/tenants/{tenant}/product-instances.csv", Access::May(Action::View), api::export_csv),
        instance::Instance::route(),
        instance::Accept::route(),
        instance::Dismiss::route(),
        preferences::Preferences::route(),
        preferences::Save::route(),
        cisco::CiscoPage::route(),
        cisco::LogIn::route(),
        cisco::LogOut::route(),
        files::Files::route(),
        files::again_route(),
        licenses::Licenses::route(),
        tokens::Tokens::route(),
        tokens::Create::route(),
        tokens::Revoke::route(),
        events::Events::route(),
    ]);
    routes
}

impl Frames for CollectorSite {
    const PEOPLE_AT: &'static str = "/tenants/{tenant}/people";
    const GRANT_AT: &'static str = "/tenants/{tenant}/people/grant";
    const TAKE_BACK_AT: &'static str = "/tenants/{tenant}/people/take-back";
    const SCOPE_NAME: &'static str = "Tenant";

    fn around(&self, ask: &Ask, title: String) -> Around {
        let mut tabs = Vec::new();
        if self.is_cslu() {
            tabs.push((
                tenancy::home(rumline_collector::Collector::CSLU_TENANT),
                "Product Instances",
            ));
        } else {
            tabs.push(("/tenants".to_owned(), "License Workspace"));
        }
        if ask.caller.may_at_all(Action::AdministerAll).is_ok() {
            tabs.push(("/admin".to_owned(), "Admin Workspace"));
            tabs.push(("/people".to_owned(), "People"));
            tabs.push(("/audit".to_owned(), "Audit"));
        }
        Around { title, tabs, corner: None }
    }

    fn around_scope(&self, ask: &Ask, title: String) -> Around {
        match tenancy::Tenancy::read(self, ask) {
            Ok(tenancy) => tenancy.around(self, ask, &title),
            Err(_) => self.around(ask, title),
        }
    }

    fn scopes(&self) -> Result<Vec<(ScopeId, String)>, Error> {
        let all = self.collector.tenants(&Only::All)?.into_iter();
        let name = |name: String| if name.is_empty() { "this CSLU".to_owned() } else { name };
        Ok(all.map(|tenant| (tenant.id.into(), name(tenant.name))).collect())
    }
}
