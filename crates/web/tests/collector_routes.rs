#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]
//! Every route of the collectors for every role, and tenants apart (ONPREM-005, G-01).

mod document;
mod engine;
mod forms;
mod labels;
mod on_prem_older;
mod on_prem_public;

use crate::engine::{answer, run};
use rumline_server::Actor;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use rumline_collector::{Collector, Kind, Settings, TenantId, TenantSettings};
use rumline_net::{Clock, HttpClient, Shutdown};
use rumline_protocol::{SimulatedSuite, Suite, Timestamp, Udi};
use rumline_server::{Action, Role};
use rumline_testkit::{Chance, any_database};
use rumline_web::{
    Access, Background, Cisco, CollectorSite, Parts, Route, Spool, collector_router,
    collector_routes, cslu_routes, device_router, device_routes, on_prem_routes, openapi,
};

const TENANT: TenantId = TenantId(1);
const PASSWORD: &str = "correct horse battery";
const CALLERS: [&str; 6] = ["nobody", "other", "viewer", "operator", "administrator", "global"];

struct Server {
    collector: Collector,
    router: Router,
    devices: Router,
    now: Timestamp,
    _spool: tempfile::TempDir,
}

impl Server {
    /// Tenants `ONE` and `TWO`; in the first a product instance.
    fn new(kind: Kind) -> Self {
        let clock = Clock::real();
        let now = clock.now();
        let signer = SimulatedSuite.generate_device_key(&mut Chance::of(5)).unwrap().into();
        let random = Arc::new(Mutex::new(Chance::of(1)));
        let settings = Settings {
            kind,
            name: "lab".to_owned(),
            version: Settings::ON_PREM_VERSION.to_owned(),
            root_certificate: b"root".to_vec(),
        };
        let db = Arc::new(any_database());
        let suite = Arc::new(SimulatedSuite);
        let collector = Collector::open(db, suite, signer, random, settings).unwrap();
        let account = |virtual_account: &str| TenantSettings {
            smart_account: "Example".to_owned(),
            virtual_account: virtual_account.to_owned(),
            connected: true,
            sync_minutes: 15,
        };
        if kind == Kind::OnPrem {
            collector
                .create_tenant(now, &Actor::person("admin"), "ONE", &account("Secret VA"))
                .unwrap();
            collector
                .create_tenant(now, &Actor::person("admin"), "TWO", &account("Default"))
                .unwrap();
        } else {
            collector
                .set_tenant(now, &Actor::person("admin"), TENANT, &account("Secret VA"))
                .unwrap();
        }
        let udi = Udi::new("N9K-C9504", "SECRETSERIAL").unwrap();
        collector
            .add_instance(now, &Actor::person("admin"), TENANT, &udi, Some("secret-leaf"))
            .unwrap();
        let spool = tempfile::tempdir().unwrap();
        // Nobody answers there.
        let http = HttpClient::new(&[], std::time::Duration::from_secs(1)).unwrap();
        let site = CollectorSite::new(Parts {
            collector: collector.clone(),
            clock,
            device_url: "https://Cisco_SSM_OnPrem/cslu/v1/pi".to_owned(),
            host: "onprem".to_owned(),
            cookie: "rumline-8444".to_owned(),
            cisco: Some(Cisco::new(http, "https://127.0.0.1:9")),
            provider: None,
            tls_root_pem: "-----BEGIN CERTIFICATE-----\n".to_owned(),
            spool: Spool::open(spool.path().to_owned(), collector.kept_files()).unwrap(),
            background: Background::of(collector.works(&[])),
            shutdown: Shutdown::default(),
            readiness: rumline_web::Readiness::new(|| Ok(())),
            metrics: Default::default(),
        });
        let devices = device_router(site.clone());
        Self { collector, router: collector_router(site), devices, now, _spool: spool }
    }

    fn log_in(&self, caller: &str) -> Option<String> {
        let (role, tenant) = match caller {
            "nobody" => return None,
            "other" => (Role::Administrator, Some(TenantId(2).into())),
            "viewer" => (Role::Viewer, Some(TENANT.into())),
            "operator" => (Role::User, Some(TENANT.into())),
            "administrator" => (Role::Administrator, Some(TENANT.into())),
            _ => (Role::Administrator, None),
        };
        let people = self.collector.people();
        people.add(self.now, &Actor::person("admin"), caller, PASSWORD, role, tenant).unwrap();
        Some(people.log_in(self.now, caller, PASSWORD, "here").unwrap())
    }

