//! Call Home: its settings, what it shows, and the envelope that licensing sends in.

mod envelope;
mod profiles;
mod show;

use rumline_protocol::CallHomeRequest;

use crate::answer::CommandError;
use crate::command::{Command, Topic};
use crate::config::{ConfigTree, Given, Line, Put, Setting, Settings, Software, starts_with_words};

pub(crate) use profiles::{by_mail_only, message_bytes_max, url};

/// The line that opens the mode, and the name of its section.
pub(crate) const CALLHOME: Setting = Setting { put: Put::Mode, ..Setting::line("callhome") };

const EMAIL: &str = "email-contact";
const PHONE: &str = "phone-contact";
const ENABLE: &str = "enable";
const SOURCE: &str = "source-interface";
const INVENTORY: &str = "periodic-inventory notification interval";
const EMAIL_FROM: &str = "transport email from";
const EMAIL_REPLY_TO: &str = "transport email reply-to";
const EMAIL_SERVER: &str = "transport email smtp-server";
/// The port of a proxy whose line names none (PI-NET-024).
const PROXY_PORT: u16 = 8080;
const PROXY_SERVER: &str = "transport http proxy server";
const PROXY_ENABLE: &str = "transport http proxy enable";
const USE_VRF: &str = "transport http use-vrf";
const URL: &str = "destination-profile xml index 1 http";
const SIZE: &str = "destination-profile xml message-size";

pub(crate) const TOPIC: Topic = Topic {
    words: include_str!("words.txt"),
    commands: &[
        Command::anyone("show callhome", |switch, call| {
            call.shown(|| switch.show_callhome(), || switch.callhome_fields())
        }),
        Command::anyone("show callhome transport", |switch, call| {
            call.shown(|| switch.show_callhome_transport(), || switch.transport_fields())
        }),
        Command::anyone("show callhome destination-profile", |switch, call| {
            switch.show_profiles(call)
        }),
        Command::anyone("show callhome status", |switch, call| {
            call.shown(|| switch.show_callhome_status(), || switch.callhome_status_fields())
        }),
        Command::anyone("show call-home profile all", |switch, call| {
            let fields = || switch.profile_of_licensing_fields();
            call.shown(|| switch.show_profile_of_licensing(), fields)
        }),
        Command::anyone("show ip http client", |switch, call| {
            call.shown(|| switch.show_http_client(), || switch.http_client_fields())
        }),
    ],
    settings: &[
        CALLHOME,
        Setting::keyed("destination-profile format", 3),
        Setting::keyed("destination-profile index", 5),
        Setting::keyed("destination-profile message-size", 3),
        Setting::keyed("destination-profile transport-method", 4),
        Setting::line(EMAIL),
        Setting::line(ENABLE),
        Setting::line(INVENTORY),
        Setting::line(PHONE),
        Setting {
            put: Put::Interface,
            gate: Some("callhome source interface"),
            ..Setting::line(SOURCE)
        },
        Setting::line(EMAIL_FROM),
        Setting::line(EMAIL_REPLY_TO),
        Setting::line(EMAIL_SERVER),
        Setting { check: has_server, ..Setting::line(PROXY_ENABLE) },
        Setting { put: Put::Own(put_server), ..Setting::line(PROXY_SERVER) },
        Setting::line(USE_VRF),
    ],
};

/// The order of its lines (PI-SHOW-031).
const ORDER: [&str; 12] = [
    EMAIL,
    PHONE,
    "destination-profile xml transport-method",
    SIZE,
    "destination-profile xml index 1 email-addr",
    URL,
    "destination-profile",
    SOURCE,
    "transport email",
    "transport http",
    ENABLE,
    "periodic-inventory",
];

/// PI-NET-025.
fn has_server(
    tree: &ConfigTree,
    _: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    match value(tree, PROXY_SERVER) {
        Some(_) => Ok(None),
        None => Err("% Configure the HTTP proxy server first".to_owned()),
    }
}

/// A proxy that is typed without a port has the usual one (PI-NET-024); one that is gone is not used any more (PI-NET-025).
fn put_server(
    settings: &mut Settings<'_>,
    tree: &mut ConfigTree,
    given: &Given,
    negated: bool,
) -> Result<(), CommandError> {
    let path = [CALLHOME.head.to_owned()];
    if negated {
        for head in [PROXY_SERVER, PROXY_ENABLE] {
            tree.take_where(&path, |line| starts_with_words(line, head));
        }
    } else {
        let mut line = given.canonical.clone();
        // A file has what it has.
        if settings.software.is_some() && given.get("port").is_none() {
            line.push_str(&format!(" port {PROXY_PORT}"));
        }
        tree.set(&path, &line, PROXY_SERVER.split(' ').count());
    }
    Ok(())
}

fn value<'t>(tree: &'t ConfigTree, head: &str) -> Option<&'t str> {
    let section = tree.section(&[CALLHOME.head.to_owned()])?;
    let line = section.iter().find(|line| starts_with_words(&line.text, head))?;
    Some(line.text[head.len()..].trim())
}

/// Whom to write to about the switch.
pub(crate) fn contact(tree: &ConfigTree) -> Option<&str> {
    value(tree, EMAIL)
}

/// The most bytes of a message of licensing that its envelope has room for.
pub(crate) fn room(tree: &ConfigTree) -> usize {
    CallHomeRequest::room(message_bytes_max(tree))
}

/// Whether it is on (PI-NET-029).
pub(crate) fn is_enabled(tree: &ConfigTree) -> bool {
    value(tree, ENABLE).is_some()
}

/// The VRF that its messages leave by, if one is named (PI-NET-028).
pub(crate) fn vrf(tree: &ConfigTree) -> Option<&str> {
    value(tree, USE_VRF)
}

/// The interface that its messages come from, if one is named.
pub(crate) fn source_interface(tree: &ConfigTree) -> Option<&str> {
    value(tree, SOURCE)
}

/// The proxy that its messages go through, and its port; only while it is enabled (PI-NET-025).
pub(crate) fn proxy(tree: &ConfigTree) -> Option<(&str, u16)> {
    value(tree, PROXY_ENABLE)?;
    server(tree)
}

/// The proxy that is set, and its port.
fn server(tree: &ConfigTree) -> Option<(&str, u16)> {
    let server = value(tree, PROXY_SERVER)?;
    let (host, port) = server.split_once(" port ").unwrap_or((server, ""));
    Some((host, port.parse().unwrap_or(PROXY_PORT)))
}

/// Adds what holds where it is not given, and puts all in order.
pub(crate) fn add_defaults(lines: &mut Vec<Line>) {
    let defaults = [
        "destination-profile xml transport-method http".to_owned(),
        format!("{URL} {}", rumline_agent::DEFAULT_CALLHOME_URL),
    ];
    let mut section: Vec<Line> =
        lines.first().map(|line| line.children.to_vec()).unwrap_or_default();
    for text in defaults {
        let head = text.rsplit_once(' ').map_or("", |(head, _)| head);
        if !section.iter().any(|line| starts_with_words(&line.text, head)) {
            section.push(Line::of(text));
        }
    }
    let rank = |text: &str| {
        ORDER.iter().position(|head| starts_with_words(text, head)).unwrap_or(usize::MAX)
    };
    section.sort_by_key(|line| rank(&line.text));
    let whole = Line { text: CALLHOME.head.to_owned(), children: section.into_iter().collect() };
    lines.splice(..lines.len().min(1), [whole]);
}
