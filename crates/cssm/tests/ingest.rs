//! Reports, ACKs and polls at the receiver (CSSM-025, 028, 029; TOPO-2; FILE-007, FILE-009; G-17, G-21).

use rumline_cssm::Actor;

use rumline_agent::{Input, ReportState};
use rumline_cssm::{Answer, Settings};
use rumline_protocol::*;
use rumline_testkit::*;

const UNKNOWN: &str =
    "The identity for the instance is not valid. Please re-register the instance.";
const CHANGED: &str = "Another report with this report_id was received before.";

fn failed(id: u64, words: &str) -> (u64, StatusCode, String) {
    (id, StatusCode::Failed, words.to_owned())
}

#[test]
fn a_switch_reports_its_use_once_and_gets_its_ack() {
    // TOPO-2-003, CSSM-025, PI-RUM-017, PI-RUM-025, C-43
    on_every_engine(&Settings::default(), |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        lab.run_until(&mut switch, START.plus_days(65));
        let times = switch.agent.usage_reporting();
        let last_push = (START + 37).plus_days(60);
        assert_eq!(times.last_push_at, Some(last_push));
        assert_eq!(times.last_ack_at, Some(last_push + 300));
        assert_eq!(switch.agent.report_counts(), [1, 0, 0, 3, 0]);
        let instance = lab.instance("SN1");
        assert_eq!((instance.reports, instance.reports_missing), (3, 0));
        assert_eq!(instance.last_report_at, Some(last_push.0));
        assert_eq!(instance.last_ack_at, Some((last_push + 300).0));
        assert_eq!(lab.counted("SN1"), last_push.since(START));
        assert_eq!(lab.in_use("SN1"), [(lan_tag().as_str().to_owned(), 1)]);
        assert!(switch.log.iter().all(|line| !line.contains("FAILED")), "{:?}", switch.log);
    });
}

#[test]
fn replayed_reordered_and_doubled_messages_count_once() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let reports: Vec<SignedReport> = (0..6)
            .map(|n: i64| device.report(10 + n.unsigned_abs(), START + n * 100, &[(100, 2)]))
            .collect();
        let message = |range: &[usize]| {
            let chosen: Vec<&SignedReport> = range.iter().map(|index| &reports[*index]).collect();
            device.usage(&chosen)
        };
        let first = message(&[4, 1]);
        assert_eq!(lab.entries(&first), [accepted(14), accepted(11)]);
        // The very same message, and its reports in others, in other orders, twice in one.
        assert_eq!(lab.entries(&first), [accepted(14), accepted(11)]);
        assert_eq!(lab.entries(&message(&[1, 1, 0])), [accepted(11), accepted(11), accepted(10)]);
        assert_eq!(lab.entries(&message(&[5, 4, 3, 2, 1, 0])).len(), 6);
        assert_eq!(lab.entries(&message(&[0, 1, 2, 3, 4, 5])).len(), 6);
        assert_eq!((lab.counted("SN1"), lab.instance("SN1").reports), (1200, 6));
        let id = lab.instance("SN1").id;
        let rows = lab.cssm.reports(lab.sa, id, 0, 10_000).unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.report_id).collect();
        assert_eq!(ids, [10, 11, 12, 13, 14, 15]);
        let row = &rows[0];
        assert_eq!((row.start_at, row.end_at, row.last_count), (START.0, START.0 + 100, 2));
        assert_eq!((row.count_seconds, row.tag.as_str()), (200, lan_tag().as_str()));
        // Pages follow one another without gap or overlap.
        let page = lab.cssm.reports(lab.sa, id, 12, 2).unwrap();
        assert_eq!(page.iter().map(|row| row.report_id).collect::<Vec<_>>(), [13, 14]);
    });
}

