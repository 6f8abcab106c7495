//! Topology 6: no connection at all; a person carries files (guide p. 31-32, 44-45).

use anyhow::Result;

use super::checks::Checks;
use super::lab::{Lab, SMART_ACCOUNT};
use super::restored;

const T: u32 = 6;
const NOTHING: &str = "Failure: save status: The requested item was not found";

pub(super) async fn run(lab: &mut Lab, checks: &mut Checks) -> Result<()> {
    let core = include_str!("../../configs/core.cfg");
    let core = lab.add_switch(T, "N9K-C9336C-FX2", "RMLDEMOCORE", core).await?;
    let plain = include_str!("../../configs/aggregation.cfg");
    let plain = lab.add_switch(T, "N9K-C9348GC-FXP", "RMLDEMOPLAN", plain).await?;
    for switch in [core, plain] {
        let lines = "configure terminal\nlicense smart transport off\nend\n\
                     copy running-config startup-config";
        lab.run(switch, lines).await?;
    }
    let name = lab.switches[core].name.clone();
    // On a fast clock the first push may have been tried before the transport was off.
    let before = attempts(&lab.run(core, "show license tech support").await?);
    let save = "license smart save usage all bootflash:all_rum.txt";
    let nothing = lab.run(plain, save).await?;
    let plain_name = lab.switches[plain].name.clone();
    checks.add(
        T,
        &format!("{plain_name}: nothing to report is said so"),
        nothing.trim() == NOTHING,
        &nothing,
    );
    let saved = lab.run(core, save).await?;
    checks.add(
        T,
        &format!("{name}: usage saved to a file"),
        saved.starts_with("Saved license usage to "),
        &saved,
    );
    carry(lab, core, checks).await?;
    let status = lab.run(core, "show license status").await?;
    let acknowledged = !status.contains("Last ACK received: <none>");
    checks.add(T, &format!("{name}: ACK imported"), acknowledged, &status);
    checks.contains(T, &format!("{name}: transport stays off"), &status, "Type: Transport Off");
    let trusted = !status.contains("Trust Code installed: <none>");
    checks.add(T, &format!("{name}: trust code came with the ACK file"), trusted, &status);
    let support = lab.run(core, "license smart sync all\nshow license tech support").await?;
    let silent = attempts(&support) == before;
    checks.add(T, &format!("{name}: nothing was sent, sync included"), silent, &support);
    let rum = lab.run(core, "show license rum id all").await?;
    let open_or_acked = !rum.contains("UNACK") && !rum.contains("CLOSED") && rum.contains(" ACK ");
    checks.add(T, &format!("{name}: all saved reports are acknowledged"), open_or_acked, &rum);
    lab.print(&name, &status);
    restored::by_file(lab, core, checks).await
}

/// The lines that count attempts to send.
fn attempts(support: &str) -> Vec<String> {
    let lines = support.lines().map(str::trim);
    lines.filter(|line| line.starts_with("Attempts:")).map(str::to_owned).collect()
}

/// From the switch to CSSM and back.
async fn carry(lab: &Lab, switch: usize, checks: &mut Checks) -> Result<()> {
    let name = lab.switches[switch].name.clone();
    let flash = lab.switches[switch].dir.join("bootflash");
    let file = std::fs::read(flash.join("all_rum.txt"))?;
    let va = lab.api.virtual_account(SMART_ACCOUNT, "Default").await?;
    let upload = format!("{va}/usage-files?name=all_rum.txt");
    let mut damaged = file.clone();
    let place = damaged.windows(11).position(|text| text == b"\"value\":\"1\"").unwrap_or(0);
    damaged[place + 9] = b'2';
    let refused = lab.api.bytes("POST", &upload, damaged).await;
    let seen = format!("{refused:?}");
    checks.add(
        T,
        &format!("{name}: CSSM refuses the file with one byte changed"),
        refused.is_err(),
        &seen,
    );
    let first = lab.api.bytes("POST", &upload, file.clone()).await?;
    let first: serde_json::Value = serde_json::from_slice(&first)?;
    let taken = first["status"] == "No Errors" && first["reports_new"].as_i64() > Some(0);
    checks.add(T, &format!("{name}: CSSM takes the file"), taken, &first.to_string());
    let second = lab.api.bytes("POST", &upload, file).await?;
    let second: serde_json::Value = serde_json::from_slice(&second)?;
    let once = second["reports_new"] == 0
        && second["message"].as_str().is_some_and(|text| text.contains("received before"));
    checks.add(T, &format!("{name}: CSSM takes it once, and says so"), once, &second.to_string());
    let account = lab.api.smart_account(SMART_ACCOUNT).await?;
    let path = format!("{account}/usage-files/{}/acknowledgement", first["id"]);
    let ack = lab.api.bytes("GET", &path, Vec::new()).await?;
    std::fs::write(flash.join("ACK_all_rum.txt"), ack)?;
    let imported = lab.run(switch, "license smart import bootflash:ACK_all_rum.txt").await?;
    checks.contains(
        T,
        &format!("{name}: the ACK file is imported"),
        &imported,
        "Import Data Successful",
    );
    lab.say(&format!(
        "{name}: usage saved to a file, carried to CSSM, ACK carried back and imported"
    ));
    Ok(())
}
