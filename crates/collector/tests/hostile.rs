//! What people and strangers do to files, devices and collectors: nothing is lost, nothing is believed.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use rumline_agent::Input;
use rumline_collector::{Actor, Collector, Error, Kind, TenantId};
use rumline_protocol::*;
use rumline_testkit::*;

const CSLU: TenantId = Collector::CSLU_TENANT;

/// An estate with a disconnected CSLU and a switch whose report waits there.
fn waiting() -> (Estate, usize, usize) {
    let mut estate = Estate::new();
    let server = estate.add_cslu(false);
    let switch = estate.add_switch("SN1", through(server, None));
    estate.input(switch, Input::Use(vec![lan(1)]));
    estate.run_for(Timestamp::HOUR);
    (estate, server, switch)
}

#[test]
fn a_bundle_damaged_at_any_byte_is_refused_or_taken_as_it_was() {
    // CSLU-019
    let (estate, server, _) = waiting();
    let (_, bundle) = estate.export(server, CSLU, None);
    let (sa, va) = (estate.sa, estate.va);
    for place in 0..bundle.len() {
        let mut damaged = bundle.clone();
        damaged[place] ^= 0x04;
        // A few bytes of the outer wrapping say nothing: the time, the system.
        if let Ok(file) =
            estate.cssm.upload_usage(START, &Actor::person("eve"), sa, va, "x.tar.gz", &damaged)
        {
            assert_eq!((file.status.as_str(), file.product_instances), ("No Errors", 1), "{place}");
        }
    }
    for length in (0..bundle.len()).step_by(7) {
        let cut = estate.cssm.upload_usage(
            START,
            &Actor::person("eve"),
            sa,
            va,
            "x.tar.gz",
            &bundle[..length],
        );
        assert!(cut.is_err(), "{length} of {} bytes", bundle.len());
    }
    let instances =
        estate.cssm.instances(sa, &rumline_server::Only::All, Default::default(), 10).unwrap();
    assert!(instances.len() <= 1 && instances.iter().all(|i| i.reports == 1), "{instances:?}");
}

#[test]
fn an_ack_damaged_at_any_byte_is_refused_or_taken_as_it_was() {
    // CSLU-017, CSLU-019
    let (estate, server, switch) = waiting();
    let (name, bundle) = estate.export(server, CSLU, None);
    let answer = estate.download(&estate.upload(estate.va, &name, &bundle));
    for place in 0..answer.len() {
        let mut damaged = answer.clone();
        damaged[place] ^= 0x04;
        if let Ok(taken) = estate.import(server, CSLU, "x.tar.gz", &damaged) {
            assert_eq!(taken.status, "Done", "{place}: {taken:?}");
        }
    }
    for length in (0..answer.len()).step_by(7) {
        assert!(estate.import(server, CSLU, "x", &answer[..length]).is_err(), "{length}");
    }
    assert!(estate.unacknowledged(switch) > 0, "the switch has not asked yet");
    let done = estate.import(server, CSLU, "renamed by someone", &answer).unwrap();
    assert_eq!(done.status, "Done", "{done:?}");
}

