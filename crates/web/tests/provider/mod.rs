//! Logging in by a provider of OpenID Connect, and by one that lies (G-01).

use crate::engine::run;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::body::Body;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as URL;
use rumline_cssm::{Actor, Grant, Role, Settings};
use rumline_net::{Clock, OsRandom, Security, Shutdown, serve, server_config};
use rumline_protocol::{Authority, base64, sha256};
use rumline_server::AuditSearch;
use rumline_web::{Provider, ProviderSettings};
use serde_json::{Value, json};

use crate::common::*;

/// What a provider does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    Issuer,
    Audience,
    AlgNone,
    SharedKey,
    OtherKey,
    Expired,
    Nonce,
    NoToken,
    Huge,
    Slow,
    Elsewhere,
    Fails,
    OtherUser,
    OtherIssuer,
}

struct Inner {
    key: EcdsaKeyPair,
    url: Mutex<String>,
    lie: Mutex<Lie>,
    /// Who logs in: its claims beside those that each token has.
    person: Mutex<Value>,
    /// What is said of them at the other place.
    told: Mutex<Value>,
    nonce: Mutex<String>,
    kid: Mutex<String>,
    keys_asked: AtomicUsize,
    asked: AtomicUsize,
    /// What it got for its tokens, and who proved to be it.
    forms: Mutex<Vec<(BTreeMap<String, String>, String)>>,
}

type Liar = Arc<Inner>;

impl Inner {
    fn lies(&self, lie: Lie) -> bool {
        *self.lie.lock().unwrap() == lie
    }

    fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    fn id_token(&self) -> String {
        let now = Clock::real().now().0;
        let mut claims = json!({
            "iss": self.url(), "aud": "rumline", "iat": now, "exp": now + 300,
            "nonce": *self.nonce.lock().unwrap(),
        });
        for (name, value) in self.person.lock().unwrap().as_object().unwrap() {
            claims[name] = value.clone();
        }
        match *self.lie.lock().unwrap() {
            Lie::Issuer => claims["iss"] = json!("https://127.0.0.1/"),
            Lie::Audience => claims["aud"] = json!("other"),
            Lie::Expired => claims["exp"] = json!(now - 61),
            Lie::Nonce => claims["nonce"] = json!("of another login"),
            _ => {}
        }
        let alg = match *self.lie.lock().unwrap() {
            Lie::AlgNone => "none",
            Lie::SharedKey => "HS256",
            _ => "ES256",
        };
        let kid = self.kid.lock().unwrap().clone();
        let part = |value: Value| URL.encode(value.to_string());
        let text = format!("{}.{}", part(json!({ "alg": alg, "kid": kid })), part(claims));
        let signed = |key: &EcdsaKeyPair| {
            key.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec()
        };
        let signature = match *self.lie.lock().unwrap() {
            Lie::AlgNone => Vec::new(),
            Lie::SharedKey => {
                let public = self.key.public_key().as_ref();
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public);
                aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Lie::OtherKey => {
                signed(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
            }
            _ => signed(&self.key),
        };
        format!("{text}.{}", URL.encode(signature))
    }
}

async fn metadata(State(liar): State<Liar>) -> Response {
    liar.asked.fetch_add(1, Ordering::Relaxed);
    let url = liar.url();
    let issuer = if liar.lies(Lie::OtherIssuer) { "https://evil.example" } else { &url };
    json!({
        "issuer": issuer, "authorization_endpoint": format!("{url}/auth"),
        "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/jwks"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "authorization_response_iss_parameter_supported": true,
    })
    .to_string()
    .into_response()
}

async fn keys(State(liar): State<Liar>) -> String {
    liar.keys_asked.fetch_add(1, Ordering::Relaxed);
    let point = liar.key.public_key().as_ref();
    let (x, y) = (URL.encode(&point[1..33]), URL.encode(&point[33..]));
    let key = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "x": x, "y": y });
    json!({ "keys": [key] }).to_string()
}

