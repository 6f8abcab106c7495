//! What stands behind a show command: how its answer is rendered, what it is filtered by, where it goes. All of it is read
//! before anything is carried out, and is built in: nothing is spawned. The options of `grep`, `cut`, `sort`, `uniq` and `wc`
//! mean what they mean to the tools of these names; patterns are extended regular expressions throughout. An option that is
//! not known is refused: it would give another answer than the one asked for.

use regex_lite::Regex;

use crate::filter::{Columns, Counts, Grep, Sort, Uniq, difference, section};
use crate::forms::name_of;
use crate::options::{cut, grep, lines, regex, sort, uniq, unquoted, wc};
use crate::parts::{parts_of, words_of};

/// How an answer is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rendering {
    /// As people read it.
    #[default]
    Text,
    /// JSON in one line.
    Json,
    /// JSON with indentation.
    JsonPretty,
    /// XML.
    Xml,
}

/// A filter on output.
#[derive(Debug)]
pub enum Pipe {
    /// Lines that match or do not, counted, numbered or with their neighbours.
    Grep(Grep),
    /// From the first line that matches.
    Begin(Regex),
    /// Up to the first line that matches, and with it.
    End(Regex),
    /// Lines that match with the lines indented below them.
    Section(Regex),
    /// How many lines there are.
    Count,
    /// The last lines.
    Last(usize),
    /// The first lines.
    Head(usize),
    /// Parts of lines.
    Cut(Columns),
    /// Lines in order.
    Sort(Sort),
    /// Repeated lines once.
    Uniq(Uniq),
    /// How many lines, words and bytes there are.
    Wc(Counts),
    /// What differs from the answer to the same command before: whoever carries out commands knows that.
    Diff,
    /// No paging.
    NoMore,
}

/// Where output goes instead of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The file as it was named.
    pub file: String,
    /// Whether it is added to the end.
    pub appends: bool,
}

/// A line taken apart.
#[derive(Debug, Default)]
pub struct Pipeline {
    /// How the answer is rendered.
    pub rendering: Rendering,
    /// Filters, in their order.
    pub pipes: Vec<Pipe>,
    /// Where the output goes.
    pub redirect: Option<Redirect>,
}

/// Why a pipe was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeError {
    /// Where, in bytes from the beginning of the line.
    pub at: usize,
    /// A sentence, where the place alone says too little.
    pub told: Option<String>,
}

impl PipeError {
    pub(crate) fn at(at: usize) -> Self {
        Self { at, told: None }
    }
}

impl Pipeline {
    /// Reads what stands behind the command of a line.
    ///
    /// # Errors
    /// Where it makes no sense.
    pub fn parse(line: &str) -> Result<Self, PipeError> {
        let (parts, redirect) = parts_of(line);
        let mut pipeline = Self::default();
        for (number, (start, part)) in parts.iter().enumerate().skip(1) {
            let words = words_of(part, *start);
            let Some((at, typed)) = words.first() else { return Err(PipeError::at(*start)) };
            let name = name_of(typed, *at)?;
            let rendering = match name {
                "json" => Rendering::Json,
                "json-pretty" => Rendering::JsonPretty,
                "xml" => Rendering::Xml,
                _ => {
                    pipeline.pipes.push(pipe(name, &words, part, *start)?);
                    continue;
                }
            };
            if number > 1 || words.len() > 1 {
                let told = format!("% {name} stands directly behind the command");
                return Err(PipeError { at: *at, told: Some(told) });
            }
            pipeline.rendering = rendering;
        }
        if let Some((at, text)) = redirect {
            let appends = text.starts_with(">>");
            let words = words_of(text.trim_start_matches('>'), at);
            let [(_, file)] = &words[..] else {
                let told = "% One file name stands behind >".to_owned();
                return Err(PipeError { at, told: Some(told) });
            };
            pipeline.redirect = Some(Redirect { file: file.clone(), appends });
        }
        Ok(pipeline)
    }
}

