//! What is shown of a traceroute.

use std::net::IpAddr;

use super::{NoProbe, ProbeAnswer, Stop, millis};
use crate::topics::network::Path;

/// A traceroute that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Whom to, as it was typed.
    pub host: String,
    /// Whether by IPv6 only.
    pub is_ipv6: bool,
    /// Which way.
    pub path: Path,
}

impl Trace {
    /// So many hops at most.
    pub const HOPS_MAX: u8 = 30;
    /// So many packets for each hop.
    pub const PROBES: u8 = 3;
    /// How long an answer is waited for.
    pub const TIMEOUT_SECONDS: u64 = 3;
    /// The size of a packet.
    const PACKET_BYTES: u8 = 40;
}

/// A traceroute that goes on: what was seen so far.
#[derive(Clone, Debug)]
pub struct TraceReport {
    trace: Trace,
    answers: u64,
    /// Who answered last for this hop.
    last: Option<IpAddr>,
    has_line: bool,
}

impl TraceReport {
    /// Nothing was seen.
    #[must_use]
    pub fn new(trace: Trace) -> Self {
        Self { trace, answers: 0, last: None, has_line: false }
    }

    /// It goes to an address.
    pub fn begun(&mut self, to: IpAddr, has_icmp: bool) -> String {
        let without = if has_icmp {
            ""
        } else {
            "ICMP is not permitted to this process (it needs CAP_NET_RAW): only the host itself is seen\n"
        };
        let name = if self.trace.is_ipv6 { "traceroute6" } else { "traceroute" };
        let (host, hops, bytes) = (&self.trace.host, Trace::HOPS_MAX, Trace::PACKET_BYTES);
        format!("{without}{name} to {host} ({to}), {hops} hops max, {bytes} byte packets\n")
    }

    /// What came of the next packet.
    pub fn answered(&mut self, answer: ProbeAnswer) -> String {
        let probes = u64::from(Trace::PROBES);
        let (hop, place) = (self.answers / probes + 1, self.answers % probes);
        self.answers += 1;
        let mut text = String::new();
        if place == 0 {
            self.last = None;
            text.push_str(&format!("{hop:>2} "));
        }
        match answer {
            ProbeAnswer::Reply { from, micros, .. } => self.push_hop(from, micros, "", &mut text),
            ProbeAnswer::Stopped { from, micros, why, .. } => {
                let mark = match why {
                    Stop::Expired | Stop::Port => "",
                    Stop::Network => " !N",
                    Stop::Host => " !H",
                    Stop::Protocol => " !P",
                    Stop::Forbidden => " !X",
                    Stop::TooLarge => " !F",
                };
                self.push_hop(from, micros, mark, &mut text);
            }
            ProbeAnswer::Silence => text.push_str(" *"),
            ProbeAnswer::NotSent(why) => text.push_str(&format!(" {why}")),
        }
        self.has_line = place + 1 < probes;
        if !self.has_line {
            text.push('\n');
        }
        text
    }

    fn push_hop(&mut self, from: IpAddr, micros: u64, mark: &str, text: &mut String) {
        if self.last.replace(from) != Some(from) {
            text.push_str(&format!(" {from} ({from})"));
        }
        text.push_str(&format!("  {} ms{mark}", millis(micros)));
    }

    /// It is over, or somebody ended it.
    #[must_use]
    pub fn ended(&self, outcome: Result<(), NoProbe>) -> String {
        match outcome {
            Err(none) => none.text(&self.trace.host),
            Ok(()) if self.has_line => "\n".to_owned(),
            Ok(()) => String::new(),
        }
    }
}
