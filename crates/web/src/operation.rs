//! What a call takes and answers, read off the types of its handler: a handler whose arguments or answer say nothing of
//! themselves is no handler of a route, so that no call is without schemas and none of them is written by hand.

use std::future::Future;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// Where schemas that have a name stand in the document.
const SCHEMAS: &str = "/components/schemas";
/// The content type of most bodies.
pub(crate) const JSON: &str = "application/json";

/// The schemas of a document on its way. What is taken and what is answered may differ in one type: a field that may be
/// left out is always there in an answer.
pub(crate) struct Schemas {
    taken: SchemaGenerator,
    told: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            })
        };
        Self {
            taken: settings().for_deserialize().into_generator(),
            told: settings().for_serialize().into_generator(),
        }
    }
}

impl Schemas {
    /// The schema of what is taken.
    pub(crate) fn taken<T: JsonSchema>(&mut self) -> Value {
        self.taken.subschema_for::<T>().to_value()
    }

    /// The same with what stands in it, rather than a name.
    pub(crate) fn taken_whole<T: JsonSchema>(&mut self) -> Value {
        T::json_schema(&mut self.taken).to_value()
    }

    /// The schema of what is answered.
    pub(crate) fn told<T: JsonSchema>(&mut self) -> Value {
        self.told.subschema_for::<T>().to_value()
    }

    /// Those that have names: of what is taken and of what is answered.
    pub(crate) fn named(mut self) -> [Map<String, Value>; 2] {
        [self.taken.take_definitions(true), self.told.take_definitions(true)]
    }
}

/// A body that a call takes.
pub(crate) struct Body {
    /// Whether it may not be left out.
    pub required: bool,
    /// Its content types, with a schema each.
    pub content: Vec<(&'static str, Value)>,
}

/// A call, as the document describes it.
pub(crate) struct Operation<'s> {
    pub(crate) schemas: &'s mut Schemas,
    /// What its path names, in order.
    pub(crate) path: Vec<Value>,
    /// An object with a field for each parameter of its query.
    pub(crate) query: Option<Value>,
    /// What it takes.
    pub(crate) body: Option<Body>,
    /// The status of an answer that is no refusal.
    pub(crate) status: Option<u16>,
    /// The content types of that, with a schema each.
    pub(crate) content: Vec<(&'static str, Value)>,
}

impl<'s> Operation<'s> {
    pub(crate) fn new(schemas: &'s mut Schemas) -> Self {
        Self {
            schemas,
            path: Vec::new(),
            query: None,
            body: None,
            status: None,
            content: Vec::new(),
        }
    }

