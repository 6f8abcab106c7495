//! `rumline sim`: years of an estate in seconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use rumline_net::Clock;
use rumline_sim::{Fate, Fault, Outcome, Plan, Step, run as run_world, run_and_shrink};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The seed; the same seed gives the same world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run so many seeds, counted up from the first, one on each core at a time.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many switches; drawn from the seed when missing.
    #[arg(long)]
    switches: Option<usize>,
    /// For how many days; drawn from the seed when missing.
    #[arg(long)]
    days: Option<u32>,
    /// Things that happen to each switch, on average.
    #[arg(long)]
    ops: Option<u32>,
    /// A world in which nothing goes wrong.
    #[arg(long)]
    calm: bool,
    /// Do not look for the fewest steps that still show a failure.
    #[arg(long)]
    as_it_is: bool,
    /// Every switch is a pair of supervisors.
    #[arg(long)]
    pairs: bool,
    /// Build a fault in, to see that it is noticed: `loses-reports`, `rolls-ledger-back`, and of pairs `says-settled` or
    /// `stale-takes-over`.
    #[arg(long, hide = true)]
    broken: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let started = Clock::world_millis();
    let bar = ProgressBar::new(arguments.seeds);
    let (mut events, mut reports, mut failed) = (0, 0, 0_u64);
    let mut met: BTreeMap<&'static str, u64> = BTreeMap::new();
    let next = AtomicU64::new(arguments.seed);
    let end = arguments.seed.saturating_add(arguments.seeds);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..cores.min(arguments.seeds) {
            let (tell, next) = (tell.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || tell.send((seed, one(arguments, seed))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(tell);
        for (seed, ran) in told {
            match ran {
                Ok(outcome) => {
                    events += outcome.events;
                    reports += outcome.reports;
                    for what in outcome.met.keys() {
                        *met.entry(what).or_default() += 1;
                    }
                    if arguments.seeds == 1 {
                        say!("{outcome:?}");
                    }
                }
                Err((steps, failure)) => {
                    failed += 1;
                    let plan = plan(arguments, seed);
                    bar.suspend(|| {
                        say!("seed {seed} FAILED: {failure}\n{plan:?}\nsteps that still show it:");
                        say!("vec![");
                        for step in &steps {
                            say!("    {step:?},");
                        }
                        say!("]");
                    });
                }
            }
            bar.inc(1);
        }
    });
    bar.finish_and_clear();
    let seconds = (Clock::world_millis() - started) / 1000;
    say!(
        "{} worlds in {seconds} s: {events} events, {reports} reports, {failed} failed",
        arguments.seeds
    );
    let all_met =
        arguments.seeds < WORLDS_THAT_MEET_ALL || arguments.calm || tell(&met, arguments.seeds);
    Ok(failed == 0 && all_met)
}

/// One world: what became of it, or the fewest steps that show what is wrong.
fn one(arguments: &Arguments, seed: u64) -> Result<Outcome, (Vec<Step>, String)> {
    let plan = plan(arguments, seed);
    if arguments.as_it_is {
        return run_world(&plan).map_err(|failure| (Vec::new(), failure));
    }
    run_and_shrink(&plan)
}

/// So many worlds are to meet everything that is modelled.
const WORLDS_THAT_MEET_ALL: u64 = 200;

/// Prints in how many worlds each thing that is modelled has happened; false if one never has.
fn tell(met: &BTreeMap<&'static str, u64>, worlds: u64) -> bool {
    let mut enough = true;
    for what in Outcome::MODELLED {
        let count = met.get(what).copied().unwrap_or(0);
        let too_few = count * 20 < worlds;
        enough &= count > 0;
        say!("{count:>6} worlds  {what}{}", if too_few { "  FEW" } else { "" });
    }
    enough
}

fn plan(arguments: &Arguments, seed: u64) -> Plan {
    let mut plan = if arguments.calm { Plan::calm(seed) } else { Plan::hostile(seed) };
    plan.switches = arguments.switches.unwrap_or(plan.switches);
    plan.days = arguments.days.unwrap_or(plan.days);
    plan.ops_per_switch = arguments.ops.unwrap_or(plan.ops_per_switch);
    if arguments.pairs {
        plan.pairs = (0..plan.switches).collect();
        plan.fates.retain(|fate| *fate != Fate::CssmCopy);
    }
    plan.broken = match arguments.broken.as_deref() {
        Some("loses-reports") => Some(Fault::LosesReports),
        Some("rolls-ledger-back") => Some(Fault::RollsLedgerBack),
        Some("says-settled") => Some(Fault::SaysSettled),
        Some("stale-takes-over") => Some(Fault::StaleTakesOver),
        _ => None,
    };
    plan
}
