#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Lines as people type, paste and copy them (findings L1 to L11, PI-CLI-001, PI-CLI-036).

mod common;
use common::*;

/// The running configuration after these lines of configuration.
fn running(lines: &[&str]) -> (Lab, String) {
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal"]);
    lab.run(lines);
    lab.run(&["end"]);
    let text = shown(&mut lab);
    (lab, text)
}

fn shown(lab: &mut Lab) -> String {
    let text = lab.run(&["show running-config"]);
    text.lines().skip(4).map(|line| format!("{line}\n")).collect()
}

fn copied(text: &str) -> (Lab, String) {
    let mut lab = Lab::new(None);
    lab.flash.files.insert("t.cfg".to_owned(), text.as_bytes().to_vec());
    let told = lab.run(&["copy bootflash:t.cfg running-config"]);
    (lab, told)
}

/// The same after it was saved and the switch came up again.
fn lasts(lab: &mut Lab, packages: &[&str]) {
    let (before, hostname) = (shown(lab), lab.switch.hostname().to_owned());
    assert_eq!(sorted(lab), packages);
    lab.run(&["copy running-config startup-config"]);
    lab.boot_again("reload");
    assert_eq!(shown(lab), before);
    assert_eq!(lab.switch.hostname(), hostname);
    assert_eq!(sorted(lab), packages);
}

fn sorted(lab: &mut Lab) -> Vec<String> {
    let mut packages = lab.packages();
    packages.sort();
    packages
}

const BROKER: &str = "DCN_NDB";
const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

#[test]
fn a_banner_that_is_typed_is_text_and_no_command() {
    let lines = [
        "feature bgp",
        "feature tap-aggregation",
        "ip access-list TAP",
        "permit ip any any redirect Ethernet1/5",
        "banner motd ^",
        "feature ospf belongs to staff",
        "hostname theirs | no ? help",
        "^",
        "feature itd",
    ];
    let (mut lab, text) = running(&lines);
    assert!(
        text.contains(
            "banner motd ^\nfeature ospf belongs to staff\nhostname theirs | no ? help\n^\n"
        ),
        "{text}"
    );
    assert_eq!(lab.switch.hostname(), "switch");
    lasts(&mut lab, &[BROKER, LAN, "NETWORK_SERVICES_PKG"]);
    let (mut lab, told) = copied(&format!("{}\n", lines.join("\n")));
    assert_eq!(told, "Copy complete.\n");
    lasts(&mut lab, &[BROKER, LAN, "NETWORK_SERVICES_PKG"]);
    // In one line, with a second one in its place.
    let (_, text) = running(&["banner motd #hello#", "banner motd #again#", "feature bgp"]);
    assert!(text.contains("banner motd #again#\n") && !text.contains("hello"), "{text}");
}

#[test]
fn a_global_line_leaves_the_submode_and_one_of_the_mode_above_the_inner_one() {
    let global = [
        "username prov password Zz12345678 role network-admin",
        "ip domain-name corp.example",
        "ip name-server 192.0.2.53",
        "nv overlay evpn",
        "license smart transport smart",
        "ip route 0.0.0.0/0 192.0.2.1",
        "snmp-server contact me",
        "vlan 10",
    ];
    for section in ["interface mgmt0", "vlan 7", "router bgp 65000", "ip access-list X", "line vty"]
    {
        for line in global {
            let (_, text) = running(&["feature bgp", "feature nv overlay", section, line]);
            let head = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
            assert!(text.contains(&format!("\n{head}")), "{section}, {line}: {text}");
            assert!(!text.contains("Zz12345678"), "{section}: {text}");
        }
    }
    let (_, text) = running(&[
        "router bgp 65000",
        "neighbor 192.0.2.2",
        "remote-as 65001",
        "address-family ipv4 unicast",
        "route-map OUT out",
        "soft-reconfiguration inbound",
        "neighbor 192.0.2.3",
        "remote-as 65002",
        "vrf T1",
        "neighbor 192.0.2.4",
        "remote-as 65003",
    ]);
    let wanted = "router bgp 65000\n  neighbor 192.0.2.2\n    remote-as 65001\n    address-family ipv4 \
                  unicast\n      route-map OUT out\n      soft-reconfiguration inbound\n  neighbor \
                  192.0.2.3\n    remote-as 65002\n  vrf T1\n    neighbor 192.0.2.4\n      remote-as 65003\n";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn empty_lines_and_comments_end_nothing_and_a_flat_file_is_one_with_sections() {
    let text = "hostname leaf\nfeature bgp\nip access-list TAP\n  10 permit ip any any\n\n! a word\n  20 \
                permit tcp any any redirect Ethernet1/5\nrouter bgp 65000\n  router-id 192.0.2.1\n\n  \
                neighbor 192.0.2.2\n    remote-as 65001\n";
    for flat in [false, true] {
        let text: String = text
            .lines()
            .map(|line| format!("{}\n", if flat { line.trim() } else { line }))
            .collect();
        for mut lab in [
            boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, RELEASE, Some(&text)).unwrap(),
            copied(&text).0,
        ] {
            let text = shown(&mut lab);
            assert!(text.contains("\n  20 permit tcp any any redirect Ethernet1/5\n"), "{text}");
            assert!(text.contains("\n  neighbor 192.0.2.2\n    remote-as 65001\n"), "{text}");
            lasts(&mut lab, &[BROKER, LAN]);
        }
    }
    // Words of EXEC in a file are carried out or refused, and never kept.
    let (mut lab, told) = copied(
        "configure terminal\nhostname flat\ninterface Ethernet1/1\ndescription one\nexit\nfeature bgp\nterminal dont-ask\nend\n",
    );
    assert!(told.contains("line 7: terminal dont-ask: % Invalid command"), "{told}");
    let text = shown(&mut lab);
    assert!(text.contains("interface Ethernet1/1\n  description one\n"), "{text}");
    for word in ["configure", "exit", "end", "terminal"] {
        assert!(!text.contains(&format!("\n{word}")), "{text}");
    }
    lasts(&mut lab, &[LAN]);
}

