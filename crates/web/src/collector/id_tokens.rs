//! Id tokens of tenants over the REST APIs: with them switches of before Smart Licensing Using Policy register (ONPREM-018).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use rumline_collector::{Action, Caller, Error, IdToken, IdTokenId, NewIdToken, Tenant, TenantId};
use rumline_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::onprem_v1::of_virtual_account;
use crate::asked::{Sent, plain as parse};
use crate::collector::{CollectorSite, api};
use crate::problem::Problem;

type Answer = Result<Json<Value>, Problem>;

/// The most tokens that are revoked in one call.
const REVOKED_MAX: usize = 1_000;

pub(super) async fn list(
    State(state): State<CollectorSite>,
    Path(id): Path<TenantId>,
) -> Result<Json<Vec<IdToken>>, Problem> {
    api::run_raw(&state, move |collector, _| collector.id_tokens(id)).await.map(Json)
}

pub(super) async fn create(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<TenantId>,
    Sent(new): Sent<NewIdToken>,
) -> Result<Json<IdToken>, Problem> {
    let made = api::run_raw(&state, move |collector, now| {
        collector.create_id_token(now, &caller.actor(), id, &new)
    });
    made.await.map(Json)
}

pub(super) async fn revoke(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((tenant, id)): Path<(TenantId, IdTokenId)>,
) -> Result<Json<IdToken>, Problem> {
    let revoked = api::run_raw(&state, move |collector, now| {
        collector.revoke_id_token(now, &caller.actor(), tenant, id)
    });
    revoked.await.map(Json)
}

/// Tokens are for whoever may add product instances.
async fn of_operator(
    state: &CollectorSite,
    caller: &Caller,
    (account, virtual_account): &(String, String),
) -> Result<Tenant, Problem> {
    let tenant = of_virtual_account(state, caller, account, virtual_account).await?;
    caller.may(Action::Operate, tenant.id.into(), None)?;
    Ok(tenant)
}

fn shown(token: &IdToken) -> Value {
    json!({
        "token": token.value,
        "description": token.description,
        "createdBy": token.created_by,
        "expirationDate": Timestamp(token.expires_at).to_string(),
        "numberofUses": token.uses_max,
    })
}

/// `GET …/tokens`: those that may still be used, since clients take the first one of the list.
pub(super) async fn list_v1(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<(String, String)>,
) -> Answer {
    let tenant = of_operator(&state, &caller, &account).await?;
    let found = api::run_raw(&state, move |collector, now| {
        let mut all = collector.id_tokens(tenant.id)?;
        all.retain(|token| token.refusal(now).is_none());
        Ok(all)
    });
    let tokens: Vec<Value> = found.await?.iter().map(shown).collect();
    Ok(Json(json!({ "status": "SUCCESS", "statusMessage": "", "tokens": tokens })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct New {
    #[serde(default)]
    description: Option<String>,
    expires_after_days: u32,
    #[serde(default, rename = "numberofUses")]
    number_of_uses: Option<u32>,
}

/// `POST …/tokens`.
pub(super) async fn create_v1(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let tenant = of_operator(&state, &caller, &account).await?;
    let New { description, expires_after_days, number_of_uses } = parse(&body)?;
    let description = description.unwrap_or_default();
    let new = NewIdToken { description, expires_after_days, uses_max: number_of_uses };
    let made = api::run_raw(&state, move |collector, now| {
        collector.create_id_token(now, &caller.actor(), tenant.id, &new)
    });
    let token = shown(&made.await?);
    Ok(Json(json!({ "status": "SUCCESS", "statusMessage": "", "tokenInfo": token })))
}

#[derive(Deserialize)]
struct Revoked {
    tokens: Vec<String>,
}

/// `POST …/tokens/revoke`: by their texts, each by itself.
pub(super) async fn revoke_v1(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let tenant = of_operator(&state, &caller, &account).await?;
    let Revoked { tokens } = parse(&body)?;
    let done = api::run_raw(&state, move |collector, now| {
        if tokens.is_empty() || tokens.len() > REVOKED_MAX {
            return Err(Error::invalid("tokens: 1 to 1,000 at a time"));
        }
        let known = collector.id_tokens(tenant.id)?;
        let mut rows = Vec::with_capacity(tokens.len());
        for value in tokens {
            let revoked = match known.iter().find(|token| token.value == value) {
                Some(token) => {
                    collector.revoke_id_token(now, &caller.actor(), tenant.id, token.id).map(|_| ())
                }
                None => Err(Error::NotFound("id token")),
            };
            let (status, text) = match revoked {
                Ok(()) => ("SUCCESS", String::new()),
                Err(Error::Store(error)) => return Err(Error::Store(error)),
                Err(error) => ("ERROR", error.to_string()),
            };
            rows.push(json!({ "token": value, "status": status, "statusMessage": text }));
        }
        Ok(rows)
    });
    let rows = done.await?;
    let is_fine = rows.iter().all(|row| row["status"] == "SUCCESS");
    let (status, text) =
        if is_fine { ("SUCCESS", "") } else { ("ERROR", "not all of it was done; see each") };
    Ok(Json(json!({ "status": status, "statusMessage": text, "tokens": rows })))
}
