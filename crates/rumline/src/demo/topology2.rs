//! Topology 2: switches that talk to CSSM directly (guide p. 21-23).

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::checks::Checks;
use super::lab::{Lab, SMART_ACCOUNT};
use super::proxy::Proxy;
use super::restored;

const T: u32 = 2;

/// The project's own configurations, each on a switch that fits it.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("N9K-C93180YC-FX3", "RMLDEMOLEAF", include_str!("../../configs/leaf.cfg")),
    ("N9K-C9364C-GX", "RMLDEMOSPIN", include_str!("../../configs/spine.cfg")),
    ("N9K-C9336C-FX2", "RMLDEMOBORD", include_str!("../../configs/border.cfg")),
];

pub(super) async fn run(
    lab: &mut Lab,
    startup_config: Option<&Path>,
    checks: &mut Checks,
) -> Result<()> {
    let token = prepare_account(lab).await?;
    let mut switches = Vec::new();
    for (index, (pid, serial, config)) in SWITCHES.iter().enumerate() {
        let given = match startup_config {
            Some(path) if index == 0 => {
                Some(std::fs::read_to_string(path).with_context(|| path.display().to_string())?)
            }
            _ => None,
        };
        let config = given.as_deref().unwrap_or(config);
        switches.push(lab.add_switch(T, pid, serial, config).await?);
    }
    let proxy = Proxy::start(lab.url.trim_start_matches("https://").to_owned()).await?;
    for (switch, way) in switches.iter().zip([Way::Smart, Way::Callhome, Way::Proxy(&proxy)]) {
        establish_trust(lab, *switch, &way, &token, checks).await?;
    }
    change_and_report(lab, &switches, checks).await?;
    for switch in &switches {
        compare_with_cssm(lab, T, *switch, checks).await?;
    }
    let tunnels = format!("{} tunnels", proxy.tunnels());
    let what = "messages of Call Home went through the proxy";
    checks.add(T, what, proxy.tunnels() > 0, &tunnels);
    smart_by_proxy(lab, switches[0], &proxy, checks).await?;
    refused_without_force(lab, switches[1], &token, checks).await?;
    reload(lab, switches[0], checks).await?;
    restored::with_cssm(lab, checks).await
}

/// How a switch reaches CSSM (TOPO-2-001).
enum Way<'p> {
    /// Option 1: smart transport.
    Smart,
    /// Option 3: Call Home.
    Callhome,
    /// Option 4: Call Home through a proxy.
    Proxy(&'p Proxy),
}

impl Way<'_> {
    /// What `show license status` calls it.
    fn name(&self) -> &'static str {
        match self {
            Self::Smart => "Smart",
            Self::Callhome | Self::Proxy(_) => "Callhome",
        }
    }

    /// The lines that set it.
    fn lines(&self, url: &str) -> String {
        let smart = format!(
            "license smart transport smart\nlicense smart url smart {url}/licservice/license"
        );
        let ddce = format!("{url}/its/service/oddce/services/DDCEService");
        let callhome = format!(
            "license smart transport callhome\ncallhome\nemail-contact noc@example.net\n\
             destination-profile xml index 1 http {ddce}\nenable"
        );
        match self {
            Self::Smart => smart,
            Self::Callhome => callhome,
            Self::Proxy(proxy) => format!(
                "{callhome}\ntransport http proxy server 127.0.0.1 port {}\n\
                 transport http proxy enable",
                proxy.port
            ),
        }
    }
}

