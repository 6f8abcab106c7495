//! What nobody can do for less: the limit a server is compared with.

use anyhow::Result;

/// How often the limit is measured before the server, and again after it.
const ROUNDS: usize = 3;

/// CPU seconds of the same work, once for each round.
#[derive(Default)]
pub(crate) struct Limit {
    rounds: Vec<f64>,
}

impl Limit {
    /// Measures the work, which is told the number of the round.
    pub(crate) fn measure(&mut self, work: impl Fn(usize) -> Result<()>) -> Result<()> {
        for _ in 0..ROUNDS {
            let started = crate::cpu_seconds();
            work(self.rounds.len())?;
            self.rounds.push(crate::cpu_seconds() - started);
        }
        Ok(())
    }

    /// The middle of all rounds so far.
    pub(crate) fn median(mut self) -> f64 {
        self.rounds.sort_by(f64::total_cmp);
        self.rounds[self.rounds.len() / 2]
    }
}
