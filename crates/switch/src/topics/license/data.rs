//! `show license …` as data, for programs. The names of `show license usage` are those that a public report template reads; all
//! others are in their manner (docs/nxapi.md).

use rumline_agent::{ReportSummary, Transport};
use rumline_cli::Fields;
use rumline_protocol::ClassPolicy;

use super::settings;
use crate::Switch;

const VERSION: &str = "1.0";
const IN_USE: &str = "IN USE";

impl Switch {
    pub(super) fn usage_rows(&self) -> Fields {
        let rows = self.licenses_shown().into_iter().map(|license| {
            Fields::new()
                .text("smart_feature_name", license.name)
                .text("smart_description", license.description)
                .number("smart_count", license.count)
                .text("smart_version", VERSION)
                .text("smart_status", IN_USE)
                .text("smart_enforcement_type", "NOT ENFORCED")
                .text("smart_license_type", "Generic")
        });
        Fields::new()
            .text("authorization_status", "Not Applicable")
            .table("show_smart_lic_usage", rows)
    }

    pub(super) fn summary_rows(&self) -> Fields {
        let rows = self.licenses_shown().into_iter().map(|license| {
            Fields::new()
                .text("smart_description", license.description)
                .text("smart_feature_name", license.name)
                .number("smart_count", license.count)
                .text("smart_status", IN_USE)
        });
        Fields::new().table("show_smart_lic_summary", rows)
    }

    pub(super) fn udi_fields(&self) -> Fields {
        let members = &self.agent.profile().members;
        let rows = members.iter().filter(|_| members.len() > 1).map(|member| {
            Fields::new()
                .text("role", member.role)
                .text("pid", &member.sudi.pid)
                .text("sn", &member.sudi.serial)
        });
        Fields::new()
            .text("pid", &self.udi.pid)
            .text("sn", &self.udi.serial)
            .table("ha_udi", rows.collect::<Vec<_>>())
    }

    pub(super) fn all_fields(&self) -> Fields {
        let [open, closed, waiting, acknowledged, purged] = self.agent.report_counts();
        let reports = Fields::new()
            .number("total", open + closed + waiting + acknowledged)
            .number("purged", purged)
            .number("acknowledged", acknowledged + purged)
            .number("waiting_for_ack", waiting)
            .number("available_to_report", closed)
            .number("collecting", open);
        self.status_fields()
            .and(self.usage_rows())
            .group("udi", self.udi_fields())
            .text("agent_version", &self.release.agent)
            .group("usage_reports", reports)
    }

    pub(super) fn status_fields(&self) -> Fields {
        let config = self.agent.config();
        let privacy = |on: bool| if on { "ENABLED" } else { "DISABLED" };
        let custom_id = settings::CUSTOM_ID.value(&self.running).unwrap_or("<empty>");
        Fields::new()
            .text("utility_status", "DISABLED")
            .text("smart_licensing_using_policy", "ENABLED")
            .text("sending_hostname", if config.hide_hostname { "no" } else { "yes" })
            .text("hostname_privacy", privacy(config.hide_hostname))
            .text("version_privacy", privacy(config.hide_version))
            .group("transport", self.transport_data())
            .group("policy", self.policy_data())
            .text("custom_id", custom_id)
            .group("usage_reporting", self.usage_data())
            .and(self.trust_data())
    }

    fn transport_data(&self) -> Fields {
        let config = self.agent.config();
        let value = |setting: &settings::Setting| setting.value(&self.running).map(str::to_owned);
        let fields = match config.transport {
            Transport::Callhome => return Fields::new().text("type", "Callhome"),
            Transport::Off => return Fields::new().text("type", "Transport Off"),
            Transport::Cslu => Fields::new().text("type", "CSLU").text(
                "cslu_address",
                config.cslu_url.as_deref().unwrap_or(rumline_agent::DEFAULT_CSLU_HOST),
            ),
            Transport::Smart => Fields::new()
                .text("type", "Smart")
                .text(
                    "url",
                    config.smart_url.as_deref().unwrap_or(rumline_agent::DEFAULT_SMART_URL),
                )
                .maybe("proxy_address", value(&settings::PROXY_ADDRESS))
                .maybe("proxy_port", value(&settings::PROXY_PORT)),
        };
        fields.maybe("vrf", value(&settings::VRF))
    }

    fn policy_data(&self) -> Fields {
        let in_use = self.agent.policy_in_use();
        let policy = &in_use.policy;
        let origin = if self.policy_is_installed() { "Installed" } else { "CISCO default" };
        let class = |name: &str, class: ClassPolicy| {
            Fields::new()
                .text("class", name)
                .number("first_report_days", class.first_report_days)
                .number("ongoing_report_days", class.ongoing_report_days)
                .number("on_change_report_days", class.on_change_report_days)
                .text("origin", origin)
        };
        Fields::new()
            .text("in_use", "Merged from multiple sources")
            .text("ack_required", if policy.reporting_ack_required { "Yes" } else { "No" })
            .table(
                "policy_class",
                [
                    class("Unenforced/Non-Export", policy.unenforced),
                    class("Enforced (Perpetual/Subscription)", policy.enforced),
                    class("Export (Perpetual/Subscription)", policy.export),
                ],
            )
    }

    fn usage_data(&self) -> Fields {
        let usage = self.agent.usage_reporting();
        let at = |at| self.derived.zone.license_time_or_none(at);
        Fields::new()
            .text("last_ack_received", at(usage.last_ack_at))
            .text("next_ack_deadline", at(usage.next_ack_deadline_at))
            .maybe_number("push_interval_days", usage.push_interval_days)
            .text("next_ack_push_check", at(usage.next_ack_check_at))
            .text("next_report_push", at(usage.next_push_at))
            .text("last_report_push", at(usage.last_push_at))
            .text("last_report_file_write", at(usage.last_file_write_at))
    }

    fn trust_data(&self) -> Fields {
        let trust = self.agent.trust();
        let installed = trust.iter().find_map(|line| line.code.as_ref().map(|(_, at)| *at));
        let rows = trust.into_iter().filter(|_| installed.is_some()).map(|line| {
            Fields::new()
                .text("role", line.role)
                .text("pid", &line.udi.pid)
                .text("sn", &line.udi.serial)
                .text(
                    "installed",
                    self.derived.zone.license_time_or_none(line.code.map(|(_, at)| at)),
                )
        });
        let rows: Vec<Fields> = rows.collect();
        Fields::new()
            .text("trust_code_installed", self.derived.zone.license_time_or_none(installed))
            .table("trust_code", rows)
    }

    pub(super) fn rum_row(&self, report: &ReportSummary) -> Fields {
        let at = |at| self.derived.zone.license_time_or_none(at);
        Fields::new()
            .text("report_id", report.report_id)
            .text("feature_name", &report.feature_name)
            .text("metric_value", &report.tag)
            .text("previous_report_id", report.previous_report_id)
            .text("next_report_id", report.next_report_id)
            .text("state", report.state.label())
            .text("state_change_reason", report.close_reason.as_deref().unwrap_or("None"))
            .text("start_time", at(Some(report.start_at)))
            .text("end_time", at(report.end_at))
            .number("count", report.last_count)
            .number("license_seconds", report.count_seconds)
    }
}
