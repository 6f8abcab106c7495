//! Call Home at an SSM On-Prem over HTTP: switches of before register, others are told where to go (ONPREM-004, ONPREM-018), and what
//! people see of it.

use crate::engine::run;
use rumline_collector::Kind;
use rumline_protocol::{
    CallHomeAnswer, CallHomeRequest, OlderAnswer, OlderCall, OlderResult, Request as Message,
    RequestBody, Response, ResponseStatus, Signed, SimulatedSuite, Suite as _, Timestamp, cssm_id,
};
use rumline_testkit::{Device, chance, lan_tag, udi};
use serde_json::{Value, json};

use super::{Server, TENANT};

const ON_PREM: &str = OlderAnswer::ON_PREM_PATH;

fn device(serial: &str) -> Device {
    let signer = SimulatedSuite.generate_device_key(&mut chance()).unwrap();
    Device {
        udi: udi(serial),
        signer,
        version: "9.3(5)",
        hostname: Some("leaf-9"),
        cssm: cssm_id(b"root"),
    }
}

fn enveloped(message: &Message) -> Vec<u8> {
    let envelope = CallHomeRequest {
        message_id: message.request_id.clone(),
        created_at: Timestamp::from_millis(message.timestamp),
        subtype: message.body.class().to_owned(),
        sudi: message.sudi.clone(),
        hostname: None,
        contact_email: None,
        message: serde_json::to_vec(message).unwrap(),
    };
    envelope.write().into_bytes()
}

impl Server {
    /// Sends a message by Call Home, and opens what is answered.
    async fn call_home(&self, path: &str, message: &Message) -> Response {
        let (status, _, text) =
            self.call("post", path, None, enveloped(message), "text/xml; charset=utf-8").await;
        assert_eq!(status, 200, "{text}");
        let opened = CallHomeAnswer::read(text.as_bytes()).unwrap();
        assert_eq!(opened.answers, message.request_id);
        serde_json::from_slice(&opened.message).unwrap()
    }

    /// The same where it is answered as registrations are.
    async fn older(&self, message: &Message) -> OlderResult {
        let response = self.call_home(ON_PREM, message).await;
        assert_eq!(response.status, ResponseStatus::Ok, "{response:?}");
        let said = response.smart_licensing.unwrap();
        let signed: Signed<OlderAnswer> =
            Signed::parse("older", said.data, &said.signature).unwrap();
        let key = self.collector.signer().public_key();
        assert!(signed.verify(&SimulatedSuite, key));
        assert_eq!(signed.value.answers, message.nonce);
        signed.value.result
    }

