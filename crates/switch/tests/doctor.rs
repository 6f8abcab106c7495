//! What the doctor says of faults that take days, or a disk, to make (TSHOOT-001 to 005). Those of the network are planted in a running
//! lab by tests/doctor.py.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;

use common::*;
use rumline_agent::{DiskError, Input, Reason};
use rumline_doctor::{diagnose, read};
use rumline_protocol::*;
use rumline_switch::signs_of_configuration;

const SILENT: &str = "No fault found.\n";

fn says(lab: &mut Lab) -> String {
    lab.run(&["show license doctor"])
}

/// The names of what is found.
fn named(lab: &mut Lab) -> Vec<String> {
    let said = says(lab);
    let rows = said.lines().skip(1).filter(|line| !line.starts_with(' ') && !line.is_empty());
    rows.filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_owned()).collect()
}

/// A switch behind a CSLU that has reported once, and whose ACK came.
fn well() -> Lab {
    let mut lab = Lab::new(Some("hostname leaf\n"));
    lab.install_trust();
    lab.configure(&["feature bgp"]);
    lab.report_and_acknowledge(1, 300);
    assert_eq!(says(&mut lab), SILENT);
    lab
}

/// The next report is taken, and no ACK ever comes.
fn take_only(lab: &mut Lab, until: Timestamp) {
    lab.pass_until(until, |lab, sent| {
        lab.answer(sent, |response| {
            response.status = ResponseStatus::OkPoll;
            response.poll_id = Some("p".to_owned());
            response.poll_interval_seconds = Some(3_600);
        });
    });
}

#[test]
fn a_switch_is_well_from_the_first_second() {
    let mut lab = Lab::new(None);
    assert_eq!(says(&mut lab), SILENT);
    lab.configure(&["feature bgp"]);
    assert_eq!(says(&mut lab), SILENT);
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    assert_eq!(says(&mut lab), SILENT, "one that is carried for never had another transport");
}

#[test]
fn an_ack_that_does_not_come_is_told_after_days_and_then_the_deadline() {
    // TSHOOT-004, PI-RUM-021
    for (transport, days, fault) in [("cslu", 7, "collector-stuck"), ("smart", 1, "ack-missing")] {
        let mut lab = Lab::new(Some("hostname leaf\n"));
        lab.configure(&[&format!("license smart transport {transport}")]);
        lab.install_trust();
        lab.configure(&["feature bgp"]);
        let pushed = lab.now + 37;
        take_only(&mut lab, pushed.plus_days(days));
        assert_eq!(says(&mut lab), SILENT, "{transport}");
        take_only(&mut lab, pushed.plus_days(days) + 60);
        assert_eq!(named(&mut lab), [fault], "{transport}");
        // Offered again each day, and still nothing comes.
        let until = lab.now.plus_days(3);
        take_only(&mut lab, until);
        assert_eq!(named(&mut lab), [fault], "{transport}");
        let until = lab.now.plus_days(2);
        lab.pass_until(until, acknowledge);
        assert_eq!(says(&mut lab), SILENT, "{transport}");
    }
}

#[test]
fn deadlines_are_told_when_they_are_near_and_when_they_are_over() {
    // PI-RUM-021: 30 days before, and from then on
    let mut lab = Lab::new(Some("hostname leaf\n"));
    lab.configure(&["license smart transport off", "feature bgp"]);
    let first = lab.now;
    lab.now = first.plus_days(60) - 1;
    assert_eq!(named(&mut lab), [""; 0]);
    lab.now = first.plus_days(60);
    assert_eq!(named(&mut lab), ["deadline-near"]);
    lab.now = first.plus_days(90) - 1;
    assert_eq!(named(&mut lab), ["deadline-near"]);
    lab.now = first.plus_days(90);
    assert_eq!(named(&mut lab), ["deadline-passed"]);
    // Nothing else has to be said while the way is what is wrong.
    lab.configure(&["license smart transport cslu", "license smart vrf nowhere"]);
    assert_eq!(named(&mut lab), ["vrf-missing"]);
}

#[test]
fn the_end_of_a_policy_is_told_before_and_after() {
    // PI-POL-009
    let mut lab = well();
    let end = lab.now.plus_days(100);
    lab.install_policy(|policy| policy.expires_at = Some(end));
    assert_eq!(says(&mut lab), SILENT);
    let until = end - 31 * Timestamp::DAY;
    lab.pass_until(until, acknowledge);
    assert_eq!(says(&mut lab), SILENT);
    lab.pass_until(end - 29 * Timestamp::DAY, acknowledge);
    assert_eq!(named(&mut lab), ["policy-ends"]);
    lab.pass_until(end + Timestamp::HOUR, acknowledge);
    assert_eq!(named(&mut lab), ["policy-ended"]);
    lab.install_policy(|_| {});
    assert_eq!(says(&mut lab), SILENT);
}

fn acknowledge(lab: &mut Lab, sent: Sent) {
    let document = lab.ack_document(&reports_of(&sent.request));
    let has_reports = !reports_of(&sent.request).is_empty();
    lab.answer(sent, |response| response.smart_license = has_reports.then_some(document));
}

