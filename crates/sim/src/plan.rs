//! What is to be simulated, and how it went.

/// A fault built in on purpose, to see that the model notices it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A switch forgets reports that were durable.
    LosesReports,
    /// A switch comes up with an older ledger.
    RollsLedgerBack,
}

/// What is to be simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// How many switches.
    pub switches: usize,
    /// For how long.
    pub days: u32,
    /// Things that happen to each, on average.
    pub ops_per_switch: u32,
    /// Whether the world loses, delays, crashes and tears.
    pub faults: bool,
    /// A fault built in on purpose.
    pub broken: Option<Fault>,
}

impl Plan {
    /// A small world with everything that can go wrong.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        let switches = 1 + usize::try_from(seed % 4).unwrap_or(0);
        let days = 60 + u32::try_from(seed % 7 * 40).unwrap_or(0);
        Self { seed, switches, days, ops_per_switch: 40, faults: true, broken: None }
    }
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Events carried out.
    pub events: u64,
    /// Messages that reached CSSM.
    pub messages: u64,
    /// Reports CSSM holds.
    pub reports: i64,
    /// Licence seconds CSSM has counted.
    pub license_seconds: i64,
    /// Differs if anything differs.
    pub hash: u64,
}