    async fn api(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let body = if method == "get" { Vec::new() } else { body.to_string().into_bytes() };
        let (status, _, text) =
            self.call(method, path, Some(token), body, "application/json").await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

#[test]
fn a_switch_of_before_registers_over_http_and_people_see_it() {
    run(async {
        // ONPREM-018, C-39
        let server = Server::new(Kind::OnPrem);
        let login = server.log_in("operator").unwrap();
        let path = "/api/v1/tenants/1/tokens";
        let (status, made) = server.api("post", path, &login, &json!({"description": "lab"})).await;
        assert_eq!(
            (status, &made["uses"], &made["created_by"]),
            (200, &json!(0), &json!("operator"))
        );
        let token = made["value"].as_str().unwrap();
        let own = device("OLD1");
        let registers = own.older_registration(server.now, token, false);
        let OlderResult::Registered { cslu_url, virtual_account, server_key, .. } =
            server.older(&registers).await
        else {
            panic!()
        };
        assert_eq!(cslu_url.as_deref(), Some("https://Cisco_SSM_OnPrem/cslu/v1/pi/ONE"));
        assert_eq!(virtual_account, "Secret VA");
        assert_eq!(server_key.as_ref(), Some(server.collector.signer().public_key()));
        // The same once more: its answer got lost.
        server.older(&registers).await;
        let asks = own.older(server.now, OlderCall::Authorize, &[(lan_tag(), 2)]);
        let OlderResult::Authorized { out_of_compliance, .. } = server.older(&asks).await else {
            panic!()
        };
        assert!(out_of_compliance.is_empty());
        let (_, tokens) = server.api("get", path, &login, &Value::Null).await;
        assert_eq!((tokens.as_array().unwrap().len(), &tokens[0]["uses"]), (1, &json!(1)));
        let (_, rows) =
            server.api("get", "/api/v1/tenants/1/product-instances", &login, &Value::Null).await;
        let row = rows.as_array().unwrap().iter().find(|row| row["serial"] == "OLD1").unwrap();
        assert_eq!(
            (&row["name"], &row["software_version"], &row["alert"]),
            (&json!("leaf-9"), &json!("9.3(5)"), &Value::Null)
        );
        assert!(row["registered_until"].as_i64().unwrap() > server.now.0);
        let (_, licenses) =
            server.api("get", "/api/v1/tenants/1/licenses", &login, &Value::Null).await;
        assert_eq!(
            (licenses[0]["in_use"].as_i64(), licenses.as_array().unwrap().len()),
            (Some(2), 1)
        );
        let page = |path: String| {
            let (server, login) = (&server, login.clone());
            async move {
                let (.., text) =
                    server.call("get", &path, Some(&login), Vec::new(), "text/html").await;
                text.replace("<wbr>", "")
            }
        };
        let list = page("/tenants/1".to_owned()).await;
        assert!(
            list.contains("Registered by Smart Licensing, CSSM hears of it with the next exchange")
        );
        let one = page(format!("/tenants/1/product-instances/{}", row["id"])).await;
        assert!(one.contains("<dt>Smart Licensing</dt><dd>registered until "), "{one}");
        let tokens = page("/tenants/1/tokens".to_owned()).await;
        for part in [token, ON_PREM, ">valid<"] {
            assert!(tokens.contains(part), "{part}: {tokens}");
        }
        // By the names of accounts, for programs written for Cisco's.
        let by_name = "/api/v1/accounts/Example/virtual-accounts/Secret%20VA/tokens";
        let new = json!({"description": "ansible", "expiresAfterDays": 30, "numberofUses": 5});
        let (_, made) = server.api("post", by_name, &login, &new).await;
        let value = made["tokenInfo"]["token"].clone();
        let revoked = json!({"tokens": [value, "nothing"]});
        let (status, answer) =
            server.api("post", &format!("{by_name}/revoke"), &login, &revoked).await;
        let states: Vec<_> =
            answer["tokens"].as_array().unwrap().iter().map(|row| &row["status"]).collect();
        assert_eq!((status, states), (200, vec![&json!("SUCCESS"), &json!("ERROR")]));
        let (_, left) = server.api("get", by_name, &login, &Value::Null).await;
        assert_eq!(left["tokens"].as_array().unwrap().len(), 1);
        assert_eq!(left["tokens"][0]["token"], token);
        let (status, _) =
            server.api("post", by_name, &server.log_in("viewer").unwrap(), &new).await;
        assert_eq!(status, 403);
        // It goes.
        let farewell = own.older(server.now + 1, OlderCall::Deregister, &[]);
        assert_eq!(server.older(&farewell).await, OlderResult::Deregistered);
        assert_eq!(server.older(&farewell).await, OlderResult::Deregistered);
        assert_eq!(server.collector.licenses(TENANT).unwrap(), []);
    });
}

#[test]
fn what_is_said_in_the_name_of_another_changes_nothing() {
    run(async {
        // ONPREM-018; who saw a message may send it again
        let server = Server::new(Kind::OnPrem);
        let new = rumline_collector::NewIdToken {
            description: String::new(),
            expires_after_days: 1,
            uses_max: None,
        };
        let by = rumline_server::Actor::person("admin");
        let token = server.collector.create_id_token(server.now, &by, TENANT, &new).unwrap().value;
        let own = device("OLD1");
        let registers = own.older_registration(server.now, &token, false);
        server.older(&registers).await;
        let two = own.older(server.now, OlderCall::Authorize, &[(lan_tag(), 2)]);
        server.older(&two).await;
        let used = || server.collector.licenses(TENANT).unwrap()[0].in_use;
        let refused = async |message: &Message, why: &str| {
            let response = server.call_home(ON_PREM, message).await;
            assert_eq!(response.status, ResponseStatus::Failed);
            assert!(response.status_message.contains(why), "{why}: {}", response.status_message);
            assert_eq!(used(), 2);
        };
        let eve = Device { signer: rumline_testkit_key(7), ..device("OLD1") };
        refused(&eve.older(server.now, OlderCall::Authorize, &[]), "not signed by the device")
            .await;
        refused(&eve.older(server.now, OlderCall::Deregister, &[]), "not signed by the device")
            .await;
        let taken = eve.older_registration(server.now, &token, false);
        refused(&taken, "known with another key").await;
        // A day old, or altered.
        let old = own.older(server.now - Timestamp::DAY, OlderCall::Authorize, &[]);
        refused(&old, "timestamp mismatch").await;
        let mut altered = two.clone();
        let RequestBody::SmartLicensing { uses, .. } = &mut altered.body else { panic!() };
        uses[0].count = 9;
        refused(&altered, "not signed by the device").await;
        // The same again is answered, and is what it was.
        let later = own.older(server.now + 1, OlderCall::Authorize, &[(lan_tag(), 3)]);
        server.older(&later).await;
        server.older(&two).await;
        assert_eq!(used(), 3);
        // Another's registration with the right token, for a UDI that it takes with force, leaves no use of the first.
        server.older(&eve.older_registration(server.now, &token, true)).await;
        assert_eq!(server.collector.licenses(TENANT).unwrap(), []);
        let (status, _, text) = server
            .call("post", ON_PREM, None, enveloped(&registers)[..200].to_vec(), "text/xml")
            .await;
        assert_eq!(status, 404, "{text}");
    });
}

/// Another device's key.
fn rumline_testkit_key(seed: u64) -> Box<dyn rumline_protocol::Signer> {
    SimulatedSuite.generate_device_key(&mut rumline_testkit::Chance::of(seed)).unwrap()
}

#[test]
fn others_are_answered_in_words_that_a_device_reads() {
    run(async {
        // ONPREM-004, L-08
        const CSSM: &str = "/its/service/oddce/services/DDCEService";
        let own = device("NEW1");
        let (now, policy) = (Timestamp(1_800_000_000), "only the cslu transport is supported here");
        for kind in [Kind::OnPrem, Kind::Cslu] {
            let server = Server::new(kind);
            for message in [own.sync(now), own.trust(now, "a token", false), own.poll(now, "1")] {
                for path in [ON_PREM, CSSM] {
                    let response = server.call_home(path, &message).await;
                    assert_eq!(response.status, ResponseStatus::Failed);
                    assert!(response.status_message.contains(policy), "{response:?}");
                }
                let body = serde_json::to_vec(&message).unwrap();
                let (status, _, text) =
                    server.call("post", "/SmartTransport", None, body, "application/json").await;
                let response: Response = serde_json::from_str(&text).unwrap();
                assert_eq!((status, response.status), (200, ResponseStatus::Failed));
                assert!(response.status_message.contains(policy), "{response:?}");
            }
            // A switch of before, at another server than it needs.
            let words = match kind {
                Kind::OnPrem => "ends with /Transportgateway/services/DeviceRequestHandler",
                Kind::Cslu => "a CSLU registers no switches",
            };
            let path = if kind == Kind::OnPrem { CSSM } else { ON_PREM };
            let response = server.call_home(path, &own.older_registration(now, "x", false)).await;
            assert!(response.status_message.contains(words), "{response:?}");
        }
    });
}
