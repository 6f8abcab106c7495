//! `rumline witness`: who decides which of two supervisors on two hosts is active.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder in which it keeps who may speak; link.der and link.key of the chassis lie in it.
    #[arg(long, value_name = "DIR")]
    chassis: PathBuf,
    /// Where the supervisors reach it.
    #[arg(long, default_value = "127.0.0.1:7117")]
    listen: SocketAddr,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    rumline_host::run_witness(&arguments.chassis, arguments.listen)?;
    Ok(true)
}
