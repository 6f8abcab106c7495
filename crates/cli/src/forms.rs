//! What may stand behind a bar, and what `?` says of it.

use crate::PipeError;
use crate::parts::{parts_of, words_of};

/// A word with what it is for.
type Row = (&'static str, &'static str);

/// A pipe: its name, what it is for, what may stand behind it.
struct Form {
    name: &'static str,
    help: &'static str,
    options: &'static [Row],
}

const PATTERN: Row = ("<LINE>", "Pattern, an extended regular expression");
const COUNT: Row = ("<1-4294967295>", "Number of lines");
const OPTIONS_OF_GREP: &[Row] = &[
    PATTERN,
    ("-A", "Lines behind each match"),
    ("-B", "Lines before each match"),
    ("-C", "Lines around each match"),
    ("-E", "The pattern is an extended regular expression"),
    ("-F", "The pattern is text"),
    ("-c", "How many lines match"),
    ("-i", "Letters of either case are the same"),
    ("-n", "With the numbers of lines"),
    ("-v", "Lines that do not match"),
    ("-w", "The pattern is whole words"),
    ("-x", "The pattern is a whole line"),
    ("count", "How many lines match"),
    ("ignore-case", "Letters of either case are the same"),
    ("invert-match", "Lines that do not match"),
    ("line-exp", "The pattern is a whole line"),
    ("line-number", "With the numbers of lines"),
    ("next", "Lines behind each match"),
    ("prev", "Lines before each match"),
    ("word-exp", "The pattern is whole words"),
];
const LINES: &[Row] = &[COUNT, ("-n", "Number of lines"), ("lines", "Number of lines")];
/// Options that a number stands behind.
const WITH_COUNT: &[&str] = &["-A", "-B", "-C", "next", "prev", "lines"];

/// Options of pipes that a value stands behind, and what it is.
const VALUES: &[(&str, &str, Row)] = &[
    ("cut", "-c", ("<LIST>", "Letters, e.g. 1-4")),
    ("cut", "-d", ("<LETTER>", "What fields are apart by")),
    ("cut", "-f", ("<LIST>", "Fields, e.g. 1,3-")),
    ("sort", "-k", ("<FIELDS>", "The field to sort by, e.g. 2 or 2,3")),
    ("sort", "-t", ("<LETTER>", "What fields are apart by")),
];

const FORMS: &[Form] = &[
    Form { name: "begin", help: "Begin with the line that matches", options: &[PATTERN] },
    Form { name: "count", help: "Count lines", options: &[] },
    Form {
        name: "cut",
        help: "Print parts of lines",
        options: &[
            ("-c", "Letters, e.g. 1-4"),
            ("-d", "What fields are apart by"),
            ("-f", "Fields, e.g. 1,3-"),
            ("-s", "Only lines with fields"),
        ],
    },
    Form { name: "diff", help: "Show the difference from the last time", options: &[] },
    Form { name: "egrep", help: "Print lines that match", options: OPTIONS_OF_GREP },
    Form { name: "end", help: "End with the line that matches", options: &[PATTERN] },
    Form { name: "exclude", help: "Exclude lines that match", options: OPTIONS_OF_GREP },
    Form { name: "grep", help: "Print lines that match", options: OPTIONS_OF_GREP },
    Form { name: "head", help: "Display the first lines", options: LINES },
    Form { name: "include", help: "Include lines that match", options: OPTIONS_OF_GREP },
    Form { name: "json", help: "Output in JSON, in one line", options: &[] },
    Form { name: "json-pretty", help: "Output in JSON, indented", options: &[] },
    Form { name: "last", help: "Display the last lines", options: LINES },
    Form { name: "no-more", help: "Turn off pagination for command output", options: &[] },
    Form {
        name: "section",
        help: "Show lines that match with those indented below",
        options: &[PATTERN],
    },
    Form {
        name: "sort",
        help: "Sort lines",
        options: &[
            ("-f", "Letters of either case are the same"),
            ("-k", "The field to sort by"),
            ("-n", "By numbers"),
            ("-r", "Backwards"),
            ("-t", "What fields are apart by"),
            ("-u", "Equal lines once"),
        ],
    },
    Form {
        name: "uniq",
        help: "Discard all but one of successive identical lines",
        options: &[
            ("-c", "How often each stands there"),
            ("-d", "Repeated lines only"),
            ("-i", "Letters of either case are the same"),
            ("-u", "Lines that are not repeated only"),
        ],
    },
    Form {
        name: "wc",
        help: "Count words, lines, characters",
        options: &[("-c", "Bytes"), ("-l", "Lines"), ("-m", "Characters"), ("-w", "Words")],
    },
    Form { name: "xml", help: "Output in XML", options: &[] },
];
/// Pipes that say how an answer is rendered: they stand directly behind the command.
const RENDERINGS: &[&str] = &["json", "json-pretty", "xml"];
/// What a Nexus has beside these, and is a program of its own there.
const NOT_HERE: &[&str] = &[
    "awk", "bash", "email", "human", "less", "more", "perl", "python", "sed", "tee", "tr", "vi",
    "vsh", "xargs",
];

