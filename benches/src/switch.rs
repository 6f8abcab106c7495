//! A switch: its memory, and how long a change of features takes until it is durable.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rumline_agent::{Agent, Config, Environment, Input, LicenseUse, Profile};
use rumline_net::{FileDisk, OsRandom};
use rumline_protocol::{EntitlementTag, HaMember, RealSuite, Role, Timestamp, Udi};

use crate::processes::{self, Folder};

const ROUNDS: usize = 100;

pub(crate) async fn run() -> Result<()> {
    memory().await?;
    durable_change()
}

async fn memory() -> Result<()> {
    let folder = Folder::new("switch")?;
    let dir = folder.0.display().to_string();
    let password = format!("{dir}/password");
    let arguments =
        ["switch", "--dir", &dir, "--ssh", "127.0.0.1:0", "--admin-password-file", &password];
    let (process, _) = processes::start(&arguments, "ssh admin@").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let resident = processes::resident_kib(&process)?;
    println!("switch: resident with SSH idle {resident} KiB   (wanted: under 20000)");
    Ok(())
}

fn durable_change() -> Result<()> {
    let folder = Folder::new("change")?;
    let mut disk = FileDisk::open(&folder.0.join("store"))?;
    let mut random = OsRandom;
    let profile = Profile {
        members: vec![HaMember {
            role: Role::Active,
            sudi: Udi::new("N9K-C93180YC-FX3", "BENCH")?,
        }],
        software_tag: "bench".to_owned(),
        software_version: "10.4(3)".to_owned(),
        agent_version: "5.7.30_rel/108".to_owned(),
        root_certificate: Vec::new(),
    };
    let mut environment = Environment { disk: &mut disk, random: &mut random };
    let mut now = Timestamp(1_790_000_000);
    let suite = Arc::new(RealSuite);
    let mut agent = Agent::open(now, profile, Config::default(), suite, &mut environment)?;
    let license = LicenseUse {
        tag: EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_bench")?,
        name: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
        description: "LAN license for Nexus 9300-XF".to_owned(),
        count: 1,
    };
    let mut file = std::fs::File::create(folder.0.join("plain"))?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let (mut changes, mut syncs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // In turn, since the disk's speed changes by the minute.
        rustix::io::retry_on_intr(|| rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)))?;
        let started = crate::wall_seconds();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        syncs.push(crate::wall_seconds() - started);
        now = now + 1;
        let set = if round % 2 == 0 { vec![license.clone()] } else { Vec::new() };
        let started = crate::wall_seconds();
        let _effects = agent.handle(now, Input::Use(set), &mut environment);
        changes.push(crate::wall_seconds() - started);
    }
    let (change, sync) = (median(&mut changes), median(&mut syncs));
    println!(
        "switch: a feature change is durable in {:.2} ms, an fdatasync takes {:.2} ms: ratio {:.2}   \
         (wanted: under 3)",
        change * 1e3,
        sync * 1e3,
        change / sync
    );
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
