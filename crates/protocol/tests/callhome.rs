//! The Call Home envelope (G-08): what goes in comes out, and what is no envelope is told from one.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use proptest::prelude::*;
use rumline_protocol::*;

fn request() -> CallHomeRequest {
    CallHomeRequest {
        message_id: "00112233445566778899aabbccddeeff".to_owned(),
        created_at: Timestamp(1_700_003_600),
        subtype: "Usage Reporting".to_owned(),
        sudi: Udi::new("N9K-C93180YC-FX3", "RML0000TEST").unwrap(),
        hostname: Some("leaf-17".to_owned()),
        contact_email: Some("ops@example.net".to_owned()),
        message: b"{\"message_version\":\"1.3\"}".to_vec(),
    }
}

fn refused(text: &str) -> String {
    CallHomeRequest::read(text.as_bytes()).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        message in proptest::collection::vec(any::<u8>(), 1..5000),
        hostname in proptest::option::of("[!-~]{1,63}"),
        contact_email in proptest::option::of("[!-~]{1,80}"),
        seconds in 0_i64..4_000_000_000,
    ) {
        let sent = CallHomeRequest {
            message,
            hostname,
            contact_email,
            created_at: Timestamp(seconds),
            ..request()
        };
        let text = sent.write();
        prop_assert!(CallHomeRequest::room(text.len() + 4096) >= sent.message.len());
        prop_assert_eq!(CallHomeRequest::read(text.as_bytes()), Ok(sent.clone()));
        let answer = CallHomeAnswer {
            answers: sent.message_id,
            created_at: sent.created_at,
            message: sent.message,
        };
        prop_assert_eq!(CallHomeAnswer::read(answer.write().as_bytes()), Ok(answer));
    }

    #[test]
    fn a_message_that_has_room_fits(limit in 5000_usize..200_000, name in "[<>&]{300}") {
        // PI-NET-026
        let message = vec![b'x'; CallHomeRequest::room(limit)];
        let hostname = Some(name.clone());
        let request = CallHomeRequest { message, hostname, contact_email: Some(name), ..request() };
        prop_assert!(request.write().len() <= limit);
    }

    #[test]
    fn junk_is_refused_and_harmless(junk in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(CallHomeRequest::read(&junk).is_err());
        prop_assert!(CallHomeAnswer::read(&junk).is_err());
    }

    #[test]
    fn an_envelope_with_bytes_changed_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = request().write().into_bytes();
        let whole = bytes.len();
        for (index, byte) in changes {
            bytes[index.index(whole)] = byte;
        }
        let _whatever = CallHomeRequest::read(&bytes);
        let text = request().write();
        // All but its last line end is needed.
        prop_assert!(CallHomeRequest::read(&text.as_bytes()[..cut.index(text.len() - 1)]).is_err());
    }
}

#[test]
fn what_no_line_can_hold_is_written_as_blanks() {
    let hostname = Some("a\u{1b}]\r\nb\u{0}".to_owned());
    let read = CallHomeRequest::read(CallHomeRequest { hostname, ..request() }.write().as_bytes());
    assert_eq!(read.unwrap().hostname.as_deref(), Some("a ]  b"));
}

#[test]
fn each_part_stands_once_and_in_its_place() {
    let text = request().write();
    let id = "<aml-session:MessageId>00112233445566778899aabbccddeeff</aml-session:MessageId>";
    assert_eq!(
        refused(&text.replace(id, "")),
        "the Call Home envelope lacks aml-session:MessageId"
    );
    let twice = "the Call Home envelope holds aml-session:MessageId twice";
    assert_eq!(refused(&text.replace(id, &format!("{id}{id}"))), twice);
    // Elsewhere it is not that part.
    let moved = text.replace(id, "").replace("<soap-env:Body>", &format!("<soap-env:Body>{id}"));
    assert_eq!(refused(&moved), "the Call Home envelope lacks aml-session:MessageId");
    for (from, to, told) in [
        ("base64\">", "plain\">", "holds an attachment that is not base64, which is not accepted"),
        ("base64\">", "base64\">*", "aml-block:Data of the Call Home envelope cannot be read"),
        (":request:1", ":request:2", "is of another type"),
        (":request:", ":answer:", "is of another type"),
        ("smart-licensing</ch", "inventory</ch", "ch:Type of the Call Home envelope"),
        ("N9K-C93180YC-FX3", "N9K C93180YC", "rme:Chassis of the Call Home envelope"),
        ("2023-11-14T", "2023-13-14T", "aml-block:CreationDate of the Call Home envelope"),
        ("<soap-env:Body>", "<soap-env:Body><x>&xxe;</x>", "holds an entity"),
        ("leaf-17", "&lol;", "holds an entity"),
        ("leaf-17", "&#0;", "holds an entity"),
        ("leaf-17", "<b>leaf</b>", "holds an element inside text"),
        ("leaf-17", &"l".repeat(257), "ch:Name of the Call Home envelope"),
        ("?>\n", "?>\n<!DOCTYPE x [<!ENTITY lol \"lol\">]>\n", "holds a DOCTYPE"),
        ("?>\n", "?>\n<?run this?>\n", "holds an instruction"),
        ("?>\n", "?>\nx", "holds text beside it"),
        ("</soap-env:Envelope>\n", "</soap-env:Envelope>x", "holds text beside it"),
        ("</soap-env:Envelope>\n", "</soap-env:Envelope><a/>", "holds a second root"),
        ("</soap-env:Envelope>\n", "", "is damaged near byte"),
        ("<soap-env:Body>", "<soap-env:Body></soap-env:Header>", "is damaged near byte"),
        ("<soap-env:Body>", &format!("<soap-env:Body>{}", "<x>".repeat(9)), "nested too deep"),
        ("<soap-env:Body>", &format!("<soap-env:Body>{}", "<x/>".repeat(300)), "too many elements"),
    ] {
        assert!(text.contains(from), "{from}");
        let shown = refused(&text.replacen(from, to, 1));
        assert!(shown.contains(told), "{from} -> {to}: {shown}");
    }
    assert!(refused("{\"message_version\":\"1.3\"}").contains("it is no XML text"));
    assert!(CallHomeRequest::read(b"<\xff").is_err());
    assert!(refused(&format!("<{}", " ".repeat(48 << 20))).contains("50331648 is the most"));
}

#[test]
fn other_prefixes_comments_and_strange_elements_do_no_harm() {
    let text = request().write();
    let other = text.replace("soap-env:", "s:").replace("xmlns:soap-env", "xmlns:s");
    let other = other
        .replace("<ch:Event>", "<!-- an event --><ch:Event><ch:Brand>Cisco</ch:Brand>")
        .replace("leaf-17", "&#x6c;eaf-<![CDATA[17]]>");
    assert_eq!(CallHomeRequest::read(other.as_bytes()), Ok(request()));
}
