//! A client of sftp.

use russh_sftp::client::error::Error;
use russh_sftp::client::{Config, SftpSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::address::Address;
use super::ssh::{Opened, session};
use super::{CopyError, PIECE_BYTES, Received, SshAccess, broken, error, said};
use crate::outlets::Contact;

/// The largest packet that is read, in bytes.
const PACKET_BYTES_MAX: u32 = 64 << 10;
/// Pieces that are asked for at a time.
const READS_AHEAD: usize = 4;
/// How long a server may think of an answer, in seconds.
const PATIENCE_SECONDS: u64 = 20;

fn failed(why: Error) -> CopyError {
    match why {
        Error::Status(status) if !status.error_message.is_empty() => said(&status.error_message),
        Error::Timeout => super::timed_out(),
        other => said(&other.to_string()),
    }
}

async fn opened(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
) -> Result<(Opened, SftpSession), CopyError> {
    let (handle, channel) = session(contact, address, access).await?;
    channel.request_subsystem(true, "sftp").await.map_err(broken)?;
    let config = Config {
        max_packet_len: PACKET_BYTES_MAX,
        max_concurrent_reads: READS_AHEAD,
        request_timeout_secs: PATIENCE_SECONDS,
        ..Config::default()
    };
    let stream = channel.into_stream();
    let files = SftpSession::new_with_config(stream, config).await.map_err(failed)?;
    Ok((handle, files))
}

async fn fetched(
    contact: &Contact,
    address: &Address,
    files: &SftpSession,
) -> Result<Vec<u8>, CopyError> {
    let mut file = files.open(format!("/{}", address.path)).await.map_err(failed)?;
    let mut received = Received::new(contact);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece).await.map_err(|why| said(&why.to_string()))?;
        if length == 0 {
            return Ok(received.bytes);
        }
        received.push(&piece[..length])?;
    }
}

async fn sent(
    contact: &Contact,
    address: &Address,
    files: &SftpSession,
    bytes: &[u8],
) -> Result<(), CopyError> {
    let mut file = files.create(format!("/{}", address.path)).await.map_err(failed)?;
    let lost = |why: std::io::Error| error(format!("lost connection: {}", said(&why.to_string())));
    for piece in bytes.chunks(PIECE_BYTES) {
        file.write_all(piece).await.map_err(lost)?;
        contact.progress.add(piece.len());
    }
    file.close().await.map_err(lost)
}

pub(super) async fn read(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
) -> Result<Vec<u8>, CopyError> {
    let (handle, files) = opened(contact, address, access).await?;
    let outcome = fetched(contact, address, &files).await;
    handle.close().await;
    outcome
}

pub(super) async fn write(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
    bytes: &[u8],
) -> Result<(), CopyError> {
    let (handle, files) = opened(contact, address, access).await?;
    let outcome = sent(contact, address, &files, bytes).await;
    handle.close().await;
    outcome
}
