//! The way of a licensing message, in every cell of what can be configured, against a table that was written from the guide.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::{Lab, PID, SERIAL, at, boot_with_links};
use rumline_agent::Transport;
use rumline_switch::{NoPath, Tls};

const TABLE: &str = include_str!("ways.txt");
const TRANSPORTS: [&str; 3] = ["smart", "cslu", "callhome"];
const THROUGH: [&str; 2] = ["direct", "proxy"];
const FAMILIES: [&str; 2] = ["ipv4", "ipv6"];
const VRFS: [&str; 3] = ["management", "default", "other"];
const SOURCES: [&str; 5] = ["none", "good", "none-set", "down", "elsewhere"];
const RELEASES: [&str; 5] = ["10.2(1)", "10.3(2)", "10.3(3)", "10.4(3)", "10.5(1)"];

/// What the table says of a cell.
fn expected(cell: &[&str; 6]) -> &'static str {
    for row in TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let fits = |(pattern, value): (&&str, &&str)| {
            *pattern == "*" || pattern.split('|').any(|one| one == *value)
        };
        if words.iter().zip(cell).all(fits) {
            let outcome = words[6];
            return &row[row.rfind(outcome).unwrap()..];
        }
    }
    panic!("no row for {cell:?}")
}

/// A switch with interfaces of each kind in each VRF.
fn lab(release: &str) -> Lab {
    let mut config = String::from("vrf context other\n");
    for (number, vrf) in VRFS.iter().enumerate() {
        let member =
            if *vrf == "default" { String::new() } else { format!("  vrf member {vrf}\n") };
        let address = |host: u8| {
            format!(
                "  ip address 192.0.{number}.{host}/24\n  ipv6 address 2001:db8:{number}::{host}/64\n"
            )
        };
        let port = |number: usize, lines: &str| {
            format!("interface Ethernet1/{number}\n  no switchport\n{member}{lines}")
        };
        config += &port(10 + number, &address(1));
        config += &port(20 + number, "");
        config += &port(30 + number, &address(3));
    }
    // Those from 30 on have no link.
    let links = (10..13).chain(20..23).map(|port| format!("Ethernet1/{port}")).collect();
    let release = format!("{release}F");
    boot_with_links(at("Mar 04 09:00:00 2024"), PID, SERIAL, &release, Some(&config), links)
        .unwrap()
}

/// The interface of a kind for a VRF.
fn interface(source: &str, vrf: &str) -> Option<String> {
    let number = VRFS.iter().position(|known| *known == vrf).unwrap();
    let port = match source {
        "none" => return None,
        "good" => 10 + number,
        "none-set" => 20 + number,
        "down" => 30 + number,
        "elsewhere" => 10 + (number + 1) % VRFS.len(),
        other => panic!("{other}"),
    };
    Some(format!("Ethernet1/{port}"))
}

/// The lines of a cell, each with what it sets.
fn lines(cell: &[&str; 6]) -> Vec<(&'static str, Vec<String>)> {
    let [transport, through, family, vrf, source, _] = *cell;
    let host = if family == "ipv6" { "[2001:db8::9]" } else { "192.0.2.9" };
    let interface = interface(source, vrf);
    let mut lines = vec![("transport", vec![format!("license smart transport {transport}")])];
    if transport == "callhome" {
        let inside = |line: String| vec!["callhome".to_owned(), line, "exit".to_owned()];
        lines.push(("enable", inside("enable".to_owned())));
        lines.push((
            "url",
            inside(format!("destination-profile xml index 1 http https://{host}/its")),
        ));
        if vrf != "management" {
            lines.push(("vrf", inside(format!("transport http use-vrf {vrf}"))));
        }
        if let Some(interface) = interface {
            lines.push(("source", inside(format!("source-interface {interface}"))));
        }
        if through == "proxy" {
            lines.push((
                "proxy",
                inside("transport http proxy server 192.0.2.8 port 3128".to_owned()),
            ));
            lines.push(("proxy", inside("transport http proxy enable".to_owned())));
        }
        return lines;
    }
    let url = match transport {
        "smart" => format!("license smart url smart https://{host}/licservice/license"),
        _ => format!("license smart url cslu http://{host}:8182/cslu/v1/pi"),
    };
    lines.push(("url", vec![url]));
    if vrf != "management" {
        lines.push(("vrf", vec![format!("license smart vrf {vrf}")]));
    }
    if let Some(interface) = interface {
        lines.push(("source", vec![format!("license smart source-interface {interface}")]));
    }
    if through == "proxy" {
        lines.push(("proxy", vec!["license smart proxy address 192.0.2.8".to_owned()]));
        lines.push(("proxy", vec!["license smart proxy port 3128".to_owned()]));
    }
    lines
}

