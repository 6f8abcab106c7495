//! What the servers have in common on the web: a table of routes, and a guard in front of each of them.

mod guard;
mod repeated;

use std::any::Any;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use maud::Markup;
use rumline_net::{PeerAddress, Secured};
use rumline_protocol::Timestamp;
use rumline_server::{Action, Caller, Error, Gauge, NotReady, PartId, People, ScopeId};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;

use crate::metrics::Metrics;
use crate::operation::Operation;
use crate::packed;
use crate::problem::{Problem, Refusal, reworded};
use crate::provider::Provider;
use crate::ready::Readiness;
use crate::spool::Spool;
use guard::{Guard, authorize};

pub use guard::NamedBy;
pub(crate) use guard::Place;
pub(crate) use repeated::takes_key;

/// A server as the web sees it.
pub trait Site: Clone + Send + Sync + 'static {
    /// Its name, in titles.
    const NAME: &'static str;
    /// Examples of what its calls answer, from real runs: JSON, by `METHOD PATH`.
    const EXAMPLES: &'static str;
    /// What its API is about, in a sentence or two.
    const ABOUT: &'static str;
    /// The parameter of a path that names the scope a caller may be bound to.
    const SCOPE: &'static str;
    /// The parameter that names a part of it, if scopes have parts.
    const PART: Option<&'static str> = None;
    /// What the API calls the number of a scope.
    const SCOPE_ID: &'static str;
    /// What it calls the number of a part, if scopes have parts.
    const PART_ID: Option<&'static str> = None;

    /// Its people.
    fn people(&self) -> &People;
    /// The time, read once for each request.
    fn now(&self) -> Timestamp;
    /// What may go on at a time.
    fn gates(&self) -> &Gates;
    /// Whether it can do its work, as it was found last.
    fn readiness(&self) -> &Readiness;
    /// What it measures of itself.
    fn metrics(&self) -> &Metrics;
    /// What is counted when somebody asks.
    ///
    /// # Errors
    /// When the store fails.
    fn gauges(&self) -> Result<Vec<Gauge>, Error>;
    /// Whether its database takes its work now.
    ///
    /// # Errors
    /// With what stands in the way, and what the database said.
    fn probe(&self) -> Result<(), (NotReady, String)>;
    /// Where files on their way are kept.
    fn spool(&self) -> &Spool;
    /// The name of the cookie that holds a login: servers on one host must not share one.
    fn cookie(&self) -> &str;
    /// Whether a scope is there, and a part of it.
    ///
    /// # Errors
    /// When it is not, or the store fails.
    fn check_scope(&self, scope_id: ScopeId, part_id: Option<PartId>) -> Result<(), Error>;
    /// The part of a scope that one of its things is of: `kind` is what stands before its number in the path.
    ///
    /// # Errors
    /// When the store fails.
    fn part_of(&self, kind: &str, scope_id: ScopeId, id: i64) -> Result<Option<PartId>, Error> {
        let _ = (kind, scope_id, id);
        Ok(None)
    }
    /// The scope that the public API knows by this name, and a part of it.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    fn scope_named(
        &self,
        scope: &str,
        part: Option<&str>,
    ) -> Result<(ScopeId, Option<PartId>), Error> {
        let _ = (scope, part);
        Err(Error::NotFound("account"))
    }
    /// How an address is refused that is none of the table's: below the public API's as that would.
    fn refusal_at(&self, path: &str) -> Refusal {
        let _ = path;
        Refusal::Problem
    }
    /// Where an address that is none of the table's leads, if it is a known way to write one that is.
    fn meant_by(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }
    /// The provider by which people log in, if there is one.
    fn provider(&self) -> Option<&Provider>;
    /// What stands around a page at an address where something went wrong: the pages beside it, and what stands at the top
    /// right, as far as the caller may see the place.
    fn frame(&self, caller: &Caller, at: &str) -> (Vec<(String, &'static str)>, Option<Markup>);
    /// Its name in the titles of pages.
    fn title(&self) -> &'static str {
        Self::NAME
    }
}

/// How much of what is dear may go on at a time.
#[derive(Clone, Debug)]
pub struct Gates {
    /// Password checks: hashing is meant to be slow, and a few at a time leave room for everything else.
    pub logins: Arc<Semaphore>,
    /// Files of people, which are read through and worked on: a small archive may unpack to much.
    pub uploads: Arc<Semaphore>,
    /// Bundles that come by wire, which are unpacked in memory.
    pub bundles: Arc<Semaphore>,
    /// Forms that change what is there: one at a time of a page, and seldom one of another page in its way.
    edits: Arc<[Arc<Mutex<()>>]>,
}

