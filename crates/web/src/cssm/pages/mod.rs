//! The pages of CSSM (guide p. 15, 41-45, 58-60; CSSM-009 to 021): Alerts, Inventory, Reports, and ours beside them. Each is
//! a file of its own.

mod account_audit;
mod account_license;
mod accounts;
mod alert_about;
mod alerts;
mod all_instances;
mod claims;
mod collectors;
mod delta;
mod epochs;
mod event_log;
mod found;
mod general;
mod instance;
mod instance_transfers;
mod instances;
mod inventory;
mod jobs;
mod license;
mod licenses;
mod mail;
mod overview;
mod overview_licenses;
mod part_settings;
mod place;
mod policies;
mod policy;
mod policy_of;
mod policy_trial;
mod purchase;
mod purchases;
mod report;
mod select;
mod settings;
mod transfer;
mod transfer_balances;
mod usage_files;
mod use_over_time;
mod webhooks;

use maud::{Markup, html};
use rumline_cssm::{Action, Error, Only};
use rumline_server::ScopeId;

use crate::cssm::CssmSite;
use crate::shared::{self, Frames};
use crate::site::Route;
use crate::ui::{Around, Ask, Call as _, Page as _, Post as _, Upload as _};

/// All pages and their forms.
pub(super) fn routes() -> Vec<Route<CssmSite>> {
    let mut routes = accounts::ways();
    routes.extend(shared::routes());
    routes.extend([
        accounts::Accounts::route(),
        accounts::Create::route(),
        overview::Overview::route(),
        overview::CreatePart::route(),
        alerts::Alerts::route(),
        alerts::Acknowledge::route(),
        alerts::Settle::route(),
        claims::Claims::route(),
        claims::Accept::route(),
        claims::Dismiss::route(),
        general::General::route(),
        general::CreateToken::route(),
        general::Revoke::route(),
        general::token_file(),
        licenses::Licenses::route(),
        transfer::Transfer::route(),
        transfer::HandOn::route(),
        license::License::route(),
        account_license::AccountLicense::route(),
        instances::Instances::route(),
        all_instances::AllInstances::route(),
        instance_transfers::Transfer::route(),
        instance_transfers::TransferAll::route(),
        instance::Instance::route(),
        instance::Remove::route(),
        epochs::Choose::route(),
        part_settings::PartSettings::route(),
        part_settings::Rename::route(),
        part_settings::Merge::route(),
        part_settings::Close::route(),
        report::Report::route(),
        usage_files::UsageFiles::route(),
        usage_files::Choose::route(),
        usage_files::Move::route(),
        select::Select::route(),
        select::UploadChosen::route(),
        policies::Policies::route(),
        policy::OnePolicy::route(),
        policy::Set::route(),
        policy::TakeBack::route(),
        use_over_time::UseOverTime::route(),
        delta::Delta::route(),
        purchases::Purchases::route(),
        purchases::Record::route(),
        purchase::OnePurchase::route(),
        purchase::Correct::route(),
        event_log::EventLog::route(),
        settings::Settings::route(),
        settings::Rename::route(),
        settings::Merge::route(),
        settings::Close::route(),
        account_audit::AccountAudit::route(),
        jobs::Jobs::route(),
        jobs::Cancel::route(),
        collectors::Collectors::route(),
        collectors::Remove::route(),
        webhooks::Webhooks::route(),
        webhooks::Create::route(),
        webhooks::OneWebhook::route(),
        webhooks::Test::route(),
        webhooks::Remove::route(),
        mail::OwnMail::route(),
        mail::Wish::route(),
        mail::Test::route(),
        mail::NoMore::route(),
        mail::Sent::route(),
    ]);
    routes
}

impl Frames for CssmSite {
    const PEOPLE_AT: &'static str = "/smart-accounts/{sa}/people";
    const GRANT_AT: &'static str = "/smart-accounts/{sa}/people/grant";
    const TAKE_BACK_AT: &'static str = "/smart-accounts/{sa}/people/take-back";
    const SCOPE_NAME: &'static str = "Smart Account";

    fn around(&self, ask: &Ask, title: String) -> Around {
        let mut tabs = vec![("/smart-accounts".to_owned(), "Smart Accounts")];
        if ask.caller.may_at_all(Action::AdministerAll).is_ok() {
            tabs.push(("/people".to_owned(), "People"));
            tabs.push(("/audit".to_owned(), "Audit"));
            tabs.push(("/mail".to_owned(), "E-mail"));
        }
        Around { title, tabs, corner: None }
    }

    fn around_scope(&self, ask: &Ask, title: String) -> Around {
        match place::Place::read(self, ask) {
            Ok(place) => place.around(self, ask, title),
            Err(_) => self.around(ask, title),
        }
    }

    fn scopes(&self) -> Result<Vec<(ScopeId, String)>, Error> {
        let all = self.cssm.smart_accounts(&Only::All)?;
        Ok(all.into_iter().map(|account| (account.id.into(), account.name)).collect())
    }

    fn more_of_oneself(&self, _: &Ask) -> Option<Markup> {
        Some(html! { p { a href="/me/mail" { "Alerts by e-mail" } } })
    }
}
