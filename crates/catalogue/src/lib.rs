//! The licence catalogue is data: which platforms and releases there are, which feature uses which package,
//! and which entitlement tag a package has on which class of switch.
//!
//! The tables lie in `data/*.toml`; another vendor's product is another set of tables. Each row says how sure it
//! is: `sure`, `likely` or `assumed`.

#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rumline_protocol::EntitlementTag;
use serde::Deserialize;

/// A model of switch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Product id.
    pub pid: String,
    /// Place in the range, e.g. `9300`.
    pub series: String,
    /// Its name in `show version`.
    pub chassis: String,
    /// Row of the product tags.
    pub family: String,
    /// Licence class, e.g. `XF`.
    pub class: String,
    /// The release that brought it in.
    pub since: String,
    /// How many supervisors it takes.
    pub supervisors: u32,
    /// Front ports.
    pub ports: u32,
    /// How sure the class is.
    pub confidence: String,
}

/// A release of the software.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its name in documents, e.g. `10.4(3)F`.
    pub version: String,
    /// Its name in `show version`, e.g. `10.4(3)`.
    pub nxos: String,
    /// The Smart Agent it carries.
    pub agent: String,
    /// Whether the agent's version is assumed.
    #[serde(default)]
    pub assumed: bool,
    /// BIOS version.
    pub bios: String,
    /// Compile time.
    pub compiled: String,
    /// Image file.
    pub image: String,
}

/// A feature that can be turned on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// As typed after `feature`.
    pub name: String,
    /// As printed by `show feature`, where that differs.
    #[serde(default)]
    pub show: Option<String>,
    /// Rows in `show feature`.
    pub instances: u32,
    /// `enabled` if it is on out of the box.
    #[serde(default)]
    pub default: Option<String>,
    /// The package it uses.
    #[serde(default)]
    pub package: Option<String>,
    /// How sure the package is.
    pub confidence: String,
}

impl Feature {
    /// Its name in `show feature`.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.show.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is on out of the box.
    #[must_use]
    pub fn on_by_default(&self) -> bool {
        self.default.as_deref() == Some("enabled")
    }
}

/// A configuration line that implies a use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRule {
    /// The line; `*` stands for any run of words.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The package it uses.
    pub package: String,
    /// The feature that has to be on before it is given, where releases ask for it.
    #[serde(default)]
    pub needs: Option<String>,
    /// How sure that is.
    pub confidence: String,
}

impl LineRule {
    /// Whether `line`, trimmed, is meant.
    #[must_use]
    pub fn matches(&self, line: &str) -> bool {
        let pattern: Vec<&str> = self.pattern.split_whitespace().collect();
        let words: Vec<&str> = line.split_whitespace().collect();
        words_match(&pattern, &words)
    }
}

fn words_match(pattern: &[&str], words: &[&str]) -> bool {
    match pattern.split_first() {
        None => words.is_empty(),
        // A star stands for at least one word.
        Some((&"*", rest)) => (1..=words.len()).any(|taken| words_match(rest, &words[taken..])),
        Some((word, rest)) => words.first() == Some(word) && words_match(rest, &words[1..]),
    }
}

/// A licence package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Short name, e.g. `LAN_ENTERPRISE_SERVICES_PKG`.
    pub name: String,
    /// The lowest tier that covers it.
    pub tier: String,
    /// How sure name and tier are.
    pub confidence: String,
    /// Whether each port that needs it counts; all others count once a switch.
    #[serde(default)]
    pub counted: bool,
    /// Wording and tag on each class of switch.
    #[serde(rename = "variant")]
    pub variants: Vec<Variant>,
}

/// A package on one class of switch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The class.
    pub class: String,
    /// Its description.
    pub description: String,
    /// Its entitlement tag.
    pub tag: EntitlementTag,
    /// How sure the description is.
    pub confidence: String,
}

