//! Product instances: lists, transfers, removal (CSSM-005, CSSM-013).

use std::collections::BTreeSet;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use rumline_cssm::{
    Caller, Cssm, Error, InstanceId, InstanceView, Only, Search, SmartAccountId, SortBy,
    VirtualAccountId,
};
use rumline_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Answer, Chosen, IN_COMPLIANCE, Names, OUT_OF_COMPLIANCE, ROWS, check_count, each, only,
    outcome, seen, target,
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

/// Licenses of which there are too few, by virtual account.
type Short = BTreeSet<(VirtualAccountId, String)>;

fn device(view: &InstanceView, account: &str, short: &Short) -> Value {
    let is_short = |license: &String| short.contains(&(view.virtual_account_id, license.clone()));
    let is_out = view.licenses.iter().any(|license| is_short(&license.license));
    let uses = view.licenses.iter();
    let uses = uses.map(|one| json!({ "license": one.license, "quantity": one.count }));
    // What takes the place of a name that is not told is no host name.
    let hostname = if view.name.starts_with("UDI_PID:") { "" } else { &view.name };
    json!({
        "hostName": hostname,
        "sudi": {
            "suvi": null,
            "uuid": null,
            "hostIdentifier": null,
            "udiPid": view.pid,
            "udiSerialNumber": view.serial,
            "udiVid": null,
            "macAddress": null,
        },
        "displayName": format!("UDI_PID:{}; UDI_SN:{}; ", view.pid, view.serial),
        "productTagName": view.software_tag,
        "productName": view.pid,
        "productDescription": "",
        "productType": view.product_type,
        "registrationDate": Timestamp(view.registered_at).to_string(),
        "lastContactDate": Timestamp(view.last_contact_at).to_string(),
        "virtualAccount": account,
        "status": if is_out { OUT_OF_COMPLIANCE } else { IN_COMPLIANCE },
        "licenseUsage": uses.collect::<Vec<_>>(),
    })
}

/// The product instances of these virtual accounts, in the order in which they were registered.
pub(super) fn listed(
    (cssm, now): (&Cssm, Timestamp),
    sa: SmartAccountId,
    names: &Names,
    part: Part,
    row: impl Fn(&InstanceView, &str, &Short) -> Value,
) -> Result<List, Error> {
    let balances = cssm.licenses(now, sa)?.into_iter().filter(|view| view.balance < 0);
    let short = balances.map(|view| (view.virtual_account_id, view.license)).collect();
    let only = only(names);
    let (mut list, mut after) = (List::new(part), InstanceId(0));
    while !list.is_full() {
        let rows = cssm.instances(sa, &only, after, PIECE)?;
        let Some(last) = rows.last() else { return Ok(list) };
        after = last.id;
        for view in &rows {
            let name = names.get(&view.virtual_account_id).map_or("", String::as_str);
            list.push(|| row(view, name, &short))?;
        }
    }
    let count = cssm.count_instances(sa, &only, &Search::default())?.count;
    Ok(list.of_total(usize::try_from(count).unwrap_or(0)))
}

/// Those of these virtual accounts that have this name.
pub(super) fn each_named(
    cssm: &Cssm,
    sa: SmartAccountId,
    names: &Names,
    name: &str,
    mut found: impl FnMut(&InstanceView) -> Result<(), Error>,
) -> Result<(), Error> {
    let (only, mut next) = (only(names), String::new());
    let search = Search { text: name.to_owned(), sort_by: Some(SortBy::Name), descending: false };
    loop {
        let rows = cssm.find_instances(sa, &only, &search, &next, PIECE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        next.clone_from(&last.next);
        for row in rows.iter().filter(|row| row.instance.name == name) {
            found(&row.instance)?;
        }
    }
}

/// `POST v1/accounts/{domain}/devices`.
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
        listed((cssm, now), sa, &names, part, device)
    });
    Ok(Json(Listed::new("devices", found.await?)))
}