    /// All that a caller without rights could have changed or read.
    fn state(&self) -> String {
        let c = &self.collector;
        format!(
            "{:?}",
            (
                c.tenants(&rumline_server::Only::All).unwrap(),
                c.instances(TENANT, "", Default::default(), 1000).unwrap(),
                c.events(TENANT, 1000).unwrap(),
                c.transfers(TENANT).unwrap(),
            )
        )
    }

    /// A call that a route's row describes.
    fn example(&self, route: &Route<CollectorSite>) -> (String, Vec<u8>, &'static str) {
        let path = route
            .path
            .replace("{tenant}", "1")
            .replace("{id}", "1")
            .replace("{topic}", "faq-1")
            .replace("{account}", "Example")
            .replace("{virtual_account}", "Secret%20VA");
        let example = route.request.unwrap_or_default().replace('…', PASSWORD);
        let form = "application/x-www-form-urlencoded";
        let end = route.path.rsplit('/').next().unwrap();
        match (route.method, end, route.summary.is_empty()) {
            ("post", "import", false) => (format!("{path}?name=x.txt"), b"x".to_vec(), form),
            ("post", "product-instances.csv", _) => {
                (path, serde_json::from_str::<String>(&example).unwrap().into_bytes(), "text/csv")
            }
            ("post", "import" | "csv", true) => {
                (path, multipart("PID,Serial\nN9K-C9504,B\n"), "multipart/form-data; boundary=edge")
            }
            ("post", "preferences", true) => {
                (path, b"smart_account=A&virtual_account=B&sync_minutes=15".to_vec(), form)
            }
            ("post", "tenants", true) => {
                (path, b"name=NEW&smart_account=A&virtual_account=B".to_vec(), form)
            }
            ("post", "people", true) => {
                (path, format!("login=new&password={PASSWORD}&role=viewer").into_bytes(), form)
            }
            ("post", "add", true) => (path, b"pid=N9K-C9504&serial=C".to_vec(), form),
            ("post", "cisco" | "login", true) => (path, b"login=a&password=b".to_vec(), form),
            ("post", _, true) => (path, b"ids=1".to_vec(), form),
            _ => (path, example.into_bytes(), "application/json"),
        }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
        kind: &str,
    ) -> (u16, String, String) {
        let mut request = Request::builder().method(&*method.to_uppercase()).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", kind).body(Body::from(body)).unwrap();
        let of_devices = ["/cslu", "/Smart", "/Transport", "/its"];
        let is_of_devices = of_devices.iter().any(|start| path.starts_with(start));
        let router = if is_of_devices { &self.devices } else { &self.router };
        let response = answer(router, request).await;
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION);
        let location = location.map_or(String::new(), |to| to.to_str().unwrap().to_owned());
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let body = to_bytes(response.into_body(), 64 << 20).await.unwrap();
        let asked = document::Asked { method, path };
        let answered =
            document::Answered { status, content_type: &content_type, body: body.as_ref() };
        let undocumented = documents()[1].undocumented(&asked, &answered);
        assert_eq!(undocumented, None, "an answer that the document does not tell of");
        (status, location, String::from_utf8_lossy(&body).into_owned())
    }
}

/// The documents of a CSLU and of an SSM On-Prem; the second holds what product instances push to, too.
fn documents() -> &'static [document::Document; 2] {
    static DOCUMENTS: std::sync::OnceLock<[document::Document; 2]> = std::sync::OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        [
            document::Document(openapi("Cisco Smart License Utility", &cslu_routes())),
            document::Document(openapi("Smart Software Manager On-Prem", &on_prem_routes())),
        ]
    })
}

fn multipart(text: &str) -> Vec<u8> {
    format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f.csv\"\r\n\r\n{text}\r\n\
         --edge--\r\n"
    )
    .into_bytes()
}

