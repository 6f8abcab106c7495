#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Usage files and what people take back (CSSM-016 to 021; FILE-001 to 012; TOPO-6; C-34).

use std::io::{Cursor, Write};

use rumline_agent::{Config, Input, Transport};
use rumline_cssm::{
    Actor, Error, InstanceId, Only, SmartAccountId, UsageFile, UsageFileId, VirtualAccountId,
};
use rumline_protocol::*;
use rumline_testkit::*;

const AGAIN: &str = "All reports in this file were received before.";

fn offline() -> Config {
    Config { transport: Transport::Off, ..Config::default() }
}

fn member(name: &str, text: &str) -> Member {
    Member { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive with one member whose header a test writes itself.
fn odd_tar(name: &[u8], kind: tar::EntryType, link: Option<&str>, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    if let Some(link) = link {
        header.set_link_name(link).unwrap();
    }
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap()
}

/// Nothing was taken: no device, no file, no event.
fn assert_untouched(lab: &Lab, events: usize) {
    assert!(lab.instances().is_empty());
    assert!(lab.cssm.usage_files(lab.sa, &Only::All).unwrap().is_empty());
    assert!(lab.cssm.licenses(lab.now, lab.sa).unwrap().is_empty());
    assert_eq!(lab.cssm.events(lab.sa, 1000).unwrap().len(), events);
}

#[test]
fn a_usage_file_is_taken_as_xml_as_tar_and_as_gzipped_tar() {
    // CSSM-017, CSSM-018, FILE-004, FILE-005, C-34
    on_every_engine(&at_once(), |lab| {
        let saved: Vec<String> = ["SN1", "SN2", "SN3", "SN4"]
            .map(|serial| {
                let mut switch = lab.switch_with(serial, offline(), "10.4(3)");
                switch.agent.set_hostname("leaf-101");
                switch.handle(START, Input::Use(vec![lan(2)]));
                switch.save_usage(START + 50);
                switch.save_usage(START + 100)
            })
            .to_vec();
        lab.now = START + 100;
        let first = lab.upload("all_rum.txt", saved[0].as_bytes()).unwrap();
        assert_eq!(
            (first.name.as_str(), first.uploaded_by.as_str(), first.uploaded_at),
            ("all_rum.txt", "eve", lab.now.0)
        );
        assert_eq!(
            (first.status.as_str(), first.message.as_str()),
            ("No Errors", "2 reports accepted.")
        );
        assert_eq!((first.product_instances, first.reports_new, first.reports_known), (1, 2, 0));
        assert!(first.acknowledgement_ready);
        assert_eq!(first.virtual_account_id, lab.va);
        let archive = write_tar(&[member("a.txt", &saved[1])]);
        assert_eq!(lab.upload("usage.tar", &archive).unwrap().reports_new, 2);
        let both = [member("site/b.xml", &saved[2]), member("site/c.txt", &saved[3])];
        let zipped = lab.upload("usage.tar.gz", &gzip(&write_tar(&both))).unwrap();
        assert_eq!((zipped.product_instances, zipped.reports_new), (2, 4));
        for serial in ["SN1", "SN2", "SN3", "SN4"] {
            assert_eq!(lab.counted(serial), 200, "{serial}");
            let instance = lab.instance(serial);
            assert_eq!(instance.name, "leaf-101");
            assert_eq!((instance.reports, instance.reports_missing), (2, 0));
            assert_eq!(instance.last_report_at, Some(lab.now.0));
        }
        let files = lab.cssm.usage_files(lab.sa, &Only::All).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["usage.tar.gz", "usage.tar", "all_rum.txt"], "newest first");
        assert_eq!(files[2], first);
    });
}

#[test]
fn a_file_uploaded_twice_counts_once_and_says_so() {
    // CSSM-020, G-17: duplicates are acknowledged again
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch_with("SN1", offline(), "10.4(3)");
        switch.handle(START, Input::Use(vec![lan(1)]));
        let early = switch.save_usage(START + 50);
        let late = switch.save_usage(START + 100);
        lab.now = START + 200;
        assert_eq!(lab.upload("late.txt", late.as_bytes()).unwrap().reports_new, 2);
        for file in [&late, &early] {
            let again = lab.upload("again.txt", file.as_bytes()).unwrap();
            assert_eq!((again.status.as_str(), again.message.as_str()), ("No Errors", AGAIN));
            assert_eq!(again.reports_new, 0);
            let (_, ack) = lab.cssm.acknowledgement_file(lab.sa, again.id).unwrap();
            let entries = entries_of(&Document::parse(ack.as_bytes()).unwrap());
            assert_eq!(entries.len(), usize::try_from(again.reports_known).unwrap());
            assert!(entries.iter().all(|entry| *entry == accepted(entry.0)));
        }
        assert_eq!(lab.counted("SN1"), 100);
        // And the same over the network, later.
        assert_eq!(lab.cssm.usage_files(lab.sa, &Only::All).unwrap().len(), 3);
        // The same switch twice in one archive is still one product instance.
        let both = write_tar(&[member("a.txt", &early), member("b.txt", &late)]);
        let file = lab.upload("both.tar", &both).unwrap();
        assert_eq!((file.reports_known, lab.counted("SN1")), (3, 100));
        assert_eq!(file.product_instances, 1);
    });
}

