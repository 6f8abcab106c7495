#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Every show command in three forms, byte for byte: text, JSON and XML, or its refusal (PI-SHOW-035, PI-RUM-033, G-25).
//! One that is missing is written, and the test fails once: what is new is to be read.

mod common;

use std::collections::BTreeSet;

use common::*;
use rumline_protocol::Timestamp;

/// Show commands with values in the place of their kinds.
const CALLS: &[(&str, &str)] = &[
    (
        "show callhome destination-profile profile WORD",
        "show callhome destination-profile profile xml",
    ),
    ("show checkpoint WORD", "show checkpoint one"),
    ("show cli alias name WORD", "show cli alias name wr"),
    ("show configuration session WORD", "show configuration session s"),
    ("show running-config LINE", "show running-config bgp"),
    ("show startup-config LINE", "show startup-config interface Ethernet1/1"),
    ("show ip access-lists WORD", "show ip access-lists TAP"),
    ("show file WORD", "show file bootflash:note.txt"),
    ("show diff rollback-patch LINE", "show diff rollback-patch startup-config running-config"),
    ("show file WORD md5sum", "show file bootflash:note.txt md5sum"),
    ("show file WORD sha256sum", "show file bootflash:note.txt sha256sum"),
    ("show license forecast days <1-3650>", "show license forecast days 70"),
    ("show license forecast days <1-3650> outage", "show license forecast days 70 outage"),
    (
        "show license forecast days <1-3650> policy WORD",
        "show license forecast days 30 policy bootflash:weekly.json",
    ),
    (
        "show license forecast days <1-3650> policy WORD outage",
        "show license forecast days 30 policy bootflash:weekly.json outage",
    ),
    ("show license forecast policy WORD", "show license forecast policy bootflash:weekly.json"),
    ("show license rum id <0-9223372036854775807>", "show license rum id ID"),
    ("show license rum id <0-9223372036854775807> detail", "show license rum id ID detail"),
    ("show interface LINE", "show interface Ethernet1/1"),
    ("show vlan name LINE", "show vlan name default"),
    ("show vrf WORD", "show vrf red"),
    ("show vrf WORD detail", "show vrf red detail"),
    ("show ip route vrf WORD", "show ip route vrf all"),
    ("show vlan id LINE", "show vlan id 1"),
    ("show incompatibility-all nxos WORD", "show incompatibility-all nxos bootflash:new.bin"),
    ("show install all impact nxos WORD", "show install all impact nxos bootflash:new.bin"),
    ("show ip interface brief vrf WORD", "show ip interface brief vrf all"),
    ("show logging last <1-9999>", "show logging last 1"),
];

/// Those that have no data (PI-SHOW-035), as they are also called.
const TEXT_ONLY: &[&str] = &[
    "show license data conversion",
    "show license eventlog",
    "show license history message",
    "show license rum id all",
    "show license rum id all detail",
    "show license tech support",
    "show tech-support license",
];

