//! CSSM on the web: the smart receiver, the REST API, and the pages people use.

mod api;
mod books;
mod chosen;
mod jobs;
mod mail;
mod pages;
mod public;
mod receiver;
mod reports;
mod routes;
mod upload;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use maud::Markup;
use rumline_cssm::{Cssm, Error, People};
use rumline_net::Clock;
use rumline_protocol::Timestamp;
use rumline_server::{Caller, Gauge, NotReady, PartId, ScopeId};

use crate::background::Background;
use crate::metrics::Metrics;
use crate::problem::Refusal;
use crate::provider::Provider;
use crate::ready::Readiness;
use crate::shared;
use crate::site::{Gates, Site, router_over};
use crate::spool::Spool;

pub use chosen::ChosenFiles;
pub use jobs::{JOBS, work_on_jobs};
pub use routes::cssm_routes;
pub use upload::{BUNDLES, work_on_bundles};
pub use webhooks::tell_webhooks;

/// What CSSM's handlers work with.
#[derive(Clone)]
pub struct CssmSite {
    /// The CSSM.
    pub cssm: Cssm,
    /// Its people.
    pub people: People,
    /// The clock.
    pub clock: Arc<Clock>,
    /// `https://HOST:PORT`, as shown to people.
    pub base_url: Arc<str>,
    /// The name of the cookie that holds a login.
    pub cookie: Arc<str>,
    /// The root certificate, PEM.
    pub root_pem: Arc<str>,
    /// Whether a mail server is known, so that messages are sent.
    pub sends_mail: bool,
    /// Whether webhooks may be told at addresses of one's own network.
    pub webhooks_to_internal: bool,
    /// The provider by which people log in, if there is one.
    pub provider: Option<Arc<Provider>>,
    /// Files on their way.
    pub spool: Spool,
    /// Those that wait until it is said for which virtual account they are.
    pub chosen: ChosenFiles,
    /// What this process does when no other does.
    pub background: Background,
    /// What may go on at a time.
    pub gates: Gates,
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// What it measures of itself.
    pub metrics: Metrics,
}

impl Site for CssmSite {
    const NAME: &'static str = "CSSM";
    const ABOUT: &'static str = "Accounts, tokens, policies, product instances, licenses and usage \
        files. Times are seconds since 1970.";
    const EXAMPLES: &'static str = include_str!("examples.json");
    const SCOPE: &'static str = "sa";
    const PART: Option<&'static str> = Some("va");
    const SCOPE_ID: &'static str = "smart_account_id";
    const PART_ID: Option<&'static str> = Some("virtual_account_id");

    fn check_scope(&self, scope_id: ScopeId, part_id: Option<PartId>) -> Result<(), Error> {
        self.cssm.check_account(scope_id.into(), part_id.map(Into::into))
    }

    fn part_of(&self, kind: &str, scope_id: ScopeId, id: i64) -> Result<Option<PartId>, Error> {
        let found = self.cssm.virtual_account_of(kind, scope_id.into(), id)?;
        Ok(found.map(Into::into))
    }

    fn scope_named(
        &self,
        scope: &str,
        part: Option<&str>,
    ) -> Result<(ScopeId, Option<PartId>), Error> {
        let (account, part) = self.cssm.account_named(scope, part)?;
        Ok((account.into(), part.map(Into::into)))
    }

    fn refusal_at(&self, path: &str) -> Refusal {
        public::refusal_at(path)
    }

    fn meant_by(&self, path: &str) -> Option<String> {
        public::meant_by(path)
    }

    fn people(&self) -> &People {
        &self.people
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn gates(&self) -> &Gates {
        &self.gates
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn gauges(&self) -> Result<Vec<Gauge>, Error> {
        self.cssm.gauges()
    }

    fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    fn probe(&self) -> Result<(), (NotReady, String)> {
        self.cssm.probe()
    }

    fn spool(&self) -> &Spool {
        &self.spool
    }

    fn provider(&self) -> Option<&Provider> {
        self.provider.as_deref()
    }

    fn cookie(&self) -> &str {
        &self.cookie
    }

    fn frame(&self, caller: &Caller, at: &str) -> (Vec<(String, &'static str)>, Option<Markup>) {
        shared::frame(self, caller, at)
    }
}

/// The router of CSSM.
pub fn cssm_router(state: CssmSite) -> Router {
    router_over(state, cssm_routes())
}