#[test]
fn the_body_of_a_scheduler_job_is_text() {
    let text = "feature scheduler\nfeature bgp\nscheduler job name NIGHTLY\nconfigure terminal\nno feature bgp\nend\n\nend-job\n\nscheduler schedule name NIGHT\n  job name NIGHTLY\n  time daily 02:30\n";
    for mut lab in [
        boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, RELEASE, Some(text)).unwrap(),
        copied(text).0,
        running(&text.lines().collect::<Vec<_>>()).0,
    ] {
        let text = shown(&mut lab);
        assert!(
            text.contains(
                "scheduler job name NIGHTLY\nconfigure terminal\nno feature bgp\nend\n\nend-job\n"
            ),
            "{text}"
        );
        lasts(&mut lab, &[LAN]);
    }
}

#[test]
fn a_no_names_what_it_takes_away() {
    let lists = [
        "feature tap-aggregation",
        "ip access-list TAP",
        "permit ip any any redirect Ethernet1/5",
        "ip access-list OTHER",
        "permit ip any any",
        "exit",
    ];
    for line in [
        "no ip access-list",
        "no interface",
        "no router",
        "no router bgp",
        "no vlan",
        "no route-map",
    ] {
        let (mut lab, before) = running(&lists);
        lab.run(&["configure terminal"]);
        let told = lab.run(&[line]);
        assert!(told.ends_with("^\n% Incomplete command at '^' marker.\n"), "{line}: {told}");
        lab.run(&["end"]);
        assert_eq!(shown(&mut lab), before, "{line}");
        lasts(&mut lab, &[BROKER]);
    }
    // What is named need not be told to its end.
    let (_, text) = running(&[
        "snmp-server user admin network-admin auth md5 0xaa priv 0xbb localizedkey",
        "route-map RM permit 10",
        "route-map RM permit 20",
        "interface Ethernet1/6",
        "spanning-tree port type edge",
        "no spanning-tree port type",
        "exit",
        "no snmp-server user admin",
        "no route-map RM",
    ]);
    for gone in ["snmp-server", "route-map", "spanning-tree"] {
        assert!(!text.contains(gone), "{text}");
    }
    // One of one value that is not there leaves nothing behind.
    let (mut lab, text) = running(&["no license smart transport", "license smart transport off"]);
    assert!(
        text.contains("\nlicense smart transport off\n") && !text.contains("no license"),
        "{text}"
    );
    lasts(&mut lab, &[]);
}

#[test]
fn one_value_takes_the_place_of_another_and_a_toggle_of_its_no() {
    let (_, text) = running(&[
        "interface Ethernet1/1",
        "description one",
        "description two words",
        "mtu 9000",
        "mtu 9216",
        "ip address 192.0.2.1/24",
        "ip address 192.0.2.2/24",
        "ip address 192.0.2.9/24 secondary",
        "shutdown",
        "no shutdown",
        "no shutdown",
        "no switchport",
        "switchname one",
        "hostname two",
    ]);
    let wanted = "interface Ethernet1/1\n  description two words\n  mtu 9216\n  ip address \
                  192.0.2.2/24\n  ip address 192.0.2.9/24 secondary\n  no shutdown\n  no switchport\n";
    assert!(text.contains(wanted), "{text}");
    assert!(text.contains("\nhostname two\n") && !text.contains("one\n"), "{text}");
}

