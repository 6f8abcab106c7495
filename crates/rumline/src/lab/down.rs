//! `rumline lab down`: ends all that runs, and removes what is asked to go.

use std::path::Path;

use anyhow::{Context, Result};

use super::background::Processes;
use super::folder;
use super::plan::Plan;

pub(super) async fn down(plan: &Plan, file: &Path, remove: bool) -> Result<bool> {
    let dir = &plan.dir;
    if !dir.exists() {
        say!("There is no lab: {} does not exist.", dir.display());
        return Ok(true);
    }
    folder::check(dir, file)?;
    let lock = rumline_net::lock_directory(dir)?;
    let processes = Processes::of(dir);
    let names = processes.names();
    let runs = names.iter().filter(|name| processes.number(name).is_some()).count();
    // Those who report end before those they report to.
    let (servers, others): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| name == "cssm");
    processes.stop(&others).await;
    processes.stop(&servers).await;
    say!("{runs} processes ended.");
    if remove {
        std::fs::remove_dir_all(dir)
            .with_context(|| format!("{} cannot be removed", dir.display()))?;
        say!("{} is removed.", dir.display());
    } else {
        say!("{} stays; `rumline lab up` goes on from there.", dir.display());
    }
    drop(lock);
    Ok(true)
}
