//! Lines that mean something to the switch: what they may say, and how they are spelled in the configuration.

use std::fmt;

use rumline_cli::{Matched, Parsed, Refusal};
use rumline_protocol::Random;

use crate::config::ConfigTree;
use crate::grammar::argument;
use crate::{grammar, interpret, users};

/// Why a line is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no command; where that shows.
    Mark(Refusal, usize),
    /// What it says cannot be.
    Said(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mark(Refusal::Invalid, _) => "% Invalid command",
            Self::Mark(Refusal::Ambiguous, _) => "% Ambiguous command",
            Self::Mark(Refusal::Incomplete, _) => "% Incomplete command",
            Self::Said(text) => text,
        })
    }
}

/// How settings are read.
pub(crate) struct Settings<'a> {
    /// The release whose gates hold; none for what was written by any of them.
    release: Option<&'a str>,
    /// What salts are made of; without it a password stays as it was written.
    random: Option<&'a mut dyn Random>,
}

/// The sections a line goes into: one, or one for each of a range.
type Paths<'p> = &'p [Vec<String>];

impl<'a> Settings<'a> {
    /// As they are typed into a switch of this release.
    pub(crate) fn of(release: &'a str, random: &'a mut dyn Random) -> Self {
        Self { release: Some(release), random: Some(random) }
    }

    /// As they stand in a file of any release.
    pub(crate) fn of_any_release() -> Self {
        Self { release: None, random: None }
    }

    /// The same, and passwords are hashed.
    pub(crate) fn of_a_file(random: &'a mut dyn Random) -> Self {
        Self { release: None, random: Some(random) }
    }

    /// A setting of a mode of its own.
    pub(crate) fn of_mode(prompt: Option<&str>, body: &str, negated: bool) -> Option<Parsed> {
        let is_callhome = prompt == Some("config-callhome");
        is_callhome.then(|| grammar::callhome().match_line(body, negated))
    }

    /// Carries a setting into the tree; says what there is to say about it.
    pub(crate) fn apply(
        &mut self,
        tree: &mut ConfigTree,
        paths: Paths<'_>,
        command: &Matched,
        negated: bool,
    ) -> Result<String, Refused> {
        self.check(tree, command, negated).map_err(Refused::Said)?;
        let mut told = String::new();
        for path in paths {
            told = self.apply_at(tree, path, command, negated)?;
        }
        Ok(told)
    }

    fn apply_at(
        &mut self,
        tree: &mut ConfigTree,
        path: &[String],
        command: &Matched,
        negated: bool,
    ) -> Result<String, Refused> {
        let mut words = command.action.split(' ');
        let action = words.next().unwrap_or_default();
        let number = words.next_back().and_then(|n| n.parse().ok()).unwrap_or(1);
        let text = command.canonical.as_str();
        match command.action.as_str() {
            "feature" if negated => {
                tree.remove(path, text, usize::MAX);
                let default_on = rumline_catalogue::Catalogue::nexus()
                    .feature(text.trim_start_matches("feature "))
                    .is_some_and(rumline_catalogue::Feature::on_by_default);
                if default_on {
                    tree.add(path, &format!("no {text}"));
                }
            }
            "feature" => tree.add(path, text),
            "username" => self.set_user(tree, command, negated)?,
            "domain" => {
                let line = format!("ip domain-name {}", argument(command, "domain"));
                change(tree, path, &line, 2, negated);
            }
            "switchname" => {
                let line = format!("hostname {}", argument(command, "name"));
                change(tree, path, &line, 1, negated);
            }
            "license url" => {
                let kind = if command.has("smart") && text.contains("url smart") {
                    "smart"
                } else {
                    "cslu"
                };
                // C-51: shown with its keyword, whether or not it was typed.
                let line = format!("license smart url {kind} {}", argument(command, "url"));
                change(tree, path, &line, 4, negated);
                if kind == "cslu" && !negated {
                    let warning = cslu_url_warning(argument(command, "url"));
                    return Ok(warning.unwrap_or_default().to_owned());
                }
            }
            "vrf" if negated => {
                tree.remove(path, text, usize::MAX);
            }
            // The line opens a mode, and with it its section.
            "vrf" => {}
            _ if action == "enter" => {}
            "callhome proxy enable" => change(tree, path, text, usize::MAX, negated),
            _ if action == "interface" => {
                let name = interpret::interface_name(argument(command, "interface"));
                let head = text.rsplit_once(' ').map_or("", |(head, _)| head);
                let line = if name.is_empty() { text.to_owned() } else { format!("{head} {name}") };
                change(tree, path, &line, number, negated);
            }
            // A toggle such as `ip domain-lookup`: its `no` is a setting of its own.
            _ if number == words_in(text) && text.ends_with("domain-lookup") => {
                tree.toggle(path, text, negated);
            }
            // As NX-OS prints it.
            _ if action == "set" && text.starts_with("username ") => {
                let line = text.replacen(" passphrase ", " passphrase  ", 1);
                change(tree, path, &line, number, negated);
            }
            _ => change(tree, path, text, number, negated),
        }
        Ok(String::new())
    }

