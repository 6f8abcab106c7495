//! Looks how a lab is: at the servers by their REST APIs, at the switches over SSH. Connections are kept between looks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rumline_net::{LabClock, SshClient};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::description::{self, Description};
use super::reach;
use super::state::{Health, QUESTIONS, Server, State, Switch, counted};
use crate::admin::Api;

/// Whoever says nothing for so long does not run.
const PATIENCE: Duration = Duration::from_secs(4);

pub(crate) struct Watcher {
    dir: PathBuf,
    cssm: Option<Api>,
    collectors: BTreeMap<String, Api>,
    switches: BTreeMap<String, Arc<SshClient>>,
}

/// What the servers say of switches, by their serial numbers.
type Contacts = BTreeMap<String, i64>;

impl Watcher {
    /// One that looks at the lab that is described in a folder.
    pub(crate) fn of(dir: &Path) -> Self {
        let (collectors, switches) = (BTreeMap::new(), BTreeMap::new());
        Self { dir: dir.to_owned(), cssm: None, collectors, switches }
    }

    pub(super) async fn look(&mut self) -> Result<State> {
        let described = Description::read(&self.dir)?;
        let clock: LabClock = described.clock.parse().map_err(anyhow::Error::msg)?;
        let switches = self.switches(&described).await;
        let mut contacts = Contacts::new();
        let mut collectors = Vec::new();
        for one in &described.collectors {
            collectors.push(self.collector(one, &mut contacts).await);
        }
        // What CSSM knows goes before what they know.
        let cssm = self.cssm(&described, &mut contacts).await;
        let with_contact = |switch: Switch| {
            let last_contact_at = contacts.get(&switch.serial).copied();
            Switch { last_contact_at, ..switch }
        };
        Ok(State {
            account: described.account,
            at: LabClock::clock(Some(clock)).now().0,
            cssm,
            collectors,
            switches: switches.into_iter().map(with_contact).collect(),
        })
    }

    async fn cssm(&mut self, described: &Description, contacts: &mut Contacts) -> Server {
        let mut server = Server {
            name: "CSSM".to_owned(),
            title: "CSSM".to_owned(),
            topology: None,
            url: described.cssm.url.clone(),
            runs: false,
            connected: None,
            waiting: 0,
            notes: Vec::new(),
            fault: None,
            health: Health::Down,
            says: "does not run".to_owned(),
        };
        let asked = timeout(PATIENCE, self.ask_cssm(described, contacts, &mut server)).await;
        if !matches!(asked, Ok(Ok(()))) {
            self.cssm = None;
        }
        server
    }

    async fn ask_cssm(
        &mut self,
        described: &Description,
        contacts: &mut Contacts,
        server: &mut Server,
    ) -> Result<()> {
        if self.cssm.is_none() {
            self.cssm = Some(reach::cssm(&described.cssm).await?);
        }
        let api = self.cssm.as_ref().context("no way to CSSM")?;
        let account = api.smart_account(&described.account).await?;
        let rows = api.json("GET", &format!("{account}/product-instances"), None).await?;
        remember(contacts, &rows);
        let alerts = api.json("GET", &format!("{account}/alerts"), None).await?;
        let open =
            alerts.as_array().into_iter().flatten().filter(|row| row["cleared_at"].is_null());
        server.notes = open.filter_map(|row| row["text"].as_str()).map(str::to_owned).collect();
        server.runs = true;
        let known = rows.as_array().map_or(0, Vec::len);
        let known = counted(known, "product instance", "product instances");
        (server.health, server.says) = match server.notes.len() {
            0 => (Health::Good, known),
            alerts => (Health::Bad, format!("{known}, {}", counted(alerts, "alert", "alerts"))),
        };
        Ok(())
    }

