//! Second factors, logins and API tokens, by page and by API (G-01).

use crate::engine::run;
use axum::body::Body;
use rumline_cssm::Settings;
use rumline_server::{Enrolment, step_at};
use serde_json::{Value, json};

use crate::common::*;

const ME: &str = "/api/v1/me";

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text()).unwrap_or_default()
}

/// A code that was not used yet: of the step to come, as the clock of a phone may be ahead. It holds though a step ends meanwhile.
fn code(server: &Server, begun: &Enrolment) -> String {
    begun.secret.code(step_at(server.now()) + 1)
}

async fn post(server: &Server, path: &str, token: Option<&str>, body: Value) -> Answer {
    server.call("post", path, token, body.to_string()).await
}

#[test]
fn a_second_factor_is_set_over_the_api_and_asked_for_by_it() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("viewer").unwrap();
        let path = format!("{ME}/second-factor");
        let begun = post(&server, &path, Some(&token), json!({ "password": PASSWORD })).await;
        let told = json_of(&begun);
        assert_eq!(begun.status, 200, "{told}");
        let secret = told["secret"].as_str().unwrap();
        let uri = format!("otpauth://totp/CSSM:viewer?secret={secret}&issuer=CSSM");
        assert_eq!(told["uri"], uri);
        assert_eq!(told["recovery_codes"].as_array().unwrap().len(), 10);
        let people = server.cssm.people();
        let by = people.caller(server.now(), &token).unwrap().login_id;
        let begun = people.second_factor(server.now(), "viewer", by).unwrap().begun.unwrap();
        assert_eq!(begun.secret.to_text(), secret);
        for (body, status) in [
            (json!({ "code": "0" }), 422),
            (json!({ "code": null }), 400),
            (json!({ "code": 123456 }), 400),
            (json!({}), 400),
            (json!({ "code": "1", "more": 1 }), 400),
            (json!({ "code": "7".repeat(100_000) }), 422),
        ] {
            let answer = post(&server, &format!("{path}/confirm"), Some(&token), body).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            answer.assert_problem();
        }
        let first = begun.secret.code(step_at(server.now()));
        let confirm = format!("{path}/confirm");
        let done = post(&server, &confirm, Some(&token), json!({ "code": first })).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let state = json_of(&server.call("get", &path, Some(&token), "").await);
        assert_eq!(state["recovery_codes"], 10);
        assert!(state["since"].is_number() && state.get("secret").is_none());
        let log_in = async |code: Option<&str>| {
            let mut body = json!({ "login": "viewer", "password": PASSWORD });
            if let Some(code) = code {
                body["code"] = json!(code);
            }
            post(&server, "/api/v1/login", None, body).await
        };
        let next = code(&server, &begun);
        for (sent, status, word) in [
            (None, 401, "second_factor_required"),
            (Some("000"), 401, "second_factor_wrong"),
            (Some(first.as_str()), 401, "second_factor_wrong"),
            (Some(next.as_str()), 200, ""),
            (Some(next.as_str()), 401, "second_factor_wrong"),
            (Some(begun.recovery_codes[0].as_str()), 200, ""),
            (Some(begun.recovery_codes[0].as_str()), 401, "second_factor_wrong"),
        ] {
            let answer = log_in(sent).await;
            let told = json_of(&answer);
            assert_eq!(answer.status, status, "{sent:?}: {told}");
            assert_eq!(told["code"].as_str().unwrap_or_default(), word, "{sent:?}");
        }
        // A person's password through a client takes the code as well.
        let secret =
            server.secret("robot", rumline_cssm::Grant::of(rumline_cssm::Role::Viewer, None));
        let grant = async |code: &str| {
            let body = format!(
                "grant_type=password&client_id=robot&client_secret={secret}&username=viewer&password={}&code={code}",
                PASSWORD.replace(' ', "+")
            );
            server.call("post", "/as/token.oauth2", None, body).await
        };
        let refused = grant("").await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(json_of(&refused)["error"], "invalid_grant");
        assert_eq!(grant(&begun.recovery_codes[1]).await.status, 200);
    });
}

