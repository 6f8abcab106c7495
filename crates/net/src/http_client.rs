//! HTTP requests of servers and of the tools.

use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rumline_agent::Reason;

use crate::outlets::tls_reason;
use crate::tls::{TlsError, client_config};
use crate::{SpanKind, TRACEPARENT, Traces};

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
    traces: Option<Traces>,
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
            .dns_resolver(Arc::new(OfTheMachine))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout.min(Duration::from_secs(20)))
            .timeout(timeout)
            .build()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        Ok(Self { client, answer_bytes_max: ANSWER_BYTES_MAX, traces: None })
    }

    /// The same client for answers up to this size, in bytes.
    #[must_use]
    pub fn with_answers_up_to(self, answer_bytes_max: usize) -> Self {
        Self { answer_bytes_max, ..self }
    }

    /// The same client, of which each request is told as part of a trace.
    #[must_use]
    pub fn with_traces(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
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
        let begun = self.traces.as_ref().and_then(|traces| {
            // What stands in the query may be a secret.
            let at = url.split(['?', '#']).next().unwrap_or_default();
            traces.begin(SpanKind::Client, None, method.as_str(), at)
        });
        let mut request = self.client.request(method, url);
        if let Some(doing) = &begun {
            request = request.header(TRACEPARENT, doing.context().header());
        }
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            request = request.header("content-type", content_type).body(body);
        }
        let reply = self.answer_to(request).await?;
        if let Some(doing) = begun {
            doing.answered(reply.status);
        }
        Ok(reply)
    }

    /// Sends a form, with the login of a program if one is given.
    ///
    /// # Errors
    /// As those of [`HttpClient::send`].
    pub async fn send_form(
        &self,
        url: &str,
        login: Option<(&str, &str)>,
        form: String,
    ) -> Result<Reply, HttpError> {
        let mut request = self.client.post(url).body(form);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        request = request.header("accept", "application/json");
        if let Some((name, secret)) = login {
            request = request.basic_auth(name, Some(secret));
        }
        self.answer_to(request).await
    }

    async fn answer_to(&self, request: reqwest::RequestBuilder) -> Result<Reply, HttpError> {
        let mut response =
            request.send().await.map_err(|error| HttpError(reason(&error).to_string()))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after_seconds =
            retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // Room that grows would be copied while it does; what is not written to costs nothing.
        let told = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
        let room = told.unwrap_or(self.answer_bytes_max).min(self.answer_bytes_max);
        let mut body = Vec::with_capacity(room);
        while let Some(chunk) =
            response.chunk().await.map_err(|error| HttpError(reason(&error).to_string()))?
        {
            if body.len() + chunk.len() > self.answer_bytes_max {
                return Err(HttpError("the answer is too large".to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, retry_after_seconds, body })
    }
}

/// The kind of what went wrong (PI-MSG-009).
fn reason(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        return Reason::Timeout;
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.is::<Unresolved>() {
            return Reason::Name;
        }
        // One that says nothing of its own stands for the one behind it.
        let of_io = inner.downcast_ref::<std::io::Error>().map(tls_reason);
        if let Some(reason) = of_io.filter(|reason| *reason != Reason::Connect) {
            return reason;
        }
        source = inner.source();
    }
    if error.is_connect() { Reason::Connect } else { Reason::Empty }
}

/// No address for a name.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
struct Unresolved;

/// The machine's own resolver; what fails there is known by its kind.
#[derive(Debug)]
struct OfTheMachine;

impl Resolve for OfTheMachine {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str().to_owned(), 0)).await;
            let addresses: Addrs = Box::new(found.map_err(|_| Unresolved)?);
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_reached_is_told_by_its_kind() {
        // PI-MSG-009
        let client = HttpClient::new(&[], Duration::from_secs(5)).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ends = listener.local_addr().unwrap();
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        for (url, wanted) in [
            ("http://no-such-host.invalid/", Reason::Name),
            ("http://127.0.0.1:1/", Reason::Refused),
            (&format!("http://{ends}/"), Reason::Empty),
        ] {
            let found = client.send("GET", url, None, "", Vec::new()).await.unwrap_err();
            assert_eq!(found.0, wanted.to_string(), "{url}");
        }
    }
}
