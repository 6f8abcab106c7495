//! What fate does to stores, clocks and processes.

use rumline_agent::Input;
use rumline_protocol::{Random, SignedReport, Timestamp};
use rumline_store::Db;
use std::sync::Arc;

use crate::chance::Chance;
use crate::disk::{Copy, SimDisk};
use crate::model::{Features, Model, Saved};
use crate::ops::Op;
use crate::plan::Fate;
use crate::world::{Event, Node, START, World, person};

impl World<'_> {
    /// Whether nobody ever lost anything or speaks as somebody else here: then files are taken whole.
    pub(crate) fn is_orderly(&self) -> bool {
        self.plan.fates.iter().all(|fate| [Fate::ClocksApart, Fate::BitRot].contains(fate))
            && self.nodes.iter().all(|node| node.model.is_exact)
    }

    /// Notes that something that is modelled has happened.
    pub(crate) fn meet(&mut self, what: &'static str) {
        *self.outcome.met.entry(what).or_default() += 1;
    }

    /// A bit flips, and somebody starts the switch anew.
    pub(crate) fn rot(&mut self, node: usize, file: u64, bit: u64) -> Result<(), String> {
        let n = &mut self.nodes[node];
        if n.store.full {
            return Ok(());
        }
        let before = n.store.clone();
        let Some(name) = n.store.rot(file, bit) else { return Ok(()) };
        let now = self.now;
        if name.starts_with("ledger.") {
            // The other one tells all but the last change.
            let n = &mut self.nodes[node];
            n.model.last_change_is_uncertain(now);
            // That may have been a step of the clock.
            let step = n.last_step_seconds.abs() * n.model.licenses_most();
            n.model.more += step;
            n.model.less += step;
            self.meet("bit rot in a ledger");
        } else if name.starts_with("rum/") {
            let text =
                before.content(&name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let report = text.and_then(|text| {
                SignedReport::parse(text.split_once('\n')?.1).ok().map(|signed| signed.report)
            });
            let n = &mut self.nodes[node];
            n.end_is_lost = true;
            n.model.less += report.map_or(0, |report| report.count_seconds());
            n.model.is_exact = false;
            self.meet("bit rot in a report");
        } else {
            self.meet("bit rot in another file");
        }
        self.power_cut(node, None, 600)
    }

    /// The key is gone; the switch goes on until its next start.
    pub(crate) fn lose_key(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].store.full {
            return Ok(());
        }
        self.nodes[node].store.lose("device.key");
        self.meet("key lost");
        self.power_cut(node, None, 600)
    }

    /// Nothing can be done with the store: the person empties the directory, and begins as a new device, which has to be
    /// accepted where the old one is known.
    pub(crate) fn begin_anew(&mut self, node: usize) -> Result<(), String> {
        let counted = self.counted(node)?;
        let now = self.now;
        let n = &mut self.nodes[node];
        n.store = SimDisk::default();
        n.stands_since = now;
        n.end_is_lost = true;
        n.model.lost(now, counted);
        n.model.saved = Saved::default();
        n.crossed = true;
        let place = n.place;
        self.push(now + 3600, node, Event::Step(Op::Move { place }));
        Ok(())
    }

    pub(crate) fn factory_reset(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].store.full {
            return Ok(());
        }
        let counted = self.counted(node)?;
        self.input(node, Input::FactoryReset)?;
        let (now, place) = (self.now, self.nodes[node].place);
        self.nodes[node].model.lost(now, counted);
        self.nodes[node].crossed = true;
        self.meet("factory reset");
        self.command(node, "reload")?;
        self.push(now + 3600, node, Event::Step(Op::Move { place }));
        Ok(())
    }

    pub(crate) fn copy_of(&self, node: usize) -> Copy {
        let n = &self.nodes[node];
        Copy {
            store: n.store.clone(),
            flash: n.flash.clone(),
            running: n.model.running.clone(),
            saved: n.model.saved.clone(),
            made_at: self.now,
            clock_offset: n.clock_offset,
        }
    }

    /// The power is cut, and an older copy of the store is put in place.
    pub(crate) fn put_back(&mut self, node: usize, copy: Copy) -> Result<(), String> {
        let (now, n) = (self.now, &mut self.nodes[node]);
        // Once: what a second copy leaves of what the first one told is more than the model knows.
        if n.store.full || copy.made_at < n.stands_since || n.was_copied || n.model.is_older {
            return Ok(());
        }
        let before = n.model.licenses_most();
        n.model.or_rather(copy.made_at, now, &copy.running);
        (n.model.running, n.model.saved) = (copy.running, copy.saved);
        // By how much the clock was set since, the copy does not know.
        let most = n.model.licenses_most().max(before);
        let set_by = (n.clock_offset - copy.clock_offset).abs() * most;
        n.model.more += set_by;
        n.model.less += set_by;
        (n.store, n.flash) = (copy.store, copy.flash);
        (n.store.full, n.store.cut_after, n.store.dead) = (false, None, false);
        n.crossed = true;
        // Of what it was told and does not know any more it cannot tell the end.
        n.end_is_lost = true;
        n.was_copied = true;
        n.off_until = now + 600;
        self.meet("switch restored");
        self.lose_power(node)
    }

    /// A second switch of the same serial number runs on a copy for a while.
    pub(crate) fn clone_switch(&mut self, node: usize, seconds: i64) -> Result<(), String> {
        let copy = self.copy_of(node);
        let n = &mut self.nodes[node];
        if n.clone_of.is_some() || n.was_copied || n.store.full || n.store.cut_after.is_some() {
            return Ok(());
        }
        let Some(running) = copy.saved.certain().cloned() else { return Ok(()) };
        n.has_clone = true;
        n.was_copied = true;
        n.end_is_lost = true;
        n.crossed = true;
        let other = Node {
            hardware: n.hardware.clone(),
            switch: None,
            store: copy.store,
            flash: copy.flash,
            random: Chance::new(self.plan.seed, 2_500_000 + node as u64),
            clock_offset: n.clock_offset,
            first_offset: n.first_offset,
            last_step_seconds: n.last_step_seconds,
            put_back_seconds: n.put_back_seconds,
            was_moved: false,
            cut_until: self.now,
            off_until: self.now,
            next_wake: None,
            model: Model::with(self.now, running.clone()),
            place: n.place,
            account: n.account,
            crossed: true,
            up_since: self.now,
            stands_since: self.now,
            end_is_lost: true,
            was_copied: true,
            clone_of: Some(node),
            has_clone: false,
            last_alert_at: None,
            messages_of: (0, 0),
            last_answer: None,
            last_body: None,
            earlier: None,
            pair: None,
        };
        self.nodes.push(other);
        let index = self.nodes.len() - 1;
        self.meet("clone");
        self.push(self.now + seconds, node, Event::CloneGoes { index, running, since: self.now });
        self.power_on(index)
    }

    /// The clone is found, and turned off for good; the owner says who goes on.
    pub(crate) fn clone_goes(
        &mut self,
        node: usize,
        index: usize,
        running: &Features,
        since: Timestamp,
    ) -> Result<(), String> {
        let now = self.now;
        let other = &mut self.nodes[index];
        (other.switch, other.next_wake) = (None, None);
        other.off_until = Timestamp(i64::MAX);
        let n = &mut self.nodes[node];
        n.has_clone = false;
        let mine = n.model.running.clone();
        // Whatever it told, each second counts once.
        n.model.or_rather(since, now, running);
        n.model.running = mine;
        Ok(())
    }

    /// Whoever administers the account has looked at it: the switch that is still there goes on.
    pub(crate) fn choose(&mut self, node: usize) -> Result<(), String> {
        let Some(switch) = self.nodes[node].switch.as_ref() else { return Ok(()) };
        let epoch = switch.agent().epoch().to_owned();
        for account in self.accounts() {
            for view in self.instances_of_node(account, node)? {
                // A choice that was the wrong one is made again.
                let is_ended = |known: &rumline_cssm::EpochView| {
                    known.epoch == epoch && known.state == "ended"
                };
                if view.held_at.is_some() || view.epochs.iter().any(is_ended) {
                    // What it began since is not known there: that goes on from the last that is.
                    let newest = view.epochs.iter().max_by_key(|known| known.began_at);
                    let known = view.epochs.iter().find(|known| known.epoch == epoch).or(newest);
                    let Some(epoch) = known.map(|known| known.epoch.clone()) else { continue };
                    let now = self.cssm_now();
                    let chosen = self.cssm.choose_epoch(now, &person(), account, view.id, &epoch);
                    chosen.map_err(|error| format!("CSSM does not choose: {error}"))?;
                }
            }
        }
        Ok(())
    }

    /// The clock is set while the switch is off: nobody tells it.
    pub(crate) fn set_clock_while_off(
        &mut self,
        node: usize,
        off_seconds: i64,
        by_seconds: i64,
    ) -> Result<(), String> {
        if self.nodes[node].store.full {
            return Ok(());
        }
        self.power_cut(node, None, off_seconds)?;
        let n = &mut self.nodes[node];
        n.clock_offset += by_seconds;
        // What it was ahead counts as use; of what it was behind, and of the time off before, nothing can be said.
        let most = n.model.licenses_most();
        n.model.more += by_seconds.abs() * most;
        n.model.less += (by_seconds.abs() + off_seconds.max(600)) * most;
        n.put_back_seconds += by_seconds.min(0).abs();
        n.model.is_exact = false;
        self.meet("clock set while off");
        Ok(())
    }

    pub(crate) fn restore_collector(&mut self, index: usize, db: Arc<Db>) -> Result<(), String> {
        if let Some(c) = self.collectors.get_mut(index) {
            c.db = db;
        }
        self.meet("collector restored");
        // What it knew since is lost: switches that were told of something may need help.
        self.nodes.iter_mut().for_each(|node| node.crossed = true);
        self.restart_collector(index)
    }

    pub(crate) fn restore_cssm(&mut self, db: Arc<Db>) -> Result<(), String> {
        self.db = db;
        // A switch that was reset told the ends of before once, and does not know them any more.
        let is_reset = self.plan.has(Fate::FactoryReset);
        for node in &mut self.nodes {
            node.model.counts_forgotten();
            node.crossed = true;
            node.end_is_lost |= is_reset;
        }
        self.meet("CSSM restored");
        self.restarts += 1;
        self.cssm = self.open_cssm()?;
        Ok(())
    }

    /// Processes that have ended in a commit come up again.
    pub(crate) fn restart_ended(&mut self) -> Result<bool, String> {
        if let Some(text) = self.told_too_early.take() {
            return Err(text);
        }
        let mut any = false;
        if self.db.has_ended() {
            self.db.end_in_commit(None);
            self.restarts += 1;
            self.cssm = self.open_cssm()?;
            any = true;
        }
        for index in 0..self.collectors.len() {
            if self.collectors[index].db.has_ended() {
                self.collectors[index].db.end_in_commit(None);
                self.restart_collector(index)?;
                any = true;
            }
        }
        if any {
            self.meet("crash within a commit");
        }
        Ok(any)
    }

    /// Clocks that are not the same, and nobody sets.
    pub(crate) fn set_clocks_apart(&mut self) {
        let mut chance = Chance::new(self.plan.seed, 8_000_000);
        let mut skew = || 1_200 - i64::try_from(chance.below(2_400)).unwrap_or(0);
        self.cssm_skew = skew();
        self.collectors.iter_mut().for_each(|collector| collector.skew = skew());
        for node in &mut self.nodes {
            node.first_offset = skew();
            node.clock_offset = node.first_offset;
        }
        self.meet("clocks apart");
    }

    /// What CSSM's clock shows.
    pub(crate) fn cssm_now(&self) -> Timestamp {
        (self.now + self.cssm_skew).max(START)
    }
}
