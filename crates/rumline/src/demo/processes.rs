//! The processes of the demo's lab: they end with it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumline_net::LabClock;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::lab::servers::{self, CSSM_UP, SWITCH_UP};

/// A process must be up within this.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks a process to end, and insists after a while.
pub(super) async fn terminate(process: &mut Child) -> Result<()> {
    if let Some(id) = process.id() {
        let id = rustix::process::Pid::from_raw(i32::try_from(id)?).context("no process id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
    }
    if tokio::time::timeout(Duration::from_secs(15), process.wait()).await.is_err() {
        process.kill().await?;
    }
    Ok(())
}

/// The same, of what may have ended already.
pub(super) async fn stop(process: &mut Option<Child>) -> Result<()> {
    match process.take() {
        Some(mut process) => terminate(&mut process).await,
        None => Ok(()),
    }
}

/// Starts a switch; returns where its SSH listens.
pub(super) async fn run_switch(options: &[String], ssh: &str) -> Result<(Child, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(options).args(["--ssh", ssh]);
    let (process, lines) = start(command, SWITCH_UP).await?;
    let line = &lines[0];
    let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
    let port: u16 = port.with_context(|| format!("no port in {line:?}"))?;
    Ok((process, SocketAddr::from(([127, 0, 0, 1], port))))
}

pub(super) async fn start_cssm(
    dir: &Path,
    clock: LabClock,
    listen: &str,
) -> Result<(Child, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(servers::cssm(dir, clock, listen));
    let (process, lines) = start(command, CSSM_UP).await?;
    let url = lines[0].rsplit(' ').next().unwrap_or_default().to_owned();
    Ok((process, url))
}

/// Starts a process and waits for the lines that say it is up, in this order.
pub(super) async fn start(mut command: Command, up: &[&str]) -> Result<(Child, Vec<String>)> {
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .env(crate::WITH_PARENT, "1")
        .kill_on_drop(true)
        .spawn()
        .context("a process of the lab cannot be started")?;
    let output = process.stdout.take().context("no output")?;
    let mut lines = BufReader::new(output).lines();
    let wait = async {
        let mut said = Vec::new();
        while let Some(wanted) = up.get(said.len()) {
            match lines.next_line().await? {
                Some(line) if line.contains(wanted) => said.push(line),
                Some(_) => {}
                None => bail!("a process of the lab ended before it was up"),
            }
        }
        Ok(said)
    };
    let said = tokio::time::timeout(START_TIMEOUT, wait)
        .await
        .context("a process of the lab did not come up in time")??;
    // What it says later is read and dropped, so that it never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((process, said))
}