async fn token(
    State(liar): State<Liar>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let who = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    liar.forms.lock().unwrap().push((form, who.unwrap_or_default()));
    let lie = *liar.lie.lock().unwrap();
    match lie {
        Lie::NoToken => "{\"access_token\":\"a\"}".into_response(),
        Lie::Huge => "a".repeat(1 << 20).into_response(),
        Lie::Slow => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
        Lie::Elsewhere => Redirect::temporary(&format!("{}/elsewhere", liar.url())).into_response(),
        Lie::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => json!({ "id_token": liar.id_token(), "access_token": "a", "token_type": "Bearer" })
            .to_string()
            .into_response(),
    }
}

async fn user_info(State(liar): State<Liar>, headers: HeaderMap) -> Response {
    assert_eq!(headers["authorization"], "Bearer a");
    let mut told = liar.told.lock().unwrap().clone();
    told["sub"] = if liar.lies(Lie::OtherUser) {
        json!("somebody else")
    } else {
        liar.person.lock().unwrap()["sub"].clone()
    };
    told.to_string().into_response()
}

async fn elsewhere() -> Response {
    panic!("a provider's redirect is not followed");
}

/// A provider on this machine, and what makes it known.
async fn provider() -> (Liar, Vec<u8>) {
    let now = Clock::real().now();
    let authority = Authority::create("provider", now).unwrap();
    let (certificate, key) =
        authority.issue_tls_certificate(&["127.0.0.1".to_owned()], now).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let liar = Arc::new(Inner {
        key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
        url: Mutex::new(format!("https://{}", listener.local_addr().unwrap())),
        lie: Mutex::new(Lie::None),
        person: Mutex::new(json!({
            "sub": "248289761001", "preferred_username": "ann", "groups": ["net ops"],
        })),
        told: Mutex::new(json!({})),
        nonce: Mutex::default(),
        kid: Mutex::new("one".to_owned()),
        keys_asked: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
        forms: Mutex::default(),
    });
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/jwks", get(keys))
        .route("/token", post(token))
        .route("/userinfo", get(user_info))
        .route("/elsewhere", get(elsewhere).post(elsewhere))
        .with_state(Arc::clone(&liar));
    let tls = Security::Tls(server_config(certificate, key).unwrap());
    tokio::spawn(async move { serve(listener, tls, router, &Shutdown::default()).await });
    (liar, authority.root_certificate)
}

async fn server() -> (Server, Liar) {
    let (liar, root) = provider().await;
    let rules = [
        "net ops=user:example.net/Default",
        "auditors=viewer:1",
        "auditors=viewer:gone.example",
        "chiefs=administrator",
    ];
    let settings = ProviderSettings {
        issuer: liar.url(),
        client_id: "rumline".to_owned(),
        client_secret: Some("s:ecret &=".to_owned()),
        scopes: "openid profile".to_owned(),
        login_claim: "preferred_username".to_owned(),
        groups_claim: "groups".to_owned(),
        rules: rules.iter().map(|text| text.parse().unwrap()).collect(),
        own_url: "https://cssm.example".to_owned(),
        title: "Example ID".to_owned(),
    };
    let random = Arc::new(Mutex::new(OsRandom));
    let provider = Provider::new(settings, &[root], random).unwrap();
    (Server::with_provider(&Settings::default(), Some(provider)), liar)
}

/// What stands in a query.
fn asked(location: &str, name: &str) -> String {
    let query = location.split_once('?').unwrap().1;
    let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{name}: {location}")).to_owned()
}

/// Somebody at the provider.
struct Away {
    kept: String,
    state: String,
    location: String,
}

async fn begin(server: &Server, liar: &Liar, next: &str) -> Away {
    let answer = server.call("get", &format!("/login/provider?next={next}"), None, "").await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let cookie = answer.cookies().next().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-rumline-443-provider="), "{cookie}");
    assert!(cookie.contains("HttpOnly; Secure; SameSite=Lax; Path=/"), "{cookie}");
    let location = answer.header("location").to_owned();
    assert!(location.starts_with(&format!("{}/auth?", liar.url())), "{location}");
    *liar.nonce.lock().unwrap() = asked(&location, "nonce");
    let kept = cookie.split(';').next().unwrap().to_owned();
    Away { kept, state: asked(&location, "state"), location }
}

