//! Where a link of a document leads, and what of a topic is Markdown by itself.

use crate::shown::shown;
use crate::{Document, Topic, split};

/// Where a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// To a topic.
    Topic(&'static Topic),
    /// To the web.
    Web(&'a str),
    /// To a document that is not embedded, or to nothing.
    Elsewhere,
}

/// What `link`, found in `document`, leads to.
pub(crate) fn target(document: Document, link: &str) -> Target<'_> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return Target::Web(link);
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let of = match file {
        "" => Some(document),
        file => Document::ALL.into_iter().find(|known| known.file() == file),
    };
    let is_meant = |topic: &&Topic| match anchor {
        "" => topic.is_beginning(),
        anchor => split::anchor(&topic.title) == anchor,
    };
    of.and_then(|of| of.topics().find(is_meant)).map_or(Target::Elsewhere, Target::Topic)
}

/// A topic as Markdown that stands by itself: of a term, what its row says.
pub(crate) fn markdown(topic: &Topic) -> String {
    if topic.document != Document::Glossary || topic.is_beginning() {
        return shown(topic.document, topic.text);
    }
    let cells = split::cells(topic.text);
    let mut text = cells.get(1).map_or_else(String::new, |meaning| format!("{meaning}\n\n"));
    for (name, cell) in split::columns().iter().zip(&cells).skip(2) {
        if cell != "-" {
            text.push_str(&format!("* {name}: {cell}\n"));
        }
    }
    shown(topic.document, &text)
}
