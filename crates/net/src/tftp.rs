//! A TFTP client (RFC 1350, octet mode): licence files to and from a file server (PI-CLI-023).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

const BLOCK_BYTES: usize = 512;
/// The largest file taken, in bytes; block numbers may not wrap.
const FILE_BYTES_MAX: usize = 65_534 * BLOCK_BYTES;
const RETRY: Duration = Duration::from_secs(2);
const RETRIES_MAX: u32 = 5;

/// Why a file was not transferred.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TftpError(String);

fn error(text: impl Into<String>) -> TftpError {
    TftpError(text.into())
}

/// A `tftp://HOST[:PORT]/FILE` address.
fn parse(url: &str) -> Result<(String, String), TftpError> {
    let rest = url.strip_prefix("tftp://").ok_or_else(|| error("only tftp:// is supported"))?;
    let (host, file) = rest.split_once('/').ok_or_else(|| error("the file name is missing"))?;
    if host.is_empty() || file.is_empty() || !file.is_ascii() || file.len() > 200 {
        return Err(error("the address is not tftp://HOST/FILE"));
    }
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:69") };
    Ok((host, file.to_owned()))
}

struct Transfer {
    socket: UdpSocket,
    peer: SocketAddr,
    /// The server answers from a port of its own.
    settled: bool,
}

impl Transfer {
    async fn start(host: &str) -> Result<Self, TftpError> {
        let mut addresses = tokio::net::lookup_host(host)
            .await
            .map_err(|_| error(format!("Invalid host {host}")))?;
        let peer = addresses.next().ok_or_else(|| error(format!("Invalid host {host}")))?;
        let any = if peer.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).await.map_err(|e| error(e.to_string()))?;
        Ok(Self { socket, peer, settled: false })
    }

    /// Sends a packet until one that `wanted` takes comes back.
    async fn exchange<T>(
        &mut self,
        packet: &[u8],
        wanted: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, TftpError> {
        let mut buffer = [0; BLOCK_BYTES + 4];
        for _ in 0..RETRIES_MAX {
            self.socket.send_to(packet, self.peer).await.map_err(|e| error(e.to_string()))?;
            while let Ok(received) = timeout(RETRY, self.socket.recv_from(&mut buffer)).await {
                let (length, from) = received.map_err(|e| error(e.to_string()))?;
                let expected =
                    if self.settled { from == self.peer } else { from.ip() == self.peer.ip() };
                let answer = &buffer[..length];
                if !expected || length < 4 {
                    continue;
                }
                if answer[..2] == [0, 5] {
                    let text = String::from_utf8_lossy(&answer[4..]);
                    return Err(error(text.trim_end_matches('\0').to_owned()));
                }
                if let Some(value) = wanted(answer) {
                    self.peer = from;
                    self.settled = true;
                    return Ok(value);
                }
            }
        }
        Err(error("Connection timed out"))
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

/// Writes a file to a server.
///
/// # Errors
/// When the server refuses or does not answer.
pub async fn tftp_put(url: &str, bytes: &[u8]) -> Result<(), TftpError> {
    let (host, file) = parse(url)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(error("the file is too large for TFTP"));
    }
    let mut transfer = Transfer::start(&host).await?;
    let acknowledged =
        |block: u16| move |answer: &[u8]| (answer[..4] == acknowledgement(block)).then_some(());
    transfer.exchange(&request(2, &file), acknowledged(0)).await?;
    // A last block shorter than the others ends the file, if need be an empty one.
    for index in 0..=bytes.len() / BLOCK_BYTES {
        let block = u16::try_from(index + 1).map_err(|_| error("the file is too large"))?;
        let from = index * BLOCK_BYTES;
        let data = &bytes[from..(from + BLOCK_BYTES).min(bytes.len())];
        let [high, low] = block.to_be_bytes();
        let packet = [&[0, 3, high, low][..], data].concat();
        transfer.exchange(&packet, acknowledged(block)).await?;
    }
    Ok(())
}

/// Reads a file from a server.
///
/// # Errors
/// When the server refuses or does not answer.
pub async fn tftp_get(url: &str) -> Result<Vec<u8>, TftpError> {
    let (host, file) = parse(url)?;
    let mut transfer = Transfer::start(&host).await?;
    let mut packet = request(1, &file);
    let mut content = Vec::new();
    for block in 1..=u16::MAX {
        let [high, low] = block.to_be_bytes();
        let data = |answer: &[u8]| (answer[..4] == [0, 3, high, low]).then(|| answer[4..].to_vec());
        let data = transfer.exchange(&packet, data).await?;
        content.extend_from_slice(&data);
        packet = acknowledgement(block).to_vec();
        if data.len() < BLOCK_BYTES {
            // Nobody answers the last acknowledgement.
            let sent = transfer.socket.send_to(&packet, transfer.peer).await;
            sent.map_err(|e| error(e.to_string()))?;
            return Ok(content);
        }
    }
    Err(error("the file is too large for TFTP"))
}
