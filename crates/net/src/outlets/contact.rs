//! A message over HTTP or HTTPS by a way that was decided before: from where, through what proxy, by which TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rumline_agent::Reason;
use rustls::{CertificateError, ClientConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::dns::NameLookup;
use super::{Outlet, reason_of};

/// The head of an answer, at most, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A proxy that has said nothing for so long says nothing.
const PROXY_PATIENCE: Duration = Duration::from_secs(20);

/// How many bytes of a file have been read or written so far.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// How many.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The way of a message, or of a file.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Where it leaves.
    pub outlet: Outlet,
    /// The name and the port of the proxy in between.
    pub proxy: Option<(String, u16)>,
    /// How names are resolved.
    pub names: NameLookup,
    /// The TLS that is offered, and whom it trusts.
    pub tls: Arc<ClientConfig>,
    /// Whether the other side may have an IPv6 address.
    pub has_ipv6: bool,
    /// The largest answer that is taken, in bytes.
    pub answer_bytes_max: usize,
    /// When all of it has to be over.
    pub patience: Duration,
    /// How far it is.
    pub progress: Progress,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// When the peer wants to be asked again, if it says so in seconds.
    pub retry_after_seconds: Option<i64>,
    /// Body.
    pub body: Vec<u8>,
    /// Whether it is known where the body ends: what ends with the connection may be cut.
    pub is_whole: bool,
}

/// Where a URL leads.
struct Target {
    is_https: bool,
    host: String,
    port: u16,
    /// Host and port as they are written.
    authority: String,
    path: String,
}

impl Target {
    fn of(url: &str) -> Result<Self, Reason> {
        let uri: Uri = url.parse().map_err(|_| Reason::Url)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(Reason::Url),
        };
        let authority = uri.authority().ok_or(Reason::Url)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(Reason::Url);
        }
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            is_https,
            host: authority.host().to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }
}

impl Contact {
    /// The address of a host.
    pub(crate) async fn address(&self, host: &str) -> Result<IpAddr, Reason> {
        self.names.address(host, self.has_ipv6).await
    }

    /// A connection to a host.
    pub(crate) async fn stream(&self, host: &str, port: u16) -> Result<TcpStream, Reason> {
        let address = self.address(host).await?;
        self.outlet.connect(SocketAddr::new(address, port)).await
    }

    /// Sends a message and reads the answer.
    ///
    /// # Errors
    /// With why there is none.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Reply, Reason> {
        let request = Request::builder().method(Method::POST).header(CONTENT_TYPE, content_type);
        self.exchange(url, request, body).await
    }

    /// Reads what lies at a URL.
    ///
    /// # Errors
    /// As [`Contact::post`].
    pub async fn get(&self, url: &str) -> Result<Reply, Reason> {
        self.exchange(url, Request::builder().method(Method::GET), Vec::new()).await
    }

    /// Puts something at a URL.
    ///
    /// # Errors
    /// As [`Contact::post`].
    pub async fn put(&self, url: &str, body: Vec<u8>) -> Result<Reply, Reason> {
        self.exchange(url, Request::builder().method(Method::PUT), body).await
    }

    async fn exchange(
        &self,
        url: &str,
        request: hyper::http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Reply, Reason> {
        let target = Target::of(url)?;
        let all = async {
            let stream = self.connected(&target).await?;
            // Through a proxy and without TLS it is the proxy that is asked.
            let is_relayed = self.proxy.is_some() && !target.is_https;
            let uri = if is_relayed { url } else { &target.path };
            let request = request
                .uri(uri)
                .header(HOST, &target.authority)
                .body(Whole(Some(Bytes::from(body))))
                .map_err(|_| Reason::Url)?;
            if target.is_https {
                let stream = self.secured(stream, &target.host).await?;
                // TLS says itself whether all of it came.
                return Ok(Reply { is_whole: true, ..self.answer(stream, request).await? });
            }
            let reply = self.answer(stream, request).await?;
            // What a proxy says for itself is not the server's word.
            match reply.status {
                407 if is_relayed => Err(Reason::ProxyAuthentication),
                status @ 502..=504 if is_relayed => Err(Reason::ProxyStatus(status)),
                _ => Ok(reply),
            }
        };
        timeout(self.patience, all).await.map_err(|_| Reason::Timeout)?
    }

    /// A connection to the server, or to the proxy that leads to it.
    async fn connected(&self, target: &Target) -> Result<TcpStream, Reason> {
        let Some((proxy, port)) = &self.proxy else {
            return self.stream(&target.host, target.port).await;
        };
        let address =
            self.names.address(proxy, self.has_ipv6).await.map_err(|reason| match reason {
                Reason::Name => Reason::ProxyName,
                other => other,
            })?;
        let connected = self.outlet.connect(SocketAddr::new(address, *port)).await;
        let mut stream = connected.map_err(|reason| match reason {
            Reason::Refused | Reason::NoRoute | Reason::Connect => Reason::ProxyConnect,
            Reason::Timeout => Reason::ProxyTimeout,
            other => other,
        })?;
        if target.is_https {
            // PI-NET-019, G-28: the proxy is told where to, and resolves the name itself.
            let asked = tunnel(&mut stream, &target.host, target.port);
            timeout(PROXY_PATIENCE, asked).await.map_err(|_| Reason::ProxyTimeout)??;
        }
        Ok(stream)
    }

    async fn secured(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Reason> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Reason::Url)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector.connect(name, stream).await.map_err(|error| tls_reason(&error))
    }

    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Whole>,
    ) -> Result<Reply, Reason> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|_| Reason::Empty)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| http_reason(&error))?;
            let status = answer.status().as_u16();
            let retry_after = answer.headers().get(RETRY_AFTER);
            let retry_after_seconds =
                retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let headers = answer.headers();
            let is_whole =
                headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
            let body = self.body(answer.into_body()).await?;
            Ok(Reply { status, retry_after_seconds, body, is_whole })
        };
        // The connection moves only while it is looked at; it ends with the answer.
        tokio::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            _ended = connection => exchange.await,
        }
    }

    async fn body(&self, mut incoming: Incoming) -> Result<Vec<u8>, Reason> {
        // As much room as there will be, so that nothing is moved; what is not used of it costs nothing.
        let told = incoming.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
        let room = told.unwrap_or(self.answer_bytes_max).min(self.answer_bytes_max);
        let mut body = Vec::with_capacity(room);
        loop {
            let next = std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut incoming).poll_frame(context)
            });
            let Some(frame) = next.await else { return Ok(body) };
            let frame = frame.map_err(|error| http_reason(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if body.len() + data.len() > self.answer_bytes_max {
                return Err(Reason::TooLarge);
            }
            body.extend_from_slice(&data);
            self.progress.add(data.len());
        }
    }
}

