//! What is due and why: every policy, clocks that are set, peers that say when, long outages.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;
use common::*;
use rumline_agent::*;
use rumline_protocol::*;

fn overdue(lab: &Lab) -> Vec<&String> {
    lab.log.iter().filter(|line| line.contains("required in 0 days")).collect()
}

/// Answers like a CSSM with the default delay: the ACK comes with the poll.
struct Slow {
    reports: Vec<SignedReport>,
    pushes: usize,
    away: bool,
}

impl Slow {
    fn new() -> Self {
        Self { reports: Vec::new(), pushes: 0, away: false }
    }

    #[expect(clippy::needless_pass_by_value, reason = "the shape run_until wants")]
    fn answer(&mut self, lab: &mut Lab, id: String, request: Request) {
        if self.away {
            return lab.handle(Input::Busy { request_id: id, retry_after_seconds: 3_600 });
        }
        match &request.body {
            RequestBody::UsageReport { .. } => {
                self.pushes += 1;
                self.reports.extend(reports_of(&request));
                lab.answer(id, &request, |response| {
                    response.status = ResponseStatus::OkPoll;
                    response.poll_id = Some("1".to_owned());
                    response.poll_interval_seconds = Some(300);
                });
            }
            RequestBody::ResultPoll { .. } => {
                let document = lab.ack_for(&std::mem::take(&mut self.reports));
                lab.answer(id, &request, |response| response.smart_license = Some(document));
            }
            _ => lab.answer(id, &request, |_| {}),
        }
    }
}

#[test]
fn whatever_zeros_a_policy_has_its_reports_are_there_in_time() {
    // T14; PI-RUM-011, 012, 013, PI-CLI-015, 016
    for first in [0, 1, 30, 90] {
        for ongoing in [0, 1, 7, 30, 365] {
            for change in [0, 1, 90] {
                for ack in [true, false] {
                    for interval_days in [None, Some(5), Some(365)] {
                        let told = format!("{first} {ongoing} {change} {ack} {interval_days:?}");
                        in_time((first, ongoing, change, ack), interval_days, &told);
                    }
                }
            }
        }
    }
}

fn in_time(
    (first, ongoing, change, ack): (u32, u32, u32, bool),
    interval_days: Option<u32>,
    told: &str,
) {
    let mut lab = Lab::trusted(Config { interval_days, ..smart() });
    let policy = lab.policy(|policy| {
        policy.reporting_ack_required = ack;
        policy.unenforced.first_report_days = first;
        policy.unenforced.ongoing_report_days = ongoing;
        policy.unenforced.on_change_report_days = change;
    });
    lab.import(&policy).unwrap();
    let (mut peer, mut ends) = (Slow::new(), Vec::new());
    for (day, count) in [(0, 1), (50, 2), (150, 3), (151, 1), (400, 1)] {
        lab.run_until(START.plus_days(day), |lab, id, request| {
            ends.extend(reports_of(&request).iter().map(|r| (lab.now, r.report.end_at())));
            peer.answer(lab, id, request);
        });
        lab.handle(Input::Use(vec![lan(count)]));
    }
    assert!(overdue(&lab).is_empty(), "{told}: {:?}", lab.log);
    assert_eq!(lab.log.iter().filter(|line| line.contains("FAILED")).count(), 0, "{told}");
    let nothing_asks = interval_days.is_none() && ongoing == 0 && first == 0 && change == 0;
    assert_eq!(peer.pushes == 0, nothing_asks, "{told}: {}", peer.pushes);
    // What a period asks for has left within it, whether or not an ACK is asked for.
    if change > 0 {
        for changed in [50, 150, 151].map(|day| START.plus_days(day)) {
            let by = changed.plus_days(change);
            assert!(ends.iter().any(|(at, end)| *end >= changed && *at <= by), "{told}: {ends:?}");
        }
    }
    if ongoing > 0 {
        let mut at: Vec<Timestamp> = ends.iter().map(|(at, _)| *at).collect();
        at.push(START.plus_days(400));
        let longest = at.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
        assert!(longest <= i64::from(ongoing) * Timestamp::DAY, "{told}: {longest}");
    }
    let most = 402 * 3 + 40;
    assert!(peer.pushes < most, "{told}: {}", peer.pushes);
}

