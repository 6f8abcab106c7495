//! What is to be simulated, and how it went.

use std::collections::BTreeMap;

use rumline_protocol::Random;

use crate::chance::Chance;

/// A fault built in on purpose, to see that the model notices it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A switch forgets reports that were durable.
    LosesReports,
    /// A switch comes up with an older ledger.
    RollsLedgerBack,
    /// The mirror of a pair says that a change is settled when the other supervisor does not have it.
    SaysSettled,
    /// A standby takes over although it misses something.
    StaleTakesOver,
}

/// What fate may do in a world beside what it does in all of them. Each world has some of these, so that in most of them
/// most switches stay such that each second is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A bit flips in a switch's store.
    BitRot,
    /// An older copy of a switch's store comes back.
    SwitchCopy,
    /// An older copy of a collector's database comes back.
    CollectorCopy,
    /// An older copy of CSSM's database comes back.
    CssmCopy,
    /// A second switch runs on a copy of the store of the first.
    Clone,
    /// A switch loses its key.
    KeyLoss,
    /// `license smart factory reset`.
    FactoryReset,
    /// The clocks of switches, collectors and CSSM are not the same.
    ClocksApart,
    /// A clock is set while its switch is off.
    ClockWhileOff,
    /// A product instance is removed at CSSM, and comes back.
    Removal,
    /// A product instance goes to another Smart Account, and comes back.
    OtherAccount,
    /// Somebody attacks.
    Attack,
}

impl Fate {
    pub(crate) const ALL: [Self; 12] = [
        Self::BitRot,
        Self::SwitchCopy,
        Self::CollectorCopy,
        Self::CssmCopy,
        Self::Clone,
        Self::KeyLoss,
        Self::FactoryReset,
        Self::ClocksApart,
        Self::ClockWhileOff,
        Self::Removal,
        Self::OtherAccount,
        Self::Attack,
    ];
}

impl Fate {
    /// What is done to the store of a pair behind its back, or with an older copy of it, is not modelled.
    pub(crate) fn may_meet_a_pair(self) -> bool {
        ![
            Self::BitRot,
            Self::SwitchCopy,
            Self::Clone,
            Self::KeyLoss,
            Self::FactoryReset,
            Self::ClockWhileOff,
            Self::OtherAccount,
        ]
        .contains(&self)
    }

    fn is_a_copy(self) -> bool {
        [Self::SwitchCopy, Self::CollectorCopy, Self::CssmCopy, Self::Clone].contains(&self)
    }
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
    /// What else fate does.
    pub fates: Vec<Fate>,
    /// Which of the switches are pairs of supervisors.
    pub pairs: Vec<usize>,
    /// A fault built in on purpose.
    pub broken: Option<Fault>,
}

impl Plan {
    /// A small world with everything that can go wrong at all times, and some of what goes wrong now and then.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        let switches = 1 + usize::try_from(seed % 4).unwrap_or(0);
        let days = 60 + u32::try_from(seed % 7 * 40).unwrap_or(0);
        let mut chance = Chance::new(seed, 7_000_000);
        let mut fates: Vec<Fate> = Fate::ALL.into_iter().filter(|_| chance.below(4) == 0).collect();
        // One kind of copy in a world, and none beside a clock that nobody can know of, or a second account: what must hold where
        // two of them meet is not told by the model.
        let copies: Vec<Fate> = fates.iter().copied().filter(|fate| fate.is_a_copy()).collect();
        let any = usize::try_from(chance.below(copies.len().max(1) as u64)).unwrap_or(0);
        let kept = copies.get(any).copied();
        fates.retain(|fate| !fate.is_a_copy() || Some(*fate) == kept);
        if kept.is_some_and(|fate| fate != Fate::CollectorCopy) {
            fates.retain(|fate| ![Fate::ClockWhileOff, Fate::OtherAccount].contains(fate));
        }
        let mut plan = Self {
            seed,
            switches,
            days,
            ops_per_switch: 40,
            faults: true,
            fates,
            pairs: Vec::new(),
            broken: None,
        };
        // A CSSM that is set back beside pairs is not modelled.
        if !plan.has(Fate::CssmCopy) && chance.below(4) == 0 {
            plan.pairs = vec![switches - 1];
        }
        plan
    }

    /// A small world in which nothing goes wrong.
    #[must_use]
    pub fn calm(seed: u64) -> Self {
        Self { faults: false, fates: Vec::new(), pairs: Vec::new(), ..Self::hostile(seed) }
    }

    pub(crate) fn has(&self, fate: Fate) -> bool {
        self.fates.contains(&fate)
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
    /// How often each thing that is modelled has happened.
    pub met: BTreeMap<&'static str, u64>,
    /// Differs if anything differs.
    pub hash: u64,
}

impl Outcome {
    /// Everything that is counted in [`Outcome::met`].
    pub const MODELLED: [&'static str; 29] = [
        "bit rot in a ledger",
        "bit rot in a report",
        "bit rot in another file",
        "write torn",
        "sectors out of order",
        "disk full",
        "clock set",
        "clock set while off",
        "clocks apart",
        "switch restored",
        "collector restored",
        "CSSM restored",
        "clone",
        "key lost",
        "factory reset",
        "policy changed",
        "policy of zeros",
        "policy with a lifetime",
        "token expired",
        "removed and back",
        "other Smart Account",
        "altered on the way",
        "stale answer",
        "stranger with a known UDI",
        "hostile upload",
        "crash within a commit",
        "release installed",
        "back to before",
        "counts above one",
    ];
}