#[test]
fn a_report_number_stands_for_one_text_for_ever() {
    // G-17: the other text is told as FAILED, and nothing of the first is lost
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let (first, next) =
            (device.report(1, START, &[(100, 1)]), device.report(2, START + 100, &[(50, 3)]));
        let other = device.report(1, START, &[(100, 9)]);
        assert_eq!(lab.entries(&device.usage(&[&first])), [accepted(1)]);
        let entries = lab.entries(&device.usage(&[&other, &next]));
        assert_eq!(entries, [failed(1, CHANGED), accepted(2)]);
        assert_eq!(lab.counted("SN1"), 250);
        assert_eq!(lab.in_use("SN1")[0].1, 3);
        assert_eq!(lab.entries(&device.usage(&[&first])), [accepted(1)]);
        // Both in one message: the first stands.
        let later = START + 150;
        let (a, b) = (device.report(3, later, &[(7, 1)]), device.report(3, later, &[(8, 1)]));
        let entries = lab.entries(&device.usage(&[&a, &b]));
        assert_eq!(entries, [accepted(3), failed(3, CHANGED)]);
        assert_eq!(lab.counted("SN1"), 257);
    });
}

#[test]
fn a_flipped_byte_anywhere_in_a_report_is_noticed() {
    // CSSM-025, FILE-003
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let good = device.report(1, START, &[(100, 1)]);
        let refuse = |bad: &SignedReport, what: &str| {
            let response = lab.response(&device.usage(&[bad]));
            assert_eq!(response.status, ResponseStatus::Failed, "{what}");
        };
        for at in (0..good.payload.len()).step_by(5) {
            let mut bytes = good.payload.clone().into_bytes();
            bytes[at] ^= 1;
            let payload = String::from_utf8(bytes).unwrap();
            refuse(&SignedReport { payload, ..good.clone() }, &format!("payload byte {at}"));
        }
        for at in 0..good.signature.value.len() {
            let mut bytes = good.signature.value.clone().into_bytes();
            bytes[at] ^= 1;
            let mut bad = good.clone();
            bad.signature.value = String::from_utf8(bytes).unwrap();
            refuse(&bad, &format!("signature byte {at}"));
        }
        let changes: [fn(&mut ReportSignature); 5] = [
            |signature| signature.value.clear(),
            |signature| signature.signing_type = "RSA-SHA256".to_owned(),
            |signature| signature.signing_type = "NONE".to_owned(),
            |signature| signature.key = "123456789012".to_owned(),
            |signature| signature.sudi = udi("SN2"),
        ];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad.signature);
            refuse(&bad, &format!("{:?}", bad.signature));
        }
        let mut longer = good.clone();
        longer.payload.push('\n');
        refuse(&longer, "a line end more");
        assert_eq!(lab.instance("SN1").reports, 0);
        assert_eq!(lab.entries(&device.usage(&[&good])), [accepted(1)]);
    });
}

#[test]
fn a_report_of_another_device_does_not_hold_up_the_others() {
    // FILE-009, G-17: partial; what is refused is told in the ACK
    on_every_engine(&at_once(), |lab| {
        let (device, other) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        lab.register(&device);
        lab.register(&other);
        let foreign = other.report(5, START, &[(100, 1)]);
        let own = device.report(1, START, &[(100, 1)]);
        let forged = sign_report(own.report.clone(), other.signer.as_ref());
        let next = device.report(2, START + 100, &[(100, 1)]);
        let message = device.usage(&[&foreign, &own, &forged, &next]);
        let mut entries = lab.entries(&message);
        assert_eq!(lab.counted("SN1"), 200);
        assert_eq!(lab.instance("SN2").reports, 0);
        entries.sort();
        let expected = [
            accepted(1),
            failed(1, "the signature of the report does not verify"),
            accepted(2),
            failed(5, "the report belongs to another UDI"),
        ];
        assert_eq!(entries, expected);
        assert_eq!(lab.refusal(&device.usage(&[&foreign])), "the report belongs to another UDI");
    });
}

