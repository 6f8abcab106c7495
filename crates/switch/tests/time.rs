#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Time servers: who is asked when, who is followed, when the clock is set (PI-CLI-026, PI-NET-032, F-10).

mod common;

use common::*;
use rumline_agent::Input;
use rumline_protocol::Timestamp;
use rumline_switch::{NoAnswer, TimeAnswer, TimeQuestion};

const TO_1970_SECONDS: i64 = 2_208_988_800;
const YEAR: i64 = 365 * Timestamp::DAY;

/// A switch whose time servers are asked for the first time.
fn lab(lines: &[&str]) -> Lab {
    let mut lab = Lab::new(None);
    lab.configure(lines);
    lab.input(Input::Tick);
    lab
}

/// The answer of a server whose clock is `ahead` seconds before that of the switch.
fn answer(question: &TimeQuestion, now: Timestamp, ahead: i64) -> TimeAnswer {
    let mut packet = vec![0; 48];
    packet[0] = 4 << 3 | 4;
    packet[1] = 3;
    packet[24..32].copy_from_slice(&question.packet[40..48]);
    let seconds = u32::try_from((now.0 + ahead + TO_1970_SECONDS) & 0xffff_ffff).unwrap();
    packet[32..36].copy_from_slice(&seconds.to_be_bytes());
    packet[40..44].copy_from_slice(&seconds.to_be_bytes());
    TimeAnswer { packet, sent_at_micros: now.0 * 1_000_000, took_micros: 300 }
}

/// Each server that is asked answers; `ahead` says how far its clock is before that of the switch, or nothing.
fn answered(lab: &mut Lab, ahead: impl Fn(&str) -> Option<i64>) {
    for question in std::mem::take(&mut lab.questions) {
        let outcome = match ahead(&question.server) {
            Some(ahead) => Ok(answer(&question, lab.now, ahead)),
            None => Err(NoAnswer::Now("Timeout waiting for the server".to_owned())),
        };
        lab.time_heard(question.number, outcome);
    }
}

/// Time passes until somebody is asked again.
fn wait(lab: &mut Lab) -> i64 {
    let before = lab.now;
    while lab.questions.is_empty() {
        let (at, _) = lab.switch.next_wake().unwrap();
        lab.now = lab.now.max(at);
        lab.input(Input::Tick);
    }
    lab.now.since(before)
}

fn ntp_log(lab: &Lab) -> Vec<String> {
    let text = |line: &String| Some(line.split_once("%NTP-6-NTP_SYSLOG_LOGGING: ")?.1.to_owned());
    lab.log.iter().filter_map(text).collect()
}

#[test]
fn the_clock_is_set_by_a_server_and_that_is_told() {
    // PI-CLI-026, PI-NET-032
    let mut lab = lab(&["ntp server 192.0.2.1 version 2 prefer use-vrf management"]);
    let question = lab.questions[0].clone();
    assert_eq!(question.path.way.vrf, "management");
    assert_eq!(question.packet[0], 2 << 3 | 3);
    let before = lab.now;
    answered(&mut lab, |_| Some(3_700));
    assert_eq!(lab.now.since(before), 3_699);
    assert_eq!(
        ntp_log(&lab),
        [
            "synchronized to 192.0.2.1, stratum 3",
            "System clock has been updated, offset= 3699.999850 sec"
        ]
    );
    assert_eq!(wait(&mut lab), 2);
    answered(&mut lab, |_| Some(0));
    let shown = lab.run(&["show ntp status", "show clock"]);
    assert!(shown.contains("Clock state : synchronized to 192.0.2.1\n"), "{shown}");
    assert!(shown.contains("by 3699.999850 sec\n") && shown.contains("source is NTP"), "{shown}");
    let shown = lab.run(&["show ntp peer-status"]);
    assert!(shown.contains("\n*192.0.2.1 ") && shown.contains(" management\n"), "{shown}");
    // Nothing changes any more, and nothing is told.
    lab.log.clear();
    for _ in 0..20 {
        wait(&mut lab);
        answered(&mut lab, |_| Some(0));
    }
    assert_eq!(lab.log, Vec::<String>::new());
}

