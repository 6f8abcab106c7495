//! Devices with keys of their own that say what they like, and devices that come back as others: nobody else is held
//! up, and whoever is right gets through.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::io::{self, Read, Seek, SeekFrom, Write};

use rumline_agent::Input;
use rumline_collector::{Actor, Answer, Collector, Error};
use rumline_protocol::*;
use rumline_testkit::*;

const CSLU: rumline_collector::TenantId = Collector::CSLU_TENANT;

/// A device that is not one of ours.
struct Stranger {
    udi: Udi,
    signer: Box<dyn Signer>,
    cssm: String,
}

impl Stranger {
    fn new(estate: &Estate, serial: &str) -> Self {
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        let cssm = estate.cssm.id().to_owned();
        Self { udi: Udi::new(PID, serial).unwrap(), signer, cssm }
    }

    fn report(&self, report_id: u64, count: u32) -> UsageItem {
        let report = RumReport {
            software_tag: "regid.2017-11.com.cisco.Nexus_9300,1.0_x".to_owned(),
            udi: self.udi.clone(),
            product_instance_identifier: String::new(),
            asset_signature: None,
            entitlement_tag: lan(1).tag,
            report_id,
            software_version: "10.4(3)".to_owned(),
            previous: None,
            lineage: None,
            ha_udi: vec![HaMember { role: Role::Active, sudi: self.udi.clone() }],
            measurements: vec![Measurement {
                log_time: START,
                start_time: START,
                end_time: START + 900,
                count,
                termination_reason: None,
                clock_change_delta: None,
                resolution_seconds: None,
            }],
        };
        let signed = sign_report(report, self.signer.as_ref());
        UsageItem { payload: signed.payload, signature: signed.signature }
    }

    fn trust_request(&self, udi: &Udi) -> SignedText {
        let request = TrustRequest {
            sudi: udi.clone(),
            role: Role::Active,
            product_instance_identifier: "1".to_owned(),
            public_key: self.signer.public_key().clone(),
            timestamp: START,
            nonce: "0123456789abcdef".to_owned(),
            purpose: Purpose::TrustRequest,
            audience: self.cssm.clone(),
            token_sha256: None,
            force: false,
            smart_account: None,
            virtual_account: None,
            conversion: Vec::new(),
            valid_until: START.plus_days(TrustRequest::CARRIED_DAYS),
        };
        let signed = Signed::json(request, self.signer.as_ref());
        SignedText { data: signed.text, signature: base64(&signed.signature) }
    }

    fn message(&self, usage: Vec<UsageItem>, trust_requests: Vec<SignedText>) -> Vec<u8> {
        let request = Request {
            message_version: MESSAGE_VERSION.to_owned(),
            request_id: "1".to_owned(),
            timestamp: START.millis(),
            nonce: "2".to_owned(),
            sudi: self.udi.clone(),
            hostname: Some("stranger".to_owned()),
            software_version: None,
            customer_tags: Default::default(),
            software_tag_identifier: String::new(),
            agent_version: String::new(),
            public_key: Some(self.signer.public_key().clone()),
            proof: None,
            body: RequestBody::UsageReport {
                usage,
                trust_requests,
                smart_license: None,
                sync: false,
            },
        };
        serde_json::to_vec(&request).unwrap()
    }
}

fn say(estate: &Estate, server: usize, message: &[u8]) -> Response {
    match push(&estate.servers[server].collector, estate.now, CSLU, message) {
        Answer::Message { response, .. } => *response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn trust_for_another_udi_holds_up_nobody() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let eve = Stranger::new(&estate, "EVE");
        let report = eve.report(1, 1);
        say(&estate, server, &eve.message(vec![report.clone()], vec![]));
        estate.run_for(Timestamp::HOUR);
        let other = eve.trust_request(&Udi::new("N9K-C9504", "NOWHERE").unwrap());
        say(&estate, server, &eve.message(vec![report], vec![other]));
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(2 * Timestamp::HOUR);
        let tenant = estate.servers[server].collector.tenant(CSLU).unwrap();
        assert_eq!(tenant.sync_error, None);
        assert_eq!(estate.unacknowledged(switch), 0);
    });
}

