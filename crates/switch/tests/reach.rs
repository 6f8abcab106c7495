#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! ping and traceroute: what is sent, and what is shown of it (PI-CLI-031, PI-CLI-032).

mod common;

use std::net::IpAddr;

use common::*;
use rumline_switch::{Effect, NoProbe, Ping, PingReport, ProbeAnswer, Stop, Trace, TraceReport};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ping(lab: &mut Lab, line: &str) -> Ping {
    let outcome = lab.execute(line);
    assert!(outcome.reply.pending, "{line}: {}", outcome.reply.text);
    match outcome.effects.into_iter().next() {
        Some(Effect::Ping(ping)) => ping,
        other => panic!("{line}: {other:?}"),
    }
}

fn trace(lab: &mut Lab, line: &str) -> Trace {
    match lab.execute(line).effects.into_iter().next() {
        Some(Effect::Trace(trace)) => trace,
        other => panic!("{line}: {other:?}"),
    }
}

fn reply(from: &str, micros: u64) -> ProbeAnswer {
    ProbeAnswer::Reply { from: address(from), bytes: 64, ttl: Some(236), micros }
}

/// The guide's two examples differ in the empty line before the statistics and in its dashes; NX-OS has both so.
fn without_empty(text: &str) -> String {
    text.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_ping_looks_as_in_the_guide() {
    let mut lab = Lab::new(None);
    lab.configure(&["vrf context blue"]);
    let ping = ping(&mut lab, "ping cisco.com vrf blue");
    assert_eq!((ping.path.way.vrf.as_str(), ping.count, ping.payload_bytes), ("blue", Some(5), 56));
    let mut report = PingReport::new(ping);
    let mut shown = report.begun(address("192.0.2.1"), true);
    for micros in [242_279, 242_108, 242_032, 242_278, 241_968] {
        shown.push_str(&report.answered(reply("192.0.2.1", micros)));
    }
    shown.push_str(&report.ended(Ok(())));
    assert!(shown.contains(" ms\n\n--- cisco.com ping statistics ---\n"), "{shown}");
    let Some(golden) = shared("spec/golden/net/ping_cisco_com_vrf.txt") else { return };
    let golden = std::fs::read_to_string(golden).unwrap().replace("<ip-address>", "192.0.2.1");
    let (_, golden) = golden.split_once('\n').unwrap();
    assert_eq!(without_empty(&shown), without_empty(golden));
}

#[test]
fn what_does_not_come_back_is_told_of() {
    let mut lab = Lab::new(None);
    let ping = ping(&mut lab, "ping 192.0.2.9 count 4 packet-size 100 timeout 1 source 192.0.2.7");
    let mut report = PingReport::new(ping);
    let mut shown = report.begun(address("192.0.2.9"), true);
    let from = address("192.0.2.1");
    for answer in [
        ProbeAnswer::Silence,
        ProbeAnswer::NotSent("No route to host"),
        ProbeAnswer::Stopped { from, bytes: 36, why: Stop::Host, micros: 10 },
        ProbeAnswer::Reply { from, bytes: 108, ttl: Some(64), micros: 20_000 },
    ] {
        shown.push_str(&report.answered(answer));
    }
    shown.push_str(&report.ended(Ok(())));
    assert_eq!(
        shown,
        "PING 192.0.2.9 (192.0.2.9) from 192.0.2.7: 100 data bytes\n\
         Request 0 timed out\n\
         ping: sendto 192.0.2.9 108 chars, No route to host\n\
         Request 1 timed out\n\
         36 bytes from 192.0.2.1: Destination Host Unreachable\n\
         Request 2 timed out\n\
         108 bytes from 192.0.2.1: icmp_seq=3 ttl=64 time=20 ms\n\n\
         --- 192.0.2.9 ping statistics ---\n\
         4 packets transmitted, 1 packets received, 75.00% packet loss\n\
         round-trip min/avg/max = 20/20/20 ms\n"
    );
}

#[test]
fn a_host_that_is_none_is_told_of_as_it_was_typed() {
    // PI-CLI-032
    let mut lab = Lab::new(None);
    let typed = "https://smartreceiver.cisco.com/licservice/license";
    let report = PingReport::new(ping(&mut lab, &format!("ping {typed} vrf management")));
    let told = format!("% Invalid host/interface {typed}\n");
    assert_eq!(report.ended(Err(NoProbe::NoHost)), told);
    let report = TraceReport::new(trace(&mut lab, &format!("traceroute {typed}")));
    assert_eq!(report.ended(Err(NoProbe::NoHost)), told);
    let report = PingReport::new(ping(&mut lab, "ping6 x"));
    assert_eq!(report.ended(Ok(())), "", "somebody ended it before it began");
}

#[test]
fn options_come_in_any_order_and_are_checked() {
    let mut lab = Lab::new(Some(
        "interface mgmt0\n  ip address 192.0.2.5/24\ninterface loopback3\n  shutdown\n  ip address 192.0.2.33/32\n",
    ));
    let got = ping(&mut lab, "ping h count unlimited interval 3 vrf management source mgmt0");
    assert_eq!((got.count, got.interval_seconds, got.timeout_seconds), (None, 3, 2));
    assert_eq!(got.path.way.source.unwrap().addresses, [address("192.0.2.5")]);
    assert!(ping(&mut lab, "ping ipv6 h pac 1").is_ipv6 && ping(&mut lab, "ping6 h").is_ipv6);
    assert!(trace(&mut lab, "traceroute ipv6 h").is_ipv6);
    lab.run(&["configure terminal"]);
    assert_eq!(ping(&mut lab, "ping h").path.way.vrf, "default");
    lab.run(&["end"]);
    for (line, told) in [
        ("ping h vrf red", "% Invalid VRF name red\n"),
        ("ping h count 0", "% Invalid number, range is (1:655350)\n"),
        ("ping h count", "% Incomplete command\n"),
        ("ping h size 3", "% Invalid command\n"),
        ("traceroute h count 3", "% Invalid command\n"),
        ("ping h source loopback9", "% Invalid host/interface loopback9\n"),
        ("ping h source loopback3", "% Source interface loopback3 is down\n"),
        (
            "ping h source mgmt0",
            "% Source interface mgmt0 is in VRF management, not in VRF default\n",
        ),
    ] {
        assert_eq!(lab.run(&[line]), told, "{line}");
    }
}

#[test]
fn a_traceroute_has_a_line_for_each_hop() {
    let mut lab = Lab::new(None);
    let mut report = TraceReport::new(trace(&mut lab, "traceroute h vrf management"));
    let mut shown = report.begun(address("192.0.2.9"), true);
    let stopped = |from: &str, why, micros| {
        let from = address(from);
        ProbeAnswer::Stopped { from, bytes: 36, why, micros }
    };
    for answer in [
        stopped("192.0.2.1", Stop::Expired, 746),
        stopped("192.0.2.1", Stop::Expired, 590),
        stopped("192.0.2.2", Stop::Expired, 1_479),
        ProbeAnswer::Silence,
        ProbeAnswer::Silence,
        ProbeAnswer::Silence,
        stopped("192.0.2.9", Stop::Port, 900),
        stopped("192.0.2.9", Stop::Forbidden, 900),
    ] {
        shown.push_str(&report.answered(answer));
    }
    shown.push_str(&report.ended(Ok(())));
    assert_eq!(
        shown,
        "traceroute to h (192.0.2.9), 30 hops max, 40 byte packets\n \
         1  192.0.2.1 (192.0.2.1)  0.746 ms  0.59 ms 192.0.2.2 (192.0.2.2)  1.479 ms\n \
         2  * * *\n \
         3  192.0.2.9 (192.0.2.9)  0.9 ms  0.9 ms !X\n"
    );
}
