//! The command line: modes, abbreviations, refusals, help, pipes, settings, and what other tools send.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::{Lab, global, license_lines};
use rumline_cli::{LineHandler, Reply, Terminal};
use rumline_switch::Session;

/// What NX-OS prints for a line that is wrong at a column of what was typed.
fn marker(lab: &Lab, column: usize, what: &str) -> String {
    format!("{}^\n% {what} command at '^' marker.\n", " ".repeat(lab.prompt().len() + column))
}

#[test]
fn each_mode_has_its_prompt() {
    // PI-CLI-001, PI-CLI-002
    let mut lab = Lab::new(None);
    assert_eq!(lab.prompt(), "switch# ");
    let text = "Enter configuration commands, one per line. End with CNTL/Z.\n";
    assert_eq!(lab.run(&["configure terminal"]), text);
    assert_eq!(lab.prompt(), "switch(config)# ");
    for (line, mode) in [
        ("callhome", "config-callhome"),
        ("vrf context inband", "config-vrf"),
        ("ip access-list tap", "config-acl"),
        ("interface Ethernet1/1", "config-if"),
        ("line console", "config-console"),
        ("line vty", "config-line"),
        ("router bgp 65000", "config-router"),
    ] {
        assert_eq!(lab.run(&[line]), "", "{line}");
        assert_eq!(lab.prompt(), format!("switch({mode})# "));
        lab.run(&["exit"]);
        assert_eq!(lab.prompt(), "switch(config)# ");
    }
    lab.run(&["callhome", "end"]);
    assert_eq!(lab.prompt(), "switch# ");
    lab.run(&["configure terminal", "vrf context inband"]);
    lab.switch.end_configuration(lab.now, &mut lab.session); // Ctrl-Z
    assert_eq!(lab.prompt(), "switch# ");
    assert!(lab.execute("exit").reply.close);
}

#[test]
fn config_alone_is_enough() {
    // PI-CLI-001
    for line in ["config", "conf", "config t", "configure"] {
        let mut lab = Lab::new(None);
        lab.run(&[line]);
        assert_eq!(lab.prompt(), "switch(config)# ", "{line}");
    }
}

#[test]
fn a_unique_beginning_is_enough() {
    // PI-CLI-003
    let mut lab = Lab::new(None);
    for (short, long) in [
        ("sh lic sta", "show license status"),
        ("SHOW LICENSE SUMM", "show license summary"),
        ("sh run lic", "show running-config license"),
        ("sh run license all", "show running-config license all"),
        ("sh feat", "show feature"),
        ("sh lic rum id all", "show license rum id all"),
    ] {
        assert_eq!(lab.run(&[short]), lab.run(&[long]), "{short}");
    }
    assert!(lab.run(&["copy r s"]).ends_with("Copy complete.\n"));
    let mut lab = global(&["lic sm tr sm", "lic smart usa int 40"]);
    let lines = "license smart transport smart\nlicense smart usage interval 40\n";
    assert_eq!(license_lines(&mut lab), lines);
}

#[test]
fn a_wrong_line_is_marked_where_it_is_wrong() {
    // PI-CLI-003, G-11
    let mut lab = Lab::new(None);
    for (line, column, what) in [
        ("show nothing", 5, "Invalid"),
        ("nonsense", 0, "Invalid"),
        ("  nonsense", 2, "Invalid"),
        ("show license nothing at all", 13, "Invalid"),
        ("show license rum id x", 20, "Invalid"),
        ("show license status extra", 20, "Invalid"),
        ("sh l", 3, "Ambiguous"),
        ("show license s", 13, "Ambiguous"),
        ("show license", 12, "Incomplete"),
        ("license smart import", 20, "Incomplete"),
        ("license smart trust idtoken", 27, "Incomplete"),
    ] {
        let expected = marker(&lab, column, what);
        assert_eq!(lab.run(&[line]), expected, "{line}");
    }
    lab.run(&["configure terminal"]);
    for (line, column, what) in [
        ("license smart nothing", 14, "Invalid"),
        ("no license smart nothing", 17, "Invalid"),
        ("license smart transport", 23, "Incomplete"),
        ("license smart transport both", 24, "Invalid"),
        ("feature nonsense", 8, "Invalid"),
        ("nonsense 1", 0, "Invalid"),
    ] {
        let expected = marker(&lab, column, what);
        assert_eq!(lab.run(&[line]), expected, "{line}");
    }
    assert_eq!(lab.prompt(), "switch(config)# ");
    assert_eq!(license_lines(&mut lab), "");
}

