//! `rumline cslu` and `rumline onprem`: the collectors.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rumline_collector::{Collector, Kind, Settings};
use rumline_host::Tables;
use rumline_net::{
    HttpClient, KeptFiles, OsRandom, Security, Shutdown, Traces, certificate_to_pem,
    device_server_config, lock_directory, pem_to_der, serve, server_config,
};
use rumline_protocol::{RealSuite, Signer, Suite};
use rumline_web::{
    Background, Cisco, CollectorSite, FORWARD, IMPORTS, Metrics, Parts, Spool, collector_router,
    device_router, forward, on_prem_router, work_on_imports,
};
use tokio::net::TcpListener;

use crate::admin::{Client, Server};
use crate::backup;
use crate::collector_admin;
use crate::configuration::Process;
use crate::database::DatabaseArguments;
use crate::provider_options::{ProviderArguments, known_as};
use crate::server_parts::{
    TIDY, announce_administrator, authority, end_on_signal, prepare_directory, tidy_daily,
    tls_identity,
};
use rumline_net::LabClock;

/// A batch and its answer must have gone over the wire within this.
const CISCO_TIMEOUT: Duration = Duration::from_secs(120);
/// The largest answer of CSSM, in bytes: a piece of a bundle in base64, and room besides.
const CISCO_ANSWER_BYTES_MAX: usize = 12 << 20;

#[derive(Args)]
pub(crate) struct Common {
    #[command(flatten)]
    pub process: Process,
    /// Where keys, database and files on their way lie, made at first start: cslu-data or onprem-data in this folder unless told.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The URL of CSSM; without it everything goes by file.
    #[arg(long)]
    cssm: Option<String>,
    /// CSSM's root certificate (its root.pem): what answers must lead up to.
    #[arg(long)]
    root: Option<PathBuf>,
    /// The name this server gives itself, in bundles and at CSSM.
    #[arg(long)]
    label: Option<String>,
    /// Names and addresses in the server's certificate, besides those it listens on.
    #[arg(long = "name")]
    names: Vec<String>,
    /// Close TLS 1.2, which switches of releases before 10.4(3)F report by.
    #[arg(long = "tls-1.3-only")]
    tls_13_only: bool,
    #[command(flatten)]
    tables: Tables,
    #[command(flatten)]
    database: DatabaseArguments,
    /// Write the first administrator's password to this file instead of showing it.
    #[arg(long)]
    admin_password_file: Option<PathBuf>,
    #[command(flatten)]
    provider: ProviderArguments,
    /// Run on the clock of a lab.
    #[arg(long, hide = true)]
    lab_clock: Option<LabClock>,
}

#[derive(Args)]
pub(crate) struct CsluArguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    admin: Option<collector_admin::Command>,
    #[command(flatten)]
    client: Client,
    /// Where the pages and the REST API listen, over HTTPS.
    #[arg(long, default_value = "127.0.0.1:8180")]
    listen: SocketAddr,
    /// Where product instances push to, over HTTP or HTTPS.
    #[arg(long, default_value = "127.0.0.1:8182")]
    device_listen: SocketAddr,
}

#[derive(Args)]
pub(crate) struct OnPremArguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    admin: Option<collector_admin::Command>,
    #[command(flatten)]
    client: Client,
    /// Where pages, REST API and product instances are served, over HTTPS.
    #[arg(long, default_value = "127.0.0.1:8444")]
    listen: SocketAddr,
    /// The host name in the URL of product instances; an entry in DNS leads here.
    #[arg(long, default_value = ON_PREM_NAME)]
    host: String,
    /// The version it presents; one before 8-202108 behaves as those did.
    #[arg(long, default_value = Settings::ON_PREM_VERSION)]
    presented_version: String,
}

/// The name of an SSM On-Prem in DNS (PI-NET-015).
const ON_PREM_NAME: &str = "Cisco_SSM_OnPrem";

/// What the two have different.
struct Role {
    kind: Kind,
    dir: &'static str,
    version: String,
    listen: SocketAddr,
    device_listen: Option<SocketAddr>,
    host: Option<String>,
}

pub(crate) fn run_cslu(arguments: &CsluArguments) -> Result<bool> {
    let role = Role {
        kind: Kind::Cslu,
        dir: "cslu-data",
        version: Settings::CSLU_VERSION.to_owned(),
        listen: arguments.listen,
        device_listen: Some(arguments.device_listen),
        host: None,
    };
    let admin = arguments.admin.as_ref();
    run(&arguments.common, role, (collector_admin::CSLU, &arguments.client, admin))
}

