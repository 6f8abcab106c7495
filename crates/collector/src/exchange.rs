//! An exchange with CSSM: what is made, brought and taken in, and in which order. It decides alone; whoever runs it makes
//! the calls, one after the other or side by side: a server, the simulator, a test.

use rumline_protocol::Timestamp;

use crate::forward::{Batch, Place, SyncState};
use crate::ids::TenantId;
use crate::{Collector, Error};

/// A tenant that goes on asking is looked at anew after so many rounds.
const ROUNDS_MAX: usize = 50;

/// What is to be done next.
#[derive(Debug)]
pub enum Work {
    /// Bring these bytes to CSSM; [`Done::Brought`] says what came of it.
    Bring(Vec<u8>),
    /// Something the collector does by itself, see [`Collector::carry_out`].
    Here(Local),
}

/// What the collector does by itself.
#[derive(Debug)]
pub enum Local {
    /// Make the next batch.
    Make {
        /// The one on its way ends there.
        after: Option<Place>,
    },
    /// Take the answer to a batch in.
    Take(Box<Batch>, Vec<u8>),
    /// Note that everything there was has been exchanged.
    Finish(SyncState),
    /// Note that CSSM could not be reached, or refused.
    Fail(String),
}

/// What came of a work.
#[derive(Debug)]
pub enum Done {
    /// The next batch, if there is one.
    Made(Option<Batch>),
    /// CSSM's answer, or why there is none.
    Brought(Result<Vec<u8>, String>),
    /// The answer is taken in, or why it cannot be used.
    Taken(Result<(), String>),
    /// The exchange is over.
    Over,
}

/// An exchange of a tenant with CSSM.
#[derive(Debug)]
pub struct Exchange {
    began: SyncState,
    rounds: usize,
    /// A batch is being made; whether it is the first of its round.
    making: Option<bool>,
    ready: Option<Batch>,
    on_its_way: Option<Batch>,
    answered: Option<(Batch, Vec<u8>)>,
    taking: bool,
    failure: Option<String>,
    is_over: bool,
}

impl Exchange {
    /// Begins one, and says what to do first.
    #[must_use]
    pub fn begin(began: SyncState) -> (Self, Vec<Work>) {
        let mut exchange = Self {
            began,
            rounds: 0,
            making: None,
            ready: None,
            on_its_way: None,
            answered: None,
            taking: false,
            failure: None,
            is_over: false,
        };
        let first = exchange.next_steps();
        (exchange, first)
    }

    /// Something is done; says what can be done now. While a batch is on its way the next is made and the answer to the
    /// one before is taken in, in the order in which they were made.
    pub fn done(&mut self, done: Done) -> Vec<Work> {
        match done {
            Done::Made(batch) => {
                let first = self.making.take() == Some(true);
                if first && batch.is_none() {
                    self.is_over = true;
                    return vec![Work::Here(Local::Finish(self.began))];
                }
                self.ready = batch;
            }
            Done::Brought(answer) => match (self.on_its_way.take(), answer) {
                (Some(batch), Ok(answer)) => self.answered = Some((batch, answer)),
                (_, Ok(_)) => {}
                (_, Err(why)) => {
                    self.failure.get_or_insert(why);
                }
            },
            Done::Taken(taken) => {
                self.taking = false;
                if let Err(why) = taken {
                    self.failure.get_or_insert(why);
                }
            }
            Done::Over => self.is_over = true,
        }
        self.next_steps()
    }

    fn next_steps(&mut self) -> Vec<Work> {
        let mut works = Vec::new();
        if self.is_over {
            return works;
        }
        if let Some(why) = &self.failure {
            // What is under way ends first; what it brings is offered again another time.
            if self.making.is_none() && self.on_its_way.is_none() && !self.taking {
                self.is_over = true;
                works.push(Work::Here(Local::Fail(why.clone())));
            }
            return works;
        }
        if !self.taking
            && let Some((batch, answer)) = self.answered.take()
        {
            self.taking = true;
            works.push(Work::Here(Local::Take(Box::new(batch), answer)));
        }
        if self.on_its_way.is_none()
            && self.answered.is_none()
            && let Some(mut batch) = self.ready.take()
        {
            works.push(Work::Bring(std::mem::take(&mut batch.bytes)));
            if batch.last().is_some() && batch.last() < self.began.last {
                self.making = Some(false);
                works.push(Work::Here(Local::Make { after: batch.last() }));
            }
            self.on_its_way = Some(batch);
        }
        let is_quiet = self.making.is_none()
            && self.on_its_way.is_none()
            && self.ready.is_none()
            && !self.taking;
        if is_quiet {
            self.rounds += 1;
            if self.rounds > ROUNDS_MAX {
                self.is_over = true;
                works.push(Work::Here(Local::Finish(self.began)));
            } else {
                self.making = Some(true);
                works.push(Work::Here(Local::Make { after: None }));
            }
        }
        works
    }
}

