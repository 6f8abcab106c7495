//! Interfaces, VLANs and VRFs as the configuration and the platform have them. No port of this switch has a link: there is no
//! data plane, and nothing is said to be up that is not.

mod show;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::Switch;
use crate::command::{Command, Topic};
use crate::config::{Line, Lines, vlan_ids};

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show cdp neighbors", show::cdp),
        Command::anyone("show interface", show::interfaces),
        Command::anyone("show interface brief", show::brief),
        Command::anyone("show interface description", show::descriptions),
        Command::anyone("show interface status", show::status),
        Command::anyone("show ip interface brief", show::ip_brief),
        Command::anyone("show lldp neighbors", show::lldp),
        Command::anyone("show vlan", show::vlans),
        Command::anyone("show vrf", show::vrfs),
    ],
    settings: &[],
};

/// The kinds of interface, in the order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Management,
    Ethernet,
    PortChannel,
    Loopback,
    Tunnel,
    Nve,
    Vlan,
}

const KINDS: &[(&str, Kind)] = &[
    ("mgmt", Kind::Management),
    ("Ethernet", Kind::Ethernet),
    ("port-channel", Kind::PortChannel),
    ("loopback", Kind::Loopback),
    ("Tunnel", Kind::Tunnel),
    ("nve", Kind::Nve),
    ("Vlan", Kind::Vlan),
];

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface {
    name: String,
    kind: Kind,
    description: Option<String>,
    is_admin_up: bool,
    /// Whether frames could pass, and why not.
    down: Option<&'static str>,
    is_routed: bool,
    is_trunk: bool,
    access_vlan: u16,
    mtu_bytes: u32,
    /// Address and mask bits.
    address: Option<(String, u8)>,
    vrf: String,
    channel: Option<String>,
}

const MTU_BYTES: u32 = 1_500;
const DEFAULT_VRF: &str = "default";

/// The address and the bits of its mask: `192.0.2.1/24`, or with the mask behind it.
fn address_of(words: &[&str]) -> Option<(String, u8)> {
    let (address, bits) = match *words {
        [first, ..] if first.contains('/') => {
            let (address, bits) = first.split_once('/')?;
            (address, bits.parse::<u8>().ok()?)
        }
        [address, mask, ..] => {
            let mask = u32::from(mask.parse::<Ipv4Addr>().ok()?);
            let bits = mask.leading_ones();
            (address, u8::try_from(bits).ok().filter(|_| mask.count_ones() == bits)?)
        }
        _ => return None,
    };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32).then(|| (address.to_owned(), bits))
}

impl Interface {
    fn of(name: &str, lines: &[Line], switchports_are_down: bool) -> Option<Self> {
        let (head, kind) = KINDS.iter().find(|(head, _)| {
            name.strip_prefix(head)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })?;
        let value = |head: &str| {
            let line = lines.iter().rev().find(|line| {
                line.text.strip_prefix(head).is_some_and(|rest| rest.starts_with(' '))
            })?;
            Some(line.text[head.len()..].trim())
        };
        let has = |text: &str| lines.iter().any(|line| line.text == text);
        let is_routed = *kind != Kind::Ethernet && *kind != Kind::PortChannel
            || has("no switchport")
            || head.len() + 1 < name.len() && name.contains('.');
        // As NX-OS has it where neither is said: switch ports and loopbacks are up, routed VLANs and tunnels down.
        let by_default = match kind {
            Kind::Vlan | Kind::Tunnel | Kind::Nve => false,
            Kind::Ethernet => !switchports_are_down,
            Kind::Management | Kind::PortChannel | Kind::Loopback => true,
        };
        let is_admin_up = if has("shutdown") { false } else { by_default || has("no shutdown") };
        let down = match kind {
            _ if !is_admin_up => Some("Administratively down"),
            Kind::Management | Kind::Loopback => None,
            Kind::Ethernet => Some("Link not connected"),
            Kind::PortChannel => Some("No operational members"),
            Kind::Vlan => Some("VLAN/BD is down"),
            Kind::Tunnel | Kind::Nve => Some("No data plane"),
        };
        // A switch port has none, whatever its lines say.
        let address = lines.iter().rev().filter(|_| is_routed).find_map(|line| {
            let words: Vec<&str> = line.text.strip_prefix("ip address ")?.split(' ').collect();
            if words.contains(&"secondary") { None } else { address_of(&words) }
        });
        let number =
            |text: Option<&str>| text.and_then(|text| text.split(' ').next()?.parse().ok());
        let vrf = value("vrf member").map(str::to_owned);
        let of_kind =
            || if *kind == Kind::Management { "management" } else { DEFAULT_VRF }.to_owned();
        Some(Self {
            name: name.to_owned(),
            kind: *kind,
            description: value("description").map(str::to_owned),
            is_admin_up,
            down,
            is_routed,
            is_trunk: has("switchport mode trunk"),
            access_vlan: number(value("switchport access vlan"))
                .map_or(1, |vlan: u32| u16::try_from(vlan).unwrap_or(1)),
            mtu_bytes: number(value("mtu")).unwrap_or(MTU_BYTES),
            address,
            vrf: vrf.unwrap_or_else(of_kind),
            channel: value("channel-group")
                .and_then(|value| value.split(' ').next())
                .map(str::to_owned),
        })
    }

