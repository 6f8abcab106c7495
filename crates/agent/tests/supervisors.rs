//! Two supervisors: two UDIs, two trust codes, one use (PI-HA, PI-RUM-020, PI-TRUST-010, PI-POL-012).
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use std::collections::BTreeMap;

use common::*;
use rumline_agent::*;
use rumline_protocol::*;

fn supervisor(serial: &str) -> Udi {
    Udi::new("N9K-C9504", serial).unwrap()
}

/// The supervisors with these serial numbers, the first of them active.
fn members(serials: &[&str]) -> Vec<HaMember> {
    let role = |place| if place == 0 { Role::Active } else { Role::Standby };
    let member =
        |(place, serial): (usize, &&str)| HaMember { role: role(place), sudi: supervisor(serial) };
    serials.iter().enumerate().map(member).collect()
}

/// A chassis with these supervisors.
fn chassis(config: Config, serials: &[&str]) -> Lab {
    let mut lab = Lab::new(config);
    lab.disk = MemoryDisk::default();
    lab.members = members(serials);
    lab.reboot();
    lab
}

fn trusted(serials: &[&str], codes: &[&str]) -> Lab {
    let mut lab = chassis(smart(), serials);
    for serial in codes {
        let code = lab.trust_code(|code| code.sudi = supervisor(serial));
        assert_eq!(lab.import(&code).unwrap().installed, ["TRUST CODE"]);
    }
    lab
}

/// Two supervisors with a licence in use, where the policy asks for no ACK.
fn in_use_without_acks() -> Lab {
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    let policy = lab.policy(|policy| policy.reporting_ack_required = false);
    lab.import(&policy).unwrap();
    lab.handle(Input::Use(vec![lan(1)]));
    lab
}

/// The other one takes over: it boots on what was copied to it.
fn switch_over(lab: &mut Lab, serials: &[&str]) {
    lab.members = members(serials);
    lab.reboot();
}

/// What CSSM has heard: by UDI and number, each report once.
#[derive(Default)]
struct Books(BTreeMap<(String, u64), RumReport>);

impl Books {
    fn take(&mut self, lab: &mut Lab, id: String, request: &Request) {
        let reports = reports_of(request);
        for signed in &reports {
            // Each speaks in its own name, and what it signs is its own.
            assert_eq!(signed.report.udi, request.sudi);
            let key = (signed.report.udi.serial.clone(), signed.report.report_id);
            self.0.insert(key, signed.report.clone());
        }
        let document = lab.ack_for(&reports);
        lab.answer(id, request, |response| {
            if !reports.is_empty() {
                response.smart_license = Some(document);
            }
        });
    }

    fn of(&self, serial: &str) -> Vec<&RumReport> {
        let of = self.0.iter().filter(|((of, _), _)| of == serial);
        of.map(|(_, report)| report).collect()
    }

    fn seconds(&self, serial: &str) -> i64 {
        self.of(serial).iter().map(|report| report.count_seconds()).sum()
    }

    /// Each supervisor's reports are a chain without a gap.
    fn chains_are_whole(&self, serial: &str) {
        let mut reports = self.of(serial);
        reports.sort_by_key(|report| report.lineage.as_ref().unwrap().position);
        let mut last = None;
        for (place, report) in reports.iter().enumerate() {
            assert_eq!(report.lineage.as_ref().unwrap().position, place as u64 + 1, "{serial}");
            assert_eq!(
                report.previous.as_ref().map(|previous| previous.report_id),
                last,
                "{serial}"
            );
            last = Some(report.report_id);
        }
    }
}

fn run(lab: &mut Lab, books: &mut Books, seconds: i64) {
    let until = lab.now + seconds;
    lab.run_until(until, |lab, id, request| books.take(lab, id, &request));
}

fn sync(lab: &mut Lab, books: &mut Books) {
    lab.handle(Input::Sync);
    run(lab, books, 60);
}

