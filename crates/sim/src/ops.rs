//! What people and fate do, and how a failing list of it is shrunk.

use rumline_protocol::{Random, Timestamp};

use crate::chance::Chance;
use crate::collectors::Place;
use crate::model::FEATURES;
use crate::pair::PairOp;
use crate::plan::{Fate, Plan};
use crate::world::World;

/// One thing that happens to one switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A feature is turned on or off; the configuration is saved afterwards, or not.
    Feature {
        /// Which, by its place in the list of features.
        index: usize,
        /// On or off.
        on: bool,
        /// Whether `copy running-config startup-config` follows.
        save: bool,
    },
    /// `license smart sync`.
    Sync,
    /// `reload`.
    Reload,
    /// The power fails, and comes back after so many seconds.
    PowerCut {
        /// In the middle of the write after so many more; at once if none.
        after_writes: Option<u32>,
        /// Seconds without power.
        seconds: i64,
    },
    /// The disk is full for so many seconds.
    DiskFull {
        /// Seconds.
        seconds: i64,
    },
    /// The clock is set by so many seconds.
    ClockStep {
        /// Seconds; negative is back.
        seconds: i64,
    },
    /// The network to CSSM is cut for so many seconds.
    Partition {
        /// Seconds.
        seconds: i64,
    },
    /// A person saves usage to a file, carries it to CSSM and the ACK back, each after a while, perhaps twice.
    Courier {
        /// Seconds on the way there.
        there_seconds: i64,
        /// Seconds on the way back.
        back_seconds: i64,
        /// Whether each file is handed over twice.
        twice: bool,
    },
    /// A person asks for trust again, with force.
    TrustAgain,
    /// A switch is pointed somewhere else, and the configuration is saved.
    Move {
        /// Where to.
        place: Place,
    },
    /// A person exports what the switch's collector has, carries it to CSSM and the answer back.
    Bundle {
        /// Seconds on the way there.
        there_seconds: i64,
        /// Seconds on the way back.
        back_seconds: i64,
        /// Whether each file is handed over twice.
        twice: bool,
        /// Whether a byte is changed on the way there.
        damaged: bool,
    },
    /// A collector cannot reach CSSM for so many seconds.
    CollectorCut {
        /// Which.
        index: usize,
        /// Seconds.
        seconds: i64,
    },
    /// A collector restarts.
    CollectorRestart {
        /// Which.
        index: usize,
    },
    /// CSSM restarts: what it kept in memory is gone.
    CssmRestart,
    /// A process ends in the middle of a commit.
    CommitCrash {
        /// The collector's, by its place, or CSSM's.
        whose: usize,
        /// In the one after so many more.
        after_commits: u32,
        /// Whether what was being committed is there afterwards.
        kept: bool,
    },
    /// Somebody sets a policy, or takes it away.
    Policy {
        /// Which: any number.
        kind: u64,
    },
    /// Somebody keeps a token for longer than it lasts.
    OldToken,
    /// Another release is installed, up or down.
    Install {
        /// Which, by its place among those that are gone between.
        release: usize,
        /// The power fails in the middle of the write after so many more, if it does.
        after_writes: Option<u32>,
        /// Seconds without power then.
        seconds: i64,
    },
    /// Somebody registers a switch with a release of before.
    Register,
    /// What happens to a pair of supervisors.
    Pair(PairOp),
    /// [`Fate::BitRot`].
    BitRot {
        /// Which file, counted from any number.
        file: u64,
        /// Which bit of it.
        bit: u64,
    },
    /// [`Fate::SwitchCopy`].
    SwitchCopy {
        /// How old it is when it comes back.
        after_seconds: i64,
    },
    /// [`Fate::CollectorCopy`].
    CollectorCopy {
        /// Which.
        index: usize,
        /// How old it is when it comes back.
        after_seconds: i64,
    },
    /// [`Fate::CssmCopy`].
    CssmCopy {
        /// How old it is when it comes back.
        after_seconds: i64,
    },
    /// [`Fate::Clone`].
    Clone {
        /// For how long it runs.
        seconds: i64,
    },
    /// [`Fate::KeyLoss`].
    KeyLoss,
    /// [`Fate::FactoryReset`].
    FactoryReset,
    /// [`Fate::ClockWhileOff`].
    ClockWhileOff {
        /// Without power for so long.
        off_seconds: i64,
        /// By how much it is set; negative is back.
        by_seconds: i64,
    },
    /// [`Fate::Removal`].
    Remove,
    /// [`Fate::OtherAccount`].
    OtherAccount,
    /// [`Fate::Attack`].
    Attack {
        /// Which: any number.
        kind: u64,
    },
}

/// An op, when and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Seconds after the beginning.
    pub at_seconds: i64,
    /// The switch, by its place.
    pub switch: usize,
    /// What happens.
    pub op: Op,
}

/// How many releases are gone between.
pub(crate) const RELEASES: usize = 5;

