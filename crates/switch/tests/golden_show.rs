//! What the show commands print, compared with files: the project's own, and the samples of the guide where those lie
//! beside the project.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::{Lab, PID, RELEASE, SERIAL, at, boot, local, read, shared};
use rumline_agent::{Input, Peer, Reason, SyslogMessage};
use rumline_protocol::{ClassPolicy, Policy, Timestamp};

const LEAF: &str = "version 10.4(3) Bios:version 05.45\nhostname leaf-7\n";

/// The policy of the guide's samples of topologies 1 and 3.
fn sample_policy(policy: &mut Policy) {
    let class = |first_report_days, ongoing_report_days, on_change_report_days| ClassPolicy {
        first_report_days,
        ongoing_report_days,
        on_change_report_days,
    };
    policy.policy_name = "Quarterly".to_owned();
    policy.unenforced = class(90, 365, 120);
    policy.enforced = class(30, 90, 60);
    policy.export = class(30, 30, 30);
}

fn leaf(config: &str) -> Lab {
    let config = format!("{LEAF}{config}");
    boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, RELEASE, Some(&config)).unwrap()
}

/// A switch whose first report was acknowledged.
fn reported() -> Lab {
    let mut lab = leaf("vrf context inband\nlicense smart vrf inband\n");
    lab.now = at("Apr 02 22:15:07 2024");
    lab.install_trust();
    lab.install_policy(sample_policy);
    lab.now = at("Apr 03 08:30:00 2024");
    lab.configure(&["feature bgp"]);
    lab.report_and_acknowledge(2, 420);
    lab
}

fn own(name: &str, actual: &str) {
    let path = local("tests/golden").join(name);
    assert_eq!(actual, read(&path), "{name}");
}

#[test]
fn status_shows_transport_policy_times_and_trust() {
    // PI-SHOW-001 to 005, 009 to 013; PI-POL-005, 006, 007; PI-RUM-012, 016, 022
    own("status_cslu_vrf_installed_policy.txt", &reported().run(&["show license status"]));
}

#[test]
fn status_of_a_new_device_has_no_times() {
    // PI-CLI-006, PI-CLI-009, PI-POL-002, PI-POL-003, PI-SHOW-014
    own("status_new_device.txt", &leaf("").run(&["show license status"]));
}

#[test]
fn status_names_the_smart_receiver_and_the_proxy() {
    // PI-SHOW-006, PI-SHOW-010, PI-CLI-011, PI-CLI-013, PI-CLI-018, G-30
    let mut lab = leaf("");
    lab.configure(&[
        "license smart transport smart",
        "license smart proxy address proxy.example.net",
        "license smart proxy port 3128",
        "license smart vrf inband",
        "license smart custom_id rack-12",
        "license smart privacy all",
        "feature bgp",
    ]);
    own("status_smart_proxy.txt", &lab.run(&["show license status"]));
}

#[test]
fn status_says_that_transport_is_off() {
    // PI-SHOW-008, G-09, C-08
    let mut lab = leaf("");
    lab.configure(&["license smart transport off", "feature bgp"]);
    own("status_transport_off.txt", &lab.run(&["show license status"]));
}

#[test]
fn status_says_no_more_than_callhome() {
    // PI-SHOW-007
    let mut lab = leaf("");
    lab.configure(&["license smart transport callhome"]);
    own("status_callhome.txt", &lab.run(&["show license status"]));
}

#[test]
fn summary_usage_and_udi_keep_their_layout() {
    // PI-SHOW-015 to 019, PI-LIC-006, C-69
    let mut lab = leaf("feature bgp\nfeature itd\nfeature ngmvpn\n");
    own("summary.txt", &lab.run(&["show license summary"]));
    own("usage.txt", &lab.run(&["show license usage"]));
    own("udi.txt", &lab.run(&["show license udi"]));
    let mut new = leaf("");
    own("summary_new_device.txt", &new.run(&["show license summary"]));
    own("usage_new_device.txt", &new.run(&["show license usage"]));
}

#[test]
fn features_are_listed_with_instance_and_state() {
    // PI-SHOW-033
    let mut lab = leaf("feature tap-aggregation\n");
    own("feature_tap.txt", &lab.run(&["show feature | include tap-"]));
}

