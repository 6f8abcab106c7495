//! `rumline lab status`: the lab as a table.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::background::Processes;
use super::description::Description;
use super::gather::Watcher;
use super::plan::Plan;
use super::state::State;
use crate::out::{Column, Output, show, text};

const COLUMNS: &[Column] = &[
    text("Name", "name"),
    text("What", "what"),
    text("Topology", "topology"),
    text("Runs", "runs"),
    text("Process", "process"),
    text("Address", "address"),
    text("Last ACK", "last_ack"),
    text("Waits", "waiting"),
    text("State", "says"),
    text("Fault", "fault"),
];

/// True if all runs.
pub(super) async fn status(plan: &Plan, output: Output) -> Result<bool> {
    ensure!(
        Description::exists(&plan.dir),
        "there is no lab in {}: start it with `rumline lab up`",
        plan.dir.display()
    );
    let state = Watcher::of(&plan.dir).look().await?;
    let processes = Processes::of(&plan.dir);
    let mut rows = rows(&state, |name| processes.number(name));
    let page = processes.number("page");
    rows.push(json!({
        "name": "page", "what": "picture", "runs": page.is_some(), "process": page,
        "address": format!("http://{}/", plan.page),
        "says": if page.is_some() { "served" } else { "does not run" },
    }));
    let all_run = rows.iter().all(|row| row["runs"] == true);
    show(output, &Value::Array(rows), COLUMNS);
    Ok(all_run)
}

fn rows(state: &State, process: impl Fn(&str) -> Option<i32>) -> Vec<Value> {
    let servers = std::iter::once(&state.cssm).chain(&state.collectors).map(|one| {
        // CSSM's process has a name of its own.
        let name = if one.topology.is_none() { "cssm" } else { &one.name };
        json!({
            "name": one.name, "what": one.title, "topology": one.topology, "runs": one.runs,
            "process": process(name), "address": one.url, "last_ack": null,
            "waiting": one.connected.map(|_| one.waiting), "says": one.says, "fault": one.fault,
            "notes": one.notes,
        })
    });
    let switches = state.switches.iter().map(|one| {
        json!({
            "name": one.name, "what": one.pid, "topology": one.topology, "runs": one.runs,
            "process": process(&one.name), "address": one.ssh, "last_ack": one.last_ack,
            "waiting": one.waiting, "says": one.says, "fault": one.fault,
            "serial": one.serial, "url": one.url, "messages": one.messages,
        })
    });
    servers.chain(switches).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::state;
    use super::*;

    #[test]
    fn everyone_has_a_row() {
        let rows = rows(&state(), |name| (name == "cssm").then_some(7));
        assert_eq!(rows.len(), 8);
        assert_eq!(rows[0]["process"], 7);
        assert_eq!(rows[4]["address"], "ssh admin@127.0.0.1 -p 2222");
        assert_eq!(rows[4]["runs"], false);
    }
}