#[test]
fn people_mix_files_up_and_are_told() {
    // CSLU-012, 013, 017; FILE-009
    let (mut estate, server, switch) = waiting();
    let (name, bundle) = estate.export(server, CSLU, None);
    let refused = |outcome: Result<rumline_collector::Transfer, Error>| {
        outcome.err().map(|error| error.to_string()).unwrap_or_default()
    };
    // The file for Cisco, given back.
    let text = refused(estate.import(server, CSLU, &name, &bundle));
    assert!(text.contains("goes to Cisco"), "{text}");
    // Something else altogether.
    for (bytes, words) in [
        (&b"hello"[..], "does not begin like XML"),
        (&b""[..], "does not begin like XML"),
        (&b"<smartLicense><x/></smartLicense>"[..], "no licensing element"),
        (&b"\x1f\x8b\x08\0garbage"[..], "damaged or was cut off"),
    ] {
        let text = refused(estate.import(server, CSLU, "x", bytes));
        assert!(text.contains(words), "{bytes:?}: {text}");
    }
    // To another account's page at CSSM, or with another case.
    let lab = estate
        .cssm
        .create_virtual_account(START, &Actor::person("a"), estate.sa, "default")
        .unwrap()
        .id;
    let error =
        estate.cssm.upload_usage(START, &Actor::person("eve"), estate.sa, lab, &name, &bundle);
    let text = error.unwrap_err().to_string();
    assert!(text.contains("is of Example / Default, not of Example / default"), "{text}");
    // The answer of another account.
    let answer = estate.download(&estate.upload(estate.va, &name, &bundle));
    let other = estate.add_server(Kind::Cslu);
    let wrong = account("default", false);
    estate.servers[other].collector.set_tenant(START, &Actor::person("eve"), CSLU, &wrong).unwrap();
    let text = refused(estate.import(other, CSLU, "x", &answer));
    assert!(text.contains("is of Example / Default, not of Example / default"), "{text}");
    // An old answer after a new one, each twice: all fine, nothing changes back.
    estate.run_for(MINUTE);
    estate.input(switch, Input::Use(vec![lan(2)]));
    estate.input(switch, Input::Sync);
    let (name, newer) = estate.export(server, CSLU, None);
    let newer = estate.download(&estate.upload(estate.va, &name, &newer));
    for bytes in [&newer, &answer, &newer, &answer] {
        assert_eq!(estate.import(server, CSLU, "x", bytes).unwrap().status, "Done");
    }
    estate.run_for(Timestamp::HOUR);
    assert_eq!(estate.unacknowledged(switch), 0);
}

#[test]
fn a_single_ack_that_an_editor_saved_is_taken() {
    // FILE-006, FILE-010: plain files of single devices, with CR LF and a byte order mark
    let (mut estate, server, switch) = waiting();
    let (name, bundle) = estate.export(server, CSLU, None);
    let answer = estate.download(&estate.upload(estate.va, &name, &bundle));
    let limits =
        ArchiveLimits { total_bytes_max: 1 << 24, member_bytes_max: 1 << 24, members_max: 100 };
    let members = read_members(&answer, limits).unwrap();
    let ack = members.iter().find(|member| member.name.starts_with("ACK_dev_")).unwrap();
    let text = String::from_utf8(ack.bytes.clone()).unwrap();
    let edited = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let taken = estate.import(server, CSLU, "ack.txt", edited.as_bytes()).unwrap();
    assert_eq!((taken.status.as_str(), taken.changed), ("Done", 1), "{taken:?}");
    estate.run_for(Timestamp::HOUR);
    assert_eq!(estate.unacknowledged(switch), 0);
    // And a policy file, for everybody (TOPO-3-003).
    let policy = estate.cssm.policy_file(estate.now, estate.sa, estate.va).unwrap();
    let taken = estate.import(server, CSLU, "policy.xml", policy.as_bytes()).unwrap();
    assert_eq!((taken.status.as_str(), taken.changed), ("Done", 1), "{taken:?}");
    estate.input(switch, Input::Sync);
    estate.run_for(MINUTE);
    assert_eq!(estate.switches[switch].agent.policy().smart_account, "Example");
}

#[test]
fn archives_that_unpack_without_end_or_lead_elsewhere_are_refused() {
    let (estate, server, _) = waiting();
    let tar = |name: &str, bytes: Vec<u8>| write_tar(&[Member { name: name.to_owned(), bytes }]);
    let mut link = tar("a", Vec::new());
    link[156] = b'2';
    let sum: u32 = link[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte }))
        .sum();
    link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let deep = tar("1.tar", tar("2.tar", tar("3.tar", b"x".to_vec())));
    let mut long = tar("a", vec![0; 4]);
    long[156] = b'L';
    for (what, bytes) in [
        ("a link", link),
        ("an archive too deep inside", deep),
        ("a long name", long),
        ("nothing", tar("manifest.mf", b"no manifest".to_vec())),
    ] {
        assert!(estate.import(server, CSLU, "x.tar", &bytes).is_err(), "{what}");
        let upload = estate.cssm.upload_usage(
            START,
            &Actor::person("eve"),
            estate.sa,
            estate.va,
            "x.tar",
            &bytes,
        );
        assert!(upload.is_err(), "{what}: {upload:?}");
    }
}

