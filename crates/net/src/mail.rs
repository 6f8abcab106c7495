//! E-mail to a mail server (RFC 5321), over TLS; without TLS only on this machine.

use std::time::{Duration, UNIX_EPOCH};

use hyper::Uri;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParametersBuilder};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport};
use rumline_protocol::Timestamp;

/// How long a mail server may take for one step.
const STEP: Duration = Duration::from_secs(30);

/// A mail server, and as whom messages are handed to it.
#[derive(Clone)]
pub struct MailServer {
    /// `smtps://HOST` is TLS from the first byte (465), `smtp://HOST` TLS by STARTTLS (587), and `plain://localhost` none (25);
    /// another port follows a colon.
    pub url: String,
    /// The sender's address.
    pub from: String,
    /// Login and password, if it asks for them.
    pub login: Option<(String, String)>,
    /// The root certificates it is known by, PEM; without them those of the system.
    pub root_pem: Option<Vec<u8>>,
}

/// Why a mail server cannot be used, or a message was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct MailError {
    /// What went wrong.
    pub problem: String,
    /// Whether the mail server says that there is nobody of that address.
    pub is_final: bool,
    /// Whether the mail server was there and spoke of this message: another one may fare better.
    pub is_of_message: bool,
}

fn unusable(problem: impl Into<String>) -> MailError {
    MailError { problem: problem.into(), is_final: false, is_of_message: false }
}

/// Hands messages to a mail server.
pub struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
}

impl Mailer {
    /// A way to a mail server; nothing is asked of it yet.
    ///
    /// # Errors
    /// When its URL, the sender's address or the root certificates are none.
    pub fn new(server: &MailServer) -> Result<Self, MailError> {
        let MailServer { url, from, login, root_pem } = server;
        let bad = || {
            unusable(format!(
                "{url:?} names no mail server: smtps://HOST, smtp://HOST for STARTTLS, or plain://localhost, \
                 each with :PORT if it is another"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let host = host.trim_matches(['[', ']']);
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if !is_bare || uri.authority().is_some_and(|all| all.as_str().contains('@')) {
            return Err(bad());
        }
        let mut tls = TlsParametersBuilder::new(host.to_owned());
        if let Some(pem) = root_pem {
            tls = tls.certificate_store(CertificateStore::None);
            for der in crate::pem_to_der(pem).map_err(|error| unusable(error.to_string()))? {
                let root = Certificate::from_der(der);
                tls = tls.add_root_certificate(root.map_err(|error| unusable(told(&error)))?);
            }
        }
        let (tls, port) = match uri.scheme_str() {
            Some("plain") if is_this_machine(host) => (Tls::None, 25),
            Some("plain") => {
                let text = "without TLS messages are handed to a mail server on this machine only; use \
                            smtps:// or smtp://";
                return Err(unusable(text));
            }
            Some(scheme @ ("smtps" | "smtp")) => {
                let parameters = tls.build().map_err(|error| unusable(told(&error)))?;
                match scheme {
                    "smtps" => (Tls::Wrapper(parameters), 465),
                    _ => (Tls::Required(parameters), 587),
                }
            }
            _ => return Err(bad()),
        };
        if login.is_some() && matches!(tls, Tls::None) {
            return Err(unusable("a password is shown to no mail server without TLS"));
        }
        let from: Mailbox = from
            .parse()
            .map_err(|_| unusable(format!("{from:?} is no e-mail address to send from")))?;
        let hello = ClientId::Domain(from.email.domain().to_owned());
        let mut transport = SmtpTransport::builder_dangerous(host)
            .port(uri.port_u16().unwrap_or(port))
            .tls(tls)
            .timeout(Some(STEP))
            .hello_name(hello);
        if let Some((name, password)) = login {
            transport = transport.credentials(Credentials::new(name.clone(), password.clone()));
        }
        Ok(Self { transport: transport.build(), from })
    }

    /// Hands over a message, and waits until it is taken. What is handed over again (`id` and `made_at` are the same) has the
    /// same Message-ID.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn send(
        &self,
        (id, made_at): (i64, Timestamp),
        address: &str,
        subject: &str,
        body: &str,
    ) -> Result<(), MailError> {
        let never = |problem: String| MailError { problem, is_final: true, is_of_message: true };
        let to = address.parse().map_err(|_| never(format!("{address:?} is no address")))?;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(made_at.0).unwrap_or(0));
        let domain = self.from.email.domain();
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .date(at)
            .message_id(Some(format!("<{}.{id}@{domain}>", made_at.0)))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body.to_owned())
            .map_err(|error| never(error.to_string()))?;
        let refused = |error: lettre::transport::smtp::Error| {
            let problem = told(&error);
            let code: Option<u16> = error.status().map(Into::into);
            MailError {
                is_final: code.is_some_and(|code| is_final(code, &problem)),
                is_of_message: code.is_some(),
                problem,
            }
        };
        self.transport.send(&message).map_err(refused)?;
        Ok(())
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whether a reply says that there is nobody of that address (RFC 3463, 3.2 and 3.3). The same codes without one of these
/// numbers are said of senders and servers, too, which may be put right.
fn is_final(code: u16, problem: &str) -> bool {
    let said = problem.split_once("): ").map_or("", |(_, said)| said);
    (550..=556).contains(&code) && (said.starts_with("5.1.1 ") || said.starts_with("5.1.2 "))
}

/// An error with what it comes from.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> MailServer {
        MailServer {
            url: url.to_owned(),
            from: "Rumline <rumline@example.net>".to_owned(),
            login: None,
            root_pem: None,
        }
    }

    #[test]
    fn a_mail_server_is_reached_over_tls_or_on_this_machine() {
        for good in [
            "smtps://mail.example.net",
            "smtp://mail.example.net:2525",
            "smtps://[2001:db8::1]/",
            "plain://localhost",
            "plain://127.0.0.1:2525",
            "plain://[::1]",
        ] {
            Mailer::new(&server(good)).map(drop).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for bad in [
            "",
            "mail.example.net",
            "http://mail.example.net",
            "smtp://",
            "smtp://eve@mail",
            "smtp://a/b",
            "smtp://a?tls=no",
            "plain://mail.example.net",
            "plain://192.0.2.1",
        ] {
            assert!(Mailer::new(&server(bad)).is_err(), "{bad}");
        }
        let login = Some(("eve".to_owned(), "secret".to_owned()));
        assert!(Mailer::new(&MailServer { login, ..server("plain://localhost") }).is_err());
        let from = "nobody".to_owned();
        assert!(Mailer::new(&MailServer { from, ..server("smtps://mail") }).is_err());
        let root_pem = Some(b"no PEM".to_vec());
        assert!(Mailer::new(&MailServer { root_pem, ..server("smtps://mail") }).is_err());
    }

    #[test]
    fn only_that_there_is_nobody_is_final() {
        let said =
            |code: u16, text: &str| is_final(code, &format!("permanent error ({code}): {text}"));
        assert!(said(550, "5.1.1 no such user"));
        assert!(said(556, "5.1.2 no such domain"));
        for (code, text) in [
            (550, "no such user"),
            (550, "5.7.1 relaying denied"),
            (553, "5.7.1 sender not owned by user"),
            (554, "no SMTP service here 5.1.1 "),
            (535, "5.1.1 wrong"),
            (557, "5.1.1 x"),
            (450, "4.1.1 later"),
        ] {
            assert!(!said(code, text), "{code} {text}");
        }
    }
}
