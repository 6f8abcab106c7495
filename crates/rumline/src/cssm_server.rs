//! `rumline cssm`: the server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use clap::Args;
use rumline_cssm::{Cssm, Settings, first_administrator};
use rumline_net::{
    Clock, OsRandom, Shutdown, certificate_to_pem, lock_directory, make_private, pem_to_der,
    read_private, serve, server_config, write_private,
};
use rumline_protocol::{Authority, RealSuite, SignerCertificate, Timestamp};
use rumline_store::Db;
use rumline_web::{AppState, router};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::cssm_admin;
use crate::lab_clock::LabClock;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Where keys and the database lie; made at first start.
    #[arg(long, default_value = "cssm-data")]
    dir: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Names and addresses in the server's certificate, besides the one it listens on.
    #[arg(long = "name")]
    names: Vec<String>,
    /// Use PostgreSQL at this URL instead of SQLite in the directory.
    #[arg(long)]
    postgres: Option<String>,
    /// Requests a product instance may make in an hour; 0 for no limit.
    #[arg(long, default_value_t = 12)]
    requests_per_hour: i64,
    /// Seconds from a report to its ACK; 0 to answer at once.
    #[arg(long, default_value_t = 300)]
    ack_delay_seconds: i64,
    /// Write the first administrator's password to this file instead of showing it.
    #[arg(long)]
    admin_password_file: Option<PathBuf>,
    /// Run on the clock of a lab.
    #[arg(long, hide = true)]
    lab_clock: Option<LabClock>,
    #[command(subcommand)]
    admin: Option<cssm_admin::Command>,
    #[command(flatten)]
    client: cssm_admin::Client,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if let Some(command) = &arguments.admin {
        return cssm_admin::run(&arguments.client, command);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_told(arguments))?;
    Ok(true)
}

async fn serve_until_told(arguments: &Arguments) -> Result<()> {
    let clock = LabClock::clock(arguments.lab_clock);
    let now = clock.now();
    prepare_directory(&arguments.dir)?;
    let _lock = lock_directory(&arguments.dir)?;
    let authority = authority(&arguments.dir, now)?;
    let (certificate, key) = tls_identity(&arguments.dir, &authority, arguments, now)?;
    let db = match &arguments.postgres {
        Some(url) => {
            let url = url.clone();
            tokio::task::spawn_blocking(move || Db::open_postgres(&url)).await??
        }
        None => {
            let file = arguments.dir.join("cssm.db");
            // SQLite gives its other files the rights of this one.
            make_private(&file)?;
            Db::open_sqlite(&file)?
        }
    };
    let settings = Settings {
        requests_per_hour_max: arguments.requests_per_hour,
        ack_delay_seconds: arguments.ack_delay_seconds,
    };
    let (db, issuer) = (Arc::new(db), authority.identity()?);
    let random: rumline_cssm::SharedRandom = Arc::new(Mutex::new(OsRandom));
    let cssm = tokio::task::spawn_blocking(move || {
        Cssm::open(db, Arc::new(RealSuite), issuer, random, settings)
    })
    .await??;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let base_url = format!("https://{}", listener.local_addr()?);
    announce_administrator(&cssm, now, arguments.admin_password_file.as_deref()).await?;
    let state = AppState {
        cssm: cssm.clone(),
        clock: Arc::new(clock),
        base_url: base_url.as_str().into(),
        root_pem: certificate_to_pem(&authority.root_certificate).into(),
        logins: Arc::new(tokio::sync::Semaphore::new(2)),
        uploads: Arc::new(tokio::sync::Semaphore::new(1)),
    };
    println!("CSSM listens on {base_url}");
    println!("  smart receiver     {base_url}/licservice/license");
    println!("  REST API           {base_url}/api/v1 (described at {base_url}/openapi.json)");
    println!("  root certificate   {}", arguments.dir.join("root.pem").display());
    let shutdown = Shutdown::default();
    let tidy = tokio::spawn(tidy_daily(cssm, clock));
    tokio::spawn(end_on_signal(shutdown.clone()));
    serve(listener, server_config(certificate, key)?, router(state), &shutdown).await?;
    tidy.abort();
    Ok(())
}

fn prepare_directory(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}

/// The keys of this CSSM: read, or made at first start.
fn authority(dir: &Path, now: Timestamp) -> Result<Authority> {
    const NAME: &str = "Rumline CSSM root";
    let path = |name: &str| dir.join(name);
    let read =
        |name: &str| read_private(&path(name)).with_context(|| format!("cannot read {name}"));
    // The last file written says that all are there.
    if let Some(pem) = read("root.pem")? {
        let missing = |name: &'static str| format!("{name} is missing beside root.pem");
        let root_key = read("root.key")?.with_context(|| missing("root.key"))?;
        return Ok(Authority {
            name: NAME.to_owned(),
            root_certificate: pem_to_der(&pem)?.remove(0),
            root_key_pem: String::from_utf8(root_key).context("root.key is no text")?,
            signing_key: read("signing.key")?.with_context(|| missing("signing.key"))?,
            signing_certificate: SignerCertificate(
                read("signing.der")?.with_context(|| missing("signing.der"))?,
            ),
        });
    }
    if path("cssm.db").exists() {
        bail!("{} has a database but no root.pem; restore the keys", dir.display());
    }
    let authority = Authority::create(NAME, now)?;
    write_private(&path("root.key"), authority.root_key_pem.as_bytes())?;
    write_private(&path("signing.key"), &authority.signing_key)?;
    write_private(&path("signing.der"), &authority.signing_certificate.0)?;
    let pem = certificate_to_pem(&authority.root_certificate);
    write_private(&path("root.pem"), pem.as_bytes())?;
    Ok(authority)
}

/// The server's certificate is issued anew at each start, for the names it has now.
fn tls_identity(
    dir: &Path,
    authority: &Authority,
    arguments: &Arguments,
    now: Timestamp,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut names = vec!["localhost".to_owned(), arguments.listen.ip().to_string()];
    names.extend(arguments.names.iter().cloned());
    names.sort();
    names.dedup();
    let (certificate, key) = authority.issue_tls_certificate(&names, now)?;
    write_private(&dir.join("tls.pem"), certificate_to_pem(&certificate).as_bytes())?;
    Ok((certificate, key))
}

async fn announce_administrator(
    cssm: &Cssm,
    now: Timestamp,
    password_file: Option<&Path>,
) -> Result<()> {
    let cssm = cssm.clone();
    let password = tokio::task::spawn_blocking(move || first_administrator(&cssm, now)).await??;
    let Some(password) = password else { return Ok(()) };
    match password_file {
        Some(file) => write_private(file, format!("{password}\n").as_bytes())?,
        None => println!("First start. Log in as admin with the password (shown once): {password}"),
    }
    Ok(())
}

async fn tidy_daily(cssm: Cssm, clock: Clock) {
    loop {
        let (cssm, now) = (cssm.clone(), clock.now());
        match tokio::task::spawn_blocking(move || cssm.tidy(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "old results could not be removed"),
            Err(error) => tracing::warn!(%error, "tidying failed"),
        }
        tokio::time::sleep(std::time::Duration::from_secs(24 * 3600)).await;
    }
}

async fn end_on_signal(shutdown: Shutdown) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.begin();
}
