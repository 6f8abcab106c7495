//! The public API of SSM On-Prem: whose tokens hold there, and how what is wrong is told (CSSM-033, G-01).

use crate::engine::run;
use rumline_collector::Kind;
use rumline_server::{Actor, Grant, Role, ScopeId};
use rumline_web::{Refusal, collector_routes};
use serde_json::{Value, json};

use super::{PASSWORD, Server};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

impl Server {
    /// A call with its status and what is answered.
    async fn asked(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> (u16, Value) {
        let kind = if body.starts_with('{') { JSON } else { FORM };
        let body = body.as_bytes().to_vec();
        let (status, _, text) = self.call(method, path, token, body, kind).await;
        let value = serde_json::from_str(&text);
        (status, value.unwrap_or_else(|_| panic!("{path}: {text}")))
    }

    /// A program with a role in a tenant, and its secret.
    fn program(&self, login: &str, role: Role, tenant: Option<i64>) -> String {
        let grant = Grant::of(role, tenant.map(ScopeId));
        let people = self.collector.people();
        people.create(self.now, &Actor::person("admin"), login, None, &[grant]).unwrap().unwrap()
    }
}

#[test]
fn a_program_logs_in_by_its_own_secret_and_sees_its_tenant() {
    run(async {
        let server = Server::new(Kind::OnPrem);
        let secret = server.program("ansible", Role::Viewer, Some(1));
        let (client, client_secret) =
            server.collector.create_api_client(server.now, "old").unwrap();
        let as_json = json!({ "grant_type": "client_credentials", "client_id": "ansible",
        "client_secret": secret })
        .to_string();
        let as_form =
            format!("grant_type=client_credentials&client_id=ansible&client_secret={secret}");
        for path in ["/oauth/token", "/backend/oauth/token"] {
            for body in [&as_json, &as_form] {
                let (status, answer) = server.asked("post", path, None, body).await;
                assert_eq!((status, &answer["expires_in"]), (200, &json!(3599)), "{answer}");
            }
            for (body, status, error) in [
                (as_form.replace(&secret, "wrong"), 401, "invalid_client"),
                // An API client is somebody only beside a person.
                (
                    format!(
                        "grant_type=client_credentials&client_id={client}&client_secret={client_secret}"
                    ),
                    401,
                    "invalid_client",
                ),
                ("grant_type=implicit".to_owned(), 400, "unsupported_grant_type"),
                ("client_id=x".to_owned(), 400, "invalid_request"),
                ("{}".to_owned(), 400, "invalid_request"),
                ("{\"grant_type\":null}".to_owned(), 400, "invalid_request"),
            ] {
                let (found, answer) = server.asked("post", path, None, &body).await;
                assert_eq!((found, &answer["error"]), (status, &json!(error)), "{body}: {answer}");
                assert!(answer["error_description"].is_string());
            }
        }
        let (_, answer) = server.asked("post", "/oauth/token", None, &as_json).await;
        let token = answer["access_token"].as_str();
        let account = "/api/v1/accounts/Example";
        let (status, answer) =
            server.asked("get", &format!("{account}/virtual-accounts"), token, "").await;
        let rows = answer["virtualAccounts"].as_array().unwrap();
        assert_eq!((status, rows.len()), (200, 1), "{answer}");
        assert_eq!((&rows[0]["name"], &rows[0]["isDefault"]), (&json!("Secret VA"), &json!("no")));
        let (status, answer) = server
            .asked("get", &format!("{account}/virtual-accounts/Default/devices"), token, "")
            .await;
        assert_eq!((status, &answer["status"]), (404, &json!("ERROR")), "{answer}");
        let (status, answer) =
            server.asked("post", &format!("{account}/alerts"), token, "{\"limit\":-1}").await;
        assert_eq!((status, &answer["totalRecords"]), (200, &json!(0)), "{answer}");
    });
}

#[test]
fn one_virtual_account_is_the_default_and_descriptions_come_back_as_given() {
    run(async {
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global");
        let path = "/api/v1/accounts/Example/virtual-accounts";
        let new = json!({ "name": "auto_va_1", "description": "This is auto_va_1" }).to_string();
        let (status, answer) = server.asked("post", path, token.as_deref(), &new).await;
        assert_eq!(status, 200, "{answer}");
        let (_, answer) = server.asked("get", path, token.as_deref(), "").await;
        let rows: Vec<(&str, &str, &str)> = answer["virtualAccounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let text = |name: &str| row[name].as_str().unwrap();
                (text("name"), text("isDefault"), text("description"))
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("Secret VA", "no", ""),
                ("Default", "yes", ""),
                ("auto_va_1", "no", "This is auto_va_1")
            ]
        );
    });
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_api() {
    run(async {
        let server = Server::new(Kind::OnPrem);
        let token = server.log_in("global");
        let account = "/api/v1/accounts/Example";
        let virtual_account = format!("{account}/virtual-accounts/Secret%20VA");
        let long = json!({ "name": "n", "description": "x".repeat(1_001) }).to_string();
        for (method, path, body, status) in [
            ("get", format!("{account}/nothing"), "", 404),
            ("delete", format!("{account}/virtual-accounts"), "", 404),
            ("get", "/backend/api/v2/accounts".to_owned(), "", 404),
            ("get", "/api/v1/accounts/Nobody/virtual-accounts".to_owned(), "", 404),
            ("post", format!("{virtual_account}/tokens"), "{}", 400),
            ("post", format!("{virtual_account}/tokens/revoke"), "{}", 400),
            ("post", format!("{virtual_account}/tokens/revoke"), "{\"tokens\":[]}", 400),
            ("post", format!("{virtual_account}/devices/transfer"), "{}", 409),
            ("post", format!("{account}/virtual-accounts"), "{}", 400),
            ("post", format!("{account}/virtual-accounts"), "{\"name\":null}", 400),
            ("post", format!("{account}/virtual-accounts"), "{\"name\":7}", 400),
            ("post", format!("{account}/virtual-accounts"), &long, 400),
            ("post", format!("{account}/devices"), "{\"virtualAccounts\":7}", 400),
            ("post", format!("{account}/devices"), "{\"offset\":-1}", 400),
            ("post", format!("{account}/alerts"), "{\"limit\":\"all\"}", 400),
        ] {
            let (found, answer) = server.asked(method, &path, token.as_deref(), body).await;
            assert_eq!(
                (found, &answer["status"]),
                (status, &json!("ERROR")),
                "{path} {body}: {answer}"
            );
            assert!(answer["statusMessage"].as_str().is_some_and(|text| !text.is_empty()));
        }
        // A token that is none, on every route.
        for route in collector_routes().iter().filter(|route| route.refusal == Refusal::Account) {
            let (path, body, kind) = server.example(route);
            let (status, _, text) = server.call(route.method, &path, Some("x"), body, kind).await;
            assert_eq!(status, 401, "{path}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["status"], "ERROR", "{path}");
        }
        // A person logs in through a client as before.
        let (id, secret) = server.collector.create_api_client(server.now, "ansible").unwrap();
        let grant = json!({ "client_id": id, "client_secret": secret, "grant_type": "password",
        "username": "global", "password": PASSWORD });
        let (status, answer) = server.asked("post", "/oauth/token", None, &grant.to_string()).await;
        assert_eq!((status, &answer["expires_in"]), (200, &json!(43_200)), "{answer}");
    });
}