async fn back(server: &Server, liar: &Liar, away: &Away) -> Answer {
    let issuer = liar.url().replace(':', "%3A").replace('/', "%2F");
    let path = format!("/login/provider/back?code=abc&state={}&iss={issuer}", away.state);
    server.send("get", &path, &[("cookie", &away.kept)], Body::empty()).await
}

async fn log_in(server: &Server, liar: &Liar) -> Answer {
    let away = begin(server, liar, "%2F").await;
    back(server, liar, &away).await
}

/// Somebody of another group, in between: who logs in has not guessed.
async fn log_in_as_other(server: &Server, liar: &Liar) -> Answer {
    let other = json!({ "sub": "other", "groups": ["chiefs"] });
    let person = std::mem::replace(&mut *liar.person.lock().unwrap(), other);
    let answer = log_in(server, liar).await;
    *liar.person.lock().unwrap() = person;
    answer
}

/// The login that an answer sets.
fn token_of(answer: &Answer) -> Option<String> {
    let login = answer.cookies().find_map(|cookie| cookie.strip_prefix("rumline-443="));
    login.map(|rest| rest.split(';').next().unwrap().to_owned())
}

/// The newest line of the audit.
fn told(server: &Server) -> rumline_server::AuditRow {
    server.cssm.people().audit_rows(None, &AuditSearch::default(), 1).unwrap().remove(0)
}

#[test]
fn whoever_is_new_is_added_with_the_roles_of_their_groups() {
    run(async {
        let (server, liar) = server().await;
        let page = server.call("get", "/login?next=%2Fa", None, "").await.text();
        assert!(
            page.contains("href=\"/login/provider?next=/a\"")
                && page.contains("Log in with Example ID")
        );
        let away = begin(&server, &liar, "%2Fsmart-accounts%2F1").await;
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "rumline"),
            ("redirect_uri", "https%3A%2F%2Fcssm.example%2Flogin%2Fprovider%2Fback"),
            ("scope", "openid%20profile"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked(&away.location, name), value);
        }
        let answer = back(&server, &liar, &away).await;
        assert_eq!((answer.status, answer.header("refresh")), (200, "0;url=/smart-accounts/1"));
        assert!(answer.text().contains("href=\"/smart-accounts/1\""));
        let cookies: Vec<&str> = answer.cookies().collect();
        assert!(
            cookies[0].starts_with("__Host-rumline-443-provider=;")
                && cookies[1].contains("SameSite=Strict")
        );
        // The code went back with what only this server knows.
        let (form, who) = liar.forms.lock().unwrap().remove(0);
        assert_eq!(who, format!("Basic {}", base64(b"rumline:s%3Aecret%20%26%3D")));
        assert_eq!(
            URL.encode(sha256(form["code_verifier"].as_bytes())),
            asked(&away.location, "code_challenge")
        );
        assert_eq!((form["code"].as_str(), form.contains_key("client_secret")), ("abc", false));
        let token = token_of(&answer).unwrap();
        let people = server.cssm.people();
        let caller = people.caller(server.now(), &token).unwrap();
        let own = Grant::of_part(Role::User, SA.into(), rumline_cssm::PartId(1));
        assert_eq!((caller.login.as_str(), &caller.grants), ("ann", &vec![own]));
        let ann = people.person("ann").unwrap();
        assert_eq!(ann.issuer, Some(liar.url()));
        let row = told(&server);
        let reason = format!("logged in at {}", liar.url());
        assert_eq!((row.action.as_str(), row.outcome.as_str()), ("login", "done"));
        assert_eq!((row.actor, row.reason), ("ann".to_owned(), Some(reason)));
        let rows = people.audit_rows(None, &AuditSearch::default(), 2).unwrap();
        assert_eq!((rows[1].action.as_str(), rows[1].was.as_deref()), ("person added", None));
        // Nobody guesses a password that is none.
        for password in ["", "a password nobody has"] {
            assert!(people.log_in(server.now(), "ann", password, "here").is_err());
        }
        // Roles follow the groups, and the name stays: it is the subject that is known.
        *liar.person.lock().unwrap() = json!({ "sub": "248289761001", "preferred_username": "root", "groups": ["auditors", "x"] });
        let again = token_of(&log_in(&server, &liar).await).unwrap();
        let viewer = vec![Grant::of(Role::Viewer, Some(SA.into()))];
        assert_eq!(people.caller(server.now(), &again).unwrap().grants, viewer);
        assert_eq!(people.caller(server.now(), &token).unwrap().grants, viewer, "it holds at once");
        let rows = people.audit_rows(None, &AuditSearch::default(), 2).unwrap();
        assert_eq!(rows[1].action, "roles follow groups");
        assert!(
            rows[1].was.as_ref().unwrap().contains("user of virtual account 1"),
            "{:?}",
            rows[1]
        );
        // Out of all groups: refused in words, and what was there ends.
        liar.person.lock().unwrap()["groups"] = json!([]);
        let refused = log_in(&server, &liar).await;
        assert_eq!((refused.status, token_of(&refused)), (403, None));
        assert!(refused.text().contains("none of the groups"), "{}", refused.text());
        assert!(people.caller(server.now(), &again).is_err());
        assert_eq!(people.person("ann").unwrap().grants, []);
        assert!(told(&server).outcome.contains("none of the groups"));
        // And in again; disabled is disabled.
        liar.person.lock().unwrap()["groups"] = json!("chiefs");
        assert!(token_of(&log_in(&server, &liar).await).is_some());
        let by = Actor::person("global");
        server.log_in("global");
        people.set_disabled(server.now(), &by, "ann", true).unwrap();
        let refused = log_in(&server, &liar).await;
        assert_eq!((refused.status, token_of(&refused)), (403, None));
        assert!(refused.text().contains("disabled"));
        // Whoever is removed is new again.
        people.remove(server.now(), &by, "ann").unwrap();
        assert!(token_of(&log_in(&server, &liar).await).is_some());
        assert!(people.person("root").is_ok() && people.person("ann").is_err());
    });
}

