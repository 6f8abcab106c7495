//! The lab: a CSSM and switches as processes of their own on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rumline_net::{Clock, LabClock, LabNames, write_private};
use serde_json::{Value, json};
use tokio::process::Child;

use super::collector::LabCollector;
use super::processes::{run_switch, start_cssm, stop, terminate};
use crate::admin::Api;
use crate::lab::description::{self, Description};
use crate::lab::reach::{self, read_line};
use crate::lab::servers::{self, Flavour};

/// The smart account of the lab.
pub(super) const SMART_ACCOUNT: &str = "Example Networks";
pub(super) use crate::lab::reach::WAIT_TIMEOUT;

/// A switch of the lab.
pub(super) struct LabSwitch {
    pub name: String,
    pub topology: u32,
    pub dir: PathBuf,
    pub serial: String,
    pid: String,
    address: SocketAddr,
    password_file: PathBuf,
    options: Vec<String>,
    pub process: Option<Child>,
}

/// Gives an option a value, in place of the one it has.
fn tell(options: &mut Vec<String>, option: &str, value: &str) {
    match options.iter().position(|own| own == option) {
        Some(place) => value.clone_into(&mut options[place + 1]),
        None => options.extend([option.to_owned(), value.to_owned()]),
    }
}

/// The lab.
pub(super) struct Lab {
    dir: PathBuf,
    temporary: bool,
    clock: LabClock,
    cssm: Option<Child>,
    pub url: String,
    pub api: Api,
    pub switches: Vec<LabSwitch>,
    /// The supervisors of a chassis.
    supervisors: Vec<Child>,
    pub collectors: Vec<LabCollector>,
    /// Where its switches may ask for names.
    pub names: LabNames,
    progress: ProgressBar,
    /// Whether what switches show is printed.
    shows: bool,
}

impl Lab {
    pub(super) async fn start(dir: Option<&Path>, rate: u32, shows: bool) -> Result<Self> {
        let base_millis = Clock::world_millis();
        let temporary = dir.is_none();
        let dir = dir.map_or_else(
            || std::env::temp_dir().join(format!("rumline-demo-{base_millis}")),
            Path::to_owned,
        );
        if Description::exists(&dir) {
            bail!("{} holds a lab already; remove it or name another directory", dir.display());
        }
        remove_abandoned();
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let dir = dir.canonicalize()?;
        if temporary {
            std::fs::write(dir.join(OWNER), std::process::id().to_string())?;
        }
        let clock = LabClock { base_millis, rate };
        let lab = Self::started(dir.clone(), temporary, clock).await;
        let lab = lab.map(|lab| Self { shows, ..lab });
        if lab.is_err() && temporary {
            let _best_effort = std::fs::remove_dir_all(&dir);
        }
        lab
    }

