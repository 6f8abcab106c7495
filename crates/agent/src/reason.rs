//! Why a peer was not reached: kinds, each with its words in system messages.

use serde::{Deserialize, Serialize};

/// Why a message did not come back with an answer (PI-MSG-009).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Reason {
    /// The configuration lets nothing out that way; why is said in its words.
    #[error("{0}")]
    NoPath(String),
    /// The address of the source interface is none of this machine.
    #[error("The source address cannot be used on this machine")]
    SourceAddress,
    /// The right, or the name space, is missing to leave by the VRF.
    #[error("The VRF cannot be entered on this machine")]
    Vrf,
    /// The URL is none.
    #[error("The URL is not valid")]
    Url,
    /// No address for the name of the server.
    #[error("Unable to resolve server hostname/domain name")]
    Name,
    /// Only an IPv6 address, where there may be none (PI-NET-007).
    #[error("IPv6 is supported only on callhome transport")]
    Ipv6,
    /// The server's side refuses connections.
    #[error("Unable to connect to server: connection refused")]
    Refused,
    /// No way to the server's address.
    #[error("Unable to connect to server: no route to host")]
    NoRoute,
    /// The connection failed in another way.
    #[error("Unable to connect to server")]
    Connect,
    /// No answer in time.
    #[error("Timeout waiting for the server")]
    Timeout,
    /// The server's certificate is from nobody that is trusted, or is no certificate of a server.
    #[error("Cannot establish secure connection because server TLS cert cannot be validated")]
    Certificate,
    /// The server's certificate is for another name.
    #[error("Cannot establish secure connection because server TLS cert cannot be validated")]
    CertificateName,
    /// The server's certificate does not hold yet, or not any more, by the clock of this switch.
    #[error("Cannot establish secure connection because server TLS cert cannot be validated")]
    CertificateTime,
    /// No version or cipher in common, or no TLS at all.
    #[error("Cannot establish secure connection because TLS versions/ciphers do not match")]
    Tls,
    /// No address for the name of the proxy.
    #[error("Unable to resolve proxy hostname/domain name")]
    ProxyName,
    /// The proxy is not reached.
    #[error("Unable to connect to proxy")]
    ProxyConnect,
    /// The proxy says nothing.
    #[error("Timeout waiting for the proxy")]
    ProxyTimeout,
    /// The proxy wants to know who asks (PI-NET-020).
    #[error("The proxy asks for authentication, which is not supported")]
    ProxyAuthentication,
    /// The proxy does not let the message through.
    #[error("The proxy answers with HTTP status {0}")]
    ProxyStatus(u16),
    /// What the proxy says is no HTTP.
    #[error("The proxy answers with something that is no HTTP")]
    ProxyAnswer,
    /// The connection ended before an answer.
    #[error("Received empty response from server")]
    Empty,
    /// More than an answer may have.
    #[error("The answer of the server is too large")]
    TooLarge,
    /// What came back is none of the envelopes of Call Home; why is said in words (G-08).
    #[error("Received an invalid response from server: {0}")]
    Envelope(String),
    /// Another status than 200; 404 in the guide's words.
    #[error("{}", status(*.0))]
    Status(u16),
}

fn status(status: u16) -> String {
    match status {
        404 => "404 host not found".to_owned(),
        status => format!("HTTP status {status}"),
    }
}