#[test]
fn nobody_becomes_somebody_else_by_a_name() {
    run(async {
        let (server, liar) = server().await;
        server.log_in("global");
        for (name, words) in [
            (json!("global"), "somebody else"),
            (json!("a\u{7}b"), "login"),
            (json!(""), "login"),
            (json!("n".repeat(1_000)), "login"),
        ] {
            liar.person.lock().unwrap()["preferred_username"] = name.clone();
            let refused = log_in(&server, &liar).await;
            assert_eq!((refused.status, token_of(&refused)), (403, None), "{name}");
            assert!(refused.text().contains(words), "{name}: {}", refused.text());
        }
        // Without a name it is the subject; two of one name are told apart.
        *liar.person.lock().unwrap() = json!({ "sub": "s-1", "groups": ["chiefs"] });
        assert!(token_of(&log_in(&server, &liar).await).is_some());
        *liar.person.lock().unwrap() =
            json!({ "sub": "s-2", "preferred_username": "s-1", "groups": ["chiefs"] });
        assert_eq!(log_in(&server, &liar).await.status, 403);
        assert!(server.cssm.people().person("s-1").is_ok());
    });
}

#[test]
fn groups_that_are_told_elsewhere_are_asked_for_there() {
    run(async {
        let (server, liar) = server().await;
        *liar.person.lock().unwrap() = json!({ "sub": "s-1" });
        *liar.told.lock().unwrap() = json!({ "groups": ["chiefs"], "preferred_username": "eve" });
        let token = token_of(&log_in(&server, &liar).await).unwrap();
        assert_eq!(server.cssm.people().caller(server.now(), &token).unwrap().login, "eve");
        *liar.lie.lock().unwrap() = Lie::OtherUser;
        let refused = log_in(&server, &liar).await;
        assert_eq!((refused.status, token_of(&refused)), (502, None));
    });
}

