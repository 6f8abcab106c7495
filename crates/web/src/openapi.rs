//! The OpenAPI document: from the table of routes, and from the types of their handlers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use rumline_server::Action;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::operation::{JSON, Operation, Schemas};
use crate::problem::{AccountRefusal, DeviceRefusal, ProblemDocument, Refusal, TokenRefusal};
use crate::site::{Access, NamedBy, Route, Site, takes_key};

/// An OpenAPI document.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct OpenApiDocument(Map<String, Value>);

impl OpenApiDocument {
    pub(crate) fn of(document: Value) -> Self {
        match document {
            Value::Object(fields) => Self(fields),
            _ => Self(Map::new()),
        }
    }
}

/// The OpenAPI 3.1 document of a server's REST API, under the server's title; pages are not part of it.
#[must_use]
pub fn openapi<S: Site>(title: &str, routes: &[Route<S>]) -> Value {
    let mut schemas = Schemas::default();
    let examples: Value = serde_json::from_str(S::EXAMPLES).unwrap_or_default();
    let (mut paths, mut names) = (Map::new(), BTreeSet::new());
    let mut refused = BTreeMap::new();
    for route in routes {
        let Some(describe) = route.describe else { continue };
        let mut call = Operation::new(&mut schemas);
        describe(&mut call);
        let described = Described {
            path: std::mem::take(&mut call.path),
            query: call.query.take(),
            body: call.body.take(),
            status: call.status,
            content: std::mem::take(&mut call.content),
        };
        let path = in_field_terms::<S>(route.path);
        let example = &examples[format!("{} {}", route.method, route.path)];
        let mut operation = described.operation::<S>(route, example, &mut refused);
        operation["operationId"] = json!(operation_id(route, &mut names));
        paths.entry(path).or_insert_with(|| json!({}))[route.method] = operation;
    }
    let forms = [
        (Refusal::Problem, schemas.told::<ProblemDocument<'_>>()),
        (Refusal::Account, schemas.told::<AccountRefusal>()),
        (Refusal::Device, schemas.told::<DeviceRefusal>()),
        (Refusal::Token, schemas.told::<TokenRefusal>()),
    ];
    let responses: Map<String, Value> = refused
        .into_iter()
        .map(|(name, (refusal, status))| {
            let schema = forms.iter().find(|(form, _)| *form == refusal).map(|(_, schema)| schema);
            let schema = schema.cloned().unwrap_or_default();
            let content_type = match refusal {
                Refusal::Problem => "application/problem+json",
                _ => "application/json",
            };
            let mut response = json!({
                "description": meaning(refusal, status),
                "content": { content_type: { "schema": schema } },
            });
            if status == 429 {
                let about = "After how many seconds it makes sense to try again.";
                response["headers"] =
                    json!({ "Retry-After": { "description": about, "schema": { "type": "integer" } } });
            }
            (name, response)
        })
        .collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": S::ABOUT,
        },
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "responses": responses,
        },
        "paths": paths,
    });
    let named = merged(&mut document["paths"], schemas.named());
    document["components"]["schemas"] = Value::Object(named);
    in_terms_of::<S>(&mut document);
    document
}

/// An answer whose fields call a scope and its part what this server calls them.
pub(crate) struct InTerms<S, T>(T, PhantomData<S>);

impl<S, T> InTerms<S, T> {
    pub(crate) fn new(answer: T) -> Self {
        Self(answer, PhantomData)
    }
}

impl<S: Site, T: Serialize> Serialize for InTerms<S, T> {
    fn serialize<W: Serializer>(&self, writer: W) -> Result<W::Ok, W::Error> {
        let mut value = serde_json::to_value(&self.0).map_err(serde::ser::Error::custom)?;
        fields_in_terms_of::<S>(&mut value);
        value.serialize(writer)
    }
}

/// Its schema is that of what it holds: names are changed in all of a document.
impl<S, T: JsonSchema> JsonSchema for InTerms<S, T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

fn fields_in_terms_of<S: Site>(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(scope) = fields.remove("scope_id") {
                fields.insert(S::SCOPE_ID.to_owned(), scope);
            }
            if let (Some(part), Some(name)) = (fields.remove("part_id"), S::PART_ID) {
                fields.insert(name.to_owned(), part);
            }
            fields.values_mut().for_each(fields_in_terms_of::<S>);
        }
        Value::Array(items) => items.iter_mut().for_each(fields_in_terms_of::<S>),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What a handler's types said.
