#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Every route for every role, and what the receiver answers over HTTP (CSSM-008, 019, 028, 029, 030, 033; G-01).

mod callhome;
mod common;
mod document;
mod engine;
mod forms;
mod identity;
mod labels;
mod pages;
mod provider;
mod public;
mod told;
mod webhooks;

use crate::engine::run;
use std::collections::BTreeSet;

use axum::body::Body;
use common::*;
use document::Document;
use pages::with_seen;
use rumline_cssm::{Action, Settings};
use rumline_web::{Access, NamedBy, Refusal, cssm_routes, openapi};
use serde_json::Value;

const DDCE: &str = "/its/service/oddce/services/DDCEService";
const CALLERS: [&str; 10] = [
    "nobody",
    "other",
    "other part",
    "part viewer",
    "part user",
    "part administrator",
    "viewer",
    "user",
    "administrator",
    "global",
];
/// Things that are of a virtual account each.
const OF_PARTS: [&str; 4] = ["product-instances", "tokens", "usage-files", "collectors"];

/// The status the table demands for a caller.
fn expected(route: &Route, caller: &str) -> u16 {
    let action = match route.access {
        Access::Anyone => return 200,
        _ if caller == "nobody" => return 401,
        Access::LoggedIn | Access::Oneself => return 200,
        Access::May(action) => action,
    };
    let by_headers = route.named_by == NamedBy::Headers;
    let in_account = route.path.contains("{sa}") || route.named_by != NamedBy::Numbers;
    let in_part =
        route.path.contains("{va}") || route.path.contains("{virtual_account}") || by_headers;
    let allows = |role: &str| match action {
        Action::View | Action::ViewAll => true,
        Action::Operate => role != "viewer",
        Action::Administer => role == "administrator",
        Action::AdministerAll => false,
    };
    let status = |role: &str| if allows(role) { 200 } else { 403 };
    let thing = route.path.split("/{id}").next().filter(|head| *head != route.path);
    let kind = thing.and_then(|head| head.rsplit('/').next());
    let is_of_part = caller.contains("part");
    let hands_on = route.path.ends_with("/license-transfers")
        || route.method == "post" && route.path.ends_with("{va}/transfer");
    if hands_on && is_of_part {
        // The account they would go to is none of theirs.
        return if caller == "part administrator" || caller == "other part" { 404 } else { 403 };
    }
    match caller.strip_prefix("part ").unwrap_or(caller) {
        "global" => 200,
        "other" if in_account => 404,
        "other" if action != Action::ViewAll => status("administrator"),
        _ if matches!(action, Action::AdministerAll | Action::ViewAll) => 403,
        role if caller == role && caller != "other part" => status(role),
        _ if route.takes_all => 403,
        // A virtual account that is named is not there for those who do not see it.
        "other part" if route.request.is_some_and(|body| body.contains("virtualAccounts")) => 404,
        "other part" if in_part || kind.is_some() => 404,
        "other part" if route.in_parts => 200,
        role if in_part || route.in_parts => status(role),
        role if kind.is_some_and(|kind| OF_PARTS.contains(&kind)) => status(role),
        // Which other things there are is not for those of a part.
        _ if kind.is_some() => 404,
        _ => 403,
    }
}

fn ends_login(path: &str) -> bool {
    let ends = ["/logout", "/me/password", "/api/v1/me/logins", "/me/logins/end-others"];
    ends.iter().any(|end| path.ends_with(end))
}

/// Reading first, ending the login last, so that each call finds what the ones before left alone.
fn in_a_safe_order() -> Vec<Route> {
    let mut routes = cssm_routes();
    routes.sort_by_key(|route| {
        (
            ends_login(route.path),
            route.path == "/api/v1/me/password",
            route.path == "/me/mail/remove",
            route.method == "delete",
            route.method != "get",
        )
    });
    routes
}

#[test]
fn every_route_takes_of_every_caller_what_its_row_says() {
    run(async {
        // CSSM-008, G-01
        for caller in CALLERS {
            let server = Server::with_decisions(&Settings::default());
            let token = server.log_in(caller);
            // What a device may do anyone may do; it is done before, so that what remains is people's doing.
            server.call("post", "/licservice/license", None, server.trust_message()).await;
            server.bundle("Default");
            let before = server.state();
            for route in in_a_safe_order() {
                let (path, body) = match caller {
                    "global" => server.example_for_global(&route),
                    _ => server.example(&route),
                };
                let token = if ends_login(&path) { server.log_in(caller) } else { token.clone() };
                let body = with_seen(&server, &route, &path, token.as_deref(), body).await;
                let answer = server.call(route.method, &path, token.as_deref(), body).await;
                let what = format!("{} {} as {caller}: {}", route.method, path, answer.text());
                let expected = match expected(&route, caller) {
                    // No file waits.
                    200 if route.path.contains("{chosen}") => 404,
                    // The old one is wrong there: the password changes over the API.
                    200 if route.path == "/me/password" => 422,
                    // What is right there is tried in `identity`.
                    200 if route.path.ends_with("/second-factor/confirm") => 422,
                    200 if route.path.ends_with("/second-factor/remove") => 404,
                    // One waits already, which was asked for over the API.
                    200 if route.path.ends_with("/test") && route.summary.is_empty() => 409,
                    expected => expected,
                };
                // What is taken and answered later is taken.
                let status = if answer.status == 202 { 200 } else { answer.plain_status() };
                assert_eq!(status, expected, "{what}");
                if status != 200 && !route.summary.is_empty() {
                    assert_eq!(answer.no_refusal(route.refusal), None, "{what}");
                }
            }
            if matches!(caller, "nobody" | "other" | "other part" | "viewer" | "part viewer") {
                // The other account's administrator has created nothing and ended nothing here.
                assert_eq!(server.state(), before, "{caller}");
            }
        }
    });
}

