//! A switch as a command: what it is told to be, and where.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rumline_net::{
    InterfaceBinding, KeptFiles, LabClock, OsRandom, Outlets, VrfBinding, pem_to_der, say,
};
use rumline_protocol::{PublicKey, Random, random_hex};
use rumline_switch::{BootError, Hardware, STARTED_FILE, Slot};
use serde::{Deserialize, Serialize};

use crate::{PairSetup, Setup, Tables, folder_of_supervisor};

/// The release of a switch that is told none.
pub const RELEASE: &str = "10.4(3)F";

/// What a switch is told when it is started.
#[derive(Args)]
pub struct Arguments {
    /// Where the switch keeps everything; made at first start.
    #[arg(long, default_value = "switch-data")]
    dir: PathBuf,
    /// Product id, at first start.
    #[arg(long, default_value = "N9K-C93180YC-FX3")]
    pid: String,
    /// Serial number, at first start; a random one when missing.
    #[arg(long)]
    serial: Option<String>,
    /// The release it comes with: 10.4(3)F where none is named, or the newest of a product whose folder stands alone. What
    /// `install all` installed starts after that, until another release is named here.
    #[arg(long)]
    release: Option<String>,
    #[command(flatten)]
    tables: Tables,
    /// Where SSH listens.
    #[arg(long, default_value = "127.0.0.1:2222")]
    ssh: SocketAddr,
    /// No SSH, the console alone.
    #[arg(long)]
    no_ssh: bool,
    /// The address NX-API listens on (feature nxapi), at the ports of the configuration.
    #[arg(long, default_value = "127.0.0.1")]
    nxapi_address: IpAddr,
    /// Where NX-API listens for HTTP instead, whatever port the configuration says.
    #[arg(long)]
    nxapi_http: Option<SocketAddr>,
    /// Where NX-API listens for HTTPS instead.
    #[arg(long)]
    nxapi_https: Option<SocketAddr>,
    /// The console on this terminal.
    #[arg(long)]
    console: bool,
    /// Startup configuration of a switch that has none yet: any NX-OS configuration.
    #[arg(long)]
    startup_config: Option<PathBuf>,
    /// The root certificate the switch is provisioned with (CSSM's root.pem).
    #[arg(long)]
    root: Option<PathBuf>,
    /// Whose images `install all` takes: the maker.pem that `rumline image` wrote.
    #[arg(long, value_name = "FILE")]
    maker: Option<PathBuf>,
    /// Do what is known to go wrong on the way from a release, as with 9.3(3) and 9.3(4).
    #[arg(long)]
    with_defects: bool,
    /// Further root certificates that TLS trusts, such as that of an SSM On-Prem (its root.pem).
    #[arg(long = "tls-root")]
    tls_roots: Vec<PathBuf>,
    /// The port of the name servers in the configuration, for a lab without the right to port 53.
    #[arg(long, default_value_t = rumline_net::DNS_PORT)]
    dns_port: u16,
    /// The port of the syslog servers in the configuration whose lines name none.
    #[arg(long, default_value_t = 514)]
    syslog_port: u16,
    /// The port of the time servers in the configuration.
    #[arg(long, default_value_t = 123)]
    ntp_port: u16,
    /// What a VRF stands for: NAME=netns:N, a network name space (needs root), or NAME=addr:IP, an address of this machine.
    /// A VRF that is not named is this machine's own network.
    #[arg(long = "vrf", value_name = "NAME=netns:N|addr:IP")]
    vrfs: Vec<VrfBinding>,
    /// What an interface stands for: NAME=IP, its name in full and an address of this machine (or of the name space of its
    /// VRF). It has a link then, and messages with it as source interface come from there.
    #[arg(long = "interface", value_name = "NAME=IP")]
    interfaces: Vec<InterfaceBinding>,
    /// So many switches in one process: each in a folder of its own below --dir, their SSH ports counted up from --ssh, their
    /// passwords in files named so and counted up.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    count: u16,
    /// This is one of the two supervisors of a chassis, whose folder this is (instead of --dir); the other one is started
    /// with the same folder.
    #[arg(long, value_name = "DIR", requires = "slot", conflicts_with_all = ["dir", "count"])]
    chassis: Option<PathBuf>,
    /// The slot of this supervisor.
    #[arg(long, requires = "chassis", value_parser = clap::value_parser!(u8).range(1..=2))]
    slot: Option<u8>,
    /// Where the active supervisor waits for the other one.
    #[arg(long, requires = "chassis", default_value = "127.0.0.1:0")]
    link: SocketAddr,
    /// Where SSH listens on whichever supervisor is active.
    #[arg(long, requires = "chassis")]
    management: Option<SocketAddr>,
    /// Who decides which supervisor is active, where the two are on two hosts: where `rumline witness` listens.
    #[arg(long, requires = "chassis", value_name = "ADDRESS")]
    witness: Option<SocketAddr>,
    /// Become active although what was answered for last is missing here: what only the other supervisor had is given up.
    #[arg(long, requires = "chassis")]
    force_active: bool,
    /// Write the first password of admin to this file instead of showing it.
    #[arg(long)]
    admin_password_file: Option<PathBuf>,
    /// Run on the clock of a lab.
    #[arg(long, hide = true)]
    lab_clock: Option<LabClock>,
}

