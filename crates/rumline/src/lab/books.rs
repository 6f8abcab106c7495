//! What a lab needs at CSSM and at its collectors: account, tokens, tenants, logins. Nothing is made twice.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::description::{self, Description};
use super::fault::CollectorFault;
use super::plan::{Plan, PlannedCollector};
use super::reach;
use crate::admin::Api;

/// Where the lab's switches belong.
pub(super) const VIRTUAL_ACCOUNT: &str = "Default";
/// Where none of them does.
const OTHER_ACCOUNT: &str = "Elsewhere";
const TENANT: &str = "LAB";

/// CSSM's books, open for the lab.
pub(super) struct Books {
    pub cssm: Api,
    pub account: String,
    account_name: String,
    password: String,
}

impl Books {
    /// Opens them; the account is made where it is missing.
    pub(super) async fn open(described: &Description, plan: &Plan) -> Result<Self> {
        let cssm = reach::cssm(&described.cssm).await?;
        let password = reach::read_line(&described.cssm.admin.password_file)?;
        let name = &plan.account;
        if !has(&cssm.json("GET", "/smart-accounts", None).await?, name) {
            let account = json!({ "name": name, "domain": "example.net" });
            cssm.json("POST", "/smart-accounts", Some(account)).await?;
            say!("  CSSM: smart account {name} made");
        }
        let account = cssm.smart_account(name).await?;
        Ok(Self { cssm, account, account_name: name.clone(), password })
    }

    /// A registration token, whatever it may be used for.
    pub(super) async fn token(&self, uses_max: Option<u32>) -> Result<String> {
        let va = self.virtual_account().await?;
        let new = json!({ "description": "lab", "expires_after_days": 30, "uses_max": uses_max });
        let token = self.cssm.json("POST", &format!("{va}/tokens"), Some(new)).await?;
        token["value"].as_str().map(str::to_owned).context("CSSM made a token without a value")
    }

    pub(super) async fn virtual_account(&self) -> Result<String> {
        let path = format!("{}/virtual-accounts", self.account);
        let id = self.cssm.find(&path, VIRTUAL_ACCOUNT).await?;
        Ok(format!("{path}/{id}"))
    }

    /// Each gets its account and, where it is connected, its login to Cisco.
    pub(super) async fn set_up_collectors(
        &self,
        described: &mut Description,
        plan: &Plan,
    ) -> Result<()> {
        for (planned, one) in plan.collectors.iter().zip(&mut described.collectors) {
            self.set_up(planned, one).await.with_context(|| planned.name.clone())?;
        }
        Ok(())
    }

    async fn set_up(
        &self,
        planned: &PlannedCollector,
        one: &mut description::Collector,
    ) -> Result<()> {
        let api = reach::collector(one).await?;
        let (account, tenants) = (&self.account, api.json("GET", "/tenants", None).await?);
        let is_elsewhere = planned.fault == Some(CollectorFault::WrongAccount);
        let virtual_account = if is_elsewhere { OTHER_ACCOUNT } else { VIRTUAL_ACCOUNT };
        let all = format!("{account}/virtual-accounts");
        if is_elsewhere && !has(&self.cssm.json("GET", &all, None).await?, OTHER_ACCOUNT) {
            self.cssm.json("POST", &all, Some(json!({ "name": OTHER_ACCOUNT }))).await?;
        }
        let settings = json!({
            "smart_account": self.account_name,
            "virtual_account": virtual_account,
            "connected": planned.flavour.connected,
            "sync_minutes": 0,
        });
        let known = tenants.as_array().and_then(|rows| rows.first()).cloned();
        let known = known.unwrap_or(Value::Null);
        let differs = |field: &str| known[field] != settings[field];
        let is_as_wanted =
            !["smart_account", "virtual_account", "connected"].iter().any(|f| differs(f));
        let tenant = if is_as_wanted {
            known.clone()
        } else if !planned.flavour.on_prem || !known.is_null() {
            api.json("PUT", "/tenants/1/settings", Some(settings)).await?
        } else {
            let mut new = settings;
            new["name"] = json!(TENANT);
            api.json("POST", "/tenants", Some(new)).await?
        };
        let device_url = tenant["device_url"].as_str().context("it has no URL for devices")?;
        one.device_url = device_url.to_owned();
        if is_as_wanted && (!planned.flavour.connected || known["registered"] == true) {
            return Ok(());
        }
        let connectivity = tenant["connectivity"].as_str().unwrap_or_default();
        say!("  {}: account {virtual_account}, {connectivity}", planned.name);
        if planned.flavour.connected {
            self.log_in_to_cisco(planned, &api).await?;
        }
        Ok(())
    }

    async fn log_in_to_cisco(&self, planned: &PlannedCollector, api: &Api) -> Result<()> {
        let login = json!({ "login": "admin", "password": self.password });
        let outcome = api.json("POST", "/tenants/1/cisco-login", Some(login)).await;
        match (outcome, planned.fault) {
            (Err(error), Some(CollectorFault::UnreachableCssm)) => {
                say!("  {}: as it is meant, it cannot log in to Cisco: {error:#}", planned.name);
            }
            (outcome, _) => {
                outcome.context("it cannot log in to Cisco")?;
                say!("  {}: logged in to Cisco", planned.name);
            }
        }
        Ok(())
    }
}

/// Whether a list has one of this name.
fn has(rows: &Value, name: &str) -> bool {
    rows.as_array().into_iter().flatten().any(|row| row["name"] == name)
}