#[test]
fn reports_are_listed_and_told_in_detail() {
    // PI-SHOW-021, 022, 023; G-09
    let mut lab = reported();
    lab.configure(&["feature itd"]);
    let all = lab.run(&["show license rum id all"]);
    own("rum_id_all.txt", &all);
    assert_eq!(all, lab.run(&["show license rum id 0"]));
    let id = all.lines().nth(3).unwrap().split_whitespace().next().unwrap().to_owned();
    own("rum_id_detail.txt", &lab.run(&[&format!("show license rum id {id} detail")]));
    let detail = lab.run(&["show license rum id all detail"]);
    assert_eq!(detail, lab.run(&["show license rum id 0 detail"]));
    assert_eq!(detail.matches("\nReport Id: ").count(), 3, "{detail}");
}

#[test]
fn history_and_event_log_keep_their_layout() {
    // PI-SHOW-025, 026; G-09
    let mut lab = leaf("");
    own("history_message_empty.txt", &lab.run(&["show license history message"]));
    own("eventlog.txt", &lab.run(&["show license eventlog"]));
    lab.run(&["license smart clear eventlog"]);
    own("eventlog_empty.txt", &lab.run(&["show license eventlog"]));
}

#[test]
fn running_configuration_is_shown_in_parts() {
    // PI-SHOW-029, 031; C-51
    let mut lab = leaf("");
    lab.configure(&[
        "license smart transport cslu",
        "license smart url http://192.0.2.8:8182/cslu/v1/pi",
        "license smart vrf inband",
        "license smart usage interval 40",
        "license smart source-interface e1/22",
        "callhome",
        "email-contact noc@example.net",
        "destination-profile xml index 1 email-addr noc@example.net",
        "transport http use-vrf inband",
        "enable",
    ]);
    lab.now = lab.now + 61;
    own("running_config_license.txt", &lab.run(&["show running-config license"]));
    own("running_config_license_all.txt", &leaf("").run(&["show run license all"]));
    own("running_config_callhome_all.txt", &lab.run(&["show running-config callhome all"]));
}

#[test]
fn access_lists_are_numbered() {
    // PI-SHOW-034
    let mut lab = leaf(
        "ip access-list tap-in\n  permit ip any any redirect Ethernet1/1\n  50 deny udp any any\n  \
         permit ip any any\nip access-list other\n  10 deny ip any any\n",
    );
    own("ip_access_lists.txt", &lab.run(&["show ip access-lists tap-in"]));
}

// The samples of the guide.

/// What a sample prints, without its prompt line; none when the samples are not here.
fn sample(name: &str) -> Option<String> {
    let text = read(&shared("spec/golden")?.join(name));
    let first = text.lines().next().unwrap_or_default();
    if first.contains("# ") && first.contains("sh") {
        return text.split_once('\n').map(|(_, rest)| rest.to_owned());
    }
    Some(text)
}

