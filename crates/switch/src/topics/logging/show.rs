//! Where system messages go, as NX-OS shows it.

use rumline_cli::Fields;

use super::Delivery;
use super::settings::{SEVERITIES, Server};
use crate::Switch;
use crate::answer::Answer;
use crate::command::Call;

/// `show logging`: where messages go, and the log file.
pub(super) fn all(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.shown(
        || format!("{}\n{}", switch.logging_info(), switch.log.shown(usize::MAX)),
        || switch.logging_fields().and(Fields::lines(&switch.log.shown(usize::MAX))),
    )
}

/// `show logging info`.
pub(super) fn info(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.shown(|| switch.logging_info(), || switch.logging_fields())
}

/// `show logging console`.
pub(super) fn console(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let up_to = switch.derived.destinations.console;
    call.shown(|| row("console", &state(up_to)), || state_fields(Fields::new(), CONSOLE, up_to))
}

/// `show logging monitor`.
pub(super) fn monitor(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let up_to = switch.derived.destinations.monitor;
    call.shown(|| row("monitor", &state(up_to)), || state_fields(Fields::new(), MONITOR, up_to))
}

/// `show logging server`.
pub(super) fn servers(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    call.shown(|| switch.logging_servers(), || switch.server_fields())
}

const CONSOLE: [&str; 2] = ["console", "console_severity"];
const MONITOR: [&str; 2] = ["monitor", "monitor_severity"];
const LOGFILE: [&str; 2] = ["logfile", "logfile_severity"];

fn row(what: &str, is: &str) -> String {
    format!("{:<32}{is}\n", format!("Logging {what}:"))
}

fn enabled(is_on: bool) -> &'static str {
    if is_on { "enabled" } else { "disabled" }
}

fn severity(number: u8) -> &'static str {
    SEVERITIES.get(usize::from(number)).copied().unwrap_or("debugging")
}

fn state(up_to: Option<u8>) -> String {
    match up_to {
        Some(number) => format!("enabled (Severity: {})", severity(number)),
        None => "disabled".to_owned(),
    }
}

fn state_fields(fields: Fields, names: [&'static str; 2], up_to: Option<u8>) -> Fields {
    fields.text(names[0], enabled(up_to.is_some())).maybe(names[1], up_to.map(severity))
}

impl Switch {
    /// Why messages do not get to a server, if that is known.
    fn problem(&self, server: &Server) -> Option<String> {
        match self.server_path(server) {
            Err(none) => Some(none.to_string()),
            Ok(_) => self.log.deliveries.get(&server.host)?.problem.clone(),
        }
    }

    fn counts(&self, server: &Server) -> (u64, u64) {
        let delivery = self.log.deliveries.get(&server.host);
        delivery.map_or((0, 0), |Delivery { sent, lost, .. }| (*sent, *lost))
    }

    fn logging_servers(&self) -> String {
        let to = &self.derived.destinations;
        let mut text = row("server", enabled(!to.servers.is_empty()));
        for server in &to.servers {
            text.push_str(&format!("{{{}}}\n", server.host));
            if let Some(problem) = self.problem(server) {
                text.push_str("        This server is temporarily unreachable\n");
                text.push_str(&format!("        {problem}\n"));
            }
            let mut add = |what: &str, is: &str| {
                text.push_str(&format!("        {:<24}{is}\n", format!("{what}:")));
            };
            add("server severity", severity(server.severity));
            add("server facility", server.facility);
            add("server VRF", &server.vrf);
            if let Some(port) = server.port {
                add("server port", &port.to_string());
            }
            let (sent, lost) = self.counts(server);
            add("messages sent", &sent.to_string());
            add("messages lost", &lost.to_string());
        }
        text
    }

    fn server_fields(&self) -> Fields {
        let to = &self.derived.destinations;
        let rows = to.servers.iter().map(|server| {
            let (sent, lost) = self.counts(server);
            Fields::new()
                .text("server", &server.host)
                .text("severity", severity(server.severity))
                .text("facility", server.facility)
                .text("vrf", &server.vrf)
                .maybe("port", server.port)
                .number("sent", sent)
                .number("lost", lost)
                .maybe("problem", self.problem(server))
        });
        Fields::new().text("servers", enabled(!to.servers.is_empty())).table("server", rows)
    }

    fn logging_info(&self) -> String {
        let to = &self.derived.destinations;
        let mut text = row("console", &state(to.console));
        text.push_str(&row("monitor", &state(to.monitor)));
        text.push_str(&row("timestamp", to.stamp.name()));
        let source = to.source.as_ref().map(|name| format!("enabled (Interface: {name})"));
        text.push_str(&row("source-interface", source.as_deref().unwrap_or("disabled")));
        text.push_str(&self.logging_servers());
        let origin = to.origin_line.as_ref().map(|line| format!("enabled ({line})"));
        text.push_str(&row("origin_id", origin.as_deref().unwrap_or("disabled")));
        let rfc = if to.is_rfc_5424 { "enabled (5424)" } else { "disabled" };
        text.push_str(&row("RFC", rfc));
        text.push_str(&row("logfile", enabled(to.logfile.is_some())));
        if let Some(up_to) = to.logfile {
            text.push_str(&format!(
                "        Name - {}: Severity - {} Size - {}\n",
                to.logfile_name,
                severity(up_to),
                to.logfile_bytes
            ));
        }
        text
    }

    fn logging_fields(&self) -> Fields {
        let to = &self.derived.destinations;
        let mut fields = state_fields(Fields::new(), CONSOLE, to.console);
        fields = state_fields(fields, MONITOR, to.monitor);
        fields = fields
            .text("timestamp", to.stamp.name())
            .maybe("source_interface", to.source.as_ref())
            .and(self.server_fields())
            .maybe("origin_id", to.origin_line.as_ref())
            .text("rfc", if to.is_rfc_5424 { "5424" } else { "3164" });
        state_fields(fields, LOGFILE, to.logfile)
            .text("logfile_name", &to.logfile_name)
            .number("logfile_size", to.logfile_bytes)
    }
}