#[test]
fn each_second_counts_once_whichever_is_active() {
    // PI-HA-004, PI-HA-006, CSSM: use under the active.
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    let mut books = Books::default();
    lab.handle(Input::Use(vec![lan(1)]));
    let began_at = lab.now;
    let mut spoke = BTreeMap::from([("SUP1", 0), ("SUP2", 0)]);
    let mut order = ["SUP1", "SUP2"];
    for turn in 0..7 {
        let from = lab.now;
        run(&mut lab, &mut books, 86_400 * (turn + 1) + 17);
        *spoke.get_mut(order[0]).unwrap() += lab.now.since(from);
        order.reverse();
        switch_over(&mut lab, &order);
        lab.handle(Input::Use(vec![lan(1)]));
    }
    let from = lab.now;
    sync(&mut lab, &mut books);
    *spoke.get_mut(order[0]).unwrap() += from.since(from);
    for (serial, seconds) in &spoke {
        assert_eq!(books.seconds(serial), *seconds, "{serial}");
        books.chains_are_whole(serial);
    }
    assert_eq!(books.seconds("SUP1") + books.seconds("SUP2"), from.since(began_at));
    // In use under the active, and out of use under the other, by what each said last.
    let last = |serial| books.of(serial).last().unwrap().last_count();
    assert_eq!((last(order[0]), last(order[1])), (1, 0));
    // The one who spoke was active by its own word, and the other is named.
    for report in books.0.values() {
        assert_eq!(report.ha_udi[0], HaMember { role: Role::Active, sudi: report.udi.clone() });
        assert_eq!(report.ha_udi[1].role, Role::Standby);
        assert_eq!(report.ha_udi.len(), 2);
    }
}

#[test]
fn a_switchover_is_followed_by_a_report_and_keeps_policy_and_trust() {
    // PI-HA-006, PI-POL-012, PI-TRUST-010
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    let policy = lab.policy(|policy| policy.version = 4_000_000_000);
    lab.import(&policy).unwrap();
    let mut books = Books::default();
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 86_400);
    let before = books.0.len();
    switch_over(&mut lab, &["SUP2", "SUP1"]);
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 1_000);
    assert!(books.0.len() > before && !books.of("SUP2").is_empty(), "no report followed");
    assert_eq!(lab.agent.policy_in_use().policy.version, 4_000_000_000);
    let trust = lab.agent.trust();
    let roles: Vec<_> = trust.iter().map(|line| (line.role, line.udi.serial.as_str())).collect();
    assert_eq!(roles, [(Role::Active, "SUP2"), (Role::Standby, "SUP1")]);
    assert!(trust.iter().all(|line| line.code.is_some()));
}

#[test]
fn what_one_had_closed_and_not_sent_goes_in_its_name() {
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = lab.now + 86_400;
    lab.handle(Input::Sync);
    let (id, _) = lab.sent.remove(0);
    lab.unreachable(id);
    switch_over(&mut lab, &["SUP2", "SUP1"]);
    lab.now = lab.now + 86_400;
    let mut books = Books::default();
    sync(&mut lab, &mut books);
    sync(&mut lab, &mut books);
    assert_eq!((books.seconds("SUP1"), books.seconds("SUP2")), (86_400, 86_400 + 60));
    books.chains_are_whole("SUP1");
    books.chains_are_whole("SUP2");
}

#[test]
fn a_report_that_cannot_be_written_at_a_switchover_is_written_later_and_loses_nothing() {
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    let mut books = Books::default();
    let began_at = lab.now;
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 86_400);
    lab.disk.failure = Some(DiskError::Full);
    switch_over(&mut lab, &["SUP2", "SUP1"]);
    lab.now = lab.now + 1_000;
    lab.handle(Input::Tick);
    lab.disk.failure = None;
    run(&mut lab, &mut books, 10_000);
    let until = lab.now;
    sync(&mut lab, &mut books);
    assert_eq!(books.seconds("SUP1") + books.seconds("SUP2"), until.since(began_at));
    assert!(books.seconds("SUP2") > 0);
    books.chains_are_whole("SUP1");
    books.chains_are_whole("SUP2");
}

#[test]
fn what_is_shown_while_a_switchover_waits_for_room_changes_nothing() {
    // It is sent as it was shown, or composed anew; either way each speaks in its own name.
    for is_changed in [false, true] {
        shown_while_it_waits(is_changed);
    }
}

