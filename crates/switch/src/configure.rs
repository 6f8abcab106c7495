//! Configuration mode.

use rumline_cli::{Matched, Parsed, Refusal};
use rumline_protocol::Timestamp;

use crate::config::starts_with_words;
use crate::grammar::{self, Mode};
use crate::session::{Outcome, Session, argument, split_no};
use crate::{Devices, Switch, interpret, users};

impl Switch {
    /// Carries out a line as configuration, or says where it makes no sense.
    pub(crate) fn configure(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        devices: &mut Devices<'_>,
    ) -> Result<Outcome, (Refusal, usize)> {
        let (body, negated) = split_no(line);
        let offset = line.len() - body.len();
        let word = body.split_whitespace().next().unwrap_or_default();
        if ["exit", "end", "copy", "where", "configure"].contains(&word) {
            return Err((Refusal::Invalid, 0));
        }
        let mode = session.modes.last().cloned();
        let in_callhome = mode.as_ref().is_some_and(|mode| mode.prompt == "config-callhome");
        if in_callhome
            && let Parsed::Command(command) = grammar::callhome().match_line(body, negated)
        {
            let path = session.path();
            return Ok(self.act(now, session, &path, &command, negated, devices));
        }
        let in_submode = session.modes.len() > 1;
        let raw = in_submode && grammar::known_word(word) && grammar::context(body).is_none();
        if raw {
            return Ok(self.keep_line(now, session, body, negated, devices));
        }
        match grammar::config().match_line(body, negated) {
            Parsed::Command(command) => {
                // A global command given in a submode leaves it.
                session.modes.truncate(1);
                Ok(self.act(now, session, &[], &command, negated, devices))
            }
            Parsed::Refused { refusal, at } => {
                let modelled = ["license", "feature", "hostname", "username", "callhome"];
                if grammar::known_word(word) && !modelled.contains(&word) {
                    session.modes.truncate(1);
                    return Ok(self.keep_line(now, session, body, negated, devices));
                }
                Err((refusal, at + offset))
            }
        }
    }

    /// Keeps a line that is not modelled, as it was typed; some open a submode.
    fn keep_line(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        line: &str,
        negated: bool,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let mut text = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(name) = text.strip_prefix("interface ") {
            text = format!("interface {}", interpret::interface_name(&name.replace(' ', "")));
        }
        let path = session.path();
        let context = match session.modes.last() {
            Some(mode) if session.modes.len() > 1 => grammar::inner_context(&mode.prompt, &text),
            _ => grammar::context(&text).map(str::to_owned),
        };
        if negated {
            let removed = self.running.remove(&path, &text, usize::MAX);
            if !removed && context.is_none() {
                self.running.add(&path, &format!("no {text}"));
            }
        } else if let Some(prompt) = context {
            let mut inner = path.clone();
            inner.push(text.clone());
            self.running.section_mut(&inner);
            session.modes.push(Mode { prompt, line: text });
        } else {
            self.running.add(&path, &text);
        }
        self.done(now, devices)
    }

    fn done(&mut self, now: Timestamp, devices: &mut Devices<'_>) -> Outcome {
        Outcome { effects: self.config_changed(now, devices), ..Outcome::default() }
    }

