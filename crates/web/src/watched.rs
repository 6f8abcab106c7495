//! What whoever watches a server asks: whether it can do its work, and what it measures of itself.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use rumline_server::{Error, NotReady};
use schemars::JsonSchema;
use serde::Serialize;

use crate::metrics::OPEN_METRICS;
use crate::operation::{Of, OpenMetrics};
use crate::problem::Problem;
use crate::site::{Site, blocking};

async fn look<S: Site>(state: &S) -> Result<(), NotReady> {
    let site = state.clone();
    state.readiness().now(move || site.probe()).await
}

/// A server that can do its work.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Ready {
    /// `ready`.
    status: &'static str,
}

/// Answers 200, or 503 with the reason.
pub(crate) async fn ready<S: Site>(State(state): State<S>) -> Result<Json<Ready>, Problem> {
    match look(&state).await {
        Ok(()) => Ok(Json(Ready { status: "ready" })),
        Err(why) => {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string());
            Err(problem.known_as(why.kind()))
        }
    }
}

/// Answers what is measured.
pub(crate) async fn metrics<S: Site>(State(state): State<S>) -> Result<Of<OpenMetrics>, Problem> {
    let (is_ready, site) = (look(&state).await.is_ok(), state.clone());
    // What cannot be counted now is left out: that the server is not ready is told all the same.
    let gauges = blocking(move || site.gauges()).await.unwrap_or_default();
    let text = state.metrics().write(is_ready, gauges);
    let text = text.map_err(|_| Error::Conflict("metrics cannot be written".to_owned()))?;
    Ok(Of::new(([(header::CONTENT_TYPE, OPEN_METRICS)], text)))
}
