//! What a role at CSSM is for.

use anyhow::Result;
use clap::Args;

use super::columns::PEOPLE;
use crate::admin::Api;
use crate::admin::people::Scope;
use crate::out::Column;

/// A smart account, or a virtual account of it.
#[derive(Args, Clone, Debug)]
pub(crate) struct Accounts {
    /// In this smart account.
    #[arg(long)]
    smart_account: Option<String>,
    /// In this virtual account of it.
    #[arg(long, requires = "smart_account")]
    virtual_account: Option<String>,
}

impl Scope for Accounts {
    const COLUMNS: &'static [Column] = PEOPLE;
    const PART_ID: &'static str = "virtual_account_id";
    const SCOPE_ID: &'static str = "smart_account_id";

    async fn find(&self, api: &Api) -> Result<Option<(String, Option<i64>)>> {
        let Some(smart) = &self.smart_account else { return Ok(None) };
        let account = api.smart_account(smart).await?;
        let part = match &self.virtual_account {
            Some(name) => Some(api.find(&format!("{account}/virtual-accounts"), name).await?),
            None => None,
        };
        Ok(Some((account, part)))
    }
}
