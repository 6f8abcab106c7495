//! How a lab is at a moment, and what of it is well.

use serde::Serialize;

use super::description;

/// A whole lab.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(super) struct State {
    pub account: String,
    /// When it was looked at, by the lab's clock.
    pub at: i64,
    pub cssm: Server,
    pub collectors: Vec<Server>,
    pub switches: Vec<Switch>,
}

/// How well something is.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Health {
    Good,
    Waits,
    Bad,
    Down,
}

impl Health {
    /// As style sheets name it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Waits => "waits",
            Self::Bad => "bad",
            Self::Down => "down",
        }
    }

    /// Told without a colour.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Good => '●',
            Self::Waits => '◐',
            Self::Bad => '▲',
            Self::Down => '✕',
        }
    }
}

/// CSSM or a collector.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(super) struct Server {
    pub name: String,
    pub title: String,
    pub topology: Option<u32>,
    pub url: String,
    pub runs: bool,
    /// Whether it may speak with CSSM; nothing of CSSM itself.
    pub connected: Option<bool>,
    /// Reports that wait in it for an acknowledgement.
    pub waiting: i64,
    pub notes: Vec<String>,
    pub fault: Option<String>,
    pub health: Health,
    pub says: String,
}

#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub(super) struct Switch {
    pub name: String,
    pub topology: u32,
    pub pid: String,
    pub serial: String,
    /// What a person types to log in.
    pub ssh: String,
    /// Where the password is; not what it is.
    pub password_file: String,
    /// The collector it reports to.
    pub collector: Option<String>,
    pub runs: bool,
    pub transport: String,
    pub url: String,
    pub last_ack: Option<String>,
    pub has_trust: bool,
    /// Reports that left, or could have, and are not acknowledged.
    pub waiting: usize,
    /// The last system messages.
    pub messages: Vec<String>,
    /// When CSSM, or else its collector, heard of it last.
    pub last_contact_at: Option<i64>,
    pub fault: Option<String>,
    pub health: Health,
    pub says: String,
    /// What the message says that tells of something wrong.
    pub why: Option<String>,
}

/// What a switch is asked, in one go.
pub(super) const QUESTIONS: &str =
    "show license status\nshow license rum id all\nshow logging last 100";
/// So many system messages are shown.
const MESSAGES: usize = 4;

impl Switch {
    /// One that did not answer.
    pub(super) fn silent(of: &description::Switch) -> Self {
        Self {
            name: of.name.clone(),
            topology: of.topology,
            pid: of.udi.pid.clone(),
            serial: of.udi.serial.clone(),
            ssh: of.ssh.command(),
            password_file: of.ssh.password_file.display().to_string(),
            collector: of.collector.clone(),
            runs: false,
            transport: String::new(),
            url: String::new(),
            last_ack: None,
            has_trust: false,
            waiting: 0,
            messages: Vec::new(),
            last_contact_at: None,
            fault: of.fault.clone(),
            health: Health::Down,
            says: "does not run".to_owned(),
            why: None,
        }
    }

    /// What one says to [`QUESTIONS`].
    pub(super) fn heard(of: &description::Switch, text: &str) -> Self {
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.trim().strip_prefix(name));
            found.map(str::trim).filter(|value| *value != "<none>").map(str::to_owned)
        };
        let is_waiting = |line: &&str| {
            let mut words = line.split_whitespace();
            let number = words.next().is_some_and(|word| word.parse::<u64>().is_ok());
            number && words.next().is_some_and(|state| matches!(state, "UNACK" | "CLOSED"))
        };
        let messages: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with("20") && line.contains(" %"))
            // Every look at it is a login.
            .filter(|line| !line.contains(" %AUTHPRIV-"))
            .map(str::to_owned)
            .collect();
        let mut told = messages.iter().rev().filter_map(|line| licensing(line));
        let mut last = told.next();
        if last.is_some_and(|(_, text)| text.contains("Insufficient trust")) {
            // Why there is none was said before, if trust was asked for.
            last = told.find(|(name, _)| *name == "TRUST_CODE_INSTALL_FAILED").or(last);
        }
        let last_ack = value("Last ACK received:");
        let waiting = text.lines().filter(is_waiting).count();
        let (health, says) = if is_of_before(text) {
            (Health::Good, of_before(text))
        } else {
            judge(last.map(|(name, _)| name), waiting, last_ack.is_some())
        };
        let why = last.filter(|_| health == Health::Bad).map(|(_, text)| reason(text).to_owned());
        let first = messages.len().saturating_sub(MESSAGES);
        Self {
            runs: true,
            transport: value("Type:").unwrap_or_default(),
            url: value("URL:").or_else(|| value("Cslu address:")).unwrap_or_default(),
            has_trust: value("Trust Code installed:").is_some(),
            last_ack,
            waiting,
            messages: messages.into_iter().skip(first).collect(),
            health,
            says,
            why,
            ..Self::silent(of)
        }
    }
}

/// Whether what a switch says first of its licenses is of a release before Smart Licensing Using Policy.
pub(super) fn is_of_before(status: &str) -> bool {
    status.starts_with("Smart Licensing is ")
}

/// How such a switch holds its licenses.
fn of_before(status: &str) -> String {
    let mut states = status.lines().filter_map(|line| line.trim().strip_prefix("Status: "));
    match states.next() {
        Some("REGISTERED") => "older licensing, registered".to_owned(),
        Some(_) => "older licensing, not registered".to_owned(),
        None => "older licensing".to_owned(),
    }
}