#[test]
fn a_bundle_by_wire_unpacks_to_no_more_than_it_may() {
    // whoever sends it has shown nothing yet
    let (estate, ..) = waiting();
    let member = Member { name: "bomb.txt".to_owned(), bytes: vec![b' '; 64 << 20] };
    let bomb = write_tar(&[member]);
    let error = estate.cssm.receive_bundle(START, &bomb).unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn a_device_that_claims_anothers_udi_is_refused_and_shown() {
    // two devices with one UDI: the first keeps it
    let (mut estate, server, _) = waiting();
    let thief = estate.add_switch("SN1", through(server, None));
    estate.input(thief, Input::Use(vec![lan(9)]));
    estate.run_for(Timestamp::HOUR);
    let collector = &estate.servers[server].collector;
    let view = &collector.instances(CSLU, "", Default::default(), 10).unwrap()[0];
    assert!(view.alert.as_ref().unwrap().contains("Another device"), "{view:?}");
    let log = &estate.switches[thief].log;
    assert!(log.iter().any(|line| line.contains("known with another key")), "{log:?}");
    assert_eq!(collector.licenses(CSLU).unwrap()[0].in_use, 1);
    // Once the first is acknowledged and removed, the other may come: a repaired device.
    let (name, bundle) = estate.export(server, CSLU, None);
    let answer = estate.download(&estate.upload(estate.va, &name, &bundle));
    estate.import(server, CSLU, "x", &answer).unwrap();
    let collector = estate.servers[server].collector.clone();
    let id = collector.instances(CSLU, "", Default::default(), 10).unwrap()[0].id;
    collector.remove_instance(estate.now, &Actor::person("eve"), CSLU, id).unwrap();
    assert!(collector.instances(CSLU, "", Default::default(), 10).unwrap().is_empty());
    estate.input(thief, Input::Sync);
    estate.run_for(MINUTE);
    assert_eq!(collector.instances(CSLU, "", Default::default(), 10).unwrap().len(), 1);
}

#[test]
fn a_collector_cannot_alter_drop_or_replay_unnoticed() {
    // device signatures and the chain of reports go through to CSSM; the hop is named
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.servers[server].cssm_reachable = false;
        for count in 1..4 {
            estate.input(switch, Input::Use(vec![lan(count)]));
            estate.run_for(Timestamp::DAY);
            estate.input(switch, Input::Sync);
        }
        let collector = estate.servers[server].collector.clone();
        let batch = collector.next_batch(estate.now, CSLU).unwrap().unwrap();
        let signer = collector.signer();
        // Left out: the report after it says which one is missing.
        let dropped = rewritten(&batch.bytes, signer, |_, text| {
            let mut parts: Vec<&str> = text.split("<RUMReport>").collect();
            parts.remove(2);
            Some(parts.join("<RUMReport>"))
        });
        estate.cssm.receive_bundle(estate.now, &dropped).unwrap();
        let instance = &estate
            .cssm
            .instances(estate.sa, &rumline_server::Only::All, Default::default(), 10)
            .unwrap()[0];
        assert!(instance.reports_missing > 0, "{instance:?}");
        // Altered: its signature tells, and the others are taken.
        let altered = rewritten(&batch.bytes, signer, |_, text| {
            Some(text.replace("\"value\":\"2\"", "\"value\":\"1\""))
        });
        let answer = estate.cssm.receive_bundle(estate.now, &altered).unwrap();
        collector.take_answer(estate.now, CSLU, &batch, &answer).unwrap();
        let view = &collector.instances(CSLU, "", Default::default(), 10).unwrap()[0];
        let alert = view.alert.clone().unwrap_or_default();
        assert!(alert.contains("does not verify; it came through CSLU lab"), "{view:?}");
        // Replayed, by itself or by a stranger without a registered key: nothing more is counted.
        let counted = estate.counted(switch);
        estate.cssm.receive_bundle(estate.now, &dropped).unwrap();
        assert_eq!(estate.counted(switch), counted);
        let stranger = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
        let forged = rewritten(&batch.bytes, stranger.as_ref(), |_, text| Some(text));
        let error = estate.cssm.receive_bundle(estate.now, &forged).unwrap_err().to_string();
        assert!(error.contains("not registered"), "{error}");
        // What it left out it still holds, and a sync on demand brings it.
        estate.servers[server].cssm_reachable = true;
        collector.sync_now(CSLU).unwrap();
        estate.run_for(Timestamp::HOUR);
        assert_eq!(
            estate
                .cssm
                .instances(estate.sa, &rumline_server::Only::All, Default::default(), 10)
                .unwrap()[0]
                .reports_missing,
            0
        );
        assert_eq!(estate.unacknowledged(switch), 0);
    });
}

