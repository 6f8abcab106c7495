//! What the lines of a configuration mean.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rumline_agent::{Config, LicenseUse, Transport};
use rumline_catalogue::{Catalogue, Platform, Variant};
use rumline_protocol::RumReport;

use crate::config::ConfigTree;

/// The place of a release among the releases; unknown ones come last.
pub(crate) fn release_index(version: &str) -> usize {
    let releases = Catalogue::nexus().releases();
    releases.iter().position(|release| release.version == version).unwrap_or(releases.len())
}

/// The licensing configuration.
pub(crate) fn licensing(config: &ConfigTree) -> Config {
    let value = |head: &str| config.value(head).filter(|value| !value.is_empty());
    let transport = match value("license smart transport") {
        Some("smart") => Transport::Smart,
        Some("callhome") => Transport::Callhome,
        Some("off") => Transport::Off,
        _ => Transport::Cslu,
    };
    let hidden = |what: &str| {
        config
            .starting_with("license smart privacy")
            .any(|line| line.text.ends_with(what) || line.text.ends_with(" all"))
    };
    Config {
        transport,
        smart_url: value("license smart url smart").map(str::to_owned),
        cslu_url: value("license smart url cslu").map(str::to_owned),
        callhome_url: callhome_url(config),
        interval_days: value("license smart usage interval").and_then(|days| days.parse().ok()),
        hide_hostname: hidden(" hostname"),
        hide_version: hidden(" version"),
    }
}

fn callhome_url(config: &ConfigTree) -> Option<String> {
    let section = config.section(&["callhome".to_owned()])?;
    section.iter().find_map(|line| {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        match words[..] {
            ["destination-profile", _, "index", _, "http", url] => Some(url.to_owned()),
            _ => None,
        }
    })
}

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
    let mut names = NameSettings { lookup: true, ..NameSettings::default() };
    let mut listed = Vec::new();
    for line in &config.lines {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let addresses = |from: usize| words[from..].iter().map_while(|word| word.parse().ok());
        match words[..] {
            ["ip", "name-server", ..] => names.servers.extend(addresses(2)),
            ["ip", "host", name, _, ..] => {
                names.hosts.extend(addresses(3).map(|address| (name.to_owned(), address)));
            }
            ["ip", "domain-name", domain, ..] => names.domains.push(domain.to_owned()),
            ["ip", "domain-list", domain, ..] => listed.push(domain.to_owned()),
            ["no", "ip", "domain-lookup"] => names.lookup = false,
            _ => {}
        }
    }
    names.domains.extend(listed);
    names
}

/// The features that are on.
pub(crate) fn features(config: &ConfigTree) -> BTreeSet<&str> {
    let catalogue = Catalogue::nexus();
    let mut on: BTreeSet<&str> = catalogue
        .features()
        .iter()
        .filter(|f| f.on_by_default())
        .map(|f| f.name.as_str())
        .collect();
    for line in &config.lines {
        if let Some(name) = line.text.strip_prefix("feature ") {
            on.insert(name.trim());
        } else if let Some(name) = line.text.strip_prefix("no feature ") {
            on.remove(name.trim());
        }
    }
    on
}

/// The licences in use: each package once, however many lines need it, or once for each port that needs it.
pub(crate) fn licenses(config: &ConfigTree, platform: &Platform) -> Vec<LicenseUse> {
    let catalogue = Catalogue::nexus();
    let mut packages = BTreeMap::new();
    config.walk(|parent, line| {
        // Entries of access lists are meant only inside one: a description may hold any words.
        let mut words = line.split_whitespace();
        let entry = words.clone().any(|word| word == "permit");
        let is_remark = words.next() == Some("remark") || words.next() == Some("remark");
        // What a role may do is no feature that is on.
        if !line.is_empty()
            && !is_remark
            // A text of many lines.
            && !line.contains('\n')
            && !parent.starts_with("role ")
            && (!entry || parent.contains("access-list "))
            && let Some(package) = catalogue.package_of_line(line)
            && let Some(variant) = catalogue.variant(package, &platform.class)
        {
            let (_, ports) = packages.entry(package).or_insert((variant, BTreeSet::new()));
            if catalogue.package(package).is_some_and(|package| package.counted) {
                ports.extend(ports_of(line).map(|port| (parent.to_owned(), port)));
            }
        }
    });
    let use_of = |(name, (variant, ports)): (&str, (&Variant, BTreeSet<_>))| LicenseUse {
        tag: variant.tag.clone(),
        name: name.to_owned(),
        description: variant.description.clone(),
        // More than any platform has would be refused, and all that the report tells with it.
        count: u32::try_from(ports.len()).unwrap_or(u32::MAX).clamp(1, RumReport::COUNT_MAX),
    };
    packages.into_iter().map(use_of).collect()
}

/// The ports that a line like `port 1-8,12 type fc` names.
fn ports_of(line: &str) -> impl Iterator<Item = u32> {
    let listed = line.split_whitespace().nth(1).unwrap_or_default();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        // No card has as many; a typing error is to cost nothing.
        Some(first..=last.min(first.saturating_add(127)))
    };
    listed.split(',').filter_map(range).flatten().collect::<Vec<_>>().into_iter()
}

/// `e1/22` becomes `Ethernet1/22`; what is no interface stays as it is.
pub(crate) fn interface_name(typed: &str) -> String {
    const KINDS: &[&str] =
        &["Ethernet", "loopback", "mgmt", "nve", "port-channel", "Tunnel", "Vlan"];
    let digits = typed.find(|c: char| c.is_ascii_digit()).unwrap_or(typed.len());
    let (head, number) = typed.split_at(digits);
    let head = head.trim().to_ascii_lowercase();
    let kind = KINDS
        .iter()
        .find(|kind| !head.is_empty() && kind.to_ascii_lowercase().starts_with(head.as_str()));
    match kind {
        Some(kind) if !number.is_empty() => format!("{kind}{number}"),
        _ => typed.to_owned(),
    }
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

    #[test]
    fn each_fibre_channel_port_counts_once() {
        // PI-LIC-008
        let platform = Catalogue::nexus().platform("N9K-C93180YC-FX").unwrap();
        let count = |text: &str| {
            let licenses = licenses(&ConfigTree::parse(text), platform);
            licenses.iter().find(|l| l.name == "FC_PORT_ACTIVATION_PKG").map(|l| l.count)
        };
        assert_eq!(count("slot 1\n  port 1-4 type fc\n"), Some(4));
        assert_eq!(count("slot 1\n  port 1-4,9 type fc\n  port 3-5 type fc\n"), Some(6));
        assert_eq!(count("slot 1\n  port 1 type fc\nslot 2\n  port 1 type fc\n"), Some(2));
        assert_eq!(count("slot 1\n  port x type fc\n  port 9-3 type fc\n"), Some(1));
        assert_eq!(count("slot 1\n  port 1-4000000000 type fc\n"), Some(128));
        let many: Vec<String> = (0..20).map(|n| format!("{}-{}", n * 128, n * 128 + 127)).collect();
        let all = format!("slot 1\n  port {} type fc\n", many.join(","));
        assert_eq!(count(&all), Some(RumReport::COUNT_MAX));
        assert_eq!(count("slot 1\n"), None);
        // Others count once, however many lines need them.
        let licenses = licenses(&ConfigTree::parse("feature bgp\nfeature ospf\n"), platform);
        assert_eq!(licenses.iter().map(|l| l.count).collect::<Vec<_>>(), [1]);
    }
}