#[test]
fn deadlines_and_alarms_end_when_use_ends_and_begin_anew_with_it() {
    // T14
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(10), accept);
    lab.handle(Input::Use(vec![]));
    assert!(lab.agent.usage_reporting().next_ack_deadline_at.is_some(), "the end is not told yet");
    lab.run_until(START.plus_days(100), accept);
    assert_eq!(lab.agent.usage_reporting().next_ack_deadline_at, None);
    assert_eq!(lab.agent.agenda(), []);
    assert!(!lab.agent.report_is_due(lab.now));
    lab.run_until(START.plus_days(2000), |_, _, _| panic!("nothing to send"));
    assert!(lab.log.is_empty(), "{:?}", lab.log);
    lab.handle(Input::Use(vec![lan(1)]));
    let deadline = lab.agent.usage_reporting().next_ack_deadline_at;
    assert_eq!(deadline, Some(lab.now.plus_days(90)), "as after a change");
    lab.run_until(START.plus_days(2010), accept);
    let deadline = lab.agent.usage_reporting().next_ack_deadline_at.unwrap();
    assert!(deadline > START.plus_days(2300), "{deadline}");
    assert!(lab.log.is_empty(), "{:?}", lab.log);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_leaves_nothing_behind() {
    // T14
    for wrong_seconds in
        [-10 * 365 * Timestamp::DAY, -Timestamp::HOUR, Timestamp::HOUR, 10 * 365 * Timestamp::DAY]
    {
        for wrong_at_day in [3, 65, 94] {
            let told = format!("{wrong_seconds} at day {wrong_at_day}");
            let right = shown_after(wrong_at_day, |_, _| {});
            let wrong = shown_after(wrong_at_day, |lab, peer| {
                let set = |lab: &mut Lab, seconds| {
                    let (from, to) = (lab.now, lab.now + seconds);
                    lab.now = to;
                    lab.handle(Input::ClockStepped { from, to });
                };
                set(lab, wrong_seconds);
                let later = lab.now + Timestamp::HOUR;
                lab.run_until(later, |lab, id, request| peer.answer(lab, id, request));
                set(lab, -wrong_seconds);
            });
            assert_eq!(wrong, right, "{told}");
            // The same while it was off: it comes up wrong, and is set right.
            let wrong = shown_after(wrong_at_day, |lab, peer| {
                let right = lab.now;
                lab.now = right + wrong_seconds;
                lab.reboot();
                lab.handle(Input::Use(vec![lan(1)]));
                let from = lab.now;
                lab.now = right + 10;
                lab.handle(Input::ClockStepped { from, to: right + 10 });
                let later = lab.now + Timestamp::HOUR;
                lab.run_until(later, |lab, id, request| peer.answer(lab, id, request));
            });
            let rebooted = shown_after(wrong_at_day, |lab, peer| {
                lab.reboot();
                lab.handle(Input::Use(vec![lan(1)]));
                let later = lab.now + Timestamp::HOUR;
                lab.run_until(later, |lab, id, request| peer.answer(lab, id, request));
            });
            let close = |a: Option<Timestamp>, b: Option<Timestamp>| match (a, b) {
                (Some(a), Some(b)) => a.since(b).abs() <= 60,
                (a, b) => a == b,
            };
            assert!(close(wrong.0.last_ack_at, rebooted.0.last_ack_at), "{told}: {wrong:?}");
            assert!(close(wrong.0.last_push_at, rebooted.0.last_push_at), "{told}: {wrong:?}");
            assert!(close(wrong.0.next_push_at, rebooted.0.next_push_at), "{told}: {wrong:?}");
            assert_eq!(wrong.1, rebooted.1, "{told}");
        }
    }
}

/// Times, and the number of alerts, some days after something happened.
fn shown_after(day: u32, happens: impl FnOnce(&mut Lab, &mut Slow)) -> (UsageReporting, usize) {
    let mut lab = Lab::trusted(smart());
    let mut peer = Slow::new();
    let policy = lab.policy(|policy| {
        policy.unenforced.first_report_days = 90;
        policy.unenforced.ongoing_report_days = 70;
    });
    lab.import(&policy).unwrap();
    lab.handle(Input::Use(vec![lan(1)]));
    let run = |lab: &mut Lab, peer: &mut Slow, until: Timestamp| {
        lab.run_until(until, |lab, id, request| {
            // From day 35 on nobody is there: a warning and a deadline lie within.
            peer.away = lab.now >= START.plus_days(35);
            peer.answer(lab, id, request);
        });
    };
    run(&mut lab, &mut peer, START.plus_days(day));
    peer.away = day >= 35;
    happens(&mut lab, &mut peer);
    run(&mut lab, &mut peer, START.plus_days(124));
    let alerts = lab.log.iter().filter(|line| line.contains("REPORTING_REQUIRED")).count();
    (lab.agent.usage_reporting(), alerts)
}