#[test]
fn an_answer_altered_on_its_way_is_refused_by_whoever_gets_it() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_cslu(true);
        let switch = estate.add_switch("SN1", through(server, None));
        estate.servers[server].cssm_reachable = false;
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::HOUR);
        let collector = estate.servers[server].collector.clone();
        let batch = collector.next_batch(estate.now, CSLU).unwrap().unwrap();
        let answer = estate.cssm.receive_bundle(estate.now, &batch.bytes).unwrap();
        let waiting = || collector.instances(CSLU, "", Default::default(), 10).unwrap()[0].waiting;
        // Nor is one taken that CSSM gave to another bundle.
        let again = collector.next_batch(estate.now, CSLU).unwrap().unwrap();
        let error =
            collector.take_answer(estate.now, CSLU, &again, &answer).unwrap_err().to_string();
        assert!(error.contains("is to another bundle"), "{error}");
        assert_eq!(waiting(), 1);
        let (mut refused, mut tried) = (0, 0);
        for place in (0..answer.len()).step_by(5) {
            let mut damaged = answer.clone();
            damaged[place] ^= 0x20;
            let before = waiting();
            match collector.take_answer(estate.now, CSLU, &batch, &damaged) {
                // What the damage hit says nothing: the header of a compressed stream, or what fills a block up.
                Ok(()) => assert_eq!(waiting(), 0, "byte {place}"),
                Err(_) => {
                    refused += 1;
                    assert_eq!(waiting(), before, "byte {place}");
                }
            }
            tried += 1;
        }
        assert!(refused * 10 > tried * 5, "{refused} of {tried}");
        // By the collector itself: the switch does not take it, and its log names where it came from.
        estate.servers[server].tamper_answer = Some(|bytes| {
            String::from_utf8(bytes).unwrap().replace("Rum Report is", "Rum report is").into_bytes()
        });
        estate.servers[server].cssm_reachable = true;
        estate.run_for(2 * Timestamp::HOUR);
        assert!(estate.unacknowledged(switch) > 0);
        let log = estate.event_log(switch);
        assert!(
            log.contains("SAEVT_RESPONSE_REFUSED")
                && log.contains("from=\"Cisco Smart License utility (CSLU) http://"),
            "{log}"
        );
        estate.servers[server].tamper_answer = None;
        estate.input(switch, Input::Sync);
        estate.run_for(2 * Timestamp::HOUR);
        assert_eq!(estate.unacknowledged(switch), 0);
    });
}

#[test]
fn two_collectors_for_one_device_at_once_count_its_use_once() {
    Estate::on_every_engine(|mut estate| {
        let (one, two) = (estate.add_cslu(true), estate.add_cslu(true));
        let switch = estate.add_switch("SN1", through(one, None));
        estate.input(switch, Input::Use(vec![lan(1)]));
        for round in 0..6 {
            let server = if round % 2 == 0 { two } else { one };
            estate.run_for(Timestamp::HOUR);
            estate.input(switch, Input::Sync);
            estate.input(switch, Input::Configure(through(server, None)));
            estate.input(switch, Input::Sync);
        }
        estate.run_for(Timestamp::DAY);
        assert_eq!(estate.unacknowledged(switch), 0);
        let counted = estate.counted(switch);
        assert!((6 * Timestamp::HOUR..=7 * Timestamp::HOUR).contains(&counted), "{counted}");
    });
}