/// A pipe of that name; `part` begins at `start`.
fn pipe(
    name: &'static str,
    words: &[(usize, String)],
    part: &str,
    start: usize,
) -> Result<Pipe, PipeError> {
    let (at, typed) = &words[0];
    let behind = at + typed.len();
    let options = &words[1..];
    let none = |pipe: Pipe| match options.first() {
        None => Ok(pipe),
        Some((at, _)) => Err(PipeError::at(*at)),
    };
    let rest = || (part[behind - start..].trim(), behind + 1);
    let whole = || {
        let (text, at) = rest();
        regex(unquoted(text), at)
    };
    match name {
        "include" | "exclude" | "grep" | "egrep" => {
            let (text, at) = rest();
            Ok(Pipe::Grep(grep(name, text, at)?))
        }
        "begin" => Ok(Pipe::Begin(whole()?)),
        "end" => Ok(Pipe::End(whole()?)),
        "section" => Ok(Pipe::Section(whole()?)),
        "count" => none(Pipe::Count),
        "diff" => none(Pipe::Diff),
        "no-more" => none(Pipe::NoMore),
        "last" => Ok(Pipe::Last(lines(options)?)),
        "head" => Ok(Pipe::Head(lines(options)?)),
        "cut" => Ok(Pipe::Cut(cut(options, *at)?)),
        "sort" => Ok(Pipe::Sort(sort(options)?)),
        "uniq" => Ok(Pipe::Uniq(uniq(options)?)),
        _ => Ok(Pipe::Wc(wc(options)?)),
    }
}