fn shown_while_it_waits(is_changed: bool) {
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    let mut books = Books::default();
    let began_at = lab.now;
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 86_400);
    lab.disk.failure = Some(DiskError::Full);
    switch_over(&mut lab, &["SUP2", "SUP1"]);
    lab.now = lab.now + 1_000;
    lab.handle(Input::Tick);
    // There is room again, what is known is saved, and the next report is not due yet.
    lab.disk.failure = None;
    lab.now = lab.now + 10;
    lab.handle(Input::Tick);
    let mut environment = Environment { disk: &mut lab.disk, random: &mut lab.random };
    let shown = lab.agent.preview(lab.now, &mut environment);
    assert!(shown.is_ok(), "{shown:?}");
    if is_changed {
        lab.agent.set_hostname("other");
    }
    run(&mut lab, &mut books, 10_000);
    let until = lab.now;
    sync(&mut lab, &mut books);
    assert_eq!(books.seconds("SUP1") + books.seconds("SUP2"), until.since(began_at));
    assert!(books.seconds("SUP2") > 0);
    books.chains_are_whole("SUP1");
    books.chains_are_whole("SUP2");
}

#[test]
fn a_standby_that_is_added_directly_gets_its_trust_code_before_the_report() {
    // PI-HA-002, PI-HA-005, PI-HA-009
    let mut lab = trusted(&["SUP1"], &["SUP1"]);
    let mut books = Books::default();
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 86_400);
    lab.handle(Input::Supervisors(members(&["SUP1", "SUP2"])));
    let mut order = Vec::new();
    let until = lab.now + 3_600;
    lab.run_until(until, |lab, id, request| {
        order.push(request.body.class());
        assert_eq!(request.sudi, supervisor("SUP1"));
        match &request.body {
            RequestBody::TrustSync { trust_requests } => {
                assert_eq!(trust_requests.len(), 1);
                let asked: TrustRequest = serde_json::from_str(&trust_requests[0].data).unwrap();
                assert_eq!((asked.sudi, asked.role), (supervisor("SUP2"), Role::Standby));
                let code = lab.trust_code(|code| {
                    code.sudi = supervisor("SUP2");
                    code.answers = asked.nonce.clone();
                });
                lab.answer(id, &request, |response| response.smart_license = Some(code));
            }
            _ => books.take(lab, id, &request),
        }
    });
    assert_eq!(order, ["Trust Sync", "Usage Reporting"]);
    assert!(
        lab.log.iter().any(|line| {
            line.contains("TRUST_CODE_INSTALL_SUCCESS") && line.contains("SN:SUP2")
        })
    );
    let last = books.of("SUP1").last().copied().unwrap().clone();
    assert_eq!(last.ha_udi, members(&["SUP1", "SUP2"]));
    // Taken out again: a report says so (PI-HA-005), and nothing is asked for.
    lab.handle(Input::Supervisors(members(&["SUP1"])));
    run(&mut lab, &mut books, 3_600);
    assert_eq!(books.of("SUP1").last().unwrap().ha_udi, members(&["SUP1"]));
}

#[test]
fn a_standby_that_is_added_behind_a_collector_needs_nothing_but_the_report() {
    // PI-HA-008
    let mut lab = chassis(Config::default(), &["SUP1"]);
    let mut books = Books::default();
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 86_400);
    lab.handle(Input::Supervisors(members(&["SUP1", "SUP2"])));
    let mut classes = Vec::new();
    let until = lab.now + 3_600;
    lab.run_until(until, |lab, id, request| {
        classes.push(request.body.class());
        books.take(lab, id, &request);
    });
    assert_eq!(classes, ["Usage Reporting"]);
}

