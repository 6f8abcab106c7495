//! `rumline lab page`: shows a lab as a picture, on loopback, over HTTP. It asks for nothing and changes nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rumline_net::{Security, Shutdown, serve};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::gather::Watcher;
use super::picture;
use super::state;

/// Whoever asks within this gets what was seen before.
const FRESH: Duration = Duration::from_millis(1500);

struct Seen {
    watcher: Watcher,
    last: Option<(Instant, state::State)>,
}

type Shared = Arc<Mutex<Seen>>;

/// Serves the picture of the lab in a folder until told to end.
pub(super) async fn run(dir: &Path, address: SocketAddr) -> Result<()> {
    let (listener, at) = listen(address).await?;
    say!("The picture is at {at}");
    let shutdown = Shutdown::default();
    tokio::select! {
        served = serve(listener, Security::Plain, router(dir, address_of(&at)), &shutdown) => served?,
        told = super::told_to_end() => { told?; }
    }
    Ok(())
}

/// The same beside other work, at any port; returns where it is.
pub(crate) async fn beside(dir: &Path) -> Result<String> {
    let (listener, at) = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let router = router(dir, address_of(&at));
    tokio::spawn(async move {
        let shutdown = Shutdown::default();
        if let Err(error) = serve(listener, Security::Plain, router, &shutdown).await {
            tracing::warn!(%error, "the picture of the lab is served no more");
        }
    });
    Ok(at)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("nothing can listen at {address}"))?;
    let at = format!("http://{}/", listener.local_addr()?);
    Ok((listener, at))
}

fn address_of(url: &str) -> String {
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

fn router(dir: &Path, address: String) -> Router {
    let seen = Arc::new(Mutex::new(Seen { watcher: Watcher::of(dir), last: None }));
    Router::new()
        .route("/", get(page))
        .route("/part", get(part))
        .route("/state", get(json))
        .route("/style.css", get(async || asset("text/css", include_str!("assets/style.css"))))
        .route("/page.js", get(async || asset("text/javascript", include_str!("assets/page.js"))))
        .with_state(seen)
        .layer(from_fn_with_state(address, guard))
}

/// Whether a Host header names this very page: another name that leads here is a trap.
fn is_own(host: &str, address: &str) -> bool {
    let port = address.rsplit(':').next().unwrap_or_default();
    host == address || host == format!("localhost:{port}")
}

async fn guard(State(address): State<String>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let own = host.is_some_and(|host| is_own(host, &address));
    let mut response = if own {
        next.run(request).await
    } else {
        let text = format!("This page is at http://{address}/ and goes by no other name.\n");
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    };
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                  img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn look(seen: &Shared) -> Result<state::State> {
    let mut seen = seen.lock().await;
    if let Some((at, state)) = &seen.last
        && at.elapsed() < FRESH
    {
        return Ok(state.clone());
    }
    let state = seen.watcher.look().await?;
    seen.last = Some((Instant::now(), state.clone()));
    Ok(state)
}

async fn page(State(seen): State<Shared>) -> Response {
    match look(&seen).await {
        Ok(state) => picture::page(&picture::content(&state)).into_response(),
        Err(error) => {
            let page = picture::page(&picture::problem(&format!("{error:#}")));
            (StatusCode::SERVICE_UNAVAILABLE, page).into_response()
        }
    }
}

async fn part(State(seen): State<Shared>) -> Response {
    match look(&seen).await {
        Ok(state) => picture::content(&state).into_response(),
        Err(error) => picture::problem(&format!("{error:#}")).into_response(),
    }
}

async fn json(State(seen): State<Shared>) -> Response {
    match look(&seen).await {
        Ok(state) => axum::Json(state).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn only_the_loopback_name_is_its_own() {
        let address = "127.0.0.1:21000";
        assert!(is_own("127.0.0.1:21000", address) && is_own("localhost:21000", address));
        for other in ["evil.example:21000", "127.0.0.1", "localhost", "127.0.0.1:21001", ""] {
            assert!(!is_own(other, address), "{other}");
        }
    }
}
