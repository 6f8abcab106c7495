//! `rumline cssm …`: administration over the REST API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rumline_net::{HttpClient, pem_to_der, read_secret, write_private};
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
    /// Record a perpetual purchase.
    Purchase { smart_account: String, virtual_account: String, license: String, quantity: i64 },
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
    /// What was done and refused on this server: logins, people, tokens.
    Audit,
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
}

impl Api {
    pub(crate) fn new(server: &str, ca_file: &Path, token: Option<String>) -> Result<Self> {
        let pem = std::fs::read(ca_file)
            .with_context(|| format!("cannot read the root certificate {}", ca_file.display()))?;
        let http = HttpClient::new(&pem_to_der(&pem)?, Duration::from_secs(120))?;
        Ok(Self { http, base: format!("{server}/api/v1"), token })
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

fn show(value: &Value) {
    println!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}

async fn carry_out(client: &Client, command: &Command) -> Result<()> {
    let token = std::fs::read_to_string(&client.api_token_file).ok();
    let token = token.map(|text| text.trim().to_owned());
    let api = Api::new(&client.server, &client.ca_file, token)?;
    let json = |method, path: String, body| {
        let api = &api;
        async move { api.json(method, &path, body).await }
    };
    match command {
        Command::Login { login, password_file } => {
            let password = read_password(password_file.as_deref())?;
            let body = json!({ "login": login, "password": password });
            let answer = api.json("POST", "/login", Some(body)).await?;
            let token = answer["token"].as_str().context("the answer holds no token")?;
            write_private(&client.api_token_file, format!("{token}\n").as_bytes())?;
            println!("Logged in as {login}.");
        }
        Command::Accounts => show(&json("GET", "/smart-accounts".to_owned(), None).await?),
        Command::CreateAccount { name, domain } => {
            let body = json!({ "name": name, "domain": domain });
            show(&json("POST", "/smart-accounts".to_owned(), Some(body)).await?);
        }
        Command::VirtualAccounts { smart_account } => {
            let path = format!("{}/virtual-accounts", api.smart_account(smart_account).await?);
            show(&json("GET", path, None).await?);
        }
        Command::CreateVirtualAccount { smart_account, name } => {
            let path = format!("{}/virtual-accounts", api.smart_account(smart_account).await?);
            show(&json("POST", path, Some(json!({ "name": name }))).await?);
        }
        Command::Purchase { smart_account, virtual_account, license, quantity } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let body = json!({
                "license": license, "quantity": quantity, "kind": "PERPETUAL", "starts_at": 0,
                "ends_at": null,
            });
            json("POST", format!("{path}/purchases"), Some(body)).await?;
            println!("{quantity} x {license} purchased.");
        }
        other => account_commands(&api, other).await?,
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
        Command::People { smart_account: None } => show(&api.json("GET", "/people", None).await?),
        Command::People { smart_account: Some(name) } => {
            let path = format!("{}/people", api.smart_account(name).await?);
            show(&api.json("GET", &path, None).await?);
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
                Some(secret) => println!("{secret}"),
                None => println!("{login} may log in as {role}."),
            }
        }
        Command::RemovePerson { login } => {
            api.json("DELETE", &of(login), None).await?;
            println!("{login} removed.");
        }
        Command::DisablePerson { login } => {
            api.json("POST", &format!("{}/disable", of(login)), None).await?;
            println!("{login} may log in no more.");
        }
        Command::EnablePerson { login } => {
            api.json("POST", &format!("{}/enable", of(login)), None).await?;
            println!("{login} may log in again.");
        }
        Command::SetPassword { login, password_file } => {
            let body = json!({ "password": read_password(Some(password_file))? });
            api.json("POST", &format!("{}/password", of(login)), Some(body)).await?;
            println!("{login} has another password.");
        }
        Command::RenewSecret { login } => {
            let made = api.json("POST", &format!("{}/secret", of(login)), None).await?;
            println!("{}", made["secret"].as_str().unwrap_or_default());
        }
        Command::ChangePassword { old_password_file, password_file } => {
            let (old, new) =
                (read_password(Some(old_password_file))?, read_password(Some(password_file))?);
            let body = json!({ "old": old, "new": new });
            api.json("POST", "/me/password", Some(body)).await?;
            println!("Password changed; log in again.");
        }
        Command::Grant { login, role, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let body = json!({ "role": role, "virtual_account_id": va });
            let path = match sa {
                Some(sa) => format!("/smart-accounts/{sa}{}/roles", of(login)),
                None => format!("{}/roles", of(login)),
            };
            api.json("PUT", &path, Some(body)).await?;
            println!("{login} is {role} now.");
        }
        Command::TakeBack { login, smart_account, virtual_account } => {
            let (sa, va) = role_for(api, smart_account.as_ref(), virtual_account.as_ref()).await?;
            let part = va.map_or(String::new(), |va| format!("?virtual_account_id={va}"));
            let path = match sa {
                Some(sa) => format!("/smart-accounts/{sa}{}/roles{part}", of(login)),
                None => format!("{}/roles", of(login)),
            };
            api.json("DELETE", &path, None).await?;
            println!("Taken back.");
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
            println!("{}", token["value"].as_str().unwrap_or_default());
        }
        Command::Tokens { smart_account, virtual_account } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            show(&api.json("GET", &format!("{path}/tokens"), None).await?);
        }
        Command::RevokeToken { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            show(&api.json("POST", &format!("{path}/tokens/{id}/revoke"), None).await?);
        }
        Command::Policy { smart_account, virtual_account } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            show(&api.json("GET", &format!("{path}/policy"), None).await?);
        }
        Command::SetPolicy { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let body = std::fs::read(file)?;
            api.bytes("PUT", &format!("{path}/policy"), body).await?;
            println!("Policy set.");
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
            show(&serde_json::from_slice(&answer)?);
        }
        Command::Acknowledgement { smart_account, id, file } => {
            let path = api.smart_account(smart_account).await?;
            let path = format!("{path}/usage-files/{id}/acknowledgement");
            std::fs::write(file, api.bytes("GET", &path, vec![]).await?)?;
        }
        Command::RemoveInstance { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            api.bytes("DELETE", &format!("{path}/product-instances/{id}"), vec![]).await?;
            println!("Product instance {id} removed.");
        }
        Command::Instances { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            show(&api.json("GET", &format!("{path}/product-instances?limit=1000"), None).await?);
        }
        Command::Licenses { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            show(&api.json("GET", &format!("{path}/licenses"), None).await?);
        }
        Command::UsageFiles { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            show(&api.json("GET", &format!("{path}/usage-files"), None).await?);
        }
        Command::Events { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            show(&api.json("GET", &format!("{path}/events"), None).await?);
        }
        other => settling_commands(api, other).await?,
    }
    Ok(())
}

