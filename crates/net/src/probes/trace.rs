//! The hops on the way to a host: datagrams that may pass one hop, two, three, and who says that they ended there.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::Type;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::icmp::{self, Ours, Said, Why};
use super::{NotSent, ProbeAnswer, ProbeError, Probed, address, raw_icmp, socket_error};
use crate::outlets::{Contact, Outlet};

/// The port of the first datagram: nobody listens there.
const PORT: u16 = 33_434;
/// What a datagram carries, in bytes: 40 with its heads.
const PAYLOAD_BYTES: usize = 12;
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1_500;

/// What is sent.
#[derive(Clone, Debug)]
pub struct TracePlan {
    /// Whom to.
    pub host: String,
    /// Whether only an IPv6 address will do.
    pub wants_ipv6: bool,
    /// So many hops at most.
    pub hops_max: u8,
    /// So many datagrams for each hop.
    pub probes: u8,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

/// Whether nothing is beyond what answered so.
fn is_last(answer: ProbeAnswer, to: IpAddr) -> bool {
    match answer {
        ProbeAnswer::Stopped { from, why, .. } => from == to || why != Why::Expired,
        ProbeAnswer::NotSent(_) => true,
        ProbeAnswer::Reply { .. } | ProbeAnswer::Silence => false,
    }
}

/// A datagram socket that lets its datagrams pass so many hops.
async fn socket(outlet: &Outlet, to: IpAddr, hops: u8) -> std::io::Result<UdpSocket> {
    let socket = outlet.socket(to, Type::DGRAM, None).await?;
    if to.is_ipv4() {
        socket.set_ttl_v4(u32::from(hops))?;
    } else {
        socket.set_unicast_hops_v6(u32::from(hops))?;
    }
    UdpSocket::from_std(socket.into())
}

/// What is heard about a datagram.
async fn heard(
    icmp: Option<&UdpSocket>,
    socket: &UdpSocket,
    to: SocketAddr,
    end: Instant,
) -> ProbeAnswer {
    let sent_at = Instant::now();
    let micros = || u64::try_from(sent_at.elapsed().as_micros()).unwrap_or(u64::MAX);
    let from_port = socket.local_addr().map_or(0, |address| address.port());
    let mine = Ours::Datagram { from_port, to_port: to.port() };
    let mut buffer = [0; ANSWER_BYTES_MAX];
    while Instant::now() < end {
        let Some(icmp) = icmp else {
            // All that is heard without it is that nobody listens at the end.
            let is_closed = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
            return match timeout_at(end, socket.recv(&mut buffer)).await {
                Ok(received) if received.as_ref().err().is_none_or(is_closed) => {
                    let from = to.ip();
                    ProbeAnswer::Stopped { from, bytes: 0, why: Why::Port, micros: micros() }
                }
                _ => ProbeAnswer::Silence,
            };
        };
        let Ok(Ok((length, from))) = timeout_at(end, icmp.recv_from(&mut buffer)).await else {
            break;
        };
        match icmp::said(&buffer[..length], to.ip(), true) {
            Some(Said::Stopped { ours, why, bytes }) if ours == mine => {
                return ProbeAnswer::Stopped { from: from.ip(), bytes, why, micros: micros() };
            }
            _ => {}
        }
    }
    ProbeAnswer::Silence
}

/// Finds the hops to a host; ends early when nobody listens any more.
///
/// # Errors
/// When nothing can be sent at all.
pub async fn trace(
    contact: &Contact,
    plan: &TracePlan,
    tell: &mpsc::Sender<Probed>,
) -> Result<(), ProbeError> {
    let to = address(contact, &plan.host, plan.wants_ipv6).await?;
    // It is bound to no address: what the hops say comes to whichever the datagrams left by.
    let icmp = raw_icmp(&contact.outlet, to).await.ok();
    if tell.send(Probed::Begun { to, has_icmp: icmp.is_some() }).await.is_err() {
        return Ok(());
    }
    let mut port = PORT;
    for hops in 1..=plan.hops_max {
        let mut was_last = false;
        for _ in 0..plan.probes {
            let place = SocketAddr::new(to, port);
            port = port.wrapping_add(1).max(PORT);
            let socket = socket(&contact.outlet, to, hops).await.map_err(|e| socket_error(&e))?;
            let sent = async {
                socket.connect(place).await?;
                socket.send(&[0; PAYLOAD_BYTES]).await
            };
            let answer = match sent.await {
                Ok(_) => heard(icmp.as_ref(), &socket, place, Instant::now() + plan.timeout).await,
                Err(error) => ProbeAnswer::NotSent(NotSent::of(&error)),
            };
            was_last |= is_last(answer, to);
            if tell.send(Probed::Answer(answer)).await.is_err() {
                return Ok(());
            }
        }
        if was_last {
            break;
        }
    }
    Ok(())
}
