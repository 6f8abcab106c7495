//! What a role at a collector is for.

use anyhow::Result;
use clap::Args;

use super::columns::PEOPLE;
use crate::admin::Api;
use crate::admin::people::Scope;
use crate::out::Column;

/// A tenant.
#[derive(Args, Clone, Debug)]
pub(crate) struct Tenants {
    /// In this tenant.
    #[arg(long)]
    tenant: Option<String>,
}

impl Scope for Tenants {
    const COLUMNS: &'static [Column] = PEOPLE;
    const PART_ID: &'static str = "";
    const SCOPE_ID: &'static str = "tenant_id";

    async fn find(&self, api: &Api) -> Result<Option<(String, Option<i64>)>> {
        let Some(name) = &self.tenant else { return Ok(None) };
        Ok(Some((format!("/tenants/{}", api.find("/tenants", name).await?), None)))
    }
}