/// A virtual account with purchases, a policy of its own and a token.
async fn prepare_account(lab: &Lab) -> Result<String> {
    lab.doing("preparing the account");
    let account = lab.api.smart_account(SMART_ACCOUNT).await?;
    let name = json!({ "name": "Campus" });
    lab.api.json("POST", &format!("{account}/virtual-accounts"), Some(name)).await?;
    let va = lab.api.virtual_account(SMART_ACCOUNT, "Campus").await?;
    for (license, quantity) in
        [("LAN_ENTERPRISE_SERVICES_PKG", 5), ("NETWORK_SERVICES_PKG", 2), ("VPN_FABRIC", 1)]
    {
        let purchase = json!({
            "license": license, "quantity": quantity, "kind": "PERPETUAL", "starts_at": 0,
            "ends_at": null,
        });
        lab.api.json("POST", &format!("{va}/purchases"), Some(purchase)).await?;
    }
    let policy = json!({
        "policy_name": "Quarterly",
        "reporting_ack_required": true,
        "unenforced": { "first_report_days": 30, "ongoing_report_days": 90, "on_change_report_days": 60 },
        "enforced": { "first_report_days": 30, "ongoing_report_days": 90, "on_change_report_days": 60 },
        "export": { "first_report_days": 30, "ongoing_report_days": 30, "on_change_report_days": 30 },
    });
    lab.api.json("PUT", &format!("{va}/policy"), Some(policy)).await?;
    let token = json!({ "description": "demo", "expires_after_days": 1, "uses_max": 10 });
    let token = lab.api.json("POST", &format!("{va}/tokens"), Some(token)).await?;
    lab.say("virtual account Campus: purchases recorded, policy set, token created");
    Ok(token["value"].as_str().unwrap_or_default().to_owned())
}

async fn establish_trust(
    lab: &Lab,
    switch: usize,
    way: &Way<'_>,
    token: &str,
    checks: &mut Checks,
) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    lab.doing(&format!("{name}: establishing trust"));
    let before = lab.run(switch, "show license status").await?;
    checks.contains(T, &format!("{name}: default transport is CSLU"), &before, "Type: CSLU");
    let lines = format!(
        "configure terminal\n{}\nend\n\
         copy running-config startup-config\nlicense smart trust idtoken {token} all",
        way.lines(&lab.url)
    );
    let output = lab.run(switch, &lines).await?;
    checks.contains(T, &format!("{name}: configuration saved"), &output, "Copy complete.");
    let wanted = "LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS";
    let log = lab.wait_for(switch, "show logging", |text| text.contains(wanted)).await?;
    checks.contains(T, &format!("{name}: trust code installed"), &log, wanted);
    let after = lab.run(switch, "show license status").await?;
    let transport = format!("Type: {}", way.name());
    checks.contains(T, &format!("{name}: transport is {}", way.name()), &after, &transport);
    let wanted = "LOG_SMART_LIC_POLICY_INSTALL_SUCCESS";
    checks.contains(T, &format!("{name}: policy installed itself"), &log, wanted);
    Ok(())
}

async fn change_and_report(lab: &Lab, switches: &[usize], checks: &mut Checks) -> Result<()> {
    let leaf = switches[0];
    let name = lab.switches[leaf].name.clone();
    lab.doing("changing features, reporting");
    lab.run(leaf, "configure terminal\nfeature itd\nend\ncopy running-config startup-config")
        .await?;
    let usage = lab.run(leaf, "show license summary").await?;
    let in_use = usage.lines().any(|l| l.contains("NETWORK_SERVICES_PKG") && l.ends_with("IN USE"));
    checks.add(T, &format!("{name}: feature itd is in use at once"), in_use, &usage);
    for switch in switches {
        lab.run(*switch, "license smart sync all").await?;
    }
    for switch in switches {
        let name = lab.switches[*switch].name.clone();
        let wanted = |text: &str| !text.contains("Last ACK received: <none>");
        let status = lab.wait_for(*switch, "show license status", wanted).await?;
        checks.add(T, &format!("{name}: report pushed and ACK received"), wanted(&status), &status);
        let installed = "Ongoing reporting frequency (days): 90 (Installed)";
        checks.contains(T, &format!("{name}: policy in use is CSSM's"), &status, installed);
        lab.print(&name, &status);
    }
    let names: Vec<&str> =
        switches.iter().map(|switch| lab.switches[*switch].name.as_str()).collect();
    lab.say(&format!(
        "{}: trust code and policy installed, reports acknowledged",
        names.join(", ")
    ));
    Ok(())
}

