//! Host names as a switch resolves them: its own table, its own name servers, its own domains (PI-NET-013 to 016).

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name as DnsName;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where DNS listens unless told otherwise.
pub const DNS_PORT: u16 = 53;

/// How names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameLookup {
    /// `ip host`: names and their addresses.
    pub hosts: Vec<(String, IpAddr)>,
    /// `ip name-server`. While there are none, the host's own resolver is asked.
    pub servers: Vec<IpAddr>,
    /// `ip domain-name` and `ip domain-list`: what is put behind a name without a dot, in this order.
    pub domains: Vec<String>,
    /// `no ip domain-lookup`: the table alone.
    pub table_only: bool,
    /// The port of the name servers.
    pub port: u16,
}

/// A resolver whose settings follow a configuration.
#[derive(Clone, Debug, Default)]
pub struct Names {
    lookup: Arc<RwLock<NameLookup>>,
}

impl Names {
    /// Changes how names are resolved.
    pub fn set(&self, lookup: NameLookup) {
        *self.lookup.write().unwrap_or_else(PoisonError::into_inner) = lookup;
    }

    fn current(&self) -> NameLookup {
        self.lookup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.current();
        Box::pin(async move {
            let address = lookup.address(name.as_str()).await?;
            // The caller knows the port.
            let addresses: Addrs = Box::new(std::iter::once(SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {name}: {why}")]
struct Unresolved {
    name: String,
    why: String,
}

impl NameLookup {
    /// The first address of a name (PI-NET-016).
    async fn address(
        &self,
        name: &str,
    ) -> Result<IpAddr, Box<dyn std::error::Error + Send + Sync>> {
        let unresolved = |why: String| Unresolved { name: name.to_owned(), why };
        if let Some((_, address)) =
            self.hosts.iter().find(|(host, _)| host.eq_ignore_ascii_case(name))
        {
            return Ok(*address);
        }
        let local = name.eq_ignore_ascii_case("localhost");
        if self.table_only && !local {
            return Err(unresolved("domain lookup is off".to_owned()).into());
        }
        if self.servers.is_empty() || local {
            let mut found = tokio::net::lookup_host((name, 0)).await?;
            let first = found.next().ok_or_else(|| unresolved("no address".to_owned()))?;
            return Ok(first.ip());
        }
        let resolver = self.resolver()?;
        let mut why = "no address".to_owned();
        for candidate in self.candidates(name) {
            // C-53: underscores are not for every kind of name, but they are for these.
            let candidate = match DnsName::from_ascii(&candidate) {
                Ok(candidate) => candidate,
                Err(error) => {
                    why = error.to_string();
                    continue;
                }
            };
            match resolver.lookup_ip(candidate).await {
                Ok(found) => {
                    if let Some(first) = found.iter().next() {
                        return Ok(first);
                    }
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(unresolved(why).into())
    }

    /// The names to ask for, in order: without a dot the domains come first.
    fn candidates(&self, name: &str) -> Vec<String> {
        let name = name.trim_end_matches('.');
        let full = |domain: &String| format!("{name}.{}.", domain.trim_matches('.'));
        let mut candidates: Vec<String> = self.domains.iter().map(full).collect();
        let place = if name.contains('.') { 0 } else { candidates.len() };
        candidates.insert(place, format!("{name}."));
        candidates
    }

    fn resolver(&self) -> Result<TokioResolver, Box<dyn std::error::Error + Send + Sync>> {
        let server = |address: &IpAddr| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = self.port);
            NameServerConfig::new(*address, true, connections)
        };
        let servers = self.servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = Duration::from_secs(3);
        options.attempts = 2;
        options.use_hosts_file = ResolveHosts::Never;
        // A changed entry must be found with the next attempt.
        options.cache_size = 0;
        Ok(builder.build()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_dot_is_looked_for_in_the_domains_first() {
        // PI-NET-013, PI-NET-014
        let mut lookup = NameLookup::default();
        assert_eq!(lookup.candidates("cslu-local"), ["cslu-local."]);
        lookup.domains = vec!["example.net".to_owned(), "lab.test.".to_owned()];
        let with_domains = ["cslu-local.example.net.", "cslu-local.lab.test.", "cslu-local."];
        assert_eq!(lookup.candidates("cslu-local"), with_domains);
        assert_eq!(lookup.candidates("cslu.other.net")[0], "cslu.other.net.");
    }

    #[tokio::test]
    async fn the_table_of_hosts_comes_first_and_may_be_all_there_is() {
        // PI-NET-013; C-53: underscores
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let hosts = vec![("Cisco_SSM_OnPrem".to_owned(), address)];
        let lookup = NameLookup { hosts, table_only: true, ..NameLookup::default() };
        assert_eq!(lookup.address("cisco_ssm_onprem").await.unwrap(), address);
        let error = lookup.address("cslu-local").await.unwrap_err().to_string();
        assert!(error.contains("domain lookup is off"), "{error}");
    }
}