#[test]
fn a_server_is_asked_every_64_seconds_and_less_often_later() {
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    let mut waits = Vec::new();
    for _ in 0..24 {
        answered(&mut lab, |_| Some(0));
        waits.push(wait(&mut lab));
    }
    assert_eq!(waits[..5], [64, 64, 64, 64, 128]);
    assert_eq!(waits.last(), Some(&1_024));
    // One that is silent is not asked more often either.
    let mut waits = Vec::new();
    for _ in 0..14 {
        answered(&mut lab, |_| None);
        waits.push(wait(&mut lab));
    }
    assert_eq!(waits.last(), Some(&1_024));
    let shown = lab.run(&["show ntp peer-status", "show ntp status"]);
    assert!(shown.contains("\n=192.0.2.1 ") && shown.contains(" 16 1024       0 "), "{shown}");
    assert!(shown.contains("Not followed : 192.0.2.1: Timeout waiting for the server"), "{shown}");
    assert_eq!(ntp_log(&lab).last().unwrap(), "no server is left to follow");
}

#[test]
fn one_ten_years_off_is_not_followed_while_others_agree() {
    let mut lab =
        lab(&["ntp server 192.0.2.1 prefer", "ntp server 192.0.2.2", "ntp server 192.0.2.3"]);
    let before = lab.now;
    let wrong = |host: &str| Some(if host == "192.0.2.1" { 10 * YEAR } else { 0 });
    answered(&mut lab, wrong);
    assert_eq!(lab.now, before);
    let told = ntp_log(&lab);
    assert_eq!(told[0], "192.0.2.1 is not followed: it contradicts the others");
    assert!(told[1].starts_with("synchronized to 192.0.2.2"), "{told:?}");
    for _ in 0..5 {
        wait(&mut lab);
        answered(&mut lab, wrong);
    }
    assert_eq!(ntp_log(&lab)[2..], ["192.0.2.1 is not followed: it is more than 1000 sec off"]);
}

#[test]
fn nobody_is_followed_before_all_had_their_say_or_were_waited_for() {
    let mut lab = lab(&["ntp server 192.0.2.1", "ntp server 192.0.2.2", "ntp server 192.0.2.3"]);
    let questions = std::mem::take(&mut lab.questions);
    let before = lab.now;
    let wrong = answer(&questions[0], lab.now, 10 * YEAR);
    lab.time_heard(questions[0].number, Ok(wrong));
    assert_eq!(lab.now, before);
    for question in &questions[1..] {
        let right = answer(question, lab.now, 5);
        lab.time_heard(question.number, Ok(right));
    }
    assert_eq!(lab.now.since(before), 4);
}

#[test]
fn two_that_contradict_each_other_set_no_clock() {
    let mut lab = lab(&["ntp server 192.0.2.1", "ntp server 192.0.2.2"]);
    let before = lab.now;
    answered(&mut lab, |host| Some(if host == "192.0.2.1" { 7_200 } else { 0 }));
    assert_eq!(lab.now, before);
    assert_eq!(ntp_log(&lab), ["no server is followed: they contradict each other"]);
    assert!(lab.run(&["show ntp status"]).contains("the servers contradict each other\n"));
}

#[test]
fn the_first_set_may_be_far_and_no_later_one() {
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    let before = lab.now;
    answered(&mut lab, |_| Some(10 * YEAR));
    assert!(lab.now.since(before) > 9 * YEAR);
    wait(&mut lab);
    answered(&mut lab, |_| Some(0));
    wait(&mut lab);
    let before = lab.now;
    answered(&mut lab, |_| Some(-10 * YEAR));
    assert_eq!(lab.now, before);
    let told = ntp_log(&lab);
    assert_eq!(told[2], "192.0.2.1 is not followed: it is more than 1000 sec off");
    wait(&mut lab);
    let before = lab.now;
    answered(&mut lab, |_| Some(900));
    assert_eq!(lab.now.since(before), 899);
    // No time at all that cannot be.
    let mut lab = self::lab(&["ntp server 192.0.2.1"]);
    let before = lab.now;
    answered(&mut lab, |_| Some(78 * YEAR));
    assert_eq!(lab.now, before);
    assert!(lab.run(&["show ntp status"]).contains("192.0.2.1: its year cannot be"));
}

#[test]
fn who_sets_the_clock_by_hand_is_put_right_by_the_servers() {
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    answered(&mut lab, |_| Some(0));
    let before = lab.now;
    lab.run(&["clock set 12:00:00 1 May 2030"]);
    assert!(lab.now.since(before) > YEAR);
    let ahead = before.since(lab.now);
    assert_eq!(wait(&mut lab), 2);
    answered(&mut lab, |_| Some(ahead));
    assert!(lab.now.since(before) < 10, "{}", lab.now.since(before));
}