#[test]
fn a_switch_of_another_smart_account_is_refused_and_nothing_is_stored() {
    // CSSM-021
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let (other, other_va) = lab.other_account("Other");
        let report = device.report(1, START, &[(100, 1)]);
        let file = device.usage_file(lab.now, &[&report]);
        let newcomer = Device::new(&lab.cssm, "SN2");
        let good = newcomer.usage_file(lab.now, &[&newcomer.report(1, START, &[(100, 1)])]);
        let archive = write_tar(&[member("good.txt", &good), member("bad.txt", &file)]);
        for bytes in [file.as_bytes(), &archive] {
            let outcome = lab.cssm.upload_usage(
                lab.now,
                &Actor::person("eve"),
                other,
                other_va,
                "x.txt",
                bytes,
            );
            let file = outcome.unwrap();
            assert_eq!((file.status.as_str(), file.set_aside), ("Errors", 0));
            let text = &file.message;
            assert!(text.contains("SN1") && text.contains("another Smart Account"), "{text}");
        }
        // The newcomer in the archive is taken; SN1 stays where it is, and both accounts are told (T16).
        let there = lab.cssm.instances(other, &Only::All, InstanceId::default(), 10).unwrap();
        assert_eq!(there.iter().map(|i| i.serial.as_str()).collect::<Vec<_>>(), ["SN2"]);
        for (account, words) in [(lab.sa, "tried to register"), (other, "belongs to another")] {
            let alerts = lab.cssm.alerts(account).unwrap();
            assert_eq!((alerts.len(), alerts[0].kind.as_str()), (1, "other account"));
            assert!(alerts[0].text.contains(words) && alerts[0].subject.contains("SN1"));
        }
        assert_eq!(lab.cssm.claims(other).unwrap()[0].serial, "SN1");
        assert_eq!(lab.instance("SN1").reports, 0);
        // Nor into a virtual account that is not there, or belongs to another account.
        let nowhere = VirtualAccountId(999);
        for (sa, va) in
            [(other, lab.va), (lab.sa, other_va), (lab.sa, nowhere), (SmartAccountId(999), nowhere)]
        {
            let outcome = lab.cssm.upload_usage(
                lab.now,
                &Actor::person("eve"),
                sa,
                va,
                "x.txt",
                file.as_bytes(),
            );
            assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
        }
        // Into another virtual account of its own it moves when somebody has seen it and says yes (T9).
        let lab_va = lab.virtual_account("Lab");
        let (eve, bytes) = (Actor::person("eve"), file.as_bytes());
        let upload = lab.cssm.upload_usage(lab.now, &eve, lab.sa, lab_va, "x.txt", bytes).unwrap();
        assert_eq!((upload.status.as_str(), upload.set_aside), ("Errors", 1));
        assert!(!upload.acknowledgement_ready, "nothing was taken");
        assert!(
            upload.message.contains("SN1 belongs to another virtual account"),
            "{}",
            upload.message
        );
        assert_eq!(lab.instance("SN1").virtual_account_id, lab.va);
        assert_eq!(lab.counted("SN1"), 0);
        let moved = lab.cssm.move_set_aside(lab.now, &eve, lab.sa, upload.id).unwrap();
        assert_eq!((moved.status.as_str(), moved.reports_new), ("No Errors", 1));
        assert_eq!(lab.instance("SN1").virtual_account_id, lab_va);
        assert_eq!(lab.counted("SN1"), 100);
        assert!(lab.cssm.move_set_aside(lab.now, &eve, lab.sa, upload.id).is_err(), "once");
    });
}

