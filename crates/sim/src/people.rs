//! What people and fate do to a switch of the world.

use std::sync::Arc;

use rumline_agent::{Disk, Input};
use rumline_protocol::Random;
use rumline_switch::{Devices, Switch};

use crate::model::FEATURES;
use crate::plan::Fault;
use crate::world::{Event, World, person};

impl World<'_> {
    pub(crate) fn feature(
        &mut self,
        node: usize,
        index: usize,
        on: bool,
        save: bool,
    ) -> Result<(), String> {
        let index = index % FEATURES.len();
        let mut features = self.nodes[node].model.running.clone();
        let changed = if on { features.insert(index) } else { features.remove(&index) };
        let feature = &FEATURES[index];
        let lines = if on { feature.on } else { feature.off };
        self.command(node, &format!("configure terminal\n{lines}"))?;
        if on && changed && feature.count > 1 {
            self.meet("counts above one");
        }
        let now = self.now;
        if self.nodes[node].switch.is_none() {
            self.nodes[node].model.change_interrupted(now, features);
            return Ok(());
        }
        if changed {
            self.nodes[node].model.changed(now, features);
        }
        if save {
            let text = self.command_output(node, "copy running-config startup-config")?;
            if text.contains("Copy complete.\n") && self.nodes[node].switch.is_some() {
                self.nodes[node].model.saved = self.nodes[node].model.running.clone();
            } else if self.nodes[node].switch.is_none() {
                self.nodes[node].model.save_interrupted();
            }
        }
        Ok(())
    }

    pub(crate) fn power_cut(
        &mut self,
        node: usize,
        after_writes: Option<u32>,
        seconds: i64,
    ) -> Result<(), String> {
        if self.nodes[node].store.full {
            return Ok(());
        }
        self.nodes[node].off_until = self.now + seconds;
        self.push(self.now + seconds, node, Event::PowerOn);
        match after_writes {
            Some(writes) => {
                self.nodes[node].store.cut_after = Some(writes);
                // Something that writes, so that the cut comes now and not when nobody looks.
                self.command(node, "license smart sync all")?;
                self.command(node, "license smart save usage all bootflash:cut.txt")
            }
            None => self.lose_power(node),
        }
    }

    pub(crate) fn lose_power(&mut self, node: usize) -> Result<(), String> {
        self.nodes[node].switch = None;
        self.nodes[node].next_wake = None;
        let back = self.nodes[node].off_until.max(self.now + 600);
        self.push(back, node, Event::PowerOn);
        Ok(())
    }

    pub(crate) fn power_on(&mut self, node: usize) -> Result<(), String> {
        let n = &mut self.nodes[node];
        if n.switch.is_some() && n.store.cut_after.is_none() {
            return Ok(());
        }
        let was_up = n.switch.take().is_some();
        let keeps = n.random.below(2) == 0;
        n.store.restart(keeps);
        n.flash.restart(keeps);
        let (torn, mixed) = (n.store.torn, n.store.mixed);
        (n.store.torn, n.store.mixed) = (0, 0);
        match self.plan.broken.filter(|_| !self.healed) {
            Some(Fault::LosesReports) => n.store.lose("rum/"),
            Some(Fault::RollsLedgerBack) => {
                if let Some(earlier) = n.earlier.take() {
                    n.store = earlier;
                } else {
                    n.earlier = Some(n.store.clone());
                }
            }
            None => {}
        }
        n.next_wake = None;
        let (suite, hardware) = (Arc::clone(&self.suite), n.hardware.clone());
        let local = self.local(node);
        let n = &mut self.nodes[node];
        let mut devices =
            Devices { store: &mut n.store, flash: &mut n.flash, random: &mut n.random };
        let reason = if was_up { "Reset" } else { "Power" };
        let (switch, effects) =
            match Switch::boot(local, &hardware, suite, None, reason, &mut devices) {
                Ok(booted) => booted,
                Err(error) if error.to_string().contains("device.key is") => {
                    self.begin_anew(node)?;
                    return self.power_on(node);
                }
                Err(error) => return Err(format!("switch {node} does not come up: {error}")),
            };
        let lines = &switch.running().lines;
        let all: Vec<&str> = lines
            .iter()
            .flat_map(|l| l.children.iter().chain([l]))
            .map(|l| l.text.as_str())
            .collect();
        let is_on = |line: &str| all.contains(&line);
        let on = FEATURES.iter().enumerate().filter(|(_, feature)| is_on(feature.line));
        let features = on.map(|(index, _)| index).collect();
        n.switch = Some(switch);
        for (what, count) in [("write torn", torn), ("sectors out of order", mixed)] {
            if count > 0 {
                self.meet(what);
            }
        }
        let n = &mut self.nodes[node];
        n.up_since = self.now;
        // It cannot know whether it was off for long or its clock was set right meanwhile.
        let uncertain = n.put_back_seconds * n.model.licenses_most();
        n.model.more += uncertain;
        n.model.less += uncertain;
        n.model.booted(self.now, features).map_err(|error| format!("switch {node}: {error}"))?;
        self.effects(node, effects)
    }

    pub(crate) fn set_clock(&mut self, node: usize, seconds: i64) -> Result<(), String> {
        let from = self.local(node);
        self.meet("clock set");
        self.nodes[node].last_step_seconds = seconds;
        self.nodes[node].clock_offset += seconds;
        let to = self.local(node);
        self.input(node, Input::ClockStepped { from, to })
    }

    pub(crate) fn ask_for_trust(&mut self, node: usize) -> Result<(), String> {
        let token = self.token_for(node, 365)?;
        let line = format!("license smart trust idtoken {token} all force");
        self.command(node, &line)
    }

    pub(crate) fn save_usage(
        &mut self,
        node: usize,
        there_seconds: i64,
        back_seconds: i64,
        twice: bool,
    ) -> Result<(), String> {
        self.command(node, "delete bootflash:usage.txt")?;
        let text = self.command_output(node, "license smart save usage all bootflash:usage.txt")?;
        if text.contains("Failure") || self.nodes[node].switch.is_none() {
            return Ok(());
        }
        let file = self.command_output(node, "show file bootflash:usage.txt")?;
        for round in 0..=i64::from(twice) {
            let event = Event::Upload { file: file.clone(), back_seconds, twice };
            self.push(self.now + there_seconds * (round + 1), node, event);
        }
        Ok(())
    }

    pub(crate) fn upload(
        &mut self,
        node: usize,
        file: &str,
        back_seconds: i64,
        twice: bool,
    ) -> Result<(), String> {
        let (account, va) = match self.nodes[node].account {
            1 => self.other_smart_account,
            _ => (self.smart_account, self.virtual_account),
        };
        let taken = self.cssm.upload_usage(
            self.cssm_now(),
            &person(),
            account,
            va,
            "usage.txt",
            file.as_bytes(),
        );
        self.check_not_more(node)?;
        let mut taken = match taken {
            Ok(taken) => taken,
            // Of a switch whose clock was ahead nothing is taken; the person comes back another day.
            Err(error) if error.to_string().contains("check the clock") => return Ok(()),
            Err(error) => return Err(format!("CSSM refuses the file: {error}")),
        };
        if taken.set_aside > 0 {
            // It belongs elsewhere; whoever administers both accounts says yes to moving it.
            let now = self.cssm_now();
            let moved = self.cssm.move_set_aside(now, &person(), account, taken.id);
            self.check_not_more(node)?;
            taken = moved.map_err(|error| format!("CSSM moves nothing: {error}"))?;
        }
        let ack = self.cssm.acknowledgement_file(account, taken.id);
        let (_, ack) = ack.map_err(|error| error.to_string())?;
        for round in 0..=i64::from(twice) {
            let event = Event::Import { file: ack.clone() };
            self.push(self.now + back_seconds * (round + 1), node, event);
        }
        Ok(())
    }

    pub(crate) fn import(&mut self, node: usize, file: &str) -> Result<(), String> {
        if self.nodes[node].switch.is_none() {
            return Ok(());
        }
        // The flash of a switch without power or room takes no file; the person comes back another day.
        if self.nodes[node].flash.write("ack.txt", file.as_bytes()).is_ok() {
            self.command(node, "license smart import bootflash:ack.txt")?;
        }
        Ok(())
    }
}
