//! An answer as data: names and values, and tables. Programs get it as JSON or XML; NX-OS wraps the rows of a table `x` in
//! `TABLE_x` and `ROW_x`, and a single row is an object of its own.

use std::fmt::Write as _;

use crate::Rendering;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Named values.
    Group(Fields),
    /// Rows, as `TABLE_x` with `ROW_x`.
    Table(Vec<Fields>),
}

/// Named values, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a text.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "texts and numbers alike, owned or not")]
    pub fn text(mut self, name: &'static str, text: impl ToString) -> Self {
        self.0.push((name, Value::Text(text.to_string())));
        self
    }

    /// With a text, if there is one.
    #[must_use]
    pub fn maybe(self, name: &'static str, text: Option<impl ToString>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// With a number.
    #[must_use]
    pub fn number(mut self, name: &'static str, number: impl TryInto<i64>) -> Self {
        self.0.push((name, Value::Number(number.try_into().unwrap_or(i64::MAX))));
        self
    }

    /// With a number, if there is one.
    #[must_use]
    pub fn maybe_number(self, name: &'static str, number: Option<impl TryInto<i64>>) -> Self {
        match number {
            Some(number) => self.number(name, number),
            None => self,
        }
    }

    /// With named values.
    #[must_use]
    pub fn group(mut self, name: &'static str, fields: Self) -> Self {
        self.0.push((name, Value::Group(fields)));
        self
    }

    /// With a table.
    #[must_use]
    pub fn table(mut self, name: &'static str, rows: impl IntoIterator<Item = Self>) -> Self {
        self.0.push((name, Value::Table(rows.into_iter().collect())));
        self
    }

    /// With the named values of others.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The lines of a text as a table.
    #[must_use]
    pub fn lines(text: &str) -> Self {
        Self::new().table("line", text.lines().map(|line| Self::new().text("line", line)))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// As it is asked for; `command` gives the elements around it in XML.
    #[must_use]
    pub fn rendered(&self, rendering: Rendering, command: &str) -> String {
        let mut out = String::new();
        match rendering {
            Rendering::Xml => xml(self, command, &mut out),
            Rendering::JsonPretty => object(self, Some(0), &mut out),
            Rendering::Json | Rendering::Text => object(self, None, &mut out),
        }
        out.push('\n');
        out
    }
}

impl Fields {
    /// As elements of XML, without anything around them.
    #[must_use]
    pub fn elements(&self) -> String {
        let mut out = String::new();
        elements(self, 0, &mut out);
        out
    }
}

/// The rows of a table, one or many, behind their two names.
enum Row<'f> {
    Value(String, &'f Value),
    Rows(String, String, &'f [Fields]),
}

fn rows(fields: &Fields) -> impl Iterator<Item = Row<'_>> {
    fields.0.iter().filter_map(|(name, value)| match value {
        // A table without rows is not there.
        Value::Table(rows) if rows.is_empty() => None,
        Value::Table(rows) => Some(Row::Rows(format!("TABLE_{name}"), format!("ROW_{name}"), rows)),
        value => Some(Row::Value((*name).to_owned(), value)),
    })
}

/// A new line at a depth, where there is one.
fn line(depth: Option<usize>, out: &mut String) {
    if let Some(depth) = depth {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
}

fn object(fields: &Fields, depth: Option<usize>, out: &mut String) {
    let inner = depth.map(|depth| depth + 1);
    let deeper = inner.map(|depth| depth + 1);
    out.push('{');
    let mut first = true;
    for row in rows(fields) {
        if !std::mem::take(&mut first) {
            out.push(',');
            if depth.is_none() {
                out.push(' ');
            }
        }
        line(inner, out);
        match row {
            Row::Value(name, value) => {
                string(&name, out);
                out.push_str(": ");
                match value {
                    Value::Text(text) => string(text, out),
                    Value::Number(number) => out.push_str(&number.to_string()),
                    Value::Group(fields) => object(fields, inner, out),
                    Value::Table(_) => {}
                }
            }
            Row::Rows(table, name, rows) => {
                string(&table, out);
                out.push_str(": {");
                line(deeper, out);
                string(&name, out);
                out.push_str(": ");
                if let [one] = rows {
                    object(one, deeper, out);
                } else {
                    let within = deeper.map(|depth| depth + 1);
                    out.push('[');
                    for (index, row) in rows.iter().enumerate() {
                        if index > 0 {
                            out.push_str(if depth.is_none() { ", " } else { "," });
                        }
                        line(within, out);
                        object(row, within, out);
                    }
                    line(deeper, out);
                    out.push(']');
                }
                line(inner, out);
                out.push('}');
            }
        }
    }
    if !first {
        line(depth, out);
    }
    out.push('}');
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a String cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn xml(fields: &Fields, command: &str, out: &mut String) {
    out.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <nf:rpc-reply xmlns=\"http://www.cisco.com/nxos:1.0\" \
         xmlns:nf=\"urn:ietf:params:xml:ns:netconf:base:1.0\">\n <nf:data>\n",
    );
    // Values of a command are no names of elements.
    let is_name = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let words: Vec<&str> = command.split(' ').take_while(is_name).collect();
    for (depth, word) in words.iter().enumerate() {
        writeln!(out, "{:1$}<{word}>", "", depth + 2).expect("writing to a String cannot fail");
    }
    let depth = words.len() + 2;
    writeln!(out, "{:1$}<__readonly__>", "", depth).expect("writing to a String cannot fail");
    elements(fields, depth + 1, out);
    writeln!(out, "{:1$}</__readonly__>", "", depth).expect("writing to a String cannot fail");
    for (depth, word) in words.iter().enumerate().rev() {
        writeln!(out, "{:1$}</{word}>", "", depth + 2).expect("writing to a String cannot fail");
    }
    out.push_str(" </nf:data>\n</nf:rpc-reply>\n]]>]]>");
}

fn elements(fields: &Fields, depth: usize, out: &mut String) {
    let pad = " ".repeat(depth);
    for row in rows(fields) {
        match row {
            Row::Value(name, Value::Group(fields)) => {
                out.push_str(&format!("{pad}<{name}>\n"));
                elements(fields, depth + 1, out);
                out.push_str(&format!("{pad}</{name}>\n"));
            }
            Row::Value(name, value) => {
                let text = match value {
                    Value::Text(text) => escaped(text),
                    Value::Number(number) => number.to_string(),
                    Value::Group(_) | Value::Table(_) => String::new(),
                };
                out.push_str(&format!("{pad}<{name}>{text}</{name}>\n"));
            }
            Row::Rows(table, name, rows) => {
                out.push_str(&format!("{pad}<{table}>\n"));
                for fields in rows {
                    out.push_str(&format!("{pad} <{name}>\n"));
                    elements(fields, depth + 2, out);
                    out.push_str(&format!("{pad} </{name}>\n"));
                }
                out.push_str(&format!("{pad}</{table}>\n"));
            }
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(c),
            // XML has no place for these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use crate::Rendering;

    fn sample(rows: usize) -> Fields {
        let row = |n: usize| Fields::new().text("name", format!("e{n}")).number("count", n);
        Fields::new()
            .text("host", "a \"b\" <c>\n")
            .table("x", (0..rows).map(row))
            .group("inner", Fields::new().maybe("there", Some(1)).maybe("missing", None::<i64>))
    }

    #[test]
    fn rows_are_a_list_one_row_is_an_object_and_none_is_nothing() {
        let json = |rows| sample(rows).rendered(Rendering::Json, "");
        let head = r#"{"host": "a \"b\" <c>\n", "#;
        let tail = "\"inner\": {\"there\": \"1\"}}\n";
        assert_eq!(json(0), format!("{head}{tail}"));
        let one = r#""TABLE_x": {"ROW_x": {"name": "e0", "count": 0}}, "#;
        assert_eq!(json(1), format!("{head}{one}{tail}"));
        let two =
            r#""TABLE_x": {"ROW_x": [{"name": "e0", "count": 0}, {"name": "e1", "count": 1}]}, "#;
        assert_eq!(json(2), format!("{head}{two}{tail}"));
    }

    #[test]
    fn the_pretty_form_has_a_line_for_each() {
        let pretty = sample(2).rendered(Rendering::JsonPretty, "");
        assert_eq!(
            pretty,
            "{\n  \"host\": \"a \\\"b\\\" <c>\\n\",\n  \"TABLE_x\": {\n    \"ROW_x\": [\n      {\n        \
             \"name\": \"e0\",\n        \"count\": 0\n      },\n      {\n        \"name\": \"e1\",\n        \
             \"count\": 1\n      }\n    ]\n  },\n  \"inner\": {\n    \"there\": \"1\"\n  }\n}\n"
        );
        assert_eq!(Fields::new().rendered(Rendering::JsonPretty, ""), "{}\n");
    }

    #[test]
    fn xml_has_the_words_of_the_command_around_it() {
        let xml = sample(1).rendered(Rendering::Xml, "show x 12");
        for part in [
            "  <show>\n   <x>\n    <__readonly__>\n",
            "     <host>a \"b\" &lt;c&gt;\n</host>\n",
            "     <TABLE_x>\n      <ROW_x>\n       <name>e0</name>\n",
            "   </x>\n  </show>\n </nf:data>\n",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        assert!(xml.ends_with("</nf:rpc-reply>\n]]>]]>\n"));
    }
}
