//! The REST handlers of accounts that change, of the book of purchases, and of what is handed on.

use axum::Json;
use axum::extract::{Extension, Path, State};
use rumline_cssm::{
    Account, Caller, Correction, Entry, InstanceId, JobKind, JobView, LicenseTransfer, Moved,
    NewJob, Purchase, PurchaseId, PurchaseView, SmartAccount, SmartAccountId, VirtualAccount,
    VirtualAccountId,
};
use rumline_server::Action::{self, View};
use rumline_server::NAME_LETTERS_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::{Answer, NewSmartAccount, NewVirtualAccount, Paging, Transfer, run};
use crate::asked::{Asked, Sent};
use crate::cssm::CssmSite;
use crate::operation::{Done, done};

pub(super) async fn rename_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Sent(new): Sent<NewSmartAccount>,
) -> Answer<SmartAccount> {
    run(&state, move |cssm, now| {
        cssm.rename_smart_account(now, &caller.actor(), sa, &new.name, &new.domain)
    })
    .await
}

pub(super) async fn close_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
) -> Answer<Done> {
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
    Sent(new): Sent<NewVirtualAccount>,
) -> Answer<VirtualAccount> {
    run(&state, move |cssm, now| {
        cssm.rename_virtual_account(now, &caller.actor(), sa, va, &new.name)
    })
    .await
}

pub(super) async fn close_virtual_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, va)): Path<Account>,
) -> Answer<Done> {
    run(&state, move |cssm, now| {
        cssm.close_virtual_account(now, &caller.actor(), sa, va)?;
        done()
    })
    .await
}

/// The smart account that another one is merged into.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MergeInto")]
pub(super) struct Into {
    /// Its number.
    smart_account_id: SmartAccountId,
}

pub(super) async fn merge_smart_account(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Sent(Into { smart_account_id }): Sent<Into>,
) -> Answer<SmartAccount> {
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
    Sent(Transfer { virtual_account_id }): Sent<Transfer>,
) -> Answer<JobView> {
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
    Sent(purchase): Sent<Purchase>,
) -> Answer<PurchaseView> {
    run(&state, move |cssm, now| cssm.add_purchase(now, &caller.actor(), sa, va, &purchase)).await
}

pub(super) async fn purchases(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Asked(paging): Asked<Paging>,
) -> Answer<Vec<PurchaseView>> {
    let only = caller.parts(View, sa.into());
    let after = PurchaseId(paging.after);
    run(&state, move |cssm, _| cssm.purchases(sa, &only, after, paging.limit)).await
}

/// A purchase with its entries.
#[derive(Serialize, JsonSchema)]
pub(super) struct OpenedPurchase {
    /// How it stands.
    #[serde(flatten)]
    purchase: PurchaseView,
    /// What was done to it, oldest first.
    entries: Vec<Entry>,
}

pub(super) async fn purchase(
    State(state): State<CssmSite>,
    Path((sa, id)): Path<(SmartAccountId, PurchaseId)>,
) -> Answer<OpenedPurchase> {
    run(&state, move |cssm, _| {
        let (purchase, entries) = cssm.purchase(sa, id)?;
        Ok(OpenedPurchase { purchase, entries })
    })
    .await
}

pub(super) async fn correct_purchase(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path((sa, id)): Path<(SmartAccountId, PurchaseId)>,
    Sent(correction): Sent<Correction>,
) -> Answer<PurchaseView> {
    run(&state, move |cssm, now| cssm.correct_purchase(now, &caller.actor(), sa, id, &correction))
        .await
}

/// Licences that one virtual account hands on to another.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLicenseTransfer {
    /// Short name of the licence.
    #[schemars(length(min = 1, max = NAME_LETTERS_MAX))]
    license: String,
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    quantity: i64,
    /// Whose they are.
    from: VirtualAccountId,
    /// Whose they will be.
    to: VirtualAccountId,
    /// Of this purchase only.
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
    Sent(new): Sent<NewLicenseTransfer>,
) -> Answer<Vec<Moved>> {
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

/// Product instances that move.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInstanceTransfers {
    /// Their numbers.
    #[schemars(length(min = 1, max = 1_000))]
    ids: Vec<InstanceId>,
    /// Where to.
    virtual_account_id: VirtualAccountId,
    /// Whether only to say which would move.
    #[serde(default)]
    preview: bool,
}

/// What moved, or would.
#[derive(Serialize, JsonSchema)]
pub(super) struct MovedInstances {
    /// Numbers of product instances.
    moved: Vec<InstanceId>,
}

pub(super) async fn transfer_instances(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Sent(new): Sent<NewInstanceTransfers>,
) -> Answer<MovedInstances> {
    run(&state, move |cssm, now| {
        let (actor, to) = (caller.actor(), new.virtual_account_id);
        let moved = cssm.transfer_instances(now, &actor, sa, &new.ids, to, new.preview)?;
        Ok(MovedInstances { moved })
    })
    .await
}

/// A licence there is.
#[derive(Serialize, JsonSchema)]
pub(super) struct CatalogueLicense {
    /// Its short name.
    license: String,
    /// The tier that covers it.
    tier: String,
    /// What it is called on each class of switch.
    descriptions: Vec<String>,
}

/// A tier there is.
#[derive(Serialize, JsonSchema)]
pub(super) struct CatalogueTier {
    /// The short name of its licence.
    license: String,
    /// Its name.
    tier: String,
    /// The licences it covers.
    includes: Vec<String>,
    /// For how many ports of a switch it is, if not for all.
    ports: Option<u32>,
}

/// The licences there are, and the tiers that cover them.
#[derive(Serialize, JsonSchema)]
pub(super) struct CatalogueView {
    /// The licences.
    licenses: Vec<CatalogueLicense>,
    /// The tiers.
    tiers: Vec<CatalogueTier>,
}

/// The licences there are, and the tiers that cover them.
pub(super) async fn catalogue() -> Json<CatalogueView> {
    let catalogue = rumline_catalogue::Catalogue::nexus();
    let license = |package: &rumline_catalogue::Package| CatalogueLicense {
        license: package.name.clone(),
        tier: package.tier.clone(),
        descriptions: package.variants.iter().map(|variant| variant.description.clone()).collect(),
    };
    let tier = |tier: &rumline_catalogue::Tier| CatalogueTier {
        license: tier.license.clone(),
        tier: tier.name.clone(),
        includes: tier.includes.clone(),
        ports: tier.ports,
    };
    Json(CatalogueView {
        licenses: catalogue.packages().iter().map(license).collect(),
        tiers: catalogue.tiers().iter().map(tier).collect(),
    })
}
