//! The options of pipes: those of the tools of their names, and the words of NX-OS.

use regex_lite::Regex;

use crate::PipeError;
use crate::filter::{Columns, Counts, Grep, Sort, Uniq};

/// Lines that `head` and `last` show unless told otherwise.
const LINES_DEFAULT: usize = 10;

pub(crate) fn regex(pattern: &str, at: usize) -> Result<Regex, PipeError> {
    match Regex::new(pattern) {
        Ok(regex) if !pattern.is_empty() => Ok(regex),
        _ => Err(PipeError::at(at)),
    }
}

/// A pattern without the quotes around it, of either kind.
pub(crate) fn unquoted(pattern: &str) -> &str {
    let inner = |quote| pattern.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(pattern)
}

/// The options of `grep`, in front of its pattern: those of the tool, and the words of NX-OS.
pub(crate) fn grep(name: &str, text: &str, at: usize) -> Result<Grep, PipeError> {
    let error = || PipeError::at(at);
    let mut grep = Grep { inverted: name == "exclude", ..Grep::default() };
    let (mut any_case, mut fixed, mut word, mut line) = (false, false, false, false);
    // What is asked for on one side counts more than what is asked for on both.
    let (mut before, mut after, mut around) = (None, None, 0);
    let mut text = text;
    // The next word, and what is behind it.
    let next = |text: &str| -> (String, String) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (word.to_owned(), rest.trim_start().to_owned())
    };
    let mut held;
    let mut is_after_options = false;
    loop {
        let (first, rest) = next(text);
        let number = |text: &str| {
            let (number, rest) = next(text);
            number.parse::<usize>().map(|number| (number, rest)).map_err(|_| error())
        };
        let left = match first.as_str() {
            // An option needs a pattern behind it: alone it is one.
            _ if rest.is_empty() => break,
            "ignore-case" => {
                any_case = true;
                rest
            }
            "invert-match" => {
                grep.inverted = name != "exclude";
                rest
            }
            "count" => {
                grep.counts = true;
                rest
            }
            "line-number" => {
                grep.numbers = true;
                rest
            }
            "word-exp" => {
                word = true;
                rest
            }
            "line-exp" => {
                line = true;
                rest
            }
            "next" => {
                let (count, rest) = number(&rest)?;
                after = Some(count);
                rest
            }
            "prev" => {
                let (count, rest) = number(&rest)?;
                before = Some(count);
                rest
            }
            "--" => {
                held = rest;
                text = &held;
                is_after_options = true;
                break;
            }
            _ if !first.starts_with('-') || first.len() < 2 => break,
            flags => {
                let mut rest = rest.clone();
                for (place, letter) in flags[1..].char_indices() {
                    match letter {
                        'v' => grep.inverted = name != "exclude",
                        'i' | 'y' => any_case = true,
                        'c' => grep.counts = true,
                        'n' => grep.numbers = true,
                        'w' => word = true,
                        'x' => line = true,
                        'F' => fixed = true,
                        'E' | 'e' => {}
                        'A' | 'B' | 'C' => {
                            let attached = &flags[1 + place + 1..];
                            let count = if attached.is_empty() {
                                let (count, left) = number(&rest)?;
                                rest = left;
                                count
                            } else {
                                attached.parse().map_err(|_| error())?
                            };
                            match letter {
                                'A' => after = Some(count),
                                'B' => before = Some(count),
                                _ => around = count,
                            }
                            break;
                        }
                        _ => return Err(error()),
                    }
                }
                rest
            }
        };
        held = left;
        text = &held;
    }
    let pattern = unquoted(text.trim());
    if pattern.is_empty() || is_bare_option(text) && !is_after_options {
        return Err(error());
    }
    // What stands behind a pattern would become part of it: another answer than the one asked for.
    let is_quoted = pattern.len() < text.trim().len();
    let last = pattern.rsplit(' ').next().unwrap_or_default();
    let is_late = last.len() < pattern.len() && (is_bare_option(last) || WORDS.contains(&last));
    // Behind the quote that closes it there is more.
    let opened = text.trim().chars().next().filter(|c| ['"', '\''].contains(c));
    let has_more = pattern.contains(" -e ")
        || opened.is_some_and(|quote| {
            text.trim()[1..].split_once(quote).is_some_and(|(_, rest)| !rest.is_empty())
        });
    if !is_after_options && (!is_quoted && is_late || has_more) {
        let told = "% Options stand before the pattern, and there is one pattern".to_owned();
        return Err(PipeError { at, told: Some(told) });
    }
    (grep.before, grep.after) = (before.unwrap_or(around), after.unwrap_or(around));
    let mut source = if fixed { regex_lite::escape(pattern) } else { pattern.to_owned() };
    if line {
        source = format!("^(?:{source})$");
    } else if word {
        source = format!("(?:^|[^[:alnum:]_])(?:{source})(?:[^[:alnum:]_]|$)");
    }
    if any_case {
        source = format!("(?i){source}");
    }
    grep.regex = Some(regex(&source, at)?);
    Ok(grep)
}

/// Options as words.
const WORDS: &[&str] =
    &["ignore-case", "invert-match", "count", "line-number", "word-exp", "line-exp"];

