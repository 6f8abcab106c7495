//! Copies that come back: a switch, its clone, a collector and a CSSM restored from a backup. What is shown, what cures it,
//! and that no second counts twice (G-17, G-23).

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::checks::Checks;
use super::collected;
use super::lab::{Lab, SMART_ACCOUNT, WAIT_TIMEOUT};
use crate::lab::clone::copy_dir;

const ITD: &str = "feature itd";
const SET_BACK: &str = "LOG_SMART_LIC_USAGE_SET_BACK";
const REQUESTED: &str = "LOG_SMART_LIC_USAGE_REPORT_REQUESTED";

/// The files of a process that has ended, as they were.
struct Backup {
    dir: PathBuf,
    copy: PathBuf,
}

impl Backup {
    fn of(dir: &Path, name: &str) -> Result<Self> {
        let copy = dir.with_file_name(format!("{name}-backup"));
        copy_dir(dir, &copy)?;
        Ok(Self { dir: dir.to_owned(), copy })
    }

    fn restore(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.dir)?;
        copy_dir(&self.copy, &self.dir)
    }
}

/// Turns a feature on or off and saves.
async fn change(lab: &Lab, switch: usize, line: &str) -> Result<()> {
    let lines = format!("configure terminal\n{line}\nend\ncopy running-config startup-config");
    lab.run(switch, &lines).await?;
    Ok(())
}

async fn use_and_report(lab: &Lab, switch: usize, line: &str) -> Result<()> {
    change(lab, switch, line).await?;
    // A use of no second is no use.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    lab.run(switch, "license smart sync all").await?;
    Ok(())
}

fn is_settled(rum: &str) -> bool {
    !rum.contains("UNACK") && !rum.contains("CLOSED")
}

async fn settled(lab: &Lab, switch: usize) -> Result<String> {
    lab.wait_for(switch, "show license rum id all", is_settled).await
}