#[test]
fn a_policy_that_is_over_by_a_wrong_clock_holds_again_by_the_right_one() {
    // T14
    for seconds in [Timestamp::DAY, 10 * 365 * Timestamp::DAY] {
        let mut lab = Lab::trusted(smart());
        let policy = lab.policy(|policy| {
            policy.policy_name = "Ours".to_owned();
            policy.expires_at = Some(START.plus_days(200));
        });
        lab.import(&policy).unwrap();
        lab.handle(Input::Use(vec![lan(1)]));
        lab.run_until(START.plus_days(199) + Timestamp::HOUR, accept);
        let set = |lab: &mut Lab, seconds| {
            let (from, to) = (lab.now, lab.now + seconds);
            lab.now = to;
            lab.handle(Input::ClockStepped { from, to });
        };
        set(&mut lab, seconds);
        let later = lab.now + Timestamp::HOUR;
        lab.run_until(later, accept);
        assert_eq!(lab.agent.policy().policy_name, Policy::CISCO_DEFAULT);
        set(&mut lab, -seconds);
        assert_eq!(lab.agent.policy().policy_name, "Ours");
        lab.run_until(START.plus_days(201), accept);
        assert_eq!(lab.agent.policy().policy_name, Policy::CISCO_DEFAULT);
        lab.reboot();
        assert_eq!(lab.agent.policy().policy_name, Policy::CISCO_DEFAULT);
    }
}

#[test]
fn a_sync_that_fails_lengthens_nothing_and_one_that_does_not_costs_one_request() {
    // T14, T15; PI-RUM-018
    let next_attempt = |syncs: usize| {
        let mut lab = Lab::trusted(smart());
        lab.handle(Input::Use(vec![lan(1)]));
        lab.run_until(START + 2 * MINUTE, |lab, id, _| lab.unreachable(id));
        for _ in 0..syncs {
            lab.handle(Input::Sync);
            let (id, _) = lab.sent.remove(0);
            lab.unreachable(id);
        }
        lab.agent.next_wake().unwrap().0
    };
    assert_eq!(next_attempt(20), next_attempt(0));
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START + Timestamp::HOUR, accept);
    lab.handle(Input::Sync);
    let mut asked = Vec::new();
    lab.run_until(lab.now + MINUTE, |lab, id, request| {
        asked.push(request.clone());
        accept(lab, id, request);
    });
    let [request] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(matches!(request.body, RequestBody::UsageReport { sync: true, .. }), "{request:?}");
    // It shows who asks, as a sync without a report does.
    let proof = from_base64(request.proof.as_deref().unwrap()).unwrap();
    let text = request.proof_text(&cssm_id(&lab.root));
    assert!(SimulatedSuite.verify(lab.agent.public_key(), text.as_bytes(), &proof));
}

#[test]
fn a_peer_that_says_when_is_asked_then_and_told_of_once() {
    // P1, G-21
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    let mut asked = Vec::new();
    lab.run_until(START + 3 * Timestamp::HOUR, |lab, id, request| {
        asked.push(lab.now.since(START));
        if asked.len() <= 2 {
            let wait = if asked.len() == 1 { 1_234 } else { 99_999 };
            return lab.handle(Input::Busy { request_id: id, retry_after_seconds: wait });
        }
        accept(lab, id, request);
    });
    assert_eq!(asked, [37, 37 + 1_234, 37 + 1_234 + 3_600]);
    let told = |word: &str| lab.log.iter().filter(|line| line.contains(word)).count();
    assert_eq!((told("COMM_FAILED"), told("COMM_RESTORED")), (2, 1), "{:?}", lab.log);
}

#[test]
fn a_report_is_due_while_it_is_overdue() {
    // T14, PI-SHOW-024, TSHOOT-003
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    assert!(!lab.agent.report_is_due(lab.now));
    lab.run_until(START.plus_days(100), |lab, id, _| lab.unreachable(id));
    assert!(lab.agent.report_is_due(lab.now));
    lab.run_until(START.plus_days(101), accept);
    assert!(!lab.agent.report_is_due(lab.now));
    // No transport: the deadline makes it due.
    lab.config = Config { transport: Transport::Off, ..Config::default() };
    lab.handle(Input::Configure(lab.config.clone()));
    lab.run_until(START.plus_days(600), |_, _, _| panic!("nothing to send"));
    assert!(lab.agent.report_is_due(lab.now));
}

