//! Where system messages go, as the lines have it.

use crate::answer::CommandError;
use crate::config::{ConfigTree, Given, Key, Put, Setting, Settings, Software, starts_with_words};

/// The most servers.
const SERVERS_MAX: usize = 8;
/// The severity of what a server gets whose line names none.
const SERVER_SEVERITY: u8 = 5;
/// The severity of what is shown here where no line names another: all that the switch has to say (PI-MSG-002).
const OWN_SEVERITY: u8 = 6;
/// The VRF of servers whose line names none.
const SERVER_VRF: &str = "management";
/// The facility of servers whose line names none, and its number.
const FACILITY: (&str, u8) = ("local7", 23);
/// The others, by name.
const FACILITIES: &[(&str, u8)] = &[
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    FACILITY,
];
/// The severities as they are named, from 0.
pub(super) const SEVERITIES: [&str; 8] = [
    "emergencies",
    "alerts",
    "critical",
    "errors",
    "warnings",
    "notifications",
    "information",
    "debugging",
];

const CONSOLE: Setting =
    Setting { put: Put::Own(set_destination), ..Setting::line("logging console") };
const MONITOR: Setting =
    Setting { put: Put::Own(set_destination), ..Setting::line("logging monitor") };
const LOGFILE: Setting =
    Setting { put: Put::Own(set_destination), ..Setting::line("logging logfile") };
const SERVER: Setting =
    Setting { put: Put::As(server_line), check: is_server, ..Setting::keyed("logging server", 3) };
const SOURCE: Setting =
    Setting { put: Put::Interface, ..Setting::line("logging source-interface") };
const TIMESTAMP: Setting = Setting::line("logging timestamp");
const ORIGIN: Setting = Setting::line("logging origin-id");
const RFC: Setting = Setting { gate: Some("logging 2.0"), ..Setting::line("logging rfc-strict") };

pub(super) const ALL: &[Setting] =
    &[CONSOLE, LOGFILE, MONITOR, ORIGIN, RFC, SERVER, SOURCE, TIMESTAMP];

/// Where system messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destinations {
    /// Up to which severity they are shown on the console; none at all if nothing.
    pub console: Option<u8>,
    /// The same of terminals that monitor.
    pub monitor: Option<u8>,
    /// The same of the log file.
    pub logfile: Option<u8>,
    pub logfile_name: String,
    pub logfile_bytes: u32,
    pub servers: Vec<Server>,
    pub source: Option<String>,
    pub stamp: Stamp,
    /// What names the switch instead of its host name.
    pub origin: Option<String>,
    /// As `logging origin-id` has it.
    pub origin_line: Option<String>,
    /// Whether servers get the form of RFC 5424.
    pub is_rfc_5424: bool,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub host: String,
    pub severity: u8,
    pub port: Option<u16>,
    pub vrf: String,
    pub facility: &'static str,
    pub facility_number: u8,
}

/// How finely times are written. The switch counts whole seconds: what is finer is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stamp {
    #[default]
    Seconds,
    Milliseconds,
    Microseconds,
}

impl Stamp {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
            Self::Microseconds => "Microseconds",
        }
    }

    /// What follows the seconds.
    pub(super) fn fraction(self) -> &'static str {
        match self {
            Self::Seconds => "",
            Self::Milliseconds => ".000",
            Self::Microseconds => ".000000",
        }
    }
}

impl Destinations {
    pub(crate) fn of(config: &ConfigTree) -> Self {
        let is_off = |setting: &Setting| {
            let no = format!("no {}", setting.head);
            config.lines.iter().any(|line| line.text == no)
        };
        let words = |setting: &Setting| setting.values(config).last().unwrap_or_default();
        let up_to = |setting: &Setting, place: usize| {
            let severity = words(setting).get(place).and_then(|word| word.parse().ok());
            (!is_off(setting)).then_some(severity.unwrap_or(OWN_SEVERITY))
        };
        let logfile = words(&LOGFILE);
        let origin = words(&ORIGIN);
        let stamp = match TIMESTAMP.value(config) {
            Some("milliseconds") => Stamp::Milliseconds,
            Some("microseconds") => Stamp::Microseconds,
            _ => Stamp::Seconds,
        };
        Self {
            console: up_to(&CONSOLE, 0),
            monitor: up_to(&MONITOR, 0),
            logfile: up_to(&LOGFILE, 1),
            logfile_name: (*logfile.first().unwrap_or(&"messages")).to_owned(),
            logfile_bytes: logfile.get(3).and_then(|word| word.parse().ok()).unwrap_or(4_194_304),
            servers: SERVER
                .values(config)
                .filter_map(|words| Server::of(&words).ok())
                .take(SERVERS_MAX)
                .collect(),
            source: SOURCE.value(config).map(str::to_owned),
            stamp,
            origin: origin.get(1).map(|word| (*word).to_owned()),
            origin_line: (!origin.is_empty()).then(|| origin.join(" ")),
            is_rfc_5424: RFC.value(config).is_some(),
        }
    }
}

