//! Local users: `username NAME password 5 HASH role ROLE`.

use std::collections::{BTreeMap, BTreeSet};

use rumline_cli::Fields;

use rumline_protocol::{Random, random_hex};
use sha_crypt::password_hash::CustomizedPasswordHasher;
use sha_crypt::{Algorithm, PasswordVerifier, ShaCrypt};

use crate::Switch;
use crate::answer::{Answer, CommandError};
use crate::command::{Call, Command, Topic};
use crate::config::{ConfigTree, Given, Put, Setting, Settings, starts_with_words};
use crate::session::{Seen, Session};

/// The head of the lines of local users.
pub(crate) const USERNAME: &str = "username";

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show privilege", show_privilege),
        Command::anyone("show role", show_roles),
        Command::anyone("show users", show_users),
        Command::anyone("show user-account", show_accounts),
    ],
    settings: &[
        Setting { put: Put::Own(set_user), ..Setting::line(USERNAME) },
        Setting { put: Put::As(as_printed), ..Setting::keyed("username passphrase", 3) },
        Setting::keyed("username shelltype", 3),
    ],
};

/// Hashes a password as NX-OS writes it (type 5, SHA-256 crypt).
pub(crate) fn hash_password(password: &str, random: &mut dyn Random) -> Option<String> {
    let salt = random_hex(random, 8);
    let crypt = ShaCrypt::from(Algorithm::Sha256Crypt);
    let params = sha_crypt::Params::new(5000).ok()?;
    crypt
        .hash_password_customized(password.as_bytes(), salt.as_bytes(), Some("5"), None, params)
        .ok()
        .map(|hash| hash.to_string())
}

/// The longest password tried, in bytes: checking one costs the square of its length.
const PASSWORD_BYTES_MAX: usize = 128;

/// A hash that no password fits.
const NOBODY: &str = "$5$0123456789abcdef$1111111111111111111111111111111111111111111";

/// Whether a login may enter with a password.
pub(crate) fn may_log_in(config: &ConfigTree, login: &str, password: &str) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let hash = config.starting_with(USERNAME).find_map(|line| {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        match words[..] {
            [_, name, "password", "5", hash, ..] if name == login => Some(hash),
            _ => None,
        }
    });
    // Whoever is not known waits as long as whoever is.
    let fits = ShaCrypt::from(Algorithm::Sha256Crypt)
        .verify_password(password.as_bytes(), hash.unwrap_or(NOBODY))
        .is_ok();
    fits && hash.is_some()
}

/// What a login is known by: it changes with its password, its role and its keys.
pub(crate) fn mark(config: &ConfigTree, login: &str) -> Option<[u8; 32]> {
    let own = config
        .starting_with(USERNAME)
        .filter(|line| line.text.split_whitespace().nth(1) == Some(login));
    let lines: Vec<&str> = own.map(|line| line.text.as_str()).collect();
    (!lines.is_empty()).then(|| rumline_protocol::sha256(lines.join("\n").as_bytes()))
}

/// Whether a login may enter with a public key: `username NAME sshkey KIND KEY`.
pub(crate) fn knows_key(config: &ConfigTree, login: &str, key: &str) -> bool {
    config.starting_with(USERNAME).any(|line| {
        let words: Vec<&str> = line.text.split_whitespace().skip(1).collect();
        let [name, "sshkey", kind, bytes, ..] = words[..] else { return false };
        name == login && key.split_once(' ') == Some((kind, bytes))
    })
}

/// Those who may change things beside `admin`: whoever has an administrator's role.
pub(crate) fn administrators(config: &ConfigTree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in config.starting_with(USERNAME) {
        let mut words = line.text.split_whitespace().skip(1);
        let Some(login) = words.next() else { continue };
        let role = words.skip_while(|word| *word != "role").nth(1);
        if role.is_some_and(|role| ["network-admin", "vdc-admin", "priv-15"].contains(&role)) {
            found.insert(login.to_owned());
        }
    }
    found
}

impl Switch {
    /// Whether a user may change things.
    #[must_use]
    pub fn is_administrator(&self, login: &str) -> bool {
        login == "admin" || self.derived.administrators.contains(login)
    }
}

/// Whether `admin` has a password that somebody may know: a hash that none fits is none.
pub(crate) fn has_admin(config: &ConfigTree) -> bool {
    let value = config.value("username admin password").unwrap_or_default();
    let mut words = value.split_whitespace();
    words.next() == Some("5") && words.next().is_some_and(is_hash)
}

/// Whether a text is a hash as passwords are kept by (type 5, SHA-256 crypt).
fn is_hash(text: &str) -> bool {
    text.starts_with("$5$") && text.rsplit('$').next().is_some_and(|digest| digest.len() == 43)
}

