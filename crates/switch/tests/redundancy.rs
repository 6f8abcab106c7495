//! Two supervisors as they are shown and commanded (PI-HA, PI-CLI-035, PI-SHOW-001, 013, 019; C-18).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::*;
use rumline_protocol::*;
use rumline_switch::*;

const CHASSIS: &str = "N9K-C9504";

fn chassis(config: &str) -> Lab {
    boot(at("Jul 16 15:00:00 2021"), CHASSIS, "FOX2308PCEN", "10.2(1)F", Some(config)).unwrap()
}

fn pair(lab: &mut Lab, slot: Slot, other: Option<(&str, OtherState)>) {
    pair_seen(lab, slot, other, false);
}

fn pair_seen(lab: &mut Lab, slot: Slot, other: Option<(&str, OtherState)>, is_copy: bool) {
    let other = other
        .map(|(serial, state)| OtherSupervisor { udi: Udi::new(CHASSIS, serial).unwrap(), state });
    lab.redundancy(Redundancy { slot, other, is_copy });
}

/// A trust code for each supervisor, as CSSM answers a request for all.
fn trust_both(lab: &mut Lab) {
    let agent = lab.switch.agent();
    let mut writer = DocumentWriter::new();
    for (number, member) in agent.profile().members.iter().enumerate() {
        let code = TrustCode {
            trust_id: number as u64 + 1,
            sudi: member.sudi.clone(),
            product_instance_identifier: agent.product_instance_identifier().to_owned(),
            public_key: agent.public_key().clone(),
            smart_account: "Example".to_owned(),
            virtual_account: "Default".to_owned(),
            issued_at: lab.now,
            expires_at: lab.now.plus_days(TrustCode::VALID_DAYS),
            purpose: Purpose::TrustCode,
            answers: agent.trust_nonces().last().unwrap().clone(),
            conversions: Vec::new(),
        };
        writer.trust_code(&Signed::json(code, lab.cssm.signer.as_ref()));
    }
    let document = writer.certificate(&lab.cssm.certificate).finish();
    let told = lab.import(&document);
    assert!(told.starts_with("Import Data Successful"), "{told}");
}

fn sample(name: &str) -> Option<String> {
    shared(&format!("spec/golden/show/{name}")).map(|path| read(&path))
}

/// The sample with two serial numbers (C-18): the standby has its own.
fn with_two(sample: &str) -> String {
    let (head, tail) = sample.rsplit_once("Standby:").unwrap();
    format!("{head}Standby:{}", tail.replace("FOX2308PCEN", "FOX2308PCEX"))
}

fn fields(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| {
            !line.is_empty() && !line.starts_with("Device#") && line != "<output truncated>"
        })
        .collect()
}

#[test]
fn the_guides_lists_of_two() {
    // PI-SHOW-013, PI-SHOW-019, PI-HA-001, PI-MSG-018
    let mut lab = chassis("hostname Device\n");
    pair(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Standby)));
    lab.now = at("Jul 16 15:15:47 2021");
    lab.log.clear();
    trust_both(&mut lab);
    let installed: Vec<_> =
        lab.log.iter().filter(|line| line.contains("TRUST_CODE_INSTALL_SUCCESS")).collect();
    assert_eq!(installed.len(), 2, "{:?}", lab.log);
    assert!(installed[1].ends_with("on PID:N9K-C9504,SN:FOX2308PCEX."), "{}", installed[1]);
    let (udi, status) = (lab.run(&["show license udi"]), lab.run(&["show license status"]));
    if let Some(expected) = sample("license_udi__slp_ha.txt") {
        assert_eq!(fields(&udi), fields(&with_two(&expected)));
    }
    if let Some(expected) = sample("license_status__trust_excerpt_ha.txt") {
        let expected = fields(&with_two(&expected));
        let shown = fields(&status);
        assert_eq!(shown[shown.len() - expected.len()..], expected);
    }
}

#[test]
fn the_guides_status_over_callhome_with_two() {
    // PI-SHOW-001, PI-SHOW-007
    let Some(expected) = sample("license_status__slp_callhome_ha_after_sl_migration.txt") else {
        return;
    };
    let mut lab = chassis("license smart transport callhome\ncallhome\n  enable\n");
    pair(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Standby)));
    lab.now = at("Jul 16 15:15:47 2021");
    trust_both(&mut lab);
    lab.now = at("Jul 16 15:17:51 2021");
    lab.configure(&["feature bgp"]);
    lab.report_and_acknowledge(3, 240);
    assert_eq!(fields(&lab.run(&["show license status"])), fields(&with_two(&expected)));
}

