//! Two supervisors: what a change costs that is durable on both, how soon the other one answers after a kill, and what one
//! that waits takes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rumline_net::SshClient;
use tokio::process::Child;

use crate::processes::{self, Folder};
use crate::wall_seconds;

/// Changes in one command.
const CHANGES: usize = 40;
const ROUNDS: usize = 15;
/// The wanted ratio of a change on a pair to one on a switch alone.
const RATIO_MAX: f64 = 2.5;
const TAKE_OVERS: usize = 5;

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A chassis with two supervisors, and where it is managed.
struct Pair {
    folder: Folder,
    management: u16,
    supervisors: [Option<Child>; 2],
}

impl Pair {
    async fn start() -> Result<Self> {
        let folder = Folder::new("pair")?;
        let mut pair = Self { folder, management: free_port()?, supervisors: [None, None] };
        for slot in [0, 1] {
            pair.start_slot(slot).await?;
        }
        Ok(pair)
    }

    async fn start_slot(&mut self, slot: usize) -> Result<()> {
        let dir = self.folder.0.display().to_string();
        let (number, serial) = ((slot + 1).to_string(), format!("BENCHSUP{}", slot + 1));
        let (password, chassis) = (format!("{dir}/password"), format!("{dir}/chassis"));
        let (own, management) =
            (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", self.management));
        let arguments = [
            "--pid",
            "N9K-C9504",
            "--serial",
            &serial,
            "--chassis",
            &chassis,
            "--slot",
            &number,
            "--ssh",
            &own,
            "--management",
            &management,
            "--admin-password-file",
            &password,
        ];
        let (process, _) = processes::start_switch(&arguments, "supervisor ").await?;
        self.supervisors[slot] = Some(process);
        self.until(|text| slot == 0 || text.contains("[1,2]")).await
    }

    fn standing(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("chassis/standing")).unwrap_or_default()
    }

    async fn until(&self, is_right: impl Fn(&str) -> bool) -> Result<()> {
        for _ in 0..2_000 {
            if is_right(&self.standing()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("the pair does not come together: {}", self.standing())
    }

    async fn log_in(&self) -> Result<SshClient> {
        log_in(&self.folder, self.management).await
    }
}

async fn log_in(folder: &Folder, port: u16) -> Result<SshClient> {
    let password = std::fs::read_to_string(folder.0.join("password"))?;
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    Ok(SshClient::log_in(address, "admin", password.trim()).await?)
}

pub(crate) async fn run() -> Result<()> {
    let folder = Folder::new("alone")?;
    let dir = folder.0.display().to_string();
    let password = format!("{dir}/password");
    let arguments = [
        "--pid",
        "N9K-C9504",
        "--dir",
        &dir,
        "--ssh",
        "127.0.0.1:0",
        "--admin-password-file",
        &password,
    ];
    let (_alone, line) = processes::start_switch(&arguments, "ssh admin@").await?;
    let port = line.rsplit(' ').next().and_then(|port| port.parse().ok()).context("no port")?;
    let one = log_in(&folder, port).await?;
    let mut pair = Pair::start().await?;
    let both = pair.log_in().await?;
    let lines: Vec<&str> = std::iter::once("configure terminal")
        .chain(["feature itd", "no feature itd"].into_iter().cycle().take(CHANGES))
        .collect();
    let lines = lines.join(" ; ");
    let (mut alone, mut paired) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // In turn, since the disk's speed changes by the minute.
        for (client, times) in [(&one, &mut alone), (&both, &mut paired)] {
            let started = wall_seconds();
            client.run(&lines).await?;
            times.push((wall_seconds() - started) / CHANGES as f64);
        }
    }
    let (one_ms, both_ms) = (median(&mut alone) * 1e3, median(&mut paired) * 1e3);
    println!(
        "pair: a change is durable on one switch in {one_ms:.2} ms, on both supervisors in {both_ms:.2} ms: ratio {:.2}   \
         (wanted: under {RATIO_MAX})",
        both_ms / one_ms
    );
    let standby = pair.supervisors[1].as_ref().context("no standby")?;
    println!(
        "pair: the one that waits is resident with {} KiB   (wanted: under 14336)",
        processes::resident_kib(standby)?
    );
    take_overs(&mut pair).await
}

async fn take_overs(pair: &mut Pair) -> Result<()> {
    let mut took = Vec::new();
    for round in 0..TAKE_OVERS {
        pair.until(|text| text.contains("[1,2]")).await?;
        let slot = round % 2;
        let mut active = pair.supervisors[slot].take().context("no active supervisor")?;
        active.kill().await?;
        let started = wall_seconds();
        loop {
            if let Ok(client) = pair.log_in().await
                && client.run("show clock").await.is_ok()
            {
                break;
            }
            ensure!(wall_seconds() - started < 20.0, "nobody took over");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        took.push(wall_seconds() - started);
        pair.start_slot(slot).await?;
    }
    let worst = took.iter().copied().fold(0.0, f64::max);
    println!(
        "pair: from a kill to the first command that is answered {:.2} s, at most {worst:.2} s   (wanted: under 2)",
        median(&mut took)
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
