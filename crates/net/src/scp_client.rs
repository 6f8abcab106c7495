//! A client of scp's older protocol: files to and from a server over SSH, with its host key as it was accepted before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{Config, Handle, Handler, connect};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{ChannelStream, Disconnect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// The largest file taken, in bytes.
const FILE_BYTES_MAX: usize = 32 << 20;
/// The longest line of the protocol, in bytes.
const LINE_BYTES_MAX: usize = 1_024;
/// Until a server has answered to something.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long all of a file may take.
const WHOLE: Duration = Duration::from_secs(600);
const PORT: u16 = 22;

/// Why a file was not transferred.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ScpError(String);

fn error(text: impl Into<String>) -> ScpError {
    ScpError(text.into())
}

/// The key of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// Kind and key, in the form of OpenSSH.
    pub text: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

/// A `scp://USER@HOST[:PORT]/FILE` address.
struct Address {
    user: String,
    host: String,
    port: u16,
    path: String,
}

impl Address {
    fn parse(url: &str) -> Result<Self, ScpError> {
        let wrong = || error("the address is not scp://USER@HOST/FILE");
        let rest = url.strip_prefix("scp://").ok_or_else(wrong)?;
        let (user, rest) = rest.split_once('@').ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
        // What the shell of a server would read as something else is no name of a file.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:~".contains(c);
        if user.is_empty() || host.is_empty() || path.is_empty() || !path.chars().all(is_plain) {
            return Err(wrong());
        }
        let (user, host, path) = (user.to_owned(), host.to_owned(), format!("/{path}"));
        Ok(Self { user, host, port, path })
    }
}

/// What a server shows of itself.
struct Seen {
    /// The key that it is to have; none while that is being found out.
    wanted: Option<String>,
    found: Arc<Mutex<Option<HostKey>>>,
}

impl Handler for Seen {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let text = key.to_openssh().unwrap_or_default();
        let text = text.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let is_it = self.wanted.as_ref() == Some(&text);
        let found = HostKey { text, fingerprint };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(is_it)
    }
}

type Found = (Result<Handle<Seen>, russh::Error>, Option<HostKey>);

async fn reach(address: &Address, wanted: Option<&str>) -> Result<Found, ScpError> {
    let found = Arc::new(Mutex::new(None));
    let seen = Seen { wanted: wanted.map(str::to_owned), found: Arc::clone(&found) };
    let config = Config { inactivity_timeout: Some(PATIENCE), ..Config::default() };
    let place = (address.host.as_str(), address.port);
    let connected = timeout(PATIENCE, connect(Arc::new(config), place, seen)).await;
    let connected = connected.map_err(|_| error("Connection timed out"))?;
    let key = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((connected, key))
}

/// The key that a server shows now.
///
/// # Errors
/// When it cannot be reached.
pub async fn scp_host_key(url: &str) -> Result<HostKey, ScpError> {
    let address = Address::parse(url)?;
    let (connected, key) = reach(&address, None).await?;
    let refused = connected.err().map(|why| why.to_string()).unwrap_or_default();
    key.ok_or_else(|| error(refused))
}

/// A session on a server whose key is the one that was accepted, and the stream of what it does.
async fn session(
    address: &Address,
    key: &str,
    password: &str,
    flag: &str,
) -> Result<(Handle<Seen>, ChannelStream<russh::client::Msg>), ScpError> {
    let (connected, found) = reach(address, Some(key)).await?;
    if found.is_some_and(|found| found.text != key) {
        return Err(error("Host key verification failed: it is another one than before"));
    }
    let mut handle = connected.map_err(|why| error(why.to_string()))?;
    let told = timeout(PATIENCE, handle.authenticate_password(&address.user, password)).await;
    let told = told.map_err(|_| error("Connection timed out"))?;
    if !told.map_err(|why| error(why.to_string()))?.success() {
        return Err(error("Permission denied"));
    }
    let failed = |why: russh::Error| error(why.to_string());
    let channel = handle.channel_open_session().await.map_err(failed)?;
    channel.exec(true, format!("scp {flag} {}", address.path)).await.map_err(failed)?;
    Ok((handle, channel.into_stream()))
}

fn broken(_: std::io::Error) -> ScpError {
    error("lost connection")
}

type Stream = ChannelStream<russh::client::Msg>;

