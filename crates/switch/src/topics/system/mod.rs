//! The switch itself: its name, its hardware and software, its restart, the process it is.

mod process;

pub use process::Process;
pub(crate) use process::Samples;

use rumline_catalogue::Release;
use rumline_cli::Fields;
use rumline_protocol::{Timestamp, Udi};

use crate::answer::{Answer, Outcome};
use crate::command::{Call, Command, Topic};
use crate::config::{Put, Setting};
use crate::session::Question;
use crate::topics::redundancy::{OtherState, Redundancy, Slot};
use crate::{Devices, Effect, Switch};

/// The host name; `switchname` is the same.
pub(crate) const HOSTNAME: Setting = Setting { put: Put::Head, ..Setting::line("hostname") };

const VERSION_HEADER: &str = "Cisco Nexus Operating System (NX-OS) Software\n\
    This is Rumline, an independent implementation of Smart Licensing Using Policy.\n";
const SUPERVISOR: &str = "Supervisor Module";
const CPU: &str = "Rumline virtual CPU";
const MEMORY_KIB: u32 = 16_384_000;
const BOOTFLASH_KIB: u32 = 53_298_520;

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::administrator("ascii reload", |switch, call| reload(switch, call, true)),
        Command::administrator("reload", |switch, call| reload(switch, call, false)),
        Command::anyone("show hostname", |switch, call| {
            let name = switch.hostname();
            call.shown(|| format!("{name}\n"), || Fields::new().text("hostname", name))
        }),
        Command::anyone("show inventory", |switch, call| {
            call.shown(|| switch.show_inventory(), || switch.inventory_rows())
        }),
        Command::anyone("show module", |switch, call| {
            call.shown(|| switch.show_module(), || switch.module_rows())
        }),
        Command::anyone("show environment", |_, call| {
            let told = "This switch is software: it has no fans, power supplies and sensors";
            call.shown(|| format!("{told}\n"), || Fields::new().text("environment", told))
        }),
        Command::anyone("show processes cpu", process::show_cpu),
        Command::anyone("show processes memory", process::show_memory),
        Command::anyone("show system resources", process::show_resources),
        Command::anyone("show system uptime", |switch, call| {
            call.shown(|| switch.show_uptime(call.now), || switch.uptime_fields(call.now))
        }),
        Command::anyone("show version", |switch, call| {
            call.shown(|| switch.show_version(call.now), || switch.version_fields(call.now))
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

    /// The parts of the switch: name, description, product id, serial number.
    fn inventory(&self) -> Vec<(String, String, &str, &str)> {
        let Udi { pid, serial } = &self.udi;
        let mut parts = vec![
            ("Chassis".to_owned(), self.platform.chassis.clone(), pid.as_str(), serial.as_str()),
            ("Slot 1".to_owned(), self.module_type(), pid, serial),
        ];
        for (slot, udi, _) in self.supervisor_modules() {
            let name = format!("Slot {}", slot.module());
            parts.push((name, SUPERVISOR.to_owned(), &udi.pid, &udi.serial));
        }
        parts
    }

    /// The modules that restart with another image: the supervisors, or the one that is all.
    pub(crate) fn restarting_modules(&self) -> Vec<u8> {
        let supervisors = self.supervisor_modules();
        let slots = supervisors.iter().map(|(slot, ..)| slot.module());
        if supervisors.is_empty() { vec![1] } else { slots.collect() }
    }

    /// The supervisors of a chassis with two, by slot: who each is, and how it stands.
    fn supervisor_modules(&self) -> Vec<(Slot, &Udi, &'static str)> {
        if self.platform.supervisors < 2 {
            return Vec::new();
        }
        let Redundancy { slot, other, .. } = self.redundancy();
        let mut modules = vec![(*slot, &self.udi, "active *")];
        modules.extend(other.as_ref().map(|other| {
            let status = match other.state {
                OtherState::Copying => "powered-up",
                OtherState::Standby => "ha-standby",
            };
            (slot.other(), &other.udi, status)
        }));
        modules.sort_by_key(|(slot, ..)| *slot);
        modules
    }

    fn module_type(&self) -> String {
        format!("{} port Ethernet Module", self.platform.ports)
    }

    fn show_inventory(&self) -> String {
        let part = |(name, text, pid, serial)| {
            format!(
                "NAME: \"{name}\",  DESCR: \"{text}\"\nPID: {pid} ,  VID: V01 ,  SN: {serial}\n\n"
            )
        };
        self.inventory().into_iter().map(part).collect()
    }

    fn inventory_rows(&self) -> Fields {
        let row = |(name, text, pid, serial): (String, String, &str, &str)| {
            Fields::new()
                .text("name", name)
                .text("desc", text)
                .text("productid", pid)
                .text("vendorid", "V01")
                .text("serialnum", serial)
        };
        Fields::new().table("inv", self.inventory().into_iter().map(row))
    }

    /// The modules: number, ports, type, serial number, status. The first has the ports.
    fn modules(&self) -> Vec<(u8, u32, String, &str, &'static str)> {
        let supervisors = self.supervisor_modules();
        let status = if supervisors.is_empty() { "active *" } else { "ok" };
        let serial = self.udi.serial.as_str();
        let mut modules = vec![(1, self.platform.ports, self.module_type(), serial, status)];
        modules.extend(supervisors.into_iter().map(|(slot, udi, status)| {
            (slot.module(), 0, SUPERVISOR.to_owned(), udi.serial.as_str(), status)
        }));
        modules
    }

    fn show_module(&self) -> String {
        let pid = &self.udi.pid;
        let mut text =
            "Mod Ports             Module-Type                      Model           Status\n\
            --- ----- ------------------------------------- --------------------- ---------\n"
                .to_owned();
        let modules = self.modules();
        for (number, ports, kind, _, status) in &modules {
            text.push_str(&format!("{number:<4} {ports:<5} {kind:<37} {pid:<21} {status}\n"));
        }
        if modules.len() > 1 {
            text.push_str("\nMod  Serial-Num\n---  ----------\n");
            for (number, _, _, serial, _) in &modules {
                text.push_str(&format!("{number:<4} {serial}\n"));
            }
        }
        text
    }

    fn module_rows(&self) -> Fields {
        let modules = self.modules();
        let row = |(number, ports, kind, _, status): &(u8, u32, String, &str, &'static str)| {
            Fields::new()
                .number("modinf", *number)
                .number("ports", *ports)
                .text("modtype", kind)
                .text("model", &self.udi.pid)
                .text("status", *status)
        };
        let fields = Fields::new().table("modinfo", modules.iter().map(row));
        if modules.len() == 1 {
            return fields;
        }
        let row = |(number, _, _, serial, _): &(u8, u32, String, &str, &'static str)| {
            Fields::new().number("mod", *number).text("serialnum", *serial)
        };
        fields.table("modmacinfo", modules.iter().map(row))
    }

    /// Days, hours, minutes and seconds since the start.
    fn up(&self, now: Timestamp) -> [i64; 4] {
        let up = now.since(self.booted_at).max(0);
        [up / 86_400, up / 3600 % 24, up / 60 % 60, up % 60]
    }

    fn show_uptime(&self, now: Timestamp) -> String {
        let [days, hours, minutes, seconds] = self.up(now);
        let up = format!("{days} days, {hours} hours, {minutes} minutes, {seconds} seconds");
        let start = self.derived.zone.config_time(self.booted_at);
        format!(
            "System start time:          {start}\nSystem uptime:              {up}\nKernel uptime:              {up}\n\
             Active supervisor uptime:   {up}\n"
        )
    }

    fn uptime_fields(&self, now: Timestamp) -> Fields {
        let [days, hours, minutes, seconds] = self.up(now);
        Fields::new()
            .text("sys_st_time", self.derived.zone.config_time(self.booted_at))
            .number("sys_up_days", days)
            .number("sys_up_hrs", hours)
            .number("sys_up_mins", minutes)
            .number("sys_up_secs", seconds)
            .number("kn_up_days", days)
            .number("kn_up_hrs", hours)
            .number("kn_up_mins", minutes)
            .number("kn_up_secs", seconds)
    }

    /// The release that was reset.
    fn ran_before(&self) -> &'static Release {
        self.start.before.unwrap_or(self.release)
    }

    fn version_fields(&self, now: Timestamp) -> Fields {
        let [days, hours, minutes, seconds] = self.up(now);
        let release = self.release;
        Fields::new()
            .text("header_str", VERSION_HEADER)
            .text("bios_ver_str", &release.bios)
            .text("kickstart_ver_str", &release.nxos)
            .text("nxos_ver_str", &release.nxos)
            .text("bios_cmpl_time", &release.compiled)
            .text("kick_file_name", self.start.image())
            .text("nxos_file_name", self.start.image())
            .text("kick_cmpl_time", &release.compiled)
            .text("nxos_cmpl_time", &release.compiled)
            .text("chassis_id", &self.platform.chassis)
            .text("cpu_name", CPU)
            .number("memory", MEMORY_KIB)
            .text("mem_type", "kB")
            .text("proc_board_id", &self.udi.serial)
            .text("host_name", self.hostname())
            .number("bootflash_size", BOOTFLASH_KIB)
            .number("kern_uptm_days", days)
            .number("kern_uptm_hrs", hours)
            .number("kern_uptm_mins", minutes)
            .number("kern_uptm_secs", seconds)
            .text("rr_ctime", self.derived.zone.config_time(self.booted_at))
            .text("rr_reason", &self.reset_reason)
            .text("rr_sys_ver", &self.ran_before().nxos)
            .text("rr_service", "")
            .text("manufacturer", "Rumline")
    }

    fn show_version(&self, now: Timestamp) -> String {
        let [days, hours, minutes, seconds] = self.up(now);
        let release = self.release;
        let supervisor =
            if self.platform.supervisors > 1 { " (\"Supervisor Module\")" } else { "" };
        format!(
            "{VERSION_HEADER}\n\
             Software\n  BIOS: version {}\n  NXOS: version {}\n  Host NXOS: version {}\n  \
             BIOS compile time:  {}\n  NXOS image file is: {}\n  NXOS compile time:  {}\n\n\n\
             Hardware\n  cisco {}{supervisor}\n  {CPU} with {MEMORY_KIB} kB of memory.\n  \
             Processor Board ID {}\n\n  Device name: {}\n  bootflash:   {BOOTFLASH_KIB} kB\n\n\
             Kernel uptime is {} day(s), {} hour(s), {} minute(s), {} second(s)\n\n\
             Last reset at {}\n\n  Reason: {}\n  System version: {}\n  Service: \n\n\
             plugin\n  Core Plugin, Ethernet Plugin\n\nActive Package(s):\n        \n",
            release.bios,
            release.nxos,
            release.nxos,
            release.compiled,
            self.start.image(),
            release.compiled,
            self.platform.chassis,
            self.udi.serial,
            self.hostname(),
            days,
            hours,
            minutes,
            seconds,
            self.derived.zone.config_time(self.booted_at),
            self.reset_reason,
            self.ran_before().nxos,
        )
    }
}
