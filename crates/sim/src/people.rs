//! What people and fate do to a switch of the world.

use std::collections::BTreeSet;
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
        let (feature, _) = FEATURES[index % FEATURES.len()];
        let mut features: BTreeSet<&'static str> = self.nodes[node].model.running.clone();
        let changed = if on { features.insert(feature) } else { features.remove(feature) };
        let no = if on { "" } else { "no " };
        self.command(node, &format!("configure terminal\n{no}feature {feature}"))?;
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
            Switch::boot(local, &hardware, suite, None, reason, &mut devices)
                .map_err(|error| format!("switch {node} does not come up: {error}"))?;
        let is_on = |feature: &&str| {
            let mut lines = switch.running().starting_with("feature");
            lines.any(|line| line.text.strip_prefix("feature ") == Some(*feature))
        };
        let features = FEATURES.iter().map(|(feature, _)| *feature).filter(is_on).collect();
        n.switch = Some(switch);
        n.model.booted(self.now, features).map_err(|error| format!("switch {node}: {error}"))?;
        self.effects(node, effects)
    }

    pub(crate) fn set_clock(&mut self, node: usize, seconds: i64) -> Result<(), String> {
        let from = self.local(node);
        self.nodes[node].clock_offset += seconds;
        let to = self.local(node);
        self.input(node, Input::ClockStepped { from, to })
    }

    pub(crate) fn ask_for_trust(&mut self, node: usize) -> Result<(), String> {
        let line = format!("license smart trust idtoken {} all force", self.token);
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
        let va = self.virtual_account;
        let taken = self.cssm.upload_usage(
            self.now,
            &person(),
            self.smart_account,
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
            let moved = self.cssm.move_set_aside(self.now, &person(), self.smart_account, taken.id);
            self.check_not_more(node)?;
            taken = moved.map_err(|error| format!("CSSM moves nothing: {error}"))?;
        }
        let ack = self.cssm.acknowledgement_file(self.smart_account, taken.id);
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
