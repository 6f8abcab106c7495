//! An interface as the lines of its section have it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::answer::CommandError;
use crate::config::{Given, Line, vlan_ids, vlan_list};

/// The kinds of interface, in the order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    FibreChannel,
    Management,
    Ethernet,
    PortChannel,
    Loopback,
    Tunnel,
    Nve,
    Vlan,
}

const KINDS: &[(&str, Kind)] = &[
    ("fc", Kind::FibreChannel),
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
pub(crate) struct Interface {
    pub name: String,
    pub kind: Kind,
    pub description: Option<String>,
    pub is_admin_up: bool,
    /// Whether frames could pass, and why not.
    pub down: Option<&'static str>,
    pub is_routed: bool,
    pub is_trunk: bool,
    pub access_vlan: u16,
    pub native_vlan: u16,
    /// The VLANs of a trunk, as they are given.
    pub trunk_vlans: String,
    pub mtu_bytes: u32,
    /// As it is set, in megabits a second; nothing where it is agreed with the other side.
    pub speed_mbit: Option<u32>,
    /// As it is set.
    pub bandwidth_kbit: Option<u32>,
    /// Address and mask bits.
    pub address: Option<(String, u8)>,
    /// The IPv6 address.
    pub ipv6_address: Option<Ipv6Addr>,
    pub vrf: String,
    /// The number of the port channel it is a member of.
    pub channel: Option<String>,
    /// Whether LACP agrees on that.
    pub has_lacp: bool,
}

/// What holds for all ports where they say nothing themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub are_shut: bool,
    pub are_routed: bool,
}

/// The bandwidth of a port that has not agreed on one.
const KBIT_ETHERNET: u32 = 10_000_000;
/// The largest frame where nothing else is set.
const MTU_BYTES: u32 = 1_500;
/// The VRF of whatever names none.
pub(crate) const DEFAULT_VRF: &str = "default";

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

/// `10G` for 10000, `1000` for itself.
fn shown_speed(mbit: u32) -> String {
    if mbit >= 10_000 && mbit.is_multiple_of(1_000) {
        format!("{}G", mbit / 1_000)
    } else {
        mbit.to_string()
    }
}

/// The head of the lines of the VLANs of a trunk.
pub(super) const TRUNK_VLANS: &str = "switchport trunk allowed vlan";
const VLANS: std::ops::RangeInclusive<u16> = 1..=4_094;

/// What is left of VLANs after a line: `10,20-22`, `all`, `none`, `add 5`, `remove 5`, `except 5`; none where it is no list.
fn after(vlans: Option<BTreeSet<u16>>, value: &str) -> Option<BTreeSet<u16>> {
    let (how, listed) = value.split_once(' ').unwrap_or(("", value));
    let ids: BTreeSet<u16> = match (how, listed) {
        ("", "all") => VLANS.collect(),
        ("", "none") => BTreeSet::new(),
        _ => vlan_ids(listed)?.into_iter().collect(),
    };
    Some(match how {
        "" => ids,
        "add" => vlans.unwrap_or_default().union(&ids).copied().collect(),
        "remove" => vlans.unwrap_or_else(|| VLANS.collect()).difference(&ids).copied().collect(),
        "except" => VLANS.filter(|id| !ids.contains(id)).collect(),
        _ => return None,
    })
}

fn shown(vlans: Option<BTreeSet<u16>>) -> String {
    let vlans: Vec<u16> =
        vlans.map_or_else(|| VLANS.collect(), |vlans| vlans.into_iter().collect());
    if vlans.is_empty() { "none".to_owned() } else { vlan_list(&vlans) }
}

fn of_lines<'l>(lines: impl IntoIterator<Item = &'l str>) -> Option<BTreeSet<u16>> {
    let values =
        lines.into_iter().filter_map(|line| line.strip_prefix(TRUNK_VLANS)?.strip_prefix(' '));
    values.fold(None, |vlans, value| after(vlans.clone(), value).or(vlans))
}

/// The VLANs of a trunk: those of its lines in their order; all where it has none.
fn trunk_vlans(lines: &[Line]) -> String {
    shown(of_lines(lines.iter().map(|line| line.text.as_str())))
}

/// The line of the VLANs of a trunk after another one was typed.
pub(super) fn folded_vlans(
    lines: &[&str],
    given: &Given,
    negated: bool,
) -> Result<Option<String>, CommandError> {
    let Some(value) = given.get("vlans").filter(|_| !negated) else { return Ok(None) };
    let so_far = of_lines(lines.iter().copied());
    // A trunk without a line has all of them, and more cannot be added.
    let so_far =
        if value.starts_with("add ") && lines.is_empty() { Some(VLANS.collect()) } else { so_far };
    let vlans = after(so_far, value).ok_or(CommandError::failed("% Invalid VLAN list"))?;
    let is_all = vlans.len() == VLANS.count();
    Ok((!is_all).then(|| format!("{TRUNK_VLANS} {}", shown(Some(vlans)))))
}

