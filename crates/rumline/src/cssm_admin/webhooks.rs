//! Webhooks of a smart account.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use super::Api;
use crate::out::{Column, show, text, time};

const WEBHOOKS: &[Column] = &[
    text("Id", "id"),
    text("Address", "url"),
    text("Told of", "kinds"),
    text("Waiting", "waiting"),
    text("Lost", "lost"),
    time("Made", "made_at"),
    text("By", "made_by"),
];
const DELIVERIES: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    time("Made", "made_at"),
    text("Tries", "tries"),
    text("Answer", "status"),
    time("Taken", "delivered_at"),
    time("Given up", "given_up_at"),
    time("Next", "next_at"),
    text("Problem", "problem"),
];

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Where programs are told what happens in a smart account.
    Webhooks { smart_account: String },
    /// Tell a program what happens there, and print the secret by which it is signed.
    CreateWebhook {
        smart_account: String,
        /// https:// and where the program listens.
        url: String,
        /// Only of this kind: alert, event or use; may be repeated. Alerts and events without it.
        #[arg(long = "kind")]
        kinds: Vec<String>,
    },
    /// Tell it nothing any more.
    RemoveWebhook { smart_account: String, id: i64 },
    /// Tell it something that means nothing.
    TestWebhook { smart_account: String, id: i64 },
    /// What a webhook was told, and what waits.
    WebhookDeliveries { smart_account: String, id: i64 },
}

/// Carries them out.
pub(crate) async fn webhook_commands(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::Webhooks { smart_account } => {
            let path = format!("{}/webhooks", api.smart_account(smart_account).await?);
            show(api.output, &api.json("GET", &path, None).await?, WEBHOOKS);
        }
        Command::CreateWebhook { smart_account, url, kinds } => {
            let path = format!("{}/webhooks", api.smart_account(smart_account).await?);
            let body = json!({ "url": url, "kinds": kinds });
            let made = api.json("POST", &path, Some(body)).await?;
            say!("{}", made["secret"].as_str().unwrap_or_default());
        }
        Command::RemoveWebhook { smart_account, id } => {
            let path = format!("{}/webhooks/{id}", api.smart_account(smart_account).await?);
            api.json("DELETE", &path, None).await?;
            say!("Removed.");
        }
        Command::TestWebhook { smart_account, id } => {
            let path = format!("{}/webhooks/{id}/test", api.smart_account(smart_account).await?);
            api.json("POST", &path, None).await?;
            say!("A test is on its way; `webhook-deliveries` tells what became of it.");
        }
        Command::WebhookDeliveries { smart_account, id } => {
            let account = api.smart_account(smart_account).await?;
            let all = api.pages_back(&format!("{account}/webhooks/{id}/deliveries?")).await?;
            show(api.output, &all, DELIVERIES);
        }
    }
    Ok(())
}
