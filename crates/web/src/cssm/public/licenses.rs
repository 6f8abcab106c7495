//! Licenses: what was bought, what is in use, and handing on (CSSM-004, CSSM-027).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use rumline_cssm::{
    Caller, Cssm, Error, LicenseTransfer, LicenseView, Only, PartId, PurchaseId, PurchaseKind,
    PurchaseView, SmartAccountId, VirtualAccountId,
};
use rumline_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Answer, Chosen, IN_COMPLIANCE, OUT_OF_COMPLIANCE, check_count, each, only, outcome, target,
};
use crate::asked::Asked;
use crate::asked::plain as parse;
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::listed::{List, Listed, Part};
use crate::problem::Problem;
use crate::site::Place;

/// Rows that are read at a time.
const PIECE: i64 = 1_000;

/// All purchases of which these virtual accounts hold something.
pub(super) fn purchases(
    cssm: &Cssm,
    sa: SmartAccountId,
    only: &Only<PartId>,
) -> Result<Vec<PurchaseView>, Error> {
    let (mut all, mut after) = (Vec::new(), PurchaseId(0));
    loop {
        let rows = cssm.purchases(sa, only, after, PIECE)?;
        let Some(last) = rows.last() else { return Ok(all) };
        after = last.id;
        all.extend(rows);
    }
}

/// How many of a purchase a virtual account holds.
pub(super) fn held(purchase: &PurchaseView, va: VirtualAccountId) -> i64 {
    let shares = purchase.shares.iter().filter(|share| share.virtual_account_id == va);
    shares.map(|share| share.quantity).sum()
}

/// Where a purchase stands now.
pub(super) fn standing(purchase: &PurchaseView, now: Timestamp) -> &'static str {
    if purchase.ends_at.is_some_and(|end| end <= now.0) {
        "Expired"
    } else if purchase.visible_at > now.0 {
        "Pending"
    } else if purchase.starts_at > now.0 {
        "Future"
    } else {
        "Active"
    }
}

/// A time as clients read it; 0 is none.
pub(super) fn time(at: Option<i64>) -> Option<String> {
    at.filter(|at| *at != 0).map(|at| Timestamp(at).to_string())
}

pub(super) fn compliance(balance: i64) -> &'static str {
    if balance < 0 { OUT_OF_COMPLIANCE } else { IN_COMPLIANCE }
}

fn detail(purchase: &PurchaseView, quantity: i64, now: Timestamp) -> Value {
    let is_subscription = purchase.kind == PurchaseKind::Subscription;
    json!({
        "licenseType": purchase.kind,
        "quantity": quantity,
        "startDate": time(Some(purchase.starts_at)),
        "endDate": time(purchase.ends_at),
        "subscriptionId": is_subscription.then(|| purchase.id.to_string()),
        "status": standing(purchase, now),
        "orderNumber": purchase.order_number,
    })
}

/// A license in a virtual account, with the purchases it is of.
fn license(view: &LicenseView, name: &str, purchases: &[PurchaseView], now: Timestamp) -> Value {
    let va = view.virtual_account_id;
    let of_it = purchases.iter().filter(|purchase| purchase.license == view.license);
    let of_it = of_it.map(|purchase| (purchase, held(purchase, va)));
    let shares: Vec<(&PurchaseView, i64)> = of_it.filter(|(_, quantity)| *quantity != 0).collect();
    let waits = |purchase: &PurchaseView| ["Pending", "Future"].contains(&standing(purchase, now));
    let pending = shares.iter().filter(|(purchase, _)| waits(purchase));
    let details = shares.iter().map(|(purchase, quantity)| detail(purchase, *quantity, now));
    json!({
        "license": view.license,
        "virtualAccount": name,
        "quantity": view.purchased,
        "inUse": view.in_use,
        "available": view.balance,
        "reserved": 0,
        "pendingQuantity": pending.map(|(_, quantity)| quantity).sum::<i64>(),
        "isPortable": false,
        "ahaApps": false,
        "billingType": "PREPAID",
        "status": compliance(view.balance),
        "licenseDetails": details.collect::<Vec<_>>(),
        "licenseSubstitutions": [],
    })
}