/// A tier under which packages are sold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Its order.
    pub rank: u32,
    /// The licence's name.
    pub license: String,
    /// The packages it covers.
    pub includes: Vec<String>,
}

/// What a release, or a model, can and cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What it is asked for by.
    pub name: String,
    /// The first release that has it.
    #[serde(default)]
    pub since: Option<String>,
    /// The first release that has it no more.
    #[serde(default)]
    pub until: Option<String>,
    /// The models that have it; none for all.
    #[serde(default)]
    pub pids: Vec<String>,
    /// Models that do not have it, and up to which release: the first that does, or nothing for never.
    #[serde(default)]
    pub except: Vec<Exception>,
    /// Where that is said.
    pub source: String,
}

/// A model that is behind the others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Product id.
    pub pid: String,
    /// The first release that has it on this model.
    #[serde(default)]
    pub since: Option<String>,
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.since.as_deref().map(|since| format!("{since} or later"));
        let until = self.until.as_deref().map(|until| format!("before {until}"));
        let said: Vec<String> = since.into_iter().chain(until).collect();
        f.write_str(if said.is_empty() { "all" } else { "" })?;
        f.write_str(&said.join(", "))?;
        if !self.pids.is_empty() {
            write!(f, ", on {}", self.pids.join(", "))?;
        }
        for Exception { pid, since } in &self.except {
            match since {
                Some(since) => write!(f, ", {pid} from {since}")?,
                None => write!(f, ", not on {pid}")?,
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Gates {
    gate: Vec<Gate>,
}

#[derive(Deserialize)]
struct Family {
    name: String,
    tag: String,
}

#[derive(Deserialize)]
struct Platforms {
    platform: Vec<Platform>,
    family: Vec<Family>,
}

#[derive(Deserialize)]
struct Releases {
    release: Vec<Release>,
}

#[derive(Deserialize)]
struct Packages {
    package: Vec<Package>,
    tier: Vec<Tier>,
}

#[derive(Deserialize)]
struct Features {
    feature: Vec<Feature>,
    line: Vec<LineRule>,
}

/// The tables.
#[derive(Clone, Debug)]
pub struct Catalogue {
    platforms: Vec<Platform>,
    software_tags: BTreeMap<String, String>,
    releases: Vec<Release>,
    packages: Vec<Package>,
    tiers: Vec<Tier>,
    features: Vec<Feature>,
    lines: Vec<LineRule>,
    gates: Vec<Gate>,
}

impl Catalogue {
    /// The catalogue of this project.
    #[must_use]
    pub fn nexus() -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        CATALOGUE.get_or_init(|| {
            Self::parse(
                include_str!("../data/platforms.toml"),
                include_str!("../data/releases.toml"),
                include_str!("../data/packages.toml"),
                include_str!("../data/features.toml"),
                include_str!("../data/gates.toml"),
            )
            .expect("the tables are checked by a test")
        })
    }

    fn parse(
        platforms: &str,
        releases: &str,
        packages: &str,
        features: &str,
        gates: &str,
    ) -> Result<Self, toml::de::Error> {
        let platforms: Platforms = toml::from_str(platforms)?;
        let releases: Releases = toml::from_str(releases)?;
        let packages: Packages = toml::from_str(packages)?;
        let features: Features = toml::from_str(features)?;
        let gates: Gates = toml::from_str(gates)?;
        let tags = platforms.family.into_iter().map(|family| (family.name, family.tag));
        Ok(Self {
            platforms: platforms.platform,
            software_tags: tags.collect(),
            releases: releases.release,
            packages: packages.package,
            tiers: packages.tier,
            features: features.feature,
            lines: features.line,
            gates: gates.gate,
        })
    }

    /// A model by its product id.
    #[must_use]
    pub fn platform(&self, pid: &str) -> Option<&Platform> {
        self.platforms.iter().find(|platform| platform.pid == pid)
    }

    /// Whether a model may have a standby supervisor; models that are not known may.
    #[must_use]
    pub fn may_have_standby(&self, pid: &str) -> bool {
        self.platform(pid).is_none_or(|platform| platform.supervisors > 1)
    }

    /// All models.
    #[must_use]
    pub fn platforms(&self) -> &[Platform] {
        &self.platforms
    }

    /// The product (software) tag of a model.
    #[must_use]
    pub fn software_tag(&self, platform: &Platform) -> &str {
        self.software_tags.get(&platform.family).map_or("", String::as_str)
    }

    /// The series a product tag belongs to, e.g. `N9300`; for the portal's Product Type column.
    #[must_use]
    pub fn product_type(&self, pid: &str) -> String {
        self.platform(pid).map_or_else(|| "Other".to_owned(), |p| format!("N{}", p.series))
    }

    /// A release by either of its names.
    #[must_use]
    pub fn release(&self, version: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == version || release.nxos == version)
    }

    /// All releases, oldest first.
    #[must_use]
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The place of a release among the releases, by either of its names; unknown ones come last.
    #[must_use]
    pub fn release_index(&self, version: &str) -> usize {
        let is_it = |release: &Release| release.version == version || release.nxos == version;
        self.releases.iter().position(is_it).unwrap_or(self.releases.len())
    }

    /// What a release or a model must have.
    #[must_use]
    pub fn gate(&self, name: &str) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.name == name)
    }

    /// All of them.
    #[must_use]
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// Whether a release on a model has it.
    #[must_use]
    pub fn is_open(&self, gate: &Gate, release: &str, pid: &str) -> bool {
        let own = self.release_index(release);
        let is_since = |since: &Option<String>| {
            since.as_deref().is_none_or(|since| own >= self.release_index(since))
        };
        let until = gate.until.as_deref().is_none_or(|until| own < self.release_index(until));
        let excepted = gate.except.iter().find(|exception| exception.pid == pid);
        let of_model = match excepted {
            Some(exception) => exception.since.is_some() && is_since(&exception.since),
            None => gate.pids.is_empty() || gate.pids.iter().any(|known| known == pid),
        };
        is_since(&gate.since) && until && of_model
    }

    /// A feature as typed.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    /// All features, in the order of `show feature`.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The package a configuration line implies, if any.
    #[must_use]
    pub fn package_of_line(&self, line: &str) -> Option<&str> {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("feature ") {
            return self.feature(name.trim())?.package.as_deref();
        }
        self.lines.iter().find(|rule| rule.matches(line)).map(|rule| rule.package.as_str())
    }

    /// The feature that has to be on before a configuration line is given, if any.
    #[must_use]
    pub fn feature_needed(&self, line: &str) -> Option<&str> {
        self.lines.iter().find(|rule| rule.matches(line))?.needs.as_deref()
    }

    /// A package by its short name.
    #[must_use]
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|known| known.name == name)
    }

    /// A package on a class of switch.
    #[must_use]
    pub fn variant(&self, package: &str, class: &str) -> Option<&Variant> {
        self.package(package)?.variants.iter().find(|variant| variant.class == class)
    }

    /// The package and variant a tag names.
    #[must_use]
    pub fn by_tag(&self, tag: &str) -> Option<(&Package, &Variant)> {
        self.packages.iter().find_map(|package| {
            let variant = package.variants.iter().find(|variant| variant.tag.as_str() == tag)?;
            Some((package, variant))
        })
    }

    /// The short name of the licence a tag stands for: of its package, or the tag's own name when it is in no table.
    #[must_use]
    pub fn license_of(&self, tag: &str) -> String {
        match self.by_tag(tag) {
            Some((package, _)) => package.name.clone(),
            None => EntitlementTag::new(tag)
                .map_or_else(|_| tag.to_owned(), |tag| tag.name().to_owned()),
        }
    }

    /// All packages.
    #[must_use]
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The tiers, lowest first.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Catalogue;

    #[test]
    fn the_tables_hang_together() {
        let catalogue = Catalogue::nexus();
        let mut tags = BTreeSet::new();
        for package in catalogue.packages() {
            for variant in &package.variants {
                variant.tag.check().unwrap();
                assert!(tags.insert(variant.tag.as_str()), "{} is twice there", variant.tag);
            }
        }
        for platform in catalogue.platforms() {
            assert!(!catalogue.software_tag(platform).is_empty(), "{}", platform.pid);
            assert!(catalogue.release(&platform.since).is_some(), "{}", platform.pid);
            for package in catalogue.packages() {
                assert!(catalogue.variant(&package.name, &platform.class).is_some());
            }
        }
        for feature in catalogue.features() {
            if let Some(package) = &feature.package {
                assert!(catalogue.variant(package, "XF").is_some(), "{}", feature.name);
            }
        }
    }

    #[test]
    fn each_gate_is_shut_before_and_open_from_its_release_on() {
        // REL-003 to 009; PI-NET-001, 002, 006, 011; PI-MIG-022; PI-LIC-010; PI-MSG-005; PI-CLI-033
        let catalogue = Catalogue::nexus();
        let versions: Vec<&str> =
            catalogue.releases().iter().map(|release| release.version.as_str()).collect();
        let place = |version: &String| versions.iter().position(|known| known == version).unwrap();
        for gate in catalogue.gates() {
            let since = gate.since.as_ref().map_or(0, place);
            let until = gate.until.as_ref().map_or(versions.len(), place);
            assert!(since < until, "{}", gate.name);
            for platform in catalogue.platforms() {
                let exception = gate.except.iter().find(|known| known.pid == platform.pid);
                let first = match exception {
                    Some(exception) => exception.since.as_ref().map_or(usize::MAX, place),
                    None if gate.pids.is_empty() || gate.pids.contains(&platform.pid) => since,
                    None => usize::MAX,
                };
                for (index, version) in versions.iter().enumerate() {
                    let open = catalogue.is_open(gate, version, &platform.pid);
                    let wanted = index >= first && index < until;
                    assert_eq!(open, wanted, "{} on {} {version}", gate.name, platform.pid);
                }
            }
            for pid in gate.pids.iter().chain(gate.except.iter().map(|known| &known.pid)) {
                assert!(catalogue.platform(pid).is_some(), "{pid}");
            }
        }
        // What the rows say, once without them.
        let open =
            |name, release, pid| catalogue.is_open(catalogue.gate(name).unwrap(), release, pid);
        let any = "N9K-C93180YC-FX3";
        assert!(!open("smart vrf", "10.3(1)F", any) && open("smart vrf", "10.3(2)F", any));
        assert!(!open("smart vrf", "10.3(2)F", "N9K-C92348GC-X"));
        assert!(open("smart vrf", "10.3(3)F", "N9K-C92348GC-X"));
        assert!(!open("smart source interface", "10.3(2)F", any));
        assert!(open("smart source interface", "10.3(3)F", any));
        assert!(!open("24 ports", "10.2(4)M", any) && open("24 ports", "10.3(1)F", any));
        assert!(!open("24 ports", "10.5(1)F", "N9K-C9364C"));
        assert!(!open("tls 1.3", "10.4(2)F", any) && open("tls 1.3", "10.4(3)F", any));
    }

    #[test]
    fn lines_imply_packages() {
        let of = |line| Catalogue::nexus().package_of_line(line);
        assert_eq!(of("feature bgp"), Some("LAN_ENTERPRISE_SERVICES_PKG"));
        assert_eq!(of("  nv overlay evpn"), Some("LAN_ENTERPRISE_SERVICES_PKG"));
        assert_eq!(of("10 permit ip any any redirect Ethernet1/1"), Some("DCN_NDB"));
        assert_eq!(of("feature tap-aggregation"), Some("DCN_NDB")); // PI-CLI-033
        for line in ["icam monitor scale", "feature lacp", "no ip redirects", "feature nonsense"] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
