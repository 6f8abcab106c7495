//! Call Home: its settings and what it shows. Licensing uses its URL.

use rumline_cli::Fields;

use crate::Switch;
use crate::command::{Command, Topic};
use crate::config::{ConfigTree, Given, Line, Put, Setting, Software, starts_with_words};

/// The line that opens the mode, and the name of its section.
pub(crate) const CALLHOME: Setting = Setting { put: Put::Mode, ..Setting::line("callhome") };

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
    ],
    settings: &[
        CALLHOME,
        Setting::keyed("destination-profile index", 5),
        Setting::keyed("destination-profile message-size", 3),
        Setting::keyed("destination-profile transport-method", 4),
        Setting::line("email-contact"),
        Setting::line("enable"),
        Setting::line("periodic-inventory notification interval"),
        Setting::line("phone-contact"),
        Setting {
            put: Put::Interface,
            gate: Some("callhome source interface"),
            ..Setting::line("source-interface")
        },
        Setting::line("transport email from"),
        Setting::line("transport email reply-to"),
        Setting::line("transport email smtp-server"),
        Setting { check: has_server, ..Setting::line(PROXY_ENABLE) },
        Setting::line(PROXY_SERVER),
        Setting::line(USE_VRF),
    ],
};

/// The order of its lines (PI-SHOW-031).
const ORDER: [&str; 12] = [
    "email-contact",
    "phone-contact",
    "destination-profile xml transport-method",
    SIZE,
    "destination-profile xml index 1 email-addr",
    URL,
    "destination-profile",
    "source-interface",
    "transport email",
    "transport http",
    "enable",
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

fn value<'t>(tree: &'t ConfigTree, head: &str) -> Option<&'t str> {
    let section = tree.section(&[CALLHOME.head.to_owned()])?;
    let line = section.iter().find(|line| starts_with_words(&line.text, head))?;
    Some(line.text[head.len()..].trim())
}

/// The URL of any of its profiles: the first that is given.
pub(crate) fn url(tree: &ConfigTree) -> Option<String> {
    let section = tree.section(&[CALLHOME.head.to_owned()])?;
    section.iter().find_map(|line| {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        match words[..] {
            ["destination-profile", _, "index", _, "http", url] => Some(url.to_owned()),
            _ => None,
        }
    })
}

/// Whether it is on (PI-NET-029).
pub(crate) fn is_enabled(tree: &ConfigTree) -> bool {
    value(tree, "enable").is_some()
}

/// The VRF that its messages leave by, if one is named (PI-NET-028).
pub(crate) fn vrf(tree: &ConfigTree) -> Option<&str> {
    value(tree, USE_VRF)
}

/// The interface that its messages come from, if one is named.
pub(crate) fn source_interface(tree: &ConfigTree) -> Option<&str> {
    value(tree, "source-interface")
}

/// The proxy that its messages go through, and its port if one is named; only while it is enabled (PI-NET-025).
pub(crate) fn proxy(tree: &ConfigTree) -> Option<(&str, Option<u16>)> {
    value(tree, PROXY_ENABLE)?;
    let server = value(tree, PROXY_SERVER)?;
    let (host, port) = server.split_once(" port ").unwrap_or((server, ""));
    Some((host, port.parse().ok()))
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

impl Switch {
    fn callhome_value(&self, head: &str) -> &str {
        value(&self.running, head).unwrap_or("Not configured")
    }

    fn callhome_is_on(&self, head: &str) -> &'static str {
        if value(&self.running, head).is_some() { "Enabled" } else { "Disabled" }
    }

    /// PI-SHOW-032.
    fn show_callhome(&self) -> String {
        format!(
            "callhome {}\nCallhome Information:\n contact person's email:{}\n\
             contact person's phone number:{}\nsource interface:{}\n",
            self.callhome_is_on("enable"),
            self.callhome_value("email-contact"),
            self.callhome_value("phone-contact"),
            self.callhome_value("source-interface")
        )
    }

    fn callhome_fields(&self) -> Fields {
        Fields::new()
            .text("callhome", self.callhome_is_on("enable"))
            .text("email_contact", self.callhome_value("email-contact"))
            .text("phone_contact", self.callhome_value("phone-contact"))
            .text("source_interface", self.callhome_value("source-interface"))
    }

    /// The proxy server with its port.
    fn callhome_proxy(&self) -> String {
        value(&self.running, PROXY_SERVER).map_or_else(
            || "Not configured".to_owned(),
            |server| {
                let (address, port) = server.split_once(" port ").unwrap_or((server, "8080"));
                format!("{address} port {port}")
            },
        )
    }

    fn callhome_or(&self, head: &str, default: &'static str) -> &str {
        value(&self.running, head).unwrap_or(default)
    }

    /// PI-NET-024, PI-NET-026, PI-SHOW-032.
    fn show_callhome_transport(&self) -> String {
        format!(
            "http vrf:{}\nhttp proxy server:{}\nhttp proxy:{}\n\nfrom email addr:{}\n\
             reply to email addr:{}\nsmtp server:{}\n\nurl:{}\nmaximum message size:{}\n",
            self.callhome_or(USE_VRF, "management"),
            self.callhome_proxy(),
            self.callhome_is_on(PROXY_ENABLE),
            self.callhome_value("transport email from"),
            self.callhome_value("transport email reply-to"),
            self.callhome_value("transport email smtp-server"),
            self.callhome_or(URL, rumline_agent::DEFAULT_CALLHOME_URL),
            self.callhome_or(SIZE, "1000000")
        )
    }

    fn transport_fields(&self) -> Fields {
        Fields::new()
            .text("http_vrf", self.callhome_or(USE_VRF, "management"))
            .text("http_proxy_server", self.callhome_proxy())
            .text("http_proxy", self.callhome_is_on(PROXY_ENABLE))
            .text("from_email", self.callhome_value("transport email from"))
            .text("reply_to_email", self.callhome_value("transport email reply-to"))
            .text("smtp_server", self.callhome_value("transport email smtp-server"))
            .text("url", self.callhome_or(URL, rumline_agent::DEFAULT_CALLHOME_URL))
            .text("max_message_size", self.callhome_or(SIZE, "1000000"))
    }
}
