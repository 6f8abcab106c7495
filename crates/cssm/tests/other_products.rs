//! A CSSM that was given another vendor's tables knows its products by their names. A process has one catalogue, so these tests
//! have a file of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::path::Path;
use std::sync::Once;

use rumline_catalogue::{Catalogue, Folder};
use rumline_cssm::{Actor, Purchase, PurchaseKind};
use rumline_protocol::{EntitlementTag, ResponseStatus, SignedReport, sign_report};
use rumline_testkit::*;

fn load() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/catalogue/aldermoor");
        let files = std::fs::read_dir(path).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        });
        let folder = Folder::read(&files.collect()).unwrap();
        assert!(Catalogue::of_server(&[folder]).unwrap().load());
    });
}

fn device(lab: &Lab, pid: &str, serial: &str) -> Device {
    let mut device = Device::new(&lab.cssm, serial);
    device.udi.pid = pid.to_owned();
    device.version = "3.2";
    device
}

/// A report of the use of a package.
fn report_of(device: &Device, id: u64, package: &str, class: &str) -> SignedReport {
    let mut report = device.unsigned_report(id, START, &[(100, 1)]);
    let tag = &Catalogue::nexus().variant(package, class).unwrap().tag;
    report.entitlement_tag = EntitlementTag::new(tag.as_str()).unwrap();
    sign_report(report, device.signer.as_ref())
}

fn buy(lab: &Lab, license: &str, quantity: i64) {
    let purchase = Purchase {
        license: license.to_owned(),
        quantity,
        kind: PurchaseKind::Perpetual,
        starts_at: START.0,
        ends_at: None,
        order_number: String::new(),
    };
    lab.cssm.add_purchase(lab.now, &Actor::person("a"), lab.sa, lab.va, &purchase).unwrap();
}

#[test]
fn its_products_are_known_and_its_licences_booked_by_its_own_tiers() {
    load();
    on_every_engine(&at_once(), |lab| {
        let [fixed, modular] =
            [("AM-S48", "SN1"), ("AM-M8", "SN2")].map(|(pid, serial)| device(lab, pid, serial));
        let nexus = Device::new(&lab.cssm, "SN3");
        for one in [&fixed, &modular, &nexus] {
            let answer = lab.response(&one.trust(lab.now, &lab.token(), false));
            assert_eq!((answer.status, &*answer.status_message), (ResponseStatus::Ok, ""));
        }
        let reports = [
            report_of(&fixed, 1, "ALDERMOOR_FABRIC", "AM-FIXED"),
            report_of(&fixed, 2, "ALDERMOOR_TAP", "AM-FIXED"),
        ];
        lab.document(&fixed.usage(&[&reports[0], &reports[1]]));
        lab.document(&modular.usage(&[&report_of(&modular, 1, "ALDERMOOR_FABRIC", "AM-MODULAR")]));
        lab.document(&nexus.usage(&[&nexus.report(1, START, &[(100, 1)])]));
        let types = ["SN1", "SN2", "SN3"].map(|serial| lab.instance(serial).product_type);
        assert_eq!(types, ["Aldermoor S", "Aldermoor M", "N9300"]);
        assert!(lab.instances().iter().all(|one| one.is_in_catalogue));
        let events = lab.cssm.events(lab.sa, 1000).unwrap();
        assert!(events.iter().all(|event| !event.text.contains("not in the catalogue")));
        // Of two boxes with different tags each counts under the one package; the vendor's tier covers it, Nexus' does not.
        buy(lab, "ALDERMOOR_FULL", 2);
        buy(lab, "NXOS_PREMIER", 5);
        let lines = lab.cssm.licenses(lab.now, lab.sa).unwrap();
        let line = |name: &str| {
            let line = lines.iter().find(|line| line.license == name).unwrap();
            (line.in_use, line.substituted, line.balance)
        };
        assert_eq!(line("ALDERMOOR_FABRIC"), (2, 2, 0));
        assert_eq!(line("ALDERMOOR_TAP"), (1, 0, -1));
        assert_eq!(line(LAN), (1, 1, 0));
    });
}

#[test]
fn a_model_with_one_supervisor_has_no_standby_here_either() {
    load();
    on_every_engine(&at_once(), |lab| {
        for (pid, may) in [("AM-S48", false), ("AM-M8", true)] {
            assert_eq!(Catalogue::nexus().may_have_standby(pid), may);
        }
        let unknown = device(lab, "AM-X1", "SN9");
        let answer = lab.response(&unknown.trust(lab.now, &lab.token(), false));
        assert!(answer.status_message.contains("AM-X1 is not in the catalogue"), "{answer:?}");
    });
}
