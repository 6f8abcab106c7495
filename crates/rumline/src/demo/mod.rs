//! `rumline demo`: a lab on loopback that shows the licensing loop, topology by topology, and checks it.

mod checks;
mod lab;
mod topology2;
mod topology6;

use std::path::PathBuf;

use anyhow::{Result, bail};

use self::checks::Checks;
use self::lab::Lab;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run one topology alone: 2 (directly to CSSM) or 6 (no connection, by file).
    #[arg(long)]
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
    /// A real configuration for the first switch, instead of the project's own.
    #[arg(long)]
    startup_config: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let topologies: Vec<u32> = match arguments.topology {
        None => vec![2, 6],
        Some(number @ (2 | 6)) => vec![number],
        Some(number) => bail!("topology {number} is not part of this release; there are 2 and 6"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_lab(arguments, &topologies))
}

async fn run_lab(arguments: &Arguments, topologies: &[u32]) -> Result<bool> {
    let mut checks = Checks::default();
    let mut lab = Lab::start(arguments.dir.as_deref(), arguments.rate).await?;
    for topology in topologies {
        match topology {
            2 => {
                topology2::run(&mut lab, arguments.startup_config.as_deref(), &mut checks).await?;
            }
            _ => topology6::run(&mut lab, &mut checks).await?,
        }
    }
    lab.show_cssm().await?;
    let held = checks.show();
    if arguments.keep {
        lab.keep().await?;
    }
    lab.end().await;
    Ok(held)
}
