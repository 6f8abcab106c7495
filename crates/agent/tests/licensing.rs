//! The agent in virtual time, against a receiver in miniature.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::*;
use rumline_protocol::*;

#[test]
fn a_new_device_reports_nothing_and_shows_no_times() {
    // PI-RUM-002, PI-RUM-003, PI-SHOW-014
    let mut lab = Lab::trusted(smart());
    lab.run_until(START.plus_days(800), |_, _, _| panic!("nothing to send"));
    assert_eq!(lab.agent.usage_reporting(), UsageReporting::default());
    assert_eq!(lab.save_usage().unwrap_err(), "The requested item was not found");
    assert!(lab.log.is_empty());
}

#[test]
fn the_first_report_comes_soon_and_the_next_a_month_after_it() {
    // PI-RUM-011, 012, 015, 016, 017, 022, 026
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    let times = lab.agent.usage_reporting();
    assert_eq!(times.next_push_at, Some(START + 37));
    assert_eq!(times.next_ack_deadline_at, Some(START.plus_days(90)));
    let mut pushes = Vec::new();
    lab.run_until(START.plus_days(70), |lab, id, request| match &request.body {
        RequestBody::UsageReport { .. } => {
            pushes.push((lab.now, reports_of(&request)));
            lab.answer(id, &request, |response| {
                response.status = ResponseStatus::OkPoll;
                response.poll_id = Some("p1".to_owned());
                response.poll_interval_seconds = Some(300);
            });
            assert_eq!(lab.agent.usage_reporting().next_ack_check_at, Some(lab.now + 300));
        }
        RequestBody::ResultPoll { poll_id } => {
            assert_eq!(poll_id, "p1");
            let document = lab.ack_for(&pushes.last().unwrap().1);
            lab.answer(id, &request, |response| response.smart_license = Some(document));
        }
        other => panic!("{other:?}"),
    });
    let at: Vec<Timestamp> = pushes.iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [START + 37, (START + 37).plus_days(30), (START + 37).plus_days(60)]);
    let times = lab.agent.usage_reporting();
    assert_eq!(times.last_push_at, Some(at[2]));
    assert_eq!(times.last_ack_at, Some(at[2] + 300));
    assert_eq!(times.next_ack_deadline_at, Some((at[2] + 300).plus_days(365)));
    assert_eq!(times.next_ack_check_at, None);
    // Measurements abut over reports, and each report names the one before.
    for pair in pushes.windows(2) {
        let (first, second) = (&pair[0].1[0], &pair[1].1[0]);
        assert_eq!(first.report.end_at(), second.report.start_at());
        let previous = second.report.previous.as_ref().unwrap();
        assert_eq!(previous.report_id, first.report.report_id);
        assert_eq!(previous.sha256, base64(&first.sha256()));
    }
}

#[test]
fn an_outage_is_retried_for_four_hours_and_then_every_15_minutes() {
    // PI-RUM-018, PI-MSG-008, PI-MSG-010
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    let mut attempts = Vec::new();
    lab.run_until(START + 10 * Timestamp::HOUR, |lab, id, request| {
        attempts.push((lab.now, reports_of(&request)));
        lab.unreachable(id);
    });
    assert_eq!(lab.log.len(), attempts.len());
    assert!(lab.log.iter().all(|line| line
        == "%LICMGR-3-LOG_SMART_LIC_COMM_FAILED: Communications failure with the Cisco Smart \
            Software Manager (CSSM) : Unable to connect to server: \
            no route to host"));
    let first = attempts[0].0;
    assert_eq!(first, START + 37);
    let late: Vec<&(Timestamp, Vec<SignedReport>)> =
        attempts.iter().filter(|(at, _)| at.since(first) >= 4 * Timestamp::HOUR).collect();
    assert_eq!(late[0].0, first + 4 * Timestamp::HOUR);
    assert!(late.windows(2).all(|pair| pair[1].0.since(pair[0].0) == 15 * MINUTE));
    assert!(attempts.len() - late.len() >= 8, "attempts are made in the first four hours too");
    // The cost of an outage does not grow: each attempt closes at most what came since the last.
    assert!(late.len() > 20);
    let before = lab.log.len();
    lab.run_until(START.plus_days(1), accept);
    assert_eq!(
        lab.log[before..],
        ["%LICMGR-3-LOG_SMART_LIC_COMM_RESTORED: Communications with the Cisco Smart Software \
          Manager (CSSM) restored."]
    );
    let times = lab.agent.usage_reporting();
    assert_eq!(times.next_push_at, times.last_push_at.map(|at| at.plus_days(30)));
    assert_eq!(lab.agent.report_counts()[2], 0);
}

