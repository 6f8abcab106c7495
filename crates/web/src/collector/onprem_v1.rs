//! The part of CSSM's API, version 1, that public clients use against SSM On-Prem (`docs/onprem.md`).
//!
//! An account is a Smart Account that tenants collect for, a virtual account the Virtual Account of one tenant.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use rumline_collector::{Caller, Collector, InstanceId, InstanceView, Tenant, TenantSettings};
use rumline_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::asked::plain as parse;
use crate::collector::{CollectorSite, api, transfer};
use crate::listed::{List, Listed, Part};
use crate::oauth::{self, AccessToken, CLIENT_CREDENTIALS, Grant, PASSWORD};
use crate::problem::Problem;
use crate::site;

type Answer = Result<Json<Value>, Problem>;

/// `POST /oauth/token`, also below `/backend`: a person's login through an API client, or a program's by its own secret.
pub(super) async fn token(
    State(state): State<CollectorSite>,
    from: site::From,
    grant: Grant,
) -> Result<Json<AccessToken>, Problem> {
    match grant.grant_type.as_str() {
        CLIENT_CREDENTIALS => oauth::give(&state, from, grant).await,
        PASSWORD => {
            let Grant { client_id, client_secret, username, password, code, .. } = grant;
            let check = move |collector: &Collector, _| {
                collector.check_api_client(&client_id, &client_secret)
            };
            api::run_raw(&state, check).await?;
            oauth::of_person(&state, (username, password, code), from).await
        }
        _ => Err(Grant::unknown()),
    }
}

/// The tenants the caller may see.
async fn visible(state: &CollectorSite, caller: &Caller) -> Result<Vec<Tenant>, Problem> {
    let only = caller.scopes();
    api::run_raw(state, move |collector, _| collector.tenants(&only)).await
}

async fn of_account(
    state: &CollectorSite,
    caller: &Caller,
    account: &str,
) -> Result<Vec<Tenant>, Problem> {
    let mut tenants = visible(state, caller).await?;
    tenants.retain(|tenant| tenant.smart_account == account);
    if tenants.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such account"));
    }
    Ok(tenants)
}

