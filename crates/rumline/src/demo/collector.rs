//! A collector of the lab: a CSLU or an SSM On-Prem as a process of its own.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::lab::{read_line, start, stop};
use crate::admin::Api;
use rumline_net::LabClock;

/// Which collector, and whether it may reach CSSM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flavour {
    pub topology: u32,
    pub on_prem: bool,
    pub connected: bool,
}

impl Flavour {
    /// The subcommand that is this server, and the key of the lab's description.
    pub(super) fn command(self) -> &'static str {
        if self.on_prem { "onprem" } else { "cslu" }
    }

    pub(super) fn title(self) -> &'static str {
        if self.on_prem { "SSM On-Prem" } else { "CSLU" }
    }
}

pub(super) struct LabCollector {
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
        let path = |path: PathBuf| path.display().to_string();
        let mut options = vec![
            flavour.command().to_owned(),
            "--dir".to_owned(),
            path(dir.clone()),
            "--cssm".to_owned(),
            cssm.to_owned(),
            "--root".to_owned(),
            path(lab_dir.join("cssm/root.pem")),
            "--label".to_owned(),
            name.clone(),
            "--admin-password-file".to_owned(),
            path(lab_dir.join(format!("{name}-admin.password"))),
            "--lab-clock".to_owned(),
            clock.to_string(),
        ];
        if flavour.on_prem {
            options.extend(["--host", "localhost"].map(str::to_owned));
        }
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
        let password = read_line(&lab_dir.join(format!("{name}-admin.password")))?;
        api.log_in("admin", &password).await?;
        let process = Some(process);
        Ok(Self { flavour, dir, url, device_url, api, options, process })
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
    pub(super) fn description(&self, lab_dir: &Path) -> Value {
        let name = format!("{}-{}", self.flavour.command(), self.flavour.topology);
        json!({
            "topology": self.flavour.topology,
            "kind": self.flavour.title(),
            "url": self.url,
            "device_url": self.device_url,
            "api_url": format!("{}/api/v1", self.url),
            "ca_file": self.dir.join("root.pem").display().to_string(),
            "admin": {
                "user": "admin",
                "password_file":
                    lab_dir.join(format!("{name}-admin.password")).display().to_string(),
            },
        })
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
    let (process, lines) = start(command, &[" listens on https", "product instances "]).await?;
    let last_word = |line: &String| line.rsplit(' ').next().unwrap_or_default().to_owned();
    let [url, device_url] = lines.as_slice() else {
        anyhow::bail!("{} said nothing of where it listens", flavour.title());
    };
    Ok((process, last_word(url), last_word(device_url)))
}