#[test]
fn alerts_come_at_30_days_before_the_deadline_and_at_the_deadline() {
    // PI-RUM-021, PI-MSG-017; PI-RUM-027: use goes on
    let mut lab = Lab::new(Config { transport: Transport::Off, ..Config::default() });
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(92), |_, _, _| panic!("transport is off"));
    let alert = |days| {
        format!(
            "%LICMGR-6-LOG_SMART_LIC_REPORTING_REQUIRED: A Usage report acknowledgement will be \
             required in {days} days."
        )
    };
    assert_eq!(lab.log, [alert(30), alert(0), alert(0), alert(0)]);
    assert_eq!(lab.agent.licenses_in_use()[0].count, 1);
}

#[test]
fn a_change_of_use_brings_the_deadline_forward() {
    // PI-RUM-013
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(1), accept);
    let acked = lab.agent.usage_reporting().last_ack_at.unwrap();
    assert_eq!(lab.agent.next_ack_deadline(), Some(acked.plus_days(365)));
    lab.now = START.plus_days(10);
    lab.handle(Input::Use(vec![lan(2)]));
    assert_eq!(lab.agent.next_ack_deadline(), Some(START.plus_days(100)));
    lab.run_until(START.plus_days(31), accept);
    let acked = lab.agent.usage_reporting().last_ack_at.unwrap();
    assert_eq!(lab.agent.next_ack_deadline(), Some(acked.plus_days(365)));
}

#[test]
fn a_policy_that_asks_for_nothing_stops_reports() {
    // PI-CLI-016, PI-RUM-014
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    let policy = lab.policy(|policy| {
        policy.unenforced = ClassPolicy::NONE;
        policy.reporting_ack_required = false;
    });
    lab.import(&policy).unwrap();
    assert_eq!(
        lab.log,
        [
            "%LICMGR-6-LOG_SMART_LIC_POLICY_INSTALL_SUCCESS: A new licensing policy was successfully installed."
        ]
    );
    lab.run_until(START.plus_days(500), |_, _, _| panic!("nothing is asked for"));
    assert_eq!(lab.agent.usage_reporting().next_ack_deadline_at, None);
}

#[test]
fn use_survives_power_loss_at_any_write() {
    // PI-RUM-005
    let mut lab = Lab::new(Config { transport: Transport::Off, ..Config::default() });
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = START + 1000;
    for round in 0..6 {
        // The write under way when the power fails leaves garbage in its place.
        let generation = |name: &str| {
            let text = lab.disk.files.get(name).map(|b| String::from_utf8_lossy(b).into_owned());
            let last = text.and_then(|t| t.lines().last().map(str::to_owned));
            last.and_then(|t| t.split(' ').nth(1).and_then(|g| g.parse().ok())).unwrap_or(0_u64)
        };
        let older = if generation("ledger.a") < generation("ledger.b") { "a" } else { "b" };
        if round % 2 == 0 {
            let torn = b"rumline-ledger-2 99 00 {".to_vec();
            lab.disk.files.insert(format!("ledger.{older}"), torn);
        }
        lab.reboot();
        lab.handle(Input::Use(vec![lan(1)]));
        assert_eq!(lab.agent.licenses_in_use()[0].since, START);
        lab.now = lab.now + 1000;
    }
    let file = lab.save_usage().unwrap();
    let document = Document::parse(file.as_bytes()).unwrap();
    let report = &document.reports[0].report;
    assert_eq!((report.start_at(), report.end_at()), (START, lab.now));
    assert_eq!(report.count_seconds(), lab.now.since(START));
}

