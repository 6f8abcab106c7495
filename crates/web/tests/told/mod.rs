//! What the pages of CSSM say: where something is searched, as of when it is so, what comes of a deed, and in which words.

use crate::engine::run;
use axum::body::Body;
use rumline_cssm::{Action, NewToken, Settings, VirtualAccountId};
use rumline_server::Actor;
use rumline_web::{Access, cssm_routes};

use crate::common::*;
use crate::labels::shown;

const DEFAULT: &str = "/smart-accounts/1/virtual-accounts/1";

/// A page as people read it, on one line.
async fn page(server: &Server, caller: &str, path: &str) -> String {
    let token = server.log_in(caller);
    let answer = server.call("get", path, token.as_deref(), Body::empty()).await;
    assert_eq!(answer.status, 200, "{path} as {caller}: {}", answer.text());
    answer.text()
}

#[test]
fn a_device_of_a_product_that_is_in_no_table_says_so_and_what_it_uses() {
    run(async {
        // C-48
        let server = Server::new(&Settings::default());
        let path = format!("{DEFAULT}/product-instances/1");
        let told = "is not in the catalogue of this CSSM";
        assert!(!page(&server, "global", &path).await.contains(told));
        let to_other = |tx: &mut rumline_store::Tx<'_>| {
            tx.execute("UPDATE product_instance SET pid = 'AM-S48' WHERE id = 1", &[])
        };
        server.cssm.db().write("test.other", to_other).unwrap();
        let shown = page(&server, "global", &path).await;
        assert!(shown.contains(&format!("The product id AM-S48 {told}")), "{shown}");
        // Where a long word may be broken is no part of it.
        let shown = shown.replace("<wbr>", "");
        for part in ["Other", "LAN_ENTERPRISE_SERVICES_PKG", "PID:AM-S48,SN:SECRETSERIAL"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    });
}

#[test]
fn all_pages_spell_as_the_guide_does() {
    run(async {
        let server = Server::with_decisions(&Settings::default());
        let mut looked_at = 0;
        for route in cssm_routes().iter().filter(|route| route.summary.is_empty()) {
            let is_page = route.method == "get" && !route.path.contains("{chosen}");
            if !is_page || route.path.ends_with("/file") || route.access == Access::Anyone {
                continue;
            }
            let (path, _) = server.example(route);
            let answer =
                server.call("get", &path, server.log_in("global").as_deref(), Body::empty()).await;
            let text = shown(&answer.text()).to_lowercase();
            for word in ["licence", "colour", "behaviour", "centre", "favour", "cancelled"] {
                assert!(!text.contains(word), "{path} says {word}");
            }
            looked_at += 1;
        }
        assert!(looked_at > 30, "{looked_at}");
    });
}

#[test]
fn a_search_says_where_it_looks_and_leads_to_one_everywhere() {
    run(async {
        // CSSM-013
        let server = Server::with_decisions(&Settings::default());
        let lab = VirtualAccountId(3);
        let found = server.cssm.instances(SA, &rumline_cssm::Only::All, Default::default(), 10);
        let first = found.unwrap().iter().find(|one| one.serial == "SECRETSERIAL").unwrap().id;
        let by = Actor::person("admin");
        let now = rumline_net::Clock::real().now();
        server.cssm.transfer_instances(now, &by, SA, &[first], lab, false).unwrap();
        // In one virtual account it is not, and that is said.
        let here =
            page(&server, "viewer", &format!("{DEFAULT}/product-instances?search=SECRET")).await;
        assert!(here.contains("Search Default by name"), "{here}");
        assert!(here.contains("Nothing matches in Default."), "{here}");
        let everywhere = "/smart-accounts/1/product-instances?search=SECRET";
        assert!(here.contains(&format!("href=\"{everywhere}\"")), "{here}");
        let there = page(&server, "viewer", everywhere).await;
        assert!(there.contains("Search all Virtual Accounts by name"), "{there}");
        assert!(there.contains("Showing 1 of 1 Record"), "{there}");
        let to = format!("/smart-accounts/1/virtual-accounts/3/product-instances/{first}");
        assert!(there.contains(&to) && shown(&there).contains("Branch"), "{there}");
        // Who may see one virtual account finds what is in it.
        let part = page(&server, "part viewer", everywhere).await;
        assert!(part.contains("Nothing matches in any virtual account."), "{part}");
        let part = page(&server, "part viewer", "/smart-accounts/1/product-instances").await;
        assert!(part.contains("SN902") && !part.contains("SECRETSERIAL"), "{part}");
    });
}

