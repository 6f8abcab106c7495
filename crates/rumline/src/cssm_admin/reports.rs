//! Reports, and what their numbers open to.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Api;
use super::columns::{DELTAS, INSTANCES, LICENSES, PURCHASES, SOURCES, USES, USES_NOW};
use crate::out::{Column, Output, show};

/// A report of a smart account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Licences purchased against in use.
    Licenses,
    /// Product instances.
    ProductInstances,
    /// Purchases that end.
    Subscriptions,
    /// Use over time.
    Use,
    /// What was purchased in a period against what was consumed.
    Delta,
}

/// A period of whole days.
#[derive(Args, Clone, Debug)]
pub(crate) struct Days {
    /// The first day, YYYY-MM-DD; thirty days before the last when missing.
    #[arg(long)]
    from: Option<String>,
    /// The last day; today when missing.
    #[arg(long)]
    to: Option<String>,
}

impl Days {
    fn in_query(&self) -> String {
        let of = |name: &str, day: &Option<String>| {
            let day = day.as_ref().map(|day| rumline_web::in_query(day));
            day.map(|day| format!("&{name}={day}")).unwrap_or_default()
        };
        of("from", &self.from) + &of("to", &self.to)
    }
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Licenses => "licenses",
            Self::ProductInstances => "product-instances",
            Self::Subscriptions => "subscriptions",
            Self::Use => "use",
            Self::Delta => "delta",
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Licenses => LICENSES,
            Self::ProductInstances => INSTANCES,
            Self::Subscriptions => PURCHASES,
            Self::Use => USES,
            Self::Delta => DELTAS,
        }
    }

    fn is_paged(self) -> bool {
        matches!(self, Self::ProductInstances | Self::Subscriptions)
    }
}

pub(super) async fn report(
    api: &Api,
    kind: Kind,
    smart_account: &str,
    days: &Days,
    by: &str,
) -> Result<()> {
    let account = api.smart_account(smart_account).await?;
    let days = days.in_query();
    let path = format!("{account}/reports/{}?by={}{days}", kind.path(), rumline_web::in_query(by));
    if api.output == Output::Csv {
        let text = api.bytes("GET", &format!("{path}&format=csv"), vec![]).await?;
        let _gone = std::io::stdout().lock().write_all(&text);
        return Ok(());
    }
    let mut rows = if kind.is_paged() {
        api.pages(&path).await?
    } else {
        api.json("GET", &path, None).await?
    };
    if api.output == Output::Table {
        api.with_names(&account, &mut rows).await;
    }
    show(api.output, &rows, kind.columns());
    Ok(())
}

/// Shows a list that goes on where its last row says.
pub(super) async fn all(
    api: &Api,
    account: &str,
    path: &str,
    columns: &'static [Column],
) -> Result<()> {
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let page = format!("{path}&limit=1000&next={}", rumline_web::in_query(&next));
        let page = api.json("GET", &page, None).await?;
        let page = page.as_array().cloned().unwrap_or_default();
        let Some(last) = page.last() else { break };
        next = last["next"].as_str().context("the list does not say where it goes on")?.to_owned();
        rows.extend(page);
    }
    let mut rows = Value::Array(rows);
    if api.output != Output::Json {
        api.with_names(account, &mut rows).await;
    }
    show(api.output, &rows, columns);
    Ok(())
}

pub(super) async fn use_sources(
    api: &Api,
    (smart_account, virtual_account): (&str, &str),
    license: &str,
    days: &Days,
) -> Result<()> {
    let path = api.virtual_account_ever(smart_account, virtual_account).await?;
    let (license, days) = (rumline_web::in_query(license), days.in_query());
    all(api, &path, &format!("{path}/use-sources?license={license}{days}"), SOURCES).await
}

pub(super) async fn license_uses(
    api: &Api,
    (smart_account, virtual_account): (&str, &str),
    license: &str,
) -> Result<()> {
    let path = api.virtual_account_ever(smart_account, virtual_account).await?;
    let license = rumline_web::in_query(license);
    all(api, &path, &format!("{path}/license-uses?license={license}"), USES_NOW).await
}

pub(super) async fn signed_report(
    api: &Api,
    (smart_account, virtual_account): (&str, &str),
    (id, report_id): (i64, i64),
    file: &PathBuf,
    key_file: Option<&PathBuf>,
) -> Result<()> {
    let path = api.virtual_account_ever(smart_account, virtual_account).await?;
    let path = format!("{path}/product-instances/{id}/reports/{report_id}");
    let report = api.json("GET", &path, None).await?;
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    let written = |file: &PathBuf, text: String| {
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    written(file, text("document"))?;
    if let Some(file) = key_file {
        written(file, text("public_key"))?;
    }
    if report["verifies"] == true {
        say!("Report {report_id} of {}: its signature verifies.", text("udi"));
    } else {
        say!(
            "Report {report_id} of {}: not signed with the key that it has now; the key before is not kept.",
            text("udi")
        );
    }
    Ok(())
}