#[test]
fn every_route_takes_of_every_api_token_what_its_limit_allows_and_a_login_is_needed_for() {
    run(async {
        // CSSM-008, G-01: of one owner, who may do everything
        for limit in ["other", "other part", "part viewer", "part user", "viewer", "global"] {
            let server = Server::with_decisions(&Settings::default());
            let token = server.api_token(limit);
            server.call("post", "/licservice/license", None, server.trust_message()).await;
            server.bundle("Default");
            for route in in_a_safe_order() {
                let (path, body) = match limit {
                    "global" => server.example_for_global(&route),
                    _ => server.example(&route),
                };
                let token = if ends_login(&path) { server.api_token(limit) } else { token.clone() };
                let body = with_seen(&server, &route, &path, Some(&token), body).await;
                let answer = server.call(route.method, &path, Some(&token), body).await;
                let what =
                    format!("{} {} by a token of {limit}: {}", route.method, path, answer.text());
                let is_of_people = route.path.split('/').any(|part| part == "people");
                let is_for_logins =
                    route.access == Access::Oneself || is_of_people && route.method != "get";
                let expected = match expected(&route, limit) {
                    _ if is_for_logins => 403,
                    200 if route.path.contains("{chosen}") => 404,
                    200 if route.path.ends_with("/test") && route.summary.is_empty() => 409,
                    expected => expected,
                };
                let status = if answer.status == 202 { 200 } else { answer.plain_status() };
                assert_eq!(status, expected, "{what}");
            }
        }
    });
}

#[test]
fn whoever_is_logged_in_keeps_the_frame_where_something_goes_wrong() {
    run(async {
        // CSSM-008: and sees of no account more than elsewhere
        let server = Server::new(&Settings::default());
        for (caller, method, path, status, words) in [
            ("viewer", "get", "/smart-accounts/1/nothing", 404, "Smart Account: Example"),
            (
                "viewer",
                "get",
                "/smart-accounts/1/product-instances/999",
                404,
                "Smart Account: Example",
            ),
            ("viewer", "get", "/smart-accounts/1/people", 403, "Smart Account: Example"),
            (
                "viewer",
                "get",
                "/smart-accounts/1/reports/purchases/999",
                404,
                "Smart Account: Example",
            ),
            ("viewer", "post", "/smart-accounts/1/alerts", 405, "Smart Account: Example"),
            ("viewer", "get", "/smart-accounts/2/alerts", 404, "href=\"/smart-accounts\""),
            ("part viewer", "get", "/smart-accounts/1/alerts", 403, "Smart Account: Example"),
            ("other", "get", "/smart-accounts/1/alerts", 404, "href=\"/smart-accounts\""),
            ("other", "get", "/nothing", 404, "href=\"/smart-accounts\""),
            ("global", "get", "/people/nobody", 404, "href=\"/people\""),
            ("nobody", "get", "/nothing", 404, "href=\"/\""),
        ] {
            let bearer = server.log_in(caller).map(|token| format!("Bearer {token}"));
            let mut headers = vec![("accept", "text/html")];
            headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
            let answer = server.send(method, path, &headers, Body::empty()).await;
            let (text, what) = (answer.text(), format!("{method} {path} as {caller}"));
            assert_eq!(answer.status, status, "{what}: {text}");
            assert!(text.contains(words), "{what}: {text}");
            let is_in = caller != "nobody";
            assert_eq!(
                text.contains("aria-label=\"Pages\"") && text.contains("Log out"),
                is_in,
                "{what}"
            );
            let sees = !path.contains("smart-accounts/2") && !matches!(caller, "other" | "nobody");
            assert!(sees || !text.contains("Example"), "{what}: {text}");
        }
    });
}

