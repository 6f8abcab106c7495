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
