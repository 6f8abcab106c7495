//! The REST handlers of CSSM.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use rumline_cssm::{Caller, Cssm, Error, NewCollector, NewToken, Purchase, Role};
use rumline_protocol::{ClassPolicy, Policy, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cssm::{CssmSite, upload};
use crate::problem::Problem;
use crate::site::{self, Message, Site, attachment, parse};

type Answer = Result<Json<Value>, Problem>;

/// Runs `work` on a thread that may block, with the time at which the request came.
async fn run<T: serde::Serialize + Send + 'static>(
    state: &CssmSite,
    work: impl FnOnce(&Cssm, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Answer {
    let value = run_raw(state, work).await?;
    Ok(Json(serde_json::to_value(value).unwrap_or(Value::Null)))
}

pub(super) async fn run_raw<T: Send + 'static>(
    state: &CssmSite,
    work: impl FnOnce(&Cssm, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let (cssm, now) = (state.cssm.clone(), state.now());
    site::blocking(move || work(&cssm, now)).await
}

fn done() -> Result<Value, Error> {
    Ok(json!({}))
}

pub(super) async fn health(State(state): State<CssmSite>) -> Result<&'static str, Problem> {
    run_raw(&state, |cssm, _| cssm.smart_accounts(Some(0))).await?;
    Ok("ok")
}

pub(super) async fn openapi_document() -> Json<Value> {
    Json(crate::openapi::openapi(&super::cssm_routes()))
}

pub(super) async fn root_certificate(State(state): State<CssmSite>) -> Response {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], state.root_pem.to_string()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    login: String,
    password: String,
}

pub(super) async fn log_in(State(state): State<CssmSite>, body: Bytes) -> Answer {
    let LogIn { login, password } = parse(&body)?;
    Ok(Json(json!({ "token": site::log_in(&state, login, password).await? })))
}

pub(super) async fn log_out(State(state): State<CssmSite>, headers: HeaderMap) -> Answer {
    let token = site::login_token(&state, &headers).unwrap_or_default().to_owned();
    run(&state, move |cssm, _| cssm.people().log_out(&token).and_then(|()| done())).await
}

pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({
        "login": caller.login,
        "role": caller.role,
        "smart_account_id": caller.scope_id,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    login: String,
    password: String,
    role: Role,
    smart_account_id: Option<i64>,
}

pub(super) async fn add_person(State(state): State<CssmSite>, body: Bytes) -> Answer {
    let new: NewPerson = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.add_person(now, &new.login, &new.password, new.role, new.smart_account_id)?;
        done()
    })
    .await
}

pub(super) async fn smart_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |cssm, _| cssm.smart_accounts(caller.scope_id)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSmartAccount {
    name: String,
    domain: String,
}

pub(super) async fn create_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let new: NewSmartAccount = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.create_smart_account(now, &caller.login, &new.name, &new.domain)
    })
    .await
}

pub(super) async fn virtual_accounts(State(state): State<CssmSite>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, _| cssm.virtual_accounts(sa)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewVirtualAccount {
    name: String,
}

pub(super) async fn create_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<i64>,
    body: Bytes,
) -> Answer {
    let new: NewVirtualAccount = parse(&body)?;
    run(&state, move |cssm, now| cssm.create_virtual_account(now, &caller.login, sa, &new.name))
        .await
}

pub(super) async fn add_purchase(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let purchase: Purchase = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.add_purchase(now, &caller.login, sa, va, &purchase)?;
        done()
    })
    .await
}

pub(super) async fn tokens(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.tokens(sa, va)).await
}

pub(super) async fn create_token(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let new: NewToken = parse(&body)?;
    run(&state, move |cssm, now| cssm.create_token(now, &caller.login, sa, va, &new)).await
}

pub(super) async fn revoke_token(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, now| cssm.revoke_token(now, &caller.login, sa, id)).await
}

