//! Alerts by e-mail.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Api;
use super::columns::{MAIL, MAIL_WISH};
use crate::out::{Output, show};

/// When somebody is told.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Pace {
    AtOnce,
    Daily,
}

#[derive(Subcommand)]
pub(crate) enum Mail {
    /// What you are told of.
    Show,
    /// Be told of alerts at this address.
    Set {
        address: String,
        /// Only of this kind: shortage, expiry, overdue, gap, clone and so on; again for more.
        #[arg(long = "kind")]
        kinds: Vec<String>,
        /// Within minutes, or once a day with what is open still.
        #[arg(long, value_enum, default_value_t = Pace::AtOnce)]
        pace: Pace,
    },
    /// Be told of nothing by e-mail any more.
    Remove,
    /// Send yourself a message that says only that it arrives.
    Test,
    /// The messages of the last thirty days, and what became of them.
    Outbox,
    /// What messages look like, as a JSON file that `set-template` takes.
    Template,
    /// Give messages another look.
    SetTemplate { file: PathBuf },
    /// Return to the look there was at first.
    RemoveTemplate,
}

/// Says so where messages are made and never sent, or never made.
fn warn_where_none_is_sent(answer: &Value) {
    if answer["may_be_told"] == false {
        say!(
            "Alerts are those of whole smart accounts: you have no role in one, and will be told of none."
        );
    }
    if answer["server_sends_mail"] == false {
        say!(
            "This CSSM was started without --mail-server: it sends none until it is started with one."
        );
    }
}

/// The commands for it.
pub(super) async fn mail_commands(api: &Api, command: &Mail) -> Result<()> {
    match command {
        Mail::Show => {
            let answer = api.json("GET", "/me/mail", None).await?;
            let wish = answer["wish"].as_object().into_iter().cloned().map(Value::Object);
            show(api.output, &wish.collect(), MAIL_WISH);
            if api.output == Output::Table {
                warn_where_none_is_sent(&answer);
            }
        }
        Mail::Set { address, kinds, pace } => {
            let pace = match pace {
                Pace::AtOnce => "at_once",
                Pace::Daily => "daily",
            };
            let body = json!({ "address": address, "kinds": kinds, "pace": pace });
            let answer = api.json("PUT", "/me/mail", Some(body)).await?;
            say!("Alerts go to {address}.");
            warn_where_none_is_sent(&answer);
        }
        Mail::Remove => {
            api.json("DELETE", "/me/mail", None).await?;
            say!("No alerts by e-mail any more.");
        }
        Mail::Test => {
            let answer = api.json("POST", "/me/mail/test", None).await?;
            say!("A message is on its way; `mail outbox` says what becomes of it.");
            warn_where_none_is_sent(&answer);
        }
        Mail::Outbox => show(api.output, &api.json("GET", "/mail", None).await?, MAIL),
        Mail::Template => {
            show(Output::Json, &api.json("GET", "/mail-template", None).await?, &[]);
        }
        Mail::SetTemplate { file } => {
            let text =
                std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let body = serde_json::from_slice(&text)
                .with_context(|| format!("{} is no JSON", file.display()))?;
            api.json("PUT", "/mail-template", Some(body)).await?;
            say!("Messages have another look.");
        }
        Mail::RemoveTemplate => {
            api.json("DELETE", "/mail-template", None).await?;
            say!("Messages look as at first.");
        }
    }
    Ok(())
}