/// Each output of a pair in each state, byte for byte; one that is missing is written, and the test fails once.
#[test]
fn each_list_of_two_in_each_state() {
    type Other = Option<(&'static str, OtherState)>;
    let states: [(&str, Slot, Other); 5] = [
        ("alone", Slot::One, None),
        ("copying", Slot::One, Some(("FOX2308PCEX", OtherState::Copying))),
        ("pair", Slot::One, Some(("FOX2308PCEX", OtherState::Standby))),
        ("taken_over", Slot::Two, Some(("FOX2308PCEX", OtherState::Standby))),
        ("standby", Slot::One, Some(("FOX2308PCEX", OtherState::Standby))),
    ];
    let mut written = Vec::new();
    for (name, slot, other) in states {
        for command in [
            "show license udi",
            "show license status",
            "show license all",
            "show module",
            "show inventory",
            "show system redundancy status",
        ] {
            for (form, pipe) in [("txt", ""), ("json", " | json-pretty"), ("xml", " | xml")] {
                let mut lab = chassis("hostname chassis\n");
                pair(&mut lab, slot, other);
                trust_both(&mut lab);
                // What it shows is the copy of what the active one has.
                pair_seen(&mut lab, slot, other, name == "standby");
                let shown = lab.run(&[&format!("{command}{pipe}")]);
                let file = command.trim_start_matches("show ").replace(' ', "_");
                let path = local(&format!("tests/golden/pair/{name}_{file}.{form}"));
                if path.exists() {
                    assert_eq!(shown, read(&path), "{}", path.display());
                } else {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(&path, shown).unwrap();
                    written.push(path);
                }
            }
        }
    }
    assert_eq!(written, Vec::<std::path::PathBuf>::new(), "these are new: read them");
}

#[test]
fn what_is_commanded_of_a_pair() {
    // PI-CLI-035
    const NOT_READY: &str = "Failed to switchover (standby not ready to takeover in vdc 1)\n";
    let mut lab = chassis("hostname chassis\n");
    for command in ["system switchover", "reload module 27"] {
        assert_eq!(lab.run(&[command]), NOT_READY);
    }
    assert!(lab.run(&["reload module 28"]).contains("Module 28 is no supervisor that is there"));
    assert!(lab.run(&["reload module 1"]).contains("Module 1 is no supervisor that is there"));
    pair(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Copying)));
    assert_eq!(lab.run(&["system switchover"]), NOT_READY);
    pair(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Standby)));
    assert_eq!(
        lab.run(&["reload module 28"]),
        "This command will reload module 28. Proceed[y/n]?  [n] "
    );
    lab.run(&["n"]);
    assert!(lab.to_standby.is_empty());
    lab.run(&["reload module 28", "y"]);
    assert_eq!(lab.to_standby, ["reload"]);
    let outcome = lab.execute("system switchover");
    assert!(outcome.reply.close);
    lab.run(&["reload module 27", "y"]);
    assert_eq!(lab.to_standby, ["reload", "take over", "take over"]);
    // Gone between the question and its answer.
    lab.run(&["reload module 28"]);
    pair(&mut lab, Slot::One, None);
    assert!(lab.run(&["y"]).contains("is no supervisor that is there"));
    // A box with one supervisor.
    let mut fixed = Lab::new(None);
    assert_eq!(fixed.run(&["system switchover"]), NOT_READY);
    assert!(fixed.run(&["show system redundancy status"]).contains("This supervisor (sup-1)"));
}

#[test]
fn the_one_that_waits_shows_and_changes_nothing() {
    let mut lab = chassis("hostname chassis\n");
    pair_seen(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Standby)), true);
    assert_eq!(lab.prompt(), "chassis(standby)# ");
    for command in [
        "configure terminal",
        "reload",
        "copy running-config startup-config",
        "license smart sync",
        "write erase",
        "delete bootflash:x",
        "ping 192.0.2.1",
        "traceroute 192.0.2.1",
    ] {
        let told = lab.run(&[command]);
        assert_eq!(told, "% Command not permitted on standby supervisor\n", "{command}");
    }
    assert!(lab.run(&["show version > bootflash:x"]).contains("not permitted on standby"));
    assert!(lab.run(&["show module"]).contains("ha-standby"));
    assert!(lab.flash.files.is_empty());
}

#[test]
fn a_pair_that_changes_is_told_and_reported() {
    // PI-HA-005
    let mut lab = chassis("hostname chassis\nfeature bgp\n");
    lab.report_and_acknowledge(1, 300);
    lab.log.clear();
    pair(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Copying)));
    pair(&mut lab, Slot::One, Some(("FOX2308PCEX", OtherState::Standby)));
    let mut reports = Vec::new();
    let until = lab.now + Timestamp::HOUR;
    lab.pass_until(until, |lab, sent| {
        reports.extend(reports_of(&sent.request));
        let document = lab.ack_document(&reports);
        lab.answer(sent, |response| response.smart_license = Some(document));
    });
    assert_eq!(reports[0].report.ha_udi.len(), 2);
    pair(&mut lab, Slot::One, None);
    let told = lab.log.join("\n");
    for line in [
        "%PLATFORM-2-MOD_DETECT: Module 28 detected (Serial number FOX2308PCEX)",
        "%MODULE-5-STANDBY_SUP_OK: Supervisor 28 is standby",
        "%PLATFORM-2-MOD_REMOVE: Module 28 removed (Serial number FOX2308PCEX)",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let mut again = Vec::new();
    let until = lab.now + Timestamp::HOUR;
    lab.pass_until(until, |lab, sent| {
        again.extend(reports_of(&sent.request));
        lab.answer(sent, |_| {});
    });
    assert_eq!(again[0].report.ha_udi.len(), 1);
}
