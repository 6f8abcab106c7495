//! Whether a JSON value fits a schema, and where it does not: the part of JSON Schema 2020-12 that schemas of Rust types are
//! written in. What is asked of a request is said once, in its type, and checked from there.

use serde_json::{Map, Value};

/// What is told of one value at most.
const MISFITS_MAX: usize = 20;
/// The most letters of a value that are repeated.
const SHOWN_LETTERS_MAX: usize = 60;

/// Something of a value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where it is: a JSON pointer (RFC 6901), empty for the whole.
    pub pointer: String,
    /// What is wrong with it, and what it takes.
    pub detail: String,
    /// Whether it is of another form, rather than a value out of bounds.
    pub is_form: bool,
}

/// A schema with the schemas it refers to, by their names.
#[derive(Clone, Debug, Default)]
pub struct Fitting<'a> {
    /// The schemas that `#/components/schemas/NAME` stands for.
    pub schemas: Option<&'a Map<String, Value>>,
    /// Whether a field that the schema does not name is one too many, though the schema says nothing of others.
    pub is_strict: bool,
}

impl Fitting<'_> {
    /// What of a value does not fit a schema; at most twenty things.
    #[must_use]
    pub fn misfits(&self, schema: &Value, value: &Value) -> Vec<Misfit> {
        let mut found = Vec::new();
        self.look(schema, value, "", &mut found);
        found.truncate(MISFITS_MAX);
        found
    }

    /// What a reference stands for.
    fn resolved<'v>(&'v self, schema: &'v Value) -> &'v Value {
        let name = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next());
        let found = name.and_then(|name| self.schemas?.get(name));
        found.unwrap_or(schema)
    }

    /// The types that a schema takes: the `null` of what may be left out aside, the first is the one that is meant.
    #[must_use]
    pub fn kind<'v>(&'v self, schema: &'v Value) -> &'v str {
        let schema = self.resolved(schema);
        if let Some(kind) = schema["type"].as_str() {
            return kind;
        }
        let named = |one: &&Value| one.as_str().is_some_and(|kind| kind != "null");
        if let Some(kind) = schema["type"].as_array().and_then(|all| all.iter().find(named)) {
            return kind.as_str().unwrap_or("string");
        }
        let any = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
        let kinds = any.into_iter().flatten().map(|one| self.kind(one));
        kinds.into_iter().find(|kind| *kind != "null").unwrap_or("string")
    }

    fn look(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<Misfit>) {
        if found.len() >= MISFITS_MAX {
            return;
        }
        let schema = self.resolved(schema);
        for one in schema["allOf"].as_array().into_iter().flatten() {
            self.look(one, value, at, found);
        }
        for any in ["anyOf", "oneOf"] {
            if let Some(all) = schema[any].as_array() {
                self.any_of(all, value, at, found);
            }
        }
        if let Some(why) = wrong_type(schema, value) {
            found.push(misfit(at, why, true));
            return;
        }
        if let Some(why) = no_choice(schema, value) {
            found.push(misfit(at, why, true));
        }
        if let Some(why) = out_of_bounds(schema, value) {
            found.push(misfit(at, why, false));
        }
        match value {
            Value::Object(fields) => self.fields(schema, fields, at, found),
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    let of_place = schema["prefixItems"].get(number);
                    if let Some(schema) = of_place.or_else(|| schema.get("items")) {
                        self.look(schema, item, &format!("{at}/{number}"), found);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Of several schemas one has to take it: what is wrong is told of the one that comes closest.
    fn any_of(&self, all: &[Value], value: &Value, at: &str, found: &mut Vec<Misfit>) {
        let choices: Vec<&str> = all
            .iter()
            .flat_map(|one| {
                let several = one["enum"].as_array().into_iter().flatten();
                several.chain(one.get("const")).filter_map(Value::as_str)
            })
            .collect();
        let mut closest: Option<Vec<Misfit>> = None;
        for one in all {
            let mut wrong = Vec::new();
            self.look(one, value, at, &mut wrong);
            if wrong.is_empty() {
                return;
            }
            // Not being `null` is no help to anybody.
            let is_null = one["type"] == "null";
            if !is_null && closest.as_ref().is_none_or(|before| wrong.len() < before.len()) {
                closest = Some(wrong);
            }
        }
        if choices.len() > 1 {
            found.push(misfit(at, one_of(&choices, value), true));
        } else {
            found.extend(closest.unwrap_or_default());
        }
    }

    fn fields(
        &self,
        schema: &Value,
        fields: &Map<String, Value>,
        at: &str,
        found: &mut Vec<Misfit>,
    ) {
        let known = schema["properties"].as_object();
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                found.push(misfit(&below(at, name), "is missing".to_owned(), true));
            }
        }
        for (name, value) in fields {
            match (known.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                    self.look(schema, value, &below(at, name), found);
                }
                (None, other) => {
                    let is_closed = other == Some(&Value::Bool(false))
                        || self.is_strict && other.is_none() && known.is_some();
                    if is_closed {
                        let names = known.into_iter().flat_map(|known| known.keys());
                        let names: Vec<&str> = names.map(String::as_str).collect();
                        let why = match names.is_empty() {
                            true => "is not known here".to_owned(),
                            false => format!("is not known here; there are {}", names.join(", ")),
                        };
                        found.push(misfit(&below(at, &shown(name)), why, true));
                    }
                }
            }
        }
    }
}

