//! What happens to pairs, and what follows from it in time.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rumline_agent::Disk;
use rumline_protocol::{Random, Udi};
use rumline_switch::pair::{Mark, Place};
use rumline_switch::{OtherState, OtherSupervisor, Redundancy, Slot};

use super::mirror::{Armed, Phase};
use super::{CHASSIS, CopyStep, LastInStep, Pair, PairOp, SimMirror, Supervisor, Who};
use crate::chance::Chance;
use crate::plan::Fault;
use crate::world::{Event, World};

/// Between the end of the active one and the first word of the other.
pub(super) const TAKE_OVER_SECONDS: i64 = 1;
/// So long one that is there may say nothing.
const SILENCE_SECONDS: i64 = 3;
/// Between two attempts to become the standby.
const AGAIN_SECONDS: i64 = 900;
/// Files that are given at a time.
const FILES_AT_A_TIME: usize = 4;

/// Something that is due with a pair.
pub(crate) enum PairEvent {
    /// A supervisor has power again.
    PowerOn(Slot),
    /// Whoever waits looks whether nobody has the right to speak.
    TryTake,
    /// The standby asks to be given all.
    Attach,
    /// More of a filling, with its number.
    Fill {
        filling: u64,
        left: Vec<(Place, String)>,
    },
    /// It is found out whether the other one is there.
    Beat,
    LinkBack,
    LagEnds,
    StandbyFreed,
    PutIn,
}

pub(super) fn index(slot: Slot) -> usize {
    usize::from(slot.number()) - 1
}

