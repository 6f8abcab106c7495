//! An SSH client for the tools: one command after another on a switch of the lab.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Config, Handle, Handler, connect_stream};
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelMsg, Disconnect};
use tokio::net::TcpStream;

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The connection failed.
    #[error("SSH failed: {0}")]
    Connection(#[from] russh::Error),
    /// The password is wrong.
    #[error("the switch refused the login")]
    Refused,
    /// No answer in time.
    #[error("the switch did not answer in time")]
    Timeout,
}

/// A connection to a switch.
pub struct SshClient {
    handle: Handle<AnyHost>,
}

/// The lab's own switches on loopback are known by their address.
struct AnyHost;

impl Handler for AnyHost {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

impl SshClient {
    /// The longest a command may take.
    const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

    /// Logs in.
    ///
    /// # Errors
    /// When the switch cannot be reached or refuses.
    pub async fn log_in(
        address: SocketAddr,
        login: &str,
        password: &str,
    ) -> Result<Self, SshError> {
        let stream = TcpStream::connect(address).await.map_err(russh::Error::IO)?;
        // An answer is worth more than a full packet.
        stream.set_nodelay(true).map_err(russh::Error::IO)?;
        let mut handle = connect_stream(Arc::new(Config::default()), stream, AnyHost).await?;
        let allowed = handle.authenticate_password(login, password).await?;
        if allowed.success() { Ok(Self { handle }) } else { Err(SshError::Refused) }
    }

    /// Runs lines as one program would, and returns what they print.
    ///
    /// # Errors
    /// When the connection breaks or the answer takes too long.
    pub async fn run(&self, lines: &str) -> Result<String, SshError> {
        let work = async {
            let mut channel = self.handle.channel_open_session().await?;
            channel.exec(true, lines).await?;
            let mut output = Vec::new();
            while let Some(message) = channel.wait().await {
                if let ChannelMsg::Data { data } = message {
                    output.extend_from_slice(&data);
                }
            }
            Ok(String::from_utf8_lossy(&output).into_owned())
        };
        tokio::time::timeout(Self::COMMAND_TIMEOUT, work).await.map_err(|_| SshError::Timeout)?
    }

    /// Logs out.
    pub async fn log_out(self) {
        let _gone = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}
