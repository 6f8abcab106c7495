//! The tables of a collector's routes.

use rumline_server::Action;

use crate::collector::{CollectorSite, api, device, id_tokens, onprem_v1, pages};
use crate::problem::Refusal;
use crate::site::NamedBy;
use crate::site::{Access, Route, route};
use crate::{identity, page, people, provider_login};

use Access::{Anyone, LoggedIn, May, Oneself};
use Action::{Administer, AdministerAll, Operate, View, ViewAll};

/// What product instances push to: `http://HOST:8182/cslu/v1/pi` and `https://HOST/cslu/v1/pi/TENANT_ID`.
#[must_use]
pub fn device_routes() -> Vec<Route<CollectorSite>> {
    vec![
        route!(post "/cslu/v1/pi", Anyone, "A message of a product instance to a CSLU; see docs/protocol.md.", Some("{\"message_version\":\"1.3\"}"), device::cslu_message).for_machines().for_devices(),
        route!(get "/cslu/v1/pi", Anyone, "A page that says that the URL can be reached.", None, device::cslu_page).for_devices(),
        route!(post "/cslu/v1/pi/{name}", Anyone, "A message of a product instance to a tenant of SSM On-Prem.", Some("{\"message_version\":\"1.3\"}"), device::tenant_message).for_machines().for_devices(),
        route!(get "/cslu/v1/pi/{name}", Anyone, "A page that says that the URL can be reached.", None, device::tenant_page).for_devices(),
        route!(get "/cslu/v1/health", Anyone, "Whether the server works, and which it is.", None, device::health),
        route!(post "/SmartTransport", Anyone, "A message of the smart transport: answered that it is not supported here.", None, device::smart_transport).for_machines().for_devices().also(&[404]),
        route!(post "/Transportgateway/services/DeviceRequestHandler", Anyone, "Call Home of switches of before Smart Licensing Using Policy, at an SSM On-Prem; all others are answered that it is not supported.", None, device::call_home).for_machines().for_devices().of_type("text/xml").also(&[404]),
        route!(post "/its/service/oddce/services/DDCEService", Anyone, "Call Home at the path of CSSM: answered that it is not supported here.", None, device::call_home_of_cssm).for_machines().for_devices().of_type("text/xml").also(&[404]),
        route!(page get "/style.css", Anyone, page::style),
        route!(page get "/page.js", Anyone, page::script),
    ]
}

/// The REST API and the pages.
#[must_use]
pub fn collector_routes() -> Vec<Route<CollectorSite>> {
    let mut routes = api_routes();
    routes.extend(identity::routes());
    routes.extend(v1_routes());
    routes.extend(page_routes());
    routes.extend(pages::routes());
    routes
}

