//! The one handler of all pages, and the one of all forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, RawPathParams, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use rumline_server::{Caller, Error};

use super::{Ask, Done, Page, Post};
use crate::page::{self, Frame, from_query, in_query};
use crate::problem::Problem;
use crate::site::{BODY_BYTES_MAX, Route, Site, blocking, cookie};

/// The longest that is said, in characters.
const SAID_LETTERS_MAX: usize = 500;

/// The cookie that says on the next page what was done: servers on one host must not share it.
fn said_cookie<S: Site>(site: &S) -> String {
    format!("{}-said", site.cookie())
}

pub(super) fn page_route<S: Site, P: Page<S>>() -> Route<S> {
    Route {
        method: "get",
        path: P::AT,
        access: P::ACCESS,
        summary: "",
        request: None,
        response: "",
        bytes_max: BODY_BYTES_MAX,
        in_parts: P::IN_PARTS,
        takes_all: false,
        for_machines: false,
        handler: || axum::routing::get(show::<S, P>),
    }
}

pub(super) fn post_route<S: Site, P: Post<S>>() -> Route<S> {
    Route {
        method: "post",
        path: P::AT,
        access: P::ACCESS,
        takes_all: P::TAKES_ALL,
        handler: || axum::routing::post(act::<S, P>),
        ..page_route::<S, P::Page>()
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (from_query(name), from_query(value))
    };
    pairs.map(pair).collect()
}

fn ask<S: Site>(
    site: &S,
    caller: Caller,
    parameters: &RawPathParams,
    uri: &Uri,
    headers: &HeaderMap,
) -> Ask {
    let number = |(name, value): (&str, &str)| Some((name.to_owned(), value.parse().ok()?));
    let numbers: BTreeMap<String, i64> = parameters.iter().filter_map(number).collect();
    let said = cookie(headers, &said_cookie(site)).map(from_query);
    Ask {
        caller,
        now: site.now(),
        at: uri.path().to_owned(),
        numbers,
        query: pairs(uri.query().unwrap_or_default()),
        form: Vec::new(),
        refused: None,
        said: said.filter(|said| !said.is_empty()),
    }
}

async fn show<S: Site, P: Page<S>>(
    State(site): State<S>,
    Extension(caller): Extension<Caller>,
    parameters: RawPathParams,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let ask = Arc::new(ask(&site, caller, &parameters, &uri, &headers));
    let mut response = shown::<S, P>(&site, &ask, StatusCode::OK).await;
    if ask.said.is_some() {
        let over = format!(
            "{}=; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0",
            said_cookie(&site)
        );
        if let Ok(value) = over.parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// A page as it is asked for, or what is wrong with that.
async fn shown<S: Site, P: Page<S>>(site: &S, ask: &Arc<Ask>, status: StatusCode) -> Response {
    let (state, asked) = (site.clone(), Arc::clone(ask));
    let markup = blocking(move || {
        let page = P::load(&state, &asked)?;
        let tabs = page.tabs(&state, &asked);
        let title = page.title();
        let content = html! { (told(&asked)) (page.show(&state, &asked)) };
        let frame = Frame {
            title: &title,
            caller: Some(&asked.caller),
            tabs: &tabs,
            current: &asked.at,
            corner: None,
        };
        Ok(page::page(&state, frame, &content))
    });
    match markup.await {
        Ok(markup) => (status, markup).into_response(),
        Err(problem) => page::problem_page(site, Some(&ask.caller), &problem, "/"),
    }
}

/// What was done, and what is wrong with a form as a whole.
fn told(ask: &Ask) -> Markup {
    html! {
        @if let Some(said) = &ask.said { p.note.good role="status" { (said) } }
        @match &ask.refused {
            Some(("", problem)) => p.note.bad role="alert" { (problem) },
            Some((_, _)) => p.note.bad role="alert" { "That was not taken: see below." },
            None => {}
        }
    }
}

/// The address of a page with its numbers.
fn filled(at: &str, numbers: &BTreeMap<String, i64>) -> String {
    numbers.iter().fold(at.to_owned(), |at, (name, number)| {
        at.replace(&format!("{{{name}}}"), &number.to_string())
    })
}

async fn act<S: Site, P: Post<S>>(
    State(site): State<S>,
    Extension(caller): Extension<Caller>,
    parameters: RawPathParams,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    let mut asked = ask(&site, caller, &parameters, &uri, &headers);
    asked.said = None;
    asked.form = pairs(&String::from_utf8_lossy(&body));
    let asked = Arc::new(asked);
    let (state, what) = (site.clone(), Arc::clone(&asked));
    match tokio::task::spawn_blocking(move || P::act(&state, &what)).await {
        Ok(Ok(Done { to, said })) => {
            let said: String = said.chars().take(SAID_LETTERS_MAX).collect();
            let cookie = format!(
                "{}={}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=60",
                said_cookie(&site),
                in_query(&said)
            );
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Ok(Err(error @ (Error::Invalid(_) | Error::Conflict(_)))) => {
            let problem = Problem::from(error);
            let (status, text) = (problem.status(), problem.detail().to_owned());
            let blamed = P::BLAMES.iter().find(|(_, words)| text.contains(words));
            let field = blamed.map_or("", |(field, _)| *field);
            let refused = Some((field, text));
            match Arc::try_unwrap(asked) {
                Ok(asked) => {
                    let at = filled(P::Page::AT, &asked.numbers);
                    let asked = Arc::new(Ask { refused, at, ..asked });
                    shown::<S, P::Page>(&site, &asked, status).await
                }
                Err(asked) => page::problem_page(&site, Some(&asked.caller), &problem, "/"),
            }
        }
        Ok(Err(error)) => {
            page::problem_page(&site, Some(&asked.caller), &Problem::from(error), "/")
        }
        Err(_) => {
            let text = "the request failed";
            let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text);
            page::problem_page(&site, Some(&asked.caller), &problem, "/")
        }
    }
}
