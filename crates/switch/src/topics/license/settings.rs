//! The settings of licensing: how its lines are spelled, and what they come to.

use std::net::{IpAddr, Ipv6Addr};

use rumline_agent::{Config, Transport};
use rumline_protocol::CustomerTags;

pub(super) use crate::config::Setting;
use crate::config::{ConfigTree, Given, Put, Software};
use crate::topics::callhome;

pub(crate) const CUSTOM_ID: Setting = Setting::line("license smart custom_id");
pub(crate) const PRIVACY: Setting = Setting::keyed("license smart privacy", 4);
pub(crate) const CUSTOMER_TAGS: Setting = Setting::keyed("license smart usage customer-tags", 5);
pub(crate) const FREE_FORM: Setting = Setting::keyed("license smart usage free-form", 5);
pub(crate) const PROXY_ADDRESS: Setting =
    Setting { check: is_ipv4, ..Setting::line("license smart proxy address") };
pub(crate) const PROXY_PORT: Setting = Setting::line("license smart proxy port");
pub(crate) const SOURCE_INTERFACE: Setting = Setting {
    put: Put::Interface,
    gate: Some("smart source interface"),
    ..Setting::line("license smart source-interface")
};
pub(crate) const TRANSPORT: Setting =
    Setting { default: Some("cslu"), ..Setting::line("license smart transport") };
// C-51: shown with its keyword, whether or not it was typed.
pub(crate) const URL_CSLU: Setting = Setting {
    put: Put::Head,
    default: Some(rumline_agent::DEFAULT_CSLU_HOST),
    check: check_cslu_url,
    ..Setting::line("license smart url cslu")
};
pub(crate) const URL_SMART: Setting = Setting {
    put: Put::Head,
    default: Some(rumline_agent::DEFAULT_SMART_URL),
    check: |_, given, _| check_url(given, &["https://"]),
    ..Setting::line("license smart url smart")
};
pub(crate) const INTERVAL: Setting =
    Setting { default: Some("30"), ..Setting::line("license smart usage interval") };
pub(crate) const VRF: Setting =
    Setting { gate: Some("smart vrf"), ..Setting::line("license smart vrf") };

const IPV6: &str = "% IPv6 is supported only on callhome transport";

/// The word of the transport, as it is set or by default.
pub(crate) fn transport_word(tree: &ConfigTree) -> &str {
    TRANSPORT.value(tree).or(TRANSPORT.default).unwrap_or_default()
}

/// The licensing configuration.
pub(crate) fn licensing(tree: &ConfigTree) -> Config {
    let transport = match TRANSPORT.value(tree) {
        Some("smart") => Transport::Smart,
        Some("callhome") => Transport::Callhome,
        Some("off") => Transport::Off,
        _ => Transport::Cslu,
    };
    let hidden = |what: &str| {
        PRIVACY
            .values(tree)
            .any(|words| words.last().is_some_and(|last| *last == what || *last == "all"))
    };
    Config {
        transport,
        smart_url: URL_SMART.value(tree).map(str::to_owned),
        // Its own name, which is no URL, is that of the default.
        cslu_url: URL_CSLU
            .value(tree)
            .filter(|url| Some(*url) != URL_CSLU.default)
            .map(str::to_owned),
        callhome_url: Some(callhome::url(tree).to_owned()),
        message_bytes_max: (transport == Transport::Callhome).then(|| callhome::room(tree)),
        interval_days: INTERVAL.value(tree).and_then(|days| days.parse().ok()),
        customer_tags: customer_tags(tree),
        hide_hostname: hidden("hostname"),
        hide_version: hidden("version"),
    }
}

/// What the owner calls the place of the switch (G-34).
fn customer_tags(tree: &ConfigTree) -> CustomerTags {
    let mut tags = CustomerTags::default();
    for words in CUSTOMER_TAGS.values(tree) {
        let level = words.first().and_then(|word| word.strip_prefix("tag")?.parse().ok());
        if let (Some(level), Some(tag)) = (level, words.get(1)) {
            tags.set(level, tag);
        }
    }
    tags
}

/// The two texts that leave in no message, by their names (PI-RUM-032).
pub(crate) fn free_form(tree: &ConfigTree) -> Vec<(String, String)> {
    let two = |words: Vec<&str>| Some(((*words.first()?).to_owned(), words.get(1..)?.join(" ")));
    FREE_FORM.values(tree).filter_map(two).collect()
}

/// PI-NET-007.
fn is_ipv4(
    _: &ConfigTree,
    given: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    let is_ipv6 = given.get("address").is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    if is_ipv6 { Err(IPV6.to_owned()) } else { Ok(None) }
}

fn check_cslu_url(
    _: &ConfigTree,
    given: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    if given.get("url") == URL_CSLU.default {
        return Ok(None);
    }
    check_url(given, &["http://", "https://"])?;
    Ok(given.get("url").and_then(cslu_url_warning))
}

/// What a CSLU URL that is taken may still be wrong for.
fn cslu_url_warning(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let (address, path) = rest.split_once('/')?;
    let (host, port) = address.split_once(':').unwrap_or((address, ""));
    match path.strip_prefix("cslu/v1/pi")?.trim_matches('/') {
        // PI-CLI-010
        "" if port != "8182" => Some("Warning: CSLU uses port 8182 for product instances"),
        "" => None,
        // PI-NET-015
        _ if host.parse::<IpAddr>().is_ok() => {
            Some("Warning: SSM On-Prem is to be reached by its host name, not by an IP address")
        }
        _ => None,
    }
}

/// A URL of the smart or CSLU transport.
fn check_url(given: &Given, schemes: &[&str]) -> Result<Option<&'static str>, String> {
    let Some(url) = given.get("url") else { return Ok(None) };
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return Err(format!("% Invalid URL: it begins with {}", schemes.join(" or ")));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('[') {
        return Err(IPV6.to_owned()); // PI-NET-007
    }
    if authority.contains('@') {
        return Err("% Invalid URL: it holds no user".to_owned());
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err("% Invalid URL: the port is 1 to 65535".to_owned());
    }
    let is_numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_host = !host.is_empty()
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && (!is_numeric || host.parse::<IpAddr>().is_ok());
    if !is_host {
        return Err(format!("% Invalid URL: {host} is no address and no host name"));
    }
    if url.len() > 255 {
        return Err("% Invalid URL: up to 255 letters".to_owned());
    }
    if !url.bytes().all(|b| b.is_ascii_graphic() && b != b'"') {
        return Err("% Invalid URL: it holds letters that no URL has".to_owned());
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_agent() {
        assert_eq!(
            INTERVAL.default,
            Some(rumline_agent::DEFAULT_INTERVAL_DAYS.to_string().as_str())
        );
        let none = licensing(&ConfigTree::default());
        let given =
            [TRANSPORT, URL_CSLU].iter().filter_map(Setting::default_line).collect::<Vec<_>>();
        // What `show running-config license all` prints of them can be given, and changes nothing.
        assert_eq!(licensing(&ConfigTree::parse(&given.join("\n"))), none);
    }
}
