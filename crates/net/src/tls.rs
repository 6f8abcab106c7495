//! TLS with one provider: 1.3, and 1.2 for devices of older releases.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The settings of a client.
pub type TlsClient = ClientConfig;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library refused.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
    /// A certificate file that is none.
    #[error("the certificate file cannot be read: {0}")]
    Pem(String),
}

/// A server's settings: its certificate and key, both DER; TLS 1.3.
///
/// # Errors
/// When they do not fit together.
pub fn server_config(certificate: Vec<u8>, key: Vec<u8>) -> Result<Arc<ServerConfig>, TlsError> {
    server_config_of(certificate, key, &[&TLS13])
}

/// The settings of a server that devices of older releases reach too: TLS 1.2 beside 1.3 (PI-NET-006). The cipher suites of
/// 1.2 are those with ECDHE and AEAD; the library has no others.
///
/// # Errors
/// As [`server_config`].
pub fn device_server_config(
    certificate: Vec<u8>,
    key: Vec<u8>,
) -> Result<Arc<ServerConfig>, TlsError> {
    server_config_of(certificate, key, &[&TLS13, &TLS12])
}

fn server_config_of(
    certificate: Vec<u8>,
    key: Vec<u8>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
        )?;
    // One message at a time is what a product instance sends: HTTP/1.1 costs less for that.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A client's settings: the roots it trusts, DER; TLS 1.3.
///
/// # Errors
/// When a root is no certificate.
pub fn client_config(roots: &[Vec<u8>]) -> Result<ClientConfig, TlsError> {
    client_config_of(roots, &TLS13)
}

/// The settings of a device of an older release, which offers TLS 1.2 (PI-NET-006).
///
/// # Errors
/// As [`client_config`].
pub fn old_client_config(roots: &[Vec<u8>]) -> Result<ClientConfig, TlsError> {
    client_config_of(roots, &TLS12)
}

fn client_config_of(
    roots: &[Vec<u8>],
    version: &'static SupportedProtocolVersion,
) -> Result<ClientConfig, TlsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from(root.clone()))?;
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])?
        .with_root_certificates(store)
        .with_no_client_auth())
}

/// The roots to trust, DER: those of a PEM file, or without one those of the system.
///
/// # Errors
/// When the file holds none.
pub fn roots_of(pem: Option<&[u8]>) -> Result<Vec<Vec<u8>>, TlsError> {
    if let Some(pem) = pem {
        return pem_to_der(pem);
    }
    let of_system = rustls_native_certs::load_native_certs().certs;
    let roots = of_system.iter().map(|root| root.as_ref().to_vec());
    // Some may be of a kind that is not known here.
    Ok(roots.filter(|root| client_config(std::slice::from_ref(root)).is_ok()).collect())
}

/// The certificates in a PEM file, DER.
///
/// # Errors
/// When there are none.
pub fn pem_to_der(pem: &[u8]) -> Result<Vec<Vec<u8>>, TlsError> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::Pem(error.to_string()))?;
        found.push(certificate.to_vec());
    }
    if found.is_empty() { Err(TlsError::Pem("it holds none".to_owned())) } else { Ok(found) }
}

/// A certificate in PEM.
#[must_use]
pub fn certificate_to_pem(der: &[u8]) -> String {
    let text = rumline_protocol::base64(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
