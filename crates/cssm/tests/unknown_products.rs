//! Products and licences that are in no table of this CSSM (C-48): told in the answer, in the file's words, by an event, on the
//! device; and counted like any others.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use rumline_cssm::{Actor, Error, Purchase, PurchaseKind};
use rumline_protocol::{EntitlementTag, ResponseStatus, SignedReport, sign_report};
use rumline_testkit::*;

const PID: &str = "N9K-UNKNOWN";
const TOLD: &str =
    "the product id N9K-UNKNOWN is not in the catalogue of this CSSM; its use is counted";
/// A tag that is in no table either.
const TAG: &str = "regid.2026-01.example.other.ROUTING_S,1.0_b1d0c0de-0000-4000-8000-000000000001";

fn unknown(lab: &Lab, serial: &str) -> Device {
    let mut device = Device::new(&lab.cssm, serial);
    device.udi.pid = PID.to_owned();
    device
}

fn report_of(device: &Device, id: u64, tag: &str, count: u32) -> SignedReport {
    let mut report = device.unsigned_report(id, START, &[(100, count)]);
    report.entitlement_tag = EntitlementTag::new(tag).unwrap();
    sign_report(report, device.signer.as_ref())
}

fn events(lab: &Lab) -> Vec<String> {
    let events = lab.cssm.events(lab.sa, 1000).unwrap();
    events.into_iter().map(|event| event.text).filter(|text| text.contains("catalogue")).collect()
}

/// In use by license, in the whole account.
fn in_use(lab: &Lab) -> Vec<(String, i64)> {
    let lines = lab.cssm.licenses(lab.now, lab.sa).unwrap();
    lines.into_iter().map(|line| (line.license, line.in_use)).collect()
}

#[test]
fn every_answer_to_a_device_of_an_unknown_product_says_so_and_gives_all_there_is() {
    on_every_engine(&at_once(), |lab| {
        let device = unknown(lab, "SN1");
        let trust = lab.response(&device.trust(lab.now, &lab.token(), false));
        assert_eq!((trust.status, trust.status_message.as_str()), (ResponseStatus::Ok, TOLD));
        assert!(trust.smart_license.unwrap().contains("trust"));
        let usage = device.usage(&[&device.report(1, START, &[(100, 2)])]);
        let answer = lab.response(&usage);
        assert_eq!((answer.status, answer.status_message.as_str()), (ResponseStatus::Ok, TOLD));
        assert_eq!(lab.entries(&usage), [accepted(1)]);
        let sync = lab.response(&device.sync(lab.now));
        assert_eq!((sync.status, sync.status_message.as_str()), (ResponseStatus::Ok, TOLD));
        // A refusal has its own words.
        let mut other = unknown(lab, "SN1");
        other.udi.serial = "SN2".to_owned();
        assert!(!lab.refusal(&other.usage(&[&other.report(1, START, &[(1, 1)])])).contains(PID));
        // One that is known is told nothing.
        let known = Device::new(&lab.cssm, "SN3");
        let trust = lab.response(&known.trust(lab.now, &lab.token(), false));
        assert_eq!((trust.status, trust.status_message.as_str()), (ResponseStatus::Ok, ""));
        assert!(lab.instance("SN3").is_in_catalogue && !lab.instance("SN1").is_in_catalogue);
        assert_eq!(lab.instance("SN1").product_type, "Other");
    });
}

#[test]
fn an_answer_that_takes_its_time_says_it_at_once_and_when_it_is_fetched() {
    let settings = rumline_cssm::Settings { ack_delay_seconds: 60, ..at_once() };
    on_every_engine(&settings, |lab| {
        let device = unknown(lab, "SN1");
        lab.register(&device);
        let first = lab.response(&device.usage(&[&device.report(1, START, &[(100, 1)])]));
        assert_eq!((first.status, first.status_message.as_str()), (ResponseStatus::OkPoll, TOLD));
        lab.now = lab.now + 60;
        let fetched = lab.response(&device.poll(lab.now, &first.poll_id.unwrap()));
        assert_eq!((fetched.status, fetched.status_message.as_str()), (ResponseStatus::Ok, TOLD));
    });
}