fn api_routes() -> Vec<Route<CollectorSite>> {
    vec![
        route!(get "/metrics", May(ViewAll), "What the server measures of itself, for Prometheus: for whoever may look at everything.", None, crate::watched::metrics::<CollectorSite>),
        route!(get "/readyz", Anyone, "Whether the server can do its work now: its database takes writes and is its own, its keys are there. 503 says why not.", None, crate::watched::ready::<CollectorSite>),
        route!(get "/healthz", Anyone, "Whether the server works, and which it is.", None, device::health),
        route!(get "/openapi.json", Anyone, "This document.", None, api::openapi_document),
        route!(get "/root.pem", Anyone, "The root of this server's TLS certificates.", None, api::root_certificate),
        route!(post "/api/v1/login", Anyone, "Exchanges login and password, with a second factor its `code` too, for an API token, to be sent as Bearer.", Some("{\"login\":\"admin\",\"password\":\"…\"}"), api::log_in),
        route!(post "/api/v1/logout", LoggedIn, "Ends the login of the API token.", None, api::log_out),
        route!(get "/api/v1/compatibility", LoggedIn, "Which releases of NX-OS, smart agent, SSM On-Prem and CSLU go together.", None, api::compatibility),
        route!(get "/api/v1/me", LoggedIn, "Who is logged in, and what they may do where.", None, people::me::<CollectorSite>),
        route!(post "/api/v1/me/password", Oneself, "Gives oneself another password; all logins under the old one end.", Some("{\"old\":\"…\",\"new\":\"…\"}"), people::own_password::<CollectorSite>).holds_secret(),
        route!(get "/api/v1/people", May(AdministerAll), "All people, and programs that log in as people do.", None, people::list::<CollectorSite>),
        route!(post "/api/v1/people", May(AdministerAll), "Adds a person; without a password a program, whose secret is answered once.", Some("{\"login\":\"eve\",\"password\":\"…\",\"role\":\"viewer\",\"tenant_id\":1}"), people::create::<CollectorSite>).holds_secret(),
        route!(get "/api/v1/people/{login}", May(AdministerAll), "One of them.", None, people::one::<CollectorSite>),
        route!(delete "/api/v1/people/{login}", May(AdministerAll), "Removes somebody; what they did stays told.", None, people::remove::<CollectorSite>),
        route!(post "/api/v1/people/{login}/password", May(AdministerAll), "Gives a person another password.", Some("{\"password\":\"…\"}"), people::set_password::<CollectorSite>).holds_secret(),
        route!(post "/api/v1/people/{login}/secret", May(AdministerAll), "Makes another secret for a program, which is answered once.", None, people::renew_secret::<CollectorSite>).holds_secret(),
        route!(post "/api/v1/people/{login}/disable", May(AdministerAll), "Lets somebody log in no more.", None, people::disable::<CollectorSite>),
        route!(post "/api/v1/people/{login}/enable", May(AdministerAll), "Lets somebody log in again.", None, people::enable::<CollectorSite>),
        route!(put "/api/v1/people/{login}/roles", May(AdministerAll), "Grants a role, in the place of what was granted for the same before; with no account named for everything.", Some("{\"role\":\"viewer\",\"tenant_id\":1}"), people::grant::<CollectorSite>),
        route!(delete "/api/v1/people/{login}/roles", May(AdministerAll), "Takes back the role for what the query names; for everything if it names nothing.", None, people::take_back::<CollectorSite>),
        route!(get "/api/v1/tenants/{tenant}/people", May(Administer), "The people of the account, with their roles in it.", None, people::list_in::<CollectorSite>),
        route!(post "/api/v1/tenants/{tenant}/people", May(Administer), "Adds a person, or without a password a program, with a role in the account.", Some("{\"login\":\"ann\",\"password\":\"…\",\"role\":\"viewer\"}"), people::create_in::<CollectorSite>).holds_secret(),
        route!(put "/api/v1/tenants/{tenant}/people/{login}/roles", May(Administer), "Grants somebody a role in the account.", Some("{\"role\":\"viewer\"}"), people::grant_in::<CollectorSite>),
        route!(delete "/api/v1/tenants/{tenant}/people/{login}/roles", May(Administer), "Takes a role in the account back.", None, people::take_back_in::<CollectorSite>),
        route!(post "/api/v1/api-clients", May(AdministerAll), "Makes an API client for /oauth/token; its secret is shown once.", Some("{\"name\":\"ansible\"}"), api::create_api_client).holds_secret(),
        route!(get "/api/v1/logs", May(AdministerAll), "All logs as AllFiles.zip with the file messages.", None, api::all_logs),
        route!(get "/api/v1/tenants", LoggedIn, "The tenants the caller may see.", None, api::tenants),
        route!(post "/api/v1/tenants", May(AdministerAll), "Creates a tenant of SSM On-Prem.", Some("{\"name\":\"XYZ-ON-PREM-9\",\"smart_account\":\"Example\",\"virtual_account\":\"Default\",\"connected\":true,\"sync_minutes\":15}"), api::create_tenant),
        route!(get "/api/v1/tenants/{tenant}", May(View), "One tenant.", None, api::tenant),
        route!(delete "/api/v1/tenants/{tenant}", May(AdministerAll), "Removes a tenant with nothing left to forward.", None, api::remove_tenant),
        route!(put "/api/v1/tenants/{tenant}/settings", May(Administer), "Sets account, connectivity and sync schedule.", Some("{\"smart_account\":\"Example\",\"virtual_account\":\"Default\",\"connected\":false,\"sync_minutes\":15}"), api::set_settings).also(&[502]),
        route!(post "/api/v1/tenants/{tenant}/cisco-login", May(Administer), "Logs in to Cisco and registers this server for the tenant's account.", Some("{\"login\":\"eve\",\"password\":\"…\"}"), api::cisco_login).holds_secret().also(&[502]),
        route!(post "/api/v1/tenants/{tenant}/cisco-logout", May(Administer), "Logs out of Cisco; the server stays registered.", None, api::cisco_logout),
        route!(get "/api/v1/tenants/{tenant}/cisco-accounts", May(Administer), "The accounts at Cisco to choose from.", None, api::cisco_accounts).also(&[409, 502]),
        route!(post "/api/v1/tenants/{tenant}/sync", May(Operate), "Exchanges everything with Cisco now.", None, api::sync),
        route!(get "/api/v1/tenants/{tenant}/product-instances", May(View), "The product instances; `search` finds some, `after` and `limit` page through them.", None, api::instances),
        route!(post "/api/v1/tenants/{tenant}/product-instances", May(Operate), "Adds a product instance that will push.", Some("{\"pid\":\"N9K-C93180YC-FX3\",\"serial\":\"FOX0000AAAA\",\"hostname\":null}"), api::add_instance),
        route!(get "/api/v1/tenants/{tenant}/product-instances/{id}", May(View), "One product instance.", None, api::instance),
        route!(delete "/api/v1/tenants/{tenant}/product-instances/{id}", May(Operate), "Removes a product instance from the list.", None, api::remove_instance),
        route!(get "/api/v1/tenants/{tenant}/claims", May(View), "Devices that claim a UDI with another key than the known one.", None, api::claims),
        route!(post "/api/v1/tenants/{tenant}/claims/{id}/accept", May(Operate), "Takes the other device for the right one.", None, api::accept_claim),
        route!(post "/api/v1/tenants/{tenant}/claims/{id}/dismiss", May(Operate), "Turns the other device away.", None, api::dismiss_claim),
        route!(get "/api/v1/audit", May(AdministerAll), "What was done and refused on this server, newest first, a thousand; `actor`, `action`, `text`, `from_at` and `to_at` search the newest million rows, `before` pages back.", None, api::audit),
        route!(post "/api/v1/tenants/{tenant}/sync-product-instances", May(Operate), "Hands the newest answers over once more at the next contact.", Some("{\"ids\":[1]}"), api::sync_instances),
        route!(get "/api/v1/tenants/{tenant}/product-instances.csv", May(View), "The product instances as CSV.", None, api::export_csv),
        route!(post "/api/v1/tenants/{tenant}/product-instances.csv", May(Operate), "Adds the product instances of a CSV file.", Some("\"PID,Serial Number\\nN9K-C9504,FOX0000AAAA\\n\""), api::import_csv).taking(api::CSV_BYTES_MAX),
        route!(get "/api/v1/tenants/{tenant}/licenses", May(View), "The licenses in use.", None, api::licenses),
        route!(post "/api/v1/tenants/{tenant}/export", May(Operate), "Writes a signed file for Cisco: of all, or of the product instances whose ids are given.", Some("{\"ids\":null}"), api::export),
        route!(post "/api/v1/tenants/{tenant}/import", May(Operate), "Takes in a file from Cisco: the body is the file, the query parameter `name` its name.", Some("\"the file\""), api::import),
        route!(get "/api/v1/tenants/{tenant}/transfers", May(View), "The files that went out and came in, newest first.", None, api::transfers),
        route!(get "/api/v1/tenants/{tenant}/transfers/{id}", May(View), "One file and how far it is.", None, api::one_transfer),
        route!(get "/api/v1/tenants/{tenant}/tokens", May(Operate), "The id tokens that switches of before Smart Licensing Using Policy register with, newest first.", None, id_tokens::list),
        route!(post "/api/v1/tenants/{tenant}/tokens", May(Operate), "Makes an id token; at an SSM On-Prem only.", Some("{\"description\":\"lab\",\"expires_after_days\":30,\"uses_max\":null}"), id_tokens::create),
        route!(post "/api/v1/tenants/{tenant}/tokens/{id}/revoke", May(Operate), "Revokes an id token; who registered with it stays registered.", None, id_tokens::revoke),
        route!(get "/api/v1/tenants/{tenant}/events", May(View), "What happened, newest first; `limit` says how many.", None, api::events),
    ]
}