impl Pipe {
    /// Filters text; `before` is what the same command answered the last time.
    #[must_use]
    pub fn apply(&self, text: &str, before: Option<&str>) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let kept: Vec<&str> = match self {
            Self::NoMore => return text.to_owned(),
            Self::Count => return format!("{}\n", lines.len()),
            Self::Grep(grep) => return grep.apply(&lines),
            Self::Cut(columns) => return columns.apply(&lines),
            Self::Sort(sort) => sort.apply(lines),
            Self::Uniq(uniq) => return uniq.apply(&lines),
            Self::Wc(counts) => return counts.apply(text),
            Self::Diff => return difference(before.unwrap_or_default(), text),
            Self::Begin(regex) => {
                lines.into_iter().skip_while(|line| !regex.is_match(line)).collect()
            }
            Self::End(regex) => {
                let last = lines.iter().position(|line| regex.is_match(line));
                lines.into_iter().take(last.map_or(usize::MAX, |last| last + 1)).collect()
            }
            Self::Section(regex) => section(&lines, regex),
            Self::Last(count) => lines[lines.len().saturating_sub(*count)..].to_vec(),
            Self::Head(count) => lines.into_iter().take(*count).collect(),
        };
        kept.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pipe: &str, text: &str) -> String {
        let pipeline = Pipeline::parse(&format!("show x |{pipe}")).unwrap();
        pipeline.pipes.iter().fold(text.to_owned(), |text, pipe| pipe.apply(&text, None))
    }

    fn refused(pipe: &str) -> (usize, Option<String>) {
        let error = Pipeline::parse(&format!("show x |{pipe}")).unwrap_err();
        (error.at, error.told)
    }

    const TEXT: &str = "feature bgp\nrouter bgp 1\n  neighbor a\nvlan 2\n";

    #[test]
    fn filters_do_what_their_names_say() {
        assert_eq!(run(" inc bgp", TEXT), "feature bgp\nrouter bgp 1\n");
        assert_eq!(run(" include ^feature|vlan", TEXT), "feature bgp\nvlan 2\n");
        assert_eq!(run(" ex bgp", TEXT), "  neighbor a\nvlan 2\n");
        assert_eq!(run(" grep -v bgp", TEXT), "  neighbor a\nvlan 2\n");
        assert_eq!(run(" grep -i BGP", TEXT), "feature bgp\nrouter bgp 1\n");
        assert_eq!(run(" egrep -vi 'BGP|VLAN'", TEXT), "  neighbor a\n");
        assert_eq!(run(" grep -c bgp", TEXT), "2\n");
        assert_eq!(run(" grep -vc bgp", TEXT), "2\n");
        assert_eq!(run(" include 'router bgp'", TEXT), run(" include \"router bgp\"", TEXT));
        assert_eq!(run(" grep ignore-case count BGP", TEXT), "2\n");
        assert_eq!(run(" include invert-match bgp", TEXT), "  neighbor a\nvlan 2\n");
        assert_eq!(run(" grep next 1 router", TEXT), "router bgp 1\n  neighbor a\n");
        assert_eq!(run(" grep prev 1 router", TEXT), "feature bgp\nrouter bgp 1\n");
        assert_eq!(run(" grep -A 1 -n router", TEXT), "2:router bgp 1\n3-  neighbor a\n");
        assert_eq!(run(" grep -C1 feature|vlan", TEXT), TEXT);
        assert_eq!(run(" grep -A0 feature|vlan", TEXT), "feature bgp\nvlan 2\n");
        assert_eq!(run(" grep -w bg", TEXT), "");
        assert_eq!(run(" grep -x 'vlan 2'", TEXT), "vlan 2\n");
        assert_eq!(run(" grep -F 'bgp.1'", TEXT), "");
        assert_eq!(run(" begin router", TEXT), "router bgp 1\n  neighbor a\nvlan 2\n");
        assert_eq!(run(" end router", TEXT), "feature bgp\nrouter bgp 1\n");
        assert_eq!(run(" sec router", TEXT), "router bgp 1\n  neighbor a\n");
        assert_eq!(run(" count", TEXT), "4\n");
        assert_eq!(run(" last 1", TEXT), "vlan 2\n");
        assert_eq!(run(" head lines 1", TEXT), "feature bgp\n");
        assert_eq!(run(" head -n 1", TEXT), run(" head -1", TEXT));
        assert_eq!(
            run(" cut -d ' ' -f 1,3- | sort -r | uniq", TEXT),
            "vlan\nrouter 1\nfeature\n neighbor a\n"
        );
        assert_eq!(run(" wc -l", TEXT), "4\n");
        assert_eq!(run(" sort -k 2", "b 2\na 10\n"), "a 10\nb 2\n");
        assert_eq!(run(" sort -n -k2", "a 10\nb 2\n"), "b 2\na 10\n");
    }

    #[test]
    fn what_is_not_known_is_refused_and_said_in_words() {
        for pipe in [
            "",
            " nonsense",
            " include",
            " include [",
            " grep -Q x",
            " grep -A x y",
            " grep -i",
            " count 1",
            " head x",
            " cut -f 0",
            " cut -f 3-2",
            " cut -d ab -f 1",
            " sort -k x",
            " uniq -q",
            " s",
            " grep count",
        ] {
            let error = Pipeline::parse(&format!("show x |{pipe}"));
            assert!(error.is_err() || pipe == " grep count", "{pipe}");
        }
        assert_eq!(refused(" nonsense"), (9, None));
        assert_eq!(refused(" include ["), (17, None));
        assert_eq!(
            refused(" sed s/a/b/").1.unwrap(),
            "% sed is not available: it is a program of its own on a Nexus"
        );
        assert!(refused(" cut -d ,").1.unwrap().starts_with("% cut needs -f or -c"));
        assert!(refused(" count | json").1.unwrap().starts_with("% json stands directly behind"));
        let error = Pipeline::parse("show x > a b").unwrap_err();
        assert_eq!(
            (error.at, error.told.unwrap().as_str()),
            (7, "% One file name stands behind >")
        );
    }

    #[test]
    fn what_would_become_part_of_a_pattern_is_refused() {
        for pipe in [
            " grep -e sw -e zz",
            " grep SWITCH -i",
            " inc x ignore-case",
            " include \"a\" \"b\"",
            " sort -k 3 -k 2",
            " cut -f 1 -c 2",
            " cut -c 1 -c 2",
        ] {
            assert!(Pipeline::parse(&format!("show x |{pipe}")).is_err(), "{pipe}");
        }
        assert_eq!(run(" grep -F '<bgp>'", TEXT), "");
        assert_eq!(run(" grep -F 'bgp 1'", TEXT), "router bgp 1\n");
        for pattern in ["\"it's\"", "it's", "\"it's\" | count | inc 1", "-F \"it's\"", "'\"it'"] {
            let text = if pattern.starts_with('\'') { "\"it\n" } else { "it's\n" };
            assert_eq!(run(&format!(" inc {pattern}"), text).lines().count(), 1, "{pattern}");
        }
        assert!(Pipeline::parse("show x | inc \"it's\" more").is_err());
        assert_eq!(run(" grep -- -x", "a -x b\nc\n"), "a -x b\n");
        assert_eq!(run(" grep '^f.*-i$'", "f -i\ng\n"), "f -i\n");
        assert_eq!(run(" exclude -v bgp", TEXT), run(" include bgp", TEXT));
        assert_eq!(run(" exclude invert-match bgp", TEXT), run(" include bgp", TEXT));
    }

    #[test]
    fn output_goes_to_the_file_behind_the_bracket() {
        let written = Pipeline::parse("show x | json >> bootflash:x.json").unwrap();
        assert_eq!(written.rendering, Rendering::Json);
        let redirect = written.redirect.unwrap();
        assert_eq!((redirect.file.as_str(), redirect.appends), ("bootflash:x.json", true));
        assert!(Pipeline::parse("show x | inc '>'").unwrap().redirect.is_none());
        assert!(Pipeline::parse("show x | inc a->b").unwrap().redirect.is_none());
        assert_eq!(Pipeline::parse("show x >'a b'").unwrap().redirect.unwrap().file, "a b");
        assert_eq!(Pipeline::parse("show x>file").unwrap().redirect.unwrap().file, "file");
    }
}
