//! System messages, and what servers and `ping` say.

use super::Reading;
use crate::{Fault, Sign, words};

/// Messages that say what is wrong, or that it is over: each with what it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Topic {
    Peer,
    Trust,
    Policy,
    Ack,
    Release,
}

pub(super) fn read(lines: &[&str], reading: &mut Reading) {
    // Of each topic what was said last counts.
    let mut last: Vec<(Topic, Option<Sign>)> = Vec::new();
    for line in lines {
        if line.contains("%LICMGR-") || line.contains("%SMART_LIC-") {
            reading.has("system messages");
        }
        if let Some((topic, sign)) = message(line) {
            last.retain(|(known, _)| *known != topic);
            last.push((topic, sign));
        }
        if line.contains("record not found") && line.contains("SL product") {
            reading.has("log of an SSM On-Prem");
            reading.signs.push(Sign::new(Fault::Unknown, line.trim()));
        }
        if line.contains("% Invalid host/interface") {
            reading.has("ping");
            reading.signs.push(Sign::new(Fault::Name, line.trim()));
        }
    }
    reading.signs.extend(last.into_iter().filter_map(|(_, sign)| sign));
}

/// What a system message of licensing says: its topic, and a fault or that there is none.
fn message(line: &str) -> Option<(Topic, Option<Sign>)> {
    let at = line.find("%LICMGR-").or_else(|| line.find("%SMART_LIC-"))?;
    let (head, text) = line[at..].split_once(": ")?;
    let mnemonic = head.splitn(3, '-').nth(2)?;
    let mnemonic = mnemonic.strip_prefix("LOG_SMART_LIC_").unwrap_or(mnemonic);
    let evidence = line[at..].trim();
    let reason =
        text.rsplit_once(": ").map_or(text, |(_, reason)| reason).trim().trim_end_matches('.');
    // Lists of messages have these where devices have something to say.
    if reason == "[chars]" || text.contains("[dec]") {
        return None;
    }
    let sign = |fault| Some(Sign::new(fault, evidence));
    Some(match mnemonic {
        "COMM_FAILED" => (Topic::Peer, sign(words::exchange(reason))),
        "COMM_RESTORED" => (Topic::Peer, None),
        "TRUST_CODE_INSTALL_FAILED" => (Topic::Trust, sign(words::trust(reason))),
        "TRUST_CODE_INSTALL_SUCCESS" => (Topic::Trust, None),
        "POLICY_INSTALL_FAILED" => (Topic::Policy, sign(policy(reason))),
        "POLICY_INSTALL_SUCCESS" => (Topic::Policy, None),
        "POLICY_EXPIRED" => (Topic::Policy, sign(Fault::PolicyEnded)),
        "POLICY_ENDING" => (Topic::Policy, sign(Fault::PolicyEnds)),
        "REPORTING_NOT_SUPPORTED" => (Topic::Release, sign(Fault::DownRev)),
        "REPORTING_REQUIRED" => {
            let is_over = text.contains("in 0 days");
            let fault = if is_over { Fault::DeadlinePassed } else { Fault::DeadlineNear };
            (Topic::Ack, sign(fault))
        }
        "USAGE_SET_BACK" => (Topic::Ack, sign(Fault::SetBack)),
        "USAGE_REPORT_REFUSED" => (Topic::Ack, sign(Fault::ReportsRefused)),
        "USAGE_REPORT_UNREADABLE" => (Topic::Ack, sign(Fault::Unreadable)),
        "USAGE_COARSENED" => (Topic::Ack, sign(Fault::Coarse)),
        _ => return None,
    })
}

