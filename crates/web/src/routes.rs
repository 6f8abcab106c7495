//! The table of routes.

use axum::Router;
use axum::extract::{DefaultBodyLimit, RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use rumline_cssm::{Action, Caller};

use crate::problem::Problem;
use crate::{AppState, api, receiver};

/// What a route takes of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone; what is sent proves itself.
    Anyone,
    /// Whoever is logged in.
    LoggedIn,
    /// This action, in the smart account of the path if it names one.
    May(Action),
}

/// A route.
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// What it takes of its caller.
    pub access: Access,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// An example of the body it takes, if it takes one.
    pub request: Option<&'static str>,
    /// An example of what it answers.
    pub response: &'static str,
    handler: fn() -> MethodRouter<AppState>,
}

macro_rules! route {
    ($method:ident $path:literal, $access:expr, $summary:literal, $request:expr, $response:literal, $handler:path) => {
        Route {
            method: stringify!($method),
            path: $path,
            access: $access,
            summary: $summary,
            request: $request,
            response: $response,
            handler: || $method($handler),
        }
    };
}

use Access::{Anyone, LoggedIn, May};
use Action::{Administer, AdministerAll, Operate, View};

/// Every route of CSSM.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        route!(get "/licservice/license", Anyone, "The page of the smart receiver.", None, "\"This is the Smart Receiver!\"", receiver::landing),
        route!(post "/licservice/license", Anyone, "A message of a product instance; see docs/protocol.md.", Some("{\"message_version\":\"1.3\"}"), "{\"status\":\"OK\"}", receiver::message),
        route!(get "/healthz", Anyone, "Whether the server works.", None, "\"ok\"", api::health),
        route!(get "/openapi.json", Anyone, "This document.", None, "{}", api::openapi_document),
        route!(get "/root.pem", Anyone, "The root certificate devices are provisioned with.", None, "\"-----BEGIN CERTIFICATE-----\"", api::root_certificate),
        route!(post "/api/v1/login", Anyone, "Exchanges login and password for an API token, to be sent as Bearer.", Some("{\"login\":\"admin\",\"password\":\"…\"}"), "{\"token\":\"…\"}", api::log_in),
        route!(post "/api/v1/logout", LoggedIn, "Ends the login of the API token.", None, "{}", api::log_out),
        route!(get "/api/v1/me", LoggedIn, "Who is logged in.", None, "{\"login\":\"admin\",\"role\":\"administrator\",\"smart_account_id\":null}", api::me),
        route!(post "/api/v1/people", May(AdministerAll), "Adds a person, or changes password and role of a known one.", Some("{\"login\":\"eve\",\"password\":\"…\",\"role\":\"viewer\",\"smart_account_id\":1}"), "{}", api::add_person),
        route!(get "/api/v1/smart-accounts", LoggedIn, "The smart accounts the caller may see.", None, "[{\"id\":1,\"name\":\"Example\",\"domain\":\"example.net\"}]", api::smart_accounts),
        route!(post "/api/v1/smart-accounts", May(AdministerAll), "Creates a smart account with its virtual account Default.", Some("{\"name\":\"Example\",\"domain\":\"example.net\"}"), "{\"id\":1,\"name\":\"Example\",\"domain\":\"example.net\"}", api::create_smart_account),
        route!(get "/api/v1/smart-accounts/{sa}/virtual-accounts", May(View), "The virtual accounts.", None, "[{\"id\":1,\"name\":\"Default\"}]", api::virtual_accounts),
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
        route!(get "/api/v1/smart-accounts/{sa}/product-instances", May(View), "The product instances; `after` and `limit` page through them.", None, "[{\"id\":1,\"name\":\"leaf-101\",\"pid\":\"N9K-C93180YC-FX3\"}]", api::instances),
        route!(get "/api/v1/smart-accounts/{sa}/product-instances/{id}", May(View), "One product instance.", None, "{\"id\":1,\"name\":\"leaf-101\"}", api::instance),
        route!(delete "/api/v1/smart-accounts/{sa}/product-instances/{id}", May(Operate), "Removes a product instance and frees its licences.", None, "{}", api::remove_instance),
        route!(get "/api/v1/smart-accounts/{sa}/product-instances/{id}/reports", May(View), "The RUM reports of a product instance; `after` and `limit` page through them.", None, "[{\"report_id\":1700000000,\"count_seconds\":3600}]", api::reports),
        route!(get "/api/v1/smart-accounts/{sa}/licenses", May(View), "Licences purchased against in use.", None, "[{\"license\":\"LAN_ENTERPRISE_SERVICES_PKG\",\"purchased\":10,\"in_use\":3,\"balance\":7}]", api::licenses),
        route!(get "/api/v1/smart-accounts/{sa}/usage-files", May(View), "The uploaded usage files, newest first.", None, "[{\"id\":1,\"name\":\"all_rum.txt\",\"status\":\"No Errors\"}]", api::usage_files),
        route!(post "/api/v1/smart-accounts/{sa}/virtual-accounts/{va}/usage-files", May(Operate), "Uploads a usage file: the body is the file, the query parameter `name` its name.", Some("\"the file\""), "{\"id\":1,\"status\":\"No Errors\",\"reports_new\":2}", api::upload_usage),
        route!(get "/api/v1/smart-accounts/{sa}/usage-files/{id}/acknowledgement", May(View), "The ACK file of an uploaded usage file.", None, "\"<?xml …\"", api::acknowledgement),
        route!(get "/api/v1/smart-accounts/{sa}/events", May(View), "What happened in the account, newest first.", None, "[{\"at\":1700000000,\"login\":\"admin\",\"text\":\"…\"}]", api::events),
    ]
}

