//! `rumline sim`.

use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The seed; the same seed gives the same world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    println!("{}", arguments.seed);
    Ok(true)
}