/// Pages whose forms may be worked on at a time.
const EDITS: usize = 16;

impl Gates {
    /// The turn of those who change something of a page.
    pub(crate) fn edit(&self, page: &str) -> Arc<Mutex<()>> {
        let place = page
            .bytes()
            .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        Arc::clone(&self.edits[place % EDITS])
    }
}

impl Default for Gates {
    fn default() -> Self {
        let gate = |width| Arc::new(Semaphore::new(width));
        let edits = (0..EDITS).map(|_| Arc::default()).collect();
        Self { logins: gate(2), uploads: gate(1), bundles: gate(2), edits }
    }
}

/// What a route takes of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone; what is sent proves itself.
    Anyone,
    /// Whoever is logged in.
    LoggedIn,
    /// Whoever is logged in, and shows no API token: what is one's own is changed by oneself.
    Oneself,
    /// This action, in the scope of the path if it names one.
    May(Action),
}

/// A route.
pub struct Route<S> {
    /// `get`, `post`, `put` or `delete`.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// The page that its form stands on, if it is a form's.
    pub page: &'static str,
    /// Whether its form changes what is there, and carries what was seen of it.
    pub changes: bool,
    /// What it takes of its caller.
    pub access: Access,
    /// What it does, in a sentence; empty for a page.
    pub summary: &'static str,
    /// An example of the body it takes, if it takes one.
    pub request: Option<&'static str>,
    /// Its handler's name, which the document names it by.
    pub name: &'static str,
    /// What it takes and answers, from the types of its handler; none for a page.
    pub(crate) describe: Option<fn(&mut Operation<'_>)>,
    /// What it may answer beside what others of its kind do.
    pub(crate) also: &'static [u16],
    /// Of what content type its body is, where the handler does not say.
    pub(crate) body_type: Option<&'static str>,
    /// The largest body it takes into memory, in bytes.
    pub bytes_max: usize,
    /// Whether it is for those too who may act in parts of the scope only: its handler shows them these alone.
    pub in_parts: bool,
    /// Whether it takes the whole scope, though its path names one thing of it.
    pub takes_all: bool,
    /// Whether it is called by product instances and collectors only, by the thousand: nothing stands around its
    /// handler, which takes a [`Message`].
    pub(crate) for_machines: bool,
    /// Whether devices of older releases call it, which speak TLS 1.2: all others answer over 1.3 (PI-NET-006).
    pub for_devices: bool,
    /// Whether what it takes or answers holds a password or a secret: nothing of it is kept to be answered again.
    pub holds_secret: bool,
    /// How it names the scope it is about.
    pub named_by: NamedBy,
    /// In which form it says what it refuses.
    pub refusal: Refusal,
    pub(crate) handler: fn(Request, S) -> Answering,
}

impl<S> Route<S> {
    /// The same for larger bodies.
    pub(crate) fn taking(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// The same for whoever may act in a part: the handler leaves out the others.
    pub(crate) fn in_parts(self) -> Self {
        Self { in_parts: true, ..self }
    }

    /// The same for those only who may act in the whole scope.
    pub(crate) fn takes_all(self) -> Self {
        Self { takes_all: true, ..self }
    }

    /// The same as a call of the public API.
    pub(crate) fn public(self, named_by: NamedBy, refusal: Refusal) -> Self {
        Self { named_by, refusal, ..self }
    }

    /// The same where a secret is taken or answered.
    pub(crate) fn holds_secret(self) -> Self {
        Self { holds_secret: true, ..self }
    }

    /// The same for devices of any release.
    pub(crate) fn for_devices(self) -> Self {
        Self { for_devices: true, ..self }
    }

    /// The same where these statuses are answered, too.
    pub(crate) fn also(self, also: &'static [u16]) -> Self {
        Self { also, ..self }
    }

    /// The same where the body is of this content type.
    pub(crate) fn of_type(self, body_type: &'static str) -> Self {
        Self { body_type: Some(body_type), ..self }
    }

    /// The same for messages.
    pub(crate) fn for_machines(self) -> Self {
        Self { bytes_max: MESSAGE_BYTES_MAX, for_machines: true, ..self }
    }
}

/// A row of a table of routes: a call of the API, or `page`.
macro_rules! route {
    (page $method:ident $path:literal, $access:expr, $handler:path) => {
        $crate::site::Route {
            method: stringify!($method),
            path: $path,
            page: $path,
            changes: false,
            access: $access,
            summary: "",
            request: None,
            name: "",
            describe: None,
            also: &[],
            body_type: None,
            bytes_max: $crate::site::BODY_BYTES_MAX,
            in_parts: false,
            takes_all: false,
            for_machines: false,
            for_devices: false,
            holds_secret: false,
            named_by: $crate::site::NamedBy::Numbers,
            refusal: $crate::problem::Refusal::Problem,
            handler: |request, site| axum::handler::Handler::call($handler, request, site),
        }
    };
    ($method:ident $path:literal, $access:expr, $summary:literal, $request:expr, $handler:path) => {
        $crate::site::Route {
            method: stringify!($method),
            path: $path,
            page: $path,
            changes: false,
            access: $access,
            summary: $summary,
            request: $request,
            name: stringify!($handler),
            describe: Some(|operation| $crate::operation::describe(&$handler, operation)),
            also: &[],
            body_type: None,
            bytes_max: $crate::site::BODY_BYTES_MAX,
            in_parts: false,
            takes_all: false,
            for_machines: false,
            for_devices: false,
            holds_secret: false,
            named_by: $crate::site::NamedBy::Numbers,
            refusal: $crate::problem::Refusal::Problem,
            handler: |request, site| axum::handler::Handler::call($handler, request, site),
        }
    };
}
pub(crate) use route;

/// The largest body of most routes, in bytes: a form, or some JSON.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// The largest message of a product instance or a collector: one with the longest report.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// The largest form with a file, in bytes; files themselves go to disk.
pub(crate) const UPLOAD_BYTES_MAX: usize = 1 << 30;

/// A request on its way to its answer.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// For the router all handlers are of one type, whatever they take: routing of a type of its own for each of the hundreds of
/// routes was a quarter of the functions of this crate.
fn handled_by<S: Site>(method: &str, handler: fn(Request, S) -> Answering) -> MethodRouter<S> {
    let method = match method {
        "get" => MethodFilter::GET,
        "put" => MethodFilter::PUT,
        "delete" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    on(method, move |State(site): State<S>, request: Request| handler(request, site))
}

/// The router over a table.
pub(crate) fn router_over<S: Site>(state: S, routes: Vec<Route<S>>) -> Router {
    let mut router = Router::new();
    let mut device_paths = Vec::new();
    for route in routes {
        let page = route.summary.is_empty();
        let Route { access, path, in_parts, takes_all, named_by, refusal, .. } = route;
        let guard = Guard { access, page, path, in_parts, takes_all, named_by };
        let may_repeat = takes_key(&route);
        let mut handler = handled_by(route.method, route.handler);
        if may_repeat {
            let state = (state.clone(), route.holds_secret);
            handler = handler.route_layer(from_fn_with_state(state, repeated::once));
        }
        if route.access != Access::Anyone {
            let state = (state.clone(), guard);
            handler = handler.route_layer(from_fn_with_state(state, authorize));
        }
        if !route.for_machines {
            let limit = DefaultBodyLimit::max(route.bytes_max);
            let finish = from_fn_with_state(page.then(|| state.clone()), finish);
            handler = handler.layer(limit).layer(finish);
        }
        if refusal != Refusal::Problem {
            let reword = map_response(move |response| reworded(refusal, response));
            handler = handler.layer(reword);
        }
        if route.for_devices {
            device_paths.push((route.method, route.path));
        }
        router = router.route(route.path, handler);
    }
    let router = router.method_not_allowed_fallback(not_allowed::<S>).fallback(not_there::<S>);
    let device_paths: Arc<[(&str, &str)]> = device_paths.into();
    let guard = axum::middleware::from_fn(move |request, next| {
        over_tls_13(Arc::clone(&device_paths), request, next)
    });
    // Around everything: an address that is not there has something to say, too.
    let counted = from_fn_with_state(state.metrics().clone(), crate::metrics::count);
    router.layer(guard).layer(counted).with_state(state)
}

/// Stands before all that is not for devices: what people and programs see and say goes over TLS 1.3.
async fn over_tls_13(
    device_paths: Arc<[(&'static str, &'static str)]>,
    request: Request,
    next: Next,
) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let method = request.method().as_str();
    let is_for_devices = device_paths
        .iter()
        .any(|(of, path)| of.eq_ignore_ascii_case(method) && Some(*path) == matched);
    if !is_for_devices && request.extensions().get::<Secured>() == Some(&Secured::Tls12) {
        let text = "only messages of product instances are taken over TLS 1.2: use TLS 1.3";
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, text);
        let mut response = on_its_way(problem.into_response());
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, header::HeaderValue::from_static("TLS/1.3"));
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("upgrade"));
        return response;
    }
    next.run(request).await
}