#[test]
fn an_ambiguous_word_of_configuration_is_called_ambiguous() {
    // PI-CLI-003, G-11
    let mut lab = global(&[]);
    for (line, column) in [("license smart u", 14), ("no license smart u", 17), ("w", 0)] {
        let expected = marker(&lab, column, "Ambiguous");
        assert_eq!(lab.run(&[line]), expected, "{line}");
    }
}

#[test]
fn comments_and_empty_lines_do_nothing() {
    // PI-CLI-036
    let mut lab = Lab::new(None);
    for line in ["! a comment", "# another", "", "   ", "!show version"] {
        assert_eq!(lab.run(&[line]), "", "{line}");
        lab.run(&["configure terminal"]);
        assert_eq!(lab.run(&[line, "end"]), "", "{line}");
    }
}

#[test]
fn help_and_completion_come_from_the_commands() {
    // PI-CLI-003
    let lab = global(&[]);
    let exec = Session::new("admin");
    let words = |session: &Session, line: &str| -> Vec<String> {
        lab.switch.help(session, line).into_iter().map(|(word, _)| word).collect()
    };
    assert_eq!(words(&exec, "license smart save usage "), ["all", "days", "rum-id", "unreported"]);
    assert_eq!(words(&exec, "show license us"), ["usage"]);
    assert_eq!(words(&exec, "show license status "), ["<CR>"]);
    let transports = ["callhome", "cslu", "off", "smart"];
    assert_eq!(words(&lab.session, "no license smart transport ")[1..], transports);
    assert!(
        words(&lab.session, "license smart transport ").ends_with(&transports.map(str::to_owned))
    );
    assert!(words(&lab.session, "license smart usage interval ").contains(&"<1-365>".to_owned()));
    assert_eq!(words(&exec, "nonsense "), ["% Unrecognized command"]);
    assert!(!words(&exec, "").contains(&"feature".to_owned()));
    assert_eq!(lab.switch.complete(&exec, "show lic"), ["license"]);
    assert_eq!(lab.switch.complete(&lab.session, "license smart tra"), ["transport"]);
    assert_eq!(lab.switch.complete(&exec, "show license su"), ["summary"]);
    assert!(lab.switch.complete(&exec, "nonsense x").is_empty());
}

#[test]
fn help_offers_the_end_of_a_line_only_where_it_may_end() {
    // PI-CLI-003, PI-CLI-005
    let lab = global(&[]);
    let words = |line: &str| -> Vec<String> {
        lab.switch.help(&lab.session, line).into_iter().map(|(word, _)| word).collect()
    };
    assert_eq!(words("no license smart transport ")[0], "<CR>");
    assert_eq!(words("no license smart vrf ")[0], "<CR>");
    assert_eq!(words("license smart transport "), ["callhome", "cslu", "off", "smart"]);
    assert_eq!(words("license smart vrf "), ["WORD"]);
}

struct Console<'l>(&'l mut Lab);

impl LineHandler for Console<'_> {
    fn prompt(&self) -> String {
        self.0.prompt()
    }
    fn execute(&mut self, line: &str) -> Reply {
        self.0.execute(line).reply
    }
    fn help(&self, line: &str) -> Vec<(String, String)> {
        self.0.switch.help(&self.0.session, line)
    }
    fn complete(&self, line: &str) -> Vec<String> {
        self.0.switch.complete(&self.0.session, line)
    }
    fn end(&mut self) {
        let lab = &mut self.0;
        lab.switch.end_configuration(lab.now, &mut lab.session);
    }
    fn page_lines(&self) -> usize {
        self.0.session.page_lines()
    }
    fn takes_text(&self) -> bool {
        self.0.session.takes_text()
    }
}

