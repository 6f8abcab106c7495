#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Where system messages go: severities, servers, the ways to them, and what is shown of all that (PI-MSG-002, 005).

mod common;

use common::*;
use rumline_switch::SyslogDatagram;

/// A switch with lines, and what it sends when somebody configures.
fn sent(lab: &mut Lab) -> Vec<SyslogDatagram> {
    lab.datagrams.clear();
    lab.configure(&[]);
    std::mem::take(&mut lab.datagrams)
}

fn texts(datagrams: &[SyslogDatagram]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    datagrams.iter().map(|one| (one.server.clone(), text(&one.bytes))).collect()
}

const CONFIGURED: &str = "%VSHD-5-VSHD_SYSLOG_CONFIG_I: Configured from vty by admin on console0";

#[test]
fn each_server_gets_what_its_line_asks_for() {
    // PI-MSG-002
    let mut lab = Lab::new(None);
    lab.configure(&[
        "hostname leaf",
        "vrf context blue",
        "exit",
        "logging server 192.0.2.1",
        "logging server 192.0.2.2 4",
        "logging server 192.0.2.3 6 facility local3 use-vrf blue port 5514",
    ]);
    let datagrams = sent(&mut lab);
    assert_eq!(
        texts(&datagrams),
        [
            ("192.0.2.1".to_owned(), format!("<189>leaf: 2024 Mar  4 09:00:00 UTC: {CONFIGURED}")),
            ("192.0.2.3".to_owned(), format!("<157>leaf: 2024 Mar  4 09:00:00 UTC: {CONFIGURED}")),
        ]
    );
    let ways: Vec<_> = datagrams.iter().map(|one| (one.path.way.vrf.as_str(), one.port)).collect();
    assert_eq!(ways, [("management", None), ("blue", Some(5514))]);
    let shown = lab.run(&["show running-config | include logging"]);
    assert!(
        shown.contains("logging server 192.0.2.3 6 port 5514 use-vrf blue facility local3\n"),
        "{shown}"
    );
    lab.configure(&["no logging server 192.0.2.3", "no logging server 192.0.2.1"]);
    assert_eq!(sent(&mut lab), []);
}

#[test]
fn licensing_messages_reach_a_server_of_their_severity() {
    // PI-MSG-002, PI-MSG-018
    let mut lab = Lab::new(None);
    lab.configure(&["logging server 192.0.2.1", "logging server log.example.net 6"]);
    lab.datagrams.clear();
    lab.install_trust();
    let told = texts(&lab.datagrams);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "log.example.net");
    let wanted = "%LICMGR-6-LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS: A new licensing trust code";
    assert!(told[0].1.starts_with("<190>switch: ") && told[0].1.contains(wanted), "{told:?}");
}

#[test]
fn severities_decide_what_is_shown_where() {
    let mut lab = Lab::new(None);
    let shown = |lab: &mut Lab| {
        lab.log.clear();
        lab.configure(&[]);
        let in_file = lab.run(&["show logging logfile | count"]);
        (lab.log.len(), in_file.trim().parse::<usize>().unwrap())
    };
    assert_eq!(shown(&mut lab), (1, 1));
    lab.configure(&["logging console 4"]);
    assert_eq!(shown(&mut lab), (0, 3));
    lab.configure(&["logging console 5", "logging logfile messages 2 size 8192"]);
    assert_eq!(shown(&mut lab), (1, 3));
    lab.configure(&["no logging console", "no logging logfile"]);
    assert_eq!(shown(&mut lab), (0, 3));
    let lines = lab.run(&["show running-config | include logging"]);
    assert_eq!(lines, "no logging console\nno logging logfile\n");
    lab.configure(&["logging console", "logging logfile messages 6 size 8192"]);
    lab.configure(&["no logging logfile messages 6 size 8192"]);
    assert_eq!(lab.run(&["show running-config | include logging"]), "");
    lab.configure(&["logging logfile messages 6"]);
    assert_eq!(shown(&mut lab).0, 1);
    let lines = lab.run(&["show running-config | include logging"]);
    assert_eq!(lines, "logging logfile messages 6\n");
    lab.configure(&["logging monitor 3"]);
    assert_eq!(
        lab.run(&["show logging monitor", "show logging console"]),
        "Logging monitor:                enabled (Severity: errors)\n\
         Logging console:                enabled (Severity: information)\n"
    );
}

