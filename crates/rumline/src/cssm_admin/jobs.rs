//! What is done to many product instances at once.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::columns::JOBS;
use super::{Api, Command};
use crate::out::show;

/// Which product instances.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// Those that `instances` lists with this search.
    #[arg(long)]
    search: Option<String>,
    /// Looks only there.
    #[arg(long, value_parser = ["name", "serial", "pid"])]
    sort: Option<String>,
    /// Those of one virtual account.
    #[arg(long)]
    from: Option<String>,
}

/// How a job is begun.
#[derive(Args, Clone, Debug)]
pub(crate) struct Begun {
    /// Say only how many there are.
    #[arg(long)]
    preview: bool,
    /// Do not wait until it is done.
    #[arg(long)]
    no_wait: bool,
}

/// A job for these, or how many they are.
async fn begin(
    api: &Api,
    account: &str,
    kind: &str,
    (which, into): (&Which, Option<i64>),
    Begun { preview, no_wait }: &Begun,
) -> Result<()> {
    let Which { search, sort, from } = which;
    if search.is_none() && from.is_none() {
        bail!("say which product instances: with --search, --from, or both");
    }
    let from = match from {
        Some(name) => Some(api.find(&format!("{account}/virtual-accounts"), name).await?),
        None => None,
    };
    if *preview {
        let mut path = format!("{account}/product-instance-count?");
        for (name, value) in [("search", search), ("sort", sort)] {
            if let Some(value) = value {
                path += &format!("{name}={}&", rumline_web::in_query(value));
            }
        }
        if let Some(id) = from {
            path += &format!("virtual_account_id={id}");
        }
        let count = api.json("GET", &path, None).await?;
        let more = if count["is_exact"] == true { "" } else { "more than " };
        say!("{more}{} product instances.", count["count"]);
        return Ok(());
    }
    let body = json!({
        "kind": kind, "search": search.clone().unwrap_or_default(), "sort": sort,
        "virtual_account_id": from, "into_virtual_account_id": into,
    });
    let job = api.json("POST", &format!("{account}/jobs"), Some(body)).await?;
    follow(api, account, job, *no_wait).await
}

/// Shows a job until it ends.
pub(super) async fn follow(api: &Api, account: &str, job: Value, no_wait: bool) -> Result<()> {
    let mut job = job;
    let path = format!("{account}/jobs/{}", job["id"]);
    let bar = ProgressBar::new(job["total"].as_u64().unwrap_or(0));
    while !no_wait && job["state"] == "running" {
        bar.set_position(job["done"].as_u64().unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(500)).await;
        job = api.json("GET", &path, None).await?;
    }
    bar.finish_and_clear();
    let (id, done) = (&job["id"], &job["done"]);
    match job["state"].as_str().unwrap_or_default() {
        "done" => say!("{done} product instances: done."),
        "running" => say!("Job {id} goes on; `job` says how far it is."),
        "cancelled" => bail!("job {id} was cancelled after {done} product instances"),
        _ => bail!(
            "job {id} cannot go on after {done} product instances: {}",
            job["problem"].as_str().unwrap_or_default()
        ),
    }
    Ok(())
}

/// The commands for it; says whether it was one.
pub(super) async fn job_commands(api: &Api, command: &Command) -> Result<bool> {
    match command {
        Command::TransferInstances { smart_account, virtual_account, ids, which, begun } => {
            let account = api.smart_account(smart_account).await?;
            let va = api.find(&format!("{account}/virtual-accounts"), virtual_account).await?;
            if ids.is_empty() {
                begin(api, &account, "transfer", (which, Some(va)), begun).await?;
                return Ok(true);
            }
            let body = json!({ "ids": ids, "virtual_account_id": va, "preview": begun.preview });
            let path = format!("{account}/product-instances/transfer");
            let moved = api.json("POST", &path, Some(body)).await?;
            let count = moved["moved"].as_array().map_or(0, Vec::len);
            let verb = if begun.preview { "would move" } else { "moved" };
            say!("{count} of {} {verb} to {virtual_account}.", ids.len());
        }
        Command::RemoveInstances { smart_account, which, begun } => {
            let account = api.smart_account(smart_account).await?;
            begin(api, &account, "remove", (which, None), begun).await?;
        }
        Command::MergeVirtualAccount { smart_account, virtual_account, into } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let account = api.smart_account(smart_account).await?;
            let into_id = api.find(&format!("{account}/virtual-accounts"), into).await?;
            let body = json!({ "virtual_account_id": into_id });
            let job = api.json("POST", &format!("{path}/merge"), Some(body)).await?;
            follow(api, &account, job, false).await?;
            say!("{virtual_account} is merged into {into}.");
        }
        Command::Jobs { smart_account } => {
            let path = format!("{}/jobs", api.smart_account(smart_account).await?);
            let mut all = api.json("GET", &path, None).await?;
            api.with_names(&path, &mut all).await;
            show(api.output, &all, JOBS);
        }
        Command::Job { smart_account, id } => {
            let path = format!("{}/jobs/{id}", api.smart_account(smart_account).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::CancelJob { smart_account, id } => {
            let path = format!("{}/jobs/{id}", api.smart_account(smart_account).await?);
            api.json("DELETE", &path, None).await?;
            say!("Job {id} is cancelled; what was done stays.");
        }
        _ => return Ok(false),
    }
    Ok(true)
}
