//! Interfaces, VLANs and VRFs as the configuration and the platform have them. There is no data plane: a port has a link if it
//! stands for an address of the machine, and nothing is said to be up that is not.

mod port;
mod segments;
mod show;
mod vrfs;

use std::collections::{BTreeMap, BTreeSet};

use crate::Switch;
use crate::command::{Command, Topic};
use crate::config::{Lines, Put, Setting, vlan_ids};

pub(crate) use port::{DEFAULT_VRF, Interface};
use port::{Defaults, Kind};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show cdp neighbors", show::cdp),
        Command::anyone("show interface", show::interfaces),
        Command::anyone("show interface brief", show::brief),
        Command::anyone("show interface description", show::descriptions),
        Command::anyone("show interface status", show::status),
        Command::anyone("show interface trunk", show::trunks),
        Command::anyone("show ip interface brief", segments::ip_brief),
        Command::anyone("show lldp neighbors", show::lldp),
        Command::anyone("show vlan", segments::vlans),
        Command::anyone("show vlan brief", segments::vlans_brief),
        Command::anyone("show vrf", vrfs::vrfs),
        Command::anyone("show vrf detail", vrfs::detail),
        Command::anyone("show vrf interface", vrfs::interfaces),
    ],
    settings: &[
        Setting::line("channel-group"),
        Setting::line("mtu"),
        Setting::line("speed"),
        Setting::line("state"),
        Setting::line("switchport access vlan"),
        Setting::line("switchport mode"),
        Setting { put: Put::Folded(port::folded_vlans), ..Setting::line(port::TRUNK_VLANS) },
        Setting::line("switchport trunk native vlan"),
    ],
};

/// A VLAN.
struct Vlan {
    id: u16,
    name: String,
    is_active: bool,
    is_shut: bool,
    ports: Vec<String>,
}

impl Switch {
    fn port_defaults(&self) -> Defaults {
        let has = |text: &str| self.running.lines.place_of(text).is_some();
        Defaults {
            are_shut: has("system default switchport shutdown"),
            are_routed: has("no system default switchport"),
        }
    }

    /// Whether something is on the other side of an interface, or of the port it is a part of.
    fn has_link(&self, name: &str) -> bool {
        let port = name.split_once('.').map_or(name, |(port, _)| port);
        self.links.contains(port) || self.links.contains(name)
    }

    /// An interface by its name in full.
    pub(crate) fn interface(&self, name: &str) -> Option<Interface> {
        // What is up by its members is looked for with them.
        if name.starts_with("Vlan") || name.starts_with("port-channel") {
            return self.interfaces().into_iter().find(|interface| interface.name == name);
        }
        let none = Lines::default();
        let lines = self.running.section(&[format!("interface {name}")]).unwrap_or(&none);
        Interface::of(name, lines, self.port_defaults(), self.has_link(name))
    }