/// Option 2: the smart transport through a proxy, for a while (PI-CLI-018, PI-NET-019).
async fn smart_by_proxy(
    lab: &Lab,
    switch: usize,
    proxy: &Proxy,
    checks: &mut Checks,
) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    lab.doing("reporting by smart transport through a proxy");
    let before = proxy.tunnels();
    let lines = format!(
        "configure terminal\nlicense smart proxy address 127.0.0.1\nlicense smart proxy port {}\n\
         end\nlicense smart sync all",
        proxy.port
    );
    lab.run(switch, &lines).await?;
    let settled = |text: &str| {
        proxy.tunnels() > before && !text.contains("UNACK") && !text.contains("CLOSED")
    };
    let reports = lab.wait_for(switch, "show license rum id all", settled).await?;
    let what = format!("{name}: messages of the smart transport go through the proxy");
    checks.add(T, &what, settled(&reports), &reports);
    let back =
        "configure terminal\nno license smart proxy address\nno license smart proxy port\nend";
    lab.run(switch, back).await?;
    Ok(())
}

/// What the switch says is in use and reported is what CSSM holds.
pub(super) async fn compare_with_cssm(
    lab: &Lab,
    topology: u32,
    switch: usize,
    checks: &mut Checks,
) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    let serial = lab.switches[switch].serial.clone();
    let instance = lab.instance(&serial).await?;
    let at_cssm = instance["name"].as_str().unwrap_or_default().to_owned();
    checks.add(topology, &format!("{name}: CSSM shows its host name"), at_cssm == name, &at_cssm);
    let summary = lab.run(switch, "show license summary").await?;
    let mut device: Vec<String> = summary
        .lines()
        .filter(|line| line.ends_with("IN USE"))
        .filter_map(|line| Some(line.split_once('(')?.1.split_once(')')?.0.to_owned()))
        .collect();
    let mut cssm: Vec<String> = instance["licenses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|license| license["license"].as_str().map(str::to_owned))
        .collect();
    device.sort();
    cssm.sort();
    let seen = format!("switch {device:?}, CSSM {cssm:?}");
    checks.add(topology, &format!("{name}: CSSM counts the same licences"), device == cssm, &seen);
    let missing = &instance["reports_missing"];
    checks.add(
        topology,
        &format!("{name}: no report is missing at CSSM"),
        missing == 0,
        &missing.to_string(),
    );
    let detail = lab.run(switch, "show license rum id all detail").await?;
    let device_seconds = acknowledged_seconds(&detail);
    let cssm_seconds = lab.count_seconds(&instance).await?;
    let seen = format!("switch {device_seconds}, CSSM {cssm_seconds}");
    let same = device_seconds == cssm_seconds;
    checks.add(topology, &format!("{name}: every second of use is at CSSM once"), same, &seen);
    Ok(())
}

/// Seconds of use in the acknowledged reports of `show license rum id all detail`, by its own times.
fn acknowledged_seconds(detail: &str) -> i64 {
    let mut total = 0;
    for report in detail.split("Report Id: ").skip(1) {
        if !report.contains("State: ACK") {
            continue;
        }
        let count = |line: &str| line.trim().strip_prefix("Use: ")?.split(' ').next()?.parse().ok();
        total += report.lines().find_map(count).unwrap_or(0);
    }
    total
}

async fn refused_without_force(
    lab: &Lab,
    switch: usize,
    token: &str,
    checks: &mut Checks,
) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    lab.run(switch, &format!("license smart trust idtoken {token} all")).await?;
    let wanted = "TRUST_CODE_INSTALL_FAILED";
    let log = lab.wait_for(switch, "show logging", |text| text.contains(wanted)).await?;
    checks.contains(T, &format!("{name}: a second trust needs force"), &log, "already installed");
    Ok(())
}

async fn reload(lab: &Lab, switch: usize, checks: &mut Checks) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    lab.doing(&format!("{name}: reloading"));
    lab.run(switch, "reload").await?;
    let wanted = |text: &str| text.contains("Type: Smart") && !text.contains("installed: <none>");
    let status = lab.wait_for(switch, "show license status", wanted).await?;
    checks.add(
        T,
        &format!("{name}: settings and trust survive a reload"),
        wanted(&status),
        &status,
    );
    let usage = lab.run(switch, "show license usage").await?;
    checks.contains(T, &format!("{name}: licences are in use after it"), &usage, "Status: IN USE");
    lab.say(&format!("{name}: reloaded"));
    Ok(())
}
