//! Policies, written as JSON files.

use std::path::Path;

use anyhow::{Context, Result};
use rumline_cssm::{PolicyFile, PolicyInForce};
use serde_json::Value;

use super::columns::{POLICIES, TRIALS};
use super::{Api, Command, THIS_SERVER};
use crate::out::{Output, show};

/// Reads a policy that somebody wrote.
fn policy_file(file: &Path) -> Result<PolicyFile> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no policy", file.display()))
}

fn policy_body(file: &Path) -> Result<Option<Value>> {
    Ok(Some(serde_json::to_value(policy_file(file)?)?))
}

/// Says what of a policy cannot be, or may not be what was meant.
pub(super) fn lint(file: &Path) -> Result<bool> {
    let policy = policy_file(file)?;
    policy.check()?;
    let concerns = policy.concerns();
    for concern in &concerns {
        say!("{concern}");
    }
    if concerns.is_empty() {
        say!("{} can be set, and nothing in it looks unmeant.", file.display());
    }
    Ok(true)
}

/// Where the policy of a virtual account is, or of its smart account as a whole.
async fn policy_path(api: &Api, smart_account: &str, virtual_account: &str) -> Result<String> {
    let account = match virtual_account {
        THIS_SERVER => api.smart_account(smart_account).await?,
        name => api.virtual_account(smart_account, name).await?,
    };
    Ok(format!("{account}/policy"))
}

/// Where the policy of a licence is.
async fn tag_path(api: &Api, smart_account: &str, tag: &str) -> Result<String> {
    let account = api.smart_account(smart_account).await?;
    Ok(format!("{account}/tag-policies/{}", rumline_web::in_query(tag).replace('/', "%2F")))
}

/// The commands for them; says whether it was one.
pub(super) async fn policy_commands(api: &Api, command: &Command) -> Result<bool> {
    match command {
        Command::Policy { smart_account, virtual_account } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let policy = api.json("GET", &format!("{path}/policy"), None).await?;
            let PolicyInForce { policy, lifetime_days, .. } = serde_json::from_value(policy)?;
            let file = PolicyFile {
                policy_name: policy.policy_name,
                reporting_ack_required: policy.reporting_ack_required,
                unenforced: policy.unenforced,
                enforced: policy.enforced,
                export: policy.export,
                lifetime_days,
            };
            show(Output::Json, &serde_json::to_value(file)?, &[]);
        }
        Command::SetPolicy { smart_account, virtual_account, file } => {
            let path = policy_path(api, smart_account, virtual_account).await?;
            api.json("PUT", &path, policy_body(file)?).await?;
            say!("Policy set.");
        }
        Command::RemovePolicy { smart_account, virtual_account } => {
            let path = policy_path(api, smart_account, virtual_account).await?;
            api.json("DELETE", &path, None).await?;
            say!("Policy taken back.");
        }
        Command::TagPolicies { smart_account } => {
            let path = api.smart_account(smart_account).await?;
            let all = api.json("GET", &format!("{path}/tag-policies"), None).await?;
            show(api.output, &all, POLICIES);
        }
        Command::SetTagPolicy { smart_account, tag, file } => {
            let path = tag_path(api, smart_account, tag).await?;
            api.json("PUT", &path, policy_body(file)?).await?;
            say!("Policy set.");
        }
        Command::RemoveTagPolicy { smart_account, tag } => {
            api.json("DELETE", &tag_path(api, smart_account, tag).await?, None).await?;
            say!("Policy taken back.");
        }
        Command::InstancePolicy { smart_account, id } => {
            let path = api.smart_account(smart_account).await?;
            let path = format!("{path}/product-instances/{id}/policy");
            show(api.output, &api.json("GET", &path, None).await?, POLICIES);
        }
        Command::TryPolicy { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            let path = format!("{path}/policy-trials?limit=100");
            show(api.output, &api.pages_of("POST", &path, policy_body(file)?).await?, TRIALS);
        }
        Command::PolicyFile { smart_account, virtual_account, file } => {
            let path = api.virtual_account(smart_account, virtual_account).await?;
            std::fs::write(file, api.bytes("GET", &format!("{path}/policy-file"), vec![]).await?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