#[test]
fn a_change_while_a_report_is_on_its_way_is_reported_in_time_too() {
    // T14, PI-RUM-013: nothing but the change asks for a report
    for ack in [true, false] {
        for away_days in [0, 2] {
            let mut lab = Lab::trusted(smart());
            let policy = lab.policy(|policy| {
                policy.reporting_ack_required = ack;
                policy.unenforced.first_report_days = 0;
                policy.unenforced.ongoing_report_days = 0;
                policy.unenforced.on_change_report_days = 30;
            });
            lab.import(&policy).unwrap();
            lab.handle(Input::Use(vec![lan(1)]));
            lab.run_until(START.plus_days(10), |_, _, _| panic!("nothing asks for it"));
            lab.handle(Input::Use(vec![lan(2)]));
            let (mut peer, mut changed_at, mut ends) = (Slow::new(), None, Vec::new());
            lab.run_until(START.plus_days(100), |lab, id, request| {
                let reports = reports_of(&request);
                // With the first message, and before its answer, use changes once more.
                let first_at = *changed_at.get_or_insert_with(|| {
                    lab.now = lab.now + 1;
                    lab.handle(Input::Use(vec![lan(3)]));
                    lab.now
                });
                if lab.now < first_at.plus_days(away_days) {
                    return lab.unreachable(id);
                }
                ends.extend(reports.iter().map(|r| (lab.now, r.report.end_at())));
                peer.answer(lab, id, request);
            });
            let changed_at = changed_at.unwrap();
            let by = changed_at.plus_days(30);
            let told = ends.iter().any(|(at, end)| *end > changed_at && *at <= by);
            assert!(told, "ack {ack}, away {away_days}: changed {changed_at}, {ends:?}");
            assert!(overdue(&lab).is_empty(), "{:?}", lab.log);
        }
    }
}

#[test]
fn a_clock_that_was_behind_at_one_start_and_right_at_the_next_invents_no_use() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START.plus_days(40), accept);
    let right = lab.now;
    let mut sums = 0;
    let mut count = |lab: &mut Lab, id: String, request: Request| {
        for report in reports_of(&request) {
            let report = report.report;
            sums += report.measurements.iter().map(|m| m.sample_interval()).sum::<i64>();
        }
        accept(lab, id, request);
    };
    lab.now = right - 26 * 365 * Timestamp::DAY;
    lab.reboot();
    lab.handle(Input::Use(vec![lan(1)]));
    let later = lab.now + Timestamp::DAY;
    lab.run_until(later, &mut count);
    lab.now = right + Timestamp::DAY + Timestamp::HOUR;
    lab.reboot();
    lab.handle(Input::Use(vec![lan(1)]));
    let later = lab.now + 30 * Timestamp::DAY;
    lab.run_until(later, &mut count);
    let used = lab.now.since(START);
    assert!(sums <= used, "{sums} of {used}");
    assert!(lab.log.iter().all(|line| !line.contains("REQUIRED")), "{:?}", lab.log);
    let times = lab.agent.usage_reporting();
    assert!(times.last_ack_at.unwrap() >= right, "{times:?}");
}

#[test]
fn a_sync_during_another_exchange_is_still_somebodys() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    let mut peer = Slow::new();
    lab.run_until(START + 60, |lab, id, request| peer.answer(lab, id, request));
    // The ACK check is on its way.
    lab.now = START + 400;
    lab.handle(Input::Tick);
    let (id, request) = lab.sent.remove(0);
    assert!(matches!(request.body, RequestBody::ResultPoll { .. }));
    lab.handle(Input::Sync);
    lab.answer(id, &request, |response| {
        response.status = ResponseStatus::OkPoll;
    });
    let (_, request) = lab.sent.remove(0);
    let RequestBody::UsageReport { usage, sync, .. } = &request.body else { panic!("{request:?}") };
    assert!(*sync && usage.len() >= 2, "what has no ACK goes again: {}", usage.len());
    // One that fails on the way takes nothing of what was asked for meanwhile with it.
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.now = START + 40;
    lab.handle(Input::Tick);
    let (id, _) = lab.sent.remove(0);
    lab.handle(Input::Sync);
    lab.unreachable(id);
    let (_, request) = lab.sent.remove(0);
    assert!(matches!(request.body, RequestBody::UsageReport { sync: true, .. }), "{request:?}");
}

