//! A long paste into a switch: what twice as many lines cost, and how long a piece of it holds everybody else.

use std::sync::Arc;

use anyhow::{Result, ensure};
use rumline_agent::MemoryDisk;
use rumline_net::OsRandom;
use rumline_protocol::{RealSuite, Timestamp};
use rumline_switch::{Devices, Hardware, Session, Switch};

const LINES: usize = 5_000;
/// What the SSH server hands on at a time.
const PIECE_BYTES: usize = 8 << 10;
const ROUNDS: usize = 3;

/// Names a kind of lines, and makes the one of a number.
type Kind = (&'static str, fn(usize) -> String);

const KINDS: &[Kind] = &[
    ("interfaces", |n| match n % 5 {
        0 => format!("interface Vlan{}", n / 5),
        1 => format!("  description to rack {n}"),
        2 => "  no shutdown".to_owned(),
        3 => format!("  ip address 10.{}.{}.1/24", n / 250 % 250, n % 250),
        _ => "  mtu 9216".to_owned(),
    }),
    ("routes", |n| format!("ip route 10.{}.{}.0/24 192.0.2.1", n / 250 % 250, n % 250)),
    ("entries", |n| match n {
        0 => "feature tap-aggregation".to_owned(),
        1 => "ip access-list LONG".to_owned(),
        _ => format!("permit ip host 10.{}.{}.1 any redirect Ethernet1/1", n / 250 % 250, n % 250),
    }),
    ("names", |n| format!("ip host server-{n} 192.0.2.1")),
    ("vlans", |n| if n % 2 == 0 { format!("vlan {}", n / 2) } else { format!("name of-{n}") }),
    // Every line is there already.
    ("again", |n| format!("ip route 10.0.{}.0/24 192.0.2.{}", n % 2_500 / 250, n % 250)),
];

pub(crate) fn run() -> Result<()> {
    for (name, line) in KINDS {
        let mut best = [(f64::MAX, 0.0); 2];
        for _ in 0..ROUNDS {
            // In turn, since the machine's speed changes by the minute.
            for (count, best) in [LINES, 2 * LINES].into_iter().zip(&mut best) {
                let took = paste(count, line)?;
                if took.0 < best.0 {
                    *best = took;
                }
            }
        }
        let [(half, _), (whole, longest)] = best;
        println!(
            "paste: {name}: {:.2} s for {} lines, ratio to half of them {:.2} (wanted: under 2.2), longest piece \
             {:.1} ms (wanted: under 50)",
            whole,
            2 * LINES,
            whole / half,
            longest * 1e3
        );
    }
    Ok(())
}

/// Seconds for all lines, and for the piece that took longest.
fn paste(count: usize, line: &fn(usize) -> String) -> Result<(f64, f64)> {
    let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
    let mut random = OsRandom;
    let mut devices = Devices { store: &mut store, flash: &mut flash, random: &mut random };
    let hardware = Hardware {
        pid: "N9K-C93180YC-FX3".to_owned(),
        serial: "BENCH".to_owned(),
        release: "10.4(3)F".to_owned(),
        root_certificate: Vec::new(),
        maker_key: None,
        with_defects: false,
        links: std::collections::BTreeSet::new(),
    };
    let now = Timestamp(1_790_000_000);
    let (mut switch, _) =
        Switch::boot(now, &hardware, Arc::new(RealSuite), None, "bench", &mut devices)?;
    let mut session = Session::for_program("admin");
    switch.execute(now, &mut session, "configure terminal", &mut devices);
    let lines: Vec<String> = (0..count).map(line).collect();
    let (mut longest, mut piece, mut bytes) = (0.0_f64, crate::wall_seconds(), 0);
    let started = piece;
    for line in &lines {
        let outcome = switch.execute(now, &mut session, line, &mut devices);
        ensure!(outcome.error.is_none(), "{line}: {}", outcome.reply.text);
        bytes += line.len() + 1;
        if bytes > PIECE_BYTES {
            longest = longest.max(crate::wall_seconds() - piece);
            (piece, bytes) = (crate::wall_seconds(), 0);
        }
    }
    Ok((crate::wall_seconds() - started, longest))
}
