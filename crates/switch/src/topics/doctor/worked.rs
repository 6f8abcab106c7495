//! The lines by which the licensing peer was reached the last time. Where nobody is reached any more, what is different from them
//! is what mends it.

use rumline_agent::{Disk, DiskError};

use crate::config::{ConfigTree, Line, render_lines, starts_with_words};
use crate::topics::configuration::patch;
use crate::topics::preview::digest;

/// Where they are kept, as lines of a configuration.
const FILE: &str = "licensing-way";
/// More lines of one kind are not kept.
const LINES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 64 << 10;

/// What decides on the way of a licensing message: first words of global lines, without their `no`.
const GLOBAL: &[&str] = &[
    "callhome",
    "interface",
    "ip domain-list",
    "ip domain-lookup",
    "ip domain-name",
    "ip host",
    "ip name-server",
    "ip route",
    "license smart proxy address",
    "license smart proxy port",
    "license smart source-interface",
    "license smart transport",
    "license smart url",
    "license smart vrf",
    "ntp server",
    "vrf context",
];
/// The same of the lines of an interface and of a VRF. Of Call Home all do.
const OF_INTERFACE: &[&str] =
    &["ip address", "ipv6 address", "shutdown", "switchport", "vrf member"];
const OF_VRF: &[&str] =
    &["ip domain-list", "ip domain-name", "ip host", "ip name-server", "ip route", "shutdown"];
/// Lines of which there is one: another one takes its place.
const SINGLE: &[&str] = &[
    "destination-profile xml index 1 http",
    "destination-profile xml message-size",
    "destination-profile xml transport-method",
    "email-contact",
    "ip domain-name",
    "license smart proxy address",
    "license smart proxy port",
    "license smart source-interface",
    "license smart transport",
    "license smart url cslu",
    "license smart url smart",
    "license smart vrf",
    "source-interface",
    "transport http proxy server",
    "transport http use-vrf",
    "vrf member",
];

/// What worked the last time.
#[derive(Debug, Default)]
pub(crate) struct Worked {
    /// As it lies in the store, once that was looked at.
    text: Option<String>,
    /// The lines by which a message left whose answer is not here yet.
    on_its_way: Option<(String, String)>,
}

impl Worked {
    /// A message leaves by these lines.
    pub(crate) fn leaves(&mut self, request_id: &str, config: &ConfigTree) {
        let mut text = String::new();
        render_lines(&way_lines(config), 0, &mut text);
        self.on_its_way =
            Some((request_id.to_owned(), text)).filter(|(_, text)| text.len() <= TEXT_BYTES_MAX);
    }

    /// It was answered as it should be: by the lines of then the peer is reached.
    pub(crate) fn answered(&mut self, request_id: &str, disk: &mut dyn Disk) {
        let left = self.on_its_way.take_if(|(left, _)| left == request_id);
        let Some((_, text)) = left.filter(|(_, text)| self.kept(disk) != text) else { return };
        // The next answer tries it again.
        if disk.write(FILE, sealed(&text).as_bytes()).is_ok() {
            self.text = Some(text);
        }
    }

    fn kept(&mut self, disk: &mut dyn Disk) -> &str {
        self.text.get_or_insert_with(|| {
            let bytes = disk.read(FILE).ok().flatten();
            bytes.and_then(|bytes| opened(&bytes)).unwrap_or_default()
        })
    }

    /// The lines; none if it never worked.
    pub(crate) fn lines(&mut self, disk: &mut dyn Disk) -> Option<ConfigTree> {
        let text = self.kept(disk);
        if text.is_empty() {
            return None;
        }
        Some(ConfigTree::parse(text))
    }
}

/// The lines with their digest before them: what is proposed is what worked, or nothing.
fn sealed(text: &str) -> String {
    format!("{}\n{text}", digest(text.as_bytes()))
}

fn opened(bytes: &[u8]) -> Option<String> {
    let whole = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() <= TEXT_BYTES_MAX + 128)?;
    let (told, text) = whole.split_once('\n')?;
    (told == digest(text.as_bytes())).then(|| text.to_owned())
}

