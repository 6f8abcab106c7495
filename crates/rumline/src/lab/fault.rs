//! What can be made wrong on purpose. docs/lab.md says what is to be seen of each.

use serde::Deserialize;

/// What is wrong with a switch.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SwitchFault {
    /// Its URL has a path that nothing serves.
    WrongUrl,
    /// Nothing listens where its URL leads.
    Unreachable,
    /// The one use of its token was made by another device.
    TokenUsedUp,
    /// Its clock is a year behind.
    ClockBehind,
    /// A second switch has its identity: NAME-clone.
    Clone,
    /// Nobody gave it a token.
    NoTrust,
}

/// What is wrong with a collector.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CollectorFault {
    /// Its account at CSSM is one that its switches do not belong to.
    WrongAccount,
    /// It is set to work without a connection.
    NoConnection,
    /// Nothing listens where it looks for CSSM.
    UnreachableCssm,
}

impl SwitchFault {
    /// As the file names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::WrongUrl => "wrong_url",
            Self::Unreachable => "unreachable",
            Self::TokenUsedUp => "token_used_up",
            Self::ClockBehind => "clock_behind",
            Self::Clone => "clone",
            Self::NoTrust => "no_trust",
        }
    }

    /// Where it can be.
    pub(super) fn topologies(self) -> &'static [u32] {
        match self {
            Self::WrongUrl | Self::Unreachable => &[1, 2, 3, 4, 5],
            Self::ClockBehind => &[1, 2, 4],
            Self::TokenUsedUp | Self::NoTrust | Self::Clone => &[2],
        }
    }

    /// What the switch's log says once it shows; nothing where it is seen elsewhere.
    pub(super) fn sign(self) -> Option<&'static str> {
        match self {
            Self::WrongUrl | Self::Unreachable => Some("COMM_FAILED"),
            Self::TokenUsedUp => Some("TRUST_CODE_INSTALL_FAILED"),
            Self::ClockBehind => Some("mismatch"),
            Self::NoTrust => Some("Insufficient trust"),
            Self::Clone => None,
        }
    }
}

impl CollectorFault {
    /// As the file names it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::WrongAccount => "wrong_account",
            Self::NoConnection => "no_connection",
            Self::UnreachableCssm => "unreachable_cssm",
        }
    }
}
