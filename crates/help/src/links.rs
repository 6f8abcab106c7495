//! Where a link of a document leads.

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
