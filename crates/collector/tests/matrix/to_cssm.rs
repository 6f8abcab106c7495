//! What devices and people say to CSSM: trust requests, reports, messages, polls, tokens.

use rumline_agent::Input;
use rumline_cssm::{Actor, NewToken, Settings};
use rumline_protocol::*;
use rumline_testkit::*;

use crate::ground::{CSLU, DIRECT, EACH, Ground, Place};
use crate::{Attack, Cell};

/// A trust message with other signed requests in it.
fn trust_message(device: &Device, token: &str, requests: Vec<SignedText>) -> Request {
    let id_token = token.to_owned();
    let body = RequestBody::TrustRequest { id_token, force: false, trust_requests: requests };
    device.request(body)
}

pub(crate) fn trust_request(g: &mut Ground, attack: Attack) -> Cell {
    let new = Device::new(&g.estate.cssm, "SN9");
    let (now, token) = (g.estate.now, g.estate.token());
    let genuine = new.trust(now, &token, false);
    let meant = new.token_request(now, &token, false);
    match attack {
        Attack::Replay => {
            g.send(&genuine);
            g.begin();
            g.send(&genuine);
            Cell::Nothing(Place::Sender, "OK")
        }
        Attack::RollBack => {
            g.send(&genuine);
            g.estate.now = now + MINUTE;
            g.send(&new.trust(now + MINUTE, &token, true));
            g.begin();
            g.send(&genuine);
            Cell::Nothing(Place::Owner, "already installed")
        }
        Attack::Freeze => {
            g.estate.now = now + 2 * Timestamp::HOUR;
            g.begin();
            g.send(&genuine);
            Cell::Nothing(Place::Sender, "timestamp mismatch")
        }
        Attack::Splice => {
            let other = g.estate.token();
            g.begin();
            g.send(&trust_message(&new, &other, vec![new.signed(meant)]));
            Cell::Nothing(Place::Owner, "was made for another token")
        }
        Attack::Truncate => {
            let mut signed = new.signed(meant);
            signed.data.truncate(signed.data.len() / 2);
            g.begin();
            g.send(&trust_message(&new, &token, vec![signed]));
            Cell::Nothing(Place::Sender, "FAILED")
        }
        Attack::Reorder => {
            let standby = Device::new(&g.estate.cssm, "SN10");
            let second = standby.signed(standby.token_request(now, &token, false));
            g.begin();
            g.send(&trust_message(&new, &token, vec![second, new.signed(meant)]));
            Cell::Nothing(Place::Sender, "of another UDI")
        }
        Attack::WrongUdi => {
            g.begin();
            let signed = vec![new.signed(meant)];
            let message = trust_message(&g.neighbour, &token, signed);
            g.send(&message);
            Cell::Nothing(Place::Sender, "of another UDI")
        }
        Attack::WrongAccount => {
            let stolen = g.estate.token_of(g.other);
            let request = g.device.trust(now, &stolen, true);
            g.begin();
            g.send(&request);
            Cell::Nothing(Place::Owner, "SN1")
        }
        Attack::WrongReceiver => {
            let meant = TrustRequest { audience: g.elsewhere.cssm.id().to_owned(), ..meant };
            g.begin();
            g.send(&trust_message(&new, &token, vec![new.signed(meant)]));
            Cell::Nothing(Place::Sender, "is for another CSSM")
        }
        Attack::WrongTime => {
            let timestamp = now + 2 * Timestamp::HOUR;
            let valid_until = now + Timestamp::DAY;
            let meant = TrustRequest { timestamp, valid_until, ..meant };
            g.begin();
            g.send(&trust_message(&new, &token, vec![new.signed(meant)]));
            Cell::Nothing(Place::Sender, "timestamp mismatch")
        }
        Attack::UnknownKey => {
            let stranger = Device::new(&g.estate.cssm, "SN9");
            g.begin();
            g.send(&trust_message(&new, &token, vec![stranger.signed(meant)]));
            Cell::Nothing(Place::Sender, "signature mismatch")
        }
        Attack::RevokedKey => {
            let old = std::mem::replace(&mut g.device, Device::new(&g.estate.cssm, "SN1"));
            g.estate.let_go("SN1");
            g.estate.register(&g.device);
            g.begin();
            g.send(&old.trust(now, &token, false));
            Cell::Nothing(Place::Owner, "SN1")
        }
    }
}

