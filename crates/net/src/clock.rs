//! The one place where clocks are read.
#![expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rumline_protocol::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine was started, those included in which it slept. They only go on.
#[must_use]
pub fn boot_millis() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1_000).saturating_add(nanos.unwrap_or(0) / 1_000_000)
}

/// A wall clock, which in a lab may run faster than the world's and be set.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// World time, in milliseconds since 1970, at which the rate began to count.
    base_millis: i64,
    rate: u32,
    /// Milliseconds by which the clock was set.
    offset_millis: i64,
}

impl Clock {
    /// The world's clock.
    #[must_use]
    pub fn real() -> Self {
        Self { base_millis: 0, rate: 1, offset_millis: 0 }
    }

    /// A lab's clock: it showed the world's time at `base_millis` and runs `rate` times as fast since.
    #[must_use]
    pub fn lab(base_millis: i64, rate: u32) -> Self {
        Self { base_millis, rate: rate.max(1), offset_millis: 0 }
    }

    /// Whether it runs as fast as the world's.
    #[must_use]
    pub fn is_as_fast_as_the_world(&self) -> bool {
        self.rate == 1
    }

    /// The world's time in milliseconds since 1970.
    #[must_use]
    pub fn world_millis() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    /// What this clock shows, in milliseconds since 1970.
    #[must_use]
    pub fn now_millis(&self) -> i64 {
        let passed = Self::world_millis().saturating_sub(self.base_millis);
        let fast =
            if self.rate == 1 { passed } else { passed.saturating_mul(i64::from(self.rate)) };
        self.base_millis.saturating_add(fast).saturating_add(self.offset_millis)
    }

    /// What this clock shows, in whole seconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_millis())
    }

    /// Sets the clock.
    pub fn set(&mut self, to: Timestamp) {
        self.offset_millis += to.millis() - self.now_millis();
    }

    /// By how much it was set, in milliseconds.
    #[must_use]
    pub fn offset_millis(&self) -> i64 {
        self.offset_millis
    }

    /// Sets by how much it is set, e.g. after a restart.
    pub fn set_offset_millis(&mut self, offset_millis: i64) {
        self.offset_millis = offset_millis;
    }

    /// What a span of the world's time is on this clock, in milliseconds.
    #[must_use]
    pub fn of_world(&self, millis: i64) -> i64 {
        millis.saturating_mul(i64::from(self.rate))
    }

    /// How long the world takes until this clock shows `at`.
    #[must_use]
    pub fn until(&self, at: Timestamp) -> Duration {
        let millis = at.millis().saturating_sub(self.now_millis()).max(0);
        let millis = u64::try_from(millis).unwrap_or(0) / u64::from(self.rate);
        // A clock that is set in the meantime must be noticed within a minute.
        Duration::from_millis(millis + 1).min(Duration::from_secs(60))
    }
}

/// Notices that the wall clock was set: its course is compared with that of a clock that cannot be.
#[derive(Debug)]
pub struct StepWatch {
    monotonic: Instant,
    world_millis: i64,
}

impl Default for StepWatch {
    fn default() -> Self {
        Self { monotonic: Instant::now(), world_millis: Clock::world_millis() }
    }
}

impl StepWatch {
    /// Differences up to this are drift and delay, in milliseconds.
    const TOLERANCE_MILLIS: i64 = 2_000;

    /// Milliseconds by which the world's clock was set since the last call, if it was.
    pub fn step_millis(&mut self) -> Option<i64> {
        let passed = i64::try_from(self.monotonic.elapsed().as_millis()).unwrap_or(i64::MAX);
        let shown = Clock::world_millis() - self.world_millis;
        *self = Self::default();
        let step = shown - passed;
        (step.abs() > Self::TOLERANCE_MILLIS).then_some(step)
    }
}
