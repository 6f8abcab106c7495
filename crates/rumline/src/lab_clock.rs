//! The clock of a lab: all its roles share a beginning and a rate.

use std::str::FromStr;

use anyhow::Context;
use rumline_net::Clock;

/// `BASE_MILLIS:RATE`, as `--lab-clock` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabClock {
    pub base_millis: i64,
    pub rate: u32,
}

impl LabClock {
    pub(crate) fn clock(this: Option<Self>) -> Clock {
        this.map_or_else(Clock::real, |lab| Clock::lab(lab.base_millis, lab.rate))
    }
}

impl FromStr for LabClock {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (base, rate) = text.split_once(':').context("a lab clock is BASE_MILLIS:RATE")?;
        Ok(Self { base_millis: base.parse()?, rate: rate.parse()? })
    }
}

impl std::fmt::Display for LabClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.base_millis, self.rate)
    }
}