#[test]
fn what_could_not_leave_leaves_once_the_disk_takes_the_ledger() {
    let mut lab = Lab::trusted(smart());
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START + Timestamp::HOUR, accept);
    lab.now = START.plus_days(31);
    // The reports are written, the ledger is not.
    struct OnlyReports<'a>(&'a mut MemoryDisk);
    impl Disk for OnlyReports<'_> {
        fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
            self.0.read(name)
        }
        fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
            self.0.write(name, bytes)
        }
        fn overwrite(&mut self, _: &str, _: &[u8]) -> Result<(), DiskError> {
            Err(DiskError::Full)
        }
        fn extend(&mut self, _: &str, _: &[u8]) -> Result<(), DiskError> {
            Err(DiskError::Full)
        }
        fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
            self.0.append(name, bytes)
        }
        fn remove(&mut self, name: &str) -> Result<(), DiskError> {
            self.0.remove(name)
        }
        fn list(&mut self, prefix: &str) -> Result<Vec<String>, DiskError> {
            self.0.list(prefix)
        }
    }
    let mut disk = OnlyReports(&mut lab.disk);
    let mut environment = Environment { disk: &mut disk, random: &mut lab.random };
    let effects = lab.agent.handle(lab.now, Input::Tick, &mut environment);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Send { .. })), "{effects:?}");
    let retry_at = lab.agent.next_wake().unwrap().0;
    lab.now = retry_at;
    lab.handle(Input::Tick);
    let (_, request) = lab.sent.remove(0);
    assert_eq!(reports_of(&request).len(), 1, "the one that was written");
}

#[test]
fn reports_that_outlive_both_ledgers_are_offered_though_nothing_is_in_use() {
    let mut lab = Lab::trusted(Config {
        transport: Transport::Cslu,
        cslu_url: Some("http://cslu".to_owned()),
        ..Config::default()
    });
    lab.handle(Input::Use(vec![lan(1)]));
    lab.run_until(START + Timestamp::HOUR, |lab, id, _| lab.unreachable(id));
    lab.handle(Input::Use(vec![]));
    lab.now = lab.now + 10;
    lab.handle(Input::Shutdown);
    for name in ["ledger.a", "ledger.b"] {
        lab.disk.files.get_mut(name).unwrap().truncate(100);
    }
    lab.sent.clear();
    lab.reboot();
    lab.handle(Input::Use(vec![]));
    let mut offered = 0;
    lab.run_until(lab.now + Timestamp::HOUR, |lab, id, request| {
        offered += reports_of(&request).len();
        accept(lab, id, request);
    });
    assert!(offered >= 1);
    assert_eq!(lab.agent.report_counts()[1..3], [0, 0]);
}

#[test]
fn a_clock_that_was_set_back_while_off_and_right_then_loses_no_use_at_the_next_start() {
    for off_seconds in [0, 7_200] {
        let mut lab = Lab::trusted(smart());
        lab.handle(Input::Use(vec![lan(1)]));
        let mut seconds = 0;
        let mut count = |lab: &mut Lab, id: String, request: Request| {
            for report in reports_of(&request) {
                let all = report.report.measurements.iter();
                seconds += all.map(Measurement::sample_interval).sum::<i64>();
            }
            accept(lab, id, request);
        };
        lab.run_until(START.plus_days(3), &mut count);
        // What was last written down is of now.
        lab.handle(Input::Sync);
        lab.run_until(START.plus_days(3), &mut count);
        // An hour ahead until now; somebody set it right while the switch was off.
        lab.now = lab.now - Timestamp::HOUR;
        lab.reboot();
        lab.handle(Input::Use(vec![lan(1)]));
        let began_at = lab.now;
        let later = began_at + 3 * Timestamp::HOUR;
        lab.run_until(later, &mut count);
        lab.handle(Input::Sync);
        lab.run_until(later + 300, &mut count);
        lab.now = lab.now + off_seconds;
        lab.reboot();
        lab.handle(Input::Use(vec![lan(1)]));
        lab.run_until(lab.now + Timestamp::HOUR, &mut count);
        lab.handle(Input::Sync);
        lab.run_until(lab.now + 60, &mut count);
        // Every second but the last minute, and none twice.
        let used = 3 * Timestamp::DAY + lab.now.since(began_at);
        assert!((0..=60).contains(&(used - seconds)), "{seconds} of {used}");
    }
}
