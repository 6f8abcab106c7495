//! What is asked of a server: bodies of JSON and queries, each checked against the schema of its type before anything is
//! done. So what the document promises is what is kept, and a refusal names each field that does not fit (RFC 9457).

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::fit::{Fitting, Misfit};
use crate::openapi::in_terms_of;
use crate::operation::{JSON, Operation, Schemas, Taken};
use crate::problem::{Problem, Wrong};
use crate::site::{self, Message, Site};

/// The most of what is wrong with a body that is said, in letters.
const REFUSAL_LETTERS_MAX: usize = 500;

/// The schema of a type that is taken, with the schemas it refers to.
struct Known {
    schema: Value,
    named: Map<String, Value>,
}

/// The schema of a type in the terms of a server; made once.
fn known<S: Site, T: JsonSchema + 'static>() -> Arc<Known> {
    static KNOWN: Mutex<BTreeMap<(TypeId, &str), Arc<Known>>> = Mutex::new(BTreeMap::new());
    let key = (TypeId::of::<T>(), S::SCOPE_ID);
    let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = all.entry(key).or_insert_with(|| {
        let mut schemas = Schemas::default();
        let mut schema = schemas.taken_whole::<T>();
        let [mut named, _] = schemas.named();
        in_terms_of::<S>(&mut schema);
        named.values_mut().for_each(in_terms_of::<S>);
        Arc::new(Known { schema, named })
    });
    Arc::clone(made)
}

impl Known {
    fn fitting(&self) -> Fitting<'_> {
        Fitting { schemas: Some(&self.named), is_strict: false }
    }
}

/// What a field is called in a sentence.
fn called(pointer: &str) -> String {
    match pointer.strip_prefix('/') {
        None => "it".to_owned(),
        Some(name) => format!("`{name}`"),
    }
}

/// A refusal of what does not fit.
fn refused(misfits: Vec<Misfit>, what: &str, of_query: bool) -> Problem {
    let is_form = misfits.iter().any(|one| one.is_form);
    let status = match is_form {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let told: Vec<String> =
        misfits.iter().map(|one| format!("{} {}", called(&one.pointer), one.detail)).collect();
    let told: String = told.join("; ").chars().take(REFUSAL_LETTERS_MAX).collect();
    let text = if is_form { format!("{what}: {told}") } else { told };
    let wrong = misfits.into_iter().map(|Misfit { pointer, detail, .. }| match of_query {
        true => Wrong::parameter(pointer.trim_start_matches('/'), detail),
        false => Wrong::field(&pointer, detail),
    });
    Problem::new(status, text).of(wrong.collect())
}

/// Reads what fits; a type may be stricter than its schema says.
fn read<T: DeserializeOwned>(value: Value, what: &str, of_query: bool) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let at = error.path().to_string();
        let pointer = match at.as_str() {
            "." => String::new(),
            at => format!("/{}", at.replace(['.', '['], "/").replace(']', "")),
        };
        let detail: String =
            error.into_inner().to_string().chars().take(REFUSAL_LETTERS_MAX).collect();
        let misfit = Misfit { pointer, detail: format!("does not fit: {detail}"), is_form: true };
        refused(vec![misfit], what, of_query)
    })
}

/// A body of JSON.
pub(crate) fn parse<S: Site, T: DeserializeOwned + JsonSchema + 'static>(
    body: &Bytes,
) -> Result<T, Problem> {
    const WHAT: &str = "not the expected JSON";
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        // It may say all of what stands there, and where that is at its end.
        let text: String = error.to_string().chars().take(REFUSAL_LETTERS_MAX).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("{WHAT}: {text}"))
    })?;
    let known = known::<S, T>();
    let misfits = known.fitting().misfits(&known.schema, &value);
    if misfits.is_empty() { read(value, WHAT, false) } else { Err(refused(misfits, WHAT, false)) }
}

/// The same of a body whose form another project has set.
pub(crate) fn plain<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        // It may say all of what stands there, and where that is at its end.
        let text: String = error.to_string().chars().take(REFUSAL_LETTERS_MAX).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("not the expected JSON: {text}"))
    })
}

