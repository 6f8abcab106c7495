//! How a switch held its licences before Smart Licensing Using Policy: by registration and authorisation (Smart Licensing), by
//! licence files (PAK), or by nothing but the right to use (RTU).
//!
//! # The contract
//! As the agent of Smart Licensing Using Policy: [`Personality::handle`] takes an [`Input`] and says what is to be done. It
//! reads no clock, opens no socket and writes no disk: [`Personality::keep`] is what has to last, to be written before anything
//! that was asked for leaves, and [`Personality::open`] goes on from it. Each [`Effect::Call`] is answered, sooner or later, by
//! one [`Input::Answered`].
//!
//! # What it promises
//! * No licence stops a feature (PI-MIG-002, PI-LIC-011): what is missing or has ended is told, and that is all.
//! * What was registered, evaluated or installed stays over releases in both directions (PI-MIG-019, PI-MIG-026).
//! * An id token is in memory only, and gone with the answer.

#![warn(missing_docs)]

mod conversion;
mod evaluation;
mod files;
mod kept;
mod message;
mod registration;
pub mod show;
mod smart;
mod standing;

pub use conversion::{ConversionState, GATHERED_SECONDS};
pub use evaluation::{EVALUATION_SECONDS, Evaluation};
pub use files::{Files, Increment, LicenseFile, LicenseFileError, Terms};
pub use kept::{Converting, Kept, KeptError};
pub use message::Message;
pub use registration::{Attempt, Authorization, Compliance, Held, Leaving, Registration, Server};
pub use smart::{
    AUTHORIZE_DAYS, Answer, Call, Effect, Granted, Input, Personality, RENEW_DAYS, RETRY_SECONDS,
    Use,
};
pub use standing::{Model, Standing};
