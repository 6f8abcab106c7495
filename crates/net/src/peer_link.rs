//! The link between two supervisors: TLS 1.3 in which both show the key of their chassis, and whole messages in it. It is used
//! by one thread that may wait: a change counts once the other side has it.
#![expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

use crate::TlsError;

/// The name in the certificate of a chassis.
pub const CHASSIS_NAME: &str = "chassis.rumline.internal";
/// The longest head of a message, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The longest body of a message, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;
/// So much is read at a time.
const READ_BYTES: usize = 64 << 10;

/// What the supervisors of one chassis have, and nobody else: a certificate that stands for itself, and its key, DER.
pub struct ChassisKey {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl ChassisKey {
    /// The key of a chassis.
    ///
    /// # Errors
    /// When certificate and key do not fit together.
    pub fn of(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let own = || vec![CertificateDer::from(certificate.to_vec())];
        let secret = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(certificate.to_vec()))?;
        let roots = Arc::new(roots);
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| TlsError::Pem(error.to_string()))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(own(), secret())?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(own(), secret())?;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

enum Stream {
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Server(stream) => &stream.sock,
            Self::Client(stream) => &stream.sock,
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Server(stream) => stream.read(bytes),
            Self::Client(stream) => stream.read(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Server(stream) => stream.write_all(bytes),
            Self::Client(stream) => stream.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Server(stream) => stream.flush(),
            Self::Client(stream) => stream.flush(),
        }
    }
}

/// A message: a short head that says what it is, and the bytes it is about.
pub type Message = (Vec<u8>, Vec<u8>);

/// A link to the other supervisor.
pub struct PeerLink {
    stream: Stream,
    /// What came and is no whole message yet.
    came: Vec<u8>,
    /// What is to leave with the next message.
    waiting: Vec<u8>,
    /// How long a message may take to leave.
    patience: Duration,
    /// The longest body that is taken.
    body_bytes_max: usize,
}

impl PeerLink {
    /// Goes to the other supervisor.
    ///
    /// # Errors
    /// When it is not there, or does not have the key of the chassis.
    pub fn connect(address: SocketAddr, key: &ChassisKey, patience: Duration) -> io::Result<Self> {
        let tcp = TcpStream::connect_timeout(&address, patience)?;
        let name = ServerName::try_from(CHASSIS_NAME).map_err(io::Error::other)?;
        let client = ClientConnection::new(Arc::clone(&key.client), name);
        let client = client.map_err(io::Error::other)?;
        let stream = Box::new(StreamOwned::new(client, tcp));
        Self::begin(Stream::Client(stream), patience)
    }

    /// Takes one that came.
    ///
    /// # Errors
    /// When it does not have the key of the chassis, or says nothing in time.
    pub fn accept(tcp: TcpStream, key: &ChassisKey, patience: Duration) -> io::Result<Self> {
        let server = ServerConnection::new(Arc::clone(&key.server)).map_err(io::Error::other)?;
        let stream = Box::new(StreamOwned::new(server, tcp));
        Self::begin(Stream::Server(stream), patience)
    }

