//! What administration over a REST API needs, whichever server it is: which one is meant, the login, and people.

mod identity;
pub(crate) mod people;
mod profile;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rumline_net::{HttpClient, Reply, pem_to_der, read_secret, write_private};
use rumline_protocol::{Civil, Timestamp};
use serde_json::{Value, json};

use self::profile::{Profiles, Target};
use crate::out::{Column, Output, show, text, time};

/// A server that is administered, and what is meant where nothing is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    /// Its command.
    pub command: &'static str,
    /// Where it listens by itself.
    pub url: &'static str,
    /// Its root certificate.
    pub ca_file: &'static str,
    /// Where the API token is kept.
    pub token_file: &'static str,
    /// The columns of what its paths list.
    pub columns: Columns,
}

/// The columns of what a path lists.
pub(crate) type Columns = fn(&str) -> &'static [Column];

#[derive(Args, Clone)]
pub(crate) struct Client {
    /// Where the server is; where it listens by itself on this machine unless a profile says otherwise.
    #[arg(long, global = true)]
    server: Option<String>,
    /// Its root certificate; that of the server that was started in this folder unless a profile says otherwise.
    #[arg(long, global = true)]
    ca_file: Option<PathBuf>,
    /// Where the API token of `login` is kept; a file in this folder unless there is a profile.
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

/// Logins, and which server is meant.
#[derive(Subcommand)]
pub(crate) enum Session {
    /// Log in; the API token is kept in the token file.
    Login {
        /// Login name.
        #[arg(default_value = "admin")]
        login: String,
        /// File with the password; asked for on standard input when missing.
        #[arg(long)]
        password_file: Option<PathBuf>,
        /// The code of a second factor, or a recovery code; asked for on standard input when it is needed and missing.
        #[arg(long)]
        code: Option<String>,
    },
    /// Log out; the API token is forgotten.
    Logout,
    /// The servers that are remembered.
    Profiles,
}

/// What was done on a server.
pub(crate) const AUDIT: &[Column] = &[
    text("Id", "id"),
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
/// A day, as its first second since 1970.
pub(crate) fn day(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no day, it is YYYY-MM-DD");
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(wrong()) };
    let number = |text: &str| text.parse::<i64>().map_err(|_| wrong());
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, weekday: 0 };
    Timestamp::from_civil(civil).map(|at| at.0).ok_or_else(wrong)
}

/// What is looked for in the audit.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditSearch {
    /// What this person, program or collector did.
    #[arg(long)]
    actor: Option<String>,
    /// What stands somewhere in what was done.
    #[arg(long)]
    action: Option<String>,
    /// What stands somewhere in a row.
    #[arg(long)]
    text: Option<String>,
    /// The first day, YYYY-MM-DD.
    #[arg(long, value_parser = day)]
    from: Option<i64>,
    /// The last day.
    #[arg(long, value_parser = day)]
    to: Option<i64>,
    /// Only the newest thousand.
    #[arg(long)]
    newest: bool,
}

/// Shows the audit of an account, or of the whole server, all of it that is looked for.
pub(crate) async fn audit(api: &Api, account: &str, search: &AuditSearch) -> Result<()> {
    let AuditSearch { actor, action, text, from, to, newest } = search;
    let mut path = format!("{account}/audit?");
    for (name, value) in [("actor", actor), ("action", action), ("text", text)] {
        if let Some(value) = value {
            path += &format!("{name}={}&", rumline_web::in_query(value));
        }
    }
    let last = to.map(|day| day + Timestamp::DAY);
    for (name, at) in [("from_at", *from), ("to_at", last)] {
        if let Some(at) = at {
            path += &format!("{name}={at}&");
        }
    }
    let rows =
        if *newest { api.json("GET", &path, None).await? } else { api.pages_back(&path).await? };
    show(api.output, &rows, AUDIT);
    Ok(())
}

/// What happened in an account.
pub(crate) const EVENTS: &[Column] = &[time("At", "at"), text("By", "login"), text("What", "text")];

/// The last word of a path: what is listed there, or what it holds one of by its number.
pub(crate) fn listed(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    path.rsplit('/').find(|part| !is_number(part)).unwrap_or_default()
}

const PROFILES: &[Column] =
    &[text("Name", "name"), text("Server", "server"), text("Used where none is named", "current")];

