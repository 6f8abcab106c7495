//! `rumline cssm …`: administration over the REST API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::out::{Column, Kind, Output, show, text, time};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rumline_net::{HttpClient, pem_to_der, read_secret, write_private};
use rumline_protocol::{Civil, Timestamp};
use serde_json::{Value, json};

#[derive(Args, Clone)]
pub(crate) struct Client {
    /// Where the CSSM is.
    #[arg(long, global = true, default_value = "https://127.0.0.1:8443")]
    server: String,
    /// Its root certificate.
    #[arg(long, global = true, default_value = "cssm-data/root.pem")]
    ca_file: PathBuf,
    /// Where the API token of `login` is kept.
    #[arg(long, global = true, default_value = "cssm-token")]
    api_token_file: PathBuf,
    /// How lists are written.
    #[arg(long, short, global = true, value_enum, default_value_t)]
    output: Output,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Log in; the API token is kept in the token file.
    Login {
        /// Login name.
        #[arg(default_value = "admin")]
        login: String,
        /// File with the password; asked for on standard input when missing.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Smart accounts.
    Accounts,
    /// Create a smart account.
    CreateAccount { name: String, domain: String },
    /// Virtual accounts of a smart account.
    VirtualAccounts { smart_account: String },
    /// Create a virtual account.
    CreateVirtualAccount { smart_account: String, name: String },
    /// All people and programs, or those of a smart account.
    People {
        #[arg(long)]
        smart_account: Option<String>,
    },
    /// Add a person; without a password file a program, whose secret is printed.
    AddPerson {
        login: String,
        /// viewer, user or administrator.
        role: String,
        /// File with the password.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// The only smart account they may see.
        #[arg(long)]
        smart_account: Option<String>,
        /// The only virtual account of it they may see.
        #[arg(long, requires = "smart_account")]
        virtual_account: Option<String>,
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
        #[arg(long)]
        smart_account: Option<String>,
        #[arg(long, requires = "smart_account")]
        virtual_account: Option<String>,
    },
    /// Take a role back.
    TakeBack {
        login: String,
        #[arg(long)]
        smart_account: Option<String>,
        #[arg(long, requires = "smart_account")]
        virtual_account: Option<String>,
    },
    /// A new password for somebody who has none any more, printed once; this CSSM (--dir) must not run meanwhile.
    ResetPassword {
        #[arg(default_value = "admin")]
        login: String,
    },
    /// Give a smart account another name and domain.
    RenameAccount { smart_account: String, name: String, domain: String },
    /// Close a smart account in which nothing is left.
    CloseAccount { smart_account: String },
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
    /// Move product instances to another virtual account, all or none.
    TransferInstances {
        smart_account: String,
        virtual_account: String,
        #[arg(required = true)]
        ids: Vec<i64>,
        /// Say only which would move.
        #[arg(long)]
        preview: bool,
    },
    /// The CSLU and SSM On-Prem servers that are registered.
    Collectors { smart_account: String },
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
    /// Show the policy of a virtual account.
    Policy { smart_account: String, virtual_account: String },
    /// Set the policy of a virtual account from a JSON file.
    SetPolicy { smart_account: String, virtual_account: String, file: PathBuf },
    /// Save the policy file of a virtual account.
    PolicyFile { smart_account: String, virtual_account: String, file: PathBuf },
    /// Product instances.
    Instances { smart_account: String },
    /// Remove a product instance.
    RemoveInstance { smart_account: String, id: i64 },
    /// Licences purchased against in use.
    Licenses { smart_account: String },
    /// Upload a usage file.
    Upload { smart_account: String, virtual_account: String, file: PathBuf },
    /// Uploaded usage files.
    UsageFiles { smart_account: String },
    /// Save the ACK of an uploaded usage file.
    Acknowledgement { smart_account: String, id: i64, file: PathBuf },
    /// What happened in an account.
    Events { smart_account: String },
    /// What somebody has to look at: clones, devices set back, claims.
    Alerts { smart_account: String },
    /// Say that you see to an alert.
    AcknowledgeAlert { smart_account: String, id: i64 },
    /// Settle an alert.
    ClearAlert { smart_account: String, id: i64 },
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
    },
    /// Make another signing key under the root; this CSSM (--dir) must not run meanwhile.
    RenewSigningKey {
        /// Revoke the one before: it may have been stolen.
        #[arg(long)]
        revoke: bool,
    },
}