#[test]
fn a_second_factor_of_this_server_is_asked_for_all_the_same() {
    run(async {
        let (server, liar) = server().await;
        assert!(token_of(&log_in(&server, &liar).await).is_some());
        let (people, now) = (server.cssm.people(), server.now());
        people.set_password(now, &Actor::person("global"), "ann", PASSWORD).unwrap();
        let token = people.log_in(now, "ann", PASSWORD, "here").unwrap();
        let by = people.caller(now, &token).unwrap().login_id;
        let actor = Actor::person("ann");
        let begun = people.begin_second_factor(now, &actor, PASSWORD, by).unwrap();
        let code = |back: i64| begun.secret.code(rumline_server::step_at(now) - back);
        people.confirm_second_factor(now, &actor, &code(1), by).unwrap();
        let answer = log_in(&server, &liar).await;
        assert_eq!((answer.status, token_of(&answer)), (200, None));
        let text = answer.text();
        let ticket = text.split("name=\"ticket\" value=\"").nth(1).unwrap();
        let body = format!("ticket={}&code={}", ticket.split('"').next().unwrap(), code(0));
        let answer = server.call("post", "/login", None, body).await;
        assert!(answer.status == 303 && token_of(&answer).is_some(), "{}", answer.text());
    });
}

#[test]
fn no_lie_of_a_provider_lets_anybody_in() {
    run(async {
        let (server, liar) = server().await;
        for (lie, words, is_told) in [
            (Lie::Issuer, "another issuer", true),
            (Lie::Audience, "for another server", true),
            (Lie::AlgNone, "not RS256 or ES256", true),
            (Lie::SharedKey, "not RS256 or ES256", true),
            (Lie::OtherKey, "signature", true),
            (Lie::Expired, "expired", true),
            (Lie::Nonce, "another login", true),
            (Lie::NoToken, "no ID token", true),
            (Lie::Huge, "too large", false),
            (Lie::Elsewhere, "answered 307", false),
            (Lie::Fails, "answered 500", false),
        ] {
            assert!(token_of(&log_in_as_other(&server, &liar).await).is_some());
            *liar.lie.lock().unwrap() = lie;
            let refused = log_in(&server, &liar).await;
            assert_eq!((refused.status, token_of(&refused)), (502, None), "{lie:?}");
            assert!(refused.text().contains(words), "{lie:?}: {}", refused.text());
            if is_told {
                let row = told(&server);
                assert_eq!(
                    (row.action.as_str(), row.subject.as_str()),
                    ("login", "by the provider")
                );
                assert!(row.outcome.contains(words), "{row:?}");
            }
            *liar.lie.lock().unwrap() = Lie::None;
        }
        assert!(server.cssm.people().person("ann").is_err());
        *liar.lie.lock().unwrap() = Lie::None;
        assert!(token_of(&log_in(&server, &liar).await).is_some());
    });
}

#[test]
fn a_login_that_did_not_begin_here_or_comes_twice_is_none() {
    run(async {
        let (server, liar) = server().await;
        let (mine, other) =
            (begin(&server, &liar, "%2F").await, begin(&server, &liar, "%2F").await);
        let crossed = Away { kept: other.kept.clone(), ..begin(&server, &liar, "%2F").await };
        let bare = Away { kept: String::new(), state: mine.state.clone(), location: String::new() };
        for wrong in [&crossed, &bare] {
            let refused = back(&server, &liar, wrong).await;
            assert_eq!((refused.status, token_of(&refused)), (400, None));
            assert!(refused.text().contains("did not begin in this browser"));
        }
        assert!(token_of(&log_in_as_other(&server, &liar).await).is_some());
        // Another provider's answer, and one that does not say whose it is.
        for iss in ["", "&iss=https%3A%2F%2Fevil.example"] {
            let away = begin(&server, &liar, "%2F").await;
            let path = format!("/login/provider/back?code=abc&state={}{iss}", away.state);
            let refused = server.send("get", &path, &[("cookie", &away.kept)], Body::empty()).await;
            assert_eq!((refused.status, token_of(&refused)), (502, None));
        }
        let away = begin(&server, &liar, "%2F").await;
        assert!(token_of(&back(&server, &liar, &away).await).is_some());
        let before = liar.forms.lock().unwrap().len();
        let again = back(&server, &liar, &away).await;
        assert_eq!((again.status, token_of(&again)), (400, None));
        assert_eq!(liar.forms.lock().unwrap().len(), before, "the provider is not asked again");
        assert!(token_of(&log_in_as_other(&server, &liar).await).is_some());
        // What the provider says in refusing is shown as text.
        let away = begin(&server, &liar, "%2F").await;
        let path = format!("/login/provider/back?error=%3Cb%3Edenied&state={}", away.state);
        let refused = server.send("get", &path, &[("cookie", &away.kept)], Body::empty()).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text().contains("&lt;b&gt;denied"), "{}", refused.text());
        // Nobody is led elsewhere, and guessing is slowed.
        let away = begin(&server, &liar, "https%3A%2F%2Fevil.example").await;
        let answer = back(&server, &liar, &away).await;
        assert_eq!(answer.header("refresh"), "0;url=/");
        // A page of anywhere may lead a browser here with nothing: that slows nobody.
        for _ in 0..30 {
            assert_eq!(back(&server, &liar, &bare).await.status, 400);
        }
        let there = || server.call("get", "/login/provider", None, "");
        for tries in 0.. {
            if there().await.status == 429 {
                break;
            }
            assert!(tries < 30, "whoever is not let in time and again is slowed");
            let away = begin(&server, &liar, "%2F").await;
            let path = format!("/login/provider/back?error=denied&state={}", away.state);
            server.send("get", &path, &[("cookie", &away.kept)], Body::empty()).await;
        }
        assert_eq!(back(&server, &liar, &bare).await.status, 429);
    });
}

