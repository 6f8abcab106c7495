//! CSLU and SSM On-Prem on the web: what product instances push to, the REST API, and the pages people use.

mod api;
mod cisco;
mod device;
mod forwarder;
mod id_tokens;
mod onprem_v1;
mod pages;
mod routes;
mod transfer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use maud::Markup;
use rumline_collector::{Collector, Kind, TenantId};
use rumline_net::{Clock, Shutdown};
use rumline_protocol::Timestamp;
use rumline_server::{Caller, Error, Gauge, NotReady, PartId, People, ScopeId};
use tokio::sync::{Semaphore, watch};

use crate::background::Background;
use crate::metrics::Metrics;
use crate::problem::Refusal;
use crate::provider::Provider;
use crate::ready::Readiness;
use crate::shared;
use crate::site::{Gates, Site, router_over};
use crate::spool::Spool;

pub use cisco::{Cisco, CiscoAccount, CiscoError};
pub use forwarder::{FORWARD, forward};
pub use routes::{collector_routes, cslu_routes, device_routes, on_prem_routes};
pub use transfer::{IMPORTS, work_on_imports};

/// Devices whose answer is waited for at a time.
const HELD_MAX: usize = 1000;

/// Something happened that others wait for: a counter that is watched.
#[derive(Clone, Debug)]
pub struct Bell(Arc<watch::Sender<u64>>);

impl Default for Bell {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Bell {
    /// Wakes whoever waits.
    pub fn ring(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// To wait with; what has rung before does not count.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// Who is logged in to Cisco, by tenant; nobody after a restart. A server that is registered needs nobody.
type CiscoLogins = Mutex<BTreeMap<TenantId, CiscoLogin>>;

#[derive(Clone, Debug)]
struct CiscoLogin {
    login: String,
    token: String,
}

/// What a collector's handlers work with: one thing, that every request holds for a while.
#[derive(Clone)]
pub struct CollectorSite(Arc<Inside>);

impl std::ops::Deref for CollectorSite {
    type Target = Inside;

    fn deref(&self) -> &Inside {
        &self.0
    }
}

/// What a [`CollectorSite`] holds.
pub struct Inside {
    /// The collector.
    pub collector: Collector,
    /// Its people.
    pub people: People,
    /// The clock.
    pub clock: Clock,
    /// Where product instances push to, without a tenant: `http://HOST:8182/cslu/v1/pi`.
    pub device_url: String,
    /// The host's name, for logs.
    pub host: String,
    /// The name of the cookie that holds a login.
    pub cookie: String,
    /// CSSM; none where it is never to be called.
    pub cisco: Option<Cisco>,
    /// The root certificate of its own TLS certificates, PEM.
    pub tls_root_pem: String,
    /// The provider by which people log in, if there is one.
    pub provider: Option<Provider>,
    /// Files on their way.
    pub spool: Spool,
    /// What this process does when no other does.
    pub background: Background,
    /// Tells when to end.
    pub shutdown: Shutdown,
    /// What may go on at a time.
    pub gates: Gates,
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// What it measures of itself.
    pub metrics: Metrics,
    /// Rings when there may be something to forward.
    pub work: Bell,
    /// Rings when answers have come in.
    pub answers: Bell,
    held: Semaphore,
    logins: CiscoLogins,
}

/// What [`CollectorSite::new`] needs.
pub struct Parts {
    /// The collector.
    pub collector: Collector,
    /// The clock.
    pub clock: Clock,
    /// Where product instances push to.
    pub device_url: String,
    /// The host's name.
    pub host: String,
    /// The name of the cookie that holds a login: of its own for each server on a host.
    pub cookie: String,
    /// CSSM.
    pub cisco: Option<Cisco>,
    /// The root certificate of its own TLS certificates, PEM.
    pub tls_root_pem: String,
    /// The provider by which people log in, if there is one.
    pub provider: Option<Provider>,
    /// Files on their way.
    pub spool: Spool,
    /// What this process does when no other does.
    pub background: Background,
    /// Tells when to end.
    pub shutdown: Shutdown,
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// What it measures of itself.
    pub metrics: Metrics,
}

impl CollectorSite {
    /// A site.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inside {
            people: parts.collector.people(),
            collector: parts.collector,
            clock: parts.clock,
            device_url: parts.device_url,
            host: parts.host,
            cookie: parts.cookie,
            cisco: parts.cisco,
            tls_root_pem: parts.tls_root_pem,
            provider: parts.provider,
            spool: parts.spool,
            background: parts.background,
            shutdown: parts.shutdown,
            gates: Gates::default(),
            readiness: parts.readiness,
            metrics: parts.metrics,
            work: Bell::default(),
            answers: Bell::default(),
            held: Semaphore::new(HELD_MAX),
            logins: CiscoLogins::default(),
        }))
    }

    fn is_cslu(&self) -> bool {
        self.collector.settings().kind == Kind::Cslu
    }

    fn cisco_login(&self, tenant_id: TenantId) -> Option<CiscoLogin> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant_id).cloned()
    }

    fn set_cisco_login(&self, tenant_id: TenantId, login: Option<CiscoLogin>) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        match login {
            Some(login) => logins.insert(tenant_id, login),
            None => logins.remove(&tenant_id),
        };
    }

    /// The URL of a tenant's product instances, as it stands in their configuration (ONPREM-002).
    fn device_url_of(&self, tenant_name: &str) -> String {
        if tenant_name.is_empty() {
            self.device_url.clone()
        } else {
            format!("{}/{tenant_name}", self.device_url)
        }
    }
}

