//! What stands before every handler that is not for anyone: who calls, and whether they may.

use std::collections::BTreeSet;

use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rumline_net::PeerAddress;
use rumline_server::{Action, Caller, Error, Only, PartId, ScopeId};

use super::{Access, Site, aside, caller_of, printable};
use crate::problem::Problem;

/// The header that says why somebody does something, for the audit.
const REASON: &str = "rumline-reason";
/// The headers by which calls of the public API name a smart account and a virtual account of it.
const SCOPE_HEADER: &str = "x-csw-smart-account-id";
const PART_HEADER: &str = "x-csw-virtual-account-id";

/// How a call names the scope it is about, and a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// By numbers in its path.
    Numbers,
    /// By names in its path, as the public API does: `{domain}` and `{virtual_account}`.
    Names,
    /// By numbers in its headers, as what product instances need is asked for over the public API.
    Headers,
}

/// The scope that a call of the public API is about, and the part of it that it names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub scope: ScopeId,
    pub part: Option<PartId>,
}

/// What a route's row says of its callers.
#[derive(Clone, Copy)]
pub(crate) struct Guard {
    pub access: Access,
    pub page: bool,
    pub path: &'static str,
    pub in_parts: bool,
    pub takes_all: bool,
    pub named_by: NamedBy,
}

impl Guard {
    /// Whether it takes a login rather than an API token: what is one's own, and who may do what, over the API, on pages, and
    /// in an account alike.
    fn is_for_logins_only(&self, method: &Method) -> bool {
        let is_of_people = self.path.split('/').any(|part| part == "people");
        self.access == Access::Oneself || is_of_people && !method.is_safe()
    }

    /// What stands before `{id}` in the path.
    fn kind(&self) -> Option<&'static str> {
        self.path.split("/{id}").next().filter(|head| *head != self.path)?.rsplit('/').next()
    }
}

/// Stands before every handler that is not for anyone.
pub(crate) async fn authorize<S: Site>(
    State((state, guard)): State<(S, Guard)>,
    parameters: RawPathParams,
    mut request: Request,
    next: Next,
) -> Response {
    let mut caller = match caller_of(&state, request.method(), request.headers()).await {
        Ok(caller) => caller,
        // A person is shown the way, a program is told.
        Err(Error::Unauthenticated) if guard.page => {
            let (method, headers) = (request.method(), request.headers());
            return crate::page::to_login(&state, method, request.uri(), headers);
        }
        Err(error) => return refuse(&state, guard, None, error).await,
    };
    // Who somebody is, and by what they log in, only a person says who logged in: a token is never more than its owner gave it.
    if guard.is_for_logins_only(request.method()) && caller.api_token.is_some() {
        let who = Some((caller, request.uri().path().to_owned()));
        return refuse(&state, guard, who, Error::OnlyLoggedIn).await;
    }
    if let Access::May(action) = guard.access {
        let named = named(&state, guard.named_by, &parameters, request.headers()).await;
        let allowed = match &named {
            Err(_) => Ok(()),
            Ok((None, ..)) => caller.may_at_all(action),
            Ok((Some(scope), part, id)) => {
                may(&state, guard, &caller, (action, *scope, *part), *id).await
            }
        };
        let allowed = named.and_then(|named| allowed.map(|()| named));
        match allowed {
            Err(error) => {
                let who = Some((caller, request.uri().path().to_owned()));
                return refuse(&state, guard, who, error).await;
            }
            Ok((Some(scope), part, _)) => {
                request.extensions_mut().insert(Place { scope, part });
            }
            Ok((None, ..)) => {}
        }
    }
    let reason = request.headers().get(REASON).and_then(|value| value.to_str().ok());
    caller.reason = reason.map(printable);
    let peer = request.extensions().get::<PeerAddress>();
    caller.address = peer.map(|peer| peer.0.ip().to_string());
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The scope, the part of it and the thing that a path names.
type Named = (Option<ScopeId>, Option<PartId>, Option<i64>);

async fn named<S: Site>(
    state: &S,
    by: NamedBy,
    parameters: &RawPathParams,
    headers: &HeaderMap,
) -> Result<Named, Error> {
    match by {
        NamedBy::Numbers => numbered::<S>(parameters),
        NamedBy::Headers => {
            let number = |name: &str| {
                let value = headers.get(name).ok_or_else(|| {
                    Error::invalid(format!("the header {} is missing", name.to_uppercase()))
                })?;
                let number = value.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok());
                number.ok_or(Error::NotFound("account"))
            };
            let (scope, part) = (number(SCOPE_HEADER)?, number(PART_HEADER)?);
            Ok((Some(ScopeId(scope)), Some(PartId(part)), None))
        }
        NamedBy::Names => {
            let text = |wanted: &str| {
                let found = parameters.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| value.to_owned())
            };
            let (scope, part) = (text("domain").unwrap_or_default(), text("virtual_account"));
            let state = state.clone();
            let looked_up = aside(move || state.scope_named(&scope, part.as_deref())).await;
            let (scope, part) = looked_up.unwrap_or(Err(Error::NotFound("account")))?;
            Ok((Some(scope), part, None))
        }
    }
}

fn numbered<S: Site>(parameters: &RawPathParams) -> Result<Named, Error> {
    let number = |wanted: &str| {
        let found = parameters.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.parse::<i64>().map_err(|_| Error::NotFound("account")))
    };
    let scope = number(S::SCOPE).transpose()?.map(ScopeId);
    let part = S::PART.and_then(number).transpose()?.map(PartId);
    // A number that is none is for the handler to refuse.
    Ok((scope, part, number("id").and_then(Result::ok)))
}

/// Whether a caller may act in a scope, or in the part of it that the path is about.
async fn may<S: Site>(
    state: &S,
    guard: Guard,
    caller: &Caller,
    (action, scope, part): (Action, ScopeId, Option<PartId>),
    id: Option<i64>,
) -> Result<(), Error> {
    let part = part.filter(|_| !guard.takes_all);
    let in_all = caller.may(action, scope, part);
    if part.is_some() || guard.takes_all || !matches!(in_all, Err(Error::Forbidden)) {
        return in_all;
    }
    if guard.in_parts && caller.parts(action, scope) != Only::These(BTreeSet::new()) {
        return Ok(());
    }
    // Not in all of it, but perhaps in the part that this one thing is of.
    let (Some(kind), Some(id)) = (guard.kind(), id) else { return in_all };
    let (state, is_blind) = (state.clone(), caller.parts(Action::View, scope));
    let looked_up = aside(move || state.part_of(kind, scope, id)).await;
    match looked_up.unwrap_or(Ok(None))? {
        Some(part) => caller.may(action, scope, Some(part)),
        // Whether it is there is not for those who could not see it.
        None if is_blind == Only::All => in_all,
        None => Err(Error::NotFound("such thing")),
    }
}

/// A refusal: to a person as a page, to a program as a problem document.
async fn refuse<S: Site>(
    state: &S,
    guard: Guard,
    who: Option<(Caller, String)>,
    error: Error,
) -> Response {
    let problem = Problem::from(error);
    if guard.page {
        crate::page::problem_page(state, who, problem, "/").await
    } else {
        problem.into_response()
    }
}