impl Interface {
    /// `has_link`: whether something is on the other side.
    pub(super) fn of(
        name: &str,
        lines: &[Line],
        defaults: Defaults,
        has_link: bool,
    ) -> Option<Self> {
        let (_, kind) = KINDS.iter().find(|(head, _)| {
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
        let is_switchable = matches!(kind, Kind::Ethernet | Kind::PortChannel);
        let is_routed = !is_switchable
            || has("no switchport")
            || name.contains('.')
            || defaults.are_routed && !has("switchport");
        // As NX-OS has it where neither is said: switch ports and loopbacks are up, routed VLANs and tunnels down.
        let by_default = match kind {
            Kind::Vlan | Kind::Tunnel | Kind::Nve | Kind::FibreChannel => false,
            Kind::Ethernet => !defaults.are_shut,
            Kind::Management | Kind::PortChannel | Kind::Loopback => true,
        };
        let is_admin_up = if has("shutdown") { false } else { by_default || has("no shutdown") };
        let down = match kind {
            _ if !is_admin_up => Some("Administratively down"),
            _ if has_link => None,
            Kind::Management | Kind::Loopback => None,
            Kind::Ethernet | Kind::FibreChannel => Some("Link not connected"),
            Kind::PortChannel => Some("No operational members"),
            Kind::Vlan => Some("VLAN/BD is down"),
            Kind::Tunnel | Kind::Nve => Some("No data plane"),
        };
        // A switch port has none, whatever its lines say.
        let address = lines.iter().rev().filter(|_| is_routed).find_map(|line| {
            let words: Vec<&str> = line.text.strip_prefix("ip address ")?.split(' ').collect();
            if words.contains(&"secondary") { None } else { address_of(&words) }
        });
        let ipv6_address = lines.iter().filter(|_| is_routed).find_map(|line| {
            let words = line.text.strip_prefix("ipv6 address ")?;
            words.split(['/', ' ']).next()?.parse().ok()
        });
        let number =
            |head: &str| value(head).and_then(|text| text.split(' ').next()?.parse::<u32>().ok());
        let vlan = |head: &str| number(head).and_then(|id| u16::try_from(id).ok()).unwrap_or(1);
        let group: Vec<&str> =
            value("channel-group").map(|group| group.split(' ').collect()).unwrap_or_default();
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
            access_vlan: vlan("switchport access vlan"),
            native_vlan: vlan("switchport trunk native vlan"),
            trunk_vlans: trunk_vlans(lines),
            mtu_bytes: number("mtu").unwrap_or(MTU_BYTES),
            speed_mbit: number("speed"),
            bandwidth_kbit: number("bandwidth"),
            address,
            ipv6_address,
            vrf: vrf.unwrap_or_else(of_kind),
            channel: group.first().map(|number| (*number).to_owned()),
            has_lacp: matches!(group[..], [_, .., "active" | "passive"]),
        })
    }

