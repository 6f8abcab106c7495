//! Files that a person carries, where there is no connection (guide p. 25, 30, 31-32, 73-75).

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::books::Books;
use super::description::{Description, Switch};
use super::plan::{Plan, PlannedSwitch};
use super::reach;
use crate::admin::Api;

async fn row(api: &Api, serial: &str) -> Result<Value> {
    let all = api.json("GET", "/tenants/1/product-instances", None).await?;
    let found = all.as_array().into_iter().flatten().find(|row| row["serial"] == serial);
    Ok(found.cloned().unwrap_or(Value::Null))
}

fn waiting(row: &Value) -> i64 {
    row["waiting"].as_i64().unwrap_or(0)
}

async fn collector(described: &Description, planned: &PlannedSwitch) -> Result<Api> {
    let one = planned.collector.and_then(|place| described.collectors.get(place));
    reach::collector(one.context("it has no collector")?).await
}

/// Whether reports of a switch wait at its collector.
pub(super) fn waits(row: &Value) -> bool {
    waiting(row) > 0
}

/// Whether CSSM would not have them.
pub(super) fn is_refused(row: &Value) -> bool {
    row["alert"].is_string()
}

/// Waits until a collector shows of a switch what is wanted; says how many of its reports wait there.
pub(super) async fn wait_for_reports(
    described: &Description,
    planned: &PlannedSwitch,
    wanted: fn(&Value) -> bool,
) -> Result<i64> {
    let api = collector(described, planned).await?;
    let until = Instant::now() + reach::WAIT_TIMEOUT;
    loop {
        let row = row(&api, &planned.serial).await?;
        if wanted(&row) || Instant::now() > until {
            return Ok(waiting(&row));
        }
        sleep(Duration::from_millis(150)).await;
    }
}

/// The answer of CSSM to a file.
async fn answer(books: &Books, name: &str, file: Vec<u8>) -> Result<Vec<u8>> {
    let va = books.virtual_account().await?;
    let path = format!("{va}/usage-files?name={name}");
    let taken: Value = serde_json::from_slice(&books.cssm.bytes("POST", &path, file).await?)?;
    let path = format!("{}/usage-files/{}", books.account, taken["id"]);
    let until = Instant::now() + reach::WAIT_TIMEOUT;
    let mut seen = taken;
    while seen["status"] == "Processing" && Instant::now() < until {
        sleep(Duration::from_millis(150)).await;
        seen = books.cssm.json("GET", &path, None).await?;
    }
    ensure!(seen["status"] == "No Errors", "CSSM says of {name}: {}", seen["message"]);
    books.cssm.bytes("GET", &format!("{path}/acknowledgement"), Vec::new()).await
}

/// From a collector to CSSM and back.
pub(super) async fn from_collector(
    described: &Description,
    planned: &PlannedSwitch,
    books: &Books,
) -> Result<()> {
    wait_for_reports(described, planned, waits).await?;
    let api = collector(described, planned).await?;
    let instance = row(&api, &planned.serial).await?;
    if waiting(&instance) == 0 {
        return Ok(());
    }
    let ids = json!({ "ids": [instance["id"]] }).to_string().into_bytes();
    let bundle = api.bytes("POST", "/tenants/1/export", ids).await?;
    let name = format!("UD_{}.tar.gz", planned.name);
    let ack = answer(books, &name, bundle).await?;
    let done = api.bytes("POST", &format!("/tenants/1/import?name=ACK_{name}"), ack).await?;
    let done: Value = serde_json::from_slice(&done)?;
    ensure!(done["status"] == "Done", "the collector says of the ACK: {done}");
    say!("  {}: usage file carried from its collector to CSSM, ACK carried back", planned.name);
    Ok(())
}

/// From a switch to CSSM and back.
pub(super) async fn from_switch(
    plan: &Plan,
    planned: &PlannedSwitch,
    switch: &Switch,
    books: &Books,
) -> Result<()> {
    let flash = plan.dir.join(&planned.name).join("bootflash");
    // One of an earlier attempt is in the way.
    let _absent = std::fs::remove_file(flash.join("usage.txt"));
    let told = reach::run(&switch.ssh, "license smart save usage all bootflash:usage.txt").await?;
    ensure!(told.starts_with("Saved license usage"), "it saved no usage: {}", told.trim());
    let file = std::fs::read(flash.join("usage.txt"))?;
    let ack = answer(books, &format!("{}.txt", planned.name), file).await?;
    std::fs::write(flash.join("ACK_usage.txt"), ack)?;
    let told = reach::run(&switch.ssh, "license smart import bootflash:ACK_usage.txt").await?;
    ensure!(told.contains("Import Data Successful"), "it took no ACK: {}", told.trim());
    say!("  {}: usage file carried to CSSM, ACK carried back", planned.name);
    Ok(())
}
