//! From a lab's file to what runs, and where: names, folders, ports.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::fault::{CollectorFault, SwitchFault};
use super::file::{Basics, LabFile, SWITCHES_MAX, check_different};
use super::servers::Flavour;

/// All that runs in a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub dir: PathBuf,
    pub rate: u32,
    pub account: String,
    /// Whose images its switches take.
    pub maker: Option<PathBuf>,
    /// Folders of tables of the catalogue.
    pub catalogue: Vec<PathBuf>,
    pub page: SocketAddr,
    pub cssm: SocketAddr,
    /// Nothing listens there.
    pub nothing: SocketAddr,
    pub collectors: Vec<PlannedCollector>,
    pub switches: Vec<PlannedSwitch>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedCollector {
    pub name: String,
    pub flavour: Flavour,
    pub listen: SocketAddr,
    pub device_listen: SocketAddr,
    pub fault: Option<CollectorFault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedSwitch {
    pub name: String,
    pub topology: u32,
    pub pid: String,
    pub serial: String,
    pub release: Option<String>,
    /// Whether it is known at CSSM before it speaks.
    pub factory: bool,
    pub startup: Startup,
    pub ssh: SocketAddr,
    pub nxapi_http: SocketAddr,
    pub nxapi_https: SocketAddr,
    /// The place of its collector.
    pub collector: Option<usize>,
    pub fault: Option<SwitchFault>,
    /// The place of the switch whose copy it is.
    pub clone_of: Option<usize>,
}

/// What a switch starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Startup {
    Lines(String),
    File(PathBuf),
}

/// What uses a licence, where nothing is said of a configuration.
const LINES: &str = "feature bgp\nfeature interface-vlan\n";

impl Plan {
    /// What a file asks for; `path` is where it lies.
    pub(crate) fn of(file: &LabFile, path: &Path) -> Result<Self> {
        let Basics { dir, base_port, rate, account, maker, catalogue } = &file.lab;
        let beside = path.parent().unwrap_or(Path::new(""));
        let dir = match dir {
            Some(dir) => beside.join(dir),
            None => beside.join(path.file_stem().context("the file has no name")?),
        };
        ensure!(dir != path, "the lab's folder would be {}: name one by dir", dir.display());
        let at = |number: usize| address(*base_port, number);
        let mut plan = Self {
            dir,
            rate: *rate,
            account: account.clone(),
            maker: maker.as_ref().map(|maker| beside.join(maker)),
            catalogue: catalogue.iter().map(|folder| beside.join(folder)).collect(),
            page: at(0)?,
            cssm: at(1)?,
            nothing: at(9)?,
            collectors: Vec::new(),
            switches: Vec::new(),
        };
        for collector in &file.collectors {
            plan.add_collector(
                *base_port,
                collector.topology,
                collector.name.clone(),
                collector.fault,
            )?;
        }
        for (place, switch) in file.switches.iter().enumerate() {
            let collector = plan.collector_of(*base_port, switch, place)?;
            let pid = switch.pid.clone().unwrap_or_else(|| "N9K-C93180YC-FX3".to_owned());
            let startup = match (&switch.configuration, &switch.configuration_file) {
                (_, Some(file)) => Startup::File(beside.join(file)),
                (lines, None) => Startup::Lines(lines.clone().unwrap_or_else(|| LINES.to_owned())),
            };
            for number in 1..=switch.count.unwrap_or(1) {
                let name = switch.own_name(place);
                let name = if switch.count.is_some() { format!("{name}-{number}") } else { name };
                let original = plan.switches.len();
                let (topology, fault) = (switch.topology, switch.fault);
                let one = PlannedSwitch {
                    serial: serial(&name),
                    name,
                    topology,
                    pid: pid.clone(),
                    release: switch.release.clone(),
                    factory: switch.factory,
                    startup: startup.clone(),
                    ssh: at(100 + original)?,
                    nxapi_http: at(400 + original)?,
                    nxapi_https: at(700 + original)?,
                    collector,
                    fault,
                    clone_of: None,
                };
                plan.switches.push(one.clone());
                if fault == Some(SwitchFault::Clone) {
                    let number = original + 1;
                    plan.switches.push(PlannedSwitch {
                        name: format!("{}-clone", one.name),
                        ssh: at(100 + number)?,
                        nxapi_http: at(400 + number)?,
                        nxapi_https: at(700 + number)?,
                        clone_of: Some(original),
                        ..one
                    });
                }
            }
        }
        let count = plan.switches.len();
        ensure!(count <= SWITCHES_MAX, "the lab has {count} switches: {SWITCHES_MAX} at most");
        check_different(plan.names())?;
        Ok(plan)
    }

    /// All that have a name in the file.
    fn names(&self) -> impl Iterator<Item = &str> {
        let collectors = self.collectors.iter().map(|collector| collector.name.as_str());
        collectors.chain(self.switches.iter().map(|switch| switch.name.as_str()))
    }

    fn add_collector(
        &mut self,
        base_port: u16,
        topology: u32,
        name: Option<String>,
        fault: Option<CollectorFault>,
    ) -> Result<usize> {
        let place = self.collectors.len();
        ensure!(place < 40, "the lab has more than 40 collectors");
        let flavour = Flavour::of(topology).context("no collector")?;
        let name = name.unwrap_or_else(|| format!("{}-{topology}", flavour.command()));
        self.collectors.push(PlannedCollector {
            name,
            flavour: Flavour {
                connected: flavour.connected && fault != Some(CollectorFault::NoConnection),
                ..flavour
            },
            listen: address(base_port, 10 + 2 * place)?,
            device_listen: address(base_port, 11 + 2 * place)?,
            fault,
        });
        Ok(place)
    }

