//! A static route as its line has it.

use std::fmt;
use std::net::Ipv4Addr;

use crate::config::interface_name;

/// The preference of a static route that says none.
const PREFERENCE: u32 = 1;

/// The addresses of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix {
    pub(super) address: Ipv4Addr,
    pub(super) bits: u8,
}

impl Prefix {
    /// The network that an address with so many bits of mask is in.
    pub(super) fn of(address: Ipv4Addr, bits: u8) -> Self {
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        Self { address: (u32::from(address) & mask).into(), bits }
    }

    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        Self::of(address, self.bits) == self
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A static route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Static {
    pub(super) prefix: Prefix,
    pub(super) interface: Option<String>,
    pub(super) next_hop: Option<Ipv4Addr>,
    pub(super) preference: u32,
    pub(super) tag: Option<u32>,
    /// The VRF that its next hop is in.
    pub(super) vrf: Option<String>,
    /// What is said behind the next hop, as it is said.
    options: String,
}

impl Static {
    /// Reads what stands behind `ip route`.
    pub(super) fn parse(words: &[&str]) -> Result<Self, String> {
        let first = words.first().copied().unwrap_or_default();
        let wrong = || format!("% Invalid prefix: {first}");
        let (prefix, mut rest) = match first.split_once('/') {
            Some((address, bits)) => {
                let bits = bits.parse().ok().filter(|bits| *bits <= 32).ok_or_else(wrong)?;
                (Prefix::of(address.parse().map_err(|_| wrong())?, bits), &words[1..])
            }
            None => {
                let address = first.parse().map_err(|_| wrong())?;
                let mask = words.get(1).and_then(|mask| mask.parse::<Ipv4Addr>().ok());
                let mask = u32::from(mask.ok_or_else(wrong)?);
                let bits = mask.leading_ones();
                if mask.count_ones() != bits {
                    return Err(wrong());
                }
                (Prefix::of(address, u8::try_from(bits).unwrap_or(32)), &words[2..])
            }
        };
        let mut next = || -> Option<&str> {
            let (first, others) = rest.split_first()?;
            rest = others;
            Some(first)
        };
        let hop = next().ok_or("% Incomplete command")?;
        let (mut interface, mut next_hop) = (None, address(hop));
        let mut word = next();
        // `Vlan 10`, as it may be typed.
        let is_digit = |c: char| c.is_ascii_digit();
        let part = word.filter(|word| {
            next_hop.is_none()
                && !hop.contains(is_digit)
                && word.starts_with(is_digit)
                && address(word).is_none()
        });
        let joined = part.map(|part| format!("{hop}{part}"));
        if joined.is_some() {
            word = next();
        }
        let hop = joined.as_deref().unwrap_or(hop);
        if next_hop.is_none() {
            let name = if hop.eq_ignore_ascii_case("null0") {
                "Null0".to_owned()
            } else {
                interface_name(hop)
            };
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.contains(|c: char| c.is_ascii_digit());
            if !is_name {
                return Err(format!("% Invalid next hop: {hop}"));
            }
            interface = Some(name);
            next_hop = word.and_then(address);
            if next_hop.is_some() {
                word = next();
            }
        }
        let mut route = Self {
            prefix,
            interface,
            next_hop,
            preference: PREFERENCE,
            tag: None,
            vrf: None,
            options: String::new(),
        };
        while let Some(name) = word {
            route.options.push_str(&format!(" {name}"));
            if let Ok(preference) = name.parse() {
                if !(1..=255).contains(&preference) {
                    return Err("% Invalid number, range is (1:255)".to_owned());
                }
                route.preference = preference;
            } else {
                let value = next().ok_or("% Incomplete command")?;
                route.options.push_str(&format!(" {value}"));
                let number = || value.parse().map_err(|_| format!("% Invalid number: {value}"));
                match name {
                    "name" => {}
                    "track" => drop::<u32>(number()?),
                    "tag" => route.tag = Some(number()?),
                    "vrf" => route.vrf = Some(value.to_owned()),
                    _ => return Err(format!("% Invalid command: {name}")),
                }
            }
            word = next();
        }
        Ok(route)
    }
}

/// The address of a next hop: `10.0.0.1`, or `10.0.0.1/32`.
fn address(word: &str) -> Option<Ipv4Addr> {
    word.strip_suffix("/32").unwrap_or(word).parse().ok()
}

impl fmt::Display for Static {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.prefix)?;
        if let Some(interface) = &self.interface {
            write!(f, " {interface}")?;
        }
        if let Some(next_hop) = self.next_hop {
            write!(f, " {next_hop}")?;
        }
        f.write_str(&self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::Static;

    #[test]
    fn lines_are_read_and_written_as_nx_os_keeps_them() {
        let read = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            Static::parse(&words).map(|route| route.to_string())
        };
        for (typed, kept) in [
            ("10.0.0.0/8 192.0.2.1", "10.0.0.0/8 192.0.2.1"),
            ("10.0.0.0 255.0.0.0 192.0.2.1 200", "10.0.0.0/8 192.0.2.1 200"),
            ("10.1.2.3/8 e1/1 192.0.2.1 tag 7", "10.0.0.0/8 Ethernet1/1 192.0.2.1 tag 7"),
            ("0.0.0.0/0 null0 name nowhere 5", "0.0.0.0/0 Null0 name nowhere 5"),
            ("10.0.0.0/8 vlan 10 192.0.2.1", "10.0.0.0/8 Vlan10 192.0.2.1"),
            ("0.0.0.0/0 192.0.2.1/32 vrf red", "0.0.0.0/0 192.0.2.1 vrf red"),
        ] {
            assert_eq!(read(typed).as_deref(), Ok(kept), "{typed}");
        }
        for wrong in [
            "10.0.0.0/33 192.0.2.1",
            "10.0.0.0 255.0.255.0 192.0.2.1",
            "10.0.0.0 192.0.2.1",
            "10.0.0.0/8",
            "10.0.0.0/8 x",
            "10.0.0.0/8 192.0.2.1 256",
            "10.0.0.0/8 192.0.2.1 tag",
            "10.0.0.0/8 192.0.2.1 tag x",
            "10.0.0.0/8 192.0.2.1 soon 3",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