    fn act(
        &mut self,
        now: Timestamp,
        session: &mut Session,
        path: &[String],
        command: &Matched,
        negated: bool,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        if let Err(text) = self.check(command, negated) {
            return Outcome::error(&text);
        }
        let mut words = command.action.split(' ');
        let action = words.next().unwrap_or_default();
        let number = words.next_back().and_then(|n| n.parse().ok()).unwrap_or(1);
        let text = command.canonical.as_str();
        match command.action.as_str() {
            "feature" if negated => {
                self.running.remove(path, text, usize::MAX);
                let default_on = rumline_catalogue::Catalogue::nexus()
                    .feature(text.trim_start_matches("feature "))
                    .is_some_and(rumline_catalogue::Feature::on_by_default);
                if default_on {
                    self.running.add(path, &format!("no {text}"));
                }
            }
            "feature" => self.running.add(path, text),
            "username" => return self.set_user(now, command, negated, devices),
            "domain" => {
                let line = format!("ip domain-name {}", argument(command, "domain"));
                self.change(path, &line, 2, negated);
            }
            "switchname" => {
                let line = format!("hostname {}", argument(command, "name"));
                self.change(path, &line, 1, negated);
            }
            "license url" => {
                let kind = if command.has("smart") && text.contains("url smart") {
                    "smart"
                } else {
                    "cslu"
                };
                // C-51: shown with its keyword, whether or not it was typed.
                let line = format!("license smart url {kind} {}", argument(command, "url"));
                self.change(path, &line, 4, negated);
                let mut outcome = self.done(now, devices);
                if kind == "cslu" && !negated {
                    let warning = cslu_url_warning(argument(command, "url"));
                    outcome.reply.text.push_str(warning.unwrap_or_default());
                }
                return outcome;
            }
            "vrf" => {
                if negated {
                    self.running.remove(path, text, usize::MAX);
                } else {
                    self.running.section_mut(&[text.to_owned()]);
                    session
                        .modes
                        .push(Mode { prompt: "config-vrf".to_owned(), line: text.to_owned() });
                }
            }
            "callhome proxy enable" => self.change(path, text, usize::MAX, negated),
            _ if action == "enter" => {
                self.running.section_mut(&[text.to_owned()]);
                let prompt = grammar::context(text).unwrap_or("config-sub").to_owned();
                session.modes.push(Mode { prompt, line: text.to_owned() });
            }
            _ if action == "interface" => {
                let name = interpret::interface_name(argument(command, "interface"));
                let head = text.rsplit_once(' ').map_or("", |(head, _)| head);
                let line = if name.is_empty() { text.to_owned() } else { format!("{head} {name}") };
                self.change(path, &line, number, negated);
            }
            // A negated toggle such as `no ip domain-lookup` is a setting of its own.
            _ if negated && !self.running_has(path, text, number) && number == words_in(text) => {
                self.running.add(path, &format!("no {text}"));
            }
            _ => self.change(path, text, number, negated),
        }
        self.done(now, devices)
    }

    fn running_has(&self, path: &[String], text: &str, number: usize) -> bool {
        let key = text.split(' ').take(number).collect::<Vec<_>>().join(" ");
        let section = self.running.section(path);
        section.is_some_and(|lines| lines.iter().any(|l| starts_with_words(&l.text, &key)))
    }

    fn change(&mut self, path: &[String], line: &str, key_words: usize, negated: bool) {
        if negated {
            self.running.remove(path, line, key_words);
        } else {
            self.running.set(path, line, key_words);
        }
    }

    /// What the tree cannot tell.
    fn check(&self, command: &Matched, negated: bool) -> Result<(), String> {
        if negated {
            return Ok(());
        }
        let text = command.canonical.as_str();
        let since = |release: &str| {
            if interpret::release_index(&self.release.version) < interpret::release_index(release) {
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
            let server = self.running.section(&["callhome".to_owned()]).is_some_and(|lines| {
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
        now: Timestamp,
        command: &Matched,
        negated: bool,
        devices: &mut Devices<'_>,
    ) -> Outcome {
        let login = argument(command, "login");
        if negated {
            if login == "admin" {
                return Outcome::error("% user admin cannot be deleted");
            }
            self.running.remove(&[], &format!("username {login}"), 2);
            return self.done(now, devices);
        }
        let role = command.get("role").unwrap_or("network-operator");
        let role = if login == "admin" { "network-admin" } else { role };
        let hash = match (command.get("hash"), command.get("password")) {
            (Some(hash), _) => Some(hash.to_owned()),
            (None, Some(password)) if users::is_strong(password) => {
                users::hash_password(password, devices.random)
            }
            (None, Some(_)) => {
                return Outcome::error(
                    "password is weak\nPassword should contain at least 8 characters, letters and \
                     digits among them.",
                );
            }
            (None, None) => None,
        };
        let line = match hash {
            Some(hash) => format!("username {login} password 5 {hash}  role {role}"),
            None => format!("username {login} role {role}"),
        };
        self.running.set(&[], &line, 2);
        // The login and its hash lie in the configuration; the password does not.
        self.done(now, devices)
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

fn words_in(text: &str) -> usize {
    text.split(' ').count()
}