/// A switch with something of everything.
fn lab() -> Lab {
    let mut lab = Lab::new(Some(
        "hostname leaf\nfeature bgp\nfeature tap-aggregation\nclock timezone CET 1 0\ncli alias name wr copy \
         running-config startup-config\nbanner motd #\nHands off\n#\nbanner exec ^Hello^\nip domain-name example.net\n\
         username eve role network-operator\n\
         license smart usage interval 40\ncallhome\n  email-contact ops@example.net\nip access-list TAP\n  10 permit ip \
         any any redirect Ethernet1/5\n  20 remark the rest\nvlan 10\n  name ten\ninterface Ethernet1/1\n  description up\n  \
         mtu 9216\n  no shutdown\ninterface Ethernet1/2\n  switchport mode trunk\n  switchport trunk native vlan \
         10\n  switchport trunk allowed vlan 1,10\n  channel-group 7 mode active\ninterface breakout module 1 port 54 map \
         25g-4x\ninterface Vlan10\n  no shutdown\n  \
         ip address 10.0.10.1/24\ninterface mgmt0\n  ip address 192.0.2.5/24\nvrf context red\n\
         logging server 192.0.2.95 4 use-vrf red\nlogging origin-id hostname\nntp server 192.0.2.93 prefer use-vrf red\nrouter bgp 65000\n  router-id 192.0.2.1\n",
    ));
    let weekly = br#"{"policy_name":"Weekly","unenforced":{"first_report_days":7,"ongoing_report_days":7,"on_change_report_days":7}}"#;
    lab.flash.files.insert("weekly.json".to_owned(), weekly.to_vec());
    lab.flash.files.insert("note.txt".to_owned(), b"one & <two>\n\"three\"\n".to_vec());
    let image = image("10.2(4)M", PID).signed(maker().as_ref());
    lab.flash.files.insert("new.bin".to_owned(), image.into_bytes());
    lab.run(&["copy running-config startup-config", "checkpoint one"]);
    lab.run(&["configure session s", "vlan 20", "end"]);
    lab.configure(&["no vlan 10"]);
    lab.now = lab.now + 3 * Timestamp::HOUR;
    lab.run(&["license smart save usage all bootflash:all.txt"]);
    lab.session = rumline_switch::Session::for_program("admin");
    lab.switch.note_process(rumline_switch::Process {
        flash_free_bytes: 51_000_000_000,
        pid: 4711,
        invocations: 400,
        data_kib: 9_000,
        stack_base: 0x7ffc_0000,
        user_millis: 1_500,
        kernel_millis: 500,
        up_millis: 100_000,
        resident_kib: 12_345,
        memory_total_kib: 2_000_000,
        memory_free_kib: 1_200_000,
        memory_buffers_kib: 100,
        memory_cached_kib: 200,
        vmalloc_total_kib: 400,
        vmalloc_free_kib: 300,
        load_hundredths: [25, 31, 128],
    });
    lab
}

fn show_commands() -> BTreeSet<String> {
    let reference = rumline_switch::command_reference();
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `show "));
    rows.map(|row| format!("show {}", row.split('`').next().unwrap().replace("\\|", "|"))).collect()
}

/// The number of the first report.
fn first_report(lab: &mut Lab) -> String {
    let all = lab.run(&["show license rum id all"]);
    let row = all.lines().nth(3).unwrap_or_else(|| panic!("no report in {all}"));
    lab.session = rumline_switch::Session::for_program("admin");
    row.split_whitespace().next().unwrap().to_owned()
}

fn call_of(command: &str) -> String {
    let known = CALLS.iter().find(|(path, _)| *path == command);
    let call = known.map_or(command, |(_, call)| call);
    let has_kind = |word: &str| word.starts_with('<') || word == "WORD" || word == "LINE";
    assert!(!call.split(' ').any(has_kind), "{command}: give its values in CALLS");
    call.to_owned()
}

#[test]
fn every_show_command_is_text_json_and_xml_or_says_that_it_is_not() {
    let mut written = Vec::new();
    let directory = local("tests/golden/show");
    let mut wanted = BTreeSet::new();
    for command in show_commands() {
        if command.starts_with("show license brief") || command.starts_with("show license file") {
            let told = lab().run(&[&command.replace("WORD", "x.lic")]);
            assert!(told.starts_with("% Not supported in Smart Licensing Using Policy"), "{told}");
            continue;
        }
        let call = call_of(&command);
        let name: String = call
            .trim_start_matches("show ")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
            .collect();
        for (form, pipe) in [("txt", ""), ("json", " | json-pretty"), ("xml", " | xml")] {
            let mut lab = lab();
            let call = call.replace("ID", &first_report(&mut lab));
            let shown = lab.run(&[&format!("{call}{pipe}")]);
            let refused = shown == "% This command has no JSON or XML output\n";
            assert_eq!(
                refused,
                form != "txt" && TEXT_ONLY.contains(&command.as_str()),
                "{call}{pipe}: {shown}"
            );
            if refused {
                continue;
            }
            if form == "json" {
                let pretty: serde_json::Value = serde_json::from_str(&shown).unwrap();
                let line = lab.run(&[&format!("{call} | json")]);
                assert_eq!(line.matches('\n').count(), 1, "{line}");
                let of_line: serde_json::Value = serde_json::from_str(&line).unwrap();
                // The history tells of both.
                assert!(of_line == pretty || command == "show history", "{call}");
                assert_ne!(pretty, serde_json::json!({}), "{call}: empty");
            }
            let file = format!("{name}.{form}");
            let path = directory.join(&file);
            if !path.exists() {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(&path, &shown).unwrap();
                written.push(file.clone());
            }
            assert_eq!(shown, read(&path), "{file}");
            wanted.insert(file);
        }
    }
    assert_eq!(written, Vec::<String>::new(), "written now: read them");
    let there: BTreeSet<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, wanted, "goldens of commands that are gone");
}