/// The roles of a user, that of the line with the password first.
fn roles(config: &ConfigTree, login: &str) -> Vec<String> {
    let own = config.starting_with(USERNAME).filter_map(|line| {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let role = words.windows(2).find(|pair| pair[0] == "role").map(|pair| pair[1].to_owned());
        role.filter(|_| words.get(1) == Some(&login)).map(|role| (words[2] != "password", role))
    });
    let mut roles: Vec<(bool, String)> = own.collect();
    roles.sort_by_key(|(is_further, _)| *is_further);
    roles.into_iter().map(|(_, role)| role).collect()
}

/// Whether a line may hold what nobody is to read again, however short its words.
pub(crate) fn holds_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "no").collect();
    let begins = |at: usize, word: &str| words.get(at).is_some_and(|typed| word.starts_with(typed));
    let is_credential = |word: &&str| {
        word.split_once("://").is_some_and(|(_, rest)| {
            let server = rest.split('/').next().unwrap_or_default();
            server.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        })
    };
    ["passw", "key", "secret"].iter().any(|word| line.contains(word))
        || words.iter().any(|word| word.starts_with("idt"))
        || begins(0, "snmp-server") && (begins(1, "user") || begins(1, "community"))
        || words.iter().any(is_credential)
        || begins(0, USERNAME) && words.len() > 2
        || begins(0, "license") && begins(2, "trust") && words.len() > 3
}

/// A line as others may read it.
pub(crate) fn without_secret(line: &str) -> String {
    if !holds_secret(line) {
        return line.to_owned();
    }
    // Of lines that name somebody or something, the name too.
    let names = line.starts_with(USERNAME) || line.starts_with("license");
    let words: Vec<&str> = line.split_whitespace().take(if names { 2 } else { 1 }).collect();
    format!("{} ***", words.join(" "))
}

/// As NX-OS prints it.
fn as_printed(given: &Given) -> String {
    given.canonical.replacen(" passphrase ", " passphrase  ", 1)
}

fn set_user(
    settings: &mut Settings<'_>,
    tree: &mut ConfigTree,
    given: &Given,
    negated: bool,
) -> Result<(), CommandError> {
    let login = given.get("login").unwrap_or_default();
    let known = roles(tree, login);
    let with_password = format!("username {login} password");
    let has_password = tree.value(&with_password).is_some();
    let names_password = given.get("hash").or(given.get("password")).is_some();
    if negated {
        return take_user(tree, login, given.get("role"), names_password, &known);
    }
    let role = match given.get("role") {
        _ if login == "admin" && names_password => "network-admin",
        Some(role) => role,
        None => known.first().map_or("network-operator", String::as_str),
    };
    let hash = match (given.get("hash"), given.get("password")) {
        // Nobody could log in as admin any more.
        (Some(hash), _) if login == "admin" && !is_hash(hash) && settings.software.is_some() => {
            return Err(CommandError::failed("% Invalid encrypted password, it begins with $5$"));
        }
        (Some(hash), _) => Some(hash.to_owned()),
        (None, Some(password)) => match &mut settings.random {
            // Nobody who reads a file gets a password out of it that was not in it.
            None => {
                tree.set(&[], &given.canonical, 2);
                return Ok(());
            }
            Some(_) if !is_strong(password) => {
                return Err(CommandError::failed(
                    "password is weak\nPassword should contain at least 8 characters, letters and \
                     digits among them.",
                ));
            }
            Some(random) => hash_password(password, *random),
        },
        (None, None) => None,
    };
    // The login and its hash lie in the configuration; the password does not.
    let further = format!("username {login} role {role}");
    match hash {
        Some(hash) => {
            tree.take_where(&[], |line| line == further);
            tree.set(&[], &password_line(login, &hash, role), 3);
        }
        // A further role is a line of its own beside that of the password.
        None if !known.iter().any(|own| own == role) => tree.add(&[], &further),
        None if !has_password && known.is_empty() => tree.add(&[], &further),
        None => {}
    }
    Ok(())
}

/// `no username …`: the user, or the role or password that is named.
fn take_user(
    tree: &mut ConfigTree,
    login: &str,
    role: Option<&str>,
    names_password: bool,
    known: &[String],
) -> Result<(), CommandError> {
    if login == "admin" {
        return Err(CommandError::failed("% user admin cannot be deleted"));
    }
    let with_password = format!("username {login} password");
    match role {
        _ if names_password => {
            tree.take_where(&[], |line| starts_with_words(line, &with_password));
        }
        None => {
            tree.remove(&[], &format!("username {login}"), 2);
        }
        Some(role) => {
            let further = format!("username {login} role {role}");
            if tree.take_where(&[], |line| line == further) {
                return Ok(());
            }
            // The role of the line with the password: another one takes its place.
            let next =
                known.iter().find(|own| *own != role).map_or("network-operator", String::as_str);
            let line = tree.starting_with(&with_password).next().map(|line| line.text.clone());
            let Some(line) = line.filter(|line| line.ends_with(&format!(" role {role}"))) else {
                return Ok(());
            };
            let taken = format!("username {login} role {next}");
            tree.take_where(&[], |known| known == taken);
            let head = line.strip_suffix(role).unwrap_or(&line);
            tree.set(&[], &format!("{head}{next}"), 3);
        }
    }
    Ok(())
}

