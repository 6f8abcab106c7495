//! Where words may be broken between lines: behind the signs that part a name, and inside only where they are longer than
//! any place has room for. Pages are narrow columns here and there, and a name that is cut in two is read as two.

use maud::{Markup, PreEscaped};

/// Letters up to which a word is kept whole.
const WHOLE_LETTERS_MAX: usize = 32;
/// Letters that a part of a name has at least that stands in a line of its own.
const PART_LETTERS_MIN: usize = 4;

/// What holds its text as it is: nothing is marked in there.
const AS_IT_IS: [&str; 7] = ["option", "textarea", "script", "style", "title", "svg", "pre"];

/// The same page with its words marked: `wbr` behind underscores, slashes and commas where a word may go on in the next line, and
/// a span `long` around what is too long to be kept whole.
pub(super) fn kept_whole(page: &Markup) -> Markup {
    let mut out = String::with_capacity(page.0.len() + page.0.len() / 8);
    let mut rest = page.0.as_str();
    // The element that is left as it is, while one is open.
    let mut left: Option<&str> = None;
    while let Some((text, after)) = rest.split_once('<') {
        match left {
            None => mark(&mut out, text),
            Some(_) => out.push_str(text),
        }
        // In the value of an attribute this sign is escaped.
        let end = after.find('>').map_or(after.len(), |end| end + 1);
        let tag = &after[..end];
        let name = tag.trim_start_matches('/');
        let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        match left {
            Some(open) if tag.starts_with('/') && name == open => left = None,
            None if !tag.starts_with('/') && AS_IT_IS.contains(&name) => left = Some(name),
            _ => {}
        }
        out.push('<');
        out.push_str(tag);
        rest = &after[end..];
    }
    mark(&mut out, rest);
    PreEscaped(out)
}

/// Marks the words of a text between tags.
fn mark(out: &mut String, text: &str) {
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let mut rest = bare;
        while !rest.is_empty() {
            let (piece, is_parted) = piece(rest);
            if has(piece.trim_end_matches(['_', '-', '/']), WHOLE_LETTERS_MAX + 1) {
                out.push_str("<span class=\"long\">");
                out.push_str(piece);
                out.push_str("</span>");
            } else {
                out.push_str(&apart(piece));
            }
            if is_parted {
                out.push_str("<wbr>");
            }
            rest = &rest[piece.len()..];
        }
        out.push_str(&word[bare.len()..]);
    }
}

/// What a word begins with that stands in one line, and whether it has to be said that it may end there: behind a sign
/// with enough letters before and behind it. Behind a hyphen browsers go on by themselves.
fn piece(word: &str) -> (&str, bool) {
    for (place, sign) in word.char_indices().filter(|(_, c)| "_-/".contains(*c)) {
        let (before, after) = (&word[..place], &word[place + 1..]);
        let is_enough = has(before, PART_LETTERS_MIN) && has(after, PART_LETTERS_MIN);
        if sign == '-' && !after.is_empty() || is_enough {
            return (&word[..=place], sign != '-');
        }
    }
    (word, false)
}

/// A word that may go on in the next line behind a comma, but no number.
fn apart(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for (place, c) in word.char_indices() {
        out.push(c);
        let next = word[place + c.len_utf8()..].chars().next();
        if c == ',' && next.is_some_and(char::is_alphabetic) {
            out.push_str("<wbr>");
        }
    }
    out
}

/// Whether so many letters of a word are seen at least: a sign that is written as `&amp;` is one.
fn has(word: &str, least: usize) -> bool {
    let mut rest = word;
    for _ in 0..least {
        let Some(first) = rest.chars().next() else { return false };
        let sign = (first == '&').then(|| rest.find(';')).flatten();
        rest = &rest[sign.map_or(first.len_utf8(), |end| end + 1)..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{PreEscaped, has, kept_whole};

    fn marked(html: &str) -> String {
        kept_whole(&PreEscaped(html.to_owned())).0
    }

    #[test]
    fn a_name_is_broken_behind_the_signs_that_part_it() {
        for (written, read) in [
            ("<td>LAN_ENTERPRISE_SERVICES_PKG</td>", "<td>LAN_ENTERPRISE_<wbr>SERVICES_PKG</td>"),
            ("PID:N9K-C9504,SN:FOX1", "PID:N9K-C9504,<wbr>SN:FOX1"),
            (
                "LOG_SMART_LIC_REPORTING_NOT_SUPPORTED",
                "LOG_SMART_<wbr>LIC_REPORTING_<wbr>NOT_SUPPORTED",
            ),
            // No part of three letters stands alone.
            ("UDI_PID:N9K-C9504, UDI_SN:FOX1", "UDI_PID:N9K-C9504, UDI_SN:FOX1"),
            ("name_ _name a_b", "name_ _name a_b"),
            ("1,234,567 of 2,000, so", "1,234,567 of 2,000, so"),
            (
                "<a href=\"/a_b?c=d_e\" title=\"x_y\">a b</a>",
                "<a href=\"/a_b?c=d_e\" title=\"x_y\">a b</a>",
            ),
            ("", ""),
            ("a <b", "a <b"),
        ] {
            assert_eq!(marked(written), read);
        }
    }

    #[test]
    fn only_what_is_longer_than_any_place_may_be_broken_inside() {
        let whole = "W".repeat(32);
        assert_eq!(marked(&whole), whole);
        let long = "W".repeat(33);
        assert_eq!(
            marked(&format!("a {long}\n")),
            format!("a <span class=\"long\">{long}</span>\n")
        );
        // What can be parted is not long.
        let parted = format!("{whole}-{whole}/{whole} {whole}");
        assert_eq!(marked(&parted), parted.replace('/', "/<wbr>"));
        // A part too short to stand alone is one with what is beside it.
        let long = long + "_x";
        assert_eq!(marked(&long), format!("<span class=\"long\">{long}</span>"));
    }

    #[test]
    fn what_holds_text_as_it_is_stays_so() {
        for html in [
            "<select><option value=\"1\" selected>back_room</option></select>",
            "<textarea>back_room <side_door</textarea>",
            "<svg><text>back_room</text><title>side_door</title></svg>",
            "<pre><code>back_room</code></pre>",
        ] {
            assert_eq!(marked(html), html);
        }
        let name = "back_room";
        assert_eq!(
            marked(&format!("<option>{name}</option>{name}")),
            format!("<option>{name}</option>back_<wbr>room")
        );
        assert_eq!(marked(&format!("<optional>{name}")), "<optional>back_<wbr>room");
    }

    #[test]
    fn a_sign_that_is_written_with_several_letters_is_one() {
        for (word, count) in [("a&amp;b", 3), ("&lt;&gt;", 2), ("&", 1), ("Ä✓", 2), ("", 0)] {
            assert!(has(word, count) && !has(word, count + 1), "{word}");
        }
        let signs = "&lt;".repeat(32);
        assert_eq!(marked(&signs), signs);
    }
}
