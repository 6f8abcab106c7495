//! `rumline cssm`: the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rumline_cssm::{Actor, Cssm, Settings};
use rumline_host::Tables;
use rumline_net::{
    Clock, HookClient, OsRandom, Security, Shutdown, certificate_to_pem, device_server_config,
    lock_directory, serve, server_config,
};
use rumline_protocol::{Authority, RealSuite, Timestamp};
use rumline_web::{
    BUNDLES, Background, CssmSite, Gates, JOBS, Metrics, Spool, cssm_router, tell_webhooks,
    work_on_bundles, work_on_jobs,
};
use tokio::net::TcpListener;

use crate::admin::Client;
use crate::backup;
use crate::configuration::Process;
use crate::cssm_admin;
use crate::database::DatabaseArguments;
use crate::mail_sender::{MailArguments, send_mail};
use crate::provider_options::{ProviderArguments, known_as};
use crate::server_parts::{
    TIDY, announce_administrator, authority, end_on_signal, prepare_directory, renew_signing_key,
    tidy_daily, tls_identity,
};
use rumline_net::LabClock;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub process: Process,
    /// Where keys and the database lie; made at first start.
    #[arg(long, default_value = "cssm-data")]
    dir: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Names and addresses in the server's certificate, besides the one it listens on.
    #[arg(long = "name")]
    names: Vec<String>,
    #[command(flatten)]
    database: DatabaseArguments,
    /// Close TLS 1.2, which switches of releases before 10.4(3)F report by.
    #[arg(long = "tls-1.3-only")]
    tls_13_only: bool,
    /// Requests a product instance may make in an hour; 0 for no limit.
    #[arg(long, default_value_t = 12)]
    requests_per_hour: i64,
    /// Seconds from a report to its ACK; 0 to answer at once.
    #[arg(long, default_value_t = 300)]
    ack_delay_seconds: i64,
    /// Hours until a purchase counts: 24 to 96 at the original.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=96))]
    purchase_delay_hours: i64,
    /// Write the first administrator's password to this file instead of showing it.
    #[arg(long)]
    admin_password_file: Option<PathBuf>,
    #[command(flatten)]
    tables: Tables,
    #[command(flatten)]
    mail: MailArguments,
    #[command(flatten)]
    provider: ProviderArguments,
    /// Let webhooks be told at addresses of one's own network too, and without TLS.
    #[arg(long)]
    webhooks_to_internal: bool,
    /// The root certificates that receivers of webhooks are known by; those of the system when missing.
    #[arg(long)]
    webhook_ca_file: Option<PathBuf>,
    /// Run on the clock of a lab.
    #[arg(long, hide = true)]
    lab_clock: Option<LabClock>,
    #[command(subcommand)]
    admin: Option<cssm_admin::Command>,
    #[command(flatten)]
    client: Client,
}

