//! `rumline cssm factory`: a switch that is known to CSSM before it speaks (PI-POL-011, PI-LIC-012).

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rumline_host::{Factory, Order, command::RELEASE};
use rumline_net::{Clock, pem_to_der};
use rumline_protocol::Udi;
use serde_json::Value;

use super::Api;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The account that the order names.
    smart_account: String,
    /// The virtual account.
    virtual_account: String,
    /// The folder of the switch, for `rumline switch --dir`.
    folder: PathBuf,
    /// Product id.
    #[arg(long, default_value = "N9K-C93180YC-FX3")]
    pid: String,
    /// Serial number; a random one when missing.
    #[arg(long)]
    serial: Option<String>,
    /// The release it is delivered with.
    #[arg(long, default_value = RELEASE)]
    release: String,
    /// The configuration it is delivered with: what that uses is reported.
    #[arg(long, value_name = "FILE")]
    startup_config: PathBuf,
    /// The root certificate it is provisioned with (CSSM's root.pem).
    #[arg(long, default_value = "cssm-data/root.pem")]
    root: PathBuf,
}

pub(super) async fn run(api: &Api, arguments: &Arguments) -> Result<()> {
    let Arguments { smart_account, virtual_account, folder, root, startup_config, .. } = arguments;
    // The account first: a switch that cannot be reported is not made.
    let account = api.smart_account(smart_account).await?;
    let path = api.virtual_account(smart_account, virtual_account).await?;
    let pem = std::fs::read(root).with_context(|| root.display().to_string())?;
    let config = std::fs::read(startup_config);
    let config = config.with_context(|| startup_config.display().to_string())?;
    let order = Order {
        dir: folder.clone(),
        pid: arguments.pid.clone(),
        serial: arguments.serial.clone(),
        release: arguments.release.clone(),
        config: rumline_switch::text_of(&config)
            .map_err(|error| anyhow::anyhow!("{}: {error}", startup_config.display()))?,
        root_certificate: pem_to_der(&pem)?.remove(0),
    };
    let (udi, installed) = deliver(api, (&account, &path), order, Clock::real()).await?;
    say!("{udi} is in {}, with {}.", folder.display(), installed.join(", "));
    Ok(())
}

/// Makes a switch, has CSSM take its first report, and installs what that answers; the paths are those of its account and
/// virtual account.
pub(crate) async fn deliver(
    api: &Api,
    (account, virtual_account): (&str, &str),
    order: Order,
    clock: Clock,
) -> Result<(Udi, Vec<String>)> {
    let mut factory = Factory::make(order, clock)?;
    let udi = factory.udi().clone();
    let report = factory.first_report()?;
    let name = rumline_web::in_query(&format!("factory-{}.txt", udi.serial));
    let taken =
        api.bytes("POST", &format!("{virtual_account}/usage-files?name={name}"), report).await?;
    let taken: Value = serde_json::from_slice(&taken)?;
    ensure!(taken["status"] == "No Errors", "CSSM did not take the first report: {taken}");
    let id = taken["id"].as_i64().context("CSSM names no usage file")?;
    let answer =
        api.bytes("GET", &format!("{account}/usage-files/{id}/acknowledgement"), vec![]).await?;
    Ok((udi, factory.finish(&answer)?))
}
