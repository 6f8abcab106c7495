//! CPU seconds of the same work, done several times: one round says little on a machine that does other things too.

use anyhow::Result;

/// How often the limit is measured before a server, and again after it.
const ROUNDS: usize = 3;

/// CPU seconds of the same work, one value for each round.
#[derive(Default)]
pub(crate) struct Rounds(Vec<f64>);

impl Rounds {
    /// Has what nobody can do for less measured, some rounds of it; the work is told the number of the round.
    pub(crate) fn measure(&mut self, work: impl Fn(usize) -> Result<f64>) -> Result<()> {
        for _ in 0..ROUNDS {
            let seconds = work(self.0.len())?;
            self.0.push(seconds);
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, seconds: f64) {
        self.0.push(seconds);
    }

    /// Half of the rounds took longer.
    pub(crate) fn median(mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        let (below, above) = ((self.0.len() - 1) / 2, self.0.len() / 2);
        f64::midpoint(self.0[below], self.0[above])
    }
}