/// Whether a text is an option that no pattern follows.
fn is_bare_option(text: &str) -> bool {
    let is_flag = |c: char| "vicnwxFEeABCy".contains(c) || c.is_ascii_digit();
    text.strip_prefix('-').is_some_and(|flags| !flags.is_empty() && flags.chars().all(is_flag))
}

/// `head`, `head 5`, `head lines 5`, `head -n 5`, `head -5`.
pub(crate) fn lines(options: &[(usize, String)]) -> Result<usize, PipeError> {
    let words: Vec<&str> = options.iter().map(|(_, word)| word.as_str()).collect();
    let number = match words[..] {
        [] => return Ok(LINES_DEFAULT),
        ["lines" | "-n", number] => number,
        [number] => {
            number.strip_prefix("-n").or_else(|| number.strip_prefix('-')).unwrap_or(number)
        }
        _ => return Err(PipeError::at(options[0].0)),
    };
    let at = options.last().map_or(0, |(at, _)| *at);
    number.parse().map_err(|_| PipeError::at(at))
}

/// Options with their values: `-d ,`, `-d,`, `-f1`; each with its place.
fn letters(
    options: &[(usize, String)],
    with_value: &str,
    without: &str,
) -> Result<Vec<(char, String, usize)>, PipeError> {
    let mut found = Vec::new();
    let mut words = options.iter();
    while let Some((at, word)) = words.next() {
        let error = || PipeError::at(*at);
        let flags = word.strip_prefix('-').filter(|flags| !flags.is_empty()).ok_or_else(error)?;
        for (place, letter) in flags.char_indices() {
            if without.contains(letter) {
                found.push((letter, String::new(), *at));
            } else if with_value.contains(letter) {
                let attached = &flags[place + letter.len_utf8()..];
                let value = if attached.is_empty() {
                    words.next().map(|(_, value)| value.clone()).ok_or_else(error)?
                } else {
                    attached.to_owned()
                };
                found.push((letter, value, *at));
                break;
            } else {
                return Err(error());
            }
        }
    }
    Ok(found)
}

/// The one letter that a value is.
fn one_letter(value: &str, at: usize) -> Result<char, PipeError> {
    let mut letters = value.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(letter),
        _ => Err(PipeError::at(at)),
    }
}

pub(crate) fn cut(options: &[(usize, String)], at: usize) -> Result<Columns, PipeError> {
    let mut columns = Columns { delimiter: '\t', ..Columns::default() };
    for (letter, value, at) in letters(options, "dfc", "s")? {
        match letter {
            'd' => columns.delimiter = one_letter(&value, at)?,
            's' => columns.only_delimited = true,
            _ if !columns.ranges.is_empty() => return Err(PipeError::at(at)),
            _ => {
                let ranges = value.split(',').map(|part| range(part).ok_or(PipeError::at(at)));
                columns.ranges = ranges.collect::<Result<_, _>>()?;
                columns.letters = letter == 'c';
            }
        }
    }
    if columns.ranges.is_empty() {
        let told = "% cut needs -f or -c with a list, e.g. cut -d ' ' -f 1,3-".to_owned();
        return Err(PipeError { at, told: Some(told) });
    }
    Ok(columns)
}

/// `3`, `2-4`, `-4`, `2-`: from 1.
fn range(part: &str) -> Option<(usize, usize)> {
    let place = |text: &str| text.parse().ok().filter(|place: &usize| *place > 0);
    let (first, last) = match part.split_once('-') {
        None => (place(part)?, place(part)?),
        Some(("", "")) => return None,
        Some(("", last)) => (1, place(last)?),
        Some((first, "")) => (place(first)?, usize::MAX),
        Some((first, last)) => (place(first)?, place(last)?),
    };
    (first <= last).then_some((first, last))
}

pub(crate) fn sort(options: &[(usize, String)]) -> Result<Sort, PipeError> {
    let mut sort = Sort::default();
    for (letter, value, at) in letters(options, "kt", "rnuf")? {
        match letter {
            'r' => sort.reversed = true,
            'n' => sort.numeric = true,
            'u' => sort.unique = true,
            'f' => sort.any_case = true,
            'k' if sort.key.is_some() => return Err(PipeError::at(at)),
            't' => sort.separator = Some(one_letter(&value, at)?),
            _ => {
                let (first, last) = value
                    .split_once(',')
                    .map_or((value.as_str(), None), |(first, last)| (first, Some(last)));
                let place = |text: &str| {
                    text.parse().ok().filter(|place: &usize| *place > 0).ok_or(PipeError::at(at))
                };
                sort.key = Some((place(first)?, last.map(place).transpose()?));
            }
        }
    }
    Ok(sort)
}

pub(crate) fn uniq(options: &[(usize, String)]) -> Result<Uniq, PipeError> {
    let mut uniq = Uniq::default();
    for (letter, _, _) in letters(options, "", "cdui")? {
        match letter {
            'c' => uniq.counts = true,
            'd' => uniq.only_repeated = true,
            'u' => uniq.only_single = true,
            _ => uniq.any_case = true,
        }
    }
    Ok(uniq)
}

pub(crate) fn wc(options: &[(usize, String)]) -> Result<Counts, PipeError> {
    let mut counts = Counts::default();
    for (letter, _, _) in letters(options, "", "lwcm")? {
        match letter {
            'l' => counts.lines = true,
            'w' => counts.words = true,
            'm' => counts.letters = true,
            _ => counts.bytes = true,
        }
    }
    Ok(counts)
}
