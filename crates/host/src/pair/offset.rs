//! By how much the clock of the chassis is ahead of this machine's. What the other one's clock showed comes late, never early:
//! of what is heard the most is nearest to the truth.

/// Words in which less is heard before less is believed: so long none of them came in time.
const WORDS: usize = 8;
/// So late no word comes: the clock was set back.
const LATE_MILLIS: i64 = 3_000;
/// What less than before is taken for the same.
const SAME_MILLIS: i64 = 200;

/// What is known of it, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Offset {
    kept: i64,
    /// Those that were less, since one was not.
    less: Vec<i64>,
}

impl Offset {
    pub(crate) fn kept(kept: i64) -> Self {
        Self { kept, less: Vec::new() }
    }

    /// A word came that tells of so much; what is to be kept now, if that is something else.
    pub(crate) fn hear(&mut self, heard: i64) -> Option<i64> {
        if heard > self.kept.saturating_add(1) || heard < self.kept.saturating_sub(LATE_MILLIS) {
            return self.keep(heard);
        }
        if heard >= self.kept.saturating_sub(SAME_MILLIS) {
            self.less.clear();
            return None;
        }
        self.less.push(heard);
        if self.less.len() < WORDS {
            return None;
        }
        let most = self.less.iter().copied().max()?;
        self.keep(most)
    }

    fn keep(&mut self, offset: i64) -> Option<i64> {
        self.kept = offset;
        self.less.clear();
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_delay_is_nearest_to_the_truth() {
        let mut offset = Offset::kept(0);
        let heard = [-150, -3, 1, 2, 40, 41, 42, -158].map(|heard| offset.hear(heard));
        assert_eq!(heard, [None, None, None, Some(2), Some(40), None, Some(42), None]);
        assert_eq!(offset.kept, 42);
    }

    #[test]
    fn a_clock_that_is_set_is_followed() {
        for step in [3_600_000, -3_600_000, -3_001] {
            assert_eq!(Offset::kept(0).hear(step), Some(step));
        }
        // By less than a word may be late: once none of many says otherwise.
        let mut offset = Offset::kept(0);
        for late in [-1_000, -900, -950, -1_200, -901, -1_100, -999] {
            assert_eq!(offset.hear(late), None);
        }
        assert_eq!(offset.hear(-2_900), Some(-900));
        for _ in 0..3 {
            for _ in 0..WORDS - 1 {
                assert_eq!(offset.hear(-1_500), None);
            }
            assert_eq!(offset.hear(-1_100), None, "one that came in time");
        }
        assert_eq!(offset.kept, -900);
        assert_eq!(Offset::kept(i64::MIN).hear(0), Some(0));
    }
}
