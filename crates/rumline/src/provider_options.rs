//! The provider of OpenID Connect by which people log in at a server.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use clap::Args;
use rumline_net::{OsRandom, read_private, roots_of};
use rumline_server::GroupRule;
use rumline_web::{Provider, ProviderSettings};

#[derive(Args)]
pub(crate) struct ProviderArguments {
    /// A provider of OpenID Connect by which people log in too, as it names itself: https://HOST/PATH.
    #[arg(long, requires_all = ["oidc_client_id", "oidc_groups"])]
    oidc_issuer: Option<String>,
    /// What this server is called there.
    #[arg(long, requires = "oidc_issuer")]
    oidc_client_id: Option<String>,
    /// File with the secret the provider gave it, readable by nobody else; none for a public client.
    #[arg(long, requires = "oidc_issuer")]
    oidc_client_secret_file: Option<PathBuf>,
    /// The root certificates the provider is known by; those of the system when missing.
    #[arg(long, requires = "oidc_issuer")]
    oidc_ca_file: Option<PathBuf>,
    /// A group there and its role here, GROUP=ROLE or GROUP=ROLE:ACCOUNT: viewer, user or administrator, of everything or of an account by
    /// number, or by DOMAIN or DOMAIN/VIRTUAL-ACCOUNT; may be repeated.
    #[arg(long = "oidc-group", value_name = "GROUP", requires = "oidc_issuer")]
    oidc_groups: Vec<GroupRule>,
    /// The claim that names somebody's groups.
    #[arg(long, default_value = "groups")]
    oidc_groups_claim: String,
    /// The claim that names somebody here; sub where it is missing.
    #[arg(long, default_value = "preferred_username")]
    oidc_login_claim: String,
    /// The scopes that are asked for, with blanks between.
    #[arg(long, default_value = "openid profile email")]
    oidc_scopes: String,
    /// The address of this server that the provider leads back to, https://HOST:PORT: the first name with the port where missing.
    #[arg(long, requires = "oidc_issuer")]
    oidc_own_url: Option<String>,
    /// What the button on the login page says: Log in with ….
    #[arg(long, default_value = "single sign-on")]
    oidc_title: String,
}

impl ProviderArguments {
    /// The provider, if one is named, for the server at this address.
    pub(crate) fn provider(&self, own_url: &str) -> Result<Option<Provider>> {
        let (Some(issuer), Some(client_id)) = (&self.oidc_issuer, &self.oidc_client_id) else {
            return Ok(None);
        };
        let secret = |file: &PathBuf| {
            let cannot = || format!("cannot use the secret in {}", file.display());
            let text = read_private(file).with_context(cannot)?.with_context(cannot)?;
            let text = String::from_utf8(text).with_context(cannot)?;
            Ok::<_, anyhow::Error>(text.trim_end_matches(['\r', '\n']).to_owned())
        };
        let read = |file: &PathBuf| {
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let pem = self.oidc_ca_file.as_ref().map(read).transpose()?;
        let own_url = self.oidc_own_url.as_deref().unwrap_or(own_url).trim_end_matches('/');
        let settings = ProviderSettings {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            client_secret: self.oidc_client_secret_file.as_ref().map(secret).transpose()?,
            scopes: self.oidc_scopes.clone(),
            login_claim: self.oidc_login_claim.clone(),
            groups_claim: self.oidc_groups_claim.clone(),
            rules: self.oidc_groups.clone(),
            own_url: own_url.to_owned(),
            title: self.oidc_title.clone(),
        };
        let roots = roots_of(pem.as_deref())?;
        let made = Provider::new(settings, &roots, Arc::new(Mutex::new(OsRandom)));
        made.map(Some).map_err(|why| anyhow::anyhow!("the provider cannot be used: {why}"))
    }
}

/// How people know a server: its first name, or the address that it listens on.
pub(crate) fn known_as(names: &[String], address: std::net::SocketAddr) -> String {
    match names.first() {
        Some(name) => format!("https://{name}:{}", address.port()),
        None => format!("https://{address}"),
    }
}
