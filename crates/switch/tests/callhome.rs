//! Licensing by Call Home: the envelope, its size, its answers, and what is shown.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

mod common;

use common::*;
use rumline_agent::{Input, Transport};
use rumline_protocol::*;
use rumline_switch::NoPath;

/// A trusted switch that sends by Call Home and has something to report.
fn by_callhome(lines: &[&str]) -> Lab {
    let mut lab = Lab::new(Some("hostname leaf-17\n"));
    lab.configure(&["callhome", "enable"]);
    lab.configure(lines);
    lab.configure(&["license smart transport callhome"]);
    lab.install_trust();
    lab.configure(&["feature bgp"]);
    lab
}

/// The next message that is not a trust sync or a poll.
fn next_report(lab: &mut Lab) -> Sent {
    let until = lab.now + Timestamp::HOUR;
    let mut found = None;
    lab.pass_until(until, |lab, sent| {
        if found.is_none() && matches!(sent.request.body, RequestBody::UsageReport { .. }) {
            found = Some(sent);
        } else {
            lab.answer(sent, |_| {});
        }
    });
    found.unwrap()
}

#[test]
fn a_message_goes_in_an_envelope_and_its_answer_comes_out_of_one() {
    // PI-NET-021, PI-NET-030, G-08
    let contact = ["callhome", "email-contact ops@example.net"];
    let mut lab = by_callhome(&contact);
    let mut reports = Vec::new();
    let end = lab.now + Timestamp::HOUR;
    lab.pass_until(end, |lab, sent| {
        assert_eq!(sent.url, "https://tools.cisco.com/its/service/oddce/services/DDCEService");
        assert_eq!(sent.content_type, "text/xml; charset=utf-8");
        let envelope = sent.envelope.clone().unwrap();
        assert_eq!(envelope.message_id, sent.request.request_id);
        assert_eq!(envelope.subtype, sent.request.body.class());
        assert_eq!(envelope.sudi, sent.request.sudi);
        assert_eq!(envelope.created_at, lab.now);
        assert_eq!(envelope.hostname.as_deref(), Some("leaf-17"));
        assert_eq!(envelope.contact_email.as_deref(), Some("ops@example.net"));
        if matches!(sent.request.body, RequestBody::UsageReport { .. }) {
            reports = reports_of(&sent.request);
            let document = lab.ack_document(&reports);
            lab.answer(sent, |response| response.smart_license = Some(document));
        } else {
            lab.answer(sent, |_| {});
        }
    });
    assert!(!reports.is_empty());
    assert!(lab.run(&["show license rum id all"]).contains("ACK"));
    assert!(!lab.log.iter().any(|line| line.contains("COMM_FAILED")), "{:?}", lab.log);
}

#[test]
fn what_is_hidden_stands_in_no_envelope() {
    let mut lab = by_callhome(&["license smart privacy hostname"]);
    let sent = next_report(&mut lab);
    let envelope = sent.envelope.unwrap();
    assert_eq!((envelope.hostname, envelope.contact_email), (None, None));
}

#[test]
fn an_answer_that_is_none_is_a_failure_that_says_why() {
    // PI-MSG-009
    let right = |sent: &Sent| {
        let response = Response::new(&sent.request, Timestamp(0), ResponseStatus::Ok, "");
        serde_json::to_vec(&response).unwrap()
    };
    let answer = |sent: &Sent, answers: &str| CallHomeAnswer {
        answers: answers.to_owned(),
        created_at: Timestamp(0),
        message: right(sent),
    };
    type Bad<'t> = (&'t dyn Fn(&Sent) -> Vec<u8>, &'t str);
    let bad: [Bad<'_>; 5] = [
        (&|sent| right(sent), "server: no Call Home envelope: it is no XML text"),
        (&|sent| answer(sent, "another").write().into_bytes(), "it answers another message"),
        (
            &|sent| answer(sent, &sent.id).write().replace("</soap-env:Body>", "").into_bytes(),
            "server: the Call Home envelope is damaged near byte",
        ),
        (
            &|sent| sent.envelope.clone().unwrap().write().into_bytes(),
            "server: the Call Home envelope is of another type than is read here",
        ),
        (
            &|sent| {
                let message = b"{}".to_vec();
                CallHomeAnswer { message, ..answer(sent, &sent.id) }.write().into_bytes()
            },
            "Received an invalid response from server",
        ),
    ];
    for (body, reason) in bad {
        let mut lab = by_callhome(&[]);
        let sent = next_report(&mut lab);
        let body = body(&sent);
        lab.input(Input::Answer { request_id: sent.id, body });
        let told = lab.log.iter().rfind(|line| line.contains("COMM_FAILED"));
        assert!(told.is_some_and(|line| line.contains(reason)), "{reason}: {told:?}");
    }
}