/// Repeats until CSSM shows of a switch what is wanted; returns what it showed last.
async fn wait_for_cssm(
    lab: &Lab,
    serial: &str,
    wanted: impl Fn(&Value, i64) -> bool,
) -> Result<(Value, i64)> {
    let until = tokio::time::Instant::now() + WAIT_TIMEOUT;
    loop {
        let instance = lab.instance(serial).await?;
        let seconds = if instance.is_null() { 0 } else { lab.count_seconds(&instance).await? };
        if wanted(&instance, seconds) || tokio::time::Instant::now() > until {
            return Ok((instance, seconds));
        }
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
}

/// What stands in the list of alerts about a switch.
async fn alerts(lab: &Lab, serial: &str) -> Result<String> {
    let account = lab.api.smart_account(SMART_ACCOUNT).await?;
    let all = lab.api.json("GET", &format!("{account}/alerts?limit=1000"), None).await?;
    let rows = all.as_array().into_iter().flatten();
    let of = rows.filter(|row| row["subject"].as_str().is_some_and(|text| text.contains(serial)));
    Ok(of.filter_map(|row| row["text"].as_str()).collect::<Vec<_>>().join("\n"))
}

/// Topology 2: a switch, its clone, and CSSM itself.
pub(super) async fn with_cssm(lab: &mut Lab, checks: &mut Checks) -> Result<()> {
    const T: u32 = 2;
    let leaf = include_str!("../../configs/leaf.cfg");
    let leaf = crate::lab::servers::renamed(leaf, "leaf-copied");
    let switch = lab.add_switch(T, "N9K-C93180YC-FX3", "RMLDEMOCOPY", &leaf).await?;
    let va = lab.api.virtual_account(SMART_ACCOUNT, "Default").await?;
    let token = json!({ "description": "copies", "expires_after_days": 1, "uses_max": 1 });
    let token = lab.api.json("POST", &format!("{va}/tokens"), Some(token)).await?;
    let url = format!("{}/licservice/license", lab.url);
    let lines = format!(
        "configure terminal\nlicense smart transport smart\nlicense smart url smart {url}\nend\n\
         copy running-config startup-config\nlicense smart trust idtoken {} all",
        token["value"].as_str().unwrap_or_default()
    );
    lab.run(switch, &lines).await?;
    lab.wait_for(switch, "show logging", |log| log.contains("TRUST_CODE_INSTALL_SUCCESS")).await?;
    use_and_report(lab, switch, ITD).await?;
    settled(lab, switch).await?;
    set_back(lab, switch, checks, T).await?;
    cssm_restored(lab, switch, checks, T).await?;
    cloned(lab, switch, checks, T).await
}

/// A switch is stopped, copied, reports, and is set back to its copy.
async fn set_back(lab: &mut Lab, switch: usize, checks: &mut Checks, t: u32) -> Result<()> {
    let (name, serial) = (lab.switches[switch].name.clone(), lab.switches[switch].serial.clone());
    lab.doing(&format!("{name}: set back to an older copy"));
    lab.stop_switch(switch).await?;
    let backup = Backup::of(&lab.switches[switch].dir, &name)?;
    lab.start_switch(switch).await?;
    use_and_report(lab, switch, &format!("no {ITD}")).await?;
    settled(lab, switch).await?;
    let (_, before) = wait_for_cssm(lab, &serial, |_, seconds| seconds > 0).await?;
    lab.stop_switch(switch).await?;
    backup.restore()?;
    lab.start_switch(switch).await?;
    use_and_report(lab, switch, &format!("no {ITD}")).await?;
    let log = lab.wait_for(switch, "show logging", |log| log.contains(SET_BACK)).await?;
    checks.contains(t, &format!("{name}: set back, it says so"), &log, SET_BACK);
    let text = alerts(lab, &serial).await?;
    checks.contains(t, &format!("{name}: set back, CSSM has an alert"), &text, "set back");
    let rum = settled(lab, switch).await?;
    let what = format!("{name}: set back, what it used since is acknowledged under new numbers");
    checks.add(t, &what, is_settled(&rum), &rum);
    let (instance, after) = wait_for_cssm(lab, &serial, |_, seconds| seconds >= before).await?;
    let kept = after >= before && instance["reports_missing"] == 0;
    let seen = format!("before {before}, after {after}: {instance}");
    checks.add(t, &format!("{name}: set back, nothing that was counted is lost"), kept, &seen);
    lab.say(&format!("{name}: set back to a copy, and went on by itself"));
    Ok(())
}

/// CSSM is stopped, copied, takes reports, and is set back to its copy.
async fn cssm_restored(lab: &mut Lab, switch: usize, checks: &mut Checks, t: u32) -> Result<()> {
    let (name, serial) = (lab.switches[switch].name.clone(), lab.switches[switch].serial.clone());
    lab.doing("CSSM: restored from an older copy");
    lab.stop_cssm().await?;
    let backup = Backup::of(&lab.cssm_dir(), "cssm")?;
    lab.start_cssm().await?;
    use_and_report(lab, switch, ITD).await?;
    settled(lab, switch).await?;
    let (_, before) = wait_for_cssm(lab, &serial, |_, seconds| seconds > 0).await?;
    lab.stop_cssm().await?;
    backup.restore()?;
    lab.start_cssm().await?;
    let (_, restored) = wait_for_cssm(lab, &serial, |_, _| true).await?;
    let seen = format!("before {before}, restored {restored}");
    checks.add(t, "CSSM restored from a copy lacks what came after it", restored < before, &seen);
    use_and_report(lab, switch, &format!("no {ITD}")).await?;
    let log = lab.wait_for(switch, "show logging", |log| log.contains(REQUESTED)).await?;
    checks.contains(t, &format!("{name}: CSSM restored asks for what it lacks"), &log, REQUESTED);
    let all_there =
        |instance: &Value, seconds: i64| seconds > before && instance["reports_missing"] == 0;
    let (instance, after) = wait_for_cssm(lab, &serial, all_there).await?;
    let seen = format!("{before} s, then {after} s, missing {}", instance["reports_missing"]);
    let what = format!("{name}: CSSM restored has every report again, without a person");
    checks.add(t, &what, all_there(&instance, after), &seen);
    settled(lab, switch).await?;
    lab.say("CSSM: restored from a copy, and what it lacked came by itself");
    Ok(())
}

/// A second switch speaks with the first one's files.
async fn cloned(lab: &mut Lab, switch: usize, checks: &mut Checks, t: u32) -> Result<()> {
    let (name, serial) = (lab.switches[switch].name.clone(), lab.switches[switch].serial.clone());
    lab.doing(&format!("{name}: cloned"));
    lab.stop_switch(switch).await?;
    let copy = lab.switches[switch].dir.with_file_name(format!("{name}-clone"));
    copy_dir(&lab.switches[switch].dir, &copy)?;
    lab.start_switch(switch).await?;
    let clone = lab.clone_switch(switch, &copy).await?;
    // Both speak about the same time, in turn, until CSSM can tell that they are two.
    let until = tokio::time::Instant::now() + WAIT_TIMEOUT;
    let mut round = 0;
    let mut instance = Value::Null;
    while instance["held_at"].is_null() && tokio::time::Instant::now() < until {
        let line = if round % 2 == 0 { ITD.to_owned() } else { format!("no {ITD}") };
        for one in [switch, clone] {
            use_and_report(lab, one, &line).await?;
        }
        instance = lab.instance(&serial).await?;
        round += 1;
    }
    let held = instance["held_at"].is_i64();
    checks.add(
        t,
        &format!("{name}: of two that speak as one, both are held"),
        held,
        &instance.to_string(),
    );
    let text = alerts(lab, &serial).await?;
    checks.contains(
        t,
        &format!("{name}: cloned, CSSM has an alert that says what to do"),
        &text,
        "choose",
    );
    // The owner says: what speaks now goes on.
    let present = instance["epochs"].as_array().into_iter().flatten();
    let mut present =
        present.filter(|epoch| epoch["state"] == "present").map(|epoch| &epoch["epoch"]);
    let body = json!({ "epoch": present.next_back() });
    let account = lab.api.smart_account(SMART_ACCOUNT).await?;
    let path = format!("{account}/product-instances/{}/epoch", instance["id"]);
    lab.api.json("POST", &path, Some(body)).await?;
    for one in [switch, clone] {
        use_and_report(lab, one, &format!("no {ITD}")).await?;
    }
    let until = tokio::time::Instant::now() + WAIT_TIMEOUT;
    let mut seen = [String::new(), String::new()];
    while is_settled(&seen[0]) == is_settled(&seen[1]) && tokio::time::Instant::now() < until {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        for (one, rum) in [switch, clone].into_iter().zip(&mut seen) {
            lab.run(one, "license smart sync all").await?;
            *rum = lab.run(one, "show license rum id all").await?;
        }
    }
    let one_goes_on = is_settled(&seen[0]) != is_settled(&seen[1]);
    let what = format!("{name}: cloned, the chosen one is acknowledged and the other waits");
    let waiting = seen.each_ref().map(|rum| rum.matches("UNACK").count());
    let told = format!("{waiting:?} reports wait; {}", lab.instance(&serial).await?["epochs"]);
    checks.add(t, &what, one_goes_on, &told);
    lab.stop_switch(if is_settled(&seen[0]) { clone } else { switch }).await?;
    lab.say(&format!("{name}: cloned; both were held until the owner chose"));
    Ok(())
}

/// Topologies 3 and 5: a collector that is carried for is set back to its copy while reports wait there.
pub(super) async fn collector(
    lab: &mut Lab,
    server: usize,
    switch: usize,
    checks: &mut Checks,
) -> Result<()> {
    let flavour = lab.collectors[server].flavour;
    let (t, title) = (flavour.topology, flavour.title());
    let (name, serial) = (lab.switches[switch].name.clone(), lab.switches[switch].serial.clone());
    lab.doing(&format!("{title}: restored from an older copy"));
    // What the switch brought by itself may wait already: with the switch off, nothing comes to that while it is copied.
    lab.stop_switch(switch).await?;
    let copied = collected::instance_at(lab, server, &serial).await?;
    let waiting = |row: &Value| row["waiting"].as_i64().unwrap_or(0);
    let waited = waiting(&copied);
    lab.collectors[server].stop().await?;
    let backup = Backup::of(&lab.collectors[server].dir, &format!("{}-{t}", flavour.command()))?;
    lab.collectors[server].start_again().await?;
    lab.start_switch(switch).await?;
    use_and_report(lab, switch, ITD).await?;
    let row = wait_for_more(lab, server, &serial, waited).await?;
    let what = format!("{title} has taken a report of {name}");
    checks.add(t, &what, waiting(&row) > waited, &row.to_string());
    // The switch is off meanwhile: it would bring again by itself what is lacking.
    lab.stop_switch(switch).await?;
    lab.collectors[server].stop().await?;
    backup.restore()?;
    lab.collectors[server].start_again().await?;
    let row = collected::instance_at(lab, server, &serial).await?;
    let what = format!("{title} restored from a copy lacks it");
    let seen = format!("{waited} waited in the copy, now {row}");
    checks.add(t, &what, waiting(&row) == waited, &seen);
    lab.start_switch(switch).await?;
    // One command brings it back.
    lab.run(switch, "license smart sync all").await?;
    let row = wait_for_more(lab, server, &serial, waited).await?;
    let back = waiting(&row) > waited;
    checks.add(t, &format!("{name}: one sync brings it to {title} again"), back, &row.to_string());
    let rum = lab.run(switch, "show license rum id all").await?;
    let waited: Vec<String> = rum
        .lines()
        .filter(|line| !is_settled(line))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect();
    collected::carry(lab, server, switch, checks).await?;
    // The sync that fetches the ACK may bring a report of its own, which waits for the next file.
    let acknowledged = |rum: &str| {
        rum.lines().filter(|line| waited.iter().any(|id| line.starts_with(id))).all(is_settled)
    };
    let rum = lab.wait_for(switch, "show license rum id all", acknowledged).await?;
    let all = !waited.is_empty() && acknowledged(&rum);
    checks.add(t, &format!("{name}: it is acknowledged"), all, &rum);
    let instance = lab.instance(&serial).await?;
    let missing = instance["reports_missing"] == 0;
    checks.add(t, &format!("{name}: CSSM lacks nothing"), missing, &instance.to_string());
    lab.say(&format!("{title}: restored from a copy, and what it lacked came again"));
    Ok(())
}

/// Repeats until more reports wait at a collector than did; returns what it showed last.
async fn wait_for_more(lab: &Lab, server: usize, serial: &str, waited: i64) -> Result<Value> {
    let until = tokio::time::Instant::now() + WAIT_TIMEOUT;
    loop {
        let row = collected::instance_at(lab, server, serial).await?;
        let more = row["waiting"].as_i64().unwrap_or(0) > waited;
        if more || tokio::time::Instant::now() > until {
            return Ok(row);
        }
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
}

/// Topology 6: a switch without a connection is set back to its copy.
pub(super) async fn by_file(lab: &mut Lab, switch: usize, checks: &mut Checks) -> Result<()> {
    const T: u32 = 6;
    let (name, serial) = (lab.switches[switch].name.clone(), lab.switches[switch].serial.clone());
    lab.doing(&format!("{name}: set back to an older copy"));
    lab.stop_switch(switch).await?;
    let backup = Backup::of(&lab.switches[switch].dir, &name)?;
    lab.start_switch(switch).await?;
    round_by_file(lab, switch, "feature itd").await?;
    let (_, before) = wait_for_cssm(lab, &serial, |_, _| true).await?;
    lab.stop_switch(switch).await?;
    backup.restore()?;
    lab.start_switch(switch).await?;
    // What it says now bears numbers that are taken; the file that answers says so to the switch.
    let told = round_by_file(lab, switch, "feature itd").await?;
    let log = lab.run(switch, "show logging").await?;
    checks.contains(T, &format!("{name}: set back, the ACK file says so"), &log, SET_BACK);
    let text = alerts(lab, &serial).await?;
    checks.contains(T, &format!("{name}: set back, CSSM has an alert"), &text, "set back");
    let told_again = round_by_file(lab, switch, "no feature itd").await?;
    let rum = lab.run(switch, "show license rum id all").await?;
    let what = format!("{name}: set back, the next file is acknowledged");
    checks.add(T, &what, is_settled(&rum), &format!("{rum}\n{told}\n{told_again}"));
    let (instance, after) = wait_for_cssm(lab, &serial, |_, seconds| seconds > before).await?;
    let kept = after > before && instance["reports_missing"] == 0;
    let seen = format!("before {before}, after {after}: {instance}");
    checks.add(T, &format!("{name}: set back, nothing that was counted is lost"), kept, &seen);
    lab.say(&format!("{name}: set back to a copy, and went on with the next file"));
    Ok(())
}

/// Use, a file to CSSM, its ACK back; returns what CSSM said of the file.
async fn round_by_file(lab: &Lab, switch: usize, line: &str) -> Result<String> {
    change(lab, switch, line).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let flash = lab.switches[switch].dir.join("bootflash");
    let _absent = std::fs::remove_file(flash.join("round.txt"));
    lab.run(switch, "license smart save usage all bootflash:round.txt").await?;
    let va = lab.api.virtual_account(SMART_ACCOUNT, "Default").await?;
    let file = std::fs::read(flash.join("round.txt"))?;
    let taken = lab.api.bytes("POST", &format!("{va}/usage-files?name=round.txt"), file).await?;
    let taken: Value = serde_json::from_slice(&taken)?;
    let account = lab.api.smart_account(SMART_ACCOUNT).await?;
    let path = format!("{account}/usage-files/{}/acknowledgement", taken["id"]);
    std::fs::write(flash.join("ACK_round.txt"), lab.api.bytes("GET", &path, Vec::new()).await?)?;
    lab.run(switch, "license smart import bootflash:ACK_round.txt").await?;
    Ok(taken.to_string())
}
