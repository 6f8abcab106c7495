//! `show license status`, `all` and `tech support`.

use super::{Reading, time};
use crate::{Fault, Sign, words};

/// The first alert comes this long before an ACK is needed (PI-RUM-021).
const ALERT_SECONDS: i64 = 30 * 86_400;

/// What the lines of a text add up to.
#[derive(Default)]
struct Seen<'t> {
    now: Option<i64>,
    transport: Option<&'t str>,
    /// The line that says there is no trust code.
    no_trust: Option<&'t str>,
    deadline: Option<&'t str>,
    last_ack: Option<&'t str>,
    last_push: Option<&'t str>,
}

pub(super) fn read(lines: &[&str], reading: &mut Reading) {
    let mut seen = Seen::default();
    let mut attempts: Option<&str> = None;
    let mut is_status = false;
    for (place, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        let Some((key, value)) = trimmed.split_once(':') else { continue };
        let value = value.trim();
        match key {
            "Current time" | "!Time" => seen.now = seen.now.or(time::seconds(value)),
            "Time" => seen.now = time::seconds(value).or(seen.now),
            _ if key.starts_with("Time source is ") => {
                seen.now = seen.now.or(time::seconds(trimmed));
            }
            "Smart Licensing using Policy" | "Smart Licensing Using Policy" => is_status = true,
            "Type" if seen.transport.is_none() => {
                let under = lines[..place].iter().rev().find(|line| !line.trim().is_empty());
                if under.is_some_and(|line| line.trim() == "Transport:") {
                    seen.transport = Some(value);
                }
            }
            "Trust Code Installed" | "Trust Code installed" => {
                let below = lines.iter().skip(place + 1).take(2);
                let is_installed = below.clone().any(|line| line.contains("INSTALLED"));
                let none = value == "<none>" || (value.is_empty() && !is_installed);
                seen.no_trust = none.then_some(trimmed);
            }
            "Next ACK deadline" => seen.deadline = Some(trimmed),
            "Last ACK received" => seen.last_ack = Some(value),
            "Last report push" => seen.last_push = Some(value),
            "Overall State" if value.starts_with("Insufficient trust") => {
                reading.signs.push(Sign::new(Fault::TrustMissing, trimmed));
            }
            "Attempts" => attempts = ongoing(value).filter(|count| *count > 0).map(|_| trimmed),
            "Failure Reason" => {
                if let Some(attempts) = attempts.take() {
                    reading.signs.push(failure(attempts, value));
                }
            }
            "Storage" if !["OK", "EXIST"].contains(&value) && is_status => {
                reading.signs.push(Sign::new(Fault::Storage, trimmed));
            }
            _ => {}
        }
    }
    let has = |wanted: &str| lines.iter().any(|line| line.trim() == wanted);
    if is_status || seen.transport.is_some() || seen.deadline.is_some() {
        reading.has("show license status");
        reading.signs.extend(seen.signs());
    } else if has("Registration:") && has("License Authorization:") {
        reading.has("licensing of before Smart Licensing Using Policy");
    }
    if has("License Usage:") || (has("License Authorization:") && has("Status: Not Applicable")) {
        reading.has("licenses in use");
    }
    if let Some(place) = lines.iter().position(|line| line.starts_with("Message History (")) {
        reading.has("message history");
        reading.signs.extend(history(&lines[place + 1..]));
    }
    if has("**** Event Log ****") || has("No EventLog Found.") {
        reading.has("event log");
    }
    if lines
        .iter()
        .any(|line| line.trim() == "Communication Statistics:" || line.contains("Attempts: Total="))
    {
        reading.has("communication statistics");
    }
}

/// Failures in a row, of all kinds.
fn ongoing(attempts: &str) -> Option<u64> {
    let (_, rest) = attempts.split_once("Overall=")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The last message of each class, where it failed.
fn history(lines: &[&str]) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut last: Option<&str> = None;
    let mut is_import = false;
    let mut settle = |last: Option<&str>, is_import: bool| {
        let Some((_, words)) = last.and_then(|line| line.split_once("Status: ")) else { return };
        let Some((status, reason)) = words.split_once(", ") else { return };
        if status == "FAILED" && is_import {
            signs.push(Sign::new(words::document(reason), words));
        } else if status == "FAILED" || status == "NO REPLY" {
            signs.push(Sign::new(words::exchange(reason), words));
        }
    };
    for line in lines {
        if line.starts_with(' ') {
            last = if line.trim().is_empty() { last } else { Some(line.trim()) };
        } else if line.ends_with(':') {
            settle(last.take(), is_import);
            is_import = line.starts_with("Import ");
        }
    }
    settle(last, is_import);
    signs
}