struct Described {
    path: Vec<Value>,
    query: Option<Value>,
    body: Option<crate::operation::Body>,
    status: Option<u16>,
    content: Vec<(&'static str, Value)>,
}

/// The refusals of a document, by their names: of which form and status they are.
type Refused = BTreeMap<String, (Refusal, u16)>;

impl Described {
    fn operation<S: Site>(self, route: &Route<S>, example: &Value, refused: &mut Refused) -> Value {
        let statuses = self.statuses(route);
        let mut responses = Map::new();
        if let Some(status) = self.status {
            let content = self.content.into_iter().map(|(content_type, schema)| {
                let mut one = json!({ "schema": schema });
                if content_type == JSON && !example.is_null() {
                    one["example"] = example.clone();
                }
                (content_type.to_owned(), one)
            });
            let content: Map<String, Value> = content.collect();
            responses.insert(
                status.to_string(),
                json!({ "description": "What was asked for, or what was done.", "content": content }),
            );
        }
        for status in statuses {
            let name = format!("{:?}{status}", route.refusal);
            responses.insert(
                status.to_string(),
                json!({ "$ref": format!("#/components/responses/{name}") }),
            );
            refused.insert(name, (route.refusal, status));
        }
        let mut operation = json!({
            "summary": route.summary,
            "tags": [tag(route)],
            "parameters": parameters::<S>(route, self.path, self.query),
            "responses": responses,
        });
        if let Some(body) = self.body {
            let example = route
                .request
                .map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
            let content = body.content.into_iter().map(|(content_type, schema)| {
                let content_type = route.body_type.unwrap_or(content_type);
                let schema = match route.body_type {
                    Some(content_type) => crate::operation::of_file(content_type),
                    None => schema,
                };
                let mut one = json!({ "schema": schema });
                // What is sent as a form is no example of JSON.
                let is_of_it = |example: &&Value| content_type != JSON || !example.is_string();
                if let Some(example) = example.as_ref().filter(is_of_it) {
                    one["example"] = example.clone();
                }
                (content_type.to_owned(), one)
            });
            let content: Map<String, Value> = content.collect();
            operation["requestBody"] = json!({ "required": body.required, "content": content });
        }
        operation["x-role"] = json!(role(route.access));
        match route.access {
            Access::Anyone => operation["security"] = json!([]),
            Access::Oneself => operation["x-api-tokens"] = json!(false),
            Access::LoggedIn | Access::May(_) => {}
        }
        operation
    }

    /// The refusals that a call of this kind may be answered with.
    fn statuses<S>(&self, route: &Route<S>) -> BTreeSet<u16> {
        let changes = route.method != "get";
        let (is_open, has_body) = (route.access == Access::Anyone, self.body.is_some());
        let names = !self.path.is_empty() || route.named_by != NamedBy::Numbers;
        let mut statuses = BTreeSet::from([503]);
        let mut may_be = |is_so: bool, all: &[u16]| {
            if is_so {
                statuses.extend(all);
            }
        };
        may_be(!route.for_devices, &[426]);
        // Who logs in shows something, too.
        may_be(!is_open || changes && !route.for_machines, &[401]);
        may_be(!is_open && (changes || route.access != Access::LoggedIn), &[403]);
        may_be(names || self.query.is_some() || has_body || takes_key(route), &[400]);
        may_be(names || has_body || changes && !is_open, &[404]);
        may_be(self.query.is_some() || changes && !is_open, &[422]);
        may_be(has_body && !route.for_machines, &[413, 422]);
        may_be(changes && !is_open, &[409]);
        may_be(route.for_machines, &[413, 415, 429]);
        may_be(changes && (is_open || route.holds_secret), &[429]);
        may_be(route.path.contains("{login}"), &[404]);
        // A name may be of several.
        may_be(route.refusal != Refusal::Problem && names, &[409]);
        statuses.extend(route.also);
        if route.refusal != Refusal::Problem && statuses.remove(&422) {
            // These APIs know one status for what is wrong with a request.
            statuses.insert(400);
        }
        statuses
    }
}

fn meaning(refusal: Refusal, status: u16) -> &'static str {
    match status {
        400 if refusal != Refusal::Problem => "The request cannot be right.",
        400 => "The request has another form than it is to have: `errors` names what.",
        401 => "Nobody is logged in, or what was shown for it is wrong.",
        403 => "Whoever is logged in may not do this.",
        404 => "There is no such thing, or the caller may not know it.",
        409 => "The request is right, but not now.",
        413 => "It holds more than is taken.",
        415 => "It is packed in a way that is not known here.",
        422 => {
            "The request has the right form, and what it says cannot be: `errors` names what, where that is one field."
        }
        426 => "Only messages of product instances are taken over TLS 1.2.",
        429 => "Too many requests.",
        502 => "Another server that has to be asked does not answer as it should.",
        503 => "The server cannot do its work now.",
        _ => "Refused.",
    }
}

