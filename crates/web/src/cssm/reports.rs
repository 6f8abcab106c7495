//! The REST handlers of reports, and of what their numbers open to. A report is JSON or CSV; long ones are written while they
//! are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use rumline_cssm::{
    Account, Caller, Cssm, DeltaRow, Error, InstanceId, InstanceView, LicenseView, Period,
    PurchaseId, PurchaseKind, PurchaseView, SmartAccountId, Step, UseRow, VirtualAccountId,
};
use rumline_protocol::Timestamp;
use rumline_server::Action::View;
use serde::{Deserialize, Serialize};

use super::api::{Answer, run, run_raw};
use crate::cssm::CssmSite;
use crate::csv;
use crate::problem::Problem;

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
}

/// What is asked of a report.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    by: Step,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    after: i64,
    #[serde(default = "limit")]
    limit: i64,
}

fn limit() -> i64 {
    1_000
}

impl Asked {
    fn period(&self, now: Timestamp) -> Result<Period, Error> {
        Period::read(now, self.from.as_deref(), self.to.as_deref())
    }
}

/// The names of virtual accounts.
type Names = BTreeMap<VirtualAccountId, String>;

fn names(cssm: &Cssm, sa: SmartAccountId) -> Result<Names, Error> {
    let all = cssm.virtual_accounts_ever(sa)?.into_iter();
    Ok(all.map(|account| (account.id, account.name)).collect())
}

fn name_of(names: &Names, id: VirtualAccountId) -> String {
    names.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

fn time(at: Option<i64>) -> String {
    at.map_or_else(String::new, |at| Timestamp(at).to_string())
}

/// A row of a report, as a line of CSV.
trait Line: Serialize + Send + 'static {
    /// The heads of the columns.
    const HEADS: &'static [&'static str];

    fn fields(&self, names: &Names) -> Vec<String>;
}

impl Line for UseRow {
    const HEADS: &'static [&'static str] =
        &["From", "To", "Virtual Account", "License", "License Seconds", "In Use (Average)"];

    fn fields(&self, names: &Names) -> Vec<String> {
        vec![
            self.from.clone(),
            self.to.clone(),
            name_of(names, self.virtual_account_id),
            self.license.clone(),
            self.license_seconds.to_string(),
            self.in_use_average.to_string(),
        ]
    }
}

impl Line for DeltaRow {
    const HEADS: &'static [&'static str] = &[
        "Virtual Account",
        "License",
        "From",
        "To",
        "Purchased (License Seconds)",
        "Used (License Seconds)",
        "Substituted (License Seconds)",
        "Short (License Seconds)",
        "Short (Days)",
    ];

    fn fields(&self, names: &Names) -> Vec<String> {
        let seconds = [
            self.purchased_seconds,
            self.used_seconds,
            self.substituted_seconds,
            self.short_seconds,
            self.short_days,
        ];
        let about = [
            name_of(names, self.virtual_account_id),
            self.license.clone(),
            self.from.clone(),
            self.to.clone(),
        ];
        about.into_iter().chain(seconds.map(|seconds| seconds.to_string())).collect()
    }
}

impl Line for LicenseView {
    const HEADS: &'static [&'static str] = &[
        "Virtual Account",
        "License",
        "Purchased",
        "In Use",
        "Substituted",
        "Balance",
        "Runs Short At",
    ];

    fn fields(&self, names: &Names) -> Vec<String> {
        vec![
            name_of(names, self.virtual_account_id),
            self.license.clone(),
            self.purchased.to_string(),
            self.in_use.to_string(),
            self.substituted.to_string(),
            self.balance.to_string(),
            time(self.runs_short_at),
        ]
    }
}

impl Line for PurchaseView {
    const HEADS: &'static [&'static str] =
        &["Purchase", "License", "Kind", "Order", "Starts", "Ends", "Held By"];

    fn fields(&self, names: &Names) -> Vec<String> {
        let held = self.shares.iter().map(|share| {
            format!("{} x {}", share.quantity, name_of(names, share.virtual_account_id))
        });
        vec![
            self.id.to_string(),
            self.license.clone(),
            match self.kind {
                PurchaseKind::Perpetual => "perpetual",
                PurchaseKind::Term => "term",
                PurchaseKind::Subscription => "subscription",
            }
            .to_owned(),
            self.order_number.clone(),
            time(Some(self.starts_at)),
            time(self.ends_at),
            held.collect::<Vec<_>>().join("; "),
        ]
    }
}

impl Line for InstanceView {
    const HEADS: &'static [&'static str] = &[
        "Name",
        "Product Id",
        "Serial Number",
        "Product Type",
        "Virtual Account",
        "Software Version",
        "Licenses In Use",
        "Registered",
        "Last Contact",
        "Last Report",
        "Reports",
        "Reports Missing",
    ];

    fn fields(&self, names: &Names) -> Vec<String> {
        let uses = self.licenses.iter().map(|uses| format!("{} x {}", uses.count, uses.license));
        vec![
            self.name.clone(),
            self.pid.clone(),
            self.serial.clone(),
            self.product_type.clone(),
            name_of(names, self.virtual_account_id),
            self.software_version.clone().unwrap_or_default(),
            uses.collect::<Vec<_>>().join("; "),
            time(Some(self.registered_at)),
            time(Some(self.last_contact_at)),
            time(self.last_report_at),
            self.reports.to_string(),
            self.reports_missing.to_string(),
        ]
    }
}