impl Arguments {
    /// What tells webhooks.
    fn hook_client(&self) -> Result<HookClient> {
        let pem = match &self.webhook_ca_file {
            Some(file) => Some(
                std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
            ),
            None => None,
        };
        HookClient::new(pem.as_deref(), self.webhooks_to_internal)
            .map_err(|error| anyhow::anyhow!("webhooks cannot be told: {error}"))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    arguments.tables.load_for_server()?;
    if let Some(cssm_admin::Command::RenewSigningKey { revoke }) = &arguments.admin {
        return renew(arguments, *revoke);
    }
    if let Some(cssm_admin::Command::ResetPassword { login }) = &arguments.admin {
        return reset_password(arguments, login);
    }
    if let Some(cssm_admin::Command::Backups(command)) = &arguments.admin {
        let now = LabClock::clock(arguments.lab_clock).now();
        return backup::run(&backup::CSSM, command, &arguments.dir, &arguments.database, now);
    }
    if let Some(cssm_admin::Command::Rebuild { verify }) = &arguments.admin {
        return rebuild(arguments, *verify);
    }
    if let Some(cssm_admin::Command::SeedLab { instances }) = &arguments.admin {
        return seed_lab(arguments, *instances);
    }
    if let Some(command) = &arguments.admin {
        return cssm_admin::run(&arguments.client, command);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve_until_told(arguments));
    // What waits for others, such as a mail server, is waited for no longer than requests are.
    runtime.shutdown_timeout(Duration::from_secs(10));
    served?;
    Ok(true)
}

/// Opens the CSSM of a directory, which whoever calls it has locked.
fn open(arguments: &Arguments, authority: &Authority) -> Result<Cssm> {
    let db = arguments.database.open(&arguments.dir.join(DATABASE))?;
    let settings = Settings {
        requests_per_hour_max: arguments.requests_per_hour,
        ack_delay_seconds: arguments.ack_delay_seconds,
        purchase_delay_seconds: arguments.purchase_delay_hours * 3_600,
    };
    let random: rumline_cssm::SharedRandom = Arc::new(Mutex::new(OsRandom));
    let issuer = authority.identity()?;
    Ok(Cssm::open(Arc::new(db), Arc::new(RealSuite), issuer, random, settings)?)
}

/// Works on a CSSM in its own directory, where it must not run meanwhile.
fn on_own_directory<T>(
    arguments: &Arguments,
    work: impl FnOnce(&Authority, Timestamp) -> Result<T>,
) -> Result<T> {
    let dir = &arguments.dir;
    if !dir.join("root.pem").exists() {
        anyhow::bail!("there is no CSSM in {}; name its directory with --dir", dir.display());
    }
    let _lock = lock_directory(dir).context("stop this CSSM first")?;
    let now = LabClock::clock(arguments.lab_clock).now();
    work(&keys_of(arguments, now)?, now)
}

/// A new password for whoever owns the machine and has none any more.
fn reset_password(arguments: &Arguments, login: &str) -> Result<bool> {
    let password = on_own_directory(arguments, |authority, now| {
        Ok(open(arguments, authority)?.people().reset_password(now, login)?)
    })?;
    say!("The password of {login} (shown once): {password}");
    Ok(true)
}

/// Counts what is kept as totals; without `verify` what was wrong is right afterwards.
fn rebuild(arguments: &Arguments, verify: bool) -> Result<bool> {
    let wrong = on_own_directory(arguments, |authority, _| {
        let cssm = open(arguments, authority)?;
        Ok(if verify { cssm.verify_totals()? } else { cssm.rebuild_totals()? })
    })?;
    for total in &wrong {
        say!("{}", crate::check_command::wrong_total(total));
    }
    let verb = if verify {
        "are wrong; `rebuild` without --verify puts them right"
    } else {
        "were wrong and are right now"
    };
    if wrong.is_empty() {
        say!("All totals are what counting says.");
    } else {
        say!("{} totals {verb}.", wrong.len());
    }
    Ok(wrong.is_empty() || !verify)
}

/// An estate to try things out on; its keys are made as at a first start.
fn seed_lab(arguments: &Arguments, instances: u64) -> Result<bool> {
    prepare_directory(&arguments.dir)?;
    let _lock = lock_directory(&arguments.dir).context("stop this CSSM first")?;
    let now = LabClock::clock(arguments.lab_clock).now();
    let cssm = open(arguments, &keys_of(arguments, now)?)?;
    // One key for all of them: what is tried out here is how much there is, not who signed it.
    let device = Authority::create("seed lab", now)?.identity()?.signer;
    let mut tenth = 0;
    let mut told = |made: u64| {
        if made * 10 / instances.max(1) > tenth {
            tenth = made * 10 / instances.max(1);
            say!("{made} of {instances} product instances");
        }
    };
    let actor = Actor::system();
    cssm.seed_lab(now, &actor, instances, device.as_ref(), &mut told)?;
    say!("The smart account Seed Lab is in {}; start it with", arguments.dir.display());
    say!("  rumline cssm --dir {}", arguments.dir.display());
    Ok(true)
}

/// Makes another signing key under the root.
fn renew(arguments: &Arguments, revoke: bool) -> Result<bool> {
    on_own_directory(arguments, |before, now| {
        renew_signing_key(&arguments.dir, before, &before.renewed(now, revoke)?)
    })?;
    say!("There is a new signing key under the same root.");
    if revoke {
        say!("The one before is revoked; devices learn it with their next answer or file.");
    }
    Ok(true)
}

/// The name of the database file.
const DATABASE: &str = "cssm.db";

fn keys_of(arguments: &Arguments, now: Timestamp) -> Result<Authority> {
    authority(&arguments.dir, NAME, (&arguments.database, DATABASE), now)
}

/// The name in the root certificate.
const NAME: &str = "Rumline CSSM root";

async fn serve_until_told(arguments: &Arguments) -> Result<()> {
    let clock = LabClock::clock(arguments.lab_clock);
    let now = clock.now();
    prepare_directory(&arguments.dir)?;
    let _lock = lock_directory(&arguments.dir)?;
    let authority = tokio::task::block_in_place(|| keys_of(arguments, now))?;
    let mut names = arguments.names.clone();
    names.push(arguments.listen.ip().to_string());
    let (certificate, key) = tls_identity(&arguments.dir, &authority, &names, now)?;
    let cssm = tokio::task::block_in_place(|| open(arguments, &authority))?;
    let mailer = arguments.mail.mailer()?;
    let hooks = arguments.hook_client()?;
    // Nobody is listened to before there is somebody who may log in.
    announce_administrator(cssm.people(), now, arguments.admin_password_file.as_deref()).await?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let base_url = format!("https://{}", listener.local_addr()?);
    let own_url = known_as(&arguments.names, listener.local_addr()?);
    let provider = arguments.provider.provider(&own_url)?;
    let traces = arguments.process.traces("rumline-cssm")?;
    let background = Background::of(cssm.works(&[ALERTS, BUNDLES, JOBS, TIDY]));
    let state = CssmSite {
        chosen: Default::default(),
        people: cssm.people(),
        cssm: cssm.clone(),
        clock: Arc::new(clock),
        base_url: base_url.as_str().into(),
        cookie: format!("rumline-{}", listener.local_addr()?.port()).into(),
        root_pem: certificate_to_pem(&authority.root_certificate).into(),
        sends_mail: mailer.is_some(),
        webhooks_to_internal: arguments.webhooks_to_internal,
        provider: provider.map(Arc::new),
        spool: Spool::open(arguments.dir.join("spool"), cssm.kept_files())?,
        background: background.clone(),
        gates: Gates::default(),
        metrics: Metrics::with_traces(traces),
        readiness: crate::server_parts::readiness(&arguments.dir, &authority),
    };
    // Where all addresses are listened on, people need a name that leads here.
    let address = listener.local_addr()?;
    let known_as = match arguments.names.first().filter(|_| address.ip().is_unspecified()) {
        Some(name) => format!("https://{name}:{}", address.port()),
        None => base_url.clone(),
    };
    let shutdown = Shutdown::default();
    end_on_signal(shutdown.clone());
    crate::server_parts::tell_url(&arguments.dir, &base_url)?;
    say!("CSSM listens on {base_url}");
    say!("  smart receiver     {base_url}/licservice/license");
    say!("  Call Home          {base_url}/its/service/oddce/services/DDCEService");
    say!("  pages              {base_url}/");
    say!("  REST API           {base_url}/api/v1 (described at {base_url}/openapi.json)");
    say!("  root certificate   {}", arguments.dir.join("root.pem").display());
    let tidied = cssm.clone();
    let mut working = vec![
        tokio::spawn(background.clone().keep()),
        tokio::spawn(tidy_daily(background.clone(), clock, move |now| Ok(tidied.tidy(now)?))),
        tokio::spawn(watch(
            background.clone(),
            cssm.clone(),
            clock,
            mailer.is_some().then_some(known_as),
        )),
        tokio::spawn(work_on_bundles(state.clone())),
        tokio::spawn(work_on_jobs(state.clone())),
        tokio::spawn(tell_webhooks(cssm.people(), clock, hooks)),
    ];
    working.extend(
        mailer.map(|mailer| tokio::spawn(send_mail(cssm, clock, mailer, shutdown.clone()))),
    );
    let tls = if arguments.tls_13_only { server_config } else { device_server_config };
    let tls = Security::Tls(tls(certificate, key)?);
    serve(listener, tls, cssm_router(state), &shutdown).await?;
    working.iter().for_each(tokio::task::JoinHandle::abort);
    background.give_back().await;
    Ok(())
}

/// What this process does about alerts, when no other does.
const ALERTS: &str = "alerts";

/// How often is looked for what somebody has to be told of.
const WATCH: Duration = Duration::from_secs(300);

/// Looks again and again; where messages are sent it makes those that are due, which name the server as people find it.
async fn watch(background: Background, cssm: Cssm, clock: Clock, mail_names: Option<String>) {
    loop {
        background.mine(ALERTS).await;
        let (cssm, now, server) = (cssm.clone(), clock.now(), mail_names.clone());
        let look = move || {
            if let Err(error) = cssm.watch(now) {
                tracing::warn!(%error, "alerts could not be looked for");
            }
            if let Some(Err(error)) = server.map(|server| cssm.make_mail(now, &server)) {
                tracing::warn!(%error, "e-mail could not be made");
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::warn!(%error, "looking for alerts failed");
        }
        tokio::time::sleep(WATCH).await;
    }
}