#[test]
fn what_stands_behind_a_command_is_understood_before_anything_is_done() {
    // L12
    let mut lab = lab();
    let before = lab.switch.running().render();
    for line in [
        "show clock | nonsense",
        "show clock | sed s/a/b/",
        "show clock > a b",
        "show clock | grep -Q x",
    ] {
        let told = lab.run(&[line]);
        assert!(told.contains("% "), "{line}: {told}");
    }
    for line in [
        "copy running-config startup-config | count",
        "checkpoint x | no-more",
        "license smart sync > f",
    ] {
        assert!(lab.run(&[line]).contains("% Invalid command at '^' marker."), "{line}");
    }
    assert!(!lab.run(&["show checkpoint"]).contains("Name: x"));
    assert_eq!(lab.switch.running().render(), before);
    assert!(lab.sent.is_empty());
}

#[test]
fn output_goes_to_a_file_and_is_added_to_it() {
    let mut lab = lab();
    assert_eq!(
        lab.run(&["show hostname > bootflash:out.txt", "show hostname | json >> out.txt"]),
        ""
    );
    assert_eq!(lab.run(&["show file bootflash:out.txt"]), "leaf\n{\"hostname\": \"leaf\"}\n");
    assert_eq!(
        lab.run(&["show hostname > /etc/passwd"]),
        "% Invalid file name, use bootflash:NAME\n"
    );
    lab.run(&["configure terminal", "username ops password Nexus9Lab", "end"]);
    lab.session = rumline_switch::Session::new("ops");
    assert_eq!(lab.run(&["show hostname > bootflash:o.txt"]), "% Permission denied for the role\n");
    assert_eq!(lab.run(&["show hostname | json"]), "{\"hostname\": \"leaf\"}\n");
}

#[test]
fn a_difference_is_to_the_same_command_before() {
    let mut lab = lab();
    lab.run(&["show feature | diff"]);
    assert_eq!(lab.run(&["show feature | diff"]), "");
    lab.configure(&["feature lacp"]);
    let told = lab.run(&["show feature | diff"]);
    assert_eq!(
        told,
        "< lacp                 1          disabled\n> lacp                 1          enabled\n"
    );
}

#[test]
fn those_who_are_logged_in_see_each_other() {
    let mut lab = Lab::new(None);
    let now = lab.now;
    let session = |login: &str, line: &str| {
        let mut session = rumline_switch::Session::for_program(login);
        session.line = line.to_owned();
        session
    };
    let (mut eve, mut bob) = (session("eve", "pts/1"), session("bob", "pts/2"));
    lab.switch.session_began(now, &mut eve);
    lab.switch.session_began(now, &mut bob);
    lab.now = now + 3_700;
    lab.session = bob;
    let shown = lab.run(&["show users"]);
    assert!(shown.contains("eve      pts/1 ") && shown.contains(" 01:01 "), "{shown}");
    assert!(shown.contains("bob      pts/2 ") && shown.ends_with(" *\n"), "{shown}");
    assert!(lab.run(&["show users | json"]).contains("\"idle\": \"01:01\""));
    lab.session.login = "admin".to_owned();
    assert_eq!(lab.run(&["clear line pts/9"]), "% There is no session on pts/9\n");
    let outcome = lab.execute("clear line pts/1");
    assert_eq!(outcome.effects, [rumline_switch::Effect::EndSession("pts/1".to_owned())]);
    lab.switch.session_ended(now, &mut eve);
    assert!(!lab.run(&["show users"]).contains("eve"));
}

#[test]
fn what_a_session_may_and_how_long_the_switch_is_up_follow_from_their_causes() {
    let mut lab = lab();
    assert!(
        lab.run(&["show system uptime"])
            .contains("System uptime:              0 days, 3 hours, 0 minutes, 0 seconds")
    );
    lab.now = lab.now + 60;
    assert!(lab.run(&["show system uptime | json"]).contains("\"sys_up_mins\": 1"));
    assert_eq!(lab.run(&["show banner motd"]), "Hands off\n");
    lab.configure(&["no banner motd"]);
    assert_eq!(lab.run(&["show banner motd"]), "");
    assert!(lab.run(&["show privilege"]).ends_with("level: 15\n"));
    lab.session = rumline_switch::Session::new("eve");
    assert!(lab.run(&["show privilege"]).ends_with("level: 1\n"));
}

