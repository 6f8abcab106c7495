//! ID tokens: whether one is of this provider, for this server, for this login, and of now.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rumline_protocol::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Algorithm;
use super::{Distrust, KeySet};

/// The longest ID token, in bytes.
const TOKEN_BYTES_MAX: usize = 128 << 10;
/// How far the clocks of provider and server may differ.
const LEEWAY_SECONDS: i64 = 60;
/// How old an ID token may be that was just asked for.
const AGE_SECONDS_MAX: i64 = 600;
/// The longest name of a subject: the standard's limit.
const SUBJECT_BYTES_MAX: usize = 255;

/// What an ID token has to say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who made it.
    pub issuer: &'a str,
    /// For whom.
    pub client_id: &'a str,
    /// For which login.
    pub nonce: &'a str,
}

/// What is believed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// Who logged in, by the provider's own name for them, which never becomes another one's.
    pub subject: String,
    /// What else it says.
    pub rest: Map<String, Value>,
}

impl Claims {
    /// A text that it says.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        if claim == "sub" { Some(&self.subject) } else { self.rest.get(claim)?.as_str() }
    }

    /// The groups that it names; none where it says nothing of them.
    #[must_use]
    pub fn groups(&self, claim: &str) -> Option<Vec<String>> {
        match self.rest.get(claim)? {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(all) => {
                Some(all.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect())
            }
            _ => None,
        }
    }

    /// Whether it says that there are groups, and not which: somewhere else, or in no form that is known.
    #[must_use]
    pub fn keeps_groups_back(&self, claim: &str) -> bool {
        let elsewhere = self.rest.get("_claim_names").and_then(|names| names.get(claim));
        self.groups(claim).is_none() && (elsewhere.is_some() || self.rest.contains_key(claim))
    }

    /// With what the provider says elsewhere of the same person; what the ID token says holds.
    ///
    /// # Errors
    /// When it is of somebody else.
    pub fn with_user_info(mut self, bytes: &[u8]) -> Result<Self, Distrust> {
        let told: Map<String, Value> = serde_json::from_slice(bytes)
            .map_err(|_| Distrust::of("what it says of the person cannot be read"))?;
        if told.get("sub").and_then(Value::as_str) != Some(&self.subject) {
            return Err(Distrust::of("what it says of the person is of another one"));
        }
        for (claim, value) in told {
            let own = self.rest.entry(claim).or_insert(Value::Null);
            if own.is_null() {
                *own = value;
            }
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

fn header_of(token: &str) -> Result<(Header, &str, Vec<u8>), Distrust> {
    let form = || Distrust::of("the ID token is none");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Distrust::of("the ID token is too long"));
    }
    let (text, signature) = token.rsplit_once('.').ok_or_else(form)?;
    let (header, _) = text.split_once('.').ok_or_else(form)?;
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| form())?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| form())?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| form())?;
    Ok((header, text, signature))
}

/// The key that an ID token says it is signed by, if it names one.
///
/// # Errors
/// When it is none.
pub fn key_named(token: &str) -> Result<Option<String>, Distrust> {
    Ok(header_of(token)?.0.kid)
}

/// Checks an ID token; what it says is returned once it is believed.
///
/// # Errors
/// With what is wrong with it.
pub fn check_id_token(
    token: &str,
    keys: &KeySet,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Claims, Distrust> {
    let (header, text, signature) = header_of(token)?;
    let Some(algorithm) = Algorithm::from_name(&header.alg) else {
        let name: String = header.alg.chars().take(20).collect();
        return Err(Distrust(format!("the ID token is signed by {name:?}, not RS256 or ES256")));
    };
    if header.crit.is_some() {
        return Err(Distrust::of("the ID token asks for what is not known here"));
    }
    keys.verify((header.kid.as_deref(), algorithm), text.as_bytes(), &signature)?;
    let payload = text.split_once('.').map(|(_, payload)| payload).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).ok();
    let payload: Option<Payload> =
        payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    let payload = payload.ok_or_else(|| Distrust::of("what the ID token says cannot be read"))?;
    check_claims(payload, expected, now)
}

