//! What configuring the switch means for its licences, and how their use is told: over files, and not at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::{Lab, PID, RELEASE, SERIAL, at, boot, reports_of};
use rumline_agent::{Input, Reason, Transport};
use rumline_protocol::{ClassPolicy, Document, RequestBody, Timestamp};
use rumline_switch::NoPath;

const LAN: &str = "LAN_ENTERPRISE_SERVICES_PKG";

/// A value of `show license status`.
fn field(lab: &mut Lab, name: &str) -> String {
    let status = lab.run(&["show license status"]);
    let head = format!("{name}: ");
    let line = status.lines().find_map(|line| line.trim().strip_prefix(&head).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn saved(lab: &mut Lab) -> Document {
    // G-10
    let told = lab.run(&["license smart save usage all bootflash:all_rum.txt"]);
    assert_eq!(told, "Saved license usage to bootflash:all_rum.txt\n");
    Document::parse(&lab.flash.files["all_rum.txt"]).unwrap()
}

#[test]
fn a_feature_uses_a_licence_at_once() {
    // PI-LIC-001, 002, 003: disconnected, new, nothing registered
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off"]);
    lab.now = lab.now + 1234;
    let enabled = lab.now;
    lab.configure(&["feature bgp"]);
    let usage = lab.run(&["show license usage"]);
    assert!(usage.contains(&format!("({LAN}):\n")) && usage.contains("Status: IN USE"), "{usage}");
    let summary = lab.run(&["show license summary | include IN.USE"]);
    assert_eq!(summary.lines().count(), 1, "{summary}");
    lab.now = lab.now + 500;
    let report = saved(&mut lab).reports.remove(0).report;
    assert_eq!((report.start_at(), report.end_at()), (enabled, lab.now));
    let all = lab.run(&["show license all", "show license status", "show license summary"]);
    assert!(!all.contains("EVAL") && !all.contains("REGISTERED"), "{all}");
}

#[test]
fn two_features_of_one_package_are_one_use() {
    // PI-LIC-008
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp", "feature ospf", "nv overlay evpn", "feature nv overlay"]);
    assert_eq!(lab.packages(), [LAN]);
    assert_eq!(lab.switch.agent().licenses_in_use()[0].count, 1);
    lab.configure(&["no feature bgp"]);
    assert_eq!(lab.packages(), [LAN]);
    lab.configure(&["feature itd"]);
    assert_eq!(lab.packages().len(), 2);
}

#[test]
fn a_disabled_feature_uses_nothing() {
    // PI-LIC-002, PI-LIC-012
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    lab.now = lab.now + 600;
    lab.configure(&["no feature bgp"]);
    assert_eq!(lab.packages(), Vec::<String>::new());
    assert!(!lab.run(&["show license usage"]).contains("IN USE"));
    assert!(lab.run(&["show feature | include bgp"]).ends_with("disabled\n"));
    lab.now = lab.now + 600;
    let report = saved(&mut lab).reports.remove(0).report;
    assert_eq!((report.count_seconds(), report.last_count()), (600, 0));
}

#[test]
fn taps_need_the_broker_licence_and_plain_lists_do_not() {
    // PI-CLI-033, PI-SHOW-033
    let mut lab = Lab::new(None);
    lab.configure(&["ip access-list plain", "permit ip any any"]);
    assert_eq!(lab.packages(), Vec::<String>::new());
    lab.configure(&["interface Ethernet1/1", "description permit ip any any redirect Ethernet1/2"]);
    assert_eq!(lab.packages(), Vec::<String>::new(), "a description holds any words");
    lab.configure(&["feature tap-aggregation"]);
    assert_eq!(lab.packages(), ["DCN_NDB"]);
    lab.configure(&["no feature tap-aggregation", "ip access-list tap"]);
    assert_eq!(lab.packages(), Vec::<String>::new());
    lab.configure(&["feature tap-aggregation"]);
    lab.configure(&["ip access-list tap", "10 permit ip any any redirect Ethernet1/1"]);
    // What is used is used, whatever is turned off above it.
    lab.configure(&["no feature tap-aggregation"]);
    assert_eq!(lab.packages(), ["DCN_NDB"]);
    lab.configure(&["no ip access-list tap"]);
    assert_eq!(lab.packages(), Vec::<String>::new());
}

#[test]
fn a_new_switch_talks_to_a_cslu() {
    // PI-CLI-006, PI-CLI-009, C-02, PI-RUM-011, PI-RUM-017
    let mut lab = Lab::new(None);
    assert_eq!(lab.switch.agent().config().transport, Transport::Cslu);
    assert_eq!(field(&mut lab, "Type"), "CSLU");
    assert_eq!(field(&mut lab, "Cslu address"), "cslu-local");
    lab.configure(&["feature bgp"]);
    let used = lab.now;
    assert_eq!(field(&mut lab, "Next report push"), "Mar 04 09:00:37 2024 UTC");
    assert_eq!(field(&mut lab, "Next ACK deadline"), "Jun 02 09:00:00 2024 UTC");
    let mut urls = Vec::new();
    lab.pass_until(used + 60, |_, sent| urls.push(sent.url));
    assert_eq!(urls, ["http://cslu-local:8182/cslu/v1/pi"]);
}

#[test]
fn urls_and_names_of_the_configuration_go_into_messages() {
    // PI-CLI-008, PI-CLI-011, G-30, G-31
    for (lines, expected) in [
        (
            ["license smart url http://192.0.2.8:8182/cslu/v1/pi", "hostname leaf-7"],
            ("http://192.0.2.8:8182/cslu/v1/pi", Some("leaf-7")),
        ),
        (
            ["license smart transport smart", "license smart privacy hostname"],
            ("https://smartreceiver.cisco.com/licservice/license", None),
        ),
    ] {
        let mut lab = Lab::new(None);
        lab.install_trust();
        lab.configure(&lines);
        lab.configure(&["feature bgp"]);
        let mut sent = Vec::new();
        lab.pass_until(lab.now + 60, |_, message| sent.push(message));
        assert_eq!(sent.len(), 1);
        let hostname = sent[0].request.hostname.as_deref();
        assert_eq!((sent[0].url.as_str(), hostname), expected);
        assert_eq!(sent[0].request.software_version.as_deref(), Some("10.4(3)"));
        assert_eq!(reports_of(&sent[0].request).len(), 1);
    }
}

#[test]
fn transport_off_sends_nothing_for_a_year() {
    // PI-CLI-007, PI-LIC-011, PI-RUM-021, PI-RUM-027
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    let start = lab.now;
    lab.run(&["license smart sync", "license smart sync all"]);
    lab.run(&["license smart trust idtoken NGMwMjk5 all force"]);
    lab.pass_until(start.plus_days(366), |_, sent| panic!("sent to {}", sent.url));
    lab.run(&["license smart sync", "copy running-config startup-config"]);
    lab.run(&["reload", "y"]);
    lab.pass_until(lab.now.plus_days(2), |_, sent| panic!("sent to {}", sent.url));
    // A token is for CSSM itself; without a way to it, it is refused at once and kept nowhere.
    lab.log.retain(|line| line.contains("%LICMGR-"));
    let refused = lab.log.remove(0);
    assert!(refused.contains("TRUST_CODE_INSTALL_FAILED"), "{refused}");
    let required = |days: u32| {
        format!(
            "%LICMGR-6-LOG_SMART_LIC_REPORTING_REQUIRED: A Usage report acknowledgement will be \
             required in {days} days."
        )
    };
    assert!(lab.log[0].ends_with(&required(30)), "{}", lab.log[0]);
    assert!(lab.log[1].ends_with(&required(0)), "{}", lab.log[1]);
}

#[test]
fn use_goes_on_when_deadlines_lapse() {
    // PI-LIC-011, PI-RUM-027
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    lab.pass_until(lab.now.plus_days(400), |_, _| {});
    assert_eq!(lab.packages(), [LAN]);
    assert!(lab.run(&["show feature | include bgp"]).ends_with("enabled\n"));
    lab.configure(&["feature itd"]);
    assert_eq!(lab.packages().len(), 2);
}

#[test]
fn topology_6_goes_round_through_files() {
    // TOPO-6-001, 002, 003, 004; PI-CLI-007, 021, 022; PI-RUM-003, 004, 008, 022; PI-POL-008
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off"]);
    lab.run(&["copy running-config startup-config"]);
    let nothing = "Failure: save status: The requested item was not found\n";
    let save = "license smart save usage all bootflash:all_rum.txt";
    assert_eq!(lab.run(&[save]), nothing);
    assert_eq!(field(&mut lab, "Last report file write"), "<none>");
    lab.configure(&["feature bgp", "feature itd"]);
    lab.now = lab.now + Timestamp::DAY;
    let document = saved(&mut lab);
    assert_eq!(field(&mut lab, "Last report file write"), "Mar 05 09:00:00 2024 UTC");
    assert_eq!(document.reports.len(), 2);
    for signed in &document.reports {
        let report = &signed.report;
        assert_eq!(report.count_seconds(), Timestamp::DAY);
        assert_eq!((report.udi.pid.as_str(), report.udi.serial.as_str()), (PID, SERIAL));
    }
    let states = lab.run(&["show license rum id all | include UNACK"]);
    assert_eq!(states.lines().count(), 2, "{states}");
    // What CSSM makes of the file comes back an hour later.
    lab.now = lab.now + Timestamp::HOUR;
    let ack = lab.ack_document(&document.reports);
    assert_eq!(lab.import(&ack), "Import Data Successful\n  RUM ACK\n");
    assert_eq!(field(&mut lab, "Last ACK received"), "Mar 05 10:00:00 2024 UTC");
    assert_eq!(field(&mut lab, "Next ACK deadline"), "Mar 05 10:00:00 2025 UTC");
    let states = lab.run(&["show license rum id all | include ACK"]);
    assert_eq!(states.lines().filter(|line| line.contains(" ACK ")).count(), 2, "{states}");
    let policy = lab.policy_document(|policy| {
        policy.policy_name = "Quarterly".to_owned();
        policy.unenforced = ClassPolicy {
            first_report_days: 60,
            ongoing_report_days: 20,
            on_change_report_days: 10,
        };
    });
    assert_eq!(lab.import(&policy), "Import Data Successful\n  POLICY\n");
    let installed = "%LICMGR-6-LOG_SMART_LIC_POLICY_INSTALL_SUCCESS: A new licensing policy was \
                     successfully installed.";
    assert!(lab.log.last().unwrap().ends_with(installed), "{:?}", lab.log);
    assert_eq!(field(&mut lab, "Ongoing reporting frequency (days)"), "20 (Installed)");
    assert_eq!(field(&mut lab, "Reporting push interval"), "20 days");
    let history = lab.run(&["show license history message"]);
    assert!(
        history.contains("Import RUM ACK:\n  Mar 05 10:00:00 2024 UTC: Status: OK\n"),
        "{history}"
    );
    assert!(lab.sent.is_empty());
}

#[test]
fn an_import_names_the_kinds_of_what_it_installed() {
    // PI-CLI-022, G-10
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    lab.now = lab.now + 60;
    let document = saved(&mut lab);
    for (text, kind) in [
        (lab.ack_document(&document.reports), "RUM ACK"),
        (lab.policy_document(|_| {}), "POLICY"),
        (lab.trust_document(), "TRUST CODE"),
    ] {
        assert_eq!(lab.import(&text), format!("Import Data Successful\n  {kind}\n"));
        let history = lab.run(&["show license history message"]);
        assert!(history.contains(&format!("Import {kind}:\n  Mar 04 ")), "{history}");
    }
    let of_licensing = lab.log.iter().filter(|line| line.contains("%LICMGR-"));
    let names: Vec<&str> =
        of_licensing.map(|line| line.split(&['%', ':'][..]).nth(3).unwrap()).collect();
    let expected = ["FILE", "POLICY", "TRUST_CODE"];
    let expected = expected.map(|kind| format!("LICMGR-6-LOG_SMART_LIC_{kind}_INSTALL_SUCCESS"));
    assert_eq!(names, expected);
    assert!(
        lab.log
            .iter()
            .any(|line| line.ends_with(": A RUM ACK was successfully installed from a file."))
    );
}

#[test]
fn a_file_saved_once_may_be_saved_again_until_it_is_acknowledged() {
    // PI-CLI-021, PI-RUM-005
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    lab.now = lab.now + 60;
    let first = saved(&mut lab);
    lab.now = lab.now + 60;
    let second = saved(&mut lab);
    assert_eq!(second.reports.len(), 2);
    assert_eq!(second.reports[0].payload, first.reports[0].payload);
    let ack = lab.ack_document(&second.reports);
    lab.import(&ack);
    lab.now = lab.now + 60;
    let line = "license smart save usage unreported bootflash:new.txt";
    assert_eq!(lab.run(&[line]), "Saved license usage to bootflash:new.txt\n");
    let third = Document::parse(&lab.flash.files["new.txt"]).unwrap();
    assert_eq!(third.reports.len(), 1);
    let id = second.reports[0].report.report_id;
    let told = lab.run(&[&format!("license smart save usage rum-id {id} bootflash:one.txt")]);
    assert_eq!(told, "Saved license usage to bootflash:one.txt\n");
    let one = Document::parse(&lab.flash.files["one.txt"]).unwrap();
    assert_eq!(one.reports[0].report.report_id, id);
}

#[test]
fn system_messages_are_in_the_log_with_time_and_host() {
    // PI-MSG-001, 002, 018; PI-TRUST-009
    let mut lab = Lab::new(None);
    lab.configure(&["hostname leaf-7", "clock timezone CET 1 0"]);
    lab.now = at("Mar 05 10:20:30 2024");
    lab.install_trust();
    let expected = format!(
        "2024 Mar  5 11:20:30 leaf-7 %LICMGR-6-LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS: A new \
         licensing trust code was successfully installed on PID:{PID},SN:{SERIAL}."
    );
    let configured = "2024 Mar  4 10:00:00 leaf-7 %VSHD-5-VSHD_SYSLOG_CONFIG_I: Configured from vty by admin on console0";
    let log = format!("{configured}\n{expected}\n");
    assert!(lab.run(&["show logging"]).ends_with(&format!("Size - 4194304\n\n{log}")));
    assert_eq!(lab.run(&["show logging logfile"]), log);
    assert_eq!(lab.log, [configured, &expected]);
    lab.now = at("Mar 15 10:20:30 2024");
    lab.install_policy(|_| {});
    let last = lab.run(&["show logging last 1"]);
    assert!(last.starts_with("2024 Mar 15 11:20:30 leaf-7 %LICMGR-6-"), "{last}");
    assert_eq!(lab.run(&["show logging logfile | count"]), "3\n");
}

#[test]
fn each_failed_attempt_and_the_recovery_are_logged() {
    // PI-MSG-008, 009, 010; PI-RUM-018
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp"]);
    let end = lab.now + 600;
    let mut attempts = 0;
    lab.pass_until(end, |lab, sent| {
        attempts += 1;
        let reason = Reason::Status(404);
        lab.input(Input::Unreachable { request_id: sent.id, reason });
    });
    let failed = "Communications failure with the Cisco Smart License utility (CSLU) : 404 host not \
                  found";
    assert!(attempts > 1);
    assert_eq!(lab.log.iter().filter(|line| line.ends_with(failed)).count(), attempts);
    lab.report_and_acknowledge(1, 60);
    let restored = "%LICMGR-3-LOG_SMART_LIC_COMM_RESTORED: Communications with the Cisco Smart \
                    License utility (CSLU) restored.";
    assert!(lab.log.last().unwrap().ends_with(restored), "{:?}", lab.log);
}

#[test]
fn power_loss_keeps_use() {
    // PI-RUM-005, PI-LIC-002
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off", "feature bgp"]);
    let since = lab.now;
    lab.run(&["copy running-config startup-config"]);
    for _ in 0..3 {
        lab.now = lab.now + 1000;
        lab.boot_again("power loss");
        assert_eq!(lab.packages(), [LAN]);
        assert_eq!(lab.switch.agent().licenses_in_use()[0].since, since);
    }
    let report = saved(&mut lab).reports.remove(0).report;
    assert_eq!(report.count_seconds(), 3000);
}

#[test]
fn use_that_was_not_saved_ends_with_the_power() {
    // PI-CLI-004, PI-RUM-005
    let mut lab = Lab::new(None);
    lab.configure(&["license smart transport off"]);
    lab.run(&["copy running-config startup-config"]);
    lab.configure(&["feature bgp"]);
    lab.now = lab.now + 1000;
    lab.boot_again("power loss");
    assert_eq!(lab.packages(), Vec::<String>::new());
    lab.now = lab.now + 1000;
    let report = saved(&mut lab).reports.remove(0).report;
    assert_eq!((report.count_seconds(), report.last_count()), (1000, 0));
}

#[test]
fn a_store_in_another_switch_is_refused_and_gives_no_trust() {
    // PI-TRUST-001, PI-LIC-014, T11
    let mut lab = Lab::new(None);
    lab.install_trust();
    assert!(lab.switch.agent().has_trust());
    lab.hardware.serial = "RML26170099".to_owned();
    let text = lab.boot_refused();
    assert!(text.contains(SERIAL) && text.contains("RML26170099"), "{text}");
    lab.store.files.clear();
    lab.boot_again("emptied");
    assert!(!lab.switch.agent().has_trust());
    assert_eq!(field(&mut lab, "Trust Code installed"), "<none>");
}

#[test]
fn an_interval_shortens_what_the_policy_asks_for() {
    // PI-CLI-015, PI-CLI-016, C-08
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp"]);
    lab.report_and_acknowledge(1, 60);
    for (line, expected) in [
        ("license smart usage interval 40", "40 days"),
        ("license smart usage interval 7", "7 days"),
        ("no license smart usage interval 7", "30 days"),
    ] {
        lab.configure(&[line]);
        assert_eq!(field(&mut lab, "Reporting push interval"), expected, "{line}");
    }
    lab.configure(&["license smart usage interval 100"]);
    lab.install_policy(|policy| policy.unenforced.ongoing_report_days = 90);
    assert_eq!(field(&mut lab, "Reporting push interval"), "90 days");
    lab.now = lab.now + 1;
    lab.configure(&["no license smart usage interval 100"]);
    lab.install_policy(|policy| {
        policy.unenforced = ClassPolicy::NONE;
        policy.reporting_ack_required = false;
    });
    let end = lab.now.plus_days(800);
    lab.pass_until(end, |_, sent| panic!("sent to {}", sent.url));
}

#[test]
fn a_sync_sends_what_there_is_at_once() {
    // PI-CLI-020, C-21
    for line in ["license smart sync", "license smart sync all", "license smart sync local"] {
        let mut lab = Lab::new(None);
        lab.configure(&["feature bgp"]);
        lab.report_and_acknowledge(1, 60);
        lab.now = lab.now + Timestamp::DAY;
        let told = lab.run(&[line]);
        assert_eq!(told, "Synchronization with the licensing server was started\n", "{line}");
        let sent = lab.sent.remove(0);
        assert!(matches!(sent.request.body, RequestBody::UsageReport { .. }), "{line}");
        let reports = reports_of(&sent.request);
        assert_eq!(reports.last().unwrap().report.end_at(), lab.now, "{line}");
    }
}

#[test]
fn callhome_without_a_profile_uses_the_usual_address() {
    // PI-NET-029, PI-NET-030, C-22
    let mut lab = Lab::new(None);
    lab.configure(&["callhome", "enable"]);
    lab.configure(&["license smart transport callhome"]);
    lab.install_trust();
    lab.configure(&["feature bgp"]);
    let wake = lab.switch.next_wake().unwrap().0;
    lab.now = wake;
    lab.input(Input::Tick);
    let next = lab.switch.next_wake().map(|(at, _)| at);
    assert!(next.is_none_or(|at| at > lab.now), "the switch asks to be woken without end");
    let urls: Vec<&str> = lab.sent.iter().map(|sent| sent.url.as_str()).collect();
    assert_eq!(urls, ["https://tools.cisco.com/its/service/oddce/services/DDCEService"]);
}

#[test]
fn unknown_hardware_does_not_come_up() {
    // PI-LIC-010, C-48
    let now = at("Mar 04 09:00:00 2024");
    for (pid, release, told) in [
        ("WS-C3750", RELEASE, "there is no product id WS-C3750"),
        (PID, "9.9(1)", "there is no release 9.9(1)"),
        ("N9K-C9804", "10.2(1)F", "N9K-C9804 needs release 10.4(1)F or later"),
    ] {
        let error = boot(now, pid, SERIAL, release, None).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with(told)), "{pid} {release}");
    }
}

