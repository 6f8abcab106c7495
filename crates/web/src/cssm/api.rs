//! The REST handlers of CSSM.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, header};
use rumline_cssm::{
    Account, AccountEvent, Actor, AlertId, AlertView, AuditRow, Caller, ClaimId, ClaimView,
    Collector, CollectorId, Count, Cssm, Error, FoundInstance, InstanceId, InstanceView,
    LicenseView, NewCollector, NewToken, PolicyFile, PolicyInForce, RegistrationToken, ReportRow,
    Search, SetAside, SmartAccount, SmartAccountId, SortBy, TokenId, Trial, UsageFile, UsageFileId,
    VirtualAccount, VirtualAccountId,
};
use rumline_protocol::Timestamp;
use rumline_server::Action::{self, View};
use rumline_server::{AuditSearch, NAME_LETTERS_MAX, Only, PartId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::asked::{Asked, Sent};
use crate::cssm::{CssmSite, upload};
use crate::download::attachment;
use crate::openapi::{InTerms, OpenApiDocument};
use crate::operation::{Acknowledgement, Done, Gzip, Of, Pem, Xml, done};
use crate::problem::Problem;
use crate::site::{self, Message, Site};

pub(super) type Answer<T> = Result<Json<T>, Problem>;

/// Runs `work` on a thread that may block, with the time at which the request came.
pub(super) async fn run<T: Send + 'static>(
    state: &CssmSite,
    work: impl FnOnce(&Cssm, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Answer<T> {
    run_raw(state, work).await.map(Json)
}

pub(super) async fn run_raw<T: Send + 'static>(
    state: &CssmSite,
    work: impl FnOnce(&Cssm, Timestamp) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let (cssm, now) = (state.cssm.clone(), state.now());
    site::blocking(move || work(&cssm, now)).await
}

pub(super) async fn health(State(state): State<CssmSite>) -> Result<&'static str, Problem> {
    run_raw(&state, |cssm, _| cssm.smart_accounts(&Only::These(BTreeSet::new()))).await?;
    Ok("ok")
}

pub(super) async fn openapi_document() -> Json<OpenApiDocument> {
    Json(OpenApiDocument::of(crate::openapi::openapi(CssmSite::NAME, &super::cssm_routes())))
}

pub(super) async fn root_certificate(State(state): State<CssmSite>) -> Of<Pem> {
    Of::new(([(header::CONTENT_TYPE, "application/x-pem-file")], state.root_pem.to_string()))
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
    State(state): State<CssmSite>,
    from: site::From,
    Sent(LogIn { login, password, code }): Sent<LogIn>,
) -> Answer<LoginToken> {
    let token = site::log_in(&state, login, password, code, from).await?;
    Ok(Json(LoginToken { token }))
}

pub(super) async fn log_out(State(state): State<CssmSite>, headers: HeaderMap) -> Answer<Done> {
    let token = site::login_token(&state, &headers).unwrap_or_default().to_owned();
    run(&state, move |cssm, _| cssm.people().log_out(&token).and_then(|()| done())).await
}

pub(super) async fn smart_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<SmartAccount>> {
    run(&state, move |cssm, _| cssm.smart_accounts(&caller.scopes())).await
}

/// What a smart account is to be called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSmartAccount {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    pub name: String,
    /// Its domain, like example.net.
    #[schemars(length(min = 3, max = 254))]
    pub domain: String,
}

pub(super) async fn create_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Sent(new): Sent<NewSmartAccount>,
) -> Answer<SmartAccount> {
    run(&state, move |cssm, now| {
        cssm.create_smart_account(now, &caller.actor(), &new.name, &new.domain)
    })
    .await
}

/// Which virtual accounts are listed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Closed {
    /// Whether those are listed too that are closed.
    #[serde(default)]
    closed: bool,
}

pub(super) async fn virtual_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Asked(Closed { closed }): Asked<Closed>,
) -> Answer<Vec<VirtualAccount>> {
    run(&state, move |cssm, _| {
        let only = caller.parts(View, sa.into());
        let mut all =
            if closed { cssm.virtual_accounts_ever(sa)? } else { cssm.virtual_accounts(sa)? };
        all.retain(|account| only.has(&account.id.into()));
        Ok(all)
    })
    .await
}

/// What a virtual account is to be called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVirtualAccount {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    pub name: String,
}

pub(super) async fn create_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Sent(new): Sent<NewVirtualAccount>,
) -> Answer<VirtualAccount> {
    run(&state, move |cssm, now| cssm.create_virtual_account(now, &caller.actor(), sa, &new.name))
        .await
}

pub(super) async fn tokens(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<Account>,
) -> Answer<Vec<RegistrationToken>> {
    run(&state, move |cssm, _| cssm.tokens(sa, va)).await
}

