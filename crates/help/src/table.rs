//! Tables as aligned text.

use crate::wrap::{width, wrap};

/// Between two columns.
const GAP: usize = 2;
/// A column that has less is not readable.
const COLUMN_MIN: usize = 10;

/// A table, its first row the headings, in lines of at most `max` characters: side by side, or one below the other where
/// columns would become too narrow.
pub(crate) fn table(rows: &[Vec<String>], max: usize) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let natural: Vec<usize> = (0..count)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|c| width(c)).max())
        .map(Option::unwrap_or_default)
        .collect();
    match widths(&natural, max) {
        Some(widths) => side_by_side(rows, &widths),
        None => below(rows, max),
    }
}

/// How wide each column becomes: narrow ones as they are, wide ones share what is left.
fn widths(natural: &[usize], max: usize) -> Option<Vec<usize>> {
    let gaps = GAP * natural.len().saturating_sub(1);
    let mut left = max.checked_sub(gaps)?;
    let mut order: Vec<usize> = (0..natural.len()).collect();
    order.sort_by_key(|column| natural[*column]);
    let mut widths = vec![0; natural.len()];
    for (done, column) in order.iter().enumerate() {
        let share = left / (natural.len() - done);
        widths[*column] = natural[*column].min(share);
        if widths[*column] < natural[*column].min(COLUMN_MIN) {
            return None;
        }
        left -= widths[*column];
    }
    Some(widths)
}

fn side_by_side(rows: &[Vec<String>], widths: &[usize]) -> Vec<String> {
    let wrapped: Vec<Vec<String>> = rows.iter().map(|row| lines_of(row, widths)).collect();
    let is_tall = wrapped.iter().any(|lines| lines.len() > 1);
    let mut lines = Vec::new();
    for (number, row) in wrapped.into_iter().enumerate() {
        if number > 1 && is_tall {
            lines.push(String::new());
        }
        lines.extend(row);
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            lines.push(rules.join(&" ".repeat(GAP)));
        }
    }
    lines
}

/// The lines of a row.
fn lines_of(row: &[String], widths: &[usize]) -> Vec<String> {
    let cell =
        |(column, width): (usize, &usize)| wrap(row.get(column).map_or("", String::as_str), *width);
    let cells: Vec<Vec<String>> = widths.iter().enumerate().map(cell).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or_default();
    let line = |number: usize| {
        let mut line = String::new();
        for (cell, own) in cells.iter().zip(widths) {
            let part = cell.get(number).map_or("", String::as_str);
            line.push_str(part);
            line.push_str(&" ".repeat(own - width(part) + GAP));
        }
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// Each row as lines of `heading: cell`.
fn below(rows: &[Vec<String>], max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let Some((headings, rows)) = rows.split_first() else { return lines };
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            lines.push(String::new());
        }
        for (heading, cell) in headings.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            let said = if heading.is_empty() { cell.clone() } else { format!("{heading}: {cell}") };
            lines.extend(wrap(&said, max));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::table;

    fn rows(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_are_aligned_and_wrapped() {
        let of = rows(&[["A", "What"], ["long name", "x"], ["b", "some more words here"]]);
        let wide = ["A          What", "---------  --------------------", "long name  x"];
        assert_eq!(table(&of, 40)[..3], wide);
        let narrow = table(&of, 22);
        assert!(narrow.iter().all(|line| line.len() <= 22), "{narrow:#?}");
        assert_eq!(narrow[4..], ["b          some more", "           words here"]);
    }

    #[test]
    fn a_table_too_wide_for_the_terminal_goes_below_itself() {
        let of = rows(&[["Name", "Meaning"], ["abcdefghijkl", "a thing of twelve"]]);
        assert_eq!(table(&of, 16), ["Name:", "abcdefghijkl", "Meaning: a thing", "of twelve"]);
    }
}
