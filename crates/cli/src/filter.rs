//! The filters themselves, on lines that are there.

use std::cmp::Ordering;

use regex_lite::Regex;

/// Lines that match or do not.
#[derive(Debug, Default)]
pub struct Grep {
    pub(crate) regex: Option<Regex>,
    pub(crate) inverted: bool,
    pub(crate) counts: bool,
    pub(crate) numbers: bool,
    /// Lines that are shown before and behind each.
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl Grep {
    pub(crate) fn apply(&self, lines: &[&str]) -> String {
        let matches = |line: &str| self.regex.as_ref().is_some_and(|regex| regex.is_match(line));
        let hits: Vec<usize> =
            (0..lines.len()).filter(|at| matches(lines[*at]) != self.inverted).collect();
        if self.counts {
            return format!("{}\n", hits.len());
        }
        let mut text = String::new();
        let mut next = 0;
        for (index, hit) in hits.iter().enumerate() {
            let from = hit.saturating_sub(self.before).max(next);
            // Groups that do not touch are told apart.
            if next > 0 && from > next && self.before + self.after > 0 {
                text.push_str("--\n");
            }
            let last = hits.get(index + 1).map_or(usize::MAX, |other| other - 1);
            let to = hit.saturating_add(self.after).min(last).min(lines.len() - 1);
            for (at, line) in lines.iter().enumerate().take(to + 1).skip(from) {
                if self.numbers {
                    let mark = if at == *hit { ':' } else { '-' };
                    text.push_str(&format!("{}{mark}", at + 1));
                }
                text.push_str(line);
                text.push('\n');
            }
            next = to + 1;
        }
        text
    }
}

/// Fields or letters of each line.
#[derive(Debug, Default)]
pub struct Columns {
    pub(crate) ranges: Vec<(usize, usize)>,
    pub(crate) letters: bool,
    pub(crate) delimiter: char,
    pub(crate) only_delimited: bool,
}

impl Columns {
    pub(crate) fn apply(&self, lines: &[&str]) -> String {
        let has =
            |place: usize| self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&place));
        let mut text = String::new();
        for line in lines {
            if self.letters {
                text.extend(line.chars().enumerate().filter(|(at, _)| has(at + 1)).map(|(_, c)| c));
            } else if line.contains(self.delimiter) {
                let fields = line.split(self.delimiter).enumerate().filter(|(at, _)| has(at + 1));
                let fields: Vec<&str> = fields.map(|(_, field)| field).collect();
                text.push_str(&fields.join(&self.delimiter.to_string()));
            } else if self.only_delimited {
                continue;
            } else {
                text.push_str(line);
            }
            text.push('\n');
        }
        text
    }
}

/// The order of lines.
#[derive(Debug, Default)]
pub struct Sort {
    pub(crate) reversed: bool,
    pub(crate) numeric: bool,
    pub(crate) unique: bool,
    pub(crate) any_case: bool,
    pub(crate) separator: Option<char>,
    /// The first field of the key, and the last if it does not go to the end of the line.
    pub(crate) key: Option<(usize, Option<usize>)>,
}

impl Sort {
    pub(crate) fn apply<'l>(&self, mut lines: Vec<&'l str>) -> Vec<&'l str> {
        let by_key = |a: &&str, b: &&str| {
            let (a, b) = (self.key_of(a), self.key_of(b));
            let order = if self.numeric {
                number_of(a).total_cmp(&number_of(b))
            } else if self.any_case {
                a.bytes()
                    .map(|b| b.to_ascii_uppercase())
                    .cmp(b.bytes().map(|b| b.to_ascii_uppercase()))
            } else {
                a.as_bytes().cmp(b.as_bytes())
            };
            if self.reversed { order.reverse() } else { order }
        };
        if self.unique {
            lines.sort_by(by_key);
            lines.dedup_by(|later, kept| by_key(later, kept) == Ordering::Equal);
        } else {
            // What is the same by its key is told apart by all of it.
            lines.sort_by(|a, b| {
                let whole = a.as_bytes().cmp(b.as_bytes());
                by_key(a, b).then(if self.reversed { whole.reverse() } else { whole })
            });
        }
        lines
    }

    /// The part of a line that counts. Without a separator a field begins with the blanks before it.
    fn key_of<'l>(&self, line: &'l str) -> &'l str {
        let Some((first, last)) = self.key else { return line };
        let start = |field: usize| self.field_start(line, field - 1);
        let from = start(first);
        let to = last.map_or(line.len(), |last| {
            let end = start(last + 1);
            // The separator behind the last field is not of it.
            let behind = self.separator.filter(|c| end > from && line[..end].ends_with(*c));
            end - behind.map_or(0, char::len_utf8)
        });
        &line[from..to.max(from)]
    }

    /// Where the field behind so many begins.
    fn field_start(&self, line: &str, fields: usize) -> usize {
        let mut at = 0;
        for _ in 0..fields {
            let rest = &line[at..];
            at += match self.separator {
                Some(separator) => match rest.find(separator) {
                    Some(end) => end + separator.len_utf8(),
                    None => return line.len(),
                },
                None => {
                    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
                    let word = rest[blanks..].find([' ', '\t']).unwrap_or(rest.len() - blanks);
                    blanks + word
                }
            };
        }
        at
    }
}

