//! Where a file lies: `KIND://[USER@]HOST[:PORT]/FILE`.

use super::{CopyError, error};

const KINDS: [&str; 5] = ["tftp", "scp", "sftp", "http", "https"];
/// The longest name of a file.
const PATH_BYTES_MAX: usize = 200;

/// A server's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) kind: &'static str,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// Without the stroke in front of it.
    pub(super) path: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, CopyError> {
        let (kind, rest) = url.split_once("://").unwrap_or_default();
        let kind = KINDS.into_iter().find(|known| *known == kind);
        let kind = kind.ok_or_else(|| error("there is no such kind of server"))?;
        let is_ssh = matches!(kind, "scp" | "sftp");
        let form = if is_ssh { "USER@HOST/FILE" } else { "HOST/FILE" };
        let wrong = || error(format!("the address is not {kind}://{form}"));
        let (server, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (user, server) = server.rsplit_once('@').unwrap_or(("", server));
        let bracketed = server.strip_prefix('[').and_then(|inner| inner.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            None => {
                server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)))
            }
        };
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        // What the shell of a server would read as something else is no name of a file.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:~".contains(c);
        let is_printable = |c: char| c.is_ascii_graphic();
        let fits = if is_ssh { path.chars().all(is_plain) } else { path.chars().all(is_printable) };
        let is_complete = !host.is_empty() && !path.is_empty() && user.is_empty() != is_ssh;
        if !is_complete || !fits || path.len() > PATH_BYTES_MAX {
            return Err(wrong());
        }
        let (user, host, path) = (user.to_owned(), host.to_owned(), path.to_owned());
        Ok(Self { kind, user, host, port, path })
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_name_user_host_port_and_file() {
        let read = |url: &str| {
            let address = Address::parse(url).ok()?;
            Some(format!("{} {} {:?} {}", address.user, address.host, address.port, address.path))
        };
        for (url, expected) in [
            ("scp://a@192.0.2.1/b/c.txt", "a 192.0.2.1 None b/c.txt"),
            ("sftp://a@host:2222/x", "a host Some(2222) x"),
            ("scp://a@[2001:db8::1]:22/x", "a 2001:db8::1 Some(22) x"),
            ("tftp://[::1]/x", " ::1 None x"),
            ("tftp://host:6969/a/b", " host Some(6969) a/b"),
            ("https://host/a?b=c", " host None a?b=c"),
        ] {
            assert_eq!(read(url).as_deref(), Some(expected), "{url}");
        }
        for wrong in [
            "scp://host/x",
            "scp://a@host",
            "scp://a@host/",
            "scp://@host/x",
            "scp://a@/x",
            "scp://a@host:x/y",
            "scp://a@host/x;reboot",
            "sftp://a@host/$(id)",
            "tftp://h",
            "tftp://h/",
            "tftp://a@h/x",
            "tftp://h/\u{1b}[2J",
            "ftp://h/x",
            "http://a@h/x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
