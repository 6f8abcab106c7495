//! Calls and answers, replayed one after the other. Each is a file in `calls`; what stands in `<…>` differs each time: it is
//! found in an answer and said again in later calls.

use crate::engine::run;
use std::collections::BTreeMap;
use std::path::Path;

use rumline_cssm::{Grant, Role, Settings};
use rumline_web::{Refusal, cssm_routes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::BASE;
use crate::common::*;

/// A call, and what is answered.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    call: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    headers: Map<String, Value>,
    /// JSON, or the text of a form.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    body: Value,
    status: u16,
    answer: Value,
}

/// What was found so far.
type Known = BTreeMap<String, Value>;

fn placeholder(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>').filter(|name| !name.contains('<'))
}

/// The same with what is known in the place of its names.
fn filled(value: &Value, known: &Known) -> Value {
    match value {
        Value::String(text) => match placeholder(text).and_then(|name| known.get(name)) {
            Some(found) => found.clone(),
            None => Value::String(filled_text(text, known)),
        },
        Value::Array(all) => all.iter().map(|one| filled(one, known)).collect(),
        Value::Object(all) => {
            all.iter().map(|(name, one)| (name.clone(), filled(one, known))).collect()
        }
        other => other.clone(),
    }
}

fn filled_text(text: &str, known: &Known) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace(&format!("<{name}>"), &value)
    })
}

fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00Z"
}

/// Whether an answer is the one that is written, at `at`.
fn compare(written: &Value, found: &Value, known: &mut Known, at: &str) -> Result<(), String> {
    let differs = || Err(format!("{at}: {written} is written, {found} was found"));
    match (written, found) {
        (Value::String(text), _) if placeholder(text) == Some("time") => {
            if found.as_str().is_some_and(is_time) { Ok(()) } else { differs() }
        }
        (Value::String(text), _) if placeholder(text).is_some() => {
            let name = placeholder(text).unwrap_or_default();
            let before = known.entry(name.to_owned()).or_insert_with(|| found.clone());
            if before == found { Ok(()) } else { differs() }
        }
        (Value::Array(written), Value::Array(found)) if written.len() == found.len() => {
            (0..).zip(written.iter().zip(found)).try_for_each(|(place, (one, other))| {
                compare(one, other, known, &format!("{at}[{place}]"))
            })
        }
        (Value::Object(written), Value::Object(found)) if written.keys().eq(found.keys()) => {
            written.iter().zip(found.values()).try_for_each(|((name, one), other)| {
                compare(one, other, known, &format!("{at}.{name}"))
            })
        }
        _ if written == found => Ok(()),
        _ => differs(),
    }
}

/// A server, and what a client of it knows: its id and secret, and a report of a product instance.
fn server_and_client(role: Role) -> (Server, Known) {
    let server = Server::new(&Settings::default());
    let secret = server.secret("ansible", Grant::of(role, Some(SA.into())));
    let report = server.reported("SECRETSERIAL", 7)["data"]["reports"].clone();
    let known = [("client_secret", json!(secret)), ("reports", report)];
    (server, known.map(|(name, value)| (name.to_owned(), value)).into())
}

async fn answered(server: &Server, exchange: &Exchange, known: &Known) -> Answer {
    let call = filled_text(&exchange.call, known);
    let (method, path) = call.split_once(' ').unwrap();
    let headers: Vec<(String, String)> = exchange
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), filled_text(value.as_str().unwrap(), known)))
        .collect();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = match filled(&exchange.body, known) {
        Value::Null => String::new(),
        Value::String(form) => form,
        value => value.to_string(),
    };
    server.send(method, path, &headers, body).await
}

#[test]
fn every_call_is_answered_as_it_is_written() {
    run(async {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public/calls");
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        assert!(names.len() > 20, "{}", names.len());
        let (server, mut known) = server_and_client(Role::Administrator);
        let mut wrong = Vec::new();
        let mut called = Vec::new();
        for name in names {
            let text = std::fs::read_to_string(&name).unwrap();
            let exchange: Exchange = serde_json::from_str(&text).unwrap();
            let answer = answered(&server, &exchange, &known).await;
            let found: Value = serde_json::from_str(&answer.text()).unwrap();
            let same = compare(&exchange.answer, &found, &mut known, "answer");
            if answer.status != exchange.status || same.is_err() {
                let told = Exchange { status: answer.status, answer: found, ..exchange };
                let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.file_name().unwrap());
                std::fs::write(
                    &beside,
                    format!("{}\n", serde_json::to_string_pretty(&told).unwrap()),
                )
                .unwrap();
                wrong.push(format!("{}: {} {same:?}", beside.display(), answer.status));
                called.push(told.call);
            } else {
                called.push(exchange.call);
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Each route is called at least once.
        for route in cssm_routes().iter().filter(|route| route.refusal != Refusal::Problem) {
            let path = route.path.replace("{domain}", "example.net");
            let pieces: Vec<&str> = path.split("{virtual_account}").collect();
            let is_it = |call: &String| {
                let (method, at) = call.split_once(' ').unwrap();
                let at = at.split('?').next().unwrap();
                method.eq_ignore_ascii_case(route.method)
                    && match pieces.as_slice() {
                        [head, tail] => {
                            let middle =
                                at.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
                            middle.is_some_and(|middle| !middle.contains('/'))
                        }
                        _ => at == path,
                    }
            };
            assert!(called.iter().any(is_it), "no call of {} {}", route.method, route.path);
        }
    });
}

#[test]
fn the_document_names_every_call() {
    let document = include_str!("../../../../docs/public-api.md");
    let mut missing = Vec::new();
    for route in cssm_routes().iter().filter(|route| route.refusal != Refusal::Problem) {
        if route.path.to_lowercase().contains("/customer/") {
            continue;
        }
        let path = route.path.replace("{virtual_account}", "{name}").replace(BASE, "B");
        let short = path.replace("B/v1/accounts/{domain}/virtual-accounts/{name}", "V");
        let method = route.method.to_uppercase();
        let is_named = |line: &str| {
            line.starts_with(&format!("| {method} |")) && line.contains(&format!("`{short}`"))
        };
        // A list and what adds to it stand below one another, under one path.
        let is_added = method == "POST" && short.ends_with("/virtual-accounts");
        if !is_added && !document.lines().any(is_named) {
            missing.push(format!("{method} {short}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
