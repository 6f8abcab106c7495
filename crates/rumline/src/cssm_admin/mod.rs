//! `rumline cssm …`: administration over the REST API.

mod books;
mod columns;
mod inventory;
mod jobs;
mod mail;
mod people;
mod policies;
mod profile;
mod reports;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rumline_net::{HttpClient, Reply, pem_to_der, read_secret, write_private};
use serde_json::{Value, json};

use self::books::{book_commands, day};
use self::columns::{INSTANCES, PROFILES, USAGE_FILES, columns};
use self::profile::{Profiles, Target};
use crate::out::{Output, show};

#[derive(Args, Clone)]
pub(crate) struct Client {
    /// Where the CSSM is; https://127.0.0.1:8443 unless a profile says otherwise.
    #[arg(long, global = true)]
    server: Option<String>,
    /// Its root certificate; cssm-data/root.pem unless a profile says otherwise.
    #[arg(long, global = true)]
    ca_file: Option<PathBuf>,
    /// Where the API token of `login` is kept; cssm-token unless there is a profile.
    #[arg(long, global = true)]
    api_token_file: Option<PathBuf>,
    /// The server that is remembered under this name; `login` remembers it. Without it, and where no server was started in
    /// this folder, the one that was logged in to last.
    #[arg(long, global = true)]
    profile: Option<String>,
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
    /// Log out; the API token is forgotten.
    Logout,
    /// The servers that are remembered.
    Profiles,
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
    /// Uploaded usage files.
    UsageFiles { smart_account: String },
    /// One uploaded usage file, and how far it is.
    UsageFile { smart_account: String, id: i64 },
    /// Save the ACK of an uploaded usage file.
    Acknowledgement { smart_account: String, id: i64, file: PathBuf },
    /// What happened in an account.
    Events { smart_account: String },
    /// What somebody has to look at in an account, or without one on the whole server.
    Alerts { smart_account: Option<String> },
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
    let profiles = Profiles::of_home();
    if let Command::Profiles = command {
        let all = profiles.iter().flat_map(Profiles::list);
        let row =
            |(name, server, current)| json!({ "name": name, "server": server, "current": current });
        show(client.output, &all.map(row).collect(), PROFILES);
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let target = match (command, &client.profile) {
        (Command::Login { .. }, Some(name)) => {
            let profiles = profiles.context("there is no home folder to remember profiles in")?;
            let target = profiles.login_target(client, name)?;
            runtime.block_on(carry_out(client, &target, command))?;
            profiles.remember(name, &target)?;
            return Ok(true);
        }
        _ => Profiles::target(profiles.as_ref(), client, Path::new("."))?,
    };
    runtime.block_on(carry_out(client, &target, command))?;
    Ok(true)
}

/// The REST API of a CSSM.
pub(crate) struct Api {
    http: HttpClient,
    base: String,
    token: Mutex<Option<String>>,
    /// Login and password, to log in again with.
    login: Option<Value>,
    output: Output,
}

/// Puts names where there are numbers of virtual accounts.
fn name_virtual_accounts(value: &mut Value, names: &Vec<(Value, Value)>) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| name_virtual_accounts(one, names)),
        Value::Object(members) => {
            for (name, member) in members {
                let known = names.iter().find(|(id, _)| id == member);
                match known.filter(|_| name.ends_with("virtual_account_id")) {
                    Some((_, named)) => *member = named.clone(),
                    None => name_virtual_accounts(member, names),
                }
            }
        }
        _ => {}
    }
}

impl Api {
    /// Shows what a call answers.
    async fn shown(&self, method: &str, path: &str, body: Option<Value>) -> Result<()> {
        let mut value = self.json(method, path, body).await?;
        if self.output != Output::Json {
            self.with_names(path, &mut value).await;
        }
        show(self.output, &value, columns(path));
        Ok(())
    }

    /// People know virtual accounts by their names.
    async fn with_names(&self, path: &str, value: &mut Value) {
        let account: Vec<&str> = path.split('/').take(3).collect();
        let ["", "smart-accounts", _] = account[..] else { return };
        let list = format!("{}/virtual-accounts?closed=true", account.join("/"));
        // Who may not list them is shown their numbers.
        let Ok(all) = self.json("GET", &list, None).await else { return };
        let names = all.as_array().into_iter().flatten();
        let names = names.map(|row| (row["id"].clone(), row["name"].clone())).collect();
        name_virtual_accounts(value, &names);
    }

    pub(crate) fn new(server: &str, ca_file: &Path, token: Option<String>) -> Result<Self> {
        let pem = std::fs::read(ca_file)
            .with_context(|| format!("cannot read the root certificate {}", ca_file.display()))?;
        let http = HttpClient::new(&pem_to_der(&pem)?, Duration::from_secs(120))?;
        let (base, token) = (format!("{server}/api/v1"), Mutex::new(token));
        Ok(Self { http, base, token, login: None, output: Output::Table })
    }

