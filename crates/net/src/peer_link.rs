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
    /// How long what is sent may take to leave.
    patience: Duration,
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
        Ok(Self { stream, came: Vec::new(), patience })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When it does not leave in time, or is longer than any may be.
    pub fn send(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        if head.len() > HEAD_BYTES_MAX || body.len() > BODY_BYTES_MAX {
            return Err(io::Error::other("a message is too long for the link"));
        }
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut start = Vec::with_capacity(8 + head.len() + body.len().min(READ_BYTES));
        start.extend(length(head));
        start.extend(length(body));
        start.extend(head);
        let (with, rest) = body.split_at(body.len().min(READ_BYTES));
        start.extend(with);
        self.stream.write_all(&start)?;
        if !rest.is_empty() {
            self.stream.write_all(rest)?;
        }
        self.stream.flush()
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

    /// How long what is sent may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }

    fn whole(&mut self) -> io::Result<Option<Message>> {
        let Some(lengths) = self.came.get(..8) else { return Ok(None) };
        let length = |bytes: &[u8]| {
            bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte))
        };
        let (head, body) = (length(&lengths[..4]), length(&lengths[4..]));
        if head > HEAD_BYTES_MAX || body > BODY_BYTES_MAX {
            return Err(io::Error::other("what comes over the link is no message"));
        }
        if self.came.len() < 8 + head + body {
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

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let key = Arc::new(key());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let theirs = Arc::clone(&key);
        let other = thread::spawn(move || {
            let mut link =
                PeerLink::accept(listener.accept().unwrap().0, &theirs, PATIENCE).unwrap();
            while let Ok(Some((head, body))) = link.receive(PATIENCE) {
                link.send(&head, &body[..body.len() / 2]).unwrap();
            }
        });
        let mut link = PeerLink::connect(address, &key, PATIENCE).unwrap();
        for size in [0, 1, 100, READ_BYTES, READ_BYTES + 1, 3 << 20] {
            link.send(format!("{size}").as_bytes(), &vec![7; size]).unwrap();
            let (head, body) = link.receive(PATIENCE).unwrap().unwrap();
            assert_eq!((head, body), (format!("{size}").into_bytes(), vec![7; size / 2]));
        }
        assert!(link.receive(Duration::from_millis(5)).unwrap().is_none());
        assert!(link.send(&[0; HEAD_BYTES_MAX + 1], b"").is_err());
        assert_eq!(link.patience(), PATIENCE);
        drop(link);
        other.join().unwrap();
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

    #[test]
    fn a_length_that_no_message_has_ends_the_link() {
        let key = Arc::new(key());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let theirs = Arc::clone(&key);
        let other = thread::spawn(move || {
            let mut link =
                PeerLink::accept(listener.accept().unwrap().0, &theirs, PATIENCE).unwrap();
            link.receive(PATIENCE).map(|_| ()).unwrap_err().to_string()
        });
        let mut link = PeerLink::connect(address, &key, PATIENCE).unwrap();
        link.stream.write_all(&[0xff; 8]).unwrap();
        assert_eq!(other.join().unwrap(), "what comes over the link is no message");
    }
}
