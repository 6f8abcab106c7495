//! A TFTP client (RFC 1350, octet mode).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::{CopyError, Received, error, said, timed_out};
use crate::outlets::{Contact, reason_of};

const PORT: u16 = 69;
const BLOCK_BYTES: usize = 512;
/// The largest file that is sent, in bytes; block numbers may not wrap.
const FILE_BYTES_MAX: usize = 65_534 * BLOCK_BYTES;
/// A packet is sent again when nothing that fits has come for so long, whatever else has.
const RETRY: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 5;

struct Transfer {
    socket: UdpSocket,
    peer: SocketAddr,
    /// The server answers from a port of its own.
    settled: bool,
}

fn failed(error: &std::io::Error) -> CopyError {
    reason_of(error).into()
}

impl Transfer {
    async fn start(contact: &Contact, address: &Address) -> Result<Self, CopyError> {
        let host = contact.address(&address.host).await?;
        let socket = contact.outlet.unconnected(host).await?;
        let peer = SocketAddr::new(host, address.port.unwrap_or(PORT));
        Ok(Self { socket, peer, settled: false })
    }

    /// Sends a packet until one that `wanted` takes comes back. Others do not lengthen the wait.
    async fn exchange<T>(
        &mut self,
        packet: &[u8],
        wanted: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, CopyError> {
        let mut buffer = [0; BLOCK_BYTES + 4];
        for _ in 0..ATTEMPTS {
            self.socket.send_to(packet, self.peer).await.map_err(|e| failed(&e))?;
            let end = Instant::now() + RETRY;
            while Instant::now() < end {
                let received = timeout_at(end, self.socket.recv_from(&mut buffer)).await;
                let Ok(received) = received else { break };
                let (length, from) = received.map_err(|e| failed(&e))?;
                let expected =
                    if self.settled { from == self.peer } else { from.ip() == self.peer.ip() };
                let answer = &buffer[..length];
                if !expected || length < 4 {
                    continue;
                }
                if answer[..2] == [0, 5] {
                    return Err(said(&String::from_utf8_lossy(&answer[4..])));
                }
                if let Some(value) = wanted(answer) {
                    self.peer = from;
                    self.settled = true;
                    return Ok(value);
                }
            }
        }
        Err(timed_out())
    }
}

fn request(code: u8, file: &str) -> Vec<u8> {
    let mut packet = vec![0, code];
    packet.extend_from_slice(file.as_bytes());
    packet.extend_from_slice(b"\0octet\0");
    packet
}

fn acknowledgement(block: u16) -> [u8; 4] {
    let [high, low] = block.to_be_bytes();
    [0, 4, high, low]
}

pub(super) async fn write(
    contact: &Contact,
    address: &Address,
    bytes: &[u8],
) -> Result<(), CopyError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(error("The file is too large for TFTP"));
    }
    let mut transfer = Transfer::start(contact, address).await?;
    let acknowledged =
        |block: u16| move |answer: &[u8]| (answer[..4] == acknowledgement(block)).then_some(());
    transfer.exchange(&request(2, &address.path), acknowledged(0)).await?;
    // A last block shorter than the others ends the file, if need be an empty one.
    for index in 0..=bytes.len() / BLOCK_BYTES {
        let block =
            u16::try_from(index + 1).map_err(|_| error("The file is too large for TFTP"))?;
        let from = index * BLOCK_BYTES;
        let data = &bytes[from..(from + BLOCK_BYTES).min(bytes.len())];
        let [high, low] = block.to_be_bytes();
        let packet = [&[0, 3, high, low][..], data].concat();
        transfer.exchange(&packet, acknowledged(block)).await?;
        contact.progress.add(data.len());
    }
    Ok(())
}

pub(super) async fn read(contact: &Contact, address: &Address) -> Result<Vec<u8>, CopyError> {
    let mut transfer = Transfer::start(contact, address).await?;
    let mut packet = request(1, &address.path);
    let mut received = Received::new(contact);
    for block in 1..=u16::MAX {
        let [high, low] = block.to_be_bytes();
        let data = |answer: &[u8]| (answer[..4] == [0, 3, high, low]).then(|| answer[4..].to_vec());
        let data = transfer.exchange(&packet, data).await?;
        received.push(&data)?;
        packet = acknowledgement(block).to_vec();
        if data.len() < BLOCK_BYTES {
            // Nobody answers the last acknowledgement.
            let sent = transfer.socket.send_to(&packet, transfer.peer).await;
            sent.map_err(|e| failed(&e))?;
            return Ok(received.bytes);
        }
    }
    Err(error("The file is too large for TFTP"))
}