#[test]
fn a_damaged_file_is_refused_and_nothing_is_stored() {
    // CSSM-025, FILE-009
    on_every_engine(&at_once(), |lab| {
        let (device, other) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        let reports = [1, 2].map(|id| device.report(id, START, &[(100, 1)]));
        let good = device.usage_file(lab.now, &[&reports[0], &reports[1]]);
        let events = lab.cssm.events(lab.sa, 1000).unwrap().len();
        let from = good.find("asset_identification").unwrap();
        let to = good.find("\"header\"").unwrap() - 3;
        for at in (from..to).step_by(19) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(lab.upload("bad.txt", &bytes).is_err(), "byte {at}");
        }
        let info = good.find("<smartLicenseSystemInfo>").unwrap();
        let json = good[info..].find('{').unwrap() + info..good.rfind('}').unwrap();
        let signature =
            good.rfind("<signature>").unwrap() + 11..good.rfind("</signature>").unwrap();
        for at in json.step_by(7).chain(signature.step_by(3)) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(lab.upload("bad.txt", &bytes).is_err(), "byte {at}");
        }
        for length in (0..good.len() - 20).step_by(97) {
            assert!(lab.upload("cut.txt", &good.as_bytes()[..length]).is_err(), "{length}");
        }
        let no_info = format!("{}</smartLicense>\n", &good[..info]);
        let foreign = other.report(3, START, &[(100, 1)]);
        let mut renamed = device.report(4, START, &[(100, 1)]);
        renamed.payload = renamed.payload.replace("SN1", "SN3");
        renamed.signature.sudi = udi("SN3");
        let policy = lab.cssm.policy_file(lab.now, lab.sa, lab.va).unwrap();
        for (what, text) in [
            ("no system information", no_info),
            ("a report of another device", device.usage_file(lab.now, &[&reports[0], &foreign])),
            ("a report renamed", device.usage_file(lab.now, &[&renamed])),
            ("no report", device.usage_file(lab.now, &[])),
            ("a policy file", policy),
            ("nothing", String::new()),
            ("text", "hello".to_owned()),
            ("another XML", "<html></html>".to_owned()),
            ("an entity", format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{good}")),
            ("deep", "<a>".repeat(100_000)),
        ] {
            assert!(lab.upload("bad.txt", text.as_bytes()).is_err(), "{what}");
        }
        assert!(lab.upload("bad.bin", &[0xff; 10_000]).is_err());
        assert_untouched(lab, events);
        // Line ends that a mail program changed are no damage.
        let file = lab.upload("good.txt", good.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(file.reports_new, 2);
    });
}

#[test]
fn an_archive_with_one_bad_member_is_not_taken_at_all() {
    // CSSM-017, G-17
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 1)])]);
        let events = lab.cssm.events(lab.sa, 1000).unwrap().len();
        let tampered = text.replace("\"10.4(3)\"", "\"10.4(4)\"");
        for bad in ["", "README", "<smartLicense>", tampered.as_str()] {
            for order in [[bad, &text], [&text, bad]] {
                let archive = write_tar(&[member("1.txt", order[0]), member("2.txt", order[1])]);
                assert!(lab.upload("usage.tar", &archive).is_err(), "{bad}");
                assert!(lab.upload("usage.tar.gz", &gzip(&archive)).is_err(), "{bad}");
            }
        }
        let archive = write_tar(&[member("1.txt", &text)]);
        assert!(lab.upload("usage.tar", &archive[..700]).is_err());
        let zipped = gzip(&archive);
        assert!(lab.upload("usage.tar.gz", &zipped[..zipped.len() / 2]).is_err());
        assert!(lab.upload("empty.tar.gz", &gzip(&[0; 1024])).is_err());
        assert_untouched(lab, events);
    });
}