/// The file of it, if that is damaged.
///
/// # Errors
/// When the disk fails.
pub fn damaged_way(disk: &mut dyn Disk) -> Result<Option<&'static str>, DiskError> {
    Ok(disk.read(FILE)?.filter(|bytes| opened(bytes).is_none()).map(|_| FILE))
}

fn bare(text: &str) -> &str {
    text.strip_prefix("no ").unwrap_or(text)
}

fn is_of(text: &str, heads: &[&str]) -> bool {
    heads.iter().any(|head| starts_with_words(bare(text), head))
}

/// The lines of a configuration that decide on the way.
fn way_lines(config: &ConfigTree) -> Vec<Line> {
    let mut counts = [0_usize; GLOBAL.len()];
    let mut kept = Vec::new();
    for line in config.lines.iter() {
        let Some(kind) = GLOBAL.iter().position(|head| starts_with_words(bare(&line.text), head))
        else {
            continue;
        };
        let inner = match GLOBAL[kind] {
            "interface" => Some(OF_INTERFACE),
            "vrf context" => Some(OF_VRF),
            _ => None,
        };
        let mut kept_line = line.clone();
        if let Some(heads) = inner {
            kept_line.children.retain(|line| is_of(&line.text, heads));
            // One that nothing is said of is as it comes.
            if GLOBAL[kind] == "interface" && kept_line.children.iter().next().is_none() {
                continue;
            }
        }
        counts[kind] += 1;
        if counts[kind] <= LINES_MAX {
            kept.push(kept_line);
        }
    }
    kept
}

/// What leads from a configuration to the lines by which it worked: the lines to type, with the first words of those that are
/// wanted; all of them if none are named.
pub(super) fn way_back(config: &ConfigTree, worked: &ConfigTree, heads: &[&str]) -> Vec<String> {
    // Nothing else is ever proposed, whatever became of the file.
    let (now, then) = (way_lines(config), way_lines(worked));
    let mut lines = without_replaced(patch(&now, &then));
    lines.retain(|line| heads.is_empty() || is_of(&line.text, heads));
    for line in &mut lines {
        if line.text.starts_with("interface ") {
            // What changes its VRF loses its addresses.
            let moves = line.children.iter().any(|child| is_of(&child.text, &["vrf member"]));
            if let Some(was) = then.iter().find(|was| was.text == line.text).filter(|_| moves) {
                line.children = was.children.clone();
                continue;
            }
        }
        let children: Vec<Line> = line.children.iter().cloned().collect();
        line.children = without_replaced(children).into_iter().collect();
    }
    let mut typed = Vec::new();
    type_lines(&lines, &mut typed);
    typed
}

/// Without the `no` of lines whose place another one takes, and with toggles by their own words.
fn without_replaced(lines: Vec<Line>) -> Vec<Line> {
    let given: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
    let is_replaced = |text: &str| {
        let Some(old) = text.strip_prefix("no ") else { return false };
        let head = SINGLE.iter().find(|head| starts_with_words(old, head));
        head.is_some_and(|head| given.iter().any(|line| starts_with_words(line, head)))
    };
    let mut kept: Vec<Line> = lines.into_iter().filter(|line| !is_replaced(&line.text)).collect();
    for line in &mut kept {
        if let Some(toggle) = line.text.strip_prefix("default ") {
            line.text = toggle.to_owned();
        }
    }
    kept
}