#[test]
fn a_program_whose_secret_ended_is_told_so_by_oauth() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("global").unwrap();
        let people = "/api/v1/people";
        let new = |more: Value| {
            let mut body = json!({ "login": "robot", "role": "viewer" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        for wrong in [
            json!({ "expires_after_days": 0 }),
            json!({ "expires_after_days": 3_651 }),
            json!({ "expires_after_days": 30, "password": PASSWORD }),
        ] {
            let refused = post(&server, people, Some(&token), new(wrong)).await;
            assert_eq!(refused.status, 422, "{}", refused.text());
            assert!(refused.text().contains("/expires_after_days"), "{}", refused.text());
        }
        let made =
            post(&server, people, Some(&token), new(json!({ "expires_after_days": 30 }))).await;
        let made = json_of(&made);
        let ends_at = made["secret_ends_at"].as_i64().unwrap();
        assert!((ends_at - server.now().0 - 30 * 86_400).abs() < 60, "{made}");
        let list = server.call("get", "/people", Some(&token), "").await.text();
        assert!(list.contains("until"), "{list}");
        assert!(
            server
                .call("get", "/people/robot", Some(&token), "")
                .await
                .text()
                .contains("Secret ends")
        );
        let ended = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "UPDATE person SET secret_ends_at = 5 WHERE login = 'robot'";
            Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
        };
        server.cssm.db().write("test.ended", ended).unwrap();
        let secret = made["secret"].as_str().unwrap();
        let body = format!("grant_type=client_credentials&client_id=robot&client_secret={secret}");
        let refused = server.call("post", "/as/token.oauth2", None, body).await;
        let told = json_of(&refused);
        assert_eq!((refused.status, &told["error"]), (401, &json!("invalid_client")), "{told}");
        assert!(told["error_description"].as_str().unwrap().contains("has ended"), "{told}");
    });
}

#[test]
fn a_second_factor_is_set_on_a_page_and_asked_for_by_the_login_page() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("viewer").unwrap();
        let at = "/me/second-factor";
        let typed = PASSWORD.replace(' ', "+");
        let get = async || server.call("get", at, Some(&token), "").await.text();
        assert!(!get().await.contains("<svg"));
        let wrong = server.call("post", at, Some(&token), "password=wrong+password").await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text().contains("the password is wrong"), "{}", wrong.text());
        let begun = server.call("post", at, Some(&token), format!("password={typed}")).await;
        assert_eq!(begun.status, 303);
        let people = server.cssm.people();
        let by = people.caller(server.now(), &token).unwrap().login_id;
        let begun = people.second_factor(server.now(), "viewer", by).unwrap().begun.unwrap();
        let page = get().await;
        let whole = page.replace("<wbr>", "");
        assert!(whole.contains("<svg") && whole.contains(&begun.secret.to_text()), "{page}");
        assert!(begun.recovery_codes.iter().all(|code| whole.contains(code.as_str())), "{page}");
        let wrong = server.call("post", "/me/second-factor/confirm", Some(&token), "code=12").await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.text().contains("aria-invalid=\"true\""), "{}", wrong.text());
        let first = begun.secret.code(step_at(server.now()));
        let done =
            server.call("post", "/me/second-factor/confirm", Some(&token), format!("code={first}"));
        assert_eq!(done.await.status, 303);
        let page = get().await;
        assert!(page.contains("Asked for") && !page.contains(&begun.secret.to_text()), "{page}");
        assert!(!page.contains(begun.recovery_codes[0].as_str()));
        // The login page asks for it in a second step, and leads on to where one wanted to go.
        let log_in = async |body: String| server.call("post", "/login", None, body).await;
        let next = "next=%2Fsmart-accounts%2F1";
        let asks = log_in(format!("login=viewer&password={typed}&{next}")).await;
        let text = asks.text();
        assert_eq!(asks.status, 200);
        assert!(text.contains("one-time-code") && asks.cookies().next().is_none(), "{text}");
        let ticket = text.split("name=\"ticket\" value=\"").nth(1).unwrap();
        let ticket = ticket.split('"').next().unwrap().to_owned();
        let send = |code: &str| log_in(format!("ticket={ticket}&code={code}&{next}"));
        let wrong = send("000").await;
        assert_eq!(wrong.status, 401);
        assert!(wrong.text().contains(&ticket) && wrong.text().contains("the code is wrong"));
        let right = send(&code(&server, &begun)).await;
        assert_eq!((right.status, right.header("location")), (303, "/smart-accounts/1"));
        assert!(right.cookies().any(|cookie| cookie.starts_with("rumline-443=")));
        // The ticket is used up.
        let again = send(&begun.recovery_codes[0]).await;
        assert_eq!(again.status, 401);
        assert!(again.text().contains("log in again") && !again.text().contains(&ticket));
        let elsewhere = [("sec-fetch-site", "cross-site"), ("origin", "https://evil")];
        let body = format!("ticket={ticket}&code=1");
        assert_eq!(server.send("post", "/login", &elsewhere, body).await.status, 403);
        // An administrator takes it away.
        let global = server.log_in("global").unwrap();
        let person = server.call("get", "/people/viewer", Some(&global), "").await.text();
        assert!(person.contains("Reset Second Factor"), "{person}");
        let reset =
            server.call("post", "/people/viewer/reset-second-factor", Some(&global), "").await;
        assert_eq!(reset.status, 303);
        assert_eq!(log_in(format!("login=viewer&password={typed}")).await.status, 303);
    });
}