fn ends_login(path: &str) -> bool {
    path.ends_with("/logout") || path.contains("/me/logins")
}

/// Whether a path is that of tokens by the names of accounts.
fn is_of_tokens(path: &str) -> bool {
    path.contains("{virtual_account}/tokens")
}

/// Whether the guard let a caller through: what the handler then says is another matter.
fn passes(route: &Route<CollectorSite>, caller: &str) -> bool {
    let in_tenant = route.path.contains("{tenant}");
    let rank = |wanted: &str| CALLERS.iter().position(|name| *name == wanted).unwrap();
    let least = match route.access {
        Access::Anyone => return true,
        // Which tenant it is shows with the account: the handler asks.
        Access::LoggedIn if is_of_tokens(route.path) => "operator",
        Access::LoggedIn | Access::Oneself => "other",
        Access::May(Action::View) => "viewer",
        Access::May(Action::Operate) => "operator",
        Access::May(Action::Administer) => "administrator",
        Access::May(Action::AdministerAll | Action::ViewAll) => "global",
    };
    !(caller == "other" && (in_tenant || is_of_tokens(route.path))) && rank(caller) >= rank(least)
}

#[test]
fn every_route_takes_of_every_caller_what_its_row_says() {
    run(async {
        // ONPREM-005, G-01: every route x {no login, wrong tenant, viewer, operator, administrator}
        for caller in CALLERS {
            let server = Server::new(Kind::OnPrem);
            let token = server.log_in(caller);
            let before = server.state();
            let mut routes = collector_routes();
            routes.sort_by_key(|route| {
                (ends_login(route.path), route.method != "get", route.method == "delete")
            });
            for route in routes {
                let (path, body, kind) = server.example(&route);
                let token =
                    if ends_login(route.path) { server.log_in(caller) } else { token.clone() };
                let (status, location, text) =
                    server.call(route.method, &path, token.as_deref(), body, kind).await;
                let page = route.summary.is_empty();
                let what =
                    format!("{} {path} as {caller}: {status} {location} {text}", route.method);
                let to_login = status == 303 && location.starts_with("/login?");
                if passes(&route, caller) {
                    // Cisco does not answer here, and logins of strangers are wrong.
                    let own_affair = ["cisco", "login", "/oauth/token"];
                    let may_fail = own_affair.iter().any(|part| route.path.contains(part));
                    assert!(!to_login && (may_fail || !matches!(status, 401 | 403)), "{what}");
                    assert!(status < 500 || status == 502, "{what}");
                } else if caller == "nobody" {
                    assert!(if page { to_login } else { status == 401 }, "{what}");
                } else if caller == "other"
                    && (route.path.contains("{tenant}") || is_of_tokens(route.path))
                {
                    assert_eq!(status, 404, "{what}");
                } else {
                    assert_eq!(status, 403, "{what}");
                }
                if matches!(caller, "nobody" | "other") {
                    for secret in ["SECRETSERIAL", "secret-leaf", "Secret VA"] {
                        assert!(!text.contains(secret), "{what}");
                    }
                }
            }
            if matches!(caller, "nobody" | "other" | "viewer") {
                assert_eq!(server.state(), before, "{caller}");
            }
        }
    });
}