#[test]
fn members_that_lead_elsewhere_or_unpack_without_end_are_refused() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 1)])]);
        let events = lab.cssm.events(lab.sa, 1000).unwrap().len();
        let content = text.as_bytes();
        for name in ["../x", "a/../../x", "/etc/passwd", "..", "a\\..\\x", "a\nb"] {
            let archive = odd_tar(name.as_bytes(), tar::EntryType::Regular, None, content);
            for bytes in [archive.clone(), gzip(&archive)] {
                let error = lab.upload("usage.tar", &bytes).unwrap_err();
                assert!(
                    matches!(error, Error::Invalid(_) | Error::Field { .. }),
                    "{name}: {error}"
                );
            }
        }
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
            let archive = odd_tar(b"x", kind, Some("/etc/passwd"), b"");
            assert!(lab.upload("usage.tar", &archive).is_err(), "{kind:?}");
        }
        for kind in [tar::EntryType::Fifo, tar::EntryType::Char, tar::EntryType::Block] {
            assert!(lab.upload("usage.tar", &odd_tar(b"x", kind, None, b"")).is_err(), "{kind:?}");
        }
        // A member that claims to be larger than an archive may unpack to.
        let mut huge = odd_tar(b"x", tar::EntryType::Regular, None, content);
        let mut header = tar::Header::from_byte_slice(&huge[..512]).clone();
        header.set_size(600 << 20);
        header.set_cksum();
        huge[..512].copy_from_slice(header.as_bytes());
        let error = lab.upload("usage.tar", &huge).unwrap_err().to_string();
        assert!(error.contains("more than"), "{error}");
        let many: Vec<Member> = (0..20_001).map(|n| member(&n.to_string(), "")).collect();
        let error = lab.upload("usage.tar", &write_tar(&many)).unwrap_err().to_string();
        assert!(error.contains("20000 files"), "{error}");
        assert_untouched(lab, events);
    });
}

#[test]
fn the_ack_file_goes_back_to_the_switch_with_its_trust_code() {
    // TOPO-6-002, CSSM-020, FILE-006, FILE-007, FILE-008, FILE-010, PI-TRUST-001
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch_with("SN1", offline(), "10.4(3)");
        switch.handle(START, Input::Use(vec![lan(1)]));
        let saved = switch.save_usage(START + 100);
        lab.now = START + 500;
        let file = lab.upload("all_rum.txt", saved.as_bytes()).unwrap();
        let (name, ack) = lab.cssm.acknowledgement_file(lab.sa, file.id).unwrap();
        assert_eq!(name, "ACK_all_rum.txt");
        let document = Document::parse(ack.as_bytes()).unwrap();
        let account = document.account.unwrap().value;
        assert_eq!(account.timestamp_millis, lab.now.millis());
        assert_eq!((account.smart_account_id, account.virtual_account_id), (lab.sa.0, lab.va.0));
        let entry = &document.acknowledgements[0].value[0];
        assert_eq!(entry.sudi, udi("SN1"));
        assert_eq!(entry.product_instance_identifier, switch.agent.product_instance_identifier());
        assert_eq!(entry.subscription_id, None);
        assert_eq!(document.correlation_id.as_ref(), Some(&entry.correlation_id));
        lab.now = START + 1000;
        let summary = switch.import(lab.now, &ack);
        assert!(summary.refused.is_empty(), "{:?}", summary.refused);
        assert_eq!(summary.installed, ["TRUST CODE", "RUM ACK", "ACCOUNT INFO"]);
        assert!(switch.agent.has_trust());
        assert_eq!(switch.agent.usage_reporting().last_ack_at, Some(lab.now));
        assert_eq!(switch.agent.report_counts(), [1, 0, 0, 1, 0]);
        assert!(lab.instance("SN1").trusted);
        assert_eq!(lab.instance("SN1").last_ack_at, Some(file.uploaded_at));
        // The ACK of one switch is nothing to another, nor is one that was changed.
        let mut other = lab.switch_with("SN2", offline(), "10.4(3)");
        let nothing = other.import(lab.now, &ack);
        assert!(nothing.installed.is_empty(), "{nothing:?}");
        assert_eq!(other.agent.account(), None);
        assert!(!other.agent.has_trust());
        let bent = ack.replace("accepted", "bccepted");
        assert_eq!(switch.import(lab.now, &bent).refused[0].0, "RUM ACK");
        // The next file asks for no trust code and brings none.
        let saved = switch.save_usage(lab.now);
        let file = lab.upload("next.txt", saved.as_bytes()).unwrap();
        let (_, ack) = lab.cssm.acknowledgement_file(lab.sa, file.id).unwrap();
        assert_eq!(switch.import(lab.now, &ack).installed, ["RUM ACK", "ACCOUNT INFO"]);
    });
}

