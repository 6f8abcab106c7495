//! Smart Licensing over time: what is asked when, what is told, what is kept.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use rumline_legacy::{
    Answer, Call, Compliance, EVALUATION_SECONDS, Effect, Granted, Input, Kept, Message, Model,
    Personality, RETRY_SECONDS, Server, Standing, Use,
};
use rumline_protocol::{EntitlementTag, Timestamp};

const START: Timestamp = Timestamp(1_600_000_000);

fn used(name: &str) -> Use {
    let tag = format!("regid.2020-01.com.example.{name},1.0_00000000-0000-0000-0000-000000000001");
    let tag = EntitlementTag::new(&tag).unwrap();
    Use { tag, name: name.to_owned(), description: name.to_owned(), count: 1 }
}

fn granted(now: Timestamp) -> Answer {
    Answer::Granted(Granted {
        server: Server::Cssm,
        smart_account: "Example".to_owned(),
        virtual_account: "Default".to_owned(),
        expires_at: now.plus_days(365),
        cslu_url: None,
        server_key: None,
    })
}

fn authorized(now: Timestamp) -> Answer {
    Answer::Authorized { out_of_compliance: Vec::new(), deadline_at: now.plus_days(90) }
}

fn calls(effects: &[Effect]) -> Vec<&Call> {
    let mut calls = Vec::new();
    for effect in effects {
        if let Effect::Call(call) = effect {
            calls.push(call);
        }
    }
    calls
}

fn told(effects: &[Effect]) -> Vec<&Message> {
    let mut told = Vec::new();
    for effect in effects {
        if let Effect::Tell(message) = effect {
            told.push(message);
        }
    }
    told
}

fn register() -> Input {
    Input::Register { id_token: "token".to_owned(), force: false }
}

/// A registered and authorised switch, a minute after [`START`].
fn registered() -> Personality {
    let mut switch = Personality::open(Kept::default(), true);
    switch.handle(START, Input::Uses(vec![used("LAN"), used("NET")]));
    switch.handle(START, register());
    switch.handle(START + 1, Input::Answered(granted(START)));
    switch.handle(START + 2, Input::Answered(authorized(START)));
    switch
}

#[test]
fn an_evaluation_ends_once_and_nothing_else_ends_with_it() {
    let mut switch = Personality::open(Kept::default(), true);
    assert_eq!(switch.next_wake(), None);
    switch.handle(START, Input::Uses(vec![used("LAN")]));
    let end = switch.next_wake().unwrap();
    assert_eq!(end, START + EVALUATION_SECONDS);
    assert!(switch.handle(end - 1, Input::Tick).is_empty());
    assert_eq!(Standing::of(switch.keep(), true, end - 1).model, Model::Evaluation);
    assert_eq!(told(&switch.handle(end, Input::Tick)), [&Message::EvaluationExpired]);
    assert_eq!(Standing::of(switch.keep(), true, end).model, Model::Expired);
    assert!(switch.handle(end + 1, Input::Tick).is_empty());
    // PI-LIC-011: what is in use stays in use.
    assert_eq!(switch.uses().len(), 1);
    // Over a restart too.
    let kept = Kept::read(&switch.keep().write()).unwrap();
    let mut switch = Personality::open(kept, true);
    assert!(switch.handle(end + 2, Input::Uses(vec![used("LAN")])).is_empty());
}

#[test]
fn it_is_renewed_and_authorised_in_time_and_when_use_changes() {
    let mut switch = registered();
    assert_eq!(switch.next_wake(), Some((START + 1).plus_days(30)));
    let at = (START + 1).plus_days(30);
    assert!(matches!(calls(&switch.handle(at, Input::Tick))[..], [Call::Authorize { .. }]));
    // One call at a time, and what is in the meantime comes after it.
    assert!(switch.handle(at + 1, Input::Uses(vec![used("LAN")])).is_empty());
    let next = switch.handle(at + 2, Input::Answered(authorized(at)));
    let [Call::Authorize { uses }] = calls(&next)[..] else { panic!("{next:?}") };
    assert_eq!(uses.len(), 1);
    assert!(switch.handle(at + 3, Input::Answered(authorized(at))).is_empty());
    // The renewal, with all before it left out.
    let at = START.plus_days(180);
    let first = switch.handle(at, Input::Tick);
    assert!(matches!(calls(&first)[..], [Call::Renew]));
    // Ninety days without an answer: the authorisation ended meanwhile.
    assert_eq!(told(&first), [&Message::AuthorizationExpired]);
    let next = switch.handle(at + 1, Input::Answered(granted(at)));
    assert_eq!(told(&next), [&Message::Renewed]);
    assert!(matches!(calls(&next)[..], [Call::Authorize { .. }]));
    assert_eq!(switch.keep().registration.held.as_ref().unwrap().expires_at, at.plus_days(365));
    let next = switch.handle(at + 2, Input::Answered(authorized(at)));
    assert_eq!(told(&next), [&Message::InCompliance]);
}