pub(crate) fn run(client: &Client, command: &Command) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(carry_out(client, command))?;
    Ok(true)
}

/// The REST API of a CSSM.
pub(crate) struct Api {
    http: HttpClient,
    base: String,
    token: Option<String>,
    output: Output,
}

/// The columns of what a path lists.
fn columns(path: &str) -> &'static [Column] {
    match path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default() {
        "smart-accounts" => ACCOUNTS,
        "virtual-accounts" => VIRTUAL_ACCOUNTS,
        "people" => PEOPLE,
        "tokens" | "revoke" => TOKENS,
        "product-instances" | "transfer" | "epoch" => INSTANCES,
        "licenses" => LICENSES,
        "purchases" | "corrections" => PURCHASES,
        "license-transfers" => MOVED,
        "usage-files" | "move" => USAGE_FILES,
        "set-aside" => SET_ASIDE,
        "events" => EVENTS,
        "alerts" => ALERTS,
        "claims" => CLAIMS,
        "collectors" => COLLECTORS,
        "audit" => AUDIT,
        _ => ACCOUNTS,
    }
}

impl Api {
    /// Shows what a call answers.
    async fn shown(&self, method: &str, path: &str, body: Option<Value>) -> Result<()> {
        show(self.output, &self.json(method, path, body).await?, columns(path));
        Ok(())
    }

    pub(crate) fn new(server: &str, ca_file: &Path, token: Option<String>) -> Result<Self> {
        let pem = std::fs::read(ca_file)
            .with_context(|| format!("cannot read the root certificate {}", ca_file.display()))?;
        let http = HttpClient::new(&pem_to_der(&pem)?, Duration::from_secs(120))?;
        Ok(Self { http, base: format!("{server}/api/v1"), token, output: Output::Table })
    }

    pub(crate) fn set_token(&mut self, token: String) {
        self.token = Some(token);
    }

    pub(crate) async fn bytes(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let url = format!("{}{path}", self.base);
        let token = self.token.as_deref();
        let reply = self.http.send(method, &url, token, "application/json", body).await?;
        if reply.status >= 300 {
            let problem: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            bail!("{} ({})", problem["detail"].as_str().unwrap_or("no answer"), reply.status);
        }
        Ok(reply.body)
    }

    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = self.bytes(method, path, body).await?;
        serde_json::from_slice(&answer).context("the answer is no JSON")
    }

    async fn find(&self, path: &str, name: &str) -> Result<i64> {
        let all = self.json("GET", path, None).await?;
        let found = all.as_array().into_iter().flatten().find(|row| {
            row["name"] == name || row["id"].as_i64().is_some_and(|id| name.parse() == Ok(id))
        });
        found.and_then(|row| row["id"].as_i64()).with_context(|| format!("there is no {name:?}"))
    }

    pub(crate) async fn smart_account(&self, name: &str) -> Result<String> {
        Ok(format!("/smart-accounts/{}", self.find("/smart-accounts", name).await?))
    }

    pub(crate) async fn virtual_account(&self, smart: &str, name: &str) -> Result<String> {
        let smart = self.smart_account(smart).await?;
        let id = self.find(&format!("{smart}/virtual-accounts"), name).await?;
        Ok(format!("{smart}/virtual-accounts/{id}"))
    }
}

fn read_password(file: Option<&Path>) -> Result<String> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
        None => read_secret("Password: ")?,
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

