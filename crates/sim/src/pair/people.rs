//! What people do to pairs: hand over, replace, force, and mend in the end.

use rumline_switch::pair::Mark;

use super::Who;
use super::events::{PairEvent, TAKE_OVER_SECONDS, index};
use super::mirror::Phase;
use crate::disk::SimDisk;
use crate::world::World;

impl World<'_> {
    /// The active one hands over: its process ends what it did, and goes on as the standby.
    pub(crate) fn hands_over(&mut self, node: usize) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        (n.switch, n.next_wake, pair.right) = (None, None, None);
        pair.mirror().loses_link();
        self.meet("switchover");
        self.pair_event(TAKE_OVER_SECONDS, node, PairEvent::TryTake);
        Ok(())
    }

    pub(crate) fn standby_restarts(&mut self, node: usize) -> Result<(), String> {
        let Some(pair) = &self.nodes[node].pair else { return Ok(()) };
        let mut mirror = pair.mirror();
        if mirror.phase != Phase::Alone {
            mirror.out();
        }
        drop(mirror);
        self.look_at_power(node)?;
        self.look_at_pair(node)
    }

    /// Another supervisor with an empty disk is put in in place of the standby, or the same one with its disk emptied.
    pub(super) fn replace(
        &mut self,
        node: usize,
        while_off: bool,
        same: bool,
    ) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        // Nobody takes out the only one that has all.
        if n.switch.is_none() || n.store.full || n.store.cut_after.is_some() {
            return Ok(());
        }
        let mut mirror = pair.mirror();
        if while_off {
            mirror.cut(Who::Both, 3_600);
        } else {
            mirror.cut(Who::Standby, 3_600);
        }
        let serial = format!("RMA{node:04}{:04}", pair.serials.len());
        if !same {
            mirror.other.serial.clone_from(&serial);
        }
        mirror.other.store = SimDisk::default();
        mirror.other.flash = SimDisk::default();
        mirror.other.mark = Mark::default();
        mirror.other.is_half = true;
        mirror.other_has = 0;
        drop(mirror);
        if !same {
            pair.serials.push(serial);
        }
        let slot = pair.slot.other();
        self.meet(if same { "supervisor emptied" } else { "supervisor replaced" });
        self.look_at_power(node)?;
        // The new one is started first.
        if let Some(pair) = &mut self.nodes[node].pair {
            pair.off_until[index(slot)] = self.now + 1_800;
        }
        self.pair_event(1_800, node, PairEvent::PowerOn(slot));
        Ok(())
    }

    /// The active one is gone for good, and a person forces one that misses something to take over.
    pub(super) fn force(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        let mirror = pair.mirror();
        let is_stale = mirror.other_has < mirror.answered && !mirror.other.is_half;
        let is_there = mirror.other.has_power && mirror.other_has > 0;
        drop(mirror);
        // Once, as an older copy comes back once.
        if !is_stale || !is_there || pair.was_forced || n.store.full || n.switch.is_none() {
            return Ok(());
        }
        let Some(last) = pair.last_in_step.take() else { return Ok(()) };
        pair.was_forced = true;
        pair.mirror().cut(Who::Active, 86_400);
        self.look_at_power(node)?;
        let n = &mut self.nodes[node];
        let before = n.model.licenses_most();
        n.model.or_rather(last.at, now, &last.running);
        let set_by =
            (n.clock_offset - last.clock_offset).abs() * n.model.licenses_most().max(before);
        n.model.more += set_by;
        n.model.less += set_by;
        (n.crossed, n.end_is_lost, n.was_copied) = (true, true, true);
        self.meet("stale standby forced");
        self.swap(node)?;
        let n = &mut self.nodes[node];
        n.model.may_be_anything();
        self.becomes_active(node, false)
    }

    /// Everything works again.
    pub(crate) fn heal_pair(&mut self, node: usize) -> Result<(), String> {
        let now = self.now;
        let n = &mut self.nodes[node];
        let Some(pair) = &mut n.pair else { return Ok(()) };
        (n.store.cut_after, n.flash.cut_after) = (None, None);
        pair.off_until = [now; 2];
        (pair.out_until, pair.link_cut_until) = (now, now);
        let slot = pair.slot;
        let mut mirror = pair.mirror();
        (mirror.link_up, mirror.lag_seconds, mirror.armed) = (true, 0, None);
        (mirror.other.store.full, mirror.other.store.cut_after) = (false, None);
        mirror.broken = None;
        drop(mirror);
        // Whichever may speak does, and the other one is given all.
        self.supervisor_on(node, slot)?;
        self.supervisor_on(node, slot.other())?;
        self.try_take(node)?;
        if self.nodes[node].switch.is_none() {
            return Err(format!("switch {node}: no supervisor may become active"));
        }
        self.pair_event(60, node, PairEvent::Attach);
        Ok(())
    }
}
