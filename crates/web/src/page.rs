//! What every page has: a head, who is logged in, the way in and out.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{DOCTYPE, Markup, html};
use rumline_protocol::Timestamp;
use rumline_server::{Begun, Caller};
use serde::Deserialize;

use crate::problem::Problem;
use crate::site::{self, Site};

/// One page of a site's navigation: its address and name.
pub(crate) type Tab = (String, &'static str);

/// What stands around the content of a page.
#[derive(Default)]
pub(crate) struct Frame<'a> {
    /// Its title.
    pub title: &'a str,
    /// Who is logged in.
    pub caller: Option<&'a Caller>,
    /// The navigation.
    pub tabs: &'a [Tab],
    /// The address it stands at.
    pub current: &'a str,
    /// What stands at the top right, before who is logged in.
    pub corner: Option<Markup>,
}

/// A page around `content`.
pub(crate) fn page<S: Site>(state: &S, frame: Frame<'_>, content: &Markup) -> Markup {
    let Frame { title, caller, tabs, current, corner } = frame;
    // Of the pages that it stands below, the nearest.
    let is_above = |at: &str| {
        current.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let above = tabs.iter().map(|(at, _)| at.as_str()).filter(|at| is_above(at));
    let here = above.max_by_key(|at| at.len());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - " (state.title()) }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="data:,";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#content" { "To the content" }
                header {
                    strong { a href="/" { (state.title()) } }
                    @if let Some(caller) = caller {
                        div.who {
                            @if let Some(corner) = corner { (corner) }
                            span { a href="/me" { (caller.login) } span.soft { " (" (caller.highest_role().name()) ")" } }
                            a.button href="/help" { "Help" }
                            form method="post" action="/logout" { button { "Log out" } }
                        }
                    }
                }
                @if !tabs.is_empty() {
                    nav aria-label="Pages" {
                        @for (address, name) in tabs {
                            a href=(address) aria-current=[(here == Some(address)).then_some("page")] {
                                (name)
                            }
                        }
                    }
                }
                main id="content" { (content) }
            }
        }
    }
}

/// What went wrong, as a page with the way back. Whoever is logged in keeps the frame of the place that was asked for.
pub(crate) async fn problem_page<S: Site>(
    state: &S,
    who: Option<(Caller, String)>,
    problem: Problem,
    back: &str,
) -> Response {
    let (site, back) = (state.clone(), back.to_owned());
    let (status, detail) = (problem.status(), problem.detail().to_owned());
    let markup = site::blocking(move || {
        let content = html! {
            h1 { "That did not work" }
            p.note.bad role="alert" { (detail) }
            p { a.button href=(back) { "Back" } }
        };
        let Some((caller, at)) = who else {
            return Ok(page(&site, Frame { title: "Problem", ..Frame::default() }, &content));
        };
        let (tabs, corner) = site.frame(&caller, &at);
        let frame =
            Frame { title: "Problem", caller: Some(&caller), tabs: &tabs, current: &at, corner };
        Ok(page(&site, frame, &content))
    });
    match markup.await {
        Ok(markup) => (status, markup).into_response(),
        Err(_) => problem.into_response(),
    }
}

/// What stands before something that is said and is not good.
pub(crate) const BAD: char = '!';
/// The longest that is said, in bytes of the cookie it travels in: browsers drop larger ones.
const SAID_BYTES_MAX: usize = 3_000;

/// The name of the cookie that says on the next page what was done: servers on one host must not share it.
fn said_name<S: Site>(site: &S) -> String {
    format!("{}-said", site.cookie())
}

/// The cookie with what is said on the next page, for some seconds.
pub(crate) fn said_cookie<S: Site>(site: &S, text: &str, seconds: u32) -> String {
    let mut said = String::new();
    for letter in text.chars() {
        let written = in_query(letter.encode_utf8(&mut [0; 4]));
        if said.len() + written.len() > SAID_BYTES_MAX {
            break;
        }
        said.push_str(&written);
    }
    let name = said_name(site);
    format!("{name}={said}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age={seconds}")
}

/// What was said with a request.
pub(crate) fn said_to<S: Site>(site: &S, headers: &HeaderMap) -> Option<String> {
    let said = site::cookie(headers, &said_name(site)).map(from_query);
    said.filter(|said| !said.is_empty())
}

/// What is said on a page.
pub(crate) fn said(text: &str) -> Markup {
    html! { @match text.strip_prefix(BAD) {
        Some(text) => p.note.bad role="alert" { (text) },
        None => p.note.good role="status" { (text) },
    } }
}