    /// Its addresses, an IPv4 one first.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let ipv4 = self.address.as_ref().and_then(|(address, _)| address.parse().ok());
        ipv4.into_iter().chain(self.ipv6_address.map(IpAddr::V6)).collect()
    }

    pub(super) fn state(&self) -> &'static str {
        if self.down.is_none() { "up" } else { "down" }
    }

    pub(super) fn reason(&self) -> &'static str {
        self.down.unwrap_or("none")
    }

    /// `Eth1/1` for `Ethernet1/1`.
    pub(crate) fn short(&self) -> String {
        match self.kind {
            Kind::Ethernet => self.name.replacen("Ethernet", "Eth", 1),
            Kind::PortChannel => self.name.replacen("port-channel", "Po", 1),
            Kind::Loopback => self.name.replacen("loopback", "Lo", 1),
            _ => self.name.clone(),
        }
    }

    /// What it is in the columns of VLANs.
    pub(super) fn vlan(&self) -> String {
        match (self.is_routed, self.is_trunk) {
            (true, _) => "--".to_owned(),
            (false, true) => self.native_vlan.to_string(),
            (false, false) => self.access_vlan.to_string(),
        }
    }

    pub(super) fn mode(&self) -> &'static str {
        match (self.is_routed, self.is_trunk) {
            (true, _) => "routed",
            (false, true) => "trunk",
            (false, false) => "access",
        }
    }

    /// Its speed, as it is set: `10G`, `1000`, or `auto` where it is agreed.
    pub(super) fn speed(&self) -> String {
        self.speed_mbit.map_or_else(|| "auto".to_owned(), shown_speed)
    }

    /// What it would run at: as it is set, or what its kind has.
    pub(super) fn nominal_speed(&self) -> String {
        shown_speed(self.speed_mbit.unwrap_or(KBIT_ETHERNET / 1_000))
    }

    /// What a port channel is agreed on with.
    pub(super) fn protocol(&self) -> &'static str {
        if self.has_lacp { "lacp" } else { "none" }
    }

    /// `D` for a port by itself, `I` for one made of several.
    pub(super) fn rate_mode(&self) -> &'static str {
        if self.kind == Kind::PortChannel { "I" } else { "D" }
    }

    /// Bandwidth and delay in microseconds: as they are set, or what NX-OS has for each kind where nothing is agreed.
    pub(super) fn rates(&self) -> (u32, u32) {
        let (kbit, delay_usec) = match self.kind {
            Kind::Ethernet | Kind::Nve => (KBIT_ETHERNET, 10),
            Kind::FibreChannel => (8_000_000, 10),
            Kind::Management | Kind::Vlan => (1_000_000, 10),
            Kind::PortChannel => (100_000, 10),
            Kind::Loopback => (8_000_000, 5_000),
            Kind::Tunnel => (9, 500_000),
        };
        let of_speed = self.speed_mbit.map(|mbit| mbit.saturating_mul(1_000));
        (self.bandwidth_kbit.or(of_speed).unwrap_or(kbit), delay_usec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigTree;

    const DEFAULTS: Defaults = Defaults { are_shut: false, are_routed: false };

    fn port(lines: &[&str]) -> Interface {
        let text = lines
            .iter()
            .fold("interface Ethernet1/1\n".to_owned(), |text, line| format!("{text}  {line}\n"));
        let tree = ConfigTree::parse(&text);
        Interface::of("Ethernet1/1", &tree.lines[0].children, DEFAULTS, false).unwrap()
    }

    #[test]
    fn the_vlans_of_a_trunk_are_those_of_all_its_lines() {
        let vlans = |lines: &[&str]| {
            let head = "switchport trunk allowed vlan";
            let lines: Vec<String> = lines.iter().map(|line| format!("{head} {line}")).collect();
            port(&lines.iter().map(String::as_str).collect::<Vec<_>>()).trunk_vlans
        };
        assert_eq!(vlans(&[]), "1-4094");
        assert_eq!(vlans(&["10,20-22"]), "10,20-22");
        assert_eq!(vlans(&["10", "add 11-12", "add 40"]), "10-12,40");
        assert_eq!(vlans(&["add 11"]), "11");
        assert_eq!(vlans(&["remove 1-4000"]), "4001-4094");
        assert_eq!(vlans(&["except 2-4093"]), "1,4094");
        assert_eq!((vlans(&["none"]).as_str(), vlans(&["all"]).as_str()), ("none", "1-4094"));
    }

    #[test]
    fn speed_and_bandwidth_are_as_set() {
        assert_eq!((port(&[]).speed().as_str(), port(&[]).rates()), ("auto", (10_000_000, 10)));
        let set = port(&["speed 25000"]);
        assert_eq!((set.speed().as_str(), set.rates().0), ("25G", 25_000_000));
        assert_eq!(port(&["speed 1000"]).speed(), "1000");
        assert_eq!(port(&["speed 2500"]).speed(), "2500");
        assert_eq!(port(&["speed auto"]).speed(), "auto");
        assert_eq!(port(&[]).nominal_speed(), "10G");
        assert_eq!(port(&["speed 1000"]).nominal_speed(), "1000");
        assert_eq!(port(&["speed 10000", "bandwidth 512"]).rates().0, 512);
    }

    #[test]
    fn modes_and_members_are_as_set() {
        let trunk = port(&["switchport mode trunk", "switchport trunk native vlan 99"]);
        assert_eq!((trunk.mode(), trunk.vlan().as_str()), ("trunk", "99"));
        let access = port(&["switchport access vlan 5", "channel-group 7"]);
        assert_eq!((access.mode(), access.vlan().as_str()), ("access", "5"));
        assert_eq!((access.channel.as_deref(), access.has_lacp), (Some("7"), false));
        for mode in ["active", "passive"] {
            assert!(port(&[&format!("channel-group 7 force mode {mode}")]).has_lacp, "{mode}");
        }
        assert!(!port(&["channel-group 7 mode on"]).has_lacp);
        let routed = Defaults { are_routed: true, ..DEFAULTS };
        let lines = ConfigTree::parse("interface e\n  switchport\n").lines[0].children.clone();
        assert!(!Interface::of("Ethernet1/1", &lines, routed, false).unwrap().is_routed);
        let of = |name: &str, defaults| Interface::of(name, &[], defaults, false).unwrap();
        assert!(of("Ethernet1/1", routed).is_routed && of("port-channel1", routed).is_routed);
        assert!(of("Ethernet1/1.5", DEFAULTS).is_routed && of("Vlan5", DEFAULTS).is_routed);
        assert!(!of("Ethernet1/1", Defaults { are_shut: true, ..DEFAULTS }).is_admin_up);
        assert!(!of("fc1/1", DEFAULTS).is_admin_up);
        assert_eq!(of("port-channel7", DEFAULTS).rate_mode(), "I");
    }

    #[test]
    fn an_address_has_its_mask_as_bits() {
        let of = |text: &str| address_of(&text.split(' ').collect::<Vec<_>>());
        let fine = Some(("192.0.2.1".to_owned(), 24));
        assert_eq!(of("192.0.2.1/24"), fine);
        assert_eq!(of("192.0.2.1 255.255.255.0"), fine);
        for bad in ["192.0.2.1", "192.0.2.1/33", "x/24", "192.0.2.1 255.0.255.0", "dhcp"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
