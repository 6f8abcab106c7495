//! `show license preview`: what is shown is what leaves (PI-RUM-032).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::*;
use rumline_agent::{Input, Reason};
use rumline_protocol::*;
use serde_json::Value;

const BY: [&[&str]; 3] = [
    &["license smart transport cslu"],
    &["license smart transport smart"],
    &["callhome", "enable", "exit", "license smart transport callhome"],
];

/// A switch that reports by some transport, and has something to report.
fn reporting(lines: &[&str]) -> Lab {
    let mut lab = Lab::new(Some("hostname leaf-17\n"));
    lab.configure(lines);
    lab.install_trust();
    lab.configure(&["feature bgp"]);
    lab
}

/// What is shown, as data.
fn preview(lab: &mut Lab) -> Value {
    let shown = lab.run(&["show license preview | json"]);
    serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"))
}

fn text<'v>(shown: &'v Value, name: &str) -> &'v str {
    shown[name].as_str().unwrap_or_else(|| panic!("{name}: {shown}"))
}

/// The rows of a table: one alone is no list.
fn rows(shown: &Value, name: &str) -> Vec<Value> {
    match &shown[format!("TABLE_{name}")][format!("ROW_{name}")] {
        Value::Array(rows) => rows.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// The next message that leaves is what was shown, byte by byte, and each field of it is explained.
fn leaves_as_shown(lab: &mut Lab, shown: &Value, class: &str) -> Sent {
    assert_eq!(text(shown, "class"), class);
    assert!(!lab.sent.is_empty(), "{class}: nothing left");
    let sent = lab.sent.remove(0);
    assert_eq!(sent.request.body.class(), class);
    assert_eq!(String::from_utf8(sent.body.clone()).unwrap(), text(shown, "message"));
    assert_eq!(sent.url, text(shown, "url"));
    for field in rows(shown, "field") {
        assert_ne!(text(&field, "meaning"), "", "{} is not explained", field["path"]);
    }
    let digest = text(shown, "sha256");
    let log = lab.run(&["show license eventlog"]);
    assert!(
        log.contains(&format!("SAEVT_MESSAGE_SENT class=\"{class}\"")) && log.contains(digest),
        "{log}"
    );
    sent
}

/// The next message of a class, answered by nobody; all before it are.
fn next(lab: &mut Lab, class: &str) -> Sent {
    let until = lab.now + Timestamp::DAY;
    let mut found = None;
    lab.pass_until(until, |lab, sent| {
        if found.is_none() && sent.request.body.class() == class {
            found = Some(sent);
        } else if found.is_none() {
            lab.answer(sent, |_| {});
        }
    });
    found.unwrap()
}

#[test]
fn every_kind_of_message_leaves_as_it_was_shown_by_every_transport() {
    for lines in BY {
        // What a synchronization would send, though nothing is due.
        let mut lab = reporting(lines);
        lab.report_and_acknowledge(1, 300);
        lab.now = lab.now + Timestamp::DAY;
        lab.input(Input::Tick);
        lab.sent.clear();
        let reports = lab.run(&["show license rum id all"]);
        let files = lab.store.files.clone();
        let shown = preview(&mut lab);
        assert_eq!(lab.run(&["show license rum id all"]), reports, "nothing is closed by looking");
        assert_eq!(lab.store.files, files, "and nothing written");
        lab.now = lab.now + 599;
        assert_eq!(preview(&mut lab), shown, "the same as long as it holds");
        lab.run(&["license smart sync all"]);
        let sent = leaves_as_shown(&mut lab, &shown, "Usage Reporting");
        assert!(matches!(sent.request.body, RequestBody::UsageReport { sync: true, .. }));
        let document = lab.ack_document(&reports_of(&sent.request));
        lab.answer(sent, |response| response.smart_license = Some(document));
        assert!(!lab.run(&["show license rum id all"]).contains("UNACK"));

        // Use in this very second has nothing to tell: a synchronization asks all the same.
        lab.run(&["license smart sync all"]);
        let sent = lab.sent.remove(0);
        let document = lab.ack_document(&reports_of(&sent.request));
        lab.answer(sent, |response| response.smart_license = Some(document));
        let shown = preview(&mut lab);
        lab.run(&["license smart sync all"]);
        leaves_as_shown(&mut lab, &shown, "Trust Sync");

        // One that is due within ten minutes.
        let mut lab = reporting(lines);
        lab.now = lab.now + 20;
        let shown = preview(&mut lab);
        let until = lab.now + 60;
        let mut seen = Vec::new();
        lab.pass_until(until, |_, sent| seen.push(sent));
        lab.sent = seen;
        let sent = leaves_as_shown(&mut lab, &shown, "Usage Reporting");

        // The question for its ACK.
        lab.answer(sent, |response| {
            response.status = ResponseStatus::OkPoll;
            response.poll_id = Some("p1".to_owned());
            response.poll_interval_seconds = Some(300);
        });
        let shown = preview(&mut lab);
        let sent = next(&mut lab, "Result Polling");
        lab.sent.insert(0, sent);
        leaves_as_shown(&mut lab, &shown, "Result Polling");
    }
}

#[test]
fn a_trust_request_that_is_tried_again_leaves_as_it_was_shown() {
    let mut lab = Lab::new(None);
    lab.configure(BY[1]);
    let root = lab.hardware.root_certificate.clone();
    let token = new_id_token(&mut lab.random, &cssm_id(&root));
    lab.run(&[&format!("license smart trust idtoken {token} all")]);
    let sent = lab.sent.remove(0);
    let reason = Reason::Timeout;
    lab.input(Input::Unreachable { request_id: sent.id, reason });
    let shown = preview(&mut lab);
    let sent = next(&mut lab, "Trust Establishment");
    lab.sent.insert(0, sent);
    leaves_as_shown(&mut lab, &shown, "Trust Establishment");
    let token_row = rows(&shown, "field").into_iter().find(|row| row["path"] == "id_token");
    assert_eq!(token_row.unwrap()["private"], "yes");
}

#[test]
fn later_or_after_a_change_it_is_composed_anew_and_the_difference_is_shown() {
    for change in ["later", "feature", "hostname", "configuration", "clock"] {
        let mut lab = reporting(BY[0]);
        lab.report_and_acknowledge(1, 300);
        lab.now = lab.now + Timestamp::DAY;
        let first = preview(&mut lab);
        assert_eq!(rows(&first, "change").len(), 0);
        match change {
            "later" => lab.now = lab.now + 601,
            "feature" => lab.configure(&["feature itd"]),
            "hostname" => lab.configure(&["hostname other"]),
            "configuration" => lab.configure(&["license smart usage customer-tags tag5 R12"]),
            _ => {
                lab.run(&["clock set 10:00:00 1 April 2024"]);
            }
        }
        let second = preview(&mut lab);
        assert_ne!(second["sha256"], first["sha256"], "{change}");
        let changed = rows(&second, "change");
        let has = |path: &str| changed.iter().any(|row| row["path"] == path);
        assert!(has("request_id") && has("nonce"), "{change}: {changed:?}");
        assert_eq!(has("hostname"), change == "hostname", "{changed:?}");
        assert_eq!(has("customer_tags.room"), change == "configuration", "{changed:?}");
        let shown = lab.run(&["show license preview"]);
        assert!(!shown.contains("Changed since"), "it is the same as a moment ago: {shown}");
        lab.run(&["license smart sync all"]);
        leaves_as_shown(&mut lab, &second, "Usage Reporting");
    }
}

#[test]
fn an_envelope_that_changes_is_shown_anew() {
    let mut lab = reporting(BY[2]);
    lab.report_and_acknowledge(1, 300);
    lab.now = lab.now + Timestamp::DAY;
    let first = preview(&mut lab);
    lab.configure(&["callhome", "email-contact ops@example.net"]);
    let second = preview(&mut lab);
    assert_ne!(first["sha256"], second["sha256"]);
    assert!(text(&second, "message").contains("ops@example.net"));
    lab.run(&["license smart sync all"]);
    leaves_as_shown(&mut lab, &second, "Usage Reporting");
}

#[test]
fn what_was_shown_and_does_not_hold_any_more_is_told_when_another_one_leaves() {
    let mut lab = reporting(BY[0]);
    lab.report_and_acknowledge(1, 300);
    lab.now = lab.now + Timestamp::DAY;
    let shown = preview(&mut lab);
    lab.configure(&["feature itd"]);
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    assert_ne!(String::from_utf8_lossy(&sent.body), text(&shown, "message"));
    assert!(lab.run(&["show license eventlog"]).contains("SAEVT_PREVIEW_OUTDATED"));
}

#[test]
fn use_goes_on_without_a_gap_after_a_message_that_was_shown() {
    let mut lab = reporting(BY[0]);
    let began_at = lab.now;
    lab.report_and_acknowledge(1, 300);
    lab.now = lab.now + Timestamp::DAY;
    let used = |text: &str| -> i64 {
        let seconds =
            |line: &str| line.split("Use: ").nth(1)?.split(' ').next()?.parse::<i64>().ok();
        text.lines().filter_map(seconds).sum()
    };
    preview(&mut lab);
    lab.now = lab.now + 500;
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    // The report ends when it was shown, and the next one begins there.
    let end = reports_of(&sent.request)[0].report.end_at();
    assert_eq!(end, lab.now - 500);
    lab.now = lab.now + 100;
    let document = lab.ack_document(&reports_of(&sent.request));
    lab.answer(sent, |response| response.smart_license = Some(document));
    lab.run(&["license smart sync all"]);
    let last = lab.run(&["show license rum id all detail"]);
    assert_eq!(used(&last), lab.now.since(began_at), "{last}");
}

#[test]
fn what_says_that_nothing_leaves_says_why() {
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off"]);
    assert!(
        lab.run(&["show license preview"]).starts_with("% Nothing is sent: the transport is off")
    );
    lab.configure(&["license smart transport smart", "feature bgp"]);
    assert!(lab.run(&["show license preview"]).contains("there is no trust code yet"));
    lab.configure(&["license smart transport callhome"]);
    assert!(lab.run(&["show license preview"]).contains("Smart Call Home is not enabled"));
    let mut lab = reporting(BY[0]);
    lab.run(&["license smart sync all"]);
    assert!(lab.run(&["show license preview"]).contains("a message is on its way"));
}

#[test]
fn what_is_private_stays_here_where_it_is_told_to() {
    let mut lab = reporting(&[
        "license smart transport cslu",
        "license smart usage customer-tags tag1 Example",
        "license smart usage customer-tags tag2 EMEA",
        "license smart usage free-form field1 rack-7",
        "license smart usage free-form field2 of-ann",
    ]);
    lab.now = lab.now + Timestamp::HOUR;
    let shown = lab.run(&["show license preview"]);
    assert!(
        shown.contains("\n* customer_tags.entity = Example\n")
            && shown.contains("\n* customer_tags.geo = EMEA\n")
    );
    let (head, message) = shown.split_once("\nMessage as it leaves").unwrap();
    assert!(
        head.contains("Kept here, in no message:\n  field1 = rack-7\n  field2 = of-ann\n"),
        "{head}"
    );
    assert!(message.contains("EMEA") && !message.contains("rack-7") && !message.contains("of-ann"));
    assert!(message.contains("leaf-17") && message.contains("10.4(3)"));
    lab.configure(&[
        "license smart privacy all",
        "no license smart usage customer-tags tag1",
        "no license smart usage customer-tags tag2",
    ]);
    // Reports that were closed before say what they said.
    let mut lab = reporting(&["license smart transport cslu", "license smart privacy all"]);
    lab.now = lab.now + Timestamp::HOUR;
    let shown = preview(&mut lab);
    let message = text(&shown, "message");
    assert!(!message.contains("leaf-17") && !message.contains("10.4(3)"), "{message}");
    let running = lab.run(&["show running-config | include privacy"]);
    assert!(running.contains("license smart privacy all"), "{running}");
}

#[test]
fn a_report_that_a_preview_found_unreadable_is_told_of_when_the_message_leaves() {
    let mut lab = reporting(BY[0]);
    lab.report_and_acknowledge(1, 300);
    lab.now = lab.now + Timestamp::DAY;
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    // It has arrived, and its ACK has not.
    lab.answer(sent, |_| {});
    let count = lab.store.files.len();
    lab.store.files.retain(|name, _| !name.starts_with("rum/"));
    assert_ne!(lab.store.files.len(), count);
    lab.now = lab.now + 1_000;
    let shown = preview(&mut lab);
    let told = |lab: &mut Lab| lab.run(&["show logging logfile"]).contains("cannot be read");
    assert!(!told(&mut lab), "a preview does nothing");
    lab.run(&["license smart sync all"]);
    let left = lab.sent.remove(0);
    assert_eq!(String::from_utf8(left.body).unwrap(), text(&shown, "message"));
    assert!(told(&mut lab), "{}", lab.run(&["show logging logfile"]));
}

#[test]
fn where_no_report_that_waits_can_be_read_that_is_said() {
    let mut lab = reporting(BY[0]);
    lab.run(&["license smart sync all"]);
    let sent = lab.sent.remove(0);
    lab.input(Input::Unreachable { request_id: sent.id, reason: Reason::Timeout });
    lab.store.files.retain(|name, _| !name.starts_with("rum/"));
    assert!(lab.run(&["show license preview"]).contains("no report that waits can be read"));
}
