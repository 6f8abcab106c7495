//! Alerts by e-mail over the API: what oneself wants to be told, and for administrators what messages look like and which
//! were sent (CSSM-007).

use axum::extract::{Extension, State};
use rumline_cssm::{Caller, MailTemplate, MailView, MailWish};
use schemars::JsonSchema;
use serde::Serialize;

use crate::asked::{Asked, Sent};
use crate::cssm::CssmSite;
use crate::cssm::api::{Answer, Before, run};
use crate::operation::{Done, done};

/// What one wants to be told of by e-mail.
#[derive(Serialize, JsonSchema)]
pub(super) struct OwnMail {
    /// Where and of what; none where one wants to be told of nothing.
    wish: Option<MailWish>,
    /// Whether this server sends any.
    server_sends_mail: bool,
    /// Whether one sees alerts of any account.
    may_be_told: bool,
}

/// A message that says only that it arrives.
#[derive(Serialize, JsonSchema)]
pub(super) struct TestMail {
    /// Its number.
    id: i64,
    /// Whether this server sends any.
    server_sends_mail: bool,
}

pub(super) async fn own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer<OwnMail> {
    let sends = state.sends_mail;
    run(&state, move |cssm, _| {
        let (wish, may_be_told) =
            (cssm.mail_wish(&caller.login)?, cssm.may_be_told(&caller.login)?);
        Ok(OwnMail { wish, server_sends_mail: sends, may_be_told })
    })
    .await
}

pub(super) async fn set_own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Sent(wish): Sent<MailWish>,
) -> Answer<OwnMail> {
    let sends = state.sends_mail;
    run(&state, move |cssm, now| {
        cssm.set_mail_wish(now, &caller.actor(), &caller.login, &wish)?;
        let may_be_told = cssm.may_be_told(&caller.login)?;
        Ok(OwnMail { wish: Some(wish), server_sends_mail: sends, may_be_told })
    })
    .await
}

pub(super) async fn remove_own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.remove_mail_wish(now, &caller.actor(), &caller.login)?;
        done()
    })
    .await
}

pub(super) async fn test_own(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer<TestMail> {
    let (sends, server) = (state.sends_mail, state.base_url.to_string());
    run(&state, move |cssm, now| {
        let id = cssm.test_mail(now, &caller.login, &server)?;
        Ok(TestMail { id, server_sends_mail: sends })
    })
    .await
}

pub(super) async fn list(
    State(state): State<CssmSite>,
    Asked(Before { before }): Asked<Before>,
) -> Answer<Vec<MailView>> {
    run(&state, move |cssm, _| cssm.mail(before)).await
}

pub(super) async fn template(State(state): State<CssmSite>) -> Answer<MailTemplate> {
    run(&state, |cssm, _| cssm.mail_template()).await
}

pub(super) async fn set_template(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Sent(template): Sent<MailTemplate>,
) -> Answer<MailTemplate> {
    run(&state, move |cssm, now| {
        cssm.set_mail_template(now, &caller.actor(), Some(&template))?;
        Ok(template)
    })
    .await
}

pub(super) async fn remove_template(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.set_mail_template(now, &caller.actor(), None)?;
        done()
    })
    .await
}
