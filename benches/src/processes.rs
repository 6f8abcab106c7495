//! Processes under test and what the kernel says of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A folder that goes with the value.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        // Beside the build, so that it lies on the disk that is meant and not in memory.
        let own = std::env::current_exe()?;
        let parent = own.parent().context("no folder")?;
        let path = parent.join(format!("bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.0);
    }
}

/// Starts a process and waits for the line that says it is up.
pub(crate) async fn start(arguments: &[&str], up: &str) -> Result<(Child, String)> {
    run(&crate::rumline()?, arguments, up).await
}

/// The same of a switch alone, in the executable that holds nothing else.
pub(crate) async fn start_switch(arguments: &[&str], up: &str) -> Result<(Child, String)> {
    run(&crate::rumline()?.with_file_name("rumline-switch"), arguments, up).await
}

async fn run(executable: &Path, arguments: &[&str], up: &str) -> Result<(Child, String)> {
    let mut process = Command::new(executable)
        .args(arguments)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        if line.contains(up) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((process, line));
        }
    }
    bail!("{arguments:?} did not come up")
}

/// CPU seconds a process has used.
pub(crate) fn cpu_seconds(process: &Child) -> Result<f64> {
    let id = process.id().context("the process has ended")?;
    ticks(&fs::read_to_string(format!("/proc/{id}/stat"))?)
}

/// The same of all processes of this machine that have a name.
pub(crate) fn cpu_seconds_named(name: &str) -> Result<f64> {
    let mut sum = 0.0;
    for entry in fs::read_dir("/proc")? {
        // A process may end meanwhile.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        if stat.contains(&format!("({name})")) {
            sum += ticks(&stat)?;
        }
    }
    Ok(sum)
}

/// The CPU seconds that a line of the kernel tells.
fn ticks(stat: &str) -> Result<f64> {
    let after_name = stat.rsplit_once(')').context("no stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// The same in nanoseconds, of the threads that there are.
pub(crate) fn cpu_nanos(process: &Child) -> Result<u64> {
    let id = process.id().context("the process has ended")?;
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{id}/task"))? {
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        sum += text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(process: &Child) -> Result<u64> {
    status_kib(&process.id().context("the process has ended")?.to_string(), "VmRSS:")
}

/// A line of a process's status, in KiB.
pub(crate) fn status_kib(id: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