/// Draws the steps of a plan from its seed, in order of time.
pub(crate) fn draw(plan: &Plan) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut of_pairs = plan.clone();
    of_pairs.fates.retain(|fate| fate.may_meet_a_pair());
    for switch in 0..plan.switches {
        let mut chance = Chance::new(plan.seed, 1_000_000 + switch as u64);
        let mut at_seconds = 60 + between(&mut chance, 0, 3600);
        // Each switch begins with a feature, saved; then something happens now and then.
        let index = index(&mut chance, FEATURES.len());
        steps.push(Step { at_seconds, switch, op: Op::Feature { index, on: true, save: true } });
        let end = i64::from(plan.days) * Timestamp::DAY;
        let distance = (end / i64::from(plan.ops_per_switch.max(1))).max(120);
        loop {
            at_seconds += between(&mut chance, 1, distance * 2);
            if at_seconds >= end {
                break;
            }
            let is_pair = plan.pairs.contains(&switch);
            let op = if is_pair && chance.below(2) == 0 {
                Op::Pair(PairOp::draw(&mut chance))
            } else if is_pair {
                draw_op(&of_pairs, &mut chance)
            } else {
                draw_op(plan, &mut chance)
            };
            steps.push(Step { at_seconds, switch, op });
        }
    }
    steps.sort_by_key(|step| (step.at_seconds, step.switch));
    steps
}

fn draw_op(plan: &Plan, chance: &mut Chance) -> Op {
    let seconds = between(chance, 1, 3 * Timestamp::DAY);
    if !plan.faults {
        return match chance.below(4) {
            0 => Op::Sync,
            _ => draw_feature(chance),
        };
    }
    if !plan.fates.is_empty() && chance.below(6) == 0 {
        return draw_fate(plan, chance);
    }
    match chance.below(40) {
        0..8 => draw_feature(chance),
        8..10 => Op::Sync,
        10..12 => Op::Reload,
        12..15 => Op::PowerCut {
            after_writes: (chance.below(2) == 0)
                .then(|| u32::try_from(chance.below(12) / 3).unwrap_or(0)),
            seconds,
        },
        15 => Op::DiskFull { seconds },
        16..18 => Op::ClockStep { seconds: between(chance, -400_000, 400_000) },
        18..20 => Op::Partition { seconds: seconds * 5 },
        20..22 => Op::Courier {
            there_seconds: seconds / 7 + 1,
            back_seconds: seconds / 5 + 1,
            twice: chance.below(3) == 0,
        },
        22 => Op::TrustAgain,
        23 => Op::CssmRestart,
        24..27 => Op::Move { place: Place::of(chance.below(6)) },
        27..33 => Op::Bundle {
            there_seconds: seconds / 7 + 1,
            back_seconds: seconds / 3 + 1,
            twice: chance.below(3) == 0,
            damaged: chance.below(5) == 0,
        },
        33 => Op::CollectorCut { index: index(chance, 3), seconds: seconds * 5 },
        34 => Op::CollectorRestart { index: index(chance, 3) },
        35..37 => Op::Policy { kind: chance.below(u64::MAX) },
        37 => Op::OldToken,
        38 => Op::CommitCrash {
            whose: index(chance, 4),
            after_commits: u32::try_from(chance.below(6)).unwrap_or(0),
            kept: chance.below(2) == 0,
        },
        _ => Op::Install {
            release: index(chance, RELEASES),
            after_writes: (chance.below(2) == 0)
                .then(|| u32::try_from(chance.below(12)).unwrap_or(0)),
            seconds,
        },
    }
}

fn draw_fate(plan: &Plan, chance: &mut Chance) -> Op {
    let fate = plan.fates[index(chance, plan.fates.len())];
    let after_seconds = between(chance, 60, 20 * Timestamp::DAY);
    match fate {
        Fate::BitRot => Op::BitRot { file: chance.below(1000), bit: chance.below(1 << 20) },
        Fate::SwitchCopy => Op::SwitchCopy { after_seconds },
        Fate::CollectorCopy => Op::CollectorCopy { index: index(chance, 3), after_seconds },
        Fate::CssmCopy => Op::CssmCopy { after_seconds },
        Fate::Clone => Op::Clone { seconds: after_seconds },
        Fate::KeyLoss => Op::KeyLoss,
        Fate::FactoryReset => Op::FactoryReset,
        // All the time, and set once more.
        Fate::ClocksApart => Op::ClockStep { seconds: between(chance, -3_000, 3_000) },
        Fate::ClockWhileOff => Op::ClockWhileOff {
            off_seconds: after_seconds / 20,
            by_seconds: between(chance, -400_000, 400_000),
        },
        Fate::Removal => Op::Remove,
        Fate::OtherAccount => Op::OtherAccount,
        Fate::Attack => Op::Attack { kind: chance.below(u64::MAX) },
    }
}

fn draw_feature(chance: &mut Chance) -> Op {
    Op::Feature {
        index: index(chance, FEATURES.len()),
        on: chance.below(3) != 0,
        save: chance.below(3) != 0,
    }
}

fn index(chance: &mut Chance, length: usize) -> usize {
    usize::try_from(chance.below(length as u64)).unwrap_or(0)
}

fn between(chance: &mut Chance, from: i64, to: i64) -> i64 {
    let width = u64::try_from(to - from).unwrap_or(1).max(1);
    from + i64::try_from(chance.below(width)).unwrap_or(0)
}

/// Leaves out as many steps as possible while the run still fails; returns what is left, and the failure.
#[must_use]
pub fn shrink(plan: &Plan, mut steps: Vec<Step>) -> (Vec<Step>, String) {
    let mut failure = World::run(plan, &steps).err().unwrap_or_default();
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match World::run(plan, &fewer) {
                Err(text) => (steps, failure) = (fewer, text),
                Ok(_) => at += size,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    (steps, failure)
}