fn role(access: Access) -> &'static str {
    match access {
        Access::Anyone => "anyone",
        Access::Oneself | Access::LoggedIn | Access::May(Action::View) => "viewer",
        Access::May(Action::Operate) => "user",
        Access::May(Action::Administer) => "administrator",
        Access::May(Action::AdministerAll) => "administrator of all accounts",
        Access::May(Action::ViewAll) => "viewer of all accounts",
    }
}

/// The words of a handler's name: its module and its own.
fn words(name: &str) -> (&str, &str) {
    let plain = name.split("::<").next().unwrap_or(name).split(" :: <").next().unwrap_or(name);
    let mut words = plain.rsplit("::").map(str::trim);
    let own = words.next().unwrap_or_default();
    (words.next().unwrap_or_default(), own)
}

/// Under which head a call stands.
fn tag<S>(route: &Route<S>) -> String {
    match (route.refusal, words(route.name)) {
        _ if route.for_devices || route.for_machines => "product instances".to_owned(),
        (Refusal::Problem, ("api", _)) => "server".to_owned(),
        (Refusal::Problem, ("", _)) => "identity".to_owned(),
        (Refusal::Problem, (module, _)) => module.replace('_', " "),
        _ => "public".to_owned(),
    }
}

/// What programs that are made from the document call it.
fn operation_id<S>(route: &Route<S>, names: &mut BTreeSet<String>) -> String {
    let name = match (route.refusal, words(route.name)) {
        (Refusal::Problem, ("api" | "books" | "", own)) => own.to_owned(),
        (Refusal::Problem, (module, own)) => format!("{module}_{own}"),
        (_, (module, own)) => format!("public_{module}_{own}"),
    };
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !names.contains(name));
    let free = free.unwrap_or(name);
    names.insert(free.clone());
    free
}

/// A path with the words that the API has for what it names.
fn in_field_terms<S: Site>(path: &str) -> String {
    let scope = path.replace(&format!("{{{}}}", S::SCOPE), &format!("{{{}}}", S::SCOPE_ID));
    match (S::PART, S::PART_ID) {
        (Some(short), Some(long)) => scope.replace(&format!("{{{short}}}"), &format!("{{{long}}}")),
        _ => scope,
    }
}

fn parameters<S: Site>(route: &Route<S>, path: Vec<Value>, query: Option<Value>) -> Vec<Value> {
    let template = in_field_terms::<S>(route.path);
    let named: Vec<&str> =
        template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    // What the guard alone reads is text: names of accounts.
    let schemas = path.into_iter().map(Some).chain(std::iter::repeat(None));
    let mut parameters: Vec<Value> = named
        .iter()
        .zip(schemas)
        .map(|(name, schema)| {
            let schema = schema.unwrap_or_else(|| json!({ "type": "string" }));
            let example = example_of(name, &schema);
            json!({
                "name": name, "in": "path", "required": true, "schema": schema, "example": example,
            })
        })
        .collect();
    let mut query = query.unwrap_or_default();
    in_terms_of::<S>(&mut query);
    let required: Vec<&str> =
        query["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, schema) in query["properties"].as_object().into_iter().flatten() {
        let mut schema = schema.clone();
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let mut parameter = json!({
            "name": name,
            "in": "query",
            "required": required.contains(&name.as_str()),
            "schema": without_null(schema),
        });
        if let Some(about) = about {
            parameter["description"] = about;
        }
        parameters.push(parameter);
    }
    let mut header = |name: &str, required: bool, schema: Value, about: &str| {
        parameters.push(json!({
            "name": name, "in": "header", "required": required, "schema": schema, "description": about,
        }));
    };
    if takes_key(route) && !route.holds_secret {
        let schema =
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" });
        let about = "The same call under the same key is done once and answered alike for a day.";
        header("Idempotency-Key", false, schema, about);
    }
    if route.named_by == NamedBy::Headers {
        for (name, about) in [
            ("X-CSW-SMART-ACCOUNT-ID", "The number of the smart account."),
            ("X-CSW-VIRTUAL-ACCOUNT-ID", "The number of the virtual account."),
        ] {
            header(name, true, json!({ "type": "integer", "format": "int64" }), about);
        }
    }
    parameters
}

