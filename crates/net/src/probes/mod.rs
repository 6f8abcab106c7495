//! Whether hosts answer, and over which others: ping and traceroute by the way of a VRF (PI-CLI-031). What is seen is told as it
//! is seen; whoever asked makes words of it.

mod icmp;
mod ping;
mod trace;

use std::net::IpAddr;

use rumline_agent::Reason;
use rumline_protocol::Random;
use socket2::{Protocol, Type};
use tokio::net::UdpSocket;

use crate::OsRandom;
use crate::outlets::{Contact, Outlet, reason_of};
pub use icmp::Why;
pub use ping::{PingPlan, ping};
pub use trace::{TracePlan, trace};

/// What is told of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It goes to this address.
    Begun {
        /// The address.
        to: IpAddr,
        /// Whether this process may use ICMP; without it less is seen.
        has_icmp: bool,
    },
    /// What came of one attempt.
    Answer(ProbeAnswer),
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// The host answered.
    Reply {
        /// Its address.
        from: IpAddr,
        /// With so many bytes.
        bytes: usize,
        /// Its time to live, where the socket shows it.
        ttl: Option<u8>,
        /// After so many microseconds.
        micros: u64,
    },
    /// Somebody said that it got no further.
    Stopped {
        /// Who.
        from: IpAddr,
        /// With so many bytes.
        bytes: usize,
        /// Why.
        why: Why,
        /// After so many microseconds.
        micros: u64,
    },
    /// Nobody said anything in time.
    Silence,
    /// It did not leave.
    NotSent(NotSent),
}

/// Why nothing is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// There is no address for the host.
    NoHost,
    /// The socket cannot be opened or bound.
    Socket(&'static str),
}

/// The address of a host in the family that is wanted.
async fn address(contact: &Contact, host: &str, wants_ipv6: bool) -> Result<IpAddr, ProbeError> {
    let found = if wants_ipv6 {
        contact.names.ipv6_address(host).await
    } else {
        contact.names.address(host, true).await
    };
    found.map_err(|_| ProbeError::NoHost)
}

fn socket_error(error: &std::io::Error) -> ProbeError {
    ProbeError::Socket(match reason_of(error) {
        Reason::SourceAddress => "The source address cannot be used on this machine",
        Reason::Vrf => "The VRF cannot be entered on this machine",
        _ => "The socket cannot be opened",
    })
}

/// Why a packet did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// There is no route.
    NoRoute,
    /// It is larger than may leave.
    TooLong,
    /// This machine does not let it out.
    Denied,
    /// Something else.
    Other,
}

impl NotSent {
    fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown => {
                Self::NoRoute
            }
            ErrorKind::PermissionDenied => Self::Denied,
            _ if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE) => {
                Self::TooLong
            }
            _ => Self::Other,
        }
    }
}

/// A socket that ICMP is heard by, if this process may have one: it hears all of a host's.
async fn raw_icmp(outlet: &Outlet, to: IpAddr) -> std::io::Result<UdpSocket> {
    icmp_socket(outlet, to, Type::RAW).await
}

async fn icmp_socket(outlet: &Outlet, to: IpAddr, kind: Type) -> std::io::Result<UdpSocket> {
    let protocol = if to.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let socket = outlet.socket(to, kind, Some(protocol)).await?;
    // It sends and receives as one for datagrams does.
    UdpSocket::from_std(socket.into())
}

/// A number that tells our packets from those of others.
fn own_number() -> u16 {
    u16::try_from(OsRandom.below(1 << 16)).unwrap_or_default()
}
