//! Echoes to a host, one after the other.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::Type;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::icmp::{self, Ours, Said};
use super::{
    NotSent, ProbeAnswer, ProbeError, Probed, address, icmp_socket, own_number, raw_icmp,
    socket_error,
};
use crate::outlets::Contact;

/// Between two echoes at least: a host is not flooded.
const PAUSE: Duration = Duration::from_millis(10);
/// Where nobody listens, as traceroute has it.
const CLOSED_PORT: u16 = 33_434;
/// The room for what comes around a payload, in bytes.
const AROUND_BYTES: usize = 128;

/// What is sent.
#[derive(Clone, Debug)]
pub struct PingPlan {
    /// Whom to.
    pub host: String,
    /// Whether only an IPv6 address will do.
    pub wants_ipv6: bool,
    /// How many; as many as there is time for if none.
    pub count: Option<u64>,
    /// What each carries.
    pub payload_bytes: usize,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// From one to the next.
    pub interval: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Packets of ICMP as they are.
    Raw,
    /// Echoes that the system counts.
    Echo,
    /// Without the right to either: datagrams to a port where nobody listens.
    Datagram,
}

struct Pinger {
    socket: UdpSocket,
    kind: Kind,
    to: IpAddr,
    id: u16,
}

impl Pinger {
    /// Raw ICMP shows the most; echoes need no right where the machine allows them; a closed port always answers something.
    async fn open(contact: &Contact, to: IpAddr) -> Result<Self, ProbeError> {
        let id = own_number();
        let outlet = &contact.outlet;
        if let Ok(socket) = raw_icmp(outlet, to).await {
            return Ok(Self { socket, kind: Kind::Raw, to, id });
        }
        if let Ok(socket) = icmp_socket(outlet, to, Type::DGRAM).await {
            return Ok(Self { socket, kind: Kind::Echo, to, id });
        }
        let socket = outlet.socket(to, Type::DGRAM, None).await;
        let socket = socket.and_then(|socket| UdpSocket::from_std(socket.into()));
        let socket = socket.map_err(|error| socket_error(&error))?;
        Ok(Self { socket, kind: Kind::Datagram, to, id })
    }

    async fn send(&self, sequence: u16, payload_bytes: usize) -> std::io::Result<()> {
        let is_ipv6 = self.to.is_ipv6();
        match self.kind {
            Kind::Raw | Kind::Echo => {
                let packet = icmp::echo(is_ipv6, self.id, sequence, payload_bytes);
                self.socket.send_to(&packet, SocketAddr::new(self.to, 0)).await?;
            }
            Kind::Datagram => {
                // Only whoever is connected hears that nobody listens.
                let port = CLOSED_PORT + sequence % 64;
                self.socket.connect(SocketAddr::new(self.to, port)).await?;
                self.socket.send(&vec![0; payload_bytes]).await?;
            }
        }
        Ok(())
    }

    /// What is heard in time about an echo that was sent then.
    async fn heard(
        &self,
        sequence: u16,
        payload_bytes: usize,
        sent_at: Instant,
        timeout: Duration,
    ) -> ProbeAnswer {
        let end = sent_at + timeout;
        let micros = || u64::try_from(sent_at.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut buffer = vec![0; payload_bytes + AROUND_BYTES];
        // Others' answers do not lengthen the wait.
        while Instant::now() < end {
            let Ok(received) = timeout_at(end, self.socket.recv_from(&mut buffer)).await else {
                break;
            };
            let (length, from) = match received {
                Ok((length, from)) => (length, from.ip()),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    let bytes = payload_bytes + icmp::HEAD_BYTES;
                    return ProbeAnswer::Reply {
                        from: self.to,
                        bytes,
                        ttl: None,
                        micros: micros(),
                    };
                }
                Err(error) => return ProbeAnswer::NotSent(NotSent::of(&error)),
            };
            if self.kind == Kind::Datagram {
                // Somebody listens there after all.
                return ProbeAnswer::Reply { from, bytes: length, ttl: None, micros: micros() };
            }
            let is_raw = self.kind == Kind::Raw;
            match icmp::said(&buffer[..length], self.to, is_raw) {
                // The system gives echoes a number of its own.
                Some(Said::Echo { id, sequence: answered, bytes, ttl })
                    if answered == sequence && (!is_raw || id == self.id) =>
                {
                    return ProbeAnswer::Reply { from, bytes, ttl, micros: micros() };
                }
                Some(Said::Stopped { ours, why, bytes })
                    if ours == (Ours::Echo { id: self.id, sequence }) =>
                {
                    return ProbeAnswer::Stopped { from, bytes, why, micros: micros() };
                }
                _ => {}
            }
        }
        ProbeAnswer::Silence
    }
}

/// Asks a host whether it answers; ends early when nobody listens any more.
///
/// # Errors
/// When nothing can be sent at all.
pub async fn ping(
    contact: &Contact,
    plan: &PingPlan,
    tell: &mpsc::Sender<Probed>,
) -> Result<(), ProbeError> {
    let to = address(contact, &plan.host, plan.wants_ipv6).await?;
    let pinger = Pinger::open(contact, to).await?;
    let has_icmp = pinger.kind != Kind::Datagram;
    if tell.send(Probed::Begun { to, has_icmp }).await.is_err() {
        return Ok(());
    }
    let mut sequence: u16 = 0;
    let mut left = plan.count;
    while left != Some(0) {
        let sent_at = Instant::now();
        let answer = match pinger.send(sequence, plan.payload_bytes).await {
            Ok(()) => pinger.heard(sequence, plan.payload_bytes, sent_at, plan.timeout).await,
            Err(error) => ProbeAnswer::NotSent(NotSent::of(&error)),
        };
        if tell.send(Probed::Answer(answer)).await.is_err() {
            return Ok(());
        }
        left = left.map(|left| left - 1);
        sequence = sequence.wrapping_add(1);
        if left != Some(0) {
            sleep(plan.interval.max(PAUSE)).await;
        }
    }
    Ok(())
}
