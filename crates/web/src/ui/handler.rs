//! The handlers of all pages, of all forms, and of all files that are brought.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Multipart, State};
use axum::handler::Handler;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use tokio::sync::OwnedMutexGuard;

use super::ask::filled;
use super::seen::unchanged;
use super::words::kept_whole;
use super::{Around, Ask, Call, Changes, Done, Page, Post, Upload};
use crate::page::{self, BAD, Frame, said_cookie};
use crate::problem::{Problem, Refusal};
use crate::site::NamedBy;
use crate::site::{BODY_BYTES_MAX, Route, Site, UPLOAD_BYTES_MAX, aside, blocking};

pub(super) fn page_route<S: Site, P: Page<S>>() -> Route<S> {
    Route {
        method: "get",
        path: P::AT,
        page: P::AT,
        changes: false,
        access: P::ACCESS,
        summary: "",
        request: None,
        name: "",
        describe: None,
        also: &[],
        body_type: None,
        bytes_max: BODY_BYTES_MAX,
        in_parts: P::IN_PARTS,
        takes_all: false,
        for_machines: false,
        for_devices: false,
        holds_secret: false,
        named_by: NamedBy::Numbers,
        refusal: Refusal::Problem,
        handler: |request, site| Handler::call(show::<S, P>, request, site),
    }
}

pub(super) fn post_route<S: Site, P: Post<S>>() -> Route<S> {
    Route {
        method: "post",
        path: P::AT,
        changes: P::CHANGES.is_some(),
        access: P::ACCESS,
        takes_all: P::TAKES_ALL,
        in_parts: false,
        handler: |request, site| Handler::call(act::<S, P>, request, site),
        ..page_route::<S, P::Page>()
    }
}

pub(super) fn call_route<S: Site, C: Call<S>>() -> Route<S> {
    Route {
        method: "post",
        path: C::AT,
        changes: C::CHANGES.is_some(),
        access: C::ACCESS,
        in_parts: false,
        handler: |request, site| Handler::call(call::<S, C>, request, site),
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
        handler: |request, site| Handler::call(take::<S, U>, request, site),
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
        Err(problem) => return page::problem_page(site, ask.who(), problem, "/").await,
    };
    let (state, asked) = (site.clone(), Arc::clone(ask));
    let markup = blocking(move || {
        let Around { title, tabs, corner } = page.around(&state, &asked);
        let content = kept_whole(&html! { (told(&asked)) (page.show(&state, &asked)) });
        let (caller, current) = (Some(&asked.caller), asked.at.as_str());
        let frame = Frame { title: &title, caller, tabs: &tabs, current, corner };
        Ok(page::page(&state, frame, &content))
    });
    match markup.await {
        Ok(markup) => (status, markup).into_response(),
        Err(problem) => page::problem_page(site, ask.who(), problem, "/").await,
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
            let asked = Arc::new(Ask { refused, sent_to: asked.at, at, said: None, ..asked });
            shown::<S, P>(site, &asked, problem.status()).await
        }
        Err(problem) => page::problem_page(site, asked.who(), problem, "/").await,
    }
}

/// Whether there is no page to come back to.
fn is_of_nothing(problem: &Problem) -> bool {
    [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED]
        .contains(&problem.status())
}

/// One at a time of those that change something of one page: each looks whether it is as it was seen, and changes it.
async fn turn<S: Site, P: Page<S>>(
    site: &S,
    ask: &Ask,
    changes: Changes<P>,
) -> Option<OwnedMutexGuard<()>> {
    changes?;
    Some(site.gates().edit(&filled(P::AT, &ask.names)).lock_owned().await)
}

async fn act<S: Site, P: Post<S>>(State(site): State<S>, mut ask: Ask, body: Bytes) -> Response {
    ask.read_form(&body);
    let gate = P::HASHES.then(|| Arc::clone(&site.gates().logins));
    let _permit = match gate {
        Some(gate) => Some(gate.acquire_owned().await),
        None => None,
    };
    let _turn = turn::<S, P::Page>(&site, &ask, P::CHANGES).await;
    let (state, asked) = (site.clone(), Arc::new(ask));
    let what = Arc::clone(&asked);
    let work = move || match unchanged::<S, P::Page>(&state, &what, P::CHANGES) {
        Ok(()) => (true, P::act(&state, &what)),
        Err(problem) => (false, Err(problem)),
    };
    let failed =
        || (true, Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed")));
    let (is_fresh, outcome) = aside(work).await.unwrap_or_else(failed);
    let mut asked = Arc::unwrap_or_clone(asked);
    if !is_fresh {
        asked.forget_seen();
    }
    answered::<S, P::Page>(&site, asked, P::BLAMES, outcome).await
}

async fn call<S: Site, C: Call<S>>(State(site): State<S>, mut ask: Ask, body: Bytes) -> Response {
    ask.read_form(&body);
    let _turn = turn::<S, C::Page>(&site, &ask, C::CHANGES).await;
    let (state, what) = (site.clone(), ask.clone());
    let look = move || Ok(unchanged::<S, C::Page>(&state, &what, C::CHANGES));
    let outcome = match blocking(look).await {
        Ok(Ok(())) => C::act(&site, &ask).await,
        Ok(Err(problem)) | Err(problem) => {
            ask.forget_seen();
            Err(problem)
        }
    };
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