async fn not_allowed<S: Site>(State(state): State<S>, at: Uri, headers: HeaderMap) -> Response {
    if state.refusal_at(at.path()) != Refusal::Problem {
        // To the public API a path is there for its methods only.
        return not_there(State(state), at, headers).await;
    }
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    on_its_way(as_asked(&state, &at, &headers, problem).await)
}

/// A message.
pub(crate) struct Message {
    /// Its body, unpacked.
    pub body: Bytes,
    /// Whether the answer may be packed.
    pub takes_gzip: bool,
}

impl<S: Send + Sync> FromRequest<S> for Message {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MESSAGE_BYTES_MAX).collect().await;
        let body = body.map(|body| body.to_bytes()).map_err(|error| {
            if error.is::<LengthLimitError>() {
                let text = format!("the message has more than {MESSAGE_BYTES_MAX} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text)
            } else {
                let text = format!("the message did not arrive whole: {error}");
                Problem::new(StatusCode::BAD_REQUEST, text)
            }
        })?;
        let body = packed::unpacked(&head.headers, body, MESSAGE_BYTES_MAX)?;
        Ok(Self { body, takes_gzip: packed::takes_gzip(&head.headers) })
    }
}

async fn not_there<S: Site>(State(state): State<S>, at: Uri, headers: HeaderMap) -> Response {
    // What no header can hold is no address that anybody meant.
    let path = at.to_string().is_ascii().then(|| state.meant_by(at.path())).flatten();
    if let Some(path) = path {
        let query = at.query().map_or(String::new(), |query| format!("?{query}"));
        // Method and body stay as they are.
        return on_its_way(Redirect::permanent(&format!("{path}{query}")).into_response());
    }
    let refusal = state.refusal_at(at.path());
    if refusal != Refusal::Problem {
        let problem = Problem::new(StatusCode::NOT_FOUND, "there is no such resource");
        return on_its_way(reworded(refusal, problem.into_response()).await);
    }
    let problem = Problem::new(StatusCode::NOT_FOUND, "there is no such page");
    on_its_way(as_asked(&state, &at, &headers, problem).await)
}

