//! Topologies 1, 3, 4 and 5: through a CSLU or an SSM On-Prem, which is connected to CSSM or not (guide p. 18-31).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::checks::Checks;
use super::discovery;
use super::lab::{Lab, SMART_ACCOUNT};
use super::older;
use super::restored;
use super::topology2::compare_with_cssm;
use crate::lab::servers::{Flavour, renamed};

const TENANT: &str = "XYZ-ON-PREM-1";
const VIRTUAL_ACCOUNT: &str = "Default";

/// The switch of each topology: its model, serial number and configuration.
fn switch_of(topology: u32) -> (&'static str, &'static str, String) {
    let leaf = include_str!("../../configs/leaf.cfg");
    let core = include_str!("../../configs/core.cfg");
    match topology {
        1 => ("N9K-C93180YC-FX3", "RMLDEMOCSL1", renamed(leaf, "leaf-cslu")),
        3 => ("N9K-C9336C-FX2", "RMLDEMOCSL3", renamed(core, "core-cslu")),
        4 => ("N9K-C93180YC-FX3", "RMLDEMOONP4", renamed(leaf, "leaf-onprem")),
        _ => ("N9K-C9336C-FX2", "RMLDEMOONP5", renamed(core, "core-onprem")),
    }
}

/// Where CSSM would be if the collector looked: counts whoever comes.
struct Tripwire {
    url: String,
    calls: Arc<AtomicUsize>,
}

impl Tripwire {
    async fn set() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}", listener.local_addr()?);
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { url, calls })
    }
}

pub(super) async fn run(lab: &mut Lab, flavour: Flavour, checks: &mut Checks) -> Result<()> {
    let t = flavour.topology;
    let tripwire = Tripwire::set().await?;
    let cssm = if flavour.connected { lab.url.clone() } else { tripwire.url.clone() };
    let server = lab.add_collector(flavour, &cssm).await?;
    set_up(lab, server, flavour, checks).await?;
    let (pid, serial, config) = switch_of(t);
    let switch = lab.add_switch(t, pid, serial, &config).await?;
    let name = lab.switches[switch].name.clone();
    configure(lab, server, switch, checks).await?;
    if !flavour.connected {
        carry(lab, server, switch, checks).await?;
    }
    let acknowledged = |text: &str| !text.contains("Last ACK received: <none>");
    let status = lab.wait_for(switch, "show license status", acknowledged).await?;
    checks.add(t, &format!("{name}: ACK received"), acknowledged(&status), &status);
    let title = flavour.title();
    lab.say(&if flavour.connected {
        format!("{name}: reported through {title}, acknowledged, trusted without a token")
    } else {
        format!("{name}: usage file of {title} carried to CSSM, ACK carried back, acknowledged")
    });
    let trusted = !status.contains("Trust Code installed: <none>");
    checks.add(t, &format!("{name}: a trust code came without idtoken"), trusted, &status);
    let log = lab.run(switch, "show logging").await?;
    for wanted in ["TRUST_CODE_INSTALL_SUCCESS", "POLICY_INSTALL_SUCCESS"] {
        checks.contains(t, &format!("{name}: {wanted}"), &log, wanted);
    }
    compare_with_cssm(lab, t, switch, checks).await?;
    compare_with_collector(lab, server, switch, checks).await?;
    if flavour.connected {
        lose_and_find(lab, server, switch, checks).await?;
        discovery::run(lab, server, switch, checks).await?;
        if flavour.on_prem {
            older::on_prem(lab, server, checks).await?;
        }
    } else {
        let calls = tripwire.calls.load(Ordering::SeqCst);
        let what = format!("{title} opened no connection to CSSM");
        checks.add(t, &what, calls == 0, &format!("{calls} connections"));
        restored::collector(lab, server, switch, checks).await?;
    }
    lab.print(&name, &status);
    Ok(())
}

