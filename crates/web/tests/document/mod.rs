//! The OpenAPI document against what a server does: every answer of every test is one that the document tells of, and its
//! examples are of real runs (CSSM-033).

use rumline_web::fit::Fitting;
use serde_json::{Map, Value, json};

/// What stands for something secret or made by chance in an example.
const HIDDEN: &str = "…";
/// The longest text in an example, in letters.
const TEXT_LETTERS_MAX: usize = 100;

pub(crate) struct Document(pub(crate) Value);

/// What was asked.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
}

/// What was answered.
pub(crate) struct Answered<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a [u8],
}

impl Document {
    fn schemas(&self) -> &Map<String, Value> {
        self.0["components"]["schemas"].as_object().unwrap()
    }

    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str() {
            Some(to) => self.0.pointer(to.trim_start_matches('#')).unwrap_or(value),
            None => value,
        }
    }

    /// The operation that a call is of, if it is of one.
    fn operation(&self, asked: &Asked<'_>) -> Option<&Value> {
        let path = asked.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(template, part)| {
                    template == part || template.starts_with('{') && !part.is_empty()
                })
        };
        let paths = self.0["paths"].as_object().unwrap();
        let mut all = paths.iter().filter(|(template, _)| fits(template));
        // Where both a name and a word fit, the word is meant.
        let first = all.next()?;
        let best = all.fold(first, |best, one| {
            if one.0.matches('{').count() < best.0.matches('{').count() { one } else { best }
        });
        best.1.get(asked.method.to_lowercase())
    }

    /// Why an answer is none that the document tells of, if it is not.
    pub(crate) fn undocumented(
        &self,
        asked: &Asked<'_>,
        answered: &Answered<'_>,
    ) -> Option<String> {
        let operation = self.operation(asked)?;
        let what = format!("{} {}: {}", asked.method, asked.path, answered.status);
        let text = String::from_utf8_lossy(answered.body);
        let response = &operation["responses"][answered.status.to_string()];
        if response.is_null() {
            return Some(format!("{what} is not documented: {text}"));
        }
        let response = self.resolved(response);
        let kind = answered.content_type.split(';').next().unwrap_or_default();
        let Some(content) = response["content"].get(kind) else {
            return Some(format!("{what} is not documented as {kind:?}: {text}"));
        };
        if !kind.ends_with("json") {
            return None;
        }
        let Ok(value) = serde_json::from_slice(answered.body) else {
            return Some(format!("{what} is no JSON: {text}"));
        };
        let fitting = Fitting { schemas: Some(self.schemas()), is_strict: true };
        let misfits = fitting.misfits(&content["schema"], &value);
        (!misfits.is_empty()).then(|| format!("{what} does not fit: {misfits:#?} {text}"))
    }

    /// What of the examples of bodies does not fit their schemas; `hidden` takes the place of what is not told.
    pub(crate) fn wrong_examples(&self, hidden: &str) -> Vec<String> {
        let fitting = Fitting { schemas: Some(self.schemas()), is_strict: true };
        let mut wrong = Vec::new();
        for (what, content) in self.contents() {
            let Some(example) = content.get("example") else { continue };
            let example = example.to_string().replace(HIDDEN, hidden);
            let example: Value = serde_json::from_str(&example).unwrap();
            let misfits = fitting.misfits(&content["schema"], &example);
            wrong.extend(misfits.iter().map(|misfit| format!("{what}: {misfit:?}")));
        }
        wrong
    }

    /// Bodies of JSON that are taken or answered without having been refused.
    fn contents(&self) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        for (path, operations) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let what = format!("{method} {path}");
                let body = &operation["requestBody"]["content"]["application/json"];
                if body.is_object() {
                    found.push((format!("body of {what}"), body));
                }
                for status in ["200", "202"] {
                    let body = &operation["responses"][status]["content"]["application/json"];
                    if body.is_object() {
                        found.push((format!("answer of {what}"), body));
                    }
                }
            }
        }
        found
    }

    /// What of the document says less than it could: nothing of this project's own API is of any form.
    pub(crate) fn vague(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (path, operations) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let what = format!("{method} {path}");
                let own = !["public", "product instances"]
                    .map(Value::from)
                    .contains(&operation["tags"][0]);
                for (place, schema) in schemas_in(operation, "") {
                    if own && !says_something(schema) {
                        wrong.push(format!("{what}{place} takes anything: {schema}"));
                    }
                }
                for parameter in operation["parameters"].as_array().unwrap() {
                    let is_told =
                        parameter["in"] != "query" || parameter["description"].is_string();
                    if own && !is_told {
                        wrong.push(format!("{what}: {} is not described", parameter["name"]));
                    }
                }
            }
        }
        for (name, schema) in self.schemas() {
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                if schema.get("description").is_none() && schema.get("$ref").is_none() {
                    wrong.push(format!("{name}.{field} is not described"));
                }
            }
        }
        wrong
    }
}

fn says_something(schema: &Value) -> bool {
    ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"]
        .iter()
        .any(|word| schema.get(*word).is_some())
}

/// The schemas of an operation, with where they stand.
fn schemas_in<'v>(value: &'v Value, at: &str) -> Vec<(String, &'v Value)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "example")
            .flat_map(|(name, value)| match name.as_str() {
                "schema" => vec![(at.to_owned(), value)],
                _ => schemas_in(value, &format!("{at} {name}")),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|value| schemas_in(value, at)).collect(),
        _ => Vec::new(),
    }
}

