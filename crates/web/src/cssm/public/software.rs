//! Of the newer API of software what is public: accounts and product instances.

use axum::Json;
use axum::extract::{Extension, State};
use rumline_cssm::{Caller, InstanceView};
use rumline_server::Action::View;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, ROWS, devices, seen};
use crate::asked::Asked;
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::listed::{List, Listed, Part};
use crate::problem::Problem;
use crate::site::Place;

/// The part of a list that is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rows {
    /// How many rows are passed over.
    #[serde(default)]
    start_idx: usize,
    /// How many rows at most.
    rows_per_page: Option<usize>,
}

impl Rows {
    fn of(&self, all: Vec<Value>) -> Json<Value> {
        let (total, limit) = (all.len(), self.rows_per_page.unwrap_or(usize::MAX));
        let rows: Vec<Value> = all.into_iter().skip(self.start_idx).take(limit).collect();
        Json(json!({ "data": rows, "totalRows": total }))
    }
}

/// `GET pnp/v2/accounts`.
pub(super) async fn accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Asked(rows): Asked<Rows>,
) -> Answer {
    let found = run_raw(&state, move |cssm, _| cssm.smart_accounts(&caller.scopes())).await?;
    let row = |one: &rumline_cssm::SmartAccount| {
        json!({
            "companyName": one.name,
            "domainIdentifier": one.domain,
            "accountIdentifier": one.id,
        })
    };
    Ok(rows.of(found.iter().map(row).collect()))
}

/// `GET pnp/v2/accounts/{domain}/virtual-accounts`.
pub(super) async fn virtual_accounts(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    Asked(rows): Asked<Rows>,
) -> Answer {
    let all = run_raw(&state, move |cssm, _| cssm.virtual_accounts(place.smart_account())).await?;
    let first = all.iter().map(|part| part.id).min();
    let only = caller.parts(View, place.scope);
    let seen = all.iter().filter(|part| only.has(&part.id.into()));
    let row = |part: &rumline_cssm::VirtualAccount| {
        json!({
            "virtualAccountName": part.name,
            "virtualAccountId": part.id,
            "default": Some(part.id) == first,
        })
    };
    Ok(rows.of(seen.map(row).collect()))
}

/// Which product instances are looked for.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DevicesSought")]
pub(super) struct Sought {
    virtual_account_name: Option<String>,
    instance_name: Option<String>,
    #[serde(default)]
    offset: usize,
    limit: Option<i64>,
}

/// `GET licensing/v2/accounts/{domain}/devices`.
pub(super) async fn list(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    Asked(sought): Asked<Sought>,
) -> Result<Json<Listed>, Problem> {
    let part = Part { offset: sought.offset, limit: sought.limit }.or(ROWS)?;
    let found = run_raw(&state, move |cssm, now| {
        let sa = place.smart_account();
        let mut names = seen(cssm, &caller, sa)?;
        names.retain(|_, name| sought.virtual_account_name.as_ref().is_none_or(|one| one == name));
        let row = |view: &InstanceView| {
            json!({
                "instanceName": view.name,
                "productTagName": view.software_tag,
                "sudi": { "udiPid": view.pid, "udiSerialNumber": view.serial },
            })
        };
        let Some(wanted) = &sought.instance_name else {
            return devices::listed((cssm, now), sa, &names, part, |view, _, _| row(view));
        };
        let mut list = List::new(part);
        devices::each_named(cssm, sa, &names, wanted, |view| list.push(|| row(view)))?;
        Ok(list)
    });
    Ok(Json(Listed::new("devices", found.await?)))
}