#[test]
fn the_history_tells_of_each_message_and_of_its_answer() {
    // PI-SHOW-025
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp"]);
    lab.report_and_acknowledge(1, 60);
    let history = lab.run(&["show license history message"]);
    let usage = history
        .split("Usage Reporting:\n")
        .nth(1)
        .unwrap()
        .split("Result Polling:")
        .next()
        .unwrap();
    let lines: Vec<&str> = usage.lines().collect();
    let peer = "the Cisco Smart License utility (CSLU)";
    assert!(lines[0].ends_with(&format!(": Request: to {peer}")), "{usage}");
    assert!(lines[1].contains(": Response: Status: "), "{usage}");
    let times: Vec<&str> =
        lines[..2].iter().map(|line| line.trim().split(": ").next().unwrap()).collect();
    assert!(times[0] <= times[1] && times[0].starts_with("Mar "), "{usage}");
}

#[test]
fn what_has_no_way_out_does_not_leave_and_the_log_says_why() {
    // PI-NET-003 to 005, PI-NET-029, PI-CLI-013, PI-CLI-017; G-28
    let told = |lines: &[&str], reason: &str| {
        let mut lab = Lab::new(None);
        lab.configure(lines);
        lab.configure(&["feature bgp"]);
        let end = lab.now + 600;
        lab.pass_until(end, |_, sent| panic!("{} left", sent.url));
        let found = lab.log.iter().find(|line| line.contains("COMM_FAILED"));
        assert!(found.is_some_and(|line| line.contains(reason)), "{lines:?}: {found:?}");
    };
    told(&["license smart vrf blue"], "VRF blue does not exist");
    let blue = ["vrf context blue", "shutdown", "exit", "license smart vrf blue"];
    told(&blue, "VRF blue is shut down");
    let port = ["interface Ethernet1/22", "no switchport", "ip address 192.0.2.1/24", "exit"];
    let source = "license smart source-interface Ethernet1/22";
    told(&[&port[..], &[source]].concat(), "Source interface Ethernet1/22 is down");
    let loopback = ["interface loopback3", "ip address 192.0.2.3/32", "exit"];
    let from = "license smart source-interface loopback3";
    let elsewhere = "Source interface loopback3 is in VRF default, not in VRF management";
    told(&[&loopback[..], &[from]].concat(), elsewhere);
    let mut lab = Lab::new(None);
    assert_eq!(lab.switch.licensing_path(Transport::Callhome), Err(NoPath::CallhomeOff));
    lab.configure(&["license smart transport smart", "license smart proxy address 192.0.2.9"]);
    assert_eq!(lab.switch.licensing_path(Transport::Smart), Err(NoPath::ProxyWithoutPort));
}
