//! The lines of time servers.

use std::net::IpAddr;

use crate::config::{ConfigTree, Given, Put, Setting, Software};
use crate::topics::interface::DEFAULT_VRF;

/// The most servers and peers.
const SERVERS_MAX: usize = 64;
/// The version that servers are asked in.
const VERSION: u8 = 4;

const SERVER: Setting = Setting { check: is_server, ..Setting::keyed("ntp server", 3) };
const PEER: Setting = Setting { check: is_server, ..Setting::keyed("ntp peer", 3) };
const SOURCE: Setting = Setting::line("ntp source");
const SOURCE_INTERFACE: Setting =
    Setting { put: Put::Interface, ..Setting::line("ntp source-interface") };
/// Kept by the modes of the configuration.
const PROTOCOL: &str = "clock protocol";
const AUTHENTICATE: &str = "ntp authenticate";

pub(super) const ALL: &[Setting] = &[PEER, SERVER, SOURCE, SOURCE_INTERFACE];

/// Whom the time is asked, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeSettings {
    pub servers: Vec<TimeServer>,
    pub peers: Vec<TimeServer>,
    pub source: Option<IpAddr>,
    pub source_interface: Option<String>,
    /// What `clock protocol` says instead of `ntp`: the clock is not set then.
    pub other_protocol: Option<String>,
}

/// A time server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeServer {
    pub host: String,
    pub is_preferred: bool,
    pub vrf: String,
    pub version: u8,
    /// Whether its answers have to bear a key. None of them is believed then: answers are not authenticated here.
    pub wants_key: bool,
}

impl TimeSettings {
    pub(crate) fn of(config: &ConfigTree) -> Self {
        let authenticates = config.lines.iter().any(|line| line.text == AUTHENTICATE);
        let of = |setting: &Setting| -> Vec<TimeServer> {
            let read = |words: Vec<&str>| TimeServer::of(&words, authenticates, false).ok();
            setting.values(config).filter_map(read).take(SERVERS_MAX).collect()
        };
        let protocol = config.value(PROTOCOL).and_then(|value| value.split(' ').next());
        Self {
            servers: of(&SERVER),
            peers: of(&PEER),
            source: SOURCE.value(config).and_then(|value| value.parse().ok()),
            source_interface: SOURCE_INTERFACE.value(config).map(str::to_owned),
            other_protocol: protocol
                .filter(|word| !word.is_empty() && *word != "ntp")
                .map(str::to_owned),
        }
    }
}

impl TimeServer {
    /// The words of its line behind the first two.
    fn of(words: &[&str], authenticates: bool, is_typed: bool) -> Result<Self, String> {
        let (host, mut rest) = words.split_first().ok_or("% Incomplete command")?;
        let mut server = Self {
            host: (*host).to_owned(),
            is_preferred: false,
            vrf: DEFAULT_VRF.to_owned(),
            version: VERSION,
            wants_key: false,
        };
        let number = |word: &str, range: std::ops::RangeInclusive<u32>| {
            let (min, max) = (*range.start(), *range.end());
            let number = word.parse::<u32>().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("% Invalid number, range is ({min}:{max})"))
        };
        while !rest.is_empty() {
            rest = match *rest {
                ["prefer", ref others @ ..] => {
                    server.is_preferred = true;
                    others
                }
                ["use-vrf", vrf, ref others @ ..] => {
                    vrf.clone_into(&mut server.vrf);
                    others
                }
                ["version", version, ref others @ ..] => {
                    let version = number(version, 1..=4)?;
                    server.version = u8::try_from(version).unwrap_or(VERSION);
                    others
                }
                ["key", key, ref others @ ..] => {
                    number(key, 1..=65_535)?;
                    server.wants_key = authenticates;
                    others
                }
                ["minpoll" | "maxpoll", poll, ref others @ ..] => {
                    number(poll, 4..=16)?;
                    others
                }
                // What a file has besides is kept, and does nothing.
                [_, ref others @ ..] if !is_typed => others,
                _ => return Err("% Invalid command".to_owned()),
            };
        }
        Ok(server)
    }
}

fn is_server(
    tree: &ConfigTree,
    given: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    let host = given.get("server").unwrap_or_default();
    let options = given.get("options").unwrap_or_default();
    let words: Vec<&str> = std::iter::once(host).chain(options.split_whitespace()).collect();
    TimeServer::of(&words, false, true)?;
    let setting = given.action;
    let others = setting.values(tree).filter(|words| words.first() != Some(&host)).count();
    if others >= SERVERS_MAX {
        return Err(format!("% Up to {SERVERS_MAX} can be configured"));
    }
    Ok(None)
}