#[test]
fn an_altered_ledger_is_not_believed() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    for name in ["ledger.a", "ledger.b"] {
        let text = String::from_utf8(lab.disk.files[name].clone()).unwrap();
        lab.disk
            .files
            .insert(name.to_owned(), text.replace("\"count\":1", "\"count\":0").into_bytes());
    }
    lab.reboot();
    assert!(
        lab.agent.event_log().any(|line| line.contains("damaged") || line.contains("ledgerLost"))
    );
}

#[test]
fn a_full_disk_holds_reports_back_and_loses_nothing() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.disk.failure = Some(DiskError::Full);
    lab.run_until(START + Timestamp::HOUR, |_, _, _| panic!("nothing leaves before it is durable"));
    lab.handle(Input::Use(vec![lan(3)]));
    assert_eq!(lab.agent.storage_failure(), Some(&DiskError::Full));
    lab.disk.failure = None;
    let mut seconds = 0;
    lab.run_until(START.plus_days(1), |lab, id, request| {
        seconds += reports_of(&request).iter().map(|s| s.report.count_seconds()).sum::<i64>();
        accept(lab, id, request);
    });
    assert_eq!(lab.agent.storage_failure(), None);
    let open = lab.agent.licenses_in_use()[0].report_id;
    let open = lab.agent.report_summary(open, &mut lab.disk).unwrap().unwrap().start_at;
    let expected = Timestamp::HOUR + 3 * open.since(START + Timestamp::HOUR);
    assert_eq!(seconds, expected);
}

#[test]
fn a_clock_step_loses_no_second() {
    let mut lab = Lab::new(Config { transport: Transport::Off, ..Config::default() });
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = START + 500;
    let back = START - 100_000;
    lab.handle(Input::ClockStepped { from: lab.now, to: back });
    lab.now = back + 300;
    let file = lab.save_usage().unwrap();
    let report = Document::parse(file.as_bytes()).unwrap().reports.remove(0).report;
    assert_eq!(report.count_seconds(), 800);
    assert_eq!(report.measurements[0].clock_change_delta, Some(-100_500));
    assert!(lab.agent.next_ack_deadline().unwrap() <= lab.now.plus_days(90));
}

#[test]
fn an_ack_counts_once_and_only_for_what_waits() {
    // FILE-009
    let mut lab = Lab::new(Config { transport: Transport::Off, ..Config::default() });
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = START + 100;
    let file = lab.save_usage().unwrap();
    let mut reports = Document::parse(file.as_bytes()).unwrap().reports;
    let ack = lab.ack_for(&reports);
    let tampered = ack.replace("accepted", "Accepted");
    let refused = lab.import(&tampered).unwrap().refused;
    assert_eq!(refused, [("RUM ACK", "signature mismatch".to_owned())]);
    assert_eq!(lab.agent.usage_reporting().last_ack_at, None);
    assert_eq!(lab.import(&ack).unwrap().installed, ["RUM ACK"]);
    let acked = lab.now;
    lab.now = lab.now + 100;
    assert_eq!(lab.import(&ack).unwrap().installed, ["RUM ACK"]);
    assert_eq!(lab.agent.usage_reporting().last_ack_at, Some(acked));
    reports[0].report.report_id += 77;
    let unknown = lab.ack_for(&reports);
    assert!(lab.import(&unknown).unwrap().refused[0].1.contains("does not know"));
    reports[0].report.udi = Udi::new("N9K-C93180YC-FX3", "OTHER").unwrap();
    let foreign = lab.ack_for(&reports);
    assert!(lab.import(&foreign).unwrap().refused[0].1.contains("another device"));
}