/// Lines without indentation and blanks, for samples whose layout the guide lost.
fn fields(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// The same, with runs of blanks made one and without rules.
fn words(text: &str) -> Vec<String> {
    let one = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    fields(text).iter().map(one).filter(|line| !line.starts_with("---")).collect()
}

/// A block of the status, from its title to the next blank line.
fn block(status: &str, title: &str) -> Vec<String> {
    let from = status.find(title).unwrap();
    fields(status[from..].split("\n\n").next().unwrap())
}

#[test]
fn guide_status_of_topologies_1_and_3() {
    // PI-SHOW-001, byte-exact
    for name in ["topo1_cslu_vrf_installed_policy", "topo3_cslu_vrf_installed_policy"] {
        let Some(expected) = sample(&format!("show/license_status__{name}.txt")) else { return };
        let config = "vrf context cisco\nlicense smart vrf cisco\n";
        let start = at("Nov 13 22:00:00 2022");
        let (pid, serial) = ("N9K-C93180YC-FX3H", "FDO26170Q6A");
        let mut lab = boot(start, pid, serial, "10.3(2)F", Some(config)).unwrap();
        lab.now = at("Nov 13 22:36:48 2022");
        lab.install_trust();
        lab.install_policy(sample_policy);
        lab.now = at("Nov 15 02:46:19 2022");
        lab.configure(&["feature bgp"]);
        lab.report_and_acknowledge(1, 300);
        assert_eq!(lab.run(&["show license status"]), expected, "{name}");
    }
}

#[test]
fn guide_status_after_evaluation() {
    // PI-SHOW-005, PI-RUM-011, PI-RUM-017
    let Some(expected) = sample("show/license_status__slp_cslu_after_eval_migration.txt") else {
        return;
    };
    let mut lab = after_evaluation();
    assert_eq!(fields(&lab.run(&["show license status"])), fields(&expected));
}

fn after_evaluation() -> Lab {
    let config = "hostname PGBL-FX2-203\nfeature bgp\nfeature itd\nfeature ngmvpn\n";
    let now = at("Aug 18 09:38:37 2021");
    boot(now, "N9K-C93240YC-FX2", "FDO20000203", "10.2(1)F", Some(config)).unwrap()
}

#[test]
fn guide_status_over_callhome() {
    // PI-SHOW-007, PI-RUM-016; the lines of the standby are left out, for there is one supervisor here.
    let Some(expected) = sample("show/license_status__slp_callhome_ha_after_sl_migration.txt")
    else {
        return;
    };
    let config = "license smart transport callhome\ncallhome\n  enable\n";
    let start = at("Jul 16 15:00:00 2021");
    let mut lab = boot(start, "N9K-C9504", "FOX2308PCEN", "10.2(1)F", Some(config)).unwrap();
    lab.now = at("Jul 16 15:15:47 2021");
    lab.install_trust();
    lab.now = at("Jul 16 15:17:51 2021");
    lab.configure(&["feature bgp"]);
    lab.report_and_acknowledge(3, 240);
    let active = expected.split("  Standby:").next().unwrap();
    assert_eq!(fields(&lab.run(&["show license status"])), fields(active));
}

#[test]
fn guide_transport_blocks() {
    // PI-SHOW-005, 006, 007
    for (name, transport) in [("smart", "smart"), ("cslu_vrf", "cslu"), ("callhome", "callhome")] {
        let Some(expected) = sample(&format!("show/license_status__transport_{name}.txt")) else {
            return;
        };
        let mut lab = leaf("vrf context inband\nlicense smart vrf inband\n");
        lab.configure(&[&format!("license smart transport {transport}")]);
        let status = lab.run(&["show license status"]);
        let expected = expected.replace("<vrf-name>", "inband");
        assert_eq!(block(&status, "Transport:"), fields(&expected), "{name}");
    }
}

#[test]
fn guide_usage_reporting_with_trust_and_no_report() {
    // PI-SHOW-014. The sample has no blank line before the trust code, which the full samples have, and another
    // indentation of the last line, which differs from sample to sample.
    let Some(expected) = sample("show/license_status__usage_reporting_trust_but_no_sync.txt")
    else {
        return;
    };
    let mut lab = leaf("");
    lab.now = at("Jul 14 11:40:36 2024");
    lab.install_trust();
    let status = lab.run(&["show license status"]);
    let from = status.find("Usage reporting:").unwrap();
    let expected = expected
        .replace("2023", "2024")
        .replace("<device_pid>", PID)
        .replace("<device_sn>", SERIAL);
    assert_eq!(fields(&status[from..]), fields(&expected));
}

#[test]
fn guide_summary_and_usage_after_evaluation() {
    // PI-SHOW-015 to 018
    let Some(summary) = sample("show/license_summary__slp_after_eval_migration.txt") else {
        return;
    };
    let usage = sample("show/license_usage__slp_after_eval_migration.txt").unwrap();
    let mut lab = after_evaluation();
    assert_eq!(fields(&lab.run(&["show license summary"])), fields(&summary));
    assert_eq!(fields(&lab.run(&["show license usage"])), fields(&usage));
}

#[test]
fn guide_summary_and_usage_of_a_modular_switch() {
    // PI-SHOW-015 to 018; of the wide summary only the words are compared (C-69).
    let Some(summary) = sample("show/license_summary__slp_ha_after_sl_migration.txt") else {
        return;
    };
    let usage = sample("show/license_usage__slp_ha_after_sl_migration.txt").unwrap();
    let udi = sample("show/license_udi__legacy.txt").unwrap();
    let config = "feature tap-aggregation\nfeature bgp\nfeature itd\n";
    let start = at("Jul 16 15:00:00 2021");
    let mut lab = boot(start, "N9K-C9504", "FOX2308PCEN", "10.2(1)F", Some(config)).unwrap();
    assert_eq!(words(&lab.run(&["show license summary"])), words(&summary));
    assert_eq!(fields(&lab.run(&["show license usage"])), fields(&usage));
    assert_eq!(fields(&lab.run(&["show license udi"])), fields(&udi));
}

#[test]
fn guide_usage_of_the_broker_licence_alone() {
    // PI-SHOW-017, PI-CLI-033. The sample has no blank line before the licence; all others have one, and so have the
    // templates people parse the output with. So blank lines are not compared here.
    let Some(expected) = sample("show/license_usage__slp_rtu_ndb.txt") else { return };
    let start = at("Jul 16 15:00:00 2021");
    let mut lab = boot(start, "N9K-C9504", "FOX2308PCEN", "10.2(1)F", None).unwrap();
    lab.configure(&["feature tap-aggregation"]);
    assert_eq!(fields(&lab.run(&["show license usage"])), fields(&expected));
}

#[test]
fn guide_feature_and_access_list() {
    // PI-CLI-003, PI-SHOW-033, PI-SHOW-034
    let Some(feature) = sample("show/feature__tap_aggregation.txt") else { return };
    let list = sample("show/ip_access_lists__iptest.txt").unwrap();
    let mut lab = Lab::new(None);
    lab.configure(&[
        "feature tap-aggregation",
        "ip access-list iptest",
        "permit ip any any redirect Ethernet1/1",
    ]);
    assert_eq!(lab.run(&["sh feature | inc tap"]), feature);
    assert_eq!(fields(&lab.run(&["sh ip access-lists iptest"])), fields(&list));
}

#[test]
fn guide_running_configuration_of_callhome() {
    // PI-SHOW-031, PI-CLI-030, byte-exact but for the placeholders. The URL is the misprint of the guide (C-22),
    // here as somebody's setting.
    let Some(expected) = sample("show/running_config_callhome_all.txt") else { return };
    let url = "https://tools.cisco.com/its/service/oddce/services/DCCEService";
    let expected = expected
        .replace("<email-address>", "noc@example.net")
        .replace("<ip-address>", "192.0.2.25")
        .replace("<port-number>", "25")
        .replace("<vrf-name>", "inband");
    let start = at("Aug 03 20:38:37 2023");
    let mut lab = boot(start, PID, SERIAL, "10.3(1)F", None).unwrap();
    lab.configure(&[
        "callhome",
        "email-contact noc@example.net",
        "destination-profile xml transport-method http",
        "destination-profile xml index 1 email-addr noc@example.net",
        &format!("destination-profile xml index 1 http {url}"),
        "transport email smtp-server 192.0.2.25 port 25",
        "transport email from noc@example.net",
        "transport email reply-to noc@example.net",
        "transport http use-vrf inband",
        "enable",
        "periodic-inventory notification interval 1",
    ]);
    lab.now = at("Aug 03 20:43:58 2023");
    assert_eq!(lab.run(&["show running-config callhome all"]), expected);
}

#[test]
fn guide_errors() {
    // PI-RUM-003, PI-MSG-009
    let Some(nothing) = sample("errors/save_usage_nothing_to_report.txt") else { return };
    let mut lab = Lab::new(None);
    assert_eq!(lab.run(&["license smart save usage all bootflash:all_rum.txt"]), nothing);
    let reason = sample("errors/comm_failed_reason_404.txt").unwrap().trim().to_owned();
    lab.configure(&["feature bgp"]);
    lab.now = lab.now + 37;
    lab.input(Input::Tick);
    let sent = lab.sent.remove(0);
    lab.input(Input::Unreachable { request_id: sent.id, reason: Reason::Status(404) });
    let expected = sample("syslog/LICMGR-3-LOG_SMART_LIC_COMM_FAILED.txt").unwrap();
    let expected = fill(&expected, &["Cisco Smart License utility (CSLU)", &reason]);
    assert!(lab.log.last().unwrap().ends_with(&expected), "{:?}", lab.log);
}

/// A printed format with its variable fields filled in.
fn fill(format: &str, values: &[&str]) -> String {
    let mut text = format.trim_end().replace("[dec]", "[chars]");
    for value in values {
        text = text.replacen("[chars]", value, 1);
    }
    text
}

#[test]
fn guide_system_messages() {
    // PI-MSG-001, 006 to 018
    let Some(formats) = sample("syslog/all_messages.txt") else { return };
    let udi = rumline_protocol::Udi::new(PID, SERIAL).unwrap();
    let name = udi.to_string();
    let reason = || "signature mismatch".to_owned();
    let peer = Peer::Cssm;
    let emitted: Vec<(SyslogMessage, Vec<&str>)> = vec![
        (SyslogMessage::PolicyInstallFailed { reason: reason() }, vec!["signature mismatch"]),
        (
            SyslogMessage::CommFailed { peer, reason: reason() },
            vec![peer.name(), "signature mismatch"],
        ),
        (SyslogMessage::CommRestored { peer }, vec![peer.name()]),
        (SyslogMessage::PolicyRemoved, vec![]),
        (
            SyslogMessage::TrustCodeInstallFailed { udi: udi.clone(), reason: reason() },
            vec![&name, "signature mismatch"],
        ),
        (SyslogMessage::ReportingNotSupported, vec![]),
        (SyslogMessage::PolicyInstallSuccess, vec![]),
        (SyslogMessage::ReportingRequired { days: 30 }, vec!["30"]),
        (SyslogMessage::TrustCodeInstallSuccess { udi: udi.clone() }, vec![&name]),
    ];
    // No authorization codes on a Nexus, so their messages are never emitted (PI-MSG-007, 015, 016).
    let expected = formats.lines().filter(|line| !line.contains("AUTHORIZATION"));
    for ((message, values), format) in emitted.iter().zip(expected.clone()) {
        assert_eq!(message.to_string(), fill(format, values));
        let own = format!("syslog/LICMGR-{}-{}.txt", message.severity(), message.mnemonic());
        assert_eq!(sample(&own).unwrap().trim_end(), format);
    }
    assert_eq!(emitted.len(), expected.count());
}

/// Feeds a configuration sample, its prompts taken off; returns the refusals and the switch.
fn feed(name: &str, values: &[(&str, &str)], mut lab: Lab) -> (Vec<String>, Lab) {
    let Some(text) = sample(&format!("config/{name}.txt")) else { return (Vec::new(), lab) };
    let mut refusals = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("Enter configuration")) {
        let (prompt, command) = line.split_once("# ").unwrap_or(("", line));
        let mut command = command.trim_end_matches('#').to_owned();
        for (placeholder, value) in values {
            command = command.replace(placeholder, value);
        }
        if prompt.contains("(conf") && !lab.prompt().contains("(config") {
            lab.run(&["configure terminal"]);
        }
        if prompt.is_empty() || command.contains('#') {
            continue;
        }
        let shown = lab.run(&[&command]);
        let wrong = |line: &&str| line.starts_with('%') || line.starts_with("Failure");
        refusals.extend(shown.lines().filter(wrong).map(|error| format!("{command}: {error}")));
    }
    (refusals, lab)
}