fn failure(attempts: &str, reason: &str) -> Sign {
    if reason == "<none>" {
        // The class failed, and nothing says why: the counts tell whether anybody was reached.
        let reached = attempts.contains("Communication=0");
        let fault = if reached { Fault::Refused } else { Fault::Connection };
        return Sign::new(fault, attempts);
    }
    Sign::new(words::exchange(reason), format!("Failure Reason: {reason}"))
}

impl Seen<'_> {
    fn signs(&self) -> Vec<Sign> {
        let mut signs = Vec::new();
        let is_direct = self.transport.is_some_and(|transport| {
            ["smart", "callhome"].contains(&transport.to_ascii_lowercase().as_str())
        });
        if let Some(line) = self.no_trust.filter(|_| is_direct) {
            signs.push(Sign::new(Fault::TrustMissing, line));
        }
        let Some(now) = self.now else { return signs };
        let deadline = self.deadline.and_then(|line| Some((line, time::seconds(line)?)));
        if let Some((line, at)) = deadline {
            if at <= now {
                signs.push(Sign::new(Fault::DeadlinePassed, line));
            } else if at - now <= ALERT_SECONDS {
                signs.push(Sign::new(Fault::DeadlineNear, line));
            }
        }
        // Pushed, and a day later still no ACK.
        let pushed = self.last_push.and_then(time::seconds);
        let answered = self.last_ack.and_then(time::seconds);
        if let Some(pushed) = pushed.filter(|pushed| answered.is_none_or(|at| at < *pushed))
            && now - pushed > 86_400
        {
            let is_collected = self.transport.is_some_and(|word| word.eq_ignore_ascii_case("cslu"));
            let fault = if is_collected { Fault::CollectorStuck } else { Fault::AckMissing };
            let (push, ack) =
                (self.last_push.unwrap_or_default(), self.last_ack.unwrap_or_default());
            signs.push(Sign::new(
                fault,
                format!("Last report push: {push}; Last ACK received: {ack}"),
            ));
        }
        signs
    }
}

#[cfg(test)]
mod tests {
    use super::super::read as read_all;

    fn faults(text: &str) -> Vec<(&'static str, String)> {
        let reading = read_all(text.as_bytes());
        reading.signs.into_iter().map(|sign| (sign.fault.name(), sign.evidence)).collect()
    }

    const HEALTHY: &str = "Smart Licensing using Policy:\n  Status: ENABLED\n\nTransport:\n  Type: CSLU\n  Cslu address: cslu-local\n\n\
        Usage reporting:\n  Last ACK received: Nov 15 02:51:57 2022 UTC\n  Next ACK deadline: Nov 15 02:51:57 2023 UTC\n  \
        Last report push: Nov 15 02:46:56 2022 UTC\n\nTrust Code installed: <none>\n";

    #[test]
    fn deadlines_are_judged_by_the_time_of_the_text_and_not_without_one() {
        assert_eq!(faults(HEALTHY), []);
        let at = |time: &str| faults(&format!("{HEALTHY}Current time: {time}\n"));
        assert_eq!(at("Dec 01 00:00:00 2022 UTC"), []);
        let near = at("Oct 16 02:51:58 2023 UTC");
        assert_eq!(
            near,
            [("deadline-near", "Next ACK deadline: Nov 15 02:51:57 2023 UTC".to_owned())]
        );
        assert_eq!(at("Oct 16 02:51:56 2023 UTC"), []);
        assert_eq!(at("Nov 15 02:51:57 2023 UTC")[0].0, "deadline-passed");
        assert_eq!(at("Nov 15 02:51:56 2023 UTC")[0].0, "deadline-near");
    }

    #[test]
    fn the_time_of_a_text_stands_in_several_places() {
        for line in [
            "Time: Dec 01 00:00:00 2024 UTC",
            "!Time: Sun Dec  1 00:00:00 2024",
            "Time source is NTP, 00:00:00.711 PDT Sun Dec 1 2024",
            "Current time: Dec 01 00:00:00 2024 UTC",
        ] {
            let found = faults(&format!("{HEALTHY}{line}\n"));
            assert_eq!(found[0].0, "deadline-passed", "{line}");
        }
    }

    #[test]
    fn the_first_transport_is_the_one_in_force() {
        let text =
            "Transport:\n  Type: CSLU\nTransport:\n  Type: Smart\nTrust Code Installed: <none>\n";
        assert_eq!(faults(text), []);
        let counts = "Communication Statistics:\n";
        assert_eq!(read_all(counts.as_bytes()).parts, ["communication statistics"]);
    }

