//! Charts: what was counted over time as bars, and what it is measured against as a line, with a table behind both.

use maud::{Markup, html};

/// A chart of some days or months.
pub(crate) struct Chart<'a> {
    /// What it shows.
    pub title: &'a str,
    /// What the bars are.
    pub bars: &'a str,
    /// What the line is, if there is one.
    pub line: Option<&'a str>,
    /// What is said where all bars are nothing.
    pub nothing: &'a str,
    /// Of each day or month: its name, the bar, and the place of the line.
    pub points: Vec<(String, i64, Option<i64>)>,
}

const WIDTH: i64 = 720;
const HEIGHT: i64 = 180;
/// Room at the left for the numbers, and below for the days.
const LEFT: i64 = 64;
const BELOW: i64 = 22;
const ABOVE: i64 = 12;

/// What a chart of averages says where all of them are nothing.
pub(crate) fn nothing(is_reported: bool) -> &'static str {
    if is_reported {
        "Less than half of one on average in this time: no bar shows that."
    } else {
        "No span of use was reported in this time; what is in use now comes with the next reports."
    }
}

/// The next number that is 1, 2 or 5 with zeros behind it.
fn round_up(most: i64) -> i64 {
    let mut step = 1_i64;
    loop {
        for times in [1, 2, 5] {
            let round = step.saturating_mul(times);
            if round >= most || round == i64::MAX {
                return round;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// A number with its thousands apart.
pub(crate) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

impl Chart<'_> {
    pub(crate) fn show(&self) -> Markup {
        let most = self.points.iter().map(|(_, bar, line)| line.unwrap_or(0).max(*bar)).max();
        let Some(most) = most else {
            return html! {};
        };
        // An empty picture says nothing, and one bar less than its figure.
        let some: Vec<&(String, i64, Option<i64>)> =
            self.points.iter().filter(|(_, bar, line)| *bar != 0 || line.is_some()).collect();
        if some.is_empty() {
            return html! {
                figure.chart { figcaption { (self.title) } p.soft { (self.nothing) } }
            };
        }
        let only = if let [(name, bar, _)] = some[..] { Some((name, *bar)) } else { None };
        let top = round_up(most.max(1));
        let count = i64::try_from(self.points.len()).unwrap_or(1);
        let floor = HEIGHT - BELOW;
        let x = |place: usize| {
            LEFT + i64::try_from(place).unwrap_or(0).saturating_mul(WIDTH - LEFT) / count
        };
        // Wide numbers: what is counted in seconds may be large.
        let y = |value: i64| {
            let height = i128::from(floor - ABOVE) * i128::from(value.max(0)) / i128::from(top);
            floor - i64::try_from(height).unwrap_or(0)
        };
        let width = ((WIDTH - LEFT) / count - 1).max(1);
        let line: Vec<String> = self
            .points
            .iter()
            .enumerate()
            .filter_map(|(place, (_, _, line))| Some((place, (*line)?)))
            .map(|(place, line)| format!("{},{}", x(place) + width / 2, y(line)))
            .collect();
        let last = self.points.len().saturating_sub(1);
        let named = if last > 1 { vec![0, last / 2, last] } else { vec![0] };
        html! {
            figure.chart {
                figcaption { (self.title) }
                p.key {
                    span.bar aria-hidden="true" {} " " (self.bars)
                    @if let Some(line) = self.line { " " span.line aria-hidden="true" {} " " (line) }
                }
                @if let Some((name, bar)) = only {
                    p.soft { (number(bar)) " on " (name) @if self.points.len() > 1 { ", none before or after it" } "." }
                }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.told()) {
                    @for value in [0, top / 2, top] {
                        line.grid x1=(LEFT) x2=(WIDTH) y1=(y(value)) y2=(y(value)) {}
                        text x=(LEFT - 6) y=(y(value) + 4) text-anchor="end" { (number(value)) }
                    }
                    @for (place, (name, bar, _)) in self.points.iter().enumerate() {
                        rect.bar x=(x(place)) y=(y(*bar)) width=(width) height=(floor - y(*bar)) {
                            title { (name) ": " (number(*bar)) }
                        }
                    }
                    @if line.len() > 1 { polyline.line points=(line.join(" ")) {} }
                    @for (at, place) in named.into_iter().enumerate() {
                        @if let Some((name, ..)) = self.points.get(place) {
                            text x=(x(place) + if at == 2 { width } else { 0 }) y=(HEIGHT - 6)
                                text-anchor=(["start", "middle", "end"][at]) { (name) }
                        }
                    }
                }
                details.box {
                    summary { "As a table" }
                    div.scroll tabindex="0" role="region" aria-label=(self.title) { table {
                        thead { tr { th { "When" } th.number { (self.bars) }
                            @if let Some(line) = self.line { th.number { (line) } } } }
                        tbody { @for (name, bar, line) in self.points.iter().rev() { tr {
                            td.whole { (name) } td.number { (number(*bar)) }
                            @if self.line.is_some() { td.number { (line.map(number).unwrap_or_default()) } }
                        } } }
                    } }
                }
            }
        }
    }

    /// What it shows, for those who hear it.
    fn told(&self) -> String {
        let bars = || self.points.iter().map(|(_, bar, _)| *bar);
        let (first, last) = (bars().next().unwrap_or(0), bars().next_back().unwrap_or(0));
        let (least, most) = (bars().min().unwrap_or(0), bars().max().unwrap_or(0));
        format!(
            "{}: {} at first, {} at last, from {} to {}; the table behind has all",
            self.title,
            number(first),
            number(last),
            number(least),
            number(most)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_of_a_chart_is_a_round_number_above_all() {
        for (most, top) in [(1, 1), (2, 2), (3, 5), (7, 10), (11, 20), (201, 500), (1_000, 1_000)] {
            assert_eq!(round_up(most), top);
        }
        assert_eq!(round_up(i64::MAX), i64::MAX);
        assert_eq!(number(-1_234_567), "-1,234,567");
        assert_eq!(
            (number(0), number(999), number(1_000)),
            ("0".into(), "999".into(), "1,000".into())
        );
    }

    #[test]
    fn bars_stand_on_the_floor_and_reach_up_to_their_number() {
        let chart = Chart {
            title: "Use",
            bars: "In use",
            line: Some("Purchased"),
            nothing: "None.",
            points: vec![
                ("a".into(), 0, Some(5)),
                ("b".into(), 10, Some(5)),
                ("c<".into(), i64::MAX, None),
            ],
        };
        let text = chart.show().into_string();
        assert_eq!(text.matches("<rect").count(), 3);
        assert!(text.contains("c&lt;: 9,223,372,036,854,775,807"));
        assert!(text.contains("0 at first") && text.contains("polyline"));
        assert_eq!(Chart { points: Vec::new(), ..chart }.show().into_string(), "");
        let of = |points: Vec<(String, i64, Option<i64>)>| {
            let nothing = "Nothing was reported.";
            Chart { title: "Use", bars: "In use", line: None, nothing, points }.show().into_string()
        };
        // What there is nothing of is no picture, and of one day its figure is told.
        let none = of(vec![("a".into(), 0, None), ("b".into(), 0, None)]);
        assert!(none.contains("Nothing was reported") && !none.contains("<svg"), "{none}");
        let one = of(vec![("a".into(), 0, None), ("b".into(), 1_000, None)]);
        assert!(one.contains("1,000 on b, none before or after it."), "{one}");
        assert!(of(vec![("b".into(), 7, None)]).contains(">7 on b.<"));
        let small = Chart {
            title: "Use",
            bars: "In use",
            line: None,
            nothing: "None.",
            points: vec![("a".into(), 10, None), ("b".into(), 5, None)],
        };
        let text = small.show().into_string();
        // Of 146 units of height one bar takes all, the other half.
        assert!(text.contains("y=\"12\" width=\"327\" height=\"146\""), "{text}");
        assert!(text.contains("y=\"85\" width=\"327\" height=\"73\""), "{text}");
    }
}