#[test]
fn guide_licensing_configuration_is_taken_and_shown() {
    // PI-CLI-004 to 018, C-51, C-59
    let cslu = "license smart url cslu http://192.168.0.1:8182/cslu/v1/pi";
    let smart = "license smart url smart https://smartreceiver.cisco.com/licservice/license";
    let cases: [(&str, &[&str]); 6] = [
        ("transport_cslu", &["license smart transport cslu"]),
        ("transport_off", &["license smart transport off"]),
        ("transport_smart", &["license smart transport smart", smart]),
        (
            "transport_smart_proxy",
            &[
                "license smart transport smart",
                "license smart proxy address 198.51.100.10",
                "license smart proxy port 3128",
            ],
        ),
        ("url_cslu_custom", &[cslu]),
        (
            "license_smart_parameters",
            &[
                "license smart transport cslu",
                cslu,
                "license smart vrf vrf1",
                "license smart usage interval 40",
                "license smart source-interface Ethernet1/22",
            ],
        ),
    ];
    for (name, expected) in cases {
        let (refusals, mut lab) = feed(name, &[], Lab::new(None));
        assert_eq!(refusals, Vec::<String>::new(), "{name}");
        if sample("config/sync.txt").is_none() {
            return;
        }
        let shown = lab.run(&["end", "show running-config license"]);
        let lines: Vec<&str> = shown.lines().filter(|line| line.starts_with("license")).collect();
        assert_eq!(lines, expected, "{name}");
        lab.boot_again("reload");
        assert_eq!(
            lab.run(&["show running-config license | inc license.smart"]).lines().count(),
            expected.len()
        );
    }
    let mut lab = Lab::new(None);
    if let Some(line) = sample("config/onprem_url_populated.txt") {
        lab.configure(&[line.trim()]);
        let url = line.trim().trim_start_matches("license smart url ");
        let shown = lab.run(&["show running-config license"]);
        assert!(shown.ends_with(&format!("license smart url cslu {url}\n")), "{shown}");
    }
}

