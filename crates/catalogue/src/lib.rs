//! The licence catalogue is data: which platforms and releases there are, which feature uses which package,
//! and which entitlement tag a package has on which class of switch.
//!
//! The tables lie in `data/*.toml`; another vendor's product is a [`Folder`] of such tables. Each row says how sure it
//! is: `sure`, `likely` or `assumed`.

#![warn(missing_docs)]

mod documents;
mod folder;
mod rows;
mod tables;

use std::sync::OnceLock;

use rumline_protocol::EntitlementTag;

pub use folder::Folder;
pub use rows::{
    Defect, Exception, Family, Feature, Gate, Licensing, LineRule, Package, Platform, Release,
    Tier, Variant,
};
pub use tables::CatalogueError;

/// The tables.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    platforms: Vec<Platform>,
    families: Vec<Family>,
    releases: Vec<Release>,
    packages: Vec<Package>,
    tiers: Vec<Tier>,
    features: Vec<Feature>,
    lines: Vec<LineRule>,
    gates: Vec<Gate>,
}

/// The tables this process works with.
static LOADED: OnceLock<Catalogue> = OnceLock::new();

impl Catalogue {
    /// The tables this process works with: those of Nexus switches that are built in, unless [`Catalogue::load`] brought
    /// others at its start.
    #[must_use]
    pub fn nexus() -> &'static Self {
        LOADED.get_or_init(Self::built_in)
    }

    /// Makes these the tables of this process; says whether they are, which they are not once others were asked.
    pub fn load(self) -> bool {
        LOADED.set(self).is_ok()
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
        self.family(platform).map_or("", |family| family.tag.as_str())
    }

    fn family(&self, platform: &Platform) -> Option<&Family> {
        self.families.iter().find(|family| family.name == platform.family)
    }

    /// The product tags, one a family.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The series a product tag belongs to, e.g. `N9300`; for the portal's Product Type column.
    #[must_use]
    pub fn product_type(&self, pid: &str) -> String {
        let Some(platform) = self.platform(pid) else { return "Other".to_owned() };
        let named = self.family(platform).and_then(|family| family.product_type.clone());
        named.unwrap_or_else(|| format!("N{}", platform.series))
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

    /// Whether a release is not too old for a model.
    #[must_use]
    pub fn runs(&self, platform: &Platform, release: &Release) -> bool {
        let first = self.first_of(platform, release);
        self.release_index(&release.version) >= self.release_index(first)
    }

    /// The first release of the kind of this one, before or with Smart Licensing Using Policy, that runs on a platform.
    #[must_use]
    pub fn first_of<'a>(&self, platform: &'a Platform, release: &Release) -> &'a str {
        match &platform.runs_from {
            Some(first) if !release.has_slp() => first,
            _ => &platform.since,
        }
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

    /// What a release has on a model and another has not: the gates whose lines go on the way from one to the other.
    pub fn closed_between<'a>(
        &'a self,
        from: &'a str,
        to: &'a str,
        pid: &'a str,
    ) -> impl Iterator<Item = &'a Gate> {
        self.gates
            .iter()
            .filter(move |gate| self.is_open(gate, from, pid) && !self.is_open(gate, to, pid))
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
    use super::{Catalogue, Licensing};

    #[test]
    fn the_tables_hang_together() {
        let built_in = Catalogue::built_in();
        assert_eq!(built_in.check(), Ok(()));
        assert!(built_in.features().iter().any(|row| row.package.is_some()));
    }

    #[test]
    fn slp_is_all_there_is_from_10_2_1_on_and_nowhere_before() {
        // PI-MIG-006, PI-MIG-012, REL-001, REL-012
        let catalogue = Catalogue::built_in();
        let first = catalogue.release_index("10.2(1)F");
        for (index, release) in catalogue.releases().iter().enumerate() {
            assert_eq!(release.has_slp(), index >= first, "{}", release.version);
            assert_eq!(release.licensing.contains(&Licensing::Rtu), index < first);
            assert_eq!(catalogue.release_index(&release.nxos), index, "{}", release.version);
        }
        assert!(first > 0 && catalogue.release_index("10.1(2)") == first - 1);
        let kinds = |version| catalogue.release(version).unwrap().licensing_words();
        assert_eq!(kinds("7.0(3)I7(8)"), "PAK, RTU");
        assert_eq!(kinds("9.2(4)"), "PAK, RTU");
        assert_eq!(kinds("9.3(3)"), "Smart Licensing, PAK, RTU");
        assert_eq!(kinds("10.1(2)"), "Smart Licensing, PAK, RTU");
        assert_eq!(kinds("10.2(1)F"), "Smart Licensing Using Policy");
        // What gates are for came with SLP or after it, or went with it.
        for gate in catalogue.gates().iter().filter(|gate| gate.until.is_none()) {
            for platform in catalogue.platforms() {
                assert!(!catalogue.is_open(gate, "10.1(2)", &platform.pid), "{}", gate.name);
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
