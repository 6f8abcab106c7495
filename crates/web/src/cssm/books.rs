//! The REST handlers of accounts that change, of the book of purchases, and of what is handed on.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use rumline_cssm::{
    Account, Caller, Correction, InstanceId, JobKind, LicenseTransfer, NewJob, Purchase,
    PurchaseId, SmartAccountId, VirtualAccountId,
};
use rumline_server::Action::{self, View};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Answer, NewSmartAccount, NewVirtualAccount, Paging, Transfer, done, run};
use crate::cssm::CssmSite;
use crate::site::parse;

pub(super) async fn rename_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    body: Bytes,
) -> Answer {
    let new: NewSmartAccount = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.rename_smart_account(now, &caller.actor(), sa, &new.name, &new.domain)
    })
    .await
}

pub(super) async fn close_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.close_smart_account(now, &caller.actor(), sa)?;
        done()
    })
    .await
}

pub(super) async fn rename_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    body: Bytes,
) -> Answer {
    let new: NewVirtualAccount = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.rename_virtual_account(now, &caller.actor(), sa, va, &new.name)
    })
    .await
}

pub(super) async fn close_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
) -> Answer {
    run(&state, move |cssm, now| {
        cssm.close_virtual_account(now, &caller.actor(), sa, va)?;
        done()
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Into {
    smart_account_id: SmartAccountId,
}

pub(super) async fn merge_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    body: Bytes,
) -> Answer {
    let Into { smart_account_id } = parse(&body)?;
    run(&state, move |cssm, now| {
        cssm.merge_smart_account(now, &caller.actor(), sa, smart_account_id)
    })
    .await
}

/// A merge is a job.
pub(super) async fn merge_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    body: Bytes,
) -> Answer {
    let Transfer { virtual_account_id } = parse(&body)?;
    let new = NewJob {
        kind: JobKind::Merge,
        search: String::new(),
        sort: None,
        virtual_account_id: Some(va),
        into_virtual_account_id: Some(virtual_account_id),
    };
    run(&state, move |cssm, now| cssm.add_job(now, &caller.actor(), sa, &new)).await
}

pub(super) async fn add_purchase(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
    body: Bytes,
) -> Answer {
    let purchase: Purchase = parse(&body)?;
    run(&state, move |cssm, now| cssm.add_purchase(now, &caller.actor(), sa, va, &purchase)).await
}

pub(super) async fn purchases(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(paging): Query<Paging>,
) -> Answer {
    let only = caller.parts(View, sa.into());
    let after = PurchaseId(paging.after);
    run(&state, move |cssm, _| cssm.purchases(sa, &only, after, paging.limit)).await
}

pub(super) async fn purchase(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, PurchaseId)>,
) -> Answer {
    run(&state, move |cssm, _| {
        let (view, entries) = cssm.purchase(sa, id)?;
        let mut shown = serde_json::to_value(view).unwrap_or(Value::Null);
        shown["entries"] = json!(entries);
        Ok(shown)
    })
    .await
}

pub(super) async fn correct_purchase(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, PurchaseId)>,
    body: Bytes,
) -> Answer {
    let correction: Correction = parse(&body)?;
    run(&state, move |cssm, now| cssm.correct_purchase(now, &caller.actor(), sa, id, &correction))
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLicenseTransfer {
    license: String,
    quantity: i64,
    from: VirtualAccountId,
    to: VirtualAccountId,
    #[serde(default)]
    purchase_id: Option<PurchaseId>,
    /// Whether only to say what would be.
    #[serde(default)]
    preview: bool,
}

pub(super) async fn transfer_licenses(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    body: Bytes,
) -> Answer {
    let new: NewLicenseTransfer = parse(&body)?;
    run(&state, move |cssm, now| {
        for part in [new.from, new.to] {
            caller.may(Action::Administer, sa.into(), Some(part.into()))?;
        }
        let NewLicenseTransfer { license, quantity, from, to, purchase_id, preview } = new;
        let transfer = LicenseTransfer { license, quantity, from, to, purchase_id };
        cssm.transfer_licenses(now, &caller.actor(), sa, &transfer, preview)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewInstanceTransfers {
    ids: Vec<InstanceId>,
    virtual_account_id: VirtualAccountId,
    /// Whether only to say which would move.
    #[serde(default)]
    preview: bool,
}

pub(super) async fn transfer_instances(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    body: Bytes,
) -> Answer {
    let new: NewInstanceTransfers = parse(&body)?;
    run(&state, move |cssm, now| {
        let (actor, to) = (caller.actor(), new.virtual_account_id);
        let moved = cssm.transfer_instances(now, &actor, sa, &new.ids, to, new.preview)?;
        Ok(json!({ "moved": moved }))
    })
    .await
}

/// The licences there are, and the tiers that cover them.
pub(super) async fn catalogue() -> Json<Value> {
    let catalogue = rumline_catalogue::Catalogue::nexus();
    let packages = catalogue.packages().iter().map(|package| {
        let descriptions: Vec<&str> =
            package.variants.iter().map(|variant| variant.description.as_str()).collect();
        json!({ "license": package.name, "tier": package.tier, "descriptions": descriptions })
    });
    let tiers = catalogue.tiers().iter().map(
        |tier| json!({ "license": tier.license, "tier": tier.name, "includes": tier.includes }),
    );
    Json(json!({
        "licenses": packages.collect::<Vec<_>>(),
        "tiers": tiers.collect::<Vec<_>>(),
    }))
}