#[test]
fn a_report_that_cannot_be_read_does_not_hold_up_the_others() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let good = device.report(1, START, &[(100, 1)]);
        let mut unreadable = device.report(2, START + 100, &[(100, 1)]);
        unreadable.payload = "{}".to_owned();
        let response = lab.response(&device.usage(&[&unreadable, &good]));
        assert_eq!(response.status, ResponseStatus::Ok, "{}", response.status_message);
        assert_eq!(lab.counted("SN1"), 100);
        let alone = lab.response(&device.usage(&[&unreadable]));
        assert_eq!(alone.status, ResponseStatus::Failed);
    });
}

#[test]
fn a_device_nobody_knows_is_told_to_register() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        let report = device.report(1, START, &[(100, 1)]);
        for request in [device.usage(&[&report]), device.poll(lab.now, "x"), device.sync(lab.now)] {
            assert_eq!(lab.refusal(&request), UNKNOWN);
        }
        assert!(lab.instances().is_empty());
        // The same serial number of another model is another device.
        lab.register(&device);
        let mut other = Device::new(&lab.cssm, "SN1");
        other.udi.pid = "N9K-C9504".to_owned();
        assert_eq!(lab.refusal(&other.sync(lab.now)), UNKNOWN);
    });
}

#[test]
fn a_removed_device_is_refused_until_it_registers_again() {
    // CSSM-013, G-23
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let reports = [1, 2].map(|id| device.report(id, START, &[(100, 1)]));
        assert_eq!(lab.entries(&device.usage(&[&reports[0]])), [accepted(1)]);
        let id = lab.instance("SN1").id;
        lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).unwrap();
        let message = device.usage(&[&reports[1]]);
        for request in [&message, &device.poll(lab.now, "x"), &device.sync(lab.now)] {
            assert_eq!(lab.refusal(request), UNKNOWN);
        }
        assert!(lab.cssm.remove_instance(lab.now, &Actor::person("eve"), lab.sa, id).is_err());
        lab.document(&device.trust(lab.now, &lab.token(), false));
        assert_eq!(lab.entries(&device.usage(&[&reports[0], &reports[1]])).len(), 2);
        // Both tell of the same seconds, which count once (T3).
        assert_eq!((lab.counted("SN1"), lab.in_use("SN1")[0].1), (100, 1));
        assert_eq!(lab.instance("SN1").overlap_seconds, 100);
    });
}

#[test]
fn the_newest_report_says_what_is_in_use_in_whatever_order_they_come() {
    // CSSM-013, CSSM-027
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let later = START.plus_days(60);
        lab.now = START.plus_days(61);
        let tell =
            |report: SignedReport| assert_eq!(lab.entries(&device.usage(&[&report])).len(), 1);
        tell(device.report(3, later, &[(100, 1), (100, 5)]));
        assert_eq!(lab.in_use("SN1")[0].1, 5);
        tell(device.report(1, START, &[(100, 7)]));
        tell(device.report(2, START.plus_days(30), &[(100, 8)]));
        assert_eq!(lab.in_use("SN1")[0].1, 5);
        // Use that ended frees the licence, also when older reports come after that.
        tell(device.report(5, later + 500, &[(100, 2), (0, 0)]));
        assert!(lab.in_use("SN1").is_empty());
        assert!(lab.cssm.licenses(lab.now, lab.sa).unwrap().is_empty());
        tell(device.report(4, later + 200, &[(300, 4)]));
        assert!(lab.in_use("SN1").is_empty());
        assert_eq!(lab.counted("SN1"), 100 + 500 + 700 + 800 + 200 + 1200);
    });
}

#[test]
fn of_two_reports_that_end_in_the_same_second_the_later_number_counts() {
    // A feature removed in the second of a push is told by a report of no length.
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let (last_use, none) =
            (device.report(1, START, &[(100, 1)]), device.report(2, START + 100, &[(0, 0)]));
        lab.entries(&device.usage(&[&none]));
        lab.entries(&device.usage(&[&last_use]));
        assert!(lab.in_use("SN1").is_empty());
    });
}

