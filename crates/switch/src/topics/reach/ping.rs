//! What is shown of a ping (PI-CLI-031).

use std::net::IpAddr;

use super::options::Options;
use super::{NoProbe, ProbeAnswer, Stop, millis};
use crate::topics::network::Path;

const COUNT: u64 = 5;
const PAYLOAD_BYTES: u64 = 56;
const TIMEOUT_SECONDS: u64 = 2;
/// The head of an echo, in bytes.
const HEAD_BYTES: usize = 8;

/// A ping that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Whom to, as it was typed.
    pub host: String,
    /// Whether by IPv6 only.
    pub is_ipv6: bool,
    /// Which way.
    pub path: Path,
    /// How many; no end to it if none.
    pub count: Option<u64>,
    /// What each carries.
    pub payload_bytes: usize,
    /// How long an answer is waited for.
    pub timeout_seconds: u64,
    /// From one to the next.
    pub interval_seconds: u64,
}

impl Ping {
    pub(super) fn new(host: String, is_ipv6: bool, path: Path, options: &Options) -> Self {
        let payload_bytes = options.payload_bytes.unwrap_or(PAYLOAD_BYTES);
        Self {
            host,
            is_ipv6,
            path,
            count: options.count.unwrap_or(Some(COUNT)),
            payload_bytes: usize::try_from(payload_bytes).unwrap_or_default(),
            timeout_seconds: options.timeout_seconds.unwrap_or(TIMEOUT_SECONDS),
            interval_seconds: options.interval_seconds.unwrap_or_default(),
        }
    }
}

/// A ping that goes on: what was seen so far.
#[derive(Clone, Debug)]
pub struct PingReport {
    ping: Ping,
    to: Option<IpAddr>,
    sent: u64,
    received: u64,
    min_micros: u64,
    max_micros: u64,
    sum_micros: u64,
}

impl PingReport {
    /// Nothing was seen.
    #[must_use]
    pub fn new(ping: Ping) -> Self {
        let (sent, received, sum_micros) = (0, 0, 0);
        let (min_micros, max_micros) = (u64::MAX, 0);
        Self { ping, to: None, sent, received, min_micros, max_micros, sum_micros }
    }

    /// It goes to an address.
    pub fn begun(&mut self, to: IpAddr, has_icmp: bool) -> String {
        self.to = Some(to);
        let without = if has_icmp {
            ""
        } else {
            "ICMP is not permitted to this process: a closed UDP port is asked instead\n"
        };
        let name = if self.ping.is_ipv6 { "PING6" } else { "PING" };
        let source = self.ping.path.way.source.as_ref();
        let source = source.and_then(|source| {
            source.addresses.iter().find(|address| address.is_ipv4() == to.is_ipv4())
        });
        let from = source.map(|address| format!(" from {address}")).unwrap_or_default();
        let Ping { host, payload_bytes, .. } = &self.ping;
        format!("{without}{name} {host} ({to}){from}: {payload_bytes} data bytes\n")
    }

    /// What came of the next packet.
    pub fn answered(&mut self, answer: ProbeAnswer) -> String {
        let number = self.sent;
        self.sent += 1;
        let timed_out = format!("Request {number} timed out\n");
        match answer {
            ProbeAnswer::Reply { from, bytes, ttl, micros } => {
                self.received += 1;
                self.min_micros = self.min_micros.min(micros);
                self.max_micros = self.max_micros.max(micros);
                self.sum_micros += micros;
                // NX-OS shows no time to live of IPv6.
                let ttl = ttl.filter(|_| from.is_ipv4()).map(|ttl| format!(" ttl={ttl}"));
                let ttl = ttl.unwrap_or_default();
                let time = millis(micros);
                format!("{bytes} bytes from {from}: icmp_seq={number}{ttl} time={time} ms\n")
            }
            ProbeAnswer::Stopped { from, bytes, why, .. } => {
                let why = match why {
                    Stop::Expired => "Time to live exceeded",
                    Stop::Port => "Destination Port Unreachable",
                    Stop::Network => "Destination Net Unreachable",
                    Stop::Host => "Destination Host Unreachable",
                    Stop::Protocol => "Destination Protocol Unreachable",
                    Stop::Forbidden => "Communication prohibited by filter",
                    Stop::TooLarge => "frag needed and DF set",
                };
                format!("{bytes} bytes from {from}: {why}\n{timed_out}")
            }
            ProbeAnswer::Silence => timed_out,
            ProbeAnswer::NotSent(why) => {
                let to = self.to.map(|to| to.to_string()).unwrap_or_default();
                let bytes = self.ping.payload_bytes + HEAD_BYTES;
                format!("ping: sendto {to} {bytes} chars, {why}\n{timed_out}")
            }
        }
    }

    /// It is over, or somebody ended it: the statistics, or why there are none.
    #[must_use]
    pub fn ended(&self, outcome: Result<(), NoProbe>) -> String {
        if let Err(none) = outcome {
            return none.text(&self.ping.host);
        }
        if self.to.is_none() {
            return String::new();
        }
        let Self { sent, received, .. } = self;
        let lost = ((sent - received) * 10_000).checked_div(*sent).unwrap_or(0);
        let mut text = format!(
            "\n--- {} ping statistics ---\n{sent} packets transmitted, {received} packets received, {}.{:02}% packet \
             loss\n",
            self.ping.host,
            lost / 100,
            lost % 100
        );
        if let Some(average) = self.sum_micros.checked_div(*received) {
            text.push_str(&format!(
                "round-trip min/avg/max = {}/{}/{} ms\n",
                millis(self.min_micros),
                millis(average),
                millis(self.max_micros)
            ));
        }
        text
    }
}