/// A problem as a page for whoever takes one.
async fn as_asked<S: Site>(state: &S, at: &Uri, headers: &HeaderMap, problem: Problem) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        let token = login_token(state, headers).map(str::to_owned);
        let who = who(state, token, at.path()).await;
        return crate::page::problem_page(state, who, problem, "/").await;
    }
    problem.into_response()
}

/// Who asked for an address, if somebody who is logged in did.
async fn who<S: Site>(state: &S, token: Option<String>, at: &str) -> Option<(Caller, String)> {
    let (token, people, now) = (token?, state.people().clone(), state.now());
    let caller = blocking(move || people.caller(now, &token)).await.ok()?;
    Some((caller, at.to_owned()))
}

/// What browsers may do with the pages: nothing from elsewhere is loaded, and nobody frames them.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// What a handler answered, with the framework's refusals in this server's words: on a page of `site` as a page.
async fn finish<S: Site>(State(site): State<Option<S>>, request: Request, next: Next) -> Response {
    let asked = site.as_ref().map(|site| {
        let token = login_token(site, request.headers()).map(str::to_owned);
        (token, request.uri().path().to_owned())
    });
    let response = next.run(request).await;
    let told = async |problem: Problem| match (&site, asked) {
        (Some(site), Some((token, at))) => {
            let who = who(site, token, &at).await;
            crate::page::problem_page(site, who, problem, "/").await
        }
        _ => problem.into_response(),
    };
    on_its_way(crate::problem::retold(response, told).await)
}