    /// The collector of a switch, made where the file names none.
    fn collector_of(
        &mut self,
        base_port: u16,
        switch: &super::file::Switch,
        place: usize,
    ) -> Result<Option<usize>> {
        let (name, topology) = (switch.own_name(place), switch.topology);
        if Flavour::of(topology).is_none() {
            let named = switch.collector.is_some();
            ensure!(!named, "switch {name}: topology {topology} has no collector");
            return Ok(None);
        }
        let mut all = self.collectors.iter().enumerate();
        if let Some(wanted) = &switch.collector {
            let found = all.find(|(_, one)| one.name == *wanted);
            let (found, one) =
                found.with_context(|| format!("switch {name}: there is no collector {wanted}"))?;
            let its = one.flavour.topology;
            ensure!(
                its == topology,
                "switch {name} is of topology {topology}, its collector {wanted} of {its}"
            );
            return Ok(Some(found));
        }
        match all.find(|(_, one)| one.flavour.topology == topology) {
            Some((found, _)) => Ok(Some(found)),
            None => self.add_collector(base_port, topology, None, None).map(Some),
        }
    }
}

fn address(base_port: u16, number: usize) -> Result<SocketAddr> {
    let port = u16::try_from(usize::from(base_port) + number);
    let port = port.context("the ports go beyond 65535: give a smaller base_port")?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// A serial number that a name always has.
pub(super) fn serial(name: &str) -> String {
    let digest = rumline_protocol::sha256(name.as_bytes());
    let letters = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
    let letter = |byte: &u8| letters.get(usize::from(byte % 32)).map_or('0', |b| char::from(*b));
    let number: String = digest.iter().take(8).map(letter).collect();
    format!("RML{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        Plan::of(&LabFile::read(text)?, Path::new("labs/first.toml"))
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.names().collect()
    }

    #[test]
    fn a_lab_lies_beside_its_file_and_comes_back_at_its_ports() {
        let plan = plan("[[switch]]\ntopology = 2").unwrap();
        assert_eq!(plan.dir, Path::new("labs/first"));
        assert_eq!(plan.page.port(), 21_000);
        assert_eq!(plan.cssm.port(), 21_001);
        assert_eq!(plan.switches[0].ssh.port(), 21_100);
        assert!(plan.collectors.is_empty());
    }

    #[test]
    fn a_topology_brings_its_collector_once() {
        let text = "[[switch]]\ntopology = 1\nname = 'leaf'\ncount = 2\n[[switch]]\ntopology = 1\n\
                    [[switch]]\ntopology = 5\n[[switch]]\ntopology = 6";
        let plan = plan(text).unwrap();
        assert_eq!(
            names(&plan),
            ["cslu-1", "onprem-5", "leaf-1", "leaf-2", "switch-2", "switch-3", "switch-4"]
        );
        let of: Vec<_> = plan.switches.iter().map(|switch| switch.collector).collect();
        assert_eq!(of, [Some(0), Some(0), Some(0), Some(1), None]);
        assert!(plan.collectors[0].flavour.connected);
        assert!(!plan.collectors[1].flavour.connected);
    }

    #[test]
    fn a_switch_goes_to_the_collector_it_names() {
        let text = "[[collector]]\ntopology = 1\nname = 'west'\n[[collector]]\ntopology = 1\n\
                    name = 'east'\nfault = 'no_connection'\n[[switch]]\ntopology = 1\n\
                    collector = 'COLLECTOR'";
        let found = plan(&text.replace("COLLECTOR", "east")).unwrap();
        assert_eq!(found.switches[0].collector, Some(1));
        assert!(!found.collectors[1].flavour.connected);
        let told = plan(&text.replace("COLLECTOR", "north")).unwrap_err().to_string();
        assert!(told.contains("there is no collector north"), "{told}");
    }

    #[test]
    fn a_clone_is_a_switch_more_with_the_same_identity() {
        let plan = plan("[[switch]]\ntopology = 2\nname = 'a'\nfault = 'clone'").unwrap();
        assert_eq!(names(&plan), ["a", "a-clone"]);
        let [original, clone] = plan.switches.as_slice() else { panic!("two") };
        assert_eq!(original.serial, clone.serial);
        assert_ne!(original.ssh, clone.ssh);
        assert_eq!(clone.clone_of, Some(0));
    }

    #[test]
    fn names_that_meet_are_refused() {
        let told = plan(
            "[[switch]]\ntopology = 2\nname = 'a-1'\n[[switch]]\ntopology = 2\nname = 'a'\ncount = 1",
        );
        assert!(told.unwrap_err().to_string().contains("the name a-1 is taken"));
        assert!(plan("[[switch]]\ntopology = 2\nname = 'cssm'").is_err());
    }

    #[test]
    fn the_examples_are_labs() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/labs");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        for path in files.filter(|path| path.extension().is_some()) {
            let text = std::fs::read_to_string(&path).unwrap();
            let plan = Plan::of(&LabFile::read(&text).unwrap(), &path).unwrap();
            assert!(!plan.switches.is_empty());
        }
    }

    #[test]
    fn a_serial_number_stays_and_differs() {
        assert_eq!(serial("leaf-1"), serial("leaf-1"));
        assert_ne!(serial("leaf-1"), serial("leaf-2"));
        assert_eq!(serial("leaf-1").len(), 11);
    }
}