/// What stays the same over all starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Label {
    pub pid: String,
    pub serial: String,
}

/// Runs a switch, or several, until they are told to end.
///
/// # Errors
/// When one of them cannot be started.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let root_certificate = match &arguments.root {
        Some(path) => {
            let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
            pem_to_der(&pem)?.remove(0)
        }
        None => Vec::new(),
    };
    let maker_key = arguments.maker.as_deref().map(maker_key).transpose()?;
    let mut tls_roots = Vec::new();
    for path in &arguments.tls_roots {
        let pem = std::fs::read(path).with_context(|| path.display().to_string())?;
        tls_roots.extend(pem_to_der(&pem)?);
    }
    let first_config = match &arguments.startup_config {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            let text = rumline_switch::text_of(&bytes);
            Some(text.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?)
        }
        None => None,
    };
    if arguments.count > 1 && arguments.console {
        bail!("--console is for one switch");
    }
    if arguments.count > 1 && arguments.serial.is_some() {
        bail!("--serial is for one switch: no two have the same");
    }
    let slot = arguments.slot.and_then(Slot::of);
    let dirs: Vec<PathBuf> = match (arguments.count, &arguments.chassis, slot) {
        (_, Some(chassis), Some(slot)) => vec![folder_of_supervisor(chassis, slot)],
        (1, ..) => vec![arguments.dir.clone()],
        (count, ..) => (1..=count).map(|number| arguments.dir.join(number.to_string())).collect(),
    };
    let kept = kept_label(&dirs[0])?;
    let pid = kept.as_ref().map_or(&arguments.pid, |label| &label.pid);
    let newest = arguments.tables.load_for_switch(pid)?;
    let release = |dir: &Path| {
        let named = arguments.release.clone().or_else(|| release_it_came_with(dir));
        named.or_else(|| newest.clone()).unwrap_or_else(|| RELEASE.to_owned())
    };
    let outlets = Outlets::open(&arguments.vrfs, &arguments.interfaces)?;
    let setup = |dir: PathBuf, label: Label, release: String, number: u16| Setup {
        dir,
        hardware: Hardware {
            pid: label.pid,
            serial: label.serial,
            release,
            root_certificate: root_certificate.clone(),
            maker_key: maker_key.clone(),
            links: arguments.interfaces.iter().map(|interface| interface.name.clone()).collect(),
            with_defects: arguments.with_defects,
        },
        outlets: outlets.clone(),
        tls_roots: tls_roots.clone(),
        dns_port: arguments.dns_port,
        syslog_port: arguments.syslog_port,
        ntp_port: arguments.ntp_port,
        first_config: first_config.clone(),
        ssh: (!arguments.no_ssh).then(|| counted(arguments.ssh, number)),
        nxapi_address: arguments.nxapi_address,
        nxapi_http: arguments.nxapi_http.map(|address| counted(address, number)),
        nxapi_https: arguments.nxapi_https.map(|address| counted(address, number)),
        console: arguments.console,
        admin_password_file: arguments.admin_password_file.clone().map(|file| {
            let is_one = arguments.count == 1;
            if is_one { file } else { format!("{}.{}", file.display(), number + 1).into() }
        }),
        clock: LabClock::clock(arguments.lab_clock),
    };
    if arguments.root.is_none() {
        say!(
            "No --root is given: this switch is provisioned with no root certificate and takes no answer, ACK or policy of a \
             CSSM. Give it the root.pem of yours."
        );
    }
    let mut setups = Vec::new();
    for (number, dir) in (0..).zip(dirs) {
        let release = release(&dir);
        let label = label(arguments, &release, &dir)?;
        setups.push(setup(dir, label, release, number));
    }
    if let (Some(chassis), Some(slot)) = (&arguments.chassis, slot) {
        let pair = PairSetup {
            chassis: chassis.clone(),
            slot,
            link: arguments.link,
            management: arguments.management,
            witness: arguments.witness,
            forced: arguments.force_active,
        };
        crate::run_supervisor(setups.remove(0), pair)?;
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(crate::run(setups))?;
    // A thread may still wait for a key on standard input.
    runtime.shutdown_background();
    Ok(true)
}