#[test]
fn alerts_say_as_of_when_they_are_and_lead_to_what_they_are_about() {
    run(async {
        // CSSM-009
        let server = Server::with_decisions(&Settings::default());
        let [overview, alerts] = ["overview", "alerts"].map(|at| format!("/smart-accounts/1/{at}"));
        for at in [&overview, &alerts] {
            let text = shown(&page(&server, "user", at).await);
            assert!(
                text.contains("not yet since the server or this account began"),
                "{at}: {text}"
            );
        }
        let now = rumline_net::Clock::real().now();
        server.cssm.watch(now).unwrap();
        let day = now.to_string().split('T').next().unwrap().to_owned();
        for at in [&overview, &alerts] {
            let text = page(&server, "user", at).await;
            let told = shown(&text);
            assert!(told.contains(&format!("As of {day}")), "{at}: {told}");
            assert!(text.contains("/smart-accounts/1/product-instances?search="), "{at}: {text}");
        }
        // One word for one thing.
        let told = shown(&page(&server, "user", &alerts).await);
        assert!(told.contains("Acknowledged By") && told.contains("Acknowledge"), "{told}");
        // Licenses are a way to where they are in use.
        let license = "LAN_ENTERPRISE_SERVICES_PKG";
        let text = page(&server, "viewer", &overview).await;
        assert!(text.contains(&format!("href=\"/smart-accounts/1/licenses/{license}\"")), "{text}");
        let text = page(&server, "viewer", &format!("/smart-accounts/1/licenses/{license}")).await;
        assert!(text.contains(&format!("href=\"{DEFAULT}/licenses/{license}\"")), "{text}");
    });
}

#[test]
fn the_audit_of_an_account_is_for_those_who_administer_it() {
    run(async {
        let server = Server::new(&Settings::default());
        let new = NewToken { description: "x".to_owned(), expires_after_days: 3, uses_max: None };
        let now = rumline_net::Clock::real().now();
        server
            .cssm
            .create_token(now, &Actor::person("ann"), SA, VirtualAccountId(1), &new)
            .unwrap();
        let at = "/smart-accounts/1/audit";
        let text = page(&server, "administrator", at).await;
        assert!(text.contains("ann") && text.contains("aria-current=\"page\">Audit<"), "{text}");
        // A part of what was done is enough.
        let found = page(&server, "administrator", &format!("{at}?action=ACCOUNT&actor=ann")).await;
        assert!(found.contains("in the account"), "{found}");
        let none = page(&server, "administrator", &format!("{at}?action=nothing+such")).await;
        assert!(none.contains("Nothing matches."), "{none}");
        let overview = page(&server, "user", "/smart-accounts/1/overview").await;
        assert!(!overview.contains(at), "{overview}");
        let routes = cssm_routes();
        let row = routes.iter().find(|route| route.path == "/smart-accounts/{sa}/audit").unwrap();
        assert!(matches!(row.access, Access::May(Action::Administer)));
    });
}

#[test]
fn a_policy_that_is_set_has_a_name_of_its_own_and_what_comes_of_it_stands_first() {
    run(async {
        // CSSM-016
        let server = Server::new(&Settings::default());
        let at = "/smart-accounts/1/reports/policy/account";
        let text = page(&server, "administrator", at).await;
        assert!(
            text.contains("Set Another One") && text.contains("name=\"policy_name\" value=\"\"")
        );
        let days = "first_report_days=30&ongoing_report_days=30&on_change_report_days=30";
        let tried = format!("{at}?policy_name=Own&{days}&try=1");
        let text = page(&server, "administrator", &tried).await;
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        assert!(place("What comes of it") < place("name=\"policy_name\" value=\"Own\""), "{text}");
        let settings = page(&server, "administrator", &format!("{DEFAULT}/settings")).await;
        assert!(settings.contains("/smart-accounts/1/reports/policy/part-1"), "{settings}");
    });
}

