//! One's own second factor, logins and API tokens, and what an administrator does about those of others.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use rumline_net::read_secret;
use serde_json::{Value, json};

use super::people::{Scope, of};
use super::{Api, read_password};
use crate::out::{Column, Kind, show, text, time};

const LOGINS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("Name", "name"),
    Column("At most", "limit", Kind::Member("role")),
    text("From", "address"),
    time("Made", "created_at"),
    time("Last used", "used_at"),
    time("Ends", "expires_at"),
    text("This one", "current"),
];
const FACTOR: &[Column] =
    &[time("Asked for since", "since"), text("Recovery codes left", "recovery_codes")];

/// The commands for them.
#[derive(Subcommand)]
pub(crate) enum Command<S: Scope> {
    /// Whether a second factor is asked of you, and how many recovery codes are left.
    SecondFactor,
    /// Set up a second factor: shows what your app needs and recovery codes, then asks for a code of the app.
    SetSecondFactor {
        /// File with your password; asked for on standard input when missing.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Take your second factor away.
    RemoveSecondFactor {
        /// A code of the app, or a recovery code.
        code: String,
        /// File with your password; asked for on standard input when missing.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Take the second factor of somebody away who has lost it; their logins end.
    ResetSecondFactor { login: String },
    /// Your logins and API tokens, or those of somebody.
    Logins { login: Option<String> },
    /// End a login or an API token by its number.
    EndLogin {
        id: i64,
        /// Of somebody else.
        #[arg(long)]
        of: Option<String>,
    },
    /// End all your other logins; or all of somebody, API tokens too.
    EndLogins { login: Option<String> },
    /// Your API tokens.
    ApiTokens,
    /// Make an API token, and print it: it does what you may do and the role allows, in an account if one is named.
    CreateApiToken {
        /// What it is for.
        name: String,
        /// viewer, user or administrator.
        role: String,
        #[arg(long, default_value_t = 30)]
        expires_after_days: i64,
        /// File with your password; asked for on standard input when missing.
        #[arg(long)]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        scope: S,
    },
    /// End an API token.
    EndApiToken { id: i64 },
}

/// Carries them out.
pub(crate) async fn identity_commands<S: Scope>(api: &Api, command: &Command<S>) -> Result<()> {
    match command {
        Command::SecondFactor => {
            let state = api.json("GET", "/me/second-factor", None).await?;
            show(api.output, &state, FACTOR);
        }
        Command::SetSecondFactor { password_file } => {
            let body = json!({ "password": read_password(password_file.as_deref())? });
            let begun = api.json("POST", "/me/second-factor", Some(body)).await?;
            say!("Secret for your app: {}", begun["secret"].as_str().unwrap_or_default());
            say!("The same as an address: {}", begun["uri"].as_str().unwrap_or_default());
            say!("Recovery codes, each of which counts once; they are shown this once:");
            for code in begun["recovery_codes"].as_array().into_iter().flatten() {
                say!("  {}", code.as_str().unwrap_or_default());
            }
            let code = read_secret("Code that your app shows now: ")?;
            let body = json!({ "code": code.trim() });
            api.json("POST", "/me/second-factor/confirm", Some(body)).await?;
            say!("The second factor is set; your other logins have ended.");
        }
        Command::RemoveSecondFactor { code, password_file } => {
            let password = read_password(password_file.as_deref())?;
            let body = json!({ "password": password, "code": code });
            api.json("POST", "/me/second-factor/remove", Some(body)).await?;
            say!("The second factor is removed.");
        }
        Command::ResetSecondFactor { login } => {
            api.json("POST", &format!("{}/second-factor/reset", of(login)), None).await?;
            say!("{login} logs in by the password alone.");
        }
        Command::Logins { login } => {
            let all = api.json("GET", &format!("{}/logins", whose(login)), None).await?;
            show(api.output, &all, LOGINS);
        }
        Command::EndLogin { id, of } => {
            api.json("DELETE", &format!("{}/logins/{id}", whose(of)), None).await?;
            say!("It has ended.");
        }
        Command::EndLogins { login } => {
            let ended = api.json("DELETE", &format!("{}/logins", whose(login)), None).await?;
            say!("{} ended.", ended["ended"]);
        }
        Command::ApiTokens => {
            let all = api.json("GET", "/me/tokens", None).await?;
            show(api.output, &all, LOGINS);
        }
        Command::CreateApiToken { name, role, expires_after_days, password_file, scope } => {
            let mut body = json!({
                "name": name,
                "role": role,
                "expires_after_days": expires_after_days,
                "password": read_password(password_file.as_deref())?,
            });
            if let Some((account, part)) = scope.find(api).await? {
                let number = account.rsplit('/').next().and_then(|id| id.parse::<i64>().ok());
                body[S::SCOPE_ID] = json!(number.context("the account has no number")?);
                if let Some(part) = part {
                    body[S::PART_ID] = json!(part);
                }
            }
            let made = api.json("POST", "/me/tokens", Some(body)).await?;
            say!("{}", made["token"].as_str().unwrap_or_default());
        }
        Command::EndApiToken { id } => {
            let _done: Value = api.json("DELETE", &format!("/me/tokens/{id}"), None).await?;
            say!("It has ended.");
        }
    }
    Ok(())
}

/// Where the logins of somebody are: one's own if nobody is named.
fn whose(login: &Option<String>) -> String {
    login.as_deref().map_or("/me".to_owned(), of)
}