#[test]
fn a_server_that_is_gone_is_told_of_once_and_tried_again() {
    let mut switch = Personality::open(Kept::default(), true);
    switch.handle(START, Input::Uses(vec![used("LAN")]));
    switch.handle(START, register());
    let unreachable = || Input::Answered(Answer::Unreachable("no route".to_owned()));
    let first = switch.handle(START + 5, unreachable());
    assert_eq!(told(&first).len(), 2, "{first:?}");
    assert!(calls(&first).is_empty());
    let again = START + 5 + RETRY_SECONDS;
    assert_eq!(switch.next_wake(), Some(again));
    assert_eq!(calls(&switch.handle(again, Input::Tick)).len(), 1);
    assert!(told(&switch.handle(again + 1, unreachable())).is_empty());
    let again = again + 1 + RETRY_SECONDS;
    switch.handle(again, Input::Tick);
    let done = switch.handle(again + 1, Input::Answered(granted(again)));
    assert_eq!(told(&done), [&Message::CommunicationRestored, &Message::Registered]);
}

#[test]
fn a_refused_token_is_not_tried_again_and_too_little_is_told_by_name() {
    let mut switch = Personality::open(Kept::default(), true);
    let uses = vec![used("LAN"), used("NET")];
    switch.handle(START, Input::Uses(uses.clone()));
    switch.handle(START, register());
    let why = "the token is not valid".to_owned();
    let refused = switch.handle(START + 1, Input::Answered(Answer::Refused(why.clone())));
    assert_eq!(told(&refused), [&Message::RegistrationFailed(why)]);
    assert!(!switch.is_registering());
    switch.handle(START + 2, register());
    switch.handle(START + 3, Input::Answered(granted(START)));
    let too_little = Answer::Authorized {
        out_of_compliance: vec![uses[1].tag.clone()],
        deadline_at: START.plus_days(90),
    };
    let answered = switch.handle(START + 4, Input::Answered(too_little));
    assert_eq!(told(&answered), [&Message::OutOfCompliance(vec!["NET".to_owned()])]);
    let kept = switch.keep().authorization.as_ref().unwrap();
    assert_eq!(kept.compliance, Compliance::OutOfCompliance(vec![uses[1].tag.clone()]));
}

#[test]
fn a_registration_that_ends_or_is_left_leaves_the_evaluation_where_it_was() {
    let mut switch = registered();
    assert_eq!(switch.keep().evaluation.ends_at(), None);
    // The server is asked first, and does not answer.
    let gone = START.plus_days(365);
    let asked = switch.handle(gone, Input::Tick);
    assert_eq!(calls(&asked), [&Call::Renew]);
    assert!(switch.is_registered() && switch.next_wake().is_none_or(|at| at > gone));
    let ended = switch.handle(gone, Input::Answered(Answer::Unreachable("no route".to_owned())));
    assert!(told(&ended).contains(&&Message::RegistrationExpired), "{ended:?}");
    assert_eq!(Standing::of(switch.keep(), true, gone).model, Model::Evaluation);
    assert!(switch.keep().evaluation.ends_at().is_some());

    let mut switch = registered();
    assert!(switch.may(&register()).unwrap_err().contains("registered already"));
    assert!(switch.may(&Input::Deregister).is_ok());
    let asked = switch.handle(START + 9, Input::Deregister);
    assert_eq!(calls(&asked), [&Call::Deregister]);
    let done = switch.handle(START + 10, Input::Answered(Answer::Deregistered));
    assert_eq!(told(&done), [&Message::Deregistered]);
    assert!(!switch.is_registered() && switch.may(&Input::Renew).is_err());
    // As on the switch of the guide (p. 63).
    assert_eq!(switch.keep().registration.smart_account.as_deref(), Some("Example"));
}

#[test]
fn a_registration_that_the_server_does_not_know_goes_with_word_of_what_to_do() {
    // Taken away over there, or made by the other supervisor: with whatever is asked next
    for (asked, what_to_do) in [
        (Input::Authorize, "register it again with license smart register idtoken"),
        (Input::Renew, "register it again with license smart register idtoken"),
        (Input::Deregister, "look whether its product instance is still listed"),
        (Input::Enabled(false), "look whether its product instance is still listed"),
    ] {
        let mut switch = registered();
        let sent = switch.handle(START + 9, asked);
        assert_eq!(calls(&sent).len(), 1);
        let gone = switch.handle(START + 10, Input::Answered(Answer::Unknown));
        let [message @ Message::RegistrationUnknown(_)] = told(&gone)[..] else {
            panic!("{gone:?}")
        };
        let text = message.to_string();
        assert!(text.contains("knows no registration") && text.contains(what_to_do), "{text}");
        assert!(!switch.is_registered() && !switch.is_leaving());
        let kept = &switch.keep().registration;
        assert_eq!(kept.smart_account.as_deref(), Some("Example"));
    }
}