pub(super) async fn create_token(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    Sent(new): Sent<NewToken>,
) -> Answer<RegistrationToken> {
    run(&state, move |cssm, now| cssm.create_token(now, &caller.actor(), sa, va, &new)).await
}

pub(super) async fn revoke_token(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, TokenId)>,
) -> Answer<RegistrationToken> {
    run(&state, move |cssm, now| cssm.revoke_token(now, &caller.actor(), sa, id)).await
}

pub(super) async fn policy(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<Account>,
) -> Answer<PolicyInForce> {
    run(&state, move |cssm, _| cssm.policy(sa, va)).await
}

/// Whose policy is changed.
enum PolicyOf {
    SmartAccount,
    VirtualAccount(VirtualAccountId),
    Tag(String),
}

async fn change_policy(
    state: &CssmSite,
    caller: Caller,
    sa: SmartAccountId,
    of: PolicyOf,
    file: Option<PolicyFile>,
) -> Answer<Done> {
    run(state, move |cssm, now| {
        let policy = file.as_ref().map(|file| (file.policy(), file.lifetime_days));
        let policy = policy.as_ref().map(|(policy, lifetime_days)| (policy, *lifetime_days));
        let actor = caller.actor();
        match of {
            PolicyOf::SmartAccount => cssm.set_policy(now, &actor, sa, None, policy)?,
            PolicyOf::VirtualAccount(va) => cssm.set_policy(now, &actor, sa, Some(va), policy)?,
            PolicyOf::Tag(tag) => cssm.set_tag_policy(now, &actor, sa, &tag, policy)?,
        }
        done()
    })
    .await
}

pub(super) async fn tag_policies(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
) -> Answer<Vec<PolicyInForce>> {
    run(&state, move |cssm, _| cssm.tag_policies(sa)).await
}

pub(super) async fn set_tag_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, tag)): Path<(SmartAccountId, String)>,
    Sent(file): Sent<PolicyFile>,
) -> Answer<Done> {
    change_policy(&state, caller, sa, PolicyOf::Tag(tag), Some(file)).await
}

pub(super) async fn remove_tag_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, tag)): Path<(SmartAccountId, String)>,
) -> Answer<Done> {
    change_policy(&state, caller, sa, PolicyOf::Tag(tag), None).await
}

pub(super) async fn instance_policy(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
) -> Answer<PolicyInForce> {
    run(&state, move |cssm, _| cssm.instance_policy(sa, id)).await
}

pub(super) async fn set_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    Sent(file): Sent<PolicyFile>,
) -> Answer<Done> {
    change_policy(&state, caller, sa, PolicyOf::VirtualAccount(va), Some(file)).await
}

/// A policy tried on what happened.
pub(super) async fn try_policy(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<Account>,
    Asked(paging): Asked<Paging>,
    Sent(file): Sent<PolicyFile>,
) -> Answer<Vec<Trial>> {
    let after = InstanceId(paging.after);
    run(&state, move |cssm, now| {
        file.check()?;
        cssm.try_policy(now, (sa, va), file.unenforced, after, paging.limit)
    })
    .await
}

pub(super) async fn remove_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
) -> Answer<Done> {
    change_policy(&state, caller, sa, PolicyOf::VirtualAccount(va), None).await
}

pub(super) async fn set_account_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Sent(file): Sent<PolicyFile>,
) -> Answer<Done> {
    change_policy(&state, caller, sa, PolicyOf::SmartAccount, Some(file)).await
}

pub(super) async fn remove_account_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer<Done> {
    change_policy(&state, caller, sa, PolicyOf::SmartAccount, None).await
}

pub(super) async fn policy_file(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<Account>,
) -> Result<Of<Xml>, Problem> {
    let text = run_raw(&state, move |cssm, now| cssm.policy_file(now, sa, va)).await?;
    Ok(Of::new((attachment("application/xml", "policy.xml"), text)))
}

/// A page of a list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// What comes after the row with this number; from the first on without it.
    #[serde(default)]
    pub after: i64,
    /// How many rows at most; some lists answer fewer at a time.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    pub limit: i64,
}

/// The most rows that are asked for at a time.
pub(super) const LIMIT_MAX: i64 = 10_000;

fn default_limit() -> i64 {
    100
}

/// Which product instances are looked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    /// How the name, the serial number or the product id begins, or the product type.
    #[serde(default)]
    #[schemars(length(max = 256))]
    search: String,
    /// By what they are sorted, and where alone the search looks.
    sort: Option<SortBy>,
    /// Whether they are listed the other way round.
    #[serde(default)]
    descending: bool,
    /// Those of this virtual account only.
    virtual_account_id: Option<VirtualAccountId>,
    /// What the last row of the page before says.
    #[serde(default)]
    next: String,
    /// As long lists have it; the same as `next` where nothing is sought.
    after: Option<InstanceId>,
    /// How many rows at most, up to 1,000 at a time.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: i64,
}