#[test]
fn a_clock_that_was_set_back_does_not_freeze_what_is_in_use() {
    // A switch whose clock was a year ahead is put right by NTP, then a feature goes.
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        lab.entries(&device.usage(&[&device.report(1, START.plus_days(365), &[(100, 4)])]));
        lab.entries(&device.usage(&[&device.report(2, START, &[(100, 4), (10, 0)])]));
        assert!(lab.in_use("SN1").is_empty());
    });
}

#[test]
fn an_ack_waits_until_it_is_ready_and_then_for_whoever_asks_again() {
    // PI-RUM-025, C-43: no poll interval above 15 minutes
    let settings =
        Settings { requests_per_hour_max: 0, ack_delay_seconds: 1200, ..Settings::default() };
    on_every_engine(&settings, |lab| {
        let (device, other) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        lab.register(&device);
        lab.register(&other);
        let report = device.report(1, START, &[(100, 1)]);
        let response = lab.response(&device.usage(&[&report]));
        assert_eq!((response.status, response.smart_license), (ResponseStatus::OkPoll, None));
        assert!((1..=1200).contains(&response.poll_interval_seconds.unwrap()));
        let poll_id = response.poll_id.unwrap();
        // What was taken is durable at once.
        assert_eq!(lab.counted("SN1"), 100);
        let early = lab.response(&device.poll(lab.now, &poll_id));
        assert_eq!(early.status, ResponseStatus::OkPoll);
        assert_eq!(early.poll_id.as_deref(), Some(poll_id.as_str()));
        assert_eq!(early.poll_interval_seconds, Some(900));
        lab.now = START + 1199;
        let early = lab.response(&device.poll(lab.now, &poll_id));
        assert_eq!(early.poll_interval_seconds, Some(1));
        assert_eq!(lab.instance("SN1").last_ack_at, None);
        lab.now = START + 1200;
        for wrong in ["", "nonsense", "a\0b", "' OR ''='"] {
            assert_eq!(lab.refusal(&device.poll(lab.now, wrong)), "the poll_id is not known");
        }
        assert_eq!(lab.refusal(&other.poll(lab.now, &poll_id)), "the poll_id is not known");
        for _ in 0..2 {
            assert_eq!(lab.entries(&device.poll(lab.now, &poll_id)), [accepted(1)]);
        }
        assert_eq!(lab.instance("SN1").last_ack_at, Some(lab.now.0));
        assert_eq!(lab.instance("SN2").last_ack_at, None);
        // One that nobody asks for waits for a month.
        let unasked = lab.response(&device.usage(&[&device.report(2, START + 500, &[(100, 1)])]));
        let unasked = unasked.poll_id.unwrap();
        let ready_at = lab.now + 1200;
        lab.cssm.tidy(lab.now.plus_days(1)).unwrap();
        assert_eq!(lab.entries(&device.poll(lab.now, &poll_id)), [accepted(1)]);
        lab.now = lab.now.plus_days(1) + 1;
        lab.cssm.tidy(lab.now).unwrap();
        // A day after it was fetched first it is gone; the report itself is answered anew.
        assert_eq!(lab.refusal(&device.poll(lab.now, &poll_id)), "the poll_id is not known");
        lab.cssm.tidy(ready_at.plus_days(30)).unwrap();
        assert_eq!(lab.entries(&device.poll(lab.now, &unasked)), [accepted(2)]);
        lab.cssm.tidy(ready_at.plus_days(30) + 1).unwrap();
        assert_eq!(lab.refusal(&device.poll(lab.now, &unasked)), "the poll_id is not known");
        assert_eq!(lab.refusal(&device.poll(lab.now, &poll_id)), "the poll_id is not known");
        // What is known is answered at once.
        assert_eq!(lab.entries(&device.usage(&[&report])), [accepted(1)]);
        // Of many those go that were fetched, or that nobody asks for, and no other.
        let (now, day) = (lab.now.0, 86_400);
        let count = |lab: &Lab| {
            let sql = "SELECT COUNT(*) FROM poll";
            let read = |tx: &mut rumline_store::Tx<'_>| tx.row(sql, &[], |row| row.int(0));
            lab.cssm.db().read("test.polls", read).unwrap().unwrap_or(0)
        };
        let before = count(lab);
        let many = move |tx: &mut rumline_store::Tx<'_>| {
            for number in 0..2_500_i64 {
                let id = format!("poll-{number:05}");
                let (ready_at, fetched_at) = match number % 5 {
                    0 => (now - 29 * day, None),
                    1 => (now - 31 * day, None),
                    2 => (now - 2 * day, Some(now - 2 * day)),
                    3 => (now - 2 * day, Some(now - day / 2)),
                    _ => (now + 60, None),
                };
                let sql =
                    "INSERT INTO poll (id, product_instance_id, ready_at, results, fetched_at)
                    VALUES ($1, 1, $2, '', $3)";
                tx.execute(sql, &[(&id).into(), ready_at.into(), fetched_at.into()])?;
            }
            Ok::<_, rumline_cssm::Error>(())
        };
        lab.cssm.db().write("test.polls", many).unwrap();
        lab.cssm.tidy(lab.now).unwrap();
        assert_eq!(count(lab), before + 1_500);
        assert_eq!(lab.counted("SN1"), 200);
    });
}

