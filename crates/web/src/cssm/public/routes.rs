//! The table of the public API's routes.

use rumline_server::Action::{Administer, Operate, View};

use super::{accounts, alerts, devices, licenses, software, subscriptions, summary, tokens, usage};
use crate::cssm::CssmSite;
use crate::oauth;
use crate::problem::Refusal::{Account, Device, Token};
use crate::site::Access::{Anyone, LoggedIn, May};
use crate::site::NamedBy::{Headers, Names, Numbers};
use crate::site::{Route, route};

/// The largest call that brings reports, in bytes.
const REPORTS_BYTES_MAX: usize = 32 << 20;

/// Every route of the public API. What a caller may do is asked as of the API of this project: a route for the whole of an
/// account says so, and one whose handler leaves out what the caller does not see.
pub(in crate::cssm) fn routes() -> Vec<Route<CssmSite>> {
    vec![
        route!(post "/as/token.oauth2", Anyone, "Gives a program a token for its client id and secret; see docs/public-api.md.", Some("\"grant_type=client_credentials&client_id=robot&client_secret=…\""), oauth::token::<CssmSite>).public(Numbers, Token),
        route!(post "/oauth2/default/v1/token", Anyone, "The same, at the newer address.", Some("\"grant_type=client_credentials&client_id=robot&client_secret=…\""), oauth::token::<CssmSite>).public(Numbers, Token),
        route!(get "/services/api/smart-accounts-and-licensing/v1/accounts/search", LoggedIn, "The smart accounts the caller sees; `name`, `domain` and `type` choose, `limit` and `offset` page.", None, accounts::search).public(Numbers, Account),
        route!(get "/services/api/smart-accounts-and-licensing/v2/accounts", LoggedIn, "The same with the caller's roles.", None, accounts::list).public(Numbers, Account),
        route!(get "/services/api/smart-accounts-and-licensing/v2/accounts/", LoggedIn, "The same; clients write it so.", None, accounts::list).public(Numbers, Account),
        route!(get "/services/api/smart-accounts-and-licensing/v2/accounts/search", LoggedIn, "The numbers of smart and virtual accounts.", None, accounts::ids).public(Numbers, Device),
        route!(get "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts", May(View), "The virtual accounts.", None, accounts::virtual_accounts).public(Names, Account).in_parts(),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts", May(Administer), "Makes a virtual account.", Some("{\"name\":\"Lab\",\"description\":\"a lab\"}"), accounts::create_virtual_account).public(Names, Account),
        route!(get "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/customer/virtual-accounts", May(View), "The same, as clients write it that name the type of the account.", None, accounts::virtual_accounts).public(Names, Account).in_parts(),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/customer/virtual-accounts", May(Administer), "The same, as clients write it that name the type of the account.", Some("{\"name\":\"Lab\",\"description\":\"a lab\"}"), accounts::create_virtual_account).public(Names, Account),
        route!(get "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/CUSTOMER/virtual-accounts", May(View), "The same, as clients write it that name the type of the account.", None, accounts::virtual_accounts).public(Names, Account).in_parts(),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/CUSTOMER/virtual-accounts", May(Administer), "The same, as clients write it that name the type of the account.", Some("{\"name\":\"Lab\",\"description\":\"a lab\"}"), accounts::create_virtual_account).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/delete", May(Administer), "Closes an empty virtual account.", None, accounts::delete_virtual_account).public(Names, Account).takes_all(),
        route!(get "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/tokens", May(Operate), "The registration tokens that may still be used.", None, tokens::list).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/tokens", May(Operate), "Makes a registration token.", Some("{\"description\":\"lab\",\"expiresAfterDays\":30,\"exportControlled\":\"Not Allowed\"}"), tokens::create).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/tokens/revoke", May(Operate), "Ends registration tokens.", Some("{\"tokens\":[\"…\"]}"), tokens::revoke).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/licenses", May(View), "Licenses purchased and in use; `virtualAccounts`, `limit` and `offset` choose.", Some("{\"virtualAccounts\":[\"Default\"],\"limit\":50,\"offset\":0}"), licenses::list).public(Names, Account).in_parts(),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/license-subscriptions", May(View), "Subscriptions; `status` chooses, too.", Some("{\"status\":[\"Active\"],\"virtualAccounts\":[\"Default\"]}"), subscriptions::list).public(Names, Account).in_parts(),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/alerts", May(View), "The alerts that are open.", Some("{\"limit\":-1}"), alerts::list).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/licenses/transfer", May(Administer), "Hands licenses on to another virtual account.", Some("{\"licenses\":[{\"license\":\"LAN_ENTERPRISE_SERVICES_PKG\",\"licenseType\":\"PERPETUAL\",\"quantity\":1,\"targetVirtualAccount\":\"Branch\"}]}"), licenses::transfer).public(Names, Account),
        route!(get "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/devices", May(View), "The product instances of a virtual account; `limit` and `offset` page.", None, devices::list_of_part).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/devices", May(View), "The product instances of some virtual accounts or all.", Some("{\"virtualAccounts\":[\"Default\"],\"limit\":10,\"offset\":0}"), devices::list).public(Names, Account).in_parts(),
        route!(post "/services/api/smart-accounts-and-licensing/v1/accounts/{domain}/virtual-accounts/{virtual_account}/devices/transfer", May(Administer), "Moves product instances to another virtual account.", Some("{\"productInstances\":[{\"sudi\":{\"udiPid\":\"N9K-C9504\",\"udiSerialNumber\":\"FOX0000AAAA\"},\"productTagName\":\"\",\"targetVirtualAccount\":\"Branch\"}]}"), devices::transfer).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v2/accounts/{domain}/virtual-accounts/{virtual_account}/devices/remove", May(Operate), "Removes product instances.", Some("{\"productInstancesRemoveRequests\":[{\"sudi\":{\"udiPid\":\"N9K-C9504\",\"udiSerialNumber\":\"FOX0000AAAA\"},\"productTagName\":\"\"}]}"), devices::remove).public(Names, Account),
        route!(post "/services/api/smart-accounts-and-licensing/v2/devices/reportusage", May(Operate), "Takes signed reports of product instances; the account is named by the headers X-CSW-SMART-ACCOUNT-ID and X-CSW-VIRTUAL-ACCOUNT-ID.", Some("{\"data\":{\"timestamp\":1700000000000,\"nonce\":\"nonce-of-a-call\",\"reports\":[]}}"), usage::report).public(Headers, Device).taking(REPORTS_BYTES_MAX),
        route!(post "/services/api/smart-accounts-and-licensing/v2/accounts/poll", May(View), "The acknowledgement of what was taken; named by headers as above.", Some("{\"data\":{\"timestamp\":1700000000000,\"nonce\":\"nonce-of-a-call\",\"poll_id\":1,\"action\":\"acknowledgements\"}}"), usage::poll).public(Headers, Device),
        route!(post "/services/api/smart-accounts-and-licensing/v3/licenses/summary", May(View), "What a virtual account has of the licenses that `tags` stand for; named by headers as above.", Some("{\"data\":{\"timestamp\":1700000000000,\"nonce\":\"nonce-of-a-call\",\"tags\":[]}}"), summary::summary).public(Headers, Device),
        route!(get "/v1/software/apis/pnp/v2/accounts", LoggedIn, "The smart accounts the caller sees, by the newer API.", None, software::accounts).public(Numbers, Account),
        route!(get "/v1/software/apis/pnp/v2/accounts/{domain}/virtual-accounts", May(View), "Its virtual accounts.", None, software::virtual_accounts).public(Names, Account).in_parts(),
        route!(get "/v1/software/apis/licensing/v2/accounts/{domain}/devices", May(View), "Its product instances; `limit` and `offset` page.", None, software::list).public(Names, Account).in_parts(),
    ]
}
