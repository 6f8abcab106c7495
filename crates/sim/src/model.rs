//! What must be true, said much more simply than the code that makes it so.
//!
//! For each switch: which licences are in use, since when, and how many seconds that came to. A licence counts from
//! the moment its feature was configured until it was removed; a switch without power goes on counting until it
//! comes up again, with what it saved.

use std::collections::{BTreeMap, BTreeSet};

use rumline_protocol::Timestamp;

/// The use of one switch.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Features on now.
    pub running: BTreeSet<&'static str>,
    /// Features in the saved configuration.
    pub saved: BTreeSet<&'static str>,
    /// What was being saved when the power failed: the old configuration is there, or this one.
    saving: Option<BTreeSet<&'static str>>,
    /// A change that a power cut interrupted: it may have taken.
    interrupted: Option<BTreeSet<&'static str>>,
    since: Timestamp,
    /// At least this many licence seconds were used.
    least: i64,
    /// At most this many.
    most: i64,
}

/// Each feature and the package it uses.
pub(crate) const FEATURES: [(&str, &str); 4] =
    [("bgp", "LAN"), ("ospf", "LAN"), ("itd", "NETWORK"), ("ngmvpn", "FABRIC")];

/// Licences in use with these features: one for each package.
fn licenses(features: &BTreeSet<&str>) -> i64 {
    let packages: BTreeMap<&str, ()> = FEATURES
        .iter()
        .filter(|(feature, _)| features.contains(feature))
        .map(|(_, package)| (*package, ()))
        .collect();
    i64::try_from(packages.len()).unwrap_or(0)
}

impl Model {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            running: BTreeSet::new(),
            saved: BTreeSet::new(),
            saving: None,
            interrupted: None,
            since: now,
            least: 0,
            most: 0,
        }
    }

    fn settle(&mut self, now: Timestamp) {
        let seconds = now.since(self.since);
        let running = licenses(&self.running);
        let other = self.interrupted.as_ref().map_or(running, licenses);
        self.least += running.min(other) * seconds;
        self.most += running.max(other) * seconds;
        self.since = now;
    }

    /// Features changed, and the switch said so.
    pub(crate) fn changed(&mut self, now: Timestamp, features: BTreeSet<&'static str>) {
        self.settle(now);
        self.running = features;
    }

    /// Features were being changed when the power failed.
    pub(crate) fn change_interrupted(&mut self, now: Timestamp, features: BTreeSet<&'static str>) {
        self.settle(now);
        self.interrupted = Some(features);
    }

    /// The configuration was being saved when the power failed.
    pub(crate) fn save_interrupted(&mut self) {
        self.saving = Some(self.running.clone());
    }

    /// The switch came up: with its saved configuration, and with no mixture of two.
    pub(crate) fn booted(
        &mut self,
        now: Timestamp,
        features: BTreeSet<&'static str>,
    ) -> Result<(), String> {
        self.settle(now);
        self.interrupted = None;
        let saving = self.saving.take();
        if features != self.saved && Some(&features) != saving.as_ref() {
            return Err(format!(
                "it came up with {features:?}; {:?} was saved, and {saving:?} was being saved",
                self.saved
            ));
        }
        self.saved.clone_from(&features);
        self.running = features;
        Ok(())
    }

    /// Licence seconds used so far: at least and at most.
    pub(crate) fn used(&mut self, now: Timestamp) -> (i64, i64) {
        self.settle(now);
        (self.least, self.most)
    }
}
