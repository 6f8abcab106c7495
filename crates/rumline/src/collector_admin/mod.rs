//! `rumline cslu …` and `rumline onprem …`: administration of a collector over its REST API.

mod columns;
mod scope;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgAction, Args, Subcommand};
use indicatif::ProgressBar;
use rumline_net::write_private;
use serde_json::{Value, json};

use self::columns::{TENANTS, TRANSFERS, columns};
use self::scope::Tenants;
use crate::admin::people::{self, people_commands};
use crate::admin::{self, Api, AuditSearch, Client, Server, Session, read_password};
use crate::backup;
use crate::out::{Output, show};

/// A CSLU.
pub(crate) const CSLU: Server = Server {
    command: "cslu",
    url: "https://127.0.0.1:8180",
    ca_file: "cslu-data/root.pem",
    token_file: "cslu-token",
    columns,
};

/// An SSM On-Prem.
pub(crate) const ON_PREM: Server = Server {
    command: "onprem",
    url: "https://127.0.0.1:8444",
    ca_file: "onprem-data/root.pem",
    token_file: "onprem-token",
    columns,
};

/// Which tenant a command is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct Of {
    /// The tenant, by name or number; the only one there is when missing.
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Session(Session),
    #[command(flatten)]
    People(people::Command<Tenants>),
    #[command(flatten)]
    Backups(backup::Command),
    /// A new password for somebody who has none any more, printed once; this server (--dir) must not run meanwhile.
    ResetPassword {
        #[arg(default_value = "admin")]
        login: String,
    },
    /// The tenants, each with its account at Cisco and the URL of its product instances.
    Tenants,
    /// Create a tenant of SSM On-Prem.
    CreateTenant {
        name: String,
        smart_account: String,
        virtual_account: String,
        #[command(flatten)]
        schedule: Schedule,
    },
    /// Remove a tenant with nothing left to forward.
    RemoveTenant { name: String },
    /// Set the account at Cisco, connectivity and schedule; what is not named stays.
    Settings {
        #[arg(long)]
        smart_account: Option<String>,
        #[arg(long)]
        virtual_account: Option<String>,
        #[command(flatten)]
        schedule: Schedule,
        #[command(flatten)]
        of: Of,
    },
    /// Log in to Cisco, and register this server for the account.
    CiscoLogin {
        login: String,
        /// File with the password; asked for on standard input when missing.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// The code of a second factor, if there is one, or a recovery code.
        #[arg(long)]
        code: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Log out of Cisco; the server stays registered.
    CiscoLogout {
        #[command(flatten)]
        of: Of,
    },
    /// The accounts at Cisco to choose from.
    CiscoAccounts {
        #[command(flatten)]
        of: Of,
    },
    /// Exchange everything with Cisco now.
    Sync {
        #[command(flatten)]
        of: Of,
    },
    /// Product instances.
    Instances {
        /// Those with this in their name, product id or serial number.
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// One product instance.
    Instance {
        id: i64,
        #[command(flatten)]
        of: Of,
    },
    /// Add a product instance that will push.
    AddInstance {
        pid: String,
        serial: String,
        #[arg(long)]
        hostname: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Remove a product instance from the list.
    RemoveInstance {
        id: i64,
        #[command(flatten)]
        of: Of,
    },
    /// Hand the newest answers over once more at the next contact.
    SyncInstances {
        #[arg(required = true)]
        ids: Vec<i64>,
        #[command(flatten)]
        of: Of,
    },
    /// Add the product instances of a CSV file.
    ImportCsv {
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// Save the product instances as a CSV file, which `import-csv` takes.
    ExportCsv {
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// Licences in use.
    Licenses {
        #[command(flatten)]
        of: Of,
    },
    /// Devices that claim a UDI with another key than the known one.
    Claims {
        #[command(flatten)]
        of: Of,
    },
    /// Take such a device for the right one.
    AcceptClaim {
        id: i64,
        #[command(flatten)]
        of: Of,
    },
    /// Turn such a device away.
    DismissClaim {
        id: i64,
        #[command(flatten)]
        of: Of,
    },
    /// Save a signed file for Cisco: of all, or of these product instances.
    Export {
        file: PathBuf,
        ids: Vec<i64>,
        #[command(flatten)]
        of: Of,
    },
    /// Take in a file from Cisco.
    Import {
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// The files that went out and came in.
    Transfers {
        #[command(flatten)]
        of: Of,
    },
    /// What happened.
    Events {
        #[command(flatten)]
        of: Of,
    },
    /// What was done and refused on this server.
    Audit {
        #[command(flatten)]
        search: AuditSearch,
    },
    /// Make an API client for /oauth/token; its secret is printed once.
    AddApiClient { name: String },
    /// Save all logs as a zip file.
    Logs { file: PathBuf },
    /// Which releases of NX-OS, smart agent, SSM On-Prem and CSLU go together.
    Compatibility,
}

/// Whether Cisco is available, and how often it is asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct Schedule {
    /// Whether Cisco is available: true or false.
    #[arg(long, action = ArgAction::Set)]
    connected: Option<bool>,
    /// Minutes between two exchanges with Cisco; 0 for at once.
    #[arg(long)]
    sync_minutes: Option<i64>,
}

pub(crate) fn run(server: Server, client: &Client, command: &Command) -> Result<bool> {
    let session = match command {
        Command::Session(session) => Some(session),
        _ => None,
    };
    admin::run(server, client, session, async |api| carry_out(api, command).await)
}

/// Where a tenant is.
async fn tenant(api: &Api, Of { tenant }: &Of) -> Result<String> {
    if let Some(name) = tenant {
        return Ok(format!("/tenants/{}", api.find("/tenants", name).await?));
    }
    let all = api.json("GET", "/tenants", None).await?;
    match all.as_array().map(Vec::as_slice).unwrap_or_default() {
        [one] => Ok(format!("/tenants/{}", one["id"])),
        [] => bail!("there is no tenant yet; `create-tenant` makes one"),
        several => {
            let names = several.iter().map(|one| one["name"].as_str().unwrap_or_default());
            let names = names.collect::<Vec<_>>().join(", ");
            bail!("there are several tenants; say which with --tenant: {names}")
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}

async fn carry_out(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::People(command) => people_commands(api, command).await?,
        Command::Audit { search } => admin::audit(api, "", search).await?,
        Command::Compatibility => api.shown("GET", "/compatibility", None).await?,
        Command::AddApiClient { name } => {
            let made = api.json("POST", "/api-clients", Some(json!({ "name": name }))).await?;
            show(Output::Json, &made, &[]);
        }
        Command::Logs { file } => {
            let bytes = api.bytes("GET", "/logs", vec![]).await?;
            // They tell who did what.
            write_private(file, &bytes)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        other => tenant_commands(api, other).await?,
    }
    Ok(())
}

/// What is set and what is not stays.
fn settings(before: &Value, changes: [(&str, Option<Value>); 4]) -> Value {
    let mut settings = json!({});
    for (name, value) in changes {
        settings[name] = value.unwrap_or_else(|| before[name].clone());
    }
    settings
}

async fn tenant_commands(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::Tenants => api.shown("GET", "/tenants", None).await?,
        Command::CreateTenant { name, smart_account, virtual_account, schedule } => {
            let body = json!({
                "name": name, "smart_account": smart_account, "virtual_account": virtual_account,
                "connected": schedule.connected.unwrap_or(false),
                "sync_minutes": schedule.sync_minutes.unwrap_or(60),
            });
            show(api.output, &api.json("POST", "/tenants", Some(body)).await?, TENANTS);
        }
        Command::RemoveTenant { name } => {
            let id = api.find("/tenants", name).await?;
            api.json("DELETE", &format!("/tenants/{id}"), None).await?;
            say!("{name} removed.");
        }
        Command::Settings { smart_account, virtual_account, schedule, of } => {
            let path = tenant(api, of).await?;
            let before = api.json("GET", &path, None).await?;
            let changes = [
                ("smart_account", smart_account.as_ref().map(|name| json!(name))),
                ("virtual_account", virtual_account.as_ref().map(|name| json!(name))),
                ("connected", schedule.connected.map(Value::from)),
                ("sync_minutes", schedule.sync_minutes.map(Value::from)),
            ];
            let body = settings(&before, changes);
            let now = api.json("PUT", &format!("{path}/settings"), Some(body)).await?;
            show(api.output, &now, TENANTS);
        }
        Command::CiscoLogin { login, password_file, code, of } => {
            let path = tenant(api, of).await?;
            let password = read_password(password_file.as_deref())?;
            let body = json!({ "login": login, "password": password, "code": code });
            let now = api.json("POST", &format!("{path}/cisco-login"), Some(body)).await?;
            show(api.output, &now, TENANTS);
        }
        Command::CiscoLogout { of } => {
            let path = tenant(api, of).await?;
            api.json("POST", &format!("{path}/cisco-logout"), None).await?;
            say!("Logged out of Cisco.");
        }
        Command::CiscoAccounts { of } => {
            let path = format!("{}/cisco-accounts", tenant(api, of).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::Sync { of } => {
            api.json("POST", &format!("{}/sync", tenant(api, of).await?), None).await?;
            say!("Everything is being exchanged with Cisco; `tenants` says when it was.");
        }
        Command::Events { of } => {
            let path = format!("{}/events?limit=1000", tenant(api, of).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::Licenses { of } => {
            api.shown("GET", &format!("{}/licenses", tenant(api, of).await?), None).await?;
        }
        other if instance_commands(api, other).await? => {}
        other => file_commands(api, other).await?,
    }
    Ok(())
}

async fn instance_commands(api: &Api, command: &Command) -> Result<bool> {
    match command {
        Command::Instances { search, of } => {
            let search = rumline_web::in_query(search.as_deref().unwrap_or_default());
            let path = format!("{}/product-instances", tenant(api, of).await?);
            let all = api.pages(&format!("{path}?search={search}")).await?;
            show(api.output, &all, columns(&path));
        }
        Command::Instance { id, of } => {
            let path = format!("{}/product-instances/{id}", tenant(api, of).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::AddInstance { pid, serial, hostname, of } => {
            let path = format!("{}/product-instances", tenant(api, of).await?);
            let body = json!({ "pid": pid, "serial": serial, "hostname": hostname });
            api.shown("POST", &path, Some(body)).await?;
        }
        Command::RemoveInstance { id, of } => {
            let path = format!("{}/product-instances/{id}", tenant(api, of).await?);
            api.json("DELETE", &path, None).await?;
            say!("Product instance {id} removed.");
        }
        Command::SyncInstances { ids, of } => {
            let path = format!("{}/sync-product-instances", tenant(api, of).await?);
            api.json("POST", &path, Some(json!({ "ids": ids }))).await?;
            say!("They get their newest answers once more at their next contact.");
        }
        Command::Claims { of } => {
            api.shown("GET", &format!("{}/claims", tenant(api, of).await?), None).await?;
        }
        Command::AcceptClaim { id, of } => {
            let path = format!("{}/claims/{id}/accept", tenant(api, of).await?);
            api.json("POST", &path, None).await?;
            say!("Accepted.");
        }
        Command::DismissClaim { id, of } => {
            let path = format!("{}/claims/{id}/dismiss", tenant(api, of).await?);
            api.json("POST", &path, None).await?;
            say!("Turned away.");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Files that go out and come in.
async fn file_commands(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::ExportCsv { file, of } => {
            let path = format!("{}/product-instances.csv", tenant(api, of).await?);
            write(file, &api.bytes("GET", &path, vec![]).await?)?;
        }
        Command::ImportCsv { file, of } => {
            let path = format!("{}/product-instances.csv", tenant(api, of).await?);
            let answer: Value =
                serde_json::from_slice(&api.bytes("POST", &path, read(file)?).await?)?;
            say!("{} added, {} known before.", answer["added"], answer["known"]);
            for error in answer["errors"].as_array().into_iter().flatten() {
                say!("{}", error.as_str().map_or_else(|| error.to_string(), str::to_owned));
            }
            if answer["error_count"] != 0 {
                bail!("{} lines were not taken", answer["error_count"]);
            }
        }
        Command::Export { file, ids, of } => {
            let path = format!("{}/export", tenant(api, of).await?);
            let ids = (!ids.is_empty()).then_some(ids);
            let body = json!({ "ids": ids }).to_string().into_bytes();
            write(file, &api.bytes("POST", &path, body).await?)?;
            say!("{} is for `Upload Usage Data` at CSSM.", file.display());
        }
        Command::Import { file, of } => {
            let tenant = tenant(api, of).await?;
            let name =
                rumline_web::in_query(&file.file_name().unwrap_or_default().to_string_lossy());
            let path = format!("{tenant}/import?name={name}");
            let answer = api.bytes("POST", &path, read(file)?).await?;
            follow(api, &tenant, serde_json::from_slice(&answer)?).await?;
        }
        Command::Transfers { of } => {
            api.shown("GET", &format!("{}/transfers", tenant(api, of).await?), None).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Shows a file that is taken in until that is done.
async fn follow(api: &Api, tenant: &str, mut transfer: Value) -> Result<()> {
    let bar = ProgressBar::new(transfer["members"].as_u64().unwrap_or(0));
    while transfer["status"] == "Processing" {
        bar.set_length(transfer["members"].as_u64().unwrap_or(0));
        bar.set_position(transfer["members_done"].as_u64().unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let path = format!("{tenant}/transfers/{}", transfer["id"]);
        transfer = api.json("GET", &path, None).await?;
    }
    bar.finish_and_clear();
    show(api.output, &transfer, TRANSFERS);
    if transfer["status"] != "Done" {
        bail!(
            "not all of it could be taken: {}",
            transfer["problems"].as_str().unwrap_or_default()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays() {
        let before = json!({
            "smart_account": "Example", "virtual_account": "Default", "connected": true,
            "sync_minutes": 15, "id": 1,
        });
        let changes = [
            ("smart_account", None),
            ("virtual_account", Some(json!("Lab"))),
            ("connected", Some(json!(false))),
            ("sync_minutes", None),
        ];
        let expected = json!({
            "smart_account": "Example", "virtual_account": "Lab", "connected": false,
            "sync_minutes": 15,
        });
        assert_eq!(settings(&before, changes), expected);
    }
}