#[test]
fn a_report_that_is_written_anew_goes_at_once_and_what_is_said_of_the_old_one_is_old() {
    // PI-RUM-013, G-17: also where the policy asks for no reports.
    let mut lab = Lab::trusted(smart());
    let none = lab.policy(|policy| policy.unenforced = ClassPolicy::NONE);
    assert_eq!(lab.import(&none).unwrap().installed, ["POLICY"]);
    assert_eq!(lab.agent.push_interval_days(), 0);
    // It comes up with a clock that is days ahead.
    let right = lab.now;
    lab.now = right.plus_days(5);
    lab.reboot();
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = lab.now + 100;
    let file = lab.save_usage().unwrap();
    let reports = Document::parse(file.as_bytes()).unwrap().reports;
    let from = std::mem::replace(&mut lab.now, right + 200);
    lab.handle(Input::ClockStepped { from, to: lab.now });
    let pushes = |lab: &Lab| lab.agent.agenda().iter().any(|due| due.what == Duty::Push);
    assert!(!pushes(&lab));
    let refusal = lab.ack_with(&reports, |entry| {
        entry.status_code = StatusCode::Failed;
        entry.reason = Some(RefusalReason::Impossible);
    });
    lab.sent.clear();
    lab.import(&refusal).unwrap();
    let sent = lab.sent.iter().flat_map(|(_, request)| reports_of(request)).count();
    assert!(sent > 0 || pushes(&lab), "{:?}", lab.agent.agenda());
    // A collector may say it again.
    let summary = lab.import(&refusal).unwrap();
    assert_eq!((summary.installed, summary.refused), (vec!["RUM ACK"], vec![]));
}

#[test]
fn a_trust_code_is_locked_to_device_key_and_time() {
    // PI-TRUST-001, PI-TRUST-007, PI-NET-032, G-22
    let mut lab = Lab::new(smart());
    let refused = |lab: &mut Lab, text: &str, expected: &str| {
        let summary = lab.import(text).unwrap();
        assert_eq!(summary.refused, [("TRUST CODE", expected.to_owned())]);
        let line = lab.log.pop().unwrap();
        assert!(line.starts_with("%LICMGR-3-LOG_SMART_LIC_TRUST_CODE_INSTALL_FAILED: The install of a new licensing trust code has failed on PID:"), "{line}");
        assert!(!lab.agent.has_trust());
    };
    let other = lab.trust_code(|code| code.sudi = Udi::new("N9K-C93180YC-FX3", "OTHER").unwrap());
    refused(&mut lab, &other, "the trust code belongs to another device");
    let key = PublicKey { signing_type: SigningType::Simulated, spki: vec![9; 32] };
    let other = lab.trust_code(|code| code.public_key = key);
    refused(&mut lab, &other, "the trust code belongs to another key");
    let early = lab.trust_code(|code| code.issued_at = code.issued_at + 61 * MINUTE);
    refused(&mut lab, &early, "timestamp mismatch, check the clock");
    let past = lab.trust_code(|code| code.expires_at = code.issued_at);
    refused(&mut lab, &past, "the trust code has expired");
    let good = lab.trust_code(|code| code.issued_at = code.issued_at + 59 * MINUTE);
    lab.import(&good).unwrap();
    assert_eq!(
        lab.log,
        [
            "%LICMGR-6-LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS: A new licensing trust code was successfully installed on PID:N9K-C93180YC-FX3,SN:RML0000TEST."
        ]
    );
    lab.reboot();
    assert!(lab.agent.has_trust());
}

#[test]
fn an_online_trust_code_must_be_fresh_both_ways() {
    for (minutes, trusted) in [(-61, false), (-59, true), (59, true), (61, false)] {
        let mut lab = Lab::new(smart());
        let token = lab.token();
        lab.handle(Input::Trust { id_token: token.clone(), all: true, force: true });
        let (id, request) = lab.sent.remove(0);
        let RequestBody::TrustRequest { id_token, force, trust_requests } = &request.body else {
            panic!()
        };
        assert_eq!((id_token, *force, trust_requests.len()), (&token, true, 1)); // PI-TRUST-005
        let code = lab.trust_code(|code| code.issued_at = code.issued_at + minutes * MINUTE);
        lab.answer(id, &request, |response| response.smart_license = Some(code));
        assert_eq!(lab.agent.has_trust(), trusted, "{minutes}");
    }
}

