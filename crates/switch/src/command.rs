//! Commands as rows: a topic's words name them, and each row carries what it does.

use rumline_catalogue::Release;
use rumline_cli::{Fields, Matched, Rendering};
use rumline_protocol::Timestamp;

use crate::answer::{Answer, CommandError, Outcome};
use crate::config::Setting;
use crate::session::Session;
use crate::{Devices, Switch};

/// Who may give a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever is logged in: `network-operator` and `network-admin`.
    Anyone,
    /// `network-admin`.
    Administrator,
}

impl Who {
    /// The roles that may, as they are named.
    pub(crate) fn roles(self) -> &'static str {
        match self {
            Self::Anyone => "network-admin, network-operator",
            Self::Administrator => "network-admin",
        }
    }
}

type Run = fn(&mut Switch, &mut Call<'_, '_>) -> Answer;

/// What a command does on releases before Smart Licensing Using Policy.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// The same.
    Same,
    /// Something else: licensing was another one there.
    Other(Run),
    /// It is not there.
    Missing,
    /// It is there only (REL-001).
    Only,
}

/// A command of EXEC.
#[derive(Debug)]
pub(crate) struct Command {
    /// Its key words; the words of its topic name it by them.
    pub name: &'static str,
    pub who: Who,
    run: Run,
    before: Before,
}

impl Command {
    /// One that changes nothing but the session.
    pub(crate) const fn anyone(name: &'static str, run: Run) -> Self {
        Self { name, who: Who::Anyone, run, before: Before::Same }
    }

    /// One that changes something.
    pub(crate) const fn administrator(name: &'static str, run: Run) -> Self {
        Self { name, who: Who::Administrator, run, before: Before::Same }
    }

    /// The same, with what it does on releases before Smart Licensing Using Policy.
    pub(crate) const fn before(self, run: Run) -> Self {
        Self { before: Before::Other(run), ..self }
    }

    /// The same, on releases with Smart Licensing Using Policy only.
    pub(crate) const fn of_policy(self) -> Self {
        Self { before: Before::Missing, ..self }
    }

    /// The same, on releases before Smart Licensing Using Policy only.
    pub(crate) const fn of_before(self) -> Self {
        Self { before: Before::Only, ..self }
    }

    /// What it does on a release, or why it is not there.
    pub(crate) fn on(&self, release: &Release) -> Result<Run, CommandError> {
        let own = &release.version;
        match (self.before, release.has_slp()) {
            (Before::Only, true) => Err(CommandError::Failed(format!(
                "% Not supported in Smart Licensing Using Policy: {own} has no older licensing"
            ))),
            (Before::Missing, false) => Err(CommandError::Failed(format!(
                "% Not supported on {own}, which is of before Smart Licensing Using Policy: licenses are held by {} there",
                release.licensing_words()
            ))),
            (Before::Other(run), false) => Ok(run),
            _ => Ok(self.run),
        }
    }
}

/// A command that was given.
pub(crate) struct Call<'c, 'd> {
    pub now: Timestamp,
    pub session: &'c mut Session,
    pub command: &'c Matched<&'static Command>,
    pub devices: &'c mut Devices<'d>,
    /// How the answer is wanted.
    pub rendering: Rendering,
}

impl<'c> Call<'c, '_> {
    /// A value that the words guarantee.
    pub(crate) fn text(&self, name: &str) -> &'c str {
        self.command.get(name).unwrap_or_default()
    }

    /// A number that the words guarantee.
    pub(crate) fn number<N: std::str::FromStr + Default>(&self, name: &str) -> N {
        self.text(name).parse().unwrap_or_default()
    }

    /// An answer as it is wanted: as people read it, or as data. Only one of the two is made.
    pub(crate) fn shown(
        &self,
        text: impl FnOnce() -> String,
        value: impl FnOnce() -> Fields,
    ) -> Answer {
        match self.rendering {
            Rendering::Text => Ok(Outcome::text(text())),
            rendering => Ok(self.data(rendering, value())),
        }
    }

    fn data(&self, rendering: Rendering, fields: Fields) -> Outcome {
        let text = fields.rendered(rendering, self.command.action.name);
        Outcome { data: Some(fields), ..Outcome::text(text) }
    }

    /// An answer whose data is its lines.
    pub(crate) fn lines(&self, text: String) -> Answer {
        match self.rendering {
            Rendering::Text => Ok(Outcome::text(text)),
            rendering => Ok(self.data(rendering, Fields::lines(&text))),
        }
    }

    /// An answer that there is for people only (PI-SHOW-035).
    pub(crate) fn text_only(&self, text: impl FnOnce() -> String) -> Answer {
        match self.rendering {
            Rendering::Text => Ok(Outcome::text(text())),
            _ => Err(CommandError::NoData),
        }
    }

    /// Whether a keyword was given.
    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.command.has(keyword)
    }
}

/// What the switch has to do with one thing: its words, and the rows they name.
pub(crate) struct Topic {
    /// `[exec]`, `[config]` or another mode's prompt, and below it a tree of words.
    pub words: &'static str,
    pub commands: &'static [Command],
    pub settings: &'static [Setting],
}
