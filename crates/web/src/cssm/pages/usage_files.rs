//! The pages of CSSM: Reports > Usage Data Files (guide p. 44-45, 74; CSSM-017 to 021).

use axum::extract::{Extension, Multipart, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use rumline_cssm::{
    Action, Caller, Only, SmartAccount, SmartAccountId, UsageFile, UsageFileId, VirtualAccount,
    VirtualAccountId,
};

use super::{path, places};
use crate::cssm::{CssmSite, api, upload};
use crate::page::{Frame, counted, page, problem_page, time};
use crate::problem::Problem;

fn shown(
    state: &CssmSite,
    caller: &Caller,
    back: &str,
    outcome: Result<Response, Problem>,
) -> Response {
    outcome.unwrap_or_else(|problem| problem_page(state, Some(caller), &problem, back))
}

fn address(sa: SmartAccountId) -> String {
    format!("/smart-accounts/{sa}/usage-files")
}

/// The smart accounts, or the only one at once.
pub(in crate::cssm) async fn root(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let only = caller.scopes();
    let found = api::run_raw(&state, move |cssm, _| cssm.smart_accounts(&only)).await;
    let outcome = found.map(|accounts| match accounts.as_slice() {
        [only] => Redirect::to(&address(only.id)).into_response(),
        accounts => accounts_page(&state, &caller, accounts),
    });
    shown(&state, &caller, "/", outcome)
}

fn accounts_page(state: &CssmSite, caller: &Caller, accounts: &[SmartAccount]) -> Response {
    let content = html! {
        h1 { "Smart Accounts" }
        @if accounts.is_empty() {
            p.empty { "No Smart Account yet. Create one with "
                code { "rumline cssm create-account NAME DOMAIN" } "." }
        } @else {
            ul { @for account in accounts {
                li { a href=(address(account.id)) { (account.name) } " " span.soft { (account.domain) } }
            } }
        }
    };
    let frame = Frame { title: "Smart Accounts", caller: Some(caller), ..Frame::default() };
    page(state, frame, &content).into_response()
}

pub(in crate::cssm) async fn usage_files(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Response {
    let found = api::run_raw(&state, move |cssm, _| {
        Ok((cssm.smart_account(sa)?, cssm.virtual_accounts(sa)?, cssm.usage_files(sa, &Only::All)?))
    });
    let outcome = found.await.map(|(account, within, files)| {
        usage_files_page(&state, &caller, &account, &within, &files)
    });
    shown(&state, &caller, "/", outcome)
}

fn usage_files_page(
    state: &CssmSite,
    caller: &Caller,
    account: &SmartAccount,
    within: &[VirtualAccount],
    files: &[UsageFile],
) -> Response {
    let at = address(account.id);
    let working = files.iter().any(|file| file.status == UsageFile::PROCESSING);
    let name = |id: VirtualAccountId| {
        within.iter().find(|va| va.id == id).map_or_else(|| id.to_string(), |va| va.name.clone())
    };
    let content = html! {
        (path(account, "Reports"))
        h1 { "Usage Data Files" }
        @if caller.may_at_all(Action::Operate).is_ok() {
            form.row method="post" action=(at) enctype="multipart/form-data" {
                label { "Virtual Account" select name="virtual_account" {
                    @for va in within { option value=(va.id) { (va.name) } }
                } }
                label { "Upload Usage Data" input type="file" name="file" required; }
                progress hidden {}
                button.first { "Upload Data" }
            }
        }
        div id="list" data-refresh=(at) data-every=(if working { "1" } else { "10" }) {
            @if files.is_empty() {
                p.empty { "No usage data file yet. Upload what a switch saved with "
                    code { "license smart save usage" } ", or what a CSLU or SSM On-Prem exported." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Table" { table {
                    thead { tr { th { "Usage Data File" } th { "Reported" } th { "Virtual Account" }
                        th { "Reporting Status" } th.number { "Number of Product Instances" }
                        th { "Acknowledgment" } } }
                    tbody { @for file in files { tr {
                        td { (file.name) }
                        td { (time(Some(file.uploaded_at))) }
                        td { (name(file.virtual_account_id)) }
                        td { (file.status) br; span.soft { (file.message) }
                            @if file.set_aside > 0 && caller.may_at_all(Action::Administer).is_ok() {
                                form method="post" action=(format!("{at}/{}/move", file.id)) {
                                    button { "Move " (counted(file.set_aside, "product instance"))
                                        " to " (name(file.virtual_account_id)) }
                                }
                            }
                        }
                        td.number { (file.product_instances) }
                        td { @if file.acknowledgement_ready {
                            a href=(format!("/api/v1{at}/{}/acknowledgement", file.id)) { "Download" }
                        } @else if file.status == UsageFile::PROCESSING {
                            progress aria-label="Processing" {}
                        } @else { span.soft { "-" } } }
                    } } }
                } }
            }
        }
    };
    let mut tabs = places(caller, account.id, within);
    if tabs.iter().all(|(to, _)| *to != at) {
        tabs.push((at.clone(), "Reports"));
    }
    let frame = Frame {
        title: "Usage Data Files",
        caller: Some(caller),
        tabs: &tabs,
        current: &at,
        corner: None,
    };
    page(state, frame, &content).into_response()
}

pub(in crate::cssm) async fn upload_usage(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    form: Multipart,
) -> Response {
    let outcome = async {
        let mut va = VirtualAccountId::default();
        let incoming = state.spool.form(form, |name, value| {
            if name == "virtual_account" {
                va = value.parse().unwrap_or_default();
            }
        });
        let incoming = incoming.await?;
        upload::usage_file(&state, caller.actor(), (sa, va), incoming).await?;
        Ok(Redirect::to(&address(sa)).into_response())
    };
    shown(&state, &caller, &address(sa), outcome.await)
}

/// Moves what an uploaded file would move: whoever presses the button has seen which.
pub(in crate::cssm) async fn move_set_aside(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, UsageFileId)>,
) -> Response {
    let by = caller.actor();
    let moved = api::run_raw(&state, move |cssm, now| cssm.move_set_aside(now, &by, sa, id)).await;
    let outcome = moved.map(|_| Redirect::to(&address(sa)).into_response());
    shown(&state, &caller, &address(sa), outcome)
}
