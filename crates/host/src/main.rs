//! A Nexus-like switch alone: what `rumline switch` is, in an executable that holds nothing else and so takes less memory.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Nexus-like switch, on the console and over SSH.
#[derive(Parser)]
#[command(name = "rumline-switch", version)]
struct Executable {
    #[command(flatten)]
    switch: rumline_host::command::Arguments,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("RUMLINE_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match rumline_host::command::run(&Executable::parse().switch) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(2)
        }
    }
}