#[test]
fn one_ack_file_serves_all_switches_of_an_archive() {
    // CSSM-020, FILE-009
    on_every_engine(&at_once(), |lab| {
        let mut switches: Vec<Switch> =
            ["SN1", "SN2"].map(|serial| lab.switch_with(serial, offline(), "10.4(3)")).into();
        let saved: Vec<Member> = switches
            .iter_mut()
            .enumerate()
            .map(|(index, switch)| {
                switch.handle(START, Input::Use(vec![lan(1)]));
                member(&index.to_string(), &switch.save_usage(START + 100))
            })
            .collect();
        let file = lab.upload("all.tar", &write_tar(&saved)).unwrap();
        let (_, ack) = lab.cssm.acknowledgement_file(lab.sa, file.id).unwrap();
        for switch in &mut switches {
            let summary = switch.import(START + 200, &ack);
            assert!(summary.installed.contains(&"RUM ACK"), "{summary:?}");
            assert!(summary.installed.contains(&"TRUST CODE"), "{summary:?}");
            assert_eq!(switch.agent.report_counts(), [1, 0, 0, 1, 0]);
            let failed = switch.log.iter().find(|line| line.contains("FAILED"));
            assert_eq!(failed, None, "the other switch's trust code is no failure of this one");
        }
    });
}

#[test]
fn the_ack_file_is_named_after_the_usage_file() {
    // CSSM-020, FILE-010
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 1)])]);
        for (name, expected) in [
            ("all_rum.txt", "ACK_all_rum.txt"),
            ("usage.xml", "ACK_usage.txt"),
            ("usage.tar", "ACK_usage.txt"),
            ("usage.tar.gz", "ACK_usage.txt"),
            ("usage", "ACK_usage.txt"),
            ("site 7, row é.txt", "ACK_site 7, row é.txt"),
        ] {
            let file = lab.upload(name, text.as_bytes()).unwrap();
            let (found, _) = lab.cssm.acknowledgement_file(lab.sa, file.id).unwrap();
            assert_eq!(found, expected);
        }
        for bad in ["", " x", "a\nb", "a\0b", &"x".repeat(101)] {
            assert!(lab.upload(bad, text.as_bytes()).is_err(), "{bad:?}");
        }
        let id = lab.cssm.usage_files(lab.sa, &Only::All).unwrap()[0].id;
        let (other, _) = lab.other_account("Other");
        assert!(lab.cssm.acknowledgement_file(other, id).is_err());
        assert!(lab.cssm.acknowledgement_file(lab.sa, UsageFileId(id.0 + 1)).is_err());
    });
}

#[test]
fn a_file_name_that_leads_elsewhere_names_no_ack_file() {
    // A name with folders in it is refused, or its folders are left out.
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 1)])]);
        for name in ["../../x.txt", "/etc/x.txt", "C:\\fakepath\\x.txt"] {
            if let Ok(file) = lab.upload(name, text.as_bytes()) {
                let (found, _) = lab.cssm.acknowledgement_file(lab.sa, file.id).unwrap();
                assert!(!found.contains(['/', '\\']), "{found}");
            }
        }
    });
}

