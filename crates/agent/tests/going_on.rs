//! How a switch goes on after a peer was away, refused, forgot, or was the wrong one.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::*;
use rumline_protocol::*;

fn cslu(url: &str) -> Config {
    Config { transport: Transport::Cslu, cslu_url: Some(url.to_owned()), ..Config::default() }
}

fn restored(lab: &Lab) -> usize {
    lab.log.iter().filter(|line| line.contains("COMM_RESTORED")).count()
}

#[test]
fn reports_nobody_is_asked_about_any_more_are_offered_again_within_a_day() {
    // CSLU-008: a collector put back from an old copy knows nothing of them
    let mut lab = Lab::new(cslu("http://cslu"));
    lab.handle(Input::Use(vec![lan(1)]));
    let mut pushes = Vec::new();
    lab.run_until(START.plus_days(3), |lab, id, request| match &request.body {
        RequestBody::UsageReport { .. } => {
            pushes.push((lab.now, reports_of(&request)));
            let first = pushes.len() == 1;
            lab.answer(id, &request, |response| {
                response.status = ResponseStatus::OkPoll;
                response.poll_id = first.then(|| "1".to_owned());
            });
        }
        // Nothing waits there.
        _ => lab.answer(id, &request, |_| {}),
    });
    assert!(pushes.len() >= 2, "{pushes:?}");
    assert!(pushes[1].0.since(pushes[0].0) <= Timestamp::DAY + 600, "{pushes:?}");
    let id = |push: &(Timestamp, Vec<SignedReport>)| push.1[0].report.report_id;
    assert!(pushes[1].1.iter().any(|signed| signed.report.report_id == id(&pushes[0])));
}

#[test]
fn a_refusal_makes_no_new_reports_and_is_no_restoration() {
    // PI-MSG-010, 013
    let mut lab = Lab::new(cslu("http://cslu"));
    lab.handle(Input::Use(vec![lan(1)]));
    let mut ids = Vec::new();
    let mut attempts = 0;
    lab.run_until(START.plus_days(10), |lab, id, request| {
        attempts += 1;
        ids.extend(reports_of(&request).iter().map(|signed| signed.report.report_id));
        if attempts == 1 {
            return lab.unreachable(id);
        }
        lab.answer(id, &request, |response| response.status = ResponseStatus::Failed);
    });
    assert!(attempts > 5, "{attempts}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(restored(&lab), 0, "{:?}", lab.log);
    // The first answer that is none restores.
    lab.run_until(START.plus_days(12), accept);
    assert_eq!(restored(&lab), 1, "{:?}", lab.log);
    assert_eq!(lab.agent.report_counts()[2], 0);
}

#[test]
fn a_corrected_url_is_tried_at_once_and_restored() {
    // PI-MSG-010
    let mut lab = Lab::new(cslu("http://clsu"));
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START + 6 * Timestamp::HOUR, |lab, id, _| lab.unreachable(id));
    assert!(lab.log.iter().any(|line| line.contains("COMM_FAILED")));
    lab.config = cslu("http://cslu");
    lab.handle(Input::Configure(lab.config.clone()));
    lab.run_until(lab.now + MINUTE, accept);
    assert_eq!(restored(&lab), 1, "{:?}", lab.log);
    assert_eq!(lab.agent.report_counts()[1..3], [0, 0]);
}

#[test]
fn a_sync_during_a_push_brings_the_use_until_then() {
    // PI-CLI-020
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = START + 3 * Timestamp::HOUR;
    lab.handle(Input::Tick);
    let (id, request) = lab.sent.remove(0);
    lab.now = lab.now + Timestamp::HOUR;
    lab.handle(Input::Use(vec![lan(2)]));
    lab.handle(Input::Sync);
    accept(&mut lab, id, request);
    let mut last = START;
    lab.run_until(lab.now + MINUTE, |lab, id, request| {
        last =
            reports_of(&request).iter().map(|signed| signed.report.end_at()).max().unwrap_or(last);
        accept(lab, id, request);
    });
    assert_eq!(last, START + 4 * Timestamp::HOUR);
}

/// What a start says that is refused.
fn refused(lab: &mut Lab, udi: &Udi) -> String {
    let profile = Profile {
        members: vec![HaMember { role: Role::Active, sudi: udi.clone() }],
        ..lab.agent.profile().clone()
    };
    let mut environment = Environment { disk: &mut lab.disk, random: &mut lab.random };
    let suite = std::sync::Arc::new(SimulatedSuite);
    let opened = Agent::open(lab.now, profile, lab.config.clone(), suite, &mut environment);
    opened.err().unwrap().to_string()
}

#[test]
fn a_store_without_its_key_or_of_another_switch_is_not_gone_on_with() {
    // T11
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(40), accept);
    let before = lab.disk.clone();
    let other = Udi::new("N9K-C93180YC-FX3", "RML0000COPY").unwrap();
    let text = refused(&mut lab, &other);
    assert!(text.contains("this store is that of") && text.contains("RML0000TEST"), "{text}");
    assert!(text.contains("RML0000COPY") && text.contains("empty the directory"), "{text}");
    assert_eq!(lab.disk.files, before.files, "nothing was touched");
    let key = lab.disk.files.remove("device.key").unwrap();
    let text = refused(&mut lab, &udi());
    assert!(text.contains("device.key is missing beside its ledger"), "{text}");
    // Also where only reports are left.
    lab.disk.files.retain(|name, _| !name.starts_with("ledger"));
    assert!(refused(&mut lab, &udi()).contains("missing"));
    assert!(!lab.disk.files.contains_key("device.key"), "no other key was made");
    lab.disk = before;
    lab.disk.files.insert("device.key".to_owned(), key[..key.len() / 2].to_vec());
    assert!(refused(&mut lab, &udi()).contains("device.key is damaged"));
    lab.disk.files.insert("device.key".to_owned(), key);
    lab.reboot();
    assert_eq!(lab.agent.report_counts()[1..3], [0, 0]);
}