#[test]
fn an_event_tells_it_once_for_each_time_it_is_registered() {
    on_every_engine(&at_once(), |lab| {
        let device = unknown(lab, "SN1");
        lab.register(&device);
        for id in 1..4 {
            lab.document(&device.usage(&[&device.report(id, START + 100, &[(100, 1)])]));
        }
        let told = events(lab);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("{}: {TOLD}; ", device.udi)), "{told:?}");
        assert!(told[0].contains("--catalogue"), "{told:?}");
        lab.let_go("SN1");
        lab.register(&device);
        assert_eq!(events(lab).len(), 2);
        lab.register(&Device::new(&lab.cssm, "SN2"));
        assert_eq!(events(lab).len(), 2);
    });
}

#[test]
fn what_it_uses_is_counted_under_known_and_unknown_tags() {
    on_every_engine(&at_once(), |lab| {
        let device = unknown(lab, "SN1");
        lab.register(&device);
        let reports = [device.report(1, START, &[(100, 2)]), report_of(&device, 2, TAG, 3)];
        assert_eq!(
            lab.entries(&device.usage(&[&reports[0], &reports[1]])),
            [accepted(1), accepted(2)]
        );
        // A known product may use what is not known here as well.
        let known = Device::new(&lab.cssm, "SN2");
        lab.register(&known);
        lab.document(&known.usage(&[&report_of(&known, 1, TAG, 4)]));
        assert_eq!(in_use(lab), [(LAN.to_owned(), 2), ("ROUTING_S".to_owned(), 7)]);
        assert_eq!(lab.counted("SN1"), 500);
        let names: Vec<_> = lab.instance("SN1").licenses.into_iter().map(|l| l.license).collect();
        assert_eq!(names, [LAN, "ROUTING_S"]);
        // What may be bought is what the tables say: its balance is short until they know it.
        let purchase = Purchase {
            license: "ROUTING_S".to_owned(),
            quantity: 9,
            kind: PurchaseKind::Perpetual,
            starts_at: START.0,
            ends_at: None,
            order_number: String::new(),
        };
        let bought = lab.cssm.add_purchase(lab.now, &Actor::person("a"), lab.sa, lab.va, &purchase);
        assert!(
            matches!(bought, Err(Error::Invalid(text) | Error::Field { text, .. }) if text.contains("no license"))
        );
        // Its removal frees what it used, like any other's.
        lab.let_go("SN1");
        assert_eq!(in_use(lab), [("ROUTING_S".to_owned(), 4)]);
    });
}

#[test]
fn a_usage_file_says_it_and_is_no_error() {
    on_every_engine(&at_once(), |lab| {
        let device = unknown(lab, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 2)])]);
        let file = lab.upload("usage.txt", text.as_bytes()).unwrap();
        assert_eq!(file.status, "No Errors");
        assert_eq!(file.message, format!("1 reports accepted. {TOLD}."));
        assert_eq!((file.reports_new, file.acknowledgement_ready), (1, true));
        assert_eq!(in_use(lab), [(LAN.to_owned(), 2)]);
        assert_eq!(events(lab).len(), 2, "the registration and the file");
        // Again it says so again; of a known one it says nothing.
        let again = lab.upload("usage.txt", text.as_bytes()).unwrap();
        assert_eq!(
            again.message,
            format!("All reports in this file were received before. {TOLD}.")
        );
        let known = Device::new(&lab.cssm, "SN2");
        let text = known.usage_file(lab.now, &[&known.report(1, START, &[(100, 2)])]);
        let file = lab.upload("usage.txt", text.as_bytes()).unwrap();
        assert_eq!(file.message, "1 reports accepted.");
    });
}
