//! What the server roles have in common: their directory, their keys, their first administrator, their end.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumline_net::{
    Clock, KeptFiles, Shutdown, certificate_to_pem, lock_directory, pem_to_der, write_private,
};
use rumline_protocol::{Authority, Revocation, Signed, SignerCertificate, Timestamp, base64};
use rumline_server::{NotReady, People};
use rumline_web::{Background, Readiness};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::database::DatabaseArguments;

pub(crate) fn prepare_directory(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}

/// The keys of a server: read, or made at first start. Its database, which is in `file` if it is SQLite, must not be there without them.
pub(crate) fn authority(
    dir: &Path,
    name: &str,
    (at, file): (&DatabaseArguments, &str),
    now: Timestamp,
) -> Result<Authority> {
    let files = KeptFiles::of(dir);
    let read = |name: &str| files.read(name).with_context(|| format!("cannot use {name}"));
    // The last file written says that all are there.
    if let Some(pem) = read("root.pem")? {
        let missing = |name: &'static str| format!("{name} is missing beside root.pem");
        let root_key = read("root.key")?.with_context(|| missing("root.key"))?;
        let revocation = read("revoked.json")?.map(|bytes| read_revocation(&bytes)).transpose()?;
        return Ok(Authority {
            revocation,
            name: name.to_owned(),
            root_certificate: pem_to_der(&pem)?.remove(0),
            root_key_pem: String::from_utf8(root_key).context("root.key is no text")?,
            signing_key: read("signing.key")?.with_context(|| missing("signing.key"))?,
            signing_certificate: SignerCertificate(
                read("signing.der")?.with_context(|| missing("signing.der"))?,
            ),
        });
    }
    if let Some(owner) = at.owner()? {
        bail!(
            "the database is that of {owner}, and {} has no keys: take them from the folder of another process of it with `take-keys FOLDER`, or put them back from a backup",
            dir.display()
        );
    }
    if dir.join(file).exists() {
        bail!("{} has a database but no root.pem; restore the keys", dir.display());
    }
    let authority = Authority::create(name, now)?;
    files.write("root.key", authority.root_key_pem.as_bytes())?;
    files.write("signing.key", &authority.signing_key)?;
    files.write("signing.der", &authority.signing_certificate.0)?;
    let pem = certificate_to_pem(&authority.root_certificate);
    files.write("root.pem", pem.as_bytes())?;
    Ok(authority)
}

/// Gives a folder in which nothing is, or older keys under the same root, the keys of another process of the same server, which may run:
/// over one database all of them speak with one voice. What each needs for itself is made at its first start.
pub(crate) fn take_keys(from: &Path, to: &Path) -> Result<()> {
    // `root.pem` is the last: with it all are there.
    const KEYS: [&str; 6] =
        ["root.key", "signing.key", "signing.der", "revoked.json", "collector.key", "root.pem"];
    let source = KeptFiles::of(from);
    let mut found = Vec::new();
    for name in KEYS {
        let read = source.read(name);
        let read = read.with_context(|| format!("cannot use {name} of {}", from.display()))?;
        found.extend(read.map(|bytes| (name, bytes)));
    }
    if found.last().is_none_or(|(name, _)| *name != "root.pem") {
        bail!("{} is no folder of a server: there is no root.pem in it", from.display());
    }
    prepare_directory(to)?;
    let _lock = lock_directory(to)?;
    let target = KeptFiles::of(to);
    let (own, theirs) = (target.read("root.pem")?, found.last().map(|(_, bytes)| bytes));
    if own.as_ref().is_some_and(|own| Some(own) != theirs) {
        bail!("{} has other keys: name a folder that is empty, or not there yet", to.display());
    }
    for (name, bytes) in found {
        target.write(name, &bytes)?;
    }
    Ok(())
}

/// The list of certificates that hold no more, as it is kept: what the root signed, and its signature.
#[derive(Serialize, Deserialize)]
struct KeptRevocation {
    text: String,
    signature: String,
}

fn read_revocation(bytes: &[u8]) -> Result<Signed<Revocation>> {
    let kept: KeptRevocation = serde_json::from_slice(bytes).context("revoked.json is damaged")?;
    Signed::parse("revocation", kept.text, &kept.signature).context("revoked.json is damaged")
}

