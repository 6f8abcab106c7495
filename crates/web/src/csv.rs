//! Comma-separated values (RFC 4180), for spreadsheets.

/// A field: what a spreadsheet would take for a formula is marked as text.
#[must_use]
pub fn field(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = text.starts_with([
        '=', '+', '-', '@', ';', '\t', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let marked =
        if is_formula && !is_number && text != "-" { format!("'{text}") } else { text.to_owned() };
    if marked.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", marked.replace('"', "\"\""))
    } else {
        marked
    }
}

/// A line of fields.
#[must_use]
pub fn line<T: AsRef<str>>(fields: &[T]) -> String {
    let fields: Vec<String> = fields.iter().map(|text| field(text.as_ref())).collect();
    fields.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreadsheets_take_text_for_text() {
        for formula in ["=1", "+1x", "@a", ";=1", "\u{ff1d}1"] {
            assert!(field(formula).starts_with('\''), "{formula}");
        }
        assert_eq!((field("-3").as_str(), field("-").as_str()), ("-3", "-"));
        assert_eq!(line(&["a", "say \"b\", c", "d\n"]), "a,\"say \"\"b\"\", c\",\"d\n\"\r\n");
        assert_eq!(line::<&str>(&[]), "\r\n");
    }
}