fn v1_routes() -> Vec<Route<CollectorSite>> {
    vec![
        route!(post "/oauth/token", Anyone, "A login through an API client, or of a program by its own secret.", Some("{\"client_id\":\"…\",\"client_secret\":\"…\",\"grant_type\":\"password\",\"username\":\"…\",\"password\":\"…\"}"), onprem_v1::token).public(NamedBy::Numbers, Refusal::Token),
        route!(post "/backend/oauth/token", Anyone, "The same.", Some("{\"client_id\":\"…\",\"client_secret\":\"…\",\"grant_type\":\"password\",\"username\":\"…\",\"password\":\"…\"}"), onprem_v1::token).public(NamedBy::Numbers, Refusal::Token),
        route!(post "/api/v1/upstream_satellites/accounts", LoggedIn, "The accounts the caller may see.", None, onprem_v1::accounts).public(NamedBy::Numbers, Refusal::Account),
        route!(get "/api/v1/accounts/{account}/virtual-accounts", LoggedIn, "The virtual accounts.", None, onprem_v1::virtual_accounts).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/virtual-accounts", May(AdministerAll), "Creates a virtual account, which is a tenant.", Some("{\"name\":\"Lab\",\"description\":\"LAB-1\"}"), onprem_v1::create_virtual_account).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/delete", May(AdministerAll), "Deletes a virtual account with nothing left to forward.", None, onprem_v1::delete_virtual_account).public(NamedBy::Numbers, Refusal::Account),
        route!(get "/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/devices", LoggedIn, "The devices; `limit` and `offset` choose a part.", None, onprem_v1::devices).public(NamedBy::Numbers, Refusal::Account),
        route!(get "/backend/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/devices", LoggedIn, "The devices; `limit` and `offset` choose a part.", None, onprem_v1::devices).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/devices/transfer", LoggedIn, "Refused: the URL on the switch says where it belongs.", None, onprem_v1::no_transfer).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/devices", LoggedIn, "The devices of some virtual accounts, or of all.", Some("{\"virtualAccounts\":[\"Default\"],\"limit\":50,\"offset\":0}"), onprem_v1::account_devices).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/licenses", LoggedIn, "The licenses in use.", Some("{\"virtualAccounts\":[\"Default\"],\"limit\":50,\"offset\":0}"), onprem_v1::licenses).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/alerts", LoggedIn, "What somebody has to look at.", Some("{\"limit\":-1}"), onprem_v1::alerts).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/license-subscriptions", LoggedIn, "Subscriptions are known to CSSM alone.", None, onprem_v1::subscriptions).public(NamedBy::Numbers, Refusal::Account),
        route!(get "/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/tokens", LoggedIn, "The id tokens that may still be used, the newest first.", None, id_tokens::list_v1).public(NamedBy::Numbers, Refusal::Account).also(&[403]),
        route!(post "/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/tokens", LoggedIn, "Makes an id token, for switches of before Smart Licensing Using Policy.", Some("{\"description\":\"lab\",\"expiresAfterDays\":30}"), id_tokens::create_v1).public(NamedBy::Numbers, Refusal::Account),
        route!(post "/api/v1/accounts/{account}/virtual-accounts/{virtual_account}/tokens/revoke", LoggedIn, "Revokes id tokens by their texts.", Some("{\"tokens\":[\"…\"]}"), id_tokens::revoke_v1).public(NamedBy::Numbers, Refusal::Account),
    ]
}

fn page_routes() -> Vec<Route<CollectorSite>> {
    vec![
        route!(page get "/style.css", Anyone, page::style),
        route!(page get "/page.js", Anyone, page::script),
        route!(page get "/login", Anyone, page::show_login::<CollectorSite>),
        route!(page post "/login", Anyone, page::log_in::<CollectorSite>),
        route!(page get "/login/provider", Anyone, provider_login::begin::<CollectorSite>),
        route!(page get "/login/provider/back", Anyone, provider_login::finish::<CollectorSite>),
        route!(page post "/logout", LoggedIn, page::log_out::<CollectorSite>),
    ]
}

/// Every route of a CSLU that is not for product instances, which come to another port.
#[must_use]
pub fn cslu_routes() -> Vec<Route<CollectorSite>> {
    collector_routes()
}

/// Every route of an SSM On-Prem, where people and product instances come to the same place.
#[must_use]
pub fn on_prem_routes() -> Vec<Route<CollectorSite>> {
    let mut routes = collector_routes();
    // What pages need stands in both tables.
    routes.extend(device_routes().into_iter().filter(|route| !route.summary.is_empty()));
    routes
}