#[test]
fn a_bar_in_configuration_is_text_and_nothing_is_done_before_all_of_a_line_is_understood() {
    let (mut lab, text) = running(&["interface Ethernet1/1", "description to core | include me"]);
    assert!(text.contains("  description to core | include me\n"), "{text}");
    lab.run(&["configure terminal"]);
    let shown_there = lab.run(&["show running-config | include description"]);
    assert_eq!(shown_there, "  description to core | include me\n");
    lab.run(&["end"]);
    for line in [
        "copy running-config startup-config | nonsense",
        "copy running-config startup-config | count",
    ] {
        let told = lab.run(&[line]);
        assert!(told.contains("% Invalid command at '^' marker."), "{told}");
    }
    assert!(!lab.store.files.contains_key("startup-config"));
}

#[test]
fn default_sets_a_line_or_an_interface_back() {
    let lines = [
        "interface Vlan7",
        "mtu 9000",
        "no shutdown",
        "hsrp 1",
        "ip 192.0.2.1",
        "ip 192.0.2.2",
        "priority 90",
    ];
    let (mut lab, text) = running(&lines);
    assert!(text.contains("  hsrp 1\n    ip 192.0.2.2\n    priority 90\n"), "{text}");
    lab.run(&[
        "configure terminal",
        "interface Vlan7",
        "default mtu 1500",
        "default shutdown",
        "end",
    ]);
    let text = shown(&mut lab);
    assert!(text.contains("interface Vlan7\n  hsrp 1\n"), "{text}");
    lab.run(&["configure terminal", "default interface Vlan7", "end"]);
    let text = shown(&mut lab);
    assert!(text.contains("interface Vlan7\n") && !text.contains("hsrp"), "{text}");
}

#[test]
fn entries_of_an_access_list_have_numbers() {
    let (_, text) = running(&[
        "ip access-list X",
        "permit ip any any",
        "deny udp any any",
        "15 remark between",
        "permit ip any any",
        "no deny udp any any",
        "no 15",
        "deny tcp any any",
    ]);
    assert!(
        text.contains("ip access-list X\n  10 permit ip any any\n  20 deny tcp any any\n"),
        "{text}"
    );
}

#[test]
fn words_may_be_abbreviated_and_interfaces_come_in_ranges() {
    let (_, text) = running(&[
        "int e1/1",
        "desc x",
        "no shut",
        "int e1/2-4",
        "mtu 9216",
        "int po 5",
        "sw mode trunk",
    ]);
    assert!(text.contains("interface Ethernet1/1\n  description x\n  no shutdown\n"), "{text}");
    for port in 2..=4 {
        assert!(text.contains(&format!("interface Ethernet1/{port}\n  mtu 9216\n")), "{text}");
    }
    assert!(text.contains("interface port-channel5\n  switchport mode trunk\n"), "{text}");
}

#[test]
fn an_unknown_line_is_refused_at_the_top_kept_in_a_submode_and_told_of_in_a_copy() {
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal"]);
    let told = lab.run(&["frobnicate the switch"]);
    assert!(told.contains("% Invalid command at '^' marker."), "{told}");
    assert_eq!(lab.run(&["interface Ethernet1/1", "frobnicate the port"]), "");
    let told = lab.run(&["terminal dont-ask"]);
    assert_eq!(told, "", "a word of EXEC is carried out");
    lab.run(&["end"]);
    let text = shown(&mut lab);
    assert!(text.contains("interface Ethernet1/1\n  frobnicate the port\n"), "{text}");
    let (_, told) = copied("hostname a\nfrobnicate the switch\nlicense smart transport x\n");
    assert!(told.starts_with("Copy complete, 2 lines were not understood:\n  line 2: frobnicate the switch: % Invalid"), "{told}");
}

#[test]
fn a_blank_before_a_line_hides_nothing_in_a_section_that_nobody_knows() {
    let (mut lab, text) = running(&[
        "snmp-server contact me",
        "feature tap-aggregation",
        " username ops password Nexus9Lab role network-admin",
        "ip access-list TAP",
        "statistics per-entry",
        "  10 permit ip any any redirect Ethernet1/5",
        "interface Ethernet1/1",
        "description x",
        " feature bgp",
    ]);
    assert!(
        text.contains("\nusername ops password 5 $5$") && !text.contains("Nexus9Lab"),
        "{text}"
    );
    assert!(text.contains("\n  statistics per-entry\n  10 permit"), "{text}");
    assert!(text.contains("\nfeature bgp\n"), "{text}");
    lasts(&mut lab, &[BROKER, LAN]);
}

