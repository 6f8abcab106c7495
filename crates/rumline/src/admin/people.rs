//! People, programs and their roles.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Api, identity, read_password};
use crate::out::{Column, show};

/// What a role is for, as a server names it; nothing named is everything.
pub(crate) trait Scope: Args {
    /// The columns of people.
    const COLUMNS: &'static [Column];
    /// What the number of a part is called.
    const PART_ID: &'static str;
    /// What the API calls the number of a scope.
    const SCOPE_ID: &'static str;

    /// The path of the account, and the number of the part of it.
    async fn find(&self, api: &Api) -> Result<Option<(String, Option<i64>)>>;
}

/// The commands for them.
#[derive(Subcommand)]
pub(crate) enum Command<S: Scope> {
    /// All people and programs, or those with a role in an account.
    People {
        #[command(flatten)]
        scope: S,
    },
    /// Add a person; without a password file a program, whose secret is printed.
    AddPerson {
        login: String,
        /// viewer, user or administrator.
        role: String,
        /// File with the password.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// Days after which a program's secret ends; without it it does not.
        #[arg(long, conflicts_with = "password_file")]
        expires_after_days: Option<i64>,
        #[command(flatten)]
        scope: S,
    },
    /// Remove somebody; what they did stays told.
    RemovePerson { login: String },
    /// Let somebody log in no more.
    DisablePerson { login: String },
    /// Let somebody log in again.
    EnablePerson { login: String },
    /// Give a person another password.
    SetPassword {
        login: String,
        /// File with the password.
        #[arg(long)]
        password_file: PathBuf,
    },
    /// Make another secret for a program, and print it.
    RenewSecret { login: String },
    /// Give yourself another password.
    ChangePassword {
        /// File with the old one.
        #[arg(long)]
        old_password_file: PathBuf,
        /// File with the new one.
        #[arg(long)]
        password_file: PathBuf,
    },
    /// Grant a role, in the place of what was granted for the same before; without an account for everything.
    Grant {
        login: String,
        /// viewer, user or administrator.
        role: String,
        #[command(flatten)]
        scope: S,
    },
    /// Take a role back.
    TakeBack {
        login: String,
        #[command(flatten)]
        scope: S,
    },
    #[command(flatten)]
    Identity(identity::Command<S>),
}

/// Those of a list that have a role in a part.
fn of_part(mut people: Value, name: &str, part: i64) -> Value {
    if let Some(all) = people.as_array_mut() {
        all.retain(|person| {
            let roles = person["roles"].as_array().into_iter().flatten();
            roles.into_iter().any(|role| role[name] == part)
        });
    }
    people
}

/// Where a person is, below the API or below an account.
pub(super) fn of(login: &str) -> String {
    format!("/people/{}", rumline_web::in_query(login).replace('/', "%2F"))
}

/// Carries them out.
pub(crate) async fn people_commands<S: Scope>(api: &Api, command: &Command<S>) -> Result<()> {
    match command {
        Command::People { scope } => {
            let (account, part) = scope.find(api).await?.unwrap_or_default();
            let mut people = api.json("GET", &format!("{account}/people"), None).await?;
            if let Some(part) = part {
                people = of_part(people, S::PART_ID, part);
            }
            api.with_names(&account, &mut people).await;
            show(api.output, &people, S::COLUMNS);
        }
        Command::AddPerson { login, role, password_file, expires_after_days, scope } => {
            // Whoever administers the account alone may do it there.
            let (account, part) = scope.find(api).await?.unwrap_or_default();
            let password = password_file.as_deref().map(|file| read_password(Some(file)));
            let mut body =
                json!({ "login": login, "password": password.transpose()?, "role": role });
            if let Some(days) = expires_after_days {
                body["expires_after_days"] = json!(days);
            }
            if let Some(part) = part {
                body[S::PART_ID] = json!(part);
            }
            let made = api.json("POST", &format!("{account}/people"), Some(body)).await?;
            match made["secret"].as_str() {
                Some(secret) => say!("{secret}"),
                None => say!("{login} may log in as {role}."),
            }
        }
        Command::RemovePerson { login } => {
            api.json("DELETE", &of(login), None).await?;
            say!("{login} removed.");
        }
        Command::DisablePerson { login } => {
            api.json("POST", &format!("{}/disable", of(login)), None).await?;
            say!("{login} may log in no more.");
        }
        Command::EnablePerson { login } => {
            api.json("POST", &format!("{}/enable", of(login)), None).await?;
            say!("{login} may log in again.");
        }
        Command::SetPassword { login, password_file } => {
            let body = json!({ "password": read_password(Some(password_file))? });
            api.json("POST", &format!("{}/password", of(login)), Some(body)).await?;
            say!("{login} has another password.");
        }
        Command::RenewSecret { login } => {
            let made = api.json("POST", &format!("{}/secret", of(login)), None).await?;
            say!("{}", made["secret"].as_str().unwrap_or_default());
        }
        Command::ChangePassword { old_password_file, password_file } => {
            let (old, new) =
                (read_password(Some(old_password_file))?, read_password(Some(password_file))?);
            let body = json!({ "old": old, "new": new });
            api.json("POST", "/me/password", Some(body)).await?;
            say!("Password changed; log in again.");
        }
        Command::Grant { login, role, scope } => {
            let (account, part) = scope.find(api).await?.unwrap_or_default();
            let mut body = json!({ "role": role });
            if let Some(part) = part {
                body[S::PART_ID] = json!(part);
            }
            api.json("PUT", &format!("{account}{}/roles", of(login)), Some(body)).await?;
            say!("{login} is {role} now.");
        }
        Command::TakeBack { login, scope } => {
            let (account, part) = scope.find(api).await?.unwrap_or_default();
            let part = part.map_or(String::new(), |part| format!("?{}={part}", S::PART_ID));
            let path = format!("{account}{}/roles{part}", of(login));
            api.json("DELETE", &path, None).await?;
            say!("Taken back.");
        }
        Command::Identity(command) => identity::identity_commands(api, command).await?,
    }
    Ok(())
}