impl Sought {
    fn search(&self) -> Search {
        Search {
            text: self.search.trim().to_owned(),
            sort_by: self.sort,
            descending: self.descending,
        }
    }

    /// The virtual accounts to look in: all that the caller may see, or one of these.
    fn only(&self, all: Only<PartId>) -> Only<PartId> {
        let Some(one) = self.virtual_account_id.map(PartId::from) else { return all };
        let these = if all.has(&one) { BTreeSet::from([one]) } else { BTreeSet::new() };
        Only::These(these)
    }
}

pub(super) async fn instances(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Asked(sought): Asked<Sought>,
) -> Answer<Vec<FoundInstance>> {
    let only = sought.only(caller.parts(View, sa.into()));
    run(&state, move |cssm, _| {
        // A first page may be asked for after 0.
        let after = sought.after.filter(|after| after.0 != 0).map(|after| after.to_string());
        let next = after.as_ref().unwrap_or(&sought.next);
        cssm.find_instances(sa, &only, &sought.search(), next, sought.limit)
    })
    .await
}

pub(super) async fn count_instances(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Asked(sought): Asked<Sought>,
) -> Answer<Count> {
    let only = sought.only(caller.parts(View, sa.into()));
    run(&state, move |cssm, _| cssm.count_instances(sa, &only, &sought.search())).await
}

pub(super) async fn instance(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
) -> Answer<InstanceView> {
    run(&state, move |cssm, _| cssm.instance(sa, id)).await
}

pub(super) async fn remove_instance(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.remove_instance(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

pub(super) async fn reports(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
    Asked(paging): Asked<Paging>,
) -> Answer<Vec<ReportRow>> {
    run(&state, move |cssm, _| {
        cssm.instance(sa, id)?;
        cssm.reports(sa, id, paging.after, paging.limit)
    })
    .await
}

pub(super) async fn licenses(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer<Vec<LicenseView>> {
    run(&state, move |cssm, now| {
        let only = caller.parts(View, sa.into());
        let mut all = cssm.licenses(now, sa)?;
        all.retain(|view| only.has(&view.virtual_account_id.into()));
        Ok(all)
    })
    .await
}

pub(super) async fn usage_files(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer<Vec<UsageFile>> {
    let only = caller.parts(View, sa.into());
    run(&state, move |cssm, _| cssm.usage_files(sa, &only)).await
}

/// What a file that is uploaded is called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    /// Its name.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    name: String,
}

pub(super) async fn upload_usage(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    Asked(query): Asked<Upload>,
    body: Body,
) -> Answer<UsageFile> {
    let incoming = state.spool.body(query.name, body).await?;
    upload::usage_file(&state, caller.actor(), (sa, va), incoming).await.map(Json)
}

pub(super) async fn usage_file(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Answer<UsageFile> {
    run(&state, move |cssm, _| cssm.usage_file(sa, id)).await
}

pub(super) async fn acknowledgement(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Result<Of<Acknowledgement>, Problem> {
    upload::acknowledgement(&state, sa, id).await.map(Of::new)
}

pub(super) async fn collectors(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer<Vec<Collector>> {
    run(&state, move |cssm, _| {
        let only = caller.parts(View, sa.into());
        let mut all = cssm.collectors(sa)?;
        all.retain(|collector| only.has(&collector.virtual_account_id.into()));
        Ok(all)
    })
    .await
}

pub(super) async fn register_collector(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    Sent(new): Sent<NewCollector>,
) -> Answer<Collector> {
    run(&state, move |cssm, now| cssm.register_collector(now, &caller.actor(), sa, va, &new)).await
}

pub(super) async fn remove_collector(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, CollectorId)>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.remove_collector(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

pub(super) async fn collect(
    State(state): State<CssmSite>,
    Message { body, .. }: Message,
) -> Result<Of<Gzip>, Problem> {
    upload::collect(&state, body).await.map(Of::new)
}

pub(super) async fn events(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Asked(paging): Asked<Paging>,
) -> Answer<Vec<AccountEvent>> {
    run(&state, move |cssm, _| cssm.events(sa, paging.limit)).await
}

/// Which alerts are listed: open ones, settled ones, or both, and how many of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those that are settled, or only those that are open.
    settled: Option<bool>,
    /// Those before the one with this number, in one of the two kinds.
    before: Option<AlertId>,
    /// How many rows at most, up to 1,000.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: i64,
}

/// What somebody has to look at.
pub(super) async fn alerts(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Asked(Which { settled, before, limit }): Asked<Which>,
) -> Answer<Vec<AlertView>> {
    run(&state, move |cssm, _| cssm.listed_alerts(Some(sa), settled, before, limit)).await
}

/// What concerns the whole server.
pub(super) async fn server_alerts(
    State(state): State<CssmSite>,
    Asked(Which { settled, before, limit }): Asked<Which>,
) -> Answer<Vec<AlertView>> {
    run(&state, move |cssm, _| cssm.listed_alerts(None, settled, before, limit)).await
}

type AlertWork = fn(&Cssm, Timestamp, &Actor, Option<SmartAccountId>, AlertId) -> Result<(), Error>;

/// What is done to an alert of an account, or of the whole server.
async fn with_alert(
    state: &CssmSite,
    caller: Caller,
    of: Option<SmartAccountId>,
    id: AlertId,
    work: AlertWork,
) -> Answer<Done> {
    run(state, move |cssm, now| {
        work(cssm, now, &caller.actor(), of, id)?;
        done()
    })
    .await
}

pub(super) async fn acknowledge_server_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<AlertId>,
) -> Answer<Done> {
    with_alert(&state, caller, None, id, Cssm::acknowledge_alert).await
}

pub(super) async fn clear_server_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<AlertId>,
) -> Answer<Done> {
    with_alert(&state, caller, None, id, Cssm::clear_alert).await
}

pub(super) async fn acknowledge_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, AlertId)>,
) -> Answer<Done> {
    with_alert(&state, caller, Some(sa), id, Cssm::acknowledge_alert).await
}

pub(super) async fn clear_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, AlertId)>,
) -> Answer<Done> {
    with_alert(&state, caller, Some(sa), id, Cssm::clear_alert).await
}

