//! Logging in by a provider: there, and back. The login page has a button for it where one is set up; passwords of this
//! server go on (G-01).

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use maud::html;
use rumline_server::{Begun, Claims, Error, PartId, Provided, ScopeId, grants_of_groups};
use serde::Deserialize;

use crate::page::{
    BAD, Frame, Next, code_form, login_cookie, login_form, own_address, page, said_cookie,
};
use crate::problem::Problem;
use crate::provider::{Failed, Provider};
use crate::site::{self, Site};

/// The longest address that one is led on to, in bytes.
const NEXT_BYTES_MAX: usize = 1_500;

/// The name of the cookie with what the browser keeps while somebody is at the provider. No other host or path can set it.
fn kept_name<S: Site>(site: &S) -> String {
    format!("__Host-{}-provider", site.cookie())
}

/// It comes back from another site, so it is not as strict as a login.
fn kept_cookie<S: Site>(site: &S, kept: &str, seconds: u32) -> String {
    let name = kept_name(site);
    format!("{name}={kept}; HttpOnly; Secure; SameSite=Lax; Path=/; Max-Age={seconds}")
}

/// The login page with what went wrong.
fn refused<S: Site>(site: &S, next: &str, status: StatusCode, text: &str) -> Response {
    let form = login_form(site, next, Some(&format!("{BAD}{text}")));
    let over = [(header::SET_COOKIE, kept_cookie(site, "", 0))];
    (status, AppendHeaders(over), form).into_response()
}

/// Where there is no provider, there are passwords.
fn no_provider<S: Site>(site: &S) -> Response {
    let said = said_cookie(site, &format!("{BAD}No provider is set up to log in by."), 60);
    ([(header::SET_COOKIE, said)], Redirect::to("/login")).into_response()
}

fn failed<S: Site>(site: &S, next: &str, failed: &Failed) -> Response {
    let (status, text) = match failed {
        Failed::Busy => {
            let text = "Too many log in at this moment: try again in some seconds.".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
        Failed::Unreachable(why) => {
            (StatusCode::BAD_GATEWAY, format!("The provider does not answer as it should: {why}."))
        }
        Failed::Distrusted(why) => {
            (StatusCode::BAD_GATEWAY, format!("What the provider says is not believed: {why}."))
        }
    };
    refused(site, next, status, &text)
}

/// Sends somebody to the provider.
pub(crate) async fn begin<S: Site>(
    State(state): State<S>,
    from: site::From,
    headers: HeaderMap,
    Query(query): Query<Next>,
) -> Response {
    let Some(provider) = state.provider() else { return no_provider(&state) };
    let next = own_address(query.next.as_deref());
    if site::from_elsewhere(&headers) {
        // Another site's page does not change who is logged in: whoever is there presses the button.
        return login_form(&state, next, None).into_response();
    }
    if let Some(problem) = waits(&state, &from) {
        return refused(&state, next, problem.status(), problem.detail());
    }
    // What a browser keeps is not long.
    let next = if next.len() > NEXT_BYTES_MAX { "/" } else { next };
    match provider.begin(|| state.now(), next).await {
        Ok((to, kept)) => {
            let cookie = [(header::SET_COOKIE, kept_cookie(&state, &kept, 600))];
            (AppendHeaders(cookie), Redirect::to(&to)).into_response()
        }
        Err(why) => {
            tracing::warn!(from = from.0, ?why, "nobody can log in by the provider");
            failed(&state, next, &why)
        }
    }
}

/// What the provider sends the browser back with.
#[derive(Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    error: Option<String>,
    iss: Option<String>,
}