#[test]
fn an_api_token_does_what_it_is_limited_to_and_nothing_of_ones_own() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let make = async |mut body: Value| {
            if body.get("password").is_none() {
                body["password"] = json!(PASSWORD);
            }
            post(&server, &format!("{ME}/tokens"), Some(&token), body).await
        };
        let new = |role: &str| json!({ "name": "nightly", "role": role, "expires_after_days": 30 });
        let made = json_of(&make(new("viewer")).await);
        let viewer = made["token"].as_str().unwrap().to_owned();
        let wide = json_of(&make(new("administrator")).await)["token"].as_str().unwrap().to_owned();
        let account = "/api/v1/smart-accounts/1";
        for (token, method, path, body, status) in [
            (&viewer, "get", format!("{account}/alerts"), "", 200),
            (&viewer, "post", format!("{account}/virtual-accounts"), "{\"name\":\"X\"}", 403),
            (&wide, "post", format!("{account}/virtual-accounts"), "{\"name\":\"X\"}", 200),
            (&wide, "get", "/api/v1/smart-accounts/2/alerts".to_owned(), "", 404),
            (&wide, "get", "/api/v1/people".to_owned(), "", 403),
            (&wide, "get", "/api/v1/me".to_owned(), "", 200),
        ] {
            let answer = server.call(method, &path, Some(token), body).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        }
        // What is one's own takes a login, on pages as well.
        let mut tried = 0;
        for route in rumline_web::cssm_routes() {
            if route.access != rumline_web::Access::Oneself {
                continue;
            }
            tried += 1;
            let path = route.path.replace("{id}", "1");
            let answer = server.call(route.method, &path, Some(&wide), Body::empty()).await;
            assert_eq!(answer.status, 403, "{} {path}: {}", route.method, answer.text());
            assert!(answer.text().contains("an API token does not do this"), "{}", answer.text());
        }
        assert!(tried > 20, "{tried}");
        for (body, status) in [
            (json!({ "name": "x", "role": "viewer", "expires_after_days": 0 }), 422),
            (json!({ "name": "", "role": "viewer", "expires_after_days": 1 }), 422),
            (json!({ "name": "x".repeat(101), "role": "viewer", "expires_after_days": 1 }), 422),
            (json!({ "name": "x", "role": "god", "expires_after_days": 1 }), 400),
            (json!({ "name": "x", "role": "viewer" }), 400),
            (
                json!({ "name": "x", "role": "viewer", "expires_after_days": 1, "password": "x" }),
                422,
            ),
            (
                json!({ "name": "x", "role": "viewer", "expires_after_days": 1, "password": null }),
                400,
            ),
            (json!({ "name": null, "role": "viewer", "expires_after_days": 1 }), 400),
            (json!({ "name": "x", "role": "viewer", "expires_after_days": "1" }), 400),
            (
                json!({ "name": "x", "role": "viewer", "expires_after_days": 1, "smart_account_id": 2 }),
                404,
            ),
            (
                json!({ "name": "x", "role": "viewer", "expires_after_days": 1, "smart_account_id": -1 }),
                404,
            ),
            (
                json!({ "name": "x", "role": "viewer", "expires_after_days": 1, "virtual_account_id": 1 }),
                422,
            ),
        ] {
            let answer = make(body.clone()).await;
            assert_eq!(answer.status, status, "{body}: {}", answer.text());
            answer.assert_problem();
        }
        // It is listed without what it is shown by, and ended.
        let listed = server.call("get", &format!("{ME}/tokens"), Some(&token), "").await;
        assert!(!listed.text().contains(&viewer) && listed.text().contains("nightly"));
        let one = format!("{ME}/tokens/{}", made["id"]);
        assert_eq!(server.call("delete", &one, Some(&token), "").await.status, 200);
        assert_eq!(server.call("delete", &one, Some(&token), "").await.status, 404);
        assert_eq!(server.call("get", ME, Some(&viewer), "").await.status, 401);
    });
}