#[test]
fn a_page_of_anywhere_does_not_change_who_is_logged_in() {
    run(async {
        let (server, liar) = server().await;
        let from = |site| [("sec-fetch-site", site)];
        let path = "/login/provider?next=%2Fa";
        let answer = server.send("get", path, &from("cross-site"), Body::empty()).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("/login/provider?next="), "the button: {}", answer.text());
        assert_eq!(liar.asked.load(Ordering::Relaxed), 0);
        let answer = server.send("get", path, &from("same-origin"), Body::empty()).await;
        assert_eq!(answer.status, 303);
    });
}

#[test]
fn tokens_of_unknown_keys_do_not_make_the_provider_busy() {
    run(async {
        let (server, liar) = server().await;
        assert!(token_of(&log_in(&server, &liar).await).is_some());
        assert_eq!(liar.keys_asked.load(Ordering::Relaxed), 1);
        for at in 0..5 {
            *liar.kid.lock().unwrap() = format!("unknown {at}");
            let refused = log_in(&server, &liar).await;
            assert_eq!((refused.status, token_of(&refused)), (502, None));
        }
        assert_eq!(liar.keys_asked.load(Ordering::Relaxed), 1);
        assert_eq!(liar.asked.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_provider_that_is_not_itself_or_silent_costs_a_message_and_no_more() {
    run(async {
        let (server, liar) = server().await;
        *liar.lie.lock().unwrap() = Lie::OtherIssuer;
        let answer = server.call("get", "/login/provider", None, "").await;
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("another issuer"), "{}", answer.text());
        // It is asked again in some seconds, and not by each who comes.
        *liar.lie.lock().unwrap() = Lie::None;
        for _ in 0..5 {
            let answer = server.call("get", "/login/provider", None, "").await;
            assert!(answer.status == 502 && answer.text().contains("a moment ago"));
        }
        assert_eq!(liar.asked.load(Ordering::Relaxed), 1);
        // A password logs in all the while.
        assert!(server.log_in("viewer").is_some());
        let plain = Server::new(&Settings::default());
        for path in ["/login/provider", "/login/provider/back?code=a&state=b"] {
            let answer = plain.call("get", path, None, "").await;
            assert_eq!((answer.status, answer.header("location")), (303, "/login"));
        }
        assert!(!plain.call("get", "/login", None, "").await.text().contains("/login/provider"));
    });
}

#[test]
fn a_slow_provider_is_waited_for_ten_seconds() {
    run(async {
        let (server, liar) = server().await;
        *liar.lie.lock().unwrap() = Lie::Slow;
        let away = begin(&server, &liar, "%2F").await;
        let refused =
            tokio::time::timeout(Duration::from_secs(20), back(&server, &liar, &away)).await;
        let refused = refused.unwrap();
        assert_eq!((refused.status, token_of(&refused)), (502, None));
    });
}