/// `GET …/{virtual_account}/devices`.
pub(super) async fn list_of_part(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    Asked(part): Asked<Part>,
) -> Result<Json<Listed>, Problem> {
    let part = part.or(ROWS)?;
    let found = run_raw(&state, move |cssm, now| {
        let (sa, va) = place.virtual_account()?;
        let mut names = seen(cssm, &caller, sa)?;
        names.retain(|id, _| *id == va);
        listed((cssm, now), sa, &names, part, device)
    });
    Ok(Json(Listed::new("devices", found.await?)))
}

/// A product instance as these calls name it; what else may stand there no switch has.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Sudi {
    udi_pid: String,
    udi_serial_number: String,
}

/// Matches of a serial number that are looked at: the one that is the same comes first.
const MATCHES: i64 = 50;

/// The product instance of a virtual account that is named so.
fn find(
    cssm: &Cssm,
    (sa, va): (SmartAccountId, VirtualAccountId),
    sudi: &Sudi,
    tag: Option<&str>,
) -> Result<InstanceId, Error> {
    let only = Only::These([va.into()].into());
    let search = Search {
        text: sudi.udi_serial_number.clone(),
        sort_by: Some(SortBy::Serial),
        descending: false,
    };
    let found = cssm.find_instances(sa, &only, &search, "", MATCHES)?;
    let is_it = |view: &InstanceView| {
        view.pid == sudi.udi_pid
            && view.serial == sudi.udi_serial_number
            && tag.is_none_or(|tag| tag.is_empty() || tag == view.software_tag)
    };
    let found = found.into_iter().map(|found| found.instance).find(is_it);
    found.map(|view| view.id).ok_or(Error::NotFound("product instance"))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfers {
    product_instances: Vec<Transfer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    sudi: Sudi,
    #[serde(default)]
    product_tag_name: Option<String>,
    target_virtual_account: String,
}

/// `POST …/{virtual_account}/devices/transfer`: each by itself.
pub(super) async fn transfer(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let Transfers { product_instances } = parse(&body)?;
    let done = run_raw(&state, move |cssm, now| {
        check_count(&product_instances, "productInstances")?;
        let from = place.virtual_account()?;
        let row = |asked: &Transfer| {
            json!({
                "sudi": asked.sudi,
                "productTagName": asked.product_tag_name,
                "targetVirtualAccount": asked.target_virtual_account,
            })
        };
        each(product_instances, row, |asked| {
            let to = target(cssm, &caller, from.0, &asked.target_virtual_account)?;
            let id = find(cssm, from, &asked.sudi, asked.product_tag_name.as_deref())?;
            cssm.transfer_instance(now, &caller.actor(), from.0, id, to).map(|_| ())
        })
    });
    Ok(Json(outcome("productInstances", done.await?)))
}

#[derive(Deserialize)]
struct Removals {
    /// Some clients leave out two letters of it.
    #[serde(rename = "productInstancesRemoveRequests", alias = "productInstacesRemoveRequests")]
    requests: Vec<Removal>,
}

/// What is to go. A `returnCode` is of reserved licenses, of which there are none here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    sudi: Sudi,
    #[serde(default)]
    product_tag_name: Option<String>,
}

/// `POST v2 …/{virtual_account}/devices/remove`: each by itself.
pub(super) async fn remove(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    body: Bytes,
) -> Answer {
    let Removals { requests } = parse(&body)?;
    let done = run_raw(&state, move |cssm, now| {
        check_count(&requests, "productInstancesRemoveRequests")?;
        let of = place.virtual_account()?;
        let row = |asked: &Removal| json!({ "sudi": asked.sudi, "productTagName": asked.product_tag_name });
        each(requests, row, |asked| {
            let id = find(cssm, of, &asked.sudi, asked.product_tag_name.as_deref())?;
            cssm.remove_instance(now, &caller.actor(), of.0, id)
        })
    });
    Ok(Json(outcome("productInstances", done.await?)))
}
