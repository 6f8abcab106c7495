//! Files for and from Cisco: written to and read from disk, worked on in the background.

use std::io::ErrorKind;

use axum::response::Response;
use rumline_collector::{Actor, Error, InstanceId, TenantId, Transfer, TransferId};

use crate::collector::CollectorSite;
use crate::problem::Problem;
use crate::site::{Site, blocking};
use crate::spool::{Incoming, Spool};

/// What this process does with imports, when no other does.
pub const IMPORTS: &str = "imports";
/// How often is looked for imports that other processes have taken in, and for what became of them.
const LOOK: std::time::Duration = std::time::Duration::from_millis(300);
/// A process that has begun with an import has so long to keep its file, in seconds.
const KEEPING_SECONDS: i64 = 3_600;

/// An import that is done within this is answered as done.
const WAIT: std::time::Duration = std::time::Duration::from_secs(3);

fn spool_name(tenant_id: TenantId, id: TransferId) -> String {
    format!("import-{tenant_id}-{id}")
}

/// Takes in a file from Cisco. A large one is worked on after the answer.
pub(super) async fn import(
    state: &CollectorSite,
    actor: Actor,
    tenant_id: TenantId,
    incoming: Incoming,
) -> Result<Transfer, Problem> {
    let permit = state.gates().uploads.acquire().await;
    let (site, now) = (state.clone(), state.now());
    let begun = blocking(move || {
        let incoming = incoming.unwrapped()?;
        let mut reader = incoming.reader().map_err(Error::Unwritten)?;
        let name = incoming.name.clone();
        let begun = site.collector.begin_import(now, &actor, tenant_id, &name, &mut reader)?;
        if begun.status == Transfer::PROCESSING && begun.members_done == 0 {
            let kept = incoming.keep(&site.spool, &spool_name(tenant_id, begun.id));
            if let Err(error) = kept {
                site.collector.give_up_import(tenant_id, begun.id, "it could not be kept here")?;
                return Err(Error::Unwritten(error));
            }
        }
        Ok(begun)
    })
    .await?;
    drop(permit);
    state.answers.ring();
    if begun.status != Transfer::PROCESSING {
        return Ok(begun);
    }
    let (id, site) = (begun.id, state.clone());
    let work = tokio::spawn(async move {
        if site.spool.is_shared() {
            // Whichever process works on imports does on this one.
            while is_unfinished(&site, tenant_id, id).await {
                tokio::time::sleep(LOOK).await;
            }
        } else {
            work_on(&site, tenant_id, id).await;
        }
    });
    let end = work.abort_handle();
    if tokio::time::timeout(WAIT, work).await.is_err() {
        if state.spool.is_shared() {
            end.abort();
        }
        tracing::info!(%tenant_id, %id, "an import goes on in the background");
    }
    let collector = state.collector.clone();
    blocking(move || collector.transfer(tenant_id, id)).await
}

/// Works on an import; one at a time.
async fn work_on(state: &CollectorSite, tenant_id: TenantId, id: TransferId) {
    let _permit = state.gates().uploads.acquire().await;
    let (site, now) = (state.clone(), state.now());
    let outcome = blocking(move || {
        let name = spool_name(tenant_id, id);
        let outcome = match site.spool.reader(&name) {
            Ok(mut reader) => {
                let mut progress = |_| site.answers.ring();
                site.collector.work_on_import(now, tenant_id, id, &mut reader, &mut progress)
            }
            Err(error) if site.spool.is_shared() && error.kind() != ErrorKind::NotFound => {
                return Err(Error::Unwritten(error));
            }
            // Another process may be about to keep it.
            Err(_)
                if site.spool.is_shared()
                    && site.collector.transfer(tenant_id, id)?.at > (now + -KEEPING_SECONDS).0 =>
            {
                return Ok(());
            }
            Err(error) => Err(Error::Unwritten(error)),
        };
        match outcome {
            // A full disk or a busy store may pass: the file stays for the next start.
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) if !site.spool.is_readable(&name) => return Err(error),
            Err(error) => {
                let why = format!("{error}; import the file again");
                site.collector.give_up_import(tenant_id, id, &why)?;
            }
            Ok(_) => {}
        }
        site.spool.remove(&name);
        Ok(())
    });
    if let Err(problem) = outcome.await {
        tracing::warn!(why = problem.detail(), "an import was cut short");
    }
    state.answers.ring();
}

async fn is_unfinished(state: &CollectorSite, tenant_id: TenantId, id: TransferId) -> bool {
    let collector = state.collector.clone();
    let transfer = blocking(move || collector.transfer(tenant_id, id)).await;
    transfer.is_ok_and(|transfer| transfer.status == Transfer::PROCESSING)
}