/// Asks a proxy for a tunnel (PI-NET-018, PI-NET-020).
async fn tunnel(stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Reason> {
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    let lost = |_| Reason::ProxyAnswer;
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(Reason::ProxyAnswer);
        }
        // A byte at a time: what comes behind the head is the server's already.
        head.push(stream.read_u8().await.map_err(lost)?);
    }
    match status_of(&head) {
        Some(200..=299) => Ok(()),
        Some(407) => Err(Reason::ProxyAuthentication),
        Some(status) => Err(Reason::ProxyStatus(status)),
        None => Err(Reason::ProxyAnswer),
    }
}

/// The status in the first line of a head.
fn status_of(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// The kind of what went wrong in a handshake.
pub(crate) fn tls_reason(error: &std::io::Error) -> Reason {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => certificate_reason(wrong),
        Some(_) => Reason::Tls,
        None => reason_of(error),
    }
}

/// The kind of what is wrong with a certificate.
fn certificate_reason(wrong: &CertificateError) -> Reason {
    match wrong {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Reason::CertificateName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Reason::CertificateTime,
        _ => Reason::Certificate,
    }
}

/// The kind of what went wrong with an answer.
fn http_reason(error: &hyper::Error) -> Reason {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return tls_reason(io);
        }
        source = inner.source();
    }
    if error.is_timeout() { Reason::Timeout } else { Reason::Empty }
}

