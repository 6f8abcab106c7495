//! Ways into what runs in a lab, from its description: REST APIs and SSH.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rumline_net::{SshClient, write_private};
use tokio::time::{Instant, sleep};

use super::description::{Collector, Cssm, Login, Ssh};
use crate::admin::Api;

/// Something that is to happen must happen within this.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_secs(25);
const LOOK_AGAIN: Duration = Duration::from_millis(150);

pub(crate) fn read_line(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.trim().to_owned())
}

pub(super) async fn cssm(cssm: &Cssm) -> Result<Api> {
    logged_in(&cssm.url, &cssm.ca_file, &cssm.admin, &cssm.api_token_file, "/smart-accounts").await
}

pub(super) async fn collector(collector: &Collector) -> Result<Api> {
    let token_file = collector.admin.password_file.with_extension("token");
    logged_in(&collector.url, &collector.ca_file, &collector.admin, &token_file, "/tenants").await
}

/// By the token that is kept, or by another one where that has ended.
async fn logged_in(
    url: &str,
    ca_file: &Path,
    login: &Login,
    token_file: &Path,
    probe: &str,
) -> Result<Api> {
    let kept = read_line(token_file).ok();
    let password = read_line(&login.password_file)?;
    let api = Api::new(url, ca_file, kept.clone())?.with_login(&login.user, &password);
    api.json("GET", probe, None).await.with_context(|| format!("{url} does not answer"))?;
    if let Some(token) = api.token().filter(|token| Some(token) != kept.as_ref()) {
        write_private(token_file, format!("{token}\n").as_bytes())?;
    }
    Ok(api)
}

/// Logs in on a switch.
pub(super) async fn switch(ssh: &Ssh) -> Result<SshClient> {
    let password = read_line(&ssh.password_file)?;
    let address = SocketAddr::new(ssh.host.parse()?, ssh.port);
    Ok(SshClient::log_in(address, &ssh.user, &password).await?)
}

/// Runs lines on a switch.
pub(crate) async fn run(ssh: &Ssh, lines: &str) -> Result<String> {
    let client = switch(ssh).await?;
    let output = client.run(lines).await?;
    client.log_out().await;
    Ok(output)
}

/// Repeats a command on a switch until its output holds what is wanted; returns the last output.
pub(crate) async fn wait_for(
    ssh: &Ssh,
    command: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<String> {
    wait_within(ssh, command, wanted, WAIT_TIMEOUT).await
}

/// The same within a time.
pub(super) async fn wait_within(
    ssh: &Ssh,
    command: &str,
    wanted: impl Fn(&str) -> bool,
    time: Duration,
) -> Result<String> {
    let until = Instant::now() + time;
    loop {
        // Just after a reload there is no login for a moment.
        let output = run(ssh, command).await.unwrap_or_default();
        if wanted(&output) || Instant::now() > until {
            return Ok(output);
        }
        sleep(LOOK_AGAIN).await;
    }
}
