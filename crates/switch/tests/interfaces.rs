#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Interfaces, VLANs and VRFs: what is shown follows from what is configured, and what is typed wrong changes nothing.

mod common;

use common::*;

#[test]
fn interfaces_vlans_and_vrfs_are_what_the_configuration_makes_them() {
    let mut lab = Lab::new(None);
    let before =
        lab.run(&["show interface brief", "show interface status", "show vlan", "show vrf"]);
    assert!(
        before.contains("Eth1/1          1       eth  access down    Link not connected"),
        "{before}"
    );
    let ports = lab.run(&["show interface status | grep -c ^Eth"]);
    lab.configure(&[
        "interface Ethernet1/1",
        "shutdown",
        "description to rack 4",
        "switchport access vlan 10",
        "mtu 9216",
    ]);
    lab.configure(&[
        "interface Ethernet1/2",
        "no switchport",
        "ip address 10.1.0.1/31",
        "vrf member red",
    ]);
    lab.configure(&[
        "interface loopback7",
        "ip address 10.9.9.9/32",
        "vlan 10,20-21",
        "vlan 10",
        "name ten",
        "vrf context red",
    ]);
    let brief = lab.run(&["show interface brief"]);
    for part in [
        "Eth1/1          10      eth  access down    Administratively down",
        "Eth1/2          --      eth  routed down    Link not connected",
        "Lo7           up         --",
    ] {
        assert!(brief.contains(part), "{part} in {brief}");
    }
    assert!(
        lab.run(&["show interface status"])
            .contains("Eth1/1        to rack 4          disabled  10 ")
    );
    assert_eq!(lab.run(&["show interface status | grep -c ^Eth"]), ports);
    let one = lab.run(&["show interface e1/1 | json"]);
    assert_eq!(
        one,
        "{\"TABLE_interface\": {\"ROW_interface\": {\"interface\": \"Ethernet1/1\", \"state\": \"down\", \"state_rsn_desc\": \"Administratively down\", \"admin_state\": \"down\", \"desc\": \"to rack 4\", \"eth_mtu\": 9216, \"eth_bw\": 10000000, \"eth_dly\": 10, \"eth_mode\": \"access\"}}}\n"
    );
    let refused = |at: usize| format!("{}^\n% Invalid command at '^' marker.\n", " ".repeat(at));
    assert_eq!(lab.run(&["show interface e9/9"]), refused("switch# show interface ".len()));
    let vlans = lab.run(&["show vlan"]);
    for part in [
        "10   ten                              active    Eth1/1\n",
        "20   VLAN0020                         active\n",
    ] {
        assert!(vlans.contains(part), "{part} in {vlans}");
    }
    assert!(lab.run(&["show vrf"]).contains("red                                     3 Up"));
    assert!(
        lab.run(&["show ip interface brief"])
            .contains("Lo7                  10.9.9.9        protocol-up/link-up/admin-up\n")
    );
    assert!(
        lab.run(&["show ip interface brief vrf red"])
            .contains("Eth1/2               10.1.0.1        protocol-down/link-down/admin-up\n")
    );
    assert_eq!(lab.run(&["show ip interface brief vrf blue"]), "% There is no VRF blue\n");
    lab.configure(&[
        "interface Vlan10",
        "ip address 192.0.2.1/24",
        "ip address 192.0.2.2/24 secondary",
    ]);
    lab.configure(&["interface Vlan11", "ip address 172.16.0.1 255.255.255.0"]);
    lab.configure(&["interface Ethernet1/3", "ip address 5.5.5.5/24"]);
    lab.configure(&[
        "interface Ethernet1/4",
        "no switchport",
        "vrf member ghost",
        "ip address 10.20.0.1/24 tag 5",
    ]);
    let all = lab.run(&["show ip interface brief vrf all"]);
    for part in [
        "Vlan10               192.0.2.1 ",
        "Vlan11               172.16.0.1 ",
        "VRF \"ghost\"(4)",
        "Eth1/4               10.20.0.1 ",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
    assert!(!all.contains("5.5.5.5") && !all.contains("192.0.2.2"), "{all}");
    let xml = lab.run(&["show interface mgmt0 | xml"]);
    assert!(xml.contains("  <interface>\n    <__readonly__>"), "{xml}");
    lab.configure(&["no vrf context red", "interface Ethernet1/2", "no vrf member red"]);
    assert!(lab.run(&["show vrf"]).contains("ghost                                   4 Up"));
    lab.configure(&["vrf context blue"]);
    assert!(lab.run(&["show vrf"]).contains("blue                                    3 Up"));
    lab.configure(&["no vlan 10,20-21", "no interface loopback7"]);
    assert!(
        !lab.run(&["show vlan"]).contains("VLAN0020")
            && !lab.run(&["show interface brief"]).contains("Lo7")
    );
}

#[test]
fn ports_are_what_breakouts_trunks_and_channels_make_them() {
    let mut lab = Lab::new(Some(
        "feature lacp\nno system default switchport\ninterface breakout module 1 port 49-50 map 10g-4x\ninterface \
         Ethernet1/1\n  switchport\n  switchport mode trunk\n  switchport trunk native vlan 99\n  switchport trunk allowed \
         vlan 10,20\n  channel-group 5 mode active\ninterface Ethernet1/50/2\n  speed 10000\ninterface fc1/3\n  no shutdown\n",
    ));
    let brief = lab.run(&["show interface brief"]);
    for part in [
        "Eth1/1          99      eth  trunk  down    Link not connected         auto(D) 5\n",
        "Eth1/2          --      eth  routed down ",
        "Eth1/49/4       --      eth  routed down    Link not connected         auto(D) --\n",
        "Eth1/50/2       --      eth  routed down    Link not connected         10G(D)  --\n",
        "Po5           --      eth  routed down    No operational members    auto(I) lacp\n",
        "fc1/3      1      auto   on      down ",
    ] {
        assert!(brief.contains(part), "{part} in {brief}");
    }
    assert!(!brief.contains("Eth1/49 ") && !brief.contains("Eth1/49/5"), "{brief}");
    let data = lab.run(&["show interface brief | json"]);
    assert!(data.contains("\"ratemode\": \"I\"") && data.contains("\"speed\": \"10G\""), "{data}");
    assert!(lab.run(&["show interface e1/50/2"]).contains("BW 10000000 Kbit"));
    assert!(lab.run(&["show interface description"]).contains("Eth1/50/2     eth    10G     --"));
    let trunks = lab.run(&["show interface trunk"]);
    assert!(trunks.contains("Eth1/1        99      not-trunking  Po5\n"), "{trunks}");
    assert!(trunks.contains("Eth1/1        10,20\n") && !trunks.contains("Eth1/2 "), "{trunks}");
    let names = |lab: &mut Lab, asked: &str| lab.run(&[&format!("{asked} | inc ^Eth|^mgmt")]);
    let several = names(&mut lab, "show interface e1/1-2, mgmt0");
    assert_eq!(several.lines().count(), 3, "{several}");
    assert_eq!(names(&mut lab, "show interface Ethernet 1/53-99").lines().count(), 2);
    lab.configure(&["vlan 10"]);
    assert!(lab.run(&["show vlan id 10"]).contains("\n10   enet "));
    assert_eq!(lab.run(&["show vlan id 11"]), "VLAN 11 not found in current VLAN database\n");
    assert_eq!(lab.run(&["show vlan id x"]), "% Invalid VLAN list\n");
    assert_eq!(lab.run(&["show vlan id 10-1"]), "% Invalid VLAN list\n");
    assert!(lab.run(&["show vlan id 10-30"]).contains("\n10   enet "));
    for (list, wrong) in [("e1/1,foo", "foo"), ("e1/1,e1/99", "e1/99"), ("e1/1,3", "3")] {
        let told = lab.run(&[&format!("show interface {list}")]);
        let at = "switch# show interface ".len() + list.find(wrong).unwrap();
        assert_eq!(told, format!("{}^\n% Invalid command at '^' marker.\n", " ".repeat(at)));
    }
    assert!(data.contains("\"speed\": \"1000\"") && data.contains("\"proto\": \"lacp\""), "{data}");
    for (line, told) in [
        ("mtu 70000", "range is (576:9216)"),
        ("switchport access vlan 5000", "range is (1:4094)"),
        ("switchport trunk native vlan 0", "range is (1:4094)"),
    ] {
        let said = lab.run(&["configure terminal", "interface e1/2", line, "end"]);
        assert!(said.contains(told), "{line}: {said}");
    }
    lab.run(&[
        "configure terminal",
        "interface e1/3",
        "switchport",
        "sw acc vlan 7",
        "no sw acc vlan",
        "mtu 9216",
        "no mtu",
    ]);
    lab.run(&["end"]);
    assert_eq!(
        lab.run(&["show running-config interface e1/3 | begin ^interface"]),
        "interface Ethernet1/3\n  switchport\n"
    );
}

/// What is typed in a mode is of that mode, or refused: nothing of it becomes a line of global configuration, and no value that
/// could not be one takes the place of one that is.
#[test]
fn short_and_wrong_lines_of_an_interface_leave_the_rest_as_it_is() {
    let mut lab = Lab::new(None);
    let mut typed = |line: &str, expected: &str| {
        let hostname = lab.run(&["show hostname"]);
        lab.run(&["configure terminal", "default interface e1/1", "interface e1/1", "mtu 9000"]);
        let told = lab.run(&[line]);
        let prompt = lab.switch.prompt(&lab.session);
        lab.run(&["end"]);
        assert_eq!(prompt, "switch(config-if)# ", "{line}");
        assert_eq!(lab.run(&["show hostname"]), hostname, "{line}");
        let lines = lab.run(&["show running-config interface e1/1 | inc '^  ' | exclude mtu"]);
        assert_eq!(lines.trim(), expected, "{line}: {told}");
        let is_kept = lab.run(&["show running-config interface e1/1"]).contains("  mtu 9000\n");
        assert!(is_kept || told.is_empty(), "{line}: {told}");
        assert_eq!(told.is_empty(), !expected.is_empty(), "{line}: {told}");
    };
    typed("sw mo tr", "switchport mode trunk");
    typed("switchp mode tr", "switchport mode trunk");
    typed("sw acc vl 10", "switchport access vlan 10");
    typed("sw tr al vl 10", "switchport trunk allowed vlan 10");
    typed("sw tr na vl 10", "switchport trunk native vlan 10");
    typed("channel-g 5 mo act", "channel-group 5 mode active");
    typed("spe 1000", "speed 1000");
    typed("ip addr 10.2.2.1/24", "ip address 10.2.2.1/24");
    typed("ip ad 10.2.2.1/24", "ip address 10.2.2.1/24");
    typed("desc up", "description up");
    for wrong in [
        "mtu abc",
        "mtu",
        "mtu 9000 5",
        "switchport access vlan",
        "switchport access vlan 10,20",
        "sw acc vlan x",
        "switchport access vlan 10 foo",
        "switchport mode xyz",
        "speed abc",
        "channel-group 9999",
        "channel-group 5 mode x",
        "switchport trunk allowed vlan 5000",
        "switchport trunk allowed vlan add",
        "switchport trunk allowed vlan remove x",
    ] {
        typed(wrong, "");
    }
}

#[test]
fn the_vlans_of_a_trunk_stay_one_line() {
    let mut lab = Lab::new(None);
    let several = lab.run(&[
        "show hostname ; show hostname | count; show nonsense ; show vrf management | count",
    ]);
    assert_eq!(
        several,
        format!("switch\n1\n{}^\n% Invalid command at '^' marker.\n2\n", " ".repeat(52))
    );
    assert_eq!(lab.run(&["show hostname | inc 'a;b'"]), "");
    assert!(lab.run(&["dir | inc Usage"]).starts_with("Usage for"));
    let mut after = |lines: &[&str]| {
        lab.run(&["configure terminal", "default interface e1/1", "interface e1/1"]);
        for line in lines {
            assert_eq!(lab.run(&[&format!("switchport trunk allowed vlan {line}")]), "", "{line}");
        }
        lab.run(&["end"]);
        lab.run(&["show running-config interface e1/1 | inc allowed"]).trim().to_owned()
    };
    let line = |vlans: &str| format!("switchport trunk allowed vlan {vlans}");
    assert_eq!(after(&["10,20", "add 21-22", "remove 20"]), line("10,21-22"));
    assert_eq!(after(&["remove 1-4000"]), line("4001-4094"));
    assert_eq!(after(&["except 5"]), line("1-4,6-4094"));
    assert_eq!(after(&["none", "add 7"]), line("7"));
    assert_eq!(after(&["10", "all"]), "");
    assert_eq!(after(&["add 7"]), "");
    assert_eq!(after(&["remove 2-4094", "remove 1"]), line("none"));
    lab.run(&[
        "configure terminal",
        "interface e1/1",
        "switchport trunk allowed vlan 5",
        "no switchport trunk allowed vlan",
        "end",
    ]);
    assert_eq!(lab.run(&["show running-config interface e1/1 | inc allowed"]), "");
}

#[test]
fn breakouts_stand_beside_each_other_and_ranges_take_blanks() {
    let mut lab = Lab::new(None);
    lab.configure(&[
        "interface breakout module 1 port 49 map 10g-4x",
        "interface breakout module 1 port 50-51 map 25g-4x",
        "interface breakout module 1 port 49 map 25g-4x",
        "interface e1/4 - 5, e1/7",
        "shutdown",
    ]);
    let lines = lab.run(&["show running-config | inc breakout"]);
    assert_eq!(
        lines,
        "interface breakout module 1 port 49 map 25g-4x\ninterface breakout module 1 port 50-51 map 25g-4x\n"
    );
    let shut = lab.run(&["show interface brief | inc Administratively | cut -d ' ' -f 1"]);
    assert_eq!(shut, "Eth1/4\nEth1/5\nEth1/7\n");
}