#[test]
fn a_trust_request_that_is_not_the_devices_own_is_refused_and_spoils_nothing() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let (alice, eve) = (Stranger::new(&estate, "ALICE"), Stranger::new(&estate, "EVE"));
        let report = alice.report(1, 1);
        say(&estate, server, &alice.message(vec![report.clone()], vec![]));
        // Somebody saw the report on the wire and sends it once more, with words of his own.
        let mut forged = alice.trust_request(&alice.udi);
        forged.signature = base64(b"nonsense");
        for request in [forged, eve.trust_request(&alice.udi)] {
            let answer = say(&estate, server, &alice.message(vec![report.clone()], vec![request]));
            assert_eq!(answer.status, ResponseStatus::Failed, "{answer:?}");
        }
        estate.run_for(Timestamp::HOUR);
        let view =
            &estate.servers[server].collector.instances(CSLU, "", Default::default(), 10).unwrap()
                [0];
        assert_eq!((view.waiting, view.alert.as_deref()), (0, None), "{view:?}");
        // Nor does it rename the device.
        let mut renamed = String::from_utf8(alice.message(vec![report], vec![])).unwrap();
        renamed = renamed.replace("\"stranger\"", "\"mallory\"");
        say(&estate, server, renamed.as_bytes());
        let view =
            &estate.servers[server].collector.instances(CSLU, "", Default::default(), 10).unwrap()
                [0];
        assert_eq!(view.name, "stranger");
    });
}

#[test]
fn what_is_too_long_is_refused_before_it_is_kept() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let eve = Stranger::new(&estate, "EVE");
        let mut padded = eve.report(1, 1);
        padded.signature.value.push_str(&" ".repeat(5000));
        let mut long = eve.trust_request(&eve.udi);
        long.data.push_str(&" ".repeat(20_000));
        let many = vec![eve.trust_request(&eve.udi); 17];
        for (usage, requests, told) in [
            (padded, vec![], "signature of the report is too long"),
            (eve.report(1, 1), vec![long], "too long"),
            (eve.report(1, 1), many, "too many trust requests"),
        ] {
            let answer = say(&estate, server, &eve.message(vec![usage], requests));
            assert_eq!(answer.status, ResponseStatus::Failed);
            assert!(answer.status_message.contains(told), "{}", answer.status_message);
        }
        assert!(
            estate.servers[server]
                .collector
                .instances(CSLU, "", Default::default(), 10)
                .unwrap()
                .is_empty()
        );
        estate.run_for(Timestamp::HOUR);
    });
}

#[test]
fn reports_of_many_bytes_leave_in_bundles_that_cssm_takes() {
    let mut estate = Estate::new();
    let server = estate.add_cslu(true);
    estate.servers[server].cssm_reachable = false;
    let eve = Stranger::new(&estate, "EVE");
    // The most that one report may hold is filled with what takes twice the room in a file.
    for id in 1..=6 {
        let mut item = eve.report(id, 1);
        item.payload.push_str(&"\t".repeat(7 << 20));
        item.signature.value = base64(&eve.signer.sign(item.payload.as_bytes()));
        let answer = say(&estate, server, &eve.message(vec![item], vec![]));
        assert_eq!(answer.status, ResponseStatus::OkPoll, "{}", answer.status_message);
    }
    let switch = estate.add_switch("SN1", through(server, None));
    estate.input(switch, Input::Use(vec![lan(1)]));
    estate.run_for(Timestamp::HOUR);
    // By file: one device's reports take several members.
    let (name, bundle) = estate.export(server, CSLU, None);
    let file = estate.upload(estate.va, &name, &bundle);
    assert_eq!((file.status.as_str(), file.reports_new), ("No Errors", 7), "{file:?}");
    // By wire, too.
    estate.servers[server].cssm_reachable = true;
    estate.run_for(2 * Timestamp::HOUR);
    let tenant = estate.servers[server].collector.tenant(CSLU).unwrap();
    assert_eq!(tenant.sync_error, None);
    assert_eq!(estate.unacknowledged(switch), 0);
}

