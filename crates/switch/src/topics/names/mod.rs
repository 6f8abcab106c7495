//! How host names are resolved.

use std::net::IpAddr;

use crate::command::Topic;
use crate::config::{ConfigTree, Given, Put, Setting, Software};

/// The most name servers (PI-NET-009).
const SERVERS_MAX: usize = 6;

const LOOKUP: Setting =
    Setting { put: Put::Toggle, default: Some(""), ..Setting::line("ip domain-lookup") };
const DOMAIN: Setting = Setting { put: Put::Head, ..Setting::line("ip domain-name") };
const LISTED: Setting = Setting::keyed("ip domain-list", 3);
const HOST: Setting = Setting { check: are_addresses, ..Setting::keyed("ip host", 3) };
const SERVERS: Setting =
    Setting { check: are_servers, ..Setting::keyed("ip name-server", usize::MAX) };
const VRF: Setting = Setting { put: Put::Mode, ..Setting::line("vrf context") };

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[],
    settings: &[LOOKUP, DOMAIN, LISTED, HOST, SERVERS, VRF],
};

/// How the switch resolves host names (PI-NET-013 to 016).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSettings {
    /// `ip host`: names and their addresses.
    pub hosts: Vec<(String, IpAddr)>,
    /// `ip name-server`.
    pub servers: Vec<IpAddr>,
    /// `ip domain-name`, then `ip domain-list`.
    pub domains: Vec<String>,
    /// Whether names are looked up at all.
    pub lookup: bool,
}

/// The name settings.
pub(crate) fn names(config: &ConfigTree) -> NameSettings {
    let first = |setting: Setting| {
        setting.values(config).filter_map(|words| words.first().map(|word| (*word).to_owned()))
    };
    let off = format!("no {}", LOOKUP.head);
    let hosts = HOST.values(config).flat_map(|words| {
        let addresses = addresses(&words).collect::<Vec<_>>();
        let name = words.first().copied().unwrap_or_default().to_owned();
        addresses.into_iter().map(move |address| (name.clone(), address))
    });
    NameSettings {
        hosts: hosts.collect(),
        servers: servers(config).collect(),
        domains: first(DOMAIN).chain(first(LISTED)).collect(),
        lookup: !config.lines.iter().any(|line| line.text == off),
    }
}

/// The addresses behind a name.
fn addresses(words: &[&str]) -> impl Iterator<Item = IpAddr> {
    words.iter().skip(1).map_while(|word| word.parse().ok())
}

fn servers(config: &ConfigTree) -> impl Iterator<Item = IpAddr> {
    SERVERS
        .values(config)
        .flat_map(|words| words.into_iter().map_while(|word| word.parse().ok()).collect::<Vec<_>>())
}

fn are_addresses(
    _: &ConfigTree,
    given: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    let words = given.get("addresses").unwrap_or_default();
    match words.split_whitespace().find(|word| word.parse::<IpAddr>().is_err()) {
        None => Ok(None),
        Some(word) => Err(format!("% Invalid ip address: {word}")),
    }
}

/// PI-NET-009.
fn are_servers(
    tree: &ConfigTree,
    given: &Given,
    software: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    let line = given.get("servers").unwrap_or_default();
    let mut words = line.split_whitespace().peekable();
    let mut own: Vec<IpAddr> = Vec::new();
    while let Some(address) = words.peek().and_then(|word| word.parse().ok()) {
        own.push(address);
        words.next();
    }
    let rest: Vec<&str> = words.collect();
    let is_option = |pair: &[&str]| matches!(pair, ["use-vrf" | "source-interface", _]);
    let options_fit = rest.len() <= 4 && rest.chunks(2).all(is_option);
    if own.is_empty() || !options_fit {
        let word = rest.first().copied().unwrap_or_default();
        return Err(format!("% Invalid ip address: {word}"));
    }
    if let Some(software) = software.filter(|_| rest.contains(&"source-interface")) {
        // PI-NET-011, REL-005
        software.asks("dns source interface")?;
    }
    let others = servers(tree).filter(|known| !own.contains(known)).count();
    if others + own.len() > SERVERS_MAX {
        return Err(format!("% Up to {SERVERS_MAX} name servers can be configured"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_as_the_lines_say() {
        // PI-NET-013 to 016
        let config = ConfigTree::parse(
            "ip domain-name example.net\nip domain-list lab.test\nip host cslu-local 192.0.2.1\n\
             ip name-server 192.0.2.53 192.0.2.54 use-vrf management\n",
        );
        let names = names(&config);
        assert_eq!(names.domains, ["example.net", "lab.test"]);
        assert_eq!(names.hosts, [("cslu-local".to_owned(), "192.0.2.1".parse().unwrap())]);
        assert_eq!(names.servers.len(), 2);
        assert!(names.lookup && !super::names(&ConfigTree::parse("no ip domain-lookup\n")).lookup);
    }
}