/// A message of a device with reports.
fn usage(device: &Device, reports: &[&SignedReport]) -> Request {
    device.usage(reports)
}

pub(crate) fn report(g: &mut Ground, attack: Attack) -> Cell {
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| g.reports[at].clone());
    let signed = |g: &Ground, report: RumReport| sign_report(report, g.device.signer.as_ref());
    match attack {
        Attack::Replay => {
            g.begin();
            g.send(&usage(&g.device, &[&second]));
            Cell::Nothing(Place::Sender, "Rum Report is accepted")
        }
        Attack::RollBack => {
            // The device was set back behind its second report and says something else in its place.
            let mut again = second.report.clone();
            again.measurements[0].count = 2;
            let again = signed(g, again);
            g.begin();
            g.send(&usage(&g.device, &[&again]));
            Cell::Nothing(Place::Owner, "set back")
        }
        Attack::Freeze => {
            g.send(&usage(&g.device, &[&fourth]));
            assert_eq!(g.estate.instance("SN1").reports_missing, 1);
            g.estate.now = g.estate.now.plus_days(300);
            g.begin();
            g.send(&usage(&g.device, &[&third]));
            assert_eq!((g.estate.instance("SN1").reports_missing, g.counted("SN1")), (0, 4 * EACH));
            Cell::Counts(Place::Sender, "103 Ok: Rum Report is accepted")
        }
        Attack::Splice => {
            let spliced = SignedReport { signature: fourth.signature, ..third };
            g.begin();
            g.send(&usage(&g.device, &[&spliced]));
            Cell::Nothing(Place::Sender, "does not verify")
        }
        Attack::Truncate => {
            let mut cut = third;
            cut.payload.truncate(cut.payload.len() / 2);
            g.begin();
            g.send(&usage(&g.device, &[&cut]));
            Cell::Nothing(Place::Sender, "FAILED")
        }
        Attack::Reorder => {
            g.begin();
            g.send(&usage(&g.device, &[&fourth]));
            g.send(&usage(&g.device, &[&third]));
            assert_eq!((g.estate.instance("SN1").reports_missing, g.counted("SN1")), (0, 4 * EACH));
            Cell::Counts(Place::Sender, "103 Ok: Rum Report is accepted")
        }
        Attack::WrongUdi => {
            let others = g.neighbour.report(9, START, &[(EACH, 1)]);
            g.begin();
            g.send(&usage(&g.device, &[&others]));
            Cell::Nothing(Place::Sender, "FAILED")
        }
        Attack::WrongAccount => {
            let file = g.device.usage_file(g.estate.now, &[&third]);
            let (sa, va) = g.other;
            g.begin();
            let eve = Actor::person("eve");
            let taken =
                g.estate.cssm.upload_usage(g.estate.now, &eve, sa, va, "x.txt", file.as_bytes());
            g.read(taken);
            Cell::Nothing(Place::Owner, "SN1")
        }
        Attack::WrongReceiver => {
            let mut report = third.report;
            let audience = g.elsewhere.cssm.id().to_owned();
            report.lineage = report.lineage.map(|lineage| Lineage { audience, ..lineage });
            let report = signed(g, report);
            g.begin();
            g.send(&usage(&g.device, &[&report]));
            Cell::Nothing(Place::Sender, "another CSSM")
        }
        Attack::WrongTime => {
            let mut report = third.report;
            report.measurements[0].end_time = g.estate.now.plus_days(1);
            let report = signed(g, report);
            g.begin();
            g.send(&usage(&g.device, &[&report]));
            Cell::Nothing(Place::Sender, "which is to come")
        }
        Attack::UnknownKey => {
            let stranger = Device::new(&g.estate.cssm, "SN1");
            let report = sign_report(first.report, stranger.signer.as_ref());
            g.begin();
            g.send(&usage(&g.device, &[&report]));
            Cell::Nothing(Place::Sender, "FAILED")
        }
        Attack::RevokedKey => {
            g.rekey();
            g.begin();
            g.send(&usage(&g.device, &[&third]));
            Cell::Nothing(Place::Sender, "does not verify")
        }
    }
}

