//! The clock of a lab: all its roles share a beginning and a rate.

use std::str::FromStr;

use crate::Clock;

/// `BASE_MILLIS:RATE`, as `--lab-clock` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabClock {
    /// When the world's clock showed this, the lab's did too, in milliseconds since 1970.
    pub base_millis: i64,
    /// How many times faster it runs.
    pub rate: u32,
}

impl LabClock {
    /// The clock of a lab, or the real one.
    #[must_use]
    pub fn clock(this: Option<Self>) -> Clock {
        this.map_or_else(Clock::real, |lab| Clock::lab(lab.base_millis, lab.rate))
    }
}

impl FromStr for LabClock {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a lab clock is BASE_MILLIS:RATE".to_owned();
        let (base, rate) = text.split_once(':').ok_or_else(wrong)?;
        let (base_millis, rate) =
            (base.parse().map_err(|_| wrong())?, rate.parse().map_err(|_| wrong())?);
        Ok(Self { base_millis, rate })
    }
}

impl std::fmt::Display for LabClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.base_millis, self.rate)
    }
}
