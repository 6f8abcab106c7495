//! A switch of another vendor is a folder of tables: what it is called, what it can do, what it uses and what it reports come from
//! there, and nothing of Nexus tables does. A process has one catalogue, so these tests have a file of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::sync::Once;

use common::{Lab, at, boot, local, read, reports_of};
use rumline_catalogue::{Catalogue, Folder};

fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let dir = std::fs::read_dir(local("../../examples/catalogue/aldermoor")).unwrap();
        let files = dir.map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), read(&entry.path()))
        });
        let folder = Folder::read(&files.collect()).unwrap();
        assert!(Catalogue::of_switch("AM-M8", &[folder]).unwrap().load());
    });
}

fn lab(pid: &str, release: &str, config: Option<&str>) -> Lab {
    load();
    boot(at("Mar 04 09:00:00 2026"), pid, "AM000001", release, config).unwrap()
}

fn refused(pid: &str, release: &str) -> String {
    load();
    boot(at("Mar 04 09:00:00 2026"), pid, "AM000001", release, None).err().unwrap().to_string()
}

#[test]
fn it_boots_by_its_own_releases_and_says_why_it_does_not() {
    let mut lab = lab("AM-M8", "3.2", None);
    let version = lab.run(&["show version"]);
    assert!(version.contains("Aldermoor M8 (8 Slot) Chassis"), "{version}");
    assert!(version.contains("3.2") && version.contains("amos.3.2.bin"), "{version}");
    let udi = lab.run(&["show license udi"]);
    assert!(udi.contains("PID:AM-M8, SN:AM000001"), "{udi}");
    assert_eq!(refused("AM-S96", "3.1"), "AM-S96 needs release 3.2 or later");
    assert_eq!(refused("AM-M8", "10.4(3)F"), "there is no release 10.4(3)F in the catalogue");
    let error = refused("N9K-C9504", "3.2");
    assert_eq!(error, "there is no product id N9K-C9504 in the catalogue");
}

#[test]
fn its_features_use_its_packages_and_it_has_no_others() {
    let mut lab = lab("AM-S48", "3.2", None);
    lab.configure(&["feature bgp", "feature ospf", "feature lacp"]);
    assert_eq!(lab.packages(), ["ALDERMOOR_ROUTING"]);
    lab.configure(&[
        "feature mesh",
        "ip access-list tap",
        "10 permit ip any any redirect Ethernet1/1",
    ]);
    assert_eq!(lab.packages(), ["ALDERMOOR_FABRIC", "ALDERMOOR_ROUTING", "ALDERMOOR_TAP"]);
    let usage = lab.run(&["show license usage"]);
    assert!(
        usage.contains("(ALDERMOOR_FABRIC):\n  Description: Fabric for Aldermoor S\n"),
        "{usage}"
    );
    lab.run(&["configure terminal"]);
    let answer = lab.run(&["feature vpc"]);
    assert!(answer.contains("Invalid"), "{answer}");
    lab.run(&["end"]);
    let features = lab.run(&["show feature"]);
    assert!(features.contains("mesh") && !features.contains("tap-aggregation"), "{features}");
    // Switched off, nothing is used any more.
    lab.configure(&[
        "no feature bgp",
        "no feature ospf",
        "no feature mesh",
        "no ip access-list tap",
    ]);
    assert_eq!(lab.packages(), [""; 0]);
}

#[test]
fn its_gates_are_those_of_its_tables_and_what_they_do_not_name_is_shut() {
    let mut lab = lab("AM-M8", "3.1", None);
    lab.configure(&["vrf context red", "license smart vrf red"]);
    assert!(lab.run(&["show running-config"]).contains("license smart vrf red"));
    lab.run(&["configure terminal"]);
    let answer = lab.run(&["license smart source-interface mgmt0"]);
    assert!(answer.contains("This command is not supported on AM-M8"), "{answer}");
}

#[test]
fn it_reports_its_own_tags_and_takes_the_ack() {
    let mut lab = lab("AM-M8", "3.2", None);
    lab.install_trust();
    lab.configure(&["feature bgp", "feature mesh"]);
    let (mut tags, end) = (Vec::new(), lab.now + 3_600);
    lab.pass_until(end, |lab, sent| {
        let reports = reports_of(&sent.request);
        for signed in &reports {
            assert!(signed.report.software_tag.contains("example.aldermoor.M"));
            assert_eq!(signed.report.software_version, "3.2");
            tags.push(signed.report.entitlement_tag.name().to_owned());
        }
        let document = (!reports.is_empty()).then(|| lab.ack_document(&reports));
        lab.answer(sent, |response| response.smart_license = document);
    });
    tags.sort();
    tags.dedup();
    assert_eq!(tags, ["FABRIC_M", "ROUTING_M"]);
    assert!(!lab.run(&["show license status"]).contains("Last ACK received: <none>"));
}