#[test]
fn a_csv_with_ten_thousand_rows_takes_the_good_ones_and_names_the_bad() {
    // CSLU-015, G-03
    let (estate, server, _) = waiting();
    let collector = &estate.servers[server].collector;
    let mut text = String::from("\u{feff}Host Name;Serial Number;PID;Virtual Account\r\n");
    for row in 0..10_000 {
        let (pid, va) = match row % 1000 {
            7 => ("", ""),
            8 => ("N9K,X", ""),
            9 => ("N9K-C9504", "default"),
            _ => ("N9K-C9504", "Default"),
        };
        text.push_str(&format!("'=leaf-{row};FOX{row:07};{pid};{va}\r\n"));
    }
    let done =
        collector.import_csv(estate.now, &Actor::person("eve"), CSLU, text.as_bytes()).unwrap();
    assert_eq!((done.added, done.known, done.error_count), (9_970, 0, 30), "{done:?}");
    assert_eq!(done.errors[0].line, 9);
    assert!(done.errors[2].text.contains("Virtual Account is \"default\", here it is \"Default\""));
    let again =
        collector.import_csv(estate.now, &Actor::person("eve"), CSLU, text.as_bytes()).unwrap();
    assert_eq!((again.added, again.known), (0, 9_970));
    let exported = collector.export_csv(CSLU).unwrap();
    assert!(exported.contains("'=leaf-1,"), "no spreadsheet takes a name for a formula");
    let other = estate.servers[server].collector.import_csv(
        estate.now,
        &Actor::person("eve"),
        CSLU,
        exported.as_bytes(),
    );
    let other = other.unwrap();
    assert_eq!((other.added, other.error_count, other.known), (0, 0, 9_971));
    for bad in ["", "a,b\n1,2\n", "\0\u{1}"] {
        assert!(
            collector.import_csv(estate.now, &Actor::person("eve"), CSLU, bad.as_bytes()).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn what_is_no_message_or_of_nobody_is_refused() {
    let (estate, server, switch) = waiting();
    let collector = &estate.servers[server].collector;
    for body in [&b""[..], b"{}", b"[]", b"\xff\xfe", b"{\"request_type\":\"USAGE_REPORT\"}"] {
        let answer = push(collector, estate.now, CSLU, body);
        assert!(matches!(answer, rumline_collector::Answer::NotAMessage(_)), "{answer:?}");
    }
    assert!(matches!(
        push(collector, estate.now, TenantId(99), &poll(&estate, switch)),
        rumline_collector::Answer::NoTenant
    ));
    // Whoever only knows a UDI learns nothing.
    let stranger = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
    let mut request: Request = serde_json::from_slice(&poll(&estate, switch)).unwrap();
    request.proof = Some(base64(&stranger.sign(request.proof_text(Request::COLLECTOR).as_bytes())));
    let body = serde_json::to_vec(&request).unwrap();
    let rumline_collector::Answer::Message { response, .. } =
        push(collector, estate.now, CSLU, &body)
    else {
        panic!("no message");
    };
    assert_eq!(response.status, ResponseStatus::Failed);
    assert!(response.smart_license.is_none());
}

/// A poll in the name of a switch, unsigned.
fn poll(estate: &Estate, switch: usize) -> Vec<u8> {
    let udi = estate.switches[switch].udi.clone();
    serde_json::to_vec(&Request {
        message_version: MESSAGE_VERSION.to_owned(),
        request_id: "1".to_owned(),
        timestamp: estate.now.millis(),
        nonce: "2".to_owned(),
        sudi: udi,
        hostname: None,
        software_version: None,
        customer_tags: Default::default(),
        software_tag_identifier: String::new(),
        agent_version: String::new(),
        public_key: None,
        proof: None,
        body: RequestBody::ResultPoll { poll_id: "1".to_owned() },
    })
    .unwrap()
}

#[test]
fn a_tenant_with_reports_that_wait_is_not_removed() {
    Estate::on_every_engine(|mut estate| {
        let server = estate.add_server(Kind::OnPrem);
        let tenant = estate.add_tenant(server, "ONE", "Default", false);
        let switch = estate.add_switch("SN1", through(server, Some("ONE")));
        estate.input(switch, Input::Use(vec![lan(1)]));
        estate.run_for(Timestamp::HOUR);
        let collector = estate.servers[server].collector.clone();
        let error = collector
            .remove_tenant(estate.now, &Actor::person("eve"), tenant)
            .unwrap_err()
            .to_string();
        assert!(error.contains("still wait for CSSM"), "{error}");
        for name in ["", "a/b", "..", "ü", &"x".repeat(65), "ONE"] {
            assert!(
                collector
                    .create_tenant(START, &Actor::person("eve"), name, &account("Default", false))
                    .is_err(),
                "{name:?}"
            );
        }
    });
}