#[test]
fn whoever_shows_what_is_there_to_be_changed_carries_what_was_seen() {
    run(async {
        for kind in [Kind::OnPrem, Kind::Cslu] {
            let server = Server::new(kind);
            let token = server.log_in("global");
            let routes = collector_routes();
            let mut wrong = Vec::new();
            for page in
                routes.iter().filter(|route| route.summary.is_empty() && route.method == "get")
            {
                let (at, body, kind) = server.example(page);
                let at = at.replace("{login}", "global");
                let (_, _, text) = server.call("get", &at, token.as_deref(), body, kind).await;
                wrong.extend(forms::wrong_forms(&routes, &at, &text));
            }
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    });
}

#[test]
fn the_later_of_two_people_in_one_form_changes_nothing_and_is_told() {
    run(async {
        let form = "application/x-www-form-urlencoded";
        let changing: Vec<_> =
            collector_routes().into_iter().filter(|route| route.changes).collect();
        assert!(changing.len() > 3, "{}", changing.len());
        for route in changing {
            let server = Server::new(Kind::OnPrem);
            let token = server.log_in("global");
            server.log_in("viewer");
            let path = route.path.replace("{tenant}", "1").replace("{login}", "viewer");
            let body = match route.path {
                "/tenants/{tenant}/preferences" => {
                    "smart_account=A&virtual_account=B&sync_minutes=15"
                }
                "/people/{login}/grant" => "role=user&scope_id=1",
                "/people/{login}/take-back" => "scope_id=1&part_id=",
                "/tenants/{tenant}/people/grant" => "login=viewer&role=user",
                "/tenants/{tenant}/people/take-back" => "login=viewer&part_id=",
                other => panic!("say what is sent to {other}"),
            };
            let send = async |seen: &str| {
                let body = format!("{body}&seen={seen}").into_bytes();
                server.call("post", &path, token.as_deref(), body, form).await
            };
            let page = forms::page_of(&route, &path).unwrap();
            let show = async || {
                let (.., page) =
                    server.call("get", &page, token.as_deref(), Vec::new(), form).await;
                forms::still(&page)
            };
            let shown = show().await;
            let seen = forms::seen_of(&shown, &path).unwrap_or_else(|| panic!("{path}: {shown}"));
            assert_eq!(send("").await.0, 409, "{path}");
            assert_eq!(show().await, shown, "{path}");
            let (status, _, text) = send(&seen).await;
            assert_eq!(status, 303, "{path}: {text}");
            let changed = show().await;
            assert_ne!(changed, shown, "{path}: the example changes nothing");
            let (status, _, text) = send(&seen).await;
            assert!(
                status == 409 && text.contains("changed meanwhile by somebody else"),
                "{path}: {status} {text}"
            );
            assert_eq!(show().await, changed, "{path}");
        }
    });
}

#[test]
fn an_account_that_cssm_was_not_asked_about_is_said_to_be_so() {
    run(async {
        // ONPREM-002
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global");
        let form = "application/x-www-form-urlencoded";
        for (name, connected, words) in [
            ("NEW-1", "&connected=on", "is known once somebody has logged in to Cisco"),
            ("NEW-2", "", "is known once a file is uploaded there"),
        ] {
            let body =
                format!("name={name}&smart_account=Example&virtual_account=Nowhere{connected}");
            let (status, to, text) =
                server.call("post", "/tenants", token.as_deref(), body.into_bytes(), form).await;
            assert_eq!(status, 303, "{text}");
            let (_, _, page) = server.call("get", &to, token.as_deref(), Vec::new(), form).await;
            assert!(page.contains(words), "{name}: {page}");
        }
    });
}

#[test]
fn a_cookie_acts_only_from_pages_of_the_same_server() {
    run(async {
        // G-01: another site's form must not act with somebody's login
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("operator").unwrap();
        for (headers, status) in [
            (vec![("sec-fetch-site", "same-origin")], 303),
            (vec![("sec-fetch-site", "cross-site")], 403),
            (vec![("origin", "https://onprem"), ("host", "onprem")], 303),
            (vec![("origin", "https://evil"), ("host", "onprem")], 403),
            (vec![], 403),
        ] {
            let mut request = Request::builder()
                .method("POST")
                .uri("/tenants/1/sync-instances")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("cookie", format!("other=1; rumline-8443=x; rumline-8444={token}"));
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::from("ids=1")).unwrap();
            let response = answer(&server.router, request).await;
            assert_eq!(response.status().as_u16(), status, "{headers:?}");
        }
    });
}

