#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! A policy tried on what was reported says of a switch what the switch itself says under it (N9).

use std::collections::BTreeSet;

use rumline_agent::{Input, Reason};
use rumline_cssm::{InstanceId, Trial};
use rumline_protocol::{ClassPolicy, Policy, Random, Timestamp};
use rumline_testkit::*;

const HOUR: i64 = 3_600;

/// Lets time pass for a switch that may be cut off; `late` hears of each time for a report that it missed.
fn run(
    lab: &mut Lab,
    switch: &mut Switch,
    to: Timestamp,
    is_cut: bool,
    late: &mut BTreeSet<Timestamp>,
) {
    let answer = |lab: &Lab, switch: &mut Switch| {
        while let Some(sent) = switch.sent.pop_front() {
            switch.answer(lab.now, sent.request_id, Err(Reason::NoRoute));
        }
    };
    loop {
        match switch.agent.next_wake() {
            Some((at, _)) if at <= to => {
                lab.now = lab.now.max(at);
                late.extend(switch.agent.next_ack_deadline().filter(|at| *at < lab.now));
                if is_cut {
                    switch.handle(lab.now, Input::Tick);
                    answer(lab, switch);
                } else {
                    lab.give(switch, Input::Tick);
                }
            }
            _ => break,
        }
    }
    lab.now = to;
    late.extend(switch.agent.next_ack_deadline().filter(|at| *at < lab.now));
}

fn tried(lab: &Lab, class: ClassPolicy) -> Trial {
    let after = InstanceId::default();
    lab.cssm.try_policy(lab.now, (lab.sa, lab.va), class, after, 10).unwrap().remove(0)
}

#[test]
fn it_says_late_when_the_switch_was() {
    let mut times_late = 0;
    for seed in 0..24 {
        let mut lab = Lab::in_memory(&at_once());
        let mut chance = Chance::of(seed);
        let mut one_of = |all: [u32; 3]| all[usize::try_from(chance.below(3)).unwrap()];
        let class = ClassPolicy {
            first_report_days: one_of([0, 5, 20]),
            ongoing_report_days: one_of([0, 10, 30]),
            on_change_report_days: one_of([0, 3, 8]),
        };
        let policy = Policy { unenforced: class, ..Policy::cisco_default() };
        lab.cssm.set_policy(lab.now, &admin(), lab.sa, None, Some((&policy, None))).unwrap();
        let mut switch = lab.switch("SN1");
        // Some begin with a clock of years ago, which is set soon.
        let is_set = seed % 3 == 0;
        if is_set {
            switch.skew = -400 * 86_400;
            switch.handle(lab.now, Input::Use(vec![lan(1)]));
            lab.now = lab.now + 20;
            let (from, to) = (lab.now + switch.skew, lab.now);
            switch.skew = 0;
            switch.handle(lab.now, Input::ClockStepped { from, to });
        }
        let token = lab.token();
        lab.trust(&mut switch, &token, false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        let (mut is_cut, mut late, mut was_cut) = (false, BTreeSet::new(), false);
        for hour in 1..24 * 120 {
            let to = START + hour * HOUR;
            run(&mut lab, &mut switch, to, is_cut, &mut late);
            if chance.below(24 * 8) == 0 {
                (is_cut, was_cut) = (seed % 4 != 0 && !is_cut, true);
            }
            if chance.below(24 * 12) == 0 {
                let count = u32::try_from(chance.below(3)).unwrap();
                let used = if count == 0 { Vec::new() } else { vec![lan(count)] };
                if is_cut {
                    switch.handle(lab.now, Input::Use(used));
                } else {
                    lab.give(&mut switch, Input::Use(used));
                }
            }
        }
        // What it holds back nobody knows of.
        let end = lab.now + 40 * 86_400;
        run(&mut lab, &mut switch, end, false, &mut late);
        let trial = tried(&lab, class);
        let told: BTreeSet<Timestamp> = trial.late.iter().map(|l| Timestamp(l.due_at)).collect();
        assert_eq!(told, late, "seed {seed}: {class:?}");
        assert_eq!(trial.late_count, i64::try_from(late.len()).unwrap());
        times_late += late.len();
        if !was_cut || seed % 4 == 0 {
            assert_eq!(trial.late_count, 0, "seed {seed}");
            assert!(trial.reports >= trial.reports_wanted, "seed {seed}: {trial:?}");
        }
    }
    assert!(times_late > 20, "{times_late}");
}