#[test]
fn logins_of_others_are_for_administrators_of_everything_alone() {
    run(async {
        let server = Server::new(&Settings::default());
        let (viewer, other) = (server.log_in("viewer").unwrap(), server.log_in("other").unwrap());
        let global = server.log_in("global").unwrap();
        let mine = json_of(&server.call("get", &format!("{ME}/logins"), Some(&viewer), "").await);
        assert_eq!(mine[0]["current"], true);
        let number = mine[0]["id"].as_i64().unwrap();
        // The number of another's login ends nothing.
        let path = format!("{ME}/logins/{number}");
        assert_eq!(server.call("delete", &path, Some(&other), "").await.status, 404);
        let path = format!("/api/v1/people/other/logins/{number}");
        assert_eq!(server.call("delete", &path, Some(&global), "").await.status, 404);
        let path = format!("/api/v1/people/viewer/logins/{number}");
        assert_eq!(server.call("delete", &path, Some(&other), "").await.status, 403);
        assert_eq!(server.call("get", ME, Some(&viewer), "").await.status, 200);
        assert_eq!(server.call("delete", &path, Some(&global), "").await.status, 200);
        assert_eq!(server.call("get", ME, Some(&viewer), "").await.status, 401);
        for wrong in ["x", "-1", "0", "99999999999999999999"] {
            let path = format!("{ME}/logins/{wrong}");
            let answer = server.call("delete", &path, Some(&global), "").await;
            assert!(matches!(answer.status, 400 | 404), "{wrong}: {}", answer.status);
        }
    });
}

