//! Ways out of the switch as this machine has them.

use std::sync::Arc;
use std::time::Duration;

use rumline_agent::{Input, Reason};
use rumline_net::{Contact, NameLookup, NameServerAt, Outlet, Progress};
use rumline_switch::{Names, Path, Tls, Way};

use super::{Happened, Host};

/// An answer of the licensing peer must be here within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(55);
/// The largest answer of a licensing peer, in bytes: 2 MiB, and what an envelope makes of it.
const ANSWER_BYTES_MAX: usize = 3 << 20;
/// How long a switch waits before it asks a busy peer again, unless it is told, in seconds.
const BUSY_SECONDS: i64 = 60;

impl Host {
    /// Where messages of a way leave.
    pub(super) fn outlet(&self, way: &Way) -> Outlet {
        let source = way.source.as_ref();
        let source = source.map(|source| (source.name.as_str(), source.addresses.as_slice()));
        self.setup.outlets.outlet(&way.vrf, source)
    }

    /// How names are resolved.
    pub(super) fn name_lookup(&self, names: &Names, outlet: &Outlet) -> NameLookup {
        let servers = names.servers.iter().map(|server| NameServerAt {
            address: server.address,
            outlet: server.way.as_ref().map(|way| self.outlet(way)),
        });
        NameLookup {
            hosts: names.hosts.clone(),
            servers: servers.collect(),
            domains: names.domains.clone(),
            table_only: !names.lookup,
            port: self.setup.dns_port,
            has_machine: outlet.is_of_the_machine(),
        }
    }

    /// The way of a message over HTTP.
    pub(super) fn contact(&self, path: &Path) -> Contact {
        let outlet = self.outlet(&path.way);
        let tls = match path.tls {
            Tls::V1_2 => &self.old_tls,
            Tls::V1_3 => &self.tls,
        };
        Contact {
            names: self.name_lookup(&path.names, &outlet),
            outlet,
            proxy: path.proxy.as_ref().map(|proxy| (proxy.host.clone(), proxy.port)),
            tls: Arc::clone(tls),
            has_ipv6: path.has_ipv6,
            answer_bytes_max: ANSWER_BYTES_MAX,
            patience: ANSWER_TIMEOUT,
            progress: Progress::default(),
        }
    }

    /// Sends a licensing message; the switch hears what came of it.
    pub(super) fn send(
        &self,
        request_id: String,
        url: String,
        path: &Path,
        (content_type, body): (&'static str, Vec<u8>),
    ) {
        let (contact, happened) = (self.contact(path), self.happened.clone());
        tokio::spawn(async move {
            let input = match contact.post(&url, content_type, body).await {
                Ok(reply) if reply.status == 200 => Input::Answer { request_id, body: reply.body },
                Ok(reply) if reply.status == 429 => {
                    let retry_after_seconds = reply.retry_after_seconds.unwrap_or(BUSY_SECONDS);
                    Input::Busy { request_id, retry_after_seconds }
                }
                Ok(reply) => {
                    Input::Unreachable { request_id, reason: Reason::Status(reply.status) }
                }
                Err(reason) => Input::Unreachable { request_id, reason },
            };
            // The switch may be gone by now.
            let _gone = happened.send(Happened::Input(input)).await;
        });
    }
}
