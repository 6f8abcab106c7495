//! Product instances, their reports, and usage files.

use anyhow::{Context, Result};

use super::columns::{INSTANCES, REPORTS, USAGE_FILES};
use super::{Api, Command, reports};
use crate::out::show;

/// The commands for them; says whether it was one.
pub(super) async fn inventory_commands(api: &Api, command: &Command) -> Result<bool> {
    match command {
        Command::Instance { smart_account, id } => {
            let account = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{account}/product-instances/{id}"), None).await?;
        }
        Command::InstanceReports { smart_account, id } => {
            let account = api.smart_account(smart_account).await?;
            let path = format!("{account}/product-instances/{id}/reports?limit=1000");
            show(api.output, &api.pages_by("report_id", "GET", &path, None).await?, REPORTS);
        }
        Command::UsageFile { smart_account, id } => {
            let account = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{account}/usage-files/{id}"), None).await?;
        }
        Command::RemoveCollector { smart_account, id } => {
            let account = api.smart_account(smart_account).await?;
            api.json("DELETE", &format!("{account}/collectors/{id}"), None).await?;
            say!("Collector {id} removed.");
        }
        Command::RemoveInstance { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            api.bytes("DELETE", &format!("{path}/product-instances/{id}"), vec![]).await?;
            say!("Product instance {id} removed.");
        }
        Command::Instances { smart_account, search, sort, descending, virtual_account } => {
            let account = api.smart_account(smart_account).await?;
            let mut path = format!("{account}/product-instances?descending={descending}");
            for (name, value) in [("search", search), ("sort", sort)] {
                if let Some(value) = value {
                    path += &format!("&{name}={}", rumline_web::in_query(value));
                }
            }
            if let Some(name) = virtual_account {
                let id = api.find(&format!("{account}/virtual-accounts"), name).await?;
                path += &format!("&virtual_account_id={id}");
            }
            reports::all(api, &account, &path, INSTANCES).await?;
        }
        Command::Upload { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let name =
                rumline_web::in_query(&file.file_name().unwrap_or_default().to_string_lossy());
            let body =
                std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let answer =
                api.bytes("POST", &format!("{path}/usage-files?name={name}"), body).await?;
            show(api.output, &serde_json::from_slice(&answer)?, USAGE_FILES);
        }
        Command::Acknowledgement { smart_account, id, file } => {
            let path = api.smart_account(smart_account).await?;
            let path = format!("{path}/usage-files/{id}/acknowledgement");
            std::fs::write(file, api.bytes("GET", &path, vec![]).await?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Command::UsageFiles { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/usage-files"), None).await?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
