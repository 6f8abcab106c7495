//! A collector of the lab: a CSLU or an SSM On-Prem as a process of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::process::{Child, Command};

use super::processes::{start, stop};
use crate::admin::Api;
use crate::lab::description::Collector;
use crate::lab::reach::read_line;
use crate::lab::servers::{self, COLLECTOR_UP, Flavour};
use rumline_net::LabClock;

pub(super) struct LabCollector {
    pub name: String,
    pub flavour: Flavour,
    pub dir: PathBuf,
    pub url: String,
    /// Where product instances push to, its tenant included.
    pub device_url: String,
    pub api: Api,
    options: Vec<String>,
    process: Option<Child>,
}

impl LabCollector {
    /// Starts a collector; `cssm` is where it may find CSSM.
    pub(super) async fn start(
        lab_dir: &Path,
        clock: LabClock,
        flavour: Flavour,
        cssm: &str,
    ) -> Result<Self> {
        let name = format!("{}-{}", flavour.command(), flavour.topology);
        let dir = lab_dir.join(&name);
        let mut options = servers::collector(lab_dir, clock, flavour, &name, cssm);
        let mut listen = options.clone();
        listen.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
        if !flavour.on_prem {
            listen.extend(["--device-listen", "127.0.0.1:0"].map(str::to_owned));
        }
        let (process, url, device_url) = run(&listen, flavour).await?;
        // It comes up again where it was.
        options.extend(["--listen".to_owned(), address_of(&url)]);
        if !flavour.on_prem {
            options.extend(["--device-listen".to_owned(), address_of(&device_url)]);
        }
        let mut api = Api::new(&url, &dir.join("root.pem"), None)?;
        let password = read_line(&servers::collector_password_file(lab_dir, &name))?;
        api.log_in("admin", &password).await?;
        let process = Some(process);
        Ok(Self { name, flavour, dir, url, device_url, api, options, process })
    }

    pub(super) async fn stop(&mut self) -> Result<()> {
        stop(&mut self.process).await
    }

    pub(super) async fn start_again(&mut self) -> Result<()> {
        let (process, _, _) = run(&self.options, self.flavour).await?;
        self.process = Some(process);
        Ok(())
    }

    /// What an engineer needs to work with it.
    pub(super) fn description(&self, lab_dir: &Path) -> Collector {
        Collector::new(lab_dir, &self.name, self.flavour, &self.url, &self.device_url)
    }
}

/// `HOST:PORT` of a URL.
fn address_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

async fn run(options: &[String], flavour: Flavour) -> Result<(Child, String, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(options);
    let (process, lines) = start(command, COLLECTOR_UP).await?;
    let last_word = |line: &String| line.rsplit(' ').next().unwrap_or_default().to_owned();
    let [url, device_url] = lines.as_slice() else {
        anyhow::bail!("{} said nothing of where it listens", flavour.title());
    };
    Ok((process, last_word(url), last_word(device_url)))
}