/// As CSV: page after page, each read once the one before has gone out.
async fn as_csv<T: Line>(
    state: CssmSite,
    sa: SmartAccountId,
    name: &str,
    page: impl Fn(&Cssm, Timestamp, i64) -> Result<(Vec<T>, Option<i64>), Error> + Send + Sync + 'static,
) -> Result<Response, Problem> {
    let names = run_raw(&state, move |cssm, _| names(cssm, sa)).await?;
    let (page, names) = (Arc::new(page), Arc::new(names));
    // The first page is read at once: what is wrong with it is answered, and not cut off.
    let read = move |state: CssmSite, after: i64| {
        let (page, names) = (Arc::clone(&page), Arc::clone(&names));
        async move {
            let (rows, next) = run_raw(&state, move |cssm, now| page(cssm, now, after)).await?;
            let lines = rows.iter().map(|row| csv::line(&row.fields(&names)));
            Ok::<_, Problem>((lines.collect::<String>(), next))
        }
    };
    let (first, next) = read(state.clone(), 0).await?;
    let first = csv::line(T::HEADS) + &first;
    let rest = futures_util::stream::unfold(next, move |next| {
        let (read, state) = (read.clone(), state.clone());
        async move {
            let piece = read(state, next?).await;
            let (piece, next) = match piece {
                Ok((text, next)) => (Ok(text), next),
                Err(_) => (Err(std::io::Error::other("the report cannot be read on")), None),
            };
            Some((piece, next))
        }
    });
    let first = futures_util::stream::once(std::future::ready(Ok(first)));
    let all = futures_util::StreamExt::chain(first, rest);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    Ok((headers, Body::from_stream(all)).into_response())
}

/// A report that is one page.
async fn whole<T: Line>(
    state: CssmSite,
    sa: SmartAccountId,
    name: &str,
    format: Format,
    rows: impl Fn(&Cssm, Timestamp) -> Result<Vec<T>, Error> + Send + Sync + 'static,
) -> Result<Response, Problem> {
    if format == Format::Csv {
        return as_csv(state, sa, name, move |cssm, now, _| Ok((rows(cssm, now)?, None))).await;
    }
    let rows = run_raw(&state, move |cssm, now| rows(cssm, now)).await?;
    Ok(Json(rows).into_response())
}

pub(super) async fn use_over_time(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let only = caller.parts(View, sa.into());
    whole(state, sa, "use", asked.format, move |cssm, now| {
        cssm.use_over_time(now, sa, &only, asked.period(now)?, asked.by)
    })
    .await
}

pub(super) async fn delta(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let only = caller.parts(View, sa.into());
    whole(state, sa, "delta", asked.format, move |cssm, now| {
        cssm.delta(now, sa, &only, asked.period(now)?)
    })
    .await
}

pub(super) async fn licenses(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let only = caller.parts(View, sa.into());
    whole(state, sa, "licenses", asked.format, move |cssm, now| {
        let mut all = cssm.licenses(now, sa)?;
        all.retain(|view| only.has(&view.virtual_account_id.into()));
        Ok(all)
    })
    .await
}

/// A report that is read in pages.
async fn paged<T: Line>(
    state: CssmSite,
    sa: SmartAccountId,
    name: &str,
    asked: Asked,
    rows: impl Fn(&Cssm, i64, i64) -> Result<Vec<T>, Error> + Send + Sync + 'static,
    number: fn(&T) -> i64,
) -> Result<Response, Problem> {
    if asked.format == Format::Csv {
        let page = move |cssm: &Cssm, _, after| {
            let rows = rows(cssm, after, limit())?;
            let next = rows.last().map(number);
            Ok((rows, next))
        };
        return as_csv(state, sa, name, page).await;
    }
    let rows = run_raw(&state, move |cssm, _| rows(cssm, asked.after, asked.limit)).await?;
    Ok(Json(rows).into_response())
}

pub(super) async fn subscriptions(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let only = caller.parts(View, sa.into());
    let rows =
        move |cssm: &Cssm, after, limit| cssm.subscriptions(sa, &only, PurchaseId(after), limit);
    paged(state, sa, "subscriptions", asked, rows, |row| row.id.0).await
}

pub(super) async fn product_instances(
    State(state): State<CssmSite>,
    Extension(caller): Extension<Caller>,
    Path(sa): Path<SmartAccountId>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let only = caller.parts(View, sa.into());
    let rows = move |cssm: &Cssm, after, limit| cssm.instances(sa, &only, InstanceId(after), limit);
    paged(state, sa, "product-instances", asked, rows, |row| row.id.0).await
}

/// What is asked of a number: of which licence, and when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Opened {
    #[serde(default)]
    license: String,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    next: String,
    #[serde(default = "limit")]
    limit: i64,
}

pub(super) async fn use_sources(
    State(state): State<CssmSite>,
    Path(account): Path<Account>,
    Query(asked): Query<Opened>,
) -> Answer {
    run(&state, move |cssm, now| {
        let period = Period::read(now, asked.from.as_deref(), asked.to.as_deref())?;
        cssm.use_sources(account, &asked.license, period, &asked.next, asked.limit)
    })
    .await
}

pub(super) async fn uses_now(
    State(state): State<CssmSite>,
    Path(account): Path<Account>,
    Query(asked): Query<Opened>,
) -> Answer {
    run(&state, move |cssm, _| cssm.uses_now(account, &asked.license, &asked.next, asked.limit))
        .await
}

pub(super) async fn signed_report(
    State(state): State<CssmSite>,
    Path((sa, va, id, report)): Path<(SmartAccountId, VirtualAccountId, InstanceId, i64)>,
) -> Answer {
    run(&state, move |cssm, _| cssm.signed_report((sa, va), id, report)).await
}
