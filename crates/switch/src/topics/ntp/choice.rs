//! Which of several time servers is followed: one of those that most of them agree with.

/// What is known of a server's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// How far the clock here is behind its clock.
    pub offset_micros: i64,
    /// How long question and answer took.
    pub delay_micros: i64,
    /// How far its own time may be off.
    pub distance_micros: i64,
    pub stratum: u8,
}

/// What no network and no clock is more exact than.
const ALLOWANCE_MICROS: i64 = 128_000;

impl Sample {
    /// The offset of what a question sent and heard at these times says (RFC 5905, 8).
    pub(super) fn offset(sent: i64, received: i64, answered: i64, heard: i64) -> i64 {
        ((received - sent) + (answered - heard)) / 2
    }

    fn margin_micros(&self) -> i64 {
        self.delay_micros / 2 + self.distance_micros + ALLOWANCE_MICROS
    }

    fn low(&self) -> i64 {
        self.offset_micros - self.margin_micros()
    }

    fn agrees_at(&self, micros: i64) -> bool {
        (self.low()..=self.offset_micros + self.margin_micros()).contains(&micros)
    }

    /// How far the clock is off for sure.
    pub(super) fn certain_micros(&self) -> i64 {
        (self.offset_micros.abs() - self.delay_micros / 2).max(0)
    }
}

/// A server that may be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'h> {
    pub host: &'h str,
    pub is_preferred: bool,
    pub sample: Sample,
}

/// Whom to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice<'h> {
    /// This one; those do not agree with it.
    Follow(Candidate<'h>, Vec<&'h str>),
    /// Nobody: they contradict each other.
    Divided,
    /// Nobody: there is none.
    Nobody,
}

/// Of those that more than half agree with: the preferred one, then the one that is nearest to a clock, then the surest.
pub(super) fn choose<'h>(candidates: &[Candidate<'h>]) -> Choice<'h> {
    let agreeing = |at: i64| candidates.iter().filter(move |one| one.sample.agrees_at(at));
    let places = candidates.iter().map(|one| one.sample.low());
    // Of two places that equally many agree at, the first one named.
    let place = places.rev().max_by_key(|at| agreeing(*at).count());
    let Some(place) = place else { return Choice::Nobody };
    if agreeing(place).count() * 2 <= candidates.len() {
        return Choice::Divided;
    }
    let rank =
        |one: &&Candidate<'_>| (!one.is_preferred, one.sample.stratum, one.sample.margin_micros());
    let others = candidates.iter().filter(|one| !one.sample.agrees_at(place));
    match agreeing(place).min_by_key(rank) {
        Some(chosen) => Choice::Follow(*chosen, others.map(|one| one.host).collect()),
        None => Choice::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_YEARS: i64 = 315_360_000_000_000;

    fn candidate(host: &str, offset_micros: i64, stratum: u8) -> Candidate<'_> {
        let sample =
            Sample { offset_micros, delay_micros: 20_000, distance_micros: 1_000, stratum };
        Candidate { host, is_preferred: false, sample }
    }

    fn chosen<'h>(candidates: &[Candidate<'h>]) -> Option<(&'h str, Vec<&'h str>)> {
        match choose(candidates) {
            Choice::Follow(chosen, others) => Some((chosen.host, others)),
            _ => None,
        }
    }

    #[test]
    fn one_ten_years_off_is_not_followed_while_others_agree() {
        let mut three =
            [candidate("a", TEN_YEARS, 1), candidate("b", 5_000, 3), candidate("c", -3_000, 2)];
        assert_eq!(chosen(&three), Some(("c", vec!["a"])));
        three[0].is_preferred = true;
        assert_eq!(chosen(&three), Some(("c", vec!["a"])));
        three[1].is_preferred = true;
        assert_eq!(chosen(&three), Some(("b", vec!["a"])));
    }

    #[test]
    fn two_that_contradict_each_other_are_not_followed() {
        let two = [candidate("a", TEN_YEARS, 1), candidate("b", 0, 1)];
        assert_eq!(choose(&two), Choice::Divided);
        let four = [two[0], two[1], candidate("c", TEN_YEARS, 1), candidate("d", 0, 1)];
        assert_eq!(choose(&four), Choice::Divided);
        assert_eq!(choose(&[]), Choice::Nobody);
        assert_eq!(chosen(&two[..1]), Some(("a", vec![])));
    }

    #[test]
    fn the_offset_is_half_of_both_ways() {
        assert_eq!(Sample::offset(0, 5_000_010, 5_000_020, 30), 5_000_000);
        let slow = Sample { delay_micros: 4_000_000, ..candidate("a", 1_500_000, 1).sample };
        assert_eq!(slow.certain_micros(), 0);
    }
}