#[test]
fn without_smart_licensing_files_or_ones_word_hold_the_licences() {
    let mut switch = Personality::open(Kept::default(), false);
    switch.handle(START, Input::Uses(vec![used("LAN")]));
    assert!(switch.may(&register()).unwrap_err().contains("license smart enable"));
    assert_eq!(switch.next_wake(), None);
    assert_eq!(Standing::of(switch.keep(), false, START).model, Model::Rtu);
    // Turned off, a registration is given back.
    let mut switch = registered();
    let off = switch.handle(START + 9, Input::Enabled(false));
    assert_eq!(calls(&off), [&Call::Deregister]);
    let done = switch.handle(START + 10, Input::Answered(Answer::Deregistered));
    assert_eq!(told(&done), [&Message::Deregistered]);
    assert!(!switch.is_registered());
    // Taken back before the server has heard of it, it stays.
    let mut switch = registered();
    switch.handle(START + 9, Input::Enabled(false));
    switch.handle(START + 10, Input::Enabled(true));
    let failed = switch.handle(START + 11, Input::Answered(Answer::Unreachable("no".to_owned())));
    assert!(!told(&failed).iter().any(|own| matches!(own, Message::DeregistrationFailed(_))));
    assert!(switch.is_registered() && !switch.is_leaving());
    assert!(switch.next_wake().is_some_and(|at| at > START + 10 + RETRY_SECONDS));
}

#[test]
fn that_a_registration_is_to_end_lasts_until_the_server_has_heard_of_it() {
    // Whatever is answered before, for however long, over restarts between all of it
    let unreached = || Answer::Unreachable("no route".to_owned());
    let refused = || Answer::Refused("not now".to_owned());
    for turned_off in [false, true] {
        for answers in [
            vec![],
            vec![unreached()],
            vec![unreached(), unreached(), refused(), unreached()],
            vec![refused(), granted(START), authorized(START), unreached()],
        ] {
            let mut switch = registered();
            let is_enabled = !turned_off;
            let input = if turned_off { Input::Enabled(false) } else { Input::Deregister };
            let mut effects = switch.handle(START + 9, input);
            let mut now = START + 9;
            for answer in answers {
                // What was sent is lost with the power, and is sent again.
                let kept = Kept::read(&switch.keep().write()).unwrap();
                switch = Personality::open(kept, is_enabled);
                effects = switch.handle(now, Input::Tick);
                assert_eq!(calls(&effects), [&Call::Deregister], "{effects:?}");
                assert_eq!(Standing::of(switch.keep(), true, now).model, Model::Evaluation);
                let failed = switch.handle(now, Input::Answered(answer));
                assert!(!told(&failed).contains(&&Message::Deregistered), "{failed:?}");
                assert!(
                    told(&failed).iter().any(|own| matches!(own, Message::DeregistrationFailed(_))),
                    "{failed:?}"
                );
                assert!(switch.is_registered() && switch.is_leaving());
                now = switch.next_wake().unwrap();
                effects = switch.handle(now, Input::Tick);
                assert_eq!(calls(&effects), [&Call::Deregister]);
                // The same is not told again and again.
                let again = switch.handle(now, Input::Answered(unreached()));
                now = switch.next_wake().unwrap();
                effects = switch.handle(now, Input::Tick);
                let third = switch.handle(now, Input::Answered(unreached()));
                let is_said = |own: &&&Message| matches!(own, Message::DeregistrationFailed(_));
                assert_eq!(told(&third).iter().filter(is_said).count(), 0, "{again:?} {third:?}");
                now = switch.next_wake().unwrap();
                effects.clear();
            }
            if effects.is_empty() {
                effects = switch.handle(now, Input::Tick);
            }
            assert_eq!(calls(&effects), [&Call::Deregister]);
            let done = switch.handle(now, Input::Answered(Answer::Deregistered));
            assert!(told(&done).contains(&&Message::Deregistered), "{done:?}");
            assert!(!switch.is_registered() && !switch.is_leaving());
            assert!(calls(&switch.handle(now.plus_days(400), Input::Tick)).is_empty());
        }
    }
}

