//! An HTTP server around a router, over TLS or as the client likes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::pace::{Arriving, Departing};

/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 20_000;
/// A handshake or a request's head must be here within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Tells a server to finish what is under way and end.
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { sender: watch::Sender::new(false) }
    }
}

impl Shutdown {
    /// Ends the server.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }

    /// To see when it ends.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.sender.subscribe()
    }
}

/// Where a request came from: an extension of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// How the connection of a request is secured: an extension of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secured {
    /// Not at all.
    Plain,
    /// By TLS 1.2, which devices of older releases speak.
    Tls12,
    /// By TLS 1.3.
    Tls13,
}

/// How connections to a server are secured.
#[derive(Clone)]
pub enum Security {
    /// By TLS only.
    Tls(Arc<rustls::ServerConfig>),
    /// Not at all.
    Plain,
    /// As the client likes: what it sends first shows whether it speaks TLS (C-02).
    TlsOrPlain(Arc<rustls::ServerConfig>),
}

/// What a TLS connection begins with: a handshake record.
const TLS_HANDSHAKE: u8 = 22;

/// Serves until told to end; then waits, for a while, for the requests under way.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    security: Security,
    router: Router,
    shutdown: &Shutdown,
) -> std::io::Result<()> {
    let (acceptor, plain_too) = match security {
        Security::Tls(config) => (Some(TlsAcceptor::from(config)), false),
        Security::TlsOrPlain(config) => (Some(TlsAcceptor::from(config)), true),
        Security::Plain => (None, true),
    };
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut ending = shutdown.watch();
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await.map_err(std::io::Error::other)?;
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ended(&mut ending) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: let some connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let (acceptor, router, ending) = (acceptor.clone(), router.clone(), shutdown.watch());
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) if !plain_too || begins_with_tls(&stream).await => {
                    serve_tls(stream, address, acceptor, router, ending).await;
                }
                _ => {
                    let from = (address, Secured::Plain);
                    serve_stream(Departing::new(stream), from, router, ending).await;
                }
            }
            drop(permit);
        });
    }
    // Every permit comes back when its connection has ended.
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let finished = permits.acquire_many(all);
    if tokio::time::timeout(Duration::from_secs(10), finished).await.is_err() {
        tracing::warn!("some connections were cut");
    }
    Ok(())
}

/// Waits until the server is told to end.
async fn ended(ending: &mut watch::Receiver<bool>) {
    // An error means that whoever could say so is gone: that ends it too.
    let _told = ending.wait_for(|ends| *ends).await.is_ok();
}

/// Looks at the first byte without taking it.
async fn begins_with_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    let peeked = tokio::time::timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(1))) && first[0] == TLS_HANDSHAKE
}

async fn serve_tls(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    ending: watch::Receiver<bool>,
) {
    match tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(Departing::new(stream))).await {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            let is_13 = version == Some(rustls::ProtocolVersion::TLSv1_3);
            let from = (address, if is_13 { Secured::Tls13 } else { Secured::Tls12 });
            serve_stream(stream, from, router, ending).await;
        }
        Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
    }
}

async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (address, secured): (SocketAddr, Secured),
    router: Router,
    mut ending: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(address));
        request.extensions_mut().insert(secured);
        router.clone().call(request.map(Arriving::new))
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = ended(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%address, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_answered_after_a_minute() {
        let (near, mut far) = duplex(10_000);
        let router = Router::new().route("/", post(|body: String| async { body }));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let shutdown = Shutdown::default();
        let from = (address, Secured::Plain);
        let server = tokio::spawn(serve_stream(near, from, router, shutdown.watch()));
        let began = tokio::time::Instant::now();
        let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc";
        assert!(far.write_all(head).await.is_ok());
        let mut answer = String::new();
        assert!(far.read_to_string(&mut answer).await.is_ok());
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(began.elapsed().as_secs(), 60);
        assert!(server.await.is_ok());
    }

    /// What a server says of the connection of a request that came over this client's TLS; none without a handshake.
    async fn told(
        server: Arc<rustls::ServerConfig>,
        client: rustls::ClientConfig,
    ) -> Option<String> {
        let (near, far) = duplex(100_000);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let secured = async |request: axum::extract::Request| {
            format!("{:?}", request.extensions().get::<Secured>())
        };
        let router = Router::new().route("/", axum::routing::get(secured));
        let shutdown = Shutdown::default();
        let ending = shutdown.watch();
        let acceptor = TlsAcceptor::from(server);
        tokio::spawn(serve_tls(near, address, acceptor, router, ending));
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let name = rustls_pki_types::ServerName::try_from("localhost").ok()?;
        let mut stream = connector.connect(name, far).await.ok()?;
        let head = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(head).await.ok()?;
        let mut answer = String::new();
        let _closed_without_notice = stream.read_to_string(&mut answer).await;
        answer.rsplit_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    #[tokio::test]
    async fn a_request_says_how_it_came() {
        // PI-NET-006
        use crate::tls::{client_config, device_server_config, old_client_config, server_config};
        let now = crate::Clock::real().now();
        let authority = rumline_protocol::Authority::create("root", now).unwrap();
        let names = ["localhost".to_owned()];
        let (certificate, key) = authority.issue_tls_certificate(&names, now).unwrap();
        let roots = [authority.root_certificate];
        let both = device_server_config(certificate.clone(), key.clone()).unwrap();
        let new = server_config(certificate, key).unwrap();
        let old_client = old_client_config(&roots).unwrap();
        let client = client_config(&roots).unwrap();
        let said = |version: &str| Some(format!("Some({version})"));
        assert_eq!(told(Arc::clone(&both), old_client.clone()).await, said("Tls12"));
        assert_eq!(told(both, client.clone()).await, said("Tls13"));
        assert_eq!(told(Arc::clone(&new), client).await, said("Tls13"));
        assert_eq!(told(new, old_client).await, None);
    }
}