fn typed(lab: &mut Lab, terminal: &mut Terminal, bytes: &str) -> String {
    String::from_utf8(terminal.feed(bytes.as_bytes(), &mut Console(lab))).unwrap()
}

#[test]
fn a_terminal_echoes_pages_completes_and_ends() {
    // PI-CLI-001, PI-CLI-003
    let (mut lab, mut terminal) = (Lab::new(None), Terminal::default());
    let out = typed(&mut lab, &mut terminal, "show license stat\t");
    assert_eq!(out, "show license status ");
    let out = typed(&mut lab, &mut terminal, "\n");
    assert!(out.ends_with("--More--"), "{out}");
    assert_eq!(out.matches("\r\n").count(), 24, "{out}");
    assert!(typed(&mut lab, &mut terminal, "q").ends_with("switch# "));
    let out = typed(&mut lab, &mut terminal, "show license status | no-more\n");
    assert!(out.ends_with("Trust Code installed: <none>\r\nswitch# "), "{out}");
    // As the libraries that log in do it, in this order.
    let out = typed(&mut lab, &mut terminal, "terminal width 511\nterminal length 0\n\n");
    assert_eq!(out, "terminal width 511\r\nswitch# terminal length 0\r\nswitch# \r\nswitch# ");
    let out = typed(&mut lab, &mut terminal, "show license all\n");
    assert!(!out.contains("--More--") && out.ends_with("switch# "), "{out}");
    let out = typed(&mut lab, &mut terminal, "conf t\ncallhome\n\x1a");
    assert!(out.ends_with("switch(config-callhome)# ^Z\r\nswitch# "), "{out}");
    let out = typed(&mut lab, &mut terminal, "conf t\nlicense smart tran?off\n");
    assert!(out.contains("license smart tran?\r\n  transport  How"), "{out}");
    typed(&mut lab, &mut terminal, "end\nexit\n");
    assert!(terminal.closed());
}

#[test]
fn a_line_that_ends_in_cr_and_lf_is_one_line_before_a_page_too() {
    // The line ends of people's terminals
    let (mut lab, mut terminal) = (Lab::new(None), Terminal::default());
    let out = typed(&mut lab, &mut terminal, "show license status\r\n");
    assert!(out.ends_with("--More--"), "{out}");
    assert_eq!(out.matches("--More--").count(), 1, "{out}");
}

#[test]
fn a_pipe_filters_what_is_shown() {
    // PI-CLI-003
    let mut lab = Lab::new(None);
    let one = "  Sending Hostname: yes\n";
    assert_eq!(lab.run(&["show license status | inc Sending"]), one);
    assert_eq!(lab.run(&["sh lic sta|include Sending"]), one);
    assert_eq!(lab.run(&["show license status | grep Sending"]), one);
    assert_eq!(lab.run(&["show license status | section Data | count"]), "5\n");
    assert_eq!(lab.run(&["show license status | begin Trust"]), "Trust Code installed: <none>\n");
    assert_eq!(lab.run(&["show feature | exclude disabled | last 1 | count"]), "1\n");
    let expected = marker(&lab, 22, "Invalid");
    assert_eq!(lab.run(&["show license status | nonsense"]), expected);
    let expected = marker(&lab, 22, "Invalid");
    assert_eq!(lab.run(&["terminal length 0    | include x"]), expected);
}

#[test]
fn transports_are_set_and_taken_back() {
    // PI-CLI-005, PI-CLI-006, PI-SHOW-005 to 008
    let mut lab = global(&[]);
    for (word, shown) in
        [("callhome", "Callhome"), ("off", "Transport Off"), ("smart", "Smart"), ("cslu", "CSLU")]
    {
        let line = format!("license smart transport {word}");
        assert_eq!(lab.run(&[&line]), "");
        assert_eq!(license_lines(&mut lab), format!("{line}\n"));
        let status = lab.run(&["show license status | include Type:"]);
        assert_eq!(status, format!("  Type: {shown}\n"));
    }
    lab.run(&["license smart transport smart", "no license smart transport smart"]);
    assert_eq!(license_lines(&mut lab), "");
    assert_eq!(lab.run(&["show license status | include Type:"]), "  Type: CSLU\n");
}