#[test]
fn a_policy_file_installs_on_a_switch() {
    // CSSM-016, CSSM-023, FILE-011, TOPO-6-004, PI-POL-004
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch_with("SN1", offline(), "10.4(3)");
        let cisco = lab.cssm.policy_file(lab.now, lab.sa, lab.va).unwrap();
        assert!(cisco.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<smartLicense>"));
        assert_eq!(switch.import(lab.now, &cisco).installed, ["POLICY"]);
        assert_eq!(switch.agent.policy().policy_name, Policy::CISCO_DEFAULT);
        let mut policy = Policy::cisco_default();
        policy.policy_name = "Quarterly".to_owned();
        policy.unenforced.first_report_days = 7;
        let va = lab.virtual_account("Lab");
        for within in [va, lab.va] {
            let set = Some((&policy, None));
            lab.cssm.set_policy(lab.now, &admin(), lab.sa, Some(within), set).unwrap();
        }
        lab.now = lab.now + 60;
        // That of another virtual account is none of this switch's (T2).
        let theirs = lab.cssm.policy_file(lab.now, lab.sa, va).unwrap();
        let refused = switch.import(lab.now, &theirs).refused;
        assert_eq!(refused[0].1, "the policy belongs to another Virtual Account");
        let own = lab.cssm.policy_file(lab.now, lab.sa, lab.va).unwrap();
        assert_eq!(switch.import(lab.now, &own).installed, ["POLICY"]);
        assert_eq!(switch.agent.policy().unenforced.first_report_days, 7);
        assert!(switch.last_log().contains("POLICY_INSTALL_SUCCESS"));
        let bent = own.replace("Quarterly", "Yearly");
        assert_eq!(switch.import(lab.now, &bent).refused[0].0, "POLICY");
        assert!(lab.cssm.policy_file(lab.now, lab.sa, VirtualAccountId(999)).is_err());
        let (other, _) = lab.other_account("Other");
        assert!(lab.cssm.policy_file(lab.now, other, va).is_err());
    });
}

#[test]
fn uploaded_usage_stays_whatever_is_done_afterwards() {
    // CSSM-019, L-18: there is no call to delete; what removes other things leaves usage alone
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let text = device.usage_file(lab.now, &[&device.report(1, START, &[(100, 1)])]);
        let file = lab.upload("all_rum.txt", text.as_bytes()).unwrap();
        let id = lab.instance("SN1").id;
        lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).unwrap();
        lab.cssm.tidy(lab.now.plus_days(10_000)).unwrap();
        let thief = Device::new(&lab.cssm, "SN1");
        lab.document(&thief.trust(lab.now, &lab.token(), true));
        assert_eq!(lab.cssm.usage_files(lab.sa, &Only::All).unwrap(), std::slice::from_ref(&file));
        assert!(lab.cssm.acknowledgement_file(lab.sa, file.id).is_ok());
        assert_eq!(lab.cssm.reports(lab.sa, id, 0, 10).unwrap().len(), 1);
        assert_eq!(lab.cssm.reports(lab.sa, id, 0, 10).unwrap()[0].count_seconds, 100);
    });
}

#[test]
fn what_comes_by_file_and_over_the_network_counts_once() {
    // FILE-009, TOPO-2, TOPO-6
    on_every_engine(&at_once(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(3)]));
        let saved = switch.save_usage(START + 20);
        lab.run_until(&mut switch, START + 3600);
        let instance = lab.instance("SN1");
        let counted = lab.counted("SN1");
        let file = lab.upload("all_rum.txt", saved.as_bytes()).unwrap();
        assert_eq!((file.message.as_str(), file.reports_known), (AGAIN, 1));
        assert_eq!((lab.counted("SN1"), lab.instance("SN1").reports), (counted, instance.reports));
        let last = lab.cssm.reports(lab.sa, instance.id, 0, 10).unwrap().pop().unwrap();
        assert_eq!(counted, 3 * (last.end_at - START.0));
    });
}