/// Account, connectivity and, where it is connected, the login to Cisco.
async fn set_up(lab: &mut Lab, server: usize, flavour: Flavour, checks: &mut Checks) -> Result<()> {
    let settings = json!({
        "smart_account": SMART_ACCOUNT, "virtual_account": VIRTUAL_ACCOUNT,
        "connected": flavour.connected, "sync_minutes": 0,
    });
    let collector = &lab.collectors[server];
    let tenant = if flavour.on_prem {
        let mut new = settings;
        new["name"] = json!(TENANT);
        collector.api.json("POST", "/tenants", Some(new)).await?
    } else {
        collector.api.json("PUT", "/tenants/1/settings", Some(settings)).await?
    };
    let device_url = tenant["device_url"].as_str().context("no device URL")?.to_owned();
    let shown = if flavour.connected { "Cisco Is Available" } else { "Cisco Is Not Available" };
    let what = format!("{} shows \"{shown}\"", flavour.title());
    checks.add(flavour.topology, &what, tenant["connectivity"] == shown, &tenant.to_string());
    if flavour.connected {
        let login = json!({ "login": "admin", "password": lab.cssm_password()? });
        let after = collector.api.json("POST", "/tenants/1/cisco-login", Some(login)).await?;
        let what = format!("{} is registered at CSSM", flavour.title());
        checks.add(flavour.topology, &what, after["registered"] == true, &after.to_string());
    }
    lab.collectors[server].device_url = device_url;
    lab.describe()
}

async fn configure(lab: &Lab, server: usize, switch: usize, checks: &mut Checks) -> Result<()> {
    let t = lab.collectors[server].flavour.topology;
    let name = lab.switches[switch].name.clone();
    let url = &lab.collectors[server].device_url;
    let lines = format!(
        "configure terminal\nlicense smart transport cslu\nlicense smart url cslu {url}\nend\n\
         copy running-config startup-config\nlicense smart sync all"
    );
    lab.run(switch, &lines).await?;
    let running = lab.run(switch, "show running-config | include smart").await?;
    let wanted = format!("license smart url cslu {url}");
    checks.contains(t, &format!("{name}: the URL is in the configuration"), &running, &wanted);
    Ok(())
}

pub(super) async fn instance_at(lab: &Lab, server: usize, serial: &str) -> Result<Value> {
    let api = &lab.collectors[server].api;
    let all = api.json("GET", "/tenants/1/product-instances", None).await?;
    let found = all.as_array().into_iter().flatten().find(|row| row["serial"] == serial);
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// Export, upload at CSSM, download the ACK, import (guide p. 25, 30, 73-75).
pub(super) async fn carry(
    lab: &Lab,
    server: usize,
    switch: usize,
    checks: &mut Checks,
) -> Result<()> {
    let collector = &lab.collectors[server];
    let (t, title) = (collector.flavour.topology, collector.flavour.title());
    let serial = lab.switches[switch].serial.clone();
    let until = tokio::time::Instant::now() + super::lab::WAIT_TIMEOUT;
    let mut instance = instance_at(lab, server, &serial).await?;
    while instance["waiting"].as_i64().unwrap_or(0) == 0 && tokio::time::Instant::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        instance = instance_at(lab, server, &serial).await?;
    }
    let waiting = instance["waiting"].as_i64().unwrap_or(0) > 0;
    checks.add(t, &format!("{title} keeps the reports"), waiting, &instance.to_string());
    let body = json!({ "ids": [instance["id"]] }).to_string().into_bytes();
    let bundle = collector.api.bytes("POST", "/tenants/1/export", body).await?;
    let va = lab.api.virtual_account(SMART_ACCOUNT, VIRTUAL_ACCOUNT).await?;
    let upload = format!("{va}/usage-files?name=UD_SA_demo.tar.gz");
    let mut damaged = bundle.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let refused = lab.api.bytes("POST", &upload, damaged).await;
    let seen = format!("{refused:?}");
    checks.add(t, "CSSM refuses the file with one bit changed", refused.is_err(), &seen);
    let file = lab.api.bytes("POST", &upload, bundle).await?;
    let file: Value = serde_json::from_slice(&file)?;
    let taken = file["status"] == "No Errors" && file["reports_new"].as_i64() > Some(0);
    checks.add(t, "CSSM takes the file", taken, &file.to_string());
    let account = lab.api.smart_account(SMART_ACCOUNT).await?;
    let path = format!("{account}/usage-files/{}/acknowledgement", file["id"]);
    let ack = lab.api.bytes("GET", &path, Vec::new()).await?;
    let import = "/tenants/1/import?name=ACK_UD_SA_demo.tar.gz";
    let done = collector.api.bytes("POST", import, ack).await?;
    let done: Value = serde_json::from_slice(&done)?;
    let what = format!("{title} imports the ACK");
    checks.add(t, &what, done["status"] == "Done", &done.to_string());
    // The switch asks again by itself within 15 minutes; a person does not wait for that.
    lab.run(switch, "license smart sync all").await?;
    Ok(())
}