#[test]
fn a_no_takes_back_what_was_set() {
    // PI-CLI-009, 011, 013, 017, 018
    let lines = [
        ("license smart url cslu http://192.0.2.8:8182/cslu/v1/pi", "license smart url cslu"),
        ("license smart url smart https://cssm.example.net/licservice/license", ""),
        ("license smart vrf inband", "license smart vrf"),
        ("license smart source-interface Ethernet1/22", "license smart source-interface"),
        ("license smart proxy address 192.0.2.3", "license smart proxy address"),
        ("license smart proxy port 3128", "license smart proxy port"),
        ("license smart usage interval 40", "license smart usage interval"),
        ("license smart custom_id rack-12", "license smart custom_id"),
        ("license smart privacy hostname", ""),
        ("ip domain-name example.net", ""),
        ("ip host cslu-local 192.0.2.8", ""),
        ("ntp server 192.0.2.123 prefer", ""),
        ("feature bgp", ""),
    ];
    for (line, short) in lines {
        let mut lab = global(&[]);
        let before = lab.run(&["show running-config"]);
        assert_eq!(lab.run(&[line]), "", "{line}");
        let shown = lab.run(&["show running-config"]);
        assert!(shown.lines().any(|other| other == line), "{line}: {shown}");
        assert_eq!(lab.run(&[&format!("no {line}")]), "", "{line}");
        assert_eq!(lab.run(&["show running-config"]), before, "{line}");
        if !short.is_empty() {
            assert_eq!(lab.run(&[line, &format!("no {short}")]), "", "{short}");
            assert_eq!(lab.run(&["show running-config"]), before, "{short}");
        }
    }
}

#[test]
fn urls_are_checked() {
    // PI-CLI-008, 010, 012; PI-NET-007; C-51
    let mut lab = global(&[]);
    let ipv6 = "% IPv6 is supported only on callhome transport\n";
    for url in
        ["cslu http://[2001:db8::1]:8182/cslu/v1/pi", "smart https://[::1]/licservice/license"]
    {
        assert_eq!(lab.run(&[&format!("license smart url {url}")]), ipv6, "{url}");
    }
    assert_eq!(lab.run(&["license smart proxy address 2001:db8::1"]), ipv6);
    for url in ["cslu ftp://host/", "cslu host", "smart http://host/", "smart host", "cslu http://"]
    {
        let shown = lab.run(&[&format!("license smart url {url}")]);
        assert!(shown.starts_with("% Invalid URL"), "{url}: {shown}");
    }
    assert_eq!(license_lines(&mut lab), "");
    for url in [
        "cslu https://192.0.2.8:8182/cslu/v1/pi",
        "cslu http://Cisco_CSLU:8182/cslu/v1/pi",
        "cslu https://Cisco_SSM_OnPrem/cslu/v1/pi/XYZ-ON-PREM-1",
        "smart https://smartreceiver.cisco.com/licservice/license",
    ] {
        assert_eq!(lab.run(&[&format!("license smart url {url}")]), "", "{url}");
        assert!(license_lines(&mut lab).contains(&format!("license smart url {url}\n")), "{url}");
    }
    for (url, wanted) in [
        ("https://192.0.2.8/cslu/v1/pi/T1", "by its host name"), // PI-NET-015
        ("http://192.0.2.8:9000/cslu/v1/pi", "port 8182"),       // PI-CLI-010
    ] {
        let shown = lab.run(&[&format!("license smart url cslu {url}")]);
        assert!(shown.starts_with("Warning: ") && shown.contains(wanted), "{url}: {shown}");
        assert!(license_lines(&mut lab).contains(url));
    }
    let plain = "license smart url https://onprem.example.net/cslu/v1/pi/T1";
    assert_eq!(lab.run(&[plain]), "");
    let lines = license_lines(&mut lab);
    assert_eq!(lines.matches("url cslu https://onprem.example.net/cslu/v1/pi/T1\n").count(), 1);
    assert_eq!(lines.matches("url cslu").count(), 1, "{lines}");
}