#[test]
fn the_13th_request_in_an_hour_is_too_many() {
    // CSSM-029, L-17, G-21: for each product instance on its own
    let settings =
        Settings { requests_per_hour_max: 12, ack_delay_seconds: 0, ..Settings::default() };
    on_every_engine(&settings, |lab| {
        let (device, other) = (Device::new(&lab.cssm, "SN1"), Device::new(&lab.cssm, "SN2"));
        lab.register(&device);
        lab.register(&other);
        lab.now = START + 7200;
        let first = lab.now;
        for number in 0..12_u64 {
            lab.now = first + i64::try_from(number).unwrap() * 10;
            let report = device.report(number + 1, START, &[(100, 1)]);
            let request =
                if number % 2 == 0 { device.usage(&[&report]) } else { device.sync(lab.now) };
            assert_eq!(lab.response(&request).status, ResponseStatus::Ok, "{number}");
        }
        let late = device.report(100, START, &[(100, 1)]);
        for seconds in [120, 130, 3599] {
            lab.now = first + seconds;
            for request in [device.usage(&[&late]), device.sync(lab.now), device.poll(lab.now, "x")]
            {
                let Answer::TooManyRequests { retry_after_seconds } = lab.ask(&request) else {
                    panic!("{seconds}");
                };
                assert_eq!(retry_after_seconds, 3600 - seconds);
            }
        }
        assert_eq!(lab.instance("SN1").reports, 6, "what is refused leaves nothing behind");
        assert_eq!(lab.response(&other.sync(lab.now)).status, ResponseStatus::Ok);
        lab.now = first + 3600;
        assert_eq!(lab.entries(&device.usage(&[&late])), [accepted(100)]);
        // CSSM's clock was set back: that holds nobody up for longer than an hour.
        lab.now = START;
        assert_eq!(lab.response(&device.sync(lab.now)).status, ResponseStatus::Ok);
    });
}

#[test]
fn without_a_limit_every_request_is_taken() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        for _ in 0..100 {
            assert_eq!(lab.response(&device.sync(lab.now)).status, ResponseStatus::Ok);
        }
    });
}