/// What the collector shows of the switch, and of the licences it uses (ONPREM-015).
async fn compare_with_collector(
    lab: &Lab,
    server: usize,
    switch: usize,
    checks: &mut Checks,
) -> Result<()> {
    let collector = &lab.collectors[server];
    let (t, title) = (collector.flavour.topology, collector.flavour.title());
    let serial = lab.switches[switch].serial.clone();
    let instance = instance_at(lab, server, &serial).await?;
    let acknowledged = instance["last_ack_at"].is_i64() && instance["alert"].is_null();
    let what = format!("{title} shows the acknowledgement");
    checks.add(t, &what, acknowledged, &instance.to_string());
    let licenses = collector.api.json("GET", "/tenants/1/licenses", None).await?;
    let rows = licenses.as_array().into_iter().flatten();
    let mut here: Vec<&str> = rows.filter_map(|row| row["license"].as_str()).collect();
    let at_cssm = lab.instance(&serial).await?;
    let rows = at_cssm["licenses"].as_array().into_iter().flatten();
    let mut there: Vec<&str> = rows.filter_map(|row| row["license"].as_str()).collect();
    here.sort_unstable();
    there.sort_unstable();
    let seen = format!("here {here:?}, CSSM {there:?}");
    let same = here == there && !here.is_empty();
    checks.add(t, &format!("{title} shows the licences in use"), same, &seen);
    Ok(())
}

/// The collector goes away at report time and comes back (TOPO-1-003, TOPO-4-003).
async fn lose_and_find(
    lab: &mut Lab,
    server: usize,
    switch: usize,
    checks: &mut Checks,
) -> Result<()> {
    let t = lab.collectors[server].flavour.topology;
    let title = lab.collectors[server].flavour.title();
    let name = lab.switches[switch].name.clone();
    lab.doing(&format!("{title} goes away"));
    lab.collectors[server].stop().await?;
    let lines = "configure terminal\nfeature itd\nend\ncopy running-config startup-config\n\
                 license smart sync all";
    lab.run(switch, lines).await?;
    let failed = "Communications failure with the Cisco Smart License utility (CSLU) : Unable to \
                  connect to server";
    let log = lab.wait_for(switch, "show logging", |text| text.contains(failed)).await?;
    checks.contains(t, &format!("{name}: COMM_FAILED names the CSLU"), &log, failed);
    lab.collectors[server].start_again().await?;
    lab.run(switch, "license smart sync all").await?;
    let restored = "LOG_SMART_LIC_COMM_RESTORED: Communications with the Cisco Smart License \
                    utility (CSLU) restored.";
    let log = lab.wait_for(switch, "show logging", |text| text.contains(restored)).await?;
    checks.contains(t, &format!("{name}: COMM_RESTORED"), &log, restored);
    let settled = |text: &str| !text.contains("UNACK") && !text.contains("CLOSED");
    let reports = lab.wait_for(switch, "show license rum id all", settled).await?;
    let what = format!("{name}: what was used meanwhile is acknowledged");
    checks.add(t, &what, settled(&reports), &reports);
    compare_with_cssm(lab, t, switch, checks).await
}
