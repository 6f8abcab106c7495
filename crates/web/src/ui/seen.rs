//! Two people in one form. A form that changes what is there carries a digest of it as it was shown. If it is different by
//! the time the form comes, nothing is done, and the page says what it is now beside what was typed.

use std::fmt::Write as _;

use axum::http::StatusCode;
use maud::{Markup, html};
use rumline_protocol::sha256;

use super::{Ask, Page};
use crate::problem::Problem;
use crate::site::Site;

/// The name under which the digest is sent.
pub(super) const SEEN: &str = "seen";
/// Values that are told one by one when they have changed.
const TOLD_MAX: usize = 12;

/// What a form changes, as it is: names and values, in words.
pub(crate) struct Seen(Vec<(String, String)>);

/// What a form of a page changes, read from the page; none if it changes nothing that is there: it adds something, or does
/// one deed.
pub(crate) type Changes<P> = Option<fn(&P, &Ask) -> Seen>;

impl Seen {
    pub(crate) fn of<N: Into<String>, V: Into<String>>(
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self(values.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Each value counts, and where one ends and the next begins.
    fn digest(&self) -> String {
        let mut text = String::new();
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            let _never_fails = write!(text, "{}:{part}", part.len());
        }
        let mut digest = String::new();
        for byte in &sha256(text.as_bytes())[..16] {
            let _never_fails = write!(digest, "{byte:02x}");
        }
        digest
    }

    /// The field that a form carries. One that was refused for what was typed carries on what it came with.
    pub(crate) fn field(&self, ask: &Ask, to: &str) -> Markup {
        let sent = if ask.was_sent(to) { ask.typed(SEEN) } else { "" };
        let digest = if sent.is_empty() { self.digest() } else { sent.to_owned() };
        html! { input type="hidden" name=(SEEN) value=(digest); }
    }

    fn told(&self) -> String {
        let one = |(name, value): &(String, String)| match (name.as_str(), value.as_str()) {
            ("", value) => value.to_owned(),
            (name, "") => format!("{name}: nothing"),
            (name, value) => format!("{name}: {value}"),
        };
        let told: Vec<String> = self.0.iter().take(TOLD_MAX).map(one).collect();
        let more = if self.0.len() > TOLD_MAX { ", and more" } else { "" };
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") + more }
    }

    fn check(&self, sent: &str) -> Result<(), Problem> {
        if sent == self.digest() {
            return Ok(());
        }
        let text = match sent {
            "" => "Nothing was changed: send this form from its page.".to_owned(),
            _ => format!(
                "This was changed meanwhile by somebody else, so nothing of yours was taken. Now it is: {}. What you \
                 typed is still here: send it again if you want it so.",
                self.told()
            ),
        };
        Err(Problem::new(StatusCode::CONFLICT, text))
    }
}

/// Whether what a form changes is still as it was shown.
pub(super) fn unchanged<S: Site, P: Page<S>>(
    site: &S,
    ask: &Ask,
    changes: Changes<P>,
) -> Result<(), Problem> {
    let Some(seen) = changes else { return Ok(()) };
    seen(&P::load(site, ask)?, ask).check(ask.typed(SEEN))
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn what_is_different_has_another_digest() {
        let digests = [
            Seen::of([("a", "b"), ("c", "d")]),
            Seen::of([("a", "b")]),
            Seen::of([("a", "bc"), ("", "d")]),
            Seen::of([("ab", ""), ("c", "d")]),
            Seen::of([("", "")]),
            Seen::of::<&str, &str>([]),
        ]
        .map(|seen| seen.digest());
        for (at, one) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(one), "{at}");
        }
        assert_eq!(Seen::of([("a", "b")]).digest(), digests[1]);
    }

    #[test]
    fn what_has_changed_is_told_and_bounded() {
        let many = (0..40).map(|n| (format!("n{n}"), "x"));
        assert!(Seen::of(many).told().ends_with("n11: x, and more"));
        assert_eq!(
            Seen::of([("Name", "Lab"), ("Order", ""), ("", "eve")]).told(),
            "Name: Lab, Order: nothing, eve"
        );
        assert_eq!(Seen::of::<&str, &str>([]).told(), "nothing");
    }
}
