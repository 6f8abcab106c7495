//! The proxy of topology 2's second and fourth option: it leads to CSSM, and nowhere else (guide p. 22; PI-NET-019, PI-NET-022).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 4096;
/// A head must be here within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy that is up.
pub(super) struct Proxy {
    pub port: u16,
    tunnels: Arc<AtomicU64>,
}

impl Proxy {
    /// Starts one that leads to a server at `host:port`.
    pub(super) async fn start(server: String) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let port = listener.local_addr()?.port();
        let tunnels = Arc::new(AtomicU64::new(0));
        let proxy = Self { port, tunnels: Arc::clone(&tunnels) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, tunnels) = (server.clone(), Arc::clone(&tunnels));
                tokio::spawn(async move {
                    if let Err(error) = tunnel(client, &server, &tunnels).await {
                        tracing::debug!(%error, "a tunnel of the lab's proxy ended");
                    }
                });
            }
        });
        Ok(proxy)
    }

    /// How many messages it has led to the server.
    pub(super) fn tunnels(&self) -> u64 {
        self.tunnels.load(Ordering::Relaxed)
    }
}

async fn tunnel(mut client: TcpStream, server: &str, tunnels: &AtomicU64) -> Result<()> {
    let head = tokio::time::timeout(HEAD_TIMEOUT, head(&mut client)).await??;
    let line = head.lines().next().unwrap_or_default();
    let wanted = line.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    if wanted != Some(server) {
        client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await?;
        bail!("asked for {line:?}");
    }
    let mut there = TcpStream::connect(server).await.context("CSSM is not reached")?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tunnels.fetch_add(1, Ordering::Relaxed);
    copy_bidirectional(&mut client, &mut there).await?;
    Ok(())
}

/// A request's head; a byte at a time, since what follows is the server's.
async fn head(client: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            bail!("the head of the request is too long");
        }
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(head)?)
}
