//! What the pages of CSSM do that is more than a list: forms that two people are in, and what is looked at before it is done.

use crate::engine::run;
use axum::body::Body;
use rumline_cssm::{Only, PurchaseId, Settings, VirtualAccountId};
use rumline_web::cssm_routes;

use crate::common::*;
use crate::forms;

/// What is sent by a form, with what was seen of what it changes.
pub(crate) async fn with_seen(
    server: &Server,
    route: &Route,
    path: &str,
    token: Option<&str>,
    mut body: Vec<u8>,
) -> Vec<u8> {
    if let Some(page) = forms::page_of(route, path).filter(|_| route.changes) {
        // What is typed stands in the address where it is looked at before.
        let page = format!("{page}?{}", String::from_utf8_lossy(&body));
        let page = server.call("get", &page, token, Body::empty()).await;
        if let Some(seen) = forms::seen_of(&page.text(), path) {
            body.extend_from_slice(format!("&seen={seen}").as_bytes());
        }
    }
    body
}

#[test]
fn whoever_shows_what_is_there_to_be_changed_carries_what_was_seen() {
    run(async {
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("global").unwrap();
        let routes = cssm_routes();
        let mut wrong = Vec::new();
        let mail = routes.iter().find(|route| route.path == "/me/mail" && route.method == "post");
        let (path, body) = server.example(mail.unwrap());
        let body = with_seen(&server, mail.unwrap(), &path, Some(&token), body).await;
        assert_eq!(server.call("post", &path, Some(&token), body).await.status, 303);
        for page in routes.iter().filter(|route| route.summary.is_empty() && route.method == "get")
        {
            let (at, _) = server.example(page);
            let answer = server.call("get", &at, Some(&token), Body::empty()).await;
            wrong.extend(forms::wrong_forms(&routes, &at, &answer.text()));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn the_later_of_two_people_in_one_form_changes_nothing_and_is_told() {
    run(async {
        let changing: Vec<Route> =
            cssm_routes().into_iter().filter(|route| route.changes).collect();
        assert!(changing.len() > 5, "{}", changing.len());
        for route in changing {
            let server = Server::with_decisions(&Settings::default());
            let token = server.log_in("global").unwrap();
            let (path, body) = server.example_that_changes(&route);
            let what = format!("{} {}", route.method, path);
            let send = |body: Vec<u8>| server.call("post", &path, Some(&token), body);
            let page = forms::page_of(&route, &path).unwrap();
            let page = format!("{page}?{}", String::from_utf8_lossy(&body));
            let show = async || {
                let page = server.call("get", &page, Some(&token), Body::empty()).await;
                forms::still(&page.text())
            };
            // Without what was seen nothing is done.
            let shown = show().await;
            let blind = send(body.clone()).await;
            assert_eq!(blind.status, 409, "{what}: {}", blind.text());
            assert_eq!(show().await, shown, "{what}");
            // Both see the same; the first changes it.
            let seen = forms::seen_of(&shown, &path).unwrap_or_else(|| panic!("{what}: {shown}"));
            let with = |seen: &str| [body.as_slice(), format!("&seen={seen}").as_bytes()].concat();
            let first = send(with(&seen)).await;
            assert_eq!(first.status, 303, "{what}: {}", first.text());
            // What it changed may be gone with it.
            let changed = show().await;
            let now = forms::seen_of(&changed, &path);
            assert_ne!(now.as_ref(), Some(&seen), "{what}: the example changes nothing");
            let later = send(with(&seen)).await;
            assert_eq!(show().await, changed, "{what}: the later one changed it");
            if later.status != 404 {
                assert_eq!(later.status, 409, "{what}: {}", later.text());
                assert!(later.text().contains("changed meanwhile by somebody else"), "{what}");
                // Whoever has read what it is now may send it again.
                if let Some(now) = now {
                    assert_eq!(forms::seen_of(&later.text(), &path), Some(now), "{what}");
                }
            }
        }
    });
}

#[test]
fn a_form_that_comes_back_twice_keeps_what_was_typed_and_what_was_seen() {
    run(async {
        let server = Server::new(&Settings::default());
        let token = server.log_in("viewer").unwrap();
        let show = async || server.call("get", "/me/mail", Some(&token), "").await.text();
        let send = async |typed: &str, seen: &str| {
            let body = format!("address={typed}&pace=daily&kinds=&seen={seen}");
            server.call("post", "/me/mail", Some(&token), body).await
        };
        let first = forms::seen_of(&show().await, "/me/mail").unwrap();
        // Refused for what was typed, while somebody else changes it: it is not taken the next time either.
        let refused = send("nobody", &first).await;
        assert_eq!(refused.status, 422);
        assert_eq!(send("eve@example.net", &first).await.status, 303);
        let carried = forms::seen_of(&refused.text(), "/me/mail").unwrap();
        assert_eq!(carried, first);
        let later = send("ann@example.net", &carried).await;
        assert_eq!(later.status, 409);
        let text = later.text();
        assert!(text.contains("Address: eve@example.net, When: once a day"), "{text}");
        assert!(text.contains("value=\"ann@example.net\""), "{text}");
        // Having seen that, it is taken.
        let now = forms::seen_of(&text, "/me/mail").unwrap();
        assert_eq!(send("ann@example.net", &now).await.status, 303);
        assert!(show().await.contains("ann@example.net"));
    });
}

#[test]
fn licences_are_handed_on_as_they_were_looked_at() {
    run(async {
        // CSSM-004
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let at = "/smart-accounts/1/virtual-accounts/1/transfer";
        let asked = |quantity: &str| {
            format!("license=LAN_ENTERPRISE_SERVICES_PKG&quantity={quantity}&to=3")
        };
        let look = async |quantity: &str| {
            let path = format!("{at}?{}", asked(quantity));
            server.call("get", &path, Some(&token), Body::empty()).await.text()
        };
        let held = || {
            let (purchase, _) = server.cssm.purchase(SA, PurchaseId(1)).unwrap();
            purchase
                .shares
                .iter()
                .map(|one| (one.virtual_account_id.0, one.quantity))
                .collect::<Vec<_>>()
        };
        let page = look("2").await;
        assert!(
            crate::labels::shown(&page)
                .contains("2 × LAN_ENTERPRISE_SERVICES_PKG would go from Default to Branch"),
            "{page}"
        );
        assert!(page.contains("2 of 5"), "{page}");
        assert_eq!(held(), [(1, 5)], "looking changes nothing");
        for (quantity, words) in
            [("9", "Default holds 5 x"), ("0", "a quantity is 1 to"), ("x", "is a whole number")]
        {
            let page = look(quantity).await;
            assert!(
                page.contains(words) && forms::seen_of(&page, at).is_none(),
                "{quantity}: {page}"
            );
        }
        let seen = forms::seen_of(&page, at).unwrap();
        let send = async || {
            let body = format!("{}&seen={seen}", asked("2"));
            server.call("post", at, Some(&token), body).await
        };
        assert_eq!(send().await.status, 303);
        assert_eq!(held(), [(1, 3), (3, 2)]);
        // Pressed twice it is not done twice.
        let again = send().await;
        assert_eq!(again.status, 409);
        assert!(again.text().contains("purchase 1: 2 of 3"), "{}", again.text());
        assert_eq!(held(), [(1, 3), (3, 2)]);
        // Whoever administers one of the two only is shown no way to the other.
        let part = server.log_in("part administrator").unwrap();
        let page = server.call("get", at, Some(&part), Body::empty()).await.text();
        assert!(page.contains("no other Virtual Account that you administer"), "{page}");
        let path = format!("{at}?{}", asked("1"));
        assert_eq!(server.call("get", &path, Some(&part), Body::empty()).await.status, 404);
    });
}

#[test]
fn a_policy_is_checked_and_tried_before_it_is_set() {
    run(async {
        // CSSM-016, 022, 023
        let server = Server::new(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let days =
            "first_report_days=30&ongoing_report_days=0&on_change_report_days=30&lifetime_days=";
        let typed = format!("policy_name=Odd&{days}");
        for (of, whose, set_for) in [
            ("account", "Policy of the Smart Account Example", "smart_account"),
            ("part-1", "Policy of the Virtual Account Default", "virtual_account"),
            ("license-LAN_ENTERPRISE_SERVICES_PKG", "Policy of the license LAN", "tag"),
        ] {
            let at = format!("/smart-accounts/1/reports/policy/{of}");
            let get = async |query: &str| {
                server.call("get", &format!("{at}{query}"), Some(&token), Body::empty()).await
            };
            let before = server.cssm.policy(SA, VirtualAccountId(1)).unwrap();
            let page = get("").await.text();
            assert!(page.contains(whose), "{page}");
            let tried = get(&format!("?{typed}&on=1&try=1")).await.text().replace("<wbr>", "");
            for words in [
                "no ACK is required",
                "ongoing_report_days is 0",
                "Tried on what was reported in Default",
                "SN:SECRETSERIAL",
                "value=\"Odd\"",
            ] {
                assert!(tried.contains(words), "{of}: {words}: {tried}");
            }
            assert_eq!(server.cssm.policy(SA, VirtualAccountId(1)).unwrap(), before, "{of}");
            let wrong = get("?policy_name=Odd&first_report_days=soon&try=1").await.text();
            assert!(wrong.contains("First report: a whole number of days"), "{wrong}");
            let wrong = get(&format!("?{typed}1&try=1")).await.text();
            assert!(wrong.contains("the lifetime of this policy is"), "{wrong}");
            // Set, seen, and taken back.
            let send = async |path: &str, body: String| {
                server.call("post", path, Some(&token), body).await
            };
            let seen = forms::seen_of(&tried, &at).unwrap();
            let refused = send(&at, format!("policy_name=&{days}&seen={seen}")).await;
            assert_eq!(refused.status, 422, "{}", refused.text());
            assert_eq!(send(&at, format!("{typed}&seen={seen}")).await.status, 303);
            let path = match of {
                "account" | "part-1" => "virtual-accounts/1/policy",
                _ => "product-instances/1/policy",
            };
            let path = format!("/api/v1/smart-accounts/1/{path}");
            let now = server.call("get", &path, Some(&token), Body::empty()).await.text();
            assert!(now.contains("\"policy_name\":\"Odd\"") && now.contains(set_for), "{now}");
            assert_eq!(send(&format!("{at}/back"), String::new()).await.status, 303);
            assert_eq!(server.cssm.policy(SA, VirtualAccountId(1)).unwrap().policy, before.policy);
        }
        for of in ["none", "part-999", "part-x", "license-NONE"] {
            let at = format!("/smart-accounts/1/reports/policy/{of}");
            assert_eq!(
                server.call("get", &at, Some(&token), Body::empty()).await.status,
                404,
                "{of}"
            );
        }
    });
}

#[test]
fn claims_and_epochs_are_decided_where_they_are_shown() {
    run(async {
        let server = Server::with_decisions(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let get = async |path: &str| {
            let page = server.call("get", path, Some(&token), Body::empty()).await;
            page.text().replace("<wbr>", "")
        };
        let claims = get("/smart-accounts/1/alerts/claims").await;
        assert!(
            claims.contains("PID:N9K-C9504,SN:TYPED1") && claims.contains("by way of a test"),
            "{claims}"
        );
        let send = async |path: &str, body: String| {
            server.call("post", path, Some(&token), body).await.status
        };
        assert_eq!(send("/smart-accounts/1/claims/901/accept", String::new()).await, 303);
        assert_eq!(send("/smart-accounts/1/claims/902/dismiss", String::new()).await, 303);
        let claims = get("/smart-accounts/1/alerts/claims").await;
        assert!(!claims.contains("TYPED"), "{claims}");
        let taken = server.cssm.instances(SA, &Only::All, Default::default(), 1000).unwrap();
        assert!(taken.iter().any(|one| one.serial == "TYPED1"));
        // Two speak as one; the one that is chosen goes on.
        let at = "/smart-accounts/1/virtual-accounts/1/product-instances/904";
        let to = format!("{at}/epoch");
        let page = get(at).await;
        assert!(page.contains("speaks too") && page.contains("This One Goes On"), "{page}");
        let seen = forms::seen_of(&page, &to).unwrap();
        assert_eq!(send(&to, format!("epoch=none&seen={seen}")).await, 404);
        assert_eq!(send(&to, format!("epoch=other&seen={seen}")).await, 303);
        let page = get(at).await;
        assert!(!page.contains("speaks too") && !page.contains("This One Goes On"), "{page}");
        assert!(page.contains("ended"), "{page}");
    });
}

#[test]
fn what_is_wrong_with_the_end_of_a_purchase_stands_beside_it() {
    run(async {
        // PI-LIC-005
        let server = Server::new(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let mut told = Vec::new();
        for (kind, ends, words) in [
            ("term", "", "a term or a subscription needs its end"),
            ("subscription", "2020-01-01", "the end is in the past"),
            ("perpetual", "2999-01-01", "a perpetual purchase has no end"),
            ("term", "soon", "Until: "),
        ] {
            let body = format!(
                "license=LAN_ENTERPRISE_SERVICES_PKG&virtual_account_id=1&quantity=3&kind={kind}&ends={ends}"
            );
            let path = "/smart-accounts/1/reports/purchases";
            let answer = server.call("post", path, Some(&token), body).await;
            let text = answer.text();
            assert_eq!(answer.status, 422, "{kind} {ends}: {text}");
            let beside =
                text.split("id=\"ends-told\">").nth(1).and_then(|rest| rest.split('<').next());
            assert!(beside.is_some_and(|beside| beside.contains(words)), "{words}: {beside:?}");
            told.extend(beside.map(str::to_owned));
        }
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 4);
    });
}
