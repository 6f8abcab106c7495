//! What the lines of a configuration mean.

use std::collections::{BTreeMap, BTreeSet};

use rumline_agent::{Config, LicenseUse, Transport};
use rumline_catalogue::{Catalogue, Platform};

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

/// The licences in use: each package once, however many lines need it.
pub(crate) fn licenses(config: &ConfigTree, platform: &Platform) -> Vec<LicenseUse> {
    let catalogue = Catalogue::nexus();
    let mut packages = BTreeMap::new();
    config.walk(|parent, line| {
        // Entries of access lists are meant only inside one: a description may hold any words.
        let entry = line.contains("permit ");
        if !line.is_empty()
            && (!entry || parent.contains("access-list "))
            && let Some(package) = catalogue.package_of_line(line)
            && let Some(variant) = catalogue.variant(package, &platform.class)
        {
            packages.insert(package, variant);
        }
    });
    let use_of = |(name, variant): (&str, &rumline_catalogue::Variant)| LicenseUse {
        tag: variant.tag.clone(),
        name: name.to_owned(),
        description: variant.description.clone(),
        count: 1,
    };
    packages.into_iter().map(use_of).collect()
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
