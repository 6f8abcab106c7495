//! Subscriptions: purchases that end and are meant to be renewed.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use rumline_cssm::{Caller, PurchaseKind};
use serde::Deserialize;
use serde_json::json;

use super::licenses::{held, purchases, standing, time};
use super::{Chosen, only};
use crate::asked::Asked;
use crate::asked::plain as parse;
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::listed::{List, Listed, Part};
use crate::problem::Problem;
use crate::site::Place;

/// Where a subscription stands. Nothing here is cancelled, so a list of those is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Standing {
    Active,
    #[serde(alias = "Cancelled")]
    Canceled,
    Expired,
    Future,
    Pending,
}

#[derive(Deserialize, Default)]
struct Wanted {
    #[serde(default)]
    status: Option<Vec<Standing>>,
}

impl Wanted {
    fn has(&self, standing: &str) -> bool {
        let wanted = self.status.as_deref().unwrap_or_default();
        wanted.is_empty() || wanted.iter().any(|one| format!("{one:?}") == standing)
    }
}

/// `POST v1/accounts/{domain}/license-subscriptions`.
pub(super) async fn list(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    Asked(query): Asked<Part>,
    body: Bytes,
) -> Result<Json<Listed>, Problem> {
    let wanted: Wanted = if body.is_empty() { Wanted::default() } else { parse(&body)? };
    let (chosen, part) = Chosen::read(&body, query)?;
    let found = run_raw(&state, move |cssm, now| {
        let sa = place.smart_account();
        let names = chosen.of(cssm, &caller, sa)?;
        let mut list = List::new(part);
        for purchase in purchases(cssm, sa, &only(&names))? {
            let status = standing(&purchase, now);
            if purchase.kind != PurchaseKind::Subscription || !wanted.has(status) {
                continue;
            }
            for (id, name) in &names {
                let quantity = held(&purchase, *id);
                if quantity == 0 {
                    continue;
                }
                list.push(|| {
                    json!({
                        "license": purchase.license,
                        "quantity": quantity,
                        "billingType": "PREPAID",
                        "subscriptionId": purchase.id.to_string(),
                        "virtualAccount": name,
                        "startDate": time(Some(purchase.starts_at.max(purchase.recorded_at))),
                        "endDate": time(purchase.ends_at),
                        "status": status,
                    })
                })?;
            }
        }
        Ok(list)
    });
    Ok(Json(Listed::new("licenseSubscriptions", found.await?)))
}
