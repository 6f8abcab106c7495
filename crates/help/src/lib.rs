//! The help inside the product: documents of `docs/`, embedded as they are and cut into topics.
//!
//! A topic is what stands below a heading: a question, a topology, a system message, a flow; in the glossary it is a row.
//! Each document's beginning is a topic too. Pages show a topic as HTML, `rumline help` as text.

#![warn(missing_docs)]

mod excerpt;
mod html;
mod links;
mod search;
mod shown;
mod split;
mod table;
mod terminal;
mod wrap;

use std::sync::LazyLock;

pub use excerpt::excerpt;
pub use html::html;
pub use search::search;
pub use terminal::terminal;

/// A document of `docs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    /// The 30 questions of the guide.
    Questions,
    /// Which topology?
    Topologies,
    /// The system messages of a switch.
    Messages,
    /// Flows that begin with a symptom, and texts that Rumline says.
    Troubleshooting,
    /// Terms.
    Glossary,
    /// What else there is to read.
    References,
    /// The steps of topology 1.
    Steps1,
    /// of topology 2.
    Steps2,
    /// of topology 3.
    Steps3,
    /// of topology 4.
    Steps4,
    /// of topology 5.
    Steps5,
    /// and of topology 6.
    Steps6,
    /// The switch.
    Switch,
    /// CSSM.
    Cssm,
    /// CSLU.
    Cslu,
    /// SSM On-Prem.
    OnPrem,
    /// What a switch says of its licensing.
    Doctor,
    /// Policies and timers.
    Timers,
    /// Data on disk.
    Storage,
    /// What is promised against whom.
    Security,
}

impl Document {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 20] = [
        Self::Questions,
        Self::Topologies,
        Self::Messages,
        Self::Troubleshooting,
        Self::Glossary,
        Self::References,
        Self::Steps1,
        Self::Steps2,
        Self::Steps3,
        Self::Steps4,
        Self::Steps5,
        Self::Steps6,
        Self::Switch,
        Self::Cssm,
        Self::Cslu,
        Self::OnPrem,
        Self::Doctor,
        Self::Timers,
        Self::Storage,
        Self::Security,
    ];

    /// Its file below `docs/`.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Questions => "faq.md",
            Self::Topologies => "topologies.md",
            Self::Messages => "messages.md",
            Self::Troubleshooting => "troubleshooting.md",
            Self::Glossary => "glossary.md",
            Self::References => "references.md",
            Self::Steps1 => "topology-1.md",
            Self::Steps2 => "topology-2.md",
            Self::Steps3 => "topology-3.md",
            Self::Steps4 => "topology-4.md",
            Self::Steps5 => "topology-5.md",
            Self::Steps6 => "topology-6.md",
            Self::Switch => "switch.md",
            Self::Cssm => "cssm.md",
            Self::Cslu => "cslu.md",
            Self::OnPrem => "onprem.md",
            Self::Doctor => "doctor.md",
            Self::Timers => "policies-and-timers.md",
            Self::Storage => "storage.md",
            Self::Security => "security.md",
        }
    }

    /// The id of the topic that is its beginning: the file's name, but that of a topology's steps, as the topology itself has it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Steps1 => "topology-1-steps",
            Self::Steps2 => "topology-2-steps",
            Self::Steps3 => "topology-3-steps",
            Self::Steps4 => "topology-4-steps",
            Self::Steps5 => "topology-5-steps",
            Self::Steps6 => "topology-6-steps",
            _ => self.file().trim_end_matches(".md"),
        }
    }

    /// Whether it is a manual: read in order, and not looked up.
    #[must_use]
    pub fn is_manual(self) -> bool {
        self > Self::References
    }

    /// Its Markdown.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Questions => include_str!("../../../docs/faq.md"),
            Self::Topologies => include_str!("../../../docs/topologies.md"),
            Self::Messages => include_str!("../../../docs/messages.md"),
            Self::Troubleshooting => include_str!("../../../docs/troubleshooting.md"),
            Self::Glossary => include_str!("../../../docs/glossary.md"),
            Self::References => include_str!("../../../docs/references.md"),
            Self::Steps1 => include_str!("../../../docs/topology-1.md"),
            Self::Steps2 => include_str!("../../../docs/topology-2.md"),
            Self::Steps3 => include_str!("../../../docs/topology-3.md"),
            Self::Steps4 => include_str!("../../../docs/topology-4.md"),
            Self::Steps5 => include_str!("../../../docs/topology-5.md"),
            Self::Steps6 => include_str!("../../../docs/topology-6.md"),
            Self::Switch => include_str!("../../../docs/switch.md"),
            Self::Cssm => include_str!("../../../docs/cssm.md"),
            Self::Cslu => include_str!("../../../docs/cslu.md"),
            Self::OnPrem => include_str!("../../../docs/onprem.md"),
            Self::Doctor => include_str!("../../../docs/doctor.md"),
            Self::Timers => include_str!("../../../docs/policies-and-timers.md"),
            Self::Storage => include_str!("../../../docs/storage.md"),
            Self::Security => include_str!("../../../docs/security.md"),
        }
    }

    /// Its topics, the beginning first.
    pub fn topics(self) -> impl Iterator<Item = &'static Topic> {
        topics().iter().filter(move |topic| topic.document == self)
    }
}

/// A part of a document that is shown by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Where it stands.
    pub document: Document,
    /// Its address, e.g. `faq-5`, `topology-3`, `comm_failed`, `term-ack`; no two topics share one, and it stays.
    pub id: String,
    /// Its heading; of a term the first cell of its row.
    pub title: String,
    /// The Markdown below the heading; of a term its row.
    pub text: &'static str,
}

impl Topic {
    /// Whether it is the beginning of its document.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        self.id == self.document.id()
    }
}

/// All topics, document by document.
#[must_use]
pub fn topics() -> &'static [Topic] {
    static TOPICS: LazyLock<Vec<Topic>> =
        LazyLock::new(|| Document::ALL.into_iter().flat_map(split::topics_of).collect());
    &TOPICS
}

/// A topic by its id, in upper or lower case; a system message also by its code as the log prints it.
#[must_use]
pub fn topic(id: &str) -> Option<&'static Topic> {
    let id = id.trim();
    topics().iter().find(|topic| topic.id.eq_ignore_ascii_case(id)).or_else(|| message(id))
}

/// The message that a code is of: `%LICMGR-3-LOG_SMART_LIC_COMM_FAILED:` or less of it.
fn message(code: &str) -> Option<&'static Topic> {
    let code = code.trim_start_matches('%').trim_end_matches(':');
    let mnemonic = code.rsplit('-').next().unwrap_or(code).to_ascii_uppercase();
    let name = mnemonic.strip_prefix("LOG_SMART_LIC_").unwrap_or(&mnemonic);
    Document::Messages.topics().find(|topic| topic.title == name)
}
