//! The rows of the tables.

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
    /// The release with which it came to Smart Licensing Using Policy.
    pub since: String,
    /// The first release that ran on it before, where there is one.
    #[serde(default)]
    pub runs_from: Option<String>,
    /// How many supervisors it takes.
    pub supervisors: u32,
    /// Front ports.
    pub ports: u32,
    /// How sure the class is.
    pub confidence: String,
}

/// The product tag of a family of models.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Its product (software) tag.
    pub tag: EntitlementTag,
    /// What the portal calls its product type; `N` and the series where it says nothing.
    #[serde(default)]
    pub product_type: Option<String>,
}

/// A release of the software.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its name in documents, e.g. `10.4(3)F`.
    pub version: String,
    /// Its name in `show version`, e.g. `10.4(3)`.
    pub nxos: String,
    /// What licenses are held by on it, the newest kind first.
    pub licensing: Vec<Licensing>,
    /// How sure that is.
    pub licensing_confidence: String,
    /// The Smart Agent it carries; empty where none is published.
    #[serde(default)]
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
    /// What is known to go wrong on the way from it; a switch does it where that is asked for.
    #[serde(default)]
    pub defects: Vec<Defect>,
}

/// What is known to go wrong with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Defect {
    /// A switch that is registered with CSSM may have transport CSLU after the upgrade, instead of Call Home (PI-MIG-006, C-60).
    #[serde(rename = "registered goes to cslu")]
    RegisteredGoesToCslu,
}

impl Release {
    /// Whether it has Smart Licensing Using Policy, which is the only kind then (REL-001).
    #[must_use]
    pub fn has_slp(&self) -> bool {
        self.licensing.contains(&Licensing::Slp)
    }

    /// What licenses are held by on it, in words.
    #[must_use]
    pub fn licensing_words(&self) -> String {
        let kinds: Vec<&str> = self.licensing.iter().map(|kind| kind.label()).collect();
        kinds.join(", ")
    }
}

/// What licenses are held by (PI-MIG-002).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Licensing {
    /// Smart Licensing Using Policy.
    #[serde(rename = "slp")]
    Slp,
    /// Smart Licensing: registration and authorisation.
    #[serde(rename = "smart licensing")]
    SmartLicensing,
    /// Licence files, each for one host.
    #[serde(rename = "pak")]
    Pak,
    /// The right to use: nothing but one's word.
    #[serde(rename = "rtu")]
    Rtu,
}

impl Licensing {
    /// Its name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Slp => "Smart Licensing Using Policy",
            Self::SmartLicensing => "Smart Licensing",
            Self::Pak => "PAK",
            Self::Rtu => "RTU",
        }
    }
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
    /// Whether it was held by the right to use before Smart Licensing Using Policy (PI-MIG-013).
    #[serde(default)]
    pub rtu: bool,
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

/// A tier or a bundle: a licence under which several packages are sold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name.
    pub name: String,
    /// Its order: what covers a package is taken from the lowest.
    pub rank: u32,
    /// The licence's name.
    pub license: String,
    /// The packages it covers.
    pub includes: Vec<String>,
    /// For how many ports of a switch it is, if not for all: on the models, and from the release, of the gate `N ports` (PI-LIC-010).
    #[serde(default)]
    pub ports: Option<u32>,
    /// How sure it is that there is one, and that this is what it is called and covers.
    pub confidence: String,
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
    /// The configuration lines that are there with it only; `*` stands for any run of words, and what stands before `: ` is
    /// the section.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Where that is said.
    pub source: String,
}

impl Gate {
    /// Whether a line, below the lines that lead to it, is there with it only.
    #[must_use]
    pub fn has_line(&self, sections: &[String], line: &str) -> bool {
        self.lines.iter().any(|pattern| {
            let (section, pattern) = pattern.split_once(": ").unwrap_or(("", pattern));
            let words = |text| str::split_whitespace(text).collect::<Vec<_>>();
            let above = sections.join(" ");
            words_match(&words(section), &words(&above))
                && words_match(&words(pattern), &words(line))
        })
    }
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
