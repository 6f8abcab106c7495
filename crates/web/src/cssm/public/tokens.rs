//! Registration tokens (CSSM-003, CSSM-010 to CSSM-012).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use rumline_cssm::{Caller, Error, NewToken, RegistrationToken};
use rumline_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, SUCCESS, check_count, each, outcome};
use crate::asked::plain as parse;
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::problem::Problem;
use crate::site::Place;

fn shown(token: &RegistrationToken) -> Value {
    json!({
        "token": token.value,
        "description": token.description,
        "createdBy": token.created_by,
        "expirationDate": Timestamp(token.expires_at).to_string(),
        "numberofUses": token.uses_max,
    })
}

/// Whether a device can still register with it: clients take the first one of the list.
fn may_be_used(token: &RegistrationToken, now: Timestamp) -> bool {
    token.revoked_at.is_none()
        && token.expires_at > now.0
        && token.uses_max.is_none_or(|max| token.uses < max)
}

/// `GET …/tokens`: those that may still be used.
pub(super) async fn list(
    State(state): State<CssmSite>,
    Extension(place): Extension<Place>,
) -> Answer {
    let found = run_raw(&state, move |cssm, now| {
        let (sa, va) = place.virtual_account()?;
        let mut all = cssm.tokens(sa, va)?;
        all.retain(|token| may_be_used(token, now));
        Ok(all)
    });
    let tokens: Vec<Value> = found.await?.iter().map(shown).collect();
    Ok(Json(json!({ "status": SUCCESS, "statusMessage": "", "tokens": tokens })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    #[serde(default)]
    description: Option<String>,
    expires_after_days: u32,
    /// Checked and not kept: no licence of these switches is export-controlled.
    #[serde(default)]
    export_controlled: Option<String>,
    #[serde(default, rename = "numberofUses")]
    number_of_uses: Option<u32>,
}

/// `POST …/tokens`.
pub(super) async fn create(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let New { description, expires_after_days, export_controlled, number_of_uses } = parse(&body)?;
    let is_known = |text: &String| ["Allowed", "Not Allowed"].contains(&text.as_str());
    if !export_controlled.as_ref().is_none_or(is_known) {
        let text = "exportControlled is \"Allowed\" or \"Not Allowed\"";
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    let new = NewToken {
        description: description.unwrap_or_default(),
        expires_after_days,
        uses_max: number_of_uses,
    };
    let made = run_raw(&state, move |cssm, now| {
        let (sa, va) = place.virtual_account()?;
        cssm.create_token(now, &caller.actor(), sa, va, &new)
    });
    let token = shown(&made.await?);
    Ok(Json(json!({ "status": SUCCESS, "statusMessage": "", "tokenInfo": token })))
}

#[derive(Deserialize)]
struct Revoked {
    tokens: Vec<String>,
}

/// `POST …/tokens/revoke`: by their texts, each by itself.
pub(super) async fn revoke(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let Revoked { tokens } = parse(&body)?;
    let done = run_raw(&state, move |cssm, now| {
        check_count(&tokens, "tokens")?;
        let (sa, va) = place.virtual_account()?;
        let known = cssm.tokens(sa, va)?;
        let row = |value: &String| json!({ "token": value });
        each(tokens, row, |value| {
            let token = known.iter().find(|token| token.value == *value);
            let token = token.ok_or(Error::NotFound("registration token"))?;
            cssm.revoke_token(now, &caller.actor(), sa, token.id).map(|_| ())
        })
    });
    Ok(Json(outcome("tokens", done.await?)))
}