#[test]
fn where_there_is_no_token_the_form_is_open_and_the_menu_says_where_one_is() {
    run(async {
        // CSSM-010
        let server = Server::with_decisions(&Settings::default());
        let branch = page(&server, "user", "/smart-accounts/1/virtual-accounts/3").await;
        assert!(branch.contains("No token yet.") && branch.contains("href=\"#description\""));
        assert!(branch.contains("<details class=\"box\" open>"), "{branch}");
        assert!(branch.contains("<summary>Virtual Account: Branch</summary>"), "{branch}");
        let default = page(&server, "user", DEFAULT).await;
        assert!(!default.contains("No token yet.") && !default.contains("class=\"box\" open"));
    });
}

#[test]
fn whoever_gives_a_role_is_told_which_and_where() {
    run(async {
        // CSSM-008
        let server = Server::new(&Settings::default());
        let token = server.log_in("administrator").unwrap();
        let at = "/smart-accounts/1/people";
        let shown = server.call("get", at, Some(&token), Body::empty()).await.text();
        let seen = crate::forms::seen_of(&shown, &format!("{at}/grant")).unwrap();
        let body =
            format!("login=vera&role=user&password={}&seen={seen}", PASSWORD.replace(' ', "+"));
        let done = server.call("post", &format!("{at}/grant"), Some(&token), body).await;
        assert_eq!(done.status, 303, "{}", done.text());
        let said = done.cookies().find(|cookie| cookie.contains("-said=")).unwrap().to_owned();
        assert!(
            said.contains("vera%20is%20now%20user%20of%20Smart%20Account%20Example."),
            "{said}"
        );
    });
}

#[test]
fn what_the_help_finds_is_told_by_a_line_of_its_text() {
    run(async {
        let server = Server::new(&Settings::default());
        let text = page(&server, "viewer", "/help?search=trust+code").await;
        let found: Vec<&str> = text.split("<li>").skip(1).collect();
        assert!(found.len() > 3, "{text}");
        let with_line = found.iter().filter(|one| one.contains("<div class=\"soft\">")).count();
        assert_eq!(with_line, found.len(), "{text}");
        assert!(found.iter().any(|one| shown(one).to_lowercase().contains("trust code")), "{text}");
    });
}

#[test]
fn a_transfer_that_is_looked_at_tells_both_balances_before_and_after() {
    run(async {
        // CSSM-004
        let server = Server::with_decisions(&Settings::default());
        let asked = "license=LAN_ENTERPRISE_SERVICES_PKG&quantity=2&to=3";
        let text = page(&server, "administrator", &format!("{DEFAULT}/transfer?{asked}")).await;
        let balances = text.split("What comes of it").nth(1).unwrap();
        let rows: Vec<String> = balances.split("<tr>").skip(2).map(shown).collect();
        let of = server.cssm.licenses(rumline_net::Clock::real().now(), SA).unwrap();
        let here = of.iter().find(|view| view.virtual_account_id == VirtualAccountId(1)).unwrap();
        let row = |part: &str, before: i64, after: i64| {
            let short = |balance: i64| if balance < 0 { " short" } else { "" };
            format!(
                "{part}LAN_ENTERPRISE_SERVICES_PKG{before}{}{after}{}",
                short(before),
                short(after)
            )
        };
        assert!(rows[0].starts_with(&row("Default", here.balance, here.balance - 2)), "{rows:?}");
        let there = of.iter().find(|view| view.virtual_account_id == VirtualAccountId(3));
        let there = there.map_or(0, |view| view.balance);
        assert!(rows[1].starts_with(&row("Branch", there, there + 2)), "{rows:?}");
    });
}