#[test]
fn guide_name_and_time_configuration_is_taken() {
    // PI-CLI-026, 027, 028; C-27
    let values = [
        ("<vrf-name>", "inband"),
        ("vrf-name", "inband"),
        ("<dns-server-ip>", "192.0.2.53"),
        ("domain name", "example.net"),
        ("<cslu_address>", "192.0.2.8"),
        ("address1 [address2... address6]", "192.0.2.53 192.0.2.54"),
        (" [source-interface {loopback | port-channel | ethernet | mgmt | vlan}]", ""),
        (" [use-vrf inband]", " use-vrf inband"),
    ];
    for name in ["dns_client", "dns_troubleshooting", "ntp_server"] {
        assert_eq!(feed(name, &values, Lab::new(None)).0, Vec::<String>::new(), "{name}");
    }
    // Of the last sample the IOS form of the domain name is an alias.
    let values = [("domain name example.com", "domain name example.com")];
    assert_eq!(feed("dns_ios_style", &values, Lab::new(None)).0, Vec::<String>::new());
    if let Some(line) = sample("config/ip_host_cslu_local.txt") {
        Lab::new(None).configure(&[&line.trim().replace("<cslu_address>", "192.0.2.8")]);
    }
}

#[test]
fn guide_callhome_configuration_is_taken() {
    // PI-CLI-030, PI-SHOW-032
    let values = [("server ip address", "server 192.0.2.3"), ("vrf-name", "inband")];
    let mut refusals = Vec::new();
    for name in ["callhome_http_proxy", "callhome_source_interface", "callhome_use_vrf"] {
        refusals.extend(feed(name, &values, Lab::new(None)).0);
    }
    assert_eq!(refusals, Vec::<String>::new());
}

