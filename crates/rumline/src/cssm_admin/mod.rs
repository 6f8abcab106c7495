//! `rumline cssm …`: administration over the REST API.

mod books;
mod columns;
pub(crate) mod factory;
mod inventory;
mod jobs;
mod mail;
mod policies;
mod reports;
mod scope;
mod webhooks;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use self::books::book_commands;
use self::columns::{INSTANCES, USAGE_FILES, columns};
use self::scope::Accounts;
use crate::admin::people::{self, people_commands};
use crate::admin::{self, Api, AuditSearch, Client, Server, Session, day};
use crate::backup;
use crate::out::show;

/// A CSSM.
const CSSM: Server = Server {
    command: "cssm",
    url: "https://127.0.0.1:8443",
    ca_file: "cssm-data/root.pem",
    token_file: "cssm-token",
    columns,
};

#[derive(Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Session(Session),
    #[command(flatten)]
    People(people::Command<Accounts>),
    #[command(flatten)]
    Webhooks(webhooks::Command),
    #[command(flatten)]
    Backups(backup::Command),
    /// Smart accounts.
    Accounts,
    /// Create a smart account.
    CreateAccount { name: String, domain: String },
    /// Virtual accounts of a smart account.
    VirtualAccounts { smart_account: String },
    /// Create a virtual account.
    CreateVirtualAccount { smart_account: String, name: String },
    /// A new password for somebody who has none any more, printed once; this CSSM (--dir) must not run meanwhile.
    ResetPassword {
        #[arg(default_value = "admin")]
        login: String,
    },
    /// Count anew what is kept as totals and put right what is wrong; this CSSM (--dir) must not run meanwhile.
    Rebuild {
        /// Say only what is wrong.
        #[arg(long)]
        verify: bool,
    },
    /// Make an estate to try things out on, in --dir; this CSSM must not run meanwhile.
    SeedLab {
        /// How many product instances it has.
        #[arg(long, default_value_t = 10_000)]
        instances: u64,
    },
    /// Give a smart account another name and domain.
    RenameAccount { smart_account: String, name: String, domain: String },
    /// Close a smart account in which nothing is left.
    CloseAccount { smart_account: String },
    /// Make the virtual accounts of a smart account those of another one, with all they have, and close it.
    MergeAccount { smart_account: String, into: String },
    /// Give a virtual account another name.
    RenameVirtualAccount { smart_account: String, virtual_account: String, name: String },
    /// Close a virtual account in which nothing is left.
    CloseVirtualAccount { smart_account: String, virtual_account: String },
    /// Move all that a virtual account has into another one, and close it.
    MergeVirtualAccount { smart_account: String, virtual_account: String, into: String },
    /// The licences there are, and the tiers that cover them.
    Catalogue,
    /// Record a purchase; perpetual, unless it ends.
    Purchase {
        smart_account: String,
        virtual_account: String,
        license: String,
        quantity: i64,
        /// The day it begins, YYYY-MM-DD; at once when missing.
        #[arg(long, value_parser = day)]
        starts: Option<i64>,
        /// The day it ends.
        #[arg(long, value_parser = day)]
        ends: Option<i64>,
        /// Meant to be renewed: a subscription, and not a term.
        #[arg(long, requires = "ends")]
        subscription: bool,
        /// The number of the order.
        #[arg(long, default_value = "")]
        order: String,
    },
    /// Purchases, and who holds how many of each.
    Purchases { smart_account: String },
    /// The entries of a purchase.
    PurchaseEntries { smart_account: String, id: i64 },
    /// Correct a purchase by an entry: so many more, or fewer.
    CorrectPurchase {
        smart_account: String,
        id: i64,
        virtual_account: String,
        #[arg(allow_negative_numbers = true)]
        quantity: i64,
        reason: String,
    },
    /// Hand licences on to another virtual account, those that last longest first.
    TransferLicenses {
        smart_account: String,
        license: String,
        quantity: i64,
        from: String,
        to: String,
        /// Say only what would be.
        #[arg(long)]
        preview: bool,
    },
    /// Move product instances to another virtual account: up to a thousand by their numbers, all or none, or all that a list
    /// holds, as a job.
    TransferInstances {
        smart_account: String,
        virtual_account: String,
        #[arg(conflicts_with_all = ["search", "sort", "from"])]
        ids: Vec<i64>,
        #[command(flatten)]
        which: jobs::Which,
        #[command(flatten)]
        begun: jobs::Begun,
    },
    /// Remove all product instances that a list holds, as a job.
    RemoveInstances {
        smart_account: String,
        #[command(flatten)]
        which: jobs::Which,
        #[command(flatten)]
        begun: jobs::Begun,
    },
    /// Jobs of a smart account: transfers, removals and merges of many.
    Jobs { smart_account: String },
    /// One job, and how far it is.
    Job { smart_account: String, id: i64 },
    /// End a job; what was done stays.
    CancelJob { smart_account: String, id: i64 },
    /// The CSLU and SSM On-Prem servers that are registered.
    Collectors { smart_account: String },
    /// Remove a collector: what it brings is refused.
    RemoveCollector { smart_account: String, id: i64 },
    /// Create a registration token and print it.
    CreateToken {
        smart_account: String,
        virtual_account: String,
        #[arg(long, default_value = "")]
        description: String,
        #[arg(long, default_value_t = 30)]
        expires_after_days: u32,
        #[arg(long)]
        uses_max: Option<u32>,
    },
    /// Registration tokens of a virtual account.
    Tokens { smart_account: String, virtual_account: String },
    /// Revoke a registration token.
    RevokeToken { smart_account: String, id: i64 },
    /// Show the policy of a virtual account, as `set-policy` takes it.
    Policy { smart_account: String, virtual_account: String },
    /// Set the policy of a virtual account from a JSON file; - stands for the whole smart account.
    SetPolicy { smart_account: String, virtual_account: String, file: PathBuf },
    /// Take the policy of a virtual account back; - stands for the whole smart account.
    RemovePolicy { smart_account: String, virtual_account: String },
    /// Policies that were set for licences.
    TagPolicies { smart_account: String },
    /// Set the policy of the product instances that use a licence, by its name or an entitlement tag, from a JSON file.
    SetTagPolicy { smart_account: String, tag: String, file: PathBuf },
    /// Take it back.
    RemoveTagPolicy { smart_account: String, tag: String },
    /// The policy in force for a product instance, and what it was set for.
    InstancePolicy { smart_account: String, id: i64 },
    /// Say what of a policy in a JSON file cannot be, or may not be what was meant; nothing is asked of a CSSM.
    LintPolicy { file: PathBuf },
    /// Try a policy of a JSON file on what the product instances of a virtual account reported.
    TryPolicy { smart_account: String, virtual_account: String, file: PathBuf },
    /// Save the policy file of a virtual account.
    PolicyFile { smart_account: String, virtual_account: String, file: PathBuf },
    /// Product instances.
    Instances {
        smart_account: String,
        /// Those whose name, serial number or product id begins so, or whose product type it is.
        #[arg(long)]
        search: Option<String>,
        /// Look only there, and sort by it.
        #[arg(long, value_parser = ["name", "serial", "pid"])]
        sort: Option<String>,
        /// From the last to the first.
        #[arg(long, requires = "sort")]
        descending: bool,
        /// Of one virtual account.
        #[arg(long)]
        virtual_account: Option<String>,
    },
    /// One product instance: its licences, gaps and what its reports go on from.
    Instance { smart_account: String, id: i64 },
    /// The RUM reports of a product instance.
    InstanceReports { smart_account: String, id: i64 },
    /// Remove a product instance.
    RemoveInstance { smart_account: String, id: i64 },
    /// Licences purchased against in use.
    Licenses { smart_account: String },
    /// A report of a smart account.
    Report {
        #[arg(value_enum)]
        kind: reports::Kind,
        smart_account: String,
        #[command(flatten)]
        days: reports::Days,
        /// Use over time by day or by month.
        #[arg(long, default_value = "day", value_parser = ["day", "month"])]
        by: String,
    },
    /// The signed reports that the use of a licence over time comes from.
    UseSources {
        smart_account: String,
        virtual_account: String,
        license: String,
        #[command(flatten)]
        days: reports::Days,
    },
    /// The product instances that a licence is in use on, and the reports that say so.
    LicenseUses { smart_account: String, virtual_account: String, license: String },
    /// Save a report as it was signed; `rumline verify` reads it.
    SignedReport {
        smart_account: String,
        virtual_account: String,
        product_instance: i64,
        report: i64,
        file: PathBuf,
        /// Save the product instance's public key too, for `rumline verify --key`.
        #[arg(long)]
        key_file: Option<PathBuf>,
    },
    /// Upload a usage file.
    Upload { smart_account: String, virtual_account: String, file: PathBuf },
    /// Make the folder of a switch as it leaves its factory: policy, trust code and first report of a virtual account.
    Factory(factory::Arguments),
    /// Uploaded usage files.
    UsageFiles { smart_account: String },
    /// One uploaded usage file, and how far it is.
    UsageFile { smart_account: String, id: i64 },
    /// Save the ACK of an uploaded usage file.
    Acknowledgement { smart_account: String, id: i64, file: PathBuf },
    /// What happened in an account.
    Events { smart_account: String },
    /// What somebody has to look at in an account, or without one on the whole server.
    Alerts {
        smart_account: Option<String>,
        /// All that are settled, or (`false`) all that are open; without it the open ones first, a thousand of both.
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        settled: Option<bool>,
    },
    /// Say that you see to an alert; - stands for the whole server.
    AcknowledgeAlert { smart_account: String, id: i64 },
    /// Settle an alert; - stands for the whole server.
    ClearAlert { smart_account: String, id: i64 },
    /// Alerts by e-mail.
    Mail {
        #[command(subcommand)]
        command: mail::Mail,
    },
    /// Product instances that turned up where they do not belong, or with another key.
    Claims { smart_account: String },
    /// Take such a product instance: its key replaces the known one, or it moves here.
    AcceptClaim { smart_account: String, id: i64 },
    /// Turn such a product instance away.
    DismissClaim { smart_account: String, id: i64 },
    /// Move a product instance to another virtual account of its smart account.
    TransferInstance { smart_account: String, id: i64, virtual_account: String },
    /// Choose which of two product instances that speak as one goes on, by its epoch ("" is the first).
    ChooseEpoch { smart_account: String, id: i64, epoch: String },
    /// Move the product instances that an uploaded usage file would move, and take in what it holds of them.
    MoveInstances { smart_account: String, usage_file: i64 },
    /// What was done and refused on this server, or in one smart account.
    Audit {
        #[arg(long)]
        smart_account: Option<String>,
        #[command(flatten)]
        search: AuditSearch,
    },
    /// Make another signing key under the root; this CSSM (--dir) must not run meanwhile.
    RenewSigningKey {
        /// Revoke the one before: it may have been stolen.
        #[arg(long)]
        revoke: bool,
    },
}

