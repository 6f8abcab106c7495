//! The table of CSSM's routes.

use rumline_server::Action;

use crate::cssm::{CssmSite, api, pages, receiver};
use crate::site::{Access, Route, UPLOAD_BYTES_MAX, route};
use crate::{page, people};

use Access::{Anyone, LoggedIn, May};
use Action::{Administer, AdministerAll, Operate, View};

/// Every route of CSSM.
#[must_use]
pub fn cssm_routes() -> Vec<Route<CssmSite>> {
    vec![
        route!(get "/licservice/license", Anyone, "The page of the smart receiver.", None, "\"This is the Smart Receiver!\"", receiver::landing),
        route!(post "/licservice/license", Anyone, "A message of a product instance; see docs/protocol.md.", Some("{\"message_version\":\"1.3\"}"), "{\"status\":\"OK\"}", receiver::message).for_machines(),
        route!(post "/licservice/collect", Anyone, "A bundle that a registered collector brings; see docs/protocol.md.", Some("\"a tar.gz file\""), "\"a tar.gz file\"", api::collect).for_machines(),
        route!(get "/healthz", Anyone, "Whether the server works.", None, "\"ok\"", api::health),
        route!(get "/openapi.json", Anyone, "This document.", None, "{}", api::openapi_document),
        route!(get "/root.pem", Anyone, "The root certificate devices are provisioned with.", None, "\"-----BEGIN CERTIFICATE-----\"", api::root_certificate),
        route!(post "/api/v1/login", Anyone, "Exchanges login and password for an API token, to be sent as Bearer.", Some("{\"login\":\"admin\",\"password\":\"…\"}"), "{\"token\":\"…\"}", api::log_in),
        route!(post "/api/v1/logout", LoggedIn, "Ends the login of the API token.", None, "{}", api::log_out),
        route!(get "/api/v1/me", LoggedIn, "Who is logged in, and what they may do where.", None, "{\"login\":\"admin\",\"role\":\"administrator\",\"roles\":[{\"role\":\"administrator\",\"smart_account_id\":null,\"virtual_account_id\":null}]}", people::me::<CssmSite>),
        route!(post "/api/v1/me/password", LoggedIn, "Gives oneself another password; all logins under the old one end.", Some("{\"old\":\"…\",\"new\":\"…\"}"), "{}", people::own_password::<CssmSite>),
        route!(get "/api/v1/people", May(AdministerAll), "All people, and programs that log in as people do.", None, "[{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}]", people::list::<CssmSite>),
        route!(post "/api/v1/people", May(AdministerAll), "Adds a person; without a password a program, whose secret is answered once.", Some("{\"login\":\"eve\",\"password\":\"…\",\"role\":\"viewer\",\"smart_account_id\":1}"), "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::create::<CssmSite>),
        route!(get "/api/v1/people/{login}", May(AdministerAll), "One of them.", None, "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::one::<CssmSite>),
        route!(delete "/api/v1/people/{login}", May(AdministerAll), "Removes somebody; what they did stays told.", None, "{}", people::remove::<CssmSite>),
        route!(post "/api/v1/people/{login}/password", May(AdministerAll), "Gives a person another password.", Some("{\"password\":\"…\"}"), "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::set_password::<CssmSite>),
        route!(post "/api/v1/people/{login}/secret", May(AdministerAll), "Makes another secret for a program, which is answered once.", None, "{\"login\":\"robot\",\"secret\":\"…\"}", people::renew_secret::<CssmSite>),
        route!(post "/api/v1/people/{login}/disable", May(AdministerAll), "Lets somebody log in no more.", None, "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::disable::<CssmSite>),
        route!(post "/api/v1/people/{login}/enable", May(AdministerAll), "Lets somebody log in again.", None, "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::enable::<CssmSite>),
        route!(put "/api/v1/people/{login}/roles", May(AdministerAll), "Grants a role, in the place of what was granted for the same before; with no account named for everything.", Some("{\"role\":\"viewer\",\"smart_account_id\":1}"), "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::grant::<CssmSite>),
        route!(delete "/api/v1/people/{login}/roles", May(AdministerAll), "Takes back the role for what the query names; for everything if it names nothing.", None, "{}", people::take_back::<CssmSite>),
        route!(get "/api/v1/smart-accounts/{sa}/people", May(Administer), "The people of the account, with their roles in it.", None, "[{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}]", people::list_in::<CssmSite>),
        route!(post "/api/v1/smart-accounts/{sa}/people", May(Administer), "Adds a person, or without a password a program, with a role in the account.", Some("{\"login\":\"ann\",\"password\":\"…\",\"role\":\"viewer\"}"), "{\"login\":\"eve\",\"kind\":\"person\",\"roles\":[{\"role\":\"viewer\",\"smart_account_id\":1,\"virtual_account_id\":null}],\"created_at\":1700000000,\"disabled_at\":null}", people::create_in::<CssmSite>),
        route!(put "/api/v1/smart-accounts/{sa}/people/{login}/roles", May(Administer), "Grants somebody a role in the account, or in one virtual account of it.", Some("{\"role\":\"viewer\"}"), "{}", people::grant_in::<CssmSite>),
        route!(delete "/api/v1/smart-accounts/{sa}/people/{login}/roles", May(Administer), "Takes a role in the account back.", None, "{}", people::take_back_in::<CssmSite>),
        route!(get "/api/v1/smart-accounts", LoggedIn, "The smart accounts the caller may see.", None, "[{\"id\":1,\"name\":\"Example\",\"domain\":\"example.net\"}]", api::smart_accounts),
        route!(post "/api/v1/smart-accounts", May(AdministerAll), "Creates a smart account with its virtual account Default.", Some("{\"name\":\"Example\",\"domain\":\"example.net\"}"), "{\"id\":1,\"name\":\"Example\",\"domain\":\"example.net\"}", api::create_smart_account),
        route!(get "/api/v1/smart-accounts/{sa}/virtual-accounts", May(View), "The virtual accounts.", None, "[{\"id\":1,\"name\":\"Default\"}]", api::virtual_accounts).in_parts(),
        route!(post "/api/v1/smart-accounts/{sa}/virtual-accounts", May(Administer), "Creates a virtual account.", Some("{\"name\":\"Lab\"}"), "{\"id\":2,\"name\":\"Lab\"}", api::create_virtual_account),
        route!(post "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/purchases", May(Administer), "Records a purchase; times in seconds since 1970.", Some("{\"license\":\"LAN_ENTERPRISE_SERVICES_PKG\",\"quantity\":10,\"kind\":\"PERPETUAL\",\"starts_at\":1700000000,\"ends_at\":null}"), "{}", api::add_purchase),
        route!(get "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/tokens", May(Operate), "The registration tokens, newest first.", None, "[{\"id\":1,\"value\":\"…\",\"uses\":0}]", api::tokens),
        route!(post "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/tokens", May(Operate), "Creates a registration token.", Some("{\"description\":\"lab\",\"expires_after_days\":30,\"uses_max\":null}"), "{\"id\":1,\"value\":\"…\"}", api::create_token),
        route!(post "/api/v1/smart-accounts/{sa}/tokens/{id}/revoke", May(Operate), "Revokes a registration token.", None, "{\"id\":1,\"revoked_at\":1700000000}", api::revoke_token),
        route!(get "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/policy", May(View), "The policy in force.", None, "{\"policy_name\":\"Cisco default\"}", api::policy),
        route!(put "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/policy", May(Administer), "Sets the policy of a virtual account.", Some("{\"policy_name\":\"Quarterly\",\"reporting_ack_required\":true,\"unenforced\":{\"first_report_days\":30,\"ongoing_report_days\":90,\"on_change_report_days\":30},\"enforced\":{\"first_report_days\":0,\"ongoing_report_days\":0,\"on_change_report_days\":0},\"export\":{\"first_report_days\":0,\"ongoing_report_days\":0,\"on_change_report_days\":0}}"), "{}", api::set_policy),
        route!(delete "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/policy", May(Administer), "Returns a virtual account to the account's policy.", None, "{}", api::remove_policy),
        route!(put "/api/v1/smart-accounts/{sa}/policy", May(Administer), "Sets the policy of the whole account.", Some("{\"policy_name\":\"Quarterly\",\"reporting_ack_required\":true,\"unenforced\":{\"first_report_days\":30,\"ongoing_report_days\":90,\"on_change_report_days\":30},\"enforced\":{\"first_report_days\":0,\"ongoing_report_days\":0,\"on_change_report_days\":0},\"export\":{\"first_report_days\":0,\"ongoing_report_days\":0,\"on_change_report_days\":0}}"), "{}", api::set_account_policy),
        route!(delete "/api/v1/smart-accounts/{sa}/policy", May(Administer), "Returns the account to the Cisco default.", None, "{}", api::remove_account_policy),
        route!(get "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/policy-file", May(View), "The policy as an XML file for license smart import.", None, "\"<?xml …\"", api::policy_file),
        route!(get "/api/v1/smart-accounts/{sa}/product-instances", May(View), "The product instances; `after` and `limit` page through them.", None, "[{\"id\":1,\"name\":\"leaf-101\",\"pid\":\"N9K-C93180YC-FX3\"}]", api::instances).in_parts(),
        route!(get "/api/v1/smart-accounts/{sa}/product-instances/{id}", May(View), "One product instance.", None, "{\"id\":1,\"name\":\"leaf-101\"}", api::instance),
        route!(get "/api/v1/smart-accounts/{sa}/alerts", May(View), "What somebody has to look at, open alerts first.", None, "[{\"id\":1,\"kind\":\"clone\",\"subject\":\"PID:…,SN:…\"}]", api::alerts),
        route!(post "/api/v1/smart-accounts/{sa}/alerts/{id}/clear", May(Operate), "Settles an alert.", None, "{}", api::clear_alert),
        route!(get "/api/v1/smart-accounts/{sa}/claims", May(View), "Product instances that turned up where they do not belong, or with another key.", None, "[{\"id\":1,\"kind\":\"other key\",\"serial\":\"…\"}]", api::claims),
        route!(post "/api/v1/smart-accounts/{sa}/claims/{id}/dismiss", May(Administer), "Turns such a product instance away.", None, "{}", api::dismiss_claim).takes_all(),
        route!(post "/api/v1/smart-accounts/{sa}/claims/{id}/accept", May(Administer), "Takes such a product instance: its key replaces the known one, or it moves here.", None, "{}", api::accept_claim).takes_all(),
        route!(post "/api/v1/smart-accounts/{sa}/product-instances/{id}/transfer", May(Administer), "Moves a product instance to another virtual account of the smart account.", Some("{\"virtual_account_id\":1}"), "{\"id\":1,\"virtual_account_id\":1}", api::transfer_instance),
        route!(post "/api/v1/smart-accounts/{sa}/product-instances/{id}/epoch", May(Administer), "Chooses which of two product instances that speak as one goes on, by its epoch.", Some("{\"epoch\":\"\"}"), "{\"id\":1}", api::choose_epoch),
        route!(delete "/api/v1/smart-accounts/{sa}/product-instances/{id}", May(Operate), "Removes a product instance and frees its licences.", None, "{}", api::remove_instance),
        route!(get "/api/v1/smart-accounts/{sa}/product-instances/{id}/reports", May(View), "The RUM reports of a product instance; `after` and `limit` page through them.", None, "[{\"report_id\":1700000000,\"count_seconds\":3600}]", api::reports),
        route!(get "/api/v1/smart-accounts/{sa}/licenses", May(View), "Licences purchased against in use.", None, "[{\"license\":\"LAN_ENTERPRISE_SERVICES_PKG\",\"purchased\":10,\"in_use\":3,\"balance\":7}]", api::licenses).in_parts(),
        route!(get "/api/v1/smart-accounts/{sa}/usage-files", May(View), "The uploaded usage files, newest first.", None, "[{\"id\":1,\"name\":\"all_rum.txt\",\"status\":\"No Errors\"}]", api::usage_files).in_parts(),
        route!(post "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/usage-files", May(Operate), "Uploads a usage file: the body is the file, the query parameter `name` its name.", Some("\"the file\""), "{\"id\":1,\"status\":\"No Errors\",\"reports_new\":2}", api::upload_usage),
        route!(get "/api/v1/smart-accounts/{sa}/usage-files/{id}", May(View), "One uploaded usage file and how far it is.", None, "{\"id\":1,\"status\":\"Processing\"}", api::usage_file),
        route!(get "/api/v1/smart-accounts/{sa}/usage-files/{id}/acknowledgement", May(View), "The ACK file of an uploaded usage file.", None, "\"<?xml …\"", api::acknowledgement),
        route!(get "/api/v1/smart-accounts/{sa}/collectors", May(View), "The CSLU and SSM On-Prem servers that are registered.", None, "[{\"id\":1,\"kind\":\"CSLU\",\"name\":\"lab\"}]", api::collectors).in_parts(),
        route!(post "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/collectors", May(Operate), "Registers a collector for a virtual account; see docs/protocol.md.", Some("{\"kind\":\"CSLU\",\"name\":\"lab\",\"public_key\":\"…\",\"proof\":\"…\"}"), "{\"id\":1}", api::register_collector),
        route!(delete "/api/v1/smart-accounts/{sa}/collectors/{id}", May(Operate), "Removes a collector: what it brings is refused.", None, "{}", api::remove_collector),
        route!(get "/api/v1/smart-accounts/{sa}/events", May(View), "What happened in the account, newest first.", None, "[{\"at\":1700000000,\"login\":\"admin\",\"text\":\"…\"}]", api::events),
        route!(get "/api/v1/smart-accounts/{sa}/usage-files/{id}/set-aside", May(View), "The product instances that an uploaded file would move.", None, "[{\"pid\":\"…\",\"serial\":\"…\",\"virtual_account\":\"Lab\"}]", api::set_aside).takes_all(),
        route!(post "/api/v1/smart-accounts/{sa}/usage-files/{id}/set-aside/move", May(Administer), "Moves them, and takes in what the file holds of them.", None, "{\"id\":2,\"status\":\"No Errors\"}", api::move_set_aside).takes_all(),
        route!(get "/api/v1/audit", May(AdministerAll), "What was done and refused on this server, newest first; `before` pages back.", None, "[{\"id\":1,\"action\":\"login\",\"outcome\":\"done\"}]", api::audit),
        route!(page post "/smart-accounts/{sa}/usage-files/{id}/move", May(Administer), pages::move_set_aside).takes_all(),
        route!(page get "/style.css", Anyone, page::style),
        route!(page get "/page.js", Anyone, page::script),
        route!(page get "/login", Anyone, page::show_login::<CssmSite>),
        route!(page post "/login", Anyone, page::log_in::<CssmSite>),
        route!(page post "/logout", LoggedIn, page::log_out::<CssmSite>),
        route!(page get "/", LoggedIn, pages::root),
        route!(page get "/smart-accounts/{sa}/usage-files", May(View), pages::usage_files),
        route!(page post "/smart-accounts/{sa}/usage-files", May(Operate), pages::upload_usage).taking(UPLOAD_BYTES_MAX),
    ]
}