/// Where names of data come from: the beginning of the commands, names, and who reads them so. All others are ours.
const SOURCES: &[(&str, &[&str], &str)] = &[
    ("show hostname", &["hostname"], "napalm, get_facts"),
    ("show inventory", &["name", "productid", "serialnum"], "napalm, get_facts"),
    (
        "show version",
        &[
            "chassis_id",
            "host_name",
            "kickstart_ver_str",
            "kern_uptm_days",
            "kern_uptm_hrs",
            "kern_uptm_mins",
            "kern_uptm_secs",
        ],
        "napalm, get_facts",
    ),
    ("show interface", &["interface"], "napalm, get_facts"),
    (
        "show feature",
        &["cfcFeatureCtrlName2", "cfcFeatureCtrlInstanceNum2", "cfcFeatureCtrlOpStatus2"],
        "clients of NX-API",
    ),
    (
        "show license usage",
        &["smart_feature_name", "smart_count", "smart_version", "smart_status"],
        "a public report template (one source)",
    ),
];

/// Paths of names in data.
fn names_in(value: &serde_json::Value, path: &str, names: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let is_wrapped =
                    name.starts_with("TABLE_") || name.starts_with("ROW_") || value.is_object();
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if !is_wrapped {
                    names.insert(path.clone());
                }
                names_in(value, &path, names);
            }
        }
        serde_json::Value::Array(rows) => rows.iter().for_each(|row| names_in(row, path, names)),
        _ => {}
    }
}

#[test]
fn the_names_of_data_are_told_with_their_sources() {
    let mut text = String::from(
        "# Names of data\n\nMade by the test `output` of `crates/switch` from what show commands answer with `| json`. `source` says who \
         is known to read a name so; `ours` is a name in the manner of NX-OS that no public source confirmed. A table `x` is \
         `TABLE_x` with `ROW_x`: a list, or an object where there is one row; a table without rows is left out. `| xml` has the \
         same names. `show tech-support license`, `show license eventlog`, `show license history message`, `show license rum id \
         all` and `show license data conversion` have text only (PI-SHOW-035).\n\n| Command | Name | Source |\n|---|---|---|\n",
    );
    for command in show_commands() {
        if TEXT_ONLY.contains(&command.as_str())
            || command.contains("license brief")
            || command.contains("license file")
        {
            continue;
        }
        let mut lab = lab();
        let call = call_of(&command).replace("ID", &first_report(&mut lab));
        let data = serde_json::from_str(&lab.run(&[&format!("{call} | json")])).unwrap();
        let mut names = BTreeSet::new();
        names_in(&data, "", &mut names);
        for path in names {
            let name = path.rsplit('.').next().unwrap();
            let known = SOURCES
                .iter()
                .find(|(head, names, _)| command.starts_with(head) && names.contains(&name));
            let source = known.map_or("ours", |(_, _, source)| source);
            text.push_str(&format!(
                "| `{}` | `{path}` | {source} |\n",
                command.replace('|', "\\|")
            ));
        }
    }
    let path = local("../../docs/nxapi.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != text {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(kept == text, "docs/nxapi.md was of before and is written now: read it");
}

#[test]
fn what_is_told_of_the_process_is_what_the_machine_tells() {
    let mut lab = lab();
    let told = lab.run(&["show system resources"]);
    for part in [
        "1 minute: 0.25   5 minutes: 0.31   15 minutes: 1.28",
        "CPU states  :   1.50% user,   0.50% kernel,   98.00% idle",
        "2000000K total,   800000K used,   1200000K free",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    lab.switch.note_process(rumline_switch::Process {
        resident_kib: 99,
        pid: 7,
        ..Default::default()
    });
    assert!(
        lab.run(&["show processes memory"])
            .contains("    7         0           0      101376  0/0 ")
    );
    assert!(
        lab.run(&["show processes cpu"]).contains("0.00% user,    0.00% kernel,   100.00% idle")
    );
    assert!(lab.run(&["show users"]).contains("         7 *\n"));
}
