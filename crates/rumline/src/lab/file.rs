//! The file that a lab is made from.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::fault::{CollectorFault, SwitchFault};

/// A lab, as its owner wrote it down.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabFile {
    #[serde(default)]
    pub lab: Basics,
    #[serde(default, rename = "collector")]
    pub collectors: Vec<Collector>,
    #[serde(default, rename = "switch")]
    pub switches: Vec<Switch>,
}

/// What holds for the whole lab.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Basics {
    /// Where the lab's files lie; beside the file, and named as it is, when missing.
    pub dir: Option<PathBuf>,
    /// The first of its ports, that of the picture.
    pub base_port: u16,
    /// How many times faster its clock runs than the world's.
    pub rate: u32,
    /// Its smart account.
    pub account: String,
    /// Whose images its switches take: a maker.pem, as `rumline image` writes it.
    pub maker: Option<PathBuf>,
    /// Folders of tables of the catalogue beside the built-in ones.
    pub catalogue: Vec<PathBuf>,
}

impl Default for Basics {
    fn default() -> Self {
        let account = "Example Networks".to_owned();
        let (maker, catalogue) = (None, Vec::new());
        Self { dir: None, base_port: 21_000, rate: 1, account, maker, catalogue }
    }
}

/// A CSLU or an SSM On-Prem about which something is to be said.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collector {
    pub topology: u32,
    /// `cslu-1` and so on when missing.
    pub name: Option<String>,
    pub fault: Option<CollectorFault>,
}

/// A switch, or several alike.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Switch {
    pub topology: u32,
    /// Its host name; `switch-2` and so on, by its place in the file, when missing.
    pub name: Option<String>,
    pub pid: Option<String>,
    /// The release it comes with.
    pub release: Option<String>,
    /// It is known at CSSM before it speaks: its policy, its trust code and its first report are of the factory.
    #[serde(default)]
    pub factory: bool,
    /// Lines of NX-OS that it starts with.
    pub configuration: Option<String>,
    /// A file of such lines.
    pub configuration_file: Option<PathBuf>,
    /// So many of them: NAME-1, NAME-2 and so on.
    pub count: Option<u32>,
    /// The collector it reports to, where its topology has several.
    pub collector: Option<String>,
    pub fault: Option<SwitchFault>,
}

/// The most switches a lab holds: so many ports are kept for them.
pub(super) const SWITCHES_MAX: usize = 300;

impl LabFile {
    /// Reads a file's text.
    pub(crate) fn read(text: &str) -> Result<Self> {
        // Its own words name the line.
        let file: Self = toml::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        file.check()?;
        Ok(file)
    }

    fn check(&self) -> Result<()> {
        let Basics { base_port, rate, account, .. } = &self.lab;
        ensure!(
            (1024..=64_000).contains(base_port),
            "base_port is {base_port}: give one of 1024 to 64000"
        );
        ensure!((1..=1_000_000).contains(rate), "rate is {rate}: give one of 1 to 1000000");
        ensure!(!account.trim().is_empty(), "account is empty: give the smart account a name");
        ensure!(!self.switches.is_empty(), "the lab has no switch: write [[switch]] and topology");
        for collector in &self.collectors {
            collector.check().with_context(|| {
                format!("collector {}", collector.name.as_deref().unwrap_or("without a name"))
            })?;
        }
        for (place, switch) in self.switches.iter().enumerate() {
            let name = switch.own_name(place);
            switch.check().with_context(|| format!("switch {name}"))?;
        }
        Ok(())
    }
}

impl Collector {
    fn check(&self) -> Result<()> {
        let topology = self.topology;
        ensure!(
            matches!(topology, 1 | 3 | 4 | 5),
            "topology {topology} has no collector: 1 and 3 have a CSLU, 4 and 5 an SSM On-Prem"
        );
        self.name.as_deref().map_or(Ok(()), check_name)?;
        if let Some(fault) = self.fault {
            let word = fault.word();
            ensure!(
                matches!(topology, 1 | 4),
                "fault {word} is for topologies 1 and 4: the collector of {topology} speaks to no CSSM anyway"
            );
        }
        Ok(())
    }
}