#[test]
fn an_interval_is_from_1_to_365_days() {
    // PI-CLI-014, C-49
    let mut lab = global(&[]);
    for wrong in ["0", "366", "-1", "ten", "40x", "99999999999999999999"] {
        let is_number = wrong.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
        let column = lab.prompt().len() + 29;
        let expected = if is_number {
            format!("{}^\n% Invalid number, range is (1:365)\n", " ".repeat(column))
        } else {
            marker(&lab, 29, "Invalid")
        };
        assert_eq!(lab.run(&[&format!("license smart usage interval {wrong}")]), expected);
        assert_eq!(license_lines(&mut lab), "");
    }
    for right in ["1", "40", "365"] {
        let line = format!("license smart usage interval {right}");
        assert_eq!(lab.run(&[&line]), "");
        assert_eq!(license_lines(&mut lab), format!("{line}\n"));
    }
}

#[test]
fn older_releases_refuse_what_they_do_not_have() {
    // PI-NET-001, PI-NET-002
    let vrf = "license smart vrf inband";
    let source = "license smart source-interface Ethernet1/22";
    for (release, has_vrf, has_source) in [
        ("10.2(1)F", false, false),
        ("10.3(1)F", false, false),
        ("10.3(2)F", true, false),
        ("10.3(3)F", true, true),
        ("10.4(3)F", true, true),
    ] {
        let mut lab = Lab::with_release(release);
        lab.run(&["configure terminal"]);
        for (line, has) in [(vrf, has_vrf), (source, has_source)] {
            let shown = lab.run(&[line]);
            assert_eq!(shown.is_empty(), has, "{release} {line}: {shown}");
            assert_eq!(shown.starts_with("% "), !has, "{release} {line}: {shown}");
            assert_eq!(license_lines(&mut lab).contains(line), has, "{release} {line}");
        }
    }
}

#[test]
fn callhome_settings_are_checked() {
    // PI-CLI-030, PI-NET-024, PI-NET-025
    let mut lab = global(&["callhome"]);
    assert!(lab.run(&["transport http proxy enable"]).starts_with("% "));
    for port in ["0", "65536"] {
        let shown = lab.run(&[&format!("transport http proxy server 192.0.2.3 port {port}")]);
        assert!(shown.ends_with("^\n% Invalid number, range is (1:65535)\n"), "{port}: {shown}");
    }
    for line in [
        "transport http proxy server 192.0.2.3",
        "transport http proxy server proxy.example.net port 65535",
        "transport http proxy server 2001:db8::3 port 8080",
        "transport http proxy enable",
        "source-interface e1/1",
        "no transport http proxy enable",
        "transport http proxy enable",
        // A proxy that is gone is not used.
        "no transport http proxy server 2001:db8::3 port 8080",
    ] {
        assert_eq!(lab.run(&[line]), "", "{line}");
        assert_eq!(lab.prompt(), "switch(config-callhome)# ", "{line}");
    }
    let shown = lab.run(&["show running-config callhome | section callhome"]);
    let tail = shown.split_once("callhome\n  ").map(|(_, tail)| tail.to_owned());
    assert_eq!(tail.as_deref(), Some("source-interface Ethernet1/1\n"), "{shown}");
    assert!(lab.run(&["transport http proxy enable"]).starts_with("% "));
    assert_eq!(lab.run(&["transport http proxy server 192.0.2.3"]), "");
    assert!(
        lab.run(&["show callhome transport"]).contains("\nhttp proxy server:192.0.2.3 port 8080\n")
    );
}