pub(crate) fn run_on_prem(arguments: &OnPremArguments) -> Result<bool> {
    let role = Role {
        kind: Kind::OnPrem,
        dir: "onprem-data",
        version: arguments.presented_version.clone(),
        listen: arguments.listen,
        device_listen: None,
        host: Some(arguments.host.clone()),
    };
    let admin = arguments.admin.as_ref();
    run(&arguments.common, role, (collector_admin::ON_PREM, &arguments.client, admin))
}

fn run(
    common: &Common,
    role: Role,
    (server, client, admin): (Server, &Client, Option<&collector_admin::Command>),
) -> Result<bool> {
    common.tables.load_for_server()?;
    match admin {
        Some(collector_admin::Command::ResetPassword { login }) => {
            return reset_password(common, &role, login);
        }
        Some(collector_admin::Command::Backups(command)) => {
            let dir = common.dir.clone().unwrap_or_else(|| role.dir.into());
            let now = LabClock::clock(common.lab_clock).now();
            let server = if role.kind == Kind::Cslu { backup::CSLU } else { backup::ON_PREM };
            return backup::run(&server, command, &dir, &common.database, now);
        }
        Some(command) => return collector_admin::run(server, client, command),
        None => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve_until_told(common, role))?;
    Ok(true)
}

/// A new password for whoever owns the machine and has none any more.
fn reset_password(common: &Common, role: &Role, login: &str) -> Result<bool> {
    let dir = common.dir.clone().unwrap_or_else(|| role.dir.into());
    let title = role.kind.title();
    if !dir.join("root.pem").exists() {
        anyhow::bail!("there is no {title} in {}; name its directory with --dir", dir.display());
    }
    let _lock = lock_directory(&dir).with_context(|| format!("stop this {title} first"))?;
    let now = LabClock::clock(common.lab_clock).now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let collector = runtime.block_on(open(common, role, &dir))?;
    let password = collector.people().reset_password(now, login)?;
    say!("The password of {login} (shown once): {password}");
    Ok(true)
}

async fn serve_until_told(common: &Common, role: Role) -> Result<()> {
    let clock = LabClock::clock(common.lab_clock);
    let dir = common.dir.clone().unwrap_or_else(|| role.dir.into());
    prepare_directory(&dir)?;
    let _lock = lock_directory(&dir)?;
    warn_of_small_host(&dir);
    let root_name = format!("Rumline {} root", role.kind.title());
    let authority = tokio::task::block_in_place(|| {
        authority(&dir, &root_name, (&common.database, DATABASE), clock.now())
    })?;
    let collector = open(common, &role, &dir).await?;
    let mut names = common.names.clone();
    names.push(role.listen.ip().to_string());
    names.extend(role.device_listen.map(|address| address.ip().to_string()));
    if let Some(host) = &role.host {
        // Whatever it is called, this is the name that switches may look for.
        names.extend([host.clone(), ON_PREM_NAME.to_owned()]);
    }
    let (certificate, key) = tls_identity(&dir, &authority, &names, clock.now())?;
    let tls = server_config(certificate.clone(), key.clone())?;
    let for_devices =
        if common.tls_13_only { Arc::clone(&tls) } else { device_server_config(certificate, key)? };
    // Nobody is listened to before there is somebody who may log in.
    let people = collector.people();
    announce_administrator(people, clock.now(), common.admin_password_file.as_deref()).await?;
    let listener = listen(role.listen).await?;
    let device_listener = match role.device_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let base_url = format!("https://{}", listener.local_addr()?);
    let own_url = known_as(&common.names, listener.local_addr()?);
    let device_url = match (&device_listener, &role.host) {
        (Some(listener), _) => {
            let address = listener.local_addr()?;
            // Where all addresses are listened on, devices need one that leads here.
            let host = if address.ip().is_unspecified() {
                common.names.first().cloned().unwrap_or_else(host_name)
            } else {
                SocketAddr::new(address.ip(), 0).to_string().trim_end_matches(":0").to_owned()
            };
            format!("http://{host}:{}/cslu/v1/pi", address.port())
        }
        (None, Some(host)) => {
            let port = listener.local_addr()?.port();
            let port = if port == 443 { String::new() } else { format!(":{port}") };
            format!("https://{host}{port}/cslu/v1/pi")
        }
        (None, None) => format!("{base_url}/cslu/v1/pi"),
    };
    let shutdown = Shutdown::default();
    let traces = common.process.traces(match role.kind {
        Kind::Cslu => "rumline-cslu",
        Kind::OnPrem => "rumline-onprem",
    })?;
    let background = Background::of(collector.works(&[FORWARD, IMPORTS, TIDY]));
    let site = CollectorSite::new(Parts {
        collector: collector.clone(),
        clock,
        device_url: device_url.clone(),
        host: collector.settings().name.clone(),
        cookie: format!("rumline-{}", listener.local_addr()?.port()),
        cisco: cisco(common, traces.clone())?,
        provider: common.provider.provider(&own_url)?,
        tls_root_pem: certificate_to_pem(&authority.root_certificate),
        spool: Spool::open(dir.join("spool"), collector.kept_files())?,
        background: background.clone(),
        shutdown: shutdown.clone(),
        readiness: crate::server_parts::readiness(&dir, &authority),
        metrics: Metrics::with_traces(traces),
    });
    end_on_signal(shutdown.clone());
    crate::server_parts::tell_url(&dir, &base_url)?;
    say!("{} listens on {base_url}", role.kind.title());
    say!("  product instances  {device_url}");
    say!("  REST API           {base_url}/api/v1 (described at {base_url}/openapi.json)");
    say!("  TLS root           {}", dir.join("root.pem").display());
    let working = [
        tokio::spawn(background.clone().keep()),
        tokio::spawn(forward(site.clone())),
        tokio::spawn(work_on_imports(site.clone())),
        tokio::spawn(tidy_daily(background.clone(), clock, move |now| Ok(collector.tidy(now)?))),
    ];
    match device_listener {
        Some(device_listener) => {
            let security = Security::TlsOrPlain(for_devices);
            let devices = serve(device_listener, security, device_router(site.clone()), &shutdown);
            let people = serve(listener, Security::Tls(tls), collector_router(site), &shutdown);
            tokio::try_join!(devices, people)?;
        }
        None => {
            serve(listener, Security::Tls(for_devices), on_prem_router(site), &shutdown).await?;
        }
    }
    working.iter().for_each(tokio::task::JoinHandle::abort);
    background.give_back().await;
    Ok(())
}

