//! Files to and from servers, each by the way that was decided for it (PI-CLI-023, G-41). All of one has to be over when its
//! contact's patience is, and a file that is larger than its contact takes is none.

mod address;
mod scp;
mod sftp;
mod ssh;
#[cfg(test)]
mod tests;
mod tftp;
mod web;

use rumline_agent::Reason;
use tokio::time::timeout;

use crate::outlets::Contact;
use address::Address;
pub use ssh::HostKey;

/// The letters of what a server says that are passed on, at most.
const SAID_LETTERS_MAX: usize = 200;
/// A file is taken in pieces of this size where its server lets us choose, in bytes.
const PIECE_BYTES: usize = 32 << 10;

/// Why a file was not copied.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CopyError(String);

fn error(text: impl Into<String>) -> CopyError {
    CopyError(text.into())
}

/// What a server says, as far as it can be shown anywhere: printable ASCII, and not much of it.
fn said(text: &str) -> CopyError {
    let shown = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let text: String = text.chars().filter(shown).take(SAID_LETTERS_MAX).collect();
    let text = text.trim();
    error(if text.is_empty() { "The server refused" } else { text })
}

impl From<Reason> for CopyError {
    fn from(reason: Reason) -> Self {
        error(reason.to_string())
    }
}

fn timed_out() -> CopyError {
    error("Connection timed out")
}

fn broken<E>(_: E) -> CopyError {
    error("lost connection")
}

/// What opens a server over SSH.
#[derive(Clone)]
pub struct SshAccess {
    /// The key that was accepted, in the form of OpenSSH.
    pub host_key: String,
    /// The password.
    pub password: String,
}

/// A copy.
pub struct Copy<'c> {
    /// Its way, its limits, and how far it is.
    pub contact: &'c Contact,
    /// The server's file.
    pub url: &'c str,
    /// What opens its server, if that is needed.
    pub access: Option<SshAccess>,
}

/// What is received, up to a limit. Its room is reserved and not used before something comes: nothing is ever moved to a
/// larger place.
struct Received<'c> {
    bytes: Vec<u8>,
    contact: &'c Contact,
}

impl<'c> Received<'c> {
    fn new(contact: &'c Contact) -> Self {
        Self { bytes: Vec::with_capacity(contact.answer_bytes_max), contact }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), CopyError> {
        if self.bytes.len() + piece.len() > self.contact.answer_bytes_max {
            return Err(too_large(self.contact));
        }
        self.bytes.extend_from_slice(piece);
        self.contact.progress.add(piece.len());
        Ok(())
    }
}

fn too_large(contact: &Contact) -> CopyError {
    error(format!("The file is larger than {} MB", contact.answer_bytes_max >> 20))
}

impl Copy<'_> {
    /// Reads the file.
    ///
    /// # Errors
    /// When the server is another one, refuses, or does not answer.
    pub async fn read(&self) -> Result<Vec<u8>, CopyError> {
        let work = async {
            let address = Address::parse(self.url)?;
            match address.kind {
                "tftp" => tftp::read(self.contact, &address).await,
                "scp" => scp::read(self.contact, &address, self.opened()?).await,
                "sftp" => sftp::read(self.contact, &address, self.opened()?).await,
                _ => web::read(self.contact, self.url).await,
            }
        };
        timeout(self.contact.patience, work).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When the server is another one, refuses, or does not answer.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), CopyError> {
        let work = async {
            let address = Address::parse(self.url)?;
            match address.kind {
                "tftp" => tftp::write(self.contact, &address, bytes).await,
                "scp" => scp::write(self.contact, &address, self.opened()?, bytes).await,
                "sftp" => sftp::write(self.contact, &address, self.opened()?, bytes).await,
                _ => web::write(self.contact, self.url, bytes).await,
            }
        };
        timeout(self.contact.patience, work).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// The key that the server shows now.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn host_key(&self) -> Result<HostKey, CopyError> {
        ssh::host_key(self.contact, &Address::parse(self.url)?).await
    }

    fn opened(&self) -> Result<&SshAccess, CopyError> {
        self.access.as_ref().ok_or_else(|| error("Permission denied"))
    }
}
