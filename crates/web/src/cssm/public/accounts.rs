//! Smart accounts and virtual accounts (CSSM-002, CSSM-008).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use rumline_cssm::{Caller, Grant, Role, SmartAccount, VirtualAccount};
use rumline_server::Action::View;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, ROWS, SUCCESS};
use crate::asked::Asked;
use crate::asked::plain as parse;
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::listed::{List, Listed, Part};
use crate::problem::Problem;
use crate::site::Place;

/// Which smart accounts are looked for.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Sought {
    /// What their name holds.
    #[serde(default)]
    name: String,
    /// What their domain holds.
    #[serde(default)]
    domain: String,
    /// Of which type they are.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// How many rows are passed over.
    #[serde(default)]
    offset: usize,
    /// How many rows at most; -1 is no limit.
    limit: Option<i64>,
}

/// Accounts here are of customers; partners' holding accounts there are none.
const CUSTOMER: &str = "CUSTOMER";

impl Sought {
    fn part(&self) -> Result<Part, Problem> {
        Part { offset: self.offset, limit: self.limit }.or(ROWS)
    }

    fn has(&self, account: &SmartAccount) -> bool {
        let name = self.name.to_lowercase();
        account.name.to_lowercase().contains(&name)
            && (self.domain.is_empty() || account.domain.eq_ignore_ascii_case(&self.domain))
            && self.kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case(CUSTOMER))
    }

    fn check(&self) -> Result<(), Problem> {
        let is_known = |kind: &String| {
            [CUSTOMER, "HOLDING"].iter().any(|known| kind.eq_ignore_ascii_case(known))
        };
        if self.kind.as_ref().is_none_or(is_known) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::BAD_REQUEST, "type is CUSTOMER or HOLDING"))
    }
}

fn account(account: &SmartAccount) -> Value {
    json!({
        "accountName": account.name,
        "accountDomain": account.domain,
        "accountType": CUSTOMER,
        "accountStatus": "ACTIVE",
    })
}

/// `GET v1/accounts/search`.
pub(super) async fn search(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Asked(sought): Asked<Sought>,
) -> Result<Json<Listed>, Problem> {
    sought.check()?;
    let part = sought.part()?;
    let found = run_raw(&state, move |cssm, _| {
        let mut list = List::new(part);
        for one in cssm.smart_accounts(&caller.scopes())?.iter().filter(|one| sought.has(one)) {
            list.push(|| {
                let mut row = account(one);
                row["id"] = json!(one.id);
                row
            })?;
        }
        Ok(list)
    });
    Ok(Json(Listed::new("accounts", found.await?)))
}

fn role_name(role: Role, of: &str) -> String {
    let name = match role {
        Role::Administrator => "Administrator",
        Role::User => "User",
        Role::Viewer => "Viewer",
    };
    format!("{of} {name}")
}

/// What the caller may do in an account.
fn roles(grants: &[Grant], account: &SmartAccount, parts: &[VirtualAccount]) -> Vec<Value> {
    let here =
        grants.iter().filter(|grant| grant.scope_id.is_none_or(|id| id == account.id.into()));
    let row = |grant: &Grant| match grant.part_id {
        None => Some(json!({ "role": role_name(grant.role, "Smart Account") })),
        Some(id) => {
            let part = parts.iter().find(|part| id == part.id.into())?;
            let role = role_name(grant.role, "Virtual Account");
            Some(json!({ "role": role, "virtualAccount": part.name }))
        }
    };
    here.filter_map(row).collect()
}

/// Which smart account is meant.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OfDomain {
    /// Its domain; all of them without one.
    #[serde(default)]
    domain: String,
}

/// `GET v2/accounts`.
pub(super) async fn list(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Asked(OfDomain { domain }): Asked<OfDomain>,
) -> Answer {
    let found = run_raw(&state, move |cssm, _| {
        let mut all = cssm.smart_accounts(&caller.scopes())?;
        all.retain(|one| domain.is_empty() || one.domain.eq_ignore_ascii_case(&domain));
        let row = |one: &SmartAccount| {
            let mut row = account(one);
            row["roles"] = json!(roles(&caller.grants, one, &cssm.virtual_accounts(one.id)?));
            Ok(row)
        };
        all.iter().map(row).collect::<Result<Vec<Value>, _>>()
    });
    let accounts = found.await?;
    Ok(Json(json!({ "status": SUCCESS, "statusMessage": "", "accounts": accounts })))
}