    fn begin(mut stream: Stream, patience: Duration) -> io::Result<Self> {
        stream.tcp().set_nodelay(true)?;
        stream.tcp().set_write_timeout(Some(patience))?;
        stream.tcp().set_read_timeout(Some(patience))?;
        let deadline = Instant::now() + patience;
        let is_done = |stream: &Stream| match stream {
            Stream::Server(stream) => !stream.conn.is_handshaking(),
            Stream::Client(stream) => !stream.conn.is_handshaking(),
        };
        while !is_done(&stream) {
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing"));
            }
            match &mut stream {
                Stream::Server(stream) => step(&mut stream.conn, &mut stream.sock)?,
                Stream::Client(stream) => step(&mut stream.conn, &mut stream.sock)?,
            }
        }
        let (came, waiting) = (Vec::new(), Vec::new());
        Ok(Self { stream, came, waiting, patience, body_bytes_max: BODY_BYTES_MAX })
    }

    /// Sends a message, behind those that wait.
    ///
    /// # Errors
    /// When it does not leave in time, or is longer than any may be.
    pub fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let body = self.begin_message(head, body)?;
        let deadline = Instant::now() + self.patience;
        let waiting = std::mem::take(&mut self.waiting);
        self.send_by(deadline, &waiting)?;
        for piece in body.chunks(READ_BYTES) {
            self.send_by(deadline, piece)?;
        }
        self.stream.flush()?;
        // Its room serves the next ones.
        self.waiting = waiting;
        self.waiting.clear();
        Ok(())
    }

    /// Lets a message wait for the next one that is sent, unless much waits already.
    ///
    /// # Errors
    /// As [`PeerLink::send`].
    pub fn send_later(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        if self.waiting.len() + head.len() + body.len() > READ_BYTES {
            return self.send(head, body);
        }
        self.begin_message(head, body).map(|_| ())
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// When it does not leave in time.
    pub fn flush(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.send_by(Instant::now() + self.patience, &waiting)?;
            self.stream.flush()?;
        }
        Ok(())
    }

    /// Puts the lengths, the head and the beginning of the body to what waits; the rest of the body.
    fn begin_message<'b>(&mut self, head: &[u8], body: &'b [u8]) -> io::Result<&'b [u8]> {
        if head.len() > HEAD_BYTES_MAX || body.len() > BODY_BYTES_MAX {
            return Err(io::Error::other("a message is too long for the link"));
        }
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let (with, rest) = body.split_at(body.len().min(READ_BYTES));
        for part in [&length(head)[..], &length(body)[..], head, with] {
            self.waiting.extend_from_slice(part);
        }
        Ok(rest)
    }

    /// A piece of a message that has to leave until then: whoever takes it drop by drop is not waited for.
    fn send_by(&mut self, deadline: Instant, piece: &[u8]) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
        }
        self.stream.tcp().set_write_timeout(Some(left))?;
        self.stream.write_all(piece)
    }

    /// Takes heads alone from now on.
    pub fn take_no_bodies(&mut self) {
        self.body_bytes_max = 0;
    }

    /// The next message, if one comes within that time.
    ///
    /// # Errors
    /// When the link is cut, or what comes is no message.
    pub fn receive(&mut self, within: Duration) -> io::Result<Option<Message>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(message) = self.whole()? {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A socket takes no wait of no length.
            self.stream.tcp().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            let before = self.came.len();
            self.came.resize(before + READ_BYTES, 0);
            let read = self.stream.read(&mut self.came[before..]);
            self.came.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_wait(&error) => {
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a whole message has come and was not taken yet.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.lengths().is_some_and(|(head, body)| self.came.len() >= 8 + head + body)
    }

    /// Of the head and the body of the message that comes.
    fn lengths(&self) -> Option<(usize, usize)> {
        let lengths = self.came.get(..8)?;
        let length = |bytes: &[u8]| {
            bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte))
        };
        Some((length(&lengths[..4]), length(&lengths[4..])))
    }

    fn whole(&mut self) -> io::Result<Option<Message>> {
        let Some((head, body)) = self.lengths() else { return Ok(None) };
        if head > HEAD_BYTES_MAX || body > self.body_bytes_max {
            return Err(io::Error::other("what comes over the link is no message"));
        }
        if !self.has_more() {
            return Ok(None);
        }
        let rest = self.came.split_off(8 + head + body);
        let mut message = std::mem::replace(&mut self.came, rest);
        let body = message.split_off(8 + head);
        message.drain(..8);
        Ok(Some((message, body)))
    }
}

/// One step of a handshake: whoever sends it letter by letter is looked at in between.
fn step<D: rustls::SideData>(
    connection: &mut rustls::ConnectionCommon<D>,
    tcp: &mut TcpStream,
) -> io::Result<()> {
    if connection.wants_write() {
        connection.write_tls(tcp)?;
        return Ok(());
    }
    if connection.read_tls(tcp)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let processed = connection.process_new_packets();
    if processed.is_err() {
        // Why is told to whoever is there still.
        let _told = connection.write_tls(tcp);
    }
    processed.map(|_| ()).map_err(io::Error::other)
}

fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn key() -> ChassisKey {
        let made = rcgen::generate_simple_self_signed([CHASSIS_NAME.to_owned()]).unwrap();
        ChassisKey::of(made.cert.der(), &made.signing_key.serialize_der()).unwrap()
    }

    /// A link whose other end does something, which is waited for.
    fn linked<T: Send + 'static>(
        patience: Duration,
        other: impl FnOnce(PeerLink) -> T + Send + 'static,
    ) -> (PeerLink, thread::JoinHandle<T>) {
        let key = Arc::new(key());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let theirs = Arc::clone(&key);
        let other = thread::spawn(move || {
            other(PeerLink::accept(listener.accept().unwrap().0, &theirs, PATIENCE).unwrap())
        });
        (PeerLink::connect(address, &key, patience).unwrap(), other)
    }

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let (mut link, other) = linked(PATIENCE, |mut link| {
            while let Ok(Some((head, body))) = link.receive(PATIENCE) {
                link.send(&head, &body[..body.len() / 2]).unwrap();
            }
        });
        for size in [0, 1, 100, READ_BYTES, READ_BYTES + 1, 3 << 20] {
            link.send(format!("{size}").as_bytes(), &vec![7; size]).unwrap();
            let (head, body) = link.receive(PATIENCE).unwrap().unwrap();
            assert_eq!((head, body), (format!("{size}").into_bytes(), vec![7; size / 2]));
        }
        assert!(link.receive(Duration::from_millis(5)).unwrap().is_none());
        assert!(link.send(&[0; HEAD_BYTES_MAX + 1], b"").is_err());
        // Those that wait leave with the next one, or when they are told to, and in order.
        for head in [b"1", b"2"] {
            link.send_later(head, b"--").unwrap();
        }
        assert!(link.receive(Duration::from_millis(5)).unwrap().is_none());
        link.send(b"3", b"").unwrap();
        link.send_later(b"4", b"").unwrap();
        link.flush().unwrap();
        link.send_later(b"5", &[7; READ_BYTES]).unwrap();
        for head in [b"1", b"2", b"3", b"4", b"5"] {
            assert_eq!(link.receive(PATIENCE).unwrap().unwrap().0, head);
        }
        assert!(!link.has_more());
        drop(link);
        other.join().unwrap();
    }

    #[test]
    fn whoever_takes_a_message_drop_by_drop_is_not_waited_for() {
        let (mut link, other) = linked(Duration::from_millis(300), |mut link| {
            let mut drop_of = vec![0; 4 << 10];
            while link.stream.read(&mut drop_of).is_ok_and(|read| read > 0) {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let error = link.send(b"head", &vec![7; BODY_BYTES_MAX]).unwrap_err();
        assert!(is_wait(&error), "{error}");
        drop(link);
        other.join().unwrap();
    }

    #[test]
    fn a_length_that_no_message_has_ends_the_link() {
        for is_witness in [false, true] {
            let (mut link, other) = linked(PATIENCE, move |mut link| {
                if is_witness {
                    link.take_no_bodies();
                }
                link.receive(PATIENCE).map(|_| ()).unwrap_err().to_string()
            });
            if is_witness {
                link.send(b"head", b"body").unwrap();
            } else {
                link.stream.write_all(&[0xff; 8]).unwrap();
            }
            assert_eq!(other.join().unwrap(), "what comes over the link is no message");
        }
    }

    #[test]
    fn who_has_another_key_or_speaks_nonsense_is_turned_away() {
        let (ours, others) = (Arc::new(key()), key());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let theirs = Arc::clone(&ours);
        let other = thread::spawn(move || {
            let mut refused = 0;
            for _ in 0..3 {
                let tcp = listener.accept().unwrap().0;
                let link = PeerLink::accept(tcp, &theirs, Duration::from_millis(500));
                let heard = link.and_then(|mut link| link.receive(PATIENCE));
                refused += usize::from(heard.is_err());
            }
            refused
        });
        // Another chassis, somebody without TLS, somebody who says nothing.
        let _refused = PeerLink::connect(address, &others, PATIENCE);
        let mut plain = TcpStream::connect(address).unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _silent = TcpStream::connect(address).unwrap();
        assert_eq!(other.join().unwrap(), 3);
    }
}