    /// What the tree cannot tell.
    fn check(&self, tree: &ConfigTree, command: &Matched, negated: bool) -> Result<(), String> {
        if negated {
            return Ok(());
        }
        let text = command.canonical.as_str();
        let since = |release: &str| {
            let is_before = |own| interpret::release_index(own) < interpret::release_index(release);
            if self.release.is_some_and(is_before) {
                Err(format!("% This command needs Cisco NX-OS Release {release} or later"))
            } else {
                Ok(())
            }
        };
        if text.starts_with("license smart vrf") {
            since("10.3(2)F")?; // PI-NET-001
        }
        if text.starts_with("license smart source-interface") {
            since("10.3(3)F")?; // PI-NET-002
        }
        if let Some(url) = command.get("url").filter(|_| text.starts_with("license")) {
            check_url(url, text.contains("url smart"))?;
        }
        if let Some(address) = command.get("address").filter(|_| text.starts_with("license"))
            && address.contains(':')
        {
            return Err(IPV6.to_owned());
        }
        if let Some(vrf) = command.get("vrf")
            && (vrf.len() > 32
                || !vrf.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        {
            // PI-CLI-029
            return Err("% Invalid VRF name: up to 32 letters and digits".to_owned());
        }
        if let Some(name) = command
            .get("name")
            .filter(|_| text.starts_with("hostname") || text.starts_with("switchname"))
            && (name.len() > 63
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)))
        {
            return Err(
                "% Invalid host name: up to 63 letters, digits, '-', '_' and '.'".to_owned()
            );
        }
        if text == "transport http proxy enable" {
            // PI-NET-025
            let server = tree.section(&["callhome".to_owned()]).is_some_and(|lines| {
                lines.iter().any(|l| l.text.starts_with("transport http proxy server"))
            });
            if !server {
                return Err("% Configure the HTTP proxy server first".to_owned());
            }
        }
        Ok(())
    }

    fn set_user(
        &mut self,
        tree: &mut ConfigTree,
        command: &Matched,
        negated: bool,
    ) -> Result<(), Refused> {
        let login = argument(command, "login");
        if negated {
            if login == "admin" {
                return Err(Refused::Said("% user admin cannot be deleted".to_owned()));
            }
            tree.remove(&[], &format!("username {login}"), 2);
            return Ok(());
        }
        let role = command.get("role").unwrap_or("network-operator");
        let with_password = format!("username {login} password");
        let known = tree.value(&with_password).is_some();
        let is_further = known && command.get("hash").or(command.get("password")).is_none();
        let role = if login == "admin" && !is_further { "network-admin" } else { role };
        let hash = match (command.get("hash"), command.get("password")) {
            (Some(hash), _) => Some(hash.to_owned()),
            (None, Some(password)) => match &mut self.random {
                // Nobody who reads a file gets a password out of it that was not in it.
                None => {
                    tree.set(&[], &command.canonical, 2);
                    return Ok(());
                }
                Some(_) if !users::is_strong(password) => {
                    return Err(Refused::Said(
                        "password is weak\nPassword should contain at least 8 characters, letters \
                         and digits among them."
                            .to_owned(),
                    ));
                }
                Some(random) => users::hash_password(password, *random),
            },
            (None, None) => None,
        };
        let line = match hash {
            Some(hash) => format!("username {login} password 5 {hash}  role {role}"),
            None => format!("username {login} role {role}"),
        };
        // A further role is a line of its own beside that of the password.
        if is_further {
            tree.add(&[], &line);
        } else if known {
            tree.set(&[], &line, 3);
        } else {
            tree.set(&[], &line, 2);
        }
        // The login and its hash lie in the configuration; the password does not.
        Ok(())
    }
}

const IPV6: &str = "% IPv6 is supported only on callhome transport";

/// What a CSLU URL that is taken may still be wrong for.
fn cslu_url_warning(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let (address, path) = rest.split_once('/')?;
    let (host, port) = address.split_once(':').unwrap_or((address, ""));
    match path.strip_prefix("cslu/v1/pi")?.trim_matches('/') {
        // PI-CLI-010
        "" if port != "8182" => Some("Warning: CSLU uses port 8182 for product instances\n"),
        "" => None,
        // PI-NET-015
        _ if host.parse::<std::net::IpAddr>().is_ok() => {
            Some("Warning: SSM On-Prem is to be reached by its host name, not by an IP address\n")
        }
        _ => None,
    }
}

/// A URL of the smart or CSLU transport.
fn check_url(url: &str, smart: bool) -> Result<(), String> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| if smart { None } else { url.strip_prefix("http://") });
    let Some(rest) = rest else {
        let schemes = if smart { "https://" } else { "http:// or https://" };
        return Err(format!("% Invalid URL: it begins with {schemes}"));
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('[') {
        return Err(IPV6.to_owned()); // PI-NET-007
    }
    let fine = !host.is_empty()
        && url.len() <= 255
        && url.bytes().all(|b| b.is_ascii_graphic() && b != b'"')
        && !host.contains('@');
    if fine { Ok(()) } else { Err("% Invalid URL".to_owned()) }
}

fn change(tree: &mut ConfigTree, path: &[String], line: &str, key_words: usize, negated: bool) {
    if negated {
        tree.remove(path, line, key_words);
    } else {
        tree.set(path, line, key_words);
    }
}

fn words_in(text: &str) -> usize {
    text.split(' ').count()
}
