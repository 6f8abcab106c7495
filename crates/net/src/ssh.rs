//! SSH: password logins, terminals and single commands, handed on as events.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session};
use russh::{Channel, ChannelId, Pty};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// What a terminal shows.
#[derive(Debug)]
pub enum TerminalOutput {
    /// Bytes for the screen.
    Bytes(Vec<u8>),
    /// The session is over.
    Close,
}

/// What happens at a terminal.
#[derive(Debug)]
pub enum TerminalEvent {
    /// Someone wants to log in.
    LogIn {
        /// Login name.
        login: String,
        /// Password.
        password: String,
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
        /// Lines on the screen; 0 when unknown.
        rows: u32,
        /// A single command instead of a terminal.
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
}

/// What is handed on of a paste at a time, in bytes.
const PIECE_BYTES: usize = 8 << 10;
/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// Whoever connects must have logged in within this.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// An SSH server.
pub struct SshServer;

impl SshServer {
    /// Serves logins on `listener`; events go to `events`. `host_key` is the seed of the host's Ed25519 key.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(
        listener: TcpListener,
        host_key: [u8; 32],
        events: mpsc::Sender<TerminalEvent>,
    ) -> std::io::Result<()> {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&host_key));
        let config = Config {
            auth_rejection_time: Duration::from_secs(1),
            auth_rejection_time_initial: Some(Duration::ZERO),
            inactivity_timeout: Some(Duration::from_secs(24 * 3600)),
            max_auth_attempts: 3,
            keys: vec![key],
            nodelay: true,
            ..Config::default()
        };
        let (config, numbers) = (Arc::new(config), Arc::new(AtomicU64::new(1)));
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let permit =
                Arc::clone(&permits).acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: let some connections end.
                    tracing::warn!(%error, "an SSH connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (logged_in, login) = oneshot::channel();
            let connection = Connection {
                events: events.clone(),
                numbers: Arc::clone(&numbers),
                login: String::new(),
                from: peer.ip(),
                logged_in: Some(logged_in),
                channels: Vec::new(),
            };
            tokio::spawn(serve(Arc::clone(&config), stream, connection, login, permit));
        }
    }
}

/// Serves one client; one that has not logged in after a minute is sent away.
async fn serve(
    config: Arc<Config>,
    stream: TcpStream,
    connection: Connection,
    login: oneshot::Receiver<()>,
    permit: OwnedSemaphorePermit,
) {
    let session = async {
        let running = russh::server::run_stream(config, stream, connection).await?;
        running.await
    };
    let late = async {
        if tokio::time::timeout(LOGIN_TIMEOUT, login).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        outcome = session => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "SSH connection ended");
            }
        }
        () = late => tracing::debug!("nobody logged in"),
    }
    drop(permit);
}

struct OpenChannel {
    id: ChannelId,
    session: u64,
    rows: u32,
    started: bool,
}

/// One client.
pub(crate) struct Connection {
    events: mpsc::Sender<TerminalEvent>,
    numbers: Arc<AtomicU64>,
    login: String,
    from: IpAddr,
    /// Told once, when someone has logged in.
    logged_in: Option<oneshot::Sender<()>>,
    channels: Vec<OpenChannel>,
}

impl Connection {
    fn channel(&mut self, id: ChannelId) -> Option<&mut OpenChannel> {
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    async fn start(&mut self, id: ChannelId, command: Option<String>, session: &mut Session) {
        let login = self.login.clone();
        let events = self.events.clone();
        let Some(channel) = self.channel(id).filter(|channel| !channel.started) else {
            return;
        };
        channel.started = true;
        let (output, mut receiver) = mpsc::channel(256);
        let handle = session.handle();
        tokio::spawn(async move {
            while let Some(TerminalOutput::Bytes(bytes)) = receiver.recv().await {
                if handle.data(id, bytes).await.is_err() {
                    return;
                }
            }
            let _gone = handle.exit_status_request(id, 0).await;
            let _gone = handle.eof(id).await;
            let _gone = handle.close(id).await;
        });
        let (session, rows) = (channel.session, channel.rows);
        let _ended =
            events.send(TerminalEvent::Open { session, login, rows, command, output }).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for channel in self.channels.drain(..).filter(|channel| channel.started) {
            let (events, session) = (self.events.clone(), channel.session);
            tokio::spawn(async move {
                let _ended = events.send(TerminalEvent::Closed { session }).await.is_ok();
            });
        }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let (answer, allowed) = oneshot::channel();
        let (login, password) = (user.to_owned(), password.to_owned());
        let event = TerminalEvent::LogIn { login, password, from: self.from, answer };
        let asked = self.events.send(event).await.is_ok();
        if asked && allowed.await.unwrap_or(false) {
            user.clone_into(&mut self.login);
            if let Some(logged_in) = self.logged_in.take() {
                let _waits = logged_in.send(()).is_ok();
            }
            Ok(Auth::Accept)
        } else {
            Ok(Auth::reject())
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.channels.push(OpenChannel {
            id: channel.id(),
            session: number,
            rows: 0,
            started: false,
        });
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(open) = self.channel(channel) {
            open.rows = rows;
        }
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        self.start(channel, None, session).await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let command = String::from_utf8_lossy(data).into_owned();
        self.start(channel, Some(command), session).await;
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(session) = self.channel(channel).map(|open| open.session) else { return Ok(()) };
        for piece in data.chunks(PIECE_BYTES) {
            let (taken, done) = oneshot::channel();
            let event = TerminalEvent::Typed { session, bytes: piece.to_vec(), taken };
            let _ended = self.events.send(event).await;
            // Nobody answers: it is dropped.
            let _dropped = done.await;
        }
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(session) = self.channel(channel).map(|open| open.session) {
            let _ended = self.events.send(TerminalEvent::Ended { session }).await;
        }
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(place) = self.channels.iter().position(|open| open.id == channel) {
            let open = self.channels.remove(place);
            let _ended = self.events.send(TerminalEvent::Closed { session: open.session }).await;
        }
        Ok(())
    }
}