#[test]
fn no_takes_what_has_a_value_with_it() {
    // PI-CLI-030: each line, its `no`, and what its `no` is without the value.
    let mut lab = global(&["callhome"]);
    let settings = [
        ("email-contact", " ops@example.net"),
        ("phone-contact", " +1-555-0100"),
        ("source-interface", " Ethernet1/1"),
        ("destination-profile xml transport-method", " http"),
        ("destination-profile xml transport-method", " email"),
        ("destination-profile xml message-size", " 500000"),
        ("destination-profile own format", " full-txt"),
        ("destination-profile CiscoTAC-1 index 1 email-addr", " ops@example.net"),
        ("destination-profile full_txt index 1 http", " https://cssm.example.net/x"),
        ("transport email smtp-server", " 192.0.2.25 port 25"),
        ("transport email from", " switch@example.net"),
        ("transport email reply-to", " ops@example.net"),
        ("transport http proxy server", " 192.0.2.3 port 3128"),
        ("transport http use-vrf", " inband"),
        ("periodic-inventory notification interval", " 7"),
        ("enable", ""),
    ];
    let shown = |lab: &mut Lab| lab.run(&["show running-config callhome"]);
    let empty = shown(&mut lab);
    for (head, value) in settings {
        let line = format!("{head}{value}");
        assert_eq!(lab.run(&[&line]), "", "{line}");
        assert!(shown(&mut lab).contains(&format!("\n  {line}\n")), "{line}: {}", shown(&mut lab));
        if !value.is_empty() {
            let told = lab.run(&[&format!("no {head}")]);
            assert!(told.ends_with("% Incomplete command at '^' marker.\n"), "{head}: {told}");
            assert!(shown(&mut lab).contains(&line), "{line}");
        }
        assert_eq!(lab.run(&[&format!("no {line}")]), "", "{line}");
        assert!(!shown(&mut lab).contains(head), "{line}: {}", shown(&mut lab));
    }
    let tail = |text: &str| text.lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(tail(&shown(&mut lab)), tail(&empty));
}

#[test]
fn a_vrf_name_has_at_most_32_characters() {
    // PI-CLI-029
    let mut lab = global(&[]);
    let long = "v".repeat(33);
    let shown = lab.run(&[&format!("vrf context {long}")]);
    assert!(shown.ends_with("^\n% Invalid name, it is too long at '^' marker.\n"), "{shown}");
    assert_eq!(lab.prompt(), "switch(config)# ");
    assert_eq!(lab.run(&[&format!("vrf context {}", &long[1..])]), "");
    assert_eq!(lab.prompt(), "switch(config-vrf)# ");
}

#[test]
fn a_host_name_is_checked_and_in_the_prompt() {
    // PI-CLI-001
    let mut lab = global(&["hostname leaf-7.lab_1"]);
    assert_eq!(lab.prompt(), "leaf-7.lab_1(config)# ");
    assert_eq!(lab.run(&["show hostname"]), "leaf-7.lab_1\n");
    assert_eq!(lab.run(&["switchname spine"]), "");
    assert_eq!(lab.prompt(), "spine(config)# ");
    for wrong in ["a(b)", "a#b", &"x".repeat(64)] {
        assert!(lab.run(&[&format!("hostname {wrong}")]).contains("\n% Invalid name"), "{wrong}");
        assert!(lab.run(&[&format!("switchname {wrong}")]).contains("\n% Invalid name"), "{wrong}");
    }
    assert_eq!(lab.prompt(), "spine(config)# ");
    lab.run(&["no hostname"]);
    assert_eq!(lab.prompt(), "switch(config)# ");
}

#[test]
fn everything_unicon_sends_is_accepted() {
    // PI-CLI-001: the session set-up of pyATS
    let mut lab = Lab::new(None);
    for line in ["term length 0", "term width 511", "terminal session-timeout 0"] {
        assert_eq!(lab.run(&[line]), "", "{line}");
    }
    lab.run(&["config term"]);
    for (line, mode) in [
        ("no logging console", "config"),
        ("line console", "config-console"),
        ("exec-timeout 0", "config-console"),
        ("line vty", "config-line"),
        ("exec-timeout 0", "config-line"),
        ("terminal width 511", "config-line"),
    ] {
        assert_eq!(lab.run(&[line]), "", "{line}");
        assert_eq!(lab.prompt(), format!("switch({mode})# "), "{line}");
    }
    assert_eq!(lab.run(&["end"]), "");
    assert_eq!(lab.prompt(), "switch# ");
    let shown = lab.run(&["show running-config"]);
    assert!(
        shown.contains("line console\n  exec-timeout 0\nline vty\n  exec-timeout 0\n"),
        "{shown}"
    );
    assert!(shown.contains("\nno logging console\n"), "{shown}");
}

