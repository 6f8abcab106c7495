//! What happens to pairs.

use rumline_protocol::{Random, Timestamp};

/// Who of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one that is active.
    Active,
    /// The other one.
    Standby,
    /// Both at once.
    Both,
}

/// The steps of a copying, at each of which the power may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// At no step of it: at once.
    None,
    /// Before a change is given.
    NotGiven,
    /// It is given, and not made here.
    GivenNotMade,
    /// It is made here, and not settled.
    MadeNotSettled,
    /// It is settled: whoever asked for it is answered next.
    Settled,
    /// The other one is out, which is not noted.
    OutNotNoted,
    /// The other one is out, which is noted.
    OutNoted,
    /// In the middle of a filling.
    Filling,
    /// All is given and durable there, which is not noted.
    FilledNotNoted,
    /// It is noted, and the switch does not know of it.
    NotedNotTold,
}

impl CopyStep {
    const ALL: [Self; 10] = [
        Self::None,
        Self::NotGiven,
        Self::GivenNotMade,
        Self::MadeNotSettled,
        Self::Settled,
        Self::OutNotNoted,
        Self::OutNoted,
        Self::Filling,
        Self::FilledNotNoted,
        Self::NotedNotTold,
    ];
}

/// One thing that happens to a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairOp {
    /// The power fails.
    Kill {
        /// Of whom.
        who: Who,
        /// At which step.
        step: CopyStep,
        /// At the one after so many more.
        after: u32,
        /// Seconds without power.
        seconds: i64,
    },
    /// The link is cut for so many seconds.
    CutLink {
        /// Seconds.
        seconds: i64,
    },
    /// What is given arrives late for so many seconds.
    Lag {
        /// By so much.
        by_seconds: i64,
        /// For so long.
        seconds: i64,
    },
    /// `system switchover`.
    Switchover,
    /// `reload module N`.
    ReloadModule {
        /// The one of the active supervisor, or the other one.
        own: bool,
    },
    /// The process of the standby restarts, sooner than anybody notices.
    StandbyRestarts,
    /// The standby is taken out, and put in again after so many seconds.
    TakeOut {
        /// Seconds.
        seconds: i64,
    },
    /// The disk of the standby is full for so many seconds.
    StandbyFull {
        /// Seconds.
        seconds: i64,
    },
    /// The clock of the standby's machine is set.
    MachineClock {
        /// By so much.
        by_seconds: i64,
    },
    /// Another supervisor with an empty disk is put in in place of the standby.
    Replace {
        /// While both have no power, and with the new one started first.
        while_off: bool,
        /// It is the same supervisor, whose disk was emptied.
        same: bool,
    },
    /// A person forces a standby that misses something to take over, with the active one gone for good.
    Force,
}

fn below(chance: &mut dyn Random, count: u32) -> u32 {
    let mut bytes = [0; 4];
    chance.fill(&mut bytes);
    u32::from_le_bytes(bytes) % count
}

impl PairOp {
    /// Draws one.
    pub(crate) fn draw(chance: &mut dyn Random) -> Self {
        let seconds = 1 + i64::from(below(chance, 3 * 86_400));
        match below(chance, 24) {
            0..8 => {
                let step = CopyStep::ALL[below(chance, 10) as usize];
                let who = [Who::Active, Who::Active, Who::Standby, Who::Both];
                let who = who[below(chance, 4) as usize];
                Self::Kill { who, step, after: below(chance, 9) / 3, seconds }
            }
            8..11 => {
                Self::CutLink { seconds: if seconds % 3 == 0 { seconds * 8 } else { seconds / 9 } }
            }
            11 => Self::Lag { by_seconds: i64::from(below(chance, 4)), seconds },
            12..15 => Self::Switchover,
            15 => Self::ReloadModule { own: below(chance, 2) == 0 },
            16..18 => Self::StandbyRestarts,
            18 => Self::TakeOut { seconds: 30 * Timestamp::DAY },
            19 => Self::StandbyFull { seconds },
            20 => {
                let by_seconds = [3_600, -3_600, 365 * 86_400, -365 * 86_400];
                Self::MachineClock { by_seconds: by_seconds[below(chance, 4) as usize] }
            }
            21 | 22 => {
                let while_off = below(chance, 3) == 0;
                Self::Replace { while_off, same: below(chance, 2) == 0 }
            }
            _ => Self::Force,
        }
    }
}
