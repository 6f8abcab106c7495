//! The keys of a provider (RFC 7517), and when they are asked for again.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rumline_protocol::Timestamp;
use serde::Deserialize;

use super::Distrust;

/// Keys of a provider that are looked at.
const KEYS_MAX: usize = 100;
/// How long keys are known.
const KNOWN_SECONDS: i64 = Timestamp::HOUR;
/// Where one is named that is not known: how often the others are asked for.
const UNKNOWN_SECONDS: i64 = 60;
/// How often is asked where none came yet.
const NONE_SECONDS: i64 = 5;

/// How something is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    kid: Option<String>,
    public: Public,
}

impl Key {
    fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
        }
    }

    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.public {
            Public::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, text, signature)
            }
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(text, signature)
            }
        };
        verified.is_ok()
    }
}

/// The keys of a provider that something may be signed by here: RSA of 2,048 bits and more, and P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

/// A key as it is told.
#[derive(Deserialize)]
struct Told {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl Told {
    /// The key, if it is one for signatures of a kind that is known here.
    fn key(self) -> Option<Key> {
        if self.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let public = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (bytes(&self.n)?, bytes(&self.e)?);
                // A key is written without zeros before it, which some put there all the same.
                let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
                (n.len() >= 256).then_some(Public::Rsa { n, e })?
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&self.x)?, bytes(&self.y)?);
                ((x.len(), y.len()) == (32, 32)).then(|| Public::P256([&[4], &*x, &*y].concat()))?
            }
            _ => return None,
        };
        let key = Key { kid: self.kid, public };
        let is_for_it =
            self.alg.is_none_or(|alg| Algorithm::from_name(&alg) == Some(key.algorithm()));
        is_for_it.then_some(key)
    }
}

impl KeySet {
    /// Reads them; keys of other kinds are passed over.
    ///
    /// # Errors
    /// When there are none that can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, Distrust> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_slice(bytes)
            .map_err(|error| Distrust(format!("its keys cannot be read: {error}")))?;
        let told = set.keys.into_iter().take(KEYS_MAX);
        let keys: Vec<Key> =
            told.filter_map(|one| serde_json::from_value::<Told>(one).ok()?.key()).collect();
        if keys.is_empty() {
            let text = "it has no key for signatures: RSA of 2,048 bits or more, or P-256";
            return Err(Distrust::of(text));
        }
        Ok(Self(keys))
    }

    /// Whether there may be the key that is named.
    fn has(&self, kid: Option<&str>) -> bool {
        kid.is_none() || self.0.iter().any(|key| key.kid.as_deref() == kid)
    }

    /// Whether one of them signed it: the one that is named, or where none is, the only one of its kind.
    pub(super) fn verify(
        &self,
        (kid, algorithm): (Option<&str>, Algorithm),
        text: &[u8],
        signature: &[u8],
    ) -> Result<(), Distrust> {
        let of_kind = self.0.iter().filter(|key| key.algorithm() == algorithm);
        let fitting: Vec<&Key> =
            of_kind.filter(|key| kid.is_none() || key.kid.as_deref() == kid).collect();
        if kid.is_none() && fitting.len() > 1 {
            return Err(Distrust::of("the ID token does not say which key signed it"));
        }
        if fitting.is_empty() {
            return Err(Distrust::of("the ID token is signed by a key that is not the provider's"));
        }
        if fitting.iter().any(|key| key.verifies(text, signature)) {
            Ok(())
        } else {
            Err(Distrust::of("the signature of the ID token is wrong"))
        }
    }
}

/// The keys as they are known here, and when they were asked for.
#[derive(Clone, Debug, Default)]
pub struct KeyCache {
    known: Option<(KeySet, Timestamp)>,
    asked_at: Option<Timestamp>,
}

impl KeyCache {
    /// The keys, if there are some.
    #[must_use]
    pub fn keys(&self) -> Option<&KeySet> {
        self.known.as_ref().map(|(keys, _)| keys)
    }

    /// Whether they are to be asked for before something is checked that names this key. From then on they count as asked for.
    pub fn asks(&mut self, now: Timestamp, kid: Option<&str>) -> bool {
        let within = |at: Timestamp, seconds| (0..seconds).contains(&now.since(at));
        let (is_wanted, pause) = match &self.known {
            None => (true, NONE_SECONDS),
            Some((keys, at)) => (!within(*at, KNOWN_SECONDS) || !keys.has(kid), UNKNOWN_SECONDS),
        };
        let asks = is_wanted && !self.asked_at.is_some_and(|at| within(at, pause));
        if asks {
            self.asked_at = Some(now);
        }
        asks
    }

    /// They came.
    pub fn came(&mut self, now: Timestamp, keys: KeySet) {
        self.known = Some((keys, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn rsa(kid: &str) -> Value {
        let n = URL_SAFE_NO_PAD.encode([0x81; 256]);
        json!({ "kty": "RSA", "kid": kid, "n": n, "e": "AQAB" })
    }

    fn parse(keys: &Value) -> Result<KeySet, Distrust> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over() {
        let mut other = rsa("b");
        other["use"] = json!("enc");
        let short = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0x81; 128]), "e": "AQAB" });
        let symmetric = json!({ "kty": "oct", "k": "AAAA", "kid": "a" });
        let p384 = json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" });
        let mut of_other = rsa("c");
        of_other["alg"] = json!("PS256");
        let padded = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode([0; 256]), "e": "AQAB" });
        let wrong = json!([other, short, symmetric, p384, of_other, padded, {}, 7, null]);
        assert!(parse(&wrong).is_err());
        let mut with_one = wrong.clone();
        with_one.as_array_mut().unwrap().push(rsa("a"));
        assert_eq!(parse(&with_one).unwrap().0.len(), 1);
        for bytes in [&b""[..], b"{}", b"{\"keys\":{}}", b"{\"keys\":[]}", &[0xff; 9]] {
            assert!(KeySet::parse(bytes).is_err());
        }
    }

    #[test]
    fn keys_are_asked_for_again_when_one_is_unknown_but_not_at_anybodys_pace() {
        let mut cache = KeyCache::default();
        assert!(cache.asks(NOW, Some("a")) && !cache.asks(NOW + 4, Some("a")));
        assert!(cache.asks(NOW + 5, None));
        cache.came(NOW + 5, parse(&json!([rsa("a")])).unwrap());
        assert!(!cache.asks(NOW + 3_600, Some("a")) && !cache.asks(NOW + 3_600, None));
        // Anybody may name keys that are not there.
        let asked = (10..1_000).filter(|at| cache.asks(NOW + *at, Some("b"))).count();
        assert_eq!(asked, 16);
        assert!(cache.asks(NOW + 3_605, Some("a")));
        assert!(cache.keys().is_some());
        // A clock that was set back stops nothing.
        assert!(cache.asks(NOW + -10_000, Some("a")));
    }
}