/// A time for people; nothing where there is none.
pub(crate) fn time(at: Option<i64>) -> Markup {
    match at {
        Some(at) => {
            let text = Timestamp(at).to_string();
            let (day, hour) = text.split_once('T').unwrap_or((&text, ""));
            html! { time datetime=(text) {
                span { (day) } " " span { (hour.trim_end_matches('Z')) " UTC" }
            } }
        }
        None => html! { span.soft { "never" } },
    }
}

/// Sends someone who is not logged in to the way in.
pub(crate) fn to_login<S: Site>(
    state: &S,
    method: &Method,
    from: &Uri,
    headers: &HeaderMap,
) -> Response {
    let is_form = method != Method::GET;
    let asked = from.path_and_query().map_or("/", |path| path.as_str());
    // A form's address shows nothing: it goes on where the form stood.
    let from = if is_form { path_of(headers.get(header::REFERER)) } else { asked };
    let to = Redirect::to(&format!("/login?next={}", in_query(from)));
    if site::cookie(headers, state.cookie()).is_none() {
        return to.into_response();
    }
    let lost = if is_form { " What you typed was not taken." } else { "" };
    let said = format!("{BAD}Your login has ended: log in again.{lost}");
    ([(header::SET_COOKIE, said_cookie(state, &said, 60))], to).into_response()
}

/// The path of a whole address.
fn path_of(address: Option<&HeaderValue>) -> &str {
    let text = address.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let after_host =
        text.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    after_host.unwrap_or("/")
}

/// Text as it stands in a query.
#[must_use]
pub fn in_query(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let written = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(written).collect()
}

