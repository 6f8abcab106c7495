//! Pairs: two supervisors of one chassis, each with a disk, a clock and a power supply of its own.

mod checks;
mod copying;
mod events;
mod mirror;
mod people;
mod plan;
mod powered;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumline_protocol::Timestamp;
use rumline_switch::pair::Mark;
use rumline_switch::{Redundancy, Slot};

use crate::disk::SimDisk;
use crate::model::Features;

pub(crate) use events::PairEvent;
pub(crate) use mirror::SimMirror;
pub use plan::{CopyStep, PairOp, Who};
pub(crate) use powered::Powered;

/// The model of a chassis with two slots.
pub(crate) const CHASSIS: &str = "N9K-C9504";

/// A supervisor that is not the active one: the active one's disks lie in its node.
#[derive(Default)]
pub(crate) struct Supervisor {
    pub serial: String,
    pub store: SimDisk,
    pub flash: SimDisk,
    /// What its folder says of itself.
    pub mark: Mark,
    pub has_power: bool,
    /// By how much the clock of its machine is ahead, and by how much it corrects it.
    pub machine_skew_seconds: i64,
    pub kept_seconds: i64,
    /// Whether it was given a part and not all: nobody can start on that.
    pub is_half: bool,
}

/// What it was like when the standby had all last.
pub(crate) struct LastInStep {
    pub at: Timestamp,
    pub running: Features,
    pub clock_offset: i64,
}

/// What the two of a node have in common.
pub(crate) struct Pair {
    pub mirror: Arc<Mutex<SimMirror>>,
    /// Whether the one that is active, or was last, has power.
    pub power: Arc<AtomicBool>,
    /// Where that is.
    pub slot: Slot,
    pub machine_skew_seconds: i64,
    pub mark: Mark,
    /// All that ever were in this chassis.
    pub serials: Vec<String>,
    /// Who has the right to speak, as an arbiter sees it.
    pub right: Option<Slot>,
    pub told: Redundancy,
    /// Grows with each filling: what was to happen in an earlier one does not.
    pub filling: u64,
    pub link_cut_until: Timestamp,
    pub last_in_step: Option<LastInStep>,
    /// Taken out until then.
    pub out_until: Timestamp,
    pub was_forced: bool,
    /// Until when neither of a slot has power.
    pub off_until: [Timestamp; 2],
}

impl Pair {
    pub(crate) fn mirror(&self) -> MutexGuard<'_, SimMirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the supervisor in a slot may become active by itself; `own_serial` is that of the one whose disks lie in the
    /// node.
    fn may_take(&self, slot: Slot, own_serial: &str) -> bool {
        let mirror = self.mirror();
        let (serial, mark, other) = if slot == self.slot {
            (own_serial, &self.mark, &mirror.other.mark)
        } else {
            (mirror.other.serial.as_str(), &mirror.other.mark, &self.mark)
        };
        mirror.standing.may_take(slot, serial, mark, other.seen).is_ok()
    }
}
