//! One client of the SSH server.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, MethodSet, Pty};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::files::Files;
use super::scp::{self, Scp};
use super::sftp::Sftp;
use super::{Proof, Screen, SshEvent, SshServer, TerminalOutput, methods};

/// What is handed on of a paste at a time, in bytes.
const PIECE_BYTES: usize = 8 << 10;
/// Passwords that may be wrong on one connection.
const WRONG_MAX: usize = 3;
/// Channels at a time on one connection.
const CHANNELS_MAX: usize = 16;
/// Pieces of output that may wait for the client.
const WAITING_MAX: usize = 256;

/// What is on its way between a client and its files, in bytes.
const SFTP_BUFFER_BYTES: usize = 64 << 10;

struct OpenChannel {
    id: ChannelId,
    session: u64,
    screen: Screen,
    /// Until it is known what it is for.
    channel: Option<Channel<Msg>>,
    /// Where what is typed goes, of a terminal or of commands; none of files. Those that wait for one command keep no other
    /// channel waiting.
    typed: Option<mpsc::Sender<Typed>>,
    /// Whoever serves it has another one.
    served: Arc<()>,
}

impl OpenChannel {
    /// Whether it is over, whatever the client says of it.
    fn is_over(&self) -> bool {
        self.channel.is_none() && Arc::strong_count(&self.served) == 1
    }
}

/// What comes from a client.
enum Typed {
    Bytes(Vec<u8>),
    End,
}

/// Pieces of what is typed that may wait for a command; more keeps the connection waiting.
const TYPED_MAX: usize = 64;
const CTRL_C: u8 = 3;

/// Hands on what is typed, a piece at a time.
async fn hand_on(session: u64, events: mpsc::Sender<SshEvent>, mut pieces: mpsc::Receiver<Typed>) {
    while let Some(piece) = pieces.recv().await {
        let Typed::Bytes(bytes) = piece else {
            // The switch may be gone by now.
            let _gone = events.send(SshEvent::Ended { session }).await;
            continue;
        };
        let (taken, done) = oneshot::channel();
        let _gone = events.send(SshEvent::Typed { session, bytes, taken }).await;
        // Nobody answers: it is dropped.
        let _dropped = done.await;
    }
}

/// One client.
pub(super) struct Connection {
    server: SshServer,
    number: u64,
    from: IpAddr,
    login: String,
    wrong: usize,
    /// Told once, when someone has logged in.
    logged_in: Option<oneshot::Sender<()>>,
    place: Option<OwnedSemaphorePermit>,
    channels: Vec<OpenChannel>,
    /// How often all had been hung up when it began.
    began: u64,
}

/// A refusal after which there is nothing more to try.
fn over() -> Auth {
    Auth::Reject { proceed_with_methods: Some(MethodSet::empty()), partial_success: false }
}

/// A refusal after which all that could be tried still can.
fn again() -> Auth {
    Auth::Reject { proceed_with_methods: Some(methods()), partial_success: false }
}

