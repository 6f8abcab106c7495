//! CSSM as a collector calls it: log in, choose an account, register, bring bundles.

use rumline_collector::{Collector, Tenant};
use rumline_net::HttpClient;
use rumline_protocol::{base64, registration_text};
use serde_json::{Value, json};

/// What a login that is no login is told.
const LOGIN_ENDED: &str = "the login to Cisco has ended: log out of Cisco and in again";

/// Why CSSM did not do what was asked, in words for people.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CiscoError(pub String);

impl CiscoError {
    /// Login or password are not those of an account on CSSM.
    pub(crate) fn wrong_login() -> Self {
        Self("CCO User Name or CCO Password are wrong".to_owned())
    }
}

/// A Smart Account with its Virtual Accounts, as CSSM lists them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct CiscoAccount {
    /// Number of the Smart Account.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Number and name of each Virtual Account.
    pub virtual_accounts: Vec<(i64, String)>,
}

/// The numbers of an account by its names, among those that CSSM shows. Names are case-sensitive (CSLU-012).
///
/// # Errors
/// When it is not among them.
pub(super) fn found(
    accounts: &[CiscoAccount],
    sa: &str,
    va: &str,
) -> Result<(i64, i64), CiscoError> {
    let account = accounts.iter().find(|account| account.name == sa).ok_or_else(|| {
        CiscoError(format!("CSSM shows this login no Smart Account {sa:?} (case matters)"))
    })?;
    let within = account.virtual_accounts.iter().find(|(_, name)| name == va);
    let (va_id, _) = within
        .ok_or_else(|| CiscoError(format!("{sa} has no Virtual Account {va:?} (case matters)")))?;
    Ok((account.id, *va_id))
}

/// The way to CSSM.
#[derive(Clone, Debug)]
pub struct Cisco {
    http: HttpClient,
    base_url: String,
}

impl Cisco {
    /// CSSM at `https://HOST:PORT`.
    #[must_use]
    pub fn new(http: HttpClient, base_url: &str) -> Self {
        Self { http, base_url: base_url.trim_end_matches('/').to_owned() }
    }

    /// Logs a person in; returns an API token.
    ///
    /// # Errors
    /// When CSSM cannot be reached or refuses.
    pub async fn log_in(
        &self,
        login: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<String, CiscoError> {
        let mut body = json!({ "login": login, "password": password });
        if let Some(code) = code {
            body["code"] = json!(code);
        }
        let answer = self.json("POST", "/api/v1/login", None, Some(&body)).await;
        let answer = answer.map_err(|error| match error {
            CiscoError(text) if text == LOGIN_ENDED => CiscoError::wrong_login(),
            other => other,
        })?;
        let token = answer["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| CiscoError("CSSM did not answer as expected".to_owned()))
    }

    /// Ends a login.
    ///
    /// # Errors
    /// When CSSM cannot be reached.
    pub async fn log_out(&self, token: &str) -> Result<(), CiscoError> {
        self.json("POST", "/api/v1/logout", Some(token), None).await.map(|_| ())
    }

    /// The accounts a person may choose from (CSLU-011).
    ///
    /// # Errors
    /// When CSSM cannot be reached or refuses.
    pub async fn accounts(&self, token: &str) -> Result<Vec<CiscoAccount>, CiscoError> {
        let found = self.json("GET", "/api/v1/smart-accounts", Some(token), None).await?;
        let mut accounts = Vec::new();
        for account in found.as_array().into_iter().flatten() {
            let id = account["id"].as_i64().unwrap_or(0);
            let path = format!("/api/v1/smart-accounts/{id}/virtual-accounts");
            let within = self.json("GET", &path, Some(token), None).await?;
            let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
            let virtual_accounts = within
                .as_array()
                .into_iter()
                .flatten()
                .map(|va| (va["id"].as_i64().unwrap_or(0), name(va)))
                .collect();
            accounts.push(CiscoAccount { id, name: name(account), virtual_accounts });
        }
        Ok(accounts)
    }

    /// Registers a collector for the account of a tenant. Names are case-sensitive (CSLU-012).
    ///
    /// # Errors
    /// When there is no such account, or CSSM cannot be reached or refuses.
    pub async fn register(
        &self,
        token: &str,
        collector: &Collector,
        tenant: &Tenant,
    ) -> Result<(), CiscoError> {
        let accounts = self.accounts(token).await?;
        let (sa, va) = (&tenant.smart_account, &tenant.virtual_account);
        let (sa_id, va_id) = found(&accounts, sa, va)?;
        let name = &collector.settings().name;
        let text = registration_text(sa, va, name);
        let body = json!({
            "kind": collector.settings().kind.title(),
            "name": name,
            "public_key": collector.signer().public_key().to_text(),
            "proof": base64(&collector.signer().sign(text.as_bytes())),
        });
        let path = format!("/api/v1/smart-accounts/{sa_id}/virtual-accounts/{va_id}/collectors");
        self.json("POST", &path, Some(token), Some(&body)).await.map(|_| ())
    }

    /// Brings a bundle and returns the one that answers it.
    ///
    /// # Errors
    /// When CSSM cannot be reached or refuses.
    pub async fn bring(&self, bundle: Vec<u8>) -> Result<Vec<u8>, CiscoError> {
        let url = format!("{}/licservice/collect", self.base_url);
        let reply = self.http.send("POST", &url, None, "application/gzip", bundle).await;
        let reply = reply.map_err(|error| CiscoError(error.to_string()))?;
        if reply.status == 200 { Ok(reply.body) } else { Err(refusal(reply.status, &reply.body)) }
    }

    async fn json(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, CiscoError> {
        let url = format!("{}{path}", self.base_url);
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let reply = self.http.send(method, &url, token, "application/json", body).await;
        let reply = reply.map_err(|error| CiscoError(error.to_string()))?;
        if reply.status != 200 {
            return Err(refusal(reply.status, &reply.body));
        }
        serde_json::from_slice(&reply.body)
            .map_err(|_| CiscoError("CSSM did not answer as expected".to_owned()))
    }
}

fn refusal(status: u16, body: &[u8]) -> CiscoError {
    if status == 401 {
        return CiscoError(LOGIN_ENDED.to_owned());
    }
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or_default();
    CiscoError(format!("CSSM answered {status}: {detail}").chars().take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::{CiscoAccount, found};

    #[test]
    fn an_account_is_found_by_both_its_names_and_case_matters() {
        // CSLU-012
        let account = |id, name: &str, parts: &[(i64, &str)]| CiscoAccount {
            id,
            name: name.to_owned(),
            virtual_accounts: parts.iter().map(|(id, name)| (*id, (*name).to_owned())).collect(),
        };
        let all = [account(1, "Example", &[(1, "Default")]), account(2, "Other", &[(3, "Lab")])];
        assert_eq!(found(&all, "Other", "Lab"), Ok((2, 3)));
        for (sa, va, words) in [
            ("Example", "Lab", "Example has no Virtual Account \"Lab\""),
            ("Other", "lab", "Other has no Virtual Account \"lab\""),
            ("example", "Default", "no Smart Account \"example\""),
        ] {
            assert!(found(&all, sa, va).is_err_and(|error| error.0.contains(words)), "{sa} {va}");
        }
    }
}
