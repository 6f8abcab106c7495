//! What a provider says of itself (OpenID Connect Discovery).

use serde::Deserialize;

use super::Distrust;

/// Where a provider takes and answers what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    issuer: String,
    /// Where people log in.
    pub authorization_endpoint: String,
    /// Where a code is exchanged for tokens.
    pub token_endpoint: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where more is said of whoever logged in.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    /// Whether it names itself in what the browser brings back (RFC 9207).
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub names_itself: bool,
}

/// Whether it is an address over TLS that can be asked.
fn is_https(url: &str) -> bool {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next());
    host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

impl Metadata {
    /// Where a provider says it.
    ///
    /// # Errors
    /// When the issuer is no address of one.
    pub fn address_of(issuer: &str) -> Result<String, Distrust> {
        if !is_https(issuer) || issuer.contains('?') {
            return Err(Distrust::of("an issuer begins with https://, and has no ? and no #"));
        }
        Ok(format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is that of another one, or not of one that can be used.
    pub fn parse(bytes: &[u8], issuer: &str) -> Result<Self, Distrust> {
        let found: Self = serde_json::from_slice(bytes)
            .map_err(|error| Distrust(format!("what it says of itself cannot be read: {error}")))?;
        if found.issuer != issuer {
            return Err(Distrust::of("it says that it is another issuer than it was set up as"));
        }
        let needed = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
        let all = needed.into_iter().chain(&found.userinfo_endpoint);
        if let Some(wrong) = all.into_iter().find(|url| !is_https(url)) {
            let wrong: String = wrong.chars().take(100).collect();
            return Err(Distrust(format!("{wrong:?} is no address that begins with https://")));
        }
        let methods = &found.code_challenge_methods_supported;
        if methods.as_ref().is_some_and(|all| !all.iter().any(|one| one == "S256")) {
            return Err(Distrust::of("it does not take PKCE with S256"));
        }
        Ok(found)
    }

    /// Whether the secret goes into the header of a request (RFC 6749, 2.3.1), rather than its body.
    #[must_use]
    pub fn takes_basic(&self) -> bool {
        let methods = &self.token_endpoint_auth_methods_supported;
        methods.as_ref().is_none_or(|all| all.iter().any(|one| one == "client_secret_basic"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told() -> Value {
        json!({
            "issuer": "https://id.example.net/a",
            "authorization_endpoint": "https://id.example.net/auth?a=b",
            "token_endpoint": "https://token.example.net/",
            "jwks_uri": "https://id.example.net:8443/jwks",
        })
    }

    fn parse(told: &Value) -> Result<Metadata, Distrust> {
        Metadata::parse(told.to_string().as_bytes(), "https://id.example.net/a")
    }

    #[test]
    fn a_provider_says_where_it_is_asked() {
        let at = "https://id.example.net/a/.well-known/openid-configuration";
        for issuer in ["https://id.example.net/a", "https://id.example.net/a/"] {
            assert_eq!(Metadata::address_of(issuer).as_deref(), Ok(at));
        }
        assert!(parse(&told()).unwrap().takes_basic());
        let mut other = told();
        other["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
        assert!(!parse(&other).unwrap().takes_basic());
    }

    #[test]
    fn another_issuer_and_what_goes_in_the_clear_is_refused() {
        for (name, value) in [
            ("issuer", json!("https://id.example.net/a/")),
            ("issuer", json!("https://ID.example.net/a")),
            ("issuer", Value::Null),
            ("authorization_endpoint", json!("http://id.example.net/")),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("authorization_endpoint", json!("https://a/\r\nset-cookie: a=b")),
            ("token_endpoint", json!("https://user@id.example.net/")),
            ("token_endpoint", json!("https://")),
            ("jwks_uri", json!("file:///etc/passwd")),
            ("jwks_uri", json!(7)),
            ("userinfo_endpoint", json!("http://a/")),
            ("code_challenge_methods_supported", json!(["plain"])),
        ] {
            let mut wrong = told();
            wrong[name] = value.clone();
            assert!(parse(&wrong).is_err(), "{name}: {value}");
        }
        for bytes in [&b""[..], b"{}", b"[]", b"<html>", &[0xff; 10]] {
            assert!(Metadata::parse(bytes, "https://id.example.net/a").is_err());
        }
        for issuer in ["", "http://a", "https://", "https://a?b", "https://a#b", "https://a b"] {
            assert!(Metadata::address_of(issuer).is_err(), "{issuer}");
        }
    }
}
