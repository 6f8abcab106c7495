//! A switch that nobody acknowledges: what its time and memory come to after years, and what saving a million changes takes.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use rumline_agent::{
    Agent, Config, Disk, DiskError, Environment, Input, LicenseUse, Profile, SaveScope,
};
use rumline_net::OsRandom;
use rumline_protocol::{EntitlementTag, HaMember, RealSuite, Role, Timestamp, Udi};

use crate::collector::start_cssm;
use crate::processes::{self, Folder};

const CHANGES: usize = 1_000_000;
const MONTH_MINUTES: usize = 30 * 24 * 60;
const MONTHS: usize = 120;

/// Files without fsync: what is measured is the switch, not the disk.
struct Unsynced(PathBuf);

impl Unsynced {
    fn put(&self, name: &str, bytes: &[u8], append: bool) -> Result<(), DiskError> {
        let path = self.0.join(name);
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(append).truncate(!append);
        let written = options.open(path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| DiskError::Other(error.to_string()))
    }
}

impl Disk for Unsynced {
    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(fs::read(self.0.join(name)).ok())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.put(name, bytes, false)
    }

    fn overwrite(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.put(name, bytes, false)
    }

    fn extend(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.put(name, bytes, true)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        self.put(name, bytes, true)
    }

    fn remove(&mut self, name: &str) -> Result<(), DiskError> {
        let _best_effort = fs::remove_file(self.0.join(name));
        Ok(())
    }

    fn list(&mut self, _prefix: &str) -> Result<Vec<String>, DiskError> {
        Ok(Vec::new())
    }
}

/// A line of this process's status, in KiB.
fn own_kib(name: &str) -> Result<u64> {
    processes::status_kib("self", name)
}

pub(crate) async fn run() -> Result<()> {
    let folder = Folder::new("waiting")?;
    let store = folder.0.join("store");
    fs::create_dir_all(store.join("rum"))?;
    let (mut disk, mut random) = (Unsynced(store), OsRandom);
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
    let mut now = Timestamp(1_300_000_000 + 100_000_000);
    let mut environment = Environment { disk: &mut disk, random: &mut random };
    let suite = Arc::new(RealSuite);
    let mut agent = Agent::open(now, profile, Config::default(), suite, &mut environment)?;
    let tag = EntitlementTag::new("regid.2019-06.com.cisco.LAN_Nexus9300_XF,1.0_bench")?;
    let mut minute = |agent: &mut Agent, number: usize, environment: &mut Environment<'_>| {
        now = now + 60;
        let license = LicenseUse {
            tag: tag.clone(),
            name: "LAN_ENTERPRISE_SERVICES_PKG".to_owned(),
            description: "LAN license for Nexus 9300-XF".to_owned(),
            count: 1 + u32::try_from(number % 5).unwrap_or(0),
        };
        for effect in agent.handle(now, Input::Use(vec![license]), environment) {
            drop(effect);
        }
        now
    };
    let file = folder.0.join("usage.txt");
    let mut months = Vec::with_capacity(MONTHS);
    let mut number = 0;
    for _ in 0..MONTHS {
        let began = crate::cpu_seconds();
        for _ in 0..MONTH_MINUTES {
            let now = minute(&mut agent, number, &mut environment);
            number += 1;
            if number == CHANGES {
                let before = crate::cpu_seconds();
                save(&mut agent, now, &file, &mut environment)?;
                println!("  saved in {:.1} s", crate::cpu_seconds() - before);
            }
        }
        months.push(crate::cpu_seconds() - began);
    }
    let first = (months[0] + months[1] + months[2]) / 3.0;
    let last = months[MONTHS - 3..].iter().sum::<f64>() / 3.0;
    let counts = agent.report_counts();
    println!(
        "waiting: ten years with a change each minute: an hour costs {:.2} x that of the first months (wanted: 1.05), \
         {:.0} us a change; resident {} KiB (wanted: under 20000); reports {counts:?}",
        last / first,
        first / crate::float(MONTH_MINUTES) * 1e6,
        own_kib("VmRSS:")?
    );
    let cssm = start_cssm(&folder.0.join("cssm").display().to_string()).await?;
    let upload = "/smart-accounts/1/virtual-accounts/1/usage-files?name=usage.txt";
    let began = crate::wall_seconds();
    let told = cssm.send("POST", upload, fs::read(&file)?).await?;
    let told: serde_json::Value = serde_json::from_slice(&told)?;
    ensure!(told["status"] == "No Errors", "{told}");
    let id = cssm.process.id().context("CSSM has ended")?.to_string();
    println!(
        "waiting: CSSM takes that file in {:.1} s, with at most {} KiB resident (wanted: 150000); {}",
        crate::wall_seconds() - began,
        processes::status_kib(&id, "VmHWM:")?,
        told["message"]
    );
    Ok(())
}

fn save(
    agent: &mut Agent,
    now: Timestamp,
    path: &PathBuf,
    environment: &mut Environment<'_>,
) -> Result<()> {
    // The most that was resident is counted from here.
    fs::write("/proc/self/clear_refs", "5")?;
    let begun = agent.begin_usage_file(now, SaveScope::All, environment);
    let mut usage = begun.map_err(|error| anyhow!(error))?;
    let mut out = BufWriter::new(File::create(path)?);
    while let Some(piece) =
        agent.usage_file_piece(&mut usage, environment).map_err(|error| anyhow!(error))?
    {
        out.write_all(piece.as_bytes())?;
    }
    out.flush()?;
    agent.usage_saved(now, &usage, environment);
    println!(
        "waiting: {CHANGES} changes saved, {} MiB, with at most {} KiB resident (wanted: 32000)",
        fs::metadata(path)?.len() >> 20,
        own_kib("VmHWM:")?
    );
    Ok(())
}
