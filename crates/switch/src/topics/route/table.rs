//! The routes of a VRF: of its interfaces that are up, and the static ones whose next hop is reached by them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::ROUTE;
use super::line::{Prefix, Static};
use crate::Switch;
use crate::config::starts_with_words;
use crate::topics::interface::{DEFAULT_VRF, Interface};

/// How many static routes may lead to each other, one after the other.
const DEPTH_MAX: usize = 16;

/// Who knows a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    Local,
    Direct,
    Static,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Direct => "direct",
            Self::Static => "static",
        }
    }
}

/// One way of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) client: Client,
    pub(super) next_hop: Option<Ipv4Addr>,
    pub(super) vrf: Option<String>,
    /// The interface it leaves by, where that is known.
    pub(super) interface: Option<String>,
    pub(super) preference: u32,
    pub(super) tag: Option<u32>,
    pub(super) is_best: bool,
}

pub(super) type Table = BTreeMap<Prefix, Vec<Hop>>;

/// The networks of the interfaces of a VRF that are up: network, own address, interface.
fn networks<'i>(
    all: &'i [Interface],
    vrf: &str,
) -> impl Iterator<Item = (Prefix, Ipv4Addr, &'i Interface)> {
    let vrf = vrf.to_owned();
    all.iter().filter(move |one| one.vrf == vrf && one.down.is_none()).filter_map(|one| {
        let (address, bits) = one.address.as_ref()?;
        let address: Ipv4Addr = address.parse().ok()?;
        Some((Prefix::of(address, *bits), address, one))
    })
}

impl Switch {
    /// The static routes of a VRF.
    fn statics(&self, vrf: &str) -> Vec<Static> {
        let lines = if vrf == DEFAULT_VRF {
            Some(&self.running.lines)
        } else {
            self.running.section(&[format!("vrf context {vrf}")])
        };
        let routes = lines.into_iter().flat_map(|lines| lines.iter());
        let routes = routes.filter(|line| starts_with_words(&line.text, ROUTE.head));
        let routes = routes.filter_map(|line| {
            let words: Vec<&str> = line.text[ROUTE.head.len()..].split_whitespace().collect();
            Static::parse(&words).ok()
        });
        routes.collect()
    }

    /// The routes of a VRF.
    pub(super) fn routes(&self, vrf: &str) -> Table {
        let mut table = Table::new();
        if self.is_vrf_shut(vrf) {
            return table;
        }
        let all = self.interfaces();
        for (prefix, address, one) in networks(&all, vrf) {
            let hop = |client| Hop {
                client,
                next_hop: Some(address),
                vrf: None,
                interface: Some(one.short()),
                preference: 0,
                tag: None,
                is_best: true,
            };
            table.entry(prefix).or_default().push(hop(Client::Direct));
            table.entry(Prefix::of(address, 32)).or_default().push(hop(Client::Local));
        }
        let reached = self.reached(&all);
        for route in &self.statics(vrf) {
            if let Some(hop) = hop(route, vrf, &all, &reached) {
                table.entry(route.prefix).or_default().push(hop);
            }
        }
        for hops in table.values_mut() {
            hops.sort_by_key(|hop| (hop.preference, hop.client));
            let best = hops.first().map(|hop| hop.preference);
            for hop in hops {
                hop.is_best = Some(hop.preference) == best;
            }
        }
        table
    }

    /// The networks that static routes of each VRF lead to: those of which the next hop is on a network of an interface, then
    /// those by the ones before. A route that leads to itself alone is none of them.
    fn reached(&self, all: &[Interface]) -> Reached {
        let contexts = self.running.starting_with("vrf context");
        let contexts = contexts.filter_map(|line| line.text.strip_prefix("vrf context "));
        let mut statics: Vec<(String, Static)> = Vec::new();
        for vrf in std::iter::once(DEFAULT_VRF).chain(contexts) {
            if !self.is_vrf_shut(vrf) {
                statics.extend(self.statics(vrf).into_iter().map(|route| (vrf.to_owned(), route)));
            }
        }
        // Where everything else goes leads to no next hop.
        statics.retain(|(_, route)| route.prefix.bits > 0);
        let mut reached = Reached::new();
        for _ in 0..DEPTH_MAX {
            let before = statics.len();
            let mut more = Vec::new();
            statics.retain(|(vrf, route)| {
                let leads = hop(route, vrf, all, &reached).is_some();
                if leads {
                    more.push((vrf.clone(), route.prefix));
                }
                !leads
            });
            for (vrf, prefix) in more {
                reached.entry(vrf).or_default().insert(prefix);
            }
            if statics.len() == before {
                break;
            }
        }
        reached
    }
}

/// Networks by VRF.
type Reached = BTreeMap<String, BTreeSet<Prefix>>;

/// The way of a static route; none where it leads nowhere.
fn hop(route: &Static, vrf: &str, all: &[Interface], reached: &Reached) -> Option<Hop> {
    let through = route.vrf.as_deref().unwrap_or(vrf);
    let interface = match (&route.interface, route.next_hop) {
        (Some(null), _) if null == "Null0" => Some(null.clone()),
        (Some(name), _) => {
            let one = all.iter().find(|one| one.name == *name)?;
            (one.down.is_none() && one.vrf == through).then_some(())?;
            Some(one.short())
        }
        (None, next_hop) => {
            let next_hop = next_hop?;
            let direct = networks(all, through)
                .filter(|(prefix, own, _)| prefix.contains(next_hop) && *own != next_hop)
                .max_by_key(|(prefix, ..)| prefix.bits);
            match direct {
                Some((_, _, one)) => Some(one.short()),
                None => {
                    let known = reached.get(through)?;
                    let leads = |bits| known.contains(&Prefix::of(next_hop, bits));
                    (1..=32).any(leads).then_some(())?;
                    None
                }
            }
        }
    };
    Some(Hop {
        client: Client::Static,
        next_hop: route.next_hop,
        vrf: route.vrf.clone().filter(|named| named != vrf),
        interface,
        preference: route.preference,
        tag: route.tag,
        is_best: false,
    })
}
