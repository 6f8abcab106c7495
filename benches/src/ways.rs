//! The way of a licensing message: what a decision costs a switch with three VRFs and a long configuration.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Result;
use rumline_agent::{MemoryDisk, Transport};
use rumline_net::OsRandom;
use rumline_protocol::{RealSuite, Timestamp};
use rumline_switch::{Devices, Hardware, Switch};

const ROUNDS: usize = 10_000;

/// Three VRFs, each with a source interface and name servers, among 2,000 other lines.
fn config() -> String {
    let mut text = String::from(
        "license smart vrf blue\nlicense smart source-interface Ethernet1/2\nlicense smart proxy address 192.0.2.8\n\
         license smart proxy port 3128\ncallhome\n  enable\n  transport http use-vrf red\n  source-interface Ethernet1/3\n",
    );
    for (number, vrf) in ["management", "blue", "red"].iter().enumerate() {
        let port = number + 1;
        let _infallible = write!(
            text,
            "vrf context {vrf}\n  ip domain-name {vrf}.example.net\n  ip name-server 192.0.2.1 192.0.2.2\n\
             interface Ethernet1/{port}\n  no switchport\n  vrf member {vrf}\n  ip address 10.0.{port}.1/24\n"
        );
    }
    for number in 0..2_000 {
        let _infallible =
            writeln!(text, "ip route 10.{}.{}.0/24 192.0.2.1", number / 250, number % 250);
    }
    text
}

pub(crate) fn run() -> Result<()> {
    let (mut store, mut flash) = (MemoryDisk::default(), MemoryDisk::default());
    let mut random = OsRandom;
    let mut devices = Devices { store: &mut store, flash: &mut flash, random: &mut random };
    let hardware = Hardware {
        pid: "N9K-C93180YC-FX3".to_owned(),
        serial: "BENCH".to_owned(),
        release: "10.5(1)F".to_owned(),
        root_certificate: Vec::new(),
        maker_key: None,
        with_defects: false,
        links: (1..=3).map(|port| format!("Ethernet1/{port}")).collect(),
    };
    let suite = Arc::new(RealSuite);
    let config = config();
    let now = Timestamp(1_790_000_000);
    let (switch, _) = Switch::boot(now, &hardware, suite, Some(&config), "bench", &mut devices)?;
    for (name, transport) in
        [("smart", Transport::Smart), ("CSLU", Transport::Cslu), ("Call Home", Transport::Callhome)]
    {
        let path = switch.licensing_path(transport)?;
        anyhow::ensure!(path.way.source.is_some() && !path.names.servers.is_empty(), "{path:?}");
        let began = crate::cpu_seconds();
        for _ in 0..ROUNDS {
            std::hint::black_box(switch.licensing_path(std::hint::black_box(transport))?);
        }
        let micros = (crate::cpu_seconds() - began) / ROUNDS as f64 * 1e6;
        println!("ways: {name}: {micros:.1} us a decision (wanted: under 20)");
    }
    Ok(())
}
