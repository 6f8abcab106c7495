//! HTTP requests of servers and of the tools.

use std::time::Duration;

use crate::tls::{TlsError, client_config};

/// The largest answer taken unless told otherwise, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why there is no answer, in words for a system message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpError(pub String);

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

/// A client that trusts given roots and keeps connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    answer_bytes_max: usize,
}

impl HttpClient {
    /// A client.
    ///
    /// # Errors
    /// When a root is no certificate.
    pub fn new(roots: &[Vec<u8>], timeout: Duration) -> Result<Self, TlsError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(roots)?)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout.min(Duration::from_secs(20)))
            .timeout(timeout)
            .build()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        Ok(Self { client, answer_bytes_max: ANSWER_BYTES_MAX })
    }

    /// The same client for answers up to this size, in bytes.
    #[must_use]
    pub fn with_answers_up_to(self, answer_bytes_max: usize) -> Self {
        Self { answer_bytes_max, ..self }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When the peer cannot be reached or does not answer in time.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        bearer: Option<&str>,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Reply, HttpError> {
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|_| HttpError("not a method".to_owned()))?;
        let mut request = self.client.request(method, url);
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            request = request.header("content-type", content_type).body(body);
        }
        let mut response = request.send().await.map_err(|error| HttpError(reason(&error)))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after_seconds =
            retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| HttpError(reason(&error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > self.answer_bytes_max {
                return Err(HttpError("the answer is too large".to_owned()));
            }
        }
        Ok(Reply { status, retry_after_seconds, body })
    }
}

/// What went wrong, in the words of the guide's reasons where it has them (PI-MSG-009).
fn reason(error: &reqwest::Error) -> String {
    // Its own text holds the URL, whose words are not the reason.
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}{inner}; ");
        source = inner.source();
    }
    let lower = text.to_ascii_lowercase();
    if error.is_timeout() {
        "Timeout waiting for the server".to_owned()
    } else if lower.contains("certificate") {
        // Before names are: what is wrong with one may be the DNS names in it.
        "Cannot establish secure connection because server TLS cert cannot be validated".to_owned()
    } else if lower.contains("dns") || lower.contains("lookup") || lower.contains("resolve") {
        "Unable to resolve server hostname/domain name".to_owned()
    } else if lower.contains("refused") {
        "Unable to connect to server: connection refused".to_owned()
    } else if error.is_connect() {
        "Unable to connect to server".to_owned()
    } else {
        "Received empty response from server".to_owned()
    }
}
