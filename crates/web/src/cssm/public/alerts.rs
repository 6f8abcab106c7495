//! Alerts of a smart account, those that are open (G-19).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use rumline_cssm::AlertView;
use serde_json::{Value, json};

use super::Chosen;
use crate::asked::Asked;
use crate::cssm::CssmSite;
use crate::cssm::api::run_raw;
use crate::listed::{List, Listed, Part};
use crate::problem::Problem;
use crate::site::Place;

/// The original's word for a kind of alert, and how bad it is; what it has none for keeps the word it has here.
fn kind(alert: &AlertView) -> (&str, &'static str) {
    match alert.kind.as_str() {
        "shortage" => ("Insufficient Licenses", "Major"),
        "expiry" => ("Licenses Expiring", "Minor"),
        "overdue" => ("Product Instance Failed to Connect", "Minor"),
        "silent collector" => ("Synchronization Overdue", "Minor"),
        other => (other, "Major"),
    }
}

fn shown(alert: &AlertView) -> Value {
    let (message_type, severity) = kind(alert);
    json!({
        "message": alert.text,
        "messageType": message_type,
        "severity": severity,
        "source": alert.subject,
        "actionDue": null,
    })
}

/// `POST v1/accounts/{domain}/alerts`.
pub(super) async fn list(
    State(state): State<CssmSite>,
    Extension(place): Extension<Place>,
    Asked(query): Asked<Part>,
    body: Bytes,
) -> Result<Json<Listed>, Problem> {
    let (_, part) = Chosen::read(&body, query)?;
    let found = run_raw(&state, move |cssm, _| {
        let mut list = List::new(part);
        let (sa, mut before) = (place.smart_account(), None);
        loop {
            let rows = cssm.listed_alerts(Some(sa), Some(false), before, 1_000)?;
            let Some(last) = rows.last() else { return Ok(list) };
            before = Some(last.id);
            for alert in &rows {
                list.push(|| shown(alert))?;
            }
        }
    });
    Ok(Json(Listed::new("alerts", found.await?)))
}
