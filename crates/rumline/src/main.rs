//! Rumline: Smart Licensing Using Policy, self-hosted.
//!
//! One executable; its roles and tools are subcommands. This crate is wiring: it opens files and sockets, reads
//! the clock through `rumline-net`, and connects them to the pure crates below.
#![expect(clippy::print_stdout, reason = "a command's output goes to standard output")]

mod check_command;
mod collector_server;
mod cssm_admin;
mod cssm_server;
mod demo;
mod lab_clock;
mod server_parts;
mod sim_command;
mod switch_command;
mod verify_command;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "rumline", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A lab on loopback that shows the whole licensing loop and checks it.
    Demo(demo::Arguments),
    /// A Nexus-like switch, on the console and over SSH.
    Switch(switch_command::Arguments),
    /// CSSM, the portal and receiver; with a subcommand, its administration over the REST API.
    Cssm(cssm_server::Arguments),
    /// CSLU, the collector that stores and forwards for one account.
    Cslu(collector_server::CsluArguments),
    /// SSM On-Prem, the collector for many accounts.
    Onprem(collector_server::OnPremArguments),
    /// Tells what licensing files are, who signed them and what they say.
    Verify(verify_command::Arguments),
    /// Looks through a stopped switch's or server's data: what is damaged, what that costs, what to do.
    Check(check_command::Arguments),
    /// Prints the reference of all commands of a switch (docs/commands.md).
    Commands,
    /// Years of an estate in seconds, in a world that loses, delays and crashes.
    Sim(sim_command::Arguments),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("RUMLINE_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy();
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Switch(arguments) => switch_command::run(&arguments),
        Command::Cssm(arguments) => cssm_server::run(&arguments),
        Command::Cslu(arguments) => collector_server::run_cslu(&arguments),
        Command::Onprem(arguments) => collector_server::run_on_prem(&arguments),
        Command::Verify(arguments) => verify_command::run(&arguments),
        Command::Check(arguments) => check_command::run(&arguments),
        Command::Commands => {
            print!("{}", rumline_switch::command_reference());
            Ok(true)
        }
        Command::Sim(arguments) => sim_command::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(2)
        }
    }
}
