//! What whoever watches a server asks: whether it can do its work, and what it measures of itself.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rumline_server::{Error, NotReady};
use serde_json::json;

use crate::metrics::OPEN_METRICS;
use crate::problem::Problem;
use crate::site::{Site, blocking};

async fn look<S: Site>(state: &S) -> Result<(), NotReady> {
    let site = state.clone();
    state.readiness().now(move || site.probe()).await
}

/// Answers 200, or 503 with the reason.
pub(crate) async fn ready<S: Site>(State(state): State<S>) -> Response {
    match look(&state).await {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string())
            .known_as(why.kind())
            .into_response(),
    }
}

/// Answers what is measured.
pub(crate) async fn metrics<S: Site>(State(state): State<S>) -> Result<Response, Problem> {
    let (is_ready, site) = (look(&state).await.is_ok(), state.clone());
    // What cannot be counted now is left out: that the server is not ready is told all the same.
    let gauges = blocking(move || site.gauges()).await.unwrap_or_default();
    let text = state.metrics().write(is_ready, gauges);
    let text = text.map_err(|_| Error::Conflict("metrics cannot be written".to_owned()))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
