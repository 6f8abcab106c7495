//! The tables as they are read, and what has to hold between their rows.

use std::collections::{BTreeMap, BTreeSet};

use rumline_protocol::Udi;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::rows::{Family, Feature, Gate, LineRule, Package, Platform, Release, Tier};
use crate::{Catalogue, Folder};

/// Why tables cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A file is missing, is none of the tables, or is no table.
    #[error("{file}: {text}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong with it.
        text: String,
    },
    /// Rows that do not go together: all of them, each with its file.
    #[error("{}", .0.join("\n"))]
    Rows(Vec<String>),
}

/// The files of a folder of tables, besides [`Folder::ABOUT`].
pub(crate) const FILES: [&str; 5] =
    ["platforms.toml", "releases.toml", "packages.toml", "features.toml", "gates.toml"];

/// How sure a row may be.
const CONFIDENCES: [&str; 3] = ["sure", "likely", "assumed"];
/// What a package says instead of a tier: it is sold by itself, or never.
const NO_TIERS: [&str; 2] = ["addon", "none"];
/// More than any box has; what counts by port counts in numbers this small (a measurement holds 1,024).
const PORTS_MAX: u32 = 1_024;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Platforms {
    #[serde(default)]
    platform: Vec<Platform>,
    #[serde(default)]
    family: Vec<Family>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Releases {
    #[serde(default)]
    release: Vec<Release>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packages {
    #[serde(default)]
    package: Vec<Package>,
    #[serde(default)]
    tier: Vec<Tier>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Features {
    #[serde(default)]
    feature: Vec<Feature>,
    #[serde(default)]
    line: Vec<LineRule>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gates {
    #[serde(default)]
    gate: Vec<Gate>,
}

/// A file of a folder; one that is not there is empty.
pub(crate) fn table<T: DeserializeOwned + Default>(
    files: &BTreeMap<String, String>,
    file: &str,
) -> Result<T, CatalogueError> {
    let Some(text) = files.get(file) else { return Ok(T::default()) };
    toml::from_str(text).map_err(|error| CatalogueError::File {
        file: file.to_owned(),
        text: error.to_string().trim_end().to_owned(),
    })
}

/// What is wrong, as it is gathered.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, file: &str, text: &str) {
        self.0.push(format!("{file}: {text}"));
    }

    /// Each name once.
    fn once<'a>(&mut self, file: &str, what: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if name.trim().is_empty() {
                self.add(file, &format!("{what} without a name"));
            }
            if !seen.insert(name) {
                self.add(file, &format!("{what} {name} is there twice"));
            }
        }
    }

    fn confidence(&mut self, file: &str, row: &str, confidence: &str) {
        if !CONFIDENCES.contains(&confidence) {
            let text =
                format!("{row}: confidence {confidence:?} is none of {}", CONFIDENCES.join(", "));
            self.add(file, &text);
        }
    }

    fn outcome(self) -> Result<(), CatalogueError> {
        if self.0.is_empty() { Ok(()) } else { Err(CatalogueError::Rows(self.0)) }
    }
}