pub(crate) fn run(client: &Client, command: &Command) -> Result<bool> {
    if let Command::LintPolicy { file } = command {
        return policies::lint(file);
    }
    let session = match command {
        Command::Session(session) => Some(session),
        _ => None,
    };
    admin::run(CSSM, client, session, async |api| carry_out(api, command).await)
}

async fn carry_out(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::People(command) => people_commands(api, command).await?,
        Command::Webhooks(command) => webhooks::webhook_commands(api, command).await?,
        Command::Accounts => api.shown("GET", "/smart-accounts", None).await?,
        Command::CreateAccount { name, domain } => {
            let body = json!({ "name": name, "domain": domain });
            api.shown("POST", "/smart-accounts", Some(body)).await?;
        }
        Command::VirtualAccounts { smart_account } => {
            let path = format!("{}/virtual-accounts", api.smart_account(smart_account).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::CreateVirtualAccount { smart_account, name } => {
            let path = format!("{}/virtual-accounts", api.smart_account(smart_account).await?);
            api.shown("POST", &path, Some(json!({ "name": name }))).await?;
        }
        other => account_commands(api, other).await?,
    }
    Ok(())
}

async fn account_commands(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::CreateToken {
            smart_account,
            virtual_account,
            description,
            expires_after_days,
            uses_max,
        } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let body = json!({
                "description": description,
                "expires_after_days": expires_after_days,
                "uses_max": uses_max,
            });
            let token = api.json("POST", &format!("{path}/tokens"), Some(body)).await?;
            say!("{}", token["value"].as_str().unwrap_or_default());
        }
        Command::Tokens { smart_account, virtual_account } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            api.shown("GET", &format!("{path}/tokens"), None).await?;
        }
        Command::RevokeToken { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("POST", &format!("{path}/tokens/{id}/revoke"), None).await?;
        }
        Command::Licenses { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/licenses"), None).await?;
        }
        Command::Events { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/events"), None).await?;
        }
        Command::Factory(arguments) => factory::run(api, arguments).await?,
        other if policies::policy_commands(api, other).await? => {}
        other if inventory::inventory_commands(api, other).await? => {}
        other if jobs::job_commands(api, other).await? => {}
        other => settling_commands(api, other).await?,
    }
    Ok(())
}

