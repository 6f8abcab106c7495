//! A deterministic world of switches, CSSM, network, disks and clocks, and a reference model.
//!
//! The real switch, agent and CSSM cores run in virtual time. The world loses, delays and duplicates messages,
//! partitions the network, cuts the power (also in the middle of a write), fills disks, sets clocks, forgets
//! unsaved configurations, and has people who carry files late and twice. A much simpler model says what must
//! hold: after every step CSSM has counted no second of use that was not used, and once the world has healed it
//! has counted every second exactly once.
//!
//! The seed decides everything. A run is a list of [`Op`]s drawn from the seed; the network's chance is drawn from
//! the seed and the message's own number, so that leaving an op out changes nothing about the others. That is
//! what lets a failing run shrink to a few ops.
//!
//! # What is not a failure
//! * Use recorded by a command that a power cut interrupted may be there or not: the model then keeps a lower and
//!   an upper bound.
//! * A clock that is set while the switch is off: nothing on the switch can know of it, so the world does not do it.
//!
//! # Sources of nondeterminism
//! None known. Two runs of a seed give the same hash.

#![warn(missing_docs)]

mod chance;
mod checks;
mod collectors;
mod disk;
mod fate;
mod model;
mod network;
mod ops;
mod owners;
mod pair;
mod people;
mod plan;
mod strangers;
mod world;

pub use collectors::Place;
pub use ops::{Op, Step, shrink};
pub use pair::{CopyStep, PairOp, Who};
pub use plan::{Fate, Fault, Outcome, Plan};
pub use world::World;

/// Draws the steps of a plan and runs them.
///
/// # Errors
/// With what did not hold.
pub fn run(plan: &Plan) -> Result<Outcome, String> {
    let steps = ops::draw(plan);
    World::run(plan, &steps)
}

/// Runs a plan; when something did not hold, shrinks it and returns the steps that still show it, and what it was.
///
/// # Errors
/// With the shrunk steps and the failure.
pub fn run_and_shrink(plan: &Plan) -> Result<Outcome, (Vec<Step>, String)> {
    let steps = ops::draw(plan);
    World::run(plan, &steps).map_err(|_| shrink(plan, steps))
}
