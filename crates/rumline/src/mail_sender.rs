//! Alerts by e-mail: the mail server CSSM hands its messages to, and handing them over.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rumline_cssm::{Cssm, Outgoing};
use rumline_net::{Clock, MailServer, Mailer, Shutdown, read_private};

#[derive(Args)]
pub(crate) struct MailArguments {
    /// The mail server that alerts are sent through: smtps://HOST, smtp://HOST for STARTTLS, or plain://localhost; without it
    /// none are sent.
    #[arg(long, requires = "mail_from")]
    mail_server: Option<String>,
    /// The address they come from.
    #[arg(long, requires = "mail_server")]
    mail_from: Option<String>,
    /// The login at the mail server.
    #[arg(long, requires_all = ["mail_server", "mail_password_file"])]
    mail_login: Option<String>,
    /// File with its password, readable by nobody else.
    #[arg(long, requires = "mail_login")]
    mail_password_file: Option<PathBuf>,
    /// The root certificates the mail server is known by; those of the system when missing.
    #[arg(long, requires = "mail_server")]
    mail_ca_file: Option<PathBuf>,
}

impl MailArguments {
    /// The way to the mail server, if one is named.
    pub(crate) fn mailer(&self) -> Result<Option<Arc<Mailer>>> {
        let (Some(url), Some(from)) = (&self.mail_server, &self.mail_from) else { return Ok(None) };
        let login = match (&self.mail_login, &self.mail_password_file) {
            (Some(login), Some(file)) => {
                let cannot = || format!("cannot use the password in {}", file.display());
                let text = read_private(file).with_context(cannot)?.with_context(cannot)?;
                let password = String::from_utf8(text).with_context(cannot)?;
                Some((login.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
            }
            _ => None,
        };
        let read = |file: &PathBuf| {
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let root_pem = self.mail_ca_file.as_ref().map(read).transpose()?;
        let server = MailServer { url: url.clone(), from: from.clone(), login, root_pem };
        Ok(Some(Arc::new(Mailer::new(&server)?)))
    }
}

/// How often is looked for messages that are to be sent.
const LOOK: Duration = Duration::from_secs(10);

/// Hands over what is to be sent, until the server ends.
pub(crate) async fn send_mail(cssm: Cssm, clock: Clock, mailer: Arc<Mailer>, shutdown: Shutdown) {
    loop {
        let (cssm, mailer, ending) = (cssm.clone(), Arc::clone(&mailer), shutdown.watch());
        let send = move || send_waiting(&cssm, clock, &mailer, || *ending.borrow());
        match tokio::task::spawn_blocking(send).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "e-mail could not be looked after"),
            Err(error) => tracing::warn!(%error, "sending e-mail failed"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One after the other, until there are no more, the mail server is not there, or the server ends.
fn send_waiting(
    cssm: &Cssm,
    clock: Clock,
    mailer: &Mailer,
    is_ending: impl Fn() -> bool,
) -> Result<()> {
    while !is_ending() {
        let Some(Outgoing { id, address, subject, body, made_at }) = cssm.next_mail(clock.now())?
        else {
            break;
        };
        match mailer.send((id, made_at), &address, &subject, &body) {
            Ok(()) => cssm.mail_sent(clock.now(), id)?,
            Err(error) => {
                tracing::warn!(id, %error, "an e-mail was not taken");
                cssm.mail_failed(clock.now(), id, &error.problem, error.is_final)?;
                if !error.is_of_message {
                    break;
                }
            }
        }
    }
    Ok(())
}
