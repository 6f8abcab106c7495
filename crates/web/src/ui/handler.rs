//! The handlers of all pages, of all forms, and of all files that are brought.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Multipart, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::ask::{filled, said_cookie};
use super::{Around, Ask, Done, Page, Post, Upload};
use crate::page::{self, Frame, in_query};
use crate::problem::Problem;
use crate::site::{BODY_BYTES_MAX, Route, Site, UPLOAD_BYTES_MAX, blocking};

/// The longest that is said, in characters.
const SAID_LETTERS_MAX: usize = 500;

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
        in_parts: false,
        handler: || axum::routing::post(act::<S, P>),
        ..page_route::<S, P::Page>()
    }
}

pub(super) fn upload_route<S: Site, U: Upload<S>>() -> Route<S> {
    Route {
        method: "post",
        path: U::AT,
        access: U::ACCESS,
        bytes_max: UPLOAD_BYTES_MAX,
        in_parts: false,
        handler: || axum::routing::post(take::<S, U>),
        ..page_route::<S, U::Page>()
    }
}

async fn show<S: Site, P: Page<S>>(State(site): State<S>, ask: Ask) -> Response {
    let ask = Arc::new(ask);
    let mut response = shown::<S, P>(&site, &ask, StatusCode::OK).await;
    if ask.said.is_some() {
        let over = said(&site, "", 0);
        if let Ok(value) = over.parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// The cookie with what is said on the next page, for some seconds.
fn said<S: Site>(site: &S, text: &str, seconds: u32) -> String {
    let said: String = text.chars().take(SAID_LETTERS_MAX).collect();
    let (name, said) = (said_cookie(site), in_query(&said));
    format!("{name}={said}; HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age={seconds}")
}

/// A page as it is asked for, or what is wrong with that.
async fn shown<S: Site, P: Page<S>>(site: &S, ask: &Arc<Ask>, status: StatusCode) -> Response {
    let (state, asked) = (site.clone(), Arc::clone(ask));
    let markup = blocking(move || {
        let page = P::load(&state, &asked)?;
        let Around { title, tabs, corner } = page.around(&state, &asked);
        let content = html! { (told(&asked)) (page.show(&state, &asked)) };
        let (caller, current) = (Some(&asked.caller), asked.at.as_str());
        let frame = Frame { title: &title, caller, tabs: &tabs, current, corner };
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

/// What became of a form: it goes on somewhere, or its page is shown with what is wrong.
async fn answered<S: Site, P: Page<S>>(
    site: &S,
    asked: Ask,
    blames: &'static [(&'static str, &'static str)],
    outcome: Result<Done, Problem>,
) -> Response {
    match outcome {
        Ok(Done { to, said: text }) => {
            ([(header::SET_COOKIE, said(site, &text, 60))], Redirect::to(&to)).into_response()
        }
        Err(problem) if problem.status().is_client_error() && !is_of_nothing(&problem) => {
            let text = problem.detail().to_owned();
            let field = blames.iter().find(|(_, words)| text.contains(words));
            let refused = Some((field.map_or("", |(field, _)| *field), text));
            let at = filled(P::AT, &asked.names);
            let asked = Arc::new(Ask { refused, at, said: None, ..asked });
            shown::<S, P>(site, &asked, problem.status()).await
        }
        Err(problem) => page::problem_page(site, Some(&asked.caller), &problem, "/"),
    }
}

/// Whether there is no page to come back to.
fn is_of_nothing(problem: &Problem) -> bool {
    [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED]
        .contains(&problem.status())
}

async fn act<S: Site, P: Post<S>>(State(site): State<S>, mut ask: Ask, body: Bytes) -> Response {
    ask.read_form(&body);
    let (state, asked) = (site.clone(), Arc::new(ask));
    let what = Arc::clone(&asked);
    let outcome = tokio::task::spawn_blocking(move || P::act(&state, &what)).await;
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed");
    let outcome = outcome.map_err(failed).flatten();
    answered::<S, P::Page>(&site, Arc::unwrap_or_clone(asked), P::BLAMES, outcome).await
}

async fn take<S: Site, U: Upload<S>>(
    State(site): State<S>,
    mut ask: Ask,
    form: Multipart,
) -> Response {
    let mut typed = Vec::new();
    let file = site.spool().form(form, |name, value| {
        typed.push((name.to_owned(), value.to_owned()));
    });
    let file = file.await;
    ask.form = typed;
    let outcome = match file {
        Ok(file) => U::take(&site, &ask, file).await,
        Err(problem) => Err(problem),
    };
    answered::<S, U::Page>(&site, ask, &[], outcome).await
}
