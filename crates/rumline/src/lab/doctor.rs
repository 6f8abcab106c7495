//! `rumline doctor --lab`: what each switch says is wrong with its licensing, and what is seen of the servers.

use anyhow::{Result, ensure};

use super::description::Description;
use super::gather::Watcher;
use super::plan::Plan;
use super::reach;
use super::state::{Health, Server};

/// True if nothing is wrong.
pub(super) async fn doctor(plan: &Plan) -> Result<bool> {
    ensure!(
        Description::exists(&plan.dir),
        "there is no lab in {}: start it with `rumline lab up`",
        plan.dir.display()
    );
    let described = Description::read(&plan.dir)?;
    let state = Watcher::of(&plan.dir).look().await?;
    let mut is_well = true;
    for server in std::iter::once(&state.cssm).chain(&state.collectors) {
        is_well &= tell_server(server);
    }
    for switch in &described.switches {
        say!("{} (topology {}, {})", switch.name, switch.topology, switch.ssh.command());
        match reach::run(&switch.ssh, "show license doctor").await {
            Ok(said) => {
                is_well &= said.starts_with("No fault found.");
                for line in said.lines() {
                    say!("{}{line}", if line.is_empty() { "" } else { "  " });
                }
            }
            Err(_) => {
                is_well = false;
                say!("  It does not run: `rumline lab up` starts it.");
            }
        }
    }
    Ok(is_well)
}

fn tell_server(server: &Server) -> bool {
    say!("{} ({})", server.name, server.url);
    match server.health {
        Health::Down => say!("  It does not run: `rumline lab up` starts it."),
        Health::Good | Health::Waits => say!("  No fault found: {}.", server.says),
        Health::Bad => {
            say!("  {}:", server.says);
            for note in &server.notes {
                say!("    {note}");
            }
        }
    }
    matches!(server.health, Health::Good | Health::Waits)
}
