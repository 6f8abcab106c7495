//! The REST handlers of CSSM.

use std::collections::BTreeSet;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use rumline_cssm::{
    Account, Actor, AlertId, Caller, ClaimId, CollectorId, Cssm, Error, InstanceId, NewCollector,
    NewToken, PolicyFile, Search, SmartAccountId, SortBy, TokenId, UsageFileId, VirtualAccountId,
};
use rumline_protocol::Timestamp;
use rumline_server::Action::{self, View};
use rumline_server::{AuditSearch, Only, PartId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cssm::{CssmSite, upload};
use crate::download::attachment;
use crate::problem::Problem;
use crate::site::{self, Message, Site, parse};

pub(super) type Answer = Result<Json<Value>, Problem>;

/// Runs `work` on a thread that may block, with the time at which the request came.
pub(super) async fn run<T: serde::Serialize + Send + 'static>(
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

pub(super) fn done() -> Result<Value, Error> {
    Ok(json!({}))
}

pub(super) async fn health(State(state): State<CssmSite>) -> Result<&'static str, Problem> {
    run_raw(&state, |cssm, _| cssm.smart_accounts(&Only::These(BTreeSet::new()))).await?;
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
    /// That of the second factor, if there is one.
    #[serde(default)]
    code: Option<String>,
}

pub(super) async fn log_in(State(state): State<CssmSite>, from: site::From, body: Bytes) -> Answer {
    let LogIn { login, password, code } = parse(&body)?;
    Ok(Json(json!({ "token": site::log_in(&state, login, password, code, from).await? })))
}

pub(super) async fn log_out(State(state): State<CssmSite>, headers: HeaderMap) -> Answer {
    let token = site::login_token(&state, &headers).unwrap_or_default().to_owned();
    run(&state, move |cssm, _| cssm.people().log_out(&token).and_then(|()| done())).await
}

pub(super) async fn smart_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |cssm, _| cssm.smart_accounts(&caller.scopes())).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSmartAccount {
    pub name: String,
    pub domain: String,
}

pub(super) async fn create_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let new: NewSmartAccount = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.create_smart_account(now, &caller.actor(), &new.name, &new.domain)
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Closed {
    #[serde(default)]
    closed: bool,
}

pub(super) async fn virtual_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(Closed { closed }): Query<Closed>,
) -> Answer {
    run(&state, move |cssm, _| {
        let only = caller.parts(View, sa.into());
        let mut all =
            if closed { cssm.virtual_accounts_ever(sa)? } else { cssm.virtual_accounts(sa)? };
        all.retain(|account| only.has(&account.id.into()));
        Ok(all)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewVirtualAccount {
    pub name: String,
}

pub(super) async fn create_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    body: Bytes,
) -> Answer {
    let new: NewVirtualAccount = parse(&body)?;
    run(&state, move |cssm, now| cssm.create_virtual_account(now, &caller.actor(), sa, &new.name))
        .await
}

pub(super) async fn tokens(State(state): State<CssmSite>, Path((sa, va)): Path<Account>) -> Answer {
    run(&state, move |cssm, _| cssm.tokens(sa, va)).await
}

pub(super) async fn create_token(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    body: Bytes,
) -> Answer {
    let new: NewToken = parse(&body)?;
    run(&state, move |cssm, now| cssm.create_token(now, &caller.actor(), sa, va, &new)).await
}

pub(super) async fn revoke_token(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, TokenId)>,
) -> Answer {
    run(&state, move |cssm, now| cssm.revoke_token(now, &caller.actor(), sa, id)).await
}

pub(super) async fn policy(State(state): State<CssmSite>, Path((sa, va)): Path<Account>) -> Answer {
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
) -> Answer {
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
) -> Answer {
    run(&state, move |cssm, _| cssm.tag_policies(sa)).await
}

pub(super) async fn set_tag_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, tag)): Path<(SmartAccountId, String)>,
    body: Bytes,
) -> Answer {
    let file: PolicyFile = parse(&body)?;
    change_policy(&state, caller, sa, PolicyOf::Tag(tag), Some(file)).await
}