impl Catalogue {
    /// The tables of Nexus switches that are built in.
    #[must_use]
    pub fn built_in() -> Self {
        let files = [
            (FILES[0], include_str!("../data/platforms.toml")),
            (FILES[1], include_str!("../data/releases.toml")),
            (FILES[2], include_str!("../data/packages.toml")),
            (FILES[3], include_str!("../data/features.toml")),
            (FILES[4], include_str!("../data/gates.toml")),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self::read(&files.into()).expect("the tables are checked by a test")
    }

    /// Reads tables; whether their rows go together is another question.
    pub(crate) fn read(files: &BTreeMap<String, String>) -> Result<Self, CatalogueError> {
        let Platforms { platform, family } = table(files, FILES[0])?;
        let Releases { release } = table(files, FILES[1])?;
        let Packages { package, tier } = table(files, FILES[2])?;
        let Features { feature, line } = table(files, FILES[3])?;
        let Gates { gate } = table(files, FILES[4])?;
        Ok(Self {
            platforms: platform,
            families: family,
            releases: release,
            packages: package,
            tiers: tier,
            features: feature,
            lines: line,
            gates: gate,
        })
    }

    /// The tables of a server with these folders: the built-in ones, and what each folder says of models and licences. A
    /// server does not ask which releases and features another vendor's product has.
    ///
    /// # Errors
    /// When a row does not go with the others.
    pub fn of_server(folders: &[Folder]) -> Result<Self, CatalogueError> {
        let mut all = Self::built_in_and(folders)?;
        for folder in folders.iter().filter(|folder| folder.stands_alone) {
            let Self { platforms, families, packages, tiers, .. } = folder.tables.clone();
            all.add(folder, Self { platforms, families, packages, tiers, ..Self::default() })?;
        }
        Ok(all)
    }

    /// The tables of a switch with this product id: those of the folder that stands alone and has it, or the built-in ones
    /// with what other folders add to them.
    ///
    /// # Errors
    /// When a row does not go with the others.
    pub fn of_switch(pid: &str, folders: &[Folder]) -> Result<Self, CatalogueError> {
        // That a server could tell its products from all others holds for a switch too: nobody finds out later.
        Self::of_server(folders)?;
        let has_it =
            |folder: &&Folder| folder.stands_alone && folder.tables.platform(pid).is_some();
        match folders.iter().find(has_it) {
            Some(folder) => Ok(folder.tables.clone()),
            None => Self::built_in_and(folders),
        }
    }

    fn built_in_and(folders: &[Folder]) -> Result<Self, CatalogueError> {
        let mut all = Self::built_in();
        for folder in folders.iter().filter(|folder| !folder.stands_alone) {
            all.add(folder, folder.tables.clone())?;
            all.check().map_err(|error| folder.named(error))?;
        }
        Ok(all)
    }

    /// Adds the rows of a folder, none of which may be there already.
    fn add(&mut self, folder: &Folder, other: Self) -> Result<(), CatalogueError> {
        let mut problems = Problems::default();
        let mut taken = |file, what, name: &str, is_taken: bool| {
            if is_taken {
                let text = format!("{what} {name} is in tables that were loaded before it");
                problems.add(file, &text);
            }
        };
        let classes: BTreeSet<&str> = self.platforms.iter().map(|p| p.class.as_str()).collect();
        for row in &other.platforms {
            taken(FILES[0], "product id", &row.pid, self.platform(&row.pid).is_some());
            if folder.stands_alone {
                taken(FILES[0], "class", &row.class, classes.contains(row.class.as_str()));
            }
        }
        for row in &other.families {
            let is_taken = |known: &Family| known.name == row.name || known.tag == row.tag;
            taken(FILES[0], "family", &row.name, self.families.iter().any(is_taken));
        }
        for row in &other.releases {
            taken(FILES[1], "release", &row.version, self.release(&row.version).is_some());
        }
        for row in &other.packages {
            taken(FILES[2], "package", &row.name, self.package(&row.name).is_some());
            for variant in &row.variants {
                let tag = variant.tag.as_str();
                taken(FILES[2], "tag", tag, self.by_tag(tag).is_some());
            }
        }
        for row in &other.tiers {
            let is_taken = |known: &Tier| known.license == row.license;
            taken(FILES[2], "the licence", &row.license, self.tiers.iter().any(is_taken));
        }
        for row in &other.features {
            taken(FILES[3], "feature", &row.name, self.feature(&row.name).is_some());
        }
        for row in &other.gates {
            taken(FILES[4], "gate", &row.name, self.gate(&row.name).is_some());
        }
        problems.outcome().map_err(|error| folder.named(error))?;
        self.platforms.extend(other.platforms);
        self.families.extend(other.families);
        self.releases.extend(other.releases);
        self.packages.extend(other.packages);
        self.tiers.extend(other.tiers);
        self.features.extend(other.features);
        // Rules of a folder are looked at first: a line of its own may be part of a wider one.
        self.lines.splice(0..0, other.lines);
        self.gates.extend(other.gates);
        Ok(())
    }

    /// Whether the rows go together.
    pub(crate) fn check(&self) -> Result<(), CatalogueError> {
        let mut problems = Problems::default();
        self.check_releases(&mut problems);
        self.check_packages(&mut problems);
        self.check_platforms(&mut problems);
        self.check_features(&mut problems);
        self.check_gates(&mut problems);
        problems.outcome()
    }

    fn check_releases(&self, problems: &mut Problems) {
        let file = FILES[1];
        if !self.releases.iter().any(Release::has_slp) {
            problems.add(file, "no release has licensing \"slp\", which is all a switch can do");
        }
        problems.once(file, "release", self.releases.iter().map(|row| row.version.as_str()));
        problems.once(file, "nxos", self.releases.iter().map(|row| row.nxos.as_str()));
        for row in &self.releases {
            problems.confidence(file, &row.version, &row.licensing_confidence);
            if row.licensing.is_empty() {
                problems.add(file, &format!("{}: licensing names no kind", row.version));
            }
            if row.has_slp() && row.licensing.len() > 1 {
                let text = format!("{}: with \"slp\" there is no other kind", row.version);
                problems.add(file, &text);
            }
            if row.has_slp() && row.agent.is_empty() {
                problems.add(file, &format!("{}: with \"slp\" it carries an agent", row.version));
            }
        }
    }

    fn check_packages(&self, problems: &mut Problems) {
        let file = FILES[2];
        problems.once(file, "package", self.packages.iter().map(|row| row.name.as_str()));
        problems.once(file, "tier", self.tiers.iter().map(|row| row.name.as_str()));
        let licenses = self.tiers.iter().map(|row| row.license.as_str());
        problems.once(file, "the licence", licenses);
        let variants = || self.packages.iter().flat_map(|row| &row.variants);
        problems.once(file, "tag", variants().map(|variant| variant.tag.as_str()));
        for row in &self.packages {
            problems.confidence(file, &row.name, &row.confidence);
            let is_tier = self.tiers.iter().any(|tier| tier.name == row.tier);
            if !is_tier && !NO_TIERS.contains(&row.tier.as_str()) {
                let text = format!(
                    "{}: tier {:?} is in no [[tier]] row, and neither addon nor none",
                    row.name, row.tier
                );
                problems.add(file, &text);
            }
            let classes = row.variants.iter().map(|variant| variant.class.as_str());
            problems.once(file, &format!("{}: class", row.name), classes);
            for variant in &row.variants {
                let place = format!("{}: class {}", row.name, variant.class);
                problems.confidence(file, &place, &variant.confidence);
                if let Err(error) = variant.tag.check() {
                    problems.add(file, &format!("{place}: tag {}: {error}", variant.tag));
                }
            }
        }
        for row in &self.tiers {
            problems.confidence(file, &row.license, &row.confidence);
            let gate = row.ports.map(|ports| format!("{ports} ports"));
            if let Some(gate) = gate.filter(|gate| self.gate(gate).is_none()) {
                problems.add(file, &format!("{}: there is no gate {gate:?}", row.license));
            }
            for included in row.includes.iter().filter(|name| self.package(name).is_none()) {
                problems.add(file, &format!("{}: there is no package {included}", row.license));
            }
        }
    }

    fn check_platforms(&self, problems: &mut Problems) {
        let file = FILES[0];
        if self.platforms.is_empty() {
            problems.add(file, "it has no [[platform]] row");
        }
        problems.once(file, "product id", self.platforms.iter().map(|row| row.pid.as_str()));
        problems.once(file, "family", self.families.iter().map(|row| row.name.as_str()));
        problems.once(file, "product tag", self.families.iter().map(|row| row.tag.as_str()));
        for row in &self.families {
            if let Err(error) = row.tag.check() {
                problems.add(file, &format!("family {}: tag {}: {error}", row.name, row.tag));
            }
        }
        for row in &self.platforms {
            problems.confidence(file, &row.pid, &row.confidence);
            let mut add = |text: String| problems.add(file, &format!("{}: {text}", row.pid));
            if let Err(error) = Udi::new(&row.pid, "SN") {
                add(error.to_string());
            }
            if self.family(row).is_none() {
                add(format!("family {:?} is in no [[family]] row", row.family));
            }
            match self.release(&row.since) {
                None => add(format!("since: there is no release {}", row.since)),
                Some(since) if !since.has_slp() => {
                    add(format!("since: release {} has no \"slp\"", row.since));
                }
                Some(_) => {}
            }
            if let Some(from) = &row.runs_from {
                match self.release(from) {
                    None => add(format!("runs_from: there is no release {from}")),
                    Some(_) if self.release_index(from) >= self.release_index(&row.since) => {
                        add(format!("runs_from: {from} is not before {}", row.since));
                    }
                    Some(_) => {}
                }
            }
            if !(1..=2).contains(&row.supervisors) {
                add(format!("it has 1 or 2 supervisors, not {}", row.supervisors));
            }
            if !(1..=PORTS_MAX).contains(&row.ports) {
                add(format!("it has 1 to {PORTS_MAX} ports, not {}", row.ports));
            }
            for package in &self.packages {
                if !package.variants.iter().any(|variant| variant.class == row.class) {
                    add(format!(
                        "package {} has no variant for its class {:?}",
                        package.name, row.class
                    ));
                }
            }
        }
    }

    fn check_features(&self, problems: &mut Problems) {
        let file = FILES[3];
        problems.once(file, "feature", self.features.iter().map(|row| row.name.as_str()));
        let known =
            |name: &Option<String>| name.as_deref().is_none_or(|n| self.package(n).is_some());
        for row in &self.features {
            problems.confidence(file, &row.name, &row.confidence);
            if !known(&row.package) {
                let package = row.package.as_deref().unwrap_or_default();
                problems.add(file, &format!("{}: there is no package {package}", row.name));
            }
            if row.default.as_deref().is_some_and(|default| default != "enabled") {
                problems.add(file, &format!("{}: default is \"enabled\" or left out", row.name));
            }
        }
        for row in &self.lines {
            problems.confidence(file, &row.pattern, &row.confidence);
            if self.package(&row.package).is_none() {
                let text = format!("{}: there is no package {}", row.pattern, row.package);
                problems.add(file, &text);
            }
            if let Some(needs) = row.needs.as_deref().filter(|name| self.feature(name).is_none()) {
                problems.add(file, &format!("{}: there is no feature {needs}", row.pattern));
            }
        }
    }

    fn check_gates(&self, problems: &mut Problems) {
        let file = FILES[4];
        problems.once(file, "gate", self.gates.iter().map(|row| row.name.as_str()));
        for row in &self.gates {
            let exceptions = row.except.iter();
            let named = row.since.iter().chain(&row.until);
            for release in named.chain(exceptions.clone().filter_map(|row| row.since.as_ref())) {
                if self.release(release).is_none() {
                    problems.add(file, &format!("{}: there is no release {release}", row.name));
                }
            }
            for pid in row.pids.iter().chain(exceptions.map(|row| &row.pid)) {
                if self.platform(pid).is_none() {
                    problems.add(file, &format!("{}: there is no product id {pid}", row.name));
                }
            }
            if let Some(pattern) = row.lines.iter().find(|pattern| pattern.trim().is_empty()) {
                problems.add(file, &format!("{}: {pattern:?} is no line", row.name));
            }
            if let (Some(since), Some(until)) = (&row.since, &row.until)
                && self.release_index(since) >= self.release_index(until)
            {
                problems.add(file, &format!("{}: {since} is not before {until}", row.name));
            }
        }
    }
}
