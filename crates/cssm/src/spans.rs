//! Which seconds of a licence's use are counted: a set of spans that never overlap, on a time that runs on evenly.
//!
//! A second that was reported once is counted once, whichever report, and whichever life of a product instance that was
//! set back, tells it again. What lies between two spans is a gap: something is missing, or nothing is known.

use std::collections::BTreeMap;

/// A set of seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    /// First second of each span, and the one after its last. They neither overlap nor touch.
    spans: BTreeMap<i64, i64>,
}

impl Spans {
    /// More gaps than this are not remembered one by one: the oldest is closed.
    const SPANS_MAX: usize = 1000;

    /// The text of an empty set; the empty text is that of a set that was never kept.
    pub(crate) const NONE: &'static str = "-";

    /// Reads what [`Spans::to_text`] wrote.
    pub(crate) fn from_text(text: &str) -> Self {
        let span = |part: &str| {
            let (from, to) = part.split_once(':')?;
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        Self { spans: text.split(',').filter_map(span).collect() }
    }

    /// `FROM:TO`, separated by commas.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        for (from, to) in &self.spans {
            let comma = if out.is_empty() { "" } else { "," };
            out.push_str(&format!("{comma}{from}:{to}"));
        }
        out
    }

    /// Adds a span; returns those of its seconds that were not there before, as spans in their order.
    pub(crate) fn add(&mut self, from: i64, to: i64) -> Vec<(i64, i64)> {
        if from >= to {
            return Vec::new();
        }
        let (mut first, mut last) = (from, to);
        let (mut new, mut known_to) = (Vec::new(), from);
        // All that overlap or touch it: from the last that begins before it.
        let begin = self.spans.range(..=from).next_back().map_or(from, |(begin, _)| *begin);
        let touched: Vec<(i64, i64)> = self
            .spans
            .range(begin..=to)
            .map(|(begin, end)| (*begin, *end))
            .filter(|(_, end)| *end >= from)
            .collect();
        for (begin, end) in touched {
            if known_to < begin.min(to) {
                new.push((known_to, begin.min(to)));
            }
            known_to = known_to.max(end);
            (first, last) = (first.min(begin), last.max(end));
            self.spans.remove(&begin);
        }
        if known_to < to {
            new.push((known_to, to));
        }
        self.spans.insert(first, last);
        if self.spans.len() > Self::SPANS_MAX
            && let Some((begin, _)) = self.spans.pop_first()
            && let Some((_, end)) = self.spans.pop_first()
        {
            self.spans.insert(begin, end);
        }
        new
    }

    /// The second after the last that is there.
    pub(crate) fn end(&self) -> Option<i64> {
        self.spans.values().next_back().copied()
    }

    /// What lies between the spans.
    pub(crate) fn gaps(&self) -> Vec<(i64, i64)> {
        let ends = self.spans.values();
        ends.zip(self.spans.keys().skip(1)).map(|(end, begin)| (*end, *begin)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Spans;

    #[test]
    fn it_behaves_like_a_plain_set_of_seconds() {
        let mut x = 1_u64;
        let mut draw = |below: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((x >> 33) % below).unwrap()
        };
        for _ in 0..200 {
            let (mut spans, mut model) = (Spans::default(), BTreeSet::new());
            for _ in 0..20 {
                let from = draw(100) - 20;
                let to = from + draw(20) - 2;
                let new: Vec<i64> = (from..to).filter(|second| model.insert(*second)).collect();
                let parts = spans.add(from, to);
                assert!(parts.windows(2).all(|pair| pair[0].1 < pair[1].0), "{parts:?}");
                let parts: Vec<i64> = parts.into_iter().flat_map(|(from, to)| from..to).collect();
                assert_eq!(parts, new);
                assert_eq!(Spans::from_text(&spans.to_text()), spans);
                assert_eq!(spans.end(), model.last().map(|last| last + 1));
                let inside = model.first().copied().unwrap_or(0)..spans.end().unwrap_or(0);
                let missing: Vec<i64> = inside.filter(|second| !model.contains(second)).collect();
                let gaps: Vec<i64> =
                    spans.gaps().into_iter().flat_map(|(from, to)| from..to).collect();
                assert_eq!(gaps, missing);
            }
        }
    }

    #[test]
    fn gaps_without_end_cost_no_memory_without_end() {
        let mut spans = Spans::default();
        for index in 0..3000 {
            assert_eq!(spans.add(index * 10, index * 10 + 1).len(), 1);
        }
        assert_eq!(spans.gaps().len(), Spans::SPANS_MAX - 1);
        assert_eq!(spans.end(), Some(29_991));
        // The oldest gaps were closed: what comes late for them is not counted, and nothing is counted twice.
        let late = spans.add(0, 29_991);
        assert_eq!(late.iter().map(|(from, to)| to - from).sum::<i64>(), 999 * 9);
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let mut spans = Spans::default();
        assert_eq!(spans.add(i64::MIN, i64::MAX), [(i64::MIN, i64::MAX)]);
        assert_eq!(spans.add(0, 10), []);
        assert_eq!(Spans::from_text("x,1:2,3:y,:,"), Spans::from_text("1:2"));
    }
}