fn check_claims(
    payload: Payload,
    expected: &Expected<'_>,
    now: Timestamp,
) -> Result<Claims, Distrust> {
    let Payload { iss, sub, aud, azp, exp, iat, nbf, nonce, rest } = payload;
    if iss != expected.issuer {
        return Err(Distrust::of("the ID token is of another issuer"));
    }
    let is_for = |audience: &String| audience == expected.client_id;
    let (is_for_it, is_shared) = match &aud {
        Audience::One(one) => (is_for(one), false),
        Audience::Many(all) => (all.iter().any(is_for), all.len() > 1),
    };
    if !is_for_it {
        return Err(Distrust::of("the ID token is for another server"));
    }
    // Where it is for several, it says whom it was made for.
    if azp.as_ref().map_or(is_shared, |party| party != expected.client_id) {
        return Err(Distrust::of("the ID token was made for another server"));
    }
    // Times from outside are of any size.
    let since = |at: i64| now.0.saturating_sub(at);
    if since(exp) >= LEEWAY_SECONDS {
        return Err(Distrust::of("the ID token has expired"));
    }
    if since(iat) < -LEEWAY_SECONDS || nbf.is_some_and(|at| since(at) < -LEEWAY_SECONDS) {
        return Err(Distrust::of(
            "the ID token is of a time to come: see that the clocks are right",
        ));
    }
    if since(iat) > AGE_SECONDS_MAX {
        return Err(Distrust::of("the ID token is an old one"));
    }
    if nonce.as_deref() != Some(expected.nonce) {
        return Err(Distrust::of("the ID token is of another login"));
    }
    if sub.is_empty() || sub.len() > SUBJECT_BYTES_MAX || sub.chars().any(char::is_control) {
        return Err(Distrust::of("the ID token does not say who logged in"));
    }
    Ok(Claims { subject: sub, rest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::hmac;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    };
    use serde_json::json;

    const NOW: Timestamp = Timestamp(1_700_000_000);
    const EXPECTED: Expected<'_> =
        Expected { issuer: "https://id.example.net", client_id: "rumline", nonce: "once" };

    struct Provider {
        rsa: RsaKeyPair,
        p256: EcdsaKeyPair,
    }

    impl Provider {
        fn new() -> Self {
            let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            Self { rsa, p256 }
        }

        fn keys(&self) -> KeySet {
            let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            // A sequence of two numbers: the modulus after a zero, and 65537.
            let rsa = self.rsa.public_key().as_ref();
            let (n, e) = (encoded(&rsa[9..265]), encoded(&rsa[267..]));
            let point = self.p256.public_key().as_ref();
            let keys = json!({ "keys": [
                { "kty": "RSA", "kid": "r", "n": n, "e": e },
                { "kty": "EC", "kid": "e", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..]) },
            ]});
            KeySet::parse(keys.to_string().as_bytes()).unwrap()
        }

        fn signed(&self, header: &Value, payload: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let text = format!("{}.{}", part(header), part(payload));
            let signature = if header["alg"] == "ES256" {
                let random = SystemRandom::new();
                self.p256.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec()
            } else {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                let random = SystemRandom::new();
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
                signature
            };
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn good() -> Value {
        json!({
            "iss": "https://id.example.net", "sub": "248289761001", "aud": "rumline",
            "exp": NOW.0 + 300, "iat": NOW.0, "nonce": "once", "groups": ["ops", 7, "all"],
        })
    }

    fn with(changes: &Value) -> Value {
        let mut payload = good();
        for (name, value) in changes.as_object().unwrap() {
            payload[name] = value.clone();
        }
        payload
    }

    #[test]
    fn a_token_of_either_kind_is_believed() {
        let provider = Provider::new();
        for header in [
            json!({ "alg": "RS256", "kid": "r" }),
            json!({ "alg": "ES256", "kid": "e" }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "ES256", "typ": "JWT" }),
        ] {
            let token = provider.signed(&header, &good());
            let claims = check_id_token(&token, &provider.keys(), &EXPECTED, NOW).unwrap();
            assert_eq!(claims.text("sub"), Some("248289761001"));
            assert_eq!(claims.groups("groups").unwrap(), ["ops", "all"]);
            assert_eq!((claims.groups("roles"), claims.text("groups")), (None, None));
        }
        let header = json!({ "alg": "ES256", "kid": "e" });
        for payload in [
            with(&json!({ "aud": ["rumline"] })),
            with(&json!({ "aud": ["other", "rumline"], "azp": "rumline" })),
            with(&json!({ "exp": NOW.0 - 59 })),
            with(&json!({ "iat": NOW.0 + 60, "nbf": NOW.0 + 60 })),
            with(&json!({ "iat": NOW.0 - 600 })),
        ] {
            let token = provider.signed(&header, &payload);
            check_id_token(&token, &provider.keys(), &EXPECTED, NOW).unwrap();
        }
    }

    #[test]
    fn no_lie_is_believed() {
        let provider = Provider::new();
        let header = json!({ "alg": "RS256", "kid": "r" });
        for (changes, why) in [
            (json!({ "iss": "https://id.example.net/" }), "another issuer"),
            (json!({ "iss": null }), "cannot be read"),
            (json!({ "aud": "other" }), "for another server"),
            (json!({ "aud": [] }), "for another server"),
            (json!({ "aud": ["rumline", "other"] }), "made for another"),
            (json!({ "azp": "other" }), "made for another"),
            (json!({ "exp": NOW.0 - 60 }), "expired"),
            (json!({ "exp": i64::MIN }), "expired"),
            (json!({ "exp": null }), "cannot be read"),
            (json!({ "exp": "9999999999" }), "cannot be read"),
            (json!({ "iat": NOW.0 + 61 }), "time to come"),
            (json!({ "iat": i64::MAX }), "time to come"),
            (json!({ "nbf": NOW.0 + 61 }), "time to come"),
            (json!({ "iat": NOW.0 - 601 }), "old one"),
            (json!({ "nonce": "twice" }), "another login"),
            (json!({ "nonce": null }), "another login"),
            (json!({ "sub": "" }), "who logged in"),
            (json!({ "sub": "a".repeat(256) }), "who logged in"),
            (json!({ "sub": "a\u{0}b" }), "who logged in"),
            (json!({ "sub": 7 }), "cannot be read"),
        ] {
            let token = provider.signed(&header, &with(&changes));
            let refused = check_id_token(&token, &provider.keys(), &EXPECTED, NOW).unwrap_err();
            assert!(refused.0.contains(why), "{changes}: {refused}");
        }
    }

    #[test]
    fn no_signature_of_another_kind_or_key_is_taken() {
        let (provider, other) = (Provider::new(), Provider::new());
        let keys = provider.keys();
        let check = |token: &str| check_id_token(token, &keys, &EXPECTED, NOW).unwrap_err().0;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&good()));
        assert!(check(&none).contains("not RS256"));
        // The public key as a secret that is shared.
        let text = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "r" })), part(&good()));
        let shared = provider.rsa.public_key();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, shared.as_ref()), text.as_bytes());
        assert!(check(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))).contains("not RS256"));
        let header = json!({ "alg": "RS256", "kid": "r" });
        assert!(check(&other.signed(&header, &good())).contains("signature"));
        // The key of one kind for the other one.
        let crossed = json!({ "alg": "RS256", "kid": "e" });
        assert!(check(&provider.signed(&crossed, &good())).contains("not the provider's"));
        let unknown = json!({ "alg": "RS256", "kid": "x" });
        assert!(check(&provider.signed(&unknown, &good())).contains("not the provider's"));
        let critical = json!({ "alg": "RS256", "kid": "r", "crit": ["b64"] });
        assert!(check(&provider.signed(&critical, &good())).contains("not known here"));
        let token = provider.signed(&header, &good());
        let (text, signature) = token.rsplit_once('.').unwrap();
        let (head, _) = text.split_once('.').unwrap();
        let forged = format!("{head}.{}.{signature}", part(&with(&json!({ "sub": "root" }))));
        assert!(check(&forged).contains("signature"));
        for wrong in ["", ".", "..", "a.b", "a.b.c", &token[..token.len() - 5], &token[9..]] {
            assert!(!check(wrong).is_empty(), "{wrong}");
        }
        assert!(check(&"a".repeat(200_000)).contains("too long"));
    }

    #[test]
    fn what_is_said_elsewhere_is_of_the_same_person_and_changes_nothing() {
        let provider = Provider::new();
        let header = json!({ "alg": "ES256", "kid": "e" });
        let token = provider.signed(&header, &good());
        let claims = check_id_token(&token, &provider.keys(), &EXPECTED, NOW).unwrap();
        let told = json!({ "sub": "248289761001", "groups": ["root"], "email": "a@b" });
        let both = claims.clone().with_user_info(told.to_string().as_bytes()).unwrap();
        assert_eq!(both.groups("groups").unwrap(), ["ops", "all"]);
        assert_eq!(both.text("email"), Some("a@b"));
        // What it kept back it may say there; what it does not say is not taken for none.
        for (own, says, there) in [
            (json!({ "groups": null }), true, Some(vec!["root".to_owned()])),
            (json!({ "groups": { "a": 1 } }), true, None),
            (json!({ "_claim_names": { "groups": "s" } }), true, Some(vec!["root".to_owned()])),
            (json!({}), false, Some(vec!["root".to_owned()])),
        ] {
            let claims = Claims { rest: own.as_object().unwrap().clone(), ..claims.clone() };
            assert_eq!(claims.keeps_groups_back("groups"), says, "{own}");
            let both = claims.with_user_info(told.to_string().as_bytes()).unwrap();
            assert_eq!(both.groups("groups"), there, "{own}");
            assert_eq!(both.keeps_groups_back("groups"), there.is_none(), "{own}");
        }
        for wrong in ["", "[]", "{}", "{\"sub\":\"1\"}", "{\"sub\":248289761001}"] {
            assert!(claims.clone().with_user_info(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