#[test]
fn a_switch_that_is_told_too_many_requests_loses_nothing() {
    // G-21: the device treats 429 as a failed attempt
    let settings =
        Settings { requests_per_hour_max: 2, ack_delay_seconds: 300, ..Settings::default() };
    on_every_engine(&settings, |lab| {
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.give(&mut switch, Input::Use(vec![lan(1)]));
        for _ in 0..4 {
            lab.now = lab.now + 60;
            lab.give(&mut switch, Input::Sync);
        }
        assert!(switch.log.iter().any(|line| line.contains("COMM_FAILED")), "{:?}", switch.log);
        lab.run_until(&mut switch, START.plus_days(35));
        assert_eq!(switch.agent.report_counts()[1..3], [0, 0]);
        let open = switch.agent.licenses_in_use()[0].report_id;
        let summary = switch.agent.report_summary(open, &mut switch.disk).unwrap().unwrap();
        assert_eq!(summary.state, ReportState::Open);
        assert_eq!(lab.counted("SN1"), summary.start_at.since(START));
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nonsense must not cost time")]
fn what_is_no_message_is_told_so_quickly() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let good = serde_json::to_vec(&device.sync(lab.now)).unwrap();
        let report = device.report(1, START, &[(100, 1)]);
        let usage = serde_json::to_vec(&device.usage(&[&report])).unwrap();
        let mut bodies: Vec<Vec<u8>> =
            ["", "null", "[]", "{}", "\"x\"", "<xml/>", "\u{feff}{}", "\0", "1e999"]
                .map(|text| text.as_bytes().to_vec())
                .to_vec();
        bodies.push(vec![0xff; 1000]);
        bodies.push(vec![b'a'; 64 << 20]);
        bodies.push(vec![b'['; 4 << 20]);
        bodies.push(b"{\"a\":".repeat(1 << 20));
        bodies.push(format!("\"{}\"", "a".repeat(1 << 20)).into_bytes());
        let nested = format!("{{\"usage\":{}", "[{\"payload\":".repeat(100_000));
        bodies.push(nested.into_bytes());
        for length in (0..usage.len()).step_by(53) {
            bodies.push(usage[..length].to_vec());
        }
        let text = String::from_utf8(good.clone()).unwrap();
        bodies.push(text.replace("TRUST_SYNC", "MAKE_COFFEE").into_bytes());
        bodies.push(text.replace("TRUST_SYNC", &"x".repeat(1 << 20)).into_bytes());
        bodies.push(text.replace("SN1", "").into_bytes());
        bodies.push(text.replace("SN1", "S\\u0000N").into_bytes());
        bodies.push(text.replace("SN1", "<script>").into_bytes());
        bodies.push(text.replace("SN1", &"9".repeat(65)).into_bytes());
        let mut long = device.sync(lab.now);
        long.nonce = "x".repeat(65);
        bodies.push(serde_json::to_vec(&long).unwrap());
        let begun = std::time::Instant::now();
        for body in &bodies {
            let Answer::NotAMessage(why) = lab.receive(body) else {
                panic!("{}", String::from_utf8_lossy(&body[..body.len().min(200)]));
            };
            assert!(why.len() < 1000, "{}", why.len());
        }
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        assert!(matches!(lab.receive(&good), Answer::Message(_)));
    });
}

