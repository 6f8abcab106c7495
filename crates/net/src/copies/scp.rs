//! A client of scp's older protocol.

use russh::ChannelStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::address::Address;
use super::ssh::{Opened, session};
use super::{CopyError, PIECE_BYTES, Received, SshAccess, broken, error, said, too_large};
use crate::outlets::Contact;

/// The longest line of the protocol, in bytes.
const LINE_BYTES_MAX: usize = 1_024;

type Stream = ChannelStream<russh::client::Msg>;

async fn opened(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
    flag: &str,
) -> Result<(Opened, Stream), CopyError> {
    let (handle, channel) = session(contact, address, access).await?;
    let command = format!("scp {flag} /{}", address.path);
    channel.exec(true, command).await.map_err(broken)?;
    Ok((handle, channel.into_stream()))
}

/// A line of the server: what it refuses is told in its words.
async fn line(stream: &mut Stream, first: u8) -> Result<String, CopyError> {
    let mut line = vec![first];
    while line.last() != Some(&b'\n') {
        if line.len() > LINE_BYTES_MAX {
            return Err(error("the server's line is too long"));
        }
        line.push(stream.read_u8().await.map_err(broken)?);
    }
    let text = String::from_utf8_lossy(&line).into_owned();
    if matches!(first, 1 | 2) { Err(said(&text)) } else { Ok(text) }
}

async fn go_on(stream: &mut Stream) -> Result<(), CopyError> {
    stream.write_all(&[0]).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

async fn expect_go_on(stream: &mut Stream) -> Result<(), CopyError> {
    match stream.read_u8().await.map_err(broken)? {
        0 => Ok(()),
        first => Err(line(stream, first).await.err().unwrap_or_else(|| error("it refused"))),
    }
}

async fn fetched(contact: &Contact, stream: &mut Stream) -> Result<Vec<u8>, CopyError> {
    go_on(stream).await?;
    loop {
        let first = stream.read_u8().await.map_err(broken)?;
        let line = line(stream, first).await?;
        if first == b'T' {
            go_on(stream).await?;
            continue;
        }
        let size = line.strip_prefix('C').and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let size: usize = size.ok_or_else(|| said(&format!("the server said {line:?}")))?;
        if size > contact.answer_bytes_max {
            return Err(too_large(contact));
        }
        go_on(stream).await?;
        let mut received = Received::new(contact);
        let mut piece = vec![0; PIECE_BYTES];
        while received.bytes.len() < size {
            let wanted = PIECE_BYTES.min(size - received.bytes.len());
            let length = stream.read(&mut piece[..wanted]).await.map_err(broken)?;
            if length == 0 {
                return Err(error("lost connection"));
            }
            received.push(&piece[..length])?;
        }
        expect_go_on(stream).await?;
        go_on(stream).await?;
        return Ok(received.bytes);
    }
}

async fn sent(
    contact: &Contact,
    stream: &mut Stream,
    address: &Address,
    bytes: &[u8],
) -> Result<(), CopyError> {
    expect_go_on(stream).await?;
    let name = address.path.rsplit('/').next().unwrap_or_default();
    let head = format!("C0644 {} {name}\n", bytes.len());
    stream.write_all(head.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    expect_go_on(stream).await?;
    for piece in bytes.chunks(PIECE_BYTES) {
        stream.write_all(piece).await.map_err(broken)?;
        contact.progress.add(piece.len());
    }
    go_on(stream).await?;
    expect_go_on(stream).await
}

pub(super) async fn read(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
) -> Result<Vec<u8>, CopyError> {
    let (handle, mut stream) = opened(contact, address, access, "-f").await?;
    let outcome = fetched(contact, &mut stream).await;
    handle.close().await;
    outcome
}

pub(super) async fn write(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
    bytes: &[u8],
) -> Result<(), CopyError> {
    let (handle, mut stream) = opened(contact, address, access, "-t").await?;
    let outcome = sent(contact, &mut stream, address, bytes).await;
    handle.close().await;
    outcome
}