#[test]
fn one_without_a_trust_code_is_asked_for_in_the_name_of_the_one_that_has() {
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1"]);
    let mut books = Books::default();
    lab.handle(Input::Use(vec![lan(1)]));
    run(&mut lab, &mut books, 86_400);
    switch_over(&mut lab, &["SUP2"]);
    let mut classes = Vec::new();
    let until = lab.now + 7_200;
    lab.run_until(until, |lab, id, request| {
        classes.push((request.body.class(), request.sudi.serial.clone()));
        if let RequestBody::TrustSync { trust_requests } = &request.body {
            let asked: TrustRequest = serde_json::from_str(&trust_requests[0].data).unwrap();
            let code = lab.trust_code(|code| {
                code.sudi = asked.sudi.clone();
                code.answers = asked.nonce.clone();
            });
            return lab.answer(id, &request, |response| response.smart_license = Some(code));
        }
        books.take(lab, id, &request);
    });
    assert_eq!(classes[0], ("Trust Sync", "SUP1".to_owned()), "{classes:?}");
    assert!(lab.agent.has_trust());
    sync(&mut lab, &mut books);
    assert!(books.seconds("SUP2") > 0 && books.seconds("SUP1") >= 86_400);
}

#[test]
fn a_file_holds_the_reports_of_both() {
    let mut lab =
        chassis(Config { transport: Transport::Off, ..Config::default() }, &["SUP1", "SUP2"]);
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = lab.now + 1_000;
    switch_over(&mut lab, &["SUP2", "SUP1"]);
    lab.now = lab.now + 1_000;
    let document = Document::parse(lab.save_usage().unwrap().as_bytes()).unwrap();
    let told: Vec<_> = document
        .reports
        .iter()
        .map(|signed| (signed.report.udi.serial.as_str(), signed.report.count_seconds()))
        .collect();
    assert_eq!(told, [("SUP1", 1_000), ("SUP2", 1_000)]);
    assert_eq!(document.system_info.unwrap().value.sudi, supervisor("SUP2"));
    // Its ACK is for both.
    let ack = lab.ack_for(&document.reports);
    assert_eq!(lab.import(&ack).unwrap().installed, ["RUM ACK"]);
    assert_eq!(lab.agent.report_counts()[3], 2);
}

#[test]
fn a_refused_report_of_the_other_one_is_renumbered_in_its_own_chain() {
    let mut lab = trusted(&["SUP1", "SUP2"], &["SUP1", "SUP2"]);
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = lab.now + 1_000;
    switch_over(&mut lab, &["SUP2", "SUP1"]);
    let mut is_refused = false;
    let mut books = Books::default();
    let until = lab.now + 3_600;
    lab.run_until(until, |lab, id, request| {
        let reports = reports_of(&request);
        if !is_refused && request.sudi == supervisor("SUP1") && !reports.is_empty() {
            is_refused = true;
            let refusal = lab.ack_with(&reports, |entry| {
                entry.status_code = StatusCode::Failed;
                entry.reason = Some(RefusalReason::Conflict);
                entry.last_report_id = Some(entry.report_id + 100);
            });
            return lab.answer(id, &request, |response| response.smart_license = Some(refusal));
        }
        books.take(lab, id, &request);
    });
    assert!(is_refused);
    assert_eq!(books.seconds("SUP1"), 1_000);
    let epoch = |serial| books.of(serial)[0].lineage.as_ref().unwrap().epoch.clone();
    assert_ne!(epoch("SUP1"), "");
    assert_eq!(epoch("SUP2"), "", "the life of the other goes on");
}