#[test]
fn a_token_that_is_wrong_or_badly_sent_is_no_login() {
    run(async {
        // G-01
        let server = Server::new(&Settings::default());
        let token = server.log_in("global").unwrap();
        let me = "/api/v1/me";
        assert_eq!(server.call("get", me, Some(&token), Body::empty()).await.status, 200);
        let flipped: String = token.chars().rev().collect();
        for wrong in
            ["", "x", " ", &flipped, &token[1..], &format!("{token}0"), &token.to_uppercase()]
        {
            let answer = server.call("get", me, Some(wrong), Body::empty()).await;
            assert_eq!(answer.status, 401, "{wrong:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            answer.assert_problem();
        }
        for value in [format!("Basic {token}"), token.clone(), "Bearer".to_owned()] {
            let answer = server.send("get", me, &[("authorization", &value)], Body::empty()).await;
            assert_eq!(answer.status, 401, "{value:?}");
        }
        let out = server.call("post", "/api/v1/logout", Some(&token), Body::empty()).await;
        assert_eq!(out.status, 200);
        assert_eq!(server.call("get", me, Some(&token), Body::empty()).await.status, 401);
    });
}

#[test]
fn a_wrong_password_is_refused_in_the_same_words_as_an_unknown_login() {
    run(async {
        // G-01
        let server = Server::new(&Settings::default());
        server.log_in("viewer");
        let mut told = BTreeSet::new();
        for (login, password) in [("viewer", "wrong password"), ("nobody", PASSWORD), ("", "")] {
            let body = serde_json::json!({ "login": login, "password": password }).to_string();
            let answer = server.call("post", "/api/v1/login", None, body).await;
            assert_eq!(answer.status, 401);
            told.insert(answer.text());
        }
        assert_eq!(told.len(), 1, "{told:?}");
    });
}

#[test]
fn nothing_of_one_account_is_readable_by_another() {
    run(async {
        // CSSM-008, CSSM-003: nor under the reader's own account number
        for reader in ["other", "other part"] {
            nothing_is_readable_by(reader).await;
        }
    });
}

async fn nothing_is_readable_by(reader: &str) {
    let server = Server::new(&Settings::default());
    let token = server.log_in(reader).unwrap();
    let secrets = server.secrets();
    for route in in_a_safe_order().into_iter().filter(|route| route.access != Access::Anyone) {
        if ends_login(route.path) {
            continue;
        }
        let (path, body) = server.example(&route);
        for path in [path.clone(), path.replace("smart-accounts/1", "smart-accounts/2")] {
            let body = Body::from(body.clone());
            let answer = server.call(route.method, &path, Some(&token), body).await;
            for secret in &secrets {
                assert!(!answer.text().contains(secret), "{} {path} tells {secret}", route.method);
            }
            if path.contains("smart-accounts/2/virtual-accounts/1/")
                && !path.ends_with("collectors")
            {
                assert_eq!(answer.status, 404, "{} {path}: {}", route.method, answer.text());
            }
        }
    }
}

#[test]
fn an_account_that_is_not_there_is_not_found_on_every_route() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("global").unwrap();
        let mut wrong = Vec::new();
        for route in cssm_routes().iter().filter(|route| route.path.contains("{sa}")) {
            let (path, body) = server.example(route);
            for account in ["999", "-1", "0", "x", "1x", "99999999999999999999", "%00"] {
                let path = path.replace("smart-accounts/1", &format!("smart-accounts/{account}"));
                let body = Body::from(body.clone());
                let answer = server.call(route.method, &path, Some(&token), body).await;
                if answer.status != 404 {
                    wrong.push(format!("{} {path}: {}", route.method, answer.status));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn whatever_goes_wrong_is_told_as_a_problem_document() {
    run(async {
        // RFC 9457, as the OpenAPI document promises
        let server = Server::new(&Settings::default());
        let token = server.log_in("global").unwrap();
        let account = "/api/v1/smart-accounts/1";
        let mut wrong = Vec::new();
        for (method, path, body, status) in [
            ("get", "/nothing", "", 404),
            ("get", "/api/v1/smart-accounts/1/", "", 404),
            ("post", "/licservice/license", "garbage", 400),
            ("post", "/licservice/license", "", 400),
            ("delete", "/licservice/license", "", 405),
            ("post", "/healthz", "", 405),
            ("post", "/api/v1/login", "garbage", 400),
            ("post", "/api/v1/login", "{\"login\":\"a\",\"password\":\"b\",\"more\":1}", 400),
            ("post", "/api/v1/smart-accounts", "{}", 400),
            ("post", "/api/v1/smart-accounts", "{\"name\":\"\",\"domain\":\"x\"}", 422),
            (
                "post",
                "/api/v1/smart-accounts",
                "{\"name\":\"Example\",\"domain\":\"x.example\"}",
                409,
            ),
            ("get", &format!("{account}/product-instances/999"), "", 404),
            ("get", &format!("{account}/product-instances/x"), "", 404),
            ("get", &format!("{account}/product-instances?limit=x"), "", 400),
            ("get", &format!("{account}/events?after="), "", 400),
            ("get", &format!("{account}/virtual-accounts/x/tokens"), "", 404),
            ("post", &format!("{account}/virtual-accounts/1/usage-files"), "x", 400),
            ("post", &format!("{account}/virtual-accounts/1/usage-files?name=x"), "x", 422),
            ("delete", &format!("{account}/usage-files/1/acknowledgement"), "", 405),
            ("post", &format!("{account}/tokens/999/revoke"), "", 404),
        ] {
            let answer = server.call(method, path, Some(&token), body).await;
            if let Some(why) = answer.no_problem() {
                wrong.push(format!("{method} {path}: {} {why}", answer.status));
            }
            let alike = answer.status == status || (status == 404 && answer.status == 400);
            assert!(alike, "{method} {path}: {} {}", answer.status, answer.text());
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn a_body_over_the_limit_is_too_large() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("user").unwrap();
        let upload = "/api/v1/smart-accounts/1/virtual-accounts/1/usage-files?name=x.txt";
        // A usage file may be larger than memory, and is refused for what it is.
        for (path, status) in [(upload, 422), ("/licservice/license", 413)] {
            let body = vec![0_u8; (256 << 20) + 1];
            let answer = server.call("post", path, Some(&token), body).await;
            assert_eq!(answer.status, status, "{path}");
            answer.assert_problem();
        }
        // Nobody sends that much without a login.
        let answer = server.call("post", upload, None, vec![0_u8; (256 << 20) + 1]).await;
        assert_eq!(answer.status, 401);
    });
}

#[test]
fn a_body_that_needs_no_login_is_small() {
    run(async {
        // What anyone may send is read whole into memory: a message holds far less than an upload.
        let server = Server::new(&Settings::default());
        for (path, megabytes) in
            [("/licservice/license", 100), (DDCE, 100), ("/api/v1/login", 2), ("/login", 2)]
        {
            let answer = server.call("post", path, None, vec![b'x'; megabytes << 20]).await;
            assert_eq!(answer.status, 413, "{path}");
        }
        // Nor does a login allow more where nothing long is expected.
        let token = server.log_in("user").unwrap();
        let path = "/api/v1/smart-accounts/1/virtual-accounts/1/tokens";
        let answer = server.call("post", path, Some(&token), vec![b' '; 2 << 20]).await;
        assert_eq!(answer.status, 413);
    });
}

#[test]
fn usage_cannot_be_deleted_by_any_route() {
    run(async {
        // CSSM-019, L-18
        for route in cssm_routes().iter().filter(|route| route.path.contains("usage-files")) {
            assert!(matches!(route.method, "get" | "post"), "{} {}", route.method, route.path);
        }
        let server = Server::new(&Settings::default());
        let token = server.log_in("global").unwrap();
        for path in ["usage-files/1", "usage-files", "product-instances/1/reports"] {
            let path = format!("/api/v1/smart-accounts/1/{path}");
            for method in ["delete", "put", "patch"] {
                let answer = server.call(method, &path, Some(&token), Body::empty()).await;
                assert!(matches!(answer.status, 404 | 405), "{method} {path}: {}", answer.status);
            }
        }
    });
}

#[test]
fn files_are_saved_under_their_names() {
    run(async {
        // FILE-010, CSSM-016, CSSM-020
        let server = Server::new(&Settings::default());
        let token = server.log_in("viewer").unwrap();
        let account = "/api/v1/smart-accounts/1";
        for (path, name, content_type) in [
            ("virtual-accounts/1/policy-file", "policy.xml", "application/xml"),
            ("usage-files/1/acknowledgement", "ACK_all_rum.txt", "text/plain; charset=utf-8"),
        ] {
            let path = format!("{account}/{path}");
            let answer = server.call("get", &path, Some(&token), Body::empty()).await;
            assert_eq!(answer.status, 200);
            let disposition = format!("attachment; filename=\"{name}\"");
            assert_eq!(answer.header("content-disposition"), disposition);
            assert_eq!(answer.header("content-type"), content_type);
            assert!(answer.text().starts_with("<?xml"));
        }
    });
}

#[test]
fn the_receivers_page_is_laid_out_as_the_guide_shows_it() {
    run(async {
        // CSSM-028, CSSM-029, CSSM-030
        let server = Server::new(&Settings::default());
        let answer = server.call("get", "/licservice/license", None, Body::empty()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let labels = |text: &str| -> Vec<String> {
            let label = |line: &str| line.split(" = ").next().unwrap().to_owned();
            text.trim_end().lines().map(label).collect()
        };
        let own = include_str!("golden/smart_receiver_landing_page.txt");
        assert_eq!(answer.text(), own);
        let from_the_guide = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/spec/golden/net/smart_receiver_landing_page.txt"
        );
        if let Ok(guide) = std::fs::read_to_string(from_the_guide) {
            assert_eq!(labels(&answer.text()), labels(&guide));
            for line in guide.lines().filter(|line| !line.contains("https://")) {
                assert!(answer.text().lines().any(|own| own == line), "{line}");
            }
        }
    });
}

#[test]
fn a_packed_message_is_taken_and_answered_packed_to_whoever_asks() {
    run(async {
        use std::io::{Read, Write};
        let gzip = |bytes: &[u8]| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        };
        let server = Server::new(&Settings::default());
        let (packed, path) = (gzip(&server.trust_message()), "/licservice/license");
        let plain =
            server.send("post", path, &[("content-encoding", "gzip")], packed.clone()).await;
        assert_eq!((plain.status, plain.header("content-encoding")), (200, ""), "{}", plain.text());
        let both = [("content-encoding", "gzip"), ("accept-encoding", "gzip, br")];
        let answer = server.send("post", path, &both, packed.clone()).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(answer.bytes()).read_to_string(&mut text).unwrap();
        assert!(text.contains("\"status\":\"OK\""), "{text}");
        // What unpacks without end, is cut off, or is packed in another way.
        let coding = [("content-encoding", "gzip")];
        let bomb = server.send("post", path, &coding, gzip(&vec![b' '; 33 << 20])).await;
        assert_eq!(bomb.status, 413, "{}", bomb.text());
        let cut = server.send("post", path, &coding, packed[..packed.len() / 2].to_vec()).await;
        assert_eq!(cut.status, 400, "{}", cut.text());
        let other = server.send("post", path, &[("content-encoding", "br")], packed).await;
        assert_eq!(other.status, 415, "{}", other.text());
    });
}

#[test]
fn a_message_is_answered_as_json_and_the_13th_in_an_hour_with_429() {
    run(async {
        // CSSM-028, CSSM-029, L-17
        let server = Server::new(&Settings {
            requests_per_hour_max: 12,
            ack_delay_seconds: 300,
            ..Settings::default()
        });
        let path = "/licservice/license";
        let registered = server.call("post", path, None, server.trust_message()).await;
        assert_eq!(registered.status, 200);
        assert_eq!(registered.header("content-type"), "application/json");
        let value: Value = serde_json::from_str(&registered.text()).unwrap();
        assert_eq!(value["status"], "OK", "{value}");
        assert!(value["smart_license"].as_str().unwrap().contains("<smartLicenseTrustCode>"));
        for number in 0..12 {
            let answer = server.call("post", path, None, server.sync_message()).await;
            assert_eq!(answer.status, 200, "{number}");
        }
        let answer = server.call("post", path, None, server.sync_message()).await;
        assert_eq!(answer.status, 429);
        answer.assert_problem();
        let seconds: i64 = answer.header("retry-after").parse().unwrap();
        assert!((3500..=3600).contains(&seconds), "{seconds}");
    });
}

#[test]
fn a_refusal_of_a_message_is_a_message_too() {
    run(async {
        // CSSM-025: HTTP 200 with FAILED, so that the device reads why
        let server = Server::new(&Settings::default());
        let answer = server.call("post", "/licservice/license", None, server.sync_message()).await;
        assert_eq!(answer.status, 200);
        let value: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(value["status"], "FAILED");
        assert!(value["status_message"].as_str().unwrap().contains("Please re-register"));
    });
}

#[test]
fn the_table_of_routes_is_the_one_that_was_looked_at() {
    // CSSM-008: whoever adds a route says here who may use it
    let mut lines: Vec<String> = cssm_routes()
        .iter()
        .map(|route| {
            let parts = if route.in_parts { ", of the caller's virtual accounts" } else { "" };
            let all = if route.takes_all { ", in the whole account" } else { "" };
            format!("{} {} {:?}{parts}{all}", route.method, route.path, route.access)
        })
        .collect();
    let distinct: BTreeSet<&String> = lines.iter().collect();
    assert_eq!(distinct.len(), lines.len());
    lines.push(String::new());
    assert_golden("routes.txt", include_str!("golden/routes.txt"), &lines.join("\n"));
}

/// A path as the document writes it.
fn in_field_terms(path: &str) -> String {
    path.replace("{sa}", "{smart_account_id}").replace("{va}", "{virtual_account_id}")
}

#[test]
fn nothing_of_the_document_is_vague_and_its_examples_fit() {
    // CSSM-033
    let document = Document(openapi("CSSM", &cssm_routes()));
    let mut wrong = document.vague();
    wrong.extend(document.wrong_examples(PASSWORD));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_example_of_the_document_is_of_a_real_run() {
    run(async {
        // CSSM-033: each call is made as its row says
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("global");
        server.call("post", "/licservice/license", None, server.trust_message()).await;
        server.bundle("Default");
        let mut found = serde_json::Map::new();
        for route in in_a_safe_order().into_iter().filter(|route| !route.summary.is_empty()) {
            let (path, body) = server.example_for_global(&route);
            let token = if ends_login(&path) { server.log_in("global") } else { token.clone() };
            let answer = server.call(route.method, &path, token.as_deref(), body).await;
            let is_json = answer.header("content-type").starts_with("application/json");
            let what = format!("{} {}", route.method, route.path);
            if answer.status < 300 && is_json && route.path != "/openapi.json" {
                let value = serde_json::from_str(&answer.text()).unwrap();
                found.insert(what, document::as_example(&value));
            }
        }
        let kept = include_str!("../src/cssm/examples.json");
        document::assert_examples("cssm_examples.json", kept, &found);
    });
}

#[test]
fn each_field_that_is_wrong_is_refused_by_its_name_and_nothing_is_done() {
    run(async {
        // CSSM-033: absent, null, too long, negative, of another type, not known
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("global");
        let document = Document(openapi("CSSM", &cssm_routes()));
        let (mut wrong, mut count) = (Vec::new(), 0);
        for route in cssm_routes().into_iter().filter(|route| route.refusal == Refusal::Problem) {
            let (path, body) = server.example_for_global(&route);
            let Ok(body) = serde_json::from_slice::<Value>(&body) else { continue };
            let template = in_field_terms(route.path);
            let before = server.state();
            for spoiled in document.spoiled(route.method, &template, &body) {
                let text = spoiled.body.to_string();
                let answer = server.call(route.method, &path, token.as_deref(), text).await;
                count += 1;
                if let Some(why) =
                    document::does_not_name(answer.status, &answer.text(), &spoiled.pointer)
                {
                    let (how, at) = (spoiled.how, spoiled.pointer);
                    wrong.push(format!("{} {path} {at} {how}: {why}", route.method));
                }
            }
            assert_eq!(server.state(), before, "{path}");
        }
        assert!(wrong.is_empty() && count > 500, "{count} {wrong:#?}");
    });
}

/// A value of a query that is none of its kind.
fn no_value_of(schema: &Value) -> Vec<String> {
    let mut all = vec![];
    if schema["type"] == "integer" || schema["type"] == "boolean" {
        all.extend(["x", "1.5", "", "99999999999999999999"].map(str::to_owned));
    }
    if let Some(least) = schema["minimum"].as_i64() {
        all.push((least - 1).to_string());
    }
    if let Some(most) = schema["maximum"].as_i64() {
        all.push((most + 1).to_string());
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        all.push("x".repeat(usize::try_from(most).unwrap() + 1));
    }
    all
}

#[test]
fn each_parameter_that_is_wrong_is_refused_by_its_name() {
    run(async {
        // CSSM-033
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("global");
        let document = Document(openapi("CSSM", &cssm_routes()));
        let (mut wrong, mut count) = (Vec::new(), 0);
        for route in cssm_routes().into_iter().filter(|route| route.refusal == Refusal::Problem) {
            let (path, body) = server.example_for_global(&route);
            let operation = &document.0["paths"][&in_field_terms(route.path)][route.method];
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let of_query: Vec<&Value> = parameters.filter(|one| one["in"] == "query").collect();
            if of_query.is_empty() {
                continue;
            }
            let join = if path.contains('?') { '&' } else { '?' };
            let mut queries = vec![("not_known".to_owned(), format!("{path}{join}not_known=1"))];
            for parameter in of_query {
                let name = parameter["name"].as_str().unwrap();
                for value in no_value_of(&parameter["schema"]) {
                    queries.push((name.to_owned(), format!("{path}{join}{name}={value}")));
                }
                let once = format!("{path}{join}{name}=1&{name}=1");
                queries.push((name.to_owned(), once));
                if parameter["required"] == true {
                    let plain = path.split('?').next().unwrap().to_owned();
                    queries.push((name.to_owned(), plain));
                }
            }
            for (name, path) in queries {
                let answer = server.call(route.method, &path, token.as_deref(), body.clone()).await;
                count += 1;
                let problem: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
                let is_named = problem["errors"][0]["parameter"] == name;
                if ![400, 422].contains(&answer.status) || !is_named {
                    wrong.push(format!(
                        "{} {path}: {} {}",
                        route.method,
                        answer.status,
                        answer.text()
                    ));
                }
            }
        }
        assert!(wrong.is_empty() && count > 100, "{count} {wrong:#?}");
    });
}

#[test]
fn the_openapi_document_is_the_one_that_was_looked_at_and_holds_every_route() {
    // CSSM-033
    let document = openapi("CSSM", &cssm_routes());
    for route in cssm_routes().into_iter().filter(|route| !route.summary.is_empty()) {
        let path = in_field_terms(route.path);
        let operation = &document["paths"][&path][route.method];
        assert_eq!(operation["summary"], route.summary, "{} {}", route.method, route.path);
        let parameters = operation["parameters"].as_array().unwrap();
        let named = |place: &str| parameters.iter().filter(|p| p["in"] == place).count();
        assert_eq!(named("path"), route.path.matches('{').count(), "{}", route.path);
        assert!(route.request.is_none() || operation.get("requestBody").is_some(), "{path}");
        let open =
            operation.get("security").is_some_and(|security| security == &Value::Array(vec![]));
        assert_eq!(open, route.access == Access::Anyone, "{}", route.path);
    }
    let text = format!("{:#}\n", document);
    assert_golden("openapi_cssm.json", include_str!("golden/openapi_cssm.json"), &text);
}

#[test]
fn the_openapi_document_names_the_query_parameter_of_an_upload() {
    // CSSM-033: a client made from the document can upload
    let path = "/api/v1/smart-accounts/{smart_account_id}/virtual-accounts/{virtual_account_id}/usage-files";
    let document = openapi("CSSM", &cssm_routes());
    let parameters = document["paths"][path]["post"]["parameters"].as_array().unwrap();
    let name = parameters.iter().find(|p| p["in"] == "query" && p["name"] == "name");
    let name = name.expect("the name of the file is a query parameter");
    assert_eq!(name["required"], true);
    assert_eq!(name["schema"]["type"], "string");
}

#[test]
fn the_server_hands_out_its_own_description_and_root() {
    run(async {
        let server = Server::new(&Settings::default());
        let answer = server.call("get", "/openapi.json", None, Body::empty()).await;
        assert_eq!(
            serde_json::from_str::<Value>(&answer.text()).unwrap(),
            openapi("CSSM", &cssm_routes())
        );
        let answer = server.call("get", "/root.pem", None, Body::empty()).await;
        assert_eq!(answer.text(), ROOT_PEM);
        assert_eq!(server.call("get", "/healthz", None, Body::empty()).await.text(), "ok");
    });
}

#[test]
fn whatever_can_be_created_can_be_listed_and_corrected_removed_or_closed() {
    /// What is done to a thing, and makes none.
    const DEEDS: [&str; 27] = [
        "second-factor",
        "confirm",
        "remove",
        "reset",
        "test",
        "login",
        "logout",
        "password",
        "secret",
        "disable",
        "enable",
        "merge",
        "corrections",
        "license-transfers",
        "transfer",
        "epoch",
        "accept",
        "dismiss",
        "clear",
        "acknowledge",
        "policy-trials",
        "revoke",
        "move",
        "license",
        "DDCEService",
        "DCCEService",
        "collect",
    ];
    let routes = cssm_routes();
    // What the public API makes is made by the API of this project, too.
    let is_own = |route: &&Route| !route.summary.is_empty() && route.refusal == Refusal::Problem;
    let api: Vec<&Route> = routes.iter().filter(is_own).collect();
    let last = |path: &'static str| path.rsplit('/').next().unwrap();
    let mut wrong = Vec::new();
    for made in api.iter().filter(|route| route.method == "post").map(|route| last(route.path)) {
        if DEEDS.contains(&made) {
            continue;
        }
        if !api.iter().any(|route| route.method == "get" && last(route.path) == made) {
            wrong.push(format!("{made} are listed nowhere"));
        }
        let of_one = |route: &&&Route| {
            let below = route.path.split('/').skip_while(|part| *part != made).nth(1);
            below.is_some_and(|part| part.starts_with('{')) && route.method != "get"
        };
        // CSSM-019: what was reported stays.
        if made != "usage-files" && !api.iter().any(|route| of_one(&route)) {
            wrong.push(format!("{made} cannot be corrected, removed or closed"));
        }
    }
    // A policy is set and taken back.
    let policy: Vec<&str> = api
        .iter()
        .filter(|route| route.path.ends_with("{va}/policy"))
        .map(|route| route.method)
        .collect();
    assert_eq!(policy, ["get", "put", "delete"]);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Tables that grow with what is licensed, reported and done.
const LARGE: [&str; 19] = [
    "delivery",
    "job",
    "mail",
    "use_day",
    "product_instance",
    "license_use",
    "rum_report",
    "lineage",
    "usage_file",
    "usage_answer",
    "set_aside",
    "poll",
    "claim",
    "audit",
    "account_event",
    "book_entry",
    "holding",
    "alert",
    "registration_token",
];

#[test]
fn no_statement_of_the_api_looks_through_a_table_that_grows() {
    run(async {
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("global");
        server.call("post", "/licservice/license", None, server.trust_message()).await;
        for caller in ["part administrator", "global"] {
            let token = if caller == "global" { token.clone() } else { server.log_in(caller) };
            for route in in_a_safe_order().into_iter().filter(|route| !ends_login(route.path)) {
                let (path, body) = server.example_for_global(&route);
                let body = with_seen(&server, &route, &path, token.as_deref(), body).await;
                server.call(route.method, &path, token.as_deref(), body).await;
            }
        }
        let mut looked_at = 0;
        let mut wrong = Vec::new();
        for sql in rumline_store::statements_seen() {
            let verb = sql.trim_start().split(' ').next().unwrap();
            if !["SELECT", "UPDATE", "DELETE"].contains(&verb) {
                continue;
            }
            looked_at += 1;
            let plan = server.plan(&sql);
            // What is sorted is read whole, however little of it is wanted.
            let reads_large =
                plan.iter().any(|step| step.split(' ').any(|word| LARGE.contains(&word)));
            if reads_large
                && verb == "SELECT"
                && sql.contains("LIMIT")
                && plan.iter().any(|step| step.contains("TEMP B-TREE"))
            {
                wrong.push(format!("{plan:?}: {sql}"));
            }
            for step in plan {
                let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
                // A count along an index that stops is bounded.
                let stops = sql.contains("LIMIT 100000)") && step.contains("INDEX");
                if !stops && scanned.is_some_and(|table| LARGE.contains(&table)) {
                    wrong.push(format!(
                        "{step}: {}",
                        sql.split_whitespace().collect::<Vec<_>>().join(" ")
                    ));
                }
            }
        }
        assert!(looked_at > 60, "{looked_at}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        // The same on PostgreSQL, where the tests have one.
        std::thread::spawn(no_statement_seen_looks_through_a_table_on_postgresql).join().unwrap();
    });
}

fn no_statement_seen_looks_through_a_table_on_postgresql() {
    let directory = tempfile::tempdir().unwrap();
    for db in rumline_testkit::empty_databases(directory.path()).into_iter().skip(1) {
        let seen = rumline_store::statements_seen();
        let postgres = Planner::over(db);
        let asks = |sql: &&String| {
            let verb = sql.trim_start().split(' ').next().unwrap();
            // What SQLite says of itself no other engine is asked.
            ["SELECT", "UPDATE", "DELETE"].contains(&verb) && !sql.contains("sqlite_schema")
        };
        // It would be noticed.
        for through in [
            "SELECT id FROM product_instance WHERE hostname = $1",
            "UPDATE rum_report SET tag = $1 WHERE smart_account_id = $2",
            "SELECT id FROM audit ORDER BY id DESC LIMIT 5",
        ] {
            assert!(postgres.looks_through(through).is_some(), "{through}");
        }
        let seen: Vec<&String> = seen.iter().filter(asks).collect();
        assert!(seen.len() > 60, "{}", seen.len());
        let wrong: Vec<String> =
            seen.iter().filter_map(|sql| postgres.looks_through(sql)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Tells how PostgreSQL carries statements out where it has a choice.
struct Planner {
    db: std::sync::Arc<rumline_store::Db>,
    /// Indexes of some rows only: they may be gone through.
    partial: BTreeSet<String>,
}

impl Planner {
    /// Over an empty database with the schema of CSSM.
    fn over(db: rumline_store::Db) -> Self {
        let db = std::sync::Arc::new(db);
        let cssm = cssm_over(std::sync::Arc::clone(&db));
        let indexes = "SELECT indexname::TEXT FROM pg_indexes
            WHERE schemaname = current_schema() AND indexdef LIKE '% WHERE %'";
        let partial =
            cssm.db().read("test.indexes", move |tx| tx.rows(indexes, &[], |row| row.text(0)));
        let partial: Vec<String> = partial.unwrap();
        assert!(partial.len() > 5, "{partial:?}");
        Self { db, partial: partial.into_iter().collect() }
    }

    /// What a statement goes through of a table that grows, if it does: with no way but that to find its rows.
    fn looks_through(&self, sql: &str) -> Option<String> {
        let count = (1..30).take_while(|number| sql.contains(&format!("${number}"))).count();
        let values = match count {
            0 => String::new(),
            count => format!("({})", vec!["NULL"; count].join(", ")),
        };
        let (prepare, explain) = (
            format!("PREPARE looked_at AS {sql}"),
            format!("EXPLAIN (COSTS OFF) EXECUTE looked_at{values}"),
        );
        let work = move |tx: &mut rumline_store::Tx<'_>| {
            tx.batch(
                "SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan",
            )?;
            tx.batch(&prepare)?;
            let plan: Vec<String> = tx.rows(&explain, &[], |row| row.text(0))?;
            tx.batch("DEALLOCATE looked_at")?;
            Ok::<_, rumline_cssm::Error>(plan)
        };
        let plan =
            self.db.write("test.plan", work).unwrap_or_else(|error| panic!("{sql}: {error}"));
        for (at, step) in plan.iter().enumerate() {
            let words: Vec<&str> = step.split_whitespace().collect();
            let Some(on) = words.iter().position(|word| *word == "on") else { continue };
            if !words.get(on + 1).is_some_and(|table| LARGE.contains(table))
                || step.contains("Bitmap")
            {
                continue;
            }
            let is_narrow = plan[at + 1..]
                .iter()
                .take_while(|below| !below.contains("->"))
                .any(|below| below.contains("Index Cond"));
            let using = words.iter().position(|word| *word == "using");
            let is_partial = using.is_some_and(|using| self.partial.contains(words[using + 1]));
            if step.contains("Seq Scan") || !(is_narrow || is_partial) && step.contains("Scan") {
                let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
                return Some(format!("{}: {sql}", step.trim()));
            }
        }
        None
    }
}

#[test]
fn a_report_is_the_same_as_json_and_for_spreadsheets() {
    run(async {
        // CSSM-006: more than a page of it too
        let server = Server::new(&Settings::default());
        let token = server.log_in("global");
        server.add_product_instances(1_000..3_100);
        let reports = "/api/v1/smart-accounts/1/reports";
        for name in ["use", "delta", "licenses", "subscriptions", "product-instances"] {
            let get = async |query: &str| {
                let path = format!("{reports}/{name}{query}");
                let answer = server.call("get", &path, token.as_deref(), Body::empty()).await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                answer
            };
            let mut rows: Vec<Value> =
                serde_json::from_str(&get("?limit=1000").await.text()).unwrap();
            while name == "product-instances" && rows.len().is_multiple_of(1_000) {
                let after = rows.last().unwrap()["id"].as_i64().unwrap();
                let more = get(&format!("?limit=1000&after={after}")).await.text();
                rows.extend(serde_json::from_str::<Vec<Value>>(&more).unwrap());
            }
            let csv = get("?format=csv").await;
            assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
            let text = csv.text();
            let lines: Vec<&str> = text.split_terminator("\r\n").collect();
            assert_eq!(lines.len(), rows.len() + 1, "{name}: {text}");
            assert!(name == "subscriptions" || !rows.is_empty(), "{name}");
            if name == "product-instances" {
                assert!(rows.len() > 2_100 && lines[2_000].starts_with("'=cmd(),N9K-C9504,SN"));
            }
            assert!(lines[0].contains("License"), "{}", lines[0]);
        }
        for wrong in
            ["use?from=x", "use?by=year", "use?format=xml", "delta?form=csv", "use?to=1960-01-01"]
        {
            let path = format!("{reports}/{wrong}");
            let answer = server.call("get", &path, token.as_deref(), Body::empty()).await;
            assert!([400, 422].contains(&answer.plain_status()), "{path}: {}", answer.text());
            answer.assert_problem();
        }
    });
}

#[test]
fn a_form_that_is_refused_keeps_what_was_typed_and_says_what_is_wrong_beside_it() {
    run(async {
        // CSSM-010
        let server = Server::new(&Settings::default());
        let token = server.log_in("user");
        let at = "/smart-accounts/1/virtual-accounts/1";
        let create = |body: &'static str| {
            server.call(
                "post",
                "/smart-accounts/1/virtual-accounts/1/tokens",
                token.as_deref(),
                body,
            )
        };
        let refused = create("description=%3Cb%3EBack+room&expires_after_days=900").await;
        assert_eq!(refused.status, 422);
        let text = refused.text();
        assert!(text.contains("value=\"&lt;b&gt;Back room\""), "{text}");
        assert!(text.contains("value=\"900\"") && text.contains("aria-invalid=\"true\""), "{text}");
        assert!(text.contains("a token expires after 1 to 365 days"), "{text}");
        assert!(!text.contains("<b>Back room"));
        let refused = create("expires_after_days=soon").await.text();
        assert!(
            refused.contains("Expire After (days) is a whole number, not &quot;soon&quot;"),
            "{refused}"
        );
        let done = create("description=Back+room&expires_after_days=90&uses_max=2").await;
        assert_eq!(done.status, 303);
        // What was done is said once, on the page it leads to.
        let said = done.cookies().find(|cookie| cookie.starts_with("rumline-443-said=")).unwrap();
        let said = said.split(';').next().unwrap().to_owned();
        let bearer = format!("Bearer {}", token.clone().unwrap());
        let headers = [("authorization", bearer.as_str()), ("cookie", said.as_str())];
        let page = server.send("get", at, &headers, "").await;
        assert!(page.text().contains("The token is created."), "{}", page.text());
        assert!(page.cookies().any(|cookie| cookie.contains("Max-Age=0")));
        let page = server.call("get", at, token.as_deref(), "").await.text();
        assert!(!page.contains("The token is created.") && page.contains("Back room"), "{page}");
    });
}

#[test]
fn a_list_of_product_instances_is_searched_sorted_and_paged_both_ways() {
    run(async {
        // CSSM-013
        let server = Server::new(&Settings::default());
        server.add_product_instances(100..230);
        let token = server.log_in("viewer");
        let at = "/smart-accounts/1/virtual-accounts/1/product-instances";
        let rows = |text: &str| text.matches("data-head=\"Serial Number\"").count();
        let link = |text: &str, rel: &str| -> Option<String> {
            let before =
                text.split(&format!("rel=\"{rel}\"")).next().filter(|start| *start != text)?;
            let href = before.rsplit("href=\"").next()?.split('"').next()?;
            Some(href.replace("&amp;", "&"))
        };
        let get = async |path: &str| server.call("get", path, token.as_deref(), "").await.text();
        let (mut path, mut pages) = (format!("{at}?sort=serial"), Vec::new());
        loop {
            let text = get(&path).await;
            pages.push((path.clone(), rows(&text)));
            assert!(text.contains("aria-sort=\"ascending\""));
            match link(&text, "next") {
                Some(next) => path = next,
                None => break,
            }
        }
        let counts: Vec<usize> = pages.iter().map(|(_, rows)| *rows).collect();
        assert_eq!(counts, [50, 50, 31]);
        for step in (1..pages.len()).rev() {
            let back = link(&get(&pages[step].0).await, "prev").unwrap();
            assert_eq!(get(&back).await, get(&pages[step - 1].0).await);
        }
        let found = get(&format!("{at}?search=sn22")).await;
        assert_eq!(rows(&found), 10);
        assert!(found.contains("Showing 10 of 10 Records"), "{found}");
        let one = get(&format!("{at}?search=SECRETSERIAL")).await;
        assert!(one.contains("Showing 1 of 1 Record"), "{one}");
        assert!(get(&format!("{at}?search=%3Cscript%3E")).await.contains("Nothing matches"));
    });
}

#[test]
fn each_label_of_the_guide_stands_where_the_guide_has_it() {
    run(async {
        // CSSM-009 to 020
        let server = Server::new(&Settings::default());
        let token = server.log_in("global").unwrap();
        let labels = labels::labels("cssm");
        assert!(labels.len() > 30);
        for (path, label, guide) in labels {
            let answer = server.call("get", path, Some(&token), Body::empty()).await;
            assert_eq!(answer.status, 200, "{path}");
            let shown = labels::shown(&answer.text());
            assert!(shown.contains(label), "{path} lacks {label:?} ({guide}): {shown}");
        }
    });
}

#[test]
fn a_file_is_looked_into_before_it_is_taken_and_by_its_own_account_alone() {
    run(async {
        // CSSM-017
        let server = Server::new(&Settings::default());
        let (token, other) = (server.log_in("user").unwrap(), server.log_in("other").unwrap());
        let choose = cssm_routes().into_iter().find(|route| route.path.ends_with("/reports/files"));
        let (path, file) = server.example(&choose.unwrap());
        let before = server.cssm.usage_files(SA, &rumline_server::Only::All).unwrap();
        let answer = server.call("post", &path, Some(&token), file).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let waits = answer.header("location").to_owned();
        let page = server.call("get", &waits, Some(&token), Body::empty()).await;
        let shown = labels::shown(&page.text());
        for words in
            ["Select Virtual Accounts", "again.txt", "SN:SECRETSERIAL", "Upload Data", "in Default"]
        {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        // Nothing is taken yet, and nobody else finds it.
        assert_eq!(server.cssm.usage_files(SA, &rumline_server::Only::All).unwrap(), before);
        let theirs = waits.replace("smart-accounts/1", "smart-accounts/2");
        for (token, path) in [(&other, &theirs), (&other, &waits), (&token, &theirs)] {
            let answer = server.call("get", path, Some(token), Body::empty()).await;
            assert_eq!(answer.status, 404, "{path}");
        }
        // One that is refused waits on; one that is taken is gone.
        for (choice, status) in [("", 422), ("999", 404), ("1", 303), ("1", 404)] {
            let body = format!("virtual_account_id={choice}");
            let answer = server.call("post", &waits, Some(&token), body).await;
            assert_eq!(answer.status, status, "{choice:?}: {}", answer.text());
        }
        let after = server.cssm.usage_files(SA, &rumline_server::Only::All).unwrap();
        assert_eq!(after.len(), before.len() + 1);
        assert_eq!(after[0].name, "again.txt");
        // What is no usage file is told at once.
        let nonsense = "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"n.txt\"\r\n\r\n\
        nothing\r\n--edge--\r\n";
        let answer = server.call("post", &path, Some(&token), nonsense).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text().contains("role=\"alert\""), "{}", answer.text());
    });
}

#[test]
fn files_that_wait_push_out_those_of_their_own_account_alone() {
    run(async {
        let server = Server::new(&Settings::default());
        let (token, other) = (server.log_in("user").unwrap(), server.log_in("other").unwrap());
        let choose = cssm_routes().into_iter().find(|route| route.path.ends_with("/reports/files"));
        let (path, file) = server.example(&choose.unwrap());
        let mut waits = Vec::new();
        for place in 0..6 {
            let (token, path) = match place {
                0 => (&other, path.replace("smart-accounts/1", "smart-accounts/2")),
                _ => (&token, path.clone()),
            };
            let answer = server.call("post", &path, Some(token), file.clone()).await;
            waits.push(answer.header("location").to_owned());
        }
        for (place, status) in [(0, 200), (1, 404), (2, 200), (5, 200)] {
            let token = if place == 0 { &other } else { &token };
            let answer = server.call("get", &waits[place], Some(token), Body::empty()).await;
            assert_eq!(answer.status, status, "file {place}");
        }
    });
}

#[test]
fn what_is_said_is_said_to_a_page_and_not_to_a_part_of_one() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = format!("Bearer {}", server.log_in("user").unwrap());
        let headers =
            [("authorization", token.as_str()), ("cookie", "rumline-443-said=%3Cb%3Edone")];
        let page = "/smart-accounts/1/alerts";
        let part = [headers[0], headers[1], ("x-part", "live")];
        let answer = server.send("get", page, &part, Body::empty()).await;
        assert!(!answer.text().contains("done") && answer.header("set-cookie").is_empty());
        let answer = server.send("get", page, &headers, Body::empty()).await;
        assert!(answer.text().contains("role=\"status\">&lt;b&gt;done"), "{}", answer.text());
        assert!(answer.header("set-cookie").contains("-said=; "));
        // What is not good looks so; nobody who is not logged in yet is forgotten either.
        let bad = [headers[0], ("cookie", "rumline-443-said=!no")];
        let answer = server.send("get", page, &bad, Body::empty()).await;
        assert!(answer.text().contains("role=\"alert\">no"));
        let answer = server.send("get", "/login", &bad[1..], Body::empty()).await;
        assert!(answer.text().contains("role=\"alert\">no"));
    });
}

#[test]
fn what_is_not_for_devices_is_answered_over_tls_1_3_only() {
    run(async {
        // PI-NET-006
        use rumline_net::Secured::{Plain, Tls12, Tls13};
        let server = Server::new(&Settings::default());
        let mut for_devices = BTreeSet::new();
        for route in cssm_routes() {
            let (path, _) = server.example(&route);
            let what = format!("{} {path}", route.method);
            let old = server.status_over(Tls12, route.method, &path).await;
            assert_eq!(old != 426, route.for_devices, "{what}: {old}");
            for secured in [Plain, Tls13] {
                assert_ne!(server.status_over(secured, route.method, &path).await, 426, "{what}");
            }
            if route.for_devices {
                for_devices.insert(what);
            }
        }
        // What is not there, and what is not done there, has a page too.
        for (method, path) in [("get", "/nothing"), ("delete", "/"), ("put", "/licservice/license")]
        {
            assert_eq!(server.status_over(Tls12, method, path).await, 426, "{method} {path}");
            assert_ne!(server.status_over(Tls13, method, path).await, 426, "{method} {path}");
        }
        let expected = [
            "get /licservice/license",
            "post /its/service/oddce/services/DCCEService",
            "post /its/service/oddce/services/DDCEService",
            "post /licservice/license",
        ];
        assert_eq!(for_devices, expected.map(str::to_owned).into());
    });
}
