//! The other supervisor, as the active one sees it: the same contract as over a network, in memory.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rumline_agent::{Disk, DiskError};
use rumline_protocol::Random;
use rumline_switch::Slot;
use rumline_switch::pair::{Change, ChangeKind, Mark, Mirror, Place, Standing, apply};

use super::{CopyStep, Supervisor, Who};
use crate::chance::Chance;
use crate::plan::Fault;

/// So long it may take the other one to make a change durable, before it is out.
const SETTLE_SECONDS: i64 = 2;

/// How the other one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Alone,
    Filling,
    InStep,
}

/// What is on its way.
enum Word {
    Change(Place, ChangeKind, String, Vec<u8>),
    Put(Place, String, Vec<u8>),
}

/// A power cut that waits for its step.
#[derive(Clone, Copy)]
pub(crate) struct Armed {
    pub who: Who,
    pub step: CopyStep,
    pub after: u32,
    pub seconds: i64,
}

pub(crate) struct SimMirror {
    pub other: Supervisor,
    pub other_slot: Slot,
    /// What is written down where both can read it.
    pub standing: Standing,
    pub phase: Phase,
    pub link_up: bool,
    pub lag_seconds: i64,
    pub armed: Option<Armed>,
    /// How long those that lost power have none.
    pub off_seconds: i64,
    pub power: Arc<AtomicBool>,
    pub broken: Option<Fault>,
    pub chance: Chance,
    in_flight: VecDeque<Word>,
    given: BTreeSet<(Place, String)>,
    /// Changes that were answered for, and how many of them the other one has.
    pub answered: u64,
    pub other_has: u64,
    /// How often a power cut hit a step of the copying.
    pub hit_steps: u64,
}

impl SimMirror {
    pub(crate) fn new(other: Supervisor, power: Arc<AtomicBool>, chance: Chance) -> Self {
        Self {
            other,
            other_slot: Slot::Two,
            standing: Standing::default(),
            phase: Phase::Alone,
            link_up: true,
            lag_seconds: 0,
            armed: None,
            off_seconds: 0,
            power,
            broken: None,
            chance,
            in_flight: VecDeque::new(),
            given: BTreeSet::new(),
            answered: 0,
            other_has: 0,
            hit_steps: 0,
        }
    }

    pub(crate) fn is_powered(&self) -> bool {
        self.power.load(Ordering::Relaxed)
    }

    /// A step of the copying: whoever is to lose power in it does. Whether the active one goes on.
    pub(crate) fn step(&mut self, step: CopyStep) -> bool {
        if !self.is_powered() {
            return false;
        }
        let Some(armed) = self.armed.as_mut().filter(|armed| armed.step == step) else {
            return true;
        };
        if armed.after > 0 {
            armed.after -= 1;
            return true;
        }
        let armed = *armed;
        self.armed = None;
        self.hit_steps += 1;
        self.cut(armed.who, armed.seconds);
        self.is_powered()
    }

    /// The power fails.
    pub(crate) fn cut(&mut self, who: Who, seconds: i64) {
        self.off_seconds = seconds;
        if who != Who::Standby {
            self.power.store(false, Ordering::Relaxed);
        }
        if who != Who::Active {
            if !self.in_flight.is_empty() && self.chance.below(2) == 0 {
                // In the middle of a write.
                self.other.store.cut_after = Some(0);
                let _torn = self.deliver_one();
            }
            self.other.has_power = false;
        }
        if who != Who::Standby {
            self.loses_link();
        }
    }

    fn is_reachable(&self) -> bool {
        self.link_up && self.other.has_power && self.lag_seconds <= SETTLE_SECONDS
    }

    /// Some of what is on its way arrives, and the rest never does.
    pub(crate) fn loses_link(&mut self) {
        let arrive = self.chance.below(self.in_flight.len() as u64 + 1);
        for _ in 0..arrive {
            if self.other.has_power && self.deliver_one().is_err() {
                break;
            }
        }
        self.in_flight.clear();
    }

    fn deliver_one(&mut self) -> Result<(), DiskError> {
        let Some(word) = self.in_flight.pop_front() else { return Ok(()) };
        match word {
            Word::Change(place, kind, name, bytes) => {
                let change = Change { place, kind, name: &name, bytes: &bytes };
                apply(&change, self.other.disk(place))?;
                self.given.insert((place, name));
            }
            Word::Put(place, name, bytes) => {
                let disk = self.other.disk(place);
                disk.remove(&name)?;
                disk.append(&name, &bytes)?;
                self.given.insert((place, name));
            }
        }
        Ok(())
    }

