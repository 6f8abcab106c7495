//! The switch itself: its name, its hardware and software, its restart.

use rumline_protocol::Timestamp;

use crate::answer::{Answer, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::{Put, Setting};
use crate::session::Question;
use crate::{Devices, Effect, Switch};

/// The host name; `switchname` is the same.
pub(crate) const HOSTNAME: Setting = Setting { put: Put::Head, ..Setting::line("hostname") };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("ascii reload", |switch, call| reload(switch, call, true)),
        Command::administrator("reload", |switch, call| reload(switch, call, false)),
        Command::anyone("show boot", |switch, _| Ok(Outcome::text(switch.show_boot()))),
        Command::anyone("show hostname", |switch, _| {
            Ok(Outcome::text(format!("{}\n", switch.hostname())))
        }),
        Command::anyone("show inventory", |switch, _| Ok(Outcome::text(switch.show_inventory()))),
        Command::anyone("show module", |switch, _| Ok(Outcome::text(switch.show_module()))),
        Command::anyone("show version", |switch, call| {
            Ok(Outcome::text(switch.show_version(call.now)))
        }),
    ],
    settings: &[HOSTNAME],
};

fn reload(switch: &mut Switch, call: &mut Call<'_, '_>, ascii: bool) -> Answer {
    let saved = switch.startup.as_deref() == Some(switch.running.render().as_str());
    let before = if saved { "" } else { "!!!WARNING! there is unsaved configuration!!!\n" };
    switch.ask(before, Question::Reload { ascii }, call)
}

impl Switch {
    /// `reload` was answered with yes.
    pub(crate) fn restart(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Answer {
        let told =
            "%PLATFORM-2-PFM_SYSTEM_RESET: Manual system restart from Command Line Interface";
        let mut effects = vec![self.log_line(now, told)];
        effects.extend(self.shut_down(now, devices));
        effects.push(Effect::Reload);
        let mut outcome = Outcome::default().with(effects);
        outcome.reply.close = true;
        Ok(outcome)
    }

    fn show_boot(&self) -> String {
        let image = self.release.image.as_str();
        format!(
            "Current Boot Variables:\n\nsup-1\nNXOS variable = {image}\nBoot POAP Disabled\n\n\
             Boot Variables on next reload:\n\nsup-1\nNXOS variable = {image}\nBoot POAP Disabled\n"
        )
    }

    fn show_inventory(&self) -> String {
        format!(
            "NAME: \"Chassis\",  DESCR: \"{}\"\nPID: {} ,  VID: V01 ,  SN: {}\n\nNAME: \"Slot 1\",  DESCR: \"{} port Ethernet Module\"\nPID: {} ,  VID: V01 ,  SN: {}\n",
            self.platform.chassis,
            self.udi.pid,
            self.udi.serial,
            self.platform.ports,
            self.udi.pid,
            self.udi.serial,
        )
    }

    fn show_module(&self) -> String {
        format!(
            "Mod Ports             Module-Type                      Model           Status\n--- ----- ------------------------------------- --------------------- ---------\n1    {:<5} {:<37} {:<21} active *\n",
            self.platform.ports,
            format!("{} port Ethernet Module", self.platform.ports),
            self.udi.pid,
        )
    }

    fn show_version(&self, now: Timestamp) -> String {
        let up = now.since(self.booted_at).max(0);
        let release = self.release;
        let supervisor =
            if self.platform.supervisors > 1 { " (\"Supervisor Module\")" } else { "" };
        format!(
            "Cisco Nexus Operating System (NX-OS) Software\n\
             This is Rumline, an independent implementation of Smart Licensing Using Policy.\n\n\
             Software\n  BIOS: version {}\n  NXOS: version {}\n  Host NXOS: version {}\n  \
             BIOS compile time:  {}\n  NXOS image file is: {}\n  NXOS compile time:  {}\n\n\n\
             Hardware\n  cisco {}{supervisor}\n  Rumline virtual CPU with 16384000 kB of memory.\n  \
             Processor Board ID {}\n\n  Device name: {}\n  bootflash:   53298520 kB\n\n\
             Kernel uptime is {} day(s), {} hour(s), {} minute(s), {} second(s)\n\n\
             Last reset at {}\n\n  Reason: {}\n  System version: {}\n  Service: \n\n\
             plugin\n  Core Plugin, Ethernet Plugin\n\nActive Package(s):\n        \n",
            release.bios,
            release.nxos,
            release.nxos,
            release.compiled,
            release.image,
            release.compiled,
            self.platform.chassis,
            self.udi.serial,
            self.hostname(),
            up / 86_400,
            up / 3600 % 24,
            up / 60 % 60,
            up % 60,
            self.derived.zone.config_time(self.booted_at),
            self.reset_reason,
            release.nxos,
        )
    }
}
