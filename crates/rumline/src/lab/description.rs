//! A lab's own description, lab.json: how to reach everything. People and tests read it, and the picture is made from it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rumline_net::write_private;
use serde::{Deserialize, Serialize};

use super::servers::Flavour;

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Description {
    pub account: String,
    /// As `--lab-clock` takes it.
    pub clock: String,
    pub cssm: Cssm,
    /// The first CSLU and the first SSM On-Prem of those below.
    pub cslu: Option<Collector>,
    pub onprem: Option<Collector>,
    pub collectors: Vec<Collector>,
    pub switches: Vec<Switch>,
    /// Where the picture is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Login {
    pub user: String,
    pub password_file: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Cssm {
    pub url: String,
    pub receiver_url: String,
    pub ca_file: PathBuf,
    pub admin: Login,
    pub api_token_file: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Collector {
    pub name: String,
    pub topology: u32,
    pub kind: String,
    pub url: String,
    pub device_url: String,
    pub api_url: String,
    pub ca_file: PathBuf,
    pub admin: Login,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Switch {
    pub name: String,
    pub topology: u32,
    pub udi: Udi,
    pub ssh: Ssh,
    /// The collector it reports to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub collector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Udi {
    pub pid: String,
    pub serial: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Ssh {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password_file: PathBuf,
}

/// The file's name.
const NAME: &str = "lab.json";

impl Description {
    /// That of a lab with a CSSM and nothing else yet.
    pub(crate) fn new(lab: &Path, account: &str, clock: String, cssm_url: &str) -> Self {
        let cssm = Cssm {
            url: cssm_url.to_owned(),
            receiver_url: format!("{cssm_url}/licservice/license"),
            ca_file: super::servers::cssm_root(lab),
            admin: Login::admin(super::servers::cssm_password_file(lab)),
            api_token_file: lab.join("cssm-api.token"),
        };
        let (collectors, switches) = (Vec::new(), Vec::new());
        let account = account.to_owned();
        Self { account, clock, cssm, cslu: None, onprem: None, collectors, switches, page: None }
    }

    pub(crate) fn exists(lab: &Path) -> bool {
        lab.join(NAME).exists()
    }

    pub(crate) fn read(lab: &Path) -> Result<Self> {
        let path = lab.join(NAME);
        let text = std::fs::read(&path).with_context(|| {
            format!("{} cannot be read: start the lab with `rumline lab up`", path.display())
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    pub(crate) fn write(&mut self, lab: &Path) -> Result<()> {
        let first = |kind: &str| self.collectors.iter().find(|one| one.kind == kind).cloned();
        (self.cslu, self.onprem) = (first("CSLU"), first("SSM On-Prem"));
        write_private(&lab.join(NAME), &serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("{NAME} cannot be written in {}", lab.display()))
    }
}

impl Login {
    fn admin(password_file: PathBuf) -> Self {
        Self { user: "admin".to_owned(), password_file }
    }
}

impl Collector {
    pub(crate) fn new(lab: &Path, name: &str, flavour: Flavour, url: &str, device: &str) -> Self {
        Self {
            name: name.to_owned(),
            topology: flavour.topology,
            kind: flavour.title().to_owned(),
            url: url.to_owned(),
            device_url: device.to_owned(),
            api_url: format!("{url}/api/v1"),
            ca_file: lab.join(name).join("root.pem"),
            admin: Login::admin(super::servers::collector_password_file(lab, name)),
            fault: None,
        }
    }
}

impl Switch {
    pub(crate) fn new(
        name: &str,
        topology: u32,
        (pid, serial): (&str, &str),
        address: SocketAddr,
        password_file: &Path,
    ) -> Self {
        Self {
            name: name.to_owned(),
            topology,
            udi: Udi { pid: pid.to_owned(), serial: serial.to_owned() },
            ssh: Ssh {
                host: address.ip().to_string(),
                port: address.port(),
                user: "admin".to_owned(),
                password_file: password_file.to_owned(),
            },
            collector: None,
            fault: None,
        }
    }
}

impl Ssh {
    /// What a person types.
    pub(crate) fn command(&self) -> String {
        format!("ssh {}@{} -p {}", self.user, self.host, self.port)
    }
}
