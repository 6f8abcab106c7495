//! `rumline doctor`: what is wrong with licensing, from what devices printed or of a running lab.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumline_doctor::{Reading, diagnose, read, render};
use rumline_net::OsRandom;
use rumline_protocol::SimulatedSuite;
use rumline_switch::signs_of_configuration;

/// More of a text is not looked at.
const TEXT_BYTES_MAX: u64 = 64 << 20;

#[derive(Args)]
pub(crate) struct Arguments {
    /// What devices printed: show license status, all or tech support, show tech-support license, configurations, system
    /// messages; of NX-OS and of IOS XE. `-` is the standard input.
    #[arg(required_unless_present = "lab")]
    files: Vec<PathBuf>,
    /// A running lab's file: asks each switch, and looks at the servers.
    #[arg(long, conflicts_with = "files")]
    lab: Option<PathBuf>,
}

/// True if nothing is wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if let Some(lab) = &arguments.lab {
        return crate::lab::doctor(lab);
    }
    let mut is_well = true;
    for (place, path) in arguments.files.iter().enumerate() {
        if place > 0 {
            say!();
        }
        is_well &= file(path)?;
    }
    Ok(is_well)
}

fn text_of(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source: Box<dyn std::io::Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(|| path.display().to_string())?)
    };
    let read = source.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| path.display().to_string())?;
    ensure!(
        bytes.len() as u64 <= TEXT_BYTES_MAX,
        "{} has more than {} MiB: give the part that is about licensing",
        path.display(),
        TEXT_BYTES_MAX >> 20
    );
    Ok(bytes)
}

fn file(path: &Path) -> Result<bool> {
    let bytes = text_of(path)?;
    let mut reading = read(&bytes);
    if reading.is_nxos_config {
        let text = String::from_utf8_lossy(&bytes);
        let signs = signs_of_configuration(&text, Arc::new(SimulatedSuite), &mut OsRandom);
        reading.signs.extend(signs);
    }
    say!("{}: {}", path.display(), about(&reading));
    if reading.parts.is_empty() {
        say!(
            "  Give what `show license all`, `show license tech support` or `show logging` prints, or a configuration."
        );
        return Ok(false);
    }
    let findings = diagnose(reading.signs);
    for line in render(&findings).lines() {
        say!("{}{line}", if line.is_empty() { "" } else { "  " });
    }
    Ok(findings.is_empty())
}

/// Of whom a text is, and what was found in it.
fn about(reading: &Reading) -> String {
    if reading.parts.is_empty() {
        return "nothing in it is about licensing".to_owned();
    }
    let udi = reading.udi.as_ref().map(|udi| format!("{udi}, ")).unwrap_or_default();
    format!("{}, {udi}{}", reading.platform.name(), reading.parts.join(", "))
}
