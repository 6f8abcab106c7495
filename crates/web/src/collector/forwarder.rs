//! The way to CSSM, walked whenever something is due: started by time or by a bell, the same after a start or a crash.

use std::time::Duration;

use rumline_collector::{Error, SyncState};

use crate::collector::{Cisco, CollectorSite};
use crate::problem::Problem;
use crate::site::{Site, blocking};

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
    }
}

/// Does what is due and says how long nothing will be.
async fn look(site: &CollectorSite) -> Result<Duration, Problem> {
    let Some(cisco) = &site.cisco else { return Ok(LOOK) };
    let collector = site.collector.clone();
    let due = blocking(move || {
        let mut due = Vec::new();
        for tenant in collector.tenants(None)? {
            let SyncState { due_at } = collector.sync_state(tenant.id)?;
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

/// Brings everything a tenant has, batch by batch.
async fn exchange(site: &CollectorSite, cisco: &Cisco, tenant_id: i64) -> Result<(), Problem> {
    loop {
        let (collector, now) = (site.collector.clone(), site.now());
        let Some(batch) = blocking(move || collector.next_batch(now, tenant_id)).await? else {
            break;
        };
        let answer = match cisco.bring(batch.bytes.clone()).await {
            Ok(answer) => answer,
            Err(error) => return failed(site, tenant_id, error.to_string()).await,
        };
        let (collector, now) = (site.collector.clone(), site.now());
        let taken = blocking(move || {
            match collector.take_answer(now, tenant_id, &batch, &answer) {
                Err(Error::Store(error)) => Err(Error::Store(error)),
                other => Ok(other.map_err(|error| error.to_string())),
            }
        });
        if let Err(why) = taken.await? {
            return failed(site, tenant_id, why).await;
        }
        site.answers.ring();
    }
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || collector.note_synced(now, tenant_id)).await?;
    site.answers.ring();
    Ok(())
}

async fn failed(site: &CollectorSite, tenant_id: i64, why: String) -> Result<(), Problem> {
    let (collector, now) = (site.collector.clone(), site.now());
    blocking(move || collector.note_sync_failed(now, tenant_id, &why)).await
}