const ACCOUNTS: &[Column] = &[text("Id", "id"), text("Name", "name"), text("Domain", "domain")];
const VIRTUAL_ACCOUNTS: &[Column] = &[text("Id", "id"), text("Name", "name")];
const PEOPLE: &[Column] = &[
    text("Login", "login"),
    text("Kind", "kind"),
    Column("Roles", "roles", Kind::List("role")),
    Column("Accounts", "roles", Kind::List("smart_account_id")),
    Column("Virtual accounts", "roles", Kind::List("virtual_account_id")),
    time("Since", "created_at"),
    time("Disabled", "disabled_at"),
];
const TOKENS: &[Column] = &[
    text("Id", "id"),
    text("Description", "description"),
    text("Token", "value"),
    text("Uses", "uses"),
    text("At most", "uses_max"),
    time("Expires", "expires_at"),
    time("Revoked", "revoked_at"),
    text("By", "created_by"),
];
const INSTANCES: &[Column] = &[
    text("Id", "id"),
    text("Name", "name"),
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Product type", "product_type"),
    text("Virtual account", "virtual_account_id"),
    text("Trust", "trusted"),
    Column("In use", "licenses", Kind::List("count+license")),
    time("Last contact", "last_contact_at"),
    time("Last report", "last_report_at"),
    text("Missing", "reports_missing"),
];
const LICENSES: &[Column] = &[
    text("Virtual account", "virtual_account_id"),
    text("License", "license"),
    text("Purchased", "purchased"),
    text("In use", "in_use"),
    text("Substituted", "substituted"),
    text("Balance", "balance"),
    time("Runs short", "runs_short_at"),
];
const PURCHASES: &[Column] = &[
    text("Id", "id"),
    text("License", "license"),
    text("Kind", "kind"),
    time("Starts", "starts_at"),
    time("Ends", "ends_at"),
    text("Order", "order_number"),
    time("Recorded", "recorded_at"),
    Column("Held", "shares", Kind::List("quantity")),
    Column("By virtual account", "shares", Kind::List("virtual_account_id")),
];
const ENTRIES: &[Column] = &[
    time("At", "at"),
    text("By", "login"),
    text("Kind", "kind"),
    text("Virtual account", "virtual_account_id"),
    text("Quantity", "quantity"),
    text("Reason", "reason"),
];
const MOVED: &[Column] =
    &[text("Purchase", "purchase_id"), text("Quantity", "quantity"), time("Ends", "ends_at")];
const CATALOGUE: &[Column] = &[
    text("License", "license"),
    text("Tier", "tier"),
    Column("Includes", "includes", Kind::List("")),
];
const USAGE_FILES: &[Column] = &[
    text("Id", "id"),
    text("File name", "name"),
    time("Reported", "uploaded_at"),
    text("Virtual account", "virtual_account_id"),
    text("Reporting status", "status"),
    text("Product instances", "product_instances"),
    text("Set aside", "set_aside"),
    text("Message", "message"),
];
const SET_ASIDE: &[Column] = &[
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Virtual account", "virtual_account"),
];
const EVENTS: &[Column] = &[time("At", "at"), text("By", "login"), text("What", "text")];
const ALERTS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("About", "subject"),
    text("What to do", "text"),
    time("Since", "raised_at"),
    time("Last seen", "last_at"),
    time("Settled", "cleared_at"),
    text("Seen to by", "acknowledged_by"),
];
const CLAIMS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("Product id", "pid"),
    text("Serial number", "serial"),
    text("Through", "through"),
    time("First", "first_at"),
    time("Last", "last_at"),
    text("Reports", "reports"),
];
const COLLECTORS: &[Column] = &[
    text("Id", "id"),
    text("Kind", "kind"),
    text("Name", "name"),
    text("Virtual account", "virtual_account_id"),
    time("Registered", "registered_at"),
    time("Last contact", "last_contact_at"),
];
const AUDIT: &[Column] = &[
    time("At", "at"),
    text("Who", "actor"),
    text("From", "address"),
    text("What", "action"),
    text("About", "subject"),
    text("Outcome", "outcome"),
    text("Was", "was"),
    text("Becomes", "becomes"),
    text("Why", "reason"),
];

