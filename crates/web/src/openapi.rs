//! The OpenAPI document, from the table of routes.

use rumline_server::Action;
use serde_json::{Map, Value, json};

use crate::site::{Access, Route, Site, takes_key};

/// The OpenAPI 3.1 document of a server's REST API; pages are not part of it.
#[must_use]
pub fn openapi<S: Site>(routes: &[Route<S>]) -> Value {
    let mut paths = Map::new();
    for route in routes.iter().filter(|route| !route.summary.is_empty()) {
        let mut parameters: Vec<Value> = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| parameter(name, "path", true, kind_of(name)))
            .collect();
        // A summary names its query parameters.
        let named =
            |name: &str| route.method == "get" && route.summary.contains(&format!("`{name}`"));
        for name in ["after", "limit", "offset", "virtual_account_id"]
            .into_iter()
            .filter(|name| named(name))
        {
            parameters.push(parameter(name, "query", false, "integer"));
        }
        for name in ["search", "sort", "from", "to", "by", "format", "license", "next"] {
            if named(name) {
                parameters.push(parameter(name, "query", name == "license", "string"));
            }
        }
        for name in ["descending", "closed"].into_iter().filter(|name| named(name)) {
            parameters.push(parameter(name, "query", false, "boolean"));
        }
        if route.summary.contains("query parameter `name`") {
            parameters.push(parameter("name", "query", true, "string"));
        }
        if takes_key(route) && !route.holds_secret {
            parameters.push(parameter("Idempotency-Key", "header", false, "string"));
        }
        let mut operation = json!({
            "summary": route.summary,
            "parameters": parameters,
            "responses": {
                "200": { "description": "Done", "content": content(route.response) },
                "default": { "description": "A problem document (RFC 9457)" },
            },
        });
        if let Some(request) = route.request {
            operation["requestBody"] = json!({ "required": true, "content": content(request) });
        }
        let role = match route.access {
            Access::Anyone => {
                operation["security"] = json!([]);
                "anyone"
            }
            Access::Oneself => {
                operation["x-api-tokens"] = json!(false);
                "viewer"
            }
            Access::LoggedIn | Access::May(Action::View) => "viewer",
            Access::May(Action::Operate) => "user",
            Access::May(Action::Administer) => "administrator",
            Access::May(Action::AdministerAll) => "administrator of all accounts",
            Access::May(Action::ViewAll) => "viewer of all accounts",
        };
        operation["x-role"] = json!(role);
        let entry = paths.entry(route.path).or_insert_with(|| json!({}));
        entry[route.method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": S::NAME,
            "version": env!("CARGO_PKG_VERSION"),
            "description": S::ABOUT,
        },
        "security": [{ "bearer": [] }],
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } },
        "paths": paths,
    })
}

fn parameter(name: &str, place: &str, required: bool, kind: &str) -> Value {
    json!({ "name": name, "in": place, "required": required, "schema": { "type": kind } })
}

/// What is named in a path is a number, unless it has a name.
fn kind_of(parameter: &str) -> &'static str {
    match parameter {
        "name" | "account" | "domain" | "virtual_account" | "login" | "tag" | "chosen" => "string",
        _ => "integer",
    }
}

fn content(example: &str) -> Value {
    let example: Value = serde_json::from_str(example).unwrap_or_else(|_| json!(example));
    json!({ "application/json": { "example": example } })
}