#[test]
fn a_refused_token_is_told_with_its_reason() {
    // PI-MSG-012
    let mut lab = Lab::new(smart());
    let id_token = lab.token();
    lab.handle(Input::Trust { id_token, all: false, force: false });
    let (id, request) = lab.sent.remove(0);
    lab.answer(id, &request, |response| {
        response.status = ResponseStatus::Failed;
        response.status_message = "already installed".to_owned();
    });
    assert_eq!(
        lab.log,
        [
            "%LICMGR-3-LOG_SMART_LIC_TRUST_CODE_INSTALL_FAILED: The install of a new licensing trust code has failed on PID:N9K-C93180YC-FX3,SN:RML0000TEST: already installed."
        ]
    );
}

#[test]
fn answers_that_are_not_for_the_request_change_nothing() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = START + 37;
    lab.handle(Input::Tick);
    let (id, request) = lab.sent.remove(0);
    lab.handle(Input::Answer { request_id: "foreign".to_owned(), body: b"{}".to_vec() });
    assert_eq!(lab.agent.report_counts(), [1, 1, 0, 0, 0]);
    let mut replay = Response::new(&request, lab.now, ResponseStatus::Ok, "");
    replay.nonce = "0".repeat(16);
    lab.handle(Input::Answer { request_id: id, body: serde_json::to_vec(&replay).unwrap() });
    assert_eq!(lab.agent.report_counts(), [1, 1, 0, 0, 0]);
    assert!(lab.log[0].contains("COMM_FAILED"));
}

#[test]
fn factory_reset_forgets_everything_but_the_use_that_goes_on() {
    // PI-CLI-024, PI-POL-010, PI-TRUST-013, PI-MSG-011
    let mut lab = Lab::trusted(smart());
    let policy = lab.policy(|policy| policy.unenforced.ongoing_report_days = 20);
    lab.import(&policy).unwrap();
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(2), accept);
    lab.log.clear();
    lab.handle(Input::FactoryReset);
    assert_eq!(
        lab.log,
        ["%LICMGR-3-LOG_SMART_LIC_POLICY_REMOVED: The licensing policy has been removed."]
    );
    assert!(!lab.agent.has_trust());
    assert_eq!(lab.agent.policy(), Policy::cisco_default());
    assert_eq!(lab.agent.report_counts(), [1, 0, 0, 0, 0]);
    assert_eq!(lab.agent.licenses_in_use()[0].since, lab.now);
}

#[test]
fn a_feature_change_costs_one_durable_write() {
    let mut lab = Lab::trusted(smart());
    let before = lab.disk.writes;
    lab.handle(Input::Use(vec![lan(1)]));
    assert_eq!(lab.disk.writes - before, 1);
}

#[test]
fn without_trust_direct_reports_wait() {
    // G-37
    let mut lab = Lab::new(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(3), |_, _, _| panic!("no trust, no report"));
    assert_eq!(lab.log.len(), 3);
    assert!(lab.log[0].ends_with("Insufficient trust for direct communication"));
}

#[test]
fn acknowledged_reports_go_after_a_year_and_others_never() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(760), accept);
    let [open, closed, waiting, acknowledged, purged] = lab.agent.report_counts();
    assert_eq!((open, closed, waiting), (1, 0, 0));
    assert_eq!(acknowledged + purged, 26);
    assert!((12..=14).contains(&acknowledged), "{acknowledged}");
}

#[test]
fn removed_use_is_told_by_a_last_report_with_count_zero() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(1), accept);
    lab.handle(Input::Use(vec![]));
    assert!(lab.agent.licenses_in_use().is_empty());
    let mut last = None;
    lab.run_until(START.plus_days(100), |lab, id, request| {
        last = Some(reports_of(&request)[0].report.last_count());
        accept(lab, id, request);
    });
    assert_eq!(last, Some(0));
    assert_eq!(lab.agent.report_counts()[0], 0);
}
