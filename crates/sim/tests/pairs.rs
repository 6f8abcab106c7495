//! Pairs of supervisors in simulated worlds. What failed once is kept below as a plain test.

use rumline_sim::{
    CopyStep, Fate, Fault, Op, PairOp, Place, Plan, Step, Who, World, run, run_and_shrink,
};

/// A world of one pair, in the topology of its seed.
fn pair(seed: u64) -> Plan {
    let mut plan = Plan { switches: 1, days: 60, pairs: vec![0], ..Plan::hostile(seed) };
    plan.fates.retain(|fate| *fate != Fate::CssmCopy);
    plan
}

/// A pair to which nothing happens but these, with seconds since the beginning.
fn after(ops: &[(i64, Op)]) -> Result<(), String> {
    let plan = Plan { days: 20, fates: Vec::new(), ..pair(1) };
    let step =
        |(at_seconds, op): &(i64, Op)| Step { at_seconds: *at_seconds, switch: 0, op: op.clone() };
    let steps: Vec<Step> = ops.iter().map(step).collect();
    World::run(&plan, &steps).map(|_| ())
}

const fn kill(who: Who, step: CopyStep) -> Op {
    kill_after(who, step, 0)
}

const fn kill_after(who: Who, step: CopyStep, after: u32) -> Op {
    Op::Pair(PairOp::Kill { who, step, after, seconds: 5_000 })
}

const ON: Op = Op::Feature { index: 1, on: true, save: false };

#[test]
fn pairs_lose_no_use_and_count_none_twice_in_all_topologies() {
    for seed in [1, 2, 3, 5, 6] {
        if let Err((steps, failure)) = run_and_shrink(&pair(seed)) {
            panic!("seed {seed}: {failure}\nsteps that still show it: {steps:#?}");
        }
    }
}

#[test]
fn what_a_replaced_supervisor_closed_reaches_cssm() {
    let steps = [
        (3_523, Op::Feature { index: 0, on: true, save: true }),
        (217_614, Op::Policy { kind: 10_277_239_299_535_465_830 }),
        (2_512_507, Op::Move { place: Place::OnPremOnline }),
        (2_822_686, Op::Pair(PairOp::Replace { while_off: false, same: false })),
        (3_043_151, Op::ClockStep { seconds: -299_768 }),
        (3_293_946, Op::Pair(PairOp::Switchover)),
        (3_403_504, Op::PowerCut { after_writes: Some(3), seconds: 232_646 }),
    ];
    let steps = steps.map(|(at_seconds, op)| Step { at_seconds, switch: 0, op });
    World::run(&pair(4), &steps).unwrap();
}

#[test]
fn a_pair_broken_on_purpose_is_caught() {
    for broken in [Fault::SaysSettled, Fault::StaleTakesOver] {
        let caught = [1, 2, 3, 5, 6]
            .into_iter()
            .filter_map(|seed| run(&Plan { broken: Some(broken), ..pair(seed) }).err());
        let told: Vec<String> = caught.take(1).collect();
        assert!(!told.is_empty(), "nobody notices {broken:?}");
    }
}

#[test]
fn either_or_both_lose_power_at_each_step_of_the_copying() {
    for step in [
        CopyStep::None,
        CopyStep::NotGiven,
        CopyStep::GivenNotMade,
        CopyStep::MadeNotSettled,
        CopyStep::Settled,
    ] {
        for who in [Who::Active, Who::Standby, Who::Both] {
            let told = after(&[(90_000, ON), (200_000, kill(who, step)), (400_000, ON)]);
            told.unwrap_or_else(|failure| panic!("{who:?} at {step:?}: {failure}"));
        }
    }
}

#[test]
fn either_or_both_lose_power_at_each_step_of_a_filling() {
    for step in
        [CopyStep::OutNotNoted, CopyStep::OutNoted, CopyStep::Filling, CopyStep::FilledNotNoted]
    {
        for who in [Who::Active, Who::Standby, Who::Both] {
            let ops = [
                (90_000, ON),
                (200_000, kill(who, step)),
                (200_010, Op::Pair(PairOp::StandbyRestarts)),
                (400_000, ON),
            ];
            after(&ops).unwrap_or_else(|failure| panic!("{who:?} at {step:?}: {failure}"));
        }
    }
}

/// The right to take over was the slot's, and then the serial number's. Whoever was put in there, with an empty disk, and was
/// started first had it too: the chassis began anew, and the other one was given nothing in place of all it had.
#[test]
fn a_new_supervisor_with_an_empty_disk_does_not_begin_although_it_starts_first() {
    for same in [false, true] {
        let put_in = Op::Pair(PairOp::Replace { while_off: true, same });
        after(&[(90_000, ON), (200_000, put_in)]).unwrap();
    }
}

/// It had all, and its serial number was nowhere in it: it took the store for that of another switch, and did not start.
#[test]
fn a_new_supervisor_takes_over_before_the_switch_was_told_of_it() {
    after(&[
        (90_000, ON),
        (200_000, kill(Who::Active, CopyStep::NotedNotTold)),
        (200_010, Op::Pair(PairOp::Replace { while_off: false, same: false })),
    ])
    .unwrap();
}

/// The active one gave it all it has; the configuration that runs lies in no file, and was handed to it only if the other had
/// been missed.
#[test]
fn a_standby_that_restarts_sooner_than_anybody_notices_has_the_running_configuration() {
    after(&[
        (90_000, ON),
        (200_000, Op::Pair(PairOp::StandbyRestarts)),
        (201_000, kill(Who::Active, CopyStep::None)),
    ])
    .unwrap();
}

/// Seed 31, shrunk: the active one saved what ran and lost its power in the installation, and the other went on. The model took
/// what was saved before for what comes up.
#[test]
fn what_an_installation_saved_before_its_supervisor_lost_power_comes_up() {
    let steps = [
        (447_630, Op::Feature { index: 5, on: true, save: false }),
        (1_826_032, Op::Install { release: 3, after_writes: Some(7), seconds: 107_899 }),
        (3_946_707, kill_after(Who::Active, CopyStep::NotGiven, 1)),
        (4_523_000, Op::Feature { index: 2, on: true, save: true }),
        (5_229_192, Op::Pair(PairOp::Replace { while_off: true, same: false })),
    ];
    let steps = steps.map(|(at_seconds, op)| Step { at_seconds, switch: 2, op });
    let mut plan = Plan { pairs: vec![0, 1, 2, 3], ..Plan::hostile(31) };
    plan.fates.retain(|fate| *fate != Fate::CssmCopy);
    World::run(&plan, &steps).unwrap();
}
