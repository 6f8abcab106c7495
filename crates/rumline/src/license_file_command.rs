//! `rumline license-file`: makes a license file of before Smart Licensing Using Policy, for a lab.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumline_catalogue::Catalogue;
use rumline_legacy::{Increment, LicenseFile, Terms};
use rumline_net::{Clock, OsRandom};
use rumline_protocol::random_hex;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The switch it is for, as show license host-id has it: VDH= and the serial number.
    #[arg(long, value_name = "VDH=SERIAL")]
    host_id: String,
    /// A package it holds, with how many where they are counted: LAN_ENTERPRISE_SERVICES_PKG, FC_PORT_ACTIVATION_PKG=8; may
    /// be repeated.
    #[arg(long = "package", value_name = "NAME[=COUNT]", required = true)]
    packages: Vec<String>,
    /// How many days it holds; for good where nothing is said.
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// Where it is written.
    #[arg(long, short)]
    output: PathBuf,
    #[command(flatten)]
    tables: rumline_host::Tables,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    arguments.tables.load_for_server()?;
    let serial = arguments.host_id.strip_prefix("VDH=").unwrap_or_default();
    let is_serial = !serial.is_empty() && serial.bytes().all(|b| b.is_ascii_alphanumeric());
    ensure!(is_serial, "the host id is VDH= and a serial number, not {}", arguments.host_id);
    let now = Clock::real().now();
    let file_id = random_hex(&mut OsRandom, 8).to_uppercase();
    let pak = random_hex(&mut OsRandom, 6).to_uppercase();
    let mut increments = Vec::new();
    for (line_id, package) in (1..).zip(&arguments.packages) {
        let (name, count) = match package.split_once('=') {
            None => (package.as_str(), None),
            Some((name, count)) => {
                let count = count.parse().ok().filter(|count| *count > 0);
                (name, Some(count.with_context(|| format!("{package}: the count is a number"))?))
            }
        };
        let known = Catalogue::nexus().package(name);
        let known = known.with_context(|| format!("there is no package {name}"))?;
        ensure!(!known.rtu, "{name} was held by the right to use, without a file");
        increments.push(Increment {
            name: name.to_owned(),
            count,
            terms: arguments
                .days
                .map_or(Terms::Permanent, |days| Terms::Until(now.plus_days(days))),
            file_id: file_id.clone(),
            line_id,
            pak: pak.clone(),
        });
    }
    let file = LicenseFile { host_id: arguments.host_id.clone(), increments };
    let path = &arguments.output;
    std::fs::write(path, file.write()).with_context(|| path.display().to_string())?;
    say!("{}: for {}, {} licenses", path.display(), file.host_id, file.increments.len());
    say!("Copy it to bootflash: of the switch, and give install license bootflash:NAME there");
    Ok(true)
}
