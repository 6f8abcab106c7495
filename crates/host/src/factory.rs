//! A switch before it is delivered: its folder is made, its first report written, and what CSSM answers installed, without a
//! process that runs (PI-POL-011, PI-LIC-012).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rumline_agent::{Disk, MemoryDisk};
use rumline_net::{Clock, FileDisk, OsRandom};
use rumline_protocol::{RealSuite, SimulatedSuite, Udi};
use rumline_switch::{Devices, Hardware, Outcome, Session, Switch};

use crate::command::{Label, keep_label, kept_label, random_serial};

/// The file with the first report, and the one with the answer; neither stays.
const REPORT: &str = "factory-report.txt";
const ANSWER: &str = "factory-answer.txt";

/// What was ordered.
pub struct Order {
    /// The folder of the switch; there must be no switch in it.
    pub dir: PathBuf,
    /// Product id.
    pub pid: String,
    /// Serial number; a random one where there is none.
    pub serial: Option<String>,
    /// The release it is delivered with.
    pub release: String,
    /// Its startup configuration.
    pub config: String,
    /// The root certificate it is provisioned with, DER.
    pub root_certificate: Vec<u8>,
}

/// A switch at its factory.
pub struct Factory {
    switch: Switch,
    session: Session,
    store: FileDisk,
    flash: FileDisk,
    random: OsRandom,
    clock: Clock,
}

impl Factory {
    /// Makes the folder, with the configuration saved.
    ///
    /// # Errors
    /// When there is a switch already, there can be no such switch, its configuration uses no license, or the folder cannot be written.
    pub fn make(order: Order, clock: Clock) -> Result<Self> {
        let Order { dir, pid, serial, release, config, root_certificate } = order;
        ensure!(kept_label(&dir)?.is_none(), "{} holds a switch already", dir.display());
        let serial = serial.unwrap_or_else(random_serial);
        let (maker_key, links) = (None, BTreeSet::new());
        let with_defects = false;
        let hardware =
            Hardware { pid, serial, release, root_certificate, maker_key, links, with_defects };
        let (_, release, _) = hardware.check()?;
        ensure!(
            release.has_slp(),
            "{} is of before Smart Licensing Using Policy, and nothing is made at the factory for it",
            release.version
        );
        uses_something(&hardware, &config, clock)?;
        let label = Label { pid: hardware.pid.clone(), serial: hardware.serial.clone() };
        keep_label(&label, &hardware.release, &dir)?;
        let mut store = FileDisk::open(&dir.join("store")).context("the switch's store")?;
        let mut flash = FileDisk::open(&dir.join("bootflash")).context("bootflash")?;
        let mut random = OsRandom;
        let (now, suite) = (clock.now(), Arc::new(RealSuite));
        let mut devices = Devices { store: &mut store, flash: &mut flash, random: &mut random };
        let (switch, _) =
            Switch::boot(now, &hardware, suite, Some(&config), "Factory", &mut devices)?;
        let session = Session::for_program("admin");
        let mut factory = Self { switch, session, store, flash, random, clock };
        factory.run("copy running-config startup-config")?;
        Ok(factory)
    }

    /// Who it is.
    #[must_use]
    pub fn udi(&self) -> &Udi {
        self.switch.udi()
    }

    /// Its first report, with the request for a trust code, as a usage file.
    ///
    /// # Errors
    /// When a disk fails.
    pub fn first_report(&mut self) -> Result<Vec<u8>> {
        self.run(&format!("license smart save usage all file bootflash:{REPORT}"))?;
        let report = self.flash.read(REPORT)?.context("the usage file is gone")?;
        self.flash.remove(REPORT)?;
        Ok(report)
    }

    /// Installs what CSSM answered, and turns the switch off; what was installed.
    ///
    /// # Errors
    /// When the answer is not for this switch, or a disk fails.
    pub fn finish(mut self, answer: &[u8]) -> Result<Vec<String>> {
        self.flash.write(ANSWER, answer)?;
        let told = self.run(&format!("license smart import bootflash:{ANSWER}"))?;
        self.flash.remove(ANSWER)?;
        let now = self.clock.now();
        let (switch, mut devices) = self.parts();
        switch.shut_down(now, &mut devices);
        Ok(told.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect())
    }

    fn parts(&mut self) -> (&mut Switch, Devices<'_>) {
        let Self { switch, store, flash, random, .. } = self;
        (switch, Devices { store, flash, random })
    }

    /// Gives a command; what it answers.
    fn run(&mut self, line: &str) -> Result<String> {
        let now = self.clock.now();
        let Self { switch, session, store, flash, random, .. } = self;
        let mut devices = Devices { store, flash, random };
        let Outcome { reply, error, .. } = switch.execute(now, session, line, &mut devices);
        match error {
            Some(error) => bail!("{line}: {error}"),
            None => Ok(reply.text),
        }
    }
}

/// Whether the configuration uses a license: without one there is nothing to report. It is looked at before a folder is made.
fn uses_something(hardware: &Hardware, config: &str, clock: Clock) -> Result<()> {
    let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
    let mut random = OsRandom;
    let mut devices = Devices { store: &mut store, flash: &mut flash, random: &mut random };
    let suite = Arc::new(SimulatedSuite);
    let (switch, _) =
        Switch::boot(clock.now(), hardware, suite, Some(config), "Factory", &mut devices)?;
    ensure!(
        !switch.agent().licenses_in_use().is_empty(),
        "its configuration uses no license, so there is nothing to report: name a startup configuration that does"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use rumline_protocol::Document;

    use super::*;

    fn order(dir: &std::path::Path, config: &str) -> Order {
        Order {
            dir: dir.to_owned(),
            pid: "N9K-C93180YC-FX3".to_owned(),
            serial: Some("FACTORY1".to_owned()),
            release: crate::command::RELEASE.to_owned(),
            config: config.to_owned(),
            root_certificate: Vec::new(),
        }
    }

    #[test]
    fn the_first_report_asks_for_a_trust_code_and_the_folder_is_that_of_a_switch() {
        // PI-POL-011, PI-LIC-012
        let dir = tempfile::tempdir().unwrap();
        let mut factory =
            Factory::make(order(dir.path(), "hostname leaf\nfeature bgp\n"), Clock::real())
                .unwrap();
        let report = factory.first_report().unwrap();
        let document = Document::parse(&report).unwrap();
        assert_eq!(document.trust_requests.len(), 1);
        assert!(!document.reports.is_empty());
        // An answer of nobody is refused.
        assert!(factory.finish(b"no answer").is_err());
        let again = Factory::make(order(dir.path(), "feature bgp\n"), Clock::real()).err().unwrap();
        assert!(again.to_string().ends_with("holds a switch already"), "{again}");
        // It starts with what it was ordered with.
        let mut store = FileDisk::open(&dir.path().join("store")).unwrap();
        let saved = store.read("startup-config").unwrap().unwrap();
        let saved = String::from_utf8(saved).unwrap();
        assert!(saved.contains("feature bgp"), "{saved}");
    }

    #[test]
    fn a_switch_that_uses_nothing_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("leaf");
        let error = Factory::make(order(&folder, "hostname leaf\n"), Clock::real()).err().unwrap();
        assert!(error.to_string().contains("uses no license"), "{error}");
        assert!(!folder.exists());
    }
}
