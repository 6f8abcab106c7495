//! Copies over the network: what goes out, and what is told of them (PI-CLI-023, G-41).

use std::sync::Arc;

use rumline_agent::DiskError;
use rumline_protocol::Timestamp;

use super::{FlashPath, copy_failed, failed};
use crate::answer::{Answer, CommandError, Outcome};
use crate::topics::network::MANAGEMENT;
use crate::{Access, Copied, Devices, Effect, RemoteCopy, Switch};

/// The servers that there is a client for.
const KINDS: [&str; 5] = ["tftp", "scp", "sftp", "http", "https"];
/// The letters of what a server says that are shown, at most.
const SAID_LETTERS_MAX: usize = 200;
/// The places of a bar.
const BAR_PLACES: usize = 25;

/// What came from elsewhere, as it may be shown: printable ASCII, and not much of it.
fn printable(text: &str) -> String {
    let shown = |c: &char| c.is_ascii_graphic() || *c == ' ';
    text.chars().filter(shown).take(SAID_LETTERS_MAX).collect()
}

impl Switch {
    pub(super) fn read_remote(&self, url: &str, vrf: Option<&str>, to: &FlashPath) -> Answer {
        match to {
            FlashPath::Bootflash(name) if !name.is_empty() => {
                self.remote_copy(url, vrf, None, name.clone())
            }
            _ => Err(failed("% Copy from a server to bootflash:NAME")),
        }
    }

    /// A copy takes the way of its VRF, of management where none is named.
    pub(super) fn remote_copy(
        &self,
        url: &str,
        vrf: Option<&str>,
        put: Option<Arc<[u8]>>,
        name: String,
    ) -> Answer {
        if !KINDS.contains(&url.split("://").next().unwrap_or_default()) {
            return Err(failed(
                "% Only tftp://, scp://, sftp://, http:// and https:// servers are supported",
            ));
        }
        let path = self.path_in(Some(vrf.unwrap_or(MANAGEMENT)), None).map_err(copy_failed)?;
        let copy = RemoteCopy { url: url.to_owned(), path, put, name, access: None, asked: None };
        let mut outcome = Outcome::default().with(vec![Effect::Copy(copy)]);
        outcome.reply.pending = true;
        Ok(outcome)
    }

    /// What a copy over the network came to: the text for whoever waits.
    pub fn copy_ended(
        &mut self,
        now: Timestamp,
        copy: &RemoteCopy,
        outcome: Result<Copied, String>,
        devices: &mut Devices<'_>,
    ) -> String {
        let written = match outcome {
            Ok(Copied::Read(bytes)) => {
                devices.flash.write(&copy.name, &bytes).map_err(|error| error.to_string())
            }
            other => other.map(|_| ()),
        };
        if let Some((by, command)) = &copy.asked {
            self.account(now, by, command, written.is_ok());
        }
        let server = copy.kind();
        match written {
            Ok(()) => format!(
                "Trying to connect to {server} server......\nConnection to Server Established.\n\
                 Copy complete, now saving to disk (please wait)...\nCopy complete.\n"
            ),
            Err(reason) => format!("% Copy failed: {}\n", printable(&reason)),
        }
    }
}

impl RemoteCopy {
    /// The command that asked for it.
    pub(crate) fn command(&self) -> &str {
        self.asked.as_ref().map_or("copy", |(_, command)| command)
    }

    /// The kind of its server.
    fn kind(&self) -> &str {
        self.url.split("://").next().unwrap_or_default()
    }

    /// Whether it goes over SSH: the server's key is looked at first, and a password asked for.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        matches!(self.kind(), "scp" | "sftp")
    }

    /// How far it is, for a terminal, where it takes longer.
    #[must_use]
    pub fn progress(&self, bytes: usize) -> String {
        let tenths = bytes.saturating_mul(100) / 1_024;
        let size = format!("{}.{:02}KB", tenths / 100, tenths % 100);
        match &self.put {
            Some(all) if !all.is_empty() => {
                let done = (bytes.saturating_mul(BAR_PLACES) / all.len()).min(BAR_PLACES);
                let bar = "#".repeat(done);
                format!("\r[{bar:<BAR_PLACES$}] {size:>15}")
            }
            _ => format!("\r[{:<BAR_PLACES$}] {size:>15}", "#"),
        }
    }

    /// The server, with its port if that is named.
    pub(crate) fn host(&self) -> &str {
        let rest = self.url.split("://").nth(1).unwrap_or_default();
        let server = rest.split('/').next().unwrap_or_default();
        server.rsplit('@').next().unwrap_or_default()
    }
}

/// A server as it is remembered: one host has one name, however it is typed.
fn as_remembered(host: &str) -> String {
    host.strip_suffix(":22").unwrap_or(host).trim_end_matches('.').to_ascii_lowercase()
}

/// The keys of servers that were accepted: a line for each, host and key.
pub(super) const KNOWN_HOSTS: &str = "known-hosts";
/// Servers that are remembered, the newest.
const KNOWN_HOSTS_MAX: usize = 1_000;

fn known_hosts(devices: &mut Devices<'_>) -> Result<Vec<String>, DiskError> {
    let bytes = devices.store.read(KNOWN_HOSTS)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// Whether the server of a copy was accepted with this key before.
///
/// # Errors
/// When it was with another one: it may be somebody else.
pub(crate) fn known_host(
    copy: &RemoteCopy,
    key: &str,
    devices: &mut Devices<'_>,
) -> Result<bool, String> {
    let known = known_hosts(devices).map_err(|error| error.to_string())?;
    let head = format!("{} ", as_remembered(copy.host()));
    match known.iter().find_map(|line| line.strip_prefix(&head)) {
        None => Ok(false),
        Some(known) if known == key => Ok(true),
        Some(_) => {
            let host = copy.host();
            Err(format!(
                "host key of {host} has changed; clear it with clear ssh hosts if it is right"
            ))
        }
    }
}

/// From now on the server is known by this key.
pub(crate) fn remember_host(
    host: &str,
    key: &str,
    devices: &mut Devices<'_>,
) -> Result<(), CommandError> {
    let mut known = known_hosts(devices).map_err(CommandError::disk)?;
    known.push(format!("{} {key}", as_remembered(host)));
    let from = known.len().saturating_sub(KNOWN_HOSTS_MAX);
    let text = known[from..].join("\n") + "\n";
    devices.store.write(KNOWN_HOSTS, text.as_bytes()).map_err(CommandError::disk)
}

/// The copy with what opens its server.
pub(crate) fn opened(copy: RemoteCopy, host_key: String, password: &str) -> Outcome {
    let access = Some(Access { host_key, password: password.to_owned() });
    let mut outcome = Outcome::default().with(vec![Effect::Copy(RemoteCopy { access, ..copy })]);
    outcome.reply.pending = true;
    outcome
}
