//! How host names are resolved.

mod show;

use std::net::IpAddr;

use crate::command::{Command, Topic};
use crate::config::{ConfigTree, Given, Lines, Put, Setting, Software};
use crate::topics::network::Way;

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
    commands: &[Command::anyone("show hosts", show::hosts)],
    settings: &[LOOKUP, DOMAIN, LISTED, HOST, SERVERS, VRF],
};

/// How names are resolved for what leaves by a VRF (PI-NET-013 to 016).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `ip host`: names and their addresses.
    pub hosts: Vec<(String, IpAddr)>,
    /// `ip name-server`, in their order, each with the way to it.
    pub servers: Vec<NameServer>,
    /// `ip domain-name`, then `ip domain-list`.
    pub domains: Vec<String>,
    /// Whether names are looked up at all.
    pub lookup: bool,
}

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its address.
    pub address: IpAddr,
    /// The way to it; none where its lines lead nowhere: it stays silent.
    pub way: Option<Way>,
}

/// The name settings for a VRF: those of its section, then the global ones that are not for another VRF. `way` says how a
/// server in a VRF is reached from an interface.
pub(crate) fn names(
    config: &ConfigTree,
    vrf: &str,
    way: impl Fn(&str, Option<&str>) -> Option<Way>,
) -> Names {
    let context = [format!("{} {vrf}", VRF.head)];
    let own = config.section(&context).into_iter().flat_map(texts);
    // Most lines are something else: they are looked at once, and not taken apart.
    let is_of_names = |line: &&str| {
        ["ip host ", "ip name-server ", "ip domain"].iter().any(|head| line.starts_with(head))
    };
    let all: Vec<Vec<&str>> = own
        .chain(texts(&config.lines))
        .filter(is_of_names)
        .map(|line| line.split(' ').collect())
        .collect();
    let of = |setting: Setting| {
        let head: Vec<&str> = setting.head.split(' ').collect();
        all.iter().filter_map(move |words| words.strip_prefix(head.as_slice())).collect::<Vec<_>>()
    };
    let mut hosts = Vec::new();
    for words in of(HOST) {
        hosts.extend(addresses(words).map(|address| (words[0].to_owned(), address)));
    }
    let mut servers: Vec<NameServer> = Vec::new();
    for words in of(SERVERS) {
        let (through, source) = (option(words, "use-vrf"), option(words, "source-interface"));
        let way = way(through.unwrap_or(vrf), source);
        for address in words.iter().map_while(|word| word.parse().ok()) {
            if servers.len() < SERVERS_MAX && servers.iter().all(|known| known.address != address) {
                servers.push(NameServer { address, way: way.clone() });
            }
        }
    }
    let mut domains: Vec<String> = Vec::new();
    for words in of(DOMAIN).into_iter().chain(of(LISTED)) {
        let is_here = option(words, "use-vrf").is_none_or(|named| named == vrf);
        if let Some(domain) = words.first().filter(|_| is_here) {
            domains.push((*domain).to_owned());
        }
    }
    let off = format!("no {}", LOOKUP.head);
    Names { hosts, servers, domains, lookup: config.lines.place_of(&off).is_none() }
}

fn texts(lines: &Lines) -> impl Iterator<Item = &str> {
    lines.iter().map(|line| line.text.as_str())
}

/// The word behind a key word.
fn option<'w>(words: &[&'w str], key: &str) -> Option<&'w str> {
    let place = words.iter().position(|word| *word == key)?;
    words.get(place + 1).copied()
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
    if let Some(interface) = option(&rest, "source-interface") {
        // PI-NET-011, REL-005
        if let Some(software) = software {
            software.asks("dns source interface")?;
        }
        one_source(tree, interface, option(&rest, "use-vrf"))?;
    }
    let others = servers(tree).filter(|known| !own.contains(known)).count();
    if others + own.len() > SERVERS_MAX {
        return Err(format!("% Up to {SERVERS_MAX} name servers can be configured"));
    }
    Ok(None)
}

/// Only one source interface there is for name servers, and only one VRF for it (PI-NET-011).
fn one_source(tree: &ConfigTree, interface: &str, vrf: Option<&str>) -> Result<(), String> {
    for words in SERVERS.values(tree) {
        match option(&words, "source-interface") {
            Some(other) if !other.eq_ignore_ascii_case(interface) => {
                return Err(format!("% {other} is the source interface of name servers already"));
            }
            Some(_) if option(&words, "use-vrf") != vrf => {
                return Err(format!("% {interface} is used with another use-vrf already"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(config: &str, vrf: &str) -> Names {
        names(&ConfigTree::parse(config), vrf, |vrf, _| {
            Some(Way { vrf: vrf.to_owned(), source: None })
        })
    }

    #[test]
    fn names_are_resolved_as_the_lines_say() {
        // PI-NET-013 to 016
        let names = named(
            "ip domain-name example.net\nip domain-list lab.test\nip host cslu-local 192.0.2.1\n\
             ip name-server 192.0.2.53 192.0.2.54 use-vrf management\n",
            "management",
        );
        assert_eq!(names.domains, ["example.net", "lab.test"]);
        assert_eq!(names.hosts, [("cslu-local".to_owned(), "192.0.2.1".parse().unwrap())]);
        assert_eq!(names.servers.len(), 2);
        assert!(names.lookup && !named("no ip domain-lookup\n", "management").lookup);
    }

    #[test]
    fn the_section_of_a_vrf_comes_before_the_global_lines_and_is_for_that_vrf_only() {
        // PI-NET-008, C-12, PI-CLI-027
        let config = "ip domain-name global.test\nip domain-list blue.list use-vrf blue\n\
             ip host twice 192.0.2.1\nip name-server 192.0.2.1\nip name-server 192.0.2.2 use-vrf red\n\
             vrf context blue\n  ip domain-name blue.test\n  ip host twice 192.0.2.2\n  \
             ip name-server 192.0.2.3 192.0.2.1\nvrf context management\n  ip name-server 192.0.2.4\n";
        let blue = named(config, "blue");
        assert_eq!(blue.domains, ["blue.test", "global.test", "blue.list"]);
        assert_eq!(blue.hosts[0].1.to_string(), "192.0.2.2");
        let ways = |names: &Names| -> Vec<String> {
            let way = |server: &NameServer| server.way.clone().map(|way| way.vrf);
            let shown = |server: NameServer| {
                format!("{} {}", server.address, way(&server).unwrap_or_default())
            };
            names.servers.iter().cloned().map(shown).collect()
        };
        assert_eq!(ways(&blue), ["192.0.2.3 blue", "192.0.2.1 blue", "192.0.2.2 red"]);
        let management = named(config, "management");
        assert_eq!(management.domains, ["global.test"]);
        assert_eq!(
            ways(&management),
            ["192.0.2.4 management", "192.0.2.1 management", "192.0.2.2 red"]
        );
    }
}