/// In the place of an account: what is of none.
const THIS_SERVER: &str = "-";

/// What is to be looked at, and decided.
async fn settling_commands(api: &Api, command: &Command) -> Result<()> {
    let account = |name: String| async move {
        if name == THIS_SERVER { Ok(String::new()) } else { api.smart_account(&name).await }
    };
    let list = |smart_account: String, what: &'static str| async move {
        let path = account(smart_account).await?;
        api.shown("GET", &format!("{path}/{what}"), None).await?;
        Ok::<_, anyhow::Error>(())
    };
    let settle = |smart_account: String, what: String, body: Option<Value>| async move {
        let path = account(smart_account).await?;
        api.json("POST", &format!("{path}/{what}"), body).await
    };
    match command {
        Command::Alerts { smart_account, settled: None } => {
            let of = smart_account.clone().unwrap_or_else(|| THIS_SERVER.to_owned());
            list(of, "alerts?limit=1000").await?;
        }
        Command::Alerts { smart_account, settled: Some(settled) } => {
            let path = account(smart_account.clone().unwrap_or_else(|| THIS_SERVER.to_owned()));
            let path = format!("{}/alerts?limit=1000&settled={settled}", path.await?);
            show(api.output, &api.pages_back(&path).await?, columns(&path));
        }
        Command::Mail { command } => mail::mail_commands(api, command).await?,
        Command::Claims { smart_account } => {
            let path = format!("{}/claims", api.smart_account(smart_account).await?);
            let mut all = api.pages(&path).await?;
            api.with_names(&path, &mut all).await;
            show(api.output, &all, columns(&path));
        }
        Command::AcknowledgeAlert { smart_account, id } => {
            settle(smart_account.clone(), format!("alerts/{id}/acknowledge"), None).await?;
            say!("Alert {id} acknowledged.");
        }
        Command::ClearAlert { smart_account, id } => {
            settle(smart_account.clone(), format!("alerts/{id}/clear"), None).await?;
            say!("Alert {id} settled.");
        }
        Command::AcceptClaim { smart_account, id } => {
            settle(smart_account.clone(), format!("claims/{id}/accept"), None).await?;
            say!("Accepted; what it reported comes with its next contact.");
        }
        Command::DismissClaim { smart_account, id } => {
            settle(smart_account.clone(), format!("claims/{id}/dismiss"), None).await?;
            say!("Turned away.");
        }
        Command::TransferInstance { smart_account, id, virtual_account } => {
            let smart = api.smart_account(smart_account).await?;
            let va = api.find(&format!("{smart}/virtual-accounts"), virtual_account).await?;
            let what = format!("product-instances/{id}/transfer");
            let body = json!({ "virtual_account_id": va });
            show(api.output, &settle(smart_account.clone(), what, Some(body)).await?, INSTANCES);
        }
        Command::ChooseEpoch { smart_account, id, epoch } => {
            let what = format!("product-instances/{id}/epoch");
            let body = Some(json!({ "epoch": epoch }));
            show(api.output, &settle(smart_account.clone(), what, body).await?, INSTANCES);
        }
        Command::MoveInstances { smart_account, usage_file } => {
            let what = format!("usage-files/{usage_file}/set-aside");
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/{what}"), None).await?;
            let moved = settle(smart_account.clone(), format!("{what}/move"), None).await?;
            show(api.output, &moved, USAGE_FILES);
        }
        Command::Audit { smart_account, search } => {
            let account = match smart_account {
                Some(name) => api.smart_account(name).await?,
                None => String::new(),
            };
            admin::audit(api, &account, search).await?;
        }
        other => report_commands(api, other).await?,
    }
    Ok(())
}

async fn report_commands(api: &Api, command: &Command) -> Result<()> {
    match command {
        Command::Report { kind, smart_account, days, by } => {
            reports::report(api, *kind, smart_account, days, by).await
        }
        Command::UseSources { smart_account, virtual_account, license, days } => {
            reports::use_sources(api, (smart_account, virtual_account), license, days).await
        }
        Command::LicenseUses { smart_account, virtual_account, license } => {
            reports::license_uses(api, (smart_account, virtual_account), license).await
        }
        Command::SignedReport {
            smart_account,
            virtual_account,
            product_instance,
            report,
            file,
            key_file,
        } => {
            let (account, of) =
                ((&**smart_account, &**virtual_account), (*product_instance, *report));
            reports::signed_report(api, account, of, file, key_file.as_ref()).await
        }
        other => book_commands(api, other).await,
    }
}
