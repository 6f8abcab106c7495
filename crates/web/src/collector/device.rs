//! What product instances push to, and the page a person finds there (CSLU-002, CSLU-028, ONPREM-002, 004, G-06).

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::html;
use rumline_collector::{Answer, Collector, Look, OtherWay, TenantId, Ticket};
use rumline_server::Only;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::collector::CollectorSite;
use crate::contact::{Said, log_contact};
use crate::operation::{Envelope, Html, Messages, Of};
use crate::packed::{answer_of, json_answer};
use crate::page::{Frame, page};
use crate::problem::Problem;
use crate::site::{From, Message, Site};

/// A device is kept waiting for an answer that is on its way, but not longer than this.
const HOLD: Duration = Duration::from_secs(15);
/// How often is looked for an answer that may come in at another process.
const LOOK_SHARED: Duration = Duration::from_secs(1);
/// What is longer is worked on beside the threads that serve connections.
const INLINE_BYTES_MAX: usize = 64 << 10;

pub(super) async fn cslu_message(
    State(state): State<CollectorSite>,
    From(from): From,
    body: Message,
) -> Result<Of<Messages>, Problem> {
    if !state.is_cslu() {
        let text = "the URL lacks the tenant ID: .../cslu/v1/pi/TENANT_ID";
        return Err(Problem::new(StatusCode::NOT_FOUND, text));
    }
    Ok(Of::new(message(state, Collector::CSLU_TENANT, from, body).await))
}

pub(super) async fn tenant_message(
    State(state): State<CollectorSite>,
    name: Result<Path<String>, PathRejection>,
    From(from): From,
    body: Message,
) -> Result<Of<Messages>, Problem> {
    if state.is_cslu() {
        let text = "this is a CSLU: its URL ends with /cslu/v1/pi";
        return Err(Problem::new(StatusCode::NOT_FOUND, text));
    }
    let Ok(Path(name)) = name else { return Ok(Of::new(written(Answer::NoTenant, false))) };
    let id = state.collector.tenant_named(&name)?;
    Ok(Of::new(message(state, id, from, body).await))
}

async fn message(
    state: CollectorSite,
    tenant_id: TenantId,
    from: String,
    Message { body, takes_gzip }: Message,
) -> Response {
    let mut arrivals = state.answers.listen();
    let (sender, receiver) = oneshot::channel();
    let done = move |answer| {
        // The client may be gone by now; what it sent is stored all the same.
        let _gone = sender.send(answer).is_ok();
    };
    let now = state.now();
    let speaker = if body.len() <= INLINE_BYTES_MAX {
        state.collector.receive(now, tenant_id, &from, &body, done)
    } else {
        let (collector, from) = (state.collector.clone(), from.clone());
        let work = move || collector.receive(now, tenant_id, &from, &body, done);
        tokio::task::spawn_blocking(work).await.ok().flatten()
    };
    let answer = receiver.await;
    let said = match &answer {
        Ok(Answer::Message { response, .. }) => Said::response(response),
        Ok(Answer::NotAMessage(text) | Answer::Unavailable(text)) => Said::other("REFUSED", text),
        Ok(Answer::NoTenant) => Said::other("REFUSED", "there is no such tenant"),
        Err(_) => Said::other("REFUSED", "shutting down"),
    };
    log_contact(&from, speaker.as_ref(), &said);
    state.work.ring();
    let Ok(Answer::Message { response, soon: Some(ticket) }) = answer else {
        return answer.map_or_else(|_| shutting_down(), |answer| written(answer, takes_gzip));
    };
    let Ok(_held) = state.held.try_acquire() else {
        return message_response(&response, takes_gzip);
    };
    let until = tokio::time::Instant::now() + HOLD;
    let mut ending = state.shutdown.watch();
    // Answers to others come in too: it is looked again until its own is there.
    loop {
        tokio::select! {
            changed = arrivals.changed() => if changed.is_err() { break },
            // What another process has taken in rings no bell here.
            () = tokio::time::sleep(LOOK_SHARED), if state.spool.is_shared() => {}
            () = tokio::time::sleep_until(until) => break,
            _ = ending.wait_for(|ends| *ends) => break,
        }
        match look_again(&state, &ticket).await {
            Look::NotYet => {}
            Look::Over => break,
            Look::Here(answer) => return written(answer, takes_gzip),
        }
    }
    message_response(&response, takes_gzip)
}

async fn look_again(state: &CollectorSite, ticket: &Ticket) -> Look {
    let (sender, receiver) = oneshot::channel();
    state.collector.look_again(state.now(), ticket, move |look| {
        let _gone = sender.send(look).is_ok();
    });
    receiver.await.unwrap_or(Look::Over)
}

fn shutting_down() -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response()
}