#[test]
fn guide_access_list_changes_the_prompt() {
    // PI-CLI-001, PI-CLI-002
    let (refusals, mut lab) =
        feed("acl_redirect_pre_slp", &[], Lab::new(Some("feature tap-aggregation\n")));
    assert_eq!(refusals, Vec::<String>::new());
    if shared("spec/golden").is_some() {
        assert_eq!(lab.prompt(), "switch(config-acl)# ");
        assert!(lab.run(&["show license usage"]).contains("(DCN_NDB):"));
    }
}

#[test]
fn guide_exec_commands_are_taken() {
    // PI-CLI-019 to 024
    let mut lab = Lab::new(None);
    lab.configure(&["feature bgp"]);
    lab.now = lab.now + Timestamp::HOUR;
    let document = lab.policy_document(|_| {});
    lab.flash.files.insert("example.txt".to_owned(), document.into_bytes());
    for name in ["trust_idtoken", "sync", "factory_reset", "save_usage_and_copy", "import_file"] {
        let Some(text) = sample(&format!("config/{name}.txt")) else { return };
        for line in text.lines() {
            let command = line.split_once("# ").map_or(line, |(_, command)| command);
            if command.contains("tftp://") {
                continue; // a test of its own
            }
            let shown = lab.run(&[command]);
            lab.run(&[""]);
            // The token of the guide is no token of this CSSM.
            let may_fail = name == "trust_idtoken";
            let failed = |line: &str| line.starts_with("Failure") && !may_fail;
            let refused = shown.lines().any(|line| line.starts_with('%') || failed(line));
            assert!(!refused, "{command}: {shown}");
        }
    }
}

#[test]
fn guide_copies_to_and_from_a_file_server_are_taken() {
    // PI-CLI-023, TOPO-6-002
    let mut lab = Lab::new(None);
    lab.flash.files.insert("all_rum.txt".to_owned(), b"x".to_vec());
    for name in ["save_usage_and_copy", "import_file"] {
        let Some(text) = sample(&format!("config/{name}.txt")) else { return };
        for line in text.lines().filter(|line| line.contains("tftp://")) {
            let shown = lab.run(&[line.split_once("# ").unwrap().1]);
            assert!(!shown.starts_with('%'), "{line}: {shown}");
        }
    }
}
