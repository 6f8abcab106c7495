//! The handlers.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rumline_cssm::{Caller, Cssm, Error, NewToken, Purchase, Role};
use rumline_protocol::{ClassPolicy, Policy, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::AppState;
use crate::problem::Problem;
use crate::routes::bearer;

/// The largest body taken of anyone, in bytes: a message of a product instance with its longest report.
pub(crate) const OPEN_BYTES_MAX: usize = 32 << 20;

/// The largest body taken, in bytes.
pub(crate) const UPLOAD_BYTES_MAX: usize = 256 << 20;

type Answer = Result<Json<Value>, Problem>;

/// Runs `work` on a thread that may block, with the time at which the request came.
async fn run<T: serde::Serialize + Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&Cssm, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Answer {
    let value = run_raw(state, work).await?;
    Ok(Json(serde_json::to_value(value).unwrap_or(Value::Null)))
}

async fn run_raw<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&Cssm, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let (cssm, now) = (state.cssm.clone(), state.clock.now());
    match tokio::task::spawn_blocking(move || work(&cssm, now)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed")),
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("not the expected JSON: {error}"))
    })
}

fn done() -> Result<Value, Error> {
    Ok(json!({}))
}

pub(crate) async fn health(State(state): State<AppState>) -> Result<&'static str, Problem> {
    run_raw(&state, |cssm, _| cssm.smart_accounts(Some(0))).await?;
    Ok("ok")
}

pub(crate) async fn openapi_document() -> Json<Value> {
    Json(crate::openapi())
}

pub(crate) async fn root_certificate(State(state): State<AppState>) -> Response {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], state.root_pem.to_string()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    login: String,
    password: String,
}

pub(crate) async fn log_in(State(state): State<AppState>, body: Bytes) -> Answer {
    let LogIn { login, password } = parse(&body)?;
    // Hashing is meant to be slow; a few at a time leave room for everything else.
    let _permit = state.logins.acquire().await;
    run(&state, move |cssm, now| Ok(json!({ "token": cssm.log_in(now, &login, &password)? }))).await
}

pub(crate) async fn log_out(State(state): State<AppState>, headers: HeaderMap) -> Answer {
    let token = bearer(&headers).unwrap_or_default().to_owned();
    run(&state, move |cssm, _| cssm.log_out(&token).and_then(|()| done())).await
}

pub(crate) async fn me(Extension(caller): Extension<Caller>) -> Json<Value> {
    Json(json!({
        "login": caller.login,
        "role": caller.role,
        "smart_account_id": caller.smart_account_id,
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

pub(crate) async fn add_person(State(state): State<AppState>, body: Bytes) -> Answer {
    let new: NewPerson = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.add_person(now, &new.login, &new.password, new.role, new.smart_account_id)?;
        done()
    })
    .await
}

pub(crate) async fn smart_accounts(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |cssm, _| cssm.smart_accounts(caller.smart_account_id)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSmartAccount {
    name: String,
    domain: String,
}

pub(crate) async fn create_smart_account(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let new: NewSmartAccount = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.create_smart_account(now, &caller.login, &new.name, &new.domain)
    })
    .await
}

pub(crate) async fn virtual_accounts(State(state): State<AppState>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, _| cssm.virtual_accounts(sa)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewVirtualAccount {
    name: String,
}

pub(crate) async fn create_virtual_account(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<i64>,
    body: Bytes,
) -> Answer {
    let new: NewVirtualAccount = parse(&body)?;
    run(&state, move |cssm, now| cssm.create_virtual_account(now, &caller.login, sa, &new.name))
        .await
}

pub(crate) async fn add_purchase(
    State(state): State<AppState>,
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

pub(crate) async fn tokens(
    State(state): State<AppState>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.tokens(sa, va)).await
}

pub(crate) async fn create_token(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let new: NewToken = parse(&body)?;
    run(&state, move |cssm, now| cssm.create_token(now, &caller.login, sa, va, &new)).await
}

pub(crate) async fn revoke_token(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, now| cssm.revoke_token(now, &caller.login, sa, id)).await
}

pub(crate) async fn policy(
    State(state): State<AppState>,
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
    state: &AppState,
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

pub(crate) async fn set_policy(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    body: Bytes,
) -> Answer {
    let new: NewPolicy = parse(&body)?;
    change_policy(&state, caller, sa, Some(va), Some(new.into())).await
}

pub(crate) async fn remove_policy(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Answer {
    change_policy(&state, caller, sa, Some(va), None).await
}

pub(crate) async fn set_account_policy(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<i64>,
    body: Bytes,
) -> Answer {
    let new: NewPolicy = parse(&body)?;
    change_policy(&state, caller, sa, None, Some(new.into())).await
}

pub(crate) async fn remove_account_policy(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<i64>,
) -> Answer {
    change_policy(&state, caller, sa, None, None).await
}

/// A file to be saved under a name.
fn attachment(content_type: &'static str, name: &str, text: String) -> Response {
    let plain: String =
        name.chars().filter(|c| c.is_ascii_graphic() && *c != '"' && *c != '\\').collect();
    let disposition = format!("attachment; filename=\"{plain}\"");
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, text).into_response()
}

pub(crate) async fn policy_file(
    State(state): State<AppState>,
    Path((sa, va)): Path<(i64, i64)>,
) -> Result<Response, Problem> {
    let text = run_raw(&state, move |cssm, now| cssm.policy_file(now, sa, va)).await?;
    Ok(attachment("application/xml", "policy.xml", text))
}

#[derive(Deserialize)]
pub(crate) struct Paging {
    #[serde(default)]
    after: i64,
    #[serde(default = "default_limit")]
    limit: i64,
}

fn default_limit() -> i64 {
    100
}

pub(crate) async fn instances(
    State(state): State<AppState>,
    Path(sa): Path<i64>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| cssm.instances(sa, paging.after, paging.limit)).await
}

pub(crate) async fn instance(
    State(state): State<AppState>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.instance(sa, id)).await
}

pub(crate) async fn remove_instance(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.remove_instance(now, &caller.login, sa, id)?;
        done()
    })
    .await
}

pub(crate) async fn reports(
    State(state): State<AppState>,
    Path((sa, id)): Path<(i64, i64)>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| {
        cssm.instance(sa, id)?;
        cssm.reports(sa, id, paging.after, paging.limit)
    })
    .await
}

pub(crate) async fn licenses(State(state): State<AppState>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, now| cssm.licenses(now, sa)).await
}

pub(crate) async fn usage_files(State(state): State<AppState>, Path(sa): Path<i64>) -> Answer {
    run(&state, move |cssm, _| cssm.usage_files(sa)).await
}

#[derive(Deserialize)]
pub(crate) struct Upload {
    name: String,
}

pub(crate) async fn upload_usage(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<(i64, i64)>,
    Query(upload): Query<Upload>,
    body: Bytes,
) -> Answer {
    // A small archive may unpack to much: one after the other.
    let _permit = state.uploads.acquire().await;
    run(&state, move |cssm, now| cssm.upload_usage(now, &caller.login, sa, va, &upload.name, &body))
        .await
}

pub(crate) async fn acknowledgement(
    State(state): State<AppState>,
    Path((sa, id)): Path<(i64, i64)>,
) -> Result<Response, Problem> {
    let (name, text) = run_raw(&state, move |cssm, _| cssm.acknowledgement_file(sa, id)).await?;
    Ok(attachment("text/plain; charset=utf-8", &name, text))
}

pub(crate) async fn events(
    State(state): State<AppState>,
    Path(sa): Path<i64>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| cssm.events(sa, paging.limit)).await
}