/// A request of CSSM for reports of the first epoch.
fn request_for(lab: &Lab, positions: Vec<(u64, u64)>) -> String {
    let request = ReportRequest {
        purpose: Purpose::ReportRequest,
        sudi: udi(),
        issued_at: lab.now,
        epoch: String::new(),
        positions,
    };
    let mut writer = DocumentWriter::new();
    writer.report_request(&Signed::json(request, lab.cssm.signer.as_ref()));
    writer.certificate(&lab.cssm.certificate).finish()
}

#[test]
fn a_request_for_reports_is_heeded_once_however_often_it_is_handed_over() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(40), accept);
    let [_, 0, 0, held, _] = lab.agent.report_counts() else { panic!("all acknowledged") };
    assert!(held >= 2);
    let request = request_for(&lab, vec![(1, 1)]);
    lab.import(&request).unwrap();
    assert_eq!(lab.agent.report_counts()[1], 1, "offered again");
    lab.run_until(START.plus_days(41), accept);
    assert_eq!(lab.agent.report_counts()[1..3], [0, 0]);
    lab.import(&request).unwrap();
    assert_eq!(lab.agent.report_counts()[1..3], [0, 0], "it asks for nothing new");
    lab.now = lab.now + 60;
    let request = request_for(&lab, vec![(1, 1)]);
    lab.import(&request).unwrap();
    assert_eq!(lab.agent.report_counts()[1], 1, "another one does");
}

#[test]
fn a_report_whose_file_is_damaged_is_told_of_once_and_tried_again_at_the_next_start() {
    let mut lab = Lab::trusted(Config { transport: Transport::Off, ..Config::default() });
    for count in 1..=3 {
        lab.handle(Input::Use(vec![lan(count)]));
        lab.now = lab.now + 1_000;
        lab.handle(Input::Shutdown);
    }
    let [_, 3, ..] = lab.agent.report_counts() else { panic!("three closed") };
    let name = lab.disk.list("rum/").unwrap()[1].clone();
    let whole = lab.disk.files[&name].clone();
    let middle = whole.len() / 2;
    lab.disk.files.get_mut(&name).unwrap()[middle] ^= 1;
    for _ in 0..3 {
        assert!(lab.save_usage().is_ok(), "the others leave");
        lab.handle(Input::Tick);
    }
    let told = lab.log.iter().filter(|line| line.contains("USAGE_REPORT_UNREADABLE")).count();
    assert_eq!((told, lab.agent.report_counts()[1]), (1, 0), "{:?}", lab.log);
    // Its file is put back.
    lab.disk.files.insert(name, whole);
    lab.reboot();
    let text = lab.save_usage().unwrap();
    let reports = Document::parse(text.as_bytes()).unwrap().reports;
    let seconds: i64 = reports.iter().map(|signed| signed.report.count_seconds()).sum();
    assert_eq!(seconds, 1_000 + 2_000 + 3_000);
}

#[test]
fn a_key_that_was_altered_and_still_is_a_key_is_not_believed() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(40), accept);
    let before = lab.disk.clone();
    // In simulations any bytes are a key.
    lab.disk.files.get_mut("device.key").unwrap()[3] ^= 1;
    assert!(refused(&mut lab, &udi()).contains("device.key is damaged"));
    // The checksum alone: the ledger shows that the key is right.
    lab.disk = before.clone();
    lab.disk.files.get_mut("device.key.sha256").unwrap()[3] ^= 1;
    lab.reboot();
    assert_eq!(lab.disk.files["device.key.sha256"], before.files["device.key.sha256"]);
    // A store of before has none.
    lab.disk.files.remove("device.key.sha256");
    lab.reboot();
    assert_eq!(lab.disk.files["device.key.sha256"], before.files["device.key.sha256"]);
}

#[test]
fn a_refusal_opens_a_report_again_that_was_done_without_an_ack() {
    let mut lab = Lab::trusted(smart());
    let policy = lab.policy(|policy| policy.reporting_ack_required = false);
    lab.import(&policy).unwrap();
    lab.handle(Input::Use(vec![lan(1)]));
    let mut sent = Vec::new();
    lab.run_until(START.plus_days(2), |lab, id, request| {
        sent.extend(reports_of(&request));
        lab.answer(id, &request, |_| {});
    });
    let [_, 0, 0, _, _] = lab.agent.report_counts() else { panic!("done without an ACK") };
    let first = &sent[0];
    let entry = Acknowledgement {
        status_code: StatusCode::Failed,
        status_message: "Another report with this report_id was received before.".to_owned(),
        localized_message: String::new(),
        product_instance_identifier: String::new(),
        sudi: udi(),
        report_id: first.report.report_id,
        correlation_id: "c".to_owned(),
        subscription_id: None,
        report_sha256: Some(base64(&first.sha256())),
        reason: Some(RefusalReason::Conflict),
        last_report_id: None,
    };
    let entries = vec![entry];
    let text = acknowledgement_text(&entries);
    let mut writer = DocumentWriter::new();
    writer.acknowledgement(&Signed::new(text, entries, lab.cssm.signer.as_ref()));
    let refusal = writer.certificate(&lab.cssm.certificate).finish();
    let _refused = lab.import(&refusal);
    assert!(!lab.agent.epoch().is_empty(), "it goes on in a new epoch");
    let closed = lab.agent.report_counts()[1];
    assert!(closed >= 1, "and tells the same use again: {closed}");
}
