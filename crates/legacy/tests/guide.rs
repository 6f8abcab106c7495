//! The outputs before a migration are those of the guide (p. 53-57, 62-64; PI-SHOW-038), from a machine that went the way that
//! leads to them.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up fails")]

use rumline_legacy::show::{self, Shown};
use rumline_legacy::{
    Answer, Call, EVALUATION_SECONDS, Effect, Granted, Input, Kept, Personality, Server, Use,
};
use rumline_protocol::{Civil, EntitlementTag, Timestamp};

fn at(text: &str) -> Timestamp {
    let words: Vec<&str> = text.split([' ', ':']).collect();
    let number = |place: usize| words[place].parse().unwrap();
    let civil = Civil {
        month: Civil::month_number(words[0]).unwrap(),
        day: number(1),
        hour: number(2),
        minute: number(3),
        second: number(4),
        year: number(5),
        ..Timestamp(0).civil()
    };
    Timestamp::from_civil(civil).unwrap()
}

fn time(at: Timestamp) -> String {
    let t = at.civil();
    let (hour, minute, second) = (t.hour, t.minute, t.second);
    format!("{} {:02} {hour:02}:{minute:02}:{second:02} {} UTC", t.month_name(), t.day, t.year)
}

fn used(name: &str, description: &str) -> Use {
    let tag = format!("regid.2020-01.com.example.{name},1.0_00000000-0000-0000-0000-000000000001");
    let tag = EntitlementTag::new(&tag).unwrap();
    Use { tag, name: name.to_owned(), description: description.to_owned(), count: 1 }
}

fn shown(personality: &Personality, now: Timestamp, show: impl Fn(&Shown<'_>) -> String) -> String {
    show(&Shown { personality, now, time: &time })
}

/// The call that is wanted.
fn call(effects: &[Effect]) -> Call {
    let call = effects.iter().find_map(|effect| match effect {
        Effect::Call(call) => Some(call.clone()),
        Effect::Tell(_) => None,
    });
    call.unwrap()
}

/// A switch that was registered as that of the guide's table 4.
fn registered() -> Personality {
    let mut personality = Personality::open(Kept::default(), true);
    let uses = vec![
        used("LAN_ENTERPRISE_SERVICES_PKG", "LAN license for Nexus 9500-M4"),
        used("NETWORK_SERVICES_PKG", "Network Services for Nexus 9500-M4"),
    ];
    assert!(personality.handle(at("Jul 16 14:20:00 2021"), Input::Uses(uses)).is_empty());
    let register = Input::Register { id_token: "token".to_owned(), force: false };
    let asked = personality.handle(at("Jul 16 14:25:48 2021"), register);
    assert!(matches!(call(&asked), Call::Register { .. }) && personality.is_registering());
    let granted = Answer::Granted(Granted {
        server: Server::Cssm,
        smart_account: "BU Production Test 1".to_owned(),
        virtual_account: "N9K_SA_49_Testing".to_owned(),
        // The clock over there is five minutes behind.
        expires_at: at("Jul 16 14:20:45 2022"),
        cslu_url: None,
        server_key: None,
    });
    let next = personality.handle(at("Jul 16 14:25:49 2021"), Input::Answered(granted));
    let Call::Authorize { uses } = call(&next) else { panic!("{next:?}") };
    assert_eq!(uses.len(), 2);
    let authorized = Answer::Authorized {
        out_of_compliance: Vec::new(),
        deadline_at: at("Oct 14 14:20:58 2021"),
    };
    personality.handle(at("Jul 16 14:26:01 2021"), Input::Answered(authorized));
    personality
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| !word.starts_with("---")).collect()
}

#[test]
fn a_registered_switch_shows_the_guides_status_usage_and_summary() {
    let personality = registered();
    let now = at("Jul 16 14:30:00 2021");
    let status = shown(&personality, now, show::status);
    // The next attempt counts from when the last one was sent: here with the answer to the registration.
    let guide = include_str!("guide/status__legacy_sl_registered.txt");
    assert_eq!(status, guide.replace("Aug 15 14:26:00", "Aug 15 14:25:49"));
    let usage = shown(&personality, now, show::usage);
    assert_eq!(usage, include_str!("guide/usage__legacy_sl_registered.txt"));
    // The guide's columns are lost, and two of its times are a second apart from those of its own status.
    let summary = shown(&personality, now, show::summary);
    let guide = include_str!("guide/summary__legacy_sl_registered.txt");
    let guide = guide.replace("Aug 15 14:26:01", "Aug 15 14:25:49").replace("14:20:59", "14:20:58");
    assert_eq!(words(&summary), words(&guide));
}

#[test]
fn a_switch_in_evaluation_shows_the_guides_outputs() {
    let mut kept = Kept::default();
    kept.registration.smart_account = Some("VDANI-ON-PREM-004".to_owned());
    kept.registration.virtual_account = Some("Default".to_owned());
    kept.converted_at = Some(at("Aug 13 17:19:07 2021"));
    let mut personality = Personality::open(kept, true);
    let uses = ["LAN_ENTERPRISE_SERVICES_PKG", "NETWORK_SERVICES_PKG", "VPN_FABRIC"];
    let began = at("Aug 14 00:00:00 2021");
    personality.handle(began, Input::Uses(uses.map(|name| used(name, "a licence")).into()));
    let left = |seconds: i64| {
        let left = 86 * Timestamp::DAY + 11 * Timestamp::HOUR + 49 * 60 + seconds;
        began + (EVALUATION_SECONDS - left)
    };
    let status = shown(&personality, left(3), show::status);
    assert_eq!(status, include_str!("guide/status__legacy_sl_eval.txt"));
    let usage = shown(&personality, left(40), show::usage);
    assert_eq!(usage, include_str!("guide/usage__legacy_sl_eval.txt"));
    // The guide's cell begins behind the first line.
    let summary = shown(&personality, left(6), show::summary);
    let guide = include_str!("guide/summary__legacy_sl_eval.txt");
    assert_eq!(summary, format!("Smart Licensing is ENABLED\n\n{guide}"));
}
