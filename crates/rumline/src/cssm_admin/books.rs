//! The book of purchases, and accounts that change.

use anyhow::Result;
use serde_json::json;

use super::columns::{ACCOUNTS, CATALOGUE, ENTRIES, VIRTUAL_ACCOUNTS};
use super::{Api, Command};
use crate::out::{Output, show};

/// The commands for them.
pub(super) async fn book_commands(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::RenameAccount { smart_account, name, domain } => {
            let path = api.smart_account(smart_account).await?;
            let body = json!({ "name": name, "domain": domain });
            show(api.output, &api.json("PUT", &path, Some(body)).await?, ACCOUNTS);
        }
        Command::CloseAccount { smart_account } => {
            api.json("DELETE", &api.smart_account(smart_account).await?, None).await?;
            say!("{smart_account} is closed.");
        }
        Command::MergeAccount { smart_account, into } => {
            let path = api.smart_account(smart_account).await?;
            let body = json!({ "smart_account_id": api.find("/smart-accounts", into).await? });
            api.json("POST", &format!("{path}/merge"), Some(body)).await?;
            say!("{smart_account} is merged into {into}.");
        }
        Command::RenameVirtualAccount { smart_account, virtual_account, name } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let renamed = api.json("PUT", &path, Some(json!({ "name": name }))).await?;
            show(api.output, &renamed, VIRTUAL_ACCOUNTS);
        }
        Command::CloseVirtualAccount { smart_account, virtual_account } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            api.json("DELETE", &path, None).await?;
            say!("{virtual_account} is closed.");
        }
        Command::Catalogue => {
            let all = api.json("GET", "/catalogue", None).await?;
            if api.output == Output::Json {
                show(api.output, &all, &[]);
            } else {
                let rows =
                    ["licenses", "tiers"].into_iter().filter_map(|part| all[part].as_array());
                show(api.output, &rows.flatten().cloned().collect(), CATALOGUE);
            }
        }
        Command::Purchase {
            smart_account,
            virtual_account,
            license,
            quantity,
            starts,
            ends,
            subscription,
            order,
        } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let kind = match (ends, subscription) {
                (None, _) => "PERPETUAL",
                (Some(_), true) => "SUBSCRIPTION",
                (Some(_), false) => "TERM",
            };
            let body = json!({
                "license": license, "quantity": quantity, "kind": kind,
                "starts_at": starts.unwrap_or(0), "ends_at": ends, "order_number": order,
            });
            api.json("POST", &format!("{path}/purchases"), Some(body)).await?;
            say!("{quantity} x {license} purchased.");
        }
        Command::Purchases { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/purchases?limit=1000"), None).await?;
        }
        Command::PurchaseEntries { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            let mut one = api.json("GET", &format!("{path}/purchases/{id}"), None).await?;
            if api.output != Output::Json {
                api.with_names(&path, &mut one).await;
            }
            show(api.output, &one["entries"], ENTRIES);
        }
        Command::CorrectPurchase { smart_account, id, virtual_account, quantity, reason } => {
            let smart = api.smart_account(smart_account).await?;
            let va = api.find(&format!("{smart}/virtual-accounts"), virtual_account).await?;
            let body = json!({ "virtual_account_id": va, "quantity": quantity, "reason": reason });
            api.shown("POST", &format!("{smart}/purchases/{id}/corrections"), Some(body)).await?;
        }
        Command::TransferLicenses { smart_account, license, quantity, from, to, preview } => {
            let smart = api.smart_account(smart_account).await?;
            let parts = format!("{smart}/virtual-accounts");
            let (from, to) = (api.find(&parts, from).await?, api.find(&parts, to).await?);
            let body = json!({
                "license": license, "quantity": quantity, "from": from, "to": to,
                "preview": preview,
            });
            api.shown("POST", &format!("{smart}/license-transfers"), Some(body)).await?;
        }
        Command::Collectors { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/collectors"), None).await?;
        }
        _ => {}
    }
    Ok(())
}
