//! The REST handlers of a collector.

use std::io::{Cursor, Write};

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use rumline_collector::{
    Actor, AuditRow, Caller, ClaimId, ClaimView, Collector, CsvOutcome, Error, Event, InstanceId,
    InstanceView, LicenseView, SYNC_MINUTES_MAX, Tenant, TenantId, TenantSettings, Transfer,
    TransferId,
};
use rumline_protocol::{Timestamp, Udi};
use rumline_server::{AuditSearch, NAME_LETTERS_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::asked::{Asked, MaySend, Sent, Sheet};
use crate::collector::{CiscoAccount, CiscoLogin, CollectorSite, transfer};
use crate::download::attachment;
use crate::openapi::{InTerms, OpenApiDocument};
use crate::operation::{Csv, Done, Gzip, Of, Pem, Zip};
use crate::problem::Problem;
use crate::site::{self, Site};

type Answer<T> = Result<Json<T>, Problem>;

/// The largest CSV file taken, in bytes.
pub(super) const CSV_BYTES_MAX: usize = 64 << 20;

async fn run<T: Send + 'static>(
    state: &CollectorSite,
    work: impl FnOnce(&Collector, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Answer<T> {
    run_raw(state, work).await.map(Json)
}

/// The same where there is nothing more to tell than that it was done.
async fn run_quietly(
    state: &CollectorSite,
    work: impl FnOnce(&Collector, Timestamp) -> Result<(), Error> + Send + 'static,
) -> Answer<Done> {
    run_raw(state, work).await?;
    Ok(Json(Done {}))
}

pub(super) async fn run_raw<T: Send + 'static>(
    state: &CollectorSite,
    work: impl FnOnce(&Collector, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let (collector, now) = (state.collector.clone(), state.now());
    site::blocking(move || work(&collector, now)).await
}

pub(super) async fn openapi_document(State(state): State<CollectorSite>) -> Json<OpenApiDocument> {
    let routes = if state.is_cslu() { super::cslu_routes() } else { super::on_prem_routes() };
    Json(OpenApiDocument::of(crate::openapi::openapi(state.title(), &routes)))
}

/// Who logs in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// Login name.
    pub login: String,
    /// The password.
    pub password: String,
    /// That of the second factor, if there is one.
    #[serde(default)]
    pub code: Option<String>,
}

/// A login.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LoginToken {
    /// To be sent as Bearer; it is told here alone.
    pub token: String,
}

pub(super) async fn log_in(
    State(state): State<CollectorSite>,
    from: site::From,
    Sent(LogIn { login, password, code }): Sent<LogIn>,
) -> Answer<LoginToken> {
    let token = site::log_in(&state, login, password, code, from).await?;
    Ok(Json(LoginToken { token }))
}

pub(super) async fn log_out(
    State(state): State<CollectorSite>,
    headers: HeaderMap,
) -> Answer<Done> {
    let token = site::login_token(&state, &headers).unwrap_or_default().to_owned();
    run_quietly(&state, move |collector, _| collector.people().log_out(&token)).await
}

/// A tenant as the API shows it.
#[derive(Serialize, JsonSchema)]
pub(super) struct TenantView {
    /// How it is.
    #[serde(flatten)]
    tenant: Tenant,
    /// What its product instances push to.
    device_url: String,
    /// How it stands with Cisco.
    connectivity: String,
    /// Who is logged in to Cisco for it.
    logged_in_to_cisco: Option<String>,
}

fn shown(state: &CollectorSite, tenant: Tenant) -> TenantView {
    TenantView {
        device_url: state.device_url_of(&tenant.name),
        connectivity: tenant.connectivity().to_owned(),
        logged_in_to_cisco: state.cisco_login(tenant.id).map(|login| login.login),
        tenant,
    }
}

pub(super) async fn tenants(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<TenantView>> {
    let found = run_raw(&state, move |collector, _| collector.tenants(&caller.scopes())).await?;
    Ok(Json(found.into_iter().map(|tenant| shown(&state, tenant)).collect()))
}

/// A tenant of SSM On-Prem.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// Its tenant ID, which is part of the URL of its product instances.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    /// The Smart Account.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    smart_account: String,
    /// The Virtual Account.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    virtual_account: String,
    /// The Cisco Connectivity toggle.
    connected: bool,
    /// Minutes between two exchanges with CSSM; 0 for at once.
    #[schemars(range(min = 0, max = SYNC_MINUTES_MAX))]
    sync_minutes: i64,
}

pub(super) async fn create_tenant(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Sent(NewTenant { name, smart_account, virtual_account, connected, sync_minutes }): Sent<
        NewTenant,
    >,
) -> Answer<TenantView> {
    let settings = TenantSettings { smart_account, virtual_account, connected, sync_minutes };
    let tenant = run_raw(&state, move |collector, now| {
        collector.create_tenant(now, &caller.actor(), &name, &settings)
    })
    .await?;
    Ok(Json(shown(&state, tenant)))
}

