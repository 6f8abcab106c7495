//! The endpoint of Call Home (CSSM-031): the receiver, in an envelope.

use crate::engine::run;
use rumline_cssm::{Settings, SmartAccountId};
use rumline_protocol::{
    CallHomeAnswer, CallHomeRequest, OlderCall, Request as Message, Response, ResponseStatus,
    Timestamp, Udi,
};
use rumline_testkit::{Device, lan_tag};

use super::DDCE;
use super::common::*;

const TEXT_XML: &str = "text/xml; charset=utf-8";

#[test]
fn a_message_in_an_envelope_is_answered_in_one() {
    run(async {
        // CSSM-031, C-22
        for path in [DDCE, "/its/service/oddce/services/DCCEService"] {
            let server = Server::new(&Settings::default());
            let sent = enveloped(&server.trust_message());
            let headers = [("content-type", TEXT_XML)];
            let answer = server.send("post", path, &headers, sent.write()).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, TEXT_XML));
            let opened = CallHomeAnswer::read(answer.bytes()).unwrap();
            assert_eq!(opened.answers, sent.message_id);
            let response: Response = serde_json::from_slice(&opened.message).unwrap();
            assert_eq!(response.status, ResponseStatus::Ok);
            assert_eq!(response.request_id, sent.message_id);
            assert!(response.smart_license.unwrap().contains("<smartLicenseTrustCode>"));
        }
    });
}

#[test]
fn call_home_has_the_limit_of_the_receiver() {
    run(async {
        // CSSM-029: whichever way a device comes
        let server = Server::new(&Settings { requests_per_hour_max: 12, ..Settings::default() });
        let registered =
            server.call("post", DDCE, None, enveloped(&server.trust_message()).write());
        assert_eq!(registered.await.status, 200);
        for number in 0..12 {
            let message = server.sync_message();
            let answer = match number % 2 {
                0 => server.call("post", DDCE, None, enveloped(&message).write()).await,
                _ => server.call("post", "/licservice/license", None, message).await,
            };
            assert_eq!(answer.status, 200, "{number}");
        }
        let answer =
            server.call("post", DDCE, None, enveloped(&server.sync_message()).write()).await;
        assert_eq!(answer.status, 429);
        answer.assert_problem();
        let seconds: i64 = answer.header("retry-after").parse().unwrap();
        assert!((3500..=3600).contains(&seconds), "{seconds}");
    });
}

#[test]
fn a_refusal_is_in_an_envelope_and_what_is_no_message_is_a_problem() {
    run(async {
        // CSSM-025
        let server = Server::new(&Settings::default());
        let answer =
            server.call("post", DDCE, None, enveloped(&server.sync_message()).write()).await;
        assert_eq!(answer.status, 200);
        let opened = CallHomeAnswer::read(answer.bytes()).unwrap();
        let response: Response = serde_json::from_slice(&opened.message).unwrap();
        assert_eq!(response.status, ResponseStatus::Failed);
        let right = enveloped(&server.trust_message());
        let other =
            CallHomeRequest { sudi: Udi::new("N9K-C9504", "OTHER").unwrap(), ..right.clone() };
        let renamed = CallHomeRequest { message_id: "another".to_owned(), ..right.clone() };
        let empty = CallHomeRequest { message: b"{}".to_vec(), ..right.clone() };
        let another_device = "names another device than the message in it";
        for (body, words) in [
            (server.trust_message(), "no Call Home envelope"),
            (Vec::new(), "no Call Home envelope"),
            (right.write().replace("</soap-env:Body>", "").into_bytes(), "is damaged near byte"),
            (other.write().into_bytes(), another_device),
            (renamed.write().into_bytes(), another_device),
            (empty.write().into_bytes(), "not a message: missing field"),
        ] {
            let answer = server.call("post", DDCE, None, body).await;
            assert_eq!(answer.status, 400, "{words}");
            answer.assert_problem();
            assert!(answer.text().contains(words), "{words}: {}", answer.text());
        }
        // An envelope is no message of the smart transport either.
        let answer = server.call("post", "/licservice/license", None, right.write()).await;
        assert_eq!(answer.status, 400);
    });
}

#[test]
fn a_switch_of_before_is_shown_as_what_it_is() {
    run(async {
        // PI-MIG-020, CSSM-034: no reports are expected of it, and what it uses is seen
        let server = Server::new(&Settings::default());
        let own = Device { version: "9.3(5)", ..Device::new(&server.cssm, "OLD1") };
        let send = async |message: &Message| {
            let body = enveloped(&serde_json::to_vec(message).unwrap()).write();
            let answer = server.call("post", DDCE, None, body).await;
            let opened = CallHomeAnswer::read(answer.bytes()).unwrap();
            let response: Response = serde_json::from_slice(&opened.message).unwrap();
            assert_eq!(response.status, ResponseStatus::Ok, "{response:?}");
        };
        // Half a year ago: it would be overdue, if it were one that reports.
        let then = server.now();
        send(&own.older_registration(then, &server.token, false)).await;
        send(&own.older(then, OlderCall::Authorize, &[(lan_tag(), 2)])).await;
        let later = then + 180 * Timestamp::DAY;
        server.cssm.watch(later).unwrap();
        let sa = SmartAccountId(1);
        let alerts = server.cssm.alerts(sa).unwrap();
        assert!(alerts.iter().all(|alert| alert.subject != own.udi.to_string()), "{alerts:?}");
        let token = server.log_in("viewer");
        let path = "/api/v1/smart-accounts/1/product-instances?limit=1000";
        let answer = server.call("get", path, token.as_deref(), "").await;
        let rows: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["serial"] == "OLD1").unwrap();
        let older = &row["smart_licensing"];
        let at = |name: &str| older[name].as_i64().unwrap();
        assert!((0..60).contains(&(at("registered_at") - then.0)), "{older}");
        assert!(at("authorized_at") >= at("registered_at"), "{older}");
        // What a message says of itself and when it came may be of two seconds.
        let year = at("expires_at") - at("registered_at") - 365 * Timestamp::DAY;
        assert!((-60..=60).contains(&year), "{older}");
        assert_eq!(
            (&row["trusted"], row["licenses"][0]["count"].as_i64()),
            (&false.into(), Some(2))
        );
        let at = format!(
            "/smart-accounts/1/virtual-accounts/{}/product-instances/{}",
            row["virtual_account_id"], row["id"]
        );
        let page = server.call("get", &at, token.as_deref(), "").await.text().replace("<wbr>", "");
        for part in [
            "<dt>Smart Licensing</dt><dd>registered ",
            "<dt>Last Authorization</dt>",
            "It is registered by Smart Licensing and says what it uses without reports.",
            "LAN_ENTERPRISE_SERVICES_PKG",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let list = at.rsplit_once('/').unwrap().0;
        let page = server.call("get", list, token.as_deref(), "").await.text();
        assert!(page.contains("<span class=\"badge\">Smart Licensing</span>"), "{page}");
    });
}
