//! Webhooks: who may make them, where they lead, what a receiver gets, and that nobody holds up anybody (CSSM-033, G-19).

use crate::engine::run;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumline_cssm::{Actor, Settings};
use rumline_net::{Clock, HookClient};
use rumline_web::tell_webhooks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::*;

const HOOKS: &str = "/api/v1/smart-accounts/1/webhooks";

/// What a receiver got: its head in small letters, and its body.
type Got = Arc<Mutex<Vec<(String, String)>>>;

/// A program that is told things, and answers with these statuses in turn; none is no answer at all.
async fn receiver(statuses: &'static [Option<u16>]) -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let got = Got::default();
    let seen = Arc::clone(&got);
    tokio::spawn(async move {
        let mut held = Vec::new();
        let mut statuses = statuses.iter().copied().cycle();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                text.extend_from_slice(&buffer[..read]);
                let all = String::from_utf8_lossy(&text).into_owned();
                let whole = all.split_once("\r\n\r\n").and_then(|(head, body)| {
                    let head = head.to_lowercase();
                    let length = head.split("content-length: ").nth(1)?.lines().next()?;
                    let is_whole = length.trim().parse::<usize>().ok()? <= body.len();
                    is_whole.then(|| (head.clone(), body.to_owned()))
                });
                if let Some(whole) = whole {
                    seen.lock().unwrap().push(whole);
                    break;
                }
                if read == 0 {
                    break;
                }
            }
            match statuses.next().flatten() {
                Some(status) => {
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\
                         connection: close\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap_or_default();
                }
                // It neither answers nor hangs up.
                None => held.push(stream),
            }
        }
    });
    (at, got)
}

/// The deliveries of a webhook, once this is so of them.
async fn once(server: &Server, id: i64, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..400 {
        let token = server.log_in("administrator");
        let path = format!("{HOOKS}/{id}/deliveries");
        let answer = server.call("get", &path, token.as_deref(), "").await;
        let all: Vec<Value> = serde_json::from_str(&answer.text()).unwrap();
        if is_so(&all) {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not come to that");
}

#[test]
fn what_happens_in_an_account_is_told_signed_and_a_slow_receiver_holds_up_nobody() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let make = async |url: &str, kinds: Value| {
            let body = json!({ "url": url, "kinds": kinds }).to_string();
            let answer = server.call("post", HOOKS, Some(&token), body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            serde_json::from_str::<Value>(&answer.text()).unwrap()
        };
        let (slow_at, slow_got) = receiver(&[None]).await;
        let (moved_at, _) = receiver(&[Some(302)]).await;
        let (good_at, good_got) = receiver(&[Some(204)]).await;
        let slow = make(&slow_at, json!([])).await;
        let moved = make(&moved_at, json!(["event"])).await;
        let good = make(&good_at, json!(["event"])).await;
        let alerts = make(&good_at, json!(["alert"])).await;
        let client = HookClient::new(None, true).unwrap();
        let people = server.cssm.people();
        let loop_of = tokio::spawn(tell_webhooks(people, Clock::real(), client));
        let by = Actor::person("eve");
        let made =
            server.cssm.create_virtual_account(server.now(), &by, SA, "Told \"of\"").unwrap();
        let id = |one: &Value| one["id"].as_i64().unwrap();
        let told = once(&server, id(&good), |all| {
            all.first().is_some_and(|one| one["delivered_at"].is_number())
        })
        .await;
        assert_eq!(
            (told.len(), &told[0]["tries"], &told[0]["status"]),
            (1, &json!(1), &json!(204))
        );
        // A receiver elsewhere is not followed: what it says counts as not taken.
        let told =
            once(&server, id(&moved), |all| all.first().is_some_and(|one| one["status"] == 302));
        let told = told.await;
        assert!(told[0]["delivered_at"].is_null() && told[0]["next_at"].is_number(), "{told:?}");
        assert!(told[0]["problem"].as_str().unwrap().contains("302"));
        once(&server, id(&slow), |_| !slow_got.lock().unwrap().is_empty()).await;
        assert_eq!(once(&server, id(&alerts), |_| true).await, Vec::<Value>::new());
        loop_of.abort();
        let (head, body) = good_got.lock().unwrap()[0].clone();
        assert!(head.starts_with("post /hook?a=b "), "{head}");
        assert!(head.contains("content-type: application/cloudevents+json"), "{head}");
        let event: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&event["specversion"], &event["type"]),
            (&json!("1.0"), &json!("rumline.event"))
        );
        assert!(event["source"].as_str().unwrap().ends_with("/smart-accounts/1"), "{event}");
        assert_eq!(event["data"]["by"], "eve");
        let text = format!("virtual account {:?} created", made.name);
        assert_eq!(event["data"]["text"], text);
        // The receiver checks it with the secret that was answered once.
        let header = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            found.unwrap_or_default().to_owned()
        };
        let secret = good["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap();
        let key = rumline_protocol::from_base64(secret).unwrap();
        let (number, at) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!(event["id"], number);
        let tag = hmac_sha256(&key, format!("{number}.{at}.{body}").as_bytes());
        let signature = format!("v1,{}", rumline_protocol::base64(&tag)).to_lowercase();
        assert_eq!(header("webhook-signature"), signature);
        let listed = server.call("get", HOOKS, Some(&token), "").await.text();
        assert!(!listed.contains("whsec_") && listed.contains(&good_at), "{listed}");
    });
}

/// HMAC-SHA-256 from its definition (RFC 2104), so that it is not the product's own.
fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| -> Vec<u8> {
        (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect()
    };
    let inner = rumline_protocol::sha256(&[padded(0x36), text.to_vec()].concat());
    rumline_protocol::sha256(&[padded(0x5c), inner.to_vec()].concat())
}

#[test]
fn a_webhook_that_cannot_be_is_refused_and_another_accounts_is_not_there() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let post =
            async |body: Value| server.call("post", HOOKS, Some(&token), body.to_string()).await;
        for (body, status) in [
            (json!({}), 400),
            (json!({ "url": null }), 400),
            (json!({ "url": 1 }), 400),
            (json!({ "url": "https://a.example/", "kinds": "alert" }), 400),
            (json!({ "url": "https://a.example/", "more": 1 }), 400),
            (json!({ "url": "" }), 422),
            (json!({ "url": "ftp://a.example/" }), 422),
            (json!({ "url": "https://eve:secret@a.example/" }), 422),
            (json!({ "url": format!("https://a.example/{}", "x".repeat(2_000)) }), 422),
            (json!({ "url": "https://a.example/", "kinds": ["test"] }), 422),
            (json!({ "url": "https://a.example/", "kinds": ["x".repeat(10_000)] }), 422),
        ] {
            let answer = post(body.clone()).await;
            assert_eq!(answer.status, status, "{body}: {}", answer.text());
            answer.assert_problem();
        }
        for number in 0..21 {
            let answer = post(json!({ "url": format!("https://a.example/{number}") })).await;
            assert_eq!(answer.status, if number < 20 { 200 } else { 422 }, "{}", answer.text());
        }
        let other = server.log_in("other").unwrap();
        let theirs = HOOKS.replace("accounts/1", "accounts/2");
        for (method, path) in [
            ("get", format!("{HOOKS}/1/deliveries")),
            ("get", format!("{theirs}/1/deliveries")),
            ("post", format!("{theirs}/1/test")),
            ("delete", format!("{theirs}/1")),
        ] {
            let answer = server.call(method, &path, Some(&other), "").await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
        assert_eq!(server.call("get", &theirs, Some(&other), "").await.text(), "[]");
    });
}