/// A body of JSON that has to be sent.
pub(crate) struct Sent<T>(pub T);

impl<S: Site, T: DeserializeOwned + JsonSchema + 'static> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        parse::<S, T>(&body_of(request, state).await?).map(Self)
    }
}

/// One that may be left out.
pub(crate) struct MaySend<T>(pub Option<T>);

impl<S: Site, T: DeserializeOwned + JsonSchema + 'static> FromRequest<S> for MaySend<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = body_of(request, state).await?;
        if body.is_empty() { Ok(Self(None)) } else { parse::<S, T>(&body).map(Some).map(Self) }
    }
}

async fn body_of<S: Site>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let body = Bytes::from_request(request, state).await;
    body.map_err(|error| Problem::new(error.status(), error.body_text()))
}

impl<T: JsonSchema> Taken for Sent<T> {
    fn tell(operation: &mut Operation<'_>) {
        let schema = operation.schemas.taken::<T>();
        operation.takes(true, vec![(JSON, schema)]);
    }
}

impl<T: JsonSchema> Taken for MaySend<T> {
    fn tell(operation: &mut Operation<'_>) {
        let schema = operation.schemas.taken::<T>();
        operation.takes(false, vec![(JSON, schema)]);
    }
}

/// A query.
pub(crate) struct Asked<T>(pub T);

/// What a query says, as the types of its parameters have it; what is none of them stays text, and does not fit.
fn in_json(known: &Known, pairs: Vec<(String, String)>) -> Result<Value, Problem> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        let fitting = known.fitting();
        let value = match (fitting.kind(&known.schema["properties"][&name]), text.as_str()) {
            ("integer", _) => text.parse::<i64>().map(|number| Value::Number(Number::from(number))),
            ("boolean", "true") => Ok(Value::Bool(true)),
            ("boolean", "false") => Ok(Value::Bool(false)),
            _ => Ok(Value::String(text.clone())),
        };
        let value = value.unwrap_or(Value::String(text));
        if fields.insert(name.clone(), value).is_some() {
            let misfit = Misfit {
                pointer: format!("/{name}"),
                detail: "is given twice".to_owned(),
                is_form: true,
            };
            return Err(refused(vec![misfit], QUERY, true));
        }
    }
    Ok(Value::Object(fields))
}

/// What a query is said to be that does not fit.
const QUERY: &str = "not the expected query";

impl<S: Site, T: DeserializeOwned + JsonSchema + 'static> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) =
            pairs.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let known = known::<S, T>();
        let value = in_json(&known, pairs)?;
        let misfits = known.fitting().misfits(&known.schema, &value);
        if !misfits.is_empty() {
            return Err(refused(misfits, QUERY, true));
        }
        read(value, QUERY, true).map(Self)
    }
}

impl<T: JsonSchema> Taken for Asked<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.query = Some(operation.schemas.taken_whole::<T>());
    }
}

/// A file.
impl Taken for Body {
    fn tell(operation: &mut Operation<'_>) {
        let content_type = "application/octet-stream";
        operation.takes(true, vec![(content_type, crate::operation::of_file(content_type))]);
    }
}

/// A spreadsheet.
pub(crate) struct Sheet(pub Bytes);

impl<S: Site> FromRequest<S> for Sheet {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        body_of(request, state).await.map(Self)
    }
}

impl Taken for Sheet {
    fn tell(operation: &mut Operation<'_>) {
        operation.takes(true, vec![("text/csv", crate::operation::of_file("text/csv"))]);
    }
}

/// What is written as JSON in another project's words, and read where it is used.
impl Taken for Bytes {
    fn tell(operation: &mut Operation<'_>) {
        operation.takes(false, vec![(JSON, crate::operation::of_file(JSON))]);
    }
}

impl Taken for site::From {}

impl Taken for Message {
    fn tell(operation: &mut Operation<'_>) {
        operation.takes(true, vec![(JSON, crate::operation::of_file(JSON))]);
    }
}