pub(super) async fn tenant(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer<TenantView> {
    let tenant = run_raw(&state, move |collector, _| collector.tenant(id)).await?;
    Ok(Json(shown(&state, tenant)))
}

pub(super) async fn remove_tenant(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
) -> Answer<Done> {
    let by = caller.actor();
    let removed =
        run_quietly(&state, move |collector, now| collector.remove_tenant(now, &by, id)).await?;
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
    Sent(settings): Sent<TenantSettings>,
) -> Answer<TenantView> {
    let tenant = change_settings(&state, caller.actor(), id, settings).await?;
    Ok(Json(shown(&state, tenant)))
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
    Sent(who): Sent<LogIn>,
) -> Answer<TenantView> {
    let tenant = log_in_to_cisco(&state, id, who).await?;
    Ok(Json(shown(&state, tenant)))
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
) -> Answer<Done> {
    log_out_of_cisco(&state, id).await;
    Ok(Json(Done {}))
}

pub(super) async fn cisco_accounts(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer<Vec<CiscoAccount>> {
    let (Some(cisco), Some(login)) = (&state.cisco, state.cisco_login(id)) else {
        return Err(Problem::new(StatusCode::CONFLICT, "log in to Cisco first"));
    };
    let tenant = run_raw(&state, move |collector, _| collector.tenant(id)).await?;
    if !tenant.connected {
        let text = "Cisco Is Not Available: turn Cisco Connectivity on first";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    let accounts = cisco.accounts(&login.token).await;
    accounts.map(Json).map_err(|error| Problem::new(StatusCode::BAD_GATEWAY, error.to_string()))
}

pub(super) async fn sync(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer<Done> {
    run_raw(&state, move |collector, _| collector.sync_now(id)).await?;
    state.work.ring();
    Ok(Json(Done {}))
}

/// A page of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// What comes after the row with this number; from the first on without it.
    #[serde(default)]
    pub after: i64,
    /// How many rows at most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 10_000))]
    pub limit: i64,
    /// What stands in it.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub search: String,
}

fn default_limit() -> i64 {
    100
}

pub(super) async fn instances(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    Asked(paging): Asked<Paging>,
) -> Answer<Vec<InstanceView>> {
    run(&state, move |collector, _| {
        collector.instances(id, &paging.search, InstanceId(paging.after), paging.limit)
    })
    .await
}

pub(super) async fn instance(
    State(state): State<CollectorSite>,
    Path((tenant, id)): Path<(TenantId, InstanceId)>,
) -> Answer<InstanceView> {
    run(&state, move |collector, _| collector.instance(tenant, id)).await
}

/// A product instance that will push.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInstance {
    /// Its product id.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    pub pid: String,
    /// Its serial number.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    pub serial: String,
    /// Its host name, if it has one.
    #[schemars(length(max = NAME_LETTERS_MAX))]
    pub hostname: Option<String>,
}

impl NewInstance {
    pub(super) fn add(
        &self,
        collector: &Collector,
        now: Timestamp,
        actor: &Actor,
        tenant_id: TenantId,
    ) -> Result<InstanceView, Error> {
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
    Sent(new): Sent<NewInstance>,
) -> Answer<InstanceView> {
    run(&state, move |collector, now| new.add(collector, now, &caller.actor(), id)).await
}

pub(super) async fn remove_instance(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, InstanceId)>,
) -> Answer<Done> {
    run_quietly(&state, move |collector, now| {
        collector.remove_instance(now, &caller.actor(), tenant, id)
    })
    .await
}

/// Product instances that are chosen.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Selected {
    /// Their numbers; none for all of them.
    ids: Option<Vec<InstanceId>>,
}

pub(super) async fn sync_instances(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    Sent(selected): Sent<Selected>,
) -> Answer<Done> {
    run_quietly(&state, move |collector, _| {
        collector.sync_instances(id, &selected.ids.unwrap_or_default())
    })
    .await
}

pub(super) async fn export_csv(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Result<Of<Csv>, Problem> {
    let text = run_raw(&state, move |collector, _| collector.export_csv(id)).await?;
    Ok(Of::new((attachment("text/csv; charset=utf-8", "product-instances.csv"), text)))
}

pub(super) async fn import_csv(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    Sheet(body): Sheet,
) -> Answer<CsvOutcome> {
    run(&state, move |collector, now| collector.import_csv(now, &caller.actor(), id, &body)).await
}

pub(super) async fn licenses(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer<Vec<LicenseView>> {
    run(&state, move |collector, _| collector.licenses(id)).await
}

pub(super) async fn export(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    MaySend(selected): MaySend<Selected>,
) -> Result<Of<Gzip>, Problem> {
    let Selected { ids } = selected.unwrap_or_default();
    transfer::export(&state, caller.actor(), id, ids).await.map(Of::new)
}

/// What a file that is uploaded is called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    name: String,
}

/// A transfer with its status in words.
#[derive(Serialize, JsonSchema)]
pub(super) struct TransferView {
    /// How it is.
    #[serde(flatten)]
    transfer: Transfer,
    /// The same in words.
    message: String,
}

fn shown_transfer(transfer: Transfer) -> TransferView {
    TransferView { message: transfer.message().to_string(), transfer }
}

pub(super) async fn import(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    Asked(upload): Asked<Upload>,
    body: Body,
) -> Answer<TransferView> {
    let incoming = state.spool.body(upload.name, body).await?;
    let transfer = transfer::import(&state, caller.actor(), id, incoming).await?;
    Ok(Json(shown_transfer(transfer)))
}

pub(super) async fn transfers(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer<Vec<TransferView>> {
    let found = run_raw(&state, move |collector, _| collector.transfers(id)).await?;
    Ok(Json(found.into_iter().map(shown_transfer).collect()))
}

pub(super) async fn one_transfer(
    State(state): State<CollectorSite>,
    Path((tenant, id)): Path<(TenantId, TransferId)>,
) -> Answer<TransferView> {
    let found = run_raw(&state, move |collector, _| collector.transfer(tenant, id)).await?;
    Ok(Json(shown_transfer(found)))
}

pub(super) async fn events(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
    Asked(paging): Asked<Paging>,
) -> Answer<Vec<Event>> {
    run(&state, move |collector, _| collector.events(id, paging.limit)).await
}

/// All logs as `AllFiles.zip` (ONPREM-013).
pub(super) async fn all_logs(State(state): State<CollectorSite>) -> Result<Of<Zip>, Problem> {
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
    Ok(Of::new((attachment("application/zip", "AllFiles.zip"), bytes)))
}

/// An API client.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiClient {
    /// What it is called.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    name: String,
}

/// An API client that was made.
#[derive(Serialize, JsonSchema)]
pub(super) struct MadeApiClient {
    /// What it is called by.
    client_id: String,
    /// What it proves itself by: told here alone.
    client_secret: String,
}

pub(super) async fn create_api_client(
    State(state): State<CollectorSite>,
    Sent(NewApiClient { name }): Sent<NewApiClient>,
) -> Answer<MadeApiClient> {
    run(&state, move |collector, now| {
        let (client_id, client_secret) = collector.create_api_client(now, &name)?;
        Ok(MadeApiClient { client_id, client_secret })
    })
    .await
}

/// Releases that go together.
#[derive(Serialize, JsonSchema)]
pub(super) struct Together {
    /// A release of NX-OS.
    nx_os: &'static str,
    /// The smart agent in it.
    sa_agent: &'static str,
    /// Releases of SSM On-Prem.
    on_prem: &'static [&'static str],
    /// A release of CSLU.
    cslu: &'static str,
}

/// Which releases of NX-OS, smart agent, SSM On-Prem and CSLU go together (ONPREM-017).
pub(super) async fn compatibility() -> Json<Vec<Together>> {
    let row = |nx_os, sa_agent, on_prem| Together { nx_os, sa_agent, on_prem, cslu: "2.2.0" };
    Json(vec![
        row("10.2(4)M", "5.2.4_rel/79", &["8-202212", "8-202304"]),
        row("10.3(4a)M", "5.7.25_rel/84", &["8-202212", "8-202304"]),
        row("10.4(3)F", "5.7.30_rel/108", &["8-202304", "8-202308"]),
        row("10.5(1)F", "5.7.30_rel/108", &["8-202401"]),
    ])
}

pub(super) async fn root_certificate(State(state): State<CollectorSite>) -> Of<Pem> {
    let pem = state.tls_root_pem.clone();
    Of::new(([(header::CONTENT_TYPE, "application/x-pem-file")], pem))
}

/// The devices that claim a UDI of a tenant with another key.
pub(super) async fn claims(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Answer<Vec<ClaimView>> {
    run(&state, move |collector, _| collector.claims(id)).await
}

pub(super) async fn accept_claim(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, ClaimId)>,
) -> Answer<Done> {
    run_quietly(&state, move |collector, now| {
        collector.accept_claim(now, &caller.actor(), tenant, id)
    })
    .await
}

pub(super) async fn dismiss_claim(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, ClaimId)>,
) -> Answer<Done> {
    run_quietly(&state, move |collector, now| {
        collector.dismiss_claim(now, &caller.actor(), tenant, id)
    })
    .await
}

/// What was done and refused on this server.
pub(super) async fn audit(
    State(state): State<CollectorSite>,
    Asked(search): Asked<AuditSearch>,
) -> Answer<InTerms<CollectorSite, Vec<AuditRow>>> {
    run(&state, move |collector, _| {
        collector.people().audit_rows(None, &search, 1000).map(InTerms::new)
    })
    .await
}
