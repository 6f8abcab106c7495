//! Speed and memory, each as a ratio against a limit measured in the same run, since the same machine is twice as
//! fast or slow an hour later.
//!
//! * `ingest`: raw CPU of parse + verify + sign, divided by the server's whole CPU for each acknowledged report, over
//!   HTTPS, durable, one report a request.
//! * `ingest-postgres URL`: the same in a PostgreSQL on this machine with nothing in it; the database's CPU beside it.
//! * `collector`: a CSLU's whole CPU for each report taken, against raw CPU of parse + group commit; forwarding by wire
//!   and by file against CSSM's own ingest; start and memory with 100,000 product instances.
//! * `estate`: what lists, totals and reports of CSSM cost with a million product instances, against ten thousand. Five
//!   minutes, 4 GB.
//! * `switch`: resident memory with SSH idle; a feature change against an fdatasync of the same disk.
//! * `paste`: 10,000 lines of configuration against 5,000, and how long a piece of them holds everybody else.
//! * `ways`: a decision by which VRF, interface and proxy a message leaves, with three VRFs.
//! * `waiting`: a switch cut off for ten years with a change each minute, against its first months; what saving a
//!   million changes takes, and CSSM to take them. Five minutes.
//! * `simulator`: 1,000 switches for a year on one core.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

mod collector;
mod estate;
mod ingest;
mod pair;
mod paste;
mod processes;
mod rounds;
mod switch;
mod waiting;
mod ways;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

/// Product instances that send at a time: a commit holds about as many reports as where a limit is measured.
const CONNECTIONS: usize = 256;

/// The same as the servers have: what is compared differs in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let only: Option<String> = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let build = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--quiet",
            "--package",
            "rumline",
            "--package",
            "rumline-host",
        ])
        .status()?;
    ensure!(build.success(), "the release build failed");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut own_ingest = None;
    if wanted("ingest") {
        own_ingest = Some(runtime.block_on(ingest::run(None))?);
    }
    // An empty database is to be named: what is in it would be counted too.
    if let Some(url) = std::env::args().nth(2).filter(|_| wanted("ingest-postgres")) {
        runtime.block_on(ingest::run(Some(&url)))?;
    }
    if wanted("collector") {
        runtime.block_on(collector::run(own_ingest))?;
    }
    if wanted("estate") {
        runtime.block_on(estate::run())?;
    }
    if wanted("switch") {
        runtime.block_on(switch::run())?;
    }
    if wanted("pair") {
        runtime.block_on(pair::run())?;
    }
    if wanted("paste") {
        paste::run()?;
    }
    if wanted("ways") {
        ways::run()?;
    }
    if wanted("waiting") {
        runtime.block_on(waiting::run())?;
    }
    if wanted("simulator") {
        simulator()?;
    }
    Ok(())
}

/// The release executable, beside this one.
fn rumline() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("no folder")?.join("rumline"))
}

/// CPU seconds this process has used.
fn cpu_seconds() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// Seconds on a clock that is never set.
fn wall_seconds() -> f64 {
    seconds(ClockId::Monotonic)
}

#[expect(clippy::cast_precision_loss, reason = "a bench needs no nanoseconds of years")]
fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn float(count: usize) -> f64 {
    count as f64
}

fn simulator() -> Result<()> {
    let started = wall_seconds();
    let output = Command::new(rumline()?)
        .args([
            "sim",
            "--calm",
            "--seed",
            "1",
            "--switches",
            "1000",
            "--days",
            "365",
            "--ops",
            "12",
        ])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let took = wall_seconds() - started;
    println!("simulator: 1000 switches, 365 days: {took:.1} s on one core");
    Ok(())
}