/// Lines as they are typed: one below the other.
fn type_lines(lines: &[Line], typed: &mut Vec<String>) {
    let last = lines.len();
    for (place, line) in lines.iter().enumerate() {
        typed.push(line.text.clone());
        let children: Vec<Line> = line.children.iter().cloned().collect();
        type_lines(&children, typed);
        if !children.is_empty() && place + 1 < last {
            typed.push("exit".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use rumline_agent::MemoryDisk;

    use super::*;

    fn back(now: &str, then: &str, heads: &[&str]) -> Vec<String> {
        way_back(&ConfigTree::parse(now), &ConfigTree::parse(then), heads)
    }

    #[test]
    fn what_differs_is_typed_back_and_nothing_else() {
        let url = |port: u16| {
            format!("feature bgp\nlicense smart url cslu http://cslu:{port}/cslu/v1/pi\n")
        };
        assert_eq!(
            back(&url(1), &url(8182), &[]),
            ["license smart url cslu http://cslu:8182/cslu/v1/pi"]
        );
        assert_eq!(back(&url(1), &url(1), &[]), [""; 0]);
        assert_eq!(back("no ip domain-lookup\n", "", &[]), ["ip domain-lookup"]);
        assert_eq!(
            back(
                "ip name-server 192.0.2.1\nlicense smart vrf red\n",
                "ip name-server 192.0.2.2\n",
                &[]
            ),
            ["no ip name-server 192.0.2.1", "no license smart vrf red", "ip name-server 192.0.2.2"]
        );
        let only =
            back("ip name-server 192.0.2.1\nlicense smart vrf red\n", "", &["license smart vrf"]);
        assert_eq!(only, ["no license smart vrf red"]);
    }

    #[test]
    fn interfaces_that_change_their_vrf_get_their_addresses_again() {
        let port = |vrf: &str| {
            format!(
                "interface Ethernet1/2\n  description x\n  vrf member {vrf}\n  ip address 192.0.2.1/24\n"
            )
        };
        assert_eq!(
            back(&port("red"), &port("blue"), &[]),
            ["interface Ethernet1/2", "vrf member blue", "ip address 192.0.2.1/24"]
        );
        let down =
            "interface Ethernet1/2\n  ip address 192.0.2.1/24\n  shutdown\ncallhome\n  enable\n";
        let up = "interface Ethernet1/2\n  ip address 192.0.2.1/24\ncallhome\n  enable\n  email-contact a@b.c\n";
        assert_eq!(
            back(down, up, &[]),
            ["interface Ethernet1/2", "no shutdown", "exit", "callhome", "email-contact a@b.c"]
        );
    }

    #[test]
    fn it_is_kept_over_a_start_and_a_damaged_file_proposes_nothing() {
        let mut disk = MemoryDisk::default();
        let config =
            ConfigTree::parse("feature bgp\nlicense smart vrf red\nusername admin password 5 x\n");
        let mut worked = Worked::default();
        assert!(worked.lines(&mut disk).is_none());
        worked.leaves("1", &config);
        worked.answered("2", &mut disk);
        assert!(worked.lines(&mut disk).is_none(), "another message");
        worked.answered("1", &mut disk);
        let kept = disk.read(FILE).unwrap().unwrap();
        assert_eq!(kept, sealed("license smart vrf red\n").as_bytes());
        assert_eq!(damaged_way(&mut disk), Ok(None));
        for bit in 0..kept.len() * 8 {
            let mut flipped = kept.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            disk.write(FILE, &flipped).unwrap();
            assert!(Worked::default().lines(&mut disk).is_none(), "bit {bit}");
            assert_eq!(damaged_way(&mut disk), Ok(Some(FILE)));
        }
        disk.write(FILE, &kept).unwrap();
        let kept = Worked::default().lines(&mut disk).unwrap();
        assert_eq!(kept.render(), "license smart vrf red\n");
        disk.write(FILE, b"\xff\x00").unwrap();
        assert!(Worked::default().lines(&mut disk).is_none());
        let altered = sealed("reload\nlicense smart vrf blue\nno username admin\n");
        disk.write(FILE, altered.as_bytes()).unwrap();
        let altered = Worked::default().lines(&mut disk).unwrap();
        let back = way_back(&ConfigTree::default(), &altered, &[]);
        assert_eq!(back, ["license smart vrf blue"]);
    }

    #[test]
    fn of_many_lines_some_are_kept() {
        let mut text = String::new();
        for number in 0..200 {
            text.push_str(&format!("ip route 10.0.{number}.0/24 192.0.2.1\n"));
        }
        assert_eq!(way_lines(&ConfigTree::parse(&text)).len(), LINES_MAX);
    }
}
