//! What `show license …` printed before Smart Licensing Using Policy (guide p. 53-64; PI-SHOW-030, PI-SHOW-038).

mod pak;
mod smart;

use rumline_protocol::Timestamp;

pub use pak::{brief, files, usage_table};
pub use smart::{all, status, summary, usage};

use crate::smart::Personality;

/// What an output is made from.
pub struct Shown<'a> {
    /// The switch.
    pub personality: &'a Personality,
    /// The time.
    pub now: Timestamp,
    /// A time as the switch writes it.
    pub time: &'a dyn Fn(Timestamp) -> String,
}

impl Shown<'_> {
    fn at(&self, at: Timestamp) -> String {
        (self.time)(at)
    }
}