    /// All interfaces: those of the platform, and those that the configuration makes.
    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        let defaults = self.port_defaults();
        let sections = || {
            self.running
                .lines
                .iter()
                .filter_map(|line| Some((line.text.strip_prefix("interface ")?, &line.children)))
        };
        let broken_out = self.broken_out();
        let mut names = vec!["mgmt0".to_owned()];
        for port in 1..=self.platform.ports {
            let name = format!("Ethernet1/{port}");
            match broken_out.get(&name) {
                Some(parts) => names.extend((1..=*parts).map(|part| format!("{name}/{part}"))),
                None => names.push(name),
            }
        }
        names.extend(sections().map(|(name, _)| name.to_owned()));
        let none = Lines::default();
        let mut found: Vec<Interface> = names
            .iter()
            .filter(|name| !broken_out.contains_key(*name))
            .filter_map(|name| {
                let lines =
                    sections().find(|(known, _)| known == name).map_or(&none, |(_, lines)| lines);
                Interface::of(name, lines, defaults, self.has_link(name))
            })
            .collect();
        // A member makes its port channel, and says whether LACP is spoken there.
        let channels: BTreeMap<String, bool> = found
            .iter()
            .filter_map(|one| {
                Some((format!("port-channel{}", one.channel.as_ref()?), one.has_lacp))
            })
            .collect();
        for (name, has_lacp) in &channels {
            match found.iter_mut().find(|one| one.name == *name) {
                Some(channel) => channel.has_lacp = *has_lacp,
                None => found.extend(
                    Interface::of(name, &none, defaults, self.has_link(name))
                        .map(|channel| Interface { has_lacp: *has_lacp, ..channel }),
                ),
            }
        }
        self.raise_by_members(&mut found);
        let order = |interface: &Interface| {
            let numbers: Vec<u32> = interface
                .name
                .split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect();
            (interface.kind, numbers)
        };
        found.sort_by_key(order);
        found.dedup_by(|a, b| a.name == b.name);
        found
    }

    /// A port channel is up with one of its members, the interface of a VLAN with one of its ports.
    fn raise_by_members(&self, interfaces: &mut [Interface]) {
        let up = |one: &&Interface| one.down.is_none();
        let channels: Vec<String> = interfaces
            .iter()
            .filter(up)
            .filter_map(|one| Some(format!("port-channel{}", one.channel.as_ref()?)))
            .collect();
        let is_raised = |one: &Interface| one.is_admin_up && channels.contains(&one.name);
        for one in interfaces.iter_mut().filter(|one| is_raised(one)) {
            one.down = None;
        }
        let carries = |one: &Interface| -> Vec<u16> {
            match one.kind {
                Kind::Ethernet | Kind::PortChannel if one.is_routed => Vec::new(),
                Kind::Ethernet | Kind::PortChannel if one.is_trunk => {
                    vlan_ids(&one.trunk_vlans).unwrap_or_default()
                }
                Kind::Ethernet | Kind::PortChannel => vec![one.access_vlan],
                _ => Vec::new(),
            }
        };
        let vlans: BTreeSet<String> = interfaces
            .iter()
            .filter(up)
            .flat_map(|one| carries(one).into_iter().map(|id| format!("Vlan{id}")))
            .collect();
        for one in interfaces.iter_mut() {
            if one.is_admin_up && vlans.contains(&one.name) {
                one.down = None;
            }
        }
    }

    /// The ports that `interface breakout` made into several: `module 1 port 49-50 map 10g-4x`.
    fn broken_out(&self) -> BTreeMap<String, u32> {
        let mut found = BTreeMap::new();
        for line in self.running.starting_with("interface breakout") {
            let words: Vec<&str> = line.text.split(' ').collect();
            let [_, _, "module", module, "port", ports, "map", map] = words[..] else { continue };
            let parts = map.rsplit_once('-').and_then(|(_, parts)| parts.strip_suffix('x'));
            let Some(parts @ 1..=8) = parts.and_then(|parts| parts.parse().ok()) else { continue };
            let ports = vlan_ids(ports).into_iter().flatten();
            found.extend(ports.map(|port| (format!("Ethernet{module}/{port}"), parts)));
        }
        found
    }

    fn vlans(&self) -> Vec<Vlan> {
        let mut vlans: BTreeMap<u16, Option<&Lines>> = BTreeMap::from([(1, None)]);
        for line in &self.running.lines {
            let Some(listed) = line.text.strip_prefix("vlan ") else { continue };
            for id in vlan_ids(listed).into_iter().flatten() {
                let lines = vlans.entry(id).or_default();
                if !line.children.is_empty() {
                    *lines = Some(&line.children);
                }
            }
        }
        let interfaces = self.interfaces();
        let of = |(id, lines): (u16, Option<&Lines>)| {
            let has =
                |text: &str| lines.is_some_and(|lines| lines.iter().any(|line| line.text == text));
            let name = lines
                .and_then(|lines| lines.iter().find_map(|line| line.text.strip_prefix("name ")));
            let default = if id == 1 { "default".to_owned() } else { format!("VLAN{id:04}") };
            let ports = interfaces.iter().filter(|port| {
                matches!(port.kind, Kind::Ethernet | Kind::PortChannel)
                    && !port.is_routed
                    && !port.is_trunk
                    && port.access_vlan == id
            });
            Vlan {
                id,
                name: name.map_or(default, str::to_owned),
                is_active: !has("state suspend"),
                is_shut: has("shutdown"),
                ports: ports.map(Interface::short).collect(),
            }
        };
        vlans.into_iter().map(of).collect()
    }

    /// The names of the VRFs, the two first that are always there.
    pub(crate) fn vrf_names(&self) -> Vec<String> {
        let mut vrfs = vec![DEFAULT_VRF.to_owned(), "management".to_owned()];
        // Those with a section of their own, and those that an interface names.
        let contexts = self.running.starting_with("vrf context");
        let contexts = contexts.map(|line| line.text.trim_start_matches("vrf context ").to_owned());
        let members = self.interfaces().into_iter().map(|interface| interface.vrf);
        for name in contexts.chain(members) {
            if !vrfs.contains(&name) {
                vrfs.push(name);
            }
        }
        vrfs
    }

    /// Whether a VRF is shut down.
    pub(crate) fn is_vrf_shut(&self, vrf: &str) -> bool {
        let lines = self.running.section(&[format!("vrf context {vrf}")]);
        lines.is_some_and(|lines| lines.iter().any(|line| line.text == "shutdown"))
    }

    /// The VRFs: their names with their numbers, which they keep as long as they are there.
    fn vrfs(&mut self) -> Vec<(String, u32)> {
        let vrfs = self.vrf_names();
        let numbers = &mut self.vrf_numbers;
        numbers.retain(|name, _| vrfs.contains(name));
        for name in vrfs {
            let free = (1..).find(|number| !numbers.values().any(|taken| taken == number));
            numbers.entry(name).or_insert(free.unwrap_or(u32::MAX));
        }
        let mut vrfs: Vec<(String, u32)> = numbers.clone().into_iter().collect();
        vrfs.sort_by_key(|(_, number)| *number);
        vrfs
    }
}