/// The port of one of several; any port stays any.
fn counted(address: SocketAddr, number: u16) -> SocketAddr {
    let port = match address.port() {
        0 => 0,
        port => port.saturating_add(number),
    };
    SocketAddr::new(address.ip(), port)
}

/// The key of a maker of images.
fn maker_key(path: &Path) -> Result<PublicKey> {
    let pem = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    PublicKey::from_pem(&pem).with_context(|| format!("{}: no public key in PEM", path.display()))
}

/// The release that a switch came with that was started before.
fn release_it_came_with(dir: &Path) -> Option<String> {
    let bytes = std::fs::read(dir.join("store").join(STARTED_FILE)).ok()?;
    rumline_switch::came_with(&bytes)
}

/// The label of a switch that was started before.
pub(crate) fn kept_label(dir: &Path) -> Result<Option<Label>> {
    let bytes = KeptFiles::of(dir).read("label.json")?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).context("label.json is damaged")).transpose()
}

fn label(arguments: &Arguments, release: &str, dir: &Path) -> Result<Label> {
    if let Some(label) = kept_label(dir)? {
        check(&label, release)?;
        return Ok(label);
    }
    let serial = arguments.serial.clone().unwrap_or_else(random_serial);
    let label = Label { pid: arguments.pid.clone(), serial };
    keep_label(&label, release, dir)?;
    Ok(label)
}

/// Writes a label down; not one that no switch can bear.
pub(crate) fn keep_label(label: &Label, release: &str, dir: &Path) -> Result<()> {
    check(label, release)?;
    make_directory(dir)?;
    KeptFiles::of(dir).write("label.json", &serde_json::to_vec_pretty(label)?)?;
    Ok(())
}

/// Whether there is such a switch, and that release for it.
fn check(label: &Label, release: &str) -> Result<()> {
    let hardware = Hardware {
        pid: label.pid.clone(),
        serial: label.serial.clone(),
        release: release.to_owned(),
        root_certificate: Vec::new(),
        maker_key: None,
        links: BTreeSet::new(),
        with_defects: false,
    };
    match hardware.check() {
        Ok(_) => Ok(()),
        Err(error @ BootError::UnknownPlatform(_)) => {
            bail!("{error}; `--catalogue DIR` names a folder of tables that has it")
        }
        Err(error) => Err(error.into()),
    }
}

fn make_directory(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    Ok(())
}

/// `RML` and eight characters.
pub(crate) fn random_serial() -> String {
    let mut random = OsRandom;
    let year = random.below(10);
    format!("RML{year}{}", &random_hex(&mut random, 4).to_uppercase()[..7])
}