/// What anyone sends must have arrived and been answered within this.
const OPEN_SECONDS_MAX: u64 = 60;
/// What someone sends who is logged in.
const UPLOAD_SECONDS_MAX: u64 = 600;

/// The router over the table.
pub fn router(state: AppState) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let access = route.access;
        let guarded = (route.handler)()
            .route_layer(axum::middleware::from_fn_with_state((state.clone(), access), authorize));
        let bytes_max = match access {
            Anyone => api::OPEN_BYTES_MAX,
            LoggedIn | May(_) => api::UPLOAD_BYTES_MAX,
        };
        router = router.route(route.path, guarded.layer(DefaultBodyLimit::max(bytes_max)));
    }
    router
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is no such page") })
        .layer(axum::middleware::map_response(crate::problem::as_problem))
        .with_state(state)
}

/// Stands before every handler.
async fn authorize(
    State((state, access)): State<(AppState, Access)>,
    parameters: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    if access == Anyone {
        return within(OPEN_SECONDS_MAX, next.run(request)).await;
    }
    let caller = match caller_of(&state, request.headers()) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let May(action) = access {
        let account = parameters.iter().find(|(name, _)| *name == "sa").map(|(_, value)| value);
        let allowed = match account {
            None => caller.may_at_all(action),
            Some(id) => match id.parse() {
                Ok(id) => caller.may(action, id),
                Err(_) => Err(rumline_cssm::Error::NotFound("smart account")),
            },
        };
        if let Err(error) = allowed {
            return Problem::from(error).into_response();
        }
    }
    request.extensions_mut().insert(caller);
    within(UPLOAD_SECONDS_MAX, next.run(request)).await
}

/// A body that does not arrive holds its connection no longer than this.
async fn within(seconds: u64, answer: impl Future<Output = Response>) -> Response {
    let limit = std::time::Duration::from_secs(seconds);
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response()
    })
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn caller_of(state: &AppState, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = bearer(headers).ok_or(rumline_cssm::Error::Unauthenticated)?;
    Ok(state.cssm.caller(state.clock.now(), token)?)
}