/// The number that a text begins with; 0 if it begins with none.
fn number_of(text: &str) -> f64 {
    let text = text.trim_start_matches([' ', '\t']);
    let digits = |c: char| c.is_ascii_digit();
    let sign = usize::from(text.starts_with('-'));
    let whole = text[sign..].find(|c| !digits(c)).map_or(text.len(), |end| sign + end);
    let end = match text[whole..].strip_prefix('.') {
        Some(rest) => whole + 1 + rest.find(|c| !digits(c)).unwrap_or(rest.len()),
        None => whole,
    };
    let number: f64 = text[..end].parse().unwrap_or(0.0);
    // Zero has no sign.
    if number == 0.0 { 0.0 } else { number }
}

/// Repeated lines.
#[derive(Debug, Default)]
pub struct Uniq {
    pub(crate) counts: bool,
    pub(crate) only_repeated: bool,
    pub(crate) only_single: bool,
    pub(crate) any_case: bool,
}

impl Uniq {
    pub(crate) fn apply(&self, lines: &[&str]) -> String {
        let same = |a: &&str, b: &&str| {
            if self.any_case { a.eq_ignore_ascii_case(b) } else { a == b }
        };
        let mut text = String::new();
        for run in lines.chunk_by(same) {
            let is_repeated = run.len() > 1;
            if self.only_repeated && !is_repeated || self.only_single && is_repeated {
                continue;
            }
            if self.counts {
                text.push_str(&format!("{:>7} ", run.len()));
            }
            text.push_str(run[0]);
            text.push('\n');
        }
        text
    }
}

/// Which counts are wanted; all of lines, words and bytes if none is.
#[derive(Debug, Default)]
pub struct Counts {
    pub(crate) lines: bool,
    pub(crate) words: bool,
    pub(crate) letters: bool,
    pub(crate) bytes: bool,
}

impl Counts {
    pub(crate) fn apply(&self, text: &str) -> String {
        let all = !(self.lines || self.words || self.letters || self.bytes);
        let wanted = [
            (self.lines || all, text.matches('\n').count()),
            (self.words || all, text.split_whitespace().count()),
            (self.letters, text.chars().count()),
            (self.bytes || all, text.len()),
        ];
        let counts: Vec<usize> =
            wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, count)| count).collect();
        match counts[..] {
            [count] => format!("{count}\n"),
            _ => {
                let shown: Vec<String> = counts.iter().map(|count| format!("{count:>7}")).collect();
                format!("{}\n", shown.join(" "))
            }
        }
    }
}

/// Lines that match with the lines indented below them.
pub(crate) fn section<'l>(lines: &[&'l str], regex: &Regex) -> Vec<&'l str> {
    let mut kept = Vec::new();
    let mut inside: Option<usize> = None;
    for line in lines {
        let indent = line.len() - line.trim_start().len();
        if inside.is_some_and(|outer| indent <= outer || line.is_empty()) {
            inside = None;
        }
        if inside.is_none() && regex.is_match(line) {
            inside = Some(indent);
        }
        if inside.is_some() {
            kept.push(*line);
        }
    }
    kept
}

/// Lines compared one by one, at most; of longer texts the part between equal beginnings and ends is told as a whole.
const COMPARED_MAX: usize = 2_000;

/// Lines that went and came, marked with `<` and `>`; nothing if there are none.
pub(crate) fn difference(before: &str, now: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), now.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let behind = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = behind.take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut text = String::new();
    let mut push = |mark: char, line: &str| text.push_str(&format!("{mark} {line}\n"));
    if old.len() > COMPARED_MAX || new.len() > COMPARED_MAX {
        old.iter().for_each(|line| push('<', line));
        new.iter().for_each(|line| push('>', line));
        return text;
    }
    // The longest lines in common from each place on.
    let width = new.len() + 1;
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            i += 1;
            j += 1;
        } else if j == new.len()
            || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            push('<', old[i]);
            i += 1;
        } else {
            push('>', new[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_difference_tells_what_went_and_what_came() {
        assert_eq!(difference("a\nb\nc\n", "a\nb\nc\n"), "");
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "< b\n> x\n> d\n");
        assert_eq!(difference("", "a\n"), "> a\n");
        assert_eq!(difference("a\n", ""), "< a\n");
        let long: String = (0..5_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(difference(&long, &long.replace("\n2500\n", "\nnew\n")), "< 2500\n> new\n");
    }
}