#[test]
fn what_is_no_answer_changes_nothing() {
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    let (before, question) = (lab.now, lab.questions.remove(0));
    let mut junk = answer(&question, lab.now, 7_200);
    junk.packet[30] ^= 1;
    assert!(!question.is_answered_by(&junk.packet) && !question.is_answered_by(b"junk"));
    lab.time_heard(question.number + 1, Ok(answer(&question, before, 7_200)));
    lab.time_heard(question.number, Ok(junk));
    // It was answered: what comes then is nobody's.
    lab.time_heard(question.number, Ok(answer(&question, before, 7_200)));
    assert_eq!(lab.now, before);
    assert_eq!(ntp_log(&lab), Vec::<String>::new());
    let shown = lab.run(&["show ntp status"]);
    assert!(shown.contains("192.0.2.1: its answers are none of a time server"), "{shown}");
}

#[test]
fn a_kiss_of_death_is_obeyed() {
    let kiss = |lab: &mut Lab, code: &[u8; 4]| {
        let question = lab.questions.remove(0);
        let mut kiss = answer(&question, lab.now, 0);
        kiss.packet[1] = 0;
        kiss.packet[12..16].copy_from_slice(code);
        lab.time_heard(question.number, Ok(kiss));
    };
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    answered(&mut lab, |_| Some(0));
    wait(&mut lab);
    kiss(&mut lab, b"RATE");
    assert_eq!(wait(&mut lab), 128);
    kiss(&mut lab, b"DENY");
    lab.now = lab.now + Timestamp::DAY;
    lab.input(Input::Tick);
    assert!(lab.questions.is_empty());
    assert!(lab.run(&["show ntp status"]).contains("Not followed : 192.0.2.1: it says DENY\n"));
    lab.configure(&["no ntp server 192.0.2.1", "ntp server 192.0.2.1"]);
    lab.input(Input::Tick);
    assert_eq!(lab.questions.len(), 1);
}

#[test]
fn whom_nobody_will_ever_hear_is_not_asked_again() {
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    let never = NoAnswer::Ever("the clock of a lab follows no server");
    let number = lab.questions.remove(0).number;
    lab.time_heard(number, Err(never));
    lab.now = lab.now + Timestamp::DAY;
    lab.input(Input::Tick);
    assert!(lab.questions.is_empty());
    assert!(lab.run(&["show ntp status"]).contains("192.0.2.1: the clock of a lab follows"));
}

#[test]
fn the_way_is_that_of_the_lines() {
    // PI-NET-004, PI-NET-005
    let mut lab = lab(&[
        "interface loopback0",
        "ip address 192.0.2.9/32",
        "exit",
        "ntp source-interface loopback0",
        "ntp server 192.0.2.1",
        "ntp server 192.0.2.2 use-vrf management",
        "ntp server time.example.net use-vrf nowhere",
        "ntp peer 192.0.2.3",
    ]);
    let asked: Vec<&str> = lab.questions.iter().map(|one| one.server.as_str()).collect();
    assert_eq!(asked, ["192.0.2.1"]);
    let source = lab.questions[0].path.way.source.clone().unwrap();
    assert_eq!(source.name, "loopback0");
    let shown = lab.run(&["show ntp status", "show ntp peers"]);
    for part in [
        "192.0.2.2: Source interface loopback0 is in VRF default, not in VRF management\n",
        "time.example.net: VRF nowhere does not exist\n",
        "  192.0.2.1                     Server (configured)\n",
        "  192.0.2.3                     Peer (configured)\n",
    ] {
        assert!(shown.contains(part), "{part}{shown}");
    }
    lab.configure(&["no ntp source-interface", "ntp source 192.0.2.77"]);
    lab.questions.clear();
    wait(&mut lab);
    let source = lab.questions[0].path.way.source.clone().unwrap();
    assert_eq!(source.addresses, ["192.0.2.77".parse::<std::net::IpAddr>().unwrap()]);
}

#[test]
fn another_protocol_of_the_clock_leaves_it_alone() {
    let mut lab = lab(&["clock protocol none", "ntp server 192.0.2.1"]);
    assert!(lab.questions.is_empty());
    assert!(lab.run(&["show ntp status"]).contains("Clock protocol : none\n"));
    lab.configure(&["clock protocol ntp", "ntp authenticate", "ntp server 192.0.2.1 key 7"]);
    lab.input(Input::Tick);
    answered(&mut lab, |_| Some(7_200));
    assert!(ntp_log(&lab).is_empty());
    let shown = lab.run(&["show ntp status"]);
    assert!(shown.contains("192.0.2.1: authenticated answers are not supported\n"), "{shown}");
}

