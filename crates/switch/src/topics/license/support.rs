//! `show license tech support` (PI-SHOW-024; REL-012).

use rumline_agent::Transport;
use rumline_protocol::Timestamp;

use crate::Switch;

const CLASSES: [&str; 4] =
    ["Trust Establishment", "Usage Reporting", "Result Polling", "Trust Sync"];

impl Switch {
    pub(crate) fn license_tech_support(&self, now: Timestamp) -> String {
        format!(
            "Smart Licensing Tech Support info\n\n{}\n{}\n{}\n{}\n{}\n{}",
            self.license_status(),
            self.license_usage(),
            self.scheduled_jobs(now),
            self.statistics(),
            self.report_counts(),
            self.other_info(now)
        )
    }

    fn scheduled_jobs(&self, now: Timestamp) -> String {
        let mut text = format!(
            "Upcoming Scheduled Jobs\n=======================\nCurrent time: {}\n",
            self.derived.zone.license_time(now)
        );
        match self.agent.next_wake() {
            None => text.push_str("Next: <none>\n"),
            Some((at, reason)) => {
                let left = at.since(now).max(0);
                text.push_str(&format!(
                    "Next: {reason}, {} ({} hours, {} minutes, {} seconds remaining)\n",
                    self.derived.zone.license_time(at),
                    left / 3600,
                    left / 60 % 60,
                    left % 60
                ));
            }
        }
        let due = if self.agent.report_is_due(now) { "yes" } else { "no" };
        text.push_str(&format!("RUM report due: {due}\n"));
        text
    }

    fn statistics(&self) -> String {
        let mut text = "Communication Statistics:\n=======================\n".to_owned();
        let state = if self.agent.config().destination().is_none() {
            "Device configured for Offline transport"
        } else {
            "<empty>"
        };
        text.push_str(&format!("Overall State: {state}\n"));
        for class in CLASSES {
            let statistics = self.agent.statistics().get(class).cloned().unwrap_or_default();
            let at = |at| self.derived.zone.license_time_or_none(at);
            let last = match (&statistics.last_response, statistics.last_response_at) {
                (Some(label), Some(at)) => {
                    format!("{label} on {}", self.derived.zone.license_time(at))
                }
                _ => "<none>".to_owned(),
            };
            text.push_str(&format!(
                "{class}:\n  Attempts: Total={}, Success={}, Fail={}  Ongoing Failure: Overall={} \
                 Communication={}\n  Last Response: {last}\n    Failure Reason: {}\n  \
                 Last Success Time: {}\n  Last Failure Time: {}\n",
                statistics.success + statistics.fail,
                statistics.success,
                statistics.fail,
                statistics.ongoing,
                statistics.ongoing_communication,
                statistics.failure_reason.as_deref().unwrap_or("<none>"),
                at(statistics.last_success_at),
                at(statistics.last_failure_at)
            ));
        }
        text
    }

    fn other_info(&self, now: Timestamp) -> String {
        let is_callhome = self.agent.config().transport == Transport::Callhome;
        let logging = if is_callhome { "logging 2.0 for callhome" } else { "logging 2.0" };
        let storage = match self.agent.storage_failure() {
            None => "OK".to_owned(),
            Some(error) => error.to_string(),
        };
        let account = match self.agent.account() {
            None => "<none>".to_owned(),
            Some(info) => format!("{} / {}", info.smart_account, info.virtual_account),
        };
        format!(
            "Other Info\n==========\nSoftware ID: {}\nSmart Agent for Licensing: {}\n\
             Product Instance Identifier: {}\nDevice key: {}\nAccount: {account}\nStorage: {storage}\n\
             Message Version: {}\nLogging Version: {}\n24-port licensing: {}\nTime: {}\n\nDevice public key:\n{}",
            self.agent.profile().software_tag,
            self.release.agent,
            self.agent.product_instance_identifier(),
            self.agent.public_key().key_id(),
            rumline_protocol::MESSAGE_VERSION,
            // G-32; PI-LIC-010
            if self.software().has(logging) { "2.0" } else { "1.0" },
            if self.software().has("24 ports") { "Supported" } else { "Not supported" },
            self.derived.zone.license_time(now),
            self.agent.public_key().to_pem()
        )
    }
}
