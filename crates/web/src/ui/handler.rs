//! The handlers of all pages, of all forms, and of all files that are brought.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Multipart, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::ask::filled;
use super::{Around, Ask, Call, Done, Page, Post, Upload};
use crate::page::{self, BAD, Frame, said_cookie};
use crate::problem::Problem;
use crate::site::{BODY_BYTES_MAX, Route, Site, UPLOAD_BYTES_MAX, blocking};

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
        for_devices: false,
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

pub(super) fn call_route<S: Site, C: Call<S>>() -> Route<S> {
    Route {
        method: "post",
        path: C::AT,
        access: C::ACCESS,
        in_parts: false,
        handler: || axum::routing::post(call::<S, C>),
        ..page_route::<S, C::Page>()
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
        let over = said_cookie(&site, "", 0);
        if let Ok(value) = over.parse() {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// A page as it is asked for, or what is wrong with that.
async fn shown<S: Site, P: Page<S>>(site: &S, ask: &Arc<Ask>, status: StatusCode) -> Response {
    let page = match P::read(site.clone(), Arc::clone(ask)).await {
        Ok(page) => page,
        Err(problem) => return page::problem_page(site, Some(&ask.caller), &problem, "/"),
    };
    let (state, asked) = (site.clone(), Arc::clone(ask));
    let markup = blocking(move || {
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
        @if let Some(said) = &ask.said { (page::said(said)) }
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
        Ok(Done { to, said, is_bad }) => {
            let text = if is_bad { format!("{BAD}{said}") } else { said };
            ([(header::SET_COOKIE, said_cookie(site, &text, 60))], Redirect::to(&to))
                .into_response()
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
    let gate = P::HASHES.then(|| Arc::clone(&site.gates().logins));
    let _permit = match gate {
        Some(gate) => Some(gate.acquire_owned().await),
        None => None,
    };
    let (state, asked) = (site.clone(), Arc::new(ask));
    let what = Arc::clone(&asked);
    let outcome = tokio::task::spawn_blocking(move || P::act(&state, &what)).await;
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed");
    let outcome = outcome.map_err(failed).flatten();
    answered::<S, P::Page>(&site, Arc::unwrap_or_clone(asked), P::BLAMES, outcome).await
}

async fn call<S: Site, C: Call<S>>(State(site): State<S>, mut ask: Ask, body: Bytes) -> Response {
    ask.read_form(&body);
    let outcome = C::act(&site, &ask).await;
    answered::<S, C::Page>(&site, ask, C::BLAMES, outcome).await
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