#[test]
fn a_trust_code_that_is_of_the_future_is_installed_once_the_clock_was_set() {
    // PI-NET-032, PI-TRUST-007: F-10
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    let right = lab.now + 2 * Timestamp::HOUR;
    let wrong = std::mem::replace(&mut lab.now, right);
    let document = lab.trust_document();
    lab.now = wrong;
    let told = lab.import(&document);
    assert!(!told.starts_with("Import Data Successful"), "{told}");
    answered(&mut lab, |_| Some(2 * Timestamp::HOUR));
    let told = lab.import(&document);
    assert!(told.starts_with("Import Data Successful"), "{told}");
}

#[test]
fn all_that_is_shown_follows_the_hours_the_clock_is_put_forward_and_back() {
    // PI-SHOW-012, C-29
    let mut lab = Lab::new(None);
    lab.configure(&[
        "clock timezone CET 1 0",
        "clock summer-time CEST 5 Sun Mar 02:00 5 Sun Oct 03:00 60",
        "logging server 192.0.2.1 6",
        "feature bgp",
    ]);
    lab.install_trust();
    for (utc, local, zone) in [
        ("Mar 31 00:59:59 2024", "01:59:59", "CET"),
        ("Mar 31 01:00:00 2024", "03:00:00", "CEST"),
        ("Oct 27 00:59:59 2024", "02:59:59", "CEST"),
        ("Oct 27 01:00:00 2024", "02:00:00", "CET"),
    ] {
        lab.now = at(utc);
        lab.datagrams.clear();
        lab.configure(&["hostname leaf"]);
        let (month, day) = (&utc[..3], &utc[4..6]);
        let shown = lab.run(&["show clock"]);
        assert!(
            shown.starts_with(&format!("{local}.000 {zone} Sun {month} {day} 2024\n")),
            "{shown}"
        );
        let shown = lab.run(&["show logging last 1"]);
        assert!(shown.starts_with(&format!("2024 {month} {day} {local} leaf ")), "{shown}");
        let sent = String::from_utf8(lab.datagrams[0].bytes.clone()).unwrap();
        assert!(
            sent.starts_with(&format!("<189>leaf: 2024 {month} {day} {local} {zone}: ")),
            "{sent}"
        );
        let shown = lab.run(&["show running-config", "show accounting log"]);
        assert!(shown.contains(&format!("!Time: Sun {month} {day} {local} 2024\n")), "{shown}");
        assert!(shown.contains(&format!("Sun {month} {day} {local} 2024:type=update")), "{shown}");
        lab.run(&["license smart save usage all bootflash:all.txt"]);
        // The event log alone is in UTC, and says so.
        let written = format!("{month} {day} {local} 2024 {zone}");
        let shown = lab.run(&["show license status"]);
        assert!(shown.contains(&format!("Last report file write: {written}\n")), "{shown}");
    }
}

#[test]
fn a_server_that_moves_the_clock_again_and_again_is_not_followed_any_more() {
    let mut lab = lab(&["ntp server 192.0.2.1"]);
    answered(&mut lab, |_| Some(0));
    let begun = lab.now;
    let (mut moved, mut steps) = (0_i64, 0);
    for _ in 0..200 {
        wait(&mut lab);
        let before = lab.now;
        answered(&mut lab, |_| Some(900));
        moved += lab.now.since(before);
        steps += usize::from(lab.now != before);
    }
    assert!(moved <= 1_000 && steps <= 3, "{moved} s in {steps} steps");
    assert!(lab.now.since(begun) < Timestamp::DAY * 3);
    let shown = lab.run(&["show ntp status"]);
    assert!(shown.contains("moves the clock"), "{shown}");
    // To and fro is no better.
    let mut lab = self::lab(&["ntp server 192.0.2.1"]);
    answered(&mut lab, |_| Some(0));
    let mut steps = 0;
    for turn in 0..200 {
        wait(&mut lab);
        let before = lab.now;
        answered(&mut lab, |_| Some(if turn % 2 == 0 { 900 } else { -900 }));
        steps += usize::from(lab.now != before);
    }
    assert!(steps <= 3, "{steps} steps");
}
