//! REST handlers of the servers: parse, call one function below, render.
//!
//! Every route stands in one table with the action it takes; the router, the authorization in front of each
//! handler, the OpenAPI document and the test of every route for every role come from that table.

mod api;
mod openapi;
mod problem;
mod receiver;
mod routes;

use std::sync::Arc;

use rumline_cssm::Cssm;
use rumline_net::Clock;

pub use openapi::openapi;
pub use routes::{Access, Route, router, routes};

/// What handlers work with.
#[derive(Clone)]
pub struct AppState {
    /// The CSSM.
    pub cssm: Cssm,
    /// The clock, read once for each request.
    pub clock: Arc<Clock>,
    /// `https://HOST:PORT`, as shown to people.
    pub base_url: Arc<str>,
    /// The root certificate, PEM.
    pub root_pem: Arc<str>,
    /// Password checks that may run at a time.
    pub logins: Arc<tokio::sync::Semaphore>,
    /// Uploads that may be unpacked at a time.
    pub uploads: Arc<tokio::sync::Semaphore>,
}