#[test]
fn a_device_that_comes_back_with_another_key_is_taken_once_the_old_one_is_removed() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        let collector = estate.servers[server].collector.clone();
        let (old, new) = (Stranger::new(&estate, "SN9"), Stranger::new(&estate, "SN9"));
        say(&estate, server, &old.message(vec![old.report(1, 1)], vec![]));
        let taken = say(&estate, server, &new.message(vec![new.report(7, 2)], vec![]));
        assert_eq!(taken.status, ResponseStatus::Failed);
        let id = collector.instances(CSLU, "", Default::default(), 10).unwrap()[0].id;
        collector.remove_instance(estate.now, &Actor::person("eve"), CSLU, id).unwrap();
        // The report of the old one still waits: that keeps nobody out, and it is not lost.
        let taken = say(&estate, server, &new.message(vec![new.report(7, 2)], vec![]));
        assert_eq!(taken.status, ResponseStatus::OkPoll, "{}", taken.status_message);
        let views = collector.instances(CSLU, "", Default::default(), 10).unwrap();
        assert_eq!((views.len(), views[0].waiting), (1, 1));
        assert!(collector.remove_tenant(estate.now, &Actor::person("eve"), CSLU).is_err());
        let (name, bundle) = estate.export(server, CSLU, None);
        let file = estate.upload(estate.va, &name, &bundle);
        // CSSM knows the device by the key it heard first.
        assert_eq!(file.reports_new, 1, "{file:?}");
        estate.import(server, CSLU, &name, &estate.download(&file)).unwrap();
        let view = collector.instances(CSLU, "", Default::default(), 10).unwrap().remove(0);
        assert_eq!(view.state, "Answer waits for the next contact", "{view:?}");
        assert!(view.alert.as_deref().unwrap_or_default().contains("another key"), "{view:?}");
        // And the old one, should it come back, is not the new one.
        let old_again = say(&estate, server, &old.message(vec![old.report(2, 1)], vec![]));
        assert_eq!(old_again.status, ResponseStatus::Failed);
    });
}

#[test]
fn a_report_under_a_number_that_is_taken_is_kept_beside_the_first_and_people_are_told() {
    let estate = &mut Estate::new();
    let server = estate.add_cslu(false);
    let collector = estate.servers[server].collector.clone();
    let device = Stranger::new(estate, "SN1");
    say(estate, server, &device.message(vec![device.report(1, 1)], vec![]));
    let message = device.message(vec![device.report(1, 2), device.report(2, 2)], vec![]);
    assert_eq!(say(estate, server, &message).status, ResponseStatus::OkPoll);
    let view = collector.instances(CSLU, "", Default::default(), 10).unwrap().remove(0);
    // Both go to CSSM, which tells the device.
    assert_eq!(view.waiting, 3);
    let alert = view.alert.unwrap();
    assert!(alert.contains("Another report with the number 1"), "{alert}");
}

#[test]
fn the_order_of_a_devices_reports_outlives_a_clock_set_back() {
    // "Forwarded in order"
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        estate.servers[server].cssm_reachable = false;
        let device = Stranger::new(&estate, "SN1");
        say(&estate, server, &device.message(vec![device.report(1, 1)], vec![]));
        estate.now = START - 365 * Timestamp::DAY;
        say(&estate, server, &device.message(vec![device.report(2, 1)], vec![]));
        let batch = estate.servers[server].collector.next_batch(estate.now, CSLU).unwrap().unwrap();
        let limits =
            ArchiveLimits { total_bytes_max: 1 << 24, member_bytes_max: 1 << 24, members_max: 100 };
        let members = read_members(&batch.bytes, limits).unwrap();
        let file = members.iter().find(|member| member.name.starts_with("dev_")).unwrap();
        let document = Document::parse(&file.bytes).unwrap();
        let order: Vec<u64> =
            document.reports.iter().map(|signed| signed.report.report_id).collect();
        assert_eq!(order, [1, 2]);
    });
}

#[test]
fn the_policy_of_an_account_goes_with_it() {
    // CSLU-013, TOPO-3-003
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        let collector = estate.servers[server].collector.clone();
        let policy = estate.cssm.policy_file(estate.now, estate.sa, estate.va).unwrap();
        estate.import(server, CSLU, "policy.xml", policy.as_bytes()).unwrap();
        let first = Stranger::new(&estate, "SN1");
        let answer = say(&estate, server, &first.message(vec![first.report(1, 1)], vec![]));
        assert!(answer.smart_license.unwrap().contains("Example"));
        let mut other = account("Default", false);
        other.smart_account = "Other".to_owned();
        collector.set_tenant(estate.now, &Actor::person("eve"), CSLU, &other).unwrap();
        let second = Stranger::new(&estate, "SN2");
        let answer = say(&estate, server, &second.message(vec![second.report(1, 1)], vec![]));
        assert_eq!(answer.smart_license, None);
    });
}

