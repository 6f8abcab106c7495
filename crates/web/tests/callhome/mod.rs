//! The endpoint of Call Home (CSSM-031): the receiver, in an envelope.

use rumline_cssm::Settings;
use rumline_protocol::{CallHomeAnswer, CallHomeRequest, Response, ResponseStatus, Udi};

use super::DDCE;
use super::common::*;

const TEXT_XML: &str = "text/xml; charset=utf-8";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_an_envelope_is_answered_in_one() {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn call_home_has_the_limit_of_the_receiver() {
    // CSSM-029: whichever way a device comes
    let server = Server::new(&Settings { requests_per_hour_max: 12, ..Settings::default() });
    let registered = server.call("post", DDCE, None, enveloped(&server.trust_message()).write());
    assert_eq!(registered.await.status, 200);
    for number in 0..12 {
        let message = server.sync_message();
        let answer = match number % 2 {
            0 => server.call("post", DDCE, None, enveloped(&message).write()).await,
            _ => server.call("post", "/licservice/license", None, message).await,
        };
        assert_eq!(answer.status, 200, "{number}");
    }
    let answer = server.call("post", DDCE, None, enveloped(&server.sync_message()).write()).await;
    assert_eq!(answer.status, 429);
    answer.assert_problem();
    let seconds: i64 = answer.header("retry-after").parse().unwrap();
    assert!((3500..=3600).contains(&seconds), "{seconds}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_in_an_envelope_and_what_is_no_message_is_a_problem() {
    // CSSM-025
    let server = Server::new(&Settings::default());
    let answer = server.call("post", DDCE, None, enveloped(&server.sync_message()).write()).await;
    assert_eq!(answer.status, 200);
    let opened = CallHomeAnswer::read(answer.bytes()).unwrap();
    let response: Response = serde_json::from_slice(&opened.message).unwrap();
    assert_eq!(response.status, ResponseStatus::Failed);
    let right = enveloped(&server.trust_message());
    let other = CallHomeRequest { sudi: Udi::new("N9K-C9504", "OTHER").unwrap(), ..right.clone() };
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
}