/// A line of the server: what it refuses is told in its words.
async fn line(stream: &mut Stream, first: u8) -> Result<String, ScpError> {
    let mut line = vec![first];
    while line.last() != Some(&b'\n') {
        if line.len() > LINE_BYTES_MAX {
            return Err(error("the server's line is too long"));
        }
        line.push(stream.read_u8().await.map_err(broken)?);
    }
    let text = String::from_utf8_lossy(&line);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if matches!(first, 1 | 2) { Err(error(text.trim().to_owned())) } else { Ok(text) }
}

async fn go_on(stream: &mut Stream) -> Result<(), ScpError> {
    stream.write_all(&[0]).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

async fn expect_go_on(stream: &mut Stream) -> Result<(), ScpError> {
    match stream.read_u8().await.map_err(broken)? {
        0 => Ok(()),
        first => Err(line(stream, first).await.err().unwrap_or_else(|| error("it refused"))),
    }
}

async fn fetched(stream: &mut Stream) -> Result<Vec<u8>, ScpError> {
    go_on(stream).await?;
    loop {
        let first = stream.read_u8().await.map_err(broken)?;
        let line = line(stream, first).await?;
        if first == b'T' {
            go_on(stream).await?;
            continue;
        }
        let size = line.strip_prefix('C').and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        let size: usize = size.ok_or_else(|| error(format!("the server said {line:?}")))?;
        if size > FILE_BYTES_MAX {
            return Err(error("the file is larger than 32 MB"));
        }
        go_on(stream).await?;
        let mut bytes = Vec::new();
        (&mut *stream).take(size as u64).read_to_end(&mut bytes).await.map_err(broken)?;
        if bytes.len() < size {
            return Err(error("lost connection"));
        }
        expect_go_on(stream).await?;
        go_on(stream).await?;
        return Ok(bytes);
    }
}

async fn sent(stream: &mut Stream, address: &Address, bytes: &[u8]) -> Result<(), ScpError> {
    expect_go_on(stream).await?;
    let name = address.path.rsplit('/').next().unwrap_or_default();
    let head = format!("C0644 {} {name}\n", bytes.len());
    stream.write_all(head.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    expect_go_on(stream).await?;
    stream.write_all(bytes).await.map_err(broken)?;
    go_on(stream).await?;
    expect_go_on(stream).await
}

/// Reads a file from a server with this key.
///
/// # Errors
/// When the server is another one, refuses, or does not answer.
pub async fn scp_get(url: &str, key: &str, password: &str) -> Result<Vec<u8>, ScpError> {
    let address = Address::parse(url)?;
    let (handle, mut stream) = session(&address, key, password, "-f").await?;
    let outcome = timeout(WHOLE, fetched(&mut stream)).await;
    // Whoever ends it first does.
    let _gone = handle.disconnect(Disconnect::ByApplication, "", "").await;
    outcome.unwrap_or_else(|_| Err(error("Connection timed out")))
}

/// Writes a file to a server with this key.
///
/// # Errors
/// When the server is another one, refuses, or does not answer.
pub async fn scp_put(url: &str, key: &str, password: &str, bytes: &[u8]) -> Result<(), ScpError> {
    let address = Address::parse(url)?;
    let (handle, mut stream) = session(&address, key, password, "-t").await?;
    let outcome = timeout(WHOLE, sent(&mut stream, &address, bytes)).await;
    let _gone = handle.disconnect(Disconnect::ByApplication, "", "").await;
    outcome.unwrap_or_else(|_| Err(error("Connection timed out")))
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_name_user_host_port_and_file() {
        let read = |url: &str| Address::parse(url).ok().map(|a| (a.user, a.host, a.port, a.path));
        let of = |user: &str, host: &str, port, path: &str| {
            Some((user.to_owned(), host.to_owned(), port, path.to_owned()))
        };
        assert_eq!(read("scp://a@192.0.2.1/b/c.txt"), of("a", "192.0.2.1", 22, "/b/c.txt"));
        assert_eq!(read("scp://a@host:2222/x"), of("a", "host", 2222, "/x"));
        assert_eq!(read("scp://a@[2001:db8::1]:22/x"), of("a", "2001:db8::1", 22, "/x"));
        for wrong in [
            "scp://host/x",
            "scp://a@host",
            "scp://a@host/",
            "scp://@host/x",
            "scp://a@/x",
            "scp://a@host:x/y",
            "scp://a@host/x;reboot",
            "scp://a@host/$(id)",
            "tftp://h/x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