#[test]
fn a_text_is_known_however_it_begins_and_ended_if_it_was_cut_off() {
    for begin in ["ban motd ^", "Banner motd ^", "banner  motd ^", "banner motd\t^"] {
        let (mut lab, text) =
            running(&[begin, "hostname theirs", "no feature ssh", "^", "feature bgp"]);
        assert!(
            text.contains("banner motd ^\nhostname theirs\nno feature ssh\n^\n"),
            "{begin}: {text}"
        );
        lasts(&mut lab, &[LAN]);
    }
    let (mut lab, told) = copied(
        "feature bgp\nfeature tap-aggregation\nip access-list T\npermit ip any any redirect Ethernet1/5\n\
         banner motd ^\nhello",
    );
    assert_eq!(told, "Copy complete.\n");
    lasts(&mut lab, &[BROKER, LAN]);
    let job = "feature bgp\nsched job name N\nno feature bgp\nend-job\n";
    let (mut lab, _) = copied(&job.repeat(3));
    assert_eq!(shown(&mut lab).matches("scheduler job name N").count(), 1);
    lasts(&mut lab, &[LAN]);
    lab.run(&["configure terminal", "no scheduler job name N", "end"]);
    assert!(!shown(&mut lab).contains("scheduler job"));
}

#[test]
fn a_line_of_any_length_and_any_range_costs_little() {
    let mut lab = Lab::new(None);
    for blanks in [10, 4_000, 70_000, 1 << 20] {
        let told = lab.run(&[&format!("show{}x", " ".repeat(blanks))]);
        assert!(
            told.starts_with("% Line too long") || told.contains("% Invalid command"),
            "{blanks}"
        );
    }
    let parts: Vec<String> = (1..400).map(|slot| format!("e{slot}/1-512")).collect();
    let (mut lab, _) = running(&[
        &format!("interface {}", parts.join(",")),
        "mtu 9216",
        "interface ,",
        "shutdown",
    ]);
    assert!(shown(&mut lab).lines().count() < 2_000);
}

#[test]
fn a_password_that_is_not_understood_is_kept_nowhere() {
    let good = "username ops password Nexus9Lab role network-operator";
    for line in [
        "Username ops password my Secret1 role network-admin",
        "usern ops passw my Secret1",
        "username ops password Secret11 role network-admin junk",
        "user ops password Secret11 x y",
    ] {
        let (_, text) = running(&[good, "interface Ethernet1/1", line]);
        assert!(!text.contains("Secret1") && !text.contains("Nexus9Lab"), "{line}: {text}");
        let (mut lab, _) = copied(&format!("{line}\ninterface Ethernet1/1\n  {line}\n"));
        let text = shown(&mut lab);
        assert!(!text.contains("Secret1"), "{line}: {text}");
    }
    let config = "username ops password weak\nhostname x\n";
    let mut lab = boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, RELEASE, Some(config)).unwrap();
    assert!(!shown(&mut lab).contains("weak"));
    // Nor in the history, however short its words.
    let mut lab = Lab::new(None);
    lab.run(&[
        "license smart trust idt NGMwMjk5",
        "configure terminal",
        "username ops passw Nexus9Lab",
        "end",
    ]);
    let history = lab.run(&["show cli history"]);
    assert!(!history.contains("NGMwMjk5") && !history.contains("Nexus9Lab"), "{history}");
}

#[test]
fn text_uses_no_licence_and_an_abbreviated_entry_does() {
    let (mut lab, _) = running(&[
        "banner motd ^",
        "You need a permit",
        "from staff, others we redirect to them",
        "^",
        "ip access-list X",
        "10 remark permit web and redirect the rest",
        "10 feature bgp",
    ]);
    assert_eq!(sorted(&mut lab), Vec::<String>::new());
    for entry in ["permit ip any any redir Ethernet1/5", "10 perm ip any any redirect Ethernet1/5"]
    {
        let (mut lab, text) = running(&["feature tap-aggregation", "ip access-list X", entry]);
        assert!(text.contains("  10 permit ip any any redirect Ethernet1/5\n"), "{entry}: {text}");
        lasts(&mut lab, &[BROKER]);
    }
}

