//! Usage files on their way in, and answers on their way out: large ones are worked on in the background.

use std::io::ErrorKind;

use axum::response::{IntoResponse, Response};
use rumline_cssm::{Account, Actor, Error, SmartAccountId, UsageFile, UsageFileId};

use crate::cssm::CssmSite;
use crate::cssm::chosen::WAIT_SECONDS;
use crate::download::attachment;
use crate::problem::Problem;
use crate::site::{Site, blocking};
use crate::spool::{Incoming, Spool};

/// What this process does with bundles, when no other does.
pub const BUNDLES: &str = "bundles";
/// How often is looked for bundles that other processes have taken in, and for what became of them.
const LOOK: std::time::Duration = std::time::Duration::from_millis(300);
/// A process that has begun with a bundle has so long to keep it, in seconds.
const KEEPING_SECONDS: i64 = 3_600;

/// A bundle that is done within this is answered as done.
const WAIT: std::time::Duration = std::time::Duration::from_secs(3);
/// A file of up to this size that is no bundle is read whole; a larger one piece by piece.
const WHOLE_BYTES_MAX: u64 = 32 << 20;

fn spool_name(id: UsageFileId) -> String {
    format!("usage-file-{id}")
}

/// Takes in an uploaded file.
pub(super) async fn usage_file(
    state: &CssmSite,
    actor: Actor,
    (sa, va): Account,
    incoming: Incoming,
) -> Result<UsageFile, Problem> {
    let permit = state.gates().uploads.acquire().await;
    let (site, now) = (state.clone(), state.now());
    let begun = blocking(move || {
        let incoming = incoming.unwrapped()?;
        let name = incoming.name.clone();
        let mut reader = incoming.reader().map_err(Error::Unwritten)?;
        let begun = site.cssm.begin_upload(now, &actor, (sa, va), &name, &mut reader)?;
        match begun {
            Some(file) => {
                if file.status == UsageFile::PROCESSING
                    && let Err(error) = incoming.keep(&site.spool, &spool_name(file.id))
                {
                    site.cssm.give_up_bundle(sa, file.id, "it could not be kept here")?;
                    return Err(Error::Unwritten(error));
                }
                Ok(file)
            }
            None if incoming.bytes_len().map_err(Error::Unwritten)? > WHOLE_BYTES_MAX => {
                let mut reader = incoming.reader().map_err(Error::Unwritten)?;
                site.cssm.upload_large(now, &actor, (sa, va), &name, &mut reader)
            }
            None => {
                let bytes = incoming.bytes(WHOLE_BYTES_MAX)?;
                site.cssm.upload_usage(now, &actor, sa, va, &name, &bytes)
            }
        }
    });
    let begun = begun.await?;
    drop(permit);
    if begun.status != UsageFile::PROCESSING {
        return Ok(begun);
    }
    let (id, site) = (begun.id, state.clone());
    let work = tokio::spawn(async move {
        if site.spool.is_shared() {
            // Whichever process works on bundles does on this one.
            while is_unfinished(&site, sa, id).await {
                tokio::time::sleep(LOOK).await;
            }
        } else {
            work_on(&site, sa, id).await;
        }
    });
    let end = work.abort_handle();
    if tokio::time::timeout(WAIT, work).await.is_err() {
        if state.spool.is_shared() {
            end.abort();
        }
        tracing::info!(%id, "a bundle is worked on in the background");
    }
    let cssm = state.cssm.clone();
    blocking(move || cssm.usage_file(sa, id)).await
}

/// Lets a file wait until it is said which virtual account it is for; what it is found by is returned.
pub(super) async fn choose(
    state: &CssmSite,
    sa: SmartAccountId,
    incoming: Incoming,
) -> Result<String, Problem> {
    let _permit = state.gates().uploads.acquire().await;
    let (site, now) = (state.clone(), state.now());
    let key = blocking(move || {
        site.cssm.check_account(sa, None)?;
        let incoming = incoming.unwrapped()?;
        // It is read through once; what cannot be read is told at once.
        let mut reader = incoming.reader().map_err(Error::Unwritten)?;
        let found = site.cssm.look_into(now, sa, &mut reader)?;
        let key = site.cssm.random_name();
        site.chosen.put(now, sa, key.clone(), (incoming, found))?;
        Ok(key)
    })
    .await?;
    let (chosen, forgotten) = (state.chosen.clone(), key.clone());
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(WAIT_SECONDS.into())).await;
        chosen.remove(&forgotten);
    });
    Ok(key)
}