pub(super) async fn policy(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.policy(sa, va)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPolicy {
    policy_name: String,
    reporting_ack_required: bool,
    unenforced: ClassPolicy,
    enforced: ClassPolicy,
    export: ClassPolicy,
}

impl From<NewPolicy> for Policy {
    fn from(new: NewPolicy) -> Self {
        Self {
            policy_id: new.policy_name.clone(),
            policy_name: new.policy_name,
            issued_at: Timestamp(0),
            smart_account: String::new(),
            reporting_ack_required: new.reporting_ack_required,
            unenforced: new.unenforced,
            enforced: new.enforced,
            export: new.export,
        }
    }
}

async fn change_policy(
    state: &CssmSite,
    caller: Caller,
    sa: i64,
    va: Option<i64>,
    policy: Option<Policy>,
) -> Answer {
    run(state, move |cssm, now| {
        cssm.set_policy(now, &caller.login, sa, va, policy.as_ref())?;
        done()
    })
    .await
}

pub(super) async fn set_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let new: NewPolicy = parse(&body)?;
    change_policy(&state, caller, sa, Some(va), Some(new.into())).await
}

pub(super) async fn remove_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Answer {
    change_policy(&state, caller, sa, Some(va), None).await
}

pub(super) async fn set_account_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<i64>,
    body: Bytes,
) -> Answer {
    let new: NewPolicy = parse(&body)?;
    change_policy(&state, caller, sa, None, Some(new.into())).await
}

pub(super) async fn remove_account_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<i64>,
) -> Answer {
    change_policy(&state, caller, sa, None, None).await
}

pub(super) async fn policy_file(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Result<Response, Problem> {
    let text = run_raw(&state, move |cssm, now| cssm.policy_file(now, sa, va)).await?;
    Ok((attachment("application/xml", "policy.xml"), text).into_response())
}

#[derive(Deserialize)]
pub(super) struct Paging {
    #[serde(default)]
    after: i64,
    #[serde(default = "default_limit")]
    limit: i64,
}

fn default_limit() -> i64 {
    100
}

pub(super) async fn instances(
    State(state): State<CssmSite>,
    Path(sa): Path<i64>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| cssm.instances(sa, paging.after, paging.limit)).await
}

pub(super) async fn instance(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.instance(sa, id)).await
}

pub(super) async fn remove_instance(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.remove_instance(now, &caller.login, sa, id)?;
        done()
    })
    .await
}

pub(super) async fn reports(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(i64, i64)>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| {
        cssm.instance(sa, id)?;
        cssm.reports(sa, id, paging.after, paging.limit)
    })
    .await
}

pub(super) async fn licenses(State(state): State<CssmSite>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, now| cssm.licenses(now, sa)).await
}

pub(super) async fn usage_files(State(state): State<CssmSite>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, _| cssm.usage_files(sa)).await
}

#[derive(Deserialize)]
pub(super) struct Upload {
    name: String,
}

pub(super) async fn upload_usage(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    Query(query): Query<Upload>,
    body: Body,
) -> Answer {
    let incoming = state.spool.body(query.name, body).await?;
    let file = upload::usage_file(&state, caller.login, (sa, va), incoming).await?;
    Ok(Json(serde_json::to_value(file).unwrap_or(Value::Null)))
}

pub(super) async fn usage_file(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.usage_file(sa, id)).await
}

pub(super) async fn acknowledgement(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Result<Response, Problem> {
    upload::acknowledgement(&state, sa, id).await
}

pub(super) async fn collectors(State(state): State<CssmSite>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, _| cssm.collectors(sa)).await
}

pub(super) async fn register_collector(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let new: NewCollector = parse(&body)?;
    run(&state, move |cssm, now| cssm.register_collector(now, &caller.login, sa, va, &new)).await
}

pub(super) async fn remove_collector(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.remove_collector(now, &caller.login, sa, id)?;
        done()
    })
    .await
}

pub(super) async fn collect(
    State(state): State<CssmSite>,
    Message(body): Message,
) -> Result<Response, Problem> {
    upload::collect(&state, body).await
}

pub(super) async fn events(
    State(state): State<CssmSite>,
    Path(sa): Path<i64>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| cssm.events(sa, paging.limit)).await
}
