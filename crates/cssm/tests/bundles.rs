//! Bundles of collectors, by wire and by file, on every engine (CSLU-006, 016, 019; ONPREM-006, 007).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use std::io::Cursor;

use rumline_cssm::{Actor, InstanceId, NewCollector, Only, UsageFile};
use rumline_protocol::*;
use rumline_testkit::*;

fn bundle(signer: &dyn Signer, id: &str, devices: &[(&Device, &[&SignedReport])]) -> Vec<u8> {
    let scratch = Cursor::new(Vec::new());
    let mut writer = BundleWriter::new(scratch, "UD_VA_1.tar.gz".to_owned(), START);
    for (number, (device, reports)) in devices.iter().enumerate() {
        let mut document = DocumentWriter::new();
        document.device_info(&DeviceInfo {
            sudi: device.udi.clone(),
            hostname: Some("leaf".to_owned()),
            software_tag_identifier: SOFTWARE_TAG.to_owned(),
            software_version: None,
            public_key: Some(device.signer.public_key().clone()),
            older: None,
        });
        for report in *reports {
            document.report(report);
        }
        writer.add(&format!("dev_{number}_1.txt"), &document.finish()).unwrap();
    }
    let manifest = Manifest {
        id: id.to_owned(),
        created_by: "CSLU lab".to_owned(),
        smart_account: "Example".to_owned(),
        smart_account_id: None,
        parts: Vec::new(),
    };
    let sign = |manifest: &Manifest| manifest.signed_by_collector(signer);
    writer.finish(manifest, ("Default", None), sign, Vec::new()).unwrap()
}

fn answers(lab: &Lab, bytes: &[u8]) -> Vec<Document> {
    let limits =
        ArchiveLimits { total_bytes_max: 1 << 24, member_bytes_max: 1 << 24, members_max: 100 };
    let mut documents = Vec::new();
    for member in read_members(bytes, limits).unwrap() {
        if member.name == MANIFEST_NAME {
            let manifest = SignedManifest::parse(&member.bytes).unwrap();
            manifest.verify_cssm(&SimulatedSuite, &lab.root, lab.now).unwrap();
        } else {
            assert!(member.name.starts_with("ACK_dev_"), "{}", member.name);
            documents.push(Document::parse(&member.bytes).unwrap());
        }
    }
    documents
}

#[test]
fn a_registered_collector_brings_bundles_and_others_do_not() {
    on_every_engine(&at_once(), |lab| {
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        let (one, two) = (Device::new(&lab.cssm, "B1"), Device::new(&lab.cssm, "B2"));
        let reports = [one.report(1, START, &[(60, 1)]), two.report(1, START, &[(90, 2)])];
        let both: [(&Device, &[&SignedReport]); 2] =
            [(&one, &[&reports[0]]), (&two, &[&reports[1]])];
        let bytes = bundle(signer.as_ref(), "1", &both);
        let error = lab.cssm.receive_bundle(lab.now, &bytes).unwrap_err().to_string();
        assert!(error.contains("not registered for Example / Default"), "{error}");
        let text = registration_text("Example", "Default", "lab");
        let mut new = NewCollector {
            kind: "CSLU".to_owned(),
            name: "lab".to_owned(),
            public_key: signer.public_key().clone(),
            proof: base64(&signer.sign(b"something else")),
        };
        let register = |new: &NewCollector| {
            lab.cssm.register_collector(lab.now, &Actor::person("eve"), lab.sa, lab.va, new)
        };
        assert!(register(&new).is_err(), "it must hold its key");
        new.proof = base64(&signer.sign(text.as_bytes()));
        let registered = register(&new).unwrap();
        assert_eq!(register(&new).unwrap().id, registered.id, "once more is the same");
        // It speaks for the account by its name, which stays.
        let eve = Actor::person("eve");
        let part = lab.cssm.rename_virtual_account(lab.now, &eve, lab.sa, lab.va, "Office");
        let whole = lab.cssm.rename_smart_account(lab.now, &eve, lab.sa, "Bigger", "example.net");
        for told in [part.unwrap_err().to_string(), whole.unwrap_err().to_string()] {
            assert!(told.contains("register it anew under the new name"), "{told}");
        }
        lab.cssm.rename_smart_account(lab.now, &eve, lab.sa, "Example", "example.org").unwrap();
        let branch = lab.virtual_account("Branch");
        lab.cssm.rename_virtual_account(lab.now, &eve, lab.sa, branch, "Office").unwrap();
        for _ in 0..2 {
            let answer = lab.cssm.receive_bundle(lab.now, &bytes).unwrap();
            let documents = answers(lab, &answer);
            assert_eq!(documents.len(), 2);
            for document in documents {
                assert_eq!(document.acknowledgements[0].value[0].status_code, StatusCode::Ok);
                assert_eq!(document.account.unwrap().value.virtual_account, "Default");
            }
        }
        let seen = lab.cssm.instances(lab.sa, &Only::All, InstanceId::default(), 10).unwrap();
        assert_eq!(seen.iter().map(|i| i.reports).collect::<Vec<_>>(), [1, 1]);
        // Each has the policy of what it uses (CSSM-022).
        let mut policy = Policy::cisco_default();
        policy.policy_name = "Lan".to_owned();
        let set = Some((&policy, None));
        lab.cssm.set_tag_policy(lab.now, &eve, lab.sa, lan_tag().as_str(), set).unwrap();
        let idle = two.report(2, START + 90, &[(10, 0)]);
        let both: [(&Device, &[&SignedReport]); 2] = [(&one, &[&reports[0]]), (&two, &[&idle])];
        let bytes = bundle(signer.as_ref(), "2", &both);
        let answer = lab.cssm.receive_bundle(lab.now, &bytes).unwrap();
        let name = |document: &Document| document.policies[0].value.policy_name.clone();
        let names: Vec<String> = answers(lab, &answer).iter().map(name).collect();
        assert_eq!(names, ["Lan", Policy::CISCO_DEFAULT]);
        lab.cssm.remove_collector(lab.now, &Actor::person("eve"), lab.sa, registered.id).unwrap();
        assert!(lab.cssm.receive_bundle(lab.now, &bytes).is_err());
        assert!(lab.cssm.collectors(lab.sa).unwrap().is_empty());
    });
}