#[test]
fn a_store_is_of_its_chassis_alone() {
    let mut lab = chassis(smart(), &["SUP1", "SUP2"]);
    lab.handle(Input::Use(vec![lan(1)]));
    let mut open = |serial: &str| {
        let profile = Profile { members: members(&[serial]), ..lab.agent.profile().clone() };
        let environment = &mut Environment { disk: &mut lab.disk, random: &mut lab.random };
        let suite = std::sync::Arc::new(SimulatedSuite);
        Agent::open(lab.now, profile, smart(), suite, environment)
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert!(open("SUP3").unwrap_err().contains("this store is that of"));
    open("SUP2").unwrap();
    open("SUP1").unwrap();
}

#[test]
fn one_that_was_given_all_can_begin_before_it_was_told_of() {
    let mut lab = trusted(&["SUP1"], &["SUP1"]);
    lab.handle(Input::Use(vec![lan(1)]));
    lab.handle(Input::SupervisorComes(supervisor("SUP2")));
    // The first ends here, after the other one was noted as having all.
    switch_over(&mut lab, &["SUP2"]);
    assert_eq!(lab.agent.profile().udi(), &supervisor("SUP2"));
}

#[test]
fn what_the_other_one_sent_without_an_ack_goes_once_more_until_it_is_acknowledged() {
    // PI-RUM-014
    let mut lab = in_use_without_acks();
    let mut first = Vec::new();
    let until = lab.now + 86_400;
    lab.run_until(until, |lab, id, request| {
        first.extend(reports_of(&request).iter().map(|signed| signed.report.report_id));
        lab.answer(id, &request, |_| {});
    });
    assert_eq!(lab.agent.report_counts()[2], 0, "none waits for an ACK");
    switch_over(&mut lab, &["SUP2"]);
    let mut books = Books::default();
    run(&mut lab, &mut books, 3_600);
    let again: Vec<u64> = books.of("SUP1").iter().map(|report| report.report_id).collect();
    assert!(first.iter().all(|id| again.contains(id)), "{first:?} {again:?}");
    assert_eq!(lab.agent.report_counts()[2], 0, "all of it is acknowledged now");
    books.chains_are_whole("SUP1");
}

/// They are in the file beside those of the one that speaks, and were done with it as those are.
#[test]
fn a_file_settles_nothing_of_the_one_that_speaks_no_more() {
    // PI-RUM-014
    let mut lab = in_use_without_acks();
    lab.now = lab.now + 86_400;
    lab.save_usage().unwrap();
    assert_eq!(lab.agent.report_counts()[2], 0, "none waits for an ACK");
    switch_over(&mut lab, &["SUP2"]);
    let waits = lab.agent.report_counts()[1..3].iter().sum::<u64>();
    assert!(waits > 0, "nothing of the first is known to have come");
    lab.handle(Input::Use(vec![lan(0)]));
    lab.save_usage().unwrap();
    assert_eq!(
        lab.agent.report_counts()[2],
        waits,
        "what the second one closed is done with the file"
    );
    let mut books = Books::default();
    run(&mut lab, &mut books, 86_400);
    assert_eq!(books.of("SUP1").len() as u64, waits);
    assert_eq!(lab.agent.report_counts()[2], 0, "all of it is acknowledged");
    books.chains_are_whole("SUP1");
}

/// The policy asks for an ACK when the other one takes over: what was done without one before is asked for all the same.
#[test]
fn what_was_done_without_an_ack_is_asked_for_although_the_policy_has_changed() {
    // PI-RUM-014
    let mut lab = in_use_without_acks();
    lab.now = lab.now + 86_400;
    lab.save_usage().unwrap();
    let done = lab.agent.report_counts()[3];
    let policy = lab.policy(|policy| policy.reporting_ack_required = true);
    lab.import(&policy).unwrap();
    switch_over(&mut lab, &["SUP2"]);
    let mut books = Books::default();
    run(&mut lab, &mut books, 86_400);
    assert!(books.of("SUP1").len() as u64 > done, "{done} and the last one");
    books.chains_are_whole("SUP1");
}

/// An ACK that nobody asked for counts: what it is about does not go once more.
#[test]
fn what_was_acknowledged_unasked_does_not_go_once_more() {
    // PI-RUM-014
    let mut lab = in_use_without_acks();
    lab.now = lab.now + 86_400;
    let mut books = Books::default();
    run(&mut lab, &mut books, 40 * 86_400);
    let done: Vec<u64> = books.of("SUP1").iter().map(|report| report.report_id).collect();
    assert!(!done.is_empty());
    switch_over(&mut lab, &["SUP2"]);
    let mut after = Books::default();
    run(&mut lab, &mut after, 86_400);
    let again: Vec<u64> = after.of("SUP1").iter().map(|report| report.report_id).collect();
    assert!(done.iter().all(|id| !again.contains(id)), "{done:?} {again:?}");
}