/// An answer as an example: the first of each list, nothing secret, nothing long.
pub(crate) fn as_example(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let hides = ["token", "secret", "client_secret", "access_token", "value"];
                let value = match value {
                    Value::String(_) if hides.contains(&name.as_str()) => json!(HIDDEN),
                    other => as_example(other),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().take(1).map(as_example).collect(),
        Value::String(text) => {
            // What tests call secret is called what people call it.
            let text = text
                .replace("SECRETSERIAL", "FDO12345ABC")
                .replace("secret-leaf", "leaf-101")
                .replace("Secret VA", "Default");
            match text.chars().count() > TEXT_LETTERS_MAX {
                true => json!(text.chars().take(TEXT_LETTERS_MAX).collect::<String>() + HIDDEN),
                false => json!(text),
            }
        }
        other => other.clone(),
    }
}

/// Whether two answers are of one shape: the same fields, of the same types where both say something.
pub(crate) fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|other| alike(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => match (one.first(), other.first()) {
            (Some(one), Some(other)) => alike(one, other),
            _ => true,
        },
        (Value::Bool(_), Value::Bool(_)) | (Value::String(_), Value::String(_)) => true,
        (Value::Number(_), Value::Number(_)) => true,
        _ => false,
    }
}

/// Compares examples with real answers, by `METHOD PATH`; what was found instead is left beside the build.
pub(crate) fn assert_examples(name: &str, kept: &str, found: &Map<String, Value>) {
    let kept: Map<String, Value> = serde_json::from_str(kept).unwrap();
    let is_kept =
        |(what, value): (&String, &Value)| kept.get(what).is_some_and(|kept| alike(kept, value));
    let wrong: Vec<&String> = found
        .iter()
        .filter(|(what, value)| !is_kept((what, value)))
        .map(|(what, _)| what)
        .collect();
    let gone: Vec<&String> = kept.keys().filter(|what| !found.contains_key(*what)).collect();
    if !wrong.is_empty() || !gone.is_empty() {
        let mut all = kept.clone();
        all.retain(|what, _| !gone.contains(&what));
        for (what, value) in found.iter().filter(|(what, _)| wrong.contains(what)) {
            all.insert(what.clone(), value.clone());
        }
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, format!("{:#}\n", Value::Object(all))).unwrap();
        panic!("examples are not of real runs: {wrong:#?} {gone:#?}; see {}", path.display());
    }
}

/// A body in which one field is wrong: what is wrong, the body, and the field's JSON pointer.
pub(crate) struct Spoiled {
    pub(crate) how: String,
    pub(crate) body: Value,
    pub(crate) pointer: String,
}

impl Document {
    /// All ways in which one field of an example's body can be wrong: absent, null, too long, too short, out of bounds, of
    /// another type, and one that is not known.
    pub(crate) fn spoiled(&self, method: &str, path: &str, example: &Value) -> Vec<Spoiled> {
        let body = &self.0["paths"][path][method]["requestBody"]["content"]["application/json"];
        let mut all = Vec::new();
        if example.is_object() && body.is_object() {
            self.spoil(&body["schema"], example, "", example, &mut all);
        }
        all
    }

    fn spoil(&self, schema: &Value, part: &Value, at: &str, whole: &Value, all: &mut Vec<Spoiled>) {
        let schema = self.resolved(schema);
        let Some(properties) = schema["properties"].as_object() else { return };
        let fitting = Fitting { schemas: Some(self.schemas()), is_strict: false };
        let with = |name: &str, value: Option<Value>| {
            let mut body = whole.clone();
            let part = body.pointer_mut(at).unwrap().as_object_mut().unwrap();
            match value {
                Some(value) => part.insert(name.to_owned(), value),
                None => part.remove(name),
            };
            body
        };
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, schema) in properties {
            let pointer = format!("{at}/{name}");
            let mut candidates = vec![
                ("null".to_owned(), Some(Value::Null)),
                ("text".to_owned(), Some(json!("x"))),
                ("number".to_owned(), Some(json!(7))),
                ("fraction".to_owned(), Some(json!(7.5))),
                ("flag".to_owned(), Some(json!(true))),
                ("list".to_owned(), Some(json!([1]))),
                ("list of lists".to_owned(), Some(json!([[]]))),
                ("object".to_owned(), Some(json!({ "x": 1 }))),
                ("negative".to_owned(), Some(json!(-9_000_000_000_000_i64))),
                ("huge".to_owned(), Some(json!(u64::MAX))),
                ("long".to_owned(), Some(json!("x".repeat(100_000)))),
                ("empty".to_owned(), Some(json!(""))),
            ];
            if required.contains(&name.as_str()) {
                candidates.push(("absent".to_owned(), None));
            }
            for (how, value) in candidates {
                // What fits is no wrong value.
                let is_wrong =
                    value.as_ref().is_none_or(|value| !fitting.misfits(schema, value).is_empty());
                if is_wrong {
                    all.push(Spoiled { how, body: with(name, value), pointer: pointer.clone() });
                }
            }
            if let Some(value) = part.get(name).filter(|value| value.is_object()) {
                self.spoil(schema, value, &pointer, whole, all);
            }
        }
        if schema["additionalProperties"] == false {
            let body = with("not_known", Some(json!(1)));
            all.push(Spoiled { how: "not known".into(), body, pointer: format!("{at}/not_known") });
        }
    }
}

/// Why a refusal does not name a field, if it does not.
pub(crate) fn does_not_name(status: u16, text: &str, pointer: &str) -> Option<String> {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let names = |error: &Value| {
        error["pointer"].as_str().is_some_and(|named| named.starts_with(&format!("#{pointer}")))
    };
    let is_named = problem["errors"].as_array().is_some_and(|errors| errors.iter().any(names));
    let is_refused = [400, 422].contains(&status);
    (!is_refused || !is_named).then(|| format!("{status}: {text}"))
}
