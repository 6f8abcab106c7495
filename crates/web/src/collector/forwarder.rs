//! The way to CSSM, walked whenever something is due: started by time or by a bell, the same after a start or a crash.

use std::time::Duration;

use rumline_collector::{Batch, Error, Place, SyncState};
use tokio::task::JoinHandle;

use crate::collector::{Cisco, CollectorSite};
use crate::problem::Problem;
use crate::site::{Site, blocking};

/// What rings within this is answered together.
const GATHER: Duration = Duration::from_millis(20);
/// Without a bell the tenants are looked at this often.
const LOOK: Duration = Duration::from_secs(60);

/// Exchanges with CSSM what is due, for ever.
pub async fn forward(site: CollectorSite) {
    let mut bell = site.work.listen();
    loop {
        bell.borrow_and_update();
        let wait = match look(&site).await {
            Ok(wait) => wait,
            Err(problem) => {
                tracing::warn!(why = problem.detail(), "nothing could be forwarded");
                LOOK
            }
        };
        // Who rings no more will not be missed: the time comes all the same.
        let _rung = tokio::time::timeout(wait, bell.changed()).await.is_ok();
        // Many devices ring at once: one look serves them all, and a batch holds more than one.
        tokio::time::sleep(GATHER).await;
    }
}

/// Does what is due and says how long nothing will be.
async fn look(site: &CollectorSite) -> Result<Duration, Problem> {
    let Some(cisco) = &site.cisco else { return Ok(LOOK) };
    let (collector, now) = (site.collector.clone(), site.now());
    let due = blocking(move || {
        let mut due = Vec::new();
        for tenant in collector.tenants(None)? {
            let SyncState { due_at } = collector.sync_state(now, tenant.id)?;
            due.extend(due_at.map(|at| (at, tenant.id)));
        }
        Ok(due)
    });
    let mut wait = LOOK;
    for (at, tenant_id) in due.await? {
        if at <= site.now() {
            exchange(site, cisco, tenant_id).await?;
        } else {
            wait = wait.min(site.clock.until(at));
        }
    }
    Ok(wait)
}

/// Brings everything a tenant has, batch by batch. While one is on its way the next is made and the answer to the one
/// before is taken in.
async fn exchange(site: &CollectorSite, cisco: &Cisco, tenant_id: i64) -> Result<(), Problem> {
    while let Some(first) = next(site, tenant_id, None).await? {
        if let Err(why) = bring_from(site, cisco, tenant_id, first).await? {
            return failed(site, tenant_id, why).await;
        }
    }
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || collector.note_synced(now, tenant_id)).await?;
    site.answers.ring();
    Ok(())
}

async fn next(
    site: &CollectorSite,
    tenant_id: i64,
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
    tenant_id: i64,
    first: Batch,
) -> Result<Result<(), String>, Problem> {
    let mut ready = Some(first);
    let mut taking: Option<JoinHandle<Result<Result<(), String>, Problem>>> = None;
    while let Some(mut batch) = ready.take() {
        let last = batch.last();
        let following = async {
            match last {
                Some(place) => next(site, tenant_id, Some(place)).await,
                None => Ok(None),
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
    tenant_id: i64,
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

async fn failed(site: &CollectorSite, tenant_id: i64, why: String) -> Result<(), Problem> {
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || collector.note_sync_failed(now, tenant_id, &why)).await
}