fn message_response(response: &rumline_protocol::Response, takes_gzip: bool) -> Response {
    json_answer(serde_json::to_vec(response).unwrap_or_default(), takes_gzip)
}

fn written(answer: Answer, takes_gzip: bool) -> Response {
    match answer {
        Answer::Message { response, .. } => message_response(&response, takes_gzip),
        Answer::NotAMessage(text) => Problem::new(StatusCode::BAD_REQUEST, text).into_response(),
        Answer::NoTenant => {
            Problem::new(StatusCode::NOT_FOUND, "there is no such tenant").into_response()
        }
        Answer::Unavailable(text) => {
            tracing::warn!(error = %text, "the store failed");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// What someone sees who checks in a browser whether the URL can be reached (guide p. 70).
fn friendly(state: &CollectorSite, url: &str) -> Of<Html> {
    let title = state.title();
    let content = html! {
        h1 { "This is " (title) }
        p.note.good { "It can be reached. Product instances push their RUM reports to this URL:" }
        p { code { "license smart url cslu " (url) } }
        p { "Version " (state.collector.settings().version) "." }
    };
    let frame = Frame { title: "Reachable", ..Frame::default() };
    Of::new(page(state, frame, &content))
}

pub(super) async fn cslu_page(State(state): State<CollectorSite>) -> Of<Html> {
    if state.is_cslu() {
        friendly(&state, &state.device_url)
    } else {
        friendly(&state, &state.device_url_of("TENANT_ID"))
    }
}

pub(super) async fn tenant_page(
    State(state): State<CollectorSite>,
    Path(name): Path<String>,
) -> Of<Html> {
    // Whether there is such a tenant is nobody's business who is not logged in.
    friendly(&state, &state.device_url_of(&name))
}

/// Which server works.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// Which of the servers it is.
    product: &'static str,
    /// Its version.
    version: String,
}

pub(super) async fn health(State(state): State<CollectorSite>) -> Result<Json<Health>, Problem> {
    let collector = state.collector.clone();
    crate::site::blocking(move || collector.tenants(&Only::These(BTreeSet::new()))).await?;
    let settings = state.collector.settings();
    Ok(Json(Health {
        status: "ok",
        product: settings.kind.title(),
        version: settings.version.clone(),
    }))
}

/// Call Home where an SSM On-Prem takes it: of switches of before Smart Licensing Using Policy (ONPREM-018).
pub(super) async fn call_home(
    State(state): State<CollectorSite>,
    From(from): From,
    body: Message,
) -> Of<Envelope> {
    Of::new(other_message(state, OtherWay::OnPrem, from, body).await)
}

/// Call Home at CSSM's path: told where it is to go.
pub(super) async fn call_home_of_cssm(
    State(state): State<CollectorSite>,
    From(from): From,
    body: Message,
) -> Of<Envelope> {
    Of::new(other_message(state, OtherWay::CallHome, from, body).await)
}

/// The smart transport: told that it is not supported here (ONPREM-004).
pub(super) async fn smart_transport(
    State(state): State<CollectorSite>,
    From(from): From,
    body: Message,
) -> Of<Messages> {
    Of::new(other_message(state, OtherWay::Smart, from, body).await)
}

async fn other_message(
    state: CollectorSite,
    way: OtherWay,
    from: String,
    Message { body, takes_gzip }: Message,
) -> Response {
    let (sender, receiver) = oneshot::channel();
    let done = move |answer| {
        // The client may be gone by now; what it sent is stored all the same.
        let _gone = sender.send(answer).is_ok();
    };
    let (now, urls) = (state.now(), state.clone());
    let url_of = move |name: &str| urls.device_url_of(name);
    let speaker = state.collector.receive_other(now, (way, &from), url_of, &body, done);
    let answer = receiver.await;
    match &answer {
        Ok(Answer::Message { response, .. }) => {
            log_contact(&from, speaker.as_ref(), &Said::response(response));
        }
        Ok(Answer::NotAMessage(text) | Answer::Unavailable(text)) => {
            log_contact(&from, None, &Said::other("REFUSED", text));
        }
        Ok(Answer::NoTenant) | Err(_) => {}
    }
    state.work.ring();
    match answer {
        Ok(Answer::Message { response, .. }) => {
            let form = way.form();
            answer_of(form.content_type(), form.write(now, &response), takes_gzip)
        }
        // Nobody who would read an answer: said as to people.
        Ok(Answer::NotAMessage(_)) => Problem::new(StatusCode::NOT_FOUND, NO_OTHER).into_response(),
        Ok(answer) => written(answer, takes_gzip),
        Err(_) => shutting_down(),
    }
}

/// What whoever brings no message is told at the paths of other transports (ONPREM-004).
const NO_OTHER: &str = "only the cslu transport is supported here: license smart transport cslu and \
     license smart url cslu https://HOST/cslu/v1/pi/TENANT_ID";
