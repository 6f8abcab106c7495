//! The servers on the web: REST handlers and pages that parse, call one function below, and render.
//!
//! Every route stands in a table with the action it takes; the router, the authorization in front of each
//! handler, the OpenAPI document and the test of every route for every role come from that table.

mod asked;
mod background;
mod collector;
mod contact;
mod cssm;
pub mod csv;
mod download;
pub mod fit;
mod identity;
mod listed;
mod metrics;
mod oauth;
mod openapi;
mod operation;
mod packed;
mod page;
mod people;
mod problem;
mod provider;
mod provider_login;
mod ready;
mod shared;
mod site;
mod spool;
mod ui;
mod watched;

pub use background::Background;
pub use collector::{
    Bell, Cisco, CiscoAccount, CiscoError, CollectorSite, FORWARD, IMPORTS, Parts,
    collector_router, collector_routes, cslu_routes, device_router, device_routes, forward,
    on_prem_router, on_prem_routes, work_on_imports,
};
pub use cssm::{
    BUNDLES, ChosenFiles, CssmSite, JOBS, cssm_router, cssm_routes, tell_webhooks, work_on_bundles,
    work_on_jobs,
};
pub use metrics::Metrics;
pub use openapi::openapi;
pub use page::in_query;
pub use problem::Refusal;
pub use provider::{Provider, ProviderSettings};
pub use ready::Readiness;
pub use site::{Access, Gates, NamedBy, Route, Site};
pub use spool::Spool;
