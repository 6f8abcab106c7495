//! `rumline demo`: a lab on loopback that shows the licensing loop, topology by topology, and checks it.

mod checks;
mod collected;
mod collector;
mod discovery;
mod lab;
mod older;
mod pair;
mod processes;
mod proxy;
mod restored;
mod topology2;
mod topology6;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use self::checks::Checks;
use self::lab::Lab;
use crate::lab::servers::Flavour;
use crate::lab::told_to_end;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run one topology alone: 1 (CSLU), 2 (directly to CSSM), 3 (CSLU, by file), 4 (SSM On-Prem), 5 (SSM On-Prem, by
    /// file) or 6 (no connection, by file).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=6))]
    topology: Option<u32>,
    /// Leave the lab up at the end and print how to log in.
    #[arg(long)]
    keep: bool,
    /// Where the lab's files lie; a new temporary directory when missing.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How fast the lab's clock runs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Print what `show license status` says on each switch, and every check.
    #[arg(long)]
    verbose: bool,
    /// A real configuration for the first switch, instead of the project's own.
    #[arg(long)]
    startup_config: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let topologies: Vec<u32> =
        arguments.topology.map_or_else(|| (1..=6).collect(), |only| vec![only]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_lab(arguments, &topologies))
}

async fn run_lab(arguments: &Arguments, topologies: &[u32]) -> Result<bool> {
    let mut lab = Lab::start(arguments.dir.as_deref(), arguments.rate, arguments.verbose).await?;
    // However it goes, nothing of it is left behind.
    let outcome = tokio::select! {
        outcome = show(&mut lab, arguments, topologies) => outcome,
        signal = told_to_end() => signal.and_then(|signal| bail!("ended by {signal}")),
    };
    lab.end().await;
    outcome
}

/// What the guide calls a topology (p. 18).
fn name_of(topology: u32) -> &'static str {
    match topology {
        1 => "connected to CSSM through CSLU",
        2 => "directly connected to CSSM",
        3 => "CSLU disconnected from CSSM",
        4 => "connected to CSSM through SSM On-Prem",
        5 => "SSM On-Prem disconnected from CSSM",
        _ => "no connectivity to CSSM and no CSLU",
    }
}

/// After all that was done to it a switch is well, and says so.
async fn doctor(lab: &Lab, topology: u32, switch: usize, checks: &mut Checks) -> Result<()> {
    // One that was turned off for good is not asked.
    if !lab.runs(switch) {
        return Ok(());
    }
    // What was refused on purpose is over with the next answer.
    if topology != 6 {
        lab.run(switch, "license smart sync all").await?;
    }
    let silent = |said: &str| said == "No fault found.\n";
    let said = lab.wait_for(switch, "show license doctor", silent).await?;
    let what = format!("{}: the doctor finds nothing", lab.switches[switch].name);
    checks.add(topology, &what, silent(&said), &said);
    Ok(())
}

async fn show(lab: &mut Lab, arguments: &Arguments, topologies: &[u32]) -> Result<bool> {
    let mut checks = Checks::default();
    for topology in topologies {
        let before = lab.switches.len();
        lab.heading(&format!("Topology {topology}, {}", name_of(*topology)));
        match topology {
            2 => {
                topology2::run(lab, arguments.startup_config.as_deref(), &mut checks).await?;
                pair::run(lab, &mut checks).await?;
                older::run(lab, &mut checks).await?;
            }
            6 => topology6::run(lab, &mut checks).await?,
            topology => {
                let flavour = Flavour::of(*topology).context("no collector")?;
                collected::run(lab, flavour, &mut checks).await?;
            }
        }
        for switch in before..lab.switches.len() {
            doctor(lab, *topology, switch, &mut checks).await?;
        }
    }
    lab.show_cssm().await?;
    let held = checks.show(arguments.verbose);
    if arguments.keep {
        lab.keep().await?;
        told_to_end().await?;
    }
    Ok(held)
}
