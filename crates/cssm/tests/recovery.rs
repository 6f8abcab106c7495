//! A switch that was away for long, and one that asks often, against the default delay and limit (CSSM-029, G-21).

use rumline_agent::{Config, Input, Transport};
use rumline_cssm::{Actor, Settings};
use rumline_protocol::*;
use rumline_testkit::*;

/// A switch that could not report for a while, with so many reports waiting.
fn backlog(lab: &mut Lab, reports: u64) -> Switch {
    let mut switch = lab.switch("SN1");
    lab.trust(&mut switch, &lab.token(), false);
    lab.give(&mut switch, Input::Use(vec![lan(1)]));
    let config = switch.agent.config().clone();
    let off = Config { transport: Transport::Off, ..config.clone() };
    switch.handle(lab.now, Input::Configure(off));
    for _ in 0..reports {
        lab.now = lab.now + 600;
        // As before a reload: what is open is closed.
        switch.handle(lab.now, Input::Shutdown);
    }
    switch.handle(lab.now, Input::Configure(config));
    switch.sent.clear();
    assert!(switch.agent.report_counts()[1] >= reports, "{:?}", switch.agent.report_counts());
    let disk = switch.disk.clone();
    switch.restart(lab.now, disk);
    switch
}

#[test]
fn five_thousand_waiting_reports_are_acknowledged_within_three_hours() {
    // P1
    let mut lab = Lab::in_memory(&Settings::default());
    let lab = &mut lab;
    let mut switch = backlog(lab, 5_000);
    let (began_at, mut bytes, mut requests) = (lab.now, 0, 0);
    let mut reported = 0;
    while switch.agent.report_counts()[1] + switch.agent.report_counts()[2] > 0 {
        let at = switch.agent.next_wake().unwrap().0;
        lab.now = lab.now.max(at);
        switch.handle(lab.now, Input::Tick);
        while let Some(sent) = switch.sent.pop_front() {
            requests += 1;
            bytes += sent.body.len();
            let request: Request = serde_json::from_slice(&sent.body).unwrap();
            if let RequestBody::UsageReport { usage, .. } = &request.body {
                let sizes = usage.iter().map(|item| serde_json::to_string(item).unwrap().len());
                reported += sizes.sum::<usize>();
            }
            let answer = serde_json::to_vec(&lab.response(&request)).unwrap();
            switch.answer(lab.now, sent.request_id, Ok(answer));
        }
        assert!(
            lab.now.since(began_at) < 3 * Timestamp::HOUR,
            "{:?}",
            switch.agent.report_counts()
        );
    }
    assert!(requests <= 36, "{requests}");
    // Once each: what a message holds beside its reports is little.
    assert!(bytes < reported * 6 / 5, "{bytes} for {reported}");
    let view = lab.instance("SN1");
    assert_eq!((view.reports_missing, view.overlap_seconds), (0, 0));
}

#[test]
fn one_sync_brings_the_policy_with_one_request_and_six_an_hour_are_no_trouble() {
    // T15
    let mut lab = Lab::in_memory(&Settings::default());
    let lab = &mut lab;
    let mut switch = lab.switch("SN1");
    lab.trust(&mut switch, &lab.token(), false);
    lab.give(&mut switch, Input::Use(vec![lan(1)]));
    let later = lab.now + Timestamp::DAY;
    lab.run_until(&mut switch, later);
    let mut policy = Policy::cisco_default();
    "Ours".clone_into(&mut policy.policy_name);
    let policy = Some((&policy, None));
    lab.cssm.set_policy(lab.now, &Actor::person("admin"), lab.sa, None, policy).unwrap();
    // What CSSM has read of an account it may answer with for a while.
    let later = lab.now + Timestamp::HOUR;
    lab.run_until(&mut switch, later);
    switch.handle(lab.now, Input::Sync);
    let sent = switch.sent.pop_front().unwrap();
    let request = serde_json::from_slice(&sent.body).unwrap();
    let answer = serde_json::to_vec(&lab.response(&request)).unwrap();
    switch.answer(lab.now, sent.request_id, Ok(answer));
    assert!(switch.sent.is_empty(), "one request does");
    assert_eq!(switch.agent.policy().policy_name, "Ours");
    for _ in 0..5 {
        let later = lab.now + 9 * MINUTE;
        lab.run_until(&mut switch, later);
        lab.give(&mut switch, Input::Sync);
    }
    let later = lab.now + 10 * MINUTE;
    lab.run_until(&mut switch, later);
    assert!(!switch.log.iter().any(|line| line.contains("429")), "{:?}", switch.log);
    assert_eq!(switch.agent.report_counts()[1..3], [0, 0]);
}
