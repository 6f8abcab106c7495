//! `rumline lab`: labs of one's own, from a file: any topologies, any number of switches, faults on purpose.

mod background;
mod blocks;
mod books;
mod carry;
pub(crate) mod clone;
pub(crate) mod description;
mod doctor;
mod down;
mod fault;
mod file;
mod fleet;
mod folder;
mod gather;
mod layout;
mod lines;
pub(crate) mod page;
mod picture;
mod plan;
pub(crate) mod reach;
pub(crate) mod servers;
mod state;
mod status;
mod up;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use self::file::LabFile;
use self::plan::Plan;
use crate::out::Output;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Start what is down and make what is missing; it goes on when this command has ended.
    Up {
        /// The lab's file.
        file: PathBuf,
    },
    /// Show who runs, where, the last ACK, what waits, and faults. The exit status is 0 if all run.
    Status {
        /// The lab's file.
        file: PathBuf,
        /// How it is written.
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
    /// Serve the picture; `up` starts it.
    #[command(hide = true)]
    Page {
        /// The lab's file.
        file: PathBuf,
    },
    /// Stop all of it.
    Down {
        /// The lab's file.
        file: PathBuf,
        /// Remove the lab's folder too.
        #[arg(long)]
        remove: bool,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &arguments.command {
            Command::Up { file } => {
                let (file, plan) = planned(file)?;
                up::up(&plan, &file).await?;
                say!("\nThe lab is up. The picture: http://{}/", plan.page);
                Ok(true)
            }
            Command::Status { file, output } => {
                let (_, plan) = planned(file)?;
                status::status(&plan, *output).await
            }
            Command::Page { file } => {
                let (_, plan) = planned(file)?;
                page::run(&plan.dir, plan.page).await?;
                Ok(true)
            }
            Command::Down { file, remove } => {
                let (file, plan) = planned(file)?;
                down::down(&plan, &file, *remove).await
            }
        }
    })
}

/// What is wrong in a lab; true if nothing is.
pub(crate) fn doctor(file: &Path) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { doctor::doctor(&planned(file)?.1).await })
}

/// Reads a lab's file and thinks about it; returns where the file is, too.
fn planned(file: &Path) -> Result<(PathBuf, Plan)> {
    let file = file
        .canonicalize()
        .with_context(|| format!("the lab's file {} cannot be read", file.display()))?;
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let plan = LabFile::read(&text).and_then(|read| Plan::of(&read, &file));
    let plan = plan.with_context(|| file.display().to_string())?;
    Ok((file, plan))
}

/// Waits until somebody ends this process, and says how.
pub(crate) async fn told_to_end() -> Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = hang_up.recv() => "SIGHUP",
        _ = interrupt.recv() => "SIGINT",
    })
}
