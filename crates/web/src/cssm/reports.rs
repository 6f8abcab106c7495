//! The REST handlers of reports, and of what their numbers open to. A report is JSON or CSV; long ones are written while they
//! are read.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, Path, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use rumline_cssm::{
    Account, Caller, Cssm, DeltaRow, Error, InstanceId, InstanceView, LicenseView, Period,
    PurchaseId, PurchaseKind, PurchaseView, SignedReportView, SmartAccountId, Source, Step,
    UseOfInstance, UseRow, VirtualAccountId,
};
use rumline_protocol::Timestamp;
use rumline_server::Action::View;
use rumline_server::{Only, PartId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::{Answer, LIMIT_MAX, run, run_raw};
use crate::asked::Asked;
use crate::cssm::CssmSite;
use crate::csv;
use crate::operation::{Operation, Rows, Taken};
use crate::problem::Problem;

/// In which form a report is answered.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// As JSON.
    #[default]
    Json,
    /// For spreadsheets.
    Csv,
}

/// What is asked of a report.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The first day, YYYY-MM-DD; without it the last thirty.
    from: Option<String>,
    /// The last day, YYYY-MM-DD; today without it.
    to: Option<String>,
    /// In which steps use is told.
    #[serde(default)]
    by: Step,
    /// In which form it is answered.
    #[serde(default)]
    format: Format,
    /// What comes after the row with this number, where a report is read in pages.
    #[serde(default)]
    after: i64,
    /// How many rows at most, where it is.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: i64,
}

fn limit() -> i64 {
    1_000
}

impl Question {
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
trait Line: Serialize + JsonSchema + Send + 'static {
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

/// A report that somebody wants: of which account, and of those of its virtual accounts that they may see.
pub(super) struct Wanted {
    state: CssmSite,
    sa: SmartAccountId,
    only: Only<PartId>,
    asked: Question,
}

impl Taken for Wanted {
    fn tell(operation: &mut Operation<'_>) {
        <Path<SmartAccountId> as Taken>::tell(operation);
        <Asked<Question> as Taken>::tell(operation);
    }
}

impl FromRequestParts<CssmSite> for Wanted {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &CssmSite) -> Result<Self, Response> {
        let Path(sa) = Path::<SmartAccountId>::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let Asked(asked) = Asked::<Question>::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let Extension(caller) = Extension::<Caller>::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let only = caller.parts(View, sa.into());
        Ok(Self { state: state.clone(), sa, only, asked })
    }
}

/// A page of a report, and after which number the next one begins, if there is one.
type Page<T> = (Vec<T>, Option<i64>);

impl Wanted {
    /// As CSV: page after page, each read once the one before has gone out.
    async fn spreadsheet<T: Line>(
        self,
        name: &str,
        page: impl Fn(&Cssm, Timestamp, &Self, i64) -> Result<Page<T>, Error> + Send + Sync + 'static,
    ) -> Result<Response, Problem> {
        let (state, sa) = (self.state.clone(), self.sa);
        let names = run_raw(&state, move |cssm, _| names(cssm, sa)).await?;
        let with = Arc::new((page, names, self));
        let read = move |after: i64| {
            let (state, with) = (state.clone(), Arc::clone(&with));
            async move {
                let lines = move |cssm: &Cssm, now| {
                    let (page, names, wanted) = &*with;
                    let (rows, next) = page(cssm, now, wanted, after)?;
                    let lines = rows.iter().map(|row| csv::line(&row.fields(names)));
                    Ok((lines.collect::<String>(), next))
                };
                run_raw(&state, lines).await
            }
        };
        // The first page is read at once: what is wrong with it is answered, and not cut off.
        let (first, next) = read(0).await?;
        let first = csv::line(T::HEADS) + &first;
        let rest = stream::unfold(next, move |next| {
            let read = read.clone();
            async move {
                Some(match read(next?).await {
                    Ok((text, next)) => (Ok(text), next),
                    Err(_) => (Err(io::Error::other("the report cannot be read on")), None),
                })
            }
        });
        let all = stream::once(std::future::ready(Ok(first))).chain(rest);
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
        ];
        Ok((headers, Body::from_stream(all)).into_response())
    }

    /// A report that is one page.
    async fn whole<T: Line>(
        self,
        name: &str,
        rows: impl Fn(&Cssm, Timestamp, &Self) -> Result<Vec<T>, Error> + Send + Sync + 'static,
    ) -> Result<Response, Problem> {
        if self.asked.format == Format::Csv {
            let page =
                move |cssm: &Cssm, now, wanted: &Self, _| Ok((rows(cssm, now, wanted)?, None));
            return self.spreadsheet(name, page).await;
        }
        let state = self.state.clone();
        let rows = run_raw(&state, move |cssm, now| rows(cssm, now, &self)).await?;
        Ok(Json(rows).into_response())
    }

    /// A report that is read in pages, after the number of a row.
    async fn paged<T: Line>(
        self,
        name: &str,
        rows: impl Fn(&Cssm, &Self, i64, i64) -> Result<Vec<T>, Error> + Send + Sync + 'static,
        number: fn(&T) -> i64,
    ) -> Result<Response, Problem> {
        if self.asked.format == Format::Csv {
            let page = move |cssm: &Cssm, _, wanted: &Self, after| {
                let rows = rows(cssm, wanted, after, limit())?;
                let next = rows.last().map(number);
                Ok((rows, next))
            };
            return self.spreadsheet(name, page).await;
        }
        let (state, after, limit) = (self.state.clone(), self.asked.after, self.asked.limit);
        let rows = run_raw(&state, move |cssm, _| rows(cssm, &self, after, limit)).await?;
        Ok(Json(rows).into_response())
    }
}

