//! NX-API in JSON-RPC: `cli`, `cli_ascii` and `cli_array`, one request or a list of them.

use rumline_cli::Rendering;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Batch, COMMANDS_MAX, Done, Failed, Form, HttpAnswer, OnError, Wanted};

const CONTENT_TYPE: &str = "application/json-rpc; charset=UTF-8";

/// What a request wants, or what is wrong with it.
type Method = Result<Wanted, (i64, &'static str)>;

/// A request that was read.
struct Request {
    id: Value,
    method: Method,
    command: String,
    on_error: OnError,
}

/// Requests that came together, and whether as a list.
pub(super) struct Calls {
    requests: Vec<(Value, Method)>,
    is_list: bool,
}

fn error(id: &Value, code: i64, message: &str, told: Option<&str>) -> Value {
    let mut error = json!({ "code": code, "message": message });
    if let Some(told) = told {
        error["data"] = json!({ "msg": format!("{told}\n") });
    }
    json!({ "jsonrpc": "2.0", "error": error, "id": id })
}

fn http(status: u16, body: String) -> HttpAnswer {
    HttpAnswer { status, content_type: CONTENT_TYPE, body }
}

fn read_one(value: &Value) -> Request {
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let method = match value.get("method").and_then(Value::as_str) {
        Some("cli" | "cli_array") => Ok(Wanted::Either),
        Some("cli_ascii") => Ok(Wanted::Text),
        Some(_) => Err((-32601, "Method not found")),
        None => Err((-32600, "Invalid request")),
    };
    let method = match value.get("jsonrpc").and_then(Value::as_str) {
        Some("2.0") => method,
        _ => Err((-32600, "Invalid request")),
    };
    let (on_error, is_known) = match value.get("rollback").map(Value::as_str) {
        None | Some(Some("stop-on-error")) => (OnError::Stop, true),
        Some(Some("continue-on-error")) => (OnError::Continue, true),
        Some(Some("rollback-on-error")) => (OnError::RollBack, true),
        Some(_) => (OnError::Stop, false),
    };
    let command = text(value.get("params").and_then(|params| params.get("cmd")));
    let is_empty = command.trim().is_empty();
    let method = method.and_then(|method| {
        if is_empty || !is_known { Err((-32602, "Invalid params")) } else { Ok(method) }
    });
    Request { id, method, command, on_error }
}

/// An answer to what could not be read or may not be asked.
pub(super) fn refused(status: u16, told: &str) -> HttpAnswer {
    http(status, error(&Value::Null, -32600, told, None).to_string())
}

/// Reads what arrives.
pub(super) fn read(body: &[u8]) -> Result<(Form, Batch), HttpAnswer> {
    let value: Value = serde_json::from_slice(body).map_err(|why| {
        let told = error(&Value::Null, -32700, "Parse error", Some(&why.to_string()));
        http(400, told.to_string())
    })?;
    let (values, is_list) = match value {
        Value::Array(values) => (values, true),
        value => (vec![value], false),
    };
    if values.is_empty() || values.len() > COMMANDS_MAX {
        return Err(http(400, error(&Value::Null, -32600, "Invalid request", None).to_string()));
    }
    let read: Vec<Request> = values.iter().map(read_one).collect();
    let on_error = read.first().map_or(OnError::Stop, |request| request.on_error);
    let (mut commands, mut requests) = (Vec::new(), Vec::new());
    for Request { id, method, command, .. } in read {
        commands.push(method.ok().map(|wanted| (wanted, command)));
        requests.push((id, method));
    }
    Ok((Form::JsonRpc(Calls { requests, is_list }), Batch::new(commands, on_error)))
}

/// Writes down what came of each.
pub(super) fn answer(calls: &Calls, results: Vec<Result<Done, Failed>>) -> HttpAnswer {
    let answers: Vec<String> = calls
        .requests
        .iter()
        .zip(results)
        .map(|((id, method), result)| match method {
            Err((code, message)) => error(id, *code, message, None).to_string(),
            Ok(wanted) => written(id, *wanted, result),
        })
        .collect();
    // A list is one where there is more than one.
    let body = match (&answers[..], calls.is_list) {
        ([one], _) => one.clone(),
        _ => format!("[{}]", answers.join(", ")),
    };
    // Clients take another status for a failure of HTTP and do not read what is wrong.
    http(200, body)
}

fn written(id: &Value, wanted: Wanted, result: Result<Done, Failed>) -> String {
    match result {
        Ok(Done::Data(fields)) => {
            // It keeps the order of its names.
            let body = fields.rendered(Rendering::Json, "");
            let body = RawValue::from_string(body.trim().to_owned()).unwrap_or_default();
            format!("{{\"jsonrpc\": \"2.0\", \"result\": {{\"body\": {body}}}, \"id\": {id}}}")
        }
        Ok(Done::Text(text)) if wanted == Wanted::Text => {
            json!({ "jsonrpc": "2.0", "result": { "msg": text }, "id": id }).to_string()
        }
        Ok(Done::Text(_)) => json!({ "jsonrpc": "2.0", "result": null, "id": id }).to_string(),
        Err(failed @ (Failed::Command(_) | Failed::NoData)) => {
            error(id, -32602, "Invalid params", Some(&failed.text())).to_string()
        }
        Err(failed) => error(id, -32603, "Internal error", Some(&failed.text())).to_string(),
    }
}