/// The name of the database file.
const DATABASE: &str = "collector.db";

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

async fn open(common: &Common, role: &Role, dir: &Path) -> Result<Collector> {
    let root_certificate = match &common.root {
        Some(path) => {
            let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
            pem_to_der(&pem)?.remove(0)
        }
        None => Vec::new(),
    };
    let files = KeptFiles::of(dir);
    let signer: Arc<dyn Signer> = match files.read("collector.key")? {
        Some(bytes) => RealSuite.load_device_key(&bytes)?.into(),
        None => {
            let signer = RealSuite.generate_device_key(&mut OsRandom)?;
            files.write("collector.key", &signer.private_key())?;
            signer.into()
        }
    };
    let settings = Settings {
        kind: role.kind,
        name: common.label.clone().unwrap_or_else(host_name),
        version: role.version.clone(),
        root_certificate,
    };
    let (database, file) = (common.database.clone(), dir.join(DATABASE));
    let random: rumline_server::SharedRandom = Arc::new(Mutex::new(OsRandom));
    let opened = tokio::task::spawn_blocking(move || {
        let db = Arc::new(database.open(&file)?);
        anyhow::Ok(Collector::open(db, Arc::new(RealSuite), signer, random, settings)?)
    });
    opened.await?
}

/// The host's name, up to its domain.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = name.split('.').next().unwrap_or_default().to_owned();
    if name.is_empty() { "collector".to_owned() } else { name }
}

fn cisco(common: &Common, traces: Option<Traces>) -> Result<Option<Cisco>> {
    let Some(url) = &common.cssm else { return Ok(None) };
    let roots = match &common.root {
        Some(path) => pem_to_der(&std::fs::read(path)?)?,
        None => anyhow::bail!("--cssm needs --root, the root certificate of that CSSM"),
    };
    Ok(Some(Cisco::new(
        HttpClient::new(&roots, CISCO_TIMEOUT)?
            .with_answers_up_to(CISCO_ANSWER_BYTES_MAX)
            .with_traces(traces),
        url,
    )))
}

/// The guide's minimum for a CSLU host: 100 GB of disk, 8 GB of memory, two cores (CSLU-022). It runs on less.
fn warn_of_small_host(dir: &Path) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = rustix::system::sysinfo();
    let memory_gb = memory.totalram * u64::from(memory.mem_unit) / 1_000_000_000;
    let disk_gb = rustix::fs::statvfs(dir).map_or(0, |s| s.f_frsize * s.f_blocks / 1_000_000_000);
    for (what, found, wanted) in
        [("cores", cores as u64, 2), ("GB of memory", memory_gb, 8), ("GB of disk", disk_gb, 100)]
    {
        if found < wanted {
            tracing::warn!("this host has {found} {what}; the guide asks for {wanted}");
        }
    }
}
