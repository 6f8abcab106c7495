//! What is refused costs whoever sent it, by address: not the product instance it names, and not those who send good things
//! from the same address.

use std::collections::BTreeMap;

use rumline_protocol::Timestamp;

/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// Refusals of the last hour, by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strangers {
    refusals: BTreeMap<String, (Timestamp, i64)>,
}

impl Strangers {
    /// When an address may come again that was refused too often, looked at before any work is done for it.
    pub(crate) fn retry_after_seconds(
        &self,
        now: Timestamp,
        address: &str,
        per_hour_max: i64,
    ) -> Option<i64> {
        let (began, count) = self.refusals.get(address)?;
        let age = now.since(*began);
        let is_over = !(0..Timestamp::HOUR).contains(&age);
        (per_hour_max > 0 && !is_over && *count > per_hour_max).then(|| Timestamp::HOUR - age)
    }

    /// Counts a refusal; once there are more than `per_hour_max` in an hour, says when the hour ends.
    pub(crate) fn charge(
        &mut self,
        now: Timestamp,
        address: &str,
        per_hour_max: i64,
    ) -> Option<i64> {
        if per_hour_max == 0 {
            return None;
        }
        let is_over = |began: Timestamp| !(0..Timestamp::HOUR).contains(&now.since(began));
        if self.refusals.len() >= ADDRESSES_MAX && !self.refusals.contains_key(address) {
            self.refusals.retain(|_, (began, _)| !is_over(*began));
            let mut least = 1;
            while self.refusals.len() >= ADDRESSES_MAX {
                self.refusals.retain(|_, (_, count)| *count > least);
                least += 1;
            }
        }
        let entry = self.refusals.entry(address.to_owned()).or_insert((now, 0));
        if is_over(entry.0) {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        (entry.1 > per_hour_max).then(|| Timestamp::HOUR - now.since(entry.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000);

    #[test]
    fn an_address_has_so_many_refusals_an_hour() {
        let mut strangers = Strangers::default();
        for _ in 0..3 {
            assert_eq!(strangers.charge(NOW, "a", 3), None);
        }
        assert_eq!(strangers.charge(NOW + 60, "a", 3), Some(3540));
        assert_eq!(strangers.charge(NOW + 60, "b", 3), None);
        assert_eq!(strangers.retry_after_seconds(NOW + 60, "a", 3), Some(3540));
        for (at, address, max) in [(NOW + 60, "b", 3), (NOW + 60, "a", 4), (NOW + 60, "a", 0)] {
            assert_eq!(strangers.retry_after_seconds(at, address, max), None);
        }
        for at in [NOW + 3600, NOW + (-1)] {
            assert_eq!(strangers.retry_after_seconds(at, "a", 3), None, "another hour");
        }
        assert_eq!(strangers.charge(NOW + 3600, "a", 3), None, "the next hour");
        assert_eq!(strangers.charge(NOW, "a", 3), None, "a clock that was set back");
        for _ in 0..9 {
            assert_eq!(strangers.charge(NOW, "c", 0), None, "no limit");
        }
    }

    #[test]
    fn it_stays_small_and_remembers_the_worst() {
        let mut strangers = Strangers::default();
        for _ in 0..3 {
            strangers.charge(NOW, "a", 3);
        }
        for number in 0..30_000 {
            strangers.charge(NOW, &format!("n{number}"), 3);
        }
        assert!(strangers.refusals.len() <= ADDRESSES_MAX);
        assert_eq!(strangers.charge(NOW, "a", 3), Some(3600));
    }
}