impl Switch {
    pub(super) fn own_name(&self, place: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("switch-{}", place + 1))
    }

    fn check(&self) -> Result<()> {
        let topology = self.topology;
        ensure!((1..=6).contains(&topology), "there is no topology {topology}: give one of 1 to 6");
        self.name.as_deref().map_or(Ok(()), check_name)?;
        let both = self.configuration.is_some() && self.configuration_file.is_some();
        ensure!(!both, "it has configuration and configuration_file: give one of them");
        let count = self.count.unwrap_or(1);
        let fits = usize::try_from(count).is_ok_and(|count| (1..=SWITCHES_MAX).contains(&count));
        ensure!(fits, "count is {count}: give one of 1 to {SWITCHES_MAX}");
        ensure!(
            !self.factory || self.fault.is_none(),
            "it is made at the factory and has a fault: give one of them"
        );
        if let Some(fault) = self.fault {
            let (word, fitting) = (fault.word(), fault.topologies());
            ensure!(
                fitting.contains(&topology),
                "fault {word} does not fit topology {topology}: it is for {fitting:?}"
            );
        }
        Ok(())
    }
}

/// Names are host names, and names of folders.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ensure!(
        name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphabetic()),
        "{name:?} is no name: a letter, then letters, digits, - and _"
    );
    ensure!(name.len() <= 50, "{name:?} is too long: 50 letters at most");
    Ok(())
}

/// Refuses two of one name, whatever they are.
pub(super) fn check_different<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    // These are folders and files of the lab itself.
    let mut known = BTreeSet::from(["cssm", "page", "log", "run", "lab"]);
    for name in names {
        ensure!(known.insert(name), "the name {name} is taken: name one of the two otherwise");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        format!("{:#}", LabFile::read(text).unwrap_err())
    }

    #[test]
    fn the_smallest_file_is_a_switch_with_a_topology() {
        let file = LabFile::read("[[switch]]\ntopology = 2\n").unwrap();
        assert_eq!(file.lab, Basics::default());
        assert_eq!(file.switches[0].own_name(0), "switch-1");
    }

    #[test]
    fn what_is_not_known_is_refused_with_its_line() {
        let told = refused("[[switch]]\ntopology = 2\ncolour = 'red'\n");
        assert!(told.contains("line 3") && told.contains("colour"), "{told}");
        let told = refused("[[switch]]\ntopology = 2\nfault = 'tired'\n");
        assert!(told.contains("line 3") && told.contains("clock_behind"), "{told}");
        assert!(refused("[lab]\nname = 'x'\n").contains("line 2"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        for (text, wanted) in [
            ("", "has no switch"),
            ("[[switch]]\ntopology = 7", "switch switch-1: there is no topology 7"),
            ("[[switch]]\ntopology = 2\nname = '../x'", "is no name"),
            ("[[switch]]\ntopology = 2\ncount = 0", "count is 0"),
            ("[[switch]]\ntopology = 6\nfault = 'token_used_up'", "it is for [2]"),
            (
                "[[switch]]\ntopology = 2\nconfiguration = 'x'\nconfiguration_file = 'y'",
                "one of them",
            ),
            (
                "[[switch]]\ntopology = 2\nfactory = true\nfault = 'no_trust'",
                "made at the factory and has a fault",
            ),
            ("[[collector]]\ntopology = 2\n[[switch]]\ntopology = 2", "has no collector"),
            (
                "[[collector]]\ntopology = 3\nfault = 'wrong_account'\n[[switch]]\ntopology = 2",
                "for topologies 1 and 4",
            ),
            ("[lab]\nbase_port = 80\n[[switch]]\ntopology = 2", "base_port is 80"),
            ("[lab]\nrate = 0\n[[switch]]\ntopology = 2", "rate is 0"),
        ] {
            let told = refused(text);
            assert!(told.contains(wanted), "{text}\n{told}");
        }
    }

    #[test]
    fn no_two_have_one_name() {
        assert!(check_different(["a", "b"].into_iter()).is_ok());
        assert!(check_different(["a", "a"].into_iter()).is_err());
        assert!(check_different(["cssm"].into_iter()).is_err());
    }
}
