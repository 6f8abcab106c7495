//! Alerts by e-mail over the API: what oneself wants to be told, and for administrators what messages look like and which
//! were sent (CSSM-007).

use axum::body::Bytes;
use axum::extract::{Extension, Query, State};
use rumline_cssm::{Caller, MailTemplate, MailWish};
use serde_json::json;

use crate::cssm::CssmSite;
use crate::cssm::api::{Answer, Before, done, run};
use crate::site::parse;

pub(super) async fn own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let sends = state.sends_mail;
    run(&state, move |cssm, _| {
        let (wish, may_be_told) =
            (cssm.mail_wish(&caller.login)?, cssm.may_be_told(&caller.login)?);
        Ok(json!({ "wish": wish, "server_sends_mail": sends, "may_be_told": may_be_told }))
    })
    .await
}

pub(super) async fn set_own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let wish: MailWish = parse(&body)?;
    let sends = state.sends_mail;
    run(&state, move |cssm, now| {
        cssm.set_mail_wish(now, &caller.actor(), &caller.login, &wish)?;
        let may_be_told = cssm.may_be_told(&caller.login)?;
        Ok(json!({ "wish": wish, "server_sends_mail": sends, "may_be_told": may_be_told }))
    })
    .await
}

pub(super) async fn remove_own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.remove_mail_wish(now, &caller.actor(), &caller.login)?;
        done()
    })
    .await
}

pub(super) async fn test_own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let (sends, server) = (state.sends_mail, state.base_url.to_string());
    run(&state, move |cssm, now| {
        let id = cssm.test_mail(now, &caller.login, &server)?;
        Ok(json!({ "id": id, "server_sends_mail": sends }))
    })
    .await
}

pub(super) async fn list(
    State(state): State<CssmSite>,
    Query(Before { before }): Query<Before>,
) -> Answer {
    run(&state, move |cssm, _| cssm.mail(before)).await
}

pub(super) async fn template(State(state): State<CssmSite>) -> Answer {
    run(&state, |cssm, _| cssm.mail_template()).await
}

pub(super) async fn set_template(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Answer {
    let template: MailTemplate = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.set_mail_template(now, &caller.actor(), Some(&template))?;
        Ok(template)
    })
    .await
}

pub(super) async fn remove_template(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.set_mail_template(now, &caller.actor(), None)?;
        done()
    })
    .await
}