/// Goes on with imports that were cut short; and, where several processes take them in, with whatever any of them took in.
pub async fn work_on_imports(state: CollectorSite) {
    let mut is_first = true;
    loop {
        state.background.mine(IMPORTS).await;
        let collector = state.collector.clone();
        // Meanwhile nothing is kept that is not in the list.
        let permit = state.gates().uploads.acquire().await;
        let unfinished = blocking(move || collector.unfinished_imports()).await;
        match unfinished {
            Ok(unfinished) => {
                if is_first {
                    state.spool.forget_old(EXPORTED, KEPT_SECONDS);
                    let kept = unfinished.iter().map(|(tenant, id)| spool_name(*tenant, *id));
                    state.spool.keep_only(&kept.collect::<Vec<_>>(), Some(EXPORTED));
                    is_first = false;
                }
                drop(permit);
                for (tenant_id, id) in unfinished {
                    work_on(&state, tenant_id, id).await;
                }
            }
            Err(problem) => tracing::warn!(why = problem.detail(), "imports could not be resumed"),
        }
        if !state.spool.is_shared() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What the names of exported files begin with, and how long they are kept, in seconds.
const EXPORTED: &str = "export-";
const KEPT_SECONDS: u32 = 30 * 86_400;
/// Of each tenant so many, and none that is larger.
const KEPT_MAX: usize = 20;
const KEPT_BYTES_MAX: u64 = 256 << 20;

fn kept_name(tenant_id: TenantId, id: TransferId) -> String {
    format!("{EXPORTED}{tenant_id}-{id}")
}

/// Whether an exported file can be downloaded again.
pub(super) fn is_kept(state: &CollectorSite, tenant_id: TenantId, transfer: &Transfer) -> bool {
    transfer.kind == Transfer::EXPORT && state.spool.has(&kept_name(tenant_id, transfer.id))
}

/// Keeps a copy of an exported file, and of those before it the newest ones.
fn keep(
    state: &CollectorSite,
    tenant_id: TenantId,
    id: TransferId,
    file: &mut std::fs::File,
) -> std::io::Result<()> {
    state.spool.forget_old(EXPORTED, KEPT_SECONDS);
    if file.metadata()?.len() > KEPT_BYTES_MAX {
        return Ok(());
    }
    state.spool.keep_copy(file, &kept_name(tenant_id, id))?;
    let mut kept = state.spool.names(&format!("{EXPORTED}{tenant_id}-"));
    kept.sort_by_key(|name| name.rsplit('-').next().and_then(|id| id.parse::<i64>().ok()));
    let over = kept.len().saturating_sub(KEPT_MAX);
    kept.iter().take(over).for_each(|name| state.spool.remove(name));
    Ok(())
}

/// Forgets the exported files of a tenant that is removed.
pub(super) fn forget_exports(state: &CollectorSite, tenant_id: TenantId) {
    let kept = state.spool.names(&format!("{EXPORTED}{tenant_id}-"));
    kept.iter().for_each(|name| state.spool.remove(name));
}

/// An exported file, once more.
pub(super) async fn again(
    state: &CollectorSite,
    tenant_id: TenantId,
    id: TransferId,
) -> Result<Response, Problem> {
    let site = state.clone();
    blocking(move || {
        let transfer = site.collector.transfer(tenant_id, id)?;
        if transfer.kind != Transfer::EXPORT {
            return Err(Error::NotFound("exported file"));
        }
        let file = site.spool.file(&kept_name(tenant_id, id));
        let file = file.map_err(|_| Error::NotFound("file that was kept: export it anew"))?;
        Ok(Spool::send(file, "application/gzip", &transfer.name))
    })
    .await
}

/// Writes a file for Cisco and sends it.
pub(super) async fn export(
    state: &CollectorSite,
    actor: Actor,
    tenant_id: TenantId,
    only: Option<Vec<InstanceId>>,
) -> Result<Response, Problem> {
    let (site, now) = (state.clone(), state.now());
    let (transfer, file) = blocking(move || {
        let scratch = site.spool.scratch().map_err(Error::Unwritten)?;
        let mut out = site.spool.scratch().map_err(Error::Unwritten)?;
        let only = only.as_deref();
        let transfer = site.collector.export(now, &actor, tenant_id, only, scratch, &mut out)?;
        // That it can be downloaded again is a comfort: it is exported all the same.
        if let Err(error) = keep(&site, tenant_id, transfer.id, &mut out) {
            tracing::warn!(%error, "an exported file is not kept");
        }
        Ok((transfer, out))
    })
    .await?;
    Ok(Spool::send(file, "application/gzip", &transfer.name))
}
