//! Devices that a lab has for the sake of a fault: the copy of a switch, and one that uses up a token and is gone.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::time::{Duration, Instant, sleep};

use super::books::Books;
use super::description::{Description, Switch};
use super::fleet::done_file;
use super::lines::{self, SYNC, Way};
use super::plan::PlannedSwitch;
use super::reach;
use super::servers::SWITCH_UP;
use super::up::Up;

/// Copies a folder with all that lies in it.
pub(crate) fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    Ok(())
}

/// Makes the copy of a switch, and lets both report until CSSM has noticed.
pub(super) async fn make(
    up: &mut Up<'_>,
    (original, of): (&PlannedSwitch, &Switch),
    (planned, switch): (&PlannedSwitch, &Switch),
    described: &Description,
    books: &Books,
) -> Result<()> {
    let plan = up.plan;
    let done = done_file(plan, &planned.name);
    if !done.exists() {
        up.processes.stop(std::slice::from_ref(&original.name)).await;
        copy_dir(&plan.dir.join(&original.name), &plan.dir.join(&planned.name))?;
    }
    for one in [original, planned] {
        let words = up.switch_words(one, described)?;
        up.start(&one.name, &words).await?;
        up.processes.wait(&one.name, SWITCH_UP).await?;
    }
    if !done.exists() {
        for (ssh, line) in [(&of.ssh, "feature itd"), (&switch.ssh, "feature tunnel")] {
            let host = if ssh.port == switch.ssh.port { &planned.name } else { &original.name };
            let lines = format!(
                "configure terminal\nhostname {host}\n{line}\nend\n\
                 copy running-config startup-config"
            );
            reach::run(ssh, &lines).await?;
        }
        // A use of no second is no use.
        sleep(Duration::from_millis(1100)).await;
        std::fs::write(&done, "cloned\n")?;
    }
    let until = Instant::now() + reach::WAIT_TIMEOUT;
    let mut alert = alert(books, &planned.serial).await?;
    while alert.is_none() && Instant::now() < until {
        for ssh in [&of.ssh, &switch.ssh] {
            reach::run(ssh, SYNC).await?;
        }
        sleep(Duration::from_millis(500)).await;
        alert = self::alert(books, &planned.serial).await?;
    }
    let alert = alert.unwrap_or_else(|| "CSSM has not noticed yet".to_owned());
    say!("  {}: fault clone: {alert}", planned.name);
    Ok(())
}

/// What CSSM has to say of a switch and its clone.
async fn alert(books: &Books, serial: &str) -> Result<Option<String>> {
    let path = format!("{}/alerts?limit=1000", books.account);
    let all = books.cssm.json("GET", &path, None).await?;
    let rows = all.as_array().into_iter().flatten();
    let mut of = rows.filter(|row| {
        row["subject"].as_str().is_some_and(|text| text.contains(serial)) && row["kind"] == "clone"
    });
    Ok(of.find_map(|row| row["text"].as_str().map(str::to_owned)))
}

/// Another device uses a token once, and is gone.
pub(super) async fn use_up(
    up: &Up<'_>,
    planned: &PlannedSwitch,
    switch: &Switch,
    token: &str,
    receiver: &str,
) -> Result<()> {
    let name = format!("{}-before", planned.name);
    let dir = up.plan.dir.join(&name);
    let password_file = super::servers::switch_password_file(&up.plan.dir, &name);
    let before =
        PlannedSwitch { name: name.clone(), serial: super::plan::serial(&name), ..planned.clone() };
    let udi = (before.pid.as_str(), before.serial.as_str());
    let config = up.plan.dir.join(format!("{name}.cfg"));
    std::fs::write(&config, format!("hostname {name}\n"))?;
    let mut words = super::servers::switch(&up.plan.dir, up.clock, &name, udi, std::iter::empty());
    // Any port: nobody looks for it again.
    words.extend(["--ssh", "127.0.0.1:0"].map(str::to_owned));
    up.processes.start(&name, &words)?;
    let outcome = async {
        let said = up.processes.wait(&name, SWITCH_UP).await?;
        let port = said.first().and_then(|line| line.rsplit(' ').next()?.parse().ok());
        let mut ssh = switch.ssh.clone();
        ssh.port = port.context("a switch said nothing of its port")?;
        ssh.password_file = password_file.clone();
        let lines = format!("{}\n{}", Way::Smart(receiver).lines(), lines::trust(token));
        reach::run(&ssh, &lines).await?;
        let installed = |log: &str| log.contains("TRUST_CODE_INSTALL_SUCCESS");
        reach::wait_for(&ssh, "show logging", installed).await
    };
    let outcome = outcome.await;
    up.processes.stop(std::slice::from_ref(&name)).await;
    std::fs::remove_dir_all(&dir)?;
    for file in [password_file, config, up.processes.log_file(&name)] {
        let _gone = std::fs::remove_file(file);
    }
    outcome.map(|_| ())
}
