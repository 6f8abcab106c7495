//! What nobody can do for less: the limit a server is compared with.

use anyhow::Result;

/// How often the limit is measured before the server, and again after it.
const ROUNDS: usize = 3;

/// CPU seconds of the same work, one value for each round.
#[derive(Default)]
pub(crate) struct Limit {
    rounds: Vec<f64>,
}

impl Limit {
    /// Has the work measured, which is told the number of the round.
    pub(crate) fn measure(&mut self, work: impl Fn(usize) -> Result<f64>) -> Result<()> {
        for _ in 0..ROUNDS {
            let seconds = work(self.rounds.len())?;
            self.rounds.push(seconds);
        }
        Ok(())
    }

    /// Half of the rounds took longer.
    pub(crate) fn median(mut self) -> f64 {
        self.rounds.sort_by(f64::total_cmp);
        let middle = self.rounds.len() / 2;
        f64::midpoint(self.rounds[middle - 1], self.rounds[middle])
    }
}
