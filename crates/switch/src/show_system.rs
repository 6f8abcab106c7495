//! Show commands that are not about licensing.

use rumline_catalogue::Catalogue;
use rumline_cli::Matched;
use rumline_protocol::Timestamp;

use crate::config::starts_with_words;
use crate::grammar::argument;
use crate::session::{Outcome, Session};
use crate::{Devices, Switch, interpret};

impl Switch {
    pub(crate) fn show(
        &mut self,
        now: Timestamp,
        session: &Session,
        command: &Matched,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let text = match command.action.as_str() {
            "show callhome" => self.show_callhome(),
            "show callhome transport" => self.show_callhome_transport(),
            "show clock" => {
                format!("{}\nTime source is Hardware Calendar\n", self.zone.show_clock(now))
            }
            "show feature" => self.show_feature(),
            "show file" | "show file sha256sum" => return self.show_file(command, devices),
            "show history" => session.history.iter().map(|line| format!("{line}\n")).collect(),
            "show hostname" => format!("{}\n", self.hostname()),
            "show inventory" => self.show_inventory(),
            "show access-lists" => self.show_access_lists(command.get("name")),
            "show logging" => self.show_logging(command),
            "show module" => self.show_module(),
            "show running-config" => self.show_running(now, "", command.has("all")),
            "show running-config license" => self.show_running(now, "license", command.has("all")),
            "show running-config callhome" => {
                self.show_running(now, "callhome", command.has("all"))
            }
            "show startup-config" => match &self.startup {
                Some(text) => text.clone(),
                None => "No startup configuration\n".to_owned(),
            },
            "show users" => format!(
                "NAME     LINE         TIME         IDLE          PID COMMENT\n{:<8} pts/0        {}  .\n",
                session.login,
                self.zone.log_time(self.booted_at)
            ),
            "show version" => self.show_version(now),
            _ => return self.show_license(now, command, devices),
        };
        Outcome::text(text)
    }

    fn callhome_value(&self, head: &str) -> Option<&str> {
        let section = self.running.section(&["callhome".to_owned()])?;
        let line = section.iter().find(|line| starts_with_words(&line.text, head))?;
        Some(line.text[head.len()..].trim())
    }

    /// PI-SHOW-032.
    fn show_callhome(&self) -> String {
        let value = |head| self.callhome_value(head).unwrap_or("Not configured");
        let on = if self.callhome_value("enable").is_some() { "Enabled" } else { "Disabled" };
        format!(
            "callhome {on}\nCallhome Information:\n contact person's email:{}\n\
             contact person's phone number:{}\nsource interface:{}\n",
            value("email-contact"),
            value("phone-contact"),
            value("source-interface")
        )
    }

    /// PI-NET-024, PI-NET-026, PI-SHOW-032.
    fn show_callhome_transport(&self) -> String {
        let value = |head| self.callhome_value(head).unwrap_or("Not configured");
        let proxy = self.callhome_value("transport http proxy server").map(|server| {
            let (address, port) = server.split_once(" port ").unwrap_or((server, "8080"));
            format!("{address} port {port}")
        });
        let enabled = self.callhome_value("transport http proxy enable").is_some();
        let url = self.callhome_value("destination-profile xml index 1 http");
        let size = self.callhome_value("destination-profile xml message-size");
        format!(
            "http vrf:{}\nhttp proxy server:{}\nhttp proxy:{}\n\nfrom email addr:{}\n\
             reply to email addr:{}\nsmtp server:{}\n\nurl:{}\nmaximum message size:{}\n",
            self.callhome_value("transport http use-vrf").unwrap_or("management"),
            proxy.as_deref().unwrap_or("Not configured"),
            if enabled { "Enabled" } else { "Disabled" },
            value("transport email from"),
            value("transport email reply-to"),
            value("transport email smtp-server"),
            url.unwrap_or(rumline_agent::DEFAULT_CALLHOME_URL),
            size.unwrap_or("1000000")
        )
    }

    fn show_feature(&self) -> String {
        let on = interpret::features(&self.running);
        let mut text = String::from(
            "Feature Name          Instance  State\n--------------------  --------  --------\n",
        );
        for feature in Catalogue::nexus().features() {
            let state = if on.contains(feature.name.as_str()) { "enabled" } else { "disabled" };
            for instance in 1..=feature.instances {
                // Only the first instance of a protocol runs until more are configured.
                let state =
                    if instance > 1 && state == "enabled" { "enabled(not-running)" } else { state };
                text.push_str(&format!("{:<20} {instance:<10} {state}\n", feature.shown()));
            }
        }
        text
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

    /// PI-SHOW-034.
    fn show_access_lists(&self, wanted: Option<&str>) -> String {
        let mut text = String::new();
        for line in self.running.starting_with("ip access-list") {
            let name = line.text.trim_start_matches("ip access-list").trim();
            if wanted.is_some_and(|wanted| wanted != name) {
                continue;
            }
            text.push_str(&format!("IP access list {name}\n"));
            let mut sequence = 0;
            for entry in line.children.iter().filter(|entry| !entry.text.is_empty()) {
                let first = entry.text.split(' ').next().unwrap_or_default();
                if let Ok(number) = first.parse() {
                    sequence = number;
                    text.push_str(&format!("        {}\n", entry.text));
                } else if first == "permit" || first == "deny" || first == "remark" {
                    sequence += 10;
                    text.push_str(&format!("        {sequence} {}\n", entry.text));
                }
            }
        }
        text
    }

    fn show_logging(&self, command: &Matched) -> String {
        let lines = argument(command, "lines").parse().unwrap_or(usize::MAX);
        let skipped = self.log.len().saturating_sub(lines);
        self.log.iter().skip(skipped).map(|line| format!("{line}\n")).collect()
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
            self.zone.config_time(self.booted_at),
            self.reset_reason,
            release.nxos,
        )
    }
}