/// Takes whoever comes back.
pub(crate) async fn finish<S: Site>(
    State(state): State<S>,
    from: site::From,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response {
    let Some(provider) = state.provider() else { return no_provider(&state) };
    if let Some(problem) = waits(&state, &from) {
        return refused(&state, "/", problem.status(), problem.detail());
    }
    let kept = site::cookie(&headers, &kept_name(&state)).unwrap_or_default();
    let Some(flow) = provider.came_back(state.now(), kept, &back.state) else {
        // Nobody can guess one, and a page of anywhere may bring a browser here: it is not held against the address.
        tracing::warn!(from = from.0, "a login by the provider came back that did not begin here");
        let text =
            "This login did not begin in this browser, took too long, or was used: log in again.";
        return refused(&state, "/", StatusCode::BAD_REQUEST, text);
    };
    if let Some(error) = &back.error {
        let why = format!("the provider did not let them in: {}", site::printable(error));
        if let Err(problem) = not_believed(&state, &from, why).await {
            return refused(&state, &flow.next, problem.status(), problem.detail());
        }
        let text = format!("The provider did not let you in: {}.", site::printable(error));
        return refused(&state, &flow.next, StatusCode::FORBIDDEN, &text);
    }
    let claims = provider.finish(|| state.now(), &flow, &back.code, back.iss.as_deref()).await;
    let claims = match claims {
        Ok(claims) => claims,
        Err(why) => {
            tracing::warn!(from = from.0, ?why, "login by the provider refused");
            if let Failed::Distrusted(why) = &why
                && let Err(problem) = not_believed(&state, &from, why.clone()).await
            {
                return refused(&state, &flow.next, problem.status(), problem.detail());
            }
            return failed(&state, &flow.next, &why);
        }
    };
    match let_in(&state, provider, &claims, from).await {
        Ok(Begun::Done(token)) => welcome(&state, &flow.next, &token),
        Ok(Begun::NeedsCode(ticket)) => {
            code_form(&state, &flow.next, &ticket, None).into_response()
        }
        Err(problem) => {
            let status = match problem.status() {
                StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => StatusCode::FORBIDDEN,
                other => other,
            };
            let detail = problem.detail();
            refused(&state, &flow.next, status, &format!("You are not logged in: {detail}."))
        }
    }
}

/// Whoever is at this address has to wait.
fn waits<S: Site>(state: &S, from: &site::From) -> Option<Problem> {
    let seconds = state.people().provided_wait_seconds(state.now(), &from.0)?;
    Some(Problem::from(Error::TooManyRequests { retry_after_seconds: seconds }))
}

/// The audit tells of it, and whoever came with it is slowed.
async fn not_believed<S: Site>(state: &S, from: &site::From, why: String) -> Result<(), Problem> {
    let (people, now, address) = (state.people().clone(), state.now(), from.0.clone());
    site::blocking(move || people.distrusted(now, &why, &address)).await
}

/// The account that somebody meant who wrote this, and a part of it: by number, or as the public API knows it.
fn scope_written<S: Site>(site: &S, text: &str) -> Result<(ScopeId, Option<PartId>), Error> {
    if let Ok(id) = text.parse() {
        site.check_scope(ScopeId(id), None)?;
        return Ok((ScopeId(id), None));
    }
    match text.split_once('/') {
        Some((scope, part)) => site.scope_named(scope, Some(part)),
        None => site.scope_named(text, None),
    }
}

/// What they may do here, and in.
async fn let_in<S: Site>(
    state: &S,
    provider: &Provider,
    claims: &Claims,
    from: site::From,
) -> Result<Begun, Problem> {
    let settings = provider.settings();
    let groups = claims.groups(&settings.groups_claim).unwrap_or_default();
    let login = claims.text(&settings.login_claim).unwrap_or(&claims.subject).to_owned();
    let (issuer, subject) = (settings.issuer.clone(), claims.subject.clone());
    let (site, rules, now) = (state.clone(), settings.rules.clone(), state.now());
    let (name, address) = (site::printable(&login), from.0.clone());
    let _permit = state.gates().logins.acquire().await;
    let outcome = site::blocking(move || {
        let find = |account: &str| scope_written(&site, account);
        let (grants, missing) = grants_of_groups(&rules, &groups, find)?;
        for account in missing {
            tracing::warn!(
                account,
                "a group of the provider has a role in an account that is not there"
            );
        }
        let provided = Provided { issuer, subject, login, grants };
        site.people().log_in_provided(now, &provided, &from.0)
    })
    .await;
    if !matches!(outcome, Ok(Begun::NeedsCode(_))) {
        site::logged(&outcome, &name, &address);
    }
    outcome
}

/// Leads on from a page of this server: where another one leads to, browsers do not show a login.
fn welcome<S: Site>(state: &S, next: &str, token: &str) -> Response {
    let cookies = [
        (header::SET_COOKIE, kept_cookie(state, "", 0)),
        (header::SET_COOKIE, login_cookie(state, token)),
        (HeaderName::from_static("refresh"), format!("0;url={next}")),
    ];
    let content = html! {
        h1 { "Logged in" }
        p { a.button href=(next) { "Go on" } }
    };
    let page = page(state, Frame { title: "Logged in", ..Frame::default() }, &content);
    (AppendHeaders(cookies), page).into_response()
}