#[test]
fn a_tenant_that_does_not_exist_and_other_transports_are_refused_with_a_reason() {
    run(async {
        // ONPREM-002, ONPREM-004, CSLU-028
        let server = Server::new(Kind::OnPrem);
        let json = "application/json";
        for (path, status, words) in [
            ("/cslu/v1/pi/NOBODY", 404, "there is no such tenant"),
            ("/cslu/v1/pi", 404, "lacks the tenant ID"),
            ("/SmartTransport", 404, "only the cslu transport"),
            ("/Transportgateway/services/DeviceRequestHandler", 404, "only the cslu transport"),
            ("/its/service/oddce/services/DDCEService", 404, "only the cslu transport"),
            ("/cslu/v1/pi/ONE", 400, "not a message"),
        ] {
            let (found, _, text) = server.call("post", path, None, b"garbage".to_vec(), json).await;
            assert!(found == status && text.contains(words), "{path}: {found} {text}");
        }
        for (path, words) in [
            ("/cslu/v1/pi/ONE", "license smart url cslu https://Cisco_SSM_OnPrem/cslu/v1/pi/ONE"),
            ("/cslu/v1/health", "\"SSM On-Prem\""),
        ] {
            let (status, _, text) = server.call("get", path, None, Vec::new(), json).await;
            assert!(status == 200 && text.contains(words), "{path}: {status} {text}");
        }
    });
}

#[test]
fn all_logs_are_a_zip_with_the_guides_line() {
    run(async {
        // ONPREM-013, ONPREM-014
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global").unwrap();
        let messages = server.collector.messages("onprem").unwrap();
        assert!(messages.is_empty(), "{messages}");
        let request = Request::builder()
            .uri("/api/v1/logs")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = answer(&server.router, request).await;
        let name = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert_eq!(name, "attachment; filename=\"AllFiles.zip\"");
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> =
            archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["messages"]);
    });
}

#[test]
fn an_operator_is_a_user() {
    run(async {
        // CSSM-008: what the schema of a request says is what is read
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global");
        for (login, role) in [("one", "operator"), ("two", "user")] {
            let new = serde_json::json!({ "login": login, "password": PASSWORD, "role": role });
            let (path, body) = ("/api/v1/people", new.to_string().into_bytes());
            let answer =
                server.call("post", path, token.as_deref(), body, "application/json").await;
            assert!(answer.0 == 200 || answer.0 == 201, "{answer:?}");
            let path = format!("/api/v1/people/{login}");
            let answer = server.call("get", &path, token.as_deref(), Vec::new(), "").await;
            assert!(answer.2.contains("\"role\":\"user\""), "{answer:?}");
        }
    });
}

#[test]
fn public_clients_find_the_shapes_they_know() {
    run(async {
        // public clients of SSM On-Prem: token, accounts, virtual accounts, devices, licenses
        let server = Server::new(Kind::OnPrem);
        server.log_in("global");
        let (id, secret) = server.collector.create_api_client(server.now, "ansible").unwrap();
        let grant = |secret: &str| {
            serde_json::json!({ "client_id": id, "client_secret": secret, "grant_type": "password",
            "username": "global", "password": PASSWORD })
            .to_string()
            .into_bytes()
        };
        let json = "application/json";
        let (status, _, _) = server.call("post", "/oauth/token", None, grant("wrong"), json).await;
        assert_eq!(status, 401);
        let (status, _, text) =
            server.call("post", "/oauth/token", None, grant(&secret), json).await;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status, 200, "{text}");
        let token = answer["access_token"].as_str().unwrap();
        let account = "/api/v1/accounts/Example";
        let mut found = Vec::new();
        for (method, path) in [
            ("post", "/api/v1/upstream_satellites/accounts".to_owned()),
            ("get", format!("{account}/virtual-accounts")),
            ("get", format!("{account}/virtual-accounts/Secret%20VA/devices")),
            ("post", format!("{account}/licenses")),
            ("post", format!("{account}/license-subscriptions")),
        ] {
            let (status, _, text) = server.call(method, &path, Some(token), Vec::new(), json).await;
            assert_eq!(status, 200, "{path}: {text}");
            found.push(serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }
        assert_eq!(found[0]["accounts"][0]["name"], "Example");
        assert_eq!(found[1]["virtualAccounts"][0]["name"], "Secret VA");
        let device = &found[2]["devices"][0];
        assert_eq!(device["sudi"]["udiSerialNumber"], "SECRETSERIAL");
        assert_eq!(device["displayName"], "UDI_PID:N9K-C9504; UDI_SN:SECRETSERIAL; ");
        assert!(found[3]["licenses"].is_array() && found[4]["licenseSubscriptions"].is_array());

        let udi = |serial: &str| Udi::new("N9K-C9504", serial).unwrap();
        for serial in ["A", "B", "C"] {
            server
                .collector
                .add_instance(server.now, &Actor::person("admin"), TENANT, &udi(serial), None)
                .unwrap();
        }
        let by_query = format!("{account}/virtual-accounts/Secret%20VA/devices?offset=1&limit=2");
        let of_account = format!("{account}/devices");
        for (method, path, body, serials, total) in [
            ("get", &by_query, "", &["A", "B"] as &[&str], 4),
            ("post", &of_account, "{\"limit\":2,\"offset\":3}", &["C"], 4),
            ("post", &of_account, "{\"limit\":-1,\"offset\":1}", &["A", "B", "C"], 4),
            ("post", &of_account, "{\"offset\":9}", &[], 4),
            ("post", &of_account, "{\"virtualAccounts\":[\"Default\"]}", &[], 0),
        ] {
            let body = body.as_bytes().to_vec();
            let (status, _, text) = server.call(method, path, Some(token), body, json).await;
            assert_eq!(status, 200, "{path}: {text}");
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            let devices = answer["devices"].as_array().unwrap();
            let found: Vec<&str> = devices
                .iter()
                .map(|row| row["sudi"]["udiSerialNumber"].as_str().unwrap())
                .collect();
            assert_eq!(found, serials, "{path}");
            assert_eq!(answer["totalRecords"], total, "{path}");
        }
    });
}