/// What comes of a cell.
fn outcome(lab: &mut Lab, cell: &[&str; 6]) -> String {
    let [transport, _, _, vrf, source, release] = *cell;
    lab.run(&["configure terminal"]);
    let mut refused = None;
    for (what, typed) in lines(cell) {
        for line in &typed {
            if !lab.run(&[line]).is_empty() && refused.is_none() {
                refused = Some(format!("refused {what}"));
            }
        }
    }
    lab.run(&["end"]);
    if let Some(refused) = refused {
        return refused;
    }
    let transport = match transport {
        "smart" => Transport::Smart,
        "cslu" => Transport::Cslu,
        _ => Transport::Callhome,
    };
    let path = match lab.switch.licensing_path(transport) {
        Ok(path) => path,
        Err(NoPath::SourceDown(_)) => return "fails down".to_owned(),
        Err(NoPath::SourceInOtherVrf { .. }) => return "fails elsewhere".to_owned(),
        Err(other) => return format!("fails {other}"),
    };
    // PI-NET-006, PI-NET-007
    let tls = if release >= "10.4(3)" { Tls::V1_3 } else { Tls::V1_2 };
    assert_eq!((path.tls, path.has_ipv6), (tls, transport == Transport::Callhome), "{cell:?}");
    assert_eq!(path.way.vrf, vrf, "{cell:?}");
    let mut told = "leaves".to_owned();
    if let Some(from) = path.way.source {
        assert_eq!(Some(from.name), interface(source, vrf), "{cell:?}");
        assert_eq!(from.addresses.len(), 2);
        told += " from interface";
    }
    if let Some(proxy) = path.proxy {
        assert_eq!((proxy.host.as_str(), proxy.port), ("192.0.2.8", 3128));
        told += " through proxy";
    }
    told
}

/// All cells of a release.
fn cells(release: &'static str) -> Vec<[&'static str; 6]> {
    let mut cells = Vec::new();
    for transport in TRANSPORTS {
        for through in THROUGH {
            for family in FAMILIES {
                for vrf in VRFS {
                    cells.extend(
                        SOURCES.map(|source| [transport, through, family, vrf, source, release]),
                    );
                }
            }
        }
    }
    cells
}

/// Takes back whatever a cell set.
const BACK: [&str; 8] = [
    "no license smart transport",
    "no license smart url smart",
    "no license smart url cslu",
    "no license smart vrf",
    "no license smart source-interface",
    "no license smart proxy address",
    "no license smart proxy port",
    "no callhome",
];

#[test]
fn every_cell_leaves_as_the_guide_says() {
    // PI-NET-001 to 007, 018 to 024, 027, 028; PI-CLI-013, 017, 018, 030; REL-004, 005, 008
    let (mut count, mut left) = (0, 0);
    for release in RELEASES {
        let mut lab = lab(release);
        let before = lab.switch.running().render();
        for cell in cells(release) {
            let found = outcome(&mut lab, &cell);
            assert_eq!(found, expected(&cell), "{cell:?}");
            count += 1;
            left += usize::from(found.starts_with("leaves"));
            lab.run(&["configure terminal"]);
            lab.run(&BACK);
            lab.run(&["end"]);
            assert_eq!(lab.switch.running().render(), before, "{cell:?}");
        }
    }
    assert_eq!(count, 900);
    assert!(left > 300, "{left} leave");
}

#[test]
fn names_are_asked_in_the_management_vrf_and_later_in_that_of_licensing() {
    // PI-NET-008, C-12
    let config = "vrf context blue\n  ip name-server 192.0.2.1\nvrf context management\n  \
         ip name-server 192.0.2.2\nlicense smart vrf blue\ncallhome\n  enable\n  transport http use-vrf blue\n";
    for (release, asked) in [("10.2(1)F", "192.0.2.2"), ("10.3(2)F", "192.0.2.1")] {
        let lab =
            common::boot(at("Mar 04 09:00:00 2024"), PID, SERIAL, release, Some(config)).unwrap();
        for transport in [Transport::Cslu, Transport::Callhome] {
            let path = lab.switch.licensing_path(transport).unwrap();
            let servers: Vec<String> =
                path.names.servers.iter().map(|server| server.address.to_string()).collect();
            assert_eq!(servers, [asked], "{release} {transport:?}");
        }
    }
}