#[test]
fn reports_go_in_as_many_messages_as_their_size_asks_for() {
    // PI-NET-026
    let mut lab = by_callhome(&["callhome", "destination-profile xml message-size 24000"]);
    lab.now = lab.now + 1;
    lab.configure(&["license smart transport off"]);
    for _ in 0..12 {
        lab.configure(&["no feature bgp"]);
        lab.now = lab.now + 600;
        lab.configure(&["feature bgp"]);
        lab.now = lab.now + 600;
        lab.run(&["license smart save usage all bootflash:all.txt"]);
    }
    lab.configure(&["license smart transport callhome"]);
    lab.run(&["license smart sync"]);
    let (mut messages, mut seen) = (0, Vec::new());
    let end = lab.now + Timestamp::HOUR;
    lab.pass_until(end, |lab, sent| {
        assert!(sent.envelope_bytes <= 24_000, "{}", sent.envelope_bytes);
        if matches!(sent.request.body, RequestBody::UsageReport { .. }) {
            let reports = reports_of(&sent.request);
            messages += 1;
            seen.extend(reports.iter().map(|signed| signed.report.report_id));
            let document = lab.ack_document(&reports);
            lab.answer(sent, |response| response.smart_license = Some(document));
        } else {
            lab.answer(sent, |_| {});
        }
    });
    assert!(messages > 2 && messages < seen.len(), "{messages} messages for {seen:?}");
    let before = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), before, "none goes twice");
    assert!(!lab.log.iter().any(|line| line.contains("COMM_FAILED")), "{:?}", lab.log);
}

#[test]
fn a_message_that_is_too_large_stays_and_the_log_says_why() {
    // PI-NET-026
    let mut lab = by_callhome(&["callhome", "destination-profile xml message-size 2000"]);
    let end = lab.now + 600;
    lab.pass_until(end, |_, sent| panic!("{} bytes left", sent.envelope_bytes));
    let told = lab.log.iter().find(|line| line.contains("COMM_FAILED")).unwrap();
    assert!(told.contains(" bytes, and Call Home sends at most 2000: message-size"), "{told}");
}

#[test]
fn licensing_goes_by_the_first_profile_that_takes_xml_over_http() {
    // PI-CLI-030
    let url = |lab: &Lab| lab.switch.agent().config().destination().unwrap().1;
    let text = "destination-profile full_txt index 1 http https://text.example.net/";
    let own = "destination-profile own index 1 http https://own.example.net/";
    let mut lab =
        by_callhome(&["callhome", text, own, "destination-profile own message-size 9000"]);
    assert_eq!(url(&lab), "https://own.example.net/");
    assert!(lab.run(&["show callhome transport"]).contains("maximum message size:9000\n"));
    lab.configure(&["callhome", "destination-profile own format short-txt"]);
    assert_eq!(url(&lab), "https://tools.cisco.com/its/service/oddce/services/DDCEService");
    lab.configure(&["callhome", "destination-profile xml transport-method email"]);
    let none = NoPath::CallhomeByMail("xml".to_owned());
    assert_eq!(lab.switch.licensing_path(Transport::Callhome), Err(none));
    lab.configure(&["callhome", "destination-profile xml transport-method http"]);
    assert!(lab.switch.licensing_path(Transport::Callhome).is_ok());
    let none = lab.run(&["show callhome destination-profile profile nowhere"]);
    assert_eq!(none, "% There is no destination profile nowhere\n");
}

#[test]
fn the_words_of_ios_xe_show_the_profile_of_licensing() {
    // PI-SHOW-037, C-27
    let url = "destination-profile CiscoTAC-1 index 1 http \
               https://tools.cisco.com/its/service/oddce/services/DDCEService";
    let mut lab = by_callhome(&["callhome", url]);
    let shown = lab.run(&["show call-home profile all"]);
    assert_eq!(
        shown,
        "Current smart-licensing transport settings: Smart-license messages: enabled\n\
         Profile: CiscoTAC-1 (status: ACTIVE)\n\
         Destination URL(s): https://tools.cisco.com/its/service/oddce/services/DDCEService\n"
    );
    if let Some(path) = shared("spec/golden/show/call_home_profile_all.txt") {
        assert_eq!(shown.trim(), read(&path).trim());
    }
    lab.configure(&["license smart transport smart", "callhome", "no enable"]);
    let shown = lab.run(&["show call-home profile all"]);
    assert!(
        shown.contains("messages: disabled\n") && shown.contains("(status: INACTIVE)"),
        "{shown}"
    );
    lab.configure(&["license smart source-interface Ethernet1/22", "license smart vrf red"]);
    assert_eq!(
        lab.run(&["show ip http client"]),
        "HTTP client source interface = Ethernet1/22\nHTTP client VRF = red\n"
    );
}