#[test]
fn what_is_wrong_with_a_form_is_told_as_a_page() {
    run(async {
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global").unwrap();
        let form = "application/x-www-form-urlencoded";
        for (method, path, body, content_type, status) in [
            ("post", "/tenants/1/add", "pid=N9K-C9504", form, 422),
            ("post", "/tenants/1/add", "{}", "application/json", 422),
            ("post", "/tenants/1/remove", "selected=1", form, 422),
            ("post", "/tenants/1/import", "x", form, 400),
            ("post", "/login", "login=x", form, 422),
        ] {
            let body = body.as_bytes().to_vec();
            let (got, _, text) = server.call(method, path, Some(&token), body, content_type).await;
            assert_eq!(got, status, "{path}: {text}");
            assert!(
                text.starts_with("<!DOCTYPE html>") && text.contains("role=\"alert\""),
                "{text}"
            );
        }
    });
}

#[test]
fn every_list_refreshes_itself() {
    run(async {
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("viewer").unwrap();
        for page in ["", "/overview", "/product-instances/1", "/transfers", "/licenses", "/events"]
        {
            let path = format!("/tenants/1{page}");
            let (_, _, text) =
                server.call("get", &path, Some(&token), Vec::new(), "text/plain").await;
            assert!(text.contains(&format!("data-refresh=\"{path}")), "{path}: {text}");
        }
    });
}

#[test]
fn a_cslu_takes_pushes_without_a_tenant_and_shows_its_screens() {
    run(async {
        // CSLU-002, 009, 010, 013
        let server = Server::new(Kind::Cslu);
        let token = server.log_in("global").unwrap();
        let (_, location, _) =
            server.call("get", "/", Some(&token), Vec::new(), "text/plain").await;
        assert_eq!(location, "/tenants/1");
        let (_, _, home) =
            server.call("get", "/tenants/1", Some(&token), Vec::new(), "text/plain").await;
        for words in [
            "Login to Cisco",
            "Cisco Is Available",
            "Download All for Cisco",
            "Upload From Cisco",
            "Export CSV",
            "Import CSV",
            "Cisco Smart License Utility",
        ] {
            assert!(home.contains(words), "{words}");
        }
        let body = b"{\"name\":\"X\",\"smart_account\":\"A\",\"virtual_account\":\"B\",\"connected\":true,\"sync_minutes\":0}";
        let (status, _, text) = server
            .call("post", "/api/v1/tenants", Some(&token), body.to_vec(), "application/json")
            .await;
        assert!(status == 422 && text.contains("one Smart Account"), "{status} {text}");
    });
}