/// Uploads such a file; one that is refused waits on.
pub(super) async fn upload_chosen(
    site: &CssmSite,
    actor: Actor,
    account: Account,
    key: &str,
) -> Result<UsageFile, Problem> {
    let (state, now, name) = (site.clone(), site.now(), key.to_owned());
    let twin = blocking(move || {
        let file = state.chosen.file(now, account.0, &name)?;
        file.twin(&state.spool).map_err(Error::Unwritten)
    });
    let file = usage_file(site, actor, account, twin.await?).await?;
    site.chosen.remove(key);
    Ok(file)
}

async fn work_on(state: &CssmSite, sa: SmartAccountId, id: UsageFileId) {
    let _permit = state.gates().uploads.acquire().await;
    let (site, now) = (state.clone(), state.now());
    let outcome = blocking(move || {
        let name = spool_name(id);
        let outcome = match site.spool.reader(&name) {
            Ok(mut reader) => site.cssm.work_on_bundle(now, sa, id, &mut reader, &mut |_| {}),
            Err(error) if site.spool.is_shared() && error.kind() != ErrorKind::NotFound => {
                return Err(Error::Unwritten(error));
            }
            // Another process may be about to keep it.
            Err(_)
                if site.spool.is_shared()
                    && site.cssm.usage_file(sa, id)?.uploaded_at > (now + -KEEPING_SECONDS).0 =>
            {
                return Ok(());
            }
            Err(error) => Err(Error::Unwritten(error)),
        };
        match outcome {
            // A full disk or a busy store may pass: the file stays for the next start.
            Err(Error::Store(error)) => return Err(Error::Store(error)),
            Err(error) if !site.spool.is_readable(&name) => return Err(error),
            Err(error) => site.cssm.give_up_bundle(sa, id, &format!("{error}; upload it again"))?,
            Ok(_) => {}
        }
        site.spool.remove(&name);
        Ok(())
    });
    if let Err(problem) = outcome.await {
        tracing::warn!(why = problem.detail(), "a bundle was cut short");
    }
}

async fn is_unfinished(state: &CssmSite, sa: SmartAccountId, id: UsageFileId) -> bool {
    let cssm = state.cssm.clone();
    let file = blocking(move || cssm.usage_file(sa, id)).await;
    file.is_ok_and(|file| file.status == UsageFile::PROCESSING)
}

/// Goes on with bundles that were cut short; and, where several processes take them in, with whatever any of them took in.
pub async fn work_on_bundles(state: CssmSite) {
    let mut is_first = true;
    loop {
        state.background.mine(BUNDLES).await;
        let cssm = state.cssm.clone();
        // Meanwhile nothing is kept that is not in the list.
        let permit = state.gates().uploads.acquire().await;
        let unfinished = blocking(move || cssm.unfinished_bundles()).await;
        match unfinished {
            Ok(unfinished) => {
                if is_first {
                    let kept = unfinished.iter().map(|(_, id)| spool_name(*id));
                    state.spool.keep_only(&kept.collect::<Vec<_>>(), None);
                    is_first = false;
                }
                drop(permit);
                for (sa, id) in unfinished {
                    work_on(&state, sa, id).await;
                }
            }
            Err(problem) => tracing::warn!(why = problem.detail(), "bundles could not be resumed"),
        }
        if !state.spool.is_shared() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The answer to an uploaded file: a document, or a bundle of documents.
pub(super) async fn acknowledgement(
    state: &CssmSite,
    sa: SmartAccountId,
    id: UsageFileId,
) -> Result<Response, Problem> {
    let (site, now) = (state.clone(), state.now());
    blocking(move || match site.cssm.acknowledgement_file(sa, id) {
        Ok((name, text)) => {
            Ok((attachment("text/plain; charset=utf-8", &name), text).into_response())
        }
        Err(Error::NotFound("acknowledgement")) => {
            let scratch = site.spool.scratch().map_err(Error::Unwritten)?;
            let mut out = site.spool.scratch().map_err(Error::Unwritten)?;
            site.cssm.write_answer(now, sa, id, scratch, &mut out)?;
            let name = format!("ACK_{}", site.cssm.usage_file(sa, id)?.name);
            Ok(Spool::send(out, "application/gzip", &name))
        }
        Err(error) => Err(error),
    })
    .await
}

/// Takes a bundle that a collector brings.
pub(super) async fn collect(
    state: &CssmSite,
    bytes: axum::body::Bytes,
) -> Result<Response, Problem> {
    let (cssm, now) = (state.cssm.clone(), state.now());
    let _permit = state.gates().bundles.acquire().await;
    let answer = blocking(move || cssm.receive_bundle(now, &bytes)).await?;
    Ok((attachment("application/gzip", "ACK.tar.gz"), answer).into_response())
}
