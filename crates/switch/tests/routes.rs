#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Routes, VRFs and names as the lines have them.

mod common;

use common::*;

const HEAD: &str = "'*' denotes best ucast next-hop\n'**' denotes best mcast next-hop\n'[x/y]' denotes \
                    [preference/metric]\n'%<string>' in via output denotes VRF <string>\n\n";

fn lab() -> Lab {
    let mut lab = Lab::new(Some(
        "interface mgmt0\n  ip address 192.0.2.5/24\ninterface loopback1\n  ip address 10.9.0.1/32\ninterface \
         loopback2\n  ip address 10.8.0.1/24\ninterface loopback3\n  shutdown\n  ip address 10.7.0.1/24\nvrf context \
         management\n  ip route 0.0.0.0/0 192.0.2.1\nvrf context blue\n  rd 65000:1\n  description a lab\n",
    ));
    lab.now = lab.now + 90;
    lab
}

#[test]
fn routes_follow_from_interfaces_that_are_up_and_from_static_lines() {
    let mut lab = lab();
    lab.configure(&[
        "ip route 10.1.0.0 255.255.0.0 10.8.0.9",
        "ip route 10.2.0.0/16 10.1.0.1 name beyond tag 7",
        "ip route 10.3.0.0/16 10.7.0.9",
        "ip route 10.4.0.0/16 null0 250",
        "ip route 10.4.0.0/16 lo2 10.8.0.3",
        "ip route 10.5.0.0/16 192.0.2.9 vrf management",
        "ip route 10.6.0.0/16 10.66.0.1",
        "ip route static bfd Ethernet1/1 10.1.1.1",
        // It leads to itself.
        "ip route 10.66.0.0/16 10.66.0.2",
    ]);
    assert_eq!(
        lab.run(&["show ip route"]),
        format!(
            "IP Route Table for VRF \"default\"\n{HEAD}\
             10.1.0.0/16, ubest/mbest: 1/0\n    *via 10.8.0.9, Lo2, [1/0], 00:01:30, static\n\
             10.2.0.0/16, ubest/mbest: 1/0\n    *via 10.1.0.1, [1/0], 00:01:30, static, tag 7\n\
             10.4.0.0/16, ubest/mbest: 1/0\n    *via 10.8.0.3, Lo2, [1/0], 00:01:30, static\n     \
             via Null0, [250/0], 00:01:30, static\n\
             10.5.0.0/16, ubest/mbest: 1/0\n    *via 192.0.2.9%management, mgmt0, [1/0], 00:01:30, static\n\
             10.8.0.0/24, ubest/mbest: 1/0, attached\n    *via 10.8.0.1, Lo2, [0/0], 00:01:30, direct\n\
             10.8.0.1/32, ubest/mbest: 1/0, attached\n    *via 10.8.0.1, Lo2, [0/0], 00:01:30, local\n\
             10.9.0.1/32, ubest/mbest: 2/0, attached\n    *via 10.9.0.1, Lo1, [0/0], 00:01:30, local\n    \
             *via 10.9.0.1, Lo1, [0/0], 00:01:30, direct\n\n"
        )
    );
    let management = lab.run(&["show ip route vrf management"]);
    let default =
        "0.0.0.0/0, ubest/mbest: 1/0\n    *via 192.0.2.1, mgmt0, [1/0], 00:01:30, static\n";
    assert!(management.contains(default), "{management}");
    let empty = format!("IP Route Table for VRF \"blue\"\n{HEAD}\n");
    assert_eq!(lab.run(&["show ip route vrf blue"]), empty);
    let none = "No IP Route Table for VRF \"red\"\n";
    assert_eq!(lab.run(&["show ip route vrf red"]), none);
    let kept = lab.run(&["show running-config | include route"]);
    assert!(kept.contains("ip route 10.1.0.0/16 10.8.0.9\n"), "{kept}");
    assert!(kept.contains("ip route 10.4.0.0/16 loopback2 10.8.0.3\n"), "{kept}");
    // As it is kept, or as it was typed: it is the same line.
    lab.configure(&["no ip route 10.1.0.0 255.255.0.0 10.8.0.9"]);
    assert!(!lab.run(&["show running-config"]).contains("10.1.0.0/16"));
}