pub(super) async fn of_virtual_account(
    state: &CollectorSite,
    caller: &Caller,
    account: &str,
    virtual_account: &str,
) -> Result<Tenant, Problem> {
    let mut tenants = of_account(state, caller, account).await?;
    tenants.retain(|tenant| tenant.virtual_account == virtual_account);
    let first = tenants.pop();
    if !tenants.is_empty() {
        let text = "several tenants are for this virtual account: name one at /api/v1/tenants";
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    first.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such virtual account"))
}

pub(super) async fn accounts(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let tenants = visible(&state, &caller).await?;
    let mut names: Vec<&str> = tenants.iter().map(|t| t.smart_account.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let accounts: Vec<Value> = names
        .into_iter()
        .map(|name| {
            let virtual_accounts: Vec<Value> = tenants
                .iter()
                .filter(|tenant| tenant.smart_account == name)
                .map(|tenant| json!({ "id": tenant.id, "name": tenant.virtual_account }))
                .collect();
            json!({ "name": name, "virtual_accounts": virtual_accounts })
        })
        .collect();
    let total = accounts.len();
    Ok(Json(json!({ "status": "SUCCESS", "accounts": accounts, "totalRecords": total })))
}

pub(super) async fn virtual_accounts(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<String>,
) -> Answer {
    let tenants = of_account(&state, &caller, &account).await?;
    let rows: Vec<Value> = tenants
        .iter()
        .map(|tenant| {
            json!({
                "name": tenant.virtual_account,
                "description": tenant.description,
                // Clients compare with this very text.
                "isDefault": if tenant.virtual_account == DEFAULT { "yes" } else { "no" },
                "commerceAccessLevel": "PUBLIC",
            })
        })
        .collect();
    Ok(Json(json!({ "status": "SUCCESS", "statusMessage": "", "virtualAccounts": rows })))
}

#[derive(Deserialize)]
struct NewVirtualAccount {
    name: String,
    #[serde(default)]
    description: String,
}

/// The Virtual Account that each Smart Account begins with.
const DEFAULT: &str = "Default";

/// A virtual account here is a tenant; its tenant ID is the name with hyphens.
pub(super) async fn create_virtual_account(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<String>,
    body: Bytes,
) -> Answer {
    let new: NewVirtualAccount = parse(&body)?;
    let known = visible(&state, &caller).await?;
    if known.iter().any(|t| t.smart_account == account && t.virtual_account == new.name) {
        let text = format!("there is a virtual account {:?} already", new.name);
        return Err(Problem::new(StatusCode::CONFLICT, text));
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = new.name.chars().map(plain).take(64).collect();
    let settings = TenantSettings {
        smart_account: account,
        virtual_account: new.name.clone(),
        connected: true,
        sync_minutes: 15,
    };
    let made = api::run_raw(&state, move |collector, now| {
        collector.create_described_tenant(now, &caller.actor(), &name, &new.description, &settings)
    });
    let tenant = made.await?;
    let message = format!("Virtual account {:?} created", tenant.virtual_account);
    Ok(Json(json!({ "status": "SUCCESS", "statusMessage": message })))
}

pub(super) async fn delete_virtual_account(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((account, virtual_account)): Path<(String, String)>,
) -> Answer {
    let tenant = of_virtual_account(&state, &caller, &account, &virtual_account).await?;
    let removed = api::run_raw(&state, move |collector, now| {
        collector.remove_tenant(now, &caller.actor(), tenant.id)?;
        Ok(tenant.id)
    });
    transfer::forget_exports(&state, removed.await?);
    Ok(Json(json!({ "status": "SUCCESS", "statusMessage": "Virtual account deleted" })))
}

fn device(tenant: &Tenant, row: &InstanceView) -> Value {
    let time = |at: Option<i64>| at.map(|at| Timestamp(at).to_string());
    json!({
        "hostName": row.name,
        "sudi": {
            "suvi": null,
            "uuid": null,
            "hostIdentifier": null,
            "udiPid": row.pid,
            "udiSerialNumber": row.serial,
            "udiVid": null,
            "macAddress": null,
        },
        "displayName": format!("UDI_PID:{}; UDI_SN:{}; ", row.pid, row.serial),
        "productTagName": row.software_tag,
        "productName": row.pid,
        "registrationDate": time(Some(row.added_at)),
        "lastContactDate": time(row.last_contact_at),
        "virtualAccount": tenant.virtual_account,
        "status": row.state,
    })
}

/// The devices of these tenants, in the order in which they came.
async fn devices_of(
    state: &CollectorSite,
    tenants: Vec<Tenant>,
    part: Part,
) -> Result<Json<Listed>, Problem> {
    let found = api::run_raw(state, move |collector, _| {
        let mut list = List::new(part);
        for tenant in tenants {
            let mut after = InstanceId::default();
            loop {
                let rows = collector.instances(tenant.id, "", after, 10_000)?;
                let Some(last) = rows.last() else { break };
                after = last.id;
                for row in &rows {
                    list.push(|| device(&tenant, row))?;
                }
            }
        }
        Ok(list)
    });
    Ok(Json(Listed::new("devices", found.await?)))
}

pub(super) async fn devices(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path((account, virtual_account)): Path<(String, String)>,
    Asked(part): Asked<Part>,
) -> Result<Json<Listed>, Problem> {
    let tenant = of_virtual_account(&state, &caller, &account, &virtual_account).await?;
    devices_of(&state, vec![tenant], part).await
}

/// What is asked of an account: of some virtual accounts or of all, and which part.
#[derive(Deserialize, Default)]
struct Chosen {
    #[serde(default, rename = "virtualAccounts")]
    virtual_accounts: Vec<String>,
    #[serde(flatten)]
    part: Part,
}

async fn chosen(
    state: &CollectorSite,
    caller: &Caller,
    account: &str,
    body: &Bytes,
) -> Result<(Vec<Tenant>, Part), Problem> {
    let chosen: Chosen = if body.is_empty() { Chosen::default() } else { parse(body)? };
    let mut tenants = of_account(state, caller, account).await?;
    if !chosen.virtual_accounts.is_empty() {
        tenants.retain(|tenant| chosen.virtual_accounts.contains(&tenant.virtual_account));
    }
    Ok((tenants, chosen.part))
}

pub(super) async fn account_devices(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<String>,
    body: Bytes,
) -> Result<Json<Listed>, Problem> {
    let (tenants, part) = chosen(&state, &caller, &account, &body).await?;
    devices_of(&state, tenants, part).await
}

pub(super) async fn licenses(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<String>,
    body: Bytes,
) -> Result<Json<Listed>, Problem> {
    let (tenants, part) = chosen(&state, &caller, &account, &body).await?;
    let found = api::run_raw(&state, move |collector, _| {
        let mut list = List::new(part);
        for tenant in tenants {
            for row in collector.licenses(tenant.id)? {
                // What was bought is known to CSSM alone; here is what is in use.
                list.push(|| {
                    json!({
                        "license": row.license,
                        "virtualAccount": tenant.virtual_account,
                        "inUse": row.in_use,
                        "quantity": null,
                        "available": null,
                        "status": null,
                        "billingType": "PREPAID",
                        "licenseDetails": [],
                    })
                })?;
            }
        }
        Ok(list)
    });
    Ok(Json(Listed::new("licenses", found.await?)))
}

/// What somebody has to look at: exchanges with CSSM that fail, and devices that show a UDI of another one. What concerns
/// licenses CSSM knows alone.
pub(super) async fn alerts(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<String>,
    body: Bytes,
) -> Result<Json<Listed>, Problem> {
    let (tenants, part) = chosen(&state, &caller, &account, &body).await?;
    let found = api::run_raw(&state, move |collector, _| {
        let mut list = List::new(part);
        let row = |kind: &str, severity: &str, source: &str, message: &str| {
            json!({
                "message": message,
                "messageType": kind,
                "severity": severity,
                "source": source,
                "actionDue": null,
            })
        };
        for tenant in tenants {
            if let Some(error) = &tenant.sync_error {
                let source = &tenant.virtual_account;
                list.push(|| row("Synchronization Overdue", "Minor", source, error))?;
            }
            for claim in collector.claims(tenant.id)? {
                let source = format!("UDI_PID:{}; UDI_SN:{}; ", claim.pid, claim.serial);
                let text = "a device with another key shows this UDI: accept or dismiss its claim";
                list.push(|| row("other key", "Major", &source, text))?;
            }
        }
        Ok(list)
    });
    Ok(Json(Listed::new("alerts", found.await?)))
}

/// Subscriptions are known to CSSM alone.
pub(super) async fn subscriptions(
    State(state): State<CollectorSite>,
    Extension(caller): Extension<Caller>,
    Path(account): Path<String>,
) -> Answer {
    of_account(&state, &caller, &account).await?;
    Ok(Json(json!({
        "status": "SUCCESS",
        "statusMessage": "Subscriptions are known to CSSM",
        "totalRecords": 0,
        "licenseSubscriptions": [],
    })))
}

/// The URL of a product instance says which tenant it belongs to.
pub(super) async fn no_transfer() -> Problem {
    let text = "a product instance belongs to the tenant that its URL names: change license smart \
                url cslu on the switch";
    Problem::new(StatusCode::CONFLICT, text)
}
