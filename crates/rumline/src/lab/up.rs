//! `rumline lab up`: starts what is down, makes what is missing.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rumline_host::command::RELEASE;
use rumline_host::{Order, Tables};
use rumline_net::{Clock, LabClock, pem_to_der};

use super::background::Processes;
use super::books::Books;
use super::description::{Collector, Description, Switch};
use super::fault::CollectorFault;
use super::fleet;
use super::folder;
use super::plan::{Plan, PlannedSwitch, Startup};
use super::servers::{self, COLLECTOR_UP, CSSM_UP, SWITCH_UP};
use crate::cssm_admin::factory::deliver;

/// A lab that comes up.
pub(super) struct Up<'a> {
    pub plan: &'a Plan,
    pub processes: Processes,
    pub clock: LabClock,
    /// What this command started.
    pub started: Vec<String>,
}

/// Brings a lab up; what this began and could not finish is ended again.
pub(super) async fn up(plan: &Plan, file: &Path) -> Result<()> {
    folder::take(&plan.dir, file)?;
    let _lock = rumline_net::lock_directory(&plan.dir)?;
    let mut up =
        Up { plan, processes: Processes::of(&plan.dir), clock: clock(plan)?, started: Vec::new() };
    let outcome = tokio::select! {
        outcome = up.all(file) => outcome,
        signal = super::told_to_end() => signal.and_then(|signal| anyhow::bail!("ended by {signal}")),
    };
    if outcome.is_err() {
        up.processes.stop(&up.started).await;
    }
    outcome.with_context(|| {
        format!(
            "the lab did not come up; what was started is stopped again. Its logs are in {}; \
             `rumline lab down {} --remove` removes its files",
            plan.dir.join("log").display(),
            file.display()
        )
    })
}

/// The clock that the lab has, or that of a new one.
fn clock(plan: &Plan) -> Result<LabClock> {
    if !Description::exists(&plan.dir) {
        return Ok(LabClock { base_millis: Clock::world_millis(), rate: plan.rate });
    }
    let clock: LabClock =
        Description::read(&plan.dir)?.clock.parse().map_err(anyhow::Error::msg)?;
    ensure!(
        clock.rate == plan.rate,
        "the lab was made with rate {} and the file says {}: a clock cannot change its rate; take the old one, or \
         `rumline lab down --remove` first",
        clock.rate,
        plan.rate
    );
    Ok(clock)
}

