//! Rumline: Smart Licensing Using Policy, self-hosted.
//!
//! One executable; its roles and tools are subcommands. This crate is wiring: it opens files and sockets, reads
//! the clock through `rumline-net`, and connects them to the pure crates below.

#[macro_use(say)]
extern crate rumline_net;

mod admin;
mod backup;
mod check_command;
mod collector_admin;
mod collector_server;
mod configuration;
mod cssm_admin;
mod cssm_server;
mod database;
mod demo;
mod doctor_command;
mod forecast_command;
mod help_command;
mod image_command;
mod lab;
mod license_file_command;
mod mail_sender;
mod out;
mod provider_options;
mod repair_command;
mod server_parts;
mod sim_command;
mod verify_command;
mod witness_command;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "rumline",
    version,
    about,
    propagate_version = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A lab on loopback that shows the whole licensing loop and checks it.
    Demo(demo::Arguments),
    /// Labs of one's own, from a file: any topologies, any number of switches, faults on purpose.
    Lab(lab::Arguments),
    /// A Nexus-like switch, on the console and over SSH.
    Switch(Box<rumline_host::command::Arguments>),
    /// Makes the image of a release, which a switch installs.
    Image(image_command::Arguments),
    /// Makes a license file of before Smart Licensing Using Policy.
    LicenseFile(license_file_command::Arguments),
    /// Decides which of two supervisors on two hosts is active.
    Witness(witness_command::Arguments),
    /// CSSM, the portal and receiver; with a subcommand, its administration over the REST API.
    Cssm(Box<cssm_server::Arguments>),
    /// CSLU, the collector that stores and forwards for one account; with a subcommand, its administration.
    Cslu(Box<collector_server::CsluArguments>),
    /// SSM On-Prem, the collector for many accounts; with a subcommand, its administration.
    Onprem(Box<collector_server::OnPremArguments>),
    /// Tells what licensing files are, who signed them and what they say.
    Verify(verify_command::Arguments),
    /// Looks through a stopped switch's or server's data: what is damaged, what that costs, what to do.
    Check(check_command::Arguments),
    /// Makes anew in a stopped server's data what follows from something else: indexes, totals, what stands beside reports.
    Repair(repair_command::Arguments),
    /// Says what is wrong with licensing, and what mends it: from what devices printed, or of a running lab.
    Doctor(doctor_command::Arguments),
    /// Says what a switch will send when, and which alarms would come.
    Forecast(forecast_command::Arguments),
    /// Help of a command, or of a topic: questions, topologies, system messages, what to do when something is wrong, terms.
    Help(help_command::Arguments),
    /// Prints the reference of all commands of a switch.
    Commands,
    /// Prints the reference of what servers are configured by, or a file for one of them in which nothing is set.
    Configuration {
        /// The command of a server.
        #[arg(value_parser = ["cssm", "cslu", "onprem"])]
        server: Option<String>,
    },
    /// Prints what a shell completes commands and options with.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes a manual page for each command into a folder.
    Man {
        /// The folder.
        folder: std::path::PathBuf,
    },
    /// Years of an estate in seconds, in a world that loses, delays and crashes.
    Sim(sim_command::Arguments),
}

/// The variable that tells a process to end with the one that started it, however that ends.
pub(crate) const WITH_PARENT: &str = "RUMLINE_WITH_PARENT";

fn main() -> ExitCode {
    if std::env::var_os(WITH_PARENT).is_some() {
        let with_it = Some(rustix::process::Signal::TERM);
        // Where that cannot be asked for, whoever started it ends it.
        let _asked = rustix::process::set_parent_process_death_signal(with_it);
    }
    let typed = help_command::in_front(std::env::args_os().collect(), &Arguments::command());
    let command = match configuration::with_file(typed, &Arguments::command()) {
        Ok(typed) => Arguments::parse_from(typed).command,
        Err(error) => return failed(&error),
    };
    rumline_host::log::start(match &command {
        Command::Cssm(arguments) => arguments.process.log_format,
        Command::Cslu(arguments) => arguments.common.process.log_format,
        Command::Onprem(arguments) => arguments.common.process.log_format,
        _ => rumline_host::log::Format::default(),
    });
    let outcome = match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Switch(arguments) => rumline_host::command::run(&arguments),
        Command::Image(arguments) => image_command::run(&arguments),
        Command::LicenseFile(arguments) => license_file_command::run(&arguments),
        Command::Witness(arguments) => witness_command::run(&arguments),
        Command::Cssm(arguments) => cssm_server::run(&arguments),
        Command::Cslu(arguments) => collector_server::run_cslu(&arguments),
        Command::Onprem(arguments) => collector_server::run_on_prem(&arguments),
        Command::Verify(arguments) => verify_command::run(&arguments),
        Command::Check(arguments) => check_command::run(&arguments),
        Command::Repair(arguments) => repair_command::run(&arguments),
        Command::Doctor(arguments) => doctor_command::run(&arguments),
        Command::Forecast(arguments) => forecast_command::run(&arguments),
        Command::Help(arguments) => help_command::run(&arguments, Arguments::command()),
        Command::Commands => {
            say!("{}", rumline_switch::command_reference().trim_end());
            Ok(true)
        }
        Command::Configuration { server } => {
            let program = Arguments::command();
            let text = match server.as_deref().and_then(|server| program.find_subcommand(server)) {
                Some(server) => configuration::example(server),
                None => configuration::reference(&program),
            };
            say!("{}", text.trim_end());
            Ok(true)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "rumline", &mut text);
            say!("{}", String::from_utf8_lossy(&text).trim_end());
            Ok(true)
        }
        Command::Man { folder } => manual(&folder),
        Command::Sim(arguments) => sim_command::run(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // To a person, not to a log; where nobody can be told, the code still tells.
    let _told = writeln!(std::io::stderr(), "rumline: {error:#}");
    ExitCode::from(2)
}

/// Writes the manual pages.
fn manual(folder: &std::path::Path) -> anyhow::Result<bool> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Arguments::command(), folder)?;
    say!("The manual pages are in {}.", folder.display());
    Ok(true)
}