    /// Logs in, and by itself again when that login has ended: on a lab's clock that is soon. Returns the token.
    pub(crate) async fn log_in(&mut self, login: &str, password: &str) -> Result<String> {
        self.login = Some(json!({ "login": login, "password": password }));
        self.renew_token().await
    }

    async fn renew_token(&self) -> Result<String> {
        let body = self.login.as_ref().map(Value::to_string).unwrap_or_default();
        let reply = self.send("POST", "/login", body.into_bytes()).await?;
        let answer: Value = serde_json::from_slice(&whole(reply)?)?;
        let token = answer["token"].as_str().context("the answer holds no token")?.to_owned();
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        Ok(token)
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Reply> {
        let url = format!("{}{path}", self.base);
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(self.http.send(method, &url, token.as_deref(), "application/json", body).await?)
    }

    pub(crate) async fn bytes(&self, method: &str, path: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let mut reply = self.send(method, path, body.clone()).await?;
        if reply.status == 401 && self.login.is_some() {
            self.renew_token().await?;
            reply = self.send(method, path, body).await?;
        }
        whole(reply)
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

    /// A list that is read in pages, whole; its path has a query.
    async fn pages(&self, path: &str) -> Result<Value> {
        self.pages_of("GET", &format!("{path}&limit=1000"), None).await
    }

    async fn pages_of(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        self.pages_by("id", method, path, body).await
    }

    /// The same where the rows are numbered by this member.
    async fn pages_by(
        &self,
        number: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.json(method, &format!("{path}&after={after}"), body.clone()).await?;
            let rows = page.as_array().cloned().unwrap_or_default();
            let Some(last) = rows.last() else { return Ok(Value::Array(all)) };
            after = last[number].as_i64().context("a row has no number")?;
            all.extend(rows);
        }
    }

    async fn find(&self, path: &str, name: &str) -> Result<i64> {
        let all = self.json("GET", path, None).await?;
        let mut found = all.as_array().into_iter().flatten().filter(|row| {
            row["name"] == name || row["id"].as_i64().is_some_and(|id| name.parse() == Ok(id))
        });
        let (found, other) = (found.next(), found.next());
        if other.is_some() {
            bail!("{name:?} is the name of one and the number of another: rename the one first");
        }
        found.and_then(|row| row["id"].as_i64()).with_context(|| format!("there is no {name:?}"))
    }

    pub(crate) async fn smart_account(&self, name: &str) -> Result<String> {
        Ok(format!("/smart-accounts/{}", self.find("/smart-accounts", name).await?))
    }

    /// The same, with those that are closed.
    async fn virtual_account_ever(&self, smart: &str, name: &str) -> Result<String> {
        let smart = self.smart_account(smart).await?;
        let id = self.find(&format!("{smart}/virtual-accounts?closed=true"), name).await?;
        Ok(format!("{smart}/virtual-accounts/{id}"))
    }

    pub(crate) async fn virtual_account(&self, smart: &str, name: &str) -> Result<String> {
        let smart = self.smart_account(smart).await?;
        let id = self.find(&format!("{smart}/virtual-accounts"), name).await?;
        Ok(format!("{smart}/virtual-accounts/{id}"))
    }
}

/// The body of an answer that is none of an error.
fn whole(reply: Reply) -> Result<Vec<u8>> {
    if reply.status >= 300 {
        let problem: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        bail!("{} ({})", problem["detail"].as_str().unwrap_or("no answer"), reply.status);
    }
    Ok(reply.body)
}

fn read_password(file: Option<&Path>) -> Result<String> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
        None => read_secret("Password: ")?,
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

async fn carry_out(client: &Client, target: &Target, command: &Command) -> Result<()> {
    // Whoever logs in shows no token: it may be that of another server.
    let logs_in = matches!(command, Command::Login { .. });
    let token = std::fs::read_to_string(&target.token_file).ok().filter(|_| !logs_in);
    let token = token.map(|text| text.trim().to_owned());
    let api = Api { output: client.output, ..Api::new(&target.server, &target.ca_file, token)? };
    match command {
        Command::Login { login, password_file } => {
            let password = read_password(password_file.as_deref())?;
            let body = json!({ "login": login, "password": password });
            let answer = api.json("POST", "/login", Some(body)).await?;
            let token = answer["token"].as_str().context("the answer holds no token")?;
            write_private(&target.token_file, format!("{token}\n").as_bytes())?;
            say!("Logged in as {login}.");
        }
        Command::Logout => {
            api.json("POST", "/logout", None).await?;
            std::fs::remove_file(&target.token_file)
                .with_context(|| format!("cannot remove {}", target.token_file.display()))?;
            say!("Logged out.");
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
        Command::Alerts { smart_account } => {
            list(smart_account.clone().unwrap_or_else(|| THIS_SERVER.to_owned()), "alerts").await?;
        }
        Command::Mail { command } => mail::mail_commands(api, command).await?,
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