pub(crate) fn usage_message(g: &mut Ground, attack: Attack) -> Cell {
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| g.reports[at].clone());
    match attack {
        Attack::Replay => {
            let message = usage(&g.device, &[&third, &fourth]);
            g.send(&message);
            g.begin();
            g.send(&message);
            Cell::Nothing(Place::Sender, "103 Ok: Rum Report is accepted")
        }
        Attack::RollBack => {
            g.send(&usage(&g.device, &[&third, &fourth]));
            g.begin();
            g.send(&usage(&g.device, &[&first, &second]));
            Cell::Nothing(Place::Sender, "101 Ok: Rum Report is accepted")
        }
        Attack::Freeze => {
            let message = usage(&g.device, &[&third, &fourth]);
            g.estate.now = g.estate.now.plus_days(300);
            g.begin();
            g.send(&message);
            assert_eq!(g.counted("SN1"), 4 * EACH);
            Cell::Counts(Place::Sender, "104 Ok: Rum Report is accepted")
        }
        Attack::Splice => {
            let others = g.neighbour.report(9, START, &[(EACH, 1)]);
            g.begin();
            g.send(&usage(&g.device, &[&others, &third]));
            assert_eq!((g.counted("SN1"), g.counted("SN2")), (3 * EACH, 0));
            Cell::Counts(Place::Sender, "9 Failed")
        }
        Attack::Truncate => {
            let message = serde_json::to_vec(&usage(&g.device, &[&third])).unwrap();
            g.begin();
            g.send_bytes(&message[..message.len() / 2]);
            Cell::Nothing(Place::Sender, "not a message")
        }
        Attack::Reorder => {
            g.begin();
            g.send(&usage(&g.device, &[&fourth, &third]));
            assert_eq!((g.estate.instance("SN1").reports_missing, g.counted("SN1")), (0, 4 * EACH));
            Cell::Counts(Place::Sender, "103 Ok: Rum Report is accepted")
        }
        Attack::WrongUdi => {
            let mut message = usage(&g.device, &[&third]);
            message.sudi = g.neighbour.udi.clone();
            g.begin();
            g.send(&message);
            Cell::Nothing(Place::Sender, "FAILED")
        }
        Attack::WrongAccount => {
            // Brought in by a collector of the other account, whose device it is not.
            let server = g.collector_of_other();
            g.begin();
            g.push(server, &usage_shown(&g.device, &[&third]));
            g.estate.exchange(server, CSLU);
            assert_eq!(g.counted("SN1"), 2 * EACH);
            Cell::Counts(Place::Owner, "SN1")
        }
        Attack::WrongReceiver => {
            let message = usage(&g.device, &[&third]);
            g.begin();
            let answer = g.elsewhere.ask(&message);
            g.read(Err::<(), _>(format!("{answer:?}")));
            Cell::Nothing(Place::Sender, "Please re-register the instance")
        }
        Attack::WrongTime => {
            // Its own time decides nothing: that of the reports in it does.
            let mut message = usage(&g.device, &[&third, &fourth]);
            message.timestamp = i64::MIN;
            g.begin();
            g.send(&message);
            assert_eq!(g.counted("SN1"), 4 * EACH);
            Cell::Counts(Place::Sender, "104 Ok: Rum Report is accepted")
        }
        Attack::UnknownKey => {
            // To a collector, which learns a key from what is first shown.
            let stranger = Device::new(&g.estate.cssm, "SN8");
            let report = stranger.report(1, START, &[(EACH, 9)]);
            g.begin();
            g.push(0, &usage_shown(&stranger, &[&report]));
            Cell::Nothing(Place::Collector, "claim SN8")
        }
        Attack::RevokedKey => {
            g.rekey();
            g.begin();
            g.send(&usage(&g.device, &[&third, &fourth]));
            Cell::Nothing(Place::Sender, "does not verify")
        }
    }
}