/// Every answer on its way out.
fn on_its_way(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let value = header::HeaderValue::from_static;
    headers.insert(header::CONTENT_SECURITY_POLICY, value(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, value("nosniff"));
    headers.insert(header::REFERRER_POLICY, value("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(value("no-store"));
    response
}

/// The API token of a request: a program's from its header, a browser's from its cookie.
pub(crate) fn login_token<'h, S: Site>(state: &S, headers: &'h HeaderMap) -> Option<&'h str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return value.to_str().ok()?.strip_prefix("Bearer ");
    }
    cookie(headers, state.cookie())
}

/// What a browser keeps under a name.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get(header::COOKIE)?.to_str().ok()?;
    all.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

pub(crate) async fn caller_of<S: Site>(
    state: &S,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Error> {
    let token = login_token(state, headers).ok_or(Error::Unauthenticated)?.to_owned();
    if !headers.contains_key(header::AUTHORIZATION)
        && *method != Method::GET
        && !same_origin(headers)
    {
        // Another site's page must not act with the cookie of this one.
        return Err(Error::Forbidden);
    }
    let (people, now) = (state.people().clone(), state.now());
    let work = move || people.caller(now, &token);
    aside(work).await.unwrap_or(Err(Error::Unauthenticated))
}

/// Whether a browser says that the request comes from a page of this very server.
fn same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| Some(origin.split_once("://")?.1));
    origin.is_some() && origin == text(header::HOST)
}

/// Whether a browser says that the request comes from a page of another server.
pub(crate) fn from_elsewhere(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") && !same_origin(headers)
}

/// Runs `work` on a thread that may block.
pub(crate) fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Answered<T> {
    Answered(aside(work))
}

/// Runs `work` on a thread that may block: nothing, if it failed. For the runtime all work is of one type, whatever it does: a task of
/// a type of its own for each of the hundreds of routes was a third of what this crate compiled to.
pub(crate) fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Aside<T> {
    Aside { task: begin(Box::new(move || Box::new(work()))), of: PhantomData }
}

/// What it logs is of the request that it is done for.
fn begin(work: Box<dyn FnOnce() -> Done + Send>) -> JoinHandle<Done> {
    let request = tracing::Span::current();
    tokio::task::spawn_blocking(move || request.in_scope(work))
}

type Done = Box<dyn Any + Send>;

/// Work that goes on aside.
pub(crate) struct Aside<T> {
    task: JoinHandle<Done>,
    of: PhantomData<fn() -> T>,
}

impl<T: 'static> Future for Aside<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let done = Pin::new(&mut self.task).poll(context);
        done.map(|done| done.ok()?.downcast().ok().map(|done| *done))
    }
}

/// Work that goes on aside, and answers a request.
pub(crate) struct Answered<T>(Aside<Result<T, Error>>);

impl<T: 'static> Future for Answered<T> {
    type Output = Result<T, Problem>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Problem>> {
        let failed = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed");
        let done = Pin::new(&mut self.0).poll(context);
        done.map(|done| done.map_or_else(|| Err(failed()), |outcome| Ok(outcome?)))
    }
}

/// Checks a login, its password and a code, if there is one; the number of checks at a time is bounded.
pub(crate) async fn log_in<S: Site>(
    state: &S,
    login: String,
    password: String,
    code: Option<String>,
    from: From,
) -> Result<String, Problem> {
    let _permit = state.gates().logins.acquire().await;
    let (people, now) = (state.people().clone(), state.now());
    let (name, address) = (printable(&login), from.0.clone());
    let work = move || people.log_in_with(now, &login, &password, code.as_deref(), &from.0);
    let outcome = blocking(work).await;
    logged(&outcome, &name, &address);
    outcome
}

/// Tells the log who logged in, or was refused.
pub(crate) fn logged<T>(outcome: &Result<T, Problem>, name: &str, address: &str) {
    match outcome {
        Ok(_) => tracing::info!(login = name, from = address, "logged in"),
        Err(problem) => {
            tracing::warn!(login = name, from = address, why = problem.detail(), "login refused");
        }
    }
}

/// A name from outside, for a line of the log.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect()
}

/// The address a request came from.
#[derive(Clone, Debug)]
pub(crate) struct From(pub String);

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<PeerAddress>();
        Ok(Self(peer.map_or_else(|| "unknown".to_owned(), |peer| peer.0.ip().to_string())))
    }
}
