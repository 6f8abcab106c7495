//! `show license …`, in the layouts of the guide.

use rumline_agent::{LicenseInUse, ReportSummary, Transport};
use rumline_cli::Rendering;
use rumline_protocol::ClassPolicy;

use super::settings;
use crate::Switch;
use crate::answer::{Answer, CommandError, Outcome};
use crate::command::Call;

/// The most reports listed at once.
const REPORTS_SHOWN_MAX: usize = 1_000;

impl Switch {
    /// PI-SHOW-001 to 014.
    pub(crate) fn license_status(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}",
            self.status_head(),
            self.status_policy(),
            self.status_usage(),
            self.status_trust()
        )
    }

    pub(crate) fn status_head(&self) -> String {
        let config = self.agent.config();
        let sending = if config.hide_hostname { "no" } else { "yes" };
        let privacy = |on: bool| if on { "ENABLED" } else { "DISABLED" };
        format!(
            "Utility:\n  Status: DISABLED\n\nSmart Licensing using Policy:\n  Status: ENABLED\n\n\
             Data Privacy:\n  Sending Hostname: {sending}\n  Callhome Hostname Privacy: DISABLED\n  \
             Smart Licensing Hostname Privacy: {}\n  Version Privacy: {}\n\nTransport:\n{}",
            privacy(config.hide_hostname),
            privacy(config.hide_version),
            self.status_transport()
        )
    }

    /// PI-SHOW-005 to 008.
    fn status_transport(&self) -> String {
        let config = self.agent.config();
        let mut text = match config.transport {
            Transport::Callhome => return "  Type: Callhome\n".to_owned(),
            Transport::Off => return "  Type: Transport Off\n".to_owned(),
            Transport::Cslu => {
                let address = config.cslu_url.as_deref();
                format!("  Type: CSLU\n  Cslu address: {}\n", address.unwrap_or("cslu-local"))
            }
            Transport::Smart => {
                let url = config.smart_url.as_deref().unwrap_or(rumline_agent::DEFAULT_SMART_URL);
                let proxy = match settings::PROXY_ADDRESS.value(&self.running) {
                    None => "    Not configured\n".to_owned(),
                    Some(address) => {
                        let port = settings::PROXY_PORT.value(&self.running).unwrap_or("<none>");
                        format!("    Address: {address}\n    Port: {port}\n")
                    }
                };
                format!("  Type: Smart\n  URL: {url}\n  Proxy:\n{proxy}")
            }
        };
        if let Some(vrf) = settings::VRF.value(&self.running) {
            text.push_str(&format!("  VRF: {vrf}\n"));
        }
        text
    }

    /// C-04: where the values are from, however they came.
    pub(super) fn policy_is_installed(&self) -> bool {
        let in_use = self.agent.policy_in_use();
        in_use.installed_at.is_some()
            && in_use.policy.policy_name != rumline_protocol::Policy::CISCO_DEFAULT
    }

    /// PI-POL-005, 006, 007; PI-SHOW-009, 010.
    fn status_policy(&self) -> String {
        let in_use = self.agent.policy_in_use();
        let policy = &in_use.policy;
        let origin = if self.policy_is_installed() { "Installed" } else { "CISCO default" };
        let class = |title: &str, class: ClassPolicy| {
            format!(
                "  {title}:\n    First report requirement (days): {} ({origin})\n    \
                 Ongoing reporting frequency (days): {} ({origin})\n    \
                 On change reporting (days): {} ({origin})\n",
                class.first_report_days, class.ongoing_report_days, class.on_change_report_days
            )
        };
        format!(
            "Policy:\n  Policy in use: Merged from multiple sources\n  Reporting ACK required: {}\n\
             {}{}{}\nMiscellaneous:\n  Custom Id: {}\n",
            if policy.reporting_ack_required { "Yes" } else { "No" },
            class("Unenforced/Non-Export", policy.unenforced),
            class("Enforced (Perpetual/Subscription)", policy.enforced),
            class("Export (Perpetual/Subscription)", policy.export),
            settings::CUSTOM_ID.value(&self.running).unwrap_or("<empty>")
        )
    }

    pub(crate) fn status_usage(&self) -> String {
        let usage = self.agent.usage_reporting();
        let at = |at| self.derived.zone.license_time_or_none(at);
        let interval = match usage.push_interval_days {
            None => "<none>".to_owned(),
            Some(0) => "0 (no reporting)".to_owned(),
            Some(days) => format!("{days} days"),
        };
        format!(
            "Usage reporting:\n  Last ACK received: {}\n  Next ACK deadline: {}\n  \
             Reporting push interval: {interval}\n  Next ACK push check: {}\n  \
             Next report push: {}\n  Last report push: {}\n  Last report file write: {}\n",
            at(usage.last_ack_at),
            at(usage.next_ack_deadline_at),
            at(usage.next_ack_check_at),
            at(usage.next_push_at),
            at(usage.last_push_at),
            at(usage.last_file_write_at)
        )
    }

    /// PI-SHOW-013, PI-TRUST-009.
    pub(crate) fn status_trust(&self) -> String {
        let trust = self.agent.trust();
        let installed = trust.iter().find_map(|line| line.code.as_ref().map(|(_, at)| *at));
        let Some(installed_at) = installed else {
            return "Trust Code installed: <none>\n".to_owned();
        };
        let mut text =
            format!("Trust Code installed: {}\n", self.derived.zone.license_time(installed_at));
        for line in trust {
            let at = self.derived.zone.license_time_or_none(line.code.map(|(_, at)| at));
            text.push_str(&format!(
                "  {}: PID: {}, SN: {}\n          {at}\n",
                line.role, line.udi.pid, line.udi.serial
            ));
        }
        text
    }

    /// The licences in the order of the guide's samples: add-ons first, the base package last.
    pub(super) fn licenses_shown(&self) -> Vec<LicenseInUse> {
        let mut licenses = self.agent.licenses_in_use();
        let rank = |name: &str| match name {
            "LAN_ENTERPRISE_SERVICES_PKG" => 3,
            "VPN_FABRIC" => 2,
            "NETWORK_SERVICES_PKG" => 1,
            _ => 0,
        };
        licenses.sort_by(|a, b| (rank(&a.name), &a.name).cmp(&(rank(&b.name), &b.name)));
        licenses
    }

    /// PI-SHOW-015, 016; C-69.
    pub(super) fn license_summary(&self) -> String {
        let mut text = format!(
            "License Usage:\n{:<24}{:<31}{:<6}Status\n{}\n",
            "License",
            "Entitlement tag",
            "Count",
            "-".repeat(77)
        );
        for license in self.licenses_shown() {
            let head: String = license.description.chars().take(23).collect();
            let cut = if license.description.chars().count() > 23 { "..." } else { "" };
            let left = format!("{head}{cut} ({})", license.name);
            let width = 60_usize.saturating_sub(left.len()).max(2);
            text.push_str(&format!("{left}{:>width$} IN USE\n", license.count));
        }
        text
    }

    /// PI-SHOW-017, 018.
    pub(crate) fn license_usage(&self) -> String {
        let mut text = "License Authorization:\n  Status: Not Applicable\n".to_owned();
        for license in self.licenses_shown() {
            text.push_str(&format!(
                "\n({}):\n  Description: {}\n  Count: {}\n  Version: 1.0\n  Status: IN USE\n  \
                 Enforcement Type: NOT ENFORCED\n  License Type: Generic\n",
                license.name, license.description, license.count
            ));
        }
        text
    }

    /// PI-SHOW-019.
    pub(crate) fn license_udi(&self) -> String {
        let members = &self.agent.profile().members;
        let mut text = format!("UDI: PID:{}, SN:{}\n", self.udi.pid, self.udi.serial);
        if members.len() > 1 {
            for member in members {
                text.push_str(&format!(
                    "HA UDI List:\n  {}: PID:{}, SN:{}\n",
                    member.role, member.sudi.pid, member.sudi.serial
                ));
            }
        }
        text
    }

    /// PI-SHOW-020; layout by G-09.
    pub(super) fn license_all(&self) -> String {
        let title = |text: &str| format!("{text}\n{}\n\n", "=".repeat(text.len()));
        format!(
            "{}{}\n{}{}\n{}{}\n{}Smart Agent for Licensing: {}\n\n{}",
            title("Smart Licensing Status"),
            self.license_status(),
            title("License Usage"),
            self.license_usage(),
            title("Product Information"),
            self.license_udi(),
            title("Agent Version"),
            self.release.agent,
            self.report_counts()
        )
    }

    pub(crate) fn report_counts(&self) -> String {
        let [open, closed, waiting, acknowledged, purged] = self.agent.report_counts();
        format!(
            "Usage Report Summary:\n=====================\nTotal: {},  Purged: {purged}\n\
             Total Acknowledged Received: {},  Waiting for Ack: {waiting}\n\
             Available to Report: {closed}  Collecting Data: {open}\n",
            open + closed + waiting + acknowledged,
            acknowledged + purged
        )
    }

    pub(super) fn license_eventlog(&self) -> String {
        let mut text = String::new();
        for line in self.agent.event_log() {
            text.push_str(line);
            text.push('\n');
        }
        if text.is_empty() {
            return " No EventLog Found.\n".to_owned();
        }
        format!("**** Event Log ****\n\n{text}")
    }

    /// PI-SHOW-025; G-09.
    pub(super) fn license_history(&self) -> String {
        let rule = "=".repeat(52);
        let mut text = format!("Message History (oldest to newest):\n{rule}\n");
        let history = self.agent.history();
        for class in ["Trust Establishment", "Usage Reporting", "Result Polling", "Trust Sync"] {
            text.push_str(&format!("{class}:\n"));
            self.push_history(history.get(class), "No past history", &mut text);
        }
        text.push_str(&format!("\nImport Message History (oldest to newest):\n{rule}\n"));
        for kind in ["POLICY", "AUTH", "TRUST CODE", "RUM ACK", "CONVERSION ACK", "ACCOUNT INFO"] {
            text.push_str(&format!("Import {kind}:\n"));
            let entries = history.get(&format!("Import {kind}"));
            self.push_history(entries, "No past Import history", &mut text);
            text.push('\n');
        }
        text
    }

    fn push_history(
        &self,
        entries: Option<&Vec<rumline_agent::HistoryEntry>>,
        none: &str,
        text: &mut String,
    ) {
        match entries {
            None => text.push_str(&format!("  {none}\n")),
            Some(entries) => {
                for entry in entries {
                    let time = |at| self.derived.zone.license_time(at);
                    let at = time(entry.at);
                    match (&entry.sent_to, entry.answered_at) {
                        (Some(peer), Some(answered_at)) => text.push_str(&format!(
                            "  {at}: Request: to the {peer}\n  {}: Response: {}\n",
                            time(answered_at),
                            entry.text
                        )),
                        _ => text.push_str(&format!("  {at}: {}\n", entry.text)),
                    }
                }
            }
        }
    }

    /// PI-SHOW-021 to 023.
    pub(super) fn license_rum(&mut self, call: &mut Call<'_, '_>) -> Answer {
        let id: u64 = call.number("id");
        let store = &mut *call.devices.store;
        let reports = if id == 0 {
            self.agent.report_summaries(REPORTS_SHOWN_MAX, store)
        } else {
            self.agent.report_summary(id, store).map(|one| one.into_iter().collect())
        };
        let reports = reports.map_err(CommandError::disk)?;
        if id != 0 && reports.is_empty() {
            return Err(CommandError::Failed(format!("Report {id} does not exist")));
        }
        if call.rendering != Rendering::Text {
            // PI-SHOW-035 speaks of all of them.
            let row = reports.first().filter(|_| id != 0).map(|report| self.rum_row(report));
            return match row {
                Some(row) => call.shown(String::new, || row),
                None => call.text_only(String::new),
            };
        }
        let detail = call.has("detail");
        let title = if detail { " Detail" } else { "" };
        let mut text = format!("Smart Licensing Usage Report{title}:\n{}\n", "=".repeat(36));
        if !detail {
            text.push_str("Report Id,          State,    Flag, Feature Name\n");
        }
        for report in &reports {
            if detail {
                text.push_str(&self.rum_detail(report));
            } else {
                text.push_str(&format!(
                    "{:<20}{:<10}N     {}\n",
                    report.report_id,
                    report.state.label(),
                    report.feature_name
                ));
            }
        }
        Ok(Outcome::text(text))
    }

    fn rum_detail(&self, report: &ReportSummary) -> String {
        format!(
            "Report Id: {}\n  Metric Name: ENTITLEMENT\n  Feature Name: {}\n  Metric Value: {}\n  \
             UDI: {}\n  Previous Report Id: {},    Next Report Id: {}\n  State: {},      \
             State Change Reason: {}\n  Start Time: {},      End Time: {}\n  Count: {}\n  Use: {} license seconds\n  \
             Storage State: EXIST\n  Transaction ID: 0\n  Transaction Message: <none>\n",
            report.report_id,
            report.feature_name,
            report.tag,
            report.udi,
            report.previous_report_id,
            report.next_report_id,
            report.state.label(),
            report.close_reason.as_deref().unwrap_or("None"),
            self.derived.zone.license_time(report.start_at),
            self.derived.zone.license_time_or_none(report.end_at),
            report.last_count,
            report.count_seconds
        )
    }
}
