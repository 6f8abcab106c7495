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
    let gone = START.plus_days(365);
    let ended = switch.handle(gone, Input::Tick);
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
    // What was taken away over there is gone here with the next call.
    let mut switch = registered();
    switch.handle(START + 9, Input::Authorize);
    switch.handle(START + 10, Input::Answered(Answer::Unknown));
    assert!(!switch.is_registered());
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
    let gone = Answer::Unreachable("no route".to_owned());
    let done = switch.handle(START + 10, Input::Answered(gone));
    assert!(told(&done).contains(&&Message::Deregistered) && !switch.is_registered());
}

#[test]
fn no_token_is_printed_or_kept() {
    let mut switch = Personality::open(Kept::default(), true);
    let id_token = "a-secret-token".to_owned();
    let asked = switch.handle(START, Input::Register { id_token, force: false });
    assert!(!format!("{asked:?}{switch:?}").contains("secret"));
    assert!(!String::from_utf8(switch.keep().write()).unwrap().contains("secret"));
}
