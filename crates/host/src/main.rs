//! A Nexus-like switch alone: what `rumline switch` is, in an executable that holds nothing else and so takes less memory.

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
    rumline_host::log::start(rumline_host::log::Format::Text);
    match rumline_host::command::run(&Executable::parse().switch) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(2)
        }
    }
}