#[test]
fn what_is_wrong_with_a_push_is_told_as_a_problem_document() {
    run(async {
        let servers = [(Server::new(Kind::Cslu), ""), (Server::new(Kind::OnPrem), "/ONE")];
        for (server, tenant) in servers {
            let path = format!("/cslu/v1/pi{tenant}");
            for (method, body, status, words) in [
                ("put", Vec::new(), 405, "Method Not Allowed"),
                ("post", b"garbage".to_vec(), 400, "not a message"),
                (
                    "post",
                    vec![b'x'; (32 << 20) + 1],
                    413,
                    "the message has more than 33554432 bytes",
                ),
            ] {
                let (told, _, text) =
                    server.call(method, &path, None, body, "application/json").await;
                let problem: serde_json::Value = serde_json::from_str(&text).expect(&text);
                assert_eq!((told, problem["status"].as_u64()), (status, Some(u64::from(status))));
                assert!(
                    problem["detail"].as_str().unwrap().contains(words),
                    "{method} {path}: {text}"
                );
            }
            let (told, _, text) =
                server.call("post", "/cslu/v1/pi/%ff", None, Vec::new(), "application/json").await;
            assert!(told == 404 && text.contains("\"status\":404"), "{told} {text}");
        }
    });
}

#[test]
fn the_tables_of_routes_are_the_ones_that_were_looked_at() {
    // whoever adds a route says here who may use it
    let mut lines: Vec<String> = device_routes()
        .iter()
        .chain(&collector_routes())
        .map(|route| format!("{} {} {:?}", route.method, route.path, route.access))
        .collect();
    lines.dedup();
    let text = lines.join("\n") + "\n";
    let golden = include_str!("golden/collector_routes.txt");
    if text != golden {
        std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/collector_routes.txt"), &text)
            .unwrap();
    }
    assert!(text == golden, "golden/collector_routes.txt says something else than the tables");
    let document = &documents()[0].0;
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    for route in collector_routes().iter().filter(|route| !route.summary.is_empty()) {
        let path = route.path.replace("{tenant}", "{tenant_id}");
        assert!(described.contains(&*path), "{path}");
    }
    let parameters = |path: &str| -> Vec<String> {
        let all = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        all.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    let instances = parameters("/api/v1/tenants/{tenant_id}/product-instances");
    assert_eq!(instances, ["tenant_id", "after", "limit", "search"]);
}

#[test]
fn the_openapi_documents_are_those_that_were_looked_at_and_nothing_in_them_is_vague() {
    // CSSM-033, for CSLU and SSM On-Prem
    let mut wrong = Vec::new();
    for (name, golden, document) in [
        ("openapi_cslu.json", include_str!("golden/openapi_cslu.json"), &documents()[0]),
        ("openapi_onprem.json", include_str!("golden/openapi_onprem.json"), &documents()[1]),
    ] {
        wrong.extend(document.vague());
        wrong.extend(document.wrong_examples(PASSWORD));
        let text = format!("{:#}\n", document.0);
        if text != golden {
            std::fs::write(format!("{}/{name}", env!("CARGO_TARGET_TMPDIR")), text).unwrap();
            wrong.push(format!("golden/{name} says something else than the tables and types"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_field_that_is_wrong_is_refused_by_its_name_and_nothing_is_done() {
    run(async {
        // CSSM-033: absent, null, too long, negative, of another type, not known
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global");
        server.log_in("viewer");
        let (mut wrong, mut count) = (Vec::new(), 0);
        let is_own = |route: &Route<CollectorSite>| route.refusal == rumline_web::Refusal::Problem;
        for route in collector_routes().into_iter().filter(is_own) {
            let (path, body, kind) = server.example(&route);
            let Ok(body) = serde_json::from_slice(&body) else { continue };
            let path = path.replace("{login}", "viewer");
            let template = route.path.replace("{tenant}", "{tenant_id}");
            let before = server.state();
            for spoiled in documents()[1].spoiled(route.method, &template, &body) {
                let text = spoiled.body.to_string().into_bytes();
                let (status, _, text) =
                    server.call(route.method, &path, token.as_deref(), text, kind).await;
                count += 1;
                if let Some(why) = document::does_not_name(status, &text, &spoiled.pointer) {
                    let (how, at) = (spoiled.how, spoiled.pointer);
                    wrong.push(format!("{} {path} {at} {how}: {why}", route.method));
                }
            }
            assert_eq!(server.state(), before, "{path}");
        }
        assert!(wrong.is_empty() && count > 200, "{count} {wrong:#?}");
    });
}

#[test]
fn every_example_of_the_documents_is_of_a_real_run() {
    run(async {
        // CSSM-033: each call is made as its row says
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global");
        server.log_in("viewer");
        let mut found = serde_json::Map::new();
        let mut routes: Vec<_> =
            on_prem_routes().into_iter().filter(|route| !route.summary.is_empty()).collect();
        routes.sort_by_key(|route| {
            (ends_login(route.path), route.method != "get", route.method == "delete")
        });
        for route in routes {
            let (path, body, kind) = server.example(&route);
            let path = path.replace("{login}", "viewer").replace("{name}", "ONE");
            let (status, _, text) =
                server.call(route.method, &path, token.as_deref(), body, kind).await;
            let Ok(value) = serde_json::from_str(&text) else { continue };
            if status < 300 && route.path != "/openapi.json" {
                let what = format!("{} {}", route.method, route.path);
                found.insert(what, document::as_example(&value));
            }
        }
        let kept = include_str!("../src/collector/examples.json");
        document::assert_examples("collector_examples.json", kept, &found);
    });
}

#[test]
fn all_pages_spell_as_the_guide_does() {
    run(async {
        for kind in [Kind::OnPrem, Kind::Cslu] {
            let server = Server::new(kind);
            let token = server.log_in("global");
            let all = collector_routes();
            for page in all.iter().filter(|route| route.summary.is_empty() && route.method == "get")
            {
                let (at, body, kind) = server.example(page);
                let at = at.replace("{login}", "global");
                let (_, _, text) = server.call("get", &at, token.as_deref(), body, kind).await;
                assert!(!labels::shown(&text).to_lowercase().contains("licence"), "{at}");
            }
        }
    });
}

#[test]
fn each_label_of_the_guide_stands_where_the_guide_has_it() {
    run(async {
        // CSLU-009 to 017, ONPREM-008 to 013
        for (kind, name) in [(Kind::Cslu, "cslu"), (Kind::OnPrem, "onprem")] {
            let server = Server::new(kind);
            let token = server.log_in("global").unwrap();
            for (path, label, guide) in labels::labels(name) {
                let asked = server.call("get", path, Some(&token), Vec::new(), "text/plain");
                let (status, _, text) = asked.await;
                assert_eq!(status, 200, "{path}");
                let shown = labels::shown(&text);
                assert!(shown.contains(label), "{path} lacks {label:?} ({guide}): {shown}");
            }
        }
    });
}

#[test]
fn what_is_not_for_devices_is_answered_over_tls_1_3_only() {
    run(async {
        // PI-NET-006
        use rumline_net::Secured::{self, Plain, Tls12, Tls13};
        let server = Server::new(Kind::OnPrem);
        let both = [(&server.router, collector_routes()), (&server.devices, device_routes())];
        let mut for_devices = BTreeSet::new();
        for (router, routes) in both {
            for route in routes {
                let status = async |secured: Secured| {
                    let path = route.path.replace(['{', '}'], "");
                    let request =
                        Request::builder().method(&*route.method.to_uppercase()).uri(path);
                    let request = request.extension(secured).body(Body::empty()).unwrap();
                    answer(router, request).await.status().as_u16()
                };
                let what = format!("{} {}", route.method, route.path);
                assert_eq!(status(Tls12).await != 426, route.for_devices, "{what}");
                assert_ne!(status(Tls13).await, 426, "{what}");
                assert_ne!(status(Plain).await, 426, "{what}");
                if route.for_devices {
                    for_devices.insert(what);
                }
            }
        }
        let expected = [
            "get /cslu/v1/pi",
            "get /cslu/v1/pi/{name}",
            "post /SmartTransport",
            "post /Transportgateway/services/DeviceRequestHandler",
            "post /cslu/v1/pi",
            "post /cslu/v1/pi/{name}",
            "post /its/service/oddce/services/DDCEService",
        ];
        assert_eq!(for_devices, expected.map(str::to_owned).into());
    });
}