#[test]
fn a_call_with_a_key_is_done_once_and_answered_alike() {
    run(async {
        let server = Server::new(&Settings::default());
        let (admin, other) =
            (server.log_in("administrator").unwrap(), server.log_in("other").unwrap());
        let path = "/api/v1/smart-accounts/1/virtual-accounts";
        let send = async |token: &str, path: &str, key: &str, body: &str| {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
            server.send("post", path, &headers, body.to_owned()).await
        };
        let count = || server.cssm.virtual_accounts(SA).unwrap().len();
        let before = count();
        let first = send(&admin, path, "k-1", "{\"name\":\"Once\"}").await;
        assert_eq!(
            (first.status, first.header("idempotent-replayed")),
            (200, ""),
            "{}",
            first.text()
        );
        for _ in 0..3 {
            let again = send(&admin, path, "k-1", "{\"name\":\"Once\"}").await;
            assert_eq!((again.status, again.text()), (200, first.text()));
            assert_eq!(again.header("content-type"), first.header("content-type"));
            assert_eq!(again.header("idempotent-replayed"), "true");
        }
        assert_eq!(count(), before + 1);
        // Another body, or another call, under the key is refused; without it, it is another call.
        for (path, body) in [
            (path, "{\"name\":\"Twice\"}"),
            (path, "{\"name\": \"Once\"}"),
            ("/api/v1/smart-accounts/1/virtual-accounts?x=1", "{\"name\":\"Once\"}"),
            ("/api/v1/smart-accounts/1/virtual-accounts/1/tokens", "{\"name\":\"Once\"}"),
        ] {
            let refused = send(&admin, path, "k-1", body).await;
            assert_eq!(refused.status, 422, "{path} {body}: {}", refused.text());
            refused.assert_problem();
        }
        let plain = server.call("post", path, Some(&admin), "{\"name\":\"Once\"}").await;
        assert_eq!(plain.status, 409);
        // A key is its owner's: others neither get the answer nor have the key taken from them.
        assert_eq!(send(&other, path, "k-1", "{\"name\":\"Once\"}").await.status, 404);
        let theirs = path.replace("accounts/1", "accounts/2");
        assert_eq!(send(&other, &theirs, "k-1", "{\"name\":\"Once\"}").await.status, 200);
        // What was refused may be sent again, once it can be done.
        let refused = send(&admin, path, "k-2", "{\"name\":\"Once\"}").await;
        assert_eq!(refused.status, 409);
        let fixed = send(&admin, path, "k-2", "{\"name\":\"Fixed\"}").await;
        assert_eq!(fixed.status, 200, "{}", fixed.text());
        let long = "x".repeat(256);
        for wrong in ["", " ", "a b", "\u{e9}", long.as_str()] {
            let answer = send(&admin, path, wrong, "{\"name\":\"Wrong\"}").await;
            assert_eq!(answer.status, 400, "{wrong:?}: {}", answer.text());
            answer.assert_problem();
        }
        let large = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
        assert_eq!(send(&admin, path, "k-3", &large).await.status, 413);
        // Nobody is let in by a key.
        let nobody =
            server.send("post", path, &[("idempotency-key", "k-1")], "{\"name\":\"Once\"}");
        assert_eq!(nobody.await.status, 401);
        // Two at once: it is done once.
        let before = count();
        let (left, right) = tokio::join!(
            send(&admin, path, "k-4", "{\"name\":\"At once\"}"),
            send(&admin, path, "k-4", "{\"name\":\"At once\"}")
        );
        let mut both = [left.status, right.status];
        both.sort_unstable();
        assert!(both == [200, 200] || both == [200, 409], "{both:?}");
        assert_eq!(count(), before + 1);
        // One whose answer never came is not done a second time.
        let unanswered = |tx: &mut rumline_store::Tx<'_>| {
            let sql = "UPDATE kept_answer SET status = NULL, body = NULL";
            Ok::<_, rumline_cssm::Error>(tx.execute(sql, &[])?)
        };
        server.cssm.db().write("test.unanswered", unanswered).unwrap();
        let unknown = send(&admin, path, "k-4", "{\"name\":\"At once\"}").await;
        assert_eq!(unknown.status, 409);
        assert!(unknown.text().contains("whether it was done is not known"), "{}", unknown.text());
    });
}

#[test]
fn no_call_that_holds_a_secret_takes_a_key() {
    // The digest of a body and the answer are kept: neither may be of a secret.
    let document = rumline_web::openapi("CSSM", &rumline_web::cssm_routes());
    let mut found = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("post") else { continue };
        let takes = operation["parameters"].to_string().contains("Idempotency-Key");
        let text = operation.to_string();
        let is_secret = ["\"password\"", "\"secret\"", "rumline_", "\"old\""];
        let is_secret = is_secret.iter().any(|word| text.contains(word));
        assert!(!(takes && is_secret), "{path}");
        found += usize::from(takes);
    }
    assert!(found > 20, "{found}");
}