    /// All that was given arrives, and is durable there; if not, the other one is out.
    fn deliver_all(&mut self) -> bool {
        while !self.in_flight.is_empty() {
            if !self.is_reachable() || self.deliver_one().is_err() {
                self.out();
                return false;
            }
        }
        true
    }

    /// One came: what lies there counts no more from now on, and that is written down first.
    pub(crate) fn attach(&mut self) {
        if self.phase != Phase::Alone {
            self.out();
        }
        if !self.is_powered() {
            return;
        }
        self.note(false);
        self.phase = Phase::Filling;
        self.other.mark = Mark { seen: self.standing.number, names: Vec::new() };
        self.other.is_half = true;
        self.in_flight.clear();
        self.given.clear();
    }

    /// A file that lies here.
    pub(crate) fn put(&mut self, place: Place, name: &str, bytes: Vec<u8>) {
        self.in_flight.push_back(Word::Put(place, name.to_owned(), bytes));
        self.deliver_all();
    }

    /// All was given: what was not goes, and the rest is made durable.
    pub(crate) fn filled(&mut self) {
        if self.phase != Phase::Filling || !self.deliver_all() {
            return;
        }
        if !self.is_reachable() {
            return self.out();
        }
        for place in [Place::Store, Place::Flash] {
            let given = std::mem::take(&mut self.given);
            let disk = self.other.disk(place);
            if disk.full {
                return self.out();
            }
            for name in disk.list("").unwrap_or_default() {
                if !given.contains(&(place, name.clone())) {
                    disk.lose(&name);
                }
            }
            disk.sync();
            self.given = given;
        }
        self.other.is_half = false;
        let name = format!("{:016x}", self.chance.below(u64::MAX));
        self.other.mark = Mark::settled(self.standing.number, &name);
        self.other_has = self.answered;
        if self.step(CopyStep::FilledNotNoted) {
            self.note(true);
            self.phase = Phase::InStep;
        }
    }

    /// Whether it is still there is found out.
    pub(crate) fn beat(&mut self) {
        if self.phase == Phase::Alone || !self.is_powered() {
            return;
        }
        if !self.is_reachable() {
            self.out();
        } else if self.phase == Phase::InStep && self.deliver_all() {
            self.other_has = self.answered;
        }
    }

    pub(crate) fn out(&mut self) {
        if !self.step(CopyStep::OutNotNoted) {
            return;
        }
        self.phase = Phase::Alone;
        self.loses_link();
        // One that tore a write is off.
        self.other.has_power &= !self.other.store.dead;
        self.note(false);
        self.step(CopyStep::OutNoted);
    }

    fn note(&mut self, is_whole: bool) {
        let name = self.other.mark.names.first().cloned().unwrap_or_default();
        let whole = is_whole.then_some((self.other.serial.as_str(), name.as_str()));
        self.standing.note_other(self.other_slot, whole);
    }
}

impl Supervisor {
    pub(crate) fn disk(&mut self, place: Place) -> &mut crate::disk::SimDisk {
        if place == Place::Store { &mut self.store } else { &mut self.flash }
    }
}

impl Mirror for SimMirror {
    fn give(&mut self, change: Change<'_>) {
        if !self.step(CopyStep::NotGiven) || self.phase == Phase::Alone {
            return;
        }
        let Change { place, kind, name, bytes } = change;
        self.in_flight.push_back(Word::Change(place, kind, name.to_owned(), bytes.to_vec()));
        // It arrives now or while the change is made here.
        if self.lag_seconds == 0 && self.chance.below(2) == 0 && self.broken.is_none() {
            self.deliver_all();
        }
        self.step(CopyStep::GivenNotMade);
    }

    fn settle(&mut self, made_here: bool) -> Result<(), DiskError> {
        if !self.step(CopyStep::MadeNotSettled) {
            return Ok(());
        }
        if !made_here {
            if self.phase != Phase::Alone {
                self.out();
            }
            return Ok(());
        }
        match self.phase {
            Phase::Alone => {}
            // It is said, and not so.
            Phase::InStep if self.broken == Some(Fault::SaysSettled) => {}
            Phase::Filling | Phase::InStep => {
                let is_whole = self.phase == Phase::InStep && self.deliver_all();
                if is_whole && self.is_reachable() {
                    self.other_has = self.answered + 1;
                } else if self.phase != Phase::Alone && !self.is_reachable() {
                    self.out();
                }
            }
        }
        if self.is_powered() {
            self.answered += 1;
            self.step(CopyStep::Settled);
        }
        Ok(())
    }
}
