//! A message taken apart: its fields, what they are for, and which of them may tell who or where somebody is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Nested texts deeper than this are values.
const DEPTH_MAX: usize = 12;

/// What a field is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Explained {
    pub words: &'static str,
    pub is_private: bool,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its path, with `[]` for any place of a list.
    pub path: String,
    /// Its first value.
    pub value: String,
    /// How many there are.
    pub count: usize,
}

static EXPLAINED: LazyLock<BTreeMap<&'static str, Explained>> = LazyLock::new(|| {
    let rows = include_str!("fields.txt").lines().filter(|line| !line.starts_with("//"));
    rows.filter_map(|line| {
        let (path, words) = line.split_once(' ')?;
        let words = words.trim();
        let is_private = words.starts_with("* ");
        Some((path, Explained { words: words.trim_start_matches("* "), is_private }))
    })
    .collect()
});

/// What a field is for, if that is known.
pub(super) fn explained(path: &str) -> Option<Explained> {
    EXPLAINED.get(path).copied()
}

/// The fields of a message, in its order.
pub(super) fn fields(message: &[u8]) -> Vec<Field> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_slice::<Value>(message) {
        walk(String::new(), &value, 0, &mut found);
    }
    found
}

fn note(path: String, value: String, found: &mut Vec<Field>) {
    match found.iter_mut().find(|field| field.path == path) {
        Some(field) => field.count += 1,
        None => found.push(Field { path, value, count: 1 }),
    }
}

fn walk(path: String, value: &Value, depth: usize, found: &mut Vec<Field>) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) if depth < DEPTH_MAX => {
            for (name, member) in members {
                walk(below(name), member, depth + 1, found);
            }
        }
        Value::Array(items) if depth < DEPTH_MAX => {
            for item in items {
                walk(format!("{path}[]"), item, depth + 1, found);
            }
        }
        // A text that is JSON itself is what is signed.
        Value::String(text) if text.starts_with('{') => match serde_json::from_str(text) {
            Ok(inner @ Value::Object(_)) => walk(path, &inner, depth + 1, found),
            _ => note(path, text.clone(), found),
        },
        Value::String(text) => note(path, text.clone(), found),
        other => note(path, other.to_string(), found),
    }
}

/// A field that differs: its path, what it was and what it is; nothing where it is not there.
pub(super) type Change = (String, Option<String>, Option<String>);

/// What is different between two messages.
pub(super) fn difference(was: &[u8], is: &[u8]) -> Vec<Change> {
    let by_path = |message| -> BTreeMap<String, (String, usize)> {
        let all = fields(message).into_iter();
        all.map(|field| (field.path, (field.value, field.count))).collect()
    };
    let (was, is) = (by_path(was), by_path(is));
    let paths: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let shown = |one: Option<&(String, usize)>| {
        one.map(
            |(value, count)| if *count > 1 { format!("{value} ({count})") } else { value.clone() },
        )
    };
    paths
        .into_iter()
        .filter(|path| was.get(*path) != is.get(*path))
        .map(|path| (path.clone(), shown(was.get(path)), shown(is.get(path))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart_with_what_is_signed_in_them() {
        let message = br#"{"a":{"b":1},"list":[{"x":"one"},{"x":"two"}],"text":"{\"inner\":[true]}","odd":"{no","none":null}"#;
        let all: Vec<_> =
            fields(message).into_iter().map(|one| (one.path, one.value, one.count)).collect();
        let wanted = [
            ("a.b", "1", 1),
            ("list[].x", "one", 2),
            ("none", "null", 1),
            ("odd", "{no", 1),
            ("text.inner[]", "true", 1),
        ];
        let mut all_sorted = all.clone();
        all_sorted.sort();
        assert_eq!(
            all_sorted,
            wanted.map(|(path, value, count)| (path.to_owned(), value.to_owned(), count))
        );
        assert!(fields(b"no message").is_empty());
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(fields(deep.as_bytes()).len(), 1);
    }

    #[test]
    fn differences_name_what_came_went_and_changed() {
        let found = difference(br#"{"a":1,"b":2,"c":3}"#, br#"{"a":1,"b":4,"d":[5,6]}"#);
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("b".to_owned(), told("2"), told("4")),
                ("c".to_owned(), told("3"), None),
                ("d[]".to_owned(), None, told("5 (2)")),
            ]
        );
        assert!(difference(b"{}", b"{}").is_empty());
    }

    #[test]
    fn stars_mark_what_is_private() {
        assert!(explained("hostname").unwrap().is_private);
        assert!(!explained("nonce").unwrap().is_private);
        assert!(!explained("hostname").unwrap().words.starts_with('*'));
        assert_eq!(explained("nothing"), None);
    }
}