/// A key in the form of OpenSSH, without what somebody wrote behind it.
fn text_of(key: &PublicKey) -> String {
    let text = key.to_openssh().unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

impl Connection {
    pub(super) fn new(
        server: SshServer,
        number: u64,
        from: IpAddr,
        logged_in: oneshot::Sender<()>,
    ) -> Self {
        let began = *server.hung_up.borrow();
        Self {
            began,
            server,
            number,
            from,
            login: String::new(),
            wrong: 0,
            logged_in: Some(logged_in),
            place: None,
            channels: Vec::new(),
        }
    }

    fn channel(&mut self, id: ChannelId) -> Option<&mut OpenChannel> {
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    async fn ask_login(&self, user: &str, proof: Proof) -> bool {
        let (answer, allowed) = oneshot::channel();
        let event = SshEvent::LogIn { login: user.to_owned(), proof, from: self.from, answer };
        self.server.events.send(event).await.is_ok() && allowed.await.unwrap_or(false)
    }

    /// Somebody has proven who they are: they are in.
    fn enter(&mut self, user: &str, place: OwnedSemaphorePermit) -> Auth {
        self.place = Some(place);
        user.clone_into(&mut self.login);
        self.server.silent.remove(self.number);
        if let Some(logged_in) = self.logged_in.take() {
            let _waits = logged_in.send(()).is_ok();
        }
        Auth::Accept
    }

    /// Whether it is from before a restart: nobody goes on with a login from then.
    fn is_over(&self) -> bool {
        *self.server.hung_up.borrow() != self.began
    }

    fn files(&self) -> Files {
        let (events, login) = (self.server.events.clone(), self.login.clone());
        Files { events, login, from: self.from }
    }

    /// A terminal, or commands without one.
    async fn start(
        &mut self,
        id: ChannelId,
        command: Option<String>,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.is_over() {
            return session.channel_failure(id);
        }
        let (login, from, events) = (self.login.clone(), self.from, self.server.events.clone());
        // Nothing is read from it here: all that comes is handed to `data`.
        let Some(channel) = self.channel(id).filter(|open| open.channel.is_some()) else {
            return session.channel_failure(id);
        };
        channel.channel = None;
        let (typed, pieces) = mpsc::channel(TYPED_MAX);
        channel.typed = Some(typed);
        let (number, screen, served) =
            (channel.session, channel.screen, Arc::clone(&channel.served));
        session.channel_success(id)?;
        let (output, mut receiver) = mpsc::channel(WAITING_MAX);
        let handle = session.handle();
        tokio::spawn(async move {
            let mut status = 0;
            while let Some(shown) = receiver.recv().await {
                match shown {
                    TerminalOutput::Bytes(bytes) if bytes.is_empty() => {}
                    TerminalOutput::Bytes(bytes) => {
                        if handle.data(id, bytes).await.is_err() {
                            return;
                        }
                    }
                    TerminalOutput::Close(with) => {
                        status = with;
                        break;
                    }
                }
            }
            let _gone = handle.exit_status_request(id, status).await;
            let _gone = handle.eof(id).await;
            let _gone = handle.close(id).await;
            drop(served);
        });
        let event = SshEvent::Open { session: number, login, from, screen, command, output };
        // The switch may be gone by now.
        let _gone = events.send(event).await;
        tokio::spawn(hand_on(number, events, pieces));
        Ok(())
    }

    /// The channel as a stream, for a protocol of files.
    fn stream(&mut self, id: ChannelId) -> Option<(Channel<Msg>, Arc<()>)> {
        if self.is_over() {
            return None;
        }
        let open = self.channel(id)?;
        Some((open.channel.take()?, Arc::clone(&open.served)))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for channel in self.channels.drain(..).filter(|channel| channel.typed.is_some()) {
            let (events, session) = (self.server.events.clone(), channel.session);
            tokio::spawn(async move {
                let _ended = events.send(SshEvent::Closed { session }).await.is_ok();
            });
        }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        let (answer, text) = oneshot::channel();
        let asked = self.server.events.send(SshEvent::Banner { answer }).await.is_ok();
        let text = if asked { text.await.unwrap_or_default() } else { String::new() };
        Ok((!text.is_empty()).then_some(text))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        if self.wrong >= WRONG_MAX {
            return Ok(over());
        }
        // Without a place nobody is said to have logged in.
        let Some(place) = self.server.place() else { return Ok(over()) };
        if self.ask_login(user, Proof::Password(password.to_owned())).await {
            return Ok(self.enter(user, place));
        }
        self.wrong += 1;
        Ok(if self.wrong < WRONG_MAX { again() } else { over() })
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        let proof = Proof::Key { text: text_of(offer.public_key), is_proven: false };
        let would_do = self.wrong < WRONG_MAX && self.ask_login(user, proof).await;
        Ok(if would_do { Auth::Accept } else { again() })
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let proof = Proof::Key { text: text_of(key.public_key), is_proven: true };
        let Some(place) = self.server.place() else { return Ok(over()) };
        let may = self.ask_login(user, proof).await;
        Ok(if may { self.enter(user, place) } else { again() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.retain(|open| !open.is_over());
        if self.channels.len() >= CHANNELS_MAX || self.is_over() {
            reply.reject(russh::ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let session = self.server.numbers.fetch_add(1, Ordering::Relaxed);
        self.channels.push(OpenChannel {
            id: channel.id(),
            session,
            screen: Screen::default(),
            channel: Some(channel),
            typed: None,
            served: Arc::default(),
        });
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(open) = self.channel(channel) {
            open.screen = Screen { rows, columns, is_there: true };
        }
        session.channel_success(channel)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(open) = self.channel(channel) else { return Ok(()) };
        open.screen = Screen { rows, columns, is_there: true };
        let (session, screen) = (open.session, open.screen);
        let _ended = self.server.events.send(SshEvent::Resized { session, screen }).await;
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(channel, None, session).await
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        let Some(scp) = Scp::parse(&command) else {
            return self.start(channel, Some(command), session).await;
        };
        let Some((stream, served)) = self.stream(channel) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        let (files, handle) = (self.files(), session.handle());
        tokio::spawn(async move {
            // Its end closes the channel, and the status goes before that.
            let mut stream = stream.into_stream();
            let is_fine = scp::run(&mut stream, files, scp).await;
            let _gone = handle.exit_status_request(channel, u32::from(!is_fine)).await;
            let _gone = handle.eof(channel).await;
            let _gone = handle.close(channel).await;
            drop((stream, served));
        });
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let stream = if name == "sftp" { self.stream(channel) } else { None };
        let Some((stream, served)) = stream else { return session.channel_failure(channel) };
        session.channel_success(channel)?;
        let ((sftp, end), handle) = (Sftp::new(self.files()), session.handle());
        tokio::spawn(async move {
            // It goes on in a task of its own, whose end would close the channel before the status is told.
            let (mut near, far) = tokio::io::duplex(SFTP_BUFFER_BYTES);
            let mut stream = stream.into_stream();
            russh_sftp::server::run(far, sftp).await;
            // Whoever went away needs no status.
            let _gone = tokio::io::copy_bidirectional(&mut stream, &mut near).await;
            drop(near);
            let _ended = end.await;
            let _gone = handle.exit_status_request(channel, 0).await;
            let _gone = handle.eof(channel).await;
            let _gone = handle.close(channel).await;
            drop((stream, served));
        });
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(open) = self.channel(channel) else { return Ok(()) };
        let (session, Some(typed)) = (open.session, open.typed.clone()) else { return Ok(()) };
        if data.contains(&CTRL_C) {
            let _ended = self.server.events.send(SshEvent::Interrupted { session }).await;
        }
        for piece in data.chunks(PIECE_BYTES) {
            let _ended = typed.send(Typed::Bytes(piece.to_vec())).await;
        }
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(typed) = self.channel(channel).and_then(|open| open.typed.clone()) {
            let _ended = typed.send(Typed::End).await;
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
            if open.typed.is_some() {
                let session = open.session;
                let _ended = self.server.events.send(SshEvent::Closed { session }).await;
            }
        }
        Ok(())
    }
}