#[test]
fn a_way_that_is_shut_is_shown_and_stops_nothing() {
    // PI-NET-004, PI-NET-005
    let mut lab = Lab::new(None);
    lab.configure(&[
        "interface loopback0",
        "ip address 192.0.2.9/32",
        "shutdown",
        "exit",
        "logging source-interface loopback0",
        "logging server 192.0.2.1 use-vrf default",
        "logging server 192.0.2.2",
        "logging server 192.0.2.3 use-vrf nowhere",
    ]);
    assert_eq!(sent(&mut lab), []);
    let shown = lab.run(&["show logging server"]);
    for part in [
        "{192.0.2.1}\n        This server is temporarily unreachable\n        Source interface loopback0 is down\n",
        "{192.0.2.3}\n        This server is temporarily unreachable\n        VRF nowhere does not exist\n",
        "        server VRF:             nowhere\n        messages sent:          0\n        messages lost:          2\n",
    ] {
        assert!(shown.contains(part), "{part}{shown}");
    }
    assert!(lab.run(&["show logging logfile"]).contains(CONFIGURED));
    lab.configure(&["interface loopback0", "no shutdown"]);
    let told = sent(&mut lab);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].path.way.source.as_ref().unwrap().name, "loopback0");
}

#[test]
fn what_came_of_messages_is_counted_for_servers_that_are_there() {
    let mut lab = Lab::new(None);
    lab.configure(&["logging server 192.0.2.1"]);
    lab.switch.syslog_ended("192.0.2.1", Ok(()));
    lab.switch.syslog_ended("192.0.2.1", Err("256 messages wait for it".to_owned()));
    lab.switch.syslog_ended("192.0.2.7", Ok(()));
    let shown = lab.run(&["show logging server"]);
    assert!(shown.contains("unreachable\n        256 messages wait for it\n"), "{shown}");
    assert!(shown.contains("sent:          1\n        messages lost:          1\n"), "{shown}");
    lab.switch.syslog_ended("192.0.2.1", Ok(()));
    assert!(!lab.run(&["show logging server"]).contains("unreachable"));
    lab.configure(&["no logging server 192.0.2.1"]);
    lab.switch.syslog_ended("192.0.2.1", Ok(()));
    assert_eq!(lab.run(&["show logging server"]), "Logging server:                 disabled\n");
}

#[test]
fn the_form_of_rfc_5424_needs_its_line_and_a_release() {
    // PI-MSG-005, G-32
    let asked =
        "logging server 192.0.2.1 6\nlogging rfc-strict 5424\nlogging origin-id string rack-7\n";
    let first = |lab: &mut Lab| {
        lab.configure(&["license smart transport callhome"]);
        let configured = texts(&sent(lab))[0].1.clone();
        lab.install_trust();
        let licensing = texts(&lab.datagrams)[0].1.clone();
        [configured.starts_with("<189>1 2024-03-04T"), licensing.starts_with("<190>1 ")]
    };
    for (release, strict) in
        [("10.2(3)F", [false, false]), ("10.3(1)F", [true, false]), ("10.5(1)F", [true, true])]
    {
        let mut lab = boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, release, Some(asked)).unwrap();
        assert_eq!(first(&mut lab), strict, "{release}");
        let told = texts(&sent(&mut lab))[0].1.clone();
        assert!(told.contains("rack-7"), "{told}");
        lab.run(&["configure terminal"]);
        let taken = lab.run(&["logging rfc-strict 5424"]);
        assert_eq!(taken.is_empty(), strict[0], "{taken}");
    }
}

#[test]
fn times_are_written_as_finely_as_asked_and_in_the_zone() {
    let mut lab = Lab::new(None);
    lab.configure(&[
        "clock timezone CET 1 0",
        "logging server 192.0.2.1",
        "logging timestamp milliseconds",
    ]);
    let told = texts(&sent(&mut lab))[0].1.clone();
    assert!(told.starts_with("<189>switch: 2024 Mar  4 10:00:00.000 CET: %VSHD-5-"), "{told}");
    let last = lab.run(&["show logging last 1"]);
    assert_eq!(last, format!("2024 Mar  4 10:00:00.000 switch {CONFIGURED}\n"));
}

#[test]
fn lines_that_cannot_be_are_refused_in_words() {
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal"]);
    for (line, told) in [
        ("logging server 192.0.2.300", "% Invalid ip address at '^' marker."),
        ("logging server 192.0.2.1 8", "% Invalid number, range is (0:7)"),
        ("logging server 192.0.2.1 port 0", "% Invalid number, range is (1:65535)"),
        ("logging server 192.0.2.1 facility local9", "% local9 is no facility of syslog"),
        (
            "logging server 192.0.2.1 secure trustpoint client-identity x",
            "% Secure syslog servers are not supported",
        ),
        ("logging server 192.0.2.1 use-vrf", "% Invalid command"),
        ("logging console 8", "% Invalid number, range is (0:7)"),
        ("logging timestamp hours", "% Invalid command at '^' marker."),
    ] {
        let shown = lab.run(&[line]);
        assert!(shown.contains(told), "{line}: {shown}");
    }
    for number in 1..=8 {
        assert_eq!(lab.run(&[&format!("logging server 192.0.2.{number} 5")]), "");
    }
    assert_eq!(lab.run(&["logging server 192.0.2.8 6"]), "");
    let told = lab.run(&["logging server 192.0.2.9"]);
    assert_eq!(told, "% Up to 8 logging servers can be configured\n");
    assert_eq!(lab.run(&["logging level licmgr 6", "no logging event link-status default"]), "");
}