/// A body that is there.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        let data = self.0.take().filter(|data| !data.is_empty());
        std::task::Poll::Ready(data.map(|data| Ok(hyper::body::Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        let length = self.0.as_ref().map_or(0, Bytes::len);
        hyper::body::SizeHint::with_exact(u64::try_from(length).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::{client_config, old_client_config, server_config};

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A certificate for localhost and its key, DER.
    fn certificate() -> (Vec<u8>, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.der().to_vec(), made.signing_key.serialize_der())
    }

    fn contact(tls: ClientConfig, proxy: Option<SocketAddr>) -> Contact {
        Contact {
            outlet: Outlet::default(),
            proxy: proxy.map(|proxy| (proxy.ip().to_string(), proxy.port())),
            names: NameLookup { has_machine: true, ..NameLookup::default() },
            tls: Arc::new(tls),
            has_ipv6: false,
            answer_bytes_max: 100_000,
            patience: PATIENCE,
            progress: Progress::default(),
        }
    }

    fn trusting_nobody() -> ClientConfig {
        client_config(&[]).unwrap()
    }

    /// The head of a request.
    async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// A peer that reads a head, says something, and ends; what it read.
    async fn peer(says: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let work = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = head(&mut stream).await;
            let _gone = stream.write_all(says).await;
            head
        };
        (address, tokio::spawn(work))
    }

    async fn reason(contact: &Contact, url: &str) -> Reason {
        contact.post(url, "text/plain", b"hello".to_vec()).await.unwrap_err()
    }

    #[tokio::test]
    async fn what_a_proxy_says_is_told_by_its_kind() {
        // PI-NET-019, PI-NET-020, G-28
        for (says, wanted) in [
            (
                &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..],
                Reason::ProxyAuthentication,
            ),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Reason::ProxyStatus(503)),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Reason::ProxyAnswer),
            (b"HTTP/1.1 many\r\n\r\n", Reason::ProxyAnswer),
            (b"HTTP/1.1 200", Reason::ProxyAnswer),
            (&[b'x'; 2 * HEAD_BYTES_MAX], Reason::ProxyAnswer),
            // It lets through, and there is nothing behind.
            (b"HTTP/1.1 200 Connection established\r\n\r\n", Reason::Empty),
        ] {
            let (proxy, read) = peer(says).await;
            let contact = contact(trusting_nobody(), Some(proxy));
            let found = reason(&contact, "https://cssm.test/licservice/license").await;
            let shown = String::from_utf8_lossy(&says[..says.len().min(40)]).into_owned();
            assert_eq!(found, wanted, "{shown}");
            let asked = read.await.unwrap();
            assert_eq!(asked, "CONNECT cssm.test:443 HTTP/1.1\r\nHost: cssm.test:443\r\n\r\n");
        }
        let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let contact = contact(trusting_nobody(), Some(nobody));
        assert_eq!(reason(&contact, "https://cssm.test/").await, Reason::ProxyConnect);
    }

    #[tokio::test]
    async fn without_tls_the_proxy_is_asked_for_the_whole_url() {
        // PI-NET-022
        let (proxy, read) = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let contact = contact(trusting_nobody(), Some(proxy));
        let reply = contact.post("http://gateway.test/its", "text/xml", Vec::new()).await.unwrap();
        assert_eq!((reply.status, reply.body), (200, b"ok".to_vec()));
        let asked = read.await.unwrap();
        assert!(asked.starts_with("POST http://gateway.test/its HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("host: gateway.test\r\n"), "{asked}");
        for (says, wanted) in [
            (&b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n"[..], Reason::ProxyAuthentication),
            (b"HTTP/1.1 502 Bad\r\ncontent-length: 0\r\n\r\n", Reason::ProxyStatus(502)),
        ] {
            let (proxy, _) = peer(says).await;
            let through = self::contact(trusting_nobody(), Some(proxy));
            assert_eq!(reason(&through, "http://gateway.test/its").await, wanted);
        }
    }

    #[tokio::test]
    async fn what_a_server_says_is_told_by_its_kind() {
        // PI-MSG-009
        for (says, wanted) in [
            (&b""[..], Reason::Empty),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Reason::Empty),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", Reason::Empty),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", Reason::Empty),
        ] {
            let (server, _) = peer(says).await;
            let found =
                reason(&contact(trusting_nobody(), None), &format!("http://{server}/")).await;
            assert_eq!(found, wanted, "{}", String::from_utf8_lossy(says));
        }
        let (server, _) =
            peer(b"HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n").await;
        let here = contact(trusting_nobody(), None);
        let reply = here.get(&format!("http://{server}/")).await.unwrap();
        assert_eq!((reply.status, reply.retry_after_seconds), (429, Some(7)));
        assert_eq!(reason(&here, "http://127.0.0.1:1/").await, Reason::Refused);
        assert_eq!(reason(&here, "http://no-such-host.invalid/").await, Reason::Name);
        assert_eq!(reason(&here, "http://[::1]/").await, Reason::Ipv6);
        for url in ["ftp://x/", "x", "https://user@x/", "https:///x", "http://"] {
            assert_eq!(reason(&here, url).await, Reason::Url, "{url}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_and_one_that_never_comes_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endless = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            head(&mut stream).await;
            let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 8_192]).await.is_ok() {}
        });
        let here = contact(trusting_nobody(), None);
        assert_eq!(reason(&here, &format!("http://{endless}/")).await, Reason::TooLarge);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = listener.local_addr().unwrap();
        let impatient = Contact { patience: Duration::from_millis(100), ..here };
        assert_eq!(reason(&impatient, &format!("http://{silent}/")).await, Reason::Timeout);
    }

    #[tokio::test]
    async fn tls_fails_by_certificate_or_by_version() {
        // PI-NET-006
        let (own, key) = certificate();
        let serve = |listener: TcpListener| {
            let config = server_config(own.clone(), key.clone()).unwrap();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&config));
                    tokio::spawn(async move {
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        head(&mut stream).await;
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        let _gone = stream.write_all(answer).await;
                        let _gone = stream.flush().await;
                        let mut rest = Vec::new();
                        let _ended = stream.read_to_end(&mut rest).await;
                    });
                }
            });
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        serve(listener);
        let named = format!("https://localhost:{port}/");
        let trusting = contact(client_config(std::slice::from_ref(&own)).unwrap(), None);
        assert_eq!(trusting.get(&named).await.unwrap().body, b"ok");
        let by_address = format!("https://127.0.0.1:{port}/");
        assert_eq!(reason(&trusting, &by_address).await, Reason::CertificateName);
        assert_eq!(reason(&contact(trusting_nobody(), None), &named).await, Reason::Certificate);
        let old = contact(old_client_config(&[own]).unwrap(), None);
        assert_eq!(reason(&old, &named).await, Reason::Tls);
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = plain.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = plain.accept().await.unwrap();
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let mut rest = Vec::new();
            let _ended = stream.read_to_end(&mut rest).await;
        });
        assert_eq!(reason(&trusting, &format!("https://localhost:{port}/")).await, Reason::Tls);
    }
}
