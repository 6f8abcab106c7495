//! `rumline forecast`: what a switch will send when, and which alarms would come, without a running one.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rumline_agent::{Disk, MemoryDisk};
use rumline_net::{Clock, FileDisk, KeptFiles, OsRandom};
use rumline_protocol::{RealSuite, SimulatedSuite, Suite};
use rumline_switch::{Devices, Hardware, STARTED_FILE, Session, Switch};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The data directory of a switch, which stays as it is; without one, a new switch that begins now.
    dir: Option<PathBuf>,
    /// How many days.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// As if this policy held: signed by CSSM, or the JSON that CSSM's policies are set with.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// As if nobody answered.
    #[arg(long)]
    outage: bool,
    /// Of a new switch: its configuration, any of NX-OS. Without one `feature bgp` is in use.
    #[arg(long, conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Of a new switch: the model.
    #[arg(long, default_value = "N9K-C93180YC-FX3", conflicts_with = "dir")]
    pid: String,
    /// The NX-OS release: that of the switch, or 10.4(3)F.
    #[arg(long)]
    release: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
    let mut hardware = Hardware {
        pid: arguments.pid.clone(),
        serial: "FORECAST".to_owned(),
        release: arguments.release.clone().unwrap_or_else(|| "10.4(3)F".to_owned()),
        root_certificate: Vec::new(),
        maker_key: None,
        links: std::collections::BTreeSet::new(),
        with_defects: false,
    };
    let mut config = Some("hostname switch\nfeature bgp\n".to_owned());
    let mut suite: Arc<dyn Suite> = Arc::new(SimulatedSuite);
    if let Some(dir) = &arguments.dir {
        ensure!(dir.join("store").is_dir(), "{} is no data directory of a switch", dir.display());
        let label = KeptFiles::of(dir).read("label.json")?.context("label.json is missing")?;
        let label: serde_json::Value =
            serde_json::from_slice(&label).context("label.json is damaged")?;
        let told = |name: &str| label[name].as_str().unwrap_or_default().to_owned();
        (hardware.pid, hardware.serial) = (told("pid"), told("serial"));
        (config, suite) = (None, Arc::new(RealSuite));
        let mut files = FileDisk::open(&dir.join("store"))?;
        for name in files.list("")? {
            if let Some(bytes) = files.read(&name)? {
                store.files.insert(name, bytes);
            }
        }
        let own = store.files.get(STARTED_FILE).and_then(|bytes| rumline_switch::came_with(bytes));
        if let Some(own) = own.filter(|_| arguments.release.is_none()) {
            hardware.release = own;
        }
    } else if let Some(path) = &arguments.config {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let text = rumline_switch::text_of(&bytes);
        config = Some(text.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?);
    }
    if let Some(path) = &arguments.policy {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        flash.files.insert("policy".to_owned(), bytes);
    }
    let now = Clock::real().now();
    let mut random = OsRandom;
    let mut devices = Devices { store: &mut store, flash: &mut flash, random: &mut random };
    let booted = Switch::boot(now, &hardware, suite, config.as_deref(), "forecast", &mut devices);
    let (mut switch, _) = booted?;
    let mut line = format!("show license forecast days {}", arguments.days);
    if arguments.policy.is_some() {
        line.push_str(" policy bootflash:policy");
    }
    if arguments.outage {
        line.push_str(" outage");
    }
    if arguments.json {
        line.push_str(" | json-pretty");
    }
    let outcome = switch.execute(now, &mut Session::new("admin"), &line, &mut devices);
    if outcome.error.is_some() {
        bail!("{}", outcome.reply.text.trim());
    }
    say!("{}", outcome.reply.text.trim_end());
    Ok(true)
}
