//! The way to CSSM, walked whenever something is due: started by time or by a bell, the same after a start or a crash.

use std::collections::BTreeSet;
use std::time::Duration;

use rumline_collector::{Batch, Error, Place, SyncState, TenantId};
use tokio::task::{JoinHandle, JoinSet};

use crate::collector::{Cisco, CollectorSite};
use crate::problem::Problem;
use crate::site::{Site, blocking};

/// What rings within this is answered together.
const GATHER: Duration = Duration::from_millis(20);
/// A tenant that goes on asking is looked at anew after so many rounds.
const ROUNDS_MAX: usize = 50;
/// Exchanges at a time.
const EXCHANGES_MAX: usize = 8;
/// Without a bell the tenants are looked at this often.
const LOOK: Duration = Duration::from_secs(60);

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
        for tenant in collector.tenants(None)? {
            let state = collector.sync_state(now, tenant.id)?;
            due.extend(state.due_at.map(|at| (at, tenant.id, state)));
        }
        Ok(due)
    });
    let mut wait = LOOK;
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

/// Brings everything a tenant has, batch by batch. While one is on its way the next is made and the answer to the one
/// before is taken in. A tenant that reports faster than that is left to the next exchange.
async fn exchange(
    site: &CollectorSite,
    tenant_id: TenantId,
    began: SyncState,
) -> Result<(), Problem> {
    let Some(cisco) = &site.cisco else { return Ok(()) };
    for _ in 0..ROUNDS_MAX {
        let Some(first) = next(site, tenant_id, None).await? else { break };
        if let Err(why) = bring_from(site, cisco, (tenant_id, began.last), first).await? {
            return failed(site, tenant_id, why).await;
        }
    }
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || collector.note_synced(now, tenant_id, began)).await?;
    site.answers.ring();
    Ok(())
}

async fn next(
    site: &CollectorSite,
    tenant_id: TenantId,
    after: Option<Place>,
) -> Result<Option<Batch>, Problem> {
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || match after {
        Some(place) => collector.next_batch_after(now, tenant_id, place),
        None => collector.next_batch(now, tenant_id),
    })
    .await
}

/// Brings a batch and those after it; the inner error is CSSM's.
async fn bring_from(
    site: &CollectorSite,
    cisco: &Cisco,
    (tenant_id, until): (TenantId, Option<Place>),
    first: Batch,
) -> Result<Result<(), String>, Problem> {
    let mut ready = Some(first);
    let mut taking: Option<JoinHandle<Result<Result<(), String>, Problem>>> = None;
    while let Some(mut batch) = ready.take() {
        let last = batch.last();
        let following = async {
            match last {
                Some(place) if Some(place) < until => next(site, tenant_id, Some(place)).await,
                _ => Ok(None),
            }
        };
        let bytes = std::mem::take(&mut batch.bytes);
        let (answer, following) = tokio::join!(cisco.bring(bytes), following);
        if let Some(taken) = taking.take()
            && let Err(why) = joined(taken).await?
        {
            return Ok(Err(why));
        }
        match answer {
            Ok(answer) => taking = Some(tokio::spawn(take(site.clone(), tenant_id, batch, answer))),
            Err(error) => return Ok(Err(error.to_string())),
        }
        ready = following?;
    }
    match taking {
        Some(taken) => joined(taken).await,
        None => Ok(Ok(())),
    }
}

async fn joined(
    taken: JoinHandle<Result<Result<(), String>, Problem>>,
) -> Result<Result<(), String>, Problem> {
    taken.await.unwrap_or_else(|error| Ok(Err(error.to_string())))
}

async fn take(
    site: CollectorSite,
    tenant_id: TenantId,
    batch: Batch,
    answer: Vec<u8>,
) -> Result<Result<(), String>, Problem> {
    let (collector, now) = (site.collector.clone(), site.now());
    let taken = blocking(move || match collector.take_answer(now, tenant_id, &batch, &answer) {
        Err(Error::Store(error)) => Err(Error::Store(error)),
        other => Ok(other.map_err(|error| error.to_string())),
    });
    let taken = taken.await?;
    site.answers.ring();
    Ok(taken)
}

async fn failed(site: &CollectorSite, tenant_id: TenantId, why: String) -> Result<(), Problem> {
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || collector.note_sync_failed(now, tenant_id, &why)).await
}