#[test]
fn what_was_turned_off_and_not_saved_is_on_after_a_restart_and_what_was_asked_for_is_not() {
    for (input, stays) in [(Input::Enabled(false), true), (Input::Deregister, false)] {
        let mut switch = registered();
        switch.handle(START + 9, input);
        let mut switch = Personality::open(switch.keep().clone(), true);
        assert!(switch.is_registered());
        assert_eq!(switch.is_leaving(), !stays);
        let uses = vec![used("LAN"), used("NET")];
        let sent = switch.handle(START + 10, Input::Uses(uses));
        assert_eq!(calls(&sent).contains(&&Call::Deregister), !stays);
        // Registered anew it stays too.
        if !stays {
            switch.handle(START + 11, Input::Register { id_token: "t".to_owned(), force: true });
            assert!(!switch.is_leaving());
        }
    }
}

/// What a switch asks and tells over three years with a server that is away in some of its months, by the seconds that pass; its clock is set
/// by these steps.
fn life(steps: &[(i64, i64)]) -> Vec<(i64, String)> {
    const HOUR: i64 = Timestamp::HOUR;
    let (mut said, mut offset) = (Vec::new(), 0);
    let mut switch = Personality::open(Kept::default(), true);
    let mut wall = |switch: &mut Personality, passed: i64, offset: i64, input: Input| {
        let now = START + passed + offset;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for effect in switch.handle(now, input) {
                said.push((passed, format!("{effect:?}")));
                let Effect::Call(call) = effect else { continue };
                // A server takes nothing from a clock that is wrong (by more than an hour), nor after the registration ended over there.
                let is_away = (passed / Timestamp::DAY) % 200 > 190;
                inputs.push(Input::Answered(match call {
                    _ if is_away || offset.abs() > HOUR => Answer::Unreachable("no".to_owned()),
                    Call::Register { .. } | Call::Renew => granted(now),
                    Call::Authorize { .. } => authorized(now),
                    Call::Deregister => Answer::Deregistered,
                }));
            }
        }
    };
    wall(&mut switch, 0, 0, Input::Uses(vec![used("LAN")]));
    wall(&mut switch, 0, 0, register());
    for hour in 1..3 * 365 * 24 {
        let passed = hour * HOUR;
        for (_, by) in steps.iter().filter(|(at, _)| *at == hour) {
            offset += by;
            wall(&mut switch, passed, offset, Input::ClockStepped(*by));
        }
        wall(&mut switch, passed, offset, Input::Tick);
        // Over a restart too.
        if hour % 1000 == 0 {
            switch = Personality::open(Kept::read(&switch.keep().write()).unwrap(), true);
            wall(&mut switch, passed, offset, Input::Uses(vec![used("LAN")]));
        }
    }
    assert!(switch.is_registered(), "{steps:?}: {said:?}");
    said
}

#[test]
fn a_clock_that_is_set_and_set_right_again_changes_nothing() {
    const YEAR: i64 = 365 * Timestamp::DAY;
    let still = life(&[]);
    assert!(still.iter().filter(|(_, what)| what.contains("Renew")).count() > 10);
    // Whatever is due while the clock is wrong, it is left alone so long that nothing is.
    for by in [-30 * YEAR, -2 * YEAR, -YEAR, -40 * Timestamp::DAY, 7, YEAR, YEAR + 1, 2 * YEAR] {
        for at in [2, 100, 4500, 9000] {
            assert_eq!(life(&[(at, by), (at + 3, -by)]), still, "{by} after {at} hours");
        }
        // And where it stays so for months, what was missed is made good, and the registration holds.
        life(&[(3000, by), (3000 + 24 * 60, -by)]);
        life(&[(3000, by), (3001, by), (3000 + 24 * 200, -2 * by)]);
    }
}

#[test]
fn a_clock_that_was_wrong_at_a_start_ends_no_registration_before_the_server_was_asked() {
    for days in [-3000_i64, -400, 200, 366, 3000] {
        let kept = Kept::read(&registered().keep().write()).unwrap();
        let mut switch = Personality::open(kept, true);
        let wrong = START + days * Timestamp::DAY;
        let asked = switch.handle(wrong, Input::Uses(vec![used("LAN"), used("NET")]));
        assert_eq!(calls(&asked), [&Call::Renew], "{days}");
        switch.handle(wrong, Input::Answered(granted(wrong)));
        assert!(switch.is_registered(), "{days}");
        let held = switch.keep().registration.held.as_ref().unwrap();
        assert_eq!(held.renew_at, wrong.plus_days(180), "{days}");
    }
}

#[test]
fn no_token_is_printed_or_kept() {
    let mut switch = Personality::open(Kept::default(), true);
    let id_token = "a-secret-token".to_owned();
    let asked = switch.handle(START, Input::Register { id_token, force: false });
    assert!(!format!("{asked:?}{switch:?}").contains("secret"));
    assert!(!String::from_utf8(switch.keep().write()).unwrap().contains("secret"));
}