/// The line of a user with a password, as NX-OS prints it.
pub(crate) fn password_line(login: &str, hash: &str, role: &str) -> String {
    format!("username {login} password 5 {hash}  role {role}")
}

const NO_EXPIRY: &str = "this user account has no expiry date";

/// The roles there are, and what they may.
const ROLES: &[(&str, &str)] = &[
    ("network-admin", "Predefined network admin role has access to all commands on the switch"),
    (
        "network-operator",
        "Predefined network operator role has access to all read commands on the switch",
    ),
];

fn show_roles(_: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let text = || {
        let role = |(name, text): &(&str, &str)| format!("Role: {name}\n  Description: {text}\n\n");
        ROLES.iter().map(role).collect()
    };
    let rows = ROLES
        .iter()
        .map(|(name, text)| Fields::new().text("role_name", name).text("role_description", text));
    call.shown(text, || Fields::new().table("role", rows))
}

fn show_privilege(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let login = &call.session.login;
    let level = if switch.is_administrator(login) { 15 } else { 1 };
    call.shown(
        || format!("User name: {login}\nCurrent privilege level: {level}\n"),
        || Fields::new().text("username", login).number("privilege_level", level),
    )
}

fn show_users(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let (now, pid) = (call.now, switch.process.pid);
    let Session { login, line: own, since, from, .. } = &*call.session;
    let mut seen = switch.seen.clone();
    let since = since.unwrap_or(switch.booted_at);
    let (login, from) = (login.clone(), from.clone());
    seen.entry(own.clone()).or_insert(Seen { login, from, since, active_at: now });
    let rows = seen.iter().map(|(line, seen)| {
        let time = switch.derived.zone.short_time(seen.since);
        let idle = match now.since(seen.active_at) / 60 {
            ..=0 => ".".to_owned(),
            minutes => format!("{:02}:{:02}", minutes / 60, minutes % 60),
        };
        let from = seen.from.as_ref().map(|from| format!("({from}) session=ssh"));
        let own = (line == own).then(|| "*".to_owned());
        let comment: Vec<String> = from.into_iter().chain(own).collect();
        (&seen.login, line, time, idle, comment.join(" "))
    });
    let rows: Vec<_> = rows.collect();
    call.shown(
        || {
            let head = "NAME     LINE         TIME         IDLE          PID COMMENT\n";
            rows.iter().fold(head.to_owned(), |text, (login, line, time, idle, comment)| {
                let row = format!("{login:<8} {line:<12} {time} {idle:^7} {pid:>9} {comment}");
                format!("{text}{}\n", row.trim_end())
            })
        },
        || {
            let row = |(login, line, time, idle, comment): &(
                &String,
                &String,
                String,
                String,
                String,
            )| {
                let row = Fields::new().text("user", login).text("line", line).text("time", time);
                row.text("idle", idle).number("pid", pid).text("comment", comment)
            };
            Fields::new().table("sessions", rows.iter().map(row))
        },
    )
}

fn show_accounts(switch: &mut Switch, call: &mut Call<'_, '_>) -> Answer {
    let mut accounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in switch.running.starting_with(USERNAME) {
        let words: Vec<&str> = line.text.split_whitespace().skip(1).collect();
        let [login, rest @ ..] = &words[..] else { continue };
        if rest.iter().any(|word| ["role", "password"].contains(word)) {
            let roles = accounts.entry((*login).to_owned()).or_default();
            let role =
                rest.windows(2).find(|pair| pair[0] == "role").map(|pair| pair[1].to_owned());
            roles.extend(role.filter(|role| !roles.contains(role)));
        }
    }
    let text: String = accounts
        .iter()
        .map(|(login, roles)| {
            let roles = roles.join(" ");
            format!("user:{login}\n        {NO_EXPIRY}\n        roles:{roles} \n")
        })
        .collect();
    let rows = accounts.iter().map(|(login, roles)| {
        let roles = roles.iter().map(|role| Fields::new().text("role", role));
        Fields::new().text("usr_name", login).text("expire_date", NO_EXPIRY).table("role", roles)
    });
    call.shown(|| text.clone(), || Fields::new().table("template", rows))
}

/// A password NX-OS would take: eight characters, letters and digits.
pub(crate) fn is_strong(password: &str) -> bool {
    (8..=PASSWORD_BYTES_MAX).contains(&password.len())
        && password.chars().any(|c| c.is_ascii_alphabetic())
        && password.chars().any(|c| c.is_ascii_digit())
}