pub(super) async fn remove_tag_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, tag)): Path<(SmartAccountId, String)>,
) -> Answer {
    change_policy(&state, caller, sa, PolicyOf::Tag(tag), None).await
}

pub(super) async fn instance_policy(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.instance_policy(sa, id)).await
}

pub(super) async fn set_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    body: Bytes,
) -> Answer {
    let file: PolicyFile = parse(&body)?;
    change_policy(&state, caller, sa, PolicyOf::VirtualAccount(va), Some(file)).await
}

/// A policy tried on what happened.
pub(super) async fn try_policy(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<Account>,
    Query(paging): Query<Paging>,
    body: Bytes,
) -> Answer {
    let file: PolicyFile = parse(&body)?;
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
) -> Answer {
    change_policy(&state, caller, sa, PolicyOf::VirtualAccount(va), None).await
}

pub(super) async fn set_account_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    body: Bytes,
) -> Answer {
    let file: PolicyFile = parse(&body)?;
    change_policy(&state, caller, sa, PolicyOf::SmartAccount, Some(file)).await
}

pub(super) async fn remove_account_policy(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer {
    change_policy(&state, caller, sa, PolicyOf::SmartAccount, None).await
}

pub(super) async fn policy_file(
    State(state): State<CssmSite>,
    Path((sa, va)): Path<Account>,
) -> Result<Response, Problem> {
    let text = run_raw(&state, move |cssm, now| cssm.policy_file(now, sa, va)).await?;
    Ok((attachment("application/xml", "policy.xml"), text).into_response())
}

#[derive(Deserialize)]
pub(super) struct Paging {
    #[serde(default)]
    pub after: i64,
    #[serde(default = "default_limit")]
    pub limit: i64,
}

fn default_limit() -> i64 {
    100
}

/// Which product instances are looked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    #[serde(default)]
    search: String,
    sort: Option<SortBy>,
    #[serde(default)]
    descending: bool,
    virtual_account_id: Option<VirtualAccountId>,
    #[serde(default)]
    next: String,
    /// As long lists have it; the same as `next` where nothing is sought.
    after: Option<InstanceId>,
    #[serde(default = "default_limit")]
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
    Query(sought): Query<Sought>,
) -> Answer {
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
    Query(sought): Query<Sought>,
) -> Answer {
    let only = sought.only(caller.parts(View, sa.into()));
    run(&state, move |cssm, _| cssm.count_instances(sa, &only, &sought.search())).await
}

pub(super) async fn instance(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.instance(sa, id)).await
}

