//! Which licences are in use: what the lines of the configuration need.

use std::collections::{BTreeMap, BTreeSet};

use rumline_agent::LicenseUse;
use rumline_catalogue::{Catalogue, Platform};
use rumline_protocol::RumReport;

use crate::config::{Changed, ConfigTree};

/// What needs licences: for each package how many lines need it, and which ports they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InUse {
    packages: BTreeMap<&'static str, Needed>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Needed {
    lines: usize,
    /// Each port with the section that names it, and how many lines do; only of packages that are counted.
    ports: BTreeMap<(String, u32), usize>,
}

impl InUse {
    /// What all of a configuration needs.
    pub(crate) fn of(config: &ConfigTree) -> Self {
        let mut in_use = Self::default();
        config.walk(|parent, line| {
            in_use.add(parent, line);
        });
        in_use
    }

    /// Lines came and went; says whether that made a difference to what is needed.
    pub(crate) fn change(&mut self, changes: &[Changed]) -> bool {
        let mut differs = false;
        for Changed { parent, line, is_there } in changes {
            differs |= if *is_there { self.add(parent, line) } else { self.remove(parent, line) };
        }
        differs
    }

    fn add(&mut self, parent: &str, line: &str) -> bool {
        let Some(package) = package_of(parent, line) else { return false };
        let needed = self.packages.entry(package).or_default();
        needed.lines += 1;
        for port in counted_ports(package, line) {
            *needed.ports.entry((parent.to_owned(), port)).or_default() += 1;
        }
        true
    }

    fn remove(&mut self, parent: &str, line: &str) -> bool {
        let Some(package) = package_of(parent, line) else { return false };
        let Some(needed) = self.packages.get_mut(package) else { return false };
        needed.lines = needed.lines.saturating_sub(1);
        for port in counted_ports(package, line) {
            let place = (parent.to_owned(), port);
            let count = needed.ports.get(&place).copied().unwrap_or(0);
            if count > 1 {
                needed.ports.insert(place, count - 1);
            } else {
                needed.ports.remove(&place);
            }
        }
        if needed.lines == 0 {
            self.packages.remove(package);
        }
        true
    }

    /// The licences: each package once, however many lines need it, or once for each port that needs it.
    pub(crate) fn licenses(&self, platform: &Platform) -> Vec<LicenseUse> {
        let of = |(name, needed): (&&'static str, &Needed)| {
            let variant = Catalogue::nexus().variant(name, &platform.class)?;
            // More than any platform has would be refused, and all that the report tells with it.
            let count = u32::try_from(needed.ports.len()).unwrap_or(u32::MAX);
            Some(LicenseUse {
                tag: variant.tag.clone(),
                name: (*name).to_owned(),
                description: variant.description.clone(),
                count: count.clamp(1, RumReport::COUNT_MAX),
            })
        };
        self.packages.iter().filter_map(of).collect()
    }
}

/// The package that a line needs where it stands.
fn package_of(parent: &str, line: &str) -> Option<&'static str> {
    // Entries of access lists are meant only inside one: a description may hold any words.
    let mut words = line.split_whitespace();
    let is_entry = words.clone().any(|word| word == "permit");
    let is_remark = words.next() == Some("remark") || words.next() == Some("remark");
    // Texts of many lines mean nothing, and what a role may do is no feature that is on.
    let means_nothing =
        line.is_empty() || line.contains('\n') || is_remark || parent.starts_with("role ");
    if means_nothing || is_entry && !parent.contains("access-list ") {
        return None;
    }
    Catalogue::nexus().package_of_line(line)
}

/// The ports that count, if the package is one that is counted.
fn counted_ports(package: &str, line: &str) -> BTreeSet<u32> {
    let counted = Catalogue::nexus().package(package).is_some_and(|package| package.counted);
    if counted { ports_of(line).collect() } else { BTreeSet::new() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fibre_channel_port_counts_once() {
        // PI-LIC-008
        let platform = Catalogue::nexus().platform("N9K-C93180YC-FX").unwrap();
        let count = |text: &str| {
            let licenses = InUse::of(&ConfigTree::parse(text)).licenses(platform);
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
        let config = ConfigTree::parse("feature bgp\nfeature ospf\n");
        let licenses = InUse::of(&config).licenses(platform);
        assert_eq!(licenses.iter().map(|l| l.count).collect::<Vec<_>>(), [1]);
    }
}
