//! Packets of ICMP, written and read (RFC 792, RFC 4443).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An echo's head, in bytes.
pub(super) const HEAD_BYTES: usize = 8;
const IPV6_HEAD_BYTES: usize = 40;
const UDP: u8 = 17;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// An answer to an echo.
    Echo { id: u16, sequence: u16, bytes: usize, ttl: Option<u8> },
    /// A packet of ours got no further.
    Stopped { ours: Ours, why: Why, bytes: usize },
}

/// Which packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ours {
    Echo { id: u16, sequence: u16 },
    Datagram { from_port: u16, to_port: u16 },
}

/// Why a packet got no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It passed as many hops as it might.
    Expired,
    /// Nobody listens there: the host itself says so.
    Port,
    /// There is no way to its network.
    Network,
    /// The host does not answer.
    Host,
    /// The host does not know the protocol.
    Protocol,
    /// Somebody forbids it.
    Forbidden,
    /// It is too large for a link.
    TooLarge,
}

fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// An echo request. Of IPv6 the system computes the sum.
pub(super) fn echo(is_ipv6: bool, id: u16, sequence: u16, payload_bytes: usize) -> Vec<u8> {
    let mut packet = vec![if is_ipv6 { 128 } else { 8 }, 0, 0, 0];
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend((0..=u8::MAX).cycle().take(payload_bytes));
    if !is_ipv6 {
        let sum = sum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    packet
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// What is behind the head of an IPv4 packet, its protocol, and its time to live.
fn behind_ipv4(packet: &[u8]) -> Option<(&[u8], u8, u8)> {
    let first = *packet.first()?;
    let head_bytes = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || head_bytes < 20 {
        return None;
    }
    Some((packet.get(head_bytes..)?, *packet.get(9)?, *packet.get(8)?))
}

/// The address that a packet of ours went to, and which one it is.
fn ours(packet: &[u8], is_ipv6: bool) -> Option<(IpAddr, Ours)> {
    let (rest, protocol, to) = if is_ipv6 {
        let to: [u8; 16] = packet.get(24..IPV6_HEAD_BYTES)?.try_into().ok()?;
        let rest = packet.get(IPV6_HEAD_BYTES..)?;
        (rest, *packet.get(6)?, IpAddr::V6(Ipv6Addr::from(to)))
    } else {
        let (rest, protocol, _) = behind_ipv4(packet)?;
        let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
        (rest, protocol, IpAddr::V4(Ipv4Addr::from(to)))
    };
    let ours = match (protocol, rest.first()?) {
        (UDP, _) => Ours::Datagram { from_port: number(rest, 0)?, to_port: number(rest, 2)? },
        (1, 8) | (58, 128) => Ours::Echo { id: number(rest, 4)?, sequence: number(rest, 6)? },
        _ => return None,
    };
    Some((to, ours))
}

/// What a packet says about what went to an address. A raw socket of IPv4 gives the packet with its head.
pub(super) fn said(packet: &[u8], to: IpAddr, has_head: bool) -> Option<Said> {
    let is_ipv6 = to.is_ipv6();
    let (message, ttl) = if has_head && !is_ipv6 {
        let (message, _, ttl) = behind_ipv4(packet)?;
        (message, Some(ttl))
    } else {
        (packet, None)
    };
    let bytes = message.len();
    let (kind, code) = (*message.first()?, *message.get(1)?);
    let why = match (is_ipv6, kind, code) {
        (false, 0, _) | (true, 129, _) => {
            let (id, sequence) = (number(message, 4)?, number(message, 6)?);
            return Some(Said::Echo { id, sequence, bytes, ttl });
        }
        (false, 11, _) | (true, 3, _) => Why::Expired,
        (false, 3, 3) | (true, 1, 4) => Why::Port,
        (false, 3, 0 | 6) | (true, 1, 0) => Why::Network,
        (false, 3, 2) => Why::Protocol,
        (false, 3, 4) | (true, 2, _) => Why::TooLarge,
        (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => Why::Forbidden,
        (false, 3, _) | (true, 1, _) => Why::Host,
        _ => return None,
    };
    let (went_to, ours) = ours(message.get(HEAD_BYTES..)?, is_ipv6)?;
    (went_to == to).then_some(Said::Stopped { ours, why, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(protocol: u8, ttl: u8, to: [u8; 4], rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, ttl, protocol, 0, 0, 10, 0, 0, 1];
        packet.extend_from_slice(&to);
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn what_packets_say_is_read() {
        let to: IpAddr = "192.0.2.9".parse().unwrap();
        let request = echo(false, 7, 3, 56);
        assert_eq!((request.len(), sum(&request)), (64, 0));
        let mut answer = request.clone();
        answer[0] = 0;
        let packet = ipv4(1, 61, [192, 0, 2, 1], &answer);
        let expected = Said::Echo { id: 7, sequence: 3, bytes: 64, ttl: Some(61) };
        assert_eq!(said(&packet, to, true), Some(expected));
        // One's own request is no answer.
        assert_eq!(said(&ipv4(1, 61, [192, 0, 2, 9], &request), to, true), None);
        let inner = ipv4(1, 1, [192, 0, 2, 9], &request);
        let expired = [&[11, 0, 0, 0, 0, 0, 0, 0][..], &inner].concat();
        let ours = Ours::Echo { id: 7, sequence: 3 };
        let expected = Said::Stopped { ours, why: Why::Expired, bytes: 92 };
        assert_eq!(said(&ipv4(1, 255, [10, 0, 0, 1], &expired), to, true), Some(expected));
        // What went to somebody else is somebody else's.
        let other = "192.0.2.8".parse().unwrap();
        assert_eq!(said(&ipv4(1, 255, [10, 0, 0, 1], &expired), other, true), None);
        let datagram = [0x82, 0x9a, 0x82, 0x9b, 0, 8, 0, 0];
        let inner = ipv4(17, 1, [192, 0, 2, 9], &datagram);
        let closed = [&[3, 3, 0, 0, 0, 0, 0, 0][..], &inner].concat();
        let ours = Ours::Datagram { from_port: 0x829a, to_port: 0x829b };
        let expected = Said::Stopped { ours, why: Why::Port, bytes: 36 };
        assert_eq!(said(&ipv4(1, 255, [10, 0, 0, 1], &closed), to, true), Some(expected));
    }

    #[test]
    fn what_is_cut_short_says_nothing() {
        let to: IpAddr = "192.0.2.9".parse().unwrap();
        let request = echo(false, 7, 3, 0);
        let inner = ipv4(1, 1, [192, 0, 2, 9], &request);
        let whole = ipv4(1, 255, [10, 0, 0, 1], &[&[11, 0, 0, 0, 0, 0, 0, 0][..], &inner].concat());
        for length in 0..whole.len() {
            assert_eq!(said(&whole[..length], to, true), None, "{length}");
        }
        let six: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let head = [0x60, 0, 0, 0, 0, 8, 58, 1];
        let inner = [&head[..], &[0; 16], &six.octets(), &echo(true, 7, 3, 0)].concat();
        let whole = [&[3, 0, 0, 0, 0, 0, 0, 0][..], &inner].concat();
        assert!(said(&whole, six.into(), false).is_some());
        for length in 0..whole.len() {
            assert_eq!(said(&whole[..length], six.into(), false), None, "{length}");
        }
    }
}