/// The guide's reasons of a policy that was not installed are both about the clock (PI-MSG-006).
fn policy(reason: &str) -> Fault {
    let reason = reason.to_ascii_lowercase();
    if reason.contains("timestamp") || reason.contains("signature mismatch") {
        return Fault::Clock;
    }
    match words::document(&reason) {
        Fault::FileRefused => Fault::PolicyRefused,
        fault => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read as read_all;

    fn faults(text: &str) -> Vec<&'static str> {
        read_all(text.as_bytes()).signs.iter().map(|sign| sign.fault.name()).collect()
    }

    #[test]
    fn what_was_said_last_counts() {
        let failed = "2023 Aug  3 20:38:37 sw %LICMGR-3-LOG_SMART_LIC_COMM_FAILED: Communications failure with the Cisco Smart \
                      License utility (CSLU) : Unable to resolve server hostname/domain name\n";
        let restored = "2023 Aug  3 20:48:37 sw %LICMGR-3-LOG_SMART_LIC_COMM_RESTORED: Communications with the Cisco Smart \
                        License utility (CSLU) restored.\n";
        assert_eq!(faults(failed), ["name"]);
        assert_eq!(faults(&format!("{failed}{restored}")), [""; 0]);
        assert_eq!(faults(&format!("{restored}{failed}{failed}")), ["name"]);
        for (kind, text) in [
            (
                "TRUST_CODE",
                "The install of a new licensing trust code has failed on x: already installed.",
            ),
            (
                "POLICY",
                "The installation of a new licensing policy has failed: signature mismatch.",
            ),
        ] {
            let bad = format!("%LICMGR-3-LOG_SMART_LIC_{kind}_INSTALL_FAILED: {text}\n");
            assert_eq!(faults(&bad).len(), 1);
            let good = format!("{bad}%LICMGR-6-LOG_SMART_LIC_{kind}_INSTALL_SUCCESS: Done\n");
            assert_eq!(faults(&good), [""; 0]);
        }
        assert_eq!(read_all(restored.as_bytes()).parts, ["system messages"]);
    }

    #[test]
    fn each_message_has_its_fault() {
        for (mnemonic, text, wanted) in [
            (
                "TRUST_CODE_INSTALL_FAILED",
                "The install of a new licensing trust code has failed on PID:N9K-C9504,SN:FOX1: already installed.",
                "trust-installed",
            ),
            (
                "POLICY_INSTALL_FAILED",
                "The installation of a new licensing policy has failed: signature mismatch.",
                "clock",
            ),
            (
                "POLICY_INSTALL_FAILED",
                "The installation of a new licensing policy has failed: a newer policy is installed.",
                "file-stale",
            ),
            (
                "POLICY_INSTALL_FAILED",
                "The installation of a new licensing policy has failed: nobody knows.",
                "policy-refused",
            ),
            (
                "REPORTING_NOT_SUPPORTED",
                "The CSSM OnPrem is down rev and does not support it.",
                "down-rev",
            ),
            (
                "REPORTING_REQUIRED",
                "A Usage report acknowledgement will be required in 0 days.",
                "deadline-passed",
            ),
            (
                "REPORTING_REQUIRED",
                "A Usage report acknowledgement will be required in 20 days.",
                "deadline-near",
            ),
            ("POLICY_EXPIRED", "The licensing policy has ended.", "policy-ended"),
            ("POLICY_ENDING", "The licensing policy ends in 3 days.", "policy-ends"),
            ("USAGE_SET_BACK", "CSSM holds usage reports.", "set-back"),
            ("USAGE_REPORT_REFUSED", "1 usage reports were refused by CSSM: x.", "reports-refused"),
            ("USAGE_REPORT_UNREADABLE", "1 usage reports cannot be read.", "unreadable"),
            ("USAGE_COARSENED", "100000 usage reports wait.", "coarse"),
        ] {
            assert_eq!(faults(&format!("%LICMGR-3-LOG_SMART_LIC_{mnemonic}: {text}")), [wanted]);
            assert_eq!(faults(&format!("*Mar 1 x: %SMART_LIC-3-{mnemonic}: {text}")), [wanted]);
        }
        let done = [
            "TRUST_CODE_INSTALL_SUCCESS",
            "POLICY_INSTALL_SUCCESS",
            "POLICY_REMOVED",
            "HOSTNAME_MATCHED",
        ];
        for mnemonic in done {
            assert_eq!(faults(&format!("%LICMGR-6-LOG_SMART_LIC_{mnemonic}: Done")), [""; 0]);
        }
    }

    #[test]
    fn forms_of_messages_are_no_messages() {
        assert_eq!(
            faults(
                "%LICMGR-3-LOG_SMART_LIC_COMM_FAILED: Communications failure with the [chars] : [chars]"
            ),
            [""; 0]
        );
        assert_eq!(
            faults("%LICMGR-6-LOG_SMART_LIC_REPORTING_REQUIRED: required in [dec] days."),
            [""; 0]
        );
        assert_eq!(
            faults("%FACILITY-SEVERITY-MNEMONIC: Message-text\n%LICMGR-3: x\n%LICMGR-3-LOG"),
            [""; 0]
        );
    }

    #[test]
    fn servers_and_ping_are_heard() {
        let log = "[ERROR] Finding SL product by UDI {x} failed due to the following error: record not found.";
        assert_eq!(faults(log), ["unknown-instance"]);
        assert_eq!(faults("record not found"), [""; 0]);
        assert_eq!(faults("ping: % Invalid host/interface cisco.com"), ["name"]);
    }
}