    #[test]
    fn an_ack_that_does_not_come_is_told_by_who_stands_between() {
        let text = "Transport:\n  Type: CSLU\nLast ACK received: <none>\nLast report push: Nov 15 02:46:56 2022 UTC\n\
                    Current time: Nov 16 02:46:57 2022 UTC\n";
        assert_eq!(faults(text)[0].0, "collector-stuck");
        assert_eq!(faults(&text.replace("CSLU", "Smart"))[0].0, "ack-missing");
        assert_eq!(faults(&text.replace("16 02:46:57", "16 02:46:56")), []);
        assert_eq!(faults(&text.replace("<none>", "Nov 15 02:46:56 2022 UTC")), []);
        assert_eq!(
            faults(&text.replace("<none>", "Nov 15 02:46:55 2022 UTC"))[0].0,
            "collector-stuck"
        );
    }

    #[test]
    fn trust_is_missed_where_it_is_needed() {
        let text = "Transport:\n  Type: Smart\nTrust Code Installed: <none>\n";
        assert_eq!(faults(text)[0].0, "trust-missing");
        assert_eq!(faults(&text.replace("Smart", "CSLU")), []);
        assert_eq!(
            faults("Transport:\n\n  Type: Callhome\nTrust Code Installed:\n  Active: PID:C9300\n")
                .len(),
            1
        );
        assert_eq!(
            faults(
                "Transport:\n  Type: Callhome\nTrust Code Installed:\n  Active: x\n    INSTALLED on Jan 1\n"
            ),
            []
        );
        assert_eq!(faults("Port:\n  Type: Smart\nTrust Code Installed: <none>\n"), []);
        let said = "Overall State: Insufficient trust for direct communication\n";
        assert_eq!(faults(said), [("trust-missing", said.trim().to_owned())]);
        assert_eq!(faults("Overall State: <empty>\n"), []);
    }

    #[test]
    fn classes_that_still_fail_say_why_or_whether_anybody_was_reached() {
        let class = |overall: u32, communication: u32, reason: &str| {
            faults(&format!(
                "Usage Reporting:\n  Attempts: Total=2, Success=0, Fail=2  Ongoing Failure: Overall={overall} \
                 Communication={communication}\n  Last Response: <none>\n    Failure Reason: {reason}\n"
            ))
        };
        assert_eq!(class(0, 0, "Timeout"), []);
        assert_eq!(class(2, 0, "<none>")[0].0, "refused");
        assert_eq!(class(2, 2, "<none>")[0].0, "connection");
        let told = class(
            2,
            0,
            "{\"product_instance_identifier\":[\"The identity for the instance x is not valid\"]}",
        );
        assert_eq!(told[0].0, "unknown-instance");
        assert_eq!(faults("Failure Reason: Timeout\n"), []);
    }

    #[test]
    fn the_last_message_of_each_class_counts() {
        let text = "Message History (oldest to newest):\n====\nUsage Reporting:\n  Jan 1: Request: to CSLU\n  \
            Jan 1: Response: Status: NO REPLY, Unable to resolve server hostname/domain name\nTrust Sync:\n  \
            Jan 1: Response: Status: NO REPLY, Timeout waiting for the server\n  Jan 2: Response: Status: OK\n\
            Result Polling:\n  No past history\n\nImport Message History (oldest to newest):\n====\n\
            Import POLICY:\n  Jan 1: Status: FAILED, a newer policy is installed\n\nImport RUM ACK:\n  Jan 1: Status: OK\n";
        let found: Vec<_> = faults(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["name", "file-stale"]);
        // A request that was refused is no file, and what was imported did not travel.
        let asked = text.replace(
            "NO REPLY, Unable to resolve server hostname/domain name",
            "FAILED, timestamp mismatch",
        );
        assert_eq!(faults(&asked)[0].0, "clock");
        let imported =
            text.replace("FAILED, a newer policy is installed", "OK, a newer policy is installed");
        assert_eq!(faults(&imported).len(), 1);
        assert_eq!(read_all(text.as_bytes()).parts, ["message history"]);
    }

    #[test]
    fn what_says_nothing_of_how_it_is_is_known_all_the_same() {
        for (text, part) in [
            ("License Usage:\nLicense  Entitlement tag\n", "licenses in use"),
            ("License Authorization:\n  Status: Not Applicable\n", "licenses in use"),
            (" No EventLog Found.\n", "event log"),
            ("**** Event Log ****\n", "event log"),
            (
                "Registration:\n  Status: UNREGISTERED\nLicense Authorization:\n",
                "licensing of before Smart Licensing Using Policy",
            ),
        ] {
            let reading = read_all(text.as_bytes());
            assert_eq!((reading.parts, reading.signs), (vec![part], vec![]), "{text}");
        }
    }

    #[test]
    fn storage_that_fails_is_told() {
        let text = "Smart Licensing using Policy:\n  Status: ENABLED\nStorage: no room left\n";
        assert_eq!(faults(text), [("storage", "Storage: no room left".to_owned())]);
        assert_eq!(faults(&text.replace("no room left", "OK")), []);
        assert_eq!(faults("Storage: no room left\n"), []);
    }
}