    pub(crate) fn takes(&mut self, required: bool, content: Vec<(&'static str, Value)>) {
        self.body = Some(Body { required, content });
    }

    pub(crate) fn answers(&mut self, content_type: &'static str, schema: Value) {
        self.status.get_or_insert(200);
        self.content.push((content_type, schema));
    }
}

/// An argument of a handler.
pub(crate) trait Taken {
    /// What of the call it stands for; nothing where it is the server's own.
    fn tell(operation: &mut Operation<'_>) {
        let _ = operation;
    }
}

/// What a handler answers.
pub(crate) trait Told {
    fn tell(operation: &mut Operation<'_>);
}

/// A handler that says what it takes and answers.
pub(crate) trait Described<Arguments> {
    fn tell(operation: &mut Operation<'_>);
}

macro_rules! described {
    ($($argument:ident),*) => {
        impl<F, A, $($argument,)*> Described<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> A,
            A: Future,
            A::Output: Told,
            $($argument: Taken,)*
        {
            fn tell(operation: &mut Operation<'_>) {
                $(<$argument as Taken>::tell(operation);)*
                <A::Output as Told>::tell(operation);
            }
        }
    };
}

described!();
described!(T1);
described!(T1, T2);
described!(T1, T2, T3);
described!(T1, T2, T3, T4);
described!(T1, T2, T3, T4, T5);
described!(T1, T2, T3, T4, T5, T6);

/// Describes a call by its handler.
pub(crate) fn describe<A, H: Described<A>>(_: &H, operation: &mut Operation<'_>) {
    H::tell(operation);
}

impl<S> Taken for State<S> {}
impl<T> Taken for Extension<T> {}
impl Taken for HeaderMap {}

impl<T: JsonSchema> Taken for Path<T> {
    fn tell(operation: &mut Operation<'_>) {
        let mut whole = operation.schemas.taken_whole::<T>();
        operation.path = match whole["prefixItems"].take() {
            Value::Array(several) => several,
            _ => vec![operation.schemas.taken::<T>()],
        };
    }
}

impl<T: JsonSchema> Taken for Result<Path<T>, PathRejection> {
    fn tell(operation: &mut Operation<'_>) {
        <Path<T> as Taken>::tell(operation);
    }
}

impl<T: JsonSchema> Told for Json<T> {
    fn tell(operation: &mut Operation<'_>) {
        let schema = operation.schemas.told::<T>();
        // What is written in another project's words is an object, of which their documents tell more.
        let schema = if schema == Value::Bool(true) { of_file(JSON) } else { schema };
        operation.answers(JSON, schema);
    }
}

impl<T: Told, E> Told for Result<T, E> {
    fn tell(operation: &mut Operation<'_>) {
        T::tell(operation);
    }
}

/// Whoever answers so refuses always.
impl Told for Problem {
    fn tell(_: &mut Operation<'_>) {}
}

impl Told for &'static str {
    fn tell(operation: &mut Operation<'_>) {
        <String as Told>::tell(operation);
    }
}

impl Told for String {
    fn tell(operation: &mut Operation<'_>) {
        operation.answers("text/plain", json!({ "type": "string" }));
    }
}

/// Nothing more to tell than that it was done.
#[derive(serde::Serialize, JsonSchema)]
pub(crate) struct Done {}

/// The end of work that has nothing more to tell.
pub(crate) fn done() -> Result<Done, rumline_server::Error> {
    Ok(Done {})
}

/// A content type, or several.
pub(crate) trait Kind {
    const TYPES: &'static [&'static str];
    const STATUS: u16 = 200;
}

/// An answer that is written elsewhere, of a kind that its type names.
pub(crate) struct Of<K>(Response, std::marker::PhantomData<K>);

impl<K> Of<K> {
    pub(crate) fn new(answer: impl IntoResponse) -> Self {
        Self(answer.into_response(), std::marker::PhantomData)
    }
}

impl<K> IntoResponse for Of<K> {
    fn into_response(self) -> Response {
        self.0
    }
}

/// The schema of a body of a content type that is no JSON.
pub(crate) fn of_file(content_type: &str) -> Value {
    let is_text = content_type.starts_with("text/") || content_type.ends_with("xml");
    if is_text || content_type.contains("pem") {
        json!({ "type": "string" })
    } else if content_type == JSON {
        json!({ "type": "object" })
    } else {
        json!({ "type": "string", "format": "binary" })
    }
}

impl<K: Kind> Told for Of<K> {
    fn tell(operation: &mut Operation<'_>) {
        operation.status = Some(K::STATUS);
        for content_type in K::TYPES {
            operation.answers(content_type, of_file(content_type));
        }
    }
}

macro_rules! kinds {
    ($($(#[$about:meta])* $name:ident = $status:literal $types:expr;)+) => { $(
        $(#[$about])*
        pub(crate) struct $name;

        impl Kind for $name {
            const TYPES: &'static [&'static str] = &$types;
            const STATUS: u16 = $status;
        }
    )+ };
}

kinds! {
    /// A message of a product instance, or the answer to one.
    Messages = 200 [JSON];
    /// The same, taken and worked on.
    Accepted = 202 [JSON];
    /// An envelope of Call Home.
    Envelope = 200 ["text/xml"];
    /// An XML document.
    Xml = 200 ["application/xml"];
    /// Certificates.
    Pem = 200 ["application/x-pem-file"];
    /// A page for people.
    Html = 200 ["text/html"];
    /// A packed archive.
    Gzip = 200 ["application/gzip"];
    /// An archive of logs.
    Zip = 200 ["application/zip"];
    /// A spreadsheet.
    Csv = 200 ["text/csv"];
    /// An ACK: a document, or a bundle of documents.
    Acknowledgement = 200 ["text/plain", "application/gzip"];
    /// What is measured.
    OpenMetrics = 200 ["application/openmetrics-text"];
}

/// A report: JSON or a spreadsheet, as was asked for.
pub(crate) struct Rows<T>(Response, std::marker::PhantomData<T>);

impl<T> Rows<T> {
    pub(crate) fn new(answer: impl IntoResponse) -> Self {
        Self(answer.into_response(), std::marker::PhantomData)
    }
}

impl<T> IntoResponse for Rows<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: JsonSchema> Told for Rows<T> {
    fn tell(operation: &mut Operation<'_>) {
        <Json<Vec<T>> as Told>::tell(operation);
        operation.answers("text/csv", of_file("text/csv"));
    }
}