#[test]
fn everything_netmiko_scrapli_and_ansible_send_is_accepted() {
    // PI-CLI-001, PI-CLI-003, PI-CLI-004
    let mut lab = Lab::new(None);
    for line in ["terminal width 511", "terminal length 0", "term len 0", "", "enable"] {
        assert_eq!(lab.run(&[line]), "", "{line}");
    }
    for line in ["show license host-id", "show inventory", "show version", "show hostname"] {
        let shown = lab.run(&[line]);
        assert!(!shown.is_empty() && !shown.contains('%'), "{line}: {shown}");
    }
    assert_eq!(lab.run(&["show license host-id"]), "License hostid: VDH=RML26170001\n");
    lab.run(&["configure terminal"]);
    let lines = ["terminal dont-ask", "feature nv overlay", "license smart usage interval 40"];
    for line in lines {
        assert_eq!(lab.run(&[line]), "", "{line}");
        assert_eq!(lab.prompt(), "switch(config)# ");
    }
    lab.run(&["end"]);
    assert_eq!(lab.run(&["show running-config | include ^feature"]), "feature nv overlay\n");
    assert!(lab.run(&["show feature"]).contains("nve                  1          enabled\n"));
    let saved = lab.execute("copy running-config startup-config").reply;
    assert!(saved.question.is_none() && saved.text.ends_with("Copy complete.\n"));
    assert!(!saved.text.contains('\r'));
}

#[test]
fn normal_output_is_not_taken_for_an_error() {
    // The patterns automation takes for errors
    let mut lab = global(&["feature bgp", "end"]);
    lab.report_and_acknowledge(1, 60);
    lab.install_policy(|policy| policy.unenforced.ongoing_report_days = 180);
    lab.import("nothing of ours");
    for line in [
        "show license all",
        "show license tech support",
        "show license history message",
        "show license eventlog",
        "show license rum id all detail",
        "show license data conversion",
        "show running-config",
        "show feature",
        "show logging",
        "show clock",
        "show module",
        "show users",
        "show tech-support license",
    ] {
        let text = lab.run(&[line]);
        assert!(!text.is_empty(), "{line}");
        let low = text.to_lowercase();
        for wrong in ["\nerror:", "invalid input", "not found", "syntax error", "unknown command"] {
            assert!(!low.contains(wrong), "{line}: {wrong}: {text}");
        }
        assert!(!text.lines().any(|shown| shown.starts_with("% ")), "{line}: {text}");
    }
}

#[test]
fn a_question_mark_in_a_banner_is_a_letter_of_it() {
    let (mut lab, mut terminal) = (Lab::new(None), Terminal::default());
    let out = typed(&mut lab, &mut terminal, "conf t\nbanner motd #\nWho are you?\n#\nend\n");
    assert!(!out.contains("Unrecognized") && !out.contains("LINE"), "{out}");
    assert_eq!(lab.switch.banner("motd").unwrap(), "Who are you?\n");
}

#[test]
fn help_in_a_submode_knows_the_words_of_the_mode() {
    // PI-CLI-001, L15
    let mut lab = global(&["interface Ethernet1/1"]);
    let words = |lab: &Lab, line: &str| -> Vec<String> {
        lab.switch.help(&lab.session, line).into_iter().map(|(word, _)| word).collect()
    };
    for word in ["switchport", "description", "shutdown", "mtu"] {
        assert!(words(&lab, "").contains(&word.to_owned()), "{word}");
    }
    assert_eq!(words(&lab, "switchport mo"), ["mode", "monitor"]);
    let modes = words(&lab, "switchport mode ");
    assert!(modes.iter().any(|word| word == "LINE" || word == "trunk"), "{modes:?}");
    assert_eq!(words(&lab, "description "), ["LINE"]);
    assert_eq!(lab.switch.complete(&lab.session, "switchport mod"), ["mode"]);
    // Where a value is due, it is said which.
    lab.run(&["exit"]);
    assert_eq!(words(&lab, "license smart usage interval "), ["<1-365>"]);
    assert_eq!(words(&lab, "no license smart usage interval "), ["<1-365>", "<CR>"]);
    assert_eq!(words(&lab, "license smart proxy address "), ["A.B.C.D|A:B::C:D|WORD"]);
    assert_eq!(words(&lab, "nonsense "), ["% Unrecognized command"]);
}
