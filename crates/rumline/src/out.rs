//! Rows on standard output: as tables, JSON or CSV.

use rumline_protocol::Timestamp;
use rumline_web::csv;
use serde_json::Value;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// As the API answers.
    Json,
    /// For spreadsheets.
    Csv,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// Seconds since 1970.
    Time,
    /// Seconds, told as days.
    Days,
    /// What a member of it holds.
    Member(&'static str),
    /// A word, or what the one member holds that it has.
    One,
    /// A list, by what its members hold at this path.
    List(&'static str),
    /// A list, by the times its members hold there.
    Times(&'static str),
}

/// A column: its head, and where in a row its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column(pub &'static str, pub &'static str, pub Kind);

/// A column of plain text, at the member of its name.
pub(crate) const fn text(head: &'static str, path: &'static str) -> Column {
    Column(head, path, Kind::Text)
}

pub(crate) const fn time(head: &'static str, path: &'static str) -> Column {
    Column(head, path, Kind::Time)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        // What somebody wrote into a name moves no cursor.
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        other => other.to_string(),
    }
}

fn cell(row: &Value, Column(_, path, kind): Column) -> String {
    let value = &row[path];
    let list = || value.as_array().map(Vec::as_slice).unwrap_or_default();
    match kind {
        Kind::Text => plain(value),
        Kind::Member(inner) => plain(&value[inner]),
        Kind::One => plain(value.as_object().and_then(|all| all.values().next()).unwrap_or(value)),
        Kind::Time => match value.as_i64() {
            Some(at) => Timestamp(at).to_string(),
            None => plain(value),
        },
        Kind::Days => match value.as_i64() {
            // To a thousandth; 86.4 seconds are one.
            Some(seconds) => {
                let thousandths = (i128::from(seconds) * 10 + 432).div_euclid(864);
                let sign = if thousandths < 0 { "-" } else { "" };
                let size = thousandths.unsigned_abs();
                format!("{sign}{}.{:03}", size / 1_000, size % 1_000)
            }
            None => plain(value),
        },
        Kind::Times(inner) => {
            let times = list().iter().map(|member| cell(member, Column("", inner, Kind::Time)));
            times.collect::<Vec<_>>().join(", ")
        }
        Kind::List(inner) => {
            let parts = list().iter().map(|member| {
                let of = |name: &str| if name.is_empty() { member } else { &member[name] };
                inner.split('+').map(|name| plain(of(name))).collect::<Vec<_>>().join(" x ")
            });
            parts.collect::<Vec<_>>().join(", ")
        }
    }
}

/// Letters that a text takes on a screen, near enough.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Rows as they are wanted.
pub(crate) fn rendered(output: Output, value: &Value, columns: &[Column]) -> String {
    if output == Output::Json {
        return serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    }
    let rows: Vec<&Value> = match value {
        Value::Array(rows) => rows.iter().collect(),
        one => vec![one],
    };
    let heads: Vec<String> = columns.iter().map(|Column(head, ..)| (*head).to_owned()).collect();
    let body = rows.iter().map(|row| columns.iter().map(|column| cell(row, *column)).collect());
    let body: Vec<Vec<String>> = body.collect();
    if output == Output::Csv {
        return std::iter::once(&heads).chain(&body).map(|cells| csv::line(cells)).collect();
    }
    if body.is_empty() {
        return "There are none.\n".to_owned();
    }
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(place, head)| {
            let cells = body.iter().map(|row| width(&row[place]));
            cells.chain([width(head)]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide.saturating_sub(width(cell)))));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let rule: Vec<String> = widths.iter().map(|wide| "-".repeat(*wide)).collect();
    let mut text = line(&heads) + &line(&rule);
    for row in &body {
        text.push_str(&line(row));
    }
    text
}

/// Writes rows.
pub(crate) fn show(output: Output, value: &Value, columns: &[Column]) {
    use std::io::Write as _;
    let _gone = std::io::stdout().lock().write_all(rendered(output, value, columns).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[Column] = &[
        text("Id", "id"),
        text("Name", "name"),
        time("Since", "at"),
        Column("Holds", "shares", Kind::List("quantity+of")),
    ];

    fn rows() -> Value {
        json!([
            { "id": 1, "name": "=cmd()", "at": 0, "shares": [{ "quantity": 2, "of": "A" }, { "quantity": -1, "of": "B" }] },
            { "id": -20, "name": "gr\u{fc}n, \"so\"\u{1b}[2J", "at": null, "shares": [] },
        ])
    }

    #[test]
    fn tables_have_names_and_dates() {
        let told = rendered(Output::Table, &rows(), COLUMNS);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "Id   Name            Since                 Holds");
        assert!(
            lines[2].starts_with("1    =cmd()          1970-01-01")
                && lines[2].contains("2 x A, -1 x B"),
            "{told}"
        );
        assert!(!told.contains('\u{1b}'), "{told:?}");
        assert_eq!(rendered(Output::Table, &json!([]), COLUMNS), "There are none.\n");
        assert!(rendered(Output::Table, &rows()[0], COLUMNS).contains("=cmd()"));
        assert_eq!(rendered(Output::Json, &json!([1]), COLUMNS), "[\n  1\n]\n");
    }

    #[test]
    fn license_seconds_are_told_as_days() {
        const DAYS: Column = Column("", "n", Kind::Days);
        for (seconds, told) in [
            (86_400, "1.000"),
            (43_200, "0.500"),
            (-129_600, "-1.500"),
            (0, "0.000"),
            (86, "0.001"),
            (43, "0.000"),
            (44, "0.001"),
        ] {
            assert_eq!(cell(&json!({ "n": seconds }), DAYS), told);
        }
    }

    #[test]
    fn spreadsheets_take_text_for_text() {
        let told = rendered(Output::Csv, &rows(), COLUMNS);
        let lines: Vec<&str> = told.split("\r\n").collect();
        assert_eq!(lines[0], "Id,Name,Since,Holds");
        assert!(
            lines[1].starts_with("1,'=cmd(),1970-01-01") && lines[1].contains("\"2 x A, -1 x B\""),
            "{told}"
        );
        assert!(lines[2].starts_with("-20,\"gr\u{fc}n, \"\"so\"\" [2J\",-,"), "{told}");
    }
}
