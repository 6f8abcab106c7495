//! What a virtual account has of the licenses that entitlement tags stand for.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use rumline_catalogue::Catalogue;
use rumline_cssm::{LicenseView, Only, PurchaseKind, PurchaseView, UsageFile};
use rumline_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::licenses::{compliance, held, purchases, standing, time};
use super::usage::read;
use super::{Answer, DEEDS_MAX, SUCCESS};
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::problem::Problem;
use crate::site::Place;

#[derive(Deserialize)]
struct Wanted {
    tags: Vec<String>,
}

/// A row for a tag: of the license it stands for there may be several, one for each class of switch.
fn row(tag: &str, view: &LicenseView, purchases: &[PurchaseView], now: Timestamp) -> Value {
    let catalogue = Catalogue::nexus();
    let name = catalogue.by_tag(tag).map_or(&*view.license, |(_, variant)| &variant.description);
    let of_it = purchases.iter().filter(|purchase| purchase.license == view.license);
    let details = of_it.filter_map(|purchase| {
        let quantity = held(purchase, view.virtual_account_id);
        let is_subscription = purchase.kind == PurchaseKind::Subscription;
        (quantity != 0).then(|| {
            json!({
                "billing_type": "PREPAID",
                "quantity": quantity,
                "postpaid_usage": null,
                "start_date": time(Some(purchase.starts_at)),
                "end_date": time(purchase.ends_at),
                "subscription_id": is_subscription.then(|| purchase.id.to_string()),
                "status": standing(purchase, now).to_uppercase(),
                "billing_model": null,
                "license_type": purchase.kind,
            })
        })
    });
    json!({
        "tag": tag,
        "compliance_status": compliance(view.balance),
        "display_name": name,
        // No license of these switches stops a feature, and none is export-controlled (PI-LIC-011).
        "enforced": false,
        "export_restricted": false,
        "license_details": details.collect::<Vec<_>>(),
        "prepaid_entitled": view.purchased,
        "prepaid_inuse": view.in_use,
        "prepaid_reserved": 0,
    })
}

/// The tag that a license is told by where none was asked for.
fn a_tag_of(license: &str) -> String {
    let package = Catalogue::nexus().package(license);
    let tag =
        package.and_then(|package| package.variants.first()).map(|first| first.tag.to_string());
    tag.unwrap_or_else(|| license.to_owned())
}

/// `POST v3/licenses/summary`.
pub(super) async fn summary(
    State(state): State<CssmSite>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let data = read::<Wanted>(&body)?;
    if data.of.tags.len() > DEEDS_MAX {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "tags: up to 1,000 at a time"));
    }
    let found = run_raw(&state, move |cssm, now| {
        let (sa, va) = place.virtual_account()?;
        let only = Only::These([va.into()].into());
        let purchases = purchases(cssm, sa, &only)?;
        let mut views = cssm.licenses(now, sa)?;
        views.retain(|view| view.virtual_account_id == va);
        let rows: Vec<Value> = if data.of.tags.is_empty() {
            let all = views.iter();
            all.map(|view| row(&a_tag_of(&view.license), view, &purchases, now)).collect()
        } else {
            let tags = data.of.tags.iter();
            let of_tag = |tag: &String| {
                let license = Catalogue::nexus().license_of(tag);
                let view = views.iter().find(|view| view.license == license)?;
                Some(row(tag, view, &purchases, now))
            };
            tags.filter_map(of_tag).collect()
        };
        let files = cssm.usage_files(sa, &only)?.into_iter();
        let waiting = files.filter(|file| file.status == UsageFile::PROCESSING).count();
        Ok((rows, waiting, (data.timestamp, data.nonce)))
    });
    let (rows, waiting, (timestamp, nonce)) = found.await?;
    Ok(Json(json!({
        "status": SUCCESS,
        "message_code": null,
        "message": format!("Licenses: {}", rows.len()),
        "timestamp": timestamp,
        "nonce": nonce,
        "out_standing_reports": waiting,
        "summary": rows,
    })))
}