impl World<'_> {
    /// Makes a switch of the world a pair.
    pub(crate) fn make_pair(&mut self, node: usize) {
        let seed = self.plan.seed;
        let n = &mut self.nodes[node];
        CHASSIS.clone_into(&mut n.hardware.pid);
        let power = Arc::new(AtomicBool::new(true));
        let serial = format!("SUP{node:08}");
        let other = Supervisor { serial: serial.clone(), has_power: true, ..Supervisor::default() };
        let chance = Chance::new(seed, 9_000_000 + node as u64);
        let mut mirror = SimMirror::new(other, Arc::clone(&power), chance);
        mirror.broken = self.plan.broken;
        n.pair = Some(Pair {
            mirror: Arc::new(Mutex::new(mirror)),
            power,
            slot: Slot::One,
            machine_skew_seconds: 0,
            mark: Mark::default(),
            serials: vec![n.hardware.serial.clone(), serial],
            right: None,
            told: Redundancy::default(),
            filling: 0,
            link_cut_until: self.now,
            last_in_step: None,
            out_until: self.now,
            was_forced: false,
            off_until: [self.now; 2],
        });
        self.push(self.now + 60, node, Event::Pair(PairEvent::Attach));
    }

    pub(crate) fn pair_op(&mut self, node: usize, op: &PairOp) -> Result<(), String> {
        let Some(pair) = &self.nodes[node].pair else { return Ok(()) };
        let is_up = self.nodes[node].switch.is_some();
        let is_full = self.nodes[node].store.full;
        match *op {
            PairOp::Kill { who, step, after, seconds } => {
                // What only the memory of one with a full disk holds nobody can save.
                if is_full || self.nodes[node].store.cut_after.is_some() {
                    return Ok(());
                }
                if step == CopyStep::None {
                    pair.mirror().cut(who, seconds);
                    return self.look_at_power(node);
                }
                pair.mirror().armed = Some(Armed { who, step, after, seconds });
                // Something that writes, so that it comes now and not when nobody looks.
                self.command(node, "license smart sync all")?;
                self.command(node, "license smart save usage all bootflash:cut.txt")
            }
            PairOp::CutLink { seconds } => {
                pair.mirror().link_up = false;
                let until = self.now + seconds;
                if let Some(pair) = &mut self.nodes[node].pair {
                    pair.link_cut_until = until;
                }
                self.pair_event(SILENCE_SECONDS, node, PairEvent::Beat);
                self.pair_event(seconds, node, PairEvent::LinkBack);
                Ok(())
            }
            PairOp::Lag { by_seconds, seconds } => {
                pair.mirror().lag_seconds = by_seconds;
                self.pair_event(seconds, node, PairEvent::LagEnds);
                Ok(())
            }
            PairOp::Switchover if is_up => self.command(node, "system switchover"),
            PairOp::ReloadModule { own } if is_up => {
                let slot = if own { pair.slot } else { pair.slot.other() };
                let module = slot.module();
                self.command(node, &format!("reload module {module}\ny"))
            }
            PairOp::StandbyRestarts if is_up => self.attach(node),
            PairOp::TakeOut { seconds } => {
                let until = self.now + seconds;
                pair.mirror().cut(Who::Standby, seconds);
                if let Some(pair) = &mut self.nodes[node].pair {
                    pair.out_until = until;
                }
                self.look_at_power(node)?;
                self.pair_event(seconds, node, PairEvent::PutIn);
                Ok(())
            }
            PairOp::StandbyFull { seconds } => {
                pair.mirror().other.store.full = true;
                self.pair_event(seconds, node, PairEvent::StandbyFreed);
                Ok(())
            }
            PairOp::MachineClock { by_seconds } => {
                // Of one that is off nobody can know.
                let mut mirror = pair.mirror();
                if mirror.other.has_power {
                    mirror.other.machine_skew_seconds += by_seconds;
                }
                drop(mirror);
                // It corrects what it shows with the next word it hears.
                self.look_at_pair(node)
            }
            PairOp::Replace { while_off, same } => self.replace(node, while_off, same),
            PairOp::Force => self.force(node),
            _ => Ok(()),
        }
    }

    pub(super) fn pair_event(&mut self, after_seconds: i64, node: usize, event: PairEvent) {
        self.push(self.now + after_seconds, node, Event::Pair(event));
    }

    pub(crate) fn carry_out_pair(&mut self, node: usize, event: PairEvent) -> Result<(), String> {
        let now = self.now;
        let Some(pair) = &mut self.nodes[node].pair else { return Ok(()) };
        match event {
            PairEvent::PowerOn(slot) => {
                if now < pair.off_until[index(slot)] {
                    return Ok(());
                }
                self.supervisor_on(node, slot)
            }
            PairEvent::TryTake => self.try_take(node),
            PairEvent::Attach => self.attach(node),
            PairEvent::Fill { filling, left } => self.fill(node, filling, left),
            PairEvent::Beat => {
                pair.mirror().beat();
                self.look_at_pair(node)
            }
            PairEvent::LinkBack => {
                if now >= pair.link_cut_until {
                    pair.mirror().link_up = true;
                    self.pair_event(1, node, PairEvent::Attach);
                }
                Ok(())
            }
            PairEvent::LagEnds => {
                pair.mirror().lag_seconds = 0;
                Ok(())
            }
            PairEvent::StandbyFreed => {
                pair.mirror().other.store.full = false;
                Ok(())
            }
            PairEvent::PutIn => {
                let slot = pair.slot.other();
                self.supervisor_on(node, slot)
            }
        }
    }

    /// A supervisor starts: it takes the right to speak, or becomes the standby.
    pub(crate) fn supervisor_on(&mut self, node: usize, slot: Slot) -> Result<(), String> {
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        if slot == pair.slot {
            if pair.power.load(Ordering::Relaxed) {
                return Ok(());
            }
            let keeps = n.random.below(2) == 0;
            n.store.restart(keeps);
            n.flash.restart(keeps);
            pair.power.store(true, Ordering::Relaxed);
            if pair.right.is_some() {
                return Err(format!("switch {node}: somebody speaks for one that was off"));
            }
            if !pair.may_take(slot, &n.hardware.serial) {
                return Ok(());
            }
            self.becomes_active(node, false)
        } else {
            let mut mirror = pair.mirror();
            if mirror.other.has_power || now < pair.out_until {
                return Ok(());
            }
            let keeps = mirror.chance.below(2) == 0;
            mirror.other.store.restart(keeps);
            mirror.other.flash.restart(keeps);
            mirror.other.has_power = true;
            drop(mirror);
            if pair.right.is_none() && pair.may_take(slot, &n.hardware.serial) {
                self.swap(node)?;
                return self.becomes_active(node, false);
            }
            self.pair_event(1, node, PairEvent::Attach);
            Ok(())
        }
    }

    /// The standby looks whether nobody speaks.
    pub(super) fn try_take(&mut self, node: usize) -> Result<(), String> {
        let n = &self.nodes[node];
        let Some(pair) = &n.pair else { return Ok(()) };
        if pair.right.is_some() {
            return Ok(());
        }
        let [may_own, may_other] =
            [pair.slot, pair.slot.other()].map(|slot| pair.may_take(slot, &n.hardware.serial));
        let mirror = pair.mirror();
        let may_own = pair.power.load(Ordering::Relaxed) && may_own;
        let is_stale_fault = mirror.broken == Some(Fault::StaleTakesOver) && !mirror.other.is_half;
        let may_other = mirror.other.has_power && (may_other || (is_stale_fault && !self.healed));
        drop(mirror);
        if may_other {
            self.swap(node)?;
            return self.becomes_active(node, true);
        }
        if may_own { self.becomes_active(node, true) } else { Ok(()) }
    }

    /// What lies in the node is what the other supervisor has, and the other way round.
    pub(super) fn swap(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        if n.switch.is_some() || pair.right.is_some() {
            return Err(format!("switch {node}: both supervisors speak"));
        }
        let had_power = pair.power.load(Ordering::Relaxed);
        let mut mirror = pair.mirror();
        mirror.loses_link();
        if mirror.other_has < mirror.answered && !pair.was_forced {
            return Err(format!(
                "switch {node}: one takes over that has {} of {} changes that were answered for",
                mirror.other_has, mirror.answered
            ));
        }
        mirror.answered = mirror.other_has;
        let other = &mut mirror.other;
        std::mem::swap(&mut n.store, &mut other.store);
        std::mem::swap(&mut n.flash, &mut other.flash);
        std::mem::swap(&mut n.hardware.serial, &mut other.serial);
        let mark = std::mem::replace(&mut other.mark, pair.mark.clone());
        let offset = other.machine_skew_seconds + other.kept_seconds;
        let was = std::mem::replace(&mut n.clock_offset, offset);
        let skew = other.machine_skew_seconds;
        other.machine_skew_seconds = pair.machine_skew_seconds;
        other.kept_seconds = was - pair.machine_skew_seconds;
        other.has_power = had_power;
        other.is_half = false;
        // What it lacks counts from the first change on.
        mirror.other_slot = pair.slot;
        mirror.phase = Phase::Alone;
        drop(mirror);
        pair.mark = mark;
        pair.machine_skew_seconds = skew;
        pair.slot = pair.slot.other();
        pair.power.store(true, Ordering::Relaxed);
        n.off_until = now;
        Ok(())
    }

    pub(super) fn becomes_active(&mut self, node: usize, takes_over: bool) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        pair.right = Some(pair.slot);
        let mut mirror = pair.mirror();
        let name = format!("{:016x}", mirror.chance.below(u64::MAX));
        let (serial, seen) = (&n.hardware.serial, pair.mark.seen.max(mirror.other.mark.seen));
        mirror.standing = mirror.standing.taken(pair.slot, serial, &name, String::new(), seen);
        let mark = Mark::settled(mirror.standing.number, &name);
        mirror.phase = Phase::Alone;
        mirror.armed = None;
        drop(mirror);
        pair.mark = mark;
        pair.told = Redundancy { slot: pair.slot, ..Redundancy::default() };
        self.come_up(node, if takes_over { "Switchover" } else { "Power" })?;
        self.pair_event(TAKE_OVER_SECONDS, node, PairEvent::Attach);
        Ok(())
    }

    /// The whole chassis comes up: for the first time, after `reload`, or in the end.
    pub(crate) fn pair_comes_up(&mut self, node: usize) -> Result<(), String> {
        if self.healed {
            return self.heal_pair(node);
        }
        self.pair_restarts(node)
    }

    /// The active supervisor restarts, or one becomes active for the first time.
    pub(crate) fn pair_restarts(&mut self, node: usize) -> Result<(), String> {
        let Some(pair) = &mut self.nodes[node].pair else { return Ok(()) };
        if pair.right.is_none() {
            return self.becomes_active(node, false);
        }
        // Its process goes on, and so does the right.
        pair.told = Redundancy { slot: pair.slot, ..Redundancy::default() };
        self.come_up(node, "Reset")
    }

    /// Somebody may have lost power in what was just done.
    pub(crate) fn look_at_power(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        let mirror = pair.mirror();
        // At least so long as an interrupted write takes to be found.
        let seconds = mirror.off_seconds.max(600);
        let other_is_off = !mirror.other.has_power;
        drop(mirror);
        let own_is_off = !pair.power.load(Ordering::Relaxed);
        let mut due = Vec::new();
        for (slot, is_off) in [(pair.slot, own_is_off), (pair.slot.other(), other_is_off)] {
            if is_off && pair.off_until[index(slot)] <= now {
                pair.off_until[index(slot)] = now + seconds;
                due.push((seconds, PairEvent::PowerOn(slot)));
            }
        }
        if other_is_off {
            due.push((SILENCE_SECONDS, PairEvent::Beat));
        }
        // Its kernel frees the right, or is gone itself; also where it was not up yet.
        if own_is_off && pair.right.take().is_some() {
            n.switch = None;
            n.next_wake = None;
            let mut mirror = pair.mirror();
            mirror.loses_link();
            drop(mirror);
            due.push((TAKE_OVER_SECONDS, PairEvent::TryTake));
        }
        for (after, event) in due {
            self.pair_event(after, node, event);
        }
        Ok(())
    }

    /// The standby comes, or comes anew.
    fn attach(&mut self, node: usize) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        if n.switch.is_none() {
            return self.try_take(node);
        }
        let mut mirror = pair.mirror();
        if !mirror.other.has_power || !mirror.link_up {
            return Ok(());
        }
        mirror.attach();
        let is_filling = mirror.phase == Phase::Filling;
        drop(mirror);
        if is_filling {
            pair.filling += 1;
            // The switch hears of it although it may look as before.
            pair.told.other = None;
            let filling = pair.filling;
            self.look_at_pair(node)?;
            let n = &mut self.nodes[node];
            let mut left: Vec<(Place, String)> = Vec::new();
            for (place, disk) in [(Place::Flash, &mut n.flash), (Place::Store, &mut n.store)] {
                left.extend(disk.list("").unwrap_or_default().into_iter().map(|f| (place, f)));
            }
            self.pair_event(1, node, PairEvent::Fill { filling, left });
        }
        self.look_at_power(node)
    }

    fn fill(
        &mut self,
        node: usize,
        filling: u64,
        mut left: Vec<(Place, String)>,
    ) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        let mut mirror = pair.mirror();
        if n.switch.is_none() || pair.filling != filling || mirror.phase != Phase::Filling {
            return Ok(());
        }
        mirror.step(CopyStep::Filling);
        for (place, name) in left.drain(..left.len().min(FILES_AT_A_TIME)).collect::<Vec<_>>() {
            let disk = if place == Place::Store { &mut n.store } else { &mut n.flash };
            if mirror.phase == Phase::Filling
                && mirror.is_powered()
                && let Ok(Some(bytes)) = disk.read(&name)
            {
                mirror.put(place, &name, bytes);
            }
        }
        let is_done = left.is_empty();
        if is_done && mirror.is_powered() {
            mirror.filled();
            if mirror.phase == Phase::InStep {
                mirror.step(CopyStep::NotedNotTold);
            }
        }
        let seconds = 1 + i64::try_from(mirror.chance.below(20)).unwrap_or(0);
        drop(mirror);
        if !is_done {
            self.pair_event(seconds, node, PairEvent::Fill { filling, left });
        }
        self.look_at_power(node)?;
        self.look_at_pair(node)
    }

    /// What has become of the other one is told to the switch.
    pub(crate) fn look_at_pair(&mut self, node: usize) -> Result<(), String> {
        let (now, local) = (self.now, self.local(node));
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        if n.switch.is_none() {
            return Ok(());
        }
        let mut mirror = pair.mirror();
        if mirror.phase != Phase::Alone && mirror.is_powered() && mirror.link_up {
            // The chassis has one clock.
            mirror.other.kept_seconds = n.clock_offset - mirror.other.machine_skew_seconds;
        }
        let state = match mirror.phase {
            Phase::Alone => None,
            Phase::Filling => Some(OtherState::Copying),
            Phase::InStep => Some(OtherState::Standby),
        };
        let udi = Udi::new(CHASSIS, &mirror.other.serial).map_err(|error| error.to_string())?;
        let may_come = mirror.other.has_power && mirror.link_up;
        drop(mirror);
        if state == Some(OtherState::Standby) {
            let (running, clock_offset) = (n.model.running.clone(), n.clock_offset);
            pair.last_in_step = Some(LastInStep { at: now, running, clock_offset });
        }
        let other = state.map(|state| OtherSupervisor { udi, state });
        let redundancy = Redundancy { slot: pair.slot, other, is_copy: false };
        if redundancy == pair.told {
            return Ok(());
        }
        pair.told = redundancy.clone();
        if state.is_none() && may_come {
            self.pair_event(AGAIN_SECONDS, node, PairEvent::Attach);
        }
        let Some(mut switch) = self.nodes[node].switch.take() else { return Ok(()) };
        let effects = self.nodes[node]
            .on_devices(|devices| switch.redundancy_changed(local, redundancy, devices));
        self.nodes[node].switch = Some(switch);
        self.effects(node, effects)
    }
}