/// The name and the text of a message of licensing.
fn licensing(line: &str) -> Option<(&str, &str)> {
    line.split_once("LOG_SMART_LIC_")?.1.split_once(": ")
}

/// What of a text stands after what every such message says.
fn reason(text: &str) -> &str {
    let parts = text.split_once(") : ").or_else(|| text.split_once(": "));
    parts.map_or(text, |(_, reason)| reason)
}

fn judge(last: Option<&str>, waiting: usize, has_ack: bool) -> (Health, String) {
    let is_bad =
        |name: &&str| ["FAILED", "REFUSED", "SET_BACK"].iter().any(|end| name.ends_with(end));
    match last.filter(is_bad) {
        Some(name) => (Health::Bad, name.to_owned()),
        None if waiting > 0 => (
            Health::Waits,
            format!("{} an ACK", counted(waiting, "report waits for", "reports wait for")),
        ),
        None if has_ack => (Health::Good, "acknowledged".to_owned()),
        None => (Health::Waits, "no ACK yet".to_owned()),
    }
}

/// A number and what it counts.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const SAID: &str = "Transport:
  Type: CSLU
  Cslu address: http://127.0.0.1:1/cslu/v1/pi
  Last ACK received: Nov 29 15:17:25 2026 UTC
Trust Code installed: Nov 29 15:17:24 2026 UTC
Report Id,          State,    Flag, Feature Name
1795965444          ACK       N     LAN_ENTERPRISE_SERVICES_PKG
1795965445          STATE     N     LAN_ENTERPRISE_SERVICES_PKG
1795965446          OPEN      N     LAN_ENTERPRISE_SERVICES_PKG
2026 Nov 29 15:17:25 a %LICMGR-6-LOG_SMART_LIC_TRUST_CODE_INSTALL_SUCCESS: A new one.
2026 Nov 29 15:17:26 a %LICMGR-3-LOG_SMART_LIC_COMM_RESTORED: Back.
2026 Nov 29 15:17:27 a %AUTHPRIV-6-SYSTEM_MSG: Accepted password
";

    pub(in super::super) fn described(name: &str, topology: u32) -> description::Switch {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 2222));
        let udi = ("N9K-C93180YC-FX3", "RML00000001");
        description::Switch::new(name, topology, udi, address, "/lab/a.password".as_ref())
    }

    fn heard(state: &str, more: &str) -> Switch {
        Switch::heard(&described("a", 1), &(SAID.replace("STATE", state) + more))
    }

    #[test]
    fn a_switch_that_is_acknowledged_is_well() {
        let switch = heard("ACK  ", "");
        assert_eq!((switch.health, switch.says.as_str()), (Health::Good, "acknowledged"));
        assert_eq!(switch.last_ack.as_deref(), Some("Nov 29 15:17:25 2026 UTC"));
        assert_eq!(switch.transport, "CSLU");
        assert_eq!(switch.url, "http://127.0.0.1:1/cslu/v1/pi");
        assert!(switch.has_trust && switch.runs);
        assert_eq!(switch.messages.len(), 2, "logins are left out");
    }

    #[test]
    fn what_waits_and_what_failed_is_said() {
        let switch = heard("UNACK", "");
        assert_eq!((switch.health, switch.waiting), (Health::Waits, 1));
        assert_eq!(switch.says, "1 report waits for an ACK");
        let failed =
            "2026 Nov 29 15:18:00 a %LICMGR-3-LOG_SMART_LIC_COMM_FAILED: With (CSLU) : No way\n";
        let switch = heard("UNACK", failed);
        assert_eq!((switch.health, switch.says.as_str()), (Health::Bad, "COMM_FAILED"));
        assert_eq!(switch.why.as_deref(), Some("No way"));
        let refused = "2026 Nov 29 15:18:00 a %LICMGR-3-LOG_SMART_LIC_TRUST_CODE_INSTALL_FAILED: On \
                       PID:x,SN:y: used up.\n";
        let after = failed.replace("No way", "Insufficient trust");
        let switch = heard("OPEN ", &(refused.to_owned() + &after));
        assert_eq!(switch.says, "TRUST_CODE_INSTALL_FAILED");
        assert_eq!(switch.why.as_deref(), Some("used up."));
        let silent = Switch::silent(&described("a", 1));
        assert_eq!(silent.health, Health::Down);
    }

    #[test]
    fn one_of_before_says_how_it_holds_its_licenses() {
        for (status, wanted) in [
            ("Smart Licensing is DISABLED\n", "older licensing"),
            (
                "Smart Licensing is ENABLED\n\nRegistration:\n  Status: UNREGISTERED\n",
                "older licensing, not registered",
            ),
            (
                "Smart Licensing is ENABLED\n\nRegistration:\n  Status: REGISTERED\n\nLicense \
                 Authorization:\n  Status: AUTHORIZED\n",
                "older licensing, registered",
            ),
        ] {
            let switch = Switch::heard(&described("a", 2), status);
            assert_eq!((switch.health, switch.says.as_str()), (Health::Good, wanted));
        }
        assert!(!is_of_before("Utility:\n  Status: DISABLED\n"));
    }

    #[test]
    fn no_secret_is_in_what_is_shown() {
        let text = serde_json::to_string(&heard("ACK", "")).unwrap();
        assert!(text.contains("/lab/a.password"));
    }
}
