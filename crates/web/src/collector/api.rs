//! The REST handlers of a collector.

use std::io::{Cursor, Write};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rumline_collector::{
    Actor, Caller, ClaimId, Collector, Error, InstanceId, Tenant, TenantId, TenantSettings,
    TransferId,
};
use rumline_protocol::{Timestamp, Udi};
use rumline_server::AuditSearch;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::collector::{CiscoLogin, CollectorSite, transfer};
use crate::download::attachment;
use crate::problem::Problem;
use crate::site::{self, Site, parse};

type Answer = Result<Json<Value>, Problem>;

/// The largest CSV file taken, in bytes.
pub(super) const CSV_BYTES_MAX: usize = 64 << 20;

async fn run<T: serde::Serialize + Send + 'static>(
    state: &CollectorSite,
    work: impl FnOnce(&Collector, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Answer {
    let value = run_raw(state, work).await?;
    Ok(Json(serde_json::to_value(value).unwrap_or(Value::Null)))
}

pub(super) async fn run_raw<T: Send + 'static>(
    state: &CollectorSite,
    work: impl FnOnce(&Collector, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let (collector, now) = (state.collector.clone(), state.now());
    site::blocking(move || work(&collector, now)).await
}

pub(super) async fn openapi_document() -> Json<Value> {
    Json(crate::openapi::openapi(&super::collector_routes()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    pub login: String,
    pub password: String,
    /// That of the second factor, if there is one.
    #[serde(default)]
    pub code: Option<String>,
}

pub(super) async fn log_in(
    State(state): State<CollectorSite>,
    from: site::From,
    body: Bytes,
) -> Answer {
    let LogIn { login, password, code } = parse(&body)?;
    Ok(Json(json!({ "token": site::log_in(&state, login, password, code, from).await? })))
}

pub(super) async fn log_out(State(state): State<CollectorSite>, headers: HeaderMap) -> Answer {
    let token = site::login_token(&state, &headers).unwrap_or_default().to_owned();
    run(&state, move |collector, _| collector.people().log_out(&token)).await
}

/// A tenant as the API shows it.
fn shown(state: &CollectorSite, tenant: &Tenant) -> Value {
    let mut value = serde_json::to_value(tenant).unwrap_or(Value::Null);
    value["device_url"] = json!(state.device_url_of(&tenant.name));
    value["connectivity"] = json!(tenant.connectivity());
    value["logged_in_to_cisco"] = json!(state.cisco_login(tenant.id).map(|login| login.login));
    value
}

pub(super) async fn tenants(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let found = run_raw(&state, move |collector, _| collector.tenants(&caller.scopes())).await?;
    Ok(Json(found.iter().map(|tenant| shown(&state, tenant)).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    name: String,
    smart_account: String,
    virtual_account: String,
    connected: bool,
    sync_minutes: i64,
}

pub(super) async fn create_tenant(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let NewTenant { name, smart_account, virtual_account, connected, sync_minutes } = parse(&body)?;
    let settings = TenantSettings { smart_account, virtual_account, connected, sync_minutes };
    let tenant = run_raw(&state, move |collector, now| {
        collector.create_tenant(now, &caller.actor(), &name, &settings)
    })
    .await?;
    Ok(Json(shown(&state, &tenant)))
}

pub(super) async fn tenant(State(state): State<CollectorSite>, Path(id): Path<TenantId>) -> Answer {
    let tenant = run_raw(&state, move |collector, _| collector.tenant(id)).await?;
    Ok(Json(shown(&state, &tenant)))
}

pub(super) async fn remove_tenant(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Answer {
    let by = caller.actor();
    let removed = run(&state, move |collector, now| collector.remove_tenant(now, &by, id)).await?;
    transfer::forget_exports(&state, id);
    Ok(removed)
}

/// Changes a tenant's settings, and makes it known to CSSM if someone is logged in there.
pub(super) async fn change_settings(
    state: &CollectorSite,
    actor: Actor,
    id: TenantId,
    settings: TenantSettings,
) -> Result<Tenant, Problem> {
    check_account(state, id, &settings).await?;
    let tenant =
        run_raw(state, move |collector, now| collector.set_tenant(now, &actor, id, &settings))
            .await?;
    if !tenant.connected {
        // Cisco is not called any more, not even to say good-bye: the login ends there by itself.
        state.set_cisco_login(id, None);
    }
    register(state, tenant, false).await
}

/// Refuses an account that CSSM has not, where that is known: while somebody is logged in there. Else the next contact tells.
async fn check_account(
    state: &CollectorSite,
    id: TenantId,
    new: &TenantSettings,
) -> Result<(), Problem> {
    let (Some(cisco), Some(login)) = (&state.cisco, state.cisco_login(id)) else { return Ok(()) };
    let now = run_raw(state, move |collector, _| collector.tenant(id)).await?;
    let is_new =
        (&now.smart_account, &now.virtual_account) != (&new.smart_account, &new.virtual_account);
    if !new.connected || !is_new {
        return Ok(());
    }
    // Whoever cannot be asked does not refuse.
    let Ok(accounts) = cisco.accounts(&login.token).await else { return Ok(()) };
    super::cisco::found(&accounts, &new.smart_account, &new.virtual_account)
        .map(|_| ())
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

/// Registers a tenant that is connected and not known to CSSM yet, if someone is logged in to Cisco.
/// `again` also one that should be known: CSSM may have removed it.
async fn register(state: &CollectorSite, tenant: Tenant, again: bool) -> Result<Tenant, Problem> {
    let id = tenant.id;
    if let (true, false, Some(cisco), Some(login)) = (
        tenant.connected && tenant.has_account(),
        tenant.registered && !again,
        &state.cisco,
        state.cisco_login(id),
    ) {
        let registered = cisco.register(&login.token, &state.collector, &tenant).await;
        let by = Actor::person(&login.login);
        // What was set stays set: why the server is not known to CSSM stands beside it.
        run_raw(state, move |collector, now| match registered {
            Ok(()) => collector.note_registered(now, &by, id),
            Err(error) => collector.note_sync_failed(now, id, &error.to_string()),
        })
        .await?;
    }
    state.work.ring();
    run_raw(state, move |collector, _| collector.tenant(id)).await
}

pub(super) async fn set_settings(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    body: Bytes,
) -> Answer {
    let settings: TenantSettings = parse(&body)?;
    let tenant = change_settings(&state, caller.actor(), id, settings).await?;
    Ok(Json(shown(&state, &tenant)))
}

/// Logs a person in to Cisco for a tenant.
pub(super) async fn log_in_to_cisco(
    state: &CollectorSite,
    id: TenantId,
    who: LogIn,
) -> Result<Tenant, Problem> {
    let tenant = run_raw(state, move |collector, _| collector.tenant(id)).await?;
    if !tenant.connected {
        let text = "Cisco Is Not Available: turn Cisco Connectivity on first";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    let cisco = state.cisco.as_ref().ok_or_else(|| {
        let text = "this server was started without the address of CSSM (--cssm)";
        Problem::new(StatusCode::CONFLICT, text)
    })?;
    let token =
        cisco.log_in(&who.login, &who.password, who.code.as_deref()).await.map_err(|error| {
            let wrong = error == super::CiscoError::wrong_login();
            let status =
                if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_GATEWAY };
            Problem::new(status, error.to_string())
        })?;
    state.set_cisco_login(id, Some(CiscoLogin { login: who.login, token }));
    register(state, tenant, true).await
}

pub(super) async fn cisco_login(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    body: Bytes,
) -> Answer {
    let tenant = log_in_to_cisco(&state, id, parse(&body)?).await?;
    Ok(Json(shown(&state, &tenant)))
}

/// Ends a login to Cisco; the server stays registered.
pub(super) async fn log_out_of_cisco(state: &CollectorSite, id: TenantId) {
    let login = state.cisco_login(id);
    state.set_cisco_login(id, None);
    if let (Some(login), Some(cisco)) = (login, &state.cisco)
        && let Err(error) = cisco.log_out(&login.token).await
    {
        tracing::info!(%error, "the login to Cisco ends by itself");
    }
}

pub(super) async fn cisco_logout(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer {
    log_out_of_cisco(&state, id).await;
    Ok(Json(json!({})))
}

pub(super) async fn cisco_accounts(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer {
    let (Some(cisco), Some(login)) = (&state.cisco, state.cisco_login(id)) else {
        return Err(Problem::new(StatusCode::CONFLICT, "log in to Cisco first"));
    };
    let tenant = run_raw(&state, move |collector, _| collector.tenant(id)).await?;
    if !tenant.connected {
        let text = "Cisco Is Not Available: turn Cisco Connectivity on first";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    let accounts = cisco.accounts(&login.token).await;
    let accounts =
        accounts.map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, error.to_string()))?;
    Ok(Json(serde_json::to_value(accounts).unwrap_or(Value::Null)))
}

pub(super) async fn sync(State(state): State<CollectorSite>, Path(id): Path<TenantId>) -> Answer {
    run_raw(&state, move |collector, _| collector.sync_now(id)).await?;
    state.work.ring();
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
pub(super) struct Paging {
    #[serde(default)]
    pub after: i64,
    #[serde(default = "default_limit")]
    pub limit: i64,
    #[serde(default)]
    pub search: String,
}

fn default_limit() -> i64 {
    100
}

pub(super) async fn instances(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |collector, _| {
        collector.instances(id, &paging.search, InstanceId(paging.after), paging.limit)
    })
    .await
}

pub(super) async fn instance(
    State(state): State<CollectorSite>,
    Path((tenant, id)): Path<(TenantId, InstanceId)>,
) -> Answer {
    run(&state, move |collector, _| collector.instance(tenant, id)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInstance {
    pub pid: String,
    pub serial: String,
    pub hostname: Option<String>,
}

impl NewInstance {
    pub(super) fn add(
        &self,
        collector: &Collector,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
    ) -> Result<rumline_collector::InstanceView, Error> {
        let udi = Udi::new(&self.pid, &self.serial);
        let udi = udi.map_err(|error| Error::invalid(error.to_string()))?;
        let hostname = self.hostname.as_deref().map(str::trim).filter(|name| !name.is_empty());
        collector.add_instance(now, actor, tenant_id, &udi, hostname)
    }
}

pub(super) async fn add_instance(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    body: Bytes,
) -> Answer {
    let new: NewInstance = parse(&body)?;
    run(&state, move |collector, now| new.add(collector, now, &caller.actor(), id)).await
}

pub(super) async fn remove_instance(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, InstanceId)>,
) -> Answer {
    run(&state, move |collector, now| collector.remove_instance(now, &caller.actor(), tenant, id))
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selected {
    ids: Option<Vec<InstanceId>>,
}

pub(super) async fn sync_instances(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    body: Bytes,
) -> Answer {
    let selected: Selected = parse(&body)?;
    run(&state, move |collector, _| collector.sync_instances(id, &selected.ids.unwrap_or_default()))
        .await
}

pub(super) async fn export_csv(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Result<Response, Problem> {
    let text = run_raw(&state, move |collector, _| collector.export_csv(id)).await?;
    Ok((attachment("text/csv; charset=utf-8", "product-instances.csv"), text).into_response())
}

pub(super) async fn import_csv(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    body: Bytes,
) -> Answer {
    run(&state, move |collector, now| collector.import_csv(now, &caller.actor(), id, &body)).await
}

pub(super) async fn licenses(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer {
    run(&state, move |collector, _| collector.licenses(id)).await
}

pub(super) async fn export(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    body: Bytes,
) -> Result<Response, Problem> {
    let selected: Selected = if body.is_empty() { Selected { ids: None } } else { parse(&body)? };
    transfer::export(&state, caller.actor(), id, selected.ids).await
}

#[derive(Deserialize)]
pub(super) struct Upload {
    name: String,
}

/// A transfer with its status in words.
pub(super) fn shown_transfer(transfer: &rumline_collector::Transfer) -> Value {
    let mut value = serde_json::to_value(transfer).unwrap_or(Value::Null);
    value["message"] = json!(transfer.message());
    value
}

pub(super) async fn import(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    Query(upload): Query<Upload>,
    body: Body,
) -> Answer {
    let incoming = state.spool.body(upload.name, body).await?;
    let transfer = transfer::import(&state, caller.actor(), id, incoming).await?;
    Ok(Json(shown_transfer(&transfer)))
}

pub(super) async fn transfers(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer {
    let found = run_raw(&state, move |collector, _| collector.transfers(id)).await?;
    Ok(Json(found.iter().map(shown_transfer).collect()))
}

pub(super) async fn one_transfer(
    State(state): State<CollectorSite>,
    Path((tenant, id)): Path<(TenantId, TransferId)>,
) -> Answer {
    let found = run_raw(&state, move |collector, _| collector.transfer(tenant, id)).await?;
    Ok(Json(shown_transfer(&found)))
}

pub(super) async fn events(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |collector, _| collector.events(id, paging.limit)).await
}

/// All logs as `AllFiles.zip` (ONPREM-013).
pub(super) async fn all_logs(State(state): State<CollectorSite>) -> Result<Response, Problem> {
    let host = state.host.clone();
    let bytes = run_raw(&state, move |collector, _| {
        let messages = collector.messages(&host)?;
        let options = zip::write::SimpleFileOptions::default();
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let bad = |error: zip::result::ZipError| Error::Unwritten(std::io::Error::other(error));
        archive.start_file("messages", options).map_err(bad)?;
        archive.write_all(messages.as_bytes()).map_err(Error::Unwritten)?;
        Ok(archive.finish().map_err(bad)?.into_inner())
    })
    .await?;
    Ok((attachment("application/zip", "AllFiles.zip"), bytes).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewApiClient {
    name: String,
}

pub(super) async fn create_api_client(State(state): State<CollectorSite>, body: Bytes) -> Answer {
    let NewApiClient { name } = parse(&body)?;
    run(&state, move |collector, now| {
        let (client_id, client_secret) = collector.create_api_client(now, &name)?;
        Ok(json!({ "client_id": client_id, "client_secret": client_secret }))
    })
    .await
}

/// Which releases of NX-OS, smart agent, SSM On-Prem and CSLU go together (ONPREM-017).
pub(super) async fn compatibility() -> Json<Value> {
    let row = |nx_os: &str, agent: &str, on_prem: &[&str]| json!({ "nx_os": nx_os, "sa_agent": agent, "on_prem": on_prem, "cslu": "2.2.0" });
    Json(json!([
        row("10.2(4)M", "5.2.4_rel/79", &["8-202212", "8-202304"]),
        row("10.3(4a)M", "5.7.25_rel/84", &["8-202212", "8-202304"]),
        row("10.4(3)F", "5.7.30_rel/108", &["8-202304", "8-202308"]),
        row("10.5(1)F", "5.7.30_rel/108", &["8-202401"]),
    ]))
}

pub(super) async fn root_certificate(State(state): State<CollectorSite>) -> Response {
    let pem = state.tls_root_pem.clone();
    ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response()
}

/// The devices that claim a UDI of a tenant with another key.
pub(super) async fn claims(State(state): State<CollectorSite>, Path(id): Path<TenantId>) -> Answer {
    run(&state, move |collector, _| collector.claims(id)).await
}

pub(super) async fn accept_claim(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, ClaimId)>,
) -> Answer {
    run(&state, move |collector, now| collector.accept_claim(now, &caller.actor(), tenant, id))
        .await
}

pub(super) async fn dismiss_claim(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, ClaimId)>,
) -> Answer {
    run(&state, move |collector, now| collector.dismiss_claim(now, &caller.actor(), tenant, id))
        .await
}

/// What was done and refused on this server.
pub(super) async fn audit(
    State(state): State<CollectorSite>,
    Query(search): Query<AuditSearch>,
) -> Answer {
    run(&state, move |collector, _| collector.people().audit_rows(None, &search, 1000)).await
}