    async fn started(dir: PathBuf, temporary: bool, clock: LabClock) -> Result<Self> {
        let progress = ProgressBar::new_spinner();
        progress.set_style(ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")?);
        progress.enable_steady_tick(Duration::from_millis(120));
        progress.set_message("starting CSSM");
        let (cssm, url) = start_cssm(&dir, clock, "127.0.0.1:0").await?;
        let cssm = Some(cssm);
        let mut api = Api::new(&url, &dir.join("cssm/root.pem"), None)?;
        let password = read_line(&dir.join("cssm-admin.password"))?;
        let token = api.log_in("admin", &password).await?;
        write_private(&dir.join("cssm-api.token"), format!("{token}\n").as_bytes())?;
        let account = json!({ "name": SMART_ACCOUNT, "domain": "example.net" });
        api.json("POST", "/smart-accounts", Some(account)).await?;
        let (switches, collectors) = (Vec::new(), Vec::new());
        let lab = Self {
            dir,
            temporary,
            clock,
            cssm,
            url,
            api,
            switches,
            supervisors: Vec::new(),
            collectors,
            names: LabNames::start().await?,
            progress,
            shows: false,
        };
        lab.heading("CSSM is up; smart account created");
        lab.describe()?;
        Ok(lab)
    }

    /// A line that stays on the screen, above those that belong to it.
    pub(super) fn heading(&self, text: &str) {
        if self.progress.is_hidden() {
            say!("{text}");
        } else {
            self.progress.println(text);
        }
    }

    /// A line that stays on the screen.
    pub(super) fn say(&self, text: &str) {
        // A bar that is not on a terminal prints nothing by itself.
        if self.progress.is_hidden() {
            say!("  {text}");
        } else {
            self.progress.println(format!("  {text}"));
        }
    }

    /// A show command's output, under its switch's name.
    pub(super) fn print(&self, name: &str, text: &str) {
        if self.shows {
            self.progress.suspend(|| say!("\n{name}# show license status\n{text}"));
        }
    }

    pub(super) fn doing(&self, text: &str) {
        self.progress.set_message(text.to_owned());
    }

    /// Starts a switch; returns its place in the list.
    pub(super) async fn add_switch(
        &mut self,
        topology: u32,
        pid: &str,
        serial: &str,
        config: &str,
    ) -> Result<usize> {
        self.add_switch_told(topology, (pid, serial), config, &[]).await
    }

    /// The same, with options that are its own.
    pub(super) async fn add_switch_told(
        &mut self,
        topology: u32,
        (pid, serial): (&str, &str),
        config: &str,
        told: &[(&str, String)],
    ) -> Result<usize> {
        let name = config
            .lines()
            .find_map(|line| line.strip_prefix("hostname ").or(line.strip_prefix("switchname ")))
            .unwrap_or("switch")
            .trim()
            .to_owned();
        self.doing(&format!("starting {name}"));
        let dir = self.dir.join(&name);
        std::fs::create_dir_all(&dir)?;
        std::fs::write(self.dir.join(format!("{name}.cfg")), config)?;
        let password_file = servers::switch_password_file(&self.dir, &name);
        let on_prem = self.collectors.iter().filter(|one| one.flavour.on_prem);
        let roots = on_prem.map(|one| one.dir.join("root.pem"));
        let mut options = servers::switch(&self.dir, self.clock, &name, (pid, serial), roots);
        options.extend(["--dns-port".to_owned(), self.names.port().to_string()]);
        for (option, value) in told {
            tell(&mut options, option, value);
        }
        let (process, address) = run_switch(&options, "127.0.0.1:0").await?;
        self.switches.push(LabSwitch {
            name,
            topology,
            dir,
            serial: serial.to_owned(),
            pid: pid.to_owned(),
            address,
            password_file,
            options,
            process: Some(process),
        });
        self.describe()?;
        Ok(self.switches.len() - 1)
    }

    /// Sets up a chassis, which is reached where whichever of its supervisors is active listens; returns its place in the list
    /// and what both supervisors are told.
    pub(super) fn describe_pair(
        &mut self,
        topology: u32,
        (pid, serial): (&str, &str),
        config: &str,
        management: SocketAddr,
    ) -> Result<(usize, Vec<String>)> {
        let name = "chassis".to_owned();
        std::fs::write(self.dir.join(format!("{name}.cfg")), config)?;
        let password_file = servers::switch_password_file(&self.dir, &name);
        let told = servers::switch(&self.dir, self.clock, &name, (pid, serial), std::iter::empty());
        // The folder is that of the chassis; each has a serial number of its own.
        let mut options = Vec::new();
        let mut told = told.into_iter();
        while let Some(word) = told.next() {
            match word.as_str() {
                "--dir" => options.push("--chassis".to_owned()),
                "--serial" => drop(told.next()),
                _ => options.push(word),
            }
        }
        options.extend(["--management".to_owned(), management.to_string()]);
        options.extend(["--dns-port".to_owned(), self.names.port().to_string()]);
        self.switches.push(LabSwitch {
            dir: self.dir.join(&name),
            name,
            topology,
            serial: serial.to_owned(),
            pid: pid.to_owned(),
            address: management,
            password_file,
            options: Vec::new(),
            process: None,
        });
        self.describe()?;
        Ok((self.switches.len() - 1, options))
    }

    /// These processes end with the lab.
    pub(super) fn hold(&mut self, processes: impl Iterator<Item = Child>) {
        self.supervisors.extend(processes);
    }

    /// Whether a switch runs.
    pub(super) fn runs(&self, switch: usize) -> bool {
        let switch = &self.switches[switch];
        switch.process.is_some() || (switch.options.is_empty() && !self.supervisors.is_empty())
    }

    /// A token of a virtual account, for as many switches as there are.
    pub(super) async fn token(&self, virtual_account: &str) -> Result<String> {
        let va = self.api.virtual_account(SMART_ACCOUNT, virtual_account).await?;
        let token = json!({ "description": "lab", "expires_after_days": 30, "uses_max": null });
        let created = self.api.json("POST", &format!("{va}/tokens"), Some(token)).await?;
        Ok(created["value"].as_str().context("no token")?.to_owned())
    }

    /// Ends a switch in an orderly way.
    pub(super) async fn stop_switch(&mut self, switch: usize) -> Result<()> {
        stop(&mut self.switches[switch].process).await
    }

    /// Starts a switch where it was.
    pub(super) async fn start_switch(&mut self, switch: usize) -> Result<()> {
        let switch = &mut self.switches[switch];
        let (process, _) = run_switch(&switch.options, &switch.address.to_string()).await?;
        switch.process = Some(process);
        Ok(())
    }

    /// Ends a switch, and starts it where it was with the clock of the lab.
    pub(super) async fn start_at_lab_time(&mut self, switch: usize) -> Result<()> {
        self.stop_switch(switch).await?;
        tell(&mut self.switches[switch].options, "--lab-clock", &self.clock.to_string());
        self.start_switch(switch).await
    }

    /// Starts a second switch from a copy of a switch's files: same UDI, same key.
    pub(super) async fn clone_switch(&mut self, of: usize, copy: &Path) -> Result<usize> {
        let original = &self.switches[of];
        let mut options = original.options.clone();
        tell(&mut options, "--dir", &copy.display().to_string());
        let (process, address) = run_switch(&options, "127.0.0.1:0").await?;
        let clone = LabSwitch {
            name: format!("{} (clone)", original.name),
            topology: original.topology,
            dir: copy.to_owned(),
            serial: original.serial.clone(),
            pid: original.pid.clone(),
            address,
            password_file: original.password_file.clone(),
            options,
            process: Some(process),
        };
        self.switches.push(clone);
        Ok(self.switches.len() - 1)
    }

    /// Ends CSSM in an orderly way.
    pub(super) async fn stop_cssm(&mut self) -> Result<()> {
        stop(&mut self.cssm).await
    }

    /// Starts CSSM where it was.
    pub(super) async fn start_cssm(&mut self) -> Result<()> {
        let listen = self.url.trim_start_matches("https://");
        let (process, _) = start_cssm(&self.dir, self.clock, listen).await?;
        self.cssm = Some(process);
        Ok(())
    }

    /// A place among the lab's files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where CSSM's files lie.
    pub(super) fn cssm_dir(&self) -> PathBuf {
        self.dir.join("cssm")
    }

    /// Starts a collector; returns its place in the list.
    pub(super) async fn add_collector(&mut self, flavour: Flavour, cssm: &str) -> Result<usize> {
        self.doing(&format!("starting {} of topology {}", flavour.title(), flavour.topology));
        let collector = LabCollector::start(&self.dir, self.clock, flavour, cssm).await?;
        self.collectors.push(collector);
        self.describe()?;
        Ok(self.collectors.len() - 1)
    }

    /// The password of CSSM's administrator.
    pub(super) fn cssm_password(&self) -> Result<String> {
        read_line(&self.dir.join("cssm-admin.password"))
    }

    /// Runs lines on a switch.
    pub(super) async fn run(&self, switch: usize, lines: &str) -> Result<String> {
        reach::run(&self.described(&self.switches[switch]).ssh, lines).await
    }

    /// Repeats a command until its output holds `wanted`; returns the last output.
    pub(super) async fn wait_for(
        &self,
        switch: usize,
        command: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        reach::wait_for(&self.described(&self.switches[switch]).ssh, command, wanted).await
    }

    fn described(&self, switch: &LabSwitch) -> description::Switch {
        let udi = (switch.pid.as_str(), switch.serial.as_str());
        let LabSwitch { name, topology, address, password_file, .. } = switch;
        let its = self.collectors.iter().find(|one| one.flavour.topology == *topology);
        description::Switch {
            collector: its.map(|collector| collector.name.clone()),
            ..description::Switch::new(name, *topology, udi, *address, password_file)
        }
    }

    /// How CSSM sees a switch.
    pub(super) async fn instance(&self, serial: &str) -> Result<Value> {
        let path = self.api.smart_account(SMART_ACCOUNT).await?;
        let all = self.api.json("GET", &format!("{path}/product-instances"), None).await?;
        let found = all.as_array().into_iter().flatten().find(|row| row["serial"] == serial);
        Ok(found.cloned().unwrap_or(Value::Null))
    }

    /// Every second of use CSSM counts for a switch.
    pub(super) async fn count_seconds(&self, instance: &Value) -> Result<i64> {
        let path = self.api.smart_account(SMART_ACCOUNT).await?;
        let path = format!("{path}/product-instances/{}/reports?limit=10000", instance["id"]);
        let reports = self.api.json("GET", &path, None).await?;
        let rows = reports.as_array().into_iter().flatten();
        Ok(rows.filter_map(|row| row["count_seconds"].as_i64()).sum())
    }

    /// Licences purchased against in use, as a table.
    pub(super) async fn show_cssm(&self) -> Result<()> {
        let path = self.api.smart_account(SMART_ACCOUNT).await?;
        let licenses = self.api.json("GET", &format!("{path}/licenses"), None).await?;
        let instances = self.api.json("GET", &format!("{path}/product-instances"), None).await?;
        self.progress.finish_and_clear();
        say!("\nCSSM, smart account {SMART_ACCOUNT}");
        say!("{:<32}{:>10}{:>8}{:>9}", "License", "Purchased", "In Use", "Balance");
        // Of all virtual accounts together.
        let mut all: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
        for row in licenses.as_array().into_iter().flatten() {
            let of = all.entry(row["license"].as_str().unwrap_or_default()).or_default();
            for (sum, name) in of.iter_mut().zip(["purchased", "in_use", "balance"]) {
                *sum += row[name].as_i64().unwrap_or(0);
            }
        }
        for (license, [purchased, in_use, balance]) in all {
            say!("{license:<32}{purchased:>10}{in_use:>8}{balance:>9}");
        }
        say!("\n{:<32}{:<14}{:>8}  Licenses", "Product Instance", "Product Type", "Reports");
        for row in instances.as_array().into_iter().flatten() {
            let licenses: Vec<&str> = row["licenses"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|license| license["license"].as_str())
                .collect();
            say!(
                "{:<32}{:<14}{:>8}  {}",
                row["name"].as_str().unwrap_or_default(),
                row["product_type"].as_str().unwrap_or_default(),
                row["reports"].to_string(),
                licenses.join(", ")
            );
        }
        Ok(())
    }

    /// Writes down how to reach everything.
    pub(super) fn describe(&self) -> Result<()> {
        let clock = self.clock.to_string();
        let mut described = Description::new(&self.dir, SMART_ACCOUNT, clock, &self.url);
        let collectors = self.collectors.iter().map(|one| one.description(&self.dir));
        described.collectors = collectors.collect();
        described.switches = self.switches.iter().map(|switch| self.described(switch)).collect();
        described.write(&self.dir)
    }

    /// Leaves the lab up until interrupted.
    pub(super) async fn keep(&self) -> Result<()> {
        say!(
            "\nThe lab is up; end it with Ctrl-C. Its description: {}",
            self.dir.join("lab.json").display()
        );
        for switch in &self.switches {
            say!(
                "  ssh admin@{} -p {}   # {}, topology {}; password in {}",
                switch.address.ip(),
                switch.address.port(),
                switch.name,
                switch.topology,
                switch.password_file.display()
            );
        }
        let password_file = servers::cssm_password_file(&self.dir);
        say!("  {}   # CSSM; password of admin in {}", self.url, password_file.display());
        for collector in &self.collectors {
            say!(
                "  {}   # {}, topology {}",
                collector.url,
                collector.flavour.title(),
                collector.flavour.topology
            );
        }
        say!(
            "  rumline cssm --server {} --ca-file {} --api-token-file {} licenses {SMART_ACCOUNT:?}",
            self.url,
            self.dir.join("cssm/root.pem").display(),
            self.dir.join("cssm-api.token").display()
        );
        say!("  {}   # the lab as a picture", crate::lab::page::beside(&self.dir).await?);
        Ok(())
    }

    /// Ends all processes in an orderly way.
    pub(super) async fn end(mut self) {
        self.progress.finish_and_clear();
        let mut processes: Vec<Child> =
            self.switches.drain(..).filter_map(|switch| switch.process).collect();
        for collector in &mut self.collectors {
            if let Err(error) = collector.stop().await {
                tracing::warn!(%error, "a collector of the lab did not end by itself");
            }
        }
        processes.append(&mut self.supervisors);
        processes.extend(self.cssm.take());
        for mut process in processes {
            if let Err(error) = terminate(&mut process).await {
                tracing::warn!(%error, "a process of the lab did not end by itself");
            }
        }
        if self.temporary {
            let _best_effort = std::fs::remove_dir_all(&self.dir);
        } else {
            say!("\nThe lab's files: {}", self.dir.display());
        }
    }
}

/// The file with the number of the process whose lab a folder is.
const OWNER: &str = "demo.pid";

/// Removes the folders of labs whose process is gone: nobody could tell it to end.
fn remove_abandoned() {
    let folders = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for folder in folders.filter(|f| f.file_name().to_string_lossy().starts_with("rumline-demo-")) {
        let Ok(owner) = std::fs::read_to_string(folder.path().join(OWNER)) else { continue };
        if !Path::new("/proc").join(owner.trim()).exists() {
            let _best_effort = std::fs::remove_dir_all(folder.path());
        }
    }
}