/// Carries out a command: one about the login, or the work over the API.
pub(crate) fn run(
    server: Server,
    client: &Client,
    session: Option<&Session>,
    work: impl AsyncFnOnce(&Api) -> Result<()>,
) -> Result<bool> {
    let profiles = Profiles::of_home(server);
    if let Some(Session::Profiles) = session {
        let all = profiles.iter().flat_map(Profiles::list);
        let row =
            |(name, server, current)| json!({ "name": name, "server": server, "current": current });
        show(client.output, &all.map(row).collect(), PROFILES);
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let (Some(Session::Login { login, password_file, code }), Some(name)) =
        (session, &client.profile)
    {
        let profiles = profiles.context("there is no home folder to remember profiles in")?;
        let target = profiles.login_target(client, name)?;
        runtime.block_on(log_in(&target, login, password_file.as_deref(), code.as_deref()))?;
        profiles.remember(name, &target)?;
        return Ok(true);
    }
    let target = Profiles::target(profiles.as_ref(), server, client, Path::new("."))?;
    runtime.block_on(async {
        match session {
            Some(Session::Login { login, password_file, code }) => {
                log_in(&target, login, password_file.as_deref(), code.as_deref()).await
            }
            Some(_) => log_out(&target).await,
            None => {
                let api = Api::new(&target.server, &target.ca_file, token(&target))?;
                let (output, columns) = (client.output, server.columns);
                work(&Api { output, columns, ..api }).await
            }
        }
    })?;
    Ok(true)
}

fn token(target: &Target) -> Option<String> {
    let text = std::fs::read_to_string(&target.token_file).ok()?;
    Some(text.trim().to_owned())
}

async fn log_in(
    target: &Target,
    login: &str,
    password_file: Option<&Path>,
    code: Option<&str>,
) -> Result<()> {
    // Whoever logs in shows no token: it may be that of another server.
    let api = Api::new(&target.server, &target.ca_file, None)?;
    let mut body = json!({ "login": login, "password": read_password(password_file)? });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    let mut reply = api.send("POST", "/login", body.to_string().into_bytes()).await?;
    let problem: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.status == 401 && problem["code"] == "second_factor_required" {
        let code = read_secret("Code: ")?;
        if code.trim().is_empty() {
            bail!("there is a second factor: type its code, or give it as --code");
        }
        body["code"] = json!(code.trim());
        reply = api.send("POST", "/login", body.to_string().into_bytes()).await?;
    }
    let answer: Value = serde_json::from_slice(&whole(reply)?)?;
    let token = answer["token"].as_str().context("the answer holds no token")?;
    write_private(&target.token_file, format!("{token}\n").as_bytes())
        .with_context(|| format!("cannot write {}", target.token_file.display()))?;
    say!("Logged in as {login}.");
    Ok(())
}

async fn log_out(target: &Target) -> Result<()> {
    let api = Api::new(&target.server, &target.ca_file, token(target))?;
    let reply = api.send("POST", "/logout", Vec::new()).await?;
    // A login that has ended by itself is forgotten too.
    if reply.status != 401 {
        whole(reply)?;
    }
    std::fs::remove_file(&target.token_file)
        .with_context(|| format!("cannot remove {}", target.token_file.display()))?;
    say!("Logged out.");
    Ok(())
}

/// The REST API of a server.
pub(crate) struct Api {
    http: HttpClient,
    base: String,
    token: Mutex<Option<String>>,
    /// Login and password, to log in again with.
    login: Option<Value>,
    pub(crate) output: Output,
    /// The columns of what a path lists.
    columns: Columns,
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
    pub(crate) async fn shown(&self, method: &str, path: &str, body: Option<Value>) -> Result<()> {
        let mut value = self.json(method, path, body).await?;
        if self.output != Output::Json {
            self.with_names(path, &mut value).await;
        }
        show(self.output, &value, (self.columns)(path));
        Ok(())
    }

    /// People know virtual accounts by their names.
    pub(crate) async fn with_names(&self, path: &str, value: &mut Value) {
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
        let output = Output::Table;
        Ok(Self { http, base, token, login: None, output, columns: |_| &[] })
    }

    /// Logs in, and by itself again when that login has ended: on a lab's clock that is soon. Returns the token.
    pub(crate) async fn log_in(&mut self, login: &str, password: &str) -> Result<String> {
        self.login = Some(json!({ "login": login, "password": password }));
        self.renew_token().await
    }

    /// The same when it is needed for the first time: where the token it has is refused.
    pub(crate) fn with_login(self, login: &str, password: &str) -> Self {
        Self { login: Some(json!({ "login": login, "password": password })), ..self }
    }

    /// The token it has now.
    pub(crate) fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    pub(crate) async fn pages(&self, path: &str) -> Result<Value> {
        self.pages_of("GET", &asked(path, "limit=1000"), None).await
    }

    pub(crate) async fn pages_of(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        self.pages_by("id", method, path, body).await
    }

    /// The same where the rows are numbered by this member.
    pub(crate) async fn pages_by(
        &self,
        number: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page =
                self.json(method, &asked(path, &format!("after={after}")), body.clone()).await?;
            let rows = page.as_array().cloned().unwrap_or_default();
            let Some(last) = rows.last() else { return Ok(Value::Array(all)) };
            after = last[number].as_i64().context("a row has no number")?;
            all.extend(rows);
        }
    }

    /// The same of a list that goes from the newest back.
    pub(crate) async fn pages_back(&self, path: &str) -> Result<Value> {
        let (mut all, mut before) = (Vec::new(), i64::MAX);
        loop {
            let page = self.json("GET", &asked(path, &format!("before={before}")), None).await?;
            let rows = page.as_array().cloned().unwrap_or_default();
            let Some(last) = rows.last() else { return Ok(Value::Array(all)) };
            before = last["id"].as_i64().context("a row has no number")?;
            all.extend(rows);
        }
    }

    pub(crate) async fn find(&self, path: &str, name: &str) -> Result<i64> {
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
    pub(crate) async fn virtual_account_ever(&self, smart: &str, name: &str) -> Result<String> {
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

pub(crate) fn read_password(file: Option<&Path>) -> Result<String> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
        None => read_secret("Password: ")?,
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
/// A path that asks for this too.
fn asked(path: &str, what: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{what}")
}