impl Server {
    /// The words of its line behind `logging server`.
    fn of(words: &[&str]) -> Result<Self, String> {
        let (host, mut rest) = words.split_first().ok_or("% Incomplete command")?;
        let mut server = Self {
            host: (*host).to_owned(),
            severity: SERVER_SEVERITY,
            port: None,
            vrf: SERVER_VRF.to_owned(),
            facility: FACILITY.0,
            facility_number: FACILITY.1,
        };
        if let Some((word, others)) = rest.split_first()
            && let Ok(number) = word.parse::<u8>()
        {
            if number > 7 {
                return Err("% Invalid number, range is (0:7)".to_owned());
            }
            server.severity = number;
            rest = others;
        }
        for pair in rest.chunks(2) {
            match *pair {
                ["port", port] => {
                    let number = port.parse().ok().filter(|port| *port > 0);
                    server.port = Some(number.ok_or("% Invalid number, range is (1:65535)")?);
                }
                ["use-vrf", vrf] => vrf.clone_into(&mut server.vrf),
                ["facility", name] => {
                    let known = FACILITIES.iter().find(|(known, _)| *known == name);
                    let (name, number) =
                        known.ok_or_else(|| format!("% {name} is no facility of syslog"))?;
                    (server.facility, server.facility_number) = (name, *number);
                }
                ["secure", ..] => {
                    return Err("% Secure syslog servers are not supported".to_owned());
                }
                _ => return Err("% Invalid command".to_owned()),
            }
        }
        Ok(server)
    }
}

/// A destination and its `no` are one setting, whatever stands behind it.
fn set_destination(
    _: &mut Settings<'_>,
    tree: &mut ConfigTree,
    given: &Given,
    negated: bool,
) -> Result<(), CommandError> {
    let head = given.action.head;
    let is_same = |line: &str| starts_with_words(line.strip_prefix("no ").unwrap_or(line), head);
    // Behind `no`, the words of a line take it back; none turn it off.
    if negated != given.arguments.is_empty() {
        tree.take_where(&[], is_same);
    } else if negated {
        tree.set_where(&[], &format!("no {head}"), Key::Words(2), is_same);
    } else {
        tree.set_where(&[], &given.canonical, Key::Words(2), is_same);
    }
    Ok(())
}

/// The line of a server, its options in the order of NX-OS.
fn server_line(given: &Given) -> String {
    let mut line = format!("{} {}", SERVER.head, given.get("server").unwrap_or_default());
    let options: Vec<&str> = given.get("options").unwrap_or_default().split_whitespace().collect();
    let severity = options.first().filter(|word| word.parse::<u8>().is_ok());
    let rest = if severity.is_some() { &options[1..] } else { &options[..] };
    if let Some(severity) = severity {
        line.push_str(&format!(" {severity}"));
    }
    for key in ["port", "use-vrf", "facility"] {
        for pair in rest.chunks(2).filter(|pair| pair.first() == Some(&key)) {
            line.push_str(&format!(" {}", pair.join(" ")));
        }
    }
    line
}

fn is_server(
    tree: &ConfigTree,
    given: &Given,
    _: Option<Software<'_>>,
) -> Result<Option<&'static str>, String> {
    let host = given.get("server").unwrap_or_default();
    let options = given.get("options").unwrap_or_default();
    let words: Vec<&str> = std::iter::once(host).chain(options.split_whitespace()).collect();
    Server::of(&words)?;
    let others = SERVER.values(tree).filter(|words| words.first() != Some(&host)).count();
    if others >= SERVERS_MAX {
        return Err(format!("% Up to {SERVERS_MAX} logging servers can be configured"));
    }
    Ok(None)
}
