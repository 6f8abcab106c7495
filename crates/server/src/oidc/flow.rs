//! A login on its way: what the browser keeps until the provider sends it back. Nothing is kept here for it, so that nobody
//! fills anything up by beginning logins.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rumline_protocol::{Timestamp, sha256};

/// How long a login may take at the provider.
const FLOW_SECONDS: i64 = 600;
/// Logins that came back lately and are remembered: what is forgotten of more finds its code used at the provider.
const USED_MAX: usize = 2_000;

/// What this process makes logins with: none of another process is taken.
#[derive(Clone)]
pub struct FlowKey(hmac::Key);

impl FlowKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn made(&self, of: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, format!("{of}|{text}").as_bytes()))
    }
}

/// A login on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What comes back with the browser.
    pub state: String,
    /// What stands in the ID token.
    pub nonce: String,
    /// What proves to the provider that the code is shown by whoever asked for it.
    pub verifier: String,
    /// Where whoever logs in wanted to go.
    pub next: String,
}

impl Flow {
    /// Begins one by a random text; returns what the browser keeps, too.
    #[must_use]
    pub fn begin(key: &FlowKey, random: &str, now: Timestamp, next: &str) -> (Self, String) {
        let next_text = URL_SAFE_NO_PAD.encode(next);
        let text = format!("{random}.{}.{next_text}", now.0);
        let kept = format!("{text}.{}", key.made("kept", &text));
        (Self::of(key, random, next), kept)
    }

    /// The one that the browser kept this of, if it was begun here and not too long ago.
    #[must_use]
    pub fn read(key: &FlowKey, kept: &str, now: Timestamp) -> Option<Self> {
        let (text, mark) = kept.rsplit_once('.')?;
        let mark = URL_SAFE_NO_PAD.decode(mark).ok()?;
        hmac::verify(&key.0, format!("kept|{text}").as_bytes(), &mark).ok()?;
        let mut parts = text.split('.');
        let (random, made_at, next) = (parts.next()?, parts.next()?, parts.next()?);
        let age = now.since(Timestamp(made_at.parse().ok()?));
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(next).ok()?).ok()?;
        (0..FLOW_SECONDS).contains(&age).then(|| Self::of(key, random, &next))
    }

    fn of(key: &FlowKey, random: &str, next: &str) -> Self {
        Self {
            state: key.made("state", random),
            nonce: key.made("nonce", random),
            verifier: key.made("verifier", random),
            next: next.to_owned(),
        }
    }

    /// What the provider is shown of the verifier (S256).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.verifier.as_bytes()))
    }
}

/// Logins that came back: each does once.
#[derive(Clone, Debug, Default)]
pub struct UsedFlows(BTreeMap<String, Timestamp>);

impl UsedFlows {
    /// Whether it comes back for the first time. However many come back, those who are honest are let on.
    pub fn take(&mut self, now: Timestamp, flow: &Flow) -> bool {
        self.0.retain(|_, at| (0..FLOW_SECONDS).contains(&now.since(*at)));
        if self.0.contains_key(&flow.state) {
            return false;
        }
        if self.0.len() >= USED_MAX
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, at)| **at).map(|(state, _)| state.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(flow.state.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000);

    #[test]
    fn a_login_is_known_again_by_what_the_browser_kept_for_ten_minutes() {
        let key = FlowKey::new(b"key");
        let (flow, kept) = Flow::begin(&key, "random", NOW, "/a?b=ä.c");
        assert_eq!(flow.next, "/a?b=ä.c");
        for seconds in [0, 599] {
            assert_eq!(Flow::read(&key, &kept, NOW + seconds), Some(flow.clone()));
        }
        for seconds in [-1, 600] {
            assert_eq!(Flow::read(&key, &kept, NOW + seconds), None);
        }
        let distinct = [&flow.state, &flow.nonce, &flow.verifier, &flow.challenge()];
        for (at, one) in distinct.iter().enumerate() {
            assert!(one.len() == 43 && !distinct[..at].contains(one) && !kept.contains(*one));
        }
    }

    #[test]
    fn what_was_not_begun_here_is_no_login() {
        let key = FlowKey::new(b"key");
        let (_, kept) = Flow::begin(&key, "random", NOW, "/");
        let later = kept.replace("1700000000", "1700000001");
        let (_, of_other) = Flow::begin(&FlowKey::new(b"other"), "random", NOW, "/");
        for wrong in ["", ".", "...", &later, &of_other, &kept[1..], &kept[..kept.len() - 4]] {
            assert_eq!(Flow::read(&key, wrong, NOW + 2), None, "{wrong}");
        }
    }

    #[test]
    fn a_login_comes_back_once() {
        let key = FlowKey::new(b"key");
        let one = |random: &str| Flow::begin(&key, random, NOW, "/").0;
        let mut used = UsedFlows::default();
        assert!(used.take(NOW, &one("a")) && used.take(NOW, &one("b")));
        assert!(!used.take(NOW + 599, &one("a")));
        for at in 0..USED_MAX - 2 {
            assert!(used.take(NOW + 1, &one(&at.to_string())));
        }
        // One more takes the place of the oldest, and nobody is refused.
        assert!(used.take(NOW + 2, &one("c")) && !used.take(NOW + 3, &one("c")));
        assert_eq!(used.0.len(), USED_MAX);
        assert!(used.take(NOW + 602, &one("c")));
    }
}
