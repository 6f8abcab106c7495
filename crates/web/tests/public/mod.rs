//! The public API: calls and answers replayed one after the other, what clients send wrongly, and whose tokens hold
//! (CSSM-033, CSSM-008, G-01).

mod replay;

use crate::engine::run;
use axum::body::Body;
use rumline_cssm::{Grant, Role, Settings};
use rumline_web::{NamedBy, Refusal, cssm_routes};
use serde_json::{Value, json};

use crate::common::*;

const BASE: &str = "/services/api/smart-accounts-and-licensing";

/// A token for a program with a role in the first account, or for one that has it elsewhere.
async fn token_of(server: &Server, login: &str, grant: Grant) -> String {
    let secret = server.secret(login, grant);
    let body =
        json!({ "grant_type": "client_credentials", "client_id": login, "client_secret": secret });
    let kind = [("content-type", "application/json")];
    let answer = server.send("post", "/as/token.oauth2", &kind, body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let value: Value = serde_json::from_str(&answer.text()).unwrap();
    value["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_program_gets_a_token_by_its_own_secret_only() {
    run(async {
        // G-01: OAuth2 client credentials (RFC 6749, 4.4 and 5.2)
        let server = Server::new(&Settings::default());
        let secret = server.secret("ansible", Grant::of(Role::Viewer, Some(SA.into())));
        server.log_in("viewer");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let of = |id: &str, secret: &str| {
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
        };
        let person = of("viewer", &PASSWORD.replace(' ', "+"));
        for (body, status, error) in [
            (of("ansible", &secret), 200, Value::Null),
            (of("ansible", "wrong"), 401, json!("invalid_client")),
            (of("nobody", &secret), 401, json!("invalid_client")),
            // A person's password is no client's secret.
            (person, 401, json!("invalid_client")),
            (format!("client_id=ansible&client_secret={secret}"), 400, json!("invalid_request")),
            ("grant_type=client_credentials".to_owned(), 401, json!("invalid_client")),
            ("grant_type=implicit".to_owned(), 400, json!("unsupported_grant_type")),
            (of("ansible", &secret) + "&scope=all", 400, json!("invalid_scope")),
            (String::new(), 400, json!("invalid_request")),
            ("%ff".to_owned(), 400, json!("invalid_request")),
        ] {
            let answer = server.send("post", "/as/token.oauth2", &form, body.clone()).await;
            let value: Value = serde_json::from_str(&answer.text()).unwrap();
            assert_eq!((answer.status, &value["error"]), (status, &error), "{body}: {value}");
            if status != 200 {
                assert_eq!(answer.no_refusal(Refusal::Token), None);
            }
        }
        let basic =
            format!("Basic {}", rumline_protocol::base64(format!("ansible:{secret}").as_bytes()));
        let headers = [form[0], ("authorization", &*basic)];
        let answer = server
            .send("post", "/as/token.oauth2", &headers, "grant_type=client_credentials")
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = [("content-type", "application/json")];
        for body in [
            "",
            "[]",
            "{\"grant_type\":null}",
            "{\"grant_type\":\"client_credentials\",\"client_id\":7}",
        ] {
            let answer = server.send("post", "/as/token.oauth2", &json, body).await;
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.no_refusal(Refusal::Token), None);
        }
        // Too many wrong ones are held up, as at any login.
        let wrong = of("ansible", "wrong");
        let mut last = 0;
        for _ in 0..50 {
            last = server.send("post", "/as/token.oauth2", &form, wrong.clone()).await.status;
        }
        assert_eq!(last, 429);
    });
}

#[test]
fn a_person_logs_in_through_a_client_if_both_are_who_they_say() {
    run(async {
        // RFC 6749, 4.3
        let server = Server::new(&Settings::default());
        let secret = server.secret("ansible", Grant::of(Role::Administrator, Some(SA.into())));
        server.log_in("viewer");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let password = PASSWORD.replace(' ', "+");
        for (secret, password, status, error) in [
            (&*secret, &*password, 200, Value::Null),
            ("wrong", &*password, 401, json!("invalid_client")),
            (&*secret, "wrong", 400, json!("invalid_grant")),
        ] {
            let body = format!(
                "grant_type=password&client_id=ansible&client_secret={secret}&username=viewer\
             &password={password}"
            );
            let answer = server.send("post", "/as/token.oauth2", &form, body).await;
            let value: Value = serde_json::from_str(&answer.text()).unwrap();
            assert_eq!((answer.status, &value["error"]), (status, &error), "{value}");
            if status != 200 {
                continue;
            }
            // With the person's roles, not with the client's.
            let token = value["access_token"].as_str();
            let path = format!("{BASE}/v1/accounts/example.net/virtual-accounts");
            assert_eq!(server.call("get", &path, token, Body::empty()).await.status, 200);
            let made = server.call("post", &path, token, "{\"name\":\"n\"}").await;
            assert_eq!(made.status, 403);
        }
    });
}

#[test]
fn a_token_holds_for_its_client_its_account_and_its_time() {
    run(async {
        // CSSM-008, G-01
        let server = Server::new(&Settings::default());
        let path = format!("{BASE}/v1/accounts/example.net/virtual-accounts");
        let own = token_of(&server, "own", Grant::of(Role::Viewer, Some(SA.into()))).await;
        let other = token_of(
            &server,
            "other-client",
            Grant::of(Role::Administrator, Some(rumline_server::ScopeId(2))),
        )
        .await;
        let status = async |method: &str, path: &str, token: &str| {
            let answer = server.call(method, path, Some(token), Body::empty()).await;
            if answer.status != 200 {
                assert_eq!(answer.no_refusal(Refusal::Account), None, "{path}");
            }
            answer.status
        };
        assert_eq!(status("get", &path, &own).await, 200);
        // Another client's account is not there, as one that is none.
        assert_eq!(status("get", &path, &other).await, 404);
        assert_eq!(status("get", &path.replace("example.net", "nowhere.net"), &own).await, 404);
        for domain in ["", ".", "x", "%00", "example.net%00", "EXAMPLE.NET%2F", "1"] {
            let path = path.replace("example.net", domain);
            assert_eq!(status("get", &path, &own).await, 404, "{path}");
        }
        assert_eq!(status("get", &path.replace("example.net", "Example.NET"), &own).await, 200);
        // To make a virtual account takes an administrator.
        assert_eq!(status("post", &path, &own).await, 403);
        for wrong in ["", "x", &own[1..]] {
            assert_eq!(status("get", &path, wrong).await, 401);
        }
        // An hour later it is over; another secret, or none any more, ends it at once.
        let people = server.cssm.people();
        let later = server.now() + rumline_cssm::People::PROGRAM_TOKEN_SECONDS;
        assert!(people.caller(later - 1, &own).is_ok());
        assert!(people.caller(later + 1, &own).is_err());
        server.secret("own", Grant::of(Role::Viewer, Some(SA.into())));
        assert_eq!(status("get", &path, &own).await, 401);
        let admin = rumline_server::Actor::person("admin");
        people.set_disabled(server.now(), &admin, "other-client", true).unwrap();
        assert_eq!(status("get", &path, &other).await, 401);
    });
}

#[test]
fn a_report_that_a_program_brings_is_counted_and_acknowledged() {
    run(async {
        // CSSM-017, CSSM-020, CSSM-025, CSSM-033
        let server = Server::new(&Settings::default());
        server.call("post", "/licservice/license", None, server.trust_message()).await;
        let token = token_of(&server, "carrier", Grant::of(Role::User, Some(SA.into()))).await;
        let (bring, ask) =
            (format!("{BASE}/v2/devices/reportusage"), format!("{BASE}/v2/accounts/poll"));
        let reported = server.reported("NETWORK", 9);
        let answer = server.call("post", &bring, Some(&token), reported.to_string()).await;
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!((answer.status, &value["status"]), (202, &json!("OK_POLL")), "{value}");
        assert_eq!(value["message"], "1 reports accepted.");
        let poll = json!({ "data": { "timestamp": 1, "nonce": "n", "poll_id": value["poll_id"],
        "action": "acknowledgements" } });
        let answer = server.call("post", &ask, Some(&token), poll.to_string()).await;
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(value["status"], "COMPLETE", "{value}");
        let entry = &value["data"]["acknowledgements"][0];
        assert_eq!(entry["sudi"]["udi_serial_number"], "NETWORK");
        let text = rumline_protocol::from_base64(entry["smart_license"].as_str().unwrap()).unwrap();
        let document = rumline_protocol::Document::parse(&text).unwrap();
        assert_eq!(document.acknowledgements[0].value[0].status_code.label(), "OK");
        // Several product instances in one call, each with its answer.
        let mut both = reported.clone();
        let other = server.reported("SECRETSERIAL", 7)["data"]["reports"][0].clone();
        both["data"]["reports"].as_array_mut().unwrap().push(other);
        let answer = server.call("post", &bring, Some(&token), both.to_string()).await;
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(answer.status, 202, "{value}");
        let mut ask_both = poll.clone();
        ask_both["data"]["poll_id"] = value["poll_id"].clone();
        let answer = server.call("post", &ask, Some(&token), ask_both.to_string()).await;
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        let serials = value["data"]["acknowledgements"].as_array().unwrap().iter();
        let serials: Vec<&Value> = serials.map(|row| &row["sudi"]["udi_serial_number"]).collect();
        assert_eq!(serials, ["NETWORK", "SECRETSERIAL"], "{value}");
        // Whoever is asked for by another virtual account is not told.
        let made = server
            .cssm
            .create_virtual_account(
                server.now(),
                &rumline_server::Actor::person("admin"),
                SA,
                "Elsewhere",
            )
            .unwrap();
        let bearer = format!("Bearer {token}");
        let (part, bearer) = (made.id.to_string(), bearer.as_str());
        for (sa, va) in
            [("1", part.as_str()), ("2", "1"), ("1", "999"), ("x", "1"), ("1", "-1"), ("", "")]
        {
            let headers = [
                ("authorization", bearer),
                ("x-csw-smart-account-id", sa),
                ("x-csw-virtual-account-id", va),
            ];
            let answer = server.send("post", &ask, &headers, poll.to_string()).await;
            assert_eq!(answer.status, 404, "{sa} {va}: {}", answer.text());
            assert_eq!(answer.no_refusal(Refusal::Device), None);
        }
        let answer =
            server.send("post", &ask, &[("authorization", bearer)], poll.to_string()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        // What another virtual account brings waits for its owner, and nothing of it is acknowledged.
        let headers = [
            ("authorization", bearer),
            ("x-csw-smart-account-id", "1"),
            ("x-csw-virtual-account-id", &*part),
        ];
        let answer = server.send("post", &bring, &headers, reported.to_string()).await;
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!((answer.status, &value["status"]), (202, &json!("OK_POLL")), "{value}");
        let mut later = poll.clone();
        later["data"]["poll_id"] = value["poll_id"].clone();
        let answer = server.send("post", &ask, &headers, later.to_string()).await;
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!((answer.status, &value["status"]), (200, &json!("FAILED")), "{value}");
        assert!(value["message"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
        // A byte that is another one, and a device that nobody knows.
        let mut altered = reported.clone();
        let payload = &mut altered["data"]["reports"][0]["usage"][0]["payload"];
        *payload = json!(payload.as_str().unwrap().replace("10.4(3)", "10.4(4)"));
        let foreign = server.reported("NOBODYKNOWS", 11);
        for body in [altered, foreign] {
            let answer = server.call("post", &bring, Some(&token), body.to_string()).await;
            assert_eq!(answer.status, 400, "{}", answer.text());
            assert_eq!(answer.no_refusal(Refusal::Device), None);
        }
    });
}

/// What a client may write in the place of a value.
fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(-1),
        json!(7.5),
        json!(true),
        json!("\u{0}"),
        json!("x".repeat(100_000)),
        json!([]),
        json!({}),
        json!([null]),
        json!(i64::MIN),
        json!(u64::MAX),
    ]
}

/// The same body with one of its values in another form, or without it: all of them.
fn spoilt(body: &Value) -> Vec<Value> {
    let mut all = wrong_values();
    match body {
        Value::Object(members) => {
            for (name, value) in members {
                let mut without = members.clone();
                without.remove(name);
                all.push(Value::Object(without));
                for other in spoilt(value) {
                    let mut with = members.clone();
                    with.insert(name.clone(), other);
                    all.push(Value::Object(with));
                }
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                all.extend(spoilt(first).into_iter().map(|one| json!([one])));
                all.push(Value::Array(vec![first.clone(); 1_001]));
            }
        }
        _ => {}
    }
    all
}

#[test]
fn a_body_with_each_value_missing_or_of_another_kind_breaks_nothing() {
    run(async {
        // Whatever is sent is answered in the words of the API, and with no fault of the server.
        let server = Server::with_decisions(&Settings::default());
        let token =
            token_of(&server, "fuzz", Grant::of(Role::Administrator, Some(SA.into()))).await;
        let mut wrong = Vec::new();
        let mut count = 0;
        for route in cssm_routes() {
            if route.refusal == Refusal::Problem || route.refusal == Refusal::Token {
                continue;
            }
            let Some(example) = route.request else { continue };
            let (path, example) = (
                server.example(&route).0,
                if route.path.ends_with("reportusage") {
                    server.reported("SECRETSERIAL", 7)
                } else {
                    serde_json::from_str(example).unwrap()
                },
            );
            let mut bodies: Vec<String> = spoilt(&example).iter().map(Value::to_string).collect();
            bodies.extend(["{", "\"", "\u{feff}{}", "[[[[", "null"].map(str::to_owned));
            for body in bodies {
                let answer = server.call(route.method, &path, Some(&token), body.clone()).await;
                count += 1;
                let is_json = serde_json::from_str::<Value>(&answer.text()).is_ok();
                let told = answer.status < 300 || answer.no_refusal(route.refusal).is_none();
                if answer.status >= 500 || !is_json || !told {
                    let body: String = body.chars().take(200).collect();
                    wrong.push(format!("{path} {body}: {} {}", answer.status, answer.text()));
                }
            }
        }
        assert!(count > 500, "{count}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Of what is needed nothing may be left out.
        for (path, method, body) in [
            ("v1/accounts/example.net/virtual-accounts", "post", json!({ "description": "x" })),
            ("v1/accounts/example.net/virtual-accounts", "post", json!({ "name": null })),
            ("v1/accounts/example.net/virtual-accounts", "post", json!({ "name": "" })),
            (
                "v1/accounts/example.net/virtual-accounts",
                "post",
                json!({ "name": "x".repeat(101) }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts",
                "post",
                json!({ "name": "n", "isDefault": "true" }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts",
                "post",
                json!({ "name": "n", "description": "x".repeat(1_001) }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts/Default/tokens",
                "post",
                json!({ "description": "x" }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts/Default/tokens",
                "post",
                json!({ "expiresAfterDays": 0 }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts/Default/tokens",
                "post",
                json!({ "expiresAfterDays": 366 }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts/Default/tokens",
                "post",
                json!({ "expiresAfterDays": "5" }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts/Default/tokens",
                "post",
                json!({ "expiresAfterDays": 5, "exportControlled": "yes" }),
            ),
            (
                "v1/accounts/example.net/virtual-accounts/Default/tokens/revoke",
                "post",
                json!({ "tokens": [] }),
            ),
            ("v1/accounts/example.net/licenses", "post", json!({ "limit": 0 })),
            ("v1/accounts/example.net/licenses", "post", json!({ "limit": -2 })),
            ("v1/accounts/example.net/licenses", "post", json!({ "offset": -1 })),
            ("v1/accounts/example.net/devices?limit=x", "post", json!({})),
            ("v1/accounts/search?type=OTHER", "get", Value::Null),
            ("v1/accounts/search?limit=-5", "get", Value::Null),
            (
                "v2/accounts/poll",
                "post",
                json!({ "data": { "timestamp": 1, "nonce": "n", "poll_id": 1, "action": "authorizations" } }),
            ),
            (
                "v2/accounts/poll",
                "post",
                json!({ "data": { "timestamp": 1, "nonce": "", "poll_id": 1, "action": "acknowledgements" } }),
            ),
        ] {
            let answer = server
                .call(method, &format!("{BASE}/{path}"), Some(&token), body.to_string())
                .await;
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
        }
    });
}

#[test]
fn what_is_not_there_is_refused_in_the_words_of_the_api() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = token_of(&server, "lost", Grant::of(Role::Administrator, None)).await;
        for (method, path) in [
            ("get", format!("{BASE}/")),
            ("get", format!("{BASE}/v1")),
            ("get", format!("{BASE}/v4/accounts")),
            ("delete", format!("{BASE}/v2/accounts")),
            ("get", format!("{BASE}/v1/accounts/example.net/licenses")),
            ("post", format!("{BASE}/v2/devices/authrequest")),
            ("post", format!("{BASE}/v1/accounts/example.net/dlc_convert")),
            ("post", "/v1/software/apis/licensing/v2/get-summary".to_owned()),
        ] {
            for token in [Some(&*token), None] {
                let answer = server.call(method, &path, token, Body::empty()).await;
                assert_eq!(answer.status, 404, "{path}");
                assert_eq!(answer.no_refusal(Refusal::Account), None, "{path}");
            }
        }
        // A base that is written with a slash too many, or twice, leads to the one that is meant.
        for start in ["//services/api", "/services/api/services/api", "/services//api"] {
            let path = format!("{start}/smart-accounts-and-licensing/v1/accounts/search?limit=5");
            let answer = server.call("get", &path, Some(&token), Body::empty()).await;
            let to = format!("{BASE}/v1/accounts/search?limit=5");
            assert_eq!((answer.status, answer.header("location")), (308, &*to), "{path}");
        }
        for path in ["//evil.example/services/api", "//licservice//license", "//"] {
            assert_eq!(
                server.call("get", path, Some(&token), Body::empty()).await.status,
                404,
                "{path}"
            );
        }
        // Above it this server speaks for itself.
        server.call("get", "/services/api", Some(&token), Body::empty()).await.assert_problem();
        for route in cssm_routes().iter().filter(|route| route.named_by == NamedBy::Names) {
            let (path, body) = server.example(route);
            let path = path.replace("example.net", "nowhere.net");
            let answer = server.call(route.method, &path, Some(&token), body).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.no_refusal(route.refusal), None, "{path}");
        }
    });
}
