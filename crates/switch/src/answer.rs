//! What a line comes to: something done and told, or an error as a value.

use std::fmt;

use rumline_cli::{Fields, Refusal, Reply};

use crate::Effect;

/// What a line led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the session shows; of an error, its text.
    pub reply: Reply,
    /// What the switch wants done.
    pub effects: Vec<Effect>,
    /// What it answers as data, where that was asked for.
    pub data: Option<Fields>,
    /// Why nothing was done, if nothing was.
    pub error: Option<CommandError>,
}

impl Outcome {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { reply: Reply { text: text.into(), ..Reply::default() }, ..Self::default() }
    }

    /// Nothing came of it, and yet it has effects.
    pub(crate) fn failed(error: CommandError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    pub(crate) fn with(mut self, effects: Vec<Effect>) -> Self {
        self.effects = effects;
        self
    }
}

/// What a command answers.
pub(crate) type Answer = Result<Outcome, CommandError>;

/// Why a line was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// It is no command.
    Syntax {
        /// Why not.
        refusal: Refusal,
        /// Where that shows, in bytes from the beginning of the line.
        at: usize,
    },
    /// The role of whoever gave it may not.
    Denied,
    /// It is for people only (PI-SHOW-035).
    NoData,
    /// It is one, and it cannot be: a sentence as it is shown.
    Failed(String),
}

impl CommandError {
    pub(crate) fn failed(text: impl fmt::Display) -> Self {
        Self::Failed(text.to_string())
    }

    /// A file or a disk could not do what was wanted.
    pub(crate) fn disk(error: impl fmt::Display) -> Self {
        Self::Failed(format!("% {error}"))
    }

    /// Where it shows, if it is at one place.
    #[must_use]
    pub fn at(&self) -> Option<usize> {
        match self {
            Self::Syntax { at, .. } => Some(*at),
            Self::Denied | Self::NoData | Self::Failed(_) => None,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { refusal, .. } => refusal.fmt(f),
            Self::Denied => f.write_str("% Permission denied for the role"),
            Self::NoData => f.write_str("% This command has no JSON or XML output"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}