async fn carry_out(client: &Client, command: &Command) -> Result<()> {
    let token = std::fs::read_to_string(&client.api_token_file).ok();
    let token = token.map(|text| text.trim().to_owned());
    let api = Api { output: client.output, ..Api::new(&client.server, &client.ca_file, token)? };
    match command {
        Command::Login { login, password_file } => {
            let password = read_password(password_file.as_deref())?;
            let body = json!({ "login": login, "password": password });
            let answer = api.json("POST", "/login", Some(body)).await?;
            let token = answer["token"].as_str().context("the answer holds no token")?;
            write_private(&client.api_token_file, format!("{token}\n").as_bytes())?;
            say!("Logged in as {login}.");
        }
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
        other => account_commands(&api, other).await?,
    }
    Ok(())
}

/// A day, as its first second since 1970.
fn day(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no day, it is YYYY-MM-DD");
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(wrong()) };
    let number = |text: &str| text.parse::<i64>().map_err(|_| wrong());
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, weekday: 0 };
    Timestamp::from_civil(civil).map(|at| at.0).ok_or_else(wrong)
}

/// The book of purchases, and accounts that change.
async fn book_commands(api: &Api, command: &Command) -> Result<()> {
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
        Command::MergeVirtualAccount { smart_account, virtual_account, into } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let smart = api.smart_account(smart_account).await?;
            let into_id = api.find(&format!("{smart}/virtual-accounts"), into).await?;
            let body = json!({ "virtual_account_id": into_id });
            api.json("POST", &format!("{path}/merge"), Some(body)).await?;
            say!("{virtual_account} is merged into {into}.");
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
            let one = api.json("GET", &format!("{path}/purchases/{id}"), None).await?;
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
        Command::TransferInstances { smart_account, virtual_account, ids, preview } => {
            let smart = api.smart_account(smart_account).await?;
            let va = api.find(&format!("{smart}/virtual-accounts"), virtual_account).await?;
            let body = json!({ "ids": ids, "virtual_account_id": va, "preview": preview });
            let path = format!("{smart}/product-instances/transfer");
            let moved = api.json("POST", &path, Some(body)).await?;
            let count = moved["moved"].as_array().map_or(0, Vec::len);
            let verb = if *preview { "would move" } else { "moved" };
            say!("{count} of {} {verb} to {virtual_account}.", ids.len());
        }
        Command::Collectors { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/collectors"), None).await?;
        }
        other => people_commands(api, other).await?,
    }
    Ok(())
}

/// What a role is for: nothing named is everything.
async fn role_for(
    api: &Api,
    smart_account: Option<&String>,
    virtual_account: Option<&String>,
) -> Result<(Option<i64>, Option<i64>)> {
    let Some(smart) = smart_account else { return Ok((None, None)) };
    let sa = api.find("/smart-accounts", smart).await?;
    let va = match virtual_account {
        Some(name) => {
            Some(api.find(&format!("/smart-accounts/{sa}/virtual-accounts"), name).await?)
        }
        None => None,
    };
    Ok((Some(sa), va))
}

