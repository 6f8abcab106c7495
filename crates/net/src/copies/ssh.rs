//! What scp and sftp have in common: a session on a server whose key is the one that was accepted before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{Config, Handle, Handler, connect_stream};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, Disconnect};
use tokio::time::timeout;

use super::address::Address;
use super::{CopyError, PIECE_BYTES, SshAccess, broken, error, said, timed_out};
use crate::outlets::Contact;

/// Until a server has answered to something.
const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 22;
/// What may be on its way to us, in bytes and in pieces.
const WINDOW_BYTES: u32 = 512 << 10;
const PIECES_MAX: usize = 16;

/// The key of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// Kind and key, in the form of OpenSSH.
    pub text: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

/// What a server shows of itself.
pub(super) struct Seen {
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

async fn reach(
    contact: &Contact,
    address: &Address,
    wanted: Option<&str>,
) -> Result<Found, CopyError> {
    let found = Arc::new(Mutex::new(None));
    let seen = Seen { wanted: wanted.map(str::to_owned), found: Arc::clone(&found) };
    let config = Config {
        inactivity_timeout: Some(PATIENCE),
        window_size: WINDOW_BYTES,
        maximum_packet_size: u32::try_from(PIECE_BYTES).unwrap_or(u32::MAX),
        channel_buffer_size: PIECES_MAX,
        ..Config::default()
    };
    let stream = contact.stream(&address.host, address.port.unwrap_or(PORT)).await?;
    let connected = timeout(PATIENCE, connect_stream(Arc::new(config), stream, seen)).await;
    let connected = connected.map_err(|_| timed_out())?;
    let key = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok((connected, key))
}

/// The key that a server shows now.
pub(super) async fn host_key(contact: &Contact, address: &Address) -> Result<HostKey, CopyError> {
    let (connected, key) = reach(contact, address, None).await?;
    let refused = connected.err().map(|why| why.to_string()).unwrap_or_default();
    key.ok_or_else(|| said(&refused))
}

/// A server that let us in. Whoever ends it first does.
pub(super) struct Opened(Handle<Seen>);

impl Opened {
    pub(super) async fn close(self) {
        let _gone = self.0.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// A session on a server whose key is the one that was accepted.
pub(super) async fn session(
    contact: &Contact,
    address: &Address,
    access: &SshAccess,
) -> Result<(Opened, Channel<russh::client::Msg>), CopyError> {
    let (connected, found) = reach(contact, address, Some(&access.host_key)).await?;
    if found.is_some_and(|found| found.text != access.host_key) {
        return Err(error("Host key verification failed: it is another one than before"));
    }
    let failed = |why: russh::Error| said(&why.to_string());
    let mut handle = connected.map_err(failed)?;
    let password = access.password.as_str();
    let told = timeout(PATIENCE, handle.authenticate_password(&address.user, password)).await;
    if !told.map_err(|_| timed_out())?.map_err(failed)?.success() {
        return Err(error("Permission denied"));
    }
    let channel = timeout(PATIENCE, handle.channel_open_session()).await;
    let channel = channel.map_err(|_| timed_out())?.map_err(broken)?;
    Ok((Opened(handle), channel))
}