/// `POST v1/accounts/{domain}/licenses`.
pub(super) async fn list(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    Asked(query): Asked<Part>,
    body: Bytes,
) -> Result<Json<Listed>, Problem> {
    let (chosen, part) = Chosen::read(&body, query)?;
    let found = run_raw(&state, move |cssm, now| {
        let sa = place.smart_account();
        let names = chosen.of(cssm, &caller, sa)?;
        let purchases = purchases(cssm, sa, &only(&names))?;
        let mut list = List::new(part);
        for view in cssm.licenses(now, sa)? {
            if let Some(name) = names.get(&view.virtual_account_id) {
                list.push(|| license(&view, name, &purchases, now))?;
            }
        }
        Ok(list)
    });
    Ok(Json(Listed::new("licenses", found.await?)))
}

#[derive(Deserialize)]
struct Transfers {
    licenses: Vec<Transfer>,
}

/// Licenses that are to go; those that last longest go first, whatever a `precedence` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    license: String,
    #[serde(default)]
    license_type: Option<PurchaseKind>,
    quantity: i64,
    target_virtual_account: String,
}

/// Hands licenses of one kind on, or of any: each purchase that is needed gives what it has.
fn hand_on(
    (cssm, now): (&Cssm, Timestamp),
    caller: &Caller,
    (sa, from): (SmartAccountId, VirtualAccountId),
    asked: &Transfer,
) -> Result<(), Error> {
    let to = target(cssm, caller, sa, &asked.target_virtual_account)?;
    let transfer = |purchase_id, quantity| {
        let license = asked.license.clone();
        let transfer = LicenseTransfer { license, quantity, from, to, purchase_id };
        cssm.transfer_licenses(now, &caller.actor(), sa, &transfer, false).map(|_| ())
    };
    let Some(kind) = asked.license_type else { return transfer(None, asked.quantity) };
    let mut there: Vec<(PurchaseView, i64)> =
        purchases(cssm, sa, &Only::These([from.into()].into()))?
            .into_iter()
            .filter(|purchase| purchase.license == asked.license && purchase.kind == kind)
            .filter(|purchase| standing(purchase, now) != "Expired")
            .map(|purchase| (held(&purchase, from), purchase))
            .filter(|(quantity, _)| *quantity > 0)
            .map(|(quantity, purchase)| (purchase, quantity))
            .collect();
    there.sort_by_key(|(purchase, _)| {
        let lasts = purchase.ends_at.unwrap_or(i64::MAX);
        (standing(purchase, now) != "Active", std::cmp::Reverse(lasts))
    });
    let sum: i64 = there.iter().map(|(_, quantity)| quantity).sum();
    if asked.quantity < 1 || sum < asked.quantity {
        let text = format!("{sum} of this kind are there, {} were asked for", asked.quantity);
        return Err(Error::Conflict(text));
    }
    let mut left = asked.quantity;
    for (purchase, quantity) in there {
        let here = left.min(quantity);
        if here > 0 {
            transfer(Some(purchase.id), here)?;
            left -= here;
        }
    }
    Ok(())
}

/// `POST …/{virtual_account}/licenses/transfer`.
pub(super) async fn transfer(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let Transfers { licenses } = parse(&body)?;
    let done = run_raw(&state, move |cssm, now| {
        check_count(&licenses, "licenses")?;
        let from = place.virtual_account()?;
        let row = |asked: &Transfer| {
            json!({
                "license": asked.license,
                "licenseType": asked.license_type,
                "quantity": asked.quantity,
                "targetVirtualAccount": asked.target_virtual_account,
            })
        };
        each(licenses, row, |asked| hand_on((cssm, now), &caller, from, asked))
    });
    Ok(Json(outcome("licenses", done.await?)))
}