/// Gives a server another signing key under the same root; the one before is revoked if told so. Files are replaced one by
/// one, the list first: whatever is interrupted, what was revoked stays so.
pub(crate) fn renew_signing_key(dir: &Path, before: &Authority, renewed: &Authority) -> Result<()> {
    let files = KeptFiles::of(dir);
    if let Some(signed) = &renewed.revocation {
        let signature = base64(&signed.signature);
        let kept = KeptRevocation { text: signed.text.clone(), signature };
        files.write("revoked.json", &serde_json::to_vec(&kept)?)?;
    }
    files.write("signing.key", &renewed.signing_key)?;
    let written = files.write("signing.der", &renewed.signing_certificate.0);
    if written.is_err() {
        // Key and certificate belong together.
        files.write("signing.key", &before.signing_key)?;
    }
    Ok(written?)
}

/// Whether the keys in the folder are those the server was started with: without them it signs as long as it runs, and starts
/// no more.
pub(crate) fn readiness(dir: &Path, authority: &Authority) -> Readiness {
    let dir = dir.to_owned();
    let expected = [
        ("root.key", authority.root_key_pem.clone().into_bytes()),
        ("signing.key", authority.signing_key.clone()),
        ("signing.der", authority.signing_certificate.0.clone()),
    ];
    Readiness::new(move || {
        let files = KeptFiles::of(&dir);
        let is_there = |(name, bytes): &(&str, Vec<u8>)| matches!(files.read(name), Ok(Some(found)) if found == *bytes);
        if expected.iter().all(is_there) { Ok(()) } else { Err(NotReady::SigningKeyMissing) }
    })
}

/// The server's certificate and its key: issued anew at each start, for the names it has now.
pub(crate) fn tls_identity(
    dir: &Path,
    authority: &Authority,
    names: &[String],
    now: Timestamp,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut names = names.to_vec();
    names.push("localhost".to_owned());
    names.sort();
    names.dedup();
    let (certificate, key) = authority.issue_tls_certificate(&names, now)?;
    write_private(&dir.join("tls.pem"), certificate_to_pem(&certificate).as_bytes())?;
    Ok((certificate, key))
}

pub(crate) async fn announce_administrator(
    people: People,
    now: Timestamp,
    password_file: Option<&Path>,
) -> Result<()> {
    let file = password_file.map(Path::to_owned);
    let show = move |password: &str| match &file {
        Some(file) => write_private(file, format!("{password}\n").as_bytes()),
        None => {
            say!("First start. Log in as admin with the password (shown once): {password}");
            Ok(())
        }
    };
    tokio::task::spawn_blocking(move || people.first_administrator(now, show)).await??;
    Ok(())
}

/// From now on a signal ends the server as a shutdown does: what is worked on is finished.
pub(crate) fn end_on_signal(shutdown: Shutdown) {
    // Heeded from here on, and not only once somebody waits for them.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.begin();
    });
}

/// What a process does with what is old, when no other does.
pub(crate) const TIDY: &str = "tidy";
/// How often is tidied, in seconds; and how often is looked whether it is time.
const TIDY_SECONDS: i64 = 24 * 3600;
const TIDY_LOOK: Duration = Duration::from_secs(60);

/// Removes what is old once a day, whichever process does and whenever it was started.
pub(crate) async fn tidy_daily(
    background: Background,
    clock: Clock,
    tidy: impl Fn(Timestamp) -> Result<()> + Clone + Send + 'static,
) {
    loop {
        background.mine(TIDY).await;
        let (own, tidy, now) = (background.clone(), tidy.clone(), clock.now());
        let work = move || {
            if own.is_due(now, TIDY, TIDY_SECONDS)? {
                tidy(now)?;
                own.done(now, TIDY)?;
            }
            anyhow::Ok(())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what is old could not be removed"),
            Err(error) => tracing::warn!(%error, "tidying failed"),
        }
        tokio::time::sleep(TIDY_LOOK).await;
    }
}

/// The file of a server's folder that says where it listens, for commands that are given beside it.
pub(crate) const URL_FILE: &str = "url";

/// Says it there.
pub(crate) fn tell_url(dir: &Path, url: &str) -> Result<()> {
    write_private(&dir.join(URL_FILE), format!("{url}\n").as_bytes())
        .with_context(|| format!("cannot write {}", dir.join(URL_FILE).display()))
}
