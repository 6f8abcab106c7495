//! What people and fate do to a switch of the world.

use std::sync::Arc;

use rumline_agent::Input;
use rumline_protocol::{Purpose, Random, SoftwareImage};
use rumline_switch::{Devices, Switch};

use crate::model::FEATURES;
use crate::ops::{self, Op};
use crate::pair::Who;
use crate::plan::Fault;
use crate::world::{Event, START, World, maker, person};

/// Releases that are gone between, two of them before Smart Licensing Using Policy. They have the same lines: what goes from a
/// configuration is tried where nothing fails.
const RELEASES: [&str; ops::RELEASES] = ["10.3(3)F", "10.4(3)F", "10.5(1)F", "10.1(2)", "9.3(13)"];

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
        if save { self.save(node) } else { Ok(()) }
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
        if let Some(pair) = &self.nodes[node].pair {
            // Of the active supervisor.
            pair.mirror().off_seconds = seconds;
            if after_writes.is_none() {
                pair.mirror().cut(Who::Active, seconds);
                return self.look_at_power(node);
            }
            self.nodes[node].store.cut_after = after_writes;
            self.command(node, "license smart sync all")?;
            return self.command(node, "license smart save usage all bootflash:cut.txt");
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

    /// Somebody brings the image of another release and installs it. It saves the configuration that runs, and restarts.
    pub(crate) fn install(
        &mut self,
        node: usize,
        release: usize,
        after_writes: Option<u32>,
        seconds: i64,
    ) -> Result<(), String> {
        let n = &mut self.nodes[node];
        if n.switch.is_none() || n.store.full || n.store.cut_after.is_some() {
            return Ok(());
        }
        let release = RELEASES[release % RELEASES.len()];
        let image = SoftwareImage {
            purpose: Purpose::SoftwareImage,
            release: release.to_owned(),
            platforms: vec![n.hardware.pid.clone()],
            made_at: START,
        };
        let file = image.signed(maker(self.plan.seed).as_ref());
        let name = format!("nxos.{}.bin", release.replace(['(', ')'], "-"));
        let brought = n.on_devices(|devices| devices.flash.write(&name, file.as_bytes()));
        if brought.is_err() || self.nodes[node].switch.is_none() {
            return Ok(());
        }
        let n = &mut self.nodes[node];
        if after_writes.is_some() {
            if let Some(pair) = &n.pair {
                pair.mirror().off_seconds = seconds;
            } else {
                n.off_until = self.now + seconds;
                self.push(self.now + seconds, node, Event::PowerOn);
            }
            self.nodes[node].store.cut_after = after_writes;
        }
        // It comes up while the command is carried out, with what was saved before or by it.
        self.nodes[node].model.save_interrupted();
        let line = format!("install all nxos bootflash:{name} non-interruptive");
        let told = self.command_output(node, &line)?;
        let restarts = told.ends_with("Finishing the upgrade, switch will reboot now.\n");
        let is_up = self.nodes[node].switch.is_some();
        // Where the power of one supervisor failed, what it had saved is there, and the other one goes on.
        let is_cut = after_writes.is_some() && self.nodes[node].pair.is_some();
        if is_up && !restarts && !is_cut {
            self.nodes[node].model.save_refused();
        }
        if is_up && restarts && after_writes.is_none() {
            let version = self.command_output(node, "show version")?;
            let expected = format!("NXOS: version {}", release.trim_end_matches('F'));
            if !version.contains(&expected) {
                return Err(format!("switch {node} has {release} installed and runs: {version}"));
            }
            self.meet("release installed");
        }
        Ok(())
    }

    /// Somebody registers a switch with a release of before, with CSSM and by Call Home.
    pub(crate) fn register(&mut self, node: usize) -> Result<(), String> {
        // A token is of one virtual account. Of a pair, each supervisor may be in another one by then: who decides that is not modelled.
        if !self.nodes[node].model.is_older || self.nodes[node].pair.is_some() {
            return Ok(());
        }
        let lines = "configure terminal\nlicense smart enable\ncallhome\nemail-contact ops@sim.test\nenable\nend";
        self.command(node, lines)?;
        self.save(node)?;
        let token = self.token_for(node, 365)?;
        let told =
            self.command_output(node, &format!("license smart register idtoken {token} all"))?;
        if told.starts_with("Registration process is in progress") {
            self.meet("registered as before");
        }
        Ok(())
    }

    /// `copy running-config startup-config`, where nothing is made of it but that.
    fn save(&mut self, node: usize) -> Result<(), String> {
        let text = self.command_output(node, "copy running-config startup-config")?;
        if text.contains("Copy complete.\n") && self.nodes[node].switch.is_some() {
            self.nodes[node].model.was_saved();
        } else if self.nodes[node].switch.is_none() {
            self.nodes[node].model.save_interrupted();
        }
        Ok(())
    }

    pub(crate) fn lose_power(&mut self, node: usize) -> Result<(), String> {
        self.nodes[node].switch = None;
        self.nodes[node].next_wake = None;
        let back = self.nodes[node].off_until.max(self.now + 600);
        self.push(back, node, Event::PowerOn);
        Ok(())
    }

    pub(crate) fn power_on(&mut self, node: usize) -> Result<(), String> {
        if self.nodes[node].pair.is_some() {
            return self.pair_comes_up(node);
        }
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
            _ => {}
        }
        self.come_up(node, if was_up { "Reset" } else { "Power" })
    }

    /// The switch comes up on what lies there.
    pub(crate) fn come_up(&mut self, node: usize, reason: &str) -> Result<(), String> {
        let n = &mut self.nodes[node];
        let (torn, mixed) = (n.store.torn, n.store.mixed);
        (n.store.torn, n.store.mixed) = (0, 0);
        n.next_wake = None;
        let (suite, hardware) = (Arc::clone(&self.suite), n.hardware.clone());
        let local = self.local(node);
        let takes_over = reason == "Switchover";
        let booted = self.nodes[node].on_devices(|devices| {
            if takes_over {
                Switch::take_over(local, &hardware, suite, None, devices)
            } else {
                Switch::boot(local, &hardware, suite, None, reason, devices)
            }
        });
        let (switch, effects) = match booted {
            Ok(booted) => booted,
            // The power may fail again before it is up.
            Err(_) if self.nodes[node].has_no_power() => return self.look_at_power(node),
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
        let is_older = !switch.has_slp();
        let n = &mut self.nodes[node];
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
        let came_up = if takes_over {
            n.model.took_over(self.now, features)
        } else {
            n.model.booted(self.now, features)
        };
        came_up.map_err(|error| format!("switch {node}: {error}"))?;
        let was_older = n.model.is_older;
        let has_power = !n.has_no_power() && !n.store.dead;
        n.model.runs_older(self.now, is_older, has_power);
        let place = n.place;
        if is_older && !was_older {
            self.meet("back to before");
            self.push(self.now + 900, node, Event::Step(Op::Register));
        } else if was_older && !is_older {
            // Where it reports to is set by the guide's commands.
            self.push(self.now + 60, node, Event::Step(Op::Move { place }));
        }
        self.effects(node, effects)
    }

    pub(crate) fn set_clock(&mut self, node: usize, seconds: i64) -> Result<(), String> {
        let from = self.local(node);
        self.meet("clock set");
        self.nodes[node].last_step_seconds = seconds;
        self.nodes[node].clock_offset += seconds;
        let to = self.local(node);
        // The other supervisor of a chassis hears of it first.
        self.look_at_pair(node)?;
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
        // On a release of before there is no such command.
        let n = &self.nodes[node];
        if text.contains("Failure") || n.model.is_older || n.switch.is_none() {
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
        let put = |devices: &mut Devices<'_>| devices.flash.write("ack.txt", file.as_bytes());
        if self.nodes[node].on_devices(put).is_ok() {
            self.command(node, "license smart import bootflash:ack.txt")?;
        }
        Ok(())
    }
}