/// A usage file of some megabytes: reports with thousands of spans each.
fn large_file(lab: &Lab, device: &Device) -> String {
    let spans: Vec<(i64, u32)> = (0..6_000).map(|index| (60, 1 + index % 3)).collect();
    let reports: Vec<SignedReport> = (0..5)
        .map(|place| {
            device.report(
                1 + place,
                START - 2_000_000 + i64::try_from(place).unwrap() * 360_000,
                &spans,
            )
        })
        .collect();
    device.usage_file(lab.now, &reports.iter().collect::<Vec<_>>())
}

#[test]
fn a_large_file_is_taken_in_pieces_as_a_small_one_is_whole() {
    // P6
    on_every_engine(&at_once(), |lab| {
        let (device, same) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        let (file, whole) = (large_file(lab, &device), large_file(lab, &same));
        assert!(file.len() > 8 << 20, "several pieces");
        let upload = |lab: &Lab, name: &str, file: &[u8]| {
            let (person, account) = (Actor::person("eve"), (lab.sa, lab.va));
            lab.cssm.upload_large(lab.now, &person, account, name, &mut Cursor::new(file))
        };
        let taken = upload(lab, "large.txt", file.as_bytes()).unwrap();
        let wanted = lab.upload("large.txt", whole.as_bytes()).unwrap();
        assert_eq!(UsageFile { id: wanted.id, ..taken.clone() }, wanted);
        assert_eq!((taken.reports_new, lab.counted("SN1")), (5, lab.counted("SN2")));
        let entries = |id| {
            let (_, ack) = lab.cssm.acknowledgement_file(lab.sa, id).unwrap();
            entries_of(&Document::parse(ack.as_bytes()).unwrap())
        };
        assert_eq!(entries(taken.id), entries(wanted.id));
        // Again, as after one that was cut short.
        let again = upload(lab, "large.txt", file.as_bytes()).unwrap();
        assert_eq!((again.reports_new, again.reports_known, again.message.as_str()), (0, 5, AGAIN));
    });
}

#[test]
fn of_a_large_file_that_is_not_whole_nothing_is_taken() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let file = large_file(lab, &device);
        let person = Actor::person("eve");
        let upload = |lab: &Lab, file: &[u8], va| {
            let account = (lab.sa, va);
            let taken =
                lab.cssm.upload_large(lab.now, &person, account, "l.txt", &mut Cursor::new(file));
            taken.unwrap_err().to_string()
        };
        let ends: Vec<usize> =
            file.match_indices("</RUMReport>\n").map(|(at, end)| at + end.len()).collect();
        let without_last = [&file[..ends[3]], &file[ends[4]..]].concat();
        let swapped =
            [&file[..ends[0]], &file[ends[1]..ends[2]], &file[ends[0]..ends[1]], &file[ends[2]..]]
                .concat();
        let altered = file.replacen("\"value\":\"3\"", "\"value\":\"2\"", 1);
        for (bad, why) in [
            (&without_last, "the file holds 4 of the 5 reports the device wrote into it"),
            (
                &swapped,
                "the reports are not those the device wrote into the file, or not in its order",
            ),
            (&altered, "signature"),
            (&file[..ends[2]].to_owned(), "damaged near byte"),
            (&file[..ends[2] - 400].to_owned(), "damaged near byte"),
            (&file.replace("</smartLicense>", "</smartLicense><x>"), "damaged near byte"),
            (&"x".repeat(70 << 20), "more is"),
        ] {
            let told = upload(lab, bad.as_bytes(), lab.va);
            assert!(
                told.contains(why)
                    || (why == "more is" && told.contains("is the most that is read")),
                "{told}"
            );
        }
        assert!(lab.instances().is_empty());
        // Of another virtual account: it is said where to go, and nothing moves.
        lab.register(&device);
        let other = lab.cssm.create_virtual_account(lab.now, &person, lab.sa, "Other").unwrap();
        let told = upload(lab, file.as_bytes(), other.id);
        assert!(told.contains("a file of this size is not set aside"), "{told}");
        assert_eq!(
            (lab.counted("SN1"), lab.cssm.usage_files(lab.sa, &Only::All).unwrap().len()),
            (0, 0)
        );
    });
}

