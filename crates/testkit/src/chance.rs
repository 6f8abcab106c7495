//! Chance that repeats from run to run and never within one.

use std::sync::atomic::{AtomicU32, Ordering};

use rumline_protocol::Random;

/// Numbers that follow from a seed.
pub struct Chance(u64);

impl Chance {
    /// The numbers of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }
}

impl Random for Chance {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = z.to_be_bytes()[0];
        }
    }
}

/// Chance that nobody else in this process has.
#[must_use]
pub fn chance() -> Chance {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Chance(u64::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 32)
}