#[test]
fn what_is_no_route_is_refused_and_what_a_file_has_is_kept() {
    let mut lab = lab();
    lab.run(&["configure terminal"]);
    for (line, told) in [
        ("ip route 10.0.0.0/33 10.8.0.9", "% Invalid prefix: 10.0.0.0/33\n"),
        ("ip route 10.0.0.0/8 nowhere", "% Invalid next hop: nowhere\n"),
        ("ip route 10.0.0.0/8 10.8.0.9 300", "% Invalid number, range is (1:255)\n"),
    ] {
        assert_eq!(lab.run(&[line]), told, "{line}");
    }
    lab.run(&["end"]);
    lab.flash.files.insert("odd".to_owned(), b"ip route 10.0.0.0/8 nowhere to go\n".to_vec());
    lab.run(&["copy bootflash:odd startup-config"]);
    assert!(lab.run(&["show startup-config"]).contains("ip route 10.0.0.0/8 nowhere to go\n"));
}

#[test]
fn a_vrf_that_is_shut_down_is_down_and_has_no_routes() {
    let mut lab = lab();
    lab.configure(&["vrf context management", "shutdown"]);
    let shown = lab.run(&["show vrf"]);
    let row = "management                              2 Down    Admin Down                    \n";
    assert!(shown.contains(row), "{shown}");
    let routes = lab.run(&["show ip route vrf management"]);
    assert!(routes.ends_with("denotes VRF <string>\n\n\n"), "{routes}");
    assert_eq!(
        lab.run(&["show vrf blue detail"]),
        "VRF-Name: blue, VRF-ID: 3, State: Up\n    Description:\n        a lab\n    VPNID: unknown\n    RD: \
         65000:1\n    Max Routes: 0  Mid-Threshold: 0\n    Table-ID: 0x80000003, AF: IPv6, Fwd-ID: 0x80000003, State: \
         Up\n    Table-ID: 0x00000003, AF: IPv4, Fwd-ID: 0x00000003, State: Up\n"
    );
    assert_eq!(lab.run(&["show vrf all"]), shown);
    assert_eq!(lab.run(&["show vrf all detail"]), lab.run(&["show vrf detail"]));
    assert_eq!(lab.run(&["show vrf red"]), "% There is no VRF red\n");
    let interfaces = lab.run(&["show vrf interface"]);
    let row = "mgmt0                     management                           2  --\n";
    assert!(interfaces.contains(row), "{interfaces}");
}

#[test]
fn names_are_shown_with_who_resolves_them() {
    let mut lab = lab();
    lab.configure(&[
        "ip domain-name example.net",
        "ip domain-list lab.test use-vrf blue",
        "ip name-server 192.0.2.53 192.0.2.54 use-vrf management",
        "ip host files 192.0.2.8 192.0.2.9",
        "vrf context blue",
        "ip domain-name blue.test",
    ]);
    assert_eq!(
        lab.run(&["show hosts"]),
        "DNS lookup enabled\nDefault domain for vrf:default is example.net\nDefault domain for vrf:blue is \
         blue.test\nAdditional Domain for vrf:blue is/are: lab.test\nName/address lookup uses domain service\nName \
         servers for vrf:management is/are: 192.0.2.53 192.0.2.54\n\nHost                    Address\nfiles                   \
         192.0.2.8\nfiles                   192.0.2.9\n"
    );
    lab.configure(&["no ip domain-lookup"]);
    assert!(lab.run(&["show hosts"]).starts_with("DNS lookup disabled\n"));
}

#[test]
fn routes_that_lead_to_each_other_alone_lead_nowhere_and_cost_little() {
    let mut lab = Lab::new(None);
    let mut lines: Vec<String> =
        (9..30).map(|bits| format!("ip route 10.0.0.0/{bits} 10.0.0.1")).collect();
    lines.extend(
        (0..2_000).map(|n| format!("ip route 172.{}.{}.0/24 10.0.0.2", 16 + n / 256, n % 256)),
    );
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lab.configure(&lines);
    assert!(!lab.run(&["show ip route"]).contains("/24"), "none of them leads anywhere");
    // One of them leads to a network that is there, and all others by it.
    lab.configure(&[
        "interface loopback0",
        "ip address 192.0.2.1/24",
        "exit",
        "ip route 10.0.0.0/8 192.0.2.9",
    ]);
    let shown = lab.run(&["show ip route"]);
    assert!(shown.contains("10.0.0.0/29, ") && shown.contains("172.16.0.0/24, "), "{shown}");
}