#[test]
fn what_stands_in_a_file_is_told_before_anything_of_it_is_taken() {
    // CSSM-017
    on_every_engine(&at_once(), |lab| {
        let (one, two) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        lab.register(&one);
        let events = lab.cssm.events(lab.sa, 1000).unwrap();
        let look = |lab: &Lab, sa, file: &[u8]| {
            lab.cssm.look_into(lab.now, sa, &mut Cursor::new(file)).map(|found| {
                assert_eq!(found.created_by, None);
                let row = |one: &rumline_cssm::FoundInFile| {
                    let udi = one.udi.rsplit(':').next().unwrap().to_owned();
                    (udi, one.reports, one.virtual_account_id, one.problem.is_some())
                };
                (found.count, found.instances.iter().map(row).collect::<Vec<_>>())
            })
        };
        let reports = [one.report(2, START, &[(100, 1)]), one.report(3, START, &[(5, 1)])];
        let known = one.usage_file(lab.now, &reports.iter().collect::<Vec<_>>());
        let new = two.usage_file(lab.now, &[&two.report(1, START, &[(100, 1)])]);
        let row = |serial: &str, reports, va| (serial.to_owned(), reports, va, false);
        assert_eq!(
            look(lab, lab.sa, known.as_bytes()).unwrap(),
            (1, vec![row("SN1", 2, Some(lab.va))])
        );
        assert_eq!(look(lab, lab.sa, new.as_bytes()).unwrap(), (1, vec![row("SN2", 1, None)]));
        // Where a product instance of another account is, is nobody's business.
        let sa = lab.cssm.create_smart_account(lab.now, &admin(), "Other", "other.net").unwrap().id;
        assert_eq!(look(lab, sa, known.as_bytes()).unwrap(), (1, vec![row("SN1", 2, None)]));
        let archive =
            write_tar(&[member("1.txt", &known), member("2.txt", "x"), member("3.txt", &new)]);
        for archive in [archive.clone(), gzip(&archive)] {
            let (count, rows) = look(lab, lab.sa, &archive).unwrap();
            assert_eq!((count, rows.len()), (3, 3));
            assert_eq!((&rows[0], &rows[2]), (&row("SN1", 2, Some(lab.va)), &row("SN2", 1, None)));
            assert_eq!(
                (rows[1].0.as_str(), rows[1].3),
                ("2.txt", true),
                "it is named and has a problem"
            );
        }
        let many: Vec<Member> = (0..120).map(|n| member(&format!("{n}.txt"), "x")).collect();
        let (count, rows) = look(lab, lab.sa, &write_tar(&many)).unwrap();
        assert_eq!((count, rows.len()), (120, 100));
        for wrong in [b"nothing".to_vec(), Vec::new(), gzip(&[0; 1024]), archive[..700].to_vec()] {
            assert!(look(lab, lab.sa, &wrong).is_err());
        }
        // One that was removed is new again.
        let id = lab.instances()[0].id;
        lab.cssm.remove_instance(lab.now, &admin(), lab.sa, id).unwrap();
        assert_eq!(look(lab, lab.sa, known.as_bytes()).unwrap().1, [row("SN1", 2, None)]);
        assert_eq!(lab.cssm.usage_files(lab.sa, &Only::All).unwrap(), []);
        assert_eq!(lab.cssm.events(lab.sa, 1000).unwrap().len(), events.len() + 1);
    });
}

#[test]
fn what_stands_in_a_large_file_is_told_too() {
    let lab = Lab::in_memory(&at_once());
    let device = Device::new(&lab.cssm, "SN1");
    // Above what is read whole.
    let spans: Vec<(i64, u32)> = (0..6_000).map(|index| (60, 1 + index % 3)).collect();
    let reports: Vec<SignedReport> =
        (1..25).map(|id| device.report(id, START - 2_000_000, &spans)).collect();
    let file = device.usage_file(lab.now, &reports.iter().collect::<Vec<_>>());
    assert!(file.len() > 32 << 20, "{}", file.len());
    let found = lab.cssm.look_into(lab.now, lab.sa, &mut Cursor::new(file.as_bytes())).unwrap();
    assert_eq!((found.count, found.instances.len(), found.instances[0].reports), (1, 1, 24));
    assert!(found.instances[0].udi.ends_with("SN:SN1"));
}