async fn people_commands(api: &Api, command: &Command) -> Result<()> {
    let of = |login: &str| format!("/people/{}", rumline_web::in_query(login).replace('/', "%2F"));
    match command {
        Command::People { smart_account: None } => api.shown("GET", "/people", None).await?,
        Command::People { smart_account: Some(name) } => {
            let path = format!("{}/people", api.smart_account(name).await?);
            api.shown("GET", &path, None).await?;
        }
        Command::AddPerson { login, role, password_file, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let password = password_file.as_deref().map(|file| read_password(Some(file)));
            let body = json!({
                "login": login, "password": password.transpose()?, "role": role,
                "virtual_account_id": va,
            });
            // Whoever administers the account alone may do it there.
            let path = sa.map_or("/people".to_owned(), |sa| format!("/smart-accounts/{sa}/people"));
            let made = api.json("POST", &path, Some(body)).await?;
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
        Command::Grant { login, role, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let body = json!({ "role": role, "virtual_account_id": va });
            let path = match sa {
                Some(sa) => format!("/smart-accounts/{sa}{}/roles", of(login)),
                None => format!("{}/roles", of(login)),
            };
            api.json("PUT", &path, Some(body)).await?;
            say!("{login} is {role} now.");
        }
        Command::TakeBack { login, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let part = va.map_or(String::new(), |va| format!("?virtual_account_id={va}"));
            let path = match sa {
                Some(sa) => format!("/smart-accounts/{sa}{}/roles{part}", of(login)),
                None => format!("{}/roles", of(login)),
            };
            api.json("DELETE", &path, None).await?;
            say!("Taken back.");
        }
        _ => {}
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
        Command::Policy { smart_account, virtual_account } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let policy = api.json("GET", &format!("{path}/policy"), None).await?;
            // What `set-policy` takes.
            let names =
                ["policy_name", "reporting_ack_required", "unenforced", "enforced", "export"];
            let shown: serde_json::Map<String, Value> =
                names.into_iter().map(|name| (name.to_owned(), policy[name].clone())).collect();
            show(Output::Json, &Value::Object(shown), &[]);
        }
        Command::SetPolicy { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let body = std::fs::read(file)?;
            api.bytes("PUT", &format!("{path}/policy"), body).await?;
            say!("Policy set.");
        }
        Command::PolicyFile { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            std::fs::write(file, api.bytes("GET", &format!("{path}/policy-file"), vec![]).await?)?;
        }
        Command::Upload { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let name =
                rumline_web::in_query(&file.file_name().unwrap_or_default().to_string_lossy());
            let body = std::fs::read(file).with_context(|| file.display().to_string())?;
            let answer =
                api.bytes("POST", &format!("{path}/usage-files?name={name}"), body).await?;
            show(api.output, &serde_json::from_slice(&answer)?, USAGE_FILES);
        }
        Command::Acknowledgement { smart_account, id, file } => {
            let path = api.smart_account(smart_account).await?;
            let path = format!("{path}/usage-files/{id}/acknowledgement");
            std::fs::write(file, api.bytes("GET", &path, vec![]).await?)?;
        }
        Command::RemoveInstance { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            api.bytes("DELETE", &format!("{path}/product-instances/{id}"), vec![]).await?;
            say!("Product instance {id} removed.");
        }
        Command::Instances { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/product-instances?limit=1000"), None).await?;
        }
        Command::Licenses { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/licenses"), None).await?;
        }
        Command::UsageFiles { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/usage-files"), None).await?;
        }
        Command::Events { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            api.shown("GET", &format!("{path}/events"), None).await?;
        }
        other => settling_commands(api, other).await?,
    }
    Ok(())
}

/// What is to be looked at, and decided.
async fn settling_commands(api: &Api, command: &Command) -> Result<()> {
    let list = |smart_account: String, what: &'static str| async move {
        let path = api.smart_account(&smart_account).await?;
        api.shown("GET", &format!("{path}/{what}"), None).await?;
        Ok::<_, anyhow::Error>(())
    };
    let settle = |smart_account: String, what: String, body: Option<Value>| async move {
        let path = api.smart_account(&smart_account).await?;
        api.json("POST", &format!("{path}/{what}"), body).await
    };
    match command {
        Command::Alerts { smart_account } => list(smart_account.clone(), "alerts").await?,
        Command::Claims { smart_account } => list(smart_account.clone(), "claims").await?,
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
        Command::Audit { smart_account: None } => api.shown("GET", "/audit", None).await?,
        Command::Audit { smart_account: Some(name) } => {
            let path = api.smart_account(name).await?;
            api.shown("GET", &format!("{path}/audit"), None).await?;
        }
        other => book_commands(api, other).await?,
    }
    Ok(())
}
