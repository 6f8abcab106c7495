//! HTTP for programs: NX-API and the REST interfaces beside it. Requests become questions to the loop; what they mean is for
//! the switch.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use rumline_net::PeerAddress;
use rumline_switch::HttpAnswer;
use tokio::sync::{mpsc, oneshot};

/// The largest request, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;

/// What somebody proves with who they are; it is shown nowhere.
pub(crate) enum Credentials {
    Basic {
        login: String,
        password: String,
    },
    /// A cookie that was given out before.
    Cookie(String),
    None,
}

/// A request on its way to the switch.
pub(crate) struct WebRequest {
    pub from: SocketAddr,
    pub credentials: Credentials,
    pub method: Method,
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub body: Bytes,
    pub answer: oneshot::Sender<WebAnswer>,
}

/// What the switch says to it.
#[derive(Debug)]
pub(crate) struct WebAnswer {
    pub answer: HttpAnswer,
    /// A cookie that stands for the login from now on.
    pub cookie: Option<String>,
}

/// The routes, all of which lead to the switch.
pub(crate) fn router(requests: mpsc::Sender<WebRequest>) -> Router {
    Router::new()
        .fallback(any(ask))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(requests)
}

fn credentials(headers: &HeaderMap) -> Credentials {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let basic = text(AUTHORIZATION).and_then(|value| {
        let (kind, encoded) = value.split_once(' ')?;
        let bytes = rumline_protocol::from_base64(encoded.trim())?;
        let pair = String::from_utf8(bytes).ok()?;
        let (login, password) = pair.split_once(':')?;
        kind.eq_ignore_ascii_case("basic").then(|| (login.to_owned(), password.to_owned()))
    });
    if let Some((login, password)) = basic {
        return Credentials::Basic { login, password };
    }
    // Some clients send a cookie back with all its attributes.
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies.flat_map(|value| value.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        ["nxapi_auth", "APIC-cookie"].contains(&name).then(|| value.to_owned())
    });
    cookie.map_or(Credentials::None, Credentials::Cookie)
}

async fn ask(
    State(requests): State<mpsc::Sender<WebRequest>>,
    Extension(PeerAddress(from)): Extension<PeerAddress>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    let refused =
        |status, told: &str| written(HttpAnswer::refused(&content_type, status, told), None);
    let body = match body {
        Ok(body) => body,
        Err(why) => return refused(why.status().as_u16(), &why.body_text()),
    };
    let (answer, answered) = oneshot::channel();
    let request = WebRequest {
        from,
        credentials: credentials(&headers),
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        content_type: content_type.clone(),
        body,
        answer,
    };
    let ended = "The switch restarts";
    if requests.send(request).await.is_err() {
        return refused(503, ended);
    }
    match answered.await {
        Ok(WebAnswer { answer, cookie }) => written(answer, cookie),
        Err(_) => refused(503, ended),
    }
}

fn written(answer: HttpAnswer, cookie: Option<String>) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(CONTENT_TYPE, answer.content_type)], answer.body).into_response();
    if let Some(cookie) = cookie.and_then(|cookie| cookie.parse().ok()) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    if status == StatusCode::UNAUTHORIZED
        && let Ok(basic) = "Basic realm=\"Secure Zone\"".parse()
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, basic);
    }
    response
}