#[test]
fn what_cannot_be_written_is_told_until_it_can() {
    let mut lab = well();
    lab.store.failure = Some(DiskError::Full);
    lab.now = lab.now + 10;
    lab.run(&["configure terminal", "feature itd", "end"]);
    assert_eq!(named(&mut lab), ["storage"]);
    lab.store.failure = None;
    let until = lab.now + 600;
    lab.pass_until(until, acknowledge);
    assert_eq!(says(&mut lab), SILENT);
}

#[test]
fn reports_whose_files_are_gone_are_told() {
    let mut lab = well();
    lab.now = lab.now + Timestamp::DAY;
    lab.configure(&["feature itd"]);
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    lab.input(Input::Unreachable { request_id: sent.id, reason: Reason::Timeout });
    let files: Vec<String> =
        lab.store.files.keys().filter(|name| name.starts_with("rum/")).cloned().collect();
    for name in files {
        lab.store.files.remove(&name);
    }
    let until = lab.now + Timestamp::HOUR;
    lab.pass_until(until, acknowledge);
    let found = named(&mut lab);
    assert!(found.contains(&"unreadable".to_owned()), "{found:?}");
}

#[test]
fn a_switch_that_was_set_back_says_so_until_its_next_ack() {
    // PI-RUM-024
    let mut lab = well();
    let copy = lab.store.files.clone();
    lab.now = lab.now + Timestamp::DAY;
    lab.input(Input::Tick);
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    let theirs = reports_of(&sent.request);
    lab.store.files = copy;
    lab.boot_again("set back");
    lab.now = lab.now + Timestamp::HOUR;
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    // CSSM has another report of this number.
    let document = lab.ack_document(&theirs);
    let before = lab.sent.len();
    lab.answer(sent, |response| response.smart_license = Some(document));
    assert_eq!(named(&mut lab), ["set-back"]);
    assert!(lab.sent.len() > before, "usage goes on at once");
    let sent = lab.sent.remove(0);
    acknowledge(&mut lab, sent);
    assert_eq!(says(&mut lab), SILENT);
}

#[test]
fn reports_that_cssm_refuses_are_told_by_its_reason() {
    for (reason, fault) in [
        (Some(RefusalReason::Held), "clone"),
        (Some(RefusalReason::Account), "account"),
        (Some(RefusalReason::Other), "reports-refused"),
        (None, "reports-refused"),
    ] {
        let mut lab = well();
        lab.now = lab.now + Timestamp::DAY;
        lab.run(&["license smart sync all"]);
        let sent = lab.sent.remove(0);
        let reports = reports_of(&sent.request);
        let document = lab.refusal_document(&reports, reason);
        lab.answer(sent, |response| response.smart_license = Some(document));
        assert_eq!(named(&mut lab), [fault], "{reason:?}");
        let document = lab.ack_document(&reports);
        lab.now = lab.now + 10;
        lab.run(&["license smart sync all"]);
        let sent = lab.sent.remove(0);
        lab.answer(sent, |response| response.smart_license = Some(document));
        assert_eq!(says(&mut lab), SILENT, "{reason:?}");
    }
}

#[test]
fn what_was_worked_by_is_typed_back_over_a_restart_too() {
    let mut lab = well();
    lab.configure(&["license smart url cslu http://192.0.2.1:8182/cslu/v1/pi"]);
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    acknowledge(&mut lab, sent);
    lab.configure(&["license smart url cslu http://192.0.2.2:8182/cslu/v1/pi"]);
    lab.run(&["copy running-config startup-config"]);
    lab.boot_again("power");
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    lab.input(Input::Unreachable { request_id: sent.id, reason: Reason::NoRoute });
    let said = says(&mut lab);
    assert!(said.contains("\nroute: "), "{said}");
    assert!(
        said.contains("    configure terminal\n    license smart url cslu http://192.0.2.1:8182/cslu/v1/pi\n    end\n"),
        "{said}"
    );
}

#[test]
fn samples_are_read_to_what_a_table_says_of_them() {
    let mut told = String::new();
    let mut texts: Vec<(String, Vec<u8>)> = Vec::new();
    for (folder, has) in [("tests/texts", true), ("spec/samples", false), ("spec/golden", false)] {
        let root = if has { Some(local(folder)) } else { shared(folder) };
        let Some(root) = root else { continue };
        let mut waiting = vec![root.clone()];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting
                    .extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                texts.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    texts.sort();
    for (name, bytes) in &texts {
        let mut reading = read(bytes);
        if reading.is_nxos_config {
            let text = String::from_utf8_lossy(bytes);
            reading.signs.extend(signs_of_configuration(
                &text,
                Arc::new(SimulatedSuite),
                &mut Chance(1),
            ));
        }
        if reading.parts.is_empty() {
            continue;
        }
        let found: Vec<&str> = diagnose(reading.signs).iter().map(|one| one.fault.name()).collect();
        let found = if found.is_empty() { "-".to_owned() } else { found.join(" ") };
        let _infallible = writeln!(told, "{name}: {found}");
    }
    let table = read_table();
    let wanted: Vec<&str> = table
        .lines()
        .filter(|line| texts.iter().any(|(name, _)| line.starts_with(&format!("{name}: "))))
        .collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), wanted, "tests/texts.txt");
    assert!(texts.len() >= 6);
    println!("{} texts read", texts.len());
}

fn read_table() -> String {
    std::fs::read_to_string(local("tests/texts.txt")).unwrap_or_default()
}
