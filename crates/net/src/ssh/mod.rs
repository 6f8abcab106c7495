//! SSH: logins by password and key, terminals, commands and files, handed on as events. What they mean is for whoever takes
//! the events; here are the protocol and its limits.

mod connection;
mod files;
mod keys;
mod scp;
mod sftp;
mod wire;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::server::Config;
use russh::{MethodKind, MethodSet};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

pub use files::{FileAnswer, FileError, FileRequest};
pub use keys::HostKeys;

use connection::Connection;
use wire::Wire;

/// What a terminal shows.
#[derive(Debug)]
pub enum TerminalOutput {
    /// Bytes for the screen.
    Bytes(Vec<u8>),
    /// The session is over, with this exit status.
    Close(u32),
}

/// What somebody proves with who they are.
#[derive(Debug)]
pub enum Proof {
    /// A password.
    Password(String),
    /// A public key, in the form of OpenSSH without a comment.
    Key {
        /// Kind and key, e.g. `ssh-ed25519 AAAA…`.
        text: String,
        /// Whether they have shown that they hold the private one; if not, whether it would do is asked.
        is_proven: bool,
    },
}

/// The screen of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Lines; 0 when unknown.
    pub rows: u32,
    /// Letters in a line; 0 when unknown.
    pub columns: u32,
    /// Whether there is one.
    pub is_there: bool,
}

/// What happens at the SSH server.
#[derive(Debug)]
pub enum SshEvent {
    /// Somebody is about to log in: what is shown before that?
    Banner {
        /// The text; empty for none.
        answer: oneshot::Sender<String>,
    },
    /// Someone wants to log in.
    LogIn {
        /// Login name.
        login: String,
        /// What they prove it with.
        proof: Proof,
        /// Where they are.
        from: IpAddr,
        /// Whether they may.
        answer: oneshot::Sender<bool>,
    },
    /// A terminal opens.
    Open {
        /// Names the session in later events.
        session: u64,
        /// Who logged in.
        login: String,
        /// Where they are.
        from: IpAddr,
        /// Its screen.
        screen: Screen,
        /// Commands instead of a terminal.
        command: Option<String>,
        /// Where output goes.
        output: mpsc::Sender<TerminalOutput>,
    },
    /// Something was typed.
    Typed {
        /// The session.
        session: u64,
        /// The bytes.
        bytes: Vec<u8>,
        /// Dropped when they were taken: more comes only then, so that whoever pastes keeps nobody else waiting.
        taken: oneshot::Sender<()>,
    },
    /// The screen of a terminal has another size.
    Resized {
        /// The session.
        session: u64,
        /// Its screen from now on.
        screen: Screen,
    },
    /// Ctrl-C was typed: what goes on is to end, whatever was typed before it and waits.
    Interrupted {
        /// The session.
        session: u64,
    },
    /// Nothing more will be typed.
    Ended {
        /// The session.
        session: u64,
    },
    /// A terminal is gone.
    Closed {
        /// The session.
        session: u64,
    },
    /// Something is wanted of the files.
    File {
        /// Who logged in.
        login: String,
        /// Where they are.
        from: IpAddr,
        /// What.
        request: FileRequest,
        /// What came of it.
        answer: oneshot::Sender<Result<FileAnswer, FileError>>,
    },
}

/// Sessions at a time.
const SESSIONS_MAX: usize = 64;
/// Connections at a time on which nobody has logged in; of more the oldest ends.
const SILENT_MAX: usize = 64;
/// Whoever connects must have logged in within this.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);
/// What a connection that is hung up may still take to send what is on its way.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Requests to log in that are refused on one connection, keys among them.
const REFUSED_MAX: usize = 256;

/// Connections on which nobody has logged in, oldest first.
#[derive(Default)]
struct Silent(Mutex<VecDeque<(u64, AbortHandle)>>);

impl Silent {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, AbortHandle)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, number: u64, task: AbortHandle) {
        let mut all = self.lock();
        all.push_back((number, task));
        while all.len() > SILENT_MAX {
            if let Some((_, oldest)) = all.pop_front() {
                oldest.abort();
            }
        }
    }

    fn remove(&self, number: u64) {
        self.lock().retain(|(known, _)| *known != number);
    }
}

/// An SSH server.
#[derive(Clone)]
pub struct SshServer {
    config: Arc<Config>,
    events: mpsc::Sender<SshEvent>,
    numbers: Arc<AtomicU64>,
    silent: Arc<Silent>,
    sessions: Arc<Semaphore>,
    /// Grows when all connections are to end.
    hung_up: Arc<watch::Sender<u64>>,
}

/// The ways to log in that there are.
fn methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..])
}

impl SshServer {
    /// A server with these host keys; events go to `events`.
    #[must_use]
    pub fn new(keys: HostKeys, events: mpsc::Sender<SshEvent>) -> Self {
        let config = Config {
            methods: methods(),
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            inactivity_timeout: Some(Duration::from_secs(24 * 3600)),
            keepalive_interval: Some(Duration::from_secs(120)),
            max_auth_attempts: REFUSED_MAX,
            keys: keys.0,
            nodelay: true,
            window_size: 256 << 10,
            ..Config::default()
        };
        Self {
            config: Arc::new(config),
            events,
            numbers: Arc::new(AtomicU64::new(1)),
            silent: Arc::default(),
            sessions: Arc::new(Semaphore::new(SESSIONS_MAX)),
            hung_up: Arc::new(watch::channel(0).0),
        }
    }

    /// Ends all connections: what is on its way is still sent, and nothing new is begun.
    pub fn hang_up(&self) {
        self.hung_up.send_modify(|times| *times += 1);
    }

    /// Serves whoever connects to `listener`, for good.
    pub async fn run(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // It is the latency alone that suffers where this cannot be set.
                    let _set = stream.set_nodelay(true).is_ok();
                    self.serve(stream, peer.ip());
                }
                Err(error) => {
                    // Out of file descriptors, most likely: let some connections end.
                    tracing::warn!(%error, "an SSH connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Serves one connection, whatever carries it.
    pub fn serve<S>(&self, stream: S, from: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (logged_in, login) = oneshot::channel();
        let mut hung_up = self.hung_up.subscribe();
        let connection = Connection::new(self.clone(), number, from, logged_in);
        let config = Arc::clone(&self.config);
        let silent = Arc::clone(&self.silent);
        let (stream, knife) = Wire::of(stream);
        let task = tokio::spawn(async move {
            // However this ends, the connection ends with it.
            let _knife = knife;
            let session = async {
                let running = russh::server::run_stream(config, stream, connection).await?;
                running.await
            };
            let late = async {
                if tokio::time::timeout(LOGIN_TIMEOUT, login).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::pin!(session);
            tokio::select! {
                outcome = &mut session => {
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "SSH connection ended");
                    }
                }
                () = late => tracing::debug!("nobody logged in"),
                _ = hung_up.changed() => {
                    let _sent = tokio::time::timeout(LAST_WORDS, session).await.is_ok();
                }
            }
            silent.remove(number);
        });
        self.silent.add(number, task.abort_handle());
    }

    /// A place for one more session; none where there are too many.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.sessions).try_acquire_owned().ok()
    }
}
