//! Interfaces, VLANs and VRFs as the configuration and the platform have them. No port of this switch has a link: there is no
//! data plane, and nothing is said to be up that is not.

mod port;
mod segments;
mod show;

use std::collections::BTreeMap;

use crate::Switch;
use crate::command::{Command, Topic};
use crate::config::{Lines, Put, Setting, vlan_ids};

use port::{DEFAULT_VRF, Defaults, Interface, Kind};

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
        Command::anyone("show vrf", segments::vrfs),
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
    /// All interfaces: those of the platform, and those that the configuration makes.
    fn interfaces(&self) -> Vec<Interface> {
        let has = |text: &str| self.running.lines.iter().any(|line| line.text == text);
        let defaults = Defaults {
            are_shut: has("system default switchport shutdown"),
            are_routed: has("no system default switchport"),
        };
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
                Interface::of(name, lines, defaults)
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
                    Interface::of(name, &none, defaults)
                        .map(|channel| Interface { has_lacp: *has_lacp, ..channel }),
                ),
            }
        }
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

    /// The VRFs: their names with their numbers, which they keep as long as they are there.
    fn vrfs(&mut self) -> Vec<(String, u32)> {
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