/// The name of a pipe, written out.
pub(crate) fn name_of(typed: &str, at: usize) -> Result<&'static str, PipeError> {
    let word = typed.to_ascii_lowercase();
    if NOT_HERE.contains(&word.as_str()) {
        let told = format!("% {word} is not available: it is a program of its own on a Nexus");
        return Err(PipeError { at, told: Some(told) });
    }
    form(&word).map(|form| form.name).ok_or(PipeError::at(at))
}

/// The pipe of that name, or of the one name that begins so.
fn form(word: &str) -> Option<&'static Form> {
    let mut fitting = FORMS.iter().filter(|form| form.name.starts_with(word));
    let exact = FORMS.iter().find(|form| form.name == word);
    match (exact, fitting.next(), fitting.next()) {
        (Some(form), ..) | (None, Some(form), None) => Some(form),
        _ => None,
    }
}

/// What `?` says behind the bar of a show command; none where there is no bar.
#[must_use]
pub fn pipe_help(line: &str) -> Option<Vec<(String, String)>> {
    let (parts, redirect) = parts_of(line);
    let given = |rows: &[Row]| {
        rows.iter().map(|(word, help)| ((*word).to_owned(), (*help).to_owned())).collect()
    };
    if redirect.is_some() {
        return Some(given(&[("<WORD>", "File on bootflash:, e.g. bootflash:usage.txt")]));
    }
    let [_, .., (start, part)] = parts[..] else { return None };
    let is_first = parts.len() == 2;
    let words = words_of(part, start);
    let is_begun = !part.ends_with(char::is_whitespace);
    let (done, begun) = match words.split_last() {
        Some(((_, last), done)) if is_begun => (done, last.as_str()),
        _ => (&words[..], ""),
    };
    let fits = |word: &str| word.starts_with(begun) || word.starts_with('<');
    let Some((_, name)) = done.first() else {
        let rows: Vec<Row> = FORMS
            .iter()
            .map(|form| (form.name, form.help))
            .filter(|(name, _)| fits(name) && (is_first || !RENDERINGS.contains(name)))
            .collect();
        return Some(given(&rows));
    };
    let Some(form) = form(&name.to_ascii_lowercase()) else { return Some(Vec::new()) };
    let before = done.last().map_or("", |(_, word)| word.as_str());
    let is_lines = before == "-n" && form.options.contains(&COUNT);
    if is_lines || form.options.len() > 1 && WITH_COUNT.contains(&before) {
        return Some(given(&[COUNT]));
    }
    if done.len() > 1
        && VALUES.iter().any(|(name, option, _)| (form.name, before) == (*name, *option))
    {
        let of_it =
            VALUES.iter().filter(|(name, option, _)| (form.name, before) == (*name, *option));
        return Some(given(&of_it.map(|(_, _, row)| *row).collect::<Vec<_>>()));
    }
    // Behind what is searched for, and behind a number of lines, there is nothing more of it.
    let has_all = begun.is_empty()
        && done.len() > 1
        && (form.options.contains(&PATTERN)
            && !form.options.iter().any(|(word, _)| *word == before)
            || form.options.contains(&COUNT) && before.bytes().all(|b| b.is_ascii_digit()));
    let options = if has_all { &[][..] } else { form.options };
    let rows: Vec<Row> = options.iter().copied().filter(|(word, _)| fits(word)).collect();
    let mut rows: Vec<(String, String)> = given(&rows);
    if begun.is_empty() && options.is_empty() {
        rows.push(("|".to_owned(), "Pipe command output to filter".to_owned()));
        rows.push((">".to_owned(), "Redirect it to a file".to_owned()));
        rows.push(("<CR>".to_owned(), String::new()));
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pipeline;

    fn words(line: &str) -> Vec<String> {
        pipe_help(line).unwrap().into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn help_names_what_may_stand_behind_a_bar() {
        assert_eq!(pipe_help("show version"), None);
        assert_eq!(words("show x | ").len(), FORMS.len());
        assert_eq!(
            words("show x | inc a | "),
            words("show x | ")
                .into_iter()
                .filter(|word| !RENDERINGS.contains(&word.as_str()))
                .collect::<Vec<_>>()
        );
        assert_eq!(words("show x | e"), ["egrep", "end", "exclude"]);
        assert_eq!(words("show x | js"), ["json", "json-pretty"]);
        assert_eq!(words("show x | head "), ["<1-4294967295>", "-n", "lines"]);
        assert_eq!(words("show x | head lines "), ["<1-4294967295>"]);
        assert_eq!(words("show x | last -n "), ["<1-4294967295>"]);
        for line in
            ["show x | last 5 ", "show x | inc a ", "show x | begin a ", "show x | grep -A 1 x "]
        {
            assert_eq!(words(line), ["|", ">", "<CR>"], "{line}");
        }
        assert_eq!(words("show x | sort -k "), ["<FIELDS>"]);
        assert_eq!(words("show x | cut -f 1 -d "), ["<LETTER>"]);
        assert_eq!(words("show x | grep -i "), words("show x | grep "));
        assert_eq!(words("show x | gr -A "), ["<1-4294967295>"]);
        assert_eq!(words("show x | include ig"), ["<LINE>", "ignore-case"]);
        assert_eq!(words("show x | sort -n "), ["-f", "-k", "-n", "-r", "-t", "-u"]);
        assert_eq!(words("show x | count "), ["|", ">", "<CR>"]);
        assert_eq!(words("show x > "), ["<WORD>"]);
        assert!(words("show x | sed ").is_empty() && words("show x | count x").is_empty());
        assert!(pipe_help("show x | ").unwrap().iter().all(|(_, help)| !help.is_empty()));
    }

    /// What stands behind an option.
    fn value(name: &str, option: &str) -> &'static str {
        match (name, option) {
            (_, "<LINE>" | "<1-4294967295>") => "1",
            ("cut", "-d") => ", -f 1",
            ("cut", _) | ("head" | "last", _) | ("sort", "-k") => "1",
            ("sort", "-t") => ",",
            ("uniq" | "wc" | "sort", _) => "",
            (_, "-A" | "-B" | "-C" | "next" | "prev") => "1 x",
            _ => "x",
        }
    }

    /// Whatever `?` names is taken.
    #[test]
    fn what_help_names_is_understood() {
        for form in FORMS {
            for (option, _) in form.options {
                let typed = if option.starts_with('<') { "" } else { option };
                let behind = match (form.name, *option) {
                    ("cut", "-s") => "-f 1",
                    (name, option) => value(name, option),
                };
                let line = format!("show x | {} {typed} {behind}", form.name);
                assert!(Pipeline::parse(&line).is_ok(), "{line}");
            }
            let bare = Pipeline::parse(&format!("show x | {}", form.name)).is_ok();
            assert!(bare || !form.options.is_empty(), "{}", form.name);
        }
    }
}