pub(super) async fn remove_instance(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.remove_instance(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

pub(super) async fn reports(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
    Query(paging): Query<Paging>,
) -> Answer {
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
) -> Answer {
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
) -> Answer {
    let only = caller.parts(View, sa.into());
    run(&state, move |cssm, _| cssm.usage_files(sa, &only)).await
}

#[derive(Deserialize)]
pub(super) struct Upload {
    name: String,
}

pub(super) async fn upload_usage(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    Query(query): Query<Upload>,
    body: Body,
) -> Answer {
    let incoming = state.spool.body(query.name, body).await?;
    let file = upload::usage_file(&state, caller.actor(), (sa, va), incoming).await?;
    Ok(Json(serde_json::to_value(file).unwrap_or(Value::Null)))
}

pub(super) async fn usage_file(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.usage_file(sa, id)).await
}

pub(super) async fn acknowledgement(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Result<Response, Problem> {
    upload::acknowledgement(&state, sa, id).await
}

pub(super) async fn collectors(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer {
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
    body: Bytes,
) -> Answer {
    let new: NewCollector = parse(&body)?;
    run(&state, move |cssm, now| cssm.register_collector(now, &caller.actor(), sa, va, &new)).await
}

pub(super) async fn remove_collector(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, CollectorId)>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.remove_collector(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

pub(super) async fn collect(
    State(state): State<CssmSite>,
    Message { body, .. }: Message,
) -> Result<Response, Problem> {
    upload::collect(&state, body).await
}

pub(super) async fn events(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| cssm.events(sa, paging.limit)).await
}

/// Which alerts are listed: open ones, settled ones, or both, and how many of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    settled: Option<bool>,
    before: Option<AlertId>,
    #[serde(default = "default_limit")]
    limit: i64,
}

/// What somebody has to look at.
pub(super) async fn alerts(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Query(Which { settled, before, limit }): Query<Which>,
) -> Answer {
    run(&state, move |cssm, _| cssm.listed_alerts(Some(sa), settled, before, limit)).await
}

/// What concerns the whole server.
pub(super) async fn server_alerts(
    State(state): State<CssmSite>,
    Query(Which { settled, before, limit }): Query<Which>,
) -> Answer {
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
) -> Answer {
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
) -> Answer {
    with_alert(&state, caller, None, id, Cssm::acknowledge_alert).await
}

pub(super) async fn clear_server_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<AlertId>,
) -> Answer {
    with_alert(&state, caller, None, id, Cssm::clear_alert).await
}

pub(super) async fn acknowledge_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, AlertId)>,
) -> Answer {
    with_alert(&state, caller, Some(sa), id, Cssm::acknowledge_alert).await
}

pub(super) async fn clear_alert(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, AlertId)>,
) -> Answer {
    with_alert(&state, caller, Some(sa), id, Cssm::clear_alert).await
}

/// Product instances that turned up where they do not belong.
pub(super) async fn claims(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Query(paging): Query<Paging>,
) -> Answer {
    run(&state, move |cssm, _| cssm.claims_after(sa, ClaimId(paging.after))).await
}

pub(super) async fn accept_claim(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, ClaimId)>,
) -> Answer {
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
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.dismiss_claim(now, &caller.actor(), sa, id)?;
        done()
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    pub virtual_account_id: VirtualAccountId,
}

pub(super) async fn transfer_instance(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
    body: Bytes,
) -> Answer {
    let Transfer { virtual_account_id } = parse(&body)?;
    run(&state, move |cssm, now| {
        // Whoever gives it away has to be somebody there as well.
        caller.may(Action::Administer, sa.into(), Some(virtual_account_id.into()))?;
        cssm.transfer_instance(now, &caller.actor(), sa, id, virtual_account_id)?;
        cssm.instance(sa, id)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChosenEpoch {
    epoch: String,
}

pub(super) async fn choose_epoch(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, InstanceId)>,
    body: Bytes,
) -> Answer {
    let ChosenEpoch { epoch } = parse(&body)?;
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
) -> Answer {
    run(&state, move |cssm, _| cssm.set_aside(sa, id)).await
}

pub(super) async fn move_set_aside(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Answer {
    run(&state, move |cssm, now| cssm.move_set_aside(now, &caller.actor(), sa, id)).await
}

#[derive(Deserialize)]
pub(super) struct Before {
    pub before: Option<i64>,
}

/// What people did in an account.
pub(super) async fn account_audit(
    State(state): State<CssmSite>,
    Path(sa): Path<SmartAccountId>,
    Query(search): Query<AuditSearch>,
) -> Answer {
    run(&state, move |cssm, _| {
        cssm.check_account(sa, None)?;
        cssm.people().audit_rows(Some(sa.into()), &search, 1000)
    })
    .await
}

/// What was done and refused on this server.
pub(super) async fn audit(
    State(state): State<CssmSite>,
    Query(search): Query<AuditSearch>,
) -> Answer {
    run(&state, move |cssm, _| cssm.people().audit_rows(None, &search, 1000)).await
}