/// A message to a collector, which wants to see the key.
fn usage_shown(device: &Device, reports: &[&SignedReport]) -> Request {
    let mut message = device.usage(reports);
    message.public_key = Some(device.signer.public_key().clone());
    message
}

/// A device whose report waits at a CSSM that takes a minute, and the poll that asks for the result.
fn waiting(g: &mut Ground, report: &SignedReport) -> String {
    use rumline_cssm::Answer;
    let body = serde_json::to_vec(&usage(&g.device, &[report])).unwrap();
    match g.estate.receive(&body) {
        Answer::Message(response) => response.poll_id.expect("a poll id"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn poll(g: &mut Ground, attack: Attack) -> Cell {
    *g = Ground::of(&Settings {
        requests_per_hour_max: 0,
        ack_delay_seconds: 60,
        ..Settings::default()
    });
    let third = g.reports[2].clone();
    let poll_id = waiting(g, &third);
    let asked_at = g.estate.now;
    g.estate.now = g.estate.now + 2 * MINUTE;
    let now = g.estate.now;
    let accepted = "103 Ok: Rum Report is accepted";
    match attack {
        Attack::Replay => {
            let poll = g.device.poll(now, &poll_id);
            g.send(&poll);
            g.begin();
            g.send(&poll);
            Cell::Nothing(Place::Sender, accepted)
        }
        Attack::RollBack => {
            let fourth = g.reports[3].clone();
            let newer = waiting(g, &fourth);
            g.estate.now = now + 2 * MINUTE;
            let now = g.estate.now;
            g.send(&g.device.poll(now, &newer));
            g.begin();
            g.send(&g.device.poll(now, &poll_id));
            Cell::Nothing(Place::Sender, accepted)
        }
        Attack::Freeze => {
            let poll = g.device.poll(now, &poll_id);
            g.estate.now = now + 2 * Timestamp::HOUR;
            g.begin();
            g.send(&poll);
            Cell::Nothing(Place::Sender, "timestamp mismatch")
        }
        Attack::Splice => {
            let proof = g.device.poll(now, "another").proof;
            let mut poll = g.device.poll(now, &poll_id);
            poll.proof = proof;
            g.begin();
            g.send(&poll);
            Cell::Nothing(Place::Sender, "not signed by the device")
        }
        Attack::Truncate => {
            let mut poll = g.device.poll(now, &poll_id);
            poll.proof = poll.proof.map(|proof| proof[..proof.len() / 2].to_owned());
            g.begin();
            g.send(&poll);
            Cell::Nothing(Place::Sender, "not signed by the device")
        }
        Attack::Reorder => {
            // Before the result is there.
            g.estate.now = asked_at;
            g.begin();
            g.send(&g.device.poll(asked_at, &poll_id));
            Cell::Nothing(Place::Sender, "OK_POLL")
        }
        Attack::WrongUdi => {
            g.begin();
            g.send(&g.neighbour.poll(now, &poll_id));
            Cell::Nothing(Place::Sender, "FAILED")
        }
        Attack::WrongAccount => Cell::Empty(
            "a poll names no account: its UDI belongs to one, and another UDI is its own column",
        ),
        Attack::WrongReceiver => {
            // Shown to a collector once, now shown to CSSM.
            let mut poll = g.device.poll(now, &poll_id);
            let text = poll.proof_text(Request::COLLECTOR);
            poll.proof = Some(base64(&g.device.signer.sign(text.as_bytes())));
            g.begin();
            g.send(&poll);
            Cell::Nothing(Place::Sender, "not signed by the device")
        }
        Attack::WrongTime => {
            g.begin();
            g.send(&g.device.poll(now + 2 * Timestamp::HOUR, &poll_id));
            Cell::Nothing(Place::Sender, "timestamp mismatch")
        }
        Attack::UnknownKey => {
            let stranger = Device::new(&g.estate.cssm, "SN1");
            g.begin();
            g.send(&stranger.poll(now, &poll_id));
            Cell::Nothing(Place::Sender, "not signed by the device")
        }
        Attack::RevokedKey => {
            g.rekey();
            g.begin();
            g.send(&g.device.poll(now, &poll_id));
            Cell::Nothing(Place::Sender, "not signed by the device")
        }
    }
}

/// A token is typed at a switch; what is sent goes to CSSM.
fn typed(g: &mut Ground, id_token: &str) {
    let id_token = id_token.to_owned();
    g.estate.input(DIRECT, Input::Trust { id_token, all: true, force: true });
}

pub(crate) fn token(g: &mut Ground, attack: Attack) -> Cell {
    let (new, now) = (Device::new(&g.estate.cssm, "SN9"), g.estate.now);
    let token = g.estate.token();
    match attack {
        Attack::Replay => {
            let (_, once) = g.estate.new_token(g.estate.va, Some(1));
            g.send(&new.trust(now, &once, false));
            let second = Device::new(&g.estate.cssm, "SN10");
            g.begin();
            g.send(&second.trust(now, &once, false));
            Cell::Nothing(Place::Owner, "has been used as often as it may be")
        }
        Attack::RollBack => Cell::Empty(
            "a token has no older state: used up, expired and revoked are columns of their own",
        ),
        Attack::Freeze => {
            g.estate.now = now.plus_days(31);
            g.begin();
            let now = g.estate.now;
            g.send(&new.trust(now, &token, false));
            Cell::Nothing(Place::Owner, "the token has expired")
        }
        Attack::Splice => {
            let other = g.estate.token();
            g.begin();
            typed(g, &format!("{}{}", &token[..24], &other[24..]));
            Cell::Nothing(Place::Switch, "TRUST_CODE_INSTALL_FAILED")
        }
        Attack::Truncate => {
            g.begin();
            typed(g, &token[..token.len() - 1]);
            Cell::Nothing(Place::Switch, "TRUST_CODE_INSTALL_FAILED")
        }
        Attack::Reorder => {
            let (head, tail) = token.split_at(24);
            g.begin();
            typed(g, &format!("{tail}{head}"));
            Cell::Nothing(Place::Switch, "TRUST_CODE_INSTALL_FAILED")
        }
        Attack::WrongUdi => {
            // A token is for whoever has it; the account reads who that was.
            g.begin();
            g.send(&new.trust(now, &token, false));
            Cell::Counts(Place::Owner, "SN9")
        }
        Attack::WrongAccount => {
            let others = g.estate.token_of(g.other);
            g.begin();
            typed(g, &others);
            Cell::Nothing(Place::Owner, "SN7")
        }
        Attack::WrongReceiver => {
            // Its mark shows that it was made elsewhere: it is shown to nobody.
            let others = g.elsewhere.token();
            g.begin();
            typed(g, &others);
            Cell::Nothing(Place::Switch, "the token is not valid")
        }
        Attack::WrongTime => {
            let soon =
                NewToken { description: String::new(), expires_after_days: 1, uses_max: None };
            let (sa, va) = (g.estate.sa, g.estate.va);
            let short = g.estate.cssm.create_token(now, &admin(), sa, va, &soon).unwrap().value;
            // The clock of CSSM jumps ahead.
            g.estate.now = now.plus_days(400);
            g.begin();
            let later = g.estate.now;
            g.send(&new.trust(later, &short, false));
            Cell::Nothing(Place::Owner, "the token has expired")
        }
        Attack::UnknownKey => {
            let invented = new_id_token(&mut chance(), g.estate.cssm.id());
            g.begin();
            typed(g, &invented);
            Cell::Nothing(Place::Switch, "the token is not valid")
        }
        Attack::RevokedKey => {
            let (id, revoked) = g.estate.new_token(g.estate.va, None);
            g.estate.cssm.revoke_token(now, &admin(), g.estate.sa, id).unwrap();
            g.begin();
            g.send(&new.trust(now, &revoked, false));
            Cell::Nothing(Place::Owner, "the token has been revoked")
        }
    }
}