/// `GET v2/accounts/search`: the numbers by which calls about product instances name their account.
pub(super) async fn ids(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let found = run_raw(&state, move |cssm, _| {
        let row = |one: SmartAccount| {
            let parts = parts_of(&cssm.virtual_accounts(one.id)?, &caller, one.id.into());
            let parts: Vec<Value> = parts
                .into_iter()
                .map(|(part, is_default)| {
                    json!({
                        "virtual_account_id": part.id.to_string(),
                        "name": part.name,
                        "default": is_default,
                    })
                })
                .collect();
            Ok(json!({
                "account_id": one.id.to_string(),
                "domain": one.domain,
                "name": one.name,
                "virtual_accounts": parts,
            }))
        };
        cssm.smart_accounts(&caller.scopes())?.into_iter().map(row).collect::<Result<Vec<_>, _>>()
    });
    let accounts = found.await?;
    Ok(Json(json!({
        "status": "COMPLETE",
        "message_code": "",
        "message": "",
        "accounts": accounts,
    })))
}

/// The virtual accounts that the caller sees, and which one the account began with: that is its default.
fn parts_of(
    all: &[VirtualAccount],
    caller: &Caller,
    scope: rumline_server::ScopeId,
) -> Vec<(VirtualAccount, bool)> {
    let first = all.iter().map(|part| part.id).min();
    let only = caller.parts(View, scope);
    let seen = all.iter().filter(|part| only.has(&part.id.into()));
    seen.map(|part| (part.clone(), Some(part.id) == first)).collect()
}

/// `GET v1/accounts/{domain}/virtual-accounts`, and the same below `customer`.
pub(super) async fn virtual_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
) -> Answer {
    let found = run_raw(&state, move |cssm, _| {
        let all = cssm.virtual_accounts(place.smart_account())?;
        Ok(parts_of(&all, &caller, place.scope))
    });
    let rows: Vec<Value> = found
        .await?
        .into_iter()
        .map(|(part, is_default)| {
            json!({
                "name": part.name,
                "description": part.description,
                // Clients compare with texts.
                "isDefault": if is_default { "true" } else { "false" },
                "commerceAccessLevel": "PUBLIC",
            })
        })
        .collect();
    Ok(Json(json!({ "status": SUCCESS, "statusMessage": "", "virtualAccounts": rows })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewVirtualAccount {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    is_default: Value,
    #[serde(default)]
    commerce_access_level: Option<String>,
}

impl NewVirtualAccount {
    fn check(&self) -> Result<(), Problem> {
        let refused = |text: &str| Err(Problem::new(StatusCode::BAD_REQUEST, text));
        let is_plain = match &self.is_default {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => ["", "false", "no"].contains(&text.to_lowercase().as_str()),
            _ => false,
        };
        if !is_plain {
            return refused(
                "isDefault: the default virtual account is the one the account began with",
            );
        }
        let level = self.commerce_access_level.as_deref();
        if level.is_some_and(|level| !level.eq_ignore_ascii_case("PUBLIC")) {
            return refused("commerceAccessLevel: every virtual account here is PUBLIC");
        }
        Ok(())
    }
}

fn done(text: &str) -> Json<Value> {
    Json(json!({ "status": SUCCESS, "statusMessage": text }))
}

/// `POST v1/accounts/{domain}/virtual-accounts`.
pub(super) async fn create_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let new: NewVirtualAccount = parse(&body)?;
    new.check()?;
    let made = run_raw(&state, move |cssm, now| {
        let (sa, actor) = (place.smart_account(), caller.actor());
        let description = new.description.unwrap_or_default();
        cssm.create_described_virtual_account(now, &actor, sa, &new.name, &description)
    });
    Ok(done(&format!("Virtual account {:?} created", made.await?.name)))
}

/// `POST v1/accounts/{domain}/virtual-accounts/{virtual_account}/delete`.
pub(super) async fn delete_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
) -> Answer {
    let closed = run_raw(&state, move |cssm, now| {
        let (sa, va) = place.virtual_account()?;
        cssm.close_virtual_account(now, &caller.actor(), sa, va)
    });
    closed.await?;
    Ok(done("Virtual account deleted"))
}