/// Where the calls of the public API begin.
const PUBLIC: [&str; 3] = ["/api/v1/accounts/", "/api/v1/upstream_satellites/", "/backend/"];

impl Site for CollectorSite {
    const NAME: &'static str = "Rumline Collector";
    const ABOUT: &'static str = "Tenants, product instances, licenses in use, files for and from \
        Cisco. A CSLU has one tenant, number 1. Times are seconds since 1970.";
    const EXAMPLES: &'static str = include_str!("examples.json");
    const SCOPE: &'static str = "tenant";
    const SCOPE_ID: &'static str = "tenant_id";

    fn check_scope(&self, scope_id: ScopeId, part_id: Option<PartId>) -> Result<(), Error> {
        if part_id.is_some() {
            return Err(Error::NotFound("part of a tenant"));
        }
        self.collector.tenant(scope_id.into()).map(|_| ())
    }

    fn refusal_at(&self, path: &str) -> Refusal {
        let is_public = PUBLIC.iter().any(|start| path.starts_with(start));
        if is_public { Refusal::Account } else { Refusal::Problem }
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
        self.collector.gauges()
    }

    fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    fn probe(&self) -> Result<(), (NotReady, String)> {
        self.collector.probe()
    }

    fn spool(&self) -> &Spool {
        &self.spool
    }

    fn provider(&self) -> Option<&Provider> {
        self.provider.as_ref()
    }

    fn cookie(&self) -> &str {
        &self.cookie
    }

    fn frame(&self, caller: &Caller, at: &str) -> (Vec<(String, &'static str)>, Option<Markup>) {
        shared::frame(self, caller, at)
    }

    fn title(&self) -> &'static str {
        match self.collector.settings().kind {
            Kind::Cslu => "Cisco Smart License Utility",
            Kind::OnPrem => "Smart Software Manager On-Prem",
        }
    }
}

/// The router of an SSM On-Prem, where people and product instances come to the same place.
pub fn on_prem_router(state: CollectorSite) -> Router {
    router_over(state, on_prem_routes())
}

/// The router of a collector's API and pages.
pub fn collector_router(state: CollectorSite) -> Router {
    router_over(state, collector_routes())
}

/// The router that product instances push to.
pub fn device_router(state: CollectorSite) -> Router {
    router_over(state, device_routes())
}