#[test]
fn an_uploaded_bundle_is_answered_device_by_device_and_found_again() {
    on_every_engine(&at_once(), |lab| {
        let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        let (one, two) = (Device::new(&lab.cssm, "B1"), Device::new(&lab.cssm, "B2"));
        let good = one.report(1, START, &[(60, 1)]);
        let mut bad = two.report(1, START, &[(90, 2)]);
        bad.payload = bad.payload.replace("\"value\":\"2\"", "\"value\":\"1\"");
        let both: [(&Device, &[&SignedReport]); 2] = [(&one, &[&good]), (&two, &[&bad])];
        let bytes = bundle(signer.as_ref(), "1", &both);
        let file = lab.upload("UD_SA_1.tar.gz", &bytes).unwrap();
        assert_eq!((file.status.as_str(), file.reports_new), ("Errors", 1), "{file:?}");
        assert!(file.acknowledgement_ready && file.message.contains("1 reports were refused"));
        let mut out = Vec::new();
        let scratch = Cursor::new(Vec::new());
        lab.cssm.write_answer(lab.now, lab.sa, file.id, scratch, &mut out).unwrap();
        let codes: Vec<StatusCode> = answers(lab, &out)
            .iter()
            .map(|document| document.acknowledgements[0].value[0].status_code)
            .collect();
        assert_eq!(codes, [StatusCode::Ok, StatusCode::Failed]);
        let fine = bundle(signer.as_ref(), "2", &both[..1]);
        let first = lab.upload("UD_SA_2.tar.gz", &fine).unwrap();
        assert_eq!(first.status, "No Errors");
        assert_eq!(lab.upload("again.tar.gz", &fine).unwrap().id, first.id);
        // Work that was cut short goes on where it stopped.
        let third = bundle(signer.as_ref(), "3", &both[..1]);
        let account = (lab.sa, lab.va);
        let begun = lab.cssm.begin_bundle(
            lab.now,
            &Actor::person("eve"),
            account,
            "3",
            &mut Cursor::new(&third),
        );
        let begun = begun.unwrap().unwrap();
        assert_eq!(begun.status, UsageFile::PROCESSING);
        // Nobody takes the account away from under it.
        let (admin, branch) = (Actor::person("eve"), lab.virtual_account("Branch"));
        let merged = lab.merge(lab.va, branch);
        assert!(merged.unwrap_err().to_string().contains("are being taken in: wait"));
        let closed = lab.cssm.close_virtual_account(lab.now, &admin, lab.sa, lab.va);
        assert!(closed.unwrap_err().to_string().contains("usage files that are being taken in"));
        let fourth = bundle(signer.as_ref(), "4", &both[..1]);
        let lost = lab.cssm.begin_bundle(
            lab.now,
            &Actor::person("eve"),
            account,
            "4",
            &mut Cursor::new(&fourth),
        );
        let lost = lost.unwrap().unwrap();
        lab.cssm.give_up_bundle(lab.sa, lost.id, "gone").unwrap();
        assert_eq!(lab.cssm.usage_file(lab.sa, lost.id).unwrap().message, "gone");
        assert_eq!(lab.cssm.unfinished_bundles().unwrap(), [(lab.sa, begun.id)]);
        let mut reader = &third[..];
        let done = lab.cssm.work_on_bundle(lab.now, lab.sa, begun.id, &mut reader, &mut |_| {});
        assert_eq!(done.unwrap().status, "No Errors");
        assert!(lab.cssm.unfinished_bundles().unwrap().is_empty());
        // What is done stays done, whoever looks for its file afterwards.
        lab.cssm.give_up_bundle(lab.sa, begun.id, "gone").unwrap();
        assert_eq!(lab.cssm.usage_file(lab.sa, begun.id).unwrap().status, "No Errors");
        // Its answer is there, also when the account is no more.
        for instance in lab.instances() {
            lab.cssm.remove_instance(lab.now, &admin, lab.sa, instance.id).unwrap();
        }
        lab.cssm.close_virtual_account(lab.now, &admin, lab.sa, lab.va).unwrap();
        let mut out = Vec::new();
        let scratch = Cursor::new(Vec::new());
        lab.cssm.write_answer(lab.now, lab.sa, begun.id, scratch, &mut out).unwrap();
        assert_eq!(answers(lab, &out).len(), 1);
    });
}