pub(super) async fn use_over_time(wanted: Wanted) -> Result<Rows<UseRow>, Problem> {
    let rows = |cssm: &Cssm, now, Wanted { sa, only, asked, .. }: &Wanted| {
        cssm.use_over_time(now, *sa, only, asked.period(now)?, asked.by)
    };
    wanted.whole("use", rows).await.map(Rows::new)
}

pub(super) async fn delta(wanted: Wanted) -> Result<Rows<DeltaRow>, Problem> {
    let rows = |cssm: &Cssm, now, Wanted { sa, only, asked, .. }: &Wanted| {
        cssm.delta(now, *sa, only, asked.period(now)?)
    };
    wanted.whole("delta", rows).await.map(Rows::new)
}

pub(super) async fn licenses(wanted: Wanted) -> Result<Rows<LicenseView>, Problem> {
    let rows = |cssm: &Cssm, now, Wanted { sa, only, .. }: &Wanted| {
        let mut all = cssm.licenses(now, *sa)?;
        all.retain(|view| only.has(&view.virtual_account_id.into()));
        Ok(all)
    };
    wanted.whole("licenses", rows).await.map(Rows::new)
}

pub(super) async fn subscriptions(wanted: Wanted) -> Result<Rows<PurchaseView>, Problem> {
    let rows = |cssm: &Cssm, Wanted { sa, only, .. }: &Wanted, after, limit| {
        cssm.subscriptions(*sa, only, PurchaseId(after), limit)
    };
    wanted.paged("subscriptions", rows, |row| row.id.0).await.map(Rows::new)
}

pub(super) async fn product_instances(wanted: Wanted) -> Result<Rows<InstanceView>, Problem> {
    let rows = |cssm: &Cssm, Wanted { sa, only, .. }: &Wanted, after, limit| {
        cssm.instances(*sa, only, InstanceId(after), limit)
    };
    wanted.paged("product-instances", rows, |row| row.id.0).await.map(Rows::new)
}

/// What is asked of a number: of which licence, and when.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Opened {
    /// Short name of the licence.
    #[schemars(length(min = 1))]
    license: String,
    /// The first day, YYYY-MM-DD; without it the last thirty.
    from: Option<String>,
    /// The last day, YYYY-MM-DD; today without it.
    to: Option<String>,
    /// What the last row of the page before says.
    #[serde(default)]
    next: String,
    /// How many rows at most, up to 1,000 at a time.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: i64,
}

pub(super) async fn use_sources(
    State(state): State<CssmSite>,
    Path(account): Path<Account>,
    Asked(asked): Asked<Opened>,
) -> Answer<Vec<Source>> {
    run(&state, move |cssm, now| {
        let period = Period::read(now, asked.from.as_deref(), asked.to.as_deref())?;
        cssm.use_sources(account, &asked.license, period, &asked.next, asked.limit)
    })
    .await
}

pub(super) async fn uses_now(
    State(state): State<CssmSite>,
    Path(account): Path<Account>,
    Asked(asked): Asked<Opened>,
) -> Answer<Vec<UseOfInstance>> {
    run(&state, move |cssm, _| cssm.uses_now(account, &asked.license, &asked.next, asked.limit))
        .await
}

pub(super) async fn signed_report(
    State(state): State<CssmSite>,
    Path((sa, va, id, report)): Path<(SmartAccountId, VirtualAccountId, InstanceId, i64)>,
) -> Answer<SignedReportView> {
    run(&state, move |cssm, _| cssm.signed_report((sa, va), id, report)).await
}
