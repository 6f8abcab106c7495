//! Requests to addresses that people chose: webhooks. They go to the world outside and to nothing that only this machine or
//! its network reaches, unless that was allowed; whatever a name leads to is looked at when it is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::tls::{client_config, roots_of};

/// How long a receiver may take in all.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What is read of its answer, in bytes, before the connection is given up.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Whether an address is of this machine, of a network of one's own, or of nobody: nothing out there.
#[must_use]
pub fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => is_internal_v6(address),
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        // Between a provider and its customers, and for measurements.
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || a >= 240
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let last = || {
        let [.., high, low] = parts;
        Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
    };
    // An address of version 4 in one of version 6: mapped, compatible, translated (64:ff9b::/96).
    let holds_v4 = parts[..5] == [0; 5] && matches!(parts[5], 0 | 0xffff)
        || parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    if holds_v4 {
        return is_internal_v4(last());
    }
    // 6to4 holds one in its second and third part.
    if parts[0] == 0x2002 {
        return is_internal_v4(Ipv4Addr::from((u32::from(parts[1]) << 16) | u32::from(parts[2])));
    }
    // What is given out to the world is 2000::/3.
    parts[0] & 0xe000 != 0x2000 || parts[..2] == [0x2001, 0xdb8] || parts[..2] == [0x2001, 0]
}

/// Whether an address may be told something: `https://`, and out in the world as far as it says so itself. Where it is
/// allowed, `http://` and internal ones too.
///
/// # Errors
/// What is wrong with it.
pub fn check_hook_url(url: &str, allows_internal: bool) -> Result<(), String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("it is no address: {error}"))?;
    let is_plain = match parsed.scheme() {
        "https" => false,
        "http" => true,
        _ => return Err("it begins with https://".to_owned()),
    };
    if is_plain && !allows_internal {
        return Err("it begins with https:// (this server was not started with \
                    --webhooks-to-internal)"
            .to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() || parsed.fragment().is_some() {
        return Err("it holds no login, no password and no #: what is sent is signed".to_owned());
    }
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let is_internal = match host.parse::<IpAddr>() {
        Ok(address) => is_internal(address),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host.is_empty() || host == "localhost" || host.ends_with(".localhost")
        }
    };
    if is_internal && !allows_internal {
        return Err(refused());
    }
    Ok(())
}

fn refused() -> String {
    "the address is internal, which is refused unless the server is started with \
     --webhooks-to-internal"
        .to_owned()
}

/// Sends what webhooks are told.
#[derive(Clone, Debug)]
pub struct HookClient {
    client: reqwest::Client,
    allows_internal: bool,
}

impl HookClient {
    /// A client that trusts these roots, PEM, or without any those of the system.
    ///
    /// # Errors
    /// When the roots cannot be used.
    pub fn new(root_pem: Option<&[u8]>, allows_internal: bool) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let roots = roots_of(root_pem).map_err(|error| told(&error))?;
        let tls = client_config(&roots).map_err(|error| told(&error))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .dns_resolver(Arc::new(Outward { allows_internal }))
            .redirect(reqwest::redirect::Policy::none())
            // A name is looked at anew each time.
            .pool_max_idle_per_host(0)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| told(&error))?;
        Ok(Self { client, allows_internal })
    }

    /// Sends a body with these headers; returns the status of the answer.
    ///
    /// # Errors
    /// When the address is refused, or nobody answers in time: what went wrong.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<u16, String> {
        check_hook_url(url, self.allows_internal)?;
        let mut request = self.client.post(url).header("content-type", content_type).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(|error| reason(&error))?;
        let (status, mut read) = (response.status().as_u16(), 0);
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(status)
    }
}

fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut source = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(inner) = source {
        last = inner.to_string();
        if inner.is::<Refused>() {
            break;
        }
        source = inner.source();
    }
    last
}

/// Why a name was not connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// The machine's own resolver, without what is internal.
#[derive(Debug)]
struct Outward {
    allows_internal: bool,
}

impl Resolve for Outward {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_internal = self.allows_internal;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str().to_owned(), 0)).await;
            let found = found.map_err(|_| Refused("the name has no address".to_owned()))?;
            let all: Vec<_> = found.filter(|at| allows_internal || !is_internal(at.ip())).collect();
            if all.is_empty() {
                return Err(Refused(refused()).into());
            }
            let addresses: Addrs = Box::new(all.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_internal_is_known_in_all_its_forms() {
        for text in [
            "127.0.0.1",
            "127.255.0.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::1",
            "2001:db8::1",
        ] {
            assert!(is_internal(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.1.0.1",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "::ffff:8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(!is_internal(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_address_says_where_it_leads_before_anything_is_sent() {
        for url in
            ["https://hooks.example.net/a?b=c", "https://1.1.1.1:8443/", "https://[2606:4700::1]/"]
        {
            assert_eq!(check_hook_url(url, false), Ok(()), "{url}");
        }
        for url in [
            "",
            "x",
            "//example.net",
            "ftp://example.net/",
            "file:///etc/passwd",
            "http://example.net/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://user:secret@example.net/",
            "https://user@example.net/",
            "https://example.net/#part",
        ] {
            assert!(check_hook_url(url, false).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:9/", "https://localhost/", "http://lab.internal/"] {
            assert_eq!(check_hook_url(url, true), Ok(()), "{url}");
        }
        for url in ["", "ftp://127.0.0.1/", "https://user@localhost/"] {
            assert!(check_hook_url(url, true).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_connected_to() {
        // The name passes as it is written; what it leads to does not.
        let resolver = Outward { allows_internal: false };
        let refused = resolver.resolve("localhost".parse().unwrap()).await.map(|_| ());
        assert!(refused.unwrap_err().to_string().contains("--webhooks-to-internal"));
        let resolver = Outward { allows_internal: true };
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
        let client = HookClient::new(None, false).unwrap();
        let sent = client.post("https://127.0.0.1:1/", "a/b", &[], String::new()).await;
        assert!(sent.unwrap_err().contains("internal"));
    }
}