/// Product instances that turned up where they do not belong.
pub(super) async fn claims(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Asked(paging): Asked<Paging>,
) -> Answer<Vec<ClaimView>> {
    run(&state, move |cssm, _| cssm.claims_after(sa, ClaimId(paging.after))).await
}

pub(super) async fn accept_claim(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, ClaimId)>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.accept_claim(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

pub(super) async fn dismiss_claim(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, ClaimId)>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.dismiss_claim(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

/// The virtual account that something goes to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    /// Its number.
    pub virtual_account_id: VirtualAccountId,
}

pub(super) async fn transfer_instance(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
    Sent(Transfer { virtual_account_id }): Sent<Transfer>,
) -> Answer<InstanceView> {
    run(&state, move |cssm, now| {
        // Whoever gives it away has to be somebody there as well.
        caller.may(Action::Administer, sa.into(), Some(virtual_account_id.into()))?;
        cssm.transfer_instance(now, &caller.actor(), sa, id, virtual_account_id)?;
        cssm.instance(sa, id)
    })
    .await
}

/// Which of two product instances that speak as one goes on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChosenEpoch {
    /// Its epoch.
    #[schemars(length(max = 100))]
    epoch: String,
}

pub(super) async fn choose_epoch(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
    Sent(ChosenEpoch { epoch }): Sent<ChosenEpoch>,
) -> Answer<InstanceView> {
    run(&state, move |cssm, now| {
        cssm.choose_epoch(now, &caller.actor(), sa, id, &epoch)?;
        cssm.instance(sa, id)
    })
    .await
}

/// The product instances that an uploaded file would move.
pub(super) async fn set_aside(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Answer<Vec<SetAside>> {
    run(&state, move |cssm, _| cssm.set_aside(sa, id)).await
}

pub(super) async fn move_set_aside(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Answer<UsageFile> {
    run(&state, move |cssm, now| cssm.move_set_aside(now, &caller.actor(), sa, id)).await
}

/// A page of a list, backwards.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    /// Rows before the one with this number.
    pub before: Option<i64>,
}

/// What people did in an account.
pub(super) async fn account_audit(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Asked(search): Asked<AuditSearch>,
) -> Answer<InTerms<CssmSite, Vec<AuditRow>>> {
    run(&state, move |cssm, _| {
        cssm.check_account(sa, None)?;
        cssm.people().audit_rows(Some(sa.into()), &search, 1000).map(InTerms::new)
    })
    .await
}

/// What was done and refused on this server.
pub(super) async fn audit(
    State(state): State<CssmSite>,
    Asked(search): Asked<AuditSearch>,
) -> Answer<InTerms<CssmSite, Vec<AuditRow>>> {
    run(&state, move |cssm, _| cssm.people().audit_rows(None, &search, 1000).map(InTerms::new))
        .await
}