impl Collector {
    /// Does what an exchange wants done here.
    ///
    /// # Errors
    /// When the store fails: the exchange goes no further.
    pub fn carry_out(
        &self,
        now: Timestamp,
        tenant_id: TenantId,
        work: Local,
    ) -> Result<Done, Error> {
        match work {
            Local::Make { after: None } => Ok(Done::Made(self.next_batch(now, tenant_id)?)),
            Local::Make { after: Some(place) } => {
                Ok(Done::Made(self.next_batch_after(now, tenant_id, place)?))
            }
            Local::Take(batch, answer) => match self.take_answer(now, tenant_id, &batch, &answer) {
                Ok(()) => Ok(Done::Taken(Ok(()))),
                Err(Error::Store(error)) => Err(Error::Store(error)),
                Err(error) => Ok(Done::Taken(Err(error.to_string()))),
            },
            Local::Finish(began) => {
                self.note_synced(now, tenant_id, began)?;
                Ok(Done::Over)
            }
            Local::Fail(why) => {
                self.note_sync_failed(now, tenant_id, &why)?;
                Ok(Done::Over)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from a seed.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % end
        }
    }

    /// What of an exchange with so many batches ends with the failure of the step of that number, if there is one.
    fn run(batches: i64, fails_at: usize, chance: &mut Chance) -> (Vec<i64>, Vec<&'static str>) {
        let last = (batches > 0).then(|| Batch::of_test(batches).last()).flatten();
        let (mut exchange, mut works) = Exchange::begin(SyncState::of_test(last));
        let (mut taken, mut ended, mut step, mut underway) = (Vec::new(), Vec::new(), 0, 0);
        let number = |place: Option<Place>| {
            (1..=batches).find(|id| Batch::of_test(*id).last() == place).unwrap_or(0)
        };
        while !works.is_empty() {
            let any = chance.below(works.len());
            step += 1;
            let fails = step == fails_at;
            let done = match works.swap_remove(any) {
                Work::Bring(_) => {
                    underway += 1;
                    assert_eq!(underway, 1, "one batch is on its way at a time");
                    underway -= 1;
                    Done::Brought(if fails { Err("away".to_owned()) } else { Ok(vec![1]) })
                }
                Work::Here(Local::Make { after }) => {
                    let next = after.map_or(taken.last().map_or(1, |last| last + 1), |place| {
                        number(Some(place)) + 1
                    });
                    Done::Made((next <= batches).then(|| Batch::of_test(next)))
                }
                Work::Here(Local::Take(batch, _)) => {
                    if !fails {
                        taken.push(number(batch.last()));
                    }
                    Done::Taken(if fails { Err("bad".to_owned()) } else { Ok(()) })
                }
                Work::Here(Local::Finish(_)) => {
                    ended.push("finished");
                    Done::Over
                }
                Work::Here(Local::Fail(_)) => {
                    ended.push("failed");
                    Done::Over
                }
            };
            works.extend(exchange.done(done));
        }
        (taken, ended)
    }

    #[test]
    fn whatever_ends_first_answers_are_taken_in_order_and_the_exchange_ends_once() {
        for seed in 0..2_000 {
            let mut chance = Chance(seed);
            let batches = i64::try_from(chance.below(6)).unwrap();
            let (taken, ended) = run(batches, 0, &mut chance);
            assert_eq!(taken, (1..=batches).collect::<Vec<_>>(), "seed {seed}");
            assert_eq!(ended, ["finished"], "seed {seed}");
            let fails_at = chance.below(20) + 1;
            let (taken, ended) = run(batches, fails_at, &mut chance);
            let in_order = (1..=batches).zip(&taken).all(|(id, taken)| id == *taken);
            assert!(in_order && ended.len() == 1, "seed {seed}: {taken:?} {ended:?}");
        }
    }
}