#[test]
fn whoever_is_no_administrator_any_more_configures_no_more() {
    let (mut lab, _) =
        running(&["username ops password Nexus9Lab role network-admin", "feature bgp"]);
    lab.session = rumline_switch::Session::new("ops");
    lab.run(&["configure terminal"]);
    let mut ops = std::mem::replace(&mut lab.session, rumline_switch::Session::new("admin"));
    lab.run(&[
        "configure terminal",
        "username ops password Nexus9Lab role network-operator",
        "end",
    ]);
    std::mem::swap(&mut lab.session, &mut ops);
    assert_eq!(lab.run(&["no feature bgp"]), "% Permission denied for the role\n");
    assert!(shown(&mut lab).contains("feature bgp"));
}

#[test]
fn a_short_line_is_the_setting_of_its_own_mode_written_out() {
    // PI-CLI-003
    for (typed, whole) in [
        ("sw trunk all vlan 5-9", "switchport trunk allowed vlan 5-9"),
        ("switchport trunk all vlan 5-9", "switchport trunk allowed vlan 5-9"),
        ("sw acc vlan 3", "switchport access vlan 3"),
        ("sw mode trunk", "switchport mode trunk"),
        ("desc sw trunk all", "description sw trunk all"),
    ] {
        let mut lab = Lab::new(None);
        lab.configure(&["interface Ethernet1/2", typed]);
        let typed_text = lab.switch.running().render();
        assert!(
            typed_text.contains(&format!("interface Ethernet1/2\n  {whole}\n")),
            "{typed_text}"
        );
        let file = format!("hostname x\ninterface Ethernet1/2\n  {typed}\n");
        let loaded = rumline_switch::ConfigTree::parse(&file).render();
        assert!(loaded.ends_with(&format!("interface Ethernet1/2\n  {whole}\n")), "{loaded}");
    }
}

#[test]
fn a_no_of_what_is_off_by_default_leaves_nothing_and_of_what_is_on_is_kept() {
    let mut lab = Lab::new(Some("license grace-period\nvpc domain 1\n  peer-gateway\n"));
    lab.configure(&[
        "no license grace-period",
        "no spanning-tree loopguard default",
        "no ip pim log-neighbor-changes",
        "vpc domain 1",
        "no peer-gateway",
        "no ip arp synchronize",
        "interface Ethernet1/1",
        "no shutdown",
        "no ip redirects",
    ]);
    let text = lab.switch.running().render();
    let no: Vec<&str> =
        text.lines().map(str::trim).filter(|line| line.starts_with("no ")).collect();
    assert_eq!(no, ["no shutdown", "no ip redirects"], "{text}");
    assert!(!text.contains("grace-period") && !text.contains("peer-gateway"), "{text}");
}

#[test]
fn an_indented_banner_makes_no_indented_file_of_a_flat_one() {
    let text = "banner motd #\n   hello\n#\ninterface Ethernet1/1\nmtu 9216\nunheard of\nvlan 7\nname seven\n";
    let read = rumline_switch::ConfigTree::parse(text).render();
    let wanted = "interface Ethernet1/1\n  mtu 9216\n  unheard of\nvlan 7\n  name seven\n";
    assert!(read.ends_with(wanted), "{read}");
}

#[test]
fn entries_of_prefix_lists_get_numbers_and_vlans_go_out_of_their_lists() {
    let (mut lab, text) = running(&[
        "ip prefix-list P permit 10.0.0.0/8",
        "ip prefix-list P seq 12 deny 10.1.0.0/16",
        "ip prefix-list P permit 192.0.2.0/24 le 32",
        "ip prefix-list P permit 10.0.0.0/8",
        "ip prefix-list Q deny 0.0.0.0/0",
        "vlan 10-15,20",
    ]);
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.contains("prefix") || line.starts_with("vlan"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(
        lines(&text),
        [
            "ip prefix-list P seq 5 permit 10.0.0.0/8",
            "ip prefix-list P seq 12 deny 10.1.0.0/16",
            "ip prefix-list P seq 15 permit 192.0.2.0/24 le 32",
            "ip prefix-list Q seq 5 deny 0.0.0.0/0",
            "vlan 10-15,20",
        ]
    );
    lab.configure(&["no ip prefix-list P permit 10.0.0.0/8", "no vlan 11,14-15"]);
    let text = shown(&mut lab);
    assert_eq!(lines(&text)[0], "ip prefix-list P seq 12 deny 10.1.0.0/16");
    assert_eq!(lines(&text)[3], "vlan 10,12-13,20");
    lab.configure(&["no ip prefix-list P", "no vlan 10-20"]);
    assert_eq!(lines(&shown(&mut lab)), ["ip prefix-list Q seq 5 deny 0.0.0.0/0"]);
}
