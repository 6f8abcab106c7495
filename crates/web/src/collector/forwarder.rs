//! The way to CSSM, walked whenever something is due: started by time or by a bell, the same after a start or a crash.

use std::collections::BTreeSet;
use std::time::Duration;

use rumline_collector::{Done, Error, Exchange, SyncState, TenantId, Work};
use rumline_server::Only;
use tokio::task::JoinSet;

use crate::collector::CollectorSite;
use crate::problem::Problem;
use crate::site::{Site, blocking};

/// What rings within this is answered together.
const GATHER: Duration = Duration::from_millis(20);
/// Exchanges at a time.
const EXCHANGES_MAX: usize = 8;
/// Without a bell the tenants are looked at this often.
const LOOK: Duration = Duration::from_secs(60);
/// Where other processes take in what is to be forwarded nobody rings.
const LOOK_SHARED: Duration = Duration::from_secs(2);
/// What this process does with it, when no other does.
pub const FORWARD: &str = "forward";

/// The tenants whose exchange goes on, side by side: one that takes long holds up no other.
#[derive(Default)]
struct Exchanges {
    tasks: JoinSet<TenantId>,
    tenants: BTreeSet<TenantId>,
}

/// Exchanges with CSSM what is due, for ever.
pub async fn forward(site: CollectorSite) {
    let (mut bell, mut exchanges) = (site.work.listen(), Exchanges::default());
    loop {
        site.background.mine(FORWARD).await;
        bell.borrow_and_update();
        let wait = match look(&site, &mut exchanges).await {
            Ok(wait) => wait,
            Err(problem) => {
                tracing::warn!(why = problem.detail(), "nothing could be forwarded");
                LOOK
            }
        };
        tokio::select! {
            // Who rings no more will not be missed: the time comes all the same.
            _rung = tokio::time::timeout(wait, bell.changed()) => {}
            Some(Ok(tenant_id)) = exchanges.tasks.join_next() => {
                exchanges.tenants.remove(&tenant_id);
            }
        }
        // Many devices ring at once: one look serves them all, and a batch holds more than one.
        tokio::time::sleep(GATHER).await;
    }
}

/// Begins what is due and says how long nothing else will be.
async fn look(site: &CollectorSite, exchanges: &mut Exchanges) -> Result<Duration, Problem> {
    if site.cisco.is_none() {
        return Ok(LOOK);
    }
    let (collector, now) = (site.collector.clone(), site.now());
    let due = blocking(move || {
        let mut due = Vec::new();
        for tenant in collector.tenants(&Only::All)? {
            let state = collector.sync_state(now, tenant.id)?;
            due.extend(state.due_at.map(|at| (at, tenant.id, state)));
        }
        Ok(due)
    });
    let mut wait = if site.spool.is_shared() { LOOK_SHARED } else { LOOK };
    for (at, tenant_id, state) in due.await? {
        if exchanges.tenants.contains(&tenant_id) {
            continue;
        }
        if at > site.now() {
            wait = wait.min(site.clock.until(at));
        } else if exchanges.tasks.len() < EXCHANGES_MAX {
            exchanges.tenants.insert(tenant_id);
            let site = site.clone();
            exchanges.tasks.spawn(async move {
                if let Err(problem) = exchange(&site, tenant_id, state).await {
                    tracing::warn!(why = problem.detail(), %tenant_id, "not all was forwarded");
                }
                tenant_id
            });
        }
    }
    Ok(wait)
}

/// Brings everything a tenant has; what can be done side by side is.
async fn exchange(
    site: &CollectorSite,
    tenant_id: TenantId,
    began: SyncState,
) -> Result<(), Problem> {
    let (mut exchange, mut works) = Exchange::begin(began);
    let mut running = JoinSet::new();
    loop {
        for work in works.drain(..) {
            running.spawn(carry_out(site.clone(), tenant_id, work));
        }
        let Some(done) = running.join_next().await else { return Ok(()) };
        let done = done.unwrap_or_else(|error| Err(Error::invalid(error.to_string()).into()))?;
        if matches!(done, Done::Taken(_) | Done::Over) {
            site.answers.ring();
        }
        works = exchange.done(done);
    }
}

async fn carry_out(site: CollectorSite, tenant_id: TenantId, work: Work) -> Result<Done, Problem> {
    match work {
        Work::Bring(bytes) => {
            let Some(cisco) = &site.cisco else { return Ok(Done::Over) };
            Ok(Done::Brought(cisco.bring(bytes).await.map_err(|error| error.to_string())))
        }
        Work::Here(work) => {
            let (collector, now) = (site.collector.clone(), site.now());
            blocking(move || collector.carry_out(now, tenant_id, work)).await
        }
    }
}
