//! Topology 2 with two supervisors: they switch over and one is killed, and at CSSM each second counts once (PI-HA).

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::checks::Checks;
use super::lab::{Lab, SMART_ACCOUNT};
use super::processes;

const T: u32 = 2;
const SERIALS: [&str; 2] = ["RMLDEMOSUP1", "RMLDEMOSUP2"];
const PID: &str = "N9K-C9504";

/// Two supervisors, each a process.
struct Pair {
    options: [Vec<String>; 2],
    supervisors: [Option<Child>; 2],
}

impl Pair {
    async fn start(&mut self, slot: usize) -> Result<()> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(&self.options[slot]).args(["--ssh", "127.0.0.1:0"]);
        let (process, _) = processes::start(command, &["supervisor "]).await?;
        self.supervisors[slot] = Some(process);
        Ok(())
    }

    async fn kill(&mut self, slot: usize) -> Result<()> {
        let process = self.supervisors[slot].as_mut().context("it does not run")?;
        Ok(process.kill().await?)
    }
}

pub(super) async fn run(lab: &mut Lab, checks: &mut Checks) -> Result<()> {
    let config = include_str!("../../configs/chassis.cfg");
    let management =
        SocketAddr::from(([127, 0, 0, 1], TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()));
    let (switch, options) = lab.describe_pair(T, (PID, SERIALS[0]), config, management)?;
    let options = [1, 2].map(|slot| {
        let own = ["--slot".to_owned(), slot.to_string(), "--serial".to_owned()];
        let serial = SERIALS[slot - 1].to_owned();
        options.iter().cloned().chain(own).chain([serial]).collect()
    });
    let mut pair = Pair { options, supervisors: [None, None] };
    for slot in [0, 1] {
        pair.start(slot).await?;
    }
    let in_step = |shown: &str| shown.contains("Active with HA standby");
    const SHOWN: &str = "show system redundancy status";
    lab.wait_for(switch, SHOWN, in_step).await?;
    let token = lab.token("Default").await?;
    let lines = format!(
        "configure terminal\nlicense smart transport smart\nlicense smart url smart \
         {}/licservice/license\nfeature bgp\nend\ncopy running-config startup-config\nlicense smart \
         trust idtoken {token} all",
        lab.url
    );
    lab.run(switch, &lines).await?;
    let both = |shown: &str| shown.contains("Standby: PID") && !shown.contains("<none>\n  Standby");
    let status = lab.wait_for(switch, "show license status", both).await?;
    checks.contains(
        T,
        "chassis: both supervisors have a trust code",
        &status,
        "Trust Code installed: ",
    );
    let udi = lab.run(switch, "show license udi").await?;
    let listed = SERIALS.iter().all(|serial| udi.contains(&format!("PID:{PID}, SN:{serial}")));
    checks.add(T, "chassis: both UDIs are listed", listed, &udi);
    // One hands over, and the other is killed.
    lab.run(switch, "system switchover").await?;
    let second = |shown: &str| shown.contains("This supervisor (sup-28)") && in_step(shown);
    let shown = lab.wait_for(switch, SHOWN, second).await?;
    checks.add(T, "chassis: the standby took over by a switchover", second(&shown), &shown);
    lab.run(switch, "configure terminal\nfeature itd").await?;
    pair.kill(1).await?;
    let first = |shown: &str| shown.contains("This supervisor (sup-27)");
    let shown = lab.wait_for(switch, SHOWN, first).await?;
    checks.add(T, "chassis: and back when that one was killed", first(&shown), &shown);
    let running = lab.run(switch, "show running-config").await?;
    let kept = running.contains("feature itd") && running.contains("feature bgp");
    checks.add(T, "chassis: what was typed is still there", kept, &running);
    pair.start(1).await?;
    lab.wait_for(switch, SHOWN, in_step).await?;
    compare(lab, switch, checks).await?;
    lab.say("chassis: two supervisors, one switchover, one kill; CSSM counts each second once");
    lab.hold(pair.supervisors.into_iter().flatten());
    Ok(())
}

/// What the chassis says it used is what CSSM counts for the two together.
async fn compare(lab: &Lab, switch: usize, checks: &mut Checks) -> Result<()> {
    lab.run(switch, "configure terminal\nno feature bgp\nno feature itd").await?;
    lab.run(switch, "license smart sync all").await?;
    let settled =
        |shown: &str| !["OPEN", "CLOSED", "UNACK"].iter().any(|word| shown.contains(word));
    lab.wait_for(switch, "show license rum id all", settled).await?;
    let detail = lab.run(switch, "show license rum id all detail").await?;
    let used = detail.lines().filter_map(|line| line.trim().strip_prefix("Use: "));
    let used = used.filter_map(|rest| rest.split(' ').next()?.parse::<i64>().ok());
    let used: i64 = used.sum();
    let (mut counted, mut seen) = (0, Vec::new());
    for serial in SERIALS {
        let instance = lab.instance(serial).await?;
        counted += lab.count_seconds(&instance).await?;
        seen.push(instance);
    }
    let told = format!("{used} seconds on the chassis, {counted} at CSSM ({SMART_ACCOUNT})");
    checks.add(
        T,
        "chassis: CSSM counts each second once over both supervisors",
        used == counted && used > 0,
        &told,
    );
    let whole =
        |instance: &Value| instance["reports_missing"] == 0 && instance["overlap_seconds"] == 0;
    let told = Value::from(seen.clone()).to_string();
    checks.add(T, "chassis: of neither a report is missing", seen.iter().all(whole), &told);
    let listed = seen
        .iter()
        .all(|instance| instance["supervisors"].as_array().is_some_and(|all| all.len() == 2));
    checks.add(T, "chassis: CSSM shows both supervisors of the set", listed, &told);
    Ok(())
}
