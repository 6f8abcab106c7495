//! Calls that carry a key (`Idempotency-Key`): the same call under the same key is done once and answered alike for a day.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, Limited};
use rumline_protocol::sha256;
use rumline_server::{Caller, KeptAnswer, Known};

use super::{Access, BODY_BYTES_MAX, Route, Site, blocking};
use crate::problem::{Problem, Refusal};

/// The header that names a call.
pub(crate) const KEY: &str = "idempotency-key";
/// What an answer says that was given before.
const REPLAYED: &str = "idempotent-replayed";
/// The longest key, in letters.
const KEY_LETTERS_MAX: usize = 255;
/// The longest answer of a call with a key, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Whether calls of a route may carry a key: those of this project's own API that create or do something.
pub(crate) fn takes_key<S>(route: &Route<S>) -> bool {
    route.method == "post"
        && !route.summary.is_empty()
        && !route.for_machines
        && route.refusal == Refusal::Problem
        && route.access != Access::Anyone
}

/// The key of a call, if it has one.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all = headers.get_all(KEY).iter();
    let Some(first) = all.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or_default().trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if all.next().is_some() || text.is_empty() || text.len() > KEY_LETTERS_MAX || !is_plain {
        let text = "an Idempotency-Key is one text of 1 to 255 visible ASCII letters: a random UUID will do";
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    Ok(Some(text.to_owned()))
}

/// What makes a call the same as another one.
fn digest(method: &Method, at: &Uri, body: &Bytes) -> [u8; 32] {
    let path = at.path_and_query().map_or("", |path| path.as_str());
    let mut text = format!("{method} {path}\n").into_bytes();
    text.extend_from_slice(&sha256(body));
    sha256(&text)
}

/// Stands before the handler of each call that may carry a key, behind the guard.
pub(crate) async fn once<S: Site>(
    State((state, tells_secret)): State<(S, bool)>,
    request: Request,
    next: Next,
) -> Response {
    match key_of(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(_)) if tells_secret => {
            let text = "the answer of this call holds a secret, which is not kept: send it without \
                        Idempotency-Key";
            Problem::new(StatusCode::BAD_REQUEST, text).into_response()
        }
        Ok(Some(key)) => match keyed(state, key, request, next).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

async fn keyed<S: Site>(
    state: S,
    key: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = request.extensions().get::<Caller>().cloned();
    let login = caller.map(|caller| caller.login).unwrap_or_default();
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| {
        let text = "with an Idempotency-Key a body has at most 1 MiB, and arrives whole";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    let body = body.to_bytes();
    let call = digest(&head.method, &head.uri, &body);
    let (people, now) = (state.people().clone(), state.now());
    let (whose, named) = (login.clone(), key.clone());
    match blocking(move || people.call_with_key(now, &whose, &named, &call)).await? {
        Known::New => {}
        Known::Done(kept) => return again(kept),
        Known::OtherCall => {
            let text = "this Idempotency-Key was sent with another call or another body within the last \
                        day: a new call takes a new key";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        Known::Unanswered => {
            let text = "the call with this Idempotency-Key is being worked on; or the server ended while \
                        it was, and whether it was done is not known: try again in a while, then look, \
                        and use a new key";
            return Err(Problem::new(StatusCode::CONFLICT, text));
        }
    }
    let request = Request::from_parts(head, Body::from(body));
    // Who hangs up meanwhile asks again for what was done.
    let work = tokio::spawn(async move { kept(state, login, key, next.run(request).await).await });
    let failed = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed");
    work.await.map_err(|_| failed())
}

/// An answer on its way, kept if something was done: what was refused may be sent again.
async fn kept<S: Site>(state: S, login: String, key: String, response: Response) -> Response {
    let (head, body) = response.into_parts();
    let is_done = head.status.is_success();
    let whole = to_bytes(body, ANSWER_BYTES_MAX).await.ok();
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let answer = KeptAnswer {
        status: head.status.as_u16(),
        content_type: kind.unwrap_or_default().to_owned(),
        body: whole.as_ref().map(|body| body.to_vec()),
    };
    let people = state.people().clone();
    // After a failure of the server nobody knows whether it was done: the key stays without an answer.
    if !head.status.is_server_error() {
        let work = move || people.answered(&login, &key, Some(&answer).filter(|_| is_done));
        if let Err(problem) = blocking(work).await {
            tracing::warn!(why = problem.detail(), "an answer could not be kept");
        }
    }
    match whole {
        Some(body) => Response::from_parts(head, Body::from(body)),
        None => {
            let text = "it was done, and its answer is too long for a call with an Idempotency-Key";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// The answer that was given before.
fn again(kept: KeptAnswer) -> Result<Response, Problem> {
    let Some(body) = kept.body else {
        let text = "this call was done, and its answer was too long to keep: look what there is";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    };
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Ok(kind) = HeaderValue::from_str(&kept.content_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