#[test]
fn a_message_full_of_reports_or_long_texts_is_taken_or_refused_but_never_breaks_anything() {
    on_every_engine(&at_once(), |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let reports: Vec<SignedReport> = (1..=300)
            .map(|id| device.report(id, START + 100 * id.cast_signed(), &[(100, 1)]))
            .collect();
        let all: Vec<&SignedReport> = reports.iter().collect();
        lab.now = START.plus_days(1);
        assert_eq!(lab.entries(&device.usage(&all)).len(), 300);
        assert_eq!(lab.counted("SN1"), 30_000);
        let mut strange = device.unsigned_report(1000, START, &[(100, 1)]);
        strange.product_instance_identifier = "a\0b".to_owned();
        strange.previous = Some(PreviousReport { report_id: 999, sha256: "\0".to_owned() });
        strange.software_version = "\0".to_owned();
        let strange = sign_report(strange, device.signer.as_ref());
        lab.response(&device.usage(&[&strange]));
        let mut request = device.usage(&[&device.report(1001, START, &[(100, 1)])]);
        request.hostname = Some("\0\n".repeat(100_000));
        request.software_version = Some("\0".to_owned());
        request.software_tag_identifier = "é\u{1f600}\0".repeat(1000);
        request.request_id = "\0\u{1}\u{ffff}".to_owned();
        assert_eq!(lab.entries(&request), [accepted(1001)]);
        // What cannot be is refused, each with its reason (T3), and nothing overflows.
        let backward = {
            let mut report = device.unsigned_report(1006, START, &[(100, 1)]);
            report.measurements[0].end_time = START - 1;
            sign_report(report, device.signer.as_ref())
        };
        for (report, why) in [
            (device.report(1002, START - 100, &[(50, u32::MAX)]), "more than any platform has"),
            (device.report(1003, Timestamp(1 << 40), &[(1, 1)]), "which is to come"),
            (device.report(1004, Timestamp(i64::MIN), &[(1, 1)]), "before the product instance"),
            (device.report(1005, Timestamp(0), &[(i64::MAX, 1)]), "before the product instance"),
            (backward, "ends before it starts"),
            (device.report(1007, lab.now, &[(Timestamp::HOUR, 1)]), "which is to come"),
        ] {
            let entries = lab.entries(&device.usage(&[&report]));
            assert_eq!((entries.len(), entries[0].1), (1, StatusCode::Failed));
            assert!(entries[0].2.contains(why), "{why}: {}", entries[0].2);
        }
        let late = device.report(1008, lab.now, &[(Timestamp::HOUR - 1, 1)]);
        assert_eq!(lab.entries(&device.usage(&[&late])), [accepted(1008)]);
        assert_eq!(lab.cssm.licenses(lab.now, lab.sa).unwrap()[0].in_use, 1);
        assert_eq!(lab.entries(&device.usage(&[&reports[0]])), [accepted(1)]);
    });
}

#[test]
fn an_answer_after_a_policy_file_is_not_older_than_it() {
    // TOPO-6-004, PI-POL: the same policy by file and by answer is no failure
    on_every_engine(&at_once(), |lab| {
        let mut policy = Policy::cisco_default();
        policy.policy_name = "Quarterly".to_owned();
        lab.cssm
            .set_policy(lab.now, &Actor::person("admin"), lab.sa, None, Some((&policy, None)))
            .unwrap();
        let mut switch = lab.switch("SN1");
        lab.trust(&mut switch, &lab.token(), false);
        lab.now = lab.now + 60;
        let file = lab.cssm.policy_file(lab.now, lab.sa, lab.va).unwrap();
        assert_eq!(switch.import(lab.now, &file).installed, ["POLICY"]);
        lab.now = lab.now + 60;
        lab.give(&mut switch, Input::Sync);
        assert!(switch.log.iter().all(|line| !line.contains("FAILED")), "{:?}", switch.log);
    });
}

#[test]
fn nobody_asks_in_the_name_of_a_device() {
    // CSSM-029, G-21: others must not use up a device's requests, nor learn of its account
    let settings =
        Settings { requests_per_hour_max: 12, ack_delay_seconds: 0, ..Settings::default() };
    on_every_engine(&settings, |lab| {
        let device = Device::new(&lab.cssm, "SN1");
        lab.register(&device);
        let refused = "the request is not signed by the device it names";
        let mut stolen = device.sync(lab.now);
        stolen.nonce = "0".repeat(16);
        for _ in 0..20 {
            let unsigned = device.request(RequestBody::SYNC);
            assert_eq!(lab.refusal(&unsigned), refused);
            assert_eq!(lab.refusal(&stolen), refused);
        }
        assert_eq!(lab.response(&device.sync(lab.now)).status, ResponseStatus::Ok);
    });
}
