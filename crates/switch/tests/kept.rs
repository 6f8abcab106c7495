#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Configurations to come back to, lines that are carried out together, names of one's own, and what is said of each
//! (findings L13 to L15; G-10, PI-NET-009, PI-NET-031, PI-CLI-033, PI-MIG-022).

mod common;
use common::*;

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

fn shown(lab: &mut Lab, command: &str) -> String {
    let text = lab.run(&["end", command]);
    text.lines().filter(|line| !line.starts_with('!')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_rollback_brings_back_lines_and_licences() {
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp", "interface Ethernet1/1", "description old"]);
    let before = shown(&mut lab, "show running-config");
    assert_eq!(lab.run(&["checkpoint good"]), "Done\n");
    assert_eq!(lab.run(&["checkpoint good"]), "% A checkpoint good exists already\n");
    assert_eq!(lab.run(&["checkpoint"]), "user-checkpoint-1 created Successfully\n\nDone\n");
    lab.configure(&["no feature bgp", "interface Ethernet1/1", "description new", "router ospf 1"]);
    assert_eq!(lab.packages(), Vec::<String>::new());
    let told = lab.run(&["rollback running-config checkpoint good"]);
    assert!(told.ends_with("Rollback completed successfully.\n"), "{told}");
    assert_eq!(shown(&mut lab, "show running-config"), before);
    assert_eq!(lab.packages(), [LAN]);
    assert!(lab.run(&["rollback running-config checkpoint good"]).contains("Patch is Empty\n"));
    assert_eq!(
        lab.run(&["rollback running-config checkpoint bad"]),
        "% There is no checkpoint bad\n"
    );
    assert!(lab.run(&["show checkpoint summary"]).contains("1) good:\nCreated by admin\n"));
    assert!(lab.run(&["show checkpoint good"]).contains("Name: good\n\nversion "));
    assert_eq!(lab.run(&["no checkpoint good"]), "Done\n");
    assert!(!lab.run(&["show checkpoint"]).contains("Name: good"));
    for _ in 0..12 {
        lab.run(&["checkpoint"]);
    }
    assert_eq!(lab.run(&["show checkpoint | grep -c Name:"]), "10\n");
    assert_eq!(lab.run(&["clear checkpoint database", "show checkpoint"]), "");
}

#[test]
fn a_file_becomes_the_configuration_whole_or_not_at_all_and_locks_nobody_out() {
    let mut lab = Lab::new(None);
    lab.configure(&["username admin password Rumline123", "feature bgp", "hostname old"]);
    let replace = |lab: &mut Lab, text: &[u8]| {
        lab.flash.files.insert("new.cfg".to_owned(), text.to_vec());
        lab.run(&["configure replace bootflash:new.cfg"])
    };
    let told = replace(&mut lab, b"hostname new\nfeature ospf\nvlan 10\n  name ten\n");
    assert_eq!(told, "Configure replace completed successfully.\n");
    assert_eq!(lab.prompt(), "new# ");
    let text = shown(&mut lab, "show running-config");
    assert!(!text.contains("bgp") && text.contains("vlan 10\n  name ten\n"), "{text}");
    assert!(lab.switch.may_log_in("admin", "Rumline123"), "{text}");
    for (file, why) in [
        (
            &b"hostname y\nusername x password s3cret\n"[..],
            "  line 2: username x ***: password is weak\n",
        ),
        (b"\xff\xfeh\0o\0", "% The file is in UTF-16, save it as UTF-8\n"),
        (b"a\0b", "% The file is no text\n"),
    ] {
        let told = replace(&mut lab, file);
        assert!(told.ends_with(why), "{told}");
        assert_eq!(shown(&mut lab, "show running-config"), text);
    }
    assert_eq!(lab.run(&["configure replace bootflash:none"]), "No such file or directory\n");
    lab.flash.files.insert("back.cfg".to_owned(), text.clone().into_bytes());
    lab.configure(&["feature bgp"]);
    assert!(lab.run(&["rollback running-config file bootflash:back.cfg"]).contains("completed"));
    assert_eq!(shown(&mut lab, "show running-config"), text);
}

#[test]
fn lines_of_a_session_count_together_when_they_are_committed() {
    let mut lab = Lab::new(None);
    let told = lab.run(&["configure session tuesday"]);
    assert!(told.starts_with("Config Session started, Session ID is 1\n"), "{told}");
    assert_eq!(lab.prompt(), "switch(config-s)# ");
    assert_eq!(lab.run(&["feature bgp", "interface Ethernet1/1", "mtu 9216"]), "");
    assert_eq!(lab.prompt(), "switch(config-s-if)# ");
    assert!(lab.run(&["license smart usage interval 400"]).contains("% Invalid number"));
    assert_eq!(lab.packages(), Vec::<String>::new());
    lab.run(&["end"]);
    assert!(!shown(&mut lab, "show running-config").contains("bgp"));
    let listed = lab.run(&["show configuration session"]);
    assert!(listed.ends_with("0001  feature bgp\n0002  interface Ethernet1/1\n0003  mtu 9216\n"));
    assert_eq!(lab.run(&["commit"]).matches("% Only in a configuration session").count(), 1);
    // Somebody else changes something meanwhile: it stays.
    lab.configure(&["vlan 7"]);
    lab.run(&["configure session tuesday"]);
    assert_eq!(lab.run(&["verify"]), "Verification Successful\n");
    assert_eq!(lab.packages(), Vec::<String>::new());
    assert_eq!(lab.run(&["commit"]), "Commit Successful\n");
    assert_eq!(lab.prompt(), "switch# ");
    let text = shown(&mut lab, "show running-config");
    assert!(text.contains("vlan 7\n") && text.contains("interface Ethernet1/1\n  mtu 9216\n"));
    assert_eq!(lab.packages(), [LAN]);
    let none = "There are no active configuration sessions\n";
    assert_eq!(lab.run(&["show configuration session"]), none);
    lab.run(&["configure session later", "no feature bgp", "abort"]);
    assert_eq!(lab.run(&["show configuration session"]), none);
    assert_eq!((lab.packages(), lab.prompt()), (vec![LAN.to_owned()], "switch# ".to_owned()));
    // A feature that an entry needs was turned off meanwhile: all or nothing.
    lab.configure(&["feature tap-aggregation"]);
    lab.run(&[
        "configure session tap",
        "ip access-list T",
        "permit ip any any redirect Ethernet1/5",
    ]);
    lab.configure(&["no feature tap-aggregation"]);
    lab.run(&["configure session tap"]);
    let told = lab.run(&["commit"]);
    assert!(told.contains("% Commit failed, nothing was changed.") && told.contains("line 2"));
    assert!(!shown(&mut lab, "show running-config").contains("access-list"));
}

#[test]
fn a_name_of_ones_own_stands_for_a_command() {
    let mut lab = Lab::new(None);
    lab.configure(&[
        "cli alias name wr copy running-config startup-config",
        "cli alias name sl show license",
    ]);
    assert!(lab.run(&["wr"]).ends_with("Copy complete.\n"));
    assert!(lab.run(&["sl udi"]).starts_with("UDI: PID:"));
    assert_eq!(
        lab.run(&["sl nothing"]),
        format!("{}^\n% Invalid command at '^' marker.\n", " ".repeat(11))
    );
    assert!(
        lab.run(&["show cli alias"])
            .ends_with("sl :show license\nwr :copy running-config startup-config\n")
    );
    lab.configure(&["no cli alias name sl"]);
    assert!(lab.run(&["sl udi"]).contains("% Invalid command"));
}

#[test]
fn it_is_told_where_one_is_what_a_command_does_and_who_may_give_it() {
    let mut lab = Lab::new(None);
    assert_eq!(lab.run(&["where"]), "admin@switch\n");
    lab.run(&["configure terminal", "router bgp 65000", "address-family ipv4 unicast"]);
    assert_eq!(
        lab.run(&["pwd"]),
        "conf; router bgp 65000; address-family ipv4 unicast    admin@switch\n"
    );
    let told = lab.run(&["end", "explain license smart vrf red"]);
    for part in [
        "license smart vrf red\n",
        "Mode: config\n",
        "Roles: network-admin\n",
        "Releases: 10.3(2)F or later, N9K-C92348GC-X from 10.3(3)F\n",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let told = lab.run(&["explain sh lic usage"]);
    assert!(told.starts_with("show license usage\n\n") && told.contains("network-operator"));
    assert!(lab.run(&["explain license smart transport cslu"]).contains("Default: cslu\n"));
    assert!(lab.run(&["explain nothing"]).contains("% Invalid command"));
    // PI-NET-031
    let help = lab.switch.help(&lab.session, "explain ");
    assert_eq!(help[0].0, "LINE");
    lab.run(&["configure terminal"]);
    let help = lab.switch.help(&lab.session, "license smart transport s");
    assert!(help[0].1.contains("recommended for a direct connection"), "{help:?}");
}

#[test]
fn a_part_of_the_configuration_is_shown_by_its_words() {
    let mut lab = Lab::new(Some(
        "hostname leaf\nfeature bgp\nsnmp-server host 192.0.2.1\ninterface Ethernet1/1\n  mtu 9216\n\
         interface Ethernet1/2\nrouter bgp 65000\n  router-id 192.0.2.2\nvlan 10\n  name ten\n",
    ));
    let after_version = |lab: &mut Lab, command: &str| {
        let text = shown(lab, command);
        text.split_once('\n').unwrap().1.to_owned()
    };
    let whole = "feature bgp\nrouter bgp 65000\n  router-id 192.0.2.2\n";
    assert_eq!(after_version(&mut lab, "show running-config bgp"), whole);
    let interface = "interface Ethernet1/1\n  mtu 9216\n";
    for name in ["int e1/1", "interface Ethernet1/1", "interface ethernet 1/1"] {
        assert_eq!(after_version(&mut lab, &format!("sh run {name}")), interface, "{name}");
    }
    assert_eq!(after_version(&mut lab, "sh run snmp"), "snmp-server host 192.0.2.1\n");
    assert_eq!(after_version(&mut lab, "sh run vlan 10"), "vlan 10\n  name ten\n");
    assert_eq!(after_version(&mut lab, "sh run nothing"), "");
    let all = shown(&mut lab, "show running-config all");
    for line in [
        "license smart transport cslu\n",
        "license smart usage interval 30\n",
        "ip domain-lookup\n",
        "callhome\n  destination-profile xml transport-method http\n",
    ] {
        assert!(all.contains(line), "{line} in {all}");
    }
    // What is printed can be given.
    let head = lab.run(&["show running-config all"]);
    assert!(head.starts_with("!Command: show running-config all\n!Running configuration last"));
}

#[test]
fn what_is_not_saved_is_told_line_by_line() {
    let mut lab = Lab::new(None);
    lab.configure(&["vlan 10", "name ten", "interface Ethernet1/1", "mtu 9216"]);
    lab.run(&["copy running-config startup-config"]);
    assert_eq!(lab.run(&["show running-config diff"]), "");
    let saved = lab.run(&["show startup-config"]);
    assert!(saved.starts_with("!Command: show startup-config\n!Time: Mon Mar  4 09:00:00 2024\n!Startup config saved at: "), "{saved}");
    lab.configure(&["no vlan 10", "interface Ethernet1/1", "mtu 1500", "interface Ethernet1/2"]);
    assert_eq!(
        lab.run(&["show running-config diff"]),
        "*** Startup-config\n--- Running-config\n- vlan 10\n-   name ten\n  interface Ethernet1/1\n\
         -   mtu 9216\n+   mtu 1500\n+ interface Ethernet1/2\n"
    );
    assert!(shown(&mut lab, "show startup-config interface Ethernet1/1").ends_with("  mtu 9216\n"));
}

#[test]
fn names_and_numbers_are_what_they_should_be_or_it_is_said_what_is_wrong() {
    // L14
    let mut lab = Lab::new(None);
    for (line, why) in [
        ("ip name-server bogus", "% Invalid ip address: bogus"),
        ("ip name-server 10.0.0.300", "% Invalid ip address: 10.0.0.300"),
        ("ip name-server 192.0.2.1 use-vrf", "% Invalid ip address: use-vrf"),
        (
            "ip name-server 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7",
            "% Up to 6 name servers can be configured",
        ),
        ("ip host x 10.0.0.300", "% Invalid ip address: 10.0.0.300"),
        ("ntp server 10.0.0.300", "% Invalid ip address at '^' marker."),
        ("license smart proxy address 10.0.0.300", "% Invalid ip address at '^' marker."),
        ("license smart proxy port 99999", "% Invalid number, range is (1:65535)"),
        ("license smart usage interval +40", "% Invalid number, range is (1:365)"),
        (
            "license smart url cslu http://h:99999/cslu/v1/pi",
            "% Invalid URL: the port is 1 to 65535",
        ),
        (
            "license smart url smart https://10.0.0.300/x",
            "% Invalid URL: 10.0.0.300 is no address and no host name",
        ),
        ("license smart url smart https://u@h/x", "% Invalid URL: it holds no user"),
        ("clock timezone TOOLONGNAME 1 0", "% Invalid name, it is too long at '^' marker."),
        ("clock timezone CET 24 0", "% Invalid number, range is (-23:23)"),
        (
            "clock summer-time X 1 Foo Mar 02:00 1 Sun Nov 02:00 60",
            "% Invalid day or month, e.g. 2 Sun Mar 02:00 1 Sun Nov 02:00 60",
        ),
        (
            "clock summer-time X 1 Sun Mar 25:00 1 Sun Nov 02:00 60",
            "% Invalid time, it is HH:MM at '^' marker.",
        ),
    ] {
        let before = lab.switch.running().render();
        lab.run(&["configure terminal"]);
        let told = lab.run(&[line]);
        assert!(told.ends_with(&format!("{why}\n")), "{line}: {told}");
        assert_eq!(lab.switch.running().render(), before, "{line}");
    }
    for line in [
        "ip name-server 192.0.2.1 192.0.2.2 192.0.2.3",
        "ip name-server 192.0.2.4 2001:db8::5",
        "ip name-server 192.0.2.6 use-vrf management",
        "ip name-server 192.0.2.1",
        "license smart url cslu cslu-local",
        "license smart proxy address Cisco_SSM_OnPrem",
    ] {
        assert_eq!(lab.run(&[line]), "", "{line}");
    }
    assert!(lab.run(&["ip name-server 192.0.2.9"]).contains("% Up to 6"));
    // In a VRF too; other lines of the mode are none of its business.
    lab.run(&["vrf context red"]);
    assert!(lab.run(&["ip name-server bogus"]).contains("% Invalid ip address: bogus"));
    assert_eq!(lab.run(&["ip route 0.0.0.0/0 192.0.2.1", "ip domain-name red.example"]), "");
    assert!(lab.switch.running().render().contains(
        "vrf context red\n  ip route 0.0.0.0/0 192.0.2.1\n  ip domain-name red.example\n"
    ));
    assert_eq!(lab.prompt(), "switch(config-vrf)# ");
}

#[test]
fn a_gate_is_shut_to_a_model_and_says_from_when_on_it_is_open() {
    // PI-MIG-022, PI-NET-002
    let line = "license smart vrf red";
    for (pid, release, since) in [
        ("N9K-C92348GC-X", "10.3(2)F", Some("10.3(3)F")),
        ("N9K-C92348GC-X", "10.3(3)F", None),
        ("N9K-C93180YC-FX3", "10.3(1)F", Some("10.3(2)F")),
        ("N9K-C93180YC-FX3", "10.3(2)F", None),
    ] {
        let mut lab = boot(at("Mar 04 09:00:00 2024"), pid, SERIAL, release, None).unwrap();
        lab.run(&["configure terminal"]);
        let wanted = since.map_or(String::new(), |since| {
            format!("% This command needs Cisco NX-OS Release {since} or later\n")
        });
        assert_eq!(lab.run(&[line]), wanted, "{pid} {release}");
    }
    for (release, logging, callhome, ports) in [
        ("10.2(4)M", "1.0", "1.0", "Not supported"),
        ("10.3(1)F", "2.0", "1.0", "Supported"),
        ("10.5(1)F", "2.0", "2.0", "Supported"),
    ] {
        // PI-MSG-005, PI-LIC-010
        let mut lab =
            boot(at("Mar 04 09:00:00 2024"), "N9K-C93180YC-FX3", SERIAL, release, None).unwrap();
        let told = lab.run(&["show license tech support"]);
        assert!(
            told.contains(&format!("Logging Version: {logging}\n24-port licensing: {ports}\n")),
            "{told}"
        );
        lab.configure(&["license smart transport callhome"]);
        assert!(
            lab.run(&["show license tech support"])
                .contains(&format!("Logging Version: {callhome}\n"))
        );
    }
    let dns = "ip name-server 192.0.2.53 source-interface mgmt0";
    for (release, wanted) in [
        ("10.3(2)F", "% This command needs Cisco NX-OS Release 10.3(3)F or later\n"),
        ("10.3(3)F", ""),
    ] {
        let mut lab = Lab::with_release(release);
        lab.run(&["configure terminal"]);
        assert_eq!(lab.run(&[dns]), wanted, "{release}");
    }
    let mut lab = Lab::with_release("10.3(1)F");
    lab.run(&["configure terminal", "callhome"]);
    assert!(
        lab.run(&["source-interface Ethernet1/1"]).contains("needs Cisco NX-OS Release 10.3(2)F")
    );
}

#[test]
fn a_redirect_entry_needs_its_feature_and_one_of_an_older_file_is_kept() {
    // PI-CLI-033, PI-MIG-014
    let entry = "permit ip any any redirect Ethernet1/5";
    let needs = "% Enable feature tap-aggregation first\n";
    let mut lab = Lab::new(None);
    lab.run(&["configure terminal", "ip access-list T"]);
    for line in [entry, "10 permit ip any any redirect Ethernet1/5", "perm ip any any redir e1/5"] {
        assert_eq!(lab.run(&[line]), needs, "{line}");
    }
    assert_eq!(lab.run(&["permit ip any any", "remark redirect nothing", "no 10"]), "");
    assert_eq!(lab.packages(), Vec::<String>::new());
    lab.configure(&["feature tap-aggregation", "ip access-list T", entry]);
    assert_eq!(lab.packages(), ["DCN_NDB"]);
    // Of before, loaded or copied: the feature counts as on.
    let before = format!("ip access-list T\n  {entry}\n");
    let mut copied = Lab::new(None);
    copied.flash.files.insert("t.cfg".to_owned(), before.clone().into_bytes());
    assert_eq!(copied.run(&["copy bootflash:t.cfg running-config"]), "Copy complete.\n");
    for mut lab in [Lab::new(Some(&before)), copied] {
        assert_eq!(lab.packages(), ["DCN_NDB"]);
        assert!(lab.run(&["show feature | inc tap"]).ends_with("enabled\n"));
        lab.run(&["configure terminal", "ip access-list T"]);
        assert_eq!(lab.run(&["permit udp any any redirect Ethernet1/6"]), "");
    }
}

#[test]
fn banners_are_there_for_whoever_opens_a_session() {
    let lab = Lab::new(Some("banner motd #\nKeep out\n  of here\n#\nbanner exec ^Welcome^\n"));
    assert_eq!(lab.switch.banner("motd").unwrap(), "Keep out\n  of here\n");
    assert_eq!(lab.switch.banner("exec").unwrap(), "Welcome\n");
    assert_eq!(Lab::new(None).switch.banner("motd"), None);
}

#[test]
fn lines_of_a_session_are_carried_out_where_they_were_typed() {
    let mut lab = Lab::new(None);
    lab.run(&["configure session z", "vrf context red", "exit", "ip host cssm 192.0.2.1"]);
    lab.run(&["vrf context red"]);
    // A line that is refused changes nothing, the mode included.
    assert!(lab.run(&["license smart url smart http://x"]).contains("% Invalid URL"));
    assert_eq!(lab.prompt(), "switch(config-s-vrf)# ");
    lab.run(&["ip domain-name in.red.test", "end"]);
    // Two people in one session, each in a mode of their own; one leaves in the middle of a banner.
    let mut other = rumline_switch::Session::new("admin");
    lab.run(&["configure session z", "interface Ethernet1/1"]);
    std::mem::swap(&mut lab.session, &mut other);
    lab.run(&["configure session z", "interface Ethernet1/2"]);
    std::mem::swap(&mut lab.session, &mut other);
    lab.run(&["description of one"]);
    std::mem::swap(&mut lab.session, &mut other);
    lab.run(&["description of two", "banner motd #", "swallowed"]);
    std::mem::swap(&mut lab.session, &mut other);
    lab.run(&["feature bgp"]);
    assert_eq!(lab.run(&["verify", "commit"]), "Verification Successful\nCommit Successful\n");
    let text = shown(&mut lab, "show running-config");
    for part in [
        "\nip host cssm 192.0.2.1\n",
        "vrf context red\n  ip domain-name in.red.test\n",
        "interface Ethernet1/1\n  description of one\n",
        "interface Ethernet1/2\n  description of two\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("banner"), "{text}");
    assert_eq!(lab.packages(), [LAN]);
    // Whoever was still inside is let out, and told.
    lab.session = other;
    let told = lab.run(&["#"]);
    assert_eq!(told, "% The configuration session was committed or aborted meanwhile\n");
    assert_eq!(lab.prompt(), "switch# ");
}

#[test]
fn a_file_that_is_no_configuration_replaces_none() {
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp", "hostname kept"]);
    let text = shown(&mut lab, "show running-config");
    for file in [
        "",
        "\n\n! nothing\n",
        "Dear all,\nplease find attached\n",
        "hostname a_b!c\n",
        "license smart usage interval 999\n",
        "clock timezone WAYTOOLONGNAME 99 88\n",
        "feature nonsense\n",
    ] {
        lab.flash.files.insert("f".to_owned(), file.as_bytes().to_vec());
        for command in ["configure replace bootflash:f", "rollback running-config file bootflash:f"]
        {
            let told = lab.run(&[command]);
            assert!(told.starts_with("% "), "{file:?}: {told}");
            assert_eq!(shown(&mut lab, "show running-config"), text, "{file:?}");
        }
    }
}

#[test]
fn a_line_that_is_only_begun_changes_nothing() {
    let set = [
        "clock timezone CET 1 0",
        "clock summer-time CEST 5 Sun Mar 02:00 5 Sun Oct 03:00 60",
        "ip domain-name a.test",
        "ip host x 192.0.2.1",
        "ip name-server 192.0.2.53",
    ];
    let mut lab = Lab::new(None);
    lab.configure(&set);
    let before = lab.switch.running().render();
    lab.run(&["configure terminal"]);
    for line in [
        "clock timezone CET 1",
        "clock summer-time CEST",
        "clock summer-time NZDT 5 Sun Sep",
        "clock summer-time CEST recurring",
        "ip domain-name b.test c.test",
        "ip host",
        "ip host foo",
        "ip name-server",
        "ntp server",
        "ip domain name",
        "banner motd",
    ] {
        let told = lab.run(&[line]);
        assert!(told.contains("% In"), "{line}: {told}");
        assert_eq!(lab.switch.running().render(), before, "{line}");
    }
}

#[test]
fn long_lines_of_a_file_are_refused_and_saved_times_are_told() {
    let mut lab = Lab::new(None);
    lab.flash.files.insert(
        "l".to_owned(),
        format!("ip route {}\nvlan 7\n", "9".repeat(1_000_000)).into_bytes(),
    );
    let told = lab.run(&["copy bootflash:l running-config"]);
    assert!(
        told.contains("1 line was not understood")
            && told.ends_with("% Line too long\n")
            && told.len() < 500,
        "{told}"
    );
    assert!(lab.switch.running().render().ends_with("vlan 7\n"));
    assert!(
        lab.run(&["copy running-config startup-config", "show startup-config"])
            .contains("saved at: Mon Mar  4 09:00:00 2024\n")
    );
}

#[test]
fn marks_are_below_what_is_wrong_whatever_the_letters() {
    let mut lab = Lab::new(None);
    let told = lab.run(&["dir \u{e4}\u{f6}\u{fc} bogus"]);
    assert_eq!(
        told,
        format!("{}^\n% Invalid command at '^' marker.\n", " ".repeat("switch# dir aou ".len()))
    );
    assert_eq!(lab.run(&["explain license"]), "% Incomplete command\n");
    assert_eq!(
        lab.run(&["explain license smart usage interval 400"]),
        "% Invalid number, range is (1:365)\n"
    );
    assert!(lab.run(&["explain vlan 10"]).contains("Kept as NX-OS has it"));
    lab.run(&["configure terminal", "callhome"]);
    assert!(lab.run(&["explain enable"]).contains("Mode: config-callhome"));
    let help = lab.switch.help(&lab.session, "show clock | gr");
    assert_eq!(help, [("grep".to_owned(), "Print lines that match".to_owned())]);
}
