//! Pipes after a show command: built in, nothing is spawned.

use regex_lite::Regex;

/// A filter on output.
#[derive(Debug)]
pub enum Pipe {
    /// Lines that match.
    Include(Regex),
    /// Lines that do not.
    Exclude(Regex),
    /// From the first line that matches.
    Begin(Regex),
    /// Lines that match with the lines indented below them.
    Section(Regex),
    /// How many lines there are.
    Count,
    /// How many lines match, or do not.
    CountOf {
        /// What they match.
        regex: Regex,
        /// Whether those are counted that do not.
        inverted: bool,
    },
    /// The last lines.
    Last(usize),
    /// The first lines.
    Head(usize),
    /// No paging.
    NoMore,
}

/// Why a pipe was refused: what is wrong, and its offset in the text after the bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeError {
    /// Where, in bytes from the bar on.
    pub at: usize,
}

/// Splits a line at its bars, outside quotes. Alternatives in a pattern have no blanks around their bar.
#[must_use]
pub fn split_pipes(line: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut quote: Option<char> = None;
    let bytes = line.as_bytes();
    for (at, c) in line.char_indices() {
        match c {
            _ if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() && line[at + 1..].contains(c) => quote = Some(c),
            '|' if quote.is_none() => {
                let before = at == 0 || bytes[at - 1].is_ascii_whitespace();
                let after = bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace);
                // The first bar always splits: `show feature|inc bgp`.
                if (before && after) || parts.is_empty() {
                    parts.push((start, &line[start..at]));
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.push((start, &line[start..]));
    parts
}

const WORDS: &[&str] = &[
    "begin", "count", "egrep", "exclude", "grep", "head", "include", "last", "no-more", "section",
];

impl Pipe {
    /// The words a pipe may begin with.
    #[must_use]
    pub fn words() -> &'static [&'static str] {
        WORDS
    }

    /// Reads what stands after a bar.
    ///
    /// # Errors
    /// Where it makes no sense.
    pub fn parse(text: &str) -> Result<Self, PipeError> {
        let trimmed = text.trim_start();
        let offset = text.len() - trimmed.len();
        let (word, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        let word = word.to_ascii_lowercase();
        let error = |at: usize| PipeError { at };
        let mut fitting = WORDS.iter().filter(|known| known.starts_with(word.as_str()));
        let exact = WORDS.iter().find(|known| **known == word);
        let name = exact.or_else(|| fitting.next()).ok_or_else(|| error(offset))?;
        if word.is_empty() || (exact.is_none() && fitting.next().is_some()) {
            return Err(error(offset));
        }
        let mut pattern = rest.trim();
        let at_pattern = offset + word.len() + 1;
        let (mut inverted, mut any_case, mut counts) = (false, false, false);
        while let Some(option) = pattern.strip_prefix('-').filter(|_| name.ends_with("grep")) {
            let (flags, after) = option.split_once(' ').unwrap_or((option, ""));
            for flag in flags.chars() {
                match flag {
                    'v' => inverted = true,
                    'i' => any_case = true,
                    'c' => counts = true,
                    'E' => {}
                    // One that is not known would give another answer than the one asked for.
                    _ => return Err(error(at_pattern)),
                }
            }
            pattern = after.trim();
        }
        let pattern = unquoted(pattern);
        let regex = || match Regex::new(&format!("{}{pattern}", if any_case { "(?i)" } else { "" }))
        {
            Ok(regex) if !pattern.is_empty() => Ok(regex),
            _ => Err(error(at_pattern)),
        };
        let number = || match pattern {
            "" => Ok(10),
            text => text.parse().map_err(|_| error(at_pattern)),
        };
        Ok(match *name {
            "include" => Self::Include(regex()?),
            "grep" | "egrep" if counts => Self::CountOf { regex: regex()?, inverted },
            "grep" | "egrep" if inverted => Self::Exclude(regex()?),
            "grep" | "egrep" => Self::Include(regex()?),
            "exclude" => Self::Exclude(regex()?),
            "begin" => Self::Begin(regex()?),
            "section" => Self::Section(regex()?),
            "count" => Self::Count,
            "last" => Self::Last(number()?),
            "head" => Self::Head(number()?),
            _ => Self::NoMore,
        })
    }

    /// Filters text.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let kept: Vec<&str> = match self {
            Self::NoMore => return text.to_owned(),
            Self::Count => return format!("{}\n", lines.len()),
            Self::CountOf { regex, inverted } => {
                let count = lines.iter().filter(|line| regex.is_match(line) != *inverted).count();
                return format!("{count}\n");
            }
            Self::Include(regex) => lines.into_iter().filter(|l| regex.is_match(l)).collect(),
            Self::Exclude(regex) => lines.into_iter().filter(|l| !regex.is_match(l)).collect(),
            Self::Begin(regex) => {
                lines.into_iter().skip_while(|line| !regex.is_match(line)).collect()
            }
            Self::Section(regex) => section(&lines, regex),
            Self::Last(count) => lines[lines.len().saturating_sub(*count)..].to_vec(),
            Self::Head(count) => lines.into_iter().take(*count).collect(),
        };
        kept.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

/// A pattern without the quotes around it, of either kind.
fn unquoted(pattern: &str) -> &str {
    let inner = |quote| pattern.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(pattern)
}

fn section<'l>(lines: &[&'l str], regex: &Regex) -> Vec<&'l str> {
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

#[cfg(test)]
mod tests {
    use super::{Pipe, split_pipes};

    fn run(pipe: &str, text: &str) -> String {
        Pipe::parse(pipe).unwrap().apply(text)
    }

    #[test]
    fn filters_do_what_their_names_say() {
        let text = "feature bgp\nrouter bgp 1\n  neighbor a\nvlan 2\n";
        assert_eq!(run(" inc bgp", text), "feature bgp\nrouter bgp 1\n");
        assert_eq!(run(" include ^feature|vlan", text), "feature bgp\nvlan 2\n");
        assert_eq!(run(" ex bgp", text), "  neighbor a\nvlan 2\n");
        assert_eq!(run(" grep -v bgp", text), "  neighbor a\nvlan 2\n");
        assert_eq!(run(" grep -i BGP", text), "feature bgp\nrouter bgp 1\n");
        assert_eq!(run(" egrep -vi 'BGP|VLAN'", text), "  neighbor a\n");
        assert_eq!(run(" grep -c bgp", text), "2\n");
        assert_eq!(run(" grep -vc bgp", text), "2\n");
        assert_eq!(run(" include 'router bgp'", text), run(" include \"router bgp\"", text));
        assert!(Pipe::parse(" grep -A 2 bgp").is_err(), "rather than another answer");
        assert_eq!(run(" begin router", text), "router bgp 1\n  neighbor a\nvlan 2\n");
        assert_eq!(run(" sec router", text), "router bgp 1\n  neighbor a\n");
        assert_eq!(run(" count", text), "4\n");
        assert_eq!(run(" last 1", text), "vlan 2\n");
        assert!(Pipe::parse(" nonsense").is_err());
        assert!(Pipe::parse(" include").is_err());
        assert!(Pipe::parse(" include [").is_err());
        assert!(Pipe::parse(" ").is_err());
    }

    #[test]
    fn a_bar_inside_a_pattern_is_no_pipe() {
        let parts: Vec<&str> =
            split_pipes("show x | inc a|b | count").iter().map(|p| p.1).collect();
        assert_eq!(parts, ["show x ", " inc a|b ", " count"]);
        assert_eq!(split_pipes("show x|inc a")[0].1, "show x");
        assert_eq!(split_pipes("show x | inc 'a | b'")[1].1, " inc 'a | b'");
        assert_eq!(
            split_pipes("show x | inc don't | count").len(),
            3,
            "no quote that ends nowhere"
        );
    }
}
