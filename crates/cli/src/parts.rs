//! Lines taken apart: at bars, at `>`, at semicolons and at blanks, none of which counts inside quotes.

/// A part of a line, and where it begins.
type Part<'l> = (usize, &'l str);

/// How a letter stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// For itself.
    Bare,
    /// A quote that opens or closes.
    Mark,
    /// Between quotes.
    Quoted,
}

/// The letters of a text, each with its place and how it stands. A quote opens where another one closes it; an apostrophe
/// where a word begins besides, or behind an option (`-d','`): that of `it's` is a letter.
fn letters(text: &str) -> impl Iterator<Item = (usize, char, Stands)> {
    let mut quote = None;
    let mut before = ' ';
    let mut is_option = false;
    text.char_indices().map(move |(at, c)| {
        let is_inside_a_word = before.is_alphanumeric() && !is_option;
        let stands = if quote == Some(c) {
            quote = None;
            Stands::Mark
        } else if quote.is_some() {
            Stands::Quoted
        } else if (c == '"' || c == '\'' && !is_inside_a_word) && text[at + 1..].contains(c) {
            quote = Some(c);
            Stands::Mark
        } else {
            is_option = c == '-' && before.is_whitespace() || is_option && !c.is_whitespace();
            Stands::Bare
        };
        before = c;
        (at, c, stands)
    })
}

/// The command of a line, and where it ends: at its first bar or `>` outside quotes.
#[must_use]
pub fn command_of(line: &str) -> &str {
    parts_of(line).0[0].1
}

/// The commands of a text: apart by line ends, and by semicolons outside quotes.
#[must_use]
pub fn split_commands(text: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    for line in text.split('\n') {
        let mut start = 0;
        for (at, _, _) in letters(line).filter(|letter| (letter.1, letter.2) == (';', Stands::Bare))
        {
            commands.push(&line[start..at]);
            start = at + 1;
        }
        commands.push(&line[start..]);
    }
    commands
}

/// The parts of a line between its bars, each with its place, and what stands behind `>`.
pub(crate) fn parts_of(line: &str) -> (Vec<Part<'_>>, Option<Part<'_>>) {
    let mut parts = Vec::new();
    let mut start = 0;
    let bytes = line.as_bytes();
    let blank =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(u8::is_ascii_whitespace);
    for (at, c, stands) in letters(line) {
        // The first one always splits, as in `show feature|inc bgp`; those in a pattern have no blanks around them.
        match c {
            _ if stands != Stands::Bare => {}
            '|' if parts.is_empty() || blank(at.checked_sub(1)) && blank(Some(at + 1)) => {
                parts.push((start, &line[start..at]));
                start = at + 1;
            }
            '>' if parts.is_empty() || blank(at.checked_sub(1)) => {
                parts.push((start, &line[start..at]));
                return (parts, Some((at, &line[at..])));
            }
            _ => {}
        }
    }
    parts.push((start, &line[start..]));
    (parts, None)
}

/// Words of a part, quotes of both kinds taken off, each with its place.
pub(crate) fn words_of(part: &str, offset: usize) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (at, c, stands) in letters(part) {
        if stands == Stands::Bare && c.is_whitespace() {
            inside = false;
            continue;
        }
        if !inside {
            words.push((offset + at, String::new()));
            inside = true;
        }
        match words.last_mut() {
            Some((_, word)) if stands != Stands::Mark => word.push(c),
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Vec<&str> {
        parts_of(line).0.into_iter().map(|(_, part)| part).collect()
    }

    fn words(part: &str) -> Vec<String> {
        words_of(part, 0).into_iter().map(|(_, word)| word).collect()
    }

    #[test]
    fn commands_are_apart_by_semicolons_that_are_not_quoted() {
        assert_eq!(split_commands("show a ; show b\nshow c"), ["show a ", " show b", "show c"]);
        assert_eq!(split_commands("description \"a; b\";x"), ["description \"a; b\"", "x"]);
        assert_eq!(split_commands("don't ; do"), ["don't ", " do"]);
        assert_eq!(
            split_commands("description it's; inc 'a;b'"),
            ["description it's", " inc 'a;b'"]
        );
    }

    #[test]
    fn a_bar_inside_a_pattern_is_no_pipe_and_what_is_quoted_is_text() {
        assert_eq!(parts("show x | inc a|b | count"), ["show x ", " inc a|b ", " count"]);
        assert_eq!(command_of("show x|inc a"), "show x");
        assert_eq!(parts("show x | inc 'a | b'")[1], " inc 'a | b'");
        assert_eq!(parts("show x | inc a\"b | c\"")[1], " inc a\"b | c\"");
        assert_eq!(parts("show x | inc don't | count").len(), 3, "no quote that ends nowhere");
        assert_eq!(
            parts("show x | inc it's | inc 'a | b'").len(),
            3,
            "an apostrophe opens nothing"
        );
        assert_eq!(parts("show x | cut -d'|' -f 1 | count").len(), 3, "behind an option it does");
        assert_eq!(parts("show x | inc a-b'c | inc d'"), ["show x ", " inc a-b'c ", " inc d'"]);
        assert_eq!(parts("show x | inc 'a | count").len(), 3, "a quote that nothing closes");
        assert_eq!(parts("show x | inc a| b").len(), 2, "blanks on both sides make a pipe");
        assert_eq!(parts("show x | inc a |b").len(), 2);
        assert_eq!(command_of("show x>file"), "show x");
    }

    #[test]
    fn words_lose_their_quotes_and_keep_their_places() {
        assert_eq!(
            words_of(" cut -d ' ' \"a b\"c", 8),
            [
                (9, "cut".to_owned()),
                (13, "-d".to_owned()),
                (16, " ".to_owned()),
                (20, "a bc".to_owned())
            ]
        );
        assert_eq!(words("it's ''"), ["it's", ""]);
        assert_eq!(words("-d',' -x 'y z'"), ["-d,", "-x", "y z"]);
    }
}