/// What stands in a path of an example.
fn example_of(name: &str, schema: &Value) -> Value {
    match name {
        "login" => json!("eve"),
        "domain" => json!("example.net"),
        "account" => json!("Example"),
        "virtual_account" => json!("Default"),
        "tag" => json!("LAN_ENTERPRISE_SERVICES_PKG"),
        "name" => json!("ONE"),
        _ if schema["type"] == "string" => json!(name),
        _ => json!(1),
    }
}

/// A query has no way to say that there is nothing but not to name it.
fn without_null(mut schema: Value) -> Value {
    let Some(fields) = schema.as_object_mut() else { return schema };
    if fields.get("default") == Some(&Value::Null) {
        fields.remove("default");
    }
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            fields["type"] = only.clone();
        }
    }
    if let Some(Value::Array(any)) = fields.get_mut("anyOf") {
        any.retain(|one| one["type"] != "null");
        if let [Value::Object(only)] = &any[..] {
            let only = only.clone();
            fields.remove("anyOf");
            fields.extend(only);
        }
    }
    schema
}

/// The named schemas of what is taken and of what is answered, in one list: a type that differs in the two has two names there.
fn merged(paths: &mut Value, [taken, told]: [Map<String, Value>; 2]) -> Map<String, Value> {
    let differ: BTreeSet<String> = taken
        .iter()
        .filter(|(name, schema)| told.get(*name).is_some_and(|other| other != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    let mut all = told;
    for (name, mut schema) in taken {
        renamed(&mut schema, &differ);
        all.insert(if differ.contains(&name) { as_taken(&name) } else { name }, schema);
    }
    for operation in paths.as_object_mut().into_iter().flatten() {
        for (_, operation) in operation.1.as_object_mut().into_iter().flatten() {
            for place in ["parameters", "requestBody"] {
                if let Some(place) = operation.get_mut(place) {
                    renamed(place, &differ);
                }
            }
        }
    }
    all
}

/// What a schema is called that is another one where it is taken.
fn as_taken(name: &str) -> String {
    format!("{name}Taken")
}

fn renamed(value: &mut Value, differ: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get_mut("$ref") {
                let name = to.rsplit('/').next().unwrap_or_default().to_owned();
                if differ.contains(&name) {
                    *to = format!("#/components/schemas/{}", as_taken(&name));
                }
            }
            fields.values_mut().for_each(|value| renamed(value, differ));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| renamed(value, differ)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Names the fields that say a scope and its part as this server calls them; where there are no parts, that field goes.
pub(crate) fn in_terms_of<S: Site>(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                if let Some(schema) = properties.remove("scope_id") {
                    properties.insert(S::SCOPE_ID.to_owned(), schema);
                }
                if let (Some(schema), Some(name)) = (properties.remove("part_id"), S::PART_ID) {
                    properties.insert(name.to_owned(), schema);
                }
            }
            if let Some(Value::Array(required)) = fields.get_mut("required") {
                required.retain(|name| S::PART_ID.is_some() || name != "part_id");
                for name in required {
                    match name.as_str() {
                        Some("scope_id") => *name = json!(S::SCOPE_ID),
                        Some("part_id") => *name = json!(S::PART_ID),
                        _ => {}
                    }
                }
            }
            fields.values_mut().for_each(in_terms_of::<S>);
        }
        Value::Array(items) => items.iter_mut().for_each(in_terms_of::<S>),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