fn misfit(at: &str, detail: String, is_form: bool) -> Misfit {
    Misfit { pointer: at.to_owned(), detail, is_form }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The beginning of a text.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_LETTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A type as people call it.
fn in_words(kind: &str) -> &str {
    match kind {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ if *schema == Value::Bool(false) => return Some("is not known here".to_owned()),
        _ => return None,
    };
    let is = type_of(value);
    let fits = |kind: &&str| *kind == is || *kind == "number" && is == "integer";
    if kinds.iter().any(fits) {
        return None;
    }
    let wanted: Vec<&str> = kinds.iter().map(|kind| in_words(kind)).collect();
    Some(format!("has to be {}, not {}", wanted.join(" or "), in_words(is)))
}

fn one_of(choices: &[&str], value: &Value) -> String {
    let is = value
        .as_str()
        .map_or_else(|| in_words(type_of(value)).to_owned(), |text| format!("{:?}", shown(text)));
    format!("is one of {}, not {is}", choices.join(", "))
}

fn no_choice(schema: &Value, value: &Value) -> Option<String> {
    let choices: Vec<&Value> = match (schema["enum"].as_array(), schema.get("const")) {
        (Some(several), _) => several.iter().collect(),
        (None, Some(one)) => vec![one],
        (None, None) => return None,
    };
    if choices.contains(&value) {
        return None;
    }
    let choices: Vec<&str> = choices.into_iter().filter_map(Value::as_str).collect();
    Some(one_of(&choices, value))
}

/// Between which bounds something is.
fn bounds(least: Option<i64>, most: Option<i64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("at least {least}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "anything".to_owned(),
    }
}

fn out_of_bounds(schema: &Value, value: &Value) -> Option<String> {
    let bound = |name: &str| schema[name].as_i64();
    let (is, least, most, what) = match value {
        Value::Number(number) => {
            let (least, most) = (bound("minimum"), bound("maximum"));
            let Some(number) = number.as_i64() else {
                // No number here is larger than 64 bits hold, with a sign or without.
                let is_above = number.as_u64().is_some() && schema["format"] != "uint64";
                return is_above.then(|| format!("is {}, not {number}", bounds(least, most)));
            };
            let format = schema["format"].as_str().unwrap_or_default();
            let most = most.or((format == "uint32").then_some(i64::from(u32::MAX)));
            (number, least, most, "is")
        }
        Value::String(text) => {
            let letters = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
            (letters, bound("minLength"), bound("maxLength"), "has")
        }
        Value::Array(items) => {
            let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
            (count, bound("minItems"), bound("maxItems"), "holds")
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => return None,
    };
    if least.is_none_or(|least| is >= least) && most.is_none_or(|most| is <= most) {
        return None;
    }
    let unit = match what {
        "has" => " characters",
        "holds" => " entries",
        _ => "",
    };
    Some(format!("{what} {}{unit}, not {is}", bounds(least, most)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(schema: &Value, value: &Value) -> Vec<(String, bool)> {
        let schemas = json!({ "Id": { "type": "integer", "format": "int64" } });
        let schemas = schemas.as_object().cloned().unwrap_or_default();
        let fitting = Fitting { schemas: Some(&schemas), is_strict: false };
        let found = fitting.misfits(schema, value).into_iter();
        found.map(|one| (one.pointer, one.is_form)).collect()
    }

    #[test]
    fn each_field_that_does_not_fit_is_named() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 3 },
                "days": { "type": "integer", "minimum": 1, "maximum": 365 },
                "id": { "anyOf": [{ "$ref": "#/components/schemas/Id" }, { "type": "null" }] },
                "kind": { "oneOf": [{ "enum": ["a"] }, { "const": "b" }] },
                "ids": { "type": "array", "items": { "$ref": "#/components/schemas/Id" }, "maxItems": 2 },
                "a/b~": { "type": ["boolean", "null"] },
            },
            "required": ["name", "days"],
            "additionalProperties": false,
        });
        let fine = json!({ "name": "äöü", "days": 365, "id": null, "kind": "b", "ids": [1, -1] });
        assert_eq!(pointers(&schema, &fine), []);
        for (value, wrong) in [
            (json!({ "days": 1 }), ("/name", true)),
            (json!({ "name": null, "days": 1 }), ("/name", true)),
            (json!({ "name": "", "days": 1 }), ("/name", false)),
            (json!({ "name": "abcd", "days": 1 }), ("/name", false)),
            (json!({ "name": "a", "days": 0 }), ("/days", false)),
            (json!({ "name": "a", "days": 366 }), ("/days", false)),
            (json!({ "name": "a", "days": 1.5 }), ("/days", true)),
            (json!({ "name": "a", "days": "1" }), ("/days", true)),
            (json!({ "name": "a", "days": u64::MAX }), ("/days", false)),
            (json!({ "name": "a", "days": 1, "id": "x" }), ("/id", true)),
            (json!({ "name": "a", "days": 1, "kind": "c" }), ("/kind", true)),
            (json!({ "name": "a", "days": 1, "kind": 7 }), ("/kind", true)),
            (json!({ "name": "a", "days": 1, "ids": [1, "x"] }), ("/ids/1", true)),
            (json!({ "name": "a", "days": 1, "ids": [1, 2, 3] }), ("/ids", false)),
            (json!({ "name": "a", "days": 1, "a/b~": 1 }), ("/a~1b~0", true)),
            (json!({ "name": "a", "days": 1, "more": 1 }), ("/more", true)),
            (json!([]), ("", true)),
        ] {
            assert_eq!(pointers(&schema, &value), [(wrong.0.to_owned(), wrong.1)], "{value}");
        }
        let many = json!({ "type": "array", "items": { "type": "string" } });
        assert_eq!(pointers(&many, &json!(vec![1; 1_000])).len(), MISFITS_MAX);
    }

    #[test]
    fn what_is_told_says_what_is_taken() {
        let fitting = Fitting::default();
        let told = |schema: Value, value: Value| fitting.misfits(&schema, &value)[0].detail.clone();
        let kinds = json!({ "enum": ["viewer", "user"] });
        assert_eq!(told(kinds, json!("x".repeat(90))).chars().count(), 28 + 63);
        let days = json!({ "type": "integer", "minimum": 1, "maximum": 365 });
        assert_eq!(told(days.clone(), json!(900)), "is 1 to 365, not 900");
        assert_eq!(told(days, json!(true)), "has to be a whole number, not true or false");
        let name = json!({ "type": "string", "minLength": 1 });
        assert_eq!(told(name, json!("")), "has at least 1 characters, not 0");
    }

    #[test]
    fn a_strict_look_finds_what_a_schema_does_not_name() {
        let schema = json!({ "type": "object", "properties": { "id": { "type": "integer" } } });
        let value = json!({ "id": 1, "more": 2 });
        assert_eq!(Fitting::default().misfits(&schema, &value), []);
        let strict = Fitting { schemas: None, is_strict: true };
        assert_eq!(strict.misfits(&schema, &value)[0].pointer, "/more");
        assert_eq!(strict.misfits(&json!({ "type": "object" }), &value), []);
    }
}