#[test]
fn a_switch_that_asks_is_polled_for_until_its_answer_has_come_by_file() {
    // TOPO-3-004, PI-POL-013
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Sync);
        estate.run_for(2 * Timestamp::HOUR);
        let (name, bundle) = estate.export(server, CSLU, None);
        let file = estate.upload(estate.va, &name, &bundle);
        estate.import(server, CSLU, &name, &estate.download(&file)).unwrap();
        estate.run_for(Timestamp::HOUR);
        let view =
            &estate.servers[server].collector.instances(CSLU, "", Default::default(), 10).unwrap()
                [0];
        assert_ne!(view.state, "Answer waits for the next contact");
        let log = estate.event_log(switch);
        assert!(log.contains("SAEVT_DATA_INSTALLED type=\"POLICY\""), "{log}");
    });
}

#[test]
fn what_lies_beside_the_signed_part_of_a_bundle_is_refused() {
    // CSLU-019: a collector's signature covers all of its bundle, for whoever carries it
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.servers[server].cssm_reachable = false;
        estate.run_for(Timestamp::HOUR);
        let (name, bundle) = estate.export(server, CSLU, None);
        let eve = Stranger::new(&estate, "EVE");
        let item = eve.report(1, 1);
        let mut document = DocumentWriter::new();
        document.device_info(&DeviceInfo {
            sudi: eve.udi.clone(),
            hostname: None,
            software_tag_identifier: String::new(),
            software_version: None,
            public_key: Some(eve.signer.public_key().clone()),
            older: None,
        });
        document.kept_report(&item.payload, &item.signature);
        let added =
            [("evil.txt", document.finish()), (MANIFEST_NAME, "Manifest-Version: 1.0".to_owned())];
        for (added_name, text) in added {
            let mut archive = ArchiveWriter::new(Vec::new(), START);
            let mut tar = Vec::new();
            Read::read_to_end(&mut flate2::read::GzDecoder::new(&bundle[..]), &mut tar).unwrap();
            let mut read = tar::Archive::new(&tar[..]);
            for entry in read.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let size = entry.size();
                archive.add(&path, size, &mut entry).unwrap();
            }
            archive.add(added_name, text.len() as u64, text.as_bytes()).unwrap();
            let bytes = archive.finish().unwrap();
            let refused = estate.cssm.receive_bundle(estate.now, &bytes).unwrap_err().to_string();
            assert!(refused.contains("beside") || refused.contains("more than one"), "{refused}");
            let (sa, va) = (estate.sa, estate.va);
            let refused =
                estate.cssm.upload_usage(estate.now, &Actor::person("eve"), sa, va, &name, &bytes);
            assert!(refused.is_err());
        }
        assert!(
            estate
                .cssm
                .instances(estate.sa, &rumline_server::Only::All, Default::default(), 10)
                .unwrap()
                .is_empty()
        );
    });
}

/// A file on a disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Full {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}

impl Seek for Full {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn an_export_to_a_full_disk_ends_and_changes_nothing() {
    // CSLU-016: whoever reads does not wait for ever for whoever cannot write
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(false);
        for number in 0..1000 {
            let stranger = Stranger::new(&estate, &format!("SN{number}"));
            say(&estate, server, &stranger.message(vec![stranger.report(1, 1)], Vec::new()));
        }
        let collector = &estate.servers[server].collector;
        let error = collector
            .export(estate.now, &Actor::person("eve"), CSLU, None, Full, &mut io::sink())
            .unwrap_err();
        assert!(matches!(error, Error::Unwritten(_)), "{error}");
        assert!(collector.transfers(CSLU).unwrap().is_empty());
        let (name, bundle) = estate.export(server, CSLU, None);
        assert_eq!(estate.upload(estate.va, &name, &bundle).reports_new, 1000);
    });
}