impl Up<'_> {
    async fn all(&mut self, file: &Path) -> Result<()> {
        Tables::of(self.plan.catalogue.clone()).load_for_server()?;
        self.stop_others().await;
        let url = self.cssm().await?;
        let (dir, account) = (&self.plan.dir, &self.plan.account);
        let mut described = Description::new(dir, account, self.clock.to_string(), &url);
        described.page = Some(format!("http://{}/", self.plan.page));
        let books = Books::open(&described, self.plan).await?;
        self.collectors(&mut described).await?;
        described.write(dir)?;
        books.set_up_collectors(&mut described, self.plan).await?;
        self.deliver(&books).await?;
        self.switches(&mut described).await?;
        described.write(dir)?;
        // One may look while the switches are told what to do.
        let page = ["lab", "page"].map(str::to_owned).into_iter();
        let page: Vec<String> = page.chain([file.display().to_string()]).collect();
        self.start("page", &page).await?;
        self.processes.wait("page", &["The picture is at "]).await?;
        fleet::configure(self, &described, &books).await
    }

    /// Starts a process, unless it runs as it is to. True if it was started.
    pub(super) async fn start(&mut self, name: &str, words: &[String]) -> Result<bool> {
        if self.processes.runs_as(name, words) {
            return Ok(false);
        }
        self.processes.stop(&[name.to_owned()]).await;
        self.processes.start(name, words)?;
        self.started.push(name.to_owned());
        Ok(true)
    }

    /// What runs and is in the file no more.
    async fn stop_others(&self) {
        let plan = self.plan;
        let is_planned = |name: &String| {
            ["cssm", "page"].contains(&name.as_str())
                || plan.collectors.iter().any(|one| one.name == *name)
                || plan.switches.iter().any(|one| one.name == *name)
        };
        let mut others = self.processes.names();
        others.retain(|name| !is_planned(name));
        self.processes.stop(&others).await;
    }

    async fn cssm(&mut self) -> Result<String> {
        let listen = self.plan.cssm.to_string();
        let mut words = servers::cssm(&self.plan.dir, self.clock, &listen);
        words.extend(self.tables());
        let is_new = self.start("cssm", &words).await?;
        self.processes.wait("cssm", CSSM_UP).await?;
        say!("  CSSM {} at https://{listen}", came_up(is_new));
        Ok(format!("https://{listen}"))
    }

    async fn collectors(&mut self, described: &mut Description) -> Result<()> {
        let plan = self.plan;
        let nothing = format!("https://{}", plan.nothing);
        let mut new = Vec::new();
        for one in &plan.collectors {
            let is_cut_off = one.fault == Some(CollectorFault::UnreachableCssm);
            let cssm = if is_cut_off { &nothing } else { &described.cssm.url };
            let mut words = servers::collector(&plan.dir, self.clock, one.flavour, &one.name, cssm);
            words.extend(["--listen".to_owned(), one.listen.to_string()]);
            words.extend(self.tables());
            if !one.flavour.on_prem {
                words.extend(["--device-listen".to_owned(), one.device_listen.to_string()]);
            }
            new.push(self.start(&one.name, &words).await?);
        }
        for (one, is_new) in plan.collectors.iter().zip(new) {
            let lines = self.processes.wait(&one.name, COLLECTOR_UP).await?;
            let device = lines.get(1).and_then(|line| line.rsplit(' ').next());
            let url = format!("https://{}", one.listen);
            let mut entry = Collector::new(
                &plan.dir,
                &one.name,
                one.flavour,
                &url,
                device.context("a collector said nothing of where it listens")?,
            );
            entry.fault = one.fault.map(|fault| fault.word().to_owned());
            described.collectors.push(entry);
            say!("  {} ({}) {} at {url}", one.name, one.flavour.title(), came_up(is_new));
        }
        Ok(())
    }

    /// What a switch is told; its configuration is written where it looks for it.
    pub(super) fn switch_words(
        &self,
        one: &PlannedSwitch,
        described: &Description,
    ) -> Result<Vec<String>> {
        let dir = &self.plan.dir;
        std::fs::write(dir.join(format!("{}.cfg", one.name)), self.configuration(one)?)?;
        let on_prem = described.collectors.iter().filter(|one| one.kind == "SSM On-Prem");
        let roots = on_prem.map(|one| one.ca_file.clone());
        let udi = (one.pid.as_str(), one.serial.as_str());
        let mut words = servers::switch(dir, self.clock, &one.name, udi, roots);
        for (option, address) in [
            ("--ssh", one.ssh),
            ("--nxapi-http", one.nxapi_http),
            ("--nxapi-https", one.nxapi_https),
        ] {
            words.extend([option.to_owned(), address.to_string()]);
        }
        let release = one.release.as_ref().map(|release| ("--release", release.clone()));
        let maker = &self.plan.maker;
        let maker = maker.as_ref().map(|maker| ("--maker", maker.display().to_string()));
        for (option, value) in release.into_iter().chain(maker) {
            words.extend([option.to_owned(), value]);
        }
        words.extend(self.tables());
        Ok(words)
    }

    /// What a switch starts with, under its name.
    fn configuration(&self, one: &PlannedSwitch) -> Result<String> {
        let config = match &one.startup {
            Startup::Lines(lines) => lines.clone(),
            Startup::File(file) => std::fs::read_to_string(file)
                .with_context(|| format!("the configuration {}", file.display()))?,
        };
        Ok(servers::renamed(&config, &one.name))
    }

    /// The folders of tables, as all are told of them.
    fn tables(&self) -> impl Iterator<Item = String> {
        let folders = self.plan.catalogue.iter();
        folders.flat_map(|folder| ["--catalogue".to_owned(), folder.display().to_string()])
    }

    /// Makes what comes from the factory and is not there yet.
    async fn deliver(&self, books: &Books) -> Result<()> {
        let dir = &self.plan.dir;
        for one in self.plan.switches.iter().filter(|one| one.factory) {
            let folder = dir.join(&one.name);
            if folder.exists() {
                continue;
            }
            let root = std::fs::read(servers::cssm_root(dir)).context("the root of CSSM")?;
            let order = Order {
                dir: folder.clone(),
                pid: one.pid.clone(),
                serial: Some(one.serial.clone()),
                release: one.release.clone().unwrap_or_else(|| RELEASE.to_owned()),
                config: self.configuration(one)?,
                root_certificate: pem_to_der(&root)?.remove(0),
            };
            let account = &books.account;
            let virtual_account = books.virtual_account().await?;
            let clock = LabClock::clock(Some(self.clock));
            let made = deliver(&books.cssm, (account, &virtual_account), order, clock).await;
            if made.is_err() {
                // What is half made would be taken for a switch.
                let _best_effort = std::fs::remove_dir_all(&folder);
            }
            let (_, installed) = made.with_context(|| format!("{} at the factory", one.name))?;
            say!("  {}: made at the factory, with {}", one.name, installed.join(", "));
        }
        Ok(())
    }

    async fn switches(&mut self, described: &mut Description) -> Result<()> {
        let plan = self.plan;
        let mut new = Vec::new();
        for one in &plan.switches {
            // There is nothing yet that a clone could be a copy of.
            let is_to_come = one.clone_of.is_some() && !plan.dir.join(&one.name).exists();
            if !is_to_come {
                let words = self.switch_words(one, described)?;
                let is_new = self.start(&one.name, &words).await?;
                new.push((&one.name, is_new));
            }
            let udi = (one.pid.as_str(), one.serial.as_str());
            let password = match one.clone_of.and_then(|of| plan.switches.get(of)) {
                Some(original) => servers::switch_password_file(&plan.dir, &original.name),
                None => servers::switch_password_file(&plan.dir, &one.name),
            };
            let mut entry = Switch::new(&one.name, one.topology, udi, one.ssh, &password);
            let collector = one.collector.and_then(|place| plan.collectors.get(place));
            entry.collector = collector.map(|collector| collector.name.clone());
            entry.fault = one.fault.map(|fault| fault.word().to_owned());
            described.switches.push(entry);
        }
        for (name, is_new) in new {
            self.processes.wait(name, SWITCH_UP).await?;
            say!("  {name} {}", came_up(is_new));
        }
        Ok(())
    }
}

fn came_up(is_new: bool) -> &'static str {
    if is_new { "started" } else { "runs already" }
}