    async fn collector(&mut self, one: &description::Collector, contacts: &mut Contacts) -> Server {
        let mut server = Server {
            name: one.name.clone(),
            title: one.kind.clone(),
            topology: Some(one.topology),
            url: one.url.clone(),
            runs: false,
            connected: Some(matches!(one.topology, 1 | 4)),
            waiting: 0,
            notes: Vec::new(),
            fault: one.fault.clone(),
            health: Health::Down,
            says: "does not run".to_owned(),
        };
        let asked = timeout(PATIENCE, self.ask_collector(one, contacts, &mut server)).await;
        if !matches!(asked, Ok(Ok(()))) {
            self.collectors.remove(&one.name);
        }
        server
    }

    async fn ask_collector(
        &mut self,
        one: &description::Collector,
        contacts: &mut Contacts,
        server: &mut Server,
    ) -> Result<()> {
        if !self.collectors.contains_key(&one.name) {
            self.collectors.insert(one.name.clone(), reach::collector(one).await?);
        }
        let api = self.collectors.get(&one.name).context("no way to it")?;
        let tenants = api.json("GET", "/tenants", None).await?;
        let mut connectivity = "no tenant yet";
        let mut is_registered = true;
        for tenant in tenants.as_array().into_iter().flatten() {
            let connected = tenant["connected"] == true;
            server.connected = Some(connected);
            is_registered &= !connected || tenant["registered"] == true;
            connectivity = tenant["connectivity"].as_str().unwrap_or_default();
            server.notes.extend(tenant["sync_error"].as_str().map(str::to_owned));
            let path = format!("/tenants/{}/product-instances", tenant["id"]);
            let rows = api.json("GET", &path, None).await?;
            remember(contacts, &rows);
            for row in rows.as_array().into_iter().flatten() {
                server.waiting += row["waiting"].as_i64().unwrap_or(0);
                server.notes.extend(row["alert"].as_str().map(str::to_owned));
            }
        }
        if !is_registered {
            server.notes.push("It is not registered at CSSM.".to_owned());
        }
        server.runs = true;
        server.health = match (server.notes.is_empty(), server.waiting) {
            (false, _) => Health::Bad,
            (true, 0) => Health::Good,
            (true, _) => Health::Waits,
        };
        server.says = match server.notes.len() {
            0 => connectivity.to_owned(),
            many => format!("{connectivity}, {}", counted(many, "alert", "alerts")),
        };
        Ok(())
    }

    /// All at once: one that hangs holds up no other.
    async fn switches(&mut self, described: &Description) -> Vec<Switch> {
        let mut work = JoinSet::new();
        for (place, one) in described.switches.iter().cloned().enumerate() {
            let kept = self.switches.remove(&one.name);
            work.spawn(async move {
                let heard = timeout(PATIENCE, ask_switch(&one, kept)).await;
                match heard {
                    Ok(Ok((client, text))) => (place, Switch::heard(&one, &text), Some(client)),
                    _ => (place, Switch::silent(&one), None),
                }
            });
        }
        let mut found = BTreeMap::new();
        while let Some(Ok((place, switch, client))) = work.join_next().await {
            if let Some(client) = client {
                self.switches.insert(switch.name.clone(), client);
            }
            found.insert(place, switch);
        }
        found.into_values().collect()
    }
}

async fn ask_switch(
    one: &description::Switch,
    kept: Option<Arc<SshClient>>,
) -> Result<(Arc<SshClient>, String)> {
    if let Some(client) = kept
        && let Ok(text) = client.run(QUESTIONS).await
        && !text.is_empty()
    {
        return Ok((client, text));
    }
    // It was started anew, or ended a session that was idle.
    let client = Arc::new(reach::switch(&one.ssh).await?);
    let text = client.run(QUESTIONS).await?;
    Ok((client, text))
}

fn remember(contacts: &mut Contacts, rows: &Value) {
    for row in rows.as_array().into_iter().flatten() {
        if let (Some(serial), Some(at)) = (row["serial"].as_str(), row["last_contact_at"].as_i64())
        {
            contacts.insert(serial.to_owned(), at);
        }
    }
}