/// A text in which commands stand in backticks.
pub(crate) fn with_commands(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What stands in a query, as text.
pub(crate) fn from_query(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        rest = match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &after[2..]
            }
            (b'+', _) => {
                bytes.push(b' ');
                after
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number and what it counts.
pub(crate) fn counted(count: i64, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

/// An address of this very server.
pub(crate) fn own_address(next: Option<&str>) -> &str {
    // Browsers drop some characters from addresses, and take a backslash for a slash.
    let plain = |next: &&str| !next.contains(|c: char| c == '\\' || c.is_control());
    next.filter(plain)
        .filter(|next| next.starts_with('/') && !next.starts_with("//"))
        .unwrap_or("/")
}

#[derive(Deserialize)]
pub(crate) struct Next {
    pub next: Option<String>,
}

pub(crate) fn login_form<S: Site>(state: &S, next: &str, told: Option<&str>) -> Markup {
    let content = html! {
        h1 { "Log in to " (state.title()) }
        @if let Some(told) = told { (said(told)) }
        form.row method="post" action="/login" {
            label { "Login" input name="login" autocomplete="username" required autofocus; }
            label { "Password"
                input name="password" type="password" autocomplete="current-password" required;
            }
            input type="hidden" name="next" value=(next);
            button.first { "Log in" }
        }
        @if let Some(provider) = state.provider() {
            p {
                a.button href=(format!("/login/provider?next={}", in_query(next))) {
                    "Log in with " (provider.title())
                }
            }
        }
        p.soft { "The first administrator is admin; the password was shown when the server first started, or is in the file that was named then." }
    };
    page(state, Frame { title: "Log in", ..Frame::default() }, &content)
}

pub(crate) async fn show_login<S: Site>(
    State(state): State<S>,
    Query(query): Query<Next>,
    headers: HeaderMap,
) -> Response {
    let told = said_to(&state, &headers);
    let form = login_form(&state, own_address(query.next.as_deref()), told.as_deref());
    ([(header::SET_COOKIE, said_cookie(&state, "", 0))], form).into_response()
}

/// What asks for the code, once the password was right; a ticket stands for that.
pub(crate) fn code_form<S: Site>(
    state: &S,
    next: &str,
    ticket: &str,
    told: Option<&str>,
) -> Markup {
    let content = html! {
        h1 { "Log in to " (state.title()) }
        @if let Some(told) = told { (said(told)) }
        form.row method="post" action="/login" {
            label { "Code"
                input name="code" autocomplete="one-time-code" required autofocus;
            }
            input type="hidden" name="ticket" value=(ticket);
            input type="hidden" name="next" value=(next);
            button.first { "Log in" }
        }
        p.soft { "The six digits that your app shows now, or a recovery code. Without either, an administrator resets your second factor." }
        p { a.button href=(format!("/login?next={}", in_query(next))) { "Back" } }
    };
    page(state, Frame { title: "Log in", ..Frame::default() }, &content)
}

/// Login and password, or what stands for them with the code.
#[derive(Deserialize)]
pub(crate) struct LogIn {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
    next: Option<String>,
    ticket: Option<String>,
    #[serde(default)]
    code: String,
}

/// The cookie that holds a login.
pub(crate) fn login_cookie<S: Site>(state: &S, token: &str) -> String {
    let name = state.cookie();
    format!("{name}={token}; HttpOnly; Secure; SameSite=Strict; Path=/")
}

/// One step of a login.
async fn step<S: Site>(state: &S, form: LogIn, from: site::From) -> Result<Begun, Problem> {
    let _permit = state.gates().logins.acquire().await;
    let (people, now) = (state.people().clone(), state.now());
    let name = match form.ticket.clone() {
        Some(ticket) => {
            let people = people.clone();
            site::blocking(move || people.login_of_ticket(now, &ticket)).await.unwrap_or_default()
        }
        None => site::printable(&form.login),
    };
    let address = from.0.clone();
    let outcome = site::blocking(move || match &form.ticket {
        Some(ticket) => people.finish_login(now, ticket, &form.code, &from.0).map(Begun::Done),
        None => people.begin_login(now, &form.login, &form.password, &from.0),
    });
    let outcome = outcome.await;
    if !matches!(outcome, Ok(Begun::NeedsCode(_))) {
        site::logged(&outcome, &name, &address);
    }
    outcome
}

pub(crate) async fn log_in<S: Site>(
    State(state): State<S>,
    from: site::From,
    headers: HeaderMap,
    Form(form): Form<LogIn>,
) -> Response {
    let next = own_address(form.next.as_deref());
    if site::from_elsewhere(&headers) {
        // Another site's page must not log anyone in here as somebody else.
        let problem = Problem::new(StatusCode::FORBIDDEN, "log in on this server's own page");
        return problem_page(&state, None, problem, "/login").await;
    }
    let next = next.to_owned();
    let ticket = form.ticket.clone();
    if ticket.is_none() && (form.login.is_empty() || form.password.is_empty()) {
        let told = format!("{BAD}Type login and password.");
        let form = login_form(&state, &next, Some(&told));
        return (StatusCode::UNPROCESSABLE_ENTITY, form).into_response();
    }
    match step(&state, form, from).await {
        Ok(Begun::Done(token)) => {
            ([(header::SET_COOKIE, login_cookie(&state, &token))], Redirect::to(&next))
                .into_response()
        }
        Ok(Begun::NeedsCode(ticket)) => code_form(&state, &next, &ticket, None).into_response(),
        Err(problem) => {
            let is_refused = problem.status() == StatusCode::UNAUTHORIZED;
            let text = match (&ticket, problem.code()) {
                (None, _) if is_refused => "Login or password are wrong.",
                (Some(_), None) if is_refused => "That took too long: log in again.",
                _ => problem.detail(),
            };
            let told = format!("{BAD}{text}");
            // A code that is wrong, or comes too soon, may be followed by a right one.
            let form = match ticket {
                Some(ticket) if !is_refused || problem.code().is_some() => {
                    code_form(&state, &next, &ticket, Some(&told))
                }
                _ => login_form(&state, &next, Some(&told)),
            };
            (problem.status(), form).into_response()
        }
    }
}

pub(crate) async fn log_out<S: Site>(State(state): State<S>, headers: HeaderMap) -> Response {
    if let Some(token) = site::login_token(&state, &headers).map(str::to_owned) {
        let people = state.people().clone();
        if let Err(problem) = site::blocking(move || people.log_out(&token)).await {
            return problem_page(&state, None, problem, "/").await;
        }
    }
    let name = state.cookie();
    let cookie = format!("{name}=; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

pub(crate) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("assets/style.css")).into_response()
}

pub(crate) async fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("assets/page.js")).into_response()
}

#[cfg(test)]
mod tests {
    use super::{from_query, in_query, own_address};

    #[test]
    fn what_stands_in_a_query_is_read_as_it_was_written() {
        for text in ["", "leaf-1", "a b&c=d+e%f", "Ärger ✓", "%zz"] {
            assert_eq!(from_query(&in_query(text)), text);
        }
        assert_eq!(from_query("a+b%20c%4"), "a b c%4");
        assert_eq!(from_query("%ff"), "\u{fffd}");
    }

    #[test]
    fn after_a_login_nobody_is_led_elsewhere() {
        for next in ["/tenants/1", "/"] {
            assert_eq!(own_address(Some(next)), next);
        }
        for next in
            ["//evil.example", "https://evil.example", "/\t/evil.example", "/\\evil", "/\n", "x"]
        {
            assert_eq!(own_address(Some(next)), "/", "{next:?}");
        }
        assert_eq!(own_address(None), "/");
    }
}
