//! Text in lines of a given width, counted in characters.

/// How wide a text is.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Text in lines of at most `max` characters, broken between words, and within a word that is wider. A line end in the text
/// stays one.
pub(crate) fn wrap(text: &str, max: usize) -> Vec<String> {
    let max = max.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && width(&line) + 1 + width(word) > max {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            while width(&line) > max {
                let rest: String = line.chars().skip(max).collect();
                lines.push(line.chars().take(max).collect());
                line = rest;
            }
        }
        lines.push(line);
    }
    lines
}

/// A line of code in lines of at most `max` characters: broken before a word, what follows set in.
pub(crate) fn fold(line: &str, max: usize) -> Vec<String> {
    let line = line.trim_end();
    if width(line) <= max {
        return vec![line.to_owned()];
    }
    // Far in, there has to be room for something.
    let own: String = line.chars().take_while(|c| *c == ' ').take(max / 2).collect();
    let inner = max.saturating_sub(width(&own) + 2);
    let mut folded = Vec::new();
    for (number, part) in wrap(line, inner).into_iter().enumerate() {
        folded.push(format!("{own}{}{part}", if number == 0 { "" } else { "  " }));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::{fold, wrap};

    #[test]
    fn lines_break_between_words_and_within_wide_ones() {
        assert_eq!(wrap("one two  three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh i", 3), ["abc", "def", "gh", "i"]);
        assert_eq!(wrap("a\nb", 3), ["a", "b"]);
        assert_eq!(wrap("ünï cödé", 4), ["ünï", "cödé"]);
    }

    #[test]
    fn code_that_fits_stays_as_it_is() {
        assert_eq!(fold("a   b", 5), ["a   b"]);
        assert_eq!(fold("  aa bb cc", 8), ["  aa", "    bb", "    cc"]);
        assert_eq!(fold("         ^", 8), ["    ^"]);
    }
}
