//! A session: where it is, what it was asked, how its terminal is set.

use std::collections::BTreeMap;

use rumline_protocol::Timestamp;

use crate::RemoteCopy;
use crate::config::Place;

/// Answers of a session that are remembered, and the largest.
const ANSWERS_MAX: usize = 16;
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A question a session waits for the answer of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Reload {
        ascii: bool,
    },
    /// A supervisor alone, by its module number.
    ReloadModule(u8),
    WriteErase,
    FactoryReset,
    Delete(String),
    Overwrite {
        source: String,
        destination: String,
        vrf: Option<String>,
    },
    /// An image on bootflash:, by its name.
    Install(String),
    /// Whether a server that nobody knows is the one that is meant; its key in the form of OpenSSH.
    Unknown {
        copy: RemoteCopy,
        host: String,
        key: String,
        fingerprint: String,
    },
    /// The password of a server with this key.
    Password {
        copy: RemoteCopy,
        key: String,
    },
}

impl Question {
    /// The command that asks it.
    pub(crate) fn command(&self) -> String {
        match self {
            Self::Reload { ascii: false } => "reload".to_owned(),
            Self::Reload { ascii: true } => "ascii reload".to_owned(),
            Self::ReloadModule(module) => format!("reload module {module}"),
            Self::WriteErase => "write erase".to_owned(),
            Self::FactoryReset => "license smart factory reset".to_owned(),
            Self::Delete(name) => format!("delete bootflash:{name}"),
            Self::Overwrite { source, destination, vrf } => {
                let vrf = vrf.as_ref().map(|vrf| format!(" vrf {vrf}")).unwrap_or_default();
                format!("copy {source} {destination}{vrf}")
            }
            Self::Install(name) => format!("install all nxos bootflash:{name}"),
            Self::Unknown { copy, .. } | Self::Password { copy, .. } => copy.command().to_owned(),
        }
    }

    /// Whether its answer is a secret, and not yes or no.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Password { .. })
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Reload { .. } => "This command will reboot the system. (y/n)?  [n] ".to_owned(),
            Self::ReloadModule(module) => {
                format!("This command will reload module {module}. Proceed[y/n]?  [n] ")
            }
            Self::WriteErase => "Warning: This command will erase the startup-configuration.\n\
                 Do you wish to proceed anyway? (y/n)  [n] "
                .to_owned(),
            Self::FactoryReset => "This command will remove all licensing information, the policy \
                 included. (y/n)?  [n] "
                .to_owned(),
            Self::Delete(name) => {
                format!("Do you want to delete \"/{name}\" ? (yes/no/abort)   [n] ")
            }
            Self::Overwrite { destination, .. } => format!(
                "Warning: There is already a file existing with this name ({destination}). Do you \
                 want to overwrite (y/n)?[n] "
            ),
            Self::Install(_) => "Switch will be reloaded for disruptive upgrade.\n\
                 Do you want to continue with the installation (y/n)?  [n] "
                .to_owned(),
            Self::Unknown { host, fingerprint, .. } => format!(
                "The authenticity of host '{host}' can't be established.\n\
                 Its key fingerprint is {fingerprint}.\n\
                 Are you sure you want to continue connecting (yes/no)? "
            ),
            Self::Password { .. } => "Password: ".to_owned(),
        }
    }
}

/// What others see of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub login: String,
    pub from: Option<String>,
    pub since: Timestamp,
    /// When it gave its last command.
    pub active_at: Timestamp,
}

/// A session of one person or program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Login name.
    pub login: String,
    /// Where it is in the configuration; nowhere in EXEC.
    pub(crate) place: Option<Place>,
    /// `terminal length`; 0 for no paging.
    pub length: usize,
    /// `terminal width`.
    pub width: usize,
    /// Whether it sees system messages.
    pub monitor: bool,
    pub(crate) dont_ask: bool,
    /// Whether nobody is there to be asked, whatever was said.
    pub(crate) is_program: bool,
    pub(crate) question: Option<Question>,
    /// Commands given so far.
    pub(crate) history: Vec<String>,
    /// What commands answered that were asked for differences.
    pub(crate) answers: BTreeMap<String, String>,
    /// The session of `configure session` it is in.
    pub(crate) draft: Option<String>,
    /// Its line, e.g. `console0` or `pts/1`.
    pub line: String,
    /// The address it comes from.
    pub from: Option<String>,
    /// When it began, if that is known.
    pub since: Option<Timestamp>,
}

impl Session {
    /// A new session.
    #[must_use]
    pub fn new(login: &str) -> Self {
        Self {
            login: login.to_owned(),
            place: None,
            length: 24,
            width: 80,
            monitor: false,
            dont_ask: false,
            is_program: false,
            question: None,
            history: Vec::new(),
            answers: BTreeMap::new(),
            draft: None,
            line: "console0".to_owned(),
            from: None,
            since: None,
        }
    }

    /// A session that asks nothing and does not page, as programs want it.
    #[must_use]
    pub fn for_program(login: &str) -> Self {
        Self { length: 0, is_program: true, ..Self::new(login) }
    }

    /// Remembers what a command answered, to be compared with; a few, and not the largest.
    pub(crate) fn remember(&mut self, command: &str, answer: String) {
        if self.answers.len() == ANSWERS_MAX && !self.answers.contains_key(command) {
            self.answers.pop_first();
        }
        if answer.len() <= ANSWER_BYTES_MAX {
            self.answers.insert(command.to_owned(), answer);
        }
    }

    /// Leaves all configuration modes.
    pub(crate) fn end(&mut self) {
        self.place = None;
        self.draft = None;
    }

    /// Whether what is typed is text, such as that of a banner.
    #[must_use]
    pub fn takes_text(&self) -> bool {
        self.place.as_ref().is_some_and(Place::in_text)
    }

    /// Lines on a page.
    #[must_use]
    pub fn page_lines(&self) -> usize {
        self.length
    }
}
