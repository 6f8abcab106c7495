//! A message over HTTP or HTTPS by a way that was decided before: from where, through what proxy, by which TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rumline_agent::Reason;
use rustls::ClientConfig;
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
                self.answer(stream, request).await
            } else {
                self.answer(stream, request).await
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
            other => other,
        })?;
        if target.is_https {
            // PI-NET-019, G-28: the proxy is told where to, and resolves the name itself.
            let asked = tunnel(&mut stream, &target.host, target.port);
            timeout(PROXY_PATIENCE, asked).await.map_err(|_| Reason::Timeout)??;
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
            let body = self.body(answer.into_body()).await?;
            Ok(Reply { status, retry_after_seconds, body })
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
fn tls_reason(error: &std::io::Error) -> Reason {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => Reason::Certificate,
        Some(_) => Reason::Tls,
        None => reason_of(error),
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