    fn state(&self) -> &'static str {
        if self.down.is_none() { "up" } else { "down" }
    }

    fn reason(&self) -> &'static str {
        self.down.unwrap_or("none")
    }

    /// `Eth1/1` for `Ethernet1/1`.
    fn short(&self) -> String {
        match self.kind {
            Kind::Ethernet => self.name.replacen("Ethernet", "Eth", 1),
            Kind::PortChannel => self.name.replacen("port-channel", "Po", 1),
            Kind::Loopback => self.name.replacen("loopback", "Lo", 1),
            _ => self.name.clone(),
        }
    }

    /// What it is in the columns of VLANs.
    fn vlan(&self) -> String {
        match (self.is_routed, self.is_trunk) {
            (true, _) => "--".to_owned(),
            (false, true) => "1".to_owned(),
            (false, false) => self.access_vlan.to_string(),
        }
    }

    fn mode(&self) -> &'static str {
        match (self.is_routed, self.is_trunk) {
            (true, _) => "routed",
            (false, true) => "trunk",
            (false, false) => "access",
        }
    }
}

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
        let switchports_are_down =
            self.running.lines.iter().any(|line| line.text == "system default switchport shutdown");
        let sections = || {
            self.running
                .lines
                .iter()
                .filter_map(|line| Some((line.text.strip_prefix("interface ")?, &line.children)))
        };
        let mut names = vec!["mgmt0".to_owned()];
        names.extend((1..=self.platform.ports).map(|port| format!("Ethernet1/{port}")));
        names.extend(sections().map(|(name, _)| name.to_owned()));
        let none = Lines::default();
        let mut found: Vec<Interface> = names
            .iter()
            .filter_map(|name| {
                let lines =
                    sections().find(|(known, _)| known == name).map_or(&none, |(_, lines)| lines);
                Interface::of(name, lines, switchports_are_down)
            })
            .collect();
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

    /// The VRFs: their names, in the order of their numbers.
    fn vrfs(&self) -> Vec<(String, u32)> {
        let mut vrfs = vec![(DEFAULT_VRF.to_owned(), 1), ("management".to_owned(), 2)];
        // Those with a section of their own, and those that an interface names.
        let contexts = self.running.starting_with("vrf context");
        let contexts = contexts.map(|line| line.text.trim_start_matches("vrf context ").to_owned());
        let members = self.interfaces().into_iter().map(|interface| interface.vrf);
        for name in contexts.chain(members) {
            if !vrfs.iter().any(|(known, _)| *known == name) {
                let next = u32::try_from(vrfs.len()).unwrap_or(u32::MAX).saturating_add(1);
                vrfs.push((name, next));
            }
        }
        vrfs
    }
}