/// What is to be looked at, and decided.
async fn settling_commands(api: &Api, command: &Command) -> Result<()> {
    let list = |smart_account: String, what: &'static str| async move {
        let path = api.smart_account(&smart_account).await?;
        show(&api.json("GET", &format!("{path}/{what}"), None).await?);
        Ok::<_, anyhow::Error>(())
    };
    let settle = |smart_account: String, what: String, body: Option<Value>| async move {
        let path = api.smart_account(&smart_account).await?;
        api.json("POST", &format!("{path}/{what}"), body).await
    };
    match command {
        Command::Alerts { smart_account } => list(smart_account.clone(), "alerts").await?,
        Command::Claims { smart_account } => list(smart_account.clone(), "claims").await?,
        Command::ClearAlert { smart_account, id } => {
            settle(smart_account.clone(), format!("alerts/{id}/clear"), None).await?;
            println!("Alert {id} settled.");
        }
        Command::AcceptClaim { smart_account, id } => {
            settle(smart_account.clone(), format!("claims/{id}/accept"), None).await?;
            println!("Accepted; what it reported comes with its next contact.");
        }
        Command::DismissClaim { smart_account, id } => {
            settle(smart_account.clone(), format!("claims/{id}/dismiss"), None).await?;
            println!("Turned away.");
        }
        Command::TransferInstance { smart_account, id, virtual_account } => {
            let smart = api.smart_account(smart_account).await?;
            let va = api.find(&format!("{smart}/virtual-accounts"), virtual_account).await?;
            let what = format!("product-instances/{id}/transfer");
            let body = json!({ "virtual_account_id": va });
            show(&settle(smart_account.clone(), what, Some(body)).await?);
        }
        Command::ChooseEpoch { smart_account, id, epoch } => {
            let what = format!("product-instances/{id}/epoch");
            show(&settle(smart_account.clone(), what, Some(json!({ "epoch": epoch }))).await?);
        }
        Command::MoveInstances { smart_account, usage_file } => {
            let what = format!("usage-files/{usage_file}/set-aside");
            let path = api.smart_account(smart_account).await?;
            show(&api.json("GET", &format!("{path}/{what}"), None).await?);
            show(&settle(smart_account.clone(), format!("{what}/move"), None).await?);
        }
        Command::Audit => show(&api.json("GET", "/audit", None).await?),
        other => people_commands(api, other).await?,
    }
    Ok(())
}
